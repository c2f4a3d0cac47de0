//! The `curl` program. What its variables do was fixed by the program, not by its TLS library; what is read without them
//! was fixed when libcurl was built.
//!
//! Source: `tool_operate.c`. `CURL_CA_BUNDLE` excludes the others. Up to the releases of 2023 `SSL_CERT_DIR` excludes
//! `SSL_CERT_FILE`; later ones take both. A file that is named and is not there ends everything (error 77). Naming a file
//! leaves libcurl's own directory in force, and naming a directory its own file.

use super::Client;
use super::config;
use super::flags;
use super::openssl::{Family, family};
use super::reader::{Names, Reader, Seen};
use crate::model::codes;

/// The version from which `SSL_CERT_DIR` and `SSL_CERT_FILE` count together, and the last one in which they do not.
const BOTH: (u32, u32) = (8, 99);
const ONE: (u32, u32) = (8, 6);

/// What libcurl reads on its own.
pub(super) struct BuiltIn {
    pub(super) file: Option<&'static str>,
    pub(super) directory: Option<&'static str>,
}

/// As the distributions configure libcurl; `None`: it cannot be told.
pub(super) fn built_in(reader: &Reader<'_>) -> Option<BuiltIn> {
    let (file, directory) = match family(reader)? {
        // Debian gives its libcurl on GnuTLS a directory and no bundle.
        Family::Debian if !matches!(reader.client, Client::CurlOpenssl | Client::GitOpenssl) => {
            (None, Some("/etc/ssl/certs"))
        }
        Family::Debian => (Some("/etc/ssl/certs/ca-certificates.crt"), Some("/etc/ssl/certs")),
        Family::RedHat => (Some("/etc/pki/tls/certs/ca-bundle.crt"), None),
        Family::Alpine => (Some("/etc/ssl/certs/ca-certificates.crt"), None),
        Family::Other => return None,
    };
    Some(BuiltIn { file, directory })
}

/// How the TLS library reads libcurl's directory.
fn names(client: Client) -> Names {
    match client {
        Client::CurlOpenssl => Names::Hashed,
        _ => Names::Any,
    }
}

pub(super) fn load(reader: &mut Reader<'_>) {
    settings(reader);
    let (mut file, mut directory) = (None, None);
    let mut sure = true;
    let words = reader.place.arguments;
    if let Some(flag) = flags::has(words, &["curl"], &["-k", "--insecure"]) {
        reader.off(flag, flag);
    }
    // The variables count only where no flag names a file.
    let flag = flags::value(words, &["curl"], "--cacert");
    let bundle = if flag.is_some() { Ok(None) } else { reader.variable("CURL_CA_BUNDLE") };
    match bundle {
        _ if flag.is_some() => file = flag.map(|path| (path, "--cacert", true)),
        Ok(Some(path)) => file = Some((path, "CURL_CA_BUNDLE", true)),
        set => {
            sure &= set.is_ok();
            match reader.variable("SSL_CERT_DIR") {
                Ok(Some(path)) => {
                    directory = Some((path, "SSL_CERT_DIR", sure));
                    ssl_cert_file_beside(reader, &mut file);
                }
                set => {
                    sure &= set.is_ok();
                    match reader.variable("SSL_CERT_FILE") {
                        Ok(Some(path)) => file = Some((path, "SSL_CERT_FILE", sure)),
                        set => sure &= set.is_ok(),
                    }
                }
            }
        }
    }
    let Some(built_in) = built_in(reader) else {
        reader.unknown("what this libcurl reads on its own cannot be told from these files");
        if let Some((path, rule, sure)) = file {
            reader.file(path, rule, sure);
        }
        if let Some((path, rule, sure)) = directory {
            reader.directories(path, names(reader.client), rule, sure);
        }
        return;
    };
    if let Some((path, rule, certain)) = file {
        named_file(reader, path, rule, certain);
    }
    if let Some(path) = built_in.file.filter(|_| file.is_none_or(|(_, _, certain)| !certain)) {
        default_file(reader, path, sure && file.is_none());
    }
    match directory {
        Some((path, rule, certain)) => {
            reader.directories(path, names(reader.client), rule, certain);
        }
        None => {
            if let Some(path) = built_in.directory {
                reader.directory(path, names(reader.client), "directory built into libcurl", sure);
            }
        }
    }
}

fn named_file(reader: &mut Reader<'_>, path: &str, rule: &str, sure: bool) {
    match reader.file(path, rule, sure) {
        Seen::Missing if sure => reader.fails(path, rule),
        Seen::Missing => reader.unknown(format!("{rule} may name {path}, which is not there")),
        Seen::There | Seen::Unknown => {}
    }
}

pub(super) fn default_file(reader: &mut Reader<'_>, path: &str, sure: bool) {
    let rule = "bundle built into libcurl";
    if reader.file(path, rule, sure) == Seen::Missing && sure {
        reader.fails(path, rule);
    }
}

/// Both variables are set: whether the file counts depends on the version.
fn ssl_cert_file_beside<'a>(reader: &mut Reader<'a>, file: &mut Option<(&'a str, &'static str, bool)>) {
    let Ok(Some(path)) = reader.variable("SSL_CERT_FILE") else { return };
    match reader.place.version {
        Some(version) if version >= BOTH => *file = Some((path, "SSL_CERT_FILE", true)),
        Some(version) if version <= ONE => {
            let message = format!("with SSL_CERT_DIR set, this curl does not read SSL_CERT_FILE={path}");
            reader.note(&codes::TLS_VARIABLE_IGNORED, "SSL_CERT_FILE", message);
        }
        _ => *file = Some((path, "SSL_CERT_FILE, which some versions do not read beside SSL_CERT_DIR", false)),
    }
}

/// `.curlrc`: the file of the user.
fn settings(reader: &mut Reader<'_>) {
    for path in config::of_user(reader, &[".curlrc", ".config/curlrc"]) {
        let Some(text) = reader.text(&path) else { continue };
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let (key, value) = line.split_once([' ', '=', ':', '\t']).unwrap_or((line, ""));
            let value = value.trim_matches([' ', '=', ':', '\t', '"']);
            match key.trim_start_matches('-') {
                "insecure" | "k" => reader.off(&format!("`insecure` in {path}"), &path),
                "cacert" | "capath" => reader.unknown(format!("{path} sets {key} to {value}")),
                _ => {}
            }
        }
        return;
    }
}
