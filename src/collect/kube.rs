//! Reads the facts of a live cluster.
//!
//! Every kind is listed whole, page by page, over all namespaces; a page is decoded and dropped
//! before the next one is asked for, so memory holds the facts and a few pages. What the credentials
//! may not read is recorded as such and never taken for absent. Secrets are never asked for.

mod connect;
mod discover;
mod groups;
mod kinds;
mod list;
mod preflight;
mod read;
mod role;
mod rules;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Str;

pub use self::connect::{Target, client, describe, is_configured, target};
pub use self::kinds::built_in_resource as built_in;
pub use self::preflight::{PreflightRow, preflight};
pub use self::read::collect;
pub use self::role::{RoleScope, reader_role, reader_rules};
pub(crate) use self::rules::Rules;
#[cfg(test)]
pub(crate) use self::watch::testing;
pub use self::watch::{Cluster, Event, Former, Revision, Scope, Taken, Watched, follow};

/// Which cluster to read, as whom, and how. The defaults are kubectl's.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// `--kubeconfig`; else `$KUBECONFIG`, `~/.kube/config`, the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; else the current one.
    pub context: Option<String>,
    /// `--cluster`: the kubeconfig's cluster entry to use in place of the context's.
    pub cluster: Option<String>,
    /// `--user`: the kubeconfig's user entry to use in place of the context's.
    pub user: Option<String>,
    /// `--server`: replaces the cluster's URL.
    pub server: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--as`: the user to impersonate.
    pub as_user: Option<String>,
    /// `--as-group`, repeatable.
    pub as_groups: Vec<String>,
    /// `--as-uid`.
    pub as_uid: Option<String>,
    /// `--namespace`, repeatable: where to read what may not be read over all namespaces; else the context's.
    /// It narrows nothing: where the credentials reach all namespaces, all are read.
    pub namespaces: Vec<String>,
    /// `--request-timeout` of one request, not of the whole; `Some(0)`: none. Default 60 s.
    pub request_timeout: Option<Duration>,
    /// Whether requests that the server is too busy for are sent again at once, a few times.
    pub retries: bool,
    /// Objects in one page of a list.
    pub page_size: u32,
    /// ConfigMaps with certificates that somebody names, by namespace and name, to be read beside those that pods mount.
    pub config_maps: Vec<(Str, Str)>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            cluster: None,
            user: None,
            server: None,
            insecure_skip_tls_verify: false,
            as_user: None,
            as_groups: Vec::new(),
            as_uid: None,
            namespaces: Vec::new(),
            request_timeout: None,
            retries: true,
            page_size: 500,
            config_maps: Vec::new(),
        }
    }
}
