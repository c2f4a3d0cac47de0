//! Prometheus' text exposition format 0.0.4: the one place that writes it.

use std::fmt::{self, Write as _};

/// What the values of a metric do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are counted by size.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// The samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name of the metric.
    pub name: &'static str,
    /// What it counts: a line without backslashes.
    pub help: &'static str,
    /// What its values do.
    pub kind: Kind,
    /// In the order in which they are written.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A family of which nothing is said yet.
    pub fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind, samples: Vec::new() }
    }

    /// With these samples.
    #[must_use]
    pub fn with(mut self, samples: impl IntoIterator<Item = Sample>) -> Self {
        self.samples.extend(samples);
        self
    }

    /// Values by size: upper bounds with how many are not above each, how many there are, and their sum.
    pub fn histogram(
        name: &'static str,
        help: &'static str,
        buckets: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) -> Self {
        let bucket = |le: String, count: u64| Sample { suffix: "_bucket", ..Sample::new(vec![("le", le)], count) };
        let samples = buckets.into_iter().map(|(bound, count)| bucket(bound.to_string(), count)).chain([
            bucket("+Inf".to_owned(), count),
            Sample { suffix: "_sum", ..Sample::new(Vec::new(), sum) },
            Sample { suffix: "_count", ..Sample::new(Vec::new(), count) },
        ]);
        Self::new(Kind::Histogram, name, help).with(samples)
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What follows the name of the family; nothing, but in a histogram.
    pub suffix: &'static str,
    /// Names and values, in the order in which they are written.
    pub labels: Vec<(&'static str, String)>,
    /// How many; seconds since 1970 for a time.
    pub value: Value,
}

impl Sample {
    /// A value with its labels.
    pub fn new(labels: Vec<(&'static str, String)>, value: impl Into<Value>) -> Self {
        Self { suffix: "", labels, value: value.into() }
    }
}

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Counts and times.
    Whole(i64),
    /// What is measured.
    Real(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(n) => n.fmt(f),
            Self::Real(x) => x.fmt(f),
        }
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Whole(i64::from(is))
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Whole(n)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Whole(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        Self::Whole(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Real(x)
    }
}

/// The samples as text; a name without samples is left out.
pub fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for Family { name, help, kind, samples } in families.iter().filter(|family| !family.samples.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for Sample { suffix, labels, value } in samples {
            let _ = write!(out, "{name}{suffix}");
            for (i, (label, text)) in labels.iter().enumerate() {
                let _ = write!(out, "{}{label}=\"{}\"", if i == 0 { '{' } else { ',' }, escape(text));
            }
            let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
        }
    }
    out
}

/// The three characters that the format escapes in a label's value.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_what_has_no_sample_is_left_out() {
        let odd = Sample::new(vec![("a", "x\\y\"z\nw".to_owned()), ("b", String::new())], 7_u64);
        let families = [
            Family::new(Kind::Counter, "odd", "Odd.").with([odd]),
            Family::new(Kind::Gauge, "none", "None."),
            Family::new(Kind::Gauge, "plain", "Plain.").with([Sample::new(Vec::new(), true)]),
        ];
        assert_eq!(
            text(&families),
            r#"# HELP odd Odd.
# TYPE odd counter
odd{a="x\\y\"z\nw",b=""} 7
# HELP plain Plain.
# TYPE plain gauge
plain 1
"#
        );
    }

    #[test]
    fn a_histogram_ends_with_all_of_them() {
        let took = Family::histogram("took_seconds", "How long.", [(0.5, 1), (2.0, 3)], 4, 7.25);
        assert_eq!(
            text(&[took]),
            r#"# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.5"} 1
took_seconds_bucket{le="2"} 3
took_seconds_bucket{le="+Inf"} 4
took_seconds_sum 7.25
took_seconds_count 4
"#
        );
    }
}
