//! Plans of Terraform change what was read of AWS, and say no more than they know.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, missing_docs)]

#[path = "terraform/network.rs"]
mod network;
#[path = "terraform/plan.rs"]
mod plan;

use buildreach::collect::files::{self, Options};
use buildreach::model::aws::AwsList;
use buildreach::model::{CoverageState, ProblemClass};
use serde_json::{Value, json};

use plan::{block, change, create, egress, group, no, plan, read, rules, scope};

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
