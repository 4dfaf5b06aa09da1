//! Columns padded with blanks, as Kafka's tools print them.
//!
//! # Not here
//!
//! Tables of our own (`own::table`).

/// Cells, each padded to its width on the right, with a blank between.
pub(crate) fn row<T: AsRef<str>>(cells: &[T], widths: &[usize]) -> String {
    let padded = cells.iter().enumerate().map(|(n, cell)| {
        let width = widths.get(n).copied().unwrap_or_default();
        format!("{:<width$}", cell.as_ref())
    });
    padded.collect::<Vec<_>>().join(" ")
}

/// The widest of a column and at least `least`.
pub(crate) fn width<'a>(least: usize, cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(least)
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn cells_are_padded_also_the_last_one() {
        assert_eq!(row(&["a", "b"], &[3, 2]), "a   b ");
        assert_eq!(row(&["long", "b"], &[3]), "long b");
    }
}
