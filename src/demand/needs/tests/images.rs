//! Builders of images.

use super::*;
use crate::demand::Addresses;

#[test]
fn kaniko_needs_its_destination_and_docker_hub() {
    let mut kaniko = container("kaniko", "gcr.io/kaniko-project/executor:v1.23.2", &[]);
    kaniko.args =
        ["--context=git://github.com/corp/web", "--destination=123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1"]
            .map(Into::into)
            .into_iter()
            .collect();
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
        .into_iter()
        .collect();
    let subject = subject_of(vec![kaniko.clone()]);
    assert!(required(&subject).contains(&"reg_dockerhub index.docker.io:443!?".to_owned()));
    kaniko.args = ["--destination=$(IMAGE)"].map(Into::into).into_iter().collect();
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
fn flags_of_other_programs_name_no_image() {
    let script = "curl -d {} -t x https://r.example/hook; /kaniko/executor --destination r2.example/x";
    let hosts = required(&subject_of(vec![container("k", "gcr.io/kaniko-project/executor:debug", &[script])]));
    assert!(
        hosts.contains(&"reg_private r2.example:443!".to_owned()) && !hosts.iter().any(|h| h.contains("reg_private x")),
        "{hosts:?}"
    );
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
    kaniko.args = ["--no-push", "--destination=r.example/x"].map(Into::into).into_iter().collect();
    assert!(!required(&subject_of(vec![kaniko])).iter().any(|host| host.contains("r.example")));
}
