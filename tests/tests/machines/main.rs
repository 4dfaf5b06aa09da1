//! Several machines: a broker, a ZooKeeper and their clients on hosts of their own, out of one machine by
//! `corrente_tests::hosts`.
//!
//! `cargo test -p corrente-tests --test machines [NAME...]`; as root, otherwise it is skipped.

mod rig;

use std::process::ExitCode;

use corrente_tests::runner::{self, Scenario};

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("hosts_know_and_reach_each_other", rig::hosts_know_and_reach_each_other),
        Scenario::new("two_sets_of_hosts_do_not_meet", rig::two_sets_of_hosts_do_not_meet),
        Scenario::new("what_runs_on_a_host_ends_with_it", rig::what_runs_on_a_host_ends_with_it),
        Scenario::new("a_container_has_its_own_layer", rig::a_container_has_its_own_layer),
    ])
}
