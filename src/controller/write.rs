//! Writes the status of audit resources by server-side apply.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::wish::AuditId;
use crate::collect::kube::describe;
use crate::crd::build_audit::AuditStatus;
use crate::crd::{BuildAudit, ClusterBuildAudit};

/// Who owns the fields that the controller writes.
pub const FIELD_MANAGER: &str = "buildreach-controller";

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is there.
    Yes,
    /// The resource is not there any more.
    Gone,
    /// The server does not accept it; the same may be tried again.
    Refused(String),
    /// There was no answer: others would get none either.
    Unanswered(String),
}

/// How long a write may take. Nothing else happens meanwhile.
const ANSWER: Duration = Duration::from_secs(10);

/// Writes one status.
pub(super) async fn status(client: &Client, id: &AuditId, status: &AuditStatus) -> Written {
    let (api, resource, name) = api(client, id);
    let mut object = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "status": status,
    });
    if let AuditId::Namespaced { namespace, .. } = id {
        object["metadata"]["namespace"] = json!(namespace);
    }
    // The status is ours alone: what somebody else wrote there is wrong.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(object);
    let why = |why: &str| format!("the status of {} {name} was not written: {why}", resource.kind);
    match tokio::time::timeout(ANSWER, api.patch_status(name, &params, &patch)).await {
        Ok(Ok(_)) => Written::Yes,
        Ok(Err(kube::Error::Api(error))) if error.code == 404 => Written::Gone,
        Ok(Err(error @ kube::Error::Api(_))) => Written::Refused(why(&describe(&error))),
        Ok(Err(error)) => Written::Unanswered(why(&describe(&error))),
        Err(_) => Written::Unanswered(why(&format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

fn api<'a>(client: &Client, id: &'a AuditId) -> (Api<DynamicObject>, ApiResource, &'a str) {
    match id {
        AuditId::Cluster { name } => {
            let resource = ApiResource::erase::<ClusterBuildAudit>(&());
            (Api::all_with(client.clone(), &resource), resource, name)
        }
        AuditId::Namespaced { namespace, name } => {
            let resource = ApiResource::erase::<BuildAudit>(&());
            (Api::namespaced_with(client.clone(), namespace, &resource), resource, name)
        }
    }
}

/// Creates the audit of everything, if there is none of that name: something to look at after an installation.
///
/// # Errors
///
/// What the server says, other than that it is there.
pub(super) async fn default_audit(client: &Client) -> Result<(), String> {
    let audits: Api<ClusterBuildAudit> = Api::all(client.clone());
    let mut audit = ClusterBuildAudit::new("default", crate::crd::ClusterBuildAuditSpec::default());
    audit.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "buildreach".to_owned())].into());
    match audits.create(&kube::api::PostParams::default(), &audit).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(error)) if error.code == 409 => Ok(()),
        Err(error) => Err(describe(&error)),
    }
}
