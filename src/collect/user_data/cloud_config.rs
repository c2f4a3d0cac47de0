//! cloud-config of cloud-init: the files that it writes and the commands that it runs
//! (cloud-init, module reference: `write_files`, `runcmd`, `ca_certs`).

use serde_json::Value;

use super::{Part, Place, What, documents};
use crate::collect::machine::{self, File};
use crate::model::base64;

/// Reads a cloud-config.
pub(super) fn read(text: &str, place: Place, parts: &mut Vec<Part>) {
    let mut push = |what: What| parts.push(Part { line: place.line, what });
    let value = match documents(text).map(|all| all.into_iter().next().map(|(json, _)| json)) {
        Ok(json) => json.and_then(|json| serde_json::from_str::<Value>(&json).ok()).unwrap_or_default(),
        Err((line, why)) => {
            let why = format!("a cloud-config that is no YAML: {why}");
            return parts.push(Part { line: place.line(line), what: What::Unread { why, is_damaged: true } });
        }
    };
    let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut unread = Vec::new();
    if value.get("ca_certs").or_else(|| value.get("ca-certs")).is_some() {
        // The module passes over distributions that it does not know, Amazon Linux among them.
        unread.push("whether cloud-init takes `ca_certs` on this distribution");
    }
    let mut tools = Vec::new();
    for command in list("runcmd") {
        let words: Vec<&str> = match command {
            Value::String(text) => vec![text],
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        tools.extend(machine::tools(&words.join(" ")));
    }
    if list("runcmd").next().is_some() || list("bootcmd").next().is_some() {
        unread.push("what the commands of the cloud-config do");
    }
    push(What::CloudConfig { files: list("write_files").filter_map(file).collect(), tools, unread });
}

fn file(written: &Value) -> Option<File> {
    let text = |key: &str| written.get(key).and_then(Value::as_str);
    let path = text("path")?.to_owned();
    let append = written.get("append").and_then(Value::as_bool).unwrap_or(false);
    let content = match (text("content"), text("encoding").unwrap_or("text/plain")) {
        (None, _) => Err("its content is not in the cloud-config"),
        (Some(content), "text/plain") => Ok(content.as_bytes().into()),
        (Some(content), "b64" | "base64") => {
            let digits: String = content.split_whitespace().collect();
            base64::decode(&digits).map(Into::into).ok_or("its content is no base64")
        }
        (Some(_), _) => Err("its content is compressed, and that is not read"),
    };
    Some(File { path, content, append })
}
