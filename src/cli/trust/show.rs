//! A verdict for people.

use std::io::{self, Write};

use jiff::Timestamp;

use super::load::Chain;
use crate::trust::verify::Verdict;
use crate::trust::{Certificate, Client};

/// The verdict first, then why, then the path with its dates; for several clients one line each.
pub(super) fn table(
    verdicts: &[(Client, Verdict)],
    chain: &Chain,
    anchors: &[Certificate],
    name: Option<&str>,
    at: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let of = name.unwrap_or("any name");
    if let [(client, verdict)] = verdicts {
        let code = verdict.failure.map(|failure| format!("  {}", failure.code().id)).unwrap_or_default();
        writeln!(out, "{}  {client}, for {of}, at {at}{code}", word(verdict))?;
        writeln!(out, "  {}", verdict.reason)?;
    } else {
        writeln!(out, "for {of}, at {at}")?;
        let width = verdicts.iter().map(|(client, _)| client.name().len()).max().unwrap_or(0);
        for (client, verdict) in verdicts {
            let code = verdict.failure.map_or("", |failure| failure.code().id);
            writeln!(out, "  {client:width$}  {:8}  {code:10}  {}", word(verdict), verdict.reason)?;
        }
    }
    let Some((_, verdict)) = verdicts.iter().max_by_key(|(_, verdict)| (verdict.accepted, verdict.path.len())) else {
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

fn word(verdict: &Verdict) -> &'static str {
    match verdict.accepted {
        Some(true) => "accepted",
        Some(false) => "rejected",
        None => "unknown",
    }
}
