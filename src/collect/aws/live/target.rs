//! Where the nodes of a cluster stand: which regions, and which instances there.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::object::Node;

/// The nodes of one region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    /// Ids of their instances.
    pub(super) instances: BTreeSet<String>,
    /// Addresses of nodes that are no instances: Fargate.
    pub(super) addresses: BTreeSet<String>,
}

impl Nodes {
    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.addresses.is_empty()
    }
}

/// What to read: regions with the nodes that stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Targets(BTreeMap<String, Nodes>);

impl Targets {
    /// The regions that were named, or those of the nodes.
    pub(super) fn of(nodes: &[Node], regions: &[String]) -> Self {
        let mut targets: BTreeMap<String, Nodes> = regions.iter().map(|r| (r.clone(), Nodes::default())).collect();
        for node in nodes {
            let Some((region, id)) = node.provider_id.as_deref().and_then(place) else { continue };
            let there =
                if regions.is_empty() { Some(targets.entry(region).or_default()) } else { targets.get_mut(&region) };
            let Some(there) = there else { continue };
            if id.starts_with("i-") {
                there.instances.insert(id.to_owned());
            } else {
                there.addresses.extend(node.addresses.iter().filter(|ip| ip.is_ipv4()).map(ToString::to_string));
            }
        }
        Self(targets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add_region(&mut self, region: &str) {
        self.0.entry(region.to_owned()).or_default();
    }

    pub(super) fn regions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Nodes)> {
        self.0.iter().map(|(region, nodes)| (region.as_str(), nodes))
    }
}

/// Region and id of a `providerID`: `aws:///us-east-1a/i-…`, `aws:///us-east-1a/…/fargate-ip-…`.
fn place(provider_id: &str) -> Option<(String, &str)> {
    let mut parts = provider_id.strip_prefix("aws://")?.split('/').filter(|part| !part.is_empty());
    let region = region_of(parts.next()?)?;
    Some((region, parts.next_back()?))
}

/// The region of a zone: `us-east-1` of `us-east-1a`, and of the local zone `us-east-1-bos-1a`.
fn region_of(zone: &str) -> Option<String> {
    let parts: Vec<&str> = zone.split('-').collect();
    let at = parts.iter().position(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let number: String = parts[at].chars().take_while(char::is_ascii_digit).collect();
    (at >= 2).then(|| format!("{}-{number}", parts[..at].join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(provider_id: &str, address: &str) -> Node {
        Node {
            provider_id: (!provider_id.is_empty()).then(|| provider_id.into()),
            addresses: address.parse().into_iter().collect(),
            ..Node::default()
        }
    }

    #[test]
    fn zones_tell_regions() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("ap-southeast-4", Some("ap-southeast-4")),
            ("local", None),
            ("1a", None),
        ] {
            assert_eq!(region_of(zone).as_deref(), region, "{zone}");
        }
    }

    #[test]
    fn nodes_tell_what_to_read() {
        let nodes = [
            node("aws:///us-east-1a/i-1", "10.0.0.1"),
            node("aws:///us-east-1b/i-2", ""),
            node("aws:///eu-west-1a/0a1b/fargate-ip-10-1-0-9.eu-west-1.compute.internal", "10.1.0.9"),
            node("gce://project/zone/vm", ""),
            node("kind://docker/kind/control-plane", ""),
            node("", "10.9.9.9"),
        ];
        let set = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<BTreeSet<_>>();
        let targets = Targets::of(&nodes, &[]);
        assert_eq!(targets.regions().collect::<Vec<_>>(), ["eu-west-1", "us-east-1"]);
        assert_eq!(targets.0["us-east-1"], Nodes { instances: set(&["i-1", "i-2"]), addresses: set(&[]) });
        assert_eq!(targets.0["eu-west-1"], Nodes { instances: set(&[]), addresses: set(&["10.1.0.9"]) });

        let named = Targets::of(&nodes, &["us-east-1".to_owned(), "us-east-2".to_owned()]);
        assert_eq!(named.regions().collect::<Vec<_>>(), ["us-east-1", "us-east-2"]);
        assert!(named.0["us-east-2"].is_empty() && !named.0["us-east-1"].is_empty());
        assert!(Targets::of(&nodes[3..], &[]).is_empty());
    }
}
