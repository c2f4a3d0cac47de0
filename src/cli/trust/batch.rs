//! Many questions in one run.

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use serde_json::Value;

use super::load::Loader;
use super::{Answer, Exit, Trust, judge, output};
use crate::trust::Client;
use crate::trust::client::Environment;

/// Answers a file of questions, or stdin, line by line; exit 2 if a line could not be read.
pub(super) fn run(path: &Path, now: Timestamp, client: Client) -> anyhow::Result<Exit> {
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    let mut loader = Loader::beside(path.parent().map(Path::to_owned));
    let mut unread = 0_u32;
    output::to_stdout(|out| {
        let mut out = std::io::BufWriter::new(out);
        for line in input.split(b'\n') {
            let line = line?;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let answer = answer(&line, &mut loader, now, client);
            loader.notes.clear();
            unread += u32::from(answer.is_err());
            let answer = answer.unwrap_or_else(|unread| *unread);
            serde_json::to_writer(&mut out, &answer)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    })?;
    if unread > 0 {
        return Err(anyhow!("{unread} lines could not be read"));
    }
    Ok(Exit::Clean)
}

/// The answer to one line; `Err`: the answer that it could not be read.
fn answer(line: &[u8], loader: &mut Loader, now: Timestamp, default: Client) -> Result<Answer, Box<Answer>> {
    let mut unread = Answer {
        accepted: None,
        client: None,
        name: None,
        at: None,
        reason: String::new(),
        code: None,
        path: Vec::new(),
        notes: Vec::new(),
    };
    let question = match serde_json::from_slice::<Value>(line) {
        Ok(question @ Value::Object(_)) => question,
        Ok(_) => {
            "the line is no JSON object".clone_into(&mut unread.reason);
            return Err(Box::new(unread));
        }
        Err(error) => {
            unread.reason = format!("the line is no JSON: {error}");
            return Err(Box::new(unread));
        }
    };
    unread.client = text(&question, "client").ok().flatten().map(str::to_owned);
    unread.name = text(&question, "name").ok().flatten().map(str::to_owned);
    unread.at = text(&question, "at").ok().flatten().map(str::to_owned);
    let mut read = || -> anyhow::Result<Answer> {
        let client = match text(&question, "client")? {
            Some(client) => client.parse().map_err(|why: String| anyhow!(why))?,
            None => default,
        };
        let at = match text(&question, "at")? {
            Some(at) => at.parse().with_context(|| format!("`at` is no RFC 3339 instant: {at}"))?,
            None => now,
        };
        let name = text(&question, "name")?;
        let chain = loader.chain_parts(&parts(&question, "chain")?)?;
        let trust = match text(&question, "root")? {
            Some(_) if is_given(&question, "store") => return Err(anyhow!("`store` and `root` exclude each other")),
            Some(root) => loader.loaded(Path::new(root), &environment(&question)?, name, client)?,
            None if is_given(&question, "env") => return Err(anyhow!("`env` needs `root`")),
            None => Trust::Store(loader.store_parts(&parts(&question, "store")?)?),
        };
        Ok(Answer::new(name, at, judge(&chain, &trust, name, at, client)))
    };
    read().map_err(|error| Box::new(Answer { reason: format!("{error:#}"), ..unread }))
}

fn is_given(question: &Value, field: &str) -> bool {
    question.get(field).is_some_and(|value| !value.is_null())
}

/// The variables in `env`: an object of text.
fn environment(question: &Value) -> anyhow::Result<Environment> {
    let wrong = || anyhow!("`env` is no object of text");
    match question.get("env") {
        None | Some(Value::Null) => Ok(Environment::new()),
        Some(Value::Object(env)) => {
            env.iter().map(|(name, value)| Ok((name, value.as_str().ok_or_else(wrong)?))).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// A field that is text, or left out.
fn text<'a>(question: &'a Value, field: &str) -> anyhow::Result<Option<&'a str>> {
    match question.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(anyhow!("`{field}` is no text")),
    }
}

/// A field that is text, or a list of text.
fn parts(question: &Value, field: &str) -> anyhow::Result<Vec<String>> {
    let wrong = || anyhow!("`{field}` is neither text nor a list of text");
    match question.get(field) {
        None | Some(Value::Null) => Err(anyhow!("`{field}` is missing")),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(list)) => {
            list.iter().map(|part| part.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}
