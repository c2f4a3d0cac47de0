//! The programs that verify: each reads its own store by its own rules.
//!
//! [`effective`] says which anchors a client loads at a [`Place`]: a file tree, the variables and the command line of its
//! process. The answer, an [`Effective`], lists the stores that it reads, each with the rule that made it read it, and
//! whether that is sure; whether it verifies at all; what is not known; and the traps that it fell into.
//!
//! ```
//! use buildreach::trust::client::{Client, Environment, Place, effective};
//! use buildreach::trust::tree::{Content, Entry, Tree};
//!
//! let mut files = Tree::new(true);
//! files.put("/etc/ssl/certs/ca-certificates.crt", Entry::File(Content::PublicRoots));
//! let environment = Environment::new();
//! let place = Place::new(&files, &environment);
//! assert_eq!(effective(Client::Go, &place).public(), Some(true));
//! ```

mod config;
mod curl;
mod effective;
mod env;
pub mod flags;
mod gnutls;
mod go;
pub mod hash;
mod java;
pub mod keystore;
mod node;
mod openssl;
pub mod public;
mod python;
mod reader;
mod rust;
mod scope;
mod traps;

use std::fmt;
use std::str::FromStr;

pub use effective::{Effective, Store, Verification};
pub use env::{Environment, Variable};

use super::Tree;
use reader::{Names, Reader};

macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A program, or a library that programs share, which verifies servers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Client {
            $($(#[$doc])* $name,)*
        }

        impl Client {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name on the command line and in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

clients! {
    /// `crypto/x509` of Go: `go`, terraform, and everything below that is written in Go.
    Go = "go",
    /// `openssl verify`, its defaults.
    Openssl = "openssl",
    /// curl that is linked with OpenSSL.
    CurlOpenssl = "curl-openssl",
    /// curl that is linked with GnuTLS.
    CurlGnutls = "curl-gnutls",
    /// git as Debian builds it, with libcurl on GnuTLS.
    Git = "git",
    /// git with libcurl on OpenSSL, as other distributions build it.
    GitOpenssl = "git-openssl",
    /// wget on GnuTLS.
    Wget = "wget",
    /// apt, on GnuTLS.
    Apt = "apt",
    /// apk, on OpenSSL.
    Apk = "apk",
    /// Node.js: `https`, `fetch`.
    Node = "node",
    /// npm, and yarn classic.
    Npm = "npm",
    /// yarn berry.
    Yarn = "yarn",
    /// pnpm.
    Pnpm = "pnpm",
    /// pip 24.2 and later: the operating system's store beside certifi.
    Pip = "pip",
    /// pip before 24.2: certifi alone.
    PipLegacy = "pip-legacy",
    /// Python's `ssl`, urllib, aiohttp on Python up to 3.12.
    Python = "python",
    /// The same from Python 3.13 on: strict by default.
    PythonStrict = "python-3.13",
    /// requests, poetry, twine, conda: certifi.
    Requests = "requests",
    /// uv.
    Uv = "uv",
    /// cargo.
    Cargo = "cargo",
    /// Java: maven, gradle, sbt.
    Java = "java",
    /// .NET on Linux: NuGet.
    Dotnet = "dotnet",
    /// Ruby: bundler, gem.
    Ruby = "ruby",
    /// rustls-webpki with the roots that it is given.
    Rustls = "rustls",
    /// containerd.
    Containerd = "containerd",
    /// CRI-O, podman, buildah, skopeo.
    Containers = "containers",
    /// The Docker daemon.
    Docker = "docker",
    /// buildkitd.
    Buildkit = "buildkit",
    /// kaniko's executor.
    Kaniko = "kaniko",
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|client| client.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|client| client.name()).collect();
            format!("`{text}` is no client that is known: {}", names.join(", "))
        })
    }
}

/// Where a client runs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The files that it sees.
    pub files: &'a Tree,
    /// Its variables, those that its image sets included.
    pub env: &'a Environment,
    /// Its command line, as far as it is known, the name of the program first: some are told of CAs there.
    pub arguments: &'a [String],
    /// Settings that commands before wrote into the configuration of its user, key and value ([`flags::writes`]).
    pub written: &'a [(String, String)],
    /// The server, `host[:port]`: some settings count for one host alone. Without it they are a reason not to know.
    pub host: Option<&'a str>,
    /// Major and minor version of the client, where that is known: Node.js and curl changed their rules.
    pub version: Option<(u32, u32)>,
}

impl<'a> Place<'a> {
    /// Files and variables; nothing is known of command line, server and version.
    pub fn new(files: &'a Tree, env: &'a Environment) -> Self {
        Self { files, env, arguments: &[], written: &[], host: None, version: None }
    }
}

/// What a client loads at a place.
pub fn effective(client: Client, place: &Place<'_>) -> Effective {
    let mut reader = Reader::new(client, place);
    load(&mut reader);
    traps::after(&mut reader);
    reader.finish()
}

fn load(reader: &mut Reader<'_>) {
    match reader.client {
        Client::Go | Client::Containerd => go::load(reader),
        Client::Containers | Client::Docker => {
            if let Some(flag) = flags::has(reader.place.arguments, flags::CONTAINERS, &["--tls-verify=false"]) {
                reader.off(flag, flag);
            }
            go::load(reader);
            go::registry_directories(reader);
        }
        Client::Buildkit => go::buildkit(reader),
        Client::Kaniko => go::kaniko(reader),
        Client::Openssl => openssl::load(reader, Names::Hashed, true),
        Client::CurlOpenssl | Client::CurlGnutls => curl::load(reader),
        Client::Git | Client::GitOpenssl => gnutls::git(reader),
        Client::Wget => gnutls::wget(reader),
        Client::Apt => gnutls::apt(reader),
        Client::Apk => openssl::apk(reader),
        Client::Node => node::load(reader),
        Client::Npm | Client::Pnpm => node::npm(reader),
        Client::Yarn => node::yarn(reader),
        Client::Pip => python::pip(reader, true),
        Client::PipLegacy => python::pip(reader, false),
        Client::Python | Client::PythonStrict => python::ssl(reader),
        Client::Requests => python::requests(reader),
        Client::Uv => rust::uv(reader),
        Client::Cargo => rust::cargo(reader),
        Client::Java => java::load(reader),
        Client::Dotnet => openssl::dotnet(reader),
        Client::Ruby => openssl::ruby(reader),
        Client::Rustls => reader.unknown("a program on rustls brings roots of its own, or reads the system's"),
    }
}
