//! Nodes, Services, endpoints, ConfigMaps and kinds kept as written: from the API's shape to facts.

use serde_json::Value;

use super::decode::{Decoder, Wrong, parse};
use super::facts::Facts;
use super::kinds;
use super::lines::Lines;
use super::pods::{address, protocol};
use super::raw::{self, Text};
use super::redact;
use super::user_data;
use crate::model::object::{ConfigMap, EndpointSlice, IntOrString, Node, OtherObject, Service, ServicePort};
use crate::model::scheduling::Taint;
use crate::model::{Protocol, Str};

impl Decoder {
    pub(super) fn node(&mut self, raw: &raw::Node<'_>) -> Result<Node, Wrong> {
        let mut meta = self.meta(raw.metadata.as_ref())?;
        meta.namespace = None;
        let spec = raw.spec.as_ref();
        let status = raw.status.as_ref();
        let addresses = status.and_then(|s| s.addresses.as_deref()).unwrap_or_default();
        let addresses = addresses
            .iter()
            .filter(|a| matches!(a.kind.as_deref(), Some("InternalIP" | "ExternalIP")))
            .map(|a| address(a.address.as_deref().unwrap_or_default()))
            .collect::<Result<_, _>>()?;
        let listed = spec.and_then(|s| s.pod_cidrs.as_deref()).unwrap_or_default();
        let single = spec.and_then(|s| s.pod_cidr.as_ref()).filter(|_| listed.is_empty());
        let pod_cidrs = listed
            .iter()
            .chain(single)
            .filter(|cidr| !cidr.is_empty())
            .map(|cidr| cidr.parse().map_err(|_| Wrong::new(format!("`{}` is no CIDR block", &**cidr))))
            .collect::<Result<_, _>>()?;
        let info = status.and_then(|s| s.node_info.as_ref());
        let os = self.scratch.opt(info.and_then(|i| i.operating_system.as_ref()));
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let taints = spec.and_then(|s| s.taints.as_deref()).unwrap_or_default();
        let is_marked = taints.iter().any(|t| t.key.as_deref() == Some("node.kubernetes.io/unschedulable"));
        let cordoned = !is_marked && spec.and_then(|s| s.unschedulable) == Some(true);
        Ok(Node {
            addresses,
            pod_cidrs,
            provider_id: self.scratch.opt(spec.and_then(|s| s.provider_id.as_ref())),
            kubelet_version: self.scratch.opt(info.and_then(|i| i.kubelet_version.as_ref())),
            container_runtime: self.scratch.opt(info.and_then(|i| i.container_runtime_version.as_ref())),
            os_image: self.scratch.opt(info.and_then(|i| i.os_image.as_ref())),
            os: os.or_else(|| meta.labels.get("kubernetes.io/os").cloned()),
            // A cordoned node gets this taint by the API server; a manifest may not show it.
            taints: taints
                .iter()
                .filter_map(|t| self.taint(t))
                .chain(cordoned.then(|| Taint {
                    key: "node.kubernetes.io/unschedulable".into(),
                    effect: "NoSchedule".into(),
                    ..Taint::default()
                }))
                .collect(),
            condition_reasons: conditions.iter().filter_map(|c| self.scratch.opt(c.reason.as_ref())).collect(),
            meta,
        })
    }

    pub(super) fn service(&mut self, raw: raw::Service<'_>) -> Result<Service, Wrong> {
        let meta = self.meta(raw.metadata.as_ref())?;
        let spec = raw.spec.unwrap_or_default();
        let is_address = |ip: &&Text<'_>| !ip.is_empty() && &***ip != "None";
        let listed = spec.cluster_ips.as_deref().unwrap_or_default();
        let single = spec.cluster_ip.as_ref().filter(|_| listed.is_empty());
        let cluster_ips =
            listed.iter().chain(single).filter(is_address).map(|ip| address(ip)).collect::<Result<_, _>>()?;
        let balancer = raw.status.and_then(|s| s.load_balancer).and_then(|b| b.ingress).unwrap_or_default();
        let external = spec.external_ips.iter().flatten().chain(balancer.iter().filter_map(|i| i.ip.as_ref()));
        let external_ips = external.filter(is_address).map(|ip| address(ip)).collect::<Result<_, _>>()?;
        let selector = spec.selector.as_ref().filter(|pairs| !pairs.0.is_empty()).map(|pairs| self.labels(Some(pairs)));
        let is_external_name = spec.kind.as_deref() == Some("ExternalName");
        let external_name = spec.external_name.as_ref().filter(|_| is_external_name);
        let external_name = self.scratch.opt(external_name);
        let mut ports = Vec::new();
        for port in spec.ports.unwrap_or_default() {
            ports.push(ServicePort {
                name: self.scratch.opt(port.name.as_ref()),
                protocol: protocol(port.protocol.as_ref())?,
                port: port.port,
                target_port: port.target_port.as_ref().map(|port| self.int_or_string(port)).filter(|port| match port {
                    IntOrString::Int(number) => *number != 0,
                    IntOrString::String(name) => !name.is_empty(),
                }),
            });
        }
        Ok(Service { meta, cluster_ips, external_ips, selector, ports, external_name })
    }

    pub(super) fn endpoint_slice(&mut self, raw: &raw::EndpointSlice<'_>) -> Result<EndpointSlice, Wrong> {
        let meta = self.meta(raw.metadata.as_ref())?;
        let is_names = raw.address_type.as_deref() == Some("FQDN");
        // No proxy sends anything to an endpoint that is not ready.
        let ready = |e: &&raw::SliceEndpoint<'_>| e.conditions.as_ref().and_then(|c| c.ready) != Some(false);
        let endpoints = raw.endpoints.iter().flatten().filter(|_| !is_names).filter(ready);
        let addresses = endpoints.flat_map(|e| e.addresses.iter().flatten());
        let addresses = addresses.map(|ip| address(ip)).collect::<Result<_, _>>()?;
        Ok(EndpointSlice { meta, addresses, ports: self.endpoint_ports(raw.ports.as_deref())? })
    }

    /// One slice for each subset, as the API server's mirroring makes them.
    pub(super) fn endpoints(&mut self, raw: &raw::Endpoints<'_>) -> Result<Vec<EndpointSlice>, Wrong> {
        let mut meta = self.meta(raw.metadata.as_ref())?;
        meta.labels = meta.labels.with("kubernetes.io/service-name", &meta.name);
        // Those that the server makes have generated names.
        meta.name = Str::from(format!("{}-*", meta.name));
        let mut slices = Vec::new();
        for subset in raw.subsets.iter().flatten() {
            let both = subset.addresses.iter().flatten().chain(subset.not_ready_addresses.iter().flatten());
            let addresses = both.filter_map(|a| a.ip.as_ref()).map(|ip| address(ip)).collect::<Result<_, _>>()?;
            let ports = self.endpoint_ports(subset.ports.as_deref())?;
            let meta = meta.clone();
            slices.push(EndpointSlice { meta, addresses, ports });
        }
        Ok(slices)
    }

    fn endpoint_ports(
        &mut self,
        raw: Option<&[raw::EndpointPort<'_>]>,
    ) -> Result<Vec<(Option<Str>, Protocol, u16)>, Wrong> {
        let mut ports = Vec::new();
        for port in raw.unwrap_or_default() {
            if let Some(number) = port.port {
                ports.push((self.scratch.opt(port.name.as_ref()), protocol(port.protocol.as_ref())?, number));
            }
        }
        Ok(ports)
    }

    pub(super) fn config_map(&mut self, raw: &raw::ConfigMap<'_>) -> Result<Option<ConfigMap>, Wrong> {
        let meta = self.meta(raw.metadata.as_ref())?;
        if !kinds::is_config_of_interest(&meta.name) {
            return Ok(None);
        }
        let pairs = raw.data.iter().flat_map(|data| &data.0);
        let data = pairs.map(|(key, value)| (self.scratch.str(key), Str::from(&*redact::text(value)))).collect();
        Ok(Some(ConfigMap { meta, data }))
    }

    pub(super) fn other(
        &mut self,
        text: &str,
        group: &str,
        kind: &str,
        lines: &Lines<'_>,
        facts: &mut Facts,
    ) -> Result<Option<OtherObject>, Wrong> {
        let raw: raw::Other<'_> = parse(text, kind, lines)?;
        let mut meta = self.meta(raw.metadata.as_ref())?;
        if kinds::is_cluster_scoped(group, kind) {
            meta.namespace = None;
        }
        let mut spec: Value = match raw.spec {
            Some(spec) => serde_json::from_str(spec.get())
                .map_err(|error| Wrong::inside("spec", spec.get(), &error, lines.of(spec.get())))?,
            None => Value::Null,
        };
        // Routes gate only what leaves through an egress network of Linkerd.
        if group == "gateway.networking.k8s.io" && !is_egress_route(&spec) {
            return Ok(None);
        }
        // Before what is secret of it is taken out.
        if let (true, Some(raw)) = (kinds::gives_user_data(group, kind), raw.spec) {
            user_data::class(&self.scratch.str(kind), &meta.name, raw.get(), meta.origin, facts);
        }
        redact::value(&mut spec);
        Ok(Some(OtherObject { group: self.scratch.str(group), kind: self.scratch.str(kind), meta, spec }))
    }
}

/// Whether a route hangs on an `EgressNetwork`.
fn is_egress_route(spec: &Value) -> bool {
    let parents = spec.get("parentRefs").and_then(Value::as_array);
    parents.into_iter().flatten().any(|parent| parent.get("kind").and_then(Value::as_str) == Some("EgressNetwork"))
}
