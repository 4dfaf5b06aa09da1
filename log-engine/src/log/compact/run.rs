//! One compaction, from its plan to its end, in steps.

use super::choose::{Plan, groups};
use super::filter::{Fate, Rules, last_words};
use super::keys::KeyMap;
use super::point::Point;
use super::swap::Output;
use super::txns::{Aborted, Ongoing, Witness};
use super::{CompactionReport, Step};
use crate::config::millis;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::BatchView;
use crate::log::Log;
use crate::log::append::corrupt;
use crate::log::epochs::Epochs;
use crate::log::scan::{Expected, Found, Scanner};
use crate::segment::Segment;
use crate::types::{LeaderEpoch, Offset, Position, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// A map that fills up elsewhere shows other transactions to the witness: so often it may correct the index.
const MOST_CORRECTIONS: u32 = 4;

/// A compaction that was begun.
#[derive(Debug)]
pub(super) struct Cleaning {
    plan: Plan,
    rules: Rules,
    ongoing: Ongoing,
    witness: Witness,
    /// How often what the index says of aborted transactions was corrected.
    corrections: u32,
    phase: Phase,
    report: CompactionReport,
}

#[derive(Debug)]
enum Phase {
    /// The keys of the dirty part are learnt.
    Learn(Cursor),
    /// Segments are gone through, and replaced.
    Copy { groups: Vec<Range<usize>>, at: usize, group: Option<Box<Group>> },
}

/// Segments that become one.
#[derive(Debug)]
struct Group {
    segments: Range<usize>,
    cursor: Cursor,
    /// `None` as long as all stays as it is: most of what was compacted before does.
    output: Option<Output>,
    /// What was known where the group begins.
    before: Ongoing,
    /// Bytes gone through, and records that go.
    read: u64,
    records: u64,
}

/// A place in the plan, at a batch's begin.
#[derive(Debug)]
struct Cursor {
    index: usize,
    at: u64,
    next: Offset,
    epoch: i32,
    scanner: Option<Scanner>,
}

impl Cleaning {
    /// Removes what was written and is not in place.
    pub(super) fn discard(self) {
        if let Phase::Copy { group: Some(group), .. } = self.phase
            && let Some(output) = group.output
        {
            output.discard();
        }
    }
}

impl Cursor {
    fn at_start_of(index: usize) -> Self {
        Self { index, at: 0, next: Offset::ZERO, epoch: -1, scanner: None }
    }

    /// The next batch of its segment, checked; `None` at the segment's end.
    fn read(&mut self, plan: &Plan, epochs: &Epochs) -> Result<Result<Option<BatchView<'_>>, CorruptReason>> {
        let segment = &plan.segments[self.index];
        if self.scanner.is_none() {
            let len = segment.len();
            let slice = segment.slice(Position::ZERO, len.to_usize())?;
            let file = Arc::clone(slice.file());
            self.next = segment.base_offset();
            self.epoch = epochs.at(self.next).map_or(-1, LeaderEpoch::get);
            self.scanner = Some(Scanner::of(file, segment.path(), len.to_u64()));
        }
        let Some(scanner) = self.scanner.as_mut() else { return Ok(Ok(None)) };
        let expected = Expected {
            offset: self.next,
            epoch: self.epoch,
            limit: Some(plan.end_of(self.index)),
            gaps: true,
            epochs: Some(epochs).filter(|known| !known.is_empty()),
            settled: true,
            behind: None,
        };
        let (at, len) = (self.at, scanner.len());
        Ok(match scanner.read(at, &expected)? {
            Found::Batch(batch) => {
                self.at += batch.len() as u64;
                self.next = batch.next_offset();
                self.epoch = batch.leader_epoch().map_or(-1, LeaderEpoch::get);
                Ok(Some(batch))
            }
            Found::End if at < len => Err(CorruptReason::Torn { needed: len, available: at }),
            Found::End => Ok(None),
            Found::Bad(reason) => Err(reason),
        })
    }
}

impl Log {
    /// Makes ready for a plan; `None` if this is no time for it.
    pub(super) fn begin_cleaning(&self, plan: Plan, now: Timestamp) -> Result<Option<Cleaning>> {
        let last_words = {
            let mut writer = self.writer.lock();
            self.check_usable()?;
            if writer.last.is_none() && !writer.producers.is_empty() {
                // Their state is tied to the last batch, which lies in what would be replaced. The next append helps.
                return Ok(None);
            }
            writer.persist |= !writer.producers.is_empty();
            last_words(&writer.producers)
        };
        self.settle_mark()?;
        let end = plan.end;
        let config = self.config();
        // What gets a horizon now waits for it from its append on at least, even if the clock was set back since.
        let mut latest = now;
        for segment in &plan.segments[plan.first_dirty..] {
            latest = latest.max(segment.modified()?);
        }
        let first = plan.segments.first().map_or(end, |segment| segment.base_offset());
        let aborted = Aborted::new(self.aborted_transactions(first, self.end.get())?, plan.dirty_from);
        let rules = Rules {
            keys: plan.key_map(config.compaction_map_bytes),
            end,
            aborted,
            last_words,
            now,
            horizon: latest.saturating_add_millis(millis(config.delete_retention_ms)),
            decompressed_cap: config.decompressed_cap(),
        };
        let phase = Phase::Learn(Cursor::at_start_of(plan.first_dirty));
        let report = CompactionReport::default();
        let (ongoing, witness) = (Ongoing::default(), Witness::default());
        Ok(Some(Cleaning { plan, rules, ongoing, witness, corrections: 0, phase, report }))
    }

    /// Everything that was appended is on the disk afterwards, with the producers' state, and the mark says so.
    fn settle_mark(&self) -> Result<()> {
        let turn = self.turns.take();
        self.check_usable()?;
        self.sync_in_turn(&turn)?;
        let mut marking = self.marking.lock();
        self.write_mark(&mut marking)
    }

    /// Goes on until the budget is used up.
    pub(super) fn run_cleaning(&self, cleaning: &mut Cleaning, budget: &mut u64) -> Result<Step> {
        let epochs = self.epochs.load_full();
        loop {
            if self.compaction.is_unwanted() || self.is_closed() {
                // Whoever wants it to stop waits for the lock.
                return Ok(Step::Idle);
            }
            if *budget == 0 {
                return Ok(Step::Going);
            }
            let done = match &cleaning.phase {
                Phase::Learn(_) => self.learn(cleaning, &epochs, budget)?,
                Phase::Copy { .. } => self.copy(cleaning, &epochs, budget)?,
            };
            if done {
                return self.finish_cleaning(cleaning);
            }
        }
    }

    /// Learns the keys of one batch, or goes over to the copying; true if the plan is void.
    fn learn(&self, cleaning: &mut Cleaning, epochs: &Epochs, budget: &mut u64) -> Result<bool> {
        let Cleaning { plan, rules, phase, witness, .. } = cleaning;
        let Phase::Learn(cursor) = phase else { return Ok(false) };
        let index = cursor.index;
        let at = cursor.at;
        let segment = Arc::clone(&plan.segments[index]);
        match cursor.read(plan, epochs)? {
            Ok(Some(batch)) => {
                *budget = budget.saturating_sub(batch.len() as u64);
                if batch.next_offset() <= plan.dirty_from {
                    return Ok(false);
                }
                let mut taken = rules.learn(&batch).map_err(|why| corrupt_at(&segment, at, why))?;
                if !taken && batch.base_offset() <= plan.dirty_from {
                    // One batch fits always, or nothing would ever be compacted.
                    rules.keys = KeyMap::new(u64::from(batch.record_count()), u64::MAX);
                    taken = rules.learn(&batch).map_err(|why| corrupt_at(&segment, at, why))?;
                }
                if taken {
                    witness.see(&batch, &rules.aborted);
                    return Ok(false);
                }
                rules.end = batch.base_offset();
            }
            Ok(None) if index + 1 < plan.segments.len() => {
                *cursor = Cursor::at_start_of(index + 1);
                return Ok(false);
            }
            Ok(None) => {}
            Err(reason) => return Err(self.spoiled(&segment, at, reason)),
        }
        self.end_learning(cleaning)
    }

    /// Goes over to the copying, or learns once more if the index of aborted transactions was wrong: keys of aborted records
    /// were taken then, or those of committed ones were not.
    fn end_learning(&self, cleaning: &mut Cleaning) -> Result<bool> {
        let Cleaning { plan, rules, witness, corrections, phase, report, .. } = cleaning;
        let end = rules.end;
        if !self.see_out(witness, &rules.aborted, end)? {
            return Ok(true);
        }
        if witness.differences() > 0 {
            *corrections += 1;
            if *corrections > MOST_CORRECTIONS {
                let reason = "which transactions were aborted cannot be told".to_owned();
                let segment = &plan.segments[plan.first_dirty];
                return Err(corrupt_at(segment, 0, CorruptReason::Structure(reason)));
            }
            report.transactions_corrected += witness.differences();
            rules.aborted = std::mem::take(witness).correct(std::mem::take(&mut rules.aborted), end);
            (rules.keys, rules.end) = (plan.key_map(self.config().compaction_map_bytes), plan.end);
            *phase = Phase::Learn(Cursor::at_start_of(plan.first_dirty));
            return Ok(false);
        }
        let count = plan.segments.partition_point(|segment| segment.base_offset() < end);
        *phase = Phase::Copy { groups: groups(plan, count, &self.options()), at: 0, group: None };
        Ok(false)
    }

    /// Reads on behind the dirty part until the ends of all transactions in it were seen: they lie below the last stable
    /// offset, mostly close by. False if the log is not what it was.
    fn see_out(&self, witness: &mut Witness, aborted: &Aborted, end: Offset) -> Result<bool> {
        if !witness.is_settled() {
            for batch in self.records(end) {
                let batch = match batch {
                    Err(LogError::OffsetOutOfRange { .. }) => return Ok(false),
                    batch => batch?,
                };
                witness.see_behind(&batch.view(), aborted);
                if witness.is_settled() {
                    break;
                }
            }
        }
        Ok(witness.is_settled())
    }

    /// Copies one batch, or replaces a group; true after the last one.
    fn copy(&self, cleaning: &mut Cleaning, epochs: &Epochs, budget: &mut u64) -> Result<bool> {
        let Cleaning { plan, rules, ongoing, phase, report, corrections, .. } = cleaning;
        let Phase::Copy { groups, at: number, group: slot } = phase else { return Ok(true) };
        let Some(range) = groups.get(*number) else { return Ok(true) };
        let group = match slot {
            Some(group) => group,
            None => {
                // Its index is to be written anew too.
                let anew = *corrections > 0 && range.end > plan.first_dirty;
                slot.insert(Box::new(self.begin_group(plan, range.clone(), ongoing, anew)?))
            }
        };
        let (index, at) = (group.cursor.index, group.cursor.at);
        let segment = &plan.segments[index];
        match group.cursor.read(plan, epochs)? {
            Ok(Some(batch)) => {
                *budget = budget.saturating_sub(batch.len() as u64);
                group.read += batch.len() as u64;
                let fate = rules
                    .judge(&batch, ongoing, &mut group.records)
                    .map_err(|why| corrupt_at(segment, at, why))?;
                let Some(output) = &group.output else {
                    if fate != Fate::Stays {
                        // Something goes after all: from the group's begin on, now with a place to put it.
                        *ongoing = std::mem::take(&mut group.before);
                        let range = group.segments.clone();
                        *slot = Some(Box::new(self.write_group(plan, range, ongoing)?));
                    }
                    return Ok(false);
                };
                let fate = if fits(output, &fate, group.read, plan, range) { fate } else { Fate::Stays };
                write(output, &batch, &fate, &rules.aborted)?;
            }
            Ok(None) if index + 1 < group.segments.end => group.cursor = Cursor::at_start_of(index + 1),
            Ok(None) => {
                if let Some(group) = slot.take()
                    && !self.end_group(plan, *group, report)?
                {
                    return Ok(true);
                }
                *number += 1;
            }
            Err(reason) => return Err(self.spoiled(segment, at, reason)),
        }
        Ok(false)
    }

    /// A segment alone may stay as it is, if it is not to be written `anew`.
    fn begin_group(&self, plan: &Plan, range: Range<usize>, ongoing: &Ongoing, anew: bool) -> Result<Group> {
        if anew || range.len() > 1 {
            return self.write_group(plan, range, ongoing);
        }
        let cursor = Cursor::at_start_of(range.start);
        let before = ongoing.clone();
        Ok(Group { segments: range, cursor, output: None, before, read: 0, records: 0 })
    }

    fn write_group(&self, plan: &Plan, range: Range<usize>, ongoing: &Ongoing) -> Result<Group> {
        let output = Some(Output::begin(self, &plan.segments[range.clone()])?);
        let cursor = Cursor::at_start_of(range.start);
        let before = ongoing.clone();
        Ok(Group { segments: range, cursor, output, before, read: 0, records: 0 })
    }

    /// Puts what was written in place; false if the old segments are gone: the plan is void then.
    fn end_group(&self, plan: &Plan, group: Group, report: &mut CompactionReport) -> Result<bool> {
        let Some(output) = group.output else { return Ok(true) };
        let old = &plan.segments[group.segments.clone()];
        // From the first replaced segment on the log has gaps, and those that are merged into it are not missed.
        let offset = self.compaction.point();
        self.store_point(Point { offset, segments: self.segments_to_list(&old[1..]) })?;
        let after = output.len().to_u64();
        if !self.replace_segments(old, output)? {
            return Ok(false);
        }
        report.segments += group.segments.len();
        report.bytes_before += group.read;
        report.bytes_after += after;
        report.records += group.records;
        Ok(true)
    }

    fn finish_cleaning(&self, cleaning: &mut Cleaning) -> Result<Step> {
        let Cleaning { rules, phase, report, .. } = cleaning;
        let complete = matches!(phase, Phase::Copy { groups, at, .. } if *at == groups.len());
        let end = rules.end;
        if complete && self.compaction.known_point() != Some(end) {
            self.store_point(Point { offset: end, segments: self.segments_to_list(&[]) })?;
        }
        report.point = self.compaction.point();
        Ok(Step::Done(*report))
    }

    /// The error for damage, which the log knows from now on.
    fn spoiled(&self, segment: &Arc<Segment>, at: u64, reason: CorruptReason) -> LogError {
        if let Err(error) = self.examine(segment) {
            return error;
        }
        let path = segment.path();
        let known = self.damage().into_iter().find(|damage| damage.file == path);
        known.map_or_else(|| corrupt_at(segment, at, reason), |damage| damage.to_error())
    }
}

fn corrupt_at(segment: &Segment, at: u64, reason: CorruptReason) -> LogError {
    corrupt(segment, Position::new(at).unwrap_or(Position::MAX), reason)
}

/// Whether what becomes of a batch leaves room for the rest of its group, even if all of that stays.
fn fits(output: &Output, fate: &Fate, read: u64, plan: &Plan, range: &Range<usize>) -> bool {
    let Fate::Becomes(bytes) = fate else { return true };
    let all: u64 = plan.segments[range.clone()].iter().map(|segment| segment.len().to_u64()).sum();
    let rest = all.saturating_sub(read);
    output.len().to_u64() + bytes.len() as u64 + rest <= Position::MAX.to_u64()
}

fn write(output: &Output, batch: &BatchView<'_>, fate: &Fate, aborted: &Aborted) -> Result<()> {
    match fate {
        Fate::Goes => Ok(()),
        Fate::Stays => output.push(batch, aborted),
        Fate::Becomes(bytes) => match BatchView::parse(bytes) {
            Ok(batch) => output.push(&batch, aborted),
            Err(_) => output.push(batch, aborted),
        },
    }
}
