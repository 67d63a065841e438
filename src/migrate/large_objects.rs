//! Large objects: no core version replicates them, and pg_dump's schema archive has none.

use super::{Context, cancelled, journal};
use crate::error::Error;
use crate::pg::Client;
use crate::sql;
use crate::sql::{Ident, Literal};

/// Bytes read at once: what one value of a query may hold comfortably.
const PIECE: i64 = 8 * 1024 * 1024;

/// Which there are, with their owners.
const LIST: &str = "
select m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text from pg_catalog.pg_largeobject_metadata m order by 1";

/// Which of them the target lacks or has with other bytes is not asked: their number is small where replication is used,
/// and comparing reads as much as copying.
pub(super) async fn carry(context: &Context, source: &Client, keep_owners: bool) -> Result<usize, Error> {
    let target = context.target.connect(source.database()).await?;
    let objects = source.query("list large objects", LIST, &[]).await?;
    journal::own_large_objects(&target).await?;
    target.run("copy large objects", "set synchronous_commit = off").await?;
    for row in &objects {
        if context.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let (oid, owner): (u32, String) = (source.get(row, 0)?, source.get(row, 1)?);
        copy(source, &target, oid, keep_owners.then(|| Ident::new(owner)).as_ref()).await?;
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

/// Large objects of the target are replaced one by one; those that are gone from the source go, too.
pub(super) async fn remove_missing(context: &Context, source: &Client) -> Result<(), Error> {
    let target = context.target.connect(source.database()).await?;
    let kept = "select coalesce(pg_catalog.array_agg(oid::text), '{}') from pg_catalog.pg_largeobject_metadata";
    let row = source.one("list large objects", kept, &[]).await?;
    let kept: Vec<String> = source.get(&row, 0)?;
    let list = format!("{{{}}}", kept.join(","));
    let remove = sql!(
        "select pg_catalog.lo_unlink(oid) from pg_catalog.pg_largeobject_metadata where oid <> all ({}::oid[])",
        Literal::new(list)
    );
    Ok(target.run("remove large objects that the source has no more", remove).await?)
}
