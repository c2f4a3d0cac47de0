//! VPCs, subnets, interfaces and what addresses and names they have.

use serde::{Deserialize, Serialize};

use super::{InnerState, Tag, is_nowhere, nullable};
use crate::model::object::Origin;
use crate::model::text::Str;

/// A VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Vpc {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Account.
    #[serde(deserialize_with = "nullable")]
    pub owner_id: Str,
    /// The primary IPv4 block.
    #[serde(deserialize_with = "nullable")]
    pub cidr_block: Str,
    /// All IPv4 blocks.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub cidr_block_association_set: Vec<CidrBlockAssociation>,
    /// All IPv6 blocks.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv6_cidr_block_association_set: Vec<CidrBlockAssociation>,
    /// Id of its DHCP options; the literal `default` means that it has none.
    #[serde(deserialize_with = "nullable")]
    pub dhcp_options_id: Str,
    /// Block Public Access, where it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_access_states: Option<BlockPublicAccessStates>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub tags: Vec<Tag>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A block of a VPC or subnet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CidrBlockAssociation {
    /// IPv4.
    #[serde(deserialize_with = "nullable")]
    pub cidr_block: Str,
    /// IPv6.
    #[serde(deserialize_with = "nullable")]
    pub ipv6_cidr_block: Str,
    /// State of an IPv4 block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr_block_state: Option<InnerState>,
    /// State of an IPv6 block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_cidr_block_state: Option<InnerState>,
}

/// What Block Public Access does to a VPC or subnet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockPublicAccessStates {
    /// `off`, `block-bidirectional` or `block-ingress`.
    #[serde(deserialize_with = "nullable")]
    pub internet_gateway_block_mode: Str,
}

/// One DNS attribute of a VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VpcAttribute {
    /// The VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Whether the Amazon-provided resolver answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_dns_support: Option<BoolValue>,
    /// Whether instances get public names; private DNS of endpoints needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_dns_hostnames: Option<BoolValue>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A boolean inside a structure of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BoolValue {
    /// The value; a structure without one cannot be read.
    pub value: bool,
}

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Subnet {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub subnet_id: Str,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Name of its zone.
    #[serde(deserialize_with = "nullable")]
    pub availability_zone: Str,
    /// IPv4 block; empty for an IPv6-only subnet.
    #[serde(deserialize_with = "nullable")]
    pub cidr_block: Str,
    /// IPv6 blocks.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv6_cidr_block_association_set: Vec<CidrBlockAssociation>,
    /// Whether the resolver synthesises IPv6 answers.
    #[serde(rename = "EnableDns64", skip_serializing_if = "Option::is_none")]
    pub enable_dns64: Option<bool>,
    /// Block Public Access, where it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_access_states: Option<BlockPublicAccessStates>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub tags: Vec<Tag>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkInterface {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub network_interface_id: Str,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Its subnet.
    #[serde(deserialize_with = "nullable")]
    pub subnet_id: Str,
    /// Name of its zone.
    #[serde(deserialize_with = "nullable")]
    pub availability_zone: Str,
    /// `interface`, `branch`, `trunk`, `nat_gateway`, `vpc_endpoint`, …
    #[serde(deserialize_with = "nullable")]
    pub interface_type: Str,
    /// Description.
    #[serde(deserialize_with = "nullable")]
    pub description: Str,
    /// `in-use`, `available`, …
    #[serde(deserialize_with = "nullable")]
    pub status: Str,
    /// Primary private IPv4 address.
    #[serde(deserialize_with = "nullable")]
    pub private_ip_address: Str,
    /// All private IPv4 addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub private_ip_addresses: Vec<PrivateAddress>,
    /// Delegated /28 blocks.
    #[serde(rename = "Ipv4Prefixes", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv4_prefixes: Vec<Ipv4Prefix>,
    /// IPv6 addresses.
    #[serde(rename = "Ipv6Addresses", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv6_addresses: Vec<Ipv6Address>,
    /// Delegated /80 blocks.
    #[serde(rename = "Ipv6Prefixes", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv6_prefixes: Vec<Ipv6Prefix>,
    /// Public address of the primary private one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub association: Option<PublicAddress>,
    /// Security groups.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub groups: Vec<GroupIdentifier>,
    /// Whether it drops what is neither from nor to itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_dest_check: Option<bool>,
    /// Whether IPv6 through an internet gateway is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_all_igw_traffic: Option<bool>,
    /// What it is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub tag_set: Vec<Tag>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A private IPv4 address of an interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PrivateAddress {
    /// The address.
    #[serde(deserialize_with = "nullable")]
    pub private_ip_address: Str,
    /// Whether it is the primary one.
    #[serde(deserialize_with = "nullable")]
    pub primary: bool,
    /// Its public address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub association: Option<PublicAddress>,
}

/// A public address that stands for a private one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PublicAddress {
    /// The address.
    #[serde(deserialize_with = "nullable")]
    pub public_ip: Str,
}

/// A delegated IPv4 block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipv4Prefix {
    /// The block.
    #[serde(rename = "Ipv4Prefix", deserialize_with = "nullable")]
    pub ipv4_prefix: Str,
}

/// A delegated IPv6 block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipv6Prefix {
    /// The block.
    #[serde(rename = "Ipv6Prefix", deserialize_with = "nullable")]
    pub ipv6_prefix: Str,
}

/// An IPv6 address of an interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipv6Address {
    /// The address.
    #[serde(rename = "Ipv6Address", deserialize_with = "nullable")]
    pub ipv6_address: Str,
}

/// A security group of an interface or endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GroupIdentifier {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub group_id: Str,
    /// Name.
    #[serde(deserialize_with = "nullable")]
    pub group_name: Str,
}

/// What an interface is attached to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Attachment {
    /// The instance; empty if it is something else.
    #[serde(deserialize_with = "nullable")]
    pub instance_id: Str,
    /// 0 for the primary interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_index: Option<i32>,
    /// 0 for the first card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_card_index: Option<i32>,
    /// `attached`, …
    #[serde(deserialize_with = "nullable")]
    pub status: Str,
}

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Instance {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub instance_id: Str,
    /// State.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<InstanceState>,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Subnet of its primary interface.
    #[serde(deserialize_with = "nullable")]
    pub subnet_id: Str,
    /// Primary private address.
    #[serde(deserialize_with = "nullable")]
    pub private_ip_address: Str,
    /// Its private name, which EKS gives to the node.
    #[serde(deserialize_with = "nullable")]
    pub private_dns_name: Str,
    /// Its interfaces, in less detail than their own list has.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub network_interfaces: Vec<NetworkInterface>,
    /// Groups of its primary interface.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub security_groups: Vec<GroupIdentifier>,
    /// Of its primary interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_dest_check: Option<bool>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub tags: Vec<Tag>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// State of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InstanceState {
    /// `running`, `stopped`, …
    #[serde(deserialize_with = "nullable")]
    pub name: Str,
}

/// A set of DHCP options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DhcpOptions {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub dhcp_options_id: Str,
    /// Options.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub dhcp_configurations: Vec<DhcpConfiguration>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// One DHCP option.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DhcpConfiguration {
    /// Such as `domain-name-servers`.
    #[serde(deserialize_with = "nullable")]
    pub key: Str,
    /// Values.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub values: Vec<TextValue>,
}

/// A text inside a structure of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TextValue {
    /// The text.
    #[serde(deserialize_with = "nullable")]
    pub value: Str,
}
