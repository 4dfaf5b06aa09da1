//! The scripts in `bin/`: they find the program from anywhere, start it in the background, and stop only what is ours.
//!
//! Each test has a program of its own, a second name of the one under test: what is stopped is told by its file, so
//! tests that run beside each other do not stop each other's brokers.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A checkout of its own: `bin/` with the program in it, and a folder for settings and data.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        // Beside the program, so that it can be linked; and with blanks in the name, which scripts must bear.
        let beside = Path::new(env!("CARGO_BIN_EXE_corrente")).parent().unwrap();
        let dir = tempfile::Builder::new().prefix("a place ").tempdir_in(beside).unwrap();
        let place = Self { dir };
        fs::create_dir(place.path("bin")).unwrap();
        for entry in fs::read_dir(repository().join("bin")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), place.path("bin").join(entry.file_name())).unwrap();
        }
        fs::remove_file(place.path("bin/corrente")).unwrap();
        fs::hard_link(env!("CARGO_BIN_EXE_corrente"), place.path("bin/corrente")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A `server.properties` for a free port.
    fn settings(&self, name: &str) -> SocketAddr {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fs::write(self.path(name), format!("listeners=PLAINTEXT://{free}\nlog.dirs={name}-data\n")).unwrap();
        free
    }

    fn run(&self, script: &str, args: &[&str]) -> Output {
        let mut command = Command::new(self.path("bin").join(script));
        command.args(args).current_dir(self.dir.path()).env_remove("LOG_DIR").stdin(Stdio::null());
        command.output().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("logs/kafkaServer.out")).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // For a test that failed half-way.
        for script in ["kafka-server-stop.sh", "zookeeper-server-stop.sh"] {
            let _ = self.run(script, &[]);
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Exit code, standard output, standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The number of the process that "process N is ready" names.
fn number(text: &str) -> u32 {
    text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

fn is_answered(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // Size, API key 18, version 0, correlation id 7, no client id.
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).is_ok() && answer[4..] == [0, 0, 0, 7]
}

#[test]
fn daemon_returns_when_it_is_ready_and_stop_when_it_is_gone() {
    let place = Place::new();
    let address = place.settings("a.properties");
    for _ in 0..3 {
        let (code, out, err) = told(&place.run("kafka-server-start.sh", &["-daemon", "a.properties"]));
        let log = place.path("logs/kafkaServer.out").canonicalize().unwrap();
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        assert_eq!(out, format!("process {} is ready, its log is {}\n", number(&out), log.display()));
        assert!(is_answered(address), "ready is ready");
        // A session of its own: what a terminal sends to its processes does not reach it.
        let session = Command::new("ps").args(["-o", "sid=", "-p", &number(&out).to_string()]).output();
        if let Ok(session) = session.as_ref().map(told) {
            assert_eq!(session.1.trim(), number(&out).to_string());
        }
        assert_eq!(told(&place.run("kafka-server-stop.sh", &[])), (Some(0), String::new(), String::new()));
        TcpListener::bind(address).expect("the port is free");
        assert!(place.path("a.properties-data/.kafka_cleanshutdown").exists());
    }
    let log = place.log();
    assert_eq!(log.matches("started (kafka.server.KafkaServer)").count(), 3, "{log}");
    assert_eq!(log.matches("INFO stopped").count(), 3, "{log}");
}

#[test]
fn all_brokers_of_this_program_are_stopped_and_nobody_else_s() {
    let (place, other) = (Place::new(), Place::new());
    let ours = ["a.properties", "b.properties"].map(|name| {
        let address = place.settings(name);
        assert!(place.run("kafka-server-start.sh", &["-daemon", name]).status.success(), "{}", place.log());
        address
    });
    let theirs = other.settings("c.properties");
    assert!(other.run("kafka-server-start.sh", &["-daemon", "c.properties"]).status.success());
    // What a real broker looks like in a list of processes.
    let java = place.path("java");
    symlink("/bin/sleep", &java).unwrap();
    let mut jvm = Command::new("sh");
    jvm.args(["-c", "exec \"$0\" 60 2>/dev/null"])
        .arg(&java)
        .arg("kafka.Kafka")
        .arg("config/server.properties");
    let mut jvm = jvm.spawn().unwrap();

    assert_eq!(told(&place.run("kafka-server-stop.sh", &[])), (Some(0), String::new(), String::new()));
    assert!(ours.iter().all(|address| !is_answered(*address)));
    assert!(is_answered(theirs), "another installation goes on");
    assert!(jvm.try_wait().unwrap().is_none(), "a JVM goes on");
    jvm.kill().unwrap();
    jvm.wait().unwrap();
    assert!(other.run("kafka-server-stop.sh", &[]).status.success());
}

#[test]
fn nothing_to_stop_is_said_in_kafka_s_words() {
    let place = Place::new();
    let nothing = |what: &str| (Some(1), format!("No {what} server to stop\n"), String::new());
    assert_eq!(told(&place.run("kafka-server-stop.sh", &[])), nothing("kafka"));
    assert_eq!(told(&place.run("zookeeper-server-stop.sh", &[])), nothing("zookeeper"));
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let place = Place::new();
    let address = place.settings("a.properties");
    let first = told(&place.run("kafka-server-start.sh", &["-daemon", "a.properties"])).1;
    let (code, out, err) = told(&place.run("kafka-server-start.sh", &["-daemon", "a.properties"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = format!(
        "corrente: not started: cannot listen on {address} (listener PLAINTEXT): in use by process {} (",
        number(&first)
    );
    assert!(err.starts_with(&expected) && err.lines().count() == 1, "{err}");
    let log = place.path("logs/kafkaServer.out").canonicalize().unwrap();
    assert!(err.ends_with(&format!(" (its log is {})\n", log.display())), "{err}");
    assert!(is_answered(address), "the first one is not disturbed");

    let missing = told(&place.run("kafka-server-start.sh", &["-daemon", "none.properties"]));
    assert_eq!(missing.0, Some(1));
    assert!(missing.2.contains("cannot read none.properties"), "{}", missing.2);
    // What the command line itself gets wrong is told before anything is started.
    let wrong = told(&place.run("kafka-server-start.sh", &["-daemon", "a.properties", "--frobnicate"]));
    assert_eq!(wrong.0, Some(2), "{}", wrong.2);
}

#[test]
fn the_log_goes_where_log_dir_says() {
    let place = Place::new();
    place.settings("a.properties");
    let mut command = Command::new(place.path("bin/kafka-server-start.sh"));
    command.args(["-daemon", "a.properties"]).current_dir(place.dir.path()).env("LOG_DIR", "my logs");
    let (code, out, _) = told(&command.output().unwrap());
    assert_eq!(code, Some(0));
    assert!(out.ends_with("/my logs/kafkaServer.out\n"), "{out}");
    assert!(!place.path("logs").exists());
    assert!(place.run("kafka-server-stop.sh", &[]).status.success());
}

#[test]
fn a_start_script_without_a_file_shows_its_usage() {
    let place = Place::new();
    let (code, out, _) = told(&place.run("kafka-server-start.sh", &[]));
    assert_eq!(code, Some(1));
    assert_eq!(
        out,
        "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]*\n"
    );
    let (code, out, _) = told(&place.run("zookeeper-server-start.sh", &["-daemon"]));
    assert_eq!(code, Some(1));
    assert_eq!(out, "USAGE: zookeeper-server-start.sh [-daemon] zookeeper.properties\n");
}

/// A `zookeeper.properties` for a free port.
fn coordinator(place: &Place) -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("dataDir=zoo\nclientPort={}\nclientPortAddress=127.0.0.1\n", free.port());
    fs::write(place.path("z.properties"), text).unwrap();
    free
}

/// One request to a ZooKeeper server in a session of its own; the error code of the answer.
fn asked(address: SocketAddr, kind: i32, body: &[u8]) -> i32 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut send = |parts: &[&[u8]]| {
        let frame = parts.concat();
        let size = i32::try_from(frame.len()).unwrap().to_be_bytes();
        stream.write_all(&[&size, &frame[..]].concat()).unwrap();
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut answer = vec![0; i32::from_be_bytes(size).try_into().unwrap()];
        stream.read_exact(&mut answer).unwrap();
        answer
    };
    // Version, last transaction seen, timeout, session, password, read-only: a new session.
    send(&[&[0; 12], &10_000_i32.to_be_bytes(), &[0; 8], &16_i32.to_be_bytes(), &[0; 16], &[0]]);
    let answer = send(&[&1_i32.to_be_bytes(), &kind.to_be_bytes(), body]);
    // Behind the request's number and the transaction's.
    i32::from_be_bytes(answer[12..16].try_into().unwrap())
}

fn text(word: &str) -> Vec<u8> {
    [&i32::try_from(word.len()).unwrap().to_be_bytes(), word.as_bytes()].concat()
}

#[test]
fn a_coordinator_that_is_started_twice_says_so() {
    let place = Place::new();
    let address = coordinator(&place);
    let first = told(&place.run("zookeeper-server-start.sh", &["-daemon", "z.properties"]));
    assert_eq!((first.0, first.2.as_str()), (Some(0), ""), "{}", first.1);
    assert!(first.1.ends_with("/logs/zookeeper.out\n"), "{}", first.1);
    let (code, _, err) = told(&place.run("zookeeper-server-start.sh", &["z.properties"]));
    assert_eq!(code, Some(1));
    let start = format!("corrente: cannot listen on {address}: in use by process {} (", number(&first.1));
    let end = "; stop it, or set clientPort to another port: Address already in use (os error 98)\n";
    assert!(err.starts_with(&start) && err.ends_with(end) && err.lines().count() == 1, "{err}");
    assert!(place.run("zookeeper-server-stop.sh", &[]).status.success());
}

/// Both servers, stopped and started again at once, several times: what was written is there, and nothing is in the way.
#[test]
fn the_cluster_is_restarted_with_its_data() {
    let place = Place::new();
    let (zookeeper, broker) = (coordinator(&place), place.settings("a.properties"));
    let start = |script: &str, file: &str| {
        let (code, _, err) = told(&place.run(script, &["-daemon", file]));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{}", place.log());
    };
    let (create, exists) = (1, 3);
    let everyone =
        [&1_i32.to_be_bytes()[..], &31_i32.to_be_bytes(), &text("world"), &text("anyone")].concat();
    for round in 0..3 {
        start("zookeeper-server-start.sh", "z.properties");
        start("kafka-server-start.sh", "a.properties");
        for earlier in 0..round {
            assert_eq!(asked(zookeeper, exists, &[text(&format!("/n{earlier}")), vec![0]].concat()), 0);
        }
        let node = [text(&format!("/n{round}")), text("data"), everyone.clone(), vec![0; 4]].concat();
        assert_eq!(asked(zookeeper, create, &node), 0);
        assert!(is_answered(broker));
        // The broker's script does not stop the coordinator.
        assert!(place.run("kafka-server-stop.sh", &[]).status.success());
        assert_eq!(asked(zookeeper, exists, &[text("/"), vec![0]].concat()), 0);
        assert!(place.run("zookeeper-server-stop.sh", &[]).status.success());
        TcpListener::bind(zookeeper).expect("the port is free");
    }
    assert_eq!(place.log().matches("INFO stopped").count(), 3, "{}", place.log());
}

/// Every name is a way to the program: by a link, from another folder, with blanks in the path.
#[test]
fn every_script_finds_the_program_beside_it_or_says_how_to_build_it() {
    let place = Place::new();
    // Says what it was called with.
    fs::remove_file(place.path("bin/corrente")).unwrap();
    fs::write(place.path("bin/corrente"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    Command::new("chmod").arg("+x").arg(place.path("bin/corrente")).status().unwrap();
    fs::create_dir(place.path("links")).unwrap();
    let scripts = || fs::read_dir(place.path("bin")).unwrap().map(|entry| entry.unwrap().file_name());
    let scripts: Vec<String> = scripts().map(|name| name.into_string().unwrap()).collect();
    for script in scripts.iter().filter(|name| name.as_str() != "corrente") {
        let name = script.strip_suffix(".sh").expect("a script is called .sh");
        symlink(format!("../bin/{script}"), place.path("links").join(name)).unwrap();
        let mut command = Command::new(place.path("links").join(name));
        let (code, out, err) = told(&command.args(["--a", "b c"]).current_dir("/").output().unwrap());
        assert_eq!((code, out, err.as_str()), (Some(0), format!("{name}\n--a\nb c\n"), ""));
    }
    // As in a checkout that was not built.
    fs::copy(repository().join("bin/corrente"), place.path("bin/corrente")).unwrap();
    let here = place.dir.path().canonicalize().unwrap();
    for script in scripts.iter().filter(|name| name.as_str() != "corrente") {
        let (code, _, err) = told(&place.run(script, &["x"]));
        let expected =
            format!("corrente is not built yet: run cargo build --release in {}\n", here.display());
        assert_eq!((code, err), (Some(1), expected), "{script}");
    }
}

#[test]
fn the_settings_that_are_shipped_start_both_servers() {
    let place = Place::new();
    fs::create_dir(place.path("config")).unwrap();
    for name in ["server.properties", "zookeeper.properties"] {
        fs::copy(repository().join("config").join(name), place.path("config").join(name)).unwrap();
    }
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (broker, zookeeper) = (free(), free());
    let start = |script: &str, args: &[&str]| {
        let (code, _, err) = told(&place.run(script, &[&["-daemon"], args].concat()));
        assert_eq!(code, Some(0), "{err}");
    };
    let (port, listeners) =
        (format!("clientPort={}", zookeeper.port()), format!("listeners=PLAINTEXT://{broker}"));
    let local = ["--override", "clientPortAddress=127.0.0.1", "--override", &port];
    start("zookeeper-server-start.sh", &[&["config/zookeeper.properties"], &local[..]].concat());
    let alone = ["--override", "zookeeper.connect=", "--override", &listeners];
    start("kafka-server-start.sh", &[&["config/server.properties"], &alone[..]].concat());
    assert!(is_answered(broker));
    assert_eq!(asked(zookeeper, 3, &[text("/"), vec![0]].concat()), 0);
    assert!(place.path("data/kafka-logs/meta.properties").exists());
    assert!(place.path("data/zookeeper").exists());
    for script in ["kafka-server-stop.sh", "zookeeper-server-stop.sh"] {
        assert!(place.run(script, &[]).status.success());
    }
    let log = fs::read_to_string(place.path("logs/zookeeper.out")).unwrap();
    assert!(!log.contains("WARN"), "{log}");
}
