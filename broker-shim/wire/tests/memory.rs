//! What hostile bytes cost: never more than `8 x input + 64 KiB` of memory, never a panic.

mod sample;

use bytes::Bytes;
use kafka_wire::messages::MESSAGES;
use kafka_wire::{MessageInfo, RequestHeader};
use proptest::collection::vec;
use proptest::prelude::*;

/// The greatest memory held at once while `body` is decoded, in bytes, what the result holds included.
fn peak(info: &MessageInfo, body: &Bytes, version: i16) -> u64 {
    let body = body.clone();
    allocation_counter::measure(|| drop((info.check)(body, version))).bytes_max
}

fn all() -> impl Iterator<Item = (&'static MessageInfo, i16)> {
    MESSAGES
        .iter()
        .flat_map(|info| (info.versions.min..=info.versions.max).map(move |version| (info, version)))
}

/// Puts huge counts at every place of a small valid body, in both forms, and cuts it behind them.
fn hostile(body: &[u8]) -> impl Iterator<Item = Bytes> + '_ {
    const HUGE: [&[u8]; 4] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x07],
        &[0xff, 0xff, 0x7f],
    ];
    (0..=body.len()).flat_map(move |at| HUGE.iter().map(move |huge| [&body[..at], huge].concat().into()))
}

#[test]
fn eight_bytes_with_a_huge_count_cost_no_memory() {
    for (info, version) in all() {
        for fill in [0x00, 0x01, 0x7f, 0xff] {
            for bytes in hostile(&[fill; 4]) {
                let peak = peak(info, &bytes, version);
                assert!(peak <= 1024, "{} v{version}: {peak} bytes for {bytes:?}", info.name);
            }
        }
    }
}

#[test]
fn a_huge_count_behind_valid_fields_costs_no_memory() {
    let entropy = [1; 64];
    for (info, version) in all() {
        let body = sample::body(sample::find(info.name), version, &entropy);
        for bytes in hostile(&body) {
            let (peak, bound) = (peak(info, &bytes, version), 8 * bytes.len() as u64 + 4096);
            assert!(peak <= bound, "{} v{version}: {peak} bytes for {bytes:?}", info.name);
        }
    }
}

/// The dearest bytes per byte of input: arrays of the smallest elements.
#[test]
fn arrays_of_the_smallest_elements_stay_within_the_bound() {
    for (info, version) in all() {
        for len in [1_000_usize, 100_000] {
            for fill in [0x00_u8, 0x01, 0x02] {
                for count in [len, len / 2, len / 8, len / 64] {
                    let classic = u32::try_from(count).unwrap().to_be_bytes().to_vec();
                    let group = |shift: usize| u8::try_from(count >> shift & 0x7f).unwrap();
                    let compact = vec![group(0) | 0x80, group(7) | 0x80, group(14)];
                    for head in [classic, compact] {
                        let body = Bytes::from([head, vec![fill; len]].concat());
                        let (peak, bound) = (peak(info, &body, version), bound(&body));
                        assert!(peak <= bound, "{} v{version}: {peak} > {bound}", info.name);
                    }
                }
            }
        }
    }
}

fn bound(body: &Bytes) -> u64 {
    8 * body.len() as u64 + 64 * 1024
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_neither_panic_nor_pass_the_bound(bytes in vec(any::<u8>(), 0..2000)) {
        let body = Bytes::from(bytes);
        for (info, version) in all() {
            let peak = peak(info, &body, version);
            prop_assert!(peak <= bound(&body), "{} v{}: {}", info.name, version, peak);
        }
        drop(RequestHeader::split(body));
    }

    /// Valid messages with a few bytes changed reach deeper than random ones.
    #[test]
    fn changed_bytes_neither_panic_nor_pass_the_bound(
        entropy in vec(any::<u8>(), 0..400),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (info, version) in all() {
            let mut body = sample::body(sample::find(info.name), version, &entropy).to_vec();
            if body.is_empty() {
                continue;
            }
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            let body = Bytes::from(body);
            let peak = peak(info, &body, version);
            prop_assert!(peak <= bound(&body), "{} v{}: {}", info.name, version, peak);
            if let Ok(again) = (info.recode)(body, version) {
                // What was read can be written: as the same or, where bytes had two forms, as the plain one.
                prop_assert!(again.is_ok(), "{} v{}: {:?}", info.name, version, again);
            }
        }
    }
}
