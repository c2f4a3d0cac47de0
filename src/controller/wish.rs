//! What the audit resources of a cluster ask for.

use kube::ResourceExt as _;
use serde_json::Value;

use crate::crd::build_audit::{AuditStatus, BuildAuditSpec, LabelSelector, Operator};
use crate::crd::{BuildAudit, ClusterBuildAudit};
use crate::demand::{self, Catalogue, DemandOptions, EndpointSet};
use crate::model::{Selector, Snapshot, Str};
use crate::trace::audit::Question;

/// Which resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuditId {
    /// A `ClusterBuildAudit`.
    Cluster {
        /// Its name.
        name: String,
    },
    /// A `BuildAudit`.
    Namespaced {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// One resource: what it asks, and what its status says so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Which.
    pub id: AuditId,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Of a ClusterBuildAudit: which namespaces.
    pub namespaces: Option<LabelSelector>,
    /// What is asked; or why nothing can be.
    pub spec: Result<BuildAuditSpec, String>,
    /// What was written last.
    pub status: Option<AuditStatus>,
}

impl Wish {
    /// That of a BuildAudit.
    pub fn namespaced(audit: BuildAudit) -> Self {
        Self {
            id: AuditId::Namespaced { namespace: audit.namespace().unwrap_or_default(), name: audit.name_any() },
            uid: audit.uid().unwrap_or_default(),
            generation: audit.metadata.generation.unwrap_or_default(),
            namespaces: None,
            spec: Ok(audit.spec),
            status: audit.status,
        }
    }

    /// That of a ClusterBuildAudit.
    pub fn cluster(audit: ClusterBuildAudit) -> Self {
        Self {
            id: AuditId::Cluster { name: audit.name_any() },
            uid: audit.uid().unwrap_or_default(),
            generation: audit.metadata.generation.unwrap_or_default(),
            namespaces: audit.spec.namespace_selector,
            spec: Ok(audit.spec.audit),
            status: audit.status,
        }
    }

    /// That of an object which is not of the shape of its kind: the schema may be older than this program.
    pub fn malformed(id: AuditId, metadata: &Value, why: String) -> Self {
        Self {
            id,
            uid: metadata["uid"].as_str().unwrap_or_default().to_owned(),
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            namespaces: None,
            spec: Err(why),
            status: None,
        }
    }

    /// What the evaluator is to be asked.
    ///
    /// # Errors
    ///
    /// The spec asks for something that does not exist, or in a way that the schema cannot refuse.
    pub fn question(
        &self,
        snapshot: &Snapshot,
        catalogue: &Catalogue,
        sets: &[EndpointSet],
    ) -> Result<(DemandOptions, Question), String> {
        let spec = self.spec.as_ref().map_err(Clone::clone)?;
        let mut options = DemandOptions { namespaces: self.scope(snapshot)?, ..DemandOptions::default() };
        options.selector =
            spec.selector.as_ref().map(selector).transpose().map_err(|why| format!("selector: {why}"))?;
        if !spec.ecosystems.is_empty() {
            let mut ids = Vec::new();
            for name in &spec.ecosystems {
                ids.extend(catalogue.resolve(name).map_err(|why| format!("ecosystems: {why}"))?);
            }
            options.ecosystems = Some(ids);
        }
        for text in &spec.endpoints {
            let endpoint = demand::parse_endpoint(text, catalogue).map_err(|why| format!("endpoints: {why}"))?;
            options.endpoints.push(endpoint);
        }
        for name in &spec.endpoint_sets {
            let set = sets.iter().find(|set| *set.name == **name);
            options.endpoint_sets.push(
                set.cloned()
                    .ok_or_else(|| format!("endpointSets: there is no EndpointSet {name} that could be used"))?,
            );
        }
        if let Some(defect) = spec.exceptions.iter().find_map(crate::model::exception::Exception::defect) {
            return Err(format!("exceptions: {defect}"));
        }
        let question = Question {
            require: spec.required_layers.clone(),
            exceptions: spec.exceptions.clone(),
            ..Question::default()
        };
        Ok((options, question))
    }

    /// The namespaces to look for subjects in; none for all.
    fn scope(&self, snapshot: &Snapshot) -> Result<Vec<Str>, String> {
        let written = match (&self.id, &self.namespaces) {
            (AuditId::Namespaced { namespace, .. }, _) => return Ok(vec![namespace.as_str().into()]),
            (AuditId::Cluster { .. }, None) => return Ok(Vec::new()),
            (AuditId::Cluster { .. }, Some(written)) => written,
        };
        let selector = selector(written).map_err(|why| format!("namespaceSelector: {why}"))?;
        if selector.is_everything() {
            return Ok(Vec::new());
        }
        let all = snapshot.namespaces.iter().filter(|namespace| selector.matches(&namespace.meta.labels));
        let mut names: Vec<Str> = all.map(|namespace| namespace.meta.name.clone()).collect();
        if names.is_empty() {
            // No namespace has an empty name: none is selected, and that is not all.
            names.push(Str::default());
        }
        Ok(names)
    }
}

/// The selector that a resource writes.
fn selector(written: &LabelSelector) -> Result<Selector, String> {
    let labels = written.match_labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    let expressions = written.match_expressions.iter().map(|requirement| {
        let operator = match requirement.operator {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        };
        let values = requirement.values.iter().map(|value| value.as_str().into()).collect();
        (requirement.key.as_str().into(), operator, values)
    });
    Selector::new(labels, expressions).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::collect::files::{Options, from_texts};

    const NAMESPACES: &str = "\
        {apiVersion: v1, kind: Namespace, metadata: {name: ci, labels: {team: build, tier: a}}}\n---\n\
        {apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {team: web}}}\n---\n\
        {apiVersion: v1, kind: Namespace, metadata: {name: bare}}\n";

    fn cluster(spec: serde_json::Value) -> Wish {
        let audit = json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "ClusterBuildAudit",
            "metadata": {"name": "all", "generation": 2, "uid": "u"}, "spec": spec});
        Wish::cluster(serde_json::from_value(audit).unwrap())
    }

    fn namespaced(spec: serde_json::Value) -> Wish {
        let audit = json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
            "metadata": {"name": "builds", "namespace": "ci", "generation": 2}, "spec": spec});
        Wish::namespaced(serde_json::from_value(audit).unwrap())
    }

    fn question(wish: &Wish) -> Result<(DemandOptions, Question), String> {
        let snapshot = from_texts(&[("namespaces.yaml", NAMESPACES)], &Options::default());
        wish.question(&snapshot, &Catalogue::builtin(), &[])
    }

    /// The namespaces that are looked in; none for all.
    fn scope(spec: serde_json::Value) -> Vec<String> {
        question(&cluster(spec)).unwrap().0.namespaces.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_namespace_selector_selects_what_its_labels_say() {
        assert!(scope(json!({})).is_empty(), "no selector: all");
        assert!(scope(json!({"namespaceSelector": {}})).is_empty(), "an empty one: all");
        assert_eq!(scope(json!({"namespaceSelector": {"matchLabels": {"team": "build"}}})), ["ci"]);
        let by = |operator: &str, key: &str, values: &[&str]| {
            let mut expression = json!({"key": key, "operator": operator});
            if !values.is_empty() {
                expression["values"] = json!(values);
            }
            scope(json!({"namespaceSelector": {"matchExpressions": [expression]}}))
        };
        assert_eq!(by("In", "team", &["web", "other"]), ["web"]);
        assert_eq!(by("NotIn", "team", &["web"]), ["ci", "bare"], "who has no such label is not in it");
        assert_eq!(by("Exists", "tier", &[]), ["ci"]);
        assert_eq!(by("DoesNotExist", "team", &[]), ["bare"]);
        assert_eq!(by("In", "kubernetes.io/metadata.name", &["web"]), ["web"]);
        let both = json!({"namespaceSelector": {"matchLabels": {"team": "build"},
            "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}});
        assert_eq!(scope(both), [""], "both have to hold");
    }

    #[test]
    fn a_namespace_selector_that_matches_nothing_selects_nothing() {
        let wish = cluster(json!({"namespaceSelector": {"matchLabels": {"team": "nobody"}}}));
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: build, namespace: ci, labels: {buildreach.dev/build: 'true'}},\n\
            spec: {containers: [{name: go, image: 'golang:1.26', command: [go, build]}]}, status: {phase: Running}}\n";
        let snapshot = from_texts(&[("namespaces.yaml", NAMESPACES), ("pod.yaml", pod)], &Options::default());
        let catalogue = Catalogue::builtin();
        let subjects = |wish: &Wish| {
            let (options, _) = wish.question(&snapshot, &catalogue, &[]).unwrap();
            demand::build(&snapshot, &catalogue, &options).subjects.len()
        };
        assert_eq!(subjects(&wish), 0);
        assert_eq!(subjects(&cluster(json!({}))), 1);
    }

    #[test]
    fn an_audit_of_a_namespace_is_of_that_namespace_and_of_its_selector() {
        let (options, _) = question(&namespaced(json!({"selector": {"matchLabels": {"team": "build"}}}))).unwrap();
        assert_eq!(options.namespaces, ["ci"]);
        let selector = options.selector.unwrap();
        let matches = |labels: &[(&str, &str)]| {
            selector.matches(&crate::model::Labels::new(labels.iter().map(|(k, v)| ((*k).into(), (*v).into()))))
        };
        assert!(matches(&[("team", "build"), ("x", "y")]));
        assert!(!matches(&[("team", "web")]));
        assert!(!matches(&[]));
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let why = |spec| question(&namespaced(spec)).unwrap_err();
        assert!(why(json!({"ecosystems": ["golangg"]})).starts_with("ecosystems: "));
        assert!(why(json!({"endpointSets": ["nexus"]})).contains("no EndpointSet nexus"));
        assert!(why(json!({"endpoints": ["http://:0:0"]})).starts_with("endpoints: "));
        let malformed = Wish::malformed(
            AuditId::Cluster { name: "odd".to_owned() },
            &json!({"uid": "u", "generation": 4}),
            "no spec".to_owned(),
        );
        assert_eq!((question(&malformed).unwrap_err().as_str(), malformed.generation), ("no spec", 4));
    }
}
