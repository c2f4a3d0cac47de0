//! The TLS layer: whether the client verifies the server that it reaches.

mod answers;
mod clients;
mod commands;
mod findings;
mod judge;
mod kept;
mod node;
mod place;
mod server;
mod sites;
#[cfg(test)]
mod tests;

pub(super) use findings::findings;

use std::sync::Arc;

use crate::demand::{self, Speaks, command_words, environment};
use crate::model::object::{Container, EnvValue, EnvVar, PodSpec};
use crate::model::trust::{Anchor, TrustNote};
use crate::model::{Decided, Doubt, Evidence, Layer, ObjectRef, Outcome, Step, StepOutcome, Str};
use crate::trust::stock::{self, Layout};
use crate::trust::tree::Tree;
use crate::trust::{Certificate, Client, client, places, verify};

use super::context::Context;
pub use answers::Ask;
use answers::{Stock, Who};
use judge::{Opinion, Presented};
pub use kept::Trust;
use server::{Given, Server};
use sites::Place;

/// Parts of names, in lower case, of what switches verification off or moves a client's configuration.
const SWITCHES: &[&str] = &["tls", "insecure", "strict", "verify", "trust", "home"];

fn is_switch(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SWITCHES.iter().any(|part| lower.contains(part))
}

/// Whether a variable may decide about trust: by its name, or because another refers to it.
fn decides(container: &Container, variable: &EnvVar) -> bool {
    let reference = format!("$({})", variable.name);
    let refers = |other: &EnvVar| matches!(&other.value, EnvValue::Text(text) if text.contains(&reference));
    places::is_trust_variable(&variable.name) || is_switch(&variable.name) || container.env.iter().any(refers)
}

/// Whether a container sets or mounts anything that decides what its clients trust.
fn is_altered(container: &Container) -> bool {
    let mut words = container.command.iter().chain(container.args.iter());
    !container.trust_mounts.is_empty()
        || !container.env_from.is_empty()
        || container.env.iter().any(|variable| decides(container, variable))
        // A flag of curl that switches verification off is a single letter.
        || words.any(|word| places::is_about_trust(word) || is_switch(word) || word.contains("curl"))
}

/// The socket of the node's runtime, through which a container has the node build and pull.
fn runtime_socket(spec: &PodSpec) -> Option<&Str> {
    spec.host_paths.iter().find(|path| path.ends_with(".sock") || path.contains("/run/containerd"))
}

/// What a step is made from: all that it may hang on beside the facts.
pub(super) struct Asking<'q, 'a> {
    pub(super) context: &'q Context<'a>,
    /// Where the client runs.
    place: &'q Place,
    /// Who asks there.
    who: &'q Who,
    /// Which server is asked.
    server: &'q Server,
}

impl Asking<'_, '_> {
    fn step(&self, stock: &Stock) -> (Step, Vec<TrustNote>) {
        match self.who.speaks {
            Speaks::Plain => return plain("no TLS is spoken there"),
            Speaks::Unsaid if matches!(self.server.given, Given::Unknown(_)) => {
                let summary = "nothing tells whether TLS is spoken there";
                return (Step::new(Layer::Tls, StepOutcome::NotAssessed, summary), Vec::new());
            }
            Speaks::Tls | Speaks::Unsaid => {}
        }
        match self.place {
            Place::Pod { namespace, spec, .. } => self.of_pod(namespace, spec, stock),
            Place::Node(name) => (node::step(self, name), Vec::new()),
            Place::Other => {
                let summary = "which program runs there is not known";
                (Step::new(Layer::Tls, StepOutcome::NotAssessed, summary), Vec::new())
            }
        }
    }

    fn of_pod(&self, namespace: &str, spec: &PodSpec, stock: &Stock) -> (Step, Vec<TrustNote>) {
        let spec = &*environment::resolved(self.context.snapshot, namespace, spec);
        let ecosystem = self.who.ecosystem.as_deref();
        if let Some(socket) = runtime_socket(spec).filter(|_| ecosystem.is_some_and(|id| id.starts_with("reg_"))) {
            let why = format!("the node's runtime pulls for it through {socket}, and its trust is the node's");
            return (unknown(why), Vec::new());
        }
        let asking = clients::asking(self.who, &self.server.host, spec);
        let mut found: Vec<(&Container, Opinion)> = Vec::new();
        for container in &asking.containers {
            for opinion in self.of_container(namespace, spec, container, stock) {
                found.push((container, opinion));
            }
        }
        let is_one = found.windows(2).all(|pair| pair[0].1.outcome == pair[1].1.outcome);
        if asking.guessed && !is_one {
            let words =
                |(container, opinion): &(&Container, Opinion)| format!("`{}`: {}", container.name, opinion.reason);
            let all = found.iter().map(words).collect::<Vec<_>>().join("; or ");
            let notes = found.into_iter().flat_map(|(_, opinion)| opinion.notes).collect();
            return (unknown(format!("it is not known which container asks: {all}")), notes);
        }
        let (mut step, notes) = self.combine(&found);
        if asking.left_out {
            let names = asking.containers.iter().map(|container| format!("`{}`", container.name)).collect::<Vec<_>>();
            step.assumptions.push(format!("what asks for it is in container {}", names.join(" or ")));
        }
        (step, notes)
    }

    /// What each of a container's clients says. Where it is not known which client it is, or how the image's files are
    /// laid out, all possible ones together say one thing.
    fn of_container(&self, namespace: &str, spec: &PodSpec, container: &Container, stock: &Stock) -> Vec<Opinion> {
        let host = &*self.server.host;
        let clients = clients::clients(self.who.ecosystem.as_deref(), host, spec, container);
        let mut env = place::environment(container);
        let is_stock = !is_altered(container);
        let mut is_kaniko = false;
        if clients.all.contains(&Client::Kaniko) && env.get("SSL_CERT_DIR") == client::Variable::Unset {
            // Its image sets it.
            env.set("SSL_CERT_DIR", "/kaniko/ssl/certs");
            is_kaniko = true;
        }
        let layouts = stock::layouts(container.image.as_deref());
        let words = command_words(spec, container);
        let commands = demand::commands(spec, container);
        let files: Vec<Tree> = layouts
            .iter()
            .map(|layout| place::files(self.context.snapshot, namespace, &layout.tree, container))
            .collect();
        let named = format!("{host}:{}", self.server.port);
        let mut opinions: Vec<Opinion> = Vec::new();
        for client in &clients.all {
            let built: Vec<(&Layout, &Tree)> =
                layouts.iter().copied().zip(&files).filter(|(layout, _)| clients::is_built(*client, layout)).collect();
            let mut of_runs: Vec<Opinion> = Vec::new();
            for run in commands::runs(*client, host, &commands, &words) {
                let env = run.environment(&env);
                let of_layout = |(layout, files): (&Layout, &Tree)| {
                    let new = || {
                        let at = client::Place {
                            arguments: &run.words,
                            written: &run.written,
                            host: Some(if self.server.port == 443 { host } else { &named }),
                            ..client::Place::new(files, &env)
                        };
                        Arc::new(client::effective(*client, &at))
                    };
                    let loaded = if is_stock && run.sets_nothing() {
                        let of_host = clients::hang_on(host).then(|| named.clone());
                        let key = (*client, layout.name, is_kaniko, run.words.clone(), of_host);
                        Arc::clone(stock.0.borrow_mut().entry(key).or_insert_with(new))
                    } else {
                        new()
                    };
                    let instant = self.context.snapshot.instant;
                    let mut opinion = judge::judge(*client, &loaded, self.presented(), host, instant);
                    opinion.assumptions.push("the image's trust store is the stock one".to_owned());
                    if let Some(why) = run.unseen(files, container).filter(|_| opinion.outcome == Outcome::Blocked) {
                        opinion.reason = format!("{why}; without it, {}", opinion.reason);
                        opinion.outcome = Outcome::Unknown;
                        opinion.code = None;
                    }
                    opinion
                };
                let opinion =
                    agree(built.iter().copied().map(of_layout).collect(), "how the files of the image are laid out");
                of_runs.extend(opinion.map(|opinion| at_run_time(opinion, &run)));
            }
            let mut opinion = agree(of_runs, "which of its commands asks");
            // What an image has by itself is not the pod's doing.
            if let Some(opinion) = opinion.as_mut().filter(|_| !is_altered(container)) {
                opinion.notes.clear();
            }
            opinions.extend(opinion);
        }
        if clients.guessed {
            opinions = agree(opinions, "which program asks").into_iter().collect();
        }
        if let (Some(opinion), Some(files)) = (opinions.first_mut(), files.first())
            && commands::are_readable(container, &commands, &words)
        {
            opinion.notes.extend(place::not_built(files, container));
        }
        opinions
    }

    fn presented(&self) -> Presented<'_> {
        self.server.presented()
    }

    /// All containers and clients that need the endpoint, as one step.
    fn combine(&self, found: &[(&Container, Opinion)]) -> (Step, Vec<TrustNote>) {
        let notes: Vec<TrustNote> = found.iter().flat_map(|(_, opinion)| opinion.notes.iter().cloned()).collect();
        let Some(outcome) = Outcome::all_needed(found.iter().map(|(_, opinion)| opinion.outcome)) else {
            return (unknown("no container is known that asks for it".to_owned()), notes);
        };
        let deciding = found.iter().find(|(_, opinion)| opinion.outcome == outcome);
        let worst = deciding.or_else(|| found.iter().max_by_key(|(_, opinion)| rank(opinion.outcome)));
        let Some((container, opinion)) = worst else {
            return (unknown("no container is known that asks for it".to_owned()), notes);
        };
        let mut step = Step::new(Layer::Tls, outcome, opinion.reason.clone());
        let mut assumptions: Vec<String> = found.iter().flat_map(|(_, o)| o.assumptions.iter().cloned()).collect();
        assumptions.sort_unstable();
        assumptions.dedup();
        step.assumptions = assumptions;
        if outcome == Outcome::Unknown {
            if let Given::Unknown(why) = &self.server.given {
                step.summary.clone_from(why);
            }
            step.doubts.push(Doubt { reason: step.summary.clone(), not_evaluated: None });
        }
        if matches!(outcome, Outcome::Blocked | Outcome::Partial) {
            step.codes.extend(opinion.code.map(|code| Str::from(code.id)));
            step.evidence.push(Arc::new(self.evidence(container, opinion)));
            step.near_misses = self.elsewhere(opinion);
            step.missing = judge::remedy(opinion);
        }
        (step, notes)
    }

    /// The container as what decides: the setting that names its store, else its image.
    fn evidence(&self, container: &Container, opinion: &Opinion) -> Evidence {
        let Place::Pod { object, source, line, .. } = self.place else {
            return Evidence::of(ObjectRef { kind: "Pod".into(), namespace: None, name: Str::default() });
        };
        let deciding = container
            .env
            .iter()
            .find(|v| places::is_trust_variable(&v.name) && opinion.reason.contains(v.name.as_str()));
        let of_variable = |variable: &EnvVar| format!("container `{}` {}", container.name, variable.name);
        let path = Some(deciding.map_or_else(|| format!("container `{}`", container.name), of_variable));
        if let Some(place) = deciding.and_then(|variable| variable.place.as_deref()) {
            return Evidence {
                path: Some(format!("data.{}", place.key)),
                file: Some(self.context.snapshot.source(place.source).into()),
                line: (place.line > 0).then_some(place.line),
                decided: Decided::ByRule,
                detail: path,
                ..Evidence::of(place.object.clone())
            };
        }
        let line = deciding.map(|variable| variable.line).filter(|line| *line > 0).unwrap_or(*line);
        Evidence {
            path,
            file: Some(self.context.snapshot.source(*source).into()),
            line: (line > 0).then_some(line),
            decided: if deciding.is_some() { Decided::ByRule } else { Decided::ByDefault },
            detail: deciding.and_then(|variable| match &variable.value {
                EnvValue::Text(text) => Some(format!("{}={text}", variable.name)),
                _ => None,
            }),
            ..Evidence::of(object.clone())
        }
    }

    /// Whether a certificate of the name that is missing is the one that is meant, as far as its key tells.
    fn would_do(&self, anchor: &Anchor) -> bool {
        match self.presented() {
            Presented::Ca(all) => all.iter().any(|ca| ca.anchor().spki == anchor.spki),
            Presented::Chain(chain) => Certificate::of_anchor(anchor)
                .is_none_or(|anchor| chain.iter().any(|certificate| verify::signs(&anchor, certificate))),
            Presented::Public | Presented::Unknown(_) => true,
        }
    }

    /// Where the CA that is missing here is trusted, or at hand.
    fn elsewhere(&self, opinion: &Opinion) -> Vec<Arc<Evidence>> {
        let Some(missing) = &opinion.missing else { return Vec::new() };
        let is_missing = |anchor: &Anchor| *anchor.subject == **missing && self.would_do(anchor);
        let mut found = node::holders(self.context, missing, &is_missing);
        if let Place::Pod { namespace, .. } = self.place {
            let bundles = self.context.snapshot.trust_bundles.iter().filter(|bundle| {
                bundle.meta.namespace.as_deref().is_none_or(|own| *own == **namespace)
                    && bundle.certificates.iter().any(is_missing)
            });
            found.extend(bundles.map(|bundle| {
                let mut evidence = self.context.object_evidence(&bundle.kind, &bundle.meta, Decided::ByRule);
                evidence.path = (!bundle.key.is_empty()).then(|| format!("key {}", bundle.key));
                evidence.detail = Some(format!("holds {missing}; the container does not use it"));
                evidence
            }));
        }
        found.truncate(NEAR);
        found.into_iter().map(Arc::new).collect()
    }
}

/// At most this many places are named where a missing CA is at hand.
const NEAR: usize = 4;

fn plain(why: &str) -> (Step, Vec<TrustNote>) {
    (Step::new(Layer::Tls, StepOutcome::NotApplicable, why), Vec::new())
}

fn unknown(why: String) -> Step {
    let mut step = Step::new(Layer::Tls, StepOutcome::Unknown, why.clone());
    step.doubts.push(Doubt { reason: why, not_evaluated: None });
    step
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Reachable => 0,
        Outcome::Partial => 1,
        Outcome::Unknown => 2,
        Outcome::Blocked => 3,
    }
}

/// One opinion of several possible ones, of which nobody knows which is right.
fn agree(opinions: Vec<Opinion>, open: &str) -> Option<Opinion> {
    let same = opinions.windows(2).all(|pair| pair[0].outcome == pair[1].outcome);
    let mut all = opinions.into_iter();
    let first = all.next()?;
    if same {
        let mut first = first;
        for other in all {
            // A trap that only one of them has may not be there.
            let alike = |a: &TrustNote, b: &TrustNote| a.code == b.code && a.path == b.path;
            first.notes.retain(|note| other.notes.iter().any(|theirs| alike(note, theirs)));
            if first.client == other.client {
                first.assumptions.extend(other.assumptions);
            }
        }
        return Some(first);
    }
    let opinions: Vec<Opinion> = std::iter::once(first).chain(all).collect();
    let reasons: Vec<&str> = opinions.iter().map(|opinion| opinion.reason.as_str()).collect();
    let reason = format!("it is not known {open}: {}", reasons.join("; or "));
    let first = opinions.into_iter().next()?;
    Some(Opinion { outcome: Outcome::Unknown, reason, code: None, missing: None, notes: Vec::new(), ..first })
}

/// What the container's own commands do to a store before the client reads it.
fn at_run_time(mut opinion: Opinion, run: &commands::Run) -> Opinion {
    let changes = match (&run.doubt, &run.rebuilds) {
        (Some(word), _) => Some(word),
        (None, Some(word)) if opinion.outcome == Outcome::Blocked => Some(word),
        _ => None,
    };
    if let Some(word) = changes {
        opinion.reason =
            format!("a command of the container changes what is trusted (`{word}`); before it, {}", opinion.reason);
        opinion.outcome = Outcome::Unknown;
        opinion.code = None;
    }
    opinion
}
