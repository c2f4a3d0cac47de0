//! An object as the server sent it: its text, and the little that a watch needs of it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Whatever the object holds, the decoder of the collection reads it: what is not of its API's shape becomes a problem
/// of the snapshot there, and never the end of a watch.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    metadata: ObjectMeta,
    text: Box<RawValue>,
}

impl Sent {
    /// JSON.
    pub(super) fn text(&self) -> &str {
        self.text.get()
    }

    /// Namespace, empty where there is none, and name.
    pub(super) fn key(&self) -> (&str, &str) {
        (self.metadata.namespace.as_deref().unwrap_or_default(), self.metadata.name.as_deref().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Sent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        struct Head {
            #[serde(default)]
            metadata: Meta,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Meta {
            name: Option<String>,
            namespace: Option<String>,
            resource_version: Option<String>,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let Head { metadata: Meta { name, namespace, resource_version } } =
            serde_json::from_str(text.get()).unwrap_or_default();
        Ok(Self { metadata: ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() }, text })
    }
}

impl kube::Resource for Sent {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kube::core::{ObjectList, WatchEvent};

    use super::*;

    #[test]
    fn lists_and_events_keep_the_text() {
        let text = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[
            {"metadata":{"name":"a","namespace":"ci","resourceVersion":"5"},"spec":{"x": 1}}, {"metadata":7}]}"#;
        let list: ObjectList<Sent> = serde_json::from_str(text).unwrap();
        assert_eq!(list.items[0].key(), ("ci", "a"));
        assert!(list.items[0].text().ends_with(r#""spec":{"x": 1}}"#));
        assert_eq!(list.items[1].key(), ("", ""), "what is of no shape stops nothing");
        let event = r#"{"type":"MODIFIED","object":{"metadata":{"name":"b","resourceVersion":"9"}}}"#;
        let event: WatchEvent<Sent> = serde_json::from_str(event).unwrap();
        assert!(matches!(event, WatchEvent::Modified(sent) if sent.key() == ("", "b")));
    }
}
