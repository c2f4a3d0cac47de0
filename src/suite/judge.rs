//! Judges the assertions of a suite over the snapshot of its manifests.

use std::net::IpAddr;

use serde::Serialize;

use super::spec::{Assertion, End, Expectation, Suite};
use crate::model::object::Workload;
use crate::model::{AddrSet, Doubt, Family, Labels, Layer, Outcome, Snapshot, Step, StepOutcome, Str, Trace};
use crate::policy::engine::Overrides;
use crate::policy::{Direction, Party};
use crate::trace::flow::{Known, Source, common_families};
use crate::trace::target::{Aim, PortMeans, Target, aim_of_set, aims_of_addresses, aims_of_cluster_name, policy_step};
use crate::trace::{Context, Profile, dns, layers, objects};

/// How an assertion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// Unknown only because of something that this version does not evaluate.
    Unsupported,
}

/// One assertion with its result.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertionResult {
    /// Position in the file from 0; -1 for `expectFindings`.
    pub index: i64,
    /// As written.
    pub from: Option<End>,
    /// As written.
    pub to: Option<End>,
    /// Protocol.
    pub protocol: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// What was expected.
    pub expect: Option<Expectation>,
    /// What came out.
    pub actual: Option<Expectation>,
    /// The verdict on the assertion.
    pub status: Status,
    /// All citations in path order, joined by `; `.
    pub decided_by: String,
    /// Why it is not passed, or why it is unknown.
    pub reason: String,
    /// The trace that explains it; for people, not part of the document.
    #[serde(skip)]
    pub trace: Trace,
}

/// A suite with its results.
#[derive(Clone, Debug, Serialize)]
pub struct SuiteResult {
    /// Where it stands.
    pub path: String,
    /// `metadata.name`.
    pub name: String,
    /// In file order.
    pub assertions: Vec<AssertionResult>,
}

/// Judges every assertion of a suite.
pub fn judge(path: &str, suite: &Suite, snapshot: &Snapshot) -> SuiteResult {
    let spec = &suite.spec;
    let profile = Profile {
        cni: Some(spec.profile.cni.clone().unwrap_or_else(|| "upstream".into())),
        trusted: false,
        overrides: Overrides { pod_ip_in_ip_block: spec.profile.pod_ip_in_ip_block, own_node: spec.profile.own_node },
    };
    let context = Context::new(snapshot, &profile);
    let mut assertions: Vec<_> = (0i64..)
        .zip(&spec.assertions)
        .map(|(index, assertion)| Judge { context: &context, suite }.assertion(index, assertion))
        .collect();
    if spec.expect_findings {
        assertions.push(expect_findings(&context));
    }
    SuiteResult { path: path.to_owned(), name: suite.metadata.name.clone(), assertions }
}

fn expect_findings(context: &Context<'_>) -> AssertionResult {
    let found = objects::findings(context);
    let counts = found.iter().find(|f| objects::counts_for_suites(&f.code));
    let unevaluated = || {
        let kind = context.snapshot.others.iter().map(|o| o.kind.to_string()).next();
        kind.or_else(|| context.enforcement.unevaluated_product())
    };
    let (status, reason) = match (counts, unevaluated()) {
        (Some(finding), _) => (Status::Passed, format!("{}: {}", finding.code, finding.message)),
        (None, Some(kind)) => (Status::Unsupported, format!("no finding, and {kind} is not evaluated")),
        (None, None) => (Status::Failed, "no finding about an object of these manifests".to_owned()),
    };
    let decided_by = counts
        .map(|f| f.evidence.iter().map(super::super::model::trace::Evidence::citation).collect::<Vec<_>>().join("; "));
    AssertionResult {
        index: -1,
        from: None,
        to: None,
        protocol: None,
        port: None,
        expect: None,
        actual: None,
        status,
        decided_by: decided_by.unwrap_or_default(),
        reason,
        trace: Trace::default(),
    }
}

/// Who opens a connection, made ready.
struct Origin {
    party: Option<(Party, Option<u32>, Labels)>,
    addresses: Vec<IpAddr>,
    node: Option<Str>,
    /// Known to the cloud only.
    in_cloud: bool,
}

struct Judge<'a> {
    context: &'a Context<'a>,
    suite: &'a Suite,
}

impl Judge<'_> {
    fn assertion(&self, index: i64, assertion: &Assertion) -> AssertionResult {
        let mut traces: Vec<Trace> = Vec::new();
        let mut doubts: Vec<Doubt> = Vec::new();
        match (self.origins(&assertion.from), self.destinations(assertion)) {
            (Ok(origins), Ok(destinations)) => {
                for origin in &origins {
                    for destination in &destinations {
                        let trace = self.walk(origin, destination, assertion);
                        if !traces.contains(&trace) {
                            traces.push(trace);
                        }
                    }
                }
            }
            (Err(doubt), _) | (_, Err(doubt)) => doubts.push(doubt),
        }
        result(index, assertion, &traces, doubts)
    }

    /// One pair of ends through the layers.
    fn walk(&self, origin: &Origin, destination: &[Aim], assertion: &Assertion) -> Trace {
        let context = self.context;
        let mut steps = Vec::new();
        if let End::Host(host) = &assertion.to {
            steps.push(self.lookup(origin, host));
        }
        let families: Vec<Family> = match (&origin.party, &assertion.to) {
            (Some((party, ..)), _) if !party.families().is_empty() => party.families(),
            (None, _) => origin.addresses.iter().map(|ip| Family::of(*ip)).collect(),
            _ => Vec::new(),
        };
        let offered: Vec<Family> = destination.iter().map(Aim::family).collect();
        let by_name = matches!(assertion.to, End::Host(_));
        let mut by_family: Vec<Step> = Vec::new();
        for family in [Family::V4, Family::V6] {
            let aims: Vec<Aim> = destination.iter().filter(|a| a.family() == family).cloned().collect();
            let wanted = match &assertion.to {
                // A bare address is judged in its own family, whatever addresses the source has.
                End::Ip(_) => true,
                _ => common_families(&families, &offered).contains(&family),
            };
            if aims.is_empty() || !wanted {
                continue;
            }
            let selecting = match &origin.party {
                Some((party, ..)) => context.policies.selecting(&party.namespace, &party.labels, Direction::Egress),
                None => Vec::new(),
            };
            let set = AddrSet::from_ips(family, origin.addresses.iter().copied());
            let source = match &origin.party {
                Some((party, pod, _)) => Source::Pod(party, *pod),
                None => Source::Addresses { set: &set, node: origin.node.as_ref() },
            };
            by_family.push(policy_step(context, &aims, assertion.protocol, source, &selecting));
        }
        steps.push(combine_families(by_family, by_name));
        let outside = destination.iter().all(Aim::is_outside);
        if let Some((party, pod, annotations)) = &origin.party {
            steps.push(layers::mesh_step(context, party, annotations, pod.is_none(), assertion.protocol));
        }
        let in_cloud = origin.in_cloud.then(|| cloud_only(&context.snapshot.cloud_documents));
        let party = origin.party.as_ref().map(|(party, ..)| party);
        steps.push(in_cloud.unwrap_or_else(|| layers::cloud_step(context, party, outside)));
        if origin.party.is_none() {
            steps.push(Step::new(Layer::Mesh, StepOutcome::NotApplicable, "the source is no pod"));
        }
        layers::merge_destination(&mut steps, layers::destination_steps(context, destination, assertion.protocol));
        Trace::new(steps)
    }

    fn lookup(&self, origin: &Origin, host: &str) -> Step {
        if let Some(dns) = &self.suite.spec.dns
            && dns.get(host).is_none_or(Vec::is_empty)
        {
            return Step::new(Layer::Dns, Outcome::Blocked, format!("`{host}` has no address in `dns`"));
        }
        match &origin.party {
            Some((party, pod, _)) if dns::has_cluster_dns(self.context) => {
                let selecting = self.context.policies.selecting(&party.namespace, &party.labels, Direction::Egress);
                dns::lookup(self.context, party, *pod, &selecting).step
            }
            _ => Step::new(Layer::Dns, StepOutcome::NotAssessed, "the suite holds no data of a resolver"),
        }
    }

    fn origins(&self, end: &End) -> Result<Vec<Origin>, Doubt> {
        let plain = |party| Origin { party: Some(party), addresses: Vec::new(), node: None, in_cloud: false };
        match end {
            End::Pod(_) | End::Workload(_) => Ok(self.pods(end)?.into_iter().map(plain).collect()),
            End::Node(name) => {
                let addresses = self.context.node_addresses(&name.as_str().into());
                if addresses.is_empty() {
                    return Err(doubt(&format!("no address of node {name} was read")));
                }
                Ok(vec![Origin { party: None, addresses, node: Some(name.as_str().into()), in_cloud: false }])
            }
            End::Ip(ip) => {
                if let Some((i, pod)) = self.context.pod_at(*ip) {
                    let party = self.context.party(pod);
                    return Ok(vec![plain((party, Some(i), pod.meta.annotations.clone()))]);
                }
                let node = self.context.node_at(*ip).cloned();
                Ok(vec![Origin { party: None, addresses: vec![*ip], node, in_cloud: false }])
            }
            End::Instance(_) | End::Interface(_) => {
                Ok(vec![Origin { party: None, addresses: Vec::new(), node: None, in_cloud: true }])
            }
            End::Host(_) => Err(doubt("a name cannot open a connection")),
        }
    }

    /// What `to` means: alternatives are combined as all needed, one list of aims each.
    fn destinations(&self, assertion: &Assertion) -> Result<Vec<Vec<Aim>>, Doubt> {
        let (protocol, port) = (assertion.protocol, assertion.port);
        match &assertion.to {
            End::Pod(_) | End::Workload(_) => {
                let pods = self.pods(&assertion.to)?;
                let of_pod = |(party, pod, _): (Party, Option<u32>, Labels)| {
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
                let mut doubt = doubt(&format!("{id} is known to the cloud only"));
                doubt.not_evaluated = Some("cloud".into());
                Err(doubt)
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
    fn pods(&self, end: &End) -> Result<Vec<(Party, Option<u32>, Labels)>, Doubt> {
        let context = self.context;
        match end {
            End::Pod(name) => {
                let (namespace, pod) = name.split_once('/').unwrap_or(("default", name));
                let found = context.pod(&namespace.into(), &pod.into());
                let (i, pod) = found.ok_or_else(|| doubt(&format!("no pod {name} in the manifests")))?;
                Ok(vec![(context.party(pod), Some(i), pod.meta.annotations.clone())])
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

    fn workload(&self, namespace: &str, kind: &str, name: &str) -> Result<Vec<(Party, Option<u32>, Labels)>, Doubt> {
        let context = self.context;
        let here = |meta: &crate::model::object::Meta| meta.namespace.as_deref().unwrap_or_default() == namespace;
        let is = |w: &&Workload| here(&w.meta) && w.kind == kind && w.meta.name == name;
        // Running pods replace their template; a pod may hang under an object that the workload owns.
        let owned = |w: &&Workload| here(&w.meta) && w.owner.as_ref().is_some_and(|o| o.kind == kind && o.name == name);
        let between: Vec<_> =
            context.snapshot.workloads.iter().filter(owned).map(|w| (w.kind.clone(), w.meta.name.clone())).collect();
        let pods: Vec<_> = (0u32..)
            .zip(&context.snapshot.pods)
            .filter(|(_, pod)| here(&pod.meta) && !pod.phase.is_terminal())
            .filter(|(_, pod)| {
                pod.owner.as_ref().is_some_and(|o| {
                    (o.kind == kind && o.name == name) || between.contains(&(o.kind.clone(), o.name.clone()))
                }) || (kind == "Pod" && pod.meta.name == name)
            })
            .map(|(i, pod)| (context.party(pod), Some(i), pod.meta.annotations.clone()))
            .collect();
        if !pods.is_empty() {
            return Ok(pods);
        }
        let template = context.snapshot.workloads.iter().rev().find(is);
        let template = template.ok_or_else(|| doubt(&format!("no {kind} {namespace}/{name} in the manifests")))?;
        Ok(vec![(context.predicted(template), None, template.template_annotations.clone())])
    }
}

/// What the traces of all pairs of ends amount to.
fn result(index: i64, assertion: &Assertion, traces: &[Trace], mut doubts: Vec<Doubt>) -> AssertionResult {
    let outcome = Outcome::all_needed(traces.iter().map(Trace::outcome)).filter(|_| doubts.is_empty());
    let outcome = outcome.unwrap_or(Outcome::Unknown);
    let deciding: Vec<&Step> = traces
        .iter()
        .filter(|t| t.outcome() == outcome || outcome == Outcome::Partial)
        .flat_map(super::super::model::trace::Trace::deciding)
        .collect();
    for step in traces.iter().flat_map(|t| &t.steps).filter(|s| s.outcome == StepOutcome::Unknown) {
        doubts.extend(step.doubts.iter().filter(|d| !doubts.contains(d)).cloned().collect::<Vec<_>>());
    }
    let mut cited: Vec<String> = Vec::new();
    for step in deciding.iter().filter(|s| assertion.layer.is_none_or(|l| l == s.layer)) {
        cited.extend(
            step.evidence.iter().map(|evidence| evidence.citation()).filter(|c| !cited.contains(c)).collect::<Vec<_>>(),
        );
    }
    let actual = Expectation::from(outcome);
    let mut failures: Vec<String> = Vec::new();
    if actual != assertion.expect {
        failures.push(format!("expected {:?}, got {actual:?}", assertion.expect));
    }
    if let Some(layer) = assertion.layer
        && !deciding.iter().any(|s| s.layer == layer)
    {
        failures.push(format!("layer {layer} does not have the outcome {outcome}"));
    }
    if let Some(text) = &assertion.decided_by
        && !cited.iter().any(|citation| cites(citation, text))
    {
        failures.push(format!("no deciding step cites `{text}`"));
    }
    let not_evaluated =
        outcome == Outcome::Unknown && !doubts.is_empty() && doubts.iter().all(|doubt| doubt.not_evaluated.is_some());
    let status = match failures.is_empty() {
        _ if not_evaluated => Status::Unsupported,
        true => Status::Passed,
        false => Status::Failed,
    };
    let mut reason = failures;
    if outcome == Outcome::Unknown {
        reason.extend(doubts.iter().map(|d| d.reason.clone()));
    }
    let trace = traces.iter().find(|t| t.outcome() == outcome).or(traces.first()).cloned();
    AssertionResult {
        index,
        from: Some(assertion.from.clone()),
        to: Some(assertion.to.clone()),
        protocol: Some(assertion.protocol.to_string()),
        port: Some(assertion.port),
        expect: Some(assertion.expect),
        actual: Some(actual),
        status,
        decided_by: cited.join("; "),
        reason: reason.join("; "),
        trace: trace.unwrap_or_default(),
    }
}

fn doubt(reason: &str) -> Doubt {
    Doubt { reason: reason.to_owned(), not_evaluated: None }
}

fn cloud_only(documents: &[crate::model::snapshot::CloudDocument]) -> Step {
    let summary = "the source is known to the cloud only, and this version does not evaluate the cloud layer";
    let mut step = Step::new(Layer::Cloud, StepOutcome::Unknown, summary);
    let not_evaluated = (!documents.is_empty()).then(|| "cloud".into());
    step.doubts.push(Doubt { reason: summary.to_owned(), not_evaluated });
    step
}

/// A name serves over any family; two dual-stack pods need all.
fn combine_families(steps: Vec<Step>, alternatives: bool) -> Step {
    let outcomes = || steps.iter().filter_map(|s| s.outcome.outcome());
    let combined = if alternatives { Outcome::best(outcomes()) } else { Outcome::all_needed(outcomes()) };
    let alike = steps.iter().position(|s| s.outcome.outcome() == combined);
    match (alike, combined) {
        (Some(i), _) => steps.into_iter().nth(i).unwrap_or_else(no_family),
        (None, Some(outcome)) => {
            let mut step = Step::new(Layer::Policy, outcome, "the address families do not fare alike");
            for other in steps {
                step.evidence.extend(other.evidence);
                step.doubts.extend(other.doubts);
            }
            step
        }
        (None, None) => no_family(),
    }
}

fn no_family() -> Step {
    Step::new(Layer::Policy, Outcome::Blocked, "the ends have no address family in common")
}

/// Whether `text` stands in a citation as a whole: no letter, digit, `-`, `_` or `.` directly beside it.
fn cites(citation: &str, text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    citation
        .match_indices(text)
        .any(|(at, _)| !citation[..at].ends_with(inside) && !citation[at + text.len()..].starts_with(inside))
        && !text.is_empty()
}
