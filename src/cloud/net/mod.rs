//! The facts of all accounts and regions, ready for look-ups.

mod iface;
mod index;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

pub use iface::{Iface, is_global};

use crate::model::aws::{
    AwsList, AwsScope, DhcpOptions, InternetGateway, NatGateway, NetworkAcl, RouteTable, SecurityGroup,
    SecurityGroupRule, Subnet, TransitGatewayVpcAttachment, Vpc, VpcEndpoint, VpcPeeringConnection,
};
use crate::model::object::Origin as Place;
use crate::model::{AddrSet, Decided, Evidence, Family, ObjectRef, Snapshot, Str};

/// An object with the scope in which it was read.
#[derive(Debug)]
pub struct In<'a, T> {
    /// Index of the scope.
    pub scope: usize,
    /// The object.
    pub it: &'a T,
}

impl<T> Clone for In<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<'_, T> {}

impl<T> std::ops::Deref for In<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.it
    }
}

type ById<'a, T> = FxHashMap<&'a str, In<'a, T>>;

/// A prefix list whose entries were read.
#[derive(Debug)]
struct PrefixEntries {
    /// As they are written: in a route table each counts with its own length.
    nets: Vec<IpNet>,
    sets: [AddrSet; 2],
}

/// An indexed network.
#[derive(Debug)]
pub struct Net<'a> {
    /// The facts.
    pub scopes: &'a [AwsScope],
    sources: &'a [Str],
    vpcs: ById<'a, Vpc>,
    subnets: ById<'a, Subnet>,
    groups: ById<'a, SecurityGroup>,
    group_rules: FxHashMap<&'a str, Vec<&'a SecurityGroupRule>>,
    acl_of_subnet: ById<'a, NetworkAcl>,
    default_acl: ById<'a, NetworkAcl>,
    tables: ById<'a, RouteTable>,
    table_of_subnet: FxHashMap<&'a str, &'a str>,
    main_table: FxHashMap<&'a str, &'a str>,
    internet_gateways: ById<'a, InternetGateway>,
    nat_gateways: ById<'a, NatGateway>,
    endpoints: ById<'a, VpcEndpoint>,
    endpoint_of_iface: FxHashMap<&'a str, &'a str>,
    peerings: ById<'a, VpcPeeringConnection>,
    dhcp_options: ById<'a, DhcpOptions>,
    prefix_lists: FxHashMap<&'a str, PrefixEntries>,
    /// In order of their ids.
    pub ifaces: Vec<Iface<'a>>,
    iface_by_id: FxHashMap<&'a str, u32>,
    by_address: FxHashMap<IpAddr, Vec<u32>>,
    with_prefixes: Vec<u32>,
    by_instance: FxHashMap<&'a str, Vec<u32>>,
    by_group: FxHashMap<&'a str, Vec<u32>>,
    /// States of instances, such as `running`.
    instance_states: FxHashMap<&'a str, &'a str>,
    vpc_blocks: BTreeMap<&'a str, [AddrSet; 2]>,
    /// Blocks inside a subnet that rules speak of: only these tell addresses of one subnet apart.
    narrow: Vec<AddrSet>,
}

fn by_id<'a, T>(scopes: &'a [AwsScope], list: fn(&'a AwsScope) -> &'a [T], id: fn(&'a T) -> &'a Str) -> ById<'a, T> {
    let all = scopes.iter().enumerate().flat_map(|(scope, s)| list(s).iter().map(move |it| (scope, it)));
    all.map(|(scope, it)| (id(it).as_str(), In { scope, it })).collect()
}

/// The blocks of a text, of one family; `None` if one of them is no block.
pub fn blocks<'t>(family: Family, texts: impl IntoIterator<Item = &'t str>) -> Option<AddrSet> {
    let nets: Option<Vec<IpNet>> = texts.into_iter().filter(|t| !t.is_empty()).map(|t| t.parse().ok()).collect();
    Some(AddrSet::from_nets(family, nets?.into_iter().map(|net| net.trunc())))
}

fn is_gone(state: Option<&crate::model::aws::InnerState>) -> bool {
    state.is_some_and(|s| ["disassociated", "failed", "failing"].iter().any(|gone| s.state.eq_ignore_ascii_case(gone)))
}

impl<'a> Net<'a> {
    /// Indexes the AWS facts of a snapshot; `None` if it has none.
    pub fn new(snapshot: &'a Snapshot) -> Option<Self> {
        let scopes = snapshot.aws.as_slice();
        if scopes.is_empty() {
            return None;
        }
        let mut net = Self {
            scopes,
            sources: &snapshot.sources,
            vpcs: by_id(scopes, |s| &s.vpcs, |v| &v.vpc_id),
            subnets: by_id(scopes, |s| &s.subnets, |v| &v.subnet_id),
            groups: by_id(scopes, |s| &s.security_groups, |v| &v.group_id),
            group_rules: FxHashMap::default(),
            acl_of_subnet: FxHashMap::default(),
            default_acl: FxHashMap::default(),
            tables: by_id(scopes, |s| &s.route_tables, |v| &v.route_table_id),
            table_of_subnet: FxHashMap::default(),
            main_table: FxHashMap::default(),
            internet_gateways: by_id(scopes, |s| &s.internet_gateways, |v| &v.internet_gateway_id),
            nat_gateways: by_id(scopes, |s| &s.nat_gateways, |v| &v.nat_gateway_id),
            endpoints: by_id(scopes, |s| &s.vpc_endpoints, |v| &v.vpc_endpoint_id),
            endpoint_of_iface: FxHashMap::default(),
            peerings: by_id(scopes, |s| &s.vpc_peering_connections, |v| &v.vpc_peering_connection_id),
            dhcp_options: by_id(scopes, |s| &s.dhcp_options, |v| &v.dhcp_options_id),
            prefix_lists: FxHashMap::default(),
            ifaces: Vec::new(),
            iface_by_id: FxHashMap::default(),
            by_address: FxHashMap::default(),
            with_prefixes: Vec::new(),
            by_instance: FxHashMap::default(),
            by_group: FxHashMap::default(),
            instance_states: FxHashMap::default(),
            vpc_blocks: BTreeMap::new(),
            narrow: Vec::new(),
        };
        net.index_links();
        net.index_blocks();
        net.index_ifaces();
        net.index_narrow();
        Some(net)
    }

    /// Which of the blocks that tell addresses of one subnet apart hold an address.
    pub fn narrow_blocks(&self, from: &AddrSet) -> Vec<u32> {
        (0u32..).zip(&self.narrow).filter(|(_, block)| !block.is_disjoint(from)).map(|(i, _)| i).collect()
    }

    /// Whether a list was read whole in a scope.
    pub fn has(&self, scope: usize, list: AwsList) -> bool {
        self.scopes[scope].has(list)
    }

    /// Why nothing can be concluded from a list of a scope.
    pub fn not_collected(&self, scope: usize, list: AwsList) -> String {
        use crate::model::CoverageState;
        let name = self.scopes[scope].name();
        match self.scopes[scope].read.get(&list) {
            Some(CoverageState::Forbidden) => {
                format!("{} of {name} may not be read with these credentials ({})", list.key(), list.operation())
            }
            Some(CoverageState::Failed(why)) => format!("{} of {name} could not be read: {why}", list.key()),
            _ => format!("{} of {name} were not collected (aws {} {})", list.key(), list.service(), list.operation()),
        }
    }

    /// A VPC.
    pub fn vpc(&self, id: &str) -> Option<In<'a, Vpc>> {
        self.vpcs.get(id).copied()
    }

    /// The blocks of a VPC in a family; `None` if the VPC was not read.
    pub fn vpc_blocks(&self, id: &str, family: Family) -> Option<&AddrSet> {
        self.vpc_blocks.get(id).map(|sets| &sets[family as usize])
    }

    /// What of a set may be inside a VPC of a scope: in the blocks of those that were read.
    pub fn inside(&self, scope: usize, set: &AddrSet) -> AddrSet {
        let vpcs = self.scopes[scope].vpcs.iter().filter_map(|vpc| self.vpc_blocks(&vpc.vpc_id, set.family()));
        vpcs.fold(AddrSet::empty(set.family()), |sum, blocks| sum.union(&set.intersection(blocks)))
    }

    /// A subnet.
    pub fn subnet(&self, id: &str) -> Option<In<'a, Subnet>> {
        self.subnets.get(id).copied()
    }

    /// The blocks of a subnet in a family.
    pub fn subnet_blocks(&self, id: &str, family: Family) -> Option<AddrSet> {
        let subnet = self.subnet(id)?;
        let v6 = subnet.it.ipv6_cidr_block_association_set.iter();
        let v6 = v6.filter(|a| !is_gone(a.ipv6_cidr_block_state.as_ref())).map(|a| a.ipv6_cidr_block.as_str());
        blocks(family, v6.chain([subnet.it.cidr_block.as_str()]))
    }

    /// A security group.
    pub fn group(&self, id: &str) -> Option<In<'a, SecurityGroup>> {
        self.groups.get(id).copied()
    }

    /// The rules of a security group that have ids of their own.
    pub fn group_rules(&self, id: &str) -> &[&'a SecurityGroupRule] {
        self.group_rules.get(id).map_or(&[], Vec::as_slice)
    }

    /// The ACL of a subnet.
    ///
    /// # Errors
    ///
    /// Why it is not known.
    pub fn acl(&self, subnet: &str) -> Result<In<'a, NetworkAcl>, String> {
        if let Some(acl) = self.acl_of_subnet.get(subnet) {
            return Ok(*acl);
        }
        let Some(subnet) = self.subnet(subnet) else {
            return Err(format!("subnet {subnet} was not read, so its network ACL is not known"));
        };
        if !self.has(subnet.scope, AwsList::NetworkAcls) {
            return Err(self.not_collected(subnet.scope, AwsList::NetworkAcls));
        }
        // A subnet without an association of its own has the VPC's default ACL.
        let default = self.default_acl.get(subnet.vpc_id.as_str()).copied();
        default.ok_or_else(|| format!("no network ACL of subnet {} was read", subnet.subnet_id))
    }

    /// The route table of a subnet: its own, else the VPC's main one.
    ///
    /// # Errors
    ///
    /// Why it is not known.
    pub fn table_of(&self, subnet: &str) -> Result<In<'a, RouteTable>, String> {
        if let Some(table) = self.table_of_subnet.get(subnet) {
            return Ok(self.tables[table]);
        }
        let Some(subnet) = self.subnet(subnet) else {
            return Err(format!("subnet {subnet} was not read, so its route table is not known"));
        };
        // The main table is only the subnet's if no other names it: the list must be whole.
        if !self.has(subnet.scope, AwsList::RouteTables) {
            return Err(self.not_collected(subnet.scope, AwsList::RouteTables));
        }
        let main = self.main_table.get(subnet.vpc_id.as_str()).map(|table| self.tables[table]);
        main.ok_or_else(|| format!("no route table of subnet {} was read", subnet.subnet_id))
    }

    /// A route table by id.
    pub fn table(&self, id: &str) -> Option<In<'a, RouteTable>> {
        self.tables.get(id).copied()
    }

    /// An internet gateway, or an egress-only one.
    pub fn internet_gateway(&self, id: &str) -> Option<In<'a, InternetGateway>> {
        self.internet_gateways.get(id).copied()
    }

    /// A NAT gateway.
    pub fn nat_gateway(&self, id: &str) -> Option<In<'a, NatGateway>> {
        self.nat_gateways.get(id).copied()
    }

    /// A VPC endpoint.
    pub fn endpoint(&self, id: &str) -> Option<In<'a, VpcEndpoint>> {
        self.endpoints.get(id).copied()
    }

    /// The endpoints of a VPC, in order of their ids.
    pub fn endpoints_of(&self, vpc: &str) -> Vec<In<'a, VpcEndpoint>> {
        let mut found: Vec<_> = self.endpoints.values().filter(|e| e.vpc_id == *vpc).copied().collect();
        found.sort_by(|a, b| a.it.vpc_endpoint_id.cmp(&b.it.vpc_endpoint_id));
        found
    }

    /// The interface endpoint that an interface belongs to.
    pub fn endpoint_of_iface(&self, iface: &str) -> Option<In<'a, VpcEndpoint>> {
        self.endpoint_of_iface.get(iface).and_then(|id| self.endpoint(id))
    }

    /// A peering connection.
    pub fn peering(&self, id: &str) -> Option<In<'a, VpcPeeringConnection>> {
        self.peerings.get(id).copied()
    }

    /// A set of DHCP options.
    pub fn dhcp_options(&self, id: &str) -> Option<In<'a, DhcpOptions>> {
        self.dhcp_options.get(id).copied()
    }

    /// The attachment of a VPC to a transit gateway.
    pub fn transit_attachment(&self, gateway: &str, vpc: &str) -> Option<In<'a, TransitGatewayVpcAttachment>> {
        let all = self.scopes.iter().enumerate();
        let all = all.flat_map(|(scope, s)| s.transit_gateway_vpc_attachments.iter().map(move |it| In { scope, it }));
        let live = |a: &In<'_, TransitGatewayVpcAttachment>| !["deleted", "deleting"].contains(&a.state.as_str());
        let mut found: Vec<_> = all.filter(|a| a.transit_gateway_id == *gateway && a.vpc_id == *vpc).collect();
        found.sort_by_key(|a| !live(a));
        found.first().copied()
    }

    /// The addresses of a prefix list in a family; `None` if its entries were not read.
    pub fn prefix_list(&self, id: &str, family: Family) -> Option<&AddrSet> {
        self.prefix_lists.get(id).map(|list| &list.sets[family as usize])
    }

    /// The entries of a prefix list, as they are written; `None` if they were not read.
    pub fn prefix_entries(&self, id: &str) -> Option<&[IpNet]> {
        self.prefix_lists.get(id).map(|list| list.nets.as_slice())
    }

    /// An interface by id.
    pub fn iface(&self, id: &str) -> Option<&Iface<'a>> {
        self.iface_by_id.get(id).map(|i| &self.ifaces[*i as usize])
    }

    /// The interfaces of an instance.
    pub fn ifaces_of_instance(&self, id: &str) -> impl Iterator<Item = &Iface<'a>> {
        self.by_instance.get(id).into_iter().flatten().map(|i| &self.ifaces[*i as usize])
    }

    /// The first interface of an instance.
    pub fn primary_of(&self, instance: &str) -> Option<&Iface<'a>> {
        self.ifaces_of_instance(instance).find(|i| i.is_primary)
    }

    /// Interfaces that hold an address, in any VPC: blocks of unlike VPCs may overlap.
    pub fn holders(&self, ip: IpAddr) -> impl Iterator<Item = &Iface<'a>> {
        let own = self.by_address.get(&ip).into_iter().flatten();
        let delegated = self.with_prefixes.iter().filter(move |i| self.ifaces[**i as usize].holds(ip));
        let mut all: Vec<u32> = own.chain(delegated).copied().collect();
        all.dedup();
        all.into_iter().map(|i| &self.ifaces[i as usize])
    }

    /// The state of an instance, where it was read.
    pub fn instance_state(&self, id: &str) -> Option<&'a str> {
        self.instance_states.get(id).copied().filter(|state| !state.is_empty())
    }

    /// Interfaces that carry a security group.
    pub fn carriers(&self, group: &str) -> impl Iterator<Item = &Iface<'a>> {
        self.by_group.get(group).into_iter().flatten().map(|i| &self.ifaces[*i as usize])
    }

    /// An object as evidence.
    pub fn cite(&self, kind: &str, id: &str, path: Option<String>, place: Place, decided: Decided) -> Evidence {
        Evidence {
            object: ObjectRef { kind: kind.into(), namespace: None, name: id.into() },
            path,
            file: (place.line > 0).then(|| self.sources.get(place.source as usize).cloned()).flatten(),
            line: (place.line > 0).then_some(place.line),
            resource_version: None,
            field_manager: None,
            decided,
            detail: None,
        }
    }
}
