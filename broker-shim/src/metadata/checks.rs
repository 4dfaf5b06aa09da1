//! Whether a topic may be created, or get more partitions: every check, in Kafka 4's order, without effect.
//!
//! Order: name, reserved, exists, collision, settings, assignment, partitions, replicas.

use super::catalog::{
    CreatePartitions, CreatePartitionsError, CreateTopic, CreateTopicError, Topic, TopicPlan,
};
use crate::config::{self, TopicConfigError};
use kafka_settings::TopicName;
use std::collections::BTreeMap;

/// The most partitions that one request may ask for.
pub const MAX_PARTITIONS: i32 = 10_000;

/// Checks a request to the broker `node`, beside the topics `names`.
pub(super) fn check<'a>(
    request: &CreateTopic,
    node: i32,
    default_partitions: i32,
    names: impl Iterator<Item = &'a TopicName>,
) -> Result<TopicPlan, CreateTopicError> {
    let name = TopicName::new(&request.name)?;
    if name.is_reserved() {
        return Err(CreateTopicError::Reserved(name));
    }
    let rivals: Vec<&TopicName> = names.filter(|other| other.collides_with(&name)).collect();
    if rivals.contains(&&name) {
        return Err(CreateTopicError::Exists(name));
    }
    if !rivals.is_empty() {
        let existing = rivals.iter().map(|rival| rival.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CreateTopicError::Collision { name, existing });
    }
    let overrides = overrides(&request.configs)?;
    let partitions = if request.assignment.is_empty() {
        counts(request, default_partitions)?
    } else {
        assigned(request, node)?
    };
    if partitions > MAX_PARTITIONS {
        return Err(CreateTopicError::TooManyPartitions);
    }
    Ok(TopicPlan { name, partitions, overrides })
}

/// Checks a request to the broker `node` for more partitions; the answer is how many the topic gets in all.
pub(super) fn check_growth(
    request: &CreatePartitions,
    topic: &Topic,
    node: i32,
) -> Result<i32, CreatePartitionsError> {
    let present = topic.partition_count();
    if topic.internal {
        return Err(CreatePartitionsError::Reserved(topic.name.clone()));
    }
    if request.count == present {
        return Err(CreatePartitionsError::Same(present));
    }
    if request.count < present {
        let name = topic.name.clone();
        return Err(CreatePartitionsError::Fewer { name, present, count: request.count });
    }
    let added = request.count - present;
    if added > MAX_PARTITIONS {
        return Err(CreatePartitionsError::TooMany);
    }
    if let Some(assignment) = &request.assignment {
        if i32::try_from(assignment.len()) != Ok(added) {
            return Err(CreatePartitionsError::Assignment(format!(
                "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
                assignment.len()
            )));
        }
        for brokers in assignment {
            check_replicas(brokers, node).map_err(CreatePartitionsError::Assignment)?;
        }
    }
    Ok(request.count)
}

/// Whether these are brokers that a partition can be on: the broker `node`, once.
///
/// # Errors
///
/// What is wrong with them, in Kafka's words.
pub fn check_replicas(brokers: &[i32], node: i32) -> Result<(), String> {
    if brokers.is_empty() {
        return Err("The manual partition assignment includes an empty replica list.".to_owned());
    }
    if let Some(other) = brokers.iter().find(|broker| **broker != node) {
        return Err(format!(
            "The manual partition assignment includes broker {other}, but no such broker is registered."
        ));
    }
    if brokers.len() > 1 {
        return Err(format!("The manual partition assignment includes the broker {node} more than once."));
    }
    Ok(())
}

fn overrides(configs: &[(String, Option<String>)]) -> Result<BTreeMap<String, String>, TopicConfigError> {
    let mut overrides = BTreeMap::new();
    for (key, value) in configs {
        let value = value.as_ref().ok_or_else(|| {
            TopicConfigError(format!("Null value not supported for topic configs: {}", config::Escaped(key)))
        })?;
        overrides.insert(key.clone(), value.clone());
    }
    config::validate_topic(&overrides)?;
    Ok(overrides)
}

fn counts(request: &CreateTopic, default: i32) -> Result<i32, CreateTopicError> {
    let partitions = request.partitions.unwrap_or(default);
    if partitions < 1 {
        return Err(CreateTopicError::Partitions);
    }
    match request.replication.unwrap_or(1) {
        1 => Ok(partitions),
        factor if factor < 1 => Err(CreateTopicError::NoReplica),
        factor => Err(CreateTopicError::Replication(factor)),
    }
}

/// Brokers by partition: one broker, so each partition is on it or the assignment is wrong.
fn assigned(request: &CreateTopic, node: i32) -> Result<i32, CreateTopicError> {
    if request.replication.is_some() {
        return Err(CreateTopicError::CountsAndAssignment("replication factor"));
    }
    if request.partitions.is_some() {
        return Err(CreateTopicError::CountsAndAssignment("numPartitions"));
    }
    let refuse = |text: String| Err(CreateTopicError::Assignment(text));
    let mut numbers: Vec<i32> = Vec::with_capacity(request.assignment.len());
    for (partition, brokers) in &request.assignment {
        numbers.push(*partition);
        check_replicas(brokers, node).map_err(CreateTopicError::Assignment)?;
    }
    numbers.sort_unstable();
    if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(format!("Found multiple manual partition assignments for partition {}", twice[0]));
    }
    if !(0..).zip(&numbers).all(|(expected, number)| expected == *number) {
        return refuse("partitions should be a consecutive 0-based integer sequence".to_owned());
    }
    i32::try_from(numbers.len()).map_err(|_| CreateTopicError::TooManyPartitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::errors;

    fn check_beside(existing: &[&str], request: &CreateTopic) -> Result<TopicPlan, CreateTopicError> {
        let names: Vec<TopicName> = existing.iter().map(|name| TopicName::new(name).unwrap()).collect();
        check(request, 0, 3, names.iter())
    }

    /// Code, new text and old text of a refusal.
    fn refused(request: &CreateTopic) -> (i16, String, String) {
        let error = check_beside(&["a.b", "there"], request).unwrap_err();
        (errors::of_create(&error).to_i16(), error.to_string(), error.old_text())
    }

    fn named(name: &str) -> CreateTopic {
        CreateTopic::named(name)
    }

    fn config(key: &str, value: Option<&str>) -> CreateTopic {
        CreateTopic { configs: vec![(key.to_owned(), value.map(str::to_owned))], ..named("t") }
    }

    fn assignment(assignment: &[(i32, &[i32])]) -> CreateTopic {
        CreateTopic { assignment: assignment.iter().map(|(p, b)| (*p, b.to_vec())).collect(), ..named("t") }
    }

    #[test]
    fn defaults_fill_what_the_request_leaves_open() {
        let plan = check_beside(&[], &named("t")).unwrap();
        assert_eq!((plan.name.as_str(), plan.partitions, plan.overrides.len()), ("t", 3, 0));
        let plan =
            check_beside(&[], &CreateTopic { partitions: Some(10_000), replication: Some(1), ..named("t") });
        assert_eq!(plan.unwrap().partitions, 10_000);
        assert_eq!(check_beside(&[], &assignment(&[(1, &[0]), (0, &[0])])).unwrap().partitions, 2);
    }

    #[test]
    fn names_are_refused_in_the_words_of_both_ages() {
        let same = |code, text: &str| (code, text.to_owned(), text.to_owned());
        assert_eq!(refused(&named("there")), same(36, "Topic 'there' already exists."));
        assert_eq!(refused(&named("a_b")), same(17, "Topic 'a_b' collides with existing topics: a.b"));
        assert_eq!(
            refused(&named("__consumer_offsets")),
            same(42, "Creation of internal topic __consumer_offsets is prohibited.")
        );
        let (code, new, old) = refused(&named("bad name"));
        assert_eq!(code, 17);
        assert!(new.starts_with("Topic name is invalid: 'bad name'"), "{new}");
        assert!(old.starts_with("Topic name \"bad name\" is illegal"), "{old}");
    }

    #[test]
    fn counts_are_refused_in_the_words_of_both_ages() {
        for partitions in [0, -1, -5] {
            assert_eq!(
                refused(&CreateTopic { partitions: Some(partitions), ..named("t") }),
                (
                    37,
                    "Number of partitions was set to an invalid non-positive value.".into(),
                    "Number of partitions must be larger than 0.".into()
                )
            );
        }
        assert_eq!(
            refused(&CreateTopic { replication: Some(3), ..named("t") }),
            (
                38,
                "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached \
                 because only 1 broker(s) are registered."
                    .into(),
                "Replication factor: 3 larger than available brokers: 1.".into()
            )
        );
        assert_eq!(
            refused(&CreateTopic { replication: Some(0), ..named("t") }),
            (
                38,
                "Replication factor must be larger than 0, or -1 to use the default value.".into(),
                "Replication factor must be larger than 0.".into()
            )
        );
        let many = CreateTopic { partitions: Some(10_001), ..named("t") };
        assert_eq!(refused(&many).0, 44);
    }

    #[test]
    fn settings_are_refused_in_kafka_s_words() {
        let text = |request: CreateTopic| {
            let (code, new, _) = refused(&request);
            assert_eq!(code, 40);
            new
        };
        assert_eq!(text(config("n", Some("1"))), "Unknown topic config name: n");
        assert_eq!(
            text(config("retention.ms", Some("abc"))),
            "Invalid value abc for configuration retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            text(config("retention.ms", None)),
            "Null value not supported for topic configs: retention.ms"
        );
    }

    #[test]
    fn assignments_that_one_broker_cannot_fulfil_are_refused() {
        let text = |request: CreateTopic| {
            let (code, new, _) = refused(&request);
            assert_eq!(code, 39);
            new
        };
        let gap = "partitions should be a consecutive 0-based integer sequence";
        assert_eq!(text(assignment(&[(0, &[0]), (2, &[0])])), gap);
        assert_eq!(text(assignment(&[(-1, &[0]), (0, &[0])])), gap);
        assert_eq!(
            text(assignment(&[(0, &[9])])),
            "The manual partition assignment includes broker 9, but no such broker is registered."
        );
        assert_eq!(
            text(assignment(&[(0, &[0]), (0, &[0])])),
            "Found multiple manual partition assignments for partition 0"
        );
        assert_eq!(
            text(assignment(&[(0, &[])])),
            "The manual partition assignment includes an empty replica list."
        );
        let (code, new, _) = refused(&CreateTopic { partitions: Some(1), ..assignment(&[(0, &[0])]) });
        assert_eq!(
            (code, new.as_str()),
            (42, "A manual partition assignment was specified, but numPartitions was not set to -1.")
        );
    }
}
