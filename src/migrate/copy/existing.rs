//! Rows that a table of the target has before ours come.

use tokio_postgres::types::Type;

use super::super::{Context, journal};
use crate::error::{Error, Kind};
use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::{Literal, QualifiedName, Sql};

/// The condition is that of the target's own extension: the source's is never run here.
const DESCRIBE: &str = "
select c.relkind = 'p',
       (select f.condition from pg_catalog.pg_extension e, unnest(e.extconfig, e.extcondition) as f(oid, condition)
        where f.oid = c.oid)
from pg_catalog.pg_class c where c.oid = $1::text::pg_catalog.regclass";

/// The rows of a table that users may have written, as FROM takes them.
struct Rows {
    table: Sql,
    /// Of a configuration table: the WHERE clause that leaves out what its extension wrote.
    condition: Option<Sql>,
}

impl Rows {
    async fn of(target: &Client, table: &QualifiedName) -> Result<Self, PgError> {
        let name = sql::render(table);
        let row = target.one(format!("look at table {table}"), DESCRIBE, &[(&name, Type::TEXT)]).await?;
        let (partitioned, condition): (bool, Option<String>) = (target.get(&row, 0)?, target.get(&row, 1)?);
        Ok(Self {
            table: if partitioned { sql!("{}", table) } else { sql!("only {}", table) },
            condition: condition.filter(|condition| !condition.is_empty()).map(Sql::from_catalog),
        })
    }

    fn from(&self) -> Sql {
        match &self.condition {
            Some(condition) => sql!("from {} {}", self.table, condition),
            None => sql!("from {}", self.table),
        }
    }

    async fn exist(&self, target: &Client) -> Result<bool, PgError> {
        let row = target.one("look for rows", sql!("select exists (select {})", self.from()), &[]).await?;
        target.get(&row, 0)
    }
}

/// Whether `table` has rows, those that an extension wrote into its own configuration table left out.
async fn has_rows(target: &Client, table: &QualifiedName) -> Result<bool, PgError> {
    Rows::of(target, table).await?.exist(target).await
}

/// Whether `table` has rows that this migration did not bring, as far as one can tell: what it added to others' is taken for
/// others'.
pub(super) async fn has_others(target: &Client, table: &QualifiedName) -> Result<bool, PgError> {
    // In this order: a part of the table that is committed in between is in the journal when its rows were seen.
    Ok(has_rows(target, table).await? && !journal::filled(target, table).await?)
}

/// Ends in an error unless every row of `table` was brought by this migration.
pub(super) async fn must_be_ours(target: &Client, table: &QualifiedName) -> Result<(), Error> {
    if !has_others(target, table).await? {
        return Ok(());
    }
    let message = format!(
        "table {table} in database '{}' of the target has rows that this migration did not bring: they are not replaced",
        target.database()
    );
    Err(Error::new(Kind::Failed, message)
        .hint(format!("move them away, or leave the table alone with --skip-table {table}")))
}

/// Removes the rows of `tables` inside a transaction, those that an extension wrote into its own configuration table left
/// out. Nothing of other tables goes with them.
pub(in crate::migrate) async fn empty(
    context: &Context,
    target: &Client,
    tables: &[QualifiedName],
) -> Result<(), Error> {
    let mut whole = Vec::new();
    let mut partly = Vec::new();
    for table in tables {
        let rows = Rows::of(target, table).await?;
        if rows.condition.is_none() { whole.push((table, rows)) } else { partly.push((table, rows)) }
    }
    let referenced = reference(target, tables, whole.iter().map(|(table, _)| *table)).await?;
    if context.replica_role {
        target.run("keep triggers quiet", "set local session_replication_role = replica").await?;
    } else if let Some(reference) = referenced {
        let message = format!(
            "cannot empty {} in database '{}' of the target, because foreign key {reference} might delete what \
             references them",
            tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            target.database()
        );
        let hint = "drop the foreign key until the migration is complete, or let the target's user set \
                    session_replication_role";
        return Err(Error::new(Kind::Failed, message).hint(hint));
    }
    let mut deleted = partly;
    if referenced.is_some() {
        deleted.append(&mut whole);
    } else if !whole.is_empty() {
        // One statement, so that foreign keys among them do not matter; no rule acts on it.
        let list = Sql::join(whole.iter().map(|(_, rows)| &rows.table), ", ");
        target.run("empty tables", sql!("truncate {}", list)).await?;
    }
    for (table, rows) in deleted {
        let doing = format!("empty table {table}");
        target.run(&*doing, sql!("delete {}", rows.from())).await?;
        if rows.exist(target).await? {
            let message = format!("{doing}: rows are left in database '{}' of the target", target.database());
            return Err(
                Error::new(Kind::Failed, message).hint("look for a rule or trigger of the table that keeps them")
            );
        }
    }
    Ok(())
}

/// A foreign key that references one of `tables` from outside `among`.
async fn reference<'a>(
    target: &Client,
    tables: &[QualifiedName],
    among: impl Iterator<Item = &'a QualifiedName>,
) -> Result<Option<String>, PgError> {
    let literal = |table: &QualifiedName| Literal::new(sql::render(table));
    let question = sql!(
        "select pg_catalog.format('%I of table %s', conname, conrelid::pg_catalog.regclass) \
         from pg_catalog.pg_constraint \
         where contype = 'f' and confrelid = any (array[{}]::pg_catalog.regclass[]) \
         and conrelid <> all (array[{}]::pg_catalog.regclass[]) order by 1 limit 1",
        Sql::join(tables.iter().map(literal), ", "),
        Sql::join(among.map(literal), ", ")
    );
    let rows = target.query("look for foreign keys", question, &[]).await?;
    rows.first().map(|row| target.get(row, 0)).transpose()
}
