//! Which server is asked, and what it presents.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::judge;
use crate::demand;
use crate::model::Str;
use crate::trust::Certificate;

/// A server, as far as clients tell it from others.
#[derive(Debug)]
pub(super) struct Server {
    /// A number that no other has had.
    pub(super) id: u64,
    pub(super) host: Str,
    pub(super) port: u16,
    /// What it presents.
    pub(super) given: Given,
    /// The same, as the demand says it.
    said: Option<Arc<demand::Presented>>,
}

impl Server {
    pub(super) fn presented(&self) -> judge::Presented<'_> {
        match &self.given {
            Given::Public => judge::Presented::Public,
            Given::Authority(all) => judge::Presented::Ca(all),
            Given::Chain(chain) => judge::Presented::Chain(chain),
            Given::Unknown(why) => judge::Presented::Unknown(why),
        }
    }
}

/// What a server presents, certificates read.
#[derive(Debug)]
pub(super) enum Given {
    Public,
    Authority(Vec<Certificate>),
    Chain(Vec<Certificate>),
    /// Nobody says, or what is said cannot be read.
    Unknown(String),
}

impl Given {
    fn of(presented: Option<&demand::Presented>, host: &str) -> Self {
        let certificates = |given: &demand::presents::Given| {
            let all = given.certificates.as_ref().map_err(|why| format!("{}: {why}", given.from))?;
            let read: Option<Vec<Certificate>> = all.iter().map(Certificate::of_anchor).collect();
            read.ok_or_else(|| format!("{}: a certificate there cannot be read", given.from))
        };
        match presented {
            Some(demand::Presented::PublicRoots) => Self::Public,
            Some(demand::Presented::Authority(given)) => {
                certificates(given).map_or_else(Self::Unknown, Self::Authority)
            }
            Some(demand::Presented::Chain(given)) => certificates(given).map_or_else(Self::Unknown, Self::Chain),
            None => Self::Unknown(format!(
                "what {host} presents is not known: --endpoint-ca {host}=FILE, or `ca` of an EndpointSet, says it"
            )),
        }
    }
}

/// A server, and the audit that last asked for it.
type Asked = (Arc<Server>, u64);

/// The servers of the last audit and of the one that runs.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// By host and port. There are several where what they present is said in several ways.
    all: FxHashMap<(Str, u16), Vec<Asked>>,
    /// By the number of the endpoint in the plan of the audit that runs.
    of_endpoint: FxHashMap<u32, Arc<Server>>,
}

impl Servers {
    /// The server of a planned endpoint, where it was asked for in this audit.
    pub(super) fn of_endpoint(&self, endpoint: u32) -> Option<Arc<Server>> {
        self.of_endpoint.get(&endpoint).cloned()
    }

    /// The server of a planned endpoint that is asked for the first time in this audit.
    pub(super) fn add(
        &mut self,
        endpoint: u32,
        (host, port): (&Str, u16),
        said: Option<Arc<demand::Presented>>,
        (audit, id): (u64, u64),
    ) -> Arc<Server> {
        let alike = self.all.entry((host.clone(), port)).or_default();
        let server = if let Some((known, seen)) = alike.iter_mut().find(|(known, _)| known.said == said) {
            *seen = audit;
            Arc::clone(known)
        } else {
            let given = Given::of(said.as_deref(), host);
            let server = Arc::new(Server { id, host: host.clone(), port, given, said });
            alike.push((Arc::clone(&server), audit));
            server
        };
        self.of_endpoint.insert(endpoint, Arc::clone(&server));
        server
    }

    /// Forgets what an audit did not ask for, and the numbers of its plan.
    pub(super) fn sweep(&mut self, audit: u64) {
        self.of_endpoint = FxHashMap::default();
        self.all.retain(|_, alike| {
            alike.retain(|(_, seen)| *seen == audit);
            !alike.is_empty()
        });
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.values().map(Vec::len).sum::<usize>() + self.of_endpoint.len()
    }
}
