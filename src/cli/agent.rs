//! `buildreach agent`: what a node trusts. `buildreach crds`: the custom resources.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use super::source::{self, LiveArgs};
use super::{Exit, output, snapshot};
use crate::{agent, crd};

/// Arguments of `agent`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the node's root directory is mounted
    #[arg(long, value_name = "DIR", default_value = "/host")]
    root: PathBuf,
    /// Name of the node; without it the root directory's
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    node_name: Option<String>,
    /// The container runtime and its version where no cluster tells it, such as containerd://1.7.27
    #[arg(long, value_name = "VERSION")]
    container_runtime: Option<String>,
    /// Read once and end: prints the NodeTrust, or writes it with --write
    #[arg(long)]
    once: bool,
    /// With --once: write to the cluster instead of printing
    #[arg(long, requires = "once", conflicts_with = "output")]
    write: bool,
    /// With --once: the form that is printed
    #[arg(short, long, value_name = "FORMAT", requires = "once", default_value = "yaml")]
    output: Form,
    /// Read again after this time, even if nothing has changed: `30m`, `1h`
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = source::duration)]
    period: Duration,
    #[command(flatten)]
    live: LiveArgs,
}

/// What an object is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Yaml,
    Json,
}

/// Runs the agent.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let options = agent::Options {
        root: args.root.clone(),
        node: args.node_name.clone().unwrap_or_else(|| snapshot::node_name(&args.root)),
        container_runtime: args.container_runtime.clone(),
        period: args.period.max(Duration::from_secs(1)),
        ..agent::Options::default()
    };
    if args.once && !args.write {
        let object = agent::resource(&agent::observe(&options)?);
        output::to_stdout(|mut out| match args.output {
            Form::Yaml => {
                let text = serde_saphyr::to_string(&object).map_err(std::io::Error::other)?;
                out.write_all(text.as_bytes())
            }
            Form::Json => {
                serde_json::to_writer_pretty(&mut out, &object)?;
                out.write_all(b"\n")
            }
        })?;
        return Ok(Exit::Clean);
    }
    let live = source::cluster_options(&args.live);
    // One thread is enough for one request an hour, and takes the least memory.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        if args.write {
            return agent::write_once(&options, &live).await;
        }
        let stop = stop().context("cannot listen to signals")?;
        agent::run(&options, &live, stop).await
    })?;
    Ok(Exit::Clean)
}

/// SIGTERM or SIGINT.
pub(super) fn stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Arguments of `crds`.
#[derive(Debug, clap::Args)]
pub(super) struct CrdsArgs {
    /// Write one file for each definition into this folder instead of printing them
    #[arg(short = 'O', long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Prints or writes the definitions.
pub(super) fn crds(args: &CrdsArgs) -> anyhow::Result<Exit> {
    let definitions = crd::definitions()?;
    let Some(folder) = &args.output_dir else {
        output::to_stdout(|out| definitions.iter().try_for_each(|definition| write!(out, "---\n{}", definition.yaml)))?;
        return Ok(Exit::Clean);
    };
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for definition in &definitions {
        let path = folder.join(&definition.file);
        fs::write(&path, &definition.yaml).with_context(|| path.display().to_string())?;
    }
    Ok(Exit::Clean)
}
