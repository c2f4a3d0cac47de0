//! Packet filters: security groups, network ACLs, prefix lists.

use serde::{Deserialize, Serialize};

use super::{is_nowhere, is_zero, nullable};
use crate::model::object::Origin;
use crate::model::text::Str;

/// A security group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecurityGroup {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub group_id: Str,
    /// Name.
    #[serde(deserialize_with = "nullable")]
    pub group_name: Str,
    /// The VPC that it belongs to.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Account.
    #[serde(deserialize_with = "nullable")]
    pub owner_id: Str,
    /// Rules for inbound traffic; absent if they were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_permissions: Option<Vec<IpPermission>>,
    /// Rules for outbound traffic; absent if they were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_permissions_egress: Option<Vec<IpPermission>>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// Rules of a group with one protocol and one range of ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpPermission {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    #[serde(deserialize_with = "nullable")]
    pub ip_protocol: Str,
    /// First port; -1 or absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_port: Option<i32>,
    /// Last port; -1 or absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<i32>,
    /// IPv4 blocks.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ip_ranges: Vec<IpRange>,
    /// IPv6 blocks.
    #[serde(rename = "Ipv6Ranges", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv6_ranges: Vec<Ipv6Range>,
    /// Prefix lists.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub prefix_list_ids: Vec<PrefixListId>,
    /// Security groups.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub user_id_group_pairs: Vec<GroupPair>,
}

/// An IPv4 block of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpRange {
    /// The block.
    #[serde(deserialize_with = "nullable")]
    pub cidr_ip: Str,
}

/// An IPv6 block of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipv6Range {
    /// The block.
    #[serde(rename = "CidrIpv6", deserialize_with = "nullable")]
    pub cidr_ipv6: Str,
}

/// A prefix list of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PrefixListId {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub prefix_list_id: Str,
}

/// A security group of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GroupPair {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub group_id: Str,
    /// Account.
    #[serde(deserialize_with = "nullable")]
    pub user_id: Str,
    /// Its VPC, if it is another one.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// The peering connection, if it is beyond one.
    #[serde(deserialize_with = "nullable")]
    pub vpc_peering_connection_id: Str,
}

/// One rule of a security group, with an id of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecurityGroupRule {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub security_group_rule_id: Str,
    /// Its group.
    #[serde(deserialize_with = "nullable")]
    pub group_id: Str,
    /// Outbound.
    #[serde(deserialize_with = "nullable")]
    pub is_egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    #[serde(deserialize_with = "nullable")]
    pub ip_protocol: Str,
    /// First port; -1 or absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_port: Option<i32>,
    /// Last port; -1 or absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<i32>,
    /// An IPv4 block.
    #[serde(rename = "CidrIpv4", deserialize_with = "nullable")]
    pub cidr_ipv4: Str,
    /// An IPv6 block.
    #[serde(rename = "CidrIpv6", deserialize_with = "nullable")]
    pub cidr_ipv6: Str,
    /// A prefix list.
    #[serde(deserialize_with = "nullable")]
    pub prefix_list_id: Str,
    /// A security group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referenced_group_info: Option<GroupPair>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A VPC that a shared group may be used in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecurityGroupVpcAssociation {
    /// The group.
    #[serde(deserialize_with = "nullable")]
    pub group_id: Str,
    /// The VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// `associated`, …
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A network ACL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAcl {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub network_acl_id: Str,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Whether new subnets get it.
    #[serde(deserialize_with = "nullable")]
    pub is_default: bool,
    /// Its subnets.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub associations: Vec<NetworkAclAssociation>,
    /// Its rules, in no particular order.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub entries: Vec<NetworkAclEntry>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A subnet of an ACL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAclAssociation {
    /// The subnet.
    #[serde(deserialize_with = "nullable")]
    pub subnet_id: Str,
}

/// A rule of an ACL; the lowest number that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAclEntry {
    /// Number; 32767 and 32768 are the implicit deny of IPv4 and IPv6.
    #[serde(deserialize_with = "nullable")]
    pub rule_number: i32,
    /// A number: 6 TCP, 17 UDP, -1 all.
    #[serde(deserialize_with = "nullable")]
    pub protocol: Str,
    /// `allow` or `deny`.
    #[serde(deserialize_with = "nullable")]
    pub rule_action: Str,
    /// For traffic that leaves the subnet.
    #[serde(deserialize_with = "nullable")]
    pub egress: bool,
    /// IPv4 block of the other end.
    #[serde(deserialize_with = "nullable")]
    pub cidr_block: Str,
    /// IPv6 block of the other end.
    #[serde(rename = "Ipv6CidrBlock", deserialize_with = "nullable")]
    pub ipv6_cidr_block: Str,
    /// Destination ports; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
    /// Line in its source, from 1; 0 where it is not known.
    #[serde(rename = "ReadFromLine", skip_serializing_if = "is_zero")]
    pub line: u32,
}

/// A range of ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortRange {
    /// First.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i32>,
    /// Last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i32>,
}

/// A prefix list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PrefixList {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub prefix_list_id: Str,
    /// Name, such as `com.amazonaws.us-east-1.s3`.
    #[serde(deserialize_with = "nullable")]
    pub prefix_list_name: Str,
    /// `IPv4` or `IPv6`.
    #[serde(deserialize_with = "nullable")]
    pub address_family: Str,
    /// State.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// Entries, where `describe-prefix-lists` gave them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidrs: Option<Vec<Str>>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// The entries of one prefix list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PrefixListEntries {
    /// Id; a saved reply has it in its file's name.
    #[serde(deserialize_with = "nullable")]
    pub prefix_list_id: Str,
    /// Entries.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub entries: Vec<PrefixListEntry>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// An entry of a prefix list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PrefixListEntry {
    /// The block.
    #[serde(deserialize_with = "nullable")]
    pub cidr: Str,
}
