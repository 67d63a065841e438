//! Foreign keys between tables that the subscription keeps up to date and tables that we copied ourselves.
//!
//! Both sides have to be of one time when the key is checked. The copy is taken first; then everything up to it arrives; then
//! the subscription rests until the keys are there. What arrived in between may still have deleted a row that a copied one
//! refers to: then all that is done once more.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::copy::Pool;
use super::schema::{Archive, Manner};
use super::wait::Watch;
use super::{Context, finish, replication};
use crate::error::Error;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::Content;
use crate::sql::names::ReplicationNames;

/// Each takes a copy that is as new as can be; somebody would have to delete rows all the time for so many to fail.
const ATTEMPTS: u32 = 5;

/// How long the worker of the subscription may take to end, and how often it is looked for. It finishes what it has begun to
/// apply.
const REST_LIMIT: Duration = Duration::from_secs(300);
const REST_PAUSE: Duration = Duration::from_millis(100);

/// Who copies, and how many keys are checked at the same time.
#[derive(Clone, Copy)]
pub(super) struct Workers<'a> {
    pub(super) pool: &'a Pool,
    pub(super) index_jobs: usize,
}

/// Restores the foreign keys of `archive` after copying `content.recopied` once more.
pub(super) async fn restore(
    context: &Context,
    archive: &Archive,
    manner: Manner<'_>,
    content: &Content,
    names: &ReplicationNames,
    watch: &mut Watch<'_>,
    workers: Workers<'_>,
) -> Result<(), Error> {
    let database = archive.database();
    let (source, target) = tokio::try_join!(context.source.connect(database), context.target.connect(database))?;
    let mut there = BTreeSet::new();
    for attempt in 1.. {
        finish::copy_again(context, workers.pool, database, content).await?;
        watch.until_now().await?;
        rest(&target, names).await?;
        let restored = archive.restore_foreign_keys(context, manner, content, workers.index_jobs, &there).await;
        replication::enable_subscription(&target, names).await?;
        let failures = restored?;
        if attempt == ATTEMPTS {
            return failures.into_result(database);
        }
        match failures.into_quiet_result() {
            Err(error) => {
                tracing::warn!(
                    target: logger::MIGRATE,
                    "{}: foreign keys: copying once more, because rows may have gone meanwhile: {}",
                    logger::database(database),
                    error.chain()
                );
                there = common(&source, &target).await?;
            }
            Ok(()) => return Ok(()),
        }
    }
    Ok(())
}

/// Disables the subscription and waits until its worker has ended.
async fn rest(target: &Client, names: &ReplicationNames) -> Result<(), Error> {
    // With aiven_extras it is not ours to disable: it goes on, and the next attempt has another chance.
    const ENDING: &str = "
        select exists (
            select from pg_catalog.pg_subscription s
            join pg_catalog.pg_stat_subscription w on w.subid = s.oid and w.pid is not null
            where s.subname = $1 and not s.subenabled)";

    replication::disable_subscription(target, names).await?;
    let name = names.subscription.as_str();
    let ended = async {
        loop {
            let row = target.one("look for the subscription's worker", ENDING, &[(&name, Type::TEXT)]).await?;
            if !target.get::<bool>(&row, 0)? {
                return Ok::<_, PgError>(());
            }
            // No session is told when a worker ends.
            tokio::time::sleep(REST_PAUSE).await;
        }
    };
    tokio::time::timeout(REST_LIMIT, ended).await.unwrap_or(Ok(()))?;
    Ok(())
}

const FOREIGN_KEYS: &str = "
select k.oid, n.nspname::text, c.relname::text, k.conname::text
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f'";

/// Foreign keys that both sides have, by their OIDs on the source.
async fn common(source: &Client, target: &Client) -> Result<BTreeSet<u32>, PgError> {
    let list = async |client: &Client| {
        let rows = client.query("list foreign keys", FOREIGN_KEYS, &[]).await?;
        let key = |row| Ok::<[String; 3], PgError>([client.get(row, 1)?, client.get(row, 2)?, client.get(row, 3)?]);
        rows.iter()
            .map(|row| Ok((key(row)?, client.get(row, 0)?)))
            .collect::<Result<Vec<([String; 3], u32)>, PgError>>()
    };
    let (on_source, on_target) = tokio::try_join!(list(source), list(target))?;
    let on_target: BTreeSet<_> = on_target.into_iter().map(|(key, _)| key).collect();
    Ok(on_source.into_iter().filter(|(key, _)| on_target.contains(key)).map(|(_, oid)| oid).collect())
}
