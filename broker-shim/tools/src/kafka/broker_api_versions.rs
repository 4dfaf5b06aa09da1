//! `kafka-broker-api-versions`: what each broker of a cluster offers.
//!
//! ```text
//! $ kafka-broker-api-versions.sh --bootstrap-server localhost:9092
//! localhost:9092 (id: 0 rack: null isFenced: false) -> (
//!     Produce(0): 0 to 13 [usable: 13],
//!     ...
//!     ListConfigResources(74): UNSUPPORTED
//! )
//! ```
//!
//! Usable is the highest version that we speak too.

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::session::Bootstrap;
use crate::options::{Opt, Options, Spec};
use kafka_client::{ApiRanges, Node};
use kafka_wire::ApiKey;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-broker-api-versions",
        about: "This tool helps to retrieve broker version information.",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(
        &["bootstrap-server"],
        "server(s) to use for bootstrapping",
        "REQUIRED: the broker to connect to, as host:port.",
    ),
    Opt::value(&["command-config"], "file", "A property file for the client."),
];

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    let mut client = Bootstrap::of(options)?.connect()?;
    let cluster = client.metadata(Some(&[]), false)?;
    for broker in cluster.brokers.values() {
        let (address, rack) = (&broker.address, broker.rack.as_deref().unwrap_or("null"));
        let head =
            format!("{}:{} (id: {} rack: {rack} isFenced: false)", address.host, address.port, broker.id);
        match client.api_versions(Node::Broker(broker.id)) {
            Ok(ranges) => io.line(&format!("{head} -> (\n\t{}\n)", lines(&ranges).join(",\n\t")))?,
            Err(error) => io.line(&format!("{head} -> ERROR: {error}"))?,
        }
    }
    Ok(())
}

/// One entry for each API that the broker offers or that clients use, by number.
fn lines(ranges: &ApiRanges) -> Vec<String> {
    let offered = ranges.iter().map(|(raw, (min, max))| {
        let range = if min == max { format!("{min}") } else { format!("{min} to {max}") };
        let Some(key) = ApiKey::from_i16(raw) else { return (raw, format!("UNKNOWN({raw}): {range}")) };
        let usable = match ranges.best(key) {
            Some(best) => format!("[usable: {best}]"),
            None => "[unusable: node too old]".to_owned(),
        };
        (raw, format!("{key}({raw}): {range} {usable}"))
    });
    let missing = ApiKey::all().filter(|key| is_for_clients(*key) && ranges.get(*key).is_none());
    let missing = missing.map(|key| (key.to_i16(), format!("{key}({}): UNSUPPORTED", key.to_i16())));
    let mut all: Vec<(i16, String)> = offered.chain(missing).collect();
    all.sort_by_key(|(raw, _)| *raw);
    all.into_iter().map(|(_, line)| line).collect()
}

/// What brokers and controllers say to each other only, by number.
const AMONG_BROKERS: &[i16] = &[4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 64, 67, 70, 73, 82, 91, 94];

fn is_for_clients(key: ApiKey) -> bool {
    !AMONG_BROKERS.contains(&key.to_i16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rig;

    #[test]
    fn every_api_has_its_line() {
        let rig = Rig::start();
        let out = rig.out(&TOOL, "");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], format!("{} (id: 0 rack: null isFenced: false) -> (", rig.address()));
        assert_eq!(lines[1], "\tProduce(0): 0 to 13 [usable: 13],");
        assert_eq!(lines.last(), Some(&")"));
        assert!(out.contains("\tApiVersions(18): 0 to 4 [usable: 4],\n"), "{out}");
        assert!(out.contains("\tDescribeClientQuotas(48): UNSUPPORTED,\n"), "{out}");
    }
}
