//! Topic names: one type, made only by its check.
//!
//! # Invariants
//!
//! * A [`TopicName`] has 1 to 249 characters of `[a-zA-Z0-9._-]` and is neither `.` nor `..`. It is safe as a part of
//!   a path, and directories are built from nothing else.
//! * `.` and `_` count as the same when names are compared for a collision, as metric names once did.

use crate::escaped::Escaped;
use std::borrow::Borrow;
use std::fmt;

/// The longest name, in characters: a directory adds `-` and a partition number, within 255.
pub const MAX_NAME_LEN: usize = 249;

/// Topics that clients cannot create or delete.
const RESERVED: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__cluster_metadata", "__corrente_metadata"];

/// A checked topic name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicName(String);

impl TopicName {
    /// Checks a name that came from the wire or a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the texts that clients of both ages know.
    pub fn new(raw: &str) -> Result<Self, TopicNameError> {
        let problem = if raw.is_empty() {
            NameProblem::Empty
        } else if raw == "." || raw == ".." {
            NameProblem::Dots
        } else if raw.chars().count() > MAX_NAME_LEN {
            NameProblem::TooLong
        } else if !raw.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            NameProblem::Character
        } else {
            return Ok(Self(raw.to_owned()));
        };
        Err(TopicNameError { name: raw.to_owned(), problem })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the broker made the topic for itself; clients are told so in Metadata.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.0 == "__consumer_offsets" || self.0 == "__transaction_state"
    }

    /// Whether clients may neither create nor delete it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.0.as_str())
    }

    /// Whether the two differ at most in `.` against `_`.
    #[must_use]
    pub fn collides_with(&self, other: &Self) -> bool {
        let unified = |c: u8| if c == b'.' { b'_' } else { c };
        self.0.bytes().map(unified).eq(other.0.bytes().map(unified))
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A name that is no topic name. `Display` is the text of Kafka 4; [`TopicNameError::old_text`] that of 2.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicNameError {
    /// What was given.
    pub name: String,
    problem: NameProblem,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum NameProblem {
    Empty,
    Dots,
    TooLong,
    Character,
}

impl TopicNameError {
    /// The text of Kafka 2.2.
    #[must_use]
    pub fn old_text(&self) -> String {
        let name = Escaped(&self.name);
        match self.problem {
            NameProblem::Empty => "Topic name is illegal, it can't be empty".to_owned(),
            NameProblem::Dots => "Topic name cannot be \".\" or \"..\"".to_owned(),
            NameProblem::TooLong => format!(
                "Topic name is illegal, it can't be longer than {MAX_NAME_LEN} characters, topic name: {name}"
            ),
            NameProblem::Character => format!(
                "Topic name \"{name}\" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' \
                 and '-'"
            ),
        }
    }
}

impl fmt::Display for TopicNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Escaped(&self.name);
        match self.problem {
            NameProblem::Empty => f.write_str("Topic name is invalid: the empty string is not allowed"),
            NameProblem::Dots => write!(f, "Topic name is invalid: '{name}' is not allowed"),
            NameProblem::TooLong => write!(
                f,
                "Topic name is invalid: the length of '{name}' is longer than the max allowed length {MAX_NAME_LEN}"
            ),
            NameProblem::Character => write!(
                f,
                "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', \
                 '_' and '-'"
            ),
        }
    }
}

impl std::error::Error for TopicNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(raw: &str) -> (String, String) {
        let error = TopicName::new(raw).unwrap_err();
        (error.to_string(), error.old_text())
    }

    #[test]
    fn both_ages_of_clients_get_their_text() {
        assert_eq!(
            refused("bad name"),
            (
                "Topic name is invalid: 'bad name' contains one or more characters other than ASCII alphanumerics, \
                 '.', '_' and '-'"
                    .into(),
                "Topic name \"bad name\" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' \
                 and '-'"
                    .into()
            )
        );
        assert_eq!(refused("").0, "Topic name is invalid: the empty string is not allowed");
        assert_eq!(refused("..").0, "Topic name is invalid: '..' is not allowed");
        let long = "x".repeat(250);
        assert_eq!(
            refused(&long).0,
            format!(
                "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
            )
        );
    }

    #[test]
    fn borders_of_the_length_and_the_alphabet() {
        assert!(TopicName::new(&"x".repeat(249)).is_ok());
        assert!(TopicName::new("aZ09._-").is_ok());
        assert!(TopicName::new("...").is_ok());
        for raw in ["a/b", "a\\b", "a\0b", "caf\u{e9}", "a b", "a\n", ".", "..", "", "a:b"] {
            assert!(TopicName::new(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_hostile_name_is_escaped_and_cut_in_the_text() {
        assert!(!refused("a\nb\x1b").0.contains('\n'));
        assert!(refused(&"\u{e9}".repeat(10_000)).0.len() < 1_000);
    }

    #[test]
    fn dots_and_underscores_collide() {
        let name = |raw| TopicName::new(raw).unwrap();
        assert!(name("a.b_c").collides_with(&name("a_b.c")));
        assert!(name("a").collides_with(&name("a")));
        assert!(!name("a.b").collides_with(&name("a-b")));
        assert!(!name("a.b").collides_with(&name("a.bc")));
    }

    #[test]
    fn reserved_names_are_known() {
        assert!(TopicName::new("__consumer_offsets").unwrap().is_internal());
        assert!(TopicName::new("__cluster_metadata").unwrap().is_reserved());
        assert!(!TopicName::new("__mine").unwrap().is_reserved());
    }
}
