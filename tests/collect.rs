//! Reads folders as people have them, and as nobody should have them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use buildreach::collect::files::{self, Options};
use buildreach::collect::snapshot_io;
use buildreach::model::{CoverageState, ProblemClass, Snapshot};
use tempfile::TempDir;

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ci, labels: {team: a}}\n";

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ci}\nspec: {containers: [{name: c, image: golang}]}\n";

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read_path(path: &Path) -> Snapshot {
    files::collect(&[path.to_str().unwrap().to_owned()], &Options::default()).unwrap()
}

/// What a folder with these files gives.
fn read(files: &[(&str, &str)]) -> Snapshot {
    let bytes: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    read_path(folder(&bytes).path())
}

fn pods(snapshot: &Snapshot) -> Vec<String> {
    let name = |ns: &Option<buildreach::model::Str>| ns.as_deref().unwrap_or("?").to_owned();
    snapshot.pods.iter().map(|pod| format!("{}/{}", name(&pod.meta.namespace), pod.meta.name)).collect()
}

/// Class, file name and line of each problem.
fn problems(snapshot: &Snapshot) -> Vec<(ProblemClass, String, u32)> {
    let file = |source| snapshot.source(source).rsplit('/').next().unwrap_or_default().to_owned();
    snapshot.problems.iter().map(|p| (p.class, file(p.source), p.line)).collect()
}

fn failed(snapshot: &Snapshot) -> Vec<&str> {
    let failed = snapshot.coverage.iter().filter(|c| matches!(c.state, CoverageState::Failed(_)));
    failed.map(|c| c.source.rsplit('/').next().unwrap_or_default()).collect()
}

fn named_pod(name: &str) -> String {
    POD.replace("name: p,", &format!("name: {name},"))
}

#[test]
fn one_broken_document_loses_no_other() {
    let good = named_pod("a");
    let last = named_pod("z");
    let broken = format!("{good}---\nfoo: [1,\n---\n{last}");
    let snapshot = read(&[("a.yaml", &broken), ("b.json", "{\"kind\": \"Pod\",\n \"metadata\" oops}"), ("c.yml", POD)]);
    assert_eq!(pods(&snapshot), ["ci/a", "ci/z", "ci/p"]);
    assert_eq!(
        problems(&snapshot),
        [(ProblemClass::Malformed, "a.yaml".to_owned(), 6), (ProblemClass::Malformed, "b.json".to_owned(), 2)]
    );
    assert_eq!(failed(&snapshot), ["a.yaml", "b.json"]);
}

#[test]
fn a_broken_document_with_a_readable_name_says_which_object_is_not_known() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: ci}\nspec:\n  egress: [\n";
    let snapshot = read(&[("a.yaml", text)]);
    let problem = &snapshot.problems[0];
    assert_eq!(problem.class, ProblemClass::Unreadable);
    assert_eq!((problem.kind.as_deref(), problem.namespace.as_deref()), (Some("NetworkPolicy"), Some("ci")));
    assert_eq!(failed(&snapshot), ["a.yaml"]);
}

#[test]
fn what_an_api_server_rejects_is_unreadable() {
    let policy = |spec: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a, namespace: ci}}\nspec:\n{spec}"
        )
    };
    for (spec, line) in [
        ("  podSelector: {matchLabels: {a: yes}}\n", 5),
        ("  podSelector: {matchLabels: {a: 1.10}}\n", 5),
        ("  podSelector: {}\n  podSelector: {}\n", 6),
        ("  egress: {}\n", 5),
        ("  egress:\n  - to: []\n    ports: [{port: [1]}]\n", 7),
        ("  podSelector:\n    matchLabels:\n      a: b\n      a: c\n", 8),
    ] {
        let snapshot = read(&[("a.yaml", &policy(spec))]);
        assert_eq!(problems(&snapshot).iter().map(|p| p.0).collect::<Vec<_>>(), [ProblemClass::Unreadable], "{spec}");
        assert!(snapshot.network_policies.is_empty());
        assert!((4..=line).contains(&snapshot.problems[0].line), "{spec}: line {}", snapshot.problems[0].line);
        assert!(failed(&snapshot).is_empty(), "the document is YAML");
    }
    let old = policy("  podSelector: {}\n").replace("networking.k8s.io/v1", "extensions/v1beta1");
    assert_eq!(problems(&read(&[("a.yaml", &old)]))[0].0, ProblemClass::Unreadable);
}

#[test]
fn rules_and_variables_have_their_own_lines() {
    let text = "# first\n---\n# second\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: a\n  namespace: ci\nspec:\n  podSelector: {}\n  egress:\n  # to dns\n  - ports:\n    - port: 53\n  -\n    to: []\n  - {}\n  ingress: [{from: []},\n    {}]\n";
    let snapshot = read(&[("a.yaml", text)]);
    let policy = &snapshot.network_policies[0];
    assert_eq!(policy.meta.origin.line, 4);
    let lines = |rules: &Option<Vec<buildreach::model::object::PolicyRule>>| {
        rules.iter().flatten().map(|rule| rule.line).collect::<Vec<_>>()
    };
    assert_eq!(lines(&policy.spec.egress), [13, 16, 17]);
    assert_eq!(lines(&policy.spec.ingress), [18, 19]);

    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    env:\n    - name: GOPROXY\n      value: a\n    - value: b\n      name: GOFLAGS\n";
    let env = &read(&[("a.yaml", text)]).pods[0].spec.containers[0].env.clone();
    assert_eq!((env[0].line, env[1].line), (8, 11));
}

#[test]
fn encodings_and_line_ends_are_understood() {
    let utf16 = |text: &str, to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let crlf = named_pod("crlf").replace('\n', "\r\n") + "---\r\n" + &named_pod("crlf2").replace('\n', "\r\n");
    let bom = "\u{feff}".to_owned() + &named_pod("bom");
    let folder = folder(&[
        ("a.yaml", crlf.as_bytes()),
        ("b.yaml", bom.as_bytes()),
        ("c.yaml", &[vec![0xff, 0xfe], utf16(&named_pod("le"), u16::to_le_bytes)].concat()),
        ("d.yaml", &[vec![0xfe, 0xff], utf16(&named_pod("be"), u16::to_be_bytes)].concat()),
        (
            "e.json",
            "\u{feff}{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"json\",\"namespace\":\"ci\"}}"
                .as_bytes(),
        ),
        ("f.yaml", b"\x7fELF\x02\x01\x01\0\0\0\0\0"),
        ("g.yaml", b""),
        ("h.yaml", b"a: \"\xff\xfe\"\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: after, namespace: ci}\n"),
        ("i.yaml", &[b"a: ".as_slice(), "x".repeat(3_000_000).as_bytes()].concat()),
    ]);
    let snapshot = read_path(folder.path());
    assert_eq!(pods(&snapshot), ["ci/crlf", "ci/crlf2", "ci/bom", "ci/le", "ci/be", "ci/json", "ci/after"]);
    assert_eq!(snapshot.pods[1].meta.origin.line, 6);
    assert_eq!(failed(&snapshot), ["f.yaml", "h.yaml"]);
    let not_an_object = snapshot.problems.iter().find(|p| p.class == ProblemClass::NotAnObject).unwrap();
    assert!(snapshot.place(not_an_object).ends_with("i.yaml:1"));
}

#[test]
fn hostile_documents_end_in_a_problem() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(bomb, "a{i}: &a{i} [{refs}]").unwrap();
    }
    let deep_json = "[".repeat(100_000);
    let deep_object = "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"spec\":".to_owned()
        + &"{\"a\":".repeat(50_000)
        + "1"
        + &"}".repeat(50_001);
    let deep_yaml = (0..2_000).map(|i| " ".repeat(i) + "a:\n").collect::<String>();
    let deep_list = "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[".repeat(40) + &"]}".repeat(40);
    let files = [
        ("bomb.yaml", bomb.as_str()),
        ("deep.json", &deep_json),
        ("deep2.json", &deep_object),
        ("deep.yaml", &deep_yaml),
        ("deep3.json", &deep_list),
        ("keys.yaml", "? [a, b]\n: c\n"),
        ("self.yaml", "a: &a [*a]\n"),
        ("merge.yaml", "a:\n  <<: 5\n"),
        ("tab.yaml", "a:\n\tb: 1\n"),
        ("tag.yaml", "!!python/object:os.system x\n"),
        ("control.yaml", "a: \"\u{7}\"\nkind: \u{1}\n"),
    ];
    let mut all: Vec<(&str, &str)> = files.to_vec();
    all.push(("zz.yaml", POD));
    let snapshot = read(&all);
    assert_eq!(pods(&snapshot), ["default/x", "ci/p"], "what is good is read");
    for name in ["bomb.yaml", "deep.json", "deep.yaml", "keys.yaml", "self.yaml", "merge.yaml", "tab.yaml"] {
        let named = |p: &&buildreach::model::Problem| snapshot.source(p.source).ends_with(&format!("/{name}"));
        assert!(snapshot.problems.iter().any(|p| named(&p)), "{name} has a problem");
    }
}

#[test]
fn folders_are_read_in_order_and_dotted_ones_are_not() {
    let snapshot = read(&[
        ("b/z.yaml", &named_pod("third")),
        ("a.yaml", &named_pod("first")),
        ("b/.hidden.yaml", &named_pod("second")),
        (".git/x.yaml", &named_pod("never")),
        ("b/notes.txt", "kind: Pod"),
        ("c.YAML", &named_pod("fourth")),
    ]);
    assert_eq!(pods(&snapshot), ["ci/first", "ci/second", "ci/third", "ci/fourth"]);
    assert!(snapshot.problems.is_empty());
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_and_once() {
    use std::os::unix::fs::symlink;
    let outside = folder(&[("out.yaml", named_pod("outside").as_bytes())]);
    let folder = folder(&[
        ("a.yaml", named_pod("a").as_bytes()),
        ("..2024/mounted.yaml", named_pod("mounted").as_bytes()),
        ("d/b.yaml", named_pod("b").as_bytes()),
    ]);
    let root = folder.path();
    symlink("a.yaml", root.join("again.yaml")).unwrap();
    symlink("..2024", root.join("..data")).unwrap();
    symlink("..data/mounted.yaml", root.join("mounted.yaml")).unwrap();
    symlink("nowhere.yaml", root.join("dangling.yaml")).unwrap();
    symlink("loop.yaml", root.join("loop.yaml")).unwrap();
    symlink(".", root.join("d/circle")).unwrap();
    symlink("..", root.join("d/up")).unwrap();
    symlink(outside.path().join("out.yaml"), root.join("out.yaml")).unwrap();
    symlink(outside.path(), root.join("out")).unwrap();
    let snapshot = read_path(root);
    assert_eq!(pods(&snapshot), ["ci/a", "ci/b", "ci/mounted"]);
    let links: Vec<_> = problems(&snapshot).into_iter().map(|(class, file, _)| (class, file)).collect();
    let expected = ["circle", "up", "dangling.yaml", "loop.yaml", "out", "out.yaml"];
    let mut expected: Vec<_> = expected.map(|name| (ProblemClass::LinkNotFollowed, name.to_owned())).to_vec();
    let mut links = links;
    links.sort();
    expected.sort();
    assert_eq!(links, expected);

    // A link that is named is a source like any other.
    let link = root.join("again.yaml");
    assert_eq!(pods(&read_path(&link)), ["ci/a"]);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(&[("a.yaml", POD.as_bytes()), ("b.yaml", b"kind: x"), ("d/c.yaml", b"kind: x")]);
    let close = |name: &str, mode| {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    close("b.yaml", 0o000);
    close("d", 0o000);
    let is_root = fs::read(folder.path().join("b.yaml")).is_ok();
    let snapshot = read_path(folder.path());
    close("d", 0o755);
    assert_eq!(pods(&snapshot), ["ci/p"]);
    if !is_root {
        assert_eq!(failed(&snapshot), ["b.yaml", "d"]);
    }
}

#[test]
fn sources_that_are_not_there_are_an_error() {
    let missing = files::collect(&["/nowhere/at-all".to_owned()], &Options::default()).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/at-all: "));
    assert!(pods(&read(&[])).is_empty());
}

#[test]
fn standard_input_and_repeated_sources() {
    let folder = folder(&[("a.yaml", POD.as_bytes())]);
    let path = folder.path().to_str().unwrap().to_owned();
    let sources = [path.clone(), format!("{path}/a.yaml"), "-".to_owned()];
    let stdin = named_pod("from-stdin");
    let snapshot = files::collect_from(&sources, stdin.as_bytes(), &Options::default()).unwrap();
    assert_eq!(pods(&snapshot), ["ci/p", "ci/from-stdin"]);
    assert_eq!(snapshot.source(snapshot.pods[1].meta.origin.source), "stdin");
    assert!(snapshot.problems.is_empty(), "a file that is named twice is read once");

    // More than one buffer, so that it is streamed.
    let item =
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"NAME\",\"namespace\":\"ci\"},\"x\":\"PAD\"}";
    let item = item.replace("PAD", &"x".repeat(1000));
    let items: Vec<_> = (0..6_000).map(|i| item.replace("NAME", &format!("p{i}"))).collect();
    let text = format!("{{\"apiVersion\":\"v1\",\"items\":[{}],\"kind\":\"List\"}}", items.join(","));
    let snapshot = files::collect_from(&["-".to_owned()], text.as_bytes(), &Options::default()).unwrap();
    assert_eq!(snapshot.pods.len(), 6_000);
}

#[test]
fn large_files_are_streamed_and_give_the_same() {
    let item = |i: usize| {
        format!(
            "{{\"metadata\":{{\"name\":\"p{i}\",\"namespace\":\"ci\",\"annotations\":{{\"x\":\"{}\"}}}}}}",
            "y".repeat(500)
        )
    };
    let items: Vec<_> = (0..12_000).map(item).collect();
    for (start, end) in [
        ("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[\n", "]}"),
        ("{\"apiVersion\":\"v1\",\"items\":[\n", "],\"kind\":\"PodList\"}"),
    ] {
        let text = format!("{start}{}{end}", items.join(",\n"));
        assert!(text.len() > 5 << 20);
        let snapshot = read(&[("pods.json", &text), ("z.yaml", NAMESPACE)]);
        assert_eq!(snapshot.pods.len(), 12_000);
        assert_eq!(snapshot.pods[11_999].meta.origin.line, 12_001);
        assert_eq!(snapshot.namespaces.len(), 1);
        let cut = read(&[("pods.json", &text[..text.len() / 2]), ("z.yaml", NAMESPACE)]);
        if end.len() == 2 {
            assert!((5_000..7_000).contains(&cut.pods.len()));
        }
        assert_eq!(cut.namespaces.len(), 1);
        assert_eq!(failed(&cut), ["pods.json"]);
    }
}

#[test]
fn helm_templates_are_counted_and_strings_with_braces_are_read() {
    let template = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n";
    let block = "{{- if .Values.on }}\napiVersion: v1\nkind: Pod\n{{- end }}\n";
    let workflow = "apiVersion: v1\nkind: Pod\nmetadata: {name: argo, namespace: ci}\nspec: {containers: [{name: c, args: ['{{inputs.x}}']}]}\n";
    let snapshot = read(&[
        ("chart/Chart.yaml", "apiVersion: v2\nname: c\n"),
        ("chart/values.yaml", "a: 1\n"),
        ("chart/templates/a.yaml", template),
        ("chart/templates/b.yaml", block),
        ("chart/templates/c.json", "{\"a\": {{ .x }}}"),
        ("other/d.yaml", template),
        ("argo.yaml", workflow),
    ]);
    assert_eq!(snapshot.helm_templates, 4);
    assert_eq!(pods(&snapshot), ["ci/argo"]);
    let counts: Vec<_> = snapshot.problems.iter().map(|p| (p.class, p.count)).collect();
    assert_eq!(counts, [(ProblemClass::HelmTemplate, 3), (ProblemClass::HelmTemplate, 1)]);
    assert!(failed(&snapshot).is_empty());
}

#[test]
fn repeated_names_are_one_problem_and_the_last_counts() {
    let second = POD.replace("golang", "node");
    let snapshot =
        read(&[("a.yaml", POD), ("b.yaml", &second), ("c.yaml", &format!("{second}---\n{NAMESPACE}---\n{NAMESPACE}"))]);
    assert_eq!(snapshot.pods.len(), 1);
    assert_eq!(snapshot.pods[0].spec.containers[0].image.as_deref(), Some("node"));
    assert_eq!(snapshot.namespaces.len(), 1);
    let duplicates: Vec<_> = snapshot.problems.iter().filter(|p| p.class == ProblemClass::Duplicate).collect();
    assert_eq!(duplicates.len(), 1);
    assert_eq!(duplicates[0].count, 3);
}

#[test]
fn objects_without_a_namespace_go_where_they_are_told() {
    let options = Options { default_namespace: Some("team".to_owned()), ..Options::default() };
    let snapshot = files::from_texts(
        &[(
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n}\n---\napiVersion: v1\nkind: Pod\nmetadata: {generateName: build-}\n",
        )],
        &options,
    );
    assert_eq!(pods(&snapshot), ["team/p", "team/build-*"]);
    assert_eq!(snapshot.namespace_defaulted, 2);
    assert_eq!(snapshot.nodes[0].meta.namespace, None);
}

#[test]
fn cloud_documents_are_recognised() {
    let snapshot = read(&[
        ("sg.json", "{\"SecurityGroups\": []}"),
        ("aks.json", "{\"name\": \"c\", \"networkProfile\": {\"outboundType\": \"none\"}}"),
        ("aks-list.json", "[{\"networkProfile\": {\"outboundType\": \"loadBalancer\"}}]"),
        ("tsconfig.json", "{\"compilerOptions\": {}}"),
    ]);
    let found: Vec<_> = snapshot.cloud_documents.iter().map(|d| (d.key.as_str(), d.outbound_type.as_deref())).collect();
    assert_eq!(found, [("networkProfile", Some("loadBalancer")), ("networkProfile", Some("none"))]);
    assert_eq!(problems(&snapshot), [(ProblemClass::NotAnObject, "tsconfig.json".to_owned(), 1)]);
}

#[test]
fn secrets_are_never_kept() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {kubectl.kubernetes.io/last-applied-configuration: hunter2}}\nspec:\n  containers:\n  - name: c\n    command: [sh, -c, 'NPM_TOKEN=hunter2 npm ci']\n    args: [--password, hunter2, 'https://u:hunter2@h/x']\n    env:\n    - {name: GOPROXY, value: 'https://u:hunter2@proxy,direct'}\n    - {name: HTTPS_PROXY, value: 'u:hunter2@proxy:3128'}\n    - {name: NPM_TOKEN, value: hunter2}\n    - {name: JAVA_TOOL_OPTIONS, value: '-Dhttps.proxyHost=p -Dhttps.proxyPassword=hunter2'}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: coredns, namespace: kube-system}\ndata: {Corefile: 'forward . https://u:hunter2@dns'}\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\nspec: {x: {password: hunter2, url: 'https://u:hunter2@h'}}\n";
    let snapshot = read(&[("a.yaml", text)]);
    assert!(!serde_json::to_string(&snapshot).unwrap().contains("hunter2"));
    assert_eq!((snapshot.pods.len(), snapshot.config_maps.len(), snapshot.others.len()), (1, 1, 1));
}

#[test]
fn a_saved_snapshot_is_the_snapshot() {
    let folder = folder(&[
        ("a.yaml", format!("{POD}---\n{NAMESPACE}---\nfoo: [\n").as_bytes()),
        ("b.yaml", b"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n, namespace: ci}\nspec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http, protocol: TCP}, {port: 1, endPort: 5}]}, {}], x: 1}\n"),
        ("c.yaml", b"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\nspec: {b: [1, 2.5, null], a: {}}\n"),
        ("d.json", b"{\"networkProfile\": {\"outboundType\": \"none\"}}"),
        ("e.json", b"{\"Vpcs\": []}"),
        ("eu-west-1/f.json", b"{\"Vpcs\": [{\"VpcId\": \"vpc-1\"}, {}]}"),
        ("g.yaml", include_bytes!("suites/aws/predicted-affinity/manifests/pods.yaml")),
        ("h.yaml", include_bytes!("suites/aws/predicted-taints/manifests/pods.yaml")),
        ("i.yaml", include_bytes!("suites/aws/predicted-taints/manifests/nodes.yaml")),
    ]);
    let options = Options { instant: "2026-11-24T21:40:00.123456789Z".parse().unwrap(), ..Options::default() };
    let snapshot = files::collect(&[folder.path().to_str().unwrap().to_owned()], &options).unwrap();
    let saved = tempfile::tempdir().unwrap();
    let target = saved.path().join("deep/er");
    snapshot_io::save(&snapshot, &target).unwrap();
    let again = files::collect(&[target.to_str().unwrap().to_owned()], &Options::default()).unwrap();
    assert_eq!(format!("{snapshot:#?}"), format!("{again:#?}"));
    assert_eq!(again.instant, options.instant);

    // Saved again, it is replaced; what is something else is not.
    snapshot_io::save(&again, &target).unwrap();
    let both = [target.to_str().unwrap().to_owned(), folder.path().to_str().unwrap().to_owned()];
    assert!(matches!(files::collect(&both, &Options::default()), Err(files::Error::SnapshotWithOthers(_))));
    let file = target.join(snapshot_io::FILE_NAME);
    fs::write(&file, "{\"mine\": true}").unwrap();
    assert!(matches!(snapshot_io::save(&again, &target), Err(snapshot_io::Error::Occupied(_))));
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"mine\": true}");
    fs::write(&file, "{\"apiVersion\": \"buildreach.dev/v1alpha1\", \"kind\": \"Snapshot\", \"pods\": 5}").unwrap();
    assert!(matches!(snapshot_io::load(&target), Err(snapshot_io::Error::Unreadable { .. })));
}

#[test]
fn variables_that_redirect_a_build_keep_their_values() {
    let table = include_str!("../src/demand/data/variables.tsv");
    let names: Vec<String> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').next().unwrap().replace('*', "X"))
        .flat_map(|name| [name.to_ascii_uppercase(), name.to_ascii_lowercase(), name])
        .chain(
            ["HTTPS_PROXY", "no_proxy", "ALL_PROXY", "DOCKER_HOST", "BUILDKIT_HOST", "KO_DOCKER_REPO"]
                .map(str::to_owned),
        )
        .collect();
    assert!(names.len() > 100);
    let env: Vec<String> = names.iter().map(|name| format!("    - {{name: '{name}', value: x}}\n")).collect();
    let env = env.concat();
    let text =
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    env:\n{env}");
    let snapshot = read(&[("a.yaml", &text)]);
    let kept = &snapshot.pods[0].spec.containers[0].env;
    let text = buildreach::model::object::EnvValue::Text("x".into());
    for name in &names {
        assert!(kept.iter().any(|var| var.name == name.as_str() && var.value == text), "{name}");
    }
}

#[test]
fn variables_that_a_setting_refers_to_are_kept() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    env:\n    - {name: HOST, value: proxy.corp}\n    - {name: PASS, value: hunter2}\n    - {name: OTHER, value: x}\n    - {name: HTTPS_PROXY, value: 'http://$(PASS)@$(HOST):3128'}\n";
    let snapshot = read(&[("a.yaml", text)]);
    let env: Vec<_> =
        snapshot.pods[0].spec.containers[0].env.iter().map(|v| format!("{} {:?}", v.name, v.value)).collect();
    assert_eq!(env[0], "HOST Text(\"proxy.corp\")");
    assert_eq!(env[1], "HTTPS_PROXY Text(\"http://$(HOST):3128\")");
    assert_eq!(env.len(), 2, "{env:?}");
}

#[test]
fn a_placeholder_is_no_namespace() {
    let snapshot = read(&[
        ("a.yaml", &POD.replace("namespace: ci", "namespace: '${NAMESPACE}'")),
        ("b.yaml", &POD.replace("namespace: ci", "namespace: REPLACE_ME")),
    ]);
    assert!(snapshot.pods.iter().all(|pod| pod.meta.namespace_unknown && pod.meta.namespace.is_none()));
    assert_eq!(snapshot.pods.len(), 2, "they are not one object");
    let classes: Vec<_> = snapshot.problems.iter().map(|p| p.class).collect();
    assert_eq!(classes, [ProblemClass::AmbiguousNamespace; 2]);
    assert_eq!(snapshot.namespace_defaulted, 0);
}

#[test]
fn a_single_source_that_fails_is_not_read() {
    let folder = folder(&[("a.yaml", b"x: [")]);
    let snapshot = read_path(&folder.path().join("a.yaml"));
    assert_eq!(snapshot.coverage.len(), 1);
    assert!(matches!(snapshot.coverage[0].state, CoverageState::Failed(_)));
}

#[test]
fn endpoints_stand_for_slices() {
    let text = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: s, namespace: ci}\nsubsets:\n- addresses: [{ip: 10.0.0.1}]\n  notReadyAddresses: [{ip: 10.0.0.2}]\n  ports: [{name: http, port: 80}]\n- addresses: [{ip: 10.0.0.3}]\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s, namespace: ci}\naddressType: FQDN\nendpoints: [{addresses: [a.example]}]\n";
    let snapshot = read(&[("a.yaml", text)]);
    let slices = &snapshot.endpoint_slices;
    assert_eq!(slices.iter().map(|s| s.addresses.len()).collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!(slices[0].meta.labels.get("kubernetes.io/service-name").unwrap(), "s");
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
}
