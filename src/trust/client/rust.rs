//! Clients written in Rust: uv and cargo.

use super::config;
use super::flags;
use super::reader::{Names, NotKnown, Reader, Seen, Setting, Told};
use crate::model::codes;
use crate::trust::tree::Found;

/// uv: the public roots that it ships, or the system's store where that is asked for. A filled `SSL_CERT_FILE` or
/// `SSL_CERT_DIR` takes the place of either, even if nothing can be read there.
///
/// Source: `uv-client/src/tls.rs`. Earlier versions kept their roots when the path was not there.
pub(super) fn uv(reader: &mut Reader<'_>) {
    insecure_hosts(reader);
    let (file, directory) = (reader.variable("SSL_CERT_FILE"), reader.variable("SSL_CERT_DIR"));
    let mut loaded = false;
    if let Ok(Some(path)) = file {
        loaded |= reader.file(path, "SSL_CERT_FILE", true) != Seen::Missing;
    }
    if let Ok(Some(list)) = directory {
        loaded |= reader.directories(list, Names::Any, "SSL_CERT_DIR", true) != Seen::Missing;
    }
    let sure = match (file, directory) {
        (Ok(None), Ok(None)) => true,
        (Err(_), _) | (_, Err(_)) => false,
        _ if loaded => return,
        _ => {
            let path = file.ok().flatten().or(directory.ok().flatten()).unwrap_or_default();
            let message = format!("uv was told to read {path}, which is not there: it trusts nothing");
            reader.note(&codes::TLS_FILE_MISSING, path, message);
            reader.assume("uv is of a version that trusts nothing when SSL_CERT_FILE is not there (earlier ones kept their roots)");
            return;
        }
    };
    match uv_system(reader) {
        Some(false) => reader.built_in("roots of uv", sure),
        Some(true) => native(reader, sure),
        None => {
            reader.built_in("roots of uv", false);
            native(reader, false);
        }
    }
}

/// Whether uv reads the system's store.
fn uv_system(reader: &mut Reader<'_>) -> Option<bool> {
    let arguments = reader.place.arguments;
    if arguments.iter().any(|a| matches!(a.as_str(), "--system-certs" | "--native-tls")) {
        return Some(true);
    }
    for name in ["UV_SYSTEM_CERTS", "UV_NATIVE_TLS"] {
        if let Some(value) = reader.variable(name).ok()? {
            return Some(!config::is_off(value));
        }
    }
    let files = uv_files(reader);
    let keys = ["native-tls", "system-certs"];
    let set = config::last(reader, &files, config::sections, |line| keys.contains(&line.key.as_str()));
    Some(set.is_some_and(|setting| setting.value == "true"))
}

fn uv_files(reader: &mut Reader<'_>) -> Vec<String> {
    let mut files = vec!["/etc/uv/uv.toml".to_owned()];
    match reader.variable("UV_CONFIG_FILE") {
        Ok(Some(path)) => files.push(path.to_owned()),
        _ => files.extend(config::of_user(reader, &[".config/uv/uv.toml"])),
    }
    files
}

fn insecure_hosts(reader: &mut Reader<'_>) {
    let name = "UV_INSECURE_HOST";
    if let Ok(Some(hosts)) = reader.variable(name) {
        match reader.place.host {
            Some(host) if hosts.split_whitespace().any(|named| super::scope::covers(named, host)) => {
                reader.off(&format!("{name}={hosts}"), name);
            }
            Some(_) => {}
            None => reader.may_be_off(format!("{name} names {hosts}")),
        }
    }
}

/// Source: rustls-native-certs 0.8 with openssl-probe 0.2: the first bundle that is there, and every file of the
/// directories.
fn native(reader: &mut Reader<'_>, sure: bool) {
    let files = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/ssl/cert.pem",
    ];
    reader.first_file(&files, "the system's bundle", sure);
    reader.directories("/etc/ssl/certs:/etc/pki/tls/certs", Names::Any, "the system's directory", sure);
}

/// Where openssl-probe 0.1 looks, in its order: folders, and files in them.
const PROBED: &[&str] = &[
    "/var/ssl",
    "/usr/share/ssl",
    "/usr/local/ssl",
    "/usr/local/openssl",
    "/usr/local/etc/openssl",
    "/usr/local/share",
    "/usr/lib/ssl",
    "/usr/ssl",
    "/etc/openssl",
    "/etc/pki/ca-trust/extracted/pem",
    "/etc/pki/tls",
    "/etc/ssl",
    "/etc/certs",
    "/opt/etc/ssl",
];
const PROBED_FILES: &[&str] = &[
    "cert.pem",
    "certs.pem",
    "ca-bundle.pem",
    "cacert.pem",
    "ca-certificates.crt",
    "certs/ca-certificates.crt",
    "certs/ca-root-nss.crt",
    "certs/ca-bundle.crt",
    "CARootCertificates.pem",
    "tls-ca-bundle.pem",
];

/// cargo as rustup installs it: its own OpenSSL, told by openssl-probe where file and directory are. `http.cainfo` takes
/// the place of the file and leaves the directory.
pub(super) fn cargo(reader: &mut Reader<'_>) {
    match cainfo(reader) {
        Ok(Some(setting)) => {
            if reader.file(&setting.value, &setting.rule, true) == Seen::Missing {
                reader.fails(&setting.value, &setting.rule);
            }
        }
        set => probed_file(reader, set.is_ok()),
    }
    let (path, sure) = match reader.variable("SSL_CERT_DIR") {
        Ok(Some(path)) if reader.exists(path) == Some(true) => (Some((path.to_owned(), "SSL_CERT_DIR")), true),
        Ok(Some(path)) if reader.exists(path).is_none() => (None, false),
        set => {
            let candidates = PROBED.iter().map(|root| format!("{root}/certs"));
            let found = candidates.into_iter().find(|path| reader.exists(path) == Some(true));
            (found.map(|path| (path, "directory that cargo finds")), set.is_ok())
        }
    };
    if let Some((path, rule)) = path {
        reader.directories(&path, Names::Hashed, rule, sure);
    } else if !sure {
        reader.unknown("the directory of SSL_CERT_DIR is not known");
    }
}

fn probed_file(reader: &mut Reader<'_>, sure: bool) {
    if let Ok(Some(path)) = reader.variable("SSL_CERT_FILE") {
        match reader.exists(path) {
            Some(there) if !there => reader.goes_without(path, "SSL_CERT_FILE"),
            known => {
                reader.file(path, "SSL_CERT_FILE", sure && known.is_some());
                return;
            }
        }
    }
    let all: Vec<String> =
        PROBED.iter().flat_map(|root| PROBED_FILES.iter().map(move |file| format!("{root}/{file}"))).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    reader.first_file(&all, "bundle that cargo finds", sure);
}

/// `http.cainfo`: the variable, then the file in cargo's home.
fn cainfo(reader: &mut Reader<'_>) -> Told<Setting> {
    let flag = "--config http.cainfo";
    if let Some(value) = flags::value(reader.place.arguments, &["cargo"], flag) {
        return Ok(Some(Setting { value: value.to_owned(), rule: flag.to_owned() }));
    }
    let name = "CARGO_HTTP_CAINFO";
    if let Some(value) = reader.variable(name)? {
        return Ok(Some(Setting { value: value.to_owned(), rule: name.to_owned() }));
    }
    let homes = if let Some(home) = reader.variable("CARGO_HOME")? {
        vec![home.to_owned()]
    } else {
        // Images with Rust keep cargo's home here and name it by a variable.
        let mut homes = config::of_user(reader, &[".cargo"]);
        homes.push("/usr/local/cargo".to_owned());
        homes
    };
    for home in homes {
        for file in [format!("{home}/config"), format!("{home}/config.toml")] {
            if !matches!(reader.find(&file), Ok(Found::File(_) | Found::Unknown(_))) {
                continue;
            }
            let text = reader.text(&file).ok_or(NotKnown)?;
            let value = toml::from_str::<toml::Table>(&text).ok();
            let value = value.as_ref().and_then(|table| table.get("http")).and_then(|http| http.get("cainfo"));
            if let Some(value) = value.and_then(toml::Value::as_str) {
                // A relative path counts from the folder above the one with the file.
                let value = if value.starts_with('/') {
                    value.to_owned()
                } else {
                    format!("{}/{value}", home.rsplit_once('/').map_or("", |(above, _)| above))
                };
                return Ok(Some(Setting { value, rule: format!("http.cainfo in {file}") }));
            }
            return Ok(None);
        }
    }
    Ok(None)
}
