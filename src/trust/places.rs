//! Where clients look for what they trust: paths, and the words that name further ones.

/// Paths where operating systems, clients and runtimes keep what they trust or how they verify.
const PATHS: &[&str] = &[
    "/certificates",
    "/etc/apk",
    "/etc/apt",
    "/etc/buildkit",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/ca-certificates.conf.d",
    "/etc/containerd",
    "/etc/containers",
    "/etc/docker",
    "/etc/gitconfig",
    "/etc/npmrc",
    "/etc/pip.conf",
    "/etc/pki",
    "/etc/rancher",
    "/etc/ssl",
    "/etc/wgetrc",
    "/kaniko/ssl",
    "/opt/java",
    "/root/.config",
    "/root/.curlrc",
    "/root/.gitconfig",
    "/usr/lib/jvm",
    "/usr/lib/ssl",
    "/usr/local/share/ca-certificates",
    "/usr/local/ssl",
    "/usr/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
];

/// Configuration in a home directory, wherever that is: which one is the user's, the image may say.
const OF_USERS: &[&str] =
    &[".cargo", ".config", ".curlrc", ".gitconfig", ".npmrc", ".pip", ".wgetrc", ".yarnrc", ".yarnrc.yml"];

/// Parts of the names of variables, in lower case, that name a file of certificates or a client's configuration.
const VARIABLES: &[&str] =
    &["cert", "ssl", "cafile", "cainfo", "capath", "ca_", "_ca", "java", "_opts", "options", "config", "home"];

/// Parts of words of a command line that is about certificates.
const WORDS: &[&str] = &[
    "cert",
    "Cert",
    "CERT",
    "cafile",
    "caFile",
    "CAFILE",
    "capath",
    "caPath",
    "CAPATH",
    "cainfo",
    "caInfo",
    "CAINFO",
    "CAInfo",
    "CaInfo",
    "sslCA",
    "ca-bundle",
    "ca_bundle",
    "CA_BUNDLE",
    "trustStore",
    "truststore",
    ".crt",
    ".pem",
    ".cer",
    "cacerts",
];

/// Where the kubelet mounts a service account's token and the cluster's own CA in nearly every container.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whether something that is mounted at `path` may change what a client trusts: it is at, above or below one of the
/// known places.
pub fn is_trust_place(path: &str) -> bool {
    let path = trimmed(path);
    path.ends_with("cacerts")
        || path.contains("/lib/security")
        || path.split('/').any(|part| OF_USERS.contains(&part))
        || PATHS.iter().any(|known| overlap(known, path))
}

/// Whether one of two paths is the other or leads to it.
pub fn overlap(a: &str, b: &str) -> bool {
    let (a, b) = (trimmed(a), trimmed(b));
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path without slashes at its end; the root is empty.
pub fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Whether the mount is that of a pod's service account.
pub fn is_service_account(path: &str) -> bool {
    trimmed(path) == SERVICE_ACCOUNT
}

/// Whether a variable of this name may say where certificates, or a client's configuration, are.
pub fn is_trust_variable(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    VARIABLES.iter().any(|part| lower.contains(part))
}

/// Whether a word of a command line is about certificates.
pub fn is_about_trust(word: &str) -> bool {
    WORDS.iter().any(|part| memchr::memmem::find(word.as_bytes(), part.as_bytes()).is_some())
}

/// The absolute paths in a value or a word: `-Djavax.net.ssl.trustStore=/a`, `/a:/b`, `registry.example=/a/ca.crt`.
pub fn paths(text: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| {
        c.is_whitespace() || matches!(c, ':' | '=' | ',' | ';' | '"' | '\'' | '`' | '(' | ')' | '&' | '|' | '<' | '>')
    };
    text.split(separates).filter(|part| part.starts_with('/') && part.len() > 1 && !part.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_known_from_above_and_from_below() {
        for path in [
            "/",
            "/etc",
            "/etc/",
            "/usr",
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/ca-trust/extracted",
            "/usr/local/share/ca-certificates/corp.crt",
            "/kaniko/ssl/certs",
            "/opt/java/openjdk/lib/security/cacerts",
            "/opt/jdk-21/lib/security",
            "/etc/docker/certs.d",
            "/home/node/.npmrc",
            "/workspace/.config/pip",
        ] {
            assert!(is_trust_place(path), "{path}");
        }
        for path in [SERVICE_ACCOUNT, "/kaniko/.docker", "/workspace", "/etc/sslx", "/etc/nginx", "/home/ci", "/tmp"] {
            assert!(!is_trust_place(path), "{path}");
        }
    }

    #[test]
    fn paths_are_found_in_what_names_them() {
        let found = |text| paths(text).collect::<Vec<_>>();
        assert_eq!(found("/a/ca.crt:/b"), ["/a/ca.crt", "/b"]);
        assert_eq!(found("-Xmx1g -Djavax.net.ssl.trustStore=/certs/t.p12"), ["/certs/t.p12"]);
        assert_eq!(found("curl --cacert '/x/ca.pem' https://host/file && ls"), ["/x/ca.pem"]);
        assert_eq!(found("registry.example=/r/ca.crt"), ["/r/ca.crt"]);
        assert!(is_about_trust("--registry-certificate") && is_about_trust("curl --cacert x") && !is_about_trust("go"));
        assert!(is_trust_variable("NODE_EXTRA_CA_CERTS") && is_trust_variable("AWS_CA_BUNDLE"));
        assert!(!is_trust_variable("GOPROXY") && !is_trust_variable("CI"));
    }
}
