//! Settings that redirect a requirement and are not followed: they make its outcome unknown.

use crate::demand::Setting;
use crate::demand::shell::Command;
use crate::demand::tables::{self, covers, tables};
use crate::demand::url::Url;
use crate::model::object::EnvFrom;
use crate::model::object::TOOL_CONFIGURATION;

use super::view::Found;
use super::{Draft, Gathering};

/// Ecosystems whose clients take only the variable of the URL's own scheme: with `HTTP_PROXY`
/// alone their `https` traffic goes straight (Go net/http, libcurl, pip, RubyGems).
const STRICT_SCHEME: &[&str] = &["go", "python", "reg_*", "ruby", "rust", "vcs_*"];

/// Ecosystems whose clients read lower-case variables only.
const LOWER_CASE_ONLY: &[&str] = &["download", "os_*"];

impl Gathering<'_, '_> {
    /// Lays the container's settings over what it needs.
    pub(super) fn settings(&mut self) {
        let mut drafts = std::mem::take(&mut self.drafts);
        for draft in &mut drafts {
            self.other_settings(draft);
            self.proxy(draft);
            self.unread(draft);
        }
        self.drafts = drafts;
        if !self.drafts.is_empty() {
            self.proxy_itself();
        }
        let volumes = &self.spec.config_map_volumes;
        if !volumes.is_empty() && !self.drafts.is_empty() {
            let mut names: Vec<&str> = volumes.iter().map(AsRef::as_ref).collect();
            names.sort_unstable();
            self.note(&format!("may take settings from ConfigMap volumes, which are not read: {}", names.join(", ")));
        }
    }

    /// Variables, flags, files and volumes of the ecosystem itself.
    fn other_settings(&self, draft: &mut Draft) {
        let Some(id) = draft.redirected_by.as_deref().filter(|_| draft.requirement.doubt.is_none()) else { return };
        let variable = self.view.variables().find_map(|(name, found)| {
            let variable = tables().variable(name).filter(|variable| covers(variable.ecosystems, id))?;
            // Go's own variables were followed; only a settings file of it was not.
            let followed = id == "go" && name != "GOENV";
            let holds =
                |text: &str| variable.texts.is_empty() || variable.texts.split(',').any(|part| text.contains(part));
            (!followed && found.text().is_none_or(holds)).then_some(found)
        });
        if let Some(found) = variable {
            let doubt = match &found.value {
                Err(why) => format!("{} redirects it and is not followed: {why}", self.quote(&found)),
                Ok(_) => format!("{} redirects it and is not followed", self.quote(&found)),
            };
            draft.requirement.doubt = Some(doubt);
            draft.requirement.setting = Some(found.setting);
        } else if let Some(what) = self.written_redirect(id) {
            draft.requirement.doubt = Some(format!("{what} may redirect it and is not followed"));
        }
    }

    /// A flag, a file that a command touches, or a volume that redirects an ecosystem.
    pub(super) fn written_redirect(&self, id: &str) -> Option<String> {
        let table = || tables().redirects.iter().filter(|redirect| covers(redirect.ecosystems, id));
        let is_flag =
            |word: &str, text: &str| word == text || word.strip_prefix(text).is_some_and(|rest| rest.starts_with('='));
        let in_command = |command: &Command| {
            table().find_map(|redirect| {
                let word =
                    command.words.iter().skip(1).chain(command.words.first().filter(|w| w.starts_with('-'))).find(
                        |word| match redirect.place {
                            "volume" => false,
                            "*" => word.contains(redirect.text),
                            program => program == command.program() && is_flag(word, redirect.text),
                        },
                    )?;
                Some(format!("`{}` of `{}`", word.split('=').next().unwrap_or(word), command.program()))
            })
        };
        let mounted = || {
            let mounts = self.view.container.mounts.iter();
            let concerns = |path: &&crate::model::Str| {
                let path = path.to_ascii_lowercase();
                TOOL_CONFIGURATION
                    .iter()
                    .filter(|(part, _)| path.contains(part))
                    .any(|(_, ids)| ids.iter().any(|own| *own == id || (own.ends_with('_') && id.starts_with(own))))
            };
            mounts.into_iter().find(concerns).map(|path| format!("what is mounted at `{path}`"))
        };
        self.view.commands.iter().find_map(in_command).or_else(mounted).or_else(|| {
            let mut volumes = self.spec.config_map_volumes.iter();
            volumes.find_map(|volume| {
                table()
                    .find(|r| r.place == "volume" && volume.contains(r.text))
                    .map(|_| format!("the mounted ConfigMap `{volume}`"))
            })
        })
    }

    /// Proxy variables: which clients take which is known (curl, Go, pip, npm, apt documentation
    /// and sources), what the proxy then lets through is not.
    fn proxy(&self, draft: &mut Draft) {
        if draft.requirement.doubt.is_some() || draft.scheme == "ssh" || draft.scheme == "git" {
            return;
        }
        let id = draft.requirement.ecosystem.as_deref().unwrap_or_default();
        let in_list = |list: &[&str]| list.iter().any(|pattern| covers(pattern, id));
        let mut names = tables::PROXIES.to_vec();
        if draft.scheme != "https" || !in_list(STRICT_SCHEME) {
            names.extend(tables::HTTP_PROXIES);
        }
        let Some(found) = names.iter().find_map(|name| self.seen_anywhere(name)) else { return };
        if self.goes_straight(&draft.written, in_list(LOWER_CASE_ONLY)) {
            return;
        }
        draft.requirement.doubt = Some(format!("{} names a proxy, which is not followed", self.quote(&found)));
        draft.requirement.setting = Some(found.setting);
    }

    /// A variable as the container or any of its commands sets it.
    fn seen_anywhere(&self, name: &str) -> Option<Found> {
        let mut commands = self.view.commands.iter();
        self.view.variable(name).or_else(|| commands.find_map(|c| self.view.seen_by(name, Some(c))))
    }

    /// Whether NO_PROXY surely exempts a host: by its own name or by a suffix with a dot before
    /// it, which every client takes alike. CIDR blocks, wildcards and ports are read differently.
    fn goes_straight(&self, host: &str, lower_case_only: bool) -> bool {
        let exempts = |name: &str| {
            self.view.variable(name).map(|found| {
                found.text().is_some_and(|list| {
                    list.split(',').any(|entry| entry == host || (entry.starts_with('.') && host.ends_with(entry)))
                })
            })
        };
        match (exempts("no_proxy"), exempts("NO_PROXY")) {
            (Some(lower), Some(upper)) => lower && upper,
            (Some(lower), None) => lower,
            (None, Some(upper)) => upper && !lower_case_only,
            (None, None) => false,
        }
    }

    /// The proxy is a destination too, if its address can be read.
    fn proxy_itself(&mut self) {
        let names = tables::PROXIES.iter().chain(tables::HTTP_PROXIES);
        let found: Vec<Found> = names.filter_map(|name| self.view.variable(name)).collect();
        for found in found {
            let Some(text) = found.text() else { continue };
            let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
            if let Some(url) = Url::parse(&text)
                && self.reader.wants(Some(&"proxy".into()))
            {
                let why = "HTTP proxy; what goes through it depends on each client and on NO_PROXY".to_owned();
                self.url(&url, "proxy", false, why, Some(found.setting), None);
            }
        }
    }

    /// `envFrom`: variables whose names nobody knows here may be a proxy or a registry.
    fn unread(&self, draft: &mut Draft) {
        let redirects = |source: &&EnvFrom| {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let may_be = |name: &str| prefix.is_empty() || name.starts_with(prefix);
            let proxies = tables::PROXIES.iter().chain(tables::HTTP_PROXIES).any(|name| may_be(name));
            proxies || tables().variables.iter().any(|variable| may_be(variable.name))
        };
        if draft.requirement.doubt.is_none()
            && let Some(source) = self.view.container.env_from.iter().find(redirects)
        {
            let container = &self.view.container.name;
            draft.requirement.doubt = Some(match &source.doubt {
                Some(why) => format!("container `{container}` takes variables from a ConfigMap: {why}"),
                None => format!(
                    "container `{container}` takes variables from {} {}, which was not read: a proxy or a registry may be among them",
                    source.kind, source.name
                ),
            });
        }
    }

    /// A setting with its place, for a sentence.
    fn quote(&self, found: &Found) -> String {
        let Setting { text, source, line } = &found.setting;
        let file = self.reader.snapshot.source(*source);
        let place = match (file.is_empty(), line) {
            (true, _) => String::new(),
            (false, 0) => format!(" ({file})"),
            (false, line) => format!(" ({file}:{line})"),
        };
        format!("`{text}` of container `{}`{place}", self.view.container.name)
    }
}
