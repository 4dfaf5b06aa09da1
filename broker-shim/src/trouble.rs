//! What the log says about errors: whole, and not too often.

use log_engine::error::LogError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// One line per partition in this time, however often its clients try.
const WINDOW: Duration = Duration::from_secs(10);
/// Partitions that are remembered; when there are more, all may speak again.
const REMEMBERED: usize = 1000;

/// An error and its causes in one line: the operating system's answer is a cause.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Lines about logs that cannot be read or written.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    told: Mutex<HashMap<(String, i32), Told>>,
}

#[derive(Debug)]
struct Told {
    /// By the monotonic clock.
    at: Duration,
    /// Lines that were left out since.
    left_out: u64,
}

impl Trouble {
    /// Says what happened to a partition, unless that was just said.
    pub(crate) fn tell(&self, topic: &str, partition: i32, what: &str, error: &LogError, now: Duration) {
        match self.admit(topic, partition, now) {
            None => {}
            Some(0) => tracing::error!(topic, partition, error = %Chain(error), "{what}"),
            Some(left_out) => tracing::error!(topic, partition, left_out, error = %Chain(error), "{what}"),
        }
    }

    /// `Some(lines left out before)` if a line may be written.
    fn admit(&self, topic: &str, partition: i32, now: Duration) -> Option<u64> {
        let mut told = self.told.lock();
        if told.len() >= REMEMBERED {
            told.clear();
        }
        let Some(last) = told.get_mut(&(topic.to_owned(), partition)) else {
            told.insert((topic.to_owned(), partition), Told { at: now, left_out: 0 });
            return Some(0);
        };
        if now.saturating_sub(last.at) < WINDOW {
            last.left_out += 1;
            return None;
        }
        last.at = now;
        Some(std::mem::take(&mut last.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_in_one_line() {
        let inner = std::io::Error::other("inner");
        let error = LogError::io("open", "/x")(inner);
        assert_eq!(Chain(&error).to_string(), "cannot open /x: inner");
    }

    #[test]
    fn a_partition_gets_one_line_in_a_while_and_a_count() {
        let trouble = Trouble::default();
        let at = Duration::from_secs;
        assert_eq!(trouble.admit("t", 0, at(5)), Some(0));
        assert_eq!(trouble.admit("t", 1, at(5)), Some(0), "another partition");
        assert_eq!(trouble.admit("t", 0, at(6)), None);
        assert_eq!(trouble.admit("t", 0, at(14)), None);
        assert_eq!(trouble.admit("t", 0, at(15)), Some(2));
        assert_eq!(trouble.admit("t", 0, at(25)), Some(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let trouble = Trouble::default();
        for partition in 0..3000 {
            trouble.admit("t", partition, Duration::ZERO);
        }
        assert!(trouble.told.lock().len() <= REMEMBERED);
    }
}
