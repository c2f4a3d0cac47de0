//! Which environment variables are kept, and of which the value.
//!
//! A cluster has hundreds of thousands of them. What redirects a build is kept with its value, what tells a CI
//! system apart by its name, and nothing else: it decides nothing, and it may be anybody's secret.

use super::redact;

/// What is kept of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Value,
    Name,
    Nothing,
}

/// Prefixes, in lower case, of variables that redirect a build, or say how a network plugin's agent enforces.
const VALUE_PREFIXES: &[&str] = &[
    "antrea_",
    "aws_vpc_",
    "azp_url",
    "bazelisk_",
    "buildah_",
    "buildkit_",
    "buildx_",
    "bun_config_",
    "bundle_",
    "calico_",
    "cargo_",
    "cilium_",
    "composer_",
    "conda",
    "containers_",
    "corepack_",
    "coursier_",
    "deno_",
    "docker_",
    "dotnet_",
    "electron_mirror",
    "enable_",
    "expect_npc",
    "felix_",
    "flutter_storage_base_url",
    "gem",
    "git_config_",
    "git_proxy_",
    "git_ssl_",
    "gradle_",
    "hex_",
    "hf_",
    "homebrew_",
    "istio_meta_",
    "jdk_java_options",
    "jsr_url",
    "kaniko_",
    "ko_docker_repo",
    "maven_",
    "mvnw_",
    "network_policy_",
    "node_extra_ca_certs",
    "node_options",
    "node_tls_reject_unauthorized",
    "node_use_env_proxy",
    "node_use_system_ca",
    "npm_config_",
    "nuget_",
    "pdm_",
    "perl_cpanm_opt",
    "perl_lwp_ssl_",
    "pip_",
    "pipenv_",
    "pnpm_",
    "pod_security_group_",
    "poetry_",
    "pub_hosted_url",
    "puppeteer_",
    "registries_",
    "registry",
    "restoreconfigfile",
    "restoresources",
    "rustup_",
    "sbt_opts",
    "ssl_",
    "storage_",
    "tekton_",
    "terragrunt_",
    "tf_cli_config_file",
    "uv_",
    "yarn_",
];

/// Whole names, in lower case, of the same.
const VALUE_NAMES: &[&str] = &[
    "_java_options",
    "aws_ca_bundle",
    "aws_vpc_k8s_cni_exclude_snat_cidrs",
    "aws_vpc_k8s_cni_externalsnat",
    "aws_vpc_k8s_cni_randomizesnat",
    "ci",
    "ci_api_v4_url",
    "ci_dependency_proxy_server",
    "ci_server_url",
    "cloudsdk_core_custom_ca_certs_file",
    "curl_ca_bundle",
    "curl_home",
    "curl_ssl_backend",
    "enable_v4_egress",
    "enable_v6_egress",
    "github_server_url",
    "gitlab_ci",
    "grpc_default_ssl_roots_file_path",
    "home",
    "httplib2_ca_certs",
    "https_ca_file",
    "java_opts",
    "java_tool_options",
    "jenkins_tunnel",
    "jenkins_url",
    "nix_ssl_cert_file",
    "noproxy",
    "pod_security_group_enforcing_mode",
    "pythonhttpsverify",
    "requests_ca_bundle",
    "use_system_ca_certs",
    "websocket_client_ca_bundle",
];

/// Prefixes, in lower case, of variables that CI systems set.
const NAME_PREFIXES: &[&str] = &[
    "actions_",
    "agent_",
    "appveyor",
    "argo_",
    "azp_",
    "bitbucket_",
    "build_",
    "buildkite",
    "ci_",
    "circle",
    "concourse_",
    "dagger_",
    "drone",
    "gitea_",
    "github_",
    "gitlab_",
    "harness_",
    "jenkins_",
    "kubernetes_job_",
    "prow_",
    "runner_",
    "semaphore",
    "system_",
    "teamcity_",
    "tf_build",
    "travis",
    "vela_",
    "woodpecker_",
];

/// What is kept of a variable of this name. Names count in any case, as tools and people write them in all.
pub(crate) fn kept(name: &str) -> Kept {
    let lower = name.to_ascii_lowercase();
    let is_proxy = lower.ends_with("_proxy");
    // Git's own pairs of key and value are no secrets by their names.
    let is_secret = redact::is_secret_name(name) && !lower.starts_with("git_config_key_");
    let is_value = is_proxy
        || is_go(name, &lower)
        || VALUE_NAMES.contains(&lower.as_str())
        || VALUE_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if is_value {
        return if is_secret && !is_proxy { Kept::Name } else { Kept::Value };
    }
    if NAME_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) { Kept::Name } else { Kept::Nothing }
}

/// The variables of the go command (`go help environment`). `GOAUTH` may hold a password.
fn is_go(name: &str, lower: &str) -> bool {
    const ANY_CASE: &[&str] =
        &["goproxy", "gonoproxy", "goprivate", "gosumdb", "gonosumdb", "gonosumcheck", "goflags", "goenv"];
    ANY_CASE.contains(&lower) || (name.starts_with("GO") && !name.starts_with("GOOGLE") && name != "GOAUTH")
}

/// Names that a value refers to as `$(NAME)`.
pub(crate) fn references(value: &str) -> impl Iterator<Item = &str> {
    value.split("$(").skip(1).filter_map(|after| after.split_once(')')).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_from_secrets() {
        for name in [
            "GOPROXY",
            "HTTPS_PROXY",
            "no_proxy",
            "npm_config_registry",
            "NPM_CONFIG_@corp:registry",
            "PIP_INDEX_URL",
            "REGISTRY_HOST",
            "GIT_CONFIG_KEY_0",
            "NETWORK_POLICY_ENFORCING_MODE",
        ] {
            assert_eq!(kept(name), Kept::Value, "{name}");
        }
        for name in
            ["NPM_CONFIG__AUTH", "UV_INDEX_X_PASSWORD", "GITHUB_TOKEN", "JENKINS_SECRET", "BUILDKITE_AGENT_TOKEN"]
        {
            assert_eq!(kept(name), Kept::Name, "{name}");
        }
        for name in ["GOOGLE_APPLICATION_CREDENTIALS", "DB_HOST", "GOAUTH", "PASSWORD", ""] {
            assert_eq!(kept(name), Kept::Nothing, "{name}");
        }
    }

    #[test]
    fn what_decides_trust_is_kept_with_its_value() {
        for name in [
            "AWS_CA_BUNDLE",
            "BUNDLE_SSL_CA_CERT",
            "BUNDLE_SSL_VERIFY_MODE",
            "CARGO_HTTP_CAINFO",
            "CONDA_SSL_VERIFY",
            "CURL_CA_BUNDLE",
            "DENO_CERT",
            "DENO_TLS_CA_STORE",
            "GIT_SSL_CAINFO",
            "GIT_SSL_CAPATH",
            "GIT_SSL_NO_VERIFY",
            "GOINSECURE",
            "GONOSUMDB",
            "GOSUMDB",
            "GRADLE_OPTS",
            "HEX_CACERTS_PATH",
            "JAVA_TOOL_OPTIONS",
            "KANIKO_REGISTRY_MAP",
            "MAVEN_OPTS",
            "NODE_EXTRA_CA_CERTS",
            "NODE_OPTIONS",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "NODE_USE_SYSTEM_CA",
            "NPM_CONFIG_CAFILE",
            "PIP_CERT",
            "PIP_TRUSTED_HOST",
            "PYTHONHTTPSVERIFY",
            "REQUESTS_CA_BUNDLE",
            "SSL_CERT_DIR",
            "SSL_CERT_FILE",
            "SSL_NO_VERIFY_HOSTNAME",
            "USE_SYSTEM_CA_CERTS",
            "UV_SYSTEM_CERTS",
            "YARN_HTTPS_CA_FILE_PATH",
            "npm_config_cafile",
            "npm_config_strict_ssl",
            "ssl_cert_file",
        ] {
            assert_eq!(kept(name), Kept::Value, "{name}");
        }
        assert_eq!(kept("SSL_KEY_FILE"), Kept::Name);
    }

    #[test]
    fn references_are_found() {
        assert_eq!(references("http://$(HOST):$(PORT)/$X").collect::<Vec<_>>(), ["HOST", "PORT"]);
        assert_eq!(references("$(open").count(), 0);
    }
}
