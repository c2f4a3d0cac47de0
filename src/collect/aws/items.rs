//! What the objects of all lists have in common, and a way to go over the lists of a scope.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::super::lines::Lines;
use crate::model::aws::{
    AwsList, AwsScope, BlockPublicAccessExclusion, BlockPublicAccessOptions, DhcpOptions, FirewallDomains,
    FirewallRule, FirewallRuleGroupAssociation, Instance, InternetGateway, NatGateway, NetworkAcl, NetworkInterface,
    PrefixList, PrefixListEntries, ResolverRule, ResolverRuleAssociation, RouteTable, SecurityGroup, SecurityGroupRule,
    SecurityGroupVpcAssociation, Subnet, TransitGatewayVpcAttachment, Vpc, VpcAttribute, VpcEndpoint,
    VpcPeeringConnection, VpnGateway,
};
use crate::model::object::Origin;

/// An object of a list.
pub(crate) trait Item: Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned {
    /// The field that holds its id; empty if the service gives none.
    const ID: &'static str;

    /// What tells it from the others of its list.
    fn id(&self) -> Cow<'_, str>;

    /// Where it was read.
    fn origin(&mut self) -> &mut Origin;

    /// Sets the lines of its parts that have lines of their own; `text` is its JSON, a part of what `lines` tells.
    fn place_parts(&mut self, _text: &str, _lines: &Lines<'_>) {}

    /// Takes from it where it was read.
    fn displace(&mut self) {
        *self.origin() = Origin::default();
    }
}

macro_rules! items {
    ($($kind:ident $id:ident $field:literal;)+) => {
        $(impl Item for $kind {
            const ID: &'static str = $field;

            fn id(&self) -> Cow<'_, str> {
                Cow::Borrowed(&self.$id)
            }

            fn origin(&mut self) -> &mut Origin {
                &mut self.origin
            }
        })+
    };
}

items! {
    Vpc vpc_id "VpcId";
    Subnet subnet_id "SubnetId";
    NetworkInterface network_interface_id "NetworkInterfaceId";
    Instance instance_id "InstanceId";
    SecurityGroup group_id "GroupId";
    SecurityGroupRule security_group_rule_id "SecurityGroupRuleId";
    NatGateway nat_gateway_id "NatGatewayId";
    VpcEndpoint vpc_endpoint_id "VpcEndpointId";
    PrefixList prefix_list_id "PrefixListId";
    PrefixListEntries prefix_list_id "PrefixListId";
    DhcpOptions dhcp_options_id "DhcpOptionsId";
    VpcPeeringConnection vpc_peering_connection_id "VpcPeeringConnectionId";
    TransitGatewayVpcAttachment transit_gateway_attachment_id "TransitGatewayAttachmentId";
    VpnGateway vpn_gateway_id "VpnGatewayId";
    BlockPublicAccessExclusion exclusion_id "ExclusionId";
    FirewallRuleGroupAssociation id "Id";
    FirewallDomains firewall_domain_list_id "FirewallDomainListId";
    ResolverRuleAssociation id "Id";
    ResolverRule id "Id";
}

impl Item for VpcAttribute {
    const ID: &'static str = "VpcId";

    fn id(&self) -> Cow<'_, str> {
        if self.vpc_id.is_empty() {
            return Cow::Borrowed("");
        }
        let names =
            [(&self.enable_dns_support, "enableDnsSupport"), (&self.enable_dns_hostnames, "enableDnsHostnames")];
        let names: String = names.iter().filter(|(is, _)| is.is_some()).flat_map(|(_, name)| [".", *name]).collect();
        Cow::Owned(format!("{}{names}", self.vpc_id))
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }
}

impl Item for InternetGateway {
    const ID: &'static str = "InternetGatewayId";

    fn id(&self) -> Cow<'_, str> {
        let is_egress_only = self.internet_gateway_id.is_empty();
        Cow::Borrowed(if is_egress_only { &self.egress_only_internet_gateway_id } else { &self.internet_gateway_id })
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }
}

impl Item for SecurityGroupVpcAssociation {
    const ID: &'static str = "GroupId";

    fn id(&self) -> Cow<'_, str> {
        if self.group_id.is_empty() {
            return Cow::Borrowed("");
        }
        Cow::Owned(format!("{} in {}", self.group_id, self.vpc_id))
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }
}

impl Item for FirewallRule {
    const ID: &'static str = "FirewallRuleGroupId";

    /// It has no id of its own, but of one group and priority there is one only.
    fn id(&self) -> Cow<'_, str> {
        if self.firewall_rule_group_id.is_empty() {
            return Cow::Borrowed("");
        }
        Cow::Owned(format!("{}#{}", self.firewall_rule_group_id, self.priority))
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }
}

impl Item for BlockPublicAccessOptions {
    const ID: &'static str = "";

    /// A region has one setting.
    fn id(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }
}

impl Item for NetworkAcl {
    const ID: &'static str = "NetworkAclId";

    fn id(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.network_acl_id)
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }

    fn place_parts(&mut self, text: &str, lines: &Lines<'_>) {
        for (entry, part) in self.entries.iter_mut().zip(parts(text, "Entries")) {
            entry.line = lines.of(part);
        }
    }

    fn displace(&mut self) {
        self.origin = Origin::default();
        self.entries.iter_mut().for_each(|entry| entry.line = 0);
    }
}

impl Item for RouteTable {
    const ID: &'static str = "RouteTableId";

    fn id(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.route_table_id)
    }

    fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }

    fn place_parts(&mut self, text: &str, lines: &Lines<'_>) {
        for (route, part) in self.routes.iter_mut().zip(parts(text, "Routes")) {
            route.line = lines.of(part);
        }
    }

    fn displace(&mut self) {
        self.origin = Origin::default();
        self.routes.iter_mut().for_each(|route| route.line = 0);
    }
}

/// The texts of the elements of the list that an object has under `key`.
fn parts<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let fields = super::read::fields(text).unwrap_or_default();
    let list = fields.iter().find(|(known, _)| known == key).map(|(_, list)| list.get());
    let list: Option<Vec<&RawValue>> = list.and_then(|list| serde_json::from_str(list).ok());
    list.unwrap_or_default().into_iter().map(RawValue::get).collect()
}

/// Something that is done to every list of a scope.
pub(crate) trait VisitMut {
    /// Does it.
    fn list<T: Item>(&mut self, list: AwsList, items: &mut Vec<T>);
}

/// Something that is told from every list of a scope.
pub(crate) trait Visit {
    /// Looks at one.
    fn list<T: Item>(&mut self, list: AwsList, items: &[T]);
}

macro_rules! lists {
    ($($list:ident $field:ident,)+) => {
        /// Goes over the lists of a scope.
        pub(crate) fn each_mut(scope: &mut AwsScope, visitor: &mut impl VisitMut) {
            $(visitor.list(AwsList::$list, &mut scope.$field);)+
        }

        /// Goes over the lists of a scope.
        pub(crate) fn each(scope: &AwsScope, visitor: &mut impl Visit) {
            $(visitor.list(AwsList::$list, &scope.$field);)+
        }

        /// Adds the objects of another scope, after those that are there.
        pub(crate) fn append(scope: &mut AwsScope, mut later: AwsScope) {
            $(scope.$field.append(&mut later.$field);)+
        }

        /// Gives a scope the objects that another one has in a list, in place of its own.
        pub(crate) fn copy(list: AwsList, from: &AwsScope, to: &mut AwsScope) {
            match list {
                $(AwsList::$list => to.$field.clone_from(&from.$field),)+
            }
        }

        /// Whether two scopes have the same objects in a list.
        pub(crate) fn is_same(list: AwsList, one: &AwsScope, other: &AwsScope) -> bool {
            match list {
                $(AwsList::$list => one.$field == other.$field,)+
            }
        }
    };
}

lists! {
    Vpcs vpcs,
    VpcAttributes vpc_attributes,
    Subnets subnets,
    NetworkInterfaces network_interfaces,
    Instances instances,
    SecurityGroups security_groups,
    SecurityGroupRules security_group_rules,
    SecurityGroupVpcAssociations security_group_vpc_associations,
    NetworkAcls network_acls,
    RouteTables route_tables,
    InternetGateways internet_gateways,
    EgressOnlyInternetGateways egress_only_internet_gateways,
    NatGateways nat_gateways,
    VpcEndpoints vpc_endpoints,
    PrefixLists prefix_lists,
    PrefixListEntries prefix_list_entries,
    DhcpOptions dhcp_options,
    VpcPeeringConnections vpc_peering_connections,
    TransitGatewayVpcAttachments transit_gateway_vpc_attachments,
    VpnGateways vpn_gateways,
    BlockPublicAccessOptions block_public_access_options,
    BlockPublicAccessExclusions block_public_access_exclusions,
    FirewallRuleGroupAssociations firewall_rule_group_associations,
    FirewallRules firewall_rules,
    FirewallDomains firewall_domains,
    ResolverRuleAssociations resolver_rule_associations,
    ResolverRules resolver_rules,
}
