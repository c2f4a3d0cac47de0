//! Node.js and the package managers on it.
//!
//! Node has roots of its own. `NODE_EXTRA_CA_CERTS` adds to whatever store is in force; `--use-openssl-ca` takes OpenSSL's
//! store in the place of the built-in one; `--use-system-ca` adds the files of the system's. A program that hands over CAs
//! of its own, as npm does with `cafile`, gets these alone.

use super::Client;
use super::config::{self, Line};
use super::flags;
use super::openssl;
use super::reader::{Names, NotKnown, Reader, Seen, Setting, Told, is_pem};
use crate::model::codes;
use crate::trust::Bundle;

/// The first versions that know `NODE_USE_SYSTEM_CA`, one for each line, and those that know `--use-system-ca`.
const SYSTEM_VARIABLE: &[(u32, u32)] = &[(22, 19), (24, 6)];
const SYSTEM_OPTION: &[(u32, u32)] = &[(22, 15), (23, 9)];

/// The store of a program that hands over no CAs.
pub(super) fn load(reader: &mut Reader<'_>) {
    // npm and pnpm ask for verification themselves, unless strict-ssl is off.
    if !matches!(reader.client, Client::Npm | Client::Pnpm) {
        switched_off(reader);
    }
    let options = options(reader);
    let has = |option: &str| options.as_ref().map(|options| options.iter().any(|o| o == option));
    let openssl = has("--use-openssl-ca");
    let system = system_ca(reader, has("--use-system-ca"));
    match openssl {
        Some(true) => openssl_store(reader, Names::Hashed, true, "--use-openssl-ca"),
        Some(false) => reader.built_in("roots of Node.js", true),
        None => reader.built_in("roots of Node.js", false),
    }
    match system {
        Some(true) => openssl_store(reader, Names::Any, true, "the system's store"),
        Some(false) => {
            if openssl == Some(false) {
                reader.ignores(&["SSL_CERT_FILE", "SSL_CERT_DIR"], "NODE_EXTRA_CA_CERTS is what it reads");
            }
        }
        None => openssl_store(reader, Names::Any, false, "the system's store, in versions that read it"),
    }
    extra(reader);
}

fn extra(reader: &mut Reader<'_>) {
    let name = "NODE_EXTRA_CA_CERTS";
    if let Ok(Some(path)) = reader.variable(name)
        && reader.file(path, name, true) == Seen::Missing
    {
        let message = format!("{name}={path} is not there: Node.js prints a warning and goes on without it");
        reader.note(&codes::TLS_EXTRA_MISSING, path, message);
    }
}

fn switched_off(reader: &mut Reader<'_>) {
    let name = "NODE_TLS_REJECT_UNAUTHORIZED";
    match reader.variable(name) {
        Ok(Some("0")) => reader.off("NODE_TLS_REJECT_UNAUTHORIZED=0", name),
        Ok(_) => {}
        Err(_) => reader.may_be_off(format!("{name} may be 0")),
    }
}

/// Options of the process: `NODE_OPTIONS` and its command line.
fn options(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let variable = reader.variable("NODE_OPTIONS").ok()?.unwrap_or_default();
    let words = variable.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    Some(words.map(str::to_owned).chain(reader.place.arguments.iter().cloned()).collect())
}

/// Whether the system's store is read too; `None`: that depends on the version, or on a value that is not known.
fn system_ca(reader: &mut Reader<'_>, option: Option<bool>) -> Option<bool> {
    let since = |versions: &[(u32, u32)], version: Option<(u32, u32)>| {
        let version = version?;
        let same_line = versions.iter().find(|since| since.0 == version.0);
        Some(match same_line {
            Some(since) => version >= *since,
            None => versions.last().is_some_and(|since| version.0 > since.0),
        })
    };
    let version = reader.place.version;
    let variable = match reader.variable("NODE_USE_SYSTEM_CA") {
        Ok(Some("1")) => {
            let known = since(SYSTEM_VARIABLE, version);
            if known.is_none() {
                reader.unknown("NODE_USE_SYSTEM_CA counts from 22.19 and 24.6 on, and the version is not known");
            }
            known
        }
        Ok(_) => Some(false),
        Err(_) => None,
    };
    let option = match option {
        // An option that a version does not know ends it at once.
        Some(true) => match since(SYSTEM_OPTION, version) {
            Some(false) => {
                reader.out.fails.get_or_insert("this version of Node.js does not know --use-system-ca".to_owned());
                Some(false)
            }
            _ => Some(true),
        },
        other => other,
    };
    match (variable, option) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// The OpenSSL inside Node.js has `/etc/ssl` for its directory, whatever the distribution.
fn openssl_store(reader: &mut Reader<'_>, names: Names, sure: bool, rule: &str) {
    match reader.told(reader.place.env.get("SSL_CERT_FILE")) {
        Ok(Some("")) => {}
        Ok(Some(path)) => {
            if reader.file(path, "SSL_CERT_FILE", sure) == Seen::Missing {
                reader.goes_without(path, "SSL_CERT_FILE");
            }
        }
        set => {
            reader.file("/etc/ssl/cert.pem", &format!("default file by {rule}"), sure && set.is_ok());
        }
    }
    match reader.told(reader.place.env.get("SSL_CERT_DIR")) {
        Ok(Some(list)) => {
            reader.directories(list, names, "SSL_CERT_DIR", sure);
        }
        set => {
            reader.directory("/etc/ssl/certs", names, &format!("default directory by {rule}"), sure && set.is_ok());
        }
    }
    if openssl::family(reader) != Some(openssl::Family::Debian) {
        reader.assume("Node.js is the build of its project; a distribution's own build may read the system's store");
    }
}

/// npm, yarn classic and pnpm: `cafile` or `ca` are handed over, and then nothing else counts.
pub(super) fn npm(reader: &mut Reader<'_>) {
    strict_ssl(reader);
    let Ok(files) = npm_settings(reader, "cafile") else {
        return load_unsure(reader, "whether npm hands over a cafile is not known");
    };
    let Ok(inline) = npm_settings(reader, "ca") else {
        return load_unsure(reader, "whether npm hands over CAs is not known");
    };
    // npm says nothing of a file that is not there, and then takes what a setting of lower rank names.
    for setting in files {
        let before = reader.out.stores.len();
        match reader.file(&setting.value, &setting.rule, true) {
            Seen::There => {
                if reader.out.stores[before..].iter().all(|s| s.certificates.is_empty() && !s.public) {
                    let message = format!("{} ({}) holds no certificate", setting.value, setting.rule);
                    reader.note(&codes::TLS_STORE_EMPTY, &setting.value, message);
                }
                return replaced(reader, &setting);
            }
            Seen::Unknown => return load_unsure(reader, &format!("{} may not be readable", setting.value)),
            Seen::Missing => reader.goes_without(&setting.value, &setting.rule),
        }
    }
    match inline.into_iter().find(|setting| is_pem(setting.value.as_bytes())) {
        Some(setting) => {
            let certificates = Bundle::read(setting.value.replace("\\n", "\n").as_bytes()).certificates;
            reader.store("ca", &setting.rule, true, false, certificates);
            replaced(reader, &setting);
        }
        None => load(reader),
    }
}

fn replaced(reader: &mut Reader<'_>, setting: &Setting) {
    if let Ok(Some(path)) = reader.variable("NODE_EXTRA_CA_CERTS") {
        let message = format!(
            "{} makes {} accept the CAs of {} alone: neither the roots of Node.js nor NODE_EXTRA_CA_CERTS={path} count",
            setting.rule, reader.client, setting.value
        );
        reader.note(&codes::TLS_CAFILE_REPLACES, &setting.value, message);
    }
}

fn load_unsure(reader: &mut Reader<'_>, why: &str) {
    let before = reader.out.stores.len();
    load(reader);
    for store in &mut reader.out.stores[before..] {
        store.sure = false;
    }
    reader.unknown(why);
}

fn strict_ssl(reader: &mut Reader<'_>) {
    if let Some(flag) = flags::has(reader.place.arguments, flags::NPM, &["--strict-ssl=false", "--no-strict-ssl"]) {
        return reader.off(flag, flag);
    }
    match npm_settings(reader, "strict-ssl").map(|all| all.into_iter().next()) {
        Ok(Some(setting)) if config::is_off(&setting.value) => {
            reader.off(&format!("{} = {}", setting.rule, setting.value), &setting.rule);
        }
        Ok(_) => {}
        Err(_) => reader.may_be_off("strict-ssl may be switched off".to_owned()),
    }
}

/// The values of a setting of npm by rank: the variable in any case, the user's file, the one for all.
fn npm_settings(reader: &mut Reader<'_>, name: &str) -> Result<Vec<Setting>, NotKnown> {
    let mut all = Vec::new();
    let flag = format!("--{name}");
    if let Some(value) = flags::value(reader.place.arguments, flags::NPM, &flag) {
        all.push(Setting { value: value.to_owned(), rule: flag });
    }
    for variable in [format!("npm_config_{}", name.replace('-', "_")), format!("npm_config_{name}")] {
        if let Some(value) = reader.told(reader.place.env.any_case(&variable))? {
            all.push(Setting { value: value.to_owned(), rule: variable });
        }
    }
    let written = reader.place.written.iter().rev().find(|(key, _)| key == name);
    if let Some((key, value)) = written {
        all.push(Setting { value: value.clone(), rule: format!("npm config set {key}") });
    }
    let user = match reader.told(reader.place.env.any_case("npm_config_userconfig"))? {
        Some(path) => vec![path.to_owned()],
        None => config::of_user(reader, &[".npmrc"]),
    };
    let global = match reader.told(reader.place.env.any_case("npm_config_globalconfig"))? {
        Some(path) => vec![path.to_owned()],
        None => npm_globals(reader)?,
    };
    let unknown = reader.out.unknown.len();
    for files in [&user, &global] {
        let wanted = |line: &Line| line.key == name || line.key.strip_suffix("[]") == Some(name);
        all.extend(config::last(reader, files, config::plain, wanted));
        if reader.client == Client::Pnpm {
            for_one_host(reader, files, name);
        }
    }
    if reader.out.unknown.len() > unknown && all.is_empty() { Err(NotKnown) } else { Ok(all) }
}

/// The file for all users lies below the folder that Node.js is installed in; Debian's package of npm has its own.
fn npm_globals(reader: &mut Reader<'_>) -> Result<Vec<String>, NotKnown> {
    if let Some(prefix) = reader.told(reader.place.env.any_case("npm_config_prefix"))? {
        return Ok(vec![format!("{prefix}/etc/npmrc")]);
    }
    if reader.exists("/usr/share/npm") == Some(true) {
        return Ok(vec!["/etc/npmrc".to_owned()]);
    }
    let prefixes = ["/usr/local", "/usr"];
    let installed: Vec<_> =
        prefixes.iter().filter(|prefix| reader.exists(&format!("{prefix}/bin/node")) == Some(true)).collect();
    let prefixes = if let [one] = installed[..] { vec![*one] } else { prefixes.to_vec() };
    Ok(prefixes.into_iter().map(|prefix| format!("{prefix}/etc/npmrc")).collect())
}

/// pnpm: `//host/:cafile`.
fn for_one_host(reader: &mut Reader<'_>, files: &[String], name: &str) {
    let suffix = format!(":{name}");
    let scoped =
        config::last(reader, files, config::plain, |line| line.key.starts_with("//") && line.key.ends_with(&suffix));
    if let Some(setting) = scoped {
        reader.unknown(format!("{} counts for one registry", setting.rule));
    }
}

/// yarn of version 2 and later: `httpsCaFilePath`. What it takes the place of was not measured.
pub(super) fn yarn(reader: &mut Reader<'_>) {
    let files = config::of_user(reader, &[".yarnrc.yml"]);
    let colon = |text: &str| -> Vec<Line> { config::plain(&text.replace(": ", "=")) };
    let setting = |reader: &mut Reader<'_>, variable: &str, key: &str| -> Told<Setting> {
        if let Some(value) = reader.variable(variable)? {
            return Ok(Some(Setting { value: value.to_owned(), rule: variable.to_owned() }));
        }
        Ok(config::last(reader, &files, colon, |line| line.key == key))
    };
    match setting(reader, "YARN_ENABLE_STRICT_SSL", "enableStrictSsl") {
        Ok(Some(setting)) if config::is_off(&setting.value) => reader.off(&setting.rule, &setting.rule),
        Ok(_) => {}
        Err(_) => reader.may_be_off("YARN_ENABLE_STRICT_SSL may be set".to_owned()),
    }
    match setting(reader, "YARN_HTTPS_CA_FILE_PATH", "httpsCaFilePath") {
        Ok(None) => load(reader),
        Ok(Some(setting)) => {
            reader.file(&setting.value, &setting.rule, true);
            load_unsure(reader, "whether yarn's httpsCaFilePath takes the place of the other roots was not measured");
        }
        Err(_) => load_unsure(reader, "YARN_HTTPS_CA_FILE_PATH may be set"),
    }
}
