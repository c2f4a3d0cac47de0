//! Which resources of the policy and mesh groups the server has.

use http::{Request, header};
use serde::Deserialize;

use super::connect::{Connection, describe};
use super::groups::GROUPS;
use super::kinds::How;
use super::list::within;

/// One request where the server knows aggregated discovery (Kubernetes 1.26), else its older form.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A resource that the server has and that can be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
}

/// What discovery found.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// In the server's order: of several versions the preferred one comes first.
    resources: Vec<Resource>,
    /// Group versions about which the server could not say what they hold, and why.
    stale: Vec<(String, String)>,
    readable: bool,
}

impl Served {
    pub(super) fn new(resources: Vec<Resource>) -> Self {
        Self { resources, stale: Vec::new(), readable: true }
    }

    /// Discovery is closed: every known kind has to be tried.
    pub(super) fn unreadable() -> Self {
        Self::default()
    }

    pub(super) fn find<'s>(&'s self, group: &'s str, plural: &str) -> Option<&'s Resource> {
        self.resources(group).find(|r| r.plural == plural)
    }

    /// The resources of a group, each in one version.
    pub(super) fn resources<'s>(&'s self, group: &'s str) -> impl Iterator<Item = &'s Resource> {
        self.resources.iter().enumerate().filter_map(move |(at, r)| {
            let first = || !self.resources[..at].iter().any(|e| e.group == r.group && e.plural == r.plural);
            (r.group == group && first()).then_some(r)
        })
    }

    /// What it means that a kind of the group was not found.
    pub(super) fn absence(&self, group: &str) -> How {
        if !self.readable {
            return How::List;
        }
        match self.stale.iter().find(|(stale, _)| stale == group) {
            Some((_, why)) => How::Failed(why.clone()),
            None => How::NotServed,
        }
    }
}

/// Asks the server. This is the first request that is sent, so it also tells whether there is a
/// server and whether it takes the credentials.
///
/// # Errors
///
/// The server cannot be reached, or does not accept the credentials.
pub(super) async fn discover(connection: &Connection) -> anyhow::Result<Served> {
    match get(connection, "/apis").await {
        Ok(text) => Ok(parse(connection, &text).await),
        Err(kube::Error::Api(status)) if status.code == 401 => anyhow::bail!(
            "the API server {} of context `{}` does not accept the credentials: {}",
            connection.server,
            connection.name,
            status.message
        ),
        Err(kube::Error::Api(status)) => {
            tracing::warn!("API discovery failed, trying the known kinds: {}", status.message);
            Ok(Served::unreadable())
        }
        Err(error @ (kube::Error::Auth(_) | kube::Error::InferKubeconfig(_))) => {
            anyhow::bail!("cannot use the credentials of context `{}`: {}", connection.name, describe(&error))
        }
        Err(error) => anyhow::bail!(
            "cannot reach the API server {} of context `{}`: {}",
            connection.server,
            connection.name,
            describe(&error)
        ),
    }
}

async fn get(connection: &Connection, path: &str) -> Result<String, kube::Error> {
    let request = Request::get(path).header(header::ACCEPT, ACCEPT).body(Vec::new()).map_err(kube::Error::HttpError)?;
    within(connection.timeout, connection.client.request_text(request)).await
}

async fn parse(connection: &Connection, text: &str) -> Served {
    if let Ok(Aggregated { kind, items }) = serde_json::from_str(text)
        && kind == "APIGroupDiscoveryList"
    {
        return aggregated(items);
    }
    let Ok(list) = serde_json::from_str::<GroupList>(text) else {
        tracing::warn!("API discovery gave no group list, trying the known kinds");
        return Served::unreadable();
    };
    let mut served = Served::new(Vec::new());
    for group in list.groups.iter().filter(|group| is_ours(&group.name)) {
        for version in group.versions_by_preference() {
            match get(connection, &format!("/apis/{}/{version}", group.name)).await {
                Ok(text) => served.resources.extend(resources(&group.name, version, &text)),
                Err(error) => served.stale.push((group.name.clone(), describe(&error))),
            }
        }
    }
    served
}

fn is_ours(group: &str) -> bool {
    GROUPS.iter().any(|ours| ours.name == group)
}

fn aggregated(groups: Vec<AggregatedGroup>) -> Served {
    let mut served = Served::new(Vec::new());
    for group in groups {
        let name = group.metadata.name;
        if !is_ours(&name) {
            continue;
        }
        for version in group.versions {
            if version.freshness.as_deref() == Some("Stale") {
                let why = format!("the API server has no current answer from the extension that serves {name}");
                served.stale.push((name.clone(), why));
            }
            let listable = version.resources.into_iter().filter(|r| r.verbs.iter().any(|verb| verb == "list"));
            served.resources.extend(listable.map(|r| Resource {
                group: name.clone(),
                version: version.version.clone(),
                plural: r.resource,
                kind: r.response_kind.map(|kind| kind.kind).unwrap_or_default(),
                namespaced: r.scope == "Namespaced",
            }));
        }
    }
    served
}

fn resources(group: &str, version: &str, text: &str) -> Vec<Resource> {
    let list: ResourceList = serde_json::from_str(text).unwrap_or_default();
    let listable = list.resources.into_iter().filter(|r| r.verbs.iter().any(|verb| verb == "list"));
    listable
        .map(|r| Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: r.name,
            kind: r.kind,
            namespaced: r.namespaced,
        })
        .collect()
}

#[derive(Deserialize)]
struct Aggregated {
    kind: String,
    items: Vec<AggregatedGroup>,
}

#[derive(Deserialize)]
struct AggregatedGroup {
    metadata: Name,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    resources: Vec<AggregatedResource>,
    freshness: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct GroupList {
    groups: Vec<OldGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldGroup {
    name: String,
    #[serde(default)]
    versions: Vec<OldVersion>,
    preferred_version: Option<OldVersion>,
}

impl OldGroup {
    fn versions_by_preference(&self) -> impl Iterator<Item = &str> {
        let preferred = self.preferred_version.as_ref().map(|v| v.version.as_str());
        let others = self.versions.iter().map(|v| v.version.as_str()).filter(move |v| Some(*v) != preferred);
        preferred.into_iter().chain(others)
    }
}

#[derive(Deserialize)]
struct OldVersion {
    version: String,
}

#[derive(Default, Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<OldResource>,
}

#[derive(Deserialize)]
struct OldResource {
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn aggregated_discovery_keeps_listable_resources_of_our_groups_by_preference() {
        let text = r#"{"kind":"APIGroupDiscoveryList","items":[
          {"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[
            {"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","verbs":["list"]}]}]},
          {"metadata":{"name":"cilium.io"},"versions":[
            {"version":"v2","resources":[
              {"resource":"ciliumcidrgroups","responseKind":{"kind":"CiliumCIDRGroup"},"scope":"Cluster","verbs":["get","list"]},
              {"resource":"reviews","responseKind":{"kind":"Review"},"scope":"Cluster","verbs":["create"]}]},
            {"version":"v2alpha1","resources":[
              {"resource":"ciliumcidrgroups","responseKind":{"kind":"CiliumCIDRGroup"},"scope":"Cluster","verbs":["list"]}]}]},
          {"metadata":{"name":"projectcalico.org"},"versions":[{"version":"v3","freshness":"Stale"}]}]}"#;
        let Aggregated { items, .. } = serde_json::from_str(text).unwrap();
        let served = aggregated(items);
        let of_cilium: Vec<_> = served.resources("cilium.io").collect();
        assert_eq!(of_cilium.len(), 1);
        assert_eq!((of_cilium[0].version.as_str(), of_cilium[0].namespaced), ("v2", false));
        assert_eq!(served.resources("apps").count(), 0);
        assert_eq!(served.absence("cilium.io"), How::NotServed);
        assert!(matches!(served.absence("projectcalico.org"), How::Failed(_)));
    }

    #[test]
    fn the_older_form_puts_the_preferred_version_first() {
        let text = r#"{"kind":"APIGroupList","groups":[{"name":"crd.antrea.io",
          "versions":[{"version":"v1alpha1"},{"version":"v1beta1"}],"preferredVersion":{"version":"v1beta1"}}]}"#;
        let list: GroupList = serde_json::from_str(text).unwrap();
        assert_eq!(list.groups[0].versions_by_preference().collect::<Vec<_>>(), ["v1beta1", "v1alpha1"]);
        let text = r#"{"resources":[{"name":"tiers","kind":"Tier","namespaced":false,"verbs":["list"]},
          {"name":"tiers/status","kind":"Tier","namespaced":false,"verbs":["get"]}]}"#;
        let found = resources("crd.antrea.io", "v1beta1", text);
        assert_eq!(found.iter().map(|r| r.plural.as_str()).collect::<Vec<_>>(), ["tiers"]);
    }
}
