//! Types of the columns of one database's tables.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::facts::{DataType, Table, TableKind, TypeKind};
use crate::pg::{Client, PgError};

/// First OID that a server gave itself when it was made (`FirstGenbkiObjectId`): those below are the same everywhere.
const FIRST_GIVEN_OID: u32 = 10_000;

/// With the types that each is made of. Through JSON because multiranges are not in all versions.
const TYPES: &str = "
select t.oid, pg_catalog.format_type(t.oid, null), t.typtype::text,
       (select e.extname::text
        from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid
          and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass),
       t.typsend <> 0 and t.typreceive <> 0,
       case t.typtype
           when 'd' then array[t.typbasetype]
           when 'b' then array(select e.oid from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid)
           when 'c' then array(select distinct a.atttypid from pg_catalog.pg_attribute a
                               where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
           else array(select r.rngsubtype from pg_catalog.pg_range r
                      where t.oid in (r.rngtypid, (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid)) end
from pg_catalog.pg_type t where t.oid = any ($1)";

/// Types of the columns of `tables`, and what they are made of, by their OIDs.
pub(super) async fn types(client: &Client, tables: &[Table]) -> Result<BTreeMap<u32, DataType>, PgError> {
    let stored = tables.iter().filter(|table| table.kind != TableKind::Foreign);
    let mut wanted: BTreeSet<u32> = stored.flat_map(|table| &table.columns).map(|column| column.type_id).collect();
    let mut types = BTreeMap::new();
    while !wanted.is_empty() {
        let oids: Vec<u32> = std::mem::take(&mut wanted).into_iter().collect();
        for row in client.query("list types of columns", TYPES, &[(&oids, Type::OID_ARRAY)]).await? {
            let parts: Vec<u32> = client.get(&row, 5)?;
            wanted.extend(&parts);
            let (oid, data_type) = data_type(client, &row, parts)?;
            types.insert(oid, data_type);
        }
        wanted.retain(|oid| !types.contains_key(oid));
    }
    Ok(types)
}

fn data_type(client: &Client, row: &Row, parts: Vec<u32>) -> Result<(u32, DataType), PgError> {
    let oid: u32 = client.get(row, 0)?;
    let kind: String = client.get(row, 2)?;
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
