//! Recognises documents of cloud providers by their keys, whatever their files are called.

use serde::Deserialize;

/// What a document without a kind turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloudKey<'t> {
    /// The key by which it was recognised.
    pub(crate) key: &'t str,
    /// `networkProfile.outboundType` of an AKS cluster.
    pub(crate) outbound_type: Option<String>,
}

/// The top-level keys of `aws ec2 describe-*` and its neighbours.
const AWS: &[&str] = &[
    "Addresses",
    "AvailabilityZones",
    "CustomerGateways",
    "DBInstances",
    "DhcpOptions",
    "DirectConnectGatewayAssociations",
    "DirectConnectGateways",
    "DomainStatusList",
    "EgressOnlyInternetGateways",
    "Entries",
    "FirewallPolicy",
    "Firewalls",
    "InternetGatewayExclusions",
    "InternetGateways",
    "LoadBalancerAttributes",
    "LoadBalancerListeners",
    "LoadBalancerTargetHealth",
    "LoadBalancers",
    "ManagedPrefixLists",
    "NatGateways",
    "NetworkAcls",
    "NetworkInterfaces",
    "PrefixLists",
    "Reservations",
    "RouteTables",
    "Routes",
    "SecurityGroupRules",
    "SecurityGroups",
    "SecurityGroupVpcAssociations",
    "ServiceDetails",
    "Snapshots",
    "Subnets",
    "TargetGroups",
    "TransitGatewayAttachments",
    "TransitGatewayPropagations",
    "TransitGatewayRouteTables",
    "TransitGatewayStaticRoutes",
    "TransitGatewayVpcAttachments",
    "TransitGateways",
    "VirtualInterfaces",
    "VpcBlockPublicAccessExclusions",
    "VpcBlockPublicAccessOptions",
    "VpcEndpoints",
    "VpcPeeringConnections",
    "Vpcs",
    "VpnConnections",
    "VpnGateways",
    // Lower-case documents that hold several lists at once.
    "security_groups",
    "network_acls",
    "route_tables",
    "vpcs",
];

/// Keys of a document about one thing, which say nothing alone.
const SINGLE: &[(&str, &[&str])] = &[
    ("EnableDnsSupport", &["VpcId"]),
    ("EnableDnsHostnames", &["VpcId"]),
    ("DestinationPrefixListId", &["GatewayId"]),
    ("DestinationCidrBlock", &["Origin"]),
    ("TargetGroupArn", &["Type"]),
];

/// Recognises a document by its top-level keys; `text` is its JSON.
pub(crate) fn recognise<'t>(keys: &'t [String], text: &str) -> Option<CloudKey<'t>> {
    let find = |wanted: &str| keys.iter().map(String::as_str).find(|key| *key == wanted);
    if let Some(key) = keys.iter().map(String::as_str).find(|key| AWS.contains(key)) {
        return Some(CloudKey { key, outbound_type: None });
    }
    for (key, others) in SINGLE {
        if let Some(key) = find(key)
            && others.iter().all(|other| find(other).is_some())
        {
            return Some(CloudKey { key, outbound_type: None });
        }
    }
    let key = find("networkProfile")?;
    let outbound_type = serde_json::from_str::<Aks>(text).ok().and_then(|aks| aks.network_profile?.outbound_type);
    Some(CloudKey { key, outbound_type })
}

/// `az aks show`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aks {
    network_profile: Option<NetworkProfile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkProfile {
    outbound_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_recognised_by_their_keys() {
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(recognise(&keys(&["Vpcs"]), "{}").map(|found| found.key), Some("Vpcs"));
        assert_eq!(
            recognise(&keys(&["VpcId", "EnableDnsSupport"]), "{}").map(|found| found.key),
            Some("EnableDnsSupport")
        );
        assert_eq!(recognise(&keys(&["VpcId"]), "{}"), None);
        let aks = r#"{"name":"c","networkProfile":{"outboundType":"none"}}"#;
        let keys_of_aks = keys(&["name", "networkProfile"]);
        let found = recognise(&keys_of_aks, aks);
        assert_eq!(found, Some(CloudKey { key: "networkProfile", outbound_type: Some("none".to_owned()) }));
        assert_eq!(recognise(&keys(&["name", "version"]), "{}"), None);
    }
}
