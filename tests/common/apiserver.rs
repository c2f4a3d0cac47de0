//! A real kube-apiserver with etcd on loopback, and with kube-controller-manager where a test asks for it.
//!
//! The binaries are found through `$KUBEBUILDER_ASSETS` (`tests/kube-binaries.sh` builds them). Without
//! it a test says that it was skipped; with `CI=true` that is a failure.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::{Method, Request};
use kube::{Client, Config};
use serde_json::{Value, json};

/// Users that the server knows; what they may do is up to role bindings.
pub const ADMIN: &str = "admin";

/// A running server; it ends when this is dropped, or when the test process ends.
pub struct ApiServer {
    dir: PathBuf,
    url: String,
    /// Ends the processes and removes the folder when its input, a pipe from here, is closed: that is
    /// so in whatever way the test process ends, and however long this value lives.
    shell: Child,
    /// Whether there is a controller manager.
    has_controllers: bool,
}

/// The controllers that make of objects what tests look at. Nobody runs pods here, so those that act on what nodes and pods
/// do not do are left out: the pods of a DaemonSet would be agents that never become ready, and Nodes would be lost.
const CONTROLLERS: &str = "clusterrole-aggregation-controller,cronjob-controller,deployment-controller,\
    garbage-collector-controller,job-controller,namespace-controller,replicaset-controller,\
    root-ca-certificate-publisher-controller,serviceaccount-controller,ttl-after-finished-controller";

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl ApiServer {
    /// Starts a server that knows the user `admin` and the given ones; `None` (and a line that says so)
    /// where there are no binaries.
    pub fn start(users: &[&str]) -> Option<Self> {
        Self::start_with(users, false)
    }

    /// The same with the controller manager: what is made of Deployments, Jobs and CronJobs is there, what has lost its
    /// owner goes, and pods have service accounts. No pod is scheduled.
    pub fn with_controllers(users: &[&str]) -> Option<Self> {
        Self::start_with(users, true)
    }

    fn start_with(users: &[&str], has_controllers: bool) -> Option<Self> {
        let Some(assets) = env::var_os("KUBEBUILDER_ASSETS").filter(|path| !path.is_empty()) else {
            assert!(
                env::var_os("CI").is_none_or(|ci| ci != "true"),
                "KUBEBUILDER_ASSETS is not set, and with CI=true the tests against a real API server must run"
            );
            eprintln!("skipped: KUBEBUILDER_ASSETS is not set, so nothing is tested against a real API server here");
            return None;
        };
        install_crypto_provider();
        Some(Self::start_in(Path::new(&assets), users, has_controllers))
    }

    fn start_in(assets: &Path, users: &[&str], has_controllers: bool) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder").keep();
        let [store, peer, secure] = free_ports();
        let url = format!("https://127.0.0.1:{secure}");
        let path = |name: &str| dir.join(name).display().to_string();

        let mut tokens = format!("token-{ADMIN},{ADMIN},{ADMIN},\"system:masters\"\n");
        for user in users {
            tokens.push_str(&format!("token-{user},{user},{user}\n"));
        }
        fs::write(path("tokens.csv"), tokens).expect("the token file");

        let store_url = format!("http://127.0.0.1:{store}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let etcd = [
            program(assets, "etcd"),
            format!("--data-dir={}", path("etcd")),
            "--unsafe-no-fsync".to_owned(),
            format!("--listen-client-urls={store_url}"),
            format!("--advertise-client-urls={store_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
        ];
        // The key that the server makes for its own certificate also serves for service accounts.
        let key = path("pki/apiserver.key");
        let mut apiserver = vec![
            program(assets, "kube-apiserver"),
            format!("--etcd-servers={store_url}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={secure}"),
            format!("--cert-dir={}", path("pki")),
            "--service-cluster-ip-range=10.43.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            format!("--service-account-issuer={url}/"),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--endpoint-reconciler-type=none".to_owned(),
        ];
        if !has_controllers {
            // Nobody makes the account `default` of a namespace, without which no pod would be admitted.
            apiserver.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        let manager = [
            assets.join("kube-controller-manager").display().to_string(),
            format!("--kubeconfig={}", path(&kubeconfig_name(ADMIN, "default"))),
            format!("--controllers={CONTROLLERS}"),
            format!("--root-ca-file={}", path("pki/apiserver.crt")),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        // Nothing here is worth an orderly end, for which the server would wait for its store.
        let script = format!(
            "cd {}\n{} >etcd.log 2>&1 </dev/null & etcd=$!\n{} >apiserver.log 2>&1 </dev/null & apiserver=$!\n\
             if read -r _; then\n{} >controllers.log 2>&1 </dev/null & manager=$!\nread -r _\nfi\n\
             kill -9 $manager $apiserver $etcd\nwait\ncd /\nrm -rf {}\n",
            quote(&path("")),
            line(&etcd),
            line(&apiserver),
            line(&manager),
            quote(&path("")),
        );
        let shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let mut server = Self { dir, url, shell, has_controllers };
        block_on(server.wait_until_ready());
        if has_controllers {
            program(assets, "kube-controller-manager");
            server.start_controllers();
        }
        server
    }

    /// Its kubeconfig needs the certificate that the server makes when it starts: so it begins when the server is ready.
    fn start_controllers(&mut self) {
        self.kubeconfig(ADMIN, None);
        let stdin = self.shell.stdin.as_mut().expect("the shell's input");
        std::io::Write::write_all(stdin, b"\n").expect("the shell");
        block_on(async { self.wait_for_account(&self.client(ADMIN).await, "default").await });
    }

    /// Waits for the account `default` of a namespace, without which pods are refused.
    async fn wait_for_account(&self, client: &Client, namespace: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = client.request_text(request(Method::GET, &path, None)).await {
            assert!(Instant::now() < deadline, "no controller manager: {error}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let ready = match self.try_client(ADMIN).await {
                Ok(client) => client.request_text(request(Method::GET, "/readyz", None)).await,
                Err(error) => Err(error),
            };
            match ready {
                Ok(_) => return,
                Err(error) if Instant::now() > deadline => panic!("no API server: {error}\n{}", self.logs()),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.dir.join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("{name}:\n{}\n", lines[lines.len().saturating_sub(15)..].join("\n"))
        };
        tail("etcd.log") + &tail("apiserver.log") + &tail("controllers.log")
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig for a user, with that namespace as the context's where given. Its context is named `test`.
    pub fn kubeconfig(&self, user: &str, namespace: Option<&str>) -> PathBuf {
        self.kubeconfig_with(user, &format!("token-{user}"), namespace.unwrap_or("default"))
    }

    /// The same for who holds that token.
    pub fn kubeconfig_with(&self, user: &str, token: &str, namespace: &str) -> PathBuf {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}],
            "clusters": [{"name": "test", "cluster": {
                "server": self.url,
                "certificate-authority": self.dir.join("pki/apiserver.crt"),
            }}],
            "users": [{"name": user, "user": {"token": token}}],
        });
        let path = self.dir.join(kubeconfig_name(user, namespace));
        // Tests run at once, and none may meet a file that another is writing.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).expect("a file");
        std::io::Write::write_all(&mut file, config.to_string().as_bytes()).expect("the kubeconfig");
        file.persist(&path).expect("the kubeconfig");
        path
    }

    /// A client for a user.
    pub async fn client(&self, user: &str) -> Client {
        self.try_client(user).await.expect("a client")
    }

    async fn try_client(&self, user: &str) -> Result<Client, kube::Error> {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig(user, None))?;
        Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?)
    }

    /// Creates the objects of every file of a folder, in the order of the file names, and writes the
    /// `status` that they hold. Namespaces that are missing are made first.
    pub fn load(&self, folder: &Path) {
        let mut files: Vec<_> = fs::read_dir(folder).expect("the folder").map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut objects = Vec::new();
        for file in
            files.iter().filter(|file| file.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json"))
        {
            let text = fs::read_to_string(file).expect("the manifest");
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
            objects.extend(documents.into_iter().filter(|document| !document.is_null()).flat_map(items));
        }
        block_on(async {
            let client = self.client(ADMIN).await;
            self.apply_missing_namespaces(&client, &objects).await;
            // Definitions before their objects, namespaces before what they hold.
            objects.sort_by_key(|object| match object["kind"].as_str() {
                Some("CustomResourceDefinition") => 0,
                Some("Namespace") => 1,
                _ => 2,
            });
            for object in &objects {
                apply(&client, object).await;
            }
        });
    }

    /// Applies one object as the admin.
    pub fn apply(&self, object: &Value) {
        block_on(async { apply(&self.client(ADMIN).await, object).await });
    }

    /// The object at a path as the admin sees it; `None` where there is none.
    pub fn get(&self, path: &str) -> Option<Value> {
        block_on(async { self.client(ADMIN).await.request(request(Method::GET, path, None)).await.ok() })
    }

    /// Deletes the object at a path.
    pub fn delete(&self, path: &str) {
        assert!(self.try_delete(path), "{path} is not there");
    }

    /// Deletes the object at a path, if there is one; returns whether there was.
    pub fn try_delete(&self, path: &str) -> bool {
        let sent = request(Method::DELETE, path, None);
        match block_on(async { self.client(ADMIN).await.request_text(sent).await }) {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.code == 404 => false,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    async fn apply_missing_namespaces(&self, client: &Client, objects: &[Value]) {
        let mut names: Vec<_> = objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            apply(client, &object).await;
            if self.has_controllers {
                self.wait_for_account(client, name).await;
            }
        }
    }
}

fn kubeconfig_name(user: &str, namespace: &str) -> String {
    format!("kubeconfig-{user}-{namespace}")
}

/// The objects of a document: those of a list, or itself.
fn items(document: Value) -> Vec<Value> {
    match document {
        Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
            let Some(Value::Array(items)) = list.remove("items") else { return Vec::new() };
            items
        }
        other => vec![other],
    }
}

/// Server-side apply, then the same for `/status` where the object has one.
async fn apply(client: &Client, object: &Value) {
    let path = path(client, object).await;
    // Until a definition is established the server has no such path.
    let mut body = object.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("status");
    }
    let uri = format!("{path}?fieldManager=buildreach-tests&force=true");
    send(client, &uri, &body).await;
    if object.get("status").is_some_and(|status| !status.is_null()) {
        let body = json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
            "status": object["status"],
        });
        send(client, &format!("{path}/status?fieldManager=buildreach-tests&force=true"), &body).await;
    }
    if object["kind"] == "CustomResourceDefinition" {
        established(client, &path).await;
    }
}

async fn send(client: &Client, uri: &str, body: &Value) {
    let result = client.request_text(request(Method::PATCH, uri, Some(body))).await;
    result.unwrap_or_else(|error| panic!("{uri}: {error}\n{body:#}"));
}

async fn established(client: &Client, path: &str) {
    for _ in 0..100 {
        let object: Value = client.request(request(Method::GET, path, None)).await.expect("the definition");
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} was not established");
}

/// The path of an object; its plural comes from the server.
async fn path(client: &Client, object: &Value) -> String {
    let api_version = object["apiVersion"].as_str().unwrap_or_else(|| panic!("no apiVersion: {object}"));
    let kind = &object["kind"];
    let name = object["metadata"]["name"].as_str().unwrap_or_else(|| panic!("no name: {object}"));
    let root = if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
    let mut listed = Ok(Value::Null);
    for _ in 0..100 {
        listed = client.request(request(Method::GET, &root, None)).await;
        let resources = listed.as_ref().ok().and_then(|l| l["resources"].as_array().cloned()).unwrap_or_default();
        let found = resources.iter().find(|r| &r["kind"] == kind && !r["name"].as_str().unwrap_or("/").contains('/'));
        let Some(found) = found else {
            // A definition that was established a moment ago.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let plural = found["name"].as_str().expect("a plural");
        return if found["namespaced"] == true {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
            format!("{root}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{root}/{plural}/{name}")
        };
    }
    panic!("the server has no {kind} of {api_version}: {listed:?}");
}

fn request(method: Method, uri: &str, body: Option<&Value>) -> Request<Vec<u8>> {
    let request = Request::builder().method(method).uri(uri);
    let request = match body {
        Some(_) => request.header("content-type", "application/apply-patch+yaml"),
        None => request,
    };
    request.body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default()).expect("a request")
}

/// Runs to its end on a thread of its own, so that it works inside and outside of a runtime.
fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future);
        scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn install_crypto_provider() {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known, so that they differ.
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}

fn program(assets: &Path, name: &str) -> String {
    let program = assets.join(name);
    assert!(program.is_file(), "{} is missing in KUBEBUILDER_ASSETS", program.display());
    program.display().to_string()
}

/// A command of a shell script.
fn line(command: &[String]) -> String {
    command.iter().map(|argument| quote(argument)).collect::<Vec<_>>().join(" ")
}

/// A word of a shell script.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
