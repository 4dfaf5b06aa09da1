//! Sparse indexes of a segment: from offset to position, from time to offset, and aborted transactions.
//!
//! Each is a file of entries of one size, in order, and nothing else; the bytes are in `format::index_entry`.
//!
//! # Invariants
//!
//! * An index is a cache of the `.log` file: it has no checksum, and whoever doubts it makes it anew. It is never
//!   evidence about the log, and never the reason that a record is lost.
//! * Entries rise strictly. A file is believed up to the first entry that does not: zeros of a crash, of
//!   blocks that Kafka laid out in advance, or of a page that never reached the disk end it.
//! * An offset entry `(o, p)` promises one thing: a batch begins at `p`, and whoever scans on from there finds every
//!   offset from `o` on. (Kafka's older cleaner writes entries whose batch ends before `o`.)
//! * Entries of the segment that is being written are on the heap; those of a sealed one stay bytes of the file, mapped.
//!
//! # Not here
//!
//! When an entry is made, and how an index is rebuilt (`segment`).

mod offset;
mod table;
mod time;
mod txn;

pub use offset::OffsetIndex;
pub use time::TimeIndex;
pub use txn::TxnIndex;
