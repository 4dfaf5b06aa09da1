//! What the machine gives: memory, checksums, reading through a map. The other tables hold engines against the raw
//! rows among their own.

use super::{Watch, mb_per_s};
use crate::Setup;
use crate::peers::Outcome;
use crate::raw::{self, Blocks, RawFile};
use crate::report::{Bench, Better, interleave};
use crate::work::noise;
use std::hint::black_box;

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let len = usize::try_from(setup.options.bytes).map_err(|e| e.to_string())?;
    let scratch = setup.scratch("limits");
    let mut file = RawFile::create(scratch.path(), Blocks::Fallocated, 0)?;
    let source = noise(len, 1);
    file.append(&source)?;
    let mapped = raw::map(&scratch.path().join("raw"))?;
    if mapped != source {
        return Err("a map shows something else than what was written".to_owned());
    }
    let mut target = vec![1_u8; len];
    let mut bench = Bench::new("limits of the machine", "MB/s", Better::Higher);
    let names = [
        "memory: copy",
        "memory: sum",
        "CRC-32C, in memory",
        "CRC-32C, 16 KiB in the cache",
        "mapped: sum",
        "mapped: copy to memory",
    ];
    interleave(setup.options.rounds, &names, |_, name| {
        let start = Watch::start();
        match *name {
            "memory: copy" => black_box(&mut target).copy_from_slice(black_box(&source)),
            "memory: sum" => _ = black_box(raw::sum(black_box(&source))),
            "mapped: copy to memory" => black_box(&mut target).copy_from_slice(black_box(&mapped)),
            "mapped: sum" => _ = black_box(raw::sum(black_box(&mapped))),
            "CRC-32C, in memory" => _ = black_box(crc32c::crc32c(black_box(&source))),
            _ => (0..len / 16384).for_each(|_| _ = black_box(crc32c::crc32c(black_box(&source[..16384])))),
        }
        bench.add(name, mb_per_s(setup.options.bytes, start.elapsed()));
    });
    Ok(vec![bench])
}
