//! `buildreach explain SUBJECT ENDPOINT`: one trace, layer by layer.

use std::path::PathBuf;

use anyhow::bail;

use super::Exit;
use super::audit::{EngineArgs, Prepared, WhatArgs};
use super::output::{self, Colour, Sink};
use super::presents::PresentsArgs;
use super::source::{self, SourceArgs};
use crate::demand::{self, DemandOptions, SubjectSelector};
use crate::model::{Outcome, Snapshot};
use crate::report;
use crate::trace::Context;
use crate::trace::audit::Question;
use crate::trace::explain::explain;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who: ns/name or ns/Kind/name
    subject: SubjectSelector,
    /// What: HOST or IP, with :PORT and /PROTO (default 443/TCP)
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    /// Files, folders or `-`; without it the current kubeconfig context
    #[arg(short = 'f', long = "filename", value_name = "SOURCE")]
    sources: Vec<String>,
    /// EndpointSet objects: what their servers present
    #[arg(long, value_name = "FILE")]
    endpoints: Vec<PathBuf>,
    #[command(flatten)]
    presents: PresentsArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Format: table, json, yaml or markdown; FORMAT=FILE writes to a file; repeatable
    #[arg(short, long, value_name = "FORMAT[=FILE]", value_parser = output::sink_of_trace)]
    output: Vec<Sink>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    color: Colour,
}

/// Candidates that an error tells.
const MAX_NAMES: usize = 10;

/// Prints the trace; exit 0 if the endpoint is reached, 1 if not.
pub(super) fn run(args: &Args, quiet: bool) -> anyhow::Result<Exit> {
    let profile = args.engine.profile()?;
    let mut what = WhatArgs::of(&args.subject, &args.endpoint);
    what.presents = args.presents.clone();
    what.told_by.clone_from(&args.endpoints);
    let snapshot = source::collect(&args.sources, &args.source, quiet, &what.config_maps()?)?;
    let prepared = Prepared::new(&what, &args.source, &snapshot)?;
    let subjects = &prepared.demand.subjects;
    match subjects.as_slice() {
        [] => bail!("{}", nobody(args, &snapshot)),
        [_] => {}
        several => {
            let mut names: Vec<_> = several.iter().map(|s| format!("{}/{}/{}", s.namespace, s.kind, s.name)).collect();
            let more = names.split_off(names.len().min(MAX_NAMES)).len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            bail!("{} is ambiguous: {}{more}", args.subject, names.join(", "));
        }
    }
    let context = Context::new(&snapshot, &profile);
    let question = Question::default();
    let Some(explanation) = explain(&context, &prepared.demand, &prepared.ranges, &question) else {
        bail!("no pod or template is called {}", args.subject);
    };
    output::write(&args.output, args.color, |format, options, out| {
        report::explain(&explanation, format, options, out)
    })?;
    Ok(if explanation.outcome == Outcome::Reachable { Exit::Clean } else { Exit::Findings })
}

fn nobody(args: &Args, snapshot: &Snapshot) -> String {
    let similar = demand::similar(snapshot, &args.subject, &DemandOptions::default());
    let there_is = if similar.is_empty() { String::new() } else { format!("; there is {}", similar.join(", ")) };
    format!("no pod or template is called {}{there_is}", args.subject)
}
