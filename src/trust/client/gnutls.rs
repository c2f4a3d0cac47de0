//! Programs on GnuTLS: git as Debian builds it, wget and apt. None of them reads `SSL_CERT_FILE` or `SSL_CERT_DIR`.

use super::Client;
use super::config::{self, Line};
use super::curl::{built_in, default_file};
use super::env::Variable;
use super::flags;
use super::openssl::{Family, family};
use super::reader::{Names, Reader, Seen, Setting, Told, has_extension};
use super::scope::{covers, url_covers};
use crate::trust::tree::Found;

const IGNORED: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// git: libcurl's own bundle and directory; `sslCAInfo` takes the place of the bundle, `sslCAPath` that of the directory.
pub(super) fn git(reader: &mut Reader<'_>) {
    reader.ignores(IGNORED, "GIT_SSL_CAINFO or http.sslCAInfo is what it reads");
    let configured = git_configuration(reader);
    match reader.told(reader.place.env.get("GIT_SSL_NO_VERIFY")) {
        Ok(Some(_)) => reader.off("GIT_SSL_NO_VERIFY, whatever its value", "GIT_SSL_NO_VERIFY"),
        Ok(None) => match &configured.verify {
            Some(setting) if config::is_off(&setting.value) => reader.off(&setting.rule, &setting.rule),
            _ => {}
        },
        Err(_) => reader.may_be_off("GIT_SSL_NO_VERIFY may be set".to_owned()),
    }
    let file = git_choice(reader, "GIT_SSL_CAINFO", configured.file);
    let directory = git_choice(reader, "GIT_SSL_CAPATH", configured.directory);
    let Some(built_in) = built_in(reader) else {
        reader.unknown("what git's libcurl reads on its own cannot be told from these files");
        return;
    };
    match &file {
        Ok(Some(setting)) => {
            if reader.file(&setting.value, &setting.rule, true) == Seen::Missing {
                reader.fails(&setting.value, &setting.rule);
            }
        }
        known => {
            if let Some(path) = built_in.file {
                default_file(reader, path, known.is_ok());
            }
        }
    }
    // Debian's git is on GnuTLS, which reads every file; elsewhere it is on OpenSSL.
    let is_gnutls = reader.client == Client::Git && family(reader) == Some(Family::Debian);
    let names = if is_gnutls { Names::Any } else { Names::Hashed };
    match &directory {
        Ok(Some(setting)) => {
            if reader.directory(&setting.value, names, &setting.rule, true) == Seen::Missing {
                reader.fails(&setting.value, &setting.rule);
            }
        }
        known => {
            if let Some(path) = built_in.directory {
                reader.directory(path, names, "directory built into libcurl", known.is_ok());
            }
        }
    }
}

/// `Ok(None)`: libcurl's own.
fn git_choice(reader: &mut Reader<'_>, variable: &str, configured: Option<Setting>) -> Told<Setting> {
    match reader.variable(variable)? {
        Some(value) => Ok(Some(Setting { value: value.to_owned(), rule: variable.to_owned() })),
        None => Ok(configured),
    }
}

#[derive(Default)]
struct GitConfiguration {
    file: Option<Setting>,
    directory: Option<Setting>,
    verify: Option<Setting>,
}

fn git_configuration(reader: &mut Reader<'_>) -> GitConfiguration {
    let mut lines = Vec::new();
    for path in git_files(reader) {
        let Some(text) = reader.text(&path) else { continue };
        for line in config::sections(&text) {
            if line.section == "include" || line.section.starts_with("includeif.") {
                reader.unknown(format!("{path} includes {}, which is not followed", line.value));
            }
            lines.push((line, path.clone()));
        }
    }
    let written = reader.place.written.iter();
    lines.extend(written.filter_map(|(key, value)| git_line(key, value, "git config --global")));
    lines.extend(git_variables(reader));
    let said = flags::said(reader.place.arguments, &["git"]).into_iter();
    lines.extend(said.filter_map(|said| git_line(said.name, said.value, "the command line")));
    let mut found = GitConfiguration::default();
    // A setting for a URL beats one for all, wherever it stands.
    for scoped in [false, true] {
        for (line, path) in &lines {
            let counts = match line.section.strip_prefix("http.") {
                None => !scoped && line.section == "http",
                Some(url) if scoped => {
                    let counts = reader.place.host.and_then(|host| url_covers(url, host));
                    if counts.is_none() && line.key.starts_with("ssl") {
                        reader.unknown(format!("{} of {path} counts for {url}", line.key));
                    }
                    counts.unwrap_or(false)
                }
                Some(_) => false,
            };
            let setting = || {
                Some(Setting { value: line.value.clone(), rule: format!("{}.{} in {path}", line.section, line.key) })
            };
            match line.key.as_str() {
                _ if !counts => {}
                "sslcainfo" => found.file = setting(),
                "sslcapath" => found.directory = setting(),
                "sslverify" => found.verify = setting(),
                _ => {}
            }
        }
    }
    found
}

fn git_files(reader: &mut Reader<'_>) -> Vec<String> {
    let mut files = Vec::new();
    if reader.variable("GIT_CONFIG_NOSYSTEM") == Ok(None) {
        match reader.variable("GIT_CONFIG_SYSTEM") {
            Ok(Some(path)) => files.push(path.to_owned()),
            _ => files.push("/etc/gitconfig".to_owned()),
        }
    }
    if let Ok(Some(path)) = reader.variable("GIT_CONFIG_GLOBAL") {
        files.push(path.to_owned());
        return files;
    }
    match reader.variable("XDG_CONFIG_HOME") {
        Ok(Some(path)) => files.push(format!("{path}/git/config")),
        _ => files.extend(config::of_user(reader, &[".config/git/config"])),
    }
    files.extend(config::of_user(reader, &[".gitconfig"]));
    files
}

/// A key of git's configuration as a line of it, with the place where it stands. Only the part in the middle, a URL, has
/// upper and lower case that count.
fn git_line(name: &str, value: &str, place: &str) -> Option<(Line, String)> {
    let (section, last) = name.rsplit_once('.')?;
    let section = match section.split_once('.') {
        Some((first, url)) => format!("{}.{url}", first.to_ascii_lowercase()),
        None => section.to_ascii_lowercase(),
    };
    Some((Line { section, key: last.to_ascii_lowercase(), value: value.to_owned() }, place.to_owned()))
}

/// `GIT_CONFIG_COUNT` with its pairs of keys and values.
fn git_variables(reader: &mut Reader<'_>) -> Vec<(Line, String)> {
    let mut lines = Vec::new();
    let count = match reader.variable("GIT_CONFIG_COUNT") {
        Ok(Some(count)) => count.parse().unwrap_or(0_u32).min(1000),
        _ => 0,
    };
    for at in 0..count {
        let (key, value) = (format!("GIT_CONFIG_KEY_{at}"), format!("GIT_CONFIG_VALUE_{at}"));
        let (Ok(Some(name)), Ok(Some(text))) = (reader.variable(&key), reader.variable(&value)) else { continue };
        lines.extend(git_line(name, text, &value));
    }
    if let Variable::Set(value) = reader.place.env.filled("GIT_CONFIG_PARAMETERS")
        && value.to_ascii_lowercase().contains("ssl")
    {
        reader.unknown("GIT_CONFIG_PARAMETERS sets something about TLS");
    }
    lines
}

/// wget: the store that GnuTLS was built for; `ca_certificate` adds to it, `ca_directory` takes its place.
pub(super) fn wget(reader: &mut Reader<'_>) {
    reader.ignores(IGNORED, "ca_certificate in wgetrc is what it reads");
    let system = match reader.variable("SYSTEM_WGETRC") {
        Ok(Some(path)) => path.to_owned(),
        _ => "/etc/wgetrc".to_owned(),
    };
    let user = match reader.variable("WGETRC") {
        Ok(Some(path)) => vec![path.to_owned()],
        _ => config::of_user(reader, &[".wgetrc"]),
    };
    let files: Vec<_> = [system].into_iter().chain(user).collect();
    // Case, dashes and underscores make no difference in wget's keys.
    let mut setting = |name: &str| {
        config::last(reader, &files, config::plain, |line| {
            line.key.replace(['-', '_'], "").eq_ignore_ascii_case(&name.replace('_', ""))
        })
    };
    let (verify, file, directory) = (setting("check_certificate"), setting("ca_certificate"), setting("ca_directory"));
    let words = reader.place.arguments;
    let told = flags::value(words, &["wget"], "--ca-certificate");
    let file = told.map(|path| Setting { value: path.to_owned(), rule: "--ca-certificate".to_owned() }).or(file);
    if let Some(flag) = flags::has(words, &["wget"], &["--no-check-certificate"]) {
        reader.off(flag, flag);
    } else if let Some(setting) = verify.filter(|setting| config::is_off(&setting.value)) {
        reader.off(&setting.rule, &setting.rule);
    }
    match directory {
        Some(setting) => {
            reader.directory(&setting.value, Names::Any, &setting.rule, true);
        }
        None => system_store(reader),
    }
    if let Some(setting) = file
        && reader.file(&setting.value, &setting.rule, true) == Seen::Missing
    {
        reader.fails(&setting.value, &setting.rule);
    }
}

/// apt: the store that GnuTLS was built for; `CaInfo` takes its place, for one host or for all.
pub(super) fn apt(reader: &mut Reader<'_>) {
    reader.ignores(IGNORED, "Acquire::https::CaInfo is what it reads");
    let mut settings = Vec::new();
    for path in apt_files(reader) {
        let Some(text) = reader.text(&path) else { continue };
        settings.extend(config::apt(&text).into_iter().map(|(key, value)| (key, value, path.clone())));
    }
    let find = |key: &str| -> Option<Setting> {
        let host = reader.place.host.unwrap_or_default();
        let prefix = "acquire::https::";
        let counts = |name: &str| {
            let rest = name.to_ascii_lowercase();
            let rest = rest.strip_prefix(prefix)?;
            match rest.split_once("::") {
                None => (rest == key).then_some(0),
                Some((first, second)) if second == key && covers(first, host) => Some(1),
                Some(_) => None,
            }
        };
        let found = settings.iter().enumerate().filter_map(|(at, (name, value, path))| {
            Some(((counts(name)?, at), Setting { value: value.clone(), rule: format!("{name} in {path}") }))
        });
        found.max_by_key(|(rank, _)| *rank).map(|(_, setting)| setting)
    };
    let (verify, file) = (find("verify-peer"), find("cainfo"));
    if let Some(setting) = verify.filter(|setting| config::is_off(&setting.value)) {
        reader.off(&setting.rule, &setting.rule);
    }
    match file {
        Some(setting) => {
            if reader.file(&setting.value, &setting.rule, true) == Seen::Missing {
                reader.fails(&setting.value, &setting.rule);
            }
        }
        None => system_store(reader),
    }
}

/// `APT_CONFIG`, then the parts in the order of their names, then the main file; what is read later wins.
fn apt_files(reader: &mut Reader<'_>) -> Vec<String> {
    let mut files = Vec::new();
    if let Ok(Some(path)) = reader.variable("APT_CONFIG") {
        files.push(path.to_owned());
    }
    let parts = "/etc/apt/apt.conf.d";
    match reader.find(parts) {
        Ok(Found::Directory { names, complete, .. }) => {
            let names = names.into_iter().filter(|name| !name.contains('.') || has_extension(name, "conf"));
            files.extend(names.map(|name| format!("{parts}/{name}")));
            if !complete {
                reader.incomplete(parts);
            }
        }
        Ok(Found::Unknown(why)) => reader.unknown(why),
        _ => {}
    }
    files.push("/etc/apt/apt.conf".to_owned());
    files
}

/// The store that the distributions build into GnuTLS.
fn system_store(reader: &mut Reader<'_>) {
    match family(reader) {
        Some(Family::Debian | Family::Alpine) => {
            reader.file("/etc/ssl/certs/ca-certificates.crt", "the bundle that GnuTLS was built for", true);
        }
        Some(Family::RedHat | Family::Other) | None => {
            reader.unknown("here GnuTLS reads the system's store through p11-kit, which is not followed");
        }
    }
}
