//! Client property files (`--command-config`, `--producer.config`...), as far as they mean something here.
//!
//! The format is Java's, read as the broker reads its own (`kafka_settings::properties`).
//!
//! Settings of encryption and authentication are refused rather than ignored: a tool that speaks in the clear although
//! its file says otherwise would send what it should not.

use crate::client::ClientConfig;
use crate::error::ClientError;
use kafka_settings::properties::{self, SyntaxError};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Keys and values.
pub type Properties = BTreeMap<String, String>;

/// Reads a file.
///
/// # Errors
///
/// If it cannot be read, with its name and, if that is it, the line.
pub fn load(path: &Path) -> Result<Properties, ClientError> {
    let text = std::fs::read(path)
        .map_err(|error| ClientError::Config(format!("cannot read {}: {error}", path.display())))?;
    parse(&text).map_err(|error| ClientError::Config(format!("{}:{error}", path.display())))
}

/// Reads a file's content; where a key comes twice the last counts.
///
/// # Errors
///
/// A broken `\u`.
pub fn parse(content: &[u8]) -> Result<Properties, SyntaxError> {
    let entries = properties::parse(content)?.into_iter();
    Ok(entries.filter(|entry| !entry.key.is_empty()).map(|entry| (entry.key, entry.value)).collect())
}

impl ClientConfig {
    /// Takes over what a property file says about the client itself.
    ///
    /// # Errors
    ///
    /// If it asks for encryption or authentication, or a number is none.
    pub fn with_properties(mut self, properties: &Properties) -> Result<Self, ClientError> {
        let protocol = properties.get("security.protocol").map_or("PLAINTEXT", |text| text.trim());
        if !protocol.eq_ignore_ascii_case("PLAINTEXT") {
            return Err(ClientError::Config(format!(
                "security.protocol={protocol} is asked for, and this tool speaks PLAINTEXT only: use a plaintext listener, or Kafka's own tool"
            )));
        }
        if let Some(id) = properties.get("client.id") {
            self.client_id.clone_from(id);
        }
        let millis = |key: &str, into: &mut Duration| {
            number(properties, key).map(|found| {
                *into = found.map_or(*into, Duration::from_millis);
            })
        };
        millis("request.timeout.ms", &mut self.request_timeout)?;
        millis("default.api.timeout.ms", &mut self.patience)?;
        millis("socket.connection.setup.timeout.ms", &mut self.connect_timeout)?;
        Ok(self)
    }
}

/// A number of a property file, if it is there.
///
/// # Errors
///
/// If it is no number that is not negative.
pub fn number(properties: &Properties, key: &str) -> Result<Option<u64>, ClientError> {
    let Some(text) = properties.get(key) else { return Ok(None) };
    let value = text
        .trim()
        .parse()
        .map_err(|_| ClientError::Config(format!("{key}={text}: a number of 0 or more is needed")))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_broker_reads_its_own() {
        let read =
            parse(b"# a\na=1\n b : 2 \na=3\n=x\nlong=one, \\\n   two\ncaf\xe9=\\ud83d\\ude00\n").unwrap();
        let expected = [("a", "3"), ("b", "2 "), ("caf\u{e9}", "\u{1f600}"), ("long", "one, two")];
        assert_eq!(read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let file = std::env::temp_dir().join(format!("corrente-properties-{}", std::process::id()));
        std::fs::write(&file, "a=1\nb=C:\\users\n").unwrap();
        let error = load(&file).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        let told = ":2: \\users: expected four hexadecimal digits after \\u (write \\\\ for a backslash)";
        assert_eq!(error, format!("{}{told}", file.display()));
    }

    #[test]
    fn a_file_that_asks_for_encryption_is_refused() {
        let config = ClientConfig::default();
        let error =
            config.clone().with_properties(&parse(b"security.protocol=SASL_SSL").unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("security.protocol=SASL_SSL is asked for"), "{error}");
        let error = config.clone().with_properties(&parse(b"request.timeout.ms=soon").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "request.timeout.ms=soon: a number of 0 or more is needed");
        let read = config.with_properties(&parse(b"client.id=me\nrequest.timeout.ms=7").unwrap()).unwrap();
        assert_eq!((read.client_id.as_str(), read.request_timeout), ("me", Duration::from_millis(7)));
    }
}
