//! Ways out of a VPC: internet gateways, NAT gateways, transit gateways, and Block Public Access above them.

use super::acl::Border;
use super::net::{In, Net};
use super::route::{self, By, Target};
use super::verdict::{Blocker, Picker, Verdict};
use super::walk::{Here, bad_state, cite_plain, leave_subnet};
use super::{Ask, origin::translated_ports};
use crate::model::aws::{AwsList, NatGateway, RouteTable};
use crate::model::{AddrSet, Evidence, Family, Protocol, codes};

/// Through an internet gateway.
pub(super) fn internet_gateway(net: &Net<'_>, here: Here<'_, '_>, id: &str, ask: Ask<'_>, into: &mut Verdict) {
    // What needs no document about the gateway is decided without one.
    to_private(net, id, ask, into);
    let source = here.socket;
    let no_address = match ask.to.family() {
        Family::V4 => !source.is_public,
        Family::V6 => source.deny_igw || !source.is_public,
    };
    if here.is_source && no_address {
        into.deny(Blocker {
            share: ask.to.clone(),
            code: &codes::AWS_NO_PUBLIC_ADDRESS,
            ra_code: Some("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"),
            why: match ask.to.family() {
                Family::V4 => {
                    format!("{id} drops it: no public address stands for {} of {}", source.from, source.label)
                }
                Family::V6 if source.deny_igw => {
                    format!("{} denies IPv6 traffic of internet gateways", source.label)
                }
                Family::V6 => format!("{id} drops it: {} of {} is a unique-local address", source.from, source.label),
            },
            evidence: vec![cite_gateway(net, id)],
        });
    }
    block_public_access(net, here.subnet, Door::Direct, ask.to, into);
    attached(net, here, id, AwsList::InternetGateways, ask, into);
}

/// Through an egress-only internet gateway.
pub(super) fn egress_only(net: &Net<'_>, here: Here<'_, '_>, id: &str, ask: Ask<'_>, into: &mut Verdict) {
    if here.is_source && !here.socket.is_public {
        into.deny(Blocker {
            share: ask.to.clone(),
            code: &codes::AWS_NO_PUBLIC_ADDRESS,
            ra_code: Some("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"),
            why: format!("{id} drops it: {} of {} is a unique-local address", here.socket.from, here.socket.label),
            evidence: vec![cite_gateway(net, id)],
        });
    }
    block_public_access(net, here.subnet, Door::OutOnly, ask.to, into);
    attached(net, here, id, AwsList::EgressOnlyInternetGateways, ask, into);
}

fn cite_gateway(net: &Net<'_>, id: &str) -> Evidence {
    let place = net.internet_gateway(id).map(|gateway| gateway.it.origin).unwrap_or_default();
    cite_plain(net, "InternetGateway", id, place)
}

/// Internet gateways drop what goes to private addresses.
fn to_private(net: &Net<'_>, id: &str, ask: Ask<'_>, into: &mut Verdict) {
    into.deny(Blocker {
        share: private_share(ask.to),
        code: &codes::AWS_PRIVATE_DESTINATION,
        ra_code: Some("IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS"),
        why: format!("{id} drops what goes to private addresses"),
        evidence: vec![cite_gateway(net, id)],
    });
}

/// Whether a gateway is attached to the VPC; what it means if it is not, or may not be, is recorded.
fn attached(net: &Net<'_>, here: Here<'_, '_>, id: &str, list: AwsList, ask: Ask<'_>, into: &mut Verdict) {
    let Some(gateway) = net.internet_gateway(id) else {
        let scope = here.socket.scope;
        let why =
            if net.has(scope, list) { format!("{id} is not in the documents") } else { net.not_collected(scope, list) };
        return into.doubt(ask.to, why, Vec::new());
    };
    let here_attached = |a: &crate::model::aws::VpcAttachment| {
        a.vpc_id == *here.socket.vpc && ["available", "attached"].iter().any(|s| a.state.eq_ignore_ascii_case(s))
    };
    if gateway.it.attachments.iter().any(here_attached) {
        return into.way.push(format!("through {id}"));
    }
    let mut blocker = bad_state(ask.to, format!("{id} is not attached to {}", here.socket.vpc), cite_gateway(net, id));
    blocker.ra_code = Some("BAD_STATE_ATTACHMENT");
    into.deny(blocker);
}

/// Addresses that no internet gateway carries (RFC 1918, RFC 6598).
fn private_share(to: &AddrSet) -> AddrSet {
    let blocks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
    to.intersection(&AddrSet::from_nets(Family::V4, blocks.iter().filter_map(|b| b.parse().ok())))
}

/// How traffic leaves for the internet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Directly, where answers could come unasked.
    Direct,
    /// Through something that lets only answers in.
    OutOnly,
}

/// The mode of Block Public Access in a subnet; `None`: it was recorded before the feature existed, or is off.
fn block_mode<'a>(net: &Net<'a>, subnet: &str) -> Option<&'a str> {
    let subnet = net.subnet(subnet)?;
    let of_vpc = || net.vpc(&subnet.it.vpc_id).and_then(|vpc| vpc.it.block_public_access_states.as_ref());
    let states = subnet.it.block_public_access_states.as_ref().or_else(of_vpc)?;
    let mode = states.internet_gateway_block_mode.as_str();
    (!mode.is_empty() && !mode.eq_ignore_ascii_case("off")).then_some(mode)
}

fn block_public_access(net: &Net<'_>, subnet: &str, door: Door, share: &AddrSet, into: &mut Verdict) {
    if net.subnet(subnet).is_none() {
        return into.doubt(
            share,
            format!("subnet {subnet} was not read, nor whether Block Public Access holds for it"),
            Vec::new(),
        );
    }
    let own = net.subnet(subnet).and_then(|s| s.it.block_public_access_states.as_ref());
    let vpc = net.subnet(subnet).map_or("", |s| s.it.vpc_id.as_str());
    if own.is_none() && net.vpc(vpc).is_none() {
        let why = format!("{vpc} was not read, nor whether Block Public Access holds for it");
        return into.doubt(share, why, Vec::new());
    }
    let Some(mode) = block_mode(net, subnet) else { return };
    let blocks = mode.eq_ignore_ascii_case("block-bidirectional")
        || (mode.eq_ignore_ascii_case("block-ingress") && door == Door::Direct);
    if !blocks && mode.eq_ignore_ascii_case("block-ingress") {
        return;
    }
    let place = net.subnet(subnet).map(|s| s.it.origin).unwrap_or_default();
    let mut evidence = vec![cite_plain(net, "Subnet", subnet, place)];
    if own.is_none() {
        // The mode of the VPC decides.
        evidence.push(cite_plain(net, "Vpc", vpc, net.vpc(vpc).map(|v| v.it.origin).unwrap_or_default()));
    }
    if !blocks {
        return into.doubt(share, format!("Block Public Access of {subnet} has the unknown mode `{mode}`"), evidence);
    }
    if is_excluded(net, subnet) {
        // The mode of a subnet is taken to count exclusions already; here both speak, and not the same.
        let why = format!("Block Public Access of {subnet} is {mode}, and there is an exclusion for it");
        return into.doubt(share, why, evidence);
    }
    into.deny(Blocker {
        share: share.clone(),
        code: &codes::AWS_BLOCK_PUBLIC_ACCESS,
        ra_code: Some("VPC_BLOCK_PUBLIC_ACCESS_ENABLED"),
        why: format!("VPC Block Public Access ({mode}) holds for subnet {subnet}"),
        evidence,
    });
}

fn is_excluded(net: &Net<'_>, subnet: &str) -> bool {
    let vpc = net.subnet(subnet).map(|s| s.it.vpc_id.as_str()).unwrap_or_default();
    let exclusions = net.scopes.iter().flat_map(|s| &s.block_public_access_exclusions);
    let mut live = exclusions.filter(|e| !e.state.to_ascii_lowercase().contains("delete"));
    live.any(|e| {
        e.resource_arn.ends_with(&format!("/{subnet}"))
            || (!vpc.is_empty() && e.resource_arn.ends_with(&format!("/{vpc}")))
    })
}

/// Through a NAT gateway, whose own subnet is looked at again.
pub(super) fn nat<'a>(net: &Net<'a>, here: Here<'a, '_>, id: &'a str, ask: Ask<'_>, into: &mut Verdict) {
    let Some(gateway) = net.nat_gateway(id) else {
        leave_subnet(net, here, ask, into);
        let scope = here.socket.scope;
        let why = if net.has(scope, AwsList::NatGateways) {
            format!("{id} is not in the documents")
        } else {
            net.not_collected(scope, AwsList::NatGateways)
        };
        return into.doubt(ask.to, why, Vec::new());
    };
    into.way.push(format!("through {id}"));
    let regional = gateway.availability_mode.eq_ignore_ascii_case("regional");
    let same_subnet = !regional && gateway.it.subnet_id == *here.subnet;
    if !same_subnet {
        leave_subnet(net, here, ask, into);
    }
    let cited = cite_plain(net, "NatGateway", id, gateway.it.origin);
    if !gateway.state.eq_ignore_ascii_case("available") {
        into.deny(bad_state(ask.to, format!("NAT gateway {id} is {}", gateway.state), cited));
        return;
    }
    if ask.protocol == Protocol::Sctp {
        into.deny(Blocker {
            share: ask.to.clone(),
            code: &codes::AWS_NAT,
            ra_code: None,
            why: format!("NAT gateway {id} carries TCP, UDP and ICMP only"),
            evidence: vec![cited],
        });
        return;
    }
    if ask.to.family() == Family::V6 {
        // RFC 6052: the one prefix behind which IPv4 is translated.
        let nat64 = AddrSet::from_nets(Family::V6, "64:ff9b::/96".parse().ok());
        into.doubt(&ask.to.intersection(&nat64), "NAT64 is not modelled", Vec::new());
        into.deny(Blocker {
            share: ask.to.difference(&nat64),
            code: &codes::AWS_NAT,
            ra_code: None,
            why: format!("NAT gateway {id} carries IPv4 only"),
            evidence: vec![cited],
        });
        return;
    }
    let table = if regional {
        zone_of_regional(net, here, gateway, ask, into);
        net.table(&gateway.it.route_table_id)
            .ok_or_else(|| format!("the route table of regional NAT gateway {id} was not read"))
    } else {
        if !same_subnet {
            let arrive = Border { subnet: &gateway.it.subnet_id, egress: false, protocol: ask.protocol };
            arrive.request(net, &here.socket.from, ask.port, ask.to, into);
            let back = Border { subnet: &gateway.it.subnet_id, egress: true, protocol: ask.protocol };
            back.replies(net, &here.socket.from, (&here.socket.ports, Picker::Source), ask.to, into);
        }
        let leave = Border { subnet: &gateway.it.subnet_id, egress: true, protocol: ask.protocol };
        leave.request(net, ask.to, ask.port, ask.to, into);
        let answers = Border { subnet: &gateway.it.subnet_id, egress: false, protocol: ask.protocol };
        answers.replies(net, ask.to, (&translated_ports(), Picker::NatGateway), ask.to, into);
        net.table_of(&gateway.it.subnet_id)
    };
    match table {
        Ok(table) => nat_routes(net, here, gateway, table, ask, into),
        Err(why) => into.doubt(ask.to, why, vec![cited]),
    }
}

/// A regional NAT gateway serves the zones that it has addresses in.
fn zone_of_regional(net: &Net<'_>, here: Here<'_, '_>, gateway: In<'_, NatGateway>, ask: Ask<'_>, into: &mut Verdict) {
    let id = &gateway.it.nat_gateway_id;
    let zones: Vec<&str> = gateway
        .it
        .nat_gateway_addresses
        .iter()
        .map(|a| a.availability_zone.as_str())
        .filter(|z| !z.is_empty())
        .collect();
    let zone = net.subnet(here.subnet).map(|s| s.it.availability_zone.as_str()).unwrap_or_default();
    if zone.is_empty() || zones.is_empty() {
        into.doubt(ask.to, format!("it is not known which zones {id} serves"), Vec::new());
    } else if !zones.contains(&zone) {
        into.deny(Blocker {
            share: ask.to.clone(),
            code: &codes::AWS_NAT,
            ra_code: Some("REGIONAL_NGW_ROUTE_AZ_RESTRICTION"),
            why: format!("regional NAT gateway {id} has no address in zone {zone}"),
            evidence: vec![cite_plain(net, "NatGateway", id, gateway.it.origin)],
        });
    }
}

fn nat_routes<'a>(
    net: &Net<'a>,
    here: Here<'a, '_>,
    gateway: In<'a, NatGateway>,
    table: In<'a, RouteTable>,
    ask: Ask<'_>,
    into: &mut Verdict,
) {
    let id = gateway.it.nat_gateway_id.as_str();
    let cited = cite_plain(net, "NatGateway", id, gateway.it.origin);
    let private = gateway.connectivity_type.eq_ignore_ascii_case("private");
    for taken in route::split(net, table, ask.to) {
        let share = &taken.share;
        let route = match taken.by {
            By::Route(route) => route,
            By::Nothing => {
                into.deny(Blocker {
                    share: share.clone(),
                    code: &codes::AWS_NO_ROUTE,
                    ra_code: Some("NO_ROUTE_TO_DESTINATION"),
                    why: format!("route table {} of NAT gateway {id} has no route for it", table.route_table_id),
                    evidence: vec![route::cite_table(net, table.it)],
                });
                continue;
            }
            By::Unsure(why, evidence) => {
                into.doubt(share, why, evidence);
                continue;
            }
        };
        let on_route = route::cite(net, table.it, route);
        if ["blackhole", "filtered"].iter().any(|state| route.state.eq_ignore_ascii_case(state)) {
            into.deny(Blocker {
                share: share.clone(),
                code: &codes::AWS_BLACKHOLE,
                ra_code: Some("BAD_STATE_ROUTE"),
                why: format!("the route of NAT gateway {id} to {} is a {}", route::destination(route), route.state),
                evidence: vec![on_route],
            });
            continue;
        }
        let ask = Ask { to: share, ..ask };
        match route::target(route) {
            Target::InternetGateway(gateway_id) if private => into.deny(Blocker {
                share: share.clone(),
                code: &codes::AWS_NAT,
                ra_code: None,
                why: format!("{id} is a private NAT gateway: {gateway_id} drops what it sends"),
                evidence: vec![cited.clone(), on_route],
            }),
            Target::InternetGateway(gateway_id) => {
                into.pass(on_route.clone());
                let addresses = &gateway.it.nat_gateway_addresses;
                if addresses.iter().all(|a| a.public_ip.is_empty()) {
                    into.deny(Blocker {
                        share: share.clone(),
                        code: &codes::AWS_NAT,
                        ra_code: Some("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"),
                        why: format!("NAT gateway {id} has no public address"),
                        evidence: vec![cited.clone(), on_route.clone()],
                    });
                }
                through_gateway(net, here, gateway, gateway_id, ask, into);
            }
            Target::Nat(back) if back == id => into.deny(Blocker {
                share: share.clone(),
                code: &codes::AWS_NAT,
                ra_code: None,
                why: format!("NAT gateway {id} stands in a subnet whose traffic is routed back to it"),
                evidence: vec![cited.clone(), on_route],
            }),
            Target::Local => into.doubt(share, format!("{id} would send it back into the VPC"), vec![on_route]),
            _ => into.doubt(
                share,
                format!("beyond {id}: its subnet routes on to {}", route::destination(route)),
                vec![on_route],
            ),
        }
    }
}

fn through_gateway(
    net: &Net<'_>,
    here: Here<'_, '_>,
    nat: In<'_, NatGateway>,
    id: &str,
    ask: Ask<'_>,
    into: &mut Verdict,
) {
    attached(net, here, id, AwsList::InternetGateways, ask, into);
    to_private(net, id, ask, into);
    if nat.it.subnet_id.is_empty() {
        return block_public_access(net, here.subnet, Door::OutOnly, ask.to, into);
    }
    let (own, of_nat) = (block_mode(net, here.subnet), block_mode(net, &nat.it.subnet_id));
    if own == of_nat {
        return block_public_access(net, &nat.it.subnet_id, Door::OutOnly, ask.to, into);
    }
    let why = format!(
        "Block Public Access differs between {} and {}, the subnet of the NAT gateway",
        here.subnet, nat.it.subnet_id
    );
    into.doubt(ask.to, why, Vec::new());
}

/// Towards a transit gateway.
pub(super) fn transit(net: &Net<'_>, here: Here<'_, '_>, id: &str, ask: Ask<'_>, into: &mut Verdict) {
    let scope = here.socket.scope;
    let place = crate::model::object::Origin::default();
    let cited = cite_plain(net, "TransitGateway", id, place);
    match net.transit_attachment(id, here.socket.vpc) {
        None if net.has(scope, AwsList::TransitGatewayVpcAttachments) => {
            let mut blocker = bad_state(ask.to, format!("{} is not attached to {id}", here.socket.vpc), cited.clone());
            blocker.ra_code = Some("BAD_STATE_ATTACHMENT");
            into.deny(blocker);
        }
        None => {}
        Some(attachment) if !attachment.state.eq_ignore_ascii_case("available") => {
            let mut blocker = bad_state(
                ask.to,
                format!("attachment {} to {id} is {}", attachment.transit_gateway_attachment_id, attachment.state),
                cited.clone(),
            );
            blocker.ra_code = Some("BAD_STATE_ATTACHMENT");
            into.deny(blocker);
        }
        Some(attachment) => {
            let zone = net.subnet(here.subnet).map(|s| s.it.availability_zone.as_str()).unwrap_or_default();
            let zones: Vec<Option<&str>> = attachment
                .it
                .subnet_ids
                .iter()
                .map(|s| net.subnet(s).map(|s| s.it.availability_zone.as_str()).filter(|z| !z.is_empty()))
                .collect();
            let served = zones.contains(&Some(zone));
            if !served && !zone.is_empty() && !zones.is_empty() && zones.iter().all(Option::is_some) {
                into.deny(Blocker {
                    share: ask.to.clone(),
                    code: &codes::AWS_TRANSIT_ZONE,
                    ra_code: Some("TGW_ROUTE_AZ_RESTRICTION"),
                    why: format!("{id} has no attachment subnet in zone {zone}"),
                    evidence: vec![cited.clone()],
                });
            }
        }
    }
    into.doubt(ask.to, format!("beyond {id}: what lies there is not in these documents"), vec![cited]);
}
