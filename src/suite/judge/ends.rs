//! What the ends of an assertion mean.

use super::{Judge, Origin, doubt};
use crate::cloud;
use crate::demand::owners::Owners;
use crate::model::object::{Owner, Pod, Workload};
use crate::model::{Doubt, Family};
use crate::policy::Party;
use crate::suite::spec::{Assertion, End};
use crate::trace;
use crate::trace::classes::Member;
use crate::trace::flow::Known;
use crate::trace::target::{Aim, PortMeans, Target, aim_of_set, aims_of_addresses, aims_of_cluster_name};

impl<'a> Judge<'a> {
    pub(super) fn origins(&self, end: &End) -> Result<Vec<Origin<'a>>, Doubt> {
        let context = self.context;
        let plain = |(party, member): (Party, Member<'a>)| Origin {
            network: trace::cloud::origin_of(context, member),
            party: Some((party, member)),
            addresses: Vec::new(),
            node: None,
        };
        let of_node = |name: &str, addresses| Origin {
            party: None,
            addresses,
            node: Some(name.into()),
            network: context.cloud.as_ref().map(|c| c.node(name)),
        };
        let in_cloud = |network: Option<cloud::Origin<'a>>| {
            let addresses = network.iter().flat_map(cloud::Origin::addresses).collect();
            Origin { party: None, addresses, node: None, network }
        };
        match end {
            End::Pod(_) | End::Workload(_) => Ok(self.pods(end)?.into_iter().map(plain).collect()),
            End::Node(name) => {
                let addresses = context.node_addresses(&name.as_str().into());
                if addresses.is_empty() {
                    return Err(doubt(&format!("no address of node {name} was read")));
                }
                Ok(vec![of_node(name, addresses)])
            }
            End::Ip(ip) => {
                if let Some((i, pod)) = context.pod_at(*ip) {
                    return Ok(vec![plain((context.party(pod), Member::Running(i, pod)))]);
                }
                if let Some(node) = context.node_at(*ip) {
                    return Ok(vec![Origin { addresses: vec![*ip], ..of_node(node, Vec::new()) }]);
                }
                let network = context.cloud.as_ref().map(|c| c.address(*ip));
                Ok(vec![Origin { party: None, addresses: vec![*ip], node: None, network }])
            }
            End::Instance(id) => Ok(vec![in_cloud(context.cloud.as_ref().map(|c| c.instance(id)))]),
            End::Interface(id) => Ok(vec![in_cloud(context.cloud.as_ref().map(|c| c.interface(id)))]),
            End::Host(_) => Err(doubt("a name cannot open a connection")),
        }
    }

    /// What `to` means: alternatives are combined as all needed, one list of aims each.
    pub(super) fn destinations(&self, assertion: &Assertion) -> Result<Vec<Vec<Aim>>, Doubt> {
        let (protocol, port) = (assertion.protocol, assertion.port);
        match &assertion.to {
            End::Pod(_) | End::Workload(_) => {
                let pods = self.pods(&assertion.to)?;
                let of_pod = |(party, member): (Party, Member<'a>)| {
                    let pod = member.pod();
                    let mut families = party.families();
                    if families.is_empty() {
                        families.push(Family::V4);
                    }
                    families
                        .into_iter()
                        .map(|family| Aim { target: Target::Pod { party: Box::new(party.clone()), pod, family }, port })
                        .collect()
                };
                Ok(pods.into_iter().map(of_pod).collect())
            }
            End::Node(name) => {
                let Some(ip) = self.context.node_addresses(&name.as_str().into()).first().copied() else {
                    return Err(doubt(&format!("no address of node {name} was read")));
                };
                Ok(vec![aims_of_addresses(self.context, &[ip], protocol, port, PortMeans::AtDestination)?])
            }
            End::Instance(id) | End::Interface(id) => {
                let network = self.context.cloud.as_ref().map(|c| match &assertion.to {
                    End::Instance(_) => c.instance(id),
                    _ => c.interface(id),
                });
                let addresses = network.iter().flat_map(cloud::Origin::addresses);
                let Some(ip) = addresses.into_iter().next() else {
                    return Err(doubt(&format!("no address of {id} was read")));
                };
                Ok(vec![aims_of_addresses(self.context, &[ip], protocol, port, PortMeans::AtDestination)?])
            }
            End::Ip(ip) => Ok(vec![aims_of_addresses(self.context, &[*ip], protocol, port, PortMeans::AtDestination)?]),
            End::Host(host) => self.host(host, assertion),
        }
    }

    fn host(&self, host: &str, assertion: &Assertion) -> Result<Vec<Vec<Aim>>, Doubt> {
        let (protocol, port) = (assertion.protocol, assertion.port);
        if let Some(dns) = &self.suite.spec.dns {
            let addresses = dns.get(host).cloned().unwrap_or_default();
            return Ok(vec![aims_of_addresses(self.context, &addresses, protocol, port, PortMeans::AtDestination)?]);
        }
        if let Some(aims) = aims_of_cluster_name(self.context, host, protocol, port, PortMeans::AtDestination) {
            return Ok(vec![aims?]);
        }
        let public = |family| {
            let known = Known::StandIn { title: "the public internet".to_owned(), elsewhere: true };
            aim_of_set(crate::model::addr::public_internet(family), known, port)
        };
        Ok(vec![vec![public(Family::V4)]])
    }

    /// The pods that an end names.
    fn pods(&self, end: &End) -> Result<Vec<(Party, Member<'a>)>, Doubt> {
        let context = self.context;
        match end {
            End::Pod(name) => {
                let (namespace, pod) = name.split_once('/').unwrap_or(("default", name));
                let found = context.pod(&namespace.into(), &pod.into());
                let (i, pod) = found.ok_or_else(|| doubt(&format!("no pod {name} in the manifests")))?;
                Ok(vec![(context.party(pod), Member::Running(i, pod))])
            }
            End::Workload(name) => {
                let parts: Vec<&str> = name.split('/').collect();
                let [namespace, kind, name] = parts[..] else {
                    return Err(doubt(&format!("`{name}` is not ns/Kind/name")));
                };
                self.workload(namespace, kind, name)
            }
            _ => Err(doubt("not a pod")),
        }
    }

    fn workload(&self, namespace: &str, kind: &str, name: &str) -> Result<Vec<(Party, Member<'a>)>, Doubt> {
        let context = self.context;
        let here = |meta: &crate::model::object::Meta| meta.namespace.as_deref().unwrap_or_default() == namespace;
        let is = |w: &&Workload| here(&w.meta) && w.kind == kind && w.meta.name == name;
        // Running pods replace their template; a pod may hang under an object that the workload owns.
        let mut owners = Owners::new(context.snapshot);
        let mut belongs = |pod: &'a Pod| {
            let named = |o: &Owner| o.kind == kind && o.name == name;
            let through = |at: &u32| is(&&context.snapshot.workloads[*at as usize]);
            pod.owner.as_ref().is_some_and(named)
                || owners
                    .top(pod)
                    .is_some_and(|top| (top.kind == kind && top.name == name) || top.through.iter().any(through))
        };
        let pods: Vec<_> = (0u32..)
            .zip(&context.snapshot.pods)
            .filter(|(_, pod)| here(&pod.meta) && !pod.phase.is_terminal())
            .filter(|(_, pod)| belongs(pod) || (kind == "Pod" && pod.meta.name == name))
            .map(|(i, pod)| (context.party(pod), Member::Running(i, pod)))
            .collect();
        if !pods.is_empty() {
            return Ok(pods);
        }
        let template = context.snapshot.workloads.iter().rev().find(is);
        let template = template.ok_or_else(|| doubt(&format!("no {kind} {namespace}/{name} in the manifests")))?;
        Ok(vec![(context.predicted(template), Member::Predicted(template))])
    }
}
