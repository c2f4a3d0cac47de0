//! Network interfaces, read for their addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::aws::NetworkInterface;
use crate::model::object::Origin as Place;
use crate::model::{Family, Str};

/// A network interface, read for its addresses.
#[derive(Clone, Debug)]
pub struct Iface<'a> {
    /// Scope in which it was read.
    pub scope: usize,
    /// Id.
    pub id: &'a Str,
    /// Its VPC.
    pub vpc: &'a Str,
    /// Its subnet.
    pub subnet: &'a Str,
    /// Its security groups.
    pub groups: Vec<&'a Str>,
    /// Its addresses, each with whether a public one stands for it.
    pub addresses: Vec<(IpAddr, bool)>,
    /// Blocks that were delegated to it.
    pub prefixes: Vec<IpNet>,
    /// The instance that it belongs to.
    pub instance: Option<&'a Str>,
    /// The first interface of its instance.
    pub is_primary: bool,
    /// A branch interface, which belongs to one pod.
    pub is_branch: bool,
    /// Whether it drops what is neither from nor to itself.
    pub source_dest_check: Option<bool>,
    /// Whether IPv6 through an internet gateway is dropped.
    pub deny_igw: bool,
    /// Where it was read.
    pub origin: Place,
}

impl Iface<'_> {
    /// Whether an address is its own, or of a block that was delegated to it.
    pub fn holds(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == ip) || self.prefixes.iter().any(|block| block.contains(&ip))
    }

    /// Its first address of a family.
    pub fn first(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().map(|(ip, _)| *ip).find(|ip| Family::of(*ip) == family)
    }
}

/// Whether an IPv6 address of a VPC is a public one: all are, but the unique-local ones (RFC 4193).
pub fn is_global(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if !v6.is_unique_local())
}

/// Reads an interface for its addresses. `instance`: the one under which it is listed.
pub(super) fn iface<'a>(scope: usize, it: &'a NetworkInterface, instance: Option<&'a Str>) -> Iface<'a> {
    let attachment = it.attachment.as_ref();
    let primary_has_public = it.association.as_ref().is_some_and(|a| !a.public_ip.is_empty());
    let mut addresses: Vec<(IpAddr, bool)> = Vec::new();
    if let Ok(ip) = it.private_ip_address.parse() {
        addresses.push((ip, primary_has_public));
    }
    for address in &it.private_ip_addresses {
        let Ok(ip) = address.private_ip_address.parse() else { continue };
        let public = address.association.as_ref().is_some_and(|a| !a.public_ip.is_empty());
        match addresses.iter_mut().find(|(known, _)| *known == ip) {
            Some((_, known)) => *known |= public,
            None => addresses.push((ip, public)),
        }
    }
    let v6 = it.ipv6_addresses.iter().filter_map(|a| a.ipv6_address.parse().ok());
    addresses.extend(v6.map(|ip: IpAddr| (ip, is_global(ip))));
    let v4 = it.ipv4_prefixes.iter().map(|p| &p.ipv4_prefix);
    let prefixes = v4.chain(it.ipv6_prefixes.iter().map(|p| &p.ipv6_prefix)).filter_map(|p| p.parse().ok()).collect();
    let attached = attachment.map(|a| &a.instance_id).filter(|id| !id.is_empty());
    let is_first = |a: &crate::model::aws::Attachment| {
        a.device_index.unwrap_or_default() == 0 && a.network_card_index.unwrap_or_default() == 0
    };
    Iface {
        scope,
        id: &it.network_interface_id,
        vpc: &it.vpc_id,
        subnet: &it.subnet_id,
        groups: it.groups.iter().map(|g| &g.group_id).collect(),
        addresses,
        prefixes,
        instance: attached.or(instance),
        is_primary: attachment.is_none_or(is_first),
        is_branch: it.interface_type.eq_ignore_ascii_case("branch"),
        source_dest_check: it.source_dest_check,
        deny_igw: it.deny_all_igw_traffic == Some(true),
        origin: it.origin,
    }
}
