//! Containers at random.

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
        place: None,
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
        let containers = containers.map(|mut c| { c.env = env.clone().into(); c });
        let pods = vec![pod("p", &[(crate::demand::signal::OPT_IN, "true")], spec(containers.to_vec()))];
        let demand = demand(&snapshot(pods, Vec::new()), &DemandOptions::default());
        prop_assert_eq!(demand.subjects.len(), 1);
        for requirement in &demand.subjects[0].requirements {
            prop_assert!(requirement.endpoint.port > 0 && !requirement.endpoint.host.is_empty());
            prop_assert!(!requirement.endpoint.host.contains('{'), "{:?}", requirement.endpoint);
        }
    }
}
