//! Kept reports: where, how many, and what is said about them on stderr.

use std::path::PathBuf;

use anyhow::bail;

use super::output::{self, Sink};
use super::source::{self, SourceArgs};
use crate::archive::{self, Kept, Order, Place};
use crate::model::report::AuditReport;
use crate::report::{self, Format};

/// Reports that are kept without `--retain`.
const RETAIN: u16 = 10;

/// Where reports are kept.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Kept reports")]
pub(super) struct ArchiveArgs {
    /// Keep the report in this folder, as JSON, as Markdown and in the formats of -o, and say what has changed
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Keep the report in ConfigMaps of the cluster (default namespace: that of the pod or the context)
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "archive")]
    archive_config_map: Option<Place>,
    /// How many reports are kept, this one included (default 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    retain: Option<u16>,
}

impl ArchiveArgs {
    /// What the flags say makes sense together.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.retain.is_some() && self.archive.is_none() && self.archive_config_map.is_none() {
            bail!("--retain says how many reports are kept, and nothing says where: --archive or --archive-config-map");
        }
        Ok(())
    }

    /// Keeps the report, and says on stderr what has changed since the one before.
    pub(super) fn keep(
        &self,
        report: &AuditReport,
        sinks: &[Sink],
        source: &SourceArgs,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let formats: Vec<Format> = sinks.iter().map(|sink| sink.format).collect();
        let order = Order { report, formats: &formats, retain: usize::from(self.retain.unwrap_or(RETAIN)) };
        let kept = if let Some(dir) = &self.archive {
            archive::dir::keep(dir, &order)?
        } else if let Some(place) = &self.archive_config_map {
            let options = source::cluster_options(&source.live);
            source::runtime()?.block_on(archive::config_map::keep(&options, place, &order))?
        } else {
            return Ok(());
        };
        tell(&kept, quiet);
        Ok(())
    }
}

fn tell(kept: &Kept, quiet: bool) {
    for trouble in &kept.trouble {
        output::warning(trouble);
    }
    if quiet {
        return;
    }
    if let Some(changes) = &kept.changes {
        for line in report::changes::text(changes) {
            output::remark(&line);
        }
    }
    let first = if kept.first { ", the first report there" } else { "" };
    output::remark(&format!("kept as {} in {}{first}", kept.name, kept.place));
    for what in &kept.left_out {
        output::remark(what);
    }
    if !kept.pruned.is_empty() {
        output::remark(&format!("removed {}", kept.pruned.join(", ")));
    }
}
