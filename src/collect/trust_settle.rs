//! Puts together what objects say about trust, once all of them are read: who holds which certificates, and where
//! they go.

use std::collections::HashSet;

use super::facts::Facts;
use super::openshift::{self, OpenShift};
use super::talos;
use super::trust_maps::{self, Content, TrustMap};
use super::trust_objects::{Managed, Source, TrustObject};
use super::user_data;
use crate::model::codes;
use crate::model::object::{Meta, Origin};
use crate::model::snapshot::CERTIFICATE_CONFIG_MAPS;
use crate::model::trust::{Anchor, NodeTrust, TrustBundle, TrustNote};
use crate::model::{Coverage, CoverageState, Snapshot, Str, World};

/// Where trust-manager takes its sources from unless it is told otherwise (`--trust-namespace`).
const TRUST_NAMESPACE: &str = "cert-manager";

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) bundles: Vec<TrustBundle>,
    pub(super) nodes: Vec<NodeTrust>,
    pub(super) notes: Vec<TrustNote>,
}

/// Takes what was read out of the facts of a snapshot.
pub(super) fn settle(facts: &mut Facts, snapshot: &Snapshot) -> Settled {
    let source = |index| snapshot.source(index);
    let mut settled = Settled::default();
    let is_row =
        |row: &&Coverage| row.kind == CERTIFICATE_CONFIG_MAPS && row.namespace.as_deref() == Some(openshift::NAMESPACE);
    let is_read = snapshot.coverage.iter().find(is_row).is_some_and(|row| row.state == CoverageState::Read);
    let is_partial = snapshot.world == World::Live && !is_read;
    let mut cluster = OpenShift { is_partial, ..OpenShift::default() };
    let mut seen = HashSet::new();
    let mut objects = Vec::new();
    // Of one name the last counts.
    for object in std::mem::take(&mut facts.trust_objects).into_iter().rev() {
        let (kind, meta) = match &object {
            TrustObject::Bundle(bundle) => (bundle.kind.clone(), &bundle.meta),
            TrustObject::Managed(managed) => (managed.kind.clone(), &managed.meta),
            TrustObject::Controller(controller) => ("ControllerConfig".into(), &controller.meta),
            TrustObject::Machine(machine) => (machine.from.clone(), &machine.meta),
        };
        if seen.insert((kind, meta.namespace.clone(), meta.name.clone())) {
            objects.push(object);
        }
    }
    for object in objects.into_iter().rev() {
        match object {
            TrustObject::Bundle(bundle) => settled.bundles.push(*bundle),
            TrustObject::Managed(managed) => {
                if let Some(why) = &managed.not_synced {
                    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                    let message = format!("{} {} is not synced{why}", managed.kind, managed.meta.name);
                    settled.notes.push(note(&codes::TLS_NOT_SYNCED, message, managed.meta.origin, &source));
                }
                settled.bundles.extend(written(*managed, &facts.trust_maps));
            }
            TrustObject::Controller(controller) => cluster.controller = Some(*controller),
            TrustObject::Machine(machine) if machine.decides() => settled.nodes.push(machine.node(snapshot.instant)),
            TrustObject::Machine(_) => {}
        }
    }
    cluster.read(facts);
    openshift::inject(&cluster, &mut facts.trust_maps);
    settled.nodes.extend(talos::nodes(std::mem::take(&mut facts.talos), source));
    let user_data = std::mem::take(&mut facts.user_data);
    let (of_user_data, notes) = user_data::nodes(user_data, &facts.nodes, snapshot.instant, source);
    settled.nodes.extend(of_user_data);
    settled.notes.extend(notes);
    let (of_cluster, traps) = cluster.nodes(&facts.trust_maps);
    settled.nodes.extend(of_cluster);
    settled.notes.extend(traps.into_iter().map(|(code, message, origin)| note(code, message, origin, &source)));
    settled.bundles.extend(trust_maps::bundles(facts));
    settled
}

fn note<'n>(code: &codes::Code, message: String, origin: Origin, source: &impl Fn(u32) -> &'n str) -> TrustNote {
    let path = source(origin.source).into();
    TrustNote { code: code.id.into(), message: message.into(), path, line: origin.line, host: None }
}

/// What trust-manager writes: one bundle for each key of its ConfigMaps.
fn written(managed: Managed, maps: &[TrustMap]) -> Vec<TrustBundle> {
    let Managed { kind, meta, sources, public_roots, keys, targets, .. } = managed;
    let mut all = Content::default();
    let mut certificates: Vec<Anchor> = Vec::new();
    let mut problems: Vec<Str> = Vec::new();
    for source in &sources {
        match source {
            Source::Inline(content) => take(content, &mut certificates, &mut problems, &mut all.unread),
            Source::Secret => all.unread = Some("a Secret is among its sources, and Secrets are not read".into()),
            Source::Unknown => all.unread = Some("a source of it is of a form that is not known".into()),
            Source::ConfigMap { name, selector, key } => {
                let chosen = of_trust_namespace(maps, |meta| match (name, selector) {
                    (Some(name), _) => meta.name == *name,
                    (None, Some(selector)) => selector.matches(&meta.labels),
                    (None, None) => false,
                });
                let mut contents = chosen.iter().flat_map(|map| &map.contents);
                let mut any = false;
                for (_, content) in contents.by_ref().filter(|(own, _)| key.as_ref().is_none_or(|key| key == own)) {
                    any = true;
                    take(content, &mut certificates, &mut problems, &mut all.unread);
                }
                if !any {
                    let name = name.as_deref().unwrap_or("of its labels");
                    all.unread = Some(format!("the ConfigMap {name} among its sources was not read").into());
                }
            }
        }
    }
    // The targets hold every certificate once.
    let mut seen = HashSet::new();
    certificates.retain(|certificate| seen.insert(certificate.sha256));
    all.certificates = certificates.into();
    all.problems = problems.into();
    let bundle = |key: Str, content: Content| TrustBundle {
        targets: Some(targets.clone()),
        // trust-manager takes certificates alone out of its sources.
        ..Content { public_roots, private_keys: 0, ..content }.at(&kind, &meta, key)
    };
    let store = Content { unread: Some("it is a key store, which is not read".into()), ..Content::default() };
    keys.into_iter().map(|(key, is_pem)| bundle(key, if is_pem { all.clone() } else { store.clone() })).collect()
}

fn take(content: &Content, certificates: &mut Vec<Anchor>, problems: &mut Vec<Str>, unread: &mut Option<Str>) {
    certificates.extend(content.certificates.iter().cloned());
    problems.extend(content.problems.iter().cloned());
    if content.unread.is_some() {
        unread.clone_from(&content.unread);
    }
}

/// The ConfigMaps that a source chooses: of the trust namespace, or where it was set to another one, those of the only
/// namespace that has some.
fn of_trust_namespace(maps: &[TrustMap], chosen: impl Fn(&Meta) -> bool) -> Vec<&TrustMap> {
    let all: Vec<_> = maps.iter().filter(|map| map.unread.is_none() && chosen(&map.meta)).collect();
    let usual: Vec<_> =
        all.iter().copied().filter(|map| map.meta.namespace.as_deref() == Some(TRUST_NAMESPACE)).collect();
    if !usual.is_empty() {
        return usual;
    }
    let namespaces: HashSet<_> = all.iter().map(|map| &map.meta.namespace).collect();
    if namespaces.len() == 1 { all } else { Vec::new() }
}
