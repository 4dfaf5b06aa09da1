use super::super::testing::unhex;
use super::*;
use proptest::prelude::*;

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn stamp(id: i64, epoch: i16, sequence: i32) -> ProducerStamp {
    ProducerStamp {
        id: ProducerId::new(id).unwrap(),
        epoch: ProducerEpoch::new(epoch).unwrap(),
        base_sequence: Sequence::new(sequence),
    }
}

#[test]
fn kafkas_bytes_are_ours() {
    let at = time(0x1a2_06f5_1a16);
    let mut builder = BatchBuilder::new().at(Offset::ZERO, Some(LeaderEpoch::ZERO));
    builder.push(&NewRecord::keyed(b"k", b"v1").at(at)).push(&NewRecord::value(b"v2").at(at));
    let golden = "0000000000000000 00000044 00000000 02 28181746 0000 00000001 000001a206f51a16 000001a206f51a16 \
        ffffffffffffffff ffff ffffffff 00000002 12000000026b04763100100000020104763200";
    assert_eq!(builder.finish().unwrap(), unhex(golden));
}

#[test]
fn append_time_and_producer_are_kafkas_bytes() {
    let mut builder =
        BatchBuilder::new().at(Offset::ZERO, Some(LeaderEpoch::ZERO)).log_append_time(time(0x1a2_06f5_0cdb));
    let at = time(0x1a2_06f5_0cd6);
    builder.push(&NewRecord::keyed(b"k", b"v1").at(at)).push(&NewRecord::value(b"v2").at(at));
    let golden = "0000000000000000 00000044 00000000 02 653e232a 0008 00000001 000001a206f50cd6 000001a206f50cdb \
        ffffffffffffffff ffff ffffffff 00000002 12000000026b04763100100000020104763200";
    assert_eq!(builder.finish().unwrap(), unhex(golden));

    let at = time(0x1a2_06f5_0d05);
    let mut builder = BatchBuilder::new()
        .at(Offset::new(0x16).unwrap(), Some(LeaderEpoch::ZERO))
        .producer(stamp(4000, 0, 0));
    builder.push(&NewRecord::keyed(b"k", b"v1").at(at)).push(&NewRecord::value(b"v2").at(at));
    let golden = "0000000000000016 00000044 00000000 02 65cdde9a 0000 00000001 000001a206f50d05 000001a206f50d05 \
        0000000000000fa0 0000 00000000 00000002 12000000026b04763100100000020104763200";
    assert_eq!(builder.finish().unwrap(), unhex(golden));
}

#[test]
fn a_transaction_and_its_marker_are_kafkas_bytes() {
    let mut builder = BatchBuilder::new()
        .at(Offset::ZERO, Some(LeaderEpoch::ZERO))
        .producer(stamp(1, 1, 0))
        .transactional(true);
    builder.push(&NewRecord::keyed(b"k", b"v").at(time(0x1a2_06f6_ab2d)));
    let data = "0000000000000000 0000003a 00000000 02 e7b739e6 0010 00000000 000001a206f6ab2d 000001a206f6ab2d \
        0000000000000001 0001 00000000 00000001 10000000026b027600";
    assert_eq!(builder.finish().unwrap(), unhex(data));

    let who = stamp(1, 1, -1);
    let mut marker = control_marker(who.id, who.epoch, false, 0, time(0x1a2_06f6_ac31));
    batch::patch(&mut marker, Offset::new(1).unwrap(), LeaderEpoch::ZERO);
    let golden = "0000000000000001 00000042 00000000 02 d7fc6782 0030 00000000 000001a206f6ac31 000001a206f6ac31 \
        0000000000000001 0001 ffffffff 00000001 2000000008000000000c00000000000000";
    assert_eq!(marker, unhex(golden));
    let records = BatchView::parse(&marker).unwrap().records(0).unwrap();
    assert_eq!(read_marker(&records.iter().next().unwrap().unwrap()), Some((false, 0)));
}

#[test]
fn records_without_a_time_have_none() {
    let mut builder = BatchBuilder::new().at(Offset::new(0x12).unwrap(), Some(LeaderEpoch::ZERO));
    builder.push(&NewRecord::keyed(b"k", b"m0"));
    let golden = "0000000000000012 0000003b 00000000 02 9d14443f 0000 00000000 ffffffffffffffff ffffffffffffffff \
        ffffffffffffffff ffff ffffffff 00000001 12000000026b046d3000";
    assert_eq!(builder.finish().unwrap(), unhex(golden));
}

#[test]
fn a_batch_without_records_keeps_its_offsets() {
    let bytes = BatchBuilder::new().last_offset_delta(9).finish().unwrap();
    assert_eq!(bytes.len(), HEADER_LEN);
    let view = BatchView::parse(&bytes).unwrap();
    view.check_crc().unwrap();
    assert_eq!((view.record_count(), view.next_offset().get()), (0, 10));
    assert_eq!(view.records(0).unwrap().iter().count(), 0);
}

#[test]
fn gaps_are_kept_and_rewriting_closes_them() {
    let mut source = BatchBuilder::new();
    source.push(&NewRecord::value(b"a").at(time(7))).push(&NewRecord::value(b"b"));
    let bytes = source.finish().unwrap();
    let records = BatchView::parse(&bytes).unwrap().records(0).unwrap();
    let mut gapped = BatchBuilder::new();
    for (delta, record) in [3, 8].into_iter().zip(&records) {
        gapped.push_record(delta, &record.unwrap());
    }
    let gapped = gapped.last_offset_delta(10).finish().unwrap();
    let view = BatchView::parse(&gapped).unwrap();
    assert_eq!(view.last_offset_delta(), 10);
    let offsets = |view: &BatchView<'_>| -> Vec<_> {
        view.records(1000).unwrap().iter().map(|r| r.unwrap().offset.get()).collect()
    };
    assert_eq!(offsets(&view), [3, 8]);
    let rewritten = rewrite(&view, Codec::Gzip, 1000).unwrap();
    let view = BatchView::parse(&rewritten).unwrap();
    view.check_crc().unwrap();
    assert_eq!((offsets(&view), view.last_offset_delta()), (vec![0, 1], 1));
    assert_eq!(view.attributes().codec(), Ok(Codec::Gzip));
}

/// A record that owns its parts, for generated input.
type Parts = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>, Option<i64>);

pub(crate) fn any_parts() -> impl Strategy<Value = Parts> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let headers = proptest::collection::vec((".{0,8}", bytes()), 0..4);
    (bytes(), bytes(), headers, proptest::option::of(0i64..=i64::MAX))
}

pub(crate) fn any_codec() -> impl Strategy<Value = Codec> {
    (0u8..5).prop_map(|id| Codec::from_id(id).unwrap())
}

/// A batch of generated records, as a client would send it.
pub(crate) fn build(parts: &[Parts], codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new().codec(codec);
    for (key, value, headers, timestamp) in parts {
        let headers: Vec<_> = headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        builder.push(&NewRecord {
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &headers,
            timestamp: timestamp.and_then(Timestamp::from_millis),
        });
    }
    builder.finish().unwrap()
}

/// The records as generated input.
pub(crate) fn read_back(view: &BatchView<'_>) -> Vec<Parts> {
    let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let records = view.records(1 << 24).unwrap();
    records
        .iter()
        .map(|record| {
            let record = record.unwrap();
            let headers =
                record.headers.into_iter().map(|h| (h.key_str().unwrap().to_owned(), own(h.value))).collect();
            (own(record.key), own(record.value), headers, record.timestamp.map(Timestamp::as_millis))
        })
        .collect()
}

proptest! {
    #[test]
    fn what_is_pushed_is_read(parts in proptest::collection::vec(any_parts(), 1..8), codec in any_codec()) {
        let bytes = build(&parts, codec);
        let view = BatchView::parse(&bytes).unwrap();
        prop_assert_eq!(view.check_crc(), Ok(()));
        prop_assert_eq!(view.len(), bytes.len());
        let newest = parts.iter().filter_map(|p| p.3).max();
        prop_assert_eq!(view.max_timestamp().map(Timestamp::as_millis), newest);
        prop_assert_eq!(read_back(&view), parts);
    }

    #[test]
    fn rewriting_keeps_the_records(
        parts in proptest::collection::vec(any_parts(), 1..8), from in any_codec(), to in any_codec()
    ) {
        let bytes = build(&parts, from);
        let rewritten = rewrite(&BatchView::parse(&bytes).unwrap(), to, 1 << 20).unwrap();
        prop_assert_eq!(&rewritten, &build(&parts, to));
    }
}
