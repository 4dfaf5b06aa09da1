//! From the nodes of a topic to what the mirror takes. What is wrong is said once and left out.

use crate::metadata::catalog::Topic;
use crate::metadata::checks::MAX_PARTITIONS;
use crate::metadata::log_catalog::mirror::{Described, valid_settings};
use kafka_settings::TopicName;
use kafka_znodes::config::{self, Config};
use kafka_znodes::topic::Assignment;

/// A topic out of its nodes, and what was wrong with them; `Err`: all of it.
pub(super) fn describe(
    name: &str,
    node: &[u8],
    settings: Option<&[u8]>,
    broker: i32,
    before: Option<&Topic>,
) -> Result<(Described, Vec<String>), String> {
    let name = TopicName::new(name).map_err(|error| error.to_string())?;
    if name.is_reserved() && !name.is_internal() {
        return Err("the name is one of Corrente's own".to_owned());
    }
    let assignment = Assignment::decode(node).map_err(|error| format!("its node {error}"))?;
    let mut wrong = Vec::new();
    let own = own_partitions(&assignment, broker, before, &mut wrong)?;
    let settings = settings.map_or(Ok(Config::new()), config::decode).unwrap_or_else(|error| {
        wrong.push(format!("its settings are left out: their node {error}"));
        Config::new()
    });
    let (overrides, refused) = valid_settings(settings);
    wrong.extend(refused.iter().map(|error| format!("a setting is left out: {error}")));
    let id = assignment.topic_id.and_then(|id| id.parse().ok());
    Ok((Described { name, own, overrides, id }, wrong))
}

fn own_partitions(
    assignment: &Assignment,
    broker: i32,
    before: Option<&Topic>,
    wrong: &mut Vec<String>,
) -> Result<Vec<bool>, String> {
    let partitions = &assignment.partitions;
    if partitions.is_empty() || !(0..).zip(partitions.keys()).all(|(expected, number)| expected == *number) {
        return Err("its partitions are not numbered from 0 on".to_owned());
    }
    let most = usize::try_from(MAX_PARTITIONS).unwrap_or(usize::MAX);
    if partitions.len() > most {
        return Err(format!("it has {} partitions, and {most} are the most", partitions.len()));
    }
    let mut own: Vec<bool> = partitions.values().map(|brokers| brokers.contains(&broker)).collect();
    let elsewhere = partitions.iter().filter(|(_, brokers)| !brokers.contains(&broker));
    let elsewhere: Vec<String> = elsewhere.map(|(number, _)| number.to_string()).take(10).collect();
    if !elsewhere.is_empty() {
        let elsewhere = elsewhere.join(", ");
        wrong.push(format!(
            "partitions without a leader: they are assigned to other brokers than {broker}: {elsewhere}"
        ));
    }
    if let Some(before) = before.filter(|before| before.partitions.len() > own.len()) {
        wrong.push(format!(
            "its node has {} partitions now and had {}: no partition is given up",
            own.len(),
            before.partitions.len()
        ));
        own.extend(before.partitions.iter().skip(own.len()).map(Option::is_some));
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which partitions are ours, the settings, and what was wrong.
    type Read = (Vec<bool>, Vec<String>, Vec<String>);

    fn read(name: &str, node: &str, settings: Option<&str>) -> Result<Read, String> {
        let (described, wrong) = describe(name, node.as_bytes(), settings.map(str::as_bytes), 0, None)?;
        let overrides = described.overrides.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Ok((described.own, overrides, wrong))
    }

    #[test]
    fn a_topic_of_a_tool_is_read() {
        let node = r#"{"version":1,"partitions":{"1":[0],"0":[0]}}"#;
        let settings = r#"{"version":1,"config":{"retention.ms":"1000"}}"#;
        assert_eq!(
            read("t", node, Some(settings)).unwrap(),
            (vec![true, true], vec!["retention.ms=1000".to_owned()], Vec::new())
        );
        assert_eq!(read("__consumer_offsets", node, None).unwrap().0.len(), 2);
    }

    #[test]
    fn what_no_topic_can_be_is_refused_as_a_whole() {
        let one = r#"{"version":1,"partitions":{"0":[0]}}"#;
        assert!(read("bad name", one, None).unwrap_err().starts_with("Topic name is invalid"));
        assert_eq!(read("__corrente_metadata", one, None).unwrap_err(), "the name is one of Corrente's own");
        assert_eq!(read("t", "x", None).unwrap_err(), "its node holds no JSON");
        let gap = "its partitions are not numbered from 0 on";
        assert_eq!(read("t", r#"{"partitions":{"2000000000":[0]}}"#, None).unwrap_err(), gap);
        assert_eq!(read("t", r#"{"partitions":{}}"#, None).unwrap_err(), gap);
    }

    #[test]
    fn partitions_of_other_brokers_and_wrong_settings_are_left_out() {
        let node = r#"{"version":1,"partitions":{"0":[0,1],"1":[7],"2":[]}}"#;
        let settings = r#"{"version":1,"config":{"retention.ms":"x","nonsense":"1","segment.bytes":"1000"}}"#;
        let (own, overrides, wrong) = read("t", node, Some(settings)).unwrap();
        assert_eq!((own, overrides), (vec![true, false, false], vec!["segment.bytes=1000".to_owned()]));
        assert_eq!(
            wrong,
            [
                "partitions without a leader: they are assigned to other brokers than 0: 1, 2",
                "a setting is left out: Unknown topic config name: nonsense",
                "a setting is left out: Invalid value x for configuration retention.ms: Not a number of type LONG",
            ]
        );
        let (_, overrides, wrong) = read("t", r#"{"partitions":{"0":[0]}}"#, Some("[]")).unwrap();
        assert_eq!(
            (overrides.len(), wrong),
            (0, vec!["its settings are left out: their node holds JSON that is no object".to_owned()])
        );
    }
}
