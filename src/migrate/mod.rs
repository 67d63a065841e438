//! Carries out a plan. Chooses nothing: a step that meets a surprise reports it.
//!
//! Roles first; then every database in a task of its own, all of them sharing one pool of copy workers
//! (`copy::Pool`). A database that fails undoes its replication objects and leaves the others alone.

mod analyze;
mod arrival;
mod cleanup;
mod copy;
mod create;
mod database;
mod definitions;
mod extensions;
mod finish;
mod foreign_keys;
mod goal;
mod helping;
mod identity;
mod journal;
mod large_objects;
mod lock;
mod materialized_views;
mod moment;
mod pace;
mod parameters;
mod privileges;
mod properties;
mod replication;
mod roles;
mod schema;
mod sequences;
mod setting;
mod snapshot;
mod statistics;
mod steady;
mod wait;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use cleanup::{Swept, clean_up};

use crate::conninfo::ConnInfo;
use crate::error::{Error, Kind};
use crate::events::{AdminStatement, Event, Events};
use crate::facts::{Reserved, ServerVersion};
use crate::pg::Server;
use crate::plan::{BuildLimits, Plan};
use crate::sql::Sql;
use crate::tools::{ChildConnection, ClientTools};

/// What every step may use.
#[derive(Debug)]
pub struct Context {
    /// The source server.
    pub source: Server,
    /// The target server.
    pub target: Server,
    /// How the target reaches the source.
    pub source_for_target: ConnInfo,
    /// pg_dump and pg_restore.
    pub tools: ClientTools,
    /// Whether the source's statistics are carried: the programs write them, and the target takes them.
    pub statistics: bool,
    /// The source's `system_identifier`, where it tells.
    pub source_identifier: Option<i64>,
    /// The source's version.
    pub source_version: ServerVersion,
    /// The target's version.
    pub target_version: ServerVersion,
    /// Databases of the source whose text cannot be converted to UTF-8.
    pub not_utf8: BTreeSet<String>,
    /// How pg_dump reaches the source.
    pub dump_from: Child,
    /// How pg_restore reaches the target.
    pub restore_to: Child,
    /// Where archives are kept while they are needed: a directory of ours that vanishes with the run.
    pub directory: PathBuf,
    /// Identifies the run.
    pub migration: String,
    /// What the wait is for.
    pub wait: WaitFor,
    /// Every created object is told, and what pg_restore says with `--verbose`.
    pub verbose: bool,
    /// Roles of the source that the target does not get.
    pub missing_roles: BTreeSet<String>,
    /// Whether the target user is a superuser.
    pub target_superuser: bool,
    /// Whether triggers and foreign keys can be switched off with `session_replication_role`.
    pub replica_role: bool,
    /// Index builds, checks of foreign keys, ANALYZEs and additional sessions that create tables at the same time, over all
    /// databases together.
    pub builds: Semaphore,
    /// What each of them may use.
    pub build_limits: BuildLimits,
    /// Where results go.
    pub events: Events,
    /// Cancelled by a signal.
    pub cancel: CancellationToken,
}

/// How a child process reaches a server.
#[derive(Debug)]
pub struct Child {
    /// The server.
    pub conninfo: ConnInfo,
    /// The passwords, in a file that only we may read.
    pub passfile: PathBuf,
    /// Variables for libpq.
    pub environment: Vec<(String, String)>,
}

impl Child {
    fn in_database(&self, database: &str) -> ChildConnection {
        ChildConnection {
            conninfo: self.conninfo.with_dbname(database).child_conninfo(),
            passfile: Some(self.passfile.clone()),
            environment: self.environment.clone(),
        }
    }
}

/// What the run waits for once replication runs, and what then happens.
#[derive(Clone, Copy, Debug)]
pub struct WaitFor {
    /// At most this many bytes behind; `None`: no wait.
    pub lag: Option<u64>,
    /// How long the wait may take.
    pub limit: Duration,
    /// Finish and stop replication afterwards.
    pub stop: bool,
}

impl Context {
    /// Leaves `statement` to an administrator of the target.
    fn leave(&self, database: Option<&str>, kind: Reserved, statement: &Sql, reason: String) {
        let shown = statement.to_string();
        // Passwords stay out of the file, too.
        let statement = if kind == Reserved::Settings { statement.text() } else { &shown };
        let without_end = |statement: &str| statement.trim_end_matches([';', '\n']).to_owned();
        self.events.send(Event::Left(AdminStatement {
            database: database.map(str::to_owned),
            kind,
            statement: without_end(statement),
            shown: without_end(&shown),
            reason,
        }));
    }

    /// `Err` once a signal has come: for steps between which nothing waits.
    fn check(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

fn cancelled() -> Error {
    Error::new(Kind::Interrupted, "cancelled")
}

/// Carries out `plan`. Every result, good or bad, is an event; nothing is returned.
pub async fn migrate(context: Arc<Context>, plan: Plan) {
    roles::create(&context, &plan).await;
    parameters::grant(&context, &plan).await;
    let pool = copy::Pool::start(&context, plan.jobs);
    let turns = Semaphore::new(plan.databases_at_work);
    stream::iter(&plan.databases)
        .for_each_concurrent(plan.databases_at_once, |database| database::run(&context, &pool, &plan, &turns, database))
        .await;
    pool.stop().await;
    context.source.release_all();
    context.target.release_all();
}
