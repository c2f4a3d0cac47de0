//! Nodes: whether their container runtime verifies a registry.

use std::sync::Arc;

use super::judge::{self, Opinion, Presented};
use super::{Asking, unknown};
use crate::model::codes::{self, Code};
use crate::model::object::Node;
use crate::model::trust::{Anchor, NodeTrust, RegistryHost, RegistryTrust, StoreKind};
use crate::model::{Decided, Doubt, Evidence, Layer, Outcome, Step, StepOutcome, Str};
use crate::trace::context::Context;
use crate::trust::client::{Effective, Store};
use crate::trust::{Certificate, Client, verify};

/// The TLS step of a node that pulls an image.
pub(super) fn step(asking: &Asking<'_, '_>, node: &Str) -> Step {
    let (facts, described) = facts_of(asking.context, node);
    if facts.is_empty() {
        return Step::new(Layer::Tls, StepOutcome::NotAssessed, "the trust of the node was not read");
    }
    let mut found: Vec<(&NodeTrust, Opinion, Option<&RegistryTrust>)> = Vec::new();
    for trust in facts {
        found.extend(of_runtimes(asking, trust).into_iter().map(|(opinion, entry)| (trust, opinion, entry)));
    }
    // Several descriptions, or several runtimes: nobody knows which it is.
    if let Some(why) = differ(&found) {
        return unknown(why);
    }
    let mut names: Vec<&str> = found.iter().filter_map(|(trust, ..)| trust.from.as_deref()).collect();
    names.dedup();
    let describing = listed(&names);
    let Some((trust, opinion, entry)) = found.into_iter().next() else {
        return unknown("no container runtime of the node is known".to_owned());
    };
    let mut step = Step::new(Layer::Tls, opinion.outcome, opinion.reason.clone());
    step.assumptions.extend(opinion.assumptions.iter().cloned());
    if described {
        step.assumptions.push(format!("the node is as {describing} describes it"));
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

/// Who says what, where not all say the same.
fn differ(found: &[(&NodeTrust, Opinion, Option<&RegistryTrust>)]) -> Option<String> {
    let (first, opinion, _) = found.first()?;
    let (other, another, _) = found.iter().find(|(_, other, _)| other.outcome != opinion.outcome)?;
    Some(match (&first.from, &other.from) {
        (Some(one), Some(two)) if one != two => {
            format!("descriptions of the node differ: by {one} {}; by {two} {}", opinion.reason, another.reason)
        }
        _ => format!("runtimes of the node differ: {}; {}", opinion.reason, another.reason),
    })
}

/// At most this many descriptions are named.
const NAMED: usize = 3;

fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(" or ");
    if more > 0 { format!("{first} or one of {more} more") } else { first }
}

/// What is known about a node: its own facts, else what describes the nodes of its kind.
fn facts_of<'s>(context: &Context<'s>, node: &Str) -> (Vec<&'s NodeTrust>, bool) {
    let all = &context.snapshot.node_trust;
    let own: Vec<&NodeTrust> = all.iter().filter(|trust| trust.from.is_none() && trust.meta.name == *node).collect();
    if !own.is_empty() {
        return (own, false);
    }
    let mut described: Vec<&NodeTrust> = all.iter().filter(|trust| trust.from.is_some()).collect();
    if let Some(node) = context.node(node) {
        described.retain(|trust| may_describe(trust, node));
        // One that the node itself names is certain.
        let is_named = |trust: &&NodeTrust| BY.iter().any(|key| same_label(trust, node, key));
        if described.iter().any(is_named) {
            described.retain(is_named);
        }
    }
    (described, true)
}

/// Labels by which a node names what it was made of: its launch template (Amazon EKS), its class (Karpenter).
const BY: [&str; 3] = [
    "eks.amazonaws.com/sourceLaunchTemplateId",
    "eks.amazonaws.com/sourceLaunchTemplateVersion",
    "karpenter.k8s.aws/ec2nodeclass",
];

fn same_label(trust: &NodeTrust, node: &Node, key: &str) -> bool {
    let own = trust.meta.labels.get(key);
    own.is_some() && own == node.meta.labels.get(key)
}

/// Whether nothing of a node speaks against a description.
fn may_describe(trust: &NodeTrust, node: &Node) -> bool {
    let is_by_another = BY.iter().any(|key| match (trust.meta.labels.get(key), node.meta.labels.get(key)) {
        (Some(own), Some(of_node)) => own != of_node,
        // It was made of something, and that is another kind of thing.
        (None, Some(_)) => BY.iter().any(|other| trust.meta.labels.get(other).is_some()),
        (_, None) => false,
    });
    let is_of = |os: &str| node.os_image.as_deref().is_none_or(|image| may_be_of(os, image));
    !is_by_another && trust.os.as_deref().is_none_or(is_of)
}

/// Whether a node with this image (`status.nodeInfo.osImage`) may run that operating system. Images that are their own
/// distribution are told by their name; all others may be built from anything.
fn may_be_of(os: &str, image: &str) -> bool {
    const OWN: [(&str, &str); 3] = [("bottlerocket", "Bottlerocket"), ("talos", "Talos"), ("windows", "Windows")];
    match OWN.iter().find(|(id, _)| *id == os) {
        Some((_, name)) => image.starts_with(name),
        None if OWN.iter().any(|(_, name)| image.starts_with(name)) => false,
        // `Amazon Linux 2023.9.20251020` is none of `Amazon Linux 2`.
        None => match (os.strip_prefix("amzn "), image.strip_prefix("Amazon Linux ")) {
            (Some(version), Some(of_image)) => of_image.split('.').next() == Some(version),
            _ => true,
        },
    }
}

/// What each runtime of the node makes of the registry.
fn of_runtimes<'t>(asking: &Asking<'_, '_>, trust: &'t NodeTrust) -> Vec<(Opinion, Option<&'t RegistryTrust>)> {
    let host = &*asking.server.host;
    let port = asking.server.port;
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
        let authority = docker_hub(entry.host.split('/').next().unwrap_or_default());
        entry.runtime == runtime
            && match authority.strip_prefix("*.") {
                Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
                None => authority == with_port || (authority == host && port == 443),
            }
    })
}

/// Where Docker Hub's images are, which are named `docker.io` and configured by that name.
fn docker_hub(authority: &str) -> &str {
    if authority == "docker.io" { "registry-1.docker.io" } else { authority }
}

/// What a runtime says by an entry. Where it is not sure that the entry counts, it has to say the same without it.
fn opinion(asking: &Asking<'_, '_>, trust: &NodeTrust, runtime: &str, entry: Option<&RegistryTrust>) -> Opinion {
    let opinion = by_entry(asking, trust, runtime, entry);
    let with_port = |entry: &RegistryTrust| entry.host.split('/').next().is_some_and(|host| host.ends_with(":443"));
    let doubt = match entry {
        // A runtime that does not load its configuration pulls nothing, whichever entry would count.
        Some(entry) if entry.error.is_some() && entry.host == "_default" => return opinion,
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
    let (host, port) = (&*asking.server.host, asking.server.port);
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
    let host = &*asking.server.host;
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
    let authority = docker_hub(rest.split('/').next().unwrap_or_default());
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
            without: store.removed.iter().map(|anchor| anchor.sha256).collect(),
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
            let store = Store {
                path: path.to_owned(),
                rule: rule.to_owned(),
                sure: true,
                public: false,
                without: Vec::new(),
                certificates,
            };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::model::object::Meta;

    #[test]
    fn a_description_is_of_nodes_that_do_not_speak_against_it() {
        let labels = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        let meta = |pairs: &[(&str, &str)]| Meta { labels: labels(pairs), ..Meta::default() };
        let node = |image: &str, pairs: &[(&str, &str)]| Node {
            os_image: Some(image.into()),
            meta: meta(pairs),
            ..Node::default()
        };
        let of = |os: Option<&str>, pairs: &[(&str, &str)]| NodeTrust {
            os: os.map(Str::from),
            meta: meta(pairs),
            ..NodeTrust::default()
        };
        for (os, image, want) in [
            (Some("bottlerocket"), "Bottlerocket OS 1.50.0 (aws-k8s-1.34)", true),
            (Some("bottlerocket"), "Amazon Linux 2023.9.20251020", false),
            (Some("talos"), "Talos (v1.11.0)", true),
            (Some("amzn 2023"), "Amazon Linux 2023.9.20251020", true),
            (Some("amzn 2023"), "Amazon Linux 2", false),
            (Some("amzn 2"), "Amazon Linux 2023.9.20251020", false),
            (Some("amzn 2"), "Amazon Linux 2", true),
            (Some("amzn 2023"), "Red Hat Enterprise Linux 9.6 (Plow)", true),
            (Some("amzn 2023"), "Bottlerocket OS 1.50.0 (aws-k8s-1.34)", false),
            (None, "Talos (v1.11.0)", true),
        ] {
            assert_eq!(may_describe(&of(os, &[]), &node(image, &[])), want, "{os:?} {image}");
        }
        assert!(may_describe(&of(Some("talos"), &[]), &Node::default()));
        for (own, of_node, want) in [
            (&[(BY[0], "lt-1"), (BY[1], "2")][..], &[(BY[0], "lt-1"), (BY[1], "2")][..], true),
            (&[(BY[0], "lt-1"), (BY[1], "1")], &[(BY[0], "lt-1"), (BY[1], "2")], false),
            (&[(BY[0], "lt-1"), (BY[1], "1")], &[(BY[2], "builds")], false),
            (&[(BY[2], "builds")], &[], true),
            (&[], &[(BY[2], "builds")], true),
        ] {
            assert_eq!(may_describe(&of(None, own), &node("", of_node)), want, "{own:?} {of_node:?}");
        }
    }
}
