//! `EndpointSet` objects: private registries and mirrors, with what their servers present.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::catalogue::Catalogue;
use super::endpoint::{DEFAULT_PORT, EndpointError, endpoint};
use super::presents::{Reference, Told, What};
use super::{Addresses, Endpoint};
use crate::model::codes::{self, Code};
use crate::model::{Protocol, Snapshot, Str};

/// `apiVersion` of endpoint sets.
const API_VERSION: &str = "buildreach.dev/v1alpha1";

/// An `EndpointSet`: private registries and mirrors, and which ecosystems ask them instead of
/// their public endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSet {
    /// Object name.
    pub name: Str,
    /// Identifiers of ecosystems that need these endpoints instead of the public ones; empty if
    /// every subject needs them beside what else it needs.
    pub replaces: Vec<&'static str>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// What they present.
    pub presents: Vec<Told>,
}

/// What is wrong with an endpoint set among the objects that were read; the rest of the set counts.
#[derive(Clone, Debug, PartialEq)]
pub struct SetProblem {
    /// Index into [`Snapshot::others`].
    pub object: usize,
    /// Code of the finding.
    pub code: &'static Code,
    /// One sentence.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// Fields of an endpoint.
const FIELDS: &[&str] = &["host", "port", "addresses", "ca", "chain", "probePath"];

#[derive(Deserialize)]
struct SpecEndpoint {
    host: String,
    #[serde(default)]
    port: Option<i64>,
    #[serde(default)]
    addresses: Vec<IpAddr>,
}

/// One of three places.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpecCertificates {
    #[serde(default)]
    config_map: Option<SpecConfigMap>,
    #[serde(default)]
    inline: Option<String>,
    #[serde(default)]
    file: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpecConfigMap {
    #[serde(default)]
    namespace: Option<Str>,
    name: Str,
    #[serde(default)]
    key: Option<Str>,
}

fn reference(written: &Value) -> Result<Reference, String> {
    let certificates = SpecCertificates::deserialize(written).map_err(|e| e.to_string())?;
    match (certificates.config_map, certificates.inline, certificates.file) {
        (Some(SpecConfigMap { namespace, name, key }), None, None) => Ok(Reference::ConfigMap { namespace, name, key }),
        (None, Some(text), None) => Ok(Reference::Text(text.into_bytes().into())),
        (None, None, Some(path)) => Ok(Reference::File(path)),
        _ => Err("certificates are in one place: configMap, inline or file".to_owned()),
    }
}

/// Reads a file of `EndpointSet` objects, several documents or a `List`.
///
/// # Errors
///
/// The text is not YAML, a document is of another kind, or an object is not usable as a whole.
pub fn parse_endpoint_sets(text: &str, catalogue: &Catalogue) -> Result<Vec<EndpointSet>, EndpointError> {
    let documents: Vec<Option<Value>> =
        serde_saphyr::from_multiple(text).map_err(|e| EndpointError::Yaml(e.to_string()))?;
    let mut sets = Vec::new();
    for (at, document) in documents.into_iter().flatten().enumerate() {
        let items = match document.get("items").and_then(Value::as_array) {
            Some(items) if document.get("kind").and_then(|kind| kind.as_str()).is_some_and(|k| k.ends_with("List")) => {
                items.clone()
            }
            _ => vec![document],
        };
        for item in items {
            let document: Document = serde_json::from_value(item).map_err(|e| EndpointError::Yaml(e.to_string()))?;
            let Document { api_version, kind, metadata: Metadata { name }, spec } = document;
            if kind != "EndpointSet" || api_version != API_VERSION {
                return Err(EndpointError::Kind { number: at + 1, kind, api_version });
            }
            let mut reading = Reading { catalogue, name: &name, problems: Vec::new() };
            let set = reading.set(&spec);
            // What the user gives on the command line has to be right as a whole.
            if let Some(why) = reading.problems.into_iter().next() {
                return Err(EndpointError::Object { name, why });
            }
            sets.push(set);
        }
    }
    Ok(sets)
}

/// Reads one object: what is not usable is left out and told, the rest counts.
struct Reading<'r> {
    catalogue: &'r Catalogue,
    name: &'r str,
    problems: Vec<String>,
}

impl Reading<'_> {
    fn set(&mut self, spec: &Value) -> EndpointSet {
        let mut set =
            EndpointSet { name: self.name.into(), replaces: Vec::new(), endpoints: Vec::new(), presents: Vec::new() };
        let Some(spec) = spec.as_object() else {
            self.problems.push("`spec` is not there, or is no object".to_owned());
            return set;
        };
        self.unknown_fields(spec, &["endpoints", "replaces"], "spec");
        for id in self.list(spec, "replaces") {
            match id
                .as_str()
                .ok_or("it is no text".to_owned())
                .and_then(|id| self.catalogue.resolve(id).map_err(|e| e.to_string()))
            {
                Ok(ids) => set.replaces.extend(ids),
                Err(why) => self.problems.push(format!("spec.replaces: {why}")),
            }
        }
        set.replaces.sort_unstable();
        set.replaces.dedup();
        if !spec.contains_key("endpoints") {
            self.problems.push("missing field `endpoints` of spec".to_owned());
        }
        for (at, written) in self.list(spec, "endpoints").iter().enumerate() {
            self.endpoint(&format!("spec.endpoints[{at}]"), written, &mut set);
        }
        set
    }

    fn list<'v>(&mut self, spec: &'v Map<String, Value>, field: &str) -> &'v [Value] {
        match spec.get(field) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.problems.push(format!("spec.{field} is no list"));
                &[]
            }
        }
    }

    fn unknown_fields(&mut self, object: &Map<String, Value>, known: &[&str], path: &str) {
        let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
        self.problems.extend(unknown.map(|key| format!("unknown field `{key}` of {path}, which is ignored")));
    }

    fn endpoint(&mut self, path: &str, written: &Value, set: &mut EndpointSet) {
        if let Some(object) = written.as_object() {
            self.unknown_fields(object, FIELDS, path);
        }
        let endpoint = match self.destination(written) {
            Ok(endpoint) => endpoint,
            Err(why) => return self.problems.push(format!("{path} does not count: {why}")),
        };
        for (what, field) in [(What::Authority, "ca"), (What::Chain, "chain")] {
            let Some(certificates) = written.get(field).filter(|written| !written.is_null()) else { continue };
            let reference = reference(certificates).unwrap_or_else(|why| {
                let why = format!("{path}.{field}: {why}");
                self.problems.push(why.clone());
                Reference::Wrong(why.into())
            });
            let from = format!("EndpointSet {}", self.name).into();
            set.presents.push(Told { host: endpoint.host.clone(), port: Some(endpoint.port), what, reference, from });
        }
        set.endpoints.push(endpoint);
    }

    fn destination(&self, written: &Value) -> Result<Endpoint, String> {
        let SpecEndpoint { host, port, addresses } = SpecEndpoint::deserialize(written).map_err(|e| e.to_string())?;
        let port = port.map_or(Ok(DEFAULT_PORT), |port| {
            u16::try_from(port).ok().filter(|port| *port > 0).ok_or(format!("{port} is no port (1 to 65535)"))
        })?;
        let mut endpoint = endpoint(&host, port, Protocol::Tcp, self.catalogue)
            .ok_or_else(|| format!("`{host}` is neither a name nor an address"))?;
        if !addresses.is_empty() {
            if matches!(endpoint.addresses, Addresses::Bare(_)) {
                return Err(format!("`{host}` is an address and takes no addresses"));
            }
            endpoint.addresses = Addresses::Listed(addresses);
        }
        Ok(endpoint)
    }
}

/// The endpoint sets among the objects that were read: what they tell about hosts is known, and nobody needs an endpoint
/// because of them.
pub fn sets_of(snapshot: &Snapshot, catalogue: &Catalogue) -> (Vec<EndpointSet>, Vec<SetProblem>) {
    let (mut sets, mut problems) = (Vec::new(), Vec::new());
    let objects = snapshot.others.iter().enumerate();
    for (at, object) in objects.filter(|(_, o)| o.group == "buildreach.dev" && o.kind == "EndpointSet") {
        let mut reading = Reading { catalogue, name: &object.meta.name, problems: Vec::new() };
        let set = reading.set(&object.spec);
        let name = &object.meta.name;
        let problem =
            |code, why: String| SetProblem { object: at, code, message: format!("EndpointSet `{name}`: {why}") };
        problems.extend(reading.problems.into_iter().map(|why| problem(&codes::OBJ_SHAPE, why)));
        let missing = set.presents.iter().filter_map(|told| Some((told, told.reference.missing(snapshot)?)));
        problems.extend(missing.map(|(told, why)| {
            let host = &told.host;
            problem(&codes::TLS_CA_NOT_THERE, format!("what {host} presents cannot be known: {why}"))
        }));
        sets.push(set);
    }
    (sets, problems)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endpoint_sets_replace_ecosystems() {
        let catalogue = Catalogue::builtin();
        let text = "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {name: corp-nexus}\nspec:\n  replaces: [npm, pypi]\n  endpoints:\n  - {host: nexus.corp.example, port: 443, addresses: [10.20.0.15], ca: {configMap: {name: ca}}, probePath: /status}\n---\napiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {name: more}\nspec: {endpoints: [{host: 10.0.0.1, port: 8080}]}\n";
        let sets = parse_endpoint_sets(text, &catalogue).unwrap();
        assert_eq!(sets.len(), 2);
        assert_eq!(sets[0].replaces, ["node", "python"]);
        assert_eq!(sets[0].endpoints[0].addresses, Addresses::Listed(vec!["10.20.0.15".parse().unwrap()]));
        assert_eq!((sets[1].endpoints[0].port, sets[1].replaces.len()), (8080, 0));
        for bad in [
            "kind: Pod\napiVersion: v1\n",
            "[",
            "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nspec: {replaces: [cobol], endpoints: []}\n",
            "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nspec: {endpoint: []}\n",
            "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nspec: {endpoints: [{host: a/b}]}\n",
            "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nspec: {endpoints: [{host: 10.0.0.1, addresses: [10.0.0.2]}]}\n",
        ] {
            assert!(parse_endpoint_sets(bad, &catalogue).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:./{}\\[\\], é-]{0,40}") {
            let spec = format!("apiVersion: {API_VERSION}\nkind: EndpointSet\nspec: {text}\n");
            let _ = (parse_endpoint_sets(&text, &Catalogue::builtin()), parse_endpoint_sets(&spec, &Catalogue::builtin()));
        }
    }
}
