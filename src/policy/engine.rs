//! Which product enforces policies, where, and how it reads what the API leaves open.
//!
//! A product is recognised by the DaemonSet that runs its agent, never by its CRDs alone: they outlive it.

mod table;

use rustc_hash::FxHashMap;

use table::{API, BY_RULES_TO_NODE, K3S, config, not_there};
pub use table::{ENGINES, Enforces, Engine, PROFILE_NAMES};

use super::evaluate::Semantics;
use super::index::Party;
use crate::model::object::{Node, Workload};
use crate::model::{Doubt, Snapshot, Str};

/// What one product that was found does.
#[derive(Debug)]
struct Found {
    engine: &'static Engine,
    enforces: Enforces,
    /// Readiness of its agent by node; empty if no agent pod was read.
    agents: FxHashMap<Str, bool>,
    /// No agent runs anywhere (`status.numberReady` is 0 of more than 0).
    none_ready: bool,
}

/// How policies are enforced in this cluster.
#[derive(Debug)]
pub struct Enforcement {
    mode: Mode,
    found: Vec<Found>,
    /// Nodes where no product enforces anything, and why.
    exempt_nodes: FxHashMap<Str, &'static str>,
    overrides: Overrides,
    /// `policy-cidr-match-mode` of Cilium names `nodes`.
    nodes_match_cidr: bool,
}

#[derive(Debug)]
enum Mode {
    /// The API's semantics, because somebody said so.
    Api,
    /// The API's semantics, because nothing told an engine: an assumption.
    Assumed,
    /// A product was named or found; none of `found` may be there if it was only named.
    Product { name: Str, trusted: bool },
}

/// Switches of a profile that override what the engine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `podIPInIPBlock`.
    pub pod_ip_in_ip_block: Option<bool>,
    /// `ownNode`.
    pub own_node: Option<bool>,
}

/// Whether policies hold for one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// They do, read in this way.
    Yes {
        /// How the open points are read.
        semantics: Semantics,
        /// What is taken for granted.
        assumption: Option<std::borrow::Cow<'static, str>>,
        /// Whether it is not known what happens between a pod and its node.
        own_node_unsure: bool,
    },
    /// They do not: every policy is ignored.
    No(String),
    /// What rests on a policy is unknown; without one, traffic is open.
    Unsure {
        /// Why.
        doubt: Doubt,
        /// Whether pods that no policy selects are closed.
        closed_by_default: bool,
    },
}

/// The assumption where nothing tells an engine.
const ASSUMED: &str = "the cluster's network plugin enforces NetworkPolicy as the API defines it";

impl Enforcement {
    /// Reads the marks of a snapshot. `named` is what a profile or `--cni` says.
    ///
    /// `trusted`: a named product enforces although no object shows it, because somebody who knows the cluster
    /// says so. A suite names the product only, and its manifests must show the rest.
    pub fn new(snapshot: &Snapshot, named: Option<&str>, trusted: bool, overrides: Overrides) -> Self {
        if named == Some("upstream") {
            return Self {
                mode: Mode::Api,
                found: Vec::new(),
                exempt_nodes: FxHashMap::default(),
                overrides,
                nodes_match_cidr: false,
            };
        }
        let mut found: Vec<Found> = Vec::new();
        for engine in ENGINES {
            let Some(agent) = snapshot.workloads.iter().find(|w| engine.runs_as(w)) else {
                continue;
            };
            // Canal and flannel run parts of others under their own name.
            if found.iter().any(|f| f.engine.groups == engine.groups && !engine.groups.is_empty()) {
                continue;
            }
            found.push(engine.found(snapshot, agent));
        }
        if let Some(found_k3s) = k3s(snapshot, named == Some("k3s")) {
            // Its embedded controller steps aside only when it is told to.
            if found.iter().all(|f| matches!(f.enforces, Enforces::No(_))) {
                found.push(found_k3s);
            }
        }
        if let Some(name) = named.filter(|_| trusted) {
            // Somebody who knows the cluster says which product it is: marks of others are left-overs.
            let family: &[&str] = match name {
                "azure" => &["cilium", "azure-npm", "calico"],
                "gke" => &["gke", "calico"],
                _ => &[],
            };
            found.retain(|f| f.engine.name == name || family.contains(&f.engine.name));
        }
        let mode = match (named, found.first()) {
            (Some(name), _) => Mode::Product { name: name.into(), trusted },
            (None, Some(first)) => Mode::Product { name: first.engine.name.into(), trusted: false },
            (None, None) => Mode::Assumed,
        };
        let nodes_match_cidr =
            config(snapshot, "cilium-config", "policy-cidr-match-mode").is_some_and(|mode| mode.contains("nodes"));
        Self { mode, found, exempt_nodes: exempt_nodes(snapshot), overrides, nodes_match_cidr }
    }

    /// Nodes alike for enforcement have one number.
    pub fn node_class(&self, node: Option<&Str>) -> u8 {
        let Some(node) = node else { return 0 };
        let unready = self.found.iter().any(|f| f.agents.get(node).is_some_and(|ready| !ready));
        u8::from(self.exempt_nodes.contains_key(node)) + 2 * u8::from(unready)
    }

    /// Whether there are nodes where nothing enforces policies.
    pub fn exempts_nodes(&self) -> bool {
        !self.exempt_nodes.is_empty()
    }

    /// Why nothing enforces policies on a node, if that is so.
    pub fn exempt(&self, node: &Str) -> Option<&'static str> {
        self.exempt_nodes.get(node).copied()
    }

    /// A product that enforces here and is not evaluated by this version.
    pub fn unevaluated_product(&self) -> Option<String> {
        let missing = self.found.iter().find(|f| f.engine.semantics.is_none() && f.enforces == Enforces::Yes);
        match (&self.mode, missing) {
            (_, Some(found)) => Some(found.engine.title.to_owned()),
            (Mode::Product { name, .. }, None) if self.found.is_empty() && not_there(name).is_none() => {
                Some(name.to_string())
            }
            _ => None,
        }
    }

    /// Titles of the products that enforce; where none does, of those that were found.
    pub fn products(&self) -> Vec<&'static str> {
        let enforcing = self.found.iter().filter(|f| !matches!(f.enforces, Enforces::No(_)));
        let titles: Vec<_> = enforcing.map(|f| f.engine.title).collect();
        if titles.is_empty() { self.found.iter().map(|f| f.engine.title).collect() } else { titles }
    }

    /// Whether an engine of the cluster has policy kinds in the API group; unknown engines may have any.
    pub fn owns_group(&self, group: &str) -> bool {
        match self.mode {
            Mode::Api | Mode::Assumed => true,
            Mode::Product { .. } if self.found.is_empty() => true,
            Mode::Product { .. } => {
                self.found.iter().any(|f| f.engine.groups.contains(&group) || f.engine.name == "kindnet")
            }
        }
    }

    /// If policies are ignored in the whole cluster: why.
    pub fn nothing_enforces(&self) -> Option<String> {
        match &self.mode {
            Mode::Api | Mode::Assumed => None,
            Mode::Product { name, .. } if self.found.is_empty() => not_there(name).map(str::to_owned),
            Mode::Product { .. } => {
                let reasons: Option<Vec<_>> = self
                    .found
                    .iter()
                    .map(|f| match f.enforces {
                        Enforces::No(why) => Some(why),
                        _ => None,
                    })
                    .collect();
                reasons.map(|r| r.join("; "))
            }
        }
    }

    /// Whether policies hold for a pod.
    pub fn holds(&self, party: &Party) -> Hold {
        let semantics = |base: Semantics| Semantics {
            pod_ip_in_ip_block: self.overrides.pod_ip_in_ip_block.unwrap_or(base.pod_ip_in_ip_block),
            node_ip_in_ip_block: base.node_ip_in_ip_block || self.nodes_match_cidr,
            own_node: self.overrides.own_node.unwrap_or(base.own_node),
        };
        let api = |assumption| Hold::Yes { semantics: semantics(API), assumption, own_node_unsure: false };
        let name = match &self.mode {
            Mode::Api => return api(None),
            _ if party.labels.get("eks.amazonaws.com/fargate-profile").is_some() => {
                return Hold::No("no network policy is enforced on AWS Fargate".to_owned());
            }
            Mode::Assumed => {
                if let Some(why) = party.node.as_ref().and_then(|n| self.exempt_nodes.get(n)) {
                    return Hold::No((*why).to_owned());
                }
                return api(Some(ASSUMED.into()));
            }
            Mode::Product { name, .. } => name,
        };
        if let Some(why) = self.nothing_enforces() {
            return Hold::No(why);
        }
        if let Some(why) = party.node.as_ref().and_then(|n| self.exempt_nodes.get(n)) {
            return Hold::No((*why).to_owned());
        }
        if self.found.is_empty() {
            let said = matches!(self.mode, Mode::Product { trusted: true, .. });
            let engine = ENGINES.iter().find(|e| e.name == name.as_str());
            if let Some(base) = engine.and_then(|e| e.semantics).filter(|_| said) {
                let assumption = Some(format!("{name} enforces policies on every node").into());
                return Hold::Yes { semantics: semantics(base), assumption, own_node_unsure: true };
            }
            return Hold::Unsure {
                doubt: Doubt {
                    reason: format!("whether and how `{name}` enforces policies here cannot be read from its objects"),
                    not_evaluated: Some(name.clone()),
                },
                closed_by_default: false,
            };
        }
        self.of_products(party, semantics)
    }

    fn of_products(&self, party: &Party, semantics: impl Fn(Semantics) -> Semantics) -> Hold {
        let enforcing = || self.found.iter().filter(|f| !matches!(f.enforces, Enforces::No(_)));
        let closed_by_default = enforcing().any(|f| f.enforces == Enforces::ClosedByDefault);
        for f in enforcing() {
            let unready = f.none_ready || party.node.as_ref().and_then(|n| f.agents.get(n)).is_some_and(|ready| !ready);
            if unready {
                let node = party.node.as_deref().unwrap_or("its node");
                let reason = format!("the agent of {} is not ready on {node}", f.engine.title);
                return Hold::Unsure { doubt: Doubt { reason, not_evaluated: None }, closed_by_default };
            }
        }
        if party.node.is_none() && enforcing().any(|f| f.agents.values().any(|ready| !ready)) {
            let reason =
                "an agent that enforces policies is not ready on some node, and it is not known where the pod will run";
            return Hold::Unsure { doubt: Doubt { reason: reason.to_owned(), not_evaluated: None }, closed_by_default };
        }
        for f in enforcing() {
            if let Enforces::Unknown(why) = f.enforces {
                return Hold::Unsure {
                    doubt: Doubt { reason: why.to_owned(), not_evaluated: None },
                    closed_by_default,
                };
            }
            if f.engine.semantics.is_none() || f.enforces == Enforces::ClosedByDefault {
                let reason = format!("{} enforces policies here and is not evaluated by this version", f.engine.title);
                let doubt = Doubt { reason, not_evaluated: Some(f.engine.name.into()) };
                return Hold::Unsure { doubt, closed_by_default };
            }
        }
        // Several that enforce: what one of them does not match, none lets pass.
        let base = enforcing().filter_map(|f| f.engine.semantics).fold(BY_RULES_TO_NODE, |a, b| Semantics {
            pod_ip_in_ip_block: a.pod_ip_in_ip_block && b.pod_ip_in_ip_block,
            node_ip_in_ip_block: a.node_ip_in_ip_block && b.node_ip_in_ip_block,
            own_node: a.own_node && b.own_node,
        });
        let own_node_unsure = self.overrides.own_node.is_none();
        Hold::Yes { semantics: semantics(base), assumption: None, own_node_unsure }
    }
}

impl Engine {
    fn found(&'static self, snapshot: &Snapshot, agent: &Workload) -> Found {
        let agents = snapshot
            .pods
            .iter()
            .filter(|pod| {
                pod.meta.namespace == agent.meta.namespace
                    && pod.owner.as_ref().is_some_and(|o| o.kind == "DaemonSet" && o.name == agent.meta.name)
            })
            .filter_map(|pod| Some((pod.node.clone()?, pod.ready.unwrap_or(!pod.phase.is_terminal()))))
            .collect();
        let none_ready = agent.desired.is_some_and(|n| n > 0) && agent.ready == Some(0);
        Found { engine: self, enforces: (self.enforces)(snapshot, agent), agents, none_ready }
    }
}

fn k3s(snapshot: &Snapshot, named: bool) -> Option<Found> {
    let is_k3s = |node: &&Node| node.kubelet_version.as_deref().is_some_and(|v| v.contains("+k3s"));
    if !named && !snapshot.nodes.iter().any(|node| is_k3s(&node)) {
        return None;
    }
    let disabled = snapshot.nodes.iter().any(|node| {
        node.meta.annotations.get("k3s.io/node-args").is_some_and(|args| args.contains("--disable-network-policy"))
    });
    let enforces = if disabled { Enforces::No("k3s runs with `--disable-network-policy`") } else { Enforces::Yes };
    Some(Found { engine: &K3S, enforces, agents: FxHashMap::default(), none_ready: false })
}

fn exempt_nodes(snapshot: &Snapshot) -> FxHashMap<Str, &'static str> {
    let exempt = |node: &Node| {
        let label = |key: &str, value: &str| node.meta.labels.get(key).is_some_and(|v| *v == value);
        if label("eks.amazonaws.com/compute-type", "fargate") {
            Some("no network policy is enforced on AWS Fargate")
        } else if label("type", "virtual-kubelet")
            || node.taints.iter().any(|taint| taint.key == "virtual-kubelet.io/provider")
        {
            Some("no network policy is enforced on a virtual node")
        } else if node.os.as_deref() == Some("windows") || label("kubernetes.io/os", "windows") {
            Some("no network policy is enforced on this Windows node")
        } else {
            None
        }
    };
    snapshot.nodes.iter().filter_map(|n| Some((n.meta.name.clone(), exempt(n)?))).collect()
}
