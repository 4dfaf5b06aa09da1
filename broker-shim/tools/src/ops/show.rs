//! Messages as lines: the formatters of the console consumer.
//!
//! ```text
//! CreateTime:1700000000000<TAB>Partition:0<TAB>Offset:3<TAB>NO_HEADERS<TAB>key<TAB>value
//! ```
//!
//! Which columns there are, what is between them and between lines, and by which class keys and values are read, are
//! properties with the names of Kafka's `DefaultMessageFormatter`. A value that its class cannot read is an error.
//!
//! # Not here
//!
//! Where messages come from (`kafka::console_consumer`).

use super::coordinator::{Coordinator, Undecoded};
use std::collections::BTreeMap;

/// Whose clock a time is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TimeType {
    Create,
    Append,
}

/// A message as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) time_type: TimeType,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(String, Option<Vec<u8>>)],
}

/// What bytes stand for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deserializer {
    Text,
    Bytes,
    Short,
    Int,
    Long,
    Float,
    Double,
    Uuid,
    Boolean,
    Void,
}

impl Deserializer {
    /// By Kafka's class name, with or without its package.
    pub(crate) fn of_class(name: &str) -> Option<Self> {
        let class = name.trim();
        let class = class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or(class);
        Some(match class {
            "StringDeserializer" => Self::Text,
            "ByteArrayDeserializer" | "BytesDeserializer" | "ByteBufferDeserializer" => Self::Bytes,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Int,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            "UUIDDeserializer" => Self::Uuid,
            "BooleanDeserializer" => Self::Boolean,
            "VoidDeserializer" => Self::Void,
            _ => return None,
        })
    }

    fn read(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let of = |what: &str, size: usize| {
            format!("Size of data received by {what}Deserializer is not {size}: it is {}", bytes.len())
        };
        let text = match self {
            Self::Text | Self::Bytes => return Ok(bytes.to_vec()),
            Self::Short => i16::from_be_bytes(bytes.try_into().map_err(|_| of("Short", 2))?).to_string(),
            Self::Int => i32::from_be_bytes(bytes.try_into().map_err(|_| of("Integer", 4))?).to_string(),
            Self::Long => i64::from_be_bytes(bytes.try_into().map_err(|_| of("Long", 8))?).to_string(),
            Self::Float => java_float(f32::from_be_bytes(bytes.try_into().map_err(|_| of("Float", 4))?)),
            Self::Double => java_double(f64::from_be_bytes(bytes.try_into().map_err(|_| of("Double", 8))?)),
            Self::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                _ => return Err(of("Boolean", 1)),
            },
            Self::Void => return Err("VoidDeserializer takes null only".to_owned()),
            Self::Uuid => String::from_utf8_lossy(bytes).to_lowercase(),
        };
        Ok(text.into_bytes())
    }
}

/// As Java prints a double: digits on both sides of the point, powers of ten below a thousandth and from ten million on.
fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{number:?}")
    } else {
        java_power(&format!("{number:e}"))
    }
}

fn java_float(number: f32) -> String {
    if number.is_nan() || number.is_infinite() {
        return java_double(number.into());
    }
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{number:?}")
    } else {
        java_power(&format!("{number:e}"))
    }
}

/// `1e7` as `1.0E7`.
fn java_power(text: &str) -> String {
    let (digits, power) = text.split_once('e').unwrap_or((text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{power}")
}

/// The columns of a line, and how they are written.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    timestamp: bool,
    partition: bool,
    offset: bool,
    epoch: bool,
    delivery: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_reader: Option<Deserializer>,
    value_reader: Option<Deserializer>,
    headers_reader: Option<Deserializer>,
}

impl Columns {
    /// By the properties of Kafka's formatter.
    ///
    /// # Errors
    ///
    /// A class that is not known here.
    pub(crate) fn new(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let yes = |name: &str, default: bool| {
            properties.get(name).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let bytes = |name: &str, default: &str| {
            properties.get(name).map_or(default, String::as_str).as_bytes().to_vec()
        };
        let reader = |name: &str| {
            match properties.get(name) {
            None => Ok(None),
            Some(class) => Deserializer::of_class(class).map(Some).ok_or_else(|| {
                format!(
                    "{name}={class}: this class is not known here; known are the String, ByteArray, Short, Integer, Long, \
                     Float, Double, Boolean and UUID deserializers of Kafka"
                )
            }),
        }
        };
        Ok(Self {
            timestamp: yes("print.timestamp", false),
            partition: yes("print.partition", false),
            offset: yes("print.offset", false),
            epoch: yes("print.epoch", false),
            delivery: yes("print.delivery", false),
            headers: yes("print.headers", false),
            key: yes("print.key", false),
            value: yes("print.value", true),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key_reader: reader("key.deserializer")?,
            value_reader: reader("value.deserializer")?,
            headers_reader: reader("headers.deserializer")?,
        })
    }

    /// Appends one message.
    ///
    /// # Errors
    ///
    /// A part that its class cannot read.
    fn put(&self, message: &Shown<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let mut columns: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            columns.push(timestamp(message).unwrap_or_else(|| "NO_TIMESTAMP".to_owned()).into_bytes());
        }
        if self.partition {
            columns.push(format!("Partition:{}", message.partition).into_bytes());
        }
        if self.offset {
            columns.push(format!("Offset:{}", message.offset).into_bytes());
        }
        if self.epoch {
            // As Kafka's tool, which loses it on the way.
            columns.push(b"Epoch:NOT_PRESENT".to_vec());
        }
        if self.delivery {
            columns.push(b"Delivery:NONE".to_vec());
        }
        if self.headers {
            columns.push(self.headers(message)?);
        }
        if self.key {
            columns.push(self.part(message.key, self.key_reader)?);
        }
        if self.value {
            columns.push(self.part(message.value, self.value_reader)?);
        }
        if !columns.is_empty() {
            out.extend(columns.join(&self.key_separator[..]));
            out.extend(&self.line_separator);
        }
        Ok(())
    }

    fn headers(&self, message: &Shown<'_>) -> Result<Vec<u8>, String> {
        if message.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let one = |(name, value): &(String, Option<Vec<u8>>)| {
            let mut text = format!("{name}:").into_bytes();
            text.extend(self.part(value.as_deref(), self.headers_reader)?);
            Ok::<_, String>(text)
        };
        let all: Vec<Vec<u8>> = message.headers.iter().map(one).collect::<Result<_, _>>()?;
        Ok(all.join(&self.headers_separator[..]))
    }

    fn part(&self, bytes: Option<&[u8]>, reader: Option<Deserializer>) -> Result<Vec<u8>, String> {
        match (bytes, reader) {
            (None, _) => Ok(self.null_literal.clone()),
            (Some(bytes), Some(reader)) => reader.read(bytes),
            (Some(bytes), None) => Ok(bytes.to_vec()),
        }
    }
}

fn timestamp(message: &Shown<'_>) -> Option<String> {
    let name = match message.time_type {
        TimeType::Create => "CreateTime",
        TimeType::Append => "LogAppendTime",
    };
    Some(format!("{name}:{}", message.timestamp))
}

/// One of Kafka's formatters.
#[derive(Clone, Debug)]
pub(crate) enum Formatter {
    /// Lines of columns.
    Default(Columns),
    /// The same, and a line for the log.
    Logging(Columns),
    /// Nothing.
    NoOp,
    /// Commits in `__consumer_offsets`.
    Offsets,
    /// Groups in `__consumer_offsets`.
    Groups,
    /// `__transaction_state`.
    Transactions,
}

impl Formatter {
    /// By Kafka's class name of any age.
    ///
    /// # Errors
    ///
    /// A class that is not known here, or a property that makes no sense.
    pub(crate) fn new(class: Option<&str>, properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let Some(class) = class else { return Ok(Self::Default(Columns::new(properties)?)) };
        let name = class.rsplit(['.', '$']).next().unwrap_or_default();
        Ok(match name {
            "DefaultMessageFormatter" => Self::Default(Columns::new(properties)?),
            "LoggingMessageFormatter" => Self::Logging(Columns::new(properties)?),
            "NoOpMessageFormatter" => Self::NoOp,
            "OffsetsMessageFormatter" => Self::Offsets,
            "GroupMetadataMessageFormatter" => Self::Groups,
            "TransactionLogMessageFormatter" => Self::Transactions,
            _ => {
                return Err(format!(
                    "--formatter {class}: this class is not known here; known are Default-, Logging-, NoOp-, Offsets-, \
                     GroupMetadata- and TransactionLogMessageFormatter"
                ));
            }
        })
    }

    /// Appends one message.
    ///
    /// # Errors
    ///
    /// It cannot be shown in this form.
    pub(crate) fn put(&self, message: &Shown<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Default(columns) | Self::Logging(columns) => columns.put(message, out),
            Self::NoOp => Ok(()),
            Self::Offsets => record(Coordinator::Groups, &[0, 1], message, out),
            Self::Groups => record(Coordinator::Groups, &[2], message, out),
            Self::Transactions => record(Coordinator::Transactions, &[0], message, out),
        }
    }
}

fn record(from: Coordinator, kinds: &[i16], message: &Shown<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let Some(key) = message.key else { return Ok(()) };
    let decoded = match from.decode(key, message.value, false) {
        Ok(decoded) if kinds.contains(&decoded.kind) => decoded,
        Ok(_) | Err(Undecoded::Unknown(_)) => return Ok(()),
        Err(Undecoded::Invalid(problem)) => {
            return Err(format!("Could not read record at offset {} due to: {problem}", message.offset));
        }
    };
    let value = decoded.value.map_or_else(
        || "null".to_owned(),
        |(version, fields)| format!("{{\"version\":{version},\"data\":{fields}}}"),
    );
    let (kind, key) = (decoded.kind, decoded.key);
    let line = format!("{{\"key\":{{\"type\":{kind},\"data\":{key}}},\"value\":{value}}}");
    out.extend(line.into_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Columns, Deserializer, Formatter, Shown, TimeType, java_double};

    fn line(properties: &[(&str, &str)], message: &Shown<'_>) -> String {
        let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut out = Vec::new();
        Formatter::Default(Columns::new(&properties).unwrap()).put(message, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn message<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Shown<'a> {
        Shown {
            partition: 1,
            offset: 3,
            timestamp: 1_795_413_286_784,
            time_type: TimeType::Create,
            key,
            value,
            headers: &[],
        }
    }

    #[test]
    fn columns_come_in_kafkas_order_with_the_separator_between() {
        let properties = [
            ("print.key", "true"),
            ("print.timestamp", "true"),
            ("print.partition", "true"),
            ("print.offset", "true"),
            ("print.headers", "true"),
        ];
        let shown = line(&properties, &message(None, Some(b"hello")));
        assert_eq!(shown, "CreateTime:1795413286784\tPartition:1\tOffset:3\tNO_HEADERS\tnull\thello\n");
        assert_eq!(line(&[], &message(None, Some(b"hello"))), "hello\n");
        let other =
            [("print.key", "true"), ("key.separator", "="), ("line.separator", ";"), ("null.literal", "-")];
        assert_eq!(line(&other, &message(None, Some(b"v"))), "-=v;");
        assert_eq!(
            line(&[("print.value", "false"), ("print.offset", "true")], &message(None, None)),
            "Offset:3\n"
        );
    }

    #[test]
    fn headers_are_listed_with_their_separator() {
        let headers = [("a".to_owned(), Some(b"1".to_vec())), ("b".to_owned(), None)];
        let message = Shown { headers: &headers, ..message(None, Some(b"v")) };
        assert_eq!(line(&[("print.headers", "true")], &message), "a:1,b:null\tv\n");
        let properties = [("print.headers", "true"), ("headers.separator", "|")];
        assert_eq!(line(&properties, &message), "a:1|b:null\tv\n");
    }

    #[test]
    fn numbers_are_read_by_kafkas_classes() {
        let long = [("value.deserializer", "org.apache.kafka.common.serialization.LongDeserializer")];
        assert_eq!(line(&long, &message(None, Some(&7_i64.to_be_bytes()))), "7\n");
        let double = [("value.deserializer", "org.apache.kafka.common.serialization.DoubleDeserializer")];
        assert_eq!(line(&double, &message(None, Some(&1e10_f64.to_be_bytes()))), "1.0E10\n");
        assert!(Deserializer::Int.read(b"abc").unwrap_err().contains("is not 4: it is 3"));
        assert_eq!(Deserializer::of_class("com.example.Mine"), None);
    }

    #[test]
    fn doubles_are_printed_as_java_does() {
        let printed = [1.0, 0.5, 1e-4, 1.5e7, 9_999_999.0, -0.0].map(java_double);
        assert_eq!(printed, ["1.0", "0.5", "1.0E-4", "1.5E7", "9999999.0", "-0.0"]);
    }

    #[test]
    fn formatters_of_any_age_are_known() {
        for class in [
            "kafka.tools.DefaultMessageFormatter",
            "org.apache.kafka.tools.consumer.NoOpMessageFormatter",
            "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter",
        ] {
            Formatter::new(Some(class), &Default::default()).unwrap();
        }
        assert!(
            Formatter::new(Some("com.example.Mine"), &Default::default())
                .unwrap_err()
                .contains("is not known here")
        );
    }
}
