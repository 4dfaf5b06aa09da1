//! `/consumers/G`: members, owners and offsets of old consumer groups.
//!
//! ```text
//! /consumers/G/ids/G_host-1795412630382-1a2b3c4d   {"pattern":"white_list","subscription":{"t":1},"timestamp":"...","version":1}
//! /consumers/G/owners/t/0                          G_host-1795412630382-1a2b3c4d-0
//! /consumers/G/offsets/t/0                         42
//! ```

use crate::json::{self, Malformed};
use serde_json::json;

/// The data of a member that reads one topic with one thread.
#[must_use]
pub fn encode_member(topic: &str, timestamp: i64) -> Vec<u8> {
    json::bytes(&json!({
        "version": 1,
        "subscription": {topic: 1},
        // What the console consumer of 0.10 says even of a single topic.
        "pattern": "white_list",
        "timestamp": timestamp.to_string(),
    }))
}

/// Reads an offset.
///
/// # Errors
///
/// It is no number.
pub fn decode_offset(data: &[u8]) -> Result<i64, Malformed> {
    let text = std::str::from_utf8(data).ok().map(str::trim);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Malformed("holds no whole number".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_that_of_the_old_console_consumer() {
        let expected = br#"{"pattern":"white_list","subscription":{"c1":1},"timestamp":"5","version":1}"#;
        assert_eq!(encode_member("c1", 5), expected);
        assert_eq!((decode_offset(b"42"), decode_offset(b"").is_err()), (Ok(42), true));
    }
}
