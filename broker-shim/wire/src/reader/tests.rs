use super::*;

fn reader(bytes: &'static [u8], flexible: bool) -> Reader {
    let mut r = Reader::new(Bytes::from_static(bytes));
    r.begin("Demo", 3, Versions::new(0, 5, if flexible { 0 } else { i16::MAX })).unwrap();
    r
}

fn classic(bytes: &'static [u8]) -> Reader {
    reader(bytes, false)
}

fn flexible(bytes: &'static [u8]) -> Reader {
    reader(bytes, true)
}

#[test]
fn an_error_says_which_field_of_which_message_and_what_was_found() {
    let mut r = classic(b"\0\0\0\0\x01\xf4abc");
    r.i32("id").unwrap();
    let e = r.string("Part.name").unwrap_err();
    assert_eq!(e.to_string(), "Demo v3: Part.name at byte 6: 500 bytes needed, 3 left");
}

#[test]
fn a_version_out_of_range_is_refused_before_anything_is_read() {
    let e = classic(b"").begin("Demo", 6, Versions::new(0, 5, 2)).unwrap_err();
    assert_eq!(e.problem, Problem::Version { min: 0, max: 5 });
}

#[test]
fn null_is_minus_one_in_the_classic_form_and_zero_in_the_compact_one() {
    assert_eq!(classic(b"\xff\xff").nullable_string("s"), Ok(None));
    assert_eq!(flexible(b"\0").nullable_string("s"), Ok(None));
    assert_eq!(classic(b"\xff\xff\xff\xff").nullable_bytes("b"), Ok(None));
    assert_eq!(flexible(b"\0").nullable_bytes("b"), Ok(None));
    assert_eq!(classic(b"\xff\xff").string("s").unwrap_err().problem, Problem::Null);
    assert_eq!(flexible(b"\0").bytes("b").unwrap_err().problem, Problem::Null);
    let read = |r: &mut Reader| r.array("a", 4, Reader::i32_element).map_err(|e| e.problem);
    assert_eq!(read(&mut flexible(b"\0")), Err(Problem::Null));
    assert_eq!(read(&mut flexible(b"\x01")), Ok(Vec::new()));
}

#[test]
fn a_length_below_minus_one_is_an_error() {
    assert_eq!(classic(b"\xff\xfe").nullable_string("s").unwrap_err().problem, Problem::Negative(-2));
    assert_eq!(classic(b"\x80\0\0\0").nullable_bytes("b").unwrap_err().problem, Problem::Negative(i32::MIN));
}

#[test]
fn strings_are_utf8_and_at_most_32767_bytes() {
    let e = classic(b"\0\x03a\xffb").string("s").unwrap_err();
    assert_eq!(e.problem, Problem::Utf8 { valid: 1, len: 3 });
    // 32768 + 1 as a uvarint: longer than Kafka allows, whatever follows.
    let e = flexible(b"\x81\x80\x02").string("s").unwrap_err();
    assert_eq!(e.problem, Problem::StringTooLong(32_768));
}

#[test]
fn a_uvarint_ends_within_five_bytes_and_32_bits() {
    let read = |bytes: &'static [u8]| flexible(bytes).uvarint("n").map_err(|e| e.problem);
    assert_eq!(read(b"\0"), Ok(0));
    assert_eq!(read(b"\xac\x02"), Ok(300));
    assert_eq!(read(b"\xff\xff\xff\xff\x0f"), Ok(u32::MAX));
    assert_eq!(read(b"\xff\xff\xff\xff\x10"), Err(Problem::Varint(5)));
    assert_eq!(read(b"\x80\x80\x80\x80\x80\0"), Err(Problem::Varint(5)));
    assert_eq!(read(b"\x80"), Err(Problem::Short { needed: 1, left: 0 }));
    // A length of 2^31 and more does not fit Kafka's own numbers.
    assert_eq!(flexible(b"\xff\xff\xff\xff\x0f").bytes("b").unwrap_err().problem, Problem::Varint(5));
}

#[test]
fn an_array_claims_no_more_elements_than_its_bytes_can_hold() {
    let e = classic(b"\0\0\0\x03\0\0\0\x01\0\0\0\x02").array("ids", 4, Reader::i32_element).unwrap_err();
    assert_eq!(e.problem, Problem::Count { count: 3, min: 4, left: 8 });
    let ids = classic(b"\0\0\0\x02\0\0\0\x01\0\0\0\x02").array("ids", 4, Reader::i32_element);
    assert_eq!(ids, Ok(vec![1, 2]));
}

#[test]
fn an_element_s_error_names_the_array() {
    let e = classic(b"\0\0\0\x01\0\x05ab").array("names", 2, Reader::string_element).unwrap_err();
    assert_eq!(e.field, "names");
}

#[test]
fn a_minus_one_that_means_none_is_none_and_other_negatives_are_not() {
    assert_eq!(classic(b"\xff\xff\xff\xff").option_i32("n"), Ok(None));
    assert_eq!(classic(b"\xff\xff\xff\xfe").option_i32("n"), Ok(Some(-2)));
    assert_eq!(classic(b"\xff").option_i8("n"), Ok(None));
    assert_eq!(classic(b"\xff\xff").option_i16("n"), Ok(None));
    assert_eq!(classic(b"\xff\xff\xff\xff\xff\xff\xff\xff").option_i64("n"), Ok(None));
}

#[test]
fn bytes_are_a_slice_of_the_input() {
    let input = Bytes::from(b"\0\0\0\x03abc".to_vec());
    let mut r = Reader::new(input.clone());
    let found = r.bytes("b").unwrap();
    assert_eq!((&found[..], found.as_ptr()), (&b"abc"[..], input[4..].as_ptr()));
    r.finish().unwrap();
}

#[test]
fn tags_are_read_within_their_own_bytes() {
    // Two fields: number 7 (unknown, 2 bytes), number 9 (an i16 in 3 bytes).
    let mut r = flexible(b"\x02\x07\x02\xaa\xbb\x09\x03\0\x05\0");
    let mut tags = r.tags().unwrap();
    assert_eq!(r.next_tag(&mut tags), Ok(Some(7)));
    r.skip_tag();
    assert_eq!(r.next_tag(&mut tags), Ok(Some(9)));
    assert_eq!(r.i16("n"), Ok(5));
    assert_eq!(r.next_tag(&mut tags).unwrap_err().problem, Problem::Trailing(1));
}

#[test]
fn a_tag_cannot_reach_beyond_its_struct() {
    let mut r = flexible(b"\x01\x00\x05ab");
    let mut tags = r.tags().unwrap();
    assert_eq!(r.next_tag(&mut tags).unwrap_err().problem, Problem::Short { needed: 5, left: 2 });
    // Four billion claimed fields end with the bytes.
    assert!(flexible(b"\xff\xff\xff\xff\x0f\0\0\0\0").skip_tags().is_err());
}

#[test]
fn memory_is_counted_across_the_whole_message() {
    // 24 bytes of memory for each byte of input: within the bound for few, not for many.
    let names = |count: u16| {
        let mut body = vec![0, 0];
        body.extend(count.to_be_bytes());
        body.extend(vec![0; 2 * usize::from(count)]);
        let mut r = Reader::new(body.into());
        r.array("names", 2, Reader::string_element).map(|names| names.len()).map_err(|e| e.problem)
    };
    assert_eq!(names(1_000), Ok(1_000));
    let limit = memory_limit(4 + 2 * 30_000);
    assert_eq!(names(30_000), Err(Problem::Memory { limit }));
}
