//! The broker keys: one row each, with type, range, default, whether it may change at run time, and one line of
//! documentation that DescribeConfigs and `--help` texts show.
//!
//! A key is *used*; or *accepted*, when it says something that one node has no use for (replicas, controllers,
//! thread counts); or *not yet*, when somebody who sets it expects something that does not happen: those get a
//! warning. A key that is in no row and no family is unknown: a warning, as in Kafka, never an error.
//!
//! # Not here
//!
//! The values in force (`broker`), and the topic keys that many of these are the defaults of (`topic`).

use super::value::Kind::{self, Bool, Choice, Class, Double, Int, List, Long, Password, Short, Text};

/// What setting a key does here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// What its documentation says.
    Used,
    /// Nothing, and nobody misses it on one node.
    Accepted,
    /// Nothing for now; a warning says so.
    NotYet,
}

/// One broker key.
#[derive(Clone, Copy, Debug)]
pub struct BrokerKey {
    /// The key.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// The value when nobody sets it; `None` is Java's null.
    pub default: Option<&'static str>,
    /// Whether it can be changed at run time.
    pub dynamic: bool,
    /// What it does here.
    pub standing: Standing,
    /// One line of documentation.
    pub doc: &'static str,
}

impl BrokerKey {
    const fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    const fn accepted(mut self) -> Self {
        self.standing = Standing::Accepted;
        self
    }

    const fn not_yet(mut self) -> Self {
        self.standing = Standing::NotYet;
        self
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> BrokerKey {
    BrokerKey { name, kind, default: Some(default), dynamic: false, standing: Standing::Used, doc }
}

const fn unset(name: &'static str, kind: Kind, doc: &'static str) -> BrokerKey {
    BrokerKey { name, kind, default: None, dynamic: false, standing: Standing::Used, doc }
}

const I32: i64 = i32::MAX as i64;
const I64: i64 = i64::MAX;
/// `i64::MAX`, the way a properties file writes it.
const FOREVER: &str = "9223372036854775807";
const PORT: Kind = Int(0, 65_535);
const COUNT: Kind = Int(1, I32);
/// Milliseconds or bytes where -1 stands for "no limit".
const UNLIMITED: Kind = Long(-1, I64);

/// All rows, sorted by name.
#[rustfmt::skip]
pub static BROKER_KEYS: &[BrokerKey] = &[
    key("advertised.host.name", Text, "", "Old form of the host in advertised.listeners."),
    unset("advertised.listeners", Text, "The addresses that clients are told; when unset, each is told the address it dialled."),
    unset("advertised.port", PORT, "Old form of the port in advertised.listeners."),
    key("allow.everyone.if.no.acl.found", Bool, "false", "Whether resources without an ACL are open.").not_yet(),
    key("authorizer.class.name", Class, "", "Which authorizer decides about access.").not_yet(),
    key("auto.create.topics.enable", Bool, "true", "Whether a topic is created when a client first asks for it."),
    key("background.threads", Int(1, I32), "10", "Threads for background work.").dynamic().accepted(),
    key("broker.id", Int(-1, I32), "-1", "The number of this broker; -1 is 0, or what the data directory says."),
    unset("broker.rack", Text, "The rack of this broker, told to clients."),
    key("compression.type", Choice(super::topic::COMPRESSIONS), "producer", "Default codec of topics; producer keeps what was sent.").dynamic(),
    key("connection.failed.authentication.delay.ms", Int(0, I32), "100", "How long a failed login is kept waiting.").not_yet(),
    key("connections.max.idle.ms", UNLIMITED, "600000", "Idle connections are closed after this time."),
    key("connections.max.reauth.ms", Long(0, I64), "0", "How long a login is good for.").not_yet(),
    key("console.writes.enable", Bool, "false", "Corrente's own: whether the console may create and delete topics, add partitions and send messages."),
    unset("controller.listener.names", Text, "Listeners of KRaft controllers.").accepted(),
    unset("controller.quorum.voters", Text, "The KRaft controllers.").accepted(),
    key("default.replication.factor", Int(1, 32_767), "1", "Replicas of a topic created on demand; one node has 1."),
    key("delegation.token.expiry.time.ms", Long(1, I64), "86400000", "How long a token is good for.").not_yet(),
    unset("delegation.token.master.key", Password, "The secret of delegation tokens.").not_yet(),
    key("delegation.token.max.lifetime.ms", Long(1, I64), "604800000", "The longest life of a token.").not_yet(),
    unset("delegation.token.secret.key", Password, "The secret of delegation tokens.").not_yet(),
    key("delete.topic.enable", Bool, "true", "Whether topics may be deleted."),
    key("fetch.max.bytes", Int(1024, I32), "57671680", "The most bytes a fetch is answered with."),
    key("group.consumer.assignors", List(&[]), "uniform,range", "Assignors of server-side groups.").accepted(),
    key("group.consumer.heartbeat.interval.ms", COUNT, "5000", "Heartbeat interval of server-side groups.").accepted(),
    key("group.consumer.session.timeout.ms", COUNT, "45000", "Session timeout of server-side groups.").accepted(),
    key("group.initial.rebalance.delay.ms", Int(0, I32), "0", "How long a new group waits for more members."),
    key("group.max.session.timeout.ms", COUNT, "1800000", "The longest session timeout a consumer may ask for."),
    key("group.max.size", COUNT, "2147483647", "The most members of a group."),
    key("group.min.session.timeout.ms", COUNT, "6000", "The shortest session timeout a consumer may ask for."),
    key("host.name", Text, "", "Old form of the host in listeners."),
    key("http.listener", Text, super::web::DEFAULT_HTTP_LISTENER, "Corrente's own: where metrics, health and the console are: host:port, :port for all interfaces; empty: nowhere."),
    unset("inter.broker.listener.name", Text, "The listener that brokers use among themselves.").accepted(),
    unset("inter.broker.protocol.version", Text, "The protocol that brokers use among themselves.").accepted(),
    key("listener.security.protocol.map", Text, "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL", "Which protocol each listener name speaks."),
    unset("listeners", Text, "The addresses to listen on, as NAME://host:port."),
    key("log.cleaner.backoff.ms", Long(0, I64), "15000", "How long the cleaner sleeps when nothing is dirty.").dynamic(),
    key("log.cleaner.dedupe.buffer.size", Long(1, I64), "134217728", "Memory of the cleaner's key map, bytes.").dynamic(),
    key("log.cleaner.delete.retention.ms", Long(0, I64), "86400000", "How long a compacted topic keeps its tombstones.").dynamic(),
    key("log.cleaner.enable", Bool, "true", "Whether compacted topics are compacted."),
    key("log.cleaner.io.buffer.size", Int(0, I32), "524288", "Memory of the cleaner's buffers, bytes.").dynamic().accepted(),
    key("log.cleaner.max.compaction.lag.ms", Long(1, I64), FOREVER, "How long a record may stay uncompacted.").dynamic(),
    key("log.cleaner.min.cleanable.ratio", Double(0.0, 1.0), "0.5", "The dirty share from which on a log is compacted.").dynamic(),
    key("log.cleaner.min.compaction.lag.ms", Long(0, I64), "0", "How long a record stays uncompacted at least.").dynamic(),
    key("log.cleaner.threads", Int(0, I32), "1", "Threads that compact.").dynamic().accepted(),
    key("log.cleanup.policy", List(super::topic::POLICIES), "delete", "Whether old segments are deleted, compacted, or both.").dynamic(),
    key("log.dir", Text, super::broker::DEFAULT_LOG_DIR, "The data directory, when log.dirs is not set."),
    key("log.dir.reserve.bytes", Long(0, I64), "16777216", "Corrente's own: room kept in each data directory for what makes a full disk less full; 0 for none."),
    unset("log.dirs", Text, "The data directories, separated by commas."),
    key("log.durability", Choice(&["sync", "page-cache"]), "sync", "Corrente's own: whether acks=all waits for the disk (sync) or, as in Kafka, for the page cache."),
    key("log.flush.interval.messages", Long(1, I64), FOREVER, "Records after which a log is synced.").dynamic(),
    unset("log.flush.interval.ms", Long(0, I64), "Time after which a log is synced; unset: log.flush.scheduler.interval.ms.").dynamic(),
    key("log.flush.offset.checkpoint.interval.ms", Int(0, I32), "60000", "How often recovery points are written."),
    key("log.flush.scheduler.interval.ms", Long(0, I64), FOREVER, "How often logs are looked at for a sync."),
    key("log.flush.start.offset.checkpoint.interval.ms", Int(0, I32), "60000", "How often log start offsets are written."),
    key("log.index.interval.bytes", Int(0, I32), "4096", "Bytes between two index entries.").dynamic(),
    key("log.index.size.max.bytes", Int(4, I32), "10485760", "The size at which an index is full and a segment rolls.").dynamic(),
    key("log.message.downconversion.enable", Bool, "true", "Whether old consumers get records in their own format.").dynamic(),
    unset("log.message.format.version", Text, "The version of records on disk; always 2 here.").accepted(),
    key("log.message.timestamp.after.max.ms", Long(0, I64), "3600000", "How far ahead of the clock a record's time may be.").dynamic(),
    key("log.message.timestamp.before.max.ms", Long(0, I64), FOREVER, "How far behind the clock a record's time may be.").dynamic(),
    key("log.message.timestamp.difference.max.ms", Long(0, I64), FOREVER, "Old form of the two limits before and after.").dynamic(),
    key("log.message.timestamp.type", Choice(super::topic::TIMESTAMP_TYPES), "CreateTime", "Whose clock stamps the records.").dynamic(),
    key("log.preallocate", Bool, "false", "Whether segment files get their full size at once.").dynamic(),
    key("log.read.mode", Choice(&["map", "pread"]), "map", "Corrente's own: whether segments are read through maps or by pread."),
    key("log.retention.bytes", UNLIMITED, "-1", "The size of a partition beyond which old segments go; -1: no limit.").dynamic(),
    key("log.retention.check.interval.ms", Long(1, I64), "300000", "How often old segments are looked for."),
    key("log.retention.hours", Int(-1, I32), "168", "How long records are kept, hours; log.retention.minutes and .ms go first."),
    unset("log.retention.minutes", Int(-1, I32), "How long records are kept, minutes; log.retention.ms goes first."),
    unset("log.retention.ms", UNLIMITED, "How long records are kept, ms; -1: for ever.").dynamic(),
    key("log.roll.hours", COUNT, "168", "The age at which a segment rolls, hours; log.roll.ms goes first."),
    key("log.roll.jitter.hours", Int(0, I32), "0", "Random part of that age, hours."),
    unset("log.roll.jitter.ms", Long(0, I64), "Random part of that age, ms.").dynamic(),
    unset("log.roll.ms", Long(1, I64), "The age at which a segment rolls, ms.").dynamic(),
    key("log.segment.bytes", Int(14, I32), "1073741824", "The size at which a segment rolls.").dynamic(),
    key("log.segment.delete.delay.ms", Long(0, I64), "60000", "How long a deleted file lingers under another name.").dynamic(),
    key("max.connection.creation.rate", Int(0, I32), "2147483647", "New connections a second.").not_yet(),
    key("max.connections", Int(0, I32), "2147483647", "The most connections.").dynamic(),
    key("max.connections.per.ip", Int(0, I32), "2147483647", "The most connections from one address.").dynamic(),
    key("max.connections.per.ip.overrides", Text, "", "Other limits for single addresses: host:count,...; 0 bars.").dynamic(),
    key("max.incremental.fetch.session.cache.slots", Int(0, I32), "1000", "The most fetch sessions remembered."),
    key("message.max.bytes", Int(0, I32), "1048588", "The largest batch a producer may send, bytes.").dynamic(),
    key("min.insync.replicas", COUNT, "1", "Replicas that must have a record; one node has 1.").dynamic(),
    unset("node.id", Int(0, I32), "The number of this broker; goes before broker.id."),
    key("num.io.threads", COUNT, "8", "Threads that handle requests.").dynamic().accepted(),
    key("num.network.threads", COUNT, "3", "Threads that serve the network.").dynamic().accepted(),
    key("num.partitions", COUNT, "1", "Partitions of a topic created on demand."),
    key("num.recovery.threads.per.data.dir", COUNT, "1", "Threads that open logs at start.").dynamic().accepted(),
    key("offset.metadata.max.bytes", Int(0, I32), "4096", "The longest text beside a committed offset, bytes."),
    key("offsets.commit.required.acks", Short(-1, 1), "-1", "Acknowledgements a commit waits for.").accepted(),
    key("offsets.commit.timeout.ms", COUNT, "5000", "How long a commit may take."),
    key("offsets.load.buffer.size", COUNT, "5242880", "Read size when offsets are loaded.").accepted(),
    key("offsets.retention.check.interval.ms", Long(1, I64), "600000", "How often old offsets are looked for."),
    key("offsets.retention.minutes", COUNT, "10080", "How long the offsets of a group without members are kept."),
    key("offsets.topic.compression.codec", Int(0, 4), "0", "Codec of the offsets topic.").accepted(),
    key("offsets.topic.num.partitions", COUNT, "50", "Partitions of the offsets topic."),
    key("offsets.topic.replication.factor", Short(1, 32_767), "1", "Replicas of the offsets topic; one node has 1."),
    key("offsets.topic.segment.bytes", Int(14, I32), "104857600", "Segment size of the offsets topic."),
    unset("port", PORT, "Old form of the port in listeners."),
    unset("process.roles", List(&["broker", "controller"]), "The KRaft roles.").accepted(),
    key("producer.id.expiration.ms", COUNT, "86400000", "How long an idle producer's sequence numbers are remembered.").dynamic(),
    key("queued.max.request.bytes", UNLIMITED, "-1", "Bytes of requests in memory before reading stops; -1: a limit of our own."),
    key("queued.max.requests", COUNT, "500", "Requests in memory before reading stops."),
    key("quota.window.num", COUNT, "11", "Windows over which quotas are measured.").not_yet(),
    key("quota.window.size.seconds", COUNT, "1", "Length of such a window.").not_yet(),
    key("request.timeout.ms", Int(0, I32), "30000", "How long a request may wait for other brokers.").accepted(),
    key("sasl.enabled.mechanisms", List(&[]), "GSSAPI", "Ways to log in.").not_yet(),
    unset("sasl.kerberos.service.name", Text, "The Kerberos name of this service.").not_yet(),
    key("security.inter.broker.protocol", Text, "PLAINTEXT", "The protocol that brokers use among themselves.").accepted(),
    key("socket.listen.backlog.size", COUNT, "50", "Connections that wait to be accepted."),
    key("socket.receive.buffer.bytes", Int(-1, I32), "102400", "Receive buffer of a socket; -1 or not set: the system's."),
    key("socket.request.max.bytes", COUNT, "104857600", "The largest request, bytes."),
    key("socket.send.buffer.bytes", Int(-1, I32), "102400", "Send buffer of a socket; -1 or not set: the system's."),
    key("super.users", Text, "", "Users who may do anything.").not_yet(),
    key("transaction.abort.timed.out.transaction.cleanup.interval.ms", COUNT, "10000", "How often expired transactions are looked for.").accepted(),
    key("transaction.max.timeout.ms", COUNT, "900000", "The longest transaction a producer may ask for."),
    key("transaction.state.log.min.isr", COUNT, "1", "Replicas of the transaction log that must be there.").accepted(),
    key("transaction.state.log.num.partitions", COUNT, "50", "Partitions of the transaction log.").accepted(),
    key("transaction.state.log.replication.factor", Short(1, 32_767), "1", "Replicas of the transaction log.").accepted(),
    key("transaction.state.log.segment.bytes", Int(14, I32), "104857600", "Segment size of the transaction log.").accepted(),
    key("transactional.id.expiration.ms", COUNT, "604800000", "How long an idle transactional id is remembered.").accepted(),
    key("unclean.leader.election.enable", Bool, "false", "Whether a replica that lags may lead.").dynamic(),
    unset("zookeeper.connect", Text, "The ZooKeeper servers that keep the metadata: host:port,host:port/path; when unset, the metadata log keeps it."),
    unset("zookeeper.connection.timeout.ms", Int(0, I32), "How long a start waits for ZooKeeper, ms; unset: zookeeper.session.timeout.ms."),
    key("zookeeper.session.timeout.ms", Int(1, I32), "6000", "How long ZooKeeper takes the broker for alive without a word from it, ms."),
];

/// Families of keys that are accepted by their prefix.
pub(super) static FAMILIES: &[(&str, Standing)] = &[
    ("controller.", Standing::Accepted),
    ("controlled.shutdown.", Standing::Accepted),
    ("replica.", Standing::Accepted),
    ("leader.imbalance.", Standing::Accepted),
    ("auto.leader.rebalance.", Standing::Accepted),
    ("inter.broker.", Standing::Accepted),
    ("metadata.log.", Standing::Accepted),
    ("metadata.max.", Standing::Accepted),
    ("metric.reporters", Standing::Accepted),
    ("metrics.", Standing::Accepted),
    ("broker.heartbeat.", Standing::Accepted),
    ("broker.session.", Standing::Accepted),
    ("initial.broker.registration.", Standing::Accepted),
    ("group.share.", Standing::Accepted),
    ("group.coordinator.", Standing::Accepted),
    ("share.coordinator.", Standing::Accepted),
    ("transaction.partition.verification.", Standing::Accepted),
    ("transaction.remove.expired.", Standing::Accepted),
    ("zookeeper.", Standing::Accepted),
    ("remote.log.", Standing::NotYet),
    ("ssl.", Standing::NotYet),
    ("sasl.", Standing::NotYet),
    ("listener.name.", Standing::NotYet),
    ("quota.", Standing::NotYet),
];

/// The row of a key.
#[must_use]
pub fn broker_key(name: &str) -> Option<&'static BrokerKey> {
    let at = BROKER_KEYS.binary_search_by_key(&name, |row| row.name).ok()?;
    BROKER_KEYS.get(at)
}

/// What setting a key does, by its row or its family; `None` for a key that nobody knows.
#[must_use]
pub(super) fn standing(name: &str) -> Option<Standing> {
    if let Some(row) = broker_key(name) {
        return Some(row.standing);
    }
    FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, standing)| *standing)
}

/// Whether a key without a row holds a secret: it is never shown.
#[must_use]
pub(super) fn is_secret(name: &str) -> bool {
    let listed = broker_key(name).is_some_and(|row| row.kind == Password);
    listed || name.contains("password") || name.contains("jaas.config") || name.ends_with("secret.key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_every_default_passes_its_own_check() {
        assert!(BROKER_KEYS.is_sorted_by(|a, b| a.name < b.name));
        for row in BROKER_KEYS {
            if let Some(default) = row.default {
                assert!(row.kind.parse(default).is_ok(), "{} = {default}", row.name);
            }
            assert!(row.doc.ends_with('.') && row.doc.len() < 120, "{}", row.name);
        }
    }

    #[test]
    fn standing_is_found_by_row_then_by_family() {
        assert_eq!(standing("num.partitions"), Some(Standing::Used));
        assert_eq!(standing("zookeeper.connect"), Some(Standing::Used));
        assert_eq!(standing("zookeeper.set.acl"), Some(Standing::Accepted));
        assert_eq!(standing("replica.lag.time.max.ms"), Some(Standing::Accepted));
        assert_eq!(standing("ssl.keystore.location"), Some(Standing::NotYet));
        assert_eq!(standing("num.partition"), None);
    }

    #[test]
    fn secrets_are_known_by_name() {
        assert!(is_secret("ssl.keystore.password"));
        assert!(is_secret("listener.name.sasl.plain.sasl.jaas.config"));
        assert!(is_secret("delegation.token.secret.key"));
        assert!(!is_secret("ssl.keystore.location"));
    }
}
