//! Rows and large objects from a snapshot of the source into the target, by one pool of workers for all databases.
//!
//! A worker holds one session on each side. It takes the largest table that waits anywhere, but stays in its database while that
//! has some of at least half that size: a change of database costs two connections. For the same reason a database with
//! little to copy has one worker, unless that takes long. Rows and their line in the journal are
//! committed together: those of a table, of a part of a large one, or of several small ones.

mod constraints;
mod existing;
mod portion;
mod queue;
mod relay;
mod sessions;
mod statements;
mod triggers;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::portion::{Complete, Portion};
use self::queue::{Item, Queue};
use super::Context;
use super::large_objects::Share;
use crate::error::Error;
use crate::events::Event;
use crate::plan::TablePlan;
use crate::sql::QualifiedName;

pub(super) use existing::empty;
pub(super) use sessions::{Load, Sessions};

/// What a worker does at once.
pub(super) enum Work {
    /// Copies rows of a table, or of several small ones, and commits them together.
    Rows(Vec<Portion>),
    /// Makes some of the large objects equal.
    LargeObjects(Share),
}

impl Work {
    /// What has to be done for `tables`.
    pub(super) fn tables(tables: &[TablePlan], load: Load) -> impl Iterator<Item = Self> {
        portion::gather(tables.iter().flat_map(move |table| portion::portions(table, load))).into_iter().map(Self::Rows)
    }

    /// About how much there is to read.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Rows(portions) => portions.iter().map(|portion| portion.bytes).sum(),
            Self::LargeObjects(share) => share.bytes,
        }
    }
}

/// The workers and the work that waits for them.
pub(super) struct Pool {
    queue: Arc<Queue>,
    workers: JoinSet<()>,
}

impl Pool {
    /// Starts `jobs` workers.
    pub(super) fn start(context: &Arc<Context>, jobs: usize) -> Self {
        let queue = Arc::new(Queue::default());
        let mut workers = JoinSet::new();
        for _ in 0..jobs {
            workers.spawn(work(Arc::clone(context), Arc::clone(&queue)));
        }
        Self { queue, workers }
    }

    /// Copies what `work` says of `database` as `snapshot` shows it. Dropping the future takes back what no worker has begun.
    ///
    /// `complete` gets the name of each table of `work` once, when the last of its rows is committed; one that a check refused
    /// at first, when another try has succeeded. A partitioned table stands for all its partitions, as in the plan. The
    /// channel closes when all is done, and after a failure, or when the future is dropped.
    pub(super) async fn copy(
        &self,
        database: &str,
        snapshot: &str,
        work: Vec<Work>,
        complete: Option<mpsc::UnboundedSender<QualifiedName>>,
    ) -> Result<(), Error> {
        self.queue.submit(database, snapshot, work, complete).await
    }

    /// Waits for the workers to end, once nobody submits any more.
    pub(super) async fn stop(mut self) {
        self.queue.close();
        while self.workers.join_next().await.is_some() {}
    }
}

async fn work(context: Arc<Context>, queue: Arc<Queue>) {
    let mut sessions: Option<Sessions> = None;
    let mut next = None;
    loop {
        let item = match next.take() {
            Some(item) => item,
            None => {
                // A worker that waits must not keep the snapshot, and with it the source's dead rows and its lock on
                // every table it has read.
                if let Some(sessions) = sessions.take() {
                    sessions.end(&context).await;
                }
                let item = tokio::select! {
                    biased;
                    () = context.cancel.cancelled() => return,
                    item = queue.take() => item,
                };
                let Some(item) = item else { return };
                item
            }
        };
        let outcome = tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(super::cancelled()),
            outcome = copy_one(&context, &mut sessions, &item) => outcome,
        };
        if outcome.is_err() {
            // Whatever state they are in: ended sessions roll back.
            sessions = None;
        }
        next = queue.done(item, outcome.into(), sessions.as_ref().map(Sessions::database));
    }
}

/// Does one item. Returns the tables that are complete with it.
async fn copy_one(
    context: &Context,
    sessions: &mut Option<Sessions>,
    item: &Item,
) -> Result<Vec<QualifiedName>, Error> {
    if sessions.as_ref().is_none_or(|sessions| !sessions.fit(&item.database, &item.snapshot)) {
        if let Some(elsewhere) = sessions.take() {
            elsewhere.end(context).await;
        }
        *sessions = Some(Sessions::open(context, &item.database, &item.snapshot).await?);
    }
    let Some(sessions) = sessions else { return Ok(Vec::new()) };
    match &item.work {
        Work::Rows(portions) => {
            portions.iter().for_each(Portion::begin);
            let copied = sessions.copy(context, portions).await?;
            let complete = portions.iter().zip(copied).filter_map(|(portion, copied)| portion.end(copied));
            Ok(complete.map(|complete| report(context, &item.database, complete)).collect())
        }
        Work::LargeObjects(share) => {
            let (source, target) = sessions.ends();
            share.carry(context, source, target).await?;
            Ok(Vec::new())
        }
    }
}

fn report(context: &Context, database: &str, complete: Complete) -> QualifiedName {
    // Rows that come once more are not more rows.
    if complete.load != Load::Replace {
        context.events.send(Event::TableCopied {
            database: database.to_owned(),
            table: complete.table.to_string(),
            rows: complete.copied.rows,
            bytes: complete.copied.bytes,
            elapsed: complete.elapsed,
        });
    }
    complete.table
}
