//! Every bit and every length of every file.

use crate::disks::Outcome;
use crate::image::{Image, Left, Verdict};
use crate::model::caught;
use std::collections::BTreeMap;

/// What lies behind a cut.
pub const PADDINGS: [&str; 4] = ["nothing", "zeros", "0xff", "old bytes"];

/// How many faults of which kind of file ended how.
pub type Table = BTreeMap<(String, Verdict), u64>;

/// What a file is for, by its name.
fn kind_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let known = [".log", ".index", ".timeindex", ".txnindex", ".snapshot"];
    known.iter().find(|suffix| name.ends_with(**suffix)).map_or(name, |suffix| *suffix).to_owned()
}

/// The faults of one image.
pub struct Sweep<'a> {
    pub image: &'a Image,
    pub outcome: Outcome,
    pub table: Table,
    /// Of so many faults one is looked at more closely.
    pub deep: u64,
}

impl<'a> Sweep<'a> {
    pub fn of(image: &'a Image, deep: u64) -> Self {
        Self { image, outcome: Outcome::default(), table: Table::new(), deep }
    }

    fn one(&mut self, file: &str, content: &[u8], what: impl FnOnce() -> String) {
        let deep = self.outcome.faults.is_multiple_of(self.deep);
        let mut verdict = None;
        let finding = caught(|| verdict = Some(self.image.judge(file, content, deep)));
        self.outcome.faults += 1;
        match (verdict, finding) {
            (Some(verdict), _) => *self.table.entry((kind_of(file), verdict)).or_default() += 1,
            (None, finding) => {
                let text =
                    format!("{:?}, {file}, {}: {}", self.image.left, what(), finding.unwrap_or_default());
                self.outcome.findings.push(text);
            }
        }
    }

    /// Flips every `stride`-th bit of the files whose kind is wanted; all phases below the stride flip each once.
    pub fn bits(mut self, stride: usize, phase: usize, wanted: &dyn Fn(&str) -> bool) -> Self {
        // From another bit in each file, so that a stride meets all places of a byte.
        let mut first = phase;
        for (file, good) in self.image.files.iter().filter(|(file, _)| wanted(file)) {
            let mut bytes = good.clone();
            for bit in (first..good.len() * 8).step_by(stride) {
                bytes[bit / 8] ^= 1 << (bit % 8);
                self.one(file, &bytes, || format!("bit {bit}"));
                bytes[bit / 8] ^= 1 << (bit % 8);
                if self.outcome.is_over() {
                    return self;
                }
            }
            first = (first + 3) % stride;
        }
        self
    }

    /// Cuts each file at every `stride`-th length, with everything that may lie behind the cut up to where it ended.
    pub fn lengths(mut self, stride: usize, phase: usize, wanted: &dyn Fn(&str) -> bool) -> Self {
        let old_logs = self.image.strangers();
        let mut first = phase;
        for (number, (file, good)) in self.image.files.iter().filter(|(file, _)| wanted(file)).enumerate() {
            // Another log's batches, whole and valid, at other places.
            let stale = &old_logs[number % old_logs.len()];
            for len in (first..good.len().max(1)).step_by(stride) {
                for (padding, name) in PADDINGS.iter().enumerate() {
                    let mut bytes = good[..len.min(good.len())].to_vec();
                    let rest = good.len() - bytes.len();
                    match padding {
                        0 => {}
                        1 => bytes.resize(good.len(), 0),
                        2 => bytes.resize(good.len(), 0xff),
                        _ => bytes.extend(stale.iter().cycle().skip(len + 37).take(rest)),
                    }
                    self.one(file, &bytes, || format!("cut at {len}, then {name}"));
                    if self.outcome.is_over() {
                        return self;
                    }
                }
            }
            first = (first + 3) % stride;
        }
        self
    }

    pub fn report(&self, what: &str) {
        for ((kind, verdict), count) in &self.table {
            println!("{what}, {:?}: {kind} {verdict:?} {count}", self.image.left);
        }
    }
}

pub const ALL_LEFT: [Left; 3] = [Left::Closed, Left::Killed, Left::Copied];
