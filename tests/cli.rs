//! The command line as a user meets it: help, exit codes, outputs, determinism.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::command::buildreach;

const AT: &str = "2026-11-24T12:00:00Z";

/// `docs/cli.md` is what `--help` prints; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_reference_is_what_help_prints() {
    let mut page = String::from("# Command line\n\nWhat `--help` prints. A test keeps it so.\n");
    let commands: [&[&str]; 13] = [
        &[],
        &["audit"],
        &["explain"],
        &["test"],
        &["trust"],
        &["snapshot"],
        &["agent"],
        &["controller"],
        &["crds"],
        &["aws-policy"],
        &["completions"],
        &["man"],
        &["schema"],
    ];
    for command in commands {
        let (code, help, _) = buildreach(&[command, &["--help"]].concat());
        assert_eq!(code, 0);
        let name = ["buildreach", &command.join(" ")].join(" ");
        write!(page, "\n## {}\n\n```text\n{}\n```\n", name.trim_end(), help.trim_end()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == page,
        "docs/cli.md differs: UPDATE_GOLDEN=1 cargo test --test cli"
    );
}

#[test]
fn logs_are_lines_of_json_where_that_is_asked_for() {
    let run = |more: &[&str]| buildreach(&[&["controller", "--kubeconfig", "/nonexistent/config"], more].concat());
    let (code, out, log) = run(&["--log-format", "json", "-v"]);
    assert_eq!((code, out.as_str()), (2, ""));
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(last["message"].as_str().unwrap().contains("/nonexistent/config"), "{log}");
    let (code, _, log) = run(&[]);
    assert_eq!(code, 2);
    assert!(log.starts_with("error: ") && log.contains("/nonexistent/config"), "{log}");
}

#[test]
fn exit_codes_say_what_happened() {
    let broken = tempfile::tempdir().unwrap();
    fs::write(broken.path().join("a.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: [}\n").unwrap();
    let broken = broken.path().to_string_lossy().into_owned();
    for (arguments, expected) in [
        (vec!["audit", "--demo"], 1),
        (vec!["audit", "--demo", "--fail-on", "none"], 0),
        (vec!["audit", "--demo", "--subject", "tools/cargo-worker"], 0),
        (vec!["audit", "--demo", "--subject", "tools/cargo-worker", "--fail-on", "low"], 1),
        (vec!["audit", "--demo", "--bogus"], 2),
        (vec!["audit", "no-such-folder"], 2),
        (vec!["audit", "--demo", "--cni", "nobody"], 2),
        (vec!["audit", "--demo", "--profile", "ownNode"], 2),
        (vec!["audit", "--demo", "--ecosystem", "cobol"], 2),
        (vec!["audit", "--demo", "--endpoint", "a b"], 2),
        (vec!["audit", &broken, "--require-complete"], 3),
        (vec!["audit", &broken, "--fail-on", "none"], 0),
        (vec!["explain", "go-builds/build-api-pod", "proxy.golang.org", "--demo"], 1),
        (vec!["explain", "tools/cargo-worker", "static.crates.io", "--demo"], 0),
        (vec!["explain", "release/agent-go-4", "proxy.golang.org", "--demo"], 1),
        (vec!["explain", "tools/nobody", "static.crates.io", "--demo"], 2),
        (vec!["test", "no-such-suite"], 2),
        (vec![], 2),
    ] {
        let (code, out, err) = buildreach(&arguments);
        assert_eq!(code, expected, "{arguments:?}\n{out}\n{err}");
        assert!(expected != 2 || !err.is_empty(), "{arguments:?} says nothing");
    }
}

#[test]
fn a_subject_that_is_not_there_is_answered_with_names_that_come_near() {
    let (code, _, err) = buildreach(&["explain", "go-builds/build-ap", "proxy.golang.org", "--demo"]);
    assert!(code == 2 && err.contains("no pod or template is called go-builds/build-ap; there is go-builds/"), "{err}");
}

#[test]
fn without_a_cluster_the_error_shows_a_way() {
    let (code, out, err) = buildreach(&["audit"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("error: ") && err.contains("--demo"), "{err}");
}

#[test]
fn the_policy_of_aws_is_printed_by_every_build() {
    let (code, out, _) = buildreach(&["aws-policy"]);
    let policy: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, policy["Version"].as_str()), (0, Some("2012-10-17")));
    let actions = policy["Statement"][0]["Action"].as_array().unwrap();
    assert!(actions.iter().any(|action| action == "ec2:DescribeNetworkAcls"), "{out}");
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/aws.md")).unwrap();
    assert!(page.contains(out.trim_end()), "docs/aws.md has another policy");
}

#[cfg(not(feature = "aws"))]
#[test]
fn a_build_without_aws_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_string_lossy().into_owned();
    for command in [&["audit"][..], &["snapshot", "-O", &folder], &["controller", "--aws-interval", "1m"]] {
        let (code, out, err) = buildreach(&[command, &["--aws", "--region", "us-east-1"]].concat());
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.lines().count() == 1 && err.contains("--features aws") && err.contains("describe-*"), "{err}");
    }
}

#[test]
fn formats_go_where_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let sink = format!("json={}", file.display());
    let (_, out, err) = buildreach(&["audit", "--demo", "--at", AT, "-o", &sink, "-o", "markdown"]);
    assert!(out.starts_with('#') && err.is_empty(), "{out}{err}");
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(report["kind"], "AuditReport");
    assert_eq!(report["instant"], AT);
    for format in ["table", "wide", "yaml"] {
        let (code, out, _) = buildreach(&["audit", "--demo", "-o", format]);
        assert!(code == 1 && out.contains("BR-DNS-001"), "{format}: {out}");
        assert!(!out.contains('\u{1b}'), "{format} has colour in a pipe");
    }
    let (_, out, _) = buildreach(&["audit", "--demo", "--color", "always"]);
    assert!(out.contains('\u{1b}'));
}

#[test]
fn reports_are_deterministic_and_survive_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let saved = saved.to_string_lossy();
    let audit = |source: &str| buildreach(&["audit", source, "--at", AT, "-o", "json"]).1;
    let first = audit("src/demo");
    assert!(first == audit("src/demo"));
    let (code, _, err) = buildreach(&["snapshot", "src/demo", "--at", AT, "-O", &saved]);
    assert_eq!(code, 0, "{err}");
    let again = buildreach(&["audit", &saved, "-o", "json"]).1;
    assert!(first == again, "the saved snapshot gives another report");
}

#[test]
fn standard_input_is_a_source() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["audit", "-", "--at", AT, "-o", "json"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/manifests");
    let text: Vec<String> = ["builds.yaml", "cluster.yaml", "policies.yaml"]
        .iter()
        .map(|name| fs::read_to_string(manifests.join(name)).unwrap())
        .collect();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), text.join("\n---\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["subjects"]["Blocked"], 2);
}

#[test]
fn the_demo_shows_every_outcome() {
    let (_, out, _) = buildreach(&["audit", "--demo", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let subjects = &report["summary"]["subjects"];
    for outcome in ["Reachable", "Blocked", "Partial", "Unknown"] {
        assert!(subjects[outcome].as_u64() > Some(0), "{subjects}");
    }
}

#[test]
fn one_trace_of_the_demo_leads_from_the_policy_that_allows_to_the_group_that_blocks() {
    let (code, out, _) = buildreach(&["explain", "release/agent-go-4", "proxy.golang.org", "--demo", "-o", "json"]);
    let explained: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, explained["outcome"].as_str()), (1, Some("Blocked")));
    let steps = explained["trace"]["steps"].as_array().unwrap();
    let step = |layer: &str| steps.iter().find(|s| s["layer"] == layer).unwrap();
    for open in ["dns", "policy"] {
        assert_eq!(step(open)["outcome"], "Reachable", "{:#}", step(open));
    }
    let cloud = step("cloud");
    assert_eq!(cloud["outcome"], "Blocked", "{cloud:#}");
    assert_eq!(cloud["codes"], serde_json::json!(["BR-AWS-001"]));
    let names = |list: &str| -> Vec<String> {
        let all = cloud[list].as_array().unwrap().iter();
        all.map(|e| e["object"]["name"].as_str().unwrap().to_owned()).collect()
    };
    // The group of the node's first interface decides, not the one that the pod's own interface carries.
    assert_eq!(names("evidence"), ["sg-0d3a20000000000b2"]);
    assert_eq!(names("nearMisses"), ["sgr-0d3ab00000000b080", "sgr-0d3ab00000000b443"]);
}

#[test]
fn the_demo_is_all_of_its_folder() {
    let outcomes = |arguments: &[&str]| {
        let report: serde_json::Value =
            serde_json::from_str(&buildreach(&[arguments, &["--at", AT, "-o", "json"]].concat()).1).unwrap();
        assert_eq!(report["summary"]["coverageComplete"], true, "{:#}", report["coverage"]);
        (report["summary"].clone(), report["findings"].as_array().unwrap().len())
    };
    assert_eq!(outcomes(&["audit", "--demo"]), outcomes(&["audit", "src/demo"]));
    let read =
        |folder: &str| fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo").join(folder)).unwrap();
    assert_eq!(read("manifests").count(), buildreach::demo::MANIFESTS.len());
    assert_eq!(read("aws/111122223333/eu-central-1").count(), buildreach::demo::AWS.len());
}

#[test]
fn several_namespaces_narrow_the_subjects_to_theirs() {
    let subjects = |arguments: &[&str]| -> Vec<String> {
        let (code, out, error) = buildreach(&[&["audit", "-o", "json", "--fail-on", "none"], arguments].concat());
        assert_eq!(code, 0, "{error}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let classes = report["results"].as_array().unwrap().iter();
        let mut names: Vec<_> = classes
            .flat_map(|class| class["subjects"].as_array().unwrap())
            .map(|subject| subject["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let two = ["ci/Pod/runner-7", "tools/Deployment/cargo-worker"];
    assert_eq!(subjects(&["--demo", "-n", "tools", "-n", "ci"]), two);
    assert_eq!(subjects(&["--demo", "-n", "ci", "-n", "ci"]), two[..1]);
    let (code, _, error) = buildreach(&["audit", "--demo", "-n", "ci", "-n", "tools", "--subject", "web"]);
    assert_eq!(code, 2);
    assert!(error.contains("no pod or template is called web in the namespaces ci, tools"), "{error}");

    // Objects that name no namespace go into the one that is asked for, and of several into none of them.
    let folder = tempfile::tempdir().unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: golang, command: [go, build]}]}\n";
    fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    let folder = folder.path().to_string_lossy();
    assert_eq!(subjects(&[&folder, "-n", "ci"]), ["ci/Pod/web"]);
    assert_eq!(subjects(&[&folder, "-n", "ci", "-n", "default"]), ["default/Pod/web"]);
}

#[test]
fn no_subject_says_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: c, image: golang}]}\n";
    fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    let (code, out, _) = buildreach(&["audit", &folder.path().to_string_lossy()]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("shop/Pod/web") && out.contains("--subject"), "{out}");
    let (_, out, _) =
        buildreach(&["audit", &folder.path().to_string_lossy(), "--all-pods", "--endpoint", "8.8.8.8", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["summary"]["outcomes"]["Reachable"], 1, "{out}");
}

#[test]
fn a_mounted_configuration_leaves_its_ecosystem_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: ci, labels: {buildreach.dev/build: 'true'}}\nspec:\n  containers: [{name: c, image: 'node:22', command: [npm, ci], volumeMounts: [{name: s, mountPath: /root/.npmrc, subPath: .npmrc}]}]\n  volumes: [{name: s, secret: {secretName: npmrc}}]\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: ci}\nspec: {podSelector: {}, policyTypes: [Egress]}\n";
    fs::write(folder.path().join("pod.yaml"), text).unwrap();
    let (_, out, _) = buildreach(&["audit", &folder.path().to_string_lossy(), "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["summary"]["subjects"]["Unknown"], 1, "{out}");
    assert!(out.contains("/root/.npmrc") && !out.contains("\"outcome\": \"Blocked\""), "{out}");
}

#[test]
fn a_private_name_is_not_judged_as_a_public_one() {
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: ci}\nspec: {containers: [{name: c, image: golang}]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: inward, namespace: ci}\nspec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 443}]}, {ports: [{port: 53, protocol: UDP}, {port: 53}]}]}\n";
    fs::write(folder.path().join("pod.yaml"), text).unwrap();
    let source = folder.path().to_string_lossy().into_owned();
    let outcome = |host: &str| {
        let (_, out, err) = buildreach(&["explain", "ci/web", host, "-f", &source, "-o", "json"]);
        let explained: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
        explained["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("nexus.corp.internal"), "Unknown");
    assert_eq!(outcome("nexus.mycompany.com"), "Unknown");
    assert_eq!(outcome("nexus.mycompany.com:8443"), "Blocked");
    assert_eq!(outcome("10.1.2.3"), "Reachable");
    assert_eq!(outcome("8.8.8.8"), "Blocked");
}

#[test]
fn a_short_name_is_the_service_that_the_pods_own_search_list_finds() {
    let folder = tempfile::tempdir().unwrap();
    let pod = |namespace: &str, name: &str, dns: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\n\
             spec: {{dnsPolicy: {dns}, containers: [{{name: c, image: golang, ports: [{{containerPort: 8081}}]}}]}}\n\
             status: {{phase: Running}}\n"
        )
    };
    let service = |namespace: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: nexus, namespace: {namespace}}}\n\
             spec: {{selector: {{app: nexus}}, ports: [{{port: 8081}}]}}\n"
        )
    };
    let mut text: String = [
        pod("ci", "go", "ClusterFirst"),
        pod("ci", "of-node", "Default"),
        pod("ci", "nexus", "ClusterFirst"),
        pod("cd", "go", "ClusterFirst"),
        pod("tools", "nexus", "ClusterFirst"),
        service("ci"),
        service("tools"),
    ]
    .concat();
    text.push_str(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: tools}\n\
         spec: {podSelector: {}, policyTypes: [Ingress]}\n",
    );
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let folder = folder.path().to_string_lossy().into_owned();
    for (subject, host, code, says) in [
        ("ci/go", "nexus:8081", 0, "nexus.ci.svc:8081"),
        ("ci/go", "nexus.tools:8081", 1, "NetworkPolicy tools/closed"),
        ("ci/of-node", "nexus:8081", 1, "short name"),
        ("ci/of-node", "nexus.tools:8081", 1, "short name"),
        ("cd/go", "nexus.tools:8081", 1, "NetworkPolicy tools/closed"),
    ] {
        let (found, out, err) = buildreach(&["explain", subject, host, "-f", &folder]);
        assert!(found == code && out.contains(says), "{subject} {host}\n{out}{err}");
    }
    // One endpoint for all, and each pod's own meaning of it.
    let (_, out, _) = buildreach(&["audit", &folder, "--all-pods", "--endpoint", "nexus:8081", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let outcomes = &report["summary"]["outcomes"];
    assert_eq!((&outcomes["Reachable"], &outcomes["Unknown"]), (&3.into(), &2.into()), "{outcomes}");
}

#[test]
fn the_table_says_each_thing_once_and_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: go, namespace: ci}\nspec: {containers: [{name: c, image: golang, command: [go, build], env: [{name: GOPROXY, value: 'off'}]}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: npm, namespace: ci}\nspec: {containers: [{name: c, image: node, command: [npm, ci]}]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bad, namespace: ci}\nspec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0}}]}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: [}\n";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let folder = folder.path().to_string_lossy().into_owned();
    let (_, out, _) = buildreach(&["audit", &folder]);
    assert_eq!(out.matches("mismatched bracket").count(), 1, "{out}");
    assert!(out.contains("a.yaml:18") && out.contains("not read  file"), "{out}");
    assert!(out.contains("an API server rejects NetworkPolicy ci/bad, which may select the pod"), "{out}");
    let row = |out: &str, start: &str| out.lines().find(|line| line.starts_with(start)).unwrap_or(out).to_owned();
    assert!(row(&out, "ci/Pod/go").contains("not known  Unknown"), "{out}");

    let twice = buildreach(&["audit", "--demo", "--at", AT, "--require", "cloud", "--require", "tls", "-o", "json"]);
    let commas = buildreach(&["audit", "--demo", "--at", AT, "--require", "cloud,tls", "-o", "json"]);
    assert!(twice == commas && twice.0 == 1, "{}", commas.2);
}

/// What is accepted fails no audit, and is still there to be read; what was accepted until yesterday counts again.
#[test]
fn accepted_findings_do_not_count() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let run = |entries: &str, more: &[&str]| {
        fs::write(path, entries).unwrap();
        let (code, out, err) = buildreach(&[&["audit", "--demo", "--at", AT, "--exceptions", path], more].concat());
        (code, out, err)
    };
    let all = "exceptions:\n- {code: BR-AWS-001, reason: a}\n- {code: BR-DNS-001, reason: b}\n- {code: BR-NET-001, reason: c}\n\
               - {code: BR-TLS-010, reason: d, expires: \"2026-12-31\"}\n- {code: BR-NET-002, reason: INFRA-1201}\n";
    let (code, out, err) = run(all, &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("3 of 6 build subjects cannot fetch what they need"), "outcomes stay what they are:\n{out}");
    assert!(
        out.contains(
            "accepted:     BR-TLS-010 of images/Job/kaniko-web for registry.corp.example, until 2026-12-31: d"
        ),
        "{out}"
    );

    let over = all.replace("2026-12-31", "2026-11-01");
    let (code, out, _) = run(&over, &["-o", "json"]);
    assert_eq!(code, 1);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let codes: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(
        codes.contains(&"BR-TLS-010") && codes.contains(&"BR-EXC-001") && !codes.contains(&"BR-DNS-001"),
        "{codes:?}"
    );

    let (code, _, err) = run("- {code: BR-DNS-001, reason: x, expires: soon}\n", &[]);
    assert_eq!(code, 2);
    assert!(err.contains("exception 1: `expires: soon`"), "{err}");
}
