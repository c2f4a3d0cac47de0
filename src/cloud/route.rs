//! Route tables: longest prefix first, then how the route came.

use ipnet::IpNet;

use super::net::{In, Net};
use crate::model::aws::{Route, RouteTable};
use crate::model::{AddrSet, Decided, Evidence, Family};

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// Inside the VPC.
    Local,
    /// An internet gateway.
    InternetGateway(&'a str),
    /// An egress-only internet gateway.
    EgressOnly(&'a str),
    /// A NAT gateway.
    Nat(&'a str),
    /// A VPC endpoint: of type Gateway or GatewayLoadBalancer.
    Endpoint(&'a str),
    /// A transit gateway.
    Transit(&'a str),
    /// A peering connection.
    Peering(&'a str),
    /// A virtual private gateway.
    Vpn(&'a str),
    /// An interface, perhaps of an instance.
    Interface(&'a str, &'a str),
    /// Anything else that leaves the model.
    Other(&'a str),
}

/// How strong a route is among those of one prefix length (VPC guide, "Route priority").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Static,
    PrefixList,
    Propagated,
}

/// A share of a destination with the route that takes it.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    /// The addresses.
    pub(super) share: AddrSet,
    /// What becomes of them.
    pub(super) by: By<'a>,
}

/// What becomes of a share.
#[derive(Debug)]
pub(super) enum By<'a> {
    /// A route takes it.
    Route(&'a Route),
    /// No route does.
    Nothing,
    /// It cannot be told, and why.
    Unsure(String, Vec<Evidence>),
}

/// Where a route leads.
pub(super) fn target(route: &Route) -> Target<'_> {
    let set = |text: &crate::model::Str| !text.is_empty();
    if set(&route.gateway_id) {
        let id = route.gateway_id.as_str();
        return match id {
            "local" => Target::Local,
            _ if id.starts_with("igw-") => Target::InternetGateway(id),
            _ if id.starts_with("eigw-") => Target::EgressOnly(id),
            _ if id.starts_with("vpce-") => Target::Endpoint(id),
            _ if id.starts_with("vgw-") => Target::Vpn(id),
            _ if id.starts_with("nat-") => Target::Nat(id),
            _ => Target::Other(id),
        };
    }
    if set(&route.nat_gateway_id) {
        Target::Nat(&route.nat_gateway_id)
    } else if set(&route.egress_only_internet_gateway_id) {
        Target::EgressOnly(&route.egress_only_internet_gateway_id)
    } else if set(&route.transit_gateway_id) {
        Target::Transit(&route.transit_gateway_id)
    } else if set(&route.vpc_peering_connection_id) {
        Target::Peering(&route.vpc_peering_connection_id)
    } else if set(&route.network_interface_id) || set(&route.instance_id) {
        Target::Interface(&route.network_interface_id, &route.instance_id)
    } else {
        let others = [
            &route.local_gateway_id,
            &route.carrier_gateway_id,
            &route.core_network_arn,
            &route.odb_network_arn,
            &route.ip_address,
        ];
        Target::Other(others.into_iter().find(|id| set(id)).map_or("a target that is not named", |id| id.as_str()))
    }
}

/// What a route is for, as it is written.
pub(super) fn destination(route: &Route) -> &str {
    [&route.destination_cidr_block, &route.destination_ipv6_cidr_block, &route.destination_prefix_list_id]
        .into_iter()
        .find(|text| !text.is_empty())
        .map_or("?", |text| text.as_str())
}

/// A route as evidence: `rtb-…:0.0.0.0/0`.
pub(super) fn cite(net: &Net<'_>, table: &RouteTable, route: &Route) -> Evidence {
    let mut place = table.origin;
    place.line = if route.line > 0 { route.line } else { place.line };
    let path = Some(format!(":{}", destination(route)));
    net.cite("RouteTable", &table.route_table_id, path, place, Decided::ByRule)
}

/// A table as evidence: no route of it matches.
pub(super) fn cite_table(net: &Net<'_>, table: &RouteTable) -> Evidence {
    net.cite("RouteTable", &table.route_table_id, None, table.origin, Decided::ByDefault)
}

struct Candidate<'a> {
    net: IpNet,
    rank: Rank,
    route: &'a Route,
}

/// Splits a destination by the routes of a table.
pub(super) fn split<'a>(net: &Net<'a>, table: In<'a, RouteTable>, to: &AddrSet) -> Vec<Taken<'a>> {
    let family = to.family();
    let mut candidates: Vec<Candidate<'a>> = Vec::new();
    let mut unread: Vec<&Route> = Vec::new();
    let mut local = AddrSet::empty(family);
    for route in &table.it.routes {
        let propagated = route.origin_of == *"EnableVgwRoutePropagation";
        if !route.destination_prefix_list_id.is_empty() {
            match net.prefix_entries(&route.destination_prefix_list_id) {
                Some(entries) => candidates.extend(
                    entries.iter().filter(|n| Family::of(n.addr()) == family).map(|entry| Candidate {
                        net: *entry,
                        rank: Rank::PrefixList,
                        route,
                    }),
                ),
                None => unread.push(route),
            }
            continue;
        }
        let Ok(block) = destination(route).parse::<IpNet>() else { continue };
        let block = block.trunc();
        if Family::of(block.addr()) != family {
            continue;
        }
        if target(route) == Target::Local {
            local = local.union(&AddrSet::net(block));
        }
        let rank = if propagated { Rank::Propagated } else { Rank::Static };
        candidates.push(Candidate { net: block, rank, route });
    }
    candidates.sort_by_key(|c| (std::cmp::Reverse(c.net.prefix_len()), c.rank, c.net));
    let mut left = to.clone();
    let mut taken: Vec<Taken<'a>> = Vec::new();
    let mut i = 0;
    while i < candidates.len() && !left.is_empty() {
        let one = &candidates[i];
        // Routes of one block and rank that lead to different targets.
        let rivals = candidates[i..].iter().take_while(|c| c.net == one.net && c.rank == one.rank).count();
        let mut block = AddrSet::net(one.net);
        if one.rank == Rank::Propagated {
            // What was propagated never beats a local route, even where it is more specific.
            block = block.difference(&local);
        }
        let share = left.intersection(&block);
        if !share.is_empty() {
            left = left.difference(&share);
            let differ = candidates[i..i + rivals].iter().any(|c| target(c.route) != target(one.route));
            let by = if differ && one.rank == Rank::PrefixList {
                let evidence = candidates[i..i + rivals].iter().map(|c| cite(net, table.it, c.route)).collect();
                By::Unsure(
                    format!(
                        "prefix lists of {} overlap and lead to different targets: which one AWS uses is not said",
                        table.it.route_table_id
                    ),
                    evidence,
                )
            } else {
                By::Route(one.route)
            };
            match taken
                .iter_mut()
                .find(|t| matches!((&t.by, &by), (By::Route(a), By::Route(b)) if std::ptr::eq(*a, *b)))
            {
                Some(known) => known.share = known.share.union(&share),
                None => taken.push(Taken { share, by }),
            }
        }
        i += rivals;
    }
    if !left.is_empty() {
        taken.push(Taken { share: left, by: By::Nothing });
    }
    // Any address may be in a list that was not read, and its blocks are likely to be longer than the rest.
    for one in taken.iter_mut().filter(|t| !matches!(t.by, By::Unsure(..)) && !is_host_route(t)) {
        let same =
            |route: &Route| matches!(&one.by, By::Route(r) if target(r) == target(route) && r.state == route.state);
        if let Some(route) = unread.iter().find(|route| !same(route)) {
            let why = format!("the entries of prefix list {} were not read", route.destination_prefix_list_id);
            one.by = By::Unsure(why, vec![cite(net, table.it, route)]);
        }
    }
    taken
}

/// A route for one address cannot be beaten.
fn is_host_route(taken: &Taken<'_>) -> bool {
    matches!(&taken.by, By::Route(route) if destination(route).parse::<IpNet>().is_ok_and(|n| n.prefix_len() == n.max_prefix_len()))
}
