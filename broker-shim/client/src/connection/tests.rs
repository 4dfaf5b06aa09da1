//! Versions agreed on, and hostile answers.

use super::*;
use crate::testing::{Act, broker, hasty, scripted};

fn problem(acts: Vec<Act>) -> String {
    Connection::open(&scripted(acts), &hasty()).unwrap_err().problem.to_string()
}

/// ApiVersions v0: an error code, then APIs.
fn versions(code: i16, apis: &[(i16, i16, i16)]) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(i32::try_from(apis.len()).unwrap().to_be_bytes());
    for (key, min, max) in apis {
        body.extend([key.to_be_bytes(), min.to_be_bytes(), max.to_be_bytes()].concat());
    }
    body
}

#[test]
fn our_broker_offers_what_it_serves() {
    let (_broker, mut client) = broker();
    let ranges = client.api_versions(crate::Node::Any).unwrap();
    assert_eq!(ranges.get(ApiKey::ApiVersions), Some((0, 4)));
    assert_eq!(ranges.best(ApiKey::Produce), Some(13));
    assert_eq!(ranges.spoken(ApiKey::Produce), Some(12), "the last version with names");
    assert_eq!(ranges.best(ApiKey::Vote), None);
}

#[test]
fn a_broker_that_finds_us_too_new_is_asked_in_its_version() {
    // Version 1 has the time of throttling at its end.
    let second = [versions(0, &[(18, 0, 1), (3, 0, 2)]), vec![0; 4]].concat();
    let listed = scripted(vec![Act::Body(versions(35, &[(18, 0, 1)])), Act::Body(second)]);
    assert_eq!(Connection::open(&listed, &hasty()).unwrap().ranges.get(ApiKey::Metadata), Some((0, 2)));
    let silent = scripted(vec![Act::Body(versions(35, &[])), Act::Body(versions(0, &[(18, 0, 0)]))]);
    assert_eq!(Connection::open(&silent, &hasty()).unwrap().ranges.get(ApiKey::ApiVersions), Some((0, 0)));
}

#[test]
fn a_broker_before_0_10_is_known_by_its_metadata() {
    // Brokers 0, topics 0, after the connection was closed at ApiVersions.
    let old = scripted(vec![Act::Close, Act::Body(vec![0; 8])]);
    let ranges = Connection::open(&old, &hasty()).unwrap().ranges;
    assert_eq!((ranges.best(ApiKey::Produce), ranges.best(ApiKey::CreateTopics)), (Some(1), None));
}

#[test]
fn whoever_is_no_broker_is_named() {
    assert_eq!(problem(vec![Act::Close]), "closed the connection without an answer");
    assert_eq!(
        problem(vec![Act::Raw(b"HTTP/1.1 400 Bad Request".to_vec())]),
        "is a web server, not a broker"
    );
    assert!(problem(vec![Act::Raw(vec![0x15, 3, 3, 0, 2, 2, 70])]).contains("TLS"));
    assert_eq!(problem(vec![Act::Raw(vec![0xff; 4])]), "does not answer as a broker does (a size of -1)");
    assert!(problem(vec![Act::Body(vec![0; 3])]).starts_with("does not answer as a broker does"));
    assert!(problem(vec![Act::Body(versions(-1, &[]))]).contains("UNKNOWN_SERVER_ERROR"));
    let claimed = [0x7f, 0xff, 0xff, 0xff];
    assert!(problem(vec![Act::Raw(claimed.to_vec())]).contains("2147483647"), "no memory for it");
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_so_long() {
    let config = hasty();
    let address = scripted(vec![Act::Body(versions(0, &[(3, 0, 0)])), Act::Wait]);
    let mut connection = Connection::open(&address, &config).unwrap();
    let all = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    let ticket = connection.send_at(0, &all, config.request_timeout, true).unwrap();
    let started = Instant::now();
    let error = connection.receive::<MetadataRequest>(ticket, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!connection.is_usable());
}

#[test]
fn a_zookeeper_is_told_from_a_broker() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut word = [0; 4];
            // A Kafka request is no word of its: it closes.
            if stream.read_exact(&mut word).is_ok() && &word == b"srvr" {
                let _ =
                    stream.write_all(b"Zookeeper version: 3.4.13-2d71af4dbe22557fda74f9a9b4309b15a7487f03");
            }
        }
    });
    let address = Address::new("127.0.0.1", address.port());
    let problem = Connection::open(&address, &hasty()).unwrap_err().problem;
    assert!(matches!(problem, DialProblem::ZooKeeper), "{problem}");
}
