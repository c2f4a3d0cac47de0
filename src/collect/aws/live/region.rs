//! One region: which VPCs, and then every list of them.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, VpcAttributeName};

use super::super::items;
use super::Progress;
use super::lists::{self, Call, only};
use super::target::Nodes;
use crate::collect::in_order::in_order;
use crate::model::aws::{AwsList, AwsScope};
use crate::model::{CoverageState, Str};

/// How many values a filter may have.
const FILTER_VALUES: usize = 200;

/// Reads a region: the VPCs that were named, else those of its nodes, else all.
pub(super) async fn read(
    client: &Client,
    region: &str,
    nodes: &Nodes,
    vpcs: &[String],
    progress: Progress<'_>,
) -> AwsScope {
    let mut reader = Reader { client, progress, scope: AwsScope { region: region.into(), ..AwsScope::default() } };
    let vpcs = if !vpcs.is_empty() {
        Some(vpcs.to_vec())
    } else if nodes.is_empty() {
        None
    } else {
        match vpcs_of(client, nodes).await {
            Ok(vpcs) if vpcs.is_empty() => {
                let why = format!("none of the cluster's {} in {region} is visible to these credentials", named(nodes));
                reader.take(only(AwsList::Vpcs, CoverageState::Failed(why)));
                return reader.scope;
            }
            Ok(vpcs) => Some(vpcs),
            // More than was wanted is as true.
            Err(CoverageState::Forbidden) => None,
            Err(state) => {
                reader.take(only(AwsList::NetworkInterfaces, state));
                return reader.scope;
            }
        }
    };
    if !reader.vpcs(vpcs.as_deref()).await {
        return reader.scope;
    }
    reader.lists_of(vpcs.as_deref()).await;
    reader.what_they_name().await;
    reader.rules_and_entries().await;
    reader.scope
}

/// The VPCs that nodes stand in, by their interfaces, or by their instances where these may not be read.
async fn vpcs_of(client: &Client, nodes: &Nodes) -> Result<Vec<String>, CoverageState> {
    let instances: Vec<String> = nodes.instances.iter().cloned().collect();
    let addresses: Vec<String> = nodes.addresses.iter().cloned().collect();
    let by_instance = filters("attachment.instance-id", &instances);
    let by_address = filters("addresses.private-ip-address", &addresses);
    let calls = by_instance.chain(by_address).map(|filter| lists::describe_network_interfaces(client, Some(filter)));
    let interfaces = together(in_order(calls).await);
    let mut vpcs: BTreeSet<Str> = interfaces.network_interfaces.iter().map(|i| i.vpc_id.clone()).collect();
    match interfaces.read.get(&AwsList::NetworkInterfaces) {
        Some(CoverageState::Forbidden) => {}
        Some(state @ CoverageState::Failed(_)) => return Err(state.clone()),
        _ => return Ok(plain(&vpcs)),
    }
    let calls = filters("instance-id", &instances).map(|filter| lists::describe_instances(client, Some(filter)));
    let found = together(in_order(calls).await);
    match found.read.get(&AwsList::Instances) {
        Some(CoverageState::Read) => {}
        Some(state) => return Err(state.clone()),
        // Only nodes that are no instances.
        None => return Err(CoverageState::Forbidden),
    }
    vpcs.extend(found.instances.iter().map(|i| i.vpc_id.clone()));
    Ok(plain(&vpcs))
}

fn plain(ids: &BTreeSet<Str>) -> Vec<String> {
    ids.iter().filter(|id| !id.is_empty()).map(ToString::to_string).collect()
}

fn named(nodes: &Nodes) -> String {
    let all: Vec<&str> = nodes.instances.iter().chain(&nodes.addresses).map(String::as_str).collect();
    match all.as_slice() {
        [one] => format!("nodes ({one})"),
        [first, .., last] => format!("nodes ({first} … {last})"),
        [] => "nodes".to_owned(),
    }
}

struct Reader<'r> {
    client: &'r Client,
    progress: Progress<'r>,
    scope: AwsScope,
}

impl<'r> Reader<'r> {
    /// The VPCs themselves, first and alone; `false` if this fails otherwise than for want of permission: nobody
    /// should wait for twenty more calls to an endpoint that does not answer.
    async fn vpcs(&mut self, vpcs: Option<&[String]>) -> bool {
        let calls = match vpcs {
            Some(vpcs) => {
                filters("vpc-id", vpcs).map(|filter| lists::describe_vpcs(self.client, Some(filter))).collect()
            }
            None => vec![lists::describe_vpcs(self.client, None)],
        };
        self.run(calls).await;
        !matches!(self.scope.read.get(&AwsList::Vpcs), Some(CoverageState::Failed(_)))
    }

    /// The lists that a VPC's id, or nothing, asks for.
    async fn lists_of(&mut self, vpcs: Option<&[String]>) {
        let mut calls: Vec<Call<'r>> = Vec::new();
        let mut each = |call: fn(&'r Client, Option<Filter>) -> Call<'r>, key: &str| match vpcs {
            Some(vpcs) => calls.extend(filters(key, vpcs).map(|filter| call(self.client, Some(filter)))),
            None => calls.push(call(self.client, None)),
        };
        each(lists::describe_subnets, "vpc-id");
        each(lists::describe_network_interfaces, "vpc-id");
        each(lists::describe_instances, "vpc-id");
        each(lists::describe_security_groups, "vpc-id");
        each(lists::describe_security_group_vpc_associations, "vpc-id");
        each(lists::describe_network_acls, "vpc-id");
        each(lists::describe_route_tables, "vpc-id");
        each(lists::describe_nat_gateways, "vpc-id");
        each(lists::describe_vpc_endpoints, "vpc-id");
        each(lists::describe_transit_gateway_vpc_attachments, "vpc-id");
        each(lists::describe_vpn_gateways, "attachment.vpc-id");
        each(lists::describe_vpc_peering_connections, "requester-vpc-info.vpc-id");
        if vpcs.is_some() {
            each(lists::describe_vpc_peering_connections, "accepter-vpc-info.vpc-id");
        }
        // Of the whole region: a route may lead to one that is attached to no VPC, and then this is what is wrong.
        calls.push(lists::describe_internet_gateways(self.client, None));
        calls.push(lists::describe_egress_only_internet_gateways(self.client, None));
        calls.push(lists::describe_managed_prefix_lists(self.client, None));
        calls.push(lists::describe_vpc_block_public_access_options(self.client));
        calls.push(lists::describe_vpc_block_public_access_exclusions(self.client));
        self.run(calls).await;
    }

    /// What the lists refer to: attributes and DHCP options of VPCs, security groups of other VPCs.
    async fn what_they_name(&mut self) {
        let mut calls: Vec<Call<'r>> = Vec::new();
        for vpc in &self.scope.vpcs {
            for attribute in [VpcAttributeName::EnableDnsSupport, VpcAttributeName::EnableDnsHostnames] {
                calls.push(lists::describe_vpc_attribute(self.client, &vpc.vpc_id, attribute));
            }
        }
        let options: BTreeSet<&Str> = self.scope.vpcs.iter().map(|vpc| &vpc.dhcp_options_id).collect();
        let options = options.into_iter().filter(|id| !id.is_empty() && !id.eq_ignore_ascii_case("default"));
        calls.extend(self.by_id(AwsList::Vpcs, "dhcp-options-id", options, lists::describe_dhcp_options));

        let known: BTreeSet<&Str> = self.scope.security_groups.iter().map(|group| &group.group_id).collect();
        let of_interfaces = self.scope.network_interfaces.iter().flat_map(|interface| &interface.groups);
        let of_instances = self.scope.instances.iter().flat_map(|instance| {
            instance.security_groups.iter().chain(instance.network_interfaces.iter().flat_map(|i| &i.groups))
        });
        let of_endpoints = self.scope.vpc_endpoints.iter().flat_map(|endpoint| &endpoint.groups);
        let shared = of_interfaces.chain(of_instances).chain(of_endpoints).map(|group| &group.group_id);
        let shared: BTreeSet<&Str> = shared.filter(|id| !id.is_empty() && !known.contains(id)).collect();
        if self.scope.has(AwsList::SecurityGroups) {
            let ids: Vec<String> = shared.iter().map(ToString::to_string).collect();
            let calls_of = filters("group-id", &ids);
            calls.extend(calls_of.map(|filter| lists::describe_security_groups(self.client, Some(filter))));
        }
        // Nothing that is named is a list that was read.
        for (list, by) in [(AwsList::VpcAttributes, AwsList::Vpcs), (AwsList::DhcpOptions, AwsList::Vpcs)] {
            self.nothing_named(list, by);
        }
        self.run(calls).await;
    }

    /// Rules of all groups, and entries of the prefix lists that routes and rules name.
    async fn rules_and_entries(&mut self) {
        let groups: BTreeSet<&Str> = self.scope.security_groups.iter().map(|group| &group.group_id).collect();
        let calls =
            self.by_id(AwsList::SecurityGroups, "group-id", groups.into_iter(), lists::describe_security_group_rules);
        self.nothing_named(AwsList::SecurityGroupRules, AwsList::SecurityGroups);
        self.run(calls).await;

        let scope = &self.scope;
        let routes = scope.route_tables.iter().flat_map(|table| &table.routes);
        let permissions = scope.security_groups.iter().flat_map(|group| {
            group.ip_permissions.iter().chain(&group.ip_permissions_egress).flatten().flat_map(|p| &p.prefix_list_ids)
        });
        let named: BTreeSet<&Str> = routes
            .map(|route| &route.destination_prefix_list_id)
            .chain(permissions.map(|list| &list.prefix_list_id))
            .chain(scope.security_group_rules.iter().map(|rule| &rule.prefix_list_id))
            .filter(|id| !id.is_empty())
            .collect();
        let calls: Vec<_> =
            named.into_iter().map(|id| lists::get_managed_prefix_list_entries(self.client, id)).collect();
        if scope.has(AwsList::RouteTables) {
            self.nothing_named(AwsList::PrefixListEntries, AwsList::SecurityGroups);
        }
        self.run(calls).await;
    }

    /// Calls for what a list names by id; where it could not be read, for everything.
    fn by_id<'i>(
        &self,
        list: AwsList,
        key: &str,
        ids: impl Iterator<Item = &'i Str>,
        call: fn(&'r Client, Option<Filter>) -> Call<'r>,
    ) -> Vec<Call<'r>> {
        if !self.scope.has(list) {
            return vec![call(self.client, None)];
        }
        let ids: Vec<String> = ids.map(ToString::to_string).collect();
        filters(key, &ids).map(|filter| call(self.client, Some(filter))).collect()
    }

    /// A list of what another one names begins as read where that one was: no call is needed for nothing.
    fn nothing_named(&mut self, list: AwsList, by: AwsList) {
        if self.scope.has(by) {
            self.take(only(list, CoverageState::Read));
        }
    }

    async fn run(&mut self, calls: Vec<Call<'r>>) {
        let progress = self.progress;
        let region = self.scope.region.clone();
        // Collected: with the closure inside, the compiler does not see that the future may change its thread.
        let heard: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let region = &region;
                async move {
                    let part = call.await;
                    for list in part.read.keys() {
                        progress(&format!("{} of {region}", list.key()), size(&part));
                    }
                    part
                }
            })
            .collect();
        for part in in_order(heard).await {
            self.take(part);
        }
    }

    fn take(&mut self, part: AwsScope) {
        add(&mut self.scope, part);
    }
}

/// Puts parts together: a list is read if all its parts are.
fn together(parts: Vec<AwsScope>) -> AwsScope {
    let mut scope = AwsScope::default();
    for part in parts {
        add(&mut scope, part);
    }
    scope
}

fn add(scope: &mut AwsScope, mut part: AwsScope) {
    for (list, state) in std::mem::take(&mut part.read) {
        let known = scope.read.entry(list).or_insert(CoverageState::Read);
        if *known == CoverageState::Read {
            *known = state;
        }
    }
    if scope.account.is_empty() {
        scope.account = std::mem::take(&mut part.account);
    }
    items::append(scope, part);
}

/// How many objects a part holds.
fn size(part: &AwsScope) -> usize {
    struct Size(usize);
    impl items::Visit for Size {
        fn list<T: items::Item>(&mut self, _: AwsList, items: &[T]) {
            self.0 += items.len();
        }
    }
    let mut size = Size(0);
    items::each(part, &mut size);
    size.0
}

/// Filters for these values, as many as it takes.
fn filters<'f>(key: &'f str, values: &'f [String]) -> impl Iterator<Item = Filter> + 'f {
    values
        .chunks(FILTER_VALUES)
        .map(move |values| Filter::builder().name(key).set_values(Some(values.to_vec())).build())
}
