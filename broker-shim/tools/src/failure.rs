//! How a tool ends when it does not end well.

use kafka_client::ClientError;
use std::io;

/// Why a tool did not do what was asked of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// It was tried. The tool's own words (`Error while executing topic command : `) stand before it.
    Told(String),
    /// As [`Failure::Told`], and only because no broker answers at the moment: whoever has time may try again.
    Away(String),
    /// As [`Failure::Told`], but on standard error and without words before it.
    Plain(String),
    /// All is said already: only the exit code is left.
    Silent(u8),
    /// Whoever read the output has seen enough: that is fine.
    Closed,
}

impl Failure {
    /// One that is told with the tool's words before it.
    pub fn told(text: impl Into<String>) -> Self {
        Self::Told(text.into())
    }

    /// One of the command line.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Told(format!("cannot write the output: {error}")),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        if error.is_away() { Self::Away(error.words()) } else { Self::Told(error.words()) }
    }
}

impl From<kafka_client::AddressError> for Failure {
    fn from(error: kafka_client::AddressError) -> Self {
        Self::Told(error.to_string())
    }
}
