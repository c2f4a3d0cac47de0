//! Nodes: whether their container runtime verifies a registry.

use std::sync::Arc;

use super::judge::{self, Opinion, Presented};
use super::{Asking, unknown};
use crate::model::trust::{Anchor, NodeTrust, RegistryHost, RegistryTrust, StoreKind};
use crate::model::{Decided, Doubt, Evidence, Layer, Outcome, Snapshot, Step, StepOutcome, Str};
use crate::trace::context::Context;
use crate::trust::client::{Effective, Store};
use crate::trust::{Certificate, Client};

/// The TLS step of a node that pulls an image.
pub(super) fn step(asking: &Asking<'_, '_>, node: &Str) -> Step {
    let (facts, described) = facts_of(asking.context.snapshot, node);
    if facts.is_empty() {
        return Step::new(Layer::Tls, StepOutcome::NotAssessed, "the trust of the node was not read");
    }
    let mut found: Vec<(&NodeTrust, Opinion, Option<&RegistryTrust>)> = Vec::new();
    for trust in facts {
        found.extend(of_runtimes(asking, trust).into_iter().map(|(opinion, entry)| (trust, opinion, entry)));
    }
    // Several descriptions, or several runtimes: nobody knows which it is.
    let same = found.windows(2).all(|pair| pair[0].1.outcome == pair[1].1.outcome);
    let Some((trust, opinion, entry)) = found.into_iter().next() else {
        return unknown("no container runtime of the node is known".to_owned());
    };
    if !same {
        return unknown(format!("runtimes or descriptions of the node differ; by one of them {}", opinion.reason));
    }
    let mut step = Step::new(Layer::Tls, opinion.outcome, opinion.reason.clone());
    step.assumptions.extend(opinion.assumptions.iter().cloned());
    if described {
        let from = trust.from.as_deref().unwrap_or_default();
        step.assumptions.push(format!("the node is as {from} describes it"));
    }
    if opinion.outcome == Outcome::Unknown {
        if let Presented::Unknown(why) = asking.presented() {
            why.clone_into(&mut step.summary);
        }
        step.doubts.push(Doubt { reason: step.summary.clone(), not_evaluated: None });
    }
    let mut evidence = asking.context.object_evidence("NodeTrust", &trust.meta, Decided::ByDefault);
    if let Some(entry) = entry {
        evidence.path = Some(format!("registries[{}]", entry.host));
        evidence.detail = Some(entry.source.to_string());
        evidence.decided = Decided::ByRule;
    }
    step.evidence.push(Arc::new(evidence));
    if opinion.outcome == Outcome::Blocked {
        step.codes.extend(opinion.code.map(|code| Str::from(code.id)));
        step.missing = opinion.missing.as_ref().map(|missing| {
            format!("{missing} in the registry's own CA file, or in the node's system store with the runtime restarted")
        });
    }
    step
}

/// What is known about a node: its own facts, else what describes the nodes of its kind.
fn facts_of<'s>(snapshot: &'s Snapshot, node: &Str) -> (Vec<&'s NodeTrust>, bool) {
    let all = &snapshot.node_trust;
    let own: Vec<&NodeTrust> = all.iter().filter(|trust| trust.from.is_none() && trust.meta.name == *node).collect();
    if own.is_empty() { (all.iter().filter(|trust| trust.from.is_some()).collect(), true) } else { (own, false) }
}

/// What each runtime of the node makes of the registry.
fn of_runtimes<'t>(asking: &Asking<'_, '_>, trust: &'t NodeTrust) -> Vec<(Opinion, Option<&'t RegistryTrust>)> {
    let host = &*asking.planned.endpoint.host;
    let port = asking.planned.endpoint.port;
    let mut runtimes: Vec<&str> = trust
        .runtimes
        .iter()
        .map(|r| r.name.as_str())
        .chain(trust.registries.iter().map(|r| r.runtime.as_str()))
        .collect();
    runtimes.retain(|name| *name != "buildkit");
    runtimes.sort_unstable();
    runtimes.dedup();
    if runtimes.is_empty() {
        // Whatever pulls is written in Go and reads the system store.
        runtimes.push("containerd");
    }
    let of = |runtime: &&str| {
        let entry = entry_of(trust, runtime, host, port);
        let opinion = opinion(asking, trust, runtime, entry);
        // The image's path is not known here, so entries for some paths of the registry may count or not.
        let other = entries_of(trust, runtime, host, port)
            .filter(|other| entry.is_none_or(|entry| entry.host != other.host) && other.host.contains('/'))
            .find(|other| self::opinion(asking, trust, runtime, Some(*other)).outcome != opinion.outcome);
        match other {
            Some(other) => {
                let reason = format!(
                    "{runtime} has settings of its own for {}, and for other images {}",
                    other.host, opinion.reason
                );
                (Opinion::of(opinion.client, Outcome::Unknown, reason), Some(other))
            }
            None => (opinion, entry),
        }
    };
    runtimes.iter().map(of).collect()
}

/// The entry for a whole registry: the longest that names it, else the one for all others.
fn entry_of<'t>(trust: &'t NodeTrust, runtime: &str, host: &str, port: u16) -> Option<&'t RegistryTrust> {
    let whole = entries_of(trust, runtime, host, port).filter(|entry| !entry.host.contains('/'));
    whole
        .max_by_key(|entry| entry.host.len())
        .or_else(|| trust.registries.iter().find(|entry| entry.runtime == runtime && entry.host == "_default"))
}

/// The entries that name a registry, or some paths of it.
fn entries_of<'t>(
    trust: &'t NodeTrust,
    runtime: &str,
    host: &str,
    port: u16,
) -> impl Iterator<Item = &'t RegistryTrust> {
    let with_port = format!("{host}:{port}");
    trust.registries.iter().filter(move |entry| {
        let authority = entry.host.split('/').next().unwrap_or_default();
        entry.runtime == runtime
            && match authority.strip_prefix("*.") {
                Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
                None => authority == with_port || (authority == host && port == 443),
            }
    })
}

fn opinion(asking: &Asking<'_, '_>, trust: &NodeTrust, runtime: &str, entry: Option<&RegistryTrust>) -> Opinion {
    let client = match runtime {
        "cri-o" => Client::Containers,
        "docker" => Client::Docker,
        _ => Client::Containerd,
    };
    let (host, port) = (&*asking.planned.endpoint.host, asking.planned.endpoint.port);
    let fixed = |outcome: Outcome, reason: String| Opinion::of(client, outcome, reason);
    let mut loaded = system_store(trust, asking.presented());
    let mut verified = true;
    if let Some(entry) = entry {
        if let Some(error) = &entry.error {
            return fixed(Outcome::Blocked, format!("{runtime} does not pull from {host}: {error}"));
        }
        if let Some(doubt) = &entry.doubt {
            loaded.unknown.push(doubt.to_string());
        }
        match own_host(entry, host, port) {
            Some(own) if own.url.starts_with("http://") => {
                let reason = format!("{runtime} asks {host} over plain HTTP ({})", entry.source);
                return fixed(Outcome::Reachable, reason);
            }
            Some(own) => {
                verified = !own.skip_verify;
                add(&mut loaded, &entry.source, "CA of the registry", &own.ca, asking.presented());
                loaded.unknown.extend(own.unread.iter().map(|path| format!("{path} was not read")));
            }
            None if entry.hosts.is_empty() => {}
            None => {
                let others: Vec<&str> = entry.hosts.iter().map(|h| h.url.as_str()).collect();
                let reason = format!("{runtime} asks {} in its place ({})", others.join(", "), entry.source);
                return fixed(Outcome::Unknown, reason);
            }
        }
    }
    if runtime == "docker" && trust.registries.iter().any(|other| other.host.parse::<ipnet::IpNet>().is_ok()) {
        loaded.unknown.push("daemon.json names ranges of addresses that are not verified".to_owned());
    }
    if !verified {
        let reason = format!("{runtime} accepts any server for {host}: verification is off ({})", source(entry));
        return fixed(Outcome::Reachable, reason);
    }
    let mut opinion = judge::judge(client, &loaded, asking.presented(), host, asking.context.snapshot.instant);
    opinion.assumptions.push("the container runtime was started after its trust store last changed".to_owned());
    opinion
}

fn source(entry: Option<&RegistryTrust>) -> &str {
    entry.map_or("", |entry| entry.source.as_str())
}

/// The place among those that are asked which is the registry itself.
fn own_host<'t>(entry: &'t RegistryTrust, host: &str, port: u16) -> Option<&'t RegistryHost> {
    let is_own = |candidate: &&RegistryHost| {
        let rest = candidate.url.split_once("://").map_or(candidate.url.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        authority.is_empty() || (authority == host && port == 443) || authority == format!("{host}:{port}")
    };
    // The last one that is the registry answers when the others do not.
    entry.hosts.iter().rfind(is_own)
}

/// What the runtime loads of the system: the first store that was built.
fn system_store(trust: &NodeTrust, presented: Presented<'_>) -> Effective {
    let mut loaded = Effective::default();
    let Some(store) = trust.stores.iter().find(|store| store.kind == StoreKind::System) else {
        loaded.unknown.push("the system store of the node was not read".to_owned());
        return loaded;
    };
    if store.public.present > 0 && store.public.present < store.public.of {
        loaded.assumptions.push(format!(
            "what the server presents leads to one of the {} public roots, of {}, that {} holds",
            store.public.present, store.public.of, store.path
        ));
    }
    loaded.stores.push(Store {
        path: store.path.to_string(),
        rule: "system store".to_owned(),
        sure: true,
        public: store.public.present > 0,
        certificates: Vec::new(),
    });
    if store.omitted > 0 {
        loaded.unknown.push(format!("{} more certificates of {} are not listed", store.omitted, store.path));
    }
    // What was not read, or not described, may hold more.
    loaded.unknown.extend(trust.unread.iter().map(|what| format!("not read: {what}")));
    add(&mut loaded, &store.path, "system store", &store.additions, presented);
    loaded
}

/// Adds anchors. One of which only the fingerprint is known counts if it is among what the server is known to have;
/// if it only has the name of a CA that is asked for, nobody can check its signatures.
fn add(loaded: &mut Effective, path: &str, rule: &str, anchors: &[Anchor], presented: Presented<'_>) {
    let known: &[Certificate] = match presented {
        Presented::Ca(all) | Presented::Chain(all) => all,
        Presented::Public | Presented::Unknown(_) => &[],
    };
    let mut certificates = Vec::new();
    for anchor in anchors {
        let same = |c: &&Certificate| c.anchor().spki == anchor.spki && c.anchor().subject == anchor.subject;
        match Certificate::of_anchor(anchor).or_else(|| known.iter().find(same).cloned()) {
            Some(certificate) => certificates.push(certificate),
            None if known.iter().any(|c| c.anchor().issuer == anchor.subject) => loaded
                .unknown
                .push(format!("{path} holds a CA named {}, of which only the fingerprint is known", anchor.subject)),
            None => {}
        }
    }
    if !certificates.is_empty() {
        let store = Store { path: path.to_owned(), rule: rule.to_owned(), sure: true, public: false, certificates };
        loaded.stores.push(store);
    }
}

/// The nodes that trust a CA, as what comes near: a container does not see their trust.
pub(super) fn holders(context: &Context<'_>, subject: &str) -> Vec<Evidence> {
    let mut found = Vec::new();
    for trust in &context.snapshot.node_trust {
        let is = |anchor: &Anchor| *anchor.subject == *subject;
        let evidence = || context.object_evidence("NodeTrust", &trust.meta, Decided::ByRule);
        let holds = |entry: &&RegistryTrust| entry.hosts.iter().any(|host| host.ca.iter().any(is));
        if let Some(entry) = trust.registries.iter().find(holds) {
            found.push(Evidence {
                path: Some(format!("registries[{}]", entry.host)),
                detail: Some(format!(
                    "trusts {subject} for the node's own pulls ({}); containers do not see it",
                    entry.source
                )),
                ..evidence()
            });
        } else if let Some(store) = trust.stores.iter().find(|store| store.additions.iter().any(is)) {
            let detail = format!("holds {subject} in {}; containers do not see it", store.path);
            found.push(Evidence { detail: Some(detail), ..evidence() });
        }
    }
    found
}
