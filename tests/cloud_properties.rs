//! What must hold for every network of a VPC: more rules never close, and less knowledge never opens.
#![allow(clippy::unwrap_used, missing_docs)]

use buildreach::cloud::{Ask, Cluster, judge};
use buildreach::model::aws::AwsScope;
use buildreach::model::{AddrSet, CoverageState, Family, Outcome, Protocol, Snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the random networks are made of.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
struct Draft {
    egress: Vec<Value>,
    ingress: Vec<Value>,
    entries: Vec<Value>,
    nat_entries: Vec<Value>,
    routes: Vec<Value>,
    nat_state: &'static str,
    nat_subnet: &'static str,
    nat_kind: &'static str,
    gateway: bool,
    block: [&'static str; 2],
    source_check: bool,
    attachment_zone: bool,
    peering: &'static str,
    list_is_read: bool,
}

fn permission() -> impl Strategy<Value = Value> {
    let peer = prop_oneof![
        Just(json!({"IpRanges": [{"CidrIp": "0.0.0.0/0"}]})),
        Just(json!({"IpRanges": [{"CidrIp": "8.8.8.0/24"}]})),
        Just(json!({"IpRanges": [{"CidrIp": "10.0.0.0/16"}]})),
        Just(json!({"IpRanges": [{"CidrIp": "10.0.1.0/24"}]})),
        Just(json!({"PrefixListIds": [{"PrefixListId": "pl-1"}]})),
        Just(json!({"UserIdGroupPairs": [{"GroupId": "sg-b"}]})),
        Just(json!({"UserIdGroupPairs": [{"GroupId": "sg-a"}]})),
    ];
    let ports = prop_oneof![Just((443, 443)), Just((80, 80)), Just((0, 65535)), Just((400, 500))];
    let protocol = prop_oneof![Just("tcp"), Just("-1"), Just("udp")];
    (peer, ports, protocol).prop_map(|(mut peer, (from, to), protocol)| {
        peer["IpProtocol"] = json!(protocol);
        if protocol != "-1" {
            peer["FromPort"] = json!(from);
            peer["ToPort"] = json!(to);
        }
        peer
    })
}

fn entry() -> impl Strategy<Value = Value> {
    let block = prop_oneof![Just("0.0.0.0/0"), Just("8.8.8.0/24"), Just("10.0.0.0/16"), Just("1.0.0.0/8")];
    let ports = prop_oneof![Just((443, 443)), Just((1024, 65535)), Just((32768, 60999)), Just((0, 65535))];
    let action = prop_oneof![3 => Just("allow"), 1 => Just("deny")];
    (block, ports, action, any::<bool>(), prop_oneof![Just("6"), Just("-1")]).prop_map(
        |(block, (from, to), action, egress, protocol)| {
            json!({"CidrBlock": block, "PortRange": {"From": from, "To": to}, "RuleAction": action, "Egress": egress, "Protocol": protocol})
        },
    )
}

fn entries() -> impl Strategy<Value = Vec<Value>> {
    let open =
        |egress: bool| json!({"CidrBlock": "0.0.0.0/0", "RuleAction": "allow", "Egress": egress, "Protocol": "-1"});
    (proptest::collection::vec(entry(), 0..4), any::<bool>()).prop_map(move |(mut some, ends_open)| {
        if ends_open {
            some.extend([open(true), open(false)]);
        }
        for (i, entry) in some.iter_mut().enumerate() {
            entry["RuleNumber"] = json!(100 + 10 * i);
        }
        some
    })
}

fn route() -> impl Strategy<Value = Value> {
    let target = prop_oneof![
        3 => Just(json!({"NatGatewayId": "nat-1", "State": "active"})),
        2 => Just(json!({"GatewayId": "igw-1", "State": "active"})),
        1 => Just(json!({"NatGatewayId": "nat-9", "State": "blackhole"})),
        1 => Just(json!({"TransitGatewayId": "tgw-1", "State": "active"})),
        1 => Just(json!({"VpcPeeringConnectionId": "pcx-1", "State": "active"})),
        1 => Just(json!({"NetworkInterfaceId": "eni-fw", "State": "active"})),
        1 => Just(json!({"GatewayId": "vgw-1", "State": "active"})),
    ];
    let block = prop_oneof![
        3 => Just(json!({"DestinationCidrBlock": "0.0.0.0/0"})),
        1 => Just(json!({"DestinationCidrBlock": "8.8.0.0/16"})),
        1 => Just(json!({"DestinationCidrBlock": "8.8.8.8/32"})),
        1 => Just(json!({"DestinationPrefixListId": "pl-1"})),
    ];
    (block, target).prop_map(|(mut block, target)| {
        block.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        block
    })
}

fn draft() -> impl Strategy<Value = Draft> {
    let some = |n| proptest::collection::vec(permission(), 0..n);
    let blocks = || prop_oneof![4 => Just("off"), 1 => Just("block-bidirectional"), 1 => Just("block-ingress")];
    (
        (some(4), some(4), entries(), entries(), proptest::collection::vec(route(), 0..3)),
        (
            prop_oneof![4 => Just("available"), 1 => Just("deleted")],
            prop_oneof![4 => Just("subnet-p"), 1 => Just("subnet-a")],
            prop_oneof![4 => Just("public"), 1 => Just("private")],
            prop_oneof![4 => Just(true), 1 => Just(false)],
            [blocks(), blocks()],
        ),
        (any::<bool>(), any::<bool>(), prop_oneof![Just("active"), Just("failed")], any::<bool>()),
    )
        .prop_map(
            |(
                (egress, ingress, entries, nat_entries, routes),
                (nat_state, nat_subnet, nat_kind, gateway, block),
                (source_check, attachment_zone, peering, list_is_read),
            )| Draft {
                egress,
                ingress,
                entries,
                nat_entries,
                routes,
                nat_state,
                nat_subnet,
                nat_kind,
                gateway,
                block,
                source_check,
                attachment_zone,
                peering,
                list_is_read,
            },
        )
}

/// The documents of a draft, as one scope.
fn scope(draft: &Draft) -> AwsScope {
    let local = json!({"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"});
    let out = json!({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"});
    let routes = |more: &[Value]| [std::slice::from_ref(&local), more].concat();
    let iface = |id: &str, subnet: &str, ip: &str, public: bool, group: &str, instance: &str| {
        let mut iface = json!({
            "NetworkInterfaceId": id, "VpcId": "vpc-1", "SubnetId": subnet, "PrivateIpAddress": ip, "SourceDestCheck": draft.source_check,
            "PrivateIpAddresses": [{"PrivateIpAddress": ip, "Primary": true}], "Groups": [{"GroupId": group}],
            "Attachment": {"InstanceId": instance, "DeviceIndex": 0},
        });
        if public {
            iface["Association"] = json!({"PublicIp": "52.1.1.1"});
        }
        iface
    };
    let subnet = |id: &str, block: &str, mode: &str| json!({"SubnetId": id, "VpcId": "vpc-1", "CidrBlock": block, "AvailabilityZone": if id == "subnet-b" { "z-b" } else { "z-a" }, "BlockPublicAccessStates": {"InternetGatewayBlockMode": mode}});
    let attached: Vec<Value> =
        draft.gateway.then(|| json!({"VpcId": "vpc-1", "State": "available"})).into_iter().collect();
    let lists = json!({
        "vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "DhcpOptionsId": "default"}],
        "vpcAttributes": [],
        "subnets": [subnet("subnet-a", "10.0.1.0/24", draft.block[0]), subnet("subnet-b", "10.0.2.0/24", draft.block[0]), subnet("subnet-p", "10.0.9.0/24", draft.block[1])],
        "networkInterfaces": [
            iface("eni-a", "subnet-a", "10.0.1.5", false, "sg-a", "i-a"),
            iface("eni-b", "subnet-b", "10.0.2.5", false, "sg-b", "i-b"),
            iface("eni-n", "subnet-a", "10.0.1.6", false, "sg-b", "i-n"),
            iface("eni-p", "subnet-p", "10.0.9.5", true, "sg-a", "i-p"),
            iface("eni-fw", "subnet-p", "10.0.9.6", true, "sg-b", "i-fw"),
        ],
        "securityGroups": [
            {"GroupId": "sg-a", "VpcId": "vpc-1", "IpPermissions": draft.ingress, "IpPermissionsEgress": draft.egress},
            {"GroupId": "sg-b", "VpcId": "vpc-1", "IpPermissions": draft.ingress, "IpPermissionsEgress": draft.egress},
        ],
        "networkAcls": [
            {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-a"}, {"SubnetId": "subnet-b"}], "Entries": draft.entries},
            {"NetworkAclId": "acl-2", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-p"}], "Entries": draft.nat_entries},
        ],
        "routeTables": [
            {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": true}], "Routes": routes(&draft.routes)},
            {"RouteTableId": "rtb-p", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-p"}], "Routes": routes(&[out])},
        ],
        "internetGateways": [{"InternetGatewayId": "igw-1", "Attachments": attached}],
        "natGateways": [{"NatGatewayId": "nat-1", "VpcId": "vpc-1", "SubnetId": draft.nat_subnet, "State": draft.nat_state, "ConnectivityType": draft.nat_kind, "NatGatewayAddresses": [{"PublicIp": "52.1.1.2", "PrivateIp": "10.0.9.9"}]}],
        "prefixListEntries": if draft.list_is_read { json!([{"PrefixListId": "pl-1", "Entries": [{"Cidr": "8.8.8.0/25"}]}]) } else { json!([]) },
        "vpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": draft.peering}, "AccepterVpcInfo": {"VpcId": "vpc-2", "CidrBlock": "8.8.0.0/16"}, "RequesterVpcInfo": {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}}],
        "transitGatewayVpcAttachments": [{"TransitGatewayAttachmentId": "tgw-attach-1", "TransitGatewayId": "tgw-1", "VpcId": "vpc-1", "State": "available", "SubnetIds": [if draft.attachment_zone { "subnet-a" } else { "subnet-b" }]}],
    });
    let mut scope: AwsScope = serde_json::from_value(lists).unwrap();
    for list in buildreach::model::aws::AwsList::ALL {
        scope.read.insert(*list, CoverageState::Read);
    }
    scope
}

/// The outcomes of every question over a network: from three sources to addresses outside and inside.
fn outcomes(scope: &AwsScope) -> Vec<(String, Outcome)> {
    let snapshot = Snapshot { aws: vec![scope.clone()], ..Snapshot::default() };
    let cluster = Cluster::new(&snapshot, None).unwrap();
    let mut all = Vec::new();
    for source in ["i-a", "i-b", "i-p"] {
        let origin = cluster.instance(source);
        for to in [&["8.8.8.8"][..], &["1.1.1.1"], &["8.8.8.8", "1.1.1.1"], &["10.0.2.5"], &["10.0.1.6"], &["10.0.9.6"]]
        {
            let set = AddrSet::from_ips(Family::V4, to.iter().map(|ip| ip.parse().unwrap()));
            let ask = Ask { to: &set, protocol: Protocol::Tcp, port: 443, host: None };
            let outcome = judge(&cluster.net, &origin, ask).outcome(Outcome::Partial);
            all.push((format!("{source} to {to:?}"), outcome));
        }
    }
    all
}

/// Takes one list away, as if nobody had collected it.
fn without(scope: &AwsScope, key: &str) -> AwsScope {
    let mut value = serde_json::to_value(scope).unwrap();
    value[key] = json!([]);
    let mut less: AwsScope = serde_json::from_value(value).unwrap();
    less.read = scope.read.clone();
    let of_key = |list: &&buildreach::model::aws::AwsList| {
        let mut name = format!("{list:?}");
        name[..1].make_ascii_lowercase();
        name == key
    };
    let list = buildreach::model::aws::AwsList::ALL.iter().find(of_key).unwrap();
    less.read.remove(list);
    less
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn one_more_allow_rule_never_makes_it_worse(draft in draft(), block in prop_oneof![Just("0.0.0.0/0"), Just("8.8.8.8/32"), Just("10.0.0.0/8")], ingress in any::<bool>()) {
        let before = outcomes(&scope(&draft));
        let mut more = draft.clone();
        let rule = json!({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": block}]});
        if ingress { more.ingress.push(rule) } else { more.egress.push(rule) }
        for ((question, before), (_, after)) in before.into_iter().zip(outcomes(&scope(&more))) {
            prop_assert!(after <= before, "{question}: {before} became {after}");
        }
    }

    #[test]
    fn what_is_not_collected_never_opens_anything(draft in draft()) {
        let whole = scope(&draft);
        let before = outcomes(&whole);
        for key in ["vpcs", "subnets", "networkInterfaces", "securityGroups", "networkAcls", "routeTables", "internetGateways",
            "natGateways", "prefixListEntries", "vpcPeeringConnections", "transitGatewayVpcAttachments"] {
            for ((question, before), (_, after)) in before.iter().zip(outcomes(&without(&whole, key))) {
                prop_assert!(after != Outcome::Reachable || *before == Outcome::Reachable, "without {key}, {question}: {before} became {after}");
                prop_assert!(after != Outcome::Blocked || *before == Outcome::Blocked, "without {key}, {question}: {before} became {after}");
            }
        }
    }
}
