//! What commands fetch by URL: repositories, files, and the CI server of an agent.

use crate::demand::shell::Command;
use crate::demand::tables::tables;
use crate::demand::url::Url;

use super::Gathering;

/// Programs that fetch the URLs among their words.
const DOWNLOADERS: &[&str] = &["aria2c", "curl", "helm", "kubectl", "pip", "wget"];

/// Flags of these programs whose value is a URL, but not the one that is fetched.
const NOT_A_TARGET: &[&str] = &["--proxy", "--referer", "-e", "-x"];

/// Commands of git that talk to a remote.
const GIT: &[&str] = &["git clone", "git fetch", "git ls-remote", "git remote add", "git submodule add"];

/// Public repository hosts with an ecosystem of their own.
const REPOSITORIES: &[(&str, &str)] =
    &[("bitbucket.org", "vcs_bitbucket"), ("github.com", "vcs_github"), ("gitlab.com", "vcs_gitlab")];

/// Whether a command fetches something that [`Gathering::fetches`] or [`Gathering::images`] sees.
pub(in crate::demand) fn is_fetch(command: &Command) -> bool {
    let is_git = GIT.iter().any(|pattern| command.is(pattern));
    let downloads = DOWNLOADERS.contains(&command.program()) && command.words.iter().any(|word| word.contains("://"));
    is_git || downloads || tables().command_rules(command).next().is_some()
}

impl Gathering<'_, '_> {
    /// URLs that are written out in commands.
    pub(super) fn fetches(&mut self) {
        for command in &self.view.commands {
            if GIT.iter().any(|pattern| command.is(pattern)) {
                let remotes: Vec<Url> = command.words[1..].iter().filter_map(|word| Url::git_remote(word)).collect();
                for url in &remotes {
                    self.repository(url);
                }
                if remotes.is_empty() && command.is("git clone") {
                    self.note("clones a repository whose host is not known here");
                }
            } else if DOWNLOADERS.contains(&command.program()) {
                for (flag, word) in command.words.iter().zip(&command.words[1..]) {
                    // `name @ git+https://…` is one word or two.
                    let word = word.find("git+").map_or(word.as_str(), |at| &word[at..]);
                    let is_target = !NOT_A_TARGET.contains(&flag.as_str()) && command.program() != "pip";
                    match Url::parse(word) {
                        Some(url) if word.starts_with("git+") => self.repository(&url),
                        Some(url) if is_target && (url.scheme == "http" || url.scheme == "https") => {
                            self.download(&url, command.program());
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn repository(&mut self, url: &Url) {
        let id = REPOSITORIES.iter().find(|(host, _)| *host == url.host).map_or("vcs_other", |(_, id)| *id);
        self.url(url, id, true, "repository that a command fetches".to_owned(), None, Some(id));
    }

    fn download(&mut self, url: &Url, program: &str) {
        self.url(url, "download", true, format!("URL that {program} fetches"), None, Some("download"));
        if url.host == "github.com" {
            // A release or an archive is served by another host.
            self.rows("vcs_github", false, |row| row.kind == "blob");
        }
    }

    /// The CI server of an agent, where the pod names it.
    pub(super) fn ci_server(&mut self) {
        const NAMES: [&str; 5] = ["JENKINS_URL", "JENKINS_TUNNEL", "CI_SERVER_URL", "AZP_URL", "CI_API_V4_URL"];
        let mut told = false;
        for found in NAMES.iter().filter_map(|name| self.view.variable(name)) {
            let url = found.text().and_then(|text| {
                // JENKINS_TUNNEL is `HOST:PORT`.
                Url::parse(text).or_else(|| {
                    let (host, port) = Url::authority(text)?;
                    Some(Url { scheme: "tcp".to_owned(), host, port: port? })
                })
            });
            if let Some(url) = url {
                told = true;
                self.url(
                    &url,
                    "ci_server",
                    true,
                    "CI server that the agent talks to".to_owned(),
                    Some(found.setting),
                    None,
                );
            }
        }
        if !told {
            self.note("talks to a CI server whose address is not known here");
        }
    }
}
