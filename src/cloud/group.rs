//! Security groups: stateful, allow only, all groups of an interface together.

use super::net::{Net, blocks};
use super::verdict::{Blocker, Verdict};
use super::{Ask, Socket};
use crate::model::aws::{AwsList, IpPermission, SecurityGroupRule};
use crate::model::object::Origin as Place;
use crate::model::{AddrSet, Decided, Evidence, Family, Protocol, Str, addr::public_internet, codes};

/// The direction of a rule, seen from its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Outbound.
    Out,
    /// Inbound.
    In,
}

/// One peer of one rule.
#[derive(Debug)]
struct Rule<'a> {
    group: &'a Str,
    /// `sgr-…`, where it was read.
    id: Option<&'a Str>,
    position: usize,
    protocol: &'a str,
    ports: Option<(i32, i32)>,
    peer: Peer<'a>,
    place: Place,
}

#[derive(Debug, PartialEq)]
enum Peer<'a> {
    Block(&'a str),
    PrefixList(&'a str),
    Group(&'a str),
}

/// The IANA number of a protocol in the texts of the API.
fn covers_protocol(text: &str, protocol: Protocol) -> bool {
    let names: &[&str] = match protocol {
        Protocol::Tcp => &["tcp", "6"],
        Protocol::Udp => &["udp", "17"],
        Protocol::Sctp => &["sctp", "132"],
    };
    text == "-1" || names.iter().any(|name| text.eq_ignore_ascii_case(name))
}

impl Rule<'_> {
    fn covers_port(&self, port: u16) -> bool {
        // Only TCP, UDP and ICMP have ports; for any other protocol, and for all of them, there is no range.
        let has_ports = ["tcp", "udp", "6", "17"].iter().any(|p| self.protocol.eq_ignore_ascii_case(p));
        match self.ports.filter(|_| has_ports) {
            Some((-1, _)) | None => true,
            Some((from, to)) => (from..=to).contains(&i32::from(port)),
        }
    }

    fn describe(&self, way: Way) -> String {
        let protocol = match self.protocol {
            "-1" => "all traffic".to_owned(),
            other => match self.ports {
                Some((from, to)) if from == to && from >= 0 => format!("{from}/{}", other.to_uppercase()),
                Some((from, to)) if from >= 0 => format!("{from}-{to}/{}", other.to_uppercase()),
                _ => format!("all of {}", other.to_uppercase()),
            },
        };
        let peer = match self.peer {
            Peer::Block(text) | Peer::PrefixList(text) | Peer::Group(text) => text,
        };
        let preposition = if way == Way::Out { "to" } else { "from" };
        format!("admits {protocol} {preposition} {peer}")
    }

    fn cite(&self, net: &Net<'_>, way: Way) -> Evidence {
        let mut evidence = match self.id {
            Some(id) => {
                let mut evidence = net.cite("SecurityGroupRule", id, None, self.place, Decided::ByRule);
                evidence.detail = Some(format!("of {}, {}", self.group, self.describe(way)));
                return evidence;
            }
            None => net.cite("SecurityGroup", self.group, None, self.place, Decided::ByRule),
        };
        evidence.path = Some(format!("{}[{}]", word(way), self.position));
        evidence.detail = Some(self.describe(way));
        evidence
    }
}

fn word(way: Way) -> &'static str {
    match way {
        Way::Out => "egress",
        Way::In => "ingress",
    }
}

/// The rules of a group in a direction.
///
/// # Errors
///
/// Why they are not known.
fn rules_of<'a>(net: &Net<'a>, group: &'a Str, scope: usize, way: Way) -> Result<Vec<Rule<'a>>, String> {
    let with_ids: Vec<&SecurityGroupRule> =
        net.group_rules(group).iter().filter(|r| r.is_egress == (way == Way::Out)).copied().collect();
    let found = net.group(group);
    let permissions = found.and_then(|g| match way {
        Way::Out => g.it.ip_permissions_egress.as_deref(),
        Way::In => g.it.ip_permissions.as_deref(),
    });
    if let (Some(permissions), Some(found)) = (permissions, found) {
        let of = |(position, permission): (usize, &'a IpPermission)| {
            peers(permission).map(move |peer| (position, permission, peer))
        };
        let rules = permissions.iter().enumerate().flat_map(of).map(|(position, permission, peer)| {
            let ports = permission.from_port.zip(permission.to_port);
            let same = |r: &&&SecurityGroupRule| {
                r.ip_protocol == permission.ip_protocol
                    && peer_of(r).as_ref() == Some(&peer)
                    && (r.from_port.zip(r.to_port) == ports || permission.ip_protocol == "-1")
            };
            let listed = with_ids.iter().find(same);
            Rule {
                group,
                id: listed.map(|r| &r.security_group_rule_id),
                position,
                protocol: &permission.ip_protocol,
                ports,
                peer,
                place: listed.map_or(found.it.origin, |r| r.origin),
            }
        });
        return Ok(rules.collect());
    }
    if !net.has(found.map_or(scope, |g| g.scope), AwsList::SecurityGroupRules) {
        return Err(match found {
            Some(_) => format!("the rules of {group} were not read"),
            None if net.has(scope, AwsList::SecurityGroups) => {
                format!("security group {group} is not in the documents: it may belong to another account")
            }
            None => net.not_collected(scope, AwsList::SecurityGroups),
        });
    }
    if found.is_none() && net.group_rules(group).is_empty() {
        return Err(format!("security group {group} is not in the documents"));
    }
    let rules = with_ids.iter().enumerate().filter_map(|(position, rule)| {
        Some(Rule {
            group,
            id: Some(&rule.security_group_rule_id),
            position,
            protocol: &rule.ip_protocol,
            ports: rule.from_port.zip(rule.to_port),
            peer: peer_of(rule)?,
            place: rule.origin,
        })
    });
    Ok(rules.collect())
}

fn peers(permission: &IpPermission) -> impl Iterator<Item = Peer<'_>> {
    let v4 = permission.ip_ranges.iter().map(|r| Peer::Block(&r.cidr_ip));
    let v6 = permission.ipv6_ranges.iter().map(|r| Peer::Block(&r.cidr_ipv6));
    let lists = permission.prefix_list_ids.iter().map(|l| Peer::PrefixList(&l.prefix_list_id));
    let groups = permission.user_id_group_pairs.iter().map(|g| Peer::Group(&g.group_id));
    v4.chain(v6).chain(lists).chain(groups)
}

fn peer_of(rule: &SecurityGroupRule) -> Option<Peer<'_>> {
    if !rule.cidr_ipv4.is_empty() {
        Some(Peer::Block(&rule.cidr_ipv4))
    } else if !rule.cidr_ipv6.is_empty() {
        Some(Peer::Block(&rule.cidr_ipv6))
    } else if !rule.prefix_list_id.is_empty() {
        Some(Peer::PrefixList(&rule.prefix_list_id))
    } else {
        let group = rule.referenced_group_info.as_ref().map(|info| info.group_id.as_str());
        group.filter(|id| !id.is_empty()).map(Peer::Group)
    }
}

/// What a peer covers: for sure, and perhaps.
fn coverage(net: &Net<'_>, scope: usize, peer: &Peer<'_>, other: &End<'_>) -> (AddrSet, Option<(AddrSet, String)>) {
    let set = other.set;
    let family = set.family();
    let none = || AddrSet::empty(family);
    match peer {
        Peer::Block(text) => match blocks(family, [*text]) {
            Some(block) => (block.intersection(set), None),
            None => (none(), Some((set.clone(), format!("`{text}` is no address block")))),
        },
        Peer::PrefixList(id) => match net.prefix_list(id, family) {
            Some(list) => (list.intersection(set), None),
            None => (none(), Some((set.clone(), format!("the entries of prefix list {id} were not read")))),
        },
        // A reference means the private addresses of the interfaces that carry the group, never a public one.
        Peer::Group(id) => {
            if let Some(groups) = other.groups {
                let carried = groups.iter().any(|g| g.as_str() == *id);
                return (if carried { set.clone() } else { none() }, None);
            }
            // Every IPv6 address looks public: what is no interface's lies outside of the VPC's blocks.
            let private = match family {
                Family::V4 => set.difference(&public_internet(family)),
                Family::V6 => net.inside(scope, set),
            };
            let carriers = net.carriers(id).flat_map(|i| i.addresses.iter().map(|(ip, _)| *ip));
            let sure = AddrSet::from_ips(family, carriers).intersection(&private);
            let perhaps = private.difference(&sure);
            let unread = !net.has(scope, AwsList::NetworkInterfaces) && !perhaps.is_empty();
            let why = || net.not_collected(scope, AwsList::NetworkInterfaces);
            (sure, unread.then(|| (perhaps, why())))
        }
    }
}

/// The other end of a connection, as a rule sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    /// Its addresses.
    pub(super) set: &'a AddrSet,
    /// Its groups, where it is one interface that was read.
    pub(super) groups: Option<&'a [Str]>,
}

/// The gate of an interface's groups.
pub(super) struct Gate<'a> {
    /// The groups.
    pub(super) groups: &'a [Str],
    /// Scope of the interface.
    pub(super) scope: usize,
    /// Direction, seen from the interface.
    pub(super) way: Way,
    /// How the interface is called in messages.
    pub(super) label: &'a str,
}

impl Gate<'_> {
    /// Lets a destination through, or not. `share`: for outbound rules the destination itself; for inbound ones the
    /// addresses of the interface, which pass or do not pass as a whole.
    pub(super) fn check(&self, net: &Net<'_>, other: End<'_>, share: &AddrSet, ask: Ask<'_>, into: &mut Verdict) {
        let mut left = other.set.clone();
        let mut perhaps: Vec<(AddrSet, String)> = Vec::new();
        let mut rules = Vec::new();
        if self.groups.is_empty() {
            perhaps.push((left.clone(), format!("no security group of {} was read", self.label)));
        }
        for group in self.groups {
            match rules_of(net, group, self.scope, self.way) {
                Ok(found) => rules.extend(found),
                Err(why) => perhaps.push((other.set.clone(), why)),
            }
        }
        let fits = |r: &Rule<'_>| covers_protocol(r.protocol, ask.protocol) && r.covers_port(ask.port);
        for rule in rules.iter().filter(|r| fits(r)) {
            let (sure, unsure) = coverage(net, self.scope, &rule.peer, &other);
            perhaps.extend(unsure);
            let taken = sure.intersection(&left);
            if !taken.is_empty() {
                into.pass(rule.cite(net, self.way));
                left = left.difference(&taken);
            }
        }
        if left.is_empty() {
            return;
        }
        let mut unsure = AddrSet::empty(left.family());
        for (set, why) in &perhaps {
            let open = set.intersection(&left);
            if !open.is_empty() {
                unsure = unsure.union(&open);
                let share = self.of(share, &open);
                into.doubt(&share, why.clone(), Vec::new());
            }
        }
        let denied = left.difference(&unsure);
        if denied.is_empty() {
            return;
        }
        if self.way == Way::In && denied.size() < other.set.size() {
            // Which address of its subnet the source will have is not known.
            into.doubt(share, "only some addresses that the source may have are admitted", self.cites(net));
            return;
        }
        let near = near_misses(net, &rules, &other, ask, self.way, &denied, self.scope);
        into.near_misses.extend(near.into_iter().filter(|e| !into.near_misses.contains(e)).collect::<Vec<_>>());
        let share = self.of(share, &denied);
        into.deny(self.blocker(net, share, rules.is_empty(), ask));
    }

    /// What of the destination a share of the other end stands for.
    fn of(&self, share: &AddrSet, part: &AddrSet) -> AddrSet {
        if self.way == Way::Out { part.clone() } else { share.clone() }
    }

    fn cites(&self, net: &Net<'_>) -> Vec<Evidence> {
        let cite = |group: &Str| {
            let place = net.group(group).map_or(Place::default(), |g| g.it.origin);
            net.cite("SecurityGroup", group, Some(word(self.way).to_owned()), place, Decided::ByDefault)
        };
        self.groups.iter().map(cite).collect()
    }

    fn blocker(&self, net: &Net<'_>, share: AddrSet, no_rules: bool, ask: Ask<'_>) -> Blocker {
        let names = self.groups.iter().map(Str::as_str).collect::<Vec<_>>().join(", ");
        let what = format!("{}/{}", ask.port, ask.protocol);
        let (code, why) = match self.way {
            Way::Out => {
                (&codes::AWS_GROUP_EGRESS, format!("no egress rule of {names} on {} covers {what}", self.label))
            }
            Way::In => (
                &codes::AWS_GROUP_INGRESS,
                format!("no ingress rule of {names} on {} covers {what} from the source", self.label),
            ),
        };
        let ra_code = if no_rules { "SG_HAS_NO_RULES" } else { "ENI_SG_RULES_MISMATCH" };
        Blocker { share, code, ra_code: Some(ra_code), why, evidence: self.cites(net) }
    }
}

/// Rules that fit in all but one of protocol, port and address.
fn near_misses(
    net: &Net<'_>,
    rules: &[Rule<'_>],
    other: &End<'_>,
    ask: Ask<'_>,
    way: Way,
    denied: &AddrSet,
    scope: usize,
) -> Vec<Evidence> {
    let fits_peer = |rule: &Rule<'_>| !coverage(net, scope, &rule.peer, other).0.intersection(denied).is_empty();
    let misses = |rule: &&Rule<'_>| {
        let protocol = covers_protocol(rule.protocol, ask.protocol);
        let port = rule.covers_port(ask.port);
        [protocol, port, fits_peer(rule)].iter().filter(|fits| !**fits).count() == 1
    };
    rules.iter().filter(misses).take(3).map(|rule| rule.cite(net, way)).collect()
}

/// The outbound gate of a source.
pub(super) fn leave(net: &Net<'_>, from: &Socket<'_>, ask: Ask<'_>, to: &End<'_>, into: &mut Verdict) {
    let gate = Gate { groups: &from.groups, scope: from.scope, way: Way::Out, label: &from.label };
    gate.check(net, *to, to.set, ask, into);
}
