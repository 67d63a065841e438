//! Both sides at one moment each, and what their rows come to.

use super::super::Context;
use super::super::session::Snapshot;
use super::arrival::Arrival;
use super::parts;
use super::reader::Reader;
use super::rows::Question;
use crate::error::Error;
use crate::events::{Event, Rows};
use crate::plan::comparison::Relation;

/// What each side has of one relation, or why that could not be read.
pub(super) type Sums = (Result<Rows, Error>, Result<Rows, Error>);

/// A snapshot of each side.
pub(super) struct Moment<'a> {
    pub(super) source: Snapshot<'a>,
    pub(super) target: Snapshot<'a>,
}

impl<'a> Moment<'a> {
    /// Both as they are now.
    pub(super) async fn now(context: &'a Context, database: &str) -> Result<Self, Error> {
        let (source, target) =
            tokio::try_join!(Snapshot::take(&context.source, database), Snapshot::take(&context.target, database))?;
        Ok(Self { source, target })
    }

    /// The source as it is now, and the target as soon as it has received all of that. The target may have more.
    pub(super) async fn after_arrival(
        context: &'a Context,
        database: &str,
        arrival: &Arrival<'_>,
    ) -> Result<Self, Error> {
        let source = Snapshot::take(&context.source, database).await?;
        arrival.of_everything().await?;
        let target = Snapshot::take(&context.target, database).await?;
        Ok(Self { source, target })
    }

    /// Lets both go.
    pub(super) async fn release(self) {
        tokio::join!(self.source.release(), self.target.release());
    }

    /// Reads both sides at once.
    pub(super) async fn sums(
        &self,
        context: &Context,
        relations: &[&Relation],
        question: Question,
        jobs: usize,
    ) -> Result<Vec<Sums>, Error> {
        let (source, target) = tokio::try_join!(
            read(context, &self.source, relations, question, jobs),
            read(context, &self.target, relations, question, jobs)
        )?;
        Ok(source.into_iter().zip(target).collect())
    }
}

async fn read(
    context: &Context,
    snapshot: &Snapshot<'_>,
    relations: &[&Relation],
    question: Question,
    jobs: usize,
) -> Result<Vec<Result<Rows, Error>>, Error> {
    let tasks = parts::tasks(snapshot, relations, question).await?;
    let database = snapshot.holder().database();
    let progress = |bytes| context.events.send(Event::ComparisonProgress { database: database.to_owned(), bytes });
    Reader { snapshot, jobs, progress: &progress }.read(relations.len(), tasks).await
}
