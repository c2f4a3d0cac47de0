//! Configuration files in which a client may be told of a CA file: where they are, and their grammars.

use super::reader::{Reader, Setting};
use crate::trust::tree::Found;

/// A line of a configuration file: section (empty where there is none), key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// The home directory. Without `HOME` it is taken to be root's.
pub(super) fn home(reader: &mut Reader<'_>) -> String {
    match reader.variable("HOME") {
        Ok(Some(home)) => home.trim_end_matches('/').to_owned(),
        Ok(None) | Err(_) => "/root".to_owned(),
    }
}

/// Files in the home directory. Without `HOME`, such a file in another home may count and is a reason not to know.
pub(super) fn of_user(reader: &mut Reader<'_>, names: &[&str]) -> Vec<String> {
    let home = home(reader);
    if reader.variable("HOME") == Ok(None)
        && let Ok(Found::Directory { names: homes, complete, .. }) = reader.find("/home")
    {
        if !complete {
            reader.incomplete("/home");
        }
        let others = homes.iter().flat_map(|user| names.iter().map(move |name| format!("/home/{user}/{name}")));
        for other in others.collect::<Vec<_>>() {
            if reader.exists(&other) != Some(false) {
                reader.unknown(format!("{other} counts if that is the home of the user, which is not known"));
            }
        }
    }
    names.iter().map(|name| format!("{home}/{name}")).collect()
}

/// `[section]`, `key = value`, comments with `#` or `;`: pip.conf, git's configuration, TOML as far as it is this simple.
/// Sections and keys come in lower case; the quoted part of git's sections as it is, after a dot.
pub(super) fn sections(text: &str) -> Vec<Line> {
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name.trim()) {
            section = match name.split_once(['"', '\'']) {
                Some((first, second)) => {
                    format!(
                        "{}.{}",
                        first.trim().trim_end_matches('.').to_ascii_lowercase(),
                        second.trim_end_matches(['"', '\''])
                    )
                }
                None => name.to_ascii_lowercase(),
            };
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, "true"));
        lines.push(Line { section: section.clone(), key: key.trim().to_ascii_lowercase(), value: unquoted(value) });
    }
    lines
}

/// `key=value` lines without sections: npm's files, and wget's, which have spaces and dashes in keys.
pub(super) fn plain(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap_or((line, "true"));
            Line { section: String::new(), key: key.trim().to_owned(), value: unquoted(value) }
        })
        .collect()
}

/// A value without its quotes; a comment behind a quoted value is cut off.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner.to_owned();
        }
    }
    value.split(" #").next().unwrap_or_default().trim().to_owned()
}

/// apt's grammar, flattened: `Acquire::https::CaInfo` and its value, scopes unfolded. Comments are `//`, `#` and `/* */`.
pub(super) fn apt(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut scopes: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") || rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if first == '"' {
            let (word, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            words.push(word.to_owned());
            rest = after;
        } else if first == '{' {
            scopes.push(words.drain(..).next_back().unwrap_or_default());
            rest = &rest[1..];
        } else if first == '}' || first == ';' {
            if let [key, .., value] = &words[..] {
                found.push((scopes.iter().chain([key]).cloned().collect::<Vec<_>>().join("::"), value.clone()));
            }
            words.clear();
            if first == '}' {
                scopes.pop();
            }
            rest = &rest[1..];
        } else if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    found
}

/// The last value of a key among files that are read one after the other.
pub(super) fn last(
    reader: &mut Reader<'_>,
    paths: &[String],
    parse: fn(&str) -> Vec<Line>,
    wanted: impl Fn(&Line) -> bool,
) -> Option<Setting> {
    let mut found = None;
    for path in paths {
        let Some(text) = reader.text(path) else { continue };
        for line in parse(&text).into_iter().filter(&wanted) {
            found = Some(Setting { value: line.value, rule: format!("{} in {path}", line.key) });
        }
    }
    found
}

/// Whether a setting says no.
pub(super) fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0" | "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_pip_and_git() {
        let lines =
            sections("[global]\ncert = /a.pem\n[http \"https://X.example\"]\n\tsslCAInfo = \"/b.pem\" # why\n; no\n");
        let expected = [("global", "cert", "/a.pem"), ("http.https://X.example", "sslcainfo", "/b.pem")];
        let found: Vec<_> = lines.iter().map(|l| (l.section.as_str(), l.key.as_str(), l.value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn scopes_of_apt() {
        let text = "// c\nAcquire { https { CaInfo \"/a.pem\"; Verify-Peer \"false\"; }; };\n# d\n\
                    Acquire::https::CaInfo \"/b.pem\"; /* e */ Acquire::http::Proxy DIRECT;";
        let found = apt(text);
        let expected = [
            ("Acquire::https::CaInfo", "/a.pem"),
            ("Acquire::https::Verify-Peer", "false"),
            ("Acquire::https::CaInfo", "/b.pem"),
            ("Acquire::http::Proxy", "DIRECT"),
        ];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
