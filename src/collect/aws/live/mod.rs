//! Reads the network of AWS through its API.
//!
//! What is read becomes the same facts that saved documents give: nothing of the SDK gets past this module. A call
//! that fails makes its list `Forbidden` or `Failed`, and the others are read all the same.

mod client;
mod convert;
mod convert_edge;
mod convert_group;
mod failure;
mod lists;
mod region;
mod target;

use anyhow::bail;

use self::client::Account;
use self::target::Targets;
pub use super::Options;
use super::add;
use crate::model::aws::{AwsList, AwsScope};
use crate::model::object::Node;
use crate::model::{CoverageState, Snapshot};

/// Who hears of a list, and how many objects of it were read.
pub type Progress<'p> = &'p (dyn Fn(&str, usize) + Sync);

/// Reads the networks that the nodes of a snapshot stand in, or those that the options name, and adds them to it.
///
/// # Errors
///
/// Those of [`read`].
pub async fn collect(snapshot: &mut Snapshot, options: &Options, progress: Progress<'_>) -> anyhow::Result<()> {
    for scope in read(&snapshot.nodes, options, progress).await? {
        add(snapshot, scope);
    }
    Ok(())
}

/// Reads the networks that nodes stand in, or those that the options name: one scope for each region, as the service
/// told it, and not yet facts of a snapshot.
///
/// # Errors
///
/// Where nothing says which region to read, there are no credentials, nothing answers, or a VPC that was named is in
/// none of the regions.
pub async fn read(nodes: &[Node], options: &Options, progress: Progress<'_>) -> anyhow::Result<Vec<AwsScope>> {
    let mut targets = Targets::of(nodes, &options.regions);
    let account = Account::open(options, targets.regions().next()).await?;
    if targets.is_empty()
        && let (false, Some(region)) = (options.vpcs.is_empty(), account.region())
    {
        targets.add_region(region);
    }
    if targets.is_empty() {
        bail!(
            "no node says on which EC2 instance it runs (`spec.providerID: aws:///…`): \
             name what to read with --region, and --vpc"
        );
    }
    let mut scopes = Vec::new();
    for (region, nodes) in targets.iter() {
        let client = account.ec2(region);
        scopes.push(region::read(&client, region, nodes, &options.vpcs, progress).await);
    }
    unanswered(&scopes)?;
    missing(&options.vpcs, &scopes)?;
    Ok(scopes)
}

/// Where not one call of one region came back with anything, there is nothing to judge: the endpoint, the credentials
/// or the account are wrong.
fn unanswered(scopes: &[AwsScope]) -> anyhow::Result<()> {
    let mut reasons = Vec::new();
    for scope in scopes {
        for state in scope.read.values() {
            match state {
                CoverageState::Failed(why) => reasons.push((&scope.region, why)),
                _ => return Ok(()),
            }
        }
    }
    let Some((region, why)) = reasons.first() else { return Ok(()) };
    let hint = if why.contains("certificate") { " (--ca-bundle names certificates to trust)" } else { "" };
    bail!("nothing could be read of AWS in {region}: {why}{hint}")
}

/// A VPC that was named has to be somewhere: otherwise its lists would be empty, and that would be taken for a fact.
fn missing(vpcs: &[String], scopes: &[AwsScope]) -> anyhow::Result<()> {
    if !scopes.iter().all(|scope| scope.has(AwsList::Vpcs)) {
        return Ok(());
    }
    for wanted in vpcs {
        if !scopes.iter().any(|scope| scope.vpcs.iter().any(|vpc| *vpc.vpc_id == **wanted)) {
            let regions: Vec<&str> = scopes.iter().map(|scope| &*scope.region).collect();
            bail!("no VPC {wanted} in {}, as these credentials see it", regions.join(", "));
        }
    }
    Ok(())
}
