use super::*;
use proptest::prelude::*;

const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn open(codec: Codec, data: &[u8], cap: usize) -> Result<Vec<u8>, CorruptReason> {
    Decompressor::new(codec, data, cap)?.read_all()
}

#[test]
fn the_cap_is_exact() {
    let data = vec![7; 100_000];
    for codec in ALL {
        let packed = compress(codec, &data).unwrap();
        assert_eq!(open(codec, &packed, data.len()).as_deref(), Ok(&data[..]), "{codec:?}");
        let refused = open(codec, &packed, data.len() - 1);
        assert!(
            matches!(refused, Err(CorruptReason::Compression { problem, .. }) if problem.contains("99999"))
        );
    }
}

#[test]
fn nothing_opens_to_nothing() {
    for codec in ALL {
        let packed = compress(codec, &[]).unwrap();
        assert_eq!(open(codec, &packed, 0), Ok(vec![]), "{codec:?}");
    }
}

#[test]
fn a_cut_stream_is_refused() {
    let data: Vec<u8> = (0..50_000u32).flat_map(u32::to_le_bytes).collect();
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let packed = compress(codec, &data).unwrap();
        for cut in [1, 5, packed.len() / 2, packed.len() - 1] {
            assert!(open(codec, &packed[..cut], 1 << 20).is_err(), "{codec:?} {cut}");
        }
    }
    // Xerial's framing has no end mark: what matters is that a chunk is whole.
    let packed = compress(Codec::Snappy, &data).unwrap();
    assert!(open(Codec::Snappy, &packed[..packed.len() - 1], 1 << 20).is_err());
}

#[test]
fn bare_snappy_and_joined_streams_open() {
    let bare = snap::raw::Encoder::new().compress_vec(b"bare bare bare bare").unwrap();
    assert_eq!(open(Codec::Snappy, &bare, 100).as_deref(), Ok(&b"bare bare bare bare"[..]));
    let mut joined = compress(Codec::Snappy, b"one").unwrap();
    joined.extend(compress(Codec::Snappy, b"two").unwrap());
    assert_eq!(open(Codec::Snappy, &joined, 100).as_deref(), Ok(&b"onetwo"[..]));
}

#[test]
fn the_lz4_header_checksum_of_magic_0() {
    let legacy = compress_for(Codec::Lz4, Lz4Header::Legacy, b"hello").unwrap();
    let correct = compress(Codec::Lz4, b"hello").unwrap();
    assert_eq!(correct[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_ne!(legacy[6], correct[6]);
    assert_eq!([&legacy[..6], &legacy[7..]], [&correct[..6], &correct[7..]]);
    assert!(open(Codec::Lz4, &legacy, 100).is_err());
    for data in [&legacy, &correct] {
        let opened = Decompressor::with_header(Codec::Lz4, Lz4Header::Legacy, data, 100).unwrap().read_all();
        assert_eq!(opened.as_deref(), Ok(&b"hello"[..]));
    }
}

#[test]
fn lz4_frames_of_another_writer_open() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write as _;
    let data: Vec<u8> = (0..40_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    let write = |mode: BlockMode| {
        let info = FrameInfo::new()
            .block_size(BlockSize::Max256KB)
            .block_mode(mode)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(data.len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&data).unwrap();
        encoder.finish().unwrap()
    };
    let mut packed = write(BlockMode::Independent);
    assert_eq!(open(Codec::Lz4, &packed, 1 << 20).as_deref(), Ok(&data[..]));
    let last = packed.len() - 1;
    packed[last] ^= 1;
    assert!(open(Codec::Lz4, &packed, 1 << 20).is_err(), "the content's checksum");
    assert!(
        open(Codec::Lz4, &write(BlockMode::Linked), 1 << 20).is_err(),
        "Kafka's reader takes no linked blocks"
    );
    // And ours by theirs.
    let ours = compress(Codec::Lz4, &data).unwrap();
    let mut opened = Vec::new();
    std::io::Read::read_to_end(&mut lz4_flex::frame::FrameDecoder::new(&ours[..]), &mut opened).unwrap();
    assert_eq!(opened, data);
}

#[test]
fn zstd_of_several_frames_and_wide_windows_opens() {
    let data = vec![3; 300_000];
    let mut joined = compress(Codec::Zstd, &data).unwrap();
    joined.extend(compress(Codec::Zstd, &data).unwrap());
    assert_eq!(open(Codec::Zstd, &joined, 600_000).map(|v| v.len()), Ok(600_000));
    assert!(open(Codec::Zstd, &joined, 599_999).is_err());
    // As a Java producer at level 22 writes it: no size declared, a window of 128 MiB.
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 22).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &data).unwrap();
    let wide = encoder.finish().unwrap();
    assert_eq!(open(Codec::Zstd, &wide, 1 << 20).as_deref(), Ok(&data[..]));
    assert!(open(Codec::Zstd, &wide, 1000).is_err());
}

/// Sizes that a stream declares are never allocated on its word alone.
#[test]
fn wrong_declared_sizes_are_refused() {
    let snappy_lie = |opened: &[u8]| {
        let mut data = compress(Codec::Snappy, &[]).unwrap();
        let len = u32::try_from(opened.len()).unwrap();
        data.extend(len.to_be_bytes());
        data.extend(opened);
        data
    };
    // A block that claims 4 GiB, one that claims 1 MiB in 4 bytes, chunks of negative and missing length.
    assert!(open(Codec::Snappy, &snappy_lie(&[0xff, 0xff, 0xff, 0xff, 0x0f]), 1 << 30).is_err());
    assert!(open(Codec::Snappy, &snappy_lie(&[0x80, 0x80, 0x40, 0]), 1 << 30).is_err());
    let header = compress(Codec::Snappy, &[]).unwrap();
    for tail in [&[0xff; 4][..], &[0x7f, 0xff, 0xff, 0xff], &[0, 0, 0, 9, 1]] {
        assert!(open(Codec::Snappy, &[&header[..], tail].concat(), 1 << 30).is_err());
    }
    // LZ4: a block beyond the frame's block size; a content size that is not met.
    let mut data = compress(Codec::Lz4, b"hello").unwrap();
    data[7..11].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    assert!(open(Codec::Lz4, &data, 1 << 30).is_err());
    // Zstandard: a single segment frame that claims 2^56 bytes.
    let lie = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0];
    assert!(open(Codec::Zstd, &lie, 1 << 30).is_err());
}

#[test]
fn empty_snappy_chunks_do_not_loop() {
    let mut data = compress(Codec::Snappy, &[]).unwrap();
    for _ in 0..100_000 {
        data.extend([0, 0, 0, 1, 0]);
    }
    assert_eq!(open(Codec::Snappy, &data, 10), Ok(vec![]));
}

/// 64 MiB in a few KiB, refused at a cap of 1 MiB after about 1 MiB of work.
#[test]
fn bombs_stop_at_the_cap() {
    let zeros = vec![0; 64 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bomb = compress(codec, &zeros).unwrap();
        let started = std::time::Instant::now();
        let opened = Decompressor::new(codec, &bomb, 1 << 20);
        // Snappy sums the declared sizes before anything else.
        assert_eq!(opened.is_err(), codec == Codec::Snappy);
        let Ok(mut stream) = opened else {
            continue;
        };
        let mut out = 0;
        let refused = loop {
            match stream.fill() {
                Ok(piece) => {
                    assert!(!piece.is_empty(), "{codec:?} ended at {out}");
                    let len = piece.len();
                    out += len;
                    stream.consume(len);
                }
                Err(reason) => break reason,
            }
        };
        assert!(matches!(refused, CorruptReason::Compression { .. }));
        assert!(out <= 1 << 20, "{codec:?} gave {out}");
        assert!(stream.piece.capacity() <= 5 << 20, "{codec:?} held {}", stream.piece.capacity());
        assert!(started.elapsed().as_millis() < 500, "{codec:?} took {:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn every_codec_is_the_identity(data in proptest::collection::vec(0u8..4, 0..5000), repeat in 1usize..40) {
        let data = data.repeat(repeat);
        for codec in ALL {
            let packed = compress(codec, &data).unwrap();
            prop_assert_eq!(open(codec, &packed, data.len()).unwrap(), &data[..]);
        }
    }

    #[test]
    fn mutated_streams_are_opened_without_panic(
        data in proptest::collection::vec(0u8..9, 0..400),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        for codec in ALL {
            let mut packed = compress(codec, &data).unwrap();
            if packed.is_empty() {
                continue;
            }
            for (at, byte) in &flips {
                let at = at.index(packed.len());
                packed[at] = *byte;
            }
            let _ = open(codec, &packed, 10_000);
            let _ = open(codec, &packed[..cut.index(packed.len())], 10_000);
            let _ = Decompressor::with_header(codec, Lz4Header::Legacy, &packed, 10_000).map(Decompressor::read_all);
        }
    }

    #[test]
    fn any_bytes_are_opened_without_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        for codec in ALL {
            if let Ok(opened) = open(codec, &data, 10_000) {
                prop_assert!(opened.len() <= 10_000);
            }
        }
    }
}
