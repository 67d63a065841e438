//! Errors of a session.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::facts::Side;

/// What went wrong on a server: where, while doing what, and why.
#[derive(Debug)]
pub struct PgError {
    /// Which server.
    pub side: Side,
    /// The database of the session.
    pub database: String,
    /// What we were doing, such as `create subscription "x"`.
    pub doing: String,
    /// Why it failed.
    pub cause: Cause,
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The server's answer.
    #[error("{}", server_words(.0))]
    Server(Box<DbError>),
    /// The session broke, or the answer made no sense.
    #[error("{}", driver_words(.0))]
    Driver(tokio_postgres::Error),
    /// The network.
    #[error("{endpoint}: {error}")]
    Network {
        /// Where we tried to connect.
        endpoint: String,
        /// The system's words.
        error: io::Error,
    },
    /// Nobody answered in time.
    #[error("{endpoint}: timeout expired: no connection within {} s", limit.as_secs())]
    Timeout {
        /// Where we tried to connect.
        endpoint: String,
        /// `connect_timeout`
        limit: Duration,
    },
    /// What the connection string asks for cannot be had.
    #[error("{0}")]
    Unusable(String),
}

impl Cause {
    /// The server's SQLSTATE, where it answered.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Cause::Server(words) => Some(words.code()),
            Cause::Driver(_) | Cause::Network { .. } | Cause::Timeout { .. } | Cause::Unusable(_) => None,
        }
    }
}

impl PgError {
    pub(super) fn from_driver(
        side: Side,
        database: &str,
        doing: impl Into<String>,
        error: tokio_postgres::Error,
    ) -> Self {
        let cause = match error.as_db_error() {
            Some(words) => Cause::Server(Box::new(words.clone())),
            None => Cause::Driver(error),
        };
        Self { side, database: database.to_owned(), doing: doing.into(), cause }
    }

    /// The server's SQLSTATE, where it answered.
    pub fn code(&self) -> Option<&SqlState> {
        self.cause.code()
    }

    /// Whether the server refused for want of a privilege (42501).
    pub fn is_permission(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// Whether there are too many connections: of the server, the database or the role (53300).
    pub(super) fn is_crowded(&self) -> bool {
        self.code() == Some(&SqlState::TOO_MANY_CONNECTIONS)
    }

    /// Whether somebody else's lock was waited for until `lock_timeout` (55P03).
    pub fn is_lock_timeout(&self) -> bool {
        self.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Whether the session is gone, or could not be had, through no fault of what was asked: the network, a server that
    /// restarts, or somebody who ended the session. Another one may do.
    pub fn is_disconnection(&self) -> bool {
        match &self.cause {
            Cause::Server(words) => {
                // Connection exceptions; shutting down, crashed, starting up, idle for too long.
                let code = words.code().code();
                ends_session(words) && (code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05"))
            }
            Cause::Driver(_) | Cause::Network { .. } | Cause::Timeout { .. } => true,
            Cause::Unusable(_) => false,
        }
    }

    /// Whether nobody answered where we tried to connect.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.cause, Cause::Network { .. } | Cause::Timeout { .. })
    }

    /// Whether the server refused what was asked, and the session goes on.
    pub fn is_refusal(&self) -> bool {
        matches!(&self.cause, Cause::Server(words) if !ends_session(words))
    }

    /// Why it failed, without where.
    pub fn words(&self) -> String {
        self.cause.to_string()
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (in database {:?} of the {})", self.doing, self.database, self.side)
    }
}

impl StdError for PgError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

/// Whether no session outlives the error. The code does not tell: with the same ones a server reports a broken connection of its
/// own to another server (08006), or that somebody ended a worker of a parallel query (57P01).
fn ends_session(error: &DbError) -> bool {
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

/// `message (detail) [SQLSTATE]`, in the server's words.
fn server_words(error: &DbError) -> String {
    let mut words = error.message().to_owned();
    if let Some(detail) = error.detail() {
        words.push_str(&format!(" ({})", detail.trim_end()));
    }
    words.push_str(&format!(" [SQLSTATE {}]", error.code().code()));
    words
}

/// The driver shows only a heading; the reason is in its sources.
fn driver_words(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
