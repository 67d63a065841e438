//! Indexes that take time to build.

use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::facts::LargeIndex;
use crate::pg::{Client, PgError};
use crate::sql::QualifiedName;

/// The builtin provider compares bytes, as C does. What provider a database's own collation has is not asked: estimates are
/// made of this.
const LARGE: &str = "
select n.nspname::text, c.relname::text, c.relpages::int8 * pg_catalog.current_setting('block_size')::int8,
       c.reltuples::int8, m.amname::text,
       exists (select from pg_catalog.unnest(i.indcollation) k(oid)
               join pg_catalog.pg_collation l on l.oid = k.oid
               where case when l.collprovider = 'd'
                   then (select d.datcollate::text not in ('C', 'POSIX') from pg_catalog.pg_database d
                         where d.datname = pg_catalog.current_database())
                   else l.collprovider <> 'b' and coalesce(l.collcollate::text, '') not in ('C', 'POSIX') end)
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_am m on m.oid = c.relam
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'i' and c.oid >= $1 and (c.relpages >= 128 or c.reltuples >= 50000)";

/// The larger indexes of tables.
pub(super) async fn large(client: &Client) -> Result<Vec<LargeIndex>, PgError> {
    let rows = client.query("list large indexes", LARGE, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            let number = |at| Ok::<_, PgError>(u64::try_from(client.get::<i64>(row, at)?).unwrap_or(0));
            Ok(LargeIndex {
                name: QualifiedName::new(client.get::<String>(row, 0)?, client.get::<String>(row, 1)?),
                bytes: number(2)?,
                entries: number(3)?,
                method: client.get(row, 4)?,
                collated: client.get(row, 5)?,
            })
        })
        .collect()
}
