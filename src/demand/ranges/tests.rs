#![allow(clippy::unwrap_used)]

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_address_of_the_seed_is_googles() {
    let owners = Ranges::builtin().classify(ip("142.251.42.17"));
    assert_eq!(owners.iter().map(|o| o.key).collect::<Vec<_>>(), ["google_goog"]);
    assert_eq!(owners[0].title, "Google APIs and services");
}

#[test]
fn rented_google_addresses_are_no_google_service() {
    let ranges = Ranges::builtin();
    let services = ranges.feed("google_goog").unwrap();
    assert!(!services.v4.contains(ip("8.34.208.1")));
    assert_eq!(ranges.classify(ip("8.34.208.1"))[0].key, "google_cloud");
    assert!(services.v4.contains(ip("142.251.42.17")));
    // The module proxy has answered from here; it lies beside the customers' blocks.
    assert!(services.v4.contains(ip("34.64.4.81")));
}

#[test]
fn every_line_of_every_feed_is_read_and_dated() {
    for base in BASES {
        let data = base.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert_eq!(rows(base, base.text).count(), data, "{}", base.key);
        let dated = as_of(base.text);
        assert!(dated.starts_with("202") && dated.len() >= 7, "{}: {dated}", base.key);
    }
    let dates: Vec<_> = Ranges::builtin().list().into_iter().map(|(key, _, date)| format!("{key} {date}")).collect();
    assert_eq!(
        dates,
        [
            "google 2026-08-22",
            "google_cloud 2025-07-24",
            "gcp_vip 2026-11-22",
            "aws 2026-08-22",
            "azure_tags 2025-07",
            "github_meta 2025-07-25",
            "fastly 2025-07-25",
            "cloudflare 2026-08-22"
        ]
    );
}

#[test]
fn feeds_have_the_vendors_sizes() {
    let ranges = Ranges::builtin();
    assert_eq!(ranges.feed("cloudflare").unwrap().v4.size(), 1_524_736);
    assert_eq!(ranges.feed("gcp_vip").unwrap().v4.size(), 8);
    assert_eq!(ranges.feed("fastly").unwrap().v6.nets().len(), 2);
    assert!(ranges.feed("fastly").unwrap().shared_cdn);
    assert!(!ranges.feed("aws").unwrap().shared_cdn);
    assert!(ranges.feed("aws:CLOUDFRONT").unwrap().shared_cdn);
}

#[test]
fn parts_of_a_feed_are_subsets() {
    let ranges = Ranges::builtin();
    let all = ranges.feed("aws").unwrap();
    let s3 = ranges.feed("aws:S3").unwrap();
    let here = ranges.feed("aws:S3:eu-west-1").unwrap();
    assert!(here.v4.size() < s3.v4.size() && s3.v4.size() < all.v4.size());
    assert!(here.v4.difference(&s3.v4).is_empty());
    assert_eq!(here.title, "Amazon Web Services, S3 in eu-west-1");
    assert!(ranges.feed("aws:S3:mars-1").is_none());
    assert!(ranges.feed("none").is_none());
    let both = ranges.feed("azure_tags:MicrosoftContainerRegistry+AzureFrontDoor.FirstParty").unwrap();
    assert!(both.v4.size() > ranges.feed("azure_tags:MicrosoftContainerRegistry").unwrap().v4.size());
}

#[test]
fn github_keys_are_told_apart() {
    let ranges = Ranges::builtin();
    assert!(ranges.feed("github_meta:packages").unwrap().v4.contains(ip("140.82.112.33")));
    assert!(ranges.feed("github_meta:web").unwrap().v4.contains(ip("185.199.108.133")));
    assert!(!ranges.feed("github_meta:packages").unwrap().v4.contains(ip("185.199.108.133")));
}

#[test]
fn vendor_files_replace_the_built_in_feed() {
    let newer = r#"{"syncToken":"1","creationTime":"2026-11-20T08:00:00.1","prefixes":[{"ipv4Prefix":"192.0.2.0/24"},{"ipv6Prefix":"2001:db8::/32"}]}"#;
    let ranges = Ranges::builtin().with_vendor_file(newer).unwrap();
    let google = ranges.feed("google").unwrap();
    assert_eq!((google.v4.to_string(), google.as_of.as_str()), ("192.0.2.0/24".to_owned(), "2026-11-20"));
    assert_eq!(google.v6.to_string(), "2001:db8::/32");
    let cloud = r#"{"creationTime":"2026-11-21T08:00:00","prefixes":[{"ipv4Prefix":"192.0.2.128/25","service":"Google Cloud","scope":"europe-west1"}]}"#;
    let ranges = ranges.with_vendor_file(cloud).unwrap();
    assert_eq!(ranges.feed("google_goog").unwrap().v4.to_string(), "192.0.2.0/25");
    assert_eq!(ranges.feed("google_goog").unwrap().as_of, "2026-11-20");
    assert_eq!(ranges.classify(ip("192.0.2.200"))[0].detail, "europe-west1");
}

#[test]
fn each_vendor_is_known_by_its_shape() {
    let aws = r#"{"createDate":"2026-11-01-00-00-01","prefixes":[
        {"ip_prefix":"192.0.2.0/24","region":"eu-west-1","service":"AMAZON"},
        {"ip_prefix":"192.0.2.0/24","region":"eu-west-1","service":"S3"},
        {"ip_prefix":"198.51.100.0/24","region":"us-east-1","service":"ROUTE53"}],
        "ipv6_prefixes":[{"ipv6_prefix":"2001:db8::/40","region":"eu-west-1","service":"S3"}]}"#;
    let github = r#"{"verifiable_password_authentication":false,"git":["192.0.2.0/28"],"web":["192.0.2.0/28"],"actions":["198.51.100.0/24"]}"#;
    let fastly = r#"{"addresses":["192.0.2.0/24"],"ipv6_addresses":["2001:db8::/32"]}"#;
    let cloudflare = r#"{"result":{"ipv4_cidrs":["192.0.2.0/24"],"ipv6_cidrs":[],"etag":"x"},"success":true}"#;
    let azure = r#"{"changeNumber":400,"cloud":"Public","values":[
        {"name":"Storage","properties":{"addressPrefixes":["192.0.2.0/24"]}},
        {"name":"Storage.WestEurope","properties":{"addressPrefixes":["192.0.2.0/25"]}},
        {"name":"AzureFrontDoor.Frontend","properties":{"addressPrefixes":["198.51.100.0/24"]}}]}"#;
    let ranges = [aws, github, fastly, cloudflare, azure]
        .iter()
        .try_fold(Ranges::builtin(), |r, f| r.with_vendor_file(f))
        .unwrap();
    let v4 = |key: &str| ranges.feed(key).unwrap().v4.to_string();
    assert_eq!(v4("aws:S3:eu-west-1"), "192.0.2.0/24");
    assert_eq!(v4("aws:AMAZON:us-east-1"), "198.51.100.0/24");
    assert_eq!(v4("github_meta"), "192.0.2.0/28");
    assert_eq!(v4("fastly"), "192.0.2.0/24");
    assert_eq!(v4("cloudflare"), "192.0.2.0/24");
    assert_eq!(v4("azure_tags:Storage"), "192.0.2.0/24");
    assert_eq!(v4("azure_tags:AzureFrontDoor.Frontend"), "198.51.100.0/24");
    assert_eq!(ranges.feed("aws").unwrap().as_of, "2026-11-01");
    assert_eq!(ranges.feed("azure_tags").unwrap().as_of, "change 400");
    assert!(ranges.feed("fastly").unwrap().as_of.contains("unknown date"));
}

#[test]
fn other_files_are_refused() {
    for text in ["", "[]", "{}", r#"{"prefixes":[]}"#, r#"{"git":1,"web":2}"#] {
        assert!(Ranges::builtin().with_vendor_file(text).is_err(), "{text}");
    }
    let bad = r#"{"addresses":["192.0.2.0/40"],"ipv6_addresses":[]}"#;
    assert!(matches!(Ranges::builtin().with_vendor_file(bad), Err(RangesError::BadBlock(b)) if b == "192.0.2.0/40"));
    let empty = r#"{"addresses":[],"ipv6_addresses":[]}"#;
    assert!(matches!(Ranges::builtin().with_vendor_file(empty), Err(RangesError::Empty("fastly"))));
}
