//! The trust stores that images come with. Nobody sees into an image from outside, so a layout as distributions ship it
//! stands for it, which is an assumption of whatever rests on it.

use std::sync::LazyLock;

use super::tree::{Content, Entry, Tree};

/// The files of an image, as far as trust is concerned.
#[derive(Clone, Debug)]
pub struct Layout {
    /// `Debian`, …
    pub name: &'static str,
    /// Its files; what is not among them is not there.
    pub tree: Tree,
}

impl Layout {
    /// Whether it is that of Debian and what stands on it.
    pub fn is_debian(&self) -> bool {
        self.name == "Debian"
    }
}

/// How files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One bundle and a directory of hashed names.
    Debian,
    /// One bundle alone, as Alpine, distroless and images of one program have it.
    Bundle,
    /// The bundle of `update-ca-trust`.
    RedHat,
    /// Kaniko's own image, which keeps its roots out of the way of the image that it builds.
    Kaniko,
}

/// Parts of image references that tell a layout.
const WORDS: &[(&str, Kind)] = &[
    ("alpine", Kind::Bundle),
    ("wolfi", Kind::Bundle),
    ("chainguard", Kind::Bundle),
    ("cgr.dev", Kind::Bundle),
    ("distroless", Kind::Bundle),
    ("kaniko", Kind::Kaniko),
    ("buildkit", Kind::Bundle),
    ("debian", Kind::Debian),
    ("ubuntu", Kind::Debian),
    ("bookworm", Kind::Debian),
    ("bullseye", Kind::Debian),
    ("trixie", Kind::Debian),
    ("buildpack", Kind::Debian),
    ("slim", Kind::Debian),
    ("jammy", Kind::Debian),
    ("noble", Kind::Debian),
    ("ubi", Kind::RedHat),
    ("fedora", Kind::RedHat),
    ("centos", Kind::RedHat),
    ("rocky", Kind::RedHat),
    ("almalinux", Kind::RedHat),
    ("amazonlinux", Kind::RedHat),
    ("quay.io/buildah", Kind::RedHat),
    ("quay.io/podman", Kind::RedHat),
];

/// The layouts that an image may have: one where its reference plainly tells, otherwise all.
pub fn layouts(image: Option<&str>) -> Vec<&'static Layout> {
    static ALL: LazyLock<Vec<(Kind, Layout)>> = LazyLock::new(|| KINDS.map(|kind| (kind, kind.layout())).into());
    let kinds = kinds(image);
    ALL.iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, layout)| layout).collect()
}

fn kinds(image: Option<&str>) -> Vec<Kind> {
    let image = image.unwrap_or_default().to_ascii_lowercase();
    let words: Vec<&str> = image.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').collect();
    let told = WORDS.iter().find(|(word, _)| {
        words.iter().any(|part| part.strip_prefix(word).is_some_and(|rest| rest.chars().all(|c| !c.is_alphabetic())))
            || (word.contains(['/', '.']) && image.contains(word))
    });
    match told {
        Some((_, kind)) => vec![*kind],
        None => vec![Kind::Debian, Kind::Bundle, Kind::RedHat],
    }
}

const KINDS: [Kind; 4] = [Kind::Debian, Kind::Bundle, Kind::RedHat, Kind::Kaniko];

impl Kind {
    fn layout(self) -> Layout {
        let mut tree = Tree::new(true);
        let empty = || Entry::File(Content::Bytes(Vec::new().into()));
        let roots = || Entry::File(Content::PublicRoots);
        let link = |target: &str| Entry::Link(target.to_owned());
        let (name, entries) = match self {
            Self::Debian => (
                "Debian",
                vec![
                    ("/etc/debian_version", empty()),
                    ("/etc/ssl/certs", Entry::PublicDirectory),
                    ("/etc/ssl/certs/ca-certificates.crt", roots()),
                    ("/usr/lib/ssl/certs", link("/etc/ssl/certs")),
                ],
            ),
            Self::Bundle => (
                "Alpine",
                vec![
                    ("/etc/alpine-release", empty()),
                    ("/etc/ssl/certs/ca-certificates.crt", roots()),
                    ("/etc/ssl/cert.pem", link("/etc/ssl/certs/ca-certificates.crt")),
                ],
            ),
            Self::Kaniko => ("kaniko", vec![("/kaniko/ssl/certs/ca-certificates.crt", roots())]),
            Self::RedHat => (
                "Red Hat",
                vec![
                    ("/etc/redhat-release", empty()),
                    ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", roots()),
                    ("/etc/pki/tls/certs/ca-bundle.crt", link("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")),
                    ("/etc/pki/tls/cert.pem", link("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")),
                    ("/etc/ssl/certs", link("/etc/pki/tls/certs")),
                ],
            ),
        };
        for (path, entry) in entries {
            tree.put(path, entry);
        }
        // Where the images of Eclipse Temurin and of Maven and Gradle have theirs.
        tree.put("/opt/java/openjdk/lib/security/cacerts", roots());
        Layout { name, tree }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_tells_a_layout_or_none() {
        for (image, want) in [
            ("golang:1.26-alpine", &["Alpine"][..]),
            ("golang:1.26-alpine3.22", &["Alpine"]),
            ("python:3.14-slim-bookworm", &["Debian"]),
            ("gcr.io/kaniko-project/executor:v1.24.0", &["kaniko"]),
            ("registry.access.redhat.com/ubi9/nodejs-22", &["Red Hat"]),
            ("quay.io/buildah/stable:v1.38", &["Red Hat"]),
            ("golang:1.26", &["Debian", "Alpine", "Red Hat"]),
            ("corp.example/slimming:1", &["Debian", "Alpine", "Red Hat"]),
        ] {
            let names: Vec<&str> = layouts(Some(image)).iter().map(|layout| layout.name).collect();
            assert_eq!(names, want, "{image}");
        }
    }
}
