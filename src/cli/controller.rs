//! `buildreach controller`: keeps the status of audit resources true.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::audit::EngineArgs;
use super::aws::AwsArgs;
use super::source::{self, LiveArgs};
use super::{Exit, agent};
use crate::collect::kube;
use crate::controller::{self, AwsOptions, LeaseOptions, Options, Reports, Setup};
use crate::demand::{Catalogue, Ranges};

/// Arguments of `controller`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Serve /livez, /readyz and /metrics here
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics_address: Option<SocketAddr>,
    /// Watch only this namespace, with the permissions of that; repeatable
    #[arg(long, value_name = "NS", value_delimiter = ',')]
    watch_namespace: Vec<String>,
    /// Create the ClusterBuildAudit `default` if there is none
    #[arg(long)]
    default_audit: bool,
    /// Gather changes for this time before they are evaluated together
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = source::duration)]
    debounce: Duration,
    /// Write a status that does not change again after this time
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = source::duration)]
    heartbeat: Duration,
    /// Write full results, a report for each subject: auto (OpenReports, else PolicyReports, as the cluster has them),
    /// openreports, policyreport or none
    #[arg(long, value_name = "API", default_value_t = Reports::Auto)]
    reports: Reports,
    /// Annotate workloads that do not reach what they need; needs the right to patch workloads
    #[arg(long)]
    annotate: bool,
    #[command(flatten)]
    lease: LeaseArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    live: LiveArgs,
    #[command(flatten)]
    aws: AwsArgs,
    /// Read AWS again after this time. What cannot be read counts as it was for three times as long, then it is unknown
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5m",
        value_parser = source::duration,
        requires = "aws",
        help_heading = "AWS"
    )]
    aws_interval: Duration,
}

/// Which of several processes writes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Leader election")]
struct LeaseArgs {
    /// Write only while holding a Lease, and end when it is lost
    #[arg(long)]
    leader_elect: bool,
    /// Namespace of the Lease
    #[arg(long, value_name = "NS", env = "POD_NAMESPACE", default_value = "default")]
    lease_namespace: String,
    /// Name of the Lease
    #[arg(long, value_name = "NAME", default_value = "buildreach-controller")]
    lease_name: String,
    /// How long a leader that says nothing is one
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = source::duration)]
    lease_duration: Duration,
    /// Who this process is
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,
}

/// Runs the controller.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    args.aws.check()?;
    let options = Options {
        namespaces: args.watch_namespace.clone(),
        metrics: args.metrics_address,
        lease: args.lease.leader_elect.then(|| LeaseOptions {
            namespace: args.lease.lease_namespace.clone(),
            name: args.lease.lease_name.clone(),
            // A pod's name is that of one process; elsewhere the number of the process tells two apart.
            identity: args.lease.identity.clone().unwrap_or_else(|| format!("pid-{}", std::process::id())),
            duration: args.lease.lease_duration.max(Duration::from_secs(2)),
        }),
        debounce: args.debounce,
        heartbeat: args.heartbeat.max(Duration::from_secs(1)),
        default_audit: args.default_audit,
        reports: args.reports,
        annotate: args.annotate,
        aws: args
            .aws
            .aws
            .then(|| AwsOptions { what: args.aws.options(), interval: args.aws_interval.max(Duration::from_secs(1)) }),
        setup: Setup { catalogue: Catalogue::builtin(), ranges: Ranges::builtin(), profile: args.engine.profile()? },
    };
    let live = kube::LiveOptions {
        page_size: 100,
        // The pauses between tries are ours.
        retries: false,
        request_timeout: Some(Duration::from_secs(30)),
        ..source::cluster_options(&args.live)
    };
    source::runtime_of(1)?.block_on(async {
        let stop = agent::stop().context("cannot listen to signals")?;
        Box::pin(controller::run(options, &live, stop)).await
    })?;
    Ok(Exit::Clean)
}
