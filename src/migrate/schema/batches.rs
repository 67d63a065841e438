//! Many entries in one transaction.
//!
//! pg_restore sends a statement, waits, and commits each by itself: with thousands of tables that is most of what takes time.
//! What is refused together is left to pg_restore, one by one, whose errors are understood.

use super::Archive;
use crate::error::{Error, Kind};
use crate::logger;
use crate::migrate::Context;
use crate::pg::Client;
use crate::plan::BuildLimits;
use crate::sql;
use crate::sql::Sql;
use crate::tools::{Entry, Piece};

/// Entries sent together, by all sessions of a database that create tables at the same time. Every table holds some locks until
/// the end of its transaction, and all transactions of the server share what `max_locks_per_transaction` allows (6,400 by
/// default).
pub(super) const AT_ONCE: usize = 100;

/// What a session needs to take an archive's SQL, as the head of every dump sets it; the rest every session of ours has.
const PREPARE: &str = "set synchronous_commit = off; set client_min_messages = warning";

/// A session that creates entries.
pub(super) async fn open(context: &Context, database: &str) -> Result<Client, Error> {
    let client = context.target.connect(database).await?;
    client.run("prepare to create objects", PREPARE).await?;
    Ok(client)
}

/// The same, for one that reads many rows: builds an index, or checks a foreign key.
pub(super) async fn open_large(context: &Context, database: &str) -> Result<Client, Error> {
    let client = open(context, database).await?;
    prepare_large(context, &client).await?;
    Ok(client)
}

/// Makes that of a session that creates entries.
pub(super) async fn prepare_large(context: &Context, client: &Client) -> Result<(), Error> {
    let BuildLimits { memory_kb, parallel_workers } = context.build_limits;
    let limits =
        sql!("set maintenance_work_mem = {}; set max_parallel_maintenance_workers = {}", memory_kb, parallel_workers);
    Ok(client.run("prepare to build indexes", limits).await?)
}

/// Entries in groups that may be sent together, or must not.
pub(super) fn divide<'a>(archive: &Archive, entries: &[&'a Entry]) -> Vec<Vec<&'a Entry>> {
    let mut groups: Vec<Vec<&Entry>> = Vec::new();
    let mut last_fits = false;
    for entry in entries {
        let fits = piece(archive, entry).is_some();
        match groups.last_mut() {
            Some(group) if fits == last_fits && group.len() < AT_ONCE => group.push(entry),
            _ => groups.push(vec![entry]),
        }
        last_fits = fits;
    }
    groups
}

/// Creates all of `entries`, or nothing: then the answer is `false`.
pub(super) async fn create(client: &Client, archive: &Archive, entries: &[&Entry]) -> Result<bool, Error> {
    match text(archive, entries)? {
        Some(text) => send(client, Sql::from_archive(text).shown_as(&description(entries))).await,
        None => Ok(false),
    }
}

/// Does what `statement` says and creates all of `entries`, or does nothing: then the answer is `false`.
pub(super) async fn create_after(
    client: &Client,
    statement: &Sql,
    archive: &Archive,
    entries: &[&Entry],
) -> Result<bool, Error> {
    let Some(text) = text(archive, entries)? else { return Ok(false) };
    let shown = sql!("{};\n{}", statement, description(entries));
    send(client, sql!("{};\n{}", statement, Sql::from_archive(text)).shown_as(&shown)).await
}

fn text(archive: &Archive, entries: &[&Entry]) -> Result<Option<String>, Error> {
    let pieces = entries.iter().map(|entry| piece(archive, entry)).collect::<Option<Vec<_>>>();
    pieces.map_or(Ok(None), |pieces| archive.text(pieces))
}

/// Whether the target took `message`: one message is one transaction.
async fn send(client: &Client, message: Sql) -> Result<bool, Error> {
    let refusal = client.try_run("create objects", message).await?;
    if let Some(error) = &refusal {
        let database = logger::database(client.database());
        tracing::debug!(target: logger::TARGET, "{database}: refused together, and tried again: {}", error.words());
    }
    Ok(refusal.is_none())
}

/// The statements are in the archive; a log of ten thousand tables would hide everything else.
fn description(entries: &[&Entry]) -> Sql {
    let names: Vec<_> = entries.iter().map(ToString::to_string).collect();
    Sql::from_archive(format!("-- create {}", names.join(", ")))
}

/// What may be sent together with others. A server logs a statement that it refuses, with all that came with it: what may
/// hold a password goes alone.
fn piece<'a>(archive: &'a Archive, entry: &Entry) -> Option<&'a Piece> {
    let may_hold_password =
        matches!(entry.description.as_str(), "USER MAPPING" | "SERVER" | "FOREIGN DATA WRAPPER" | "SUBSCRIPTION");
    archive.piece(entry).filter(|_| !may_hold_password)
}

impl Archive {
    pub(super) fn text<'a>(&self, pieces: impl IntoIterator<Item = &'a Piece>) -> Result<Option<String>, Error> {
        self.sql.text(pieces).map_err(unreadable)
    }

    pub(super) fn definition(&self, piece: &Piece) -> Result<Option<String>, Error> {
        self.sql.definition(piece).map_err(unreadable)
    }
}

pub(super) fn unreadable(cause: std::io::Error) -> Error {
    Error::new(Kind::Failed, "read the schema archive").caused_by(cause)
}
