//! What is saved of AWS is what `aws ec2` would print, and comes back as it was.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use buildreach::collect::files::{self, Options};
use buildreach::collect::snapshot_io::{self, Error};
use buildreach::model::aws::{AwsList, AwsScope, BoolValue, VpcAttribute};
use buildreach::model::{CoverageState, Snapshot};
use serde_json::Value;

const FILES: &[(&str, &str)] = &[
    ("aws/123456789012/us-east-1/v.json", r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]}"#),
    ("aws/123456789012/us-east-1/a1.json", r#"{"VpcId": "vpc-1", "EnableDnsSupport": {"Value": true}}"#),
    ("aws/123456789012/us-east-1/a2.json", r#"{"VpcId": "vpc-1", "EnableDnsHostnames": {"Value": false}}"#),
    ("aws/123456789012/us-east-1/entries.pl-1.json", r#"{"Entries": []}"#),
    ("aws/123456789012/us-east-1/entries.pl:2.json", r#"{"Entries": [{"Cidr": "10.0.0.0/8"}]}"#),
    ("aws/123456789012/us-east-1/entries.pl;2.json", r#"{"Entries": [{"Cidr": "::/0"}]}"#),
    (
        "aws/123456789012/us-east-1/i.json",
        r#"{"Reservations": [{"Instances": [{"InstanceId": "i-1"}, {"InstanceId": "i-2"}]}]}"#,
    ),
    ("aws/123456789012/us-east-1/bpa.json", r#"{"VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": "off"}}"#),
    (
        "aws/123456789012/us-east-1/acl.json",
        "{\"NetworkAcls\": [\n{\"NetworkAclId\": \"acl-1\", \"Entries\": [\n{\"RuleNumber\": 100},\n{\"RuleNumber\": 200, \"PortRange\": {\"From\": 1}}]}]}",
    ),
    (
        "aws/123456789012/us-east-1/sg.json",
        r#"{"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": []}, {"GroupId": "sg-2", "IpPermissionsEgress": [{"IpProtocol": "-1", "FromPort": -1}]}, {"GroupId": 5}]}"#,
    ),
    ("aws/123456789012/us-east-1/n.json", r#"{"NatGateways": []}"#),
    ("eu-west-1/sg.json", r#"{"SecurityGroups": []}"#),
    (
        "us-west-2/ra.json",
        r#"{"ResolverRuleAssociations": [{"Id": "a", "ResolverRuleId": "rslvr-rr-1", "VPCId": "vpc-1"}]}"#,
    ),
    (
        "us-west-2/rr.json",
        r#"{"ResolverRules": [{"Id": "rslvr-rr-1", "DomainName": ".", "RuleType": "FORWARD", "TargetIps": [{"Ip": "10.0.0.9", "Port": 53}]}]}"#,
    ),
    ("us-west-2/fa.json", r#"{"FirewallRuleGroupAssociations": []}"#),
    (
        "us-west-2/fr.json",
        r#"{"FirewallRules": [{"FirewallRuleGroupId": "rslvr-frg-1", "FirewallDomainListId": "rslvr-fdl-1", "Priority": 7, "Action": "BLOCK"}, {"FirewallRuleGroupId": "rslvr-frg-1", "FirewallDomainListId": "rslvr-fdl-2", "Priority": 8, "Action": "ALLOW"}]}"#,
    ),
    ("us-west-2/domains.rslvr-fdl-1.json", r#"{"Domains": ["*.example.com."]}"#),
    ("us-west-2/domains.rslvr-fdl-2.json", r#"{"Domains": []}"#),
    ("s.json", r#"{"Subnets": [{"SubnetId": "subnet-1"}], "NextToken": "more"}"#),
];

fn snapshot() -> Snapshot {
    let instant = "2026-11-24T21:40:00.123456789Z".parse().unwrap();
    files::from_texts(FILES, &Options { instant, ..Options::default() })
}

fn read(path: &Path) -> Snapshot {
    files::collect(&[path.to_str().unwrap().to_owned()], &Options::default()).unwrap()
}

/// All files below a folder, by their paths from it.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Scopes without the places where their objects were read.
fn facts(scopes: &[AwsScope]) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|key, _| !key.starts_with("ReadFrom"));
                object.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(scopes).unwrap();
    strip(&mut value);
    value
}

#[test]
fn what_is_saved_comes_back() {
    let snapshot = snapshot();
    let folder = tempfile::tempdir().unwrap();
    snapshot_io::save(&snapshot, folder.path()).unwrap();
    let again = read(folder.path());
    assert_eq!(again.aws, snapshot.aws);
    assert_eq!(format!("{again:?}"), format!("{snapshot:?}"));
    let us = "aws/123456789012/us-east-1";
    assert_eq!(
        listing(folder.path()),
        [
            format!("{us}/ec2-describe-instances.json"),
            format!("{us}/ec2-describe-nat-gateways.json"),
            format!("{us}/ec2-describe-network-acls.json"),
            format!("{us}/ec2-describe-security-groups.json"),
            format!("{us}/ec2-describe-vpc-attribute.vpc-1.enableDnsHostnames.json"),
            format!("{us}/ec2-describe-vpc-attribute.vpc-1.enableDnsSupport.json"),
            format!("{us}/ec2-describe-vpc-block-public-access-options.json"),
            format!("{us}/ec2-describe-vpcs.json"),
            format!("{us}/ec2-get-managed-prefix-list-entries.pl-1.json"),
            format!("{us}/ec2-get-managed-prefix-list-entries.pl_2-2.json"),
            format!("{us}/ec2-get-managed-prefix-list-entries.pl_2.json"),
            format!("{us}/meta.json"),
            "aws/unknown/eu-west-1/ec2-describe-security-groups.json".to_owned(),
            "aws/unknown/eu-west-1/meta.json".to_owned(),
            "aws/unknown/unknown/ec2-describe-subnets.json".to_owned(),
            "aws/unknown/unknown/meta.json".to_owned(),
            "aws/unknown/us-west-2/meta.json".to_owned(),
            "aws/unknown/us-west-2/route53resolver-list-firewall-domains.rslvr-fdl-1.json".to_owned(),
            "aws/unknown/us-west-2/route53resolver-list-firewall-domains.rslvr-fdl-2.json".to_owned(),
            "aws/unknown/us-west-2/route53resolver-list-firewall-rule-group-associations.json".to_owned(),
            "aws/unknown/us-west-2/route53resolver-list-firewall-rules.json".to_owned(),
            "aws/unknown/us-west-2/route53resolver-list-resolver-rule-associations.json".to_owned(),
            "aws/unknown/us-west-2/route53resolver-list-resolver-rules.json".to_owned(),
            "buildreach-snapshot.json".to_owned(),
        ]
    );
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.path().join(us).join(name)).unwrap()).unwrap()
    };
    assert_eq!(json("ec2-describe-instances.json")["Reservations"][0]["Instances"][1]["InstanceId"], "i-2");
    assert_eq!(
        json("ec2-describe-vpc-block-public-access-options.json")["VpcBlockPublicAccessOptions"]["InternetGatewayBlockMode"],
        "off"
    );
    assert_eq!(json("ec2-get-managed-prefix-list-entries.pl-1.json")["Entries"], serde_json::json!([]));
    let text = fs::read_to_string(folder.path().join(us).join("ec2-describe-vpcs.json")).unwrap();
    assert!(!text.contains("\"\""), "no empty text: {text}");
    let meta = json("meta.json");
    assert_eq!((meta["account"].as_str(), meta["region"].as_str()), (Some("123456789012"), Some("us-east-1")));
    assert_eq!(meta["instant"], "2026-11-24T21:40:00.123456789Z");
    assert_eq!(meta["lists"]["SecurityGroups"]["state"], "Failed");
}

#[test]
fn the_folder_of_aws_is_a_source_by_itself() {
    let snapshot = snapshot();
    let folder = tempfile::tempdir().unwrap();
    snapshot_io::save(&snapshot, folder.path()).unwrap();
    let alone = read(&folder.path().join("aws"));
    assert_eq!(facts(&alone.aws), facts(&snapshot.aws));
    assert!(alone.problems.is_empty(), "{:?}", alone.problems);
    assert!(alone.ignored_kinds.is_empty(), "{:?}", alone.ignored_kinds);
    // Its objects were read there.
    let acl = &alone.aws.last().unwrap().network_acls[0];
    assert!(alone.source(acl.origin.source).ends_with("us-east-1/ec2-describe-network-acls.json"));
    assert!(acl.origin.line > 1 && acl.entries[0].line > acl.origin.line);
}

#[test]
fn states_that_no_document_shows_are_kept() {
    let mut snapshot = snapshot();
    let attribute = |on: bool| Some(BoolValue { value: on });
    snapshot.aws = vec![
        AwsScope { account: "1".into(), ..AwsScope::default() },
        AwsScope {
            account: "2".into(),
            region: "x".into(),
            read: [
                (AwsList::VpcAttributes, CoverageState::Read),
                (AwsList::PrefixListEntries, CoverageState::Forbidden),
                (AwsList::NetworkAcls, CoverageState::Forbidden),
                (AwsList::Vpcs, CoverageState::NotRequested),
                (AwsList::Instances, CoverageState::Read),
            ]
            .into(),
            // Not read whole, and nobody says why.
            subnets: vec![serde_json::from_str(r#"{"SubnetId": "s"}"#).unwrap()],
            ..AwsScope::default()
        },
        AwsScope {
            account: "2".into(),
            region: "y/z".into(),
            read: [(AwsList::VpcAttributes, CoverageState::Read)].into(),
            vpc_attributes: vec![VpcAttribute {
                vpc_id: "v".into(),
                enable_dns_support: attribute(true),
                enable_dns_hostnames: attribute(false),
                ..VpcAttribute::default()
            }],
            ..AwsScope::default()
        },
    ];
    let files = snapshot_io::aws_files(&snapshot);
    assert_eq!(snapshot_io::aws_from_files(&files).unwrap(), snapshot.aws);
}

#[test]
fn nothing_of_an_earlier_snapshot_stays_and_nothing_else_goes() {
    let folder = tempfile::tempdir().unwrap();
    snapshot_io::save(&snapshot(), folder.path()).unwrap();
    let own = folder.path().join("aws/123456789012/us-east-1/notes.json");
    fs::write(&own, "{}").unwrap();
    let mut later = snapshot();
    later.aws.retain(|scope| scope.region == "eu-west-1");
    snapshot_io::save(&later, folder.path()).unwrap();
    assert_eq!(
        listing(folder.path()),
        [
            "aws/123456789012/us-east-1/notes.json",
            "aws/unknown/eu-west-1/ec2-describe-security-groups.json",
            "aws/unknown/eu-west-1/meta.json",
            "buildreach-snapshot.json"
        ]
    );
    assert!(!folder.path().join("aws/unknown/unknown").exists());
    later.aws.clear();
    snapshot_io::save(&later, folder.path()).unwrap();
    assert_eq!(listing(folder.path()), ["aws/123456789012/us-east-1/notes.json", "buildreach-snapshot.json"]);
    assert!(read(folder.path()).aws.is_empty());
}

#[test]
fn documents_of_others_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aws/123456789012/us-east-1/ec2-describe-vpcs.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "mine").unwrap();
    // Even where something that looks like a snapshot's names them.
    assert!(
        matches!(snapshot_io::save(&snapshot(), folder.path()), Err(Error::Occupied(occupied)) if occupied == path)
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(listing(folder.path()), ["aws/123456789012/us-east-1/ec2-describe-vpcs.json"]);
    let meta = r#"{"apiVersion": "buildreach.dev/v1alpha1", "kind": "AwsScope", "instant": "2026-11-24T21:40:00Z", "files": ["../../../victim", "/tmp/x", "a/b"]}"#;
    fs::write(path.with_file_name("meta.json"), meta).unwrap();
    fs::write(folder.path().join("victim"), "").unwrap();
    let mut empty = snapshot();
    empty.aws.clear();
    snapshot_io::save(&empty, folder.path()).unwrap();
    assert!(folder.path().join("victim").exists() && path.exists());
}

#[test]
fn a_snapshot_that_is_not_whole_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let unreadable = |what: &str| match snapshot_io::load(folder.path()) {
        Err(Error::Unreadable { path, why }) => {
            assert!(path.to_string_lossy().ends_with(what), "{} is not {what}: {why}", path.display());
        }
        other => panic!("{other:?}"),
    };
    let us = folder.path().join("aws/123456789012/us-east-1");
    let again = || snapshot_io::save(&snapshot(), folder.path()).map(drop).unwrap();
    again();
    fs::remove_file(us.join("ec2-describe-nat-gateways.json")).unwrap();
    unreadable("ec2-describe-nat-gateways.json");
    again();
    fs::write(us.join("ec2-describe-vpcs.json"), "{\"Vpcs\": [").unwrap();
    unreadable("ec2-describe-vpcs.json");
    again();
    fs::write(us.join("ec2-describe-vpcs.json"), "{\"Vpcs\": [{}]}").unwrap();
    unreadable("ec2-describe-vpcs.json");
    again();
    let meta = fs::read_to_string(us.join("meta.json")).unwrap();
    fs::write(us.join("meta.json"), meta.replace("2026-11-24", "2026-11-25")).unwrap();
    unreadable("us-east-1/meta.json");
    again();
    fs::remove_dir_all(folder.path().join("aws")).unwrap();
    unreadable("meta.json");
    again();
    fs::write(us.join("meta.json"), meta.replace("ec2-describe-vpcs.json", "../../../buildreach-snapshot.json"))
        .unwrap();
    unreadable("us-east-1/meta.json");
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

#[test]
fn the_corpus_comes_back() {
    let Some(corpus) = corpus() else { return };
    let mut seen = 0;
    for case in fs::read_dir(&corpus).unwrap().map(|case| case.unwrap().path()).filter(|case| case.join("aws").is_dir())
    {
        let snapshot = read(&case);
        assert!(!snapshot.aws.is_empty());
        let folder = tempfile::tempdir().unwrap();
        snapshot_io::save(&snapshot, folder.path()).unwrap();
        let again = read(folder.path());
        assert_eq!(again.aws, snapshot.aws, "{}", case.display());
        let alone = read(&folder.path().join("aws"));
        assert_eq!(facts(&alone.aws), facts(&snapshot.aws), "{}", case.display());
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn reports_are_the_same_to_the_byte() {
    let source = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = source.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ci}\nspec: {containers: [{name: c, image: golang, command: [go, build]}]}\n";
    fs::write(source.path().join("pod.yaml"), pod).unwrap();
    let saved = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_buildreach")).args(args).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code != 2), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (source, saved) = (source.path().to_str().unwrap(), saved.path().to_str().unwrap());
    let at = "--at=2026-11-24T21:40:00Z";
    run(&["snapshot", source, at, "-O", saved]);
    for format in ["table", "wide", "json", "markdown"] {
        let live = run(&["audit", source, at, "-o", format]);
        assert_eq!(live, run(&["audit", saved, "-o", format]));
        assert!(format != "json" || live.contains("123456789012"), "{live}");
    }
}
