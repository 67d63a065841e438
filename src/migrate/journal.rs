//! What a target database knows of a migration that has not ended: schema `_pg_migrate`.
//!
//! `migration` holds one line, `copied` one for each table whose rows are committed, written in the same transaction. A run
//! that finds them knows what an earlier one did; the finish drops them.

use crate::facts::JournalOrigin;
use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::names::JOURNAL_SCHEMA;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// A table of the journal.
pub(super) fn table(name: &'static str) -> QualifiedName {
    QualifiedName::new(JOURNAL_SCHEMA, name)
}

/// Begins a journal, replacing that of an earlier run.
pub(super) async fn begin(client: &Client, migration: &str, origin: JournalOrigin) -> Result<(), PgError> {
    let origin = match origin {
        JournalOrigin::Created => "created",
        JournalOrigin::Empty => "empty",
        JournalOrigin::Filled => "filled",
    };
    let schema = Ident::new(JOURNAL_SCHEMA);
    let create = sql!(
        "begin; \
         drop schema if exists {} cascade; \
         create schema {}; \
         comment on schema {} is {}; \
         create table {} (migration text not null, origin text not null, replicating bool not null, format int not null); \
         create table {} (schema_name text not null, table_name text not null, rows int8 not null, bytes int8 not null, \
                          committed timestamptz not null default pg_catalog.now()); \
         insert into {} values ({}, {}, false, 1); \
         commit",
        schema,
        schema,
        schema,
        Literal::new("Journal of a migration by pg_migrate; dropped when it is complete"),
        table("migration"),
        table("copied"),
        table("migration"),
        Literal::new(migration),
        Literal::new(origin)
    );
    client.run("begin the journal", create).await
}

/// Records a table's rows; to be run in the transaction that wrote them.
pub(super) fn copied(name: &QualifiedName, rows: u64, bytes: u64) -> Sql {
    sql!(
        "insert into {} (schema_name, table_name, rows, bytes) values ({}, {}, {}, {})",
        table("copied"),
        Literal::new(name.schema.as_str()),
        Literal::new(name.name.as_str()),
        rows,
        bytes
    )
}

/// Records that the data is complete and replication keeps it so.
pub(super) async fn replicating(client: &Client) -> Result<(), PgError> {
    client.run("record that replication runs", sql!("update {} set replicating = true", table("migration"))).await
}

/// Drops the journal: the migration is complete.
pub(super) async fn end(client: &Client) -> Result<(), PgError> {
    client.run("drop the journal", drop_statement()).await
}

/// Drops a journal, if there is one.
pub(super) fn drop_statement() -> Sql {
    sql!("drop schema if exists {} cascade", Ident::new(JOURNAL_SCHEMA))
}
