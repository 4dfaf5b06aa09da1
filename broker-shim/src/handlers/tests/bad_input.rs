//! What is not a request, through the whole broker: the connection is closed without a byte, and others go on.

use super::rig::{Rig, batch, error};
use kafka_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use kafka_wire::{ErrorCode, Message};
use tokio::io::AsyncWriteExt;

async fn closes(rig: &Rig, what: &str, bytes: &[u8]) {
    let mut client = rig.client().await;
    client.stream.write_all(bytes).await.unwrap();
    assert!(client.is_closed().await, "{what}");
}

/// A frame: size, key, version, correlation id 7, client id "c", body.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(11 + body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend([0, 0, 0, 7, 0, 1, b'c']);
    bytes.extend(body);
    bytes
}

#[tokio::test]
async fn whatever_is_no_request_closes_the_connection() {
    let rig = Rig::new().await;
    closes(&rig, "negative size", &[0xff, 0xff, 0xff, 0xff]).await;
    closes(&rig, "oversize", &104_857_601_i32.to_be_bytes()).await;
    closes(&rig, "empty frame", &[0, 0, 0, 0]).await;
    closes(&rig, "half a frame, then silence", &[0, 0, 0, 20, 0, 3, 0]).await;
    closes(&rig, "TLS hello", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await;
    closes(&rig, "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    closes(&rig, "random bytes", &[0x00, 0x00, 0x00, 0x08, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]).await;
    closes(&rig, "unknown key", &frame(999, 0, &[])).await;
    closes(&rig, "negative key", &frame(-1, 0, &[])).await;
    closes(&rig, "API that is not served", &frame(4, 0, &[])).await;
    closes(&rig, "version that is too new", &frame(3, 99, &[])).await;
    closes(&rig, "negative version", &frame(3, -1, &[])).await;
    closes(&rig, "cut body", &frame(3, 1, &[0, 0])).await;
    closes(&rig, "array that claims two billion", &frame(3, 1, &[0x7f, 0xff, 0xff, 0xff])).await;
    closes(&rig, "name that is no UTF-8", &frame(3, 1, &[0, 0, 0, 1, 0, 2, 0xc3, 0x28])).await;
    let mut other = rig.client().await;
    assert_eq!(other.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test]
async fn a_too_new_api_versions_is_answered_in_the_oldest_form() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    // Flexible header: a tag section after the client id; the body is of a version nobody knows.
    client.stream.write_all(&frame(18, 77, &[0, 1, 2, 3])).await.unwrap();
    let answer = client.frame().await;
    assert_eq!(answer.get(..4), Some(&[0, 0, 0, 7][..]));
    let response = ApiVersionsResponse::from_body(answer.slice(4..), 0).unwrap();
    assert_eq!(error(response.error_code), ErrorCode::UnsupportedVersion);
    let row = &response.api_keys[..];
    assert_eq!(row.len(), 1);
    assert_eq!((row[0].api_key, row[0].min_version), (18, 0));
    // The connection goes on.
    client.stream.write_all(&frame(18, 0, &[])).await.unwrap();
    let answer = client.frame().await;
    let response = ApiVersionsResponse::from_body(answer.slice(4..), 0).unwrap();
    assert_eq!(response.error_code, 0);
}

#[tokio::test]
async fn a_first_request_of_900_kilobytes_is_taken() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let answer = client.produce(2, &topic, batch(&[&vec![1; 900_000]])).await;
    assert_eq!(error(answer.error_code), ErrorCode::None);
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for byte in frame(18, 0, &[]) {
        client.stream.write_all(&[byte]).await.unwrap();
        client.stream.flush().await.unwrap();
    }
    let answer = client.frame().await;
    assert_eq!(ApiVersionsResponse::from_body(answer.slice(4..), 0).unwrap().error_code, 0);
}

#[tokio::test]
async fn a_hundred_thousand_times_the_same_topic_is_answered_once() {
    let rig = Rig::new().await;
    let name = "a-name-of-ordinary-length";
    rig.topic(name, 100, &[]);
    let mut client = rig.client().await;
    let topic = kafka_wire::messages::metadata_request::MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let request = MetadataRequest { topics: Some(vec![topic; 100_000]), ..MetadataRequest::default() };
    assert_eq!(client.call(9, &request).await.topics.len(), 1);
}
