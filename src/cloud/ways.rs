//! How the packets of a pod leave: as they are, translated to the node's address, or masqueraded.

use std::net::IpAddr;

use super::cluster::{Cluster, Place, PodGroups, list, own_sockets, sockets};
use super::net::{Iface, is_global};
use super::origin::{Leg, Origin, Socket, Way, Ways, own_ports, translated_ports};
use crate::model::object::Node;
use crate::model::{AddrSet, Family, PortSet, Str};

/// A pod as far as it has an interface and addresses: what it will have is as good as what it has.
struct Own<'a> {
    /// One socket per family that it has, or why it is not known.
    sockets: Vec<Result<Socket<'a>, (Family, String)>>,
}

impl<'a> Own<'a> {
    fn running(own: Option<&Iface<'a>>, ips: &[IpAddr]) -> Self {
        let unknown =
            |ip: &IpAddr| Err((Family::of(*ip), format!("no interface holds the pod's address {}", list(ips))));
        let sockets = match own {
            Some(own) => {
                let mut sockets = own_sockets(own, ips);
                if own.is_branch {
                    for socket in &mut sockets {
                        socket.label = format!("{} (branch interface of the pod)", own.id);
                    }
                }
                sockets.into_iter().map(Ok).collect()
            }
            None => ips.iter().map(unknown).collect(),
        };
        Self { sockets }
    }

    fn of(&self, family: Family) -> Option<Result<Socket<'a>, String>> {
        self.sockets.iter().find_map(|socket| match socket {
            Ok(socket) if socket.from.family() == family => Some(Ok(socket.clone())),
            Err((of, why)) if *of == family => Some(Err(why.clone())),
            _ => None,
        })
    }
}

impl<'a> Cluster<'a> {
    /// A pod with a branch interface of its own.
    pub(super) fn of_branch(&self, own: &Iface<'a>, ips: &[IpAddr], place: &Place<'_, 'a>) -> Origin<'a> {
        let pod = Own::running(Some(own), ips);
        match place {
            Place::Instance(primary) => self.by_mode(&pod, primary, primary.id),
            _ => Origin::of_sockets(&own_sockets(own, ips), own.id),
        }
    }

    /// Which way a branch interface's packets take hangs on `POD_SECURITY_GROUP_ENFORCING_MODE`.
    fn by_mode(&self, pod: &Own<'a>, primary: &Iface<'a>, node: &str) -> Origin<'a> {
        let direct = || self.direct(pod, primary, node);
        let translated = || self.translated(pod, primary, node);
        match (self.cni.strict, self.cni.external_snat) {
            (Some(true), _) => finish(direct(), Ways::OneIsTrue),
            (Some(false), Some(false)) if self.cni.exempt.is_some() => finish(translated(), Ways::OneIsTrue),
            (strict, external) => {
                let mut origin = finish([direct(), translated()].concat(), Ways::OneIsTrue);
                if strict == Some(false) && external == Some(true) {
                    let silent = "which groups count for a branch interface in standard mode with EXTERNALSNAT is not documented";
                    // Inside the VPC both keep the pod's own address.
                    let inside = self.inside(primary).unwrap_or_else(|| AddrSet::empty(Family::V4));
                    origin.reserve = Some((silent.to_owned(), AddrSet::all(Family::V4).difference(&inside)));
                }
                origin
            }
        }
    }

    /// A pod on an instance, with the interface that holds its addresses if one does.
    pub(super) fn on_instance(
        &self,
        own: Option<&Iface<'a>>,
        ips: &[IpAddr],
        primary: &Iface<'a>,
        node: &str,
    ) -> Origin<'a> {
        let pod = Own::running(own, ips);
        let ways = match (own, self.cni.runs) {
            // An overlay network, or one whose addresses the VPC does not know.
            (None, Some(false)) => vec![overlay(primary, node)],
            (None, None) => [self.translated(&pod, primary, node), vec![overlay(primary, node)]].concat(),
            (_, Some(true)) => self.by_translation(&pod, primary, node),
            // Something else hands out addresses of the VPC: whether it translates is not known.
            (Some(_), _) => [self.direct(&pod, primary, node), self.translated(&pod, primary, node)].concat(),
        };
        finish(ways, Ways::OneIsTrue)
    }

    /// By `AWS_VPC_K8S_CNI_EXTERNALSNAT`; both where it, or what is exempt, cannot be told.
    fn by_translation(&self, pod: &Own<'a>, primary: &Iface<'a>, node: &str) -> Vec<Way<'a>> {
        match self.cni.external_snat {
            Some(true) => self.direct(pod, primary, node),
            Some(false) if self.cni.exempt.is_some() => self.translated(pod, primary, node),
            _ => [self.direct(pod, primary, node), self.translated(pod, primary, node)].concat(),
        }
    }

    /// From the pod's own addresses, whatever is contacted.
    fn direct(&self, pod: &Own<'a>, primary: &Iface<'a>, node: &str) -> Vec<Way<'a>> {
        let of_ports = |ports: &PortSet| {
            let leg = |family| match pod.of(family) {
                Some(own) => Leg { to: AddrSet::all(family), from: own, impossible: false },
                None => self.borrowed(family, primary, node, ports),
            };
            Way { legs: [Family::V4, Family::V6].map(leg).into(), assumptions: Vec::new() }
        };
        self.cni.ports.iter().map(of_ports).collect()
    }

    /// Translated to the node's primary address, except inside the VPC.
    fn translated(&self, pod: &Own<'a>, primary: &Iface<'a>, node: &str) -> Vec<Way<'a>> {
        let Some(inside) = self.inside(primary) else {
            let why = format!("{} is not in the documents", primary.vpc);
            let leg = |family| Leg { to: AddrSet::all(family), from: Err(why.clone()), impossible: false };
            return vec![Way { legs: [Family::V4, Family::V6].map(leg).into(), assumptions: Vec::new() }];
        };
        let of_ports = |ports: &PortSet| {
            let mut legs = Vec::new();
            match pod.of(Family::V4) {
                Some(own) => {
                    let outside = AddrSet::all(Family::V4).difference(&inside);
                    legs.push(Leg { to: inside.clone(), from: own, impossible: false });
                    legs.push(Leg { to: outside, from: of_node(primary, Family::V4, node, ports), impossible: false });
                }
                None => legs.push(self.borrowed(Family::V4, primary, node, ports)),
            }
            legs.push(match pod.of(Family::V6) {
                // IPv6 is never translated.
                Some(own) => Leg { to: AddrSet::all(Family::V6), from: own, impossible: false },
                None => self.borrowed(Family::V6, primary, node, ports),
            });
            Way { legs, assumptions: Vec::new() }
        };
        self.cni.ports.iter().map(of_ports).collect()
    }

    /// A family that a pod has no address of: through its node, if the CNI is set up so, and even where it translates
    /// nothing else.
    fn borrowed(&self, family: Family, primary: &Iface<'a>, node: &str, ports: &PortSet) -> Leg<'a> {
        let to = AddrSet::all(family);
        let enabled = match family {
            Family::V4 => self.cni.v4_egress,
            Family::V6 => self.cni.v6_egress,
        };
        match enabled {
            Some(true) => Leg { to, from: of_node(primary, family, node, ports), impossible: false },
            Some(false) => Leg { to, from: Err(format!("the pod has no {family} address")), impossible: true },
            None => {
                let why = format!("whether pods reach {family} through their node is not known");
                Leg { to, from: Err(why), impossible: false }
            }
        }
    }

    /// Destinations to which pods keep their addresses.
    fn inside(&self, primary: &Iface<'a>) -> Option<AddrSet> {
        let blocks = self.net.vpc_blocks(primary.vpc, Family::V4)?;
        let exempt = self.cni.exempt.clone().unwrap_or_default();
        Some(blocks.union(&AddrSet::from_nets(Family::V4, exempt)))
    }

    /// A pod without an address yet, on one of these nodes.
    pub(super) fn expected(&self, candidates: &[&'a Node], chosen: Ways, groups: &PodGroups) -> Origin<'a> {
        if let PodGroups::Unsure(why) = groups {
            return Origin::unknown(why.clone());
        }
        if candidates.is_empty() {
            return Origin::unknown("no node was read that may run it, so its interface is not known");
        }
        let mut all = Origin { combine: chosen, ..Origin::default() };
        for node in candidates {
            let name = node.meta.name.as_str();
            match self.place(Some(name), &node.addresses) {
                Place::Instance(primary) => {
                    let here = self.expected_on(primary, name, groups);
                    all.reserve = all.reserve.or(here.reserve);
                    // Two ways of one node are alternatives of which one is true.
                    if here.ways.len() > 1 && here.combine == Ways::OneIsTrue {
                        all.combine = Ways::OneIsTrue;
                    }
                    all.ways.extend(here.ways);
                }
                // Such a node is there for one pod only.
                Place::Fargate => {}
                Place::Unknown(why) => return Origin::unknown(why),
            }
        }
        if all.ways.is_empty() {
            return Origin::unknown("which subnet a Fargate pod gets is not known before it runs");
        }
        Origin { reserve: all.reserve, ..finish(all.ways, all.combine) }
    }

    fn expected_on(&self, primary: &Iface<'a>, node: &str, groups: &PodGroups) -> Origin<'a> {
        if self.cni.runs == Some(false) {
            return finish(vec![overlay(primary, node)], Ways::AllNeeded);
        }
        if let PodGroups::Given(groups) = groups {
            let mut origin = self.by_mode(&self.somewhere(primary, Some(groups), node), primary, node);
            for way in &mut origin.ways {
                way.assumptions.push("the pod gets a branch interface in the subnet of its node".to_owned());
            }
            return origin;
        }
        let ordinary = primary.instance.into_iter().flat_map(|id| self.net.ifaces_of_instance(id));
        let mut ways = Vec::new();
        let mut alternatives = 1;
        for iface in ordinary.filter(|i| !i.is_branch) {
            let here = self.by_translation(&self.somewhere(iface, None, node), primary, node);
            alternatives = alternatives.max(here.len());
            ways.extend(here);
        }
        // Any of the node's interfaces may hold the pod: all of them are needed.
        let unsettled = alternatives > 1 || self.cni.runs.is_none();
        finish(ways, if unsettled { Ways::OneIsTrue } else { Ways::AllNeeded })
    }

    /// The socket of a pod that will be somewhere in the subnet of an interface.
    fn somewhere(&self, iface: &Iface<'a>, groups: Option<&[Str]>, node: &str) -> Own<'a> {
        let of_family = |family| {
            let block = self.net.subnet_blocks(iface.subnet, family).filter(|b| !b.is_empty());
            let label = format!("an interface of {node} in {}", iface.subnet);
            let mut socket = Socket::on(iface, family, own_ports(), label)?;
            // Where the subnet was not read it may be any address.
            socket.from = block.unwrap_or_else(|| AddrSet::all(family));
            socket.iface = None;
            socket.is_public = socket.from.first().is_some_and(is_global);
            if let Some(groups) = groups {
                socket.groups = groups.to_vec();
            }
            Some(Ok(socket))
        };
        // Families of a pod that does not exist yet: IPv4, an assumption, unless its node has none.
        let v4 = of_family(Family::V4);
        Own { sockets: v4.or_else(|| of_family(Family::V6)).into_iter().collect() }
    }
}

/// The node's own socket for its pods.
fn of_node<'a>(primary: &Iface<'a>, family: Family, node: &str, ports: &PortSet) -> Result<Socket<'a>, String> {
    let label = format!("{} (primary interface of {node}; the VPC CNI rewrites the source)", primary.id);
    Socket::on(primary, family, ports.clone(), label).ok_or_else(|| format!("{} has no {family} address", primary.id))
}

/// The network plugin hides pods behind their node.
fn overlay<'a>(primary: &Iface<'a>, node: &str) -> Way<'a> {
    let label = format!("{} (primary interface of {node}, for its pods)", primary.id);
    let mut ways = Origin::of_sockets(&sockets(primary, &translated_ports(), &label), primary.id).ways;
    let assumptions =
        vec!["no interface holds the pod's address: the network plugin masquerades it as its node".to_owned()];
    let legs = ways.pop().map(|w| w.legs).unwrap_or_default();
    Way { legs, assumptions }
}

/// Ways that differ in nothing that decides are one.
pub(super) fn finish(ways: Vec<Way<'_>>, combine: Ways) -> Origin<'_> {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut distinct: Vec<Way<'_>> = Vec::new();
    for way in ways {
        // What they are called and where they were read decides nothing.
        let key: Vec<_> =
            way.legs.iter().map(|leg| (leg.to.clone(), leg.from.as_ref().map(key).map_err(Clone::clone))).collect();
        if seen.insert(key) {
            distinct.push(way);
        }
    }
    if distinct.is_empty() {
        return Origin::unknown("no way from the source is known");
    }
    Origin { ways: distinct, combine, ..Origin::default() }
}

/// What decides of a socket.
fn key(socket: &Socket<'_>) -> impl std::hash::Hash + Eq + use<> {
    let place = (socket.vpc.clone(), socket.subnet.cloned(), socket.instance.cloned(), socket.groups.clone());
    (place, socket.from.clone(), socket.is_public, socket.deny_igw, socket.ports.clone())
}
