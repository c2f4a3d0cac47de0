//! Java: one key store, which a system property replaces. `SSL_CERT_FILE` and its like mean nothing to it.

use super::config;
use super::keystore::KeyStore;
use super::reader::Reader;
use crate::model::codes;
use crate::trust::tree::{Content, Found};

/// Variables with options for the Java machine, what is read later wins. `true`: every Java program reads it.
const OPTIONS: &[(&str, bool)] = &[
    ("JAVA_TOOL_OPTIONS", true),
    ("JDK_JAVA_OPTIONS", true),
    ("MAVEN_OPTS", false),
    ("GRADLE_OPTS", false),
    ("JAVA_OPTS", false),
    ("SBT_OPTS", false),
    ("_JAVA_OPTIONS", true),
];

/// Programs with a variable of their own, by a word of the command line.
const PROGRAMS: &[(&str, &[&str])] =
    &[("mvn", &["MAVEN_OPTS"]), ("gradle", &["GRADLE_OPTS", "JAVA_OPTS"]), ("sbt", &["SBT_OPTS", "JAVA_OPTS"])];

const STORE: &str = "-Djavax.net.ssl.trustStore=";
const PASSWORD: &str = "-Djavax.net.ssl.trustStorePassword=";
const INSECURE: &str = "-Dmaven.wagon.http.ssl.insecure=true";

#[derive(Default)]
struct Options {
    store: Option<(String, String)>,
    password: bool,
    /// A store that may or may not be the one, and why.
    doubt: Option<String>,
}

pub(super) fn load(reader: &mut Reader<'_>) {
    reader.ignores(&["SSL_CERT_FILE", "SSL_CERT_DIR"], "the key store of Java is what it reads");
    let options = options(reader);
    let sure = options.doubt.is_none();
    if let Some(why) = options.doubt {
        reader.unknown(why);
    }
    match options.store {
        Some((path, rule)) if path != "NONE" => {
            if key_store(reader, &path, &rule, options.password, sure) == Some(false) && sure {
                let message = format!("{rule} names {path}, which is not there: Java starts without any anchor");
                reader.note(&codes::TLS_FILE_MISSING, &path, message);
            }
        }
        Some(_) => {}
        None => default_store(reader, sure),
    }
    gradle_properties(reader);
    if let Ok(Some(_)) = reader.variable("USE_SYSTEM_CA_CERTS") {
        reader.unknown(
            "USE_SYSTEM_CA_CERTS makes the entry point of an Eclipse Temurin image add the certificates of \
             /certificates and of the system; whether that entry point runs is not known",
        );
    }
}

fn options(reader: &mut Reader<'_>) -> Options {
    let mut found = Options::default();
    for (name, all) in OPTIONS {
        let text = match reader.variable(name) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(_) => {
                found.doubt = Some(format!("{name} may name a key store"));
                continue;
            }
        };
        let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        let counts = if *all { Some(true) } else { counts(reader, name) };
        if words.contains(&INSECURE) {
            reader.note(
                &codes::TLS_SWITCHED_OFF,
                name,
                format!("{INSECURE} in {name} makes older Maven accept any server"),
            );
            reader.may_be_off(format!("{INSECURE} counts in Maven with its older transport"));
        }
        let store = words.iter().rev().find_map(|word| word.strip_prefix(STORE));
        let password = words.iter().any(|word| word.starts_with(PASSWORD));
        match (counts, store) {
            (Some(true), store) => {
                if let Some(path) = store {
                    found.store = Some((path.to_owned(), format!("javax.net.ssl.trustStore in {name}")));
                }
                found.password |= password;
            }
            (None, Some(path)) => {
                found.doubt =
                    Some(format!("{name} names {path}, and whether this is the program that reads it is not known"));
            }
            _ => {}
        }
    }
    arguments(reader, &mut found);
    found
}

fn arguments(reader: &Reader<'_>, found: &mut Options) {
    // `_JAVA_OPTIONS` beats the command line.
    let beaten = found
        .store
        .as_ref()
        .is_some_and(|(_, rule)| rule.ends_with("_JAVA_OPTIONS") && !rule.ends_with("JDK_JAVA_OPTIONS"));
    for argument in reader.place.arguments.iter().flat_map(|argument| argument.split_whitespace()) {
        if let Some(path) = argument.strip_prefix(STORE).filter(|_| !beaten) {
            found.store = Some((path.to_owned(), "javax.net.ssl.trustStore on the command line".to_owned()));
        }
        found.password |= argument.starts_with(PASSWORD);
    }
}

/// Whether the program reads a variable that only some do; `None`: which program it is cannot be told.
fn counts(reader: &Reader<'_>, name: &str) -> Option<bool> {
    let words = reader.place.arguments.iter().flat_map(|a| a.split(|c: char| !c.is_ascii_alphanumeric()));
    let words: Vec<&str> = words.collect();
    let runs = |program: &str| words.iter().any(|word| word.starts_with(program));
    let known: Vec<_> = PROGRAMS.iter().filter(|(program, _)| runs(program)).collect();
    match known[..] {
        [(_, variables)] => Some(variables.contains(&name)),
        _ => None,
    }
}

/// Reads a key store. `Some(false)`: it is not there.
fn key_store(reader: &mut Reader<'_>, path: &str, rule: &str, password: bool, sure: bool) -> Option<bool> {
    match reader.find(path) {
        Ok(Found::File(Content::PublicRoots)) => reader.store(path, rule, sure, true, Vec::new()),
        Ok(Found::File(Content::Bytes(bytes))) => match KeyStore::read(bytes) {
            Ok(store) => {
                if store.encrypted && password {
                    reader.unknown(format!("the certificates of {path} are encrypted"));
                } else if store.encrypted {
                    let message = format!(
                        "{path} ({rule}) is an encrypted PKCS#12 key store and no password is given: Java loads \
                         nothing of it and says nothing"
                    );
                    reader.note(&codes::TLS_NO_PASSWORD, path, message);
                }
                if store.unmarked > 0 && !store.encrypted {
                    let message = format!(
                        "{} certificates of {path} are not marked as trusted, and Java does not take them for anchors",
                        store.unmarked
                    );
                    reader.note(&codes::TLS_STORE_EMPTY, path, message);
                }
                reader.store(path, rule, sure, false, store.certificates);
            }
            Err(why) => {
                reader.unknown(format!("{path} is {why}"));
            }
        },
        Ok(Found::Directory { .. } | Found::Absent) => return Some(false),
        Ok(Found::Unknown(why)) | Err(why) => {
            reader.unknown(why);
            return None;
        }
    }
    Some(true)
}

/// `jssecacerts`, else `cacerts`, of the Java that runs.
fn default_store(reader: &mut Reader<'_>, sure: bool) {
    let homes = homes(reader);
    let mut known = sure && homes.len() == 1;
    let mut any = false;
    // Several Javas that share one store are as good as one.
    let mut stores: Vec<Option<&Content>> = Vec::new();
    for home in &homes {
        let path = format!("{home}/lib/security/cacerts");
        stores.push(match reader.find(&path) {
            Ok(Found::File(content)) => Some(content),
            _ => None,
        });
    }
    stores.dedup();
    let one = sure && stores.len() == 1;
    for home in &homes {
        for name in [
            "lib/security/jssecacerts",
            "jre/lib/security/jssecacerts",
            "lib/security/cacerts",
            "jre/lib/security/cacerts",
        ] {
            let path = format!("{home}/{name}");
            match key_store(reader, &path, "key store of Java", true, known || one) {
                Some(true) => {
                    any = true;
                    break;
                }
                Some(false) => {}
                None => known = false,
            }
        }
        if any && one {
            return;
        }
    }
    if !any {
        reader.unknown("no key store of a Java is among these files");
    } else if homes.len() > 1 {
        reader.unknown("there are several Javas with stores of their own");
    }
}

fn homes(reader: &mut Reader<'_>) -> Vec<String> {
    match reader.variable("JAVA_HOME") {
        Ok(Some(home)) => return vec![home.trim_end_matches('/').to_owned()],
        Ok(None) => {}
        Err(_) => return Vec::new(),
    }
    let mut homes = Vec::new();
    for root in ["/opt/java", "/usr/lib/jvm", "/usr/java", "/usr/local"] {
        let Ok(Found::Directory { names, complete, .. }) = reader.find(root) else { continue };
        if !complete {
            reader.incomplete(root);
        }
        for name in names.into_iter().map(|name| format!("{root}/{name}")) {
            if reader.exists(&format!("{name}/lib/security/cacerts")) == Some(true)
                || reader.exists(&format!("{name}/jre/lib/security/cacerts")) == Some(true)
            {
                homes.push(name);
            }
        }
    }
    homes
}

/// Gradle hands system properties of these files to its daemon.
fn gradle_properties(reader: &mut Reader<'_>) {
    if counts(reader, "MAVEN_OPTS") == Some(true) {
        return;
    }
    for path in config::of_user(reader, &[".gradle/gradle.properties"]) {
        if reader.text(&path).is_some_and(|text| text.contains("javax.net.ssl.trustStore")) {
            reader.unknown(format!("{path} names a key store, which counts for Gradle"));
        }
    }
}
