//! The environment of the services that pull, as systemd gives it to them, and when they were started.

use std::collections::BTreeMap;

use super::docker;
use super::reading::{At, Reading};
use super::store;
use crate::model::Str;
use crate::model::codes;
use crate::model::trust::NodeRuntime;

/// A service that pulls images.
struct Service {
    /// As in [`RegistryTrust::runtime`](crate::model::trust::RegistryTrust::runtime).
    name: &'static str,
    units: &'static [&'static str],
    /// Files that the unit as it is shipped reads its environment from.
    files: &'static [&'static str],
    /// A file that shows that it is installed.
    config: &'static str,
    /// A socket or a file that it makes anew whenever it starts.
    born: &'static str,
    /// How a kubelet reports it.
    scheme: &'static str,
}

const SERVICES: &[Service] = &[
    Service {
        name: "containerd",
        units: &["containerd.service"],
        files: &[],
        config: "/etc/containerd/config.toml",
        born: "/run/containerd/containerd.sock",
        scheme: "containerd://",
    },
    Service {
        name: "cri-o",
        units: &["crio.service"],
        files: &["/etc/sysconfig/crio"],
        config: "/etc/crio",
        born: "/run/crio/crio.sock",
        scheme: "cri-o://",
    },
    Service {
        name: "docker",
        units: &["docker.service"],
        files: &[],
        config: "/etc/docker/daemon.json",
        // The socket is systemd's and older than the daemon.
        born: "/run/docker.pid",
        scheme: "docker://",
    },
    Service {
        name: "buildkit",
        units: &["buildkit.service"],
        files: &[],
        config: "/etc/buildkit/buildkitd.toml",
        born: "/run/buildkit/buildkitd.sock",
        scheme: "",
    },
    Service {
        name: "k3s",
        units: &["k3s.service", "k3s-agent.service"],
        files: &["/etc/default/k3s", "/etc/sysconfig/k3s"],
        config: "/etc/rancher/k3s",
        born: "/run/k3s/containerd/containerd.sock",
        scheme: "",
    },
    Service {
        name: "rke2",
        units: &["rke2-server.service", "rke2-agent.service"],
        files: &["/etc/default/rke2-server", "/etc/default/rke2-agent", "/etc/sysconfig/rke2-server"],
        config: "/etc/rancher/rke2",
        // k3s has its own at the same place: only one of them runs.
        born: "/run/k3s/containerd/containerd.sock",
        scheme: "",
    },
];

/// Variables that decide trust and proxies of programs in Go.
fn is_kept(name: &str) -> bool {
    const KEPT: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];
    KEPT.contains(&name) || matches!(name, "http_proxy" | "https_proxy" | "no_proxy" | "all_proxy")
}

/// Reads the services.
pub(super) fn read(reading: &mut Reading<'_>) {
    let reported = reading.about.container_runtime.clone();
    for service in SERVICES {
        let env = environment(reading, service);
        let version = reported.as_deref().and_then(|text| text.strip_prefix(service.scheme));
        let version = version.filter(|_| !service.scheme.is_empty());
        let is_there = reading.files.text(service.config).is_some() || reading.files.is_directory(service.config);
        if env.is_empty() && version.is_none() && !is_there {
            continue;
        }
        for (name, value) in env.iter().filter(|(name, _)| matches!(name.as_str(), "SSL_CERT_FILE" | "SSL_CERT_DIR")) {
            for path in value.split(':').filter(|path| name == "SSL_CERT_DIR" || *path == value.as_str()) {
                store::named(reading, path);
            }
        }
        reading.runtimes.push(NodeRuntime {
            name: service.name.into(),
            version: version.map(Str::from),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            started: reading.files.modified(service.born),
        });
    }
    login_only(reading);
}

/// The variables of one service, later files over earlier ones.
fn environment(reading: &mut Reading<'_>, service: &Service) -> BTreeMap<String, String> {
    let files = reading.files;
    let mut env = BTreeMap::new();
    let mut from_files = BTreeMap::new();
    for path in service.files {
        from_files.extend(files.text(path).map(variables).unwrap_or_default());
    }
    for unit in service.units {
        let folder = format!("/etc/systemd/system/{unit}.d");
        for name in files.names(&folder).unwrap_or_default().into_iter().filter(|name| name.ends_with(".conf")) {
            let path = format!("{folder}/{name}");
            let Some(text) = files.text(&path) else {
                reading.unread(&path, "not read");
                continue;
            };
            for (key, value) in service_section(text) {
                match key {
                    "Environment" if value.is_empty() => env.clear(),
                    "Environment" => env.extend(assignments(&value)),
                    "EnvironmentFile" if value.is_empty() => from_files.clear(),
                    "EnvironmentFile" => {
                        let file = value.trim_start_matches('-');
                        match files.text(file) {
                            Some(text) => from_files.extend(variables(text)),
                            None if files.is_unknown(file) => {
                                reading
                                    .unread(file, &format!("the environment of {unit}, and outside of what is read"));
                            }
                            None => {}
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    // systemd.exec(5): files overrule `Environment=`.
    env.extend(from_files);
    if service.name == "docker" {
        env.extend(docker::proxies(reading).into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    env.retain(|name, value| is_kept(name) && !value.is_empty());
    env
}

/// `/etc/environment` is read at logins (pam_env(8)), not by services: a proxy that stands there alone reaches none.
fn login_only(reading: &mut Reading<'_>) {
    const PATH: &str = "/etc/environment";
    let Some(text) = reading.files.text(PATH) else { return };
    let set: Vec<String> = variables(text).into_keys().filter(|name| is_kept(name)).collect();
    let is_missing = |name: &String| {
        let upper = name.to_ascii_uppercase();
        !reading.runtimes.iter().any(|r| r.env.iter().any(|(known, _)| known.to_ascii_uppercase() == upper))
    };
    let Some(name) = set.into_iter().find(is_missing) else { return };
    if reading.runtimes.is_empty() {
        return;
    }
    let line = text.lines().position(|line| line.contains(&format!("{name}="))).unwrap_or(0) + 1;
    let message = format!("{name} of {PATH} reaches logins, and no container runtime: services do not read that file");
    reading.note(codes::TLS_LOGIN_ENVIRONMENT, At(PATH, u32::try_from(line).unwrap_or(0)), None, message);
}

/// Keys and values of the section `[Service]`, in order.
fn service_section(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut is_service = false;
    let mut is_continued = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && !is_continued) {
            continue;
        }
        let (part, continues) = trimmed.strip_suffix('\\').map_or((trimmed, false), |part| (part, true));
        if is_continued {
            if let Some((_, value)) = found.last_mut() {
                value.push(' ');
                value.push_str(part);
            }
        } else if let Some(section) = part.strip_prefix('[') {
            is_service = section.trim_end_matches(']') == "Service";
        } else if let Some((key, value)) = part.split_once('=').filter(|_| is_service) {
            found.push((key.trim(), value.trim().to_owned()));
        }
        is_continued = continues && is_service;
    }
    found
}

/// The assignments of `Environment=`: words, quoted as systemd does.
fn assignments(value: &str) -> Vec<(String, String)> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.iter().filter_map(|word| word.split_once('=')).map(|(k, v)| (k.to_owned(), v.replace("%%", "%"))).collect()
}

/// `NAME=value` lines of an environment file.
fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let assignments = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    assignments.map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim()).to_owned())).collect()
}

/// A value without the quotes around it.
pub(super) fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_words_with_quotes() {
        let pairs = assignments(r#""HTTPS_PROXY=http://p:1" 'NO_PROXY=a, b' X=1 Y="a b" Z=50%%"#);
        let text: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(text, ["HTTPS_PROXY=http://p:1", "NO_PROXY=a, b", "X=1", "Y=a b", "Z=50%"]);
    }

    #[test]
    fn only_the_service_section_counts_and_lines_continue() {
        let text = "[Unit]\nEnvironment=A=1\n# [Service]\n[Service]\nEnvironment=B=2 \\\n  C=3\n; x\nEnvironment=\n";
        let found = service_section(text);
        assert_eq!(found, [("Environment", "B=2 C=3".to_owned()), ("Environment", String::new())]);
    }
}
