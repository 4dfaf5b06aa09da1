//! `/admin/reassign_partitions` and `/admin/preferred_replica_election`: wishes of an operator.
//!
//! ```text
//! {"partitions":[{"partition":0,"replicas":[0],"topic":"t"}],"version":1}
//! {"partitions":[{"partition":0,"topic":"t"}],"version":1}
//! ```

use crate::json::{self, Malformed};
use serde_json::{Value, json};

/// A partition that something is to be done with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Where it is to be; empty in an election.
    pub replicas: Vec<i32>,
}

/// Reads the node's data.
///
/// # Errors
///
/// It is no list of partitions.
pub fn decode(data: &[u8]) -> Result<Vec<Wish>, Malformed> {
    let map = json::object(data)?;
    let all = map.get("partitions").and_then(Value::as_array);
    let all = all.ok_or_else(|| Malformed("has no list as partitions".to_owned()))?;
    let one = |value: &Value| {
        let map =
            value.as_object().ok_or_else(|| Malformed("has a partition that is no object".to_owned()))?;
        let replicas = map.get("replicas").and_then(json::brokers).unwrap_or_default();
        Ok(Wish {
            topic: json::text(map, "topic")?.to_owned(),
            partition: json::small(map, "partition")?,
            replicas,
        })
    };
    all.iter().map(one).collect()
}

/// The node's data.
#[must_use]
pub fn encode(wishes: &[Wish]) -> Vec<u8> {
    let one = |wish: &Wish| {
        let mut value = json!({"topic": wish.topic, "partition": wish.partition});
        if !wish.replicas.is_empty() {
            value["replicas"] = json!(wish.replicas);
        }
        value
    };
    let all: Vec<Value> = wishes.iter().map(one).collect();
    json::bytes(&json!({"version": 1, "partitions": all}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_wishes_are_read() {
        let data = br#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[0]},{"topic":"u","partition":1}]}"#;
        let wishes = decode(data).unwrap();
        assert_eq!(wishes[0], Wish { topic: "t".to_owned(), partition: 0, replicas: vec![0] });
        assert!(wishes[1].replicas.is_empty());
        assert_eq!(decode(&encode(&wishes)).unwrap(), wishes);
        for data in [&b"{}"[..], br#"{"partitions":[1]}"#, br#"{"partitions":[{"topic":"t"}]}"#] {
            assert!(decode(data).is_err());
        }
    }
}
