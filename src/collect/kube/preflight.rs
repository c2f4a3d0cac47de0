//! What the credentials may read, without reading it.

use http::{Request, header};
use serde::{Deserialize, Serialize};

use super::LiveOptions;
use super::connect::{Connection, connect, describe};
use super::discover::discover;
use super::groups::CONFIG_MAPS;
use super::kinds::{How, Kind, plan};
use super::list::within;
use super::read::fallback_namespaces;
use crate::collect::in_order::in_order;

/// Whether the credentials may do one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreflightRow {
    /// Plural, such as `networkpolicies`; with `/name` where one object is meant.
    pub resource: String,
    /// API group; empty for the core group.
    pub group: String,
    /// `None`: over all namespaces, or a kind without namespaces.
    pub namespace: Option<String>,
    /// `list` or `get`.
    pub verb: String,
    /// The server's answer. `false` also where it gave none.
    pub allowed: bool,
    /// The rule that allows it, or why not, in the server's words. May be empty.
    pub why: String,
}

/// Asks the server (`SelfSubjectAccessReview`) for each kind that [`collect`](super::collect) would
/// read: over all namespaces first, then, where that is closed, in those of
/// [`LiveOptions::namespaces`] or the context's.
///
/// # Errors
///
/// Those of [`collect`](super::collect).
pub async fn preflight(options: &LiveOptions) -> anyhow::Result<Vec<PreflightRow>> {
    let connection = connect(options).await?;
    let served = discover(&connection).await?;
    let fallback = fallback_namespaces(&connection, options);
    let kinds = plan(&served).into_iter().filter(|planned| planned.how == How::List).map(|planned| planned.kind);
    let rows = in_order(kinds.map(|kind| kind_rows(&connection, kind, &fallback))).await;
    let config_maps = config_map_rows(&connection).await;
    Ok(rows.into_iter().flatten().chain(config_maps).collect())
}

/// One row for all ConfigMaps, as pods may mount any; where that is closed, also one for each of the named ones.
async fn config_map_rows(connection: &Connection) -> Vec<PreflightRow> {
    let question = |namespace: Option<&str>, name: Option<&str>| Question {
        namespace: namespace.map(str::to_owned),
        verb: "get",
        group: String::new(),
        resource: "configmaps".to_owned(),
        name: name.map(str::to_owned),
    };
    let all = ask(connection, question(None, None)).await;
    if all.allowed {
        return vec![all];
    }
    let each = CONFIG_MAPS.iter().map(|(namespace, name)| ask(connection, question(Some(namespace), Some(name))));
    std::iter::once(all).chain(in_order(each).await).collect()
}

async fn kind_rows(connection: &Connection, kind: Kind, namespaces: &[String]) -> Vec<PreflightRow> {
    let question = |namespace: Option<&str>| Question {
        namespace: namespace.map(str::to_owned),
        verb: "list",
        group: kind.group.clone(),
        resource: kind.plural.clone(),
        name: None,
    };
    let mut rows = vec![ask(connection, question(None)).await];
    if rows[0].allowed {
        return rows;
    }
    for namespace in namespaces {
        if kind.namespaced {
            rows.push(ask(connection, question(Some(namespace))).await);
        } else if kind.kind == "Namespace" {
            // A namespace counts as inside itself, so a Role can open it.
            let question = Question { verb: "get", name: Some(namespace.clone()), ..question(Some(namespace)) };
            rows.push(ask(connection, question).await);
        }
    }
    rows
}

/// `spec.resourceAttributes` of a review.
#[derive(Clone, Serialize)]
struct Question {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    verb: &'static str,
    group: String,
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

async fn ask(connection: &Connection, question: Question) -> PreflightRow {
    let (allowed, why) = match review(connection, &question).await {
        Ok(Status { allowed, reason, evaluation_error }) => {
            (allowed, if reason.is_empty() { evaluation_error } else { reason })
        }
        Err(error) => (false, format!("the server did not answer the question: {}", describe(&error))),
    };
    let resource = match &question.name {
        Some(name) => format!("{}/{name}", question.resource),
        None => question.resource,
    };
    let Question { namespace, verb, group, .. } = question;
    PreflightRow { resource, group, namespace, verb: verb.to_owned(), allowed, why }
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    allowed: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    evaluation_error: String,
}

async fn review(connection: &Connection, question: &Question) -> Result<Status, kube::Error> {
    let body = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": question},
    });
    let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    let review: Review = within(connection.timeout, connection.client.request(request)).await?;
    Ok(review.status)
}
