//! Verdicts of the TLS layer that once were wrong or too sure, each held to what the real client does.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::process::Command;

use buildreach::trust::verify::{Question, supposed, verify};
use buildreach::trust::{Bundle, Certificate, Client};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, SanType,
};
use serde_json::Value;

const HOST: &str = "nexus.corp.example";

/// A CA: its certificate, and what it signs with.
struct Ca {
    pem: String,
    params: CertificateParams,
    key: KeyPair,
}

/// The date some days from today.
fn day(days: i64) -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() + jiff::Span::new().days(days)
}

macro_rules! midnight {
    ($days:expr) => {{
        let day = day($days);
        let part = |number: i8| u8::try_from(number).unwrap();
        rcgen::date_time_ymd(i32::from(day.year()), part(day.month()), part(day.day()))
    }};
}

/// What differs from a plain CA.
#[derive(Default)]
struct Shape<'a> {
    /// The one that signs it; none: it signs itself.
    by: Option<&'a Ca>,
    /// The key of that one.
    key: Option<&'a Ca>,
    expired: bool,
    only_for: Option<&'a str>,
}

impl Ca {
    fn new(name: &str, shape: &Shape<'_>) -> Self {
        let key = shape
            .key
            .map_or_else(|| KeyPair::generate().unwrap(), |ca| KeyPair::from_pem(&ca.key.serialize_pem()).unwrap());
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        params.not_before = midnight!(-400);
        params.not_after = midnight!(if shape.expired { -2 } else { 400 });
        if let Some(name) = shape.only_for {
            let permitted_subtrees = vec![GeneralSubtree::DnsName(name.to_owned())];
            params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        }
        let pem = match shape.by {
            None => params.self_signed(&key).unwrap().pem(),
            Some(by) => params.signed_by(&key, &by.issuer()).unwrap().pem(),
        };
        Self { pem, params, key }
    }

    fn root(name: &str) -> Self {
        Self::new(name, &Shape::default())
    }

    fn issuer(&self) -> Issuer<'_, KeyPair> {
        Issuer::new(self.params.clone(), KeyPair::from_pem(&self.key.serialize_pem()).unwrap())
    }

    /// A server's certificate for these names and addresses.
    fn signs(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer()).unwrap().pem()
    }
}

fn block(pem: &str, by: usize) -> String {
    pem.lines().flat_map(|line| [&" ".repeat(by), line, "\n"].concat().chars().collect::<Vec<_>>()).collect()
}

fn config_map(name: &str, key: &str, pem: &str) -> String {
    let data = block(pem, 4);
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: ci}}\ndata:\n  {key}: |\n{data}"
    )
}

/// A pod of one container that mounts ConfigMap `corp` at `/corp`.
fn pod(image: &str, command: &str, env: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: build, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\nspec:\n  volumes: [{{name: ca, configMap: {{name: corp}}}}]\n  containers:\n  - name: c\n    image: {image}\n    command: [sh, -c, {command:?}]\n    env: [{env}]\n    volumeMounts: [{{name: ca, mountPath: /corp}}]\nstatus: {{phase: Running, podIP: 10.0.9.1, podIPs: [{{ip: 10.0.9.1}}]}}\n"
    )
}

/// A pod whose client reads `/corp/ca.crt` beside what it has, with what lies there.
fn build(client: &str, store: &[&str]) -> String {
    let npm = format!("npm ci --registry https://{HOST}/");
    let pod = match client {
        "npm" => pod("node:22", &npm, "{name: NODE_EXTRA_CA_CERTS, value: /corp/ca.crt}"),
        "go" => pod("golang:1.26-bookworm", "go mod download", "{name: SSL_CERT_FILE, value: /corp/ca.crt}"),
        "uv" => pod("python:3.14-slim", "uv sync", "{name: SSL_CERT_FILE, value: /corp/ca.crt}"),
        "cargo" => pod("rust:1.95", "cargo fetch", "{name: CARGO_HTTP_CAINFO, value: /corp/ca.crt}"),
        other => panic!("{other}"),
    };
    pod + &config_map("corp", "ca.crt", &store.concat())
}

/// The TLS step of a subject towards a host, and what `flags` say about it: `(--endpoint-ca, PEM)`.
fn tls_of(subject: &str, manifests: &str, host: &str, told: &[(&str, &str)], flags: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    fs::write(&file, manifests).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildreach"));
    command.args(["explain", subject, host, "-o", "json", "-f"]).arg(&file).args(flags);
    for (number, (flag, pem)) in told.iter().enumerate() {
        let path = folder.path().join(format!("{number}.pem"));
        fs::write(&path, pem).unwrap();
        command.args([flag, &*format!("{host}={}", path.display())]);
    }
    let output = command.output().unwrap();
    let explanation: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let steps = explanation["trace"]["steps"].as_array().unwrap();
    steps.iter().find(|step| step["layer"] == "tls").unwrap().clone()
}

fn tls(manifests: &str, host: &str, told: &[(&str, &str)]) -> Value {
    tls_of("ci/build", manifests, host, told, &[])
}

/// Outcome and code in one word.
fn said(step: &Value) -> String {
    let code = step["codes"][0].as_str().map(|code| format!(" {code}")).unwrap_or_default();
    format!("{}{code}", step["outcome"].as_str().unwrap())
}

#[test]
fn an_issuing_ca_that_is_named_is_judged_by_what_it_signs() {
    let root = Ca::root("Corp Root");
    let issuing = Ca::new("Corp Issuing", &Shape { by: Some(&root), ..Shape::default() });
    let both = [&*issuing.pem, &root.pem].concat();
    // Node.js asks for a root: an intermediate in its store is no anchor (UNABLE_TO_GET_ISSUER_CERT). Go takes any.
    for (client, store, named, want) in [
        ("npm", &root.pem, &issuing.pem, "Reachable"),
        ("go", &root.pem, &issuing.pem, "Reachable"),
        ("uv", &root.pem, &issuing.pem, "Reachable"),
        ("cargo", &root.pem, &issuing.pem, "Reachable"),
        ("npm", &root.pem, &both, "Reachable"),
        ("npm", &issuing.pem, &issuing.pem, "Blocked BR-TLS-012"),
        ("go", &issuing.pem, &issuing.pem, "Reachable"),
        ("uv", &issuing.pem, &issuing.pem, "Reachable"),
        ("cargo", &issuing.pem, &issuing.pem, "Reachable"),
        // Whether the issuing CA that is trusted signed the server's certificate is not said.
        ("npm", &issuing.pem, &root.pem, "Blocked BR-TLS-010"),
        ("go", &issuing.pem, &root.pem, "Unknown"),
        ("uv", &issuing.pem, &root.pem, "Unknown"),
        ("go", &issuing.pem, &both, "Unknown"),
    ] {
        let step = tls(&build(client, &[store]), HOST, &[("--endpoint-ca", named)]);
        assert_eq!(said(&step), want, "{client}: {step}");
    }
}

#[test]
fn a_ca_that_was_issued_again_is_one_ca() {
    let root = Ca::root("Corp Root");
    let expired = Ca::new("Corp Root", &Shape { key: Some(&root), expired: true, ..Shape::default() });
    let other = Ca::root("Corp Root");
    let renamed = Ca::new("Corp Root G2", &Shape { key: Some(&root), ..Shape::default() });
    for (client, store, named, want) in [
        // The store's certificates count, not the one that is named.
        ("npm", vec![&*root.pem], &expired, "Reachable"),
        ("npm", vec![&*expired.pem, &root.pem], &root, "Reachable"),
        ("go", vec![&*expired.pem, &root.pem], &root, "Reachable"),
        ("npm", vec![&*expired.pem], &root, "Blocked BR-TLS-014"),
        ("go", vec![&*expired.pem], &root, "Blocked BR-TLS-014"),
        // rustls does not look at an anchor's dates.
        ("uv", vec![&*expired.pem], &root, "Reachable"),
        ("go", vec![&*other.pem], &root, "Blocked BR-TLS-013"),
        ("go", vec![&*other.pem, &root.pem], &root, "Reachable"),
        ("go", vec![&*renamed.pem], &root, "Blocked BR-TLS-010"),
    ] {
        let step = tls(&build(client, &store), HOST, &[("--endpoint-ca", &named.pem)]);
        assert_eq!(said(&step), want, "{client}: {step}");
    }
    // Two CAs of one name: which of them signed is not said.
    let step = tls(&build("go", &[&root.pem]), HOST, &[("--endpoint-ca", &[&*root.pem, &other.pem].concat())]);
    assert_eq!(said(&step), "Unknown", "{step}");
}

#[test]
fn a_cross_signed_ca_is_trusted_by_either_root() {
    let old = Ca::root("Old Root");
    let new = Ca::root("New Root");
    let cross = Ca::new("New Root", &Shape { by: Some(&old), key: Some(&new), ..Shape::default() });
    let both = [&*new.pem, &cross.pem].concat();
    let server = new.signs(&[HOST], |_| {});
    let with_cross = [&*server, &cross.pem].concat();
    for (client, store, flag, given, want) in [
        ("npm", &old.pem, "--endpoint-ca", &both, "Reachable"),
        ("go", &old.pem, "--endpoint-ca", &both, "Reachable"),
        ("npm", &old.pem, "--endpoint-chain", &with_cross, "Reachable"),
        ("npm", &old.pem, "--endpoint-chain", &server, "Blocked BR-TLS-010"),
        // The cross certificate alone is an anchor for Go and none for Node.js.
        ("npm", &cross.pem, "--endpoint-ca", &new.pem, "Blocked BR-TLS-012"),
        ("npm", &cross.pem, "--endpoint-chain", &server, "Blocked BR-TLS-012"),
        ("go", &cross.pem, "--endpoint-ca", &new.pem, "Reachable"),
        ("go", &cross.pem, "--endpoint-chain", &server, "Reachable"),
    ] {
        let step = tls(&build(client, &[store]), HOST, &[(flag, given)]);
        assert_eq!(said(&step), want, "{client} {flag}: {step}");
    }
}

#[test]
fn a_ca_for_other_names_issues_nothing_for_this_one() {
    let root = Ca::root("Corp Root");
    let shape = |name| Shape { by: Some(&root), only_for: Some(name), ..Shape::default() };
    for client in ["npm", "go", "uv", "cargo"] {
        for (name, want) in [("other.example", "Blocked BR-TLS-018"), ("corp.example", "Reachable")] {
            let issuing = Ca::new("Issuing", &shape(name));
            let step = tls(&build(client, &[&root.pem]), HOST, &[("--endpoint-ca", &issuing.pem)]);
            assert_eq!(said(&step), want, "{client} {name}: {step}");
        }
    }
}

#[test]
fn dates_of_a_ca_are_those_of_the_instant() {
    let root = Ca::root("Corp Root");
    let at = |days| format!("{}T00:00:00Z", day(days));
    for (days, want) in [(-700, "Blocked BR-TLS-015"), (0, "Reachable"), (700, "Blocked BR-TLS-014")] {
        let build = build("go", &[&root.pem]);
        let step = tls_of("ci/build", &build, HOST, &[("--endpoint-ca", &root.pem)], &["--at", &at(days)]);
        assert_eq!(said(&step), want, "{step}");
    }
}

#[test]
fn what_another_anchor_could_mend_is_not_final() {
    // Variables from a Secret: the store is not known.
    let open = |client: &str| {
        let env = "{name: SSL_CERT_FILE, valueFrom: {secretKeyRef: {name: a, key: b}}}";
        let (image, command) =
            if client == "go" { ("golang:1.26", "go build ./...") } else { ("rust:1.95", "cargo fetch") };
        pod(image, command, env) + &config_map("corp", "x", "")
    };
    let root = Ca::root("Corp Root");
    let expired = Ca::new("Issuing", &Shape { by: Some(&root), expired: true, ..Shape::default() });
    let narrow = Ca::new("Issuing", &Shape { by: Some(&root), only_for: Some("other.example"), ..Shape::default() });
    let client_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let old = |params: &mut CertificateParams| {
        params.not_before = midnight!(-9);
        params.not_after = midnight!(-2);
    };
    let chain = |ca: &Ca, leaf: String| leaf + &ca.pem + &root.pem;
    for client in ["go", "cargo"] {
        for (chain, want) in [
            // The same CA may be in the store with other dates, or without constraints.
            (chain(&expired, expired.signs(&[HOST], |_| {})), "Unknown"),
            (chain(&narrow, narrow.signs(&[HOST], |_| {})), "Unknown"),
            // The server's own certificate is at fault.
            (chain(&root, root.signs(&["other.example"], |_| {})), "Blocked BR-TLS-016"),
            (chain(&root, root.signs(&[HOST], client_only)), "Blocked BR-TLS-021"),
            (chain(&root, root.signs(&[HOST], old)), "Blocked BR-TLS-014"),
            (chain(&root, root.signs(&[HOST], |_| {})), "Unknown"),
        ] {
            let step = tls(&open(client), HOST, &[("--endpoint-chain", &chain)]);
            assert_eq!(said(&step), want, "{client}: {step}");
        }
    }
}

#[test]
fn what_a_ca_might_sign_is_judged_as_what_it_signed() {
    let now = jiff::Timestamp::now();
    let read = |pem: &str| Bundle::read(pem.as_bytes()).certificates;
    let other = read(&Ca::root("Corp Root").pem);
    for algorithm in
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519, &rcgen::PKCS_RSA_SHA256]
    {
        let mut ca = Ca::root("Corp Root");
        ca.key = KeyPair::generate_for(algorithm).unwrap();
        ca.pem = ca.params.self_signed(&ca.key).unwrap().pem();
        let anchors = read(&ca.pem);
        let signed = read(&ca.signs(&[HOST], |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]));
        let supposed = [supposed::leaf(&anchors[0], &anchors, HOST, now).unwrap()];
        for &client in Client::ALL {
            for (anchors, is_issuer) in [(&anchors, true), (&other, false)] {
                let ask = |chain: &[Certificate]| {
                    verify(&Question { chain, anchors, name: Some(HOST), at: now, client }).accepted
                };
                assert_eq!(ask(&supposed), ask(&signed), "{client} {algorithm:?} {is_issuer}");
                assert!(is_issuer || ask(&supposed) == Some(false), "{client} {algorithm:?}");
            }
        }
    }
}

#[test]
fn an_address_is_judged_where_somebody_says_what_it_presents() {
    const ADDRESS: &str = "10.0.0.5";
    let root = Ca::root("Corp Root");
    let by_address = root.signs(&[ADDRESS], |_| {});
    let as_name = root.signs(&[], |params| {
        params.subject_alt_names = vec![SanType::DnsName(ADDRESS.try_into().unwrap())];
    });
    for client in ["npm", "go", "uv", "cargo"] {
        for (told, want) in [
            (vec![], "NotApplicable"),
            (vec![("--endpoint-ca", &*root.pem)], "Reachable"),
            (vec![("--endpoint-chain", &*by_address)], "Reachable"),
            (vec![("--endpoint-chain", &*as_name)], "Blocked BR-TLS-016"),
        ] {
            let step = tls(&build(client, &[&root.pem]), ADDRESS, &told);
            assert_eq!(said(&step), want, "{client}: {step}");
        }
    }
    // An EndpointSet says it too, for its port; IPv6 however it is written.
    let set = |host: &str, port: u16| {
        let pem = block(&by_address, 8);
        format!(
            "---\napiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {{name: corp}}\nspec:\n  endpoints:\n  - host: '{host}'\n    port: {port}\n    chain:\n      inline: |\n{pem}"
        )
    };
    let go = build("go", &[&root.pem]);
    for (host, port, asked, want) in [
        (ADDRESS, 443, ADDRESS, "Reachable"),
        (ADDRESS, 8443, ADDRESS, "NotApplicable"),
        (ADDRESS, 8443, "10.0.0.5:8443", "Reachable"),
        ("2001:DB8:0::1", 443, "[2001:db8::1]:443", "Blocked BR-TLS-016"),
    ] {
        let step = tls(&(go.clone() + &set(host, port)), asked, &[]);
        assert_eq!(said(&step), want, "{host} {port} {asked}: {step}");
    }
    let step = tls(&go, "2001:DB8:0::1", &[("--endpoint-ca", &root.pem)]);
    assert_eq!(said(&step), "Reachable", "{step}");
    // What a build fetches from an address is judged in an audit as well.
    let build = go.replace("env: [", &format!("env: [{{name: GOPROXY, value: 'https://{ADDRESS}'}}, "));
    let other = Ca::root("Corp Root");
    for (presented, want) in [(&by_address, "Reachable"), (&other.signs(&[ADDRESS], |_| {}), "Blocked")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("all.yaml"), &build).unwrap();
        let chain = folder.path().join("chain");
        fs::write(&chain, presented).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["audit", "-o", "json", "--endpoint-chain", &format!("{ADDRESS}={}", chain.display())])
            .arg(folder.path().join("all.yaml"))
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let paths = report["results"][0]["paths"].as_array().unwrap();
        let of = paths.iter().find(|path| path["endpoints"].to_string().contains(ADDRESS)).unwrap();
        assert_eq!(of["outcome"], want, "{of}");
    }
}

#[test]
fn the_common_name_stands_in_by_each_clients_own_rule() {
    let read = |pem: &str| Bundle::read(pem.as_bytes()).certificates;
    let root = Ca::root("Corp Root");
    let anchors = read(&root.pem);
    let named = |name: &str, others: &[&str]| {
        let named = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, name);
        read(&root.signs(others, named))
    };
    let only = named(HOST, &[]);
    let beside_address = named(HOST, &["10.0.0.5"]);
    let address = named("10.0.0.5", &[]);
    // As curl 7.88, wget 1.21 and git 2.39 on GnuTLS 3.7, Node.js 20, Python 3.11 and Java 17 do.
    for (client, want) in [
        (Client::Go, [false, false, false]),
        (Client::Uv, [false, false, false]),
        (Client::Requests, [false, false, false]),
        (Client::Node, [true, true, false]),
        (Client::Python, [true, true, false]),
        (Client::Java, [true, true, false]),
        (Client::CurlOpenssl, [true, false, true]),
        (Client::Git, [true, false, false]),
        (Client::Wget, [true, false, false]),
    ] {
        let ask = |chain: &[Certificate], name| {
            let at = jiff::Timestamp::now();
            verify(&Question { chain, anchors: &anchors, name: Some(name), at, client }).accepted
        };
        let got = [ask(&only, HOST), ask(&beside_address, HOST), ask(&address, "10.0.0.5")];
        assert_eq!(got, want.map(Some), "{client}");
    }
}

/// The TLS step of a node with these files towards a registry that leads to a CA.
fn node_tls(files: &[(&str, &str)], runtime: &str, host: &str, ca: &Ca) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let stock = [("/etc/os-release", "ID=debian\nVERSION_ID=12\n"), ("/etc/ssl/certs/ca-certificates.crt", "")];
    for (name, text) in stock.iter().chain(files) {
        let file = folder.path().join("root").join(&name[1..]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let status = Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["snapshot", "--node-name", "n1", "--container-runtime", runtime, "--node-root"])
        .arg(path("root"))
        .arg("-O")
        .arg(path("saved"))
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let manifests = format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\nstatus: {{addresses: [{{type: InternalIP, address: 10.1.0.1}}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\nspec: {{nodeName: n1, containers: [{{name: c, image: {host}/a/b:1}}]}}\nstatus: {{phase: Running, podIP: 10.0.9.9}}\n"
    );
    let saved = path("saved").display().to_string();
    said(&tls_of("node/n1", &manifests, host, &[("--endpoint-ca", &ca.pem)], &["-f", &saved]))
}

const CONTAINERD: (&str, &str) = (
    "/etc/containerd/config.toml",
    "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'\n",
);

#[test]
fn a_registry_that_containerd_asks_twice_or_after_others() {
    let root = Ca::root("Corp Root");
    let other = Ca::root("Corp Root");
    let own = "[host.'https://nexus.corp.example']\n";
    let mirror = "[host.'https://mirror.corp.example']\n";
    let server = "server = 'https://nexus.corp.example'\n";
    for (hosts, want) in [
        // Its own table comes first and verifies; that the same host without the CA is tried last hinders nobody.
        (format!("{server}{own}ca = 'ca.crt'\n"), "Reachable"),
        (format!("{own}ca = 'ca.crt'\n"), "Reachable"),
        (format!("{own}skip_verify = true\n"), "Reachable"),
        // What is asked for pushes alone serves no pull.
        (format!("{own}ca = 'ca.crt'\ncapabilities = ['push']\n"), "Blocked BR-TLS-010"),
        (format!("capabilities = ['push']\n{server}{mirror}"), "Unknown"),
        // A mirror may serve what the registry itself does not.
        (format!("{server}{mirror}ca = 'ca.crt'\n"), "Unknown"),
        (format!("ca = 'ca.crt'\n{server}{mirror}"), "Reachable"),
        (format!("{server}{mirror}skip_verify = true\n"), "Unknown"),
        ("server = 'https://mirror.corp.example'\n".to_owned(), "Unknown"),
        // A CA makes an http URL one of TLS.
        ("server = 'http://nexus.corp.example:443'\nca = 'other.crt'\n".to_owned(), "Blocked BR-TLS-013"),
        ("server = 'http://nexus.corp.example:443'\n".to_owned(), "Reachable"),
    ] {
        let folder = "/etc/containerd/certs.d/nexus.corp.example";
        let files = [
            CONTAINERD,
            (&*format!("{folder}/hosts.toml"), &*hosts),
            (&*format!("{folder}/ca.crt"), &*root.pem),
            (&*format!("{folder}/other.crt"), &*other.pem),
        ];
        assert_eq!(node_tls(&files, "containerd://2.0.1", HOST, &root), want, "{hosts}");
    }
}

#[test]
fn whether_a_folder_of_registries_counts_decides_only_where_it_is_known() {
    let root = Ca::root("Corp Root");
    let ca = ("/etc/containerd/certs.d/nexus.corp.example/ca.crt", &*root.pem);
    let unset = ("/etc/containerd/config.toml", "version = 3\n");
    for (version, want) in [("2.0.1", "Blocked BR-TLS-010"), ("2.2.0", "Reachable"), ("", "Unknown")] {
        let runtime = format!("containerd://{version}");
        assert_eq!(node_tls(&[unset, ca], &runtime, HOST, &root), want, "{version}");
    }
    // Images are named without :443, and then the folder with the port is not theirs.
    let with_port = ("/etc/docker/certs.d/nexus.corp.example:443/ca.crt", &*root.pem);
    let without = ("/etc/docker/certs.d/nexus.corp.example/ca.crt", &*root.pem);
    let daemon = ("/etc/docker/daemon.json", "{\"debug\": true}");
    assert_eq!(node_tls(&[daemon, with_port], "docker://24.0.7", HOST, &root), "Unknown");
    assert_eq!(node_tls(&[daemon, with_port, without], "docker://24.0.7", HOST, &root), "Reachable");
    let hub = ("/etc/containerd/certs.d/docker.io/ca.crt", &*root.pem);
    assert_eq!(node_tls(&[CONTAINERD, hub], "containerd://1.7.27", "registry-1.docker.io", &root), "Reachable");
}

#[test]
fn of_what_a_node_holds_the_facts_count() {
    let root = Ca::root("Corp Root");
    let issuing = Ca::new("Issuing", &Shape { by: Some(&root), ..Shape::default() });
    let expired = Ca::new("Corp Root", &Shape { key: Some(&root), expired: true, ..Shape::default() });
    let narrow = Ca::new("Corp Root", &Shape { key: Some(&root), only_for: Some("x.example"), ..Shape::default() });
    let again = Ca::new("Corp Root", &Shape { key: Some(&root), ..Shape::default() });
    let other = Ca::root("Corp Root");
    for (store, named, want) in [
        (&root, &root, "Reachable"),
        (&again, &root, "Reachable"),
        (&again, &expired, "Unknown"),
        (&expired, &root, "Blocked BR-TLS-014"),
        (&narrow, &root, "Unknown"),
        (&other, &root, "Blocked BR-TLS-013"),
        (&root, &issuing, "Unknown"),
        (&issuing, &root, "Unknown"),
        (&issuing, &issuing, "Reachable"),
    ] {
        let files = [CONTAINERD, ("/etc/ssl/certs/ca-certificates.crt", &*store.pem)];
        let got = node_tls(&files, "containerd://1.7.27", HOST, named);
        assert_eq!(got, want, "{} for {}", store.pem, named.pem);
    }
}

#[test]
fn git_on_openssl_has_the_settings_of_git() {
    let root = Ca::root("Corp Root");
    let clone = format!("git clone https://{HOST}/a/b.git");
    let told = [("--endpoint-ca", &*root.pem)];
    let ask = |image: &str, env: &str| {
        said(&tls(&(pod(image, &clone, env) + &config_map("corp", "ca.crt", &root.pem)), HOST, &told))
    };
    for image in ["alpine/git:2.47", "debian:12", "registry.access.redhat.com/ubi9/ubi", "corp.example/builder:1"] {
        assert_eq!(ask(image, "{name: GIT_SSL_CAINFO, value: /corp/ca.crt}"), "Reachable", "{image}");
        assert_eq!(ask(image, "{name: GIT_SSL_NO_VERIFY, value: '1'}"), "Reachable", "{image}");
        // Variables of curl and of OpenSSL are none of git's.
        for name in ["CURL_CA_BUNDLE", "SSL_CERT_FILE"] {
            let env = format!("{{name: {name}, value: /corp/ca.crt}}");
            assert_eq!(ask(image, &env), "Blocked BR-TLS-010", "{image} {name}");
        }
    }
}

#[test]
fn the_container_that_shows_a_client_asks() {
    let root = Ca::root("Corp Root");
    let build = build("npm", &[&root.pem]);
    let told = [("--endpoint-ca", &*root.pem)];
    let with = |more: &str| tls(&build.replace("  containers:\n", &format!("  containers:\n{more}")), HOST, &told);
    let sidecar = with("  - {name: side, image: envoyproxy/envoy}\n");
    assert_eq!(said(&sidecar), "Reachable", "{sidecar}");
    assert!(sidecar["assumptions"].to_string().contains("what asks for it is in container `c`"), "{sidecar}");
    // Another container with a client, which does not trust the CA: which of them asks is not said.
    let other = with("  - {name: other, image: 'node:22', command: [npm, ci]}\n");
    assert_eq!(said(&other), "Unknown", "{other}");
    // One that initialises may be the one that asks.
    let init = build.replace("  containers:\n", "  containers: [{name: main, image: nginx}]\n  initContainers:\n");
    let step = tls(&init, HOST, &told);
    assert_eq!(said(&step), "Reachable", "{step}");
}

#[test]
fn near_misses_are_of_the_same_key() {
    let root = Ca::root("Corp Root");
    let other = Ca::root("Corp Root");
    let manifests = build("npm", &[&other.pem]) + &config_map("spare", "ca.crt", &root.pem);
    let step = tls(&manifests, HOST, &[("--endpoint-ca", &root.pem)]);
    assert_eq!(said(&step), "Blocked BR-TLS-013", "{step}");
    let near = step["nearMisses"].to_string();
    assert!(near.contains("\"spare\"") && !near.contains("\"corp\""), "{near}");
}

#[test]
fn configuration_in_a_home_that_may_be_another() {
    let root = Ca::root("Corp Root");
    let told = [("--endpoint-ca", &*root.pem)];
    let npm = format!("npm ci --registry https://{HOST}/");
    let maps = config_map("corp", "ca.crt", &root.pem) + &config_map("rc", ".npmrc", "cafile=/corp/ca.crt\n");
    let at = |path: &str, env: &str| {
        let pod = pod("node:22", &npm, env)
            .replace("[{name: ca, configMap", "[{name: rc, configMap: {name: rc}}, {name: ca, configMap")
            .replace("volumeMounts: [", &format!("volumeMounts: [{{name: rc, mountPath: {path}, subPath: .npmrc}}, "));
        tls(&(pod + &maps), HOST, &told)
    };
    let own = at("/root/.npmrc", "");
    // What it says is not kept: it may hold credentials.
    assert_eq!(said(&own), "Unknown", "{own}");
    let other = at("/home/node/.npmrc", "");
    assert_eq!(said(&other), "Unknown", "{other}");
    assert!(other["summary"].as_str().unwrap().contains("/home/node/.npmrc"), "{other}");
    assert_eq!(said(&at("/home/node/.npmrc", "{name: HOME, value: /home/node}")), "Unknown");
    let elsewhere = at("/home/node/.npmrc", "{name: HOME, value: /root}");
    assert_eq!(said(&elsewhere), "Blocked BR-TLS-010", "{elsewhere}");
}
