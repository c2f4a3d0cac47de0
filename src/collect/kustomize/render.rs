//! Renders a kustomization with the tools of the path.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// The objects of a kustomization, as `kubectl kustomize` or `kustomize build` writes them.
///
/// # Errors
///
/// Why neither could: the last lines of what the tool said.
pub(crate) fn render(folder: &Path) -> Result<Vec<u8>, String> {
    for (program, command) in [("kubectl", "kustomize"), ("kustomize", "build")] {
        let output = Command::new(program).arg(command).arg(folder).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => return Ok(output.stdout),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
                return Err(format!("{program} {command}: {last}"));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{program}: {error}")),
        }
    }
    Err("neither `kubectl` nor `kustomize` is in the path".to_owned())
}
