//! Unsynced appends in five shapes. What was appended survives the end of the process, unless the table says otherwise.

use super::{Watch, mb_per_s};
use crate::peers::{Kind, Outcome};
use crate::raw::{Blocks, RawFile, check_and_walk};
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{SHAPES, Shape, Unit};
use crate::{Scratch, Setup};

enum Way {
    Engine(Kind),
    /// Ours, with the thread that starts write-back.
    Threaded(Kind),
    /// `pwrite` into fallocated blocks; with the checksum and the walk that a checked append costs.
    Raw {
        checked: bool,
    },
}

const THREADED: &str = "log-engine, write-back on a thread";
const RAW: &str = "raw: pwrite";
const RAW_CHECKED: &str = "raw: pwrite + CRC + walk";

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Engine(kind) => kind.facts.name,
            Self::Threaded(_) => THREADED,
            Self::Raw { checked: false } => RAW,
            Self::Raw { checked: true } => RAW_CHECKED,
        }
    }
}

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    SHAPES.iter().map(|shape| one(setup, *shape)).collect()
}

fn one(setup: &Setup, shape: Shape) -> Outcome<Bench> {
    let unit = Unit::new(shape);
    let mut bench = Bench::new(format!("append, {}, unsynced", shape.name), "MB/s", Better::Higher);
    let mut ways: Vec<Way> = Vec::new();
    for kind in &setup.peers {
        if kind.facts.always_syncs {
            bench.note(kind.facts.name, "has no append without a sync");
        } else {
            ways.push(Way::Engine(*kind));
            if kind.facts.name == OURS {
                ways.push(Way::Threaded(*kind));
                let cost = "opted into: a core does what is a fifth of a large append";
                bench.note(THREADED, cost);
            }
        }
        if let Some(note) = kind.facts.unsynced_note {
            bench.note(kind.facts.name, note);
        }
    }
    ways.push(Way::Raw { checked: false });
    ways.push(Way::Raw { checked: true });
    interleave(setup.options.rounds, &ways, |_, way| {
        let scratch = setup.scratch(&format!("append {}", way.name()));
        match measure(setup, &scratch, way, &unit) {
            Ok(figure) => bench.add(way.name(), figure),
            Err(error) => bench.note(way.name(), error),
        }
    });
    let same_work =
        |name: &str| setup.peers.iter().any(|k| k.facts.name == name && k.facts.unsynced_note.is_none());
    let peer = bench.best(|name| name != OURS && same_work(name));
    if shape.singly {
        bench.goal_against("the fastest peer", peer, 3.0);
    } else {
        bench.goal_against("the fastest peer", peer, 1.0);
        let raw = bench.median(RAW_CHECKED).map(|figure| (RAW_CHECKED.to_owned(), figure));
        bench.goal_against("raw write, one CRC, one walk", raw, 0.9);
    }
    Ok(bench)
}

/// Payload of one measurement in MB/s: so many bytes or so much time, whichever is reached first.
fn measure(setup: &Setup, scratch: &Scratch, way: &Way, unit: &Unit) -> Outcome<f64> {
    let _thread = match way {
        Way::Threaded(_) => Some(log_engine::io::write_back_thread().map_err(|e| e.to_string())?),
        _ => None,
    };
    let mut append: Box<dyn FnMut() -> Outcome> = match way {
        Way::Engine(kind) | Way::Threaded(kind) => {
            let engine = (kind.open)(scratch.path(), setup.options.bytes)?;
            Box::new(move || engine.append(unit))
        }
        Way::Raw { checked } => {
            let mut file = RawFile::create(scratch.path(), Blocks::Fallocated, 0)?;
            let checked = *checked;
            Box::new(move || {
                if checked {
                    let (crc, records) = std::hint::black_box(check_and_walk(&unit.batch));
                    if records != unit.records.len() as u64 {
                        return Err(format!("the walk saw {records} records, crc {crc:x}"));
                    }
                }
                file.append(&unit.batch)
            })
        }
    };
    let units = setup.options.bytes.div_ceil(unit.payload());
    // The clock is looked at now and then: it would be a good part of a small append.
    let look = (64 * 1024 / unit.payload()).max(1);
    let start = Watch::start();
    let mut done = 0;
    while done < units {
        for _ in 0..look {
            append()?;
        }
        done += look;
        if start.elapsed() >= setup.options.time {
            break;
        }
    }
    Ok(mb_per_s(done * unit.payload(), start.elapsed()))
}
