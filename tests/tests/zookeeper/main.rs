//! Everything that others wrote for ZooKeeper, against `corrente zookeeper`: kazoo with its own tests, the Java
//! clients of two ages, `zkCli`, Curator's recipes, real Kafka brokers of two ages; and what no client does: hostile
//! bytes, floods, SIGKILL over and over.
//!
//! `cargo test -p corrente-tests --test zookeeper [NAME...]`; `CORRENTE_ZOOKEEPER=real` runs the same against Apache
//! ZooKeeper. The first run fetches the clients (some minutes); see `corrente_tests` for the environment variables.

mod checks;
mod hostile;
mod java;
mod kafka;
mod kafka_0_10;
mod kafka_2_2;
mod kazoo;
mod kills;
mod sessions;
mod words;
mod zkcli;

use std::process::ExitCode;

use corrente_tests::runner::{self, Scenario};

fn main() -> ExitCode {
    // Long ones first, so that the two workers end together.
    runner::main(&[
        Scenario::new("kazoo_passes_its_own_tests", kazoo::own_tests),
        Scenario::new("kafka_2_2_0_broker", kafka_2_2::runs_on_our_zookeeper),
        Scenario::new("kafka_0_10_2_1_broker", kafka_0_10::runs_on_our_zookeeper),
        Scenario::new("kills_lose_nothing", kills::lose_nothing),
        Scenario::new("kazoo_through_restarts", kazoo::through_restarts),
        Scenario::new("curator_5_9_recipes", java::curator),
        Scenario::new("java_client_3_9_4", java::client_of_3_9_4),
        Scenario::new("java_client_3_9_4_newer_operations", java::newer_operations_of_3_9_4),
        Scenario::new("java_client_3_4_13", java::client_of_3_4_13),
        Scenario::new("zkcli_3_9_4", zkcli::prints_what_it_prints_to_the_real_one),
        Scenario::new("hostile_first_frames", hostile::first_frames_are_refused),
        Scenario::new("hostile_requests", hostile::requests_are_refused),
        Scenario::new("hostile_half_frames", hostile::half_frames_hold_nobody_up),
        Scenario::new("hostile_floods", hostile::floods_are_survived),
        Scenario::new("silent_session_ends_in_time", sessions::a_silent_session_ends_in_time),
        Scenario::new("connect_of_44_bytes", sessions::a_connect_of_44_bytes_is_answered_with_36),
        Scenario::new("missed_changes_are_told_on_return", sessions::missed_changes_are_told_on_return),
        Scenario::new("connections_of_one_address", hostile::one_address_has_its_limit),
        Scenario::new("four_letter_words", words::are_answered),
        Scenario::new("four_letter_words_have_a_list", words::have_a_list),
    ])
}
