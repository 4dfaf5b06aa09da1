//! The processes of this machine, as far as `/proc` shows them.
//!
//! ```text
//! /proc/4711/cmdline   corrente\0server\0config/server.properties\0
//! /proc/4711/exe    -> /opt/corrente/bin/corrente        with " (deleted)" behind it once the file was replaced
//! /proc/4711/stat      4711 (corrente) S 1 ...            the 22nd field: when it began, in ticks since the boot
//! ```
//!
//! # Invariants
//!
//! * A number alone is no process, because numbers are used again: a process is its number and when it began.
//! * What cannot be read (another user's, or gone meanwhile) is left out and is no error; where there is no `/proc`
//!   there are no processes.
//!
//! # Not here
//!
//! Which of them are brokers (`cli::stop`), and who has a port (`net::holder`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the system shows its processes.
pub(crate) const PROC: &str = "/proc";
/// The field of `stat` with the time of the start, counted behind the name in parentheses.
const STARTED: usize = 19;
/// The most that is shown of a command line, in characters.
const SHOWN: usize = 120;

/// A process that was there when it was looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// When it began, in ticks since the boot.
    started: u64,
    /// Its command line.
    pub(crate) arguments: Vec<OsString>,
}

impl Process {
    /// The process with this number, if it may be seen and has not ended.
    pub(crate) fn read(proc: &Path, pid: u32) -> Option<Self> {
        let (state, started) = state(proc, pid)?;
        // One that has ended waits for its parent to notice: it holds nothing any more.
        if state == b'Z' || state == b'X' {
            return None;
        }
        let line = fs::read(folder(proc, pid).join("cmdline")).ok()?;
        let arguments = line.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        let mut arguments: Vec<OsString> = arguments.collect();
        // Each word is ended by a zero, so behind the last there is an empty one.
        arguments.pop_if(|last| last.is_empty());
        Some(Self { pid, started, arguments })
    }

    /// Whether it is still there, and not another one with its number.
    pub(crate) fn lives(&self, proc: &Path) -> bool {
        state(proc, self.pid)
            .is_some_and(|(state, started)| state != b'Z' && state != b'X' && started == self.started)
    }

    /// The file that it runs, as the system names it.
    pub(crate) fn program(&self, proc: &Path) -> Option<PathBuf> {
        fs::read_link(folder(proc, self.pid).join("exe")).ok()
    }

    /// The user it belongs to.
    pub(crate) fn owner(&self, proc: &Path) -> Option<u32> {
        Some(fs::metadata(folder(proc, self.pid)).ok()?.uid())
    }

    /// Its command line in one safe line, cut where it gets long.
    pub(crate) fn command(&self) -> String {
        let words: Vec<_> = self.arguments.iter().map(|word| word.to_string_lossy()).collect();
        let line = words.join(" ");
        let mut shown = String::new();
        for c in line.chars().take(SHOWN) {
            if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
        }
        if line.chars().nth(SHOWN).is_some() {
            shown.push_str("...");
        }
        shown
    }
}

/// The numbers of all processes, in ascending order.
pub(crate) fn numbers(proc: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The folder of a process.
pub(crate) fn folder(proc: &Path, pid: u32) -> PathBuf {
    proc.join(pid.to_string())
}

/// What a process is doing, in the system's letters, and when it began.
fn state(proc: &Path, pid: u32) -> Option<(u8, u64)> {
    let stat = fs::read(folder(proc, pid).join("stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too: the last one ends it.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    // The first of them is taken.
    let started = fields.nth(STARTED - 1)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
pub(crate) mod testing {
    //! A made-up `/proc`.

    use super::folder;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Adds a process that holds these sockets.
    pub(crate) fn add(proc: &Path, pid: u32, state: char, words: &[&str], sockets: &[u64]) {
        let dir = folder(proc, pid);
        fs::create_dir_all(dir.join("fd")).unwrap();
        let line: String = words.iter().map(|word| format!("{word}\0")).collect();
        fs::write(dir.join("cmdline"), line).unwrap();
        let before = "1 1 1 0 -1 4194304 1 0 0 0 1 1 0 0 20 0 4 0";
        fs::write(dir.join("stat"), format!("{pid} (a) b) {state} {before} {} 0\n", 1000 + pid)).unwrap();
        symlink("/dev/null", dir.join("fd/0")).unwrap();
        for (n, inode) in sockets.iter().enumerate() {
            symlink(format!("socket:[{inode}]"), dir.join(format!("fd/{}", n + 3))).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_its_words_and_its_start() {
        let proc = tempfile::tempdir().unwrap();
        testing::add(proc.path(), 12, 'S', &["corrente", "server", ""], &[]);
        let found = Process::read(proc.path(), 12).unwrap();
        assert_eq!(found.arguments, ["corrente", "server", ""]);
        assert_eq!(found.started, 1012);
        assert!(found.lives(proc.path()));
        assert!(Process::read(proc.path(), 13).is_none());
    }

    #[test]
    fn another_process_with_the_number_is_another_one() {
        let proc = tempfile::tempdir().unwrap();
        testing::add(proc.path(), 12, 'S', &["corrente"], &[]);
        let found = Process { started: 5, ..Process::read(proc.path(), 12).unwrap() };
        assert!(!found.lives(proc.path()));
    }

    #[test]
    fn one_that_has_ended_and_waits_for_its_parent_is_gone() {
        let proc = tempfile::tempdir().unwrap();
        testing::add(proc.path(), 12, 'Z', &["corrente"], &[]);
        assert!(Process::read(proc.path(), 12).is_none());
        assert!(!Process { pid: 12, started: 1012, arguments: Vec::new() }.lives(proc.path()));
    }

    #[test]
    fn a_command_is_one_line_and_not_a_page() {
        let command = |word: &str| {
            Process { pid: 1, started: 1, arguments: vec!["java".into(), word.into()] }.command()
        };
        assert_eq!(command("a\nb\x1b[31m"), "java a\\nb\\u{1b}[31m");
        let long = command(&"x".repeat(500));
        assert_eq!(long, format!("java {}...", "x".repeat(115)));
    }

    #[test]
    fn this_very_process_is_seen() {
        let proc = Path::new(PROC);
        if !proc.join("self/stat").exists() {
            return;
        }
        let me = Process::read(proc, std::process::id()).unwrap();
        assert!(me.lives(proc));
        assert_eq!(me.program(proc).unwrap(), std::env::current_exe().unwrap());
        assert!(numbers(proc).contains(&me.pid));
        assert_eq!(me.owner(proc), Some(rustix::process::geteuid().as_raw()));
    }
}
