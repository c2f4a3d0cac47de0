//! What only time makes a trap: certificates that expire, and stores that a running program has not read anew.

use jiff::{SignedDuration, Timestamp};

use super::EXPIRY_DAYS;
use super::reading::{At, Reading};
use super::store;
use crate::model::codes;
use crate::model::trust::{Anchor, StoreKind};

/// Notes what the instant of reading makes of the facts.
pub(super) fn about_time(reading: &mut Reading<'_>) {
    let mut found: Vec<(Anchor, String, Option<String>)> = Vec::new();
    for store in &reading.stores {
        found.extend(store.additions.iter().map(|anchor| (anchor.clone(), store.path.to_string(), None)));
    }
    for registry in &reading.registries {
        for anchor in registry.hosts.iter().flat_map(|place| &place.ca) {
            found.push((anchor.clone(), registry.source.to_string(), Some(registry.host.to_string())));
        }
    }
    // What a distribution ships is its own care, also where it keeps roots that have long expired.
    let shipped = store::shipped(reading);
    found.retain(|(anchor, _, host)| host.is_some() || !shipped.contains(&anchor.sha256));
    let now = reading.about.observed;
    for (anchor, path, host) in found {
        expiry(reading, &anchor, &path, host.as_deref(), now);
    }
    stale(reading);
}

fn expiry(reading: &mut Reading<'_>, anchor: &Anchor, path: &str, host: Option<&str>, now: Timestamp) {
    let day = anchor.not_after.strftime("%Y-%m-%d").to_string();
    let subject = &anchor.subject;
    if anchor.not_after < now {
        let message = format!("{subject}, which {path} trusts, has expired on {day}");
        reading.note(codes::TLS_CA_EXPIRED, At(path, 0), host, message);
    } else if anchor.not_after.duration_since(now) < SignedDuration::from_hours(24 * EXPIRY_DAYS) {
        let message = format!("{subject}, which {path} trusts, expires on {day}");
        reading.note(codes::TLS_CA_EXPIRES, At(path, 0), host, message);
    }
}

/// Programs in Go read the system's roots once: a store that changed after their start may not be what they know.
fn stale(reading: &mut Reading<'_>) {
    let stores = reading.stores.iter().filter(|store| store.kind == StoreKind::System);
    let stores: Vec<_> = stores.filter_map(|store| Some((store.path.clone(), store.modified?))).collect();
    let runtimes: Vec<_> = reading.runtimes.iter().filter_map(|r| Some((r.name.clone(), r.started?))).collect();
    for (runtime, started) in runtimes {
        for (path, _) in stores.iter().filter(|(_, modified)| *modified > started) {
            let message =
                format!("{path} has changed since {runtime} was started, which reads it once: restart {runtime}");
            reading.note(codes::TLS_STORE_STALE, At(path, 0), None, message);
        }
    }
}
