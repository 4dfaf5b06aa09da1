//! State of idempotent producers.

/// Why an idempotent producer's batch was refused; nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProducerError {
    /// A newer epoch of the producer is known.
    #[error("epoch {found} is fenced by {known}")]
    Fenced {
        /// What the batch has.
        found: i16,
        /// What the log knows.
        known: i16,
    },
    /// Its sequence is not the next one and it is no duplicate that is still remembered.
    #[error("sequence {found}, expected {expected}")]
    OutOfOrder {
        /// What the batch has.
        found: i32,
        /// What would be next.
        expected: i32,
    },
    /// A plain batch inside an open transaction, or the like.
    #[error("invalid transaction state")]
    InvalidTransactionState,
}
