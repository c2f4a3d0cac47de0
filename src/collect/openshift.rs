//! OpenShift's own configuration of trust: what its nodes get, and what it writes into ConfigMaps.
//!
//! `images.config.openshift.io` names CAs for single registries, `proxies.config.openshift.io` one for the whole
//! system; the machine configuration operator writes both to every node (its ControllerConfig holds the outcome), and
//! the network operator the second into labelled ConfigMaps.

use serde_json::Value;

use super::facts::Facts;
use super::trust_maps::{Content, TrustMap};
use super::trust_objects::Controller;
use crate::model::Str;
use crate::model::codes::{self, Code};
use crate::model::object::{Meta, Origin, OtherObject};
use crate::model::trust::{NodeRuntime, NodeTrust, RegistryHost, RegistryTrust};
use crate::trust::runtime::described_store;

/// Where the ConfigMaps are that the cluster's configuration names.
pub(super) const NAMESPACE: &str = "openshift-config";

/// The key of the bundle for the whole system.
const SYSTEM_KEY: &str = "ca-bundle.crt";

/// Asks the network operator to write the cluster's bundle into a ConfigMap.
const INJECT: &str = "config.openshift.io/inject-trusted-cabundle";

/// The cluster's configuration, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct OpenShift {
    pub(super) image: Option<Object>,
    pub(super) proxy: Option<Object>,
    pub(super) controller: Option<Controller>,
    /// The ConfigMaps that it names may be there although they were not read.
    pub(super) is_partial: bool,
}

#[derive(Debug)]
pub(super) struct Object {
    meta: Meta,
    spec: Value,
}

/// A finding about an object: its code, a sentence, and where the object is.
pub(super) type Note = (&'static Code, String, Origin);

impl OpenShift {
    /// Finds the configuration among the objects that are kept as written.
    pub(super) fn read(&mut self, facts: &Facts) {
        let find = |kind: &str| {
            let is = |o: &&OtherObject| o.group == "config.openshift.io" && o.kind == kind && o.meta.name == "cluster";
            let found = facts.others.iter().rev().find(is);
            found.map(|object| Object { meta: object.meta.clone(), spec: object.spec.clone() })
        };
        self.image = find("Image");
        self.proxy = find("Proxy");
    }

    /// What every node trusts.
    pub(super) fn nodes(&self, maps: &[TrustMap]) -> (Option<NodeTrust>, Vec<Note>) {
        let mut notes = Vec::new();
        let Some(meta) = self
            .controller
            .as_ref()
            .map(|c| &c.meta)
            .or_else(|| self.image.as_ref().or(self.proxy.as_ref()).map(|object| &object.meta))
        else {
            return (None, notes);
        };
        let from = match (&self.controller, &self.image) {
            (Some(_), _) => "ControllerConfig",
            (None, Some(_)) => "Image",
            (None, None) => "Proxy",
        };
        let mut trust = NodeTrust {
            meta: meta.clone(),
            from: Some(format!("{from} {}", meta.name).into()),
            ..NodeTrust::default()
        };
        self.system(maps, &mut trust, &mut notes);
        self.registries(maps, &mut trust, &mut notes);
        self.insecure(&mut trust, &mut notes);
        (Some(trust), notes)
    }

    /// The store of the whole system, and the runtime's proxy.
    fn system(&self, maps: &[TrustMap], trust: &mut NodeTrust, notes: &mut Vec<Note>) {
        let content = match (&self.controller, &self.proxy) {
            (Some(controller), _) => Some(controller.system.clone()),
            (None, Some(proxy)) => match named(&proxy.spec, "trustedCA") {
                None => Some(Content::default()),
                Some(name) => {
                    let found = map(maps, name).and_then(|map| map.content(SYSTEM_KEY)).cloned();
                    if found.is_none() {
                        self.not_there(notes, proxy, || {
                            format!(
                                "ConfigMap {NAMESPACE}/{name}, which Proxy cluster names as `trustedCA`, has no certificate at `{SYSTEM_KEY}`"
                            )
                        });
                        trust.unread.push(format!("ConfigMap {NAMESPACE}/{name}, the CA of the whole system").into());
                    }
                    found
                }
            },
            (None, None) => {
                trust.unread.push("the Proxy object `cluster`, which may name a CA for the whole system".into());
                None
            }
        };
        let path = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem";
        trust.stores.extend(content.map(|content| described_store(path, &content.certificates, &[])));
        if let Some(proxy) = &self.proxy {
            let env: Vec<(Str, Str)> =
                [("httpProxy", "HTTP_PROXY"), ("httpsProxy", "HTTPS_PROXY"), ("noProxy", "NO_PROXY")]
                    .into_iter()
                    .filter_map(|(field, name)| Some((name.into(), proxy.spec.get(field)?.as_str()?.into())))
                    .filter(|(_, value): &(Str, Str)| !value.is_empty())
                    .collect();
            if !env.is_empty() {
                trust.runtimes.push(NodeRuntime { name: "cri-o".into(), version: None, env, started: None });
            }
        }
    }

    /// Notes that a ConfigMap which the configuration names is absent, where that is known.
    fn not_there(&self, notes: &mut Vec<Note>, by: &Object, message: impl FnOnce() -> String) {
        if !self.is_partial {
            notes.push((&codes::TLS_CA_NOT_THERE, message(), by.meta.origin));
        }
    }

    /// CAs of single registries.
    fn registries(&self, maps: &[TrustMap], trust: &mut NodeTrust, notes: &mut Vec<Note>) {
        let mut listed: Vec<(Str, Content, Origin)> = Vec::new();
        if let Some(controller) = &self.controller {
            let origin = controller.meta.origin;
            listed.extend(controller.registries.iter().map(|(key, content)| (key.clone(), content.clone(), origin)));
        } else if let Some(image) = &self.image
            && let Some(name) = named(&image.spec, "additionalTrustedCA")
        {
            if let Some(map) = map(maps, name) {
                let origin = map.meta.origin;
                listed.extend(map.contents.iter().map(|(key, content)| (key.clone(), content.clone(), origin)));
            } else {
                self.not_there(notes, image, || {
                    format!(
                        "ConfigMap {NAMESPACE}/{name}, which Image cluster names as `additionalTrustedCA`, is not there"
                    )
                });
                trust.unread.push(format!("ConfigMap {NAMESPACE}/{name}, the CAs of registries").into());
            }
        }
        for (key, content, origin) in listed {
            let Some(host) = registry_of(&key) else {
                let message =
                    format!("the key `{key}` names no registry: it has to be `host`, or `host..port` for a port");
                notes.push((&codes::TLS_REGISTRY_KEY, message, origin));
                continue;
            };
            trust.registries.push(RegistryTrust {
                hosts: vec![RegistryHost {
                    url: format!("https://{host}").into(),
                    ca: content.certificates.to_vec(),
                    ..RegistryHost::default()
                }],
                source: format!("/etc/docker/certs.d/{host}/ca.crt").into(),
                runtime: "cri-o".into(),
                host: host.into(),
                ..RegistryTrust::default()
            });
        }
    }

    /// Registries of which nothing is verified.
    fn insecure(&self, trust: &mut NodeTrust, notes: &mut Vec<Note>) {
        let Some(image) = &self.image else { return };
        let sources = image.spec.get("registrySources");
        let insecure = sources.and_then(|s| s.get("insecureRegistries")).and_then(Value::as_array);
        for host in insecure.into_iter().flatten().filter_map(Value::as_str) {
            let message = format!("Image cluster lists `{host}` among the insecure registries: no node verifies it");
            notes.push((&codes::TLS_INSECURE_REGISTRY, message, image.meta.origin));
            let known = trust.registries.iter_mut().find(|registry| registry.host == host);
            match known {
                Some(registry) => registry.hosts.iter_mut().for_each(|host| host.skip_verify = true),
                None => trust.registries.push(RegistryTrust {
                    host: host.into(),
                    runtime: "cri-o".into(),
                    source: "/etc/containers/registries.conf".into(),
                    hosts: vec![RegistryHost {
                        url: format!("https://{host}").into(),
                        skip_verify: true,
                        ..RegistryHost::default()
                    }],
                    ..RegistryTrust::default()
                }),
            }
        }
    }
}

/// The ConfigMaps that the cluster's configuration names, by namespace and name.
pub(super) fn named_maps(facts: &Facts) -> Vec<(Str, Str)> {
    let mut cluster = OpenShift::default();
    cluster.read(facts);
    let of = |object: &Option<Object>, field| {
        object.as_ref().and_then(|object| named(&object.spec, field)).map(|name| (NAMESPACE.into(), name.into()))
    };
    of(&cluster.image, "additionalTrustedCA").into_iter().chain(of(&cluster.proxy, "trustedCA")).collect()
}

/// Fills the ConfigMaps that ask for the cluster's bundle: a manifest shows them empty.
pub(super) fn inject(cluster: &OpenShift, maps: &mut [TrustMap]) {
    let asks = |map: &TrustMap| map.meta.labels.get(INJECT).is_some_and(|value| *value == "true");
    if !maps.iter().any(asks) {
        return;
    }
    let bundle = match (&cluster.controller, &cluster.proxy) {
        (Some(controller), _) => Some(controller.system.clone()),
        (None, Some(proxy)) => match named(&proxy.spec, "trustedCA") {
            None => Some(Content::default()),
            Some(name) => map(maps, name).and_then(|map| map.content(SYSTEM_KEY)).cloned(),
        },
        (None, None) => None,
    };
    let unread = Content {
        unread: Some("OpenShift writes the cluster's bundle into it, which was not read".into()),
        ..Content::default()
    };
    for map in maps.iter_mut().filter(|map| asks(map) && map.content(SYSTEM_KEY).is_none()) {
        let content = bundle.clone().unwrap_or_else(|| unread.clone());
        map.inject(SYSTEM_KEY, Content { public_roots: true, ..content });
    }
}

/// The name of the ConfigMap that a field refers to.
fn named<'s>(spec: &'s Value, field: &str) -> Option<&'s str> {
    spec.get(field)?.get("name")?.as_str().filter(|name| !name.is_empty())
}

fn map<'m>(maps: &'m [TrustMap], name: &str) -> Option<&'m TrustMap> {
    maps.iter().rev().find(|map| map.meta.namespace.as_deref() == Some(NAMESPACE) && map.meta.name == name)
}

/// `host[:port]` of a key, in which `..` stands for the colon: a key of a ConfigMap can hold none. A name with the
/// ending of a file is the mistake that is made.
fn registry_of(key: &str) -> Option<String> {
    let (host, port) = key.split_once("..").map_or((key, None), |(host, port)| (host, Some(port)));
    let ending = host.rsplit('.').next().unwrap_or_default();
    let is_file = port.is_none() && matches!(ending, "crt" | "pem" | "cer" | "cert" | "key" | "txt");
    if host.is_empty() || is_file || host.ends_with('.') {
        return None;
    }
    match port {
        None => Some(host.to_owned()),
        Some(port) => port.parse::<u16>().ok().filter(|port| *port > 0).map(|port| format!("{host}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_registries() {
        for (key, want) in [
            ("registry.corp.example", Some("registry.corp.example")),
            ("registry.corp.example..5000", Some("registry.corp.example:5000")),
            ("localhost..5000", Some("localhost:5000")),
            ("ca-bundle.crt", None),
            ("registry.corp.example.pem", None),
            ("registry.corp.example..x", None),
            ("..5000", None),
        ] {
            assert_eq!(registry_of(key).as_deref(), want, "{key}");
        }
    }
}
