//! A view of one database on one side that several sessions share and that does not change: an exported snapshot.

use crate::error::{Error, Kind};
use crate::logger;
use crate::pg::{Client, Server};
use crate::plan::comparison::Relation;
use crate::sql;
use crate::sql::{Literal, Sql};

/// How long a reader waits for a table that somebody changes.
const LOCK_TIMEOUT: &str = "60s";

/// The same where it can do without.
const SHORT_LOCK_TIMEOUT: &str = "5s";

/// One database on one side, as it was at one moment. Dropping it lets the moment go.
pub(super) struct Snapshot<'a> {
    server: &'a Server,
    holder: Client,
    name: String,
}

impl<'a> Snapshot<'a> {
    /// What is committed now.
    pub(super) async fn take(server: &'a Server, database: &str) -> Result<Self, Error> {
        let holder = open(server, database, None).await?;
        let rows = holder.simple("export the snapshot", "select pg_catalog.pg_export_snapshot()").await?;
        match rows.into_iter().flatten().flatten().next() {
            Some(name) => Ok(Self { server, holder, name }),
            None => Err(Error::new(Kind::Failed, "the server exported a snapshot without a name")),
        }
    }

    /// The session that holds it, for questions that cannot fail: a failure ends the snapshot.
    pub(super) fn holder(&self) -> &Client {
        &self.holder
    }

    /// Keeps the rows of `relations` where they are until the snapshot ends, as long as that is possible at once or soon: VACUUM FULL
    /// and CLUSTER wait meanwhile. Returns which of them it keeps. Those that somebody else rewrites just now are not among them.
    pub(super) async fn keep_rows(&self, relations: &[&Relation]) -> Result<Vec<bool>, Error> {
        let mut kept = Vec::new();
        for relation in relations {
            // LOCK TABLE does not take materialized views; whoever reads has the same lock.
            let read = sql!(
                "set local lock_timeout = {}; select from {} limit 0; set local lock_timeout = {}",
                Literal::new(SHORT_LOCK_TIMEOUT),
                relation.name,
                Literal::new(LOCK_TIMEOUT)
            );
            let refusal = self.holder.try_in_transaction("keep others from rewriting a table", &read).await?;
            if let Some(error) = &refusal {
                let database = logger::database(self.holder.database());
                tracing::debug!(target: logger::MIGRATE, "{database}: {} is read in one piece: {}", relation.name, error.words());
            }
            kept.push(refusal.is_none());
        }
        Ok(kept)
    }

    /// Ends it. Everything has been read: a session that broke while it was idle has ended it already.
    pub(super) async fn release(self) {
        end(&self.holder).await;
    }

    /// Another session that sees the same.
    pub(super) async fn session(&self) -> Result<Client, Error> {
        open(self.server, self.holder.database(), Some(&self.name)).await
    }
}

/// Ends the transaction of a session of a snapshot, lest the server's log complains.
pub(super) async fn end(client: &Client) {
    if let Err(error) = client.run("end the snapshot", "commit").await {
        tracing::debug!(target: logger::MIGRATE, "{error}: {}", error.words());
    }
}

async fn open(server: &Server, database: &str, snapshot: Option<&str>) -> Result<Client, Error> {
    let client = server.connect(database).await?;
    client.run("prepare to compare", sql!("set lock_timeout = {}", Literal::new(LOCK_TIMEOUT))).await?;
    // Large tables are read in parts by sessions of our own where ranges of rows can be read, else by the server's parallel workers.
    if client.version().scans_ctid_ranges() {
        client.run("prepare to compare", "set max_parallel_workers_per_gather = 0").await?;
    }
    let import = snapshot.map(|name| sql!("; set transaction snapshot {}", Literal::new(name)));
    let import = import.unwrap_or_else(|| Sql::from(""));
    client.run("use the snapshot", sql!("begin isolation level repeatable read read only{}", import)).await?;
    Ok(client)
}
