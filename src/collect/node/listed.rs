//! Which files of a node are read: those that decide trust, and no others.

/// Files and folders that are read whole, `*` standing for one name.
const LISTED: &[&str] = &[
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust",
    "/etc/pki/trust",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/share/pki",
    "/etc/ca-certificates.conf",
    "/var/lib/ca-certificates",
    "/etc/containerd",
    "/etc/docker",
    "/etc/containers",
    "/etc/crio",
    "/etc/buildkit",
    "/etc/cri",
    "/etc/rancher/*/registries.yaml",
    "/var/lib/rancher/*/agent/etc/containerd",
    "/etc/systemd/system/containerd.service.d",
    "/etc/systemd/system/crio.service.d",
    "/etc/systemd/system/docker.service.d",
    "/etc/systemd/system/kubelet.service.d",
    "/etc/systemd/system/buildkit.service.d",
    "/etc/systemd/system/k3s.service.d",
    "/etc/systemd/system/k3s-agent.service.d",
    "/etc/systemd/system/rke2-server.service.d",
    "/etc/systemd/system/rke2-agent.service.d",
    "/etc/environment",
    "/etc/default",
    "/etc/sysconfig",
];

/// Sockets and files whose age tells when a runtime was started; they are never opened.
pub(super) const BORN: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.pid",
    "/run/buildkit/buildkitd.sock",
    "/run/k3s/containerd/containerd.sock",
];

/// Where links out of the listed folders may lead: what a distribution ships and does not keep secret.
const SHIPPED: &[&str] =
    &["/usr/share", "/usr/lib", "/usr/local/share", "/usr/etc", "/nix/store", "/etc/static", "/opt"];

/// What a path means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Read with all that is in it.
    Whole,
    /// Something below it is listed.
    Above,
    /// Nothing.
    None,
}

/// What a path means to the reader.
pub(super) fn interest(path: &str) -> Interest {
    let mut found = Interest::None;
    for listed in LISTED {
        match compare(listed, path) {
            Interest::Whole => return Interest::Whole,
            Interest::Above => found = Interest::Above,
            Interest::None => {}
        }
    }
    found
}

fn compare(listed: &str, path: &str) -> Interest {
    let mut parts = path.split('/').skip(1).filter(|part| !part.is_empty());
    for wanted in listed.split('/').skip(1) {
        match parts.next() {
            None => return Interest::Above,
            Some(part) if part == wanted || wanted == "*" => {}
            Some(_) => return Interest::None,
        }
    }
    Interest::Whole
}

/// Folders of settings of which only the files are read, not what lies in further folders.
const FLAT: &[&str] = &["/etc/default", "/etc/sysconfig"];

/// Whether this is a folder in a folder of which only the files are read.
pub(super) fn is_flat(path: &str) -> bool {
    FLAT.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// Whether a link out of a listed folder may be followed to this place.
pub(super) fn is_shipped(path: &str) -> bool {
    SHIPPED.iter().any(|shipped| path.strip_prefix(shipped).is_some_and(|rest| rest.starts_with('/')))
}

/// Why a file of this name is never read, wherever it lies.
pub(in crate::collect) fn secret(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".pem").unwrap_or(&lower);
    let ending = lower.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending == "key" || stem == "key" || stem.ends_with("-key") || stem.ends_with("_key") {
        return Some("a private key: it is never read");
    }
    if matches!(stem, "config.json" | "key.json" | "auth.json" | "auth" | "credentials" | "htpasswd" | "private")
        || matches!(ending, "p12" | "pfx")
    {
        return Some("it may hold credentials: it is never read");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_read() {
        for path in ["/etc/ssl/certs", "/etc/ssl/certs/a.pem", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"]
        {
            assert_eq!(interest(path), Interest::Whole, "{path}");
        }
        for path in ["/", "/etc", "/etc/ssl", "/etc/rancher/k3s", "/var/lib/rancher", "/var/lib/rancher/k3s/agent"] {
            assert_eq!(interest(path), Interest::Above, "{path}");
        }
        for path in [
            "/etc/shadow",
            "/etc/ssl/private",
            "/etc/rancher/k3s/k3s.yaml",
            "/root",
            "/etc/kubernetes/pki/ca.key",
            "/etc/sslx",
            "/var/lib/rancher/k3s/server",
        ] {
            assert_eq!(interest(path), Interest::None, "{path}");
        }
    }

    #[test]
    fn keys_and_credentials_are_told_by_name() {
        for name in ["client.key", "KEY.PEM", "tls-key.pem", "config.json", "auth.json", "store.p12"] {
            assert!(secret(name).is_some(), "{name}");
        }
        for name in ["ca.crt", "keyring.crt", "monkey.pem", "hosts.toml", "registries.yaml", "daemon.json"] {
            assert!(secret(name).is_none(), "{name}");
        }
    }
}
