//! How the work on a database ends: undone, left running, complete but for something, or complete.

use std::pin::pin;

use super::{Progress, Run};
use crate::error::{Error, Kind};
use crate::events::{DatabaseResult, DatabaseStatus, Event};
use crate::logger;
use crate::migrate::{cancelled, cleanup};
use crate::plan::{Creation, Work};
use crate::settings::Method;

impl Run<'_> {
    /// Does `work` until it ends or is cancelled. What is past that point is done all the same.
    pub(super) async fn until_cancelled(&self, work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => {}
            outcome = &mut work => return outcome,
        }
        match self.progress() {
            Progress::Ending | Progress::Complete => work.await,
            Progress::Untouched | Progress::Incomplete | Progress::Replicating => Err(cancelled()),
        }
    }

    /// Undoes what must not stay, and sends the result.
    pub(super) async fn report(self, outcome: Result<(), Error>) {
        self.release_sessions();
        if outcome.is_err() && self.progress() != Progress::Untouched {
            self.end_sessions().await;
            if self.progress() == Progress::Incomplete {
                let names = Some(&self.database.names).filter(|_| self.method() == Some(Method::Replication));
                self.notice_all(cleanup::undo(self.context, &self.database.name, names).await);
            }
        }
        if let Err(error) = &outcome {
            self.notice_all(error.hints.clone());
        }
        let (name, method, (status, message)) = (self.database.name.clone(), self.method(), self.status(outcome));
        let notices = self.notices.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.context.events.send(Event::Database(DatabaseResult { name, method, status, message, notices }));
    }

    fn method(&self) -> Option<Method> {
        match &self.database.work {
            Work::Unreachable { .. } => None,
            Work::Nothing | Work::Conclude { .. } => Some(Method::Dump),
            Work::Continue { .. } => Some(Method::Replication),
            Work::Migrate(migration) => Some(migration.transfer.method()),
        }
    }

    fn status(&self, outcome: Result<(), Error>) -> (DatabaseStatus, String) {
        let replicating = self.progress() == Progress::Replicating;
        let Err(error) = outcome else {
            let complete = self.progress() == Progress::Complete;
            let status = if complete { DatabaseStatus::Done } else { DatabaseStatus::Running };
            let created = matches!(
                &self.database.work,
                Work::Migrate(migration) if matches!(migration.creation, Creation::Create(_) | Creation::Recreate(_))
            );
            let done = if created { "created and migrated database" } else { "migrated to existing database" };
            return (status, done.to_owned());
        };
        let status = match error.kind {
            Kind::Timeout if replicating => DatabaseStatus::TimedOut,
            Kind::Interrupted | Kind::Terminated | Kind::HungUp => DatabaseStatus::Cancelled,
            _ => DatabaseStatus::Failed,
        };
        let mut message = error.chain();
        if replicating {
            message.push_str(if status == DatabaseStatus::Failed {
                "; replication is left as it is: remove the cause and run the same command again, or give up with \
                 pg_migrate cleanup"
            } else {
                "; replication goes on"
            });
        }
        (status, message)
    }

    /// Ends what this run may still be doing in the database after a failure: tables that other workers copy, statements
    /// whose answer nobody waits for. They would hold slot and snapshot.
    async fn end_sessions(&self) {
        let (context, name) = (self.context, self.database.name.as_str());
        let (source, target) = tokio::join!(context.source.end_sessions(name), context.target.end_sessions(name));
        for error in [source.err(), target.err()].into_iter().flatten() {
            tracing::debug!(target: logger::MIGRATE, "{}: {error}: {}", logger::database(name), error.words());
        }
    }
}

/// The result of a database that has everything but `failures`.
pub(super) fn complete_but(failures: &[String]) -> Result<(), Error> {
    match failures {
        [] => Ok(()),
        [only] => Err(Error::new(Kind::Failed, format!("complete, but {only}"))),
        [first, rest @ ..] => Err(Error::new(Kind::Failed, format!("complete, but {first} (and {} more)", rest.len()))),
    }
}
