//! The small files of a log's directory, held against its batches: epochs, snapshots, producer state, mark, metadata.

use super::against::Step;
use super::check::{Finding, Kind};
use super::decode::{
    EPOCH_FILE, MARK_FILE, POINT_FILE, PRODUCER_FILE, compaction_point, epochs, mark, producer_state,
};
use crate::error::Result;
use crate::format::checkpoint::read_partition_metadata;
use crate::format::names::{FileKind, segment_file};
use crate::format::snapshot;
use crate::io::Storage;
use crate::log::epochs::Epochs;
use crate::log::files::read_small;
use crate::log::recovery::Looked;
use crate::types::{LeaderEpoch, Offset};
use std::path::{Path, PathBuf};

const METADATA_FILE: &str = "partition.metadata";

/// What was found in them.
pub(super) struct Derived {
    dir: PathBuf,
    epochs: Option<Epochs>,
    findings: Vec<Finding>,
    epochs_are_wrong: bool,
}

impl Derived {
    pub(super) fn load(storage: &dyn Storage, dir: &Path) -> Result<Self> {
        let mut out = Self {
            dir: dir.to_owned(),
            epochs: Epochs::load(storage, dir),
            findings: Vec::new(),
            epochs_are_wrong: false,
        };
        let path = dir.join(EPOCH_FILE);
        if let Some(bytes) = read_small(storage, &path)?
            && let Err(reason) = epochs(&bytes)
        {
            out.findings.push(Finding::new(Kind::Derived, &path, 0..0, reason.to_string()));
        }
        Ok(out)
    }

    /// Holds the epoch of a batch against the list.
    pub(super) fn step(&mut self, step: &Step) {
        let known = self.epochs.as_ref().and_then(|epochs| epochs.at(step.base)).map(LeaderEpoch::get);
        if let (Some(known), Some(found)) = (known, step.epoch)
            && known != found
            && !self.epochs_are_wrong
        {
            self.epochs_are_wrong = true;
            let problem = format!("offset {} has epoch {found}, the list says {known}", step.base);
            self.findings.push(Finding::new(Kind::Derived, &self.dir.join(EPOCH_FILE), 0..0, problem));
        }
    }

    pub(super) fn finish(
        mut self,
        storage: &dyn Storage,
        looked: &Looked,
        end: Offset,
    ) -> Result<Vec<Finding>> {
        for at in &looked.listing.snapshots {
            self.snapshot(storage, *at, end)?;
        }
        self.small(storage, PRODUCER_FILE, |bytes| {
            producer_state(bytes).is_none().then(|| "the producer state is not as it was written".to_owned())
        })?;
        self.small(storage, POINT_FILE, |bytes| {
            let problem =
                "the compaction point is not as it was written: the log is compacted from its begin again";
            compaction_point(bytes).is_none().then(|| problem.to_owned())
        })?;
        self.small(storage, METADATA_FILE, |bytes| {
            read_partition_metadata(bytes).err().map(|reason| reason.to_string())
        })?;
        self.mark(storage, looked)?;
        Ok(self.findings)
    }

    fn snapshot(&mut self, storage: &dyn Storage, at: Offset, end: Offset) -> Result<()> {
        let path = self.dir.join(segment_file(at, FileKind::Snapshot));
        let Some(bytes) = read_small(storage, &path)? else { return Ok(()) };
        let problem = match snapshot::read(&bytes) {
            Err(reason) => reason.to_string(),
            Ok(_) if at > end => format!("the log ends at {end}, below it"),
            Ok(producers) => {
                let above = |offset: Option<Offset>| offset.is_some_and(|offset| offset >= at);
                let strange =
                    |p: &&snapshot::ProducerEntry| above(p.last_offset) || above(p.txn_first_offset);
                match producers.iter().find(strange) {
                    Some(producer) => format!("producer {} wrote behind it", producer.id),
                    None => return Ok(()),
                }
            }
        };
        self.findings.push(Finding::new(Kind::Derived, &path, 0..0, problem));
        Ok(())
    }

    fn small(
        &mut self,
        storage: &dyn Storage,
        name: &str,
        problem: impl FnOnce(&[u8]) -> Option<String>,
    ) -> Result<()> {
        let path = self.dir.join(name);
        let found = read_small(storage, &path)?.and_then(|bytes| problem(&bytes));
        self.findings.extend(found.map(|problem| Finding::new(Kind::Derived, &path, 0..0, problem)));
        Ok(())
    }

    fn mark(&mut self, storage: &dyn Storage, looked: &Looked) -> Result<()> {
        let path = self.dir.join(MARK_FILE);
        let Some(bytes) = read_small(storage, &path)? else { return Ok(()) };
        let slots = mark(&bytes);
        if slots.iter().all(Option::is_none) {
            let problem = "neither slot of the synced mark is as it was written";
            self.findings.push(Finding::new(Kind::Derived, &path, 0..0, problem));
        } else if looked.mark.is_some() && !looked.marked_here {
            let problem =
                "the synced mark is of another directory, from which this one was copied: it is not believed";
            self.findings.push(Finding::new(Kind::Note, &path, 0..0, problem));
        }
        Ok(())
    }
}
