//! Statistics: without them every query after the cut-over reads whole tables.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use super::Context;
use crate::error::Error;
use crate::plan::Content;
use crate::sql;
use crate::sql::QualifiedName;

/// Runs ANALYZE on every table that was loaded, `jobs` at a time, then on partitioned tables, which autovacuum leaves out.
pub(super) async fn analyze(context: &Context, database: &str, content: &Content, jobs: usize) -> Result<(), Error> {
    let tables: Vec<&QualifiedName> =
        content.tables.iter().map(|table| &table.name).chain(&content.partition_roots).collect();
    let next = AtomicUsize::new(0);
    let worker = async || {
        let mut client = None;
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            let client = match &client {
                Some(client) => client,
                None => client.insert(context.target.connect(database).await?),
            };
            client.run(format!("analyze {table}"), sql!("analyze {}", *table)).await?;
        }
        Ok::<_, Error>(())
    };
    try_join_all((0..jobs.min(tables.len())).map(|_| worker())).await?;
    Ok(())
}
