//! The metadata log of a data directory that is not opened: what a tool wants to know of it.

use super::engine::journal_name;
use super::record::Fact;
use log_engine::error::{LogError, Result};
use log_engine::format::names::{FileKind, SegmentFile, Stage};
use log_engine::inspect::{Entry, SegmentReader};
use log_engine::io::Storage;
use std::collections::BTreeSet;
use std::path::Path;

/// Most bytes that a batch of facts is opened to.
const CAP: usize = 1 << 24;

/// The topics of a data directory of ours whose own settings say that they are compacted, as far as its metadata log can
/// be read; nothing in a directory of Kafka's. Writes nothing.
///
/// # Errors
///
/// If the disk refuses to read.
pub fn compacted_topics(storage: &dyn Storage, data_dir: &Path) -> Result<Vec<String>> {
    let dir = data_dir.join(journal_name().to_string());
    if !storage.exists(&dir).map_err(LogError::io("look for", &dir))? {
        return Ok(Vec::new());
    }
    let entries = storage.list(&dir).map_err(LogError::io("list", &dir))?;
    let log = |name: &str| {
        SegmentFile::parse(name).filter(|file| file.kind == FileKind::Log && file.stage == Stage::Live)
    };
    let mut files: Vec<_> = entries.iter().filter_map(|entry| log(&entry.name)).collect();
    files.sort_by_key(|file| file.base);
    let mut compacted = BTreeSet::new();
    for file in files {
        let mut reader = SegmentReader::open(storage, &dir.join(file.name()), file.base)?;
        while let Some(entry) = reader.next_entry()? {
            let Entry::Batch { batch, problem: None, .. } = entry else { continue };
            let Ok(records) = batch.records(CAP) else { continue };
            for record in records.iter().map_while(std::result::Result::ok) {
                take(&mut compacted, record.key.unwrap_or_default(), record.value);
            }
        }
    }
    Ok(compacted.into_iter().collect())
}

fn take(compacted: &mut BTreeSet<String>, key: &[u8], value: Option<&[u8]>) {
    match Fact::decode(key, value) {
        Ok(Fact::Topic { name, overrides, .. }) => {
            let policy = overrides.get("cleanup.policy").map_or("", String::as_str);
            if policy.split(',').any(|part| part.trim() == "compact") {
                compacted.insert(name.as_str().to_owned());
            } else {
                compacted.remove(name.as_str());
            }
        }
        Ok(Fact::NoTopic { name, .. }) => {
            compacted.remove(name.as_str());
        }
        _ => {}
    }
}
