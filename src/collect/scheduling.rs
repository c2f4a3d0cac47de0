//! Where a pod may land, and what keeps it off a node: from the API's shape to facts.

use std::sync::Arc;

use super::decode::Decoder;
use super::raw;
use crate::model::scheduling::{NodeRequirement, NodeTerm, Scheduling, Taint, Toleration};

/// What is known of the node of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lands {
    /// It has landed: nothing has to be kept.
    Landed,
    /// A pod without an address; `nodeName` is a fact about the pod, not about its specification.
    Somewhere,
    /// A template: its `nodeName` is a demand.
    AsTold,
}

/// Something that picks nodes is not understood.
#[derive(Debug)]
pub(crate) struct NotUnderstood;

impl Decoder {
    /// What a specification says about nodes beside `nodeSelector`; `None` if it says nothing.
    pub(crate) fn scheduling(
        &mut self,
        raw: &raw::PodSpec<'_>,
        lands: Lands,
    ) -> Result<Option<Arc<Scheduling>>, NotUnderstood> {
        if lands == Lands::Landed {
            return Ok(None);
        }
        let affinity = raw.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
        let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution);
        let affinity = match required.map(|text| serde_json::from_str::<raw::NodeSelector<'_>>(text.get())) {
            Some(selector) => {
                let terms = selector.map_err(|_| NotUnderstood)?.node_selector_terms.unwrap_or_default();
                Some(terms.into_iter().map(|term| self.node_term(term)).collect::<Result<_, _>>()?)
            }
            None => None,
        };
        let tolerations = match raw.tolerations {
            Some(text) => serde_json::from_str::<Option<Vec<raw::Toleration<'_>>>>(text.get()),
            None => Ok(None),
        };
        let mut kept = Vec::new();
        for raw in tolerations.map_err(|_| NotUnderstood)?.unwrap_or_default() {
            let toleration = self.toleration(&raw)?;
            kept.extend(Some(toleration).filter(|t| !is_of_every_pod(t)));
        }
        let node_name = self.scratch.opt(raw.node_name.as_ref().filter(|_| lands == Lands::AsTold));
        let scheduling = Scheduling { node_name, affinity, tolerations: kept };
        Ok((scheduling != Scheduling::default()).then(|| Arc::new(scheduling)))
    }

    fn node_term(&mut self, raw: Option<raw::NodeSelectorTerm<'_>>) -> Result<NodeTerm, NotUnderstood> {
        let Some(raw) = raw else { return Ok(NodeTerm::default()) };
        let mut term = NodeTerm::default();
        for one in raw.match_expressions.unwrap_or_default() {
            term.expressions.push(self.node_requirement(&one)?);
        }
        for one in raw.match_fields.unwrap_or_default() {
            // No other field and no other operator is accepted (API validation of node selectors).
            let is_name = one.key.as_deref() == Some("metadata.name");
            if !is_name || !matches!(one.operator.as_deref(), Some("In" | "NotIn")) {
                return Err(NotUnderstood);
            }
            term.names.push(self.node_requirement(&one)?);
        }
        Ok(term)
    }

    fn node_requirement(&mut self, raw: &raw::NodeSelectorRequirement<'_>) -> Result<NodeRequirement, NotUnderstood> {
        let values = raw.values.iter().flatten().map(|value| self.scratch.str(value)).collect();
        let key = self.scratch.str(raw.key.as_deref().unwrap_or_default());
        NodeRequirement::new(key, raw.operator.as_deref().unwrap_or_default(), values).ok_or(NotUnderstood)
    }

    fn toleration(&mut self, raw: &raw::Toleration<'_>) -> Result<Toleration, NotUnderstood> {
        let mut text = |text: Option<&raw::Text<'_>>| self.scratch.str(text.map_or("", |text| text));
        let (key, value, effect) = (text(raw.key.as_ref()), text(raw.value.as_ref()), text(raw.effect.as_ref()));
        Toleration::new(key, raw.operator.as_deref().unwrap_or_default(), value, effect).ok_or(NotUnderstood)
    }

    /// A taint; `None` without a key.
    pub(crate) fn taint(&mut self, raw: &raw::Taint<'_>) -> Option<Taint> {
        let key = self.scratch.opt(raw.key.as_ref())?;
        let mut text = |text: Option<&raw::Text<'_>>| self.scratch.str(text.map_or("", |text| text));
        Some(Taint { key, value: text(raw.value.as_ref()), effect: text(raw.effect.as_ref()) })
    }
}

/// Whether admission gives the toleration to every pod (`DefaultTolerationSeconds`).
fn is_of_every_pod(toleration: &Toleration) -> bool {
    const KEYS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
    toleration.any_value && toleration.effect == "NoExecute" && KEYS.contains(&toleration.key.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::collect::files;
    use crate::model::object::PodSpec;

    #[test]
    fn where_a_pod_may_land_is_kept_until_it_has_an_address() {
        let pod = |name: &str, more: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: n\n  tolerations: [{{key: a, operator: Exists}}, {{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}}]\n{more}"
            )
        };
        let text = [
            pod("odd", "  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: 5}}\n"),
            pod("runs", "status: {podIP: 10.0.0.1}\n"),
            pod("waits", ""),
        ];
        let snapshot = files::from_texts(&[("a.yaml", &text.join("---\n"))], &files::Options::default());
        let spec = |i: usize| &snapshot.pods[i].spec;
        assert!(spec(0).picks_nodes && spec(0).scheduling.is_none());
        assert!(!spec(1).picks_nodes && spec(1).scheduling.is_none());
        let waits = spec(2).scheduling.as_ref().unwrap();
        assert_eq!((waits.node_name.as_ref(), waits.tolerations.len()), (None, 1));
        // An earlier version said only that something picks nodes.
        let earlier: PodSpec = serde_json::from_str(r#"{"picksNodes": true}"#).unwrap();
        assert!(earlier.picks_nodes && earlier.scheduling.is_none());
    }
}
