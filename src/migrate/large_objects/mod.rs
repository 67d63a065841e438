//! Large objects: no core version replicates them, and pg_dump's schema archive has none.
//!
//! They are copied with the snapshot. At the finish of a replication those that are new, changed or gone by then are brought
//! up to date: nothing on the source tells which they are, so both sides make checksums of what both have. One function does
//! both, and goes on where a killed run stopped. Several sessions share the work, none holding more than a few megabytes.

mod compare;
mod copy;
mod properties;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use self::properties::Naming;
use super::copy::Sessions;
use super::{Context, journal};
use crate::error::Error;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::Owners;
use crate::sql;
use crate::sql::Sql;

/// Large objects dealt with in one transaction, which holds a lock on each.
const AT_ONCE: usize = 128;

/// Makes the target's large objects those that `snapshot` shows, over at most `jobs` sessions on each side.
pub(super) async fn carry(
    context: &Context,
    database: &str,
    snapshot: &str,
    owners: &Owners,
    jobs: usize,
) -> Result<(), Error> {
    let sessions = Sessions::open(context, database, snapshot).await?;
    let (source, target) = (sessions.source(), sessions.target());
    let (wanted, there) = tokio::try_join!(oids(source), oids(target))?;
    if wanted.is_empty() && !journal::has_large_objects(target).await? {
        return Ok(());
    }
    journal::own_large_objects(target).await?;
    let naming = Naming::read(target, owners).await?;
    let removed: Vec<u32> = there.difference(&wanted).copied().collect();
    for some in removed.chunks(AT_ONCE) {
        context.check()?;
        let remove = sql!(
            "select pg_catalog.lo_unlink(oid) from unnest(array[{}]::pg_catalog.oid[]) oid",
            Sql::join(some, ", ")
        );
        target.run("remove large objects that the source has no more", remove).await?;
    }
    let wanted: Vec<u32> = wanted.into_iter().collect();
    let chunks: Vec<&[u32]> = wanted.chunks(AT_ONCE).collect();
    let work = Work { context, naming, there: there.into_iter().collect(), chunks, next: AtomicUsize::new(0) };
    let more = (1..jobs.min(work.chunks.len())).map(|_| work.join(database, snapshot));
    let (own, others) = tokio::try_join!(work.run(&sessions), try_join_all(more))?;
    let copied = own + others.into_iter().sum::<usize>();
    if copied + removed.len() > 0 {
        tracing::info!(
            target: logger::MIGRATE,
            "{}: {copied} of {} large objects copied, {} removed",
            logger::database(database),
            wanted.len(),
            removed.len()
        );
    }
    Ok(())
}

/// What the sessions share.
struct Work<'a> {
    context: &'a Context,
    naming: Naming<'a>,
    /// Those that the target had at the beginning.
    there: HashSet<u32>,
    chunks: Vec<&'a [u32]>,
    next: AtomicUsize,
}

impl Work<'_> {
    /// Helps, where there is room for more sessions.
    async fn join(&self, database: &str, snapshot: &str) -> Result<usize, Error> {
        if self.next.load(Ordering::Relaxed) >= self.chunks.len() {
            return Ok(0);
        }
        let _permit = self.context.sessions.acquire().await;
        self.run(&Sessions::open(self.context, database, snapshot).await?).await
    }

    /// Takes one chunk after the other. Returns how many large objects had to be copied.
    async fn run(&self, sessions: &Sessions) -> Result<usize, Error> {
        let (source, target) = (sessions.source(), sessions.target());
        let mut copied = 0;
        while let Some(chunk) = self.chunks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            self.context.check()?;
            let (old, new): (Vec<u32>, Vec<u32>) = chunk.iter().partition(|oid| self.there.contains(oid));
            let changed = compare::changed(source, target, &self.naming, &old).await?;
            let copies: Vec<u32> = changed.iter().chain(&new).copied().collect();
            copied += copies.len();
            copy::copy(&self.context.events, source, target, &self.naming, &copies, &changed).await?;
        }
        Ok(copied)
    }
}

async fn oids(client: &Client) -> Result<BTreeSet<u32>, PgError> {
    let query = "select oid from pg_catalog.pg_largeobject_metadata";
    let rows = client.query("list large objects", query, &[]).await?;
    rows.iter().map(|row| client.get(row, 0)).collect()
}
