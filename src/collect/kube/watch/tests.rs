//! What a cluster does beside taking in events.
#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::connect::{Connection, install_crypto_provider};
use super::super::kinds::{How, Planned};
use super::*;
use crate::model::CoverageState;

/// A server of which nothing is known but that it has no such object.
async fn empty_server() -> (Connection, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
        let answer =
            format!("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    install_crypto_provider();
    let client = kube::Client::try_from(kube::Config::new(server.parse().unwrap())).unwrap();
    let timeout = Some(Duration::from_secs(10));
    (Connection { client, name: "test".to_owned(), server, namespace: "default".to_owned(), timeout }, task)
}

/// A cluster of which pods are watched, by the word of the test.
fn cluster(connection: Connection) -> Cluster {
    let kind = plan(&Served::new(Vec::new())).into_iter().find(|planned| planned.kind.kind == "Pod").unwrap().kind;
    let mut store = Store::new("test");
    store.slots = vec![Slot::new(&Planned { kind, how: How::List }, None)];
    let reader = Reader {
        connection,
        page_size: 500,
        progress: &|_, _| {},
        instant: jiff::Timestamp::UNIX_EPOCH,
        source: 0,
        fallback: Vec::new(),
    };
    let mut cluster = Cluster::new(reader, &["ci".to_owned()], Vec::new(), store);
    cluster.next_round += PERIOD * 9;
    cluster.take(0, Event::Init);
    cluster.take(0, Event::Done);
    cluster
}

fn pod() -> Sent {
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "build", "namespace": "ci"},
        "spec": {"containers": [{"name": "build", "image": "golang", "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
            "env": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}]}],
            "volumes": [{"name": "ca", "configMap": {"name": "ca"}}]}});
    serde_json::from_str(&pod.to_string()).unwrap()
}

#[tokio::test]
async fn config_maps_that_are_named_again_are_read_again() {
    let (connection, server) = empty_server().await;
    let mut cluster = cluster(connection);
    cluster.take(0, Event::Applied(pod()));
    cluster.snapshot().await;
    let named = cluster.names();
    assert!(named.contains_key("ci") && cluster.read == named);
    // In a moment in which the pod is not there, those of which it is none are asked for.
    cluster.take(0, Event::Gone(pod()));
    let others = cluster.names();
    assert!(!others.contains_key("ci"));
    let (sender, answer) = tokio::sync::oneshot::channel();
    cluster.reading = Some(tokio::spawn(async move { answer.await.unwrap() }));
    cluster.take(0, Event::Applied(pod()));
    cluster.snapshot().await;
    // The answer comes when it is there again.
    assert!(sender.send((others, Vec::new())).is_ok());
    while cluster.reading.is_some() {
        tokio::time::timeout(Duration::from_secs(30), cluster.changed()).await.unwrap();
    }
    let taken = cluster.snapshot().await;
    assert_eq!(cluster.read, named);
    let row = taken.snapshot.coverage.iter().find(|row| row.kind == crate::model::snapshot::CERTIFICATE_CONFIG_MAPS);
    assert_eq!(row.map(|row| &row.state), Some(&CoverageState::Read));
    server.abort();
}
