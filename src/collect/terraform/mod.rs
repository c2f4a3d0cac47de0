//! Plans of Terraform and OpenTofu as a source: the network as it will be once a plan was applied.
//!
//! `terraform show -json plan.out` prints every resource that Terraform manages with its values before and after. A
//! plan laid beside the documents of `aws ec2 describe-*` changes these: what it makes is added, what it changes is
//! changed, what it deletes is taken away. Alone it shows only what Terraform manages, so its lists are never whole:
//! what is in them is a fact, and what is not may still exist.
//!
//! ```text
//!  plan ──► refs ──► groups, acls, routes, network, gateways ──► AwsScope
//!  (JSON)   (ids of what is still to be made)
//! ```

mod acls;
mod apply;
mod gateways;
mod groups;
mod network;
mod plan;
mod refs;
mod routes;
mod scope;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::apply::Apply;
use self::plan::{Got, Plan};
use super::aws;
use super::lines::Lines;
use crate::model::Problem;
use crate::model::aws::AwsScope;
use crate::model::object::Origin;
use crate::model::snapshot::CloudDocument;

/// A plan that was read.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) origin: Origin,
    plan: Plan,
}

/// A launch template as a plan leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaunchTemplate<'p> {
    pub(crate) address: &'p str,
    /// Empty for one that is still to be made.
    pub(crate) id: &'p str,
    /// In base64; `None`: known only when the plan was applied.
    pub(crate) user_data: Option<&'p str>,
    pub(crate) line: u32,
}

impl Planned {
    /// The launch templates that are there once the plan was applied.
    pub(crate) fn launch_templates(&self) -> impl Iterator<Item = LaunchTemplate<'_>> {
        let is = |r: &&plan::Resource| !r.is_data && r.stays() && r.kind == "aws_launch_template";
        self.plan.resources.iter().filter(is).map(|resource| LaunchTemplate {
            address: &resource.address,
            id: match resource.get("id") {
                Got::Value(id) => id.as_str().unwrap_or_default(),
                Got::Null | Got::Unknown if resource.is_new() => "",
                Got::Null | Got::Unknown => resource.before("id"),
            },
            user_data: match resource.get("user_data") {
                Got::Value(value) => Some(value.as_str().unwrap_or_default()),
                Got::Null => Some(""),
                Got::Unknown => None,
            },
            line: resource.line,
        })
    }
}

/// Whether a document is a plan or a state, by the keys at its top.
pub(crate) fn is_plan(keys: &[String]) -> bool {
    let has = |key: &str| keys.iter().any(|known| known == key);
    has("format_version")
        && (has("resource_changes") || has("planned_values") || (has("values") && has("terraform_version")))
}

/// Reads a plan; `text` is valid JSON.
///
/// # Errors
///
/// Why it cannot be read.
pub(crate) fn read(text: &str, origin: Origin, lines: &Lines<'_>) -> Result<Planned, String> {
    Ok(Planned { origin, plan: Plan::parse(text, lines)? })
}

/// Applies plans, in their order, to what was read of AWS. Gives documents that stand for what cannot be told.
pub(crate) fn apply<'s>(
    plans: &[Arc<Planned>],
    scopes: &mut Vec<AwsScope>,
    problems: &mut Vec<Problem>,
    name_of: impl Fn(u32) -> &'s str,
) -> Vec<CloudDocument> {
    if plans.is_empty() {
        return Vec::new();
    }
    let mut unclear: BTreeSet<CloudDocument> = BTreeSet::new();
    for planned in plans {
        let source = planned.origin.source;
        for (index, resources) in scope::assign(&planned.plan, name_of(source), scopes) {
            let mut apply = Apply::new(&planned.plan, &mut scopes[index], resources, source);
            apply.run();
            let documents = apply.unclear.into_iter();
            unclear.extend(documents.map(|key| CloudDocument { key: key.into(), outbound_type: None, source }));
        }
    }
    scopes.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    for scope in scopes.iter_mut() {
        aws::settle(scope, problems);
    }
    unclear.into_iter().collect()
}

impl Apply<'_> {
    fn run(&mut self) {
        self.remove_gone();
        self.vpcs();
        self.subnets();
        self.prefix_lists();
        self.security_groups();
        self.network_acls();
        self.gateways();
        self.endpoints();
        self.route_tables();
        self.interfaces();
        self.not_modelled();
    }

    /// Takes away what the plan deletes.
    fn remove_gone(&mut self) {
        let gone: Vec<_> =
            self.resources.iter().filter(|r| !r.is_data && (!r.stays() || r.is_new())).copied().collect();
        for resource in gone {
            let id = resource.before("id");
            if id.is_empty() {
                continue;
            }
            let scope = &mut *self.scope;
            match resource.kind.as_str() {
                // The provider leaves what it adopted.
                kind if kind.starts_with("aws_default_") && kind != "aws_default_vpc" => {}
                "aws_vpc" => {
                    scope.vpcs.retain(|o| o.vpc_id != *id);
                    scope.vpc_attributes.retain(|o| o.vpc_id != *id);
                }
                "aws_subnet" => scope.subnets.retain(|o| o.subnet_id != *id),
                "aws_security_group" => {
                    scope.security_groups.retain(|o| o.group_id != *id);
                    scope.security_group_rules.retain(|o| o.group_id != *id);
                }
                "aws_network_acl" => scope.network_acls.retain(|o| o.network_acl_id != *id),
                "aws_route_table" => scope.route_tables.retain(|o| o.route_table_id != *id),
                "aws_internet_gateway" => scope.internet_gateways.retain(|o| o.internet_gateway_id != *id),
                "aws_egress_only_internet_gateway" => {
                    scope.egress_only_internet_gateways.retain(|o| o.egress_only_internet_gateway_id != *id);
                }
                "aws_nat_gateway" => {
                    scope.nat_gateways.retain(|o| o.nat_gateway_id != *id);
                    // What leads to nothing is a black hole.
                    let routes = scope.route_tables.iter_mut().flat_map(|table| &mut table.routes);
                    routes.filter(|r| r.nat_gateway_id == *id).for_each(|route| route.state = "blackhole".into());
                }
                "aws_vpc_endpoint" => scope.vpc_endpoints.retain(|o| o.vpc_endpoint_id != *id),
                "aws_ec2_managed_prefix_list" => {
                    scope.prefix_lists.retain(|o| o.prefix_list_id != *id);
                    scope.prefix_list_entries.retain(|o| o.prefix_list_id != *id);
                }
                "aws_network_interface" => scope.network_interfaces.retain(|o| o.network_interface_id != *id),
                "aws_instance" => {
                    scope.instances.retain(|o| o.instance_id != *id);
                    let is_of = |a: &crate::model::aws::Attachment| a.instance_id == *id;
                    scope.network_interfaces.retain(|o| !o.attachment.as_ref().is_some_and(is_of));
                }
                "aws_vpc_dhcp_options" => scope.dhcp_options.retain(|o| o.dhcp_options_id != *id),
                "aws_vpc_peering_connection" => {
                    scope.vpc_peering_connections.retain(|o| o.vpc_peering_connection_id != *id);
                }
                "aws_ec2_transit_gateway_vpc_attachment" => {
                    scope.transit_gateway_vpc_attachments.retain(|o| o.transit_gateway_attachment_id != *id);
                }
                "aws_vpn_gateway" => scope.vpn_gateways.retain(|o| o.vpn_gateway_id != *id),
                _ => {}
            }
        }
    }

    /// Resources that change what is reached, and of which this version does not know how.
    fn not_modelled(&mut self) {
        const CHANGED: &[&str] = &[
            "aws_vpc_block_public_access_options",
            "aws_vpc_block_public_access_exclusion",
            "aws_vpc_route_server_propagation",
            "aws_vpn_connection_route",
        ];
        const THERE: &[&str] =
            &["aws_route53_resolver_firewall_rule_group_association", "aws_route53_resolver_rule_association"];
        let changed = self.resources.iter().filter(|r| r.changes() && CHANGED.contains(&r.kind.as_str()));
        let there = self.resources.iter().filter(|r| !r.is_data && r.stays() && THERE.contains(&r.kind.as_str()));
        let addresses: Vec<String> = changed.chain(there).map(|r| r.address.clone()).collect();
        self.unclear.extend(addresses);
    }
}
