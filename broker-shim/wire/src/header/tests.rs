use super::*;
use crate::message::Message;
use crate::messages::api_versions_response::ApiVersion;
use crate::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use crate::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchResponse, HeartbeatRequest, HeartbeatResponse,
    MetadataRequest,
};
use crate::writer::{Payload, concat};

fn split(bytes: &[u8]) -> Result<(RequestHeader, Bytes), DecodeError> {
    RequestHeader::split(Bytes::copy_from_slice(bytes))
}

#[test]
fn a_classic_header_is_key_version_correlation_and_client() {
    let (header, body) = split(b"\0\x03\0\x01\0\0\0\x07\0\x02me\xff\xff\xff\xff").unwrap();
    let expected = RequestHeader {
        key: ApiKey::Metadata,
        version: 1,
        correlation_id: 7,
        client_id: Some("me".to_owned()),
    };
    assert_eq!(header, expected);
    assert_eq!(MetadataRequest::from_body(body, 1).unwrap().topics, None);
    assert!(header.is_known());
}

#[test]
fn a_flexible_header_keeps_the_classic_client_id_and_skips_unknown_tags() {
    let (header, body) =
        split(b"\0\x0c\0\x04\0\0\0\x01\0\x01c\x01\x05\x02\xaa\xbb\x02g\0\0\0\x03\x02m\0\0").unwrap();
    assert_eq!(header.client_id.as_deref(), Some("c"));
    let beat = HeartbeatRequest::from_body(body, 4).unwrap();
    assert_eq!((beat.group_id.as_str(), beat.generation_id, beat.member_id.as_str()), ("g", 3, "m"));
    assert_eq!(beat.group_instance_id, None);
}

#[test]
fn the_oldest_header_has_no_client_id() {
    // ControlledShutdown has no messages here, so its header is refused by version, not misread.
    let e = split(b"\0\x07\0\0\0\0\0\x01").unwrap_err();
    assert_eq!((e.message, e.problem), ("ControlledShutdown", Problem::Version { min: 0, max: -1 }));
}

#[test]
fn of_a_too_new_api_versions_only_the_header_is_read() {
    let (header, body) = split(b"\0\x12\0\x63\0\0\0\x09\0\x01c\0anything").unwrap();
    assert_eq!((header.key, header.version, header.correlation_id), (ApiKey::ApiVersions, 99, 9));
    assert!(!header.is_known());
    assert_eq!(&body[..], b"anything");
}

#[test]
fn unknown_keys_and_versions_are_refused_with_what_is_known() {
    let e = split(b"\x7f\xff\0\0\0\0\0\x01\xff\xff").unwrap_err();
    assert_eq!(e.problem, Problem::ApiKey(i16::MAX));
    assert_eq!(e.to_string(), "RequestHeader v1: api_key at byte 2: api key 32767 is unknown");
    let e = split(b"\0\0\0\x63\0\0\0\x01\xff\xff").unwrap_err();
    assert_eq!(e.to_string(), "Produce v99: api_version at byte 4: version is outside 0..=13");
    assert!(split(b"\0\x12\xff\xff\0\0\0\x01\xff\xff").is_err(), "a negative version of ApiVersions");
}

#[test]
fn a_header_cut_anywhere_is_an_error() {
    let whole = b"\0\x0c\0\x04\0\0\0\x01\0\x01c\0";
    assert!(split(whole).is_ok());
    for end in 0..whole.len() {
        assert!(split(&whole[..end]).is_err(), "{end}");
    }
}

/// The first request of kafka-python in auto mode, and its answer, byte for byte.
#[test]
fn frames_carry_their_size() {
    let frame = concat(&request_frame(0, 1, Some("kp"), &ApiVersionsRequest::default()).unwrap());
    assert_eq!(&frame[..], b"\0\0\0\x0c\0\x12\0\0\0\0\0\x01\0\x02kp");
    let row = ApiVersion { api_key: 18, min_version: 0, max_version: 4 };
    let body = ApiVersionsResponse { api_keys: vec![row], ..ApiVersionsResponse::default() };
    let frame = concat(&response_frame(0, 1, &body).unwrap());
    assert_eq!(&frame[..], b"\0\0\0\x10\0\0\0\x01\0\0\0\0\0\x01\0\x12\0\0\0\x04");
}

#[test]
fn only_api_versions_answers_flexible_versions_with_the_old_header() {
    let frame = concat(&response_frame(3, 5, &ApiVersionsResponse::default()).unwrap());
    assert_eq!(&frame[..], b"\0\0\0\x0c\0\0\0\x05\0\0\x01\0\0\0\0\0");
    let frame = concat(&response_frame(4, 5, &HeartbeatResponse::default()).unwrap());
    assert_eq!(&frame[..], b"\0\0\0\x0c\0\0\0\x05\0\0\0\0\0\0\0\0");
    let (correlation_id, body) = split_response(ApiKey::Heartbeat, 4, frame.slice(4..)).unwrap();
    assert_eq!(correlation_id, 5);
    assert_eq!(HeartbeatResponse::from_body(body, 4), Ok(HeartbeatResponse::default()));
}

#[test]
fn a_request_survives_its_frame() {
    let beat = HeartbeatRequest { group_id: "g".into(), generation_id: 3, ..HeartbeatRequest::default() };
    for version in 0..=4 {
        let frame = concat(&request_frame(version, 77, None, &beat).unwrap());
        let (header, body) = RequestHeader::split(frame.slice(4..)).unwrap();
        assert_eq!((header.key, header.version, header.correlation_id), (ApiKey::Heartbeat, version, 77));
        assert_eq!(HeartbeatRequest::from_body(body, version).as_ref(), Ok(&beat));
    }
}

/// The size at the front counts bytes that are not there yet, and records are the caller's own memory.
#[test]
fn a_fetch_frame_counts_its_gaps_and_copies_no_record() {
    let records = Bytes::from(vec![7_u8; 3]);
    let partition = |index: i32, records: Payload| PartitionData {
        partition_index: index,
        records,
        ..PartitionData::default()
    };
    let topic = FetchableTopicResponse {
        topic: "t".into(),
        partitions: vec![
            partition(0, Payload::Gap { slot: 4, len: 1000 }),
            partition(1, Payload::Bytes(records.clone())),
            partition(2, Payload::None),
        ],
        ..FetchableTopicResponse::default()
    };
    let body = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    for version in 0..=12 {
        let segments = response_frame(version, 1, &body).unwrap();
        let total: usize = segments.iter().map(Segment::len).sum();
        let [
            Segment::Bytes(first),
            Segment::Gap { slot: 4, len: 1000 },
            Segment::Bytes(_),
            Segment::Bytes(third),
            ..,
        ] = &segments[..]
        else {
            panic!("{segments:?}");
        };
        assert_eq!(first[..4], u32::try_from(total - 4).unwrap().to_be_bytes());
        assert_eq!(third.as_ptr(), records.as_ptr());
    }
}

/// Whoever counts errors sees those that the version carries, wherever they stand, and nothing for success.
#[test]
fn error_codes_are_told_beside_the_frame() {
    let partition = |error_code: i16| PartitionData { error_code, ..PartitionData::default() };
    let topic = FetchableTopicResponse {
        partitions: vec![partition(0), partition(3), partition(1)],
        ..FetchableTopicResponse::default()
    };
    let body = FetchResponse { error_code: 70, responses: vec![topic], ..FetchResponse::default() };
    let codes = |version| response_frame_with_codes(version, 1, &body).unwrap().1;
    assert_eq!(codes(6), [3, 1], "this version has no code for the whole");
    assert_eq!(codes(7), [70, 3, 1]);
    let (_, none) = response_frame_with_codes(12, 1, &FetchResponse::default()).unwrap();
    assert!(none.is_empty());
}
