//! Nodes: whether their container runtime verifies a registry.

use std::sync::Arc;

use super::judge::{self, Opinion, Presented};
use super::{Asking, unknown};
use crate::model::codes::{self, Code};
use crate::model::trust::{Anchor, NodeTrust, RegistryHost, RegistryTrust, StoreKind};
use crate::model::{Decided, Doubt, Evidence, Layer, Outcome, Snapshot, Step, StepOutcome, Str};
use crate::trace::context::Context;
use crate::trust::client::{Effective, Store};
use crate::trust::{Certificate, Client, verify};

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
    // Images are named without the port that all use.
    whole
        .max_by_key(|entry| (!entry.host.ends_with(":443"), entry.host.len()))
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
        // Docker Hub is named by its old name.
        let authority = if authority == "docker.io" { "registry-1.docker.io" } else { authority };
        entry.runtime == runtime
            && match authority.strip_prefix("*.") {
                Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
                None => authority == with_port || (authority == host && port == 443),
            }
    })
}

/// What a runtime says by an entry. Where it is not sure that the entry counts, it has to say the same without it.
fn opinion(asking: &Asking<'_, '_>, trust: &NodeTrust, runtime: &str, entry: Option<&RegistryTrust>) -> Opinion {
    let opinion = by_entry(asking, trust, runtime, entry);
    let with_port = |entry: &RegistryTrust| entry.host.split('/').next().is_some_and(|host| host.ends_with(":443"));
    let doubt = match entry {
        Some(entry) if entry.doubt.is_some() => entry.doubt.clone().unwrap_or_default(),
        Some(entry) if with_port(entry) => {
            format!("{} counts for images that are named with the port", entry.source).into()
        }
        _ => return opinion,
    };
    let without = by_entry(asking, trust, runtime, None);
    if opinion.outcome == without.outcome {
        return opinion;
    }
    let reason = format!("{doubt}; if it counts, {}; if not, {}", opinion.reason, without.reason);
    Opinion::of(opinion.client, Outcome::Unknown, reason)
}

fn by_entry(asking: &Asking<'_, '_>, trust: &NodeTrust, runtime: &str, entry: Option<&RegistryTrust>) -> Opinion {
    let (host, port) = (&*asking.planned.endpoint.host, asking.planned.endpoint.port);
    let fixed = |outcome: Outcome, reason: String| Opinion::of(client_of(runtime), outcome, reason);
    let Some(entry) = entry else { return at_place(asking, trust, runtime, None) };
    if let Some(error) = &entry.error {
        return fixed(Outcome::Blocked, format!("{runtime} does not pull from {host}: {error}"));
    }
    if entry.hosts.is_empty() {
        return at_place(asking, trust, runtime, Some((entry, None)));
    }
    // What is asked for nothing that a pull needs takes no part.
    let pulls = |place: &&RegistryHost| {
        place.capabilities.is_empty() || place.capabilities.iter().any(|what| matches!(&**what, "pull" | "resolve"))
    };
    let (own, others): (Vec<&RegistryHost>, Vec<&RegistryHost>) =
        entry.hosts.iter().filter(pulls).partition(|place| is_own(place, host, port));
    let others = others.iter().map(|place| place.url.as_str()).collect::<Vec<_>>().join(", ");
    // A registry may be asked twice, with other settings: the first that verifies serves.
    let opinions = own.iter().map(|place| at_place(asking, trust, runtime, Some((entry, Some(*place)))));
    let rank = |outcome: Outcome| match outcome {
        Outcome::Reachable => 0,
        Outcome::Partial | Outcome::Unknown => 1,
        Outcome::Blocked => 2,
    };
    let Some(best) = opinions.min_by_key(|opinion| rank(opinion.outcome)) else {
        return fixed(Outcome::Unknown, format!("{runtime} asks {others} in its place ({})", entry.source));
    };
    if best.outcome == Outcome::Blocked && !others.is_empty() {
        let reason = format!(
            "{runtime} asks {others} too ({}), and whether they serve it is not known; of {host} itself, {}",
            entry.source, best.reason
        );
        return fixed(Outcome::Unknown, reason);
    }
    best
}

fn client_of(runtime: &str) -> Client {
    match runtime {
        "cri-o" => Client::Containers,
        "docker" => Client::Docker,
        _ => Client::Containerd,
    }
}

/// What a runtime says of the registry itself, with the settings of one place of an entry, if it has one.
fn at_place(
    asking: &Asking<'_, '_>,
    trust: &NodeTrust,
    runtime: &str,
    by: Option<(&RegistryTrust, Option<&RegistryHost>)>,
) -> Opinion {
    let client = client_of(runtime);
    let host = &*asking.planned.endpoint.host;
    let fixed = |outcome: Outcome, reason: String| Opinion::of(client, outcome, reason);
    let mut held = Held::new(asking);
    held.system_store(trust);
    if let Some((entry, place)) = by {
        held.loaded.unknown.extend(entry.doubt.iter().map(Str::to_string));
        if let Some(place) = place {
            if place.skip_verify {
                let source = &entry.source;
                let reason = format!("{runtime} accepts any server for {host}: verification is off ({source})");
                return fixed(Outcome::Reachable, reason);
            }
            // With a CA of its own a place is asked by TLS, whatever its URL says.
            if place.url.starts_with("http://") && place.ca.is_empty() && place.unread.is_empty() {
                let reason = format!("{runtime} asks {host} over plain HTTP ({})", entry.source);
                return fixed(Outcome::Reachable, reason);
            }
            held.add(&entry.source, "CA of the registry", &place.ca);
            held.loaded.unknown.extend(place.unread.iter().map(|path| format!("{path} was not read")));
        }
    }
    if runtime == "docker" && trust.registries.iter().any(|other| other.host.parse::<ipnet::IpNet>().is_ok()) {
        held.loaded.unknown.push("daemon.json names ranges of addresses that are not verified".to_owned());
    }
    let at = asking.context.snapshot.instant;
    let mut opinion = judge::judge(client, &held.loaded, asking.presented(), host, at);
    if let Some((code, why)) = held.unfit.filter(|_| opinion.code == Some(&codes::TLS_UNKNOWN_ISSUER)) {
        opinion.code = Some(code);
        opinion.reason = format!("{}; {why}", opinion.reason);
    }
    opinion.assumptions.push("the container runtime was started after its trust store last changed".to_owned());
    opinion
}

/// Whether a place that is asked is the registry itself.
fn is_own(place: &RegistryHost, host: &str, port: u16) -> bool {
    let rest = place.url.split_once("://").map_or(place.url.as_str(), |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.is_empty() || (authority == host && port == 443) || authority == format!("{host}:{port}")
}

/// What a runtime of a node loads.
struct Held<'q> {
    loaded: Effective,
    /// Certificates that the server is known to have, or to lead to.
    known: &'q [Certificate],
    at: jiff::Timestamp,
    /// A certificate that looks like the one that is wanted and does not do, and why.
    unfit: Option<(&'static Code, String)>,
}

impl<'q> Held<'q> {
    fn new(asking: &'q Asking<'_, '_>) -> Self {
        let known = match asking.presented() {
            Presented::Ca(all) | Presented::Chain(all) => all,
            Presented::Public | Presented::Unknown(_) => &[],
        };
        Self { loaded: Effective::default(), known, at: asking.context.snapshot.instant, unfit: None }
    }

    /// The first store of the system that was built.
    fn system_store(&mut self, trust: &NodeTrust) {
        let Some(store) = trust.stores.iter().find(|store| store.kind == StoreKind::System) else {
            self.loaded.unknown.push("the system store of the node was not read".to_owned());
            return;
        };
        if store.public.present > 0 && store.public.present < store.public.of {
            self.loaded.assumptions.push(format!(
                "what the server presents leads to one of the {} public roots, of {}, that {} holds",
                store.public.present, store.public.of, store.path
            ));
        }
        self.loaded.stores.push(Store {
            path: store.path.to_string(),
            rule: "system store".to_owned(),
            sure: true,
            public: store.public.present > 0,
            certificates: Vec::new(),
        });
        if store.omitted > 0 {
            self.loaded.unknown.push(format!("{} more certificates of {} are not listed", store.omitted, store.path));
        }
        // What was not read, or not described, may hold more.
        self.loaded.unknown.extend(trust.unread.iter().map(|what| format!("not read: {what}")));
        self.add(&store.path, "system store", &store.additions);
    }

    /// Adds anchors. Of most only facts are known: one stands for a certificate of the server's CAs that has its name
    /// and key, if both are valid and neither is constrained.
    fn add(&mut self, path: &str, rule: &str, anchors: &[Anchor]) {
        let mut certificates = Vec::new();
        for anchor in anchors {
            if let Some(certificate) = Certificate::of_anchor(anchor) {
                certificates.push(certificate);
                continue;
            }
            let exact = self.known.iter().find(|one| one.anchor().sha256 == anchor.sha256);
            if let Some(certificate) = exact {
                certificates.push(certificate.clone());
                continue;
            }
            let (at, subject) = (self.at, &anchor.subject);
            let is_valid = |one: &Anchor| one.not_before <= at && at <= one.not_after;
            let same = |one: &&Certificate| one.anchor().spki == anchor.spki && one.anchor().subject == *subject;
            if let Some(same) = self.known.iter().find(same) {
                if !is_valid(anchor) {
                    let why = format!("the certificate of {subject} in {path} is not valid at this time");
                    self.unfit.get_or_insert((&codes::TLS_EXPIRED, why));
                } else if is_valid(same.anchor()) && !anchor.constrained && !same.anchor().constrained {
                    certificates.push(same.clone());
                } else {
                    let why = format!("{path} holds another certificate of {subject}, of which only facts are known");
                    self.loaded.unknown.push(why);
                }
                continue;
            }
            // Whoever has the issuer's name may have signed it; but what signs itself, nobody else has signed.
            let issuer = |one: &Certificate| one.anchor().issuer == *subject && !verify::signs(one, one);
            let below = |one: &Certificate| one.anchor().subject == anchor.issuer && one.anchor().subject != *subject;
            if self.known.iter().any(|one| issuer(one) || below(one)) {
                let why = format!("{path} holds a CA named {subject}, of which only the fingerprint is known");
                self.loaded.unknown.push(why);
            } else if self.known.iter().any(|one| one.anchor().subject == *subject) {
                let why = format!("{path} holds a CA of that name with another key");
                self.unfit.get_or_insert((&codes::TLS_OTHER_KEY, why));
            }
        }
        if !certificates.is_empty() {
            let store = Store { path: path.to_owned(), rule: rule.to_owned(), sure: true, public: false, certificates };
            self.loaded.stores.push(store);
        }
    }
}

/// The nodes that trust a CA, as what comes near: a container does not see their trust.
pub(super) fn holders(context: &Context<'_>, subject: &str, is: &impl Fn(&Anchor) -> bool) -> Vec<Evidence> {
    let mut found = Vec::new();
    for trust in &context.snapshot.node_trust {
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
