//! `--aws`: the network of AWS besides the facts of the cluster; and `buildreach aws-policy`.

use std::path::PathBuf;

use super::Exit;
use super::output;
use crate::collect::aws::Options;
use crate::collect::aws::policy::policy;
use crate::model::Snapshot;

/// What to read of AWS, and as whom.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct AwsArgs {
    /// Read the VPCs that the nodes stand in through the EC2 API too, or those named here
    #[arg(long)]
    pub(super) aws: bool,
    /// Region to read, instead of those of the nodes; whole if no node is there; repeatable
    #[arg(long, value_name = "REGION", requires = "aws")]
    region: Vec<String>,
    /// VPC to read, instead of those of the nodes; repeatable
    #[arg(long, value_name = "VPC", requires = "aws")]
    vpc: Vec<String>,
    /// Profile of the AWS configuration, instead of $AWS_PROFILE
    #[arg(long, value_name = "NAME", requires = "aws")]
    aws_profile: Option<String>,
    /// Certificates (PEM) to trust besides those of the system, instead of $AWS_CA_BUNDLE
    #[arg(long, value_name = "FILE", env = "AWS_CA_BUNDLE", hide_env = true)]
    ca_bundle: Option<PathBuf>,
}

impl AwsArgs {
    /// Whether they say what to read where there is no cluster.
    pub(super) fn name_a_place(&self) -> bool {
        self.aws && !(self.region.is_empty() && self.vpc.is_empty())
    }

    /// Fails where this build cannot do what they ask for.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.aws && !cfg!(feature = "aws") {
            anyhow::bail!(
                "this build has no AWS client: cargo install buildreach --features aws, \
                 or save the output of aws ec2 describe-* and give the folder (docs/aws.md)"
            );
        }
        Ok(())
    }

    /// What to read.
    pub(super) fn options(&self) -> Options {
        Options {
            regions: self.region.clone(),
            vpcs: self.vpc.clone(),
            profile: self.aws_profile.clone(),
            ca_bundle: self.ca_bundle.clone(),
        }
    }

    /// Adds what they ask for to a snapshot.
    #[cfg(feature = "aws")]
    pub(super) fn add_to(&self, snapshot: &mut Snapshot, quiet: bool) -> anyhow::Result<()> {
        use super::source::{Progress, runtime};
        use crate::collect::aws::live;
        if !self.aws {
            return Ok(());
        }
        let progress = Progress::new(quiet);
        let show = |list: &str, count: usize| progress.show(list, count);
        runtime()?.block_on(live::collect(snapshot, &self.options(), &show))?;
        progress.clear();
        Ok(())
    }

    /// Adds nothing: [`Self::check`] has said so.
    #[cfg(not(feature = "aws"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)]
    pub(super) fn add_to(&self, _: &mut Snapshot, _: bool) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Prints the least policy of IAM that `--aws` needs.
pub(super) fn print_policy() -> anyhow::Result<Exit> {
    output::to_stdout(|out| writeln!(out, "{:#}", policy()))?;
    Ok(Exit::Clean)
}
