//! One run at a time for each database.
//!
//! Names of our objects do not depend on the run, so that they can be found without a record; a second run would therefore take
//! those of the first for leftovers. A lock held by a session for as long as the work lasts keeps it away, and vanishes
//! with the run, however that ends.

use super::Context;
use crate::error::{Error, Kind};
use crate::pg::{Client, PgError, Server};
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
        Self::try_take(server, database).await?.ok_or_else(|| taken(server))
    }

    /// `None` when another session has it.
    async fn try_take(server: &Server, database: &str) -> Result<Option<Self>, PgError> {
        let session = server.connect(database).await?;
        let row =
            session.one("lock the database", sql!("select pg_catalog.pg_try_advisory_lock({})", KEY), &[]).await?;
        Ok(if session.get(&row, 0)? { Some(Self { session }) } else { None })
    }

    /// Takes the lock again where the session that was it is gone, as after a restart of the server. `client` is any of our
    /// sessions in the database.
    pub(super) async fn retake(server: &Server, client: &Client) -> Result<Retaken, PgError> {
        Ok(match holder(server, client).await? {
            Holder::ThisRun => Retaken::Held,
            Holder::Another => Retaken::Lost(taken(server)),
            Holder::Nobody => match Self::try_take(server, client.database()).await? {
                Some(lock) => Retaken::Anew(lock),
                None => Retaken::Lost(taken(server)),
            },
        })
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

/// What came of taking the lock again.
pub(super) enum Retaken {
    /// A session of this run has it as before.
    Held,
    /// It was free.
    Anew(Lock),
    /// Another run has it; the error says so.
    Lost(Error),
}

fn taken(server: &Server) -> Error {
    let message = format!("another run of pg_migrate is working on this database of the {}", server.side());
    Error::new(Kind::Failed, message).hint("wait until it has ended")
}

/// Whose the lock is.
enum Holder {
    Nobody,
    ThisRun,
    Another,
}

/// Sessions tell by their name which run they are of.
async fn holder(server: &Server, client: &Client) -> Result<Holder, PgError> {
    let question = sql!(
        "select a.application_name from pg_catalog.pg_locks l \
         join pg_catalog.pg_database d on d.oid = l.database \
         join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'advisory' and l.granted and d.datname = pg_catalog.current_database() \
         and l.objsubid = 1 and (l.classid::int8 << 32) + l.objid::int8 = {}",
        KEY
    );
    let rows = client.query("see who has locked the database", question, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Holder::Nobody) };
    let name: String = client.get(row, 0)?;
    Ok(if name == server.application_name() { Holder::ThisRun } else { Holder::Another })
}

/// Whether another run has locked `database` on a side: what is there is its own.
pub(super) async fn another_has_it(context: &Context, database: &str) -> Result<bool, PgError> {
    for server in [&context.source, &context.target] {
        let client = server.connect(database).await?;
        if matches!(holder(server, &client).await?, Holder::Another) {
            return Ok(true);
        }
    }
    Ok(false)
}
