//! What is kept from one audit to the next changes no report.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use super::Trust;
use crate::demand::presents::{Reference, Told, What};
use crate::demand::{Catalogue, DemandOptions, Ranges, SourceId, build, parse_endpoint};
use crate::model::object::{Meta, Origin, Owner, Pod, PodSpec, Workload};
use crate::model::report::AuditReport;
use crate::model::trust::{Anchor, TrustBundle};
use crate::model::{Labels, Layer, Outcome, Snapshot, Str};
use crate::trace::audit::Question;
use crate::trace::report::{About, audit};
use crate::trace::{Context, Profile};
use crate::trust::{Bundle, Certificate};

/// 2027-01-15, 08:00:00 UTC.
const START: jiff::Timestamp = jiff::Timestamp::constant(1_800_000_000, 0);

/// When one certificate ends and another begins, and when a server's ends, in seconds after the start.
const CHANGES: [u64; 2] = [40, 80];

/// CAs of one name: of one key one that is valid for long, one that ends soon, one that begins then and one that ends
/// later; one of another key.
fn certificates() -> [String; 5] {
    let [moment, later] = CHANGES.map(|at| date_time_ymd(2027, 1, 15) + Duration::from_secs(8 * 3600 + at));
    let (past, future) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    let (one, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let of = |(from, to, key): (_, _, &KeyPair)| {
        let mut params = CertificateParams::new(vec!["nexus.corp.example".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Corp Root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (from, to);
        params.self_signed(key).unwrap().pem()
    };
    [(past, future, &one), (past, moment, &one), (moment, future, &one), (past, future, &other), (past, later, &one)]
        .map(of)
}

fn anchors(pem: &str) -> Vec<Anchor> {
    Bundle::read(pem.as_bytes()).certificates.iter().map(Certificate::anchor_with_der).collect()
}

const NAMESPACES: [&str; 3] = ["ci", "ops", "web"];

/// Specifications of pods; those of one number and another variant differ in what is told of them, and in nothing that
/// decides.
const SPECS: u8 = 11;

fn spec(number: u8, variant: u8) -> PodSpec {
    let socket = ["/var/run/docker.sock", "/run/other.sock"][usize::from(variant % 2)];
    let line = if number.is_multiple_of(2) { 7 } else { 7 + u32::from(variant) };
    let env = |name: &str, value: &str| json!({"name": name, "value": {"text": value}, "line": line});
    let mount = |path: &str, map: &str| json!({"path": path, "source": {"configMap": {"name": map}}});
    let one = |image: &str, words: &[&str], more: Value| {
        let mut container = json!({"name": "c", "image": image, "command": words});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container
    };
    let go = ["go", "mod", "download"];
    let containers = match number {
        0 => vec![one("golang:1.26", &go, json!({}))],
        1 => {
            let env = [env("SSL_CERT_FILE", "/ca/ca.crt")];
            vec![one("golang:1.26", &go, json!({"env": env, "trustMounts": [mount("/ca", "corp")]}))]
        }
        2 => {
            let env =
                [env("NODE_EXTRA_CA_CERTS", "/ca/ca.crt"), env("npm_config_registry", "https://nexus.corp.example/")];
            vec![one("node:24", &["npm", "ci"], json!({"env": env, "trustMounts": [mount("/ca", "dated")]}))]
        }
        3 => vec![one("python:3.14", &["pip", "install", "x"], json!({"env": [env("PIP_CERT", "/nowhere.pem")]}))],
        4 => vec![one("gcr.io/kaniko-project/executor:v1", &["--destination=nexus.corp.example/a/b"], json!({}))],
        5 => vec![one("docker:28", &["docker", "build", "."], json!({}))],
        6 => vec![
            one("curlimages/curl", &["curl", "-k", "https://nexus.corp.example/x"], json!({})),
            json!({"name": "d", "image": "golang:1.26", "command": go, "env": [env("SSL_CERT_DIR", "/empty")]}),
        ],
        7 => {
            let from = json!([{"kind": "ConfigMap", "name": "vars"}]);
            vec![one("golang:1.26", &go, json!({"envFrom": from}))]
        }
        8 => {
            let env = [env("GOPROXY", "https://nexus.corp.example/go"), env("NODE_TLS_REJECT_UNAUTHORIZED", "0")];
            vec![one("golang:1.26", &go, json!({"env": env}))]
        }
        9 => {
            let mounts = [mount("/usr/local/share/ca-certificates", "corp")];
            vec![one("python:3.14", &["pip", "install", "x"], json!({"trustMounts": mounts}))]
        }
        _ => {
            let words = ["git", "clone", "https://github.com/x/y"];
            vec![one("alpine/git", &words, json!({"env": [env("GIT_SSL_NO_VERIFY", "true")]}))]
        }
    };
    let paths = if (4..=5).contains(&number) { vec![socket] } else { Vec::new() };
    serde_json::from_value(json!({"containers": containers, "hostPaths": paths})).unwrap()
}

/// What does not change unless somebody says so.
fn facts(certificates: &[String; 5], others: bool) -> Snapshot {
    let bundle = |namespace: &str, name: &str, pem: &str| TrustBundle {
        kind: "ConfigMap".into(),
        meta: Meta { namespace: Some(namespace.into()), name: name.into(), ..Meta::default() },
        key: "ca.crt".into(),
        certificates: anchors(pem).into(),
        signer: None,
        problems: Vec::new().into(),
        unread: None,
        private_keys: 0,
        public_roots: false,
        targets: None,
    };
    let [long, ends, begins, other, _] = certificates;
    let corp = if others { other } else { long };
    let registry = json!({"host": "nexus.corp.example", "runtime": "containerd", "source": "/etc/containerd/hosts.toml",
        "hosts": [{"url": "https://nexus.corp.example", "ca": anchors(ends)}]});
    let note = |path: &str| json!({"code": "BR-TLS-013", "message": "it is off", "path": path, "line": 3});
    let mut snapshot: Snapshot = serde_json::from_value(json!({
        "instant": START,
        "world": "Closed",
        "sources": ["a.yaml", "b.yaml"],
        "nodes": [{"name": "node-1"}, {"name": "node-2"}],
        "nodeTrust": [{"meta": {"name": "node-1"}, "registries": [registry], "notes": [note("/etc/x")]}],
        "variableMaps": [{"meta": {"namespace": "ci", "name": "vars"},
            "keys": [{"key": "SSL_CERT_FILE", "value": "/vars.pem", "line": 4}]}],
        "workloads": [{"kind": "CronJob", "namespace": "ci", "name": "nightly", "spec": spec(1, 0),
            "templateLabels": {"buildreach.dev/build": "true"}, "templateAnnotations": {}}],
    }))
    .unwrap();
    snapshot.trust_bundles = vec![
        bundle("ci", "corp", corp),
        bundle("web", "corp", corp),
        bundle("ci", "dated", ends),
        bundle("web", "dated", begins),
    ];
    snapshot
}

/// What is asked for beside what pods show.
#[derive(Clone, Debug)]
struct Wanted {
    presented: u8,
    endpoints: u8,
    ecosystems: u8,
    nodes: bool,
}

fn options(wanted: &Wanted, certificates: &[String; 5], catalogue: &Catalogue) -> DemandOptions {
    let told = |host: &str, port: Option<u16>, what: What, number: usize| Told {
        host: host.into(),
        port,
        what,
        reference: Reference::Text(certificates[number].as_bytes().into()),
        from: "--endpoint-ca".into(),
    };
    let presents = match wanted.presented {
        0 => vec![],
        1 => vec![told("nexus.corp.example", None, What::Authority, 0)],
        2 => vec![told("nexus.corp.example", None, What::Chain, 4)],
        3 => vec![told("nexus.corp.example", None, What::Authority, 3)],
        4 => vec![told("nexus.corp.example", Some(8443), What::Chain, 0), told("*", None, What::Authority, 0)],
        5 => vec![told("10.0.0.9", None, What::Authority, 0), told("nexus.corp.example", None, What::Authority, 1)],
        _ => vec![Told {
            reference: Reference::Wrong("it is no certificate".into()),
            ..told("nexus.corp.example", None, What::Authority, 0)
        }],
    };
    let endpoints: &[&str] = match wanted.endpoints {
        0 => &[],
        1 => &["nexus.corp.example:443"],
        2 => &["nexus.corp.example:8443", "nexus.corp.example:443"],
        3 => &["10.0.0.9:443", "proxy.golang.org:443"],
        _ => &["10.0.0.8:443"],
    };
    let node = |name: &str| SourceId::Node(name.to_owned());
    DemandOptions {
        presents,
        endpoints: endpoints.iter().map(|text| parse_endpoint(text, catalogue).unwrap()).collect(),
        ecosystems: match wanted.ecosystems {
            0 => Some(Vec::new()),
            1 => Some(vec!["go", "node"]),
            _ => None,
        },
        sources: if wanted.nodes { vec![node("node-2"), node("node-1")] } else { Vec::new() },
        ..DemandOptions::default()
    }
}

/// A pod, in a few words.
#[derive(Clone, Debug)]
struct Short {
    namespace: usize,
    name: u8,
    owner: Option<u8>,
    spec: u8,
    variant: u8,
    /// It has its specification, and the name of its namespace, for itself.
    alone: bool,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Change {
    Add(Short),
    /// Away with one, by its place in the list.
    Remove(usize),
    Swap(usize, usize),
    /// Another specification for one.
    Respec(usize, u8, u8),
    /// Something else is told of one, which decides nothing.
    Vary(usize),
    /// All are read anew, with the same content.
    Relist,
    /// Another template, or none.
    Template(Option<(u8, u8)>),
    Want(Wanted),
    Later(u64),
    /// Facts change, and whoever keeps something is told.
    Facts,
}

fn change() -> impl Strategy<Value = Change> {
    let origin = (0..2u32, 0..3u32).prop_map(|(source, line)| Origin { source, line });
    let pod = (0..3usize, 0..8u8, prop::option::weighted(0.4, 0..3u8), 0..SPECS, 0..2u8, any::<bool>(), origin)
        .prop_map(|(namespace, name, owner, spec, variant, alone, origin)| Short {
            namespace,
            name,
            owner,
            spec,
            variant,
            alone,
            origin,
        });
    let wanted = (0..7u8, 0..5u8, 0..4u8, prop::bool::weighted(0.15))
        .prop_map(|(presented, endpoints, ecosystems, nodes)| Wanted { presented, endpoints, ecosystems, nodes });
    prop_oneof![
        8 => pod.prop_map(Change::Add),
        4 => (0..16usize).prop_map(Change::Remove),
        2 => (0..16usize, 0..16usize).prop_map(|(one, other)| Change::Swap(one, other)),
        2 => (0..16usize, 0..SPECS, 0..2u8).prop_map(|(at, spec, variant)| Change::Respec(at, spec, variant)),
        1 => Just(Change::Relist),
        1 => prop::option::weighted(0.8, (0..SPECS, 0..2u8)).prop_map(Change::Template),
        4 => wanted.prop_map(Change::Want),
        2 => (0..16usize).prop_map(Change::Vary),
        2 => (0..30u64).prop_map(Change::Later),
        1 => Just(Change::Facts),
    ]
}

/// A cluster, and whoever asks about it again and again.
struct World<'c> {
    certificates: &'c [String; 5],
    catalogue: &'c Catalogue,
    ranges: &'c Ranges,
    snapshot: Snapshot,
    others: bool,
    wanted: Wanted,
    namespaces: [Str; 3],
    specs: BTreeMap<(u8, u8), Arc<PodSpec>>,
    kept: Trust,
    /// What is so everywhere, for those who know nothing else.
    fresh: Trust,
}

impl<'c> World<'c> {
    fn new(certificates: &'c [String; 5], catalogue: &'c Catalogue, ranges: &'c Ranges) -> Self {
        Self {
            certificates,
            catalogue,
            ranges,
            snapshot: facts(certificates, false),
            others: false,
            wanted: Wanted { presented: 1, endpoints: 1, ecosystems: 2, nodes: false },
            namespaces: NAMESPACES.map(Str::from),
            specs: BTreeMap::new(),
            kept: Trust::default(),
            fresh: Trust::default(),
        }
    }

    fn spec(&mut self, number: u8, variant: u8) -> Arc<PodSpec> {
        Arc::clone(self.specs.entry((number, variant)).or_insert_with(|| Arc::new(spec(number, variant))))
    }

    fn pod(&mut self, short: &Short) -> Pod {
        let namespace =
            if short.alone { NAMESPACES[short.namespace].into() } else { self.namespaces[short.namespace].clone() };
        let shared = self.spec(short.spec, short.variant);
        Pod {
            meta: Meta {
                namespace: Some(namespace),
                name: format!("p{}", short.name).into(),
                labels: Labels::new([("buildreach.dev/build".into(), "true".into())]),
                origin: short.origin,
                ..Meta::default()
            },
            owner: short.owner.map(|n| Owner { kind: "StatefulSet".into(), name: format!("s{n}").into() }),
            ips: [format!("10.1.{}.{}", short.namespace, short.name).parse().unwrap()].into_iter().collect(),
            spec: if short.alone { Arc::new(PodSpec::clone(&shared)) } else { shared },
            ..Pod::default()
        }
    }

    fn change(&mut self, change: Change) {
        let count = self.snapshot.pods.len();
        match change {
            Change::Add(short) => {
                let new = self.pod(&short);
                let pods = &mut self.snapshot.pods;
                pods.retain(|pod| (&pod.meta.namespace, &pod.meta.name) != (&new.meta.namespace, &new.meta.name));
                pods.push(new);
            }
            Change::Remove(at) if count > 0 => drop(self.snapshot.pods.remove(at % count)),
            Change::Swap(one, other) if count > 0 => self.snapshot.pods.swap(one % count, other % count),
            Change::Respec(at, number, variant) if count > 0 => {
                self.snapshot.pods[at % count].spec = self.spec(number, variant);
            }
            Change::Vary(at) if count > 0 => {
                let own = Arc::clone(&self.snapshot.pods[at % count].spec);
                let mut all = (0..SPECS).flat_map(|number| [(number, 0), (number, 1)]);
                if let Some((number, variant)) = all.find(|(number, variant)| self.spec(*number, *variant) == own) {
                    self.snapshot.pods[at % count].spec = self.spec(number, 1 - variant);
                }
            }
            Change::Remove(_) | Change::Swap(..) | Change::Respec(..) | Change::Vary(_) => {}
            Change::Relist => {
                self.specs.clear();
                for pod in &mut self.snapshot.pods {
                    pod.spec = Arc::new(PodSpec::clone(&pod.spec));
                }
            }
            Change::Template(of) => {
                let spec = of.map(|(number, variant)| self.spec(number, variant));
                let made = facts(self.certificates, false).workloads;
                let of = |(workload, spec)| Workload { spec, ..workload };
                self.snapshot.workloads = made.into_iter().zip(spec).map(of).collect();
            }
            Change::Want(wanted) => self.wanted = wanted,
            Change::Later(seconds) => self.snapshot.instant += Duration::from_secs(seconds),
            Change::Facts => {
                self.others = !self.others;
                let facts = facts(self.certificates, self.others);
                self.snapshot.trust_bundles = facts.trust_bundles;
                self.kept.begin_anew();
            }
        }
    }

    /// The report of an audit that is given what is kept, or nothing.
    fn audit(&mut self, keeps: bool) -> (AuditReport, Trust) {
        let options = options(&self.wanted, self.certificates, self.catalogue);
        let demand = build(&self.snapshot, self.catalogue, &options);
        let context = Context::new(&self.snapshot, &Profile::default());
        let about = About { catalogue: Str::default(), looked_for: Vec::new(), matrix: false };
        let mut trust = std::mem::take(if keeps { &mut self.kept } else { &mut self.fresh });
        if !keeps {
            trust.begin_anew();
        }
        let report = audit(&context, &demand, self.ranges, &Question::default(), &about, &mut trust);
        (report, trust)
    }
}

/// Where two reports differ.
fn difference(kept: &AuditReport, fresh: &AuditReport) -> String {
    let (kept, fresh) = (format!("{kept:#?}"), format!("{fresh:#?}"));
    let at = kept.lines().zip(fresh.lines()).position(|(kept, fresh)| kept != fresh).unwrap_or_default();
    let part = |text: &str| text.lines().skip(at.saturating_sub(12)).take(24).collect::<Vec<_>>().join("\n");
    format!("kept:\n{}\n\nfresh:\n{}", part(&kept), part(&fresh))
}

/// Outcomes of the layer, and findings about it.
fn count(report: &AuditReport, outcomes: &mut BTreeMap<Outcome, u64>, findings: &mut BTreeMap<Str, u64>) {
    let steps = report.results.iter().flat_map(|class| &class.paths).flat_map(|path| &path.trace.steps);
    for outcome in steps.filter(|step| step.layer == Layer::Tls).filter_map(|step| step.outcome.outcome()) {
        *outcomes.entry(outcome).or_default() += 1;
    }
    for finding in report.findings.iter().filter(|finding| finding.code.starts_with("BR-TLS")) {
        *findings.entry(finding.code.clone()).or_default() += 1;
    }
}

/// Sequences, and changes in one at least and at most.
const SEQUENCES: u32 = 8;
const LENGTHS: std::ops::Range<usize> = 40..80;

#[test]
fn what_is_kept_changes_no_report() {
    let certificates = certificates();
    let (catalogue, ranges) = (Catalogue::builtin(), Ranges::builtin());
    let config = Config { cases: SEQUENCES, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let counts = RefCell::new((0, 0, BTreeMap::new(), BTreeMap::new()));
    let result = runner.run(&vec((change(), prop::bool::weighted(0.6)), LENGTHS), |changes| {
        let mut world = World::new(&certificates, &catalogue, &ranges);
        for (change, asks) in changes {
            world.change(change);
            if !asks {
                continue;
            }
            let before = world.kept.keys();
            let (kept, trust) = world.audit(true);
            let (fresh, other) = world.audit(false);
            if kept != fresh {
                return Err(TestCaseError::fail(difference(&kept, &fresh)));
            }
            // Nothing is held that nobody asked for.
            prop_assert_eq!(trust.counts(), other.counts());
            let keys = trust.keys();
            let mut counts = counts.borrow_mut();
            counts.0 += keys.intersection(&before).count();
            counts.1 += keys.len();
            let (.., outcomes, findings) = &mut *counts;
            count(&kept, outcomes, findings);
            (world.kept, world.fresh) = (trust, other);
        }
        Ok(())
    });
    if let Err(why) = result {
        panic!("{why}");
    }
    let (again, answers, outcomes, findings) = counts.into_inner();
    assert!(again > answers / 2, "answers are kept: {again} of {answers}");
    let often = |outcome: Outcome| outcomes.get(&outcome).is_some_and(|count| *count > 100);
    assert!([Outcome::Reachable, Outcome::Blocked, Outcome::Unknown].into_iter().all(often), "{outcomes:?}");
    assert!(findings.values().filter(|count| **count > 20).count() > 5, "{findings:?}");
}

/// A pod that is made by nobody.
fn short(name: u8, spec: u8) -> Short {
    let origin = Origin { source: 0, line: 1 };
    Short { namespace: 0, name, owner: None, spec, variant: 0, alone: false, origin }
}

#[test]
fn answers_hold_until_a_certificate_of_a_server_or_a_store_ends() {
    let certificates = certificates();
    let (catalogue, ranges) = (Catalogue::builtin(), Ranges::builtin());
    // A server whose certificate ends, and a store of which one does, each alone.
    for (presented, spec, at) in [(2, 1, CHANGES[1]), (1, 2, CHANGES[0])] {
        let mut world = World::new(&certificates, &catalogue, &ranges);
        world.snapshot.node_trust.clear();
        world.snapshot.trust_bundles.retain(|bundle| (bundle.meta.name == "dated") == (spec == 2));
        world.change(Change::Want(Wanted { presented, endpoints: 1, ecosystems: 0, nodes: false }));
        world.change(Change::Add(short(1, spec)));
        let mut reports = Vec::new();
        for later in [0, at - 2, 4] {
            world.change(Change::Later(later));
            let before = world.kept.keys();
            let (kept, trust) = world.audit(true);
            assert_eq!(kept, world.audit(false).0);
            world.kept = trust;
            reports.push((kept.results, world.kept.keys() == before));
        }
        assert!(reports[1].1, "nothing is worked out anew before a date");
        assert!(reports[0].0 == reports[1].0 && reports[1].0 != reports[2].0, "{reports:#?}");
    }
}

#[test]
fn only_what_is_new_is_worked_out() {
    let certificates = certificates();
    let (catalogue, ranges) = (Catalogue::builtin(), Ranges::builtin());
    let mut world = World::new(&certificates, &catalogue, &ranges);
    let mut before = std::collections::BTreeSet::new();
    // The last one is like the first, of which nobody asks anything new.
    for (name, spec, is_new) in [(1, 2, true), (2, 3, true), (3, 6, true), (0, 8, true), (4, 2, false)] {
        world.change(Change::Add(short(name, spec)));
        world.kept = world.audit(true).1;
        let keys = world.kept.keys();
        assert!(keys.is_superset(&before) && (keys != before) == is_new, "{before:?} {keys:?}");
        before = keys;
    }
    // Another is the first of its place then: what is told of it is another.
    world.snapshot.pods.retain(|pod| pod.meta.name != "p1");
    world.kept = world.audit(true).1;
    let keys = world.kept.keys();
    assert!(keys.len() == before.len() && keys != before && keys.intersection(&before).next().is_some());
    world.change(Change::Facts);
    assert!(world.kept.keys().is_empty() && world.kept.counts().iter().sum::<usize>() == 0);
}
