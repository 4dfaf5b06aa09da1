//! A damaged partition: no altered record is delivered, and what lies around it is served.

use super::fetch::{bases, bytes, only, request};
use super::rig::{Client, batch, error, produce_request};
use crate::config::BrokerConfig;
use crate::metadata::CreateTopic;
use crate::server::Broker;
use kafka_wire::ErrorCode;
use std::fs;
use std::path::Path;

async fn start(dir: &Path) -> Broker {
    let builder =
        BrokerConfig::builder().set("listeners", "PLAINTEXT://127.0.0.1:0").set("http.listener", "");
    Broker::start(builder.set("log.dirs", dir.display().to_string()).build().unwrap()).await.unwrap()
}

/// Topic `t` with three batches of a record each, and a bit of the second one's value flipped while nobody ran.
async fn damaged(dir: &Path) -> Broker {
    let broker = start(dir).await;
    let topic = broker.catalog().create(&CreateTopic::named("t")).unwrap();
    let mut client = Client::to(broker.addr()).await;
    for value in [b"value-A", b"value-B", b"value-C"] {
        let answer = client.call(9, &produce_request(9, -1, &topic, 0, batch(&[value]))).await;
        assert_eq!(error(answer.responses[0].partition_responses[0].error_code), ErrorCode::None);
    }
    drop(client);
    broker.shutdown().await.unwrap();
    let path = dir.join("t-0/00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(7).position(|window| window == b"value-B").unwrap();
    bytes[at + 3] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    start(dir).await
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_where_it_lies_and_its_neighbours_are_served() {
    let dir = tempfile::tempdir().unwrap();
    // Whatever offset is asked for first.
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let dir = dir.path().join(format!("{}", order[0]));
        fs::create_dir(&dir).unwrap();
        let broker = damaged(&dir).await;
        let topic = broker.catalog().topic("t").unwrap();
        let mut client = Client::to(broker.addr()).await;
        for (offset, version) in order.into_iter().flat_map(|offset| [(offset, 17), (offset, 4)]) {
            let response = client.call(version, &request(version, &topic, offset)).await;
            let partition = only(&response);
            let code = error(partition.error_code);
            if offset == 1 {
                assert_eq!(code, ErrorCode::CorruptMessage, "{order:?}");
                assert!(bytes(partition).is_empty());
            } else {
                assert_eq!((code, bases(partition)), (ErrorCode::None, vec![offset]), "{order:?}");
            }
        }
        // Clients from before batches as well, and the partition takes records.
        let response = client.call(2, &request(2, &topic, 1)).await;
        assert_eq!(error(only(&response).error_code), ErrorCode::CorruptMessage);
        let answer = client.produce(9, &topic, batch(&[b"value-D"])).await;
        assert_eq!((error(answer.error_code), answer.base_offset), (ErrorCode::None, 3));
        let response = client.call(17, &request(17, &topic, 2)).await;
        assert_eq!(bases(only(&response)), [2, 3]);
        broker.shutdown().await.unwrap();
    }
}

/// What the ERROR line says.
#[tokio::test]
async fn the_line_names_file_bytes_and_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let broker = damaged(dir.path()).await;
    let topic = broker.catalog().topic("t").unwrap();
    let log = topic.partition(0).unwrap();
    let at = log_engine::types::Offset::new(1).unwrap();
    let refused = log.read(at, log_engine::log::ReadLimits::default()).unwrap_err();
    let damage = log.damage();
    let (file, bytes) = (damage[0].file.display(), &damage[0].bytes);
    let line = crate::trouble::Chain(&refused).to_string();
    assert!(
        line.contains(&file.to_string()) && file.to_string().ends_with("00000000000000000000.log"),
        "{line}"
    );
    assert!(line.contains(&format!("{}", bytes.start)), "{line}");
    let ranges = format!("offsets [1, 2) in {} bytes are damaged", bytes.end - bytes.start);
    assert!(line.contains(&ranges), "{line}");
    broker.shutdown().await.unwrap();
}
