//! The batches of a log as an asynchronous stream, polled by any runtime (feature `stream`).
//!
//! # Not here
//!
//! A runtime, a thread, a timer: the waker of whoever polls is called by whoever appends or syncs. Reading is done in the
//! poll; it waits for the disk where the bytes are not cached.

use super::Log;
use super::end::WaitSlot;
use super::records::{RecordBatch, RecordBatches};
use crate::error::Result;
use crate::types::Offset;
use futures_core::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The batches of a log as a [`Stream`]: pending at the end, over when the log is closed.
///
/// An item is an error once, as the last: of damage, of an offset that the log no longer has
/// ([`OffsetOutOfRange`](crate::LogError::OffsetOutOfRange), after a cut or by retention), or of a poisoned log of which
/// all was read.
///
/// Cancel safe: dropping a `next()` loses nothing.
#[derive(Debug)]
pub struct BatchStream {
    batches: RecordBatches<'static>,
    slot: WaitSlot,
}

impl Log {
    /// The batches from the one that holds `from` on, and whatever comes; short for [`Log::follow`] and
    /// [`RecordBatches::into_stream`].
    pub fn stream(self: &Arc<Self>, from: Offset) -> BatchStream {
        self.follow(from).into_stream()
    }
}

impl RecordBatches<'static> {
    /// As a stream, with the bounds that it has.
    #[must_use]
    pub fn into_stream(self) -> BatchStream {
        BatchStream { batches: self, slot: WaitSlot::new() }
    }
}

impl BatchStream {
    /// The offset after the last batch that was given.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.batches.next_offset()
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { batches, slot } = &mut *self;
        loop {
            // First: what was appended before the close is still given.
            let last = batches.log().is_closed();
            if let Some(found) = batches.next() {
                return Poll::Ready(Some(found));
            }
            if last || batches.is_over() {
                return Poll::Ready(None);
            }
            if let Err(error) = batches.log().check_not_poisoned() {
                batches.failed = true;
                return Poll::Ready(Some(Err(error)));
            }
            std::task::ready!(batches.poll_more(cx, slot));
        }
    }
}
