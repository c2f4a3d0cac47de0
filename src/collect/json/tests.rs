#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::{ProblemClass, Snapshot};

fn builder() -> Builder {
    Builder::files(jiff::Timestamp::UNIX_EPOCH, "default")
}

fn read(text: &str) -> Snapshot {
    let mut builder = builder();
    let source = builder.source("a.json");
    decode_list(text.as_bytes(), source, &mut builder, None).unwrap();
    builder.finish()
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pods.iter().map(|pod| pod.meta.name.as_str()).collect()
}

const PODS: &str = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"next"},
 "items":[
  {"metadata":{"name":"a","namespace":"x","labels":{"l":"1"}},"spec":{"nodeName":"n"},"status":{"podIP":"10.0.0.1"}},
  {"metadata":{"name":"b","namespace":"x"},"spec":{"containers":[{"name":"c","env":[
     {"name":"GOPROXY","value":"https://u:p@proxy"},
     {"name":"GITHUB_TOKEN","value":"t"}]}]}}
 ]}"#;

#[test]
fn items_of_a_typed_list_have_its_kind() {
    let mut builder = builder();
    let source = builder.source("a.json");
    let page = decode_list(PODS.as_bytes(), source, &mut builder, None).unwrap();
    assert_eq!(page, Page { items: 2, continue_token: Some("next".into()), resource_version: Some("7".into()) });
    let snapshot = builder.finish();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.pods[0].ips[0].to_string(), "10.0.0.1");
    assert_eq!(snapshot.pods[0].node.as_deref(), Some("n"));
    assert_eq!((snapshot.pods[0].meta.origin.line, snapshot.pods[1].meta.origin.line), (3, 4));
    let env = &snapshot.pods[1].spec.containers[0].env;
    assert_eq!((env[0].line, env[1].line), (5, 6));
    assert_eq!(env[0].value, crate::model::object::EnvValue::Text("https://proxy".into()));
    assert_eq!(env[1].value, crate::model::object::EnvValue::NotKept);
}

#[test]
fn the_kind_may_come_after_the_items() {
    let text = r#"{"apiVersion":"v1","items":[{"metadata":{"name":"a","namespace":"x"}}],"kind":"PodList"}"#;
    assert_eq!(names(&read(text)), ["a"]);
    let mut facts = Facts::default();
    let again = decode_threaded(text.as_bytes(), None, 0, &mut facts, None, WhenKindIsLate::Reread);
    assert!(matches!(again, Err(Stop::KindIsLate)));
    let kind = list_kind(text.as_bytes()).unwrap().unwrap();
    assert_eq!(kind, ("v1".to_owned(), "Pod".to_owned()));
    let mut facts = Facts::default();
    decode_threaded(text.as_bytes(), None, 0, &mut facts, Some((&kind.0, &kind.1)), WhenKindIsLate::Reread).unwrap();
    assert_eq!(facts.pods.len(), 1);
}

#[test]
fn lists_may_mix_kinds_and_lie_in_lists() {
    let snapshot = read(
        r#"{"apiVersion":"v1","items":[
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"x"}},
            {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}},
            {"apiVersion":"v1","kind":"List","items":[{"kind":"Pod","apiVersion":"v1","metadata":{"name":"b"}}]},
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"password":"x"}}
           ],"kind":"List"}
           {"kind":"Pod","apiVersion":"v1","metadata":{"name":"c","namespace":"y"}}"#,
    );
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    assert_eq!(snapshot.namespaces[0].meta.labels.get("kubernetes.io/metadata.name").unwrap(), "x");
    assert_eq!(snapshot.ignored_kinds["Secret"], 1);
    assert_eq!(snapshot.namespace_defaulted, 1);
    assert_eq!(snapshot.pods[1].meta.namespace.as_deref(), Some("default"));
}

#[test]
fn one_item_of_the_wrong_shape_spoils_only_itself() {
    let snapshot = read(
        r#"{"kind":"NetworkPolicyList","apiVersion":"networking.k8s.io/v1","items":[
            {"metadata":{"name":"a","namespace":"x"},"spec":{"podSelector":{"matchLabels":{"a":true}}}},
            {"metadata":{"name":"b","namespace":"x"},"spec":{"egress":[{"port":[]}]}}]}"#,
    );
    assert_eq!(snapshot.network_policies.len(), 1);
    let unreadable = &snapshot.problems[0];
    assert_eq!(unreadable.class, ProblemClass::Unreadable);
    assert_eq!(unreadable.kind.as_deref(), Some("NetworkPolicy"));
    assert_eq!((unreadable.namespace.as_deref(), unreadable.name.as_deref()), (Some("x"), Some("a")));
    assert_eq!(unreadable.line, 2);
    assert_eq!(snapshot.problems[1].class, ProblemClass::UnknownField);
    assert_eq!(*snapshot.network_policies[0].spec.unknown_fields[0], *"egress[0].port");
}

#[test]
fn a_list_that_is_cut_off_gives_what_came_before() {
    let mut builder = builder();
    let source = builder.source("a.json");
    let text = &PODS[..PODS.len() - 20];
    let malformed = decode_list(text.as_bytes(), source, &mut builder, None).unwrap_err();
    assert_eq!(malformed.kind.as_deref(), Some("Pod"));
    assert_eq!(malformed.line, 4);
    assert_eq!(names(&builder.finish()), ["a"]);
}

#[test]
fn what_is_not_json_is_malformed_with_its_line() {
    for (text, line) in [("{\n\"a\" 1}", 2), ("{\"a\":1,}", 1), ("\n\nkind: Pod", 3), ("{\"items\":[{} {}]}", 1)] {
        let mut builder = builder();
        let malformed = decode_list(text.as_bytes(), 0, &mut builder, None).unwrap_err();
        assert_eq!(malformed.line, line, "{text}");
    }
}

#[test]
fn threads_give_the_same_as_one_thread() {
    let items: Vec<_> = (0..40_000)
        .map(|i| format!("{{\"metadata\":{{\"name\":\"p{i}\",\"namespace\":\"n\",\"labels\":{{\"i\":\"\\\\{i}\"}}}}}}"))
        .collect();
    let text = format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[\n{}\n]}}", items.join(",\n"));
    assert!(text.len() > 2 << 20, "more than one batch");
    let mut inline = builder();
    decode_list(text.as_bytes(), 0, &mut inline, None).unwrap();
    let mut facts = Facts::default();
    decode_threaded(text.as_bytes(), None, 0, &mut facts, None, WhenKindIsLate::Keep).unwrap();
    let mut threaded = builder();
    threaded.append(facts);
    let (inline, threaded) = (inline.finish(), threaded.finish());
    assert_eq!(inline.pods.len(), 40_000);
    assert_eq!(inline.pods, threaded.pods);
    assert_eq!(inline.pods[39_999].meta.origin.line, 40_001);
}
