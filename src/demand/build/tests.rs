#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::demand::testing::{
    Build, container, demand, ended, owned, owner, pod, required, snapshot, spec, subject_of, workload,
};
use crate::demand::{Catalogue, Demand, DemandOptions, looked_for, parse_endpoint, similar};
use crate::model::object::{Container, Pod, PodSpec, Workload};
use crate::model::{Selector, Snapshot};

fn names(demand: &Demand) -> Vec<String> {
    demand.subjects.iter().map(|s| format!("{}/{}/{}", s.namespace, s.kind, s.name)).collect()
}

fn all(snapshot: &Snapshot) -> Demand {
    demand(snapshot, &DemandOptions::default())
}

fn go() -> PodSpec {
    spec(vec![container("build", "golang:1.22", &["go", "build", "./..."])])
}

fn app() -> PodSpec {
    spec(vec![container("app", "corp.example/web:1", &["/web"])])
}

/// System, score in percent and signals of the only subject.
fn judged(labels: &[(&str, &str)], containers: Vec<Container>) -> (Option<&'static str>, u32, Vec<String>) {
    let demand = all(&snapshot(vec![pod("p", labels, spec(containers))], Vec::new()));
    let [subject] = demand.subjects.as_slice() else { return (None, 0, Vec::new()) };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let percent = (subject.score * 100.0).round() as u32;
    (subject.system, percent, subject.shown.to_vec())
}

#[test]
fn each_build_system_is_known_by_its_marks() {
    let c = |name: &str, image: &str| vec![container(name, image, &[])];
    for (system, labels, containers) in [
        ("Tekton", vec![("tekton.dev/taskRun", "build-1")], c("step-build", "golang")),
        ("Tekton", vec![("app.kubernetes.io/managed-by", "tekton-pipelines")], c("step-x", "")),
        ("GitLab Runner", vec![("job.runner.gitlab.com/pod", "x")], c("build", "node")),
        ("GitLab Runner", vec![("project.runner.gitlab.com/id", "7")], c("build", "")),
        ("GitLab Runner", vec![("pod", "runner-abc-project-1-concurrent-0")], c("build", "")),
        ("GitLab Runner", vec![], c("gitlab-runner", "gitlab/gitlab-runner:alpine")),
        ("Jenkins", vec![("jenkins", "slave")], c("jnlp", "jenkins/inbound-agent")),
        ("Jenkins", vec![("jenkins/label", "x")], c("maven", "maven")),
        ("GitHub ARC", vec![("actions-ephemeral-runner", "True")], c("runner", "")),
        ("GitHub ARC", vec![("actions.github.com/scale-set-name", "x")], c("runner", "")),
        ("GitHub ARC", vec![("runner-pod", "x-workflow")], c("job", "node:20")),
        ("GitHub ARC", vec![("runner-deployment-name", "x")], c("runner", "")),
        ("GitHub ARC", vec![], c("runner", "summerwind/actions-runner-dind:v2")),
        ("Argo Workflows", vec![("workflows.argoproj.io/workflow", "x")], c("main", "")),
        ("Kaniko", vec![], c("kaniko", "gcr.io/kaniko-project/executor:debug")),
        ("Kaniko", vec![], c("build", "mirror.example/kaniko-project/executor:v1")),
        ("BuildKit", vec![], c("buildkitd", "moby/buildkit:buildx-stable-1")),
        ("Buildah", vec![], c("b", "quay.io/buildah/stable")),
        ("Docker", vec![], c("d", "docker:24-dind")),
        ("Shipwright", vec![("buildrun.shipwright.io/name", "x")], c("step-x", "")),
        ("OpenShift Builds", vec![("openshift.io/build.name", "x")], c("docker-build", "")),
        ("kpack", vec![("kpack.io/build", "x")], c("completion", "")),
        ("Dagger", vec![], c("engine", "registry.dagger.io/engine:v0.13")),
        ("Drone", vec![("io.drone", "true")], c("x", "")),
        ("Woodpecker", vec![("woodpecker-ci.org/step", "x")], c("x", "")),
        ("Buildkite", vec![("buildkite.com/job-uuid", "x")], c("agent", "")),
        ("Prow", vec![("created-by-prow", "true")], c("test", "")),
        ("Bazel remote execution", vec![], c("w", "ghcr.io/buildbarn/bb-worker:2024")),
        ("Gitea Actions", vec![], c("r", "gitea/act_runner:latest")),
    ] {
        let (found, percent, signals) = judged(&labels, containers);
        assert_eq!(found, Some(system), "{labels:?} {signals:?}");
        assert!(percent >= 80, "{system} {percent} {signals:?}");
    }
}

#[test]
fn variables_and_programs_tell_a_system_too() {
    assert_eq!(judged(&[], vec![container("x", "", &[]).env("JENKINS_SECRET", "")]).0, Some("Jenkins"));
    assert_eq!(
        judged(&[], vec![container("x", "", &[]).env("AZP_URL", "https://dev.azure.com/x")]).0,
        Some("Azure DevOps")
    );
    assert_eq!(
        judged(&[], vec![container("step-x", "", &["/tekton/bin/entrypoint", "-entrypoint", "ls", "--"])]).0,
        Some("Tekton")
    );
    let (system, percent, _) = judged(&[("jenkins", "master")], vec![container("jenkins", "jenkins/jenkins:lts", &[])]);
    assert_eq!((system, percent), (None, 0));
}

#[test]
fn general_signs_add_up_by_noisy_or() {
    let c = |image: &str, command: &[&str]| container("c", image, command);
    assert_eq!(judged(&[], vec![c("golang", &["/app"])]).1, 0);
    assert_eq!(judged(&[], vec![c("corp.example/x", &["go", "test"])]).1, 70);
    assert_eq!(
        judged(&[], vec![c("golang", &["go", "test"])]),
        (None, 82, vec!["command `go test` (70 %)".into(), "image `golang` (40 %)".into()])
    );
    assert_eq!(
        judged(&[], vec![c("node:20", &["node", "x.js"]).env("HTTPS_PROXY", "http://p").env("HTTP_PROXY", "http://p")])
            .1,
        58
    );
    assert_eq!(judged(&[], vec![c("corp.example/x", &["/x"]).env("HTTPS_PROXY", "http://p")]).1, 0);
    let clone = container("clone", "alpine/git", &["git clone https://github.com/a/b"]).init();
    assert_eq!(judged(&[], vec![clone, c("golang", &["/app"])]).1, 58);
}

#[test]
fn a_mounted_socket_and_the_host_network_are_said() {
    let mut s = spec(vec![container("c", "docker:24", &["docker build ."])]);
    s.host_paths = vec!["/var/run/docker.sock".into()].into();
    s.host_network = true;
    let demand = all(&snapshot(vec![pod("p", &[], s)], Vec::new()));
    let signals: Vec<_> = demand.subjects[0].shown.iter().map(String::as_str).collect();
    assert!(
        signals.iter().any(|s| s.contains("/var/run/docker.sock") && s.contains("the node fetches")),
        "{signals:?}"
    );
    assert!(signals.iter().any(|s| s.contains("hostNetwork")));
    assert!(demand.subjects[0].requirements.is_empty());
}

#[test]
fn pods_are_grouped_by_their_top_controller() {
    let build = Arc::new(go());
    let with =
        |name: &str, kind: &str, of: &str| Pod { spec: Arc::clone(&build), ..owned(pod(name, &[], app()), kind, of) };
    let pods = vec![
        with("web-1-a", "ReplicaSet", "web-1"),
        with("web-1-b", "ReplicaSet", "web-1"),
        with("job-1-x", "Job", "nightly-1"),
        with("job-2-x", "Job", "nightly-2"),
        with("absent-x", "ReplicaSet", "absent-1"),
        Pod {
            meta: crate::demand::testing::meta("api-7c9-x", &[("pod-template-hash", "7c9")]),
            ..with("api-7c9-x", "ReplicaSet", "api-7c9")
        },
        with("task-pod", "TaskRun", "build-api"),
        with("static-n1", "Node", "n1"),
        pod("bare", &[], go()),
        ended(pod("done", &[], go())),
    ];
    let child = |kind: &str, name: &str, of: (&str, &str)| Workload {
        owner: Some(owner(of.0, of.1)),
        ..workload(kind, name, &[], go())
    };
    let workloads = vec![
        workload("Deployment", "api", &[], app()),
        workload("Deployment", "web", &[], go()),
        child("ReplicaSet", "web-1", ("Deployment", "web")),
        workload("CronJob", "nightly", &[], go()),
        child("Job", "nightly-1", ("CronJob", "nightly")),
        child("Job", "nightly-2", ("CronJob", "nightly")),
    ];
    let demand = all(&snapshot(pods, workloads));
    assert_eq!(
        names(&demand),
        [
            "ci/CronJob/nightly",
            "ci/Deployment/api",
            "ci/Deployment/web",
            "ci/Pod/bare",
            "ci/Pod/static-n1",
            "ci/ReplicaSet/absent-1",
            "ci/TaskRun/build-api"
        ]
    );
    assert_eq!(*demand.subjects[0].pods, [2, 3]);
    assert_eq!(*demand.subjects[1].pods, [5]);
    assert_eq!(*demand.subjects[2].pods, [0, 1]);
    assert!(demand.subjects.iter().all(|subject| subject.template.is_none()));
}

#[test]
fn templates_without_a_running_pod_are_predicted() {
    let child = |kind: &str, name: &str, of: (&str, &str)| Workload {
        owner: Some(owner(of.0, of.1)),
        ..workload(kind, name, &[], go())
    };
    let mut finished = workload("Job", "finished", &[], go());
    finished.finished = true;
    let mut old = child("ReplicaSet", "orphan-0", ("Rollout", "web"));
    old.replicas = Some(0);
    let mut asleep = workload("Deployment", "asleep", &[], go());
    asleep.replicas = Some(0);
    let workloads = vec![
        asleep,
        workload("CronJob", "cron", &[], go()),
        child("Job", "cron-1", ("CronJob", "cron")),
        finished,
        old,
        child("Job", "step", ("Workflow", "w")),
        workload("DaemonSet", "ds", &[], go()),
        workload("PodTemplate", "pt", &[], go()),
        workload("ReplicationController", "rc", &[], go()),
        workload("StatefulSet", "web", &[], app()),
    ];
    let pods = vec![ended(owned(pod("ds-x", &[], go()), "DaemonSet", "ds"))];
    let demand = all(&snapshot(pods, workloads));
    assert_eq!(
        names(&demand),
        [
            "ci/CronJob/cron",
            "ci/DaemonSet/ds",
            "ci/Deployment/asleep",
            "ci/Job/step",
            "ci/PodTemplate/pt",
            "ci/ReplicationController/rc"
        ]
    );
    assert!(demand.subjects.iter().all(|subject| subject.pods.is_empty() && subject.template.is_some()));
    assert_eq!(required(&demand.subjects[0]), ["go proxy.golang.org:443!", "go storage.googleapis.com:443!"]);
}

#[test]
fn unlike_pods_of_one_workload_add_their_needs() {
    let pods = vec![
        owned(pod("a", &[], go()), "StatefulSet", "x"),
        owned(pod("b", &[], spec(vec![container("c", "node", &["npm", "ci"])])), "StatefulSet", "x"),
    ];
    let demand = all(&snapshot(pods, Vec::new()));
    assert_eq!(
        required(&demand.subjects[0]),
        ["go proxy.golang.org:443!", "go storage.googleapis.com:443!", "node registry.npmjs.org:443!"]
    );
}

#[test]
fn the_opt_in_label_decides() {
    let labelled = |value: &str| vec![(crate::demand::signal::OPT_IN, value.to_owned())];
    let with = |value: &str, spec: PodSpec| {
        let pairs = labelled(value);
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        names(&all(&snapshot(vec![pod("p", &pairs, spec)], Vec::new())))
    };
    assert_eq!(with("true", app()), ["ci/Pod/p"]);
    assert!(with("false", go()).is_empty());
    assert!(with("yes", app()).is_empty());
    // On the owner it counts for its pods.
    let mut owner = workload("Deployment", "web", &[], app());
    owner.meta.labels = crate::demand::testing::labels(&[(crate::demand::signal::OPT_IN, "true")]);
    let demand = all(&snapshot(vec![owned(pod("p", &[], app()), "Deployment", "web")], vec![owner]));
    assert_eq!(names(&demand), ["ci/Deployment/web"]);
    assert!((demand.subjects[0].score - 1.0).abs() < 1e-9);
}

#[test]
fn selectors_narrow_or_replace_what_is_found() {
    let pods = vec![
        owned(pod("ci/web-a", &[("team", "a")], go()), "Deployment", "web"),
        owned(pod("ci/web-b", &[("team", "b")], go()), "Deployment", "web"),
        pod("cd/app", &[("team", "a")], app()),
    ];
    let templates =
        vec![workload("Job", "ci/later", &[("team", "a")], go()), workload("Deployment", "ci/web", &[], go())];
    let snapshot = snapshot(pods, templates);
    let run = |options: &DemandOptions| names(&demand(&snapshot, options));
    let subjects = |list: &[&str]| DemandOptions {
        subjects: list.iter().map(|s| s.parse().unwrap()).collect(),
        ..DemandOptions::default()
    };
    assert_eq!(run(&DemandOptions::default()), ["ci/Deployment/web", "ci/Job/later"]);
    assert!(run(&DemandOptions { namespaces: vec!["cd".into()], ..DemandOptions::default() }).is_empty());
    let team = |value: &str| Selector::new([("team".into(), value.into())], []).unwrap();
    let a = demand(&snapshot, &DemandOptions { selector: Some(team("a")), ..DemandOptions::default() });
    assert_eq!(
        (names(&a), &*a.subjects[0].pods),
        (vec!["ci/Deployment/web".to_owned(), "ci/Job/later".to_owned()], &[0u32][..])
    );
    // A template stays represented by a pod that the selector leaves out.
    assert!(run(&DemandOptions { selector: Some(team("c")), ..DemandOptions::default() }).is_empty());
    assert_eq!(run(&subjects(&["cd/app"])), ["cd/Pod/app"]);
    assert_eq!(run(&subjects(&["*/*"])), ["cd/Pod/app", "ci/Deployment/web", "ci/Job/later"]);
    assert_eq!(run(&subjects(&["job"])), ["ci/Job/later"]);
    assert_eq!(run(&subjects(&["ci/web-b"])), ["ci/Pod/web-b"]);
    assert!(run(&subjects(&["ci/nothing"])).is_empty());
}

#[test]
fn names_that_come_near_are_told() {
    let pods = vec![
        owned(pod("web-a", &[], go()), "Deployment", "web"),
        owned(pod("web-b", &[], go()), "Deployment", "web"),
        pod("lone", &[], app()),
    ];
    let snapshot = snapshot(pods, vec![workload("Job", "web", &[], go()), workload("Job", "other", &[], go())]);
    let near = |text: &str| similar(&snapshot, &text.parse().unwrap(), &DemandOptions::default());
    assert_eq!(near("ci/othe"), ["ci/Job/other"]);
    assert_eq!(near("ci/web-c"), ["ci/Deployment/web", "ci/Job/web"]);
    assert_eq!(near("ci/Pod/lon"), ["ci/Pod/lone"]);
    assert!(near("ci/zzz").is_empty() && near("node/n1").is_empty());
}

#[test]
fn nothing_found_tells_what_came_near() {
    let image = |name: &str, image: &str| pod(name, &[], spec(vec![container("c", image, &["/x"])]));
    let mut pods: Vec<_> = (0..7).map(|n| image(&format!("p{n}"), "golang")).collect();
    pods.push(image("q", "corp.example/x"));
    let proxied = spec(vec![container("c", "corp.example/x", &["/x"]).env("HTTPS_PROXY", "http://p")]);
    pods.push(pod("a", &[], proxied));
    let demand = all(&snapshot(pods, Vec::new()));
    assert!(demand.subjects.is_empty());
    let near: Vec<_> = demand.nearest.iter().map(|c| (c.name.as_str(), c.score)).collect();
    assert_eq!(near, [("ci/Pod/p0", 40), ("ci/Pod/p1", 40), ("ci/Pod/p2", 40), ("ci/Pod/p3", 40), ("ci/Pod/p4", 40)]);
    assert_eq!(demand.nearest[0].signals, ["image `golang`"]);
    let looked_for = looked_for().join("\n");
    for word in ["Tekton", "golang", "npm", "GOPROXY", "buildreach.dev/build"] {
        assert!(looked_for.contains(word), "{word}");
    }
}

#[test]
fn runners_need_their_control_plane() {
    let arc = all(&snapshot(
        vec![pod(
            "r",
            &[("actions-ephemeral-runner", "True")],
            spec(vec![container("runner", "ghcr.io/actions/actions-runner", &[])]),
        )],
        Vec::new(),
    ));
    assert!(required(&arc.subjects[0]).contains(&"ci_github_runner *.actions.githubusercontent.com:443!".to_owned()));
    let jenkins = subject_of(vec![
        container("jnlp", "jenkins/inbound-agent", &[])
            .env("JENKINS_URL", "http://jenkins.ci.svc:8080/")
            .env("JENKINS_TUNNEL", "jenkins-agent.ci.svc:50000"),
    ]);
    assert_eq!(required(&jenkins), ["ci_server jenkins-agent.ci.svc:50000!", "ci_server jenkins.ci.svc:8080!"]);
    let gitlab = subject_of(vec![container("gitlab-runner", "gitlab/gitlab-runner", &[])]);
    assert!(gitlab.notes.iter().any(|note| note.contains("CI server")));
}

#[test]
fn every_pod_is_a_subject_cheaply() {
    let shared = Arc::new(go());
    let count = 150_000;
    let pods: Vec<Pod> = (0..count)
        .map(|n| Pod { spec: Arc::clone(&shared), ..pod(&format!("p{n:06}"), &[], PodSpec::default()) })
        .collect();
    let mut snapshot = snapshot(pods, vec![workload("Deployment", "t", &[], go())]);
    snapshot.pods[7] = ended(snapshot.pods[7].clone());
    let endpoint = parse_endpoint("10.0.0.1", &Catalogue::builtin()).unwrap();
    let options = DemandOptions {
        all_pods: true,
        ecosystems: Some(Vec::new()),
        endpoints: vec![endpoint],
        ..DemandOptions::default()
    };
    let all = demand(&snapshot, &options);
    assert_eq!(all.subjects.len(), count - 1);
    assert!(all.subjects.iter().all(|s| s.requirements.is_empty() && s.shown.is_empty() && s.kind == "Pod"));
    assert_eq!(all.requirements(&all.subjects[0]).len(), 1);
    assert_eq!(*all.subjects[7].pods, [8]);
    // Without endpoints of the user, each pod's own needs count.
    let few = DemandOptions {
        all_pods: true,
        namespaces: vec!["ci".into()],
        subjects: vec!["ci/p00000*".parse().unwrap()],
        ..DemandOptions::default()
    };
    let some = demand(&snapshot, &few);
    assert_eq!(some.subjects.len(), 9);
    assert_eq!(required(&some.subjects[0]).len(), 2);
}
