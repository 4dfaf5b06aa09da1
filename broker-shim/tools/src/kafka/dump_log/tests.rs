use super::{Contents, Decoder, Options, Stop, dump};
use crate::ops::coordinator::Coordinator;
use log_engine::format::build::control_marker;
use log_engine::{Log, LogConfig, NewRecord, Timestamp};
use std::path::{Path, PathBuf};

/// Standard output, standard error and the sentence it ended with.
fn run(options: &Options) -> (String, String, Option<String>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let trouble = match dump(options, &mut out, &mut err) {
        Ok(()) => None,
        Err(Stop::Trouble(sentence)) => Some(sentence),
        Err(Stop::Output(error)) => panic!("{error}"),
    };
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), trouble)
}

/// A log of two batches: two records with a header, then one without key.
fn log(dir: &Path) -> PathBuf {
    let log = Log::open(dir, LogConfig::default()).unwrap();
    let at = |ms| Timestamp::from_millis(ms).unwrap();
    let first = NewRecord::keyed(b"k", b"v").at(at(1_700_000_000_000));
    log.append(&[first, NewRecord::keyed(b"", b"").at(at(1_700_000_000_001))]).unwrap();
    log.append(&[NewRecord::value(b"x").at(at(1_700_000_000_002))]).unwrap();
    log.close().unwrap();
    dir.join("00000000000000000000.log")
}

#[test]
fn batches_are_a_line_and_records_only_if_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let file = log(temp.path());
    let (shallow, err, trouble) = run(&Options::of(vec![file.clone()]));
    assert_eq!((err.as_str(), trouble), ("", None));
    let lines: Vec<&str> = shallow.lines().collect();
    assert_eq!(lines[0], format!("Dumping {}", file.display()));
    assert_eq!(lines[1], "Log starting offset: 0");
    assert!(lines[2].starts_with(
        "baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1 lastSequence: -1 producerId: -1"
    ));
    assert!(
        lines[2].contains("deleteHorizonMs: OptionalLong.empty position: 0 CreateTime: 1700000000001 size: ")
    );
    assert!(lines[3].ends_with("isvalid: true"));
    assert_eq!(lines.len(), 4);

    let deep = Options { deep: true, print: true, ..Options::of(vec![file.clone()]) };
    let records: Vec<String> =
        run(&deep).0.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect();
    assert_eq!(
        records,
        [
            "| offset: 0 CreateTime: 1700000000000 keySize: 1 valueSize: 1 sequence: -1 headerKeys: [] key: k payload: v",
            "| offset: 1 CreateTime: 1700000000001 keySize: 0 valueSize: 0 sequence: -1 headerKeys: [] key:  payload: ",
            "| offset: 2 CreateTime: 1700000000002 keySize: -1 valueSize: 1 sequence: -1 headerKeys: [] payload: x",
        ]
    );
    let bare = Options { skip_metadata: true, ..deep };
    let records: Vec<String> =
        run(&bare).0.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect();
    assert_eq!(records, ["| key: k payload: v", "| key:  payload: ", "| payload: x"]);
}

#[test]
fn max_bytes_stops_before_the_batch_that_goes_beyond() {
    let temp = tempfile::tempdir().unwrap();
    let file = log(temp.path());
    let cut = Options { max_bytes: Some(100), ..Options::of(vec![file]) };
    let (out, ..) = run(&cut);
    assert_eq!(out.lines().filter(|line| line.starts_with("baseOffset: ")).count(), 1, "{out}");
    assert!(!out.contains("invalid bytes"), "{out}");
}

#[test]
fn bytes_behind_the_last_batch_are_counted() {
    let temp = tempfile::tempdir().unwrap();
    let file = log(temp.path());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(b"no batch");
    std::fs::write(&file, bytes).unwrap();
    let (out, ..) = run(&Options::of(vec![file]));
    assert!(out.ends_with("Found 8 invalid bytes at the end of 00000000000000000000.log\n"), "{out}");
}

#[test]
fn an_index_that_names_another_offset_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let file = log(temp.path());
    let index = file.with_extension("index");
    std::fs::write(&index, [0, 0, 0, 7, 0, 0, 0, 0]).unwrap();
    let (out, err, _) = run(&Options::of(vec![index.clone()]));
    assert!(out.ends_with("offset: 7 position: 0\n"), "{out}");
    assert_eq!(err, format!("Mismatches in :{}\n  Index offset: 7, log offset: 1\n", index.display()));
    let quiet = Options { verify_only: true, ..Options::of(vec![index.clone()]) };
    assert_eq!(run(&quiet).0, format!("Dumping {}\n", index.display()));
    let sane = Options { sanity_only: true, ..Options::of(vec![index.clone()]) };
    assert!(run(&sane).0.ends_with(" passed sanity check.\n"));
    std::fs::write(&index, [0; 9]).unwrap();
    assert!(run(&sane).2.unwrap().contains("9 bytes are no multiple of 8"));
}

#[test]
fn a_marker_is_shown_as_one() {
    let temp = tempfile::tempdir().unwrap();
    let id = log_engine::ProducerId::new(7).unwrap();
    let epoch = log_engine::ProducerEpoch::new(1).unwrap();
    let bytes = control_marker(id, epoch, false, 3, Timestamp::from_millis(1_700_000_000_000).unwrap());
    let file = temp.path().join("00000000000000000000.log");
    std::fs::write(&file, bytes).unwrap();
    let deep = Options { deep: true, print: true, ..Options::of(vec![file]) };
    let (out, ..) = run(&deep);
    assert!(out.ends_with("headerKeys: [] endTxnMarker: ABORT coordinatorEpoch: 3\n"), "{out}");
}

#[test]
fn what_is_no_file_of_a_log_is_said_in_a_sentence() {
    let (out, err, trouble) = run(&Options::of(vec!["x.txt".into()]));
    assert_eq!(
        (out.as_str(), err.as_str(), trouble),
        ("Dumping x.txt\n", "Ignoring unknown file x.txt\n", None)
    );
    let (.., trouble) = run(&Options::of(vec!["nowhere/00000000000000000000.log".into()]));
    assert!(trouble.unwrap().contains("there is no such file"));
    let (.., trouble) = run(&Options::of(vec!["nowhere/a.log".into()]));
    assert!(trouble.unwrap().contains("begins with its offset"));
}

#[test]
fn decoders_are_known_by_the_last_word_of_their_class() {
    assert_eq!(Decoder::of_class("kafka.serializer.StringDecoder"), Some(Decoder::Text));
    assert_eq!(Decoder::of_class("org.apache.kafka.tools.api.LongDecoder"), Some(Decoder::Long));
    assert_eq!(Decoder::of_class("com.example.Mine"), None);
    assert_eq!(Decoder::Long.show(&7_i64.to_be_bytes()).unwrap(), "7");
    assert!(Decoder::Long.show(b"abc").is_err());
}

#[test]
fn a_record_without_key_is_none_of_a_coordinators() {
    let temp = tempfile::tempdir().unwrap();
    let file = log(temp.path());
    let contents = Contents::Coordinator(Coordinator::Groups);
    let (out, _, trouble) = run(&Options { deep: true, print: true, contents, ..Options::of(vec![file]) });
    assert!(out.contains("key: Error at offset 0, skipping. "), "{out}");
    assert!(trouble.unwrap().contains("at offset 2 using the specified decoder (message had a missing key)"));
}

/// Every dump that Kafka's tool of 4.3.1 made of the golden directories, line by line.
#[test]
fn golden_directories_are_dumped_as_kafka_does() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../log-engine/tests/golden/kafka-4.3.1");
    let mut compared = 0;
    for dir in
        std::fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(stem) = name.strip_suffix(".dump.txt") else { continue };
            let file = if stem.contains('.') { dir.join(stem) } else { dir.join(format!("{stem}.log")) };
            let options = Options { deep: true, print: true, ..Options::of(vec![file.clone()]) };
            let (out, _, trouble) = run(&options);
            assert_eq!(trouble, None, "{}", file.display());
            let expected = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            // Only the first line has the path, and theirs was a relative one.
            let rest = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
            assert_eq!(rest(&out), rest(&expected), "{}", file.display());
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} files");
}
