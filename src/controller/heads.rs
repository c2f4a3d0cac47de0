//! What is read of many objects at once: names, annotations, and who manages fields. The rest of their metadata takes
//! more room and time than all of that, and nobody here asks for it.

use std::collections::BTreeMap;

use kube::api::{ApiResource, DynamicObject, ListParams, ObjectList, Request};
use kube::{Client, Resource as _};
use serde::Deserialize;

use super::within;
use crate::collect::kube::describe;

/// Objects in one page of a list.
const PAGE: u32 = 100;

/// The head of an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) managed_fields: Vec<Manager>,
}

/// Who manages some of its fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Manager {
    pub(super) manager: String,
}

/// Where to list: in each of the namespaces, or everywhere where there are none.
pub(super) fn places(namespaces: &[String]) -> Vec<Option<&str>> {
    match namespaces {
        [] => vec![None],
        some => some.iter().map(|namespace| Some(namespace.as_str())).collect(),
    }
}

/// The heads of all objects of a kind, in one namespace or in all, page by page. `labels` is a selector.
///
/// # Errors
///
/// In words, and whether it is that they may not be listed.
pub(super) async fn list(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    labels: Option<&str>,
    mut take: impl FnMut(Head),
) -> Result<(), (bool, String)> {
    #[derive(Clone, Debug, Deserialize)]
    struct Object {
        metadata: Head,
    }
    let path = DynamicObject::url_path(resource, namespace);
    let failed = |why: String| format!("{} cannot be listed: {why}", resource.plural);
    let mut params = ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default() }.limit(PAGE);
    loop {
        let request = Request::new(&path).list_metadata(&params).map_err(|error| (false, failed(error.to_string())))?;
        let answer = within(client.request::<ObjectList<Object>>(request)).await.map_err(|why| (false, failed(why)))?;
        let page = answer.map_err(|error| {
            let is_forbidden = matches!(&error, kube::Error::Api(status) if status.code == 403);
            (is_forbidden, failed(describe(&error)))
        })?;
        page.items.into_iter().for_each(|object| take(object.metadata));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}
