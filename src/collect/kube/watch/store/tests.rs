#![allow(clippy::unwrap_used)]

use super::super::super::kinds::{How, plan};
use super::*;
use crate::model::{CoverageState, Snapshot};

const START: jiff::Timestamp = jiff::Timestamp::constant(1_800_000_000, 0);

fn after(seconds: i64) -> jiff::Timestamp {
    START + jiff::SignedDuration::from_secs(seconds)
}

/// A store of one kind that is watched.
fn store(kind: &str) -> Store {
    let planned = plan(&super::super::super::discover::Served::unreadable());
    let planned = planned.iter().find(|planned| planned.kind.kind == kind).unwrap();
    assert_eq!(planned.how, How::List);
    let mut store = Store::new("test");
    store.slots.push(Slot::new(planned, None));
    store
}

fn sent(text: &str) -> Sent {
    serde_json::from_str(text).unwrap()
}

fn policy(name: &str) -> Sent {
    sent(&format!(r#"{{"metadata":{{"name":"{name}","namespace":"ci"}},"spec":{{"podSelector":{{}}}}}}"#))
}

fn listed(store: &mut Store, names: &[&str]) {
    store.apply(0, Event::Init, START);
    for name in names {
        store.apply(0, Event::Listed(policy(name)), START);
    }
    assert!(store.apply(0, Event::Done, START));
}

fn seen(store: &Store, now: jiff::Timestamp) -> Snapshot {
    store.builder(now, |_| true).finish()
}

fn names(store: &Store, now: jiff::Timestamp) -> Vec<String> {
    seen(store, now).network_policies.iter().map(|policy| policy.meta.name.to_string()).collect()
}

fn state(store: &Store, now: jiff::Timestamp) -> CoverageState {
    seen(store, now).coverage[0].state.clone()
}

fn broken() -> Event {
    Event::Failed(CoverageState::Failed("connection refused".to_owned()))
}

#[test]
fn a_list_in_progress_is_not_seen_half() {
    let mut store = store("NetworkPolicy");
    assert!(!store.is_settled());
    assert!(matches!(state(&store, START), CoverageState::Failed(_)), "nothing is known before the first list");
    listed(&mut store, &["a", "b"]);
    assert!(store.is_settled());
    store.apply(0, Event::Init, START);
    assert!(!store.apply(0, Event::Listed(policy("c")), START));
    assert_eq!(names(&store, START), ["a", "b"], "a second list is in progress");
    store.apply(0, Event::Done, START);
    assert_eq!(names(&store, START), ["c"]);

    // One that breaks off leaves nothing behind, not even in the next.
    store.apply(0, Event::Init, START);
    store.apply(0, Event::Listed(policy("d")), START);
    store.apply(0, broken(), START);
    assert_eq!(names(&store, START), ["c"]);
    listed(&mut store, &["e"]);
    assert_eq!(names(&store, START), ["e"]);
}

#[test]
fn what_a_failing_watch_saw_counts_for_the_grace_and_is_in_doubt() {
    let mut store = store("NetworkPolicy");
    listed(&mut store, &["a"]);
    assert!(!store.is_in_doubt(START));
    assert!(!store.apply(0, broken(), START), "nothing else is known than before");
    // That it fails again begins no new grace.
    store.apply(0, broken(), after(15));
    assert_eq!(state(&store, after(19)), CoverageState::Read);
    assert_eq!(names(&store, after(19)), ["a"]);
    assert!(store.is_in_doubt(after(19)));
    assert_eq!(store.next_to_age(START), Some(after(20)));
    assert!(matches!(state(&store, after(20)), CoverageState::Failed(why) if why == "connection refused"));
    assert!(names(&store, after(20)).is_empty());
    assert!(!store.is_in_doubt(after(20)), "that it is not known is certain");

    assert!(store.apply(0, Event::Resumed, after(30)));
    assert_eq!(names(&store, after(30)), ["a"], "nothing happened meanwhile");
    assert_eq!(store.next_to_age(START), None);
    assert!(!store.apply(0, Event::Resumed, after(30)), "a watch that the server ended in time is no news");
}

#[test]
fn what_may_not_be_read_any_more_counts_as_that_at_once() {
    let mut store = store("NetworkPolicy");
    listed(&mut store, &["a"]);
    assert!(store.apply(0, Event::Failed(CoverageState::Forbidden), START));
    assert_eq!(state(&store, START), CoverageState::Forbidden);
    assert!(names(&store, START).is_empty());
    assert!(!store.is_in_doubt(START));
}

#[test]
fn what_was_never_listed_has_no_grace() {
    let mut store = store("NetworkPolicy");
    assert!(store.apply(0, broken(), START));
    assert!(store.is_settled());
    assert!(matches!(state(&store, START), CoverageState::Failed(_)));
}

#[test]
fn an_object_of_another_shape_is_a_problem_and_the_others_stay() {
    let mut store = store("NetworkPolicy");
    listed(&mut store, &["a", "b"]);
    let odd = sent(r#"{"metadata":{"name":"b","namespace":"ci"},"spec":{"podSelector":7}}"#);
    assert!(store.apply(0, Event::Applied(odd), START));
    let snapshot = seen(&store, START);
    assert_eq!(names(&store, START), ["a"]);
    assert_eq!(snapshot.problems.len(), 1);
    assert_eq!(snapshot.problems[0].name.as_deref(), Some("b"));
    assert_eq!(state(&store, START), CoverageState::Read);
    // The problem goes with the object that has it.
    store.apply(0, Event::Applied(policy("b")), START);
    assert!(seen(&store, START).problems.is_empty());
    assert_eq!(names(&store, START), ["a", "b"]);
    assert!(store.apply(0, Event::Gone(policy("b")), START));
    assert!(!store.apply(0, Event::Gone(policy("b")), START));
    assert_eq!(names(&store, START), ["a"]);
}

#[test]
fn why_a_kind_is_not_watched_is_kept_up_to_date() {
    let planned = plan(&super::super::super::discover::Served::unreadable());
    let planned = planned.into_iter().find(|planned| planned.kind.kind == "NetworkPolicy").unwrap();
    let slot = |how: How| Slot::new(&super::super::super::kinds::Planned { kind: planned.kind.clone(), how }, None);
    let mut store = Store::new("test");
    assert_eq!(store.settle(&[slot(How::NotServed)]), None, "another kind");
    store.slots = vec![slot(How::NotServed)];
    let before = store.revision;
    assert_eq!(store.settle(&[slot(How::NotServed)]), Some(false));
    assert_eq!(store.revision, before);
    // What serves it is down: what it holds is not known, and that nothing is there is no fact.
    assert_eq!(store.settle(&[slot(How::Failed("down".to_owned()))]), Some(true));
    assert_eq!(state(&store, START), CoverageState::Failed("down".to_owned()));
    assert_ne!(store.revision, before);
    assert_eq!(store.settle(&[slot(How::List)]), None, "now it can be watched");
}
