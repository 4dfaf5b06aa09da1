//! The Python example, as the compose file runs it: the same environment, the same names, the same files, on hosts of their
//! own, with kafka-python 1.4.7, 2.0.2 and the newest.
//!
//! `cargo test -p corrente-tests --test python_examples [NAME...]`. Where this machine makes no hosts (it takes root), the
//! broker's address in the environment is one of this machine, and the rest is the same.

mod compose;
#[allow(dead_code)]
#[path = "../machines/servers.rs"]
mod servers;
mod stage;

use std::process::ExitCode;

use corrente_tests::install::{self, Missing};
use corrente_tests::runner::{self, Scenario};
use stage::Stage;

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("kafka_python_1_4_7", || {
            both_functions("kafka-python-1.4.7", "kafka-python==1.4.7", 11)
        }),
        Scenario::new("kafka_python_2_0_2", || {
            both_functions("kafka-python-2.0.2", "kafka-python==2.0.2", 11)
        }),
        Scenario::new("kafka_python_newest", || {
            both_functions("kafka-python-newest", "kafka-python>=3.0.12", 14)
        }),
        Scenario::new("the_application_of_the_compose_file", the_application),
        Scenario::new("the_two_listeners_of_the_compose_file", the_two_listeners),
        Scenario::new("the_compose_file_says_what_compose_wants", compose::is_what_compose_wants),
        Scenario::new("a_broker_that_is_not_there_is_an_error", nobody_there),
    ])
}

/// What is sent is printed once; a second run of the group prints nothing old, and then only what is new.
fn both_functions(name: &str, requirement: &str, newest_python: u8) -> Result<(), Missing> {
    // The releases before 3 do not import on Python 3.12.
    let python = install::python(name, 8, newest_python, &[requirement])?;
    let stage = Stage::new(&python)?;
    runner::ran("kafka-python in examples/python", &stage.version());

    stage.works(&[
        "send",
        "test",
        "{\"n\": 1, \"city\": \"Bel\u{e9}m\"}",
        r#"{"n": 2, "ok": true}"#,
        "[null, 0.5]",
    ]);
    let first = stage.works(&["print", "test", "5000"]);
    assert_eq!(first, "{'n': 1, 'city': 'Bel\u{e9}m'}\n{'n': 2, 'ok': True}\n[None, 0.5]\n");
    assert_eq!(
        stage.works(&["print", "test", "5000"]),
        "",
        "a second run with the same group prints nothing old"
    );
    stage.works(&["send", "test", r#""new""#]);
    assert_eq!(stage.works(&["print", "test", "5000"]), "new\n", "and then only what is new");
    Ok(())
}

/// Without arguments, as the service `app` runs it: it sends, prints, and goes on until it is stopped.
fn the_application() -> Result<(), Missing> {
    let stage = Stage::new(&newest()?)?;
    let mut app = stage.start(&[]);
    let told = stage.address();
    let expected = [
        format!("the broker is at {told}"),
        "{'city': 'Recife', 'degrees': 29.5}".to_owned(),
        "{'city': 'Oslo', 'degrees': -3.0}".to_owned(),
        "{'city': 'Quito', 'degrees': 14.25}".to_owned(),
    ];
    assert_eq!(stage::lines(&mut app, expected.len()), expected);
    stage.works(&["send", "measurements", r#"{"city": "Natal", "degrees": 28}"#]);
    assert_eq!(stage::lines(&mut app, 1), ["{'city': 'Natal', 'degrees': 28}"], "it waits for more");
    Ok(())
}

/// From inside clients are told `kafka:9092`, through the published port `localhost:19092`; and no warning is printed.
fn the_two_listeners() -> Result<(), Missing> {
    let stage = Stage::new(&newest()?)?;
    let Some(hosts) = stage.hosts() else {
        return Err(Missing(
            "the two listeners want hosts of their own, which only root can make".to_owned(),
        ));
    };
    assert_eq!(servers::told(hosts.host("app"), "kafka:9092"), ["kafka:9092"]);
    assert_eq!(servers::told(hosts.host("kafka"), "localhost:19092"), ["localhost:19092"]);
    assert_eq!(servers::told(hosts.host("kafka"), "localhost:9092"), ["kafka:9092"]);
    let listed = servers::works(hosts.host("app"), "kafka-topics", "--list --zookeeper zookeeper:2181", "");
    assert_eq!(listed, "", "the coordinator is reached by its name");
    assert_eq!(stage.warnings(), [] as [&str; 0]);
    Ok(())
}

fn nobody_there() -> Result<(), Missing> {
    let stage = Stage::new(&newest()?)?;
    let lost = stage.run_with(&[("kafka_host_url", "127.0.0.1:1")], &["send", "test", "1"]);
    assert!(!lost.status.success(), "a message that was not sent is no success");
    assert!(lost.stderr.contains("kafka.errors.") || lost.stderr.contains("Kafka"), "{}", lost.stderr);
    Ok(())
}

fn newest() -> Result<std::path::PathBuf, Missing> {
    install::python("kafka-python-newest", 8, 14, &["kafka-python>=3.0.12"])
}
