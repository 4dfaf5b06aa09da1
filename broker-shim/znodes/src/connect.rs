//! `zookeeper.connect`: where to dial, and dialling it until it answers.
//!
//! ```text
//! localhost:2181                     one server
//! a:2181,b,[::1]:2182/kafka          three, the second on port 2181, and everything below /kafka
//! ```
//!
//! A TCP connection is tried first, for two reasons: the operating system says why it refuses, and it says which of our
//! addresses leads there, which is the one that a broker registers when nobody told it another.

use crate::client::Zk;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use zookeeper_client as raw;

const DEFAULT_PORT: u16 = 2181;
/// How long one address may take to accept a connection.
const DIAL: Duration = Duration::from_secs(5);
/// How long to wait before the servers are tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Servers and the path below which everything is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectString {
    hosts: Vec<(String, u16)>,
    /// Empty, or a path without `/` at its end.
    chroot: String,
}

/// A text that names no servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("host:port,host:port/path, where the path may be missing")]
pub struct ConnectStringError;

impl ConnectString {
    /// The path below which everything is; empty for the root.
    #[must_use]
    pub fn chroot(&self) -> &str {
        &self.chroot
    }

    /// The servers without the path.
    #[must_use]
    pub fn servers(&self) -> String {
        let one = |(host, port): &(String, u16)| {
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        self.hosts.iter().map(one).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.servers(), self.chroot)
    }
}

impl FromStr for ConnectString {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, ConnectStringError> {
        let text = text.trim();
        let (servers, chroot) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        let hosts =
            servers.split(',').map(host_and_port).collect::<Option<Vec<_>>>().ok_or(ConnectStringError)?;
        let chroot = chroot.trim_end_matches('/');
        let is_path = chroot.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if is_path { Ok(Self { hosts, chroot: chroot.to_owned() }) } else { Err(ConnectStringError) }
    }
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(DEFAULT_PORT), str::parse).ok().filter(|port| *port != 0)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    (!host.is_empty() && host.chars().all(fine)).then(|| (host.to_owned(), port))
}

/// No ZooKeeper answered.
#[derive(Debug, thiserror::Error)]
#[error("no ZooKeeper answers at {dialled} ({answer}), tried for {} s", .waited.as_secs_f32().round())]
pub struct ConnectError {
    /// What was dialled.
    pub dialled: String,
    /// What came back.
    pub answer: String,
    /// For how long it was tried.
    pub waited: Duration,
}

impl Zk {
    /// Opens a session, and tries for so long; the path of `to` need not exist yet.
    ///
    /// # Errors
    ///
    /// Nobody answered, or not as ZooKeeper does.
    pub async fn connect(
        to: &ConnectString,
        session: Duration,
        wait: Duration,
    ) -> Result<Self, ConnectError> {
        let begin = Instant::now();
        loop {
            let answer = match Self::dial(to, session).await {
                Ok(zk) => return Ok(zk),
                Err(answer) => answer,
            };
            let waited = begin.elapsed();
            if waited + PAUSE > wait {
                return Err(ConnectError { dialled: to.servers(), answer, waited });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn dial(to: &ConnectString, session: Duration) -> Result<Self, String> {
        let local = local_address(to).await?;
        // What ZooKeeper 3.4 does not know is not sent; every newer server knows the rest.
        let connector = raw::Client::connector()
            .with_session_timeout(session)
            .with_server_version(3, 4, 0)
            .with_fail_eagerly();
        let client = connector.connect(&to.servers()).await.map_err(|error| match error {
            raw::Error::NoHosts | raw::Error::Timeout | raw::Error::ConnectionLoss => {
                "something listens there and does not answer as ZooKeeper does".to_owned()
            }
            other => other.to_string(),
        })?;
        Self::new(client, to.clone(), local).map_err(|()| "the path is none".to_owned())
    }
}

/// Our end of a connection to the first server that accepts one.
async fn local_address(to: &ConnectString) -> Result<SocketAddr, String> {
    let mut answer = String::new();
    for (host, port) in &to.hosts {
        let dialled = tokio::time::timeout(DIAL, TcpStream::connect((host.as_str(), *port))).await;
        let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match dialled.and_then(|stream| stream.local_addr()) {
            Ok(local) => return Ok(local),
            Err(error) => answer = error.to_string(),
        }
    }
    Err(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_paths_are_read() {
        for (text, servers, chroot) in [
            ("localhost:2181", "localhost:2181", ""),
            ("localhost", "localhost:2181", ""),
            (" a:1 , b/ ", "a:1,b:2181", ""),
            ("a:1,b:2/kafka/x", "a:1,b:2", "/kafka/x"),
            ("[::1]:5,[fe80::1]/k", "[::1]:5,[fe80::1]:2181", "/k"),
        ] {
            let to: ConnectString = text.parse().unwrap();
            assert_eq!((to.servers().as_str(), to.chroot()), (servers, chroot), "{text}");
        }
    }

    #[test]
    fn what_names_no_server_is_refused() {
        for text in ["", ",", "a:0", "a:x", "a:1,,b", "/kafka", "a//k", "a/../k", "a:1:2", "[::1", "http://a"]
        {
            assert!(text.parse::<ConnectString>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named_with_the_reason() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let to: ConnectString = format!("127.0.0.1:{port}/k").parse().unwrap();
        let error = Zk::connect(&to, Duration::from_secs(6), Duration::from_millis(250)).await.unwrap_err();
        let expected = format!(
            "no ZooKeeper answers at 127.0.0.1:{port} (Connection refused (os error 111)), tried for 0 s"
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.waited >= Duration::from_millis(100));
    }
}
