//! What is no request closes its connection with one line that says why, and costs nobody else anything.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A broker process; killed if the test ends early.
struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_corrente"))
            .args(["server", "--override", "http.listener="])
            .args(["--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override"])
            .arg(format!("log.dirs={}", data.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let rest = line.split_once(" on ").expect(&line).1;
        let address = rest.split_once(',').expect(rest).0.to_owned();
        Self { child, address }
    }

    /// Sends bytes, and with `fin` no more, and waits for the broker to close without an answer; our own address.
    fn send(&self, bytes: &[u8], fin: bool) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(bytes).unwrap();
        if fin {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        // A connection that is closed with bytes unread is reset, which is as well.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "an answer to {bytes:?}");
        stream.local_addr().unwrap().to_string()
    }

    /// Ends it; the lines it wrote, without their time.
    fn stop(mut self) -> Vec<String> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{log}");
        let without_time = |line: &str| line.split_once(' ').expect(line).1.trim_start().to_owned();
        log.lines().map(without_time).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A frame: API key, version, correlation id 7, client id `me`, body.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
    frame.extend(7_i32.to_be_bytes());
    frame.extend([0, 2, b'm', b'e']);
    frame.extend(body);
    sized(&frame)
}

fn sized(frame: &[u8]) -> Vec<u8> {
    let size = i32::try_from(frame.len()).unwrap();
    [&size.to_be_bytes(), frame].concat()
}

/// The lines that each of the inputs brings about, the peer's address written as PEER.
fn lines_of(inputs: &[(&[u8], bool)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let peers: Vec<String> = inputs.iter().map(|(bytes, fin)| broker.send(bytes, *fin)).collect();
    let mut lines = broker.stop();
    assert_eq!(lines.split_off(lines.len() - 2), ["INFO stopping", "INFO stopped"]);
    // Connections are independent: their lines are sorted by ours.
    let of = |peer: &String| {
        let mut of_peer = lines.iter().filter(|line| line.contains(&format!("from {peer} ")));
        let line = of_peer.next().unwrap_or_else(|| panic!("no line about {peer} in {lines:#?}"));
        assert_eq!(of_peer.next(), None, "a second line about {peer}");
        line.replace(peer.as_str(), "PEER")
    };
    let sorted: Vec<String> = peers.iter().map(of).collect();
    assert_eq!(lines.len(), inputs.len(), "nothing else was said: {lines:#?}");
    sorted
}

#[test]
fn what_cannot_be_a_frame_is_one_line_each() {
    let random = [0x9e, 0x37, 0x79, 0xb9, 0x7f, 0x4a, 0x7c, 0x15, 0xf3, 0x9c, 0xc0, 0x60];
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let lines = lines_of(&[
        (&random, false),
        (&hello, false),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        (&104_857_601_i32.to_be_bytes(), false),
        (&(-1_i32).to_be_bytes(), false),
    ]);
    assert_eq!(
        lines,
        [
            "WARN connection from PEER closed: request of -1640531527 bytes, expected 0 to 104857600 \
             (socket.request.max.bytes)",
            "WARN connection from PEER closed: received a TLS handshake where a Kafka request was expected: this \
             listener is PLAINTEXT",
            "WARN connection from PEER closed: received an HTTP request where a Kafka request was expected: this \
             listener is PLAINTEXT",
            "WARN connection from PEER closed: request of 104857601 bytes, expected 0 to 104857600 \
             (socket.request.max.bytes)",
            "WARN connection from PEER closed: request of -1 bytes, expected 0 to 104857600 \
             (socket.request.max.bytes)",
        ]
    );
}

#[test]
fn frames_that_are_no_requests_are_one_line_each() {
    let truncated = frame(18, 0, &[]);
    let lines = lines_of(&[
        (&frame(9999, 0, &[]), false),
        (&frame(3, 99, &[]), false),
        // Metadata v1: two topics are announced and none is there.
        (&frame(3, 1, &2_i32.to_be_bytes()), false),
        (&truncated[..truncated.len() - 1], true),
        (&truncated[..3], true),
    ]);
    assert_eq!(
        lines,
        [
            "WARN connection from PEER closed: bad request: RequestHeader v1: api_key at byte 2: api key 9999 is unknown",
            "WARN connection from PEER closed: bad request: Metadata v99: api_version at byte 4: version is outside 0..=13",
            "WARN connection from PEER closed: bad request: MetadataRequest v1: topics at byte 4: 2 elements of at least \
             2 bytes claimed, 0 bytes left",
            "WARN connection from PEER closed: request cut off by the peer: 15 of 16 bytes received",
            "WARN connection from PEER closed: request cut off by the peer: 3 of 4 bytes received",
        ]
    );
}

#[test]
fn who_leaves_between_requests_is_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    broker.send(&[], true);
    assert_eq!(broker.stop(), ["INFO stopping", "INFO stopped"]);
}
