//! What servers present, as far as flags, endpoint sets and the catalogue say so.
#![allow(clippy::unwrap_used, missing_docs)]

use buildreach::collect::files;
use buildreach::demand::presents::{Reference, Told, What};
use buildreach::demand::{self, Catalogue, DemandOptions, Presented, Requirement, parse_endpoint, parse_endpoint_sets};

/// What a subject's endpoints present, by host.
fn presented(sets: &str, told: &[(&str, What)], hosts: &[&str]) -> Vec<String> {
    let catalogue = Catalogue::builtin();
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ci}\nspec: {containers: [{name: c, image: x}]}\n";
    let snapshot = files::from_texts(&[("pod.yaml", pod)], &files::Options::default());
    let options = DemandOptions {
        all_pods: true,
        ecosystems: Some(Vec::new()),
        endpoints: hosts.iter().map(|host| parse_endpoint(host, &catalogue).unwrap()).collect(),
        endpoint_sets: parse_endpoint_sets(sets, &catalogue).unwrap(),
        presents: told
            .iter()
            .map(|(host, what)| Told {
                host: (*host).into(),
                port: None,
                what: *what,
                reference: Reference::File("x".into()),
                from: (*host).into(),
            })
            .collect(),
        ..DemandOptions::default()
    };
    let demand = demand::build(&snapshot, &catalogue, &options);
    let of = |requirement: &Requirement| match demand.presented(requirement).as_deref() {
        None => "unknown".to_owned(),
        Some(Presented::PublicRoots) => "public".to_owned(),
        Some(Presented::Authority(given)) => {
            format!("ca: {}: {}", given.from, given.certificates.as_ref().unwrap_err())
        }
        Some(Presented::Chain(given)) => {
            format!("chain: {}: {}", given.from, given.certificates.as_ref().unwrap_err())
        }
    };
    demand.requirements(&demand.subjects[0]).iter().map(of).collect()
}

#[test]
fn only_public_services_present_chains_to_public_roots() {
    let hosts =
        ["proxy.golang.org", "1234.dkr.ecr.eu-west-1.amazonaws.com", "nexus.corp.example", "athens", "10.0.0.1"];
    assert_eq!(presented("", &[], &hosts), ["public", "public", "unknown", "unknown", "unknown"]);
}

#[test]
fn a_gateway_stands_before_every_public_service_and_closer_words_count() {
    let told = [
        ("*", What::Authority),
        ("*.corp.example", What::Authority),
        ("nexus.corp.example", What::Authority),
        ("nexus.corp.example", What::Chain),
    ];
    let hosts = ["pypi.org", "nexus.corp.example", "npm.corp.example", "corp.example"];
    let why = "the file was not read";
    let want = [
        format!("ca: *, file x: {why}"),
        format!("chain: nexus.corp.example, file x: {why}"),
        format!("ca: *.corp.example, file x: {why}"),
        "unknown".to_owned(),
    ];
    assert_eq!(presented("", &told, &hosts), want);
}

#[test]
fn a_set_says_it_for_its_port_and_with_the_place() {
    let sets = "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {name: corp}\nspec:\n  replaces: [npm]\n  endpoints:\n  - {host: a.corp.example, port: 8443, ca: {configMap: {namespace: build, name: ca}}}\n  - {host: b.corp.example, ca: {configMap: {name: ca}}}\n  - {host: c.corp.example, chain: {inline: no certificate}}\n";
    let found = presented(sets, &[], &["a.corp.example:8443", "a.corp.example", "b.corp.example", "c.corp.example"]);
    assert_eq!(
        found[0],
        "ca: EndpointSet corp, ConfigMap build/ca: the ConfigMap is not there, or holds no certificate"
    );
    assert_eq!(found[1], "unknown");
    assert!(found[2].ends_with("it does not say in which namespace the ConfigMap is"), "{}", found[2]);
    assert!(found[3].starts_with("chain: EndpointSet corp: no certificate can be read"), "{}", found[3]);
    for bad in ["ca: {}", "ca: {inline: x, file: y}", "chain: {secret: {name: x}}"] {
        let text = format!(
            "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {{name: s}}\nspec: {{endpoints: [{{host: a.example, {bad}}}]}}\n"
        );
        assert!(parse_endpoint_sets(&text, &Catalogue::builtin()).is_err(), "{bad}");
    }
}
