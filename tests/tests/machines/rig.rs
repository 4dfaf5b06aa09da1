//! The hosts themselves: what a test that uses them relies on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use corrente_tests::hosts::{Host, Hosts};
use corrente_tests::install::Missing;
use corrente_tests::process::{self, Finished};

const LIMIT: Duration = Duration::from_secs(60);

fn sh(host: &Host, line: &str) -> Finished {
    process::run(host.command("sh").args(["-c", line]), &[], LIMIT)
}

fn says(host: &Host, line: &str) -> String {
    sh(host, line).success(line).stdout.trim().to_owned()
}

/// Whether a connection to that place comes about; by bash, so that no tool is needed.
fn dials(host: &Host, place: &str) -> bool {
    sh(host, &format!("exec timeout 20 bash -c 'exec 3<>/dev/tcp/{place}'")).status.success()
}

/// Whether nothing at all comes back from that place, not even a refusal.
fn is_silent(host: &Host, place: &str) -> bool {
    // Before the kernel gives up looking for the address, and long after an answer would be there.
    let tried = sh(host, &format!("exec timeout 2 bash -c 'exec 3<>/dev/tcp/{place}'"));
    tried.status.code() == Some(124)
}

/// A server on port 7000 that takes connections until its host goes.
fn listen(host: &Host) -> Result<(), Missing> {
    let python = "import socket; s = socket.create_server(('', 7000)); print('up', flush=True)\nwhile True: s.accept()";
    let mut command = host.command("python3");
    let child = command.args(["-c", python]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut first = String::new();
    let stdout = child.expect("nsenter is on this machine").stdout.expect("piped");
    BufReader::new(stdout).read_line(&mut first).expect("a line");
    if first == "up\n" { Ok(()) } else { Err(Missing("no python3 that can listen".to_owned())) }
}

pub(crate) fn hosts_know_and_reach_each_other() -> Result<(), Missing> {
    let names_before = fs::read_to_string("/etc/hosts").expect("every machine has it");
    let hosts = Hosts::new(&["kafka", "client"])?;
    let (kafka, client) = (hosts.host("kafka"), hosts.host("client"));
    assert_eq!(says(kafka, "uname -n"), "kafka");
    assert_eq!(says(client, "uname -n"), "client");
    assert_eq!(kafka.address(), Ipv4Addr::new(10, 77, 0, 11));
    assert_eq!(says(client, "getent hosts kafka | tr -s ' '"), "10.77.0.11 kafka");

    listen(kafka)?;
    assert!(dials(client, "kafka/7000"), "by name");
    assert!(dials(kafka, "localhost/7000"), "each has a loopback");
    assert!(!dials(client, "localhost/7000"), "of its own");
    client.know(&[("other", kafka.address())]);
    assert!(dials(client, "other/7000"), "by the names it was told last");
    assert!(!dials(client, "kafka/7000"), "and by no others");

    kafka.also_at("10.78.0.11/24");
    assert!(!dials(client, "10.78.0.11/7000"), "there is no way there");
    client.also_at("10.78.0.12/24");
    assert!(dials(client, "10.78.0.11/7000"), "now there is");
    hosts.cable("kafka", false);
    assert!(is_silent(client, "other/7000"), "the cable is out");
    hosts.cable("kafka", true);
    assert!(dials(client, "other/7000"), "the cable is in again");

    assert_eq!(fs::read_to_string("/etc/hosts").expect("every machine has it"), names_before);
    Ok(())
}

pub(crate) fn two_sets_of_hosts_do_not_meet() -> Result<(), Missing> {
    let (one, other) = (Hosts::new(&["kafka", "client"])?, Hosts::new(&["kafka", "client"])?);
    listen(one.host("kafka"))?;
    assert!(dials(one.host("client"), "kafka/7000"));
    assert!(!dials(other.host("client"), "kafka/7000"), "the same name and address on another bridge");
    Ok(())
}

pub(crate) fn what_runs_on_a_host_ends_with_it() -> Result<(), Missing> {
    let hosts = Hosts::new(&["kafka"])?;
    let mut sleeper = hosts.host("kafka").command("sleep").arg("1000").spawn().expect("sleep is everywhere");
    let program = fs::read_to_string(format!("/proc/{}/comm", sleeper.id()));
    // Until nsenter has become it.
    let give_up = Instant::now() + LIMIT;
    let mut now = program;
    while now.as_ref().is_ok_and(|name| name != "sleep\n") && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(5));
        now = fs::read_to_string(format!("/proc/{}/comm", sleeper.id()));
    }
    assert_eq!(now.expect("it runs"), "sleep\n", "the command became the program");
    drop(hosts);
    let end = sleeper.wait().expect("our own child can be waited for");
    assert!(!end.success(), "it was killed: {end}");
    Ok(())
}

pub(crate) fn a_container_has_its_own_layer() -> Result<(), Missing> {
    let image = image();
    let hosts = Hosts::new(&["one", "two"])?;
    let volume = tempfile::tempdir().expect("a temporary directory");
    let (one, two) = (hosts.host("one").root(image.path()), hosts.host("two").root(image.path()));
    one.mount(volume.path(), "/data");
    let run = |root: &corrente_tests::hosts::Root<'_>, user, line: &str| {
        process::run(root.command(user, "/bin/sh").args(["-c", line]), &[], LIMIT)
    };
    let written = run(&one, None, "echo mine > /file; echo kept > /data/file; echo $PATH $HOME");
    assert_eq!(
        written.success("in the container").stdout.trim(),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "no variable of the machine comes in"
    );
    assert_eq!(run(&one, None, "read line < /file; echo $line").stdout, "mine\n");
    assert!(!run(&two, None, "[ -e /file ]").status.success(), "another container has another layer");
    assert!(!image.path().join("file").exists(), "the image is as it was");
    assert_eq!(fs::read_to_string(volume.path().join("file")).expect("the volume"), "kept\n");
    let names = run(&two, None, "while read line; do echo $line; done < /etc/hosts").stdout;
    assert!(names.contains("10.77.0.11 one"), "the host's names: {names}");
    assert!(
        !run(&one, Some((4000, 4000)), "echo x > /other").status.success(),
        "a user may not write at the root"
    );
    Ok(())
}

/// The machine's own shell with what it is linked to.
fn image() -> tempfile::TempDir {
    let image = tempfile::tempdir().expect("a temporary directory");
    // For users other than root.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(image.path(), open).expect("our own folder");
    let linked = Command::new("ldd").arg("/bin/sh").output().expect("glibc has it");
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain(["/bin/sh"]) {
        let to = image.path().join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("it has a folder")).expect("our own folder");
        fs::copy(Path::new(file), &to).expect("what is linked can be read");
    }
    image
}
