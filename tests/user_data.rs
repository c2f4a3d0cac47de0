//! Node configuration as it is kept in repositories and launch templates: user data of Bottlerocket, `NodeConfig`, MIME
//! messages, cloud-config; what nodes trust by it, and what then is not known.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;

use serde_json::{Value, json};

use common::node::{AMAZON, BOTTLEROCKET, Folder, HOST, authority, b64, outcome, public_root};
use common::pki;

/// Settings of Bottlerocket that trust a CA.
fn settings(ca: &str, trusted: &str) -> String {
    format!(
        "# Workers\n[settings.kubernetes]\ncluster-name = \"ci\"\n\n[settings.pki.corp]\ndata = \"{}\"\n{trusted}",
        b64(ca)
    )
}

#[test]
fn bottlerocket_trusts_what_its_settings_trust() {
    let ((corp, chain), other) = (pki::authority("Corp Root", HOST), authority("Other Root"));
    let folder = Folder::new(BOTTLEROCKET, "");
    folder.write("nodes/workers.toml", &settings(&corp, "trusted = true\n"));
    // Other files in TOML are of no interest.
    folder.write("Cargo.toml", "[package]\nname = \"x\"\n");
    folder.write("config/settings.toml", "[settings]\ndebug = true\n");
    folder.write("broken.toml", "[settings]\nx = = 1\n");
    let step = folder.pull(HOST, &corp);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    assert!(
        step["assumptions"].to_string().contains("the node is as user data ./nodes/workers.toml describes it"),
        "{step}"
    );
    let chain = format!("{HOST}={}", folder.write("told/chain.txt", &chain).display());
    assert_eq!(outcome(&folder.step(HOST, &["--endpoint-chain", &chain])), "Reachable");
    let step = folder.pull(HOST, &other);
    assert_eq!((outcome(&step), &step["codes"][0]), ("Blocked", &"BR-TLS-010".into()), "{step}");
    assert_eq!(folder.findings(), []);
    let report: Value = serde_json::from_str(&folder.audit(".")).unwrap();
    let problems = report["findings"].to_string();
    assert!(!problems.contains("toml"), "{problems}");
}

#[test]
fn without_trusted_a_certificate_is_distrusted() {
    let corp = authority("Corp Root");
    let folder = Folder::new(BOTTLEROCKET, "");
    folder.write("workers.toml", &settings(&corp, ""));
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Blocked");
    let [(code, message, place)] = &folder.findings()[..] else { panic!("{:?}", folder.findings()) };
    assert_eq!((code.as_str(), place.as_str()), ("BR-TLS-096", "./workers.toml:5"));
    assert!(
        message.contains("settings.pki.corp has no `trusted = true`") && message.contains("CN=Corp Root"),
        "{message}"
    );
    // On purpose, it is no trap; and it wins over the same certificate elsewhere.
    let both = settings(&corp, "trusted = false\n")
        + &format!("[settings.pki.again]\ndata = \"{}\"\ntrusted = true\n", b64(&corp));
    folder.write("workers.toml", &both);
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Blocked");
    assert_eq!(folder.findings(), []);
}

#[test]
fn a_public_root_that_is_distrusted_is_the_only_one() {
    let folder = Folder::new(BOTTLEROCKET, "");
    folder.write("workers.toml", &settings(&public_root(0), "trusted = false\n"));
    let step = folder.pull("quay.io", &public_root(0));
    assert_eq!(outcome(&step), "Blocked", "{step}");
    let step = folder.pull("quay.io", &public_root(1));
    assert_eq!(outcome(&step), "Reachable", "{step}");
    // Which root a public service leads to is not known: that the store is not whole is said.
    let step = folder.step("quay.io", &[]);
    let of = webpki_root_certs::TLS_SERVER_ROOT_CERTS.len();
    assert_eq!(outcome(&step), "Reachable", "{step}");
    assert!(
        step["assumptions"].to_string().contains(&format!("one of the {} public roots, of {of}", of - 1)),
        "{step}"
    );
    // Another certificate of the same key is another certificate.
    let mut der = webpki_root_certs::TLS_SERVER_ROOT_CERTS[0].as_ref().to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    folder.write("workers.toml", &settings(&pki::pem(&der), "trusted = false\n"));
    assert_eq!(outcome(&folder.pull("quay.io", &public_root(0))), "Reachable");
}

#[test]
fn descriptions_are_of_nodes_of_their_system_and_of_their_template() {
    let (corp, other) = (authority("Corp Root"), authority("Other Root"));
    let folder = Folder::new(AMAZON, "");
    folder.write("workers.toml", &settings(&corp, "trusted = true\n"));
    // The only description is of Bottlerocket, and the node runs something else.
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "NotAssessed");

    let folder = Folder::new(BOTTLEROCKET, "");
    folder.write("a.toml", &settings(&corp, "trusted = true\n"));
    folder.write("b.toml", &settings(&other, "trusted = true\n"));
    let step = folder.pull(HOST, &corp);
    assert_eq!(outcome(&step), "Unknown", "{step}");
    let summary = step["summary"].as_str().unwrap();
    assert!(summary.contains("user data ./a.toml") && summary.contains("user data ./b.toml"), "{summary}");

    // A node of a managed group names its template and version.
    let labels = "eks.amazonaws.com/sourceLaunchTemplateId: lt-1, eks.amazonaws.com/sourceLaunchTemplateVersion: '2'";
    let folder = Folder::new(BOTTLEROCKET, labels);
    folder.write("a.toml", &settings(&other, "trusted = true\n"));
    folder.write(
        "templates.json",
        &versions(&[(1, &settings(&other, "trusted = true\n")), (2, &settings(&corp, "trusted = true\n"))]),
    );
    let step = folder.pull(HOST, &corp);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    assert!(step["assumptions"].to_string().contains("launch template ci (lt-1) version 2"), "{step}");
}

/// `aws ec2 describe-launch-template-versions`, one version on one line.
fn versions(all: &[(u64, &str)]) -> String {
    let version = |(number, text): &(u64, &str)| {
        let data = if text.is_empty() { json!({}) } else { json!({"UserData": b64(text)}) };
        json!({"LaunchTemplateId": "lt-1", "LaunchTemplateName": "ci", "VersionNumber": number, "LaunchTemplateData": data}).to_string()
    };
    let lines: Vec<_> = all.iter().map(version).collect();
    format!("{{\"LaunchTemplateVersions\": [\n{}\n]}}\n", lines.join(",\n"))
}

fn indented(text: &str, by: &str) -> String {
    text.lines().flat_map(|line| [by, line, "\n"]).collect()
}

/// A message with these parts, each with its type.
fn message(parts: &[(&str, &str)]) -> String {
    let parts: Vec<_> = parts.iter().map(|(kind, text)| format!("--//\nContent-Type: {kind}\n\n{text}\n")).collect();
    let parts = parts.concat();
    format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n{parts}--//--\n")
}

fn node_config(containerd: &str) -> String {
    let indented = indented(containerd, "      ");
    let containerd =
        if containerd.is_empty() { String::new() } else { format!("  containerd:\n    config: |\n{indented}") };
    format!(
        "---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster: {{name: ci}}\n  instance: {{environment: {{default: {{HTTPS_PROXY: 'http://user:pass@proxy.corp.example:3128'}}}}}}\n{containerd}"
    )
}

/// A cloud-config that writes the CA of one registry.
fn registry_files(ca: &str) -> String {
    let hosts = format!("[host.\"https://{HOST}\"]\n  ca = \"corp.pem\"\n");
    let folder = format!("/etc/containerd/certs.d/{HOST}");
    format!(
        "#cloud-config\nwrite_files:\n- path: {folder}/hosts.toml\n  encoding: b64\n  content: {}\n- path: {folder}/corp.pem\n  encoding: b64\n  content: {}\n",
        b64(&hosts),
        b64(ca)
    )
}

#[test]
fn a_node_config_reads_the_folders_that_cloud_init_writes() {
    let (corp, other) = (authority("Corp Root"), authority("Other Root"));
    let parts = [("text/cloud-config", &*registry_files(&corp)), ("application/node.eks.aws", &*node_config(""))];
    let text = message(&parts);
    for (name, text) in [
        ("user-data", text.clone()),
        ("workers.mime", text.clone()),
        ("user_data.b64", b64(&text)),
        ("templates.json", versions(&[(1, &text)])),
    ] {
        let folder = Folder::new(AMAZON, "");
        folder.write(name, &text);
        let step = folder.pull(HOST, &corp);
        assert_eq!(outcome(&step), "Reachable", "{name}: {step}");
        // What else cloud-init and the image do is not known.
        assert_eq!(outcome(&folder.pull(HOST, &other)), "Unknown", "{name}");
        assert_eq!(outcome(&folder.step("quay.io", &[])), "Unknown", "{name}");
    }
}

#[test]
fn a_node_config_alone_and_what_makes_it_less_certain() {
    let corp = authority("Corp Root");
    let folder = Folder::new(AMAZON, "");
    folder.write("node.yaml", &node_config(""));
    assert_eq!(outcome(&folder.step("quay.io", &[])), "Reachable");
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Unknown");
    // nodeadm merges the settings into a configuration that has a folder of registries: mirrors exclude it.
    let mirrors = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://mirror.corp.example\"]\n";
    folder.write("node.yaml", &node_config(mirrors));
    let codes: Vec<_> = folder.findings().into_iter().map(|(code, ..)| code).collect();
    assert!(codes.contains(&"BR-TLS-065".to_owned()), "{codes:?}");
    let step = folder.step("quay.io", &[]);
    assert_eq!(outcome(&step), "Blocked", "{step}");
    // Two without a name do not displace each other, and differ.
    folder.write("node.yaml", &(node_config(mirrors) + &node_config("")));
    let step = folder.step("quay.io", &[]);
    assert_eq!(outcome(&step), "Unknown");
    let summary = step["summary"].as_str().unwrap();
    assert!(summary.contains("NodeConfig ./node.yaml:2") && summary.contains("NodeConfig ./node.yaml:13"), "{summary}");
    // A script beside it may do anything.
    let with_script =
        message(&[("text/x-shellscript", "#!/bin/sh\necho"), ("application/node.eks.aws", &node_config(""))]);
    let folder = Folder::new(AMAZON, "");
    folder.write("templates.json", &versions(&[(1, &with_script)]));
    let step = folder.step("quay.io", &[]);
    assert_eq!(outcome(&step), "Unknown", "{step}");
}

#[test]
fn a_cloud_config_puts_cas_into_the_system() {
    let corp = authority("Corp Root");
    let text = |command: &str| {
        let config = format!(
            "#cloud-config\nwrite_files:\n- path: /etc/pki/ca-trust/source/anchors/corp.pem\n  encoding: b64\n  content: {}\nruncmd:\n- [{command}]\n",
            b64(&corp)
        );
        message(&[("text/cloud-config", &*config), ("application/node.eks.aws", &*node_config(""))])
    };
    let folder = Folder::new(AMAZON, "");
    folder.write("user-data", &text("update-ca-trust, extract"));
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Reachable");
    assert_eq!(folder.findings(), []);
    folder.write("user-data", &text("echo"));
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Unknown");
    let codes: Vec<_> = folder.findings().into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, ["BR-TLS-095"]);
    // Whether the distribution's cloud-init knows `ca_certs` is another question.
    let config = format!("#cloud-config\nca_certs:\n  remove_defaults: true\n  trusted: [{corp:?}]\n");
    folder.write(
        "user-data",
        &message(&[("text/cloud-config", &*config), ("application/node.eks.aws", &*node_config(""))]),
    );
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Unknown");
}

#[test]
fn plans_of_terraform_hold_launch_templates() {
    let corp = authority("Corp Root");
    let resource = |data: Value, unknown: Value| {
        json!({"address": "aws_launch_template.builds", "mode": "managed", "type": "aws_launch_template", "name": "builds",
            "change": {"actions": ["create"], "before": null, "after": data, "after_unknown": unknown}})
    };
    let plan = |data: Value, unknown: Value| {
        json!({"format_version": "1.2", "resource_changes": [resource(data, unknown)]}).to_string()
    };
    let folder = Folder::new(BOTTLEROCKET, "");
    let text = settings(&corp, "trusted = true\n");
    folder.write("plan.json", &plan(json!({"user_data": b64(&text)}), json!({"id": true})));
    let step = folder.pull(HOST, &corp);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    assert!(step["assumptions"].to_string().contains("launch template aws_launch_template.builds"), "{step}");
    folder.write("plan.json", &plan(json!({}), json!({"user_data": true})));
    assert_eq!(outcome(&folder.pull(HOST, &corp)), "Unknown");
}

#[test]
fn karpenter_classes_give_user_data() {
    let corp = authority("Corp Root");
    let class = |name: &str, ca: &str| {
        let text = indented(&settings(ca, "trusted = true\n"), "    ");
        format!(
            "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {{name: {name}}}\nspec:\n  amiSelectorTerms: [{{alias: bottlerocket@latest}}]\n  userData: |\n{text}"
        )
    };
    let folder = Folder::new(BOTTLEROCKET, "karpenter.k8s.aws/ec2nodeclass: builds");
    folder.write("classes.yaml", &(class("builds", &corp) + "---\n" + &class("other", &authority("Other Root"))));
    let step = folder.pull(HOST, &corp);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    assert!(step["assumptions"].to_string().contains("EC2NodeClass builds"), "{step}");
}

#[test]
fn mirrors_and_proxies_of_bottlerocket_are_known_and_credentials_are_not() {
    let corp = authority("Corp Root");
    let folder = Folder::new(BOTTLEROCKET, "");
    let rest = "[[settings.container-registry.mirrors]]\nregistry = \"docker.io\"\nendpoint = [\"https://user:geheim@mirror.corp.example/hub\"]\n[[settings.container-registry.credentials]]\nregistry = \"docker.io\"\nusername = \"ci\"\npassword = \"geheim\"\n[settings.network]\nhttps-proxy = \"http://ci:geheim@proxy.corp.example:3128\"\nno-proxy = [\"10.0.0.0/8\", \".corp.example\"]\n";
    folder.write("workers.toml", &(settings(&corp, "trusted = true\n") + rest));
    let saved = folder.0.path().join("saved");
    let output = folder.run(&["snapshot", ".", "-O", &saved.display().to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(saved.join("buildreach-snapshot.json")).unwrap();
    assert!(!text.contains("geheim") && !text.contains("cluster-name"));
    let snapshot: Value = serde_json::from_str(&text).unwrap();
    let node = &snapshot["nodeTrust"][0];
    let env = json!([["HTTPS_PROXY", "http://proxy.corp.example:3128"], ["NO_PROXY", "10.0.0.0/8,.corp.example"]]);
    assert_eq!(node["runtimes"][0]["env"], env);
    let urls: Vec<_> = node["registries"][0]["hosts"].as_array().unwrap().iter().map(|host| &host["url"]).collect();
    assert_eq!(urls, ["https://mirror.corp.example/hub", "https://registry-1.docker.io"]);
    // Docker Hub is asked last, by the name that its images have.
    let step = folder.step("registry-1.docker.io", &[]);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    assert!(step["evidence"].to_string().contains("registries[docker.io]"), "{step}");
}

#[test]
fn a_saved_snapshot_gives_the_same_report() {
    let corp = authority("Corp Root");
    let folder = Folder::new(BOTTLEROCKET, "");
    folder.write("in/workers.toml", &settings(&corp, ""));
    folder.write("in/public.toml", &settings(&public_root(3), "trusted = false\n"));
    folder.write("in/cluster.yaml", &fs::read_to_string(folder.0.path().join("cluster.yaml")).unwrap());
    folder.write(
        "in/templates.json",
        &versions(&[(1, &message(&[("application/node.eks.aws", &*node_config(""))])), (2, "")]),
    );
    let at = "2026-11-24T00:00:00Z";
    let audit = |source: &str| {
        let output = folder.run(&["audit", source, "-o", "json", "--at", at]);
        String::from_utf8(output.stdout).unwrap()
    };
    let output = folder.run(&["snapshot", "in", "-O", "saved", "--at", at]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (first, second) = (audit("in"), audit("saved"));
    assert!(first.contains("BR-TLS-096"), "{first}");
    assert_eq!(first, second);
}

#[test]
fn garbage_is_a_finding_with_its_place_and_the_rest_is_read() {
    let corp = authority("Corp Root");
    let folder = Folder::new(BOTTLEROCKET, "");
    folder.write("good.toml", &settings(&corp, "trusted = true\n"));
    folder.write("bad.toml", "[settings.pki.corp]\ntrusted = = true\n");
    folder.write("pem.toml", "[settings.pki.corp]\ntrusted = true\ndata = \"-----BEGIN CERTIFICATE-----\"\n");
    let mut list = versions(&[(1, "x"), (2, "Content-Type: multipart/mixed\n\n")]);
    list = list.replace(&b64("x"), "%%%");
    folder.write("templates.json", &list);
    let found: Vec<_> =
        folder.findings().into_iter().map(|(code, message, place)| format!("{code} {place} {message}")).collect();
    for (place, words) in [
        ("./bad.toml:1", "settings of Bottlerocket that are no TOML: line 2"),
        ("./pem.toml:3", "settings.pki.corp is refused by Bottlerocket, and nothing is applied: `data` is no base64"),
        ("./templates.json:2", "launch template ci (lt-1) version 1: user data that is no base64"),
        ("./templates.json:3", "launch template ci (lt-1) version 2: a MIME message without a boundary"),
    ] {
        let is = |line: &&String| line.starts_with(&format!("BR-TLS-097 {place} ")) && line.contains(words);
        assert!(found.iter().any(|line| is(&line)), "{place}: {found:#?}");
    }
    let report: Value = serde_json::from_str(&folder.audit(".")).unwrap();
    assert!(report["coverage"].to_string().contains("Failed"), "{}", report["coverage"]);
    let step = folder.pull(HOST, &corp);
    assert_eq!(outcome(&step), "Unknown", "{step}");
}
