//! Which program verifies the server that a requirement names.

use crate::demand::{Command, programs};
use crate::model::object::{Container, PodSpec};
use crate::trust::Client;

/// The programs that may verify. All that are listed count: only what they have in common is certain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Clients {
    pub(super) all: Vec<Client>,
    /// Nothing tells which of them it is.
    pub(super) guessed: bool,
}

impl Clients {
    fn one(client: Client) -> Self {
        Self { all: vec![client], guessed: false }
    }

    fn some(all: &[Client]) -> Self {
        Self { all: all.to_vec(), guessed: all.len() > 1 }
    }

    /// The programs that a container shows, where nobody says which of them asks.
    fn shown(runs: impl Fn(&str) -> bool) -> Self {
        let of = |table: &[(&[&str], &[Client])]| {
            let found = table.iter().filter(|(names, _)| names.iter().any(|name| runs(name)));
            let mut all: Vec<Client> = found.flat_map(|(_, clients)| clients.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        // What a command runs tells more than what its image holds.
        let all = [of(PROGRAMS), of(IMAGES)].into_iter().find(|all| !all.is_empty());
        all.map_or_else(Self::any, |all| Self::some(&all))
    }

    /// Programs of every family of rules, for what is not known at all.
    fn any() -> Self {
        Self::some(&[
            Client::Go,
            Client::CurlOpenssl,
            Client::Git,
            Client::Node,
            Client::PipLegacy,
            Client::Python,
            Client::Cargo,
            Client::Java,
            Client::Uv,
        ])
    }
}

/// Clients by the commands that run them.
const PROGRAMS: &[(&[&str], &[Client])] = &[
    (&["go"], &[Client::Go]),
    (&["npm", "npx"], &[Client::Npm]),
    (&["yarn"], &[Client::Yarn]),
    (&["pnpm"], &[Client::Pnpm]),
    (&["pip", "pip3"], &[Client::Pip, Client::PipLegacy]),
    (&["uv", "uvx"], &[Client::Uv]),
    (&["poetry", "twine", "conda"], &[Client::Requests]),
    (&["cargo"], &[Client::Cargo]),
    (&["mvn", "mvnw", "gradle", "gradlew", "sbt"], &[Client::Java]),
    (&["dotnet", "nuget"], &[Client::Dotnet]),
    (&["bundle", "gem"], &[Client::Ruby]),
    (&["curl"], &[Client::CurlOpenssl]),
    (&["wget"], &[Client::Wget]),
    (&["git"], &[Client::Git, Client::CurlOpenssl]),
    (&["helm", "terraform", "tofu", "cosign", "ko"], &[Client::Go]),
    (&["buildah", "podman", "skopeo"], &[Client::Containers]),
    (&["buildctl", "buildctl-daemonless.sh", "buildkitd"], &[Client::Buildkit]),
];

/// Whether a command runs the client.
pub(super) fn runs(client: Client, command: &Command) -> bool {
    let module = match command.words.as_slice() {
        [python, m, module, ..] if python == "python" && m == "-m" => Some(module.as_str()),
        _ => None,
    };
    let name = module.unwrap_or(command.program());
    PROGRAMS.iter().any(|(names, clients)| names.contains(&name) && clients.contains(&client) && !is_git(name, client))
}

/// `git` is a command of curl's library, and none of curl.
fn is_git(name: &str, client: Client) -> bool {
    name == "git" && client == Client::CurlOpenssl
}

/// Whether a program is a client of which the rules are known.
pub(super) fn is_known(name: &str) -> bool {
    PROGRAMS.iter().any(|(names, _)| names.contains(&name))
}

/// Clients by the last part of an image's name.
const IMAGES: &[(&[&str], &[Client])] = &[
    (&["golang"], &[Client::Go]),
    (&["node"], &[Client::Node, Client::Npm]),
    (&["python"], &[Client::Pip, Client::PipLegacy, Client::Python]),
    (&["rust"], &[Client::Cargo]),
    (&["maven", "gradle", "eclipse-temurin", "amazoncorretto"], &[Client::Java]),
    (&["ruby"], &[Client::Ruby]),
    (&["executor", "kaniko"], &[Client::Kaniko]),
    (&["buildkit"], &[Client::Buildkit]),
    (&["buildah", "podman", "skopeo"], &[Client::Containers]),
];

/// Who fetches from the endpoint of an ecosystem, in a container.
///
/// The ecosystem decides; where several programs of it differ, those that the container's commands and image name.
pub(super) fn clients(ecosystem: Option<&str>, host: &str, spec: &PodSpec, container: &Container) -> Clients {
    let names = programs(spec, container);
    let runs = |name: &str| names.iter().any(|known| known == name);
    let known = |known: &[(&str, Client)], otherwise: &[Client]| {
        let all: Vec<Client> = known.iter().filter(|(name, _)| runs(name)).map(|(_, client)| *client).collect();
        // A pod that runs several of them needs each.
        if all.is_empty() { Clients::some(otherwise) } else { Clients { all, guessed: false } }
    };
    let Some(ecosystem) = ecosystem.filter(|id| *id != "private_managers") else { return Clients::shown(runs) };
    let is_forge = hang_on(host);
    match ecosystem {
        // `direct` runs git.
        "go" if is_forge => Clients::some(&[Client::Git, Client::CurlOpenssl]),
        "go" | "helm" | "terraform" | "sigstore" | "ci_buildkite" => Clients::one(Client::Go),
        "node" => known(&[("npm", Client::Npm), ("yarn", Client::Yarn), ("pnpm", Client::Pnpm)], &[Client::Npm]),
        // pip beside another tool: which of them asks is not known.
        "python" if runs("pip") || runs("pip3") => Clients::shown(runs),
        "python" => known(
            &[
                ("uv", Client::Uv),
                ("uvx", Client::Uv),
                ("poetry", Client::Requests),
                ("conda", Client::Requests),
                ("mamba", Client::CurlOpenssl),
                ("twine", Client::Requests),
            ],
            // The version of pip decides, and no image tells it.
            &[Client::Pip, Client::PipLegacy],
        ),
        "rust" => Clients::one(Client::Cargo),
        "jvm" | "bazel" => Clients::one(Client::Java),
        "dotnet" => Clients::one(Client::Dotnet),
        "ruby" => Clients::one(Client::Ruby),
        "os_debian" | "os_ubuntu" => Clients::one(Client::Apt),
        "os_alpine" | "os_wolfi" => Clients::one(Client::Apk),
        "download" => {
            known(&[("curl", Client::CurlOpenssl), ("wget", Client::Wget)], &[Client::CurlOpenssl, Client::Wget])
        }
        // Debian links git with GnuTLS, others with OpenSSL.
        _ if ecosystem.starts_with("vcs_") => Clients::some(&[Client::Git, Client::CurlOpenssl]),
        _ if ecosystem.starts_with("reg_") => known(
            &[
                ("kaniko", Client::Kaniko),
                ("executor", Client::Kaniko),
                ("buildah", Client::Containers),
                ("podman", Client::Containers),
                ("skopeo", Client::Containers),
                ("buildkitd", Client::Buildkit),
                ("buildctl", Client::Buildkit),
                ("buildctl-daemonless", Client::Buildkit),
                ("buildkit", Client::Buildkit),
                ("dockerd", Client::Docker),
            ],
            &[Client::Go],
        ),
        _ => Clients::shown(runs),
    }
}

/// Whether the host, and not its ecosystem alone, tells which program asks: `direct` of Go runs git against a forge.
pub(super) fn hang_on(host: &str) -> bool {
    ["github.com", "gitlab.com", "bitbucket.org"].contains(&host)
}
