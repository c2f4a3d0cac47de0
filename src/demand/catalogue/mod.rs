//! The endpoint catalogue: which hosts each ecosystem asks, when, and how that is known.
//!
//! It is data with a date and a source per row, embedded in the program. Listing what there is
//! costs nothing; an ecosystem's rows are parsed when somebody asks for them.

mod files;

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::Addresses;
use super::pattern;
use crate::model::Str;

/// What an ecosystem's build tools contact.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ecosystem {
    /// Identifier, such as `go`.
    pub id: Str,
    /// For people.
    pub title: Str,
    /// Every host that its tools may contact; what a row redirects to has a row of its own.
    pub endpoints: Vec<Row>,
}

/// One host of an ecosystem.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Name; `*` stands for any text, `{name}` for a part that only the build's own settings tell.
    pub host: Str,
    /// TCP port.
    pub port: u16,
    /// `https`, `http`, `ssh`, `hkp`.
    pub scheme: Str,
    /// Its role: `index`, `blob`, `auth`, `api`, `vcs`, `mirror`, `tool`, `ca`, `meta`.
    pub kind: Str,
    /// How much the ecosystem needs it.
    pub need: Need,
    /// Part of the ecosystem's flow that a setting can switch: `proxy`, `sumdb`, `direct` of Go,
    /// `ggcr` and `docker` of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Str>,
    /// If given, the row counts only for builds whose command, image or environment holds one of
    /// these texts or the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Vec<Str>>,
    /// If given, the row counts for images of these registries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<Vec<Str>>,
    /// What is fetched there.
    pub what: Str,
    /// The condition under which it is contacted.
    pub when: Str,
    /// Hosts that it sends clients on to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects_to: Vec<Str>,
    /// An HTTP request that proves it reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// How well the row is known.
    pub confidence: Confidence,
    /// Where it is known from; empty for general knowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<Str>,
}

impl Row {
    /// What it is for and when, as one sentence.
    pub fn why(&self) -> String {
        match self.need {
            Need::Required => format!("{}; {}", self.what, self.when),
            Need::Conditional | Need::Optional | Need::Legacy => format!("{}, if {}", self.what, self.when),
        }
    }

    /// Whether a part of the host is known to the build's own settings only.
    pub fn is_template(&self) -> bool {
        self.host.contains('{')
    }
}

/// How much an ecosystem needs a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The tools' default flow contacts it.
    Required,
    /// Contacted only if the row's condition holds.
    Conditional,
    /// Nice to have: statistics, search, interactive login.
    Optional,
    /// Named by old settings only.
    Legacy,
}

/// How well a row is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The vendor's documentation or the tool's source says so.
    High,
    /// Public reports, or a vendor's list that does not say which flow uses the host.
    Medium,
    /// General knowledge; never a required row.
    Low,
}

/// An HTTP request that proves a host reachable.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Path and query.
    pub path: Str,
    /// Expected answer.
    pub expect: Expect,
}

/// What a probe expects.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Expect {
    /// One of these status codes.
    Status(Vec<u16>),
    /// `any_http`: any HTTP answer proves the path.
    Any(Str),
}

/// An entry of the catalogue's table of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Identifier, such as `go`.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// Other names that people use for it, separated by spaces.
    pub aliases: &'static str,
}

/// A text that names no ecosystem.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no ecosystem of the catalogue: {known}", known = known_names())]
pub struct UnknownEcosystem(String);

fn known_names() -> String {
    Catalogue::builtin().list().map(|entry| entry.id).collect::<Vec<_>>().join(", ")
}

const INDEX: &str = include_str!("index.tsv");
const HOSTS: &str = include_str!("hosts.tsv");

/// The embedded catalogue.
#[derive(Debug)]
pub struct Catalogue {
    parsed: [OnceLock<Option<Ecosystem>>; files::FILES.len()],
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Catalogue {
    /// The catalogue that the program brings along. Nothing is parsed yet.
    pub fn builtin() -> Self {
        Self { parsed: [const { OnceLock::new() }; files::FILES.len()] }
    }

    /// The date of the data.
    pub fn as_of(&self) -> &'static str {
        INDEX.lines().next().and_then(|line| line.strip_prefix("# as of ")).unwrap_or_default()
    }

    /// The ecosystems with rows, in the order of the catalogue.
    pub fn list(&self) -> impl Iterator<Item = Entry> {
        entries().filter(|entry| position(entry.id).is_some())
    }

    /// The identifiers of [`list`](Self::list).
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.list().map(|entry| entry.id)
    }

    /// The title of an identifier; the identifier itself if it is not known.
    pub fn title<'a>(&self, id: &'a str) -> &'a str {
        entries().find(|entry| entry.id == id).map_or(id, |entry| entry.title)
    }

    /// The ecosystems that a name stands for: an identifier, or what people call it (`npm`,
    /// `pypi`, `images`). An umbrella name such as `apt` may stand for several.
    ///
    /// # Errors
    ///
    /// Nothing goes by that name.
    pub fn resolve(&self, name: &str) -> Result<Vec<&'static str>, UnknownEcosystem> {
        let wanted = name.to_ascii_lowercase();
        if let Some(entry) = self.list().find(|entry| entry.id == wanted) {
            return Ok(vec![entry.id]);
        }
        let found: Vec<_> =
            self.list().filter(|e| e.aliases.split_whitespace().any(|alias| alias == wanted)).map(|e| e.id).collect();
        if found.is_empty() { Err(UnknownEcosystem(name.to_owned())) } else { Ok(found) }
    }

    /// The rows of an ecosystem by its identifier.
    pub fn ecosystem(&self, id: &str) -> Option<&Ecosystem> {
        let position = position(id)?;
        // A file that does not parse is a defect of the program; a test reads every one.
        self.parsed[position].get_or_init(|| serde_saphyr::from_str(files::FILES[position].1).ok()).as_ref()
    }

    /// What is known about the addresses of a host.
    pub fn addresses(&self, host: &str) -> Addresses {
        if let Ok(ip) = host.parse() {
            return Addresses::Bare(ip);
        }
        hosts()
            .iter()
            .find_map(|(pattern, feed)| {
                let parts = pattern::template(pattern, host)?;
                Some(Addresses::Feed(pattern::fill(feed, &parts).into()))
            })
            .unwrap_or(Addresses::Public)
    }

    /// Whether a host is one of the public services that the catalogue lists.
    pub fn lists(&self, host: &str) -> bool {
        let rows = || self.ids().filter_map(|id| self.ecosystem(id)).flat_map(|ecosystem| &ecosystem.endpoints);
        host.contains('.')
            && rows().any(|row| is_of_a_public_domain(&row.host) && pattern::template(&row.host, host).is_some())
    }
}

/// Whether a pattern names a domain: what stands for a registry of one's own (`{nexus_host}`) fits any name.
fn is_of_a_public_domain(pattern: &str) -> bool {
    let fixed = pattern.rfind(['}', '*']).map_or(pattern, |at| &pattern[at + 1..]);
    let labels = fixed.split('.').filter(|label| !label.is_empty()).count();
    labels >= 2
}

fn position(id: &str) -> Option<usize> {
    files::FILES.iter().position(|(known, _)| *known == id)
}

fn entries() -> impl Iterator<Item = Entry> {
    INDEX.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        Entry { id: next(), title: next(), aliases: next() }
    })
}

fn hosts() -> &'static [(&'static str, &'static str)] {
    static PARSED: OnceLock<Vec<(&str, &str)>> = OnceLock::new();
    PARSED.get_or_init(|| {
        HOSTS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
    })
}

#[cfg(test)]
mod tests;
