//! What makes a copied or replicated database complete: sequences, tables that replication does not carry, large objects,
//! materialized views, the source's own publications, event triggers.

use super::copy::{Load, Pool, Work};
use super::large_objects::Carrying;
use super::schema::Archive;
use super::snapshot::Snapshot;
use super::{Context, journal, materialized_views, sequences};
use crate::error::Error;
use crate::logger;
use crate::plan::{Content, Owners, Rights};

/// What bringing up to date came to.
#[derive(Debug, Default)]
pub(super) struct Refreshed {
    /// What is worth knowing.
    pub(super) notices: Vec<String>,
    /// Materialized views that could not be filled, with the reason. They hold nothing that the tables do not, so that
    /// nothing else has to wait for them.
    pub(super) failures: Vec<String>,
}

/// Values of sequences and contents of materialized views: what can be brought up to date at any time.
/// Sequences are set `margin` values further.
pub(super) async fn refresh(
    context: &Context,
    database: &str,
    content: &Content,
    margin: u64,
) -> Result<Refreshed, Error> {
    let notices = sequences::carry(context, database, &content.sequences, margin).await?;
    let mut refreshed = Refreshed { notices, failures: Vec::new() };
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
    let snapshot = Snapshot::take(context, database).await?;
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
    let snapshot = Snapshot::take(context, database).await?;
    let (all, shares) = Carrying::divide(context, &snapshot, &context.target.connect(database).await?, owners).await?;
    pool.copy(database, snapshot.name(), shares.into_iter().map(Work::LargeObjects).collect(), None).await?;
    snapshot.release(context).await;
    Ok(all.conclude(database))
}

/// Restores what must not exist while rows still arrive: the source's own publications, privileges that take rights from
/// tables' owners, event triggers.
pub(super) async fn what_comes_last(
    context: &Context,
    database: &str,
    content: &Content,
    archive: Option<&Archive>,
    rights: &Rights,
) -> Result<(), Error> {
    if !(content.publications || content.event_triggers || content.powerless_owners) {
        return Ok(());
    }
    let made;
    let archive = match archive {
        Some(archive) => archive,
        None => {
            made = Archive::dump(context, database, None, rights).await?;
            &made
        }
    };
    if content.powerless_owners {
        archive.restore_spared_privileges(context, rights).await?;
    }
    archive.restore_publications(context, rights).await?;
    archive.restore_event_triggers(context, rights).await?;
    Ok(journal::flush(&context.target.connect(database).await?).await?)
}
