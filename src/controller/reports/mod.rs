//! Full results, one report for each subject, in whichever report API the cluster has.
//!
//! [`rows`] and [`content`] say what should be there; this is the edge that makes it so. A report is written only when
//! it says something else than the one that is there, and those of subjects that nobody asks about any more are deleted:
//! which are there is asked again every half minute, of many less often, so that one that somebody deleted comes back.

pub(super) mod content;
pub(super) mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use tokio::sync::watch;
use tokio::time::Instant;

use self::content::{Form, MOST_RESULTS, OPEN_REPORT, POLICY_REPORT};
use super::heads::{self, Head};
use super::lease::Role;
use super::said::Said;
use super::target::{self, Found};
use super::told::{Subject, Told};
use super::write::FIELD_MANAGER;
use super::{Metrics, within};
use crate::collect::kube::describe;
use crate::collect::pause::Pause;

/// Who says it.
const SOURCE: &str = "buildreach";

/// How often it is asked what the server serves, and which reports are there where there are few.
const PERIOD: Duration = Duration::from_secs(30);

/// The least time before what failed is tried again, and the most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// So many failures one after the other, and the rest waits too.
const IN_A_ROW: u32 = 5;

/// How much later it is asked for each report that is there: a list costs the server as much as they are large.
const FOR_EACH: Duration = Duration::from_millis(50);

/// Which reports are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reports {
    /// OpenReports where they are served, else PolicyReports where those are, else none.
    #[default]
    Auto,
    /// `openreports.io` Reports.
    OpenReports,
    /// `wgpolicyk8s.io` PolicyReports.
    PolicyReport,
    /// None.
    None,
}

impl FromStr for Reports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "openreports" => Ok(Self::OpenReports),
            "policyreport" => Ok(Self::PolicyReport),
            "none" => Ok(Self::None),
            _ => Err(format!("`{text}` is none of auto, openreports, policyreport and none")),
        }
    }
}

impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::OpenReports => "openreports",
            Self::PolicyReport => "policyreport",
            Self::None => "none",
        })
    }
}

impl Reports {
    /// Which of those that are served.
    fn choose(self, served: &[Form]) -> Option<Form> {
        let is_served = |form: Form| served.contains(&form).then_some(form);
        match self {
            Self::Auto => is_served(OPEN_REPORT).or_else(|| is_served(POLICY_REPORT)),
            Self::OpenReports => is_served(OPEN_REPORT),
            Self::PolicyReport => is_served(POLICY_REPORT),
            Self::None => None,
        }
    }
}

/// Namespace and name.
type Key = (String, String);

/// Keeps the reports of a cluster.
pub(super) struct Keeper {
    client: Client,
    metrics: Arc<Metrics>,
    /// Where; none for everywhere.
    namespaces: Vec<String>,
    wanted: Reports,
    form: Option<Form>,
    /// Ours that are there, with the digest of their content.
    kept: BTreeMap<Key, String>,
    /// What the server does not take, whatever it says: not tried again until it says something else.
    refused: BTreeMap<Key, String>,
    /// What was said, until everything could be written again.
    said: Said,
    look: Instant,
    /// When it is asked again which are there.
    list_again: Instant,
    retry: Option<Instant>,
    pause: Pause,
}

/// What came of a write.
enum Outcome {
    Done,
    /// The object, or its namespace, is going: there is nothing to write.
    Moot,
    TooLarge,
    Refused(String),
    Failed(String),
}

impl Keeper {
    pub(super) fn new(client: Client, metrics: Arc<Metrics>, namespaces: &[String], wanted: Reports) -> Self {
        Self {
            client,
            metrics,
            namespaces: namespaces.to_vec(),
            wanted,
            form: None,
            kept: BTreeMap::new(),
            refused: BTreeMap::new(),
            said: Said::default(),
            look: Instant::now(),
            list_again: Instant::now(),
            retry: None,
            pause: Pause::new(PAUSE.0, PAUSE.1),
        }
    }

    /// Makes reports be what evaluations say, until nobody evaluates any more.
    pub(super) async fn keep(mut self, mut told: watch::Receiver<Option<Arc<Told>>>, mut role: watch::Receiver<Role>) {
        loop {
            let next = self.retry.map_or(self.look, |retry| retry.min(self.look));
            let is_leader = matches!(*role.borrow_and_update(), Role::Leader { .. });
            tokio::select! {
                changed = told.changed() => if changed.is_err() { return },
                changed = role.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(next), if is_leader => {}
            }
            if !matches!(*role.borrow(), Role::Leader { .. }) {
                continue;
            }
            let Some(now) = told.borrow_and_update().clone() else {
                // Nothing to say yet: not asked again at once.
                self.look = self.look.max(Instant::now() + Duration::from_secs(1));
                continue;
            };
            let instant = Instant::now();
            if self.look <= instant {
                self.look = instant + PERIOD;
                self.look_around().await;
            }
            if self.retry.is_none_or(|retry| retry <= instant) {
                self.retry = None;
                self.write(&now).await;
            }
        }
    }

    /// Asks which report APIs there are, and which of our reports.
    async fn look_around(&mut self) {
        let mut served = Vec::new();
        for form in [OPEN_REPORT, POLICY_REPORT] {
            match self.is_served(form).await {
                Ok(true) => served.push(form),
                Ok(false) => {}
                // Not known: what was so until now is so still.
                Err(why) => {
                    self.said.warn(&why);
                    self.look = Instant::now() + PAUSE.0;
                    return;
                }
            }
        }
        let form = self.wanted.choose(&served);
        if form.is_none() && !matches!(self.wanted, Reports::Auto | Reports::None) {
            self.said.warn(&format!("--reports {}: the server has no such kind, no report is written", self.wanted));
        }
        if form != self.form {
            if let Some(form) = form {
                tracing::info!("writing {}s of {}", form.kind, form.api_version());
            }
            self.form = form;
            self.list_again = Instant::now();
            self.kept.clear();
            self.refused.clear();
        }
        if Instant::now() < self.list_again {
            return;
        }
        // Reports of the API that is not written any more would stay as they are for good.
        for other in served.iter().copied().filter(|other| Some(*other) != form) {
            match self.list(other).await {
                Ok(all) => {
                    for key in all.into_keys() {
                        self.delete(other, &key).await;
                    }
                }
                Err(why) => tracing::debug!("{why}"),
            }
        }
        if let Some(form) = form {
            match self.list(form).await {
                Ok(all) => self.kept = all,
                Err(why) => return self.said.warn(&why),
            }
        }
        let many = FOR_EACH.saturating_mul(u32::try_from(self.kept.len()).unwrap_or(u32::MAX));
        // A moment less than a round, so that it is not the one after.
        self.list_again = Instant::now() + PERIOD / 2 + many;
    }

    async fn is_served(&self, form: Form) -> Result<bool, String> {
        match within(self.client.list_api_group_resources(&form.api_version())).await? {
            Ok(list) => Ok(list.resources.iter().any(|resource| resource.name == form.plural)),
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(false),
            Err(error) => Err(format!("whether {} is served is not known: {}", form.api_version(), describe(&error))),
        }
    }

    /// Our reports with their digests.
    async fn list(&self, form: Form) -> Result<BTreeMap<Key, String>, String> {
        let mut found = BTreeMap::new();
        let label = format!("{}={}", content::MANAGED_BY.0, content::MANAGED_BY.1);
        let resource = resource(form);
        for place in heads::places(&self.namespaces) {
            let take = |mut head: Head| {
                let digest = head.annotations.remove(content::DIGEST).unwrap_or_default();
                found.insert((head.namespace, head.name), digest);
            };
            heads::list(&self.client, &resource, place, Some(&label), take).await.map_err(|(_, why)| why)?;
        }
        Ok(found)
    }

    fn api(&self, form: Form, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = resource(form);
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Writes what says something else than what is there, and deletes what nobody asks for.
    async fn write(&mut self, told: &Told) {
        let Some(form) = self.form else { return };
        let mut failures = 0;
        let mut wanted = BTreeSet::new();
        for subject in told.subjects.values() {
            let key = (subject.whom.namespace.to_string(), content::name(&subject.whom));
            let digest = content::digest(told, subject);
            let is_done = self.kept.get(&key) == Some(&digest) || self.refused.get(&key) == Some(&digest);
            wanted.insert(key.clone());
            if is_done || failures >= IN_A_ROW {
                continue;
            }
            match self.write_one(form, told, subject).await {
                Outcome::Done => {
                    failures = 0;
                    self.metrics.wrote("report", true);
                    self.refused.remove(&key);
                    self.kept.insert(key, digest);
                }
                Outcome::Moot => {}
                Outcome::TooLarge => {
                    self.metrics.wrote("report", false);
                    tracing::warn!("the report {}/{} is too large for the server, however short", key.0, key.1);
                    failures += self.refuse(form, key, digest).await;
                }
                Outcome::Refused(why) => {
                    self.metrics.wrote("report", false);
                    tracing::warn!("the report {}/{} was refused: {why}", key.0, key.1);
                    failures += self.refuse(form, key, digest).await;
                }
                Outcome::Failed(why) => {
                    failures += 1;
                    self.metrics.wrote("report", false);
                    self.said.warn(&format!("the report {}/{} was not written: {why}", key.0, key.1));
                }
            }
        }
        if told.is_whole {
            let stale: Vec<Key> = self.kept.keys().filter(|key| !wanted.contains(key)).cloned().collect();
            for key in stale {
                if failures >= IN_A_ROW {
                    break;
                }
                failures += u32::from(!self.delete(form, &key).await);
            }
        }
        if failures == 0 {
            self.pause.reset();
            self.said.clear();
        } else {
            self.retry = Some(Instant::now() + self.pause.get());
            self.pause.grow();
        }
        self.refused.retain(|key, _| wanted.contains(key));
    }

    /// What the server does not take is not tried again, and what an older evaluation said does not stay there either.
    /// Returns the number of failures.
    async fn refuse(&mut self, form: Form, key: Key, digest: String) -> u32 {
        let is_clean = !self.kept.contains_key(&key) || self.delete(form, &key).await;
        if is_clean {
            self.refused.insert(key, digest);
        }
        u32::from(!is_clean)
    }

    async fn write_one(&mut self, form: Form, told: &Told, subject: &Subject) -> Outcome {
        let target = match target::find(&self.client, &subject.whom).await {
            Found::There(target) => Some(target),
            Found::Gone => return Outcome::Moot,
            // The report is worth more than that its end is that of the object.
            Found::Unreadable(why) => {
                self.said.warn(&format!("a report without an owner: {why}"));
                None
            }
        };
        let mut most = MOST_RESULTS;
        loop {
            let (report, listed) = content::report(form, told, subject, target.as_ref(), most);
            match self.apply(form, subject, &report).await {
                Outcome::TooLarge if listed > 1 => {
                    most = listed / 2;
                    tracing::warn!(
                        "the report of {}/{}/{} is too large for the server with {listed} results: cut to {most}",
                        subject.whom.namespace,
                        subject.whom.kind,
                        subject.whom.name,
                    );
                }
                other => return other,
            }
        }
    }

    async fn apply(&self, form: Form, subject: &Subject, report: &serde_json::Value) -> Outcome {
        let api = self.api(form, Some(&subject.whom.namespace));
        // The report is ours alone.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match within(api.patch(&content::name(&subject.whom), &params, &Patch::Apply(report))).await {
            Ok(Ok(_)) => Outcome::Done,
            Ok(Err(kube::Error::Api(status))) => of_status(status.code, status.message.clone()),
            Ok(Err(error)) => Outcome::Failed(describe(&error)),
            Err(why) => Outcome::Failed(why),
        }
    }

    /// Returns whether it is gone.
    async fn delete(&mut self, form: Form, key: &Key) -> bool {
        let api = self.api(form, Some(&key.0));
        let why = match within(api.delete(&key.1, &DeleteParams::default())).await {
            Ok(Ok(_)) => {
                self.metrics.wrote("report", true);
                self.kept.remove(key);
                return true;
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                self.kept.remove(key);
                return true;
            }
            Ok(Err(error)) => describe(&error),
            Err(why) => why,
        };
        self.metrics.wrote("report", false);
        self.said.warn(&format!("the report {}/{} was not deleted: {why}", key.0, key.1));
        false
    }
}

fn resource(form: Form) -> ApiResource {
    ApiResource {
        group: form.group.to_owned(),
        version: form.version.to_owned(),
        api_version: form.api_version(),
        kind: form.kind.to_owned(),
        plural: form.plural.to_owned(),
    }
}

/// What the server's answer to a write means.
fn of_status(code: u16, message: String) -> Outcome {
    // The API server says 413 of what is sent to it; etcd's own limit comes back as an error with these words.
    if code == 413 || message.contains("too large") || message.contains("larger than max") {
        return Outcome::TooLarge;
    }
    match code {
        404 => Outcome::Moot,
        403 if message.contains("being terminated") => Outcome::Moot,
        400 | 422 => Outcome::Refused(message),
        _ => Outcome::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_chosen_in_order() {
        assert_eq!(Reports::Auto.choose(&[POLICY_REPORT, OPEN_REPORT]), Some(OPEN_REPORT));
        assert_eq!(Reports::Auto.choose(&[POLICY_REPORT]), Some(POLICY_REPORT));
        assert_eq!(Reports::Auto.choose(&[]), None);
        assert_eq!(Reports::OpenReports.choose(&[POLICY_REPORT]), None);
        assert_eq!(Reports::None.choose(&[POLICY_REPORT, OPEN_REPORT]), None);
        for wanted in [Reports::Auto, Reports::OpenReports, Reports::PolicyReport, Reports::None] {
            assert_eq!(wanted.to_string().parse(), Ok(wanted));
        }
    }

    #[test]
    fn too_large_is_told_apart_from_what_may_be_tried_again() {
        assert!(matches!(of_status(413, String::new()), Outcome::TooLarge));
        assert!(matches!(of_status(500, "etcdserver: request is too large".to_owned()), Outcome::TooLarge));
        assert!(matches!(of_status(503, "no".to_owned()), Outcome::Failed(_)));
        assert!(matches!(of_status(422, "no".to_owned()), Outcome::Refused(_)));
    }
}
