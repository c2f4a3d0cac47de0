//! `buildreach test`: reachability assertions as code.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::Serialize;
use walkdir::WalkDir;

use super::Exit;
use super::output;
use crate::collect::files;
use crate::report::{Case, Junit, Said, Tally, Verdict};
use crate::suite::{AssertionResult, Status, SuiteResult, judge, parse};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Suite files, or folders that are searched for `suite.yaml`
    #[arg(required = true, value_name = "SUITE")]
    suites: Vec<PathBuf>,
    /// Format
    #[arg(short, long, value_enum, default_value_t)]
    output: TestFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TestFormat {
    /// What did not pass, and the counts.
    #[default]
    Table,
    /// One document.
    Json,
    /// For CI systems.
    Junit,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    suites: &'a [SuiteResult],
    summary: Summary,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Summary {
    suites: usize,
    passed: usize,
    failed: usize,
    unsupported: usize,
}

/// Runs the suites; exit 1 if an assertion failed.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut paths = Vec::new();
    for given in &args.suites {
        find(given, &mut paths)?;
    }
    if paths.is_empty() {
        bail!(
            "no suite.yaml in {}",
            args.suites.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    let results: Vec<SuiteResult> = paths.iter().map(|path| run_one(path)).collect::<anyhow::Result<_>>()?;
    let count = |status| results.iter().flat_map(|s| &s.assertions).filter(|a| a.status == status).count();
    let summary = Summary {
        suites: results.len(),
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        unsupported: count(Status::Unsupported),
    };
    output::to_stdout(|out| match args.output {
        TestFormat::Table => table(&results, summary, out),
        TestFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &Document { suites: &results, summary })?;
            out.write_all(b"\n")
        }
        TestFormat::Junit => junit(&results, out),
    })?;
    Ok(if summary.failed > 0 { Exit::Findings } else { Exit::Clean })
}

fn find(given: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !given.is_dir() {
        if !given.exists() {
            bail!("no suite {}", given.display());
        }
        into.push(given.to_owned());
        return Ok(());
    }
    for entry in WalkDir::new(given).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot search {}", given.display()))?;
        if entry.file_type().is_file() && entry.file_name() == "suite.yaml" {
            into.push(entry.into_path());
        }
    }
    Ok(())
}

fn run_one(path: &Path) -> anyhow::Result<SuiteResult> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let suite = parse(&text).with_context(|| format!("in {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let sources: Vec<String> =
        suite.spec.manifests.iter().map(|m| folder.join(m).to_string_lossy().into_owned()).collect();
    // Suites are about objects, not about when they are read.
    let options = files::Options { instant: jiff::Timestamp::UNIX_EPOCH, ..files::Options::default() };
    let snapshot = files::collect(&sources, &options).with_context(|| format!("in {}", path.display()))?;
    Ok(judge(&path.to_string_lossy(), &suite, &snapshot))
}

fn table(results: &[SuiteResult], summary: Summary, out: &mut dyn Write) -> std::io::Result<()> {
    for suite in results {
        for assertion in suite.assertions.iter().filter(|a| a.status == Status::Failed) {
            writeln!(out, "FAILED  {} #{}  {}", suite.path, assertion.index, question(assertion))?;
            writeln!(out, "        {}", assertion.reason)?;
            for step in &assertion.trace.steps {
                writeln!(out, "        {:<7} {:<12} {}", step.layer, step.outcome, step.summary)?;
                for evidence in &step.evidence {
                    let place = evidence.place().unwrap_or_default();
                    writeln!(out, "          {}  {place}", evidence.citation())?;
                }
                for near in &step.near_misses {
                    let detail = near.detail.as_deref().unwrap_or_default();
                    writeln!(out, "          near miss  {} {detail}", near.citation())?;
                }
            }
        }
    }
    let unsupported = |s: &&SuiteResult| s.assertions.iter().any(|a| a.status == Status::Unsupported);
    for suite in results.iter().filter(unsupported) {
        let mut reasons: Vec<&str> =
            suite.assertions.iter().filter(|a| a.status == Status::Unsupported).map(|a| a.reason.as_str()).collect();
        let count = reasons.len();
        reasons.sort_unstable();
        reasons.dedup();
        writeln!(out, "unsupported  {}  {count}: {}", suite.path, reasons.first().unwrap_or(&""))?;
    }
    let Summary { suites, passed, failed, unsupported } = summary;
    writeln!(out, "{suites} suites: {passed} passed, {failed} failed, {unsupported} unsupported")
}

/// `from → to:port/protocol`, as written.
fn question(assertion: &AssertionResult) -> String {
    let end = |end: &Option<crate::suite::spec::End>| {
        end.as_ref().and_then(|e| serde_json::to_string(e).ok()).unwrap_or_else(|| "expectFindings".to_owned())
    };
    match (&assertion.port, &assertion.protocol) {
        (Some(port), Some(protocol)) => {
            format!("{} → {} {port}/{protocol}", end(&assertion.from), end(&assertion.to))
        }
        _ => "expectFindings".to_owned(),
    }
}

fn junit(results: &[SuiteResult], out: &mut dyn Write) -> std::io::Result<()> {
    let suites: Vec<Vec<Case>> = results.iter().map(|suite| suite.assertions.iter().map(case).collect()).collect();
    let mut total = Tally::default();
    for cases in &suites {
        total.add(cases, 1);
    }
    let mut junit = Junit::begin(out, total)?;
    for (suite, cases) in results.iter().zip(&suites) {
        junit.suite(&suite.path, &suite.name, &[], cases)?;
    }
    junit.end()
}

fn case(assertion: &AssertionResult) -> Case {
    let verdict = match assertion.status {
        Status::Passed => Verdict::Passed,
        Status::Failed => Verdict::Failure(Said::line(assertion.reason.as_str())),
        Status::Unsupported => Verdict::Skipped(assertion.reason.clone()),
    };
    Case { name: format!("#{} {}", assertion.index, question(assertion)), verdict }
}
