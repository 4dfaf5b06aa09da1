//! The topics move from the metadata log to ZooKeeper and back, and a start with the wrong owner is refused.

use std::process::Command;
use std::time::Duration;

use corrente_tests::broker::{self, Broker};
use corrente_tests::install::Missing;
use corrente_tests::process;
use corrente_tests::zookeeper::Zookeeper;

use crate::tools::ours;

/// See the module.
pub(crate) fn there_and_back() -> Result<(), Missing> {
    let zookeeper = Zookeeper::start_one(false, &[])?;
    let connect = format!("{}/moved", zookeeper.connect_string());
    let mut broker = Broker::start(&[("offsets.topic.num.partitions", "2")]);
    let bootstrap = broker.bootstrap();
    let line = [
        "--bootstrap-server",
        &bootstrap,
        "--create",
        "--topic",
        "t",
        "--partitions",
        "2",
        "--config",
        "retention.ms=77000",
    ];
    assert_eq!(ours("kafka-topics", &line).1, "Created topic t.\n");
    let describe = ["--bootstrap-server", &bootstrap, "--describe", "--topic", "t"];
    let before = ours("kafka-topics", &describe).1;
    assert!(before.contains("TopicId: ") && before.contains("retention.ms=77000"), "{before}");
    broker.stop();

    let (code, text) = broker.refused(&[("zookeeper.connect", &connect)]);
    assert_eq!(code, Some(1));
    assert!(text.contains("`corrente metadata convert --to zookeeper FILE.properties --apply`"), "{text}");
    let file = broker.log_dir().parent().expect("a directory").join("server.properties");
    let settings = format!("log.dirs={}\nzookeeper.connect={connect}\n", broker.log_dir().display());
    std::fs::write(&file, settings).expect("our own directory");
    let convert = |to: &str, apply: bool| {
        let mut command = Command::new(broker::binary());
        command.args(["metadata", "convert", "--to", to]).arg(&file).args(apply.then_some("--apply"));
        let done = process::run(&mut command, &[], Duration::from_secs(30));
        (done.status.code(), done.stdout, done.stderr)
    };
    let looked = convert("zookeeper", false);
    assert_eq!(
        looked.1,
        "  t: 2 partitions\nthis would be kept in ZooKeeper; nothing was changed, --apply does it\n",
        "{looked:?}"
    );
    assert_eq!(zookeeper.session().get("/moved").expect("connected"), None);
    let moved = convert("zookeeper", true);
    assert_eq!((moved.0, moved.1.lines().next()), (Some(0), Some("  t: 2 partitions")), "{moved:?}");
    assert!(convert("zookeeper", true).2.contains("the topics are kept in ZooKeeper already"));

    broker.set("zookeeper.connect", &connect);
    broker.spawn();
    assert_eq!(ours("kafka-topics", &describe).1, before, "the same topic with the same id");
    let line = ["--bootstrap-server", &bootstrap, "--create", "--topic", "u", "--partitions", "1"];
    assert_eq!(ours("kafka-topics", &line).1, "Created topic u.\n");
    broker.stop();
    let (code, text) = broker.refused(&[("zookeeper.connect", "")]);
    assert_eq!(code, Some(1));
    assert!(text.contains("`corrente metadata convert --to log"), "{text}");
    let back = convert("log", true);
    assert_eq!(back.0, Some(0), "{back:?}");
    broker.set("zookeeper.connect", "");
    broker.spawn();
    assert_eq!(ours("kafka-topics", &describe).1, before);
    assert_eq!(ours("kafka-topics", &["--bootstrap-server", &bootstrap, "--list"]).1, "t\nu\n");
    Ok(())
}
