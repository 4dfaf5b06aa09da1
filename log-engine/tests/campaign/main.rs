//! The fault campaign: everything that may happen to a small log, and what must hold then (`docs/DURABILITY.md`).
//!
//! A run takes every n-th fault; `CORRENTE_CAMPAIGN=full` takes them all, and is meant for a build with optimisation:
//!
//! ```text
//! CORRENTE_CAMPAIGN=full cargo test --release -p log-engine --test campaign -- --nocapture
//! ```

#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests, with counts for whoever looks; modules are shared by two binaries"
)]

mod bits;
mod disks;
mod image;
mod keyed;
mod model;
mod script;
mod shapes;

use bits::{ALL_LEFT, Sweep};
use image::Image;
use log_engine::io::PeakAllocator;

#[global_allocator]
static ALLOCATOR: PeakAllocator = PeakAllocator;

/// `some` of the faults, or `all` if that is asked for.
fn of<T>(some: T, all: T) -> T {
    if std::env::var("CORRENTE_CAMPAIGN").is_ok_and(|value| value == "full") { all } else { some }
}

/// All faults come in so many rounds, each of which goes through the whole log.
const ROUNDS: usize = 31;

/// Runs a sweep over the log in each state, in rounds if all faults are wanted.
fn sweep(what: &str, stride: usize, run: impl Fn(Sweep<'_>, usize, usize) -> Sweep<'_>) {
    let images = ALL_LEFT.map(Image::new);
    for phase in 0..of(1, ROUNDS) {
        for image in &images {
            let sweep = run(Sweep::of(image, of(3, 8)), of(stride, ROUNDS), phase);
            sweep.report(what);
            sweep.outcome.expect_none(what);
        }
    }
}

#[test]
fn every_flipped_bit_is_harmless_or_named() {
    sweep("bits", 397, |sweep, stride, phase| sweep.bits(stride, phase, &|_| true));
}

#[test]
fn every_cut_with_every_padding_is_harmless_or_named() {
    sweep("lengths", 197, |sweep, stride, phase| sweep.lengths(stride, phase, &|_| true));
}

#[test]
fn every_failing_call_loses_nothing_that_was_promised() {
    for windows in [false, true] {
        disks::failing_calls(of(29, 1), windows).expect_none("failing calls");
    }
}

#[test]
fn every_failing_read_loses_nothing_that_was_promised() {
    disks::failing_reads(of(97, 1)).expect_none("failing reads");
}

#[test]
fn every_failing_sync_is_believed_at_once() {
    disks::failing_syncs(of(3, 1)).expect_none("failing syncs");
}

#[test]
fn a_full_disk_costs_nothing_that_was_accepted() {
    for windows in [false, true] {
        disks::full_disks(of(509, 16), windows).expect_none("full disks");
    }
}

#[test]
fn every_power_cut_leaves_what_was_synced() {
    for windows in [false, true] {
        disks::power_cuts(of(7, 1), of(24, 160), windows).expect_none("power cuts");
    }
}

#[test]
fn every_power_cut_in_recovery_leaves_what_was_synced() {
    for windows in [false, true] {
        disks::cuts_in_recovery(of(101, 3), windows).expect_none("power cuts in recovery");
    }
}

#[test]
fn every_failing_call_of_compaction_copies_and_repair_loses_nothing() {
    for windows in [false, true] {
        keyed::failing_calls(of(89, 1), windows).expect_none("failing calls, keyed");
    }
}

#[test]
fn every_power_cut_in_compaction_copies_and_repair_leaves_what_was_synced() {
    for windows in [false, true] {
        keyed::power_cuts(of(31, 1), of(7, 40), windows).expect_none("power cuts, keyed");
    }
}
