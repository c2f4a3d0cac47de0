//! From scopes to the documents that they are saved as.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::items::{self, Item, Visit};
use super::meta::{META_FILE, Meta};
use crate::model::CoverageState;
use crate::model::aws::{AwsList, AwsScope};

/// The folder of all scopes.
pub(crate) const FOLDER: &str = "aws";

/// A file, by its path from the folder of the snapshot.
pub(crate) type File = (String, String);

/// The documents of scopes, as `aws ec2` prints them, each scope's in a folder of its own.
pub(crate) fn files(scopes: &[AwsScope], instant: jiff::Timestamp) -> Vec<File> {
    let mut folders = HashSet::new();
    scopes.iter().flat_map(|scope| scope_files(scope, instant, &mut folders)).collect()
}

/// The folder that a file of [`files`] lies in.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn scope_files(scope: &AwsScope, instant: jiff::Timestamp, folders: &mut HashSet<String>) -> Vec<File> {
    let part = |name: &str| if name.is_empty() { "unknown".to_owned() } else { file_part(name) };
    let folder = free(&format!("{FOLDER}/{}/{}", part(&scope.account), part(&scope.region)), "", folders);
    let mut documents = Documents { scope, files: Vec::new(), names: HashSet::new(), shown: Vec::new() };
    items::each(scope, &mut documents);
    let Documents { files, shown, .. } = documents;
    let meta = Meta::new(scope, instant, &shown, files.iter().map(|(name, _)| name.clone()).collect());
    let meta = (META_FILE.to_owned(), text(&json!(meta)));
    files.into_iter().chain([meta]).map(|(name, text)| (format!("{folder}/{name}"), text)).collect()
}

/// A name with nothing in it that a file's name cannot have.
fn file_part(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if plain.starts_with('.') { format!("_{plain}") } else { plain }
}

/// `name` with the ending, with a number between them if it is taken.
fn free(name: &str, ending: &str, taken: &mut HashSet<String>) -> String {
    let mut free = format!("{name}{ending}");
    let mut number = 2;
    // Folded: on some file systems two names that differ in case are one.
    while !taken.insert(free.to_ascii_lowercase()) {
        free = format!("{name}-{number}{ending}");
        number += 1;
    }
    free
}

fn text(value: &Value) -> String {
    let mut text = format!("{value:#}");
    text.push('\n');
    text
}

struct Documents<'s> {
    scope: &'s AwsScope,
    files: Vec<File>,
    names: HashSet<String>,
    /// Lists that are read when the documents are.
    shown: Vec<AwsList>,
}

impl Documents<'_> {
    fn push(&mut self, name: &str, document: &Value) {
        let name = free(name, ".json", &mut self.names);
        self.files.push((name, text(document)));
    }
}

impl Visit for Documents<'_> {
    fn list<T: Item>(&mut self, list: AwsList, items: &[T]) {
        let is_read = self.scope.read.get(&list) == Some(&CoverageState::Read);
        let name = format!("{}-{}", list.service(), list.operation());
        match list {
            // One document for each object.
            AwsList::VpcAttributes | AwsList::PrefixListEntries | AwsList::FirewallDomains => {
                for item in items {
                    let mut document = object(item);
                    if list == AwsList::PrefixListEntries {
                        document.entry("Entries").or_insert_with(|| json!([]));
                    }
                    self.push(&format!("{name}.{}", file_part(&item.id())), &Value::Object(document));
                }
                if items.is_empty() {
                    return;
                }
            }
            _ if items.is_empty() && !is_read => return,
            _ => {
                let mut objects: Vec<Value> = items.iter().map(|item| Value::Object(object(item))).collect();
                let value = match list {
                    AwsList::Instances if objects.is_empty() => json!([]),
                    AwsList::Instances => json!([{ "Instances": objects }]),
                    AwsList::BlockPublicAccessOptions if objects.len() == 1 => objects.remove(0),
                    _ => Value::Array(objects),
                };
                self.push(&name, &json!({ list.key(): value }));
            }
        }
        self.shown.push(list);
    }
}

/// An object without its empty texts: nobody else writes these.
fn object<T: Item>(item: &T) -> Map<String, Value> {
    match serde_json::to_value(item) {
        Ok(Value::Object(mut object)) => {
            strip(&mut object);
            object
        }
        _ => Map::new(), // objects of lists are objects, and their keys are texts
    }
}

fn strip(object: &mut Map<String, Value>) {
    object.retain(|_, value| value.as_str() != Some(""));
    object.values_mut().for_each(strip_inside);
}

fn strip_inside(value: &mut Value) {
    match value {
        Value::Object(object) => strip(object),
        Value::Array(values) => values.iter_mut().for_each(strip_inside),
        _ => {}
    }
}
