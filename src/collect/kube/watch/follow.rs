//! One watch: list, then events, and again when the server has forgotten where we were.

use std::time::Duration;

use futures::StreamExt as _;
use kube::api::Api;
use kube::core::ApiResource;
use kube::runtime::watcher;
use tokio::sync::mpsc;

use super::super::connect::describe;
use super::super::kinds::Kind;
use super::sent::Sent;
use super::store::Event;
use crate::model::CoverageState;

/// The least time between two requests of a watch that fails, and the most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long the server keeps a watch open. A connection that died without a word is noticed after that time.
const WATCH_SECONDS: u32 = 120;

/// Follows a kind until nobody listens any more.
pub(super) async fn follow(
    client: kube::Client,
    kind: Kind,
    namespace: Option<String>,
    page_size: u32,
    slot: usize,
    events: mpsc::Sender<(usize, Event)>,
) {
    let resource = ApiResource {
        group: kind.group.clone(),
        version: kind.version.clone(),
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        plural: kind.plural.clone(),
    };
    let api: Api<Sent> = match &namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let config =
        watcher::Config { field_selector: kind.field_selector.map(str::to_owned), ..watcher::Config::default() }
            .page_size(page_size)
            .timeout(WATCH_SECONDS);
    let mut stream = std::pin::pin!(watcher(api, config));
    let mut pause = PAUSE.0;
    while let Some(item) = stream.next().await {
        let event = match item {
            Ok(watcher::Event::Init) => Event::Init,
            Ok(watcher::Event::InitApply(sent)) => Event::Listed(sent),
            Ok(watcher::Event::InitDone) => Event::Done,
            Ok(watcher::Event::Apply(sent)) => Event::Applied(sent),
            Ok(watcher::Event::Delete(sent)) => Event::Gone(sent),
            Err(error) => {
                let state = state(&error);
                tracing::debug!("watching {}: {error}", kind.coverage_name());
                if events.send((slot, Event::Failed(state))).await.is_err() {
                    return;
                }
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(PAUSE.1);
                continue;
            }
        };
        if matches!(event, Event::Done | Event::Applied(_) | Event::Gone(_)) {
            pause = PAUSE.0;
        }
        if events.send((slot, event)).await.is_err() {
            return;
        }
    }
}

fn state(error: &watcher::Error) -> CoverageState {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status))
            if status.code == 403 =>
        {
            CoverageState::Forbidden
        }
        InitialListFailed(kube::Error::Api(status)) if status.code == 404 => CoverageState::NotInstalled,
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            CoverageState::Failed(describe(error))
        }
        WatchError(status) => CoverageState::Failed(format!("the server ended the watch: {}", status.message)),
        NoResourceVersion => {
            CoverageState::Failed("the server gives no resource version: it cannot be watched".to_owned())
        }
    }
}

/// Up to a quarter longer, so that watches which fail together do not come back together.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(()) % 256;
    pause + pause.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1024.0)
}
