//! Reading AWS: calls that fail as they do on a bad day, from a script; and a network that moto holds, which the live
//! audit and the audit of the saved snapshot judge alike.

#![cfg(feature = "aws")]
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::ec2::{Answer, Moto, Replay, buildreach, buildreach_with};
use common::network::{Built, build};
use common::vpc::{group, open, subnets};
use serde_json::Value;

const NODE: &str = "\
apiVersion: v1
kind: Node
metadata: {name: node-1}
spec: {providerID: 'aws:///us-east-1a/i-1'}
status: {addresses: [{type: InternalIP, address: 10.0.1.10}]}
---
apiVersion: v1
kind: Pod
metadata: {name: go-1, namespace: ci, labels: {buildreach.dev/build: 'true'}}
spec:
  nodeName: node-1
  hostNetwork: true
  containers: [{name: build, image: 'golang:1.26', command: [sh, -c, go mod download]}]
status: {phase: Running, hostIP: 10.0.1.10, podIP: 10.0.1.10, podIPs: [{ip: 10.0.1.10}]}
";

/// Calls that fail are not tried again: where it is not about that, nobody should wait.
const ONCE: (&str, &str) = ("AWS_MAX_ATTEMPTS", "1");

fn manifests(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.yaml"), text).unwrap();
    folder
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Saves what a server has into a folder, by the node of a cluster.
fn save(server: &Replay) -> tempfile::TempDir {
    let (cluster, folder) = (manifests(NODE), tempfile::tempdir().unwrap());
    let output = buildreach(
        &server.url,
        &["snapshot", cluster.path().to_str().unwrap(), "--aws", "-O", folder.path().to_str().unwrap()],
    );
    assert!(output.status.success(), "{}", err(&output));
    folder
}

fn document(folder: &Path, operation: &str) -> Value {
    let path = folder.join("aws/111122223333/us-east-1").join(operation);
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

/// What `meta.json` says about a list whose state no document shows.
fn state(folder: &Path, list: &str) -> Value {
    document(folder, "meta.json")["lists"][list].clone()
}

/// The cloud step of the node's way to a host.
fn cloud_step(server: &Replay) -> Value {
    let cluster = manifests(NODE);
    let output = buildreach(
        &server.url,
        &["explain", "ci/go-1", "proxy.golang.org", "-f", cluster.path().to_str().unwrap(), "--aws", "-o", "json"],
    );
    cloud_of(&output)
}

fn cloud_of(output: &Output) -> Value {
    let explanation: Value = serde_json::from_str(out(output)).unwrap_or_else(|e| panic!("{e}: {}", err(output)));
    let steps = explanation["trace"]["steps"].as_array().unwrap_or_else(|| panic!("{explanation:#}"));
    steps.iter().find(|step| step["layer"] == "cloud").unwrap().clone()
}

#[test]
fn a_network_is_read_through_the_api() {
    let server = Replay::start(open);
    let step = cloud_step(&server);
    assert_eq!(step["outcome"], "Reachable", "{step:#}");
    assert!(step.to_string().contains("sgr-1"), "{step:#}");
    assert!((2..=4).contains(&server.most()), "{} calls at once", server.most());
    // First the node's instance leads to the VPC, and then everything is asked for by it.
    let found = &server.calls("DescribeNetworkInterfaces")[0];
    assert_eq!(
        (found["Filter.1.Name"].as_str(), found["Filter.1.Value.1"].as_str()),
        ("attachment.instance-id", "i-1")
    );
    for action in ["DescribeVpcs", "DescribeSubnets", "DescribeNetworkAcls", "DescribeNatGateways"] {
        let calls = server.calls(action);
        assert_eq!(calls.len(), 1, "{action}");
        assert_eq!((calls[0]["Filter.1.Name"].as_str(), calls[0]["Filter.1.Value.1"].as_str()), ("vpc-id", "vpc-1"));
    }
    let entries = server.calls("GetManagedPrefixListEntries");
    assert_eq!(entries.iter().map(|call| call["PrefixListId"].as_str()).collect::<Vec<_>>(), ["pl-1"]);
    assert_eq!(server.calls("DescribeVpcAttribute").len(), 2);
    assert!(server.calls("DescribeDhcpOptions").is_empty(), "`default` is the id of nothing");
}

/// The service sends other spellings than its model declares.
#[test]
fn enumerations_arrive_as_they_were_sent() {
    let folder = save(&Replay::start(open));
    let is = |operation: &str, pointer: &str, text: &str| {
        assert_eq!(document(folder.path(), operation).pointer(pointer).unwrap(), text, "{operation}{pointer}");
    };
    is("ec2-describe-vpc-endpoints.json", "/VpcEndpoints/0/State", "available");
    is("ec2-describe-internet-gateways.json", "/InternetGateways/0/Attachments/0/State", "available");
    is("ec2-describe-network-interfaces.json", "/NetworkInterfaces/1/InterfaceType", "nat_gateway");
    is("ec2-describe-vpcs.json", "/Vpcs/0/DhcpOptionsId", "default");
}

#[test]
fn pages_are_followed() {
    let server = Replay::start(|call| match (call["Action"].as_str(), call.get("NextToken").map(String::as_str)) {
        ("DescribeSubnets", None) => Some(Answer::Ok(subnets(&["subnet-1"]) + "<nextToken>two</nextToken>")),
        ("DescribeSubnets", Some("two")) => Some(Answer::Ok(subnets(&["subnet-2", "subnet-3"]) + "<nextToken/>")),
        ("DescribeVpcBlockPublicAccessExclusions", None) => {
            Some(Answer::Ok(exclusion("a") + "<nextToken>b</nextToken>"))
        }
        ("DescribeVpcBlockPublicAccessExclusions", Some("b")) => Some(Answer::Ok(exclusion("b"))),
        _ => open(call),
    });
    let folder = save(&server);
    let ids = |operation: &str, list: &str, id: &str| -> Vec<String> {
        let document = document(folder.path(), operation);
        document[list].as_array().unwrap().iter().map(|item| item[id].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("ec2-describe-subnets.json", "Subnets", "SubnetId"), ["subnet-1", "subnet-2", "subnet-3"]);
    let exclusions = "ec2-describe-vpc-block-public-access-exclusions.json";
    assert_eq!(ids(exclusions, "VpcBlockPublicAccessExclusions", "ExclusionId"), ["a", "b"]);
    assert!(state(folder.path(), "Subnets").is_null(), "read whole");
    let calls = server.calls("DescribeSubnets");
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call["MaxResults"] == "500" && call["Filter.1.Value.1"] == "vpc-1"));
}

fn exclusion(id: &str) -> String {
    format!(
        "<vpcBlockPublicAccessExclusionSet><item><exclusionId>{id}</exclusionId></item></vpcBlockPublicAccessExclusionSet>"
    )
}

#[test]
fn throttling_goes_by() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Replay::start(move |call| {
        let is_early = || count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3;
        if call["Action"] == "DescribeRouteTables" && is_early() {
            return Some(Answer::Error(503, "RequestLimitExceeded"));
        }
        open(call)
    });
    let step = cloud_step(&server);
    assert_eq!(step["outcome"], "Reachable", "{step:#}");
    assert_eq!(server.calls("DescribeRouteTables").len(), 4, "one more than the SDK's own default");
}

#[test]
fn what_may_not_be_read_makes_unknown() {
    let server = Replay::start(|call| match call["Action"].as_str() {
        "DescribeNetworkAcls" => Some(Answer::Error(403, "UnauthorizedOperation")),
        _ => open(call),
    });
    let step = cloud_step(&server);
    assert_eq!(step["outcome"], "Unknown", "{step:#}");
    assert!(step["summary"].as_str().unwrap().contains("describe-network-acls"), "{step:#}");
    assert_eq!(server.calls("DescribeNetworkAcls").len(), 1, "asking again helps nobody");
    let folder = save(&server);
    assert_eq!(state(folder.path(), "NetworkAcls")["state"], "Forbidden");
    assert!(state(folder.path(), "RouteTables").is_null(), "the run went on");
    let audit =
        buildreach(&server.url, &["audit", folder.path().to_str().unwrap(), "-o", "json", "--require-complete"]);
    assert_eq!(audit.status.code(), Some(3), "{}", err(&audit));
    let report: Value = serde_json::from_str(out(&audit)).unwrap();
    let lines = report["coverage"].as_array().unwrap();
    let line = lines.iter().find(|line| line["kind"] == "NetworkAcls").unwrap();
    assert_eq!(
        (line["source"].as_str(), line["state"].as_str()),
        (Some("aws 111122223333/us-east-1"), Some("Forbidden"))
    );
}

#[test]
fn a_list_that_breaks_off_is_not_whole() {
    let server = Replay::start(|call| match (call["Action"].as_str(), call.contains_key("NextToken")) {
        ("DescribeSubnets", false) => Some(Answer::Ok(subnets(&["subnet-1"]) + "<nextToken>two</nextToken>")),
        ("DescribeSubnets", true) => Some(Answer::Error(400, "InvalidNextToken")),
        ("GetManagedPrefixListEntries", false) => Some(Answer::Ok(
            "<entrySet><item><cidr>192.0.2.0/24</cidr></item></entrySet><nextToken>two</nextToken>".to_owned(),
        )),
        ("GetManagedPrefixListEntries", true) => Some(Answer::Other(400, "<html>no</html>")),
        _ => open(call),
    });
    let folder = save(&server);
    assert_eq!(state(folder.path(), "Subnets")["why"], "InvalidNextToken: As the script says.");
    let subnets = document(folder.path(), "ec2-describe-subnets.json");
    assert_eq!(subnets["Subnets"].as_array().unwrap().len(), 1, "what came is a fact");
    // Half of a prefix list would be taken for all of it.
    assert_eq!(state(folder.path(), "Entries")["why"], "pl-1: HTTP 400 without an error of the EC2 API");
    let scope = folder.path().join("aws/111122223333/us-east-1");
    assert!(!scope.join("ec2-get-managed-prefix-list-entries.pl-1.json").exists());
}

#[test]
fn groups_of_other_vpcs_are_read_where_interfaces_have_them() {
    let server = Replay::start(|call| {
        let by = call.get("Filter.1.Name").map(String::as_str);
        match (call["Action"].as_str(), by) {
            ("DescribeSecurityGroups", Some("vpc-id")) => Some(Answer::Ok(group("sg-9", "vpc-1"))),
            ("DescribeSecurityGroups", Some("group-id")) => Some(Answer::Ok(group("sg-1", "vpc-0"))),
            _ => open(call),
        }
    });
    let folder = save(&server);
    let calls = server.calls("DescribeSecurityGroups");
    assert_eq!(calls.iter().filter_map(|c| c.get("Filter.1.Value.1")).collect::<Vec<_>>(), ["vpc-1", "sg-1"]);
    let groups = document(folder.path(), "ec2-describe-security-groups.json");
    assert_eq!(groups["SecurityGroups"].as_array().unwrap().len(), 2);
    let rules = server.calls("DescribeSecurityGroupRules");
    assert_eq!((rules[0]["Filter.1.Value.1"].as_str(), rules[0]["Filter.1.Value.2"].as_str()), ("sg-1", "sg-9"));
}

/// An account sees of a VPC that is shared with it what is its own: endpoints of the owner may hold any name of AWS.
#[test]
fn of_a_shared_vpc_only_a_part_is_seen() {
    let server = Replay::start(|call| match open(call)? {
        Answer::Ok(text) if call["Action"] == "DescribeVpcs" => {
            Some(Answer::Ok(text.replace("111122223333", "999900001111")))
        }
        Answer::Ok(_) if call["Action"] == "DescribeVpcEndpoints" => None,
        answer => Some(answer),
    });
    let folder = save(&server);
    let why = state(folder.path(), "VpcEndpoints")["why"].as_str().unwrap().to_owned();
    assert!(why.contains("vpc-1 belongs to account 999900001111, and account 111122223333 sees"), "{why}");
    let step = |host: &str| {
        let source = folder.path().to_str().unwrap();
        cloud_of(&buildreach(&server.url, &["explain", "ci/go-1", host, "-f", source, "-o", "json"]))
    };
    let ecr = step("111122223333.dkr.ecr.us-east-1.amazonaws.com");
    assert_eq!(ecr["outcome"], "Unknown", "{ecr:#}");
    let other = step("proxy.golang.org");
    assert_eq!(other["outcome"], "Reachable", "{other:#}");
}

#[test]
fn instances_lead_to_the_vpc_where_interfaces_may_not_be_read() {
    let server = Replay::start(|call| match call["Action"].as_str() {
        "DescribeNetworkInterfaces" => Some(Answer::Error(403, "UnauthorizedOperation")),
        _ => open(call),
    });
    let folder = save(&server);
    assert_eq!(state(folder.path(), "NetworkInterfaces")["state"], "Forbidden");
    assert_eq!(server.calls("DescribeSubnets")[0]["Filter.1.Value.1"], "vpc-1");
}

#[test]
fn certificates_of_a_bundle_are_trusted() {
    let server = Replay::start_tls(open);
    let (cluster, folder) = (manifests(NODE), tempfile::tempdir().unwrap());
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/aws/ca.pem");
    let snapshot = |environment: &[(&str, &str)], flags: &[&str]| {
        let to = folder.path().to_str().unwrap();
        let arguments = ["snapshot", cluster.path().to_str().unwrap(), "--aws", "-O", to];
        buildreach_with(&server.url, &[&[ONCE], environment].concat(), &[&arguments, flags].concat())
    };
    let without = snapshot(&[], &[]);
    assert_eq!(without.status.code(), Some(2));
    assert!(err(&without).contains("--ca-bundle"), "{}", err(&without));
    for with in [snapshot(&[], &["--ca-bundle", bundle]), snapshot(&[("AWS_CA_BUNDLE", bundle)], &[])] {
        assert!(with.status.success(), "{}", err(&with));
    }
    assert!(state(folder.path(), "VpcEndpoints").is_null(), "read whole");
}

#[test]
fn a_profile_tells_region_credentials_and_endpoint() {
    let server = Replay::start(open);
    let folder = tempfile::tempdir().unwrap();
    let (config, saved) = (folder.path().join("config"), folder.path().join("saved"));
    let program = "credential_process = printf '{\"Version\": 1, \"AccessKeyId\": \"y\", \"SecretAccessKey\": \"y\"}'";
    let text = format!("[profile audit]\nregion = eu-west-1\nendpoint_url = {}\n{program}\n", server.url);
    fs::write(&config, text).unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["snapshot", "--aws", "--aws-profile", "audit", "--vpc", "vpc-1", "-O", saved.to_str().unwrap()])
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("PATH", &path), ("AWS_CONFIG_FILE", config.to_str().unwrap())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(saved.join("aws/111122223333/eu-west-1/ec2-describe-vpcs.json").exists());
    assert!(err(&output).contains("no cluster is configured"), "{}", err(&output));
}

#[test]
fn what_is_not_there_is_an_error() {
    let cluster = manifests(NODE);
    let cluster = cluster.path().to_str().unwrap();
    let fails = |url: &str, arguments: &[&str], says: &str| {
        let output = buildreach_with(url, &[ONCE], &[&["audit", "--aws"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", out(&output));
        assert!(err(&output).contains(says), "{arguments:?}: {}", err(&output));
    };
    let none = Replay::start(|_| None);
    fails(&none.url, &[cluster], "none of the cluster's nodes (i-1) in us-east-1 is visible");
    fails(&none.url, &[cluster, "--vpc", "vpc-2"], "no VPC vpc-2 in us-east-1");
    fails(&none.url, &["--vpc", "vpc-2"], "--region");
    let closed = Replay::start(|_| Some(Answer::Error(401, "AuthFailure")));
    fails(&closed.url, &[cluster], "AuthFailure");
    fails(&none.url, &[cluster, "--ca-bundle", "/nonexistent/ca.pem"], "--ca-bundle /nonexistent/ca.pem");
    fails(&none.url, &["--demo"], "--demo");
    fails("http://127.0.0.1:1", &[cluster], "nothing could be read of AWS in us-east-1");
}

#[test]
fn live_and_saved_are_judged_alike() {
    let Some(moto) = Moto::start() else { return };
    let built = tokio::runtime::Runtime::new().unwrap().block_on(build(&moto.url));
    let Built { vpc, instance, address, acl, .. } = &built;
    let cluster = manifests(&NODE.replace("i-1", instance).replace("10.0.1.10", address));
    let cluster = cluster.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved").to_str().unwrap().to_owned();
    let at = "2026-11-24T12:00:00Z";
    let run = |arguments: &[&str]| buildreach_with(&moto.url, &[ONCE], arguments);
    let place = ["--aws", "--region", "us-east-1", "--vpc", vpc];

    let output = run(&[&["snapshot", cluster, "--at", at, "-O", &saved], &place[..]].concat());
    assert!(output.status.success(), "{}", err(&output));
    let live = run(&[&["audit", cluster, "--at", at, "-o", "json"], &place[..]].concat());
    let offline = run(&["audit", &saved, "-o", "json"]);
    assert_eq!(live.status.code(), offline.status.code(), "{}{}", err(&live), err(&offline));
    assert!(live.stdout == offline.stdout, "{}\n----\n{}", out(&live), out(&offline));
    // The nodes lead to the same VPC that was named.
    let by_nodes = run(&["audit", cluster, "--at", at, "-o", "json", "--aws"]);
    assert!(live.stdout == by_nodes.stdout, "{}\n----\n{}", out(&live), out(&by_nodes));

    // The folder that the documents lie in is a source by itself, beside the same manifests.
    let explain = |source: &[&str]| -> Value {
        let sources: Vec<&str> = source.iter().flat_map(|source| ["-f", source]).collect();
        let arguments = [&["explain", "ci/go-1", "proxy.golang.org", "-o", "json", "--at", at], &sources[..]].concat();
        serde_json::from_slice(&run(&arguments).stdout).unwrap()
    };
    let aws = format!("{saved}/aws");
    let outcome = explain(&[&saved])["outcome"].clone();
    assert_eq!(outcome, explain(&[cluster, &aws])["outcome"]);

    // The way out is open as far as moto shows it, and closed for another port: the network was really walked.
    let step = |endpoint: &str| -> Value {
        let explained = run(&["explain", "ci/go-1", endpoint, "-f", &saved, "-o", "json"]);
        let explanation: Value = serde_json::from_slice(&explained.stdout).unwrap();
        let steps = explanation["trace"]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["layer"] == "cloud").unwrap().clone()
    };
    let closed = step("203.0.113.9:8080");
    assert_eq!(closed["outcome"], "Blocked", "{closed:#}");
    assert!(closed.to_string().contains("sg-"), "{closed:#}");
    let way = step("proxy.golang.org:443");
    assert_ne!(way["outcome"], "Blocked", "{way:#}");
    assert!(way.to_string().contains(acl.as_str()), "{way:#}");

    // What moto does not have is said to have failed, and nothing else is missing.
    let report: Value = serde_json::from_str(out(&live)).unwrap();
    let failed: Vec<&str> = report["coverage"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["state"] != "Read" && line["source"].as_str().unwrap().starts_with("aws "))
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        failed,
        ["SecurityGroupVpcAssociations", "VpcBlockPublicAccessExclusions", "VpcBlockPublicAccessOptions"]
    );
    let entries = fs::read_dir(Path::new(&aws).join("123456789012/us-east-1")).unwrap();
    let names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("ec2-get-managed-prefix-list-entries.pl-")), "{names:?}");
}
