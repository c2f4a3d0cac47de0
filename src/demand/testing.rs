//! Small snapshots for tests.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::{Catalogue, Demand, DemandOptions, Subject, build};
use crate::model::label::Labels;
use crate::model::object::{Container, EnvFrom, EnvValue, EnvVar, Meta, Origin, Owner, Phase, Pod, PodSpec, Workload};
use crate::model::{Snapshot, Str};

pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(k, v)| (Str::from(*k), Str::from(*v))))
}

/// A container by its image and its words; a single word with blanks is a script.
pub(super) fn container(name: &str, image: &str, command: &[&str]) -> Container {
    let command = match command {
        [script] if script.contains(' ') => vec!["sh", "-c", script],
        words => words.to_vec(),
    };
    Container {
        name: name.into(),
        image: (!image.is_empty()).then(|| image.into()),
        command: command.into_iter().map(Str::from).collect(),
        ..Container::default()
    }
}

pub(super) trait Build: Sized {
    fn env(self, name: &str, value: &str) -> Self;
    fn env_from(self, name: &str, object: &str) -> Self;
    fn all_env_from(self, kind: &str, name: &str, prefix: Option<&str>) -> Self;
    fn init(self) -> Self;
}

impl Build for Container {
    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(EnvVar { name: name.into(), value: EnvValue::Text(value.into()), line: 31, place: None });
        self
    }

    fn env_from(mut self, name: &str, object: &str) -> Self {
        self.env.push(EnvVar { name: name.into(), value: EnvValue::From(object.into()), line: 32, place: None });
        self
    }

    fn all_env_from(mut self, kind: &str, name: &str, prefix: Option<&str>) -> Self {
        self.env_from.push(EnvFrom {
            kind: kind.into(),
            name: name.into(),
            prefix: prefix.map(Into::into),
            optional: false,
            doubt: None,
        });
        self
    }

    fn init(mut self) -> Self {
        self.init = true;
        self
    }
}

pub(super) fn spec(containers: Vec<Container>) -> PodSpec {
    PodSpec { containers: containers.into(), ..PodSpec::default() }
}

pub(super) fn meta(name: &str, pairs: &[(&str, &str)]) -> Meta {
    let (namespace, name) = name.split_once('/').unwrap_or(("ci", name));
    Meta {
        namespace: Some(namespace.into()),
        name: name.into(),
        labels: labels(pairs),
        origin: Origin { source: 0, line: 1 },
        ..Meta::default()
    }
}

pub(super) fn pod(name: &str, pairs: &[(&str, &str)], spec: PodSpec) -> Pod {
    Pod { meta: meta(name, pairs), spec: Arc::new(spec), ..Pod::default() }
}

pub(super) fn owned(mut pod: Pod, kind: &str, name: &str) -> Pod {
    pod.owner = Some(owner(kind, name));
    pod
}

pub(super) fn ended(mut pod: Pod) -> Pod {
    pod.phase = Phase::Succeeded;
    pod
}

pub(super) fn owner(kind: &str, name: &str) -> Owner {
    Owner { kind: kind.into(), name: name.into() }
}

pub(super) fn workload(kind: &str, name: &str, pairs: &[(&str, &str)], spec: PodSpec) -> Workload {
    Workload {
        kind: kind.into(),
        meta: meta(name, &[]),
        owner: None,
        template_labels: labels(pairs),
        template_annotations: Labels::default(),
        spec: Arc::new(spec),
        replicas: None,
        finished: false,
        desired: None,
        ready: None,
    }
}

pub(super) fn snapshot(pods: Vec<Pod>, workloads: Vec<Workload>) -> Snapshot {
    Snapshot { pods, workloads, sources: vec!["ci/pods.yaml".into()], ..Snapshot::default() }
}

pub(super) fn demand(snapshot: &Snapshot, options: &DemandOptions) -> Demand {
    build(snapshot, &Catalogue::builtin(), options)
}

/// The only subject, of a pod that the opt-in label makes one.
pub(super) fn subject_of(containers: Vec<Container>) -> Subject {
    subject_with(containers, &DemandOptions::default())
}

pub(super) fn subject_with(containers: Vec<Container>, options: &DemandOptions) -> Subject {
    let pods = vec![pod("build", &[(super::signal::OPT_IN, "true")], spec(containers))];
    let mut demand = demand(&snapshot(pods, Vec::new()), options);
    assert_eq!(demand.subjects.len(), 1);
    demand.subjects.remove(0)
}

/// Requirements in short: `go proxy.golang.org:443!`, with `!` if required, `?` under a doubt and
/// `#n` for alternatives.
pub(super) fn short(subject: &Subject) -> Vec<String> {
    let mut out: Vec<_> = subject
        .requirements
        .iter()
        .map(|r| {
            let mark = if r.required { "!" } else { "" };
            let doubt = if r.doubt.is_some() { "?" } else { "" };
            let alternative = r.alternative.map(|n| format!("#{n}")).unwrap_or_default();
            format!(
                "{} {}:{}{mark}{doubt}{alternative}",
                r.ecosystem.as_deref().unwrap_or("-"),
                r.endpoint.host,
                r.endpoint.port
            )
        })
        .collect();
    out.sort_unstable();
    out
}

/// The required ones of [`short`].
pub(super) fn required(subject: &Subject) -> Vec<String> {
    short(subject).into_iter().filter(|text| text.contains('!')).collect()
}
