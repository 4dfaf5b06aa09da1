//! Client property files (`--command-config`, `--producer.config`...), as far as they mean something here.
//!
//! ```text
//!  # comment        ! comment
//!  key=value        key: value        key value        the first of = : and space ends the key
//!  long=first \
//!       second      a backslash at the end of a line goes on, without the next line's indent
//!  \t \n \r \f \\ \uXXXX and \ before any other character: that character
//! ```
//!
//! Settings of encryption and authentication are refused rather than ignored: a tool that speaks in the clear although
//! its file says otherwise would send what it should not.

use crate::client::ClientConfig;
use crate::error::ClientError;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Keys and values.
pub type Properties = BTreeMap<String, String>;

/// Reads a file.
///
/// # Errors
///
/// If it cannot be read, with its name.
pub fn load(path: &Path) -> Result<Properties, ClientError> {
    let text = std::fs::read(path)
        .map_err(|error| ClientError::Config(format!("cannot read {}: {error}", path.display())))?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// Reads a text.
#[must_use]
pub fn parse(text: &str) -> Properties {
    logical_lines(text).iter().map(|line| split(line)).filter(|(key, _)| !key.is_empty()).collect()
}

/// Lines without comments and empty ones, continued ones joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_start();
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let continues = line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        let part = if continues { &line[..line.len() - 1] } else { line };
        let whole = open.take().unwrap_or_default() + part;
        if continues { open = Some(whole) } else { lines.push(whole) }
    }
    lines.extend(open);
    lines
}

fn split(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = !escaped && *c == '\\';
        ends
    });
    let Some((end, _)) = end else { return (unescape(line), String::new()) };
    let rest = line[end..].trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    (unescape(&line[..end]), unescape(value))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
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
    fn files_are_read_as_java_reads_them() {
        let text = "# a\n! b\na=1\n b : 2 \nc 3\nd\\ e=f\\=\\u0041\nlong=one, \\\n   two\nempty=\nalone\nodd=x\\\\\n";
        let read = parse(text);
        let expected = [
            ("a", "1"),
            ("alone", ""),
            ("b", "2 "),
            ("c", "3"),
            ("d e", "f=A"),
            ("empty", ""),
            ("long", "one, two"),
            ("odd", "x\\"),
        ];
        assert_eq!(read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_that_asks_for_encryption_is_refused() {
        let config = ClientConfig::default();
        let error = config.clone().with_properties(&parse("security.protocol=SASL_SSL")).unwrap_err();
        assert!(error.to_string().starts_with("security.protocol=SASL_SSL is asked for"), "{error}");
        let error = config.clone().with_properties(&parse("request.timeout.ms=soon")).unwrap_err();
        assert_eq!(error.to_string(), "request.timeout.ms=soon: a number of 0 or more is needed");
        let read = config.with_properties(&parse("client.id=me\nrequest.timeout.ms=7")).unwrap();
        assert_eq!((read.client_id.as_str(), read.request_timeout), ("me", Duration::from_millis(7)));
    }
}
