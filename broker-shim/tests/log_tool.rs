//! `corrente log` as a user and a script meet it, on directories of Kafka's and of ours: what it prints, how it ends, and
//! that it writes nothing unless it was told to.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../log-engine/tests/common/mod.rs"]
mod common;

use common::{VERSIONS, copy_dir, golden};
use log_engine::{Log, LogConfig, NewRecord, Offset};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn corrente(args: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corrente"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, stdout and stderr.
fn run(args: &[&str], dir: &Path) -> (i32, String, String) {
    let output: Output = corrente(&[&["log"], args].concat(), dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(args: &[&str], dir: &Path) -> Vec<Value> {
    let (_, out, _) = run(args, dir);
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A copy of one of Kafka's logs, in a directory of its own.
fn kafkas(name: &str) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    copy_dir(&golden().join(VERSIONS[0]).join(name), &temp.path().join(name));
    temp
}

/// A log of ours with some small segments.
fn ours() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 400, ..LogConfig::default() };
    let log = Log::open(temp.path().join("t-0"), config).unwrap();
    for n in 0..10 {
        log.append(&[NewRecord::keyed(b"key", format!("value {n}").as_bytes())]).unwrap();
    }
    log.close().unwrap();
    temp
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// All files below a directory with their bytes.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(content(&path));
        } else {
            out.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    out
}

#[test]
fn every_directory_of_kafkas_is_clean() {
    for version in VERSIONS {
        let (code, out, err) = run(&["verify", version], &golden());
        assert_eq!(code, 0, "{out}{err}");
        let (verdict, rest) = out.lines().partition::<Vec<_>, _>(|line| line.contains(" batches: clean"));
        assert_eq!(verdict.len(), 1, "{out}");
        assert!(rest.iter().all(|line| line.starts_with("note: ")), "{out}");
        assert_eq!(run(&["repair", version], &golden()).1, "nothing to repair\n");
    }
    let (code, out, _) = run(&["verify", "kafka-2.2.0/killed"], &golden());
    assert_eq!(code, 0);
    let base = "kafka-2.2.0/killed/g-killed-0/00000000000000000030";
    assert_eq!(
        out,
        format!(
            "note: {base}.index: the index is not there: it is made anew\n\
             note: {base}.timeindex: the index is not there: it is made anew\n\
             1 logs, 2 segments, 20 batches: clean, note 2\n"
        )
    );
}

#[test]
fn a_dump_names_every_batch_and_record() {
    let (code, out, _) =
        run(&["dump", "--records", "g-kinds-0/00000000000000000000.log"], &golden().join(VERSIONS[0]));
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "file path=g-kinds-0/00000000000000000000.log size=3406");
    assert_eq!(
        lines[1],
        "batch position=0 size=165 base_offset=0 last_offset=5 count=6 magic=2 codec=none leader_epoch=0 \
         transactional=false control=false time_type=create base_timestamp=1700000000000 \
         max_timestamp=1700000000005 crc=4133981481 valid=true"
    );
    assert_eq!(lines[2], "record offset=0 timestamp=1700000000000 key=key value=value headers=[h=1]");
    assert_eq!(
        lines[3],
        "record offset=1 timestamp=1700000000005 key=key value=value \
         headers=[a=x,a=y,n,e=\"\",\"h\\xc3\\xa9\\xe2\\x82\\xac\"=\"\\xc3\\xbc\"]"
    );
    assert_eq!(lines[4], "record offset=2 timestamp=1700000000003 value=\"null key\"");
    assert_eq!(lines[7], "record offset=5 timestamp=1700000000002 key=\"\" value=\"\"");
}

#[test]
fn a_dump_in_json_has_all_records_of_all_formats() {
    for version in VERSIONS {
        for dir in common::partitions(version) {
            let expected = common::expected(&dir, "expected.tsv");
            let lines = json(&["dump", "--json", "--records", dir.to_str().unwrap()], Path::new("."));
            let control = |line: &&Value| line["type"] == "record" && line["marker"].is_null();
            let records: Vec<_> = lines.iter().filter(control).collect();
            let offset = |line: &Value| line["offset"].as_i64().unwrap();
            let records: Vec<_> = records.into_iter().filter(|line| offset(line) >= expected.start).collect();
            assert_eq!(records.len(), expected.records.len(), "{}", dir.display());
            for (line, expected) in records.iter().zip(&expected.records) {
                let bytes = |value: &Value| match value {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone().into_bytes()),
                    other => Some(common::unhex(other["hex"].as_str().unwrap())),
                };
                assert_eq!(offset(line), expected.offset);
                assert_eq!(line["timestamp"].as_i64().unwrap_or(-1), expected.timestamp, "{}", dir.display());
                assert!(expected.key.is(bytes(&line["key"]).as_deref()), "{line}");
                assert!(expected.value.is(bytes(&line["value"]).as_deref()), "{line}");
            }
        }
    }
}

#[test]
fn the_small_files_are_told_too() {
    let temp = ours();
    let (code, out, err) = run(&["dump", "t-0"], temp.path());
    assert_eq!(code, 0, "{err}");
    for kind in ["file ", "batch ", "time_entry ", "synced_mark slot=", "leader_epoch epoch=0 start_offset=0"]
    {
        assert!(out.lines().any(|line| line.starts_with(kind)), "{kind}: {out}");
    }
    let (_, out, _) = run(&["dump", VERSIONS[0]], &golden());
    for line in [
        "checkpoint topic=g-delrec partition=0 offset=27",
        "property key=broker.id value=0",
        "aborted_transaction producer_id=2 first_offset=5 last_offset=8 last_stable_offset=9",
        "producer producer_id=2 producer_epoch=1 last_sequence=36 last_offset=84 offset_delta=1 \
         timestamp=1700000000510 coordinator_epoch=0 open_transaction=83",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn damage_is_named_and_repaired_when_told_to() {
    let temp = kafkas("g-plain-0");
    let (dir, log) = (temp.path(), "g-plain-0/00000000000000000072.log");
    flip(&dir.join(log), 700);
    let before = content(dir);
    let (code, out, err) = run(&["verify", "g-plain-0"], dir);
    assert_eq!((code, err.as_str()), (1, ""));
    let lines: Vec<&str> = out.lines().collect();
    let found =
        "damage: g-plain-0/00000000000000000072.log: bytes [678, 831), offsets [84, 87): crc32c stored ";
    assert!(lines[0].starts_with(found), "{out}");
    assert_eq!(
        lines[1..],
        [
            "1 logs, 4 segments, 119 batches: not clean, damage 1",
            "what can be done about it: corrente log repair g-plain-0"
        ]
    );
    let (code, out, _) = run(&["repair", "g-plain-0"], dir);
    assert_eq!(code, 1);
    let plan = format!(
        "copy bytes [678, 831) of {log} to {log}.678.damaged\n\
                        put an empty batch for the lost offsets [84, 87) into {log}\n"
    );
    assert_eq!(out, format!("{plan}2 steps; nothing was written: say --apply to do them\n"));
    assert_eq!(content(dir), before, "nothing was written");
    let (code, out, err) = run(&["repair", "--apply", "g-plain-0"], dir);
    assert_eq!((code, out, err.as_str()), (0, format!("{plan}2 steps done\n"), ""));
    assert_eq!(run(&["verify", "g-plain-0"], dir).0, 0);
    assert_eq!(run(&["repair", "--apply", "g-plain-0"], dir).1, "nothing to repair\n");
    let aside = fs::read(dir.join(format!("{log}.678.damaged"))).unwrap();
    assert_eq!(aside, before[&dir.join(log)][678..831]);
}

#[test]
fn findings_in_json_have_their_place() {
    let temp = ours();
    flip(&temp.path().join("t-0/00000000000000000000.log"), 70);
    let lines = json(&["verify", "--json", "t-0"], temp.path());
    let (finding, summary) = (&lines[0], &lines[1]);
    assert_eq!(finding["kind"], "damage");
    assert_eq!(
        (&finding["from_position"], &finding["from_offset"], &finding["to_offset"]),
        (&0.into(), &0.into(), &1.into())
    );
    assert_eq!(
        (&summary["type"], &summary["clean"], &summary["damage"]),
        (&"summary".into(), &false.into(), &1.into())
    );
    let steps = json(&["repair", "--json", "t-0"], temp.path());
    assert_eq!(
        steps.iter().map(|step| step["step"].as_str().unwrap()).collect::<Vec<_>>(),
        ["set_aside", "fill"]
    );
}

#[test]
fn a_log_in_use_is_not_repaired_and_its_holder_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let data = format!("log.dirs={}", temp.path().display());
    let args = ["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", &data];
    let mut child = corrente(&args, temp.path()).spawn().unwrap();
    let ready = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let metadata = "__corrente_metadata-0";
    let data_dir = run(&["repair", "--apply", "."], temp.path());
    let one = run(&["repair", "--apply", metadata], temp.path());
    let looked = run(&["verify", metadata], temp.path());
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready.starts_with("corrente "), "{ready}");
    for (code, out, err) in [data_dir, one] {
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(
            err,
            format!("corrente: . is in use by process {pid}: stop it, then repair; nothing was written\n")
        );
    }
    assert_eq!(looked.0, 0, "looking needs no lock: {}{}", looked.1, looked.2);
    assert_eq!(
        run(&["repair", "--apply", "."], temp.path()),
        (0, "nothing to repair\n".to_owned(), String::new())
    );
}

#[test]
fn a_stat_counts_what_is_there() {
    let temp = ours();
    let lines = json(&["stat", "--json", "t-0"], temp.path());
    let log = lines.last().unwrap();
    assert_eq!(
        (&log["type"], &log["first_offset"], &log["next_offset"]),
        (&"log".into(), &0.into(), &10.into())
    );
    assert_eq!(
        (&log["records"], &log["batches"], &log["unsynced_bytes"]),
        (&10.into(), &10.into(), &0.into())
    );
    assert_eq!(lines.len() - 1, usize::try_from(log["segments"].as_u64().unwrap()).unwrap());
    let (code, out, _) = run(&["stat", "g-v0-gzip-0"], &golden().join(VERSIONS[0]));
    assert_eq!(code, 0);
    let row: Vec<&str> = out.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(
        row,
        ["g-v0-gzip-0", "(1", "segments)", "3519", "0", "43", "6", "43", "-", "-", "8.19", "32", "-"]
    );
}

#[test]
fn what_is_no_log_ends_with_2_and_a_sentence() {
    let temp = tempfile::tempdir().unwrap();
    for command in ["dump", "verify", "repair", "stat"] {
        let (code, out, err) = run(&[command, "none"], temp.path());
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(
            err,
            "corrente: none is not there: name a file of a log, the directory of one, or a data directory\n"
        );
        let (code, _, err) = run(&[command, "."], temp.path());
        assert_eq!(code, 2);
        assert_eq!(
            err,
            "corrente: . holds no log: name the directory that the .log files are in, or a data directory\n"
        );
        assert_eq!(run(&[command], temp.path()).0, 2);
    }
}

#[test]
fn gaps_of_compaction_are_gaps_only_where_nobody_says_so() {
    let temp = kafkas("g-compact-0");
    let (code, out, _) = run(&["verify", "g-compact-0"], temp.path());
    assert_eq!(code, 1);
    assert!(out.contains("if these are gaps that compaction has left, say --compacted\n"), "{out}");
    assert_eq!(run(&["verify", "--compacted", "g-compact-0"], temp.path()).0, 0);
}

#[test]
fn the_note_of_how_far_a_log_is_compacted_is_dumped_and_verified() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let log = Log::builder(&dir).compaction_point(Some(Offset::ZERO)).open().unwrap();
    log.append(&[NewRecord::keyed(b"key", b"value")]).unwrap();
    log.close().unwrap();
    let (code, out, said) = run(&["dump", "t-0/compaction-point"], temp.path());
    assert_eq!((code, said.as_str()), (0, ""), "{out}");
    assert!(out.contains("compaction_point") && out.contains("offset"), "{out}");
    let lines = json(&["dump", "--json", "t-0"], temp.path());
    let point =
        lines.iter().find(|line| line["type"] == "compaction_point").unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(point["offset"], 0);
    assert_eq!(run(&["verify", "t-0"], temp.path()).0, 0);
    flip(&dir.join("compaction-point"), 2);
    let (code, out, _) = run(&["verify", "t-0"], temp.path());
    assert_eq!(code, 1);
    assert!(
        out.contains("derived: t-0/compaction-point: the compaction point is not as it was written"),
        "{out}"
    );
    assert!(!out.contains("--compacted"), "{out}");
    let (_, out, _) = run(&["dump", "t-0/compaction-point"], temp.path());
    assert!(out.contains("unreadable"), "{out}");
}
