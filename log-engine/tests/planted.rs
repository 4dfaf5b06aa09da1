//! Each known mistake, turned on, is noticed by the checks that CI runs; turned off, they find nothing.
//!
//! The checks are those of `campaign`, with the same strides; where the mistakes are is said in `log_engine::planted`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests, with counts for whoever looks; modules are shared by two binaries"
)]

#[path = "campaign/bits.rs"]
mod bits;
#[path = "campaign/disks.rs"]
mod disks;
#[path = "campaign/image.rs"]
mod image;
#[path = "campaign/model.rs"]
mod model;
#[path = "campaign/script.rs"]
mod script;
#[path = "campaign/shapes.rs"]
mod shapes;

use bits::Sweep;
use disks::Outcome;
use image::{Image, Left};
use log_engine::planted::{self, Bug};

/// Runs a check of the campaign with a mistake and without it.
fn is_noticed(bug: Bug, check: &dyn Fn() -> Outcome) {
    let mut clean = Outcome::default();
    // The check itself may panic where the mistake spoils what it begins with: that is noticed too.
    let failed = model::caught(|| clean = planted::with(bug, check));
    let findings = clean.findings.iter().chain(&failed).next();
    let first = findings.unwrap_or_else(|| panic!("{bug:?} was not noticed in {} faults", clean.faults));
    println!("{bug:?}: {}", first.chars().take(200).collect::<String>());
    check().expect_none("without it");
}

/// The image is made by an engine without the mistake.
fn sweep(left: Left, check: impl Fn(Sweep<'_>) -> Sweep<'_> + 'static) -> impl Fn() -> Outcome {
    let image = Image::new(left);
    move || check(Sweep::of(&image, 3)).outcome
}

#[test]
fn reopening_at_file_length_is_noticed() {
    is_noticed(
        Bug::ReopenAtFileLength,
        &sweep(Left::Killed, |s| s.lengths(997, 0, &|file| file.ends_with(".log"))),
    );
}

#[test]
fn trust_in_the_index_is_noticed() {
    is_noticed(Bug::TrustTheIndex, &sweep(Left::Closed, |s| s.bits(97, 0, &|file| file.ends_with(".index"))));
}

#[test]
fn an_acknowledgement_before_the_sync_is_noticed() {
    is_noticed(Bug::AcknowledgeBeforeSync, &|| disks::power_cuts(37, 8, false));
}

#[test]
fn another_try_after_a_failed_sync_is_noticed() {
    is_noticed(Bug::RetryAFailedSync, &|| disks::failing_syncs(3));
}

#[test]
fn trust_in_the_cache_after_a_failed_sync_is_noticed() {
    is_noticed(Bug::TrustTheCacheAfterAFailedSync, &|| disks::failing_syncs(3));
}

#[test]
fn a_directory_that_is_not_synced_is_noticed() {
    is_noticed(Bug::SkipDirectorySync, &|| disks::power_cuts(7, 24, false));
}

#[test]
fn a_cut_below_the_mark_is_noticed() {
    is_noticed(
        Bug::TruncateBelowTheMark,
        &sweep(Left::Closed, |s| s.bits(3_001, 0, &|file| file.ends_with(".log"))),
    );
}

#[test]
fn a_clean_marker_before_the_last_sync_is_noticed() {
    is_noticed(Bug::CleanMarkerBeforeTheLastSync, &|| disks::power_cuts(7, 24, false));
}

#[test]
fn a_store_to_a_sparse_mapping_is_noticed() {
    is_noticed(Bug::StoreToASparseMapping, &|| disks::full_disks(509, true));
}

#[test]
fn a_recycled_segment_file_is_noticed() {
    is_noticed(Bug::RecycleASegmentFile, &|| disks::power_cuts(7, 24, false));
}
