//! Events: what changed, on the workload and on the audits that ask about it.
//!
//! A follower sees the same changes and keeps them; when it takes over it tells those that its predecessor cannot have
//! told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource as _};
use tokio::sync::watch;

use super::lease::Role;
use super::recorder::{Recorder, Saying};
use super::reports::rows::Row;
use super::target::{self, Found};
use super::told::{Subject, Told, Whom};
use super::wish::AuditId;
use super::{Metrics, metrics};
use crate::crd::{BuildAudit, ClusterBuildAudit};
use crate::model::{Outcome, Str, words};

/// The most changes that are told of one evaluation; the rest is counted.
const MOST: usize = 50;

/// The longest note that the API takes, in bytes.
const MOST_BYTES: usize = 1024;

/// What a follower keeps at most, and for how long: who leads has long told it by then.
const KEPT: (usize, jiff::SignedDuration) = (1000, jiff::SignedDuration::from_mins(10));

/// An audit: its id and its uid.
type Audit = (AuditId, String);

/// Another outcome of a subject than before.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    at: jiff::Timestamp,
    whom: Whom,
    /// Over all audits, where that is another than before.
    overall: Option<(Outcome, String)>,
    /// Of audits for which it is another than before.
    audits: Vec<(Audit, Outcome, String)>,
}

/// The outcomes of the last evaluation that was seen.
#[derive(Debug, Default)]
struct Seen {
    began: bool,
    overall: BTreeMap<Str, Outcome>,
    /// By audit.
    audits: BTreeMap<Audit, BTreeMap<Str, Outcome>>,
}

impl Seen {
    /// What is another than before. Nothing at the first time, nor for an audit that is new: its status says it all. A
    /// subject that is new under an audit that is not is told if it does not reach what it needs.
    fn see(&mut self, told: &Told) -> Vec<Change> {
        let mut now = Self { began: true, ..Self::default() };
        now.audits.extend(told.audits.iter().map(|audit| (audit.clone(), BTreeMap::new())));
        let mut changes = Vec::new();
        for (name, subject) in &told.subjects {
            let is_known = |audit: &usize| self.audits.contains_key(&told.audits[*audit]);
            let is_asked_still = subject.by.iter().any(|by| is_known(&by.audit));
            let is_news = |before: Option<&Outcome>, outcome: Outcome| {
                before.map_or(outcome != Outcome::Reachable, |before| *before != outcome)
            };
            let overall = (self.began && is_asked_still && is_news(self.overall.get(name), subject.outcome))
                .then(|| (subject.outcome, note(subject, subject.outcome, subject.decisive())));
            let mut audits = Vec::new();
            for by in &subject.by {
                let audit = &told.audits[by.audit];
                let before = self.audits.get(audit);
                if before.is_some_and(|before| is_news(before.get(name), by.outcome)) {
                    audits.push((audit.clone(), by.outcome, note(subject, by.outcome, by.decisive())));
                }
                now.audits.entry(audit.clone()).or_default().insert(name.clone(), by.outcome);
            }
            now.overall.insert(name.clone(), subject.outcome);
            if overall.is_some() || !audits.is_empty() {
                changes.push(Change { at: told.instant, whom: subject.whom.clone(), overall, audits });
            }
        }
        *self = now;
        changes
    }
}

/// What is to be said of an outcome: who, what, and which rule.
fn note(subject: &Subject, outcome: Outcome, row: Option<&Row>) -> String {
    let whom = &subject.whom;
    let who = format!("{}/{}/{}", whom.namespace, whom.kind, whom.name);
    let Some(row) = row.filter(|_| outcome != Outcome::Reachable) else {
        return match outcome {
            Outcome::Reachable => format!("{who} reaches all that it needs"),
            other => format!("{who}: {other}"),
        };
    };
    let by = row.properties.get("blockedBy").or_else(|| row.properties.get("decidedBy"));
    let by = by.map(|by| format!(" Decided by {by}.")).unwrap_or_default();
    let text = format!("{who}: {} ({}).{by}", row.message, row.rule);
    words::at_most_bytes(&text, MOST_BYTES)
}

/// Reason and type of an event.
fn reason(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Reachable => ("EndpointsReachable", "Normal"),
        Outcome::Blocked => ("EndpointsBlocked", "Warning"),
        Outcome::Partial => ("EndpointsPartial", "Warning"),
        Outcome::Unknown => ("EndpointsUnknown", "Warning"),
    }
}

/// What nobody has told yet.
#[derive(Debug, Default)]
struct Untold(VecDeque<Change>);

impl Untold {
    /// Keeps what a follower sees.
    fn keep(&mut self, changes: Vec<Change>, now: jiff::Timestamp) {
        self.0.extend(changes);
        while self.0.len() > KEPT.0 || self.0.front().is_some_and(|first| now.duration_since(first.at) > KEPT.1) {
            self.0.pop_front();
        }
    }

    /// What whoever led before cannot have told: what happened after it was heard last.
    fn take(&mut self, unheard_since: Option<jiff::Timestamp>) -> Vec<Change> {
        self.0.drain(..).filter(|change| unheard_since.is_none_or(|since| change.at > since)).collect()
    }
}

/// Tells changes, until nobody evaluates any more.
pub(super) async fn tell(
    client: Client,
    metrics: Arc<Metrics>,
    identity: Option<String>,
    mut told: watch::Receiver<Option<Arc<Told>>>,
    mut role: watch::Receiver<Role>,
) {
    let mut recorder = Recorder::new(client.clone(), identity.as_deref());
    let mut seen = Seen::default();
    let mut untold = Untold::default();
    loop {
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            changed = role.changed() => if changed.is_err() { return },
        }
        let role = *role.borrow_and_update();
        let Some(now) = told.borrow_and_update().clone() else { continue };
        let news = seen.see(&now);
        if let Role::Leader { unheard_since } = role {
            let mut changes = untold.take(unheard_since);
            changes.extend(news);
            Teller { client: &client, metrics: &metrics, recorder: &mut recorder }.changes(&changes).await;
        } else {
            untold.keep(news, now.instant);
        }
    }
}

struct Teller<'a> {
    client: &'a Client,
    metrics: &'a Metrics,
    recorder: &'a mut Recorder,
}

impl Teller<'_> {
    async fn changes(&mut self, changes: &[Change]) {
        for change in changes.iter().take(MOST) {
            let whom = &change.whom;
            let mut reference = ObjectReference {
                kind: Some(whom.kind.to_string()),
                name: Some(whom.name.to_string()),
                namespace: Some(whom.namespace.to_string()),
                ..ObjectReference::default()
            };
            let found = target::find(self.client, whom).await;
            let is_there = matches!(found, Found::There(_));
            match found {
                Found::There(target) => {
                    reference.api_version = Some(target.api_version);
                    reference.uid = Some(target.uid);
                }
                // Nobody looks at the events of what is gone; the audit still has one.
                Found::Gone => {}
                Found::Unreadable(why) => tracing::warn!("no event on a workload: {why}"),
            }
            if let Some((outcome, note)) = change.overall.as_ref().filter(|_| is_there) {
                self.publish(&reference, *outcome, note.clone(), None).await;
            }
            for (audit, outcome, note) in &change.audits {
                self.publish(&of_audit(audit), *outcome, note.clone(), Some(reference.clone())).await;
            }
        }
        for (audit, (count, outcome)) in rest(changes) {
            let note =
                format!("{count} more subjects of {} changed; its status has the counts", metrics::name(&audit.0));
            self.publish(&of_audit(audit), outcome, note, None).await;
        }
    }

    async fn publish(
        &mut self,
        on: &ObjectReference,
        outcome: Outcome,
        note: String,
        related: Option<ObjectReference>,
    ) {
        let (reason, type_) = reason(outcome);
        let saying = Saying { type_, reason, action: "Evaluate", note, regarding: on.clone(), related };
        let said = self.recorder.say(&saying).await;
        self.metrics.wrote("event", said.is_ok());
        if let Err(why) = said {
            let name = on.name.as_deref().unwrap_or_default();
            tracing::warn!("the event {reason} on {name} was not written: {why}");
        }
    }
}

/// By audit, how many changes are too many to be told, and the worst outcome of them.
fn rest(changes: &[Change]) -> BTreeMap<&Audit, (usize, Outcome)> {
    let mut rest: BTreeMap<&Audit, (usize, Outcome)> = BTreeMap::new();
    for (audit, outcome, _) in changes.iter().skip(MOST).flat_map(|change| &change.audits) {
        let (count, known) = rest.entry(audit).or_insert((0, *outcome));
        *count += 1;
        *known = Outcome::along([*known, *outcome]).unwrap_or(*outcome);
    }
    rest
}

fn of_audit((id, uid): &Audit) -> ObjectReference {
    let (api_version, kind, namespace, name) = match id {
        AuditId::Cluster { name } => {
            (ClusterBuildAudit::api_version(&()), ClusterBuildAudit::kind(&()), None, name.clone())
        }
        AuditId::Namespaced { namespace, name } => {
            (BuildAudit::api_version(&()), BuildAudit::kind(&()), Some(namespace.clone()), name.clone())
        }
    };
    ObjectReference {
        api_version: Some(api_version.into_owned()),
        kind: Some(kind.into_owned()),
        namespace,
        name: Some(name),
        uid: Some(uid.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::told::testing::told;
    use super::*;

    fn in_short(changes: &[Change]) -> Vec<(String, Option<Outcome>, Vec<Outcome>)> {
        let one = |c: &Change| {
            let audits = c.audits.iter().map(|(_, outcome, _)| *outcome).collect();
            (c.whom.name.to_string(), c.overall.as_ref().map(|(outcome, _)| *outcome), audits)
        };
        changes.iter().map(one).collect()
    }

    use Outcome::{Blocked, Reachable, Unknown};

    #[test]
    fn only_changes_are_told() {
        let mut seen = Seen::default();
        assert_eq!(seen.see(&told(0, &["a"], &[("x", &[(0, Blocked)])])), []);
        assert_eq!(seen.see(&told(1, &["a"], &[("x", &[(0, Blocked)])])), []);
        let changes = seen.see(&told(2, &["a"], &[("x", &[(0, Reachable)]), ("y", &[(0, Reachable)])]));
        assert_eq!(in_short(&changes), [("x".to_owned(), Some(Reachable), vec![Reachable])]);
        // What is new and does not reach what it needs is news; what is gone is not.
        let changes = seen.see(&told(3, &["a"], &[("z", &[(0, Unknown)])]));
        assert_eq!(in_short(&changes), [("z".to_owned(), Some(Unknown), vec![Unknown])]);
    }

    #[test]
    fn a_new_audit_says_with_its_status_what_it_found() {
        let mut seen = Seen::default();
        seen.see(&told(0, &["a"], &[("x", &[(0, Reachable)])]));
        let changes =
            seen.see(&told(1, &["a", "b"], &[("x", &[(0, Reachable), (1, Reachable)]), ("y", &[(1, Blocked)])]));
        assert_eq!(changes, []);
        let changes =
            seen.see(&told(2, &["a", "b"], &[("x", &[(0, Blocked), (1, Reachable)]), ("y", &[(1, Blocked)])]));
        assert_eq!(in_short(&changes), [("x".to_owned(), Some(Blocked), vec![Blocked])]);
    }

    #[test]
    fn who_takes_over_tells_what_the_other_cannot_have_told() {
        let mut seen = Seen::default();
        let mut untold = Untold::default();
        let mut is = Reachable;
        for second in 0..5 {
            let told = told(second, &["a"], &[("x", &[(0, is)])]);
            untold.keep(seen.see(&told), told.instant);
            is = if is == Reachable { Blocked } else { Reachable };
        }
        assert_eq!(untold.0.len(), 4);
        let since = jiff::Timestamp::from_second(2).unwrap();
        let late: Vec<i64> = untold.take(Some(since)).iter().map(|change| change.at.as_second()).collect();
        assert_eq!(late, [3, 4]);
        assert!(untold.take(None).is_empty());
    }

    #[test]
    fn what_a_follower_keeps_is_bounded() {
        let mut seen = Seen::default();
        let mut untold = Untold::default();
        seen.see(&told(0, &["a"], &[]));
        let names: Vec<String> = (0..KEPT.0 + 5).map(|n| format!("j{n}")).collect();
        let all: Vec<(&str, &[(usize, Outcome)])> =
            names.iter().map(|name| (name.as_str(), [(0, Blocked)].as_slice())).collect();
        untold.keep(seen.see(&told(1, &["a"], &all)), jiff::Timestamp::from_second(1).unwrap());
        assert_eq!(untold.0.len(), KEPT.0);
        untold.keep(Vec::new(), jiff::Timestamp::from_second(1000).unwrap());
        assert!(untold.0.is_empty());
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut seen = Seen::default();
        seen.see(&told(0, &["a"], &[]));
        let names: Vec<String> = (0..MOST + 10).map(|n| format!("j{n}")).collect();
        let all: Vec<(&str, &[(usize, Outcome)])> =
            names.iter().map(|name| (name.as_str(), [(0, Blocked)].as_slice())).collect();
        let changes = seen.see(&told(1, &["a"], &all));
        assert_eq!(rest(&changes).into_values().collect::<Vec<_>>(), [(10, Blocked)]);
        assert!(rest(&changes[..MOST]).is_empty());
    }
}
