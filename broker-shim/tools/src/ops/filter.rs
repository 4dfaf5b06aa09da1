//! Which topics a pattern means.
//!
//! A pattern is a regular expression for the whole name, in which a comma is an "or" and blanks count for nothing:
//! `orders,pay.*` means `orders` and all that begin with `pay`.

use crate::failure::Failure;
use regex::Regex;

/// The topics that brokers make for themselves.
const INTERNAL: &[&str] = &["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether a topic is one of the brokers' own.
#[must_use]
pub fn is_internal(topic: &str) -> bool {
    INTERNAL.contains(&topic)
}

/// A pattern of names.
#[derive(Clone, Debug)]
pub struct Filter(Regex);

impl Filter {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// If it is no regular expression.
    pub fn new(pattern: &str) -> Result<Self, Failure> {
        let joined = pattern.trim().replace(',', "|").replace(' ', "");
        let bare = joined.trim_matches(['"', '\'']);
        let regex = Regex::new(&format!("^(?:{bare})$"));
        regex.map(Self).map_err(|_| Failure::told(format!("{bare} is an invalid regex.")))
    }

    /// Whether it means a topic.
    #[must_use]
    pub fn allows(&self, topic: &str, exclude_internal: bool) -> bool {
        self.0.is_match(topic) && !(exclude_internal && is_internal(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_name() {
        let filter = Filter::new(" \"orders, pay.*\" ").unwrap();
        for (name, allowed) in [("orders", true), ("payments", true), ("orders2", false), ("xpay", false)] {
            assert_eq!(filter.allows(name, true), allowed, "{name}");
        }
        assert!(matches!(Filter::new("a("), Err(Failure::Told(text)) if text == "a( is an invalid regex."));
    }

    #[test]
    fn the_brokers_own_are_left_out_if_asked_for() {
        let filter = Filter::new(".*").unwrap();
        assert!(filter.allows("__consumer_offsets", false));
        assert!(!filter.allows("__consumer_offsets", true));
        assert!(filter.allows("__mine", true));
    }
}
