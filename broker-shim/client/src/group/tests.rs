//! Shares, and life in a group at a broker of ours.

use super::*;
use crate::testing::{broker, connect, create};

fn member(name: &str, topics: &[&str]) -> Subscription {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Subscription { member: name.into(), rank: (true, name.into()), topics }
}

#[test]
fn a_topic_s_partitions_are_cut_into_ranges() {
    let members = [member("b", &["t", "u"]), member("a", &["t"]), member("c", &["t"])];
    let counts = BTreeMap::from([("t".to_owned(), 5), ("u".to_owned(), 2), ("nobody".to_owned(), 3)]);
    let shares = range(&members, &counts);
    let shown: Vec<String> = shares
        .iter()
        .map(|(name, share)| {
            let parts: Vec<String> = share.iter().map(ToString::to_string).collect();
            format!("{name}: {}", parts.join(" "))
        })
        .collect();
    assert_eq!(shown, ["a: t-0 t-1", "b: t-2 t-3 u-0 u-1", "c: t-4"]);
}

#[test]
fn a_member_alone_has_everything_commits_and_leaves() {
    let (_broker, mut client) = broker();
    create(&mut client, "t", 2);
    let mut member = GroupMember::join(&mut client, GroupConfig::new("g", vec!["t".into()])).unwrap();
    assert_eq!(member.assignment(), [TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
    assert!(!member.member_id().is_empty());
    assert_eq!(member.heartbeat_if_due(&mut client).unwrap(), MemberState::Stable);
    member.commit(&mut client, &[(TopicPartition::new("t", 1), 0)]).unwrap();
    assert_eq!(client.committed("g", None).unwrap().len(), 1);
    member.leave(&mut client).unwrap();
}

#[test]
fn a_second_member_takes_its_share() {
    let (broker, mut client) = broker();
    create(&mut client, "t", 2);
    let config =
        || GroupConfig { heartbeat_interval: Duration::ZERO, ..GroupConfig::new("g", vec!["t".into()]) };
    let mut first = GroupMember::join(&mut client, config()).unwrap();
    let mut other = connect(&broker);
    let second = std::thread::spawn(move || {
        let member = GroupMember::join(&mut other, config()).unwrap();
        member.assignment().to_vec()
    });
    while first.heartbeat_if_due(&mut client).unwrap() == MemberState::Stable {
        std::thread::sleep(Duration::from_millis(5));
    }
    first.rejoin(&mut client).unwrap();
    let mut all = [first.assignment().to_vec(), second.join().unwrap()].concat();
    all.sort();
    assert_eq!(all, [TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
}
