//! Network ACLs and route tables.

use buildreach::model::CoverageState;
use buildreach::model::aws::AwsList;
use serde_json::json;

use super::plan::{acl, block, change, create, no, plan, read, routes, scope, subnets_of, table};

#[test]
fn acls_have_their_rules_and_subnets() {
    let entry = |number: u16, action: &str, protocol: &str| json!({"rule_no": number, "action": action, "protocol": protocol, "cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "", "from_port": 0, "to_port": 65535});
    let rule = |number: u16, acl: &str| json!({"network_acl_id": acl, "rule_number": number, "egress": false, "protocol": "6", "rule_action": "allow", "cidr_block": "0.0.0.0/0", "from_port": 1024, "to_port": 65535});
    let described = json!({"NetworkAcls": [
        {"NetworkAclId": "acl-d", "VpcId": "vpc-1", "IsDefault": true, "Associations": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}], "Entries": [{"RuleNumber": 100, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}]},
        {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-3"}], "Entries": [{"RuleNumber": 90, "RuleAction": "deny", "Protocol": "6", "CidrBlock": "0.0.0.0/0"}, {"RuleNumber": 95, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}]},
    ]});
    let snapshot = read(
        &plan(
            vec![
                create(
                    "aws_network_acl.new",
                    json!({"vpc_id": "vpc-1", "egress": [entry(100, "ALLOW", "tcp")], "ingress": [entry(110, "deny", "-1")], "subnet_ids": ["subnet-1"]}),
                    json!({"id": true}),
                ),
                create("aws_subnet.new", json!({"vpc_id": "vpc-1", "cidr_block": "10.0.9.0/24"}), json!({"id": true})),
                create("aws_network_acl_rule.return", rule(100, "acl-1"), json!({"id": true})),
                change(
                    "aws_network_acl_rule.gone",
                    &["delete"],
                    json!({"network_acl_id": "acl-1", "rule_number": 90, "egress": false}),
                    no(),
                    no(),
                ),
                create(
                    "aws_network_acl_association.a",
                    json!({"network_acl_id": "acl-1", "subnet_id": "subnet-2"}),
                    json!({"id": true}),
                ),
            ],
            vec![block("aws_network_acl.new", json!({}))],
        ),
        &[("us-east-1/acl.json", described)],
    );
    let scope = scope(&snapshot);
    let of = |id: &str| {
        let acl = acl(scope, id);
        let entries: Vec<_> = acl
            .entries
            .iter()
            .map(|e| format!("{} {} {} {}", e.rule_number, e.egress, e.rule_action, e.protocol))
            .collect();
        let subnets: Vec<_> = acl.associations.iter().map(|a| a.subnet_id.as_str()).collect();
        (entries, subnets)
    };
    assert_eq!(
        of("aws_network_acl.new"),
        (vec!["100 true allow 6".to_owned(), "110 false deny -1".to_owned()], vec!["subnet-1"])
    );
    assert_eq!(
        of("acl-1"),
        (vec!["95 false allow -1".to_owned(), "100 false allow 6".to_owned()], vec!["subnet-3", "subnet-2"])
    );
    assert_eq!(of("acl-d").1, ["aws_subnet.new"], "AWS gives it to a new subnet");
    let changed = acl(scope, "acl-1");
    assert_eq!(snapshot.source(changed.origin.source), "plan.json");
    assert_eq!(changed.entries[0].line, 0, "it was read elsewhere");
    assert!(changed.entries[1].line > 0);
    assert_eq!(acl(scope, "aws_network_acl.new").entries[1].port_range, None);
    assert!(scope.has(AwsList::NetworkAcls));

    let unknown = read(
        &plan(
            vec![create(
                "aws_network_acl_rule.later",
                json!({"network_acl_id": "acl-1", "rule_number": 1}),
                json!({"cidr_block": true}),
            )],
            vec![block("aws_network_acl_rule.later", json!({"cidr_block": ["local.x"]}))],
        ),
        &[("us-east-1/acl.json", json!({"NetworkAcls": [{"NetworkAclId": "acl-1"}, {"NetworkAclId": "acl-2"}]}))],
    );
    let left: Vec<_> = unknown.aws[0].network_acls.iter().map(|a| a.network_acl_id.as_str()).collect();
    assert_eq!(left, ["acl-2"]);
    assert!(!unknown.aws[0].has(AwsList::NetworkAcls));
}

#[test]
fn tables_have_their_routes_and_subnets() {
    let described = json!({"RouteTables": [
        {"RouteTableId": "rtb-m", "VpcId": "vpc-1", "Associations": [{"Main": true}], "Routes": [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}]},
        {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1"}], "Routes": [
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"},
            {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"},
            {"DestinationCidrBlock": "10.9.0.0/16", "GatewayId": "vgw-1", "Origin": "EnableVgwRoutePropagation", "State": "active"},
            {"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"}]},
    ]});
    let vpcs = json!({"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16"}]}]});
    let inline = json!([{"cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "", "gateway_id": null, "nat_gateway_id": ""}]);
    let before = json!({"id": "rtb-1", "vpc_id": "vpc-1", "route": [{"cidr_block": "0.0.0.0/0", "nat_gateway_id": "nat-1"}], "propagating_vgws": ["vgw-1"]});
    let after = json!({"id": "rtb-1", "vpc_id": "vpc-1", "route": [{"cidr_block": "0.0.0.0/0", "transit_gateway_id": "tgw-1"}], "propagating_vgws": ["vgw-1"]});
    let snapshot = read(
        &plan(
            vec![
                create("aws_internet_gateway.i", json!({"vpc_id": "vpc-1"}), json!({"id": true})),
                create(
                    "aws_route_table.public",
                    json!({"vpc_id": "vpc-1", "route": inline}),
                    json!({"id": true, "route": [{"gateway_id": true}], "propagating_vgws": true}),
                ),
                change("aws_route_table.old", &["update"], before, after, json!({})),
                create("aws_subnet.p[0]", json!({"vpc_id": "vpc-1"}), json!({"id": true})),
                create("aws_subnet.p[1]", json!({"vpc_id": "vpc-1"}), json!({"id": true})),
                create("aws_subnet.q", json!({"vpc_id": "vpc-1"}), json!({"id": true})),
                create(
                    "aws_route_table_association.p[0]",
                    json!({}),
                    json!({"subnet_id": true, "route_table_id": true}),
                ),
                create(
                    "aws_route_table_association.p[1]",
                    json!({}),
                    json!({"subnet_id": true, "route_table_id": true}),
                ),
                create(
                    "aws_route.six",
                    json!({"route_table_id": "rtb-m", "destination_ipv6_cidr_block": "::/0", "egress_only_gateway_id": "eigw-1"}),
                    json!({"id": true, "gateway_id": true, "network_interface_id": true, "instance_id": true, "state": true}),
                ),
                create(
                    "aws_vpc_endpoint.s3",
                    json!({"vpc_id": "vpc-1", "service_name": "com.amazonaws.us-east-1.s3", "vpc_endpoint_type": "Gateway", "route_table_ids": ["rtb-m"]}),
                    json!({"id": true, "prefix_list_id": true}),
                ),
            ],
            vec![
                block(
                    "aws_route_table.public",
                    json!({"route": ["aws_internet_gateway.i.id", "aws_internet_gateway.i"]}),
                ),
                block(
                    "aws_route_table_association.p",
                    json!({"subnet_id": ["aws_subnet.p", "count.index"], "route_table_id": ["aws_route_table.public.id", "aws_route_table.public"]}),
                ),
                block("aws_route.six", json!({"route_table_id": "rtb-m", "egress_only_gateway_id": "eigw-1"})),
                block("aws_vpc_endpoint.s3", json!({})),
            ],
        ),
        &[
            ("us-east-1/rtb.json", described),
            ("us-east-1/vpc.json", vpcs),
            (
                "us-east-1/pl.json",
                json!({"PrefixLists": [{"PrefixListId": "pl-s3", "PrefixListName": "com.amazonaws.us-east-1.s3"}]}),
            ),
        ],
    );
    let scope = scope(&snapshot);
    let public = table(scope, "aws_route_table.public");
    assert_eq!(routes(public), ["0.0.0.0/0 igw-aws_internet_gateway.i", "10.0.0.0/16 local"]);
    assert_eq!(subnets_of(public), ["aws_subnet.p[0]", "aws_subnet.p[1]"]);
    assert_eq!(
        routes(table(scope, "rtb-1")),
        ["0.0.0.0/0 tgw-1", "10.0.0.0/16 local", "10.9.0.0/16 vgw-1", "pl-s3 vpce-1"],
        "what is not written in the table stays"
    );
    assert_eq!(subnets_of(table(scope, "rtb-1")), ["subnet-1"]);
    let main = table(scope, "rtb-m");
    assert_eq!(routes(main), ["10.0.0.0/16 local", "::/0 eigw-1", "pl-s3 vpce-aws_vpc_endpoint.s3"]);
    assert_eq!(subnets_of(main), ["aws_subnet.q"], "AWS gives it to a new subnet");
    assert_eq!(scope.internet_gateways[0].attachments[0].vpc_id, "vpc-1");
    assert!(scope.has(AwsList::RouteTables));
}

#[test]
fn a_target_that_is_known_only_later_is_nothing_that_is_there() {
    let described = json!({"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}]}]});
    let nats = json!({"NatGateways": [{"NatGatewayId": "nat-1", "State": "available"}]});
    let snapshot = read(
        &plan(
            vec![
                create("aws_nat_gateway.a", json!({}), json!({"id": true})),
                create("aws_nat_gateway.b", json!({}), json!({"id": true})),
                create(
                    "aws_route.r",
                    json!({"route_table_id": "rtb-1", "destination_cidr_block": "0.0.0.0/0"}),
                    json!({"nat_gateway_id": true}),
                ),
                create(
                    "aws_route.s",
                    json!({"destination_cidr_block": "0.0.0.0/0", "gateway_id": "igw-1"}),
                    json!({"route_table_id": true}),
                ),
            ],
            vec![
                block("aws_route.r", json!({"nat_gateway_id": ["local.nat"]})),
                block("aws_route.s", json!({"route_table_id": ["local.table"]})),
            ],
        ),
        &[("us-east-1/rtb.json", described), ("us-east-1/nat.json", nats)],
    );
    let scope = scope(&snapshot);
    assert_eq!(routes(table(scope, "rtb-1")), ["0.0.0.0/0 aws_route.r.nat_gateway_id"]);
    assert!(matches!(&scope.read[&AwsList::NatGateways], CoverageState::Failed(why) if why.contains("aws_route.r")));
    assert_eq!(snapshot.cloud_documents[0].key, "aws_route.s");
}
