//! Finds the object of a subject: its API version and uid, which a snapshot does not hold.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta};

use super::told::{Way, Whom};
use super::within;
use crate::collect::kube::{built_in, describe};

/// The object of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `apps/v1`.
    pub(super) api_version: String,
    /// Its kind.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// `metadata.uid`.
    pub(super) uid: String,
}

/// What the server says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there.
    There(Target),
    /// It is not there any more, or what it owned is not.
    Gone,
    /// It cannot be told.
    Unreadable(String),
}

/// Asks for the metadata of the object, or for those of something that it owns.
pub(super) async fn find(client: &Client, whom: &Whom) -> Found {
    let (kind, name) = match &whom.way {
        Way::Direct => (&whom.kind, &whom.name),
        Way::Through(kind, name) => (kind, name),
    };
    let Some(resource) = built_in(kind) else { return Found::Unreadable(format!("{kind} is no kind that is read")) };
    let metadata = match metadata(client, &resource, &whom.namespace, name).await {
        Ok(Some(metadata)) => metadata,
        Ok(None) => return Found::Gone,
        Err(why) => return Found::Unreadable(why),
    };
    if whom.way == Way::Direct {
        let uid = metadata.uid.unwrap_or_default();
        return Found::There(Target {
            api_version: resource.api_version,
            kind: resource.kind,
            name: name.to_string(),
            uid,
        });
    }
    let owners = metadata.owner_references.unwrap_or_default();
    let owner = owners.into_iter().find(|owner| owner.kind == *whom.kind && owner.name == *whom.name);
    owner.map_or(Found::Gone, |owner| {
        Found::There(Target { api_version: owner.api_version, kind: owner.kind, name: owner.name, uid: owner.uid })
    })
}

async fn metadata(
    client: &Client,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<ObjectMeta>, String> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    match within(api.get_metadata_opt(name)).await? {
        Ok(found) => Ok(found.map(|found| found.metadata)),
        Err(error) => Err(format!("{} {namespace}/{name} cannot be read: {}", resource.kind, describe(&error))),
    }
}
