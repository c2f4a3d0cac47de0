//! Findings about the objects themselves: malformed, rejected, repeated, without effect, not enforced.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use crate::model::codes::{self, Code};
use crate::model::{Decided, Evidence, Finding, ObjectRef, Problem, ProblemClass, Severity, Str};
use crate::policy::compile::Defect;
use crate::policy::kinds;
use crate::policy::rule::Direction;

/// At most this many places are listed in one finding.
const PLACES: usize = 20;

/// All findings about objects, in order of code and place.
pub fn findings(context: &Context<'_>) -> Vec<Finding> {
    let mut found = problems(context);
    found.extend(defects(context));
    found.extend(without_effect(context));
    found.extend(not_enforced(context));
    found.sort_by(|a, b| (&a.code, &a.message, &a.evidence).cmp(&(&b.code, &b.message, &b.evidence)));
    found
}

/// Whether a finding of that code says that an object is malformed, invalid, repeated, ambiguous, ignored,
/// without effect or not enforced; one that says that something is not evaluated does not count.
pub fn counts_for_suites(code: &str) -> bool {
    [
        codes::OBJ_MALFORMED,
        codes::OBJ_SHAPE,
        codes::OBJ_REJECTED,
        codes::OBJ_REPEATED,
        codes::OBJ_NAMESPACE,
        codes::OBJ_UNKNOWN_FIELD,
        codes::OBJ_NO_EFFECT,
        codes::OBJ_NOT_AN_OBJECT,
        codes::ENF_NOT_ENFORCED,
        codes::ENF_NO_ENGINE,
    ]
    .iter()
    .any(|c| c.id == code)
}

/// A finding with its code's defaults.
pub(super) fn finding(code: &Code, message: String, evidence: Vec<Evidence>) -> Finding {
    Finding {
        code: code.id.into(),
        severity: code.severity,
        title: code.title.to_owned(),
        fingerprint: Str::default(),
        message,
        evidence,
        near_misses: Vec::new(),
        hits: Vec::new(),
        more_hits: 0,
        missing: None,
    }
}

fn problems(context: &Context<'_>) -> Vec<Finding> {
    let mut by_class: BTreeMap<ProblemClass, Vec<&Problem>> = BTreeMap::new();
    for problem in &context.snapshot.problems {
        by_class.entry(problem.class).or_default().push(problem);
    }
    let mut found = Vec::new();
    for (class, problems) in by_class {
        let code = match class {
            ProblemClass::Malformed => &codes::OBJ_MALFORMED,
            ProblemClass::Unreadable => &codes::OBJ_SHAPE,
            ProblemClass::Duplicate => &codes::OBJ_REPEATED,
            ProblemClass::HelmTemplate => &codes::OBJ_HELM,
            ProblemClass::NotRendered => &codes::OBJ_KUSTOMIZE,
            ProblemClass::AmbiguousNamespace => &codes::OBJ_NAMESPACE,
            ProblemClass::LinkNotFollowed => &codes::OBJ_LINK,
            ProblemClass::UnknownField => &codes::OBJ_UNKNOWN_FIELD,
            ProblemClass::NotAnObject => &codes::OBJ_NOT_AN_OBJECT,
        };
        // What hinders a verdict is told one by one; what is only worth knowing is told once.
        let one_by_one = matches!(class, ProblemClass::Malformed | ProblemClass::Unreadable);
        let chunks: Vec<&[&Problem]> = if one_by_one { problems.chunks(1).collect() } else { vec![&problems] };
        for chunk in chunks {
            let count: u64 = chunk.iter().map(|p| p.count.max(1)).sum();
            let first = chunk.first().map(|p| p.message.clone()).unwrap_or_default();
            let message = if count > 1 { format!("{first} ({count} in all)") } else { first };
            let mut evidence: Vec<_> = chunk.iter().take(PLACES).map(|p| problem_evidence(context, p)).collect();
            if let ([only], [_]) = (evidence.as_mut_slice(), chunk) {
                // The finding's own message says it.
                only.detail = None;
            }
            found.push(finding(code, message, evidence));
        }
    }
    found
}

fn problem_evidence(context: &Context<'_>, problem: &Problem) -> Evidence {
    let file = Str::from(context.snapshot.source(problem.source));
    Evidence {
        object: ObjectRef {
            kind: problem.kind.clone().unwrap_or_else(|| "document".into()),
            namespace: problem.namespace.clone(),
            name: problem.name.clone().unwrap_or_else(|| file.clone()),
        },
        path: None,
        file: Some(file),
        line: (problem.line > 0).then_some(problem.line),
        resource_version: None,
        field_manager: None,
        decided: Decided::ByRule,
        detail: Some(problem.message.clone()),
    }
}

fn defects(context: &Context<'_>) -> Vec<Finding> {
    let of = |(object, defect): &(u32, Defect)| {
        let written = &context.snapshot.network_policies[*object as usize];
        let origin = written.meta.origin;
        let line = if defect.line > 0 { defect.line } else { origin.line };
        let evidence = Evidence {
            object: ObjectRef {
                kind: "NetworkPolicy".into(),
                namespace: written.meta.namespace.clone(),
                name: written.meta.name.clone(),
            },
            path: Some(defect.path.clone()),
            file: Some(context.snapshot.source(origin.source).into()),
            line: (line > 0).then_some(line),
            resource_version: written.resource_version.clone(),
            field_manager: written.field_manager.clone(),
            decided: Decided::ByRule,
            detail: None,
        };
        let code = if defect.rejected { &codes::OBJ_REJECTED } else { &codes::OBJ_NO_EFFECT };
        finding(code, format!("{}: {}", evidence.citation(), defect.message), vec![evidence])
    };
    context.policies.defects.iter().map(of).collect()
}

/// Peers that match no pod of the snapshot, and named ports that no pod has.
fn without_effect(context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if context.snapshot.pods.is_empty() && context.snapshot.workloads.is_empty() {
        return found;
    }
    let undeclared = undeclared_ports(context);
    for (_, policy) in context.policies.policies().filter(|(_, p)| p.invalid.is_none()) {
        for direction in Direction::ALL.into_iter().filter(|d| policy.isolates(*d)) {
            for rule_id in policy.rules(direction) {
                let rule = context.policies.rule(rule_id);
                let unresolved = rule.ports.named.iter().find(|(_, name)| undeclared.contains(name));
                if let Some((_, name)) = unresolved {
                    let evidence = context.rule_evidence(rule_id);
                    let message = format!("{}: no container declares a port named `{name}`", evidence.citation());
                    found.push(finding(&codes::OBJ_NO_EFFECT, message, vec![(*evidence).clone()]));
                }
            }
        }
    }
    found
}

/// The port names of rules that no container declares.
fn undeclared_ports<'a>(context: &'a Context<'_>) -> BTreeSet<&'a Str> {
    let snapshot = context.snapshot;
    let mut names: BTreeSet<&Str> = context.policies.rules().flat_map(|r| &r.ports.named).map(|(_, n)| n).collect();
    let specs = snapshot.pods.iter().map(|p| &p.spec).chain(snapshot.workloads.iter().map(|w| &w.spec));
    for port in specs.flat_map(|spec| &spec.containers).flat_map(|c| &c.ports) {
        // A name that many rules ask for is declared by many pods: not all of them are looked at.
        if names.is_empty() {
            break;
        }
        if let Some(name) = &port.name {
            names.remove(name);
        }
    }
    names
}

/// Policies that nothing enforces, and objects of products that this cluster does not run.
fn not_enforced(context: &Context<'_>) -> Vec<Finding> {
    let snapshot = context.snapshot;
    let mut found = Vec::new();
    let policies = context.policies.policies().map(|(id, _)| (*context.policy_evidence(id)).clone());
    let others =
        snapshot.others.iter().zip(others_evidence(context)).filter(|(o, _)| kinds::is_policy_kind(o)).map(|(_, e)| e);
    if let Some(why) = context.enforcement.nothing_enforces() {
        let all: Vec<Evidence> = policies.chain(others).collect();
        if !all.is_empty() {
            let count = all.len();
            let message = format!("{why}: {count} {} ignored", if count == 1 { "policy is" } else { "policies are" });
            found.push(finding(&codes::ENF_NOT_ENFORCED, message, all.into_iter().take(PLACES).collect()));
        }
        return found;
    }
    let exempt = context.exempt_pods();
    if !exempt.is_empty() && context.policies.policies().next().is_some() {
        let mut by_reason: BTreeMap<String, Vec<Evidence>> = BTreeMap::new();
        for (why, evidence) in exempt {
            by_reason.entry(why).or_default().push(evidence);
        }
        for (why, pods) in by_reason {
            let count = pods.len();
            let message = format!("{why}: policies that select {count} pods there are ignored");
            found.push(finding(&codes::ENF_NOT_ENFORCED, message, pods.into_iter().take(PLACES).collect()));
        }
    }
    let foreign: Vec<Evidence> = snapshot
        .others
        .iter()
        .zip(others_evidence(context))
        .filter(|(o, _)| kinds::is_policy_kind(o) && o.group != "policy.networking.k8s.io")
        .filter(|(o, _)| !context.enforcement.owns_group(&o.group))
        .map(|(_, evidence)| evidence)
        .collect();
    for evidence in foreign {
        let products = context.enforcement.products().join(" and ");
        let message =
            format!("{}: this cluster runs {products}, which does not enforce this kind", evidence.citation());
        found.push(finding(&codes::ENF_NO_ENGINE, message, vec![evidence]));
    }
    found
}

fn others_evidence<'a>(context: &'a Context<'_>) -> impl Iterator<Item = Evidence> + use<'a> {
    context.snapshot.others.iter().map(|o| context.object_evidence(&o.kind, &o.meta, Decided::ByRule))
}

/// Kinds that may decide and are not evaluated: one finding each, with the places.
pub fn not_evaluated(context: &Context<'_>) -> Vec<Finding> {
    let mut by_kind: BTreeMap<String, Vec<Evidence>> = BTreeMap::new();
    let deciding = |o: &crate::model::object::OtherObject| {
        kinds::is_policy_kind(o) && (o.group == "policy.networking.k8s.io" || context.enforcement.owns_group(&o.group))
    };
    for (object, evidence) in context.snapshot.others.iter().zip(others_evidence(context)) {
        if deciding(object) {
            by_kind.entry(format!("{} ({})", object.kind, object.group)).or_default().push(evidence);
        }
    }
    by_kind
        .into_iter()
        .map(|(kind, places)| {
            let count = places.len();
            let message = format!("{count} {kind} may decide, and this version does not evaluate the kind");
            let places = places.into_iter().take(PLACES).collect();
            Finding { severity: Severity::Medium, ..finding(&codes::OBJ_NOT_EVALUATED, message, places) }
        })
        .collect()
}
