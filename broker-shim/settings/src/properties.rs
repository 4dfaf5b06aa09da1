//! Java properties files: text to entries that remember their line.
//!
//! ```text
//! # comment          ! comment           (first character that is not blank)
//! key=value          key: value          key value
//! long.list=a,\      a backslash at the end of a line joins the next one, less its leading blanks
//!           b
//! caf\u00e9=\t\n\r\f     escapes, in keys and values; any other escaped character stands for itself
//! ```
//!
//! Bytes are Latin-1, one byte a character, as `java.util.Properties.load` reads them. Lines end in `\n`, `\r`
//! or `\r\n`. A key without a value has the empty value. A key that comes twice keeps both entries here, in
//! order; the last one counts.
//!
//! # Not here
//!
//! What the keys mean, and reading the file: the caller has its content and its name.

use std::fmt;

/// One entry of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Property {
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped.
    pub value: String,
    /// The line on which the entry starts, counted from 1.
    pub line: u32,
}

/// The only mistake that the format knows: a `\u` that four hexadecimal digits do not follow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// The text that cannot be read.
    pub text: String,
}

impl SyntaxError {
    /// What would be right, as the end of the sentence "expected ...".
    pub const EXPECTED: &'static str = "four hexadecimal digits after \\u (write \\\\ for a backslash)";
}

/// To be put behind the name of the file.
impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: expected {}", self.line, self.text, Self::EXPECTED)
    }
}

impl std::error::Error for SyntaxError {}

/// Reads all entries of a file's content.
///
/// # Errors
///
/// A broken `\u`.
pub fn parse(content: &[u8]) -> Result<Vec<Property>, SyntaxError> {
    let text: String = content.iter().copied().map(char::from).collect();
    logical_lines(&text).into_iter().map(|(line, text)| entry(line, &text)).collect()
}

/// Joins continued lines and drops comments and empty lines; each keeps the number of its first line.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut out: Vec<(u32, String)> = Vec::new();
    let mut continued = false;
    for (number, raw) in (1..).zip(natural_lines(text)) {
        let content = raw.trim_start_matches(is_blank);
        // A comment is one only where an entry could start; and an empty line ends a continuation.
        if !continued && (content.is_empty() || content.starts_with(['#', '!'])) {
            continue;
        }
        let more = content.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        let kept = if more { &content[..content.len() - 1] } else { content };
        match out.last_mut() {
            Some((_, line)) if continued => line.push_str(kept),
            _ => out.push((number, kept.to_owned())),
        }
        continued = more;
    }
    out.retain(|(_, line)| !line.is_empty());
    out
}

/// Splits at `\n`, `\r` and `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Splits a logical line into key and value.
fn entry(line: u32, text: &str) -> Result<Property, SyntaxError> {
    let mut escaped = false;
    let key_end = text
        .find(|c: char| {
            let ends = !escaped && (is_blank(c) || c == '=' || c == ':');
            escaped = c == '\\' && !escaped;
            ends
        })
        .unwrap_or(text.len());
    let (key, rest) = text.split_at(key_end);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    Ok(Property { key: unescape(line, key)?, value: unescape(line, value)?, line })
}

/// Resolves escapes. UTF-16 surrogate pairs written as two `\u` join; a lone half becomes U+FFFD.
fn unescape(line: u32, text: &str) -> Result<String, SyntaxError> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(
                        hex_unit(&digits)
                            .ok_or_else(|| SyntaxError { line, text: format!("\\u{digits}") })?,
                    );
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

fn hex_unit(digits: &str) -> Option<u16> {
    let all_hex = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
    if all_hex { u16::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, u32)> {
        parse(text.as_bytes()).unwrap().into_iter().map(|p| (p.key, p.value, p.line)).collect()
    }

    fn one(key: &str, value: &str, line: u32) -> Vec<(String, String, u32)> {
        vec![(key.to_owned(), value.to_owned(), line)]
    }

    #[test]
    fn all_three_separators_split_key_and_value() {
        for text in ["a.b=c d", "a.b:c d", "a.b c d", "a.b = c d", "  a.b\t:  c d", "a.b   c d"] {
            assert_eq!(pairs(text), one("a.b", "c d", 1), "{text}");
        }
    }

    #[test]
    fn only_the_first_separator_counts() {
        assert_eq!(pairs("a==b"), one("a", "=b", 1));
        assert_eq!(pairs("a = : b"), one("a", ": b", 1));
        assert_eq!(pairs("listeners=PLAINTEXT://:9092"), one("listeners", "PLAINTEXT://:9092", 1));
    }

    #[test]
    fn comments_and_empty_lines_are_no_entries_but_count_as_lines() {
        assert_eq!(pairs("# x=1\n\n  ! y=2\n\t\nz=3"), one("z", "3", 5));
        assert_eq!(pairs("a=b # no comment"), one("a", "b # no comment", 1));
    }

    #[test]
    fn a_backslash_at_the_end_joins_lines_less_leading_blanks() {
        assert_eq!(pairs("a=b,\\\n   c,\\\r\n\td\ne=f")[0], ("a".into(), "b,c,d".into(), 1));
        assert_eq!(pairs("a=b,\\\n   c\ne=f")[1], ("e".into(), "f".into(), 3));
        // A comment character inside a continued line is data.
        assert_eq!(pairs("a=b\\\n#c"), one("a", "b#c", 1));
        // An even number of backslashes is no continuation.
        assert_eq!(pairs("a=b\\\\\nc=d"), vec![("a".into(), "b\\".into(), 1), ("c".into(), "d".into(), 2)]);
        assert_eq!(pairs("a=b\\"), one("a", "b", 1));
    }

    #[test]
    fn escapes_work_in_keys_and_values() {
        assert_eq!(pairs(r"a\ b\:c\=d=\ttab\u0041\n"), one("a b:c=d", "\ttabA\n", 1));
        assert_eq!(pairs(r"k=\ud83d\ude00 \q"), one("k", "\u{1f600} q", 1));
        assert_eq!(pairs(r"k=C\:\\data"), one("k", r"C:\data", 1));
    }

    #[test]
    fn bytes_are_latin_1() {
        let got = parse(b"k=caf\xe9").unwrap();
        assert_eq!(got[0].value, "caf\u{e9}");
    }

    #[test]
    fn a_key_without_value_is_empty_and_trailing_blanks_stay() {
        assert_eq!(pairs("alone"), one("alone", "", 1));
        assert_eq!(pairs("k=v  "), one("k", "v  ", 1));
        assert_eq!(pairs("=v"), one("", "v", 1));
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line() {
        assert_eq!(pairs("a=1\rb=2"), vec![("a".into(), "1".into(), 1), ("b".into(), "2".into(), 2)]);
    }

    #[test]
    fn a_broken_unicode_escape_names_line_and_expectation() {
        let error = parse(b"a=1\nb=\\u00g1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "2: \\u00g1: expected four hexadecimal digits after \\u (write \\\\ for a backslash)"
        );
    }
}
