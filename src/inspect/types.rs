//! Types of the columns of one database's tables.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::facts::{DataType, TypeKind};
use crate::pg::{Client, PgError};

/// First OID that a server gave itself when it was made (`FirstGenbkiObjectId`): those below are the same everywhere.
const FIRST_GIVEN_OID: u32 = 10_000;

/// Through JSON because multiranges are not in all versions.
const TYPES: &str = "
with recursive used(oid, whole) as (
    select distinct a.atttypid, 0::oid
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    where c.relkind in ('r', 'p') and c.oid >= $1 and a.attnum > 0 and not a.attisdropped
    union
    select part.oid, t.oid
    from used u join pg_catalog.pg_type t on t.oid = u.oid
    cross join lateral (
        select t.typbasetype as oid where t.typtype = 'd'
        union all select e.oid from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid
        union all select r.rngsubtype from pg_catalog.pg_range r
        where t.oid in (r.rngtypid, (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid)
        union all select a.atttypid from pg_catalog.pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) part
)
select t.oid, pg_catalog.format_type(t.oid, null), t.typtype::text, e.extname::text,
       t.typsend <> 0 and t.typreceive <> 0,
       array(select part.oid from used part where part.whole = t.oid)
from pg_catalog.pg_type t
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid
     and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
left join pg_catalog.pg_extension e on e.oid = d.refobjid
where t.oid = any (array(select oid from used))";

/// Types of columns, and what they are made of, by their OIDs.
pub(super) async fn types(client: &Client) -> Result<BTreeMap<u32, DataType>, PgError> {
    let rows = client.query("list types of columns", TYPES, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter().map(|row| data_type(client, row)).collect()
}

fn data_type(client: &Client, row: &Row) -> Result<(u32, DataType), PgError> {
    let oid: u32 = client.get(row, 0)?;
    let kind: String = client.get(row, 2)?;
    let parts: Vec<u32> = client.get(row, 5)?;
    let kind = match (kind.as_str(), parts.first()) {
        ("c", _) => TypeKind::Composite(parts),
        ("e", _) => TypeKind::Enum,
        ("d", Some(&base)) => TypeKind::Domain(base),
        ("r" | "m", Some(&subtype)) => TypeKind::Range(subtype),
        ("b", Some(&element)) => TypeKind::Array(element),
        _ => TypeKind::Base,
    };
    let data_type = DataType {
        name: client.get(row, 1)?,
        kind,
        builtin: oid < FIRST_GIVEN_OID,
        extension: client.get(row, 3)?,
        binary: client.get(row, 4)?,
    };
    Ok((oid, data_type))
}
