//! `cargo bench --bench cloud`: 100 VPCs with 5,000 interfaces in all, each asked for 60 endpoints.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use buildreach::cloud::{Ask, Cluster, judge};
use buildreach::demand::ranges::Ranges;
use buildreach::model::addr::public_internet;
use buildreach::model::aws::{AwsList, AwsScope};
use buildreach::model::{AddrSet, CoverageState, Family, Outcome, Protocol, Snapshot};
use criterion::{Criterion, criterion_group, criterion_main};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

const VPCS: usize = 100;
const INTERFACES: usize = 50;

/// A VPC as they are built: three private subnets behind a NAT gateway in a public one, an endpoint for S3.
fn vpc(n: usize) -> Value {
    let id = |kind: &str| format!("{kind}-{n:03}");
    let block = |third: usize| format!("10.{n}.{third}.0/24");
    let subnets: Vec<Value> = (0..4)
        .map(|i| json!({"SubnetId": format!("subnet-{n:03}-{i}"), "VpcId": id("vpc"), "CidrBlock": block(i), "AvailabilityZone": format!("z{}", i % 3)}))
        .collect();
    let ifaces: Vec<Value> = (0..INTERFACES)
        .map(|i| {
            let ip = format!("10.{n}.{}.{}", i % 4, 10 + i);
            let mut groups = vec![json!({"GroupId": id("sg-node")})];
            if i % 5 == 0 {
                groups.push(json!({"GroupId": id("sg-build")}));
            }
            json!({"NetworkInterfaceId": format!("eni-{n:03}-{i:02}"), "VpcId": id("vpc"), "SubnetId": format!("subnet-{n:03}-{}", i % 4),
                "PrivateIpAddress": ip, "Groups": groups, "Attachment": {"InstanceId": format!("i-{n:03}-{i:02}"), "DeviceIndex": 0}})
        })
        .collect();
    let allow = |egress: bool, number: u32| json!({"RuleNumber": number, "Egress": egress, "CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "allow"});
    let local = json!({"DestinationCidrBlock": format!("10.{n}.0.0/16"), "GatewayId": "local", "State": "active"});
    let s3 = json!({"DestinationPrefixListId": "pl-s3", "GatewayId": id("vpce"), "State": "active"});
    json!({
        "vpcs": [{"VpcId": id("vpc"), "CidrBlock": format!("10.{n}.0.0/16"), "DhcpOptionsId": "default"}],
        "subnets": subnets,
        "networkInterfaces": ifaces,
        "securityGroups": [
            {"GroupId": id("sg-node"), "VpcId": id("vpc"), "IpPermissions": [], "IpPermissionsEgress": [
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "140.82.112.0/20"}, {"CidrIp": "151.101.0.0/16"}], "PrefixListIds": [{"PrefixListId": "pl-s3"}]}]},
            {"GroupId": id("sg-build"), "VpcId": id("vpc"), "IpPermissions": [], "IpPermissionsEgress": [
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]},
        ],
        "networkAcls": [{"NetworkAclId": id("acl"), "VpcId": id("vpc"), "IsDefault": true, "Associations": [],
            "Entries": [allow(true, 100), allow(false, 100), json!({"RuleNumber": 90, "Egress": true, "CidrBlock": "203.0.113.0/24", "Protocol": "-1", "RuleAction": "deny"})]}],
        "routeTables": [
            {"RouteTableId": id("rtb"), "VpcId": id("vpc"), "Associations": [{"Main": true}], "Routes": [local, s3, {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": id("nat"), "State": "active"}]},
            {"RouteTableId": id("rtb-p"), "VpcId": id("vpc"), "Associations": [{"SubnetId": format!("subnet-{n:03}-3")}], "Routes": [local, {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": id("igw"), "State": "active"}]},
        ],
        "internetGateways": [{"InternetGatewayId": id("igw"), "Attachments": [{"VpcId": id("vpc"), "State": "available"}]}],
        "natGateways": [{"NatGatewayId": id("nat"), "VpcId": id("vpc"), "SubnetId": format!("subnet-{n:03}-3"), "State": "available", "NatGatewayAddresses": [{"PublicIp": "52.0.0.1"}]}],
        "vpcEndpoints": [{"VpcEndpointId": id("vpce"), "VpcEndpointType": "Gateway", "VpcId": id("vpc"), "State": "available", "ServiceName": "com.amazonaws.eu-west-1.s3"}],
    })
}

fn scope() -> AwsScope {
    let mut whole = serde_json::Map::new();
    for n in 0..VPCS {
        for (key, list) in vpc(n).as_object().unwrap() {
            let all = whole.entry(key.clone()).or_insert_with(|| json!([])).as_array_mut().unwrap();
            all.extend(list.as_array().unwrap().iter().cloned());
        }
    }
    let entries: Vec<Value> = (0..8).map(|i| json!({"Cidr": format!("52.{}.0.0/16", 216 + i)})).collect();
    whole.insert("prefixListEntries".to_owned(), json!([{"PrefixListId": "pl-s3", "Entries": entries}]));
    let mut scope: AwsScope = serde_json::from_value(Value::Object(whole)).unwrap();
    for list in AwsList::ALL {
        scope.read.insert(*list, CoverageState::Read);
    }
    scope
}

/// Feeds where vendors publish them, single blocks, and the public internet.
fn endpoints() -> Vec<AddrSet> {
    let ranges = Ranges::builtin();
    let feeds = ["google", "aws", "github", "fastly", "cloudflare"].iter().filter_map(|key| ranges.feed(key));
    let mut all: Vec<AddrSet> = feeds.map(|feed| feed.v4.clone()).collect();
    all.push(public_internet(Family::V4));
    let block = |i: usize| format!("{}.{}.0.0/16", 20 + 3 * (i % 60), i).parse().unwrap();
    let more = 60 - all.len();
    all.extend((0..more).map(|i| AddrSet::net(block(i))));
    all
}

/// Every interface asks for every endpoint; interfaces of one shape are asked once.
fn evaluate(snapshot: &Snapshot, endpoints: &[AddrSet]) -> [usize; 4] {
    let cluster = Cluster::new(snapshot, None).unwrap();
    let mut known = FxHashMap::default();
    let mut counts = [0; 4];
    for iface in &cluster.net.ifaces {
        let origin = cluster.interface(iface.id);
        let shape = origin.shape(&cluster.net, false);
        let outcomes: &Vec<Outcome> = known.entry(shape).or_insert_with(|| {
            let of = |to: &AddrSet| {
                let ask = Ask { to, protocol: Protocol::Tcp, port: 443, host: None };
                judge(&cluster.net, &origin, ask).outcome(Outcome::Partial)
            };
            endpoints.iter().map(of).collect()
        });
        for outcome in outcomes {
            counts[*outcome as usize] += 1;
        }
    }
    counts
}

fn cloud(c: &mut Criterion) {
    let snapshot = Snapshot { aws: vec![scope()], ..Snapshot::default() };
    let endpoints = endpoints();
    let counts = evaluate(&snapshot, &endpoints);
    assert_eq!(counts.iter().sum::<usize>(), VPCS * INTERFACES * 60);
    assert!(counts[Outcome::Reachable as usize] > 0 && counts[Outcome::Blocked as usize] > 0);
    c.bench_function("cloud/100 VPCs, 5000 interfaces, 60 endpoints", |b| {
        b.iter(|| evaluate(black_box(&snapshot), &endpoints));
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = cloud }
criterion_main!(benches);
