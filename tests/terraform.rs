//! Plans of Terraform change what was read of AWS, and say no more than they know.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, missing_docs)]

use buildreach::collect::files::{self, Options};
use buildreach::model::aws::{AwsList, AwsScope, IpPermission, NetworkAcl, RouteTable, SecurityGroup};
use buildreach::model::{CoverageState, ProblemClass, Snapshot};
use serde_json::{Value, json};

/// A resource that a plan makes.
fn create(address: &str, after: Value, unknown: Value) -> Value {
    change(address, &["create"], Value::Null, after, unknown)
}

/// One change of a plan; module and index are told by the address.
fn change(address: &str, actions: &[&str], before: Value, after: Value, unknown: Value) -> Value {
    let (module, local) = match address.rfind(".aws_") {
        Some(at) => (Some(&address[..at]), &address[at + 1..]),
        None => (None, address),
    };
    let (name, index) = match local.split_once('[') {
        Some((name, index)) => (name, Some(serde_json::from_str::<Value>(index.strip_suffix(']').unwrap()).unwrap())),
        None => (local, None),
    };
    let (kind, name) = name.split_once('.').unwrap();
    let mut change = json!({
        "address": address, "mode": "managed", "type": kind, "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": unknown},
    });
    if let Some(module) = module {
        change["module_address"] = module.into();
    }
    if let Some(index) = index {
        change["index"] = index;
    }
    change
}

/// A block of the configuration: each expression is a list of references.
fn block(address: &str, expressions: Value) -> Value {
    let (kind, name) = address.split_once('.').unwrap();
    let expressions: serde_json::Map<String, Value> = expressions
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| {
            let expression = match value {
                Value::Array(references) => json!({"references": references}),
                constant => json!({"constant_value": constant}),
            };
            (key.clone(), expression)
        })
        .collect();
    json!({"address": address, "mode": "managed", "type": kind, "name": name, "provider_config_key": "aws", "expressions": expressions})
}

fn plan(changes: Vec<Value>, blocks: Vec<Value>) -> Value {
    json!({
        "format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {"root_module": {}},
        "resource_changes": changes,
        "configuration": {
            "provider_config": {"aws": {"name": "aws", "expressions": {"region": {"constant_value": "us-east-1"}}}},
            "root_module": {"resources": blocks},
        },
    })
}

fn read(plan: &Value, beside: &[(&str, Value)]) -> Snapshot {
    let mut files: Vec<(String, String)> = beside.iter().map(|(name, v)| ((*name).to_owned(), v.to_string())).collect();
    files.push(("plan.json".to_owned(), format!("{plan:#}")));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files::from_texts(&files, &Options::default())
}

fn scope(snapshot: &Snapshot) -> &AwsScope {
    assert_eq!(snapshot.aws.len(), 1, "{:?}", snapshot.aws.iter().map(AwsScope::name).collect::<Vec<_>>());
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    &snapshot.aws[0]
}

fn group<'s>(scope: &'s AwsScope, id: &str) -> &'s SecurityGroup {
    scope.security_groups.iter().find(|group| group.group_id == *id).unwrap_or_else(|| panic!("no {id}: {scope:#?}"))
}

fn table<'s>(scope: &'s AwsScope, id: &str) -> &'s RouteTable {
    scope.route_tables.iter().find(|table| table.route_table_id == *id).unwrap_or_else(|| panic!("no {id}: {scope:#?}"))
}

fn acl<'s>(scope: &'s AwsScope, id: &str) -> &'s NetworkAcl {
    scope.network_acls.iter().find(|acl| acl.network_acl_id == *id).unwrap_or_else(|| panic!("no {id}: {scope:#?}"))
}

/// Rules as `protocol ports peer`.
fn rules(permissions: Option<&Vec<IpPermission>>) -> Option<Vec<String>> {
    let mut rules = Vec::new();
    for p in permissions? {
        let ports = p.from_port.zip(p.to_port).map_or("all".to_owned(), |(from, to)| format!("{from}-{to}"));
        let v4 = p.ip_ranges.iter().map(|r| r.cidr_ip.to_string());
        let v6 = p.ipv6_ranges.iter().map(|r| r.cidr_ipv6.to_string());
        let lists = p.prefix_list_ids.iter().map(|l| l.prefix_list_id.to_string());
        let groups = p.user_id_group_pairs.iter().map(|g| g.group_id.to_string());
        let peers = v4.chain(v6).chain(lists).chain(groups);
        rules.extend(peers.map(|peer| format!("{} {ports} {peer}", p.ip_protocol)));
    }
    Some(rules)
}

fn egress(scope: &AwsScope, id: &str) -> Option<Vec<String>> {
    rules(group(scope, id).ip_permissions_egress.as_ref())
}

/// Routes as `destination target`.
fn routes(table: &RouteTable) -> Vec<String> {
    let of = |r: &buildreach::model::aws::Route| {
        let to = [&r.destination_cidr_block, &r.destination_ipv6_cidr_block, &r.destination_prefix_list_id];
        let targets = [
            &r.gateway_id,
            &r.nat_gateway_id,
            &r.egress_only_internet_gateway_id,
            &r.transit_gateway_id,
            &r.vpc_peering_connection_id,
            &r.network_interface_id,
        ];
        let text = |all: &[&buildreach::model::Str]| all.iter().map(|t| t.as_str()).collect::<String>();
        format!("{} {}", text(&to), text(&targets))
    };
    let mut routes: Vec<_> = table.routes.iter().map(of).collect();
    routes.sort();
    routes
}

fn subnets_of(table: &RouteTable) -> Vec<&str> {
    table.associations.iter().filter(|a| !a.main).map(|a| a.subnet_id.as_str()).collect()
}

const fn no() -> Value {
    Value::Null
}

#[test]
fn a_new_group_has_no_rule_that_is_not_written() {
    let computed = json!({"id": true, "egress": true, "ingress": true});
    let inline = json!([
        {"cidr_blocks": ["0.0.0.0/0", "10.0.0.0/8"], "ipv6_cidr_blocks": ["::/0"], "prefix_list_ids": ["pl-1"], "security_groups": ["sg-9", "123456789012/sg-8"], "self": true, "from_port": 443, "to_port": 443, "protocol": "tcp"},
        {"cidr_blocks": ["10.0.0.0/8"], "ipv6_cidr_blocks": [], "prefix_list_ids": [], "security_groups": [], "self": false, "from_port": 0, "to_port": 0, "protocol": "-1"},
    ]);
    let snapshot = read(
        &plan(
            vec![
                create("aws_security_group.bare", json!({"name": "bare"}), computed),
                create("aws_security_group.none", json!({"egress": []}), json!({"id": true, "ingress": true})),
                create("aws_security_group.inline", json!({"egress": inline}), json!({"id": true, "ingress": true})),
                create("aws_security_group.later", json!({}), json!({"id": true, "egress": true, "ingress": true})),
            ],
            vec![
                block("aws_security_group.bare", json!({})),
                block("aws_security_group.none", json!({"egress": {"a": 1}})),
                block("aws_security_group.later", json!({"egress": ["local.rules"]})),
            ],
        ),
        &[],
    );
    let scope = scope(&snapshot);
    assert_eq!(egress(scope, "aws_security_group.bare"), Some(vec![]), "the provider revokes the default");
    assert_eq!(egress(scope, "aws_security_group.none"), Some(vec![]));
    assert_eq!(
        egress(scope, "aws_security_group.inline").unwrap(),
        [
            "tcp 443-443 0.0.0.0/0",
            "tcp 443-443 10.0.0.0/8",
            "tcp 443-443 ::/0",
            "tcp 443-443 pl-1",
            "tcp 443-443 sg-9",
            "tcp 443-443 sg-8",
            "tcp 443-443 aws_security_group.inline",
            "-1 all 10.0.0.0/8",
        ]
    );
    assert_eq!(egress(scope, "aws_security_group.later"), None, "written, and not known");
    assert!(scope.read.is_empty(), "a plan shows only what Terraform manages: {:?}", scope.read);
    let bare = group(scope, "aws_security_group.bare");
    assert_eq!(snapshot.source(bare.origin.source), "plan.json");
    assert!(bare.origin.line > 1);
    assert_eq!((scope.account.as_str(), scope.region.as_str()), ("", "us-east-1"));
}

#[test]
fn rules_of_their_own_are_added_changed_and_taken_away() {
    let rule = |cidr: &str, port: u16| json!({"id": format!("sgr-{port}"), "security_group_rule_id": format!("sgr-{port}"), "security_group_id": "sg-1", "ip_protocol": "tcp", "from_port": port, "to_port": port, "cidr_ipv4": cidr});
    let old = json!({"id": "sgrule-1", "type": "egress", "security_group_id": "sg-1", "protocol": "udp", "from_port": 53, "to_port": 53, "cidr_blocks": ["10.0.0.0/8", "172.16.0.0/12"]});
    let described = json!({"SecurityGroups": [
        {"GroupId": "sg-1", "GroupName": "build", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": [
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.168.0.0/16"}]},
            {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "172.16.0.0/12"}]},
        ]},
        {"GroupId": "sg-2", "IpPermissionsEgress": []},
    ]});
    let listed = json!({"SecurityGroupRules": [
        {"SecurityGroupRuleId": "sgr-80", "GroupId": "sg-1", "IsEgress": true, "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": "0.0.0.0/0"},
        {"SecurityGroupRuleId": "sgr-x", "GroupId": "sg-1", "IsEgress": true, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "192.168.0.0/16"},
    ]});
    let of_new = json!({"security_group_id": "sg-2", "ip_protocol": "-1", "referenced_security_group_id": "sg-1"});
    let snapshot = read(
        &plan(
            vec![
                change("aws_vpc_security_group_egress_rule.http", &["delete"], rule("0.0.0.0/0", 80), no(), no()),
                change(
                    "aws_vpc_security_group_egress_rule.https",
                    &["update"],
                    rule("10.0.0.0/8", 443),
                    rule("0.0.0.0/0", 443),
                    json!({}),
                ),
                change("aws_security_group_rule.dns", &["delete"], old, no(), no()),
                create(
                    "aws_vpc_security_group_ingress_rule.all",
                    of_new,
                    json!({"id": true, "security_group_rule_id": true}),
                ),
            ],
            vec![],
        ),
        &[("us-east-1/sg.json", described), ("us-east-1/sgr.json", listed)],
    );
    let scope = scope(&snapshot);
    assert_eq!(egress(scope, "sg-1").unwrap(), ["tcp 443-443 192.168.0.0/16", "tcp 443-443 0.0.0.0/0"]);
    assert_eq!(group(scope, "sg-1").group_name, "build", "what the plan does not speak of stays");
    assert_eq!(snapshot.source(group(scope, "sg-1").origin.source), "plan.json");
    assert_eq!(egress(scope, "sg-2"), Some(vec![]));
    let ids: Vec<_> = scope.security_group_rules.iter().map(|r| r.security_group_rule_id.as_str()).collect();
    assert_eq!(ids, ["aws_vpc_security_group_ingress_rule.all", "sgr-443", "sgr-x"]);
    assert!(scope.has(AwsList::SecurityGroups) && scope.has(AwsList::SecurityGroupRules));
    assert!(!scope.has(AwsList::Vpcs));
}

#[test]
fn a_rule_that_is_known_only_later_makes_its_direction_unknown() {
    let described = json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [], "IpPermissionsEgress": []}]});
    let listed = json!({"SecurityGroupRules": []});
    let rule = json!({"security_group_id": "sg-1", "ip_protocol": "tcp", "from_port": 443, "to_port": 443});
    let elsewhere = json!({"ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "0.0.0.0/0"});
    let snapshot = read(
        &plan(
            vec![
                create("aws_vpc_security_group_egress_rule.later", rule, json!({"cidr_ipv4": true})),
                create("aws_vpc_security_group_egress_rule.where", elsewhere, json!({"security_group_id": true})),
            ],
            vec![
                block("aws_vpc_security_group_egress_rule.later", json!({"cidr_ipv4": ["local.cidr"]})),
                block("aws_vpc_security_group_egress_rule.where", json!({"security_group_id": ["local.group"]})),
            ],
        ),
        &[("us-east-1/sg.json", described), ("us-east-1/sgr.json", listed)],
    );
    let scope = scope(&snapshot);
    assert_eq!(egress(scope, "sg-1"), None);
    assert_eq!(rules(group(scope, "sg-1").ip_permissions.as_ref()), Some(vec![]));
    assert!(matches!(scope.read[&AwsList::SecurityGroupRules], CoverageState::Failed(_)), "the list is of before");
    let unclear: Vec<_> = snapshot.cloud_documents.iter().map(|d| d.key.as_str()).collect();
    assert_eq!(unclear, ["aws_vpc_security_group_egress_rule.where"], "it may change any group");
}

#[test]
fn references_are_followed_through_modules_counts_and_keys() {
    let computed = || json!({"id": true, "vpc_id": true});
    let subnet = |address: &str| create(address, json!({"cidr_block": "10.0.0.0/24"}), computed());
    let mut document = plan(
        vec![
            create("module.net.aws_vpc.this[0]", json!({"cidr_block": "10.0.0.0/16"}), json!({"id": true})),
            subnet("module.net.aws_subnet.a[0]"),
            subnet("module.net.aws_subnet.a[1]"),
            subnet("module.net.aws_subnet.b[\"x\"]"),
            subnet("module.net.aws_subnet.b[\"y.z\"]"),
            create(
                "module.app[\"k\"].aws_network_interface.i",
                json!({"private_ip": "10.0.0.8"}),
                json!({"id": true, "subnet_id": true, "security_groups": true}),
            ),
            create("module.app[\"k\"].aws_security_group.g", json!({"egress": [], "ingress": []}), computed()),
            create(
                "aws_network_interface.n[0]",
                json!({"security_groups": ["sg-1"], "private_ip": "10.0.0.9"}),
                json!({"id": true, "subnet_id": true}),
            ),
            create(
                "aws_network_interface.n[1]",
                json!({"security_groups": ["sg-1"], "private_ip": "10.0.0.9"}),
                json!({"id": true, "subnet_id": true}),
            ),
            create(
                "aws_network_interface.m[\"y.z\"]",
                json!({"security_groups": ["sg-1"], "private_ip": "10.0.0.9"}),
                json!({"id": true, "subnet_id": true}),
            ),
            create(
                "aws_network_interface.either",
                json!({"security_groups": ["sg-1"], "private_ip": "10.0.0.9"}),
                json!({"id": true, "subnet_id": true}),
            ),
        ],
        vec![
            block("aws_network_interface.n", json!({"subnet_id": ["module.net.a_ids", "module.net", "count.index"]})),
            block("aws_network_interface.m", json!({"subnet_id": ["each.value"]})),
            block(
                "aws_network_interface.either",
                json!({"subnet_id": ["var.first", "module.net.a_ids[0]", "module.net.a_ids", "module.net", "module.net.b_ids[\"x\"]", "module.net.b_ids", "module.net"]}),
            ),
        ],
    );
    let root = &mut document["configuration"]["root_module"];
    root["resources"][1]["for_each_expression"] = json!({"references": ["module.net.b_ids", "module.net"]});
    root["module_calls"] = json!({
        "net": {"module": {
            "outputs": {
                "a_ids": {"expression": {"references": ["aws_subnet.a"]}},
                "b_ids": {"expression": {"references": ["aws_subnet.b"]}},
                "vpc_id": {"expression": {"references": ["aws_vpc.this[0].id", "aws_vpc.this[0]", "aws_vpc.this"]}},
            },
            "resources": [
                block("aws_vpc.this", json!({})),
                block("aws_subnet.a", json!({"vpc_id": ["local.vpc_id"]})),
                block("aws_subnet.b", json!({"vpc_id": ["aws_vpc.this[0].id", "aws_vpc.this[0]", "aws_vpc.this"]})),
            ],
        }},
        "app": {
            "expressions": {"subnet": {"references": ["module.net.a_ids[1]", "module.net.a_ids", "module.net"]}, "vpc": {"references": ["module.net.vpc_id", "module.net"]}},
            "for_each_expression": {"references": ["local.apps"]},
            "module": {"resources": [
                block("aws_network_interface.i", json!({"subnet_id": ["var.subnet"], "security_groups": ["aws_security_group.g.id", "aws_security_group.g"]})),
                block("aws_security_group.g", json!({"vpc_id": ["var.vpc"]})),
            ]},
        },
    });
    let snapshot = read(&document, &[]);
    let scope = scope(&snapshot);
    let vpc = "module.net.aws_vpc.this[0]";
    assert!(scope.subnets.iter().all(|s| s.vpc_id == *vpc), "the only VPC that is made: {:#?}", scope.subnets);
    assert_eq!(group(scope, "module.app[\"k\"].aws_security_group.g").vpc_id, vpc);
    let of = |id: &str| {
        let found = scope.network_interfaces.iter().find(|i| i.network_interface_id == *id).unwrap();
        (found.subnet_id.as_str(), found.groups.iter().map(|g| g.group_id.as_str()).collect::<Vec<_>>())
    };
    assert_eq!(of("aws_network_interface.n[0]").0, "module.net.aws_subnet.a[0]");
    assert_eq!(of("aws_network_interface.n[1]").0, "module.net.aws_subnet.a[1]");
    assert_eq!(of("aws_network_interface.m[\"y.z\"]").0, "module.net.aws_subnet.b[\"y.z\"]");
    assert_eq!(
        of("module.app[\"k\"].aws_network_interface.i"),
        ("module.net.aws_subnet.a[1]", vec!["module.app[\"k\"].aws_security_group.g"])
    );
    assert_eq!(of("aws_network_interface.either").0, "aws_network_interface.either.subnet_id", "one of two is neither");
}

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

#[test]
fn an_interface_without_an_address_yet_is_left_out() {
    let described = json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.0.0.4"}]});
    let interface = |after: Value| create("aws_network_interface.i", after, json!({"id": true, "private_ip": true}));
    let new = interface(json!({"subnet_id": "subnet-1", "security_groups": ["sg-1"]}));
    let snapshot = read(&plan(vec![new], vec![]), &[("us-east-1/eni.json", described)]);
    let scope = scope(&snapshot);
    assert_eq!(scope.network_interfaces.len(), 1);
    assert!(!scope.has(AwsList::NetworkInterfaces), "it may have any address");
}

#[test]
fn what_is_deleted_is_gone() {
    let described = [
        ("us-east-1/a.json", json!({"NatGateways": [{"NatGatewayId": "nat-1", "State": "available"}]})),
        (
            "us-east-1/b.json",
            json!({"RouteTables": [{"RouteTableId": "rtb-1", "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}]}]}),
        ),
        (
            "us-east-1/c.json",
            json!({"SecurityGroups": [{"GroupId": "sg-1"}, {"GroupId": "sg-2", "IpPermissionsEgress": []}]}),
        ),
    ];
    let snapshot = read(
        &plan(
            vec![
                change("aws_nat_gateway.n", &["delete"], json!({"id": "nat-1"}), no(), no()),
                change("aws_security_group.a", &["delete"], json!({"id": "sg-1"}), no(), no()),
                change(
                    "aws_security_group.b",
                    &["delete", "create"],
                    json!({"id": "sg-2"}),
                    json!({"egress": []}),
                    json!({"id": true, "ingress": true}),
                ),
            ],
            vec![block("aws_security_group.b", json!({}))],
        ),
        &described,
    );
    let scope = scope(&snapshot);
    assert!(scope.nat_gateways.is_empty());
    assert_eq!(scope.route_tables[0].routes[0].state, "blackhole");
    assert_eq!(scope.security_groups.iter().map(|g| g.group_id.as_str()).collect::<Vec<_>>(), ["aws_security_group.b"]);
    assert!(scope.has(AwsList::SecurityGroups));
}

#[test]
fn resources_go_where_they_are() {
    let described = |id: &str| json!({"Vpcs": [{"VpcId": id}]});
    let vpc = |address: &str, arn: &str| {
        create(address, json!({"cidr_block": "10.0.0.0/16", "arn": arn}), json!({"id": true}))
    };
    let snapshot = read(
        &plan(
            vec![
                vpc("aws_vpc.default_region", ""),
                create(
                    "aws_vpc.told",
                    json!({"cidr_block": "10.1.0.0/16", "region": "eu-west-1"}),
                    json!({"id": true}),
                ),
                change(
                    "aws_vpc.known",
                    &["update"],
                    json!({"id": "vpc-b"}),
                    json!({"id": "vpc-b", "arn": "arn:aws:ec2:us-west-2:222222222222:vpc/vpc-b", "enable_dns_support": false}),
                    json!({}),
                ),
            ],
            vec![block("aws_vpc.default_region", json!({}))],
        ),
        &[
            ("aws/111111111111/us-east-1/v.json", described("vpc-a")),
            ("aws/222222222222/us-east-1/v.json", described("vpc-x")),
            ("aws/222222222222/us-west-2/v.json", described("vpc-b")),
        ],
    );
    let vpcs: Vec<_> = snapshot
        .aws
        .iter()
        .map(|s| (s.name(), s.vpcs.iter().map(|v| v.vpc_id.to_string()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        vpcs,
        [
            ("111111111111/us-east-1".to_owned(), vec!["vpc-a".to_owned()]),
            ("222222222222/eu-west-1".to_owned(), vec!["aws_vpc.told".to_owned()]),
            ("222222222222/us-east-1".to_owned(), vec!["aws_vpc.default_region".to_owned(), "vpc-x".to_owned()]),
            ("222222222222/us-west-2".to_owned(), vec!["vpc-b".to_owned()]),
        ]
    );
    assert_eq!(snapshot.aws[3].vpc_attributes[0].enable_dns_support.as_ref().map(|v| v.value), Some(false));
}

#[test]
fn a_plan_that_cannot_be_read_makes_the_cloud_unknown() {
    for text in [
        r#"{"format_version": "2.0", "terraform_version": "9", "resource_changes": []}"#,
        r#"{"format_version": "1.2", "terraform_version": "1", "resource_changes": [{"type": "aws_vpc"}]}"#,
    ] {
        let snapshot = files::from_texts(&[("plan.json", text)], &Options::default());
        assert_eq!(snapshot.problems[0].class, ProblemClass::Malformed, "{text}");
        assert_eq!(snapshot.cloud_documents.len(), 1);
        assert!(snapshot.coverage.iter().any(|c| c.source == "file plan.json" && c.state.is_incomplete()));
    }
    let other = r#"{"format_version": "1.2", "terraform_version": "1", "resource_changes": [{"type": "google_compute_network", "x": 1}]}"#;
    let snapshot = files::from_texts(&[("plan.json", other)], &Options::default());
    assert!(snapshot.problems.is_empty() && snapshot.aws.is_empty(), "{:?}", snapshot.problems);
}

#[test]
fn references_in_circles_end() {
    let mut document = plan(
        vec![
            create("aws_default_network_acl.a", json!({}), json!({"id": true, "default_network_acl_id": true})),
            create("module.m.aws_subnet.s", json!({}), json!({"id": true, "vpc_id": true})),
            create("module.m.aws_subnet.t[\"k\"]", json!({}), json!({"id": true, "vpc_id": true})),
        ],
        vec![block("aws_default_network_acl.a", json!({"default_network_acl_id": ["aws_default_network_acl.a.id"]}))],
    );
    let many: Vec<String> = (0..20).map(|i| format!("module.m.o[{i}]")).collect();
    document["configuration"]["root_module"]["module_calls"] = json!({"m": {
        "expressions": {"v": {"references": many}},
        "for_each_expression": {"references": ["each.value"]},
        "module": {
            "outputs": {"o": {"expression": {"references": ["var.v", "var.v[1]", "var.v[2]"]}}},
            "resources": [
                block("aws_subnet.s", json!({"vpc_id": ["var.v"]})),
                {"mode": "managed", "type": "aws_subnet", "name": "t", "expressions": {"vpc_id": {"references": ["each.value"]}}, "for_each_expression": {"references": ["each.value"]}},
            ],
        },
    }});
    let snapshot = read(&document, &[]);
    assert_eq!(scope(&snapshot).subnets.len(), 2);
    assert_eq!(scope(&snapshot).network_acls[0].network_acl_id, "aws_default_network_acl.a");
}

#[test]
fn verdicts_follow_from_plans() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["test", "tests/fixtures/terraform"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("3 suites: 11 passed, 0 failed, 0 unsupported"), "{text}");
}

#[test]
fn what_plans_gave_comes_back_from_a_saved_snapshot() {
    use buildreach::collect::snapshot_io;
    for folder in ["new", "change"] {
        let folder = format!("{}/tests/fixtures/terraform/{folder}", env!("CARGO_MANIFEST_DIR"));
        let snapshot = files::collect(&[folder], &Options::default()).unwrap();
        assert!(!snapshot.aws.is_empty());
        let saved = snapshot_io::aws_files(&snapshot);
        assert_eq!(snapshot_io::aws_from_files(&saved).unwrap(), snapshot.aws);
    }
}
