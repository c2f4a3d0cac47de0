//! Folders of certificates by registry: `certs.d/<host[:port]>/` of containerd, Docker and containers/image.

use super::files::Read;
use super::reading::{At, Reading, anchors};
use crate::model::codes;
use crate::model::trust::Anchor;

/// What the certificates in one such folder mean.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    /// Of its `*.crt` files.
    pub(super) ca: Vec<Anchor>,
    /// `*.crt` files that were not read.
    pub(super) unread: Vec<String>,
    /// A `*.cert` without its `*.key`, or the reverse.
    pub(super) unpaired: Option<String>,
}

/// The registry that a folder is named after: `host`, `host:port`, or containerd's `host_port_`.
pub(super) fn host_of(name: &str) -> String {
    let parts = name.strip_suffix('_').and_then(|name| name.rsplit_once('_'));
    match parts {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{host}:{port}")
        }
        _ => name.to_owned(),
    }
}

/// Who reads the folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    /// Whether certificate and key must lie in two files. containerd looks for the key in the certificate's file where
    /// it has none of its own, and passes over a key alone.
    pub(super) wants_pairs: bool,
}

/// The certificates of a registry's folder: `*.crt` are CAs, `*.cert` with `*.key` of that name are the client's own.
pub(super) fn read(reading: &mut Reading<'_>, folder: &str, host: &str, program: Program<'_>) -> Certificates {
    let mut found = Certificates::default();
    let files = reading.files;
    let Some(names) = files.names(folder) else { return found };
    for name in &names {
        let path = format!("{folder}/{name}");
        let pair = |from: &str, to: &str| {
            let stem = name.strip_suffix(from)?;
            let other = format!("{stem}{to}");
            (!names.contains(&other.as_str())).then_some(other)
        };
        if name.ends_with(".crt") {
            match files.bytes(&path) {
                Read::Bytes(_) => found.ca.extend(reading.bundle(&path).as_ref().map(anchors).unwrap_or_default()),
                Read::Absent => {}
                Read::Unknown => {
                    reading.unread(&path, "not read");
                    found.unread.push(path);
                }
            }
        } else if let Some(missing) =
            pair(".cert", ".key").or_else(|| pair(".key", ".cert").filter(|_| program.wants_pairs))
        {
            let holds_key = |reading: &mut Reading<'_>| reading.bundle(&path).is_some_and(|b| b.private_keys > 0);
            if !program.wants_pairs && holds_key(reading) {
                continue;
            }
            let runtime = program.name;
            let message =
                format!("{runtime} wants a client certificate and its key for {host}: {path} is without {missing}");
            reading.note(codes::TLS_CLIENT_PAIR, At(&path, 0), Some(host), message.clone());
            found.unpaired = Some(message);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_after_registries() {
        assert_eq!(host_of("registry.example"), "registry.example");
        assert_eq!(host_of("registry.example:5000"), "registry.example:5000");
        assert_eq!(host_of("registry.example_5000_"), "registry.example:5000");
        assert_eq!(host_of("my_registry_"), "my_registry_");
        assert_eq!(host_of("_default"), "_default");
    }
}
