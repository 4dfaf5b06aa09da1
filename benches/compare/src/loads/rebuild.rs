//! Indexes made anew: the files are removed, and the first read has to walk the headers of the whole segment.

use super::{Watch, settle};
use crate::Scratch;
use crate::Setup;
use crate::peers::Outcome;
use crate::peers::ours::config;
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{MEDIUM, SHAPES, SMALL, Shape, Unit};
use log_engine::{Log, Offset, Origin, ReadLimits};

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let mut bench = Bench::new("index rebuild, hot", "GB/s", Better::Higher);
    let singles = Shape { count: 1, ..SHAPES[0] };
    let shapes = [(MEDIUM, OURS), (SMALL, "log-engine, 100 x 100 B"), (singles, "log-engine, 100 B singly")];
    let mut logs: Vec<(Scratch, &str, u64)> = Vec::new();
    for (shape, name) in shapes {
        let scratch = setup.scratch(&format!("rebuild {name}"));
        let unit = Unit::new(shape);
        let log = Log::open(scratch.path(), config()).map_err(|e| e.to_string())?;
        // One segment, nearly full.
        let bytes = setup.options.reopen_bytes.min(1000 << 20);
        for _ in 0..bytes / unit.batch.len() as u64 {
            log.append_batch(&unit.batch, Origin::Client).map_err(|e| e.to_string())?;
        }
        log.close().map_err(|e| e.to_string())?;
        logs.push((scratch, name, log.size_bytes()));
    }
    settle(&setup.options.dir);
    interleave(setup.options.rounds, &logs, |_, (scratch, name, bytes)| match measure(scratch, *bytes) {
        Ok(figure) => bench.add(name, figure),
        Err(error) => bench.note(name, error),
    });
    bench.note(OURS, "16 x 1 KiB");
    bench.goal("full rebuild, 16 x 1 KiB", bench.median(OURS), 5.0);
    let small = bench.median("log-engine, 100 x 100 B");
    bench.goal("full rebuild, 100 x 100 B", small, 5.0);
    Ok(vec![bench])
}

/// GB (of 10^9 bytes of log) a second.
fn measure(scratch: &Scratch, bytes: u64) -> Outcome<f64> {
    for entry in std::fs::read_dir(scratch.path()).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|kind| kind == "index" || kind == "timeindex") {
            std::fs::remove_file(path).map_err(|e| e.to_string())?;
        }
    }
    let log = Log::open(scratch.path(), config()).map_err(|e| e.to_string())?;
    let middle = Offset::new(log.end_offset().get() / 2).ok_or("an offset")?;
    let start = Watch::start();
    let read = log.read_unverified(middle, ReadLimits { max_bytes: 1, ..ReadLimits::default() });
    let time = start.elapsed();
    let read = read.map_err(|e| e.to_string())?;
    if read.start > middle || read.next <= middle {
        return Err(format!("asked for {middle}, got {} to {}", read.start, read.next));
    }
    log.close().map_err(|e| e.to_string())?;
    Ok(bytes as f64 / 1e9 / time.as_secs_f64())
}
