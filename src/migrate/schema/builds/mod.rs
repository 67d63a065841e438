//! Indexes, built as soon as the rows of their table are there, while other tables are still being copied; then the table's
//! statistics; then foreign keys between tables that lack nothing else.
//!
//! Of a large table several indexes are built at once: a primary key or unique constraint is an index first, because adding a
//! constraint would lock the table against the others, and gets its index when all are there. What the target refuses is
//! undone and left to the steps that follow, where pg_restore says why.
//!
//! What small tables need waits until it fills a transaction, until no more will come, or for a second; and it is left to one
//! session, unless there is much of it.

mod keys;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::queue::{Build, Queue, Unit};
use super::definition::{ForeignKey, IndexDefinition};
use super::{Archive, Manner, SMALL, batches, foreign_keys};
use crate::error::Error;
use crate::logger;
use crate::migrate::{Context, analyze};
use crate::pg::Client;
use crate::plan::Content;
use crate::sql;
use crate::sql::{QualifiedName, Sql};
use crate::tools::{Entry, Section};

/// What else follows the rows of a table at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::migrate) struct Besides {
    /// Foreign keys.
    pub(in crate::migrate) foreign_keys: bool,
    /// ANALYZE.
    pub(in crate::migrate) statistics: bool,
}

/// The indexes of one database, and the workers that build them.
pub(in crate::migrate) struct Builds<'a> {
    context: &'a Context,
    archive: &'a Archive,
    manner: Manner<'a>,
    entries: BTreeMap<u32, &'a Entry>,
    /// By their entries.
    keys: BTreeMap<u32, ForeignKey>,
    queue: Mutex<Queue>,
    changed: Notify,
    sessions: Mutex<Sessions>,
    notices: Mutex<Vec<String>>,
}

/// Sessions of the target for whoever builds next.
#[derive(Default)]
struct Sessions {
    idle: Vec<Arc<Client>>,
    /// The archive's is one of them, or in use.
    borrowed: bool,
}

impl<'a> Builds<'a> {
    /// Those of `archive` that do not wait for anything else that comes after the rows. Some may be `there` already.
    pub(in crate::migrate) fn new(
        context: &'a Context,
        archive: &'a Archive,
        manner: Manner<'a>,
        content: &Content,
        besides: Besides,
        there: impl Fn(&Entry) -> bool,
    ) -> Result<Self, Error> {
        let mut builds = Self {
            context,
            archive,
            manner,
            entries: BTreeMap::new(),
            keys: BTreeMap::new(),
            queue: Mutex::default(),
            changed: Notify::new(),
            sessions: Mutex::default(),
            notices: Mutex::default(),
        };
        let mut queue = Queue::default();
        for table in content.tables.iter().filter(|table| !table.partitioned) {
            // Statistics of a parent are about the rows of its children, too.
            queue.add_table(&table.name, table.bytes, besides.statistics && !table.parent);
        }
        let after_rows = archive.contents.entries.iter().filter(|entry| entry.section == Section::PostData);
        let after_rows: BTreeMap<u32, &Entry> = after_rows.map(|entry| (entry.dump_id, entry)).collect();
        builds.add_indexes(&mut queue, content, &after_rows, there)?;
        if besides.foreign_keys {
            builds.add_foreign_keys(&mut queue, content, &after_rows)?;
        }
        builds.queue = Mutex::new(queue);
        Ok(builds)
    }

    fn add_indexes(
        &mut self,
        queue: &mut Queue,
        content: &Content,
        after_rows: &BTreeMap<u32, &'a Entry>,
        there: impl Fn(&Entry) -> bool,
    ) -> Result<(), Error> {
        let archive = self.archive;
        // Indexes of partitions name those of their roots, but only ATTACH needs them.
        let is_free = |id: &u32| after_rows.get(id).is_none_or(|entry| is_build(entry));
        for entry in after_rows.values().filter(|entry| is_build(entry) && self.manner.wants(entry)) {
            if there(entry) {
                queue.is_there(entry.dump_id);
                continue;
            }
            let piece = archive.piece(entry);
            let text = piece.map(|piece| archive.definition(piece)).transpose()?.flatten();
            let (Some(piece), Some(definition)) = (piece, text.as_deref().and_then(IndexDefinition::read)) else {
                // It comes later, and nobody knows to which table.
                queue.leave_statistics(None);
                continue;
            };
            let IndexDefinition { table, name, create, finish, calls_out } = definition;
            let (id, late) = match queue.id(&table) {
                Some(id) => (id, calls_out),
                // A partition that was filled through its root; nobody says how large it is here.
                None if !content.partition_roots.contains(&table) && is_spread(content) => {
                    (queue.add_table(&table, SMALL, false), true)
                }
                None => {
                    // Roots of partitions: rows may still be on their way through them.
                    if piece.needs.iter().all(is_free) {
                        self.entries.insert(entry.dump_id, entry);
                        queue.add_last(entry.dump_id);
                    }
                    continue;
                }
            };
            if !piece.needs.iter().all(is_free) {
                queue.leave_statistics(Some(id));
                continue;
            }
            self.entries.insert(entry.dump_id, entry);
            let cost = content.build_cost(queue.bytes(id), &name);
            queue.add(Build { dump_id: entry.dump_id, table: id, name, create, finish, late, cost });
        }
        Ok(())
    }

    /// Those between tables that stand alone. What a partitioned table has reaches its partitions, in an order that matters.
    fn add_foreign_keys(
        &mut self,
        queue: &mut Queue,
        content: &Content,
        after_rows: &BTreeMap<u32, &'a Entry>,
    ) -> Result<(), Error> {
        let archive = self.archive;
        let alone = content.tables.iter().filter(|table| !table.partitioned && !table.partition);
        let alone: BTreeSet<_> = alone.map(|table| &table.name).collect();
        let keys = after_rows.values().filter(|entry| entry.is_foreign_key() && self.manner.wants(entry));
        for (entry, piece) in keys.filter_map(|entry| Some((*entry, archive.piece(entry)?))) {
            let Some(key) = archive.definition(piece)?.as_deref().and_then(ForeignKey::read) else { continue };
            let id = |name| alone.get(name).and_then(|name| queue.id(name));
            let (Some(table), Some(references)) = (id(&key.table), id(&key.references)) else { continue };
            let needs = piece.needs.iter().copied().filter(|id| after_rows.contains_key(id)).collect();
            queue.add_key(entry.dump_id, table, references, needs);
            self.entries.insert(entry.dump_id, entry);
            self.keys.insert(entry.dump_id, key);
        }
        Ok(())
    }

    /// All rows of `table` are committed.
    pub(in crate::migrate) fn rows_are_there(&self, table: &QualifiedName) {
        self.queue().rows_are_there(table);
        self.changed.notify_waiters();
    }

    /// All rows of all tables are committed: the rest can be built, and [`Builds::run`] ends with it.
    pub(in crate::migrate) fn all_rows_are_there(&self) {
        self.queue().all_rows_are_there();
        self.changed.notify_waiters();
    }

    /// Whether an entry is complete.
    pub(super) fn has_built(&self, entry: &Entry) -> bool {
        self.queue().has_built(entry.dump_id)
    }

    /// Foreign keys that are there, by their OIDs on the source.
    pub(in crate::migrate) fn foreign_keys(&self) -> BTreeSet<u32> {
        let keys = self.keys.keys().filter_map(|id| self.entries.get(id));
        keys.filter(|entry| self.has_built(entry)).map(|entry| entry.oid).collect()
    }

    /// Tables whose statistics are there, as far as the server makes any.
    pub(in crate::migrate) fn analyzed(&self) -> BTreeSet<QualifiedName> {
        self.queue().all_analyzed().cloned().collect()
    }

    /// What is worth knowing.
    pub(in crate::migrate) fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Builds, up to `jobs` at a time as far as other databases leave room, until all is done that can be.
    pub(in crate::migrate) async fn run(&self, jobs: usize) -> Result<(), Error> {
        if self.entries.is_empty() && !self.queue().analyzes() {
            return Ok(());
        }
        let workers = (0..jobs.max(1)).map(|_| self.work());
        self.archive.lending(self.context, self.manner, try_join_all(workers)).await?;
        // The archive's is not the last of its kind, and stays where it is.
        let idle = std::mem::take(&mut self.sessions().idle);
        idle.into_iter().filter_map(Arc::into_inner).for_each(|client| self.context.target.keep(client));
        Ok(())
    }

    async fn work(&self) -> Result<(), Error> {
        while self.wait_for_work().await {
            let _permit = self.context.builds.acquire().await;
            self.context.check()?;
            // Only now: something dearer may have come meanwhile, or another worker have been quicker.
            let unit = self.queue().take(Instant::now());
            let Some(unit) = unit else { continue };
            let client = self.session().await?;
            self.do_unit(&client, unit).await?;
            self.sessions().idle.push(client);
            self.changed.notify_waiters();
        }
        Ok(())
    }

    /// One that is idle, or that which creates everything else and is so meanwhile, or a new one.
    async fn session(&self) -> Result<Arc<Client>, Error> {
        let idle = self.sessions().idle.pop();
        if let Some(client) = idle {
            return Ok(client);
        }
        if std::mem::replace(&mut self.sessions().borrowed, true) {
            return Ok(Arc::new(batches::open_large(self.context, self.archive.database()).await?));
        }
        let client = self.archive.session(self.context).await?;
        batches::prepare_large(self.context, &client).await?;
        Ok(client)
    }

    /// Whether there is something to do; `false` when there never will be.
    async fn wait_for_work(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            let impatient_from = {
                let mut queue = self.queue();
                if queue.has_work(Instant::now()) {
                    return true;
                }
                if queue.is_finished() {
                    return false;
                }
                queue.impatient_from()
            };
            match impatient_from {
                Some(from) => drop(tokio::time::timeout_at(from, changed).await),
                None => changed.await,
            }
        }
    }

    async fn do_unit(&self, client: &Client, unit: Unit) -> Result<(), Error> {
        match unit {
            Unit::Create(build) => {
                let is_there = self.create(client, &build).await?;
                self.queue().created(build, is_there);
            }
            Unit::Finish(builds) => {
                let mut finished = Vec::with_capacity(builds.len());
                for build in builds {
                    let complete = self.finish(client, &build).await?;
                    self.narrate([build.dump_id], complete);
                    finished.push((build, complete));
                }
                self.queue().finished(&finished);
            }
            Unit::Small(entries) => {
                let created = self.create_whole(client, entries.iter().map(|(id, _)| *id)).await?;
                self.queue().small_done(&entries, created);
            }
            Unit::Analyze(tables) => {
                let names: Vec<_> = {
                    let queue = self.queue();
                    tables.iter().map(|&table| queue.name(table).clone()).collect()
                };
                let group: Vec<_> = names.iter().map(analyze::Unknown::table).collect();
                let notices = analyze::all_of(client, &group).await?;
                self.notices.lock().unwrap_or_else(PoisonError::into_inner).extend(notices);
                self.queue().analyzed(tables);
            }
            Unit::AddKey(key) => {
                let added = match self.keys.get(&key.dump_id) {
                    Some(definition) => foreign_keys::add(client, definition).await?,
                    None => false,
                };
                self.queue().key_added(key, added);
            }
            Unit::CheckKey(key) => {
                let valid = match self.keys.get(&key.dump_id) {
                    Some(definition) => foreign_keys::validate(client, definition).await?,
                    None => false,
                };
                self.narrate([key.dump_id], valid);
                self.queue().key_checked(&key, valid);
            }
            Unit::SmallKeys(keys) => {
                let created = self.create_whole(client, keys.iter().map(|key| key.dump_id)).await?;
                self.queue().small_keys_done(&keys, created);
            }
        }
        Ok(())
    }

    /// Creates entries as they are, all or none.
    async fn create_whole(&self, client: &Client, ids: impl Iterator<Item = u32> + Clone) -> Result<bool, Error> {
        let entries: Vec<&Entry> = ids.clone().filter_map(|id| self.entries.get(&id).copied()).collect();
        let created = batches::create(client, self.archive, &entries).await?;
        self.narrate(ids, created);
        Ok(created)
    }

    fn narrate(&self, ids: impl IntoIterator<Item = u32>, complete: bool) {
        for entry in ids.into_iter().filter(|_| complete).filter_map(|id| self.entries.get(&id)) {
            self.archive.narrate(self.context, &[entry]);
        }
    }

    async fn create(&self, client: &Client, build: &Build) -> Result<bool, Error> {
        let Some(create) = &build.create else { return Ok(true) };
        let started = Instant::now();
        let created = self.try_run(client, build, create.clone()).await?;
        if created {
            let (database, seconds) = (logger::database(client.database()), started.elapsed().as_secs_f64());
            let name = &build.name.name;
            tracing::debug!(target: logger::MIGRATE, "{database}: built index {name} in {seconds:.1} s");
        }
        Ok(created)
    }

    /// Whether constraint and marks are there; otherwise nothing is left of them, nor of the index.
    async fn finish(&self, client: &Client, build: &Build) -> Result<bool, Error> {
        if build.finish.is_empty() || self.try_run(client, build, Sql::join(&build.finish, ";\n")).await? {
            return Ok(true);
        }
        if build.create.is_some() {
            let index = &build.name;
            client.run(format!("drop index {index}"), sql!("drop index if exists {}", index)).await?;
        }
        Ok(false)
    }

    async fn try_run(&self, client: &Client, build: &Build, sql: Sql) -> Result<bool, Error> {
        let refusal = client.try_run(format!("create {}", build.name), sql).await?;
        if let Some(error) = &refusal {
            let database = logger::database(client.database());
            tracing::debug!(target: logger::MIGRATE, "{database}: {}: {}", build.name, error.words());
        }
        Ok(refusal.is_none())
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the queue as valid as every other point between two changes.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_build(entry: &Entry) -> bool {
    entry.is_index() || entry.is_index_constraint() || entry.is_extended_statistics()
}

/// Whether rows of some partitions find their way through a root.
fn is_spread(content: &Content) -> bool {
    content.tables.iter().any(|table| table.partitioned)
}
