//! Sessions at a terminal, as a document shows them: commands, what is typed into them, and what they print.
//!
//! ````text
//! ```console (terminal 2)
//! $ kafka-console-producer.sh --broker-list localhost:9092 \
//!       --topic test
//! >hello
//! >^D
//! $ kafka-topics.sh --bootstrap-server localhost:9092 --list
//! test
//! ```
//! ````
//!
//! Only blocks of the language `console` are played. A line that begins with `$ ` is a command, which a backslash at the end
//! continues; a line behind it is typed if it begins with `>` (the prompt of the console producer), a key if it is `^C` or
//! `^D`, and printed else. A block with the number of a terminal leaves its last command running there; one that does
//! not begin with a command goes on with what runs. `(on kafka)` or `(terminal 2 on kafka)` is a terminal of another machine. A block of another language with a name behind it is a file
//! (```` ```python hello.py ````), which is there from the beginning.
//!
//! # What varies
//!
//! `...` as a line stands for any lines, within a line for any text. Times in milliseconds, numbers of processes, ids that
//! are drawn, and the width of tables are compared as if they were the same: the document shows them as they once were.

/// A block of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// Where it begins.
    pub line: usize,
    /// The terminal in which its last command goes on; `None`: each command ends before the next.
    pub terminal: Option<u32>,
    /// The machine on which it is typed, if it is another one.
    pub host: Option<String>,
    /// Lines before the first command: what the terminal's running command does next.
    pub going_on: Vec<Line>,
    /// Its commands.
    pub steps: Vec<Step>,
}

/// A command and what happens until it ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub line: usize,
    /// The command, in one line.
    pub command: String,
    /// What happens.
    pub lines: Vec<Line>,
}

/// A line behind a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// The command printed this.
    Printed(String),
    /// Somebody typed this.
    Typed(String),
    /// Somebody pressed Ctrl-C.
    Interrupt,
    /// Somebody pressed Ctrl-D.
    EndOfInput,
}

impl Line {
    fn parse(text: &str) -> Self {
        let typed = text.strip_prefix('>');
        match (typed.unwrap_or(text), typed) {
            ("^C", _) => Self::Interrupt,
            ("^D", _) => Self::EndOfInput,
            (_, Some(typed)) => Self::Typed(typed.to_owned()),
            (text, None) => Self::Printed(text.to_owned()),
        }
    }
}

/// A file that a document shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Where it begins.
    pub line: usize,
    /// Its name, as the commands behind it call it.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// The files of a document: blocks of a language that have a name.
pub fn files(document: &str) -> Vec<File> {
    let mut files = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let inside: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let Some((_, name)) = fence.split_once(' ').filter(|(language, _)| *language != "console") else {
            continue;
        };
        let text = inside.iter().map(|line| format!("{line}\n")).collect();
        files.push(File { line: at + 1, name: name.to_owned(), text });
    }
    files
}

/// The console blocks of a document, in order.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(rest) = line.strip_prefix("```console") else { continue };
        let mut block = Block { line: at + 1, ..whose(rest) };
        let mut inside = lines.by_ref().take_while(|(_, line)| *line != "```");
        while let Some((at, line)) = inside.next() {
            let Some(first) = line.strip_prefix("$ ") else {
                let line = Line::parse(line);
                block.steps.last_mut().map_or(&mut block.going_on, |step| &mut step.lines).push(line);
                continue;
            };
            let mut command = first.to_owned();
            while let Some(open) = command.strip_suffix('\\') {
                let next = inside.next().map(|(_, line)| line.trim_start()).unwrap_or_default();
                command = format!("{open}{next}");
            }
            block.steps.push(Step { line: at + 1, command, lines: Vec::new() });
        }
        blocks.push(block);
    }
    blocks
}

/// An empty block of the terminal and the machine in ` (terminal 2 on kafka)`.
fn whose(text: &str) -> Block {
    let words: Vec<&str> = text.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
    let behind = |name| words.iter().skip_while(|word| **word != name).nth(1);
    let terminal = behind("terminal").and_then(|number| number.parse().ok());
    let host = behind("on").map(|name| (*name).to_owned());
    Block { line: 0, terminal, host, going_on: Vec::new(), steps: Vec::new() }
}

/// Whether this is what a document says is printed, up to what varies.
pub fn agrees(document: &[&str], printed: &[&str]) -> bool {
    let document: Vec<String> = document.iter().map(|line| neutral(line)).collect();
    let printed: Vec<String> = printed.iter().map(|line| neutral(line)).collect();
    lines_agree(&document, &printed)
}

/// Whether the document agrees with a beginning of what is printed.
pub fn has_come(document: &[&str], printed: &[&str]) -> bool {
    (0..=printed.len()).any(|count| agrees(document, &printed[..count]))
}

fn lines_agree(document: &[String], printed: &[String]) -> bool {
    match document.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skipped| lines_agree(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(found, others)| fits(first, found) && lines_agree(rest, others)),
    }
}

/// Whether a line is the document's, with any text where that has `...`.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once("...") else { return pattern == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(after, &rest[at..]))
}

/// A line without what differs from run to run.
fn neutral(line: &str) -> String {
    let mut out = String::new();
    for word in split_keeping(&without_topic_id(line.trim_end())) {
        let before = out.trim_end_matches(' ');
        let drawn = before.ends_with("process") || before.ends_with("console-consumer-");
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        match word {
            " " if out.ends_with(' ') => {}
            word if digits && word.len() == 13 => out.push_str("<time>"),
            _ if digits && drawn => out.push_str("<number>"),
            word => out.push_str(word),
        }
    }
    without_uuids(&out)
}

/// Words of letters, digits, `_` and `-` within; everything else is a word of one character.
fn split_keeping(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, more) = rest.split_at(length.max(first.len_utf8()));
        words.push(word);
        rest = more;
    }
    words
}

/// The id of a topic: 22 characters of base64 in the form for addresses.
fn without_topic_id(line: &str) -> String {
    const BEFORE: &str = "TopicId: ";
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match line.split_once(BEFORE) {
        Some((before, after)) if after.len() - after.trim_start_matches(is_id).len() == 22 => {
            format!("{before}{BEFORE}<id>{}", after.trim_start_matches(is_id))
        }
        _ => line.to_owned(),
    }
}

/// Ids in the form `8-4-4-4-12`.
fn without_uuids(line: &str) -> String {
    const LENGTH: usize = 36;
    let is_uuid = |text: &str| {
        let dash = |at: usize| [8, 13, 18, 23].contains(&at);
        text.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() })
    };
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        match rest.get(..LENGTH) {
            Some(text) if is_uuid(text) => {
                out.push_str("<uuid>");
                rest = &rest[LENGTH..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Line {
        Line::Printed(text.to_owned())
    }

    #[test]
    fn a_document_is_its_console_blocks() {
        let document = "text\n```sh\n$ not this\n```\n```console\n$ one \\\n    two\nout\n\n$ three\n>typed\n>^D\n```\n\
                        ```console (terminal 2)\nmore\n^C\n```\n";
        let [first, second] = &blocks(document)[..] else { panic!("two blocks") };
        assert_eq!((first.line, first.terminal, first.going_on.len()), (5, None, 0));
        assert_eq!(first.steps[0].command, "one two");
        assert_eq!(first.steps[0].lines, [printed("out"), printed("")]);
        assert_eq!(first.steps[1].line, 10);
        assert_eq!(first.steps[1].lines, [Line::Typed("typed".to_owned()), Line::EndOfInput]);
        assert_eq!(second.terminal, Some(2));
        assert_eq!(second.going_on, [printed("more"), Line::Interrupt]);
    }

    #[test]
    fn a_block_says_where_it_is_typed() {
        let of = |text| (whose(text).terminal, whose(text).host);
        assert_eq!(of(" (terminal 2 on kafka)"), (Some(2), Some("kafka".to_owned())));
        assert_eq!(of(" (on kafka)"), (None, Some("kafka".to_owned())));
        assert_eq!(of(" (terminal 12)"), (Some(12), None));
        assert_eq!(of(""), (None, None));
    }

    #[test]
    fn a_block_with_a_name_is_a_file() {
        let document = "```sh\nnot this\n```\n```console (terminal 1)\n$ nor this\n```\n```python hello.py\na\n\nb\n```\n";
        let file = File { line: 7, name: "hello.py".to_owned(), text: "a\n\nb\n".to_owned() };
        assert_eq!(files(document), [file]);
    }

    #[test]
    fn what_varies_is_the_same() {
        for (document, found) in [
            ("CreateTime:1795413286784\tnull\thello", "CreateTime:1795413999999\tnull\thello"),
            ("process 4711 is ready", "process 12 is ready"),
            ("x TopicId: pRkFtGwUTGOcbpkXVSqKVg\tP", "x TopicId: -RkFtGwUTGO-bpkXVSqK_g\tP"),
            ("a 6f1ed002-ab5f-4e3b-9d4e-3b6f3c0d1a2b", "a 00000000-ab5f-4e3b-9d4e-3b6f3c0d1a2b"),
            ("console-consumer-12345 x", "console-consumer-9 x"),
            ("GROUP   TOPIC  ", "GROUP TOPIC"),
            ("data in .../data, ...", "data in /a/b/data, and more"),
        ] {
            assert!(agrees(&[document], &[found]), "{document}: {}, {}", neutral(document), neutral(found));
        }
    }

    #[test]
    fn what_does_not_vary_is_compared() {
        for (document, found) in [
            ("CreateTime:1795413286784\tnull\thello", "CreateTime:1795413999999\tnull\thallo"),
            ("offset 4711", "offset 12"),
            ("retention.ms=604800000", "retention.ms=60000"),
            ("data in .../data", "data in /a/b/date"),
            ("a\tb", "a b"),
        ] {
            assert!(!agrees(&[document], &[found]), "{document}");
        }
        assert!(!agrees(&["a"], &["a", "b"]));
        assert!(!agrees(&["a", "b"], &["a"]));
    }

    #[test]
    fn three_dots_are_any_lines() {
        assert!(agrees(&["a", "...", "d"], &["a", "b", "c", "d"]));
        assert!(agrees(&["a", "...", "d"], &["a", "d"]));
        assert!(!agrees(&["a", "...", "d"], &["a", "b"]));
        assert!(has_come(&["a", "...", "d"], &["a", "b", "d", "e"]));
        assert!(!has_come(&["a", "b"], &["a"]));
    }
}
