//! The layers that this version recognises without evaluating them: mesh and cloud.

use crate::cloud::PodGroups;
use crate::model::label::Selector;
use crate::model::object::{OtherObject, PodSpec, WrittenSelector};
use crate::model::{Doubt, Labels, Layer, Outcome, Protocol, Snapshot, Step, StepOutcome, Str, World};
use crate::policy::Party;

use super::classes::Member;
use super::context::Context;
use super::target::{Aim, Target};

/// A `vpcresources.k8s.aws` SecurityGroupPolicy: the pods that it selects have security groups of their own.
#[derive(Debug)]
pub struct SecurityGroupPolicy {
    name: Str,
    namespace: Str,
    /// `None`: it selects by service account, whose labels are not read.
    pods: Option<Selector>,
    /// It selects by service account as well, or alone.
    by_account: bool,
    /// The groups that it gives.
    groups: Vec<Str>,
}

/// The SecurityGroupPolicies of a snapshot; one without any selector is invalid and selects nothing.
pub(super) fn security_group_policies(snapshot: &Snapshot) -> Vec<SecurityGroupPolicy> {
    let of_object = |object: &OtherObject| {
        if object.kind != "SecurityGroupPolicy" {
            return None;
        }
        let written = object.spec.get("podSelector").filter(|v| !v.is_null());
        let by_account = object.spec.get("serviceAccountSelector").is_some_and(|v| !v.is_null());
        let pods = match written {
            Some(value) => Some(serde_json::from_value::<WrittenSelector>(value.clone()).ok()?.selector().ok()?),
            None if by_account => None,
            None => return None,
        };
        let groups = object.spec.pointer("/securityGroups/groupIds").and_then(|ids| ids.as_array());
        Some(SecurityGroupPolicy {
            name: object.meta.name.clone(),
            namespace: object.meta.namespace.clone().unwrap_or_default(),
            pods,
            by_account,
            groups: groups.into_iter().flatten().filter_map(|id| id.as_str().map(Str::from)).collect(),
        })
    };
    snapshot.others.iter().filter_map(of_object).collect()
}

/// The mesh of which a snapshot holds configuration.
pub(super) fn mesh(snapshot: &Snapshot) -> Option<&'static str> {
    let config = |name: &str| snapshot.config_maps.iter().any(|m| m.meta.name.split('-').next() == Some(name));
    let group = |part: &str| snapshot.others.iter().any(|o| o.group.ends_with(part));
    if config("istio") || group("istio.io") {
        Some("Istio")
    } else if config("linkerd") || group("linkerd.io") {
        Some("Linkerd")
    } else {
        None
    }
}

/// What of a pod decides these layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Marks {
    proxy: bool,
    security_groups: Option<usize>,
}

/// The marks of a pod in a namespace with labels.
pub(super) fn marks(
    context: &Context<'_>,
    namespace: &Str,
    of_namespace: Option<&Labels>,
    member: Member<'_>,
) -> Marks {
    let labels = member.labels();
    let security_groups = context.security_group_policies.iter().position(|p| p.selects(namespace, labels));
    let predicted = member.pod().is_none();
    let proxy = has_proxy(of_namespace, labels, member.spec(), member.annotations(), predicted);
    Marks { proxy, security_groups }
}

impl SecurityGroupPolicy {
    fn selects(&self, namespace: &Str, labels: &Labels) -> bool {
        self.namespace == *namespace && self.pods.as_ref().is_none_or(|pods| pods.matches(labels))
    }
}

/// The security groups that policies give a pod: those of all that select it, together.
pub(super) fn groups_of(context: &Context<'_>, party: &Party) -> PodGroups {
    let policies = context.security_group_policies.iter();
    let selecting = policies.filter(|p| !party.host_network && p.selects(&party.namespace, &party.labels));
    let mut groups: Vec<Str> = Vec::new();
    for policy in selecting {
        if policy.by_account {
            return PodGroups::Unsure(format!(
                "SecurityGroupPolicy {}/{} selects by service account, whose labels are not read",
                policy.namespace, policy.name
            ));
        }
        groups.extend(policy.groups.iter().filter(|g| !groups.contains(g)).cloned().collect::<Vec<_>>());
    }
    if groups.is_empty() { PodGroups::OfInterface } else { PodGroups::Given(groups) }
}

/// Whether a mesh's proxy handles the pod's connections.
fn has_proxy(
    of_namespace: Option<&Labels>,
    labels: &Labels,
    spec: &PodSpec,
    annotations: &Labels,
    predicted: bool,
) -> bool {
    let of_namespace = |key: &str| of_namespace.and_then(|labels| labels.get(key));
    let is = |labels: &Labels, key: &str, value: &str| labels.get(key).is_some_and(|v| *v == value);
    let sidecar = spec.containers.iter().any(|c| c.name == "istio-proxy" || c.name == "linkerd-proxy");
    let marked = ["sidecar.istio.io/status", "linkerd.io/proxy-version"].iter().any(|k| annotations.get(k).is_some());
    let mode = "istio.io/dataplane-mode";
    let ambient = is(annotations, "ambient.istio.io/redirection", "enabled")
        || is(labels, mode, "ambient")
        || (of_namespace(mode).is_some_and(|v| *v == "ambient") && !is(labels, mode, "none"));
    // Admission adds the sidecar to a pod that does not exist yet.
    let will_be_injected = predicted
        && !is(labels, "sidecar.istio.io/inject", "false")
        && (of_namespace("istio-injection").is_some_and(|v| *v == "enabled")
            || of_namespace("istio.io/rev").is_some()
            || is(labels, "sidecar.istio.io/inject", "true")
            || is(annotations, "linkerd.io/inject", "enabled"));
    sidecar || marked || ambient || will_be_injected
}

/// Gates of the same layers at the destination's end, where it is a pod: those that are not evaluated.
pub fn destination_steps(context: &Context<'_>, aims: &[Aim], protocol: Protocol) -> Vec<Step> {
    let mut steps = Vec::new();
    for aim in aims {
        let Target::Pod { party, pod, .. } = &aim.target else { continue };
        if party.host_network {
            continue;
        }
        let none = Labels::default();
        let annotations = pod.map_or(&none, |i| &context.snapshot.pods[i as usize].meta.annotations);
        let mesh = mesh_step(context, party, annotations, pod.is_none(), protocol);
        // Where the network of a VPC was read, the path through it ends at the destination's interface.
        let cloud = context.cloud.is_none().then(|| cloud_step(context, Some(party), false));
        for mut step in std::iter::once(mesh).chain(cloud).filter(|s| s.outcome == StepOutcome::Unknown) {
            step.summary = format!("at the destination: {}", step.summary);
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
    }
    steps
}

/// Puts what the destination's end says in the place of what the source's end left open.
pub fn merge_destination(steps: &mut [Step], at_destination: Vec<Step>) {
    for theirs in at_destination {
        let own = steps.iter_mut().find(|s| s.layer == theirs.layer);
        if let Some(own) = own.filter(|s| !matches!(s.outcome, StepOutcome::Blocked | StepOutcome::Unknown)) {
            *own = theirs;
        }
    }
}

/// The mesh layer for a pod.
pub fn mesh_step(
    context: &Context<'_>,
    party: &Party,
    annotations: &Labels,
    predicted: bool,
    protocol: Protocol,
) -> Step {
    let proxy = has_proxy(Some(&party.namespace_labels), &party.labels, &party.spec, annotations, predicted);
    match (context.mesh, proxy) {
        (_, true) if protocol != Protocol::Tcp => {
            Step::new(Layer::Mesh, StepOutcome::NotApplicable, format!("a mesh proxy does not carry {protocol}"))
        }
        (Some(mesh), true) => {
            let mut step = Step::new(
                Layer::Mesh,
                StepOutcome::Unknown,
                format!("a proxy of {mesh} carries the pod's connections, and this version does not evaluate {mesh}"),
            );
            step.doubts.push(Doubt { reason: step.summary.clone(), not_evaluated: Some(mesh.into()) });
            step
        }
        (None, true) if context.snapshot.world == World::Closed => {
            let mut step =
                Step::new(Layer::Mesh, Outcome::Reachable, "a mesh proxy without any configuration lets pass");
            step.assumptions.push("the mesh has its default configuration".to_owned());
            step
        }
        (None, true) => {
            let summary = "a mesh proxy carries the pod's connections, and no configuration of its mesh was read";
            let mut step = Step::new(Layer::Mesh, StepOutcome::Unknown, summary);
            step.doubts.push(Doubt { reason: summary.to_owned(), not_evaluated: None });
            step
        }
        (Some(_), false) => Step::new(Layer::Mesh, StepOutcome::NotApplicable, "the pod has no mesh proxy"),
        (None, false) => Step::new(Layer::Mesh, StepOutcome::NotAssessed, "no mesh found"),
    }
}

/// The cloud layer. `outside`: the destination is neither a pod nor a node of the cluster.
pub fn cloud_step(context: &Context<'_>, party: Option<&Party>, outside: bool) -> Step {
    let documents = &context.snapshot.cloud_documents;
    let closed = documents.iter().find(|d| d.outbound_type.as_deref().is_some_and(|t| t == "none" || t == "block"));
    if let Some(document) = closed
        && outside
    {
        let kind = document.outbound_type.as_deref().unwrap_or_default();
        let file = context.snapshot.source(document.source);
        let summary = format!("the AKS cluster has no way out: networkProfile.outboundType is `{kind}` ({file})");
        return Step::new(Layer::Cloud, Outcome::Blocked, summary);
    }
    let open = ["loadBalancer", "managedNATGateway", "userAssignedNATGateway"];
    let evaluated = |t: &Str| open.contains(&t.as_str()) || t == "none" || t == "block";
    if let Some(document) = documents.iter().find(|d| !d.outbound_type.as_ref().is_some_and(evaluated)) {
        let summary = format!("cloud documents were given ({}), and this version does not evaluate them", document.key);
        let mut step = Step::new(Layer::Cloud, StepOutcome::Unknown, summary.clone());
        step.doubts.push(Doubt { reason: summary, not_evaluated: Some("cloud".into()) });
        return step;
    }
    let selecting = party
        .filter(|party| !party.host_network)
        .and_then(|party| context.security_group_policies.iter().find(|p| p.selects(&party.namespace, &party.labels)));
    if let Some(policy) = selecting {
        let summary = format!(
            "SecurityGroupPolicy {}/{} gives the pod security groups of its own, whose rules were not read",
            policy.namespace, policy.name
        );
        let mut step = Step::new(Layer::Cloud, StepOutcome::Unknown, summary.clone());
        step.doubts.push(Doubt { reason: summary, not_evaluated: None });
        return step;
    }
    Step::new(Layer::Cloud, StepOutcome::NotAssessed, "no cloud documents were given")
}
