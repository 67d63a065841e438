//! The only place that connects to a server.
//!
//! A [`Server`] opens [`Client`]s: every one begins with an empty `search_path` (CVE-2025-55282: a source's owner could
//! otherwise shadow the functions we call) and with every timeout off, carries the run's `application_name`, and reports errors
//! with side, database and SQLSTATE.

mod client;
mod connect;
mod copy;
mod error;
mod inbound;
mod session;
mod startup;
mod tls;
mod unlogged;
mod unsupported;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use client::{Client, Rows};
pub use copy::{CopyIn, CopyOut, Prepared};
pub use error::{Cause, PgError};

use crate::conninfo::ConnInfo;
use crate::facts::Side;
use crate::logger;

/// How long to try where there are too many connections (53300): those that we have just closed count for another moment.
const CROWDED_LIMIT: Duration = Duration::from_secs(5);
const CROWDED_INTERVAL: Duration = Duration::from_millis(100);

/// One of the two servers, as a place to connect to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    side: Side,
    conninfo: ConnInfo,
    application_name: String,
    tls: tls::Memory,
}

impl Server {
    /// A server whose sessions are called `application_name`, the same for every session of a run and of no other run.
    pub fn new(side: Side, conninfo: ConnInfo, application_name: impl Into<String>) -> Self {
        Self(Arc::new(Inner { side, conninfo, application_name: application_name.into(), tls: tls::Memory::default() }))
    }

    /// The same server, reduced to the host that answers now.
    pub async fn pinned(&self) -> Result<Self, PgError> {
        let (_, host) = connect::connect(self, self.maintenance_database(), startup::Mode::Session).await?;
        let pinned = Self::new(self.side(), self.conninfo().with_only_host(&host), self.application_name());
        if self.tls().refused() {
            pinned.tls().refuse();
        }
        Ok(pinned)
    }

    /// Which side it is.
    pub fn side(&self) -> Side {
        self.0.side
    }

    fn tls(&self) -> &tls::Memory {
        &self.0.tls
    }

    /// How we connect to it.
    pub fn conninfo(&self) -> &ConnInfo {
        &self.0.conninfo
    }

    /// `application_name` of our sessions.
    pub fn application_name(&self) -> &str {
        &self.0.application_name
    }

    /// The database that the user named.
    pub fn maintenance_database(&self) -> &str {
        self.0.conninfo.dbname()
    }

    /// Opens a session in `database`.
    pub async fn connect(&self, database: &str) -> Result<Client, PgError> {
        let deadline = Instant::now() + CROWDED_LIMIT;
        let client = loop {
            match connect::connect(self, database, startup::Mode::Session).await {
                Ok((client, _)) => break client,
                Err(error) if error.is_crowded() && Instant::now() < deadline => {
                    tracing::debug!(target: logger::MIGRATE, "{}: trying again: {}", self.side(), error.words());
                    // The server frees the place of a session that has ended in its own time.
                    tokio::time::sleep(CROWDED_INTERVAL).await;
                }
                Err(error) => return Err(error),
            }
        };
        session::prepare(&client).await?;
        Ok(client)
    }

    /// Opens a session on which replication commands can be sent. It only understands [`Client::simple`].
    pub async fn connect_replication(&self, database: &str) -> Result<Client, PgError> {
        let (client, _) = connect::connect(self, database, startup::Mode::Replication).await?;
        session::prepare(&client).await?;
        Ok(client)
    }

    /// Ends whatever this run is still doing in `database`, pg_dump and pg_restore included: they carry its
    /// `application_name`.
    pub async fn end_sessions(&self, database: &str) -> Result<(), PgError> {
        let client = self.connect(database).await?;
        client
            .run(
                "end our sessions",
                "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
                 where application_name = pg_catalog.current_setting('application_name') \
                 and datname = pg_catalog.current_database() \
                 and usename = current_user and pid <> pg_catalog.pg_backend_pid()",
            )
            .await
    }
}
