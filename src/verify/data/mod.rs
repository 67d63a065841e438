//! Compares rows. Both sides are read at the same time, each by several sessions that see one moment; a side sends back a
//! number and a sum for each part of a table, and no rows.
//!
//! # While replication runs
//!
//! The source's moment comes first; the target's comes when the slot has confirmed everything up to the source's. So the
//! target has all that the source had, and whatever else has arrived by then: a table that differs may only have been written to
//! meanwhile. It is looked at again, up to three times. It differs in truth when nothing has changed between two looks, and it
//! still differs: both sides have the same rows as the time before, and the source's statistics have counted no change from
//! before the first of the two looks to after the second. (Rows alone would not tell: a queue is empty at every look, and
//! still one of its rows may be on its way.) A table that is equal at any look is equal. What is left has moved.

mod arrival;
mod keys;
mod large_objects;
mod moment;
mod parts;
mod reader;
mod rows;

use self::arrival::Arrival;
use self::moment::{Moment, Sums};
use self::rows::Question;
use super::{Context, Difference, What};
use crate::error::Error;
use crate::events::{Event, Rows, Verdict};
use crate::plan::comparison::{Contents, Relation};
use crate::settings::Level;
use crate::sql::names::ReplicationNames;

const NO_KEY: &str = "no rows are named: there is no primary key that both sides have";

const INSERTS_ONLY: &str = "of the source's changes only INSERTs are replicated (--replica-identity insert-only)";

/// How often a table that differs is looked at again while replication runs.
const RETRIES: usize = 3;

/// Compares what `contents` lists and adds to `verdict` what came out.
pub(super) async fn compare(
    context: &Context,
    database: &str,
    contents: &Contents,
    jobs: usize,
    verdict: &mut Verdict,
) {
    context.events.send(Event::ComparisonPlanned {
        database: database.to_owned(),
        tables: contents.relations.len(),
        bytes: contents.relations.iter().map(|relation| relation.source.bytes + relation.target.bytes).sum(),
    });
    let comparison = Comparison {
        context,
        database,
        jobs,
        question: Question { level: context.settings.level, recode: contents.encodings_differ },
    };
    let outcome = match &contents.replication {
        None => comparison.at_rest(contents, verdict).await,
        Some(names) => Box::pin(comparison.replicating(contents, names, verdict)).await,
    };
    if let Err(error) = outcome {
        verdict.fail("rows", error);
    }
}

struct Comparison<'a> {
    context: &'a Context,
    database: &'a str,
    jobs: usize,
    question: Question,
}

impl Comparison<'_> {
    /// Nothing replicates: one look tells.
    async fn at_rest(&self, contents: &Contents, verdict: &mut Verdict) -> Result<(), Error> {
        let relations: Vec<&Relation> = contents.relations.iter().collect();
        let moment = Moment::now(self.context, self.database).await?;
        let sums = moment.sums(self.context, &relations, self.question, self.jobs).await?;
        for (relation, sums) in relations.into_iter().zip(sums) {
            self.judge(&moment, relation, sums, verdict).await;
        }
        if contents.large_objects {
            let level = self.question.level;
            if let Err(error) = large_objects::compare(&moment, level, self.jobs, verdict).await {
                verdict.fail("large objects", error);
            }
        }
        moment.release().await;
        Ok(())
    }

    /// Replication runs: see the module's documentation.
    async fn replicating(
        &self,
        contents: &Contents,
        names: &ReplicationNames,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        let arrival = Arrival::watch(self.context, self.database, names).await?;
        let mut pending: Vec<(&Relation, Option<Look>)> = contents.relations.iter().map(|it| (it, None)).collect();
        for _ in 0..=RETRIES {
            if pending.is_empty() {
                break;
            }
            let relations: Vec<&Relation> = pending.iter().map(|(relation, _)| *relation).collect();
            let changes_before = arrival.changes(&relations).await?;
            let moment = Moment::after_arrival(self.context, self.database, &arrival).await?;
            let sums = moment.sums(self.context, &relations, self.question, self.jobs).await?;
            let changes_after = arrival.changes(&relations).await?;
            let looks = sums.into_iter().zip(changes_before.into_iter().zip(changes_after));
            let mut again = Vec::new();
            for ((relation, earlier), (sums, (before, after))) in pending.into_iter().zip(looks) {
                match &sums {
                    (Ok(source), Ok(target)) if source != target => {
                        let look = Look { source: *source, target: *target, changes: before };
                        if earlier.is_some_and(|earlier| earlier.confirmed_by(&look, after.as_deref())) {
                            self.judge(&moment, relation, sums, verdict).await;
                        } else {
                            again.push((relation, Some(look)));
                        }
                    }
                    _ => self.judge(&moment, relation, sums, verdict).await,
                }
            }
            moment.release().await;
            pending = again;
        }
        verdict.moved.extend(pending.iter().map(|(relation, _)| relation.name.to_string()));
        Ok(())
    }

    async fn judge(&self, moment: &Moment<'_>, relation: &Relation, sums: Sums, verdict: &mut Verdict) {
        match sums {
            (Ok(source), Ok(target)) => {
                verdict.tables += 1;
                verdict.rows += source.count;
                if source != target {
                    let what = self.describe(moment, relation, source, target).await;
                    let (database, object) = (verdict.database.clone(), relation.name.to_string());
                    verdict.differences.push(Difference { database, class: relation.kind.name(), object, what });
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

    async fn describe(&self, moment: &Moment<'_>, relation: &Relation, source: Rows, target: Rows) -> What {
        let mut keys = Vec::new();
        let mut unnamed = None;
        if self.context.settings.rows > 0 {
            // Keys of rows whose contents differ are found by their contents, whatever was compared before.
            let question = Question { level: Level::Full, ..self.question };
            let rows = source.count.max(target.count);
            match keys::differing(moment, relation, question, rows, self.context.settings.rows).await {
                Ok(Some(found)) => keys = found,
                Ok(None) => unnamed = Some(NO_KEY.to_owned()),
                Err(error) => unnamed = Some(format!("no rows are named: {}", error.chain())),
            }
        }
        What::Rows { source, target, keys, unnamed, reason: relation.inserts_only.then_some(INSERTS_ONLY) }
    }
}

/// What one look at a table that differs has seen.
struct Look {
    source: Rows,
    target: Rows,
    /// The source's count of changes before.
    changes: Option<String>,
}

impl Look {
    /// Whether `later` shows that nothing has changed since; `changes` is the source's count after it.
    fn confirmed_by(&self, later: &Look, changes: Option<&str>) -> bool {
        self.source == later.source && self.target == later.target && self.changes.as_deref() == changes
    }
}
