//! Bytes of large objects, with what is said of them, in one transaction.

use tokio_postgres::types::Type;

use super::properties::{Naming, of_source};
use crate::error::Error;
use crate::events::{Event, Events};
use crate::pg::{Client, PgError};
use crate::sql::Sql;

/// Bytes of each large object that are read together with those of the others: most are no longer.
const HEAD: i32 = 64 * 1024;

/// Bytes of a longer one that are read at once.
const PIECE: i32 = 4 * 1024 * 1024;

/// Copies `oids`. Those among `replaced` are on the target already.
pub(super) async fn copy(
    events: &Events,
    source: &Client,
    target: &Client,
    naming: &Naming<'_>,
    oids: &[u32],
    replaced: &[u32],
) -> Result<(), Error> {
    const READ: &str = "select l.oid, pg_catalog.lo_get(l.oid, 0, $2) from unnest($1::oid[]) l(oid)";
    const CREATE: &str =
        "select pg_catalog.lo_from_bytea(l.oid, l.head) from unnest($1::oid[], $2::bytea[]) l(oid, head)";
    const UNLINK: &str = "select pg_catalog.lo_unlink(l.oid) from unnest($1::oid[]) l(oid)";

    if oids.is_empty() {
        return Ok(());
    }
    let doing = "copy large objects";
    let reading: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&oids, Type::OID_ARRAY), (&HEAD, Type::INT4)];
    let rows = source.query(doing, READ, &reading).await?;
    let heads: Vec<(u32, &[u8])> =
        rows.iter().map(|row| Ok((source.get(row, 0)?, source.get(row, 1)?))).collect::<Result<_, PgError>>()?;
    target.run(doing, "begin").await?;
    if !replaced.is_empty() {
        target.query(doing, UNLINK, &[(&replaced, Type::OID_ARRAY)]).await?;
    }
    let (new, bytes): (Vec<u32>, Vec<&[u8]>) = heads.iter().copied().unzip();
    target.query(doing, CREATE, &[(&new, Type::OID_ARRAY), (&bytes, Type::BYTEA_ARRAY)]).await?;
    report(events, source, bytes.iter().map(|head| head.len()).sum());
    for (oid, head) in heads {
        if i32::try_from(head.len()).is_ok_and(|length| length == HEAD) {
            copy_rest(events, source, target, oid).await?;
        }
    }
    let properties = of_source(source, naming, oids).await?;
    let statements: Vec<Sql> =
        properties.into_iter().flat_map(|(oid, properties)| properties.statements(oid, naming)).collect();
    if !statements.is_empty() {
        target.run("set owners, privileges and comments of large objects", Sql::join(statements, "; ")).await?;
    }
    Ok(target.run(doing, "commit").await?)
}

async fn copy_rest(events: &Events, source: &Client, target: &Client, oid: u32) -> Result<(), PgError> {
    let doing = format!("copy large object {oid}");
    let mut offset = i64::from(HEAD);
    loop {
        let read = "select pg_catalog.lo_get($1, $2, $3)";
        let row = source.one(&*doing, read, &[(&oid, Type::OID), (&offset, Type::INT8), (&PIECE, Type::INT4)]).await?;
        let piece: &[u8] = source.get(&row, 0)?;
        if piece.is_empty() {
            return Ok(());
        }
        let write = "select pg_catalog.lo_put($1, $2, $3)::text";
        target.one(&*doing, write, &[(&oid, Type::OID), (&offset, Type::INT8), (&piece, Type::BYTEA)]).await?;
        report(events, source, piece.len());
        offset += i64::from(PIECE);
    }
}

fn report(events: &Events, source: &Client, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or_default();
    events.send(Event::CopyProgress { database: source.database().to_owned(), bytes });
}
