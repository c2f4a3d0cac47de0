//! `buildreach trust`: would this client, with this store, accept this chain for this name at this time?

mod batch;
mod load;
mod show;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use super::{Exit, output};
use crate::model::trust::TrustNote;
use crate::trust::client::{Effective, Environment};
use crate::trust::verify::{self, Question, Verdict};
use crate::trust::{Certificate, Client};
use load::{Chain, Loader};

/// Arguments of `trust`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the server presents: PEM or DER, its own certificate first; `-` for stdin
    #[arg(value_name = "CHAIN", required_unless_present = "batch")]
    chain: Option<PathBuf>,
    /// Anchors as they are: a file, or every file of a folder
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required_unless_present_any = ["batch", "root"])]
    store: Vec<PathBuf>,
    /// Root of a file system, an image's or a machine's: the anchors are what the client loads from it by its own rules
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    root: Option<PathBuf>,
    /// With `--root`: a variable of the client's process; repeatable. All others are unset
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, conflicts_with_all = ["store", "batch"])]
    env: Vec<(String, String)>,
    /// DNS name or address that the client asks for
    #[arg(long, value_name = "HOST", required_unless_present = "batch")]
    name: Option<String>,
    /// Who verifies; repeatable
    #[arg(long, value_name = "CLIENT", value_delimiter = ',', default_value = "go", help = clients())]
    client: Vec<Client>,
    /// When, instead of now: RFC 3339
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
    /// Format
    #[arg(short, long, value_enum, default_value_t)]
    output: TrustFormat,
    /// Questions, one JSON object a line: `chain` and `store` (PEM, a path, or a list of these) or, instead of
    /// `store`, `root` (a path) and `env` (an object), `name`, `client`, `at`; answered one JSON object a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["chain", "store", "root", "name", "output"])]
    batch: Option<PathBuf>,
}

fn clients() -> String {
    let names: Vec<_> = Client::ALL.iter().map(|client| client.name()).collect();
    format!("Who verifies; repeatable: {}", names.join(", "))
}

/// `NAME=VALUE`; the value may be empty.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is given as NAME=VALUE".to_owned()),
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TrustFormat {
    /// The verdict, why, and the path.
    #[default]
    Table,
    /// One object a client.
    Json,
}

/// One answer.
#[derive(Debug, Serialize)]
struct Answer {
    /// `null`: it cannot be told.
    accepted: Option<bool>,
    client: Option<String>,
    name: Option<String>,
    at: Option<String>,
    reason: String,
    /// Of the failure; `null` when accepted or unknown.
    code: Option<&'static str>,
    /// Subjects from the leaf to the anchor.
    path: Vec<String>,
    /// Traps that the client met on its way to its anchors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
}

/// A trap.
#[derive(Clone, Debug, Serialize)]
struct Note {
    code: String,
    message: String,
    /// File, or name of a variable; empty if it concerns the whole.
    path: String,
}

impl From<&TrustNote> for Note {
    fn from(note: &TrustNote) -> Self {
        Self { code: note.code.to_string(), message: note.message.to_string(), path: note.path.to_string() }
    }
}

/// What one client trusts.
#[derive(Debug)]
enum Trust {
    /// These anchors.
    Store(Store),
    /// What it loads by its own rules.
    Loaded(Box<Effective>),
}

impl Trust {
    fn notes(&self) -> Vec<Note> {
        match self {
            Self::Store(_) => Vec::new(),
            Self::Loaded(loaded) => loaded.notes.iter().map(Note::from).collect(),
        }
    }

    /// Every anchor that it has or may have.
    fn anchors(&self) -> Vec<Certificate> {
        match self {
            Self::Store(store) => store.to_vec(),
            Self::Loaded(loaded) => verify::anchors(loaded, false),
        }
    }
}

/// What one client says.
#[derive(Debug)]
struct Judged {
    client: Client,
    verdict: Verdict,
    notes: Vec<Note>,
}

impl Answer {
    fn new(name: Option<&str>, at: Timestamp, judged: Judged) -> Self {
        let Judged { client, verdict, notes } = judged;
        Self {
            notes,
            accepted: verdict.accepted,
            client: Some(client.name().to_owned()),
            name: name.map(str::to_owned),
            at: Some(at.to_string()),
            reason: verdict.reason,
            code: verdict.failure.map(|failure| failure.code().id),
            path: verdict.path,
        }
    }
}

/// Answers, and says by the exit what was answered.
pub(super) fn run(args: &Args, quiet: bool) -> anyhow::Result<Exit> {
    let now = args.at.unwrap_or_else(|| Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
    if let Some(file) = &args.batch {
        return batch::run(file, now, args.client.first().copied().unwrap_or(Client::Go));
    }
    let mut stores = args.store.clone();
    // `--store CA CHAIN` without a chain before it: the last one is the chain.
    let chain = match (&args.chain, stores.len()) {
        (Some(chain), _) => chain.clone(),
        (None, 2..) => stores.pop().context("no chain is given")?,
        (None, _) => bail!("no chain is given"),
    };
    let mut loader = Loader::default();
    let chain = loader.chain_file(&chain)?;
    let environment: Environment = args.env.iter().map(|(name, value)| (name, value)).collect();
    let mut anchors: Vec<Certificate> = Vec::new();
    for store in &stores {
        anchors.extend(loader.store_path(store)?.iter().cloned());
    }
    let anchors: Store = anchors.into();
    let name = args.name.as_deref();
    let mut judged = Vec::new();
    let mut known = Vec::new();
    for &client in &args.client {
        let trust = match &args.root {
            Some(root) => loader.loaded(root, &environment, name, client)?,
            None => Trust::Store(anchors.clone()),
        };
        if known.is_empty() || args.root.is_some() {
            known.extend(trust.anchors());
        }
        judged.push(judge(&chain, &trust, name, now, client));
    }
    if !quiet {
        for note in &loader.notes {
            output::hint(note);
        }
    }
    let any = |accepted| judged.iter().any(|judged| judged.verdict.accepted == accepted);
    let exit = if any(Some(false)) {
        Exit::Findings
    } else if any(None) {
        Exit::Incomplete
    } else {
        Exit::Clean
    };
    output::to_stdout(|out| match args.output {
        TrustFormat::Table => show::table(&judged, &chain, &known, name, now, out),
        TrustFormat::Json => {
            for judged in judged {
                serde_json::to_writer(&mut *out, &Answer::new(name, now, judged))?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    })?;
    Ok(exit)
}

fn judge(chain: &Chain, trust: &Trust, name: Option<&str>, at: Timestamp, client: Client) -> Judged {
    let verdict = match (chain, trust) {
        (Chain::Read(chain), Trust::Store(anchors)) => verify::verify(&Question { chain, anchors, name, at, client }),
        (Chain::Read(chain), Trust::Loaded(loaded)) => verify::with_loaded(loaded, chain, name, at, client),
        (Chain::Malformed(why), _) => Verdict::malformed(format!("the server's certificate is malformed: {why}")),
        (Chain::Unread(why), _) => Verdict::unknown(why.clone()),
    };
    Judged { client, verdict, notes: trust.notes() }
}

/// A store that several questions share.
type Store = Arc<[Certificate]>;
