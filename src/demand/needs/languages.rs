//! Languages whose simplest settings are certain enough to be followed; all others are doubts.

use crate::demand::tables::{covers, tables};
use crate::demand::url::Url;

use super::Gathering;
use super::view::Found;

impl Gathering<'_, '_> {
    /// npm and its kin. `npm_config_registry` is followed for npm and pnpm, which both read it in
    /// any case and rewrite lock file entries of registry.npmjs.org to it (npm, `replace-registry-host`).
    pub(super) fn node(&mut self, required: bool) {
        let is_registry = |name: &str| name.eq_ignore_ascii_case("npm_config_registry");
        let registries: Vec<Found> =
            self.view.variables().filter(|(name, _)| is_registry(name)).map(|(_, found)| found).collect();
        let programs = ["bun", "bunx", "corepack", "npm", "npx", "pnpm", "yarn"];
        let followed = match registries.as_slice() {
            [found]
                if self.only_programs(&programs, &["npm", "npx", "pnpm"])
                    && self.only_variables("node", is_registry) =>
            {
                found.text().and_then(Url::parse).map(|url| (url, found.setting.clone()))
            }
            _ => None,
        };
        let Some((url, setting)) = followed else { return self.rows("node", required, |_| true) };
        self.url(&url, "node", required, "registry that npm_config_registry names".to_owned(), Some(setting), None);
        self.rows("node", false, |row| row.flow.is_none() && !row.host.starts_with("registry."));
    }

    /// pip and its kin. `PIP_INDEX_URL` and `PIP_EXTRA_INDEX_URL` are followed for pip, which asks
    /// every index for every package; uv, poetry and conda read other settings.
    pub(super) fn python(&mut self, required: bool) {
        let is_index = |name: &str| matches!(name, "PIP_INDEX_URL" | "PIP_EXTRA_INDEX_URL");
        let programs = ["conda", "mamba", "micromamba", "pdm", "pip", "pipenv", "poetry", "python", "uv", "uvx"];
        let known = self.only_programs(&programs, &["pip", "python"]) && self.only_variables("python", is_index);
        let index = self.view.variable("PIP_INDEX_URL");
        let extra = self.view.variable("PIP_EXTRA_INDEX_URL");
        let urls = |found: &Option<Found>| -> Option<Vec<Url>> {
            found.as_ref().map_or(Some(Vec::new()), |found| found.text()?.split_whitespace().map(Url::parse).collect())
        };
        let (Some(indexes), Some(extras), true) = (urls(&index), urls(&extra), known) else {
            return self.rows("python", required, |_| true);
        };
        for (urls, found) in [(&indexes, &index), (&extras, &extra)] {
            for url in urls {
                let why = "package index that the environment names; files may lie on other hosts that it links to";
                self.url(url, "python", required, why.to_owned(), found.as_ref().map(|f| f.setting.clone()), None);
            }
        }
        let from = self.drafts.len();
        self.rows("python", required, |row| indexes.is_empty() || row.flow.as_deref() != Some("pypi"));
        if !(indexes.is_empty() && extras.is_empty()) {
            // The index is known, so its variables redirect nothing any more.
            for draft in &mut self.drafts[from..] {
                draft.redirected_by = None;
            }
        }
    }

    /// Whether the container runs tools of the family, and only such ones.
    fn only_programs(&self, family: &[&str], followed: &[&str]) -> bool {
        let mut programs = self
            .view
            .commands
            .iter()
            .map(crate::demand::shell::Command::program)
            .filter(|p| family.contains(p))
            .peekable();
        programs.peek().is_some() && programs.all(|program| followed.contains(&program))
    }

    /// Whether no other variable, flag, file or volume redirects the ecosystem.
    fn only_variables(&self, id: &str, followed: impl Fn(&str) -> bool) -> bool {
        let variables = self.view.variables().all(|(name, _)| {
            followed(name) || tables().variable(name).is_none_or(|variable| !covers(variable.ecosystems, id))
        });
        variables && self.view.container.env_from.is_empty() && self.written_redirect(id).is_none()
    }
}
