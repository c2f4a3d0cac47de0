//! Everything that a walk along the path looks up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;

use super::dns::Resolver;
use super::layers::{SecurityGroupPolicy, mesh, security_group_policies};
use crate::cloud::Cluster;
use crate::demand::{Subject, sources};
use crate::model::object::{Meta, NetworkPolicy, Node, Pod, Service, Workload};
use crate::model::{Decided, Doubt, Evidence, ObjectRef, Snapshot, Str};
use crate::policy::engine::Overrides;
use crate::policy::kinds::{Beside, beside};
use crate::policy::{Enforcement, Party, PolicyId, PolicyIndex, RuleId};

/// What an engine is taken for.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// `cni`: the product; `None`: what the marks say.
    pub cni: Option<Str>,
    /// The product enforces although no object shows it.
    pub trusted: bool,
    /// Switches for what the API leaves open.
    pub overrides: Overrides,
}

/// A snapshot made ready for evaluation.
#[derive(Debug)]
pub struct Context<'a> {
    /// The facts.
    pub snapshot: &'a Snapshot,
    /// Compiled policies.
    pub policies: PolicyIndex,
    /// Who enforces them.
    pub enforcement: Enforcement,
    /// What may decide beside them.
    pub beside: Vec<Beside>,
    nodes: FxHashMap<&'a Str, &'a Node>,
    /// Pods in order of namespace and name; only a suite asks.
    pods: OnceLock<Vec<u32>>,
    /// Running pods by address; those on the host network are left out.
    by_ip: OnceLock<ByAddress<u32>>,
    services: FxHashMap<IpAddr, u32>,
    node_of_ip: OnceLock<ByAddress<NodeName>>,
    /// The resolver of cluster DNS, found once: looking for its pods reads all pods.
    pub(super) cluster_resolver: OnceLock<Resolver>,
    /// Objects that prove a gate of the cloud at a pod's own interface.
    pub(super) security_group_policies: Vec<SecurityGroupPolicy>,
    /// The cluster in its VPC, if anything was read about it.
    pub cloud: Option<Cluster<'a>>,
    /// The mesh whose configuration was read.
    pub(super) mesh: Option<&'static str>,
    /// Rules as evidence, put into words once.
    rules: Mutex<FxHashMap<RuleId, Arc<Evidence>>>,
    /// Policies as evidence.
    whole: Mutex<FxHashMap<PolicyId, Arc<Evidence>>>,
}

/// Where a node's name stands.
#[derive(Clone, Copy, Debug)]
enum NodeName {
    /// On the pod with the index, which runs there.
    OfPod(u32),
    /// On the node with the index.
    Own(u32),
}

/// A value for each of many addresses. The families are apart, for numbers are hashed faster than addresses.
#[derive(Debug)]
struct ByAddress<T> {
    v4: FxHashMap<u32, T>,
    v6: FxHashMap<u128, T>,
}

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self { v4: FxHashMap::default(), v6: FxHashMap::default() }
    }
}

impl<T: Copy> ByAddress<T> {
    fn extend(&mut self, ips: &[IpAddr], value: T) {
        for ip in ips {
            match ip {
                IpAddr::V4(v4) => self.v4.insert(v4.to_bits(), value),
                IpAddr::V6(v6) => self.v6.insert(v6.to_bits(), value),
            };
        }
    }

    fn get(&self, ip: IpAddr) -> Option<T> {
        match ip {
            IpAddr::V4(v4) => self.v4.get(&v4.to_bits()).copied(),
            IpAddr::V6(v6) => self.v6.get(&v6.to_bits()).copied(),
        }
    }

    fn addresses_of(&self, is: impl Fn(T) -> bool) -> Vec<IpAddr> {
        let v4 = self.v4.iter().filter(|(_, of)| is(**of)).map(|(bits, _)| Ipv4Addr::from_bits(*bits).into());
        let v6 = self.v6.iter().filter(|(_, of)| is(**of)).map(|(bits, _)| Ipv6Addr::from_bits(*bits).into());
        v4.chain(v6).collect()
    }
}

fn pods_by_address(snapshot: &Snapshot) -> ByAddress<u32> {
    let mut by_ip = ByAddress::default();
    by_ip.v4.reserve(snapshot.pods.len());
    // The address of a pod that has ended may belong to another by now.
    for (i, pod) in (0u32..).zip(&snapshot.pods).filter(|(_, pod)| !pod.phase.is_terminal()) {
        if !pod.spec.host_network {
            by_ip.extend(&pod.ips, i);
        }
    }
    by_ip
}

fn nodes_by_address(snapshot: &Snapshot) -> ByAddress<NodeName> {
    let mut of_ip = ByAddress::default();
    for (i, pod) in (0u32..).zip(&snapshot.pods).filter(|(_, pod)| pod.node.is_some()) {
        of_ip.extend(&pod.host_ips, NodeName::OfPod(i));
    }
    for (i, node) in (0u32..).zip(&snapshot.nodes) {
        of_ip.extend(&node.addresses, NodeName::Own(i));
    }
    of_ip
}

/// From so many pods on, two threads share what looks at all of them.
pub(super) const MANY_PODS: usize = 4096;

/// Does two things at once where there are many pods, else one after the other.
pub(super) fn both<A, B: Send>(pods: usize, a: impl FnOnce() -> A, b: impl FnOnce() -> B + Send) -> (A, B) {
    if pods < MANY_PODS {
        return (a(), b());
    }
    std::thread::scope(|scope| {
        let b = scope.spawn(b);
        (a(), b.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

impl<'a> Context<'a> {
    /// Compiles the policies of a snapshot and builds the look-ups.
    pub fn new(snapshot: &'a Snapshot, profile: &Profile) -> Self {
        Self::with(snapshot, profile, || PolicyIndex::new(snapshot))
    }

    /// The same, with policies that are compiled elsewhere.
    pub fn with(snapshot: &'a Snapshot, profile: &Profile, policies: impl FnOnce() -> PolicyIndex) -> Self {
        let enforcement = Enforcement::new(snapshot, profile.cni.as_deref(), profile.trusted, profile.overrides);
        let services = (0u32..)
            .zip(&snapshot.services)
            .flat_map(|(i, s)| s.cluster_ips.iter().chain(&s.external_ips).map(move |ip| (*ip, i)));
        let (policies, (by_ip, node_of_ip)) = both(snapshot.pods.len(), policies, || {
            // With few pods it takes no time to wait until somebody asks.
            let soon = snapshot.pods.len() >= MANY_PODS;
            let by_ip = soon.then(|| pods_by_address(snapshot)).map_or_else(OnceLock::new, OnceLock::from);
            (by_ip, soon.then(|| nodes_by_address(snapshot)).map_or_else(OnceLock::new, OnceLock::from))
        });
        Self {
            snapshot,
            policies,
            beside: beside(snapshot, &enforcement),
            enforcement,
            nodes: snapshot.nodes.iter().map(|n| (&n.meta.name, n)).collect(),
            pods: OnceLock::new(),
            by_ip,
            services: services.collect(),
            node_of_ip,
            cluster_resolver: OnceLock::new(),
            security_group_policies: security_group_policies(snapshot),
            cloud: Cluster::new(snapshot, profile.cni.as_deref()),
            mesh: mesh(snapshot),
            rules: Mutex::default(),
            whole: Mutex::default(),
        }
    }

    /// A node by name.
    pub fn node(&self, name: &Str) -> Option<&'a Node> {
        self.nodes.get(name).copied()
    }

    /// A pod by namespace and name.
    pub fn pod(&self, namespace: &Str, name: &Str) -> Option<(u32, &'a Pod)> {
        let all = &self.snapshot.pods;
        let name_of = |i: &u32| (all[*i as usize].meta.namespace.as_ref(), &all[*i as usize].meta.name);
        let sorted = self.pods.get_or_init(|| {
            let mut sorted: Vec<u32> = (0u32..).zip(all).map(|(i, _)| i).collect();
            sorted.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
            sorted
        });
        // Of two with one name the last counts.
        let after = sorted.partition_point(|i| name_of(i) <= (Some(namespace), name));
        let found = *sorted[..after].last().filter(|i| name_of(i) == (Some(namespace), name))?;
        Some((found, &all[found as usize]))
    }

    /// The running pod that has the address.
    pub fn pod_at(&self, ip: IpAddr) -> Option<(u32, &'a Pod)> {
        let by_ip = self.by_ip.get_or_init(|| pods_by_address(self.snapshot));
        by_ip.get(ip).map(|i| (i, &self.snapshot.pods[i as usize]))
    }

    /// The Service that has the virtual address.
    pub fn service_at(&self, ip: IpAddr) -> Option<&'a Service> {
        self.services.get(&ip).map(|i| &self.snapshot.services[*i as usize])
    }

    /// The node that has the address.
    pub fn node_at(&self, ip: IpAddr) -> Option<&'a Str> {
        self.node_of_ip().get(ip).and_then(|name| self.name_of(name))
    }

    fn name_of(&self, node: NodeName) -> Option<&'a Str> {
        match node {
            NodeName::OfPod(i) => self.snapshot.pods[i as usize].node.as_ref(),
            NodeName::Own(i) => Some(&self.snapshot.nodes[i as usize].meta.name),
        }
    }

    fn node_of_ip(&self) -> &ByAddress<NodeName> {
        self.node_of_ip.get_or_init(|| nodes_by_address(self.snapshot))
    }

    /// Why an address that nothing read has may still be a pod's, a Service's or a node's.
    pub fn may_be_unread(&self, ip: IpAddr) -> Option<Doubt> {
        // RFC 1918, RFC 6598 and RFC 4193: where clusters take their addresses from.
        let private = match ip {
            IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
            IpAddr::V6(v6) => v6.is_unique_local(),
        };
        if !private || self.node_at(ip).is_some() {
            return None;
        }
        let kinds = ["Pod", "Service", "Node"];
        let of = |kind: &str| kinds.contains(&kind);
        let unread = self.snapshot.coverage.iter().find(|c| of(&c.kind) && c.state.is_incomplete()).map(|c| &c.kind);
        let unreadable = || {
            let problems = self.snapshot.problems.iter().filter(|p| p.class.leaves_unknown());
            problems.filter_map(|p| p.kind.as_ref()).find(|kind| of(kind))
        };
        let kind = unread.or_else(unreadable)?;
        Some(Doubt { reason: format!("{ip} may belong to a {kind} that could not be read"), not_evaluated: None })
    }

    /// Addresses of a node, from its object, else from the pods that run on it; the primary one first.
    pub fn node_addresses(&self, name: &Str) -> Vec<IpAddr> {
        if let Some(node) = self.node(name).filter(|n| !n.addresses.is_empty()) {
            return node.addresses.clone();
        }
        let mut ips = self.node_of_ip().addresses_of(|node| self.name_of(node) == Some(name));
        ips.sort_unstable();
        ips
    }

    /// A pod as policies see it.
    pub fn party(&self, pod: &Pod) -> Party {
        let namespace = pod.meta.namespace.clone().unwrap_or_default();
        let mut node_ips = pod.host_ips.to_vec();
        if let Some(node) = pod.node.as_ref().and_then(|n| self.node(n)) {
            node_ips.extend(&node.addresses);
            node_ips.sort_unstable();
            node_ips.dedup();
        }
        Party {
            namespace_labels: self.policies.namespace_labels(&namespace),
            namespace,
            labels: pod.meta.labels.clone(),
            ips: (*pod.ips).into(),
            node: pod.node.clone(),
            host_network: pod.spec.host_network,
            node_ips,
            spec: pod.spec.clone(),
        }
    }

    /// The pod that a template predicts.
    pub fn predicted(&self, workload: &Workload) -> Party {
        let namespace = workload.meta.namespace.clone().unwrap_or_default();
        Party {
            namespace_labels: self.policies.namespace_labels(&namespace),
            namespace,
            labels: workload.template_labels.clone(),
            ips: Box::new([]),
            node: None,
            host_network: workload.spec.host_network,
            node_ips: Vec::new(),
            spec: workload.spec.clone(),
        }
    }

    /// A subject that is no pod, with the addresses that it is known to have.
    pub fn source(&self, subject: &Subject) -> Party {
        let is_node = subject.kind == sources::NODE;
        let mut ips = if is_node { self.node_addresses(&subject.name) } else { Vec::new() };
        if let (Some(cloud), true) = (&self.cloud, ips.is_empty()) {
            ips = cloud.source(&subject.kind, &subject.name).addresses();
        }
        Party {
            namespace_labels: self.policies.namespace_labels(&Str::default()),
            namespace: Str::default(),
            labels: crate::model::Labels::default(),
            node: is_node.then(|| subject.name.clone()),
            host_network: true,
            node_ips: ips.clone(),
            ips: ips.into(),
            spec: super::classes::host_spec().clone(),
        }
    }

    /// The written policy.
    pub fn written(&self, id: PolicyId) -> &'a NetworkPolicy {
        &self.snapshot.network_policies[self.policies.policy(id).object as usize]
    }

    /// A policy as evidence: it decides by default.
    pub fn policy_evidence(&self, id: PolicyId) -> Arc<Evidence> {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.entry(id).or_insert_with(|| Arc::new(self.new_policy_evidence(id))).clone()
    }

    fn new_policy_evidence(&self, id: PolicyId) -> Evidence {
        let written = self.written(id);
        let mut evidence = self.evidence_of(written);
        evidence.line = (written.meta.origin.line > 0).then_some(written.meta.origin.line);
        evidence
    }

    /// A rule as evidence, with what it does in words.
    pub fn rule_evidence(&self, id: RuleId) -> Arc<Evidence> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.entry(id).or_insert_with(|| Arc::new(self.new_rule_evidence(id))).clone()
    }

    fn new_rule_evidence(&self, id: RuleId) -> Evidence {
        let rule = self.policies.rule(id);
        let written = self.written(rule.policy);
        let line = if rule.line > 0 { rule.line } else { written.meta.origin.line };
        let verb = if rule.direction == crate::policy::Direction::Egress { "to" } else { "from" };
        Evidence {
            path: Some(format!("{}[{}]", rule.direction, rule.position)),
            line: (line > 0).then_some(line),
            decided: Decided::ByRule,
            detail: Some(format!("admits {} {verb} {}", rule.ports, rule.peers)),
            ..self.evidence_of(written)
        }
    }

    fn evidence_of(&self, written: &NetworkPolicy) -> Evidence {
        Evidence {
            object: ObjectRef {
                kind: "NetworkPolicy".into(),
                namespace: written.meta.namespace.clone(),
                name: written.meta.name.clone(),
            },
            path: None,
            file: self.snapshot.sources.get(written.meta.origin.source as usize).cloned(),
            line: None,
            resource_version: written.resource_version.clone(),
            field_manager: written.field_manager.clone(),
            decided: Decided::ByDefault,
            detail: None,
        }
    }

    /// An object as a whole as evidence.
    pub(super) fn object_evidence(&self, kind: &str, meta: &Meta, decided: Decided) -> Evidence {
        Evidence {
            object: ObjectRef { kind: kind.into(), namespace: meta.namespace.clone(), name: meta.name.clone() },
            path: None,
            file: self.snapshot.sources.get(meta.origin.source as usize).cloned(),
            line: (meta.origin.line > 0).then_some(meta.origin.line),
            resource_version: None,
            field_manager: None,
            decided,
            detail: None,
        }
    }

    /// Running pods on nodes where nothing enforces policies, though the rest of the cluster does: why, and which.
    pub(super) fn exempt_pods(&self) -> Vec<(String, Evidence)> {
        if !self.enforcement.exempts_nodes() {
            return Vec::new();
        }
        let pods = self.snapshot.pods.iter().filter(|p| !p.phase.is_terminal() && !p.spec.host_network);
        pods.filter_map(|pod| {
            let why = self.enforcement.exempt(pod.node.as_ref()?)?;
            let evidence = self.object_evidence("Pod", &pod.meta, Decided::ByDefault);
            Some((why.to_owned(), evidence))
        })
        .collect()
    }
}
