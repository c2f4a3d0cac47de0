//! VPCs, subnets, interfaces and instances of a plan.

use serde_json::Value;

use super::apply::{Apply, GROUP, INSTANCE, INTERFACE, Link, SUBNET, VPC, entry, groups, number, tell, text, truth};
use super::plan::{Got, Resource};
use super::refs::made_part;
use crate::model::Str;
use crate::model::aws::{
    Attachment, AwsList, BoolValue, CidrBlockAssociation, DhcpConfiguration, DhcpOptions, Instance, InstanceState,
    Ipv6Address, NetworkAcl, NetworkAclEntry, NetworkInterface, PrivateAddress, PublicAddress, RouteTable,
    RouteTableAssociation, SecurityGroup, Subnet, TextValue, Vpc, VpcAttribute,
};

const GROUP_ATTACHMENT: &[&str] = &["aws_network_interface_sg_attachment"];

impl Apply<'_> {
    pub(super) fn vpcs(&mut self) {
        let planned = self.of(VPC);
        for resource in self.data("aws_vpc").into_iter().chain(planned) {
            let id = self.refs.id(resource);
            let origin = self.origin(resource);
            let [owner, block, v6] = ["owner_id", "cidr_block", "ipv6_cidr_block"].map(|a| text(resource, a));
            let dhcp = text(resource, "dhcp_options_id");
            let (vpc, is_made) = entry(&mut self.scope.vpcs, &id, |vpc_id| Vpc { vpc_id, ..Vpc::default() });
            if is_made || resource.changes() {
                vpc.origin = origin;
            } else if resource.is_data {
                continue; // its own document tells more
            }
            tell(&mut vpc.owner_id, owner);
            tell(&mut vpc.cidr_block, block.clone());
            tell(&mut vpc.dhcp_options_id, dhcp);
            if vpc.dhcp_options_id.is_empty() && resource.is_new() {
                vpc.dhcp_options_id = "default".into();
            }
            add_block(&mut vpc.cidr_block_association_set, block, Str::default());
            add_block(&mut vpc.ipv6_cidr_block_association_set, Str::default(), v6);
            for (name, otherwise) in [("enable_dns_support", true), ("enable_dns_hostnames", false)] {
                let is_left_to_aws = resource.is_new() && !self.refs.is_configured(resource, name);
                let value = truth(resource, name).or_else(|| is_left_to_aws.then_some(otherwise));
                self.attribute(&id, name, value, resource);
            }
            if resource.is_new() && resource.kind == "aws_vpc" {
                self.defaults(&id, resource);
            }
        }
        self.more_blocks();
        self.dhcp_options();
    }

    /// A DNS attribute. One that is not known takes away what was known before the plan.
    fn attribute(&mut self, vpc: &Str, name: &str, value: Option<bool>, resource: &Resource) {
        let is_support = name == "enable_dns_support";
        let same = |a: &VpcAttribute| {
            a.vpc_id == *vpc && (if is_support { &a.enable_dns_support } else { &a.enable_dns_hostnames }).is_some()
        };
        let value = value.map(|value| BoolValue { value });
        let known = self.scope.vpc_attributes.iter().find(|a| same(a));
        let told = known.map(|a| if is_support { &a.enable_dns_support } else { &a.enable_dns_hostnames });
        if told == Some(&value) {
            return;
        }
        self.scope.vpc_attributes.retain(|a| !same(a));
        if value.is_some() {
            let (support, hostnames) = if is_support { (value, None) } else { (None, value) };
            let origin = self.origin(resource);
            let vpc_id = vpc.clone();
            let attribute =
                VpcAttribute { vpc_id, enable_dns_support: support, enable_dns_hostnames: hostnames, origin };
            self.scope.vpc_attributes.push(attribute);
        }
    }

    /// What AWS makes along with a VPC: an ACL that allows everything, a group that allows everything out, and a main
    /// table without any route but those inside (VPC guide, "Default VPC components" of each kind).
    fn defaults(&mut self, vpc: &Str, resource: &Resource) {
        let origin = self.origin(resource);
        let entry_of = |egress, rule_number, cidr: &str, v6: &str| NetworkAclEntry {
            rule_number,
            protocol: "-1".into(),
            rule_action: "allow".into(),
            egress,
            cidr_block: cidr.into(),
            ipv6_cidr_block: v6.into(),
            line: resource.line,
            ..NetworkAclEntry::default()
        };
        let entries = [true, false].into_iter();
        let entries =
            entries.flat_map(|egress| [entry_of(egress, 100, "0.0.0.0/0", ""), entry_of(egress, 101, "", "::/0")]);
        self.scope.network_acls.push(NetworkAcl {
            network_acl_id: made_part(vpc, "default_network_acl_id"),
            vpc_id: vpc.clone(),
            is_default: true,
            entries: entries.collect(),
            origin,
            ..NetworkAcl::default()
        });
        self.scope.route_tables.push(RouteTable {
            route_table_id: made_part(vpc, "default_route_table_id"),
            vpc_id: vpc.clone(),
            associations: vec![RouteTableAssociation { main: true, ..RouteTableAssociation::default() }],
            origin,
            ..RouteTable::default()
        });
        let everywhere = serde_json::json!([{ "IpProtocol": "-1", "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] }]);
        let itself = made_part(vpc, "default_security_group_id");
        let inside = serde_json::json!([{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": &itself }] }]);
        self.scope.security_groups.push(SecurityGroup {
            group_id: itself,
            group_name: "default".into(),
            vpc_id: vpc.clone(),
            ip_permissions: serde_json::from_value(inside).ok(),
            ip_permissions_egress: serde_json::from_value(everywhere).ok(),
            origin,
            ..SecurityGroup::default()
        });
    }

    /// Blocks that have resources of their own.
    fn more_blocks(&mut self) {
        const KINDS: &[&str] = &["aws_vpc_ipv4_cidr_block_association", "aws_vpc_ipv6_cidr_block_association"];
        for resource in self.gone(KINDS) {
            let [vpc, v4, v6] = ["vpc_id", "cidr_block", "ipv6_cidr_block"].map(|name| resource.before(name));
            if let Some(vpc) = self.scope.vpcs.iter_mut().find(|known| known.vpc_id == *vpc) {
                vpc.cidr_block_association_set.retain(|a| v4.is_empty() || a.cidr_block != *v4);
                vpc.ipv6_cidr_block_association_set.retain(|a| v6.is_empty() || a.ipv6_cidr_block != *v6);
            }
        }
        for resource in self.of(KINDS) {
            let id = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let [v4, v6] = ["cidr_block", "ipv6_cidr_block"].map(|name| text(resource, name));
            if let Some(vpc) = self.scope.vpcs.iter_mut().find(|known| known.vpc_id == id) {
                add_block(&mut vpc.cidr_block_association_set, v4, Str::default());
                add_block(&mut vpc.ipv6_cidr_block_association_set, Str::default(), v6);
            }
        }
    }

    fn dhcp_options(&mut self) {
        const OPTIONS: &[&str] = &["aws_vpc_dhcp_options", "aws_default_vpc_dhcp_options"];
        for resource in self.of(OPTIONS) {
            let id = self.refs.id(resource);
            let servers = self.ids(resource, "domain_name_servers", &[], AwsList::DhcpOptions);
            let origin = self.origin(resource);
            let values = servers.into_iter().map(|value| TextValue { value }).collect();
            let make = |dhcp_options_id| DhcpOptions { dhcp_options_id, ..DhcpOptions::default() };
            let (options, is_made) = entry(&mut self.scope.dhcp_options, &id, make);
            if is_made || resource.changes() {
                options.origin = origin;
            }
            options.dhcp_configurations.retain(|c| c.key != *"domain-name-servers");
            options.dhcp_configurations.push(DhcpConfiguration { key: "domain-name-servers".into(), values });
        }
        for resource in self.of(&["aws_vpc_dhcp_options_association"]) {
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let options = self.id(resource, "dhcp_options_id", OPTIONS, AwsList::DhcpOptions);
            if let Some(vpc) = self.scope.vpcs.iter_mut().find(|known| known.vpc_id == vpc) {
                vpc.dhcp_options_id = options;
            }
        }
    }

    pub(super) fn subnets(&mut self) {
        let planned = self.of(SUBNET);
        for resource in self.data("aws_subnet").into_iter().chain(planned) {
            let id = self.refs.id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let origin = self.origin(resource);
            let [zone, block, v6] =
                ["availability_zone", "cidr_block", "ipv6_cidr_block"].map(|name| text(resource, name));
            let make = |subnet_id| Subnet { subnet_id, ..Subnet::default() };
            let (subnet, is_made) = entry(&mut self.scope.subnets, &id, make);
            if is_made || resource.changes() {
                subnet.origin = origin;
            } else if resource.is_data {
                continue;
            }
            tell(&mut subnet.vpc_id, vpc);
            tell(&mut subnet.availability_zone, zone);
            tell(&mut subnet.cidr_block, block);
            add_block(&mut subnet.ipv6_cidr_block_association_set, Str::default(), v6);
            subnet.enable_dns64 = truth(resource, "enable_dns64").or(subnet.enable_dns64);
        }
    }

    pub(super) fn interfaces(&mut self) {
        for resource in self.of(INTERFACE) {
            let id = self.refs.id(resource);
            self.interface(resource, &id, "security_groups");
            let Some(interface) = self.scope.network_interfaces.iter_mut().find(|i| i.network_interface_id == id)
            else {
                continue;
            };
            tell(&mut interface.interface_type, text(resource, "interface_type"));
            let all = resource.after.get("private_ips").and_then(Value::as_array);
            for address in all.into_iter().flatten().filter_map(Value::as_str) {
                add_address(interface, address);
            }
            let v6 = resource.after.get("ipv6_addresses").and_then(Value::as_array);
            if let Some(v6) = v6 {
                let v6 = v6.iter().filter_map(Value::as_str);
                interface.ipv6_addresses = v6.map(|text| Ipv6Address { ipv6_address: text.into() }).collect();
            }
            let attached = resource.after.get("attachment").and_then(|all| all.get(0));
            let instance = attached.and_then(|a| a.get("instance")).and_then(Value::as_str);
            if let Some(instance) = instance.filter(|id| !id.is_empty()) {
                interface.attachment = Some(attachment(instance.into(), attached));
            }
        }
        self.instances();
        self.attachments();
        self.public_addresses();
        self.without_address();
    }

    /// An interface whose address only AWS will choose is left out: without one it would seem to have none at all.
    fn without_address(&mut self) {
        let has_none = |i: &NetworkInterface| {
            i.private_ip_address.is_empty()
                && i.private_ip_addresses.is_empty()
                && i.ipv6_addresses.is_empty()
                && i.ipv4_prefixes.is_empty()
                && i.ipv6_prefixes.is_empty()
        };
        for resource in self.of(INTERFACE).into_iter().chain(self.of(INSTANCE)) {
            let own = self.refs.id(resource);
            let first = made_part(&own, "primary_network_interface_id");
            let is_it = |i: &NetworkInterface| [&own, &first].contains(&&i.network_interface_id) && has_none(i);
            if self.scope.network_interfaces.iter().any(is_it) {
                self.scope.network_interfaces.retain(|i| !is_it(i));
                self.doubt(AwsList::NetworkInterfaces, resource, "private_ip");
            }
        }
    }

    /// What interfaces have in common, also the first one of an instance, which is written down there.
    fn interface(&mut self, resource: &Resource, id: &Str, group_attribute: &str) {
        let subnet = self.id(resource, "subnet_id", SUBNET, AwsList::Subnets);
        let vpc = self.vpc_of(resource, &subnet);
        let is_left_to_aws = match resource.get(group_attribute) {
            Got::Null => true,
            Got::Unknown => !self.refs.is_configured(resource, group_attribute),
            Got::Value(_) => false,
        };
        let ids = if is_left_to_aws {
            vec![self.default_group(&vpc).unwrap_or_else(|| made_part(&resource.address, group_attribute))]
        } else {
            self.ids(resource, group_attribute, GROUP, AwsList::SecurityGroups)
        };
        let origin = self.origin(resource);
        let private = text(resource, "private_ip");
        let make = |network_interface_id| NetworkInterface {
            network_interface_id,
            interface_type: "interface".into(),
            status: "in-use".into(),
            ..NetworkInterface::default()
        };
        let (interface, is_made) = entry(&mut self.scope.network_interfaces, id, make);
        if is_made || resource.changes() {
            interface.origin = origin;
        }
        tell(&mut interface.subnet_id, subnet);
        tell(&mut interface.vpc_id, vpc);
        if is_made || !is_left_to_aws {
            interface.groups = groups(ids);
        }
        if !private.is_empty() {
            interface.private_ip_address = private.clone();
            add_address(interface, &private);
        }
        interface.source_dest_check = truth(resource, "source_dest_check").or(interface.source_dest_check);
    }

    fn instances(&mut self) {
        for resource in self.of(INSTANCE) {
            let id = self.refs.id(resource);
            let own = text(resource, "primary_network_interface_id");
            let interface = if own.is_empty() { made_part(&id, "primary_network_interface_id") } else { own };
            let blocks = resource.after.get("network_interface").and_then(Value::as_array);
            let given = blocks.is_some_and(|all| all.iter().any(|b| number(b.get("device_index")) == Some(0)));
            let groups = if resource.after.contains_key("vpc_security_group_ids") || !given {
                "vpc_security_group_ids"
            } else {
                "security_groups"
            };
            if !given {
                self.interface(resource, &interface, groups);
                let public = self.public_of(resource, &id);
                let found = self.scope.network_interfaces.iter_mut().find(|i| i.network_interface_id == interface);
                if let Some(found) = found {
                    found.attachment = Some(attachment(id.clone(), None));
                    found.association = public.or(found.association.take());
                }
            }
            let subnet = self.id(resource, "subnet_id", SUBNET, AwsList::Subnets);
            let vpc = self.vpc_of(resource, &subnet);
            let private = text(resource, "private_ip");
            let origin = self.origin(resource);
            let make = |instance_id| Instance {
                instance_id,
                state: Some(InstanceState { name: "running".into() }),
                ..Instance::default()
            };
            let (instance, is_made) = entry(&mut self.scope.instances, &id, make);
            if is_made || resource.changes() {
                instance.origin = origin;
            }
            tell(&mut instance.subnet_id, subnet);
            tell(&mut instance.vpc_id, vpc);
            tell(&mut instance.private_ip_address, private);
            instance.source_dest_check = truth(resource, "source_dest_check").or(instance.source_dest_check);
        }
    }

    /// The public address of an instance: one that it has, or will get.
    fn public_of(&self, resource: &Resource, id: &Str) -> Option<PublicAddress> {
        let known = text(resource, "public_ip");
        if !known.is_empty() {
            return Some(PublicAddress { public_ip: known });
        }
        let subnet = match self.link(resource, "subnet_id", SUBNET) {
            Link::Id(subnet) => self.of(SUBNET).into_iter().find(|known| self.refs.id(known) == subnet),
            _ => None,
        };
        let of_subnet = || subnet.and_then(|subnet| truth(subnet, "map_public_ip_on_launch"));
        let will = resource.is_new() && truth(resource, "associate_public_ip_address").or_else(of_subnet) == Some(true);
        will.then(|| PublicAddress { public_ip: made_part(id, "public_ip") })
    }

    fn attachments(&mut self) {
        for resource in self.of(&["aws_network_interface_attachment"]) {
            let interface = self.id(resource, "network_interface_id", INTERFACE, AwsList::NetworkInterfaces);
            let instance = self.id(resource, "instance_id", INSTANCE, AwsList::Instances);
            let found = self.scope.network_interfaces.iter_mut().find(|i| i.network_interface_id == interface);
            if let Some(found) = found {
                let index = number(resource.after.get("device_index"));
                found.attachment = Some(Attachment { device_index: index, ..attachment(instance, None) });
            }
        }
        for resource in self.gone(GROUP_ATTACHMENT) {
            let [interface, group] = ["network_interface_id", "security_group_id"].map(|name| resource.before(name));
            let found = self.scope.network_interfaces.iter_mut().find(|i| i.network_interface_id == *interface);
            if let Some(found) = found {
                found.groups.retain(|known| known.group_id != *group);
            }
        }
        for resource in self.of(GROUP_ATTACHMENT) {
            let interface = self.id(resource, "network_interface_id", INTERFACE, AwsList::NetworkInterfaces);
            let group = self.id(resource, "security_group_id", GROUP, AwsList::SecurityGroups);
            let found = self.scope.network_interfaces.iter_mut().find(|i| i.network_interface_id == interface);
            if let Some(found) = found
                && !found.groups.iter().any(|known| known.group_id == group)
            {
                found.groups.extend(groups(vec![group]));
            }
        }
    }

    fn public_addresses(&mut self) {
        let eips = self.of(&["aws_eip"]).into_iter().map(|r| (r, "network_interface", "instance"));
        let links = self.of(&["aws_eip_association"]).into_iter().map(|r| (r, "network_interface_id", "instance_id"));
        for (resource, interface, instance) in eips.chain(links).collect::<Vec<_>>() {
            let interface = self.link(resource, interface, INTERFACE);
            let instance = self.link(resource, instance, INSTANCE);
            let public = text(resource, "public_ip");
            let public = if public.is_empty() { made_part(&resource.address, "public_ip") } else { public };
            let is_first = |a: &Attachment| a.device_index.unwrap_or_default() == 0;
            let found = self.scope.network_interfaces.iter_mut().find(|known| match (&interface, &instance) {
                (Link::Id(id), _) => known.network_interface_id == *id,
                (_, Link::Id(id)) => known.attachment.as_ref().is_some_and(|a| a.instance_id == *id && is_first(a)),
                _ => false,
            });
            if let Some(found) = found {
                found.association = Some(PublicAddress { public_ip: public });
            }
        }
    }

    /// The default group of a VPC.
    pub(super) fn default_group(&self, vpc: &str) -> Option<Str> {
        let mut groups = self.scope.security_groups.iter();
        let found = groups.find(|group| group.vpc_id == *vpc && group.group_name == *"default")?;
        Some(found.group_id.clone())
    }
}

/// Attached to an instance, as its first interface where nothing else is said.
fn attachment(instance: Str, block: Option<&Value>) -> Attachment {
    Attachment {
        instance_id: instance,
        device_index: Some(number(block.and_then(|b| b.get("device_index"))).unwrap_or_default()),
        network_card_index: Some(0),
        status: "attached".into(),
    }
}

fn add_address(interface: &mut NetworkInterface, address: &str) {
    if !interface.private_ip_addresses.iter().any(|known| known.private_ip_address == *address) {
        let primary = interface.private_ip_address == *address;
        let private_ip_address = address.into();
        interface.private_ip_addresses.push(PrivateAddress { private_ip_address, primary, association: None });
    }
}

fn add_block(blocks: &mut Vec<CidrBlockAssociation>, cidr_block: Str, ipv6_cidr_block: Str) {
    let is_known = blocks.iter().any(|b| b.cidr_block == cidr_block && b.ipv6_cidr_block == ipv6_cidr_block);
    let is_there = !cidr_block.is_empty() || !ipv6_cidr_block.is_empty();
    if is_there && !is_known {
        blocks.push(CidrBlockAssociation { cidr_block, ipv6_cidr_block, ..CidrBlockAssociation::default() });
    }
}
