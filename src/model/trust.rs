//! Facts about trust: certificates that somebody accepts, and the registry configuration of container runtimes.
//!
//! Private keys are never among them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::label::Selector;
use super::list::List;
use super::object::{Meta, is_false};
use super::text::Str;

/// SHA-256 of the DER form of a certificate, or of its public key; `sha256:<hex>` in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What is kept of a certificate that somebody trusts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchor {
    /// Of the whole certificate.
    pub sha256: Fingerprint,
    /// Of its SubjectPublicKeyInfo: a re-issued certificate with the same name and key is the same anchor.
    pub spki: Fingerprint,
    /// Subject, as RFC 4514 writes names.
    pub subject: Str,
    /// Issuer, likewise.
    pub issuer: Str,
    /// Subject key identifier in hex (RFC 5280, section 4.2.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Str>,
    /// Start of its validity.
    pub not_before: jiff::Timestamp,
    /// End of its validity.
    pub not_after: jiff::Timestamp,
    /// Whether basic constraints say that it is a CA.
    pub ca: bool,
    /// It holds constraints (names, path length, extended key usage) that its fingerprint does not tell.
    #[serde(default)]
    pub constrained: bool,
    /// The certificate itself, where it was read and not only reported; never in a `NodeTrust`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "der")]
    pub der: Option<Arc<[u8]>>,
}

/// How much of the public roots (the reference set that ships with this program) a store holds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct PublicShare {
    /// How many of them it holds, by name and key.
    pub present: u32,
    /// Of how many.
    pub of: u32,
}

/// What kind of store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum StoreKind {
    /// The built output of the operating system's store: what clients read.
    System,
    /// The administrator's input to it.
    Input,
    /// A Java key store.
    Java,
}

/// One trust store of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustStore {
    /// File or directory on the node.
    pub path: Str,
    /// What it is for.
    pub kind: StoreKind,
    /// Certificates in it.
    pub certificates: u32,
    /// Of the sorted fingerprints of its certificates: changes when its content does.
    pub fingerprint: Fingerprint,
    /// What it holds of the public roots.
    pub public: PublicShare,
    /// What it holds beside them.
    #[serde(default)]
    pub additions: Vec<Anchor>,
    /// Public roots that somebody took out of it: told where the store is described and not listed, by whole certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Anchor>,
    /// How many more it holds beside them, where a report leaves some out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u32,
    /// When its content last changed, as far as the file system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<jiff::Timestamp>,
}

/// One place that a runtime asks for a registry's images, in the order in which it tries them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryHost {
    /// `https://host[:port][/path]`; empty: the registry itself, in what holds for many registries.
    pub url: Str,
    /// CAs that it accepts there, beside the system store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca: Vec<Anchor>,
    /// CA files that are named and were not read: what it accepts because of them is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Str>,
    /// Nothing is verified.
    #[serde(default)]
    pub skip_verify: bool,
    /// What it is asked for (`pull`, `resolve`, …); empty: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Str>,
}

/// What a runtime's configuration says about one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryTrust {
    /// `host[:port]` of the image reference, or `_default` for all that have no entry of their own. CRI-O's may end in a
    /// path or begin with `*.`, and Docker's may be a range of addresses: the longest that fits counts.
    pub host: Str,
    /// `containerd`, `cri-o` (and podman, buildah, skopeo), `docker`, `buildkit`, `k3s`, `rke2`, `talos`.
    pub runtime: Str,
    /// The file that says so, on the node.
    pub source: Str,
    /// What is asked, in order; the last is the registry itself unless that is switched off.
    pub hosts: Vec<RegistryHost>,
    /// Why the runtime does not pull from the registry at all: a CA file that is missing, a certificate without its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Str>,
    /// Why it cannot be told whether the runtime does what stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Str>,
}

/// A container runtime, or another program of the node that pulls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRuntime {
    /// As in [`RegistryTrust::runtime`].
    pub name: Str,
    /// Its version, where a file tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Str>,
    /// Its environment, as far as it decides trust and proxies; credentials removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(Str, Str)>,
    /// When it was started, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<jiff::Timestamp>,
}

/// A trap or a risk in the configuration of trust that was met while reading: it becomes a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustNote {
    /// Code of the finding, `BR-TLS-…`.
    pub code: Str,
    /// One sentence.
    pub message: Str,
    /// File on the node, or place in the object.
    pub path: Str,
    /// Line, from 1; 0 if it is not known.
    #[serde(default)]
    pub line: u32,
    /// The registry `host[:port]` that it concerns, if it is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Str>,
}

/// Everything that was read about the trust of one node, or of all nodes of a kind (a machine configuration).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrust {
    /// Name of the node, origin of the facts. Labels are those that the nodes of a kind carry, where such facts tell:
    /// they are of no node that has one of these labels with another value.
    pub meta: Meta,
    /// Kind and name of the object that says so, where it is not the node itself: `KubeadmConfig ci/workers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Str>,
    /// `ID` and `VERSION_ID` of os-release; for all nodes of a kind the `ID` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Str>,
    /// When it was read; absent in what only describes nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<jiff::Timestamp>,
    /// Its stores.
    #[serde(default)]
    pub stores: Vec<TrustStore>,
    /// Its runtimes.
    #[serde(default)]
    pub runtimes: Vec<NodeRuntime>,
    /// Their registries.
    #[serde(default)]
    pub registries: Vec<RegistryTrust>,
    /// Traps that were met.
    #[serde(default)]
    pub notes: Vec<TrustNote>,
    /// What could not be read, and so may hold more.
    #[serde(default)]
    pub unread: Vec<Str>,
}

impl NodeTrust {
    /// Whether another says the same, whenever either was read.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { observed: other.observed, ..self.clone() } == *other
    }
}

/// Certificates that an API object holds: a ConfigMap's key, a ClusterTrustBundle, a target of trust-manager.
///
/// Of a ConfigMap that is mounted where trust is decided there is one for each key, also for those that hold no
/// certificate, and one with an empty key if it has none: so that it is there can be told from that it is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustBundle {
    /// `ConfigMap`, `ClusterTrustBundle`, or `Bundle` and `ClusterBundle` of trust-manager.
    pub kind: Str,
    /// The object.
    pub meta: Meta,
    /// Key in the object's data; empty where it has no keys.
    #[serde(default)]
    pub key: Str,
    /// Labels decide which bundles of a signer a projected volume takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Str>,
    /// What of it is certificates, in order. Objects of equal content share them.
    #[serde(default)]
    pub certificates: List<Anchor>,
    /// What is not, one sentence each.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub problems: List<Str>,
    /// Why it may hold more certificates than these: a key store, a Secret among its sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Str>,
    /// How many private keys lie among the certificates: their number alone is kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub private_keys: u32,
    /// It holds the public roots of a distribution beside these certificates.
    #[serde(default, skip_serializing_if = "is_false")]
    pub public_roots: bool,
    /// Of a trust-manager object: the namespaces into which it writes a ConfigMap of its name that holds this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Selector>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a fingerprint is `sha256:` and 64 hexadecimal digits";
        let hex = text.strip_prefix("sha256:").ok_or(wrong)?;
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(wrong);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A certificate in text: hexadecimal DER.
mod der {
    use std::fmt::Write as _;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::ref_option)] // the signature that serde asks for
    pub(super) fn serialize<S: Serializer>(der: &Option<Arc<[u8]>>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(der) = der else { return serializer.serialize_none() };
        let mut text = String::with_capacity(2 * der.len());
        for byte in der.iter() {
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<[u8]>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let wrong = || serde::de::Error::custom("a certificate is an even number of hexadecimal digits");
        if !text.is_ascii() || text.len() % 2 == 1 {
            return Err(wrong());
        }
        let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        bytes.collect::<Result<Vec<u8>, _>>().map(|bytes| Some(bytes.into())).map_err(|_| wrong())
    }
}
