//! Moves all databases of one PostgreSQL server to another, with the source in production.
//!
//! # The flow
//!
//! ```text
//! argv, env ──cli──► Cli ──settings──► Settings
//! Settings ──inspect──► Facts            what is on both servers, nothing judged
//! Facts, Settings ──plan──► Plan         every choice made: method, tables, order, owners     (pure)
//! Facts, Settings, Plan ──plan::outline──► Outline   what --dry-run prints                      (pure)
//! Facts, Settings, Plan ──validate──► Vec<Finding>   an error stops here                      (pure)
//! Plan ──migrate──► Events ──report──► log, progress, final blocks, JSON, exit code
//! Facts, Settings ──plan::comparison──► Comparison ──verify──► Events                (afterwards, or by itself)
//! ```
//!
//! The plan comes before validation because many findings are about a choice: that a database will be dumped and why, whose
//! owners are lost, which rows replication does not carry. Nothing has been changed on a server until validation has passed.
//!
//! # Where things are
//!
//! | question | place |
//! |---|---|
//! | an option and its help text; what it means | [`cli`]; [`settings`] |
//! | which stages a command runs | [`commands`] |
//! | how a connection string is read and written again | [`conninfo`] |
//! | names of our publications, slots and subscriptions | [`sql::names`] |
//! | how a session is opened, TLS, replication connections | [`pg`] |
//! | which catalog query told us something | [`inspect`], into [`facts`] |
//! | why a database is dumped rather than replicated | [`plan`] |
//! | why validation refused: the id in brackets in its output | [`validate`], a file per topic |
//! | how one database is moved, step by step | [`migrate`], from its `database.rs` |
//! | how definitions are restored, when an index is built | `schema` in [`migrate`] |
//! | what is copied together, in parts, in which format | `parts` and `format` in [`plan`], `copy` in [`migrate`] |
//! | what proves that two databases are equal | [`verify`] |
//! | arguments of pg_dump and pg_restore, harmless restore errors | [`tools`] |
//! | a line of the log, a field of the JSON, the exit code | [`report`], [`error`] |
//!
//! # How a database is moved
//!
//! A publication lists the tables that can be replicated; its comment records the replica identities that were changed for
//! that, until they are restored. A logical slot is created inside a transaction of a replication connection, whose snapshot
//! is then exactly the point from which the slot streams. pg_dump writes one schema archive from that snapshot. What rows
//! need is created first, its SQL a hundred entries to a transaction, thousands of tables by several sessions; pg_restore,
//! whose errors are understood one by one, gets what the target refuses. Workers copy tables, parts of large ones, and large
//! objects in parallel, rows committed together with their line in the journal; each table's indexes are built as soon as
//! its rows are there, then it is analyzed, then come foreign keys to others that are as far. What else comes after rows
//! follows: triggers, rules, privileges. Then a subscription takes over the slot: no gap, no overlap. At the finish, when every
//! table is ready and the slot has confirmed a goal that was fixed once, come the things that replication does not carry:
//! sequences, tables without replica identity, changed large objects, materialized views. Then subscription, slot and
//! publication are dropped. A small database in a run that finishes at once gets its subscription only if a look into the
//! slot finds something for it. The dump method is the same without publication and slot; its
//! tables are locked, as readers lock them, before its snapshot is taken.
//!
//! # Invariants
//!
//! 1. [`facts`], [`validate`], [`plan`], [`mod@sql`] and [`conninfo`] have no async, socket, clock or environment access.
//! 2. Only [`pg`] connects, only [`tools`] starts processes, only [`report`] prints, only `main` turns a result into an exit.
//! 3. [`migrate`] never decides what to do; the plan did. A step that meets a surprise reports it.
//! 4. A password is a [`conninfo::Secret`] from parse to render: never in argv, log, error, event, report or a `{:?}`.
//! 5. A server is only sent [`sql::Sql`], which a `String` cannot become. Every session begins with an empty `search_path` and
//!    with timeouts off.
//! 6. Every object that we create on a server has a name from [`sql::names`], is undone on failure and on a signal, and is
//!    found and dropped by the `cleanup` command without any record.
//! 7. Every wait has a limit, shows its reason, and can be interrupted.
//! 8. Rows and the record that they were copied are committed in one transaction on the target (the journal).
//! 9. Nothing that the user had on the target is overwritten without an option that says so.
//!
//! `tests/it/tidy.rs` holds the edges between modules and what of this a text search can hold.
//!
//! # Words
//!
//! *Transfer*: how rows go — a dump, a slot handed over to a subscription, or a subscription that copies them itself.
//! *Finish*: what makes a replicated database complete and ends its replication. *Journal*: schema `_pg_migrate` of a target
//! database while its migration has not ended. *Obstacle*: one reason why a database cannot be replicated. *Pinned*: of a
//! server with several hosts, the one that answered first; snapshots exist on that one only.

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
pub mod verify;

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
        Some(Command::Verify(options)) => {
            let report = open(&options.output, false, &invocation);
            supervise(report, async |report, shutdown| {
                Box::pin(commands::verify::run(options, environment, report, shutdown)).await
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
