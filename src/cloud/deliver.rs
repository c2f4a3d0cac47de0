//! Destinations that are interfaces: in the same VPC, or in a peered one.

use super::acl::Border;
use super::group::{self, End, Gate, Way};
use super::net::{Iface, Net, blocks};
use super::route::{self, By, Target};
use super::verdict::{Blocker, Picker, Verdict};
use super::walk::{Here, bad_state, cite_plain, endpoint_policy, leave_groups, leave_subnet};
use super::{Ask, Socket};
use crate::model::aws::{AwsList, PeeringVpc};
use crate::model::{AddrSet, Family, Str, codes};

/// More addresses than these are not looked at one by one.
pub(super) const FEW: u128 = 256;

/// Destinations inside the VPC: each address is one interface, or none that was read.
pub(super) fn inside<'a>(net: &Net<'a>, here: Here<'a, '_>, ask: Ask<'_>, into: &mut Verdict) {
    let vpc = here.socket.vpc;
    if ask.to.size() > FEW {
        leave_groups(net, here, ask, into);
        return into.doubt(ask.to, format!("which address of {vpc} answers is not known"), Vec::new());
    }
    let mut nobody = AddrSet::empty(ask.to.family());
    for ip in ask.to.nets().into_iter().flat_map(AllHosts::hosts_all) {
        let single = AddrSet::single(ip);
        match net.holders(ip).find(|i| i.vpc == vpc) {
            Some(iface) => to_iface(net, here, iface, Ask { to: &single, ..ask }, into),
            None => nobody = nobody.union(&single),
        }
    }
    let Some(first) = nobody.first() else { return };
    leave_groups(net, here, Ask { to: &nobody, ..ask }, into);
    let why = if !net.has(here.socket.scope, AwsList::NetworkInterfaces) {
        net.not_collected(here.socket.scope, AwsList::NetworkInterfaces)
    } else if nobody.size() == 1 {
        format!("no interface of {vpc} holds {first}")
    } else {
        format!("no interface of {vpc} holds {first} and {} more", nobody.size() - 1)
    };
    into.doubt(&nobody, why, Vec::new());
}

/// What of a destination lies inside a VPC for sure: in its blocks, or, where these were not read, on its interfaces.
pub(super) fn known_inside(net: &Net<'_>, vpc: &str, to: &AddrSet) -> AddrSet {
    if let Some(blocks) = net.vpc_blocks(vpc, to.family()) {
        return to.intersection(blocks);
    }
    if to.size() > FEW {
        return AddrSet::empty(to.family());
    }
    let all = to.nets().into_iter().flat_map(AllHosts::hosts_all);
    AddrSet::from_ips(to.family(), all.filter(|ip| net.holders(*ip).any(|i| i.vpc == vpc)))
}

/// All addresses of a block, network and broadcast addresses included.
trait AllHosts {
    fn hosts_all(self) -> Vec<std::net::IpAddr>;
}

impl AllHosts for ipnet::IpNet {
    fn hosts_all(self) -> Vec<std::net::IpAddr> {
        match self {
            Self::V4(net) => {
                let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
                (first..=last).map(|n| std::net::Ipv4Addr::from(n).into()).collect()
            }
            Self::V6(net) => {
                let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
                (first..=last).map(|n| std::net::Ipv6Addr::from(n).into()).collect()
            }
        }
    }
}

/// The groups of an interface; those of its endpoint, where it belongs to one.
fn groups_of(net: &Net<'_>, iface: &Iface<'_>) -> Vec<Str> {
    let of_endpoint =
        net.endpoint_of_iface(iface.id).map(|e| e.it.groups.iter().map(|g| g.group_id.clone()).collect::<Vec<_>>());
    of_endpoint
        .filter(|groups| !groups.is_empty())
        .unwrap_or_else(|| iface.groups.iter().map(|g| (*g).clone()).collect())
}

/// A connection to one interface, with its replies.
fn to_iface<'a>(net: &Net<'a>, here: Here<'a, '_>, iface: &Iface<'a>, ask: Ask<'_>, into: &mut Verdict) {
    let socket = here.socket;
    if socket.instance.is_some() && socket.instance == iface.instance {
        into.assumptions
            .push("traffic that stays on one instance meets no security group and no network ACL".to_owned());
        return;
    }
    let groups = groups_of(net, iface);
    if here.is_source {
        group::leave(net, socket, ask, &End { set: ask.to, groups: Some(&groups) }, into);
    }
    if iface.subnet != here.subnet {
        leave_subnet(net, here, ask, into);
        arrive(net, socket, iface.subnet, ask, into);
        returns(net, socket, iface, ask, into);
    }
    let from = End { set: &socket.from, groups: here.is_source.then_some(socket.groups.as_slice()) };
    let gate = Gate { groups: &groups, scope: iface.scope, way: Way::In, label: iface.id };
    gate.check(net, from, ask.to, ask, into);
    if let Some(endpoint) = net.endpoint_of_iface(iface.id) {
        into.way.push(format!("endpoint {}", endpoint.it.vpc_endpoint_id));
        endpoint_policy(net, endpoint, ask, into);
    }
}

/// The ACL of the destination's subnet.
fn arrive(net: &Net<'_>, socket: &Socket<'_>, subnet: &str, ask: Ask<'_>, into: &mut Verdict) {
    let arrive = Border { subnet, egress: false, protocol: ask.protocol };
    arrive.request(net, &socket.from, ask.port, ask.to, into);
    let back = Border { subnet, egress: true, protocol: ask.protocol };
    back.replies(net, &socket.from, (&socket.ports, Picker::Source), ask.to, into);
}

/// The way back from the destination's subnet must not be diverted.
fn returns<'a>(net: &Net<'a>, socket: &Socket<'a>, iface: &Iface<'a>, ask: Ask<'_>, into: &mut Verdict) {
    let table = match net.table_of(iface.subnet) {
        Ok(table) => table,
        Err(why) => return into.doubt(ask.to, why, Vec::new()),
    };
    for taken in route::split(net, table, &socket.from) {
        match taken.by {
            By::Route(r)
                if route::target(r) == Target::Local
                    || (iface.vpc != socket.vpc && matches!(route::target(r), Target::Peering(_))) => {}
            By::Route(r) => {
                let why = format!("replies from {} take the route to {}", iface.subnet, route::destination(r));
                into.doubt(ask.to, why, vec![route::cite(net, table.it, r)]);
            }
            By::Nothing => into.deny(Blocker {
                share: ask.to.clone(),
                code: &codes::AWS_NO_ROUTE,
                ra_code: Some("NO_ROUTE_TO_DESTINATION"),
                why: format!("route table {} of {} has no way back to the source", table.route_table_id, iface.subnet),
                evidence: vec![route::cite_table(net, table.it)],
            }),
            By::Unsure(why, evidence) => into.doubt(ask.to, why, evidence),
        }
    }
}

/// Through a peering connection, which is no way through to anything else.
pub(super) fn peering<'a>(net: &Net<'a>, here: Here<'a, '_>, id: &'a str, ask: Ask<'_>, into: &mut Verdict) {
    let far_away = |into: &mut Verdict, to: &AddrSet| {
        leave_groups(net, here, Ask { to, ..ask }, into);
        leave_subnet(net, here, Ask { to, ..ask }, into);
    };
    let Some(peering) = net.peering(id) else {
        far_away(into, ask.to);
        let scope = here.socket.scope;
        let why = if net.has(scope, AwsList::VpcPeeringConnections) {
            format!("beyond {id}, which is not in the documents")
        } else {
            format!("beyond {id}: {}", net.not_collected(scope, AwsList::VpcPeeringConnections))
        };
        return into.doubt(ask.to, why, Vec::new());
    };
    let cited = cite_plain(net, "VpcPeeringConnection", id, peering.it.origin);
    let code = peering.it.status.as_ref().map(|s| s.code.as_str()).unwrap_or_default();
    if !code.is_empty() && !code.eq_ignore_ascii_case("active") {
        far_away(into, ask.to);
        return into.deny(bad_state(ask.to, format!("peering connection {id} is {code}"), cited));
    }
    let ends = [peering.it.accepter_vpc_info.as_ref(), peering.it.requester_vpc_info.as_ref()];
    let far = ends.into_iter().flatten().find(|end| end.vpc_id != *here.socket.vpc);
    let blocks = far.and_then(|far| blocks_of(net, far, ask.to.family()));
    let Some((far, blocks)) = far.zip(blocks) else {
        far_away(into, ask.to);
        return into.doubt(ask.to, format!("beyond {id}: the blocks of its other end are not known"), vec![cited]);
    };
    let transit = ask.to.difference(&blocks);
    if !transit.is_empty() {
        far_away(into, &transit);
        into.deny(Blocker {
            share: transit,
            code: &codes::AWS_PEERING,
            ra_code: Some("PCX_REQUIRES_ADDRESS_IN_VPC_CIDR"),
            why: format!("peering connection {id} leads to {} only, and not through it", far.vpc_id),
            evidence: vec![cited.clone()],
        });
    }
    let to = ask.to.intersection(&blocks);
    if to.is_empty() {
        return;
    }
    let ask = Ask { to: &to, ..ask };
    if to.size() > FEW || net.vpc(&far.vpc_id).is_none() {
        far_away(into, &to);
        return into.doubt(&to, format!("beyond {id}: {} is not in the documents", far.vpc_id), vec![cited]);
    }
    for ip in to.nets().into_iter().flat_map(AllHosts::hosts_all) {
        let single = AddrSet::single(ip);
        let ask = Ask { to: &single, ..ask };
        if let Some(iface) = net.holders(ip).find(|i| *i.vpc == far.vpc_id) {
            to_iface(net, here, iface, ask, into);
        } else {
            far_away(into, &single);
            into.doubt(&single, format!("beyond {id}: no interface that was read holds {ip}"), vec![cited.clone()]);
        }
    }
}

fn blocks_of(net: &Net<'_>, end: &PeeringVpc, family: Family) -> Option<AddrSet> {
    let v4 = end.cidr_block_set.iter().map(|b| b.cidr_block.as_str()).chain([end.cidr_block.as_str()]);
    let v6 = end.ipv6_cidr_block_set.iter().map(|b| b.ipv6_cidr_block.as_str());
    let told = blocks(family, v4.chain(v6)).filter(|set| !set.is_empty());
    told.or_else(|| net.vpc_blocks(&end.vpc_id, family).cloned())
}
