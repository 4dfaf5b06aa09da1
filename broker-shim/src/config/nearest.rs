//! Which known word somebody meant who wrote an unknown one.
//!
//! Distance is counted in typing mistakes: a letter too many, too few, wrong, or two neighbours swapped. Short words
//! forgive one, longer ones up to three, so that a suggestion is a mistake put right and never a guess.

/// The known word that is nearest to `word`; `None` if all are too far away, or `word` is known.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.chars().take(LONGEST + 1).collect();
    if letters.len() > LONGEST {
        return None;
    }
    let forgiven = forgiven(letters.len());
    let distances = known.into_iter().map(|known| (distance(&letters, known), known));
    let (mistakes, found) = distances.min_by_key(|(mistakes, _)| *mistakes)?;
    (1..=forgiven).contains(&mistakes).then_some(found)
}

/// Words that are longer were not mistyped.
const LONGEST: usize = 100;

fn forgiven(letters: usize) -> usize {
    match letters {
        0..=3 => 0,
        4..=5 => 1,
        6..=15 => 2,
        _ => 3,
    }
}

/// Mistakes between two words (optimal string alignment).
fn distance(word: &[char], known: &str) -> usize {
    let known: Vec<char> = known.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=known.len()).collect();
    for (i, letter) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in known.iter().enumerate() {
            let mut least = (last[j] + usize::from(letter != other)).min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && word[i - 1] == *other && *letter == known[j - 1];
            if swapped {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["num.partitions", "listeners", "advertised.listeners", "port"];

    #[test]
    fn a_typing_mistake_is_put_right() {
        for (typed, meant) in [
            ("num.partition", "num.partitions"),
            ("num.patritions", "num.partitions"),
            ("listner", "listeners"),
            ("advertised.listener", "advertised.listeners"),
            ("adverstied.listners", "advertised.listeners"),
            ("prot", "port"),
        ] {
            assert_eq!(nearest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for typed in ["", "por", "ports.of.call", "listeners", "num.threads", &"x".repeat(101)] {
            assert_eq!(nearest(typed, KEYS), None, "{typed}");
        }
        assert_eq!(nearest("listner", []), None);
    }
}
