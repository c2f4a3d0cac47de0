//! `buildreach snapshot`: save what was read.

use std::path::PathBuf;

use super::Exit;
use super::source::{self, SourceArgs};
use crate::collect::snapshot_io;

/// Arguments of `snapshot`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, folders or `-`; without it the current kubeconfig context
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Folder to write to; made if it is not there
    #[arg(short = 'O', long, value_name = "DIR")]
    output_dir: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
}

/// Saves the snapshot.
pub(super) fn run(args: &Args, quiet: bool) -> anyhow::Result<Exit> {
    let snapshot = source::collect(&args.sources, &args.source, quiet, &[])?;
    snapshot_io::save(&snapshot, &args.output_dir)?;
    source::hints(&snapshot, quiet);
    Ok(Exit::Clean)
}
