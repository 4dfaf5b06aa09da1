//! Where things are, and what the environment asks for. Nothing else here.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of this crate, which holds the client programs and install scripts.
pub fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    parent(&tests_dir()).to_path_buf()
}

/// The folder of the profile this test was built with: `target/debug`, `target/release`, ...
///
/// A test executable lies in `target/<profile>/deps`.
pub fn profile_dir() -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    parent(parent(&test)).to_path_buf()
}

/// The target directory; fetched clients live in it so that `cargo clean` removes them.
pub fn target_dir() -> PathBuf {
    parent(&profile_dir()).to_path_buf()
}

/// `target/clients`: whatever [`crate::install`] fetched, by name.
pub fn clients_dir() -> PathBuf {
    target_dir().join("clients")
}

/// A client program of ours, e.g. `client_program("python/confluent_client.py")`.
pub fn client_program(name: &str) -> PathBuf {
    let path = tests_dir().join("clients").join(name);
    assert!(path.exists(), "no client program {}", path.display());
    path
}

/// A number out of the environment, or the default when it is not set.
///
/// # Panics
///
/// If the variable is set to something else than a number.
pub fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text}: expected a number")),
        Err(_) => default,
    }
}

/// Whether this is a run that counts: nothing may be skipped or cut short. GitHub sets `CI=true`.
pub fn under_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("the path has a parent")
}
