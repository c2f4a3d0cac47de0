//! From a pod or a node of the cluster to the sockets that the network of the VPC sees.

use std::net::IpAddr;

use serde::Deserialize;

use super::cni::Cni;
use super::net::{Iface, Net};
use super::origin::{Leg, Origin, Socket, Way, Ways, own_ports, translated_ports};
use crate::model::object::{Node, Pod, Workload};
use crate::model::{AddrSet, Family, Labels, PortSet, Snapshot, Str};

/// The annotation that names a pod's branch interface.
const POD_ENI: &str = "vpc.amazonaws.com/pod-eni";

/// A cluster in its VPC.
#[derive(Debug)]
pub struct Cluster<'a> {
    /// The network.
    pub net: Net<'a>,
    snapshot: &'a Snapshot,
    nodes: rustc_hash::FxHashMap<&'a str, &'a Node>,
    cni: Cni,
}

/// One entry of the annotation `vpc.amazonaws.com/pod-eni`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct PodEni {
    eni_id: String,
}

/// Where a node stands in the VPC.
enum Place<'n, 'a> {
    /// On an instance, with its first interface.
    Instance(&'n Iface<'a>),
    /// On Fargate: each pod has an interface of its own.
    Fargate,
    /// It cannot be told.
    Unknown(String),
}

impl<'a> Cluster<'a> {
    /// The cluster of a snapshot in its VPC; `None` if the snapshot has no facts about AWS. `cni`: the product that
    /// was named, if one was.
    pub fn new(snapshot: &'a Snapshot, cni: Option<&str>) -> Option<Self> {
        let net = Net::new(snapshot)?;
        let nodes = snapshot.nodes.iter().map(|n| (n.meta.name.as_str(), n)).collect();
        Some(Self { net, snapshot, nodes, cni: Cni::of(snapshot, cni) })
    }

    /// The sockets of a running pod. `groups`: what a SecurityGroupPolicy that selects it gives it.
    pub fn pod(&self, pod: &Pod, groups: Option<&[Str]>) -> Origin<'a> {
        let place = self.place(pod.node.as_deref(), &pod.host_ips);
        if pod.spec.host_network {
            return match place {
                Place::Instance(primary) => of_node(primary, pod.node.as_deref()),
                Place::Fargate => Origin::unknown("Fargate has no pods on the host network"),
                Place::Unknown(why) => Origin::unknown(why),
            };
        }
        if let Some(annotation) = pod.meta.annotations.get(POD_ENI) {
            let parsed: Option<Vec<PodEni>> = serde_json::from_str(annotation).ok();
            let id = parsed.and_then(|list| list.into_iter().next()).map(|one| one.eni_id).filter(|id| !id.is_empty());
            let Some(id) = id else {
                return Origin::unknown(format!("its annotation {POD_ENI} names no interface"));
            };
            return match self.net.iface(&id) {
                Some(own) => self.of_branch(own, &pod.ips, &place),
                None => Origin::unknown(format!("its branch interface {id} is not in the documents")),
            };
        }
        if pod.ips.is_empty() {
            let on = pod.node.as_deref().and_then(|n| self.nodes.get(n));
            let candidates = on.map_or_else(|| self.candidates(&Labels::default(), true), |node| vec![*node]);
            return self.expected(&candidates, Ways::OneIsTrue, groups);
        }
        if groups.is_some() && !matches!(place, Place::Fargate) {
            return Origin::unknown("a SecurityGroupPolicy selects the pod, which shows no interface of its own");
        }
        let own = self.own(&pod.ips, &place);
        match place {
            Place::Unknown(why) => Origin::unknown(why),
            Place::Fargate => match own {
                Some(own) => Origin::of_sockets(&own_sockets(own, &pod.ips), own.id),
                None => Origin::unknown(format!("no interface holds the pod's address {}", list(&pod.ips))),
            },
            Place::Instance(primary) => {
                self.on_instance(own, &pod.ips, primary, pod.node.as_deref().unwrap_or(primary.id))
            }
        }
    }

    /// The sockets of a pod that a template predicts: on any node that may run it.
    pub fn predicted(&self, workload: &Workload, groups: Option<&[Str]>) -> Origin<'a> {
        let spec = &workload.spec;
        let candidates = self.candidates(&spec.node_selector, spec.picks_nodes);
        // Where it picks nodes by what was not kept, one of them is true and it is not known which.
        let chosen = if spec.picks_nodes { Ways::OneIsTrue } else { Ways::AllNeeded };
        if !spec.host_network {
            return self.expected(&candidates, chosen, groups);
        }
        let mut ways = Vec::new();
        for node in candidates {
            match self.place(Some(&node.meta.name), &node.addresses) {
                Place::Instance(primary) => ways.extend(of_node(primary, Some(&node.meta.name)).ways),
                Place::Fargate => {}
                Place::Unknown(why) => return Origin::unknown(why),
            }
        }
        finish(ways, chosen)
    }

    /// The sockets of a node itself: image pulls, and pods on the host network.
    pub fn node(&self, name: &str) -> Origin<'a> {
        let addresses = self.nodes.get(name).map(|n| n.addresses.clone()).unwrap_or_default();
        match self.place(Some(name), &addresses) {
            Place::Instance(primary) => of_node(primary, Some(name)),
            Place::Fargate => Origin::unknown("a Fargate node is one pod"),
            Place::Unknown(why) => Origin::unknown(why),
        }
    }

    /// The sockets of an instance: its first interface.
    pub fn instance(&self, id: &str) -> Origin<'a> {
        match self.net.primary_of(id) {
            Some(primary) => {
                Origin::of_sockets(&sockets(primary, &own_ports(), &format!("{} of {id}", primary.id)), id)
            }
            None => Origin::unknown(format!("instance {id} has no interface in the documents")),
        }
    }

    /// The sockets of what is no pod, by kind and name: `Node`, `Instance`, `NetworkInterface`, `SecurityGroup`.
    pub fn source(&self, kind: &str, name: &str) -> Origin<'a> {
        match kind {
            "Node" => self.node(name),
            "Instance" => self.instance(name),
            "NetworkInterface" => self.interface(name),
            _ => self.group(name),
        }
    }

    /// The sockets of a security group: of every interface that carries it; the group alone, where none was read.
    pub fn group(&self, id: &str) -> Origin<'a> {
        let mut carriers = self.net.carriers(id).peekable();
        if carriers.peek().is_some() {
            let ways = carriers.flat_map(|i| Origin::of_sockets(&sockets(i, &own_ports(), i.id), i.id).ways);
            return finish(ways.collect(), Ways::AllNeeded);
        }
        let Some(group) = self.net.group(id) else {
            return Origin::unknown(format!("security group {id} is not in the documents"));
        };
        let socket = |family| Socket {
            label: "any interface".to_owned(),
            scope: group.scope,
            iface: None,
            instance: None,
            vpc: &group.it.vpc_id,
            subnet: None,
            groups: vec![group.it.group_id.clone()],
            from: AddrSet::all(family),
            is_public: false,
            deny_igw: false,
            ports: own_ports(),
        };
        Origin::of_sockets(&[socket(Family::V4), socket(Family::V6)], id)
    }

    /// The socket of an address, on the interface that holds it.
    pub fn address(&self, ip: IpAddr) -> Origin<'a> {
        let holders: Vec<&Iface<'a>> = self.net.holders(ip).collect();
        match holders.as_slice() {
            [one] => Origin::of_sockets(&own_sockets(one, &[ip]), one.id),
            [] => Origin::unknown(format!("no interface in the documents holds {ip}")),
            _ => Origin::unknown(format!("interfaces of several VPCs hold {ip}")),
        }
    }

    /// The sockets of an interface at its primary addresses.
    pub fn interface(&self, id: &str) -> Origin<'a> {
        match self.net.iface(id) {
            Some(iface) => Origin::of_sockets(&sockets(iface, &own_ports(), id), id),
            None => Origin::unknown(format!("interface {id} is not in the documents")),
        }
    }

    fn place(&self, node: Option<&str>, addresses: &[IpAddr]) -> Place<'_, 'a> {
        let object = node.and_then(|n| self.nodes.get(n));
        let provider = object.and_then(|n| n.provider_id.as_deref()).unwrap_or_default();
        if let Some(rest) = provider.strip_prefix("aws://") {
            let id = rest.rsplit('/').next().unwrap_or_default();
            if id.starts_with("fargate-") {
                return Place::Fargate;
            }
            return match self.net.primary_of(id) {
                Some(primary) => Place::Instance(primary),
                None => Place::Unknown(format!("instance {id} of its node has no interface in the documents")),
            };
        }
        if !provider.is_empty() {
            return Place::Unknown(format!("its node is not one of AWS ({provider})"));
        }
        let known = object.map(|n| n.addresses.as_slice()).unwrap_or_default();
        let mut found: Vec<&Iface<'a>> = addresses
            .iter()
            .chain(known)
            .flat_map(|ip| self.net.holders(*ip))
            .filter(|i| i.instance.is_some())
            .collect();
        found.dedup_by_key(|i| i.id);
        match found.as_slice() {
            [one] => match one.instance.and_then(|id| self.net.primary_of(id)) {
                Some(primary) => Place::Instance(primary),
                None => Place::Unknown(format!("the first interface of {} is not in the documents", one.id)),
            },
            [] => Place::Unknown(match node {
                Some(node) => format!("on which instance node {node} runs is not known: it has no providerID"),
                None => "on which node it runs is not known".to_owned(),
            }),
            _ => Place::Unknown("several interfaces have the address of its node".to_owned()),
        }
    }

    /// The interface that holds a pod's addresses.
    fn own(&self, ips: &[IpAddr], place: &Place<'_, 'a>) -> Option<&Iface<'a>> {
        let mut holders: Vec<&Iface<'a>> = ips.iter().flat_map(|ip| self.net.holders(*ip)).collect();
        holders.dedup_by_key(|i| i.id);
        if let Place::Instance(primary) = place {
            holders.retain(|i| i.vpc == primary.vpc);
            if let Some(at) = holders.iter().position(|i| i.instance == primary.instance) {
                return Some(holders[at]);
            }
        }
        // In two VPCs at once: neither can be told to be the one.
        if holders.len() == 1 { holders.pop() } else { None }
    }

    fn of_branch(&self, own: &Iface<'a>, ips: &[IpAddr], place: &Place<'_, 'a>) -> Origin<'a> {
        let direct = || Origin::of_sockets(&own_sockets(own, ips), own.id);
        let translated = || match place {
            Place::Instance(primary) => self.translated(Some(own), ips, primary, primary.id),
            _ => Vec::new(),
        };
        match (self.cni.strict, self.cni.external_snat) {
            (Some(true), _) => direct(),
            (Some(false), Some(false)) => finish(translated(), Ways::OneIsTrue),
            // In standard mode with translation outside, the documents do not say which groups count.
            _ => {
                let mut ways = direct().ways;
                ways.extend(translated());
                finish(ways, Ways::OneIsTrue)
            }
        }
    }

    fn on_instance(&self, own: Option<&Iface<'a>>, ips: &[IpAddr], primary: &Iface<'a>, node: &str) -> Origin<'a> {
        let keeps = |own: &Iface<'a>| Origin::of_sockets(&own_sockets(own, ips), own.id).ways;
        match (own, self.cni.runs, self.cni.external_snat) {
            // An overlay network, or one whose addresses the VPC does not know.
            (None, Some(false), _) => {
                Origin { ways: vec![overlay(primary, node)], combine: Ways::AllNeeded, doubt: None }
            }
            (None, None, _) => {
                let mut ways = self.translated(None, ips, primary, node);
                ways.push(overlay(primary, node));
                finish(ways, Ways::OneIsTrue)
            }
            (Some(own), Some(true), Some(true)) => finish(keeps(own), Ways::OneIsTrue),
            (_, Some(true), Some(false)) => finish(self.translated(own, ips, primary, node), Ways::OneIsTrue),
            (Some(own), ..) => {
                let mut ways = keeps(own);
                ways.extend(self.translated(Some(own), ips, primary, node));
                finish(ways, Ways::OneIsTrue)
            }
            (None, Some(true), Some(true)) => {
                Origin::unknown(format!("no interface holds the pod's address {}", list(ips)))
            }
            (None, Some(true), None) => finish(self.translated(None, ips, primary, node), Ways::OneIsTrue),
        }
    }

    /// Translated to the node's primary address, except inside the VPC.
    fn translated(&self, own: Option<&Iface<'a>>, ips: &[IpAddr], primary: &Iface<'a>, node: &str) -> Vec<Way<'a>> {
        let label = format!("{} (primary interface of {node}; the VPC CNI rewrites the source)", primary.id);
        let Some(inside) = self.inside(primary) else {
            return vec![Way {
                legs: all_unknown(&format!("{} is not in the documents", primary.vpc)),
                assumptions: Vec::new(),
            }];
        };
        let has = |family| ips.iter().any(|ip| Family::of(*ip) == family);
        let own_socket = |family| match own {
            Some(own) => own_sockets(own, ips)
                .into_iter()
                .find(|s| s.from.family() == family)
                .ok_or_else(|| format!("{} has no {family} address", own.id)),
            None => Err(format!("no interface holds the pod's address {}", list(ips))),
        };
        let of_ports = |ports: &PortSet| {
            let mut legs = Vec::new();
            let node_socket = |family| {
                Socket::on(primary, family, ports.clone(), label.clone())
                    .ok_or_else(|| format!("{} has no {family} address", primary.id))
            };
            if has(Family::V4) {
                let outside = AddrSet::all(Family::V4).difference(&inside);
                legs.push(Leg { to: inside.clone(), from: own_socket(Family::V4), impossible: false });
                legs.push(Leg { to: outside, from: node_socket(Family::V4), impossible: false });
            } else {
                legs.push(borrowed(Family::V4, self.cni.v4_egress, node_socket(Family::V4)));
            }
            if has(Family::V6) {
                // IPv6 is never translated.
                legs.push(Leg { to: AddrSet::all(Family::V6), from: own_socket(Family::V6), impossible: false });
            } else {
                legs.push(borrowed(Family::V6, self.cni.v6_egress, node_socket(Family::V6)));
            }
            Way { legs, assumptions: Vec::new() }
        };
        self.cni.ports.iter().map(of_ports).collect()
    }

    /// Destinations to which pods keep their addresses.
    fn inside(&self, primary: &Iface<'a>) -> Option<AddrSet> {
        let blocks = self.net.vpc_blocks(primary.vpc, Family::V4)?;
        let exempt = self.cni.exempt.clone().unwrap_or_default();
        Some(blocks.union(&AddrSet::from_nets(Family::V4, exempt)))
    }

    /// Nodes on which a pod with a selector may land: those without taints, unless all have some or it may tolerate
    /// them.
    fn candidates(&self, selector: &Labels, picks: bool) -> Vec<&'a Node> {
        let fits = |node: &&Node| {
            selector.iter().all(|(key, value)| node.meta.labels.get(key).is_some_and(|v| v == value))
                && node.os.as_deref() != Some("windows")
        };
        let all: Vec<&Node> = self.snapshot.nodes.iter().filter(fits).collect();
        let untainted: Vec<&Node> = all.iter().filter(|n| n.taints.is_empty()).copied().collect();
        if picks || untainted.is_empty() { all } else { untainted }
    }

    /// A pod without an address yet, on one of these nodes.
    fn expected(&self, candidates: &[&'a Node], chosen: Ways, groups: Option<&[Str]>) -> Origin<'a> {
        if candidates.is_empty() {
            return Origin::unknown("no node was read that may run it, so its interface is not known");
        }
        let mut ways: Vec<Way<'a>> = Vec::new();
        for node in candidates {
            let name = node.meta.name.as_str();
            match self.place(Some(name), &node.addresses) {
                Place::Instance(primary) => self.expected_on(primary, name, groups, &mut ways),
                // Such a node is there for one pod only.
                Place::Fargate => {}
                Place::Unknown(why) => return Origin::unknown(why),
            }
        }
        if ways.is_empty() {
            return Origin::unknown("which subnet a Fargate pod gets is not known before it runs");
        }
        let settled = self.cni.runs.is_some() && self.cni.ports.len() == 1 && self.cni.external_snat.is_some();
        let combine = if settled || self.cni.runs == Some(false) { chosen } else { Ways::OneIsTrue };
        finish(ways, combine)
    }

    fn expected_on(&self, primary: &Iface<'a>, node: &str, groups: Option<&[Str]>, ways: &mut Vec<Way<'a>>) {
        if self.cni.runs == Some(false) {
            ways.push(overlay(primary, node));
            return;
        }
        let anywhere = |iface: &Iface<'a>, groups: Option<&[Str]>| {
            let block = self.net.subnet_blocks(iface.subnet, Family::V4).filter(|b| !b.is_empty());
            let label = format!("an interface of {node} in {}", iface.subnet);
            let mut socket = Socket::on(iface, Family::V4, own_ports(), label)?;
            socket.from = block.unwrap_or(socket.from);
            socket.iface = None;
            socket.is_public = false;
            if let Some(groups) = groups {
                socket.groups = groups.to_vec();
            }
            Some(socket)
        };
        if let Some(groups) = groups {
            let socket: Vec<Socket<'a>> = anywhere(primary, Some(groups)).into_iter().collect();
            let mut of_branch = Origin::of_sockets(&socket, "the pod").ways;
            for way in &mut of_branch {
                way.assumptions.push("the pod gets a branch interface in the subnet of its node".to_owned());
            }
            ways.extend(of_branch);
            if self.cni.strict == Some(true) {
                return;
            }
        }
        let ip = [IpAddr::from([0, 0, 0, 0])];
        let ordinary: Vec<&Iface<'a>> = primary
            .instance
            .into_iter()
            .flat_map(|id| self.net.ifaces_of_instance(id))
            .filter(|i| !i.is_branch)
            .collect();
        for iface in ordinary {
            let Some(own) = anywhere(iface, None) else { continue };
            if self.cni.external_snat != Some(false) {
                ways.extend(Origin::of_sockets(std::slice::from_ref(&own), "the pod").ways);
            }
            if self.cni.external_snat != Some(true) {
                for mut way in self.translated(None, &ip, primary, node) {
                    if let Some(leg) = way.legs.first_mut() {
                        leg.from = Ok(own.clone());
                    }
                    ways.push(way);
                }
            }
        }
    }
}

/// A family that a pod has no address of: through its node, if the CNI is set up so.
fn borrowed(family: Family, enabled: Option<bool>, through: Result<Socket<'_>, String>) -> Leg<'_> {
    let to = AddrSet::all(family);
    match enabled {
        Some(true) => Leg { to, from: through, impossible: false },
        Some(false) => Leg { to, from: Err(format!("the pod has no {family} address")), impossible: true },
        None => Leg {
            to,
            from: Err(format!("whether pods reach {family} through their node is not known")),
            impossible: false,
        },
    }
}

fn all_unknown<'a>(why: &str) -> Vec<Leg<'a>> {
    [Family::V4, Family::V6]
        .map(|family| Leg { to: AddrSet::all(family), from: Err(why.to_owned()), impossible: false })
        .into()
}

/// The network plugin hides pods behind their node.
fn overlay<'a>(primary: &Iface<'a>, node: &str) -> Way<'a> {
    let label = format!("{} (primary interface of {node}, for its pods)", primary.id);
    let sockets = sockets(primary, &translated_ports(), &label);
    let mut ways = Origin::of_sockets(&sockets, primary.id).ways;
    let assumptions =
        vec!["no interface holds the pod's address: the network plugin masquerades it as its node".to_owned()];
    let legs = ways.pop().map(|w| w.legs).unwrap_or_default();
    Way { legs, assumptions }
}

fn of_node<'a>(primary: &Iface<'a>, node: Option<&str>) -> Origin<'a> {
    let of = node.map_or_else(String::new, |n| format!(" of {n}"));
    let label = format!("{} (primary interface{of})", primary.id);
    Origin::of_sockets(&sockets(primary, &own_ports(), &label), primary.id)
}

fn sockets<'a>(iface: &Iface<'a>, ports: &PortSet, label: &str) -> Vec<Socket<'a>> {
    let on = |family| Socket::on(iface, family, ports.clone(), label.to_owned());
    [Family::V4, Family::V6].into_iter().filter_map(on).collect()
}

/// A pod's own addresses on its interface. An address of a delegated block has no public one.
fn own_sockets<'a>(iface: &Iface<'a>, ips: &[IpAddr]) -> Vec<Socket<'a>> {
    let at = |ip: &IpAddr| {
        let public = iface.addresses.iter().find(|(own, _)| own == ip).map(|(_, public)| *public);
        let public = public.unwrap_or(Family::of(*ip) == Family::V6);
        Socket::at(iface, *ip, public, own_ports(), format!("{} (the pod's own address)", iface.id))
    };
    ips.iter().map(at).collect()
}

fn list(ips: &[IpAddr]) -> String {
    ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Ways that differ in nothing that decides are one.
fn finish(ways: Vec<Way<'_>>, combine: Ways) -> Origin<'_> {
    let mut distinct: Vec<Way<'_>> = Vec::new();
    for way in ways {
        if !distinct.iter().any(|known| is_alike(known, &way)) {
            distinct.push(way);
        }
    }
    if distinct.is_empty() {
        return Origin::unknown("no way from the source is known");
    }
    Origin { ways: distinct, combine, doubt: None }
}

/// Whether two ways lead through the same gates. Addresses count only where they are not of one subnet.
fn is_alike(a: &Way<'_>, b: &Way<'_>) -> bool {
    let same = |a: &Leg<'_>, b: &Leg<'_>| {
        a.to == b.to
            && a.impossible == b.impossible
            && match (&a.from, &b.from) {
                (Ok(a), Ok(b)) => {
                    (a.vpc, a.subnet, &a.groups, a.is_public, a.deny_igw, &a.ports, &a.from)
                        == (b.vpc, b.subnet, &b.groups, b.is_public, b.deny_igw, &b.ports, &b.from)
                }
                (Err(a), Err(b)) => a == b,
                _ => false,
            }
    };
    a.legs.len() == b.legs.len() && a.legs.iter().zip(&b.legs).all(|(a, b)| same(a, b))
}
