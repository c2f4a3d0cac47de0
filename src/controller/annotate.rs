//! Annotations on workloads that do not reach what they need. Off by default: they are other people's objects.
//!
//! Server-side apply with a field manager of its own, never forced: who else owns these annotations keeps them. Which
//! workloads have ours is found by that manager at the beginning, so that they go when the flag is off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::heads::{self, Head};
use super::lease::Role;
use super::said::Said;
use super::target::{self, Found};
use super::told::{Told, Way, Whom};
use super::{Metrics, within};
use crate::collect::kube::{built_in, describe};
use crate::model::{Outcome, codes};

/// Who owns the annotations.
pub const ANNOTATOR: &str = "buildreach-annotations";

/// The outcome of the workload.
pub(super) const OUTCOME: &str = "buildreach.dev/outcome";

/// The code of the finding that decides it.
pub(super) const FINDING: &str = "buildreach.dev/finding";

/// The kinds that are annotated.
pub(super) const KINDS: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"];

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(30);

/// Namespace, kind and name.
type Key = (String, String, String);

/// The annotations of a workload.
type Says = BTreeMap<&'static str, String>;

/// The annotations that workloads are to have. Pure.
fn wanted(told: &Told) -> BTreeMap<Key, Says> {
    let concerned = told.subjects.values().filter(|subject| {
        let whom = &subject.whom;
        subject.outcome != Outcome::Reachable && whom.way == Way::Direct && KINDS.contains(&&*whom.kind)
    });
    concerned
        .map(|subject| {
            let whom = &subject.whom;
            let mut says = BTreeMap::from([(OUTCOME, subject.outcome.to_string())]);
            let code = subject.decisive().map(|row| row.rule.to_string()).filter(|rule| codes::find(rule).is_some());
            says.extend(code.map(|code| (FINDING, code)));
            ((whom.namespace.to_string(), whom.kind.to_string(), whom.name.to_string()), says)
        })
        .collect()
}

/// Keeps annotations.
pub(super) struct Annotator {
    client: Client,
    metrics: Arc<Metrics>,
    namespaces: Vec<String>,
    enabled: bool,
    /// Ours that are there, as far as is known.
    there: BTreeMap<Key, Says>,
    /// They were looked for.
    is_found: bool,
    /// What was refused: not tried again until it is something else.
    refused: BTreeMap<Key, Says>,
    said: Said,
    retry: Option<Instant>,
}

impl Annotator {
    pub(super) fn new(client: Client, metrics: Arc<Metrics>, namespaces: &[String], enabled: bool) -> Self {
        Self {
            client,
            metrics,
            namespaces: namespaces.to_vec(),
            enabled,
            there: BTreeMap::new(),
            is_found: false,
            refused: BTreeMap::new(),
            said: Said::default(),
            retry: None,
        }
    }

    /// Makes annotations be what evaluations say, until nobody evaluates any more, or until there are none to keep.
    pub(super) async fn keep(mut self, mut told: watch::Receiver<Option<Arc<Told>>>, mut role: watch::Receiver<Role>) {
        loop {
            let retry = self.retry.unwrap_or_else(|| Instant::now() + PAUSE);
            tokio::select! {
                changed = told.changed() => if changed.is_err() { return },
                changed = role.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(retry), if self.retry.is_some() => {}
            }
            if !matches!(*role.borrow_and_update(), Role::Leader { .. }) {
                continue;
            }
            let Some(now) = told.borrow_and_update().clone() else { continue };
            if self.retry.is_some_and(|retry| retry > Instant::now()) {
                continue;
            }
            self.retry = None;
            if !self.is_found {
                match self.find().await {
                    Ok(found) => (self.there, self.is_found) = (found, true),
                    Err(why) => {
                        self.said.warn(&why);
                        self.retry = Some(Instant::now() + PAUSE);
                        // Without knowing what is there nothing is taken away; what is missing is put there all the same.
                    }
                }
            }
            self.write(&now).await;
            if !self.enabled && self.retry.is_none() {
                return;
            }
        }
    }

    async fn write(&mut self, told: &Told) {
        let wanted = if self.enabled { wanted(told) } else { BTreeMap::new() };
        let there = &self.there;
        let mut changes: Vec<(Key, Says)> = wanted
            .iter()
            .filter(|(key, says)| there.get(key) != Some(says))
            .map(|(k, s)| (k.clone(), s.clone()))
            .collect();
        // What could not be read may need them still.
        if told.is_whole || !self.enabled {
            changes.extend(there.keys().filter(|key| !wanted.contains_key(key)).map(|key| (key.clone(), Says::new())));
        }
        self.refused.retain(|key, _| changes.iter().any(|(changed, _)| changed == key));
        for (key, says) in changes {
            if self.refused.get(&key) == Some(&says) {
                continue;
            }
            match self.apply(&key, &says).await {
                Ok(true) => {
                    self.metrics.wrote("annotation", true);
                    self.refused.remove(&key);
                    if says.is_empty() {
                        self.there.remove(&key);
                    } else {
                        self.there.insert(key, says);
                    }
                }
                Ok(false) => {
                    self.there.remove(&key);
                }
                Err((is_final, why)) => {
                    self.metrics.wrote("annotation", false);
                    self.said.warn(&format!("{} {}/{} was not annotated: {why}", key.1, key.0, key.2));
                    if is_final {
                        self.refused.insert(key, says);
                    } else {
                        self.retry = Some(Instant::now() + PAUSE);
                    }
                }
            }
        }
    }

    /// Applies the annotations, none to take them away; returns whether the object is there. A failure says whether
    /// trying again is in vain.
    async fn apply(&self, (namespace, kind, name): &Key, says: &Says) -> Result<bool, (bool, String)> {
        let whom = Whom {
            namespace: namespace.as_str().into(),
            kind: kind.as_str().into(),
            name: name.as_str().into(),
            way: Way::Direct,
        };
        let target = match target::find(&self.client, &whom).await {
            Found::There(target) => target,
            Found::Gone => return Ok(false),
            Found::Unreadable(why) => return Err((false, why)),
        };
        let Some(resource) = built_in(kind) else { return Ok(false) };
        // With the uid nothing is created should the object be gone by now.
        let mut object = json!({
            "apiVersion": target.api_version,
            "kind": target.kind,
            "metadata": {"name": name, "namespace": namespace, "uid": target.uid},
        });
        if !says.is_empty() {
            object["metadata"]["annotations"] = json!(says);
        }
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let params = PatchParams::apply(ANNOTATOR);
        match within(api.patch_metadata(name, &params, &Patch::Apply(object))).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(false),
            // 409: somebody else owns them.
            Ok(Err(kube::Error::Api(status))) => {
                Err((matches!(status.code, 400 | 403 | 409 | 422), status.message.clone()))
            }
            Ok(Err(error)) => Err((false, describe(&error))),
            Err(why) => Err((false, why)),
        }
    }

    /// The workloads that have our annotations.
    async fn find(&self) -> Result<BTreeMap<Key, Says>, String> {
        let mut found = BTreeMap::new();
        let places = heads::places(&self.namespaces);
        for resource in KINDS.iter().filter_map(|kind| built_in(kind)) {
            for place in &places {
                let take = |head: Head| {
                    if head.managed_fields.iter().any(|entry| entry.manager == ANNOTATOR) {
                        let value = |name: &'static str| head.annotations.get(name).map(|value| (name, value.clone()));
                        let says = [OUTCOME, FINDING].into_iter().filter_map(value).collect();
                        found.insert((head.namespace, resource.kind.clone(), head.name), says);
                    }
                };
                match heads::list(&self.client, &resource, *place, None, take).await {
                    // What may not be listed cannot be a subject either.
                    Ok(()) | Err((true, _)) => {}
                    Err((false, why)) => return Err(why),
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::told::testing::told;
    use super::*;

    #[test]
    fn only_what_does_not_reach_what_it_needs_is_annotated() {
        use Outcome::{Blocked, Reachable, Unknown};
        let mut told = told(
            0,
            &["a", "b"],
            &[("x", &[(0, Reachable), (1, Blocked)]), ("y", &[(0, Reachable)]), ("z", &[(0, Unknown)])],
        );
        let of = |told: &Told| -> Vec<(String, String)> {
            wanted(told).into_iter().map(|((_, _, name), says)| (name, says[OUTCOME].clone())).collect()
        };
        let pair = |name: &str, outcome: &str| (name.to_owned(), outcome.to_owned());
        assert_eq!(of(&told), [pair("x", "Blocked"), pair("z", "Unknown")]);
        // An object of a kind that is known by its name only is left alone.
        for subject in told.subjects.values_mut().filter(|subject| &*subject.whom.name == "x") {
            subject.whom.way = Way::Through("Pod".into(), "x-1".into());
        }
        assert_eq!(of(&told), [pair("z", "Unknown")]);
    }
}
