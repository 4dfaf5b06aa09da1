//! The server through its sockets.

use super::*;
use crate::machine::tests::bodies::{create, create_with, multi, path_and, path_int, set, set_to};
use crate::wire::jute::Writer;
use crate::words::Words;
use log_engine::io::{CrashStorage, Fault, FaultStorage};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

fn config(dir: &tempfile::TempDir) -> Config {
    Config { client_addresses: vec![([127, 0, 0, 1], 0).into()], ..Config::new(dir.path()) }
}

fn start(dir: &tempfile::TempDir) -> Server {
    Server::start(config(dir)).unwrap()
}

/// A client that speaks frames.
struct Client {
    stream: TcpStream,
    session: i64,
    password: Vec<u8>,
    xid: i32,
}

impl Client {
    fn raw(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.addresses()[0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn new(server: &Server) -> Self {
        Self::with(server, 0, &[0; 16]).unwrap()
    }

    /// `None` if there is no such session.
    fn with(server: &Server, session: i64, password: &[u8]) -> Option<Self> {
        let mut w = Writer::frame();
        w.int(0).long(0).int(10_000).long(session).buffer(Some(password)).bool(false);
        let mut stream = Self::raw(server);
        stream.write_all(&w.into_frame()).unwrap();
        let answer = frame(&mut stream).unwrap();
        let session = i64::from_be_bytes(answer[8..16].try_into().unwrap());
        (session != 0).then(|| Self { stream, session, password: answer[20..36].to_vec(), xid: 0 })
    }

    fn send(&mut self, kind: i32, body: &Writer) {
        self.xid += 1;
        let mut w = Writer::frame();
        w.int(self.xid).int(kind).append(body);
        self.stream.write_all(&w.into_frame()).unwrap();
    }

    /// The next reply: xid, error, body. Events are passed over.
    fn reply(&mut self) -> Option<(i32, i32, Vec<u8>)> {
        loop {
            let frame = frame(&mut self.stream)?;
            let int = |at: usize| i32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
            if int(0) != -1 {
                return Some((int(0), int(12), frame[16..].to_vec()));
            }
        }
    }

    fn ask(&mut self, kind: i32, body: &Writer) -> i32 {
        self.send(kind, body);
        let (xid, err, _) = self.reply().expect("an answer");
        assert_eq!(xid, self.xid);
        err
    }
}

/// A frame without its length; `None` at the end.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut bytes = vec![0; u32::from_be_bytes(len).try_into().unwrap()];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_))
}

fn word(server: &Server, word: &str) -> String {
    let mut stream = Client::raw(server);
    stream.write_all(word.as_bytes()).unwrap();
    // As `echo ruok | nc` does: nothing more comes from here.
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let mut client = Client::new(&server);
    for n in 0..300 {
        match n % 5 {
            0 => client.send(1, &create(&format!("/n{n}"), 0)),
            1 => client.send(4, &path_and("/zookeeper", false)),
            2 => client.send(5, &set("/none", -1)),
            3 => client.send(8, &path_and("/", true)),
            _ => client.send(14, &multi(vec![(13, path_int("/", 7)), (1, create("/x", 0))])),
        }
    }
    let xids: Vec<i32> = (0..300).map(|_| client.reply().unwrap().0).collect();
    assert_eq!(xids, (1..=300).collect::<Vec<_>>());
    server.stop().unwrap();
}

#[test]
fn what_was_acknowledged_and_the_sessions_are_there_after_a_stop_and_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let mut client = Client::new(&server);
    assert_eq!(client.ask(1, &create("/a", 0)), 0);
    assert_eq!(client.ask(1, &create("/e", 1)), 0);
    let (session, password) = (client.session, client.password.clone());
    server.stop().unwrap();
    assert!(is_closed(&mut client.stream));
    let server = start(&dir);
    let mut client = Client::with(&server, session, &password).unwrap();
    assert_eq!(client.ask(3, &path_and("/e", false)), 0);
    assert_eq!(client.ask(1, &create("/b", 0)), 0);
    drop(server);
    let server = start(&dir);
    assert!(Client::with(&server, session, &[9; 16]).is_none());
    let mut client = Client::with(&server, session, &password).unwrap();
    assert_eq!(client.ask(3, &path_and("/b", false)), 0);
    assert_eq!(client.ask(-11, &Writer::new()), 0);
    assert!(is_closed(&mut client.stream));
    let mut other = Client::new(&server);
    assert_eq!(other.ask(3, &path_and("/e", false)), -101);
}

#[test]
fn a_second_connection_takes_the_session_and_the_first_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let mut first = Client::new(&server);
    let mut second = Client::with(&server, first.session, &first.password).unwrap();
    assert!(is_closed(&mut first.stream));
    assert_eq!(second.ask(3, &path_and("/", false)), 0);
}

#[test]
fn words_are_answered_and_the_connection_closed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Config { words: Words::parse("*").unwrap(), ..config(&dir) }).unwrap();
    let mut client = Client::new(&server);
    client.ask(1, &create("/e", 1));
    client.ask(3, &path_and("/w", true));
    let session = format!("{:#x}", client.session);
    assert_eq!(word(&server, "ruok\n"), "imok");
    assert_eq!(word(&server, "isro"), "rw");
    let srvr = word(&server, "srvr");
    for line in
        ["Zookeeper version: 3.9.4-corrente", "Mode: standalone", "Node count: 5", "Zxid: 0x2", "Received: 3"]
    {
        assert!(srvr.contains(line), "{srvr}");
    }
    assert!(word(&server, "stat").contains("Clients:\n /127.0.0.1:"));
    assert!(word(&server, "mntr").contains("\nzk_watch_count\t1\n"));
    assert!(word(&server, "conf").contains("tickTime=3000\n"));
    assert!(word(&server, "envi").contains("zookeeper.version=3.9.4-"));
    assert!(word(&server, "cons").contains(&format!("sid={session},lop=EXIS")));
    let dump = word(&server, "dump");
    assert!(dump.contains(&format!("\n{session}:\n\t/e\n")), "{dump}");
    assert_eq!(word(&server, "wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
    assert_eq!(word(&server, "wchc"), format!("{session}\n\t/w\n\n"));
    assert_eq!(word(&server, "wchp"), format!("/w\n\t{session}\n\n"));
    assert_eq!(word(&server, "srst"), "Server stats reset.\n");
    assert_eq!(word(&server, "crst"), "Connection stats reset.\n");
    assert!(word(&server, "srvr").contains("Received: 0"));
    assert_eq!(word(&server, "abcd"), "");
}

#[test]
fn words_that_are_not_allowed_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    assert_eq!(word(&server, "wchc"), "wchc is not executed because it is not in the whitelist.\n");
}

/// What no client sends: the connection is closed without an answer, and others do not notice.
#[test]
fn hostile_frames_cost_their_connection_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let mut good = Client::new(&server);
    for head in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 0, 5],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff; 4],
        &[0, 0, 0, 3, 1, 2, 3],
    ] {
        let mut stream = Client::raw(&server);
        stream.write_all(head).unwrap();
        assert!(is_closed(&mut stream), "{head:?}");
    }
    let lying = {
        let mut w = Writer::frame();
        w.int(1).int(101).long(0).int(i32::MAX);
        w.into_frame()
    };
    for bytes in
        [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff; 4], &0x10_0000_u32.to_be_bytes(), &lying, &[0, 0, 0, 2, 0, 0]]
    {
        let mut client = Client::new(&server);
        client.stream.write_all(bytes).unwrap();
        assert!(is_closed(&mut client.stream), "{bytes:?}");
        assert!(Client::with(&server, client.session, &client.password).is_some(), "its session lives");
    }
    assert_eq!(good.ask(3, &path_and("/", false)), 0);
}

/// A request behind one that ends the connection is never read; the answer must not be lost with that.
#[test]
fn the_last_answer_arrives_though_more_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    for _ in 0..20 {
        let mut client = Client::new(&server);
        client.send(55, &Writer::new());
        for _ in 0..20 {
            client.send(3, &path_and("/", false));
        }
        assert_eq!(client.reply().map(|(xid, err, _)| (xid, err)), Some((1, -6)));
        assert!(client.reply().is_none());
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Config { connect_time: Duration::from_millis(100), ..config(&dir) }).unwrap();
    for start in [&[][..], &[0, 0], &[0, 0, 0, 45, 0, 0]] {
        let mut stream = Client::raw(&server);
        stream.write_all(start).unwrap();
        let since = Instant::now();
        assert!(is_closed(&mut stream));
        assert!(since.elapsed() < Duration::from_secs(10), "{start:?}");
    }
    let mut client = Client::new(&server);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(client.ask(3, &path_and("/", false)), 0, "who has a session may be silent for its timeout");
}

#[test]
fn connections_of_one_address_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Config { max_client_connections: Some(3), ..config(&dir) }).unwrap();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&server)).collect();
    assert!(is_closed(&mut Client::raw(&server)));
    clients.pop();
    let deadline = Instant::now() + Duration::from_secs(10);
    let again = loop {
        // The server has to notice that one has gone.
        let mut stream = Client::raw(&server);
        stream.write_all(b"ruok").unwrap();
        let mut text = String::new();
        if stream.read_to_string(&mut text).is_ok() && text == "imok" {
            break true;
        }
        if Instant::now() > deadline {
            break false;
        }
    };
    assert!(again);
}

/// A thousand answers of 200 kB that nobody reads wait as requests, not as answers; another client is served meanwhile, and
/// all of them come when they are read.
#[test]
fn answers_that_are_not_read_wait_as_requests() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let mut slow = Client::new(&server);
    assert_eq!(slow.ask(1, &create_with("/big", &vec![7; 200_000], 0)), 0);
    let mut writer = slow.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for xid in 2..1002 {
            let mut w = Writer::frame();
            w.int(xid).int(4).append(&path_and("/big", false));
            writer.write_all(&w.into_frame()).unwrap();
        }
    });
    let mut other = Client::new(&server);
    let deadline = Instant::now() + Duration::from_secs(20);
    while word(&server, "srvr").contains("Outstanding: 0\n") {
        assert!(Instant::now() < deadline, "no request waits");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(other.ask(1, &create("/quick", 0)), 0);
    for xid in 2..1002 {
        let (got, err, body) = slow.reply().unwrap();
        assert_eq!((got, err, body.len()), (xid, 0, 200_000 + 4 + 68));
    }
    sending.join().unwrap();
}

/// Events cannot wait: whoever does not read them is cut when they are too many.
#[test]
fn whoever_does_not_read_its_events_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let (mut deaf, mut loud) = (Client::new(&server), Client::new(&server));
    assert_eq!(deaf.ask(106, &path_int("/", 1)), 0);
    let name = "x".repeat(500_000);
    for n in 0..60 {
        assert_eq!(loud.ask(1, &create(&format!("/{n}{name}"), 0)), 0);
        assert_eq!(loud.ask(2, &path_int(&format!("/{n}{name}"), -1)), 0);
    }
    assert!(word(&server, "srvr").contains("Connections: 2\n"), "the loud one, and the one that asks");
    let mut read = 0_u64;
    let mut sink = vec![0; 1 << 20];
    while let Ok(n @ 1..) = deaf.stream.read(&mut sink) {
        read += n as u64;
    }
    assert!(read < 50 << 20, "{read}");
}

#[test]
fn a_port_and_a_directory_that_are_taken_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let other = tempfile::tempdir().unwrap();
    let taken = Config { client_addresses: server.addresses().to_vec(), ..config(&other) };
    let error = Server::start(taken).unwrap_err();
    let StartError::Bind(bind) = &error else { panic!("{error}") };
    assert!(bind.is_in_use() && bind.address == server.addresses()[0]);
    let expected = format!(
        "cannot listen on {}: another process has this address; stop it, or set clientPort to another port",
        bind.address
    );
    assert_eq!(error.to_string(), expected);
    let error = Server::start(config(&dir)).unwrap_err().to_string();
    assert!(error.ends_with("stop it, or set dataDir to another directory"), "{error}");
}

/// The disk fails in the middle of the work: nobody is told that it worked, and the server says why it ended.
#[test]
fn a_log_that_cannot_be_written_ends_the_server_before_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let disk = CrashStorage::new(Arc::clone(&clock));
    let calls = {
        let storage = FaultStorage::new(Arc::new(disk.clone()), Fault::never());
        let counted = storage.clone();
        let server = Server::start_on(&config(&dir), Some(Arc::new(storage)), Arc::clone(&clock)).unwrap();
        server.stop().unwrap();
        counted.calls()
    };
    let fault = Fault::at(calls + 25, std::io::ErrorKind::Other).lasting();
    let storage = Arc::new(FaultStorage::new(Arc::new(disk), fault));
    let server = Server::start_on(&config(&dir), Some(storage), clock).unwrap();
    let mut client = Client::new(&server);
    let mut acknowledged = 0;
    loop {
        client.send(1, &create_with("/n-", b"x", 2));
        if client.reply().is_none() {
            break;
        }
        acknowledged += 1;
        assert!(acknowledged < 1000);
    }
    let mut failure = server.failure();
    let deadline = Instant::now() + Duration::from_secs(10);
    while failure.borrow_and_update().is_none() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    let why = failure.borrow().clone().unwrap();
    assert!(why.contains("cannot be written, nothing that is not on the disk was acknowledged"), "{why}");
    assert!(server.stop().is_err());
}

/// Callers that have a runtime of their own may start, fail to start, stop and drop a server within it.
#[test]
fn a_server_lives_and_ends_within_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let server = start(&dir);
        let taken = Config { client_addresses: server.addresses().to_vec(), ..config(&other) };
        assert!(Server::start(taken).is_err());
        server.stop().unwrap();
        drop(start(&dir));
    });
}

/// A large request that was begun holds a share of what all may hold: not for longer than it takes to send it.
#[test]
fn a_large_request_that_does_not_go_on_ends_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Config { connect_time: Duration::from_millis(200), ..config(&dir) }).unwrap();
    let mut client = Client::new(&server);
    client.stream.write_all(&[0, 0x0f, 0, 0, 1, 2, 3]).unwrap();
    let since = Instant::now();
    assert!(is_closed(&mut client.stream));
    assert!(since.elapsed() < Duration::from_secs(5));
    let mut client = Client::new(&server);
    client.stream.write_all(&[0, 0, 0x0f, 0, 1, 2, 3]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    client.stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let kind = client.stream.read(&mut [0]).unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::WouldBlock, "a small one holds nothing");
}

#[test]
fn data_is_what_was_set() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir);
    let mut client = Client::new(&server);
    client.ask(1, &create("/a", 0));
    client.ask(5, &set_to("/a", b"hello", 0));
    client.send(4, &path_and("/a", false));
    assert_eq!(client.reply().unwrap().2[..9], *b"\0\0\0\x05hello");
}
