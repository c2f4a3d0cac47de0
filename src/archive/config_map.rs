//! An archive in ConfigMaps of one namespace: one for each report, and one for the index.
//!
//! All are written by server-side apply. Only ConfigMaps with both labels, and with a name that a report of this archive
//! can have, are ever deleted; one that has the name of the index and not the labels is somebody else's, and ends the run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::plan::{self, Documents, FileEntry, Head, Index};
use super::{Before, Kept, Order};
use crate::collect::kube::{self as live, LiveOptions, Target};
use crate::model::report::AuditReport;
use crate::report::Format;

/// Who owns the fields that are written.
pub const FIELD_MANAGER: &str = "buildreach";
/// Label of everything that the program made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label with the name of the archive.
pub const ARCHIVE: &str = "buildreach.dev/archive";
/// Annotation with the instant of the facts.
pub const INSTANT: &str = "buildreach.dev/instant";
/// Annotation with the formats that had no room.
pub const LEFT_OUT: &str = "buildreach.dev/left-out";

const INDEX: &str = "index.json";
const LATEST: &str = "latest";

/// What the documents of one report may take. An API server refuses a ConfigMap with more than 1 MiB of data, and etcd a
/// request with more than 1.5 MiB, in which the fields' owners count as well.
const ROOM: usize = 900 << 10;

/// The label's value is the archive's name, so it is no longer than that may be.
const LONGEST_NAME: usize = 63;

/// `[NAMESPACE/]NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Without it that of the pod or of the context.
    pub namespace: Option<String>,
    /// Name of the archive, which is also that of the index.
    pub name: String,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        for part in namespace.into_iter().chain([name]) {
            if !is_label(part) {
                return Err(format!(
                    "`{text}` is no [NAMESPACE/]NAME: `{part}` has to be made of lower-case letters, digits and `-`, \
                     begin and end with a letter or digit, and have at most {LONGEST_NAME} characters"
                ));
            }
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// An RFC 1123 label.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=LONGEST_NAME).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
        && bytes.first().is_some_and(|byte| inner(*byte))
        && bytes.last().is_some_and(|byte| inner(*byte))
}

/// Keeps a report in ConfigMaps.
///
/// # Errors
///
/// The cluster refuses, or does not answer. What was kept before is then as it was.
pub async fn keep(options: &LiveOptions, place: &Place, order: &Order<'_>) -> anyhow::Result<Kept> {
    let target = live::target(options).await?;
    let namespace = place.namespace.clone().unwrap_or_else(|| target.namespace.clone());
    let api = Api::namespaced(target.client.clone(), &namespace);
    let archive = Archive { target, api, namespace, name: &place.name };
    archive.keep(order).await
}

struct Archive<'a> {
    target: Target,
    api: Api<ConfigMap>,
    namespace: String,
    name: &'a str,
}

/// A kept report that is there.
struct There {
    name: String,
    uid: Option<String>,
}

impl Archive<'_> {
    async fn keep(&self, order: &Order<'_>) -> anyhow::Result<Kept> {
        let there = self.there().await?;
        let names: Vec<String> = there.iter().map(|report| report.name.clone()).collect();
        let mut before = self.before(&names).await?;
        let first = names.is_empty();
        let changes = before.compare(order.report);
        let head = Head { changes: changes.as_ref(), first };
        let documents = plan::documents(order, &head, Some(ROOM)).context("cannot keep the report")?;
        let name = self.free_name(order.report, &names).await?;
        self.write(&name, order.report, &documents).await?;
        let Before { mut index, mut trouble, .. } = before;
        let pruned = index.add(plan::entry(&name, order.report, &documents, changes.as_ref()), order.retain);
        self.write_index(&mut index, &name).await?;
        for old in there.iter().filter(|report| pruned.contains(&report.name)) {
            if let Err(error) = self.delete(old).await {
                trouble.push(format!("the old report {} cannot be deleted: {error:#}", old.name));
            }
        }
        let left_out = documents.in_words(Some(ROOM));
        let place = format!("ConfigMaps {} of namespace {}", self.name, self.namespace);
        Ok(Kept { name, place, first, changes, left_out, pruned, trouble })
    }

    /// The reports of this archive, oldest first.
    async fn there(&self) -> anyhow::Result<Vec<There>> {
        let selector = format!("{MANAGED_BY}={FIELD_MANAGER},{ARCHIVE}={}", self.name);
        let params = ListParams::default().labels(&selector);
        let listed = self.ask("list", self.target.within(self.api.list_metadata(&params))).await?;
        let mut there: Vec<_> = listed
            .items
            .into_iter()
            .filter_map(|object| {
                let name = object.metadata.name.filter(|name| self.is_report(name))?;
                Some(There { name, uid: object.metadata.uid })
            })
            .collect();
        there.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(there)
    }

    fn is_report(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(plan::is_stamp)
    }

    async fn get(&self, name: &str) -> anyhow::Result<Option<ConfigMap>> {
        self.ask(&format!("read {name}"), self.target.within(self.api.get_opt(name))).await
    }

    /// The index, made whole again where it does not tell what is there, and the latest report.
    async fn before(&self, names: &[String]) -> anyhow::Result<Before> {
        let mut trouble = Vec::new();
        let mut index = Index::default();
        if let Some(object) = self.get(self.name).await? {
            let labels = object.metadata.labels.unwrap_or_default();
            let is = |label: &str, value: &str| labels.get(label).is_some_and(|is| is == value);
            if !is(MANAGED_BY, FIELD_MANAGER) || !is(ARCHIVE, self.name) {
                bail!(
                    "ConfigMap {}/{} is there and is no index of an archive ({MANAGED_BY}={FIELD_MANAGER}, \
                     {ARCHIVE}={}): choose another name",
                    self.namespace,
                    self.name,
                    self.name
                );
            }
            let text = object.data.unwrap_or_default().remove(INDEX).unwrap_or_default();
            match serde_json::from_str(&text) {
                Ok(read) => index = read,
                Err(error) => trouble.push(format!("the index is made anew: {error}")),
            }
        }
        for name in index.missing(names) {
            let data = self.data(&name).await?;
            let files = data.iter().map(|(name, text)| FileEntry {
                name: name.clone(),
                size: u64::try_from(text.len()).unwrap_or(u64::MAX),
            });
            match data.get(Format::Json.file_name()).map(|text| serde_json::from_str::<AuditReport>(text)) {
                Some(Ok(report)) => index.put_back(plan::found(&name, &report, files.collect())),
                Some(Err(error)) => trouble.push(format!("{name} is left as it is, for it cannot be read: {error}")),
                None => trouble.push(format!("{name} is left as it is, for it holds no report")),
            }
        }
        let latest = match index.latest() {
            Some(entry) => {
                let json = self.data(&entry.name).await?.remove(Format::Json.file_name());
                Some(json.ok_or_else(|| "it holds no JSON".to_owned()))
            }
            None => None,
        };
        Ok(Before { index, latest, trouble })
    }

    async fn data(&self, name: &str) -> anyhow::Result<BTreeMap<String, String>> {
        Ok(self.get(name).await?.and_then(|object| object.data).unwrap_or_default())
    }

    /// A name that neither a report of this archive has nor anybody else's ConfigMap.
    async fn free_name(&self, report: &AuditReport, names: &[String]) -> anyhow::Result<String> {
        let base = format!("{}-{}", self.name, plan::stamp(report.instant).to_ascii_lowercase());
        let mut taken = names.to_vec();
        loop {
            let name = plan::free_name(&base, &taken);
            if self.get(&name).await?.is_none() {
                return Ok(name);
            }
            taken.push(name);
        }
    }

    async fn write(&self, name: &str, report: &AuditReport, documents: &Documents) -> anyhow::Result<()> {
        let mut annotations = BTreeMap::from([(INSTANT, report.instant.to_string())]);
        if !documents.left_out.is_empty() {
            let formats: Vec<_> = documents.left_out.iter().map(Format::to_string).collect();
            annotations.insert(LEFT_OUT, formats.join(","));
        }
        let data: BTreeMap<&str, &String> = documents.files.iter().map(|(name, text)| (*name, text)).collect();
        // A kept report does not change any more.
        self.apply(name, &annotations, json!({"data": data, "immutable": true})).await
    }

    async fn write_index(&self, index: &mut Index, latest: &str) -> anyhow::Result<()> {
        let text = index.json(ROOM).context("cannot keep the report")?;
        self.apply(self.name, &BTreeMap::new(), json!({"data": {INDEX: text, LATEST: latest}})).await
    }

    async fn apply(
        &self,
        name: &str,
        annotations: &BTreeMap<&str, String>,
        mut object: serde_json::Value,
    ) -> anyhow::Result<()> {
        object["apiVersion"] = json!("v1");
        object["kind"] = json!("ConfigMap");
        object["metadata"] = json!({
            "name": name,
            "namespace": self.namespace,
            "labels": {MANAGED_BY: FIELD_MANAGER, ARCHIVE: self.name},
            "annotations": annotations,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(object);
        self.ask(&format!("write {name}"), self.target.within(self.api.patch(name, &params, &patch))).await?;
        Ok(())
    }

    /// Deletes the very object that was listed.
    async fn delete(&self, report: &There) -> anyhow::Result<()> {
        let preconditions = Preconditions { uid: report.uid.clone(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let deleted = self.target.within(self.api.delete(&report.name, &params)).await;
        match deleted {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(anyhow!("{}", live::describe(&error))),
        }
    }

    async fn ask<T>(&self, what: &str, request: impl Future<Output = Result<T, kube::Error>>) -> anyhow::Result<T> {
        let result = request.await.map_err(|error| anyhow!("{}", live::describe(&error)));
        result.with_context(|| format!("cannot {what} ConfigMaps of namespace {}", self.namespace))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_place_has_names_that_an_api_server_takes() {
        let place: Place = "buildreach/weekly".parse().unwrap();
        assert_eq!((place.namespace.as_deref(), place.name.as_str()), (Some("buildreach"), "weekly"));
        assert_eq!("weekly".parse::<Place>().unwrap().namespace, None);
        let long = "a".repeat(64);
        for wrong in ["", "/", "a/", "/a", "A", "a_b", "-a", "a-", "a/b/c", "a.b", &long] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
