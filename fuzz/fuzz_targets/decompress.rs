//! Does any stream of any codec make more come out than is allowed, or panic?
//!
//! The first byte names the codec and the cap, the rest is the stream. What comes out in pieces is what comes out at
//! once; and what is compressed here opens again.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use log_engine::Codec;
use log_engine::format::codec::{Decompressor, Lz4Header, compress};

const CAPS: [usize; 4] = [100, 4096, 100_000, 1 << 20];
/// What a codec may hold beside its input and its output: windows, tables, the piece that is being read.
const STATE: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let [first, stream @ ..] = data else { return };
    let Some(codec) = Codec::from_id(first % 5) else { return };
    let cap = CAPS[usize::from(first / 5) % CAPS.len()];
    let header = if first & 0x80 == 0 { Lz4Header::Correct } else { Lz4Header::Legacy };
    let out = bounded(data.len(), 2, 2 * cap + STATE, || {
        Decompressor::with_header(codec, header, stream, cap).and_then(Decompressor::read_all)
    });
    if let Ok(out) = out {
        assert!(out.len() <= cap, "{} bytes came out, {cap} are allowed", out.len());
        let again = compress(codec, &out).expect("a codec that is compiled in");
        let opened = Decompressor::new(codec, &again, cap).and_then(Decompressor::read_all);
        assert!(opened.is_ok_and(|opened| opened == out), "what was compressed does not open");
    }
});
