use super::message::{Message, NewMessage};
use super::*;
use log_engine::format::batch::{self, BatchView, Codec, ProducerStamp, TimestampType};
use log_engine::format::build::{BatchBuilder, NewRecord, control_marker};
use log_engine::format::codec::{Lz4Header, compress, compress_for};
use log_engine::format::validate::Rejected;
use log_engine::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use proptest::prelude::*;

mod golden;

const CAP: usize = 1 << 20;
const MAGICS: [OldMagic; 2] = [OldMagic::V0, OldMagic::V1];
const OLD_CODECS: [Codec; 4] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4];

/// Offset, timestamp (-1 none), key, value.
type Read = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

fn time(raw: i64) -> Option<Timestamp> {
    Timestamp::from_millis(raw)
}

fn up_rules() -> UpRules {
    UpRules { max_message_bytes: CAP, decompressed_cap: CAP, codec: None }
}

fn down_rules(magic: OldMagic) -> DownRules {
    DownRules { magic, from: Offset::ZERO, max_bytes: CAP, first_whole: true, decompressed_cap: CAP }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// A plain message as a client sends it.
fn plain(magic: OldMagic, number: i64, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
    put(
        magic,
        &NewMessage {
            offset: offset(number),
            codec: Codec::None,
            timestamp_type: TimestampType::CreateTime,
            timestamp: time(timestamp),
            key,
            value,
        },
    )
}

fn put(magic: OldMagic, message: &NewMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.put(magic, &mut out).unwrap();
    out
}

/// A wrapper around `inner`, with an offset and a time that mean nothing.
fn wrap(magic: OldMagic, codec: Codec, inner: &[u8]) -> Vec<u8> {
    let header = if magic == OldMagic::V0 { Lz4Header::Legacy } else { Lz4Header::Correct };
    wrapper(magic, codec, Some(&compress_for(codec, header, inner).unwrap()))
}

fn wrapper(magic: OldMagic, codec: Codec, value: Option<&[u8]>) -> Vec<u8> {
    put(
        magic,
        &NewMessage {
            offset: offset(77),
            codec,
            timestamp_type: TimestampType::CreateTime,
            timestamp: time(99),
            key: Some(b"ignored"),
            value,
        },
    )
}

/// Reads a message set as an old client does. A cut entry at the end is dropped.
fn read_set(set: &[u8]) -> Vec<Read> {
    let (mut out, mut rest) = (Vec::new(), set);
    while let Some((message, _)) = Message::take(&mut rest).unwrap() {
        let codec = Codec::from_id(message.codec_id()).unwrap();
        let own = |m: &Message<'_>, offset, timestamp| {
            let bytes = |b: Option<&[u8]>| b.map(<[u8]>::to_vec);
            (offset, Timestamp::to_raw(timestamp), bytes(m.key), bytes(m.value))
        };
        if codec == Codec::None {
            out.push(own(&message, message.raw_offset, message.timestamp));
            continue;
        }
        let opened = message.open(codec, CAP).unwrap();
        let (mut inner, mut opened) = (Vec::new(), &opened[..]);
        while let Some((inside, _)) = Message::take(&mut opened).unwrap() {
            assert_eq!((inside.magic, inside.codec_id()), (message.magic, 0));
            let by_log = message.timestamp_type() == TimestampType::LogAppendTime;
            inner.push(own(
                &inside,
                inside.raw_offset,
                if by_log { message.timestamp } else { inside.timestamp },
            ));
        }
        let last = inner.last().unwrap().0;
        let shift = if message.magic == OldMagic::V1 { message.raw_offset - last } else { 0 };
        assert_eq!(last + shift, message.raw_offset, "a wrapper has the last offset");
        out.extend(inner.into_iter().map(|(offset, t, k, v)| (offset + shift, t, k, v)));
    }
    out
}

/// Reads a batch.
fn read_batch(bytes: &[u8]) -> Vec<Read> {
    let view = BatchView::parse(bytes).unwrap();
    view.check_crc().unwrap();
    let own = |b: Option<&[u8]>| b.map(<[u8]>::to_vec);
    let records = view.records(CAP).unwrap();
    let read = records.iter().map(Result::unwrap);
    read.map(|r| (r.offset.get(), Timestamp::to_raw(r.timestamp), own(r.key), own(r.value))).collect()
}

fn codec_of(bytes: &[u8]) -> Codec {
    BatchView::parse(bytes).unwrap().attributes().codec().unwrap()
}

mod up {
    use super::*;

    #[test]
    fn a_real_brokers_bytes() {
        let data = unhex(
            "000000000000000000000019f030895b0100000001a206f51a16000000016b000000026d31\
             000000000000000000000011bf61af2b0000000000016b000000026d30",
        );
        assert_eq!(plain(OldMagic::V1, 0, 0x1a2_06f5_1a16, Some(b"k"), Some(b"m1")), data[..37]);
        assert_eq!(plain(OldMagic::V0, 0, -1, Some(b"k"), Some(b"m0")), data[37..]);
        // What 2.2.0 stored for the second of them.
        let mut stored = up_convert(&data[37..], &up_rules()).unwrap();
        batch::patch(&mut stored, offset(0x12), LeaderEpoch::ZERO);
        let golden = "0000000000000012 0000003b 00000000 02 9d14443f 0000 00000000 ffffffffffffffff \
            ffffffffffffffff ffffffffffffffff ffff ffffffff 00000001 12000000026b046d3000";
        assert_eq!(stored, unhex(golden));
        // And for two messages of magic 1.
        let at = 0x1a2_06f5_0cdd;
        let two = [
            plain(OldMagic::V1, 0, at, Some(b"k"), Some(b"m1")),
            plain(OldMagic::V1, 1, at, None, Some(b"m2")),
        ];
        let mut stored = up_convert(&two.concat(), &up_rules()).unwrap();
        batch::patch(&mut stored, offset(0x10), LeaderEpoch::ZERO);
        let golden = "0000000000000010 00000044 00000000 02 fd6f7f20 0000 00000001 000001a206f50cdd \
            000001a206f50cdd ffffffffffffffff ffff ffffffff 00000002 12000000026b046d31001000000201046d3200";
        assert_eq!(stored, unhex(golden));
    }

    #[test]
    fn mixed_magics_become_one_batch() {
        let set = [
            plain(OldMagic::V0, 9, -1, None, Some(b"a")),
            plain(OldMagic::V0, 9, -1, Some(b"k"), None),
            plain(OldMagic::V1, 0, 50, None, Some(b"c")),
            plain(OldMagic::V1, 0, -1, None, Some(b"d")),
        ]
        .concat();
        let stored = up_convert(&set, &up_rules()).unwrap();
        let view = BatchView::parse(&stored).unwrap();
        assert_eq!((view.raw_base_timestamp(), view.max_timestamp()), (-1, time(50)));
        let times: Vec<_> = read_batch(&stored).iter().map(|r| (r.0, r.1)).collect();
        assert_eq!(times, [(0, -1), (1, -1), (2, 50), (3, -1)]);
    }

    #[test]
    fn wrappers_give_up_their_numbers_times_and_keys() {
        for magic in MAGICS {
            for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
                // All 0, as some old clients number them.
                let inner =
                    [plain(magic, 0, 5, Some(b"a"), Some(b"1")), plain(magic, 0, 7, None, Some(b"2"))]
                        .concat();
                let stored = up_convert(&wrap(magic, codec, &inner), &up_rules()).unwrap();
                assert_eq!(codec_of(&stored), codec);
                let (a, b) = if magic == OldMagic::V0 { (-1, -1) } else { (5, 7) };
                assert_eq!(
                    read_batch(&stored),
                    [(0, a, Some(b"a".to_vec()), Some(b"1".to_vec())), (1, b, None, Some(b"2".to_vec()))]
                );
            }
        }
    }

    #[test]
    fn the_last_wrapper_or_the_topic_names_the_codec() {
        let one = plain(OldMagic::V1, 0, 5, None, Some(b"1"));
        let gzip = wrap(OldMagic::V1, Codec::Gzip, &one);
        let lz4 = wrap(OldMagic::V1, Codec::Lz4, &one);
        let stored = |set: &[&[u8]], codec| {
            let stored = up_convert(&set.concat(), &UpRules { codec, ..up_rules() }).unwrap();
            (codec_of(&stored), read_batch(&stored).len())
        };
        assert_eq!(stored(&[&gzip, &lz4], None), (Codec::Lz4, 2));
        assert_eq!(stored(&[&gzip, &one], None), (Codec::Gzip, 2));
        assert_eq!(stored(&[&one, &one], None), (Codec::None, 2));
        assert_eq!(stored(&[&gzip, &one], Some(Codec::None)), (Codec::None, 2));
        assert_eq!(stored(&[&one], Some(Codec::Zstd)), (Codec::Zstd, 1));
    }

    #[test]
    fn a_cut_tail_is_dropped() {
        let one = plain(OldMagic::V1, 0, 5, Some(b"k"), Some(b"value"));
        for cut in 0..one.len() {
            assert_eq!(up_convert(&one[..cut], &up_rules()), Err(Rejected::Empty(cut)));
            let set = [&one[..], &one[..cut]].concat();
            assert_eq!(read_batch(&up_convert(&set, &up_rules()).unwrap()).len(), 1, "{cut}");
        }
    }

    #[test]
    fn what_kafka_calls_corrupt_is_invalid() {
        let one = plain(OldMagic::V1, 0, 5, Some(b"k"), Some(b"value"));
        let old = plain(OldMagic::V0, 0, -1, Some(b"k"), Some(b"value"));
        let mut bad_crc = one.clone();
        *bad_crc.last_mut().unwrap() ^= 1;
        let mut tiny = one.clone();
        tiny[8..12].copy_from_slice(&13i32.to_be_bytes());
        let mut negative = one.clone();
        negative[8..12].copy_from_slice(&(-1i32).to_be_bytes());
        let mut batch = BatchBuilder::new();
        batch.push(&NewRecord::value(b"v2"));
        let batch = batch.finish().unwrap();
        let nested = wrap(OldMagic::V1, Codec::Gzip, &wrap(OldMagic::V1, Codec::Gzip, &one));
        let cases = [
            ("checksum", bad_crc.clone()),
            ("size", tiny),
            ("negative size", negative),
            ("a batch among messages", [one.clone(), batch].concat()),
            ("nested", nested),
            ("v0 in v1", wrap(OldMagic::V1, Codec::Gzip, &old)),
            ("v1 in v0", wrap(OldMagic::V0, Codec::Gzip, &one)),
            ("empty wrapper", wrap(OldMagic::V1, Codec::Gzip, &[])),
            ("only a cut message inside", wrap(OldMagic::V1, Codec::Gzip, &one[..one.len() - 1])),
            ("inner checksum", wrap(OldMagic::V1, Codec::Snappy, &bad_crc)),
            ("zstd", wrapper(OldMagic::V1, Codec::Zstd, Some(&compress(Codec::Zstd, &one).unwrap()))),
        ];
        for (what, set) in cases {
            let refused = up_convert(&set, &up_rules());
            assert!(matches!(refused, Err(Rejected::Invalid(_))), "{what}: {refused:?}");
        }
    }

    #[test]
    fn the_logs_time_is_not_a_clients_to_claim() {
        let one = plain(OldMagic::V1, 0, 5, None, Some(b"1"));
        let claim = |codec, value: &[u8]| {
            put(
                OldMagic::V1,
                &NewMessage {
                    offset: Offset::ZERO,
                    codec,
                    timestamp_type: TimestampType::LogAppendTime,
                    timestamp: time(5),
                    key: None,
                    value: Some(value),
                },
            )
        };
        let gzip = compress(Codec::Gzip, &one).unwrap();
        for set in [claim(Codec::None, b"1"), claim(Codec::Gzip, &gzip)] {
            let set = [one.clone(), set].concat();
            assert_eq!(
                up_convert(&set, &up_rules()),
                Err(Rejected::Timestamp { records: vec![1], allowed: None })
            );
        }
    }

    #[test]
    fn lz4_headers_of_magic_0_may_be_wrong_and_of_magic_1_not() {
        for magic in MAGICS {
            let one = plain(magic, 0, 5, None, Some(b"1"));
            for header in [Lz4Header::Correct, Lz4Header::Legacy] {
                let packed = compress_for(Codec::Lz4, header, &one).unwrap();
                let got = up_convert(&wrapper(magic, Codec::Lz4, Some(&packed)), &up_rules());
                if magic == OldMagic::V1 && header == Lz4Header::Legacy {
                    assert!(matches!(got, Err(Rejected::Unreadable(_))), "{got:?}");
                } else {
                    assert_eq!(read_batch(&got.unwrap()).len(), 1);
                }
            }
        }
    }

    #[test]
    fn sizes_and_bombs_are_limited() {
        let one = plain(OldMagic::V1, 0, 5, None, Some(&[0; 100]));
        let limited = UpRules { max_message_bytes: one.len() - 1, ..up_rules() };
        assert!(matches!(up_convert(&one, &limited), Err(Rejected::TooLarge { .. })));
        let exact = UpRules { max_message_bytes: one.len(), ..up_rules() };
        assert!(up_convert(&one.repeat(9), &exact).is_ok(), "the limit is for one entry");

        let bomb = plain(OldMagic::V1, 0, 5, None, Some(&vec![0; 32 << 20]));
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            let wide = UpRules { max_message_bytes: 1 << 30, ..up_rules() };
            let refused = up_convert(&wrap(OldMagic::V1, codec, &bomb), &wide);
            assert!(matches!(refused, Err(Rejected::Unreadable(_))), "{codec:?}");
        }
        // The cap is for all wrappers together.
        let half = plain(OldMagic::V1, 0, 5, None, Some(&vec![0; CAP / 2 + 1]));
        let half = wrap(OldMagic::V1, Codec::Gzip, &half);
        assert!(up_convert(&half, &up_rules()).is_ok());
        assert!(matches!(up_convert(&half.repeat(2), &up_rules()), Err(Rejected::Unreadable(_))));
    }
}

mod down {
    use super::*;

    fn batch_at(base: i64, codec: Codec, values: &[&[u8]]) -> Vec<u8> {
        let mut builder = BatchBuilder::new().codec(codec).at(offset(base), Some(LeaderEpoch::ZERO));
        for (n, value) in (100..).zip(values) {
            builder.push(&NewRecord::value(value).at(Timestamp::from_millis(n).unwrap()));
        }
        builder.finish().unwrap()
    }

    fn marker_at(base: i64) -> Vec<u8> {
        let (id, epoch) = (ProducerId::new(1).unwrap(), ProducerEpoch::new(0).unwrap());
        let mut marker = control_marker(id, epoch, true, 0, Timestamp::from_millis(9).unwrap());
        batch::patch(&mut marker, offset(base), LeaderEpoch::ZERO);
        marker
    }

    fn offsets(set: &[u8]) -> Vec<i64> {
        read_set(set).iter().map(|read| read.0).collect()
    }

    #[test]
    fn plain_batches_become_plain_messages() {
        for magic in MAGICS {
            let data = [batch_at(5, Codec::None, &[b"a", b"b"]), batch_at(9, Codec::None, &[b"c"])].concat();
            let got = down_convert(&data, &down_rules(magic)).unwrap();
            assert_eq!(got.next_offset, Some(offset(10)));
            let times: Vec<_> = read_set(&got.bytes).iter().map(|r| (r.0, r.1)).collect();
            let expected = if magic == OldMagic::V0 {
                [(5, -1), (6, -1), (9, -1)]
            } else {
                [(5, 100), (6, 101), (9, 100)]
            };
            assert_eq!(times, expected);
            // A fetch in the middle of a batch.
            let from = DownRules { from: offset(6), ..down_rules(magic) };
            assert_eq!(offsets(&down_convert(&data, &from).unwrap().bytes), [6, 9]);
        }
    }

    #[test]
    fn compressed_batches_become_one_wrapper_each() {
        for magic in MAGICS {
            for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
                let data = batch_at(5, codec, &[b"a", b"b", b"c"]);
                let from = DownRules { from: offset(6), ..down_rules(magic) };
                let got = down_convert(&data, &from).unwrap();
                let (wrapper, size) = Message::take(&mut &got.bytes[..]).unwrap().unwrap();
                assert_eq!((size, wrapper.raw_offset), (got.bytes.len(), 7));
                assert_eq!(Codec::from_id(wrapper.codec_id()), Some(codec));
                assert_eq!(wrapper.timestamp, if magic == OldMagic::V0 { None } else { time(102) });
                assert_eq!(offsets(&got.bytes), [5, 6, 7]);
                let opened = wrapper.open(codec, CAP).unwrap();
                let (first, _) = Message::take(&mut &opened[..]).unwrap().unwrap();
                assert_eq!(first.raw_offset, if magic == OldMagic::V0 { 5 } else { 0 });
            }
        }
    }

    #[test]
    fn gaps_are_kept_and_a_wrapper_ends_with_its_last_record() {
        let source = batch_at(0, Codec::None, &[b"a", b"b"]);
        let records = BatchView::parse(&source).unwrap().records(CAP).unwrap();
        for codec in OLD_CODECS {
            let mut builder = BatchBuilder::new().codec(codec).at(offset(20), None).last_offset_delta(9);
            for (delta, record) in [2, 6].into_iter().zip(&records) {
                builder.push_record(delta, &record.unwrap());
            }
            let data = builder.finish().unwrap();
            for magic in MAGICS {
                let got = down_convert(&data, &down_rules(magic)).unwrap();
                assert_eq!((offsets(&got.bytes), got.next_offset), (vec![22, 26], Some(offset(30))));
                // All that is left of it lies before what is asked for.
                let late = DownRules { from: offset(27), ..down_rules(magic) };
                let got = down_convert(&data, &late).unwrap();
                assert_eq!((got.bytes.len(), got.next_offset), (0, Some(offset(30))));
            }
        }
    }

    #[test]
    fn append_time_keeps_its_bit_in_magic_1() {
        for codec in OLD_CODECS {
            let at = Timestamp::from_millis(500).unwrap();
            let mut builder = BatchBuilder::new().codec(codec).log_append_time(at);
            builder.push(&NewRecord::value(b"a").at(Timestamp::from_millis(3).unwrap()));
            let data = builder.finish().unwrap();
            let got = down_convert(&data, &down_rules(OldMagic::V1)).unwrap();
            let (message, _) = Message::take(&mut &got.bytes[..]).unwrap().unwrap();
            assert_eq!(
                (message.timestamp_type(), message.timestamp),
                (TimestampType::LogAppendTime, Some(at))
            );
            assert_eq!(read_set(&got.bytes)[0].1, 500);
            let got = down_convert(&data, &down_rules(OldMagic::V0)).unwrap();
            let (message, _) = Message::take(&mut &got.bytes[..]).unwrap().unwrap();
            assert_eq!(message.timestamp_type(), TimestampType::CreateTime);
        }
    }

    #[test]
    fn markers_are_dropped_and_the_caller_is_told_to_read_on() {
        let data = [marker_at(4), batch_at(5, Codec::None, &[b"a"]), marker_at(6)].concat();
        let got = down_convert(&data, &down_rules(OldMagic::V1)).unwrap();
        assert_eq!((offsets(&got.bytes), got.next_offset), (vec![5], Some(offset(7))));
        let got = down_convert(&marker_at(4), &down_rules(OldMagic::V1)).unwrap();
        assert_eq!(got, DownConverted { bytes: vec![], next_offset: Some(offset(5)) });
        assert_eq!(down_convert(&[], &down_rules(OldMagic::V1)).unwrap(), DownConverted::default());
    }

    #[test]
    fn zstd_is_refused_where_it_comes_first_and_ends_the_set_where_not() {
        let zstd = batch_at(5, Codec::Zstd, &[b"a"]);
        for data in [zstd.clone(), [marker_at(4), zstd.clone()].concat()] {
            assert_eq!(down_convert(&data, &down_rules(OldMagic::V1)), Err(DownConvertError::Zstd));
        }
        let data = [batch_at(4, Codec::Gzip, &[b"x"]), zstd].concat();
        let got = down_convert(&data, &down_rules(OldMagic::V1)).unwrap();
        assert_eq!((offsets(&got.bytes), got.next_offset), (vec![4], Some(offset(5))));
    }

    #[test]
    fn damage_is_never_given_a_right_checksum() {
        let good = batch_at(4, Codec::None, &[b"value"]);
        for at in batch::CRC_AT..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(matches!(
                down_convert(&bad, &down_rules(OldMagic::V0)),
                Err(DownConvertError::Corrupt(_))
            ));
        }
        let mut bad = batch_at(5, Codec::None, &[b"value"]);
        bad[batch::HEADER_LEN + 8] ^= 1;
        let got = down_convert(&[good, bad].concat(), &down_rules(OldMagic::V0)).unwrap();
        assert_eq!((offsets(&got.bytes), got.next_offset), (vec![4], Some(offset(5))));
    }

    #[test]
    fn limits_cut_as_old_clients_expect() {
        for codec in OLD_CODECS {
            let data = batch_at(0, codec, &[&[7; 300], &[8; 300]]);
            for magic in MAGICS {
                let whole = down_convert(&data, &down_rules(magic)).unwrap().bytes;
                let first = Message::take(&mut &whole[..]).unwrap().unwrap().1;
                for max_bytes in [0, 1, 60, first - 1, first, first + 1, whole.len(), whole.len() + 9] {
                    let cut = DownRules { max_bytes, first_whole: false, ..down_rules(magic) };
                    let got = down_convert(&data, &cut).unwrap().bytes;
                    assert_eq!(got, whole[..max_bytes.min(whole.len())], "{codec:?} {max_bytes}");
                    let got = down_convert(&data, &DownRules { first_whole: true, ..cut }).unwrap().bytes;
                    assert_eq!(got, whole[..max_bytes.max(first).min(whole.len())], "{codec:?} {max_bytes}");
                }
            }
        }
    }

    #[test]
    fn a_batch_that_is_cut_itself_is_given_as_a_cut_entry() {
        let data = batch_at(3, Codec::None, &[&[7; 300]]);
        let cut = DownRules { max_bytes: 60, first_whole: false, ..down_rules(OldMagic::V0) };
        let got = down_convert(&data[..100], &cut).unwrap();
        assert_eq!((got.bytes.as_slice(), got.next_offset), (&data[..60], None));
        assert_eq!(read_set(&got.bytes), []);
        // Behind a whole one it is left out.
        let two = [batch_at(2, Codec::None, &[b"a"]), data[..100].to_vec()].concat();
        let got = down_convert(&two, &down_rules(OldMagic::V0)).unwrap();
        assert_eq!((offsets(&got.bytes), got.next_offset), (vec![2], Some(offset(3))));
    }
}

/// Key, value, timestamp.
type Content = (Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>);

fn any_content() -> impl Strategy<Value = Vec<Content>> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    proptest::collection::vec((bytes(), bytes(), proptest::option::of(0i64..=i64::MAX)), 1..8)
}

fn build(contents: &[Content], codec: Codec, base: i64) -> Vec<u8> {
    let stamp = ProducerStamp {
        id: ProducerId::new(7).unwrap(),
        epoch: ProducerEpoch::new(1).unwrap(),
        base_sequence: None,
    };
    let mut builder =
        BatchBuilder::new().codec(codec).at(offset(base), None).producer(stamp).transactional(true);
    for (key, value, timestamp) in contents {
        builder.push(&NewRecord {
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &[("lost", None)],
            timestamp: timestamp.and_then(Timestamp::from_millis),
        });
    }
    builder.finish().unwrap()
}

proptest! {
    #[test]
    fn down_and_up_again_is_the_same_content(
        batches in proptest::collection::vec((any_content(), 0usize..4), 1..4), v1: bool
    ) {
        let magic = if v1 { OldMagic::V1 } else { OldMagic::V0 };
        let (mut stored, mut expected, mut next) = (Vec::new(), Vec::new(), 3);
        for (contents, codec) in &batches {
            stored.extend(build(contents, OLD_CODECS[*codec], next));
            for (key, value, timestamp) in contents {
                let raw = timestamp.filter(|_| v1).unwrap_or(-1);
                expected.push((next, raw, key.clone(), value.clone()));
                next += 1;
            }
        }
        let set = down_convert(&stored, &down_rules(magic)).unwrap();
        prop_assert_eq!(set.next_offset.map(Offset::get), Some(next));
        prop_assert_eq!(&read_set(&set.bytes), &expected);
        let again = up_convert(&set.bytes, &up_rules()).unwrap();
        for (n, record) in (0..).zip(&mut expected) {
            record.0 = n;
        }
        prop_assert_eq!(read_batch(&again), expected);
    }

    #[test]
    fn mutated_data_are_converted_without_panic(
        contents in any_content(), codec in 0usize..4, v1: bool,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let magic = if v1 { OldMagic::V1 } else { OldMagic::V0 };
        let mut stored = build(&contents, OLD_CODECS[codec], 0);
        let mut set = down_convert(&stored, &down_rules(magic)).unwrap().bytes;
        for data in [&mut stored, &mut set] {
            for (at, byte) in &flips {
                let at = at.index(data.len());
                data[at] = *byte;
            }
        }
        let _ = up_convert(&set, &up_rules());
        let _ = up_convert(&set[..cut.index(set.len())], &up_rules());
        let _ = down_convert(&stored[..cut.index(stored.len())], &down_rules(magic));
        if stored.len() > batch::HEADER_LEN {
            let crc = crc32c_of(&stored[batch::ATTRIBUTES_AT..]);
            stored[batch::CRC_AT..batch::ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
            let _ = down_convert(&stored, &down_rules(magic));
        }
        // With the outer checksum made right again.
        if set.len() > 16 {
            let crc = crc32fast::hash(&set[16..]);
            set[12..16].copy_from_slice(&crc.to_be_bytes());
            let _ = up_convert(&set, &up_rules());
        }
    }

    #[test]
    fn any_bytes_are_converted_without_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = up_convert(&data, &up_rules());
        for magic in MAGICS {
            let _ = down_convert(&data, &down_rules(magic));
        }
    }
}

/// CRC-32C, bit by bit: the broker itself never computes one.
fn crc32c_of(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
