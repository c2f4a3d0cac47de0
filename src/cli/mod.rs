//! The command line: one file per subcommand. All I/O of the evaluation ends here.

mod agent;
mod archive;
mod audit;
mod aws;
mod controller;
mod exceptions;
mod explain;
mod output;
mod presents;
mod snapshot;
mod source;
mod test;
mod trust;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Can your builds reach what they need? If not: which exact rule says no?
#[derive(Debug, Parser)]
#[command(
    name = "buildreach",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// Log to stderr; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How logs are written.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// No progress and no hints on stderr.
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    // Lines for people.
    #[default]
    Text,
    // One JSON object a line; warnings always, and the error that ends the program with them.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge every build and everything it must fetch
    Audit(Box<audit::Args>),
    /// Explain one connection, layer by layer
    Explain(Box<explain::Args>),
    /// Run reachability assertions
    Test(test::Args),
    /// Say whether a client accepts a certificate chain
    Trust(Box<trust::Args>),
    /// Save what was read; auditing the saved folder gives the same report
    Snapshot(Box<snapshot::Args>),
    /// Read what a node trusts, and keep its NodeTrust object up to date
    Agent(Box<agent::Args>),
    /// Keep the status of BuildAudits true, in the cluster
    Controller(Box<controller::Args>),
    /// Print the definitions of the custom resources
    Crds(agent::CrdsArgs),
    /// Print the IAM policy that reading AWS with --aws needs
    AwsPolicy,
    /// Print a completion script
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the JSON schema of a report
    Schema,
}

/// How the program ends: 0 clean, 1 findings or failed assertions, 2 usage or run-time error, 3 coverage incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Clean = 0,
    Findings = 1,
    Incomplete = 3,
}

/// Parses the arguments, runs, and says how the process ends.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose, cli.log_format);
    let result = match cli.command {
        Command::Audit(args) => audit::run(&args, cli.quiet),
        Command::Explain(args) => explain::run(&args, cli.quiet),
        Command::Test(args) => test::run(&args),
        Command::Trust(args) => trust::run(&args, cli.quiet),
        Command::Snapshot(args) => snapshot::run(&args, cli.quiet),
        Command::Agent(args) => agent::run(&args),
        Command::Controller(args) => controller::run(&args),
        Command::Crds(args) => agent::crds(&args),
        Command::AwsPolicy => aws::print_policy(),
        Command::Completions { shell } => output::to_stdout(|out| {
            clap_complete::generate(shell, &mut Cli::command(), "buildreach", out);
            Ok(())
        })
        .map(|()| Exit::Clean),
        Command::Man => {
            output::to_stdout(|out| clap_mangen::Man::new(Cli::command()).render(out)).map(|()| Exit::Clean)
        }
        Command::Schema => {
            output::to_stdout(|mut out| std::io::Write::write_all(&mut out, crate::report::schema().as_bytes()))
                .map(|()| Exit::Clean)
        }
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            match cli.log_format {
                LogFormat::Text => output::error(&error),
                LogFormat::Json => tracing::error!("{error:#}"),
            }
            ExitCode::from(2)
        }
    }
}

fn log(verbose: u8, format: LogFormat) {
    let level = match (verbose, format) {
        (0, LogFormat::Text) => return,
        (0, LogFormat::Json) => "warn",
        (1, _) => "info",
        _ => "debug",
    };
    // The client tells its callers of every request that fails; here they say it once, with what it means.
    let client = if level == "debug" { "" } else { ",kube_client::client::builder=off" };
    let filter = tracing_subscriber::EnvFilter::new(format!("buildreach={level},kube={level}{client}"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
