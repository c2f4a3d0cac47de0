//! From a pod or a node of the cluster to the sockets that the network of the VPC sees.

use std::net::IpAddr;

use serde::Deserialize;

use super::cni::Cni;
use super::net::{Iface, Net, is_global};
use super::origin::{Origin, Socket, Ways, own_ports};
use super::scheduling;
use super::ways::finish;
use crate::model::object::{Node, Pod, Workload};
use crate::model::{AddrSet, Family, PortSet, Snapshot, Str};

/// The annotation that names a pod's branch interface.
const POD_ENI: &str = "vpc.amazonaws.com/pod-eni";

/// A cluster in its VPC.
#[derive(Debug)]
pub struct Cluster<'a> {
    /// The network.
    pub net: Net<'a>,
    snapshot: &'a Snapshot,
    nodes: rustc_hash::FxHashMap<&'a str, &'a Node>,
    pub(super) cni: Cni,
}

/// One entry of the annotation `vpc.amazonaws.com/pod-eni`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct PodEni {
    eni_id: String,
}

/// The security groups of a pod that has not got its interface yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodGroups {
    /// Those of the interface that it shares.
    OfInterface,
    /// What SecurityGroupPolicies give it: all of them together.
    Given(Vec<Str>),
    /// Whether a policy gives it some cannot be told.
    Unsure(String),
}

/// Where a node stands in the VPC.
pub(super) enum Place<'n, 'a> {
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

    /// The sockets of a running pod.
    pub fn pod(&self, pod: &Pod, groups: &PodGroups) -> Origin<'a> {
        let place = self.place(pod.node.as_deref(), &pod.host_ips);
        let is_placed = pod.node.is_some() || !pod.host_ips.is_empty();
        if pod.spec.host_network && !is_placed {
            return self.on_hosts(scheduling::candidates(&self.snapshot.nodes, &pod.spec, of_daemon_set(pod)));
        }
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
            let candidates = match pod.node.as_deref() {
                None => scheduling::candidates(&self.snapshot.nodes, &pod.spec, of_daemon_set(pod)),
                Some(name) => match self.nodes.get(name) {
                    Some(node) => Ok((vec![*node], Ways::AllNeeded)),
                    None => Err(format!("node {name}, on which it runs, was not read")),
                },
            };
            return match candidates {
                Ok((candidates, chosen)) => self.expected(&candidates, chosen, groups),
                Err(why) => Origin::unknown(why),
            };
        }
        if matches!(groups, PodGroups::Given(_)) && !matches!(place, Place::Fargate) {
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
    pub fn predicted(&self, workload: &Workload, groups: &PodGroups) -> Origin<'a> {
        let spec = &workload.spec;
        let candidates = scheduling::candidates(&self.snapshot.nodes, spec, workload.kind == "DaemonSet");
        if spec.host_network {
            return self.on_hosts(candidates);
        }
        match candidates {
            Ok((candidates, chosen)) => self.expected(&candidates, chosen, groups),
            Err(why) => Origin::unknown(why),
        }
    }

    /// The sockets of a pod on the host network, on one of these nodes.
    fn on_hosts(&self, candidates: Result<(Vec<&'a Node>, Ways), String>) -> Origin<'a> {
        let (candidates, chosen) = match candidates {
            Ok(found) => found,
            Err(why) => return Origin::unknown(why),
        };
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

    /// Whether pods may be hidden from the VPC: no VPC CNI runs, and all interfaces were read.
    pub fn has_overlay(&self) -> bool {
        let read = self.net.scopes.iter().any(|s| s.has(crate::model::aws::AwsList::NetworkInterfaces));
        self.cni.runs == Some(false) && read
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

    pub(super) fn place(&self, node: Option<&str>, addresses: &[IpAddr]) -> Place<'_, 'a> {
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
            // Addresses move from instance to instance: what holds it on another one was read at another time than the pod.
            holders.retain(|i| i.instance.is_none());
        }
        // In two VPCs at once: neither can be told to be the one.
        if holders.len() == 1 { holders.pop() } else { None }
    }
}

fn of_daemon_set(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet")
}

pub(super) fn of_node<'a>(primary: &Iface<'a>, node: Option<&str>) -> Origin<'a> {
    let of = node.map_or_else(String::new, |n| format!(" of {n}"));
    let label = format!("{} (primary interface{of})", primary.id);
    Origin::of_sockets(&sockets(primary, &own_ports(), &label), primary.id)
}

pub(super) fn sockets<'a>(iface: &Iface<'a>, ports: &PortSet, label: &str) -> Vec<Socket<'a>> {
    let on = |family| Socket::on(iface, family, ports.clone(), label.to_owned());
    [Family::V4, Family::V6].into_iter().filter_map(on).collect()
}

/// A pod's own addresses on its interface. An address of a delegated block has no public one.
pub(super) fn own_sockets<'a>(iface: &Iface<'a>, ips: &[IpAddr]) -> Vec<Socket<'a>> {
    let at = |ip: &IpAddr| {
        let public = iface.addresses.iter().find(|(own, _)| own == ip).map(|(_, public)| *public);
        let public = public.unwrap_or_else(|| is_global(*ip));
        Socket::at(iface, *ip, public, own_ports(), format!("{} (the pod's own address)", iface.id))
    };
    ips.iter().map(at).collect()
}

pub(super) fn list(ips: &[IpAddr]) -> String {
    ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::aws::{Attachment, AwsScope, NetworkInterface, PrivateAddress};
    use crate::model::object::Meta;

    fn interface(id: &str, instance: &str, addresses: &[&str]) -> NetworkInterface {
        let address = |at: &&str| PrivateAddress { private_ip_address: (*at).into(), ..PrivateAddress::default() };
        let attachment = Attachment { instance_id: instance.into(), device_index: Some(0), ..Attachment::default() };
        NetworkInterface {
            network_interface_id: id.into(),
            vpc_id: "vpc-1".into(),
            private_ip_addresses: addresses.iter().map(address).collect(),
            attachment: Some(attachment),
            ..NetworkInterface::default()
        }
    }

    #[test]
    fn an_address_that_another_instance_had_says_nothing_about_a_pod() {
        let interfaces = |mine: &[&str], other: &[&str]| {
            let interfaces = vec![interface("eni-1", "i-1", mine), interface("eni-2", "i-2", other)];
            vec![AwsScope { network_interfaces: interfaces, ..AwsScope::default() }]
        };
        let node = Node {
            meta: Meta { name: "n".into(), ..Meta::default() },
            provider_id: Some("aws:///us-east-1a/i-1".into()),
            ..Node::default()
        };
        let pod =
            Pod { node: Some("n".into()), ips: ["10.0.1.21".parse().unwrap()].into_iter().collect(), ..Pod::default() };
        for (mine, other, holder) in [
            (&["10.0.1.10"][..], &["10.0.1.20", "10.0.1.21"][..], None),
            (&["10.0.1.10", "10.0.1.21"], &["10.0.1.20"], Some("eni-1")),
        ] {
            let snapshot = Snapshot { nodes: vec![node.clone()], aws: interfaces(mine, other), ..Snapshot::default() };
            let cluster = Cluster::new(&snapshot, Some("aws")).unwrap();
            let place = cluster.place(pod.node.as_deref(), &[]);
            assert_eq!(cluster.own(&pod.ips, &place).map(|own| own.id.as_str()), holder);
        }
    }
}
