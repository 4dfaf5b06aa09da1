//! `/brokers/topics/t` and the state nodes below it: which brokers have a partition, and who leads it.
//!
//! ```text
//! {"partitions":{"0":[0],"1":[0]},"version":1}
//! {"controller_epoch":1,"isr":[0],"leader":0,"leader_epoch":0,"version":1}
//! ```
//!
//! Newer brokers write version 2 and 3 of the first: replicas that come and go, and `topic_id`.

use crate::json::{self, Malformed};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Brokers by partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Assignment {
    /// The brokers of each partition, the preferred leader first. Numbers may be missing in between: anybody writes.
    pub partitions: BTreeMap<i32, Vec<i32>>,
    /// The topic's id, if a newer broker gave it one: 22 characters.
    pub topic_id: Option<String>,
}

impl Assignment {
    /// So many partitions on one broker.
    #[must_use]
    pub fn on_one(partitions: i32, broker: i32) -> Self {
        Self {
            partitions: (0..partitions).map(|partition| (partition, vec![broker])).collect(),
            topic_id: None,
        }
    }

    /// The node's data, version 1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let pairs =
            self.partitions.iter().map(|(partition, brokers)| (partition.to_string(), json!(brokers)));
        let partitions: Map<String, Value> = pairs.collect();
        json::bytes(&json!({"version": 1, "partitions": partitions}))
    }

    /// Reads the node's data.
    ///
    /// # Errors
    ///
    /// It is no assignment.
    pub fn decode(data: &[u8]) -> Result<Self, Malformed> {
        let map = json::object(data)?;
        let mut partitions = BTreeMap::new();
        for (partition, brokers) in json::inner(&map, "partitions")? {
            let number = partition.parse::<i32>().ok().filter(|number| *number >= 0);
            let number = number.ok_or_else(|| Malformed("has a partition that is no number".to_owned()))?;
            let brokers = json::brokers(brokers)
                .ok_or_else(|| Malformed(format!("has no list of brokers for partition {number}")))?;
            partitions.insert(number, brokers);
        }
        let topic_id = map.get("topic_id").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { partitions, topic_id })
    }
}

/// Who leads a partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartitionState {
    /// The leader's number; -1: none.
    pub leader: i32,
    /// How often there was another leader.
    pub leader_epoch: i32,
    /// The brokers that have all of it.
    pub isr: Vec<i32>,
    /// The election of the controller that wrote this.
    pub controller_epoch: i32,
}

impl PartitionState {
    /// A new partition with one replica.
    #[must_use]
    pub fn new(leader: i32, controller_epoch: i32) -> Self {
        Self { leader, leader_epoch: 0, isr: vec![leader], controller_epoch }
    }

    /// The node's data.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::bytes(&json!({
            "controller_epoch": self.controller_epoch,
            "leader": self.leader,
            "version": 1,
            "leader_epoch": self.leader_epoch,
            "isr": self.isr,
        }))
    }

    /// Reads the node's data.
    ///
    /// # Errors
    ///
    /// It is no state.
    pub fn decode(data: &[u8]) -> Result<Self, Malformed> {
        let map = json::object(data)?;
        let isr = map.get("isr").and_then(json::brokers);
        Ok(Self {
            leader: json::small(&map, "leader")?,
            leader_epoch: json::small(&map, "leader_epoch")?,
            isr: isr.ok_or_else(|| Malformed("has no list of brokers as isr".to_owned()))?,
            controller_epoch: json::small(&map, "controller_epoch")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_in_any_order() {
        let data = br#"{"version":1,"partitions":{"10":[1],"1":[0,1],"0":[0]}}"#;
        let assignment = Assignment::decode(data).unwrap();
        assert_eq!(assignment.partitions, [(0, vec![0]), (1, vec![0, 1]), (10, vec![1])].into());
        assert_eq!(Assignment::decode(&assignment.encode()).unwrap(), assignment);
        assert_eq!(Assignment::on_one(2, 3).encode(), br#"{"partitions":{"0":[3],"1":[3]},"version":1}"#);
    }

    #[test]
    fn newer_versions_of_an_assignment_are_read() {
        let data = br#"{"removing_replicas":{},"partitions":{"0":[0]},"topic_id":"46j5Mn07Qv-bGI1z80v2ww","adding_replicas":{},"version":3}"#;
        assert_eq!(Assignment::decode(data).unwrap().topic_id.as_deref(), Some("46j5Mn07Qv-bGI1z80v2ww"));
    }

    #[test]
    fn assignments_that_mean_nothing_are_refused() {
        let refused = |data: &[u8]| Assignment::decode(data).unwrap_err().to_string();
        assert_eq!(refused(br#"{"version":1}"#), "has no object as partitions");
        assert_eq!(refused(br#"{"partitions":{"x":[0]}}"#), "has a partition that is no number");
        assert_eq!(refused(br#"{"partitions":{"-1":[0]}}"#), "has a partition that is no number");
        assert_eq!(refused(br#"{"partitions":{"0":0}}"#), "has no list of brokers for partition 0");
        assert_eq!(refused(br#"{"partitions":{"0":["a"]}}"#), "has no list of brokers for partition 0");
    }

    #[test]
    fn a_state_is_kafka_s() {
        let data = br#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0]}"#;
        let state = PartitionState::decode(data).unwrap();
        assert_eq!(state, PartitionState::new(0, 1));
        assert_eq!(
            state.encode(),
            br#"{"controller_epoch":1,"isr":[0],"leader":0,"leader_epoch":0,"version":1}"#
        );
        assert!(PartitionState::decode(br#"{"leader":0}"#).is_err());
    }
}
