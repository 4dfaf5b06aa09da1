//! `seglog`: one segment file of records. It has no offsets of records: positions are kept here.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use seglog::read::{ReadHint, Reader};
use seglog::write::Writer;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub const FACTS: Facts =
    Facts { read_note: Some("the caller keeps the positions"), ..Facts::new("seglog", "0.3.6") };

/// Room beyond what is asked for, for heads and markers.
const SPARE: u64 = 8 << 20;

pub fn open(dir: &Path, room: u64) -> Outcome<Box<dyn Engine>> {
    std::fs::create_dir_all(dir).map_err(told("directory"))?;
    let path = dir.join("segment");
    // 8 bytes of head for each record of 100 or more, and the segment must not fill up.
    let size = usize::try_from(room + room / 8 + SPARE).map_err(told("size"))?;
    let mut writer = if path.exists() {
        Writer::<0>::open(&path, size, 0).map_err(told("open"))?
    } else {
        Writer::<0>::create(&path, size, 0).map_err(told("create"))?
    };
    writer.set_max_record(4 << 20);
    Ok(Box::new(Segment { path, state: Mutex::new(State { writer, positions: Vec::new() }) }))
}

struct Segment {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    writer: Writer<0>,
    positions: Vec<u64>,
}

impl Segment {
    fn append_then(&self, unit: &Unit, sync: bool) -> Outcome {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { writer, positions } = &mut *guard;
        for record in &unit.records {
            positions.push(writer.append_data(record).map_err(told("append"))?.0);
        }
        if sync {
            // The marker that recovery looks for, and the sync.
            return writer.commit(positions.len() as u64).map(drop).map_err(told("commit"));
        }
        // It buffers in the process: without this a kill would lose what was appended.
        writer.flush_writer().map_err(told("flush"))
    }

    /// What was appended shows to readers only after a sync.
    fn reader(&self) -> Outcome<Reader<0>> {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.writer.sync().map_err(told("sync"))?;
        let flushed = guard.writer.flushed_offset();
        Reader::<0>::open_read_only(&self.path, Some(flushed)).map_err(told("reader"))
    }
}

impl Engine for Segment {
    fn append(&self, unit: &Unit) -> Outcome {
        self.append_then(unit, false)
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        self.append_then(unit, true)
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        let mut reader = self.reader()?;
        let mut records = reader.iter(0);
        while let Some(record) = records.next_record().map_err(told("read"))? {
            check.see(&record.data);
        }
        Ok(())
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        thread_local! {
            static READER: std::cell::RefCell<Option<(PathBuf, Reader<0>)>> = const { std::cell::RefCell::new(None) };
        }
        let index = usize::try_from(record).map_err(told("record"))?;
        let position = {
            let guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            *guard.positions.get(index).ok_or("nothing there")?
        };
        READER.with_borrow_mut(|slot| {
            if slot.as_ref().is_none_or(|(path, _)| *path != self.path) {
                *slot = Some((self.path.clone(), self.reader()?));
            }
            let (_, reader) = slot.as_mut().ok_or("made above")?;
            let record = reader.read_record(position, ReadHint::Random).map_err(told("read"))?;
            see(&record.data);
            Ok(())
        })
    }

    fn close(self: Box<Self>) -> Outcome {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.writer.close().map_err(told("close"))
    }
}
