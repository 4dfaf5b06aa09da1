//! `/controller`, `/controller_epoch`, `/cluster/id` and `/latest_producer_id_block`.
//!
//! ```text
//! {"brokerid":0,"timestamp":"1795412630382","version":1}
//! 1                                                        how often there was an election, as decimal text
//! {"id":"46j5Mn07Qv-bGI1z80v2ww","version":"1"}            the version is a text
//! {"block_end":"999","block_start":"0","broker":0,"version":1}
//! ```

use crate::json::{self, Malformed};
use serde_json::json;

/// The data of `/controller`.
#[must_use]
pub fn encode_controller(broker: i32, timestamp: i64) -> Vec<u8> {
    json::bytes(&json!({"version": 1, "brokerid": broker, "timestamp": timestamp.to_string()}))
}

/// The broker that the data of `/controller` names.
///
/// # Errors
///
/// It names none.
pub fn decode_controller(data: &[u8]) -> Result<i32, Malformed> {
    json::small(&json::object(data)?, "brokerid")
}

/// Reads `/controller_epoch`.
///
/// # Errors
///
/// It is no number.
pub fn decode_epoch(data: &[u8]) -> Result<i32, Malformed> {
    let text = std::str::from_utf8(data).ok().map(str::trim);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Malformed("holds no whole number".to_owned()))
}

/// The data of `/cluster/id`.
#[must_use]
pub fn encode_cluster(id: &str) -> Vec<u8> {
    json::bytes(&json!({"version": "1", "id": id}))
}

/// The id that the data of `/cluster/id` holds.
///
/// # Errors
///
/// It holds none.
pub fn decode_cluster(data: &[u8]) -> Result<String, Malformed> {
    Ok(json::text(&json::object(data)?, "id")?.to_owned())
}

/// Producer ids `start ..= end` belong to a broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProducerIds {
    /// Whose they are.
    pub broker: i32,
    /// The first.
    pub start: i64,
    /// The last.
    pub end: i64,
}

impl ProducerIds {
    /// The node's data.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let Self { broker, start, end } = self;
        json::bytes(&json!({
            "version": 1, "broker": broker, "block_start": start.to_string(), "block_end": end.to_string()
        }))
    }

    /// Reads the node's data; it is empty until the first block was taken.
    ///
    /// # Errors
    ///
    /// It is no block.
    pub fn decode(data: &[u8]) -> Result<Option<Self>, Malformed> {
        if data.is_empty() {
            return Ok(None);
        }
        let map = json::object(data)?;
        let block = Self {
            broker: json::small(&map, "broker")?,
            start: json::number(&map, "block_start")?,
            end: json::number(&map, "block_end")?,
        };
        if block.end < block.start || block.start < 0 {
            return Err(Malformed("has a block that ends before it starts".to_owned()));
        }
        Ok(Some(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_comes_back() {
        let data = br#"{"version":1,"brokerid":7,"timestamp":"1795412630382"}"#;
        assert_eq!(decode_controller(data), Ok(7));
        assert_eq!(decode_controller(&encode_controller(3, 5)), Ok(3));
        assert_eq!(encode_controller(3, 5), br#"{"brokerid":3,"timestamp":"5","version":1}"#);
        assert_eq!(
            (decode_epoch(b"12"), decode_epoch(b"x").is_err(), decode_epoch(b"").is_err()),
            (Ok(12), true, true)
        );
    }

    #[test]
    fn the_cluster_s_id_has_a_version_that_is_a_text() {
        let id = "46j5Mn07Qv-bGI1z80v2ww";
        assert_eq!(encode_cluster(id), br#"{"id":"46j5Mn07Qv-bGI1z80v2ww","version":"1"}"#);
        assert_eq!(decode_cluster(br#"{"version":"1","id":"46j5Mn07Qv-bGI1z80v2ww"}"#).unwrap(), id);
        assert!(decode_cluster(b"{}").is_err());
    }

    #[test]
    fn producer_ids_are_texts() {
        let data = br#"{"version":1,"broker":0,"block_start":"1000","block_end":"1999"}"#;
        let block = ProducerIds::decode(data).unwrap().unwrap();
        assert_eq!(block, ProducerIds { broker: 0, start: 1000, end: 1999 });
        assert_eq!(ProducerIds::decode(&block.encode()).unwrap(), Some(block));
        assert_eq!(ProducerIds::decode(b"").unwrap(), None);
        let backwards = br#"{"version":1,"broker":0,"block_start":"9","block_end":"1"}"#;
        assert!(ProducerIds::decode(backwards).is_err());
    }
}
