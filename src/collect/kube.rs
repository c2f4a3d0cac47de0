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

use std::future::poll_fn;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;

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
    /// `--namespace`: where to read what may not be read over all namespaces; else the context's.
    /// It narrows nothing: where the credentials reach all namespaces, all are read.
    pub namespace: Option<String>,
    /// `--request-timeout` of one request, not of the whole; `Some(0)`: none. Default 60 s.
    pub request_timeout: Option<Duration>,
    /// Objects in one page of a list.
    pub page_size: u32,
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
            namespace: None,
            request_timeout: None,
            page_size: 500,
        }
    }
}

/// How many requests are under way at once: enough to hide the latency, few enough for any
/// server's fairness limits.
const CONCURRENCY: usize = 4;

/// Runs the futures a few at a time; the results come in the order of the futures.
async fn in_order<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting = futures.into_iter().enumerate();
    let mut running = Vec::new();
    let mut results = Vec::new();
    poll_fn(move |context| {
        loop {
            while running.len() < CONCURRENCY
                && let Some((at, future)) = waiting.next()
            {
                running.push((at, Box::pin(future)));
            }
            let before = running.len();
            running.retain_mut(|(at, future)| match future.as_mut().poll(context) {
                Poll::Ready(result) => {
                    results.push((*at, result));
                    false
                }
                Poll::Pending => true,
            });
            if running.len() == before && before > 0 {
                return Poll::Pending;
            }
            if before == 0 {
                results.sort_by_key(|(at, _)| *at);
                return Poll::Ready(results.drain(..).map(|(_, result)| result).collect());
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_keep_the_order_and_only_a_few_run_at_once() {
        let running = std::cell::Cell::new(0);
        let most = std::cell::Cell::new(0);
        let (running, most) = (&running, &most);
        let futures = (0..20_u64).map(|n| async move {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::time::sleep(Duration::from_millis(20 - n)).await;
            running.set(running.get() - 1);
            n
        });
        assert_eq!(in_order(futures).await, (0..20).collect::<Vec<_>>());
        assert_eq!(most.get(), CONCURRENCY);
        assert!(in_order(Vec::<std::future::Ready<()>>::new()).await.is_empty());
    }
}
