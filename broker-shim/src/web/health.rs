//! `/healthz` and `/readyz`: whether the process lives, and whether it is of use.
//!
//! ```text
//! GET /readyz     200  ready
//!                 503  not ready: every line says what is wrong and what to do
//! ```
//!
//! Not ready are: a broker whose logs are being opened; one with a data directory that cannot be written; one with a log that
//! takes no appends after a failed sync. A partition that could not be opened, damage, and a ZooKeeper that is away are told and
//! do not count: everything else is served.

use super::Web;
use crate::broker::BrokerState;
use axum::extract::State;
use axum::http::StatusCode;
use log_engine::io::{OpenMode, Storage};
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The file that is written and removed to see that a directory takes files.
const PROBE: &str = "readyz.tmp";
/// Logs that are named.
const NAMED: usize = 10;

/// 200 while the process lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when clients are served.
pub(super) async fn readyz(State(web): State<Arc<Web>>) -> (StatusCode, String) {
    let looked = tokio::task::spawn_blocking(move || web.running().map(|running| look(&running.state)));
    match looked.await {
        Ok(Ok(found)) => found.answer(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready: its logs are being opened\n".to_owned()),
    }
}

/// What was found.
#[derive(Debug, Default, Eq, PartialEq)]
struct Found {
    /// What keeps it from being of use; a line each.
    wrong: Vec<String>,
    /// What whoever asks should know.
    notes: Vec<String>,
}

impl Found {
    fn answer(self) -> (StatusCode, String) {
        let status = if self.wrong.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut text = String::new();
        // Writing to a String cannot fail.
        for line in &self.wrong {
            let _ = writeln!(text, "not ready: {line}");
        }
        if self.wrong.is_empty() {
            text.push_str("ready\n");
        }
        for line in &self.notes {
            let _ = writeln!(text, "note: {line}");
        }
        (status, text)
    }
}

fn look(state: &BrokerState) -> Found {
    let mut found = Found::default();
    let storage = state.store.storage();
    for dir in state.store.dirs() {
        if let Err(error) = probe(&**storage, &dir) {
            found.wrong.push(format!(
                "{} cannot be written: {error}; make room, or make it writable again",
                dir.display()
            ));
        }
    }
    if state.store.is_on_reserve() {
        found
            .wrong
            .push("a disk is full and appends are refused; make room, or shorten retention".to_owned());
    }
    let logs = state.store.logs();
    let names = |which: &dyn Fn(&log_engine::log::Log) -> bool| {
        let names = logs.iter().filter(|(_, log)| which(log)).map(|(name, _)| name.to_string());
        shown(names.collect())
    };
    if let Some(names) = names(&|log| log.is_poisoned()) {
        found.wrong.push(format!("no appends to {names} after a failed write or sync; look at the disk, then start the broker again"));
    }
    if let Some(names) = names(&|log| !log.damage().is_empty()) {
        found.notes.push(format!("there is damage in {names}; `corrente log verify` tells where"));
    }
    let offline = state.store.names().into_iter().filter(|name| state.store.is_failed(name));
    if let Some(names) = shown(offline.map(|name| name.to_string()).collect()) {
        found.notes.push(format!("{names} could not be opened; the log of the start says why"));
    }
    if state.catalog.zookeeper().is_some_and(|link| !link.is_connected) {
        found.notes.push("ZooKeeper is away: data is served, topics cannot be changed".to_owned());
    }
    found
}

/// Writes a byte and takes it back.
fn probe(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    let path = dir.join(PROBE);
    let written = storage.open(&path, OpenMode::Truncate).and_then(|file| file.write_all_at(&[b"1"], 0));
    // Also after a write that failed; that there may be nothing to remove is no news.
    let removed = storage.remove_file(&path);
    written.and(removed)
}

/// The first of some names; `None` of none.
fn shown(names: Vec<String>) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    let first = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    match (first.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(first),
        (false, more) => Some(format!("{first} and {more} more")),
    }
}

#[cfg(test)]
mod tests;
