//! Kinds that decide beside NetworkPolicy and are not evaluated: where may they apply, and what could they change?

use serde_json::Value;

use super::engine::Enforcement;
use crate::model::object::OtherObject;
use crate::model::{Doubt, Snapshot, Str, snapshot::CoverageState};

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
    /// `None`: everywhere.
    pub namespace: Option<Str>,
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
            doubt: Doubt {
                reason: format!("{name} may apply, and this version does not evaluate {}", object.group),
                not_evaluated: Some(object.kind.clone()),
            },
        });
    }
    for problem in &snapshot.problems {
        let Some(kind) = problem.kind.as_deref() else { continue };
        if problem.class.leaves_unknown()
            && let Some(power) = power_of_kind(kind)
        {
            let name = problem.name.as_deref().unwrap_or("?");
            let reason = format!("{kind} {name} ({}) cannot be told: {}", snapshot.place(problem), problem.message);
            let doubt = Doubt { reason, not_evaluated: None };
            all.push(Beside { power, namespace: problem.namespace.clone(), doubt });
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
            all.push(Beside { power, namespace: coverage.namespace.clone(), doubt });
        }
    }
    all
}

fn power_of_kind(kind: &str) -> Option<Power> {
    if kind == "NetworkPolicy" {
        return Some(Power::Overrule);
    }
    POLICY_KINDS.iter().find(|(_, known)| *known == kind).and_then(|(group, kind)| power(group, kind, &Value::Null))
}
