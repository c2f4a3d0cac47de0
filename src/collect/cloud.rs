//! Recognises documents of cloud providers that are not evaluated, by their keys.

use serde::Deserialize;

/// What a document without a kind turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloudKey<'t> {
    /// The key by which it was recognised.
    pub(crate) key: &'t str,
    /// `networkProfile.outboundType` of an AKS cluster.
    pub(crate) outbound_type: Option<String>,
    /// It may change a verdict.
    pub(crate) may_decide: bool,
}

/// Recognises a document that this version does not evaluate; `text` is its JSON.
pub(crate) fn recognise<'t>(keys: &'t [String], text: &str) -> Option<CloudKey<'t>> {
    for key in keys {
        match key.as_str() {
            "networkProfile" => {
                let aks = serde_json::from_str::<Aks>(text).ok();
                let outbound_type = aks.and_then(|aks| aks.network_profile?.outbound_type);
                return Some(CloudKey { key, outbound_type, may_decide: true });
            }
            _ => {}
        }
    }
    None
}

/// `az aks show`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aks {
    network_profile: Option<NetworkProfile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkProfile {
    outbound_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_recognised_by_their_keys() {
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let aks = r#"{"name":"c","networkProfile":{"outboundType":"none"}}"#;
        let keys_of_aks = keys(&["name", "networkProfile"]);
        let found = recognise(&keys_of_aks, aks);
        let outbound_type = Some("none".to_owned());
        assert_eq!(found, Some(CloudKey { key: "networkProfile", outbound_type, may_decide: true }));
        assert_eq!(recognise(&keys(&["name", "version"]), "{}"), None);
    }
}
