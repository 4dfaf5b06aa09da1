//! The container image without an engine: its root file system, made by the script that the Dockerfile runs, on hosts of
//! their own (`corrente_tests::hosts`), each program by the image's user and with the image's variables and no others.
//!
//! `cargo test -p corrente-tests --test containers [NAME...]`; as root, otherwise it is skipped. No container engine has run
//! the image here: what an engine adds (its network, volumes, health checks on a timer) is imitated.
//!
//! The statically linked program is built in the profile `quick`, in a few minutes the first time; the Dockerfile builds the
//! release in the same way (`image/build.sh`).

mod image;
mod tutorial;
mod variables;

use corrente_tests::runner::{self, Scenario};
use std::process::ExitCode;

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("the_image_is_what_the_dockerfile_says", image::is_what_the_dockerfile_says),
        Scenario::new("the_tutorial_with_the_variables_of_a_link", || {
            tutorial::played(tutorial::Link::Variables)
        }),
        Scenario::new("the_tutorial_with_the_alias_alone", || tutorial::played(tutorial::Link::Alias)),
        Scenario::new("two_listeners_as_compose_sets_them", tutorial::two_listeners_as_composed),
        Scenario::new("variables_are_settings", variables::are_settings),
        Scenario::new("variables_of_the_coordinator_are_settings", variables::of_the_coordinator),
        Scenario::new("wrong_variables_are_named", variables::wrong_ones_are_named),
        Scenario::new("a_data_folder_of_somebody_else_is_named", variables::a_folder_of_somebody_else),
    ])
}
