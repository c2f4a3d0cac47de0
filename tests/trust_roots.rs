//! Roots of nodes as distributions lay them out, built here: what is read of them, and that nothing else is.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use buildreach::collect::node::{self, Root};
use buildreach::model::trust::{NodeTrust, StoreKind};
use buildreach::trust::runtime::About;

use common::roots::{self, Layout, ca};

fn about() -> About {
    About { name: "node-1".into(), observed: "2026-11-24T00:00:00Z".parse().unwrap(), ..About::default() }
}

fn read(root: &Path) -> NodeTrust {
    let by_kernel = node::read(root, &about()).unwrap();
    let by_steps = node::facts(&Root::open(root).unwrap().step_by_step(), &about());
    assert_eq!(by_kernel, by_steps, "both ways to stay inside of a root must see the same");
    by_kernel
}

/// Kind and path of the stores, with the subjects of what was added.
fn stores(facts: &NodeTrust) -> Vec<String> {
    let text = |store: &buildreach::model::trust::TrustStore| {
        let additions: Vec<_> = store.additions.iter().map(|a| a.subject.trim_start_matches("CN=")).collect();
        format!("{:?} {} {}", store.kind, store.path, additions.join("+")).trim().to_owned()
    };
    facts.stores.iter().map(text).collect()
}

fn write(root: &Path, path: &str, text: &str) {
    roots::write(root, path, text.as_bytes());
}

#[test]
fn debian() {
    let root = roots::build(Layout::Debian);
    let facts = read(root.path());
    assert_eq!(facts.os.as_deref(), Some("debian 12"));
    assert_eq!(
        stores(&facts),
        ["System /etc/ssl/certs/ca-certificates.crt Corp", "Input /usr/local/share/ca-certificates Corp"]
    );
    assert!(facts.notes.iter().all(|note| &*note.code == "BR-TLS-080"), "{:?}", facts.notes);
    assert!(facts.unread.is_empty(), "{:?}", facts.unread);
    assert!(facts.stores[0].modified.is_some());
    // The public roots are links with absolute targets below /usr/share.
    assert_eq!(facts.stores[0].public.present, 3);
}

#[test]
fn rhel() {
    let facts = read(roots::build(Layout::Rhel).path());
    assert_eq!(
        stores(&facts),
        ["System /etc/pki/tls/certs/ca-bundle.crt Corp", "Input /etc/pki/ca-trust/source/anchors Corp"]
    );
    assert!(facts.stores[0].modified.is_some(), "behind a link");
    assert!(facts.unread.is_empty(), "{:?}", facts.unread);
}

#[test]
fn alpine() {
    let facts = read(roots::build(Layout::Alpine).path());
    assert_eq!(
        stores(&facts),
        ["System /etc/ssl/certs/ca-certificates.crt Corp", "Input /usr/local/share/ca-certificates Corp"]
    );
}

#[test]
fn suse() {
    let facts = read(roots::build(Layout::Suse).path());
    assert_eq!(stores(&facts), ["System /etc/ssl/ca-bundle.pem Corp", "Input /etc/pki/trust/anchors Corp"]);
    assert!(facts.unread.is_empty(), "{:?}", facts.unread);
}

#[test]
fn bottlerocket() {
    let facts = read(roots::build(Layout::Bottlerocket).path());
    assert_eq!(stores(&facts), ["System /etc/pki/tls/certs/ca-bundle.crt Corp"]);
}

#[test]
fn talos() {
    let facts = read(roots::build(Layout::Talos).path());
    assert_eq!(stores(&facts), ["System /etc/ssl/certs/ca-certificates.crt Corp"]);
    let registry = &facts.registries[0];
    assert_eq!((&*registry.host, &*registry.runtime), ("registry.corp.example", "talos"));
    assert_eq!(&*registry.hosts[0].ca[0].subject, "CN=Registry");
    assert_eq!(registry.doubt, None);
}

#[test]
fn a_store_that_was_not_rebuilt_is_noted() {
    let root = roots::build(Layout::Debian);
    write(root.path(), "/usr/local/share/ca-certificates/new.crt", &ca("New"));
    let facts = read(root.path());
    let note = facts.notes.iter().find(|note| &*note.code == "BR-TLS-067").unwrap();
    assert_eq!(&*note.path, "/usr/local/share/ca-certificates/new.crt");
}

#[test]
fn links_stay_inside_of_the_root() {
    let root = roots::build(Layout::Debian);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("outside.crt"), ca("Outside")).unwrap();
    let certs = root.path().join("etc/ssl/certs");
    // Seen from inside, these lead to what is not there, though it is there outside.
    symlink(outside.path().join("outside.crt"), certs.join("absolute.pem")).unwrap();
    let up = "../".repeat(40) + outside.path().join("outside.crt").to_str().unwrap().trim_start_matches('/');
    symlink(up, certs.join("up.pem")).unwrap();
    symlink("/proc/self/root", certs.join("magic")).unwrap();
    // These lead to what no listed file may lead to.
    write(root.path(), "/root/secret.crt", &ca("Secret"));
    symlink("/root/secret.crt", certs.join("secret.pem")).unwrap();
    symlink("/", certs.join("everything")).unwrap();
    symlink("loop-b", certs.join("loop-a")).unwrap();
    symlink("loop-a", certs.join("loop-b")).unwrap();
    let facts = read(root.path());
    let text = format!("{facts:?}");
    assert!(!text.contains("CN=Outside") && !text.contains("CN=Secret"), "{:?}", stores(&facts));
    assert_eq!(stores(&facts)[0], "System /etc/ssl/certs/ca-certificates.crt Corp");
    assert!(facts.unread.iter().any(|line| line.contains("leads to /root/secret.crt")), "{:?}", facts.unread);
}

#[test]
fn keys_pipes_and_huge_files_do_no_harm() {
    let root = roots::build(Layout::Debian);
    let folder = "/etc/containerd/certs.d/registry.corp.example";
    write(
        root.path(),
        "/etc/containerd/config.toml",
        "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
    );
    write(root.path(), &format!("{folder}/ca.crt"), &ca("Registry"));
    write(root.path(), &format!("{folder}/client.cert"), &ca("Client"));
    write(root.path(), &format!("{folder}/client.key"), "THE KEY ITSELF");
    write(root.path(), "/etc/docker/config.json", "{\"auths\": {\"x\": {\"auth\": \"c2VjcmV0\"}}}");
    write(
        root.path(),
        "/etc/systemd/system/containerd.service.d/proxy.conf",
        "[Service]\nEnvironment=HTTPS_PROXY=http://user:hunter2@proxy.corp.example:3128\n",
    );
    let certs = root.path().join("etc/ssl/certs");
    rustix_fifo(&certs.join("pipe.pem"));
    let huge = fs::File::create(certs.join("huge.pem")).unwrap();
    huge.set_len(3 << 30).unwrap();
    fs::write(certs.join("garbage.pem"), [0_u8, 159, 146, 150].repeat(1000)).unwrap();

    let facts = read(root.path());
    let registry = &facts.registries[0];
    assert_eq!((registry.error.as_deref(), registry.hosts[0].ca.len()), (None, 1), "the key is seen and not read");
    let text = format!("{facts:?}");
    assert!(!text.contains("THE KEY") && !text.contains("c2VjcmV0") && !text.contains("hunter2"));
    assert!(text.contains("proxy.corp.example:3128"));
    for part in ["/etc/ssl/certs/pipe.pem: a pipe", "/etc/ssl/certs/huge.pem: larger"] {
        assert!(facts.unread.iter().any(|line| line.starts_with(part)), "{:?}", facts.unread);
    }
}

#[test]
fn what_may_not_be_read_is_reported() {
    let root = roots::build(Layout::Debian);
    let bundle = root.path().join("etc/ssl/certs/ca-certificates.crt");
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&bundle).is_ok() {
        return; // root reads everything
    }
    let facts = read(root.path());
    assert!(facts.unread.iter().any(|line| line.starts_with("/etc/ssl/certs/ca-certificates.crt: may not be read")));
}

#[test]
fn a_saved_copy_of_etc_is_a_root_too() {
    let root = roots::build(Layout::Debian);
    fs::remove_dir_all(root.path().join("usr")).unwrap();
    let facts = read(root.path());
    let kinds: BTreeSet<_> = facts.stores.iter().map(|store| format!("{:?}", store.kind)).collect();
    assert_eq!(kinds, BTreeSet::from([format!("{:?}", StoreKind::System)]));
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    assert!(node::read(Path::new("/no/such/root"), &about()).is_err());
}

fn rustix_fifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}
