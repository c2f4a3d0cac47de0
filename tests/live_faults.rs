//! Collection from a server that misbehaves: what can be read is read, and the rest is not taken for absent.

#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use buildreach::collect::kube::{Cluster, LiveOptions, collect, preflight};
use buildreach::model::Snapshot;
use buildreach::model::snapshot::{CERTIFICATE_CONFIG_MAPS, CoverageState};
use buildreach::trust::objects::{Held, config_map};
use common::fake::{Answer, FakeServer};

const NO_GROUPS: &str = r#"{"kind":"APIGroupDiscoveryList","items":[]}"#;
const EMPTY: &str = r#"{"kind":"List","metadata":{"resourceVersion":"1"},"items":[]}"#;

#[allow(clippy::unnecessary_wraps)] // the type of an answer
fn ok(body: &str) -> Option<Answer> {
    Some((200, body.to_owned()))
}

#[allow(clippy::unnecessary_wraps)]
fn failure(code: u16, reason: &str) -> Option<Answer> {
    let body =
        format!(r#"{{"kind":"Status","status":"Failure","message":"scripted","reason":"{reason}","code":{code}}}"#);
    Some((code, body))
}

#[allow(clippy::unnecessary_wraps)]
fn pods(names: &[&str], next: &str) -> Option<Answer> {
    let items: Vec<_> = names
        .iter()
        .map(|name| format!(r#"{{"metadata":{{"name":"{name}","namespace":"ci"}},"spec":{{}}}}"#))
        .collect();
    let items = items.join(",");
    Some((
        200,
        format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"continue":"{next}"}},"items":[{items}]}}"#),
    ))
}

/// Answers as an empty cluster does.
fn empty(path: &str) -> Option<Answer> {
    match path {
        "/apis" => ok(NO_GROUPS),
        _ if path.contains("/configmaps/") => failure(404, "NotFound"),
        _ => ok(EMPTY),
    }
}

fn options(server: &FakeServer) -> LiveOptions {
    LiveOptions { kubeconfig: Some(server.kubeconfig()), ..LiveOptions::default() }
}

async fn read(server: &FakeServer) -> Snapshot {
    collect(&options(server), &|_, _| {}).await.unwrap()
}

fn state<'s>(snapshot: &'s Snapshot, kind: &str) -> &'s CoverageState {
    let row = snapshot.coverage.iter().find(|c| c.kind == kind && c.namespace.is_none());
    &row.unwrap_or_else(|| panic!("no row for {kind}")).state
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pods.iter().map(|pod| pod.meta.name.as_str()).collect()
}

#[tokio::test]
async fn an_expired_list_is_read_anew_without_what_came_before() {
    let pages = AtomicU32::new(0);
    let server = FakeServer::start(move |path| match path {
        _ if !path.starts_with("/api/v1/pods") => empty(path),
        _ if !path.contains("continue=") => pods(&["a", "b"], "old/token="),
        _ if pages.fetch_add(1, Ordering::SeqCst) == 0 => failure(410, "Expired"),
        _ => pods(&["c"], ""),
    })
    .await;
    let snapshot = read(&server).await;
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    assert_eq!(state(&snapshot, "Pod"), &CoverageState::Read);
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let pods: Vec<_> = server.requests().into_iter().filter(|path| path.starts_with("/api/v1/pods")).collect();
    let first = "/api/v1/pods?limit=500&fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";
    let next = format!("{first}&continue=old%2Ftoken%3D");
    assert_eq!(pods, [first, &next, first, &next]);
}

#[tokio::test]
async fn a_list_that_keeps_expiring_failed_and_leaves_nothing_behind() {
    let server = FakeServer::start(|path| match path {
        _ if !path.starts_with("/api/v1/pods") => empty(path),
        _ if path.contains("continue=") => failure(410, "Expired"),
        _ => pods(&["a"], "token"),
    })
    .await;
    let snapshot = read(&server).await;
    assert!(matches!(state(&snapshot, "Pod"), CoverageState::Failed(why) if why.contains("expired")));
    assert!(snapshot.pods.is_empty());
    assert_eq!(state(&snapshot, "Service"), &CoverageState::Read);
}

#[tokio::test]
async fn one_list_that_fails_does_not_end_the_others() {
    let server = FakeServer::start(|path| match path {
        _ if path.starts_with("/api/v1/services") => failure(500, "InternalError"),
        _ if path.starts_with("/api/v1/nodes") => Some((200, "<html>sign in</html>".to_owned())),
        _ if path.starts_with("/apis/apps/v1/deployments") => ok(r#"{"kind":"DeploymentList","items":[{"#),
        _ if path.starts_with("/apis/batch/v1/cronjobs") => failure(404, "NotFound"),
        _ if path.starts_with("/apis/batch/v1/jobs") => ok(r#"{"items":[],"metadata":{"continue":"again"}}"#),
        _ if path.starts_with("/api/v1/pods") => pods(&["a"], ""),
        _ => empty(path),
    })
    .await;
    let snapshot = read(&server).await;
    let failed = |kind: &str, why: &str| match state(&snapshot, kind) {
        CoverageState::Failed(text) => assert!(text.contains(why), "{kind}: {text}"),
        other => panic!("{kind}: {other:?}"),
    };
    failed("Service", "scripted (500)");
    failed("Node", "no list");
    failed("Deployment", "not JSON");
    failed("Job", "same page");
    assert_eq!(state(&snapshot, "CronJob"), &CoverageState::NotInstalled);
    assert_eq!(names(&snapshot), ["a"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_on() {
    let server = FakeServer::start(|path| if path.starts_with("/api/v1/nodes") { None } else { empty(path) }).await;
    let options = LiveOptions { request_timeout: Some(Duration::from_millis(300)), ..options(&server) };
    let snapshot = collect(&options, &|_, _| {}).await.unwrap();
    assert!(matches!(state(&snapshot, "Node"), CoverageState::Failed(why) if why.contains("no answer within 0.3 s")));
    assert_eq!(state(&snapshot, "Pod"), &CoverageState::Read);
}

#[tokio::test]
async fn an_object_of_another_shape_is_a_problem_of_its_own() {
    let server = FakeServer::start(|path| match path {
        _ if path.starts_with("/apis/networking.k8s.io") => {
            ok(r#"{"kind":"NetworkPolicyList","apiVersion":"networking.k8s.io/v1","metadata":{},"items":[
              {"metadata":{"name":"odd","namespace":"ci"},"spec":{"podSelector":7}},
              {"metadata":{"name":"fine","namespace":"ci"},"spec":{"podSelector":{}}}]}"#)
        }
        _ => empty(path),
    })
    .await;
    let snapshot = read(&server).await;
    assert_eq!(snapshot.network_policies.len(), 1);
    assert_eq!(snapshot.problems.len(), 1);
    let problem = &snapshot.problems[0];
    assert_eq!((problem.kind.as_deref(), problem.name.as_deref()), (Some("NetworkPolicy"), Some("odd")));
}

#[tokio::test]
async fn an_older_server_is_asked_group_by_group() {
    let server = FakeServer::start(|path| match path {
        "/apis" => ok(r#"{"kind":"APIGroupList","groups":[
            {"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}]},
            {"name":"cilium.io","versions":[{"groupVersion":"cilium.io/v2","version":"v2"}]},
            {"name":"crd.antrea.io","versions":[{"groupVersion":"crd.antrea.io/v1beta1","version":"v1beta1"}]}]}"#),
        "/apis/cilium.io/v2" => ok(r#"{"kind":"APIResourceList","resources":[
            {"name":"ciliumnetworkpolicies","kind":"CiliumNetworkPolicy","namespaced":true,"verbs":["list"]},
            {"name":"ciliumnetworkpolicies/status","kind":"CiliumNetworkPolicy","namespaced":true,"verbs":["get"]}]}"#),
        "/apis/crd.antrea.io/v1beta1" => failure(500, "InternalError"),
        _ => empty(path),
    })
    .await;
    let snapshot = read(&server).await;
    assert_eq!(state(&snapshot, "CiliumNetworkPolicy"), &CoverageState::Read);
    assert_eq!(state(&snapshot, "CiliumClusterwideNetworkPolicy"), &CoverageState::NotInstalled);
    assert!(matches!(state(&snapshot, "Tier.crd.antrea.io"), CoverageState::Failed(_)));
    let asked = server.requests();
    assert!(asked.iter().any(|path| path.starts_with("/apis/cilium.io/v2/ciliumnetworkpolicies?")));
    assert!(!asked.iter().any(|path| path.starts_with("/apis/apps/v1?") || path == "/apis/apps/v1"));
}

#[tokio::test]
async fn closed_discovery_means_trying_every_known_kind() {
    let server = FakeServer::start(|path| match path {
        "/apis" => failure(403, "Forbidden"),
        _ if path.contains("cilium.io") => failure(403, "Forbidden"),
        _ if path.contains("antrea") => failure(404, "NotFound"),
        _ => empty(path),
    })
    .await;
    let snapshot = read(&server).await;
    assert_eq!(state(&snapshot, "CiliumNetworkPolicy"), &CoverageState::Forbidden);
    assert_eq!(state(&snapshot, "ClusterGroup"), &CoverageState::NotInstalled);
    assert_eq!(state(&snapshot, "AdminNetworkPolicy"), &CoverageState::Read);
}

#[tokio::test]
async fn revisions_of_a_mesh_are_read_where_namespaces_name_them() {
    let server = FakeServer::start(|path| match path {
        _ if path.starts_with("/api/v1/namespaces?") => ok(r#"{"kind":"NamespaceList","apiVersion":"v1","metadata":{},
            "items":[{"metadata":{"name":"istio-system"}},{"metadata":{"name":"ci","labels":{"istio.io/rev":"1-27"}}}]}"#),
        "/api/v1/namespaces/istio-system/configmaps/istio-1-27" => ok(
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"istio-1-27","namespace":"istio-system"},
                "data":{"mesh":"outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}}"#,
        ),
        _ => empty(path),
    })
    .await;
    let snapshot = read(&server).await;
    assert_eq!(snapshot.config_maps.len(), 1);
    assert_eq!(snapshot.config_maps[0].meta.name, "istio-1-27");
    let asked: Vec<_> = server.requests().into_iter().filter(|path| path.contains("/configmaps/")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
}

/// A pod that mounts the ConfigMap `corp-ca` over the store, in one page.
fn pod_with_ca(namespaces: &[&str]) -> Option<Answer> {
    let items: Vec<_> = namespaces
        .iter()
        .map(|namespace| {
            format!(
                r#"{{"metadata":{{"name":"p","namespace":"{namespace}"}},"spec":{{"volumes":[{{"name":"ca","configMap":{{"name":"corp-ca"}}}}],
                "containers":[{{"name":"c","volumeMounts":[{{"name":"ca","mountPath":"/etc/ssl/certs"}}]}}]}}}}"#
            )
        })
        .collect();
    ok(&format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{}]}}"#, items.join(",")))
}

#[tokio::test]
async fn mounted_config_maps_are_read_by_name_and_a_refusal_is_not_an_absence() {
    let server = FakeServer::start(|path| match path {
        _ if path.starts_with("/api/v1/pods") => pod_with_ca(&["there", "absent", "closed"]),
        "/api/v1/namespaces/there/configmaps/corp-ca" => ok(
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"corp-ca","namespace":"there"},"data":{"ca.crt":"none"}}"#,
        ),
        "/api/v1/namespaces/closed/configmaps/corp-ca" => failure(403, "Forbidden"),
        _ => empty(path),
    })
    .await;
    let snapshot = read(&server).await;
    let held = |namespace| config_map(&snapshot, namespace, "corp-ca");
    assert!(matches!(held("there"), Held::Keys(keys) if keys[0].key == "ca.crt" && keys[0].certificates.is_empty()));
    assert_eq!(held("absent"), Held::Absent);
    assert!(matches!(held("closed"), Held::Unknown(why) if why.contains("may not read it")));
    assert!(matches!(held("elsewhere"), Held::Unknown(why) if why.contains("only ConfigMaps that pods mount")));
    let rows = snapshot.coverage.iter().filter(|row| row.kind == CERTIFICATE_CONFIG_MAPS);
    let rows: Vec<_> = rows.map(|row| (row.namespace.as_deref(), &row.state)).collect();
    let want = [
        (Some("absent"), &CoverageState::Read),
        (Some("closed"), &CoverageState::Forbidden),
        (Some("there"), &CoverageState::Read),
    ];
    assert_eq!(rows, want);
    assert!(!server.requests().iter().any(|path| path.contains("secrets")));
}

#[tokio::test]
async fn no_server_and_refused_credentials_end_with_one_clear_line() {
    let server = FakeServer::start(|_| failure(401, "Unauthorized")).await;
    let error = collect(&options(&server), &|_, _| {}).await.unwrap_err().to_string();
    assert!(error.contains("of context `fake` does not accept the credentials: scripted"), "{error}");
    let error = preflight(&options(&server)).await.unwrap_err().to_string();
    assert!(error.contains("does not accept the credentials"), "{error}");

    // Port 1 of this machine serves nothing.
    let options = LiveOptions { server: Some("http://127.0.0.1:1".to_owned()), ..options(&server) };
    let error = collect(&options, &|_, _| {}).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot reach the API server http://127.0.0.1:1 of context `fake`: "), "{error}");
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_config_maps_of_a_server_that_hangs_do_not_hold_up_the_controller() {
    let server = FakeServer::start(|path| if path.contains("/configmaps/") { None } else { empty(path) }).await;
    let named = (0..200).map(|n| ("ci".into(), format!("ca-{n}").as_str().into()));
    let options = LiveOptions {
        config_maps: named.collect(),
        request_timeout: Some(Duration::from_millis(500)),
        ..options(&server)
    };
    let mut cluster = Cluster::watch(&options, &[]).await.unwrap();
    let start = Instant::now();
    let snapshot = cluster.snapshot().await;
    // One after the other they would take a hundred seconds, and a few at once twenty-five.
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    let row = snapshot.coverage.iter().find(|row| row.kind == CERTIFICATE_CONFIG_MAPS).unwrap();
    assert!(matches!(&row.state, CoverageState::Failed(why) if why.contains("too slowly")), "{row:?}");
    let asked = server.requests().iter().filter(|path| path.contains("/configmaps/ca-")).count();
    assert!((2..100).contains(&asked), "{asked} were asked for");
}
