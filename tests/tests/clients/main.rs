//! Real clients of every age against a broker process: what they send is compared, message by message, with what
//! they read, on a fresh broker and again after a restart on the same data.
//!
//! `cargo test -p corrente-tests --test clients [NAME...]`. The first run fetches the clients (some minutes);
//! see `corrente_tests` for the environment variables.

mod admin_tools;
mod codecs;
mod dump;
mod dump_shapes;
mod exposition;
mod first_request;
mod group;
mod java_tools;
mod kafka_python;

use std::process::ExitCode;

use corrente_tests::client::{Kcat, Program};
use corrente_tests::install::{self, Missing};
use corrente_tests::runner::{self, Scenario};

fn main() -> ExitCode {
    // Long ones first, so that the two workers end together.
    runner::main(&[
        Scenario::new("admin_tools_of_4", admin_tools::of_4),
        Scenario::new("admin_tools_of_2_2_0", admin_tools::of_2_2_0),
        Scenario::new("console_tools_of_2_2_0", java_tools::of_2_2_0),
        Scenario::new("kafka_python_1_4_7_as_of_0_10_1", kafka_python::release_1_4_7),
        Scenario::new("kafka_python_2_0_2_as_of_0_10_1", kafka_python::release_2_0_2),
        Scenario::new("kafka_python_newest_as_of_0_10_1", kafka_python::newest_as_of_0_10_1),
        Scenario::new("console_tools_of_4", java_tools::of_4),
        Scenario::new("kafka_python_newest", kafka_python::newest),
        Scenario::new("dump_tools_find_every_batch_valid", dump::every_batch_is_valid),
        Scenario::new("dump_tools_read_every_shape_and_a_repaired_log", dump_shapes::are_read),
        Scenario::new(
            "dump_tools_and_verify_read_a_brokers_directory",
            dump_shapes::a_brokers_directory_is_read,
        ),
        Scenario::new("confluent_kafka_group_rebalances", || group::rebalances(&confluent_kafka()?)),
        Scenario::new("confluent_kafka_all_codecs", || codecs::all(&confluent_kafka()?)),
        Scenario::new("kcat_group_rebalances", || group::rebalances(&kcat()?)),
        Scenario::new("kcat_all_codecs", || codecs::all_but_timestamps(&kcat()?)),
        Scenario::new("franz_go_group_rebalances", || group::rebalances(&franz_go()?)),
        Scenario::new("franz_go_all_codecs", || codecs::all(&franz_go()?)),
        Scenario::new("prometheus_client_reads_the_metrics", exposition::is_read),
        Scenario::new("produce_v2_of_900_kb_as_first_request", first_request::is_answered),
    ])
}

fn confluent_kafka() -> Result<Program, Missing> {
    let python = install::python("confluent-kafka", 9, 14, &["confluent-kafka"])?;
    let program = Program::python(&python, "python/confluent_client.py");
    runner::ran("confluent-kafka", &program.version());
    Ok(program)
}

fn kcat() -> Result<Kcat, Missing> {
    let kcat = Kcat(install::kcat()?);
    runner::ran("kcat", &kcat.version());
    Ok(kcat)
}

fn franz_go() -> Result<Program, Missing> {
    let program = Program::executable(&install::go("franz")?);
    runner::ran("franz-go", &program.version());
    Ok(program)
}
