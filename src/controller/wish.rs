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
