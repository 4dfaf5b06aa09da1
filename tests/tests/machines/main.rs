//! Several machines: a broker, a ZooKeeper and their clients on hosts of their own, out of one machine by
//! `corrente_tests::hosts`.
//!
//! `cargo test -p corrente-tests --test machines [NAME...]`; as root, otherwise it is skipped.

mod network;
mod rig;
mod servers;

use std::process::ExitCode;

use corrente_tests::runner::{self, Scenario};

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("hosts_know_and_reach_each_other", rig::hosts_know_and_reach_each_other),
        Scenario::new("two_sets_of_hosts_do_not_meet", rig::two_sets_of_hosts_do_not_meet),
        Scenario::new("what_runs_on_a_host_ends_with_it", rig::what_runs_on_a_host_ends_with_it),
        Scenario::new("a_container_has_its_own_layer", rig::a_container_has_its_own_layer),
        Scenario::new("as_in_the_tutorial", network::as_in_the_tutorial),
        Scenario::new("a_client_is_told_what_it_dialled", network::a_client_is_told_what_it_dialled),
        Scenario::new(
            "without_settings_only_this_machine_is_served",
            network::without_settings_only_this_machine_is_served,
        ),
        Scenario::new("zookeeper_on_another_host", network::zookeeper_on_another_host),
        Scenario::new("zookeeper_on_the_brokers_host", network::zookeeper_on_the_brokers_host),
        Scenario::new("wrong_addresses_are_told", network::wrong_addresses_are_told),
        Scenario::new("zookeepers_cable_is_pulled", network::zookeepers_cable_is_pulled),
        Scenario::new("the_brokers_cable_is_pulled", network::the_brokers_cable_is_pulled),
    ])
}
