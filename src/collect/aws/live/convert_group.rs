//! From the SDK's types to facts: packet filters.

use aws_sdk_ec2::types as sdk;

use super::convert::{all, text};
use crate::model::aws::{
    GroupPair, IpPermission, IpRange, Ipv6Range, NetworkAcl, NetworkAclAssociation, NetworkAclEntry, PortRange,
    PrefixList, PrefixListEntry, PrefixListId, SecurityGroup, SecurityGroupRule, SecurityGroupVpcAssociation,
};
use crate::model::object::Origin;

pub(super) fn security_group(it: &sdk::SecurityGroup) -> SecurityGroup {
    SecurityGroup {
        group_id: text(it.group_id()),
        group_name: text(it.group_name()),
        vpc_id: text(it.vpc_id()),
        owner_id: text(it.owner_id()),
        // The call gives both, and where there is no rule an absent list says so.
        ip_permissions: Some(all(it.ip_permissions(), permission)),
        ip_permissions_egress: Some(all(it.ip_permissions_egress(), permission)),
        origin: Origin::default(),
    }
}

fn permission(it: &sdk::IpPermission) -> IpPermission {
    IpPermission {
        ip_protocol: text(it.ip_protocol()),
        from_port: it.from_port(),
        to_port: it.to_port(),
        ip_ranges: all(it.ip_ranges(), |r| IpRange { cidr_ip: text(r.cidr_ip()) }),
        ipv6_ranges: all(it.ipv6_ranges(), |r| Ipv6Range { cidr_ipv6: text(r.cidr_ipv6()) }),
        prefix_list_ids: all(it.prefix_list_ids(), |p| PrefixListId { prefix_list_id: text(p.prefix_list_id()) }),
        user_id_group_pairs: all(it.user_id_group_pairs(), |p| GroupPair {
            group_id: text(p.group_id()),
            user_id: text(p.user_id()),
            vpc_id: text(p.vpc_id()),
            vpc_peering_connection_id: text(p.vpc_peering_connection_id()),
        }),
    }
}

pub(super) fn security_group_rule(it: &sdk::SecurityGroupRule) -> SecurityGroupRule {
    SecurityGroupRule {
        security_group_rule_id: text(it.security_group_rule_id()),
        group_id: text(it.group_id()),
        is_egress: it.is_egress().unwrap_or_default(),
        ip_protocol: text(it.ip_protocol()),
        from_port: it.from_port(),
        to_port: it.to_port(),
        cidr_ipv4: text(it.cidr_ipv4()),
        cidr_ipv6: text(it.cidr_ipv6()),
        prefix_list_id: text(it.prefix_list_id()),
        referenced_group_info: it.referenced_group_info().map(|g| GroupPair {
            group_id: text(g.group_id()),
            user_id: text(g.user_id()),
            vpc_id: text(g.vpc_id()),
            vpc_peering_connection_id: text(g.vpc_peering_connection_id()),
        }),
        origin: Origin::default(),
    }
}

pub(super) fn vpc_association(it: &sdk::SecurityGroupVpcAssociation) -> SecurityGroupVpcAssociation {
    SecurityGroupVpcAssociation {
        group_id: text(it.group_id()),
        vpc_id: text(it.vpc_id()),
        state: text(it.state().map(sdk::SecurityGroupVpcAssociationState::as_str)),
        origin: Origin::default(),
    }
}

pub(super) fn network_acl(it: &sdk::NetworkAcl) -> NetworkAcl {
    NetworkAcl {
        network_acl_id: text(it.network_acl_id()),
        vpc_id: text(it.vpc_id()),
        is_default: it.is_default().unwrap_or_default(),
        associations: all(it.associations(), |a| NetworkAclAssociation { subnet_id: text(a.subnet_id()) }),
        entries: all(it.entries(), |e| NetworkAclEntry {
            rule_number: e.rule_number().unwrap_or_default(),
            protocol: text(e.protocol()),
            rule_action: text(e.rule_action().map(sdk::RuleAction::as_str)),
            egress: e.egress().unwrap_or_default(),
            cidr_block: text(e.cidr_block()),
            ipv6_cidr_block: text(e.ipv6_cidr_block()),
            port_range: e.port_range().map(|p| PortRange { from: p.from(), to: p.to() }),
            line: 0,
        }),
        origin: Origin::default(),
    }
}

pub(super) fn prefix_list(it: &sdk::ManagedPrefixList) -> PrefixList {
    PrefixList {
        prefix_list_id: text(it.prefix_list_id()),
        prefix_list_name: text(it.prefix_list_name()),
        address_family: text(it.address_family()),
        state: text(it.state().map(sdk::PrefixListState::as_str)),
        cidrs: None,
        origin: Origin::default(),
    }
}

pub(super) fn prefix_list_entry(it: &sdk::PrefixListEntry) -> PrefixListEntry {
    PrefixListEntry { cidr: text(it.cidr()) }
}
