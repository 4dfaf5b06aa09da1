//! Sessions by hand: old clients, limits of timeouts, silence, what was missed while away.

use std::thread;
use std::time::{Duration, Instant};

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::{Age, Session, Zookeeper};

const SET_WATCHES: i32 = 101;

/// A client that sends no read-only flag gets an answer without one.
pub(crate) fn a_connect_of_44_bytes_is_answered_with_36() -> Result<(), Missing> {
    let server = Zookeeper::start(&[("tickTime", "2000")])?;
    let mut old = Session::open(server.address(), 10_000, Age::Old).expect("accepted");
    assert_eq!((old.answered, old.timeout), (36, 10_000));
    assert_eq!(old.create("/old", b"1", 1).expect("connected"), Ok("/old".to_owned()));
    old.close().expect("connected");
    let mut new = Session::open(server.address(), 1, Age::New).expect("accepted");
    assert_eq!((new.answered, new.timeout), (37, 4000), "twice the tick at least");
    assert_eq!(new.get("/old").expect("connected"), None);
    let longest = Session::open(server.address(), i32::MAX, Age::New).expect("accepted");
    assert_eq!(longest.timeout, 40_000, "twenty ticks at most");
    let zero = Session::resume(server.address(), new.id, &[0; 16], 0).expect("answered");
    assert_eq!((zero.id, zero.timeout), (0, 0), "a wrong password is answered as an expired session");
    let ahead = Session::resume(server.address(), 0, &[0; 16], i64::MAX);
    assert!(ahead.is_err(), "who has seen more than there is gets no answer");
    Ok(())
}

/// A session whose client is silent lives as long as it was promised, and its nodes not much longer.
pub(crate) fn a_silent_session_ends_in_time() -> Result<(), Missing> {
    let server = Zookeeper::start(&[("tickTime", "500")])?;
    let mut silent = Session::open(server.address(), 2000, Age::New).expect("accepted");
    silent.create("/silent", b"", 1).expect("connected").expect("created");
    let begin = Instant::now();
    let mut watcher = server.session();
    assert_eq!(silent.timeout, 2000);
    while watcher.get("/silent").expect("connected").is_some() {
        assert!(begin.elapsed() < Duration::from_secs(5), "it never ends");
        thread::sleep(Duration::from_millis(20));
    }
    let lived = begin.elapsed();
    assert!(lived >= Duration::from_millis(1950), "it ended early: {lived:?}");
    assert!(lived <= Duration::from_millis(3600), "it ended late: {lived:?}");
    Ok(())
}

/// Who comes back and names its watches is told at once of what it missed, before the answer, once.
pub(crate) fn missed_changes_are_told_on_return() -> Result<(), Missing> {
    let server = Zookeeper::start(&[])?;
    let mut away = server.session();
    for path in ["/changed", "/gone", "/parent", "/same"] {
        away.create(path, b"1", 0).expect("connected").expect("created");
    }
    let (id, password, zxid) = (away.id, away.password.clone(), away.zxid);
    drop(away);
    let mut other = server.session();
    assert_eq!(other.set("/changed", b"2").expect("connected"), 0);
    assert_eq!(other.delete("/gone").expect("connected"), 0);
    other.create("/made", b"", 0).expect("connected").expect("created");
    other.create("/parent/child", b"", 0).expect("connected").expect("created");

    let mut back = Session::resume(server.address(), id, &password, zxid).expect("answered");
    assert_eq!(back.id, id);
    let mut body = zxid.to_be_bytes().to_vec();
    for paths in [&["/changed", "/gone", "/same"][..], &["/made", "/unmade"], &["/parent", "/same"]] {
        body.extend(u32::try_from(paths.len()).expect("few").to_be_bytes());
        for path in paths {
            body.extend(u32::try_from(path.len()).expect("short").to_be_bytes());
            body.extend(path.as_bytes());
        }
    }
    let xid = back.tell(SET_WATCHES, &body).expect("connected");
    let mut events: Vec<(i32, String)> = (0..4).map(|_| event(&mut back)).collect();
    events.sort();
    let told = [(1, "/made"), (2, "/gone"), (3, "/changed"), (4, "/parent")];
    assert_eq!(events, told.map(|(kind, path)| (kind, path.to_owned())));
    let reply = back.listen().expect("connected");
    assert_eq!((reply.xid, reply.error), (xid, 0));
    // What did not change is watched from now on.
    other.set("/same", b"2").expect("connected");
    other.create("/unmade", b"", 0).expect("connected").expect("created");
    other.create("/same/child", b"", 0).expect("connected").expect("created");
    let later: Vec<(i32, String)> = (0..3).map(|_| event(&mut back)).collect();
    assert_eq!(
        later,
        [(3, "/same"), (1, "/unmade"), (4, "/same")].map(|(kind, path)| (kind, path.to_owned()))
    );
    Ok(())
}

/// Kind and path of the next frame, which has to be an event.
fn event(session: &mut Session) -> (i32, String) {
    let event = session.listen().expect("connected");
    assert_eq!(event.xid, -1, "an event: {event:?}");
    let kind = i32::from_be_bytes(event.body[..4].try_into().expect("four bytes"));
    (kind, String::from_utf8_lossy(&event.body[12..]).into_owned())
}
