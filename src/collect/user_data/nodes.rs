//! What nodes trust by their user data: one description for each user data, with what is not known about it.

use jiff::Timestamp;

use super::node_config::{CONFIG_PATH, NodeConfig};
use super::{Giver, Part, UserData, What};
use crate::collect::machine::{File, Machine};
use crate::model::object::{Meta, Node};
use crate::model::trust::{NodeTrust, TrustNote};
use crate::model::{Labels, Str, codes};

/// Labels of the nodes of a managed node group that name its launch template (Amazon EKS).
const TEMPLATE: [&str; 2] =
    ["eks.amazonaws.com/sourceLaunchTemplateId", "eks.amazonaws.com/sourceLaunchTemplateVersion"];

/// The label of a node of Karpenter that names its class (from v1 on).
const CLASS: &str = "karpenter.k8s.aws/ec2nodeclass";

/// Where containerd's configuration and the drop-in of its unit are.
const CONFIG: &str = "/etc/containerd/config.toml";
const DROP_IN: &str = "/etc/systemd/system/containerd.service.d/environment.conf";

/// What the nodes of each user data trust, and what of it cannot be read.
pub(in super::super) fn nodes<'n>(
    all: Vec<UserData>,
    known: &[Node],
    instant: Timestamp,
    source: impl Fn(u32) -> &'n str,
) -> (Vec<NodeTrust>, Vec<TrustNote>) {
    let mut notes = Vec::new();
    let mut found = Vec::new();
    // What makes no node is of other machines.
    let is_told = all.iter().any(|user_data| user_data.makes_node(known));
    for user_data in all {
        let file = source(user_data.origin.source);
        for part in &user_data.parts {
            let why = match &part.what {
                What::Unread { why, is_damaged: true } => why.clone(),
                What::Bottlerocket(settings) => match &**settings {
                    Err(why) => format!("settings of Bottlerocket that are no TOML: {why}"),
                    Ok(_) => continue,
                },
                _ => continue,
            };
            let of = if user_data.giver.is_object() {
                format!("{}: ", user_data.giver.words(file, 0))
            } else {
                String::new()
            };
            notes.push(TrustNote {
                code: codes::TLS_USER_DATA.id.into(),
                message: format!("{of}{why}").into(),
                path: file.into(),
                line: part.line,
                host: None,
            });
        }
        // Beside user data of nodes, that which is empty leaves nodes as their image is.
        if user_data.makes_node(known) || (is_told && user_data.is_empty() && user_data.giver.is_object()) {
            found.push(user_data.node(file, instant));
        }
    }
    (found, notes)
}

impl Giver {
    /// Whether it is an object, and no text by itself.
    fn is_object(&self) -> bool {
        matches!(self, Self::Template { .. } | Self::Planned { .. } | Self::Class { .. })
    }

    fn words(&self, file: &str, line: u32) -> String {
        match self {
            Self::File => format!("user data {file}"),
            Self::Document(Some(name)) => format!("NodeConfig {name}"),
            Self::Document(None) => format!("NodeConfig {file}:{line}"),
            Self::Template { id, name, version } if name.is_empty() => {
                format!("launch template {id} version {version}")
            }
            Self::Template { id, name, version } => format!("launch template {name} ({id}) version {version}"),
            Self::Planned { address, .. } => format!("launch template {address}"),
            Self::Class { kind, name, .. } => format!("{kind} {name}"),
        }
    }

    /// The labels that its nodes carry.
    fn labels(&self) -> Labels {
        match self {
            Self::Template { id, version, .. } => {
                let values = [id.clone(), Str::from(version.to_string())];
                Labels::new(TEMPLATE.iter().map(|key| Str::from(*key)).zip(values))
            }
            // The plan makes a version, of which nobody knows the number.
            Self::Planned { id, .. } if !id.is_empty() => Labels::new([(TEMPLATE[0].into(), id.clone())]),
            Self::Class { name, .. } => Labels::new([(CLASS.into(), name.clone())]),
            Self::File | Self::Document(_) | Self::Planned { .. } => Labels::default(),
        }
    }

    /// The operating system that it says, as os-release names it.
    fn os(&self) -> Option<&'static str> {
        let Self::Class { family: Some(family), .. } = self else { return None };
        match family.to_ascii_lowercase().as_str() {
            "bottlerocket" => Some("bottlerocket"),
            "al2" => Some("amzn 2"),
            "al2023" => Some("amzn 2023"),
            family if family.starts_with("windows") => Some("windows"),
            _ => None,
        }
    }
}

impl UserData {
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether machines with it are nodes, or may be.
    fn makes_node(&self, nodes: &[Node]) -> bool {
        if self.is_empty() {
            return false;
        }
        let of_node = |part: &Part| match &part.what {
            What::Bottlerocket(_) | What::NodeConfig(_) | What::Unread { .. } => true,
            What::Script { is_node, .. } => *is_node,
            What::CloudConfig { files, .. } => {
                let of_node = ["/etc/containerd/", "/etc/docker/certs.d/", "/etc/kubernetes/", "/etc/eks/"];
                files.iter().any(|file| of_node.iter().any(|folder| file.path.starts_with(folder)))
            }
        };
        if matches!(self.giver, Giver::Class { .. } | Giver::Document(_)) || self.parts.iter().any(of_node) {
            return true;
        }
        let labels = self.giver.labels();
        let carries = |node: &Node| labels.iter().all(|(key, value)| node.meta.labels.get(key) == Some(value));
        !labels.is_empty() && nodes.iter().any(carries)
    }

    fn node(self, file: &str, instant: Timestamp) -> NodeTrust {
        let Self { origin, giver, parts } = self;
        let words = giver.words(file, origin.line);
        let meta = Meta { name: words.as_str().into(), labels: giver.labels(), origin, ..Meta::default() };
        let os = giver.os();
        let mut trust = of_parts(parts, file, Machine { meta, from: words.into(), ..Machine::default() }, instant);
        if os.is_some() {
            trust.os = os.map(Str::from);
        }
        trust
    }
}

fn of_parts(parts: Vec<Part>, file: &str, mut machine: Machine, instant: Timestamp) -> NodeTrust {
    if parts.is_empty() {
        let unread = vec!["the image of the machine, which starts without user data".into()];
        return NodeTrust { meta: machine.meta, from: Some(machine.from), unread, ..NodeTrust::default() };
    }
    let mut unread: Vec<Str> = Vec::new();
    let mut configs: Vec<NodeConfig> = Vec::new();
    let mut os = None;
    for Part { line, what } in parts {
        match what {
            What::Bottlerocket(settings) => return settings_of(*settings, file, machine),
            What::NodeConfig(config) => configs.push(config),
            What::CloudConfig { files, tools, unread: more } => {
                machine.files.extend(files);
                machine.commands.extend(tools);
                machine.is_store_open = true;
                unread.push(format!("the cloud-config of the user data ({file}:{line})").into());
                unread.extend(more.into_iter().map(Str::from));
            }
            What::Script { tools, is_windows, .. } => {
                machine.commands.extend(tools);
                os = os.or(is_windows.then_some("windows"));
                machine.is_store_open = true;
                unread.push(format!("what a script of the user data does ({file}:{line})").into());
            }
            What::Unread { why, .. } => {
                machine.is_store_open = true;
                unread.push(format!("{why} ({file}:{line})").into());
            }
        }
    }
    if !configs.is_empty() && !configs.iter().any(|config| config.is_hybrid) {
        os = os.or(Some("amzn 2023"));
    }
    if !configs.is_empty() {
        machine.config_path = Some(CONFIG_PATH.into());
    }
    let containerd = configs.iter().filter(|config| config.containerd.is_some()).count();
    if containerd > 1 {
        unread.push("how the containerd settings of several NodeConfigs come together".into());
    }
    for NodeConfig { containerd, environment, .. } in configs {
        let text = containerd.unwrap_or_default();
        // The last one counts where two say the same; an empty configuration takes nothing away.
        if !text.is_empty() || !machine.files.iter().any(|file| file.path == CONFIG) {
            machine.files.push(written(CONFIG, &text));
        }
        if !environment.is_empty() {
            machine.files.push(written(DROP_IN, &environment));
        }
    }
    let mut trust = machine.node(instant);
    trust.unread.extend(unread);
    trust.os = os.map(Str::from);
    trust
}

fn written(path: &str, text: &str) -> File {
    File { path: path.to_owned(), content: Ok(text.as_bytes().into()), append: false }
}

/// What settings of Bottlerocket say is the whole: nothing else writes to its system.
fn settings_of(settings: Result<NodeTrust, String>, file: &str, machine: Machine) -> NodeTrust {
    let mut trust = settings.unwrap_or_else(|_| NodeTrust {
        os: Some("bottlerocket".into()),
        unread: vec![format!("the settings of the user data {file}, which are no TOML").into()],
        ..NodeTrust::default()
    });
    trust.notes.iter_mut().for_each(|note| note.path = file.into());
    trust.registries.iter_mut().for_each(|registry| registry.source = file.into());
    trust.meta = machine.meta;
    trust.from = Some(machine.from);
    trust
}
