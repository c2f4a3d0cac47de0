//! What a program is told about trust on its own command line: the flags whose effect is certain.
//!
//! A command line is the name of the program and its words, as a shell hands them over.

use super::scope::covers;

/// A flag that is understood, for which program.
struct Flag {
    programs: &'static [&'static str],
    name: &'static str,
    /// It takes a value, in the same word after `=` or in the next one.
    valued: bool,
}

pub(super) const NPM: &[&str] = &["npm", "npx", "pnpm"];
pub(super) const CONTAINERS: &[&str] = &["buildah", "podman", "skopeo"];

const FLAGS: &[Flag] = &[
    Flag { programs: &["curl"], name: "--cacert", valued: true },
    Flag { programs: &["curl"], name: "--insecure", valued: false },
    Flag { programs: &["wget"], name: "--ca-certificate", valued: true },
    Flag { programs: &["wget"], name: "--no-check-certificate", valued: false },
    Flag { programs: NPM, name: "--cafile", valued: true },
    Flag { programs: NPM, name: "--strict-ssl=false", valued: false },
    Flag { programs: NPM, name: "--no-strict-ssl", valued: false },
    Flag { programs: &["pip"], name: "--cert", valued: true },
    Flag { programs: &["pip"], name: "--trusted-host", valued: true },
    Flag { programs: CONTAINERS, name: "--tls-verify=false", valued: false },
];

/// Short flags of curl that take a value: what follows in the same word is that value.
const CURL_VALUES: &str = "ACDEFHKPQTUXYbcdehmortuwxyz";

/// One thing that a command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<'w> {
    /// The flag, or the key of git's `-c`.
    pub(super) name: &'w str,
    /// Its value, empty for a flag without.
    pub(super) value: &'w str,
}

/// The program of a command line by the name that its flags have: `python -m pip` is pip.
fn program(words: &[String]) -> &str {
    match words {
        [python, m, module, ..] if python == "python" && m == "-m" => module,
        [first, ..] => first,
        [] => "",
    }
}

/// What a command line says that is understood, with the places of its words.
fn read(words: &[String]) -> Vec<(usize, usize, Said<'_>)> {
    let program = program(words);
    let mut found = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let next = words.get(at + 1).map(String::as_str);
        let (taken, said) = one(program, word, next);
        let taken = taken.max(1);
        if let Some(said) = said {
            found.push((at, taken, said));
        }
        at += taken;
    }
    found
}

/// How many words belong together, and what they say.
fn one<'w>(program: &str, word: &'w str, next: Option<&'w str>) -> (usize, Option<Said<'w>>) {
    let flags = FLAGS.iter().filter(|flag| flag.programs.contains(&program));
    for flag in flags {
        match word.strip_prefix(flag.name) {
            Some("") if flag.valued => {
                return next.map_or((1, None), |value| (2, Some(Said { name: flag.name, value })));
            }
            Some("") => return (1, Some(Said { name: flag.name, value: "" })),
            Some(rest) if flag.valued && rest.starts_with('=') => {
                return (1, Some(Said { name: flag.name, value: &rest[1..] }));
            }
            _ => {}
        }
    }
    match program {
        "curl" if word.starts_with('-') && !word.starts_with("--") => {
            for (at, letter) in word[1..].char_indices() {
                if letter == 'k' {
                    return (1, Some(Said { name: "-k", value: "" }));
                }
                if CURL_VALUES.contains(letter) {
                    return (if at + 2 == word.len() { 2 } else { 1 }, None);
                }
            }
            (1, None)
        }
        "git" if matches!(word, "-c" | "--config") => {
            let said = next.and_then(|next| next.split_once('=')).map(|(name, value)| Said { name, value });
            (2, said.filter(|said| is_of_git(said.name)))
        }
        "cargo" if word == "--config" => {
            let value = next.and_then(|next| next.strip_prefix("http.cainfo="));
            let value = value.map(|value| value.trim_matches(['"', '\'']));
            (2, value.map(|value| Said { name: "--config http.cainfo", value }))
        }
        _ => (1, None),
    }
}

/// Whether a key of git's configuration names CAs or switches verification, and its reading is certain.
fn is_of_git(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.starts_with("http.") && [".sslcainfo", ".sslcapath", ".sslverify"].iter().any(|end| lower.ends_with(end))
}

/// What a command line of one of these programs says; nothing if it is that of another.
pub(super) fn said<'w>(words: &'w [String], programs: &[&str]) -> Vec<Said<'w>> {
    if !programs.contains(&program(words)) {
        return Vec::new();
    }
    read(words).into_iter().map(|(_, _, said)| said).collect()
}

/// The last value of a flag.
pub(super) fn value<'w>(words: &'w [String], programs: &[&str], name: &str) -> Option<&'w str> {
    said(words, programs).into_iter().rev().find(|said| said.name == name).map(|said| said.value)
}

/// Whether a flag stands there.
pub(super) fn has<'w>(words: &'w [String], programs: &[&str], names: &[&str]) -> Option<&'w str> {
    said(words, programs).into_iter().map(|said| said.name).find(|name| names.contains(name))
}

/// Whether one of pip's `--trusted-host` is the server.
pub(super) fn trusts_host(words: &[String], host: &str) -> bool {
    said(words, &["pip"]).iter().any(|said| said.name == "--trusted-host" && covers(said.value, host))
}

/// What a command line says beside that: its other words. Values that a shell would expand are among them, as nobody
/// knows them here.
pub fn rest(words: &[String]) -> Vec<&str> {
    let mut taken = vec![false; words.len()];
    for (at, count, said) in read(words) {
        let is_literal =
            !said.value.contains(['$', '`', '*', '?', '~']) && (said.value.is_empty() || !said.value.trim().is_empty());
        if is_literal {
            taken[at..(at + count).min(words.len())].fill(true);
        }
    }
    words.iter().zip(taken).filter(|(_, taken)| !taken).map(|(word, _)| word.as_str()).collect()
}

/// The values of what is understood.
pub fn values(words: &[String]) -> impl Iterator<Item = &str> {
    read(words).into_iter().map(|(_, _, said)| said.value)
}

/// Whether it says anything about trust that is understood.
pub fn speaks(words: &[String]) -> bool {
    !read(words).is_empty()
}

/// What a command writes into the configuration of its user, for commands that come later: `npm config set cafile FILE`,
/// `git config --global http.sslCAInfo FILE`. The key comes in the form of the file.
pub fn writes(words: &[String]) -> Option<(String, String)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (key, value) = match words[..] {
        ["npm" | "pnpm", "config" | "c", "set", key, value] | ["npm", "set", key, value] => (key, value),
        ["npm" | "pnpm", "config" | "c", "set", pair] | ["npm", "set", pair] => pair.split_once('=')?,
        ["git", "config", "--global", key, value] => {
            return (is_of_git(key) && is_plain(value)).then(|| (key.to_owned(), value.to_owned()));
        }
        _ => return None,
    };
    (matches!(key, "cafile" | "strict-ssl") && is_plain(value)).then(|| (key.to_owned(), value.to_owned()))
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.contains(['$', '`', '*', '?', '~'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn flags_are_told_from_values() {
        for (text, want) in [
            ("curl --cacert /a.pem https://h", vec![("--cacert", "/a.pem")]),
            ("curl --cacert=/a.pem -fsSLk https://h", vec![("--cacert", "/a.pem"), ("-k", "")]),
            ("curl -ok https://h", vec![]),
            ("curl -o -k https://h", vec![]),
            ("git -c http.sslCAInfo=/a.pem clone https://h/r", vec![("http.sslCAInfo", "/a.pem")]),
            ("git -c user.name=x clone https://h/r", vec![]),
            ("python -m pip install --cert /a.pem x", vec![("--cert", "/a.pem")]),
            ("npm ci --strict-ssl=false --cafile=/a.pem", vec![("--strict-ssl=false", ""), ("--cafile", "/a.pem")]),
            ("cargo --config http.cainfo=\"/a.pem\" fetch", vec![("--config http.cainfo", "/a.pem")]),
            ("pip install --cert", vec![]),
            ("wget --cacert /a.pem", vec![]),
        ] {
            let words = words(text);
            let found: Vec<_> = read(&words).into_iter().map(|(_, _, said)| (said.name, said.value)).collect();
            assert_eq!(found, want, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left() {
        assert_eq!(rest(&words("curl --cacert /a.pem --capath /d https://h")), ["curl", "--capath", "/d", "https://h"]);
        assert_eq!(rest(&words("curl --cacert $CA")), ["curl", "--cacert", "$CA"]);
    }

    #[test]
    fn written_configuration() {
        let of = |text: &str| writes(&words(text)).map(|(key, value)| format!("{key}={value}"));
        assert_eq!(of("npm config set cafile /a.pem").as_deref(), Some("cafile=/a.pem"));
        assert_eq!(of("npm set strict-ssl=false").as_deref(), Some("strict-ssl=false"));
        assert_eq!(of("git config --global http.sslVerify false").as_deref(), Some("http.sslVerify=false"));
        for text in
            ["npm config set cafile $X", "npm config set -g cafile /a", "git config http.sslCAInfo /a", "npm ci"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
