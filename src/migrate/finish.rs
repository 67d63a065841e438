//! What makes a copied or replicated database complete: sequences, tables that replication does not carry, large objects,
//! materialized views, the source's own publications, event triggers.

use super::copy::{Load, Pool, Sessions, Work};
use super::large_objects::Carrying;
use super::schema::Archive;
use super::snapshot::Snapshot;
use super::{Context, sequences};
use crate::error::Error;
use crate::logger;
use crate::plan::{Content, Owners, Rights};
use crate::sql;
use crate::sql::QualifiedName;

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
pub(super) async fn refresh(context: &Context, database: &str, content: &Content) -> Result<Refreshed, Error> {
    let notices = sequences::carry(context, database, &content.sequences).await?;
    let failures = materialized_views(context, database, &content.materialized_views).await?;
    Ok(Refreshed { notices, failures })
}

/// In their order: each reads only what is filled already.
async fn materialized_views(context: &Context, database: &str, views: &[QualifiedName]) -> Result<Vec<String>, Error> {
    let mut failures = Vec::new();
    if views.is_empty() {
        return Ok(failures);
    }
    let client = context.target.connect(database).await?;
    client.run("refresh materialized views", "set synchronous_commit = off").await?;
    for view in views {
        context.check()?;
        let doing = format!("refresh materialized view {view}");
        match client.run(doing, sql!("refresh materialized view {}", view)).await {
            Err(error) if error.code().is_some() => failures.push(format!(
                "materialized view {view} could not be refreshed: {}; once the cause is removed: REFRESH MATERIALIZED VIEW {view}",
                error.words()
            )),
            outcome => outcome?,
        }
    }
    Ok(failures)
}

/// Copies once more, whole, the tables that replication did not carry.
pub(super) async fn copy_again(context: &Context, database: &str, content: &Content) -> Result<(), Error> {
    if content.recopied.is_empty() {
        return Ok(());
    }
    let snapshot = Snapshot::take(context, database).await?;
    let sessions = Sessions::open(context, database, snapshot.name()).await?;
    for table in &content.recopied {
        context.check()?;
        tracing::info!(target: logger::MIGRATE, "{}: copying {} once more: replication does not carry it", logger::database(database), table.name);
        sessions.copy(context, table, Load::Replace).await?;
    }
    snapshot.release().await;
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
    let (all, shares) = Carrying::divide(context, database, snapshot.name(), owners).await?;
    pool.copy(database, snapshot.name(), shares.into_iter().map(Work::LargeObjects).collect()).await?;
    snapshot.release().await;
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
            made = Archive::dump(context, database, None).await?;
            &made
        }
    };
    if content.powerless_owners {
        archive.restore_spared_privileges(context, rights).await?;
    }
    archive.restore_publications(context, rights).await?;
    archive.restore_event_triggers(context, rights).await
}
