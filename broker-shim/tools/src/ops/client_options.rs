//! Properties of producers and consumers, from files and the command line, as far as they mean something here.
//!
//! What is given by itself (`--command-property`) wins over what is in a file. Unknown keys are left alone: people pass
//! their whole `producer.properties`.

use crate::failure::Failure;
use crate::options::Options;
use kafka_client::properties::{self, Properties, number};
use kafka_client::{FetcherConfig, GroupConfig, Isolation, ProducerConfig};
use log_engine::Codec;
use std::path::Path;
use std::time::Duration;

/// The properties of files and of pairs, by the options that name them. The first name of each kind that was given counts.
///
/// # Errors
///
/// Two names of one kind, a file that cannot be read, a pair without `=`.
pub fn given(options: &Options, pairs: &[&str], files: &[&str]) -> Result<Properties, Failure> {
    let mut all = Properties::new();
    if let Some(name) = first(options, files)? {
        for file in options.values(name) {
            all.extend(properties::load(Path::new(file))?);
        }
    }
    if let Some(name) = first(options, pairs)? {
        for pair in options.values(name) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key.is_empty() || !pair.contains('=') {
                return Err(Failure::usage(format!(
                    "Invalid command line properties: {pair}; give key=value"
                )));
            }
            all.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(all)
}

fn first<'a>(options: &Options, names: &[&'a str]) -> Result<Option<&'a str>, Failure> {
    let mut there = names.iter().filter(|name| options.has(name));
    match (there.next(), there.next()) {
        (Some(one), Some(other)) => {
            Err(Failure::usage(format!("Options --{other} and --{one} cannot be specified together.")))
        }
        (found, _) => Ok(found.copied()),
    }
}

/// A codec by its name.
///
/// # Errors
///
/// Another name.
pub fn codec(name: &str) -> Result<Codec, Failure> {
    let all = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let found = all.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name.trim()));
    found.ok_or_else(|| {
        Failure::Plain(format!(
            "Unknown compression name: {name}; known are none, gzip, snappy, lz4 and zstd"
        ))
    })
}

/// `all`, -1, 0 or 1.
///
/// # Errors
///
/// Anything else.
pub fn acks(text: &str) -> Result<i16, Failure> {
    match text.trim() {
        "all" | "-1" => Ok(-1),
        "0" => Ok(0),
        "1" => Ok(1),
        other => Err(Failure::Plain(format!(
            "Invalid value {other} for configuration acks: it is one of all, -1, 0, 1"
        ))),
    }
}

fn millis(properties: &Properties, key: &str, into: &mut Duration) -> Result<(), Failure> {
    if let Some(ms) = number(properties, key)? {
        *into = Duration::from_millis(ms);
    }
    Ok(())
}

fn size(properties: &Properties, key: &str) -> Result<Option<usize>, Failure> {
    Ok(number(properties, key)?.map(|size| usize::try_from(size).unwrap_or(usize::MAX)))
}

fn bytes(properties: &Properties, key: &str, into: &mut i32) -> Result<(), Failure> {
    if let Some(found) = number(properties, key)? {
        *into = i32::try_from(found).unwrap_or(i32::MAX);
    }
    Ok(())
}

fn yes(properties: &Properties, key: &str, default: bool) -> bool {
    properties.get(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
}

/// How a producer with these properties works.
///
/// # Errors
///
/// A value that makes no sense.
pub fn producer(properties: &Properties) -> Result<ProducerConfig, Failure> {
    let mut config = ProducerConfig::default();
    if let Some(text) = properties.get("acks") {
        config.acks = acks(text)?;
    }
    if let Some(name) = properties.get("compression.type") {
        config.codec = codec(name)?;
    }
    config.batch_size = size(properties, "batch.size")?.unwrap_or(config.batch_size).max(1);
    config.max_request = size(properties, "max.request.size")?.unwrap_or(config.max_request);
    if let Some(flights) = size(properties, "max.in.flight.requests.per.connection")? {
        config.max_in_flight = flights.max(1);
    }
    millis(properties, "linger.ms", &mut config.linger)?;
    millis(properties, "request.timeout.ms", &mut config.request_timeout)?;
    millis(properties, "delivery.timeout.ms", &mut config.delivery_timeout)?;
    if let Some(retries) = number(properties, "retries")? {
        config.retries = u32::try_from(retries).unwrap_or(u32::MAX);
    }
    config.idempotent =
        yes(properties, "enable.idempotence", true) && config.acks == -1 && config.retries > 0;
    Ok(config)
}

/// How a consumer with these properties fetches.
///
/// # Errors
///
/// A value that makes no sense.
pub fn fetcher(properties: &Properties) -> Result<FetcherConfig, Failure> {
    let mut config = FetcherConfig::default();
    millis(properties, "fetch.max.wait.ms", &mut config.max_wait)?;
    bytes(properties, "fetch.min.bytes", &mut config.min_bytes)?;
    bytes(properties, "fetch.max.bytes", &mut config.max_bytes)?;
    bytes(properties, "max.partition.fetch.bytes", &mut config.partition_max_bytes)?;
    config.check_crcs = yes(properties, "check.crcs", true);
    if let Some(level) = properties.get("isolation.level") {
        config.isolation = isolation(level)?;
    }
    Ok(config)
}

/// `read_uncommitted` or `read_committed`.
///
/// # Errors
///
/// Anything else.
pub fn isolation(level: &str) -> Result<Isolation, Failure> {
    match level.trim() {
        "read_uncommitted" => Ok(Isolation::ReadUncommitted),
        "read_committed" => Ok(Isolation::ReadCommitted),
        other => Err(Failure::Plain(format!(
            "Invalid value {other} for configuration isolation.level: it is read_uncommitted or read_committed"
        ))),
    }
}

/// How a consumer with these properties is a member of a group.
///
/// # Errors
///
/// A value that makes no sense.
pub fn member(properties: &Properties, group: &str, topics: Vec<String>) -> Result<GroupConfig, Failure> {
    let mut config = GroupConfig::new(group, topics);
    config.instance = properties.get("group.instance.id").cloned().filter(|id| !id.is_empty());
    millis(properties, "session.timeout.ms", &mut config.session_timeout)?;
    millis(properties, "max.poll.interval.ms", &mut config.rebalance_timeout)?;
    millis(properties, "heartbeat.interval.ms", &mut config.heartbeat_interval)?;
    Ok(config)
}

/// Where a consumer begins that has committed nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reset {
    /// At the first message.
    Earliest,
    /// Behind the last one.
    Latest,
    /// It does not.
    None,
}

/// Whether and how often a consumer commits, by its properties.
///
/// # Errors
///
/// A value that makes no sense.
pub fn auto_commit(properties: &Properties, default: bool) -> Result<Option<Duration>, Failure> {
    let mut interval = Duration::from_secs(5);
    millis(properties, "auto.commit.interval.ms", &mut interval)?;
    Ok(yes(properties, "enable.auto.commit", default).then_some(interval))
}

#[cfg(test)]
mod tests {
    use super::{acks, codec, fetcher, producer};
    use kafka_client::Isolation;
    use kafka_client::properties::{self, Properties};
    use log_engine::Codec;

    fn parse(text: &str) -> Properties {
        properties::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_producers_properties_are_taken_over() {
        let config =
            producer(&parse("acks=1\ncompression.type=lz4\nbatch.size=100\nlinger.ms=5\nunknown=x")).unwrap();
        assert_eq!((config.acks, config.codec, config.batch_size), (1, Codec::Lz4, 100));
        assert_eq!(config.linger.as_millis(), 5);
        assert!(!config.idempotent, "only with acks=all");
        assert!(producer(&parse("acks=all")).unwrap().idempotent);
        assert!(producer(&parse("acks=2")).is_err());
        assert!(producer(&parse("batch.size=many")).is_err());
    }

    #[test]
    fn a_consumers_properties_are_taken_over() {
        let config = fetcher(&parse(
            "fetch.max.wait.ms=10\nmax.partition.fetch.bytes=99\nisolation.level=read_committed",
        ))
        .unwrap();
        assert_eq!((config.max_wait.as_millis(), config.partition_max_bytes), (10, 99));
        assert_eq!(config.isolation, Isolation::ReadCommitted);
        assert!(fetcher(&parse("isolation.level=none")).is_err());
    }

    #[test]
    fn names_are_those_of_kafka() {
        assert!(codec("ZSTD").is_ok());
        assert!(codec("brotli").is_err());
        assert_eq!(acks("all").unwrap(), -1);
    }
}
