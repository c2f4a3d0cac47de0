//! What kustomizations do to the objects that they list, as far as it can be told without rendering.
//!
//! The namespace is applied: it decides where an object lives, and folders of bases mean nothing without it.
//! Everything else that may change what decides (patches, generators, remote bases, labels) is named as not
//! rendered, so that what rests on it is unknown.

mod patch;
mod plan;
mod render;

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::head::Head;
use crate::model::object::Origin;
use patch::Target;
pub(crate) use plan::Plan;
pub(crate) use render::render;

/// A `kustomization.yaml`, or a Flux `Kustomization`.
#[derive(Debug)]
pub(crate) struct Kustomization {
    origin: Origin,
    /// The folder that its paths start from, without links.
    folder: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Kustomize(Kustomize),
    /// `spec.path` and `spec.targetNamespace`.
    Flux {
        path: String,
        namespace: String,
    },
}

/// The fields of a `kustomization.yaml` that are looked at.
#[derive(Debug, Default)]
struct Kustomize {
    namespace: Option<String>,
    /// `resources`, `bases` and `components`.
    resources: Vec<String>,
    /// Files of patches.
    patch_files: Vec<String>,
    /// What patches and replacements touch, those in files not yet read.
    targets: Vec<Target>,
    /// Fields that can make or change anything.
    opaque: Vec<&'static str>,
    labels: Option<LabelReach>,
    /// ConfigMaps that `configMapGenerator` makes of files that are no manifests.
    generated: Vec<String>,
}

/// How far labels that a kustomization adds reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LabelReach {
    /// The labels of objects.
    Metadata,
    /// Of pod templates too.
    Templates,
    /// Of selectors too.
    Selectors,
}

impl Kustomization {
    /// A document as a kustomization, if it is one. `is_file`: its file has the name of one.
    /// `folder`: the folder of that file, without links.
    pub(crate) fn parse(json: &str, head: &Head, origin: Origin, folder: &Path, is_file: bool) -> Option<Self> {
        let group = head.api_version.as_deref().map_or("", super::kinds::group_of);
        let value: Value = serde_json::from_str(json).ok()?;
        let kind = match (group, head.kind.as_deref()) {
            ("kustomize.toolkit.fluxcd.io", Some("Kustomization")) => {
                let spec = &value["spec"];
                let text = |key: &str| spec[key].as_str().map(str::to_owned);
                Kind::Flux { namespace: text("targetNamespace")?, path: text("path").unwrap_or_else(|| ".".to_owned()) }
            }
            ("kustomize.config.k8s.io", Some("Kustomization" | "Component")) => {
                Kind::Kustomize(Kustomize::read(&value))
            }
            _ if is_file && value.is_object() => Kind::Kustomize(Kustomize::read(&value)),
            _ => return None,
        };
        Some(Self { origin, folder: folder.to_owned(), kind })
    }
}

/// Fields whose result cannot be told: each may make any object.
const OPAQUE: &[&str] = &["generators", "transformers", "helmCharts", "helmChartInflationGenerator", "vars"];

impl Kustomize {
    fn read(value: &Value) -> Self {
        let texts = |key: &str| strings(&value[key]);
        let mut kustomize = Self {
            namespace: value["namespace"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            resources: ["resources", "bases", "components"].into_iter().flat_map(texts).collect(),
            opaque: OPAQUE.iter().copied().filter(|key| has_content(&value[*key])).collect(),
            labels: label_reach(value),
            generated: array(&value["configMapGenerator"])
                .filter_map(|entry| entry["name"].as_str().map(str::to_owned))
                .collect(),
            ..Self::default()
        };
        for patch in strings(&value["patchesStrategicMerge"]) {
            // A file, or the patch itself.
            if patch.contains('\n') || patch.contains(": ") {
                kustomize.targets.extend(patch::targets_of_text(&patch, None));
            } else {
                kustomize.patch_files.push(patch);
            }
        }
        for entry in array(&value["patches"]).chain(array(&value["patchesJson6902"])) {
            let target = entry.get("target").map(patch::written_target);
            if let Some(inline) = entry["patch"].as_str() {
                kustomize.targets.extend(patch::targets_of_text(inline, target.as_ref()));
            } else if let Some(file) = entry["path"].as_str() {
                kustomize.patch_files.push(file.to_owned());
                kustomize.targets.push(Target { file: Some(file.to_owned()), ..target.unwrap_or_default() });
            }
        }
        for replacement in array(&value["replacements"]) {
            kustomize.targets.extend(array(&replacement["targets"]).map(patch::replaced));
            if replacement["path"].is_string() {
                kustomize.opaque.push("replacements");
            }
        }
        kustomize
    }
}

/// What a path of a kustomization leads to, without links where there is a file system to ask.
fn resolve(folder: &Path, path: &str) -> PathBuf {
    let mut found = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            // Above the root of what is in memory there is nothing.
            Component::ParentDir if matches!(found.components().next_back(), None | Some(Component::ParentDir)) => {
                found.push(part);
            }
            Component::ParentDir => {
                found.pop();
            }
            part => found.push(part),
        }
    }
    if found.is_absolute() { found.canonicalize().unwrap_or(found) } else { found }
}

fn label_reach(value: &Value) -> Option<LabelReach> {
    let listed = array(&value["labels"]).map(|entry| {
        if entry["includeSelectors"] == true {
            LabelReach::Selectors
        } else if entry["includeTemplates"] == true {
            LabelReach::Templates
        } else {
            LabelReach::Metadata
        }
    });
    listed.chain(has_content(&value["commonLabels"]).then_some(LabelReach::Selectors)).max()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> Vec<String> {
    array(value).filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

fn has_content(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}
