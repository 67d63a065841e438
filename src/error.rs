//! Why a run ended without doing its work, and the exit code that says so.

use std::error::Error as StdError;
use std::fmt;

use crate::pg::PgError;
use crate::tools::ToolError;

/// A fatal error: what we tried and on what, the cause, and what to do next.
///
/// The message never repeats the cause; [`Error::chain`] prints both.
#[derive(Debug)]
pub struct Error {
    /// What sort of failure, which decides the exit code.
    pub kind: Kind,
    /// What we tried, on which side and object.
    pub message: String,
    /// What to type next.
    pub hints: Vec<String>,
    /// The cause.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A database or step failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// Validation found errors; nothing was changed.
    Validation,
    /// A server cannot be reached, or refuses us.
    Connection,
    /// pg_dump or pg_restore is missing or does not fit.
    Tools,
    /// The two sides differ.
    Difference,
    /// A wait passed its limit.
    Timeout,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// SIGHUP.
    HungUp,
}

impl Kind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Validation => 3,
            Kind::Connection => 4,
            Kind::Tools => 5,
            Kind::Difference => 6,
            Kind::Timeout => 7,
            Kind::Interrupted => 130,
            Kind::Terminated => 143,
            Kind::HungUp => 129,
        }
    }

    /// Its name in machine-readable results.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Validation => "validation",
            Kind::Connection => "connection",
            Kind::Tools => "tools",
            Kind::Difference => "difference",
            Kind::Timeout => "timeout",
            Kind::Interrupted => "interrupted",
            Kind::Terminated => "terminated",
            Kind::HungUp => "hung-up",
        }
    }

    /// The class that stands before the colon on the last line of the log. The first one is what scripts written for the
    /// original look for.
    pub fn class(self) -> &'static str {
        match self {
            Kind::Validation | Kind::Connection | Kind::Tools => "PGMigrateValidationFailedError",
            Kind::Usage => "PGMigrateUsageError",
            Kind::Failed | Kind::Difference => "PGMigrateError",
            Kind::Timeout => "PGMigrateTimeoutError",
            Kind::Interrupted | Kind::Terminated | Kind::HungUp => "PGMigrateInterruptedError",
        }
    }
}

impl From<PgError> for Error {
    fn from(error: PgError) -> Self {
        let message = error.to_string();
        let locked = error.is_lock_timeout();
        let error = Self { kind: Kind::Failed, message, hints: Vec::new(), source: Some(Box::new(error.cause)) };
        if locked {
            error.hint("end the session that holds the lock (pg_locks shows it), or wait until it ends")
        } else {
            error
        }
    }
}

impl From<ToolError> for Error {
    fn from(error: ToolError) -> Self {
        let kind = match &error {
            ToolError::Cancelled { .. } => Kind::Interrupted,
            ToolError::Start { .. }
            | ToolError::Lost { .. }
            | ToolError::Failed { .. }
            | ToolError::List(_)
            | ToolError::Toc(_) => Kind::Failed,
        };
        let message = error.to_string();
        let source = StdError::source(&error).map(|cause| cause.to_string().into());
        Self { kind, message, hints: Vec::new(), source }
    }
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds something to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The message and all causes on one line, separated by `: `.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// `error` and its causes on one line, separated by `: `.
pub fn chain(error: &dyn StdError) -> String {
    std::iter::once(error.to_string()).chain(causes(error)).collect::<Vec<_>>().join(": ")
}

/// The causes of `error`, nearest first.
pub fn causes(error: &dyn StdError) -> Vec<String> {
    std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
