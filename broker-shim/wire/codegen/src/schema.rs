//! The compact schema: text to messages.
//!
//! ```text
//! api 1 Fetch                                   key and name; request and response follow
//!
//! request 0-18 flexible 12+                     versions known, first with compact lengths and tags
//!   cluster_id: string? 12+ tag 0 = null        name: type versions, tag number, default
//!   topics: []FetchTopic 0+                     an array of structs: the fields follow, indented
//!     topic: string 0-12 ignorable              may be left out where a version lacks it, whatever its value
//!     partitions: []i32 7+
//!   struct Shared                               a struct that several fields use
//!     name: string?4+ 0+                        null is allowed from version 4 on; `?` alone: in all versions
//!
//! data GroupMetadataValue 0-4 flexible 4+       neither request nor response
//! ```
//!
//! Types: `bool i8 i16 i32 i64 f64 uuid string bytes records`, a struct's name, each with `[]` for arrays.
//! `keys.txt` lists the API keys that have no file here: `key Name flexible first+`.

use std::collections::BTreeMap;

/// Versions, both ends inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// The first.
    pub min: i16,
    /// The last.
    pub max: i16,
}

impl Range {
    /// Whether all of `other` is in this range.
    pub fn covers(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }

    /// What both have; may be empty (`min > max`).
    pub fn meet(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: self.max.min(other.max) }
    }

    /// Whether `version` is in the range.
    pub fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    fn hull(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// What a message is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Sent by clients.
    Request,
    /// The answer.
    Response,
    /// Neither.
    Data,
}

/// One message in one direction.
#[derive(Debug)]
pub struct Message {
    /// The schema file, for the generated file's first line.
    pub source: String,
    /// What it is for.
    pub kind: Kind,
    /// `ProduceRequest`.
    pub name: String,
    /// The API's key and name, if it has one.
    pub api: Option<(i16, String)>,
    /// Versions known.
    pub versions: Range,
    /// First flexible one, `i16::MAX` for none.
    pub first_flexible: i16,
    /// The structs; the first is the message itself.
    pub structs: Vec<Struct>,
}

/// A struct of a message.
#[derive(Debug)]
pub struct Struct {
    /// Kafka's name.
    pub name: String,
    /// The versions in which it occurs.
    pub versions: Range,
    /// Its fields in wire order.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Kafka's name in snake case.
    pub name: String,
    /// Whether it is an array of its type.
    pub array: bool,
    /// Its type, or that of its elements.
    pub base: Base,
    /// The versions in which it may be null.
    pub nullable: Option<Range>,
    /// The versions which have it.
    pub versions: Range,
    /// Its number in the tag section.
    pub tag: Option<u32>,
    /// Its default, where it is not zero, empty or false.
    pub default: Option<String>,
    /// Whether a value may be dropped where the version lacks the field.
    pub ignorable: bool,
}

/// A type that is not an array.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Base {
    Bool,
    I8,
    I16,
    I32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
}

/// An API key without messages here.
#[derive(Debug)]
pub struct BareKey {
    /// The key.
    pub key: i16,
    /// Kafka's name.
    pub name: String,
    /// First flexible version, `i16::MAX` for none.
    pub first_flexible: i16,
}

/// Parses `keys.txt`.
pub fn parse_keys(text: &str) -> Result<Vec<BareKey>, String> {
    let line = |line: &str| -> Option<BareKey> {
        let mut words = line.split_whitespace();
        let key = words.next()?.parse().ok()?;
        let name = words.next()?.to_owned();
        let first_flexible = match words.next() {
            Some("flexible") => words.next()?.strip_suffix('+')?.parse().ok()?,
            Some(_) => return None,
            None => i16::MAX,
        };
        Some(BareKey { key, name, first_flexible })
    };
    text.lines()
        .map(|l| line(l).ok_or_else(|| format!("keys.txt: {l:?} is not `key Name [flexible N+]`")))
        .collect()
}

/// Parses one schema file.
pub fn parse(source: &str, text: &str) -> Result<Vec<Message>, String> {
    let mut parser = Parser { source, api: None, messages: Vec::new(), stack: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        if !line.trim().is_empty() {
            parser.line(line).map_err(|problem| format!("{source}:{}: {problem}: {line:?}", number + 1))?;
        }
    }
    for message in &mut parser.messages {
        settle_versions(message)?;
    }
    Ok(parser.messages)
}

struct Parser<'a> {
    source: &'a str,
    api: Option<(i16, String)>,
    messages: Vec<Message>,
    /// For each depth of indentation the index of the struct whose fields are there.
    stack: Vec<usize>,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (depth, words.as_slice()) {
            (0, ["api", key, name]) => {
                self.api = Some((key.parse().map_err(|_| "bad key")?, (*name).to_owned()));
                Ok(())
            }
            (0, ["request", rest @ ..]) => self.message(Kind::Request, rest),
            (0, ["response", rest @ ..]) => self.message(Kind::Response, rest),
            (0, ["data", rest @ ..]) => self.message(Kind::Data, rest),
            (1, ["struct", name]) => self.shared(name),
            (1.., [name, ty, versions, rest @ ..]) => self.field(depth, name, ty, versions, rest),
            _ => Err("not understood".to_owned()),
        }
    }

    fn message(&mut self, kind: Kind, words: &[&str]) -> Result<(), String> {
        let (name, rest) = match (kind, &self.api, words) {
            (Kind::Data, _, [name, rest @ ..]) => ((*name).to_owned(), rest),
            (Kind::Request, Some((_, api)), rest) => (format!("{api}Request"), rest),
            (Kind::Response, Some((_, api)), rest) => (format!("{api}Response"), rest),
            _ => return Err("no `api` line before".to_owned()),
        };
        let (versions, first_flexible) = match rest {
            [versions] => (range(versions, i16::MAX)?, i16::MAX),
            [versions, "flexible", first] => (range(versions, i16::MAX)?, range(first, i16::MAX)?.min),
            _ => return Err("expected `versions [flexible N+]`".to_owned()),
        };
        let api = self.api.clone().filter(|_| kind != Kind::Data);
        let source = self.source.to_owned();
        self.stack.clear();
        self.messages.push(Message {
            source,
            kind,
            name: name.clone(),
            api,
            versions,
            first_flexible,
            structs: vec![],
        });
        self.open(0, &name);
        Ok(())
    }

    /// A `struct` line: its fields are two steps in.
    fn shared(&mut self, name: &str) -> Result<(), String> {
        let message = self.messages.last().ok_or("no message before")?;
        if message.structs.iter().any(|s| s.name == name && !s.fields.is_empty()) {
            return Err(format!("{name} is there twice"));
        }
        self.open(1, name);
        Ok(())
    }

    /// The fields that follow, one step deeper than `depth`, are this struct's.
    fn open(&mut self, depth: usize, name: &str) {
        let Some(message) = self.messages.last_mut() else { return };
        let known = message.structs.iter().position(|s| s.name == name);
        let index = known.unwrap_or_else(|| {
            message.structs.push(Struct { name: name.to_owned(), versions: EMPTY, fields: Vec::new() });
            message.structs.len() - 1
        });
        self.stack.truncate(depth);
        self.stack.push(index);
    }

    fn field(
        &mut self,
        depth: usize,
        name: &str,
        ty: &str,
        versions: &str,
        rest: &[&str],
    ) -> Result<(), String> {
        let message = self.messages.last().ok_or("no message before")?;
        let top = message.versions.max;
        let versions = range(versions, top)?;
        let name = name.strip_suffix(':').ok_or("a field's name ends in a colon")?.to_owned();
        let (ty, null) = ty.split_once('?').map_or((ty, None), |(ty, null)| (ty, Some(null)));
        let nullable = match null {
            None => None,
            Some("") => Some(versions),
            Some(null) => Some(range(null, top)?),
        };
        let (array, base) = ty.strip_prefix("[]").map_or((false, ty), |base| (true, base));
        let base = base_type(base);
        let mut field =
            Field { name, array, base, nullable, versions, tag: None, default: None, ignorable: false };
        attributes(&mut field, rest)?;
        let owner = *self.stack.get(depth - 1).ok_or("indented too far")?;
        let struct_name = match &field.base {
            Base::Struct(name) => Some(name.clone()),
            _ => None,
        };
        let message = self.messages.last_mut().ok_or("no message before")?;
        message.structs[owner].fields.push(field);
        self.stack.truncate(depth);
        if let Some(name) = struct_name {
            // Its fields may follow here, or under a `struct` line of its own.
            self.open(depth, &name);
        }
        Ok(())
    }
}

const EMPTY: Range = Range { min: i16::MAX, max: i16::MIN };

fn base_type(word: &str) -> Base {
    match word {
        "bool" => Base::Bool,
        "i8" => Base::I8,
        "i16" => Base::I16,
        "i32" => Base::I32,
        "i64" => Base::I64,
        "f64" => Base::F64,
        "uuid" => Base::Uuid,
        "string" => Base::String,
        "bytes" => Base::Bytes,
        "records" => Base::Records,
        name => Base::Struct(name.to_owned()),
    }
}

fn attributes(field: &mut Field, mut words: &[&str]) -> Result<(), String> {
    while !words.is_empty() {
        words = match words {
            ["tag", number, rest @ ..] => {
                field.tag = Some(number.parse().map_err(|_| "bad tag number")?);
                rest
            }
            ["=", default, rest @ ..] => {
                // Null is what a nullable field has anyhow.
                field.default = Some((*default).to_owned()).filter(|default| default != "null");
                rest
            }
            ["ignorable", rest @ ..] => {
                field.ignorable = true;
                rest
            }
            [word, ..] => return Err(format!("attribute {word:?} is unknown")),
            [] => &[],
        };
    }
    Ok(())
}

/// `3+`, `3-5` or `3`.
fn range(text: &str, top: i16) -> Result<Range, String> {
    let number = |text: &str| text.parse::<i16>().map_err(|_| format!("bad version {text:?}"));
    if let Some(min) = text.strip_suffix('+') {
        return Ok(Range { min: number(min)?, max: top });
    }
    match text.split_once('-') {
        Some((min, max)) => Ok(Range { min: number(min)?, max: number(max)? }),
        None => number(text).map(|only| Range { min: only, max: only }),
    }
}

/// Gives each struct the versions in which it occurs, and cuts those of its fields to them.
fn settle_versions(message: &mut Message) -> Result<(), String> {
    let mut found: BTreeMap<String, Range> = BTreeMap::new();
    found.insert(message.name.clone(), message.versions);
    // No struct contains itself, so as many rounds as there are structs reach every one.
    for _ in 0..message.structs.len() {
        for s in &message.structs {
            let Some(outer) = found.get(&s.name).copied() else { continue };
            for field in &s.fields {
                if let Base::Struct(name) = &field.base {
                    let here = field.versions.meet(outer);
                    found.entry(name.clone()).and_modify(|r| *r = r.hull(here)).or_insert(here);
                }
            }
        }
    }
    for s in &mut message.structs {
        s.versions =
            *found.get(&s.name).ok_or_else(|| format!("{}: {} is never used", message.name, s.name))?;
        if s.fields.is_empty() && s.name != message.name {
            return Err(format!("{}: {} has no fields", message.name, s.name));
        }
        for field in &mut s.fields {
            field.versions = field.versions.meet(s.versions);
            field.nullable = field.nullable.map(|nullable| nullable.meet(s.versions));
        }
        s.fields.retain(|field| field.versions.min <= field.versions.max);
    }
    Ok(())
}
