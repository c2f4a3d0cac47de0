#![allow(clippy::unwrap_used)]

mod go;
mod images;
mod properties;

use crate::demand::testing::{Build, container, required, short, spec, subject_of, subject_with};
use crate::demand::{Catalogue, DemandOptions, Requirement, Subject, parse_endpoint, parse_endpoint_sets};
use crate::model::object::Container;

const GO: [&str; 2] = ["go proxy.golang.org:443!", "go storage.googleapis.com:443!"];

fn go(goproxy: &str) -> Subject {
    subject_of(vec![container("build", "golang:1.22", &["go", "mod", "download"]).env("GOPROXY", goproxy)])
}

fn find<'a>(subject: &'a Subject, host: &str) -> &'a Requirement {
    subject.requirements.iter().find(|r| r.endpoint.host == host).unwrap()
}

#[test]
fn what_cannot_be_read_is_a_doubt() {
    let c = || container("build", "golang", &["go", "build"]);
    let doubts = |c: Container| -> Vec<String> {
        subject_of(vec![c])
            .requirements
            .iter()
            .filter(|r| r.required)
            .map(|r| r.doubt.clone().unwrap_or_default())
            .collect()
    };
    assert!(
        doubts(c().env_from("GOPROXY", "Secret ci/go")).iter().all(|d| d.contains("`GOPROXY` comes from Secret ci/go"))
    );
    assert!(doubts(c().all_env_from("ConfigMap", "env", None)).iter().all(|d| d.contains("/env does not exist")));
    assert!(doubts(c().all_env_from("Secret", "env", Some("GO"))).iter().all(|d| d.contains("Secret env")));
    assert!(doubts(c().all_env_from("Secret", "env", Some("APP_"))).iter().all(String::is_empty));
    let proxied = doubts(c().env("HTTPS_PROXY", "http://proxy.example:3128"));
    assert!(proxied.iter().all(|d| d == "`HTTPS_PROXY=http://proxy.example:3128` of container `build` (ci/pods.yaml:31) names a proxy, which is not followed"), "{proxied:?}");
    // Go reads HTTP_PROXY for http URLs only, and NO_PROXY by itself redirects nothing.
    assert!(doubts(c().env("HTTP_PROXY", "http://p.example").env("NO_PROXY", "x")).iter().all(String::is_empty));
    assert!(doubts(c().env("HTTPS_PROXY", "")).iter().all(String::is_empty));
    assert!(
        doubts(c().env("https_proxy", "http://p.example").env("no_proxy", ".golang.org,storage.googleapis.com"))
            .iter()
            .all(String::is_empty)
    );
    assert!(doubts(c().env("https_proxy", "http://p.example").env("no_proxy", "*")).iter().all(|d| !d.is_empty()));
    let athens = c().env("GOPROXY", "http://athens.example:3000").env("HTTP_PROXY", "http://p.example");
    assert!(doubts(athens).iter().all(|d| d.contains("HTTP_PROXY")));
}

#[test]
fn the_proxy_is_a_destination_too() {
    let subject = subject_of(vec![container("b", "golang", &["go", "build"]).env("HTTPS_PROXY", "proxy.example:3128")]);
    let proxy = find(&subject, "proxy.example");
    assert_eq!((proxy.endpoint.port, proxy.required, proxy.ecosystem.as_deref()), (3128, false, Some("proxy")));
    assert!(proxy.doubt.is_none());
}

#[test]
fn npm_and_its_registry() {
    let subject = |image: &str, script: &str, env: &[(&str, &str)]| {
        required(&subject_of(vec![env.iter().fold(container("b", image, &[script]), |c, (n, v)| c.env(n, v))]))
    };
    let set = [("npm_config_registry", "https://nexus.example:8443/repository/npm/")];
    assert_eq!(subject("node:20", "npm ci --no-audit", &[]), ["node registry.npmjs.org:443!"]);
    assert_eq!(subject("node:20", "npm ci --no-audit", &set), ["node nexus.example:8443!"]);
    assert_eq!(
        subject("node:20", "npm ci", &[("NPM_CONFIG_REGISTRY", "http://nexus.example/")]),
        ["node nexus.example:80!"]
    );
    assert_eq!(subject("node:20", "yarn install", &set), ["node registry.npmjs.org:443!?"]);
    assert_eq!(subject("node:20", "npm ci --registry https://x.example", &[]), ["node registry.npmjs.org:443!?"]);
    assert_eq!(subject("node:20", "cp /conf/.npmrc . && npm ci", &[]), ["node registry.npmjs.org:443!?"]);
    assert_eq!(
        subject("node:20", "npm ci", &[set[0], ("npm_config_userconfig", "/x")]),
        ["node registry.npmjs.org:443!?"]
    );
    assert_eq!(
        subject("node:20", "npm ci", &[("PIP_INDEX_URL", "https://x.example")]),
        ["node registry.npmjs.org:443!"]
    );
}

#[test]
fn pip_and_its_indexes() {
    let subject = |script: &str, env: &[(&str, &str)]| {
        required(&subject_of(vec![env.iter().fold(container("b", "python:3.12", &[script]), |c, (n, v)| c.env(n, v))]))
    };
    let pypi = ["python files.pythonhosted.org:443!", "python pypi.org:443!"];
    let index = ("PIP_INDEX_URL", "https://nexus.example/simple");
    assert_eq!(subject("pip install -r r.txt", &[]), pypi);
    assert_eq!(subject("pip install -r r.txt", &[index]), ["python nexus.example:443!"]);
    assert_eq!(
        subject("python3 -m pip install x", &[("PIP_EXTRA_INDEX_URL", "https://a.example/s https://b.example/s")]),
        ["python a.example:443!", "python b.example:443!", pypi[0], pypi[1]]
    );
    let doubtful = ["python files.pythonhosted.org:443!?", "python pypi.org:443!?"];
    assert_eq!(subject("uv sync --frozen", &[index]), doubtful);
    assert_eq!(subject("pip install x", &[("PIP_CONFIG_FILE", "/x")]), doubtful);
    assert_eq!(subject("pip install -i https://x.example y", &[]), doubtful);
}

#[test]
fn images_imply_their_toolchain_unless_the_commands_say_otherwise() {
    let hosts = |command: &[&str]| short(&subject_of(vec![container("b", "golang:1.22", command)]));
    assert!(hosts(&[]).contains(&GO[0].to_owned()));
    assert!(hosts(&["cat"]).contains(&GO[0].to_owned()));
    assert!(hosts(&["make build"]).contains(&GO[0].to_owned()));
    assert!(hosts(&["bash", "build.sh"]).contains(&GO[0].to_owned()));
    assert!(hosts(&["/app/server"]).contains(&"go proxy.golang.org:443".to_owned()));
    assert_eq!(hosts(&["git clone https://github.com/a/b"]), ["vcs_github github.com:443!"]);
}

#[test]
fn system_packages_follow_the_distribution() {
    let hosts = |image: &str, script: &str| required(&subject_of(vec![container("b", image, &[script])]));
    assert_eq!(hosts("debian:12", "apt-get update && apt-get install -y git"), ["os_debian deb.debian.org:80!"]);
    assert_eq!(hosts("golang:1.22", "apt-get -qq update"), ["os_debian deb.debian.org:80!"]);
    assert_eq!(
        hosts("ubuntu:24.04", "apt-get update"),
        ["os_ubuntu archive.ubuntu.com:80!", "os_ubuntu security.ubuntu.com:80!"]
    );
    assert_eq!(hosts("golang:1.22-alpine", "apk add --no-cache git"), ["os_alpine dl-cdn.alpinelinux.org:443!"]);
    assert!(hosts("corp.example/base:1", "apt-get update").is_empty());
    assert_eq!(
        hosts("debian", "sed -i s/http:/https:/ /etc/apt/sources.list; apt-get update"),
        ["os_debian deb.debian.org:80!?"]
    );
    let unknown = short(&subject_of(vec![container("b", "corp.example/base:1", &["apt-get update"])]));
    assert!(
        unknown.contains(&"os_debian deb.debian.org:80".to_owned())
            && unknown.contains(&"os_ubuntu archive.ubuntu.com:80".to_owned())
    );
}

#[test]
fn urls_in_commands_are_destinations() {
    let hosts = |script: &str| required(&subject_of(vec![container("b", "alpine", &[script])]));
    assert_eq!(hosts("git clone git@gitlab.corp.example:a/b.git"), ["vcs_other gitlab.corp.example:22!"]);
    assert_eq!(hosts("curl -fsSL https://get.helm.sh/helm.tgz | tar xz"), ["download get.helm.sh:443!"]);
    assert_eq!(hosts("wget -qO- http://localhost:8080/ready"), [] as [&str; 0]);
    assert_eq!(
        hosts("pip install git+https://github.com/a/b"),
        ["python files.pythonhosted.org:443!", "python pypi.org:443!", "vcs_github github.com:443!"]
    );
    assert_eq!(hosts("git -c http.proxy=x clone https://github.com/a/b"), ["vcs_github github.com:443!?"]);
}

#[test]
fn the_user_picks_ecosystems_and_adds_endpoints() {
    let catalogue = Catalogue::builtin();
    let build = || vec![container("b", "corp.example/ci:1", &["./build"]).env("GOPROXY", "https://corp.example/go")];
    let options = DemandOptions { ecosystems: Some(vec!["go"]), ..DemandOptions::default() };
    assert_eq!(required(&subject_with(build(), &options)), ["go corp.example:443!"]);
    let options = DemandOptions { ecosystems: Some(vec!["rust"]), ..DemandOptions::default() };
    let node = || vec![container("b", "node:20", &["npm", "ci"])];
    assert_eq!(required(&subject_with(node(), &options)), ["rust index.crates.io:443!", "rust static.crates.io:443!"]);
    let endpoint = parse_endpoint("10.0.0.1:8443", &catalogue).unwrap();
    let options = DemandOptions { endpoints: vec![endpoint], ..DemandOptions::default() };
    assert_eq!(required(&subject_with(node(), &options)), ["- 10.0.0.1:8443!", "node registry.npmjs.org:443!"]);
    let options = DemandOptions { ecosystems: Some(Vec::new()), ..options };
    assert_eq!(required(&subject_with(node(), &options)), ["- 10.0.0.1:8443!"]);
    let sets = "apiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {name: nexus}\nspec: {replaces: [npm], endpoints: [{host: nexus.example, addresses: [10.20.0.15]}]}\n";
    let options =
        DemandOptions { endpoint_sets: parse_endpoint_sets(sets, &catalogue).unwrap(), ..DemandOptions::default() };
    assert_eq!(short(&subject_with(node(), &options)), ["node nexus.example:443!"]);
    assert_eq!(required(&subject_with(vec![container("b", "golang", &["go", "build"])], &options)), GO);
}

#[test]
fn services_complete_short_names() {
    use crate::demand::testing::{demand, meta, pod, snapshot};
    let containers = vec![
        container("b", "golang", &["go build"])
            .env("GOPROXY", "http://athens:3000|http://athens.tools:3000|http://athens.elsewhere:3000"),
    ];
    let mut snapshot = snapshot(vec![pod("ci/x", &[], spec(containers))], Vec::new());
    for name in ["ci/athens", "tools/athens"] {
        snapshot.services.push(crate::model::object::Service { meta: meta(name, &[]), ..Default::default() });
    }
    let demand = demand(&snapshot, &DemandOptions::default());
    let hosts: Vec<_> =
        demand.subjects[0].requirements.iter().filter(|r| r.required).map(|r| r.endpoint.host.to_string()).collect();
    assert_eq!(hosts, ["athens.ci.svc", "athens.tools.svc", "athens.elsewhere"]);
    // Without the cluster's search list, and where the pod knows the name by itself, it stays as it was written.
    let asked = parse_endpoint("athens:3000", &Catalogue::builtin()).unwrap();
    let options =
        DemandOptions { ecosystems: Some(Vec::new()), all_pods: true, endpoints: vec![asked], ..Default::default() };
    let mut host = |change: &dyn Fn(&mut crate::model::object::PodSpec)| {
        let mut own = spec(Vec::new());
        change(&mut own);
        snapshot.pods[0].spec = std::sync::Arc::new(own);
        let demand = crate::demand::testing::demand(&snapshot, &options);
        demand.requirements(&demand.subjects[0])[0].endpoint.host.to_string()
    };
    assert_eq!(host(&|_| ()), "athens.ci.svc");
    assert_eq!(host(&|spec| spec.dns_policy = Some("ClusterFirst".into())), "athens.ci.svc");
    assert_eq!(host(&|spec| spec.dns_policy = Some("Default".into())), "athens");
    assert_eq!(host(&|spec| spec.dns_policy = Some("None".into())), "athens");
    assert_eq!(host(&|spec| spec.host_network = true), "athens");
    let with_host_net = |spec: &mut crate::model::object::PodSpec| {
        spec.host_network = true;
        spec.dns_policy = Some("ClusterFirstWithHostNet".into());
    };
    assert_eq!(host(&with_host_net), "athens.ci.svc");
    let alias = || crate::model::object::HostAlias { ip: [10, 0, 0, 9].into(), hostnames: vec!["athens".into()] };
    assert_eq!(host(&|spec| spec.host_aliases = vec![alias()].into()), "athens");
}

#[test]
fn hermetic_tasks_need_nothing() {
    let subject = subject_of(vec![container("step-build", "golang", &["go", "build"]).env("TEKTON_HERMETIC", "1")]);
    assert!(subject.requirements.is_empty());
    assert!(subject.notes.iter().any(|note| note.contains("hermetic")));
}

#[test]
fn unknown_needs_are_said() {
    let subject = subject_of(vec![container("build", "corp.example/ci:1", &["./build"])]);
    assert!(subject.requirements.is_empty());
    assert!(subject.notes.iter().any(|note| note.contains("--ecosystem or --endpoint")), "{:?}", subject.notes);
}

#[test]
fn scripts_of_tekton_steps_are_read() {
    use crate::demand::testing::{demand, pod, snapshot};
    let mut place = container("place-scripts", "tekton-shell", &["sh"]).init();
    place.args = ["-c", "scriptfile=\"/tekton/scripts/script-0-abc\"\ncat > ${scriptfile} << '_EOF_'\nIyEvYmluL3NoCmV4cG9ydCBHT1BST1hZPWh0dHBzOi8vYS5leGFtcGxlCmdvIGJ1aWxkCg==\n_EOF_\n"].map(Into::into).into_iter().collect();
    let step =
        |script: &str| container("step-build", "golang", &["/tekton/bin/entrypoint", "-entrypoint", script, "--"]);
    let run = |script: &str| {
        let demand = demand(
            &snapshot(vec![pod("p", &[], spec(vec![place.clone(), step(script)]))], Vec::new()),
            &DemandOptions::default(),
        );
        required(&demand.subjects[0])
    };
    assert_eq!(run("/tekton/scripts/script-0-abc"), ["go a.example:443!"]);
    // A script that is not there may do anything that the image can.
    assert_eq!(run("/tekton/scripts/script-9-xyz"), GO);
}

#[test]
fn what_a_ci_system_starts_is_a_build() {
    use crate::demand::testing::{demand, pod, snapshot};
    let run = |labels: &[(&str, &str)]| {
        let containers =
            vec![container("container-0", "golang", &["buildkite-agent", "bootstrap"]).env("GOFLAGS", "-v")];
        let demand = demand(&snapshot(vec![pod("p", labels, spec(containers))], Vec::new()), &DemandOptions::default());
        required(&demand.subjects[0])
    };
    assert!(run(&[]).is_empty());
    assert!(run(&[("buildkite.com/job-uuid", "x")]).contains(&GO[0].to_owned()));
}

#[test]
fn no_proxy_is_compared_with_what_is_written() {
    use crate::demand::testing::{demand, meta, pod, snapshot};
    let run = |host: &str| {
        let c = container("b", "golang", &["go build"]).env("GOPROXY", &format!("http://{host}:3000"));
        let c = c.env("HTTP_PROXY", "http://p.example").env("NO_PROXY", ".svc");
        let mut snapshot = snapshot(vec![pod("ci/x", &[], spec(vec![c]))], Vec::new());
        snapshot.services.push(crate::model::object::Service { meta: meta("ci/athens", &[]), ..Default::default() });
        required(&demand(&snapshot, &DemandOptions::default()).subjects[0])
    };
    assert_eq!(run("athens.ci.svc"), ["go athens.ci.svc:3000!"]);
    assert_eq!(run("athens"), ["go athens.ci.svc:3000!?"]);
}

#[test]
fn chosen_ecosystems_without_hosts_are_said() {
    let with = |id: &'static str| DemandOptions { ecosystems: Some(vec![id]), ..DemandOptions::default() };
    let containers = || vec![container("b", "corp.example/x", &["./build"])];
    let ecr = subject_with(containers(), &with("reg_ecr"));
    assert!(ecr.requirements.is_empty() && ecr.notes.iter().any(|note| note.contains("`reg_ecr`")), "{:?}", ecr.notes);
    assert_eq!(required(&subject_with(containers(), &with("reg_google"))), ["reg_google gcr.io:443!"]);
    for id in Catalogue::builtin().ids() {
        let subject = subject_with(containers(), &with(id));
        assert!(!subject.requirements.is_empty() || !subject.notes.is_empty(), "{id}");
    }
}
