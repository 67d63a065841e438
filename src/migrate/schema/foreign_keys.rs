//! Foreign keys that could not follow their tables: added at once, checked in parallel.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use futures_util::future::try_join_all;

use super::definition::ForeignKey;
use super::{Archive, SMALL, batches};
use crate::error::Error;
use crate::logger;
use crate::migrate::Context;
use crate::pg::Client;
use crate::plan::Content;
use crate::sql::{QualifiedName, Sql};
use crate::tools::Entry;

/// Foreign keys of one table: the server checks one after the other.
type OfTable<'a> = Vec<(&'a Entry, ForeignKey)>;

/// Restores those of `entries` that are foreign keys of large tables. Returns what is left to do, in its order; what the target
/// refuses is among it, and not half there.
pub(super) async fn restore<'a>(
    context: &Context,
    archive: &Archive,
    content: &Content,
    jobs: usize,
    entries: Vec<&'a Entry>,
) -> Result<Vec<&'a Entry>, Error> {
    let bytes: HashMap<_, _> = content.tables.iter().map(|table| (&table.name, table.bytes)).collect();
    let mut tables: BTreeMap<(u64, QualifiedName), OfTable<'_>> = BTreeMap::new();
    let keys = entries.iter().copied().filter(|entry| entry.is_foreign_key());
    for (entry, piece) in keys.filter_map(|entry| Some((entry, archive.piece(entry)?))) {
        let Some(key) = archive.definition(piece)?.as_deref().and_then(ForeignKey::read) else { continue };
        let bytes = bytes.get(&key.table).copied().unwrap_or_default();
        // To check a key that references a partitioned table afterwards leaves its parts unchecked, up to 17.
        if bytes >= SMALL && !content.partition_roots.contains(&key.references) {
            tables.entry((bytes, key.table.clone())).or_default().push((entry, key));
        }
    }
    if tables.is_empty() {
        return Ok(entries);
    }
    // None of the rows are looked at yet: each takes a moment, but locks two tables, in an order of its own.
    let client = archive.session(context).await?;
    for table in tables.values_mut() {
        let mut added = Vec::new();
        for (entry, key) in table.drain(..) {
            if add(&client, &key).await? {
                added.push((entry, key));
            }
        }
        *table = added;
    }
    let workers = jobs.clamp(1, tables.len());
    // The largest is taken first, from the end.
    let waiting = Mutex::new(tables.into_values().collect::<Vec<_>>());
    let take = || waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
    let work = async || {
        let client = batches::open_large(context, archive.database()).await?;
        let mut done = Vec::new();
        while let Some(table) = take() {
            let _permit = context.builds.acquire().await;
            context.check()?;
            for (entry, key) in table {
                if validate(&client, &key).await? {
                    archive.narrate(context, &[entry]);
                    done.push(entry.dump_id);
                }
            }
        }
        context.target.keep(client);
        Ok::<_, Error>(done)
    };
    let done = try_join_all((0..workers).map(|_| work())).await?.concat();
    Ok(entries.into_iter().filter(|entry| !done.contains(&entry.dump_id)).collect())
}

/// Adds `key` without looking at rows; `false`: the target refuses.
pub(super) async fn add(client: &Client, key: &ForeignKey) -> Result<bool, Error> {
    run(client, key, key.add.clone()).await
}

/// Looks at the rows of `key`. Where the target refuses them, it is gone, and the answer is `false`.
pub(super) async fn validate(client: &Client, key: &ForeignKey) -> Result<bool, Error> {
    let valid = run(client, key, key.validate.clone()).await?;
    if !valid {
        client.run(format!("drop a foreign key of {}", key.table), key.drop.clone()).await?;
    }
    Ok(valid)
}

async fn run(client: &Client, key: &ForeignKey, sql: Sql) -> Result<bool, Error> {
    let refusal = client.try_run(format!("restore a foreign key of {}", key.table), sql).await?;
    if let Some(error) = &refusal {
        let database = logger::database(client.database());
        tracing::debug!(target: logger::MIGRATE, "{database}: a foreign key of {}: {}", key.table, error.words());
    }
    Ok(refusal.is_none())
}
