//! Our verifier against the real ones: `crypto/x509` of the Go that is installed, and `openssl verify`.
//!
//! Chains are drawn at random from a seed, with everything that goes wrong in the field: pieces missing, in disorder
//! or expired, cross-signs, other keys under the same name, constraints, usages, key identifiers. `TRUST_CASES` draws
//! more of them, `TRUST_SEED` others.
#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_in_result, clippy::unwrap_used, missing_docs)]

mod common;
#[path = "trust_differential/draw.rs"]
mod draw;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use buildreach::trust::verify::{Question, Verdict, verify};
use buildreach::trust::{Certificate, Client};
use common::pki;
use draw::draw_cases;

/// A question and what it is about.
struct Case {
    label: String,
    chain: Vec<Vec<u8>>,
    store: Vec<Vec<u8>>,
    name: String,
    at: &'static str,
}

const NOW: &str = "2026-06-01T00:00:00Z";

/// A program that a test cannot do without: in CI a missing one is a failure.
fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: {program} is not installed");
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "in CI {program} must be installed");
    }
    found
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn ask(case: &Case, client: Client) -> Verdict {
    let read =
        |all: &[Vec<u8>]| -> Vec<Certificate> { all.iter().filter_map(|der| Certificate::parse(der).ok()).collect() };
    let (chain, anchors) = (read(&case.chain), read(&case.store));
    if chain.first().is_none_or(|leaf| **leaf.der() != *case.chain[0]) {
        return Verdict::malformed("the leaf does not parse".to_owned());
    }
    verify(&Question { chain: &chain, anchors: &anchors, name: Some(&case.name), at: case.at.parse().unwrap(), client })
}

/// The case as files, to look at.
fn dump(case: &Case, folder: &Path) -> PathBuf {
    let folder = folder.join(case.label.replace(' ', "-"));
    fs::create_dir_all(&folder).unwrap();
    let all = |certificates: &[Vec<u8>]| certificates.iter().map(|der| pki::pem(der)).collect::<String>();
    fs::write(folder.join("chain.pem"), all(&case.chain)).unwrap();
    fs::write(folder.join("store.pem"), all(&case.store)).unwrap();
    fs::write(folder.join("name"), &case.name).unwrap();
    folder
}

fn report(client: Client, differences: &[(usize, String, Verdict)], cases: &[Case]) {
    let folder = env::var_os("TRUST_DUMP").map(PathBuf::from);
    for (at, real, ours) in differences.iter().take(20) {
        let case = &cases[*at];
        let place = folder.as_ref().map(|folder| dump(case, folder).display().to_string()).unwrap_or_default();
        eprintln!(
            "{client} {} {} for {}\n  real {real}\n  ours {} {:?}",
            case.label, place, case.name, ours.reason, ours.path
        );
    }
    assert!(differences.is_empty(), "{client}: {} of {} differ", differences.len(), cases.len());
}

/// What the real `crypto/x509` says: accepted, and why not.
fn go(cases: &[Case]) -> Option<Vec<(bool, String)>> {
    let program = env::var("TRUST_GO").unwrap_or_else(|_| "go".to_owned());
    if !installed(&program) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("trustcheck");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/trust");
    let built = Command::new(&program)
        .args(["build", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(source)
        .envs([("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local"), ("GO111MODULE", "on"), ("GOPROXY", "off")])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut child =
        Command::new(&binary).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut questions = String::new();
    for case in cases {
        let all = |certificates: &[Vec<u8>]| certificates.iter().map(|der| pki::base64_of(der)).collect::<Vec<_>>();
        let question = serde_json::json!({
            "chain": all(&case.chain), "roots": all(&case.store), "name": case.name, "at": case.at,
        });
        writeln!(questions, "{question}").unwrap();
    }
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers: Vec<(bool, String)> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            (answer["accepted"].as_bool().unwrap(), answer["reason"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(answers.len(), cases.len());
    Some(answers)
}

/// What the real `openssl verify` says.
fn openssl(cases: &[Case], folder: &Path) -> Option<Vec<(bool, String)>> {
    if !installed("openssl") {
        return None;
    }
    let one = |(at, case): (usize, &Case)| {
        let write = |name: &str, certificates: &[Vec<u8>]| {
            let path = folder.join(format!("{at}-{name}.pem"));
            fs::write(&path, certificates.iter().map(|der| pki::pem(der)).collect::<String>()).unwrap();
            path
        };
        let mut command = Command::new("openssl");
        command.args(["verify", "-no-CApath", "-no-CAstore"]);
        if case.store.is_empty() {
            command.arg("-no-CAfile");
        } else {
            command.arg("-CAfile").arg(write("store", &case.store));
        }
        if case.chain.len() > 1 {
            command.arg("-untrusted").arg(write("untrusted", &case.chain[1..]));
        }
        let kind = if case.name.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
        let at: jiff::Timestamp = case.at.parse().unwrap();
        command.args([kind, &case.name, "-attime", &at.as_second().to_string()]);
        let output = command.arg(write("leaf", &case.chain[..1])).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text)
    };
    Some(cases.iter().enumerate().map(one).collect())
}

fn differences(cases: &[Case], real: Vec<(bool, String)>, client: Client) -> Vec<(usize, String, Verdict)> {
    let judge = |(at, (accepted, reason)): (usize, (bool, String))| {
        // Up to Go 1.26 names hold strings alone; 1.27, which is what is followed, reads other values too.
        if client == Client::Go && reason.contains("unsupported string type") {
            return None;
        }
        let ours = ask(&cases[at], client);
        (ours.accepted != Some(accepted)).then(|| (at, format!("{accepted} {reason}"), ours))
    };
    real.into_iter().enumerate().filter_map(judge).collect()
}

#[test]
fn random_chains_as_go_verifies_them() {
    let cases = draw_cases(setting("TRUST_CASES", 2000));
    let Some(real) = go(&cases) else { return };
    let accepted = real.iter().filter(|(accepted, _)| *accepted).count();
    assert!(accepted * 20 > cases.len(), "only {accepted} of {} are accepted", cases.len());
    report(Client::Go, &differences(&cases, real, Client::Go), &cases);
}

#[test]
fn random_chains_as_openssl_verifies_them() {
    let cases = draw_cases(setting("TRUST_CASES", 400));
    let folder = tempfile::tempdir().unwrap();
    let Some(real) = openssl(&cases, folder.path()) else { return };
    let accepted = real.iter().filter(|(accepted, _)| *accepted).count();
    assert!(accepted * 20 > cases.len(), "only {accepted} of {} are accepted", cases.len());
    report(Client::Openssl, &differences(&cases, real, Client::Openssl), &cases);
}

/// Keys and digests out of fashion, as the openssl command makes them.
const ODD: &[(&str, &[&str], &[&str])] = &[
    ("rsa 512", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"], &["-sha256"]),
    ("rsa 1023", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1023"], &["-sha256"]),
    ("rsa 1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], &["-sha256"]),
    ("rsa 2048 exponent 3", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_pubexp:3"], &["-sha384"]),
    ("rsa md5", &["-algorithm", "RSA"], &["-md5"]),
    ("rsa sha1", &["-algorithm", "RSA"], &["-sha1"]),
    ("rsa sha224", &["-algorithm", "RSA"], &["-sha224"]),
    ("rsa sha3", &["-algorithm", "RSA"], &["-sha3-256"]),
    ("pss", &["-algorithm", "RSA"], &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]),
    (
        "pss odd salt",
        &["-algorithm", "RSA"],
        &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"],
    ),
    (
        "pss 1025",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1025"],
        &["-sha384", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:48"],
    ),
    (
        "pss sha1",
        &["-algorithm", "RSA"],
        &["-sha1", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"],
    ),
    ("pss key", &["-algorithm", "RSA-PSS"], &["-sha256"]),
    ("p192", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime192v1"], &["-sha256"]),
    ("p224", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp224r1"], &["-sha256"]),
    ("p224 sha512", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp224r1"], &["-sha512"]),
    ("p256 sha1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &["-sha1"]),
    ("p256 sha224", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &["-sha224"]),
    ("p384 sha1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], &["-sha1"]),
    ("p384 sha256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], &["-sha256"]),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], &["-sha512"]),
    ("secp256k1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], &["-sha384"]),
    ("brainpool 256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"], &["-sha256"]),
    ("brainpool 320", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP320r1"], &["-sha384"]),
    ("brainpool 384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP384r1"], &["-sha384"]),
    ("brainpool 512", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP512r1"], &["-sha512"]),
    (
        "explicit curve",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
        &["-sha256"],
    ),
    ("ed25519", &["-algorithm", "ED25519"], &[]),
    ("dsa", &["-paramfile", "dsa.params"], &["-sha256"]),
    ("dsa sha1", &["-paramfile", "dsa.params"], &["-sha1"]),
];

/// Certificates of such keys: a root, and a server below it; then the same with a bit of the signature turned.
fn odd_cases(folder: &Path) -> Vec<Case> {
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let parameters = ["-pkeyopt", "dsa_paramgen_bits:1024", "-pkeyopt", "dsa_paramgen_q_bits:160"];
    run(&[&["genpkey", "-genparam", "-algorithm", "DSA", "-out", "dsa.params"], &parameters[..]].concat());
    fs::write(folder.join("leaf.ext"), "subjectAltName=DNS:a.example.com\n").unwrap();
    fs::write(folder.join("root.ext"), "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n").unwrap();
    run(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "leaf.key"]);
    run(&["req", "-new", "-key", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr"]);
    let mut cases = Vec::new();
    for (label, key, sign) in ODD {
        run(&[&["genpkey", "-out", "root.key"], *key].concat());
        run(&["req", "-new", "-key", "root.key", "-subj", "/CN=root", "-out", "root.csr"]);
        let from = ["-days", "36500", "-set_serial", "1", "-outform", "DER"];
        let root =
            ["x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-extfile", "root.ext", "-out", "root.der"];
        run(&[&root[..], &from[..], sign].concat());
        let leaf = ["x509", "-req", "-in", "leaf.csr", "-CA", "root.der", "-CAform", "DER", "-CAkey", "root.key"];
        run(&[&leaf[..], &["-extfile", "leaf.ext", "-out", "leaf.der"], &from[..], sign].concat());
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let (root, leaf) = (read("root.der"), read("leaf.der"));
        let mut broken = leaf.clone();
        *broken.last_mut().unwrap() ^= 1;
        for (what, leaf) in [("", leaf), (" broken", broken)] {
            cases.push(Case {
                label: format!("{label}{what}"),
                chain: vec![leaf],
                store: vec![root.clone()],
                name: "a.example.com".to_owned(),
                at: "2040-01-01T00:00:00Z",
            });
        }
    }
    cases
}

#[test]
fn odd_keys_and_digests() {
    if !installed("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cases = odd_cases(folder.path());
    if let Some(real) = openssl(&cases, folder.path()) {
        let accepted = real.iter().filter(|(accepted, _)| *accepted).count();
        assert!(accepted >= ODD.len() - 4, "{accepted}: {real:#?}");
        report(Client::Openssl, &differences(&cases, real, Client::Openssl), &cases);
    }
    if let Some(real) = go(&cases) {
        report(Client::Go, &differences(&cases, real, Client::Go), &cases);
    }
    // As curl, git, Java and uv were seen to take them.
    let sha1 = cases.iter().find(|case| case.label == "rsa sha1").unwrap();
    for (client, expected) in [
        (Client::CurlOpenssl, Some(false)),
        (Client::Git, Some(false)),
        (Client::Rustls, Some(false)),
        (Client::Java, Some(true)),
    ] {
        let verdict = ask(sha1, client);
        assert_eq!(verdict.accepted, expected, "{client}: {}", verdict.reason);
    }
    let small = cases.iter().find(|case| case.label == "rsa 1024").unwrap();
    for (client, expected) in [(Client::Go, Some(true)), (Client::Rustls, Some(false)), (Client::Python, None)] {
        assert_eq!(ask(small, client).accepted, expected, "{client}");
    }
}
