//! Large objects: no core version replicates them, and pg_dump's schema archive has none.
//!
//! They are copied from the snapshot by the same workers as tables, in shares of a few hundred, each in one transaction of the
//! target. Done once more at the finish of a replication, the same makes up for what has changed meanwhile: what is equal on
//! both sides stays as it is.

mod contents;
mod metadata;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_postgres::types::Type;

use self::metadata::Metadata;
use super::copy::Sessions;
use super::snapshot::Snapshot;
use super::{Context, journal};
use crate::error::Error;
use crate::events::Event;
use crate::facts::Reserved;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::Owners;

/// Most objects of a share. A transaction holds a lock on every one that it removes or comments on, and how many locks there
/// may be is a setting of the server.
const SHARE_OBJECTS: i64 = 500;

/// About how many bytes make a share: small enough that all workers have something to do, also where objects are few.
const SHARE_BYTES: i64 = 32 * 1024 * 1024;

/// The large objects of one database.
pub(super) struct Carrying {
    owners: Owners,
    /// Roles of the target: others cannot be granted anything.
    roles: BTreeSet<String>,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    copied: usize,
    removed: usize,
    kept: usize,
    /// What the server said to an owner, privilege or comment: how often, and of which object first.
    refused: BTreeMap<String, (u32, usize)>,
}

/// A part of them: what a worker takes at once.
pub(super) struct Share {
    all: Arc<Carrying>,
    oids: RangeInclusive<u32>,
    /// Bytes on the source, as if all objects were of one size.
    pub(super) bytes: u64,
}

/// Every so many of them in order.
const BOUNDS: &str = "
select array(select m.oid from (
    select oid, pg_catalog.row_number() over (order by oid) as n from pg_catalog.pg_largeobject_metadata) m
    where m.n % $1 = 0 order by 1)";

const ROLES: &str = "select array(select rolname::text from pg_catalog.pg_roles)";

impl Carrying {
    /// Divides the large objects that `snapshot` shows among workers. There is nothing to divide when the source has none and
    /// the target, where `target` is connected, none of this migration. An error when the target has others.
    pub(super) async fn divide(
        context: &Context,
        snapshot: &Snapshot<'_>,
        target: &Client,
        owners: &Owners,
    ) -> Result<(Arc<Self>, Vec<Share>), Error> {
        let mut all = Self { owners: owners.clone(), roles: BTreeSet::new(), tally: Mutex::default() };
        let (count, bytes) = snapshot.large_objects().await?;
        if count > 0 {
            journal::own_large_objects(target).await?;
        } else if !journal::has_large_objects(target).await? {
            return Ok((Arc::new(all), Vec::new()));
        }
        let row = target.one("list roles", ROLES, &[]).await?;
        all.roles = target.get::<Vec<String>>(&row, 0)?.into_iter().collect();
        let all = Arc::new(all);
        let sessions = Sessions::open(context, target.database(), snapshot.name()).await?;
        let (source, _) = sessions.ends();
        let row = source.one("divide large objects", BOUNDS, &[(&share_size(count, bytes), Type::INT8)]).await?;
        let ranges = ranges(&source.get::<Vec<u32>>(&row, 0)?);
        let each = u64::try_from(bytes).unwrap_or(0) / ranges.len() as u64;
        let shares = ranges.into_iter().map(|oids| Share { all: Arc::clone(&all), oids, bytes: each }).collect();
        Ok((all, shares))
    }

    /// Says how it went, and returns what did not.
    pub(super) fn conclude(&self, database: &str) -> Vec<String> {
        let tally = self.tally();
        let (copied, removed, kept) = (tally.copied, tally.removed, tally.kept);
        if copied + removed + kept > 0 {
            tracing::info!(
                target: logger::MIGRATE,
                "{}: large objects: {copied} copied, {removed} removed, {kept} left as they were",
                logger::database(database)
            );
        }
        let refused = tally.refused.iter();
        refused
            .map(|(words, (first, count))| match count {
                1 => format!("not carried of large object {first}: {words}"),
                _ => format!("not carried of {count} large objects, such as {first}: {words}"),
            })
            .collect()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many objects make a share of [`SHARE_BYTES`].
fn share_size(count: i64, bytes: i64) -> i64 {
    (SHARE_BYTES.saturating_mul(count) / bytes.max(1)).clamp(1, SHARE_OBJECTS)
}

/// All OIDs, cut behind each of `bounds`.
fn ranges(bounds: &[u32]) -> Vec<RangeInclusive<u32>> {
    let mut first = 0;
    let mut ranges = Vec::new();
    for &bound in bounds {
        ranges.push(first..=bound);
        let Some(next) = bound.checked_add(1) else { return ranges };
        first = next;
    }
    // What the target has behind the source's last one belongs to the last share.
    ranges.push(first..=u32::MAX);
    ranges
}

impl Share {
    /// Makes the target's objects equal to the source's.
    pub(super) async fn carry(&self, context: &Context, source: &Client, target: &Client) -> Result<(), Error> {
        let database = source.database();
        let mut progress = |bytes| context.events.send(Event::CopyProgress { database: database.to_owned(), bytes });
        let list = |client| metadata::list(client, &self.oids);
        let (wanted, there) = tokio::try_join!(list(source), list(target))?;
        let gone: Vec<u32> = there.keys().filter(|oid| !wanted.contains_key(oid)).copied().collect();
        remove(target, &gone).await?;

        let oids: Vec<u32> = wanted.keys().copied().collect();
        let common: Vec<u32> = oids.iter().filter(|oid| there.contains_key(oid)).copied().collect();
        let sizes = contents::sizes(source, &oids).await?;
        let kept = contents::equal(source, target, &sizes, &common).await?;
        let replaced: Vec<u32> = common.iter().filter(|oid| !kept.contains(oid)).copied().collect();
        let copied: Vec<u32> = oids.iter().filter(|oid| !kept.contains(oid)).copied().collect();

        target.run("copy large objects", "begin").await?;
        contents::create(target, &replaced, &copied).await?;
        let sizes: Vec<(u32, i64)> = copied.iter().filter_map(|oid| sizes.get(oid).map(|&size| (*oid, size))).collect();
        contents::copy(source, target, &sizes, &mut progress).await?;
        self.describe(context, target, &wanted).await?;
        target.run("copy large objects", "commit").await?;

        let mut tally = self.all.tally();
        tally.copied += copied.len();
        tally.removed += gone.len();
        tally.kept += kept.len();
        Ok(())
    }

    /// Gives objects the owners, privileges, comments and labels of `wanted`, as far as the target lets us.
    async fn describe(
        &self,
        context: &Context,
        target: &Client,
        wanted: &BTreeMap<u32, Metadata>,
    ) -> Result<(), PgError> {
        let there = metadata::list(target, &self.oids).await?;
        let known = |role: &str| self.all.roles.contains(role);
        let mut changes = Vec::new();
        for (oid, wanted) in wanted {
            let Some(there) = there.get(oid) else { continue };
            changes.extend(there.changes(*oid, wanted, &self.all.owners, known));
            if let Some(statement) = wanted.left_to_administrator(*oid, &self.all.owners) {
                let reason = "the target user cannot give the object away".to_owned();
                context.leave(Some(target.database()), Reserved::Owners, &statement, reason);
            }
        }
        for (change, error) in metadata::change(target, changes).await? {
            // A label is for its provider to judge, if that is loaded.
            if error.is_permission() || change.kind == Reserved::SecurityLabels {
                context.leave(Some(target.database()), change.kind, &change.statement, error.words());
            } else {
                let mut tally = self.all.tally();
                let (_, count) = tally.refused.entry(error.words()).or_insert((change.oid, 0));
                *count += 1;
            }
        }
        Ok(())
    }
}

/// Removes objects that the source has no more.
async fn remove(target: &Client, oids: &[u32]) -> Result<(), PgError> {
    for some in oids.chunks(usize::try_from(SHARE_OBJECTS).unwrap_or(usize::MAX)) {
        contents::unlink(target, some).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_large_objects_are_shares_of_their_own() {
        assert_eq!(share_size(10, 50_000_000_000), 1);
        assert_eq!(share_size(20_000, 20_000), 500);
        assert_eq!(share_size(1000, 1_000_000_000), 33);
        assert_eq!(share_size(0, 0), 1);
    }

    #[test]
    fn every_oid_is_in_one_share() {
        assert_eq!(ranges(&[]), [0..=u32::MAX]);
        assert_eq!(ranges(&[7, 9]), [0..=7, 8..=9, 10..=u32::MAX]);
        assert_eq!(ranges(&[u32::MAX]), [0..=u32::MAX]);
    }
}
