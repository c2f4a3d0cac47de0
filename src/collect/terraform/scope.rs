//! Which account and region the resources of a plan are in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::plan::{Got, Plan, Resource};
use super::refs::Refs;
use crate::model::aws::AwsScope;

/// The resources of a plan by the index of their scope; scopes that are not there are made.
pub(super) fn assign<'p>(plan: &'p Plan, file: &str, scopes: &mut Vec<AwsScope>) -> BTreeMap<usize, Vec<&'p Resource>> {
    let (folder_account, folder_region) = super::super::aws::place(file);
    let refs = Refs { plan };
    // The account of resources that do not tell theirs: all of a plan are in one, as far as they tell it.
    let accounts: Vec<&str> = plan.resources.iter().filter_map(account_of).collect();
    let only = accounts.first().copied().filter(|first| accounts.iter().all(|account| account == first));
    let mut assigned: BTreeMap<usize, Vec<&Resource>> = BTreeMap::new();
    for resource in &plan.resources {
        let account = account_of(resource).or(only).filter(|_| folder_account.is_empty()).unwrap_or(folder_account);
        let region = region_of(resource).or_else(|| refs.region(resource));
        let region = region.filter(|_| folder_region.is_empty()).unwrap_or(folder_region);
        assigned.entry(scope_of(account, region, resource, scopes)).or_default().push(resource);
    }
    assigned
}

/// The scope of a resource: the one that holds it, else the only one that may be meant, else a new one.
fn scope_of(account: &str, region: &str, resource: &Resource, scopes: &mut Vec<AwsScope>) -> usize {
    let fits = |known: &str, told: &str| known.is_empty() || told.is_empty() || known == told;
    let may_be = |scope: &AwsScope| fits(&scope.account, account) && fits(&scope.region, region);
    let id = resource.before.get("id").or_else(|| resource.after.get("id")).and_then(Value::as_str);
    let holds = |scope: &AwsScope| id.is_some_and(|id| scope.vpcs.iter().any(|vpc| vpc.vpc_id == *id));
    let candidates: Vec<usize> = (0..scopes.len()).filter(|i| may_be(&scopes[*i])).collect();
    let exact = |i: &&usize| scopes[**i].account == *account && scopes[**i].region == *region;
    let found = candidates
        .iter()
        .find(|i| holds(&scopes[**i]))
        .or_else(|| candidates.iter().find(exact))
        .or_else(|| candidates.first().filter(|_| candidates.len() == 1));
    if let Some(index) = found {
        return *index;
    }
    scopes.push(AwsScope { account: account.into(), region: region.into(), ..AwsScope::default() });
    scopes.len() - 1
}

fn known<'r>(resource: &'r Resource, attribute: &str) -> Option<&'r str> {
    let after = match resource.get(attribute) {
        Got::Value(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    after.or_else(|| resource.before.get(attribute)?.as_str()).filter(|text| !text.is_empty())
}

/// A part of `arn:aws:ec2:<region>:<account>:…`.
fn of_arn(resource: &Resource, part: usize) -> Option<&str> {
    let arn = known(resource, "arn").filter(|arn| arn.split(':').nth(2) == Some("ec2"))?;
    arn.split(':').nth(part).filter(|text| !text.is_empty())
}

fn region_of(resource: &Resource) -> Option<&str> {
    // Since version 6 of the provider, every resource tells its region.
    known(resource, "region").filter(|_| resource.kind != "aws_region").or_else(|| of_arn(resource, 3))
}

fn account_of(resource: &Resource) -> Option<&str> {
    match resource.kind.as_str() {
        "aws_caller_identity" => known(resource, "account_id"),
        // Prefix lists of AWS have owners of their own.
        _ if resource.is_data => None,
        _ => known(resource, "owner_id").or_else(|| of_arn(resource, 4)),
    }
}
