//! The server is killed with SIGKILL over and over while clients write: what was acknowledged is there, in order and
//! once, zxids never fall, and sessions go on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corrente_tests::install::Missing;
use corrente_tests::place;
use corrente_tests::zookeeper::{Session, Zookeeper, is_real};

/// Kills of a run; `CORRENTE_CRASH_CYCLES` asks for more.
const CYCLES: u64 = 40;

/// See the module.
pub(crate) fn lose_nothing() -> Result<(), Missing> {
    // Kills are to meet snapshots as well.
    let mut server = Zookeeper::start(&[("snapCount", "200")])?;
    let mut setup = server.session();
    for path in ["/seq", "/data"] {
        setup.create(path, b"0", 0).expect("connected").expect("created");
    }
    let mut owner = server.session();
    owner.create("/owned", b"", 1).expect("connected").expect("created");
    let (owner_id, password) = (owner.id, owner.password.clone());
    let mut zxid = setup.ping().expect("connected");
    let mut before = Acked::default();
    let cycles = if is_real() { 3 } else { place::number("CORRENTE_CRASH_CYCLES", CYCLES) };
    for cycle in 1..=cycles {
        let writers: Vec<Writer> = (0..2).map(|n| Writer::start(server.address(), n)).collect();
        writers.iter().for_each(|writer| writer.await_progress(cycle));
        thread::sleep(Duration::from_millis(cycle * 37 % 90));
        server.kill9();
        let told: Vec<Told> = writers.into_iter().map(Writer::finish).collect();
        server.spawn();

        let mut session = server.session();
        let now = session.ping().expect("connected");
        let newest = told.iter().map(|told| told.zxid).max().expect("two writers").max(zxid);
        assert!(now > newest, "cycle {cycle}: zxid {now:#x} after a restart, {newest:#x} was told before");
        zxid = now;
        before.check(cycle, &mut session, &told);
        let owned = session.get("/owned").expect("connected").expect("the session goes on");
        assert_eq!(owned.1.owner, owner_id, "cycle {cycle}");
        session.close().expect("connected");
    }
    let mut owner = Session::resume(server.address(), owner_id, &password, zxid).expect("answered");
    assert_eq!(owner.id, owner_id, "the session that nobody used for {cycles} restarts");
    assert!(owner.get("/owned").expect("connected").is_some());
    owner.close().expect("connected");
    assert_eq!(server.session().get("/owned").expect("connected"), None);
    assert!(before.names.len() > usize::try_from(cycles).expect("few"), "{} writes", before.names.len());
    Ok(())
}

/// What is there for certain.
#[derive(Default)]
struct Acked {
    names: Vec<String>,
    version: i32,
}

impl Acked {
    /// All acknowledged nodes are there; beside them only those that were asked for and not answered.
    fn check(&mut self, cycle: u64, session: &mut Session, told: &[Told]) {
        let found = session.children("/seq").expect("connected");
        self.names.extend(told.iter().flat_map(|told| told.names.iter().cloned()));
        self.names.sort();
        for name in &self.names {
            assert!(found.binary_search(name).is_ok(), "cycle {cycle}: {name} was acknowledged and is lost");
        }
        let unanswered: usize = told.iter().map(|told| told.unanswered).sum();
        assert!(
            found.len() <= self.names.len() + unanswered,
            "cycle {cycle}: {} nodes, {} acknowledged and {unanswered} asked for",
            found.len(),
            self.names.len()
        );
        // What was not answered and is there stays there.
        self.names = found;
        let sets = told.iter().map(|told| told.version).max().expect("two writers");
        let (data, stat) = session.get("/data").expect("connected").expect("it is there");
        assert!(
            stat.version >= sets.max(self.version),
            "cycle {cycle}: version {} after {sets}",
            stat.version
        );
        assert_eq!(
            String::from_utf8(data).expect("text"),
            stat.version.to_string(),
            "data and version agree"
        );
        self.version = stat.version;
    }
}

/// What a writer was told before the end.
#[derive(Default)]
struct Told {
    names: Vec<String>,
    unanswered: usize,
    version: i32,
    zxid: i64,
}

/// Writes with several requests under way until the server is gone.
struct Writer {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
}

impl Writer {
    fn start(address: SocketAddr, number: u32) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Told::default())));
        let (stopped, tell) = (Arc::clone(&stop), Arc::clone(&told));
        let thread = thread::spawn(move || {
            let Ok(session) = Session::open(address, 30_000, corrente_tests::zookeeper::Age::New) else {
                return;
            };
            // The second one counts in one node, the first makes nodes.
            let _ =
                if number == 0 { make(session, &stopped, &tell) } else { count(session, &stopped, &tell) };
        });
        Self { thread, stop, told }
    }

    /// Waits until it was told of a write.
    fn await_progress(&self, cycle: u64) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.told.lock().expect("nobody panics with this lock").zxid == 0 {
            assert!(Instant::now() < end, "cycle {cycle}: no write is acknowledged");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn finish(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        self.thread.join().expect("a writer does not panic");
        assert!(begin.elapsed() < Duration::from_secs(10), "a killed server's connections end");
        std::mem::take(&mut *self.told.lock().expect("nobody panics with this lock"))
    }
}

/// Sequence nodes, ten requests under way.
fn make(mut session: Session, stop: &AtomicBool, told: &Mutex<Told>) -> std::io::Result<()> {
    loop {
        for _ in 0..10 {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            session.tell_create("/seq/n-", b"x", 2)?;
            told.lock().expect("nobody panics with this lock").unanswered += 1;
        }
        for _ in 0..10 {
            let reply = session.listen()?;
            assert_eq!(reply.error, 0);
            let name = String::from_utf8_lossy(&reply.body[4..]).replace("/seq/", "");
            let mut told = told.lock().expect("nobody panics with this lock");
            told.names.push(name);
            told.unanswered -= 1;
            told.zxid = told.zxid.max(reply.zxid);
        }
    }
}

/// A node whose data is its version.
fn count(mut session: Session, stop: &AtomicBool, told: &Mutex<Told>) -> std::io::Result<()> {
    let (_, stat) = session.get("/data")?.expect("it is there");
    let mut version = stat.version;
    while !stop.load(Ordering::Relaxed) {
        version += 1;
        let code = session.set("/data", version.to_string().as_bytes())?;
        assert_eq!(code, 0);
        let mut told = told.lock().expect("nobody panics with this lock");
        told.version = version;
        told.zxid = told.zxid.max(session.zxid);
    }
    Ok(())
}
