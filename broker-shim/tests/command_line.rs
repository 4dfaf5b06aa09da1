//! The `corrente` command as a user and a script meet it: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{Server, corrente, stderr};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn run(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    corrente(args, dir.path()).output().unwrap()
}

/// A broker with its data there, on a free port.
fn broker_at(dir: &Path) -> Server {
    let data = format!("log.dirs={}", dir.display());
    Server::start(&["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", &data], dir)
}

#[test]
fn version_is_one_line() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("corrente {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn help_names_only_what_works() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let commands = text.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let servers = ["server", "zookeeper", "stop", "healthcheck", "log", "metadata"];
    let tools = ["topics", "produce", "consume", "groups", "bench", "configs"];
    assert_eq!(names, [&servers[..], &tools, &["completion", "man", "help"]].concat());
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [&["topic"][..], &["server", "--override", "x"], &["server", "a", "b"], &["--what"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("For more information, try '--help'."), "{}", stderr(&output));
    }
}

#[test]
fn a_wrong_setting_ends_with_1_and_says_where_and_what() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.properties"), "broker.id=0\n\nnum.partitions=many\n").unwrap();
    let output = corrente(&["server", "s.properties"], dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "corrente: s.properties:3: num.partitions = many: expected a whole number from 1 to 2147483647\n"
    );
    let output = corrente(&["server", "none.properties"], dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "corrente: cannot read none.properties, expected a Java properties file: No such file or directory (os \
         error 2)\n"
    );
}

#[test]
fn another_protocol_is_an_error_at_start() {
    let output = run(&["server", "--override", "listeners=SSL://127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "corrente: --override: listeners = SSL://127.0.0.1:0: expected PLAINTEXT for listener SSL: SSL is not served \
         yet, only PLAINTEXT is\n"
    );
}

#[test]
fn ready_lines_say_version_address_folder_and_durability() {
    let dir = tempfile::tempdir().unwrap();
    let server = broker_at(dir.path());
    let expected = format!(
        "corrente {} is ready on {}, data in {}, acks=all is answered when the disk has the data",
        env!("CARGO_PKG_VERSION"),
        server.address(),
        dir.path().canonicalize().unwrap().display()
    );
    assert_eq!(server.ready[0], expected);
    assert_eq!(server.ready[1], "[KafkaServer id=0] started (kafka.server.KafkaServer)");
    TcpStream::connect(server.address()).unwrap();
}

#[test]
fn sigterm_and_sigint_are_clean_stops() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let server = broker_at(dir.path());
        server.signal(signal);
        let (code, log) = server.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(dir.path().join(".kafka_cleanshutdown").exists());
    }
}

#[test]
fn the_next_start_knows_the_same_broker() {
    let dir = tempfile::tempdir().unwrap();
    let meta = || fs::read_to_string(dir.path().join("meta.properties")).unwrap();
    let server = broker_at(dir.path());
    let first = meta();
    drop(server);
    let _again = broker_at(dir.path());
    assert_eq!(meta(), first);
}

#[test]
fn only_an_unclean_stop_is_told_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = || {
        let server = broker_at(dir.path());
        server.signal("TERM");
        server.end().1
    };
    let told = "INFO the last stop was not a clean one: the logs were checked logs=1";
    assert!(!log().contains("clean"), "the first start has nothing to check");
    assert!(!log().contains("clean"));
    drop(broker_at(dir.path()));
    let after_kill = log();
    assert!(after_kill.lines().any(|line| line.ends_with(told)), "{after_kill}");
}

#[test]
fn a_directory_in_use_names_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let server = broker_at(dir.path());
    let data = format!("log.dirs={}", dir.path().display());
    let args = ["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", &data];
    let output = corrente(&args, dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "corrente: {} is in use by process {}: stop that broker, or set log.dirs to another folder\n",
            dir.path().display(),
            server.child.id()
        )
    );
}

#[test]
fn a_directory_of_kafka_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("meta.properties"), "#\n#\nversion=0\nbroker.id=0\n").unwrap();
    let data = format!("log.dirs={}", dir.path().display());
    let output = run(&["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", &data]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "corrente: {}: the data of an Apache Kafka broker is in there, and was not touched; set log.dirs to an \
             empty folder\n",
            dir.path().display()
        )
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_address_in_use_names_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let server = broker_at(dir.path());
    let listeners = format!("listeners=PLAINTEXT://{}", server.address());
    let args = ["server", "--override", &listeners, "--override", "log.dirs=other"];
    let output = corrente(&args, dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    let expected = format!(
        "corrente: cannot listen on {} (listener PLAINTEXT): in use by process {} ({} server --override listeners=",
        server.address(),
        server.child.id(),
        env!("CARGO_BIN_EXE_corrente"),
    );
    assert!(text.starts_with(&expected) && text.lines().count() == 1, "{text}");
    assert!(text.contains("; stop it, or set listeners to another port: Address already in use"), "{text}");
}

#[test]
fn warnings_are_lines_on_stderr() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("s.properties"),
        "listeners=PLAINTEXT://127.0.0.1:0\nlog.dirs=data\nnum.partition=3\n",
    )
    .unwrap();
    let server = Server::start(&["server", "s.properties"], dir.path());
    // Relative to the file, which is here.
    assert!(server.ready[0].contains(&dir.path().join("data").canonicalize().unwrap().display().to_string()));
    server.signal("TERM");
    let (_, log) = server.end();
    let warnings: Vec<&str> =
        log.lines().filter_map(|line| line.split_once("WARN ")).map(|(_, w)| w).collect();
    assert_eq!(
        warnings,
        ["s.properties:3: num.partition: unknown key, ignored; did you mean num.partitions?"]
    );
}

/// `bin/` of a checkout, copied to a place of its own.
fn copied_bin(dir: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bin");
    let to = dir.join("bin");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn names_of_kafka_s_tools_lead_to_the_release_build() {
    let dir = tempfile::tempdir().unwrap();
    let bin = copied_bin(dir.path());
    let start = || Command::new(bin.join("kafka-server-start.sh")).arg("none.properties").output().unwrap();
    let here = dir.path().canonicalize().unwrap();
    let output = start();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("corrente is not built yet: run cargo build --release in {}\n", here.display());
    assert_eq!(stderr(&output), expected);
    fs::create_dir_all(dir.path().join("target/release")).unwrap();
    symlink(env!("CARGO_BIN_EXE_corrente"), dir.path().join("target/release/corrente")).unwrap();
    let output = start();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("corrente: cannot read none.properties"), "{}", stderr(&output));
}

#[test]
fn names_of_kafka_s_tools_lead_to_the_program_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let bin = copied_bin(dir.path());
    fs::remove_file(bin.join("corrente")).unwrap();
    symlink(env!("CARGO_BIN_EXE_corrente"), bin.join("corrente")).unwrap();
    // A link to the script finds its way, too.
    symlink(bin.join("kafka-server-start.sh"), dir.path().join("start")).unwrap();
    let output = Command::new(dir.path().join("start")).arg("--frobnicate").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn the_environment_counts_only_with_env() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--env"];
    let broken =
        |args: &[&str]| corrente(args, dir.path()).env("KAFKA_NUM_PARTITIONS", "many").output().unwrap();
    assert_eq!(
        stderr(&broken(&args)),
        "corrente: environment variable KAFKA_NUM_PARTITIONS: num.partitions = many: expected a whole number from 1 to \
         2147483647\n"
    );
    let mut command = corrente(&args[..3], dir.path());
    let mut child = command.env("KAFKA_NUM_PARTITIONS", "many").spawn().unwrap();
    let first = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.starts_with("corrente "), "{first}");
}

/// From the start of the process to the answer to an ApiVersions request, on a connection that is tried again until it
/// is there.
fn first_answer(dir: &Path) -> Duration {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (listeners, data) = (format!("listeners=PLAINTEXT://{free}"), format!("log.dirs={}", dir.display()));
    let started = Instant::now();
    let mut child =
        corrente(&["server", "--override", &listeners, "--override", &data], dir).spawn().unwrap();
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect(free) {
            break stream;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "nobody listens");
        std::thread::sleep(Duration::from_micros(200));
    };
    // Size, API key 18, version 0, correlation id 7, no client id.
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    let took = started.elapsed();
    assert_eq!(answer[4..], [0, 0, 0, 7, 0, 0], "the correlation id, and no error");
    child.kill().unwrap();
    child.wait().unwrap();
    took
}

/// The promise is 50 ms from start to the first answer for a release build; a test build on a busy machine gets ten
/// times that, and the best of five counts. `--nocapture` shows how long it took.
#[test]
fn start_takes_no_time() {
    let times: Vec<Duration> = (0..5).map(|_| first_answer(tempfile::tempdir().unwrap().path())).collect();
    let best = times.iter().min().unwrap();
    println!("start to first answer: best {best:?} of {times:?}");
    assert!(*best < Duration::from_millis(500), "{times:?}");
}

/// The broker waited its 18 s out, whatever was typed.
#[test]
fn a_signal_ends_a_broker_that_waits_for_its_zookeeper() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let zookeeper = format!("zookeeper.connect=127.0.0.1:{port}");
    let args = ["server", "--override", &zookeeper, "--override", "zookeeper.connection.timeout.ms=60000"];
    let data = format!("log.dirs={}", dir.path().join("data").display());
    let listener = ["--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", &data];
    let child = corrente(&[&args[..], &listener].concat(), dir.path()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let begin = Instant::now();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("stopped by a signal before the broker was ready"), "{told}");
}
