//! Certificates in API objects: who holds which, where they go, and what is not known about them.

#![allow(clippy::panic, clippy::unwrap_used)]

use buildreach::collect::{files, snapshot_io};
use buildreach::model::Snapshot;
use buildreach::model::trust::TrustBundle;
use buildreach::trust::objects::{Held, config_map};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

/// A CA of that name, in PEM.
fn ca(name: &str) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

/// PEM as a block of YAML.
fn block(pem: &str, indent: usize) -> String {
    pem.lines().flat_map(|line| ["\n".to_owned(), " ".repeat(indent), line.to_owned()]).collect()
}

fn read(texts: &[&str]) -> Snapshot {
    let names: Vec<_> = (0..texts.len()).map(|at| format!("{at}.yaml")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().copied()).collect();
    let snapshot = files::from_texts(&files, &files::Options::default());
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

/// A ConfigMap with one key.
fn map(namespace: &str, name: &str, key: &str, pem: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata:\n  plain: hello\n  {key}: |{}\n",
        block(pem, 4)
    )
}

/// A pod that mounts a ConfigMap over the store.
fn pod(namespace: &str, config_map: &str, path: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: build, namespace: {namespace}}}\nspec:\n  volumes: [{{name: ca, configMap: {{name: {config_map}}}}}]\n  containers: [{{name: c, image: x, volumeMounts: [{{name: ca, mountPath: {path}}}]}}]\n"
    )
}

/// Keys and subjects.
fn held(held: &Held<'_>) -> Vec<String> {
    match held {
        Held::Keys(bundles) => bundles.iter().map(|bundle| words(bundle)).collect(),
        Held::Absent => vec!["absent".to_owned()],
        Held::Unknown(why) => vec![format!("unknown: {why}")],
    }
}

fn words(bundle: &TrustBundle) -> String {
    let subjects: Vec<_> = bundle.certificates.iter().map(|anchor| anchor.subject.to_string()).collect();
    let public = if bundle.public_roots { " +public" } else { "" };
    let unread = bundle.unread.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{}={}{public}{unread}", bundle.key, subjects.join("|"))
}

#[test]
fn a_mounted_map_has_all_of_its_keys_and_an_absent_one_is_absent() {
    let snapshot = read(&[&map("ci", "corp-ca", "ca.crt", &ca("Corp")), &pod("ci", "corp-ca", "/etc/ssl/certs")]);
    assert_eq!(held(&config_map(&snapshot, "ci", "corp-ca")), ["ca.crt=CN=Corp", "plain="]);
    assert_eq!(held(&config_map(&snapshot, "other", "corp-ca")), ["absent"]);
    assert!(snapshot.trust_bundles[0].certificates[0].der.is_some());

    // Nobody mounts it: only what holds certificates is kept.
    let snapshot = read(&[&map("ci", "corp-ca", "ca.crt", &ca("Corp")), &map("ci", "x", "y", "no certificate")]);
    assert_eq!(held(&config_map(&snapshot, "ci", "corp-ca")), ["ca.crt=CN=Corp"]);
    assert_eq!(snapshot.trust_bundles.len(), 1);
}

#[test]
fn a_mounted_map_without_certificates_is_there() {
    let empty = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: corp-ca, namespace: ci}\n";
    let snapshot = read(&[empty, &pod("ci", "corp-ca", "/etc/ssl/certs")]);
    assert_eq!(held(&config_map(&snapshot, "ci", "corp-ca")), ["="]);
}

#[test]
fn bytes_are_read_as_certificates_and_key_stores_are_unknown() {
    use base64_of as b64;
    let der = pem_to_der(&ca("Corp"));
    let store = [&[0xfe, 0xed, 0xfe, 0xed][..], b"rest"].concat();
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, namespace: ci}}\nbinaryData:\n  ca.der: {}\n  ca.jks: {}\n  logo.png: {}\n",
        b64(&der),
        b64(&store),
        b64(b"\x89PNG")
    );
    let snapshot = read(&[&text, &pod("ci", "m", "/etc/ssl/certs")]);
    let found = held(&config_map(&snapshot, "ci", "m"));
    assert_eq!(found, ["ca.der=CN=Corp", "ca.jks= (it is a key store, which is not read)", "logo.png="]);
}

#[test]
fn what_is_in_every_namespace_is_kept_where_it_is_mounted_and_equal_content_once() {
    let pem = ca("kubernetes");
    let maps: Vec<_> = ["a", "b", "c"].iter().map(|ns| map(ns, "kube-root-ca.crt", "ca.crt", &pem)).collect();
    let corp: Vec<_> = ["a", "b"].iter().map(|ns| map(ns, "corp", "ca.crt", &pem)).collect();
    let pod = pod("b", "kube-root-ca.crt", "/usr/local/share/ca-certificates");
    let texts: Vec<&str> = maps.iter().chain(&corp).chain([&pod]).map(String::as_str).collect();
    let snapshot = read(&texts);
    assert_eq!(held(&config_map(&snapshot, "b", "kube-root-ca.crt")), ["ca.crt=CN=kubernetes", "plain="]);
    assert!(matches!(config_map(&snapshot, "a", "kube-root-ca.crt"), Held::Unknown(_)));
    let lists: Vec<_> = snapshot.trust_bundles.iter().filter(|b| b.key == "ca.crt").map(|b| &b.certificates).collect();
    assert_eq!(lists.len(), 3);
    assert!(lists.iter().all(|list| list.is_same(lists[0])));
}

#[test]
fn generators_and_unrendered_patches_leave_it_unknown() {
    let texts = [
        (
            "kustomization.yaml",
            "namespace: ci\nresources: [pod.yaml]\nconfigMapGenerator: [{name: corp-ca, files: [ca.crt]}]\n".to_owned(),
        ),
        ("pod.yaml", pod("ci", "corp-ca", "/etc/ssl/certs")),
    ];
    let files: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let snapshot = files::from_texts(&files, &files::Options::default());
    let found = held(&config_map(&snapshot, "ci", "corp-ca"));
    assert!(found[0].starts_with("unknown: ConfigMap corp-ca: a kustomization generates it"), "{found:?}");
}

#[test]
fn cluster_trust_bundles_are_kept_with_signer_and_labels() {
    let text = format!(
        "apiVersion: certificates.k8s.io/v1\nkind: ClusterTrustBundle\nmetadata: {{name: 'x.example:y:z', labels: {{a: b}}}}\nspec:\n  signerName: x.example/y\n  trustBundle: |{}\n",
        block(&ca("Bundle"), 4)
    );
    let snapshot = read(&[&text]);
    let bundle = &snapshot.trust_bundles[0];
    assert_eq!((bundle.kind.as_str(), bundle.signer.as_deref()), ("ClusterTrustBundle", Some("x.example/y")));
    assert_eq!(bundle.meta.labels.get("a").map(buildreach::model::Str::as_str), Some("b"));
    assert_eq!((bundle.meta.namespace.as_deref(), words(bundle).as_str()), (None, "=CN=Bundle"));
}

/// A Bundle of trust-manager.
fn bundle(sources: &str, rest: &str) -> String {
    format!(
        "apiVersion: trust.cert-manager.io/v1alpha1\nkind: Bundle\nmetadata: {{name: corp}}\nspec:\n  sources:\n{sources}  target: {{configMap: {{key: bundle.pem}}{rest}}}\n"
    )
}

#[test]
fn trust_manager_writes_what_its_sources_hold() {
    let inline = format!("  - inLine: |{}\n", block(&ca("Inline"), 6));
    let sources = format!("  - configMap: {{name: roots, key: ca.crt}}\n{inline}  - useDefaultCAs: true\n");
    let source = map("cert-manager", "roots", "ca.crt", &ca("Source"));
    let snapshot = read(&[&bundle(&sources, ""), &source, &pod("ci", "corp", "/etc/ssl/certs")]);
    assert_eq!(held(&config_map(&snapshot, "ci", "corp")), ["bundle.pem=CN=Source|CN=Inline +public"]);
    assert!(snapshot.trust_notes.is_empty());

    // Without its source, or with a Secret among them, it may hold more.
    let snapshot = read(&[&bundle(&sources, "")]);
    let found = held(&config_map(&snapshot, "ci", "corp"));
    assert_eq!(found, ["bundle.pem=CN=Inline +public (the ConfigMap roots among its sources was not read)"]);
    let snapshot = read(&[&bundle("  - secret: {name: s, key: k}\n", "")]);
    assert!(held(&config_map(&snapshot, "ci", "corp"))[0].contains("Secrets are not read"));
}

#[test]
fn trust_manager_writes_into_the_namespaces_that_it_selects() {
    let inline = format!("  - inLine: |{}\n", block(&ca("Inline"), 6));
    let text = bundle(&inline, ", namespaceSelector: {matchLabels: {build: 'true'}}");
    let space = |name: &str, labels: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
    };
    let snapshot = read(&[&text, &space("ci", "build: 'true'"), &space("prod", "")]);
    assert_eq!(held(&config_map(&snapshot, "ci", "corp")), ["bundle.pem=CN=Inline"]);
    assert_eq!(held(&config_map(&snapshot, "prod", "corp")), ["absent"]);
    assert!(matches!(config_map(&snapshot, "unseen", "corp"), Held::Unknown(_)));
}

#[test]
fn traps_of_trust_manager_become_notes() {
    let inline = format!("  - inLine: |{}\n", block(&ca("Inline"), 6));
    let status = "status: {conditions: [{type: Synced, status: 'False', message: no such source}]}\n";
    let text = bundle(&inline, "") + status;
    let snapshot = read(&[&text, &pod("ci", "corp", "/etc/ssl/certs")]);
    let notes: Vec<_> = snapshot.trust_notes.iter().map(|note| (note.code.as_str(), note.message.as_str())).collect();
    assert_eq!(
        notes,
        [
            ("BR-TLS-091", "Bundle corp is not synced: no such source"),
            ("BR-TLS-090", "Bundle corp holds no public root, and Pod ci/build mounts it in place of a whole store"),
        ]
    );
    assert_eq!((snapshot.trust_notes[0].path.as_str(), snapshot.trust_notes[0].line), ("0.yaml", 1));
    let beside = read(&[&bundle(&inline, ""), &pod("ci", "corp", "/etc/ssl/certs/corp")]);
    assert!(beside.trust_notes.is_empty());
}

#[test]
fn the_successor_of_bundles_is_read_too() {
    let text = format!(
        "apiVersion: trust-manager.io/v1alpha2\nkind: ClusterBundle\nmetadata: {{name: corp}}\nspec:\n  sourceRefs: [{{kind: ConfigMap, name: roots, key: ca.crt}}]\n  defaultCAs: {{provider: System}}\n  inLineCAs: |{}\n  target:\n    namespaceSelector: {{}}\n    configMap: {{data: [{{key: a.pem}}, {{key: a.p12, format: PKCS12}}]}}\n",
        block(&ca("Inline"), 4)
    );
    let snapshot = read(&[&text, &map("cert-manager", "roots", "ca.crt", &ca("Source"))]);
    let found = held(&config_map(&snapshot, "ci", "corp"));
    assert_eq!(found, ["a.pem=CN=Source|CN=Inline +public", "a.p12= +public (it is a key store, which is not read)"]);
}

const PROXY: &str = "apiVersion: config.openshift.io/v1\nkind: Proxy\nmetadata: {name: cluster}\nspec: {httpsProxy: 'http://proxy.corp.example:3128', trustedCA: {name: corp-ca}}\n";
const IMAGE: &str = "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {additionalTrustedCA: {name: registries}, registrySources: {insecureRegistries: ['old.corp.example:5000']}}\n";

#[test]
fn openshift_gives_cas_to_its_nodes_and_to_labelled_maps() {
    let system = map("openshift-config", "corp-ca", "ca-bundle.crt", &ca("System"));
    let registries = map("openshift-config", "registries", "r.corp.example..5000", &ca("Registry"));
    let labelled = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: trusted, namespace: ci, labels: {config.openshift.io/inject-trusted-cabundle: 'true'}}\n";
    let snapshot =
        read(&[PROXY, IMAGE, &system, &registries, labelled, &pod("ci", "trusted", "/etc/pki/ca-trust/extracted/pem")]);
    assert_eq!(held(&config_map(&snapshot, "ci", "trusted")), ["ca-bundle.crt=CN=System +public"]);
    let [nodes] = snapshot.node_trust.as_slice() else { panic!("{:?}", snapshot.node_trust) };
    assert_eq!(nodes.from.as_deref(), Some("Image cluster"));
    let store = &nodes.stores[0];
    assert_eq!((store.additions[0].subject.as_str(), store.public.present), ("CN=System", store.public.of));
    assert_eq!(nodes.runtimes[0].env, [("HTTPS_PROXY".into(), "http://proxy.corp.example:3128".into())]);
    let hosts: Vec<_> =
        nodes.registries.iter().map(|r| (r.host.as_str(), r.hosts[0].ca.len(), r.hosts[0].skip_verify)).collect();
    assert_eq!(hosts, [("r.corp.example:5000", 1, false), ("old.corp.example:5000", 0, true)]);
    let codes: Vec<_> = snapshot.trust_notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(codes, ["BR-TLS-094"]);
}

#[test]
fn openshift_names_that_lead_nowhere_are_told() {
    let wrong_key = map("openshift-config", "registries", "ca.crt", &ca("Registry"));
    let snapshot = read(&[PROXY, IMAGE, &wrong_key]);
    let codes: Vec<_> = snapshot.trust_notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(codes, ["BR-TLS-093", "BR-TLS-092", "BR-TLS-094"]);
    assert_eq!(snapshot.node_trust[0].unread.len(), 1);
}

#[test]
fn a_snapshot_keeps_it_all() {
    let inline = format!("  - inLine: |{}\n", block(&ca("Inline"), 6));
    let text = bundle(&inline, ", namespaceSelector: {matchLabels: {build: 'true'}}");
    let snapshot =
        read(&[&text, PROXY, IMAGE, &map("ci", "m", "ca.crt", &ca("Corp")), &pod("ci", "m", "/etc/ssl/certs")]);
    let folder = tempfile::tempdir().unwrap();
    snapshot_io::save(&snapshot, folder.path()).unwrap();
    assert_eq!(snapshot_io::load(folder.path()).unwrap().unwrap().trust_bundles, snapshot.trust_bundles);
    let again = snapshot_io::load(folder.path()).unwrap().unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&snapshot).unwrap());
}

fn pem_to_der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    buildreach::model::base64::decode(&text).unwrap()
}

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

/// What Cluster API writes to new nodes.
fn machines(commands: &str) -> String {
    let hosts = "[host.\"https://r.corp.example\"]\n  ca = \"/etc/containerd/certs.d/r.corp.example/ca.pem\"\n";
    format!(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfigTemplate\nmetadata: {{name: workers, namespace: ci}}\nspec:\n  template:\n    spec:\n      preKubeadmCommands: [{commands}]\n      files:\n      - path: /usr/local/share/ca-certificates/corp.crt\n        content: |{}\n      - path: /etc/containerd/config.toml\n        content: |\n          version = 2\n          [plugins.\"io.containerd.grpc.v1.cri\".registry]\n          config_path = \"/etc/containerd/certs.d\"\n      - path: /etc/containerd/certs.d/r.corp.example/hosts.toml\n        encoding: base64\n        content: {}\n      - path: /etc/containerd/certs.d/r.corp.example/ca.pem\n        content: |{}\n      - path: /etc/secret\n        contentFrom: {{secret: {{name: s, key: k}}}}\n",
        block(&ca("Corp"), 10),
        base64_of(hosts.as_bytes()),
        block(&ca("Registry"), 10),
    )
}

#[test]
fn kubeadm_configurations_describe_nodes() {
    let snapshot = read(&[&machines("update-ca-certificates, systemctl restart containerd")]);
    let [node] = snapshot.node_trust.as_slice() else { panic!("{:?}", snapshot.node_trust) };
    assert_eq!(node.from.as_deref(), Some("KubeadmConfigTemplate ci/workers"));
    assert_eq!(node.stores[0].additions[0].subject, "CN=Corp");
    assert!(node.notes.iter().all(|note| note.code != "BR-TLS-095"), "{:?}", node.notes);
    let registry = node.registries.iter().find(|registry| registry.host == "r.corp.example").unwrap();
    assert_eq!(registry.hosts[0].ca[0].subject, "CN=Registry");
    assert_eq!(node.unread, ["what the image of the machine brings itself"]);

    let snapshot = read(&[&machines("")]);
    assert!(snapshot.node_trust[0].stores[0].additions.is_empty());
    assert!(snapshot.node_trust[0].notes.iter().any(|note| note.code == "BR-TLS-095"));
}

#[test]
fn talos_configurations_describe_nodes() {
    let pem = ca("Old");
    let text = format!(
        "version: v1alpha1\nmachine:\n  type: worker\n  registries:\n    config:\n      old.corp.example:5000: {{tls: {{ca: {}, insecureSkipVerify: false}}}}\n---\napiVersion: v1alpha1\nkind: TrustedRootsConfig\nname: corp\ncertificates: |{}\n---\napiVersion: v1alpha1\nkind: RegistryTLSConfig\nname: mirror.corp.example\ninsecureSkipVerify: true\n---\napiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: docker.io\nendpoints: [{{url: 'https://mirror.corp.example/v2/hub'}}]\nskipFallback: true\n",
        base64_of(pem.as_bytes()),
        block(&ca("Corp"), 2),
    );
    let snapshot = read(&[&text]);
    let [node] = snapshot.node_trust.as_slice() else { panic!("{:?}", snapshot.node_trust) };
    assert_eq!(node.from.as_deref(), Some("Talos machine configuration 0.yaml"));
    assert_eq!(node.stores[0].additions[0].subject, "CN=Corp");
    assert!(node.unread.is_empty(), "{:?}", node.unread);
    let words: Vec<_> = node
        .registries
        .iter()
        .map(|registry| {
            let places: Vec<_> = registry.hosts.iter().map(|h| (h.url.as_str(), h.ca.len(), h.skip_verify)).collect();
            (registry.host.as_str(), places)
        })
        .collect();
    assert_eq!(
        words,
        [
            ("docker.io", vec![("https://mirror.corp.example/v2/hub", 0, true)]),
            ("mirror.corp.example", vec![("https://mirror.corp.example", 0, true)]),
            ("old.corp.example:5000", vec![("https://old.corp.example:5000", 1, false)]),
        ]
    );
    assert_eq!(node.notes[0].host.as_deref(), Some("mirror.corp.example"));

    // A patch alone is not the whole.
    let patch =
        format!("apiVersion: v1alpha1\nkind: TrustedRootsConfig\nname: corp\ncertificates: |{}\n", block(&pem, 2));
    assert_eq!(read(&[&patch]).node_trust[0].unread.len(), 1);
}
