//! Where verifiers differ: each difference that was measured on the real programs, on chains made for it.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;

use buildreach::trust::verify::{Failure, Question, Verdict, verify};
use buildreach::trust::{Bundle, Certificate, Client};
use common::command::buildreach;
use common::pki::{self, Extension, Key, Spec};

const NOW: &str = "2026-06-01T00:00:00Z";
const HOST: &str = "a.example.com";

/// A root, an intermediate and a server, all in order; a test changes what it is about.
struct Pki {
    keys: [Key; 3],
    root: Spec,
    middle: Spec,
    leaf: Spec,
}

impl Pki {
    fn new() -> Self {
        let name = pki::common_name;
        let ca = |subject: &str, issuer: &str, id: u8, from: u8| {
            Spec::new(name(subject), name(issuer))
                .with(pki::basic_constraints(true, true, None))
                .with(pki::key_usage(0x06))
                .with(pki::subject_key_id(&[id]))
                .with(pki::authority_key_id(&[from]))
        };
        let leaf = Spec::new(name(HOST), name("Middle"))
            .with(pki::alternative_names(&[("DNS", HOST)]))
            .with(pki::authority_key_id(&[2]))
            .with(pki::subject_key_id(&[3]));
        let keys = [Key::p256(), Key::p256(), Key::p256()];
        Self { keys, root: ca("Root", "Root", 1, 1), middle: ca("Middle", "Root", 2, 1), leaf }
    }

    fn root(&self) -> Vec<u8> {
        self.root.sign(&self.keys[0], &self.keys[0])
    }

    fn middle(&self) -> Vec<u8> {
        self.middle.sign(&self.keys[1], &self.keys[0])
    }

    fn leaf(&self) -> Vec<u8> {
        self.leaf.sign(&self.keys[2], &self.keys[1])
    }

    fn ask(&self, client: Client) -> Verdict {
        ask(&[self.leaf(), self.middle()], &[self.root()], client)
    }

    /// Each client with what it says: `true` accepted.
    fn expect(&self, answers: &[(Client, bool)]) {
        for &(client, expected) in answers {
            let verdict = self.ask(client);
            assert_eq!(verdict.accepted, Some(expected), "{client}: {}", verdict.reason);
        }
    }

    fn refused(&self, client: Client, failure: Failure) {
        let verdict = self.ask(client);
        assert_eq!((verdict.accepted, verdict.failure), (Some(false), Some(failure)), "{client}: {}", verdict.reason);
    }
}

fn without(spec: &mut Spec, oid: &str) {
    spec.extensions.retain(|extension| extension.oid != oid);
}

fn replace(spec: &mut Spec, extension: Extension) {
    without(spec, extension.oid);
    spec.extensions.push(extension);
}

fn ask(chain: &[Vec<u8>], anchors: &[Vec<u8>], client: Client) -> Verdict {
    let read = |all: &[Vec<u8>]| all.iter().map(|der| Certificate::parse(der).unwrap()).collect::<Vec<_>>();
    let (chain, anchors) = (read(chain), read(anchors));
    verify(&Question { chain: &chain, anchors: &anchors, name: Some(HOST), at: NOW.parse().unwrap(), client })
}

use Client::{Cargo, CurlOpenssl, Git, Go, Java, Node, Openssl, Pip, Python, PythonStrict, Rustls};

#[test]
fn a_chain_in_order_is_accepted_by_all() {
    let pki = Pki::new();
    for &client in Client::ALL {
        let verdict = pki.ask(client);
        assert_eq!(verdict.accepted, Some(true), "{client}: {}", verdict.reason);
        assert_eq!(verdict.path, ["CN=a.example.com", "CN=Middle", "CN=Root"], "{client}");
    }
}

#[test]
fn dates_of_the_leaf_count_for_all_and_of_the_anchor_for_some() {
    let mut pki = Pki::new();
    "20260501000000Z".clone_into(&mut pki.root.until);
    pki.expect(&[(Rustls, true), (Java, true), (Go, false), (Openssl, false), (PythonStrict, false), (Git, false)]);
    let mut pki = Pki::new();
    "20260501000000Z".clone_into(&mut pki.leaf.until);
    for &client in Client::ALL {
        pki.refused(client, Failure::Expired);
    }
    let mut pki = Pki::new();
    "20260701000000Z".clone_into(&mut pki.middle.from);
    for &client in Client::ALL {
        pki.refused(client, Failure::NotYetValid);
    }
}

#[test]
fn what_an_anchor_must_look_like() {
    let mut pki = Pki::new();
    pki.root.extensions.push(pki::extension("1.3.6.1.4.1.99999.1", true, vec![5, 0]));
    pki.expect(&[(Rustls, true), (Go, false), (Openssl, false), (PythonStrict, false)]);
    pki.refused(Go, Failure::CriticalExtension);
    let mut pki = Pki::new();
    without(&mut pki.root, "2.5.29.19");
    pki.expect(&[(Rustls, true), (Go, false), (Openssl, true), (PythonStrict, false)]);
}

#[test]
fn the_common_name_stands_in_for_some() {
    let mut pki = Pki::new();
    without(&mut pki.leaf, "2.5.29.17");
    pki.expect(&[(Rustls, false), (Go, false), (Openssl, true), (Git, true), (Java, true), (CurlOpenssl, true)]);
    pki.refused(Go, Failure::CommonNameOnly);
    pki.refused(Rustls, Failure::CommonNameOnly);
}

#[test]
fn strictness_asks_for_key_identifiers_and_critical_constraints() {
    let mut pki = Pki::new();
    without(&mut pki.leaf, "2.5.29.35");
    pki.expect(&[(Rustls, true), (Go, true), (Openssl, true), (Python, true), (Git, true), (Java, true)]);
    pki.refused(PythonStrict, Failure::Strict);
    let mut pki = Pki::new();
    replace(&mut pki.root, pki::basic_constraints(false, true, None));
    pki.expect(&[(Go, true), (Openssl, true), (Python, true), (CurlOpenssl, true), (Rustls, true)]);
    pki.refused(PythonStrict, Failure::Strict);
}

#[test]
fn a_ca_as_the_server() {
    let mut pki = Pki::new();
    pki.leaf.extensions.push(pki::basic_constraints(true, true, None));
    pki.expect(&[(Go, true), (Openssl, true), (Rustls, false)]);
}

#[test]
fn constraints_on_names() {
    let mut pki = Pki::new();
    pki.root.extensions.push(pki::name_constraints(&[("dir", HOST), ("dir", "Middle")], &[]));
    pki.expect(&[(Rustls, false), (Go, false), (Openssl, true)]);
    let mut pki = Pki::new();
    pki.middle.extensions.push(pki::name_constraints(&[("DNS", "example.org")], &[]));
    for client in [Rustls, Go, Openssl, PythonStrict, CurlOpenssl, Git, Java] {
        pki.refused(client, Failure::NameConstraint);
    }
}

#[test]
fn another_path_is_found_by_those_that_go_back() {
    let mut pki = Pki::new();
    let good = pki.middle();
    pki.middle.extensions.push(pki::name_constraints(&[], &[("DNS", "example.com")]));
    let chain = [pki.leaf(), pki.middle(), good];
    for (client, expected) in [(Rustls, Some(true)), (Go, Some(true)), (Openssl, Some(false)), (Git, None)] {
        let verdict = ask(&chain, &[pki.root()], client);
        assert_eq!(verdict.accepted, expected, "{client}: {}", verdict.reason);
    }
}

#[test]
fn an_intermediate_as_the_only_anchor() {
    let pki = Pki::new();
    let takes = [Go, Rustls, Java, CurlOpenssl, Cargo, Git, PythonStrict];
    let refuses = [Node, Client::Npm, Pip, Client::PipLegacy, Python, Openssl];
    for (clients, expected) in [(&takes[..], true), (&refuses[..], false)] {
        for &client in clients {
            let verdict = ask(&[pki.leaf()], &[pki.middle()], client);
            assert_eq!(verdict.accepted, Some(expected), "{client}: {}", verdict.reason);
        }
    }
    // The root sent by the server, the intermediate in the store.
    let swapped = |client| ask(&[pki.leaf(), pki.root()], &[pki.middle()], client).accepted;
    assert_eq!([swapped(Rustls), swapped(Go), swapped(Openssl)], [Some(true), Some(true), Some(false)]);
}

#[test]
fn what_readers_forgive() {
    let mut pki = Pki::new();
    pki.leaf.serial = vec![0x80];
    pki.expect(&[(Go, false), (Openssl, true)]);
    pki.refused(Go, Failure::Malformed);
    let mut pki = Pki::new();
    pki.leaf.extensions.push(pki::extension("1.3.6.1.5.5.7.1.1", false, vec![4, 0]));
    pki.expect(&[(Rustls, true), (Go, false), (Openssl, true), (PythonStrict, true)]);
}

#[test]
fn usages() {
    let mut pki = Pki::new();
    pki.leaf.extensions.push(pki::ext_key_usage(&[pki::CLIENT_AUTH]));
    for client in [Go, CurlOpenssl, Cargo, Node, Python, Rustls, Java] {
        pki.refused(client, Failure::Purpose);
    }
    pki.expect(&[(Git, true), (Client::Wget, true), (Client::Apt, true), (Openssl, true)]);
    let mut pki = Pki::new();
    replace(&mut pki.middle, pki::key_usage(0x80));
    pki.expect(&[(Rustls, true), (Go, false), (Openssl, false)]);
}

#[test]
fn why_no_anchor_is_reached() {
    let pki = Pki::new();
    let other = Key::p256();
    let namesake = pki.root.sign(&other, &other);
    let access = [pki::oid("1.3.6.1.5.5.7.48.2"), pki::general_name("URI", "http://ca.example.com/middle.der")];
    let access = pki::extension("1.3.6.1.5.5.7.1.1", false, pki::sequence(&[pki::sequence(&access)]));
    let published = pki.leaf.clone().with(access).sign(&pki.keys[2], &pki.keys[1]);
    let own = Spec::new(pki::common_name(HOST), pki::common_name(HOST)).with(pki::alternative_names(&[("DNS", HOST)]));
    let own = own.sign(&pki.keys[2], &pki.keys[2]);
    let cases = [
        (vec![pki.leaf()], vec![pki.root()], Failure::UnknownIssuer),
        (vec![published], vec![pki.root()], Failure::MissingIntermediate),
        (vec![pki.leaf(), pki.middle()], vec![namesake], Failure::SameNameOtherKey),
        (vec![own], vec![pki.root()], Failure::SelfSigned),
        (vec![pki.leaf()], vec![], Failure::NoAnchors),
    ];
    for (chain, store, failure) in cases {
        for client in [Go, Openssl, CurlOpenssl, Rustls] {
            let verdict = ask(&chain, &store, client);
            let said = (verdict.accepted, verdict.failure);
            assert_eq!(said, (Some(false), Some(failure)), "{client}: {}", verdict.reason);
        }
    }
}

#[test]
fn the_public_roots_are_read_as_another_reader_reads_them() {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let ours = Certificate::parse(der).unwrap();
        let (_, other) = X509Certificate::from_der(der).unwrap();
        let anchor = ours.anchor();
        assert_eq!(anchor.not_before.as_second(), other.validity().not_before.timestamp());
        assert_eq!(anchor.not_after.as_second(), other.validity().not_after.timestamp());
        assert!(anchor.ca);
        let common: Vec<_> = other.subject().iter_common_name().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(ours.common_names(), common);
        assert_eq!(Certificate::of_anchor(&ours.anchor_with_der()).as_ref(), Some(&ours));
        // Each is its own anchor for every client that can be asked without a name.
        let (chain, anchors) = (std::slice::from_ref(&ours), std::slice::from_ref(&ours));
        let at = anchor.not_before + jiff::SignedDuration::from_hours(1);
        for client in [Go, Openssl] {
            let verdict = verify(&Question { chain, anchors, name: None, at, client });
            assert_eq!(verdict.accepted, Some(true), "{}: {}", anchor.subject, verdict.reason);
        }
    }
}

/// Bytes turned, dropped and inserted anywhere: whatever comes of it, nothing panics and nothing is accepted that was
/// signed otherwise.
#[test]
fn ten_thousand_mutated_certificates() {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let mut pki = Pki::new();
    pki.leaf.extensions.push(pki::ext_key_usage(&[pki::SERVER_AUTH]));
    pki.middle.extensions.push(pki::name_constraints(&[("DNS", "example.com"), ("net", "192.0.2.0/24")], &[]));
    let (leaf, middle, root) = (pki.leaf(), pki.middle(), pki.root());
    let good = [&leaf, &middle, &root].map(|der| Certificate::parse(der).unwrap());
    let mut state = 1_u64;
    let mut draw = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let mut parsed = 0;
    for round in 0..10_000 {
        let which = round % 3;
        let mut der = [&leaf, &middle, &root][which].clone();
        for _ in 0..=draw(3) {
            let at = draw(der.len());
            match draw(4) {
                0 => der[at] = u8::try_from(draw(256)).unwrap(),
                1 => drop(der.remove(at)),
                2 => der.insert(at, 0),
                _ => der[at] ^= 1 << draw(8),
            }
        }
        let Ok(mutated) = Certificate::parse(&der) else { continue };
        parsed += 1;
        let mut chain = good.clone();
        // Readers differ in what they forgive around the signed part; inside it nothing may change.
        let original = [&leaf, &middle, &root][which];
        let (_, read) = X509Certificate::from_der(original).unwrap();
        let part = read.tbs_certificate.as_ref();
        let changed = !der.windows(part.len()).any(|window| window == part);
        chain[which] = mutated;
        let [leaf, middle, root] = chain;
        for client in [Go, Openssl, Client::ALL[round % Client::ALL.len()]] {
            let (chain, anchors) = ([leaf.clone(), middle.clone()], [root.clone()]);
            let at = NOW.parse().unwrap();
            let verdict = verify(&Question { chain: &chain, anchors: &anchors, name: Some(HOST), at, client });
            assert!(!changed || which == 2 || verdict.accepted != Some(true), "{client} round {round}: {der:02x?}");
        }
    }
    assert!(parsed > 1000, "only {parsed} could be read");
}

#[test]
fn the_command_answers_and_its_exit_says_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let pki = Pki::new();
    fs::write(path("chain.pem"), pki::pem(&pki.leaf()) + &pki::pem(&pki.middle())).unwrap();
    fs::create_dir(path("store")).unwrap();
    fs::write(path("store/root.pem"), pki::pem(&pki.root())).unwrap();
    fs::write(path("store/README"), "nothing of use").unwrap();
    let ask = |more: &[&str]| {
        let common = ["trust", &path("chain.pem"), "--store", &path("store"), "--at", NOW];
        buildreach(&[&common[..], more].concat())
    };
    let (code, out, _) = ask(&["--name", HOST, "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert_eq!(answer["accepted"], true);
    assert_eq!(answer["code"], serde_json::Value::Null);
    assert_eq!(answer["path"], serde_json::json!(["CN=a.example.com", "CN=Middle", "CN=Root"]));
    let (code, out, _) = ask(&["--name", "other.test", "--client", "go,openssl"]);
    assert_eq!((code, out.matches("BR-TLS-016").count()), (1, 2), "{out}");
    assert_eq!(ask(&["--name", HOST, "--client", "nobody"]).0, 2);
    assert_eq!(buildreach(&["trust", &path("absent.pem"), "--store", &path("store"), "--name", HOST]).0, 2);

    let line = |value: serde_json::Value| format!("{value}\n");
    let batch = line(serde_json::json!({"chain": path("chain.pem"), "store": path("store"), "name": HOST, "at": NOW}))
        + "no JSON\n"
        + &line(serde_json::json!({
            "chain": [pki::pem(&pki.leaf()), pki::pem(&pki.middle())], "store": pki::pem(&pki.root()),
            "name": "192.0.2.1", "client": "openssl", "at": NOW,
        }))
        + &line(serde_json::json!({"chain": "-----BEGIN CERTIFICATE-----\n!\n", "store": "", "name": HOST}));
    fs::write(path("batch.jsonl"), batch).unwrap();
    let (code, out, _) = buildreach(&["trust", "--batch", &path("batch.jsonl")]);
    let answers: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accepted: Vec<_> = answers.iter().map(|answer| answer["accepted"].as_bool()).collect();
    assert_eq!((code, accepted), (2, vec![Some(true), None, Some(false), None]), "{out}");
}

#[test]
fn a_bundle_of_roots_and_rubbish() {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    let mut file = String::from("# public roots\n");
    for root in roots {
        file.push_str(&pki::pem(root));
        file.push_str("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    }
    let bundle = Bundle::read(file.as_bytes());
    assert_eq!((bundle.certificates.len(), bundle.problems.len()), (roots.len(), roots.len()));
}
