//! The questions to both servers. Asks, and judges nothing: whatever cannot be answered becomes a fact of its own.

mod columns;
mod database;
mod dependents;
mod identities;
mod indexes;
mod materialized_views;
mod members;
mod operator_families;
mod parameters;
mod partitions;
mod probe;
mod relations;
mod reserved;
mod roles;
mod sequences;
mod server;
mod storage;
mod types;

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

pub use database::extensions;
pub use sequences::{SequenceState, sequence_states};

use crate::facts::{DatabaseEntry, DatabaseFacts, DatabasePair, Facts, Probe, ServerFacts, Side};
use crate::logger;
use crate::pg::{Client, PgError, Server};
use crate::settings::{Method, Selection, Settings, Verification};
use crate::sql::names::ReplicationNames;

/// Databases asked at the same time, on each side, where there is room.
const AT_ONCE: i64 = 8;

/// Asks both servers everything. Fails only when one of them cannot be connected to, or refuses to tell what any user may know.
pub async fn inspect(source: &Server, target: &Server, settings: &Settings) -> Result<Facts, PgError> {
    let mut facts = Box::pin(look(source, target, &settings.selection, settings.mangle, Purpose::Migrate)).await?;
    let excluded = &settings.selection.excluded_extensions;
    if !excluded.is_empty() {
        for DatabasePair { name, source: found, .. } in &mut facts.databases {
            if let Ok(found) = found {
                let client = source.connect(name).await?;
                found.dependents = dependents::dependents(&client, excluded).await?;
                found.granted_members = dependents::granted_members(&client, excluded).await?;
            }
        }
    }
    if settings.force_method != Some(Method::Dump) {
        probe::replication(source, target, settings, &mut facts).await?;
    }
    Ok(facts)
}

/// Asks both servers what has to be known to compare them, and tries nothing out: what only a migration needs stays unknown,
/// and no table of the target is looked into.
pub async fn look_at(source: &Server, target: &Server, settings: &Verification) -> Result<Facts, PgError> {
    Box::pin(look(source, target, &settings.selection, settings.mangle, Purpose::Compare)).await
}

/// What the facts are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Migrate,
    Compare,
}

/// What the facts of one database are asked for.
#[derive(Clone, Copy)]
struct Interest<'a> {
    purpose: Purpose,
    ours: &'a ReplicationNames,
    /// Whether the target's user is a superuser: then it does not matter what needs one.
    superuser: bool,
}

async fn look(
    source: &Server,
    target: &Server,
    selection: &Selection,
    mangle: bool,
    purpose: Purpose,
) -> Result<Facts, PgError> {
    let (source_facts, target_facts) =
        tokio::try_join!(Box::pin(server::inspect(source)), Box::pin(server::inspect(target)))?;
    let mut facts = Facts {
        source: source_facts,
        target: target_facts,
        databases: Vec::new(),
        target_reaches_source: Probe::Untried,
        target_lists_source_session: None,
    };
    if facts.source.start_time.is_some() && facts.source.start_time == facts.target.start_time {
        facts.target_lists_source_session = probe::lists_session(source, target).await?;
    }
    let taken = facts.source.databases.iter().filter(|entry| selection.takes_database(entry));
    let names: Vec<String> = taken.map(|entry| entry.name.clone()).collect();
    // Half of the room is left to others.
    let room = facts.source.free_connections().min(facts.target.free_connections()) / 2;
    let at_once = usize::try_from(room.clamp(1, AT_ONCE)).unwrap_or(1);
    facts.databases = stream::iter(names)
        .map(|name| {
            let ours = ReplicationNames::new(&name, mangle);
            pair(source, target, &facts, name, ours, purpose)
        })
        .buffered(at_once)
        .try_collect()
        .await?;
    Ok(facts)
}

/// Databases of a server that can be connected to, templates left out.
pub async fn databases(server: &Server) -> Result<BTreeSet<String>, PgError> {
    let all = server::list_databases(server).await?;
    Ok(all.into_iter().filter(|entry| entry.connectable && !entry.template).map(|entry| entry.name).collect())
}

async fn pair(
    source: &Server,
    target: &Server,
    facts: &Facts,
    name: String,
    ours: ReplicationNames,
    purpose: Purpose,
) -> Result<DatabasePair, PgError> {
    let interest = Interest { purpose, ours: &ours, superuser: facts.target.user.superuser };
    let on_source = async {
        let entry = facts.source.databases.iter().find(|entry| entry.name == name);
        if entry.is_some_and(|entry| !entry.connectable) {
            return Ok(Err(format!("database {name:?} does not accept connections")));
        }
        one_side(source, &name, interest).await
    };
    let on_target = async {
        if !exists(&facts.target, &name) {
            return Ok(None);
        }
        one_side(target, &name, interest).await.map(Some)
    };
    let (on_source, mut on_target) = tokio::try_join!(on_source, on_target)?;
    if purpose == Purpose::Compare {
        return Ok(DatabasePair { name, source: on_source, target: on_target, locale_known: true });
    }
    if let (Ok(of_source), Some(Ok(of_target))) = (&on_source, &mut on_target) {
        relations::look_for_rows(target, &facts.target.user, &name, of_source, of_target).await?;
    }
    let locale_known = match (&on_target, facts.source.databases.iter().find(|entry| entry.name == name)) {
        (None, Some(entry)) if !facts.target.databases.iter().any(|there| sorts_alike(there, entry)) => {
            let client = target.connect(target.maintenance_database()).await?;
            probe::knows_locale(&client, entry).await?
        }
        _ => true,
    };
    Ok(DatabasePair { name, source: on_source, target: on_target, locale_known })
}

/// Whether both are of one encoding and locale: where the target has such a database, it can have another.
fn sorts_alike(a: &DatabaseEntry, b: &DatabaseEntry) -> bool {
    (&a.encoding, a.provider, &a.collate, &a.ctype, &a.locale)
        == (&b.encoding, b.provider, &b.collate, &b.ctype, &b.locale)
}

fn exists(server: &ServerFacts, name: &str) -> bool {
    server.databases.iter().any(|entry| entry.name == name)
}

/// Who asks for a table's size or rows waits for whoever rewrites it: nobody should have to guess what a validation waits
/// for.
async fn limit_locks(client: &Client) -> Result<(), PgError> {
    client.run("limit the wait for locks", "set lock_timeout = '5s'").await
}

/// A database that refuses us is a fact; that a session breaks in the middle is an error.
async fn one_side(
    server: &Server,
    name: &str,
    interest: Interest<'_>,
) -> Result<Result<DatabaseFacts, String>, PgError> {
    match server.connect(name).await {
        Ok(client) => {
            limit_locks(&client).await?;
            database::inspect(&client, interest).await.map(Ok)
        }
        Err(error) => {
            let side = match server.side() {
                Side::Source => "source",
                Side::Target => "target",
            };
            tracing::debug!(target: logger::MIGRATE, "{side} database {name:?} cannot be connected to: {}", error.words());
            Ok(Err(error.words()))
        }
    }
}
