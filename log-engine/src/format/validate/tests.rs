use super::super::batch::Codec;
use super::super::build::tests::{any_codec, any_parts, build, read_back};
use super::super::build::{BatchBuilder, NewRecord, rewrite};
use super::super::codec::compress;
use super::*;
use crate::types::{ProducerEpoch, ProducerId, Sequence};
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn rules() -> ClientRules {
    ClientRules {
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        before_max_ms: i64::MAX,
        after_max_ms: 3_600_000,
        now: time(NOW),
        decompressed_cap: 16 << 20,
    }
}

fn two() -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    builder
        .push(&NewRecord::keyed(b"k", b"v1").at(time(NOW)))
        .push(&NewRecord::value(b"v2").at(time(NOW - 5)));
    builder
}

fn refuse(data: &[u8], rules: &ClientRules) -> Rejected {
    validate_client_batch(data, rules).unwrap_err()
}

/// Changes a field and makes the checksum fit again.
fn with_field(at: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = two().finish().unwrap();
    bytes[at..at + field.len()].copy_from_slice(field);
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[batch::ATTRIBUTES_AT..]);
    bytes[batch::CRC_AT..batch::ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}

#[test]
fn a_sound_batch_passes_and_what_follows_is_trimmed() {
    let mut data = two().finish().unwrap();
    let len = data.len();
    for trailing in [&b""[..], b"x", &[0; 100], &[0xff; 100]] {
        data.truncate(len);
        data.extend_from_slice(trailing);
        let valid = validate_client_batch(&data, &rules()).unwrap();
        assert_eq!((valid.view().len(), valid.trailing()), (len, trailing.len()));
        assert_eq!((valid.max_timestamp(), valid.is_numbered()), (Some(time(NOW)), true));
    }
    // The beginning of another batch is no batch.
    let again = data[..len - 1].to_vec();
    data.truncate(len);
    data.extend(again);
    assert!(validate_client_batch(&data, &rules()).is_ok());
}

#[test]
fn less_than_a_batch_is_empty() {
    let data = two().finish().unwrap();
    for len in 0..data.len() {
        assert_eq!(refuse(&data[..len], &rules()), Rejected::Empty(len));
    }
}

#[test]
fn two_batches_are_refused() {
    let data = two().finish().unwrap().repeat(2);
    assert_eq!(refuse(&data, &rules()), Rejected::MoreThanOneBatch);
    // An old message behind it, too.
    let old = super::super::testing::unhex("000000000000000000000011bf61af2b0000000000016b000000026d30");
    let data = [two().finish().unwrap(), old.clone()].concat();
    assert_eq!(refuse(&data, &rules()), Rejected::MoreThanOneBatch);
    assert_eq!(refuse(&old, &rules()), Rejected::Magic(0));
}

#[test]
fn lengths_and_magics_nobody_writes_are_refused() {
    let with_len = |len: i32| with_field(batch::LENGTH_AT, &len.to_be_bytes());
    for len in [-1, 0, 13, i32::MIN] {
        assert_eq!(refuse(&with_len(len), &rules()), Rejected::Corrupt(CorruptReason::BatchLength(len)));
    }
    assert_eq!(refuse(&with_len(48), &rules()), Rejected::Corrupt(CorruptReason::BatchLength(48)));
    assert!(matches!(refuse(&with_len(i32::MAX), &rules()), Rejected::Empty(_)));
    assert_eq!(refuse(&with_field(batch::MAGIC_AT, &[3]), &rules()), Rejected::Magic(3));
    assert_eq!(refuse(&with_field(batch::MAGIC_AT, &[0xff]), &rules()), Rejected::Magic(-1));
}

#[test]
fn sizes_are_limited() {
    let data = two().finish().unwrap();
    let (size, base) = (data.len(), rules());
    let limited = ClientRules { max_message_bytes: size - 1, ..base };
    assert_eq!(refuse(&data, &limited), Rejected::TooLarge { size, max: size - 1 });
    assert!(validate_client_batch(&data, &ClientRules { max_message_bytes: size, ..base }).is_ok());
    let limited = ClientRules { segment_bytes: size - 1, ..base };
    assert_eq!(refuse(&data, &limited), Rejected::LargerThanSegment { size, segment: size - 1 });
    assert!(validate_client_batch(&data, &ClientRules { segment_bytes: size, ..base }).is_ok());
}

#[test]
fn any_flipped_bit_behind_the_checksum_is_noticed() {
    let data = two().finish().unwrap();
    for bit in batch::CRC_AT * 8..data.len() * 8 {
        let mut bad = data.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(refuse(&bad, &rules()), Rejected::Corrupt(CorruptReason::Checksum { .. })),
            "bit {bit}"
        );
    }
}

#[test]
fn headers_that_lie_are_invalid() {
    let bad = [
        ("base offset", with_field(0, &1i64.to_be_bytes())),
        ("base offset", with_field(0, &(-1i64).to_be_bytes())),
        ("delta", with_field(batch::LAST_OFFSET_DELTA_AT, &2i32.to_be_bytes())),
        ("delta", with_field(batch::LAST_OFFSET_DELTA_AT, &(-1i32).to_be_bytes())),
        ("count", with_field(batch::RECORD_COUNT_AT, &1i32.to_be_bytes())),
        ("count", with_field(batch::RECORD_COUNT_AT, &3i32.to_be_bytes())),
        ("count", with_field(batch::RECORD_COUNT_AT, &(-1i32).to_be_bytes())),
        ("control", with_field(batch::ATTRIBUTES_AT, &0x20u16.to_be_bytes())),
        ("transaction", with_field(batch::ATTRIBUTES_AT, &0x10u16.to_be_bytes())),
        ("epoch", with_field(batch::PRODUCER_ID_AT, &5i64.to_be_bytes())),
        ("no records", BatchBuilder::new().finish().unwrap()),
    ];
    for (what, data) in bad {
        assert!(
            matches!(refuse(&data, &rules()), Rejected::Invalid(_)),
            "{what}: {:?}",
            refuse(&data, &rules())
        );
    }
    let stamp = |sequence| batch::ProducerStamp {
        id: ProducerId::new(5).unwrap(),
        epoch: ProducerEpoch::new(0).unwrap(),
        base_sequence: sequence,
    };
    let data = two().producer(stamp(None)).finish().unwrap();
    assert!(matches!(refuse(&data, &rules()), Rejected::Invalid(_)));
    let data = two().producer(stamp(Sequence::new(0))).transactional(true).finish().unwrap();
    assert!(validate_client_batch(&data, &rules()).is_ok());
}

#[test]
fn streams_that_do_not_open_are_told_from_records_that_cannot_be_walked() {
    for id in 1..8u16 {
        let data = with_field(batch::ATTRIBUTES_AT, &id.to_be_bytes());
        assert!(matches!(refuse(&data, &rules()), Rejected::Unreadable(_)), "codec {id}");
    }
    let data = with_field(HEADER_LEN, &[0x7f]);
    assert!(matches!(refuse(&data, &rules()), Rejected::Records(CorruptReason::Record { index: 0, .. })));
    // The same inside a stream that opens.
    let mut body = data[HEADER_LEN..].to_vec();
    body[0] = 0x7f;
    let mut data = data[..HEADER_LEN].to_vec();
    data.extend(compress(Codec::Gzip, &body).unwrap());
    let len = i32::try_from(data.len() - batch::LENGTH_OVERHEAD).unwrap();
    data[batch::LENGTH_AT..][..4].copy_from_slice(&len.to_be_bytes());
    data[batch::ATTRIBUTES_AT + 1] = 1;
    seal(&mut data);
    assert!(matches!(refuse(&data, &rules()), Rejected::Records(CorruptReason::Record { index: 0, .. })));
}

#[test]
fn keys_and_times_are_refused_by_record() {
    let mut builder = BatchBuilder::new();
    for (key, offset) in [(true, 0), (false, 0), (true, 3_600_000), (true, 3_600_001), (false, 9_999_999)] {
        let record = NewRecord { key: key.then_some(b"k"), value: Some(b"v"), ..NewRecord::default() };
        builder.push(&record.at(time(NOW + offset)));
    }
    let data = builder.push(&NewRecord::keyed(b"k", b"v")).clone().codec(Codec::Lz4).finish().unwrap();
    let out_of_time = |records: Vec<u32>, allowed| Rejected::Timestamp { records, allowed: Some(allowed) };
    let until = NOW + 3_600_000;
    assert_eq!(refuse(&data, &rules()), out_of_time(vec![3, 4], i64::MIN..=until));
    assert_eq!(
        refuse(&data, &rules()).to_string(),
        format!("records 3, 4 out of time: at most {until} ms is allowed")
    );
    let compacted = ClientRules { compacted: true, ..rules() };
    assert_eq!(refuse(&data, &compacted), out_of_time(vec![3], i64::MIN..=until));
    let by_log = ClientRules { timestamp_type: TimestampType::LogAppendTime, ..compacted };
    assert_eq!(refuse(&data, &by_log), Rejected::MissingKey(vec![1, 4]));
    assert_eq!(refuse(&data, &by_log).to_string(), "records 1, 4 without a key in a compacted log");
    let many = Rejected::MissingKey((3..20).collect()).to_string();
    assert_eq!(many, "records 3, 4, 5, 6, 7 and 12 more without a key in a compacted log");
    let past = ClientRules { before_max_ms: 4, after_max_ms: i64::MAX, ..rules() };
    let late = refuse(&two().finish().unwrap(), &past);
    assert_eq!(late, out_of_time(vec![1], NOW - 4..=i64::MAX));
    assert_eq!(late.to_string(), format!("record 1 out of time: at least {} ms is allowed", NOW - 4));
    assert!(
        validate_client_batch(&two().finish().unwrap(), &ClientRules { before_max_ms: 5, ..past }).is_ok()
    );
}

#[test]
fn a_bomb_is_refused_at_the_cap() {
    let value = vec![0; 32 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new().codec(codec);
        builder.push(&NewRecord::value(&value));
        let data = builder.finish().unwrap();
        let tight = ClientRules { max_message_bytes: 1 << 22, ..rules() };
        assert!(matches!(refuse(&data, &tight), Rejected::Unreadable(_)), "{codec:?}");
        assert!(validate_client_batch(&data, &ClientRules { decompressed_cap: 33 << 20, ..tight }).is_ok());
    }
}

#[test]
fn the_stored_head_is_patched_and_sound() {
    // As small as most, and large enough for the combined checksum.
    for size in [10, COMBINE_FROM + 1] {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord::value(&vec![9; size]).at(time(NOW - 1)));
        let mut data = builder.finish().unwrap();
        // A producer that lies about the greatest timestamp and calls it the log's.
        data[batch::MAX_TIMESTAMP_AT..][..8].copy_from_slice(&77i64.to_be_bytes());
        data[batch::ATTRIBUTES_AT + 1] = 0x08;
        seal(&mut data);
        for (kind, expected) in [(TimestampType::CreateTime, NOW - 1), (TimestampType::LogAppendTime, NOW)] {
            let valid =
                validate_client_batch(&data, &ClientRules { timestamp_type: kind, ..rules() }).unwrap();
            let head = valid.head(Offset::new(500).unwrap(), LeaderEpoch::new(3).unwrap());
            let stored = [&head[..], valid.view().body()].concat();
            let view = BatchView::parse(&stored).unwrap();
            view.check_crc().unwrap();
            assert_eq!((view.base_offset().get(), view.leader_epoch()), (500, LeaderEpoch::new(3)));
            assert_eq!(
                (view.max_timestamp(), view.attributes().timestamp_type()),
                (Some(time(expected)), kind)
            );
            assert_eq!(view.raw_base_timestamp(), NOW - 1);
            assert_eq!(valid.max_timestamp(), Some(time(expected)));
        }
    }
}

#[test]
fn a_batch_that_needs_no_change_keeps_its_checksum() {
    let data = two().finish().unwrap();
    let valid = validate_client_batch(&data, &rules()).unwrap();
    let head = valid.head(Offset::ZERO, LeaderEpoch::ZERO);
    assert_eq!(head[batch::CRC_AT..], data[batch::CRC_AT..HEADER_LEN]);
}

#[test]
fn other_numbers_are_noticed_and_rewritten() {
    let mut source = two().codec(Codec::Zstd);
    source.push(&NewRecord::value(b"v3"));
    let bytes = source.finish().unwrap();
    let view = BatchView::parse(&bytes).unwrap();
    let records = view.records(1000).unwrap();
    // All 0, as an old client may number them, is no order: build 0, 2, 2 by hand through a gap.
    let mut gapped = BatchBuilder::new();
    for (delta, record) in [0, 2].into_iter().zip(&records) {
        gapped.push_record(delta, &record.unwrap());
    }
    let mut data = gapped.finish().unwrap();
    // Two records, so the last delta must be 1 for the header to pass; record 1 then lies outside.
    data[batch::LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&1i32.to_be_bytes());
    seal(&mut data);
    assert!(matches!(refuse(&data, &rules()), Rejected::Records(_)));
    // Delta 2 (zigzag 4) becomes 0: both records say 0.
    let second = HEADER_LEN + 1 + usize::from(data[HEADER_LEN] >> 1);
    let delta_at = (second..data.len()).find(|at| data[*at] == 4).unwrap();
    data[delta_at] = 0;
    seal(&mut data);
    let valid = validate_client_batch(&data, &rules()).unwrap();
    assert!(!valid.is_numbered());
    let fixed = rewrite(&valid.view(), Codec::None, 1000).unwrap();
    assert!(validate_client_batch(&fixed, &rules()).unwrap().is_numbered());
    assert_eq!(read_back(&BatchView::parse(&fixed).unwrap()), read_back(&valid.view()));
}

proptest! {
    #[test]
    fn what_is_built_is_valid_and_unchanged(
        parts in proptest::collection::vec(any_parts(), 1..8), codec in any_codec()
    ) {
        let data = build(&parts, codec);
        let valid = validate_client_batch(&data, &ClientRules { after_max_ms: i64::MAX, ..rules() }).unwrap();
        prop_assert!(valid.is_numbered());
        prop_assert_eq!(read_back(&valid.view()), parts);
    }

    /// The walk and the iteration agree on what can be walked, and nothing panics.
    #[test]
    fn mutated_batches_are_judged_alike(
        parts in proptest::collection::vec(any_parts(), 1..5),
        codec in any_codec(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let mut data = build(&parts, codec);
        for (at, byte) in &flips {
            let at = at.index(data.len());
            data[at] = *byte;
        }
        seal(&mut data);
        let _ = validate_client_batch(&data[..cut.index(data.len())], &rules());
        let _ = validate_client_batch(&data, &rules());
        if let Ok(view) = BatchView::parse(&data) {
            let mut heads = Vec::new();
            let walked = walk(&view, 1 << 16, |head| heads.push(head.delta));
            let iterated: Result<Vec<_>, _> = view
                .records(1 << 16)
                .and_then(|records| records.iter().map(|r| r.map(|r| r.offset.distance_from(view.base_offset()))).collect());
            prop_assert_eq!(walked.is_ok(), iterated.is_ok(), "{:?} {:?}", walked, iterated);
            if let Ok(offsets) = iterated {
                prop_assert_eq!(heads.into_iter().map(i64::from).collect::<Vec<_>>(), offsets);
            }
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(mut data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = validate_client_batch(&data, &rules());
        if data.len() > HEADER_LEN {
            let len = i32::try_from(data.len() - batch::LENGTH_OVERHEAD).unwrap();
            data[..8].fill(0);
            data[batch::LENGTH_AT..][..4].copy_from_slice(&len.to_be_bytes());
            data[batch::MAGIC_AT] = 2;
            seal(&mut data);
            let _ = validate_client_batch(&data, &rules());
        }
    }
}
