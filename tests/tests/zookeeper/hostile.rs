//! Bytes that no client sends, and clients of manners that no library has any more: each meets the answer that the
//! real server gives, others are served meanwhile, and memory stays bounded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::{Age, Session, Zookeeper, is_real};

/// What the process may hold more than before: hostile clients send little and make it hold little.
const ALLOWANCE_KIB: u64 = 64 * 1024;
const JUTE_MAX: usize = 0x000f_ffff;

/// A first frame of a size that is no request.
pub(crate) fn first_frames_are_refused() -> Result<(), Missing> {
    let server = Zookeeper::start(&[])?;
    let mut bystander = server.session();
    let before = server.resident_kib();
    let connect = [0_u8; 45];
    let garbage: Vec<u8> = (0..4096_u32).map(|n| u8::try_from(n * 7 % 251).expect("a byte") | 0x80).collect();
    let frames: [(&str, Vec<u8>); 8] = [
        ("a length of -1", framed(-1, &connect)),
        ("the smallest length", framed(i32::MIN, &connect)),
        ("2 GiB", framed(i32::MAX, &connect)),
        ("more than jute.maxbuffer", framed(i32::try_from(JUTE_MAX).expect("small") + 1, &connect)),
        ("no body", framed(0, &[])),
        ("a body of 8 bytes", framed(8, &[0; 8])),
        ("garbage", garbage),
        ("a password of 2 GiB", connect_with_password(i32::MAX)),
    ];
    for (what, bytes) in &frames {
        for _ in 0..20 {
            assert!(ends_without_answer(&server, bytes), "{what}: the connection stays open");
        }
        assert_eq!(bystander.get("/none").expect(what), None, "{what}");
    }
    check_memory(&server, before);
    bystander.close().expect("connected");
    Ok(())
}

/// Requests on a session that are none: the connection goes, the session stays, and so does everybody else.
pub(crate) fn requests_are_refused() -> Result<(), Missing> {
    let server = Zookeeper::start(&[])?;
    let mut bystander = server.session();
    let before = server.resident_kib();
    let path = |length: i32| [&length.to_be_bytes()[..], b"/x"].concat();
    // Type and body.
    let requests: [(&str, i32, Vec<u8>); 7] = [
        ("a path of length 2 GiB", 3, path(i32::MAX)),
        ("a path longer than the frame", 4, path(100)),
        ("a path cut short", 3, vec![0, 0]),
        ("a list of 2^31 names", 101, [&[0_u8; 8][..], &i32::MAX.to_be_bytes()].concat()),
        ("a list of rights of 2^31", 1, create_with_rights(i32::MAX)),
        ("a multi that never ends", 14, vec![0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff]),
        ("an unknown operation", 55, path(2)),
    ];
    for (what, op, body) in &requests {
        let mut session = server.session();
        session.create("/kept", b"", 1).expect(what).expect(what);
        session.tell(*op, body).expect(what);
        let (id, password) = (session.id, session.password.clone());
        let answer = session.listen();
        // A short answer with an error is in order; then it ends.
        if let Ok(answer) = answer {
            assert_ne!(answer.error, 0, "{what}");
            // Apache's server goes on with some of them.
            assert!(is_real() || session.is_closed(), "{what}: the connection stays open");
        }
        assert!(bystander.get("/kept").expect(what).is_some(), "{what}: the session lives");
        let again = Session::resume(server.address(), id, &password, 0).expect(what);
        assert_eq!(again.id, id, "{what}: the session can be resumed");
        again.close().expect(what);
    }
    // Larger than jute.maxbuffer: closed without an answer.
    let mut session = server.session();
    let _ = session.tell_create("/large", &vec![0; JUTE_MAX + 1], 0);
    assert!(session.is_closed(), "a request beyond jute.maxbuffer is not answered");
    assert_eq!(bystander.get("/large").expect("connected"), None);
    check_memory(&server, before);
    Ok(())
}

/// Half a frame, and then silence: others are served, and the server does not hold the announced megabyte for each.
pub(crate) fn half_frames_hold_nobody_up() -> Result<(), Missing> {
    let server = Zookeeper::start(&[("tickTime", "500")])?;
    let before = server.resident_kib();
    let half = framed(1_000_000, &[1; 100]);
    let mut idle: Vec<TcpStream> = (0..200).map(|_| open(&server)).collect();
    idle.iter_mut().for_each(|stream| stream.write_all(&half).expect("accepted"));
    let mut sessions: Vec<Session> = (0..100).map(|_| server.session()).collect();
    for session in &mut sessions {
        // As a request of a session: the same again.
        session.tell_raw(&half).expect("accepted");
    }
    let begin = Instant::now();
    let mut bystander = server.session();
    for n in 0..50 {
        bystander.create(&format!("/n{n}"), b"x", 0).expect("connected").expect("created");
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "others wait: {:?}", begin.elapsed());
    check_memory(&server, before);
    drop(idle);
    bystander.close().expect("connected");
    Ok(())
}

/// Many who connect and go, many who connect and stay, and some who ask much and never read.
pub(crate) fn floods_are_survived() -> Result<(), Missing> {
    let server = Zookeeper::start(&[])?;
    let mut bystander = server.session();
    let before = server.resident_kib();
    for n in 0..1000 {
        drop(open(&server));
        if n % 50 == 0 {
            bystander.ping().expect("others are served");
        }
    }
    let held: Vec<TcpStream> = (0..300).map(|_| open(&server)).collect();
    bystander.create("/big", &vec![b'x'; 500_000], 0).expect("connected").expect("created");
    // Ten who never read what they asked for: 100 times half a megabyte each.
    let mut deaf: Vec<Session> = (0..10).map(|_| server.session()).collect();
    let body = [&4_i32.to_be_bytes()[..], b"/big", &[0]].concat();
    for session in &mut deaf {
        for _ in 0..100 {
            if session.tell(4, &body).is_err() {
                break;
            }
        }
    }
    thread::sleep(Duration::from_millis(300));
    for _ in 0..100 {
        assert!(bystander.get("/big").expect("others are served").is_some());
    }
    check_memory(&server, before);
    drop((held, deaf));
    // All of their connections go in time: `cons` lists one.
    let end = Instant::now() + Duration::from_secs(20);
    while server.four_letters("srvr").is_ok_and(|answer| connections(&answer) > 2) {
        assert!(Instant::now() < end, "connections of those who left stay");
        thread::sleep(Duration::from_millis(50));
    }
    bystander.close().expect("connected");
    Ok(())
}

fn connections(answer: &str) -> u32 {
    let count = answer.lines().find_map(|line| line.strip_prefix("Connections: "));
    count.and_then(|count| count.parse().ok()).expect("a number of connections")
}

/// Connections of one address are counted; who was there before goes on.
pub(crate) fn one_address_has_its_limit() -> Result<(), Missing> {
    let server = Zookeeper::start(&[("maxClientCnxns", "5")])?;
    let mut held: Vec<Session> = (0..5).map(|_| server.session()).collect();
    for _ in 0..20 {
        assert!(Session::open(server.address(), 30_000, Age::New).is_err(), "a sixth is taken");
    }
    for session in &mut held {
        session.ping().expect("the first five go on");
    }
    held.pop().expect("five").close().expect("connected");
    let end = Instant::now() + Duration::from_secs(10);
    while Session::open(server.address(), 30_000, Age::New).is_err() {
        assert!(Instant::now() < end, "a place that is free is not given again");
    }
    Ok(())
}

fn framed(length: i32, body: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[..], body].concat()
}

fn connect_with_password(length: i32) -> Vec<u8> {
    let mut body = vec![0; 24];
    body.extend(length.to_be_bytes());
    body.extend([0; 17]);
    framed(45, &body)
}

fn create_with_rights(count: i32) -> Vec<u8> {
    let mut body = 2_i32.to_be_bytes().to_vec();
    body.extend(b"/x");
    body.extend((-1_i32).to_be_bytes());
    body.extend(count.to_be_bytes());
    body
}

fn open(server: &Zookeeper) -> TcpStream {
    let stream = TcpStream::connect_timeout(&server.address(), Duration::from_secs(10)).expect("it accepts");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// Sends the bytes; whether the connection ends without a byte in return.
fn ends_without_answer(server: &Zookeeper, bytes: &[u8]) -> bool {
    let mut stream = open(server);
    // It may be closed before all is sent.
    let _ = stream.write_all(bytes);
    let mut answer = [0; 64];
    match stream.read(&mut answer) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn check_memory(server: &Zookeeper, before: u64) {
    let now = server.resident_kib();
    // A JVM takes what it is given.
    let most = if is_real() { before + 10 * ALLOWANCE_KIB } else { before + ALLOWANCE_KIB };
    assert!(now <= most, "resident memory went from {before} KiB to {now} KiB");
}
