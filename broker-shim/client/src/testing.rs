//! A broker for tests: ours, in this process, or a socket that answers as it is told.

use crate::{Address, Client, ClientConfig};
use broker_shim::server::{BlockingBroker, Broker};
use kafka_wire::messages::CreateTopicsRequest;
use kafka_wire::messages::create_topics_request::CreatableTopic;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// A broker of ours with a client.
pub(crate) fn broker() -> (BlockingBroker, Client) {
    let broker = Broker::temporary().start_blocking().expect("a broker on a free port");
    let client = connect(&broker);
    (broker, client)
}

pub(crate) fn connect(broker: &BlockingBroker) -> Client {
    let address = Address::parse(&broker.addr().to_string()).expect("an address");
    Client::connect(&[address], ClientConfig::default()).expect("a client")
}

/// Makes a topic.
pub(crate) fn create(client: &mut Client, name: &str, partitions: i32) {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let answer = client.call(crate::Node::Controller, &request).expect("an answer");
    assert_eq!(answer.topics[0].error_code, 0);
}

/// A configuration with little patience.
pub(crate) fn hasty() -> ClientConfig {
    ClientConfig {
        connect_timeout: Duration::from_millis(500),
        request_timeout: Duration::from_millis(500),
        patience: Duration::from_millis(500),
        ..ClientConfig::default()
    }
}

/// What a made-up broker does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers with these bytes as they are.
    Raw(Vec<u8>),
    /// Answers a frame: the request's correlation id, then this.
    Body(Vec<u8>),
    /// Closes.
    Close,
    /// Says nothing.
    Wait,
}

/// A listener whose n-th request (over all connections) is met by the n-th act, the last one for ever.
pub(crate) fn scripted(acts: Vec<Act>) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut acts = acts.into_iter();
        let mut last = Act::Close;
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = [0; 12];
            while stream.read_exact(&mut head).is_ok() {
                let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
                let mut rest = vec![0; usize::try_from(size).expect("small").saturating_sub(8)];
                if rest.len() > 1 << 20 || stream.read_exact(&mut rest).is_err() {
                    break;
                }
                last = acts.next().unwrap_or(last);
                let sent = match &last {
                    Act::Raw(bytes) => stream.write_all(bytes),
                    Act::Body(body) => {
                        let size = u32::try_from(body.len() + 4).expect("small").to_be_bytes();
                        let frame = [&size[..], &head[8..12], &body[..]].concat();
                        stream.write_all(&frame)
                    }
                    Act::Wait => Ok(()),
                    Act::Close => break,
                };
                if sent.is_err() {
                    break;
                }
            }
        }
    });
    Address::new(address.ip().to_string(), address.port())
}
