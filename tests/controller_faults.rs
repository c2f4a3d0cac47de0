//! The controller while its API server has a bad day: nothing that happens meanwhile is lost, nothing old is said as new,
//! and the server is not asked more than it can bear.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::apiserver::ApiServer;
use common::controller::{Controller, NS_AUDITS, USER, audit_of, condition, deny_all, server, wait};
use common::proxy::{Mode, Proxy, Seen};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(30);

/// How long after a fault a status has to be right: the longest pause of a watch, and some for the evaluation.
const SOON: Duration = Duration::from_secs(15);

const ALLOW: &str = "/apis/networking.k8s.io/v1/namespaces/tools/networkpolicies/builds-out";
const DENY: &str = "/apis/networking.k8s.io/v1/namespaces/tools/networkpolicies/cut-off";

fn path() -> String {
    format!("{NS_AUDITS}/builds")
}

fn is_compliant(truth: &'static str) -> impl Fn(&Value) -> bool {
    move |object| condition(object, "Compliant")["status"] == truth
}

/// The controller behind a proxy, with an audit that is compliant.
fn begin(more: &[&str]) -> Option<(ApiServer, Proxy, Controller)> {
    let server = server()?;
    server.apply(&audit_of("tools"));
    let proxy = Proxy::start(&server, USER);
    let controller = Controller::with(&proxy.kubeconfig(), more);
    wait(&server, &path(), LONG, is_compliant("True"));
    Some((server, proxy, controller))
}

/// A fault, a policy that is changed meanwhile, and what has to be so afterwards.
fn survives(proxy: &Proxy, server: &ApiServer, controller: &Controller, mode: Mode, lasts: Duration) -> Vec<Seen> {
    let allow = server.get(ALLOW).unwrap();
    let start = Instant::now();
    proxy.set(mode);
    std::thread::sleep(lasts / 2);
    server.delete(ALLOW);
    server.apply(&deny_all("tools"));
    std::thread::sleep(lasts / 2);
    assert!(controller.get("/livez").0.contains("200"), "{mode:?}: alive while the server is not there");
    let during = proxy.seen_since(start);
    let end = Instant::now();
    proxy.set(Mode::Pass);
    wait(server, &path(), SOON, is_compliant("False"));
    for patch in proxy.statuses_since(end) {
        let written: Value = serde_json::from_str(&patch.body).unwrap();
        assert!(!is_compliant("True")(&written), "{mode:?}: an old answer was written {:?} after", patch.at - end);
    }
    // Back to the beginning; what the server says of itself does not come back.
    server.delete(DENY);
    let metadata = json!({"name": allow["metadata"]["name"], "namespace": "tools"});
    server.apply(&json!({"apiVersion": allow["apiVersion"], "kind": allow["kind"], "metadata": metadata,
        "spec": allow["spec"]}));
    wait(server, &path(), LONG, is_compliant("True"));
    during
}

/// Requests by list and watch, of kinds that are watched.
fn by_place(seen: &[Seen]) -> BTreeMap<(String, bool), usize> {
    let mut counts = BTreeMap::new();
    for seen in seen.iter().filter(|seen| seen.is_watch() || seen.path.contains("limit=")) {
        *counts.entry((seen.place().to_owned(), seen.is_watch())).or_default() += 1;
    }
    counts
}

#[test]
fn no_change_is_lost_over_a_restart_and_the_server_is_not_run_down() {
    let start = Instant::now();
    let Some((server, proxy, controller)) = begin(&[]) else { return };
    let watches = by_place(&proxy.seen_since(start)).keys().filter(|(_, is_watch)| *is_watch).count();
    let seconds = 6;
    let during = survives(&proxy, &server, &controller, Mode::Cut, Duration::from_secs(seconds));
    // One a second for each watch, and the few that are no watch's.
    let most = watches * usize::try_from(seconds + 1).unwrap() + 10;
    assert!(watches > 5 && during.len() <= most, "{} connections of {watches} watches", during.len());
}

#[test]
fn kinds_of_which_nothing_happens_are_known_again_after_a_fault() {
    let Some((server, proxy, _controller)) = begin(&["--heartbeat", "1s"]) else { return };
    proxy.set(Mode::Cut);
    std::thread::sleep(Duration::from_secs(3));
    proxy.set(Mode::Pass);
    // Longer than the grace after which what a watch saw counts as old.
    let end = Instant::now();
    while end.elapsed() < Duration::from_secs(28) {
        std::thread::sleep(Duration::from_secs(1));
        let object = server.get(&path()).unwrap();
        assert!(is_compliant("True")(&object), "{:#}", object["status"]);
    }
    let written = proxy.statuses_since(end).len();
    assert!(written > 15, "it goes on writing: {written} times");
}

#[test]
fn refusals_are_waited_out() {
    let Some((server, proxy, controller)) = begin(&[]) else { return };
    for code in [429, 500] {
        let during = survives(&proxy, &server, &controller, Mode::Answer(code), Duration::from_secs(6));
        for (place, count) in by_place(&during) {
            assert!(count <= 7, "{code}: {place:?} was asked {count} times in 6 s");
        }
    }
}

#[test]
fn a_slow_server_is_waited_for() {
    let Some((server, proxy, controller)) = begin(&[]) else { return };
    survives(&proxy, &server, &controller, Mode::Slow(Duration::from_secs(2)), Duration::from_secs(6));
}

#[test]
fn kinds_that_are_installed_are_found_while_something_happens_all_the_time() {
    let Some((server, proxy, _controller)) = begin(&[]) else { return };
    // The question which kinds there are takes much longer than it is quiet.
    let start = Instant::now();
    proxy.set(Mode::Slow(Duration::from_secs(2)));
    server.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ciliumnetworkpolicies.cilium.io"},
        "spec": {
            "group": "cilium.io", "scope": "Namespaced",
            "names": {"plural": "ciliumnetworkpolicies", "singular": "ciliumnetworkpolicy", "kind": "CiliumNetworkPolicy"},
            "versions": [{"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    }));
    let mut turn = 0;
    let is_found = || proxy.seen_since(start).iter().any(|seen| seen.place().ends_with("/ciliumnetworkpolicies"));
    while !is_found() {
        assert!(start.elapsed() < Duration::from_secs(90), "{turn} changes, and the kind was not found");
        turn += 1;
        server.apply(&json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "busy", "annotations": {"turn": turn.to_string()}}}));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_the_server_has_forgotten_is_read_anew_and_not_without_end() {
    let Some((server, proxy, controller)) = begin(&[]) else { return };
    let during = survives(&proxy, &server, &controller, Mode::Gone, Duration::from_secs(6));
    let counts = by_place(&during);
    assert!(counts.contains_key(&("/api/v1/pods".to_owned(), false)), "listed again: {counts:?}");
    for (place, count) in counts {
        assert!(count <= 7, "{place:?} was asked {count} times in 6 s");
    }
}

#[test]
fn watches_that_end_as_they_begin_are_a_second_apart() {
    let Some((server, proxy, controller)) = begin(&[]) else { return };
    let during = survives(&proxy, &server, &controller, Mode::Brief, Duration::from_secs(6));
    let counts = by_place(&during);
    assert!(counts.len() > 5, "{counts:?}");
    for (place, count) in counts {
        assert!(count <= 7, "{place:?} was asked {count} times in 6 s");
    }
}

#[test]
fn a_write_that_is_not_answered_is_given_up_and_tried_again() {
    let Some((server, proxy, controller)) = begin(&[]) else { return };
    survives(&proxy, &server, &controller, Mode::Silent, Duration::from_secs(4));
    assert!(controller.said().contains("no answer within 10 s"), "{}", controller.said());
}

#[test]
fn who_fights_about_a_status_is_answered_ever_more_slowly_and_does_not_win() {
    let Some((server, proxy, _controller)) = begin(&[]) else { return };
    let start = Instant::now();
    let mut forged = audit_of("tools");
    forged["status"] = json!({"subjects": {"total": 7, "reachable": 7, "blocked": 0, "partial": 0, "unknown": 0}});
    let is_ours = |object: &Value| object["status"]["subjects"]["total"] == 1;
    let mut overwritten = 0;
    while start.elapsed() < Duration::from_secs(10) {
        if server.get(&path()).is_some_and(|object| is_ours(&object)) {
            server.apply(&forged);
            overwritten += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let written = proxy.statuses_since(start).len();
    assert!(overwritten >= 2 && (2..=6).contains(&written), "{overwritten} against {written}");
    let (object, _) = wait(&server, &path(), LONG, is_ours);
    assert!(is_compliant("True")(&object));

    // The next answer is written as any other.
    server.delete(ALLOW);
    server.apply(&deny_all("tools"));
    wait(&server, &path(), LONG, is_compliant("False"));
}

#[test]
fn a_leader_that_cannot_renew_its_lease_ends() {
    let lease = ["--leader-elect", "--lease-duration", "9s", "--lease-namespace", "default", "--identity", "one"];
    let Some((server, proxy, mut controller)) = begin(&lease) else { return };
    proxy.set(Mode::Cut);
    let cut = Instant::now();
    let status = controller.end(LONG).unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(cut.elapsed() < Duration::from_secs(9), "before anybody else may lead: {:?}", cut.elapsed());
    assert!(controller.said().contains("could not be renewed"), "{}", controller.said());
    let held = server.get("/apis/coordination.k8s.io/v1/namespaces/default/leases/buildreach-controller").unwrap();
    assert_eq!(held["spec"]["holderIdentity"], "one", "what cannot be reached cannot be given up");
}
