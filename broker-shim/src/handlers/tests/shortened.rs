//! Somebody shortens a segment file under the running broker: clients get an error, the end of their connection or whole
//! batches as they were written, and the broker lives.

use super::fetch::{bases, only, request};
use super::rig::{Rig, batch, error};
use crate::metadata::Topic;
use kafka_wire::ErrorCode;
use log_engine::io::{RealStorage, Storage, install_sigbus_handler};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

fn segment_file(topic: &Topic) -> PathBuf {
    topic.partitions[0].as_ref().unwrap().dir().join("00000000000000000000.log")
}

/// Fills a topic, reads it once, cuts its file, reads it again in all ways. How many answers had what had been lost for
/// its contents: data, error, end of the connection.
async fn cut_and_fetch(rig: &Rig, name: &str, value_bytes: usize, cut_tenths: u64) -> [u32; 3] {
    let topic = rig.topic(name, 1, &[]);
    let mut client = rig.client().await;
    let batches = 8;
    for nth in 0..batches {
        client.produce(9, &topic, batch(&[&vec![nth; value_bytes]])).await;
    }
    let all: Vec<i64> = (0..i64::from(batches)).collect();
    // Large answers go by `sendfile`, small ones from the map, those of old clients through the conversion.
    assert_eq!(bases(only(&client.call(12, &request(12, &topic, 0)).await)), all);
    let file = File::options().write(true).open(segment_file(&topic)).unwrap();
    // The file itself is longer, by the zeros of the writer's window.
    let len = u64::from(batches) * u64::try_from(batch(&[&vec![0; value_bytes]]).len()).unwrap();
    file.set_len(len * cut_tenths / 10).unwrap();
    let mut told = [0; 3];
    for version in [12, 3, 12] {
        for from in [0, 3, 7] {
            let mut client = rig.client().await;
            let found = client.try_call(version, &request(version, &topic, from)).await;
            let Some(response) = found else {
                told[2] += 1;
                continue;
            };
            let partition = only(&response);
            if partition.error_code == 0 {
                if version == 12 {
                    let bases = bases(partition);
                    assert_eq!(bases, all[usize::try_from(from).unwrap()..][..bases.len()], "{name} {from}");
                }
                told[0] += 1;
            } else {
                let code = error(partition.error_code);
                // What a failing disk is called in old versions.
                let storage =
                    if version == 12 { ErrorCode::KafkaStorageError } else { ErrorCode::NotLeaderOrFollower };
                assert!(code == storage || code == ErrorCode::CorruptMessage, "{name} {from}: {code:?}");
                told[1] += 1;
            }
        }
    }
    told
}

async fn cut_everywhere(storage: Arc<dyn Storage>, way: &str) {
    install_sigbus_handler().unwrap();
    let rig = Rig::on(storage, &[]).await;
    let other = rig.topic("other", 1, &[]);
    let mut client = rig.client().await;
    client.produce(9, &other, batch(&[b"whole"])).await;
    let mut told = [0; 3];
    for value_bytes in [200, 1500, 9000, 40_000] {
        for tenths in 0..10 {
            let name = format!("{way}-{value_bytes}-{tenths}");
            let case = cut_and_fetch(&rig, &name, value_bytes, tenths).await;
            assert!(case[1] + case[2] > 0, "{name}: nobody was told");
            told.iter_mut().zip(case).for_each(|(sum, n)| *sum += n);
            // The same connection is served as if nothing had happened.
            assert_eq!(bases(only(&client.call(12, &request(12, &other, 0)).await)), [0]);
        }
    }
    assert!(told[0] > 0 && told[1] > 0, "{way}: {told:?}");
}

#[tokio::test]
async fn a_file_that_is_cut_under_its_map_costs_answers_and_not_the_broker() {
    cut_everywhere(Arc::new(RealStorage::new()), "map").await;
}

#[tokio::test]
async fn a_file_that_is_cut_costs_no_more_without_maps() {
    cut_everywhere(Arc::new(RealStorage::without_maps()), "pread").await;
}

/// The data go while the broker runs: producers are told, nothing is made anew in their place, and the broker lives.
#[tokio::test]
async fn a_data_directory_that_is_removed_ends_in_errors_and_does_not_come_back() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[("segment.bytes", "2000")]);
    let mut client = rig.client().await;
    assert_eq!(client.produce(9, &topic, batch(&[b"kept"])).await.error_code, 0);
    let data = topic.partitions[0].as_ref().unwrap().dir().parent().unwrap().to_owned();
    std::fs::remove_dir_all(&data).unwrap();
    let mut codes = Vec::new();
    for _ in 0..30 {
        codes.push(client.produce(9, &topic, batch(&[&[7; 300]])).await.error_code);
    }
    assert_eq!(error(codes[29]), ErrorCode::KafkaStorageError, "{codes:?}");
    assert!(rig.state.catalog.create(&crate::metadata::CreateTopic::named("new")).is_err());
    let mut old = request(12, &topic, 0);
    old.min_bytes = 0;
    drop(rig.client().await.try_call(12, &old).await);
    assert!(!data.exists());
}
