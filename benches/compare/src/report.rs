//! Figures, their medians, tables of ratios, goals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The engine that all the others are held against.
pub const OURS: &str = "log-engine";

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Better {
    Higher,
    Lower,
}

/// One table: the same work by several engines.
#[derive(Debug)]
pub struct Bench {
    pub name: String,
    pub unit: &'static str,
    pub better: Better,
    figures: BTreeMap<String, Vec<f64>>,
    notes: BTreeMap<String, String>,
    goals: Vec<String>,
}

impl Bench {
    pub fn new(name: impl Into<String>, unit: &'static str, better: Better) -> Self {
        let name = name.into();
        eprintln!("# {name}");
        Self { name, unit, better, figures: BTreeMap::new(), notes: BTreeMap::new(), goals: Vec::new() }
    }

    /// One round's figure of an engine.
    pub fn add(&mut self, engine: &str, figure: f64) {
        eprintln!("  {engine:<40} {figure:>14.1} {}", self.unit);
        self.figures.entry(engine.to_owned()).or_default().push(figure);
    }

    /// What the reader of an engine's figure must know.
    pub fn note(&mut self, engine: &str, note: impl Into<String>) {
        self.notes.insert(engine.to_owned(), note.into());
    }

    pub fn median(&self, engine: &str) -> Option<f64> {
        self.figures.get(engine).and_then(|figures| median(figures))
    }

    /// The best figure of those that `counts` picks, with its name.
    pub fn best(&self, counts: impl Fn(&str) -> bool) -> Option<(String, f64)> {
        let all = self.figures.keys().filter(|name| counts(name));
        let medians = all.filter_map(|name| Some((name.clone(), self.median(name)?)));
        medians.reduce(|a, b| {
            let first = if self.better == Better::Higher { a.1 >= b.1 } else { a.1 <= b.1 };
            if first { a } else { b }
        })
    }

    /// Holds our figure against another's: `ratio >= bound` where more is better, else `ratio <= bound`.
    pub fn goal_against(&mut self, what: &str, other: Option<(String, f64)>, bound: f64) {
        let (Some(ours), Some((name, other))) = (self.median(OURS), other) else {
            self.goals.push(format!("not measured: {what}"));
            return;
        };
        let ratio = ours / other;
        let held = if self.better == Better::Higher { ratio >= bound } else { ratio <= bound };
        let sign = if self.better == Better::Higher { ">=" } else { "<=" };
        self.goals.push(format!("{}: {what}: {ratio:.2} x {name} (goal {sign} {bound})", mark(held)));
    }

    /// Holds a figure against a fixed bound.
    pub fn goal(&mut self, what: &str, figure: Option<f64>, bound: f64) {
        let Some(figure) = figure else {
            self.goals.push(format!("not measured: {what}"));
            return;
        };
        let held = if self.better == Better::Higher { figure >= bound } else { figure <= bound };
        self.goals.push(format!("{}: {what}: {figure:.2} {} (goal {bound})", mark(held), self.unit));
    }

    /// The table as markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("\n### {}\n\n", self.name);
        let _ = writeln!(out, "| engine | {} (median) | least - most | x log-engine | |", self.unit);
        out.push_str("|---|--:|--:|--:|---|\n");
        let mut rows: Vec<(&String, f64)> =
            self.figures.keys().filter_map(|name| Some((name, self.median(name)?))).collect();
        rows.sort_by(
            |a, b| if self.better == Better::Higher { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) },
        );
        for (name, figure) in rows {
            let all = &self.figures[name];
            let (least, most) =
                (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(0.0, f64::max));
            let ratio = self.median(OURS).map_or_else(String::new, |ours| format!("{:.2}", figure / ours));
            let note = self.notes.get(name).map_or("", String::as_str);
            let show = if name == OURS { format!("**{name}**") } else { name.clone() };
            let _ = writeln!(
                out,
                "| {show} | {} | {} - {} | {ratio} | {note} |",
                round(figure),
                round(least),
                round(most)
            );
        }
        for (name, note) in self.notes.iter().filter(|(name, _)| !self.figures.contains_key(*name)) {
            let _ = writeln!(out, "| {name} | - | | | {note} |");
        }
        for goal in &self.goals {
            let _ = writeln!(out, "\n- {goal}");
        }
        out
    }

    pub fn goals(&self) -> impl Iterator<Item = String> {
        self.goals.iter().map(|goal| format!("{}: {goal}", self.name))
    }
}

fn mark(held: bool) -> &'static str {
    if held { "pass" } else { "MISS" }
}

fn round(figure: f64) -> String {
    if figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.2}") }
}

/// The middle one; of an even number the mean of the two in the middle.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Calls `run` for every engine in every round, each round beginning with another one.
pub fn interleave<T>(rounds: usize, engines: &[T], mut run: impl FnMut(usize, &T)) {
    for round in 0..rounds {
        for turn in 0..engines.len() {
            run(round, &engines[(turn + round) % engines.len()]);
        }
    }
}
