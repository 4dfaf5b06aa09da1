use super::*;
use crate::config::entry::ConfigSource;
use std::fs;

fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.properties");
    fs::write(&path, content).unwrap();
    (dir, path)
}

fn from_file(content: &str) -> BrokerConfig {
    let (_dir, path) = file(content);
    BrokerConfig::builder().file(path).build().unwrap()
}

fn refusal(content: &str) -> String {
    let (_dir, path) = file(content);
    let text = BrokerConfig::builder().file(&path).build().unwrap_err().to_string();
    text.replace(&path.display().to_string(), "FILE")
}

#[test]
fn without_any_source_only_this_machine_is_served() {
    let config = BrokerConfig::builder().build().unwrap();
    let all = Listener { name: "PLAINTEXT".into(), host: BindHost::Loopback, port: 9092 };
    assert_eq!(config.listeners, Listeners { bind: vec![all], advertised: vec![] });
    assert_eq!(config.storage.log_dirs, [PathBuf::from("data/corrente")]);
    assert_eq!(config.storage.durability, Durability::Sync);
    assert_eq!(config.num_partitions, 1);
    assert_eq!(config.groups.initial_rebalance_delay, Duration::ZERO);
    assert_eq!(config.groups.offsets_partitions, 50);
    assert_eq!(config.network.socket_request_max_bytes, 104_857_600);
    assert_eq!(config.network.queued_max_request_bytes, None);
    assert_eq!(config.network.socket_send_buffer_bytes, None);
    assert_eq!(config.node_id, None);
    assert!(config.auto_create_topics);
    assert!(config.warnings.is_empty());
}

#[test]
fn a_file_without_listeners_opens_to_all() {
    assert_eq!(from_file("").listeners.bind[0].host, BindHost::Any);
    let env = BrokerConfig::builder().env([]).build().unwrap();
    assert_eq!(env.listeners.bind[0].host, BindHost::Any);
    let advertised = BrokerConfig::builder().set("advertised.listeners", "PLAINTEXT://k:1").build().unwrap();
    assert_eq!(advertised.listeners.bind[0].host, BindHost::Any);
    // A setting about something else does not open the broker.
    let other = BrokerConfig::builder().set("log.dirs", "x").build().unwrap();
    assert_eq!(other.listeners.bind[0].host, BindHost::Loopback);
}

#[test]
fn the_old_host_and_port_keys_still_count() {
    let config = from_file("host.name=10.0.0.1\nport=1234\nadvertised.host.name=k.example\n");
    assert_eq!(config.listeners.bind[0].host, BindHost::Host("10.0.0.1".into()));
    assert_eq!(config.listeners.bind[0].port, 1234);
    assert_eq!(config.listeners.advertised[0].host, "k.example");
    assert_eq!(config.listeners.advertised[0].port, 1234);
}

#[test]
fn precedence_is_default_file_environment_override() {
    let (_dir, path) = file("num.partitions=2\nmessage.max.bytes=200\nsocket.request.max.bytes=2000\n");
    let env = [("KAFKA_MESSAGE_MAX_BYTES", "300"), ("KAFKA_SOCKET_REQUEST_MAX_BYTES", "3000")];
    let env = env.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let build = BrokerConfig::builder().set_pair("socket.request.max.bytes=4000").unwrap();
    let config = build.file(path).env(env).build().unwrap();
    assert_eq!(config.num_partitions, 2);
    assert_eq!(config.settings().text("message.max.bytes"), Some("300"));
    assert_eq!(config.network.socket_request_max_bytes, 4000);
    assert_eq!(config.network.fetch_max_bytes, 57_671_680);
    let source = |key| config.settings().get(key).unwrap().source.to_string();
    assert!(source("num.partitions").ends_with("server.properties:1"));
    assert_eq!(source("message.max.bytes"), "environment variable KAFKA_MESSAGE_MAX_BYTES");
    assert_eq!(source("socket.request.max.bytes"), "--override");
}

#[test]
fn what_an_image_says_goes_behind_all_else_and_other_variables_between() {
    let build = || BrokerConfig::builder().image("log.dir", "/data").image("num.partitions", "2");
    let text = |config: &BrokerConfig| config.settings().get("num.partitions").unwrap().source.to_string();
    assert_eq!(text(&build().build().unwrap()), "container image");
    let (_dir, path) = file("num.partitions=3\nlog.dirs=/elsewhere\n");
    let config = build().file(&path).build().unwrap();
    assert_eq!((config.num_partitions, &config.storage.log_dirs[..]), (3, &["/elsewhere".into()][..]));
    let other = || build().file(&path).variable("PARTS", "num.partitions", "4");
    assert_eq!(text(&other().build().unwrap()), "environment variable PARTS");
    let env = [("KAFKA_NUM_PARTITIONS".to_owned(), "5".to_owned())];
    assert_eq!(other().env(env).build().unwrap().num_partitions, 5);
}

#[test]
fn the_environment_is_read_only_when_asked_for() {
    // `build` without `env` has no way to see variables at all: nothing in this module reads the process's own.
    let config = BrokerConfig::builder().build().unwrap();
    assert!(config.settings().iter().next().is_none());
}

#[test]
fn directories_of_a_file_are_relative_to_it() {
    let (dir, path) = file("log.dirs=a, /b ,../c\n");
    let config = BrokerConfig::builder().file(&path).build().unwrap();
    assert_eq!(config.storage.log_dirs, [dir.path().join("a"), "/b".into(), dir.path().join("../c")]);
    let config = BrokerConfig::builder().file(&path).set("log.dirs", "a").build().unwrap();
    assert_eq!(config.storage.log_dirs, [PathBuf::from("a")]);
    // log.dirs goes before log.dir.
    let config = from_file("log.dir=/x\nlog.dirs=/y\n");
    assert_eq!(config.storage.log_dirs, [PathBuf::from("/y")]);
}

#[test]
fn refusals_name_line_key_value_and_expectation() {
    assert_eq!(
        refusal("#\nnum.partitions = many\n"),
        "FILE:2: num.partitions = many: expected a whole number from 1 to 2147483647"
    );
    assert_eq!(
        refusal("auto.create.topics.enable=yes"),
        "FILE:1: auto.create.topics.enable = yes: expected true or false"
    );
    assert_eq!(
        refusal("listeners=SASL_SSL://:9093"),
        "FILE:1: listeners = SASL_SSL://:9093: expected PLAINTEXT for listener SASL_SSL: SASL_SSL is not served \
         yet, only PLAINTEXT is"
    );
    assert_eq!(
        refusal("\n\nadvertised.listeners=PLAINTEXT://0.0.0.0:9092"),
        "FILE:3: advertised.listeners = PLAINTEXT://0.0.0.0:9092: expected a host that clients can dial; an empty \
         host, 0.0.0.0 and [::] are none"
    );
    assert_eq!(
        refusal("log.dirs="),
        "FILE:1: log.dirs = : expected one or more directories, separated by commas"
    );
    assert_eq!(
        refusal("log.durability=sometimes"),
        "FILE:1: log.durability = sometimes: expected one of: sync, page-cache"
    );
    assert_eq!(
        refusal("max.connections.per.ip.overrides=a"),
        "FILE:1: max.connections.per.ip.overrides = a: expected host:count, separated by commas"
    );
}

#[test]
fn refusals_of_other_sources_name_them() {
    let error = BrokerConfig::builder().set("num.partitions", "0").build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "--override: num.partitions = 0: expected a whole number from 1 to 2147483647"
    );
    let env = [("KAFKA_NUM_PARTITIONS".to_owned(), "x\n".to_owned())];
    assert_eq!(
        BrokerConfig::builder().env(env).build().unwrap_err().to_string(),
        "environment variable KAFKA_NUM_PARTITIONS: num.partitions = x\\n: expected a whole number from 1 to 2147483647"
    );
    let error = BrokerConfig::builder().set_pair("=3").unwrap_err();
    assert_eq!(error.to_string(), "--override =3: expected key=value");
    let error = BrokerConfig::builder().file("/no/such/file").build().unwrap_err();
    assert_eq!(error.to_string(), "cannot read /no/such/file, expected a Java properties file");
    assert!(std::error::Error::source(&error).is_some_and(|e| e.to_string().starts_with("No such file")));
}

#[test]
fn a_cluster_s_file_works_with_a_warning() {
    let config =
        from_file("min.insync.replicas=2\ndefault.replication.factor=3\nzookeeper.connect=z:2181/kafka\n");
    let warnings: Vec<&str> =
        config.warnings.iter().map(|w| w.rsplit_once("properties:").unwrap().1).collect();
    assert_eq!(
        warnings,
        [
            "1: min.insync.replicas = 2: this broker is one node, so the effect is 1",
            "2: default.replication.factor = 3: this broker is one node, so the effect is 1",
        ]
    );
    assert_eq!(config.settings().text("min.insync.replicas"), Some("1"));
}

#[test]
fn zookeeper_has_servers_a_path_and_times() {
    assert_eq!(from_file("zookeeper.connect=\n").zookeeper, None);
    let config =
        from_file("zookeeper.connect=a:1,b/kafka\nzookeeper.session.timeout.ms=9000\n").zookeeper.unwrap();
    assert_eq!((config.connect.servers().as_str(), config.connect.chroot()), ("a:1,b:2181", "/kafka"));
    let nine = Duration::from_secs(9);
    assert_eq!((config.session_timeout, config.connection_timeout), (nine, nine));
    let error = BrokerConfig::builder().set("zookeeper.connect", "http://a").build().unwrap_err().to_string();
    assert!(error.ends_with("expected host:port,host:port/path, where the path may be missing"), "{error}");
}

#[test]
fn node_id_goes_before_broker_id_and_minus_one_is_unset() {
    assert_eq!(from_file("broker.id=7\n").node_id, Some(7));
    assert_eq!(from_file("broker.id=7\nnode.id=8\n").node_id, Some(8));
    assert_eq!(from_file("broker.id=-1\n").node_id, None);
}

#[test]
fn limits_per_address_are_read_with_ipv6() {
    let config =
        from_file("max.connections.per.ip.overrides=10.0.0.1:5, [::1]:0\nconnections.max.idle.ms=-1");
    let limits = config.network.max_connections_per_ip_overrides;
    assert_eq!(limits, [("10.0.0.1".to_owned(), 5), ("::1".to_owned(), 0)]);
    assert_eq!(config.network.connections_max_idle, None);
}

#[test]
fn entries_know_source_type_and_synonyms() {
    let config = from_file("log.retention.hours=1\nlog.retention.ms=7\nssl.key.password=secret\nfoo.bar=1\n");
    let entries = config.entries();
    assert!(entries.is_sorted_by(|a, b| a.name < b.name));
    let entry = |name: &str| entries.iter().find(|e| e.name == name).unwrap();
    let retention = entry("log.retention.ms");
    assert_eq!(retention.value.as_deref(), Some("7"));
    assert_eq!(retention.source, ConfigSource::StaticBroker);
    let synonyms: Vec<_> = retention.synonyms.iter().map(|s| (s.name.as_str(), s.source.code())).collect();
    assert_eq!(synonyms, [("log.retention.ms", 4), ("log.retention.hours", 4), ("log.retention.hours", 5)]);
    assert_eq!(entry("num.partitions").source, ConfigSource::Default);
    assert_eq!(entry("num.partitions").kind, 3);
    for secret in ["ssl.key.password", "foo.bar"] {
        assert_eq!((entry(secret).sensitive, entry(secret).value.clone()), (true, None), "{secret}");
        assert!(entry(secret).synonyms.iter().all(|s| s.value.is_none()));
    }
}

/// The keys that the sample files of Kafka 2.2 and of 4.x set, with their values: both must simply work.
#[test]
fn kafka_s_own_sample_files_work() {
    let old = from_file(
        "broker.id=0\nnum.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
         socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\nlog.dirs=/tmp/kafka-logs\n\
         num.partitions=1\nnum.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nlog.retention.hours=168\n\
         log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\nzookeeper.connect=localhost:2181\n\
         zookeeper.connection.timeout.ms=6000\ngroup.initial.rebalance.delay.ms=0\n",
    );
    assert!(old.warnings.is_empty(), "{:?}", old.warnings);
    let zookeeper = old.zookeeper.unwrap();
    assert_eq!((zookeeper.connect.to_string().as_str(), zookeeper.connect.chroot()), ("localhost:2181", ""));
    assert_eq!(zookeeper.connection_timeout, Duration::from_secs(6));
    assert_eq!(old.network.socket_send_buffer_bytes, Some(102_400));
    let new = from_file(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
         share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n",
    );
    assert!(new.warnings.is_empty(), "{:?}", new.warnings);
    assert_eq!(new.node_id, Some(1));
    let names: Vec<&str> = new.listeners.bind.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["PLAINTEXT"]);
    assert_eq!(new.listeners.advertised.len(), 1);
}

#[test]
fn advertised_listeners_of_the_environment_are_listened_on() {
    let env = [
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:9092,EXT://k.example:19092"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,EXT:PLAINTEXT"),
    ];
    let config = BrokerConfig::builder().env(env.map(|(k, v)| (k.to_owned(), v.to_owned()))).build().unwrap();
    let bind: Vec<_> =
        config.listeners.bind.iter().map(|l| (l.name.as_str(), l.host.clone(), l.port)).collect();
    assert_eq!(bind, [("PLAINTEXT", BindHost::Any, 9092), ("EXT", BindHost::Any, 19092)]);
    assert_eq!(config.listeners.advertised[1].host, "k.example");
}

#[test]
fn the_sample_file_of_the_repository_works_and_shows_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/server.properties");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().nth(35).unwrap();
    assert!(
        line.starts_with("#advertised.listeners="),
        "line 36 is {line:?}, and people look for the key there"
    );
    let config = BrokerConfig::builder().file(&path).build().unwrap();
    assert!(config.warnings.is_empty());
    // Each commented key exists and its value is the default, but for the addresses that nobody can guess.
    for line in text.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' ')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let row = crate::config::broker_key(key).expect(key);
        let a_matter_of_place = ["advertised.listeners", "listeners", "listener.security.protocol.map"];
        if !a_matter_of_place.contains(&key) && !key.starts_with("zookeeper.conn") {
            assert_eq!(row.default, Some(value), "{key}");
        }
    }
}
