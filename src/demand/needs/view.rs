//! A container as its build tools see it: commands, image, and settings with their places.

use crate::demand::Setting;
use crate::demand::image::Image;
use crate::demand::shell::{self, Command, Scripts};
use crate::model::object::{Container, EnvValue, EnvVar};

/// A setting that was found, whether or not its value can be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// The value, or why it is not known.
    pub(super) value: Result<String, String>,
    pub(super) setting: Setting,
}

impl Found {
    /// The value, if it can be read.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.as_deref().ok()
    }
}

/// One container of a specification.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) container: &'a Container,
    pub(super) image: Option<Image<'a>>,
    pub(super) commands: Vec<Command>,
    /// Source index of the pod or template.
    source: u32,
    /// Everything that names hosts or tools, in lower case.
    text: String,
}

impl<'a> View<'a> {
    pub(super) fn new(container: &'a Container, source: u32, scripts: &Scripts) -> Self {
        let commands = shell::commands(container, scripts);
        let values = container.env.iter().filter_map(|variable| match &variable.value {
            EnvValue::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let words = commands.iter().flat_map(|c| c.words.iter().chain(c.assignments.iter().map(|(_, value)| value)));
        let text = words.map(String::as_str).chain(values).chain(container.image.as_deref());
        let text = text.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let image = container.image.as_deref().and_then(Image::parse);
        Self { container, image, commands, source, text }
    }

    /// Whether a command, a value or the image holds the text.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.text.contains(&text.to_ascii_lowercase())
    }

    /// A variable as the container sets it: the last of a name counts, and an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<Found> {
        let at = self.container.env.iter().rposition(|variable| variable.name == name)?;
        let found = self.read(&self.container.env[at], at);
        (found.text() != Some("")).then_some(found)
    }

    /// Every variable that is set, with what it is set to.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, Found)> {
        self.container.env.iter().enumerate().filter_map(|(at, variable)| {
            let found = self.read(variable, at);
            (found.text() != Some("")).then_some((variable.name.as_str(), found))
        })
    }

    /// A variable as a command sees it: its own assignments come before the container's.
    pub(super) fn seen_by(&self, name: &str, command: Option<&Command>) -> Option<Found> {
        let assigned = command.and_then(|c| c.assignments.iter().rev().find(|(known, _)| known == name));
        let Some((_, value)) = assigned else { return self.variable(name) };
        if value.is_empty() {
            return None;
        }
        let setting = Setting { text: format!("{name}={value}"), source: self.source, line: 0 };
        let value = if value.contains(['$', '`']) {
            self.expand_shell(value, command)
                .ok_or_else(|| format!("`{name}` is set in a script to `{value}`, which is not known here"))
        } else {
            Ok(value.clone())
        };
        Some(Found { value, setting })
    }

    /// A setting that a command makes by itself, such as `go env -w`.
    pub(super) fn written(&self, name: &str, value: &str) -> Found {
        let setting = Setting { text: format!("{name}={value}"), source: self.source, line: 0 };
        let value = if value.contains(['$', '`']) {
            Err(format!("`{name}` is set to `{value}`, which is not known here"))
        } else {
            Ok(value.to_owned())
        };
        Found { value, setting }
    }

    fn read(&self, variable: &EnvVar, at: usize) -> Found {
        let name = &variable.name;
        let place = |text: String| Setting { text, source: self.source, line: variable.line };
        match &variable.value {
            EnvValue::Text(text) if variable.place.is_some() => {
                Found { value: Ok(text.to_string()), setting: self.placed(variable, &format!("{name}={text}")) }
            }
            EnvValue::Text(text) => {
                let value = self
                    .expand(text, at)
                    .ok_or_else(|| format!("`{name}` refers to a variable that is not known here"));
                Found { value, setting: place(format!("{name}={text}")) }
            }
            EnvValue::NotKept => {
                Found { value: Err(format!("the value of `{name}` was not read")), setting: place(name.to_string()) }
            }
            EnvValue::From(object) => Found {
                value: Err(format!("`{name}` comes from {object}, which was not read")),
                setting: place(format!("{name} from {object}")),
            },
            // References are looked up before anybody looks at a container.
            EnvValue::ConfigMapKey(selector) => Found {
                value: Err(format!("`{name}` comes from ConfigMap {}, which was not read", selector.name)),
                setting: place(format!("{name} from ConfigMap {}", selector.name)),
            },
            EnvValue::Unknown(why) => {
                Found { value: Err(format!("`{name}` is not known: {why}")), setting: self.placed(variable, name) }
            }
        }
    }

    /// A setting where its ConfigMap has it, else where the pod has it.
    fn placed(&self, variable: &EnvVar, text: &str) -> Setting {
        match variable.place.as_deref() {
            Some(place) => {
                let key = if place.key == variable.name { String::new() } else { format!("key {} of ", place.key) };
                Setting { text: format!("{text} of {key}{}", place.object), source: place.source, line: place.line }
            }
            None => Setting { text: text.to_owned(), source: self.source, line: variable.line },
        }
    }

    /// Kubernetes expands `$(NAME)` by what stands before it in the list; `$$` is one `$`.
    fn expand(&self, text: &str, at: usize) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('(') {
                let (name, after) = after.split_once(')')?;
                let earlier = self.container.env[..at].iter().rposition(|variable| variable.name == name)?;
                out.push_str(self.read(&self.container.env[earlier], earlier).text()?);
                rest = after;
            } else {
                out.push('$');
            }
        }
        out.push_str(rest);
        Some(out)
    }

    /// `$NAME` and `${NAME}` of a script, as far as the container's variables tell.
    fn expand_shell(&self, text: &str, command: Option<&Command>) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find(['$', '`']) {
            out.push_str(&rest[..dollar]);
            rest = rest[dollar..].strip_prefix('$')?;
            let (name, after) = if let Some(braced) = rest.strip_prefix('{') {
                braced.split_once('}')?
            } else {
                rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()))
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return None;
            }
            let assigned = command.and_then(|c| c.assignments.iter().find(|(known, _)| known == name));
            let value = match assigned {
                Some((_, value)) if !value.contains(['$', '`']) => value.clone(),
                Some(_) => return None,
                None => self.variable(name)?.value.ok()?,
            };
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn container(env: &[(&str, EnvValue)], script: &str) -> Container {
        Container {
            command: ["sh", "-c", script].map(Into::into).into_iter().collect(),
            env: env
                .iter()
                .map(|(name, value)| EnvVar { name: (*name).into(), value: value.clone(), line: 7, place: None })
                .collect(),
            ..Container::default()
        }
    }

    fn text(value: &str) -> EnvValue {
        EnvValue::Text(value.into())
    }

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let c = container(
            &[
                ("HOST", text("nexus")),
                ("A", text("https://$(HOST)/go")),
                ("B", text("$(LATER)")),
                ("LATER", text("x")),
                ("C", text("$$(HOST)$")),
                ("D", text("$(S)")),
                ("S", EnvValue::From("Secret ci/x".into())),
                ("E", text("$(S)")),
                ("EMPTY", text("")),
                ("HOST", text("second")),
            ],
            "",
        );
        let view = View::new(&c, 3, &Scripts::new());
        let value = |name: &str| view.variable(name).map(|found| found.value.ok());
        assert_eq!(value("A"), Some(Some("https://nexus/go".to_owned())));
        assert_eq!(value("B"), Some(None));
        assert_eq!(value("C"), Some(Some("$(HOST)$".to_owned())));
        assert_eq!((value("D"), value("E")), (Some(None), Some(None)));
        assert_eq!((value("EMPTY"), value("NONE")), (None, None));
        assert_eq!(value("HOST"), Some(Some("second".to_owned())));
        assert_eq!(
            view.variable("S").unwrap().setting,
            Setting { text: "S from Secret ci/x".to_owned(), source: 3, line: 7 }
        );
        assert_eq!(view.variable("S").unwrap().value.unwrap_err(), "`S` comes from Secret ci/x, which was not read");
    }

    #[test]
    fn a_command_sees_its_own_assignments_first() {
        let c = container(
            &[("GOPROXY", text("https://a")), ("M", text("https://m"))],
            "GOPROXY=${M}/x go build; GOPROXY=$(cat f) go test; GOPROXY= go vet; go list",
        );
        let view = View::new(&c, 0, &Scripts::new());
        let seen: Vec<_> = view
            .commands
            .iter()
            .filter(|c| c.program() == "go")
            .map(|c| view.seen_by("GOPROXY", Some(c)).map(|f| f.value.ok()))
            .collect();
        assert_eq!(seen[0], Some(Some("https://m/x".to_owned())));
        assert_eq!(seen.last().unwrap(), &Some(Some("https://a".to_owned())));
        assert!(view.mentions("HTTPS://M"));
    }
}
