//! Files, folders and standard input.

mod read;
mod text;
mod walk;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::builder::{Builder, Placement};
use super::decode::Decoder;
use super::facts::Facts;
use super::{kustomize, snapshot_io};
use crate::model::{Coverage, CoverageState, Problem, ProblemClass, Snapshot};
use read::{Outcome, Task};
use walk::Entry;

/// How sources are read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The instant of the Snapshot.
    pub instant: jiff::Timestamp,
    /// Where namespaced objects go that name no namespace; `None` is `default`.
    pub default_namespace: Option<String>,
    /// Render kustomizations with `kubectl kustomize` or `kustomize` from the path.
    pub kustomize: bool,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source that was named does not exist, or may not be looked at.
    #[error("{name}: {error}")]
    NoSuchSource {
        /// As it was named.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// A saved snapshot was named together with something else.
    #[error("{0} is a saved snapshot, and a snapshot is complete: it cannot be combined with other sources")]
    SnapshotWithOthers(String),
    /// A saved snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] snapshot_io::Error),
}

/// The name of standard input as a source.
pub const STDIN: &str = "-";

/// Reads sources: files, folders, `-` for standard input, or one saved snapshot.
///
/// What cannot be read or understood becomes a problem of the Snapshot, and ends nothing.
///
/// # Errors
///
/// A source that does not exist, or a saved snapshot that cannot be loaded.
pub fn collect(sources: &[String], options: &Options) -> Result<Snapshot, Error> {
    collect_from(sources, io::stdin(), options)
}

/// [`collect`] with something else for standard input.
///
/// # Errors
///
/// As [`collect`].
pub fn collect_from(sources: &[String], stdin: impl Read, options: &Options) -> Result<Snapshot, Error> {
    for name in sources.iter().filter(|name| *name != STDIN) {
        if let Some(snapshot) = snapshot_io::load(Path::new(name))? {
            return if sources.len() == 1 { Ok(snapshot) } else { Err(Error::SnapshotWithOthers(name.clone())) };
        }
    }
    let mut collection = Collection::new(options);
    for name in sources {
        collection.add(name)?;
    }
    Ok(collection.read(stdin))
}

/// Reads texts as if they were files of these names, in memory: no file is touched.
pub fn from_texts(texts: &[(&str, &str)], options: &Options) -> Snapshot {
    let files: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    from_bytes(&files, options)
}

/// [`from_texts`] of bytes that need not be text.
pub fn from_bytes(files: &[(&str, &[u8])], options: &Options) -> Snapshot {
    let mut collection = Collection::new(options);
    collection.renders = false;
    let mut decoder = Decoder::new(false);
    let mut outcomes = Vec::new();
    for (name, bytes) in files {
        let source = collection.builder.source(name);
        // Relative, so that nobody asks the file system about it.
        let path = PathBuf::from(name.trim_start_matches('/'));
        collection.by_path.insert(path.clone(), source);
        let outcome = collection.task(source, &path).bytes(bytes, &mut decoder);
        outcomes.push((source, path, outcome));
    }
    collection.settle(outcomes)
}

/// Files that were found and have not been read.
struct Collection {
    builder: Builder,
    /// Kustomizations are rendered.
    renders: bool,
    /// In the order in which their objects are merged.
    files: Vec<(u32, Item)>,
    /// Files by their path without links.
    by_path: HashMap<PathBuf, u32>,
    /// Folders that were named, without links.
    roots: Vec<PathBuf>,
    charts: HashSet<PathBuf>,
}

enum Item {
    Stdin,
    File(Entry),
}

impl Collection {
    fn new(options: &Options) -> Self {
        Self {
            builder: Builder::files(options.instant, options.default_namespace.as_deref().unwrap_or("default")),
            renders: options.kustomize,
            files: Vec::new(),
            by_path: HashMap::new(),
            roots: Vec::new(),
            charts: HashSet::new(),
        }
    }

    /// Finds what a source consists of.
    fn add(&mut self, name: &str) -> Result<(), Error> {
        self.builder.coverage(Coverage {
            source: format!("file {name}").into(),
            kind: "*".into(),
            namespace: None,
            state: CoverageState::Read,
        });
        if name == STDIN {
            let source = self.builder.source("stdin");
            if !self.files.iter().any(|(_, item)| matches!(item, Item::Stdin)) {
                self.files.push((source, Item::Stdin));
            }
            return Ok(());
        }
        let path = Path::new(name);
        let metadata = std::fs::metadata(path).map_err(|error| Error::NoSuchSource { name: name.to_owned(), error })?;
        if !metadata.is_dir() {
            self.push(walk::file(name, path));
            return Ok(());
        }
        let found = walk::folder(name, path);
        self.roots.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        self.charts.extend(found.charts);
        for entry in found.entries {
            self.push(entry);
        }
        for (name, why) in found.links {
            let source = self.builder.source(&name);
            self.builder.problem(problem(ProblemClass::LinkNotFollowed, why.to_owned(), source));
        }
        for (name, why) in found.left_out {
            let source = self.builder.source(&name);
            self.builder.failed(source, format!("it cannot be read: {why}"));
        }
        Ok(())
    }

    /// A file that two sources reach is read once.
    fn push(&mut self, entry: Entry) {
        if !self.by_path.contains_key(&entry.canonical) {
            let source = self.builder.source(&entry.name);
            self.by_path.insert(entry.canonical.clone(), source);
            self.files.push((source, Item::File(entry)));
        }
    }

    fn read(self, stdin: impl Read) -> Snapshot {
        let outcomes = self.outcomes(stdin);
        let path = |item: &Item| match item {
            Item::File(entry) => entry.path.clone(),
            Item::Stdin => PathBuf::new(),
        };
        let files = self.files.iter().map(|(source, item)| (*source, path(item)));
        let outcomes = files.zip(outcomes).map(|((source, path), outcome)| (source, path, outcome)).collect();
        self.settle(outcomes)
    }

    /// Puts together what the files gave, with what kustomizations make of it.
    fn settle(mut self, outcomes: Vec<(u32, PathBuf, Outcome)>) -> Snapshot {
        let mut kustomizations = Vec::new();
        let mut read = Vec::new();
        let mut templates = Vec::new();
        for (source, path, mut outcome) in outcomes {
            kustomizations.append(&mut outcome.kustomizations);
            if outcome.is_template {
                templates.push((self.chart_of(&path), source));
            }
            read.push((source, outcome.facts));
        }
        self.report_templates(templates);
        let by_path = std::mem::take(&mut self.by_path);
        let mut plan = kustomize::Plan::new(&kustomizations, &by_path, &self.roots);
        let rendered = if self.renders { self.render(&mut plan) } else { Vec::new() };
        plan.follow_all();
        for (source, facts) in read {
            if !plan.leaves_out(source) {
                self.builder.append(facts);
            }
        }
        for facts in rendered {
            self.builder.append(facts);
        }
        plan.apply(&mut self.builder);
        self.builder.finish()
    }

    /// Renders the kustomizations that no other one lists, and gives what they hold.
    fn render(&mut self, plan: &mut kustomize::Plan<'_>) -> Vec<Facts> {
        let mut all = Vec::new();
        let mut decoder = Decoder::new(false);
        for root in plan.roots() {
            match kustomize::render(&root.folder) {
                Ok(text) => {
                    let name = format!("{} (rendered)", self.builder.source_name(root.source));
                    let source = self.builder.source(&name);
                    if let Some(namespace) = root.namespace {
                        self.builder.place(source, Placement::Namespace(namespace));
                    }
                    all.push(self.task(source, Path::new("")).bytes(&text, &mut decoder).facts);
                    plan.set_rendered(root.index);
                }
                Err(why) => {
                    let message = format!("rendering failed: {why}");
                    self.builder.problem(problem(ProblemClass::NotRendered, message, root.source));
                }
            }
        }
        all
    }

    /// Reads everything; small files by two threads. The order of the outcomes is that of the files.
    fn outcomes(&self, stdin: impl Read) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut decoder = Decoder::new(false);
            let mut outcomes = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                match self.files.get(i) {
                    Some((source, Item::File(entry))) if !is_large(&entry.path) => {
                        outcomes.push((i, self.task_of(*source, entry).read(&mut decoder)));
                    }
                    Some(_) => {}
                    None => return outcomes,
                }
            }
        };
        let mut outcomes: Vec<(usize, Outcome)> = std::thread::scope(|scope| {
            // A thread costs more than a few files do.
            let second = (self.files.len() > 8).then(|| scope.spawn(work));
            let mut outcomes = work();
            if let Some(second) = second {
                outcomes.extend(second.join().unwrap_or_default());
            }
            outcomes
        });
        let mut decoder = Decoder::new(false);
        let mut stdin = Some(stdin);
        for (i, (source, item)) in self.files.iter().enumerate() {
            match item {
                Item::File(entry) if is_large(&entry.path) => {
                    outcomes.push((i, self.task_of(*source, entry).read_large(&mut decoder)));
                }
                Item::File(_) => {}
                Item::Stdin => {
                    if let Some(stdin) = stdin.take() {
                        outcomes.push((i, self.task(*source, Path::new("")).read_input(stdin, &mut decoder)));
                    }
                }
            }
        }
        outcomes.sort_by_key(|(i, _)| *i);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn task_of<'p>(&self, source: u32, entry: &'p Entry) -> Task<'p> {
        let folder = entry.canonical.parent().unwrap_or(Path::new(""));
        Task { folder, ..self.task(source, &entry.path) }
    }

    /// What is not on disk.
    fn task<'p>(&self, source: u32, path: &'p Path) -> Task<'p> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_chart_file = (name == "Chart.yaml" || name.starts_with("values"))
            && path.parent().is_some_and(|folder| self.charts.contains(folder));
        Task { source, path, folder: path.parent().unwrap_or(Path::new("")), is_chart_file }
    }

    /// One problem for each chart, with the number of its templates.
    fn report_templates(&mut self, templates: Vec<(PathBuf, u32)>) {
        let mut by_chart: BTreeMap<PathBuf, (u32, u64)> = BTreeMap::new();
        for (chart, source) in templates {
            self.builder.helm_template();
            by_chart.entry(chart).or_insert((source, 0)).1 += 1;
        }
        for (source, count) in by_chart.into_values() {
            let message = "Helm templates are not rendered".to_owned();
            let problem = Problem { count, ..problem(ProblemClass::HelmTemplate, message, source) };
            self.builder.problem(problem);
        }
    }

    /// The folder of the chart that a template belongs to, else the template's own.
    fn chart_of(&self, path: &Path) -> PathBuf {
        let folder = path.ancestors().skip(1).find(|folder| self.charts.contains(*folder));
        folder.or(path.parent()).unwrap_or(Path::new("")).to_owned()
    }
}

fn is_large(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > read::LARGE)
}

fn problem(class: ProblemClass, message: String, source: u32) -> Problem {
    Problem { class, message, source, line: 0, kind: None, namespace: None, name: None, count: 1 }
}
