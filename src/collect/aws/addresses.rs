//! Which addresses interfaces hold: what a network plugin took since they were read is inside a VPC and on none of them.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::aws::{AwsScope, NetworkInterface};

/// The addresses of all interfaces that were read, and the blocks of their VPCs.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    held: HashSet<IpAddr>,
    /// Blocks that are delegated to an interface.
    delegated: Vec<IpNet>,
    vpcs: Vec<IpNet>,
}

impl Addresses {
    pub(crate) fn of(scopes: &[AwsScope]) -> Self {
        let mut all = Self::default();
        for scope in scopes {
            scope.network_interfaces.iter().for_each(|interface| all.hold(interface));
            for instance in &scope.instances {
                instance.network_interfaces.iter().for_each(|interface| all.hold(interface));
            }
            for vpc in &scope.vpcs {
                let more = vpc.cidr_block_association_set.iter().chain(&vpc.ipv6_cidr_block_association_set);
                let texts = more.flat_map(|block| [&block.cidr_block, &block.ipv6_cidr_block]);
                all.vpcs.extend(texts.chain([&vpc.cidr_block]).filter_map(|text| text.parse::<IpNet>().ok()));
            }
        }
        all
    }

    fn hold(&mut self, interface: &NetworkInterface) {
        let v4 = interface.private_ip_addresses.iter().map(|address| &address.private_ip_address);
        let v6 = interface.ipv6_addresses.iter().map(|address| &address.ipv6_address);
        let texts = v4.chain(v6).chain([&interface.private_ip_address]);
        self.held.extend(texts.filter_map(|text| text.parse::<IpAddr>().ok()));
        let v4 = interface.ipv4_prefixes.iter().map(|prefix| &prefix.ipv4_prefix);
        let v6 = interface.ipv6_prefixes.iter().map(|prefix| &prefix.ipv6_prefix);
        self.delegated.extend(v4.chain(v6).filter_map(|text| text.parse::<IpNet>().ok()));
    }

    /// Whether an address is inside a VPC, and no interface there holds it.
    pub(crate) fn lack(&self, ip: IpAddr) -> bool {
        let is_in = |blocks: &[IpNet]| blocks.iter().any(|block| block.contains(&ip));
        !self.held.contains(&ip) && is_in(&self.vpcs) && !is_in(&self.delegated)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_inside_a_vpc_and_on_no_interface_is_missing() {
        let interfaces = json!([{
            "NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.0.0.10",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.11"}], "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.0/28"}],
            "Ipv6Addresses": [{"Ipv6Address": "2001:db8::1"}], "Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:0:0:1::/80"}],
        }]);
        let vpcs = json!([{
            "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "CidrBlockAssociationSet": [{"CidrBlock": "100.64.0.0/16"}],
            "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8::/56"}],
        }]);
        let scope = AwsScope {
            network_interfaces: serde_json::from_value(interfaces).unwrap(),
            vpcs: serde_json::from_value(vpcs).unwrap(),
            ..AwsScope::default()
        };
        let addresses = Addresses::of(&[scope]);
        let lacks = |ip: &str| addresses.lack(ip.parse().unwrap());
        for known in ["10.0.0.10", "10.0.0.11", "10.0.1.9", "2001:db8::1", "2001:db8::1:0:0:5", "192.168.0.1"] {
            assert!(!lacks(known), "{known}");
        }
        for missing in ["10.0.0.12", "10.0.1.16", "100.64.3.3", "2001:db8::2"] {
            assert!(lacks(missing), "{missing}");
        }
    }
}
