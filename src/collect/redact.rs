//! Takes credentials out of what is kept: no snapshot and no report holds them.

use std::borrow::Cow;

/// What stands where a secret stood.
const HIDDEN: &str = "***";

/// Whether the name of a variable, flag or key says that its value is a secret.
///
/// Names are compared by their parts (`NPM_TOKEN`, `--registry-password`, `authToken`), so that
/// `keyserver` or `author` are no secrets.
pub fn is_secret_name(name: &str) -> bool {
    const WHOLE: &[&str] =
        &["password", "passwd", "passphrase", "pwd", "pass", "token", "secret", "secrets", "credential", "credentials"];
    const INSIDE: &[&str] = &["password", "passwd", "passphrase", "token", "secret", "credential", "apikey"];
    let lower = name.to_ascii_lowercase();
    INSIDE.iter().any(|word| lower.contains(word))
        || parts(name).any(|part| WHOLE.contains(&&*part) || matches!(&*part, "auth" | "authorization" | "key" | "pat"))
}

/// The parts of a name: split at punctuation and where a capital follows a small letter.
fn parts(name: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut before_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && before_small) {
            parts.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(last) = parts.last_mut()
        {
            last.push(c.to_ascii_lowercase());
        }
        before_small = c.is_ascii_lowercase();
    }
    parts.into_iter().filter(|part| !part.is_empty())
}

/// The text without user information in URLs and without the values of secret-named flags and variables.
pub fn text(text: &str) -> Cow<'_, str> {
    let mut clean = userinfo(text);
    for step in [assignments, flags] {
        if let Some(cleaner) = step(&clean) {
            clean = Cow::Owned(cleaner);
        }
    }
    clean
}

/// The arguments of a command, clean. Besides what [`text`] does, the argument after a secret-named flag
/// (`--password`, `x`) is hidden.
pub fn arguments<T: AsRef<str>>(arguments: &[T]) -> Vec<Cow<'_, str>> {
    let mut clean = Vec::with_capacity(arguments.len());
    let mut flag = Flag::None;
    let mut is_login = false;
    for argument in arguments {
        let argument = argument.as_ref();
        let hidden = flag.hide(argument);
        is_login |= argument == "login";
        flag = if hidden.is_some() { Flag::None } else { Flag::of(argument, is_login) };
        clean.push(hidden.map_or_else(|| text(argument), Cow::Owned));
    }
    clean
}

/// A word after which a secret may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    None,
    /// The next word is one, unless it is a flag again.
    Secret,
    /// The next word is one if it is of the form `user:password`.
    User,
}

impl Flag {
    fn of(word: &str, is_login: bool) -> Self {
        match word {
            "-u" | "--user" => return Self::User,
            // As in a .netrc.
            "password" | "passwd" => return Self::Secret,
            "-p" if is_login => return Self::Secret,
            _ => {}
        }
        match word.strip_prefix('-') {
            Some(flag) if !flag.contains(['=', ':']) && is_secret_name(flag.trim_start_matches('-')) => Self::Secret,
            _ => Self::None,
        }
    }

    /// What to write for the word that follows; `None` if it is no secret.
    fn hide(self, word: &str) -> Option<String> {
        match self {
            Self::Secret if !word.starts_with('-') && !word.is_empty() => Some(HIDDEN.to_owned()),
            Self::User if !word.contains("://") => {
                let (user, _) = word.split_once(':')?;
                Some(format!("{user}:{HIDDEN}"))
            }
            _ => None,
        }
    }
}

/// Hides what follows a secret-named flag in a command line.
fn flags(text: &str) -> Option<String> {
    let mut clean = String::new();
    let mut copied = 0;
    let mut flag = Flag::None;
    let mut is_login = false;
    let mut at = 0;
    loop {
        // A quoted value may hold blanks; elsewhere quotes only separate.
        let rest = &text[at..];
        let blanks = rest.len() - rest.trim_start().len();
        let quote = rest[blanks..].chars().next().filter(|c| flag == Flag::Secret && matches!(c, '"' | '\''));
        let (start, length) = if let Some(quote) = quote {
            let inside = &rest[blanks + 1..];
            (at + blanks, inside.find(quote).map_or(inside.len() + 1, |end| end + 2))
        } else {
            let Some(start) = rest.find(|c| !separates(c)) else { break };
            (at + start, rest[start..].find(separates).unwrap_or(rest.len() - start))
        };
        let word = &text[start..start + length];
        at = start + length;
        if let Some(hidden) = flag.hide(word) {
            clean.push_str(&text[copied..start]);
            clean.push_str(&hidden);
            copied = at;
            flag = Flag::None;
        } else {
            is_login |= word == "login";
            // A word in quotes is a key of something, and no flag.
            let is_alone = text[at..].chars().next().is_none_or(char::is_whitespace);
            flag = if is_alone { Flag::of(word, is_login) } else { Flag::None };
        }
    }
    if copied == 0 {
        return None;
    }
    clean.push_str(&text[copied..]);
    Some(clean)
}

fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ';')
}

/// Removes `user:password@` from every URL, and from `user:password@host` without a scheme.
fn userinfo(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        rest = after.get(userinfo_length(after)..).unwrap_or_default();
    }
    clean.push_str(rest);
    let bare = bare_userinfo(&clean);
    Cow::Owned(bare.unwrap_or(clean))
}

/// How many bytes of what follows `://` are user information, the `@` included.
fn userinfo_length(after: &str) -> usize {
    let word = &after[..after.find(is_word_end).unwrap_or(after.len())];
    let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
    if let Some(at) = authority.rfind('@') {
        return at + 1;
    }
    // A password with an unescaped slash, question mark or hash: what follows the colon is no port.
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
    match (authority.split_once(':'), word.rfind('@')) {
        (Some((_, port)), Some(at)) if !port.starts_with('/') && !is_port(port) && !port.contains([',', '|']) => at + 1,
        _ => 0,
    }
}

fn is_word_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')
}

/// Removes `user:password@` where no scheme stands before it; an image digest (`name:tag@sha256:…`) is none.
fn bare_userinfo(text: &str) -> Option<String> {
    let mut clean = String::new();
    let mut changed = false;
    for word in text.split_inclusive(|c: char| is_word_end(c) || matches!(c, '=' | ',' | ';')) {
        let hidden = word.rsplit_once('@').filter(|(user, host)| {
            user.contains(':')
                && !user.contains('/')
                && !host.starts_with("sha256:")
                && !host.starts_with("sha512:")
                && !host.is_empty()
        });
        if let Some((_, host)) = hidden {
            changed = true;
            clean.push_str(host);
        } else {
            clean.push_str(word);
        }
    }
    changed.then_some(clean)
}

/// Hides the values of secret-named assignments: `--token=x`, `NPM_TOKEN=x`, `"password": "x"`, `_authToken=x`,
/// `Authorization: Bearer x`.
fn assignments(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut clean = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find(['=', ':']) {
        let sign = at + found;
        at = sign + 1;
        let name = name_before(&text[..sign]);
        if name.is_empty() || !is_secret_name(name) {
            continue;
        }
        let mut start = sign + 1;
        // `key: value` and `"key": "value"` have blanks; `a=b` has none.
        if bytes[sign] == b':' {
            start += text[start..].len() - text[start..].trim_start_matches(' ').len();
            // `host:port`, `image:tag` and `scheme://` have none, and are no assignments.
            if start == sign + 1 && !name_is_quoted(text, sign) && !name.starts_with('_') {
                continue;
            }
        }
        let quote = bytes.get(start).copied().filter(|b| matches!(b, b'"' | b'\''));
        start += usize::from(quote.is_some());
        for scheme in ["Bearer ", "Basic ", "bearer ", "basic ", "token "] {
            if text[start..].starts_with(scheme) {
                start += scheme.len();
            }
        }
        let value = &text[start..];
        let end = match quote {
            Some(quote) => value.find(char::from(quote)),
            None => value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '&' | ';' | '|' | ')' | '}')),
        };
        let end = start + end.unwrap_or(value.len());
        if end > start {
            clean.push_str(&text[copied..start]);
            clean.push_str(HIDDEN);
            copied = end;
        }
        at = end.max(at);
    }
    if copied == 0 {
        return None;
    }
    clean.push_str(&text[copied..]);
    Some(clean)
}

/// The name that ends `text`, without quotes.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches(['"', '\'', ' ', ':']);
    let start = text
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
    &text[start..]
}

fn name_is_quoted(text: &str, sign: usize) -> bool {
    text[..sign].ends_with(['"', '\''])
}

/// Cleans every string of an object that is kept as written, and hides the values of secret-named keys.
pub fn value(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(string) => {
            if let Cow::Owned(clean) = text(string) {
                *string = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(self::value),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                // References to Secrets are names, and maps may hold both.
                let is_secret = name == "userData" || (is_secret_name(name) && !is_api_key(name));
                match field {
                    Value::String(string) if is_secret => HIDDEN.clone_into(string),
                    field => self::value(field),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Keys that the policy APIs use for something else than a secret (`matchExpressions[].key`, `secretName`).
fn is_api_key(name: &str) -> bool {
    matches!(name, "key" | "topologyKey") || name.ends_with("Name") || name.ends_with("Ref")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_leaves_urls() {
        assert_eq!(text("https://u:p@nexus.corp/repo"), "https://nexus.corp/repo");
        assert_eq!(text("https://token@nexus.corp/repo,direct"), "https://nexus.corp/repo,direct");
        assert_eq!(
            text("https://proxy.golang.org,https://u:p@nexus.corp|direct"),
            "https://proxy.golang.org,https://nexus.corp|direct"
        );
        assert_eq!(text("http://u:p/q#r@proxy:3128"), "http://proxy:3128");
        assert_eq!(text("u:p@proxy.corp:3128"), "proxy.corp:3128");
        assert_eq!(text("--proxy=u:p@proxy.corp:3128"), "--proxy=proxy.corp:3128");
    }

    #[test]
    fn what_is_no_credential_stays() {
        for plain in [
            "https://proxy.golang.org/golang.org/x/net/@v/list",
            "nginx:1.27@sha256:abcdef",
            "https://host:8443/a@b",
            "git@github.com:org/repo.git",
            "--keyserver=hkps://keys.openpgp.org",
            "--destination=registry.corp/team/app:1.2",
            "https://proxy.golang.org,direct",
            "--author=jane",
            "go mod download && go build ./...",
        ] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn values_of_secret_names_are_hidden() {
        assert_eq!(text("--token=abc --x=1"), "--token=*** --x=1");
        assert_eq!(text("NPM_TOKEN=abc npm ci"), "NPM_TOKEN=*** npm ci");
        assert_eq!(text("//registry.npmjs.org/:_authToken=abc"), "//registry.npmjs.org/:_authToken=***");
        assert_eq!(text(r#"{"password": "a b", "x": 1}"#), r#"{"password": "***", "x": 1}"#);
        assert_eq!(text("-Dhttp.proxyPassword=abc -Dx=y"), "-Dhttp.proxyPassword=*** -Dx=y");
        assert_eq!(text("Authorization: Bearer abc"), "Authorization: Bearer ***");
        assert_eq!(arguments(&["--password", "abc", "build"]), ["--password", "***", "build"]);
        assert_eq!(arguments(&["curl", "-u", "me:abc", "https://x"]), ["curl", "-u", "me:***", "https://x"]);
    }

    /// Ways to write a secret into a command, an argument or a setting; `@` is where it goes.
    const PLACES: &[&str] = &[
        "https://user:@SECRET@host.example/path",
        "https://@SECRET@host.example/path,direct",
        "https://proxy.golang.org,https://user:@SECRET@host.example|off",
        "git clone https://oauth2:@SECRET@gitlab.example/a/b.git && make",
        "http://user:a/b?c#@SECRET@proxy.example:3128",
        "user:@SECRET@proxy.example:3128",
        "--proxy=user:@SECRET@proxy.example:3128",
        "export NPM_TOKEN=@SECRET; npm ci",
        "NPM_TOKEN='@SECRET' npm ci",
        "npm config set //registry.example/:_authToken=@SECRET",
        "--password=@SECRET",
        "--registry-password=\"@SECRET\"",
        "-Dhttps.proxyPassword=@SECRET -Dx=y",
        "{\"auth\": \"@SECRET\", \"x\": 1}",
        "{\"password\":\"@SECRET\"}",
        "curl -H 'Authorization: Bearer @SECRET' https://host.example",
        "curl -H \"Private-Token: @SECRET\" https://host.example",
        "AWS_SECRET_ACCESS_KEY=@SECRET aws ecr get-login",
        "echo \"machine host.example login me password @SECRET\" > ~/.netrc",
        "https://host.example/simple?token=@SECRET&x=1",
        "curl -u me:@SECRET https://host.example",
        "docker login -u me -p @SECRET host.example",
        "docker login --password @SECRET host.example",
        "curl --user me:@SECRET https://host.example",
    ];

    proptest::proptest! {
        #[test]
        fn a_secret_leaves_wherever_it_stands(secret in "[A-Za-z0-9]{12,40}", place in 0..PLACES.len()) {
            let written = PLACES[place].replace("@SECRET@", &format!("{secret}@")).replace("@SECRET", &secret);
            let clean = text(&written).into_owned();
            proptest::prop_assert!(!clean.contains(&secret), "{} -> {}", written, clean);
            if written.contains("host.example") {
                proptest::prop_assert!(clean.contains("host.example"), "{} -> {}", written, clean);
            }
            if !written.contains(['"', '\'']) {
                let words: Vec<&str> = written.split(' ').collect();
                proptest::prop_assert!(!arguments(&words).join(" ").contains(&secret));
            }
        }

        #[test]
        fn cleaning_twice_changes_nothing(written in "[a-z=:/@ '\"-]{0,40}|\\PC{0,40}") {
            let once = text(&written).into_owned();
            proptest::prop_assert_eq!(text(&once), once.as_str());
        }

        #[test]
        fn plain_urls_stay(host in "[a-z]{1,10}\\.[a-z]{2,5}", port in 1_u16.., path in "(/[a-z0-9.@-]{1,8}){0,3}") {
            let url = format!("https://{host}:{port}{path}");
            proptest::prop_assert_eq!(text(&url), url.as_str());
        }
    }
}
