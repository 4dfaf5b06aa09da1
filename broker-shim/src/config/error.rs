//! What can be wrong with a configuration, each with the place, the key, the value and what was expected.

use kafka_settings::Escaped;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting came from. The order is the precedence: a later one wins.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// Built in.
    Default,
    /// The container image, or what the container engine says: it goes behind whatever somebody wrote.
    Image,
    /// A properties file.
    File {
        /// The file, as it was named.
        path: Arc<PathBuf>,
        /// The line, from 1.
        line: u32,
    },
    /// An environment variable.
    Env {
        /// Its name.
        variable: String,
    },
    /// `--override`, or a setter of the builder.
    Override,
    /// At run time, for all brokers.
    AllBrokers,
    /// At run time, for this broker.
    ThisBroker,
}

impl Source {
    /// Whether somebody set the value, wherever.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::Default
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Image => f.write_str("container image"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env { variable } => write!(f, "environment variable {variable}"),
            Self::Override => f.write_str("--override"),
            Self::AllBrokers => f.write_str("setting of all brokers"),
            Self::ThisBroker => f.write_str("setting of this broker"),
        }
    }
}

/// Why no configuration could be made. Messages name the place first, then the key, the value and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {file}, expected a Java properties file", file = .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not in properties format.
    #[error("{file}:{line}: {text}: expected {expected}", file = .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u32,
        /// The text that cannot be read.
        text: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A value is not what its key takes.
    #[error("{source_}: {key} = {value}: expected {expected}", value = Escaped(.value))]
    Value {
        /// Where it was set.
        source_: Source,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// An `--override` without `=`.
    #[error("--override {text}: expected key=value", text = Escaped(.text))]
    Override {
        /// What was given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_sources_win() {
        let file = Source::File { path: Arc::new(PathBuf::from("f")), line: 9 };
        let env = Source::Env { variable: "KAFKA_X".into() };
        assert!(
            Source::Default < Source::Image && Source::Image < file && file < env && env < Source::Override
        );
        assert!(Source::Override < Source::AllBrokers && Source::AllBrokers < Source::ThisBroker);
    }
}
