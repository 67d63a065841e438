//! Statistics: without them every query after the cut-over reads whole tables.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use super::Context;
use crate::error::Error;
use crate::pg::{Client, PgError};
use crate::plan::Content;
use crate::sql;
use crate::sql::{QualifiedName, Sql};

/// Tables that are analyzed by one statement, and their bytes: a round trip each would take longer than small ones need.
pub(super) const TOGETHER: usize = 50;
const TOGETHER_BYTES: u64 = 64 * 1024 * 1024;

/// A table to analyze.
#[derive(Clone, Copy)]
pub(super) struct Unknown<'a> {
    table: &'a QualifiedName,
    bytes: u64,
    /// Whether its partitions are tables of their own.
    root: bool,
}

impl<'a> Unknown<'a> {
    /// A table that is not partitioned.
    pub(super) fn table(table: &'a QualifiedName) -> Self {
        Self { table, bytes: 0, root: false }
    }
}

/// Every table that was loaded but `known` ones, then partitioned tables, which autovacuum leaves out.
pub(super) fn without<'a>(content: &'a Content, known: &BTreeSet<QualifiedName>) -> Vec<Unknown<'a>> {
    let loaded = content.tables.iter().map(|table| Unknown { table: &table.name, bytes: table.bytes, root: false });
    let roots = content.partition_roots.iter().map(|table| Unknown { table, bytes: 0, root: true });
    loaded.chain(roots).filter(|unknown| !known.contains(unknown.table)).collect()
}

/// Runs ANALYZE on `tables`: up to `jobs` at a time,
/// as far as other databases leave room. Returns what is worth knowing: a table that the server cannot analyze, such as one
/// with a foreign table below it that does not answer, is complete all the same.
pub(super) async fn analyze(
    context: &Context,
    database: &str,
    tables: &[Unknown<'_>],
    jobs: usize,
) -> Result<Vec<String>, Error> {
    let groups = divide(tables);
    let next = AtomicUsize::new(0);
    let worker = async || {
        let mut client = None;
        let mut notices = Vec::new();
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let _permit = context.builds.acquire().await;
            context.check()?;
            let client = match &client {
                Some(client) => client,
                None => client.insert(connect(context, database).await?),
            };
            notices.extend(all_of(client, group).await?);
        }
        if let Some(client) = client {
            context.target.keep(client);
        }
        Ok::<_, Error>(notices)
    };
    Ok(try_join_all((0..jobs.min(groups.len())).map(|_| worker())).await?.concat())
}

/// Analyzes `group`. Returns what is worth knowing.
pub(super) async fn all_of(client: &Client, group: &[Unknown<'_>]) -> Result<Vec<String>, PgError> {
    let mut notices = Vec::new();
    if run(client, group).await?.is_none() {
        return Ok(notices);
    }
    for table in group {
        if let Some(refusal) = run(client, std::slice::from_ref(table)).await? {
            notices.push(format!("table {} has no new statistics: {refusal}", table.table));
        }
    }
    Ok(notices)
}

/// Each table's statistics are a transaction of their own, and nothing depends on when they are on disk.
async fn connect(context: &Context, database: &str) -> Result<Client, PgError> {
    let client = context.target.connect(database).await?;
    client.commit_without_waiting().await?;
    Ok(client)
}

/// Groups of like tables, in their order.
fn divide<'a, 't>(tables: &'a [Unknown<'t>]) -> Vec<&'a [Unknown<'t>]> {
    let mut groups = Vec::new();
    for mut like in tables.chunk_by(|one, other| one.root == other.root) {
        while !like.is_empty() {
            let (group, rest) = like.split_at(together(like.iter().map(|table| table.bytes)));
            groups.push(group);
            like = rest;
        }
    }
    groups
}

/// How many of some tables, of so many bytes each, are analyzed by one statement: at least one, if there is one.
pub(super) fn together(bytes: impl IntoIterator<Item = u64>) -> usize {
    let mut sum = 0;
    let fits = bytes.into_iter().take(TOGETHER).enumerate().take_while(|&(at, bytes)| {
        sum += bytes;
        at == 0 || sum <= TOGETHER_BYTES
    });
    fits.count()
}

/// What the server said, if it refused.
async fn run(client: &Client, group: &[Unknown<'_>]) -> Result<Option<String>, PgError> {
    let [first, rest @ ..] = group else { return Ok(None) };
    let doing = if rest.is_empty() { format!("analyze {}", first.table) } else { "analyze tables".to_owned() };
    // Partitions have their statistics already.
    let only = if first.root && client.version().analyzes_roots_alone() { "only " } else { "" };
    let names = Sql::join(group.iter().map(|table| sql!("{}{}", only, table.table)), ", ");
    let refusal = client.try_run(doing, sql!("analyze {}", names)).await?;
    Ok(refusal.map(|error| error.words()))
}
