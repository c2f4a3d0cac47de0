//! A verdict for people.

use std::io::{self, Write};

use jiff::Timestamp;

use super::Judged;
use super::load::Chain;
use crate::trust::Certificate;
use crate::trust::verify::Verdict;

/// The verdict first, then why, then the path with its dates; for several clients one line each.
pub(super) fn table(
    judged: &[Judged],
    chain: &Chain,
    anchors: &[Certificate],
    name: Option<&str>,
    at: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let of = name.unwrap_or("any name");
    if let [Judged { client, verdict, .. }] = judged {
        let code = verdict.failure.map(|failure| format!("  {}", failure.code().id)).unwrap_or_default();
        writeln!(out, "{}  {client}, for {of}, at {at}{code}", word(verdict))?;
        writeln!(out, "  {}", verdict.reason)?;
    } else {
        writeln!(out, "for {of}, at {at}")?;
        let width = judged.iter().map(|judged| judged.client.name().len()).max().unwrap_or(0);
        for Judged { client, verdict, .. } in judged {
            let code = verdict.failure.map_or("", |failure| failure.code().id);
            writeln!(out, "  {client:width$}  {:8}  {code:10}  {}", word(verdict), verdict.reason)?;
        }
    }
    notes(judged, out)?;
    let verdicts = judged.iter().map(|judged| &judged.verdict);
    let Some(verdict) = verdicts.max_by_key(|verdict| (verdict.accepted, verdict.path.len())) else {
        return Ok(());
    };
    let sent: &[Certificate] = match chain {
        Chain::Read(certificates) => certificates,
        Chain::Malformed(_) | Chain::Unread(_) => &[],
    };
    if !verdict.path.is_empty() {
        writeln!(out, "\npath")?;
    }
    for (depth, subject) in verdict.path.iter().enumerate() {
        let is_it = |certificate: &&Certificate| *certificate.anchor().subject == **subject;
        let of_server = sent.iter().filter(|_| depth + 1 < verdict.path.len() || verdict.accepted != Some(true));
        let found = of_server.chain(anchors).chain(sent).find(is_it);
        let dates = found.map(|certificate| {
            let anchor = certificate.anchor();
            let day = |instant: Timestamp| instant.strftime("%Y-%m-%d").to_string();
            format!("{} to {}", day(anchor.not_before), day(anchor.not_after))
        });
        let subject = if subject.is_empty() { "(no subject)" } else { subject };
        writeln!(out, "  {:24}  {subject}", dates.unwrap_or_default())?;
    }
    Ok(())
}

/// What the clients fell into; several may have met the same.
fn notes(judged: &[Judged], out: &mut dyn Write) -> io::Result<()> {
    let mut shown = Vec::new();
    for note in judged.iter().flat_map(|judged| &judged.notes) {
        let line = (&note.code, &note.message);
        if !shown.contains(&line) {
            writeln!(out, "  {}  {}", note.code, note.message)?;
            shown.push(line);
        }
    }
    Ok(())
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict.accepted {
        Some(true) => "accepted",
        Some(false) => "rejected",
        None => "unknown",
    }
}
