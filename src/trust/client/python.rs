//! Python: `ssl`, requests and pip.

use super::config;
use super::flags;
use super::openssl;
use super::reader::{Names, Reader, Seen, Setting, Told};
use crate::trust::tree::{Content, Found};

/// The variables of requests, the first that is filled wins.
const REQUESTS: &[&str] = &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// requests: a bundle that is named takes the place of certifi's.
pub(super) fn requests(reader: &mut Reader<'_>) {
    reader.ignores(&["SSL_CERT_FILE", "SSL_CERT_DIR"], "REQUESTS_CA_BUNDLE is what it reads");
    match of_requests(reader) {
        Ok(Some(setting)) => bundle(reader, &setting, true),
        Ok(None) => certifi(reader, true),
        Err(_) => certifi(reader, false),
    }
}

/// The roots of certifi. Debian's packages of Python hand out the system's bundle in their place.
fn certifi(reader: &mut Reader<'_>, sure: bool) {
    let packages = "/usr/lib/python3/dist-packages";
    let is_packaged =
        ["pip", "certifi", "requests"].iter().any(|name| reader.exists(&format!("{packages}/{name}")) != Some(false));
    let interpreter = reader.place.arguments.iter().find(|word| word.contains("python") || word.contains("/pip"));
    let debian = match interpreter.map(String::as_str) {
        _ if !is_packaged || openssl::family(reader) != Some(openssl::Family::Debian) => Some(false),
        Some(path) if path.starts_with("/usr/bin/") => Some(true),
        Some(path) if path.starts_with('/') => Some(false),
        _ => None,
    };
    if debian != Some(true) {
        reader.built_in("certifi", sure && debian.is_some());
    }
    if debian != Some(false) {
        reader.file("/etc/ssl/certs/ca-certificates.crt", "certifi of Debian", sure && debian.is_some());
    }
}

fn of_requests(reader: &mut Reader<'_>) -> Told<Setting> {
    for name in REQUESTS {
        if let Some(value) = reader.variable(name)? {
            return Ok(Some(Setting { value: value.to_owned(), rule: (*name).to_owned() }));
        }
    }
    Ok(None)
}

/// A file, or a directory with hashed names; without either the client ends with an error.
fn bundle(reader: &mut Reader<'_>, setting: &Setting, sure: bool) {
    match reader.find(&setting.value) {
        Ok(Found::Directory { .. }) => {
            reader.directory(&setting.value, Names::Hashed, &setting.rule, sure);
        }
        _ => {
            if reader.file(&setting.value, &setting.rule, sure) == Seen::Missing {
                reader.fails(&setting.value, &setting.rule);
            }
        }
    }
}

/// pip. `modern`: 24.2 and later, which verifies with OpenSSL's store and certifi together; a bundle that is named joins
/// them. Before, and with `--use-deprecated=legacy-certs`, it takes the place of certifi.
pub(super) fn pip(reader: &mut Reader<'_>, modern: bool) {
    let named = match of_requests(reader) {
        // requests prefers its variables to the setting of the session, which is pip's own.
        Ok(None) => pip_setting(reader, "cert"),
        other => other,
    };
    let legacy = pip_setting(reader, "use-deprecated");
    let modern = match &legacy {
        _ if !modern => Some(false),
        Ok(None) => Some(true),
        Ok(Some(setting)) => Some(!setting.value.contains("legacy-certs")),
        Err(_) => None,
    };
    trusted_hosts(reader);
    match modern {
        Some(false) => match &named {
            Ok(Some(setting)) => bundle(reader, setting, true),
            known => certifi(reader, known.is_ok()),
        },
        modern => {
            let sure = modern.is_some();
            truststore(reader, sure);
            certifi(reader, sure);
            if let Ok(Some(setting)) = &named {
                bundle(reader, setting, sure);
            }
        }
    }
}

/// What pip does with OpenSSL's defaults: if they lead to nothing, it tries files of its own.
///
/// Source: truststore's `_openssl.py`.
fn truststore(reader: &mut Reader<'_>, sure: bool) {
    let before = reader.out.stores.len();
    openssl::load(reader, Names::Hashed, sure);
    // A file counts if it is there, whatever it holds; a directory only if it holds hashed names.
    let directory = |rule: &str| rule == "SSL_CERT_DIR" || rule.starts_with("default directory");
    let found = &reader.out.stores[before..];
    if !found.iter().any(|store| store.public || !store.certificates.is_empty() || !directory(&store.rule)) {
        let files = [
            "/etc/ssl/cert.pem",
            "/etc/pki/tls/cert.pem",
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/ssl/ca-bundle.pem",
        ];
        let sure = sure && reader.out.unknown.is_empty();
        reader.first_file(&files, "file that pip falls back to", sure);
    }
}

/// A setting of pip: variable, then the files of configuration, of which the last wins.
fn pip_setting(reader: &mut Reader<'_>, name: &str) -> Told<Setting> {
    let flag = format!("--{name}");
    if let Some(value) = flags::value(reader.place.arguments, &["pip"], &flag) {
        return Ok(Some(Setting { value: value.to_owned(), rule: flag }));
    }
    let variable = format!("PIP_{}", name.replace('-', "_").to_ascii_uppercase());
    if let Some(value) = reader.variable(&variable)? {
        return Ok(Some(Setting { value: value.to_owned(), rule: variable }));
    }
    let mut files = vec!["/etc/xdg/pip/pip.conf".to_owned(), "/etc/pip.conf".to_owned()];
    files.extend(config::of_user(reader, &[".pip/pip.conf", ".config/pip/pip.conf"]));
    if let Ok(Some(venv)) = reader.variable("VIRTUAL_ENV") {
        files.push(format!("{venv}/pip.conf"));
    }
    match reader.variable("PIP_CONFIG_FILE") {
        Ok(Some("/dev/null")) => files.clear(),
        Ok(Some(path)) => files.push(path.to_owned()),
        _ => {}
    }
    let commands = ["install", "download", "wheel"];
    let global = config::last(reader, &files, config::sections, |line| line.section == "global" && line.key == name);
    let command = config::last(reader, &files, config::sections, |line| {
        commands.contains(&line.section.as_str()) && line.key == name
    });
    Ok(command.or(global))
}

/// `--trusted-host`: that host is not verified.
fn trusted_hosts(reader: &mut Reader<'_>) {
    let words = reader.place.arguments;
    if let Some(host) = reader.place.host.filter(|host| flags::trusts_host(words, host)) {
        return reader.off(&format!("--trusted-host {host}"), "--trusted-host");
    }
    if flags::has(words, &["pip"], &["--trusted-host"]).is_some() {
        // The flag takes the place of the setting.
        return;
    }
    match pip_setting(reader, "trusted-host") {
        Ok(Some(setting)) => {
            let named: Vec<_> = setting.value.split_whitespace().map(str::to_owned).collect();
            match reader.place.host {
                Some(host) if named.iter().any(|name| super::scope::covers(name, host)) => {
                    reader.off(&format!("{} names {host}", setting.rule), &setting.rule);
                }
                Some(_) => {}
                None => reader.may_be_off(format!("{} names {}", setting.rule, named.join(", "))),
            }
        }
        Ok(None) => {}
        Err(_) => reader.may_be_off("PIP_TRUSTED_HOST may be set".to_owned()),
    }
}

/// Python's `ssl`: OpenSSL's defaults, nothing else.
pub(super) fn ssl(reader: &mut Reader<'_>) {
    openssl::load(reader, Names::Hashed, true);
    if matches!(reader.find("/usr/lib/ssl/cert.pem"), Ok(Found::File(Content::Bytes(_) | Content::PublicRoots))) {
        reader.assume("Python is linked with the OpenSSL of the distribution");
    }
}
