//! Servers that answer as EC2 does: one from a script, and moto.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Runs buildreach with dummy credentials and nothing else of AWS but the endpoint; there is no cluster either.
pub fn buildreach(endpoint: &str, arguments: &[&str]) -> Output {
    buildreach_with(endpoint, &[], arguments)
}

/// The same, with more in its environment.
pub fn buildreach_with(endpoint: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .output()
        .expect("buildreach")
}

/// The parameters of a call, by name: `Action`, `Filter.1.Value.1`, …
pub type Parameters = BTreeMap<String, String>;

/// What a script says to a call.
pub enum Answer {
    /// What stands inside the response.
    Ok(String),
    /// Status and code of an error.
    Error(u16, &'static str),
    /// Status and text of something that is no answer of EC2.
    Other(u16, &'static str),
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A server on loopback that answers from a script. It lives as long as the test process.
pub struct Replay {
    pub url: String,
    calls: Arc<Mutex<Vec<Parameters>>>,
    most: Arc<AtomicUsize>,
}

impl Replay {
    /// Starts a server. Calls that the script has no answer for find nothing.
    pub fn start(script: impl Fn(&Parameters) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self::start_with(None, script)
    }

    /// The same over TLS, with a certificate that only `tests/fixtures/aws/ca.pem` stands for.
    pub fn start_tls(script: impl Fn(&Parameters) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../fixtures/aws/server.pem"));
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/aws/server.key"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"));
        Self::start_with(Some(Arc::new(config.expect("a pair"))), script)
    }

    fn start_with(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Parameters) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().expect("its address"));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, busiest, script) = (calls.clone(), most.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tls = tls.clone();
                let (seen, now, most, script) = (seen.clone(), now.clone(), busiest.clone(), script.clone());
                thread::spawn(move || {
                    let mut stream: Box<dyn Stream> = match tls.map(ServerConnection::new) {
                        Some(connection) => Box::new(StreamOwned::new(connection.expect("a connection"), stream)),
                        None => Box::new(stream),
                    };
                    let Some(call) = read(&mut stream) else { return };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    seen.lock().expect("no test panics in here").push(call.clone());
                    thread::sleep(Duration::from_millis(5));
                    let answer = script(&call).unwrap_or(Answer::Ok(String::new()));
                    now.fetch_sub(1, Ordering::SeqCst);
                    write(stream, &call, &answer);
                });
            }
        });
        Self { url, calls, most }
    }

    /// The calls of an action, in their order.
    pub fn calls(&self, action: &str) -> Vec<Parameters> {
        let calls = self.calls.lock().expect("no test panics in here");
        calls.iter().filter(|call| call["Action"] == action).cloned().collect()
    }

    /// How many calls were under way at once, at most.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Reads a request; its body is a form.
fn read(stream: &mut dyn Stream) -> Option<Parameters> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    Some(body.split('&').map(pair).collect())
}

/// Percent decoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn write(mut stream: Box<dyn Stream>, call: &Parameters, answer: &Answer) {
    let action = &call["Action"];
    let (status, body) = match answer {
        Answer::Ok(inside) => (
            200,
            format!(
                "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>\
                 {inside}</{action}Response>"
            ),
        ),
        Answer::Error(status, code) => (
            *status,
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>As the script says.</Message></Error></Errors>\
                 <RequestID>r</RequestID></Response>"
            ),
        ),
        Answer::Other(status, text) => (*status, (*text).to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes()).and_then(|()| stream.flush());
}

/// A running moto; it ends when this is dropped, or when the test process ends.
pub struct Moto {
    pub url: String,
    /// Ends the server when its input, a pipe from here, is closed.
    shell: Child,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl Moto {
    /// Starts moto, which `$MOTO_SERVER` names (`tests/moto.sh` installs it); `None` (and a line that says so) where
    /// it is not set. With `CI=true` that is a failure.
    pub fn start() -> Option<Self> {
        let Some(program) = env::var("MOTO_SERVER").ok().filter(|path| !path.is_empty()) else {
            assert!(
                env::var_os("CI").is_none_or(|ci| ci != "true"),
                "MOTO_SERVER is not set, and with CI=true the tests against moto must run"
            );
            eprintln!("skipped: MOTO_SERVER is not set, so nothing is tested against moto here (tests/moto.sh)");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let script =
            "\"$0\" -H 127.0.0.1 -p \"$1\" >/dev/null 2>&1 </dev/null & moto=$!\nread -r _\nkill -9 $moto\nwait\n";
        let shell = Command::new("sh")
            .args(["-c", script, &program, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let moto = Self { url: format!("http://127.0.0.1:{port}"), shell };
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{program} does not listen");
            thread::sleep(Duration::from_millis(200));
        }
        Some(moto)
    }
}
