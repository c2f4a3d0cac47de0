//! What an evaluation says about each subject, for those who write beside the status. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::evaluate::Answer;
use super::reports::rows::{Index, Row, Rows};
use super::wish::{AuditId, Wish};
use crate::collect::kube::{Revision, Taken, built_in};
use crate::model::object::{Meta, Owner, Pod, Workload};
use crate::model::{CoverageState, Outcome, Snapshot, Str};

/// An evaluation.
#[derive(Debug)]
pub(super) struct Told {
    /// The instant of its facts.
    pub(super) instant: jiff::Timestamp,
    /// The audits that could be answered, in order, with their `metadata.uid`.
    pub(super) audits: Vec<(AuditId, String)>,
    /// By `ns/Kind/name`: all that runs in pods.
    pub(super) subjects: BTreeMap<Str, Subject>,
    /// Whether a subject that is missing is known to be gone: what makes subjects could be read.
    pub(super) is_whole: bool,
}

/// What is said about a subject.
#[derive(Debug)]
pub(super) struct Subject {
    /// Who.
    pub(super) whom: Whom,
    /// Over all audits that select it.
    pub(super) outcome: Outcome,
    /// By audit, in their order; at least one.
    pub(super) by: Vec<ByAudit>,
}

/// What one audit says about a subject.
#[derive(Debug)]
pub(super) struct ByAudit {
    /// Its place in [`Told::audits`].
    pub(super) audit: usize,
    /// Over all that the subject requires.
    pub(super) outcome: Outcome,
    /// One row for each endpoint; subjects of a class share them.
    pub(super) rows: Arc<Rows>,
    /// What else was found about this subject.
    pub(super) own: Option<Arc<Rows>>,
}

/// A subject, and how its object is found on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whom {
    /// Its namespace.
    pub(super) namespace: Str,
    /// Its kind.
    pub(super) kind: Str,
    /// Its name.
    pub(super) name: Str,
    /// How.
    pub(super) way: Way,
}

/// How the object of a subject is found: a snapshot knows neither API versions nor uids of owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It was read: its kind is one of the table of the collector.
    Direct,
    /// By the owner references of an object that was read: its kind and name.
    Through(Str, Str),
}

impl Subject {
    /// The row that decides the outcome over all audits, if there is one.
    pub(super) fn decisive(&self) -> Option<&Row> {
        let by = self.by.iter().find(|by| by.outcome == self.outcome)?;
        by.decisive()
    }
}

impl ByAudit {
    /// The row that decides what the audit says, if there is one.
    pub(super) fn decisive(&self) -> Option<&Row> {
        let decides = |row: &&Row| row.required && row.outcome == Some(self.outcome);
        // What needs no endpoint that could be told has a finding of its own.
        let own = || self.own.iter().flat_map(|own| &own.rows).next();
        self.rows.rows.iter().find(decides).or_else(|| own().filter(|_| self.rows.rows.is_empty()))
    }
}

impl Told {
    /// From the answers to all that is asked. The wishes are those that were answered, in the same order.
    pub(super) fn new(taken: &Taken, wishes: &[Wish], answers: &[Answer], known: &mut Ways) -> Self {
        let snapshot = &taken.snapshot;
        let mut audits = Vec::new();
        let mut subjects: BTreeMap<Str, Subject> = BTreeMap::new();
        known.begin(taken);
        let mut search = Search { snapshot, read: None, parts: None, owned: FxHashMap::default() };
        for (wish, (id, answer)) in wishes.iter().zip(answers) {
            let Ok(report) = answer else { continue };
            let audit = audits.len();
            audits.push((id.clone(), wish.uid.clone()));
            let mut index = Index::new(report);
            for class in &report.results {
                let (rows, used) = index.rows(class);
                let rows = Arc::new(Rows::new(rows));
                for subject in &class.subjects {
                    let name = &subject.name;
                    // A node pulls images and is in no namespace: what writes reports writes into that of the subject.
                    let found = &mut known.found;
                    let whom = match found.get(name) {
                        Some(whom) => whom,
                        None => found.entry(name.clone()).or_insert(search.whom(name)),
                    };
                    let Some(whom) = whom.clone() else { continue };
                    let rows = index.accepted(name, &rows.rows).map_or_else(|| Arc::clone(&rows), Arc::new);
                    let own = index.own(name, &used);
                    let by = ByAudit { audit, outcome: class.outcome, rows, own };
                    let known = subjects.entry(name.clone()).or_insert_with(|| Subject {
                        whom,
                        outcome: class.outcome,
                        by: Vec::new(),
                    });
                    known.outcome = Outcome::along([known.outcome, class.outcome]).unwrap_or(class.outcome);
                    known.by.push(by);
                }
            }
        }
        let is_whole = !snapshot
            .coverage
            .iter()
            .any(|coverage| matches!(coverage.state, CoverageState::Failed(_)) && built_in(&coverage.kind).is_some());
        Self { instant: snapshot.instant, audits, subjects, is_whole }
    }
}

/// How the objects of subjects are found, as it was worked out for an evaluation before.
#[derive(Debug, Default)]
pub(super) struct Ways {
    of: Revision,
    found: FxHashMap<Str, Option<Whom>>,
}

impl Ways {
    /// Forgets what may be found in another way now.
    fn begin(&mut self, taken: &Taken) {
        let now = taken.revision;
        let former = taken.former.as_ref().filter(|former| former.revision == self.of);
        match former {
            Some(former) if former.revision.workloads == now.workloads => {
                for (namespace, Owner { kind, name }) in &former.owners {
                    self.found.remove(format!("{namespace}/{kind}/{name}").as_str());
                }
            }
            _ => self.found.clear(),
        }
        self.of = now;
    }
}

/// By kind and name of an owner: kind and name of something that it owns.
type Owned<'a> = FxHashMap<(&'a str, &'a str), (Str, Str)>;

/// Finds the way to the objects of subjects. What it looks at is made when it is asked for.
struct Search<'a> {
    snapshot: &'a Snapshot,
    /// Namespace, kind and name of what has pod templates.
    read: Option<FxHashSet<(&'a str, &'a str, &'a str)>>,
    /// By namespace.
    parts: Option<(Parts<'a, Workload>, Parts<'a, Pod>)>,
    owned: FxHashMap<String, Owned<'a>>,
}

/// Objects by namespace, in the parts in which they stand together.
type Parts<'a, T> = FxHashMap<&'a str, Vec<&'a [T]>>;

fn parts<T>(all: &[T], meta: impl Fn(&T) -> &Meta) -> Parts<'_, T> {
    let mut parts = Parts::default();
    for part in all.chunk_by(|a, b| meta(a).namespace == meta(b).namespace) {
        if let Some(first) = part.first() {
            parts.entry(namespace(meta(first))).or_insert_with(Vec::new).push(part);
        }
    }
    parts
}

impl<'a> Search<'a> {
    /// Who is meant by `ns/Kind/name`; `None` for what is no object of a namespace, or cannot be found.
    fn whom(&mut self, subject: &str) -> Option<Whom> {
        let mut parts = subject.splitn(3, '/');
        let (namespace, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let key = |workload: &'a Workload| {
            (self::namespace(&workload.meta), workload.kind.as_str(), workload.meta.name.as_str())
        };
        let workloads = &self.snapshot.workloads;
        let read = self.read.get_or_insert_with(|| workloads.iter().map(key).collect());
        let way = if kind == "Pod" || read.contains(&(namespace, kind, name)) {
            Way::Direct
        } else {
            let Self { snapshot, parts, owned, .. } = self;
            let (workloads, pods) = parts.get_or_insert_with(|| {
                (self::parts(&snapshot.workloads, |one| &one.meta), self::parts(&snapshot.pods, |one| &one.meta))
            });
            let owned = owned
                .entry(namespace.to_owned())
                .or_insert_with(|| self::owned(workloads.get(namespace), pods.get(namespace)));
            let (kind, name) = owned.get(&(kind, name))?;
            Way::Through(kind.clone(), name.clone())
        };
        Some(Whom { namespace: namespace.into(), kind: kind.into(), name: name.into(), way })
    }
}

/// What owners own, of the objects of a namespace.
fn owned<'a>(workloads: Option<&Vec<&'a [Workload]>>, pods: Option<&Vec<&'a [Pod]>>) -> Owned<'a> {
    let pod = Str::from("Pod");
    let workloads = workloads.into_iter().flatten().copied().flatten();
    let workloads = workloads.map(|one| (&one.meta, one.owner.as_ref(), &one.kind));
    let pods = pods.into_iter().flatten().copied().flatten().map(|one| (&one.meta, one.owner.as_ref(), &pod));
    let mut found = Owned::default();
    for (meta, owner, kind) in workloads.chain(pods) {
        if let Some(owner) = owner {
            let key = (owner.kind.as_str(), owner.name.as_str());
            found.entry(key).or_insert_with(|| (kind.clone(), meta.name.clone()));
        }
    }
    found
}

fn namespace(meta: &Meta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

#[cfg(test)]
pub(super) mod testing {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// An evaluation at a second: Jobs of `ci` with what each audit says, by its place.
    pub(in crate::controller) fn told(second: i64, audits: &[&str], subjects: &[(&str, &[(usize, Outcome)])]) -> Told {
        let id = |name: &&str| (AuditId::Cluster { name: (*name).to_owned() }, format!("uid-{name}"));
        let subject = |(name, says): &(&str, &[(usize, Outcome)])| {
            let whom = Whom { namespace: "ci".into(), kind: "Job".into(), name: (*name).into(), way: Way::Direct };
            let by = |(audit, outcome): &(usize, Outcome)| ByAudit {
                audit: *audit,
                outcome: *outcome,
                rows: Arc::new(Rows::new(Vec::new())),
                own: None,
            };
            let outcome = Outcome::along(says.iter().map(|(_, outcome)| *outcome)).unwrap();
            (Str::from(*name), Subject { whom, outcome, by: says.iter().map(by).collect() })
        };
        Told {
            instant: jiff::Timestamp::from_second(second).unwrap(),
            audits: audits.iter().map(id).collect(),
            subjects: subjects.iter().map(subject).collect(),
            is_whole: true,
        }
    }
}
