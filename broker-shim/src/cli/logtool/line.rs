//! One line of output: a kind and named values, as text or as a JSON object. Both have the same names in the same order.
//!
//! ```text
//! batch position=0 base_offset=0 last_offset=1 codec=none key="a b"
//! {"type":"batch","position":0,"base_offset":0,"last_offset":1,"codec":"none","key":"a b"}
//! ```
//!
//! In text a value that is nothing is left out, and bytes that are not printable are escaped; in JSON it is `null`, and
//! bytes that are not UTF-8 are an object `{"hex": "..."}`.

use std::fmt::Write as _;

/// A value of a line.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Nothing,
    Number(i64),
    Yes(bool),
    Text(String),
    Bytes(Vec<u8>),
    /// Names and values of a record's headers.
    Pairs(Vec<(Vec<u8>, Option<Vec<u8>>)>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Yes(yes)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    kind: &'static str,
    values: Vec<(&'static str, Value)>,
}

impl Line {
    pub(super) const fn new(kind: &'static str) -> Self {
        Self { kind, values: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// As text, without a line break.
    pub(super) fn text(&self) -> String {
        let mut out = self.kind.to_owned();
        for (name, value) in self.values.iter().filter(|(_, value)| !matches!(value, Value::Nothing)) {
            let _ = write!(out, " {name}=");
            match value {
                Value::Nothing => {}
                Value::Number(number) => {
                    let _ = write!(out, "{number}");
                }
                Value::Yes(yes) => {
                    let _ = write!(out, "{yes}");
                }
                Value::Text(text) => escape(&mut out, text.as_bytes()),
                Value::Bytes(bytes) => escape(&mut out, bytes),
                Value::Pairs(pairs) => escape_pairs(&mut out, pairs),
            }
        }
        out
    }

    /// As a JSON object, without a line break.
    pub(super) fn json(&self) -> String {
        let mut out = format!("{{\"type\":\"{}\"", self.kind);
        for (name, value) in &self.values {
            let _ = write!(out, ",\"{name}\":");
            json_value(&mut out, value);
        }
        out.push('}');
        out
    }
}

/// Words stay as they are; what has blanks or nothing in it is quoted.
fn escape(out: &mut String, bytes: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\,[]=".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        out.extend(bytes.iter().map(|byte| char::from(*byte)));
        return;
    }
    out.push('"');
    // `escape_ascii` quotes both quotes; the single one may stay.
    let _ = write!(out, "{}", bytes.escape_ascii().to_string().replace("\\'", "'"));
    out.push('"');
}

fn escape_pairs(out: &mut String, pairs: &[(Vec<u8>, Option<Vec<u8>>)]) {
    out.push('[');
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        escape(out, name);
        if let Some(value) = value {
            out.push('=');
            escape(out, value);
        }
    }
    out.push(']');
}

fn json_value(out: &mut String, value: &Value) {
    match value {
        Value::Nothing => out.push_str("null"),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Yes(yes) => {
            let _ = write!(out, "{yes}");
        }
        Value::Text(text) => json_text(out, text),
        Value::Bytes(bytes) => json_bytes(out, bytes),
        Value::Pairs(pairs) => {
            out.push('[');
            for (index, (name, value)) in pairs.iter().enumerate() {
                out.push_str(if index > 0 { ",{\"key\":" } else { "{\"key\":" });
                json_bytes(out, name);
                out.push_str(",\"value\":");
                match value {
                    Some(value) => json_bytes(out, value),
                    None => out.push_str("null"),
                }
                out.push('}');
            }
            out.push(']');
        }
    }
}

fn json_bytes(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => json_text(out, text),
        Err(_) => {
            out.push_str("{\"hex\":\"");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            out.push_str("\"}");
        }
    }
}

fn json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_say_the_same() {
        let pairs = vec![(b"h".to_vec(), Some(b"1 2".to_vec())), (b"n".to_vec(), None)];
        let line = Line::new("record")
            .with("offset", 7_i64)
            .with("time", None::<i64>)
            .with("control", false)
            .with("key", &b"a\"b\n"[..])
            .with("value", &b"\xff\x00"[..])
            .with("empty", "")
            .with("headers", Value::Pairs(pairs));
        assert_eq!(
            line.text(),
            "record offset=7 control=false key=\"a\\\"b\\n\" value=\"\\xff\\x00\" empty=\"\" headers=[h=\"1 2\",n]"
        );
        assert_eq!(
            line.json(),
            "{\"type\":\"record\",\"offset\":7,\"time\":null,\"control\":false,\"key\":\"a\\\"b\\n\",\"value\":{\"hex\":\
             \"ff00\"},\"empty\":\"\",\"headers\":[{\"key\":\"h\",\"value\":\"1 2\"},{\"key\":\"n\",\"value\":null}]}"
        );
    }
}
