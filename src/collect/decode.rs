//! One object: from its JSON text to a fact, or to the problem with it.

use serde_json::value::RawValue;

use super::aws;
use super::cloud;
use super::facts::{Facts, FoundProblem};
use super::head::{self, Head};
use super::json::Late;
use super::kinds::{self, Class};
use super::lines::Lines;
use super::place;
use super::raw;
use super::scratch::{Scratch, Shared};
use super::talos;
use super::terraform;
use super::user_data;
use crate::model::object::{Meta, Namespace, Origin, Owner};
use crate::model::snapshot::CloudDocument;
use crate::model::{Labels, Problem, ProblemClass, Str};

/// The `apiVersion` and `kind` that the items of a list have when they do not say so themselves.
pub(crate) type Gvk<'a> = (&'a str, &'a str);

/// Turns objects into facts. One for each thread; equal things of one decoder share their memory.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pub(crate) scratch: Scratch,
    /// Objects of a server: no lines, but resource versions and field managers.
    pub(crate) live: bool,
    /// Items that wait for the kind of their list.
    pub(crate) late: Vec<Late>,
    /// Where the object that is being decoded stands.
    origin: Origin,
}

/// Why an object is not of its API's shape.
#[derive(Debug)]
pub(crate) struct Wrong {
    message: String,
    /// 0: the line of the object.
    line: u32,
    /// It is not even JSON.
    is_syntax: bool,
}

impl Wrong {
    pub(crate) fn new(message: String) -> Self {
        Self { message, line: 0, is_syntax: false }
    }

    /// An error in a part of the object that begins on `line`.
    pub(crate) fn inside(path: &str, text: &str, error: &serde_json::Error, line: u32) -> Self {
        let line = if line == 0 { 0 } else { line + u32::try_from(error.line().saturating_sub(1)).unwrap_or(0) };
        Self { message: place::message(path, text, error), line, is_syntax: !error.is_data() }
    }
}

/// How deep lists may lie in lists.
const MAX_LIST_DEPTH: u32 = 8;

impl Decoder {
    pub(crate) fn new(live: bool) -> Self {
        Self { live, ..Self::default() }
    }

    /// A decoder for objects of files that shares pod specifications with others.
    pub(crate) fn sharing(shared: Shared) -> Self {
        Self { scratch: Scratch::sharing(shared), ..Self::default() }
    }

    /// Decodes one object and adds what it says to `facts`. `text` is its JSON.
    pub(crate) fn object(&mut self, text: &str, origin: Origin, default: Option<Gvk<'_>>, facts: &mut Facts) {
        self.object_at(text, origin, default, facts, 0);
    }

    fn object_at(&mut self, text: &str, origin: Origin, default: Option<Gvk<'_>>, facts: &mut Facts, depth: u32) {
        self.origin = origin;
        let lines = Lines::new(text, origin.line);
        if let Some((api_version, kind)) = head::peek(text) {
            return self.typed(text, (api_version, kind), &lines, facts, depth);
        }
        if let Some(default) = default
            && !says_kind(text)
        {
            return self.typed(text, default, &lines, facts, depth);
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            let line = lines.of_error(&error);
            return self.report(
                text,
                Wrong { message: place::message("", text, &error), line, is_syntax: true },
                default,
                facts,
            );
        }
        let head = head::read(text);
        match (&head.api_version, &head.kind) {
            (Some(api_version), Some(kind)) => self.typed(text, (api_version, kind), &lines, facts, depth),
            (None, Some(kind)) if default.is_some_and(|(_, known)| known == kind) => {
                let api_version = default.map_or("", |(api_version, _)| api_version);
                self.typed(text, (api_version, kind), &lines, facts, depth);
            }
            _ => self.without_kind(text, &head, &lines, facts),
        }
    }

    /// Records an object that is not UTF-8, which JSON has to be.
    pub(crate) fn not_utf8(&mut self, text: &str, origin: Origin, default: Option<Gvk<'_>>, facts: &mut Facts) {
        self.origin = origin;
        let wrong = Wrong { message: "the text is not UTF-8".to_owned(), line: 0, is_syntax: true };
        self.report(text, wrong, default, facts);
    }

    /// Records a YAML document that breaks off: `text` is the JSON of what came before, `line` where it breaks.
    pub(crate) fn broken(&mut self, text: &str, message: String, origin: Origin, line: u32, facts: &mut Facts) {
        self.origin = origin;
        self.report(text, Wrong { message, line, is_syntax: true }, None, facts);
    }

    /// Decodes an object of a known kind.
    fn typed(&mut self, text: &str, gvk: Gvk<'_>, lines: &Lines<'_>, facts: &mut Facts, depth: u32) {
        let (api_version, kind) = gvk;
        let group = kinds::group_of(api_version);
        if kind.ends_with("List") && self.list(text, gvk, lines, facts, depth) {
            return;
        }
        if gvk == aws::META_GVK && aws::read_meta(text, self.origin, facts) {
            return;
        }
        if group.is_empty() && talos::is_kind(kind) {
            match talos::read(text, self.origin) {
                Ok(document) => facts.talos.push(document),
                Err(error) => self.report(text, misshapen(text, &error, lines), Some(gvk), facts),
            }
            return;
        }
        if user_data::is_node_config(group, kind) {
            let name = head::read(text).naming.and_then(|naming| naming.name).map(Str::from);
            if let Err(error) = user_data::node_config(text, name, self.origin, facts) {
                self.report(text, misshapen(text, &error, lines), Some(gvk), facts);
            }
            return;
        }
        let result = match kinds::classify(group, kind) {
            Class::Ignored => {
                *facts.ignored_kinds.entry(self.scratch.str(kind)).or_default() += 1;
                return;
            }
            Class::NetworkPolicy if group == "extensions" => {
                Err(Wrong::new(format!("no API server since Kubernetes 1.16 serves {api_version}")))
            }
            class => self.fact(text, class, group, kind, lines, facts),
        };
        if let Err(wrong) = result {
            self.report(text, wrong, Some(gvk), facts);
        }
    }

    /// Items of a list that lies inside something else; lists at the top of a file are streamed. `false`: it is
    /// no list, but a kind that happens to end so.
    fn list(&mut self, text: &str, gvk: Gvk<'_>, lines: &Lines<'_>, facts: &mut Facts, depth: u32) -> bool {
        #[derive(serde::Deserialize)]
        struct List<'a> {
            #[serde(borrow)]
            items: Option<Vec<&'a RawValue>>,
        }
        let (api_version, kind) = gvk;
        let list = match serde_json::from_str::<List<'_>>(text) {
            Ok(List { items: Some(items) }) if depth < MAX_LIST_DEPTH => items,
            Ok(List { items: None }) => return false,
            Ok(_) => {
                self.report(text, Wrong::new("lists lie too deep in lists".to_owned()), Some(gvk), facts);
                return true;
            }
            Err(error) => {
                let wrong = Wrong {
                    message: place::message("", text, &error),
                    line: lines.of_error(&error),
                    is_syntax: !error.is_data(),
                };
                self.report(text, wrong, Some(gvk), facts);
                return true;
            }
        };
        let default = item_kind(kind).map(|kind| (api_version, kind));
        let source = self.origin.source;
        for item in list {
            let origin = Origin { source, line: lines.of(item.get()) };
            self.object_at(item.get(), origin, default, facts, depth + 1);
        }
        true
    }

    fn fact(
        &mut self,
        text: &str,
        class: Class,
        group: &str,
        kind: &str,
        lines: &Lines<'_>,
        facts: &mut Facts,
    ) -> Result<(), Wrong> {
        match class {
            Class::Pod => {
                let raw: raw::Pod<'_> = parse(text, kind, lines)?;
                facts.pods.push(self.pod(&raw, lines)?);
            }
            Class::Workload => {
                let raw: raw::Workload<'_> = parse(text, kind, lines)?;
                facts.workloads.push(self.workload(&raw, kind, lines)?);
            }
            Class::NetworkPolicy => {
                let raw: raw::NetworkPolicy<'_> = parse(text, kind, lines)?;
                let policy = self.network_policy(&raw, lines)?;
                if !policy.spec.unknown_fields.is_empty() {
                    let fields = policy.spec.unknown_fields.join("`, `");
                    let message = format!("NetworkPolicy has no field `spec.{fields}`");
                    let problem = self.problem(ProblemClass::UnknownField, message, 0);
                    let problem = Problem {
                        kind: Some(self.scratch.str(kind)),
                        namespace: policy.meta.namespace.clone(),
                        name: Some(policy.meta.name.clone()),
                        ..problem
                    };
                    facts.problems.push(FoundProblem { problem, is_namespaced: true });
                }
                facts.network_policies.push(policy);
            }
            Class::Namespace => {
                let raw: raw::Bare<'_> = parse(text, kind, lines)?;
                let mut meta = self.meta(raw.metadata.as_ref())?;
                meta.namespace = None;
                facts.namespaces.push(Namespace { meta });
            }
            Class::Node => {
                let raw: raw::Node<'_> = parse(text, kind, lines)?;
                facts.nodes.push(self.node(&raw)?);
            }
            Class::Service => {
                let raw: raw::Service<'_> = parse(text, kind, lines)?;
                facts.services.push(self.service(raw)?);
            }
            Class::EndpointSlice => {
                let raw: raw::EndpointSlice<'_> = parse(text, kind, lines)?;
                facts.endpoint_slices.push(self.endpoint_slice(&raw)?);
            }
            Class::Endpoints => {
                let raw: raw::Endpoints<'_> = parse(text, kind, lines)?;
                facts.endpoint_slices.extend(self.endpoints(&raw)?);
            }
            Class::ConfigMap => {
                let raw: raw::ConfigMap<'_> = parse(text, kind, lines)?;
                let trust = self.trust_map(&raw, lines)?;
                match self.config_map(&raw)? {
                    Some(config_map) => facts.config_maps.push(config_map),
                    None if trust.holds_certificates() => {}
                    None => *facts.ignored_kinds.entry(self.scratch.str(kind)).or_default() += 1,
                }
                facts.trust_maps.push(trust);
            }
            Class::NodeTrust => {
                let raw: raw::NodeTrust<'_> = parse(text, kind, lines)?;
                let mut meta = self.meta(raw.metadata.as_ref())?;
                meta.namespace = None;
                // An object that its agent has not filled yet says nothing.
                if let Some(status) = raw.status {
                    facts.node_trust.push(status.into_facts(meta).map_err(Wrong::new)?);
                }
            }
            Class::Trust => facts.trust_objects.push(self.trust_object(text, kind, lines)?),
            Class::Other => match self.other(text, group, kind, lines, facts)? {
                Some(other) => facts.others.push(other),
                None => *facts.ignored_kinds.entry(self.scratch.str(kind)).or_default() += 1,
            },
            Class::Ignored => {}
        }
        Ok(())
    }

    pub(crate) fn meta(&mut self, raw: Option<&raw::Meta<'_>>) -> Result<Meta, Wrong> {
        let name = match raw.map(|m| (m.name.as_deref().unwrap_or_default(), m.generate_name.as_deref())) {
            Some((name, _)) if !name.is_empty() => Str::from(name),
            Some((_, Some(prefix))) if !prefix.is_empty() => Str::from(format!("{prefix}*")),
            _ => return Err(Wrong::new("metadata.name is not there".to_owned())),
        };
        Ok(Meta {
            namespace: self.scratch.opt(raw.and_then(|m| m.namespace.as_ref())),
            name,
            labels: self.labels(raw.and_then(|m| m.labels.as_ref())),
            annotations: self.annotations(raw.and_then(|m| m.annotations.as_ref())),
            origin: self.origin,
            namespace_unknown: false,
        })
    }

    /// The reference with `controller: true`, else the first.
    pub(crate) fn owner(&mut self, raw: Option<&raw::Meta<'_>>) -> Option<Owner> {
        let references = raw?.owner_references.as_deref()?;
        let reference = references.iter().find(|r| r.controller == Some(true)).or_else(|| references.first())?;
        Some(Owner {
            kind: self.scratch.str(reference.kind.as_deref().unwrap_or_default()),
            name: self.scratch.str(reference.name.as_deref().unwrap_or_default()),
        })
    }

    /// A document without a kind: one of a cloud provider, or no object at all.
    fn without_kind(&mut self, text: &str, head: &Head, lines: &Lines<'_>, facts: &mut Facts) {
        if self.of_cloud(text, head, lines, facts) {
            return;
        }
        // `az aks list` and the like.
        if text.starts_with('[')
            && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text)
            && !items.is_empty()
        {
            let mut found = Facts::default();
            if items.iter().all(|item| self.of_cloud(item.get(), &head::read(item.get()), lines, &mut found)) {
                return facts.append(found);
            }
        }
        let missing = match (&head.api_version, &head.kind) {
            (None, Some(_)) => "`apiVersion`",
            (Some(_), None) => "`kind`",
            _ => "`apiVersion` and no `kind`",
        };
        let mut problem = self.problem(ProblemClass::NotAnObject, format!("the document has no {missing}"), 0);
        problem.kind = head.kind.as_deref().map(|kind| self.scratch.str(kind));
        facts.problem(problem);
    }

    /// `false`: it is no document of a cloud provider.
    fn of_cloud(&mut self, text: &str, head: &Head, lines: &Lines<'_>, facts: &mut Facts) -> bool {
        let origin = Origin { line: lines.of(text), ..self.origin };
        if talos::is_machine(&head.keys)
            && let Some(document) = talos::read_machine(text, origin)
        {
            facts.talos.push(document);
            return true;
        }
        if terraform::is_plan(&head.keys) {
            match terraform::read(text, origin, lines) {
                Ok(plan) => {
                    for template in plan.launch_templates() {
                        user_data::planned(&template, origin.source, facts);
                    }
                    facts.plans.push(std::sync::Arc::new(plan));
                }
                Err(why) => self.unreadable_plan(&why, facts),
            }
            return true;
        }
        if user_data::is_launch_templates(&head.keys) {
            match user_data::launch_templates(text, origin.source, lines, facts) {
                Ok(wrong) => {
                    for (line, why) in wrong {
                        let message = format!("a version of a launch template is not of its shape: {why}");
                        facts.problem(self.problem(ProblemClass::Malformed, message, line));
                    }
                }
                Err(error) => {
                    let message = format!("the launch templates are not of their shape: {error}");
                    facts.problem(self.problem(ProblemClass::Malformed, message, lines.of_error(&error)));
                }
            }
            return true;
        }
        if aws::read(text, &head.keys, origin, lines, aws::Origins::Here, facts) {
            return true;
        }
        let Some(found) = cloud::recognise(&head.keys, text) else { return false };
        let key = self.scratch.str(found.key);
        let outbound_type = found.outbound_type.as_deref().map(|kind| self.scratch.str(kind));
        facts.cloud_documents.push(CloudDocument { key, outbound_type, source: self.origin.source });
        true
    }

    /// A plan that cannot be read may change anything.
    fn unreadable_plan(&mut self, why: &str, facts: &mut Facts) {
        let message = format!("the Terraform plan cannot be read: {why}");
        facts.failed.push((self.origin.source, message.clone()));
        facts.problem(self.problem(ProblemClass::Malformed, message, 0));
        let key = self.scratch.str("resource_changes");
        facts.cloud_documents.push(CloudDocument { key, outbound_type: None, source: self.origin.source });
    }

    /// Records that an object cannot be read: with its kind and namespace if these can.
    fn report(&mut self, text: &str, wrong: Wrong, default: Option<Gvk<'_>>, facts: &mut Facts) {
        let head = head::read(text);
        let kind = head.kind.as_deref().or(default.map(|(_, kind)| kind));
        let api_version = head.api_version.as_deref().or(default.map(|(api_version, _)| api_version));
        let is_known = kind.is_some() && head.naming.is_some();
        let class = if is_known { ProblemClass::Unreadable } else { ProblemClass::Malformed };
        if !is_known {
            aws::broken(text, self.origin, &wrong.message, facts);
        }
        let mut problem = self.problem(class, wrong.message, wrong.line);
        problem.kind = kind.map(|kind| self.scratch.str(kind));
        if let Some(naming) = &head.naming {
            problem.name = naming.name.as_deref().map(Str::from);
            problem.namespace = naming.namespace.as_deref().map(|name| self.scratch.str(name));
        }
        let is_namespaced =
            kind.is_some_and(|kind| !kinds::is_cluster_scoped(kinds::group_of(api_version.unwrap_or_default()), kind));
        if wrong.is_syntax || !is_known {
            facts.failed.push((problem.source, problem.message.clone()));
        }
        facts.problems.push(FoundProblem { problem, is_namespaced: is_namespaced && is_known });
    }

    fn problem(&self, class: ProblemClass, message: String, line: u32) -> Problem {
        let Origin { source, line: first } = self.origin;
        let line = if line == 0 { first } else { line };
        Problem { class, message, source, line, kind: None, namespace: None, name: None, count: 1 }
    }
}

/// An object that is JSON and not of its shape.
fn misshapen(text: &str, error: &serde_json::Error, lines: &Lines<'_>) -> Wrong {
    Wrong { message: place::message("", text, error), line: lines.of_error(error), is_syntax: false }
}

/// Parses an object into its API's shape.
pub(super) fn parse<'t, T: serde::Deserialize<'t> + raw::Kinded>(
    text: &'t str,
    kind: &str,
    lines: &Lines<'_>,
) -> Result<T, Wrong> {
    let raw: T = serde_json::from_str(text).map_err(|error| Wrong {
        message: place::message("", text, &error),
        line: lines.of_error(&error),
        is_syntax: !error.is_data(),
    })?;
    match raw.kind() {
        Some(own) if own != kind => Err(Wrong::new(format!("the kind is `{own}` in a list of `{kind}`"))),
        _ => Ok(raw),
    }
}

/// The kind of the items of a list: `Pod` of `PodList`; a plain `List` does not say.
pub(crate) fn item_kind(list_kind: &str) -> Option<&str> {
    list_kind.strip_suffix("List").filter(|kind| !kind.is_empty())
}

/// Whether an item may name its own kind at the top.
///
/// Items of typed lists do not, so this must be cheap: the API puts `kind` and `apiVersion` first, and
/// elsewhere only writers that sort or shuffle keys have them later.
fn says_kind(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find(&bytes[..bytes.len().min(64)], b"\"metadata\"").is_none() && head::read(text).kind.is_some()
}

/// The implied label of a namespace.
pub(crate) fn with_name_label(labels: &Labels, name: &str) -> Labels {
    const KEY: &str = "kubernetes.io/metadata.name";
    if labels.get(KEY).is_some_and(|value| *value == name) { labels.clone() } else { labels.with(KEY, name) }
}
