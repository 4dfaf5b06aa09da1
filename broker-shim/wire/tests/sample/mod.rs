//! Valid messages made from the schema alone, without the generated code: what the codec must read and write again.
//!
//! A message is the choices that a run of random bytes makes: how long, null or not, which tags. Tagged fields with
//! their default are left out, as every encoder does, so that a message has one form only.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

use bytes::{BufMut, Bytes};
use kafka_wire_codegen::schema::{Base, Field, Message, Struct};
use kafka_wire_codegen::{load, wire_dir};
use std::sync::OnceLock;

/// All messages of the schema.
pub(crate) fn schema() -> &'static [Message] {
    static SCHEMA: OnceLock<Vec<Message>> = OnceLock::new();
    SCHEMA.get_or_init(|| load(&wire_dir().join("schema")).unwrap().0)
}

/// The message with this name.
pub(crate) fn find(name: &str) -> &'static Message {
    schema().iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no {name} in the schema"))
}

/// A valid body of `message` in `version`, chosen by `entropy`; all zeros give the smallest one.
pub(crate) fn body(message: &Message, version: i16, entropy: &[u8]) -> Bytes {
    let mut sampler = Sampler { message, version, entropy, at: 0 };
    let mut out = Vec::new();
    sampler.fields(&message.structs[0], &mut out);
    out.into()
}

struct Sampler<'a> {
    message: &'a Message,
    version: i16,
    entropy: &'a [u8],
    at: usize,
}

impl Sampler<'_> {
    /// The next random byte; 0 for ever once they are used up, so that messages end.
    fn next(&mut self) -> u8 {
        self.at += 1;
        self.entropy.get(self.at - 1).copied().unwrap_or(0)
    }

    fn number<const N: usize>(&mut self) -> [u8; N] {
        // Every fourth number is -1: the one that is None in Rust.
        match self.next() % 4 {
            3 => [0xff; N],
            _ => std::array::from_fn(|_| self.next()),
        }
    }

    fn flexible(&self) -> bool {
        self.version >= self.message.first_flexible
    }

    fn find(&self, name: &str) -> &'static Struct {
        let message = find(&self.message.name);
        message.structs.iter().find(|s| s.name == name).unwrap()
    }

    fn fields(&mut self, s: &Struct, out: &mut Vec<u8>) {
        let there: Vec<&Field> = s.fields.iter().filter(|f| f.versions.contains(self.version)).collect();
        for field in there.iter().filter(|f| f.tag.is_none()) {
            self.field(field, out);
        }
        if !self.flexible() {
            return;
        }
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in there.iter().filter(|f| f.tag.is_some()) {
            let mut content = Vec::new();
            self.field(field, &mut content);
            if content != self.default_content(field) {
                tagged.push((field.tag.unwrap(), content));
            }
        }
        tagged.sort();
        uvarint(out, tagged.len());
        for (tag, content) in tagged {
            uvarint(out, tag as usize);
            uvarint(out, content.len());
            out.extend(content);
        }
    }

    /// What a tagged field with its default would be.
    fn default_content(&self, field: &Field) -> Vec<u8> {
        let mut sampler = Sampler { message: self.message, version: self.version, entropy: &[], at: 0 };
        let mut out = Vec::new();
        match (&field.base, &field.default) {
            _ if field.nullable.is_some() => sampler.length(&mut out, None, true),
            (Base::Struct(name), _) if !field.array => {
                for inner in sampler.find(name).fields.iter().filter(|f| f.versions.contains(self.version)) {
                    out.extend(sampler.default_content(inner));
                }
                uvarint(&mut out, 0);
            }
            (base, Some(default)) => match base {
                Base::Bool => out.put_u8(u8::from(default == "true")),
                Base::I16 => out.put_i16(default.parse().unwrap()),
                Base::I32 => out.put_i32(default.parse().unwrap()),
                Base::I64 => out.put_i64(default.parse().unwrap()),
                other => panic!("no default of {other:?} is known here"),
            },
            _ => sampler.field(field, &mut out),
        }
        out
    }

    fn length(&self, out: &mut Vec<u8>, length: Option<usize>, short: bool) {
        match (self.flexible(), short) {
            (true, _) => uvarint(out, length.map_or(0, |l| l + 1)),
            (false, true) => out.put_i16(length.map_or(-1, |l| l as i16)),
            (false, false) => out.put_i32(length.map_or(-1, |l| l as i32)),
        }
    }

    fn field(&mut self, field: &Field, out: &mut Vec<u8>) {
        let may_be_null = field.nullable.is_some_and(|range| range.contains(self.version));
        let null = may_be_null && self.next() % 4 == 3;
        if field.array {
            let count = usize::from(self.next() % 4);
            self.length(out, if null { None } else { Some(count) }, false);
            let element = Field { array: false, nullable: None, ..field.clone() };
            for _ in 0..if null { 0 } else { count } {
                self.field(&element, out);
            }
            return;
        }
        match &field.base {
            Base::Bool => out.push(self.next() & 1),
            Base::I8 => out.extend(self.number::<1>()),
            Base::I16 => out.extend(self.number::<2>()),
            Base::I32 => out.extend(self.number::<4>()),
            Base::I64 => out.extend(self.number::<8>()),
            // A whole number: not all bit patterns of a float are equal to themselves.
            Base::F64 => out.put_f64(f64::from(self.next()) - 100.0),
            Base::Uuid => out.extend(self.number::<16>()),
            Base::String | Base::Bytes | Base::Records if null => {
                self.length(out, None, field.base == Base::String);
            }
            Base::String => {
                let text = match self.next() % 8 {
                    7 => "\u{e9}\u{4e16}\u{1f600}".repeat(20),
                    n => "topic-7"[..usize::from(n)].to_owned(),
                };
                self.length(out, Some(text.len()), true);
                out.extend(text.as_bytes());
            }
            Base::Bytes | Base::Records => {
                let n = self.next();
                let content = vec![n; usize::from(n % 8) * usize::from(n)];
                self.length(out, Some(content.len()), false);
                out.extend(content);
            }
            Base::Struct(name) => {
                if may_be_null {
                    out.put_i8(if null { -1 } else { 1 });
                }
                if !null {
                    self.fields(self.find(name), out);
                }
            }
        }
    }
}

fn uvarint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
