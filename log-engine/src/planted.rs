//! Known mistakes at their real places: a fault test that has never failed proves nothing.
//!
//! `tests/planted.rs` turns one on after the other and demands that the fault campaign notices. The switch is the
//! thread's own, off unless a test turned it on, and the module exists only with the feature `planted-bugs`.
//!
//! | [`Bug`] | place |
//! |---|---|
//! | `ReopenAtFileLength` | `log::recovery::decide`: the end of the log is where the file ends |
//! | `TrustTheIndex` | `segment::lookup`: an entry is followed without a look at the batch that it promises |
//! | `AcknowledgeBeforeSync` | `log::sync`: what is appended counts as synced |
//! | `RetryAFailedSync` | `log::sync`: an error of a sync is answered by another sync |
//! | `SkipDirectorySync` | `log::sync`: new names are not made durable |
//! | `TruncateBelowTheMark` | `log::recovery::decide`: damage of what was synced is cut off like a crash's tail |
//! | `CleanMarkerBeforeTheLastSync` | `store`: the marker of a clean stop is written before the logs are closed |
//! | `StoreToASparseMapping` | `io`: the window of the tail is mapped without blocks behind it, which a disk in memory answers as a real one does |
//! | `TrustTheCacheAfterAFailedSync` | `log::recovery`: that a sync has failed before is overlooked |
//! | `RecycleASegmentFile` | `segment`: a new segment gets the file of a deleted one |

use crate::io::{OpenMode, Storage, StorageFile};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

/// A mistake that somebody once made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the table above says what they are")]
pub enum Bug {
    ReopenAtFileLength,
    TrustTheIndex,
    AcknowledgeBeforeSync,
    RetryAFailedSync,
    TrustTheCacheAfterAFailedSync,
    SkipDirectorySync,
    TruncateBelowTheMark,
    CleanMarkerBeforeTheLastSync,
    StoreToASparseMapping,
    RecycleASegmentFile,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether this mistake is made, on this thread.
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Does `work` with a mistake turned on, on this thread.
pub fn with<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }
    PLANTED.set(Some(bug));
    let _off = Off;
    work()
}

/// The file of a deleted segment, under a new name, if files are recycled and there is one.
pub(crate) fn recycled(storage: &dyn Storage, dir: &Path, path: &Path) -> Option<Arc<dyn StorageFile>> {
    if !is(Bug::RecycleASegmentFile) {
        return None;
    }
    let old = storage.list(dir).ok()?.into_iter().find(|entry| entry.name.ends_with(".log.deleted"))?;
    storage.rename(&dir.join(old.name), path).ok()?;
    storage.open(path, OpenMode::ReadWrite).ok()
}
