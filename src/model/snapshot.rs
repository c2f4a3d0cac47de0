//! Everything that was read, with its origins and its instant.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::aws::AwsScope;
use super::object::{
    ConfigMap, EndpointSlice, Meta, Namespace, NetworkPolicy, Node, OtherObject, Pod, Service, Workload,
};
use super::text::Str;
use super::trust::{NodeTrust, TrustBundle, TrustNote};
use super::variables::VariableMap;

/// The facts of one collection: the only input of an evaluation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// When the facts were read.
    pub instant: jiff::Timestamp,
    /// What they were read from.
    pub world: World,
    /// Context or server of a live cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Str>,
    /// Files and other sources, by [`Origin::source`](super::object::Origin::source).
    #[serde(default)]
    pub sources: Vec<Str>,
    /// How completely each kind was read.
    #[serde(default)]
    pub coverage: Vec<Coverage>,
    /// What could not be read, or not as it was meant.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Documents of kinds that no verdict depends on, counted by kind.
    #[serde(default)]
    pub ignored_kinds: BTreeMap<Str, u64>,
    /// Files that are Helm templates, counted.
    #[serde(default)]
    pub helm_templates: u64,
    /// Namespaced objects without a namespace that were read into the default one.
    #[serde(default)]
    pub namespace_defaulted: u64,
    /// What objects without a namespace were read into.
    #[serde(default)]
    pub default_namespace: Str,
    /// Namespaces.
    #[serde(default)]
    pub namespaces: Vec<Namespace>,
    /// Nodes.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// Pods.
    #[serde(default)]
    pub pods: Vec<Pod>,
    /// Objects with pod templates.
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// Services.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Endpoint slices.
    #[serde(default)]
    pub endpoint_slices: Vec<EndpointSlice>,
    /// `networking.k8s.io/v1` NetworkPolicies.
    #[serde(default)]
    pub network_policies: Vec<NetworkPolicy>,
    /// ConfigMaps that configure an engine, a mesh or DNS.
    #[serde(default)]
    pub config_maps: Vec<ConfigMap>,
    /// ConfigMaps from which containers take variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variable_maps: Vec<VariableMap>,
    /// Objects of kinds that are not evaluated but may decide, or that mark an engine.
    #[serde(default)]
    pub others: Vec<OtherObject>,
    /// Cloud documents that were seen and that this version does not evaluate, which makes that layer unknown.
    #[serde(default)]
    pub cloud_documents: Vec<CloudDocument>,
    /// What is known about the trust of nodes.
    #[serde(default)]
    pub node_trust: Vec<NodeTrust>,
    /// Certificates in API objects.
    #[serde(default)]
    pub trust_bundles: Vec<TrustBundle>,
    /// Traps in the objects that hold certificates: each becomes a finding.
    #[serde(default)]
    pub trust_notes: Vec<TrustNote>,
    /// Facts about AWS networks, one entry for each account and region. A saved snapshot keeps them in files of their
    /// own, as `aws ec2 describe-*` prints them.
    #[serde(default, skip)]
    pub aws: Vec<AwsScope>,
}

/// Whether absence is a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// A folder of manifests: a Kubernetes object that is absent does not exist.
    #[default]
    Closed,
    /// A live cluster: what a kind's coverage says.
    Live,
}

/// [`Coverage::kind`] of the ConfigMaps of a live cluster that pods mount where trust is decided, or that somebody
/// names for their certificates: each is read by its name, so one row for a namespace stands for all of them.
pub const CERTIFICATE_CONFIG_MAPS: &str = "ConfigMaps with certificates";

/// [`Coverage::kind`] of the ConfigMaps of a live cluster that containers take variables from: each is read by its
/// name, so one row for a namespace stands for all of them.
pub const VARIABLE_CONFIG_MAPS: &str = "ConfigMaps with variables";

/// How completely one kind was read in one scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// `kubernetes`, `file <name>`, or `aws <account>/<region>` as far as these are known.
    pub source: Str,
    /// API kind, such as `NetworkPolicy`, or key of a list, such as `SecurityGroups`; `*` for a whole file.
    pub kind: Str,
    /// The namespace, where only one was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Str>,
    /// The result.
    #[serde(flatten)]
    pub state: CoverageState,
}

/// The result of reading one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "state", content = "why")]
pub enum CoverageState {
    /// Read whole.
    Read,
    /// The credentials may not read it.
    Forbidden,
    /// The server does not have the kind.
    NotInstalled,
    /// Reading failed.
    Failed(String),
    /// Nobody asked for it.
    NotRequested,
}

impl CoverageState {
    /// Whether something that may exist was not read.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Forbidden | Self::Failed(_))
    }
}

/// In words, after a colon or "not read".
impl fmt::Display for CoverageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "it was read",
            Self::Forbidden => "the credentials may not read it",
            Self::NotInstalled => "the server does not have it",
            Self::Failed(why) => why,
            Self::NotRequested => "nobody asked for it",
        })
    }
}

/// What could not be read, or not as it was meant. It becomes a finding, and may make outcomes unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What kind of problem.
    pub class: ProblemClass,
    /// One sentence, without the place.
    pub message: String,
    /// Source index.
    pub source: u32,
    /// Line, from 1; 0 if unknown.
    pub line: u32,
    /// The object's kind, if it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Str>,
    /// The object's namespace, if it could be told and the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Str>,
    /// The object's name, if it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str>,
    /// How many times it was met, when equal problems were folded into one.
    pub count: u64,
}

impl Problem {
    /// A problem with an object, and with those like it, that was not met yet: each time it is met `count` goes up.
    pub fn with(class: ProblemClass, message: String, kind: &str, meta: &Meta) -> Self {
        Self {
            class,
            message,
            source: meta.origin.source,
            line: meta.origin.line,
            kind: Some(kind.into()),
            namespace: meta.namespace.clone(),
            name: Some(meta.name.clone()),
            count: 0,
        }
    }
}

/// The classes of reading problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProblemClass {
    /// The document is not YAML or JSON. No kind is known: no outcome changes, the file's coverage is `Failed`.
    Malformed,
    /// The document parses, its kind and namespace are known, but its content is not of the API's shape:
    /// what the kind could decide there is unknown.
    Unreadable,
    /// Two objects of one kind, namespace and name: the last counts.
    Duplicate,
    /// A file that is a Helm template.
    HelmTemplate,
    /// A kustomization whose result cannot be told without rendering.
    NotRendered,
    /// The namespace of an object cannot be told.
    AmbiguousNamespace,
    /// A link that leads outside, dangles or loops: not followed.
    LinkNotFollowed,
    /// A field that was written but that the API does not have.
    UnknownField,
    /// A document that parses and names no kind: a values file, a snippet, something else.
    NotAnObject,
}

impl ProblemClass {
    /// Whether what the object's kind could decide is unknown because of it.
    pub fn leaves_unknown(self) -> bool {
        matches!(self, Self::Unreadable | Self::NotRendered | Self::AmbiguousNamespace)
    }
}

/// A cloud document that was recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudDocument {
    /// Its top-level key, such as `SecurityGroups` or `networkProfile`.
    pub key: Str,
    /// `networkProfile.outboundType` of `az aks show`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_type: Option<Str>,
    /// Source index.
    pub source: u32,
}

impl Snapshot {
    /// `file:line` of a problem, as far as it is known.
    pub fn place(&self, problem: &Problem) -> String {
        let file = self.source(problem.source);
        if problem.line == 0 { file.to_owned() } else { format!("{file}:{}", problem.line) }
    }

    /// The name of a source.
    pub fn source(&self, index: u32) -> &str {
        self.sources.get(index as usize).map_or("", Str::as_str)
    }
}
