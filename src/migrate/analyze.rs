//! Statistics: without them every query after the cut-over reads whole tables.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use super::Context;
use crate::error::Error;
use crate::plan::Content;
use crate::sql;
use crate::sql::QualifiedName;

/// Runs ANALYZE on every table that was loaded, then on partitioned tables, which autovacuum leaves out: up to `jobs` at a time,
/// as far as other databases leave room. Returns what is worth knowing: a table that the server cannot analyze, such as one
/// with a foreign table below it that does not answer, is complete all the same.
pub(super) async fn analyze(
    context: &Context,
    database: &str,
    content: &Content,
    jobs: usize,
) -> Result<Vec<String>, Error> {
    let tables: Vec<&QualifiedName> =
        content.tables.iter().map(|table| &table.name).chain(&content.partition_roots).collect();
    let next = AtomicUsize::new(0);
    let worker = async || {
        let _permit = context.builds.acquire().await;
        let mut client = None;
        let mut notices = Vec::new();
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            let client = match &client {
                Some(client) => client,
                None => client.insert(context.target.connect(database).await?),
            };
            match client.run(format!("analyze {table}"), sql!("analyze {}", *table)).await {
                Err(error) if error.code().is_some() => {
                    notices.push(format!("table {table} has no new statistics: {}", error.words()));
                }
                outcome => outcome?,
            }
        }
        Ok::<_, Error>(notices)
    };
    Ok(try_join_all((0..jobs.min(tables.len())).map(|_| worker())).await?.concat())
}
