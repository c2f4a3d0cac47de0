//! What a patch touches.

use serde_json::Value;

use super::super::kinds::{self, Class};
use super::super::{head, yaml};
use super::array;

/// Something that a patch or a replacement changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: Option<String>,
    /// `None`: any kind.
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    /// Whether a verdict may depend on what is changed; not known before the file of the patch was read.
    pub(super) decides: bool,
    /// The file of the patch.
    pub(super) file: Option<String>,
}

/// The `target` of a patch.
pub(super) fn written_target(value: &Value) -> Target {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    // Names and kinds are regular expressions here; what is more than a word matches more than one thing.
    let word = |key: &str| text(key).filter(|word| word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.')));
    Target {
        group: text("group"),
        kind: word("kind"),
        name: word("name"),
        namespace: word("namespace"),
        decides: false,
        file: None,
    }
}

/// A `targets` entry of a replacement.
pub(super) fn replaced(value: &Value) -> Target {
    let mut target = written_target(&value["select"]);
    let paths: Vec<&str> = array(&value["fieldPaths"]).filter_map(Value::as_str).collect();
    target.decides = match target.kind.as_deref() {
        None => true,
        Some(kind) => match reach(target.group.as_deref(), kind) {
            Reach::All => true,
            Reach::Pods => paths.iter().any(|path| path.split(['.', '[', ']']).any(decides_for_pods)),
            Reach::None => false,
        },
    };
    target
}

/// What the patches in a text touch. `target` is what stands beside the patch, and beats what the patch says.
pub(super) fn targets_of_text(text: &str, target: Option<&Target>) -> Vec<Target> {
    let mut targets = Vec::new();
    for document in yaml::documents(text.as_bytes()) {
        let converted = yaml::convert(std::str::from_utf8(document.text).unwrap_or_default());
        for (json, _) in &converted.documents {
            let head = head::read(json);
            let naming = head.naming.unwrap_or_default();
            let own = Target {
                group: head.api_version.as_deref().map(|version| kinds::group_of(version).to_owned()),
                kind: head.kind,
                name: naming.name,
                namespace: naming.namespace,
                ..Target::default()
            };
            let mut found = target.cloned().unwrap_or(own);
            let value: Value = serde_json::from_str(json).unwrap_or_default();
            found.decides = match found.kind.as_deref() {
                None => true,
                Some(kind) => match reach(found.group.as_deref(), kind) {
                    Reach::All => true,
                    Reach::Pods => converted.error.is_some() || touches_pods(&value),
                    Reach::None => false,
                },
            };
            targets.push(found);
        }
    }
    targets
}

/// How much of an object of some kind decides something.
enum Reach {
    All,
    /// Labels and environment of pods and the like.
    Pods,
    None,
}

fn reach(group: Option<&str>, kind: &str) -> Reach {
    let class = match group {
        Some(group) => kinds::classify(group, kind),
        // A target may leave the group out.
        None => ["", "apps", "batch", "discovery.k8s.io", "networking.k8s.io"]
            .iter()
            .map(|group| kinds::classify(group, kind))
            .find(|class| *class != Class::Ignored)
            .unwrap_or(if may_be_policy(kind) { Class::Other } else { Class::Ignored }),
    };
    match class {
        Class::Pod | Class::Workload => Reach::Pods,
        Class::Ignored | Class::ConfigMap => Reach::None,
        _ => Reach::All,
    }
}

/// Whether a kind of any group sounds like one that gates traffic.
fn may_be_policy(kind: &str) -> bool {
    ["Policy", "Egress", "Cilium", "ServiceEntry", "Sidecar", "Tier"].iter().any(|word| kind.contains(word))
}

/// Fields of a pod template on which a verdict may depend.
fn decides_for_pods(field: &str) -> bool {
    matches!(
        field,
        "labels"
            | "annotations"
            | "hostNetwork"
            | "dnsPolicy"
            | "dnsConfig"
            | "hostAliases"
            | "env"
            | "envFrom"
            | "args"
            | "command"
            | "initContainers"
            | "nodeName"
            | "nodeSelector"
            | "ports"
            | "$patch"
    )
}

/// Whether a patch, merge or JSON, has such a field.
fn touches_pods(patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            decides_for_pods(name)
                || (name == "path" && value.as_str().is_some_and(|path| path.split('/').any(decides_for_pods)))
                || touches_pods(value)
        }),
        Value::Array(items) => items.iter().any(touches_pods),
        _ => false,
    }
}
