//! What is appended and read: units of records, and how a read is checked.

use log_engine::NewRecord;
use log_engine::format::build::BatchBuilder;

/// How a unit of work is made up: so many records of so many bytes, appended together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    pub name: &'static str,
    pub count: usize,
    pub len: usize,
    /// Appended record by record, not as one ready batch.
    pub singly: bool,
}

/// A small record alone; a hundred of them; what a producer with default settings sends; a large one; a very large one.
pub const SHAPES: [Shape; 5] = [
    Shape { name: "100 B singly", count: 1, len: 100, singly: true },
    Shape { name: "100 x 100 B", count: 100, len: 100, singly: false },
    Shape { name: "16 x 1 KiB", count: 16, len: 1024, singly: false },
    Shape { name: "64 KiB", count: 1, len: 64 << 10, singly: false },
    Shape { name: "1 MiB", count: 1, len: 1 << 20, singly: false },
];

pub const SMALL: Shape = SHAPES[1];
pub const MEDIUM: Shape = SHAPES[2];
pub const LARGE: Shape = SHAPES[3];

/// The records of one unit, and the same as a ready batch.
#[derive(Debug)]
pub struct Unit {
    pub shape: Shape,
    pub records: Vec<Vec<u8>>,
    pub batch: Vec<u8>,
}

impl Unit {
    pub fn new(shape: Shape) -> Self {
        let records: Vec<Vec<u8>> = (0..shape.count).map(|index| record(index, shape.len)).collect();
        let mut batch = BatchBuilder::new();
        for record in &records {
            batch.push(&NewRecord::value(record));
        }
        let batch = batch.finish().expect("a batch without a codec");
        Self { shape, records, batch }
    }

    /// Bytes of the records alone: what throughput counts.
    pub fn payload(&self) -> u64 {
        (self.shape.count * self.shape.len) as u64
    }

    pub fn slices(&self) -> Vec<&[u8]> {
        self.records.iter().map(Vec::as_slice).collect()
    }
}

/// The record at a place of a unit: noise that begins with the place.
fn record(index: usize, len: usize) -> Vec<u8> {
    let mut bytes = noise(len, index as u64 + 1);
    bytes[..8].copy_from_slice(&(index as u64).to_le_bytes());
    bytes
}

/// Bytes that look like nothing: a codec or a sparse file gains nothing from them. The same in every run.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Holds the records of a read against what was written, in order.
///
/// The quick look compares length, the first eight bytes and the last: it costs every engine the same few
/// nanoseconds. The thorough one compares all bytes, once, outside of the time that is taken.
#[derive(Debug)]
pub struct Check<'a> {
    unit: &'a Unit,
    thorough: bool,
    pub records: u64,
    at: usize,
    pub wrong: u64,
}

impl<'a> Check<'a> {
    pub fn quick(unit: &'a Unit) -> Self {
        Self { unit, thorough: false, records: 0, at: 0, wrong: 0 }
    }

    pub fn thorough(unit: &'a Unit) -> Self {
        Self { thorough: true, ..Self::quick(unit) }
    }

    #[inline]
    pub fn see(&mut self, found: &[u8]) {
        let expected = &self.unit.records[self.at];
        self.at += 1;
        if self.at == self.unit.records.len() {
            self.at = 0;
        }
        self.records += 1;
        let same = found.len() == expected.len()
            && found.first_chunk::<8>() == expected.first_chunk()
            && found.last() == expected.last();
        if !same || self.thorough && found != expected {
            self.wrong += 1;
        }
    }

    /// What is amiss unless all of `records` were there and right. `name` says whose they are.
    pub fn demand(&self, name: &str, records: u64) -> Result<(), String> {
        if self.records == records && self.wrong == 0 {
            return Ok(());
        }
        Err(format!("{name}: {} of {records} records came back, {} of them wrong", self.records, self.wrong))
    }
}
