//! Whether what the source has contents of is still defined as the plan takes it.

use std::collections::BTreeMap;

use crate::error::{Error, Kind};
use crate::pg::Client;
use crate::plan::SeenColumn;
use crate::sql;
use crate::sql::{Ident, QualifiedName, Sql};

/// Tables as inspection saw them, with the columns whose values can be loaded; sequences and materialized views.
pub(super) type Seen = BTreeMap<QualifiedName, Vec<SeenColumn>>;

/// A column as it is now, and its type in words.
struct Column {
    seen: SeenColumn,
    type_name: String,
}

/// Refuses to go on when a table, a sequence or a materialized view of the source has come since inspection, or a table has other
/// columns or types: the plan would leave rows and values behind, or the target would take values for others.
pub(super) async fn must_be(client: &Client, seen: &Seen) -> Result<(), Error> {
    let rows = client.simple("list relations again", RELATIONS).await?;
    let mut now: BTreeMap<QualifiedName, Vec<Column>> = BTreeMap::new();
    let mut changed = Vec::new();
    for row in rows {
        if let [Some(schema), Some(name), Some(kind), column @ ..] = row.as_slice() {
            let name = QualifiedName::new(schema, name);
            let other = match kind.as_str() {
                "S" => Some("sequence"),
                "m" => Some("materialized view"),
                _ => None,
            };
            if let Some(kind) = other {
                if !seen.contains_key(&name) {
                    changed.push(format!("{kind} {name} (it is new)"));
                }
                continue;
            }
            let columns = now.entry(name).or_default();
            if let [Some(name), Some(type_id), Some(type_modifier), Some(type_name)] = column {
                let (type_id, type_modifier) = (number(type_id)?, number(type_modifier)?);
                let seen = SeenColumn { name: Ident::new(name), type_id, type_modifier };
                columns.push(Column { seen, type_name: type_name.clone() });
            }
        }
    }
    let mut repeat = Vec::new();
    for (table, columns) in &now {
        let changes = match seen.get(table) {
            None => vec!["it is new".to_owned()],
            Some(before) => {
                repeat.extend(retyped(before, columns).map(|column| {
                    let (name, type_name) = (&column.seen.name, Sql::from_catalog(&column.type_name));
                    sql!("ALTER TABLE {} ALTER COLUMN {} TYPE {}", table, name, type_name)
                }));
                changes(before, columns)
            }
        };
        if !changes.is_empty() {
            changed.push(format!("{table} ({})", changes.join(", ")));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let message = format!("definitions changed on the source since the migration began: {}", changed.join(", "));
    let error = Error::new(Kind::Failed, message).hint("make the same change on the target, and run again");
    Err(match repeat.as_slice() {
        [] => error,
        some => error.hint(format!(
            "target database {}, where it has the table: {}",
            Ident::new(client.database()),
            Sql::join(some, "; ")
        )),
    })
}

fn number<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|cause| Error::new(Kind::Failed, "read the definition of a column").caused_by(cause))
}

/// Columns that have another type than before.
fn retyped<'a>(before: &[SeenColumn], now: &'a [Column]) -> impl Iterator<Item = &'a Column> {
    let before: BTreeMap<_, _> = before.iter().map(|column| (&column.name, column)).collect();
    let is_other = move |column: &&Column| before.get(&column.seen.name).is_some_and(|before| **before != column.seen);
    now.iter().filter(is_other).collect::<Vec<_>>().into_iter()
}

/// What is different, in words.
fn changes(before: &[SeenColumn], now: &[Column]) -> Vec<String> {
    let gone = before.iter().filter(|column| !now.iter().any(|it| it.seen.name == column.name));
    let new = now.iter().filter(|column| !before.iter().any(|it| it.name == column.seen.name));
    let mut changes: Vec<String> = gone.map(|column| format!("column {} is gone", column.name.readable())).collect();
    changes.extend(new.map(|column| format!("column {} is new", column.seen.name.readable())));
    changes.extend(
        retyped(before, now)
            .map(|column| format!("column {} is now of type {}", column.seen.name.readable(), column.type_name)),
    );
    if changes.is_empty() && !before.iter().eq(now.iter().map(|column| &column.seen)) {
        changes.push("its columns are others".to_owned());
    }
    changes
}

/// Ordinary tables with the columns that can be loaded; sequences, but for unlogged ones on a standby, and materialized views.
/// What has no columns here has one line.
const RELATIONS: &str = "
select n.nspname, c.relname, c.relkind, a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a on c.relkind = 'r' and a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     and a.attgenerated = ''
where c.relkind in ('r', 'S', 'm') and c.oid >= 16384
  and (c.relpersistence = 'p' or c.relpersistence = 'u' and (c.relkind = 'r' or not pg_catalog.pg_is_in_recovery()))
  and n.nspname <> '_pg_migrate' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 1, 2, a.attnum";

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, type_id: u32) -> SeenColumn {
        SeenColumn { name: Ident::new(name), type_id, type_modifier: -1 }
    }

    fn now(name: &str, type_id: u32) -> Column {
        Column { seen: seen(name, type_id), type_name: format!("type {type_id}") }
    }

    #[test]
    fn every_change_of_a_table_is_named() {
        let before = [seen("id", 23), seen("Old", 25), seen("n", 23)];
        assert!(changes(&before, &[now("id", 23), now("Old", 25), now("n", 23)]).is_empty());
        assert_eq!(
            changes(&before, &[now("id", 23), now("n", 20), now("new", 25)]),
            ["column \"Old\" is gone", "column new is new", "column n is now of type type 20"]
        );
        assert_eq!(changes(&before[..2], &[now("Old", 25), now("id", 23)]), ["its columns are others"]);
    }
}
