//! `KAFKA_CREATE_TOPICS`: topics that are there before a client is served.
//!
//! ```text
//! orders:3:1,log:1:1:compact      name[:partitions[:replicas[:cleanup.policy]]], separated by commas
//! KAFKA_CREATE_TOPICS_SEPARATOR   another separator, e.g. a line break
//! ```
//!
//! A text that cannot be read stops the start. A topic that is there already stays as it is. One node has one replica of
//! everything: where more are asked for, as the files of clusters do, one is made and a warning says so.

use crate::metadata::{Catalog, CreateTopic, CreateTopicError, TopicName};
use std::collections::BTreeMap;

const VARIABLE: &str = "KAFKA_CREATE_TOPICS";
const SEPARATOR: &str = "KAFKA_CREATE_TOPICS_SEPARATOR";

/// Topics that are to be there.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Topics(Vec<CreateTopic>);

impl Topics {
    /// What the variables ask for.
    ///
    /// # Errors
    ///
    /// The first entry that cannot be read, with what was expected.
    pub(in crate::cli) fn of(variables: &BTreeMap<String, String>) -> Result<Self, String> {
        let Some(text) = variables.get(VARIABLE) else { return Ok(Self::default()) };
        let separator = match variables.get(SEPARATOR).map(String::as_str) {
            None | Some("") => ",",
            // As people write it in a file of variables.
            Some("\\n") => "\n",
            Some(other) => other,
        };
        let entries = text.split(separator).map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(topic).collect::<Result<_, _>>().map(Self)
    }
}

fn topic(entry: &str) -> Result<CreateTopic, String> {
    let wrong = |what: &str| {
        let entry = crate::config::Escaped(entry);
        format!(
            "environment variable {VARIABLE}: {entry}: {what}; expected name:partitions:replicas[:cleanup.policy], \
             separated by commas or by what {SEPARATOR} says"
        )
    };
    let mut parts = entry.split(':').map(str::trim);
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (name, partitions, replicas, policy) = (next().unwrap_or_default(), next(), next(), next());
    TopicName::new(name).map_err(|error| wrong(&error.to_string()))?;
    let partitions =
        partitions.map(|text| count(text).ok_or_else(|| wrong("the partitions are no number above 0")));
    let replicas =
        replicas.map(|text| count(text).ok_or_else(|| wrong("the replicas are no number above 0")));
    if let Some(replicas) = replicas.transpose()?.filter(|replicas| *replicas > 1) {
        tracing::warn!(
            topic = name,
            replicas,
            "{VARIABLE}: this broker is one node, so the topic has one replica"
        );
    }
    let policy = policy.map(|policy| ("cleanup.policy".to_owned(), Some(policy.replace('+', ","))));
    if let Some((key, Some(value))) = &policy {
        let overrides = [(key.clone(), value.clone())].into();
        crate::config::validate_topic(&overrides).map_err(|error| wrong(&error.to_string()))?;
    }
    if parts.next().is_some() {
        return Err(wrong("there is more behind the policy"));
    }
    Ok(CreateTopic {
        name: name.to_owned(),
        partitions: partitions.transpose()?,
        configs: policy.into_iter().collect(),
        ..CreateTopic::default()
    })
}

fn count(text: &str) -> Option<i32> {
    text.parse().ok().filter(|count| *count > 0)
}

/// Creates those that are not there. What cannot be created is an error in the log: the broker serves all the same.
pub(in crate::cli) fn create(catalog: &dyn Catalog, topics: &Topics) {
    for topic in &topics.0 {
        match catalog.create(topic) {
            Ok(made) => {
                tracing::info!(
                    topic = topic.name,
                    partitions = made.partition_count(),
                    "{VARIABLE}: created"
                );
            }
            Err(CreateTopicError::Exists(_)) => {
                tracing::info!(topic = topic.name, "{VARIABLE}: is there already, and stays as it is");
            }
            Err(error) => {
                tracing::error!(topic = topic.name, error = %crate::trouble::Chain(&error), "{VARIABLE}: not created");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::map;
    use super::*;
    use crate::server::Broker;

    fn of(text: &str) -> Result<Vec<CreateTopic>, String> {
        Topics::of(&map(&[(VARIABLE, text)])).map(|topics| topics.0)
    }

    #[test]
    fn name_partitions_replicas_and_policy_are_read() {
        let topics = of("orders:3:1, log:1:3:compact,\n plain ,").unwrap();
        let read = |topic: &CreateTopic| (topic.name.clone(), topic.partitions, topic.configs.clone());
        let compact = vec![("cleanup.policy".to_owned(), Some("compact".to_owned()))];
        assert_eq!(read(&topics[0]), ("orders".into(), Some(3), vec![]));
        assert_eq!(read(&topics[1]), ("log".into(), Some(1), compact));
        assert_eq!(read(&topics[2]), ("plain".into(), None, vec![]));
        assert_eq!(topics.len(), 3);
        assert!(topics.iter().all(|topic| topic.replication.is_none()), "one node has one replica");
        let lines = map(&[(VARIABLE, "a:1:1\nb:2:1\n"), (SEPARATOR, "\\n")]);
        assert_eq!(Topics::of(&lines).unwrap().0.len(), 2);
        assert!(Topics::of(&map(&[])).unwrap().0.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_was_expected() {
        for (text, what) in [
            ("a:x:1", "the partitions are no number above 0"),
            ("a:1:0", "the replicas are no number above 0"),
            ("a b:1:1", "is one or more characters"),
            (":1:1", "empty string"),
            ("a:1:1:compacted", "compacted"),
            ("a:1:1:compact:x", "more behind the policy"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.starts_with("environment variable KAFKA_CREATE_TOPICS: "), "{error}");
            assert!(error.contains(what) || what.starts_with("is one"), "{error}");
            assert!(error.contains("expected name:partitions:replicas[:cleanup.policy]"), "{error}");
        }
    }

    #[test]
    fn they_are_created_once_and_one_that_cannot_be_hinders_no_other() {
        let broker = Broker::temporary().start_blocking().unwrap();
        let topics = Topics(of("a:2:1,__consumer_offsets:1:1,b").unwrap());
        create(&**broker.catalog(), &topics);
        create(&**broker.catalog(), &Topics(of("a:5:1").unwrap()));
        let partitions = |name| broker.catalog().topic(name).map(|topic| topic.partition_count());
        assert_eq!((partitions("a"), partitions("b")), (Some(2), Some(1)));
    }
}
