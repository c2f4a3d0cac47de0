//! Facts about an AWS network, as `aws ec2 describe-*` prints them.
//!
//! One model serves live and saved input: field names are those of the EC2 API in PascalCase, unknown fields are
//! ignored, `null` lists are empty, and enumerations are kept as the text of the wire, because what the service sends
//! is not always what its model declares (`available` against `Available`).

mod edge;
mod group;
mod network;
mod resolver;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

pub use edge::*;
pub use group::*;
pub use network::*;
pub use resolver::*;

use super::object::Origin;
use super::snapshot::CoverageState;
use super::text::Str;

/// What was read of one account and region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsScope {
    /// Account id, where the folder's layout or the reader told it; else empty.
    pub account: Str,
    /// Region, where the folder's layout or the reader told it; else empty.
    pub region: Str,
    /// How completely each list was read. A list that is absent here was not collected: nothing may be concluded
    /// from it. An empty list that was read is a fact.
    pub read: BTreeMap<AwsList, CoverageState>,
    /// VPCs.
    pub vpcs: Vec<Vpc>,
    /// DNS attributes of VPCs.
    pub vpc_attributes: Vec<VpcAttribute>,
    /// Subnets.
    pub subnets: Vec<Subnet>,
    /// Network interfaces.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Instances.
    pub instances: Vec<Instance>,
    /// Security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// Their rules with ids of their own.
    pub security_group_rules: Vec<SecurityGroupRule>,
    /// VPCs that a shared security group is associated with.
    pub security_group_vpc_associations: Vec<SecurityGroupVpcAssociation>,
    /// Network ACLs.
    pub network_acls: Vec<NetworkAcl>,
    /// Route tables.
    pub route_tables: Vec<RouteTable>,
    /// Internet gateways.
    pub internet_gateways: Vec<InternetGateway>,
    /// Egress-only internet gateways.
    pub egress_only_internet_gateways: Vec<InternetGateway>,
    /// NAT gateways.
    pub nat_gateways: Vec<NatGateway>,
    /// VPC endpoints.
    pub vpc_endpoints: Vec<VpcEndpoint>,
    /// Prefix lists.
    pub prefix_lists: Vec<PrefixList>,
    /// Entries of prefix lists, which are read one list at a time.
    pub prefix_list_entries: Vec<PrefixListEntries>,
    /// DHCP option sets.
    pub dhcp_options: Vec<DhcpOptions>,
    /// Peering connections.
    pub vpc_peering_connections: Vec<VpcPeeringConnection>,
    /// Attachments of VPCs to transit gateways.
    pub transit_gateway_vpc_attachments: Vec<TransitGatewayVpcAttachment>,
    /// Virtual private gateways.
    pub vpn_gateways: Vec<VpnGateway>,
    /// Settings of Block Public Access.
    pub block_public_access_options: Vec<BlockPublicAccessOptions>,
    /// Exclusions from Block Public Access.
    pub block_public_access_exclusions: Vec<BlockPublicAccessExclusion>,
    /// Rule groups of DNS Firewall that VPCs use.
    pub firewall_rule_group_associations: Vec<FirewallRuleGroupAssociation>,
    /// Rules of DNS Firewall.
    pub firewall_rules: Vec<FirewallRule>,
    /// Domains of its domain lists, which are read one list at a time.
    pub firewall_domains: Vec<FirewallDomains>,
    /// Rules of the resolver that VPCs use.
    pub resolver_rule_associations: Vec<ResolverRuleAssociation>,
    /// Rules of the resolver.
    pub resolver_rules: Vec<ResolverRule>,
}

macro_rules! lists {
    ($($(#[$doc:meta])* $variant:ident $key:literal $operation:literal $must:literal;)+) => {
        /// One list of the EC2 API, or of Route 53 Resolver.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum AwsList {
            $($(#[$doc])* $variant,)+
        }

        impl AwsList {
            /// Every list.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The service that it is a list of, as the command line names it.
            pub fn service(self) -> &'static str {
                match self {
                    Self::FirewallRuleGroupAssociations
                    | Self::FirewallRules
                    | Self::FirewallDomains
                    | Self::ResolverRuleAssociations
                    | Self::ResolverRules => "route53resolver",
                    _ => "ec2",
                }
            }

            /// The key of the list in `aws ec2 describe-* --output json`.
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)+ }
            }

            /// The operation that reads it, as the command line names it.
            pub fn operation(self) -> &'static str {
                match self { $(Self::$variant => $operation,)+ }
            }

            /// The action of IAM that lets one do so: the operation as the API names it.
            pub fn action(self) -> String {
                let word = |word: &str| -> String {
                    let mut letters = word.chars();
                    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
                };
                format!("{}:{}", self.service(), self.operation().split('-').map(word).collect::<String>())
            }

            /// Whether an audit cannot do without it: where it was not collected, what rests on it is unknown.
            /// The others are assumed to hold nothing, unless a document that was read refers to them.
            pub fn is_must(self) -> bool {
                match self { $(Self::$variant => $must,)+ }
            }
        }
    };
}

lists! {
    /// `describe-vpcs`.
    Vpcs "Vpcs" "describe-vpcs" true;
    /// `describe-vpc-attribute`, one attribute of one VPC at a time.
    VpcAttributes "VpcAttributes" "describe-vpc-attribute" true;
    /// `describe-subnets`.
    Subnets "Subnets" "describe-subnets" true;
    /// `describe-network-interfaces`.
    NetworkInterfaces "NetworkInterfaces" "describe-network-interfaces" true;
    /// `describe-instances`: reservations, each with its instances.
    Instances "Reservations" "describe-instances" false;
    /// `describe-security-groups`.
    SecurityGroups "SecurityGroups" "describe-security-groups" true;
    /// `describe-security-group-rules`.
    SecurityGroupRules "SecurityGroupRules" "describe-security-group-rules" true;
    /// `describe-security-group-vpc-associations`.
    SecurityGroupVpcAssociations "SecurityGroupVpcAssociations" "describe-security-group-vpc-associations" false;
    /// `describe-network-acls`.
    NetworkAcls "NetworkAcls" "describe-network-acls" true;
    /// `describe-route-tables`.
    RouteTables "RouteTables" "describe-route-tables" true;
    /// `describe-internet-gateways`.
    InternetGateways "InternetGateways" "describe-internet-gateways" true;
    /// `describe-egress-only-internet-gateways`.
    EgressOnlyInternetGateways "EgressOnlyInternetGateways" "describe-egress-only-internet-gateways" true;
    /// `describe-nat-gateways`.
    NatGateways "NatGateways" "describe-nat-gateways" true;
    /// `describe-vpc-endpoints`.
    VpcEndpoints "VpcEndpoints" "describe-vpc-endpoints" true;
    /// `describe-managed-prefix-lists`, or the older `describe-prefix-lists`.
    PrefixLists "PrefixLists" "describe-managed-prefix-lists" true;
    /// `get-managed-prefix-list-entries`, one list at a time.
    PrefixListEntries "Entries" "get-managed-prefix-list-entries" true;
    /// `describe-dhcp-options`.
    DhcpOptions "DhcpOptions" "describe-dhcp-options" true;
    /// `describe-vpc-peering-connections`.
    VpcPeeringConnections "VpcPeeringConnections" "describe-vpc-peering-connections" false;
    /// `describe-transit-gateway-vpc-attachments`.
    TransitGatewayVpcAttachments "TransitGatewayVpcAttachments" "describe-transit-gateway-vpc-attachments" false;
    /// `describe-vpn-gateways`.
    VpnGateways "VpnGateways" "describe-vpn-gateways" false;
    /// `describe-vpc-block-public-access-options`.
    BlockPublicAccessOptions "VpcBlockPublicAccessOptions" "describe-vpc-block-public-access-options" false;
    /// `describe-vpc-block-public-access-exclusions`.
    BlockPublicAccessExclusions "VpcBlockPublicAccessExclusions" "describe-vpc-block-public-access-exclusions" false;
    /// `list-firewall-rule-group-associations` of Route 53 Resolver.
    FirewallRuleGroupAssociations "FirewallRuleGroupAssociations" "list-firewall-rule-group-associations" false;
    /// `list-firewall-rules`, one rule group at a time.
    FirewallRules "FirewallRules" "list-firewall-rules" false;
    /// `list-firewall-domains`, one domain list at a time.
    FirewallDomains "Domains" "list-firewall-domains" false;
    /// `list-resolver-rule-associations`.
    ResolverRuleAssociations "ResolverRuleAssociations" "list-resolver-rule-associations" false;
    /// `list-resolver-rules`.
    ResolverRules "ResolverRules" "list-resolver-rules" false;
}

impl AwsScope {
    /// Whether a list was read whole.
    pub fn has(&self, list: AwsList) -> bool {
        self.read.get(&list) == Some(&CoverageState::Read)
    }

    /// How the scope is called: `account/region`, as far as they are known.
    pub fn name(&self) -> String {
        match (self.account.is_empty(), self.region.is_empty()) {
            (false, false) => format!("{}/{}", self.account, self.region),
            (true, false) => self.region.to_string(),
            (false, true) => self.account.to_string(),
            (true, true) => "aws".to_owned(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
pub(super) fn is_nowhere(origin: &Origin) -> bool {
    *origin == Origin::default()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
pub(super) fn is_zero(line: &u32) -> bool {
    *line == 0
}

/// `null` where a list is meant: collectors write it for an empty one.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tag {
    /// Key.
    #[serde(deserialize_with = "nullable")]
    pub key: Str,
    /// Value.
    #[serde(deserialize_with = "nullable")]
    pub value: Str,
}

/// A state inside a structure of its own: `{"State": "associated"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InnerState {
    /// The state.
    #[serde(deserialize_with = "nullable")]
    pub state: Str,
}
