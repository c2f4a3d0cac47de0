//! Nodes as trees in memory.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::{About, NodeFiles, facts};
use crate::model::trust::{NodeTrust, RegistryTrust, StoreKind};
use crate::trust::Tree;
use crate::trust::tree::{Content, Entry};

const NOW: &str = "2026-11-24T00:00:00Z";

/// A CA in PEM; it ends with `year`.
fn ca(name: &str, year: i32) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 12, 10);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

/// A node on which nothing else is.
fn node(files: &[(&str, &str)]) -> NodeFiles {
    let mut tree = Tree::new(true);
    for (path, text) in files {
        tree.put(path, Entry::File(Content::Bytes(text.as_bytes().into())));
    }
    NodeFiles { tree, ..NodeFiles::default() }
}

fn read(files: &[(&str, &str)], runtime: Option<&str>) -> NodeTrust {
    let container_runtime = runtime.map(Into::into);
    facts(
        &node(files),
        &About { name: "n".into(), observed: NOW.parse().unwrap(), container_runtime, config_path: None },
    )
}

/// Codes of the notes with their lines.
fn codes(facts: &NodeTrust) -> BTreeSet<(String, u32)> {
    facts.notes.iter().map(|note| (note.code.strip_prefix("BR-TLS-").unwrap().to_owned(), note.line)).collect()
}

fn has(facts: &NodeTrust, code: &str) -> bool {
    codes(facts).iter().any(|(known, _)| known == code)
}

fn registry<'f>(facts: &'f NodeTrust, host: &str) -> &'f RegistryTrust {
    facts.registries.iter().find(|registry| *registry.host == *host).unwrap()
}

/// URLs with the subjects of their CAs, in order.
fn places(registry: &RegistryTrust) -> Vec<String> {
    let subjects = |place: &crate::model::trust::RegistryHost| {
        place.ca.iter().map(|anchor| anchor.subject.trim_start_matches("CN=").to_owned()).collect::<Vec<_>>().join("+")
    };
    registry.hosts.iter().map(|place| format!("{} {}", place.url, subjects(place)).trim().to_owned()).collect()
}

const CONFIG: &str =
    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
const HOSTS: &str = "/etc/containerd/certs.d/r.example/hosts.toml";

#[test]
fn a_hosts_file_says_what_is_asked_and_which_cas_count() {
    let (a, b) = (ca("A", 2040), ca("B", 2040));
    let hosts = "server = \"https://r.example\"\nca = \"b.crt\"\n[host.\"https://z.example\"]\n  ca = [\"a.crt\"]\n[host.\"http://m.example\"]\n";
    let files = [
        ("/etc/containerd/config.toml", CONFIG),
        (HOSTS, hosts),
        ("/etc/containerd/certs.d/r.example/a.crt", &a),
        ("/etc/containerd/certs.d/r.example/b.crt", &b),
    ];
    let facts = read(&files, Some("containerd://1.7.27"));
    let found = registry(&facts, "r.example");
    assert_eq!(places(found), ["https://z.example A", "http://m.example", "https://r.example B"]);
    assert_eq!((&*found.runtime, &*found.source, &found.doubt), ("containerd", HOSTS, &None));
    assert!(facts.notes.is_empty(), "{:?}", facts.notes);
}

#[test]
fn without_a_host_table_old_versions_ignore_the_file() {
    let (a, b) = (ca("A", 2040), ca("B", 2040));
    let files = [
        ("/etc/containerd/config.toml", CONFIG),
        (HOSTS, "server = \"https://r.example\"\nca = \"a.pem\"\n"),
        ("/etc/containerd/certs.d/r.example/a.pem", &a),
        ("/etc/containerd/certs.d/r.example/b.crt", &b),
    ];
    let old = read(&files, Some("containerd://1.7.27-k3s1"));
    assert_eq!(places(registry(&old, "r.example")), ["https://r.example B"]);
    assert!(has(&old, "060"));

    let new = read(&files, Some("containerd://2.0.4"));
    assert_eq!(places(registry(&new, "r.example")), ["https://r.example A"]);
    assert!(!has(&new, "060"));

    let unknown = read(&files, None);
    assert!(registry(&unknown, "r.example").doubt.is_some() && has(&unknown, "060"));
    // A file of version 3 is read from 2.0 on.
    let three = CONFIG
        .replace("version = 2", "version = 3")
        .replace("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images");
    let files = [("/etc/containerd/config.toml", three.as_str()), files[1], files[2], files[3]];
    let three = read(&files, None);
    assert_eq!(registry(&three, "r.example").doubt, None);
}

#[test]
fn a_file_that_cannot_be_decoded_gives_way_to_the_certificates() {
    let (a, b) = (ca("A", 2040), ca("B", 2040));
    for (text, code, line) in [
        ("[host.\"https://r.example\"]\nca = 1\n", "063", 2),
        ("[host.\"https://r.example\"\n", "063", 1),
        ("[host.\"https://r.example\"]\ncapabilities = [\"pull\",\n \"fetch\"]\n", "076", 3),
    ] {
        let files = [
            ("/etc/containerd/config.toml", CONFIG),
            (HOSTS, text),
            ("/etc/containerd/certs.d/r.example/x.crt", &a),
            ("/etc/containerd/certs.d/r.example/y.crt", &b),
        ];
        let facts = read(&files, Some("containerd://2.1.0"));
        assert_eq!(places(registry(&facts, "r.example")), ["https://r.example A+B"]);
        assert_eq!(codes(&facts), BTreeSet::from([(code.to_owned(), line)]), "{text}");
    }
}

#[test]
fn config_path_has_a_default_from_2_2_on() {
    let a = ca("A", 2040);
    let files = [
        ("/etc/containerd/config.toml", "version = 2\n"),
        ("/etc/containerd/certs.d/r.example/ca.crt", a.as_str()),
        ("/etc/docker/certs.d/s.example/ca.crt", &a),
    ];
    let old = read(&files, Some("containerd://2.1.9"));
    assert!(old.registries.is_empty() && has(&old, "061"));
    let new = read(&files, Some("containerd://2.2.0"));
    let hosts: Vec<_> = new.registries.iter().map(|registry| &*registry.host).collect();
    assert_eq!(hosts, ["r.example", "s.example"]);
    assert!(new.notes.is_empty());
    let unknown = read(&files, None);
    assert!(unknown.registries.iter().all(|registry| registry.doubt.is_some()) && has(&unknown, "061"));
}

#[test]
fn the_first_folder_counts() {
    let (a, b, c) = (ca("A", 2040), ca("B", 2040), ca("C", 2040));
    let config = CONFIG.replace("certs.d", "one:/etc/containerd/two");
    let files = [
        ("/etc/containerd/config.toml", config.as_str()),
        ("/etc/containerd/one/r.example:5000/ca.crt", &a),
        ("/etc/containerd/two/r.example_5000_/ca.crt", &b),
        ("/etc/containerd/one/_default/ca.crt", &c),
        ("/etc/containerd/two/s.example/ca.crt", &b),
    ];
    let facts = read(&files, Some("containerd://2.1.9"));
    assert_eq!(places(registry(&facts, "r.example:5000")), ["https://r.example:5000 A"]);
    assert_eq!(places(registry(&facts, "s.example")), ["https://s.example C"]);
    assert_eq!(places(registry(&facts, "_default")), ["C"]);
    let shadowed: BTreeSet<_> = facts.notes.iter().map(|note| (&*note.code, &*note.path)).collect();
    let expected =
        [("BR-TLS-062", "/etc/containerd/two/r.example_5000_"), ("BR-TLS-062", "/etc/containerd/two/s.example")];
    assert_eq!(shadowed, BTreeSet::from(expected));
}

#[test]
fn traps_of_a_hosts_file_are_noted_with_their_lines() {
    let a = ca("A", 2040);
    let hosts = "server = \"https://r.example\"\n[host.\"https://r.example\"]\n  ca = \"ca.crt\"\n[host.\"https://m.example\"]\n  skip_verify = true\n  ca = \"gone.crt\"\n";
    let files = [
        ("/etc/containerd/config.toml", CONFIG),
        (HOSTS, hosts),
        ("/etc/containerd/certs.d/r.example/ca.crt", a.as_str()),
    ];
    let facts = read(&files, Some("containerd://1.7.1"));
    let expected = [("064", 2), ("071", 5), ("077", 6)].map(|(code, line)| (code.to_owned(), line));
    assert_eq!(codes(&facts), BTreeSet::from(expected));
    let found = registry(&facts, "r.example");
    assert!(found.hosts[1].skip_verify && found.error.is_some());
}

#[test]
fn old_tables_have_their_time() {
    let a = ca("A", 2040);
    let tables = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"r.example\"]\n  endpoint = [\"https://m.example:5000\"]\n\
                  [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"m.example:5000\".tls]\n  ca_file = \"/etc/containerd/a.pem\"\n\
                  [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"r.example\".tls]\n  insecure_skip_verify = true\n\
                  [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"r.example\".auth]\n  password = \"hunter2\"\n";
    let with_path = format!(
        "{tables}[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"
    );
    let files = |config| [("/etc/containerd/config.toml", config), ("/etc/containerd/a.pem", a.as_str())];

    let old = read(&files(tables), Some("containerd://1.6.20"));
    assert_eq!(places(registry(&old, "r.example")), ["https://m.example:5000 A", "https://r.example"]);
    assert!(registry(&old, "r.example").hosts[1].skip_verify && has(&old, "071") && !has(&old, "066"));
    assert!(!serde_json::to_string(&old).unwrap().contains("hunter2"));

    let new = read(&files(tables), Some("containerd://2.0.0"));
    assert_eq!(places(registry(&new, "r.example")), ["https://m.example:5000", "https://r.example"]);
    assert!(has(&new, "066") && !has(&new, "071"));

    let both = read(&files(&with_path), Some("containerd://1.7.0"));
    assert!(has(&both, "065") && both.registries.is_empty());
    let ca = [("/etc/containerd/certs.d/r.example/ca.crt", a.as_str())];
    let both = read(&[&files(&with_path)[..], &ca[..]].concat(), Some("containerd://1.7.0"));
    assert!(registry(&both, "r.example").error.is_some());
}

#[test]
fn imported_files_overrule() {
    let a = ca("A", 2040);
    let main = format!("imports = [\"conf.d/*.toml\"]\n{}", CONFIG.replace("certs.d", "old"));
    let files = [
        ("/etc/containerd/config.toml", main.as_str()),
        ("/etc/containerd/conf.d/9.toml", CONFIG),
        ("/etc/containerd/certs.d/r.example/ca.crt", &a),
    ];
    assert_eq!(places(registry(&read(&files, None), "r.example")), ["https://r.example A"]);
    // Whether a plugin's table replaces the earlier one whole or is merged with it is not known.
    let other = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"x\"\n";
    let main = main.replace("/old", "/certs.d");
    let files = [(files[0].0, main.as_str()), (files[1].0, other), files[2]];
    assert!(registry(&read(&files, None), "r.example").doubt.is_some());
}

#[test]
fn containers_take_the_first_folder_and_the_longest_prefix_is_the_readers() {
    let (a, b) = (ca("A", 2040), ca("B", 2040));
    let conf = "[[registry]]\nprefix = \"r.example/team\"\nlocation = \"int.example\"\n[[registry.mirror]]\nlocation = \"m.example:5000/x\"\ninsecure = true\n\
                [[registry]]\nlocation = \"bad.example\"\nblocked = true\n";
    let files = [
        ("/etc/containers/registries.conf", conf),
        ("/etc/containers/certs.d/int.example/ca.crt", a.as_str()),
        ("/etc/docker/certs.d/int.example/ca.crt", &b),
        ("/etc/docker/certs.d/m.example:5000/ca.crt", &b),
        ("/etc/docker/certs.d/pair.example/client.cert", "x"),
        ("/etc/crio/crio.conf", "[crio.image]\ninsecure_registries = [\"x\"]\n"),
    ];
    let facts = read(&files, Some("cri-o://1.33.0"));
    let found = registry(&facts, "r.example/team");
    assert_eq!(places(found), ["https://m.example:5000/x B", "https://int.example A"]);
    assert!(found.hosts[0].skip_verify && !found.hosts[1].skip_verify);
    assert!(registry(&facts, "bad.example").error.is_some() && registry(&facts, "pair.example").error.is_some());
    let expected = [("062", 0), ("071", 5), ("075", 0), ("081", 2)].map(|(code, line)| (code.to_owned(), line));
    assert_eq!(codes(&facts), BTreeSet::from(expected));
}

#[test]
fn the_docker_daemon_has_mirrors_for_its_hub_and_ranges_that_it_does_not_verify() {
    let a = ca("A", 2040);
    let daemon = "{\n \"insecure-registries\": [\"10.0.0.0/8\",\n  \"i.example:5000\"],\n \"registry-mirrors\": [\"https://m.example/\"],\n \"proxies\": {\"https-proxy\": \"http://p:3128\"}\n}";
    let files = [("/etc/docker/daemon.json", daemon), ("/etc/docker/certs.d/m.example/ca.crt", a.as_str())];
    let facts = read(&files, None);
    assert_eq!(places(registry(&facts, "docker.io")), ["https://m.example A", "https://registry-1.docker.io"]);
    assert!(
        registry(&facts, "10.0.0.0/8").hosts[0].skip_verify && registry(&facts, "i.example:5000").hosts[0].skip_verify
    );
    let docker = facts.runtimes.iter().find(|runtime| &*runtime.name == "docker").unwrap();
    assert_eq!(docker.env, [("HTTPS_PROXY".into(), "http://p:3128".into())]);
    assert_eq!(codes(&facts), BTreeSet::from([("071".to_owned(), 2), ("071".to_owned(), 3)]));

    let broken = read(&[("/etc/docker/daemon.json", "{\n \"insecure-registries\": 1\n}")], None);
    assert_eq!(codes(&broken), BTreeSet::from([("079".to_owned(), 2)]));
}

#[test]
fn a_mirror_of_buildkit_has_its_own_table() {
    let a = ca("A", 2040);
    let toml = "[registry.\"docker.io\"]\n mirrors = [\"m.example:5000/hub\"]\n ca = [\"/etc/buildkit/ca.pem\"]\n[registry.\"m.example:5000\"]\n http = true\n insecure = true\n";
    let files = [("/etc/buildkit/buildkitd.toml", toml), ("/etc/buildkit/ca.pem", a.as_str())];
    let facts = read(&files, None);
    assert_eq!(places(registry(&facts, "docker.io")), ["http://m.example:5000/hub", "https://registry-1.docker.io A"]);
    assert!(registry(&facts, "docker.io").hosts[0].skip_verify);
}

#[test]
fn k3s_counts_what_it_generated_and_else_what_it_will() {
    let a = ca("A", 2040);
    let yaml = "mirrors:\n  docker.io:\n    endpoint:\n    - https://m.example:5000\nconfigs:\n  \"m.example:5000\":\n    auth:\n      password: hunter2\n    tls:\n      ca_file: /etc/rancher/k3s/a.crt\n";
    let files = [("/etc/rancher/k3s/registries.yaml", yaml), ("/etc/rancher/k3s/a.crt", a.as_str())];
    let facts = read(&files, None);
    assert_eq!(places(registry(&facts, "docker.io")), ["https://m.example:5000 A", "https://registry-1.docker.io"]);
    assert_eq!(&*registry(&facts, "docker.io").runtime, "k3s");
    assert!(!format!("{facts:?}").contains("hunter2"));

    let base = "/var/lib/rancher/k3s/agent/etc/containerd";
    let config = CONFIG.replace("/etc/containerd/certs.d", &format!("{base}/certs.d"));
    let (config_path, ca_path) = (format!("{base}/config.toml"), format!("{base}/certs.d/g.example/ca.crt"));
    let mut node = node(&[files[0], (&config_path, &config), (&ca_path, &a)]);
    node.modified.insert("/etc/rancher/k3s/registries.yaml".to_owned(), "2026-02-02T00:00:00Z".parse().unwrap());
    node.modified.insert(config_path, "2026-02-01T00:00:00Z".parse().unwrap());
    let facts = super::facts(&node, &About::default());
    let hosts: Vec<_> = facts.registries.iter().map(|registry| (&*registry.host, &*registry.runtime)).collect();
    assert_eq!(hosts, [("g.example", "k3s")]);
    assert!(has(&facts, "082"));
}

#[test]
fn services_have_the_environment_of_their_drop_ins() {
    let files = [
        ("/etc/containerd/config.toml", "version = 2\n"),
        (
            "/etc/systemd/system/containerd.service.d/10.conf",
            "[Service]\nEnvironment=\"HTTPS_PROXY=http://a:1\" FOO=bar\nEnvironmentFile=-/etc/sysconfig/proxy\n",
        ),
        ("/etc/sysconfig/proxy", "# x\nHTTPS_PROXY='http://b:1'\nNO_PROXY=.svc\n"),
        ("/etc/environment", "PATH=/bin\nHTTP_PROXY=http://c:1\n"),
    ];
    let facts = read(&files, Some("containerd://1.7.27"));
    let runtime = &facts.runtimes[0];
    assert_eq!((&*runtime.name, runtime.version.as_deref()), ("containerd", Some("1.7.27")));
    let env: Vec<_> = runtime.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["HTTPS_PROXY=http://b:1", "NO_PROXY=.svc"]);
    assert_eq!(codes(&facts), BTreeSet::from([("083".to_owned(), 2)]));
}

#[test]
fn an_input_that_is_not_in_the_output_was_not_built() {
    let (a, b, old) = (ca("A", 2040), ca("B", 2026), ca("C", 2025));
    let output = format!("{b}{old}");
    let debian = "ID=debian\nVERSION_ID=\"12\"\n";
    let files = [
        ("/etc/os-release", debian),
        ("/usr/local/share/ca-certificates/sub/a.crt", a.as_str()),
        ("/usr/local/share/ca-certificates/b.crt", &b),
        ("/usr/local/share/ca-certificates/c.pem", &old),
        ("/etc/pki/ca-trust/source/anchors/a.pem", &a),
        ("/etc/ssl/certs/ca-certificates.crt", &output),
    ];
    let facts = read(&files, None);
    assert_eq!(facts.os.as_deref(), Some("debian 12"));
    let by_code = |code: &str| -> Vec<&str> {
        facts.notes.iter().filter(|note| note.code.ends_with(code)).map(|note| &*note.path).collect()
    };
    assert_eq!(by_code("067"), ["/usr/local/share/ca-certificates/sub/a.crt"]);
    assert_eq!(by_code("070"), ["/etc/pki/ca-trust/source/anchors/a.pem", "/usr/local/share/ca-certificates/c.pem"]);
    assert_eq!(by_code("072").len() + by_code("073").len(), 3);
    assert_eq!(by_code("080"), ["/etc/ssl/certs/ca-certificates.crt"]);
    let store = &facts.stores[0];
    assert_eq!((store.kind, store.certificates, store.additions.len()), (StoreKind::System, 2, 2));
}

#[test]
fn a_store_that_is_newer_than_the_runtime_may_not_be_known_to_it() {
    let roots: String = {
        use std::fmt::Write as _;
        let mut text = ca("A", 2040);
        for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            writeln!(text, "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", base64(root)).unwrap();
        }
        text
    };
    let mut node = node(&[("/etc/ssl/certs/ca-certificates.crt", &roots), ("/etc/containerd/config.toml", CONFIG)]);
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    node.modified.insert("/etc/ssl/certs/ca-certificates.crt".to_owned(), time("2026-02-01T00:00:00Z"));
    node.modified.insert("/run/containerd/containerd.sock".to_owned(), time("2026-01-01T00:00:00Z"));
    let facts = super::facts(&node, &About { observed: time(NOW), ..About::default() });
    assert_eq!(codes(&facts), BTreeSet::from([("068".to_owned(), 0)]));
    let store = &facts.stores[0];
    assert_eq!((store.public.present, store.public.of), (store.public.of, store.certificates - 1));
    assert_eq!(store.additions.len(), 1);

    node.modified.insert("/run/containerd/containerd.sock".to_owned(), time("2026-03-01T00:00:00Z"));
    let facts = super::facts(&node, &About { observed: time(NOW), ..About::default() });
    assert!(facts.notes.is_empty());
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

#[test]
fn what_was_not_read_leaves_doubt() {
    let mut node = node(&[
        ("/etc/containerd/config.toml", CONFIG),
        (HOSTS, "[host.\"https://r.example\"]\nca = \"/root/ca.crt\"\n"),
    ]);
    node.tree.put("/root", Entry::Unknown("not among what is read".to_owned()));
    node.tree.put("/etc/containerd/certs.d/s.example/hosts.toml", Entry::Unknown("may not be read".to_owned()));
    let facts = super::facts(&node, &About::default());
    assert_eq!(registry(&facts, "r.example").hosts[0].unread, ["/root/ca.crt"]);
    assert!(registry(&facts, "s.example").doubt.is_some());
    assert!(facts.unread.iter().any(|line| line.starts_with("/root/ca.crt")) && !has(&facts, "077"));
}

#[test]
fn a_configuration_that_cannot_be_read_leaves_everything_open() {
    for (path, runtime) in [
        ("/etc/containerd/config.toml", "containerd"),
        ("/etc/docker/daemon.json", "docker"),
        ("/etc/buildkit/buildkitd.toml", "buildkit"),
        ("/etc/containers/registries.conf", "cri-o"),
    ] {
        let facts = read(&[(path, "[[[")], None);
        let found = registry(&facts, "_default");
        assert_eq!(&*found.runtime, runtime);
        assert!(found.doubt.is_some() && has(&facts, "079") && !has(&facts, "061"), "{path}");
    }
    let mut node = node(&[]);
    node.tree.put("/etc/containerd/config.toml", Entry::Unknown("may not be read".to_owned()));
    assert!(registry(&super::facts(&node, &About::default()), "_default").doubt.is_some());
}

#[test]
fn containerd_takes_a_key_from_the_file_of_the_certificate() {
    let pair = ca("A", 2040) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let alone = ca("B", 2040);
    let files = [
        ("/etc/containerd/config.toml", CONFIG),
        ("/etc/containerd/certs.d/a.example/c.cert", pair.as_str()),
        ("/etc/containerd/certs.d/b.example/c.cert", &alone),
        ("/etc/containerd/certs.d/c.example/c.key", "x"),
    ];
    let facts = read(&files, Some("containerd://1.7.1"));
    assert_eq!(registry(&facts, "a.example").error, None);
    assert!(registry(&facts, "b.example").error.is_some());
    assert_eq!(registry(&facts, "c.example").error, None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever stands in these files, reading them ends, and twice gives the same.
    #[test]
    fn no_file_is_too_odd(
        seed in 0..8_usize, at in 0..400_usize, cut in 0..40_usize, put in "[\\[\\]\"=a-z0-9:/.#\\\\ \n{}é-]{0,12}",
    ) {
        const TEXTS: [(&str, &str); 8] = [
            ("/etc/containerd/config.toml", "imports=[\"conf.d/*.toml\"]\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n[plugins.x.registry.mirrors.\"a\"]\nendpoint=[\"b\"]\n"),
            (HOSTS, "server = \"https://r.example\"\nca = [\"b.crt\"]\n[host.\"https://z.example\"]\n  client = [[\"a\", \"b\"]]\n  capabilities = [\"pull\"]\n"),
            ("/etc/docker/daemon.json", "{\"insecure-registries\": [\"a:1\"], \"registry-mirrors\": [\"https://u:p@m\"]}"),
            ("/etc/containers/registries.conf", "[[registry]]\nprefix = \"*.a\"\nlocation = \"b/c\"\n[[registry.mirror]]\nlocation = \"d\"\n[registries.insecure]\nregistries=['x']\n"),
            ("/etc/buildkit/buildkitd.toml", "[registry.\"a\"]\nmirrors=[\"b/c\"]\nca=[\"/x\"]\n"),
            ("/etc/rancher/k3s/registries.yaml", "mirrors:\n  a: {endpoint: [\"https://b\"]}\nconfigs:\n  b: {tls: {ca_file: /x}}\n"),
            ("/etc/systemd/system/containerd.service.d/a.conf", "[Service]\nEnvironment=\"HTTPS_PROXY=a\" \\\n B='c'\nEnvironmentFile=-/etc/default/x\n"),
            ("/etc/os-release", "ID=\"debian\"\nID_LIKE='x y'\nVERSION_ID=1\n"),
        ];
        let mut files: Vec<(&str, String)> = TEXTS.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        let text: Vec<char> = files[seed].1.chars().collect();
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        files[seed].1 = text[..at].iter().collect::<String>() + &put + &text[end..].iter().collect::<String>();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let first = read(&files, None);
        proptest::prop_assert_eq!(&first, &read(&files, None));
    }
}
