//! Small text patterns: globs, host templates and the path patterns of Go.

use std::collections::BTreeMap;

/// Whether the text fits the pattern, in which `*` stands for any text, the empty one included.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, parts)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some((parts, last)) = parts.rsplit_once('*') else { return rest.ends_with(parts) };
    for part in parts.split('*') {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What each `{name}` of a template stands for in the text, if the text fits. A placeholder takes
/// at least one character and no dot; `*` takes any text.
pub(super) fn template<'a>(template: &'a str, text: &'a str) -> Option<BTreeMap<&'a str, &'a str>> {
    fn walk<'a>(template: &'a str, text: &'a str, parts: &mut BTreeMap<&'a str, &'a str>) -> bool {
        let special = template.find(['{', '*']).unwrap_or(template.len());
        let Some(text) = text.strip_prefix(&template[..special]) else { return false };
        let template = &template[special..];
        if template.is_empty() {
            return text.is_empty();
        }
        if let Some(rest) = template.strip_prefix('*') {
            return text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| walk(rest, &text[at..], parts));
        }
        let Some((name, rest)) = template[1..].split_once('}') else { return false };
        let longest = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
        for end in (1..=longest).rev() {
            if walk(rest, &text[end..], parts) {
                parts.insert(name, &text[..end]);
                return true;
            }
        }
        false
    }
    let mut parts = BTreeMap::new();
    walk(template, text, &mut parts).then_some(parts)
}

/// The template with its placeholders filled; those without a value stay.
pub(super) fn fill(template: &str, parts: &BTreeMap<&str, &str>) -> String {
    parts.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Whether a module path fits one of Go's comma-separated patterns (`module.MatchPrefixPatterns`):
/// a pattern with n slashes is matched, as by `path.Match`, against the first n + 1 elements of the path.
pub(super) fn go_prefix(patterns: &str, path: &str) -> bool {
    patterns.split(',').any(|pattern| {
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        if pattern.is_empty() {
            return false;
        }
        let elements = pattern.matches('/').count() + 1;
        let mut ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.nth(elements - 1).is_some_and(|end| go_match(pattern, &path[..end]))
    })
}

/// Go's `path.Match`; a malformed pattern matches nothing.
fn go_match(pattern: &str, text: &str) -> bool {
    let mut p = pattern.chars();
    let mut t = text.chars();
    loop {
        match p.next() {
            None => return t.next().is_none(),
            Some('*') => {
                let rest = p.as_str();
                let text = t.as_str();
                let stop = text.find('/').unwrap_or(text.len());
                return text[..stop]
                    .char_indices()
                    .map(|(at, _)| at)
                    .chain([stop])
                    .any(|at| go_match(rest, &text[at..]));
            }
            Some('?') if t.next().is_none_or(|c| c == '/') => return false,
            Some('?') => {}
            Some('[') => {
                let Some(c) = t.next().filter(|c| *c != '/') else { return false };
                match class(&mut p, c) {
                    Some(true) => {}
                    _ => return false,
                }
            }
            Some('\\') => match (p.next(), t.next()) {
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            },
            Some(c) if t.next() != Some(c) => return false,
            Some(_) => {}
        }
    }
}

/// Whether a character is in the class that the pattern goes on with; `None` if it is malformed.
fn class(p: &mut std::str::Chars<'_>, c: char) -> Option<bool> {
    let negated = p.as_str().starts_with('^');
    if negated {
        p.next();
    }
    let (mut found, mut any) = (false, false);
    loop {
        let low = match p.next()? {
            ']' if any => return Some(found != negated),
            ']' | '-' => return None,
            '\\' => p.next()?,
            low => low,
        };
        let mut high = low;
        if p.as_str().starts_with('-') {
            p.next();
            high = match p.next()? {
                ']' | '-' => return None,
                '\\' => p.next()?,
                high => high,
            };
        }
        found |= (low..=high).contains(&c);
        any = true;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_of_a_glob_stand_for_anything() {
        for (pattern, text, fits) in [
            ("golang", "golang", true),
            ("golang", "golang2", false),
            ("*", "", true),
            ("cgr.dev/*/go", "cgr.dev/chainguard/go", true),
            ("cgr.dev/*/go", "cgr.dev/chainguard/go-fips", false),
            ("*-alpine*", "1.22-alpine3.20", true),
            ("a*a", "a", false),
            ("*ab*b", "aab", false),
            ("step-*", "step-", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn templates_capture_parts_of_hosts() {
        let parts =
            template("{account}.dkr.ecr.{region}.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com").unwrap();
        assert_eq!(parts["account"], "1234");
        assert_eq!(fill("aws:AMAZON:{region}", &parts), "aws:AMAZON:eu-west-1");
        assert!(template("{registry}.azurecr.io", "a.b.azurecr.io").is_none());
        assert!(template("{registry}.azurecr.io", ".azurecr.io").is_none());
        assert!(template("*.s3.{region}.amazonaws.com", "x-*.s3.*.amazonaws.com").is_none());
        assert_eq!(
            template("*.s3.{region}.amazonaws.com", "a.b.s3.us-east-1.amazonaws.com").unwrap()["region"],
            "us-east-1"
        );
    }

    #[test]
    fn go_patterns_match_whole_leading_elements() {
        for (patterns, path, fits) in [
            ("git.internal.com/*", "git.internal.com/a/b", true),
            ("git.internal.com/*", "git.internal.com", false),
            ("*.corp.com", "x.corp.com/r", true),
            ("*.corp.com", "a.b.corp.com/r", true),
            ("*.corp.com", "corp.com/r", false),
            ("corp.com", "corp.com/any/depth", true),
            ("corp.com/", "corp.com/any", true),
            ("github.com/Org", "github.com/org/x", false),
            ("github.com/Org", "github.com/Org/x", true),
            ("*", "anything/at/all", true),
            ("", "a", false),
            (",,a.com", "a.com/x", true),
            ("[", "[", false),
            ("[a-c].com", "b.com/x", true),
            ("[^a-c].com", "b.com/x", false),
            ("?.com", "b.com", true),
            ("a\\*.com", "a*.com", true),
            ("a.com/*/c", "a.com/b/c/d", true),
            ("a.com/*/c", "a.com/b/x/c", false),
        ] {
            assert_eq!(go_prefix(patterns, path), fits, "{patterns} {path}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a-c*?\\[\\]^,/{}\\\\é-]{0,12}", text in "[a-c/.é]{0,12}") {
            let _ = (glob(&pattern, &text), template(&pattern, &text), go_prefix(&pattern, &text));
        }
    }
}
