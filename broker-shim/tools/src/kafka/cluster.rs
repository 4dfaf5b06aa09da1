//! `kafka-cluster`: the cluster's id, and the brokers in it.
//!
//! ```text
//! $ kafka-cluster.sh cluster-id --bootstrap-server localhost:9092
//! Cluster ID: 46j5Mn07Qv-bGI1z80v2ww
//! ```

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::session::Bootstrap;
use crate::options::{Opt, Options, Spec};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-cluster",
        about: "The Kafka cluster tool: kafka-cluster cluster-id | list-endpoints",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(&["bootstrap-server", "b"], "host:port", "REQUIRED: the broker to connect to."),
    Opt::value(&["config", "command-config", "c"], "file", "A property file for the client."),
];

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    let [command] = options.rest() else {
        return Err(Failure::usage("name one command: cluster-id or list-endpoints"));
    };
    options.require(&["bootstrap-server"])?;
    let list = options.value("bootstrap-server")?.unwrap_or_default();
    let connect = || Bootstrap::new(list, options.value("config")?)?.connect();
    match command.as_str() {
        "cluster-id" => {
            let cluster = connect()?.metadata(Some(&[]), false)?;
            Ok(io.line(&match cluster.id {
                Some(id) => format!("Cluster ID: {id}"),
                None => "No cluster ID found. The Kafka version is probably too old.".to_owned(),
            })?)
        }
        "list-endpoints" => {
            let cluster = connect()?.metadata(Some(&[]), false)?;
            let hosts = cluster.brokers.values().map(|broker| broker.address.host.len());
            let width = hosts.max().unwrap_or(0).max(4);
            io.line(&format!(
                "{:<10} {:<width$} {:<10} {:<10} {:<15}",
                "ID", "HOST", "PORT", "RACK", "ENDPOINT_TYPE"
            ))?;
            for broker in cluster.brokers.values() {
                let (address, rack) = (&broker.address, broker.rack.as_deref().unwrap_or("null"));
                io.line(&format!(
                    "{:<10} {:<width$} {:<10} {rack:<10} {:<15}",
                    broker.id, address.host, address.port, "broker"
                ))?;
            }
            Ok(())
        }
        "unregister" => {
            Err(Failure::told("brokers cannot be unregistered: a broker that is gone is not in the cluster"))
        }
        other => Err(Failure::usage(format!("{other:?} is no command: name cluster-id or list-endpoints"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, run};

    #[test]
    fn the_cluster_has_an_id() {
        let rig = Rig::start();
        let out = rig.out(&TOOL, "cluster-id");
        assert_eq!(out.strip_prefix("Cluster ID: ").map(|id| id.trim_end().len()), Some(22), "{out}");
        assert!(rig.out(&TOOL, "list-endpoints").contains("127.0.0.1"));
        assert_eq!(
            run(&TOOL, "-b h:1").err.lines().next(),
            Some("name one command: cluster-id or list-endpoints")
        );
    }
}
