//! The programs that verify: each reads its own store by its own rules.

use std::fmt;
use std::str::FromStr;

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
