//! Certificates that API objects hold, found by the names that refer to them.

use super::runtime::is_public_root;
use crate::model::codes;
use crate::model::snapshot::{CERTIFICATE_CONFIG_MAPS, World};
use crate::model::trust::{TrustBundle, TrustNote};
use crate::model::{ProblemClass, Snapshot};

/// ConfigMaps that controllers write into every namespace, so that no manifest holds them: the cluster's own CA, and
/// those of OpenShift and of Istio. They are kept only where something mounts them.
pub const IN_EVERY_NAMESPACE: &[&str] = &["istio-ca-root-cert", "kube-root-ca.crt", "openshift-service-ca.crt"];

/// What is known about a ConfigMap that something refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Held<'s> {
    /// It is there: what its keys hold, in their order. One that is mounted where trust is decided has all of its keys
    /// here, one that is not only those with certificates. Look at [`TrustBundle::unread`] and
    /// [`TrustBundle::public_roots`] too: the certificates may not be all.
    Keys(Vec<&'s TrustBundle>),
    /// It does not exist.
    Absent,
    /// Nothing tells what it holds, for this reason.
    Unknown(String),
}

/// Finds a ConfigMap.
pub fn config_map<'s>(snapshot: &'s Snapshot, namespace: &str, name: &str) -> Held<'s> {
    let maps = snapshot.trust_bundles.iter().filter(|bundle| bundle.kind == "ConfigMap" && bundle.meta.name == name);
    let (mut here, mut somewhere) = (Vec::new(), None);
    for bundle in maps {
        if bundle.meta.namespace_unknown {
            somewhere = Some(bundle);
        } else if bundle.meta.namespace.as_deref() == Some(namespace) {
            here.push(bundle);
        }
    }
    if let Some(why) = untold(snapshot, namespace, name) {
        return Held::Unknown(why);
    }
    if !here.is_empty() {
        return Held::Keys(here);
    }
    if let Some(bundle) = somewhere {
        let why = bundle.unread.as_deref().unwrap_or("its namespace cannot be known");
        return Held::Unknown(format!("ConfigMap {name}: {why}"));
    }
    match managed(snapshot, namespace, name) {
        Held::Absent => {}
        other => return other,
    }
    if IN_EVERY_NAMESPACE.contains(&name) {
        return Held::Unknown(format!("ConfigMap {name} is written into every namespace, and was not read here"));
    }
    absence(snapshot, namespace, name, CERTIFICATE_CONFIG_MAPS).map_or(Held::Absent, Held::Unknown)
}

/// Why nobody can tell what a ConfigMap holds, even if one of its name was read: an object that may be it is not readable.
pub fn untold(snapshot: &Snapshot, namespace: &str, name: &str) -> Option<String> {
    let about = |problem: &&crate::model::Problem| {
        problem.class.leaves_unknown()
            && problem.kind.as_deref() == Some("ConfigMap")
            && problem.name.as_deref().is_none_or(|own| own == name)
            && problem.namespace.as_deref().is_none_or(|own| own == namespace)
    };
    let problem = snapshot.problems.iter().find(about)?;
    Some(format!("ConfigMap {namespace}/{name} cannot be told: {}", problem.message))
}

/// Why a ConfigMap that was not found may be there all the same; `None`: it does not exist. `purpose` is the kind of the
/// coverage under which it would have been read.
pub fn absence(snapshot: &Snapshot, namespace: &str, name: &str, purpose: &str) -> Option<String> {
    let why = unread(snapshot, namespace, purpose)?;
    Some(format!("ConfigMap {namespace}/{name} was not read: {why}"))
}

/// The ConfigMap that trust-manager writes into the namespace.
fn managed<'s>(snapshot: &'s Snapshot, namespace: &str, name: &str) -> Held<'s> {
    let of_name = |bundle: &&TrustBundle| bundle.meta.name == name && bundle.targets.is_some();
    let bundles: Vec<_> = snapshot.trust_bundles.iter().filter(of_name).collect();
    let Some(targets) = bundles.first().and_then(|bundle| bundle.targets.as_ref()) else { return Held::Absent };
    let known = snapshot.namespaces.iter().find(|known| known.meta.name == namespace);
    if targets.is_everything() || known.is_some_and(|known| targets.matches(&known.meta.labels)) {
        return Held::Keys(bundles);
    }
    if known.is_some() {
        return Held::Absent;
    }
    Held::Unknown(format!(
        "whether {} {name} writes a ConfigMap into namespace {namespace} depends on labels that were not read",
        bundles[0].kind
    ))
}

/// Places whose content is a whole store: what is mounted over one is all that its readers have.
const STORES: &[&str] = &[
    "/etc/pki/ca-trust/extracted/pem",
    "/etc/pki/tls/certs",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/certs/ca-certificates.crt",
    "/kaniko/ssl/certs",
];

/// Bundles of trust-manager without public roots that pods mount over a whole store.
pub fn only_store(snapshot: &Snapshot) -> Vec<TrustNote> {
    let mut notes = Vec::new();
    for bundle in snapshot.trust_bundles.iter().filter(|bundle| bundle.targets.is_some()) {
        if bundle.public_roots || bundle.unread.is_some() || bundle.certificates.iter().any(is_public_root) {
            continue;
        }
        let pods = snapshot.pods.iter().map(|pod| ("Pod", &pod.meta, &pod.spec));
        let workloads = snapshot.workloads.iter().map(|o| (o.kind.as_str(), &o.meta, &o.spec));
        let over = pods.chain(workloads).find(|(_, meta, spec)| {
            let mut mounts = spec.containers.iter().flat_map(|container| &container.trust_mounts);
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            mounts.any(|mount| {
                STORES.contains(&mount.path.as_str())
                    && mount.source.config_maps().any(|name| *name == bundle.meta.name)
                    && matches!(config_map(snapshot, namespace, &bundle.meta.name), Held::Keys(_))
            })
        });
        if let Some((kind, meta, _)) = over {
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            let message = format!(
                "{} {} holds no public root, and {kind} {namespace}/{} mounts it in place of a whole store",
                bundle.kind, bundle.meta.name, meta.name
            );
            notes.push(TrustNote {
                code: codes::TLS_BUNDLE_NO_PUBLIC_ROOTS.id.into(),
                message: message.into(),
                path: snapshot.source(bundle.meta.origin.source).into(),
                line: bundle.meta.origin.line,
                host: None,
            });
        }
    }
    notes.dedup_by(|a, b| a.message == b.message);
    notes
}

/// Why a ConfigMap of the namespace may be there although it was not read.
fn unread(snapshot: &Snapshot, namespace: &str, purpose: &str) -> Option<String> {
    if snapshot.world == World::Closed {
        // A generator may make any object.
        let any = |p: &&crate::model::Problem| p.class == ProblemClass::NotRendered && p.name.is_none();
        return snapshot.problems.iter().find(any).map(|problem| problem.message.clone());
    }
    let of_namespace = snapshot.coverage.iter().filter(|row| {
        [purpose, "ConfigMap"].contains(&row.kind.as_str())
            && row.namespace.as_deref().is_none_or(|own| own == namespace)
    });
    let mut is_read = false;
    for row in of_namespace {
        if row.state.is_incomplete() {
            return Some("the credentials may not read it, or reading it failed".to_owned());
        }
        is_read |= *row.kind == *purpose;
    }
    (!is_read).then(|| "only ConfigMaps that pods mount are read".to_owned())
}
