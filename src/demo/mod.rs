//! The built-in example: a small cluster in its VPC, in which each build has another fate.

use crate::collect::files;
use crate::model::Snapshot;

/// The manifests, by the name under which reports cite them.
pub const MANIFESTS: &[(&str, &str)] = &[
    ("demo/builds.yaml", include_str!("manifests/builds.yaml")),
    ("demo/cluster.yaml", include_str!("manifests/cluster.yaml")),
    ("demo/policies.yaml", include_str!("manifests/policies.yaml")),
    ("demo/trust.yaml", include_str!("manifests/trust.yaml")),
];

/// Documents of one account and region under the names that `aws ec2` users give them.
macro_rules! documents {
    ($folder:literal: $($name:literal)+) => {
        &[$((concat!("demo/", $folder, $name, ".json"), include_str!(concat!($folder, $name, ".json")))),+]
    };
}

/// What `aws ec2` says about the VPC, by the name under which reports cite it.
pub const AWS: &[(&str, &str)] = documents! {
    "aws/111122223333/eu-central-1/":
    "ec2-describe-dhcp-options"
    "ec2-describe-egress-only-internet-gateways"
    "ec2-describe-internet-gateways"
    "ec2-describe-managed-prefix-lists"
    "ec2-describe-nat-gateways"
    "ec2-describe-network-acls"
    "ec2-describe-network-interfaces"
    "ec2-describe-route-tables"
    "ec2-describe-security-group-rules"
    "ec2-describe-security-groups"
    "ec2-describe-subnets"
    "ec2-describe-vpc-attribute.vpc-0d3a4c9f1b2e70001.enableDnsHostnames"
    "ec2-describe-vpc-attribute.vpc-0d3a4c9f1b2e70001.enableDnsSupport"
    "ec2-describe-vpc-endpoints"
    "ec2-describe-vpcs"
};

/// The example as a snapshot that was read at an instant.
pub fn snapshot(instant: jiff::Timestamp) -> Snapshot {
    let texts = [MANIFESTS, AWS].concat();
    files::from_texts(&texts, &files::Options { instant, ..files::Options::default() })
}
