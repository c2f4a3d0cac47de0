//! MIME messages of several parts, as `write-mime-multipart`, Terraform's `cloudinit_config` and people write them
//! (RFC 2046, section 5.1): read as leniently as cloud-init does.

use super::{Part, Place, What, cloud_config, content, decoded, node_config, script};

/// Headers of a message or of a part, and the line of the text after them.
struct Headers<'t> {
    /// Names in lower case.
    fields: Vec<(String, String)>,
    body: &'t str,
    /// Of the body, from 1, counted from the first line of the headers.
    line: u32,
}

impl<'t> Headers<'t> {
    fn read(text: &'t str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        let (mut at, mut line) = (0, 1);
        for raw in text.split_inclusive('\n') {
            let content = raw.trim_end();
            if content.is_empty() {
                // Blank lines before the first header are no end of the headers.
                at += raw.len();
                line += 1;
                if fields.is_empty() {
                    continue;
                }
                break;
            }
            let is_folded = raw.starts_with([' ', '\t']) && !fields.is_empty();
            match content.split_once(':') {
                _ if is_folded => {
                    if let Some((_, value)) = fields.last_mut() {
                        value.push(' ');
                        value.push_str(content.trim());
                    }
                }
                Some((name, value)) if !name.contains([' ', '\t', '#', '[']) => {
                    fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                // The body begins without a blank line before it.
                _ => break,
            }
            at += raw.len();
            line += 1;
        }
        Self { fields, body: &text[at..], line }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The media type, in lower case; `text/plain` where none is said.
    fn kind(&self) -> String {
        let value = self.get("content-type").unwrap_or("text/plain");
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    fn boundary(&self) -> Option<&str> {
        let mut parameters = self.get("content-type")?.split(';').skip(1).filter_map(|one| one.split_once('='));
        let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
        Some(value.trim().trim_matches('"')).filter(|value| !value.is_empty())
    }
}

/// Whether a text is a message of several parts.
pub(super) fn is_multipart(text: &str) -> bool {
    Headers::read(text).kind().starts_with("multipart/")
}

/// Takes a message apart.
pub(super) fn read(text: &str, place: Place, depth: u32, parts: &mut Vec<Part>) {
    let headers = Headers::read(text);
    let damaged = |why: &str| What::Unread { why: why.to_owned(), is_damaged: true };
    let Some(boundary) = headers.boundary() else {
        parts.push(Part { line: place.line, what: damaged("a MIME message without a boundary") });
        return;
    };
    let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut begins: Option<(usize, u32)> = None;
    let (mut at, mut line) = (0, headers.line);
    let mut found = Vec::new();
    for raw in headers.body.split_inclusive('\n') {
        let content = raw.trim_end();
        if content == open || content == close {
            found.extend(begins.take().map(|(from, first)| (&headers.body[from..at], first)));
            if content == close {
                break;
            }
            begins = Some((at + raw.len(), line + 1));
        }
        at += raw.len();
        line += 1;
    }
    // Without its last boundary the message ends with the text.
    found.extend(begins.map(|(from, first)| (&headers.body[from..], first)));
    if found.is_empty() {
        let what = damaged("a MIME message in which its boundary does not stand");
        parts.push(Part { line: place.line, what });
    }
    for (text, line) in found {
        part(text, place.at(line), depth, parts);
    }
}

fn part(text: &str, place: Place, depth: u32, parts: &mut Vec<Part>) {
    let headers = Headers::read(text);
    let mut place = place.at(headers.line);
    let push = |parts: &mut Vec<Part>, what: What| parts.push(Part { line: place.line, what });
    let encoding = headers.get("content-transfer-encoding").unwrap_or("7bit").to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "7bit" | "8bit" | "binary" => headers.body.as_bytes().to_vec(),
        "base64" => {
            let Some(bytes) = decoded(headers.body) else {
                let why = "a part of a MIME message that is no base64, and says that it is".to_owned();
                return push(parts, What::Unread { why, is_damaged: true });
            };
            bytes
        }
        _ => {
            let why = format!("a part of a MIME message in the encoding {encoding}");
            return push(parts, What::Unread { why, is_damaged: false });
        }
    };
    place.exact &= encoding != "base64";
    let text = std::str::from_utf8(&bytes);
    match (headers.kind().as_str(), text) {
        (kind, Ok(text))
            if kind == format!("application/{}", node_config::GROUP) && !bytes.starts_with(b"\x1f\x8b") =>
        {
            node_config::read(text, place, parts);
        }
        ("text/cloud-config", Ok(text)) => cloud_config::read(text, place, parts),
        ("text/x-shellscript" | "text/cloud-boothook" | "text/x-shellscript-per-boot", Ok(text)) => {
            push(parts, script(text));
        }
        // cloud-init looks at how such a part begins.
        ("text/plain" | "multipart/mixed", _) | (_, Err(_)) => content(&bytes, place, depth + 1, parts),
        (kind, Ok(_)) => {
            let why = format!("a part of a MIME message of the type {kind}");
            push(parts, What::Unread { why, is_damaged: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(u32, String)> {
        let mut parts = Vec::new();
        read(text, Place { line: 1, exact: true }, 0, &mut parts);
        let words = |what: &What| match what {
            What::Script { .. } => "script".to_owned(),
            What::CloudConfig { .. } => "cloud-config".to_owned(),
            What::NodeConfig(_) => "NodeConfig".to_owned(),
            What::Bottlerocket(_) => "settings".to_owned(),
            What::Unread { why, .. } => why.clone(),
        };
        parts.iter().map(|part| (part.line, words(&part.what))).collect()
    }

    #[test]
    fn parts_stand_between_boundaries_and_know_their_lines() {
        let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary=\"//\"\n\npreamble\n--//\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/bash\n--//\r\nContent-Type: application/node.eks.aws\r\n\r\n---\r\napiVersion: node.eks.aws/v1alpha1\r\nkind: NodeConfig\r\nspec: {}\r\n--//--\nepilogue\n";
        assert_eq!(parts(text), [(9, "script".to_owned()), (14, "NodeConfig".to_owned())]);
        let open = text.replace("--//--", "");
        assert_eq!(parts(&open).len(), 2);
    }

    #[test]
    fn what_cannot_be_taken_apart_is_said() {
        let of = |text: &str| parts(text).into_iter().map(|(_, what)| what).collect::<Vec<_>>();
        assert_eq!(of("Content-Type: multipart/mixed\n\nx\n"), ["a MIME message without a boundary"]);
        let message = |headers: &str, body: &str| {
            format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{headers}\n\n{body}\n--b--\n")
        };
        let quoted = message("Content-Type: text/x-shellscript\nContent-Transfer-Encoding: quoted-printable", "x");
        assert_eq!(of(&quoted), ["a part of a MIME message in the encoding quoted-printable"]);
        let damaged = message("Content-Transfer-Encoding: base64", "!");
        assert_eq!(of(&damaged), ["a part of a MIME message that is no base64, and says that it is"]);
        let encoded = message("Content-Transfer-Encoding: base64", "IyEvYmlu\nL3NoCg==");
        assert_eq!(of(&encoded), ["script"]);
        let other = message("Content-Type: text/x-include-url", "https://example.com/");
        assert_eq!(of(&other), ["a part of a MIME message of the type text/x-include-url"]);
    }
}
