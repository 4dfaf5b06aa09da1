//! The command lines. `{b}` is the side's broker, `{files}` its directory of [`FILES`], `{data}` the data directory of a broker
//! that was stopped, `{golden}` the golden directories.
//!
//! Cases run in order and build on each other: a topic that one makes is described by the next.

use crate::normal::Like;

/// One run of a tool.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) line: &'static str,
    pub(crate) input: &'static str,
    pub(crate) like: Like,
    /// Ours on both sides, not compared: what the others build on.
    pub(crate) setup: bool,
}

const fn case(name: &'static str, tool: &'static str, line: &'static str) -> Case {
    Case { name, tool, line, input: "", like: Like::Lines, setup: false }
}

const fn typed(name: &'static str, tool: &'static str, line: &'static str, input: &'static str) -> Case {
    Case { input, ..case(name, tool, line) }
}

const fn sorted(name: &'static str, tool: &'static str, line: &'static str) -> Case {
    Case { like: Like::Sorted, ..case(name, tool, line) }
}

const fn numbers(name: &'static str, tool: &'static str, line: &'static str) -> Case {
    Case { like: Like::Numbers, ..case(name, tool, line) }
}

const fn setup(name: &'static str, tool: &'static str, line: &'static str, input: &'static str) -> Case {
    Case { setup: true, ..typed(name, tool, line, input) }
}

/// Files in each side's `{files}`.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("client.properties", "client.id=from-file\n"),
    ("group.properties", "group.id=from-file\nauto.offset.reset=earliest\n"),
    ("reader.properties", "parse.key=true\nkey.separator=:\n"),
    ("formatter.properties", "print.key=true\n"),
    ("plan.csv", "keyed,0,1\nkeyed,1,0\n"),
    ("plan-bad.csv", "keyed;0;1\n"),
    ("plan-group.csv", "g,keyed,0,1\n"),
    ("delete.json", "{\"partitions\":[{\"topic\":\"plain\",\"partition\":0,\"offset\":1}],\"version\":1}"),
    ("payload.txt", "one\ntwo\nthree\n"),
    (
        "assign.json",
        "{\"version\":1,\"partitions\":[{\"topic\":\"plain\",\"partition\":0,\"replicas\":[0]}]}",
    ),
];

const T: &str = "kafka-topics";
const P: &str = "kafka-console-producer";
const C: &str = "kafka-console-consumer";
const G: &str = "kafka-consumer-groups";
const PP: &str = "kafka-producer-perf-test";
const CP: &str = "kafka-consumer-perf-test";
const D: &str = "kafka-dump-log";
const CF: &str = "kafka-configs";
const GO: &str = "kafka-get-offsets";
const DR: &str = "kafka-delete-records";
const LD: &str = "kafka-log-dirs";
const AV: &str = "kafka-broker-api-versions";
const ST: &str = "kafka-storage";
const B: &str = "";

/// Against 4.3.1.
pub(crate) const OF_4: &[Case] = &[
    // Topics: what the other cases need, and the tool's own options.
    case("topics: create", T, "--bootstrap-server {b} --create --topic plain"),
    case(
        "topics: create with partitions",
        T,
        "--bootstrap-server {b} --create --topic keyed --partitions 2 --replication-factor 1",
    ),
    case(
        "topics: create with settings",
        T,
        "--bootstrap-server {b} --create --topic set --config retention.ms=1000 --config cleanup.policy=compact",
    ),
    case("topics: create with a dot", T, "--bootstrap-server {b} --create --topic a.b"),
    case("topics: create again", T, "--bootstrap-server {b} --create --topic plain"),
    case(
        "topics: create again if missing",
        T,
        "--bootstrap-server {b} --create --topic plain --if-not-exists",
    ),
    case(
        "topics: create with three replicas",
        T,
        "--bootstrap-server {b} --create --topic three --replication-factor 3",
    ),
    case(
        "topics: create with no partitions",
        T,
        "--bootstrap-server {b} --create --topic none --partitions 0",
    ),
    case(
        "topics: create with a bad setting",
        T,
        "--bootstrap-server {b} --create --topic bad --config retention.ms=x",
    ),
    case("topics: list", T, "--bootstrap-server {b} --list"),
    case("topics: list one", T, "--bootstrap-server {b} --list --topic plain"),
    case("topics: describe", T, "--bootstrap-server {b} --describe --topic keyed"),
    case("topics: describe with settings", T, "--bootstrap-server {b} --describe --topic set"),
    case("topics: describe by pattern", T, "--bootstrap-server {b} --describe --topic ke.*"),
    case("topics: describe a missing one", T, "--bootstrap-server {b} --describe --topic nope"),
    case(
        "topics: describe a missing one if it is there",
        T,
        "--bootstrap-server {b} --describe --topic nope --if-exists",
    ),
    case("topics: describe unavailable", T, "--bootstrap-server {b} --describe --unavailable-partitions"),
    case(
        "topics: describe under-replicated",
        T,
        "--bootstrap-server {b} --describe --under-replicated-partitions",
    ),
    case("topics: describe under min isr", T, "--bootstrap-server {b} --describe --under-min-isr-partitions"),
    case("topics: describe overrides", T, "--bootstrap-server {b} --describe --topics-with-overrides"),
    case("topics: alter", T, "--bootstrap-server {b} --alter --topic plain --partitions 3"),
    case("topics: alter to fewer", T, "--bootstrap-server {b} --alter --topic plain --partitions 1"),
    case("topics: alter to as many", T, "--bootstrap-server {b} --alter --topic plain --partitions 3"),
    case("topics: alter a missing one", T, "--bootstrap-server {b} --alter --topic nope --partitions 3"),
    case("topics: delete", T, "--bootstrap-server {b} --delete --topic set"),
    case("topics: delete a missing one", T, "--bootstrap-server {b} --delete --topic nope"),
    case(
        "topics: delete a missing one if it is there",
        T,
        "--bootstrap-server {b} --delete --topic nope --if-exists",
    ),
    case("topics: no action", T, "--bootstrap-server {b} --topic plain"),
    case("topics: unknown option", T, "--bootstrap-server {b} --frobnicate"),
    case("topics: no broker named", T, "--list"),
    // Producer.
    typed(
        "producer: keys",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property parse.key=true --reader-property key.separator=:",
        "k1:v1\nk2:v2\nk3:v3\n",
    ),
    typed(
        "producer: old name of the property",
        P,
        "--bootstrap-server {b} --topic keyed --property parse.key=true",
        "k4\tv4\n",
    ),
    typed(
        "producer: headers",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property parse.key=true --reader-property parse.headers=true",
        "h1:1,h2:2\tk5\tv5\n",
    ),
    typed(
        "producer: null marker",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property parse.key=true --reader-property null.marker=NULL",
        "k6\tNULL\n",
    ),
    typed(
        "producer: no key",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property parse.key=true",
        "nokey\n",
    ),
    typed(
        "producer: no key in the second line",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property parse.key=true",
        "k7\tv7\nnokey\n",
    ),
    typed(
        "producer: no key, ignored",
        P,
        "--bootstrap-server {b} --topic lax --reader-property parse.key=true --reader-property ignore.error=true",
        "nokey\n",
    ),
    typed(
        "producer: equal separators",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property headers.delimiter=,",
        "x\n",
    ),
    typed(
        "producer: no header separator",
        P,
        "--bootstrap-server {b} --topic keyed --reader-property parse.headers=true",
        "h\tv\n",
    ),
    typed(
        "producer: reader file",
        P,
        "--bootstrap-server {b} --topic keyed --reader-config {files}/reader.properties",
        "k8:v8\n",
    ),
    typed(
        "producer: sync and codec",
        P,
        "--bootstrap-server {b} --topic codecs --sync --compression-codec gzip --request-required-acks 1",
        "gzip\n",
    ),
    typed(
        "producer: codec without a name",
        P,
        "--bootstrap-server {b} --topic codecs --compression-codec",
        "default\n",
    ),
    typed(
        "producer: unknown codec",
        P,
        "--bootstrap-server {b} --topic codecs --compression-codec brotli",
        "x\n",
    ),
    typed(
        "producer: all its numbers",
        P,
        "--bootstrap-server {b} --topic codecs --batch-size 100 --timeout 10 --request-timeout-ms 5000 --message-send-max-retries 2 --retry-backoff-ms 50 --metadata-expiry-ms 1000 --max-block-ms 5000 --max-memory-bytes 1000000 --max-partition-memory-bytes 200 --socket-buffer-size 1000",
        "numbers\n",
    ),
    typed(
        "producer: producer file and property",
        P,
        "--bootstrap-server {b} --topic codecs --command-config {files}/client.properties --command-property acks=1",
        "file\n",
    ),
    typed(
        "producer: old names of those",
        P,
        "--bootstrap-server {b} --topic codecs --producer.config {files}/client.properties --producer-property acks=1",
        "old\n",
    ),
    typed("producer: bad number", P, "--bootstrap-server {b} --topic codecs --batch-size many", "x\n"),
    typed("producer: no topic", P, "--bootstrap-server {b}", "x\n"),
    typed("producer: unknown option", P, "--bootstrap-server {b} --topic codecs --frobnicate", "x\n"),
    typed("producer: nothing typed", P, "--bootstrap-server {b} --topic codecs", ""),
    typed("producer: a line without its end", P, "--bootstrap-server {b} --topic codecs", "a\n\nlast"),
    // Consumer.
    case(
        "consumer: one partition",
        C,
        "--bootstrap-server {b} --topic codecs --partition 0 --offset earliest --timeout-ms 700",
    ),
    case(
        "consumer: from an offset",
        C,
        "--bootstrap-server {b} --topic codecs --partition 0 --offset 2 --max-messages 2",
    ),
    case(
        "consumer: latest",
        C,
        "--bootstrap-server {b} --topic codecs --partition 0 --offset latest --timeout-ms 300",
    ),
    case(
        "consumer: partition from the beginning",
        C,
        "--bootstrap-server {b} --topic codecs --partition 0 --from-beginning --max-messages 1",
    ),
    case(
        "consumer: a group",
        C,
        "--bootstrap-server {b} --topic codecs --from-beginning --group g --max-messages 3",
    ),
    case(
        "consumer: the group goes on",
        C,
        "--bootstrap-server {b} --topic codecs --from-beginning --group g --max-messages 1",
    ),
    sorted(
        "consumer: two partitions",
        C,
        "--bootstrap-server {b} --topic keyed --from-beginning --group g --timeout-ms 700 --formatter-property print.key=true",
    ),
    case(
        "consumer: all columns",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --timeout-ms 700 --formatter-property print.timestamp=true --formatter-property print.partition=true --formatter-property print.offset=true --formatter-property print.epoch=true --formatter-property print.headers=true --formatter-property print.key=true",
    ),
    case(
        "consumer: other separators",
        C,
        "--bootstrap-server {b} --topic keyed --partition 1 --offset earliest --timeout-ms 700 --formatter-property print.headers=true --formatter-property print.key=true --formatter-property key.separator== --formatter-property line.separator=; --formatter-property headers.separator=+ --formatter-property null.literal=nothing",
    ),
    case(
        "consumer: old name of the property",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --property print.key=true",
    ),
    case(
        "consumer: formatter file",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --formatter-config {files}/formatter.properties",
    ),
    case(
        "consumer: values only as numbers",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --value-deserializer org.apache.kafka.common.serialization.ShortDeserializer",
    ),
    case(
        "consumer: keys as text",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --key-deserializer org.apache.kafka.common.serialization.StringDeserializer --formatter-property print.key=true --formatter-property print.value=false",
    ),
    case(
        "consumer: a value that is no number",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --value-deserializer org.apache.kafka.common.serialization.LongDeserializer",
    ),
    case(
        "consumer: such values left out",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --skip-message-on-error --value-deserializer org.apache.kafka.common.serialization.LongDeserializer",
    ),
    case(
        "consumer: no output",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 2 --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter",
    ),
    case(
        "consumer: logging",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 2 --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter",
    ),
    case(
        "consumer: unknown formatter",
        C,
        "--bootstrap-server {b} --topic keyed --partition 0 --offset earliest --max-messages 1 --formatter com.example.Nothing",
    ),
    case(
        "consumer: by pattern",
        C,
        "--bootstrap-server {b} --include co.*s --from-beginning --timeout-ms 700",
    ),
    case(
        "consumer: committed only",
        C,
        "--bootstrap-server {b} --topic codecs --from-beginning --timeout-ms 700 --isolation-level read_committed",
    ),
    case(
        "consumer: unknown isolation",
        C,
        "--bootstrap-server {b} --topic codecs --from-beginning --timeout-ms 700 --isolation-level read_all",
    ),
    case(
        "consumer: file with a group",
        C,
        "--bootstrap-server {b} --topic codecs --command-config {files}/group.properties --max-messages 1",
    ),
    case(
        "consumer: old name of the file",
        C,
        "--bootstrap-server {b} --topic codecs --consumer.config {files}/group.properties --consumer-property max.poll.records=1 --max-messages 1",
    ),
    case(
        "consumer: two groups",
        C,
        "--bootstrap-server {b} --topic codecs --command-config {files}/group.properties --group other",
    ),
    case("consumer: group and partition", C, "--bootstrap-server {b} --topic codecs --group g --partition 0"),
    case("consumer: offset without partition", C, "--bootstrap-server {b} --topic codecs --offset 1"),
    case(
        "consumer: beginning and offset",
        C,
        "--bootstrap-server {b} --topic codecs --partition 0 --from-beginning --offset 1",
    ),
    case("consumer: bad offset", C, "--bootstrap-server {b} --topic codecs --partition 0 --offset soon"),
    case(
        "consumer: beginning and latest",
        C,
        "--bootstrap-server {b} --topic codecs --from-beginning --command-property auto.offset.reset=latest",
    ),
    case("consumer: neither topic nor pattern", C, "--bootstrap-server {b} --from-beginning"),
    case("consumer: no broker named", C, "--topic codecs"),
    case("consumer: unknown option", C, "--bootstrap-server {b} --topic codecs --frobnicate"),
    case(
        "consumer: commits shown",
        C,
        "--bootstrap-server {b} --topic __consumer_offsets --partition 0 --offset earliest --timeout-ms 700 --max-messages 1 --formatter org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
    ),
    // Groups: `g` has read codecs and keyed.
    case("groups: describe", G, "--bootstrap-server {b} --describe --group g"),
    case("groups: describe offsets", G, "--bootstrap-server {b} --describe --group g --offsets"),
    case("groups: describe verbose", G, "--bootstrap-server {b} --describe --group g --verbose"),
    case("groups: describe state", G, "--bootstrap-server {b} --describe --group g --state"),
    case(
        "groups: describe state verbose",
        G,
        "--bootstrap-server {b} --describe --group g --state --verbose",
    ),
    case("groups: describe members", G, "--bootstrap-server {b} --describe --group g --members"),
    case(
        "groups: describe members verbose",
        G,
        "--bootstrap-server {b} --describe --group g --members --verbose",
    ),
    case("groups: describe two", G, "--bootstrap-server {b} --describe --group g --group from-file"),
    case("groups: describe a missing one", G, "--bootstrap-server {b} --describe --group nope"),
    case(
        "groups: describe the state of a missing one",
        G,
        "--bootstrap-server {b} --describe --group nope --state",
    ),
    case(
        "groups: with a time-out and a file",
        G,
        "--bootstrap-server {b} --describe --group g --timeout 10000 --command-config {files}/client.properties",
    ),
    case(
        "groups: reset to earliest",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-earliest",
    ),
    case(
        "groups: reset to latest",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-latest --dry-run",
    ),
    case(
        "groups: reset to an offset",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-offset 1 --execute",
    ),
    case(
        "groups: reset beyond the end",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-offset 99 --dry-run",
    ),
    case(
        "groups: reset by a shift",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --shift-by 1 --dry-run",
    ),
    case(
        "groups: reset by a shift back",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --shift-by -9 --dry-run",
    ),
    case(
        "groups: reset to current",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-current --dry-run",
    ),
    case(
        "groups: reset to a time",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-datetime 2020-01-01T00:00:00.000 --dry-run",
    ),
    case(
        "groups: reset to a time to come",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-datetime 2999-01-01T00:00:00.000 --dry-run",
    ),
    case(
        "groups: reset to no time",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-datetime yesterday --dry-run",
    ),
    case(
        "groups: reset by a duration",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --by-duration P1D --dry-run",
    ),
    case(
        "groups: reset by no duration",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --by-duration 1day --dry-run",
    ),
    case(
        "groups: reset one partition",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic keyed:1 --to-earliest --dry-run",
    ),
    sorted(
        "groups: reset all topics",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --all-topics --to-earliest --dry-run",
    ),
    sorted(
        "groups: reset exported",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --all-topics --to-latest --dry-run --export",
    ),
    sorted(
        "groups: reset from a file",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --from-file {files}/plan.csv --dry-run",
    ),
    case(
        "groups: reset from a bad file",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --from-file {files}/plan-bad.csv --dry-run",
    ),
    case(
        "groups: reset from a file with groups",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --from-file {files}/plan-group.csv --dry-run",
    ),
    case(
        "groups: reset a new group",
        G,
        "--bootstrap-server {b} --reset-offsets --group new --topic codecs --to-earliest --execute",
    ),
    case(
        "groups: reset a missing topic",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic nope --to-earliest --dry-run",
    ),
    case(
        "groups: reset a missing partition",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs:7 --to-earliest --dry-run",
    ),
    case(
        "groups: reset without a scope",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --to-earliest --dry-run",
    ),
    case(
        "groups: reset without a place",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --dry-run",
    ),
    case(
        "groups: reset to two places",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic codecs --to-earliest --to-latest",
    ),
    case("groups: delete offsets", G, "--bootstrap-server {b} --delete-offsets --group g --topic keyed:0"),
    case(
        "groups: delete offsets of a topic",
        G,
        "--bootstrap-server {b} --delete-offsets --group g --topic keyed",
    ),
    case(
        "groups: delete offsets of a missing topic",
        G,
        "--bootstrap-server {b} --delete-offsets --group g --topic nope:0",
    ),
    case(
        "groups: delete offsets of a missing group",
        G,
        "--bootstrap-server {b} --delete-offsets --group nope --topic keyed:0",
    ),
    case("groups: describe after that", G, "--bootstrap-server {b} --describe --group g"),
    case("groups: delete", G, "--bootstrap-server {b} --delete --group new"),
    case("groups: delete a missing one", G, "--bootstrap-server {b} --delete --group nope"),
    case("groups: delete with a topic", G, "--bootstrap-server {b} --delete --group g --topic codecs"),
    case("groups: a good pattern", G, "--validate-regex a.*"),
    case("groups: two actions", G, "--bootstrap-server {b} --list --describe"),
    case("groups: no group", G, "--bootstrap-server {b} --describe"),
    case("groups: two views", G, "--bootstrap-server {b} --describe --group g --members --state"),
    case("groups: unknown option", G, "--bootstrap-server {b} --list --frobnicate"),
    case("groups: unknown state", G, "--bootstrap-server {b} --list --state sleepy"),
    case("groups: unknown type", G, "--bootstrap-server {b} --list --type old"),
    case("groups: no broker named", G, "--list"),
    // Settings.
    case(
        "configs: describe a topic",
        CF,
        "--bootstrap-server {b} --entity-type topics --entity-name codecs --describe",
    ),
    case(
        "configs: alter a topic",
        CF,
        "--bootstrap-server {b} --entity-type topics --entity-name codecs --alter --add-config retention.ms=1000,cleanup.policy=[compact,delete]",
    ),
    sorted(
        "configs: describe it again",
        CF,
        "--bootstrap-server {b} --entity-type topics --entity-name codecs --describe",
    ),
    case(
        "configs: delete a setting",
        CF,
        "--bootstrap-server {b} --topic codecs --alter --delete-config retention.ms,cleanup.policy",
    ),
    case(
        "configs: delete what is not set",
        CF,
        "--bootstrap-server {b} --topic codecs --alter --delete-config flush.ms",
    ),
    case("configs: describe by the short option", CF, "--bootstrap-server {b} --topic codecs --describe"),
    case("configs: describe a missing topic", CF, "--bootstrap-server {b} --topic nope --describe"),
    case(
        "configs: alter a missing topic",
        CF,
        "--bootstrap-server {b} --topic nope --alter --add-config retention.ms=1",
    ),
    case(
        "configs: a bad value",
        CF,
        "--bootstrap-server {b} --topic codecs --alter --add-config retention.ms=x",
    ),
    case("configs: an unknown key", CF, "--bootstrap-server {b} --topic codecs --alter --add-config frob=1"),
    case(
        "configs: describe a broker",
        CF,
        "--bootstrap-server {b} --entity-type brokers --entity-name 0 --describe",
    ),
    case(
        "configs: alter a broker",
        CF,
        "--bootstrap-server {b} --entity-type brokers --entity-name 0 --alter --add-config log.retention.ms=100000",
    ),
    case("configs: describe the broker again", CF, "--bootstrap-server {b} --broker 0 --describe"),
    case(
        "configs: alter all brokers",
        CF,
        "--bootstrap-server {b} --entity-type brokers --entity-default --alter --add-config log.retention.bytes=1000000",
    ),
    case("configs: describe all brokers", CF, "--bootstrap-server {b} --broker-defaults --describe"),
    case(
        "configs: delete a broker's",
        CF,
        "--bootstrap-server {b} --broker 0 --alter --delete-config log.retention.ms",
    ),
    case("configs: no entity", CF, "--bootstrap-server {b} --describe"),
    case(
        "configs: neither alter nor describe",
        CF,
        "--bootstrap-server {b} --entity-type topics --entity-name codecs",
    ),
    case("configs: unknown option", CF, "--bootstrap-server {b} --frobnicate"),
    // Offsets, records, directories.
    case("get-offsets: all of a topic", GO, "--bootstrap-server {b} --topic plain"),
    case("get-offsets: earliest", GO, "--bootstrap-server {b} --topic codecs --time -2"),
    case("get-offsets: latest", GO, "--bootstrap-server {b} --topic codecs --time latest"),
    case("get-offsets: a time", GO, "--bootstrap-server {b} --topic codecs --time 1000"),
    numbers(
        "get-offsets: the greatest time",
        GO,
        "--bootstrap-server {b} --topic codecs --time max-timestamp",
    ),
    case("get-offsets: some partitions", GO, "--bootstrap-server {b} --topic plain --partitions 0,2"),
    case(
        "get-offsets: topic and partitions",
        GO,
        "--bootstrap-server {b} --topic-partitions plain:0-2,codecs:0",
    ),
    case("get-offsets: a missing topic", GO, "--bootstrap-server {b} --topic nope"),
    case("get-offsets: no such time", GO, "--bootstrap-server {b} --topic codecs --time soon"),
    typed("delete-records: messages first", P, "--bootstrap-server {b} --topic plain --sync", "a\nb\nc\n"),
    case("delete-records: no file", DR, "--bootstrap-server {b}"),
    case(
        "delete-records: a missing file",
        DR,
        "--bootstrap-server {b} --offset-json-file {files}/nothing.json",
    ),
    case("log-dirs: of one topic", LD, "--bootstrap-server {b} --describe --topic-list nope --broker-list 0"),
    case("log-dirs: a missing broker", LD, "--bootstrap-server {b} --describe --broker-list 7"),
    case("log-dirs: no action", LD, "--bootstrap-server {b}"),
    case("api-versions: no broker named", AV, ""),
    case("api-versions", AV, "--bootstrap-server {b}"),
    // Performance tests.
    numbers(
        "producer perf: records of a size",
        PP,
        "--bootstrap-server {b} --topic perf --num-records 200 --record-size 10 --throughput -1",
    ),
    numbers(
        "producer perf: old names",
        PP,
        "--topic perf --num-records 100 --record-size 10 --throughput 1000 --producer-props bootstrap.servers={b} acks=1",
    ),
    numbers(
        "producer perf: from a file",
        PP,
        "--bootstrap-server {b} --topic perf --num-records 10 --payload-file {files}/payload.txt --throughput -1",
    ),
    numbers(
        "producer perf: numbers",
        PP,
        "--bootstrap-server {b} --topic perf --num-records 10 --payload-monotonic --throughput -1",
    ),
    numbers(
        "producer perf: warm-up",
        PP,
        "--bootstrap-server {b} --topic perf --num-records 100 --record-size 10 --throughput -1 --warmup-records 10",
    ),
    case(
        "producer perf: no records",
        PP,
        "--bootstrap-server {b} --topic perf --num-records 0 --record-size 10 --throughput -1",
    ),
    case(
        "producer perf: no payload",
        PP,
        "--bootstrap-server {b} --topic perf --num-records 10 --throughput -1",
    ),
    case(
        "producer perf: no broker named",
        PP,
        "--topic perf --num-records 10 --record-size 10 --throughput -1",
    ),
    numbers(
        "consumer perf: records",
        CP,
        "--bootstrap-server {b} --topic perf --num-records 100 --group perf-reader",
    ),
    numbers(
        "consumer perf: old name",
        CP,
        "--bootstrap-server {b} --topic perf --messages 10 --hide-header --group perf-reader-2",
    ),
    numbers(
        "consumer perf: too many",
        CP,
        "--bootstrap-server {b} --topic perf --num-records 100000 --timeout 700 --group perf-reader-3",
    ),
    case("consumer perf: no topic", CP, "--bootstrap-server {b} --num-records 10"),
];

/// On files: the golden directories of Kafka, and what our broker left when it stopped.
pub(crate) const ON_FILES: &[Case] = &[
    case("dump: batches", D, "--files {data}/keyed-0/00000000000000000000.log"),
    case("dump: records", D, "--files {data}/keyed-0/00000000000000000000.log --print-data-log"),
    case(
        "dump: a whole partition",
        D,
        "--files {data}/perf-0/00000000000000000000.log,{data}/perf-0/00000000000000000000.index,{data}/perf-0/00000000000000000000.timeindex --deep-iteration",
    ),
    case(
        "dump: commits",
        D,
        "--files {data}/__consumer_offsets-0/00000000000000000000.log --offsets-decoder",
    ),
    case(
        "dump: commits of Kafka",
        D,
        "--files {golden}/kafka-4.3.1/__consumer_offsets-0/00000000000000000000.log --offsets-decoder",
    ),
    case(
        "dump: commits of 2.2",
        D,
        "--files {golden}/kafka-2.2.0/__consumer_offsets-0/00000000000000000042.log --offsets-decoder",
    ),
    case(
        "dump: transactions",
        D,
        "--files {golden}/kafka-4.3.1/__transaction_state-0/00000000000000000000.log --transaction-log-decoder",
    ),
    case(
        "dump: transactions of 2.2",
        D,
        "--files {golden}/kafka-2.2.0/__transaction_state-0/00000000000000000000.log --transaction-log-decoder",
    ),
    case(
        "dump: the later segment",
        D,
        "--files {golden}/kafka-4.3.1/g-plain-0/00000000000000000050.log --deep-iteration",
    ),
    case(
        "dump: indexes",
        D,
        "--files {golden}/kafka-4.3.1/g-plain-0/00000000000000000050.index,{golden}/kafka-4.3.1/g-plain-0/00000000000000000050.timeindex",
    ),
    case(
        "dump: indexes of 2.2",
        D,
        "--files {golden}/kafka-2.2.0/g-plain-0/00000000000000000072.index,{golden}/kafka-2.2.0/g-plain-0/00000000000000000072.timeindex",
    ),
    case(
        "dump: indexes verified",
        D,
        "--files {golden}/kafka-2.2.0/g-plain-0/00000000000000000072.index,{golden}/kafka-2.2.0/g-plain-0/00000000000000000072.timeindex --verify-index-only",
    ),
    case(
        "dump: indexes sane",
        D,
        "--files {golden}/kafka-4.3.1/g-plain-0/00000000000000000050.index,{golden}/kafka-4.3.1/g-plain-0/00000000000000000050.timeindex --index-sanity-check",
    ),
    case("dump: an empty index", D, "--files {golden}/kafka-4.3.1/g-kinds-0/00000000000000000000.index"),
    case(
        "dump: aborted transactions",
        D,
        "--files {golden}/kafka-4.3.1/g-txn-0/00000000000000000026.txnindex,{golden}/kafka-4.3.1/g-txn-0/00000000000000000026.snapshot",
    ),
    case(
        "dump: markers",
        D,
        "--files {golden}/kafka-4.3.1/g-txn-0/00000000000000000026.log --print-data-log",
    ),
    case(
        "dump: magic 1",
        D,
        "--files {golden}/kafka-2.2.0/g-v1-gzip-0/00000000000000000000.log --deep-iteration",
    ),
    case(
        "dump: magic 0",
        D,
        "--files {golden}/kafka-2.2.0/g-v0-none-0/00000000000000000000.log --print-data-log",
    ),
    case(
        "dump: without metadata",
        D,
        "--files {golden}/kafka-4.3.1/g-txn-0/00000000000000000004.log --print-data-log --skip-record-metadata",
    ),
    case(
        "dump: some bytes",
        D,
        "--files {golden}/kafka-4.3.1/g-plain-0/00000000000000000000.log --max-bytes 300 --max-message-size 1000",
    ),
    case(
        "dump: keys as text",
        D,
        "--files {golden}/kafka-4.3.1/g-plain-0/00000000000000000000.log --max-bytes 300 --key-decoder-class org.apache.kafka.tools.api.StringDecoder --value-decoder-class org.apache.kafka.tools.api.StringDecoder",
    ),
    case(
        "dump: unknown decoder",
        D,
        "--files {golden}/kafka-4.3.1/g-plain-0/00000000000000000000.log --value-decoder-class com.example.Nothing",
    ),
    case("dump: no such file", D, "--files {files}/00000000000000000000.log"),
    case("dump: an unknown file", D, "--files {files}/payload.txt"),
    case("dump: no files", D, "--print-data-log"),
];

/// Against 2.2.0, by its options.
pub(crate) const OF_2_2: &[Case] = &[
    setup(
        "topic for the others",
        T,
        "--bootstrap-server {b} --create --topic old --partitions 1 --replication-factor 1",
        B,
    ),
    case("2.2 topics: list", T, "--bootstrap-server {b} --list"),
    typed(
        "2.2 producer: keys",
        P,
        "--broker-list {b} --topic old --property parse.key=true --property key.separator=:",
        "k1:v1\nk2:v2\n",
    ),
    typed("2.2 producer: no key", P, "--broker-list {b} --topic old --property parse.key=true", "nokey\n"),
    typed(
        "2.2 producer: options",
        P,
        "--broker-list {b} --topic old --sync --compression-codec gzip --request-required-acks 1 --batch-size 100 --timeout 10 --producer-property client.id=x --producer.config {files}/client.properties",
        "v3\n",
    ),
    typed("2.2 producer: no topic", P, "--broker-list {b}", "x\n"),
    case(
        "2.2 consumer: all",
        C,
        "--bootstrap-server {b} --topic old --from-beginning --max-messages 3 --group g --property print.key=true --property print.timestamp=true",
    ),
    case(
        "2.2 consumer: by pattern",
        C,
        "--bootstrap-server {b} --whitelist ol. --from-beginning --timeout-ms 700",
    ),
    case(
        "2.2 consumer: from an offset",
        C,
        "--bootstrap-server {b} --topic old --partition 0 --offset 1 --max-messages 1",
    ),
    case(
        "2.2 consumer: formatter",
        C,
        "--bootstrap-server {b} --topic old --partition 0 --offset 1 --max-messages 1 --formatter kafka.tools.NoOpMessageFormatter",
    ),
    case(
        "2.2 consumer: file",
        C,
        "--bootstrap-server {b} --topic old --consumer.config {files}/group.properties --consumer-property max.poll.records=1 --max-messages 1",
    ),
    case("2.2 groups: list", G, "--bootstrap-server {b} --describe --group nope"),
    case("2.2 groups: describe", G, "--bootstrap-server {b} --describe --group g"),
    case("2.2 groups: state", G, "--bootstrap-server {b} --describe --group g --state"),
    case("2.2 groups: members", G, "--bootstrap-server {b} --describe --group g --members"),
    case(
        "2.2 groups: reset",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic old --to-earliest --execute",
    ),
    case(
        "2.2 groups: reset exported",
        G,
        "--bootstrap-server {b} --reset-offsets --group g --topic old --to-latest --export --dry-run",
    ),
    case("2.2 groups: delete", G, "--bootstrap-server {b} --delete --group g"),
    numbers(
        "2.2 producer perf",
        PP,
        "--topic old --num-records 100 --record-size 10 --throughput -1 --producer-props bootstrap.servers={b}",
    ),
    numbers(
        "2.2 consumer perf",
        CP,
        "--broker-list {b} --topic old --messages 50 --threads 1 --num-fetch-threads 1 --group perf",
    ),
];
