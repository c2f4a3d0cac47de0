//! Leader election on a `coordination.k8s.io/v1` Lease.
//!
//! One process writes; who loses the lease stops, as client-go does: what it knows about being the leader is old then.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::collect::kube::describe;

/// Which lease, and who asks for it.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who this process is: the name of its pod.
    pub identity: String,
    /// How long a leader that says nothing is one. At least two seconds.
    pub duration: Duration,
}

/// Whether this process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Somebody else does, or nobody yet.
    Follower,
    /// It does. The leader before renewed its lease last at that instant, if there was one.
    Leader {
        /// What happened after it, nobody may have told.
        unheard_since: Option<Timestamp>,
    },
}

/// Competes for the lease until it is lost, and tells the role.
///
/// # Errors
///
/// The lease was held and is lost: the process has to end.
pub(super) async fn compete(client: Client, options: LeaseOptions, role: watch::Sender<Role>) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(client, &options.namespace);
    let retry = options.duration / 7;
    // A leader gives up before anybody may take over.
    let give_up = options.duration * 2 / 3;
    let mut held: Option<Instant> = None;
    // When a foreign lease was seen to change, by our own clock: those of other machines are not asked.
    let mut seen: Option<(String, Option<MicroTime>, Instant)> = None;
    loop {
        let began = Instant::now();
        match tokio::time::timeout(give_up, attempt(&leases, &options, &mut seen)).await {
            Ok(Ok(Some(unheard_since))) => {
                if held.is_none() {
                    tracing::info!("leading as {}", options.identity);
                    role.send_replace(Role::Leader { unheard_since });
                }
                held = Some(began);
            }
            Ok(Ok(None)) if held.is_some() => {
                bail!("somebody else took the lease {}/{}", options.namespace, options.name)
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!("{error:#}"),
            Err(_) => tracing::warn!("no answer about the lease {}/{}", options.namespace, options.name),
        }
        if held.is_some_and(|since| since.elapsed() >= give_up) {
            bail!("the lease {}/{} could not be renewed for {} s", options.namespace, options.name, give_up.as_secs());
        }
        tokio::time::sleep(retry).await;
    }
}

/// Gives the lease up, so that the next one need not wait.
pub(super) async fn release(client: Client, options: &LeaseOptions) {
    let leases: Api<Lease> = Api::namespaced(client, &options.namespace);
    let Ok(Some(mut lease)) = leases.get_opt(&options.name).await else { return };
    let Some(spec) = &mut lease.spec else { return };
    if spec.holder_identity.as_deref() != Some(&options.identity) {
        return;
    }
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    // Until now everything was told.
    spec.renew_time = Some(MicroTime(Timestamp::now()));
    if let Err(error) = leases.replace(&options.name, &PostParams::default(), &lease).await {
        tracing::warn!("the lease was not released: {}", describe(&error));
    }
}

/// One try: `Some` if the lease is ours now, with when the one before us renewed it last.
async fn attempt(
    leases: &Api<Lease>,
    options: &LeaseOptions,
    seen: &mut Option<(String, Option<MicroTime>, Instant)>,
) -> anyhow::Result<Option<Option<Timestamp>>> {
    let what = || format!("lease {}/{}", options.namespace, options.name);
    let failed = |error: kube::Error| anyhow!("{}", describe(&error));
    let now = Timestamp::now();
    let found = leases.get_opt(&options.name).await.map_err(failed).with_context(what)?;
    let Some(mut lease) = found else {
        let metadata = ObjectMeta { name: Some(options.name.clone()), ..ObjectMeta::default() };
        let mut lease = Lease { metadata, spec: None };
        take(&mut lease, options, now);
        return match leases.create(&PostParams::default(), &lease).await {
            Ok(_) => Ok(Some(None)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(failed(error)).with_context(what),
        };
    };
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.clone().unwrap_or_default();
    let is_ours = holder == options.identity;
    if !is_ours && !holder.is_empty() {
        let is_news = seen.as_ref().is_none_or(|(who, renewed, _)| *who != holder || *renewed != spec.renew_time);
        if is_news {
            *seen = Some((holder, spec.renew_time, Instant::now()));
            return Ok(None);
        }
        let lasts = Duration::from_secs(u64::try_from(spec.lease_duration_seconds.unwrap_or(15)).unwrap_or(15));
        if seen.as_ref().is_some_and(|(_, _, since)| since.elapsed() < lasts) {
            return Ok(None);
        }
    }
    let unheard_since = spec.renew_time.as_ref().map(|time| time.0);
    take(&mut lease, options, now);
    // The resource version is that which was read: of two who try, one gets a conflict.
    match leases.replace(&options.name, &PostParams::default(), &lease).await {
        Ok(_) => Ok(Some(unheard_since.filter(|_| !is_ours))),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(failed(error)).with_context(what),
    }
}

fn take(lease: &mut Lease, options: &LeaseOptions, now: Timestamp) {
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(&options.identity) {
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(-1) + 1);
    }
    spec.holder_identity = Some(options.identity.clone());
    spec.lease_duration_seconds = Some(i32::try_from(options.duration.as_secs()).unwrap_or(15));
    spec.renew_time = Some(MicroTime(now));
}
