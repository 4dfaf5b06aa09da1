//! Lines that somebody typed, as messages: what the console producer reads.
//!
//! ```text
//! value                                   nothing asked for
//! key<TAB>value                           parse.key=true
//! h1:v1,h2:v2<TAB>key<TAB>value           parse.headers=true, parse.key=true
//! ```
//!
//! All separators can be others; `null.marker` stands for null in a key, a value and a header's value. What is missing
//! is an error that names the line, or with `ignore.error=true` as if it had not been asked for.
//!
//! # Not here
//!
//! Where lines come from, the prompt, and where messages go (`kafka::console_producer`).

use std::collections::BTreeMap;

/// A name and its value.
pub(crate) type Header = (String, Option<Vec<u8>>);

/// A line, taken apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
}

/// How lines are taken apart.
#[derive(Clone, Debug)]
pub(crate) struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    null_marker: Option<String>,
    line: u64,
}

impl LineReader {
    /// By the properties that Kafka's reader has. Unknown ones are left alone, as there.
    ///
    /// # Errors
    ///
    /// Two separators are equal: nothing could be told apart then.
    pub(crate) fn new(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let yes = |name: &str| properties.get(name).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        let text =
            |name: &str, default: &str| properties.get(name).map_or(default, String::as_str).to_owned();
        let reader = Self {
            parse_key: yes("parse.key"),
            parse_headers: yes("parse.headers"),
            ignore_error: yes("ignore.error"),
            key_separator: text("key.separator", "\t"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            null_marker: properties.get("null.marker").cloned(),
            line: 0,
        };
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Result<(), String> {
        let delimiter = ("headers.delimiter", &self.headers_delimiter);
        let separator = ("headers.separator", &self.headers_separator);
        let key = ("headers.key.separator", &self.headers_key_separator);
        let mut pairs = vec![(delimiter, separator), (delimiter, key), (separator, key)];
        if let Some(marker) = &self.null_marker {
            let others = [("key.separator", &self.key_separator), separator, delimiter, key];
            pairs.extend(others.map(|other| (("null.marker", marker), other)));
        }
        match pairs.into_iter().find(|((_, a), (_, b))| a == b) {
            Some(((a, _), (b, _))) => Err(format!("{a} and {b} may not be equal")),
            None => Ok(()),
        }
    }

    /// Takes the next line apart.
    ///
    /// # Errors
    ///
    /// Something that was asked for is not in it; the text names line and content.
    pub(crate) fn message(&mut self, line: &str) -> Result<Message, String> {
        self.line += 1;
        let mut rest = line;
        let headers =
            self.part(self.parse_headers, line, &mut rest, &self.headers_delimiter, "headers delimiter")?;
        let key = self.part(self.parse_key, line, &mut rest, &self.key_separator, "key separator")?;
        let bytes =
            |text: &str| (Some(text) != self.null_marker.as_deref()).then(|| text.as_bytes().to_vec());
        let headers = headers.filter(|headers| Some(*headers) != self.null_marker.as_deref());
        Ok(Message {
            key: key.and_then(bytes),
            value: bytes(rest),
            headers: headers.map(|headers| self.headers(headers)).transpose()?.unwrap_or_default(),
        })
    }

    /// What stands in front of a separator, if it was asked for.
    fn part<'a>(
        &self,
        asked: bool,
        line: &str,
        rest: &mut &'a str,
        separator: &str,
        name: &str,
    ) -> Result<Option<&'a str>, String> {
        if !asked {
            return Ok(None);
        }
        match rest.split_once(separator) {
            Some((part, after)) => {
                *rest = after;
                Ok(Some(part))
            }
            None if self.ignore_error => Ok(None),
            None => Err(format!("No {name} found on line number {}: '{line}'", self.line)),
        }
    }

    fn headers(&self, text: &str) -> Result<Vec<Header>, String> {
        let mut pairs: Vec<&str> = text.split(self.headers_separator.as_str()).collect();
        // As Java splits: nothing at the end is nothing, but nothing alone is an empty pair.
        while pairs.len() > 1 && pairs.last().is_some_and(|last| last.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header(&self, pair: &str) -> Result<Header, String> {
        let Some((name, value)) = pair.split_once(self.headers_key_separator.as_str()) else {
            if self.ignore_error {
                return Ok((pair.to_owned(), None));
            }
            return Err(format!(
                "No header key separator found in pair '{pair}' on line number {}",
                self.line
            ));
        };
        let marker = self.null_marker.as_deref();
        if Some(name) == marker {
            return Err(format!(
                "Header keys should not be equal to the null marker '{name}' as they can't be null"
            ));
        }
        Ok((name.to_owned(), (Some(value) != marker).then(|| value.as_bytes().to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::{LineReader, Message};

    fn reader(properties: &[(&str, &str)]) -> Result<LineReader, String> {
        LineReader::new(&properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn message(key: Option<&str>, value: Option<&str>, headers: &[(&str, Option<&str>)]) -> Message {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), bytes(*value))).collect();
        Message { key: bytes(key), value: bytes(value), headers }
    }

    #[test]
    fn a_line_is_a_value_unless_more_is_asked_for() {
        let mut plain = reader(&[]).unwrap();
        assert_eq!(plain.message("a\tb").unwrap(), message(None, Some("a\tb"), &[]));
        let mut keyed = reader(&[("parse.key", "true"), ("key.separator", ":")]).unwrap();
        assert_eq!(keyed.message("a:b:c").unwrap(), message(Some("a"), Some("b:c"), &[]));
        let mut all = reader(&[("parse.key", "TRUE"), ("parse.headers", "true")]).unwrap();
        let headers = [("h", Some("1")), ("i", Some(""))];
        assert_eq!(all.message("h:1,i:\tk\tv").unwrap(), message(Some("k"), Some("v"), &headers));
    }

    #[test]
    fn what_is_missing_is_said_with_the_number_of_the_line() {
        let mut keyed = reader(&[("parse.key", "true")]).unwrap();
        keyed.message("k\tv").unwrap();
        assert_eq!(keyed.message("nokey").unwrap_err(), "No key separator found on line number 2: 'nokey'");
        let mut headed = reader(&[("parse.headers", "true")]).unwrap();
        assert_eq!(headed.message("x").unwrap_err(), "No headers delimiter found on line number 1: 'x'");
        let error = headed.message("x\tv").unwrap_err();
        assert_eq!(error, "No header key separator found in pair 'x' on line number 2");
    }

    #[test]
    fn ignore_error_takes_the_line_as_it_is() {
        let mut lax =
            reader(&[("parse.key", "true"), ("parse.headers", "true"), ("ignore.error", "true")]).unwrap();
        assert_eq!(lax.message("v").unwrap(), message(None, Some("v"), &[]));
        assert_eq!(lax.message("h\tk\tv").unwrap(), message(Some("k"), Some("v"), &[("h", None)]));
    }

    #[test]
    fn the_marker_is_null_wherever_null_can_be() {
        let properties = [("parse.key", "true"), ("parse.headers", "true"), ("null.marker", "NULL")];
        let mut marked = reader(&properties).unwrap();
        assert_eq!(marked.message("h:NULL\tNULL\tNULL").unwrap(), message(None, None, &[("h", None)]));
        assert_eq!(marked.message("NULL\tk\tv").unwrap(), message(Some("k"), Some("v"), &[]));
        assert!(marked.message("NULL:1\tk\tv").unwrap_err().contains("Header keys should not be equal"));
    }

    #[test]
    fn equal_separators_are_refused() {
        let error = reader(&[("headers.delimiter", ",")]).unwrap_err();
        assert_eq!(error, "headers.delimiter and headers.separator may not be equal");
        let error = reader(&[("null.marker", "\t")]).unwrap_err();
        assert_eq!(error, "null.marker and key.separator may not be equal");
    }
}
