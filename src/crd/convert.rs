//! Between the facts and the resource.

use super::node_trust::{Certificate, NodeTrustStatus, Note, Registry, RegistryHost, Runtime, Store, Variable};
use crate::model::Str;
use crate::model::object::Meta;
use crate::model::trust::{self as facts, Anchor, PublicShare};

/// An object must stay far below the size that an API server takes (1.5 MiB), so that lists have an end.
const MOST_ADDITIONS: usize = 100;
const MOST_REGISTRIES: usize = 300;
const MOST_NOTES: usize = 100;
const MOST_UNREAD: usize = 50;

impl From<&facts::NodeTrust> for NodeTrustStatus {
    /// Long lists are cut; what is left out is counted, or said in `unread`.
    fn from(facts: &facts::NodeTrust) -> Self {
        let mut unread: Vec<String> = facts.unread.iter().take(MOST_UNREAD).map(ToString::to_string).collect();
        let mut left_out = |what: &str, all: usize, kept: usize| {
            if all > kept {
                unread.push(format!("{} more {what}: left out", all - kept));
            }
        };
        left_out("places that were not read", facts.unread.len(), MOST_UNREAD);
        left_out("registries", facts.registries.len(), MOST_REGISTRIES);
        left_out("notes", facts.notes.len(), MOST_NOTES);
        Self {
            observed_time: facts.observed,
            os: facts.os.as_deref().map(str::to_owned),
            stores: facts.stores.iter().map(Store::from).collect(),
            runtimes: facts.runtimes.iter().map(Runtime::from).collect(),
            registries: facts.registries.iter().take(MOST_REGISTRIES).map(Registry::from).collect(),
            notes: facts.notes.iter().take(MOST_NOTES).map(Note::from).collect(),
            unread,
        }
    }
}

impl NodeTrustStatus {
    /// The facts of the resource of that name.
    ///
    /// # Errors
    ///
    /// A fingerprint is none.
    pub fn into_facts(self, meta: Meta) -> Result<facts::NodeTrust, String> {
        Ok(facts::NodeTrust {
            meta,
            from: None,
            os: self.os.map(Str::from),
            observed: self.observed_time,
            stores: self.stores.into_iter().map(Store::into_facts).collect::<Result<_, _>>()?,
            runtimes: self.runtimes.into_iter().map(Runtime::into_facts).collect(),
            registries: self.registries.into_iter().map(Registry::into_facts).collect::<Result<_, _>>()?,
            notes: self.notes.into_iter().map(Note::into_facts).collect(),
            unread: strs(self.unread),
        })
    }
}

impl From<&facts::TrustStore> for Store {
    fn from(store: &facts::TrustStore) -> Self {
        let omitted = store.additions.len().saturating_sub(MOST_ADDITIONS);
        Self {
            path: store.path.to_string(),
            kind: store.kind,
            certificates: store.certificates,
            fingerprint: store.fingerprint.to_string(),
            public_roots: store.public.present,
            public_roots_known: store.public.of,
            additions: store.additions.iter().take(MOST_ADDITIONS).map(Certificate::from).collect(),
            omitted_additions: store.omitted.saturating_add(u32::try_from(omitted).unwrap_or(u32::MAX)),
            modified_time: store.modified,
        }
    }
}

impl Store {
    fn into_facts(self) -> Result<facts::TrustStore, String> {
        Ok(facts::TrustStore {
            path: self.path.into(),
            kind: self.kind,
            certificates: self.certificates,
            fingerprint: self.fingerprint.parse()?,
            public: PublicShare { present: self.public_roots, of: self.public_roots_known },
            additions: self.additions.into_iter().map(Certificate::into_facts).collect::<Result<_, _>>()?,
            removed: Vec::new(),
            omitted: self.omitted_additions,
            modified: self.modified_time,
        })
    }
}

impl From<&Anchor> for Certificate {
    fn from(anchor: &Anchor) -> Self {
        Self {
            sha256: anchor.sha256.to_string(),
            spki: anchor.spki.to_string(),
            subject: anchor.subject.to_string(),
            issuer: anchor.issuer.to_string(),
            key_id: anchor.key_id.as_deref().map(str::to_owned),
            not_before: anchor.not_before,
            not_after: anchor.not_after,
            ca: anchor.ca,
            constrained: anchor.constrained,
        }
    }
}

impl Certificate {
    fn into_facts(self) -> Result<Anchor, String> {
        Ok(Anchor {
            sha256: self.sha256.parse()?,
            spki: self.spki.parse()?,
            subject: self.subject.into(),
            issuer: self.issuer.into(),
            key_id: self.key_id.map(Str::from),
            not_before: self.not_before,
            not_after: self.not_after,
            ca: self.ca,
            constrained: self.constrained,
            der: None,
        })
    }
}

impl From<&facts::NodeRuntime> for Runtime {
    fn from(runtime: &facts::NodeRuntime) -> Self {
        let variable = |(name, value): &(Str, Str)| Variable { name: name.to_string(), value: value.to_string() };
        Self {
            name: runtime.name.to_string(),
            version: runtime.version.as_deref().map(str::to_owned),
            env: runtime.env.iter().map(variable).collect(),
            start_time: runtime.started,
        }
    }
}

impl Runtime {
    fn into_facts(self) -> facts::NodeRuntime {
        facts::NodeRuntime {
            name: self.name.into(),
            version: self.version.map(Str::from),
            env: self.env.into_iter().map(|Variable { name, value }| (name.into(), value.into())).collect(),
            started: self.start_time,
        }
    }
}

impl From<&facts::RegistryTrust> for Registry {
    fn from(registry: &facts::RegistryTrust) -> Self {
        Self {
            host: registry.host.to_string(),
            runtime: registry.runtime.to_string(),
            source: registry.source.to_string(),
            hosts: registry.hosts.iter().map(RegistryHost::from).collect(),
            error: registry.error.as_deref().map(str::to_owned),
            doubt: registry.doubt.as_deref().map(str::to_owned),
        }
    }
}

impl Registry {
    fn into_facts(self) -> Result<facts::RegistryTrust, String> {
        Ok(facts::RegistryTrust {
            host: self.host.into(),
            runtime: self.runtime.into(),
            source: self.source.into(),
            hosts: self.hosts.into_iter().map(RegistryHost::into_facts).collect::<Result<_, _>>()?,
            error: self.error.map(Str::from),
            doubt: self.doubt.map(Str::from),
        })
    }
}

impl From<&facts::RegistryHost> for RegistryHost {
    fn from(host: &facts::RegistryHost) -> Self {
        Self {
            url: host.url.to_string(),
            ca: host.ca.iter().map(Certificate::from).collect(),
            unread: host.unread.iter().map(ToString::to_string).collect(),
            skip_verify: host.skip_verify,
            capabilities: host.capabilities.iter().map(ToString::to_string).collect(),
        }
    }
}

impl RegistryHost {
    fn into_facts(self) -> Result<facts::RegistryHost, String> {
        Ok(facts::RegistryHost {
            url: self.url.into(),
            ca: self.ca.into_iter().map(Certificate::into_facts).collect::<Result<_, _>>()?,
            unread: strs(self.unread),
            skip_verify: self.skip_verify,
            capabilities: strs(self.capabilities),
        })
    }
}

impl From<&facts::TrustNote> for Note {
    fn from(note: &facts::TrustNote) -> Self {
        Self {
            code: note.code.to_string(),
            message: note.message.to_string(),
            path: note.path.to_string(),
            line: note.line,
            host: note.host.as_deref().map(str::to_owned),
        }
    }
}

impl Note {
    fn into_facts(self) -> facts::TrustNote {
        facts::TrustNote {
            code: self.code.into(),
            message: self.message.into(),
            path: self.path.into(),
            line: self.line,
            host: self.host.map(Str::from),
        }
    }
}

fn strs(texts: Vec<String>) -> Vec<Str> {
    texts.into_iter().map(Str::from).collect()
}
