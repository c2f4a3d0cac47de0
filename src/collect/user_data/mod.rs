//! User data: what EC2 instances get to read when they start, and what it makes nodes trust.
//!
//! Bottlerocket takes TOML; everything else cloud-init's forms, beside which nodeadm of Amazon EKS looks for its
//! `NodeConfig`: a MIME message of several parts, a cloud-config, a script, and base64 of each. Scripts and secrets stand
//! in such texts, so they are taken apart where they are read, and nothing but what decides trust is kept.

mod carriers;
mod cloud_config;
mod mime;
mod node_config;
mod nodes;

use memchr::memmem;

use super::facts::Facts;
use super::machine::{self, File};
use super::yaml;
use crate::model::object::Origin;
use crate::model::trust::NodeTrust;
use crate::model::{Str, base64};
use crate::trust::runtime::bottlerocket;

pub(super) use carriers::{class, is_launch_templates, launch_templates, node_config, planned};
pub(super) use node_config::is_node_config;
pub(super) use nodes::nodes;

use node_config::NodeConfig;

/// User data, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct UserData {
    /// Where it stands, or the object that holds it.
    origin: Origin,
    giver: Giver,
    parts: Vec<Part>,
}

/// Who gives it to nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Giver {
    /// A file of its own: nobody knows to which.
    File,
    /// A `NodeConfig` among manifests, by its name if it has one.
    Document(Option<Str>),
    /// A version of a launch template.
    Template { id: Str, name: Str, version: u64 },
    /// A launch template of a plan of Terraform, by its address; the id is empty for one that is still to be made.
    Planned { address: Str, id: Str },
    /// An `EC2NodeClass` of Karpenter: its kind, its name, and the family of images.
    Class { kind: Str, name: Str, family: Option<Str> },
}

/// One part of it, with the line where it begins.
#[derive(Clone, Debug)]
struct Part {
    line: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Settings of Bottlerocket, or why they are none.
    Bottlerocket(Box<Result<NodeTrust, String>>),
    NodeConfig(NodeConfig),
    CloudConfig {
        files: Vec<File>,
        /// The tools that its commands run.
        tools: Vec<String>,
        /// What else of it may decide.
        unread: Vec<&'static str>,
    },
    /// A script, or another text that runs: the tools that it names, and whether it makes a node of Kubernetes.
    Script {
        tools: Vec<String>,
        is_node: bool,
        is_windows: bool,
    },
    /// It cannot be read. `is_damaged`: nobody can, and that is a finding.
    Unread {
        why: String,
        is_damaged: bool,
    },
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Of its first line, or of the object that holds it.
    line: u32,
    /// Its lines are those of the file.
    exact: bool,
}

impl Place {
    /// The line of a line of the text, from 1.
    fn line(self, line: u32) -> u32 {
        if self.exact && line > 0 { self.line + line - 1 } else { self.line }
    }

    /// The place of a part that begins on that line of the text.
    fn at(self, line: u32) -> Self {
        Self { line: self.line(line), ..self }
    }
}

/// The forms that are told by how a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Mime,
    CloudConfig,
    Settings,
    Base64,
}

/// Whether a file is user data of its own, and no manifest.
pub(super) fn is_user_data(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match form(text) {
        None => false,
        Some(Form::Mime) => mime::is_multipart(text),
        Some(Form::CloudConfig) => true,
        Some(Form::Settings) => bottlerocket(text, false).is_some(),
        Some(Form::Base64) => decoded(text).is_some_and(|bytes| {
            let inner = std::str::from_utf8(&bytes).unwrap_or_default();
            form(inner).is_some_and(|form| form != Form::Base64) && is_user_data(inner.as_bytes())
        }),
    }
}

/// Reads a file that [`is_user_data`].
pub(super) fn file(bytes: &[u8], source: u32, facts: &mut Facts) {
    let origin = Origin { source, line: 1 };
    add(bytes, origin, true, Giver::File, facts);
}

/// Reads user data that somebody gives; `exact`: its lines are those of the file.
fn add(bytes: &[u8], origin: Origin, exact: bool, giver: Giver, facts: &mut Facts) {
    let mut parts = Vec::new();
    content(bytes, Place { line: origin.line, exact }, 0, &mut parts);
    for part in &parts {
        match &part.what {
            What::Unread { why, is_damaged: true } => facts.failed.push((origin.source, why.clone())),
            What::Bottlerocket(settings) => {
                facts.failed.extend(settings.as_ref().as_ref().err().map(|why| (origin.source, why.clone())));
            }
            _ => {}
        }
    }
    facts.user_data.push(UserData { origin, giver, parts });
}

/// How a text begins.
fn form(text: &str) -> Option<Form> {
    let text = text.trim_start_matches('\u{feff}');
    if text.starts_with("#cloud-config") {
        return Some(Form::CloudConfig);
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let lower = first.to_ascii_lowercase();
    if lower.starts_with("content-type:") || lower.starts_with("mime-version:") {
        return Some(Form::Mime);
    }
    let rest = first.trim_start_matches('[').strip_prefix("settings");
    if rest.is_some_and(|rest| rest.starts_with(['.', ']', ' ', '='])) {
        return Some(Form::Settings);
    }
    // A line of sixty digits and more is no word.
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    (first.len() >= 60 && first.bytes().all(is_digit)).then_some(Form::Base64)
}

/// The bytes of a text that is all base64, with or without line breaks.
fn decoded(text: &str) -> Option<Vec<u8>> {
    base64::decode(&text.split_whitespace().collect::<String>())
}

/// How often base64 and messages may lie in each other.
const DEPTH: u32 = 3;

/// Takes a text apart, whatever form it has.
fn content(bytes: &[u8], place: Place, depth: u32, parts: &mut Vec<Part>) {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    let mut push = |what: What| parts.push(Part { line: place.line, what });
    let unread = |why: &str| What::Unread { why: why.to_owned(), is_damaged: false };
    if bytes.starts_with(GZIP) {
        return push(unread("user data that is compressed"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        let why = "user data that is no text: neither UTF-8 nor gzip".to_owned();
        return push(What::Unread { why, is_damaged: true });
    };
    if text.trim().is_empty() {
        return;
    }
    match form(text) {
        Some(Form::Mime) if depth < DEPTH && mime::is_multipart(text) => mime::read(text, place, depth, parts),
        Some(Form::CloudConfig) => cloud_config::read(text, place, parts),
        Some(Form::Settings) => match bottlerocket(text, true) {
            Some(settings) => push(settings_of(settings, place)),
            None => push(unread("a table `settings` that is none of Bottlerocket's")),
        },
        _ if text.trim_start().starts_with("#!") || text.trim_start().starts_with('<') => push(script(text)),
        _ if memmem::find(bytes, node_config::GROUP.as_bytes()).is_some() => node_config::read(text, place, parts),
        Some(Form::Base64) if depth < DEPTH && decoded(text).is_some() => {
            let bytes = decoded(text).unwrap_or_default();
            content(&bytes, Place { exact: false, ..place }, depth + 1, parts);
        }
        _ => push(unread("user data of a form that is not known")),
    }
}

fn settings_of(settings: Result<NodeTrust, (u32, String)>, place: Place) -> What {
    let settings = match settings {
        Ok(mut trust) => {
            trust.notes.iter_mut().for_each(|note| note.line = place.line(note.line));
            Ok(trust)
        }
        // The line of the error is that of the part, which is told beside it.
        Err((line, why)) if place.exact => Err(format!("line {}: {why}", place.line(line))),
        Err((line, why)) => Err(format!("line {line} of the user data: {why}")),
    };
    What::Bottlerocket(Box::new(settings))
}

/// What a script may do is not looked at, but for whether it is one of a node, and what builds its store.
fn script(text: &str) -> What {
    const NODE: &[&str] = &["/etc/eks/", "nodeadm", "kubelet", "kubeadm", "containerd"];
    let is_node = NODE.iter().any(|word| text.contains(word));
    What::Script { tools: machine::tools(text).collect(), is_node, is_windows: text.trim_start().starts_with('<') }
}

/// The documents of a YAML text as JSON, with their lines.
fn documents(text: &str) -> Result<Vec<(String, u32)>, (u32, String)> {
    let mut all = Vec::new();
    for document in yaml::documents(text.as_bytes()) {
        let content = std::str::from_utf8(document.text).unwrap_or_default();
        let converted = yaml::convert(content);
        if let Some((message, line)) = converted.error {
            return Err((document.line + line.saturating_sub(1), message));
        }
        let of_stream = |(json, line): (String, u32)| (json, document.line + line.saturating_sub(1));
        all.extend(converted.documents.into_iter().map(of_stream));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: &[&str] = &[
        "Content-Type: multipart/mixed; boundary=b\n\n",
        "--b\n",
        "--b--\n",
        "Content-Type: application/node.eks.aws\n\n",
        "Content-Transfer-Encoding: base64\n",
        "#cloud-config\n",
        "write_files: [{path: /etc/containerd/certs.d/x/hosts.toml, content: y, encoding: gz}]\n",
        "runcmd: [x, [y, 1], 2]\n",
        "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n",
        "spec: {containerd: {config: '['}}\n",
        "[settings.pki.x]\n",
        "data = \"!\"\n",
        "\u{feff}",
        "I3NldHRpbmdzCg==I3NldHRpbmdzCg==I3NldHRpbmdzCg==I3NldHRpbmdzCg==\n",
        "\r\n",
        "é: [",
    ];

    proptest::proptest! {
        #[test]
        fn whatever_it_is_it_is_taken_apart(pieces in proptest::collection::vec(0..PIECES.len(), 0..12)) {
            let text: String = pieces.iter().map(|at| PIECES[*at]).collect();
            let mut facts = Facts::default();
            let _ = is_user_data(text.as_bytes());
            add(text.as_bytes(), Origin { source: 0, line: 1 }, true, Giver::File, &mut facts);
            let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX) + 1;
            proptest::prop_assert!(facts.user_data.iter().flat_map(|data| &data.parts).all(|part| part.line <= lines));
            // Nothing but blanks gives no parts, and neither do blank parts of a message; everything else says at least
            // that it was not understood.
            let is_blank = text.trim_matches('\u{feff}').trim().is_empty() || text.contains("multipart");
            proptest::prop_assert!(is_blank || !facts.user_data[0].parts.is_empty(), "{:?}", text);
            let _ = nodes(facts.user_data, &[], jiff::Timestamp::UNIX_EPOCH, |_| "x");
        }
    }

    #[test]
    fn compressed_and_unknown_texts_are_said_and_blank_ones_are_nothing() {
        let of = |bytes: &[u8]| {
            let mut parts = Vec::new();
            content(bytes, Place { line: 1, exact: true }, 0, &mut parts);
            let words = |part: &Part| match &part.what {
                What::Unread { why, is_damaged } => format!("{why} {is_damaged}"),
                other => format!("{other:?}"),
            };
            parts.iter().map(words).collect::<Vec<_>>()
        };
        assert_eq!(of(b"\x1f\x8b\x08"), ["user data that is compressed false"]);
        assert_eq!(of(b"\xff\xfe"), ["user data that is no text: neither UTF-8 nor gzip true"]);
        assert_eq!(of(b"hello"), ["user data of a form that is not known false"]);
        assert!(of(b" \n").is_empty());
    }
}
