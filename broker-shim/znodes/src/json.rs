//! Reading JSON that somebody else wrote.

use serde_json::{Map, Value};

/// The data of a node is not what belongs there; the text is the end of the sentence "the node ...".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// The data as an object.
pub(crate) fn object(data: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_slice(data) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Malformed("holds JSON that is no object".to_owned())),
        Err(_) if data.is_empty() => Err(Malformed("is empty".to_owned())),
        Err(_) => Err(Malformed("holds no JSON".to_owned())),
    }
}

/// A whole number that must be there; Kafka writes some of them as text.
pub(crate) fn number(map: &Map<String, Value>, key: &str) -> Result<i64, Malformed> {
    let value = map.get(key).ok_or_else(|| Malformed(format!("has no {key}")))?;
    whole(value).ok_or_else(|| Malformed(format!("has no whole number as {key}")))
}

/// The same in 32 bits.
pub(crate) fn small(map: &Map<String, Value>, key: &str) -> Result<i32, Malformed> {
    i32::try_from(number(map, key)?).map_err(|_| Malformed(format!("has a {key} beyond 32 bits")))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A text that must be there.
pub(crate) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str, Malformed> {
    map.get(key).and_then(Value::as_str).ok_or_else(|| Malformed(format!("has no text as {key}")))
}

/// An object that must be there.
pub(crate) fn inner<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>, Malformed> {
    map.get(key).and_then(Value::as_object).ok_or_else(|| Malformed(format!("has no object as {key}")))
}

/// A list of broker numbers.
pub(crate) fn brokers(value: &Value) -> Option<Vec<i32>> {
    let one = |value: &Value| value.as_i64().and_then(|id| i32::try_from(id).ok());
    value.as_array()?.iter().map(one).collect()
}

/// The JSON without blanks.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
