//! Tests of `settings`.

use super::*;

#[test]
fn variables_map_as_in_the_image() {
    assert_eq!(env_key("KAFKA_NUM_PARTITIONS", "3").as_deref(), Some("num.partitions"));
    assert_eq!(env_key("KAFKA_A__B", "x").as_deref(), Some("a_b"));
    assert_eq!(env_key("KAFKA_LISTENER_NAME_A___B_X", "x").as_deref(), Some("listener.name.a-b.x"));
    assert_eq!(env_key("KAFKA_PORT", "9092").as_deref(), Some("port"));
    assert_eq!(env_key("PATH", "x"), None);
}

#[test]
fn what_links_and_kubernetes_inject_is_skipped() {
    for (variable, value) in [
        ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
        ("KAFKA_SERVICE_HOST", "10.0.0.1"),
        ("KAFKA_SERVICE_PORT", "9092"),
        ("KAFKA_0_SERVICE_PORT_CLIENT", "9092"),
        ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("KAFKA_PORT_9092_TCP_PROTO", "tcp"),
        ("KAFKA_HOME", "/opt/kafka"),
        ("KAFKA_HEAP_OPTS", "-Xmx1G"),
        ("KAFKA_ENV_X", "y"),
    ] {
        assert_eq!(env_key(variable, value), None, "{variable}");
    }
}

#[test]
fn notes_come_once_a_key_and_name_the_place() {
    let mut settings = Settings::default();
    let source = |line| Source::File { path: Arc::new("a.properties".into()), line };
    settings.set("super.users", "User:a", source(3)).unwrap();
    settings.set("super.users", "User:b", source(4)).unwrap();
    settings.set("num.partition", "3", source(5)).unwrap();
    settings.set("replica.lag.time.max.ms", "3", source(6)).unwrap();
    assert_eq!(
        settings.warnings,
        [
            "a.properties:3: super.users: ignored for now",
            "a.properties:5: num.partition: unknown key, ignored; did you mean num.partitions?"
        ]
    );
}

fn from_env(variables: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    settings.add_env(&variables).unwrap();
    settings
}

#[test]
fn both_spellings_of_a_variable_set_the_key_and_the_short_one_counts() {
    let settings = from_env(&[("KAFKA_CFG_NUM_PARTITIONS", "3"), ("KAFKA_CFG_LOG_DIR", "a")]);
    assert_eq!(settings.text("num.partitions"), Some("3"));
    // By name this one comes before KAFKA_CFG_.
    let both =
        [("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "true"), ("KAFKA_CFG_AUTO_CREATE_TOPICS_ENABLE", "false")];
    assert_eq!(from_env(&both).text("auto.create.topics.enable"), Some("true"));
}

#[test]
fn a_mistyped_variable_is_named_with_the_one_that_was_meant() {
    for (variable, expected) in [
        (
            "KAFKA_NUM_PARTITION",
            "environment variable KAFKA_NUM_PARTITION: num.partition: unknown key, ignored; did you mean \
             KAFKA_NUM_PARTITIONS (num.partitions)?",
        ),
        (
            "KAFKA_CFG_ADVERTISED_LISTNERS",
            "environment variable KAFKA_CFG_ADVERTISED_LISTNERS: advertised.listners: unknown key, ignored; did you \
             mean KAFKA_CFG_ADVERTISED_LISTENERS (advertised.listeners)?",
        ),
        (
            "KAKFA_ADVERTISED_LISTENERS",
            "environment variable KAKFA_ADVERTISED_LISTENERS: sets nothing; did you mean \
             KAFKA_ADVERTISED_LISTENERS?",
        ),
        ("KAFKA_FROBNICATE", "environment variable KAFKA_FROBNICATE: frobnicate: unknown key, ignored"),
    ] {
        assert_eq!(from_env(&[(variable, "x")]).warnings, [expected]);
    }
    for other in ["KAFKAESQUE", "kafka_host_url", "KAFKA_HOST", "KAKFA_FROBNICATE", "KAFKA_CREATE_TOPICS"] {
        let warnings = from_env(&[(other, "x")]).warnings;
        assert!(!warnings.iter().any(|warning| warning.contains("did you mean")), "{warnings:?}");
    }
}

#[test]
fn a_key_is_written_as_a_variable_and_read_back() {
    for key in ["num.partitions", "a_b.c", "listener.name.a-b.x"] {
        assert_eq!(env_key(&format!("KAFKA_{}", variable_of(key)), "x").as_deref(), Some(key));
    }
}

#[test]
fn a_secret_is_not_in_the_message() {
    let settings = Settings::default();
    let error = settings.error("ssl.key.password", "text");
    assert_eq!(error.to_string(), "default: ssl.key.password = [hidden]: expected text");
}

#[test]
fn a_mistyped_key_is_named_below_a_prefix_that_is_known() {
    for (variable, meant) in [
        ("KAFKA_ZOOKEEPER_CONECT", "KAFKA_ZOOKEEPER_CONNECT (zookeeper.connect)"),
        (
            "KAFKA_CFG_ZOOKEEPER_SESION_TIMEOUT_MS",
            "KAFKA_CFG_ZOOKEEPER_SESSION_TIMEOUT_MS (zookeeper.session.timeout.ms)",
        ),
        ("KAFKA_CONTROLLER_LISTENER_NAME", "KAFKA_CONTROLLER_LISTENER_NAMES (controller.listener.names)"),
        ("KAFKA_SASL_ENABLED_MECHANISM", "KAFKA_SASL_ENABLED_MECHANISMS (sasl.enabled.mechanisms)"),
    ] {
        let warnings = from_env(&[(variable, "zk:2181")]).warnings;
        assert!(
            warnings.len() == 1
                && warnings[0].ends_with(&format!("unknown key, ignored; did you mean {meant}?")),
            "{warnings:?}"
        );
    }
}

/// Keys of Kafka 0.10 to 4 that have no row and belong to a family: none of them is a mistyped one.
const FAMILY_KEYS: &str = "controller.socket.timeout.ms controller.message.queue.size controller.quorum.bootstrap.servers \
    controller.quorum.election.timeout.ms controller.quorum.election.backoff.max.ms controller.quorum.fetch.timeout.ms \
    controller.quorum.append.linger.ms controller.quorum.retry.backoff.ms controller.quorum.request.timeout.ms \
    controller.quorum.auto.join.enable controller.quota.window.num controller.quota.window.size.seconds \
    controller.performance.sample.period.ms controller.performance.always.log.threshold.ms \
    controlled.shutdown.enable controlled.shutdown.max.retries controlled.shutdown.retry.backoff.ms \
    replica.lag.time.max.ms replica.lag.max.messages replica.fetch.max.bytes replica.fetch.min.bytes replica.fetch.wait.max.ms \
    replica.fetch.backoff.ms replica.fetch.response.max.bytes replica.socket.timeout.ms replica.selector.class \
    replica.socket.receive.buffer.bytes replica.high.watermark.checkpoint.interval.ms \
    leader.imbalance.check.interval.seconds leader.imbalance.per.broker.percentage auto.leader.rebalance.enable \
    metadata.log.dir metadata.log.segment.bytes metadata.log.segment.min.bytes metadata.log.segment.ms \
    metadata.log.max.record.bytes.between.snapshots metadata.log.max.snapshot.interval.ms metadata.max.idle.interval.ms \
    metadata.max.retention.bytes metadata.max.retention.ms metric.reporters metrics.num.samples metrics.recording.level \
    metrics.sample.window.ms broker.heartbeat.interval.ms broker.session.timeout.ms \
    initial.broker.registration.timeout.ms group.share.delivery.count.limit group.share.heartbeat.interval.ms \
    group.share.max.heartbeat.interval.ms group.share.max.session.timeout.ms group.share.max.size group.share.enable \
    group.share.min.heartbeat.interval.ms group.share.min.session.timeout.ms group.share.session.timeout.ms \
    group.share.record.lock.duration.ms group.share.partition.max.record.locks group.share.assignors \
    group.coordinator.threads group.coordinator.rebalance.protocols group.coordinator.append.linger.ms \
    group.coordinator.new.enable share.coordinator.threads share.coordinator.append.linger.ms \
    share.coordinator.state.topic.num.partitions share.coordinator.state.topic.replication.factor \
    share.coordinator.state.topic.segment.bytes share.coordinator.state.topic.compression.codec \
    share.coordinator.load.buffer.size share.coordinator.write.timeout.ms \
    transaction.partition.verification.enable transaction.remove.expired.transaction.cleanup.interval.ms \
    zookeeper.set.acl zookeeper.sync.time.ms zookeeper.max.in.flight.requests zookeeper.clientCnxnSocket \
    zookeeper.metadata.migration.enable zookeeper.ssl.client.enable zookeeper.ssl.keystore.location \
    zookeeper.ssl.keystore.password zookeeper.ssl.truststore.type zookeeper.ssl.protocol zookeeper.ssl.cipher.suites \
    remote.log.storage.system.enable remote.log.manager.thread.pool.size remote.log.reader.threads \
    remote.log.metadata.manager.listener.name remote.log.index.file.cache.total.size.bytes remote.log.reader.max.pending.tasks \
    ssl.protocol ssl.provider ssl.cipher.suites ssl.enabled.protocols ssl.keystore.location ssl.key.password ssl.client.auth \
    ssl.truststore.location ssl.endpoint.identification.algorithm ssl.principal.mapping.rules ssl.allow.dn.changes \
    sasl.jaas.config sasl.mechanism.inter.broker.protocol sasl.mechanism.controller.protocol sasl.kerberos.kinit.cmd \
    sasl.kerberos.min.time.before.relogin sasl.kerberos.principal.to.local.rules sasl.kerberos.ticket.renew.jitter \
    sasl.login.class sasl.login.callback.handler.class sasl.server.callback.handler.class sasl.server.max.receive.size \
    sasl.oauthbearer.jwks.endpoint.url listener.name.internal.ssl.keystore.location \
    listener.name.external.sasl.enabled.mechanisms quota.producer.default quota.consumer.default";

#[test]
fn a_real_key_of_a_family_is_not_taken_for_a_mistyped_one() {
    for key in FAMILY_KEYS.split_whitespace() {
        assert!(keys::standing(key).is_some() && keys::broker_key(key).is_none(), "{key}");
        for source in [Source::Override, Source::Env { variable: format!("KAFKA_{}", variable_of(key)) }] {
            assert_eq!(meant(key, &source), None, "{key}");
        }
    }
}

#[test]
fn a_variable_that_is_no_key_is_meant_as_well() {
    for (variable, ends) in [
        ("KAFKA_CREATE_TOPIC", "create.topic: unknown key, ignored; did you mean KAFKA_CREATE_TOPICS?"),
        ("KAFKA_CREAT_TOPICS", "creat.topics: unknown key, ignored; did you mean KAFKA_CREATE_TOPICS?"),
        ("KAFKA_CFG_CREATE_TOPICS", "create.topics: unknown key, ignored; did you mean KAFKA_CREATE_TOPICS?"),
        ("KAKFA_CREATE_TOPICS", "sets nothing; did you mean KAFKA_CREATE_TOPICS?"),
        ("KAFKA_HEAP_OPT", "heap.opt: unknown key, ignored; did you mean KAFKA_HEAP_OPTS?"),
    ] {
        assert_eq!(
            from_env(&[(variable, "x")]).warnings,
            [format!("environment variable {variable}: {ends}")]
        );
    }
}

#[test]
fn an_empty_variable_stops_no_start_and_hides_no_other() {
    use crate::config::BrokerConfig;
    let stops = |row: &&keys::BrokerKey| {
        let variable = format!("KAFKA_{}", variable_of(row.name));
        BrokerConfig::builder().env([(variable, " ".to_owned())]).build().is_err()
    };
    let stopped: Vec<_> = keys::BROKER_KEYS.iter().filter(stops).map(|row| row.name).collect();
    assert!(stopped.is_empty(), "{stopped:?}");
    let both = [("KAFKA_CFG_NUM_PARTITIONS", "3"), ("KAFKA_NUM_PARTITIONS", "")];
    assert_eq!(from_env(&both).text("num.partitions"), Some("3"));
    // These say something: no such port, and the address that was dialled.
    let nothing = from_env(&[("KAFKA_HTTP_LISTENER", ""), ("KAFKA_ADVERTISED_LISTENERS", "")]);
    assert_eq!((nothing.text("http.listener"), nothing.text("advertised.listeners")), (Some(""), Some("")));
    // A file is written on purpose.
    assert!(BrokerConfig::builder().set("num.partitions", "").build().is_err());
}
