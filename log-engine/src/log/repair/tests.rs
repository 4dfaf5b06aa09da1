//! Every kind of damage, repaired; then repaired by somebody who is stopped at every call.

use super::*;
use crate::io::{Clock, CrashStorage, Fault, FaultStorage, ManualClock, OpenMode, Survivors};
use crate::log::Log;
use crate::types::{Offset, Timestamp};
use crate::{LogConfig, NewRecord};
use std::collections::BTreeMap;
use std::io::ErrorKind;

const DIR: &str = "/logs/t-0";

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

/// Some machine.
#[derive(Clone)]
struct Machine {
    disk: CrashStorage,
    storage: Arc<dyn Storage>,
    clock: Arc<ManualClock>,
}

impl Machine {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000).unwrap()));
        Self::on(CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    fn on(disk: CrashStorage, clock: Arc<ManualClock>) -> Self {
        Self { storage: Arc::new(disk.clone()), disk, clock }
    }

    /// The same after a power cut.
    fn cut(&self, survivors: Survivors) -> Self {
        Self::on(self.disk.power_cut(survivors), Arc::clone(&self.clock))
    }

    fn open(&self) -> Result<Arc<Log>> {
        let config = LogConfig { segment_bytes: 600, index_interval_bytes: 100, ..LogConfig::default() };
        let builder = Log::builder(DIR).config(config).storage(Arc::clone(&self.storage)).lock(false);
        builder.clock(Arc::clone(&self.clock) as Arc<dyn Clock>).open()
    }

    /// Three segments of some records, all synced and closed.
    fn filled() -> Self {
        let machine = Self::new();
        machine.fill();
        machine
    }

    fn fill(&self) {
        let log = self.open().unwrap();
        for n in 0..20 {
            log.append(&[NewRecord::keyed(b"key", format!("value {n}").as_bytes())]).unwrap();
        }
        log.close().unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = self.storage.list(Path::new(DIR)).unwrap();
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        files::read_small(&*self.storage, &Path::new(DIR).join(name)).unwrap().unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let file = self.storage.open(&Path::new(DIR).join(name), OpenMode::ReadWrite).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        file.write_all_at(&[bytes], 0).unwrap();
    }

    fn flip(&self, name: &str, bit: usize) {
        let mut bytes = self.bytes(name);
        bytes[bit / 8] ^= 1 << (bit % 8);
        self.write(name, &bytes);
    }

    fn remove(&self, name: &str) {
        self.storage.remove_file(&Path::new(DIR).join(name)).unwrap();
    }

    fn check(&self) -> LogCheck {
        check_log(&self.storage, Path::new(DIR), &CheckOptions::default()).unwrap()
    }

    fn plan(&self) -> Vec<Step> {
        plan(&self.storage, Path::new(DIR), &CheckOptions::default()).unwrap()
    }

    fn repair(&self) -> Result<Vec<Step>> {
        repair(&self.storage, Path::new(DIR), &CheckOptions::default())
    }

    /// What a reader gets who goes on behind every error.
    fn served(&self) -> (BTreeMap<i64, String>, i64) {
        let log = self.open().unwrap();
        let mut out = BTreeMap::new();
        let mut from = log.start_offset();
        'again: while from < log.end_offset() {
            for batch in log.records(from) {
                match batch {
                    Ok(batch) => {
                        for record in &batch.records().unwrap() {
                            let record = record.unwrap();
                            let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                            out.insert(record.offset.get(), text);
                        }
                    }
                    Err(LogError::Corrupt { reason: CorruptReason::Hole { to, .. }, .. }) => {
                        from = to;
                        continue 'again;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            break;
        }
        (out, log.end_offset().get())
    }

    /// Repairs, and holds that nothing is wrong afterwards and everything that was served is still.
    fn repaired(&self, what: &str) {
        let (before, end) = self.cut(Survivors::Everything).served();
        let planned = self.plan();
        let done = self.repair().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(planned, done, "{what}");
        let check = self.check();
        assert!(check.is_clean(), "{what}: {:#?}", check.findings);
        assert_eq!(self.repair().unwrap(), [], "{what}: a second time");
        let log = self.open().unwrap();
        assert_eq!(log.damage(), [], "{what}");
        drop(log);
        let (after, end_after) = self.served();
        assert_eq!((after, end_after), (before, end), "{what}");
    }

    /// The same files, which are other files.
    fn copied(&self) -> Self {
        let copy = Self::new();
        copy.storage.create_dir_all(Path::new(DIR)).unwrap();
        for name in self.names() {
            let path = Path::new(DIR).join(&name);
            let file = copy.storage.open(&path, OpenMode::CreateNew).unwrap();
            file.write_all_at(&[&self.bytes(&name)], 0).unwrap();
        }
        copy
    }
}

fn segment(base: i64) -> String {
    SegmentFile::live(offset(base), FileKind::Log).name()
}

fn segments(machine: &Machine) -> Vec<String> {
    machine.names().into_iter().filter(|name| name.ends_with(".log")).collect()
}

#[test]
fn a_sound_log_needs_nothing_and_nothing_is_written() {
    let machine = Machine::filled();
    let before: Vec<_> = machine.names().iter().map(|name| machine.bytes(name)).collect();
    assert_eq!(machine.check().findings, []);
    assert_eq!((machine.plan(), machine.repair().unwrap()), (vec![], vec![]));
    assert_eq!(machine.names().iter().map(|name| machine.bytes(name)).collect::<Vec<_>>(), before);
}

#[test]
fn a_hole_is_set_aside_and_an_empty_batch_takes_its_place() {
    let machine = Machine::filled();
    let name = segment(0);
    let bytes = machine.bytes(&name);
    let len = usize::try_from(crate::format::batch::read_i32(&bytes, 8)).unwrap() + 12;
    machine.flip(&name, 8 * (2 * len + 70));
    let steps = machine.repair().unwrap();
    let text: Vec<_> = steps.iter().map(ToString::to_string).collect();
    let (from, to) = (2 * len, 3 * len);
    assert_eq!(
        text,
        [
            format!("copy bytes [{from}, {to}) of {DIR}/{name} to {DIR}/{name}.{from}.damaged"),
            format!("put an empty batch for the lost offsets [2, 3) into {DIR}/{name}"),
        ]
    );
    let aside = machine.bytes(&format!("{name}.{from}.damaged"));
    assert_eq!(aside.len(), len);
    assert_eq!(aside[71..], bytes[from + 71..to], "byte for byte as it was found");
    let after = machine.bytes(&name);
    assert_eq!(after[..from], bytes[..from]);
    assert_eq!(after[from + 61..], bytes[to..]);
    let (records, end) = machine.served();
    assert_eq!((records.len(), records.get(&2), end), (19, None, 20));
    let log = machine.open().unwrap();
    assert_eq!(log.append(&[NewRecord::value(b"on")]).unwrap().base_offset, offset(20));
}

#[test]
fn every_seventh_bit_of_every_file_is_repaired() {
    let whole = Machine::filled();
    for name in whole.names() {
        let bits = whole.bytes(&name).len() * 8;
        for bit in (0..bits).step_by(7) {
            let machine = whole.copied();
            machine.flip(&name, bit);
            machine.repaired(&format!("bit {bit} of {name}"));
        }
    }
}

#[test]
fn every_seventh_bit_below_the_mark_is_repaired() {
    for name in segments(&Machine::filled()) {
        let machine = Machine::filled();
        for bit in (0..machine.bytes(&name).len() * 8).step_by(7) {
            let machine = Machine::filled();
            machine.flip(&name, bit);
            machine.repaired(&format!("bit {bit} of {name}"));
        }
    }
}

#[test]
fn a_segment_that_is_gone_leaves_its_offsets_to_an_empty_one() {
    // Without the first one the log begins later, as after retention.
    for gone in &segments(&Machine::filled())[1..] {
        let machine = Machine::filled();
        machine.remove(gone);
        let steps = machine.plan();
        assert!(
            matches!(&steps[..], [Step::Fill { bytes, .. }, ..] if bytes.is_empty()),
            "{gone}: {steps:?}"
        );
        machine.repaired(gone);
    }
}

#[test]
fn a_segment_that_was_cut_short_is_filled_up() {
    for name in segments(&Machine::filled()) {
        let len = Machine::filled().bytes(&name).len();
        for cut in (0..len).step_by(11) {
            let machine = Machine::filled();
            let bytes = machine.bytes(&name);
            machine.write(&name, &bytes[..cut]);
            machine.repaired(&format!("{name} cut at {cut}"));
        }
    }
}

#[test]
fn what_is_torn_is_set_aside_as_opening_does() {
    let machine = Machine::filled();
    let log = machine.open().unwrap();
    log.append(&[NewRecord::value(b"last")]).unwrap();
    drop(log);
    let name = segments(&machine).pop().unwrap();
    let bytes = machine.bytes(&name);
    // Not the zeros of the window behind it.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    machine.write(&name, &bytes[..end - 3]);
    let steps = machine.repair().unwrap();
    assert!(matches!(&steps[..], [Step::SetAside { .. }, Step::Cut { .. }]), "{steps:?}");
    assert!(machine.names().iter().any(|name| name.ends_with(".torn")));
    assert!(machine.check().is_clean());
    assert_eq!(machine.served().1, 20);
}

#[test]
fn messages_of_older_formats_are_refused() {
    let machine = Machine::new();
    machine.storage.create_dir_all(Path::new(DIR)).unwrap();
    let file = machine.storage.open(&Path::new(DIR).join(segment(0)), OpenMode::CreateNew).unwrap();
    let mut message = vec![0; 12 + 14 + 3];
    message[11] = 17;
    file.write_all_at(&[&message, &message], 0).unwrap();
    let refused = machine.repair().unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{DIR}: corrupt at position 0: messages of magic 0 and 1 cannot be repaired")
    );
}

#[test]
fn a_missing_first_segment_is_filled_from_the_log_start_on() {
    for start in [0, 1] {
        let machine = Machine::filled();
        let log = machine.open().unwrap();
        log.delete_records_before(offset(start)).unwrap();
        log.close().unwrap();
        drop(log);
        machine.remove(&segments(&machine)[0]);
        let damage: Vec<_> =
            machine.check().findings.into_iter().filter(|f| f.kind == Kind::Damage).collect();
        assert!(
            matches!(&damage[..], [one] if one.problem.contains("first segment is missing")),
            "{damage:?}"
        );
        machine.repaired(&format!("the first segment, start {start}"));
        assert_eq!(segments(&machine)[0], SegmentFile::live(offset(start), FileKind::Log).name());
        assert_eq!(machine.open().unwrap().start_offset(), offset(start));
    }
}

/// Two holes and a missing segment, all on the disk.
fn damaged() -> Machine {
    let machine = Machine::filled();
    let names = segments(&machine);
    let last = names.last().unwrap();
    machine.flip(&names[0], 8 * 70);
    machine.flip(last, 8 * 70);
    machine.remove(&names[1]);
    for name in machine.names() {
        let path = Path::new(DIR).join(name);
        machine.storage.open(&path, OpenMode::ReadWrite).unwrap().sync_data().unwrap();
    }
    machine.storage.sync_dir(Path::new(DIR)).unwrap();
    machine
}

#[test]
fn whoever_is_stopped_at_any_call_loses_nothing_and_may_go_on() {
    let whole = damaged();
    let intact = whole.cut(Survivors::Everything).served();
    let counted = FaultStorage::new(Arc::clone(&whole.storage), Fault::never());
    let options = CheckOptions::default();
    repair(&(Arc::new(counted.clone()) as Arc<dyn Storage>), Path::new(DIR), &options).unwrap();
    let calls = counted.calls();
    assert!(calls > 25, "{calls} calls");
    for call in 0..calls {
        for seed in 0..6 {
            let machine = damaged();
            let fault = Fault::at(call, ErrorKind::Other).lasting().short_writes();
            let stopped: Arc<dyn Storage> = Arc::new(FaultStorage::new(Arc::clone(&machine.storage), fault));
            repair(&stopped, Path::new(DIR), &options).unwrap_err();
            let survivors = match seed {
                0 => Survivors::Nothing,
                1 => Survivors::Everything,
                _ => Survivors::Some(seed),
            };
            let what = format!("call {call}, {survivors:?}");
            // Somebody opens it as it is, or goes on repairing.
            assert_eq!(machine.cut(survivors).served(), intact, "{what}");
            let again = machine.cut(survivors);
            again.repair().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(again.check().is_clean(), "{what}: {:#?}", again.check().findings);
            assert_eq!(again.served(), intact, "{what}: repaired");
        }
    }
}
