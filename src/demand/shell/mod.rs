//! The commands that a container runs, as far as they can be read from its `command` and `args`.

mod lexer;
mod tekton;

use crate::model::object::Container;

use lexer::Lexer;
pub(super) use tekton::{Scripts, scripts};

/// One simple command of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Variables that are set for it: prefixes, `env`, and what was exported before.
    pub(crate) assignments: Vec<(String, String)>,
    /// Words; the first is the program's name without its folder.
    pub(crate) words: Vec<String>,
    /// It is run for sure, after all that stand before it: no condition, loop or function is around it.
    pub(crate) certain: bool,
}

impl Command {
    /// Program name, empty for a bare assignment.
    pub(crate) fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Whether the command is the one that the data describe as `npm ci`: same program, then the
    /// other words in order. Flags may stand between them, and so may one value after a flag.
    pub(super) fn is(&self, pattern: &str) -> bool {
        let mut wanted = pattern.split(' ');
        if wanted.next() != Some(self.program()) {
            return false;
        }
        let mut words = self.words[1..].iter().map(String::as_str);
        'wanted: for want in wanted {
            let mut after_flag = false;
            for word in words.by_ref() {
                if word == want {
                    continue 'wanted;
                }
                if !word.starts_with('-') && !after_flag {
                    return false;
                }
                after_flag = word.starts_with('-') && !word.contains('=');
            }
            return false;
        }
        true
    }

    /// The values of a flag, written as `--flag value` or `--flag=value`.
    pub(super) fn flag<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.words.iter().enumerate().filter_map(move |(at, word)| {
            let rest = word.strip_prefix(name)?;
            if rest.is_empty() { self.words.get(at + 1).map(String::as_str) } else { rest.strip_prefix('=') }
        })
    }
}

const SHELLS: &[&str] = &["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// Programs that run another one, with the number of their own arguments that are no flags.
const WRAPPERS: &[(&str, usize)] = &[
    ("busybox", 0),
    ("catatonit", 0),
    ("command", 0),
    ("doas", 0),
    ("dumb-init", 0),
    ("exec", 0),
    ("gosu", 1),
    ("ionice", 0),
    ("nice", 0),
    ("nohup", 0),
    ("setpriv", 0),
    ("stdbuf", 0),
    ("su-exec", 1),
    ("sudo", 0),
    ("time", 0),
    ("timeout", 1),
    ("tini", 0),
    ("xargs", 0),
];

/// Words of the shell's grammar before a command.
const KEYWORDS: &[&str] = &["!", "{", "do", "elif", "else", "if", "then", "until", "while"];

/// Shells within shells are followed so far.
const MAX_DEPTH: usize = 4;

/// Every command of a container that can be read. Of scripts in files only those are that the
/// specification itself holds.
pub(super) fn commands(container: &Container, scripts: &Scripts) -> Vec<Command> {
    let argv: Vec<String> = container.command.iter().chain(&container.args).map(ToString::to_string).collect();
    let mut out = Vec::new();
    collect(argv, &[], scripts, Depth { shells: 0, certain: true }, &mut out);
    out
}

/// Where a command line stands.
#[derive(Clone, Copy)]
struct Depth {
    /// In how many shells within shells.
    shells: usize,
    certain: bool,
}

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `python3.12` and `pip3` are known by their plain names.
fn program_name(word: &str) -> String {
    if word.starts_with('-') {
        return word.to_owned(); // arguments of the image's own entry point
    }
    let name = base_name(word);
    for plain in ["python", "pip"] {
        if let Some(version) = name.strip_prefix(plain)
            && version.chars().all(|c| c.is_ascii_digit() || c == '.')
        {
            return plain.to_owned();
        }
    }
    name.to_owned()
}

/// Takes a command line apart: wrappers, `env`, shells with a script, Tekton's entrypoint.
fn collect(
    mut argv: Vec<String>,
    exported: &[(String, String)],
    scripts: &Scripts,
    depth: Depth,
    out: &mut Vec<Command>,
) {
    let mut assignments = exported.to_vec();
    while let Some(first) = argv.first() {
        if let Some((name, value)) = assignment(first) {
            assignments.push((name.to_owned(), value.to_owned()));
            argv.remove(0);
            continue;
        }
        let name = base_name(first).to_owned();
        if name == "env" {
            argv.remove(0);
            while argv.first().is_some_and(|word| word.starts_with('-')) {
                argv.remove(0);
            }
        } else if let Some((_, own)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) {
            argv.remove(0);
            let mut own = *own;
            while argv.first().is_some_and(|word| word.starts_with('-') || own > 0) {
                if !argv.remove(0).starts_with('-') {
                    own -= 1;
                }
            }
        } else if name == "entrypoint" && first.contains("tekton") {
            argv = tekton_step(&argv);
        } else if name == "argoexec" && argv.iter().any(|word| word == "--") {
            argv = argv.into_iter().skip_while(|word| word != "--").skip(1).collect();
        } else if let Some(script) = placed_script(first, scripts).filter(|_| depth.shells < MAX_DEPTH) {
            return script_commands(script, &assignments, scripts, depth, out);
        } else if SHELLS.contains(&name.as_str()) && depth.shells < MAX_DEPTH {
            if let Some(script) = script_of(&argv) {
                return script_commands(&script, &assignments, scripts, depth, out);
            }
            break;
        } else {
            break;
        }
    }
    if let Some(first) = argv.first_mut() {
        *first = program_name(first);
    }
    if !argv.is_empty() {
        out.push(Command { assignments, words: argv, certain: depth.certain });
    }
}

/// The commands of a script.
fn script_commands(
    script: &str,
    assignments: &[(String, String)],
    scripts: &Scripts,
    depth: Depth,
    out: &mut Vec<Command>,
) {
    let (commands, is_plain) = parse(script, assignments);
    let depth = Depth { shells: depth.shells + 1, certain: depth.certain && is_plain };
    for (assignments, words) in commands {
        collect(words, &assignments, scripts, depth, out);
    }
}

/// The text of a placed script, if a shell runs it.
fn placed_script<'s>(path: &str, scripts: &'s Scripts) -> Option<&'s str> {
    let (_, script) = scripts.iter().find(|(known, _)| known == path)?;
    let Some(shebang) = script.lines().next().and_then(|line| line.strip_prefix("#!")) else { return Some(script) };
    let mut words = shebang.split_whitespace().map(base_name).filter(|word| *word != "env" && !word.starts_with('-'));
    words.next().is_some_and(|shell| SHELLS.contains(&shell)).then_some(script)
}

/// The value of `-c`, also within grouped flags such as `-euxc`.
fn script_of(argv: &[String]) -> Option<String> {
    let mut words = argv[1..].iter();
    while let Some(word) = words.next() {
        if word.starts_with('-') && !word.starts_with("--") && word.contains('c') {
            let script = words.next()?;
            return Some(if script == "--" { words.next()?.clone() } else { script.clone() });
        }
        if !word.starts_with(['-', '+']) {
            return None;
        }
        if word.ends_with('o') {
            words.next();
        }
    }
    None
}

/// What Tekton's entrypoint starts: `-entrypoint PROGRAM … -- ARGS`.
fn tekton_step(argv: &[String]) -> Vec<String> {
    let value = |flag: &str| {
        argv.iter().enumerate().find_map(|(at, word)| {
            let word = word.trim_start_matches('-');
            if word == flag {
                argv.get(at + 1).cloned()
            } else {
                word.strip_prefix(flag)?.strip_prefix('=').map(str::to_owned)
            }
        })
    };
    let arguments = argv.iter().skip_while(|word| *word != "--").skip(1).cloned();
    value("entrypoint").into_iter().chain(arguments).collect()
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some((name, value))
}

/// A simple command of a script: the variables that hold for it, and its words.
type Simple = (Vec<(String, String)>, Vec<String>);

/// Words of the shell's grammar that make a script more than a plain list, beside [`KEYWORDS`].
const GRAMMAR: &[&str] = &["}", "case", "done", "esac", "eval", "fi", "for", "function", "select"];

/// Splits a script into simple commands. It reads enough of the shell's grammar to find programs and
/// their arguments; what it cannot know (expansions, functions, sourced files) stays as it is written.
/// Also whether they are a plain list: each is run, in order.
fn parse(script: &str, inherited: &[(String, String)]) -> (Vec<Simple>, bool) {
    let mut exported = inherited.to_vec();
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut commands = Vec::new();
    let (lists, mut is_plain) = Lexer::new(script).commands();
    for mut words in lists {
        let is_grammar = |word: &String| [KEYWORDS, GRAMMAR].iter().any(|all| all.contains(&word.as_str()));
        is_plain &= !words.first().is_some_and(is_grammar);
        while words.first().is_some_and(|word| KEYWORDS.contains(&word.as_str())) {
            words.remove(0);
        }
        let Some(first) = words.first() else { continue };
        let set = |words: &[String]| -> Vec<(String, String)> {
            words.iter().filter_map(|w| assignment(w)).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
        };
        if first == "export" {
            exported.extend(set(&words[1..]));
            // `A=b; export A`
            exported.extend(variables.iter().filter(|(name, _)| words[1..].contains(name)).cloned());
        } else if words.iter().all(|word| assignment(word).is_some()) {
            // A variable of the shell alone: no program sees it.
            variables.extend(set(&words));
            continue;
        }
        commands.push((exported.clone(), words));
    }
    (commands, is_plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn read(command: &[&str], args: &[&str]) -> Vec<String> {
        let container = Container {
            command: command.iter().map(|w| (*w).into()).collect(),
            args: args.iter().map(|w| (*w).into()).collect(),
            ..Container::default()
        };
        let scripts = vec![
            ("/tekton/scripts/script-0".to_owned(), "#!/usr/bin/env bash\ncargo fetch".to_owned()),
            ("/tekton/scripts/script-1".to_owned(), "#!/usr/bin/python3\ncargo fetch".to_owned()),
        ];
        commands(&container, &scripts)
            .into_iter()
            .map(|c| {
                let set: Vec<_> = c.assignments.iter().map(|(n, v)| format!("{n}={v}")).collect();
                [set, c.words].concat().join(" ")
            })
            .collect()
    }

    #[test]
    fn commands_are_found_behind_shells_and_wrappers() {
        for (command, args, want) in [
            (vec!["go", "build"], vec!["./..."], vec!["go build ./..."]),
            (vec!["/usr/local/go/bin/go"], vec!["test"], vec!["go test"]),
            (
                vec!["sh", "-c"],
                vec!["set -eux; go mod download && go build -o /x ."],
                vec!["set -eux", "go mod download", "go build -o /x ."],
            ),
            (vec!["/bin/bash", "-euxo", "pipefail", "-c", "npm ci | tee log"], vec![], vec!["npm ci", "tee log"]),
            (
                vec!["sh"],
                vec!["-ec", "if test -f x; then\n  pip3 install -r r.txt\nfi"],
                vec!["test -f x", "pip install -r r.txt", "fi"],
            ),
            (
                vec!["env", "-i", "A=b", "tini", "--", "timeout", "300", "mvn", "-B", "package"],
                vec![],
                vec!["A=b mvn -B package"],
            ),
            (
                vec!["sh", "-c", "export GOPROXY=https://a\nCGO_ENABLED=0 go build"],
                vec![],
                vec!["GOPROXY=https://a export GOPROXY=https://a", "GOPROXY=https://a CGO_ENABLED=0 go build"],
            ),
            (
                vec!["sh", "-c", "echo \"a && npm ci\" # npm ci\ncat <<EOF\nnpm ci\nEOF\nyarn"],
                vec![],
                vec!["echo a && npm ci", "cat", "yarn"],
            ),
            (
                vec!["sh", "-c", "V=$(go env GOROOT); x=`pip download y`"],
                vec![],
                vec!["go env GOROOT", "pip download y"],
            ),
            (
                vec!["/tekton/bin/entrypoint"],
                vec!["-wait_file", "/x", "-entrypoint", "go", "--", "build", "./..."],
                vec!["go build ./..."],
            ),
            (
                vec!["sh", "-c", "sh -c 'cargo fetch' 2>&1; cargo build &> log"],
                vec![],
                vec!["cargo fetch", "cargo build &> log"],
            ),
            (vec!["bash", "build.sh"], vec![], vec!["bash build.sh"]),
            (
                vec!["/tekton/bin/entrypoint", "-entrypoint", "/tekton/scripts/script-0", "--"],
                vec![],
                vec!["cargo fetch"],
            ),
            (vec!["/tekton/bin/entrypoint", "-entrypoint", "/tekton/scripts/script-1", "--"], vec![], vec!["script-1"]),
            (vec!["/var/run/argo/argoexec", "emissary", "--", "sh", "-c"], vec!["npm ci"], vec!["npm ci"]),
            (vec![], vec!["--destination=r.corp/x"], vec!["--destination=r.corp/x"]),
        ] {
            let got = read(&command, &args);
            assert_eq!(got, want, "{command:?} {args:?}");
        }
    }

    #[test]
    fn flags_may_stand_between_the_words_of_a_command() {
        let command =
            |text: &str| Command { words: text.split(' ').map(str::to_owned).collect(), ..Command::default() };
        for (text, pattern, is) in [
            ("npm ci", "npm ci", true),
            ("npm --prefix web ci", "npm ci", true),
            ("apt-get -y -o X=1 install git", "apt-get install", true),
            ("apk --no-cache add git", "apk add", true),
            ("npm run ci", "npm ci", false),
            ("go mod download", "go mod download", true),
            ("go mod verify", "go mod download", false),
            ("yarn start", "yarn install", false),
            ("mvn -B package", "mvn", true),
            ("python -m pip install x", "python -m pip install", true),
            ("python app.py", "python -m pip install", false),
        ] {
            assert_eq!(command(text).is(pattern), is, "{text} / {pattern}");
        }
        assert_eq!(command("x --to a --to=b --too=c").flag("--to").collect::<Vec<_>>(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn no_script_panics(script in "[a-c '\"\\\\;|&()<>{}$`#=\n-]{0,40}") {
            read(&["sh", "-c", &script], &[]);
        }
    }
}
