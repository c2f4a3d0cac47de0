//! What the servers of endpoints present when TLS begins, as far as somebody says so.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Demand, DemandOptions, EndpointSet, Requirement};
use crate::model::trust::Anchor;
use crate::model::{List, Snapshot, Str};
use crate::trust::Bundle;
use crate::trust::objects::{Held, config_map};

/// What a server presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// A chain to one of the roots that every public store holds: a public service of the catalogue, of which nobody
    /// says otherwise.
    PublicRoots,
    /// Some chain to one of these CAs: a private registry, a gateway that signs everything anew.
    Authority(Given),
    /// This chain, the server's own certificate first.
    Chain(Given),
}

/// Certificates that somebody names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Who says so, and where they are: ``EndpointSet corp-nexus, ConfigMap build/corp-ca, key `ca.crt` ``.
    pub from: Str,
    /// The certificates, in their order, at least one; or why they are not known.
    pub certificates: Result<List<Anchor>, Str>,
}

/// Whether certificates are those of the CA, or the chain itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `ca`.
    Authority,
    /// `chain`.
    Chain,
}

/// Where certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A key of a ConfigMap; without a key the only one that holds certificates, or `ca.crt`.
    ConfigMap {
        /// Absent where it is not told: the object that refers to it has none itself.
        namespace: Option<Str>,
        /// Name.
        name: Str,
        /// Key of its data.
        key: Option<Str>,
    },
    /// A file, from the folder of the file that names it; to be read by whoever does I/O.
    File(String),
    /// PEM.
    Text(Arc<[u8]>),
    /// Somebody names certificates in a form that cannot be read; why.
    Wrong(Str),
}

/// Somebody's word about what a host presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// A name or an address, `*.example.com` for the names below one, `*` for every public endpoint of the catalogue.
    pub host: Str,
    /// The port that it is true for; absent for all.
    pub port: Option<u16>,
    /// Which part of the chain it is.
    pub what: What,
    /// Where the certificates are.
    pub reference: Reference,
    /// Who says so: `EndpointSet corp-nexus`, `--endpoint-ca nexus.corp.example=ca.pem`.
    pub from: Str,
}

/// What is known about what servers present.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presents {
    /// In the order in which they count.
    rules: Vec<Rule>,
    /// Hosts that somebody named and that the catalogue lists.
    public: FxHashSet<Str>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    host: Str,
    port: Option<u16>,
    presented: Arc<Presented>,
}

impl Presents {
    /// Finds the certificates that the user and the endpoint sets name. What the command line says about a host goes
    /// before what a set says, the chain before the CA, and the closer host before the wider one. `public` are hosts that
    /// somebody named and that the catalogue lists.
    pub(super) fn new(
        snapshot: &Snapshot,
        options: &DemandOptions,
        read: &[EndpointSet],
        public: FxHashSet<Str>,
    ) -> Self {
        let sets = options.endpoint_sets.iter().chain(read).flat_map(|set: &EndpointSet| &set.presents);
        let told = options.presents.iter().map(|told| (false, told)).chain(sets.map(|told| (true, told)));
        let mut told: Vec<(bool, &Told)> = told.collect();
        told.sort_by_key(|(by_set, told)| {
            let wild = told.host.strip_prefix('*');
            (wild.is_some(), wild.map(|rest| usize::MAX - rest.len()), *by_set, told.what == What::Authority)
        });
        let rule = |told: &Told| {
            let (place, certificates) = told.reference.find(snapshot);
            let given = Given { from: format!("{}{place}", told.from).into(), certificates };
            let presented = match told.what {
                What::Authority => Presented::Authority(given),
                What::Chain => Presented::Chain(given),
            };
            Rule { host: told.host.clone(), port: told.port, presented: presented.into() }
        };
        Self { rules: told.into_iter().map(|(_, told)| rule(told)).collect(), public }
    }

    fn of(&self, requirement: &Requirement) -> Option<Arc<Presented>> {
        let endpoint = &requirement.endpoint;
        let is_public = requirement.is_of_catalogue() || self.public.contains(&endpoint.host);
        let rule = self.rules.iter().find(|rule| {
            rule.port.is_none_or(|port| port == endpoint.port)
                && match rule.host.strip_prefix('*') {
                    Some("") => is_public,
                    Some(below) => endpoint.host.strip_suffix(below).is_some_and(|name| !name.is_empty()),
                    None => rule.host == endpoint.host || is_service(&rule.host, &endpoint.host),
                }
        });
        rule.map(|rule| rule.presented.clone()).or_else(|| is_public.then(|| Presented::PublicRoots.into()))
    }
}

/// Whether a full name of a Service is what a short one stands for.
fn is_service(short: &str, full: &str) -> bool {
    let Some(full) = full.strip_suffix(".svc") else { return false };
    match short.split_once('.') {
        None => full.split_once('.').is_some_and(|(name, _)| name == short),
        Some(_) => full == short,
    }
}

impl Reference {
    /// Namespace and name of the ConfigMap, where it is one.
    pub fn config_map(&self) -> Option<(Str, Str)> {
        match self {
            Self::ConfigMap { namespace: Some(namespace), name, .. } => Some((namespace.clone(), name.clone())),
            _ => None,
        }
    }

    /// What is missing where the reference leads: the ConfigMap does not exist, or its key, or a certificate in it.
    pub(super) fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let (namespace, name) = self.config_map()?;
        if matches!(config_map(snapshot, &namespace, &name), Held::Unknown(_)) {
            return None;
        }
        let (place, found) = self.find(snapshot);
        Some(format!("{}: {}", place.trim_start_matches(", "), found.err()?))
    }

    /// Words for the place, and the certificates or why they are not known.
    fn find(&self, snapshot: &Snapshot) -> (String, Result<List<Anchor>, Str>) {
        match self {
            // Whoever does I/O has replaced what could be read.
            Self::File(path) => (format!(", file {path}"), Err("the file was not read".into())),
            Self::Text(bytes) => (String::new(), read(bytes)),
            Self::Wrong(why) => (String::new(), Err(why.clone())),
            Self::ConfigMap { namespace: None, name, .. } => {
                (format!(", ConfigMap {name}"), Err("it does not say in which namespace the ConfigMap is".into()))
            }
            Self::ConfigMap { namespace: Some(namespace), name, key } => {
                let place = format!(", ConfigMap {namespace}/{name}");
                match config_map(snapshot, namespace, name) {
                    Held::Unknown(why) => (place, Err(why.into())),
                    Held::Absent => (place, Err("the ConfigMap is not there, or holds no certificate".into())),
                    Held::Keys(keys) => {
                        let holding: Vec<_> = keys.iter().filter(|bundle| !bundle.certificates.is_empty()).collect();
                        let key = key.as_deref().unwrap_or(match holding.as_slice() {
                            [only] => &only.key,
                            _ => "ca.crt",
                        });
                        let found = keys.iter().find(|bundle| bundle.key == *key);
                        let certificates = match found {
                            Some(bundle) if !bundle.certificates.is_empty() => Ok(bundle.certificates.clone()),
                            Some(bundle) => {
                                Err(bundle.unread.clone().unwrap_or_else(|| "no certificate can be read there".into()))
                            }
                            None => Err("the ConfigMap has no such key, or it holds no certificate".into()),
                        };
                        (format!("{place}, key `{key}`"), certificates)
                    }
                }
            }
        }
    }
}

fn read(bytes: &[u8]) -> Result<List<Anchor>, Str> {
    let bundle = Bundle::read(bytes);
    if bundle.certificates.is_empty() {
        let why = bundle.problems.first().map_or("there is none", |(_, why)| why);
        return Err(format!("no certificate can be read: {why}").into());
    }
    Ok(bundle.certificates.iter().map(crate::trust::Certificate::anchor_with_der).collect())
}

impl Demand {
    /// What the server of a required endpoint presents; `None` where nobody says so.
    pub fn presented(&self, requirement: &Requirement) -> Option<Arc<Presented>> {
        self.presents.of(requirement)
    }

    /// The certificates that somebody says servers present.
    pub fn certificates(&self) -> impl Iterator<Item = &Anchor> {
        let given = self.presents.rules.iter().filter_map(|rule| match &*rule.presented {
            Presented::Authority(given) | Presented::Chain(given) => given.certificates.as_ref().ok(),
            Presented::PublicRoots => None,
        });
        given.flat_map(|certificates| certificates.iter())
    }

    /// Whether somebody says what some server presents.
    pub fn presents_anything(&self) -> bool {
        !self.presents.rules.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::is_service;

    #[test]
    fn a_short_name_of_a_service_is_its_full_one() {
        assert!(is_service("nexus", "nexus.tools.svc") && is_service("nexus.tools", "nexus.tools.svc"));
        assert!(!is_service("nexus", "other.tools.svc") && !is_service("nexus", "nexus.example"));
    }
}
