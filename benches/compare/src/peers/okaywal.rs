//! `okaywal`: entries of chunks. Each commit is synced; everything is read once, when it is opened.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use okaywal::{
    Configuration, Entry, EntryId, LogManager, LogPosition, ReadChunkResult, SegmentReader, WriteAheadLog,
};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub const FACTS: Facts = Facts {
    groups: true,
    always_syncs: true,
    read_note: Some("reads everything while it opens; a single read opens the file each time"),
    ..Facts::new("okaywal", "0.3.1")
};

/// Written with zeros when the log is made.
const PREALLOCATED: u32 = 64 << 20;

pub fn open(dir: &Path, _room: u64) -> Outcome<Box<dyn Engine>> {
    let positions = Arc::new(Mutex::new(Vec::new()));
    let collector = Collector { positions: Arc::clone(&positions), chunks: None };
    let wal = configuration(dir).open(collector).map_err(told("open"))?;
    Ok(Box::new(Okay { wal, dir: dir.to_owned(), positions }))
}

fn configuration(dir: &Path) -> Configuration {
    // Never checkpointed: a checkpoint hands the entries on and forgets them.
    Configuration::default_for(dir).preallocate_bytes(PREALLOCATED).checkpoint_after_bytes(u64::MAX)
}

struct Okay {
    wal: WriteAheadLog,
    dir: PathBuf,
    positions: Arc<Mutex<Vec<LogPosition>>>,
}

/// Takes the entries in when the log is opened: their places, and their chunks if they are asked for.
#[derive(Debug)]
struct Collector {
    positions: Arc<Mutex<Vec<LogPosition>>>,
    chunks: Option<std::sync::mpsc::SyncSender<Vec<u8>>>,
}

impl LogManager for Collector {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        while let ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            let position = chunk.log_position();
            let bytes = chunk.read_all()?;
            if !chunk.check_crc()? {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match &self.chunks {
                Some(sender) => sender.send(bytes).map_err(io::Error::other)?,
                None => self.positions.lock().unwrap_or_else(PoisonError::into_inner).push(position),
            }
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

impl Engine for Okay {
    fn append(&self, unit: &Unit) -> Outcome {
        self.append_synced(unit)
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        let mut entry = self.wal.begin_entry().map_err(told("begin"))?;
        let mut positions = Vec::with_capacity(unit.records.len());
        for record in &unit.records {
            positions.push(entry.write_chunk(record).map_err(told("write"))?.position);
        }
        entry.commit().map_err(told("commit"))?;
        self.positions.lock().unwrap_or_else(PoisonError::into_inner).extend(positions);
        Ok(())
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1024);
        let manager = Collector { positions: Arc::default(), chunks: Some(sender) };
        let config = configuration(&self.dir);
        std::thread::scope(|scope| {
            let opened = scope.spawn(move || config.open(manager).map(drop));
            receiver.iter().for_each(|chunk| check.see(&chunk));
            opened.join().map_err(|_| "it panicked".to_owned())?.map_err(told("open"))
        })
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        let index = usize::try_from(record).map_err(told("record"))?;
        let position = {
            let positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
            *positions.get(index).ok_or("nothing there")?
        };
        let mut reader = self.wal.read_at(position).map_err(told("read"))?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(told("read"))?;
        if !reader.crc_is_valid().map_err(told("check"))? {
            return Err("checksum".to_owned());
        }
        see(&bytes);
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        self.wal.shutdown().map_err(told("shutdown"))
    }
}
