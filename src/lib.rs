//! Moves all databases of one PostgreSQL server to another.

pub mod cli;
pub mod commands;
pub mod conninfo;
pub mod error;
pub mod events;
pub mod facts;
pub mod hiding;
pub mod inspect;
pub mod logger;
pub mod migrate;
pub mod pg;
pub mod plan;
pub mod report;
pub mod settings;
pub mod shutdown;
pub mod sql;
pub mod tools;
pub mod validate;

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::cli::{Cli, Command, OutputOptions};
use crate::error::{Error, Kind};
use crate::hiding::Invocation;
use crate::report::Report;
use crate::settings::OutputSettings;
use crate::shutdown::Shutdown;

/// Does what the command line asks and says how that went.
pub async fn run(invocation: Invocation) -> ExitCode {
    let cli = match parse(&invocation) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let environment = &invocation.environment;
    match cli.command {
        None => {
            let report = open(&cli.migrate.output, cli.migrate.show_passwords, &invocation);
            supervise(report, async |report, shutdown| {
                Box::pin(commands::migrate::run(cli.migrate, environment, report, shutdown)).await
            })
            .await
        }
        Some(Command::Cleanup(options)) => {
            let report = open(&options.output, false, &invocation);
            supervise(report, async |report, shutdown| {
                commands::cleanup::run(options, environment, report, shutdown).await
            })
            .await
        }
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pg_migrate", &mut script);
            report::print(&script)
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut page) {
                Ok(()) => report::print(&page),
                Err(cause) => {
                    report::refuse(&Error::new(Kind::Failed, "cannot write the manual page").caused_by(cause))
                }
            }
        }
    }
}

/// The command line, or the exit code after what it asked for or got wrong was printed.
fn parse(invocation: &Invocation) -> Result<Cli, ExitCode> {
    let arguments =
        cli::argv::normalise(invocation.arguments.iter().cloned()).map_err(|error| report::refuse(&error))?;
    Cli::read(arguments).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => report::print(text.as_bytes()),
            _ => report::complain(&hiding::redact(&text, &invocation.arguments), Kind::Usage),
        }
    })
}

fn open(options: &OutputOptions, show_passwords: bool, invocation: &Invocation) -> Report {
    let report = Report::start(OutputSettings::new(options, show_passwords, &invocation.environment));
    if let Some(reason) = &invocation.exposed {
        tracing::debug!(target: logger::MIGRATE, "passwords in arguments cannot be hidden from ps: {reason}");
    }
    report
}

/// Does `work` until it ends or a second signal comes, and closes the report.
async fn supervise(
    mut report: Report,
    work: impl AsyncFnOnce(&mut Report, &Shutdown) -> Result<(), Error>,
) -> ExitCode {
    let shutdown = match Shutdown::install() {
        Ok(shutdown) => shutdown,
        Err(cause) => {
            return report.finish(Err(Error::new(Kind::Failed, "cannot listen for signals").caused_by(cause)), None);
        }
    };
    let result = tokio::select! {
        result = work(&mut report, &shutdown) => result,
        () = shutdown.forced() => Err(shutdown
            .error()
            .caused_by("a second signal came before clean-up was done")
            .hint("pg_migrate cleanup drops what was left on the servers")),
    };
    report.finish(result, shutdown.signal())
}
