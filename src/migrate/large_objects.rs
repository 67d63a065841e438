//! Large objects: no core version replicates them, and pg_dump's schema archive has none.

use std::collections::BTreeSet;

use super::{Context, cancelled, journal};
use crate::error::Error;
use crate::pg::Client;
use crate::plan::Owners;
use crate::sql;
use crate::sql::{Ident, Sql};

/// Bytes read at once: what one value of a query may hold comfortably.
const PIECE: i64 = 8 * 1024 * 1024;

/// Which there are, with their owners.
const LIST: &str = "
select m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text from pg_catalog.pg_largeobject_metadata m order by 1";

/// Which of them the target lacks or has with other bytes is not asked: their number is small where replication is used,
/// and comparing reads as much as copying.
pub(super) async fn carry(context: &Context, source: &Client, owners: &Owners) -> Result<usize, Error> {
    let target = context.target.connect(source.database()).await?;
    let objects = source.query("list large objects", LIST, &[]).await?;
    journal::own_large_objects(&target).await?;
    target.run("copy large objects", "set synchronous_commit = off").await?;
    for row in &objects {
        if context.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let (oid, owner): (u32, String) = (source.get(row, 0)?, source.get(row, 1)?);
        copy(source, &target, oid, owners.keeps(&owner).then(|| Ident::new(owner)).as_ref()).await?;
    }
    Ok(objects.len())
}

async fn copy(source: &Client, target: &Client, oid: u32, owner: Option<&Ident>) -> Result<(), Error> {
    use tokio_postgres::types::Type;
    let doing = format!("copy large object {oid}");
    let create = sql!(
        "begin; \
         select pg_catalog.lo_unlink(oid) from pg_catalog.pg_largeobject_metadata where oid = {}; \
         select pg_catalog.lo_create({})",
        oid,
        oid
    );
    target.run(&*doing, create).await?;
    let mut offset = 0_i64;
    loop {
        let size = i32::try_from(PIECE).unwrap_or(i32::MAX);
        let read = "select pg_catalog.lo_get($1, $2, $3)";
        let row = source.one(&*doing, read, &[(&oid, Type::OID), (&offset, Type::INT8), (&size, Type::INT4)]).await?;
        let piece: &[u8] = source.get(&row, 0)?;
        if piece.is_empty() {
            break;
        }
        let write = "select pg_catalog.lo_put($1, $2, $3)::text";
        target.one(&*doing, write, &[(&oid, Type::OID), (&offset, Type::INT8), (&piece, Type::BYTEA)]).await?;
        offset += PIECE;
    }
    if let Some(owner) = owner {
        target.run(&*doing, sql!("alter large object {} owner to {}", oid, owner)).await?;
    }
    target.run(&*doing, "commit").await?;
    Ok(())
}

/// Large objects removed in one transaction, which holds a lock on each.
const REMOVED_AT_ONCE: usize = 500;

/// Large objects of the target are replaced one by one; those that are gone from the source go, too.
pub(super) async fn remove_missing(context: &Context, source: &Client) -> Result<(), Error> {
    let target = context.target.connect(source.database()).await?;
    let kept = oids(source).await?;
    let gone: Vec<u32> = oids(&target).await?.difference(&kept).copied().collect();
    for some in gone.chunks(REMOVED_AT_ONCE) {
        context.check()?;
        let remove = sql!("select pg_catalog.lo_unlink(oid) from unnest(array[{}]::oid[]) oid", Sql::join(some, ", "));
        target.run("remove large objects that the source has no more", remove).await?;
    }
    Ok(())
}

async fn oids(client: &Client) -> Result<BTreeSet<u32>, Error> {
    let rows = client.query("list large objects", LIST, &[]).await?;
    Ok(rows.iter().map(|row| client.get(row, 0)).collect::<Result<_, _>>()?)
}
