//! The report as metrics of Prometheus: for the textfile collector of a node exporter, a push gateway, or an endpoint
//! that serves them. All of them are gauges: they say what an audit found, and go up and down.
//!
//! The labels are bounded (namespaces, ecosystems, layers, outcomes, codes): a cluster with ten thousand build pods has
//! no more series than one with ten. Each namespace has a sample for every outcome, also where it is 0, so that an alert
//! can tell "none is blocked" from "nobody looked".

use std::collections::{BTreeMap, BTreeSet};

use super::decided::Decided;
use super::exposition::{Family, Kind, Sample};
use super::text::as_u64;
use crate::model::Outcome;
use crate::model::report::{AuditReport, ClassResult};

/// What a report says in numbers.
pub fn families(report: &AuditReport) -> Vec<Family> {
    let mut subjects = Counts::new(["namespace", "outcome"]);
    let mut endpoints = Counts::new(["namespace", "ecosystem", "outcome"]);
    let mut not_reached = Counts::new(["namespace", "layer", "outcome"]);
    for class in &report.results {
        for (namespace, n) in by_namespace(class) {
            for outcome in Outcome::ALL {
                subjects.add([namespace, &outcome.to_string()], if outcome == class.outcome { n } else { 0 });
            }
            for path in &class.paths {
                let ecosystem = path.ecosystem.as_deref().unwrap_or_default();
                for outcome in Outcome::ALL {
                    let here = if outcome == path.outcome { n * as_u64(path.endpoints.len()) } else { 0 };
                    endpoints.add([namespace, ecosystem, &outcome.to_string()], here);
                }
                let required = as_u64(path.endpoints.iter().filter(|endpoint| endpoint.required).count());
                let layers: BTreeSet<_> = Decided::of(path).layers.into_iter().collect();
                for layer in layers.iter().filter(|_| required > 0) {
                    not_reached.add([namespace, &layer.to_string(), &path.outcome.to_string()], n * required);
                }
            }
        }
    }
    let mut findings = Counts::new(["code", "severity"]);
    for finding in &report.findings {
        findings.add([&finding.code, &finding.severity.to_string()], 1);
    }
    let mut accepted = Counts::new(["code"]);
    for taken in &report.excepted {
        accepted.add([&taken.code], 1);
    }
    let one = |labels, value| vec![Sample::new(labels, value)];
    let about = vec![("version", report.version.to_string()), ("catalogue", report.catalogue.to_string())];
    let all = [
        (
            "buildreach_audit_info",
            "Always 1: the version of the program and the date of its endpoint catalogue.",
            one(about, 1),
        ),
        (
            "buildreach_audit_timestamp_seconds",
            "When the facts of the audit were read, in seconds since 1970.",
            one(Vec::new(), report.instant.as_second()),
        ),
        (
            "buildreach_coverage_complete",
            "Whether everything that may decide could be read: 1 or 0.",
            one(Vec::new(), i64::from(report.summary.coverage_complete)),
        ),
        ("buildreach_subjects", "Build subjects by the outcome over everything that they require.", subjects.samples()),
        (
            "buildreach_endpoints",
            "Pairs of a build subject and an endpoint, required or conditional, by outcome.",
            endpoints.samples(),
        ),
        (
            "buildreach_required_endpoints_not_reached",
            "Pairs of a build subject and a required endpoint that is not reached, by each layer that decides so.",
            not_reached.samples(),
        ),
        (
            "buildreach_findings",
            "Findings by code and severity; no sample for a code that was not found.",
            findings.samples(),
        ),
        ("buildreach_accepted_findings", "What exceptions took out of the findings, by code.", accepted.samples()),
    ];
    all.into_iter().map(|(name, help, samples)| Family::new(Kind::Gauge, name, help).with(samples)).collect()
}

/// The samples of several reports, each with a label more, in front, that tells them apart.
pub fn families_by<'r>(
    label: &'static str,
    reports: impl IntoIterator<Item = (&'r str, &'r AuditReport)>,
) -> Vec<Family> {
    let mut all: Vec<Family> = Vec::new();
    for (value, report) in reports {
        for mut family in families(report) {
            for sample in &mut family.samples {
                sample.labels.insert(0, (label, value.to_owned()));
            }
            match all.iter_mut().find(|known| known.name == family.name) {
                Some(known) => known.samples.append(&mut family.samples),
                None => all.push(family),
            }
        }
    }
    all
}

/// How many subjects of a class each namespace has. A node, and what stands outside of the cluster, has none.
fn by_namespace(class: &ClassResult) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for subject in &class.subjects {
        let mut parts = subject.name.splitn(3, '/');
        let namespace = match (parts.next(), parts.next(), parts.next()) {
            (Some(namespace), Some(_), Some(_)) => namespace,
            _ => "",
        };
        *counts.entry(namespace).or_default() += 1;
    }
    counts
}

/// Numbers by the values of their labels.
struct Counts<const N: usize> {
    names: [&'static str; N],
    values: BTreeMap<[String; N], u64>,
}

impl<const N: usize> Counts<N> {
    fn new(names: [&'static str; N]) -> Self {
        Self { names, values: BTreeMap::new() }
    }

    fn add(&mut self, labels: [&str; N], n: u64) {
        *self.values.entry(labels.map(str::to_owned)).or_default() += n;
    }

    fn samples(self) -> Vec<Sample> {
        let names = self.names;
        self.values.into_iter().map(|(values, n)| Sample::new(names.into_iter().zip(values).collect(), n)).collect()
    }
}
