//! What of a database's storage a dump does not carry.

use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::facts::Storage;
use crate::pg::{Client, PgError};
use crate::sql::QualifiedName;

const STORAGE: &str = "
select array(select t.spcname::text from pg_catalog.pg_tablespace t
             where t.spcname !~ '^pg_' and (
                 exists (select from pg_catalog.pg_class c where c.reltablespace = t.oid and c.oid >= $1)
                 or exists (select from pg_catalog.pg_database d
                            where d.datname = pg_catalog.current_database() and d.dattablespace = t.oid))
             order by 1)";

/// An index of a partitioned table is dumped whether it is valid or not.
const INVALID_INDEXES: &str = "
select n.nspname::text, c.relname::text
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid and c.relkind = 'i' and c.oid >= $1 and n.nspname !~ '^pg_'
order by 1, 2";

/// Tablespaces in use, and indexes that are not valid.
pub(super) async fn storage(client: &Client) -> Result<Storage, PgError> {
    let first: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&FIRST_USER_OID, Type::OID)];
    let (tablespaces, indexes) = tokio::try_join!(
        client.one("list tablespaces", STORAGE, first),
        client.query("list invalid indexes", INVALID_INDEXES, first),
    )?;
    let name = |row| Ok(QualifiedName::new(client.get::<String>(row, 0)?, client.get::<String>(row, 1)?));
    Ok(Storage {
        tablespaces: client.get(&tablespaces, 0)?,
        invalid_indexes: indexes.iter().map(name).collect::<Result<_, PgError>>()?,
    })
}
