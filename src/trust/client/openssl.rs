//! OpenSSL's own defaults, which Python, Ruby, apk and others take over.
//!
//! `X509_STORE_set_default_paths`: one file and a list of directories. `SSL_CERT_FILE` takes the place of the file and
//! `SSL_CERT_DIR` that of the directories, each without touching the other. Where the defaults lie was fixed when OpenSSL
//! was built: `cert.pem` and `certs` in its directory, which is another one in each distribution.

use super::reader::{Names, Reader, Seen};
use crate::model::codes;

/// Whose OpenSSL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    RedHat,
    Alpine,
    /// SUSE and everybody else who keeps `/etc/ssl`.
    Other,
}

/// Files that tell a family, in the order in which they are looked for.
const MARKS: &[(&str, Family)] = &[
    ("/etc/alpine-release", Family::Alpine),
    ("/etc/debian_version", Family::Debian),
    ("/usr/lib/ssl", Family::Debian),
    ("/etc/redhat-release", Family::RedHat),
    ("/etc/pki/tls", Family::RedHat),
];

/// The family of the tree; `None`: it cannot be told.
pub(super) fn family(reader: &Reader<'_>) -> Option<Family> {
    let mut blind = false;
    for (path, family) in MARKS {
        match reader.exists(path) {
            Some(true) => return Some(*family),
            Some(false) => {}
            None => blind = true,
        }
    }
    (!blind).then_some(Family::Other)
}

/// Directory of OpenSSL's defaults, as the distributions build it.
fn home(family: Family) -> &'static str {
    match family {
        Family::Debian => "/usr/lib/ssl",
        Family::RedHat => "/etc/pki/tls",
        Family::Alpine | Family::Other => "/etc/ssl",
    }
}

/// File and directories, each replaced by its variable.
pub(super) fn load(reader: &mut Reader<'_>, names: Names, sure: bool) {
    file(reader, sure);
    match reader.told(reader.place.env.get("SSL_CERT_DIR")) {
        Ok(Some(list)) => {
            if reader.directories(list, names, "SSL_CERT_DIR", sure) == Seen::Missing {
                reader.goes_without(list, "SSL_CERT_DIR");
            }
        }
        set => {
            defaults(reader, |reader, home, known| {
                reader.directory(
                    &format!("{home}/certs"),
                    names,
                    "default directory of OpenSSL",
                    sure && known && set.is_ok(),
                )
            });
        }
    }
}

fn file(reader: &mut Reader<'_>, sure: bool) {
    match reader.told(reader.place.env.get("SSL_CERT_FILE")) {
        // An empty value is a file that cannot be opened.
        Ok(Some("")) => {}
        Ok(Some(path)) => {
            if reader.file(path, "SSL_CERT_FILE", sure) == Seen::Missing {
                reader.goes_without(path, "SSL_CERT_FILE");
            }
        }
        set => {
            defaults(reader, |reader, home, known| {
                reader.file(&format!("{home}/cert.pem"), "default file of OpenSSL", sure && known && set.is_ok())
            });
        }
    }
}

/// Reads below the directory of the defaults. Debian's belongs to the package `openssl`: in a tree of some folders it may
/// have been left out, and then its links are taken for granted and nothing in them is sure.
fn defaults(reader: &mut Reader<'_>, mut read: impl FnMut(&mut Reader<'_>, &str, bool) -> Seen) {
    match family(reader) {
        Some(Family::Debian) if reader.exists("/usr/lib/ssl") == Some(false) => {
            if reader.exists("/etc/ssl/certs/ca-certificates.crt") != Some(false) {
                reader.unknown("/usr/lib/ssl, where Debian's OpenSSL looks, is not there, though its bundle is");
            }
        }
        Some(family) => {
            read(reader, home(family), true);
        }
        None => {
            reader.unknown("where OpenSSL looks cannot be told from these files");
            for family in [Family::Debian, Family::RedHat, Family::Other] {
                read(reader, home(family), false);
            }
        }
    }
}

/// apk: its own file alone if it is there, else what OpenSSL does.
pub(super) fn apk(reader: &mut Reader<'_>) {
    match reader.file("/etc/apk/ca.pem", "apk's own file, which excludes all others", true) {
        Seen::There => {}
        Seen::Missing => load(reader, Names::Hashed, true),
        Seen::Unknown => load(reader, Names::Hashed, false),
    }
    if let Ok(Some(_)) = reader.variable("SSL_NO_VERIFY_HOSTNAME") {
        reader.note(
            &codes::TLS_SWITCHED_OFF,
            "SSL_NO_VERIFY_HOSTNAME",
            "SSL_NO_VERIFY_HOSTNAME makes apk accept a trusted certificate for any name".to_owned(),
        );
    }
}

/// Ruby: OpenSSL's defaults; what Bundler and RubyGems add by settings of their own was not measured.
pub(super) fn ruby(reader: &mut Reader<'_>) {
    load(reader, Names::Hashed, true);
    let name = "BUNDLE_SSL_CA_CERT";
    if let Ok(Some(path)) = reader.variable(name) {
        reader.file(path, name, false);
    }
    if let Ok(Some("0" | "none")) = reader.variable("BUNDLE_SSL_VERIFY_MODE") {
        reader.off("BUNDLE_SSL_VERIFY_MODE", "BUNDLE_SSL_VERIFY_MODE");
    }
}

/// .NET: the files and directories of OpenSSL, every name of them, and a store of the user. Not measured: nothing but the
/// defaults is taken for sure.
pub(super) fn dotnet(reader: &mut Reader<'_>) {
    let default = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().all(|name| reader.variable(name) == Ok(None));
    load(reader, Names::Any, default);
    let home = match reader.variable("HOME") {
        Ok(Some(home)) => home.to_owned(),
        _ => "/root".to_owned(),
    };
    let user = format!("{home}/.dotnet/corefx/cryptography/x509stores/root");
    if reader.exists(&user) != Some(false) {
        reader.unknown(format!("{user} may hold more"));
    }
}
