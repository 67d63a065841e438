//! One run at a time for each database.
//!
//! Names of our objects do not depend on the run, so that they can be found without a record; a second run would therefore take
//! those of the first for leftovers. A lock held by a session for as long as the work lasts keeps it away, and vanishes
//! with the run, however that ends.

use super::Context;
use crate::error::{Error, Kind};
use crate::pg::{Client, Server};
use crate::sql;

/// "pg_migra" as a number. Advisory locks belong to a database, so that one key serves all.
const KEY: i64 = 0x7067_5f6d_6967_7261;

/// Holds off other runs until it is dropped.
pub(super) struct Lock {
    session: Client,
}

impl Lock {
    /// Takes the lock of `database`; an error when another run has it.
    pub(super) async fn take(server: &Server, database: &str) -> Result<Self, Error> {
        let session = server.connect(database).await?;
        let row =
            session.one("lock the database", sql!("select pg_catalog.pg_try_advisory_lock({})", KEY), &[]).await?;
        if session.get(&row, 0)? {
            return Ok(Self { session });
        }
        let message = format!("another run of pg_migrate is working on this database of the {}", server.side());
        Err(Error::new(Kind::Failed, message).hint("wait until it has ended"))
    }

    /// The session that is the lock, for questions in between.
    pub(super) fn session(&self) -> &Client {
        &self.session
    }

    /// Takes those of a database that is there on both sides.
    pub(super) async fn take_both(context: &Context, database: &str) -> Result<(Self, Self), Error> {
        tokio::try_join!(Self::take(&context.source, database), Self::take(&context.target, database))
    }
}
