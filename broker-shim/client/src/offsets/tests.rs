//! Offsets asked for and committed at a broker of ours.

use super::*;
use crate::produce::{NewRecord, Producer, ProducerConfig};
use crate::testing::{broker, create};

#[test]
fn ends_and_times_are_found() {
    let (_broker, mut client) = broker();
    create(&mut client, "t", 1);
    let mut producer = Producer::new(ProducerConfig { batch_size: 1, ..ProducerConfig::default() });
    for timestamp in [1000, 3000, 2000] {
        let record =
            NewRecord { topic: "t", value: Some(b"a"), timestamp: Some(timestamp), ..NewRecord::default() };
        producer.send(&mut client, &record).unwrap();
    }
    producer.flush(&mut client).unwrap();
    let at = TopicPartition::new("t", 0);
    let mut find = |spec| {
        let found = client.list_offsets(&[(at.clone(), spec)], Isolation::default()).unwrap();
        assert_eq!(found.len(), 1);
        found[0].1.unwrap().offset
    };
    assert_eq!(find(OffsetSpec::Latest), Some(3));
    assert_eq!(find(OffsetSpec::Earliest), Some(0));
    assert_eq!(find(OffsetSpec::MaxTimestamp), Some(1));
    assert_eq!(find(OffsetSpec::Timestamp(1500)), Some(1));
    assert_eq!(find(OffsetSpec::Timestamp(9000)), None);
}

#[test]
fn what_is_committed_is_read_again() {
    let (_broker, mut client) = broker();
    create(&mut client, "t", 3);
    let (first, second) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
    client.commit_for("g", &[(first.clone(), 7), (second.clone(), 0)]).unwrap();
    let offset =
        |committed: &BTreeMap<TopicPartition, Committed>, at| committed.get(at).and_then(|c| c.offset);
    let all = client.committed("g", None).unwrap();
    assert_eq!((all.len(), offset(&all, &first), offset(&all, &second)), (2, Some(7), Some(0)));
    let missing = TopicPartition::new("t", 2);
    let asked = client.committed("g", Some(std::slice::from_ref(&missing))).unwrap();
    assert_eq!(offset(&asked, &missing), None);
}
