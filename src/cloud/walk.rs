//! From a socket to a destination, gate by gate.

use super::acl::Border;
use super::group::{self, End};
use super::net::{In, Net};
use super::route::{self, By, Target};
use super::verdict::{Blocker, Picker, Verdict};
use super::{Ask, Socket, beyond, deliver, resolve};
use crate::model::aws::{RouteTable, VpcEndpoint};
use crate::model::object::Origin as Place;
use crate::model::{AddrSet, Decided, Evidence, Str, codes};

/// At most this many appliances in a row are followed.
const MAX_APPLIANCES: u8 = 4;

/// Where packets stand while they are forwarded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here<'a, 's> {
    /// Who sent them.
    pub(super) socket: &'s Socket<'a>,
    /// The subnet from which they are routed.
    pub(super) subnet: &'a str,
    /// The interface of the source sent them itself: its own subnet's gates hold, and its public address counts.
    pub(super) is_source: bool,
    /// How many appliances they passed.
    pub(super) appliances: u8,
}

/// The verdict for a socket and a destination.
pub(super) fn walk<'a>(net: &Net<'a>, socket: &Socket<'a>, ask: Ask<'_>) -> Verdict {
    let mut verdict = Verdict::new(ask.to);
    verdict.way.push(socket.label.clone());
    let Some(subnet) = socket.subnet else {
        group_alone(net, socket, ask, &mut verdict);
        return verdict;
    };
    let rest = platform(net, socket, ask, &mut verdict);
    let ask = Ask { to: &rest, ..ask };
    let here = Here { socket, subnet, is_source: true, appliances: 0 };
    let family = ask.to.family();
    // Inside the subnet nothing is routed and no ACL looks on.
    let neighbours = net.subnet_blocks(subnet, family).unwrap_or_else(|| AddrSet::empty(family));
    let near = ask.to.intersection(&neighbours);
    if !near.is_empty() {
        deliver::inside(net, here, Ask { to: &near, ..ask }, &mut verdict);
    }
    let far = ask.to.difference(&neighbours);
    if !far.is_empty() {
        forward(net, here, Ask { to: &far, ..ask }, &mut verdict);
    }
    verdict
}

/// Takes out what the platform itself answers, past groups, ACLs and routes; the rest of the destination.
fn platform(net: &Net<'_>, socket: &Socket<'_>, ask: Ask<'_>, into: &mut Verdict) -> AddrSet {
    if ask.to.size() > deliver::FEW {
        return ask.to.clone();
    }
    let (resolvers, services) = resolve::platform(net, socket.vpc, ask.to.family());
    let asked = ask.to.intersection(&resolvers);
    if !asked.is_empty() {
        match resolve::amazon_answers(net, socket.vpc) {
            _ if ask.port != 53 => into.doubt(&asked, "the Amazon-provided resolver answers lookups only", Vec::new()),
            Ok(true) => {
                into.assumptions.push("no group and no ACL stands before the Amazon-provided resolver".to_owned());
            }
            Ok(false) => into.deny(Blocker {
                share: asked,
                code: &codes::AWS_DNS_OFF,
                ra_code: None,
                why: format!("enableDnsSupport of {} is off: the Amazon-provided resolver does not answer", socket.vpc),
                evidence: vec![cite_plain(net, "Vpc", socket.vpc, Place::default())],
            }),
            Err(why) => into.doubt(&asked, why, Vec::new()),
        }
    }
    ask.to.difference(&resolvers).difference(&services)
}

/// A security group without any interface that carries it: its rules, and what could not be seen.
fn group_alone(net: &Net<'_>, socket: &Socket<'_>, ask: Ask<'_>, into: &mut Verdict) {
    group::leave(net, socket, ask, &End { set: ask.to, groups: None }, into);
    let name = socket.groups.first().map_or("", Str::as_str);
    into.assumptions.push(format!(
        "{name} keeps state: replies come back without an inbound rule, so whether {} is open inbound is beside the point",
        ask.port
    ));
    let rules: Vec<String> = into.by.iter().map(Evidence::citation).collect();
    let lets_out = if rules.is_empty() {
        String::new()
    } else {
        let part = if into.blockers.is_empty() { "" } else { " to a part of it only" };
        format!("{name} lets {}/{} out{part}, by {}; ", ask.port, ask.protocol, rules.join(" and "))
    };
    let why = format!(
        "{lets_out}which interfaces carry it was not read, so their subnets' network ACLs, routes, NAT gateways and resolver could not be seen"
    );
    into.doubt(ask.to, why, into.by.clone());
}

/// The gate of the source's groups, for destinations that are no interfaces that were read.
pub(super) fn leave_groups(net: &Net<'_>, here: Here<'_, '_>, ask: Ask<'_>, into: &mut Verdict) {
    if here.is_source {
        group::leave(net, here.socket, ask, &End { set: ask.to, groups: None }, into);
    }
}

/// The gates of the source's subnet, on the way out and for the replies.
pub(super) fn leave_subnet(net: &Net<'_>, here: Here<'_, '_>, ask: Ask<'_>, into: &mut Verdict) {
    let out = Border { subnet: here.subnet, egress: true, protocol: ask.protocol };
    out.request(net, ask.to, ask.port, ask.to, into);
    let back = Border { subnet: here.subnet, egress: false, protocol: ask.protocol };
    back.replies(net, ask.to, (&here.socket.ports, Picker::Source), ask.to, into);
}

/// The gate of the source's subnet on whatever way out: a next hop in the same subnet crosses it as well, though it
/// may send from other ports, so that nothing can be said about replies.
fn leave_somehow(net: &Net<'_>, here: Here<'_, '_>, ask: Ask<'_>, into: &mut Verdict) {
    let out = Border { subnet: here.subnet, egress: true, protocol: ask.protocol };
    out.request(net, ask.to, ask.port, ask.to, into);
}

/// Routes packets from a subnet.
pub(super) fn forward<'a>(net: &Net<'a>, here: Here<'a, '_>, ask: Ask<'_>, into: &mut Verdict) {
    let table = match net.table_of(here.subnet) {
        Ok(table) => table,
        Err(why) => return unrouted(net, here, ask, why, Vec::new(), into),
    };
    for taken in route::split(net, table, ask.to) {
        let ask = Ask { to: &taken.share, ..ask };
        match taken.by {
            By::Route(route) => follow(net, here, table, route, ask, into),
            By::Nothing => {
                leave_groups(net, here, ask, into);
                into.deny(Blocker {
                    share: ask.to.clone(),
                    code: &codes::AWS_NO_ROUTE,
                    ra_code: Some("NO_ROUTE_TO_DESTINATION"),
                    why: format!("route table {} of subnet {} has no route for it", table.route_table_id, here.subnet),
                    evidence: vec![route::cite_table(net, table.it)],
                });
            }
            By::Unsure(why, evidence) => unrouted(net, here, ask, why, evidence, into),
        }
    }
}

/// Where the routes lead is not known: definite denies of what is known stand, wherever it is.
fn unrouted<'a>(
    net: &Net<'a>,
    here: Here<'a, '_>,
    ask: Ask<'_>,
    why: String,
    evidence: Vec<Evidence>,
    into: &mut Verdict,
) {
    let inside = deliver::known_inside(net, here.socket.vpc, ask.to);
    if !inside.is_empty() {
        deliver::inside(net, here, Ask { to: &inside, ..ask }, into);
    }
    let outside = ask.to.difference(&inside);
    if !outside.is_empty() {
        let ask = Ask { to: &outside, ..ask };
        leave_groups(net, here, ask, into);
        leave_somehow(net, here, ask, into);
    }
    into.doubt(ask.to, why, evidence);
}

fn follow<'a>(
    net: &Net<'a>,
    here: Here<'a, '_>,
    table: In<'a, RouteTable>,
    route: &'a crate::model::aws::Route,
    ask: Ask<'_>,
    into: &mut Verdict,
) {
    let cited = route::cite(net, table.it, route);
    let target = route::target(route);
    if target == Target::Local {
        into.pass(cited);
        return deliver::inside(net, here, ask, into);
    }
    if !matches!(target, Target::Peering(_)) {
        leave_groups(net, here, ask, into);
    }
    if ["blackhole", "filtered"].iter().any(|state| route.state.eq_ignore_ascii_case(state)) {
        into.deny(Blocker {
            share: ask.to.clone(),
            code: &codes::AWS_BLACKHOLE,
            ra_code: Some("BAD_STATE_ROUTE"),
            why: format!("the route to {} is a {}: its target is gone", route::destination(route), route.state),
            evidence: vec![cited],
        });
        return;
    }
    into.pass(cited.clone());
    match target {
        Target::Local => {}
        Target::InternetGateway(id) => {
            leave_subnet(net, here, ask, into);
            beyond::internet_gateway(net, here, id, ask, into);
        }
        Target::EgressOnly(id) => {
            leave_subnet(net, here, ask, into);
            beyond::egress_only(net, here, id, ask, into);
        }
        Target::Nat(id) => beyond::nat(net, here, id, ask, into),
        Target::Endpoint(id) => endpoint(net, here, id, ask, into),
        Target::Transit(id) => {
            leave_subnet(net, here, ask, into);
            beyond::transit(net, here, id, ask, into);
        }
        Target::Peering(id) => deliver::peering(net, here, id, ask, into),
        Target::Vpn(id) | Target::Other(id) => {
            leave_subnet(net, here, ask, into);
            into.doubt(ask.to, format!("beyond {id}: what lies there is not in these documents"), vec![cited]);
        }
        Target::Interface(iface, instance) => {
            appliance(net, here, iface, instance, ask, into);
        }
    }
}

fn endpoint<'a>(net: &Net<'a>, here: Here<'a, '_>, id: &'a str, ask: Ask<'_>, into: &mut Verdict) {
    let Some(endpoint) = net.endpoint(id) else {
        leave_subnet(net, here, ask, into);
        let scope = here.socket.scope;
        let why = if net.has(scope, crate::model::aws::AwsList::VpcEndpoints) {
            format!("endpoint {id} is not in the documents")
        } else {
            net.not_collected(scope, crate::model::aws::AwsList::VpcEndpoints)
        };
        return into.doubt(ask.to, why, Vec::new());
    };
    let cited = net.cite("VpcEndpoint", id, None, endpoint.it.origin, Decided::ByRule);
    if !endpoint.state.eq_ignore_ascii_case("available") {
        leave_subnet(net, here, ask, into);
        return into.deny(bad_state(ask.to, format!("endpoint {id} is {}", endpoint.state), cited));
    }
    if endpoint.vpc_endpoint_type.eq_ignore_ascii_case("GatewayLoadBalancer") {
        leave_subnet(net, here, ask, into);
        into.doubt(ask.to, format!("beyond {id}: an appliance inspects the traffic"), vec![cited]);
        if let Some(subnet) = endpoint.it.subnet_ids.first() {
            onward(net, here, subnet, true, ask, into);
        }
        return;
    }
    leave_subnet(net, here, ask, into);
    into.pass(cited);
    endpoint_policy(net, endpoint, ask, into);
}

/// What the policy of an endpoint says: it answers, and refuses.
pub(super) fn endpoint_policy(net: &Net<'_>, endpoint: In<'_, VpcEndpoint>, ask: Ask<'_>, into: &mut Verdict) {
    let it = endpoint.it;
    let Err((why, sure)) = super::policy::check(&it.policy_document, ask.host, &it.service_name) else { return };
    let id = &it.vpc_endpoint_id;
    let cited = net.cite("VpcEndpoint", id, None, it.origin, Decided::ByRule);
    if !sure {
        return into.doubt(ask.to, format!("the policy of endpoint {id} may not allow it ({why})"), vec![cited]);
    }
    into.deny(Blocker {
        share: ask.to.clone(),
        code: &codes::AWS_ENDPOINT_POLICY,
        ra_code: None,
        why: format!("the policy of endpoint {id} does not allow it ({why}): requests end with HTTP 403"),
        evidence: vec![cited],
    });
}

/// An instance that forwards: a NAT instance, a firewall.
fn appliance<'a>(
    net: &Net<'a>,
    here: Here<'a, '_>,
    iface: &'a str,
    instance: &'a str,
    ask: Ask<'_>,
    into: &mut Verdict,
) {
    let name = if iface.is_empty() { instance } else { iface };
    let found = net.iface(iface).or_else(|| net.primary_of(instance));
    let Some(found) = found else {
        leave_subnet(net, here, ask, into);
        return into.doubt(ask.to, format!("beyond {name}, which is not in these documents"), Vec::new());
    };
    if found.subnet != here.subnet {
        leave_subnet(net, here, ask, into);
        let arrive = Border { subnet: found.subnet, egress: false, protocol: ask.protocol };
        arrive.request(net, &here.socket.from, ask.port, ask.to, into);
        let back = Border { subnet: found.subnet, egress: true, protocol: ask.protocol };
        back.replies(net, &here.socket.from, (&here.socket.ports, Picker::Source), ask.to, into);
    }
    let cited = net.cite("NetworkInterface", found.id, None, found.origin, Decided::ByRule);
    let state = found.instance.and_then(|id| net.instance_state(id));
    if let Some(state) = state.filter(|state| !state.eq_ignore_ascii_case("running")) {
        into.deny(bad_state(ask.to, format!("the instance of {} is {state}", found.id), cited.clone()));
    }
    if found.source_dest_check == Some(true) {
        into.deny(Blocker {
            share: ask.to.clone(),
            code: &codes::AWS_SOURCE_DEST_CHECK,
            ra_code: Some("ENI_SOURCE_DEST_CHECK_RESTRICTION"),
            why: format!("{} is to forward, and its source/destination check drops what is not its own", found.id),
            evidence: vec![cited.clone()],
        });
    }
    let from = End { set: &here.socket.from, groups: here.is_source.then_some(here.socket.groups.as_slice()) };
    let groups: Vec<Str> = found.groups.iter().map(|g| (*g).clone()).collect();
    let gate = group::Gate { groups: &groups, scope: found.scope, way: group::Way::In, label: found.id };
    gate.check(net, from, ask.to, ask, into);
    let gate = group::Gate { groups: &groups, scope: found.scope, way: group::Way::Out, label: found.id };
    gate.check(net, End { set: ask.to, groups: None }, ask.to, ask, into);
    into.doubt(ask.to, format!("beyond {name}: how it forwards cannot be seen"), vec![cited]);
    onward(net, here, found.subnet, false, ask, into);
}

/// Follows packets from the subnet of an appliance: what is definitely denied there stays so. `keeps_source`: the
/// packets leave it as they came, as behind an endpoint for inspection.
fn onward<'a>(
    net: &Net<'a>,
    here: Here<'a, '_>,
    subnet: &'a str,
    keeps_source: bool,
    ask: Ask<'_>,
    into: &mut Verdict,
) {
    if here.appliances >= MAX_APPLIANCES || subnet == here.subnet {
        return;
    }
    let behind = Here { subnet, is_source: false, appliances: here.appliances + 1, ..here };
    let mut found = Verdict::new(ask.to);
    forward(net, behind, ask, &mut found);
    // What does not hang on the source, which an appliance may have rewritten.
    let lasting = [
        &codes::AWS_NO_ROUTE,
        &codes::AWS_BLACKHOLE,
        &codes::AWS_GATEWAY,
        &codes::AWS_NAT,
        &codes::AWS_BLOCK_PUBLIC_ACCESS,
        &codes::AWS_PRIVATE_DESTINATION,
    ];
    let of_source = [&codes::AWS_ACL, &codes::AWS_ACL_REPLIES];
    let lasts = |b: &Blocker| lasting.contains(&b.code) || (keeps_source && of_source.contains(&b.code));
    found.blockers.into_iter().filter(lasts).for_each(|b| into.deny(b));
}

/// A component that does not work.
pub(super) fn bad_state(share: &AddrSet, why: String, evidence: Evidence) -> Blocker {
    Blocker {
        share: share.clone(),
        code: &codes::AWS_GATEWAY,
        ra_code: Some("BAD_STATE"),
        why,
        evidence: vec![evidence],
    }
}

/// An object that has no place of its own as evidence.
pub(super) fn cite_plain(net: &Net<'_>, kind: &str, id: &str, place: Place) -> Evidence {
    net.cite(kind, id, None, place, Decided::ByRule)
}
