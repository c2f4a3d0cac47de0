//! How the commands of a container run a client, and what they do to its trust before.
//!
//! What is certain is followed: flags of the client itself, variables that are set before its name or exported earlier in
//! the same plain list of commands, and settings that an earlier command writes. Other words about certificates are a
//! reason not to know; those of another program's own command line are not.

use crate::demand::{self, Command};
use crate::model::object::Container;
use crate::trust::client::{Environment, flags};
use crate::trust::tree::{Found, Tree};
use crate::trust::{Client, places};

use super::clients;

/// One command line of a client with what came before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// Its words, the program first; where no command of the client is known, those of all commands.
    pub(super) words: Vec<String>,
    /// Settings that earlier commands wrote for it.
    pub(super) written: Vec<(String, String)>,
    assignments: Vec<(String, String)>,
    /// What changes its trust in a way that is not followed.
    pub(super) doubt: Option<String>,
    /// A command that builds the image's store anew: it may add what is missing.
    pub(super) rebuilds: Option<String>,
}

/// Programs that build a store of what lies in its input folders.
const REBUILDS: &[&str] = &["update-ca-certificates", "update-ca-trust", "c_rehash", "rehash", "trust"];

/// Programs that only ask for their own configuration, or change it.
const CONFIGURES: &[&str] = &["c", "config", "env", "set"];

/// Parts of flags that change how a program verifies.
const SWITCHES: &[&str] = &["tls", "insecure", "verify", "trusted", "ssl", "no-check"];

/// Every way in which the container runs the client, at least one. `host` tells which command asks, where several do.
pub(super) fn runs(client: Client, host: &str, commands: &[Command], all: &[String]) -> Vec<Run> {
    if client == Client::Kaniko {
        // Its flags are followed, wherever they stand.
        return vec![Run { words: all.to_vec(), ..Run::default() }];
    }
    let rebuilds = all.iter().find(|word| REBUILDS.contains(&word.as_str())).cloned();
    let is_git = matches!(client, Client::Git | Client::GitOpenssl);
    // Go runs git for modules that come straight from their hosts.
    let git = ["git", "go"].into_iter().find(|name| commands.iter().any(|command| command.program() == *name));
    let is_own = |command: &Command| match git {
        Some(git) if is_git => command.program() == git,
        _ => clients::runs(client, command),
    };
    let runs = |command: &&Command| {
        is_own(command) && !command.words.get(1).is_some_and(|word| CONFIGURES.contains(&word.as_str()))
    };
    let mut own: Vec<usize> = (0..commands.len()).filter(|at| runs(&&commands[*at])).collect();
    narrow(&mut own, |at| demand::is_fetch(&commands[at]));
    narrow(&mut own, |at| commands[at].words.iter().any(|word| word.contains(host)));
    if own.is_empty() {
        let assigned = commands.iter().flat_map(|command| &command.assignments).map(|(name, _)| name);
        let variable = || assigned.clone().find(|name| is_variable_of_trust(name)).cloned();
        let doubt = all.iter().find(|word| is_about(word)).cloned().or_else(variable);
        // What the words mean depends on the program, which is not among them.
        let program = if is_git { "git".to_owned() } else { String::new() };
        let others = if is_git { &[] } else { all };
        let words = std::iter::once(program).chain(others.iter().cloned()).collect();
        return vec![Run { words, doubt, rebuilds, ..Run::default() }];
    }
    let mut found: Vec<Run> = Vec::new();
    for at in own {
        let command = &commands[at];
        let is_through = is_git && command.program() != "git";
        let mut run = Run {
            words: if is_through { vec!["git".to_owned()] } else { command.words.clone() },
            assignments: command.assignments.clone(),
            rebuilds: rebuilds.clone(),
            doubt: own_doubt(command),
            ..Run::default()
        };
        for (place, other) in commands.iter().enumerate().filter(|(place, _)| *place != at) {
            // In a plain list what comes later changes nothing any more.
            if place > at && command.certain && other.certain {
                continue;
            }
            let writes = flags::writes(&other.words).filter(|_| shares(is_own(other), is_git, client, other));
            match writes {
                Some(setting) if other.certain && place < at => run.written.push(setting),
                Some((key, _)) => _ = run.doubt.get_or_insert(key),
                None => {
                    if let Some(word) = foreign_doubt(other, is_own(other)) {
                        run.doubt.get_or_insert(word);
                    }
                }
            }
        }
        if !found.contains(&run) {
            found.push(run);
        }
    }
    found
}

/// Whether everything that the container runs is known, and nothing of it builds a store. An image's own entry point may.
pub(super) fn are_readable(container: &Container, commands: &[Command], all: &[String]) -> bool {
    !container.command.is_empty()
        && !commands.iter().any(demand::is_opaque)
        && !all.iter().any(|word| REBUILDS.contains(&word.as_str()))
}

/// Leaves those that pass, if there are any.
fn narrow(own: &mut Vec<usize>, passes: impl Fn(usize) -> bool) {
    if own.iter().any(|at| passes(*at)) {
        own.retain(|at| passes(*at));
    }
}

/// Whether the client reads what the command writes: npm and pnpm have one file, git's is its own.
fn shares(is_own: bool, is_git: bool, client: Client, command: &Command) -> bool {
    match command.program() {
        "npm" | "pnpm" => matches!(client, Client::Npm | Client::Pnpm),
        "git" => is_git,
        _ => is_own,
    }
}

/// A word of the client's own command whose effect on its trust is not followed.
fn own_doubt(command: &Command) -> Option<String> {
    let is_switch = |word: &&str| {
        word.starts_with('-')
            && SWITCHES.iter().any(|part| word.contains(part))
            && !word.trim_start_matches('-').ends_with("verify")
    };
    let rest = flags::rest(&command.words);
    if let Some(word) = rest.iter().skip(1).find(|word| is_about(word) || is_switch(word)) {
        return Some((*word).to_owned());
    }
    if command.certain {
        return None;
    }
    // It may not run, or not with these variables.
    let variable = command.assignments.iter().find(|(name, _)| decides(name)).map(|(name, _)| name.clone());
    variable.or_else(|| flags::speaks(&command.words).then(|| command.words.join(" ")))
}

/// A word of another command that may change what the client trusts.
fn foreign_doubt(command: &Command, is_own: bool) -> Option<String> {
    if command.program() == "export" {
        // Its variables are among those of the commands behind it.
        let variable = command.words.iter().skip(1).find(|word| word.split('=').next().is_some_and(decides));
        return variable.filter(|_| !command.certain).cloned();
    }
    let is_client = clients::is_known(command.program());
    let words =
        if is_client { flags::rest(&command.words) } else { command.words.iter().map(String::as_str).collect() };
    // Another program's configuration is its own, as far as it is understood.
    if is_client && !is_own && flags::writes(&command.words).is_some() {
        return None;
    }
    words.into_iter().find(|word| is_about(word)).map(str::to_owned)
}

/// Whether a word is about certificates; names of packages and what builds a store are not meant.
fn is_about(word: &str) -> bool {
    let is_package = matches!(word, "ca-certificates" | "ca-certificates-bundle" | "ca-certificates-java");
    places::is_about_trust(word) && !is_package && !word.starts_with("update-ca-")
}

/// Whether a variable is about certificates by its name, whoever reads it.
fn is_variable_of_trust(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["cert", "ssl", "cafile", "cainfo", "ca_bundle", "tls", "insecure", "verify"]
        .iter()
        .any(|part| lower.contains(part))
}

fn decides(name: &str) -> bool {
    places::is_trust_variable(name) || super::is_switch(name)
}

impl Run {
    /// Whether neither variables nor settings are written for it.
    pub(super) fn sets_nothing(&self) -> bool {
        self.written.is_empty() && self.assignments.is_empty()
    }

    /// The variables that the command sees.
    pub(super) fn environment(&self, container: &Environment) -> Environment {
        let mut env = container.clone();
        for (name, value) in &self.assignments {
            if value.contains(['$', '`']) {
                env.unknown(name, &format!("a command sets it to `{value}`"));
            } else {
                env.set(name, value);
            }
        }
        env
    }

    /// A file that the command names, of which nobody knows whether the image has it: it is in none of the volumes.
    pub(super) fn unseen(&self, files: &Tree, container: &Container) -> Option<String> {
        let values = self.assignments.iter().filter(|(name, _)| decides(name)).chain(&self.written);
        let values = values.map(|(_, value)| value.as_str()).chain(flags::values(&self.words));
        let is_unseen = |path: &&str| {
            let below =
                |mount: &str| path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/') || rest.is_empty());
            files.find(path) == Found::Absent && !container.trust_mounts.iter().any(|mount| below(&mount.path))
        };
        let unseen = values.flat_map(places::paths).find(is_unseen)?;
        Some(format!("whether the image has {unseen}, which a command names, is not known"))
    }
}
