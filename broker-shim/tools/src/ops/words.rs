//! Words of a command line: `key=value`.

use crate::failure::Failure;
use kafka_client::properties::Properties;

/// Pairs by their keys.
///
/// # Errors
///
/// A word without `=`.
pub fn pairs<'a>(words: impl Iterator<Item = &'a String>) -> Result<Properties, Failure> {
    let mut all = Properties::new();
    for word in words {
        match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => all.insert(key.to_owned(), value.to_owned()),
            _ => return Err(Failure::usage(format!("Invalid property: {word}; give key=value"))),
        };
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn a_pair_has_a_key_and_the_rest_is_its_value() {
        let words = ["a=b".to_owned(), "c=d=e".to_owned()];
        let all = pairs(words.iter()).unwrap();
        assert_eq!(all["c"], "d=e");
        assert!(pairs(["=x".to_owned()].iter()).is_err());
        assert!(pairs(["x".to_owned()].iter()).is_err());
    }
}
