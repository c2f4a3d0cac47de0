//! Where a connection starts: the interface, address and source ports that the network sees.

use super::net::{Iface, Net};
use super::verdict::{Blocker, Uncertainty};
use super::{Ask, Verdict, walk};
use crate::model::{AddrSet, Decided, Evidence, Family, PortSet, Str, codes};

/// The default range of Linux for the ports of its own sockets (`net.ipv4.ip_local_port_range`).
pub fn own_ports() -> PortSet {
    PortSet::range(32768, 60999)
}

/// The range from which a source translation picks, and NAT gateways too.
pub fn translated_ports() -> PortSet {
    PortSet::range(1024, 65535)
}

/// An interface with an address and the ports that a connection may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Socket<'a> {
    /// How it is called in messages: `eni-0a1 (primary interface of node-3)`.
    pub label: String,
    /// Scope of its interface.
    pub scope: usize,
    /// The interface, where it is one that was read.
    pub iface: Option<&'a Str>,
    /// The instance that it is on.
    pub instance: Option<&'a Str>,
    /// Its VPC.
    pub vpc: &'a Str,
    /// Its subnet; `None` where only a security group is asked about.
    pub subnet: Option<&'a Str>,
    /// Security groups.
    pub groups: Vec<Str>,
    /// Its address; a whole subnet where the address is not known yet.
    pub from: AddrSet,
    /// Whether a public address stands for it.
    pub is_public: bool,
    /// Whether IPv6 through an internet gateway is dropped.
    pub deny_igw: bool,
    /// The source ports that may be picked.
    pub ports: PortSet,
}

impl<'a> Socket<'a> {
    /// A socket on an interface; `None` if the interface has no address of the family.
    pub fn on(iface: &Iface<'a>, family: Family, ports: PortSet, label: String) -> Option<Self> {
        let (ip, is_public) = iface.addresses.iter().copied().find(|(ip, _)| Family::of(*ip) == family)?;
        Some(Self::at(iface, ip, is_public, ports, label))
    }

    /// A socket on an interface at an address of it.
    pub fn at(iface: &Iface<'a>, ip: std::net::IpAddr, is_public: bool, ports: PortSet, label: String) -> Self {
        Self {
            label,
            scope: iface.scope,
            iface: Some(iface.id),
            instance: iface.instance,
            vpc: iface.vpc,
            subnet: Some(iface.subnet),
            groups: iface.groups.iter().map(|g| (*g).clone()).collect(),
            from: AddrSet::single(ip),
            is_public,
            deny_igw: iface.deny_igw,
            ports,
        }
    }
}

/// How a part of the destinations is contacted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leg<'a> {
    /// The destinations; of one family.
    pub to: AddrSet,
    /// From where; or why it cannot be told.
    pub from: Result<Socket<'a>, String>,
    /// There can be no such connection: the source has no address of the family.
    pub impossible: bool,
}

/// One way in which a source may be connected: its legs for all destinations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way<'a> {
    /// Whether it is certain, one of several that are all needed, or one of several of which one is true.
    pub legs: Vec<Leg<'a>>,
    /// What is taken for granted.
    pub assumptions: Vec<String>,
}

/// What decides of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    ways: Vec<Vec<LegShape>>,
    combine: Ways,
    doubt: Option<String>,
}

/// Where it leads, from where, and whether that is possible.
type LegShape = (AddrSet, Result<SocketShape, String>, bool);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SocketShape {
    vpc: Str,
    subnet: Option<Str>,
    groups: Vec<Str>,
    is_public: bool,
    deny_igw: bool,
    ports: PortSet,
    /// Blocks smaller than a subnet, of those that rules speak of, in which the address lies.
    within: Vec<u32>,
    instance: Option<Str>,
}

/// How several ways combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ways {
    /// The pod may land on any of the nodes: all of them are needed.
    #[default]
    AllNeeded,
    /// One of them is true, and it is not known which: where they differ, nothing is known.
    OneIsTrue,
}

/// Where a connection starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin<'a> {
    /// The ways.
    pub ways: Vec<Way<'a>>,
    /// How they combine.
    pub combine: Ways,
    /// Why nothing can be told.
    pub doubt: Option<String>,
    /// Why an open answer is not certain, and for which destinations; a deny in all ways is.
    pub reserve: Option<(String, AddrSet)>,
}

impl<'a> Origin<'a> {
    /// An origin of which nothing can be told.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { doubt: Some(why.into()), ..Self::default() }
    }

    /// An origin at one socket per family, whatever is contacted.
    pub fn of_sockets(sockets: &[Socket<'a>], without: &str) -> Self {
        let mut legs: Vec<Leg<'a>> = Vec::new();
        for family in [Family::V4, Family::V6] {
            let socket = sockets.iter().find(|s| s.from.family() == family).cloned();
            legs.push(Leg {
                to: AddrSet::all(family),
                impossible: socket.is_none(),
                from: socket.ok_or_else(|| format!("{without} has no {family} address")),
            });
        }
        Self { ways: vec![Way { legs, assumptions: Vec::new() }], ..Self::default() }
    }

    /// The VPCs from which connections may start.
    pub fn vpcs(&self) -> Vec<&'a Str> {
        let sockets = self.ways.iter().flat_map(|w| &w.legs).filter_map(|l| l.from.as_ref().ok());
        let mut vpcs: Vec<&Str> = sockets.map(|s| s.vpc).collect();
        vpcs.sort_unstable();
        vpcs.dedup();
        vpcs
    }

    /// What of it decides: origins of one shape have equal verdicts. `with_instance`: destinations may be on the
    /// very instance.
    pub fn shape(&self, net: &Net<'_>, with_instance: bool) -> Shape {
        let of_socket = |s: &Socket<'_>| SocketShape {
            vpc: s.vpc.clone(),
            subnet: s.subnet.cloned(),
            groups: s.groups.clone(),
            is_public: s.is_public,
            deny_igw: s.deny_igw,
            ports: s.ports.clone(),
            within: net.narrow_blocks(&s.from),
            instance: s.instance.filter(|_| with_instance).cloned(),
        };
        let of_leg = |leg: &Leg<'_>| {
            // Who has no address of a family is not told apart by its name.
            let why = |why: &String| if leg.impossible { String::new() } else { why.clone() };
            (leg.to.clone(), leg.from.as_ref().map(of_socket).map_err(why), leg.impossible)
        };
        Shape {
            ways: self.ways.iter().map(|way| way.legs.iter().map(of_leg).collect()).collect(),
            combine: self.combine,
            doubt: self.doubt.clone().or_else(|| self.reserve.as_ref().map(|(why, _)| why.clone())),
        }
    }

    /// The addresses from which connections start, as far as they are known one by one.
    pub fn addresses(&self) -> Vec<std::net::IpAddr> {
        let sockets = self.ways.iter().flat_map(|w| &w.legs).filter_map(|l| l.from.as_ref().ok());
        let mut known: Vec<std::net::IpAddr> =
            sockets.filter(|s| s.from.size() == 1).filter_map(|s| s.from.first()).collect();
        known.dedup();
        known
    }

    /// The families in which it can open connections, be it through its node.
    pub fn families(&self) -> Vec<Family> {
        let legs = || self.ways.iter().flat_map(|w| &w.legs);
        let can = |family: &Family| legs().any(|leg| leg.to.family() == *family && leg.from.is_ok());
        [Family::V4, Family::V6].into_iter().filter(can).collect()
    }

    /// The verdict over all ways.
    pub(super) fn judge(&self, net: &Net<'_>, ask: Ask<'_>) -> Verdict {
        if let Some(why) = &self.doubt {
            let mut verdict = Verdict::new(ask.to);
            verdict.doubt(ask.to, why.clone(), Vec::new());
            return verdict;
        }
        let mut verdicts: Vec<Verdict> = self.ways.iter().map(|way| judge_way(net, way, ask)).collect();
        verdicts.dedup();
        let mut verdict = if verdicts.len() == 1 { verdicts.remove(0) } else { combine(verdicts, self.combine, ask) };
        if let Some((why, share)) = self.reserve.as_ref().filter(|(_, share)| share.family() == ask.to.family()) {
            verdict.doubt(&ask.to.intersection(share), why.clone(), Vec::new());
        }
        verdict
    }
}

fn judge_way(net: &Net<'_>, way: &Way<'_>, ask: Ask<'_>) -> Verdict {
    let mut verdict = Verdict::new(ask.to);
    for leg in &way.legs {
        let to = ask.to.intersection(&leg.to);
        if to.is_empty() {
            continue;
        }
        match &leg.from {
            Ok(socket) => verdict.join(walk::walk(net, socket, Ask { to: &to, ..ask })),
            Err(why) if leg.impossible => verdict.deny(Blocker {
                share: to,
                code: &codes::AWS_FAMILY,
                ra_code: None,
                why: why.clone(),
                evidence: ifaces_of(net, way),
            }),
            Err(why) => verdict.doubt(&to, why.clone(), Vec::new()),
        }
    }
    verdict.assumptions.extend(way.assumptions.iter().cloned());
    verdict
}

/// The interfaces of a way: what has no address of a family.
fn ifaces_of(net: &Net<'_>, way: &Way<'_>) -> Vec<Evidence> {
    let ifaces = way.legs.iter().filter_map(|leg| leg.from.as_ref().ok()?.iface);
    let mut ids: Vec<&Str> = ifaces.collect();
    ids.dedup();
    let place = |id: &Str| net.iface(id).map(|iface| iface.origin).unwrap_or_default();
    ids.into_iter().map(|id| net.cite("NetworkInterface", id, None, place(id), Decided::ByDefault)).collect()
}

/// Several ways as one verdict. What all of them agree on stands; where they differ, the blocked share is one that
/// only some nodes have (`intermittent`), or unknown.
fn combine(verdicts: Vec<Verdict>, how: Ways, ask: Ask<'_>) -> Verdict {
    let shares: Vec<_> = verdicts.iter().map(Verdict::shares).collect();
    let Some(first) = shares.first() else {
        let mut verdict = Verdict::new(ask.to);
        verdict.doubt(ask.to, "no way from the source is known", Vec::new());
        return verdict;
    };
    if shares.iter().all(|s| s == first) {
        let mut all = verdicts.into_iter();
        let mut joined = all.next().unwrap_or_else(|| Verdict::new(ask.to));
        all.for_each(|v| joined.join(v));
        return joined;
    }
    let denied_by_all = shares.iter().fold(ask.to.clone(), |sum, s| sum.intersection(&s.denied));
    let open_to_all = shares.iter().fold(ask.to.clone(), |sum, s| sum.intersection(&s.open));
    let unsettled = ask.to.difference(&denied_by_all).difference(&open_to_all);
    let mut joined = Verdict::new(ask.to);
    for verdict in verdicts {
        let mixed = |joined: &mut Verdict, share: AddrSet, why: String, evidence: Vec<Evidence>| match how {
            _ if share.is_empty() => {}
            Ways::AllNeeded => {
                let one = Uncertainty { share, why: format!("on some nodes only: {why}"), evidence };
                joined.mixed.extend(Some(one).filter(|one| !joined.mixed.contains(one)));
            }
            Ways::OneIsTrue => joined.doubt(&share, format!("it may be that {why}"), evidence),
        };
        for blocker in verdict.blockers {
            mixed(&mut joined, blocker.share.intersection(&unsettled), blocker.why.clone(), blocker.evidence.clone());
            joined.deny(Blocker { share: blocker.share.intersection(&denied_by_all), ..blocker });
        }
        for replies in verdict.replies {
            mixed(&mut joined, replies.share.intersection(&unsettled), replies.why, replies.evidence);
        }
        for u in verdict.uncertainties {
            joined.doubt(&u.share.intersection(&unsettled), u.why, u.evidence);
        }
        verdict.by.into_iter().for_each(|e| joined.pass(e));
        joined
            .assumptions
            .extend(verdict.assumptions.into_iter().filter(|a| !joined.assumptions.contains(a)).collect::<Vec<_>>());
        joined.way.extend(verdict.way.into_iter().filter(|w| !joined.way.contains(w)).collect::<Vec<_>>());
    }
    // What no source port of any way gets replies from is denied by no single gate.
    let lost = denied_by_all.difference(&joined.shares().denied);
    joined.deny(Blocker {
        share: lost,
        code: &codes::AWS_ACL_REPLIES,
        ra_code: Some("SUBNET_ACL_RESTRICTION"),
        why: "the network ACLs on the way admit replies to no source port in common".to_owned(),
        evidence: Vec::new(),
    });
    joined
}
