//! Somebody shortens a file under a running log: what is told is an error, what is given is what was written.
//!
//! All ways to read, over maps and without, on memory (which plays the handler of the signal) and on real files.

use super::*;
use crate::format::batch::BatchView;
use crate::format::names::{FileKind, segment_file};
use crate::io::{OpenMode, RealStorage, install_sigbus_handler};

const RECORDS: i64 = 60;
const KINDS: [FileKind; 3] = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex];

/// A log of several segments, every way to its records taken once.
struct Scene {
    log: Arc<Log>,
    storage: Arc<dyn Storage>,
    clock: Arc<ManualClock>,
    config: LogConfig,
    dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

impl Scene {
    /// `value_bytes` make the segments large enough for what is to be cut: pages, or no more than bytes.
    fn new(
        storage: Arc<dyn Storage>,
        temp: Option<tempfile::TempDir>,
        pad: usize,
        segment_bytes: u32,
    ) -> Self {
        let dir = temp.as_ref().map_or_else(|| PathBuf::from(DIR), |temp| temp.path().join("t-0"));
        let clock = Arc::new(ManualClock::at(time(NOW)));
        let config = LogConfig { index_interval_bytes: 64, segment_bytes, ..LogConfig::default() };
        let builder = Log::builder(&dir).config(config.clone()).storage(Arc::clone(&storage));
        let log = builder.clock(Arc::clone(&clock) as Arc<dyn Clock>).open().unwrap();
        for n in 0..RECORDS {
            clock.advance(Duration::from_millis(10));
            log.append(&[NewRecord::value(text(n, pad).as_bytes())]).unwrap();
        }
        let scene = Self { log, storage, clock, config, dir, _temp: temp };
        assert_eq!(scene.readable(pad), (0..RECORDS).collect::<Vec<_>>());
        scene
    }

    fn reopened(mut self, pad: usize) -> Self {
        self.log.close().unwrap();
        let builder = Log::builder(&self.dir).config(self.config.clone()).storage(Arc::clone(&self.storage));
        self.log = builder.clock(Arc::clone(&self.clock) as Arc<dyn Clock>).open().unwrap();
        assert_eq!(self.readable(pad), (0..RECORDS).collect::<Vec<_>>());
        self
    }

    fn len(&self, name: &str) -> Option<u64> {
        let file = self.storage.open(&self.dir.join(name), OpenMode::Read).ok()?;
        Some(file.len().unwrap())
    }

    fn cut(&self, name: &str, len: u64) {
        self.storage.open(&self.dir.join(name), OpenMode::ReadWrite).unwrap().set_len(len).unwrap();
    }

    /// The offsets that can be had, by whatever way; what is had is what was written, or this fails.
    fn readable(&self, pad: usize) -> Vec<i64> {
        let log = &self.log;
        let mut found = Vec::new();
        for n in 0..RECORDS {
            if self.by_slices(n, pad) | self.by_records(n, pad) {
                found.push(n);
            }
            let at = NOW + (n + 1) * 10;
            for asked in [at, at - 9] {
                if let Ok(told) = log.offset_for_time(time(asked)) {
                    assert_eq!(told, Some((offset(n), time(at))), "by time");
                }
            }
        }
        if let Ok(told) = log.max_timestamp() {
            assert_eq!(told, Some((offset(RECORDS - 1), time(NOW + RECORDS * 10))), "the greatest time");
        }
        found
    }

    fn by_slices(&self, n: i64, pad: usize) -> bool {
        let Ok(read) = self.log.read(offset(n), ReadLimits { max_bytes: 1000, ..ReadLimits::default() })
        else {
            return false;
        };
        let mut at = read.start.get();
        for slice in &read.slices {
            let Ok(bytes) = slice.bytes() else { return false };
            let mut rest = &bytes[..];
            let mut values = Vec::new();
            while let Ok(view) = BatchView::parse(rest) {
                for record in view.records(1 << 20).iter().flatten() {
                    values.extend(record.map(|r| r.value.unwrap_or_default().to_vec()));
                }
                rest = &rest[view.len()..];
            }
            if !slice.intact() {
                return false;
            }
            assert!(rest.is_empty(), "whole batches");
            for value in values {
                assert_eq!(value, text(at, pad).into_bytes(), "offset {at} by slices");
                at += 1;
            }
        }
        assert_eq!(at, read.next.get());
        at > n
    }

    fn by_records(&self, n: i64, pad: usize) -> bool {
        let mut at = n;
        for batch in self.log.records(offset(n)) {
            let Ok(batch) = batch else { break };
            for record in &batch.records().unwrap() {
                let record = record.unwrap();
                assert_eq!(record.offset, offset(at));
                assert_eq!(
                    record.value.unwrap_or_default(),
                    text(at, pad).as_bytes(),
                    "offset {at} by records"
                );
                at += 1;
            }
            assert!(batch.intact());
        }
        at > n
    }
}

fn text(n: i64, pad: usize) -> String {
    format!("value-{n:04}-{}", "x".repeat(pad + usize::try_from(n % 7).unwrap()))
}

fn bases(scene: &Scene) -> Vec<i64> {
    scene.log.view.load().segments.iter().map(|segment| segment.base_offset().get()).collect()
}

/// Cuts each file in turn to many lengths, each on a log of its own.
fn each_cut(scene: &dyn Fn() -> Scene, pad: usize, step: usize) {
    let names: Vec<_> = bases(&scene()).into_iter().flat_map(|base| KINDS.map(|kind| (base, kind))).collect();
    let mut cuts = 0;
    for (base, kind) in names {
        let name = segment_file(offset(base), kind);
        let Some(len) = scene().len(&name).filter(|len| *len > 0) else { continue };
        for to in (0..len).step_by(step.min(usize::try_from(len / 3).unwrap().max(1))) {
            let scene = scene();
            let borders = bases(&scene);
            scene.cut(&name, to);
            let found = scene.readable(pad);
            let end = borders.iter().copied().find(|next| *next > base).unwrap_or(RECORDS);
            let expected: Vec<_> = (0..RECORDS)
                .filter(|n| kind != FileKind::Log || !(base..end).contains(n) || found.contains(n))
                .collect();
            assert_eq!(found, expected, "{name} cut to {to} of {len}");
            // The last byte of a batch is a zero, which a page has behind the end of its file too.
            let missed = kind == FileKind::Log && to + 1 < len;
            assert!(!missed || found.len() < usize::try_from(RECORDS).unwrap(), "{name}: {to} of {len}");
            cuts += 1;
        }
    }
    assert!(cuts > 10, "{cuts} cuts");
}

#[test]
fn every_cut_of_every_file_in_memory_is_told() {
    let make = || {
        let disk = MemStorage::new();
        // Nobody misses the zeros behind the end.
        disk.allow_windows(false);
        Scene::new(Arc::new(disk), None, 10, 1500)
    };
    each_cut(&make, 10, 41);
    each_cut(&|| make().reopened(10), 10, 97);
}

#[test]
fn cuts_of_real_files_are_told_through_maps_and_without() {
    install_sigbus_handler().unwrap();
    for maps in [RealStorage::new(), RealStorage::without_maps(), RealStorage::with_max_maps(2)] {
        let make = || {
            let temp = tempfile::tempdir().unwrap();
            Scene::new(Arc::new(maps), Some(temp), 900, 20_000)
        };
        each_cut(&make, 900, 6001);
        each_cut(&|| make().reopened(900), 900, 9001);
    }
}
