//! Indexes, built as soon as the rows of their table are there, while other tables are still being copied.
//!
//! Of a large table several are built at once: a primary key or unique constraint is an index first, because adding a
//! constraint would lock the table against the others, and gets its index when all are there. What the target refuses is
//! undone and left to the steps that follow, where pg_restore says why.

mod queue;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio::sync::Notify;

use self::queue::{Build, Queue, Unit};
use super::definition::IndexDefinition;
use super::{Archive, Manner, batches};
use crate::error::Error;
use crate::logger;
use crate::migrate::Context;
use crate::pg::Client;
use crate::plan::Content;
use crate::sql;
use crate::sql::{QualifiedName, Sql};
use crate::tools::{Entry, Section};

/// The indexes of one database, and the workers that build them.
pub(in crate::migrate) struct Builds<'a> {
    context: &'a Context,
    archive: &'a Archive,
    manner: Manner<'a>,
    entries: BTreeMap<u32, &'a Entry>,
    queue: Mutex<Queue>,
    changed: Notify,
}

impl<'a> Builds<'a> {
    /// Those of `archive` that do not wait for anything else that comes after the rows. Some may be `there` already.
    pub(in crate::migrate) fn new(
        context: &'a Context,
        archive: &'a Archive,
        manner: Manner<'a>,
        content: &Content,
        there: impl Fn(&Entry) -> bool,
    ) -> Result<Self, Error> {
        let after_rows = archive.contents.entries.iter().filter(|entry| entry.section == Section::PostData);
        let after_rows: BTreeMap<u32, &Entry> = after_rows.map(|entry| (entry.dump_id, entry)).collect();
        // Indexes of partitions name those of their roots, but only ATTACH needs them.
        let is_free = |id: &u32| after_rows.get(id).is_none_or(|entry| is_build(entry));
        let mut builds = Self {
            context,
            archive,
            manner,
            entries: BTreeMap::new(),
            queue: Mutex::default(),
            changed: Notify::new(),
        };
        let bytes: BTreeMap<_, _> =
            content.tables.iter().filter(|table| !table.partitioned).map(|table| (&table.name, table.bytes)).collect();
        let mut queue = Queue::default();
        for entry in after_rows.values().filter(|entry| is_build(entry) && manner.wants(entry)) {
            if there(entry) {
                queue.is_there(entry.dump_id);
                continue;
            }
            let Some(piece) = archive.piece(entry).filter(|piece| piece.needs.iter().all(is_free)) else { continue };
            let Some(definition) = archive.definition(piece)?.as_deref().and_then(IndexDefinition::read) else {
                continue;
            };
            builds.entries.insert(entry.dump_id, entry);
            let IndexDefinition { table, index, create, finish, calls_out } = definition;
            if let Some(&bytes) = bytes.get(&table) {
                let build = Build { dump_id: entry.dump_id, index, create, finish, late: calls_out };
                queue.add(table, bytes, build);
            } else if !content.partition_roots.contains(&table) && is_spread(content) {
                // A partition that was filled through its root; nobody says how large it is here.
                queue.add(table, queue::SMALL, Build { dump_id: entry.dump_id, index, create, finish, late: true });
            } else {
                // Roots of partitions: rows may still be on their way through them.
                queue.add_last(entry.dump_id);
            }
        }
        builds.queue = Mutex::new(queue);
        Ok(builds)
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

    /// Builds, up to `jobs` at a time as far as other databases leave room, until all is done that can be.
    pub(in crate::migrate) async fn run(&self, jobs: usize) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let workers = (0..jobs.clamp(1, self.entries.len())).map(|_| self.work());
        self.archive.lending(self.context, self.manner, try_join_all(workers)).await.map(drop)
    }

    async fn work(&self) -> Result<(), Error> {
        let mut client = None;
        while let Some(unit) = self.next().await {
            let _permit = self.context.builds.acquire().await;
            self.context.check()?;
            let client = match &client {
                Some(client) => client,
                None => client.insert(batches::open_large(self.context, self.archive.database()).await?),
            };
            match unit {
                Unit::Create { table, build } => {
                    let created = self.create(client, &build).await?;
                    self.queue().created(&table, created.then_some(build));
                }
                Unit::Finish { table, builds } => {
                    let mut done = Vec::new();
                    for build in builds {
                        if self.finish(client, &table, &build).await? {
                            done.push(build.dump_id);
                        }
                    }
                    self.done(done);
                }
                Unit::Small(ids) => {
                    let entries: Vec<&Entry> = ids.iter().filter_map(|id| self.entries.get(id).copied()).collect();
                    let created = batches::create(client, self.archive, &entries).await?;
                    self.done(if created { ids } else { Vec::new() });
                }
            }
            self.changed.notify_waiters();
        }
        if let Some(client) = client {
            self.context.target.keep(client);
        }
        Ok(())
    }

    async fn next(&self) -> Option<Unit> {
        loop {
            let changed = self.changed.notified();
            {
                let mut queue = self.queue();
                if let Some(unit) = queue.take() {
                    return Some(unit);
                }
                if queue.is_finished() {
                    return None;
                }
            }
            changed.await;
        }
    }

    async fn create(&self, client: &Client, build: &Build) -> Result<bool, Error> {
        let Some(create) = &build.create else { return Ok(true) };
        let started = Instant::now();
        let created = self.try_run(client, build, create.clone()).await?;
        if created {
            let (database, seconds) = (logger::database(client.database()), started.elapsed().as_secs_f64());
            tracing::debug!(target: logger::MIGRATE, "{database}: built index {} in {seconds:.1} s", build.index);
        }
        Ok(created)
    }

    /// Whether constraint and marks are there; otherwise nothing is left of them, nor of the index.
    async fn finish(&self, client: &Client, table: &QualifiedName, build: &Build) -> Result<bool, Error> {
        if build.finish.is_empty() || self.try_run(client, build, Sql::join(&build.finish, ";\n")).await? {
            return Ok(true);
        }
        if build.create.is_some() {
            let index = QualifiedName::new(table.schema.as_str(), build.index.as_str());
            client.run(format!("drop index {index}"), sql!("drop index if exists {}", index)).await?;
        }
        Ok(false)
    }

    async fn try_run(&self, client: &Client, build: &Build, sql: Sql) -> Result<bool, Error> {
        let refusal = client.try_run(format!("build index {}", build.index), sql).await?;
        if let Some(error) = &refusal {
            let database = logger::database(client.database());
            tracing::debug!(target: logger::MIGRATE, "{database}: index {}: {}", build.index, error.words());
        }
        Ok(refusal.is_none())
    }

    fn done(&self, ids: Vec<u32>) {
        for entry in ids.iter().filter_map(|id| self.entries.get(id)) {
            self.archive.narrate(self.context, &[entry]);
        }
        self.queue().done(ids);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the queue as valid as every other point between two changes.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_build(entry: &Entry) -> bool {
    entry.is_index() || entry.is_index_constraint()
}

/// Whether rows of some partitions find their way through a root.
fn is_spread(content: &Content) -> bool {
    content.tables.iter().any(|table| table.partitioned)
}
