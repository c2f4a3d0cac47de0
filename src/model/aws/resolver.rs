//! Facts about Route 53 Resolver, as `aws route53resolver list-*` prints them: what it does to lookups in a VPC.

use serde::{Deserialize, Serialize};

use super::{is_nowhere, nullable};
use crate::model::object::Origin;
use crate::model::text::Str;

/// A rule group of DNS Firewall that a VPC uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallRuleGroupAssociation {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub id: Str,
    /// The rule group.
    #[serde(deserialize_with = "nullable")]
    pub firewall_rule_group_id: Str,
    /// The VPC.
    #[serde(deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// Groups are gone through from the lowest on.
    #[serde(deserialize_with = "nullable")]
    pub priority: i64,
    /// `COMPLETE`, `UPDATING` or `DELETING`.
    #[serde(deserialize_with = "nullable")]
    pub status: Str,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A rule of a rule group of DNS Firewall.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallRule {
    /// Its group.
    #[serde(deserialize_with = "nullable")]
    pub firewall_rule_group_id: Str,
    /// The domain list that it looks at; empty for a rule of DNS Firewall Advanced.
    #[serde(deserialize_with = "nullable")]
    pub firewall_domain_list_id: Str,
    /// What a rule of DNS Firewall Advanced is called by, which looks for threats by heuristics.
    #[serde(deserialize_with = "nullable")]
    pub firewall_threat_protection_id: Str,
    /// Name.
    #[serde(deserialize_with = "nullable")]
    pub name: Str,
    /// Rules are gone through from the lowest on.
    #[serde(deserialize_with = "nullable")]
    pub priority: i64,
    /// `ALLOW`, `ALERT` or `BLOCK`.
    #[serde(deserialize_with = "nullable")]
    pub action: Str,
    /// `NODATA`, `NXDOMAIN` or `OVERRIDE`.
    #[serde(deserialize_with = "nullable")]
    pub block_response: Str,
    /// The record type that it is for, such as `AAAA` or `TYPE28`; empty: all of them.
    #[serde(deserialize_with = "nullable")]
    pub qtype: Str,
    /// `INSPECT_REDIRECTION_DOMAIN` (also if empty): the names that a name is an alias of count, too.
    #[serde(deserialize_with = "nullable")]
    pub firewall_domain_redirection_action: Str,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// The domains of a domain list, which are read one list at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallDomains {
    /// The list.
    #[serde(deserialize_with = "nullable")]
    pub firewall_domain_list_id: Str,
    /// Domains as written: `example.com.`, `*.example.com.`, `*`.
    #[serde(deserialize_with = "nullable")]
    pub domains: Vec<Str>,
    /// Where they were read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A rule of the resolver that a VPC uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResolverRuleAssociation {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub id: Str,
    /// The rule.
    #[serde(deserialize_with = "nullable")]
    pub resolver_rule_id: Str,
    /// The VPC.
    #[serde(rename = "VPCId", alias = "VpcId", deserialize_with = "nullable")]
    pub vpc_id: Str,
    /// `COMPLETE`, `CREATING`, `DELETING`, `FAILED` or `OVERRIDDEN`.
    #[serde(deserialize_with = "nullable")]
    pub status: Str,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// A rule of the resolver: who answers for a domain and all below it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResolverRule {
    /// Id.
    #[serde(deserialize_with = "nullable")]
    pub id: Str,
    /// The domain: `example.com.`; `.` is all.
    #[serde(deserialize_with = "nullable")]
    pub domain_name: Str,
    /// `FORWARD`, `SYSTEM`, `RECURSIVE` or `DELEGATE`.
    #[serde(deserialize_with = "nullable")]
    pub rule_type: Str,
    /// Where it forwards to.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub target_ips: Vec<TargetAddress>,
    /// Where it was read.
    #[serde(rename = "ReadFrom", skip_serializing_if = "is_nowhere")]
    pub origin: Origin,
}

/// An address that lookups are forwarded to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TargetAddress {
    /// IPv4.
    #[serde(deserialize_with = "nullable")]
    pub ip: Str,
    /// IPv6.
    #[serde(deserialize_with = "nullable")]
    pub ipv6: Str,
}
