//! Pods, pod templates and their specifications: from the API's shape to facts.

use std::net::IpAddr;
use std::sync::Arc;

use super::decode::{Decoder, Wrong};
use super::env::{self, Kept};
use super::kinds;
use super::lines::Lines;
use super::raw::{self, Text};
use super::redact;
use super::scheduling::Lands;
use crate::model::object::is_tool_configuration;
use crate::model::object::{
    Container, ContainerPort, EnvFrom, EnvValue, EnvVar, HostAlias, Phase, Pod, PodSpec, Workload,
};
use crate::model::variables::KeySelector;
use crate::model::{Labels, List, Protocol, Str};

impl Decoder {
    pub(crate) fn pod(&mut self, raw: &raw::Pod<'_>, lines: &Lines<'_>) -> Result<Pod, Wrong> {
        let metadata = raw.metadata.as_ref();
        let namespace = metadata.and_then(|m| m.namespace.as_deref());
        let status = raw.status.as_ref();
        let ips = status.map_or(Ok(Vec::new()), |s| addresses(s.pod_ips.as_deref(), s.pod_ip.as_ref()))?;
        // Where it may land does not matter any more once it has an address.
        let lands = if ips.is_empty() { Lands::Somewhere } else { Lands::Landed };
        let spec = self.pod_spec(raw.spec.as_ref(), namespace, lines, lands)?;
        let ready = status.and_then(|s| s.conditions.as_ref()).and_then(|conditions| condition(conditions, "Ready"));
        let host_ips = status.map_or(Ok(Vec::new()), |s| addresses(s.host_ips.as_deref(), s.host_ip.as_ref()))?;
        Ok(Pod {
            meta: self.meta(metadata)?,
            owner: self.owner(metadata),
            node: self.scratch.opt(raw.spec.as_ref().and_then(|s| s.node_name.as_ref())),
            phase: match status.and_then(|s| s.phase.as_deref()) {
                None | Some("" | "Running") => Phase::Running,
                Some("Pending") => Phase::Pending,
                Some("Succeeded") => Phase::Succeeded,
                Some("Failed") => Phase::Failed,
                Some(_) => Phase::Unknown,
            },
            ips: ips.into(),
            host_ips: self.scratch.ips(host_ips),
            ready,
            spec,
        })
    }

    pub(crate) fn workload(
        &mut self,
        raw: &raw::Workload<'_>,
        kind: &str,
        lines: &Lines<'_>,
    ) -> Result<Workload, Wrong> {
        let metadata = raw.metadata.as_ref();
        let spec = raw.spec.as_ref();
        let status = raw.status.as_ref();
        let job = spec.and_then(|s| s.job_template.as_ref()).and_then(|t| t.spec.as_ref());
        let template = raw
            .template
            .as_ref()
            .or_else(|| spec.and_then(|s| s.template.as_ref()))
            .or_else(|| job.and_then(|j| j.template.as_ref()));
        let template_meta = template.and_then(|t| t.metadata.as_ref());
        let namespace = metadata.and_then(|m| m.namespace.as_deref());
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        Ok(Workload {
            kind: self.scratch.str(kind),
            meta: self.meta(metadata)?,
            owner: self.owner(metadata),
            template_labels: self.labels(template_meta.and_then(|m| m.labels.as_ref())),
            template_annotations: self.annotations(template_meta.and_then(|m| m.annotations.as_ref())),
            spec: self.pod_spec(template.and_then(|t| t.spec.as_ref()), namespace, lines, Lands::AsTold)?,
            replicas: spec.and_then(|s| s.replicas.or(s.parallelism)).or_else(|| job.and_then(|j| j.parallelism)),
            finished: kind == "Job"
                && (condition(conditions, "Complete") == Some(true) || condition(conditions, "Failed") == Some(true)),
            desired: status.and_then(|s| s.desired_number_scheduled),
            ready: status.and_then(|s| s.number_ready),
        })
    }

    fn pod_spec(
        &mut self,
        raw: Option<&raw::PodSpec<'_>>,
        namespace: Option<&str>,
        lines: &Lines<'_>,
        lands: Lands,
    ) -> Result<Arc<PodSpec>, Wrong> {
        let Some(raw) = raw else { return Ok(self.scratch.spec(PodSpec::default())) };
        let volumes = raw.volumes.as_deref().unwrap_or_default();
        let init = raw.init_containers.as_deref().unwrap_or_default();
        let main = raw.containers.as_deref().unwrap_or_default();
        let mut containers = Vec::with_capacity(init.len() + main.len());
        for (list, is_init) in [(init, true), (main, false)] {
            for container in list {
                let mut kept = self.container(container, is_init, namespace, lines)?;
                kept.trust_mounts = self.trust_mounts(container, &kept, volumes, lines)?;
                containers.push(kept);
            }
        }
        let host_paths = self.strs(volumes.iter().filter_map(|v| v.host_path.as_ref()?.path.as_ref()));
        let config_map_volumes = self.strs(volumes.iter().filter_map(|v| v.config_map.as_ref()?.name.as_ref()));
        let aliases = raw.host_aliases.as_deref().unwrap_or_default();
        let nameservers = raw.dns_config.as_ref().and_then(|d| d.nameservers.as_deref()).unwrap_or_default();
        let scheduling = self.scheduling(raw, lands);
        let spec = PodSpec {
            host_network: raw.host_network.unwrap_or(false),
            dns_policy: self.scratch.opt(raw.dns_policy.as_ref()),
            nameservers: nameservers.iter().map(|ip| address(ip)).collect::<Result<_, _>>()?,
            service_account: self.scratch.opt(raw.service_account_name.as_ref().or(raw.service_account.as_ref())),
            containers: containers.into(),
            host_aliases: aliases.iter().map(|alias| self.host_alias(alias)).collect::<Result<_, _>>()?,
            host_paths,
            config_map_volumes,
            runtime_class: self.scratch.opt(raw.runtime_class_name.as_ref()),
            node_selector: self.labels(raw.node_selector.as_ref()),
            picks_nodes: scheduling.is_err(),
            scheduling: scheduling.ok().flatten(),
        };
        Ok(self.scratch.spec(spec))
    }

    fn host_alias(&mut self, raw: &raw::HostAlias<'_>) -> Result<HostAlias, Wrong> {
        let ip = address(raw.ip.as_deref().unwrap_or_default())?;
        let names = raw.hostnames.as_deref().unwrap_or_default();
        Ok(HostAlias { ip, hostnames: names.iter().map(|name| self.scratch.str(name)).collect() })
    }

    fn container(
        &mut self,
        raw: &raw::Container<'_>,
        init: bool,
        namespace: Option<&str>,
        lines: &Lines<'_>,
    ) -> Result<Container, Wrong> {
        let ports = raw.ports.as_deref().unwrap_or_default();
        let env_from = raw.env_from.as_deref().unwrap_or_default();
        let mounts = raw.volume_mounts.iter().flatten().filter_map(|mount| mount.mount_path.as_ref());
        Ok(Container {
            name: self.scratch.str(raw.name.as_deref().unwrap_or_default()),
            init,
            image: self.scratch.opt(raw.image.as_ref()),
            command: self.words(raw.command.as_deref()),
            args: self.words(raw.args.as_deref()),
            env: self.env(raw.env.as_deref().unwrap_or_default(), namespace, lines),
            env_from: env_from.iter().filter_map(|from| self.env_from(from)).collect(),
            ports: self.container_ports(ports)?,
            mounts: mounts.filter(|path| is_tool_configuration(path)).map(|path| self.scratch.str(path)).collect(),
            trust_mounts: List::default(),
        })
    }

    fn words(&mut self, raw: Option<&[Text<'_>]>) -> List<Str> {
        let words =
            redact::arguments(raw.unwrap_or_default()).into_iter().map(|word| self.scratch.str(&word)).collect();
        self.scratch.words(words)
    }

    fn strs<'t>(&mut self, texts: impl Iterator<Item = &'t Text<'t>>) -> List<Str> {
        let words = texts.map(|text| self.scratch.str(text)).collect();
        self.scratch.words(words)
    }

    fn container_ports(&mut self, raw: &[raw::ContainerPort<'_>]) -> Result<List<ContainerPort>, Wrong> {
        let mut ports = Vec::with_capacity(raw.len());
        for port in raw {
            ports.push(ContainerPort {
                name: self.scratch.opt(port.name.as_ref()),
                container_port: port.number,
                protocol: protocol(port.protocol.as_ref())?,
            });
        }
        Ok(self.scratch.ports(ports))
    }

    /// The variables that are kept: those that [`env::kept`] names, and those that their values refer to.
    fn env(&mut self, raw: &[raw::EnvVar<'_>], namespace: Option<&str>, lines: &Lines<'_>) -> List<EnvVar> {
        let mut referenced: Vec<String> = Vec::new();
        for var in raw {
            if self.scratch.kept(var.name.as_deref().unwrap_or_default()) == Kept::Value {
                let value = redact::text(var.value.as_deref().unwrap_or_default());
                referenced.extend(env::references(&value).map(str::to_owned));
            }
        }
        let is_referenced = |name: &str| referenced.iter().any(|known| known == name);
        let mut kept = Vec::new();
        for var in raw {
            let name = var.name.as_deref().unwrap_or_default();
            let value = match self.scratch.kept(name) {
                Kept::Value => self.setting(var, namespace),
                _ if is_referenced(name) && !redact::is_secret_name(name) => self.setting(var, namespace),
                Kept::Name => EnvValue::NotKept,
                Kept::Nothing if is_referenced(name) => EnvValue::NotKept,
                Kept::Nothing => continue,
            };
            let line = lines.of_text(var.name.as_ref());
            kept.push(EnvVar { name: self.scratch.str(name), value, line, place: None });
        }
        kept.into()
    }

    fn setting(&mut self, raw: &raw::EnvVar<'_>, namespace: Option<&str>) -> EnvValue {
        let Some(from) = &raw.value_from else {
            return EnvValue::Text(self.scratch.str(&redact::text(raw.value.as_deref().unwrap_or_default())));
        };
        if let Some(reference) = &from.config_map_key_ref {
            return EnvValue::ConfigMapKey(Arc::new(KeySelector {
                name: self.scratch.str(reference.name.as_deref().unwrap_or_default()),
                key: self.scratch.str(reference.key.as_deref().unwrap_or_default()),
                optional: reference.optional.unwrap_or(false),
            }));
        }
        let Some(reference) = &from.secret_key_ref else { return EnvValue::NotKept };
        let name = reference.name.as_deref().unwrap_or_default();
        EnvValue::From(match namespace {
            Some(namespace) => self.scratch.str(&format!("Secret {namespace}/{name}")),
            None => self.scratch.str(&format!("Secret {name}")),
        })
    }

    fn env_from(&mut self, raw: &raw::EnvFrom<'_>) -> Option<EnvFrom> {
        let (kind, reference) = match (&raw.config_map_ref, &raw.secret_ref) {
            (Some(reference), _) => ("ConfigMap", reference),
            (None, Some(reference)) => ("Secret", reference),
            (None, None) => return None,
        };
        Some(EnvFrom {
            kind: self.scratch.str(kind),
            name: self.scratch.str(reference.name.as_deref().unwrap_or_default()),
            prefix: self.scratch.opt(raw.prefix.as_ref()),
            optional: reference.optional.unwrap_or(false),
            doubt: None,
        })
    }

    pub(crate) fn labels(&mut self, raw: Option<&raw::Pairs<'_>>) -> Labels {
        self.scratch.labels(raw.map(|pairs| pairs.0.as_slice()).unwrap_or_default())
    }

    pub(crate) fn annotations(&mut self, raw: Option<&raw::Annotations<'_>>) -> Labels {
        let pairs: Vec<_> = raw
            .iter()
            .flat_map(|annotations| &annotations.0)
            .map(|(key, value)| {
                let value = if kinds::is_presence_only(key) { Text::default() } else { Text(redact::text(value)) };
                (Text(std::borrow::Cow::Borrowed(&**key)), value)
            })
            .collect();
        self.scratch.labels(&pairs)
    }
}

/// Whether a condition is true; `None` where the object has no such condition.
fn condition(conditions: &[raw::Condition<'_>], kind: &str) -> Option<bool> {
    let found = conditions.iter().find(|c| c.kind.as_deref() == Some(kind))?;
    Some(found.status.as_deref() == Some("True"))
}

/// An address as the API writes it; an IPv4-mapped one is the IPv4 address, as Kubernetes' own parser takes it.
pub(crate) fn address(text: &str) -> Result<IpAddr, Wrong> {
    text.parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| Wrong::new(format!("`{text}` is no IP address")))
}

/// The list where there is one, else the single field; empty strings are absent addresses.
fn addresses(list: Option<&[raw::Ip<'_>]>, single: Option<&Text<'_>>) -> Result<Vec<IpAddr>, Wrong> {
    let listed = || list.unwrap_or_default().iter().filter_map(|entry| entry.ip.as_ref()).filter(|ip| !ip.is_empty());
    let count = listed().count();
    let single = single.filter(|ip| count == 0 && !ip.is_empty());
    let mut all = Vec::with_capacity(count + usize::from(single.is_some()));
    for ip in listed().chain(single) {
        all.push(address(ip)?);
    }
    Ok(all)
}

/// A protocol; absent means TCP.
pub(crate) fn protocol(raw: Option<&Text<'_>>) -> Result<Protocol, Wrong> {
    match raw.map(|text| &**text) {
        None | Some("" | "TCP") => Ok(Protocol::Tcp),
        Some("UDP") => Ok(Protocol::Udp),
        Some("SCTP") => Ok(Protocol::Sctp),
        Some(other) => Err(Wrong::new(format!("unknown protocol `{other}`: TCP, UDP and SCTP are known"))),
    }
}
