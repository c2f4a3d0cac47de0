//! What is found with all that is known from before is what is found with nothing known.
#![allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used)] // a step of each kind in one `match`

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::Verdict;
use crate::demand::testing::{Build, container, labels, meta, owner, pod, snapshot, spec, workload};
use crate::demand::{Catalogue, DemandOptions, Memory, build, build_again, parse_endpoint, parse_endpoint_sets};
use crate::model::object::{OtherObject, Phase, Pod, PodSpec, Service, Workload};
use crate::model::variables::{KeySelector, MapKey, VariableMap};
use crate::model::{Labels, Selector, Snapshot, Str};

const OWNERS: &[(&str, &str)] = &[
    ("ReplicaSet", "web-7c9"),
    ("ReplicaSet", "web-1"),
    ("Job", "nightly-28391234"),
    ("Deployment", "web"),
    ("CronJob", "nightly"),
    ("TaskRun", "run"),
    ("Node", "n1"),
    ("Pod", "pod-1"),
];

const LABELS: &[&[(&str, &str)]] = &[
    &[],
    &[],
    &[("team", "a")],
    &[("team", "a"), ("pod-template-hash", "7c9")],
    &[("pod-template-hash", "7c9")],
    &[("buildreach.dev/build", "true")],
    &[("buildreach.dev/build", "false")],
    &[("tekton.dev/taskRun", "x")],
    &[("jenkins", "slave")],
    &[("jenkins", "master")],
];

const NAMESPACES: &[&str] = &["ci", "ci", "cd", ""];

/// Specifications that several pods share.
fn specs() -> Vec<Arc<PodSpec>> {
    let go = || container("build", "golang:1.26", &["go", "build", "./..."]);
    let selected = crate::model::object::EnvVar {
        name: "GOPROXY".into(),
        value: crate::model::object::EnvValue::ConfigMapKey(Arc::new(KeySelector {
            name: "env".into(),
            key: "GOPROXY".into(),
            optional: true,
        })),
        line: 1,
        place: None,
    };
    let mut from_map = go();
    from_map.env = vec![selected].into();
    let lists = vec![
        vec![go()],
        vec![go().env("GOPROXY", "http://athens:3000")],
        vec![go().env("GOPROXY", "https://nexus.corp.example/go,direct")],
        vec![container("build", "node:22", &["npm", "ci"])],
        vec![container("app", "corp.example/web:1", &["/web"])],
        vec![container("app", "golang:1.26", &["/app"])],
        vec![container("app", "corp.example/web:1", &["/web"]).env("HTTPS_PROXY", "http://p:3128")],
        vec![container("kaniko", "gcr.io/kaniko-project/executor:v1", &["/kaniko/executor"])],
        vec![from_map],
        vec![go().all_env_from("ConfigMap", "env", None), container("two", "node:22", &["npm", "ci"])],
    ];
    lists.into_iter().map(|containers| Arc::new(spec(containers))).collect()
}

fn options() -> Vec<DemandOptions> {
    let catalogue = Catalogue::builtin();
    let endpoint = |text: &str| parse_endpoint(text, &catalogue).unwrap();
    let set = "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {name: s}\nspec: {replaces: [npm], endpoints: [{host: nexus}]}\n";
    let none = DemandOptions::default;
    vec![
        none(),
        DemandOptions { namespaces: vec!["ci".into()], ..none() },
        DemandOptions { selector: Some(Selector::new([("team".into(), "a".into())], []).unwrap()), ..none() },
        DemandOptions { ecosystems: Some(vec!["go"]), ..none() },
        DemandOptions { endpoints: vec![endpoint("athens:3000"), endpoint("10.0.0.1")], ..none() },
        DemandOptions { endpoints: vec![endpoint("registry.npmjs.org:443")], ..none() },
        DemandOptions { endpoint_sets: parse_endpoint_sets(set, &catalogue).unwrap(), ..none() },
        DemandOptions { subjects: vec!["ci/web*".parse().unwrap()], ..none() },
        DemandOptions { all_pods: true, ..none() },
        DemandOptions { sources: vec!["node/n1".parse().unwrap()], ..none() },
    ]
}

/// One thing that happens; numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A pod comes, in the place of another one of its name, if there is one.
    Pod(u8, [u8; 4], bool),
    /// One field of a pod changes.
    Field(u8, u8, u8),
    /// Pods go.
    Gone(u8, u8),
    Swap(u8, u8),
    Again(u8),
    Template(u8, [u8; 3], bool),
    /// One field of a template changes.
    TemplateField(u8, u8, u8),
    NoTemplate(u8),
    TemplateSwap(u8, u8),
    Services(u8),
    Map(u8),
    Set(u8),
    Source(u8),
    Ask(u8),
    Nothing,
}

fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    prop_oneof![
        8 => (n(), [n(), n(), n(), n()], any::<bool>()).prop_map(|(at, how, own)| Step::Pod(at, how, own)),
        8 => (n(), n(), n()).prop_map(|(at, field, to)| Step::Field(at, field, to)),
        3 => (n(), 0..14_u8).prop_map(|(at, many)| Step::Gone(at, many)),
        1 => (n(), n()).prop_map(|(a, b)| Step::Swap(a, b)),
        1 => n().prop_map(Step::Again),
        6 => (n(), [n(), n(), n()], any::<bool>()).prop_map(|(at, how, over)| Step::Template(at, how, over)),
        6 => (n(), n(), n()).prop_map(|(at, field, to)| Step::TemplateField(at, field, to)),
        4 => n().prop_map(Step::NoTemplate),
        1 => (n(), n()).prop_map(|(a, b)| Step::TemplateSwap(a, b)),
        1 => n().prop_map(Step::Services),
        2 => n().prop_map(Step::Map),
        1 => n().prop_map(Step::Set),
        1 => n().prop_map(Step::Source),
        1 => n().prop_map(Step::Ask),
        3 => Just(Step::Nothing),
    ]
}

fn pick<T>(list: &[T], number: u8) -> &T {
    &list[usize::from(number) % list.len()]
}

fn place<T>(list: &[T], number: u8) -> Option<usize> {
    (!list.is_empty()).then(|| usize::from(number) % list.len())
}

/// A cluster, and who asks about it.
struct Cluster {
    specs: Vec<Arc<PodSpec>>,
    labels: Vec<Labels>,
    choices: Vec<DemandOptions>,
    snapshot: Snapshot,
    options: DemandOptions,
}

impl Cluster {
    fn new() -> Self {
        let labels = LABELS.iter().map(|pairs| labels(pairs)).collect();
        let mut cluster = Self {
            specs: specs(),
            labels,
            choices: options(),
            snapshot: snapshot(Vec::new(), Vec::new()),
            options: DemandOptions::default(),
        };
        for n in 0..24 {
            cluster.happen(Step::Pod(n, [n, n / 2, n.wrapping_mul(7), n / 3], false));
        }
        cluster
    }

    fn spec(&self, number: u8, own: bool) -> Arc<PodSpec> {
        let spec = pick(&self.specs, number);
        if own { Arc::new(PodSpec::clone(spec)) } else { Arc::clone(spec) }
    }

    fn owner(number: u8) -> Option<crate::model::object::Owner> {
        let (kind, name) = OWNERS.get(usize::from(number) % (OWNERS.len() + 4))?;
        Some(owner(kind, name))
    }

    fn happen(&mut self, step: Step) {
        let count = self.snapshot.pods.len();
        match step {
            Step::Pod(at, [space, owned, label, spec], own) => {
                let namespace = pick(NAMESPACES, space);
                let name = if at % 16 == 0 { "wp-svc-1".to_owned() } else { format!("pod-{:02}", at % 48) };
                let mut new = Pod { spec: self.spec(spec, own), ..pod(&name, &[], PodSpec::default()) };
                new.meta.namespace = (!namespace.is_empty()).then(|| Str::from(*namespace));
                new.meta.labels = pick(&self.labels, label).clone();
                new.owner = Self::owner(owned);
                let key = |pod: &Pod| (pod.meta.namespace.clone(), pod.meta.name.clone());
                let place = self.snapshot.pods.partition_point(|known| key(known) < key(&new));
                if self.snapshot.pods.get(place).is_some_and(|known| key(known) == key(&new)) {
                    self.snapshot.pods[place] = new;
                } else {
                    self.snapshot.pods.insert(place, new);
                }
            }
            Step::Field(at, field, to) => {
                let (spec, labels) = (self.spec(to, to > 128), pick(&self.labels, to).clone());
                let Some(at) = place(&self.snapshot.pods, at) else { return };
                let pod = &mut self.snapshot.pods[at];
                match field % 8 {
                    0 => pod.meta.labels = labels,
                    // The same once more, elsewhere.
                    1 => {
                        pod.meta.labels =
                            Labels::new(pod.meta.labels.iter().map(|(k, v)| (k[..].into(), v[..].into())));
                    }
                    2 => pod.spec = spec,
                    3 => pod.owner = Self::owner(to),
                    4 => pod.phase = [Phase::Running, Phase::Succeeded, Phase::Pending][usize::from(to) % 3],
                    5 => pod.meta.origin.source = u32::from(to % 2),
                    6 => pod.meta.name = format!("pod-{:02}", to % 48).into(),
                    _ => pod.meta.name = pod.meta.name.as_str().into(),
                }
            }
            Step::Gone(at, many) => {
                let from = place(&self.snapshot.pods, at).unwrap_or_default();
                let many = if many > 10 { usize::from(many) } else { 1 };
                drop(self.snapshot.pods.drain(from..count.min(from + many)));
            }
            Step::Swap(a, b) => {
                if let (Some(a), Some(b)) = (place(&self.snapshot.pods, a), place(&self.snapshot.pods, b)) {
                    self.snapshot.pods.swap(a, b);
                }
            }
            Step::Again(at) => {
                self.snapshot.pods.extend(place(&self.snapshot.pods, at).map(|at| self.snapshot.pods[at].clone()));
            }
            Step::Template(at, [owned, label, spec], over) => {
                // No pod stands for some.
                let free = [("Deployment", "free"), ("Job", "free")];
                let (kind, name) = if at % 2 > 0 { pick(OWNERS, at % 5) } else { pick(&free, at / 2) };
                let mut new = Workload { spec: self.spec(spec, over), ..workload(kind, name, &[], PodSpec::default()) };
                new.template_labels = pick(&self.labels, label).clone();
                new.meta = meta(
                    &format!("{}/{name}", if at > 200 { "cd" } else { "ci" }),
                    LABELS[usize::from(label / 2) % LABELS.len()],
                );
                new.owner = if owned > 128 { Self::owner(owned) } else { None };
                new.replicas = (owned % 3 > 0).then(|| u32::from(owned % 3 - 1));
                new.finished = over && spec > 128;
                let list = &mut self.snapshot.workloads;
                match list.iter_mut().find(|known| known.kind == new.kind && known.meta.name == new.meta.name) {
                    Some(known) if at % 7 > 0 => *known = new,
                    _ => list.insert(usize::from(label) % (list.len() + 1), new),
                }
            }
            Step::TemplateField(at, field, to) => {
                let (spec, labels) = (self.spec(to, to > 128), pick(&self.labels, to).clone());
                let Some(at) = place(&self.snapshot.workloads, at) else { return };
                let template = &mut self.snapshot.workloads[at];
                match field % 8 {
                    0 | 1 => template.meta.labels = labels,
                    2 => template.template_labels = labels,
                    3 => template.spec = spec,
                    4 => template.owner = Self::owner(to),
                    5 => template.replicas = (to % 3 > 0).then(|| u32::from(to % 3 - 1)),
                    6 => template.finished = to % 2 > 0,
                    _ => template.meta.origin.source = u32::from(to % 2),
                }
            }
            Step::NoTemplate(at) => {
                if let Some(at) = place(&self.snapshot.workloads, at) {
                    self.snapshot.workloads.remove(at);
                }
            }
            Step::TemplateSwap(a, b) => {
                if let (Some(a), Some(b)) = (place(&self.snapshot.workloads, a), place(&self.snapshot.workloads, b)) {
                    self.snapshot.workloads.swap(a, b);
                }
            }
            Step::Services(which) => {
                let service = |name: &str| Service { meta: meta(name, &[]), ..Service::default() };
                let all = [service("ci/athens"), service("cd/athens"), service("ci/nexus")];
                self.snapshot.services = all.into_iter().take(usize::from(which) % 4).collect();
            }
            Step::Map(which) => {
                let value = ["https://nexus.corp.example/x", "direct", "off"].get(usize::from(which) % 4);
                let key = |value: &&str| MapKey { key: "GOPROXY".into(), value: Some((*value).into()), line: 3 };
                let map = VariableMap {
                    meta: meta("ci/env", &[]),
                    keys: value.iter().map(|v| key(v)).collect(),
                    unread: None,
                };
                self.snapshot.variable_maps = (which % 5 > 0).then_some(map).into_iter().collect();
            }
            Step::Set(which) => {
                let addresses = ["[10.20.0.15]", "[10.20.0.15, 10.20.0.16]", "[]"][usize::from(which) % 3];
                let host = ["nexus.corp.example", "proxy.golang.org"][usize::from(which / 3) % 2];
                let spec = format!(r#"{{"endpoints": [{{"host": "{host}", "addresses": {addresses}}}]}}"#);
                let spec = serde_json::from_str(
                    &spec
                        .replace("[10", "[\"10")
                        .replace(", 10", "\", \"10")
                        .replace("5]", "5\"]")
                        .replace("6]", "6\"]"),
                );
                let set = OtherObject {
                    group: "buildreach.dev".into(),
                    kind: "EndpointSet".into(),
                    meta: meta("ci/set", &[]),
                    spec: spec.unwrap(),
                };
                self.snapshot.others = (which % 4 > 0).then_some(set).into_iter().collect();
            }
            Step::Source(which) => self.snapshot.sources = vec![format!("{}.yaml", which % 2).into(), "b.yaml".into()],
            // Mostly nobody narrows anything.
            Step::Ask(which) => self.options = self.choices.get(usize::from(which) % 20).cloned().unwrap_or_default(),
            Step::Nothing => {}
        }
    }
}

#[test]
fn what_is_known_changes_nothing() {
    let catalogue = Catalogue::builtin();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config {
        cases: 12,
        max_shrink_iters: 100,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    // Demands, groups that were not judged again, builds among them, all found anew.
    let counts = std::cell::Cell::new([0_usize; 4]);
    let result = runner.run(&vec(step(), 60..140), |steps| {
        let (mut cluster, mut memory) = (Cluster::new(), Memory::default());
        for step in steps {
            cluster.happen(step);
            let known = build_again(&cluster.snapshot, &catalogue, &cluster.options, &mut memory);
            let fresh = build(&cluster.snapshot, &catalogue, &cluster.options);
            if known != fresh {
                return Err(TestCaseError::fail(format!("known:\n{known:#?}\n\nfresh:\n{fresh:#?}")));
            }
            let groups = memory.former.groups.iter().filter(|group| group.is_same);
            let builds = groups.clone().filter(|group| matches!(group.verdict, Verdict::Build(_)));
            let more = [1, groups.clone().count(), builds.count(), usize::from(memory.finds_all)];
            counts.set(std::array::from_fn(|at| counts.get()[at] + more[at]));
        }
        Ok(())
    });
    if let Err(why) = result {
        panic!("{why}");
    }
    let [demands, same, builds, anew] = counts.get();
    assert!(same > 8 * demands && builds > demands && anew > demands / 20 && anew < demands / 2, "{counts:?}");
}

#[test]
fn equal_lists_are_one_list() {
    let catalogue = Catalogue::builtin();
    let mut cluster = Cluster::new();
    let mut memory = Memory::default();
    let one = |name: &str, spec: &PodSpec| pod(name, &[], spec.clone());
    cluster.snapshot.pods = vec![one("a", &cluster.specs[0]), one("b", &cluster.specs[0]), one("c", &cluster.specs[3])];
    let options = DemandOptions { endpoints: cluster.choices[5].endpoints.clone(), ..DemandOptions::default() };
    for set in [4, 4, 1, 1] {
        cluster.happen(Step::Set(set));
        let first = build_again(&cluster.snapshot, &catalogue, &options, &mut memory);
        cluster.snapshot.pods[2].phase = Phase::Running;
        cluster.snapshot.pods.insert(1, one("aa", &cluster.specs[0]));
        let second = build_again(&cluster.snapshot, &catalogue, &options, &mut memory);
        let lists = |demand: &crate::demand::Demand| {
            demand.subjects.iter().map(|s| s.requirements.as_ptr()).collect::<Vec<_>>()
        };
        let (first, second) = (lists(&first), lists(&second));
        assert_eq!(first[0], first[1]);
        assert_ne!(first[0], first[2]);
        assert_eq!((second[0], second[1], second[2], second[3]), (first[0], first[0], first[0], first[2]));
        cluster.snapshot.pods.remove(1);
    }
}

#[test]
fn what_is_known_is_bounded_by_what_is_there() {
    let catalogue = Catalogue::builtin();
    let mut cluster = Cluster::new();
    let mut memory = Memory::default();
    for n in 0..600_u32 {
        let at = n as usize % cluster.snapshot.pods.len();
        let build = container("build", &format!("golang:1.{n}"), &["go", "build"])
            .env("GOPROXY", &format!("https://p{n}.example"));
        cluster.snapshot.pods[at] = pod(&format!("new-{n}"), &[], spec(vec![build]));
        drop(build_again(&cluster.snapshot, &catalogue, &cluster.options, &mut memory));
    }
    assert!(memory.held() < 1200, "{}", memory.held());
}

#[test]
fn what_stays_is_held_once_however_often_the_rest_goes() {
    let catalogue = Catalogue::builtin();
    let mut cluster = Cluster::new();
    let mut memory = Memory::default();
    cluster.options.endpoints = vec![parse_endpoint("registry.npmjs.org:443", &catalogue).unwrap()];
    let new = |name: &str, host: u32| {
        let build =
            container("build", "golang:1.26", &["go", "build"]).env("GOPROXY", &format!("https://p{host}.example"));
        pod(name, &[], spec(vec![build]))
    };
    cluster.snapshot.pods = (0..40).map(|n| new(&format!("stays-{n:02}"), n)).collect();
    let mut held = Vec::new();
    for n in 100..1000 {
        cluster.snapshot.pods.truncate(40);
        cluster.snapshot.pods.push(new(&format!("to-{n}"), n));
        drop(build_again(&cluster.snapshot, &catalogue, &cluster.options, &mut memory));
        if memory.finds_all {
            held.push(memory.held());
        }
    }
    assert!(held.len() > 5 && held.iter().all(|now| *now <= held[0] + 40), "{held:?}");
}
