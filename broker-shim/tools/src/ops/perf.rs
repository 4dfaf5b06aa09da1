//! What the two performance tests count, and the lines they print.
//!
//! # Not here
//!
//! Sending and reading (`kafka::producer_perf_test`, `kafka::consumer_perf_test`), and the clock.

/// Latencies beyond this number are sampled.
const SAMPLES: u64 = 500_000;
const MIB: f64 = 1024.0 * 1024.0;

/// What was sent so far, and since the last report.
#[derive(Clone, Debug)]
pub(crate) struct SendStats {
    start: i64,
    sampling: u64,
    latencies: Vec<u32>,
    total: Window,
    window: Window,
    window_start: i64,
    interval: i64,
    steady: bool,
    /// Only the total is printed.
    silent: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    count: u64,
    bytes: u64,
    latency: u64,
    max: u32,
}

impl Window {
    fn add(&mut self, latency: u32, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency += u64::from(latency);
        self.max = self.max.max(latency);
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
const fn float(number: u64) -> f64 {
    number as f64
}

/// A number in each second of `elapsed` milliseconds.
pub(crate) fn rate(number: f64, elapsed: i64) -> f64 {
    let elapsed = u64::try_from(elapsed).unwrap_or_default();
    1000.0 * number / float(elapsed)
}

impl SendStats {
    /// For a test of `records` records that begins now.
    pub(crate) fn new(records: u64, now: i64, interval: i64) -> Self {
        Self {
            start: now,
            sampling: (records / records.clamp(1, SAMPLES)).max(1),
            latencies: Vec::new(),
            total: Window::default(),
            window: Window::default(),
            window_start: now,
            interval,
            steady: false,
            silent: false,
        }
    }

    /// The same for what comes after a warm-up.
    pub(crate) fn steady(records: u64, now: i64, interval: i64) -> Self {
        Self { steady: true, ..Self::new(records, now, interval) }
    }

    /// From now on only the total is printed.
    pub(crate) fn be_silent(&mut self) {
        self.silent = true;
    }

    /// Records acknowledged.
    pub(crate) fn count(&self) -> u64 {
        self.total.count
    }

    /// Counts a record; the lines to be printed, if it is time for some.
    pub(crate) fn add(&mut self, latency: u32, bytes: usize, now: i64) -> Vec<String> {
        if self.total.count.is_multiple_of(self.sampling) {
            self.latencies.push(latency);
        }
        self.total.add(latency, bytes);
        self.window.add(latency, bytes);
        let mut lines = Vec::new();
        if now - self.window_start >= self.interval {
            if self.steady && self.total.count == self.window.count {
                lines.push("In steady state.".to_owned());
            }
            if !self.silent {
                lines.push(self.window_line(now));
            }
            self.window = Window::default();
            self.window_start = now;
        }
        lines
    }

    fn window_line(&self, now: i64) -> String {
        let (window, elapsed) = (&self.window, now - self.window_start);
        format!(
            "{} records sent, {:.1} records/sec ({:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.",
            window.count,
            java(rate(float(window.count), elapsed)),
            java(rate(float(window.bytes), elapsed) / MIB),
            float(window.latency) / float(window.count),
            f64::from(window.max),
        )
    }

    /// The last line.
    pub(crate) fn total_line(&self, now: i64) -> String {
        let (total, elapsed) = (&self.total, now - self.start);
        let [p50, p95, p99, p999] = self.percentiles();
        format!(
            "{}{} records sent, {:.6} records/sec ({:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, {p50} ms 50th, \
             {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th.",
            total.count,
            if self.steady { " steady state" } else { "" },
            java(rate(float(total.count), elapsed)),
            java(rate(float(total.bytes), elapsed) / MIB),
            float(total.latency) / float(total.count),
            f64::from(total.max),
        )
    }

    /// 50, 95, 99 and 99.9 of a hundred.
    pub(crate) fn percentiles(&self) -> [u32; 4] {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        [500, 950, 990, 999]
            .map(|per_mille| sorted.get(sorted.len() * per_mille / 1000).copied().unwrap_or_default())
    }

    /// Bytes acknowledged.
    pub(crate) fn bytes(&self) -> u64 {
        self.total.bytes
    }

    /// The greatest latency.
    pub(crate) fn max(&self) -> u32 {
        self.total.max
    }

    /// The mean latency.
    pub(crate) fn mean(&self) -> f64 {
        float(self.total.latency) / float(self.total.count)
    }
}

/// What was read, as the consumer's test prints it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Read {
    /// MiB and messages, each with its rate in `elapsed` milliseconds: `0.0029, 0.0115, 300, 1204.8193`.
    pub(crate) fn columns(self, since: Self, elapsed: i64) -> String {
        let (messages, mib) = (float(self.messages - since.messages), float(self.bytes - since.bytes) / MIB);
        format!(
            "{:.4}, {:.4}, {}, {:.4}",
            float(self.bytes) / MIB,
            java(rate(mib, elapsed)),
            self.messages,
            java(rate(messages, elapsed))
        )
    }

    /// Milliseconds spent joining and fetching, and the rates in the latter: `165, 84, 0.0341, 3571.4286`.
    pub(crate) fn fetch_columns(self, since: Self, joining: i64, fetching: i64, zero: bool) -> String {
        let (messages, mib) = (float(self.messages - since.messages), float(self.bytes - since.bytes) / MIB);
        // While it runs, no time is no rate; at the end Java divides by zero.
        let rate = |number: f64| if zero && fetching <= 0 { 0.0 } else { rate(number, fetching) };
        format!("{joining}, {fetching}, {:.4}, {:.4}", java(rate(mib)), java(rate(messages)))
    }
}

/// A number that prints as Java's does: `NaN` and `Infinity`.
struct Java(f64);

fn java(number: f64) -> Java {
    Java(number)
}

impl std::fmt::Display for Java {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_infinite() {
            return f.write_str("Infinity");
        }
        std::fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Read, SendStats};

    #[test]
    fn the_total_is_kafkas_line() {
        let mut stats = SendStats::new(4, 0, 5000);
        for latency in [1, 2, 3, 10] {
            assert!(stats.add(latency, 100, 10).is_empty());
        }
        assert_eq!(
            stats.total_line(1000),
            "4 records sent, 4.000000 records/sec (0.00 MB/sec), 4.00 ms avg latency, 10.00 ms max latency, 3 ms 50th, \
             10 ms 95th, 10 ms 99th, 10 ms 99.9th."
        );
    }

    #[test]
    fn a_window_is_told_of_when_its_time_is_over_and_begins_anew() {
        let mut stats = SendStats::new(100, 0, 1000);
        assert!(stats.add(4, 1 << 20, 999).is_empty());
        let told = stats.add(8, 1 << 20, 1000);
        assert_eq!(
            told,
            ["2 records sent, 2.0 records/sec (2.00 MB/sec), 6.0 ms avg latency, 8.0 ms max latency."]
        );
        assert!(stats.add(1, 1, 1500).is_empty());
        assert_eq!(stats.count(), 3);
    }

    #[test]
    fn a_warm_up_is_told_apart() {
        let mut steady = SendStats::steady(10, 0, 1000);
        assert_eq!(steady.add(1, 1, 1000)[0], "In steady state.");
        assert!(steady.total_line(1000).starts_with("1 steady state records sent, "));
    }

    #[test]
    fn many_latencies_are_sampled() {
        let mut stats = SendStats::new(1_000_000, 0, 5000);
        for latency in 0..1000 {
            stats.add(latency, 1, 0);
        }
        assert_eq!(stats.latencies.len(), 500);
    }

    #[test]
    fn rates_of_no_time_are_javas() {
        let read = Read { messages: 3, bytes: 3 << 20 };
        assert_eq!(read.columns(Read::default(), 1000), "3.0000, 3.0000, 3, 3.0000");
        assert_eq!(read.fetch_columns(Read::default(), 5, 0, false), "5, 0, Infinity, Infinity");
        assert_eq!(read.fetch_columns(Read::default(), 5, 0, true), "5, 0, 0.0000, 0.0000");
    }
}
