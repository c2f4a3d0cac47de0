#![allow(clippy::unwrap_used)]

use crate::demand::testing::{Build, container, required, short, spec, subject_of, subject_with};
use crate::demand::{Addresses, Catalogue, DemandOptions, Requirement, Subject, parse_endpoint, parse_endpoint_sets};
use crate::model::object::Container;

const GO: [&str; 2] = ["go proxy.golang.org:443!", "go storage.googleapis.com:443!"];

fn go(goproxy: &str) -> Subject {
    subject_of(vec![container("build", "golang:1.22", &["go", "mod", "download"]).env("GOPROXY", goproxy)])
}

fn find<'a>(subject: &'a Subject, host: &str) -> &'a Requirement {
    subject.requirements.iter().find(|r| r.endpoint.host == host).unwrap()
}

#[test]
fn go_without_settings() {
    let subject = subject_of(vec![container("build", "golang:1.22", &["go", "build", "./..."])]);
    assert_eq!(short(&subject), [GO[0], GO[1], "go sum.golang.org:443"]);
    assert_eq!(find(&subject, "proxy.golang.org").endpoint.addresses, Addresses::Feed("google_goog".into()));
    assert!(find(&subject, "proxy.golang.org").setting.is_none());
    assert!(subject.notes.is_empty(), "{:?}", subject.notes);
}

#[test]
fn goproxy_lists_become_requirements() {
    for (value, want) in [
        ("https://proxy.golang.org,direct", vec![GO[0], GO[1], "go sum.golang.org:443"]),
        ("https://goproxy.cn,direct", vec!["go goproxy.cn:443!"]),
        (
            "https://goproxy.cn|https://proxy.golang.org,direct",
            vec![
                "go goproxy.cn:443!#1",
                "go goproxy.cn:443!#2",
                "go proxy.golang.org:443!#1",
                "go storage.googleapis.com:443!#2",
            ],
        ),
        (
            "https://corp.example/go,https://proxy.golang.org",
            vec![
                "go corp.example:443!",
                "go proxy.golang.org:443",
                "go storage.googleapis.com:443",
                "go sum.golang.org:443",
            ],
        ),
        ("http://athens.tools:3000", vec!["go athens.tools:3000!", "go sum.golang.org:443"]),
        ("off", vec![]),
        ("file:///mods", vec![]),
        ("https://a.example|off", vec!["go a.example:443!", "go sum.golang.org:443"]),
        ("https://a.example|direct", vec!["go *:443!?#1", "go a.example:443!#1", "go sum.golang.org:443"]),
        (
            "direct",
            vec![
                "go *:443!?",
                "go github.com:443",
                "go go.googlesource.com:443",
                "go golang.org:443",
                "go gopkg.in:443",
                "go sum.golang.org:443",
            ],
        ),
        (
            "ftp://a.example",
            vec!["go proxy.golang.org:443!?", "go storage.googleapis.com:443!?", "go sum.golang.org:443?"],
        ),
    ] {
        assert_eq!(short(&go(value)), want, "{value}");
    }
    let subject = go("https://corp.example/go");
    let setting = find(&subject, "corp.example").setting.clone().unwrap();
    assert_eq!((setting.text.as_str(), setting.source, setting.line), ("GOPROXY=https://corp.example/go", 0, 31));
    assert!(go("off").notes.iter().any(|note| note.contains("GOPROXY says `off`")));
    assert!(find(&go("ftp://a"), "proxy.golang.org").doubt.as_ref().unwrap().contains("not valid"));
}

#[test]
fn private_patterns_of_go() {
    let with = |env: &[(&str, &str)]| {
        let c = container("build", "golang", &["go", "build"]);
        subject_of(vec![env.iter().fold(c, |c, (n, v)| c.env(n, v))])
    };
    let hosts = |env: &[(&str, &str)]| short(&with(env));
    assert_eq!(
        hosts(&[("GOPRIVATE", "git.corp.example/*")]),
        ["go git.corp.example:443", GO[0], GO[1], "go sum.golang.org:443"]
    );
    // An explicit GONOPROXY takes the place of GOPRIVATE.
    let subject = with(&[("GOPRIVATE", "git.corp.example/*"), ("GONOPROXY", "other.example")]);
    assert!(
        short(&subject).contains(&"go other.example:443".to_owned())
            && !short(&subject).iter().any(|s| s.contains("git.corp"))
    );
    // Everything private: past every proxy, and no checksum database.
    assert_eq!(required(&with(&[("GOPRIVATE", "*")])), ["go *:443!?"]);
    assert!(!hosts(&[("GOPRIVATE", "*")]).iter().any(|s| s.contains("sum.")));
    assert!(with(&[("GOPRIVATE", "*.corp.example")]).notes.iter().any(|note| note.contains("`*.corp.example`")));
}

#[test]
fn the_checksum_database() {
    let sums = |env: &[(&str, &str)]| -> Vec<String> {
        let c = container("build", "golang", &["go", "build"]);
        let subject = subject_of(vec![env.iter().fold(c, |c, (n, v)| c.env(n, v))]);
        short(&subject).into_iter().filter(|s| s.contains("sum.")).collect()
    };
    assert_eq!(sums(&[]), ["go sum.golang.org:443"]);
    assert!(sums(&[("GOSUMDB", "off")]).is_empty());
    assert!(sums(&[("GONOSUMDB", "*")]).is_empty());
    assert_eq!(sums(&[("GOSUMDB", "sum.golang.google.cn")]), ["go sum.golang.google.cn:443"]);
    assert_eq!(sums(&[("GOSUMDB", "sum.golang.org https://sum.corp.example:8443/x")]), ["go sum.corp.example:8443"]);
    assert_eq!(sums(&[("GOSUMDB", "sum.corp.example+1a2b+key")]), ["go sum.corp.example:443"]);
    assert!(sums(&[("GOSUMDB", "on")]).is_empty());
    // goproxy.cn answers for the database, but only if it is asked first.
    assert!(sums(&[("GOPROXY", "https://goproxy.cn,direct")]).is_empty());
    assert_eq!(sums(&[("GOPROXY", "https://proxy.golang.org,https://goproxy.cn")]), ["go sum.golang.org:443"]);
}

#[test]
fn vendored_modules_need_no_network() {
    let subject =
        |script: &str, flags: &str| subject_of(vec![container("build", "golang", &[script]).env("GOFLAGS", flags)]);
    assert!(required(&subject("go build ./...", "-mod=vendor")).is_empty());
    assert!(required(&subject("go build -mod=vendor ./...", "")).is_empty());
    assert_eq!(required(&subject("go mod download && go build", "-mod=vendor")), GO);
    assert_eq!(required(&subject("go build -mod=mod", "-mod=vendor")), GO);
    assert_eq!(required(&subject("go install example.org/x@latest", "-mod=vendor")), GO);
    assert!(required(&subject_of(vec![container("build", "golang", &[]).env("GOFLAGS", "-mod=vendor -v")])).is_empty());
}

#[test]
fn scripts_set_variables_for_their_commands() {
    let subject = |script: &str| required(&subject_of(vec![container("build", "golang", &[script])]));
    assert_eq!(subject("GOPROXY=https://a.example go build"), ["go a.example:443!"]);
    assert_eq!(subject("export GOPROXY=https://a.example; go build"), ["go a.example:443!"]);
    assert_eq!(subject("go env -w GOPROXY=https://a.example && go build"), ["go a.example:443!"]);
    assert_eq!(subject("go build; GOPROXY=https://a.example go test ./..."), ["go a.example:443!", GO[0], GO[1]]);
    assert_eq!(
        subject("GOPROXY=$(cat proxy) go build"),
        ["go proxy.golang.org:443!?", "go storage.googleapis.com:443!?"]
    );
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
        doubts(c().env_from("GOPROXY", "ConfigMap ci/go"))
            .iter()
            .all(|d| d.contains("`GOPROXY` comes from ConfigMap ci/go"))
    );
    assert!(doubts(c().all_env_from("ConfigMap", "env", None)).iter().all(|d| d.contains("ConfigMap env")));
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
fn kaniko_needs_its_destination_and_docker_hub() {
    let mut kaniko = container("kaniko", "gcr.io/kaniko-project/executor:v1.23.2", &[]);
    kaniko.args =
        ["--context=git://github.com/corp/web", "--destination=123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1"]
            .map(Into::into)
            .to_vec();
    let subject = subject_of(vec![kaniko.clone()]);
    let hub = "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com";
    assert_eq!(
        required(&subject),
        [
            "download github.com:443!".to_owned(),
            "reg_dockerhub auth.docker.io:443!".to_owned(),
            format!("reg_dockerhub {hub}:443!"),
            "reg_dockerhub index.docker.io:443!".to_owned(),
            "reg_dockerhub production.cloudflare.docker.com:443!".to_owned(),
            "reg_dockerhub production.cloudfront.docker.com:443!".to_owned(),
            "reg_ecr 123456789012.dkr.ecr.eu-west-1.amazonaws.com:443!".to_owned(),
            "reg_ecr api.ecr.eu-west-1.amazonaws.com:443!".to_owned(),
            "reg_ecr prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com:443!".to_owned(),
        ]
    );
    assert!(find(&subject, "index.docker.io").why.contains("assumed: base images come from Docker Hub"));
    assert_eq!(
        find(&subject, "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com").endpoint.addresses,
        Addresses::Feed("aws:S3:eu-west-1".into())
    );
    kaniko.args = ["--destination=registry.corp.example:5000/web", "--registry-mirror=mirror.corp.example"]
        .map(Into::into)
        .to_vec();
    let subject = subject_of(vec![kaniko.clone()]);
    assert!(required(&subject).contains(&"reg_dockerhub index.docker.io:443!?".to_owned()));
    kaniko.args = ["--destination=$(IMAGE)"].map(Into::into).to_vec();
    assert!(subject_of(vec![kaniko]).notes.iter().any(|note| note.contains("$(IMAGE)")));
}

#[test]
fn registries_by_image_host() {
    let hosts = |image: &str| -> Vec<String> {
        let subject = subject_of(vec![container("b", "quay.io/buildah/stable", &["buildah", "pull", image])]);
        required(&subject)
    };
    assert_eq!(
        hosts("mcr.microsoft.com/dotnet/sdk:8.0"),
        ["reg_mcr *.data.mcr.microsoft.com:443!", "reg_mcr mcr.microsoft.com:443!"]
    );
    assert_eq!(
        hosts("docker://ghcr.io/a/b"),
        ["reg_ghcr ghcr.io:443!", "reg_ghcr pkg-containers.githubusercontent.com:443!"]
    );
    assert_eq!(hosts("europe-west1-docker.pkg.dev/p/r/i"), ["reg_google europe-west1-docker.pkg.dev:443!"]);
    assert_eq!(hosts("corp.azurecr.io/x"), ["reg_acr corp.azurecr.io:443!"]);
    assert_eq!(hosts("nvcr.io/nvidia/cuda"), ["reg_misc nvcr.io:443!"]);
    assert_eq!(hosts("registry.corp.example:5000/x"), ["reg_private registry.corp.example:5000!"]);
    assert!(hosts("alpine:3").contains(&"reg_dockerhub registry-1.docker.io:443!".to_owned()));
}

#[test]
fn who_hands_the_build_to_a_daemon_pulls_nothing() {
    let client = |host: &str| {
        container("build", "docker:24", &["docker build -t r.example/x . && docker push r.example/x"])
            .env("DOCKER_HOST", host)
    };
    assert_eq!(required(&subject_of(vec![client("tcp://buildd.tools.svc:2375")])), ["builder buildd.tools.svc:2375!"]);
    let nowhere = subject_of(vec![client("")]);
    assert!(required(&nowhere).is_empty() && nowhere.notes.iter().any(|note| note.contains("daemon")));
    let with_daemon = subject_of(vec![client("tcp://localhost:2375"), container("dind", "docker:24-dind", &[])]);
    let hosts = required(&with_daemon);
    assert!(hosts.contains(&"reg_private r.example:443!".to_owned()), "{hosts:?}");
    assert!(hosts.contains(&"reg_dockerhub registry-1.docker.io:443!".to_owned()), "{hosts:?}");
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
    place.args = ["-c", "scriptfile=\"/tekton/scripts/script-0-abc\"\ncat > ${scriptfile} << '_EOF_'\nIyEvYmluL3NoCmV4cG9ydCBHT1BST1hZPWh0dHBzOi8vYS5leGFtcGxlCmdvIGJ1aWxkCg==\n_EOF_\n"].map(Into::into).to_vec();
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
fn flags_of_other_programs_name_no_image() {
    let script = "curl -d {} -t x https://r.example/hook; /kaniko/executor --destination r2.example/x";
    let hosts = required(&subject_of(vec![container("k", "gcr.io/kaniko-project/executor:debug", &[script])]));
    assert!(
        hosts.contains(&"reg_private r2.example:443!".to_owned()) && !hosts.iter().any(|h| h.contains("reg_private x")),
        "{hosts:?}"
    );
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
fn a_name_alone_pushes_nothing() {
    let hosts = |script: &str| -> Vec<String> {
        let containers = vec![
            container("d", "docker:24-dind", &[]),
            container("c", "docker:24", &[script]).env("DOCKER_HOST", "tcp://localhost:2375"),
        ];
        required(&subject_of(containers)).into_iter().filter(|host| host.contains("reg_private")).collect()
    };
    assert_eq!(hosts("docker build -t r.example/x ."), [] as [&str; 0]);
    assert_eq!(hosts("docker buildx build --push -t r.example/x ."), ["reg_private r.example:443!"]);
    assert_eq!(
        hosts("docker buildx build --output type=image,name=r.example/x,push=true ."),
        ["reg_private r.example:443!"]
    );
    assert_eq!(hosts("docker run --rm --name x -v /a:/b r.example/x true"), ["reg_private r.example:443!"]);
    let mut kaniko = container("k", "gcr.io/kaniko-project/executor", &[]);
    kaniko.args = ["--no-push", "--destination=r.example/x"].map(Into::into).to_vec();
    assert!(!required(&subject_of(vec![kaniko])).iter().any(|host| host.contains("r.example")));
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

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::demand::testing::{demand, pod, snapshot};
    use crate::model::object::{EnvValue, EnvVar};

    fn word() -> impl Strategy<Value = String> {
        let words = [
            "go",
            "mod",
            "download",
            "npm",
            "ci",
            "pip",
            "install",
            "-i",
            "--destination",
            "--destination=a/b",
            "docker://x",
            "docker",
            "build",
            "push",
            "sh",
            "-c",
            "&&",
            "$(",
            ")",
            "`",
            "https://é.example/x",
            "git@a:b",
            "export",
            "GOPROXY=direct",
            "--",
            "env",
            "curl",
            "/tekton/bin/entrypoint",
            "-entrypoint",
            "argoexec",
            "buildah",
            "-mod=vendor",
            "x@latest",
            "|",
            "",
        ];
        prop_oneof![proptest::sample::select(words.map(str::to_owned).to_vec()), "[a-z$:/@,|é=.-]{0,8}"]
    }

    fn variable() -> impl Strategy<Value = EnvVar> {
        let names = [
            "GOPROXY",
            "GOPRIVATE",
            "GOSUMDB",
            "GOFLAGS",
            "HTTPS_PROXY",
            "NO_PROXY",
            "npm_config_registry",
            "PIP_INDEX_URL",
            "DOCKER_HOST",
            "JENKINS_URL",
        ];
        let value = prop_oneof![
            "[a-z:/,|.*$()@ é-]{0,24}".prop_map(|text| EnvValue::Text(text.into())),
            Just(EnvValue::NotKept),
            Just(EnvValue::From("ConfigMap ci/x".into())),
        ];
        (proptest::sample::select(names.to_vec()), value).prop_map(|(name, value)| EnvVar {
            name: name.into(),
            value,
            line: 1,
        })
    }

    proptest! {
        #[test]
        fn no_container_panics(
            words in proptest::collection::vec(word(), 0..8),
            env in proptest::collection::vec(variable(), 0..4),
            image in proptest::sample::select(vec!["", "golang", "node:20", "python", "docker:dind", "gcr.io/kaniko-project/executor", "quay.io/buildah/stable", "a/b@c:d"]),
        ) {
            let script = words.join(" ");
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let containers = [container("a", image, &words), container("b", image, &["sh", "-c", &script])];
            let containers = containers.map(|mut c| { c.env.clone_from(&env); c });
            let pods = vec![pod("p", &[(crate::demand::signal::OPT_IN, "true")], spec(containers.to_vec()))];
            let demand = demand(&snapshot(pods, Vec::new()), &DemandOptions::default());
            prop_assert_eq!(demand.subjects.len(), 1);
            for requirement in &demand.subjects[0].requirements {
                prop_assert!(requirement.endpoint.port > 0 && !requirement.endpoint.host.is_empty());
                prop_assert!(!requirement.endpoint.host.contains('{'), "{:?}", requirement.endpoint);
            }
        }
    }
}
