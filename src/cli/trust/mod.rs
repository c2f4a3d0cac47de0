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
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required_unless_present = "batch")]
    store: Vec<PathBuf>,
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
    /// Questions, one JSON object a line: `chain` and `store` (PEM, a path, or a list of these), `name`, `client`,
    /// `at`; answered one JSON object a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["chain", "store", "name", "output"])]
    batch: Option<PathBuf>,
}

fn clients() -> String {
    let names: Vec<_> = Client::ALL.iter().map(|client| client.name()).collect();
    format!("Who verifies; repeatable: {}", names.join(", "))
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
}

impl Answer {
    fn new(client: Client, name: Option<&str>, at: Timestamp, verdict: Verdict) -> Self {
        Self {
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
    let mut anchors: Vec<Certificate> = Vec::new();
    for store in &stores {
        anchors.extend(loader.store_path(store)?.iter().cloned());
    }
    if !quiet {
        for note in &loader.notes {
            output::hint(note);
        }
    }
    let name = args.name.as_deref();
    let verdicts: Vec<(Client, Verdict)> =
        args.client.iter().map(|&client| (client, judge(&chain, &anchors, name, now, client))).collect();
    output::to_stdout(|out| match args.output {
        TrustFormat::Table => show::table(&verdicts, &chain, &anchors, name, now, out),
        TrustFormat::Json => {
            for (client, verdict) in &verdicts {
                serde_json::to_writer(&mut *out, &Answer::new(*client, name, now, verdict.clone()))?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    })?;
    let any = |accepted| verdicts.iter().any(|(_, verdict)| verdict.accepted == accepted);
    Ok(if any(Some(false)) {
        Exit::Findings
    } else if any(None) {
        Exit::Incomplete
    } else {
        Exit::Clean
    })
}

fn judge(chain: &Chain, anchors: &[Certificate], name: Option<&str>, at: Timestamp, client: Client) -> Verdict {
    match chain {
        Chain::Read(certificates) => verify::verify(&Question { chain: certificates, anchors, name, at, client }),
        Chain::Malformed(why) => Verdict::malformed(format!("the server's certificate is malformed: {why}")),
        Chain::Unread(why) => Verdict::unknown(why.clone()),
    }
}

/// A store that several questions share.
type Store = Arc<[Certificate]>;
