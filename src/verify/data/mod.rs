//! Compares rows. Both sides are read at the same time, each by several sessions that see one moment; a side sends back a
//! number and a sum for each part of a table, and no rows.

mod parts;
mod reader;
mod rows;

use self::reader::Reader;
use self::rows::Question;
use super::session::Snapshot;
use super::{Context, Difference, What};
use crate::error::Error;
use crate::events::{Event, Rows, Verdict};
use crate::plan::comparison::{Contents, Relation};

/// Compares what `contents` lists and adds to `verdict` what came out.
pub(super) async fn compare(
    context: &Context,
    database: &str,
    contents: &Contents,
    jobs: usize,
    verdict: &mut Verdict,
) {
    let question = Question { level: context.settings.level, recode: contents.encodings_differ };
    context.events.send(Event::ComparisonPlanned {
        database: database.to_owned(),
        tables: contents.relations.len(),
        bytes: contents.relations.iter().map(|relation| relation.source.bytes + relation.target.bytes).sum(),
    });
    let all: Vec<&Relation> = contents.relations.iter().collect();
    let read = async {
        let (source, target) =
            tokio::try_join!(Snapshot::take(&context.source, database), Snapshot::take(&context.target, database))?;
        tokio::try_join!(
            sums(context, database, &source, &all, question, jobs),
            sums(context, database, &target, &all, question, jobs)
        )
    };
    match read.await {
        Err(error) => verdict.fail("rows", error),
        Ok((source, target)) => {
            for ((relation, source), target) in contents.relations.iter().zip(source).zip(target) {
                judge(relation, source, target, verdict);
            }
        }
    }
}

/// What the side of `snapshot` has in each of `relations`.
async fn sums(
    context: &Context,
    database: &str,
    snapshot: &Snapshot<'_>,
    relations: &[&Relation],
    question: Question,
    jobs: usize,
) -> Result<Vec<Result<Rows, Error>>, Error> {
    let tasks = parts::tasks(snapshot.holder(), relations, question).await?;
    let progress = |bytes| context.events.send(Event::ComparisonProgress { database: database.to_owned(), bytes });
    Reader { snapshot, jobs, progress: &progress }.read(relations.len(), tasks).await
}

fn judge(relation: &Relation, source: Result<Rows, Error>, target: Result<Rows, Error>, verdict: &mut Verdict) {
    match (source, target) {
        (Ok(source), Ok(target)) => {
            verdict.tables += 1;
            verdict.rows += source.count;
            if source != target {
                verdict.differences.push(Difference {
                    database: verdict.database.clone(),
                    class: relation.kind.name(),
                    object: relation.name.to_string(),
                    what: What::Rows { source, target, keys: Vec::new() },
                });
            }
        }
        (source, target) => {
            let what = format!("{} {}", relation.kind.name(), relation.name);
            for error in [source.err(), target.err()].into_iter().flatten() {
                verdict.fail(&what, error);
            }
        }
    }
}
