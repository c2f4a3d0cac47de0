//! Programs written in Go: `crypto/x509` reads the first bundle that is there, and every file of some directories.
//!
//! Source: `root_unix.go` and `root_linux.go` of Go 1.26 and 1.27.

use super::Client;
use super::reader::{Names, Reader, Seen, has_extension};
use super::scope::covers;
use crate::model::codes;
use crate::trust::runtime::OUTPUT_FILES;
use crate::trust::tree::{Content, Found};

/// Directories; every file of each of them counts, whatever its name.
const DIRECTORIES: &str = "/etc/ssl/certs:/etc/pki/tls/certs";

pub(super) fn load(reader: &mut Reader<'_>) {
    match reader.variable("SSL_CERT_FILE") {
        Ok(Some(path)) => {
            if reader.file(path, "SSL_CERT_FILE", true) == Seen::Missing {
                reader.goes_without(path, "SSL_CERT_FILE");
            }
        }
        set => {
            reader.first_file(&OUTPUT_FILES, "default bundle of Go", set.is_ok());
        }
    }
    match reader.variable("SSL_CERT_DIR") {
        Ok(Some(list)) => {
            if reader.directories(list, Names::Any, "SSL_CERT_DIR", true) == Seen::Missing {
                reader.goes_without(list, "SSL_CERT_DIR");
            }
        }
        set => {
            reader.directories(DIRECTORIES, Names::Any, "default directory of Go", set.is_ok());
        }
    }
}

/// The directories in which containers/image, and the Docker daemon, look for CAs of one registry.
pub(super) fn registry_directories(reader: &mut Reader<'_>) {
    let Some(host) = reader.place.host.map(str::to_owned) else { return };
    let mut roots = Vec::new();
    if reader.client == Client::Containers {
        if let Ok(Some(home)) = reader.variable("HOME") {
            roots.push(format!("{home}/.config/containers/certs.d"));
        }
        roots.push("/etc/containers/certs.d".to_owned());
    }
    roots.push("/etc/docker/certs.d".to_owned());
    let mut sure = true;
    for root in roots {
        let directory = format!("{root}/{host}");
        match reader.find(&directory) {
            Ok(Found::Directory { names, complete, .. }) => {
                let wanted: Vec<_> = names.into_iter().filter(|name| has_extension(name, "crt")).collect();
                for name in wanted {
                    reader.file(&format!("{directory}/{name}"), "CA of the registry", sure);
                }
                if !complete {
                    reader.incomplete(&directory);
                }
                // The first directory that is there is the only one.
                return;
            }
            Ok(Found::Unknown(why)) | Err(why) => {
                reader.unknown(why);
                sure = false;
            }
            Ok(_) => {}
        }
    }
}

/// kaniko's executor: Go with a variable that its image sets, and flags.
pub(super) fn kaniko(reader: &mut Reader<'_>) {
    load(reader);
    let arguments = reader.place.arguments;
    let mut pull = None;
    let mut push = None;
    for (at, argument) in arguments.iter().enumerate() {
        let (flag, inline) = argument.split_once('=').map_or((argument.as_str(), None), |(f, v)| (f, Some(v)));
        let next = arguments.get(at + 1).map(String::as_str);
        let value = inline.or(next.filter(|next| !next.starts_with('-')));
        let switched_on = inline.is_none_or(|value| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"));
        match flag {
            "--skip-tls-verify" | "--insecure" if switched_on => push = Some(flag),
            "--skip-tls-verify-pull" | "--insecure-pull" if switched_on => pull = Some(flag),
            "--skip-tls-verify-registry" | "--insecure-registry" => match (value, reader.place.host) {
                (Some(named), Some(host)) if covers(named, host) => return reader.off(argument, flag),
                (Some(named), None) => reader.may_be_off(format!("{flag} names {named}")),
                _ => {}
            },
            "--registry-certificate" => registry_certificate(reader, value.unwrap_or_default()),
            _ => {}
        }
    }
    match (pull, push) {
        (Some(pull), Some(push)) => reader.off(&format!("{pull} with {push}"), pull),
        (Some(flag), None) => {
            reader.note(
                &codes::TLS_SWITCHED_OFF,
                flag,
                format!("{flag} makes kaniko accept any server that it pulls from"),
            );
            reader.may_be_off(format!("{flag} is for pulls alone"));
        }
        (None, Some(flag)) => {
            reader.note(
                &codes::TLS_SWITCHED_OFF,
                flag,
                format!("{flag} makes kaniko accept any server that it pushes to"),
            );
            reader.may_be_off(format!("{flag} is for the registry that is pushed to alone"));
        }
        (None, None) => {}
    }
}

/// `host=/path`: the file joins one pool for all registries, whatever the host.
fn registry_certificate(reader: &mut Reader<'_>, value: &str) {
    let path = value.split_once('=').map_or("", |(_, path)| path);
    if path.is_empty() {
        reader.unknown(format!("--registry-certificate={value} is not host=path"));
    } else if reader.file(path, "--registry-certificate", true) == Seen::Missing {
        reader.fails(path, "--registry-certificate");
    }
}

/// buildkitd reads CAs of a registry from its own configuration, which the reader of nodes follows.
pub(super) fn buildkit(reader: &mut Reader<'_>) {
    load(reader);
    for path in ["/etc/buildkit/buildkitd.toml", "/home/user/.config/buildkit/buildkitd.toml"] {
        match reader.find(path) {
            Ok(Found::File(Content::Bytes(bytes))) if memchr::memmem::find(bytes, b"registry").is_some() => {
                reader.unknown(format!("{path} may name CAs for a registry"));
            }
            Ok(Found::Unknown(why)) => reader.unknown(why),
            _ => {}
        }
    }
}
