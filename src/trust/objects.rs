//! Certificates that API objects hold, found by the names that refer to them.

use crate::model::snapshot::{CERTIFICATE_CONFIG_MAPS, World};
use crate::model::trust::TrustBundle;
use crate::model::{ProblemClass, Snapshot};

/// ConfigMaps that controllers write into every namespace, so that no manifest holds them: the cluster's own CA, and
/// those of OpenShift and of Istio. They are kept only where something mounts them.
pub const IN_EVERY_NAMESPACE: &[&str] = &["istio-ca-root-cert", "kube-root-ca.crt", "openshift-service-ca.crt"];

/// What is known about a ConfigMap that something refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Held<'s> {
    /// It is there: what its keys hold, in their order. One that is mounted where trust is decided has all of its keys
    /// here, one that is not only those with certificates.
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
    let about = |problem: &&crate::model::Problem| {
        problem.class.leaves_unknown()
            && problem.kind.as_deref() == Some("ConfigMap")
            && problem.name.as_deref().is_none_or(|own| own == name)
            && problem.namespace.as_deref().is_none_or(|own| own == namespace)
    };
    if let Some(problem) = snapshot.problems.iter().find(about) {
        return Held::Unknown(format!("ConfigMap {namespace}/{name} cannot be told: {}", problem.message));
    }
    if !here.is_empty() {
        return Held::Keys(here);
    }
    if let Some(bundle) = somewhere {
        let why = bundle.unread.as_deref().unwrap_or("its namespace cannot be known");
        return Held::Unknown(format!("ConfigMap {name}: {why}"));
    }
    if IN_EVERY_NAMESPACE.contains(&name) {
        return Held::Unknown(format!("ConfigMap {name} is written into every namespace, and was not read here"));
    }
    if let Some(why) = unread(snapshot, namespace) {
        return Held::Unknown(format!("ConfigMap {namespace}/{name} was not read: {why}"));
    }
    Held::Absent
}

/// Why a ConfigMap of the namespace may be there although it was not read.
fn unread(snapshot: &Snapshot, namespace: &str) -> Option<String> {
    if snapshot.world == World::Closed {
        // A generator may make any object.
        let any = |p: &&crate::model::Problem| p.class == ProblemClass::NotRendered && p.name.is_none();
        return snapshot.problems.iter().find(any).map(|problem| problem.message.clone());
    }
    let of_namespace = snapshot.coverage.iter().filter(|row| {
        [CERTIFICATE_CONFIG_MAPS, "ConfigMap"].contains(&row.kind.as_str())
            && row.namespace.as_deref().is_none_or(|own| own == namespace)
    });
    let mut is_read = false;
    for row in of_namespace {
        if row.state.is_incomplete() {
            return Some("the credentials may not read it, or reading it failed".to_owned());
        }
        is_read |= row.kind == CERTIFICATE_CONFIG_MAPS;
    }
    (!is_read).then(|| "only ConfigMaps that pods mount are read".to_owned())
}
