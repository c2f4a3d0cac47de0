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

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use self::preflight::{PreflightRow, preflight};
pub use self::read::collect;
pub use self::role::reader_role;

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
    /// `--namespace`: where to read what may not be read over all namespaces. It narrows nothing
    /// else. Empty: the context's namespace.
    pub namespaces: Vec<String>,
    /// `--request-timeout` of one request, not of the whole; `Some(0)`: none. Default 60 s.
    pub request_timeout: Option<Duration>,
    /// Objects in one page of a list.
    pub page_size: u32,
    /// Told about progress.
    pub progress: Option<Progress>,
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
            page_size: 500,
            progress: None,
        }
    }
}

/// Called from any thread with a kind and how many pages of it were read so far.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str, u64) + Send + Sync>);

impl Progress {
    /// Wraps the callback.
    pub fn new(callback: impl Fn(&str, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// How many requests are under way at once: enough to hide the latency, few enough for any
/// server's fairness limits.
const CONCURRENCY: usize = 4;

/// Runs the futures a few at a time; the results come in the order of the futures.
async fn in_order<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> anyhow::Result<Vec<T>> {
    let mut running: VecDeque<JoinHandle<T>> = VecDeque::new();
    let mut results = Vec::new();
    for future in futures {
        if running.len() == CONCURRENCY
            && let Some(first) = running.pop_front()
        {
            results.push(first.await?);
        }
        running.push_back(tokio::spawn(future));
    }
    for rest in running {
        results.push(rest.await?);
    }
    Ok(results)
}
