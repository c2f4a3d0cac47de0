//! From the documents of a saved snapshot back to its scopes.

use super::super::facts::Facts;
use super::super::head;
use super::super::lines::Lines;
use super::meta::{META_FILE, Meta};
use super::read::{self, Document, Origins};
use super::save::{File, folder_of};
use super::scope;
use crate::model::aws::AwsScope;
use crate::model::object::Origin;

/// The scopes of the files that [`super::save::files`] gave. Objects were read where they say.
///
/// # Errors
///
/// The path of a file that is not what was saved, and what is wrong with it.
pub(crate) fn scopes(files: &[File]) -> Result<Vec<AwsScope>, (String, String)> {
    let mut facts = Facts::default();
    for (index, (path, text)) in files.iter().enumerate() {
        let source = u32::try_from(index).unwrap_or(u32::MAX);
        let origin = Origin { source, line: 0 };
        if path.strip_prefix(folder_of(path)) == Some(&format!("/{META_FILE}")) {
            let meta = Meta::parse(text).ok_or_else(|| (path.clone(), "it is no description of a scope".to_owned()))?;
            facts.aws.push(Document { origin, meta: Some(meta), ..Document::default() });
            continue;
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return Err((path.clone(), error.to_string()));
        }
        let keys = head::read(text).keys;
        if !read::read(text, &keys, origin, &Lines::new(text, 0), Origins::Written, &mut facts) {
            return Err((path.clone(), "it is no document of AWS".to_owned()));
        }
        if let Some(found) = facts.problems.pop() {
            return Err((path.clone(), found.problem.message));
        }
    }
    let name_of = |source: u32| files.get(source as usize).map_or("", |(path, _)| path.as_str());
    let merged = scope::merge(facts.aws, name_of);
    match merged.problems.first() {
        Some(problem) => Err((name_of(problem.source).to_owned(), problem.message.clone())),
        None => Ok(merged.scopes),
    }
}
