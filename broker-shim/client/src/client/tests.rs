//! Calls to a broker of ours.

use super::*;
use crate::TopicPartition;
use crate::testing::{broker, connect, create, hasty};

#[test]
fn metadata_tells_brokers_topics_and_leaders() {
    let (_broker, mut client) = broker();
    create(&mut client, "t", 2);
    let cluster = client.metadata(None, false).unwrap();
    let topic = &cluster.topics["t"];
    assert_eq!(
        topic.partitions.iter().map(|p| (p.index, p.leader)).collect::<Vec<_>>(),
        [(0, Some(0)), (1, Some(0))]
    );
    let wanted = [(TopicPartition::new("t", 1), "a"), (TopicPartition::new("t", 0), "b")];
    let leaders = client.leaders(&wanted).unwrap();
    assert_eq!(leaders.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(client.connections.len(), 1, "the broker is known under the address that was dialled");
}

#[test]
fn an_unknown_topic_or_broker_is_told_at_once() {
    let (broker, mut client) = broker();
    let error = client.leaders(&[(TopicPartition::new("nope", 0), ())]).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    create(&mut client, "t", 1);
    let error = client.leaders(&[(TopicPartition::new("t", 7), ())]).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    let error = client.address(Node::Broker(7)).unwrap_err();
    assert!(error.to_string().starts_with("broker 7 is not in the cluster"), "{error}");
    drop(broker);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_opened_anew() {
    let (broker, mut client) = broker();
    client.metadata(None, false).unwrap();
    // What a broker does that closes idle connections.
    client.connections[0] = connect(&broker).connections.swap_remove(0);
    client.connections[0].answered = true;
    client.connections[0].hang_up();
    client.metadata(None, false).unwrap();
}

#[test]
fn the_first_broker_that_answers_is_taken() {
    let (broker, _) = broker();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let addresses = [Address::new("127.0.0.1", gone), Address::parse(&broker.addr().to_string()).unwrap()];
    let mut client = Client::connect(&addresses, hasty()).unwrap();
    assert_eq!(client.address(Node::Any).unwrap(), addresses[1]);
    assert_eq!(client.coordinator("g").unwrap(), 0);
}
