//! Writes a `NodeTrust` by server-side apply.

use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use serde_json::json;

use crate::collect::kube::{self as live, LiveOptions};
use crate::crd::{NodeTrust, NodeTrustStatus};
use crate::model::trust::NodeTrust as Facts;

/// Who owns the fields that the agent writes.
pub const FIELD_MANAGER: &str = "buildreach-agent";

/// What the cluster says about the node.
#[derive(Clone, Debug)]
pub(super) struct About {
    uid: String,
    /// `status.nodeInfo.containerRuntimeVersion`.
    pub(super) container_runtime: Option<String>,
}

/// A connection for one node.
pub(super) struct Writer {
    client: Client,
    name: String,
    node: Option<About>,
}

impl Writer {
    pub(super) async fn connect(options: &LiveOptions, name: &str) -> anyhow::Result<Self> {
        Ok(Self { client: live::client(options).await?, name: name.to_owned(), node: None })
    }

    /// The node, read anew: its runtime may have been updated.
    pub(super) async fn node(&mut self) -> anyhow::Result<About> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = nodes.get(&self.name).await.map_err(|error| anyhow!("{}", live::describe(&error)));
        let node = node.with_context(|| format!("cannot read Node {}", self.name))?;
        let info = node.status.and_then(|status| status.node_info);
        let about = About {
            uid: node.metadata.uid.unwrap_or_default(),
            container_runtime: info.map(|info| info.container_runtime_version).filter(|version| !version.is_empty()),
        };
        self.node = Some(about.clone());
        Ok(about)
    }

    /// Writes the object if it is not there, and its status.
    pub(super) async fn write(&mut self, facts: &Facts) -> anyhow::Result<()> {
        let node = match &self.node {
            Some(node) => node.clone(),
            None => self.node().await?,
        };
        let objects: Api<NodeTrust> = Api::all(self.client.clone());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let (api_version, kind) = (NodeTrust::api_version(&()), NodeTrust::kind(&()));
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": node.uid});
        let object = json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": self.name, "ownerReferences": [owner]},
        });
        let failed = |what: &str, error: &kube::Error| {
            anyhow!("cannot write {what} of NodeTrust {}: {}", self.name, live::describe(error))
        };
        objects.patch(&self.name, &params, &Patch::Apply(object)).await.map_err(|error| failed("metadata", &error))?;
        let status = json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": self.name},
            "status": NodeTrustStatus::from(facts),
        });
        objects
            .patch_status(&self.name, &params, &Patch::Apply(status))
            .await
            .map_err(|error| failed("status", &error))?;
        Ok(())
    }
}
