//! What a container mounts where trust is decided.

use serde::{Deserialize, Serialize};

use super::label::Selector;
use super::list::List;
use super::object::is_false;
use super::text::Str;

/// A volume at a place where a client may look for what it trusts, or for its own configuration.
///
/// Only these are kept: a cluster has a volume or two for each of its pods, and most of them decide nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustMount {
    /// `mountPath`, without a slash at its end.
    pub path: Str,
    /// `subPath`: only this file or folder of the volume is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<Str>,
    /// What the volume holds.
    pub source: MountSource,
}

/// What a volume holds (`VolumeSource`, `VolumeProjection`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MountSource {
    /// A ConfigMap of the pod's namespace: one file for each key.
    ConfigMap(ObjectMount),
    /// A Secret of the pod's namespace, which is never read.
    Secret(ObjectMount),
    /// The certificates of ClusterTrustBundles in one file (projected volumes only).
    ClusterTrustBundle(BundleMount),
    /// Several of these in one folder.
    Projected(List<MountSource>),
    /// Empty at first; an init container may fill it.
    EmptyDir,
    /// A path of the node.
    HostPath(Str),
    /// Something whose content nobody knows from outside: `a CSI volume`, `a PersistentVolumeClaim`.
    Other(Str),
}

/// A ConfigMap or a Secret as a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMount {
    /// Its name.
    pub name: Str,
    /// `items`: these keys alone, each at its path. Empty for all keys, each at its own name.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub items: List<KeyPath>,
    /// The pod starts without it, and the folder is then empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// `KeyToPath`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyPath {
    /// Key of the object's data.
    pub key: Str,
    /// Where it is, from the volume's own folder.
    pub path: Str,
}

/// `ClusterTrustBundleProjection`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleMount {
    /// One bundle by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str>,
    /// All bundles of a signer that the selector takes, in one file, without repetitions and in no order that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Str>,
    /// Which of the signer's bundles. Absent matches none, an empty one all (`ClusterTrustBundleProjection`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Where the file is, from the volume's own folder.
    pub path: Str,
    /// The pod starts without any such bundle, and the file is then empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

impl MountSource {
    /// The sources that it consists of: itself, or those that it projects.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Projected(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// Names of the ConfigMaps that it takes files from.
    pub fn config_maps(&self) -> impl Iterator<Item = &Str> {
        self.parts().iter().filter_map(|part| match part {
            Self::ConfigMap(mount) => Some(&mount.name),
            _ => None,
        })
    }
}
