//! The programs of this machine, and how each is made to open one connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use buildreach::trust::client::Client;

use crate::server::Authority;

/// One program.
pub(crate) struct Program {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) version: Option<(u32, u32)>,
    /// As `Place::arguments`.
    pub(crate) arguments: Vec<String>,
    /// Variables that it needs to run at all.
    pub(crate) env: Vec<(String, String)>,
    /// Its command line; `{host}` is the server.
    line: Vec<String>,
    folder: PathBuf,
}

impl Program {
    /// Runs it: whether it accepted the server.
    pub(crate) fn connects(&self, host: &str, environment: &[(String, String)], authority: &Authority) -> bool {
        authority.was_accepted();
        let line: Vec<_> = self.line.iter().map(|word| word.replace("{host}", host)).collect();
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("LAB_ERRORS").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let end = Instant::now() + Duration::from_secs(20);
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > end {
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        authority.was_accepted()
    }
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The first two numbers of what a program says about itself.
fn version(program: &Path) -> Option<(u32, u32)> {
    let out = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let word =
        text.split_whitespace().find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = word.trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
    Some((parts.next()?, parts.next()?))
}

/// Everything that is there.
#[allow(clippy::too_many_lines)] // A list, one program after another.
pub(crate) fn programs(lab: &Path) -> Vec<Program> {
    let mut found = Vec::new();
    let mut add = |client, name: &str, version, env: &[(&str, String)], line: &[&str]| {
        found.push(Program {
            client,
            name: name.to_owned(),
            version,
            arguments: line.iter().map(|word| (*word).to_owned()).collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            line: line.iter().map(|word| (*word).to_owned()).collect(),
            folder: lab.to_owned(),
        });
    };
    let path = |program: &Path| program.display().to_string();
    if let Some(openssl) = which("openssl") {
        add(
            Client::Openssl,
            "openssl",
            None,
            &[],
            &[
                "sh",
                "-c",
                &format!(
                    "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | {} s_client -quiet -verify_return_error -connect {{host}}:443 -servername {{host}}",
                    path(&openssl)
                ),
            ],
        );
    }
    if let Some(curl) = which("curl") {
        add(Client::CurlOpenssl, "curl", version(&curl), &[], &[&path(&curl), "-sS", "https://{host}/"]);
    }
    if let Some(go) = which("go") {
        fs::create_dir_all(lab.join("module")).unwrap();
        let env = [
            ("GOPATH", lab.join("gopath").display().to_string()),
            ("GOCACHE", lab.join("gocache").display().to_string()),
            ("GONOSUMDB", "*".to_owned()),
            ("GOTOOLCHAIN", "local".to_owned()),
        ];
        let line = format!("GOPROXY=https://{{host}} {} list -m -versions example.com/m", path(&go));
        add(Client::Go, "go", None, &env, &["sh", "-c", &line]);
    }
    if let Some(git) = which("git") {
        add(Client::Git, "git", None, &[], &[&path(&git), "ls-remote", "https://{host}/r.git"]);
    }
    if let Some(wget) = which("wget") {
        add(Client::Wget, "wget", None, &[], &[&path(&wget), "-q", "-O-", "--tries=1", "https://{host}/"]);
    }
    let helper = "/usr/lib/apt/apt-helper";
    if Path::new(helper).exists() {
        let target = lab.join("fetched").display().to_string();
        add(
            Client::Apt,
            "apt",
            None,
            &[],
            &[
                helper,
                "-oAPT::Sandbox::User=root",
                "-oAcquire::Retries=0",
                "download-file",
                "https://{host}/f",
                &target,
            ],
        );
    }
    if let Some(node) = which("node") {
        let version = version(&node);
        let script = "require('https').get('https://{host}/', r => r.resume()).on('error', e => process.exit(1))";
        add(Client::Node, "node", version, &[], &[&path(&node), "-e", script]);
        if let Some(npm) = which("npm") {
            let cache = [("npm_config_cache", lab.join("npm").display().to_string())];
            add(
                Client::Npm,
                "npm",
                version,
                &cache,
                &[&path(&npm), "ping", "--fetch-retries=0", "--registry=https://{host}/"],
            );
        }
    }
    if let Some(cargo) = which("cargo") {
        // rustup's proxy needs a home; the program behind it does not.
        let real = Command::new("rustup").args(["which", "cargo"]).output().ok().filter(|out| out.status.success());
        let real = real.map_or(path(&cargo), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
        add(Client::Cargo, "cargo", None, &[], &[&real, "search", "--index", "sparse+https://{host}/", "x"]);
    }
    let pythons = pythons();
    let several = pythons.len() > 1;
    for python in pythons {
        let says = |code: &str| {
            let out = Command::new(&python).args(["-c", code]).output().ok()?;
            let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            let (major, minor) = text.split_once('.')?;
            Some((major.parse::<u32>().ok()?, minor.split('.').next()?.parse::<u32>().ok()?))
        };
        let Some(version) = says("import sys; print('%d.%d' % sys.version_info[:2])") else { continue };
        let program = path(&python);
        let client = if version >= (3, 13) { Client::PythonStrict } else { Client::Python };
        let name = format!("python {}.{}", version.0, version.1);
        let code = "import urllib.request as u; u.urlopen('https://{host}/', timeout=5)";
        add(client, &name, None, &[], &[&program, "-c", code]);
        // A second pip of an age, and a second requests, would show nothing new.
        if several && program == "/usr/bin/python3" {
            continue;
        }
        if let Some(pip) = says("import pip; print(pip.__version__)") {
            let client = if pip >= (24, 2) && version >= (3, 10) { Client::Pip } else { Client::PipLegacy };
            let name = format!("pip {}.{} of {name}", pip.0, pip.1);
            add(
                client,
                &name,
                None,
                &[],
                &[
                    &program,
                    "-m",
                    "pip",
                    "--disable-pip-version-check",
                    "download",
                    "--no-cache-dir",
                    "--retries=0",
                    "--index-url=https://{host}/simple",
                    "nothing",
                ],
            );
            let code = "from pip._vendor import requests as r; r.get('https://{host}/', timeout=5)";
            add(Client::Requests, &format!("requests in {name}"), None, &[], &[&program, "-c", code]);
        }
    }
    if let (Some(javac), Some(java)) = (which("javac"), which("java"))
        && let Some(home) = fs::canonicalize(java).ok().and_then(|java| Some(java.parent()?.parent()?.to_owned()))
    {
        fs::write(lab.join("Get.java"), JAVA).unwrap();
        let built = Command::new(javac).args(["-d", "."]).arg("Get.java").current_dir(lab).status().unwrap();
        assert!(built.success(), "javac: {built}");
        let program = home.join("bin/java").display().to_string();
        let home = [("JAVA_HOME", home.display().to_string())];
        add(
            Client::Java,
            "java",
            None,
            &home,
            &[&program, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "Get", "https://{host}/"],
        );
    }
    if let Some(uv) = which("uv") {
        add(
            Client::Uv,
            "uv",
            None,
            &[],
            &[&path(&uv), "pip", "download", "--index-url=https://{host}/simple", "nothing"],
        );
    }
    found
}

const JAVA: &str = "public class Get { public static void main(String[] a) throws Exception {
    ((java.net.HttpURLConnection) new java.net.URL(a[0]).openConnection()).getResponseCode(); } }";

/// Interpreters: the one of the path, and the oldest and newest that pyenv has of those that still live.
fn pythons() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from).to_vec();
    if let Some(home) = std::env::var_os("HOME") {
        for version in ["3.11", "3.13"] {
            let folders = fs::read_dir(Path::new(&home).join(".pyenv/versions")).into_iter().flatten().flatten();
            let of = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with(version));
            found.extend(of.map(|folder| folder.path().join("bin/python3")));
        }
    }
    found.retain(|python| python.is_file());
    found
}
