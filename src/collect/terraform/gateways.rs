//! What routes of a plan lead to: gateways, endpoints, peerings; and prefix lists.

use serde_json::Value;

use super::apply::{
    Apply, ENDPOINT, GROUP, INTERFACE, Link, PREFIX_LIST, SUBNET, TABLE, VPC, entry, groups, tell, text, truth,
};
use super::plan::{Got, Resource, got};
use super::refs::made_part;
use crate::model::Str;
use crate::model::aws::{
    AwsList, DnsEntry, InternetGateway, NatGateway, NatGatewayAddress, PeeringStatus, PeeringVpc, PrefixList,
    PrefixListEntries, PrefixListEntry, TransitGatewayVpcAttachment, VpcAttachment, VpcEndpoint, VpcPeeringConnection,
    VpnGateway,
};

const INTERNET: &[&str] = &["aws_internet_gateway"];
const INTERNET_ATTACHMENT: &[&str] = &["aws_internet_gateway_attachment"];
const NAT: &[&str] = &["aws_nat_gateway"];
const PEERING: &[&str] = &["aws_vpc_peering_connection"];
const VPN: &[&str] = &["aws_vpn_gateway"];
const EIP: &[&str] = &["aws_eip"];

impl Apply<'_> {
    pub(super) fn gateways(&mut self) {
        self.internet_gateways();
        self.nat_gateways();
        self.peerings();
        self.transit_gateways();
        self.vpn_gateways();
    }

    fn internet_gateways(&mut self) {
        for resource in self.of(INTERNET) {
            let id = self.refs.id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let origin = self.origin(resource);
            let make = |internet_gateway_id| InternetGateway { internet_gateway_id, ..InternetGateway::default() };
            let (gateway, is_made) = entry(&mut self.scope.internet_gateways, &id, make);
            if is_made || resource.changes() {
                gateway.origin = origin;
                gateway.attachments = attached(vpc);
            }
        }
        for resource in self.gone(INTERNET_ATTACHMENT) {
            let id = resource.before("internet_gateway_id");
            let found = self.scope.internet_gateways.iter_mut().find(|known| known.internet_gateway_id == *id);
            if let Some(gateway) = found {
                gateway.attachments.retain(|a| a.vpc_id != *resource.before("vpc_id"));
            }
        }
        for resource in self.of(INTERNET_ATTACHMENT) {
            let id = self.id(resource, "internet_gateway_id", INTERNET, AwsList::InternetGateways);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let found = self.scope.internet_gateways.iter_mut().find(|known| known.internet_gateway_id == id);
            if let Some(gateway) = found {
                gateway.attachments = attached(vpc);
            }
        }
        for resource in self.of(&["aws_egress_only_internet_gateway"]) {
            let id = self.refs.id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let origin = self.origin(resource);
            let make = |egress_only_internet_gateway_id| InternetGateway {
                egress_only_internet_gateway_id,
                ..InternetGateway::default()
            };
            let (gateway, is_made) = entry(&mut self.scope.egress_only_internet_gateways, &id, make);
            if is_made || resource.changes() {
                gateway.origin = origin;
                gateway.attachments = attached(vpc);
            }
        }
    }

    fn nat_gateways(&mut self) {
        for resource in self.of(NAT) {
            let id = self.refs.id(resource);
            let subnet = self.id(resource, "subnet_id", SUBNET, AwsList::Subnets);
            let vpc = self.vpc_of(resource, &subnet);
            let [kind, mode, private] =
                ["connectivity_type", "availability_mode", "private_ip"].map(|name| text(resource, name));
            let allocation = self.link(resource, "allocation_id", EIP);
            let known = text(resource, "public_ip");
            let public = match (known.is_empty(), allocation) {
                (false, _) => known,
                (true, Link::None) => Str::default(),
                (true, _) => made_part(&resource.address, "public_ip"),
            };
            let table = text(resource, "route_table_id");
            let origin = self.origin(resource);
            let make = |nat_gateway_id| NatGateway { nat_gateway_id, ..NatGateway::default() };
            let (gateway, is_made) = entry(&mut self.scope.nat_gateways, &id, make);
            if is_made || resource.changes() {
                gateway.origin = origin;
                gateway.state = "available".into();
            }
            tell(&mut gateway.subnet_id, subnet);
            tell(&mut gateway.vpc_id, vpc);
            tell(&mut gateway.connectivity_type, kind);
            tell(&mut gateway.availability_mode, mode);
            tell(&mut gateway.route_table_id, table);
            if is_made && !(public.is_empty() && private.is_empty()) {
                gateway.nat_gateway_addresses =
                    vec![NatGatewayAddress { public_ip: public, private_ip: private, ..NatGatewayAddress::default() }];
            }
        }
    }

    pub(super) fn endpoints(&mut self) {
        for resource in self.of(ENDPOINT) {
            let id = self.refs.id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let [service, kind, policy] =
                ["service_name", "vpc_endpoint_type", "policy"].map(|name| text(resource, name));
            let is_left_to_aws = |attribute: &str| match resource.get(attribute) {
                Got::Null => true,
                Got::Unknown => !self.refs.is_configured(resource, attribute),
                Got::Value(_) => false,
            };
            let (tables, subnets) = (!is_left_to_aws("route_table_ids"), !is_left_to_aws("subnet_ids"));
            let own_groups = !is_left_to_aws("security_group_ids");
            let default = self.default_group(&vpc);
            let tables = tables.then(|| self.ids(resource, "route_table_ids", TABLE, AwsList::RouteTables));
            let subnets = subnets.then(|| self.ids(resource, "subnet_ids", SUBNET, AwsList::Subnets));
            let ids = if own_groups {
                self.ids(resource, "security_group_ids", GROUP, AwsList::SecurityGroups)
            } else {
                vec![default.unwrap_or_else(|| made_part(&resource.address, "security_group_ids"))]
            };
            let interfaces = self.refs.values(resource, "network_interface_ids", INTERFACE).values;
            let names = resource.after.get("dns_entry").and_then(Value::as_array);
            let names = names.map(|all| all.iter().filter_map(|entry| entry.get("dns_name")?.as_str()).map(Str::from));
            let names: Option<Vec<DnsEntry>> = names.map(|all| all.map(|dns_name| DnsEntry { dns_name }).collect());
            let origin = self.origin(resource);
            let make = |vpc_endpoint_id| VpcEndpoint { vpc_endpoint_id, ..VpcEndpoint::default() };
            let (endpoint, is_made) = entry(&mut self.scope.vpc_endpoints, &id, make);
            if is_made || resource.changes() {
                endpoint.origin = origin;
            }
            if is_made {
                endpoint.state = "available".into();
            }
            let kind = if kind.is_empty() && is_made { "Gateway".into() } else { kind };
            let is_interface = kind == "Interface" || endpoint.vpc_endpoint_type == "Interface";
            tell(&mut endpoint.vpc_endpoint_type, kind);
            tell(&mut endpoint.vpc_id, vpc);
            tell(&mut endpoint.service_name, service);
            tell(&mut endpoint.policy_document, policy);
            endpoint.route_table_ids = tables.unwrap_or(std::mem::take(&mut endpoint.route_table_ids));
            endpoint.subnet_ids = subnets.unwrap_or(std::mem::take(&mut endpoint.subnet_ids));
            if is_interface && (own_groups || is_made) {
                endpoint.groups = groups(ids);
            }
            if !interfaces.is_empty() {
                endpoint.network_interface_ids = interfaces;
            }
            endpoint.dns_entries = names.unwrap_or(std::mem::take(&mut endpoint.dns_entries));
            endpoint.private_dns_enabled = truth(resource, "private_dns_enabled").or(endpoint.private_dns_enabled);
            // The list of a gateway endpoint, which it shows whole.
            let list = text(resource, "prefix_list_id");
            if !list.is_empty()
                && let Some(blocks) = resource.after.get("cidr_blocks").and_then(Value::as_array)
            {
                let name = text(resource, "service_name");
                let cidrs = blocks.iter().filter_map(Value::as_str).map(Str::from).collect();
                self.prefix_list(&list, name, Some(cidrs), resource);
            }
        }
        for resource in self.of(&["aws_vpc_endpoint_security_group_association"]) {
            let endpoint = self.id(resource, "vpc_endpoint_id", ENDPOINT, AwsList::VpcEndpoints);
            let group = self.id(resource, "security_group_id", GROUP, AwsList::SecurityGroups);
            let replaces = truth(resource, "replace_default_association") == Some(true);
            let default = |vpc: &str| self.default_group(vpc);
            let found = self.scope.vpc_endpoints.iter().position(|known| known.vpc_endpoint_id == endpoint);
            let Some(at) = found else { continue };
            let default = default(&self.scope.vpc_endpoints[at].vpc_id);
            let endpoint = &mut self.scope.vpc_endpoints[at];
            if replaces {
                endpoint.groups.retain(|known| Some(&known.group_id) != default.as_ref());
            }
            if !endpoint.groups.iter().any(|known| known.group_id == group) {
                endpoint.groups.extend(groups(vec![group]));
            }
        }
        for resource in self.of(&["aws_vpc_endpoint_subnet_association"]) {
            let endpoint = self.id(resource, "vpc_endpoint_id", ENDPOINT, AwsList::VpcEndpoints);
            let subnet = self.id(resource, "subnet_id", SUBNET, AwsList::Subnets);
            let found = self.scope.vpc_endpoints.iter_mut().find(|known| known.vpc_endpoint_id == endpoint);
            if let Some(found) = found
                && !found.subnet_ids.contains(&subnet)
            {
                found.subnet_ids.push(subnet);
            }
        }
    }

    /// The prefix list that a gateway endpoint stands for.
    pub(super) fn list_of_endpoint(&self, endpoint: &Str) -> Option<Str> {
        let found = self.scope.vpc_endpoints.iter().find(|known| known.vpc_endpoint_id == *endpoint)?;
        let resource = self.of(ENDPOINT).into_iter().find(|resource| self.refs.id(resource) == *endpoint);
        let own = resource.map(|resource| text(resource, "prefix_list_id")).filter(|id| !id.is_empty());
        let named = || {
            let list = self.scope.prefix_lists.iter().find(|list| list.prefix_list_name == found.service_name)?;
            Some(list.prefix_list_id.clone())
        };
        Some(own.or_else(named).unwrap_or_else(|| made_part(endpoint, "prefix_list_id")))
    }

    /// Prefix lists: those of the plan, and those that it looked up.
    pub(super) fn prefix_lists(&mut self) {
        const ENTRIES: &[&str] = &["aws_ec2_managed_prefix_list_entry"];
        for resource in self.data("aws_prefix_list") {
            let [id, name] = ["id", "name"].map(|attribute| text(resource, attribute));
            let cidrs = resource.after.get("cidr_blocks").and_then(Value::as_array);
            let cidrs = cidrs.map(|all| all.iter().filter_map(Value::as_str).map(Str::from).collect());
            if !id.is_empty() {
                self.prefix_list(&id, name, cidrs, resource);
            }
        }
        for resource in self.data("aws_ec2_managed_prefix_list").into_iter().chain(self.of(PREFIX_LIST)) {
            let id = self.refs.id(resource);
            let name = text(resource, "name");
            self.prefix_list(&id, name, None, resource);
            if let Some(entries) = self.entries(resource) {
                self.put_entries(&id, entries, resource);
            } else {
                self.doubt(AwsList::PrefixListEntries, resource, "an entry");
                self.scope.prefix_list_entries.retain(|known| known.prefix_list_id != id);
            }
        }
        for resource in self.gone(ENTRIES) {
            let [id, cidr] = ["prefix_list_id", "cidr"].map(|name| resource.before(name));
            let found = self.scope.prefix_list_entries.iter_mut().find(|known| known.prefix_list_id == *id);
            if let Some(found) = found {
                found.entries.retain(|entry| entry.cidr != *cidr);
            }
        }
        for resource in self.of(ENTRIES) {
            let Link::Id(id) = self.link(resource, "prefix_list_id", PREFIX_LIST) else {
                self.unclear.insert(resource.address.clone());
                continue;
            };
            let Ok(cidr) = self.told(resource, "cidr") else {
                self.doubt(AwsList::PrefixListEntries, resource, "cidr");
                self.scope.prefix_list_entries.retain(|known| known.prefix_list_id != id);
                continue;
            };
            let found = self.scope.prefix_list_entries.iter_mut().find(|known| known.prefix_list_id == id);
            if let Some(found) = found
                && !found.entries.iter().any(|entry| entry.cidr == cidr)
            {
                found.entries.push(PrefixListEntry { cidr });
            }
        }
    }

    fn prefix_list(&mut self, id: &Str, name: Str, cidrs: Option<Vec<Str>>, resource: &Resource) {
        let origin = self.origin(resource);
        let family = text(resource, "address_family");
        let make = |prefix_list_id| PrefixList { prefix_list_id, origin, ..PrefixList::default() };
        let (list, _) = entry(&mut self.scope.prefix_lists, id, make);
        tell(&mut list.prefix_list_name, name);
        tell(&mut list.address_family, family);
        list.cidrs = cidrs.or(list.cidrs.take());
    }

    /// The entries that stand inside a list; `None` if they are not known.
    fn entries(&self, resource: &Resource) -> Option<Vec<PrefixListEntry>> {
        let attribute = if resource.is_data { "entries" } else { "entry" };
        let blocks = match resource.get(attribute) {
            Got::Value(Value::Array(blocks)) => blocks,
            Got::Null => return Some(Vec::new()),
            Got::Unknown if resource.is_new() && !self.refs.is_configured(resource, attribute) => {
                return Some(Vec::new());
            }
            Got::Unknown | Got::Value(_) => return None,
        };
        let unknown = resource.unknown.get(attribute);
        let of =
            |(i, block): (usize, &Value)| match got(block.get("cidr"), unknown.and_then(|all| all.get(i)?.get("cidr")))
            {
                Got::Value(Value::String(cidr)) => Some(PrefixListEntry { cidr: cidr.as_str().into() }),
                _ => None,
            };
        blocks.iter().enumerate().map(of).collect()
    }

    fn put_entries(&mut self, id: &Str, entries: Vec<PrefixListEntry>, resource: &Resource) {
        let origin = self.origin(resource);
        let make = |prefix_list_id| PrefixListEntries { prefix_list_id, ..PrefixListEntries::default() };
        let (known, is_made) = entry(&mut self.scope.prefix_list_entries, id, make);
        if is_made || resource.changes() {
            known.origin = origin;
            known.entries = entries;
        }
    }

    fn peerings(&mut self) {
        for resource in self.of(PEERING) {
            let id = self.refs.id(resource);
            let own = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let peer = self.id(resource, "peer_vpc_id", VPC, AwsList::Vpcs);
            let accepters = self.of(&["aws_vpc_peering_connection_accepter"]);
            let mut accepters = accepters.into_iter().filter(|accepter| truth(accepter, "auto_accept") == Some(true));
            let is_accepted = truth(resource, "auto_accept") == Some(true)
                || accepters.any(|a| self.link(a, "vpc_peering_connection_id", PEERING) == Link::Id(id.clone()));
            let status = text(resource, "accept_status");
            let status = match (status.is_empty(), is_accepted) {
                (false, _) => status,
                (true, true) => "active".into(),
                (true, false) => "pending-acceptance".into(),
            };
            let end = |vpc: Str| {
                let known = self.scope.vpcs.iter().find(|known| known.vpc_id == vpc);
                let cidr_block = known.map(|known| known.cidr_block.clone()).unwrap_or_default();
                Some(PeeringVpc { vpc_id: vpc, cidr_block, ..PeeringVpc::default() })
            };
            let (requester, accepter) = (end(own), end(peer));
            let origin = self.origin(resource);
            let make = |vpc_peering_connection_id| VpcPeeringConnection {
                vpc_peering_connection_id,
                requester_vpc_info: requester,
                accepter_vpc_info: accepter,
                ..VpcPeeringConnection::default()
            };
            let (peering, is_made) = entry(&mut self.scope.vpc_peering_connections, &id, make);
            if is_made || resource.changes() {
                peering.origin = origin;
                peering.status = Some(PeeringStatus { code: status });
            }
        }
    }

    fn transit_gateways(&mut self) {
        for resource in self.of(&["aws_ec2_transit_gateway_vpc_attachment"]) {
            let id = self.refs.id(resource);
            let list = AwsList::TransitGatewayVpcAttachments;
            let gateway = self.id(resource, "transit_gateway_id", &["aws_ec2_transit_gateway"], list);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let subnets = self.ids(resource, "subnet_ids", SUBNET, AwsList::Subnets);
            let origin = self.origin(resource);
            let make = |transit_gateway_attachment_id| TransitGatewayVpcAttachment {
                transit_gateway_attachment_id,
                state: "available".into(),
                ..TransitGatewayVpcAttachment::default()
            };
            let (attachment, is_made) = entry(&mut self.scope.transit_gateway_vpc_attachments, &id, make);
            if is_made || resource.changes() {
                attachment.origin = origin;
            }
            tell(&mut attachment.transit_gateway_id, gateway);
            tell(&mut attachment.vpc_id, vpc);
            attachment.subnet_ids = subnets;
        }
    }

    fn vpn_gateways(&mut self) {
        let own = self.of(&["aws_vpn_gateway_attachment"]).into_iter().map(|r| (r, "vpn_gateway_id"));
        for (resource, attribute) in self.of(VPN).into_iter().map(|r| (r, "id")).chain(own).collect::<Vec<_>>() {
            let is_link = attribute != "id";
            let id =
                if is_link { self.id(resource, attribute, VPN, AwsList::VpnGateways) } else { self.refs.id(resource) };
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let origin = self.origin(resource);
            let make = |vpn_gateway_id| VpnGateway { vpn_gateway_id, origin, ..VpnGateway::default() };
            let (gateway, is_made) = entry(&mut self.scope.vpn_gateways, &id, make);
            if (is_made || resource.changes()) && !vpc.is_empty() {
                gateway.state = "available".into();
                gateway.vpc_attachments = attached(vpc);
            }
        }
    }
}

fn attached(vpc_id: Str) -> Vec<VpcAttachment> {
    if vpc_id.is_empty() { Vec::new() } else { vec![VpcAttachment { vpc_id, state: "available".into() }] }
}
