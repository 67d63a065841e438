//! What makes a copied or replicated database complete: sequences, tables that replication does not carry, large objects,
//! materialized views, the source's own publications, event triggers; then the end of its journal.

use super::copy::{Load, Pool, Work};
use super::large_objects::Carrying;
use super::schema::Archive;
use super::snapshot::Snapshot;
use super::{Context, journal, materialized_views, properties, sequences};
use crate::error::{Error, Kind};
use crate::logger;
use crate::plan::{Content, Owners, Rights};

/// What a step came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is worth knowing.
    pub(super) notices: Vec<String>,
    /// What failed, with the reason, and nothing else has to wait for: materialized views, for one, hold nothing that the
    /// tables do not.
    pub(super) failures: Vec<String>,
}

/// Values of sequences and contents of materialized views: what can be brought up to date at any time.
/// Sequences are set `margin` values further.
pub(super) async fn refresh(
    context: &Context,
    database: &str,
    content: &Content,
    margin: u64,
) -> Result<Outcome, Error> {
    let notices = sequences::carry(context, database, &content.sequences, margin).await?;
    let mut refreshed = Outcome { notices, failures: Vec::new() };
    materialized_views::fill(context, database, content, &mut refreshed).await?;
    Ok(refreshed)
}

/// Copies once more, whole, the tables that replication did not carry.
pub(super) async fn copy_again(context: &Context, pool: &Pool, database: &str, content: &Content) -> Result<(), Error> {
    if content.recopied.is_empty() {
        return Ok(());
    }
    for table in &content.recopied {
        tracing::info!(target: logger::MIGRATE, "{}: copying {} once more: replication does not carry it", logger::database(database), table.name);
    }
    let snapshot = Snapshot::take_beside(context, database, &content.recopied).await?;
    pool.copy(database, snapshot.name(), Work::tables(&content.recopied, Load::Replace).collect(), None).await?;
    snapshot.release(context).await;
    Ok(())
}

/// Makes the large objects equal once more. Returns what was not carried of them.
pub(super) async fn large_objects(
    context: &Context,
    pool: &Pool,
    database: &str,
    owners: &Owners,
) -> Result<Vec<String>, Error> {
    let snapshot = Snapshot::take_beside(context, database, &[]).await?;
    let (all, shares) = Carrying::divide(context, &snapshot, &context.target.connect(database).await?, owners).await?;
    pool.copy(database, snapshot.name(), shares.into_iter().map(Work::LargeObjects).collect(), None).await?;
    snapshot.release(context).await;
    Ok(all.conclude(database))
}

/// Carries what replication or our own sessions would have minded until now: privileges that take rights from tables' owners, row
/// level security that binds them, privileges on the database, the source's own publications, event triggers. Ends the journal with that: until all of it is
/// there, the next run finds that something is missing.
pub(super) async fn hand_over(
    context: &Context,
    database: &str,
    content: &Content,
    archive: Option<&Archive>,
    rights: &Rights,
) -> Result<Outcome, Error> {
    let made;
    let archive = match archive {
        _ if !content.brings_something_last() => None,
        Some(archive) => Some(archive),
        None => {
            made = Archive::dump(context, database, None, rights).await?;
            Some(&made)
        }
    };
    let mut failures = Vec::new();
    // Opened before privileges could keep it out.
    let session = context.target.connect(database).await?;
    if let Some(archive) = archive.filter(|_| content.powerless_owners) {
        failures.extend(failure(archive.restore_spared_privileges(context, rights).await)?);
    }
    if let Some(archive) = archive.filter(|_| !content.guarded.is_empty()) {
        failures.extend(failure(archive.restore_row_security(context, rights, &content.guarded).await)?);
    }
    let notices = properties::carry_access(context, database, &content.properties, rights).await?;
    match archive {
        Some(archive) => failures.extend(failure(archive.end_with_last(context, &session, rights).await)?),
        None => journal::end(&session).await?,
    }
    Ok(Outcome { notices, failures })
}

/// What a step that others need not wait for has failed with.
fn failure(outcome: Result<(), Error>) -> Result<Option<String>, Error> {
    match outcome {
        Err(error) if error.kind == Kind::Failed => Ok(Some(error.chain())),
        outcome => outcome.map(|()| None),
    }
}
