//! `NodeConfig` of nodeadm, which makes an instance of Amazon EKS a node (amazon-eks-ami, `nodeadm/api/v1alpha1`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::super::redact;
use super::{Part, Place, What, documents};
use crate::collect::head;

/// Its API group.
pub(super) const GROUP: &str = "node.eks.aws";

/// `config_path` of the configuration into which nodeadm merges what a `NodeConfig` says about containerd.
pub(super) const CONFIG_PATH: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

/// Whether an object is one.
pub(in super::super) fn is_node_config(group: &str, kind: &str) -> bool {
    group == GROUP && kind == "NodeConfig"
}

/// What of it decides trust.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeConfig {
    /// TOML that is merged into containerd's configuration.
    pub(super) containerd: Option<String>,
    /// A drop-in of systemd with the environment of containerd; empty if it has none.
    pub(super) environment: String,
    /// A node that is no EC2 instance may have any operating system.
    pub(super) is_hybrid: bool,
}

#[derive(Deserialize)]
struct Document {
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
struct Spec {
    containerd: Option<Containerd>,
    instance: Option<Instance>,
    hybrid: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Containerd {
    config: Option<String>,
}

#[derive(Deserialize)]
struct Instance {
    environment: Option<BTreeMap<String, Option<BTreeMap<String, String>>>>,
}

impl NodeConfig {
    /// Reads the object from its JSON.
    ///
    /// # Errors
    ///
    /// It is not of its API's shape.
    pub(super) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let Spec { containerd, instance, hybrid } = serde_json::from_str::<Document>(json)?.spec.unwrap_or_default();
        let mut services = instance.and_then(|instance| instance.environment).unwrap_or_default();
        let mut environment = String::new();
        // `default` is the environment of all services, and that of a service comes over it.
        for (name, value) in ["default", "containerd"].iter().filter_map(|name| services.remove(*name)?).flatten() {
            let value = redact::text(&value).replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
            if environment.is_empty() {
                environment.push_str("[Service]\n");
            }
            let _ = writeln!(environment, "Environment=\"{name}={value}\"");
        }
        let containerd = containerd.and_then(|containerd| containerd.config).filter(|text| !text.trim().is_empty());
        Ok(Self { containerd, environment, is_hybrid: hybrid.is_some() })
    }
}

/// Reads a text of YAML or JSON.
pub(super) fn read(text: &str, place: Place, parts: &mut Vec<Part>) {
    let damaged = |line: u32, why: String| {
        let why = format!("a NodeConfig that is not of its shape: {why}");
        Part { line: place.line(line), what: What::Unread { why, is_damaged: true } }
    };
    let all = match documents(text) {
        Ok(all) => all,
        Err((line, why)) => return parts.push(damaged(line, why)),
    };
    let before = parts.len();
    for (json, line) in all {
        let head = head::read(&json);
        let group = head.api_version.as_deref().and_then(|version| version.split_once('/')).map(|(group, _)| group);
        if !is_node_config(group.unwrap_or_default(), head.kind.as_deref().unwrap_or_default()) {
            continue;
        }
        parts.push(match NodeConfig::parse(&json) {
            Ok(config) => Part { line: place.line(line), what: What::NodeConfig(config) },
            Err(error) => damaged(line + u32::try_from(error.line().saturating_sub(1)).unwrap_or(0), error.to_string()),
        });
    }
    if parts.len() == before && !text.trim().is_empty() {
        let why = format!("a text about {GROUP} in which there is no NodeConfig");
        parts.push(Part { line: place.line, what: What::Unread { why, is_damaged: false } });
    }
}
