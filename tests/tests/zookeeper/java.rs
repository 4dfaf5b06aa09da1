//! The ZooKeeper client in Java, of two ages, and Curator.

use std::path::{Path, PathBuf};
use std::process::Command;

use corrente_tests::install::{self, Missing};
use corrente_tests::zookeeper::{self, Zookeeper};
use corrente_tests::{place, runner};

use crate::{checks, kafka};

/// What `JavaClient` checks: all that clients of any age do.
const ALL_AGES: &[&str] = &[
    "create",
    "refusals",
    "stat",
    "watches",
    "multi",
    "acl",
    "ephemerals",
    "session_moves",
    "session_refused",
    "large_data",
    "pipelined",
    "chroot_and_names",
    "restart",
];

/// What `NewJavaClient` checks: what came after 3.4.
const NEW: &[&str] = &[
    "create2",
    "containers",
    "time_to_live",
    "persistent_watch",
    "recursive_watch",
    "remove_watches",
    "multi_of_new_kinds",
    "multi_read",
    "who_am_i",
    "counts_and_ephemerals",
    "persistent_watches_after_a_restart",
];

const CURATOR: &[&str] = &[
    "create_and_read",
    "transaction",
    "background_and_guaranteed",
    "mutex",
    "read_write_lock",
    "semaphore",
    "leader_latch",
    "leader_selector",
    "path_children_cache",
    "curator_cache",
    "tree_cache",
    "node_cache",
    "atomic_long",
    "shared_count",
    "queue",
    "barriers",
    "group_member",
    "persistent_watcher",
    "restart",
];

/// The client of 3.9.4 on the Java that is here.
pub(crate) fn client_of_3_9_4() -> Result<(), Missing> {
    let java = new_java("JavaClient")?;
    run("ZooKeeper Java client", java, ALL_AGES, "3.9.4")
}

/// Its newer operations.
pub(crate) fn newer_operations_of_3_9_4() -> Result<(), Missing> {
    let java = new_java("NewJavaClient")?;
    run("ZooKeeper Java client", java, NEW, "3.9.4")
}

/// The client that Kafka 2.2.0 brings along, on Java 11: it resolves no address on Java 14 and newer.
pub(crate) fn client_of_3_4_13() -> Result<(), Missing> {
    let jars = kafka::jars_of_2_2_0()?;
    let classes = install::java("zookeeper-java-3.4.13", 8, &jars, &["Checks", "JavaClient"])?;
    let mut java = jvm(&install::java_11()?, &jars, &classes, "JavaClient");
    java.0.arg(corrente_tests::kafka::log4j());
    run("ZooKeeper Java client", java, ALL_AGES, "3.4.13")
}

/// Curator's recipes.
pub(crate) fn curator() -> Result<(), Missing> {
    let java = new_java("CuratorClient")?;
    run("Curator", java, CURATOR, "5.9.0")
}

/// A JVM up to its options, and the class that it runs.
struct Java(Command, PathBuf, PathBuf, &'static str);

fn new_java(class: &'static str) -> Result<Java, Missing> {
    let jars = zookeeper::jars()?;
    let programs = ["Checks", "JavaClient", "NewJavaClient", "CuratorClient"];
    let classes = install::java("zookeeper-java-3.9.4", 17, &jars, &programs)?;
    let mut java = jvm(Path::new("java"), &jars, &classes, class);
    let log = place::client_program("java/logback.xml");
    java.0.arg(format!("-Dlogback.configurationFile={}", log.display()));
    Ok(java)
}

fn jvm(java: &Path, jars: &Path, classes: &Path, class: &'static str) -> Java {
    let mut command = Command::new(java);
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"]);
    Java(command, jars.to_owned(), classes.to_owned(), class)
}

fn run(client: &str, java: Java, wanted: &[&str], version: &str) -> Result<(), Missing> {
    let mut server = Zookeeper::start(&[])?;
    let Java(mut command, jars, classes, class) = java;
    let path = format!("{}:{}", classes.display(), jars.join("*").display());
    command.args(["-cp", &path, class, &server.connect_string()]);
    checks::run(client, &mut command, &mut server, wanted);
    runner::ran(client, version);
    Ok(())
}
