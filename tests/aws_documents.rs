//! Documents of AWS become facts: by their keys, with their lines, and with what could not be read of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use buildreach::collect::files::{self, Options};
use buildreach::model::aws::{AwsList, AwsScope};
use buildreach::model::{CoverageState, ProblemClass, Snapshot};
use serde_json::Value;

fn read(files: &[(&str, &str)]) -> Snapshot {
    files::from_texts(files, &Options::default())
}

/// The only scope of a snapshot.
fn scope(snapshot: &Snapshot) -> &AwsScope {
    assert_eq!(snapshot.aws.len(), 1, "{:#?}", snapshot.aws);
    &snapshot.aws[0]
}

/// Class, kind, name, file and line of each problem.
fn problems(snapshot: &Snapshot) -> Vec<String> {
    let text = |text: &Option<buildreach::model::Str>| text.as_deref().unwrap_or("-").to_owned();
    let all = snapshot.problems.iter();
    all.map(|p| format!("{:?} {} {} {}", p.class, text(&p.kind), text(&p.name), snapshot.place(p))).collect()
}

fn failed(scope: &AwsScope, list: AwsList) -> &str {
    match scope.read.get(&list) {
        Some(CoverageState::Failed(why)) => why,
        other => panic!("{list:?} is {other:?}"),
    }
}

#[test]
fn documents_are_told_by_their_keys_and_placed_by_their_folders() {
    let snapshot = read(&[
        ("aws/123456789012/us-east-1/a.json", r#"{"Vpcs": [{"VpcId": "vpc-2"}, {"VpcId": "vpc-1"}]}"#),
        ("aws/123456789012/us-east-1/b.json", r#"{"SecurityGroups": []}"#),
        ("aws/eu-west-1/c.yaml", "Subnets:\n- SubnetId: subnet-1\n  VpcId: vpc-3\n"),
        ("d.json", r#"{"RouteTables": [{"RouteTableId": "rtb-1"}]}"#),
    ]);
    let places: Vec<_> = snapshot.aws.iter().map(|s| (s.account.as_str(), s.region.as_str())).collect();
    assert_eq!(places, [("", ""), ("", "eu-west-1"), ("123456789012", "us-east-1")]);
    let names: Vec<_> = snapshot.aws.iter().map(AwsScope::name).collect();
    assert_eq!(names, ["aws", "eu-west-1", "123456789012/us-east-1"]);
    let last = &snapshot.aws[2];
    assert_eq!(last.vpcs.iter().map(|v| v.vpc_id.as_str()).collect::<Vec<_>>(), ["vpc-1", "vpc-2"]);
    assert!(last.has(AwsList::Vpcs) && last.has(AwsList::SecurityGroups) && !last.has(AwsList::Subnets));
    let coverage: Vec<_> = snapshot
        .coverage
        .iter()
        .filter(|c| c.source.starts_with("aws"))
        .map(|c| format!("{} {} {:?}", c.source, c.kind, c.state))
        .collect();
    assert_eq!(
        coverage,
        [
            "aws RouteTables Read",
            "aws 123456789012/us-east-1 SecurityGroups Read",
            "aws 123456789012/us-east-1 Vpcs Read",
            "aws eu-west-1 Subnets Read",
        ]
    );
    assert!(snapshot.cloud_documents.is_empty() && snapshot.problems.is_empty());
    assert!(read(&[("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")]).aws.is_empty());
}

#[test]
fn objects_and_their_parts_know_their_lines() {
    let acls = "{\n\"NetworkAcls\": [\n{\"NetworkAclId\": \"acl-1\",\n\"Entries\": [\n{\"RuleNumber\": 100},\n{\"RuleNumber\": 200}]},\n\n{\"NetworkAclId\": \"acl-0\", \"Entries\": [\n{\"RuleNumber\": 5}]}]}";
    let tables = "RouteTables:\n- RouteTableId: rtb-1\n  Routes:\n  - GatewayId: local\n  - GatewayId: igw-1\n    Origin: CreateRoute\n";
    let snapshot = read(&[("acl.json", acls), ("rtb.yaml", tables)]);
    let scope = scope(&snapshot);
    let place =
        |origin: buildreach::model::object::Origin| format!("{}:{}", snapshot.source(origin.source), origin.line);
    let acls: Vec<_> = scope
        .network_acls
        .iter()
        .map(|a| (a.network_acl_id.as_str(), place(a.origin), a.entries.iter().map(|e| e.line).collect::<Vec<_>>()))
        .collect();
    assert_eq!(acls, [("acl-0", "acl.json:8".to_owned(), vec![9]), ("acl-1", "acl.json:3".to_owned(), vec![5, 6])]);
    let table = &scope.route_tables[0];
    assert_eq!(place(table.origin), "rtb.yaml:2");
    assert_eq!(table.routes.iter().map(|r| r.line).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(table.routes[1].origin_of, "CreateRoute");
}

#[test]
fn one_document_may_hold_several_lists() {
    let text = r#"{"collector_version": "1", "provider": "aws", "security_groups": [{"GroupId": "GroupId:1", "IpPermissions": [{"FromPort": null, "IpProtocol": "-1", "Ipv6Ranges": null}]}],
        "network_acls": [], "vpcs": null, "instances": [{"InstanceId": "i:1", "NetworkInterfaces": null}], "subnets": [{"SubnetId": "s"}]}"#;
    let snapshot = read(&[("eu-north-1/x.json", text)]);
    let found = scope(&snapshot);
    let lists: Vec<_> = found.read.keys().copied().collect();
    assert_eq!(
        lists,
        [AwsList::Subnets, AwsList::Instances, AwsList::SecurityGroups, AwsList::NetworkAcls],
        "null is no list that was read"
    );
    assert_eq!(found.instances[0].instance_id, "i:1");
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);

    // The same keys in a document of something else.
    let other = read(&[("values.yaml", "subnets: [a, b]\nvpcs: [x]\nsecurity_groups: []\n")]);
    assert!(other.aws.is_empty());
    assert_eq!(problems(&other), ["NotAnObject - - values.yaml:1"]);
    // Nobody says who collected it, but it is plain what it holds.
    let plain = read(&[("x.json", r#"{"security_groups": [{"GroupId": "g"}], "vpcs": []}"#)]);
    assert_eq!(scope(&plain).security_groups.len(), 1);
}

#[test]
fn documents_with_a_shape_of_their_own() {
    let snapshot = read(&[
        (
            "i.json",
            r#"{"Reservations": [{"Instances": [{"InstanceId": "i-2"}]}, {"Instances": [{"InstanceId": "i-1"}, {"InstanceId": "i-3"}]}, {"Instances": null}]}"#,
        ),
        ("entries.pl-0a.json", r#"{"Entries": [{"Cidr": "10.0.0.0/8", "Description": "x"}]}"#),
        ("e-pl-0b-2.json", r#"{"Entries": []}"#),
        ("e.json", r#"{"Entries": [{"Cidr": "10.0.0.0/8"}]}"#),
        ("old.json", r#"{"PrefixLists": [{"PrefixListId": "pl-63a5400a", "Cidrs": ["52.216.0.0/15"]}]}"#),
        ("a1.json", r#"{"VpcId": "vpc-1", "EnableDnsSupport": {"Value": true}}"#),
        ("a2.json", r#"{"VpcId": "vpc-1", "EnableDnsHostnames": {"Value": false}}"#),
        (
            "bpa.json",
            r#"{"VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": "off", "State": "default-state"}}"#,
        ),
        ("other.json", r#"{"Entries": [{"name": "a"}]}"#),
    ]);
    let scope = scope(&snapshot);
    assert_eq!(scope.instances.iter().map(|i| i.instance_id.as_str()).collect::<Vec<_>>(), ["i-1", "i-2", "i-3"]);
    let entries: Vec<_> =
        scope.prefix_list_entries.iter().map(|e| (e.prefix_list_id.as_str(), e.entries.len())).collect();
    assert_eq!(entries, [("pl-0a", 1), ("pl-0b", 0)]);
    assert_eq!(scope.prefix_lists[0].cidrs.as_ref().unwrap()[0], "52.216.0.0/15");
    assert_eq!(scope.vpc_attributes.len(), 2);
    assert_eq!(scope.vpc_attributes[0].enable_dns_hostnames.as_ref().map(|v| v.value), Some(false));
    assert_eq!(scope.vpc_attributes[1].enable_dns_support.as_ref().map(|v| v.value), Some(true));
    assert_eq!(scope.block_public_access_options[0].internet_gateway_block_mode, "off");
    assert!(scope.read.values().all(|state| *state == CoverageState::Read));
    assert_eq!(problems(&snapshot), ["Unreadable Entries - e.json:1", "NotAnObject - - other.json:1"]);
}

#[test]
fn a_bad_element_leaves_the_others() {
    let text = "{\"SecurityGroups\": [\n{\"GroupId\": \"sg-1\"},\n{\"GroupId\": \"sg-2\",\n \"IpPermissionsEgress\": [\n {\"FromPort\": \"x\"}]},\n{\"GroupName\": \"nameless\"},\n7,\n{\"GroupId\": \"sg-3\"}]}";
    let snapshot = read(&[
        ("sg.json", text),
        ("s.json", r#"{"Subnets": "none"}"#),
        ("i.json", r#"{"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}, {"Instances": 1}]}"#),
        ("entries.pl-1.json", r#"{"Entries": [{"Cidr": "10.0.0.0/8"}, {"Cidr": 1}]}"#),
        ("vpcs.json", r#"{"Vpcs": []}"#),
    ]);
    let scope = scope(&snapshot);
    assert_eq!(scope.security_groups.iter().map(|g| g.group_id.as_str()).collect::<Vec<_>>(), ["sg-1", "sg-3"]);
    assert_eq!(scope.instances.len(), 1);
    assert!(scope.prefix_list_entries.is_empty(), "part of the entries would be taken for all");
    assert!(failed(scope, AwsList::SecurityGroups).starts_with("sg-2: IpPermissionsEgress[0].FromPort: "));
    for list in [AwsList::Subnets, AwsList::Instances, AwsList::PrefixListEntries] {
        failed(scope, list);
    }
    assert!(scope.has(AwsList::Vpcs));
    assert_eq!(
        problems(&snapshot),
        [
            "Unreadable SecurityGroups sg-2 sg.json:5",
            "Unreadable SecurityGroups - sg.json:6",
            "Unreadable SecurityGroups - sg.json:7",
            "Unreadable Subnets - s.json:1",
            "Unreadable Reservations - i.json:1",
            "Unreadable Entries - entries.pl-1.json:1",
        ]
    );
    let reported = snapshot.coverage.iter().filter(|c| c.source == "aws" && c.state.is_incomplete()).count();
    assert_eq!(reported, 4);
}

#[test]
fn what_breaks_off_was_not_read() {
    for text in [
        "{\"SecurityGroups\": [{\"GroupId\": \"sg-2\"}, {",
        "{\"SecurityGroups\": [{\"GroupId\": \"sg-2\"}, {\"GroupId\": \"a\" 1}]}",
        "{\n  \"SecurityGroups\": [",
    ] {
        let snapshot = read(&[("1.json", r#"{"SecurityGroups": [{"GroupId": "sg-1"}]}"#), ("2.json", text)]);
        let scope = scope(&snapshot);
        failed(scope, AwsList::SecurityGroups);
        assert_eq!(snapshot.problems[0].class, ProblemClass::Malformed, "{text}");
        assert_eq!(scope.security_groups.len(), 1, "{text}");
    }
}

#[test]
fn pages_are_one_list() {
    let first = r#"{"Subnets": [{"SubnetId": "a"}], "NextToken": "t"}"#;
    let last = r#"{"Subnets": [{"SubnetId": "b"}], "NextToken": ""}"#;
    let snapshot = read(&[("1.json", first), ("2.json", last)]);
    assert!(scope(&snapshot).has(AwsList::Subnets));
    assert_eq!(scope(&snapshot).subnets.len(), 2);
    let snapshot = read(&[("1.json", first)]);
    assert!(failed(scope(&snapshot), AwsList::Subnets).contains("NextToken"));
    assert_eq!(scope(&snapshot).subnets.len(), 1);
}

#[test]
fn of_one_id_the_last_counts() {
    let snapshot = read(&[
        ("1.json", r#"{"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "a"}, {"GroupId": "sg-2"}]}"#),
        ("2.json", r#"{"SecurityGroups": [{"GroupId": "sg-2"}, {"GroupId": "sg-1", "GroupName": "b"}]}"#),
        ("eu-west-1/3.json", r#"{"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "c"}]}"#),
    ]);
    let groups: Vec<_> =
        snapshot.aws[0].security_groups.iter().map(|g| (g.group_id.as_str(), g.group_name.as_str())).collect();
    assert_eq!(groups, [("sg-1", "b"), ("sg-2", "")]);
    assert_eq!(snapshot.source(snapshot.aws[0].security_groups[1].origin.source), "1.json", "the same twice is once");
    assert_eq!(problems(&snapshot), ["Duplicate SecurityGroups sg-1 2.json:1"]);
}

#[test]
fn what_no_verdict_depends_on_is_counted() {
    let snapshot = read(&[
        ("1.json", r#"{"LoadBalancers": [{}]}"#),
        ("2.json", r#"{"Addresses": []}"#),
        ("3.json", r#"{"Addresses": []}"#),
        ("4.json", r#"{"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "State": "active"}"#),
        ("5.json", r#"{"FirewallDomainLists": [{"Id": "x"}]}"#),
        ("6.json", r#"{"Domains": ["a.example"]}"#),
        ("7.json", r#"{"Domains": [{"DomainName": "a.example"}]}"#),
    ]);
    let counted: Vec<_> = snapshot.ignored_kinds.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    assert_eq!(counted, [("Addresses", 2), ("FirewallDomainLists", 1), ("LoadBalancers", 1), ("Route", 1)]);
    assert!(snapshot.aws.is_empty() && snapshot.cloud_documents.is_empty());
    let unknown: Vec<_> = snapshot.problems.iter().map(|p| snapshot.source(p.source)).collect();
    assert_eq!(unknown, ["7.json"], "it is none of AWS that is known");
}

#[test]
fn domains_are_those_of_the_list_that_the_file_is_named_after() {
    let rules = r#"{"FirewallRules": [{"FirewallRuleGroupId": "rslvr-frg-1", "FirewallDomainListId": "rslvr-fdl-1", "Priority": 1, "Action": "BLOCK"}]}"#;
    let domains = r#"{"Domains": ["*.a.example."]}"#;
    let snapshot = read(&[("rules.json", rules), ("domains.rslvr-fdl-1.json", domains), ("domains.json", domains)]);
    let scope = &snapshot.aws[0];
    assert_eq!(scope.firewall_domains.len(), 1);
    assert_eq!(scope.firewall_domains[0].firewall_domain_list_id, *"rslvr-fdl-1");
    assert_eq!(scope.firewall_rules[0].priority, 1);
    assert_eq!(problems(&snapshot), ["Unreadable Domains - domains.json:1"]);
}

#[test]
fn standard_input_has_no_folder() {
    let text = "{\"SecurityGroups\": [\n{\"GroupId\": \"sg-1\"}]}";
    let snapshot = files::collect_from(&["-".to_owned()], text.as_bytes(), &Options::default()).unwrap();
    let group = &scope(&snapshot).security_groups[0];
    assert_eq!((snapshot.source(group.origin.source), group.origin.line), ("stdin", 2));
}

#[test]
fn groups_that_were_picked_out_of_their_list_are_groups() {
    let group = r#"{"GroupId": "sg-1", "IpPermissionsEgress": []}"#;
    let list = format!("[\n{group},\n{{\"GroupId\": \"sg-2\", \"IpPermissions\": []}}]");
    for (text, n) in [(group, 1), (list.as_str(), 2)] {
        let snapshot = read(&[("sg.json", text)]);
        let found = scope(&snapshot);
        assert_eq!(found.security_groups.len(), n);
        assert_eq!(found.security_groups[n - 1].origin.line, if n == 1 { 1 } else { 3 });
        assert!(found.read.is_empty(), "what else there is, nobody says");
    }
    assert!(read(&[("x.json", r#"[{"GroupId": "sg-1"}]"#)]).aws.is_empty());
}

/// `BUILDREACH_CORPUS`, or what lies beside the checkout.
fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("BUILDREACH_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let found = named.or_else(|| beside.is_dir().then_some(beside)).map(|corpus| corpus.join("aws"));
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "in CI the corpus must be there: set BUILDREACH_CORPUS");
        println!("skipped: no corpus; BUILDREACH_CORPUS names none");
    }
    found
}

/// How many objects of each list the documents of a folder hold, counted without the collector.
fn count(folder: &Path, counts: &mut BTreeMap<String, usize>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count(&path, counts);
        } else if path.extension().is_some_and(|e| e == "json") {
            let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for (key, value) in document.as_object().unwrap() {
                let n = match key.as_str() {
                    "Reservations" => {
                        let reservations = value.as_array().unwrap().iter();
                        reservations.map(|r| r["Instances"].as_array().unwrap().len()).sum()
                    }
                    _ => value.as_array().map_or(1, Vec::len),
                };
                *counts.entry(key.replace('_', "").to_lowercase()).or_default() += n;
            }
        }
    }
}

#[test]
fn the_corpus_is_read_whole() {
    let Some(corpus) = corpus() else { return };
    let mut seen = 0;
    for case in std::fs::read_dir(&corpus).unwrap().map(|case| case.unwrap().path()) {
        let folder = case.join("aws");
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        // Files about single things, of which several have one id.
        if !folder.is_dir() || name == "parse-batfish-single-resources" {
            continue;
        }
        let snapshot = files::collect(&[folder.to_str().unwrap().to_owned()], &Options::default()).unwrap();
        assert!(snapshot.problems.is_empty(), "{name}: {:#?}", problems(&snapshot));
        assert!(snapshot.cloud_documents.is_empty() && !snapshot.aws.is_empty(), "{name}");
        let mut expected = BTreeMap::new();
        count(&folder, &mut expected);
        let n = |keys: &[&str]| keys.iter().filter_map(|key| expected.get(*key)).sum::<usize>();
        let sum = |of: fn(&AwsScope) -> usize| snapshot.aws.iter().map(of).sum::<usize>();
        for (found, keys) in [
            (sum(|s| s.vpcs.len()), &["vpcs"][..]),
            (sum(|s| s.subnets.len()), &["subnets"]),
            (sum(|s| s.network_interfaces.len()), &["networkinterfaces"]),
            (sum(|s| s.instances.len()), &["reservations", "instances"]),
            (sum(|s| s.security_groups.len()), &["securitygroups"]),
            (sum(|s| s.network_acls.len()), &["networkacls"]),
            (sum(|s| s.route_tables.len()), &["routetables"]),
            (sum(|s| s.internet_gateways.len()), &["internetgateways"]),
            (sum(|s| s.egress_only_internet_gateways.len()), &["egressonlyinternetgateways"]),
            (sum(|s| s.nat_gateways.len()), &["natgateways"]),
            (sum(|s| s.vpc_endpoints.len()), &["vpcendpoints"]),
            (sum(|s| s.prefix_lists.len()), &["prefixlists"]),
            (sum(|s| s.prefix_list_entries.iter().map(|e| e.entries.len()).sum()), &["entries"]),
            (sum(|s| s.vpc_attributes.len()), &["enablednssupport", "enablednshostnames"]),
            (sum(|s| s.dhcp_options.len()), &["dhcpoptions"]),
            (sum(|s| s.vpc_peering_connections.len()), &["vpcpeeringconnections"]),
            (sum(|s| s.transit_gateway_vpc_attachments.len()), &["transitgatewayvpcattachments"]),
            (sum(|s| s.vpn_gateways.len()), &["vpngateways"]),
        ] {
            assert_eq!(found, n(keys), "{name}: {keys:?}");
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn documents_about_single_things_are_read() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("parse-batfish-single-resources/aws");
    let snapshot = files::collect(&[folder.to_str().unwrap().to_owned()], &Options::default()).unwrap();
    let classes: Vec<_> = snapshot.problems.iter().map(|p| p.class).collect();
    assert!(classes.iter().all(|class| *class == ProblemClass::Duplicate), "{:#?}", problems(&snapshot));
    assert!(scope(&snapshot).read.values().all(|state| *state == CoverageState::Read));
}
