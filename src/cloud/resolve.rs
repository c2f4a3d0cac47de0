//! Names inside a VPC: who answers, and which names lead to interface endpoints.

use std::net::IpAddr;

use super::names;
use super::net::{In, Net};
use crate::model::aws::{AwsList, VpcEndpoint};
use crate::model::{AddrSet, Decided, Evidence, Family};

/// Who answers lookups in a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// The Amazon-provided resolver, which neither security groups nor network ACLs keep anybody from.
    Amazon,
    /// Nobody: `enableDnsSupport` is off.
    Off(Evidence),
    /// Addresses that the DHCP options name: alternatives, and perhaps the Amazon-provided one among them.
    Custom {
        /// Where else lookups go.
        addresses: Vec<IpAddr>,
        /// Whether the Amazon-provided resolver is named as well and answers, or why that cannot be told.
        amazon: Option<Result<bool, String>>,
        /// The DHCP options.
        by: Evidence,
    },
    /// It cannot be told.
    Unknown(String),
}

/// What a name stands for inside a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shadow {
    /// What it stands for everywhere.
    None,
    /// An interface endpoint holds it: these addresses answer.
    Endpoint(Vec<IpAddr>, Evidence),
    /// It may be held by an endpoint, or mean what it means everywhere.
    Unsure {
        /// Why it cannot be told.
        why: String,
        /// The addresses of the endpoint; none if not even these are known.
        addresses: Vec<IpAddr>,
    },
}

/// Who answers lookups in a VPC.
pub fn resolver(net: &Net<'_>, vpc: &str) -> Resolver {
    let Some(found) = net.vpc(vpc) else {
        return Resolver::Unknown(format!("{vpc} is not in the documents, so its resolver is not known"));
    };
    let id = found.it.dhcp_options_id.as_str();
    let mut servers: Vec<&str> = Vec::new();
    let mut place = found.it.origin;
    if !id.is_empty() && id != "default" {
        let Some(options) = net.dhcp_options(id) else {
            let why = if net.has(found.scope, AwsList::DhcpOptions) {
                format!("the DHCP options {id} of {vpc} are not in the documents")
            } else {
                net.not_collected(found.scope, AwsList::DhcpOptions)
            };
            return Resolver::Unknown(why);
        };
        place = options.it.origin;
        let named = options.it.dhcp_configurations.iter().filter(|c| c.key == *"domain-name-servers");
        servers = named.flat_map(|c| &c.values).map(|v| v.value.as_str()).collect();
        if servers.is_empty() {
            return Resolver::Unknown(format!("the DHCP options {id} of {vpc} name no resolver"));
        }
    }
    let own = own_resolvers(net, vpc);
    let (amazon, custom): (Vec<&str>, Vec<&str>) = servers.iter().partition(|s| {
        s.eq_ignore_ascii_case("AmazonProvidedDNS") || s.parse().is_ok_and(|ip: IpAddr| own.contains(&ip))
    });
    if !custom.is_empty() {
        let addresses: Option<Vec<IpAddr>> = custom.iter().map(|s| s.parse().ok()).collect();
        let by = net.cite("DhcpOptions", id, None, place, Decided::ByRule);
        let amazon = (!amazon.is_empty()).then(|| attribute(net, vpc, "enableDnsSupport"));
        return match addresses {
            Some(addresses) => Resolver::Custom { addresses, amazon, by },
            None => Resolver::Unknown(format!("the DHCP options {id} name resolvers that are no addresses")),
        };
    }
    match attribute(net, vpc, "enableDnsSupport") {
        Ok(true) => Resolver::Amazon,
        Ok(false) => {
            let place = attribute_place(net, vpc).unwrap_or(found.it.origin);
            let mut cited = net.cite("Vpc", vpc, Some("enableDnsSupport".to_owned()), place, Decided::ByRule);
            cited.detail = Some("is false".to_owned());
            Resolver::Off(cited)
        }
        Err(why) => Resolver::Unknown(why),
    }
}

/// The addresses of the Amazon-provided resolver: the base of the primary block plus two, and the link-local ones.
fn own_resolvers(net: &Net<'_>, vpc: &str) -> Vec<IpAddr> {
    let mut own: Vec<IpAddr> = vec![IpAddr::from([169, 254, 169, 253])];
    own.extend("fd00:ec2::253".parse::<IpAddr>());
    let block: Option<ipnet::Ipv4Net> = net.vpc(vpc).and_then(|v| v.it.cidr_block.parse().ok());
    own.extend(block.map(|b| IpAddr::from(std::net::Ipv4Addr::from(u32::from(b.network()).saturating_add(2)))));
    own
}

fn attribute_place(net: &Net<'_>, vpc: &str) -> Option<crate::model::object::Origin> {
    let mut all = net.scopes.iter().flat_map(|s| &s.vpc_attributes);
    all.find(|a| a.vpc_id == *vpc && a.enable_dns_support.is_some()).map(|a| a.origin)
}

/// A DNS attribute of a VPC.
fn attribute(net: &Net<'_>, vpc: &str, name: &str) -> Result<bool, String> {
    let all = net.scopes.iter().flat_map(|s| &s.vpc_attributes).filter(|a| a.vpc_id == *vpc);
    let mut values = all.filter_map(|a| match name {
        "enableDnsSupport" => a.enable_dns_support.as_ref(),
        _ => a.enable_dns_hostnames.as_ref(),
    });
    match values.next() {
        Some(value) => Ok(value.value),
        None => Err(format!("{name} of {vpc} was not collected (aws ec2 describe-vpc-attribute)")),
    }
}

/// Whether anything was read that says who answers lookups.
pub fn has_resolver_data(net: &Net<'_>) -> bool {
    net.scopes
        .iter()
        .any(|s| s.read.contains_key(&AwsList::DhcpOptions) || s.read.contains_key(&AwsList::VpcAttributes))
}

/// What a name stands for inside a VPC.
pub fn shadow(net: &Net<'_>, vpc: &str, host: &str) -> Shadow {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let attributes = ["enableDnsSupport", "enableDnsHostnames"].map(|name| attribute(net, vpc, name));
    if attributes.contains(&Ok(false)) {
        // Without them private DNS is inert.
        return Shadow::None;
    }
    let is_of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws"].iter().any(|s| host.ends_with(s));
    let scope = net.vpc(vpc).map(|v| v.scope);
    let collected = scope.is_some_and(|scope| net.has(scope, AwsList::VpcEndpoints));
    let holder = net.endpoints_of(vpc).into_iter().find(|e| holds(e, &host));
    let Some(endpoint) = holder else {
        let why = match scope {
            _ if collected || !is_of_aws => return Shadow::None,
            Some(scope) => net.not_collected(scope, AwsList::VpcEndpoints),
            None => format!("{vpc} is not in the documents, nor are its endpoints known"),
        };
        return Shadow::Unsure { why, addresses: Vec::new() };
    };
    let id = &endpoint.it.vpc_endpoint_id;
    let ifaces: Option<Vec<_>> = endpoint.it.network_interface_ids.iter().map(|iface| net.iface(iface)).collect();
    let mut addresses: Vec<IpAddr> =
        ifaces.into_iter().flatten().flat_map(|i| i.addresses.iter().map(|(ip, _)| *ip)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let unread = attributes.into_iter().find_map(Result::err).or_else(|| names::is_forwarded(net, vpc, &host));
    let why = match (unread, resolver(net, vpc)) {
        (Some(why), _) | (None, Resolver::Unknown(why)) => format!("{id} may hold {host}: {why}"),
        (None, Resolver::Off(_)) => return Shadow::None,
        (None, Resolver::Custom { .. }) => format!(
            "{id} holds {host} for the Amazon-provided resolver, and {vpc} uses another one, which may or may not ask it"
        ),
        (None, Resolver::Amazon) if addresses.is_empty() => {
            format!("{id} holds {host}, and its interfaces were not read")
        }
        (None, Resolver::Amazon) => {
            let by = net.cite("VpcEndpoint", id, None, endpoint.it.origin, Decided::ByRule);
            return Shadow::Endpoint(addresses, by);
        }
    };
    Shadow::Unsure { why, addresses }
}

/// Whether an address is one of the Amazon-provided resolver.
pub fn is_amazon(net: &Net<'_>, vpc: &str, ip: IpAddr) -> bool {
    own_resolvers(net, vpc).contains(&ip)
}

/// Whether the Amazon-provided resolver of a VPC answers at an address of it: no group and no ACL keeps anybody from
/// it (security group and network ACL guides).
pub(super) fn amazon_answers(net: &Net<'_>, vpc: &str) -> Result<bool, String> {
    attribute(net, vpc, "enableDnsSupport")
}

/// Addresses at which the platform itself answers: the VPC's resolver, and services of the instance.
pub(super) fn platform(net: &Net<'_>, vpc: &str, family: Family) -> (AddrSet, AddrSet) {
    // Instance metadata, time, task metadata.
    let services = ["169.254.169.254", "169.254.169.123", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::123"];
    let services = services.iter().filter_map(|ip| ip.parse().ok());
    (AddrSet::from_ips(family, own_resolvers(net, vpc)), AddrSet::from_ips(family, services))
}

/// Whether an endpoint holds a name for its VPC.
fn holds(endpoint: &In<'_, VpcEndpoint>, host: &str) -> bool {
    let it = endpoint.it;
    let for_inbound_only =
        it.dns_options.as_ref().is_some_and(|o| o.private_dns_only_for_inbound_resolver_endpoint == Some(true));
    it.vpc_endpoint_type.eq_ignore_ascii_case("Interface")
        && it.state.eq_ignore_ascii_case("available")
        && it.private_dns_enabled == Some(true)
        && !for_inbound_only
        && names(it).iter().any(|name| name_covers(name, host))
}

/// The names of an endpoint. Its list holds the public ones too while private DNS is on; where it does not (saved by
/// something else than AWS), they follow from the service.
fn names(endpoint: &VpcEndpoint) -> Vec<String> {
    let mut listed: Vec<String> = endpoint
        .dns_entries
        .iter()
        .map(|e| e.dns_name.to_ascii_lowercase())
        .filter(|name| !name.is_empty() && !name.contains(".vpce."))
        .collect();
    // `com.amazonaws.us-east-1.ecr.api` is `api.ecr.us-east-1.amazonaws.com`.
    let parts: Vec<&str> = endpoint.service_name.split('.').collect();
    if let ["com", "amazonaws", region, service @ ..] = parts.as_slice()
        && !service.is_empty()
    {
        let name = service.iter().rev().copied().collect::<Vec<_>>().join(".");
        let name = format!("{name}.{region}.amazonaws.com");
        if listed.is_empty() && !matches!(service, ["ecr", "dkr"]) {
            listed.push(name.clone());
        }
        // Registries and buckets stand before the service's own name.
        if matches!(service, ["ecr", "dkr"] | ["s3"]) {
            listed.push(format!("*.{name}"));
        }
    }
    listed
}

pub(super) fn name_covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        // One label or more, as a wildcard of DNS (RFC 4592).
        Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_labels() {
        assert!(name_covers("*.dkr.ecr.eu-west-1.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com"));
        assert!(!name_covers("*.dkr.ecr.eu-west-1.amazonaws.com", "dkr.ecr.eu-west-1.amazonaws.com"));
        assert!(!name_covers("*.example.com", "notexample.com"));
    }

    #[test]
    fn names_follow_from_the_service_where_none_are_listed() {
        let endpoint = |service: &str, listed: &[&str]| VpcEndpoint {
            service_name: service.into(),
            dns_entries: listed.iter().map(|name| crate::model::aws::DnsEntry { dns_name: (*name).into() }).collect(),
            ..VpcEndpoint::default()
        };
        let api = endpoint("com.amazonaws.us-east-2.ecr.api", &["vpce-1.api.ecr.us-east-2.vpce.amazonaws.com"]);
        assert_eq!(names(&api), ["api.ecr.us-east-2.amazonaws.com"]);
        let dkr = endpoint("com.amazonaws.us-east-2.ecr.dkr", &[]);
        assert_eq!(names(&dkr), ["*.dkr.ecr.us-east-2.amazonaws.com"]);
    }
}
