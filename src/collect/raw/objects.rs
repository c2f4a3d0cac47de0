//! Every other kind that is a fact.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Condition, IntOrText, Ip, Meta, Pairs, Template, Text};

/// An object of which only the metadata matters.
#[derive(Debug, Deserialize)]
pub(crate) struct Bare<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
}

/// A `Node`.
#[derive(Debug, Deserialize)]
pub(crate) struct Node<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<NodeSpec<'a>>,
    #[serde(borrow)]
    pub(crate) status: Option<NodeStatus<'a>>,
}

/// What an agent writes about its node.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeTrust<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    pub(crate) status: Option<crate::crd::NodeTrustStatus>,
}

/// `NodeSpec`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NodeSpec<'a> {
    #[serde(borrow, rename = "podCIDR")]
    pub(crate) pod_cidr: Option<Text<'a>>,
    #[serde(borrow, rename = "podCIDRs")]
    pub(crate) pod_cidrs: Option<Vec<Text<'a>>>,
    #[serde(borrow, rename = "providerID")]
    pub(crate) provider_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) taints: Option<Vec<Taint<'a>>>,
    pub(crate) unschedulable: Option<bool>,
}

/// A taint.
#[derive(Debug, Deserialize)]
pub(crate) struct Taint<'a> {
    #[serde(borrow)]
    pub(crate) key: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) effect: Option<Text<'a>>,
}

/// `NodeStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeStatus<'a> {
    #[serde(borrow)]
    pub(crate) addresses: Option<Vec<NodeAddress<'a>>>,
    #[serde(borrow)]
    pub(crate) node_info: Option<NodeInfo<'a>>,
    #[serde(borrow)]
    pub(crate) conditions: Option<Vec<Condition<'a>>>,
}

/// A node's address.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeAddress<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) address: Option<Text<'a>>,
}

/// `NodeSystemInfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeInfo<'a> {
    #[serde(borrow)]
    pub(crate) kubelet_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) container_runtime_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) operating_system: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) os_image: Option<Text<'a>>,
}

/// Any kind with a pod template.
#[derive(Debug, Deserialize)]
pub(crate) struct Workload<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<WorkloadSpec<'a>>,
    #[serde(borrow)]
    pub(crate) status: Option<WorkloadStatus<'a>>,
    /// Of a `PodTemplate`.
    #[serde(borrow)]
    pub(crate) template: Option<Template<'a>>,
}

/// The union of the kinds' `spec`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadSpec<'a> {
    pub(crate) replicas: Option<u32>,
    pub(crate) parallelism: Option<u32>,
    #[serde(borrow)]
    pub(crate) template: Option<Template<'a>>,
    #[serde(borrow)]
    pub(crate) job_template: Option<JobTemplate<'a>>,
}

/// `JobTemplateSpec`.
#[derive(Debug, Deserialize)]
pub(crate) struct JobTemplate<'a> {
    #[serde(borrow)]
    pub(crate) spec: Option<JobSpec<'a>>,
}

/// `JobSpec`.
#[derive(Debug, Deserialize)]
pub(crate) struct JobSpec<'a> {
    pub(crate) parallelism: Option<u32>,
    #[serde(borrow)]
    pub(crate) template: Option<Template<'a>>,
}

/// The union of the kinds' `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadStatus<'a> {
    pub(crate) desired_number_scheduled: Option<u32>,
    pub(crate) number_ready: Option<u32>,
    #[serde(borrow)]
    pub(crate) conditions: Option<Vec<Condition<'a>>>,
}

/// A `Service`.
#[derive(Debug, Deserialize)]
pub(crate) struct Service<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<ServiceSpec<'a>>,
    #[serde(borrow)]
    pub(crate) status: Option<ServiceStatus<'a>>,
}

/// `ServiceSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceSpec<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow, rename = "clusterIP")]
    pub(crate) cluster_ip: Option<Text<'a>>,
    #[serde(borrow, rename = "clusterIPs")]
    pub(crate) cluster_ips: Option<Vec<Text<'a>>>,
    #[serde(borrow, rename = "externalIPs")]
    pub(crate) external_ips: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) selector: Option<Pairs<'a>>,
    #[serde(borrow)]
    pub(crate) ports: Option<Vec<ServicePort<'a>>>,
    #[serde(borrow)]
    pub(crate) external_name: Option<Text<'a>>,
}

/// One port of a Service.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServicePort<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) protocol: Option<Text<'a>>,
    pub(crate) port: u16,
    pub(crate) target_port: Option<IntOrText>,
}

/// `ServiceStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceStatus<'a> {
    #[serde(borrow)]
    pub(crate) load_balancer: Option<LoadBalancer<'a>>,
}

/// `LoadBalancerStatus`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct LoadBalancer<'a> {
    #[serde(borrow)]
    pub(crate) ingress: Option<Vec<Ip<'a>>>,
}

/// An `EndpointSlice`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointSlice<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) address_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) endpoints: Option<Vec<SliceEndpoint<'a>>>,
    #[serde(borrow)]
    pub(crate) ports: Option<Vec<EndpointPort<'a>>>,
}

/// One endpoint of a slice.
#[derive(Debug, Deserialize)]
pub(crate) struct SliceEndpoint<'a> {
    #[serde(borrow)]
    pub(crate) addresses: Option<Vec<Text<'a>>>,
    pub(crate) conditions: Option<EndpointConditions>,
}

/// `EndpointConditions`; an absent `ready` counts as ready (`discovery/v1` types).
#[derive(Debug, Deserialize)]
pub(crate) struct EndpointConditions {
    pub(crate) ready: Option<bool>,
}

/// A port of a slice or of a subset.
#[derive(Debug, Deserialize)]
pub(crate) struct EndpointPort<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) protocol: Option<Text<'a>>,
    pub(crate) port: Option<u16>,
}

/// A core `Endpoints` object.
#[derive(Debug, Deserialize)]
pub(crate) struct Endpoints<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) subsets: Option<Vec<Subset<'a>>>,
}

/// `EndpointSubset`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subset<'a> {
    #[serde(borrow)]
    pub(crate) addresses: Option<Vec<Ip<'a>>>,
    #[serde(borrow)]
    pub(crate) not_ready_addresses: Option<Vec<Ip<'a>>>,
    #[serde(borrow)]
    pub(crate) ports: Option<Vec<EndpointPort<'a>>>,
}

/// A `ConfigMap`.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfigMap<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) data: Option<Pairs<'a>>,
    #[serde(borrow, rename = "binaryData")]
    pub(crate) binary_data: Option<Pairs<'a>>,
}

/// An object that holds certificates or spreads them.
#[derive(Debug, Deserialize)]
pub(crate) struct Trusting<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) status: Option<&'a RawValue>,
}

/// An object whose `spec` is kept as written.
#[derive(Debug, Deserialize)]
pub(crate) struct Other<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<&'a RawValue>,
}
