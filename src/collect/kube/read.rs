//! Lists every kind and puts the facts together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::LiveOptions;
use super::connect::{Connection, connect};
use super::discover::discover;
use super::groups::CONFIG_MAPS;
use super::kinds::{How, Kind, Planned, plan};
use super::list::{ReadError, get, pages};
use crate::collect::builder::Builder;
use crate::collect::facts::Facts;
use crate::collect::in_order::in_order;
use crate::collect::json;
use crate::collect::openshift;
use crate::collect::trust_maps::Mounted;
use crate::collect::variable_maps::Used;
use crate::model::object::{Namespace, OtherObject};
use crate::model::snapshot::{CERTIFICATE_CONFIG_MAPS, Coverage, CoverageState, VARIABLE_CONFIG_MAPS};
use crate::model::{Snapshot, Str};

/// [`Coverage::source`] of everything that a cluster serves.
pub(super) const KUBERNETES: &str = "kubernetes";

/// Where a mesh's revisions are configured.
const ISTIO_NAMESPACE: &str = "istio-system";

/// Reads the cluster; `progress` hears a kind and how many objects of it were read so far. What may not be read, or fails, is recorded as [`Coverage`] while all else is read.
///
/// # Errors
///
/// No kubeconfig, no such context, no answer from the server, credentials that it does not accept.
pub async fn collect(options: &LiveOptions, progress: &(dyn Fn(&str, usize) + Sync)) -> anyhow::Result<Snapshot> {
    let instant = jiff::Timestamp::now();
    let connection = connect(options).await?;
    let served = discover(&connection).await?;
    let mut builder = Builder::live(instant);
    builder.set_cluster(&connection.name);
    let source = builder.source(&format!("cluster {}", connection.name));
    let fallback = fallback_namespaces(&connection, options);
    let reader = Reader { connection, page_size: options.page_size, progress, instant, source, fallback };

    // Namespaces come first: they tell where the ConfigMaps can be.
    let mut plan = plan(&served).into_iter();
    let first = match plan.next() {
        Some(namespaces) => reader.kind(namespaces).await,
        None => Found::default(),
    };
    let all_known = first.coverage.iter().any(|c| c.namespace.is_none() && c.state == CoverageState::Read);
    let namespaces: Vec<&Namespace> = first.facts.iter().flat_map(|facts| &facts.facts.namespaces).collect();
    let config_maps = config_maps(&namespaces, all_known);
    let mut found = vec![first];
    found.extend(in_order(plan.map(|planned| reader.kind(planned))).await);
    // Which ConfigMaps matter beside those is said by the pods that were read.
    let facts = found.iter().filter_map(|part| part.facts.as_ref()).map(|facts| &facts.facts);
    let wanted = wanted(facts.flat_map(named_by), &options.config_maps, config_maps);
    found.extend(reader.config_maps(&wanted, None).await);

    for part in found {
        part.coverage.into_iter().for_each(|coverage| builder.coverage(coverage));
        if let Some(facts) = part.facts {
            builder.append(facts.facts);
        }
    }
    Ok(builder.finish())
}

/// What came of one kind.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) coverage: Vec<Coverage>,
    pub(super) facts: Option<Builder>,
}

impl Found {
    fn cover(&mut self, kind: &str, namespace: Option<&str>, state: CoverageState) {
        self.coverage.push(Coverage {
            source: KUBERNETES.into(),
            kind: kind.into(),
            namespace: namespace.map(Str::from),
            state,
        });
    }
}

pub(super) struct Reader<'a> {
    pub(super) connection: Connection,
    pub(super) page_size: u32,
    pub(super) progress: &'a (dyn Fn(&str, usize) + Sync),
    pub(super) instant: jiff::Timestamp,
    pub(super) source: u32,
    /// Where to read what may not be read over all namespaces.
    pub(super) fallback: Vec<String>,
}

impl Reader<'_> {
    async fn kind(&self, planned: Planned) -> Found {
        let Planned { kind, how } = planned;
        let mut found = Found::default();
        let name = kind.coverage_name();
        match how {
            How::NotServed => found.cover(&name, None, CoverageState::NotInstalled),
            How::ReadElsewhere => found.cover(&name, None, CoverageState::NotRequested),
            How::Failed(why) => found.cover(&name, None, CoverageState::Failed(why)),
            How::List => {
                let result = self.list(&kind, None, &mut found).await;
                let forbidden = result == Err(ReadError::Forbidden);
                found.cover(&name, None, state(result));
                if forbidden {
                    self.fall_back(&kind, &name, &mut found).await;
                }
            }
        }
        found
    }

    /// Reads of single namespaces what may not be read over all of them.
    async fn fall_back(&self, kind: &Kind, name: &str, found: &mut Found) {
        for namespace in &self.fallback {
            let result = if kind.namespaced {
                self.list(kind, Some(namespace), found).await
            } else if kind.kind == "Namespace" {
                self.object(kind, &format!("{}/{namespace}", kind.path(None)), found).await
            } else {
                return;
            };
            // That the namespace is closed too is said by the row for all namespaces.
            if result != Err(ReadError::Forbidden) {
                found.cover(name, Some(namespace), state(result));
            }
        }
    }

    /// Reads one list; a list that the server forgot half-way is read anew once.
    async fn list(&self, kind: &Kind, namespace: Option<&str>, found: &mut Found) -> Result<(), ReadError> {
        let mut result = self.list_once(kind, namespace, found).await;
        if result == Err(ReadError::Expired) {
            result = self.list_once(kind, namespace, found).await;
        }
        result
    }

    async fn list_once(&self, kind: &Kind, namespace: Option<&str>, found: &mut Found) -> Result<(), ReadError> {
        let mut facts = Builder::live(self.instant);
        let mut count = 0;
        let result = pages(&self.connection, kind, namespace, self.page_size, |text| {
            let page = self.decode(kind, text, &mut facts)?;
            count += usize::try_from(page.items).unwrap_or(usize::MAX);
            (self.progress)(&kind.kind, count);
            Ok(page.continue_token)
        })
        .await;
        // Pages of a list that was not read to its end are no basis for anything.
        if result.is_ok() {
            merge(&mut found.facts, facts);
        }
        result
    }

    /// Reads one object.
    async fn object(&self, kind: &Kind, path: &str, found: &mut Found) -> Result<(), ReadError> {
        let text = get(&self.connection, path).await?;
        let list = format!("{{\"items\":[{text}]}}");
        let mut facts = Builder::live(self.instant);
        self.decode(kind, &list, &mut facts).map_err(ReadError::Failed)?;
        merge(&mut found.facts, facts);
        Ok(())
    }

    fn decode(&self, kind: &Kind, text: &str, facts: &mut Builder) -> Result<json::Page, String> {
        let default = (kind.api_version(), kind.kind.as_str());
        json::decode_list(text.as_bytes(), self.source, facts, Some((&default.0, default.1)))
            .map_err(|malformed| format!("the server's answer is not JSON: {malformed}"))
    }

    /// Reads ConfigMaps by name, each once and a few at once: the credentials need no list over all of them. What they
    /// are for is recorded as their kind. What is not read within `limit` is taken for not answered.
    pub(super) async fn config_maps(&self, wanted: &Names, limit: Option<Duration>) -> Vec<Found> {
        let end = limit.map(|limit| Instant::now() + limit);
        // What is wanted for several purposes is read once.
        let once = |names: &Purposes| names.values().flatten().cloned().collect::<BTreeSet<String>>();
        let by_namespace: Vec<_> = wanted.iter().map(|(namespace, names)| (namespace, names, once(names))).collect();
        let mut reads = Vec::new();
        for (namespace, _, once) in &by_namespace {
            reads.extend(once.iter().map(|name| self.config_map(namespace, name, end)));
        }
        let mut all = in_order(reads).await.into_iter();
        let mut namespaces = Vec::new();
        for (namespace, names, once) in &by_namespace {
            let mut found = Found::default();
            let mut errors: BTreeMap<&String, ReadError> = BTreeMap::new();
            for name in once {
                match all.next() {
                    Some(Ok(facts)) => facts.into_iter().for_each(|facts| merge(&mut found.facts, facts)),
                    Some(Err(error)) => drop(errors.insert(name, error)),
                    None => {}
                }
            }
            for (what, names) in *names {
                let worst = names.iter().rev().find_map(|name| errors.get(name)).cloned();
                found.cover(what, Some(namespace), state(worst.map_or(Ok(()), Err)));
            }
            namespaces.push(found);
        }
        namespaces
    }

    /// Reads one of them; absent is a fact.
    async fn config_map(
        &self,
        namespace: &str,
        name: &str,
        end: Option<Instant>,
    ) -> Result<Option<Builder>, ReadError> {
        let kind = Kind::config_map();
        let path = format!("{}/{name}", kind.path(Some(namespace)));
        let mut found = Found::default();
        let result = {
            let read = self.object(&kind, &path, &mut found);
            match end {
                None => read.await,
                // Not even asked for when there is no time left.
                Some(end) if end <= Instant::now() => Err(late()),
                Some(end) => tokio::time::timeout_at(end, read).await.unwrap_or_else(|_| Err(late())),
            }
        };
        match result {
            Ok(()) | Err(ReadError::NotFound) => Ok(found.facts),
            Err(error) => Err(error),
        }
    }
}

fn late() -> ReadError {
    ReadError::Failed("there was no time left to read it: the server answers too slowly".to_owned())
}

/// The namespaces to read where the whole may not be read: those of `-n`, each once and in order, else the context's.
pub(super) fn fallback_namespaces(connection: &Connection, options: &LiveOptions) -> Vec<String> {
    if options.namespaces.is_empty() {
        return vec![connection.namespace.clone()];
    }
    let sorted: BTreeSet<&String> = options.namespaces.iter().collect();
    sorted.into_iter().cloned().collect()
}

fn merge(into: &mut Option<Builder>, facts: Builder) {
    match into {
        Some(first) => first.append(facts.facts),
        None => *into = Some(facts),
    }
}

fn state(result: Result<(), ReadError>) -> CoverageState {
    match result {
        Ok(()) => CoverageState::Read,
        Err(ReadError::Forbidden) => CoverageState::Forbidden,
        Err(ReadError::NotFound) => CoverageState::NotInstalled,
        Err(ReadError::Expired) => CoverageState::Failed("the list expired twice while it was read".to_owned()),
        Err(ReadError::Failed(why)) => CoverageState::Failed(why),
    }
}

/// The ConfigMaps to read, by namespace: only in namespaces that exist, where that is known.
pub(super) fn config_maps(namespaces: &[&Namespace], all_known: bool) -> Vec<(String, BTreeSet<String>)> {
    let exists = |name: &str| namespaces.iter().any(|known| *known.meta.name == *name);
    // The mesh revision that its pods get.
    let revisions = namespaces.iter().filter_map(|n| n.meta.labels.get("istio.io/rev")).filter(|r| ***r != *"default");
    let of_revisions = revisions.map(|revision| (ISTIO_NAMESPACE, format!("istio-{revision}")));
    let fixed = CONFIG_MAPS.iter().map(|(namespace, name)| (*namespace, (*name).to_owned()));

    let mut by_namespace: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (namespace, name) in fixed.chain(of_revisions) {
        if !all_known || exists(namespace) {
            by_namespace.entry(namespace.to_owned()).or_default().insert(name);
        }
    }
    by_namespace.into_iter().collect()
}

/// Names of ConfigMaps by what they are for, which is the kind of their coverage.
pub(super) type Purposes = BTreeMap<&'static str, BTreeSet<String>>;

/// ConfigMaps by namespace, and there by what they are for.
pub(super) type Names = BTreeMap<String, Purposes>;

/// A ConfigMap that is named: what for, its namespace and its name.
pub(super) type Named = (&'static str, Str, Str);

/// The ConfigMaps that pods and templates mount where trust is decided, those from which their containers take variables,
/// and those that other objects name for their certificates.
pub(super) fn named_by(facts: &Facts) -> Vec<Named> {
    let of_pods = Mounted::of(facts).names.into_iter().filter_map(|(namespace, name)| Some((namespace?, name)));
    let certificates = of_pods.chain(openshift::named_maps(facts)).chain(named_by_sets(&facts.others));
    let certificates = certificates.map(|(namespace, name)| (CERTIFICATE_CONFIG_MAPS, namespace, name));
    let used = Used::of(facts);
    let variables = used.names().map(|(namespace, name)| (VARIABLE_CONFIG_MAPS, namespace, name));
    let mut named: Vec<Named> = certificates.chain(variables).collect();
    named.sort_unstable();
    named
}

/// The ConfigMaps to read, by namespace: `fixed`, those that objects name, and those that somebody asks for.
pub(super) fn wanted(
    named: impl Iterator<Item = Named>,
    asked: &[(Str, Str)],
    fixed: Vec<(String, BTreeSet<String>)>,
) -> Names {
    let mut by_namespace = Names::new();
    for (namespace, names) in fixed {
        by_namespace.entry(namespace).or_default().insert("ConfigMap", names);
    }
    let asked = asked.iter().cloned().map(|(namespace, name)| (CERTIFICATE_CONFIG_MAPS, namespace, name));
    for (what, namespace, name) in named.chain(asked) {
        let purposes = by_namespace.entry(namespace.to_string()).or_default();
        purposes.entry(what).or_default().insert(name.to_string());
    }
    by_namespace
}

/// The ConfigMaps in which endpoint sets of the cluster have certificates.
fn named_by_sets(others: &[OtherObject]) -> Vec<(Str, Str)> {
    let sets = others.iter().filter(|o| o.group == crate::crd::GROUP && o.kind == "EndpointSet");
    let endpoints = sets.filter_map(|o| o.spec.get("endpoints")?.as_array()).flatten();
    let certificates = endpoints.flat_map(|e| [e.get("ca"), e.get("chain")]).flatten();
    let named = |certificates: &serde_json::Value| {
        let map = certificates.get("configMap")?;
        let text = |key: &str| map.get(key)?.as_str().map(Str::from);
        Some((text("namespace")?, text("name")?))
    };
    certificates.filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn namespaces() -> Vec<Namespace> {
        let page = r#"{"items":[
            {"metadata":{"name":"kube-system"}},
            {"metadata":{"name":"istio-system","labels":{}}},
            {"metadata":{"name":"ci","labels":{"istio.io/rev":"1-27"}}}]}"#;
        let mut builder = Builder::live(jiff::Timestamp::UNIX_EPOCH);
        json::decode_list(page.as_bytes(), 0, &mut builder, Some(("v1", "Namespace"))).unwrap();
        builder.facts.namespaces
    }

    #[test]
    fn config_maps_are_asked_for_where_they_can_be() {
        let asked = config_maps(&namespaces().iter().collect::<Vec<_>>(), true);
        let names: Vec<_> = asked.iter().map(|(namespace, _)| namespace.as_str()).collect();
        assert_eq!(names, ["istio-system", "kube-system"]);
        assert_eq!(asked[0].1.iter().map(String::as_str).collect::<Vec<_>>(), ["istio", "istio-1-27"]);
        assert!(asked[1].1.contains("coredns"));
    }

    #[test]
    fn config_maps_are_asked_for_everywhere_when_namespaces_are_not_known() {
        let asked = config_maps(&namespaces().iter().collect::<Vec<_>>(), false);
        assert!(asked.iter().any(|(namespace, _)| namespace == "openshift-dns"));
    }
}
