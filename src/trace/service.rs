//! Who stands behind a Service: policies see the pods after translation (except AWS, which is not modelled).

use std::net::IpAddr;

use super::context::Context;
use crate::model::object::{IntOrString, Pod, Service, ServicePort};
use crate::model::{Protocol, Str};
use crate::policy::Party;

/// One backend of a Service port.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The pod as policies see it.
    pub party: Party,
    /// Its index in the snapshot; `None` for one that a template predicts.
    pub pod: Option<u32>,
    /// The port that it listens on.
    pub port: u16,
}

/// What a Service port leads to.
#[derive(Clone, Debug, Default)]
pub struct Backends {
    /// Pods, running ones before predicted ones.
    pub pods: Vec<Backend>,
    /// Addresses that are no pods', with their ports (`EndpointSlice`s that somebody wrote).
    pub addresses: Vec<(IpAddr, u16)>,
}

impl Backends {
    /// Whether nothing is known to stand behind it.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty() && self.addresses.is_empty()
    }
}

/// The backends of a Service for one of its ports; `port` is the Service's port, or with `by_target` the port at
/// the destination.
pub fn backends(context: &Context<'_>, service: &Service, protocol: Protocol, port: u16, by_target: bool) -> Backends {
    let mut found = Backends::default();
    let matching = |entry: &&ServicePort| entry.protocol == protocol && (by_target || entry.port == port);
    let Some(selector) = service.selector.as_ref().filter(|s| !s.is_empty()) else {
        slices(context, service, protocol, port, by_target, &mut found);
        return found;
    };
    let selects = |labels: &crate::model::Labels| selector.iter().all(|(k, v)| labels.get(k) == Some(v));
    let targets = |spec: &crate::model::object::PodSpec| -> Vec<u16> {
        if by_target {
            return vec![port];
        }
        let mut ports = Vec::new();
        for entry in service.ports.iter().filter(matching) {
            match &entry.target_port {
                None => ports.push(entry.port),
                Some(IntOrString::Int(number)) => ports.extend(u16::try_from(*number)),
                Some(IntOrString::String(name)) => ports.extend(spec.named_port(name, protocol)),
            }
        }
        ports
    };
    let ready = |pod: &Pod| !pod.phase.is_terminal() && pod.ready != Some(false);
    for (i, pod) in (0u32..).zip(&context.snapshot.pods) {
        if pod.meta.namespace == service.meta.namespace && selects(&pod.meta.labels) && ready(pod) {
            found.pods.extend(targets(&pod.spec).into_iter().map(|port| Backend {
                party: context.party(pod),
                pod: Some(i),
                port,
            }));
        }
    }
    if found.pods.is_empty() {
        for workload in &context.snapshot.workloads {
            let here = workload.meta.namespace == service.meta.namespace && workload.owner.is_none();
            if here && !workload.finished && selects(&workload.template_labels) {
                found.pods.extend(targets(&workload.spec).into_iter().map(|port| Backend {
                    party: context.predicted(workload),
                    pod: None,
                    port,
                }));
            }
        }
    }
    found
}

fn slices(
    context: &Context<'_>,
    service: &Service,
    protocol: Protocol,
    port: u16,
    by_target: bool,
    found: &mut Backends,
) {
    let name = |labels: &crate::model::Labels| labels.get("kubernetes.io/service-name").cloned();
    for slice in &context.snapshot.endpoint_slices {
        if slice.meta.namespace != service.meta.namespace
            || name(&slice.meta.labels).as_ref() != Some(&service.meta.name)
        {
            continue;
        }
        let entries = service.ports.iter().filter(|e| e.protocol == protocol && (by_target || e.port == port));
        let mut ports: Vec<u16> = entries
            .flat_map(|entry| {
                slice.ports.iter().filter(move |(name, p, _)| *p == protocol && *name == entry.name).map(|(_, _, n)| *n)
            })
            .collect();
        if by_target {
            ports = vec![port];
        }
        for (ip, port) in slice.addresses.iter().flat_map(|ip| ports.iter().map(move |port| (*ip, *port))) {
            match context.pod_at(ip) {
                Some((i, pod)) => found.pods.push(Backend { party: context.party(pod), pod: Some(i), port }),
                None => found.addresses.push((ip, port)),
            }
        }
    }
}

/// The Service that a name of the cluster means: `name.ns.svc`, with or without the cluster domain.
pub fn named<'a>(context: &Context<'a>, host: &str) -> Option<&'a Service> {
    // `name.namespace` without more is a cluster name only if that Service is there.
    let (name, namespace) = cluster_name(host).or_else(|| host.split_once('.'))?;
    context
        .snapshot
        .services
        .iter()
        .find(|s| s.meta.name == name && s.meta.namespace.as_ref().is_some_and(|n| *n == namespace))
}

/// `(service, namespace)` of a name of the cluster.
pub fn cluster_name(host: &str) -> Option<(&str, &str)> {
    let host = host.trim_end_matches('.');
    // Whatever the cluster's domain is called.
    let rest = host.strip_suffix(".svc").or_else(|| host.split_once(".svc.").map(|(rest, _)| rest))?;
    rest.split_once('.').filter(|(name, namespace)| !name.is_empty() && !namespace.contains('.'))
}

/// The Services that answer for cluster DNS, by namespace and name, in the order of preference.
const CLUSTER_DNS: &[(&str, &str)] = &[
    ("kube-system", "kube-dns"),
    ("openshift-dns", "dns-default"),
    ("kube-system", "rke2-coredns-rke2-coredns"),
    ("kube-system", "coredns"),
];

/// The Service of cluster DNS.
pub fn cluster_dns<'a>(context: &Context<'a>) -> Option<&'a Service> {
    let services = &context.snapshot.services;
    let named = CLUSTER_DNS.iter().find_map(|(namespace, name)| {
        services.iter().find(|s| s.meta.name == *name && s.meta.namespace.as_deref() == Some(*namespace))
    });
    let label: Str = "kube-dns".into();
    named
        .or_else(|| services.iter().find(|s| s.meta.labels.get("k8s-app") == Some(&label) && !s.cluster_ips.is_empty()))
}
