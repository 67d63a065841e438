//! One database, from nothing to complete.

mod ending;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use self::ending::complete_but;
use super::arrival::{Arrival, Slot};
use super::copy::{Load, Pool};
use super::foreign_keys::Workers;
use super::goal::Goal;
use super::large_objects::Carrying;
use super::lock::Lock;
use super::schema::{Archive, Besides, Builds, Manner, is_identity};
use super::snapshot::Snapshot;
use super::statistics::{self, Carried};
use super::wait::Watch;
use super::{
    Context, analyze, cleanup, copy, create, definitions, finish, foreign_keys, journal, moment, properties,
    replication,
};
use crate::error::{Error, Kind};
use crate::events::{Event, Stage};
use crate::facts::Moment;
use crate::logger;
use crate::plan::{Content, Creation, DatabasePlan, Migration, Plan, Rights, Transfer, Work};
use crate::sql::QualifiedName;

/// How far a database has come, for whoever has to clean up after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing has been done.
    Untouched,
    /// Replication objects may exist, and rows may be missing: everything is undone on failure.
    Incomplete,
    /// Replication runs and keeps a complete copy up to date: a failure leaves it running.
    Replicating,
    /// The copy is exact, what replicates is being dropped, or what comes last carried. A signal does not stop this half-way.
    Ending,
    /// Nothing is left to do.
    Complete,
}

/// What a database's work shares with the code that outlives it.
struct Run<'a> {
    context: &'a Context,
    pool: &'a Pool,
    plan: &'a Plan,
    database: &'a DatabasePlan,
    /// Its turn to be at work, until it only waits for replication.
    turn: std::sync::Mutex<Option<SemaphorePermit<'a>>>,
    progress: std::sync::Mutex<Progress>,
    notices: std::sync::Mutex<Vec<String>>,
}

/// Migrates one database, once it has a turn, or finishes its migration, and reports how it went.
pub(super) async fn run(context: &Arc<Context>, pool: &Pool, plan: &Plan, turns: &Semaphore, database: &DatabasePlan) {
    let run = Run {
        context,
        pool,
        plan,
        database,
        turn: std::sync::Mutex::new(None),
        // A signal may come before the work is begun: what an earlier run left running goes on then, too.
        progress: std::sync::Mutex::new(match database.work {
            Work::Continue { .. } => Progress::Replicating,
            Work::Nothing => Progress::Complete,
            Work::Unreachable { .. } | Work::Migrate(_) | Work::Conclude { .. } => Progress::Untouched,
        }),
        notices: std::sync::Mutex::new(Vec::new()),
    };
    let work = Box::pin(async {
        match &database.work {
            Work::Unreachable { reason } => Err(Error::new(Kind::Failed, reason.clone())),
            Work::Nothing => Ok(()),
            Work::Migrate(migration) => {
                run.set_turn(turns.acquire().await.ok());
                run.migrate(migration).await
            }
            Work::Continue { content, rights } => {
                let _locks = Lock::take_both(context, &database.name).await?;
                run.replicate_until_told(content, None, rights).await
            }
            Work::Conclude { migration, moment } => {
                run.set_turn(turns.acquire().await.ok());
                run.go_on_from(migration, moment).await
            }
        }
    });
    let outcome = run.until_cancelled(work).await;
    run.report(outcome).await;
}

impl<'a> Run<'a> {
    async fn migrate(&self, migration: &Migration) -> Result<(), Error> {
        let (context, name) = (self.context, self.database.name.as_str());
        tracing::info!(target: logger::MIGRATE, "{}: migrating by {}", logger::database(name), migration.transfer.method());
        self.stage(Stage::Preparing);
        let on_source = Lock::take(&context.source, name).await?;
        let on_target = create::claim(context, name, migration).await?;
        if migration.drop_first {
            self.drop_leftovers().await?;
        }
        let _on_target = create::again(context, name, migration, on_target).await?;
        // Only now: what replicates into a database that another run holds is not ours to undo.
        self.set_progress(Progress::Incomplete);
        create::prepare(context, name, migration).await?;
        match migration.transfer {
            Transfer::SubscriptionCopies { .. } => Box::pin(self.let_subscription_copy(migration)).await,
            Transfer::Dump | Transfer::SlotHandOver => Box::pin(self.copy_snapshot(migration, &on_source)).await,
        }
    }

    /// Drops what an earlier run, which was killed, left of its replication.
    async fn drop_leftovers(&self) -> Result<(), Error> {
        let (context, name) = (self.context, self.database.name.as_str());
        let swept = cleanup::drop_replication(&context.source, &context.target, name, &self.database.names).await;
        for what in swept.dropped {
            tracing::info!(target: logger::MIGRATE, "{}: dropped {what}, which an earlier run left", logger::database(name));
        }
        match swept.left.first() {
            None => Ok(()),
            Some(what) => Err(Error::new(Kind::Failed, format!("an earlier run left {what}"))
                .hint("remove the cause, or drop it by hand, and run again")),
        }
    }

    /// Copies a snapshot, which is that of a slot when replication is to go on from there.
    async fn copy_snapshot(&self, migration: &Migration, on_source: &Lock) -> Result<(), Error> {
        let (context, name, names) = (self.context, self.database.name.as_str(), &self.database.names);
        let content = &migration.content;
        let (manner, jobs) = (Manner::new(migration), self.plan.index_jobs);
        let by_slot = migration.transfer == Transfer::SlotHandOver;
        let snapshot = if by_slot {
            replication::create_publications(context, name, names, content, migration.transfer).await?;
            Snapshot::with_slot(context, name, &names.slot).await?
        } else {
            Snapshot::take_in(on_source, &content.tables).await?
        };

        snapshot.must_show_definitions(&content.seen).await?;
        let moment = snapshot.moment(context).await?;
        if by_slot {
            // Replication brings a TRUNCATE, and need not hold back anybody's for the hours of a copy.
            snapshot.keep_rows(content.tables.iter().filter(|table| !table.parts.is_empty())).await?;
        }
        self.stage(Stage::Schema);
        let archive = Archive::dump(context, name, Some(&snapshot), &migration.rights).await?;
        archive.restore_before_data(context, manner, jobs).await?;

        self.stage(Stage::Copy);
        let target = archive.session(context).await?;
        let (large_objects, shares) = Carrying::divide(context, &snapshot, &target, &migration.rights.owners).await?;
        drop(target);
        archive.leave_session(context).await;
        let load = if matches!(migration.creation, Creation::UseFilled) { Load::Add } else { Load::Fresh };
        let tables = copy::Work::tables(&content.tables, load);
        let work: Vec<_> = tables.chain(shares.into_iter().map(copy::Work::LargeObjects)).collect();
        context.events.send(Event::CopyPlanned {
            database: name.to_owned(),
            tables: content.tables.len(),
            bytes: work.iter().map(copy::Work::bytes).sum(),
        });
        let early = migration.settles_early();
        let besides = Besides { foreign_keys: early, statistics: early && !context.statistics };
        let builds = Builds::new(context, &archive, manner, content, besides, |_| false)?;
        let (complete, mut completed) = mpsc::unbounded_channel();
        let copy = async {
            self.pool.copy(name, snapshot.name(), work, Some(complete)).await?;
            if by_slot {
                snapshot.must_show_rows(context, &content.tables).await?;
            }
            self.notice_all(large_objects.conclude(name));
            snapshot.release(context).await;
            self.stage(Stage::Indexes);
            builds.all_rows_are_there();
            Ok(())
        };
        let tell = async {
            while let Some(table) = completed.recv().await {
                builds.rows_are_there(&table);
            }
            Ok(())
        };
        tokio::try_join!(copy, tell, builds.run(jobs))?;
        archive.restore_after_data(context, manner, &builds).await?;
        archive
            .restore_foreign_keys(context, manner, content, jobs, &builds.foreign_keys())
            .await?
            .into_result(name)?;
        archive.restore_privileges(context, manner).await?;
        self.notice_all(builds.notices());
        let analyzed = builds.analyzed();

        if by_slot {
            return self.replicate_from_slot(migration, &archive, analyzed).await;
        }
        let session = archive.session(context).await?;
        match &moment {
            Some(moment) => journal::complete_as_of(&session, moment).await?,
            None => journal::complete(&session).await?,
        }
        drop(session);
        self.settle(migration, Some(&archive), analyzed).await?;
        self.stage(Stage::Finish);
        let failures = self.refresh(content).await?;
        self.conclude(migration, Some(&archive), failures).await
    }

    /// Does what a run that had copied the rows of `moment` left undone. Applications may use the database already: nothing of
    /// it can be copied again, and what was written on the source since is missing.
    async fn go_on_from(&self, migration: &Migration, moment: &Moment) -> Result<(), Error> {
        let (context, name) = (self.context, self.database.name.as_str());
        let _on_source = Lock::take(&context.source, name).await?;
        let _on_target = create::claim_again(context, name, migration).await?;
        self.set_progress(Progress::Incomplete);
        self.settle(migration, None, BTreeSet::new()).await?;
        self.stage(Stage::Finish);
        let mut failures = self.refresh(&migration.content).await?;
        if !moment::is_now(context, name, moment).await? {
            let time = &moment.time;
            failures.push(format!(
                "its rows are the source's of {time}, and transactions have been committed there since: pg_migrate verify tells \
                 whether they wrote to this database"
            ));
        }
        self.conclude(migration, None, failures).await
    }

    /// Ends a dump that is complete but for `failures`.
    async fn conclude(
        &self,
        migration: &Migration,
        archive: Option<&Archive>,
        mut failures: Vec<String>,
    ) -> Result<(), Error> {
        failures.extend(self.hand_over(&migration.content, archive, &migration.rights).await?);
        complete_but(&failures)
    }

    /// Brings what was written after the slot's snapshot: by a subscription, unless there is nothing until the finish.
    async fn replicate_from_slot(
        &self,
        migration: &Migration,
        archive: &Archive,
        analyzed: BTreeSet<QualifiedName>,
    ) -> Result<(), Error> {
        let (context, name, names) = (self.context, self.database.name.as_str(), &self.database.names);
        let (content, rights) = (&migration.content, &migration.rights);
        let mut unsettled = Some(analyzed);
        if let Some(analyzed) = unsettled.take_if(|_| migration.spares_subscription) {
            self.settle(migration, Some(archive), analyzed).await?;
            self.stage(Stage::CatchUp);
            self.set_turn(None);
            let slot = Slot::open(context, name, names, content).await?;
            if self.finish(Arrival::Slot(&slot), content, Some(archive), rights).await? {
                return Ok(());
            }
        }
        replication::take_over_slot(context, &*archive.session(context).await?, names, content).await?;
        // The target may take seconds to start the worker: another database gets the turn.
        self.set_turn(None);
        let streams = async {
            self.watch(content).await?.until(Goal::Streaming).await?;
            journal::complete(&*archive.session(context).await?).await?;
            self.set_progress(Progress::Replicating);
            Ok::<_, Error>(())
        };
        let settles = async {
            Ok(match unsettled {
                Some(analyzed) => self.settle(migration, Some(archive), analyzed).await,
                None => Ok(()),
            })
        };
        // A failure to settle waits until replication runs, which is then left as it is.
        let ((), settled) = tokio::try_join!(streams, settles)?;
        settled?;
        self.replicate_until_told(content, Some(archive), rights).await
    }

    /// Lets the subscription copy the rows: where we cannot open a replication connection ourselves, but the target can.
    async fn let_subscription_copy(&self, migration: &Migration) -> Result<(), Error> {
        let (context, name, names) = (self.context, self.database.name.as_str(), &self.database.names);
        let content = &migration.content;
        let (manner, jobs) = (Manner::new(migration), self.plan.index_jobs);
        replication::create_publications(context, name, names, content, migration.transfer).await?;

        self.stage(Stage::Schema);
        let archive = Archive::dump(context, name, None, &migration.rights).await?;
        let source = context.source.connect(name).await?;
        definitions::must_be(&source, &content.seen).await?;
        archive.restore_before_data(context, manner, jobs).await?;
        archive.restore_identities(context, manner, &content.identity_indexes).await?;

        self.stage(Stage::Copy);
        let client = context.target.connect(name).await?;
        replication::copy_by_subscription(context, &client, names, content, migration.transfer).await?;
        self.notice_all(finish::large_objects(context, self.pool, name, &migration.rights.owners).await?);
        let mut watch = self.watch(content).await?;
        watch.until(Goal::Tables).await?;

        self.stage(Stage::Indexes);
        let there = |entry: &_| is_identity(entry, &content.identity_indexes);
        let builds = Builds::new(context, &archive, manner, content, Besides::default(), there)?;
        builds.all_rows_are_there();
        builds.run(jobs).await?;
        archive.restore_after_data(context, manner, &builds).await?;
        if content.recopied.is_empty() {
            archive.restore_foreign_keys(context, manner, content, jobs, &BTreeSet::new()).await?.into_result(name)?;
        } else {
            let workers = Workers { pool: self.pool, index_jobs: jobs };
            foreign_keys::restore(context, &archive, manner, content, names, &mut watch, workers).await?;
        }
        archive.restore_privileges(context, manner).await?;
        journal::complete(&client).await?;
        self.set_progress(Progress::Replicating);
        self.settle(migration, Some(&archive), BTreeSet::new()).await?;
        self.replicate_until_told(content, Some(&archive), &migration.rights).await
    }

    /// All rows are there: what queries and sessions of applications need. Some tables are `analyzed` already.
    async fn settle(
        &self,
        migration: &Migration,
        archive: Option<&Archive>,
        analyzed: BTreeSet<QualifiedName>,
    ) -> Result<(), Error> {
        let (context, name) = (self.context, self.database.name.as_str());
        self.stage(Stage::Analyze);
        let carried = match archive {
            Some(archive) => {
                archive.leave_session(context).await;
                statistics::carry(context, archive, migration).await?
            }
            None => Carried::default(),
        };
        self.notice_all(carried.notices);
        let unknown = analyze::without(&migration.content, &(&carried.tables | &analyzed));
        self.notice_all(analyze::analyze(context, name, &unknown, self.plan.index_jobs).await?);
        self.notice_all(properties::carry(context, name, &migration.content.properties).await?);
        Ok(())
    }

    /// Replication runs: waits as far as the user wants, and finishes if told to.
    async fn replicate_until_told(
        &self,
        content: &Content,
        archive: Option<&Archive>,
        rights: &Rights,
    ) -> Result<(), Error> {
        let context = self.context;
        self.stage(Stage::CatchUp);
        self.set_turn(None);
        let mut watch = self.watch(content).await?;
        match context.wait.lag {
            None => {}
            // A moving end would never be 0 bytes away on a busy source: 0 means everything up to now.
            Some(0) => watch.until_now().await?,
            Some(bytes) => watch.until(Goal::Within(bytes)).await?,
        }
        if !context.wait.stop {
            // Not exact until the finish, but useful to whoever looks or has to stop unplanned.
            if archive.is_some() {
                self.refresh(content).await?;
            }
            for table in &content.recopied {
                self.notice(format!("table {} is not replicated: it is copied once more at the finish", table.name));
            }
            return Ok(());
        }
        self.finish(Arrival::Subscription(&mut watch), content, archive, rights).await.map(|_| ())
    }

    /// Makes the target complete and drops what replicates. `false`: only a subscription can bring what is missing, and there is
    /// none.
    async fn finish(
        &self,
        mut arrival: Arrival<'_, '_>,
        content: &Content,
        archive: Option<&Archive>,
        rights: &Rights,
    ) -> Result<bool, Error> {
        let (context, name, names) = (self.context, self.database.name.as_str(), &self.database.names);
        // What was committed before the finish began must have arrived, whatever lag was allowed.
        if !arrival.until_now().await? {
            return Ok(false);
        }
        self.stage(Stage::Finish);
        arrival.must_find_definitions(&content.seen).await?;
        finish::copy_again(context, self.pool, name, content).await?;
        self.notice_all(finish::large_objects(context, self.pool, name, &rights.owners).await?);
        let mut failures = self.refresh(content).await?;
        // That may have taken hours: what was committed on the source meanwhile is not cut off.
        if !arrival.until_now().await? {
            return Ok(false);
        }
        if self.progress() == Progress::Incomplete {
            journal::complete(&context.target.connect(name).await?).await?;
        }
        self.set_progress(Progress::Ending);
        let swept = cleanup::drop_replication(&context.source, &context.target, name, names).await;
        for what in swept.left {
            let failure = format!("left behind: {what}");
            self.notice(failure.clone());
            failures.push(failure);
        }
        failures.extend(self.hand_over(content, archive, rights).await?);
        complete_but(&failures).map(|()| true)
    }

    /// Brings sequences and materialized views up to date, and returns what failed, which is among the notices, too.
    async fn refresh(&self, content: &Content) -> Result<Vec<String>, Error> {
        let refreshed = finish::refresh(self.context, &self.database.name, content, self.plan.sequence_margin).await?;
        self.notice_all(refreshed.notices);
        self.notice_all(refreshed.failures.clone());
        Ok(refreshed.failures)
    }

    /// Brings what comes last, ends the journal, and returns what failed.
    async fn hand_over(
        &self,
        content: &Content,
        archive: Option<&Archive>,
        rights: &Rights,
    ) -> Result<Vec<String>, Error> {
        self.set_progress(Progress::Ending);
        let outcome = finish::hand_over(self.context, &self.database.name, content, archive, rights).await?;
        self.notice_all(outcome.notices);
        self.set_progress(Progress::Complete);
        Ok(outcome.failures)
    }

    /// Who waits, perhaps for hours, or is done needs no session that is kept for a next step.
    fn release_sessions(&self) {
        self.context.source.release(&self.database.name);
        self.context.target.release(&self.database.name);
    }

    async fn watch(&self, content: &Content) -> Result<Watch<'_>, Error> {
        Watch::open(self.context, &self.database.name, &self.database.names, content.published.len()).await
    }

    fn stage(&self, stage: Stage) {
        self.context.events.send(Event::Stage { database: self.database.name.clone(), stage });
    }

    fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text);
    }

    fn notice_all(&self, texts: Vec<String>) {
        texts.into_iter().for_each(|text| self.notice(text));
    }

    fn set_turn(&self, turn: Option<SemaphorePermit<'a>>) {
        if turn.is_none() {
            self.release_sessions();
            let target = &self.context.target;
            target.release(target.maintenance_database());
        }
        *self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = turn;
    }

    fn progress(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set_progress(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = progress;
    }
}
