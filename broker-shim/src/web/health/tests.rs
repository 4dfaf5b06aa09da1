use super::*;
use log_engine::io::RealStorage;

#[test]
fn names_are_shown_up_to_a_number() {
    assert_eq!(shown(Vec::new()), None);
    let names = |n: usize| (0..n).map(|n| format!("t-{n}")).collect::<Vec<_>>();
    assert_eq!(shown(names(2)).unwrap(), "t-0, t-1");
    assert!(shown(names(12)).unwrap().ends_with("t-9 and 2 more"));
}

#[test]
fn what_is_wrong_is_told_and_what_is_worth_knowing_does_not_count() {
    let note = Found { notes: vec!["a".into()], ..Found::default() };
    assert_eq!(note.answer(), (StatusCode::OK, "ready\nnote: a\n".to_owned()));
    let wrong = Found { wrong: vec!["b".into()], notes: vec!["a".into()] };
    assert_eq!(wrong.answer(), (StatusCode::SERVICE_UNAVAILABLE, "not ready: b\nnote: a\n".to_owned()));
}

#[test]
fn a_folder_that_takes_no_files_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let storage = RealStorage::new();
    probe(&storage, dir.path()).unwrap();
    assert!(!dir.path().join(PROBE).exists());
    assert!(probe(&storage, &dir.path().join("gone")).is_err());
}
