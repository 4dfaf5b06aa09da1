//! Do message sets of the old formats become batches and back without a panic, within bounds, and without a loss?
//!
//! The first byte chooses the way: a message set from a client that becomes a batch, or stored batches that become a
//! message set for an old client.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use log_engine::format::batch::BatchView;
use log_engine::format::validate::Rejected;
use log_engine::{Codec, Offset};

// The broker's own, which depends on the engine alone: the broker with all its dependencies need not be built for it.
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../broker-shim/src/convert/mod.rs"]
mod convert;

use convert::{DownRules, OldMagic, UpRules, down_convert, up_convert};

const CAP: usize = 128 * 1024;

fn up(data: &[u8], codec: Option<Codec>) -> Option<Vec<u8>> {
    let rules = UpRules { max_message_bytes: 1 << 20, decompressed_cap: CAP, codec };
    match bounded(data.len(), 8, 4 * CAP + (2 << 20), || up_convert(data, &rules)) {
        Ok(batch) => Some(batch),
        Err(Rejected::Corrupt(reason)) => panic!("the message is corrupt, not the batch: {reason}"),
        Err(_) => None,
    }
}

fn down(data: &[u8], magic: OldMagic, from: u8) {
    let from = Offset::new(i64::from(from)).expect("not negative");
    let rules = DownRules {
        magic,
        from,
        max_bytes: 64 * 1024,
        first_whole: from.get() % 2 == 0,
        decompressed_cap: CAP,
    };
    let Ok(old) = bounded(data.len(), 16, 16 * CAP + (4 << 20), || down_convert(data, &rules)) else {
        return;
    };
    assert!(rules.first_whole || old.bytes.len() <= rules.max_bytes, "more than was asked for");
}

fuzz_target!(|data: &[u8]| {
    let [way, from, rest @ ..] = data else { return };
    let magic = if way & 4 == 0 { OldMagic::V0 } else { OldMagic::V1 };
    if way & 1 == 0 {
        let codec = [None, Some(Codec::None), Some(Codec::Gzip), Some(Codec::Lz4)][usize::from(way >> 3) % 4];
        let Some(batch) = up(rest, codec) else { return };
        let view = BatchView::parse(&batch).expect("it was just built");
        assert!(view.check_crc().is_ok() && view.record_count() > 0);
        down(&batch, magic, *from);
    } else {
        down(rest, magic, *from);
    }
});
