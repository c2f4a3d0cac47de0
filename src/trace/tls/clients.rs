//! Which program verifies the server that a requirement names.

use super::answers::Who;
use crate::demand::{Command, programs};
use crate::model::object::{Container, PodSpec};
use crate::trust::Client;
use crate::trust::stock::Layout;

/// The programs that may verify. All that are listed count: only what they have in common is certain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Clients {
    pub(super) all: Vec<Client>,
    /// Nothing tells which of them it is.
    pub(super) guessed: bool,
    /// The container shows one of them.
    pub(super) shown: bool,
}

impl Clients {
    fn one(client: Client) -> Self {
        Self { all: vec![client], guessed: false, shown: true }
    }

    fn some(all: &[Client]) -> Self {
        Self { all: all.to_vec(), guessed: all.len() > 1, shown: true }
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
        let all = Self::some(&[
            Client::Go,
            Client::CurlOpenssl,
            Client::Git,
            Client::Node,
            Client::PipLegacy,
            Client::Python,
            Client::Cargo,
            Client::Java,
            Client::Uv,
        ]);
        Self { shown: false, ..all }
    }
}

/// git, by the library that it is built with.
const GIT: &[Client] = &[Client::Git, Client::GitOpenssl];

/// Whether a distribution builds a client so: Debian links git with GnuTLS, others with OpenSSL.
pub(super) fn is_built(client: Client, layout: &Layout) -> bool {
    match client {
        Client::Git => layout.is_debian(),
        Client::GitOpenssl => !layout.is_debian(),
        _ => true,
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
    (&["git"], GIT),
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
    PROGRAMS.iter().any(|(names, clients)| names.contains(&name) && clients.contains(&client))
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
        if all.is_empty() { Clients::some(otherwise) } else { Clients { all, guessed: false, shown: true } }
    };
    let Some(ecosystem) = ecosystem.filter(|id| *id != "private_managers") else { return Clients::shown(runs) };
    let is_forge = hang_on(host);
    match ecosystem {
        // `direct` runs git.
        "go" if is_forge => Clients::some(GIT),
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
        _ if ecosystem.starts_with("vcs_") => Clients::some(GIT),
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

/// The containers of a pod that may ask for an endpoint.
pub(super) struct Asks<'s> {
    pub(super) containers: Vec<&'s Container>,
    /// Which of them does is not known; otherwise all do.
    pub(super) guessed: bool,
    /// Others might ask as well.
    pub(super) left_out: bool,
}

/// The containers that ask: those that the requirement names, else those that show a program that fetches, else all
/// that run beside each other.
pub(super) fn asking<'s>(who: &Who, host: &str, spec: &'s PodSpec) -> Asks<'s> {
    let of = |is: &dyn Fn(&Container) -> bool| spec.containers.iter().filter(|c| is(c)).collect::<Vec<_>>();
    // Pods of one subject may differ, and need not have a container of the name.
    let named = of(&|container| who.containers.contains(&container.name));
    if !named.is_empty() {
        return Asks { containers: named, guessed: false, left_out: false };
    }
    let ecosystem = who.ecosystem.as_deref();
    let shown = of(&|container| clients(ecosystem, host, spec, container).shown);
    if shown.is_empty() {
        return Asks { containers: of(&|container| !container.init), guessed: true, left_out: false };
    }
    let left_out = shown.len() < spec.containers.len();
    Asks { containers: shown, guessed: true, left_out }
}
