//! Image references.

use super::pattern::glob;

/// The parts of an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image<'a> {
    /// Registry with its port; `docker.io` if the reference names none.
    pub(super) registry: &'a str,
    /// Repository without registry, tag and digest.
    pub(super) path: &'a str,
    /// Tag, empty if there is none.
    pub(super) tag: &'a str,
    /// The repository behind a project such as `dockerhub` or `docker-proxy`.
    mirrored: Option<&'a str>,
    /// The name of an official image of Docker Hub, also where it was mirrored: `library/golang`
    /// in any registry, `golang` at the root of one, or below a project that is named for what it mirrors.
    official: Option<&'a str>,
}

/// Docker Hub, as references name it or leave it out.
pub(super) const DOCKER_HUB: &str = "docker.io";

impl<'a> Image<'a> {
    /// Splits a reference by the rule of the distribution project: the first component is a registry
    /// only if it holds a dot or a colon or is `localhost`. `None` for what holds a placeholder.
    pub(super) fn parse(reference: &'a str) -> Option<Self> {
        let reference = reference.trim();
        if reference.is_empty() || reference.contains(['$', '{', '<', ' ', '%']) {
            return None;
        }
        let name = reference.split('@').next().unwrap_or(reference);
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DOCKER_HUB, name),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (rest, ""),
        };
        let registry = match registry {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB,
            other => other,
        };
        // Many patterns are compared with one image.
        let mirrored = mirrored(registry, path);
        Some(Self { registry, path, tag, mirrored, official: official(mirrored.unwrap_or(path)) })
    }

    /// Whether the image is the one that a pattern of the data names. `golang` is the official
    /// image, wherever it was mirrored; `oven/bun` is that repository of Docker Hub or of a mirror
    /// of it; `gcr.io/x/*` names the registry as well, `*/x` any; `*:…` looks at the tag.
    pub(super) fn is(&self, pattern: &str) -> bool {
        if let Some((name, tag)) = pattern.split_once(':') {
            return glob(tag, self.tag) && (name == "*" || self.is(name));
        }
        match pattern.split_once('/') {
            Some(_) if pattern.starts_with('*') => {
                let end = pattern.rsplit('*').next().unwrap_or_default();
                (end.len() > self.path.len() || self.path.ends_with(end))
                    && glob(pattern, &format!("{}/{}", self.registry, self.path))
            }
            None => self.official.is_some_and(|name| glob(pattern, name)),
            Some((registry, path)) if registry.contains('.') => {
                (glob(registry, self.registry) && glob(path, self.path))
                    // A pull-through mirror puts the origin into the path.
                    || self.path.split_once('/').is_some_and(|(r, p)| glob(registry, r) && glob(path, p))
            }
            Some(_) => {
                if self.registry == DOCKER_HUB {
                    glob(pattern, self.path)
                } else {
                    self.mirrored.is_some_and(|path| glob(pattern, path))
                }
            }
        }
    }
}

fn official(path: &str) -> Option<&str> {
    let name = path.strip_prefix("library/").unwrap_or(path);
    if let Some((_, name)) = name.rsplit_once("/library/") {
        return Some(name);
    }
    (!name.contains('/')).then_some(name)
}

fn mirrored<'a>(registry: &str, path: &'a str) -> Option<&'a str> {
    let (project, path) = path.split_once('/')?;
    let is_mirror = registry != DOCKER_HUB
        && ["docker", "hub", "proxy", "mirror", "cache"].iter().any(|word| project.contains(word));
    is_mirror.then_some(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn references_are_split_as_clients_do() {
        for (reference, parts) in [
            ("golang", ("docker.io", "golang", "")),
            ("golang:1.22-alpine", ("docker.io", "golang", "1.22-alpine")),
            ("oven/bun@sha256:ab", ("docker.io", "oven/bun", "")),
            ("localhost/x:1", ("localhost", "x", "1")),
            ("r.corp:5000/a/b", ("r.corp:5000", "a/b", "")),
            ("index.docker.io/library/node:20", ("docker.io", "library/node", "20")),
            ("gcr.io/kaniko-project/executor:v1.23.2@sha256:ab", ("gcr.io", "kaniko-project/executor", "v1.23.2")),
        ] {
            let image = Image::parse(reference).unwrap();
            assert_eq!((image.registry, image.path, image.tag), parts, "{reference}");
        }
        for none in ["", "$(params.image)", "{{ .Values.image }}", "%{IMAGE}"] {
            assert!(Image::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn official_images_are_known_in_mirrors_but_not_by_chance() {
        for (reference, pattern, is) in [
            ("golang:1.22", "golang", true),
            ("library/golang", "golang", true),
            ("harbor.corp/dockerhub/library/golang:1", "golang", true),
            ("harbor.corp/docker-proxy/golang:1", "golang", true),
            ("registry.corp/golang", "golang", true),
            ("public.ecr.aws/docker/library/golang", "golang", true),
            ("quay.io/calico/node:v3", "node", false),
            ("calico/node:v3", "node", false),
            ("mirror.corp/oven/bun", "oven/bun", false),
            ("mirror.corp/hub/oven/bun", "oven/bun", true),
            ("gcr.io/kaniko-project/executor:debug", "gcr.io/kaniko-project/executor", true),
            ("harbor.corp/gcr.io/kaniko-project/executor", "gcr.io/kaniko-project/executor", true),
            ("docker:24-dind", "docker:*dind*", true),
            ("docker:24", "docker:*dind*", false),
            ("cgr.dev/chainguard/go:latest", "cgr.dev/*/go", true),
            ("python:3.12-slim", "*:*-slim*", true),
        ] {
            assert_eq!(Image::parse(reference).unwrap().is(pattern), is, "{reference} {pattern}");
        }
    }
}
