//! An old producer's first word on a connection may be a large Produce: no ApiVersions, no Metadata before it.

use std::path::Path;

use corrente_tests::broker::Broker;
use corrente_tests::client::Program;
use corrente_tests::install::Missing;
use corrente_tests::message::{now_ms, number, text};
use corrente_tests::wire::message_v1;
use serde_json::json;

use crate::kafka_python;

const TOPIC: &str = "large";
const SIZE: usize = 900 * 1024;

pub(crate) fn is_answered() -> Result<(), Missing> {
    let program = kafka_python::program("kafka-python-1.4.7", "kafka-python==1.4.7", 11)?;
    let mut broker = Broker::start(&[]);
    broker.ensure_topic(TOPIC);
    let mut sent: Vec<(i64, String)> = Vec::new();
    for round in 0..2 {
        let (timestamp, value) = (now_ms(), large_text(round));
        let set = message_v1(timestamp, b"key", value.as_bytes());
        let offset = broker.connect().produce_v2(TOPIC, &set).expect("Produce v2 is answered");
        assert_eq!(offset, i64::try_from(sent.len()).expect("few messages"));
        sent.push((timestamp, value));
        check(&program, &broker, &sent);
        broker.restart();
        check(&program, &broker, &sent);
    }
    Ok(())
}

fn check(program: &Program, broker: &Broker, sent: &[(i64, String)]) {
    let command =
        json!({"do": "read", "bootstrap": broker.bootstrap(), "topic": TOPIC, "api_version": [0, 10, 1]});
    let read = program.ask(&command, &[]);
    assert_eq!(read.len(), sent.len());
    for (line, (timestamp, value)) in read.iter().zip(sent) {
        assert_eq!(number(line, "timestamp"), *timestamp);
        assert_eq!(text(&line["key"]).as_deref(), Some("key"));
        // Not assert_eq: nobody wants 900 KB twice on the screen.
        assert!(text(&line["value"]).as_deref() == Some(value), "the large value came back changed");
    }
    assert!(Path::new(&broker.log_dir()).exists());
}

/// Text that repeats nowhere in full.
fn large_text(round: usize) -> String {
    let mut text: String = (0..).map(|i| format!("{round}:{i} ")).take(SIZE / 6).collect();
    text.truncate(SIZE);
    assert_eq!(text.len(), SIZE);
    text
}
