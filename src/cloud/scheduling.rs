//! On which nodes a pod may land that has no address yet: the filters of the scheduler that the objects decide.
//!
//! Affinity between pods, spread and free resources choose among these nodes; what they leave today may change by the
//! next pod.

use std::collections::BTreeMap;

use super::origin::Ways;
use crate::model::object::{Node, PodSpec};
use crate::model::scheduling::{NodeOperator, Scheduling, Taint};

/// The nodes on which a pod may land, and whether all of them count; or what keeps it off every node. `of_daemon_set`:
/// the controller adds tolerations of its own.
pub(super) fn candidates<'a>(
    nodes: &'a [Node],
    spec: &PodSpec,
    of_daemon_set: bool,
) -> Result<(Vec<&'a Node>, Ways), String> {
    if nodes.is_empty() {
        return Err("no node was read that may run it, so its interface is not known".to_owned());
    }
    let none = Scheduling::default();
    let demands = spec.scheduling.as_deref().unwrap_or(&none);
    if let Some(name) = &demands.node_name
        && !nodes.iter().any(|node| node.meta.name == *name)
    {
        return Err(format!("node {name}, which it names, was not read, so its interface is not known"));
    }
    let mut fit = Vec::new();
    // By reason, the first node and how many more.
    let mut kept_off: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for node in nodes {
        let name = node.meta.name.as_str();
        match keeps_off(node, spec, demands, of_daemon_set) {
            Ok(()) => fit.push(node),
            Err(why) => {
                kept_off.entry(why).and_modify(|(_, more)| *more += 1).or_insert((name, 0));
            }
        }
    }
    if fit.is_empty() {
        let mut reasons: Vec<String> = kept_off.into_iter().map(|(why, nodes)| words(&why, nodes)).collect();
        let more = reasons.len().saturating_sub(SHOWN);
        reasons.truncate(SHOWN);
        if more > 0 {
            reasons.push(format!("and {more} more reasons"));
        }
        return Err(format!("no node that was read may run it: {}", reasons.join("; ")));
    }
    let chosen = if spec.picks_nodes { Ways::OneIsTrue } else { Ways::AllNeeded };
    Ok((fit, chosen))
}

/// How many reasons are named.
const SHOWN: usize = 3;

fn words(why: &str, (first, more): (&str, usize)) -> String {
    match more {
        0 => format!("{first} {why}"),
        _ => format!("{first} and {more} more: each {why}"),
    }
}

/// Why a pod does not come to a node.
fn keeps_off(node: &Node, spec: &PodSpec, demands: &Scheduling, of_daemon_set: bool) -> Result<(), String> {
    let labels = &node.meta.labels;
    if let Some(name) = demands.node_name.as_ref().filter(|name| node.meta.name != **name) {
        return Err(format!("is not {name}, which the pod names"));
    }
    for (key, value) in spec.node_selector.iter() {
        if labels.get(key) != Some(value) {
            return Err(format!("has no label {key}={value} (nodeSelector)"));
        }
    }
    if node.os.as_deref() == Some("windows") && !asks_for_windows(spec, demands) {
        return Err("runs Windows".to_owned());
    }
    if spec.picks_nodes {
        return Ok(());
    }
    if let Some(terms) = &demands.affinity
        && !terms.iter().any(|term| term.matches(&node.meta.name, labels))
    {
        return Err("does not match its node affinity".to_owned());
    }
    // Where the pod names its node no scheduler is asked, and kubelet looks at those taints only that evict.
    let is_bound = demands.node_name.is_some();
    let counts = |taint: &&Taint| if is_bound { taint.evicts() } else { taint.keeps_off() };
    let is_tolerated = |taint: &Taint| {
        demands.tolerations.iter().any(|t| t.tolerates(taint)) || is_tolerated_anyway(taint, spec, of_daemon_set)
    };
    match node.taints.iter().filter(counts).find(|taint| !is_tolerated(taint)) {
        Some(taint) => Err(format!("has the taint {taint}, which the pod does not tolerate")),
        None => Ok(()),
    }
}

/// Whether a taint is tolerated by what admission adds to every pod, and the controller to pods of a DaemonSet
/// (Kubernetes documentation, "Taints and Tolerations", "`DaemonSet`").
fn is_tolerated_anyway(taint: &Taint, spec: &PodSpec, of_daemon_set: bool) -> bool {
    match (&*taint.key, &*taint.effect) {
        ("node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable", "NoExecute") => true,
        (
            "node.kubernetes.io/disk-pressure"
            | "node.kubernetes.io/memory-pressure"
            | "node.kubernetes.io/pid-pressure"
            | "node.kubernetes.io/unschedulable",
            "NoSchedule",
        ) => of_daemon_set,
        ("node.kubernetes.io/network-unavailable", "NoSchedule") => of_daemon_set && spec.host_network,
        _ => false,
    }
}

fn asks_for_windows(spec: &PodSpec, demands: &Scheduling) -> bool {
    const OS: &str = "kubernetes.io/os";
    let names = |values: &[crate::model::Str]| values.iter().any(|v| *v == "windows");
    spec.node_selector.get(OS).is_some_and(|os| *os == "windows")
        || demands.node_name.is_some()
        || demands
            .affinity
            .iter()
            .flatten()
            .flat_map(|term| &term.expressions)
            .any(|e| e.key == OS && e.operator == NodeOperator::In && names(&e.values))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::object::Meta;
    use crate::model::scheduling::Toleration;

    fn node(name: &str, taints: &[(&str, &str)]) -> Node {
        let taint =
            |(key, effect): &(&str, &str)| Taint { key: (*key).into(), effect: (*effect).into(), ..Taint::default() };
        let meta = Meta { name: name.into(), ..Meta::default() };
        Node { meta, taints: taints.iter().map(taint).collect(), ..Node::default() }
    }

    fn names(nodes: &[Node], spec: &PodSpec, of_daemon_set: bool) -> Result<Vec<String>, String> {
        candidates(nodes, spec, of_daemon_set).map(|(fit, _)| fit.iter().map(|n| n.meta.name.to_string()).collect())
    }

    fn scheduled(scheduling: Scheduling) -> PodSpec {
        PodSpec { scheduling: Some(scheduling.into()), ..PodSpec::default() }
    }

    #[test]
    fn taints_keep_off_by_their_effects() {
        let nodes = [
            node("bare", &[]),
            node("preferred", &[("a", "PreferNoSchedule")]),
            node("shut", &[("a", "NoSchedule")]),
            node("evicts", &[("a", "NoExecute")]),
            node("unread", &[("a", "")]),
            node("lost", &[("node.kubernetes.io/unreachable", "NoExecute")]),
            node("cordoned", &[("node.kubernetes.io/unschedulable", "NoSchedule")]),
        ];
        let spec = PodSpec::default();
        assert_eq!(names(&nodes, &spec, false).unwrap(), ["bare", "preferred", "lost"]);
        assert_eq!(names(&nodes, &spec, true).unwrap(), ["bare", "preferred", "lost", "cordoned"]);
        let tolerations = vec![Toleration::new("a".into(), "Exists", "".into(), "".into()).unwrap()];
        let tolerant = scheduled(Scheduling { tolerations, ..Scheduling::default() });
        assert_eq!(names(&nodes, &tolerant, false).unwrap(), ["bare", "preferred", "shut", "evicts", "unread", "lost"]);
        let bound = scheduled(Scheduling { node_name: Some("shut".into()), ..Scheduling::default() });
        assert_eq!(names(&nodes, &bound, false).unwrap(), ["shut"]);
        let evicted = scheduled(Scheduling { node_name: Some("evicts".into()), ..Scheduling::default() });
        assert!(names(&nodes, &evicted, false).unwrap_err().contains("evicts has the taint a:NoExecute"));
    }

    #[test]
    fn it_is_said_what_keeps_a_pod_off() {
        let nodes = [node("a", &[("x", "NoSchedule")]), node("b", &[("x", "NoSchedule")]), node("c", &[])];
        let nowhere = scheduled(Scheduling { affinity: Some(Vec::new()), ..Scheduling::default() });
        let why = names(&nodes, &nowhere, false).unwrap_err();
        assert_eq!(why, "no node that was read may run it: a and 2 more: each does not match its node affinity");
        let why = names(&nodes[..2], &PodSpec::default(), false).unwrap_err();
        assert!(
            why.ends_with("a and 1 more: each has the taint x:NoSchedule, which the pod does not tolerate"),
            "{why}"
        );
        let absent = scheduled(Scheduling { node_name: Some("z".into()), ..Scheduling::default() });
        assert!(names(&nodes, &absent, false).unwrap_err().contains("node z, which it names, was not read"));
        assert!(names(&[], &PodSpec::default(), false).is_err());
    }

    #[test]
    fn what_is_not_understood_leaves_all_nodes_of_which_one_is_true() {
        let nodes = [node("a", &[("x", "NoSchedule")]), node("b", &[])];
        let spec = PodSpec { picks_nodes: true, ..PodSpec::default() };
        let (fit, ways) = candidates(&nodes, &spec, false).unwrap();
        assert_eq!((fit.len(), ways), (2, Ways::OneIsTrue));
    }
}
