//! From the SDK's types to facts: routes, gateways, endpoints, peerings.

use aws_sdk_ec2::types as sdk;

use super::convert::{all, inner, text, texts};
use crate::model::aws::{
    BlockPublicAccessExclusion, BlockPublicAccessOptions, DnsEntry, DnsOptions, GroupIdentifier, InternetGateway,
    NatGateway, NatGatewayAddress, PeeringBlock, PeeringStatus, PeeringVpc, Route, RouteTable, RouteTableAssociation,
    TransitGatewayVpcAttachment, VpcAttachment, VpcEndpoint, VpcPeeringConnection, VpnGateway,
};
use crate::model::object::Origin;

pub(super) fn route_table(it: &sdk::RouteTable) -> RouteTable {
    RouteTable {
        route_table_id: text(it.route_table_id()),
        vpc_id: text(it.vpc_id()),
        associations: all(it.associations(), |a| RouteTableAssociation {
            main: a.main().unwrap_or_default(),
            subnet_id: text(a.subnet_id()),
            gateway_id: text(a.gateway_id()),
            association_state: a
                .association_state()
                .map(|s| inner(s.state().map(sdk::RouteTableAssociationStateCode::as_str))),
        }),
        routes: all(it.routes(), route),
        origin: Origin::default(),
    }
}

fn route(it: &sdk::Route) -> Route {
    Route {
        destination_cidr_block: text(it.destination_cidr_block()),
        destination_ipv6_cidr_block: text(it.destination_ipv6_cidr_block()),
        destination_prefix_list_id: text(it.destination_prefix_list_id()),
        gateway_id: text(it.gateway_id()),
        nat_gateway_id: text(it.nat_gateway_id()),
        egress_only_internet_gateway_id: text(it.egress_only_internet_gateway_id()),
        transit_gateway_id: text(it.transit_gateway_id()),
        vpc_peering_connection_id: text(it.vpc_peering_connection_id()),
        network_interface_id: text(it.network_interface_id()),
        instance_id: text(it.instance_id()),
        local_gateway_id: text(it.local_gateway_id()),
        carrier_gateway_id: text(it.carrier_gateway_id()),
        core_network_arn: text(it.core_network_arn()),
        odb_network_arn: text(it.odb_network_arn()),
        ip_address: text(it.ip_address()),
        origin_of: text(it.origin().map(sdk::RouteOrigin::as_str)),
        state: text(it.state().map(sdk::RouteState::as_str)),
        line: 0,
    }
}

fn gateway_attachment(it: &sdk::InternetGatewayAttachment) -> VpcAttachment {
    VpcAttachment { vpc_id: text(it.vpc_id()), state: text(it.state().map(sdk::AttachmentStatus::as_str)) }
}

pub(super) fn internet_gateway(it: &sdk::InternetGateway) -> InternetGateway {
    InternetGateway {
        internet_gateway_id: text(it.internet_gateway_id()),
        attachments: all(it.attachments(), gateway_attachment),
        ..InternetGateway::default()
    }
}

pub(super) fn egress_only_internet_gateway(it: &sdk::EgressOnlyInternetGateway) -> InternetGateway {
    InternetGateway {
        egress_only_internet_gateway_id: text(it.egress_only_internet_gateway_id()),
        attachments: all(it.attachments(), gateway_attachment),
        ..InternetGateway::default()
    }
}

pub(super) fn nat_gateway(it: &sdk::NatGateway) -> NatGateway {
    NatGateway {
        nat_gateway_id: text(it.nat_gateway_id()),
        vpc_id: text(it.vpc_id()),
        subnet_id: text(it.subnet_id()),
        state: text(it.state().map(sdk::NatGatewayState::as_str)),
        connectivity_type: text(it.connectivity_type().map(sdk::ConnectivityType::as_str)),
        availability_mode: text(it.availability_mode().map(sdk::AvailabilityMode::as_str)),
        route_table_id: text(it.route_table_id()),
        nat_gateway_addresses: all(it.nat_gateway_addresses(), |a| NatGatewayAddress {
            public_ip: text(a.public_ip()),
            private_ip: text(a.private_ip()),
            network_interface_id: text(a.network_interface_id()),
            availability_zone: text(a.availability_zone()),
            status: text(a.status().map(sdk::NatGatewayAddressStatus::as_str)),
        }),
        origin: Origin::default(),
    }
}

pub(super) fn vpc_endpoint(it: &sdk::VpcEndpoint) -> VpcEndpoint {
    VpcEndpoint {
        vpc_endpoint_id: text(it.vpc_endpoint_id()),
        vpc_endpoint_type: text(it.vpc_endpoint_type().map(sdk::VpcEndpointType::as_str)),
        vpc_id: text(it.vpc_id()),
        service_name: text(it.service_name()),
        state: text(it.state().map(sdk::State::as_str)),
        policy_document: text(it.policy_document()),
        route_table_ids: texts(it.route_table_ids()),
        subnet_ids: texts(it.subnet_ids()),
        groups: all(it.groups(), |g| GroupIdentifier {
            group_id: text(g.group_id()),
            group_name: text(g.group_name()),
        }),
        private_dns_enabled: it.private_dns_enabled(),
        network_interface_ids: texts(it.network_interface_ids()),
        dns_entries: all(it.dns_entries(), |e| DnsEntry { dns_name: text(e.dns_name()) }),
        dns_options: it.dns_options().map(|o| DnsOptions {
            private_dns_only_for_inbound_resolver_endpoint: o.private_dns_only_for_inbound_resolver_endpoint(),
        }),
        origin: Origin::default(),
    }
}

pub(super) fn peering_connection(it: &sdk::VpcPeeringConnection) -> VpcPeeringConnection {
    let code = |s: &sdk::VpcPeeringConnectionStateReason| PeeringStatus {
        code: text(s.code().map(sdk::VpcPeeringConnectionStateReasonCode::as_str)),
    };
    VpcPeeringConnection {
        vpc_peering_connection_id: text(it.vpc_peering_connection_id()),
        status: it.status().map(code),
        accepter_vpc_info: it.accepter_vpc_info().map(peering_vpc),
        requester_vpc_info: it.requester_vpc_info().map(peering_vpc),
        origin: Origin::default(),
    }
}

fn peering_vpc(it: &sdk::VpcPeeringConnectionVpcInfo) -> PeeringVpc {
    PeeringVpc {
        vpc_id: text(it.vpc_id()),
        cidr_block: text(it.cidr_block()),
        cidr_block_set: all(it.cidr_block_set(), |b| PeeringBlock {
            cidr_block: text(b.cidr_block()),
            ..PeeringBlock::default()
        }),
        ipv6_cidr_block_set: all(it.ipv6_cidr_block_set(), |b| PeeringBlock {
            ipv6_cidr_block: text(b.ipv6_cidr_block()),
            ..PeeringBlock::default()
        }),
    }
}

pub(super) fn transit_attachment(it: &sdk::TransitGatewayVpcAttachment) -> TransitGatewayVpcAttachment {
    TransitGatewayVpcAttachment {
        transit_gateway_attachment_id: text(it.transit_gateway_attachment_id()),
        transit_gateway_id: text(it.transit_gateway_id()),
        vpc_id: text(it.vpc_id()),
        state: text(it.state().map(sdk::TransitGatewayAttachmentState::as_str)),
        subnet_ids: texts(it.subnet_ids()),
        origin: Origin::default(),
    }
}

pub(super) fn vpn_gateway(it: &sdk::VpnGateway) -> VpnGateway {
    VpnGateway {
        vpn_gateway_id: text(it.vpn_gateway_id()),
        state: text(it.state().map(sdk::VpnState::as_str)),
        vpc_attachments: all(it.vpc_attachments(), |a| VpcAttachment {
            vpc_id: text(a.vpc_id()),
            state: text(a.state().map(sdk::AttachmentStatus::as_str)),
        }),
        origin: Origin::default(),
    }
}

pub(super) fn public_access_options(it: &sdk::VpcBlockPublicAccessOptions) -> BlockPublicAccessOptions {
    BlockPublicAccessOptions {
        internet_gateway_block_mode: text(it.internet_gateway_block_mode().map(sdk::InternetGatewayBlockMode::as_str)),
        state: text(it.state().map(sdk::VpcBlockPublicAccessState::as_str)),
        origin: Origin::default(),
    }
}

pub(super) fn public_access_exclusion(it: &sdk::VpcBlockPublicAccessExclusion) -> BlockPublicAccessExclusion {
    let mode = it.internet_gateway_exclusion_mode().map(sdk::InternetGatewayExclusionMode::as_str);
    BlockPublicAccessExclusion {
        exclusion_id: text(it.exclusion_id()),
        resource_arn: text(it.resource_arn()),
        internet_gateway_exclusion_mode: text(mode),
        state: text(it.state().map(sdk::VpcBlockPublicAccessExclusionState::as_str)),
        origin: Origin::default(),
    }
}
