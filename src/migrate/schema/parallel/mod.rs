//! Tables and what belongs to them, created by several sessions at the same time.
//!
//! With thousands of tables the target's one process that creates them is what everything waits for. What the entries of
//! these few kinds need of each other is in the server's record of dependencies, and so in the archive; anything else keeps
//! its place between them, because its needs may be hidden: the text of a function says nothing to pg_dump.
//!
//! What the target refuses here is tried again afterwards, in the order of the archive, when everything is there that comes
//! before it in the archive: a deadlock, or a need that nobody knew of, costs time and nothing else.

mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use tokio::sync::Notify;

use self::queue::{Item, Next, Queue, Use};
use super::{Archive, batches};
use crate::error::Error;
use crate::migrate::Context;
use crate::pg::Client;
use crate::tools::{Entry, Piece};

/// Entries for each session, at least. Creating them takes a tenth of a second: opening a session, and filling its caches, is
/// little beside that.
const ENTRIES_EACH: usize = 500;

/// A stretch of the archive.
pub(super) struct Stretch<'a> {
    /// Its entries, in the order of the archive.
    pub(super) entries: Vec<&'a Entry>,
    /// How many sessions may create them; with one they are created one after the other.
    pub(super) sessions: usize,
}

/// Divides `entries`, which are in the order of the archive, so that up to `jobs` sessions create what is worth it.
pub(super) fn divide<'a>(archive: &Archive, entries: &[&'a Entry], jobs: usize) -> Vec<Stretch<'a>> {
    let is_known = |entry: &Entry| archive.piece(entry).is_some_and(|piece| needs_are_known(entry, piece));
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    for run in entries.chunk_by(|one, next| is_known(one) == is_known(next)) {
        let known = run.first().is_some_and(|entry| is_known(entry));
        let sessions = if known { jobs.min(run.len() / ENTRIES_EACH).max(1) } else { 1 };
        match stretches.last_mut() {
            Some(last) if last.sessions == 1 && sessions == 1 => last.entries.extend(run),
            _ => stretches.push(Stretch { entries: run.to_vec(), sessions }),
        }
    }
    stretches
}

/// Creates a stretch, where it is for several sessions and as far as other databases leave room. Returns what is left to do,
/// in its order.
pub(super) async fn create<'a>(
    context: &Context,
    archive: &Archive,
    stretch: Stretch<'a>,
) -> Result<Vec<&'a Entry>, Error> {
    let Stretch { mut entries, sessions } = stretch;
    if sessions == 1 {
        return Ok(entries);
    }
    let work = Work::new(context, archive, &entries, sessions)?;
    let first = archive.session(context).await?;
    let others = (1..sessions).map(|_| async {
        let Ok(_permit) = context.builds.try_acquire() else { return Ok(()) };
        let client = batches::open(context, archive.database()).await?;
        work.go_on(&client).await
    });
    tokio::try_join!(work.go_on(&first), try_join_all(others))?;
    entries.retain(|entry| work.queue().is_absent(entry.dump_id));
    Ok(entries)
}

/// What the sessions share.
struct Work<'a> {
    context: &'a Context,
    archive: &'a Archive,
    entries: BTreeMap<u32, &'a Entry>,
    queue: Mutex<Queue>,
    changed: Notify,
    /// Entries in one transaction of each.
    at_once: usize,
}

impl<'a> Work<'a> {
    fn new(context: &'a Context, archive: &'a Archive, entries: &[&'a Entry], sessions: usize) -> Result<Self, Error> {
        let items = entries.iter().filter_map(|entry| Some((entry, archive.piece(entry)?)));
        let items = items.map(|(entry, piece)| item(archive, entry, piece)).collect::<Result<Vec<_>, Error>>()?;
        Ok(Self {
            context,
            archive,
            entries: entries.iter().map(|entry| (entry.dump_id, *entry)).collect(),
            queue: Mutex::new(Queue::new(items)),
            changed: Notify::new(),
            at_once: batches::AT_ONCE.div_ceil(sessions),
        })
    }

    async fn go_on(&self, client: &Client) -> Result<(), Error> {
        while let Some(ids) = self.next().await {
            self.context.check()?;
            let entries: Vec<&Entry> = ids.iter().filter_map(|id| self.entries.get(id).copied()).collect();
            let created = batches::create(client, self.archive, &entries).await?;
            if created {
                self.archive.narrate(self.context, &entries);
            }
            self.queue().done(&ids, created);
            self.changed.notify_waiters();
        }
        Ok(())
    }

    async fn next(&self) -> Option<Vec<u32>> {
        loop {
            let changed = self.changed.notified();
            let next = self.queue().take(self.at_once);
            match next {
                Next::Create(ids) => return Some(ids),
                Next::Wait => changed.await,
                Next::Nothing => return None,
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the queue as valid as every other point between two changes.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all that an entry needs of others of these kinds is in the archive.
fn needs_are_known(entry: &Entry, piece: &Piece) -> bool {
    match entry.description.as_str() {
        "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE" => true,
        // Each is about another one, which has to be named.
        "SEQUENCE OWNED BY" | "TABLE ATTACH" | "DEFAULT" | "COMMENT" | "SECURITY LABEL" => !piece.needs.is_empty(),
        _ => false,
    }
}

fn item(archive: &Archive, entry: &Entry, piece: &Piece) -> Result<Item, Error> {
    let mut needs: BTreeSet<u32> = piece.needs.iter().copied().collect();
    let uses = match entry.description.as_str() {
        "VIEW" | "MATERIALIZED VIEW" => Use::Names,
        // Children get columns and defaults from their parents as they are then; partitions are tables of their own until they
        // are attached.
        "TABLE" | "FOREIGN TABLE" if needs.is_empty() || !inherits(archive, piece)? => Use::Names,
        // The archive says that the sequence needs the table.
        "SEQUENCE OWNED BY" => {
            let sequences = piece.needs.iter().filter_map(|&id| archive.piece_of(id));
            needs.extend(sequences.flat_map(|sequence| &sequence.needs));
            Use::Changes
        }
        // A sequence that is an identity alters its table.
        _ => Use::Changes,
    };
    Ok(Item { dump_id: entry.dump_id, needs: needs.into_iter().collect(), uses })
}

fn inherits(archive: &Archive, piece: &Piece) -> Result<bool, Error> {
    Ok(archive.definition(piece)?.is_none_or(|text| text.contains("\nINHERITS (")))
}
