use super::super::build::{BatchBuilder, NewRecord};
use super::super::testing::unhex;
use super::*;

/// Written by Kafka 4.1.2: (k, v1) and (null, v2) at offset 0.
const TWO: &str = "0000000000000000 00000044 00000000 02 28181746 0000 00000001 000001a206f51a16 000001a206f51a16 \
    ffffffffffffffff ffff ffffffff 00000002 12000000026b04763100100000020104763200";
/// Written by Kafka 2.2.0 to a topic with append time: the same two.
const APPEND_TIME: &str = "0000000000000000 00000044 00000000 02 653e232a 0008 00000001 000001a206f50cd6 \
    000001a206f50cdb ffffffffffffffff ffff ffffffff 00000002 12000000026b04763100100000020104763200";

fn batch(records: &[NewRecord<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for record in records {
        builder.push(record);
    }
    builder.finish().unwrap()
}

#[test]
fn records_of_a_real_batch() {
    let bytes = unhex(TWO);
    let view = BatchView::parse(&bytes).unwrap();
    view.check_crc().unwrap();
    let records = view.records(0).unwrap();
    let records: Vec<_> = records.iter().map(Result::unwrap).collect();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].key, records[0].value), (Some(&b"k"[..]), Some(&b"v1"[..])));
    assert_eq!((records[1].key, records[1].value), (None, Some(&b"v2"[..])));
    assert_eq!((records[1].offset.get(), records[1].timestamp), (1, Timestamp::from_millis(0x1a2_06f5_1a16)));
    // Borrowed from the batch itself.
    assert!(bytes.as_ptr_range().contains(&records[1].value.unwrap().as_ptr()));
}

#[test]
fn append_time_overrides_every_record() {
    let bytes = unhex(APPEND_TIME);
    let view = BatchView::parse(&bytes).unwrap();
    view.check_crc().unwrap();
    let times: Vec<_> = view.records(0).unwrap().iter().map(|r| r.unwrap().timestamp).collect();
    assert_eq!(times, [Timestamp::from_millis(0x1a2_06f5_0cdb); 2]);
}

#[test]
fn headers_come_in_order_with_doubles_and_nulls() {
    let headers = [("a", Some(&b"x"[..])), ("a", Some(b"y")), ("n", None), ("\u{e9}", Some(b""))];
    let bytes = batch(&[NewRecord::value(b"v").with_headers(&headers)]);
    let records = BatchView::parse(&bytes).unwrap().records(0).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(record.headers.len(), 4);
    let read: Vec<_> = record.headers.into_iter().map(|h| (h.key_str().unwrap(), h.value)).collect();
    assert_eq!(read, headers);
}

#[test]
fn an_error_ends_the_iteration() {
    let mut bytes = batch(&[NewRecord::value(b"one"), NewRecord::value(b"two")]);
    bytes[super::super::batch::HEADER_LEN] = 0x81;
    let view = BatchView::parse(&bytes).unwrap();
    let records = view.records(0).unwrap();
    let got: Vec<_> = records.iter().collect();
    assert_eq!(got.len(), 1);
    assert!(matches!(got[0], Err(CorruptReason::Record { index: 0, .. })));
}

#[test]
fn a_count_that_lies_is_found_both_ways() {
    let one = batch(&[NewRecord::value(b"one")]);
    let two = batch(&[NewRecord::value(b"one"), NewRecord::value(b"two")]);
    let with = |bytes: &[u8], count: i32| {
        let mut bytes = bytes.to_vec();
        bytes[super::super::batch::LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&1i32.to_be_bytes());
        bytes[super::super::batch::RECORD_COUNT_AT..][..4].copy_from_slice(&count.to_be_bytes());
        let view = BatchView::parse(&bytes).unwrap();
        view.records(0).unwrap().iter().last().unwrap().map(|_| ())
    };
    assert_eq!(with(&two, 2), Ok(()));
    assert!(matches!(with(&one, 2), Err(CorruptReason::Record { index: 1, .. })));
    assert!(matches!(with(&two, 1), Err(CorruptReason::Record { index: 1, .. })));
}
