//! JUnit XML as CI systems read it: suites, cases, and for each case whether it passed.
//!
//! There is no standard; this is what the common readers agree on: `failure`, `error` and `skipped` with a `message`
//! and a text, `properties` before the cases. No `time`: reports hold no durations.

use std::io::{self, Write};

use crate::report::text::clean;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failure(Said),
    /// It could not be told.
    Error(Said),
    /// It does not count, for the reason that is given.
    Skipped(String),
}

/// What a case says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// A class of failures, such as `Blocked`; left out where empty.
    pub kind: String,
    /// One line.
    pub message: String,
    /// All of it, in lines; left out where empty.
    pub text: String,
}

impl Said {
    /// One line and no more.
    pub fn line(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// One case of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is tested.
    pub name: String,
    /// With which result.
    pub verdict: Verdict,
}

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl Tally {
    /// Counts the cases, each `times` times.
    pub fn add(&mut self, cases: &[Case], times: u64) {
        for case in cases {
            self.tests += times;
            match case.verdict {
                Verdict::Passed => {}
                Verdict::Failure(_) => self.failures += times,
                Verdict::Error(_) => self.errors += times,
                Verdict::Skipped(_) => self.skipped += times,
            }
        }
    }
}

/// Writes a document: the head, then each suite, then the end.
pub struct Junit<'w> {
    out: &'w mut dyn Write,
}

impl<'w> Junit<'w> {
    /// Writes the head. The counts are those of all suites.
    ///
    /// # Errors
    ///
    /// What the writer says, here and below.
    pub fn begin(out: &'w mut dyn Write, total: Tally) -> io::Result<Self> {
        writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
        writeln!(out, r#"<testsuites name="buildreach" {}>"#, counts(total))?;
        Ok(Self { out })
    }

    /// Writes a suite; `class` is what viewers group its cases under.
    pub fn suite(&mut self, name: &str, class: &str, properties: &[(&str, String)], cases: &[Case]) -> io::Result<()> {
        let mut tally = Tally::default();
        tally.add(cases, 1);
        let class = escape(class);
        writeln!(self.out, r#"  <testsuite name="{}" {}>"#, escape(name), counts(tally))?;
        if !properties.is_empty() {
            writeln!(self.out, "    <properties>")?;
            for (key, value) in properties {
                writeln!(self.out, r#"      <property name="{}" value="{}"/>"#, escape(key), escape(value))?;
            }
            writeln!(self.out, "    </properties>")?;
        }
        for case in cases {
            write!(self.out, r#"    <testcase classname="{class}" name="{}""#, escape(&case.name))?;
            match &case.verdict {
                Verdict::Passed => writeln!(self.out, "/>")?,
                Verdict::Failure(said) => self.said("failure", said)?,
                Verdict::Error(said) => self.said("error", said)?,
                Verdict::Skipped(why) => self.said("skipped", &Said::line(why.as_str()))?,
            }
        }
        writeln!(self.out, "  </testsuite>")
    }

    fn said(&mut self, element: &str, said: &Said) -> io::Result<()> {
        write!(self.out, r#"><{element} message="{}""#, escape(&said.message))?;
        if !said.kind.is_empty() {
            write!(self.out, r#" type="{}""#, escape(&said.kind))?;
        }
        if said.text.is_empty() {
            return writeln!(self.out, "/></testcase>");
        }
        let lines: Vec<_> = said.text.lines().map(escape).collect();
        writeln!(self.out, ">{}</{element}></testcase>", lines.join("\n"))
    }

    /// Writes the end.
    pub fn end(self) -> io::Result<()> {
        writeln!(self.out, "</testsuites>")
    }
}

fn counts(tally: Tally) -> String {
    let Tally { tests, failures, errors, skipped } = tally;
    format!(r#"tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}""#)
}

/// Text of others in an attribute or an element. Control characters are shown as escapes, as everywhere in a report;
/// the two characters beside them that XML 1.0 does not have are replaced.
fn escape(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_no_markup_and_no_control() {
        assert_eq!(escape("a&b<c>\"d\""), "a&amp;b&lt;c&gt;&quot;d&quot;");
        assert_eq!(escape("x\u{1b}[2K\u{0}y\nz\u{ffff}"), "x\\u{1b}[2K\\u{0}y z\u{fffd}");
    }
}
