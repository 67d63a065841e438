//! Where partitions belong.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::relations::{FIRST_USER_OID, names_in_pairs};
use crate::pg::{Client, PgError};
use crate::sql::QualifiedName;

/// What facts tell of a partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) ancestors: Vec<QualifiedName>,
    pub(super) load_through: Option<QualifiedName>,
}

const PARTITIONS: &str = "
select c.oid,
       array(
           select part.name
           from pg_catalog.pg_partition_ancestors(c.oid) with ordinality p(relid, distance)
           join pg_catalog.pg_class a on a.oid = p.relid
           join pg_catalog.pg_namespace s on s.oid = a.relnamespace,
                unnest(array[s.nspname::text, a.relname::text]) with ordinality part(name, position)
           where a.oid <> c.oid order by p.distance, part.position),
       (select array[s.nspname::text, a.relname::text]
        from pg_catalog.pg_partition_ancestors(c.oid) with ordinality p(relid, distance)
        join pg_catalog.pg_partitioned_table h on h.partrelid = p.relid and h.partstrat = 'h'
        join pg_catalog.pg_class a on a.oid = p.relid
        join pg_catalog.pg_namespace s on s.oid = a.relnamespace
        where exists (
            select from pg_catalog.pg_opclass o
            where o.oid = any (h.partclass) and (o.opcname = 'enum_ops' or o.opcname ~ '^(array|record|(multi)?range)_ops$'
                  and exists (select from pg_catalog.pg_attribute k
                              where k.attrelid = h.partrelid and k.attnum = any (h.partattrs) and k.atttypid >= $1)))
        order by p.distance desc limit 1)
from pg_catalog.pg_class c
where c.relispartition and c.relkind in ('r', 'p', 'f') and c.oid >= $1";

/// Partitions by their OIDs.
pub(super) async fn partitions(client: &Client) -> Result<BTreeMap<u32, Partition>, PgError> {
    let rows = client.query("list partitions", PARTITIONS, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            let through: Option<Vec<String>> = client.get(row, 2)?;
            let partition = Partition {
                ancestors: names_in_pairs(&client.get::<Vec<String>>(row, 1)?),
                load_through: through.and_then(|parts| names_in_pairs(&parts).into_iter().next()),
            };
            Ok((client.get(row, 0)?, partition))
        })
        .collect()
}
