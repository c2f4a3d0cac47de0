//! Where facts come from: the demo, files, standard input or a live cluster.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::aws::AwsArgs;
use super::output;
use crate::collect::{files, kube};
use crate::model::{Snapshot, Str};

/// Sources, and how to reach a cluster. kubectl's flags mean what they mean in kubectl.
#[derive(Debug, Default, clap::Args)]
pub(super) struct SourceArgs {
    /// Read the built-in example
    #[arg(long)]
    pub(super) demo: bool,
    /// Namespace: narrows the subjects, never the facts; repeatable. Objects of files that name none go there, if it is
    /// one alone
    #[arg(short, long, value_name = "NS")]
    pub(super) namespace: Vec<String>,
    /// All namespaces (the default)
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(super) all_namespaces: bool,
    /// Take the facts as read at this instant (RFC 3339) instead of now
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<jiff::Timestamp>,
    /// Render kustomizations with `kubectl kustomize` or `kustomize` from the path
    #[arg(long)]
    pub(super) kustomize: bool,
    #[command(flatten)]
    pub(super) live: LiveArgs,
    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

/// How to reach the cluster.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct LiveArgs {
    /// Kubeconfig file instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    as_user: Option<String>,
    /// Group to impersonate
    #[arg(long = "as-group", value_name = "GROUP")]
    as_group: Vec<String>,
    /// Address of the API server
    #[arg(short, long, value_name = "URL")]
    server: Option<String>,
    /// Do not verify the API server's certificate
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// How long one request may take: `30s`, `2m`, 0 for ever
    #[arg(long, value_name = "TIME", value_parser = duration)]
    request_timeout: Option<Duration>,
}

/// Reads the facts. Of a live cluster also the ConfigMaps that are named here, by namespace and name.
pub(super) fn collect(
    sources: &[String],
    args: &SourceArgs,
    quiet: bool,
    config_maps: &[(Str, Str)],
) -> anyhow::Result<Snapshot> {
    args.aws.check()?;
    let instant = args.at.unwrap_or_else(jiff::Timestamp::now);
    if args.demo {
        if !sources.is_empty() {
            bail!("--demo reads the built-in example and takes no source");
        }
        if args.aws.aws {
            bail!("--demo reads the built-in example, which stands in no VPC of yours: leave --aws out");
        }
        return Ok(crate::demo::snapshot(instant));
    }
    // Of several none is the one that is meant.
    let default_namespace = match args.namespace.as_slice() {
        [namespace] => Some(namespace.clone()),
        _ => None,
    };
    let options = files::Options { instant, default_namespace, kustomize: args.kustomize };
    let mut snapshot = if !sources.is_empty() {
        files::collect(sources, &options)?
    } else if args.aws.name_a_place() && !kube::is_configured(&live_options(args)) {
        if !quiet {
            output::hint("no cluster is configured: only the network of AWS is read");
        }
        files::from_texts(&[], &options)
    } else {
        from_cluster(args, quiet, config_maps)?
    };
    args.aws.add_to(&mut snapshot, quiet)?;
    if let Some(at) = args.at {
        snapshot.instant = at;
    }
    Ok(snapshot)
}

/// The options of the live collector.
pub(super) fn live_options(args: &SourceArgs) -> kube::LiveOptions {
    kube::LiveOptions { namespaces: args.namespace.clone(), ..cluster_options(&args.live) }
}

/// The options for reaching a cluster.
pub(super) fn cluster_options(args: &LiveArgs) -> kube::LiveOptions {
    let LiveArgs {
        kubeconfig,
        context,
        cluster,
        user,
        as_user,
        as_group,
        server,
        insecure_skip_tls_verify,
        request_timeout,
    } = args;
    kube::LiveOptions {
        kubeconfig: kubeconfig.clone(),
        context: context.clone(),
        cluster: cluster.clone(),
        user: user.clone(),
        as_user: as_user.clone(),
        as_groups: as_group.clone(),
        server: server.clone(),
        insecure_skip_tls_verify: *insecure_skip_tls_verify,
        request_timeout: *request_timeout,
        ..kube::LiveOptions::default()
    }
}

fn from_cluster(args: &SourceArgs, quiet: bool, config_maps: &[(Str, Str)]) -> anyhow::Result<Snapshot> {
    let options = kube::LiveOptions { config_maps: config_maps.to_vec(), ..live_options(args) };
    let progress = Progress::new(quiet);
    let snapshot =
        runtime()?.block_on(kube::collect(&options, &|kind: &str, count: usize| progress.show(kind, count)))?;
    progress.clear();
    Ok(snapshot)
}

/// The runtime for everything that waits on the network.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    runtime_of(2)
}

/// The same, with so many threads beside the one that waits for the end: each keeps memory of its own for what comes next.
pub(super) fn runtime_of(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the network runtime")
}

/// A line on stderr while something takes long.
pub(super) struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = indicatif::ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(Some(bar))
    }

    pub(super) fn show(&self, kind: &str, count: usize) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("reading {kind}: {count}"));
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// `30s`, `5m`, `1h`, `0`, or seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no duration: 30s, 2m, 1h or 0"))?;
    match unit {
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        "h" => Ok(Duration::from_secs(number * 3600)),
        "ms" => Ok(Duration::from_millis(number)),
        _ => Err(format!("`{text}` is no duration: 30s, 2m, 1h or 0")),
    }
}

/// Warns about what a reader of the result should know, on stderr.
pub(super) fn hints(snapshot: &Snapshot, quiet: bool) {
    if !quiet && snapshot.helm_templates > 0 {
        output::hint("render Helm templates first: helm template … | buildreach audit -");
    }
}
