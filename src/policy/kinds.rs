//! Kinds that decide beside NetworkPolicy and are not evaluated: where may they apply, and what could they change?

use serde_json::Value;

use super::engine::Enforcement;
use crate::model::object::OtherObject;
use crate::model::{Doubt, ProblemClass, Snapshot, Str, snapshot::CoverageState};

/// What an unevaluated object, or one that could not be read, could change about a verdict of NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Allow what they deny, and deny what they allow.
    Overrule,
    /// Deny what they leave to the default: it acts only on pods that no NetworkPolicy isolates.
    Baseline,
    /// Deny in addition; an allowance of its own means nothing.
    AndGate,
}

/// An unevaluated object, or a gap in what was read, with the place where it may apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// What it could change.
    pub power: Power,
    /// `None`: everywhere but in `except`.
    pub namespace: Option<Str>,
    /// Namespaces of which the kind was read although the whole was not.
    pub except: Vec<Str>,
    /// How it is named.
    pub doubt: Doubt,
}

/// The policy kinds by API group: what each could change.
fn power(group: &str, kind: &str, spec: &Value) -> Option<Power> {
    Some(match (group, kind) {
        ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy") => Power::Baseline,
        ("policy.networking.k8s.io", "ClusterNetworkPolicy")
            if spec.get("tier").and_then(Value::as_str) == Some("Baseline") =>
        {
            Power::Baseline
        }
        ("policy.networking.k8s.io", "AdminNetworkPolicy" | "ClusterNetworkPolicy")
        | ("cilium.io", "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy")
        | ("crd.projectcalico.org" | "projectcalico.org", "NetworkPolicy" | "GlobalNetworkPolicy" | "Tier")
        | ("crd.antrea.io", "NetworkPolicy" | "ClusterNetworkPolicy")
        | ("networking.k8s.aws", "ApplicationNetworkPolicy" | "ClusterNetworkPolicy")
        | ("networking.gke.io", "FQDNNetworkPolicy") => Power::Overrule,
        ("k8s.ovn.org", "EgressFirewall") | ("network.openshift.io", "EgressNetworkPolicy") => Power::AndGate,
        _ => return None,
    })
}

/// The API group that owns a kind name in coverage and problems, for those that matter here.
const POLICY_KINDS: &[(&str, &str)] = &[
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("cilium.io", "CiliumNetworkPolicy"),
    ("cilium.io", "CiliumClusterwideNetworkPolicy"),
    ("crd.projectcalico.org", "GlobalNetworkPolicy"),
    ("crd.antrea.io", "ClusterNetworkPolicy"),
    ("networking.k8s.aws", "ApplicationNetworkPolicy"),
    ("networking.gke.io", "FQDNNetworkPolicy"),
    ("k8s.ovn.org", "EgressFirewall"),
    ("network.openshift.io", "EgressNetworkPolicy"),
];

/// Whether an object is a policy of a kind that this version knows of and does not evaluate.
pub fn is_policy_kind(object: &OtherObject) -> bool {
    power(&object.group, &object.kind, &object.spec).is_some()
}

/// Everything that may stand beside the NetworkPolicies of a snapshot.
pub fn beside(snapshot: &Snapshot, enforcement: &Enforcement) -> Vec<Beside> {
    let mut all = Vec::new();
    for object in &snapshot.others {
        let Some(power) = power(&object.group, &object.kind, &object.spec) else {
            continue;
        };
        // The policy API of the Kubernetes project belongs to no product.
        if object.group != "policy.networking.k8s.io" && !enforcement.owns_group(&object.group) {
            continue;
        }
        let name = match &object.meta.namespace {
            Some(namespace) => format!("{} {namespace}/{}", object.kind, object.meta.name),
            None => format!("{} {}", object.kind, object.meta.name),
        };
        all.push(Beside {
            power,
            namespace: object.meta.namespace.clone(),
            except: Vec::new(),
            doubt: Doubt {
                reason: format!("{name} may apply, and this version does not evaluate {}", object.group),
                not_evaluated: Some(object.kind.clone()),
            },
        });
    }
    for problem in &snapshot.problems {
        // The labels of pods that are not rendered, or whose namespace is not known, decide which policies select them.
        let pods = ["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "PodTemplate"];
        let unrendered = matches!(problem.class, ProblemClass::NotRendered | ProblemClass::AmbiguousNamespace);
        if unrendered && problem.kind.as_deref().is_some_and(|kind| pods.contains(&kind)) {
            let reason = format!("the pods of {} are not known: {}", snapshot.place(problem), problem.message);
            let doubt = Doubt { reason, not_evaluated: None };
            all.push(Beside {
                power: Power::Overrule,
                namespace: problem.namespace.clone(),
                except: Vec::new(),
                doubt,
            });
        }
        let Some(kind) = problem.kind.as_deref() else { continue };
        if problem.class.leaves_unknown()
            && let Some(power) = power_of_kind(kind)
        {
            let name = problem.name.as_deref().unwrap_or("?");
            let reason = format!("{kind} {name} ({}) cannot be told: {}", snapshot.place(problem), problem.message);
            let doubt = Doubt { reason, not_evaluated: None };
            all.push(Beside { power, namespace: problem.namespace.clone(), except: Vec::new(), doubt });
        }
    }
    for coverage in &snapshot.coverage {
        let why = match &coverage.state {
            CoverageState::Forbidden => "the credentials may not read",
            CoverageState::Failed(_) => "reading failed for",
            _ => continue,
        };
        if let Some(power) = power_of_kind(&coverage.kind) {
            let scope = coverage.namespace.as_deref().map_or_else(String::new, |n| format!(" of namespace {n}"));
            let doubt = Doubt { reason: format!("{why} {}{scope}", coverage.kind), not_evaluated: None };
            let namespace = coverage.namespace.clone();
            let except = if namespace.is_none() { read_alone(snapshot, &coverage.kind) } else { Vec::new() };
            all.push(Beside { power, namespace, except, doubt });
        }
    }
    all
}

/// The namespaces of which a kind was read by itself: credentials for one namespace are enough for it.
fn read_alone(snapshot: &Snapshot, kind: &str) -> Vec<Str> {
    let rows = snapshot.coverage.iter().filter(|c| c.kind == kind && c.state == CoverageState::Read);
    rows.filter_map(|c| c.namespace.clone()).collect()
}

fn power_of_kind(kind: &str) -> Option<Power> {
    if kind == "NetworkPolicy" {
        return Some(Power::Overrule);
    }
    // Coverage names a kind with its group where several groups have one of that name.
    if let Some((kind, group)) = kind.split_once('.') {
        return power(group, kind, &Value::Null);
    }
    POLICY_KINDS.iter().find(|(_, known)| *known == kind).and_then(|(group, kind)| power(group, kind, &Value::Null))
}

impl Beside {
    /// Whether it may apply to an end in one of these namespaces.
    pub fn may_touch(&self, namespaces: &[&Str]) -> bool {
        match &self.namespace {
            Some(own) => namespaces.contains(&own),
            None => namespaces.iter().any(|namespace| !self.except.contains(namespace)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Coverage;
    use crate::policy::engine::Overrides;

    fn forbidden(kind: &str, read_in: Option<&str>) -> Snapshot {
        let row = |namespace: Option<&str>, state| Coverage {
            source: "kubernetes".into(),
            kind: kind.into(),
            namespace: namespace.map(Str::from),
            state,
        };
        let mut coverage = vec![row(None, CoverageState::Forbidden)];
        coverage.extend(read_in.map(|namespace| row(Some(namespace), CoverageState::Read)));
        Snapshot { coverage, ..Snapshot::default() }
    }

    fn touches(snapshot: &Snapshot, namespace: &str) -> bool {
        let enforcement = Enforcement::new(snapshot, None, false, Overrides::default());
        let beside = beside(snapshot, &enforcement);
        beside.iter().any(|b| b.may_touch(&[&Str::from(namespace)]))
    }

    #[test]
    fn what_was_read_of_one_namespace_leaves_no_doubt_there() {
        let snapshot = forbidden("NetworkPolicy", Some("ci"));
        assert!(!touches(&snapshot, "ci"));
        assert!(touches(&snapshot, "shop"));
        assert!(touches(&forbidden("NetworkPolicy", None), "ci"));
    }

    #[test]
    fn a_kind_with_its_group_is_known() {
        assert!(touches(&forbidden("NetworkPolicy.crd.projectcalico.org", None), "ci"));
        assert!(touches(&forbidden("ClusterNetworkPolicy.crd.antrea.io", None), "ci"));
        assert!(!touches(&forbidden("Gateway.gateway.networking.k8s.io", None), "ci"));
    }
}
