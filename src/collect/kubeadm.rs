//! Cluster API's kubeadm configuration: the files that it writes to new nodes, and the commands that it runs there.
//!
//! What it says is true for every node of its kind, and not the whole: the image of the machine brings files of its
//! own (Cluster API, `KubeadmConfigSpec`).

use std::sync::Arc;

use serde::Deserialize;

use super::decode::Wrong;
use super::lines::Lines;
use super::machine::{File, Machine};
use super::trust_objects::inside;
use crate::model::object::Meta;
use crate::model::{Str, base64};

/// The specification, where each of the kinds has it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    /// Of a `KubeadmConfigTemplate` and a `KubeadmControlPlaneTemplate`.
    template: Option<Template>,
    /// Of a `KubeadmControlPlane`.
    kubeadm_config_spec: Option<ConfigSpec>,
    /// Of a `KubeadmConfig`.
    #[serde(flatten)]
    own: ConfigSpec,
}

#[derive(Deserialize)]
struct Template {
    spec: Option<Box<Spec>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigSpec {
    files: Option<Vec<WrittenFile>>,
    pre_kubeadm_commands: Option<Vec<String>>,
    post_kubeadm_commands: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFile {
    path: String,
    content: Option<String>,
    content_from: Option<serde::de::IgnoredAny>,
    encoding: Option<String>,
    append: Option<bool>,
}

/// Reads the specification.
pub(super) fn read(
    kind: &Str,
    meta: Meta,
    spec: Option<&serde_json::value::RawValue>,
    lines: &Lines<'_>,
) -> Result<Machine, Wrong> {
    let mut spec: Spec = inside("spec", spec, lines)?;
    if let Some(inner) = spec.template.take().and_then(|template| template.spec) {
        spec = *inner;
    }
    let config = spec.kubeadm_config_spec.unwrap_or(spec.own);
    let commands = config.pre_kubeadm_commands.into_iter().chain(config.post_kubeadm_commands).flatten();
    let files = config.files.into_iter().flatten().map(|file| File {
        content: bytes(&file),
        append: file.append.unwrap_or(false),
        path: file.path,
    });
    let place = meta.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let from = format!("{kind} {place}{}", meta.name).into();
    let (files, commands) = (files.collect(), commands.collect());
    Ok(Machine { meta, from, files, commands, ..Machine::default() })
}

fn bytes(file: &WrittenFile) -> Result<Arc<[u8]>, &'static str> {
    if file.content_from.is_some() {
        return Err("its content is in a Secret, and Secrets are not read");
    }
    let text = file.content.as_deref().unwrap_or_default();
    match file.encoding.as_deref() {
        None | Some("") => Ok(text.as_bytes().into()),
        Some("base64") => {
            let text: String = text.split_whitespace().collect();
            base64::decode(&text).map(Into::into).ok_or("its content is no base64")
        }
        Some(_) => Err("its content is compressed, and that is not read"),
    }
}
