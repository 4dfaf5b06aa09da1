//! What is taken for equal.
//!
//! | in the text | becomes |
//! |---|---|
//! | the side's own address and directories | `BROKER`, `FILES`, `DATA` |
//! | thirteen digits that are a time | `TIME` |
//! | a UUID, the id of a topic, a member's id | `UUID`, `ID` |
//! | a line of a log (`[date] WARN ...`), of a stack trace, of Kafka's advice about its newer protocol | gone |
//! | the class of an exception at the beginning of a line of standard error | gone |
//! | the table of all options behind a mistake, and our hint at `--help` | gone |
//! | the original's note that an option is deprecated | gone |
//! | the silence that ends a consumer, in the words of either | `TIMEOUT` |
//!
//! Lines without an order are sorted; of measurements only the words count.

/// What a tool wrote and how it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// What is one side's own.
pub(crate) struct Side {
    pub(crate) bootstrap: String,
    pub(crate) files: String,
    pub(crate) data: String,
}

/// How lines are to be compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Like {
    /// As they are.
    Lines,
    /// In any order.
    Sorted,
    /// Any number is as good as another.
    Numbers,
}

pub(crate) fn output(raw: &Output, side: &Side, like: Like) -> Output {
    let out = stream(&raw.out, side, like);
    let err = stream(&raw.err, side, like);
    let err: Vec<&str> = err.lines().map(without_class).collect();
    Output { code: raw.code, out, err: err.join("\n") }
}

fn stream(text: &str, side: &Side, like: Like) -> String {
    let text = text.replace(&side.bootstrap, "BROKER").replace(&side.files, "FILES");
    let text = text.replace(&side.data, "DATA");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if is_table_of_options(line) {
            break;
        }
        if is_silence(line) {
            lines.push("TIMEOUT".to_owned());
        } else if !is_left_out(line) {
            let line = words(line);
            lines.push(if like == Like::Numbers { numbers(&line) } else { line });
        }
    }
    if like == Like::Sorted {
        lines.sort();
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

fn is_silence(line: &str) -> bool {
    const EXCEPTION: &str = "org.apache.kafka.common.errors.TimeoutException";
    line == EXCEPTION || (line.starts_with("No message came for ") && line.ends_with(EXCEPTION))
}

fn is_table_of_options(line: &str) -> bool {
    line.starts_with("Option ") && line.trim_end().ends_with("Description")
}

fn is_left_out(line: &str) -> bool {
    let dated = line.strip_prefix('[').is_some_and(|rest| {
        rest.starts_with("20") && [" WARN ", " ERROR ", " INFO "].iter().any(|level| rest.contains(level))
    });
    let trace = line.starts_with("\tat ") || line.starts_with("Caused by: ") || line.starts_with("\t... ");
    let deprecated = ["is deprecated", "has been deprecated"].iter().any(|words| line.contains(words));
    // A line of a log that goes on behind a stack trace, and ours, which has no date.
    let logged = line.starts_with(" (org.apache.kafka.") || line.starts_with("WARN New offset ");
    let advice = line.starts_with("The consumer rebalance protocol (KIP-848)");
    dated || logged || trace || deprecated || advice || line.ends_with(".sh --help shows all options.")
}

/// `org.apache.kafka.common.KafkaException: text` as `text`.
fn without_class(line: &str) -> &str {
    let line = line.strip_prefix("Exception in thread \"main\" ").unwrap_or(line);
    let Some((class, text)) = line.split_once(": ") else { return line };
    let is_class = class.contains('.')
        && !class.contains(' ')
        && (class.ends_with("Exception") || class.ends_with("Error"));
    if is_class { text } else { line }
}

/// Ids and times in a line.
fn words(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        out.push_str(before);
        // Only behind its name: a topic may be called anything.
        let id = out.ends_with("TopicId: ") || out.ends_with("\"topicId\":\"");
        if id && word.len() == 22 {
            out.push_str("ID");
        } else {
            out.push_str(&word_as(word));
        }
        rest = after;
    }
    out + rest
}

fn word_as(word: &str) -> String {
    if word.len() == 13 && word.starts_with("17") && word.bytes().all(|b| b.is_ascii_digit()) {
        return "TIME".to_owned();
    }
    let uuid_at = word.len().checked_sub(36);
    match uuid_at {
        Some(at) if word.is_char_boundary(at) && is_uuid(&word[at..]) => format!("{}UUID", &word[..at]),
        _ => word.to_owned(),
    }
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// `12.5` and `Infinity` as `N`.
fn numbers(line: &str) -> String {
    let mut out = String::new();
    let mut in_number = false;
    let line = line.replace("Infinity", "0").replace("NaN", "0").replace("TIME", "0");
    let chars: Vec<char> = line.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        let point = *c == '.' && in_number && chars.get(n + 1).is_some_and(char::is_ascii_digit);
        if c.is_ascii_digit() || point {
            if !in_number {
                out.push('N');
            }
            in_number = true;
        } else {
            in_number = false;
            out.push(*c);
        }
    }
    out
}
