//! The time, injected.

use crate::types::Timestamp;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the engine takes its time from.
///
/// `now` may jump either way: offsets never depend on it. `monotonic` never falls and is used for intervals.
pub trait Clock: Send + Sync + Debug {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; never falls.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Not `as_millis`: a division of 128 bits for each append.
        let millis = since.as_secs().saturating_mul(1000).saturating_add(u64::from(since.subsec_millis()));
        i64::try_from(millis).ok().and_then(Timestamp::from_millis).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands until it is moved: for tests.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    state: Arc<Mutex<(Timestamp, Duration)>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { state: Arc::new(Mutex::new((now, Duration::ZERO))) }
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock();
        state.0 = state.0.saturating_add_millis(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        state.1 += by;
    }

    /// Sets the time of day, as an operator would: either way.
    pub fn set(&self, now: Timestamp) {
        self.state.lock().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.state.lock().1
    }
}
