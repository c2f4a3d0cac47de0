//! An API server that answers from a script: for what a real one does only on a bad day.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Status code and body.
pub type Answer = (u16, String);

/// A server on loopback, without TLS. It lives as long as the runtime of the test.
pub struct FakeServer {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    dir: tempfile::TempDir,
}

impl FakeServer {
    /// Starts a server; `answer` gets each request's path with its query. No answer: the request hangs.
    pub async fn start(answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move { serve(stream, &seen, answer.as_ref()).await });
            }
        });
        Self { url, requests, dir: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Every request so far: path and query.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A kubeconfig whose context `fake` leads here.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
             contexts: [{{name: fake, context: {{cluster: fake, user: fake, namespace: ci}}}}]\n\
             clusters: [{{name: fake, cluster: {{server: '{}'}}}}]\nusers: [{{name: fake, user: {{}}}}]\n",
            self.url
        );
        std::fs::write(&path, text).expect("the kubeconfig");
        path
    }
}

/// Answers the requests of one connection.
async fn serve(
    mut stream: tokio::net::TcpStream,
    seen: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str) -> Option<Answer> + Send + Sync),
) {
    let mut buffer = Vec::new();
    loop {
        // The requests have no bodies: a head ends each.
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.lock().unwrap().push(path.clone());
        let Some((code, body)) = answer(&path) else {
            std::future::pending::<()>().await;
            return;
        };
        let head =
            format!("HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}
