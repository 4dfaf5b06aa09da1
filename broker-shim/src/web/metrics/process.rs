//! The process: memory, descriptors, processor time, under the names that all Prometheus clients use.
//!
//! What `/proc` does not tell (on other systems than Linux) is left out.

use super::text::Page;
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Adds the rows.
pub(super) fn add(page: &mut Page) {
    if let Some(memory) = memory() {
        page.gauge(
            "process_resident_memory_bytes",
            "Memory in use, pages of segment files that are mapped among it.",
            memory.resident,
        );
        page.gauge(
            "process_virtual_memory_bytes",
            "Address space; whole segments are mapped.",
            memory.virtual_size,
        );
        page.gauge(
            "corrente_anonymous_memory_bytes",
            "Memory of the broker's own, without pages of files.",
            memory.anonymous,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The one that reads the list is in it.
        page.gauge("process_open_fds", "Open descriptors.", open.count().saturating_sub(1));
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        page.gauge("process_max_fds", "Descriptors that may be open.", max);
    }
    if let Some(times) = times() {
        page.counter(
            "process_cpu_seconds",
            "Processor time, of the user and of the system.",
            times.processor,
        );
        page.gauge(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
            times.start,
        );
        page.gauge("process_threads", "Threads.", times.threads);
    }
}

struct Memory {
    virtual_size: u64,
    resident: u64,
    anonymous: u64,
}

/// `/proc/self/statm`: size, resident and shared, in pages.
fn memory() -> Option<Memory> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    let mut pages = text.split_whitespace().filter_map(|field| field.parse::<u64>().ok());
    let (size, resident, shared) = (pages.next()?, pages.next()?, pages.next()?);
    Some(Memory {
        virtual_size: size * page,
        resident: resident * page,
        anonymous: resident.saturating_sub(shared) * page,
    })
}

struct ProcessTimes {
    processor: f64,
    start: f64,
    threads: u64,
}

/// `/proc/self/stat`: user and system time in ticks, threads, and the start in ticks after the machine's.
#[expect(clippy::cast_precision_loss, reason = "seconds for people; ticks are far below 2^52")]
fn times() -> Option<ProcessTimes> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name stands in parentheses and may contain anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut number = |skip: usize| fields.nth(skip)?.parse::<u64>().ok();
    let ticks = number(0)? + number(0)?;
    let threads = number(4)?;
    let start = number(1)?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>().ok()?;
    let second = rustix::param::clock_ticks_per_second() as f64;
    Some(ProcessTimes {
        processor: ticks as f64 / second,
        start: boot as f64 + start as f64 / second,
        threads,
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_described() {
        let memory = super::memory().unwrap();
        assert!(memory.resident > memory.anonymous && memory.virtual_size > memory.resident);
        let times = super::times().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((0.0..3600.0).contains(&(now - times.start)), "{} {now}", times.start);
        assert!(times.threads >= 1 && times.processor < 36_000.0);
    }
}
