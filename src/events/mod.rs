//! What a migration or a verification says while it runs.
//!
//! `migrate` and `verify` send, `report` consumes: log lines, progress, the final blocks, JSON and the exit code all fold the
//! same stream. Results of roles and databases, and verdicts, are sent exactly once each; readings may come at any rate.

mod difference;
mod verdict;

use std::time::Duration;

use tokio::sync::mpsc;

pub use difference::{Difference, Found, Key, Rows, What, counted};
pub use verdict::{Failure, NotCompared, Verdict};

use crate::conninfo::Secret;
use crate::facts::Reserved;
use crate::settings::{Level, Method};

/// Where a migration sends its events.
#[derive(Clone, Debug)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A sender and the receiver for `report`.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends `event`. Nobody listening is no reason for a migration to stop.
    pub fn send(&self, event: Event) {
        drop(self.0.send(event));
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A role was dealt with.
    Role(RoleResult),
    /// A database entered a stage.
    Stage {
        /// Its name.
        database: String,
        /// What it does now.
        stage: Stage,
    },
    /// What a database's copy will move.
    CopyPlanned {
        /// Its name.
        database: String,
        /// Tables to copy.
        tables: usize,
        /// Bytes they occupy on the source: an estimate of what will be sent.
        bytes: u64,
    },
    /// Bytes of a table went to the target.
    CopyProgress {
        /// Its database.
        database: String,
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// A table's rows are committed on the target.
    TableCopied {
        /// Its database.
        database: String,
        /// `schema.table`
        table: String,
        /// Rows copied.
        rows: u64,
        /// Bytes sent.
        bytes: u64,
        /// How long it took.
        elapsed: Duration,
    },
    /// A reading of replication.
    Lag {
        /// Its database.
        database: String,
        /// Tables whose initial copy has arrived.
        ready: usize,
        /// Published tables.
        tables: usize,
        /// Bytes of WAL not confirmed yet; `None` before the subscription has reported.
        bytes: Option<u64>,
    },
    /// Something is left to an administrator of the target.
    Left(AdminStatement),
    /// A database was dealt with.
    Database(DatabaseResult),
    /// Verification begins.
    Verification {
        /// How much is compared.
        level: Level,
    },
    /// What of a database's rows will be read to compare it.
    ComparisonPlanned {
        /// Its name.
        database: String,
        /// Tables and materialized views.
        tables: usize,
        /// Bytes that they occupy on both sides together; 0 where sizes do not matter.
        bytes: u64,
    },
    /// Rows were read to be compared.
    ComparisonProgress {
        /// Their database.
        database: String,
        /// Bytes that they occupy, since the last such event.
        bytes: u64,
    },
    /// A database, or what belongs to the whole server, was compared.
    Verified(Box<Verdict>),
}

/// What the target user may not do, for somebody who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminStatement {
    /// In which database of the target; `None`: in any.
    pub database: Option<String>,
    /// What kind of thing.
    pub kind: Reserved,
    /// SQL, without a semicolon at its end; where it could hold a password, a comment that says so. It may hold the value of a
    /// custom parameter: for the file that only its owner may read.
    pub statement: String,
    /// The same, for everybody.
    pub shown: String,
    /// Why it was not done; the server's words, where it refused.
    pub reason: String,
}

/// What a database is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Creating the database, publication, slot and snapshot.
    Preparing,
    /// pg_dump, and pg_restore of what comes before the data.
    Schema,
    /// Copying rows.
    Copy,
    /// Indexes, constraints, triggers.
    Indexes,
    /// ANALYZE.
    Analyze,
    /// Waiting for replication to catch up.
    CatchUp,
    /// Sequences, materialized views, tables copied once more, clean-up.
    Finish,
}

/// The result for one role.
#[derive(Clone, Debug)]
pub struct RoleResult {
    /// `rolname`
    pub name: String,
    /// The password it got.
    pub password: RolePassword,
    /// What became of it.
    pub status: RoleStatus,
    /// In words; the server's, where it refused.
    pub message: String,
}

/// A created role's password.
#[derive(Clone, Debug)]
pub enum RolePassword {
    /// It has none: it cannot log in, or was not created.
    None,
    /// The source's stored verifier: applications keep their password.
    Carried,
    /// What the user gave for it.
    Given,
    /// A generated placeholder.
    Placeholder(Secret),
}

/// What became of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleStatus {
    /// It was created.
    Created,
    /// It was there and was left alone.
    Exists,
    /// It belongs to a managed service and stays where it is.
    Skipped,
    /// The server refused.
    Failed,
}

/// The result for one database.
#[derive(Clone, Debug)]
pub struct DatabaseResult {
    /// Its name.
    pub name: String,
    /// How its data went; `None` when it never got so far.
    pub method: Option<Method>,
    /// What became of it.
    pub status: DatabaseStatus,
    /// In words.
    pub message: String,
    /// What is left for the user to know or do.
    pub notices: Vec<String>,
}

/// What became of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseStatus {
    /// Complete.
    Done,
    /// Complete, and replication goes on.
    Running,
    /// Not complete.
    Failed,
    /// Stopped by a signal, or because of another failure.
    Cancelled,
    /// Complete as far as it goes, but a wait passed its limit; replication goes on.
    TimedOut,
}
