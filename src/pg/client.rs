//! One session.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage};

use super::PgError;
use super::inbound::Errors;
use crate::facts::{ServerVersion, Side};
use crate::logger;
use crate::sql;
use crate::sql::Sql;

/// Rows of the simple protocol: every value as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// Sends a cancel request over a connection of its own.
pub(super) type Cancel = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A session in one database of one server. Dropping it ends it.
pub struct Client {
    pub(super) inner: tokio_postgres::Client,
    pub(super) side: Side,
    pub(super) database: String,
    pub(super) endpoint: String,
    pub(super) version: ServerVersion,
    pub(super) cancel: Cancel,
    /// Those that the server has reported.
    pub(super) errors: Errors,
}

impl Client {
    /// Which server.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where it is connected: `host:port` or a socket's path.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Whether the session is known to have ended.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Asks for rows, in one round trip. `doing` says what for, in errors.
    pub async fn query(
        &self,
        doing: impl Into<String>,
        sql: impl Into<Sql>,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, PgError> {
        let sql = sql.into();
        self.inner.query_typed(sql.text(), parameters).await.map_err(|error| self.error(doing, error))
    }

    /// The same, row by row as they come, so that an answer of any length takes no memory.
    pub async fn stream(
        &self,
        doing: impl Into<String>,
        sql: impl Into<Sql>,
    ) -> Result<BoxStream<'_, Result<Row, PgError>>, PgError> {
        let (doing, sql) = (doing.into(), sql.into());
        let none = std::iter::empty::<(&(dyn ToSql + Sync), Type)>();
        match self.inner.query_typed_raw(sql.text(), none).await {
            Ok(rows) => Ok(rows.map_err(move |error| self.error(doing.as_str(), error)).boxed()),
            Err(error) => Err(self.error(doing, error)),
        }
    }

    /// Lets commits not wait for the disk: for what can be made again, or is put on disk by a later commit.
    pub async fn commit_without_waiting(&self) -> Result<(), PgError> {
        self.run("make commits quick", "set synchronous_commit = off").await
    }

    /// Keeps what this session runs out of the server's log and statistics, as far as our user may: for statements that carry
    /// a password.
    pub async fn keep_out_of_log(&self) -> Result<(), PgError> {
        for setting in [
            "set log_statement = 'none'",
            "set log_min_error_statement = 'panic'",
            "set log_min_duration_statement = -1",
            "set log_transaction_sample_rate = 0",
            "set pg_stat_statements.track_utility = off",
            // 18 warns of such a verifier, and quotes the statement.
            "set md5_password_warnings = off",
            // Not in 12.
            "set log_min_duration_sample = -1",
        ] {
            // Each may have been granted alone (15), and not every version knows all.
            self.try_run("keep passwords out of the log", setting).await?;
        }
        Ok(())
    }

    /// Asks for exactly one row.
    pub async fn one(
        &self,
        doing: impl Into<String>,
        sql: impl Into<Sql>,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Row, PgError> {
        let sql = sql.into();
        self.inner.query_typed_one(sql.text(), parameters).await.map_err(|error| self.error(doing, error))
    }

    /// Reads a column of `row`. The type is what the query's text says, so that a failure is a defect of ours; it is
    /// reported as an error all the same.
    pub fn get<'row, T: FromSql<'row>>(&self, row: &'row Row, column: usize) -> Result<T, PgError> {
        row.try_get(column).map_err(|error| self.error("read a query's answer", error))
    }

    /// Runs one or more statements whose rows do not matter.
    pub async fn run(&self, doing: impl Into<String>, sql: impl Into<Sql>) -> Result<(), PgError> {
        let sql = sql.into();
        self.log(&sql);
        self.inner.batch_execute(sql.text()).await.map_err(|error| self.error(doing, error))
    }

    /// The same, where the server may refuse: what it said then. The session goes on.
    pub async fn try_run(&self, doing: impl Into<String>, sql: impl Into<Sql>) -> Result<Option<PgError>, PgError> {
        match self.run(doing, sql).await {
            Err(error) if error.is_refusal() => Ok(Some(error)),
            outcome => outcome.map(|()| None),
        }
    }

    /// The same in an open transaction, which goes on without what was refused.
    pub async fn try_in_transaction(&self, doing: &str, sql: &Sql) -> Result<Option<PgError>, PgError> {
        let refusal = self.try_run(doing, sql!("savepoint attempt; {}; release attempt", sql)).await?;
        if refusal.is_some() {
            self.run(doing, "rollback to attempt; release attempt").await?;
        }
        Ok(refusal)
    }

    /// Runs statements by the simple protocol, the only one that a replication connection understands, and returns the rows
    /// of all of them.
    pub async fn simple(&self, doing: impl Into<String>, sql: impl Into<Sql>) -> Result<Rows, PgError> {
        let sql = sql.into();
        self.log(&sql);
        let messages = self.inner.simple_query(sql.text()).await.map_err(|error| self.error(doing, error))?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect())
    }

    /// Waits for `work` on this session for at most `limit`, then has the server cancel it. `None`: the limit was passed.
    /// `statement_timeout` would not do: it does not interrupt CREATE_REPLICATION_SLOT.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        match tokio::time::timeout(limit, work).await {
            Ok(done) => Some(done),
            Err(_) => {
                self.cancel().await;
                None
            }
        }
    }

    /// Asks the server to cancel what the session is doing; a failure to ask changes nothing.
    pub async fn cancel(&self) {
        (self.cancel)().await;
    }

    /// Gives an error of the driver its place.
    pub fn error(&self, doing: impl Into<String>, error: tokio_postgres::Error) -> PgError {
        PgError::from_driver(self.side, &self.database, doing, error)
    }

    pub(super) fn log(&self, sql: &Sql) {
        match self.side {
            Side::Source => tracing::debug!(target: logger::SOURCE, "{}: {sql}", self.database),
            Side::Target => tracing::debug!(target: logger::TARGET, "{}: {sql}", self.database),
        }
    }
}
