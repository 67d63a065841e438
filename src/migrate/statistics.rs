//! The source's statistics, where archive and target know them: no table has to be read on the target for them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::Context;
use super::schema::Archive;
use crate::error::Error;
use crate::logger;
use crate::pg::Client;
use crate::plan::{Creation, Migration};
use crate::sql::{QualifiedName, Sql};
use crate::tools::RelationStatistics;

/// What became of statistics.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Tables that have those of the source, as have their indexes.
    pub(super) tables: BTreeSet<QualifiedName>,
    /// What could not be carried, and why.
    pub(super) notices: Vec<String>,
}

/// Carries the statistics of what was loaded; materialized views are analyzed whenever they are filled. What is not among the returned tables has to be
/// analyzed: tables whose rows were spread anew over partitions or came to others that were there, those with extended
/// statistics, which no archive has, and those about which the source itself knows nothing.
pub(super) async fn carry(context: &Context, archive: &Archive, migration: &Migration) -> Result<Carried, Error> {
    let mut carried = Carried::default();
    if !context.statistics || matches!(migration.creation, Creation::UseFilled) {
        return Ok(carried);
    }
    let client = context.target.connect(archive.database()).await?;
    client.commit_without_waiting().await?;
    let tables = tables_by_relation(&client, migration).await?;
    let mut known = BTreeSet::new();
    let mut failed = BTreeSet::new();
    for entry in archive.statistics(context).await?.relations() {
        context.check()?;
        let entry = entry?;
        let Some(table) = tables.get(&entry.relation).filter(|table| !failed.contains(*table)) else { continue };
        if entry.relation == *table && entry.describes_columns() {
            known.insert(table.clone());
        }
        if let Some(reason) = restore(&client, &entry).await? {
            carried.notices.push(format!(
                "table {table} is analyzed: the target does not take the source's statistics of {}: {reason}",
                entry.relation
            ));
            failed.insert(table.clone());
        }
    }
    context.target.keep(client);
    carried.tables = &known - &failed;
    let count = carried.tables.len();
    tracing::debug!(target: logger::TARGET, "{}: carried statistics of {count} relations", logger::database(archive.database()));
    Ok(carried)
}

/// The relations whose statistics are carried, each with the table that has to be analyzed where this fails: itself, or for
/// an index its own.
async fn tables_by_relation(
    client: &Client,
    migration: &Migration,
) -> Result<BTreeMap<QualifiedName, QualifiedName>, Error> {
    let content = &migration.content;
    let loaded = content.tables.iter().filter(|table| !table.partitioned && !table.configuration);
    let mut wanted: BTreeSet<&QualifiedName> = loaded.map(|table| &table.name).collect();
    wanted.extend(&content.partition_roots);
    for spread in content.tables.iter().filter(|table| table.partitioned) {
        wanted.remove(&spread.name);
    }
    for (table, _) in relations(client, "find extended statistics", EXTENDED).await? {
        wanted.remove(&table);
    }
    let indexes = relations(client, "find indexes", INDEXES).await?.into_iter();
    let mut tables: BTreeMap<_, _> =
        indexes.filter(|(table, _)| wanted.contains(table)).map(|(table, index)| (index, table)).collect();
    tables.extend(wanted.into_iter().map(|table| (table.clone(), table.clone())));
    Ok(tables)
}

/// Tables with extended statistics.
const EXTENDED: &str = "select n.nspname, c.relname, s.stxname from pg_catalog.pg_statistic_ext s \
     join pg_catalog.pg_class c on c.oid = s.stxrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace";

/// Tables with their indexes, which live in the same schema.
const INDEXES: &str = "select n.nspname, c.relname, x.relname from pg_catalog.pg_index i \
     join pg_catalog.pg_class c on c.oid = i.indrelid join pg_catalog.pg_class x on x.oid = i.indexrelid \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname <> 'pg_catalog'";

/// Pairs of names in one schema.
async fn relations(
    client: &Client,
    doing: &str,
    query: &'static str,
) -> Result<Vec<(QualifiedName, QualifiedName)>, Error> {
    let rows = client.simple(doing, query).await?;
    let pair = |row: Vec<Option<String>>| match row.as_slice() {
        [Some(schema), Some(table), Some(other)] => {
            Some((QualifiedName::new(schema, table), QualifiedName::new(schema, other)))
        }
        _ => None,
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// Sends one entry in one round trip, and returns what kept it from having its whole effect. The statements hold values of rows:
/// they are not logged.
async fn restore(client: &Client, entry: &RelationStatistics) -> Result<Option<String>, Error> {
    let doing = format!("carry the statistics of {}", entry.relation);
    let send = |statement| client.query(&*doing, Sql::from_archive(statement), &[]);
    for answer in join_all(entry.statements.iter().map(send)).await {
        match answer {
            Ok(rows) => {
                for row in &rows {
                    if !client.get::<bool>(row, 0)? {
                        return Ok(Some("it does not understand them all".to_owned()));
                    }
                }
            }
            Err(error) if error.is_refusal() => return Ok(Some(error.words())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
