//! The detection tables: data of the project, read once when something is first asked of them.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::image::Image;
use super::pattern::glob;
use super::shell::Command;

/// What a line of `tools.tsv` speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) pattern: &'static str,
    /// One ecosystem, or several among which the image's distribution decides.
    pub(super) ecosystems: &'static str,
}

/// One way to tell a build system (`signals.tsv`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) system: &'static str,
    pub(super) weight: f64,
    pub(super) kind: &'static str,
    pub(super) pattern: &'static str,
    /// Ecosystems, or `build:…`; empty if the sign tells nothing about needs.
    pub(super) needs: &'static str,
}

/// A variable that redirects a toolchain (`variables.tsv`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) ecosystems: &'static str,
    /// It redirects only if its value holds one of these texts; empty for any value.
    pub(super) texts: &'static str,
}

/// A flag, file or volume that redirects a toolchain (`redirects.tsv`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Redirect {
    pub(super) place: &'static str,
    pub(super) text: &'static str,
    pub(super) ecosystems: &'static str,
}

/// All tables.
#[derive(Debug)]
pub(super) struct Tables {
    tools: FxHashMap<&'static str, Vec<Tool>>,
    rules: FxHashMap<&'static str, Vec<Rule>>,
    labels: FxHashMap<&'static str, Vec<Rule>>,
    /// Lines that speak of commands with their kind, by program.
    programs: FxHashMap<&'static str, Vec<(&'static str, Tool)>>,
    command_rules: FxHashMap<&'static str, Vec<Rule>>,
    pub(super) variables: Vec<Variable>,
    /// Those among them whose name is a prefix.
    prefixes: Vec<Variable>,
    pub(super) redirects: Vec<Redirect>,
}

fn rows(text: &'static str) -> impl Iterator<Item = [&'static str; 5]> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut columns = line.split('\t');
        std::array::from_fn(|_| columns.next().unwrap_or_default())
    })
}

/// The tables, read at the first call.
pub(super) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tools: FxHashMap<_, Vec<_>> = FxHashMap::default();
        let mut programs: FxHashMap<_, Vec<_>> = FxHashMap::default();
        let mut command_rules: FxHashMap<_, Vec<_>> = FxHashMap::default();
        let program = |pattern: &'static str| pattern.split(' ').next().unwrap_or(pattern);
        for [kind, pattern, ecosystems, ..] in rows(include_str!("data/tools.tsv")) {
            let tool = Tool { pattern, ecosystems };
            tools.entry(kind).or_default().push(tool);
            if matches!(kind, "command" | "package") {
                programs.entry(program(pattern)).or_default().push((kind, tool));
            }
        }
        let mut rules: FxHashMap<_, Vec<_>> = FxHashMap::default();
        let mut labels: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for [system, weight, kind, pattern, needs] in rows(include_str!("data/signals.tsv")) {
            let rule = Rule { system, weight: weight.parse().unwrap_or_default(), kind, pattern, needs };
            if kind == "label" {
                labels.entry(pattern.split('=').next().unwrap_or(pattern)).or_default().push(rule);
            } else {
                if kind == "command" {
                    command_rules.entry(program(pattern)).or_default().push(rule);
                }
                rules.entry(kind).or_default().push(rule);
            }
        }
        let variables: Vec<Variable> = rows(include_str!("data/variables.tsv"))
            .map(|[name, ecosystems, texts, ..]| Variable { name, ecosystems, texts })
            .collect();
        Tables {
            tools,
            rules,
            labels,
            programs,
            command_rules,
            prefixes: variables.iter().copied().filter(|variable| variable.name.ends_with('*')).collect(),
            variables,
            redirects: rows(include_str!("data/redirects.tsv"))
                .map(|[place, text, ecosystems, ..]| Redirect { place, text, ecosystems })
                .collect(),
        }
    })
}

impl Tables {
    /// Lines of one kind of `tools.tsv`.
    pub(super) fn tools(&self, kind: &str) -> &[Tool] {
        self.tools.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Lines of one kind of `signals.tsv`, labels by exact key excepted.
    pub(super) fn rules(&self, kind: &str) -> &[Rule] {
        self.rules.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Whether there is a rule for labels of this key.
    pub(super) fn has_label(&self, key: &str) -> bool {
        self.labels.contains_key(key)
    }

    /// Rules for a label.
    pub(super) fn label<'a>(&'a self, key: &str, value: &'a str) -> impl Iterator<Item = &'a Rule> {
        let exact = self.labels.get(key).map_or(&[] as &[Rule], Vec::as_slice).iter();
        exact.filter(move |rule| rule.pattern.split_once('=').is_none_or(|(_, wanted)| glob(wanted, value)))
    }

    /// The toolchain of an image.
    pub(super) fn image(&self, image: &Image<'_>) -> Option<&Tool> {
        self.tools("image").iter().find(|tool| image.is(tool.pattern))
    }

    /// The toolchain that a command runs.
    pub(super) fn command(&self, command: &Command) -> Option<&Tool> {
        self.of_program("command", command).find(|tool| command.is(tool.pattern)).or_else(|| {
            // `yarn` without a word installs.
            let bare_yarn = command.program() == "yarn" && command.words[1..].iter().all(|word| word.starts_with('-'));
            self.of_program("command", command).find(|tool| bare_yarn && tool.pattern == "yarn install")
        })
    }

    /// The system packages that a command installs.
    pub(super) fn package(&self, command: &Command) -> Option<&Tool> {
        self.of_program("package", command).find(|tool| command.is(tool.pattern))
    }

    fn of_program(&self, kind: &str, command: &Command) -> impl Iterator<Item = &Tool> {
        let lines = self.programs.get(command.program()).map_or(&[] as &[_], Vec::as_slice);
        lines.iter().filter(move |(known, _)| *known == kind).map(|(_, tool)| tool)
    }

    /// The signs of build systems in a command.
    pub(super) fn command_rules<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = &'a Rule> {
        let rules = self.command_rules.get(command.program()).map_or(&[] as &[Rule], Vec::as_slice);
        rules.iter().filter(|rule| command.is(rule.pattern))
    }

    /// The ecosystem of an image's distribution.
    pub(super) fn distribution(&self, image: &Image<'_>) -> Option<&'static str> {
        self.tools("distro").iter().find(|tool| image.is(tool.pattern)).map(|tool| tool.ecosystems)
    }

    /// The ecosystem of a public registry.
    pub(super) fn registry(&self, host: &str) -> Option<&'static str> {
        self.tools("registry").iter().find(|tool| glob(tool.pattern, host)).map(|tool| tool.ecosystems)
    }

    /// The variable of a name.
    pub(super) fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name.eq_ignore_ascii_case(name)).or_else(|| {
            self.prefixes.iter().find(|variable| {
                let prefix = variable.name.trim_end_matches('*');
                name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
        })
    }

    /// The names of the build systems, in the order of the table.
    pub(super) fn systems() -> Vec<&'static str> {
        let mut systems: Vec<_> = rows(include_str!("data/signals.tsv")).map(|[system, ..]| system).collect();
        systems.dedup();
        systems
    }
}

/// Whether an ecosystem is among those of a table's column: `go`, `reg_*`, `*`.
pub(super) fn covers(ecosystems: &str, id: &str) -> bool {
    ecosystems.split(' ').any(|pattern| glob(pattern, id))
}

/// Variables that name a proxy for URLs of every kind, in the spelling that programs read.
pub(super) const PROXIES: &[&str] = &["ALL_PROXY", "HTTPS_PROXY", "all_proxy", "https_proxy"];

/// Variables that name a proxy for `http` URLs; some clients take them for `https` as well.
pub(super) const HTTP_PROXIES: &[&str] = &["HTTP_PROXY", "http_proxy"];

#[cfg(test)]
mod tests {
    use super::super::catalogue::Catalogue;
    use super::*;

    #[test]
    fn tables_name_ecosystems_that_exist() {
        let catalogue = Catalogue::builtin();
        let known = |id: &str| catalogue.title(id) != id;
        for kind in ["image", "command", "package", "distro", "registry"] {
            assert!(!tables().tools(kind).is_empty(), "{kind}");
            for tool in tables().tools(kind) {
                assert!(tool.ecosystems.split(' ').all(known), "{kind} {}", tool.pattern);
            }
        }
        for rule in tables().rules.values().chain(tables().labels.values()).flatten() {
            assert!(rule.weight > 0.0 && rule.weight <= 1.0, "{rule:?}");
            assert!(rule.needs.is_empty() || rule.needs.starts_with("build:") || known(rule.needs), "{rule:?}");
        }
        let lists =
            tables().variables.iter().map(|v| v.ecosystems).chain(tables().redirects.iter().map(|r| r.ecosystems));
        for id in lists.flat_map(|list| list.split(' ')) {
            assert!(known(id) || ["*", "reg_*", "vcs_*", "os_*"].contains(&id), "{id}");
        }
    }

    #[test]
    fn variables_are_known_in_any_case() {
        assert!(tables().variable("NPM_CONFIG_REGISTRY").is_some());
        assert!(tables().variable("CARGO_REGISTRIES_CORP_INDEX").is_some());
        assert!(tables().variable("CARGO_HOME").is_none());
        assert!(tables().variable("é").is_none());
        assert!(covers("vcs_* go", "go") && covers("vcs_* go", "vcs_github") && !covers("vcs_* go", "node"));
    }

    #[test]
    fn systems_of_the_table() {
        let systems = Tables::systems();
        for system in
            ["Tekton", "GitLab Runner", "Jenkins", "GitHub ARC", "Argo Workflows", "Kaniko", "BuildKit", "Buildah"]
        {
            assert!(systems.contains(&system), "{system}");
        }
    }
}
