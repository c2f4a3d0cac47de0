//! What traffic passes on its way: routes, gateways, endpoints, peerings.

use serde::{Deserialize, Serialize};

use super::{GroupIdentifier, InnerState, is_nowhere, is_zero, nullable};
use crate::model::object::Origin;
use crate::model::text::Str;

/// A route table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RouteTable {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub route_table_id: Str,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Subnets and gateways that use it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub associations: Vec<RouteTableAssociation>,
    /// Routes.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub routes: Vec<Route>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// Who uses a route table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RouteTableAssociation {
    /// Subnets without an association of their own.
    #[serde(deserialize_with = "nullable")]
    pub main: bool,
    /// A subnet.
    #[serde(deserialize_with = "nullable")]
    pub subnet_id: Str,
    /// A gateway.
    #[serde(deserialize_with = "nullable")]
    pub gateway_id: Str,
    /// State.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub association_state: Option<InnerState>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Route {
    /// IPv4 block.
    #[serde(deserialize_with = "nullable")]
    pub destination_cidr_block: Str,
    /// IPv6 block.
    #[serde(rename = "DestinationIpv6CidrBlock", deserialize_with = "nullable")]
    pub destination_ipv6_cidr_block: Str,
    /// Prefix list.
    #[serde(deserialize_with = "nullable")]
    pub destination_prefix_list_id: Str,
    /// `local`, `igw-…`, `vgw-…` or `vpce-…`.
    #[serde(deserialize_with = "nullable")]
    pub gateway_id: Str,
    /// NAT gateway.
    #[serde(deserialize_with = "nullable")]
    pub nat_gateway_id: Str,
    /// Egress-only internet gateway.
    #[serde(deserialize_with = "nullable")]
    pub egress_only_internet_gateway_id: Str,
    /// Transit gateway.
    #[serde(deserialize_with = "nullable")]
    pub transit_gateway_id: Str,
    /// Peering connection.
    #[serde(deserialize_with = "nullable")]
    pub vpc_peering_connection_id: Str,
    /// Interface of an appliance.
    #[serde(deserialize_with = "nullable")]
    pub network_interface_id: Str,
    /// Instance of an appliance.
    #[serde(deserialize_with = "nullable")]
    pub instance_id: Str,
    /// Local gateway.
    #[serde(deserialize_with = "nullable")]
    pub local_gateway_id: Str,
    /// Carrier gateway.
    #[serde(deserialize_with = "nullable")]
    pub carrier_gateway_id: Str,
    /// Core network.
    #[serde(deserialize_with = "nullable")]
    pub core_network_arn: Str,
    /// ODB network.
    #[serde(deserialize_with = "nullable")]
    pub odb_network_arn: Str,
    /// Address of a next hop.
    #[serde(deserialize_with = "nullable")]
    pub ip_address: Str,
    /// How it came: `CreateRoute`, `CreateRouteTable` or `EnableVgwRoutePropagation`.
    #[serde(rename = "Origin", deserialize_with = "nullable")]
    pub origin_of: Str,
    /// `active`, `blackhole` or `filtered`.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// Line in its source, from 1; 0 where it is not known.
    #[serde(rename = "ReadFromLine", skip_serializing_if = "is_zero")]
    pub line: u32,
}

/// An internet gateway, or an egress-only one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InternetGateway {
    /// Id of an internet gateway.
    #[serde(deserialize_with = "nullable")]
    pub internet_gateway_id: Str,
    /// Id of an egress-only one.
    #[serde(deserialize_with = "nullable")]
    pub egress_only_internet_gateway_id: Str,
    /// Its VPC.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub attachments: Vec<VpcAttachment>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// The VPC of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VpcAttachment {
    /// The VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// `available` or `attached`.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
}

/// A NAT gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NatGateway {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub nat_gateway_id: Str,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Its subnet; none for a regional one.
    #[serde(deserialize_with = "nullable")]
    pub subnet_id: Str,
    /// `available`, `failed`, `deleted`, …
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// `public` (and where absent) or `private`.
    #[serde(deserialize_with = "nullable")]
    pub connectivity_type: Str,
    /// `zonal` (and where absent) or `regional`.
    #[serde(deserialize_with = "nullable")]
    pub availability_mode: Str,
    /// Route table of a regional one.
    #[serde(deserialize_with = "nullable")]
    pub route_table_id: Str,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub nat_gateway_addresses: Vec<NatGatewayAddress>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// An address of a NAT gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NatGatewayAddress {
    /// Public.
    #[serde(deserialize_with = "nullable")]
    pub public_ip: Str,
    /// Private.
    #[serde(deserialize_with = "nullable")]
    pub private_ip: Str,
    /// Its interface.
    #[serde(deserialize_with = "nullable")]
    pub network_interface_id: Str,
    /// Zone, of a regional one.
    #[serde(deserialize_with = "nullable")]
    pub availability_zone: Str,
    /// `succeeded`, …
    #[serde(deserialize_with = "nullable")]
    pub status: Str,
}

/// A VPC endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VpcEndpoint {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub vpc_endpoint_id: Str,
    /// `Interface`, `Gateway` or `GatewayLoadBalancer`.
    #[serde(deserialize_with = "nullable")]
    pub vpc_endpoint_type: Str,
    /// Its VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Such as `com.amazonaws.us-east-1.ecr.api`.
    #[serde(deserialize_with = "nullable")]
    pub service_name: Str,
    /// `available`, …
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// JSON of its policy.
    #[serde(deserialize_with = "nullable")]
    pub policy_document: Str,
    /// Route tables that lead to it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub route_table_ids: Vec<Str>,
    /// Its subnets.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub subnet_ids: Vec<Str>,
    /// Security groups of its interfaces.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub groups: Vec<GroupIdentifier>,
    /// Whether its names replace the public ones in the VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_dns_enabled: Option<bool>,
    /// Its interfaces.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub network_interface_ids: Vec<Str>,
    /// Its names.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub dns_entries: Vec<DnsEntry>,
    /// More about its names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_options: Option<DnsOptions>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A name of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DnsEntry {
    /// The name; may begin with `*.`.
    #[serde(deserialize_with = "nullable")]
    pub dns_name: Str,
}

/// DNS options of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DnsOptions {
    /// Private names are for callers from outside only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_dns_only_for_inbound_resolver_endpoint: Option<bool>,
}

/// A peering connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VpcPeeringConnection {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub vpc_peering_connection_id: Str,
    /// Status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<PeeringStatus>,
    /// One end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepter_vpc_info: Option<PeeringVpc>,
    /// The other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester_vpc_info: Option<PeeringVpc>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// Status of a peering connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PeeringStatus {
    /// `active`, …
    #[serde(deserialize_with = "nullable")]
    pub code: Str,
}

/// One end of a peering connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PeeringVpc {
    /// The VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Its primary block.
    #[serde(deserialize_with = "nullable")]
    pub cidr_block: Str,
    /// IPv4 blocks.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub cidr_block_set: Vec<PeeringBlock>,
    /// IPv6 blocks.
    #[serde(rename = "Ipv6CidrBlockSet", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ipv6_cidr_block_set: Vec<PeeringBlock>,
}

/// A block of a peered VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PeeringBlock {
    /// IPv4.
    #[serde(deserialize_with = "nullable")]
    pub cidr_block: Str,
    /// IPv6.
    #[serde(rename = "Ipv6CidrBlock", deserialize_with = "nullable")]
    pub ipv6_cidr_block: Str,
}

/// An attachment of a VPC to a transit gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TransitGatewayVpcAttachment {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub transit_gateway_attachment_id: Str,
    /// The gateway.
    #[serde(deserialize_with = "nullable")]
    pub transit_gateway_id: Str,
    /// The VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// `available`, …
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// One subnet in each zone that it serves.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub subnet_ids: Vec<Str>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A virtual private gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VpnGateway {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub vpn_gateway_id: Str,
    /// State.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// Its VPC.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub vpc_attachments: Vec<VpcAttachment>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// Block Public Access of a region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockPublicAccessOptions {
    /// `off`, `block-bidirectional` or `block-ingress`.
    #[serde(deserialize_with = "nullable")]
    pub internet_gateway_block_mode: Str,
    /// State.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// An exclusion from Block Public Access.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockPublicAccessExclusion {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub exclusion_id: Str,
    /// The VPC or subnet.
    #[serde(deserialize_with = "nullable")]
    pub resource_arn: Str,
    /// `allow-bidirectional` or `allow-egress`.
    #[serde(deserialize_with = "nullable")]
    pub internet_gateway_exclusion_mode: Str,
    /// State.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}
