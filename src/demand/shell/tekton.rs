//! Scripts of Tekton steps: the init container `place-scripts` holds them, in base64 since
//! Tekton 0.27 and as plain text before, each in a here-document (Tekton, `pkg/pod/script.go`).

use crate::model::base64;
use crate::model::object::PodSpec;

/// Path and text of each script.
pub(in crate::demand) type Scripts = Vec<(String, String)>;

const FOLDER: &str = "/tekton/scripts/";

/// The scripts that a specification places for its steps.
pub(in crate::demand) fn scripts(spec: &PodSpec) -> Scripts {
    let placing = spec.containers.iter().filter(|container| container.init && container.name == "place-scripts");
    placing.flat_map(|container| &container.args).flat_map(|argument| placed(argument)).collect()
}

fn placed(text: &str) -> Scripts {
    let mut found = Scripts::new();
    let mut path = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((_, value)) = line.split_once('=')
            && value.trim_matches('"').starts_with(FOLDER)
        {
            path = Some(value.trim_matches('"').to_owned());
        } else if let (Some((_, delimiter)), Some(path)) = (line.split_once("<< '"), &path) {
            let delimiter = delimiter.trim_end_matches('\'');
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            let body = body.join("\n");
            let script = base64::decode(body.trim()).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(body);
            found.push((path.clone(), without_user_info(&script)));
        }
    }
    found
}

/// Leaves `user:password@` out of URLs: what is encoded could not be cleaned when it was collected.
fn without_user_info(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let authority = &after[..after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len())];
        rest = &after[authority.rfind('@').map_or(0, |at| at + 1)..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text = "scriptfile=\"/tekton/scripts/script-0-abc\"\ntouch ${scriptfile} && chmod +x ${scriptfile}\ncat > ${scriptfile} << '_EOF_'\nIyEvYmluL3NoCnNldCAtZQpnbyBidWlsZAo=\n_EOF_\n/tekton/bin/entrypoint decode-script \"${scriptfile}\"\ntmpfile=\"/tekton/scripts/script-1-def\"\ncat > ${tmpfile} << 'script-heredoc-randomly-generated-def'\n#!/bin/bash\nnpm ci\nscript-heredoc-randomly-generated-def\n";
        let want = [
            ("/tekton/scripts/script-0-abc", "#!/bin/sh\nset -e\ngo build\n"),
            ("/tekton/scripts/script-1-def", "#!/bin/bash\nnpm ci"),
        ];
        let found = placed(text);
        assert_eq!(found.iter().map(|(path, script)| (path.as_str(), script.as_str())).collect::<Vec<_>>(), want);
        assert!(placed("").is_empty());
    }

    #[test]
    fn encoded_credentials_are_left_out() {
        assert_eq!(
            without_user_info("git clone https://u:p@w@h.example/a@b && X=http://t@h y@z"),
            "git clone https://h.example/a@b && X=http://h y@z"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-zA-Z0-9+/=' \n\"<$_]{0,60}") {
            let _ = (placed(&text), without_user_info(&text));
        }
    }
}
