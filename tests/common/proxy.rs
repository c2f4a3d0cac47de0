//! Stands between a client and a real API server, and has bad days on command.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::apiserver::ApiServer;

/// What the proxy does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Pass,
    /// Closes every connection as soon as it is there.
    Cut,
    /// Reads writes and never answers them.
    Silent,
    /// Answers all with this code.
    Answer(u16),
    /// Passes them on after this time.
    Slow(Duration),
    /// Answers watches with: what you ask for is gone (410).
    Gone,
    /// Ends watches as soon as they began.
    Brief,
}

/// A request that came, or (without a path) a connection that was cut.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// How.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What was sent.
    pub body: String,
}

impl Seen {
    /// Whether it asks to be told what happens.
    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true")
    }

    /// Which kind is listed or watched.
    pub fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// A proxy on loopback, without TLS; it ends with this.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    seen: Arc<Mutex<Vec<Seen>>>,
    dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    /// Starts a proxy whose requests come from `user`, as the server sees it.
    pub fn start(server: &ApiServer, user: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (mode, modes) = watch::channel(Mode::Pass);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (client, listener) = runtime.block_on(async {
            (server.client(user).await, TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
        });
        let address = listener.local_addr().expect("its address");
        let log = Arc::clone(&seen);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if *modes.borrow() == Mode::Cut {
                    note(&log, Method::CONNECT, String::new(), String::new());
                    continue;
                }
                tokio::spawn(serve(stream, client.clone(), modes.clone(), Arc::clone(&log)));
            }
        });
        Self { address, mode, seen, dir: tempfile::tempdir().expect("a temporary folder"), _runtime: runtime }
    }

    /// From now on. Connections that are open are cut, except for [`Mode::Pass`] and [`Mode::Slow`].
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Everything that came at or after an instant.
    pub fn seen_since(&self, start: Instant) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.at >= start).cloned().collect()
    }

    /// What was written into statuses since an instant.
    pub fn statuses_since(&self, start: Instant) -> Vec<Seen> {
        let mut seen = self.seen_since(start);
        seen.retain(|seen| seen.method == Method::PATCH && seen.place().ends_with("/status"));
        seen
    }

    /// A kubeconfig whose context leads here.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n\
             clusters: [{{name: test, cluster: {{server: 'http://{}'}}}}]\nusers: [{{name: test, user: {{}}}}]\n",
            self.address
        );
        std::fs::write(&path, text).expect("the kubeconfig");
        path
    }
}

fn note(seen: &Mutex<Vec<Seen>>, method: Method, path: String, body: String) {
    seen.lock().unwrap().push(Seen { at: Instant::now(), method, path, body });
}

async fn serve(stream: TcpStream, client: kube::Client, mut modes: watch::Receiver<Mode>, seen: Arc<Mutex<Vec<Seen>>>) {
    let now = modes.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (client, mode, seen) = (client.clone(), *now.borrow(), Arc::clone(&seen));
        async move { Ok::<_, Infallible>(answer(request, &client, mode, &seen).await) }
    });
    modes.mark_unchanged();
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let cut = async { while modes.changed().await.is_ok() && matches!(*modes.borrow(), Mode::Pass | Mode::Slow(_)) {} };
    tokio::select! {
        _ = connection => {}
        () = cut => {}
    }
}

type AnyBody = UnsyncBoxBody<Bytes, kube::Error>;

fn text(code: u16, text: String) -> Response<AnyBody> {
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).expect("a status code");
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn status(code: u16) -> String {
    format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"scripted","code":{code}}}"#
    )
}

async fn answer(
    request: Request<Incoming>,
    client: &kube::Client,
    mode: Mode,
    seen: &Mutex<Vec<Seen>>,
) -> Response<AnyBody> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_watch = path.contains("watch=true");
    note(seen, head.method.clone(), path, String::from_utf8_lossy(&body).into_owned());
    match mode {
        Mode::Silent if head.method == Method::PATCH => std::future::pending().await,
        Mode::Answer(code) => return text(code, status(code)),
        Mode::Slow(time) => tokio::time::sleep(time).await,
        Mode::Gone if is_watch => {
            return text(200, format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status(410)));
        }
        Mode::Brief if is_watch => return text(200, String::new()),
        Mode::Pass | Mode::Cut | Mode::Silent | Mode::Gone | Mode::Brief => {}
    }
    // The client says who it is, and to whom it speaks.
    head.headers.remove(http::header::HOST);
    match client.send(Request::from_parts(head, Body::from(body.to_vec()))).await {
        Ok(response) => response.map(Body::boxed_unsync),
        Err(error) => text(502, format!("{{\"kind\":\"Status\",\"message\":{:?},\"code\":502}}", error.to_string())),
    }
}
