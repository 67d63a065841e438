//! Columns of one database's tables.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::facts::Column;
use crate::pg::{Client, PgError};
use crate::sql::Ident;

/// Columns of one table in order, dropped ones left out; `numbers` and `not_null` are as long.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// As facts tell them.
    pub(super) columns: Vec<Column>,
    numbers: Vec<i16>,
    not_null: Vec<bool>,
}

impl Columns {
    /// As facts tell them.
    pub(super) fn into_facts(self) -> Vec<Column> {
        self.columns
    }

    /// Whether one of those with the `numbers` is what `is` asks for; gets the column, and whether it is NOT NULL.
    pub(super) fn any_of(&self, numbers: &[i16], is: impl Fn(&Column, bool) -> bool) -> bool {
        let all = self.columns.iter().zip(&self.numbers).zip(&self.not_null);
        all.into_iter().any(|((column, number), &not_null)| numbers.contains(number) && is(column, not_null))
    }
}

const COLUMNS: &str = "
select a.attrelid,
       pg_catalog.array_agg(a.attname::text order by a.attnum),
       pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) order by a.attnum),
       pg_catalog.array_agg(a.attgenerated <> '' order by a.attnum),
       pg_catalog.array_agg(a.atttypid order by a.attnum),
       pg_catalog.array_agg(a.attnum order by a.attnum),
       pg_catalog.array_agg(a.attnotnull order by a.attnum),
       pg_catalog.array_agg(a.atttypmod order by a.attnum)
from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'p', 'f') and c.relpersistence in ('p', 'u') and c.oid >= $1
  and a.attnum > 0 and not a.attisdropped
group by 1";

/// By the OID of their table. One that has none is not there.
pub(super) async fn columns(client: &Client) -> Result<BTreeMap<u32, Columns>, PgError> {
    let rows = client.query("list columns", COLUMNS, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter().map(|row| Ok((client.get(row, 0)?, of_table(client, row)?))).collect()
}

fn of_table(client: &Client, row: &Row) -> Result<Columns, PgError> {
    let names: Vec<String> = client.get(row, 1)?;
    let types: Vec<String> = client.get(row, 2)?;
    let generated: Vec<bool> = client.get(row, 3)?;
    let type_ids: Vec<u32> = client.get(row, 4)?;
    let type_modifiers: Vec<i32> = client.get(row, 7)?;
    let columns = names
        .into_iter()
        .zip(types)
        .zip(generated.into_iter().zip(type_ids.into_iter().zip(type_modifiers)))
        .map(|((name, type_name), (generated, (type_id, type_modifier)))| Column {
            name: Ident::new(name),
            type_name,
            type_id,
            type_modifier,
            generated,
        })
        .collect();
    Ok(Columns { columns, numbers: client.get(row, 5)?, not_null: client.get(row, 6)? })
}
