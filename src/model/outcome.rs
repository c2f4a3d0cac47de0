//! Outcomes and how they combine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to "does the subject get through?".
///
/// The order of the variants is the order along a path: a definite `Blocked` beats `Unknown`,
/// `Unknown` beats `Partial`, `Partial` beats `Reachable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Outcome {
    /// Every packet gets through.
    Reachable,
    /// Some addresses, ports or pods get through: it fails intermittently.
    Partial,
    /// It cannot be told from what was read, and the reason says why.
    Unknown,
    /// No packet gets through.
    Blocked,
}

impl Outcome {
    /// Every outcome, in path order.
    pub const ALL: [Self; 4] = [Self::Reachable, Self::Partial, Self::Unknown, Self::Blocked];

    /// Layers on one path, or required endpoints of one ecosystem: the worst decides.
    /// `None` for no participant.
    pub fn along(outcomes: impl IntoIterator<Item = Self>) -> Option<Self> {
        outcomes.into_iter().max()
    }

    /// What is all needed in one endpoint (addresses, pods, source ports): equal ones stand, any
    /// `Unknown` makes it unknown, a mixture is `Partial`. `None` for no participant.
    pub fn all_needed(outcomes: impl IntoIterator<Item = Self>) -> Option<Self> {
        outcomes.into_iter().reduce(|a, b| match (a, b) {
            (a, b) if a == b => a,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::Partial,
        })
    }

    /// Alternatives, any of which serves (mirrors in order, families of a name): the best of
    /// `Reachable` > `Partial` > `Unknown` > `Blocked`. `None` for no participant.
    pub fn best(outcomes: impl IntoIterator<Item = Self>) -> Option<Self> {
        outcomes.into_iter().min()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reachable => "Reachable",
            Self::Partial => "Partial",
            Self::Unknown => "Unknown",
            Self::Blocked => "Blocked",
        })
    }
}

/// One gate on the path, in path order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The toolchain's own configuration.
    Config,
    /// Name lookup.
    Dns,
    /// Pod network policies.
    Policy,
    /// Service mesh.
    Mesh,
    /// Cloud network.
    Cloud,
    /// HTTP(S) proxy.
    Proxy,
    /// Certificate trust.
    Tls,
}

impl Layer {
    /// Every layer, in path order.
    pub const ALL: [Self; 7] = [Self::Config, Self::Dns, Self::Policy, Self::Mesh, Self::Cloud, Self::Proxy, Self::Tls];
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Config => "config",
            Self::Dns => "dns",
            Self::Policy => "policy",
            Self::Mesh => "mesh",
            Self::Cloud => "cloud",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
        })
    }
}
