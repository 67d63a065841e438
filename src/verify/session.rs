//! A view of one database on one side that several sessions share and that does not change: an exported snapshot.

use crate::error::{Error, Kind};
use crate::pg::{Client, Server};
use crate::sql;
use crate::sql::{Literal, Sql};

/// What keeps a reader from getting in the way. Large tables are read in parts by sessions of our own where ranges of rows can
/// be read, else by the server's parallel workers.
const SETTINGS: &str = "set lock_timeout = '60s'";

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
        tracing::debug!(target: crate::logger::MIGRATE, "{error}: {}", error.words());
    }
}

async fn open(server: &Server, database: &str, snapshot: Option<&str>) -> Result<Client, Error> {
    let client = server.connect(database).await?;
    client.run("prepare to compare", SETTINGS).await?;
    if client.version().scans_ctid_ranges() {
        client.run("prepare to compare", "set max_parallel_workers_per_gather = 0").await?;
    }
    let import = snapshot.map(|name| sql!("; set transaction snapshot {}", Literal::new(name)));
    let import = import.unwrap_or_else(|| Sql::from(""));
    client.run("use the snapshot", sql!("begin isolation level repeatable read read only{}", import)).await?;
    Ok(client)
}
