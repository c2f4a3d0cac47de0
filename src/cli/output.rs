//! Where bytes go: results to stdout or files, everything else to stderr.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::report::{Format, Options};

/// `FORMAT` to stdout, or `FORMAT=FILE`.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    pub(super) format: Format,
    pub(super) file: Option<PathBuf>,
}

impl FromStr for Sink {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((format, "")) => return Err(format!("`{format}=` names no file")),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        Ok(Self { format: format.parse().map_err(|e: crate::report::UnknownFormat| e.to_string())?, file })
    }
}

/// A sink for one trace: formats that are about a whole audit are refused.
pub(super) fn sink_of_trace(text: &str) -> Result<Sink, String> {
    let sink: Sink = text.parse()?;
    if sink.format.explains() {
        return Ok(sink);
    }
    let format = sink.format;
    Err(format!("`{format}` is a format for audits, and explain prints one trace: table, wide, json, yaml or markdown"))
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes a result to each sink; the default is a table on stdout.
pub(super) fn write(
    sinks: &[Sink],
    colour: Colour,
    render: impl Fn(Format, &Options, &mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let default = [Sink { format: Format::Table, file: None }];
    let sinks = if sinks.is_empty() { &default } else { sinks };
    for sink in sinks {
        if let Some(path) = &sink.file {
            let mut file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            render(sink.format, &Options::default(), &mut file)
                .with_context(|| format!("cannot write {}", path.display()))?;
        } else {
            let options = Options { colour: use_colour(colour), width: width() };
            to_stdout(|out| render(sink.format, &options, out))?;
        }
    }
    Ok(())
}

/// Runs a writer on a locked stdout.
pub(super) fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

fn use_colour(colour: Colour) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
            !set("NO_COLOR") && (set("CLICOLOR_FORCE") || io::stdout().is_terminal())
        }
    }
}

fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Whether the reader of a pipe went away: no error of ours.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints an error with its causes.
#[allow(clippy::print_stderr)] // errors go to stderr, and here is where they do
pub(super) fn error(error: &anyhow::Error) {
    anstream::eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        anstream::eprintln!("  caused by: {cause}");
    }
}

/// Prints a hint.
#[allow(clippy::print_stderr)]
pub(super) fn hint(text: &str) {
    anstream::eprintln!("hint: {text}");
}

/// Prints what went wrong without ending the run.
#[allow(clippy::print_stderr)]
pub(super) fn warning(text: &str) {
    anstream::eprintln!("warning: {text}");
}

/// Prints a line about the result that is no part of it.
#[allow(clippy::print_stderr)]
pub(super) fn remark(text: &str) {
    anstream::eprintln!("{text}");
}
