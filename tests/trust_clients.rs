//! The clients themselves, against a real TLS server, for the settings that decide what they read: they must do what
//! `trust::client` says they do.
//!
//! All of it runs in a mount and network namespace of its own, so that the store of the machine can be another one and
//! no address is a loopback one.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used)]

#[path = "trust_lab/programs.rs"]
mod programs;
#[path = "trust_lab/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use buildreach::collect::tree::Root;
use buildreach::trust::client::{Client, Environment, Place, Verification, effective};

use programs::{Program, programs};
use server::Authority;

const INSIDE: &str = "BUILDREACH_TRUST_LAB";
const SYSTEM: &str = "198.51.100.10";
const GATEWAY: &str = "198.51.100.11";

#[test]
fn clients_read_what_we_say_they_read() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let able = Command::new("unshare").args(["-m", "-n", "true"]).output().is_ok_and(|out| out.status.success());
    if !able {
        assert!(!ci, "in CI the namespaces of this test must be there: it needs root and unshare");
        eprintln!("skipped: no right to make namespaces (root and unshare)");
        return;
    }
    let status = Command::new("unshare")
        .args(["-m", "-n"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "clients_read_what_we_say_they_read", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "inside the namespaces: {status}");
}

fn run(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}");
}

/// A store of the machine, as `/etc/ssl/certs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    /// Bundle and hashed directory.
    Debian,
    /// A bundle and nothing else.
    Bundle,
}

/// What is set, and where.
struct Scenario {
    system: System,
    /// Variables; `{gw}`, `{hashed}`, `{plain}`, `{empty}` and `{missing}` are paths.
    env: &'static [(&'static str, &'static str)],
    /// A file in the home directory.
    file: Option<(&'static str, &'static str)>,
    /// Who is asked; empty: all.
    clients: &'static [Client],
}

impl Scenario {
    fn concerns(&self, client: Client) -> bool {
        // Slow starters that read nothing of the system's store see the machine once as it is.
        let indifferent = [Client::Npm, Client::PipLegacy, Client::Requests, Client::Java].contains(&client);
        let is_plain = self.system == System::Debian && self.env.is_empty();
        let indifferent = indifferent || client == Client::Pip && self.system == System::Bundle;
        self.clients.contains(&client) || self.clients.is_empty() && (is_plain || !indifferent)
    }
}

fn inside() {
    let lab = tempfile::tempdir().unwrap();
    let lab = lab.path();
    let (system, gateway) = (Authority::new("System", "sys.test"), Authority::new("Gateway", "gw.test"));
    prepare(lab, &system, &gateway);
    system.serve(SYSTEM);
    gateway.serve(GATEWAY);
    let mut programs = programs(lab);
    if let Ok(only) = std::env::var("BUILDREACH_TRUST_LAB_ONLY") {
        programs.retain(|program| only.split(',').any(|name| program.name.starts_with(name)));
    }
    let mut wrong = Vec::new();
    let mut judged = BTreeSet::new();
    let mut mounted = None;
    for scenario in scenarios() {
        if mounted != Some(scenario.system) {
            if mounted.is_some() {
                run("umount /etc/ssl/certs");
            }
            run(&format!("mount --bind {}/{:?} /etc/ssl/certs", lab.display(), scenario.system));
            mounted = Some(scenario.system);
        }
        let home = lab.join("home");
        if let Some((name, text)) = scenario.file {
            fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
            fs::write(home.join(name), fill(text, lab)).unwrap();
        }
        let programs: Vec<_> = programs.iter().filter(|program| scenario.concerns(program.client)).collect();
        let ask = |authority: &Authority, host: &str| -> Vec<String> {
            programs.iter().filter_map(|program| differs(program, &scenario, lab, authority, host)).collect()
        };
        // One thread for each server: what a server sees then comes from one client.
        std::thread::scope(|scope| {
            let other = scope.spawn(|| ask(&gateway, "gw.test"));
            wrong.extend(ask(&system, "sys.test"));
            wrong.extend(other.join().unwrap());
        });
        judged.extend(programs.iter().map(|program| program.client));
        if let Some((name, _)) = scenario.file {
            fs::remove_file(home.join(name)).unwrap();
        }
    }
    eprintln!("clients that were run: {judged:?}");
    assert!(wrong.is_empty(), "{}\n{} differences", wrong.join("\n"), wrong.len());
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci || judged.len() >= 4, "in CI at least four clients must be there: {judged:?}");
}

/// What a program does and we did not say.
fn differs(program: &Program, scenario: &Scenario, lab: &Path, authority: &Authority, host: &str) -> Option<String> {
    let home = lab.join("home").display().to_string();
    let set = scenario.env.iter().map(|(name, value)| ((*name).to_owned(), fill(value, lab)));
    let environment: Vec<_> = set.chain([("HOME".to_owned(), home)]).chain(program.env.iter().cloned()).collect();
    let observed = program.connects(host, &environment, authority);
    let predicted = predict(program, host, &environment, authority);
    let does = if observed { "accepts" } else { "refuses" };
    let Scenario { system, env, file, .. } = scenario;
    (predicted != Some(observed))
        .then(|| format!("{} {system:?} {env:?} {file:?} {host}: it {does} and we say {predicted:?}", program.name))
}

fn fill(text: &str, lab: &Path) -> String {
    let mut text = text.to_owned();
    for name in ["gw", "hashed", "plain", "empty", "missing", "home"] {
        let path = match name {
            "gw" => lab.join("gw.pem"),
            other => lab.join(other),
        };
        text = text.replace(&format!("{{{name}}}"), &path.display().to_string());
    }
    text
}

fn prepare(lab: &Path, system: &Authority, gateway: &Authority) {
    for name in ["home", "Debian/java", "Bundle/java", "hashed", "plain", "empty"] {
        fs::create_dir_all(lab.join(name)).unwrap();
    }
    fs::write(lab.join("gw.pem"), &gateway.pem).unwrap();
    fs::write(lab.join("hashed/gw.pem"), &gateway.pem).unwrap();
    fs::write(lab.join("plain/ca.crt"), &gateway.pem).unwrap();
    fs::write(lab.join("Debian/sys.pem"), &system.pem).unwrap();
    for store in ["Debian", "Bundle"] {
        fs::write(lab.join(store).join("ca-certificates.crt"), &system.pem).unwrap();
        if Path::new("/etc/ssl/certs/java/cacerts").exists() {
            fs::copy("/etc/ssl/certs/java/cacerts", lab.join(store).join("java/cacerts")).unwrap();
        }
    }
    let lab = lab.display();
    run(&format!(
        "openssl rehash {lab}/hashed; openssl rehash {lab}/Debian; chmod -R a+rX {lab}
         ip link set lo up; ip addr add {SYSTEM}/32 dev lo; ip addr add {GATEWAY}/32 dev lo
         printf '127.0.0.1 localhost\\n{SYSTEM} sys.test\\n{GATEWAY} gw.test\\n' > {lab}/hosts
         mount --bind {lab}/hosts /etc/hosts
         : >{lab}/nothing
         for f in /etc/pip.conf /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc /etc/gitconfig; do [ ! -e $f ] || mount --bind {lab}/nothing $f; done"
    ));
}

/// What we say: `None` if that is unknown.
fn predict(program: &Program, host: &str, environment: &[(String, String)], authority: &Authority) -> Option<bool> {
    let environment: Environment = environment.iter().map(|(name, value)| (name, value)).collect();
    let mut root = Root::open(Path::new("/")).unwrap();
    let found = root.effective(|files| {
        let place = Place {
            arguments: &program.arguments,
            host: Some(host),
            version: program.version,
            ..Place::new(files, &environment)
        };
        effective(program.client, &place)
    });
    let holds = |sure| found.anchors(sure).iter().any(|anchor| **anchor.der() == authority.der[..]);
    match &found.verification {
        _ if found.fails.is_some() => Some(false),
        Verification::Off(_) => Some(true),
        Verification::Unknown(_) => None,
        Verification::On if holds(true) => Some(true),
        Verification::On if holds(false) || !found.unknown.is_empty() => None,
        Verification::On => Some(false),
    }
}

fn scenarios() -> Vec<Scenario> {
    let all = |env| [System::Debian, System::Bundle].map(|system| Scenario { system, env, file: None, clients: &[] });
    let of = |clients, env| Scenario { system: System::Debian, env, file: None, clients };
    let with = |clients, file, env| Scenario { system: System::Debian, env, file: Some(file), clients };
    let mut list = Vec::new();
    list.extend(all(&[]));
    list.extend(all(&[("SSL_CERT_FILE", "{gw}")]));
    list.extend(all(&[("SSL_CERT_DIR", "{hashed}")]));
    list.extend(all(&[("SSL_CERT_FILE", "{gw}"), ("SSL_CERT_DIR", "{empty}")]));
    list.extend(all(&[("SSL_CERT_DIR", "{plain}")]));
    list.extend(all(&[("SSL_CERT_FILE", "{missing}")]));
    let node = &[Client::Node, Client::Npm][..];
    let pip = &[Client::Pip, Client::PipLegacy, Client::Requests][..];
    list.extend([
        of(node, &[("NODE_EXTRA_CA_CERTS", "{gw}")]),
        of(&[Client::Node], &[("NODE_EXTRA_CA_CERTS", "{missing}")]),
        of(&[Client::Node], &[("NODE_OPTIONS", "--use-openssl-ca")]),
        of(&[Client::Node], &[("NODE_OPTIONS", "--use-openssl-ca"), ("SSL_CERT_FILE", "{gw}")]),
        of(&[Client::Node], &[("NODE_OPTIONS", "--use-openssl-ca"), ("SSL_CERT_DIR", "{plain}")]),
        of(&[Client::Node], &[("NODE_OPTIONS", "--use-openssl-ca"), ("NODE_EXTRA_CA_CERTS", "{gw}")]),
        of(&[Client::Node], &[("NODE_USE_SYSTEM_CA", "1")]),
        of(node, &[("NODE_TLS_REJECT_UNAUTHORIZED", "0")]),
        of(node, &[("npm_config_cafile", "{gw}")]),
        of(node, &[("NPM_CONFIG_CAFILE", "{gw}"), ("NODE_EXTRA_CA_CERTS", "{gw}")]),
        of(node, &[("npm_config_cafile", "{missing}"), ("NODE_EXTRA_CA_CERTS", "{gw}")]),
        with(&[Client::Npm], (".npmrc", "cafile={gw}\n"), &[("npm_config_cafile", "{missing}")]),
        of(&[Client::Npm], &[("npm_config_strict_ssl", "false")]),
        with(node, (".npmrc", "cafile={gw}\n"), &[]),
        with(node, (".npmrc", "strict-ssl=false\n"), &[]),
        of(pip, &[("PIP_CERT", "{gw}")]),
        of(&[Client::PipLegacy, Client::Requests], &[("PIP_CERT", "{missing}")]),
        of(pip, &[("REQUESTS_CA_BUNDLE", "{gw}")]),
        of(pip, &[("CURL_CA_BUNDLE", "{gw}")]),
        of(pip, &[("REQUESTS_CA_BUNDLE", "{gw}"), ("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")]),
        of(&[Client::PipLegacy, Client::Requests], &[("REQUESTS_CA_BUNDLE", "{missing}")]),
        of(&[Client::PipLegacy, Client::Requests], &[("REQUESTS_CA_BUNDLE", "{hashed}")]),
        of(&[Client::Pip], &[("PIP_TRUSTED_HOST", "gw.test")]),
        of(&[Client::Pip], &[("PIP_USE_DEPRECATED", "legacy-certs")]),
        with(pip, (".config/pip/pip.conf", "[global]\ncert = {gw}\n"), &[]),
        of(&[Client::CurlOpenssl], &[("CURL_CA_BUNDLE", "{gw}")]),
        of(&[Client::CurlOpenssl], &[("CURL_CA_BUNDLE", "{missing}")]),
        of(&[Client::CurlOpenssl], &[("CURL_CA_BUNDLE", "{gw}"), ("SSL_CERT_DIR", "{empty}")]),
        of(&[Client::CurlOpenssl], &[("SSL_CERT_DIR", "{missing}")]),
        Scenario { system: System::Bundle, ..of(&[Client::CurlOpenssl], &[("CURL_CA_BUNDLE", "{gw}")]) },
        with(&[Client::CurlOpenssl], (".curlrc", "insecure\n"), &[]),
        of(&[Client::Git], &[("GIT_SSL_CAINFO", "{gw}")]),
        of(&[Client::Git], &[("GIT_SSL_CAINFO", "{missing}")]),
        of(&[Client::Git], &[("GIT_SSL_CAPATH", "{plain}")]),
        of(&[Client::Git], &[("GIT_SSL_CAPATH", "{empty}")]),
        of(&[Client::Git], &[("GIT_SSL_CAPATH", "{missing}")]),
        of(&[Client::Git], &[("GIT_SSL_NO_VERIFY", "false")]),
        with(&[Client::Git], (".gitconfig", "[http]\n\tsslCAInfo = {gw}\n"), &[]),
        with(&[Client::Git], (".gitconfig", "[http \"https://gw.test\"]\n\tsslVerify = false\n"), &[]),
        with(&[Client::Git], (".gitconfig", "[http \"https://gw.test/\"]\n\tsslCAInfo = {gw}\n[http]\nsslCAInfo = /etc/ssl/certs/ca-certificates.crt\n"), &[]),
        of(&[Client::Git], &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "http.sslVerify"), ("GIT_CONFIG_VALUE_0", "false")]),
        Scenario { system: System::Bundle, ..of(&[Client::Git], &[("GIT_SSL_CAINFO", "{gw}")]) },
        with(&[Client::Wget], (".wgetrc", "ca_certificate = {gw}\n"), &[]),
        with(&[Client::Wget], (".wgetrc", "ca_directory = {plain}\n"), &[]),
        with(&[Client::Wget], (".wgetrc", "check_certificate = off\n"), &[]),
        with(&[Client::Apt], ("apt.conf", "Acquire::https::CaInfo \"{gw}\";\n"), &[("APT_CONFIG", "{home}/apt.conf")]),
        with(&[Client::Apt], ("apt.conf", "Acquire::https::gw.test::CaInfo \"{gw}\";\n"), &[("APT_CONFIG", "{home}/apt.conf")]),
        with(&[Client::Apt], ("apt.conf", "Acquire::https::CaInfo::gw.test \"{gw}\";\n"), &[("APT_CONFIG", "{home}/apt.conf")]),
        with(&[Client::Apt], ("apt.conf", "Acquire::https::Verify-Peer \"false\";\n"), &[("APT_CONFIG", "{home}/apt.conf")]),
        of(&[Client::Cargo], &[("CARGO_HTTP_CAINFO", "{gw}")]),
        of(&[Client::Cargo], &[("CARGO_HTTP_CAINFO", "{missing}")]),
        Scenario { system: System::Bundle, ..of(&[Client::Cargo], &[("CARGO_HTTP_CAINFO", "{gw}")]) },
        with(&[Client::Cargo], (".cargo/config.toml", "[http]\ncainfo = \"{gw}\"\n"), &[]),
        of(&[Client::Openssl, Client::Python], &[("SSL_CERT_FILE", "")]),
        of(&[Client::Openssl, Client::Python, Client::Go], &[("SSL_CERT_DIR", "")]),
        of(&[Client::Go], &[("SSL_CERT_DIR", "{missing}:{plain}")]),
        of(&[Client::Openssl], &[("SSL_CERT_DIR", "{missing}:{hashed}")]),
        of(&[Client::CurlOpenssl], &[("SSL_CERT_DIR", "{missing}:{hashed}")]),
        of(&[Client::Cargo], &[("SSL_CERT_DIR", "{missing}:{hashed}")]),
    ]);
    // Mounting the store anew for each scenario would cost more than the order of the list is worth.
    list.sort_by_key(|scenario| scenario.system == System::Bundle);
    list
}
