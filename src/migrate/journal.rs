//! What a target database knows of a migration that has not ended: schema `_pg_migrate`.
//!
//! `migration` holds one line, `copied` one for each table, or part of a table, whose rows are committed, written in the same
//! transaction. A run that finds them knows whose rows a table has, though not that it has all; the finish drops them. `lent`
//! holds one for each privilege that somebody has only while objects are restored.

use crate::error::{Error, Kind};
use crate::facts::{JournalOrigin, Moment};
use crate::pg::{Client, PgError};
use crate::plan::EarlierRun;
use crate::sql;
use crate::sql::names::JOURNAL_SCHEMA;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// Who was given CREATE on which schema for now.
pub(super) const LENT: &str = "lent";

/// A table of the journal.
pub(super) fn table(name: &'static str) -> QualifiedName {
    QualifiedName::new(JOURNAL_SCHEMA, name)
}

/// Begins a journal, replacing that of an earlier run.
pub(super) async fn begin(client: &Client, migration: &str, origin: JournalOrigin) -> Result<(), PgError> {
    // An earlier run's stay until the source's replace them. A database that was created just now has none.
    let large_objects = origin != JournalOrigin::Created && has_large_objects(client).await?;
    let origin = match origin {
        JournalOrigin::Created => "created",
        JournalOrigin::Empty => "empty",
        JournalOrigin::Filled => "filled",
    };
    let schema = Ident::new(JOURNAL_SCHEMA);
    let begun = match origin {
        "created" => sql!("alter database {} connection limit -1; ", Ident::new(client.database())),
        _ => Sql::from(""),
    };
    // Of type name where that is long enough: for text the server makes two more relations for a table, and drops them.
    let create = sql!(
        "begin; \
         drop schema if exists {} cascade; \
         create schema {}; \
         comment on schema {} is {}; \
         create table {} (migration name not null, origin name not null, complete bool not null, \
                          large_objects bool not null, format int not null, \
                          system_identifier int8, moment text, transactions text); \
         create table {} (schema_name name not null, table_name name not null, rows int8 not null, bytes int8 not null, \
                          appended bool not null, \
                          committed timestamptz not null default pg_catalog.now()); \
         create table {} (schema_name name not null, role_name name not null); \
         insert into {} values ({}, {}, false, {}, 1); \
         {}commit",
        schema,
        schema,
        schema,
        Literal::new("Journal of a migration by pg_migrate; dropped when it is complete"),
        table("migration"),
        table("copied"),
        table(LENT),
        table("migration"),
        Literal::new(migration),
        Literal::new(origin),
        if large_objects { "true" } else { "false" },
        begun
    );
    client.run("begin the journal", create).await
}

async fn is_there(client: &Client) -> Result<bool, PgError> {
    let there = "select pg_catalog.to_regclass('_pg_migrate.migration') is not null";
    let row = client.one("look for a journal", there, &[]).await?;
    client.get(&row, 0)
}

/// The run whose journal is there.
pub(super) async fn run(client: &Client) -> Result<Option<EarlierRun>, PgError> {
    if !is_there(client).await? {
        return Ok(None);
    }
    let question = sql!("select migration, complete from {}", table("migration"));
    let rows = client.query("read the journal", question, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(EarlierRun { migration: client.get(row, 0)?, complete: client.get(row, 1)? }))
}

/// Whether large objects of the target are this migration's.
pub(super) async fn has_large_objects(client: &Client) -> Result<bool, PgError> {
    if !is_there(client).await? {
        return Ok(false);
    }
    let question = sql!("select coalesce(pg_catalog.bool_or(large_objects), false) from {}", table("migration"));
    let row = client.one("read the journal", question, &[]).await?;
    client.get(&row, 0)
}

/// Records that large objects of the target are this migration's, and may be replaced. An error when others are there.
pub(super) async fn own_large_objects(client: &Client) -> Result<(), Error> {
    if has_large_objects(client).await? {
        return Ok(());
    }
    let question = "select exists (select from pg_catalog.pg_largeobject_metadata)";
    let row = client.one("look for large objects", question, &[]).await?;
    if client.get(&row, 0)? {
        let message = format!(
            "database '{}' of the target has large objects that this migration did not bring: they are not replaced",
            client.database()
        );
        let hint = "remove them with lo_unlink, or move them to another database";
        return Err(Error::new(Kind::Failed, message).hint(hint));
    }
    let update = sql!("update {} set large_objects = true", table("migration"));
    Ok(client.run("record that large objects are copied", update).await?)
}

/// Rows of a table that were written.
pub(super) struct Line<'a> {
    pub(super) table: &'a QualifiedName,
    pub(super) rows: u64,
    /// Of COPY data.
    pub(super) bytes: u64,
    /// Whether the table had other rows before.
    pub(super) appended: bool,
}

/// Records rows, to be run in the transaction that wrote them. There has to be at least one line.
pub(super) fn copied<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> Sql {
    let values = lines.into_iter().map(|line| {
        sql!(
            "({}, {}, {}, {}, {})",
            Literal::new(line.table.schema.as_str()),
            Literal::new(line.table.name.as_str()),
            line.rows,
            line.bytes,
            if line.appended { "true" } else { "false" }
        )
    });
    sql!(
        "insert into {} (schema_name, table_name, rows, bytes, appended) values {}",
        table("copied"),
        Sql::join(values, ", ")
    )
}

/// Whether this migration filled a table that was empty, or began to.
pub(super) async fn filled(client: &Client, name: &QualifiedName) -> Result<bool, PgError> {
    let question = sql!(
        "select coalesce(pg_catalog.bool_and(not appended), false) from {} where schema_name = {} and table_name = {}",
        table("copied"),
        Literal::new(name.schema.as_str()),
        Literal::new(name.name.as_str())
    );
    let row = client.one("read the journal", question, &[]).await?;
    client.get(&row, 0)
}

/// Records that `role` has CREATE on `schema` for now, to be run in the transaction that grants it.
pub(super) fn lent(schema: &str, role: &str) -> Sql {
    sql!("insert into {} values ({}, {})", table(LENT), Literal::new(schema), Literal::new(role))
}

/// Forgets that, to be run in the transaction that revokes it.
pub(super) fn given_back(schema: &str, role: &str) -> Sql {
    let (schema, role) = (Literal::new(schema), Literal::new(role));
    sql!("delete from {} where (schema_name, role_name) = ({}, {})", table(LENT), schema, role)
}

/// Schemas and roles of what is lent, as far as they are still there.
pub(super) async fn all_lent(client: &Client) -> Result<Vec<(String, String)>, PgError> {
    // A journal by an earlier version of this program has no such table.
    let there = "select pg_catalog.to_regclass('_pg_migrate.lent') is not null";
    let row = client.one("look for a journal", there, &[]).await?;
    if !client.get::<bool>(&row, 0)? {
        return Ok(Vec::new());
    }
    let question = sql!(
        "select l.schema_name, l.role_name from {} l \
         join pg_catalog.pg_namespace n on n.nspname = l.schema_name \
         join pg_catalog.pg_roles r on r.rolname = l.role_name",
        table(LENT)
    );
    let rows = client.query("read the journal", question, &[]).await?;
    rows.iter().map(|row| Ok((client.get(row, 0)?, client.get(row, 1)?))).collect()
}

/// Records that every row, index and constraint is there: from now on nothing may begin again by itself.
pub(super) async fn complete(client: &Client) -> Result<(), PgError> {
    let update = sql!("update {} set complete = true", table("migration"));
    client.run("record that the data is complete", durably(&update)).await
}

/// The same for rows that a dump has brought, as they were on the source at `moment`: a later run may go on from there.
pub(super) async fn complete_as_of(client: &Client, moment: &Moment) -> Result<(), PgError> {
    let update = sql!(
        "update {} set complete = true, system_identifier = {}, moment = {}, transactions = {}",
        table("migration"),
        moment.system_identifier,
        Literal::new(&moment.time),
        Literal::new(&moment.transactions)
    );
    client.run("record that the data is complete", durably(&update)).await
}

/// Drops the journal: the migration is complete.
pub(super) async fn end(client: &Client) -> Result<(), PgError> {
    client.run("drop the journal", durably(&drop_statement())).await
}

/// `statement` in a transaction that is on disk when it has ended, whatever the user's default is. Workers commit rows without
/// waiting for that; but WAL is one sequence for the whole cluster, so that everything committed before is on disk then, too.
/// What replicates needs no such care: a subscription confirms to its slot only what is on disk.
fn durably(statement: &Sql) -> Sql {
    sql!("begin; set local synchronous_commit = on; {}; commit", statement)
}

/// The same for what was committed without such a statement after it.
pub(super) async fn flush(client: &Client) -> Result<(), PgError> {
    let write = Sql::from("select pg_catalog.pg_logical_emit_message(true, 'pg_migrate', '')");
    client.run("wait until everything is on disk", durably(&write)).await
}

/// Drops a journal, if there is one.
pub(super) fn drop_statement() -> Sql {
    sql!("drop schema if exists {} cascade", Ident::new(JOURNAL_SCHEMA))
}
