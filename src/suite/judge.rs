//! Judges the assertions of a suite over the snapshot of its manifests.

use std::net::IpAddr;

use serde::Serialize;

use super::spec::{Assertion, End, Expectation, Suite};
use crate::cloud::{self, Shadow};
use crate::demand::owners::Owners;
use crate::model::object::{Owner, Pod, Workload};
use crate::model::{AddrSet, Doubt, Family, Layer, Outcome, Snapshot, Step, StepOutcome, Str, Trace};
use crate::policy::engine::Overrides;
use crate::policy::{Direction, Party};
use crate::trace::classes::Member;
use crate::trace::flow::{Known, Source, common_families};
use crate::trace::target::{Aim, PortMeans, Target, aim_of_set, aims_of_addresses, aims_of_cluster_name, policy_step};
use crate::trace::{self, Context, Profile, dns, layers, objects};

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
struct Origin<'a> {
    party: Option<(Party, Member<'a>)>,
    addresses: Vec<IpAddr>,
    node: Option<Str>,
    /// Where it stands in its VPC, if anything was read about it.
    network: Option<cloud::Origin<'a>>,
}

struct Judge<'a> {
    context: &'a Context<'a>,
    suite: &'a Suite,
}

impl<'a> Judge<'a> {
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
    fn walk(&self, origin: &Origin<'a>, destination: &[Aim], assertion: &Assertion) -> Trace {
        let context = self.context;
        let mut steps = Vec::new();
        let mut shadowed = None;
        if let End::Host(host) = &assertion.to {
            shadowed = self.shadow(origin, host, destination, assertion);
            steps.push(self.lookup(origin, host, shadowed.as_ref().is_some_and(|(_, sure)| *sure)));
        }
        let destination = shadowed.as_ref().map_or(destination, |(aims, _)| aims);
        steps.extend(self.gates(origin, destination, assertion));
        if let Some((party, member)) = &origin.party {
            let predicted = member.pod().is_none();
            steps.push(layers::mesh_step(context, party, member.annotations(), predicted, assertion.protocol));
        } else {
            steps.push(Step::new(Layer::Mesh, StepOutcome::NotApplicable, "the source is no pod"));
        }
        layers::merge_destination(&mut steps, layers::destination_steps(context, destination, assertion.protocol));
        Trace::new(steps)
    }

    /// Policies and the cloud, family by family: a name serves over any family that passes both.
    fn gates(&self, origin: &Origin<'a>, destination: &[Aim], assertion: &Assertion) -> Vec<Step> {
        let context = self.context;
        let families: Vec<Family> = match (&origin.party, &assertion.to) {
            (Some((party, ..)), _) if !party.families().is_empty() => party.families(),
            (None, _) => origin.addresses.iter().map(|ip| Family::of(*ip)).collect(),
            _ => Vec::new(),
        };
        // The network plugin may lend a family through the node.
        let mut families = families;
        if let (Some(network), false) = (&origin.network, families.is_empty()) {
            families.extend(network.families().into_iter().filter(|f| !families.contains(f)).collect::<Vec<_>>());
        }
        let offered: Vec<Family> = destination.iter().map(Aim::family).collect();
        let by_name = matches!(assertion.to, End::Host(_));
        let mut by_family: Vec<[Step; 2]> = Vec::new();
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
                Some((party, member)) => Source::Pod(party, member.pod()),
                None => Source::Addresses { set: &set, node: origin.node.as_ref() },
            };
            let policy = policy_step(context, &aims, assertion.protocol, source, &selecting);
            by_family.push([policy, self.cloud(origin, &aims, assertion)]);
        }
        combine_families(by_family, by_name)
    }

    fn cloud(&self, origin: &Origin<'a>, aims: &[Aim], assertion: &Assertion) -> Step {
        let party = origin.party.as_ref().map(|(party, _)| party);
        let outside = aims.iter().all(Aim::is_outside);
        match (&self.context.cloud, &origin.network) {
            (Some(cluster), Some(network)) => {
                let host = match &assertion.to {
                    End::Host(host) => Some(host.as_str()),
                    _ => None,
                };
                let answers = trace::cloud::ask(cluster, network, aims, assertion.protocol, host);
                trace::cloud::step(aims, &answers)
            }
            (None, _) if matches!(assertion.from, End::Instance(_) | End::Interface(_)) => {
                let reason = "the source is known to the cloud only, and no document about its network was given";
                let mut step = Step::new(Layer::Cloud, StepOutcome::Unknown, reason);
                step.doubts.push(doubt(reason));
                step
            }
            _ => layers::cloud_step(self.context, party, outside),
        }
    }

    /// Where the name leads in the source's VPC, where an interface endpoint holds it for sure (`true`) or may.
    fn shadow(
        &self,
        origin: &Origin<'a>,
        host: &str,
        public: &[Aim],
        assertion: &Assertion,
    ) -> Option<(Vec<Aim>, bool)> {
        let (cluster, network) = (self.context.cloud.as_ref()?, origin.network.as_ref()?);
        let vpcs = network.vpcs();
        let [vpc] = vpcs.as_slice() else { return None };
        let elsewhere = |party: &Party| trace::cloud::asks_elsewhere(self.context, network, &party.spec);
        let elsewhere = origin.party.as_ref().is_some_and(|(party, _)| elsewhere(party));
        match trace::cloud::meaning(cluster, vpc, host, elsewhere) {
            Shadow::None => None,
            Shadow::Unsure { why, addresses } => {
                let what = (why.as_str(), addresses.as_slice());
                Some((trace::cloud::either(self.context, vpc, host, what, public, assertion.port), false))
            }
            Shadow::Endpoint(addresses, _) => {
                let (protocol, means) = (assertion.protocol, PortMeans::AtDestination);
                let aims = aims_of_addresses(self.context, &addresses, protocol, assertion.port, means).ok()?;
                Some((aims, true))
            }
        }
    }

    fn lookup(&self, origin: &Origin<'a>, host: &str, shadowed: bool) -> Step {
        let context = self.context;
        let mut step = match &origin.party {
            Some((party, member)) if dns::has_cluster_dns(context) => {
                let selecting = context.policies.selecting(&party.namespace, &party.labels, Direction::Egress);
                dns::lookup(context, party, member.pod(), &selecting).step
            }
            _ => Step::new(Layer::Dns, StepOutcome::NotAssessed, "the suite holds no data of a resolver"),
        };
        let has_data = context.cloud.as_ref().is_some_and(|c| cloud::resolve::has_resolver_data(&c.net));
        if let Some(network) = origin.network.as_ref().filter(|_| has_data) {
            let pod = origin.party.as_ref().map(|(party, _)| party);
            let of_vpc = trace::cloud::lookups(context, network, pod);
            let of_name = |l: &trace::cloud::Lookups| trace::names::step(context, &l.amazon, host);
            let of_name = of_vpc.as_ref().and_then(of_name);
            let legs = of_vpc.into_iter().flat_map(|l| [l.to_resolver, Some(l.upstream)]);
            for theirs in legs.chain([of_name]).flatten() {
                trace::cloud::merge_lookup(&mut step, theirs);
            }
        }
        let unknown_name = self.suite.spec.dns.as_ref().is_some_and(|dns| dns.get(host).is_none_or(Vec::is_empty));
        if unknown_name && !shadowed {
            return Step::new(Layer::Dns, Outcome::Blocked, format!("`{host}` has no address in `dns`"));
        }
        step
    }

    fn origins(&self, end: &End) -> Result<Vec<Origin<'a>>, Doubt> {
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
    fn destinations(&self, assertion: &Assertion) -> Result<Vec<Vec<Aim>>, Doubt> {
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

/// Policies and the cloud over the families. A name serves over any family that passes both; two dual-stack pods
/// need all.
fn combine_families(families: Vec<[Step; 2]>, alternatives: bool) -> Vec<Step> {
    if families.is_empty() {
        return vec![no_family()];
    }
    if alternatives {
        let along = |steps: &[Step; 2]| Outcome::along(steps.iter().filter_map(|s| s.outcome.outcome()));
        return families.into_iter().min_by_key(along).map(Vec::from).unwrap_or_default();
    }
    let (policy, cloud): (Vec<Step>, Vec<Step>) = families.into_iter().map(|[policy, cloud]| (policy, cloud)).unzip();
    vec![all_families(policy), all_families(cloud)]
}

fn all_families(steps: Vec<Step>) -> Step {
    let combined = Outcome::all_needed(steps.iter().filter_map(|s| s.outcome.outcome()));
    let alike = steps.iter().position(|s| s.outcome.outcome() == combined);
    let layer = steps.first().map_or(Layer::Policy, |s| s.layer);
    match (alike, combined) {
        (Some(i), _) => steps.into_iter().nth(i).unwrap_or_else(no_family),
        (None, Some(outcome)) => {
            let mut step = Step::new(layer, outcome, "the address families do not fare alike");
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
