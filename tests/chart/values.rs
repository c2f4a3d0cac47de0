//! The keys of `values.yaml` with their comments, and what is made of them.

use serde_json::Value;

/// A key of `values.yaml`.
#[derive(Debug)]
pub(crate) struct Key {
    /// From the top: `["image", "tag"]`.
    pub(crate) path: Vec<String>,
    /// The comment that begins with `# --`, in one line.
    pub(crate) comment: Option<String>,
}

impl Key {
    fn is_below(&self, other: &Self) -> bool {
        self.path.len() > other.path.len() && self.path.starts_with(&other.path)
    }
}

/// All keys in their order; what stands in lists is part of the list's value.
pub(crate) fn keys(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment: Option<String> = None;
    let mut list: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() {
            comment = None;
        } else if let Some(start) = content.strip_prefix("# -- ") {
            comment = Some(start.trim().to_owned());
        } else if let Some(more) = content.strip_prefix('#') {
            if let Some(comment) = &mut comment {
                comment.push(' ');
                comment.push_str(more.trim());
            }
        } else if content.starts_with("- ") {
            list.get_or_insert(indent);
        } else if list.is_none_or(|list| indent <= list) {
            list = None;
            let name = content.split(':').next().unwrap_or_default().to_owned();
            path.retain(|(outer, _)| *outer < indent);
            path.push((indent, name));
            keys.push(Key { path: path.iter().map(|(_, name)| name.clone()).collect(), comment: comment.take() });
        }
    }
    keys
}

/// Keys without a comment that do not belong to a value which has one as a whole.
pub(crate) fn undocumented(keys: &[Key]) -> Vec<String> {
    let whole: Vec<&Key> = documented(keys).filter(|key| is_whole(keys, key)).collect();
    let without = keys.iter().filter(|key| key.comment.is_none());
    without.filter(|key| !whole.iter().any(|whole| key.is_below(whole))).map(|key| key.path.join(".")).collect()
}

/// The table of the README.
pub(crate) fn table(keys: &[Key], values: &Value) -> String {
    let mut table = "| key | default | meaning |\n|---|---|---|\n".to_owned();
    for key in documented(keys) {
        let default = if is_whole(keys, key) {
            let value = key.path.iter().fold(values, |value, name| &value[name]);
            format!("`{}`", value.to_string().replace('|', "\\|"))
        } else {
            String::new()
        };
        let comment = key.comment.as_deref().unwrap_or_default().replace('|', "\\|");
        table.push_str(&format!("| `{}` | {default} | {comment} |\n", key.path.join(".")));
    }
    table
}

fn documented(keys: &[Key]) -> impl Iterator<Item = &Key> {
    keys.iter().filter(|key| key.comment.is_some())
}

/// Whether no key below it has a comment of its own.
fn is_whole(keys: &[Key], key: &Key) -> bool {
    !documented(keys).any(|other| other.is_below(key))
}

/// The paths of all values that the schema gives a name to, and of all that the values have: what only one of them has.
pub(crate) fn differences(schema: &Value, values: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(schema, schema, values, "", &mut found);
    found
}

fn compare(root: &Value, schema: &Value, values: &Value, at: &str, found: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(&Value::Null),
        None => schema,
    };
    let Some(properties) = schema["properties"].as_object() else { return };
    if at != ".global" && schema["additionalProperties"] != false {
        found.push(format!("{at} may hold anything"));
    }
    for (name, inner) in properties {
        let path = format!("{at}.{name}");
        match values.get(name) {
            Some(value) => compare(root, inner, value, &path, found),
            // Objects of the Kubernetes API are not written out.
            None if at.ends_with(".resources") => {}
            None => found.push(format!("{path} stands in the schema only")),
        }
    }
    for name in values.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !properties.contains_key(name) {
            found.push(format!("{at}.{name} stands in the values only"));
        }
    }
}
