//! A command line as Kafka's tools read it.
//!
//! ```text
//!  --topic t     --topic=t     -topic t     the three forms of one option
//!  --config a=b --config c=d                some may be given more than once
//!  --sync                                   some have no argument
//!  --                                       everything behind it is no option
//! ```
//!
//! An argument that an option needs is the next word, whatever it looks like (`--offset -1`); one that it may have is the
//! next word unless that looks like an option. Names are not shortened. The sentences about mistakes are Kafka's.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::str::FromStr;

/// Whether an option has an argument, and what it is called in the help.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// None.
    None,
    /// It must.
    Required(&'static str),
    /// It may.
    Optional(&'static str),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Its names without dashes; the first is what the tool asks by.
    pub names: &'static [&'static str],
    /// Its argument.
    pub arg: Arg,
    /// What it does, in a sentence.
    pub help: &'static str,
}

impl Opt {
    /// An option without an argument.
    #[must_use]
    pub const fn flag(names: &'static [&'static str], help: &'static str) -> Self {
        Self { names, arg: Arg::None, help }
    }

    /// An option with an argument.
    #[must_use]
    pub const fn value(names: &'static [&'static str], what: &'static str, help: &'static str) -> Self {
        Self { names, arg: Arg::Required(what), help }
    }
}

/// The options that every tool has.
const COMMON: &[Opt] =
    &[Opt::flag(&["help"], "Print usage information."), Opt::flag(&["version"], "Print the version.")];

/// All options of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The tool's name, without `.sh`.
    pub tool: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// Its options, but for `--help` and `--version`.
    pub options: &'static [Opt],
}

impl Spec {
    /// Its options with those that every tool has.
    pub fn all(&self) -> impl Iterator<Item = &'static Opt> + use<> {
        self.options.iter().chain(COMMON)
    }

    fn find(&self, name: &str) -> Option<&'static Opt> {
        self.all().find(|opt| opt.names.contains(&name))
    }

    /// The help, as wide as a terminal was.
    #[must_use]
    pub fn help(&self) -> String {
        const LEFT: usize = 40;
        const WIDTH: usize = 80;
        let mut text =
            format!("{}\n{:<LEFT$} Description\n{:<LEFT$} -----------\n", self.about, "Option", "------");
        let mut options: Vec<_> = self.all().collect();
        options.sort_by_key(|opt| opt.names);
        for opt in options {
            let names: Vec<String> = opt.names.iter().map(|name| format!("--{name}")).collect();
            let head = match opt.arg {
                Arg::None => names.join(", "),
                Arg::Required(what) => format!("{} <{what}>", names.join(", ")),
                Arg::Optional(what) => format!("{} [{what}]", names.join(", ")),
            };
            let (left, right) = (wrapped(&head, LEFT), wrapped(opt.help, WIDTH - LEFT - 1));
            for row in 0..left.len().max(right.len()) {
                let at = |column: &[String]| column.get(row).cloned().unwrap_or_default();
                let line = format!("{:<LEFT$} {}", at(&left), at(&right));
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        text
    }
}

/// Words in lines of at most `width`, if they fit at all.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + 1 + word.len() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines
}

/// What was found on a command line.
#[derive(Clone, Debug)]
pub struct Options {
    spec: Spec,
    /// By first name; an option without argument has an empty list.
    found: BTreeMap<&'static str, Vec<String>>,
    /// Words that are no options.
    rest: Vec<String>,
    /// All of it.
    line: String,
}

impl Options {
    /// Reads a command line, without the program's name.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for an unknown option, a missing argument, or a word that is no text.
    pub fn parse(spec: &Spec, args: &[OsString]) -> Result<Self, Failure> {
        let words: Vec<&str> = args.iter().map(|arg| text(arg)).collect::<Result<_, _>>()?;
        let mut this = Self { spec: *spec, found: BTreeMap::new(), rest: Vec::new(), line: words.join(" ") };
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                this.rest.extend(words.by_ref().map(str::to_owned));
                break;
            }
            let Some(named) = option_name(spec, word)? else {
                this.rest.push(word.to_owned());
                continue;
            };
            let opt = named.opt;
            let first = opt.names.first().copied().unwrap_or_default();
            let values = this.found.entry(first).or_default();
            match (opt.arg, named.value) {
                (Arg::None, None) => {}
                (Arg::None, Some(_)) => {
                    return Err(Failure::usage(format!("Option {} does not take an argument", shown(opt))));
                }
                (_, Some(value)) => values.push(value.to_owned()),
                (Arg::Required(_), None) => match words.next() {
                    Some(value) => values.push(value.to_owned()),
                    None => {
                        return Err(Failure::usage(format!("Option {} requires an argument", shown(opt))));
                    }
                },
                (Arg::Optional(_), None) => {
                    values.extend(words.next_if(|word| !word.starts_with('-')).map(str::to_owned));
                }
            }
        }
        Ok(this)
    }

    /// Whether an option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// The argument of an option that is given once.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if it was given more than once.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.values(name) {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => {
                let shown = self.spec.find(name).map_or_else(|| name.to_owned(), shown);
                let text = format!("Found multiple arguments for option {shown}, but you asked for only one");
                Err(Failure::usage(text))
            }
        }
    }

    /// The arguments of an option that may be given more than once.
    #[must_use]
    pub fn values(&self, name: &str) -> &[String] {
        self.found.get(name).map_or(&[], Vec::as_slice)
    }

    /// The argument as a number or the like.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if it is none, or there are several.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        let shown = self.spec.find(name).map_or_else(|| name.to_owned(), shown);
        let failure = || Failure::usage(format!("Cannot parse argument '{text}' of option {shown}"));
        text.trim().parse().map(Some).map_err(|_| failure())
    }

    /// Words that are no options.
    #[must_use]
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// The whole command line, as it was typed but for the blanks.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Whether there is nothing on the command line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.rest.is_empty()
    }

    /// Demands options.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] with the first one that is missing.
    pub fn require(&self, names: &[&str]) -> Result<(), Failure> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(Failure::usage(format!("Missing required argument \"[{name}]\""))),
            None => Ok(()),
        }
    }

    /// Refuses other options beside one.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] with the first one that was given.
    pub fn refuse_with(&self, name: &str, others: &[&str]) -> Result<(), Failure> {
        let other = others.iter().find(|other| **other != name && self.has(name) && self.has(other));
        match other {
            Some(other) => {
                Err(Failure::usage(format!("Option \"[{name}]\" can't be used with option \"[{other}]\"")))
            }
            None => Ok(()),
        }
    }

    /// The tool's options.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }
}

/// An option that was recognised, with the argument that is joined to it by `=`.
struct Named<'a> {
    opt: &'static Opt,
    value: Option<&'a str>,
}

/// The option that a word names; `None` for a word that is none.
fn option_name<'a>(spec: &Spec, word: &'a str) -> Result<Option<Named<'a>>, Failure> {
    let Some(bare) = word.strip_prefix('-').filter(|bare| !bare.is_empty()) else { return Ok(None) };
    let bare = bare.strip_prefix('-').unwrap_or(bare);
    let (name, value) = match bare.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (bare, None),
    };
    match spec.find(name) {
        Some(opt) => Ok(Some(Named { opt, value })),
        // A negative number is no option.
        None if word.parse::<f64>().is_ok() => Ok(None),
        None => Err(Failure::usage(format!("{name} is not a recognized option"))),
    }
}

fn shown(opt: &Opt) -> String {
    opt.names.join("/")
}

fn text(arg: &OsString) -> Result<&str, Failure> {
    arg.to_str().ok_or_else(|| Failure::usage(format!("{} is not UTF-8", arg.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec {
        tool: "kafka-test",
        about: "This tool is tried.",
        options: &[
            Opt::value(&["topic"], "topic", "The topic."),
            Opt::value(&["bootstrap-server", "broker-list"], "host:port", "The broker."),
            Opt::flag(&["list"], "List them."),
            Opt { names: &["offsets"], arg: Arg::Optional("file"), help: "May have a file." },
        ],
    };

    fn parse(args: &[&str]) -> Result<Options, Failure> {
        Options::parse(&SPEC, &args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn complaint(args: &[&str]) -> String {
        match parse(args) {
            Err(Failure::Usage(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_have_three_forms() {
        for args in
            [&["--topic", "a", "--list"][..], &["--topic=a", "-list"], &["-topic", "a", "--list", "--"]]
        {
            let options = parse(args).unwrap();
            assert_eq!(options.value("topic").unwrap(), Some("a"));
            assert!(options.has("list"));
            assert!(!options.has("offsets"));
        }
        let options =
            parse(&["--broker-list", "h:1", "--topic", "-1", "-2", "word", "--", "--list"]).unwrap();
        assert_eq!(options.value("bootstrap-server").unwrap(), Some("h:1"));
        assert_eq!(options.parsed::<i64>("topic").unwrap(), Some(-1));
        assert_eq!(options.rest(), ["-2", "word", "--list"]);
    }

    #[test]
    fn an_optional_argument_is_not_an_option() {
        assert_eq!(parse(&["--offsets", "--list"]).unwrap().value("offsets").unwrap(), None);
        assert_eq!(parse(&["--offsets", "f"]).unwrap().value("offsets").unwrap(), Some("f"));
    }

    #[test]
    fn mistakes_are_told_in_kafka_s_words() {
        assert_eq!(complaint(&["--frobnicate"]), "frobnicate is not a recognized option");
        assert_eq!(complaint(&["--topic"]), "Option topic requires an argument");
        assert_eq!(complaint(&["--broker-list"]), "Option bootstrap-server/broker-list requires an argument");
        let options = parse(&["--topic", "a", "--topic", "b", "--list", "--broker-list", "x"]).unwrap();
        let text = |result: Result<(), Failure>| match result {
            Err(Failure::Usage(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            text(options.value("topic").map(drop)),
            "Found multiple arguments for option topic, but you asked for only one"
        );
        assert_eq!(
            text(options.parsed::<i32>("bootstrap-server").map(drop)),
            "Cannot parse argument 'x' of option bootstrap-server/broker-list"
        );
        assert_eq!(text(options.require(&["topic", "offsets"])), "Missing required argument \"[offsets]\"");
        assert_eq!(
            text(options.refuse_with("topic", &["offsets", "list"])),
            "Option \"[topic]\" can't be used with option \"[list]\""
        );
    }

    #[test]
    fn the_help_has_every_option() {
        let help = SPEC.help();
        for opt in SPEC.all() {
            assert!(help.contains(&format!("--{}", opt.names[0])), "{help}");
        }
        assert!(help.lines().all(|line| line.len() <= 90), "{help}");
    }
}
