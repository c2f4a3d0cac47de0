//! The path from an interface of a VPC to a destination: security groups, network ACLs, routes, gateways, NAT,
//! endpoints. Pure: the facts of `aws ec2 describe-*` in, a verdict out.
//!
//! Three values, and sets instead of single addresses: each gate takes its share of a destination and says what
//! becomes of it. A definite deny stays one whatever else is unknown; what was not collected is unknown; nothing
//! stops at the first blocker, because a change that opens only one of two gates opens nothing.

mod acl;
mod beyond;
pub mod cluster;
mod cni;
mod deliver;
mod group;
pub mod names;
pub mod net;
pub mod origin;
pub mod policy;
pub mod resolve;
mod route;
mod scheduling;
pub mod verdict;
mod walk;
mod ways;

pub use cluster::{Cluster, PodGroups};
pub use net::Net;
pub use origin::{Origin, Socket};
pub use resolve::{Resolver, Shadow};
pub use verdict::{Blocker, Verdict};

use crate::model::{AddrSet, Protocol};

/// One question: these addresses (of one family), this port.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Of one family.
    pub to: &'a AddrSet,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Destination port.
    pub port: u16,
    /// The name that led to the addresses: endpoint policies speak of what is asked for, not of addresses.
    pub host: Option<&'a str>,
}

/// The verdict for a source: every way that its packets may take.
pub fn judge(net: &Net<'_>, origin: &Origin<'_>, ask: Ask<'_>) -> Verdict {
    origin.judge(net, ask)
}
