//! PostgreSQL's own programs: the only module that starts processes.
//!
//! [`find_all`] says which `pg_dump` and `pg_restore` this machine has, [`choose`] which of them suits two servers.
//! [`dump_schema`] writes an archive, [`contents`] reads what is in it, [`restore`] carries out a part of it. How
//! `pg_restore` fared is a value: each error it met, with the object, the server's words and the command, and
//! [`classify()`] tells the harmless ones, listed one by one in the code, and those that the user was told of, from all others.
//! [`SqlFile`] keeps the SQL of entries, [`Script`] reads it as statements.
//!
//! Children get no password in their arguments, no `PG*` variable of ours, speak English, and run in a process group of
//! their own, so that they and their workers can be stopped together.

mod archive;
mod classify;
mod lex;
mod locate;
mod outcome;
mod process;
mod refused;
mod script;
mod sql_file;
mod stderr;
mod toc;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

pub use archive::{DumpRequest, RestoreRequest, contents, dump_schema, restore};
pub use classify::{Context, HARMLESS, Harmless, Verdict, classify};
pub use lex::statements;
pub use locate::{Choice, ClientTools, LocateError, ToolVersion, choose, find_all};
pub use outcome::{Ending, Phase, RestoreError, RestoreOutcome, TocEntryRef};
pub use refused::{Announced, Missing};
pub use script::{RelationStatistics, Script};
pub use sql_file::{Piece, SqlFile};
pub use toc::{Entry, Section, Toc, TocError, write_list};

/// How a child reaches a server.
#[derive(Clone, Debug, Default)]
pub struct ChildConnection {
    /// Keywords and values for `--dbname`. Anyone on the machine can read arguments: no secret may be in here.
    pub conninfo: String,
    /// A password file for `PGPASSFILE`, readable by its owner only; the caller writes and removes it.
    pub passfile: Option<PathBuf>,
    /// More variables. What the connection string has as `options` belongs here, as `PGOPTIONS`: settings of a single
    /// run are added to it, while `options` in `conninfo` would hide the variable.
    pub environment: Vec<(String, String)>,
}

/// A program could not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It did not start.
    #[error("cannot start {program}")]
    Start {
        /// Its path.
        program: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What it said could not be read.
    #[error("lost touch with {program}")]
    Lost {
        /// Its path.
        program: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It ended without success.
    #[error("{program} failed ({status}){}", after_colon(last_words))]
    Failed {
        /// Its path.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote, oldest first.
        last_words: Vec<String>,
    },
    /// It was stopped because the run is being stopped.
    #[error("{program} was stopped")]
    Cancelled {
        /// Its path.
        program: PathBuf,
    },
    /// The list of entries for `pg_restore` could not be written.
    #[error("cannot write the list of archive entries")]
    List(#[source] io::Error),
    /// `pg_restore --list` wrote something that we do not understand.
    #[error(transparent)]
    Toc(#[from] TocError),
}

fn after_colon(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join("\n")) }
}
