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

use std::path::PathBuf;

use anyhow::bail;

use self::client::Account;
use self::target::Targets;
use super::items::{self, Item, VisitMut};
use super::scope;
use crate::model::aws::{AwsList, AwsScope};
use crate::model::object::Origin;
use crate::model::{CoverageState, Snapshot, Str};

/// What to read, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Regions; empty: those of the cluster's nodes.
    pub regions: Vec<String>,
    /// VPCs; empty: those of the cluster's nodes, and all of a region that was named and has no node.
    pub vpcs: Vec<String>,
    /// Profile of the shared configuration; else the one of the environment.
    pub profile: Option<String>,
    /// PEM file with certificates that are trusted besides those of the system.
    pub ca_bundle: Option<PathBuf>,
}

/// Reads the networks that the nodes of a snapshot stand in, or those that the options name, and adds them to it.
/// `progress` hears a list and how many objects of it were read.
///
/// # Errors
///
/// Where nothing says which region to read, there are no credentials, nothing answers, or a VPC that was named is in
/// none of the regions.
pub async fn collect(snapshot: &mut Snapshot, options: &Options, progress: &dyn Fn(&str, usize)) -> anyhow::Result<()> {
    let mut targets = Targets::of(&snapshot.nodes, &options.regions);
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
    for scope in scopes {
        add(snapshot, scope);
    }
    Ok(())
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

/// Puts a scope into a snapshot, in place of one that files gave for the same account and region.
fn add(snapshot: &mut Snapshot, mut scope: AwsScope) {
    let name = Str::from(format!("aws {}", scope.name()));
    let source = snapshot.sources.iter().position(|known| *known == name).unwrap_or_else(|| {
        snapshot.sources.push(name.clone());
        snapshot.sources.len() - 1
    });
    let source = u32::try_from(source).unwrap_or(u32::MAX);
    items::each_mut(&mut scope, &mut ReadFrom(source));
    scope::settle(&mut scope, &mut snapshot.problems);

    snapshot.coverage.retain(|line| line.source != name);
    snapshot.coverage.extend(scope::coverage(&scope));
    snapshot.coverage.sort();
    snapshot.aws.retain(|known| (&known.account, &known.region) != (&scope.account, &scope.region));
    snapshot.aws.push(scope);
    snapshot.aws.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
}

/// Tells every object where it was read: an API has no lines.
struct ReadFrom(u32);

impl VisitMut for ReadFrom {
    fn list<T: Item>(&mut self, _: AwsList, items: &mut Vec<T>) {
        for item in items {
            *item.origin() = Origin { source: self.0, line: 0 };
        }
    }
}
