//! `buildreach snapshot`: save what was read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::Exit;
use super::source::{self, SourceArgs};
use crate::agent;
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
    node: NodeArgs,
    #[command(flatten)]
    source: SourceArgs,
}

/// A node whose trust is read.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Node")]
struct NodeArgs {
    /// Read what a node trusts below its root directory, or a saved copy of it
    #[arg(long, value_name = "DIR")]
    node_root: Option<PathBuf>,
    /// Name of the node; without it the directory's
    #[arg(long, value_name = "NAME", requires = "node_root")]
    node_name: Option<String>,
    /// The node's container runtime and its version, such as containerd://1.7.27
    #[arg(long, value_name = "VERSION", requires = "node_root")]
    container_runtime: Option<String>,
}

/// Saves the snapshot.
pub(super) fn run(args: &Args, quiet: bool) -> anyhow::Result<Exit> {
    if let Some(root) = &args.node.node_root
        && args.sources.is_empty()
        && !args.source.demo
    {
        return node_alone(args, root);
    }
    let mut snapshot = source::collect(&args.sources, &args.source, quiet)?;
    if let Some(root) = &args.node.node_root {
        let mut facts = agent::observe(&options(args, root))?;
        facts.meta.origin.source = u32::try_from(snapshot.sources.len())?;
        snapshot.sources.push(root.display().to_string().into());
        snapshot.node_trust.push(facts);
    }
    snapshot_io::save(&snapshot, &args.output_dir)?;
    source::hints(&snapshot, quiet);
    Ok(Exit::Clean)
}

/// A node by itself: its `NodeTrust`, beside those of others in the same folder.
fn node_alone(args: &Args, root: &Path) -> anyhow::Result<Exit> {
    let folder = &args.output_dir;
    if folder.join(snapshot_io::FILE_NAME).exists() {
        bail!("{} holds a saved snapshot, and a snapshot is complete: name another folder", folder.display());
    }
    let facts = agent::observe(&options(args, root))?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("nodetrust-{}.yaml", facts.meta.name));
    fs::write(&path, serde_saphyr::to_string(&agent::resource(&facts))?).with_context(|| path.display().to_string())?;
    Ok(Exit::Clean)
}

fn options(args: &Args, root: &Path) -> agent::Options {
    agent::Options {
        root: root.to_owned(),
        node: args.node.node_name.clone().unwrap_or_else(|| node_name(root)),
        container_runtime: args.node.container_runtime.clone(),
        ..agent::Options::default()
    }
}

/// A name that Kubernetes takes, from that of a directory.
pub(super) fn node_name(root: &Path) -> String {
    let name = root.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().to_lowercase()));
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' };
    let name: String = name.unwrap_or_default().chars().map(plain).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}
