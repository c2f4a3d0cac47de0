//! Network ACLs: stateless, ordered, both directions.

use super::net::{In, Net, blocks};
use super::verdict::{Blocker, Picker, Replies, Verdict};
use crate::model::aws::{NetworkAcl, NetworkAclEntry};
use crate::model::{AddrSet, Decided, Evidence, PortSet, Protocol, codes};

/// A share of packets with what an ACL says to it.
struct Share<'a> {
    set: AddrSet,
    ports: PortSet,
    allows: bool,
    /// `None`: the implicit deny.
    entry: Option<&'a NetworkAclEntry>,
}

fn number_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "6",
        Protocol::Udp => "17",
        Protocol::Sctp => "132",
    }
}

fn ports_of(entry: &NetworkAclEntry) -> PortSet {
    let has_ports = entry.protocol == "6" || entry.protocol == "17";
    let range = entry.port_range.as_ref().filter(|_| has_ports);
    let number = |n: Option<i32>| n.and_then(|n| u16::try_from(n).ok());
    match range.map(|r| (number(r.from), number(r.to))) {
        Some((Some(from), Some(to))) => PortSet::range(from, to),
        _ => PortSet::all(),
    }
}

/// Splits packets by the first entry that matches them.
fn split<'a>(acl: &'a NetworkAcl, egress: bool, peer: &AddrSet, protocol: Protocol, ports: &PortSet) -> Vec<Share<'a>> {
    let family = peer.family();
    let mut entries: Vec<&NetworkAclEntry> = acl.entries.iter().filter(|e| e.egress == egress).collect();
    entries.sort_by_key(|e| e.rule_number);
    let mut left = vec![(peer.clone(), ports.clone())];
    let mut shares = Vec::new();
    for entry in entries {
        if entry.protocol != "-1" && entry.protocol != number_of(protocol) {
            continue;
        }
        let Some(block) = blocks(family, [entry.cidr_block.as_str(), entry.ipv6_cidr_block.as_str()]) else { continue };
        let covered = ports_of(entry);
        let mut rest = Vec::new();
        for (set, ports) in left {
            let (inside, outside) = (set.intersection(&block), set.difference(&block));
            let taken = ports.intersection(&covered);
            if inside.is_empty() || taken.is_empty() {
                rest.push((set, ports));
                continue;
            }
            if !outside.is_empty() {
                rest.push((outside, ports.clone()));
            }
            let others = ports.difference(&covered);
            if !others.is_empty() {
                rest.push((inside.clone(), others));
            }
            let allows = entry.rule_action.eq_ignore_ascii_case("allow");
            shares.push(Share { set: inside, ports: taken, allows, entry: Some(entry) });
        }
        left = rest;
    }
    let implicit = |(set, ports)| Share { set, ports, allows: false, entry: None };
    shares.extend(left.into_iter().map(implicit));
    shares
}

fn cite(net: &Net<'_>, acl: &NetworkAcl, egress: bool, entry: Option<&NetworkAclEntry>) -> Evidence {
    let direction = if egress { "egress" } else { "ingress" };
    let mut place = acl.origin;
    let number = match entry {
        // 32767 and 32768 are how the API shows the implicit deny.
        Some(entry) if entry.rule_number < 32767 => {
            place.line = if entry.line > 0 { entry.line } else { place.line };
            entry.rule_number.to_string()
        }
        _ => "*".to_owned(),
    };
    let decided = if number == "*" { Decided::ByDefault } else { Decided::ByRule };
    net.cite("NetworkAcl", &acl.network_acl_id, Some(format!("#{number}/{direction}")), place, decided)
}

/// An entry of a direction whose block is none: what it does cannot be told.
fn unreadable(acl: &NetworkAcl, egress: bool) -> Option<String> {
    let is_block = |text: &str| text.is_empty() || text.parse::<ipnet::IpNet>().is_ok();
    let of_direction = acl.entries.iter().filter(|e| e.egress == egress);
    let entry = of_direction.into_iter().find(|e| !is_block(&e.cidr_block) || !is_block(&e.ipv6_cidr_block))?;
    Some(format!(
        "entry {} of network ACL {} has no address block that can be read",
        entry.rule_number, acl.network_acl_id
    ))
}

/// One crossing of a subnet's border.
pub(super) struct Border<'a> {
    /// The subnet.
    pub(super) subnet: &'a str,
    /// Packets leave the subnet.
    pub(super) egress: bool,
    /// Transport protocol.
    pub(super) protocol: Protocol,
}

impl Border<'_> {
    /// Request packets to one port. `peer`: the addresses at the other end; `share`: the destination that they stand
    /// for (the same set, unless the ACL is at the destination and sees the source).
    pub(super) fn request(&self, net: &Net<'_>, peer: &AddrSet, port: u16, share: &AddrSet, into: &mut Verdict) {
        let acl = match net.acl(self.subnet) {
            Ok(acl) => acl,
            Err(why) => return into.doubt(share, why, Vec::new()),
        };
        if let Some(why) = unreadable(acl.it, self.egress) {
            return into.doubt(share, why, Vec::new());
        }
        let is_destination = peer == share;
        let parts = split(acl.it, self.egress, peer, self.protocol, &PortSet::range(port, port));
        if !is_destination && parts.iter().any(|p| p.allows) && parts.iter().any(|p| !p.allows) {
            let why = "the network ACL admits only some addresses that the source may have";
            return into.doubt(share, why, vec![cite(net, acl.it, self.egress, None)]);
        }
        for part in parts {
            let evidence = cite(net, acl.it, self.egress, part.entry);
            if part.allows {
                into.pass(evidence);
                continue;
            }
            let (verb, direction) = if self.egress { ("out of", "egress") } else { ("into", "ingress") };
            let share = if is_destination { part.set } else { share.clone() };
            into.deny(Blocker {
                share,
                code: &codes::AWS_ACL,
                ra_code: Some("SUBNET_ACL_RESTRICTION"),
                why: format!(
                    "network ACL {} denies {port}/{} {verb} subnet {} ({direction})",
                    acl.network_acl_id, self.protocol, self.subnet
                ),
                evidence: vec![evidence],
            });
        }
    }

    /// Reply packets to the ports that the source may have picked.
    pub(super) fn replies(
        &self,
        net: &Net<'_>,
        peer: &AddrSet,
        (ports, picked_by): (&PortSet, Picker),
        share: &AddrSet,
        into: &mut Verdict,
    ) {
        let acl = match net.acl(self.subnet) {
            Ok(acl) => acl,
            Err(why) => return into.doubt(share, why, Vec::new()),
        };
        if let Some(why) = unreadable(acl.it, self.egress) {
            return into.doubt(share, why, Vec::new());
        }
        let is_destination = peer == share;
        let said = split(acl.it, self.egress, peer, self.protocol, ports);
        if !is_destination && !alike(&said) {
            let why = "the network ACL admits replies to only some addresses that the source may have";
            return into.doubt(share, why, vec![cite(net, acl.it, self.egress, None)]);
        }
        // The peers, split by which ports pass.
        let mut atoms: Vec<(AddrSet, PortSet)> = vec![(peer.clone(), PortSet::default())];
        for part in said.iter().filter(|p| p.allows) {
            let split = |(set, passing): (AddrSet, PortSet)| {
                let inside = set.intersection(&part.set);
                [(set.difference(&part.set), passing.clone()), (inside, passing.union(&part.ports))]
            };
            atoms = atoms.into_iter().flat_map(split).filter(|(set, _)| !set.is_empty()).collect();
        }
        for (set, passing) in atoms {
            if passing == *ports {
                continue;
            }
            let denying = said.iter().filter(|p| !p.allows && !p.set.is_disjoint(&set));
            let mut evidence: Vec<Evidence> = Vec::new();
            for one in denying.map(|p| cite(net, acl.it, self.egress, p.entry)) {
                if !evidence.contains(&one) {
                    evidence.push(one);
                }
            }
            let share = if is_destination { set } else { share.clone() };
            self.record(acl, share, passing, (ports, picked_by), evidence, into);
        }
        let mut passing = said.iter().filter(|p| p.allows).map(|p| cite(net, acl.it, self.egress, p.entry));
        if let Some(first) = passing.next() {
            into.pass(first);
        }
    }

    fn record(
        &self,
        acl: In<'_, NetworkAcl>,
        share: AddrSet,
        passing: PortSet,
        (ports, picked_by): (&PortSet, Picker),
        evidence: Vec<Evidence>,
        into: &mut Verdict,
    ) {
        let who = match picked_by {
            Picker::Source => "the source",
            Picker::NatGateway => "the NAT gateway",
        };
        let verb = if self.egress { "out of" } else { "into" };
        let id = &acl.it.network_acl_id;
        if passing.is_empty() {
            into.deny(Blocker {
                share,
                code: &codes::AWS_ACL_REPLIES,
                ra_code: Some("SUBNET_ACL_RESTRICTION"),
                why: format!(
                    "network ACL {id} denies the replies {verb} subnet {}: {who} sends from ports {ports}",
                    self.subnet
                ),
                evidence,
            });
            return;
        }
        let share_of_ports = f64::from(passing.size()) * 100.0 / f64::from(ports.size());
        into.replies.push(Replies {
            share,
            why: format!(
                "network ACL {id} admits replies {verb} subnet {} to {passing} only: {} of {} source ports of {who} ({share_of_ports:.0} %) get their reply",
                self.subnet,
                passing.size(),
                ports.size(),
            ),
            passing,
            of: ports.clone(),
            picked_by,
            evidence,
        });
    }
}

/// Whether an ACL treats all of the peers alike.
fn alike(parts: &[Share<'_>]) -> bool {
    parts.windows(2).all(|pair| pair[0].set == pair[1].set)
}
