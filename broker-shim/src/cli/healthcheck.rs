//! `corrente healthcheck`: asks a server of this machine or container whether it answers; what the image's HEALTHCHECK runs.
//!
//! ```text
//! corrente healthcheck [broker | zookeeper] [FILE.properties] [--address HOST:PORT]
//! ```
//!
//! Without a role it is that of the image, and outside of one `broker`. A broker is asked for its versions, the first thing
//! every client asks; a ZooKeeper for `ruok`. The address is that of the first listener that the same file and environment
//! give the server itself. Exit code 0 with the answer, 1 with a sentence that says what was tried.

use super::image::{Image, Role};
use super::{server, zookeeper};
use crate::config::BindHost;
use kafka_client::{Address, Client, ClientConfig, Node};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer is waited for: less than an engine waits for this command.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that a ZooKeeper's answer has.
const MOST: u64 = 4096;

/// Arguments of `corrente healthcheck`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Args {
    /// What is asked [default: what the image is for, else broker]
    role: Option<Role>,
    /// The file that the server was started with, if any
    file: Option<PathBuf>,
    /// The server's address, if it was started with one that neither the file nor the environment says
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
}

/// Asks, and prints the answer.
pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let image = Image::here()?;
    let role = args.role.or(image.as_ref().map(|image| image.role)).unwrap_or(Role::Broker);
    let answer = match role {
        Role::Broker => broker(&address(args, || of_broker(args, image.as_ref()))?)?,
        Role::Zookeeper => coordinator(&address(args, || of_zookeeper(args, image.as_ref()))?)?,
    };
    // The exit code says it as well.
    let _ = writeln!(io::stdout(), "{answer}");
    Ok(())
}

fn address(
    args: &Args,
    configured: impl FnOnce() -> Result<String, Box<dyn Error>>,
) -> Result<String, Box<dyn Error>> {
    let address = args.address.clone().map_or_else(configured, Ok)?;
    if address.ends_with(":0") {
        return Err("the port is drawn when the server starts (0): give it with --address HOST:PORT".into());
    }
    Ok(address)
}

/// Where the broker listens first.
fn of_broker(args: &Args, image: Option<&Image>) -> Result<String, Box<dyn Error>> {
    let args = server::Args { file: args.file.clone(), ..server::Args::default() };
    let config = server::configuration(&args, image)?;
    let first = config.listeners.bind.first().ok_or("the broker has no listener")?;
    let host = match &first.host {
        BindHost::Loopback | BindHost::Any | BindHost::AnyV4 => "127.0.0.1",
        BindHost::AnyV6 => "::1",
        BindHost::Host(host) => host,
    };
    Ok(Address::new(host, first.port).to_string())
}

/// Where the ZooKeeper listens first.
fn of_zookeeper(args: &Args, image: Option<&Image>) -> Result<String, Box<dyn Error>> {
    let args = zookeeper::Args { file: args.file.clone(), ..zookeeper::Args::default() };
    let config = zookeeper::configuration(&args, image)?;
    let mut first = *config.client_addresses.first().ok_or("the server has no address")?;
    if first.ip().is_unspecified() {
        first = zookeeper::loopback(first);
    }
    Ok(first.to_string())
}

fn broker(address: &str) -> Result<String, Box<dyn Error>> {
    let config = ClientConfig {
        client_id: "corrente-healthcheck".into(),
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
        patience: PATIENCE,
        ..ClientConfig::default()
    };
    let mut client = Client::connect(&[Address::parse(address)?], config)?;
    let count = client.api_versions(Node::Any)?.iter().count();
    Ok(format!("the broker on {address} answers, with {count} APIs"))
}

fn coordinator(address: &str) -> Result<String, Box<dyn Error>> {
    let failed = |what: &str, error: io::Error| {
        format!("the ZooKeeper on {address} {what}: {error}; is it running, and is this its address?")
    };
    let resolved = || -> io::Result<SocketAddr> {
        address.to_socket_addrs()?.next().ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let asked = || -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&resolved()?, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"ruok")?;
        Ok(stream)
    };
    let stream = asked().map_err(|error| failed("cannot be reached", error))?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer).map_err(|error| failed("does not answer", error))?;
    // A word that the settings forbid is answered all the same, with a sentence: the server lives.
    if answer == "imok" || answer.contains("whitelist") {
        Ok(format!("the ZooKeeper on {address} answers"))
    } else {
        Err(format!("what listens on {address} is no ZooKeeper: it answers ruok with {answer:?}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Broker;
    use std::net::TcpListener;

    fn asked(role: Role, address: &str) -> Result<(), String> {
        let args = Args { role: Some(role), file: None, address: Some(address.to_owned()) };
        run(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn a_broker_that_answers_is_well() {
        let broker = Broker::temporary().start_blocking().unwrap();
        asked(Role::Broker, &broker.addr().to_string()).unwrap();
        let gone = broker.addr().to_string();
        broker.shutdown().unwrap();
        let text = asked(Role::Broker, &gone).unwrap_err();
        assert!(text.contains(&gone) && text.contains("refused"), "{text}");
    }

    #[test]
    fn a_zookeeper_is_asked_in_its_own_words() {
        let answering = |answer: &'static [u8]| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut word = [0; 4];
                stream.read_exact(&mut word).unwrap();
                stream.write_all(answer).unwrap();
                word
            });
            let result = asked(Role::Zookeeper, &address);
            assert_eq!(&server.join().unwrap(), b"ruok");
            result
        };
        assert_eq!(answering(b"imok"), Ok(()));
        assert_eq!(answering(b"ruok is not executed because it is not in the whitelist.\n"), Ok(()));
        let text = answering(b"").unwrap_err();
        assert!(text.contains("is no ZooKeeper"), "{text}");
        let text = asked(Role::Zookeeper, "127.0.0.1:1").unwrap_err();
        assert!(text.starts_with("the ZooKeeper on 127.0.0.1:1 cannot be reached: "), "{text}");
    }

    #[test]
    fn the_address_is_that_of_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let file = dir.path().join("s.properties");
            std::fs::write(&file, text).unwrap();
            Args { file: Some(file), ..Args::default() }
        };
        let broker = |text| of_broker(&file(text), None).unwrap();
        assert_eq!(
            broker(
                "listeners=PLAINTEXT://:19092,B://:1\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT"
            ),
            "127.0.0.1:19092"
        );
        assert_eq!(broker("listeners=PLAINTEXT://10.1.2.3:19092"), "10.1.2.3:19092");
        assert_eq!(broker("listeners=PLAINTEXT://[fd00::1]:19092"), "[fd00::1]:19092");
        let zookeeper = |text| of_zookeeper(&file(text), None).unwrap();
        assert_eq!(zookeeper("dataDir=d\nclientPort=2182"), "127.0.0.1:2182");
        assert_eq!(zookeeper("dataDir=d\nclientPortAddress=127.0.0.2"), "127.0.0.2:2181");
        let drawn = address(&Args::default(), || Ok("127.0.0.1:0".into())).unwrap_err();
        assert!(drawn.to_string().contains("--address"), "{drawn}");
    }
}
