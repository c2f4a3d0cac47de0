//! Pods and pod templates.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Annotations, Meta, Pairs, Text};
use crate::model::object::WrittenSelector;

/// A `Pod`.
#[derive(Debug, Deserialize)]
pub(crate) struct Pod<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<PodSpec<'a>>,
    #[serde(borrow)]
    pub(crate) status: Option<PodStatus<'a>>,
}

/// `PodStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodStatus<'a> {
    #[serde(borrow)]
    pub(crate) phase: Option<Text<'a>>,
    #[serde(borrow, rename = "podIP")]
    pub(crate) pod_ip: Option<Text<'a>>,
    #[serde(borrow, rename = "podIPs")]
    pub(crate) pod_ips: Option<Vec<Ip<'a>>>,
    #[serde(borrow, rename = "hostIP")]
    pub(crate) host_ip: Option<Text<'a>>,
    #[serde(borrow, rename = "hostIPs")]
    pub(crate) host_ips: Option<Vec<Ip<'a>>>,
    #[serde(borrow)]
    pub(crate) conditions: Option<Vec<Condition<'a>>>,
}

/// An entry of `podIPs`, `hostIPs` or `status.loadBalancer.ingress`.
#[derive(Debug, Deserialize)]
pub(crate) struct Ip<'a> {
    #[serde(borrow)]
    pub(crate) ip: Option<Text<'a>>,
}

/// A condition.
#[derive(Debug, Deserialize)]
pub(crate) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) reason: Option<Text<'a>>,
}

/// `PodTemplateSpec`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Template<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Option<TemplateMeta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<PodSpec<'a>>,
}

/// The metadata of a template.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TemplateMeta<'a> {
    #[serde(borrow)]
    pub(crate) labels: Option<Pairs<'a>>,
    #[serde(borrow)]
    pub(crate) annotations: Option<Annotations<'a>>,
}

/// `PodSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodSpec<'a> {
    #[serde(borrow)]
    pub(crate) containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub(crate) init_containers: Option<Vec<Container<'a>>>,
    pub(crate) host_network: Option<bool>,
    #[serde(borrow)]
    pub(crate) node_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) dns_policy: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) dns_config: Option<DnsConfig<'a>>,
    #[serde(borrow)]
    pub(crate) service_account_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) service_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) runtime_class_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) host_aliases: Option<Vec<HostAlias<'a>>>,
    #[serde(borrow)]
    pub(crate) volumes: Option<Vec<Volume<'a>>>,
    #[serde(borrow)]
    pub(crate) node_selector: Option<Pairs<'a>>,
    #[serde(borrow)]
    pub(crate) affinity: Option<Affinity<'a>>,
    /// Read only where it counts: every running pod has some.
    #[serde(borrow)]
    pub(crate) tolerations: Option<&'a RawValue>,
}

/// `Toleration`.
#[derive(Debug, Deserialize)]
pub(crate) struct Toleration<'a> {
    #[serde(borrow)]
    pub(crate) key: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) operator: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) effect: Option<Text<'a>>,
}

/// `Affinity`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Affinity<'a> {
    #[serde(borrow)]
    pub(crate) node_affinity: Option<NodeAffinity<'a>>,
}

/// `NodeAffinity`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeAffinity<'a> {
    /// A [`NodeSelector`].
    #[serde(borrow)]
    pub(crate) required_during_scheduling_ignored_during_execution: Option<&'a RawValue>,
}

/// `NodeSelector`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeSelector<'a> {
    #[serde(borrow)]
    pub(crate) node_selector_terms: Option<Vec<Option<NodeSelectorTerm<'a>>>>,
}

/// `NodeSelectorTerm`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeSelectorTerm<'a> {
    #[serde(borrow)]
    pub(crate) match_expressions: Option<Vec<NodeSelectorRequirement<'a>>>,
    #[serde(borrow)]
    pub(crate) match_fields: Option<Vec<NodeSelectorRequirement<'a>>>,
}

/// `NodeSelectorRequirement`.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeSelectorRequirement<'a> {
    #[serde(borrow)]
    pub(crate) key: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) operator: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) values: Option<Vec<Text<'a>>>,
}

/// `PodDNSConfig`.
#[derive(Debug, Deserialize)]
pub(crate) struct DnsConfig<'a> {
    #[serde(borrow)]
    pub(crate) nameservers: Option<Vec<Text<'a>>>,
}

/// One entry of `hostAliases`.
#[derive(Debug, Deserialize)]
pub(crate) struct HostAlias<'a> {
    #[serde(borrow)]
    pub(crate) ip: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) hostnames: Option<Vec<Text<'a>>>,
}

/// A volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) host_path: Option<HostPath<'a>>,
    #[serde(borrow)]
    pub(crate) config_map: Option<ObjectVolume<'a>>,
    /// An [`ObjectVolume`]; this and `projected` are read only where they count.
    #[serde(borrow)]
    pub(crate) secret: Option<&'a RawValue>,
    /// A [`Projected`].
    #[serde(borrow)]
    pub(crate) projected: Option<&'a RawValue>,
    pub(crate) empty_dir: Option<IgnoredAny>,
    pub(crate) csi: Option<IgnoredAny>,
    pub(crate) image: Option<IgnoredAny>,
    pub(crate) ephemeral: Option<IgnoredAny>,
    pub(crate) persistent_volume_claim: Option<IgnoredAny>,
}

/// A ConfigMap or a Secret as a volume, or as a part of a projected one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectVolume<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) secret_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) items: Option<Vec<KeyToPath<'a>>>,
    pub(crate) optional: Option<bool>,
}

/// `KeyToPath`.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyToPath<'a> {
    #[serde(borrow)]
    pub(crate) key: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) path: Option<Text<'a>>,
}

/// `ProjectedVolumeSource`.
#[derive(Debug, Deserialize)]
pub(crate) struct Projected<'a> {
    #[serde(borrow)]
    pub(crate) sources: Option<Vec<Projection<'a>>>,
}

/// `VolumeProjection`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Projection<'a> {
    #[serde(borrow)]
    pub(crate) config_map: Option<ObjectVolume<'a>>,
    #[serde(borrow)]
    pub(crate) secret: Option<ObjectVolume<'a>>,
    #[serde(borrow)]
    pub(crate) cluster_trust_bundle: Option<BundleProjection<'a>>,
    pub(crate) service_account_token: Option<IgnoredAny>,
    #[serde(rename = "downwardAPI")]
    pub(crate) downward_api: Option<IgnoredAny>,
    pub(crate) pod_certificate: Option<IgnoredAny>,
}

/// `ClusterTrustBundleProjection`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BundleProjection<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) signer_name: Option<Text<'a>>,
    pub(crate) label_selector: Option<WrittenSelector>,
    #[serde(borrow)]
    pub(crate) path: Option<Text<'a>>,
    pub(crate) optional: Option<bool>,
}

/// A `hostPath` volume.
#[derive(Debug, Deserialize)]
pub(crate) struct HostPath<'a> {
    #[serde(borrow)]
    pub(crate) path: Option<Text<'a>>,
}

/// A reference to an object of the same namespace (`ConfigMapEnvSource`, `SecretEnvSource`).
#[derive(Debug, Deserialize)]
pub(crate) struct Reference<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    pub(crate) optional: Option<bool>,
}

/// A container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) image: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) command: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) args: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) env: Option<Vec<EnvVar<'a>>>,
    #[serde(borrow)]
    pub(crate) env_from: Option<Vec<EnvFrom<'a>>>,
    #[serde(borrow)]
    pub(crate) ports: Option<Vec<ContainerPort<'a>>>,
    #[serde(borrow)]
    pub(crate) volume_mounts: Option<Vec<VolumeMount<'a>>>,
}

/// `VolumeMount`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VolumeMount<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) sub_path: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) sub_path_expr: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) mount_path: Option<Text<'a>>,
}

/// An environment variable.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvVar<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value_from: Option<ValueFrom<'a>>,
}

/// `EnvVarSource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValueFrom<'a> {
    #[serde(borrow)]
    pub(crate) config_map_key_ref: Option<KeyRef<'a>>,
    #[serde(borrow)]
    pub(crate) secret_key_ref: Option<KeyRef<'a>>,
}

/// A key of a ConfigMap or Secret.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyRef<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) key: Option<Text<'a>>,
    pub(crate) optional: Option<bool>,
}

/// One `envFrom` entry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvFrom<'a> {
    #[serde(borrow)]
    pub(crate) prefix: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) config_map_ref: Option<Reference<'a>>,
    #[serde(borrow)]
    pub(crate) secret_ref: Option<Reference<'a>>,
}

/// A declared port.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerPort<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(rename = "containerPort")]
    pub(crate) number: u16,
    #[serde(borrow)]
    pub(crate) protocol: Option<Text<'a>>,
}
