//! Roots of nodes as distributions lay them out: links with absolute targets, and certificates made on the spot.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// A distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Debian,
    Rhel,
    Alpine,
    Suse,
    Bottlerocket,
    Talos,
}

/// A CA of that name in PEM.
pub fn ca(name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

/// Three of the public roots in PEM, with names for their files.
fn public() -> Vec<(String, String)> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().take(3).enumerate();
    roots.map(|(at, root)| (format!("Public_{at}"), pem(root))).collect()
}

/// DER as PEM.
pub fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let encoded = base64(der);
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// Writes a file below a root, with its folders.
pub fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Makes a link below a root, target as given.
pub fn link(root: &Path, path: &str, target: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// A root with a store that was built from three public roots and the administrator's `Corp`.
pub fn build(layout: Layout) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let corp = ca("Corp");
    let public = public();
    let bundle: String = public.iter().map(|(_, text)| text.as_str()).chain([corp.as_str()]).collect();
    let write = |path: &str, text: &str| write(root, path, text.as_bytes());
    let link = |path: &str, target: &str| link(root, path, target);
    let os = |text: &str| {
        write("/usr/lib/os-release", text);
        link("/etc/os-release", "../usr/lib/os-release");
    };
    match layout {
        Layout::Debian => {
            os("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n");
            write("/usr/local/share/ca-certificates/corp/corp.crt", &corp);
            write("/etc/ssl/certs/ca-certificates.crt", &bundle);
            let mut selected = String::from("# chosen by the administrator\n!mozilla/Gone.crt\n");
            for (at, (name, text)) in public.iter().enumerate() {
                write(&format!("/usr/share/ca-certificates/mozilla/{name}.crt"), text);
                link(&format!("/etc/ssl/certs/{name}.pem"), &format!("/usr/share/ca-certificates/mozilla/{name}.crt"));
                link(&format!("/etc/ssl/certs/0000000{at}.0"), &format!("{name}.pem"));
                selected.push_str(&format!("mozilla/{name}.crt\n"));
            }
            write("/etc/ca-certificates.conf", &selected);
            link("/etc/ssl/certs/corp.pem", "/usr/local/share/ca-certificates/corp/corp.crt");
            write("/etc/ssl/private/host.key", "a key");
        }
        Layout::Rhel => {
            os("ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n");
            write("/etc/pki/ca-trust/source/anchors/corp.pem", &corp);
            write("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", &bundle);
            link("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
            link("/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
            link("/etc/ssl/certs", "../pki/tls/certs");
            link("/etc/ssl/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
            write("/etc/pki/tls/private/localhost.key", "a key");
            write("/etc/pki/entitlement/1-key.pem", "a key");
        }
        Layout::Alpine => {
            os("ID=alpine\nVERSION_ID=3.20.0\n");
            write("/usr/local/share/ca-certificates/corp.crt", &corp);
            write("/etc/ssl/certs/ca-certificates.crt", &bundle);
            link("/etc/ssl/cert.pem", "certs/ca-certificates.crt");
            link("/etc/ssl/certs/ca-cert-corp.pem", "/usr/local/share/ca-certificates/corp.crt");
        }
        Layout::Suse => {
            os("ID=\"sles\"\nID_LIKE=\"suse\"\nVERSION_ID=\"15.6\"\n");
            write("/etc/pki/trust/anchors/corp.pem", &corp);
            write("/var/lib/ca-certificates/ca-bundle.pem", &bundle);
            link("/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem");
            link("/etc/ssl/certs", "/var/lib/ca-certificates/pem");
            for (name, text) in &public {
                write(&format!("/var/lib/ca-certificates/pem/{name}.pem"), text);
            }
            write("/var/lib/ca-certificates/pem/corp.pem", &corp);
        }
        Layout::Bottlerocket => {
            os("ID=bottlerocket\nVERSION_ID=1.20.0\n");
            write("/etc/pki/tls/certs/ca-bundle.crt", &bundle);
            link("/etc/ssl/certs", "/etc/pki/tls/certs");
        }
        Layout::Talos => {
            os("ID=talos\nVERSION_ID=v1.9.0\n");
            write("/etc/ssl/certs/ca-certificates.crt", &bundle);
            let plugin = "plugins.\"io.containerd.cri.v1.images\".registry";
            write("/etc/cri/containerd.toml", "version = 3\nimports = [\"/etc/cri/conf.d/cri.toml\"]\n");
            write(
                "/etc/cri/conf.d/cri.toml",
                &format!("version = 3\n[{plugin}]\nconfig_path = \"/etc/cri/conf.d/hosts\"\n"),
            );
            let folder = "/etc/cri/conf.d/hosts/registry.corp.example";
            write(
                &format!("{folder}/hosts.toml"),
                "server = \"https://registry.corp.example\"\n\n[host.\"https://registry.corp.example\"]\nca = \"ca.crt\"\n",
            );
            write(&format!("{folder}/ca.crt"), &ca("Registry"));
        }
    }
    dir
}
