//! A node's root directory, or a saved copy of it, as facts about trust.

mod listed;
mod open;
mod root;

use std::io;
use std::path::Path;

use super::redact;
use crate::model::Str;
use crate::model::trust::NodeTrust;
use crate::trust::runtime::{self, About};

pub(super) use self::listed::secret;
pub use self::open::Root;
pub use self::root::{Directory, read as read_files};

/// Reads the facts about trust below a root directory.
///
/// # Errors
///
/// The directory cannot be opened. What cannot be read below it is among the facts.
pub fn read(root: &Path, about: &About) -> io::Result<NodeTrust> {
    let root = Root::open(root)?;
    Ok(facts(&root, about))
}

/// The facts below a root that is open.
pub fn facts(root: &Root, about: &About) -> NodeTrust {
    let files = read_files(root);
    let mut facts = runtime::facts(&files, about);
    without_credentials(&mut facts);
    facts
}

/// The facts below a root that is open, and the directories that they rest on.
pub fn facts_and_directories(root: &Root, about: &About) -> (NodeTrust, Vec<Directory>) {
    let (files, directories) = root::read_watched(root);
    let mut facts = runtime::facts(&files, about);
    without_credentials(&mut facts);
    (facts, directories)
}

/// URLs of proxies and mirrors may hold passwords.
fn without_credentials(facts: &mut NodeTrust) {
    let clean = |text: &mut Str| {
        if let std::borrow::Cow::Owned(clean) = redact::text(text) {
            *text = clean.into();
        }
    };
    facts.runtimes.iter_mut().flat_map(|runtime| &mut runtime.env).for_each(|(_, value)| clean(value));
    for registry in &mut facts.registries {
        registry.hosts.iter_mut().for_each(|place| clean(&mut place.url));
    }
}
