//! `corrente zookeeper` as a user and a script meet it: what it prints, how it ends, what a SIGKILL leaves.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{Server, corrente};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// A server with its data below that directory, on a free port.
fn start(dir: &Path) -> Server {
    let file = "dataDir=zk\nclientPort=0\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n";
    fs::write(dir.join("zookeeper.properties"), file).unwrap();
    Server::start(&["zookeeper", "zookeeper.properties"], dir)
}

/// The answer to a word.
fn ask(server: &Server, word: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(word.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Sends a frame on a new session that asks for a node, and waits for the answer's error.
fn create(server: &Server, path: &str) -> i32 {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let string =
        |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let connect =
        [&[0; 12][..], &30_000_u32.to_be_bytes(), &[0; 8], &string("0123456789abcdef"), &[0]].concat();
    let rights =
        [&1_u32.to_be_bytes()[..], &31_u32.to_be_bytes(), &string("world"), &string("anyone")].concat();
    let create = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &string(path), &string(""), &rights, &[0; 4]].concat();
    let mut answer = Vec::new();
    for frame in [connect, create] {
        stream.write_all(&[&u32::try_from(frame.len()).unwrap().to_be_bytes()[..], &frame].concat()).unwrap();
        let mut len = [0; 4];
        stream.read_exact(&mut len).unwrap();
        answer = vec![0; u32::from_be_bytes(len).try_into().unwrap()];
        stream.read_exact(&mut answer).unwrap();
    }
    i32::from_be_bytes(answer[12..16].try_into().unwrap())
}

#[test]
fn ready_lines_say_version_address_and_folder() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let expected = format!(
        "corrente zookeeper {} is ready on {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        server.address(),
        dir.path().join("zk").canonicalize().unwrap().display()
    );
    assert_eq!(server.ready[0], expected);
    let binding =
        format!("binding to port {} (org.apache.zookeeper.server.NIOServerCnxnFactory)", server.address());
    assert_eq!(server.ready[1], binding);
    assert_eq!(ask(&server, "ruok\n"), "imok");
}

#[test]
fn sigterm_and_sigint_are_clean_stops_and_a_kill_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (n, signal) in ["TERM", "INT", "KILL"].into_iter().enumerate() {
        let server = start(dir.path());
        for earlier in 0..n {
            assert_eq!(create(&server, &format!("/n{earlier}")), -110, "it is there");
        }
        assert_eq!(create(&server, &format!("/n{n}")), 0);
        server.signal(signal);
        let (code, log) = server.end();
        assert_eq!(code, if signal == "KILL" { None } else { Some(0) }, "{log}");
    }
    assert_eq!(create(&start(dir.path()), "/n2"), -110);
}

#[test]
fn what_keeps_it_from_starting_is_one_sentence_and_1() {
    let dir = tempfile::tempdir().unwrap();
    let failed = |args: &[&str]| {
        let output = corrente(&[&["zookeeper"], args].concat(), dir.path()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        text
    };
    let server = start(dir.path());
    let port = server.address().rsplit_once(':').unwrap().1.to_owned();
    let (taken, other) = (format!("clientPort={port}"), ["--override", "dataDir=other"]);
    let text = failed(&["zookeeper.properties", "--override", &taken, other[0], other[1]]);
    assert!(text.starts_with(&format!("corrente: cannot listen on {}", server.address())), "{text}");
    let text = failed(&["zookeeper.properties"]);
    assert!(text.contains("is in use by process "), "{text}");
    let text = failed(&["zookeeper.properties", "--override", "tickTime=never"]);
    assert!(text.ends_with("tickTime = never: expected a number from 1 to 2147483647\n"), "{text}");
    fs::create_dir_all(dir.path().join("real/version-2")).unwrap();
    fs::write(dir.path().join("real/version-2/snapshot.0"), "").unwrap();
    let text = failed(&["zookeeper.properties", "--override", "dataDir=real"]);
    assert!(text.contains("holds the data of a ZooKeeper server"), "{text}");
    assert!(failed(&["none.properties"]).contains("cannot read none.properties"));
}
