//! Columns as wide as what is in them; colours if somebody looks.

use crate::failure::Failure;
use crate::io::Io;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// How a cell is set apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Look {
    /// Not at all.
    #[default]
    Plain,
    /// It is less important.
    Dim,
    /// It needs to be looked at.
    Alarm,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    look: Look,
    right: bool,
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number: at the right edge of its column.
    #[expect(clippy::needless_pass_by_value, reason = "numbers are passed by value")]
    pub fn number(number: impl ToString) -> Self {
        Self { text: number.to_string(), right: true, ..Self::default() }
    }

    /// The same with another look.
    #[must_use]
    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }
}

/// Rows under a head.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// One without rows.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// If nobody takes it.
    pub fn print(&self, io: &mut Io<'_>) -> Result<(), Failure> {
        let colours = io.colours();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or_default();
            widest.max(self.head.get(column).map_or(0, |head| head.len()))
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let right =
            |column: usize| self.rows.first().and_then(|row| row.get(column)).is_some_and(|cell| cell.right);
        let head = self.head.iter().enumerate().map(|(column, text)| {
            let text = if colours { format!("{BOLD}{text}{PLAIN}") } else { (*text).to_owned() };
            Cell { text, look: Look::Plain, right: right(column) }
        });
        let shift = if colours { BOLD.len() + PLAIN.len() } else { 0 };
        let wide: Vec<usize> = widths.iter().map(|width| width + shift).collect();
        io.line(&line(&head.collect::<Vec<_>>(), &wide, false))?;
        for row in &self.rows {
            io.line(&line(row, &widths, colours))?;
        }
        Ok(())
    }
}

fn line(cells: &[Cell], widths: &[usize], colours: bool) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width.saturating_sub(cell.text.chars().count()));
        let colour = match cell.look {
            Look::Alarm if colours => Some(RED),
            Look::Dim if colours => Some(DIM),
            _ => None,
        };
        let shown = match colour {
            Some(colour) => format!("{colour}{}{PLAIN}", cell.text),
            None => cell.text.clone(),
        };
        text.push_str(if index > 0 { "  " } else { "" });
        text.push_str(&if cell.right { pad + &shown } else { shown + &pad });
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(terminal: bool) -> String {
        let mut table = Table::new(&["NAME", "COUNT"]);
        table.row(vec![Cell::text("a-long-name").look(Look::Alarm), Cell::number(7)]);
        table.row(vec![Cell::text("b"), Cell::number(12_345_678)]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut io = Io {
            input: &mut &b""[..],
            out: &mut out,
            err: &mut err,
            input_is_terminal: false,
            out_is_terminal: terminal,
            err_is_terminal: false,
        };
        table.print(&mut io).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        assert_eq!(printed(false), "NAME            COUNT\na-long-name         7\nb            12345678\n");
    }
}
