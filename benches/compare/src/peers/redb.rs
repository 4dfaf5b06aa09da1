//! `redb`: a table from record numbers to records, a transaction for each unit.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;

pub const FACTS: Facts = Facts {
    verifies: false,
    unsynced_note: Some("unsynced commits live in the process: kill -9 loses them"),
    read_note: Some("checksums are looked at by its repair only"),
    ..Facts::new("redb", "4.6.0")
};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

pub fn open(dir: &Path, _room: u64) -> Outcome<Box<dyn Engine>> {
    std::fs::create_dir_all(dir).map_err(told("directory"))?;
    let db = Database::create(dir.join("db")).map_err(told("open"))?;
    let begun = db.begin_write().map_err(told("begin"))?;
    begun.open_table(RECORDS).map(drop).map_err(told("table"))?;
    begun.commit().map_err(told("commit"))?;
    Ok(Box::new(Table(db)))
}

struct Table(Database);

impl Table {
    fn write(&self, unit: &Unit, durability: Durability) -> Outcome {
        let mut begun = self.0.begin_write().map_err(told("begin"))?;
        begun.set_durability(durability).map_err(told("durability"))?;
        {
            let mut table = begun.open_table(RECORDS).map_err(told("table"))?;
            let next = table.last().map_err(told("last"))?.map_or(0, |(key, _)| key.value() + 1);
            for (key, record) in (next..).zip(&unit.records) {
                table.insert(key, &record[..]).map_err(told("insert"))?;
            }
        }
        begun.commit().map_err(told("commit"))
    }
}

impl Engine for Table {
    fn append(&self, unit: &Unit) -> Outcome {
        self.write(unit, Durability::None)
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        self.write(unit, Durability::Immediate)
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        let begun = self.0.begin_read().map_err(told("begin"))?;
        let table = begun.open_table(RECORDS).map_err(told("table"))?;
        for found in table.iter().map_err(told("iterate"))? {
            check.see(found.map_err(told("read"))?.1.value());
        }
        Ok(())
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        let begun = self.0.begin_read().map_err(told("begin"))?;
        let table = begun.open_table(RECORDS).map_err(told("table"))?;
        see(table.get(record).map_err(told("get"))?.ok_or("nothing there")?.value());
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        let begun = self.0.begin_write().map_err(told("begin"))?;
        begun.commit().map_err(told("commit"))
    }
}
