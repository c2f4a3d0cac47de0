//! Which keys the documents of AWS have at their top.

use crate::model::aws::AwsList;

/// What a key at the top of a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Objects of a list.
    List(AwsList),
    /// Reservations, each with its instances.
    Reservations,
    /// Entries of the prefix list that the file's name tells.
    Entries,
    /// Domains of the domain list that the file's name tells.
    Domains,
    /// A DNS attribute of the VPC that `VpcId` beside it names.
    Attribute,
    /// Where the list goes on: this document does not hold all of it.
    NextToken,
    /// Something of AWS that no verdict depends on.
    Ignored,
}

/// Kinds that do not stand on a path from a build to what it fetches, or that say nothing that another document does
/// not say: what is behind a transit gateway or an inspection endpoint is unknown with them and without them.
const IGNORED: &[&str] = &[
    "Addresses",
    "AvailabilityZones",
    "CarrierGateways",
    "ClientVpnEndpoints",
    "CustomerGateways",
    "DBInstances",
    "DirectConnectGatewayAssociations",
    "DirectConnectGateways",
    "DomainStatusList",
    "EnableNetworkAddressUsageMetrics",
    "Firewall",
    "FirewallConfig",
    "FirewallConfigs",
    "FirewallDomainLists",
    "FirewallPolicies",
    "FirewallPolicy",
    "FirewallRuleGroups",
    "Firewalls",
    "FlowLogs",
    "InternetGatewayExclusions",
    "LaunchTemplates",
    "LoadBalancerAttributes",
    "LoadBalancerListeners",
    "LoadBalancerTargetHealth",
    "LoadBalancers",
    "LocalGateways",
    "ResolverEndpoints",
    "Routes",
    "ServiceDetails",
    "Snapshots",
    "TargetGroups",
    "TransitGatewayAttachments",
    "TransitGatewayPropagations",
    "TransitGatewayRouteTables",
    "TransitGatewayStaticRoutes",
    "TransitGateways",
    "VirtualInterfaces",
    "VpnConnections",
];

/// What a key holds; `None` if AWS has no such key, or one that says nothing about AWS.
///
/// Keys in lower case are those of collectors that put several lists into one document: [`is_lower`] tells them apart,
/// because other documents have such keys too.
pub(super) fn of(key: &str) -> Option<Key> {
    match key {
        "Reservations" => Some(Key::Reservations),
        "Entries" => Some(Key::Entries),
        "Domains" => Some(Key::Domains),
        "domains" => None,
        "EnableDnsSupport" | "EnableDnsHostnames" => Some(Key::Attribute),
        "NextToken" | "nextToken" | "next_token" => Some(Key::NextToken),
        "ManagedPrefixLists" => Some(Key::List(AwsList::PrefixLists)),
        "instances" => Some(Key::List(AwsList::Instances)),
        _ if IGNORED.contains(&key) => Some(Key::Ignored),
        _ if is_lower(key) => list(&pascal(key)).map(Key::List),
        _ => list(key).map(Key::List),
    }
}

fn list(key: &str) -> Option<AwsList> {
    AwsList::ALL.iter().copied().find(|list| list.key() == key)
}

/// Whether a key is written as `security_groups`.
pub(super) fn is_lower(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_lowercase())
}

/// `SecurityGroups` of `security_groups`.
fn pascal(key: &str) -> String {
    let mut pascal = String::with_capacity(key.len());
    for word in key.split('_') {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    pascal
}

/// The list that a text is about which begins as a document of AWS does, whatever comes after: for one that breaks off.
pub(crate) fn begun(text: &str) -> Option<AwsList> {
    let rest = text.trim_start().trim_start_matches('\u{feff}').strip_prefix('{')?.trim_start().strip_prefix('"')?;
    let (key, rest) = rest.split_once('"')?;
    let is_list = rest.trim_start().strip_prefix(':')?.trim_start().starts_with('[');
    match of(key)? {
        Key::List(list) if is_list && !is_lower(key) => Some(list),
        Key::Reservations => Some(AwsList::Instances),
        Key::Entries => Some(AwsList::PrefixListEntries),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told() {
        for list in AwsList::ALL {
            let expected = match list {
                AwsList::Instances => Key::Reservations,
                AwsList::PrefixListEntries => Key::Entries,
                AwsList::FirewallDomains => Key::Domains,
                list => Key::List(*list),
            };
            assert_eq!(of(list.key()), Some(expected));
        }
        assert_eq!(of("network_acls"), Some(Key::List(AwsList::NetworkAcls)));
        assert_eq!(of("vpcs"), Some(Key::List(AwsList::Vpcs)));
        assert_eq!(of("LoadBalancers"), Some(Key::Ignored));
        assert_eq!(of("compilerOptions"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn what_breaks_off_is_still_a_list() {
        assert_eq!(begun("{\n \"SecurityGroups\": [ {"), Some(AwsList::SecurityGroups));
        assert_eq!(begun("{\"Reservations\": ["), Some(AwsList::Instances));
        assert_eq!(begun("{\"Subnets\": \"a"), None);
        assert_eq!(begun("{\"name\": ["), None);
        assert_eq!(begun("[1"), None);
    }
}
