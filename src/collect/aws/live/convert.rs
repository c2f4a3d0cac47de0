//! From the SDK's types to facts: VPCs, subnets, interfaces and names.
//!
//! Enumerations go over as the text of the wire. The SDK knows some of them by other spellings than the service sends
//! (`available`, `nat_gateway`), and keeps what it does not know as it came; its variants are never compared.

use aws_sdk_ec2::types as sdk;

use crate::model::Str;
use crate::model::aws::{
    Attachment, BlockPublicAccessStates, BoolValue, CidrBlockAssociation, DhcpConfiguration, DhcpOptions,
    GroupIdentifier, InnerState, Instance, InstanceState, Ipv4Prefix, Ipv6Address, Ipv6Prefix, NetworkInterface,
    PrivateAddress, PublicAddress, Subnet, Tag, TextValue, Vpc, VpcAttribute,
};
use crate::model::object::Origin;

/// A text; empty where it is absent.
pub(super) fn text(text: Option<&str>) -> Str {
    text.map(Str::from).unwrap_or_default()
}

pub(super) fn texts(texts: &[String]) -> Vec<Str> {
    texts.iter().map(|text| Str::from(text.as_str())).collect()
}

pub(super) fn all<S, T>(list: &[S], convert: impl Fn(&S) -> T) -> Vec<T> {
    list.iter().map(convert).collect()
}

pub(super) fn inner(state: Option<&str>) -> InnerState {
    InnerState { state: text(state) }
}

pub(super) fn tag(it: &sdk::Tag) -> Tag {
    Tag { key: text(it.key()), value: text(it.value()) }
}

pub(super) fn group(it: &sdk::GroupIdentifier) -> GroupIdentifier {
    GroupIdentifier { group_id: text(it.group_id()), group_name: text(it.group_name()) }
}

fn public_access(it: &sdk::BlockPublicAccessStates) -> BlockPublicAccessStates {
    let mode = it.internet_gateway_block_mode().map(sdk::BlockPublicAccessMode::as_str);
    BlockPublicAccessStates { internet_gateway_block_mode: text(mode) }
}

pub(super) fn vpc(it: &sdk::Vpc) -> Vpc {
    let state = |s: &sdk::VpcCidrBlockState| inner(s.state().map(sdk::VpcCidrBlockStateCode::as_str));
    Vpc {
        vpc_id: text(it.vpc_id()),
        owner_id: text(it.owner_id()),
        cidr_block: text(it.cidr_block()),
        cidr_block_association_set: all(it.cidr_block_association_set(), |b| CidrBlockAssociation {
            cidr_block: text(b.cidr_block()),
            cidr_block_state: b.cidr_block_state().map(state),
            ..CidrBlockAssociation::default()
        }),
        ipv6_cidr_block_association_set: all(it.ipv6_cidr_block_association_set(), |b| CidrBlockAssociation {
            ipv6_cidr_block: text(b.ipv6_cidr_block()),
            ipv6_cidr_block_state: b.ipv6_cidr_block_state().map(state),
            ..CidrBlockAssociation::default()
        }),
        dhcp_options_id: text(it.dhcp_options_id()),
        block_public_access_states: it.block_public_access_states().map(public_access),
        tags: all(it.tags(), tag),
        origin: Origin::default(),
    }
}

/// The one attribute of a VPC that was asked for.
pub(super) fn vpc_attribute(
    vpc: &str,
    name: &sdk::VpcAttributeName,
    value: Option<&sdk::AttributeBooleanValue>,
) -> VpcAttribute {
    let value = value.and_then(sdk::AttributeBooleanValue::value).map(|value| BoolValue { value });
    let mut attribute = VpcAttribute { vpc_id: vpc.into(), ..VpcAttribute::default() };
    match name {
        sdk::VpcAttributeName::EnableDnsSupport => attribute.enable_dns_support = value,
        _ => attribute.enable_dns_hostnames = value,
    }
    attribute
}

pub(super) fn subnet(it: &sdk::Subnet) -> Subnet {
    let state = |s: &sdk::SubnetCidrBlockState| inner(s.state().map(sdk::SubnetCidrBlockStateCode::as_str));
    Subnet {
        subnet_id: text(it.subnet_id()),
        vpc_id: text(it.vpc_id()),
        availability_zone: text(it.availability_zone()),
        cidr_block: text(it.cidr_block()),
        ipv6_cidr_block_association_set: all(it.ipv6_cidr_block_association_set(), |b| CidrBlockAssociation {
            ipv6_cidr_block: text(b.ipv6_cidr_block()),
            ipv6_cidr_block_state: b.ipv6_cidr_block_state().map(state),
            ..CidrBlockAssociation::default()
        }),
        enable_dns64: it.enable_dns64(),
        block_public_access_states: it.block_public_access_states().map(public_access),
        tags: all(it.tags(), tag),
        origin: Origin::default(),
    }
}

pub(super) fn network_interface(it: &sdk::NetworkInterface) -> NetworkInterface {
    let public = |a: &sdk::NetworkInterfaceAssociation| PublicAddress { public_ip: text(a.public_ip()) };
    NetworkInterface {
        network_interface_id: text(it.network_interface_id()),
        vpc_id: text(it.vpc_id()),
        subnet_id: text(it.subnet_id()),
        availability_zone: text(it.availability_zone()),
        interface_type: text(it.interface_type().map(sdk::NetworkInterfaceType::as_str)),
        description: text(it.description()),
        status: text(it.status().map(sdk::NetworkInterfaceStatus::as_str)),
        private_ip_address: text(it.private_ip_address()),
        private_ip_addresses: all(it.private_ip_addresses(), |a| PrivateAddress {
            private_ip_address: text(a.private_ip_address()),
            primary: a.primary().unwrap_or_default(),
            association: a.association().map(public),
        }),
        ipv4_prefixes: all(it.ipv4_prefixes(), |p| Ipv4Prefix { ipv4_prefix: text(p.ipv4_prefix()) }),
        ipv6_addresses: all(it.ipv6_addresses(), |a| Ipv6Address { ipv6_address: text(a.ipv6_address()) }),
        ipv6_prefixes: all(it.ipv6_prefixes(), |p| Ipv6Prefix { ipv6_prefix: text(p.ipv6_prefix()) }),
        association: it.association().map(public),
        groups: all(it.groups(), group),
        source_dest_check: it.source_dest_check(),
        deny_all_igw_traffic: it.deny_all_igw_traffic(),
        attachment: it.attachment().map(|a| Attachment {
            instance_id: text(a.instance_id()),
            device_index: a.device_index(),
            network_card_index: a.network_card_index(),
            status: text(a.status().map(sdk::AttachmentStatus::as_str)),
        }),
        tag_set: all(it.tag_set(), tag),
        origin: Origin::default(),
    }
}

pub(super) fn instance(it: &sdk::Instance) -> Instance {
    Instance {
        instance_id: text(it.instance_id()),
        state: it.state().map(|s| InstanceState { name: text(s.name().map(sdk::InstanceStateName::as_str)) }),
        vpc_id: text(it.vpc_id()),
        subnet_id: text(it.subnet_id()),
        private_ip_address: text(it.private_ip_address()),
        private_dns_name: text(it.private_dns_name()),
        network_interfaces: all(it.network_interfaces(), interface_of_instance),
        security_groups: all(it.security_groups(), group),
        source_dest_check: it.source_dest_check(),
        tags: all(it.tags(), tag),
        origin: Origin::default(),
    }
}

/// An interface as an instance lists it: `Attachment` has no instance there, and there is no zone.
fn interface_of_instance(it: &sdk::InstanceNetworkInterface) -> NetworkInterface {
    let public = |a: &sdk::InstanceNetworkInterfaceAssociation| PublicAddress { public_ip: text(a.public_ip()) };
    NetworkInterface {
        network_interface_id: text(it.network_interface_id()),
        vpc_id: text(it.vpc_id()),
        subnet_id: text(it.subnet_id()),
        interface_type: text(it.interface_type()),
        description: text(it.description()),
        status: text(it.status().map(sdk::NetworkInterfaceStatus::as_str)),
        private_ip_address: text(it.private_ip_address()),
        private_ip_addresses: all(it.private_ip_addresses(), |a| PrivateAddress {
            private_ip_address: text(a.private_ip_address()),
            primary: a.primary().unwrap_or_default(),
            association: a.association().map(public),
        }),
        ipv4_prefixes: all(it.ipv4_prefixes(), |p| Ipv4Prefix { ipv4_prefix: text(p.ipv4_prefix()) }),
        ipv6_addresses: all(it.ipv6_addresses(), |a| Ipv6Address { ipv6_address: text(a.ipv6_address()) }),
        ipv6_prefixes: all(it.ipv6_prefixes(), |p| Ipv6Prefix { ipv6_prefix: text(p.ipv6_prefix()) }),
        association: it.association().map(public),
        groups: all(it.groups(), group),
        source_dest_check: it.source_dest_check(),
        attachment: it.attachment().map(|a| Attachment {
            device_index: a.device_index(),
            network_card_index: a.network_card_index(),
            status: text(a.status().map(sdk::AttachmentStatus::as_str)),
            ..Attachment::default()
        }),
        ..NetworkInterface::default()
    }
}

pub(super) fn dhcp_options(it: &sdk::DhcpOptions) -> DhcpOptions {
    DhcpOptions {
        dhcp_options_id: text(it.dhcp_options_id()),
        dhcp_configurations: all(it.dhcp_configurations(), |c| DhcpConfiguration {
            key: text(c.key()),
            values: all(c.values(), |v| TextValue { value: text(v.value()) }),
        }),
        origin: Origin::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::convert_edge;
    use super::*;

    /// The service sends other spellings than its model has: they have to arrive as they were sent.
    #[test]
    fn enumerations_keep_the_text_of_the_wire() {
        let endpoint = sdk::VpcEndpoint::builder().state(sdk::State::from("available")).build();
        assert_eq!(convert_edge::vpc_endpoint(&endpoint).state, *"available");
        let attachment = sdk::InternetGatewayAttachment::builder().state("available".into()).build();
        let gateway = sdk::InternetGateway::builder().attachments(attachment).build();
        assert_eq!(convert_edge::internet_gateway(&gateway).attachments[0].state, *"available");
        let interface = sdk::NetworkInterface::builder().interface_type("nat_gateway".into()).build();
        assert_eq!(network_interface(&interface).interface_type, *"nat_gateway");
        let of_instance = sdk::InstanceNetworkInterface::builder().interface_type("branch").build();
        assert_eq!(interface_of_instance(&of_instance).interface_type, *"branch");
        assert_eq!(vpc(&sdk::Vpc::builder().dhcp_options_id("default").build()).dhcp_options_id, *"default");
    }

    #[test]
    fn an_attribute_is_the_one_that_was_asked_for() {
        let value = sdk::AttributeBooleanValue::builder().value(false).build();
        let support = vpc_attribute("vpc-1", &sdk::VpcAttributeName::EnableDnsSupport, Some(&value));
        assert_eq!(
            (support.enable_dns_support, support.enable_dns_hostnames),
            (Some(BoolValue { value: false }), None)
        );
        let names = vpc_attribute("vpc-1", &sdk::VpcAttributeName::EnableDnsHostnames, Some(&value));
        assert_eq!((names.enable_dns_support, names.enable_dns_hostnames), (None, Some(BoolValue { value: false })));
        let absent = vpc_attribute("vpc-1", &sdk::VpcAttributeName::EnableDnsSupport, None);
        assert_eq!(absent.enable_dns_support, None);
    }
}
