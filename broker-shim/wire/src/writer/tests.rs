use super::*;
use crate::reader::Reader;

fn writer(flexible: bool, strict: bool) -> Writer {
    let mut w = Writer::new();
    w.begin("Demo", 3, Versions::new(0, 5, if flexible { 0 } else { i16::MAX }), strict);
    w
}

fn bytes(w: Writer) -> Bytes {
    concat(&w.finish().unwrap())
}

#[test]
fn small_things_become_one_segment() {
    let mut w = writer(false, false);
    w.i32(1);
    w.string("s", "ab");
    w.nullable_bytes("b", Some(&Bytes::from_static(b"xyz")));
    assert_eq!(w.len(), 15);
    let segments = w.finish().unwrap();
    assert_eq!(segments, [Segment::Bytes(Bytes::from_static(b"\0\0\0\x01\0\x02ab\0\0\0\x03xyz"))]);
}

#[test]
fn large_bytes_and_all_records_are_passed_on_uncopied() {
    let large = Bytes::from(vec![1; COPY_BELOW]);
    let records = Bytes::from(vec![2; 1]);
    let mut w = writer(true, false);
    w.bytes("b", &large);
    w.payload("r", &Payload::Bytes(records.clone()));
    w.payload("r", &Payload::Gap { slot: 1, len: 100 });
    w.payload("r", &Payload::None);
    w.payload("r", &Payload::Bytes(Bytes::new()));
    assert_eq!(w.len(), 2 + COPY_BELOW + 1 + 1 + 1 + 100 + 1 + 1);
    let segments = w.finish().unwrap();
    let shared = |at: usize| match &segments[at] {
        Segment::Bytes(bytes) => bytes.as_ptr(),
        Segment::Gap { .. } => panic!("{segments:?}"),
    };
    assert_eq!((shared(1), shared(3)), (large.as_ptr(), records.as_ptr()));
    assert_eq!(segments[5], Segment::Gap { slot: 1, len: 100 });
    assert_eq!(segments[6], Segment::Bytes(Bytes::from_static(&[0, 1])));
}

#[test]
fn a_tagged_field_knows_its_size_with_its_gaps() {
    let mut w = writer(true, false);
    w.tags(&[true, false, true]);
    let outer = w.begin_tag();
    w.i16(7);
    w.end_tag(0, outer);
    let outer = w.begin_tag();
    w.payload("r", &Payload::Gap { slot: 0, len: 300 });
    w.i8(9);
    w.end_tag(5, outer);
    let all = bytes(w);
    assert_eq!(&all[..8], [2, 0, 2, 0, 7, 5, 0xaf, 0x02]);
    assert_eq!((all.len(), all[all.len() - 1]), (8 + 2 + 300 + 1, 9));
    let mut r = Reader::new(all);
    r.begin("Demo", 3, Versions::new(0, 5, 0)).unwrap();
    r.skip_tags().unwrap();
    r.finish().unwrap();
}

#[test]
fn uvarints_are_read_back() {
    for value in [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 21, 1 << 28, u32::MAX] {
        let mut w = writer(true, false);
        w.uvarint(value);
        assert_eq!(Reader::new(bytes(w)).uvarint("n"), Ok(value));
    }
}

#[test]
fn a_request_refuses_what_its_version_cannot_say() {
    let mut w = writer(false, true);
    w.absent("new_field", true);
    w.absent("other_field", false);
    w.some_string("later", None);
    let e = w.finish().unwrap_err();
    assert_eq!((e.field, e.problem), ("other_field", Unencodable::Absent));
    assert_eq!(e.to_string(), "Demo v3: other_field: this version has no such field, and it is set");
    let mut w = writer(false, true);
    w.some_string("name", None);
    assert_eq!(w.finish().unwrap_err().problem, Unencodable::Null);
}

#[test]
fn a_response_leaves_out_what_its_version_cannot_say() {
    let mut w = writer(false, false);
    w.absent("other_field", false);
    w.some_string("name", None);
    w.some_bytes("data", None);
    w.some_array("ids", None, Writer::i32_element);
    assert_eq!(&bytes(w)[..], [0; 10]);
}

#[test]
fn a_string_beyond_its_length_field_is_an_error() {
    let mut w = writer(false, false);
    w.string("s", &"x".repeat(MAX_STRING));
    w.string("s", &"x".repeat(MAX_STRING + 1));
    let e = w.finish().unwrap_err();
    assert_eq!(e.problem, Unencodable::TooLong { len: MAX_STRING + 1, max: MAX_STRING });
}

#[test]
fn a_frame_too_long_for_its_size_field_is_an_error() {
    let mut w = Writer::framed();
    w.payload("r", &Payload::Gap { slot: 0, len: 0x7fff_ffff });
    assert!(matches!(w.finish_frame().unwrap_err().problem, Unencodable::TooLong { max: MAX_LENGTH, .. }));
}

#[test]
fn a_version_out_of_range_cannot_be_sent() {
    let mut w = Writer::new();
    w.begin("Demo", 6, Versions::new(0, 5, 2), false);
    assert_eq!(w.finish().unwrap_err().problem, Unencodable::Version { min: 0, max: 5 });
}
