//! The text that Prometheus reads, in both of its forms.
//!
//! ```text
//! # HELP corrente_requests_total Requests, by API and version.     OpenMetrics: without `_total` in these two lines,
//! # TYPE corrente_requests_total counter                           and `# EOF` at the end
//! corrente_requests_total{api="Produce",version="9"} 17
//! ```
//!
//! # Invariants
//!
//! * All rows of a family follow its head; a family has one head.
//! * Values of labels are escaped: groups are called whatever clients call them.

use crate::meter::{BOUNDS, Times};
use std::fmt::{Display, Write};

/// What a family's numbers are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// It only grows; its rows end in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

/// Names and values of a row's labels.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page that grows.
#[derive(Debug)]
pub(super) struct Page {
    out: String,
    open_metrics: bool,
}

/// The family that rows are added to.
#[derive(Debug)]
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
    suffix: &'static str,
}

impl Page {
    pub(super) fn new(open_metrics: bool) -> Self {
        Self { out: String::with_capacity(16 * 1024), open_metrics }
    }

    /// Begins a family.
    pub(super) fn family(&mut self, kind: Kind, name: &'static str, help: &'static str) -> Family<'_> {
        let (word, suffix) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
            Kind::Histogram => ("histogram", ""),
        };
        let in_head = if self.open_metrics { "" } else { suffix };
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "# HELP {name}{in_head} {help}\n# TYPE {name}{in_head} {word}");
        Family { out: &mut self.out, name, suffix }
    }

    /// A counter of one row.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(Kind::Counter, name, help).row(&[], value);
    }

    /// A gauge of one row.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(Kind::Gauge, name, help).row(&[], value);
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.open_metrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

impl Family<'_> {
    /// Adds a row.
    pub(super) fn row(&mut self, labels: Labels<'_>, value: impl Display) {
        self.sample(self.suffix, labels, None, value);
    }

    /// Adds the rows of a histogram.
    pub(super) fn times(&mut self, labels: Labels<'_>, times: &Times) {
        for (bound, count) in BOUNDS.iter().zip(times.at_most) {
            let bound = std::time::Duration::from_nanos(*bound).as_secs_f64().to_string();
            self.sample("_bucket", labels, Some(&bound), count);
        }
        self.sample("_bucket", labels, Some("+Inf"), times.count);
        self.sample("_sum", labels, None, times.sum.as_secs_f64());
        self.sample("_count", labels, None, times.count);
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        for (at, (name, value)) in labels.iter().copied().chain(bound).enumerate() {
            self.out.push_str(if at == 0 { "{" } else { "," });
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(self.out, value);
            self.out.push('"');
        }
        let end = if labels.is_empty() && bound.is_none() { "" } else { "}" };
        let _ = writeln!(self.out, "{end} {value}");
    }
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Histogram;
    use std::time::Duration;

    fn page(open_metrics: bool) -> String {
        let mut page = Page::new(open_metrics);
        page.family(Kind::Counter, "a", "Of a.").row(&[("x", "1"), ("y", "q\"b\\c\nd")], 3);
        page.gauge("b", "Of b.", -1.5);
        page.finish()
    }

    #[test]
    fn both_forms_differ_in_heads_and_end() {
        let rows = "a_total{x=\"1\",y=\"q\\\"b\\\\c\\nd\"} 3\n";
        assert_eq!(
            page(false),
            format!(
                "# HELP a_total Of a.\n# TYPE a_total counter\n{rows}# HELP b Of b.\n# TYPE b gauge\nb -1.5\n"
            )
        );
        assert_eq!(
            page(true),
            format!(
                "# HELP a Of a.\n# TYPE a counter\n{rows}# HELP b Of b.\n# TYPE b gauge\nb -1.5\n# EOF\n"
            )
        );
    }

    #[test]
    fn a_histogram_counts_up_to_its_end() {
        let histogram = Histogram::default();
        histogram.note(Duration::from_micros(30));
        histogram.note(Duration::from_secs(11));
        let mut page = Page::new(false);
        page.family(Kind::Histogram, "t_seconds", "Times.").times(&[("api", "Fetch")], &histogram.read());
        let text = page.finish();
        for line in [
            "t_seconds_bucket{api=\"Fetch\",le=\"0.000025\"} 0\n",
            "t_seconds_bucket{api=\"Fetch\",le=\"0.00005\"} 1\n",
            "t_seconds_bucket{api=\"Fetch\",le=\"10\"} 1\n",
            "t_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 2\n",
            "t_seconds_sum{api=\"Fetch\"} 11.00003\n",
            "t_seconds_count{api=\"Fetch\"} 2\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
