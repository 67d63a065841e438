//! Statistics: without them every query after the cut-over reads whole tables.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use super::Context;
use crate::error::Error;
use crate::plan::Content;
use crate::sql;
use crate::sql::QualifiedName;

/// A table to analyze.
pub(super) struct Unknown<'a> {
    table: &'a QualifiedName,
    /// Whether its partitions are tables of their own.
    root: bool,
}

/// Every table that was loaded but `known` ones, then partitioned tables, which autovacuum leaves out.
pub(super) fn without<'a>(content: &'a Content, known: &BTreeSet<QualifiedName>) -> Vec<Unknown<'a>> {
    let loaded = content.tables.iter().map(|table| Unknown { table: &table.name, root: false });
    let roots = content.partition_roots.iter().map(|table| Unknown { table, root: true });
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
    let next = AtomicUsize::new(0);
    let worker = async || {
        let _permit = context.builds.acquire().await;
        let mut client = None;
        let mut notices = Vec::new();
        while let Some(&Unknown { table, root }) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            let client = match &client {
                Some(client) => client,
                None => client.insert(context.target.connect(database).await?),
            };
            // Its partitions have their statistics already.
            let only = if root && client.version().analyzes_roots_alone() { "only " } else { "" };
            match client.run(format!("analyze {table}"), sql!("analyze {}{}", only, table)).await {
                Err(error) if error.is_refusal() => {
                    notices.push(format!("table {table} has no new statistics: {}", error.words()));
                }
                outcome => outcome?,
            }
        }
        Ok::<_, Error>(notices)
    };
    Ok(try_join_all((0..jobs.min(tables.len())).map(|_| worker())).await?.concat())
}
