//! What a setting may hold: one type for broker and topic keys, with Kafka's words for a value that does not fit.

use std::fmt;

/// The type and range of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Bool,
    /// A whole number of 16 bits, from and to.
    Short(i64, i64),
    /// A whole number of 32 bits, from and to.
    Int(i64, i64),
    /// A whole number of 64 bits, from and to.
    Long(i64, i64),
    /// A decimal number, from and to.
    Double(f64, f64),
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Words between commas; if the slice is not empty, each is one of these.
    List(&'static [&'static str]),
    /// The name of a Java class: kept, never loaded.
    Class,
    /// A secret: never shown.
    Password,
}

/// A value that passed its [`Kind`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Short`], [`Kind::Int`] and [`Kind::Long`].
    Number(i64),
    /// Of [`Kind::Double`].
    Double(f64),
    /// Of the kinds that are text.
    Text(String),
    /// Of [`Kind::List`]; entries are trimmed, an empty text has none.
    List(Vec<String>),
}

impl Kind {
    /// Any number of 32 bits.
    pub const ANY_INT: Self = Self::Int(i32::MIN as i64, i32::MAX as i64);
    /// Any number of 64 bits.
    pub const ANY_LONG: Self = Self::Long(i64::MIN, i64::MAX);

    /// The number of this type in a DescribeConfigs answer.
    #[must_use]
    pub fn wire_type(&self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Text | Self::Choice(_) => 2,
            Self::Int(..) => 3,
            Self::Short(..) => 4,
            Self::Long(..) => 5,
            Self::Double(..) => 6,
            Self::List(_) => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Kafka's own words for what is wrong: the part after `Invalid value x for configuration y: `.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match *self {
            Self::Bool if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            Self::Bool if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            Self::Bool => Err("Expected value to be either true or false".to_owned()),
            Self::Short(low, high) => {
                in_range(text.parse::<i16>().map_err(|_| not_a("SHORT"))?.into(), low, high)
            }
            Self::Int(low, high) => {
                in_range(text.parse::<i32>().map_err(|_| not_a("INT"))?.into(), low, high)
            }
            Self::Long(low, high) => in_range(text.parse::<i64>().map_err(|_| not_a("LONG"))?, low, high),
            Self::Double(low, high) => {
                let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
                let number = number.ok_or_else(|| not_a("DOUBLE"))?;
                bounded(&number, &low, &high).map(|()| Value::Double(number))
            }
            Self::Choice(words) => one_of(words, text).map(|()| Value::Text(text.to_owned())),
            Self::Text | Self::Class | Self::Password => Ok(Value::Text(text.to_owned())),
            Self::List(words) => {
                let items = split_list(text);
                if !words.is_empty() {
                    items.iter().try_for_each(|item| one_of(words, item))?;
                }
                Ok(Value::List(items))
            }
        }
    }
}

/// What would be right, as the end of the sentence "expected ...".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Short(low, high) | Self::Int(low, high) | Self::Long(low, high) => {
                write!(f, "a whole number from {low} to {high}")
            }
            Self::Double(low, high) => write!(f, "a number from {low} to {high}"),
            Self::Text | Self::Class | Self::Password => f.write_str("text"),
            Self::Choice(words) => write!(f, "one of: {}", words.join(", ")),
            Self::List([]) => f.write_str("a list separated by commas"),
            Self::List(words) => write!(f, "a list separated by commas, each one of: {}", words.join(", ")),
        }
    }
}

/// Splits at commas and trims; an empty text is an empty list.
#[must_use]
pub fn split_list(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() { Vec::new() } else { text.split(',').map(|item| item.trim().to_owned()).collect() }
}

fn not_a(kind: &str) -> String {
    format!("Not a number of type {kind}")
}

fn in_range(number: i64, low: i64, high: i64) -> Result<Value, String> {
    bounded(&number, &low, &high).map(|()| Value::Number(number))
}

fn bounded<T: PartialOrd + fmt::Display>(number: &T, low: &T, high: &T) -> Result<(), String> {
    if number < low {
        Err(format!("Value must be at least {low}"))
    } else if number > high {
        Err(format!("Value must be no more than {high}"))
    } else {
        Ok(())
    }
}

fn one_of(words: &[&str], text: &str) -> Result<(), String> {
    let known = words.contains(&text);
    if known { Ok(()) } else { Err(format!("String must be one of: {}", words.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_type_and_range() {
        assert_eq!(Kind::Int(14, 100).parse(" 14 "), Ok(Value::Number(14)));
        assert_eq!(Kind::Int(14, 100).parse("100"), Ok(Value::Number(100)));
        assert_eq!(Kind::Int(14, 100).parse("13"), Err("Value must be at least 14".into()));
        assert_eq!(Kind::Int(14, 100).parse("101"), Err("Value must be no more than 100".into()));
        assert_eq!(Kind::ANY_INT.parse("2147483648"), Err("Not a number of type INT".into()));
        assert_eq!(Kind::ANY_LONG.parse("abc"), Err("Not a number of type LONG".into()));
        assert_eq!(Kind::ANY_LONG.parse("9223372036854775807"), Ok(Value::Number(i64::MAX)));
        assert_eq!(Kind::Short(1, 5).parse("40000"), Err("Not a number of type SHORT".into()));
        assert_eq!(Kind::Double(0.0, 1.0).parse("0.5"), Ok(Value::Double(0.5)));
        assert_eq!(Kind::Double(0.0, 1.0).parse("1.5"), Err("Value must be no more than 1".into()));
        assert_eq!(Kind::Double(0.0, 1.0).parse("NaN"), Err("Not a number of type DOUBLE".into()));
    }

    #[test]
    fn words_are_checked_as_kafka_words_them() {
        assert_eq!(Kind::Bool.parse("TRUE"), Ok(Value::Bool(true)));
        assert_eq!(Kind::Bool.parse("yes"), Err("Expected value to be either true or false".into()));
        let policies = Kind::List(&["compact", "delete"]);
        assert_eq!(
            policies.parse("compact , delete"),
            Ok(Value::List(vec!["compact".into(), "delete".into()]))
        );
        assert_eq!(policies.parse(""), Ok(Value::List(vec![])));
        assert_eq!(policies.parse("delete,x"), Err("String must be one of: compact, delete".into()));
        assert_eq!(Kind::Choice(&["a", "b"]).parse("c"), Err("String must be one of: a, b".into()));
    }
}
