//! From what an API told to the facts of a snapshot.

use super::items::{self, Item, VisitMut};
use super::scope;
use crate::model::aws::{AwsList, AwsScope, Vpc};
use crate::model::object::Origin;
use crate::model::{CoverageState, Snapshot, Str};

/// Puts a scope into a snapshot, in place of one that files gave for the same account and region.
pub(crate) fn add(snapshot: &mut Snapshot, mut scope: AwsScope) {
    hide(&mut scope);
    if scope.account.is_empty() {
        scope.account = scope.vpcs.iter().map(|vpc| vpc.owner_id.clone()).find(|id| !id.is_empty()).unwrap_or_default();
    }
    let name = match scope.name() {
        name if name == "aws" => Str::from("aws"),
        name => Str::from(format!("aws {name}")),
    };
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

/// Lists of which an account sees a part only, in a VPC whose subnets another one shares with it: what belongs to the
/// owner or to other participants is not shown (VPC user guide, "Share your VPC subnets with other accounts").
const HIDDEN: &[AwsList] = &[
    AwsList::Subnets,
    AwsList::NetworkInterfaces,
    AwsList::SecurityGroups,
    AwsList::NetworkAcls,
    AwsList::RouteTables,
    AwsList::InternetGateways,
    AwsList::EgressOnlyInternetGateways,
    AwsList::NatGateways,
    AwsList::VpcEndpoints,
    AwsList::VpcPeeringConnections,
    AwsList::TransitGatewayVpcAttachments,
    AwsList::VpnGateways,
];

/// In a shared VPC nothing follows from what is not listed. Whose the credentials are is known by the instances: nobody
/// sees those of another account.
fn hide(scope: &mut AwsScope) {
    let is_foreign = |vpc: &&Vpc| !vpc.owner_id.is_empty() && vpc.owner_id != scope.account;
    let Some(vpc) = scope.vpcs.iter().find(is_foreign).filter(|_| !scope.account.is_empty()) else { return };
    let why = format!(
        "{} belongs to account {}, and account {} sees only its own part of it: read it as its owner, too",
        vpc.vpc_id, vpc.owner_id, scope.account
    );
    for list in HIDDEN {
        if let Some(state @ CoverageState::Read) = scope.read.get_mut(list) {
            *state = CoverageState::Failed(why.clone());
        }
    }
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
