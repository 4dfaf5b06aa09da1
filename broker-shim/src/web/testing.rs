//! A client of the port for tests: one request, the whole answer.

use crate::server::{BlockingBroker, Broker};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Status line and fields, as they came.
    pub(super) head: String,
    pub(super) body: String,
}

/// A broker with the port, on any free one.
pub(super) fn broker(settings: &[(&str, &str)]) -> BlockingBroker {
    let mut all = vec![("http.listener", "127.0.0.1:0")];
    all.extend_from_slice(settings);
    Broker::temporary_with(&all).start_blocking().unwrap()
}

/// The address of its port.
pub(super) fn port(broker: &BlockingBroker) -> SocketAddr {
    *broker.http_addresses().first().unwrap()
}

/// Asks for a page.
pub(super) fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Sends a request as it is, which must ask for the end of the connection.
pub(super) fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
