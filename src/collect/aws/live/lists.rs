//! The calls: each gives a part of a scope, which holds its one list and how that was read.

use std::pin::Pin;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, VpcAttributeName};

use super::{convert, convert_edge, convert_group, failure};
use crate::model::CoverageState;
use crate::model::aws::{AwsList, AwsScope, PrefixListEntries};

/// A call that was not sent yet.
pub(super) type Call<'c> = Pin<Box<dyn Future<Output = AwsScope> + Send + 'c>>;

/// Objects in one page; of some lists a page cannot hold that many.
const PAGE: i32 = 500;
const SMALL_PAGE: i32 = 100;

/// A part with nothing in it but the state of a list.
pub(super) fn only(list: AwsList, state: CoverageState) -> AwsScope {
    let mut part = AwsScope::default();
    part.read.insert(list, state);
    part
}

/// Follows the pages of a call; what came before one that failed is kept, and the list is not whole.
macro_rules! pages {
    ($list:ident, $field:ident, $convert:path, $items:expr) => {{
        let mut part = only(AwsList::$list, CoverageState::Read);
        let mut items = $items;
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => part.$field.push($convert(&item)),
                Err(error) => {
                    part.read.insert(AwsList::$list, failure::state(&error));
                    break;
                }
            }
        }
        part
    }};
}

/// Calls that differ in names only.
macro_rules! calls {
    ($($name:ident $list:ident $field:ident $convert:path, $filter:ident $page:ident;)+) => {
        $(pub(super) fn $name(client: &Client, filter: Option<Filter>) -> Call<'_> {
            Box::pin(async move {
                let call = client.$name().$filter(filter.map(|filter| vec![filter]));
                pages!($list, $field, $convert, call.into_paginator().page_size($page).items().send())
            })
        })+
    };
}

calls! {
    describe_vpcs Vpcs vpcs convert::vpc, set_filters PAGE;
    describe_subnets Subnets subnets convert::subnet, set_filters PAGE;
    describe_network_interfaces NetworkInterfaces network_interfaces convert::network_interface, set_filters PAGE;
    describe_security_groups SecurityGroups security_groups convert_group::security_group, set_filters PAGE;
    describe_security_group_rules SecurityGroupRules security_group_rules convert_group::security_group_rule,
        set_filters PAGE;
    describe_security_group_vpc_associations SecurityGroupVpcAssociations security_group_vpc_associations
        convert_group::vpc_association, set_filters PAGE;
    describe_network_acls NetworkAcls network_acls convert_group::network_acl, set_filters PAGE;
    describe_route_tables RouteTables route_tables convert_edge::route_table, set_filters SMALL_PAGE;
    describe_internet_gateways InternetGateways internet_gateways convert_edge::internet_gateway, set_filters PAGE;
    describe_egress_only_internet_gateways EgressOnlyInternetGateways egress_only_internet_gateways
        convert_edge::egress_only_internet_gateway, set_filters SMALL_PAGE;
    describe_nat_gateways NatGateways nat_gateways convert_edge::nat_gateway, set_filter PAGE;
    describe_vpc_endpoints VpcEndpoints vpc_endpoints convert_edge::vpc_endpoint, set_filters PAGE;
    describe_managed_prefix_lists PrefixLists prefix_lists convert_group::prefix_list, set_filters SMALL_PAGE;
    describe_dhcp_options DhcpOptions dhcp_options convert::dhcp_options, set_filters PAGE;
    describe_vpc_peering_connections VpcPeeringConnections vpc_peering_connections convert_edge::peering_connection,
        set_filters PAGE;
    describe_transit_gateway_vpc_attachments TransitGatewayVpcAttachments transit_gateway_vpc_attachments
        convert_edge::transit_attachment, set_filters PAGE;
}

/// Instances come in reservations, and these tell whose they are.
pub(super) fn describe_instances(client: &Client, filter: Option<Filter>) -> Call<'_> {
    Box::pin(async move {
        let mut part = only(AwsList::Instances, CoverageState::Read);
        let call = client.describe_instances().set_filters(filter.map(|filter| vec![filter]));
        let mut reservations = call.into_paginator().page_size(PAGE).items().send();
        while let Some(reservation) = reservations.next().await {
            match reservation {
                Ok(reservation) => {
                    part.account = convert::text(reservation.owner_id());
                    part.instances.extend(reservation.instances().iter().map(convert::instance));
                }
                Err(error) => {
                    part.read.insert(AwsList::Instances, failure::state(&error));
                    break;
                }
            }
        }
        part
    })
}

/// One attribute of one VPC.
pub(super) fn describe_vpc_attribute<'c>(client: &'c Client, vpc: &str, attribute: VpcAttributeName) -> Call<'c> {
    let vpc = vpc.to_owned();
    Box::pin(async move {
        match client.describe_vpc_attribute().vpc_id(&vpc).attribute(attribute.clone()).send().await {
            Ok(found) => {
                let value = match attribute {
                    VpcAttributeName::EnableDnsSupport => found.enable_dns_support(),
                    _ => found.enable_dns_hostnames(),
                };
                let mut part = only(AwsList::VpcAttributes, CoverageState::Read);
                part.vpc_attributes.push(convert::vpc_attribute(&vpc, &attribute, value));
                part
            }
            Err(error) => only(AwsList::VpcAttributes, of_one(&vpc, failure::state(&error))),
        }
    })
}

/// The entries of one prefix list: all, or none, because half a list would be taken for a whole one.
pub(super) fn get_managed_prefix_list_entries<'c>(client: &'c Client, list: &str) -> Call<'c> {
    let id = list.to_owned();
    Box::pin(async move {
        let call = client.get_managed_prefix_list_entries().prefix_list_id(&id);
        let mut items = call.into_paginator().page_size(SMALL_PAGE).items().send();
        let mut entries = Vec::new();
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => entries.push(convert_group::prefix_list_entry(&item)),
                Err(error) => return only(AwsList::PrefixListEntries, of_one(&id, failure::state(&error))),
            }
        }
        let mut part = only(AwsList::PrefixListEntries, CoverageState::Read);
        let prefix_list_id = id.as_str().into();
        part.prefix_list_entries.push(PrefixListEntries { prefix_list_id, entries, ..PrefixListEntries::default() });
        part
    })
}

/// Says of which object it is that a call failed.
fn of_one(id: &str, state: CoverageState) -> CoverageState {
    match state {
        CoverageState::Failed(why) => CoverageState::Failed(format!("{id}: {why}")),
        state => state,
    }
}

/// Virtual private gateways, which come in one page.
pub(super) fn describe_vpn_gateways(client: &Client, filter: Option<Filter>) -> Call<'_> {
    Box::pin(async move {
        match client.describe_vpn_gateways().set_filters(filter.map(|filter| vec![filter])).send().await {
            Ok(found) => {
                let mut part = only(AwsList::VpnGateways, CoverageState::Read);
                part.vpn_gateways = found.vpn_gateways().iter().map(convert_edge::vpn_gateway).collect();
                part
            }
            Err(error) => only(AwsList::VpnGateways, failure::state(&error)),
        }
    })
}

/// The one setting of the region.
pub(super) fn describe_vpc_block_public_access_options(client: &Client) -> Call<'_> {
    Box::pin(async move {
        match client.describe_vpc_block_public_access_options().send().await {
            Ok(found) => {
                let mut part = only(AwsList::BlockPublicAccessOptions, CoverageState::Read);
                let options = found.vpc_block_public_access_options();
                part.block_public_access_options =
                    options.map(convert_edge::public_access_options).into_iter().collect();
                part
            }
            Err(error) => only(AwsList::BlockPublicAccessOptions, failure::state(&error)),
        }
    })
}

/// Exclusions from it: the SDK has no paginator for them.
pub(super) fn describe_vpc_block_public_access_exclusions(client: &Client) -> Call<'_> {
    Box::pin(async move {
        let mut part = only(AwsList::BlockPublicAccessExclusions, CoverageState::Read);
        let mut next = None;
        loop {
            let call = client.describe_vpc_block_public_access_exclusions().max_results(PAGE).set_next_token(next);
            match call.send().await {
                Ok(found) => {
                    let exclusions = found.vpc_block_public_access_exclusions();
                    part.block_public_access_exclusions
                        .extend(exclusions.iter().map(convert_edge::public_access_exclusion));
                    next = found.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
                    if next.is_none() {
                        return part;
                    }
                }
                Err(error) => {
                    part.read.insert(AwsList::BlockPublicAccessExclusions, failure::state(&error));
                    return part;
                }
            }
        }
    })
}
