//! Reads facts into a [`Snapshot`](crate::model::Snapshot): the only room on the input side that does I/O.
//!
//! ```text
//!  files ──► yaml ──┐
//!                   ├──► json ──► decode ──► builder ──► Snapshot
//!  API pages ───────┘             (raw: borrowed, pruned)
//! ```
//!
//! Everything goes through one decoder, [`json`]: YAML is rewritten as JSON on the same lines first, as
//! kubectl does, and a live cluster's pages are JSON already. So a file and a server that hold the same
//! object give the same facts, and what an API server would reject is not read as something else.

pub mod builder;
mod decode;
mod facts;
mod head;
pub mod json;
mod kinds;
pub mod kube;
mod lines;
mod pods;
mod policies;
mod raw;
pub mod redact;
pub mod resolve;
mod scratch;
pub mod files {
    //! tmp
    use super::builder::Builder;
    use crate::model::*;
    /// o
    #[derive(Clone, Debug, Default)]
    pub struct Options {
        /// a
        pub instant: jiff::Timestamp,
        /// b
        pub default_namespace: Option<String>,
        /// c
        pub kustomize: bool,
    }
    fn doc(b: &mut Builder, s: u32, text: &str, line: u32) {
        if text.trim().is_empty() {
            return;
        }
        let t = text.trim_start();
        let json = if t.starts_with('{') {
            text.to_owned()
        } else {
            match serde_saphyr::from_str::<serde_json::Value>(text) {
                Ok(v) => {
                    if v.is_null() {
                        return;
                    } else {
                        if v.get("kind").is_none() {
                            b.problem(Problem {
                                class: ProblemClass::NotAnObject,
                                message: "names no kind".into(),
                                source: s,
                                line,
                                kind: None,
                                namespace: None,
                                name: None,
                                count: 1,
                            });
                            return;
                        }
                        v.to_string()
                    }
                }
                Err(e) => {
                    b.problem(Problem {
                        class: ProblemClass::Malformed,
                        message: e.to_string(),
                        source: s,
                        line,
                        kind: None,
                        namespace: None,
                        name: None,
                        count: 1,
                    });
                    return;
                }
            }
        };
        if let Err(e) = super::json::decode_list(json.as_bytes(), s, b, None) {
            b.problem(Problem {
                class: ProblemClass::Malformed,
                message: e.message,
                source: s,
                line,
                kind: None,
                namespace: None,
                name: None,
                count: 1,
            });
        }
    }
    fn text(b: &mut Builder, name: &str, text: &str) {
        let s = b.source(name);
        if text.trim_start().starts_with('{') {
            doc(b, s, text, 1);
            return;
        }
        let mut cur = String::new();
        let mut start = 1;
        let mut n = 0;
        for l in text.lines() {
            n += 1;
            if l == "---" || l.starts_with("--- ") {
                doc(b, s, &cur, start);
                cur.clear();
                start = n + 1;
            } else {
                cur.push_str(l);
                cur.push('\n');
            }
        }
        doc(b, s, &cur, start);
    }
    /// o
    pub fn from_texts(t: &[(&str, &str)], o: &Options) -> Snapshot {
        let mut b = Builder::files(o.instant, o.default_namespace.as_deref().unwrap_or("default"));
        for (n, x) in t {
            text(&mut b, n, x)
        }
        b.finish()
    }
    /// o
    pub fn collect(sources: &[String], o: &Options) -> anyhow::Result<Snapshot> {
        let mut b = Builder::files(o.instant, o.default_namespace.as_deref().unwrap_or("default"));
        for s in sources {
            for e in walkdir::WalkDir::new(s).sort_by_file_name() {
                let e = e?;
                if e.file_type().is_file() {
                    let n = e.path().to_string_lossy().into_owned();
                    if n.ends_with("pods.json") {
                        let src = b.source(&n);
                        let t = std::fs::read(e.path())?;
                        super::json::decode_list(&t, src, &mut b, None)?;
                    } else if let Ok(t) = std::fs::read_to_string(e.path()) {
                        text(&mut b, &n, &t)
                    }
                }
            }
        }
        Ok(b.finish())
    }
}
pub mod snapshot_io {
    //! tmp
    /// o
    pub fn save(_: &crate::model::Snapshot, _: &std::path::Path) -> anyhow::Result<()> {
        anyhow::bail!("tmp")
    }
}
