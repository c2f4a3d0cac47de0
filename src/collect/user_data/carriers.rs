//! Objects that hold user data: launch templates, Karpenter's classes, and `NodeConfig` documents.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::node_config::NodeConfig;
use super::{Giver, Part, UserData, What, add, decoded};
use crate::collect::facts::Facts;
use crate::collect::lines::Lines;
use crate::collect::terraform::LaunchTemplate;
use crate::model::Str;
use crate::model::object::Origin;

/// The key of `aws ec2 describe-launch-template-versions`.
const VERSIONS: &str = "LaunchTemplateVersions";

/// Whether a document without a kind lists versions of launch templates, by the keys at its top.
pub(in super::super) fn is_launch_templates(keys: &[String]) -> bool {
    keys.iter().any(|key| key == VERSIONS)
}

#[derive(Deserialize)]
struct Versions<'a> {
    #[serde(rename = "LaunchTemplateVersions", borrow)]
    versions: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    launch_template_id: Str,
    #[serde(default)]
    launch_template_name: Str,
    version_number: u64,
    launch_template_data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    user_data: Option<String>,
}

/// Reads a list of versions of launch templates; the second: each that is not of its shape, by its line and why.
///
/// # Errors
///
/// The document is not of its shape.
pub(in super::super) fn launch_templates(
    text: &str,
    source: u32,
    lines: &Lines<'_>,
    facts: &mut Facts,
) -> Result<Vec<(u32, String)>, serde_json::Error> {
    let mut wrong = Vec::new();
    for raw in serde_json::from_str::<Versions<'_>>(text)?.versions {
        let origin = Origin { source, line: lines.of(raw.get()) };
        match serde_json::from_str::<Version>(raw.get()) {
            Ok(version) => version.read(origin, facts),
            Err(error) => wrong.push((origin.line, error.to_string())),
        }
    }
    Ok(wrong)
}

impl Version {
    fn read(self, origin: Origin, facts: &mut Facts) {
        let giver = Giver::Template {
            id: self.launch_template_id,
            name: self.launch_template_name,
            version: self.version_number,
        };
        encoded(&self.launch_template_data.and_then(|data| data.user_data).unwrap_or_default(), origin, giver, facts);
    }
}

/// Reads user data as the API of EC2 has it: in base64.
fn encoded(text: &str, origin: Origin, giver: Giver, facts: &mut Facts) {
    match decoded(text) {
        Some(bytes) => add(&bytes, origin, false, giver, facts),
        None if text.trim().is_empty() => add(&[], origin, false, giver, facts),
        None => {
            let why = "user data that is no base64".to_owned();
            facts.failed.push((origin.source, why.clone()));
            unread(why, true, origin, giver, facts);
        }
    }
}

fn unread(why: String, is_damaged: bool, origin: Origin, giver: Giver, facts: &mut Facts) {
    let what = What::Unread { why, is_damaged };
    facts.user_data.push(UserData { origin, giver, parts: vec![Part { line: origin.line, what }] });
}

/// Reads the user data of a launch template of a plan.
pub(in super::super) fn planned(template: &LaunchTemplate<'_>, source: u32, facts: &mut Facts) {
    let origin = Origin { source, line: template.line };
    let giver = Giver::Planned { address: template.address.into(), id: template.id.into() };
    match template.user_data {
        Some(text) => encoded(text, origin, giver, facts),
        None => {
            unread("user data that is known only when the plan was applied".to_owned(), false, origin, giver, facts);
        }
    }
}

/// `EC2NodeClass`, and `AWSNodeTemplate` before it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Class {
    user_data: Option<String>,
    ami_family: Option<Str>,
    ami_selector_terms: Option<Vec<Term>>,
}

#[derive(Deserialize)]
struct Term {
    alias: Option<String>,
}

/// Reads the user data of a class of Karpenter, from the JSON of its `spec`. One that is not of its shape is told of by
/// whoever reads the rest of the object.
pub(in super::super) fn class(kind: &Str, name: &Str, spec: &str, origin: Origin, facts: &mut Facts) {
    let Ok(Class { user_data, ami_family, ami_selector_terms }) = serde_json::from_str(spec) else { return };
    // `bottlerocket@latest` says the family too.
    let alias = ami_selector_terms.into_iter().flatten().find_map(|term| term.alias);
    let family = ami_family.or_else(|| alias.and_then(|alias| Some(alias.split_once('@')?.0.into())));
    let giver = Giver::Class { kind: kind.clone(), name: name.clone(), family };
    add(user_data.unwrap_or_default().as_bytes(), origin, false, giver, facts);
}

/// Reads a `NodeConfig` that stands among manifests, from its JSON.
///
/// # Errors
///
/// It is not of its API's shape.
pub(in super::super) fn node_config(
    json: &str,
    name: Option<Str>,
    origin: Origin,
    facts: &mut Facts,
) -> Result<(), serde_json::Error> {
    let what = What::NodeConfig(NodeConfig::parse(json)?);
    let parts = vec![Part { line: origin.line, what }];
    facts.user_data.push(UserData { origin, giver: Giver::Document(name), parts });
    Ok(())
}
