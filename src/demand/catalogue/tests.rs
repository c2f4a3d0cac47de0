#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn every_file_is_read_and_says_who_it_is() {
    let catalogue = Catalogue::builtin();
    let mut rows = 0;
    for (id, text) in files::FILES {
        let ecosystem: Ecosystem = serde_saphyr::from_str(text).unwrap_or_else(|e| unreachable!("{id}: {e}"));
        assert_eq!(ecosystem.id, id);
        assert_eq!(ecosystem.title, catalogue.title(id));
        assert!(catalogue.ecosystem(id).is_some());
        rows += ecosystem.endpoints.len();
    }
    assert_eq!(catalogue.ids().count(), files::FILES.len());
    assert_eq!(rows, 252);
    assert_eq!(catalogue.as_of(), "2026-11-22");
}

#[test]
fn what_is_required_is_known_and_says_from_where() {
    let catalogue = Catalogue::builtin();
    for row in catalogue.ids().flat_map(|id| &catalogue.ecosystem(id).unwrap().endpoints) {
        assert!(!row.what.is_empty() && !row.when.is_empty() && row.port > 0, "{}", row.host);
        if row.need == Need::Required {
            assert!(row.confidence < Confidence::Low && row.src.is_some(), "{}", row.host);
        }
        let expect = row.probe.as_ref().map(|probe| &probe.expect);
        assert!(!matches!(expect, Some(Expect::Any(text)) if *text != "any_http"), "{}", row.host);
    }
}

#[test]
fn a_redirect_leads_to_a_row_of_the_same_ecosystem() {
    let catalogue = Catalogue::builtin();
    for id in catalogue.ids() {
        let ecosystem = catalogue.ecosystem(id).unwrap();
        for (row, target) in ecosystem.endpoints.iter().flat_map(|row| row.redirects_to.iter().map(move |to| (row, to)))
        {
            assert!(ecosystem.endpoints.iter().any(|other| other.host == *target), "{id}: {} -> {target}", row.host);
        }
    }
}

#[test]
fn people_call_ecosystems_by_many_names() {
    let catalogue = Catalogue::builtin();
    for (name, ids) in [
        ("go", vec!["go"]),
        ("npm", vec!["node"]),
        ("NPM", vec!["node"]),
        ("pypi", vec!["python"]),
        ("pip", vec!["python"]),
        ("cargo", vec!["rust"]),
        ("images", vec!["reg_dockerhub"]),
        ("docker", vec!["reg_dockerhub"]),
        ("apt", vec!["os_debian", "os_ubuntu"]),
    ] {
        assert_eq!(catalogue.resolve(name).unwrap(), ids, "{name}");
    }
    assert!(catalogue.resolve("cobol").unwrap_err().to_string().contains("reg_dockerhub"));
    assert!(catalogue.resolve("").is_err());
}

#[test]
fn hosts_have_feeds_that_exist() {
    let catalogue = Catalogue::builtin();
    let ranges = crate::demand::ranges::Ranges::builtin();
    for (pattern, feed) in hosts() {
        let feed = feed.replace("{region}", "eu-west-1");
        // Only the vendor's own file has this tag; without it the public internet stands for the host.
        assert!(ranges.feed(&feed).is_some() || feed == "azure_tags:Storage", "{pattern}: {feed}");
    }
    for (host, feed) in [
        ("proxy.golang.org", "google_goog"),
        ("europe-docker.pkg.dev", "google_goog"),
        ("123.dkr.ecr.eu-west-1.amazonaws.com", "aws:AMAZON:eu-west-1"),
        ("prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com", "aws:S3:eu-west-1"),
        ("prod-registry-k8s-io-*.s3.dualstack.*.amazonaws.com", "aws:S3"),
        ("quayio-production-s3.s3.amazonaws.com", "aws:S3"),
        ("*.data.mcr.microsoft.com", "azure_tags:MicrosoftContainerRegistry+AzureFrontDoor.FirstParty"),
    ] {
        assert_eq!(catalogue.addresses(host), Addresses::Feed(feed.into()), "{host}");
    }
    for host in ["nexus.corp.example", "*.actions.githubusercontent.com", "gitlab.com", "evil-github.com", "*"] {
        assert_eq!(catalogue.addresses(host), Addresses::Public, "{host}");
    }
    assert_eq!(catalogue.addresses("192.0.2.1"), Addresses::Bare("192.0.2.1".parse().unwrap()));
}
