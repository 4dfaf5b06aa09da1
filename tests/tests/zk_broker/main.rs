//! Our broker with `zookeeper.connect`: with a real ZooKeeper and with `corrente zookeeper`, and with the tools that write
//! znodes: the original ones of Kafka 2.2.0 and 0.10.2.1, and ours.
//!
//! `cargo test -p corrente-tests --test zk_broker [NAME...]`; the first run fetches the jars (some minutes).

// The JVMs in which Kafka's own tools run are those of the ZooKeeper server's tests; brokers of Kafka are not needed here.
#[allow(dead_code)]
#[path = "../zookeeper/kafka.rs"]
mod kafka;

mod convert;
mod kills;
mod nodes;
mod old_tools;
mod tools;

use std::process::ExitCode;

use corrente_tests::runner::{self, Scenario};

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("tools_of_2_2_0_on_a_real_zookeeper", || tools::original_and_ours(true)),
        Scenario::new("tools_of_2_2_0_on_our_zookeeper", || tools::original_and_ours(false)),
        Scenario::new("tools_of_0_10_2_1_on_a_real_zookeeper", || old_tools::of_the_tutorial(true)),
        Scenario::new("tools_of_0_10_2_1_on_our_zookeeper", || old_tools::of_the_tutorial(false)),
        Scenario::new("a_lost_session_on_a_real_zookeeper", || kills::zookeeper_goes_away(true)),
        Scenario::new("a_lost_session_on_our_zookeeper", || kills::zookeeper_goes_away(false)),
        Scenario::new("kill_and_restart_at_once", || kills::broker_restarts_at_once(false)),
        Scenario::new("kill_and_restart_at_once_on_a_real_zookeeper", || {
            kills::broker_restarts_at_once(true)
        }),
        Scenario::new("an_empty_zookeeper_gets_the_topics_back", kills::zookeeper_comes_back_empty),
        Scenario::new("another_owner_of_the_place_is_refused", kills::somebody_else_is_there),
        Scenario::new("strange_nodes_are_survived", nodes::strange_ones_are_survived),
        Scenario::new("wishes_and_changes_are_followed", nodes::wishes_and_changes_are_followed),
        Scenario::new("topics_move_to_zookeeper_and_back", convert::there_and_back),
    ])
}
