//! What came out of comparing one database on both sides.

use super::Difference;
use crate::error::Kind;

/// What came out of comparing one database, or the two servers, on both sides.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The database; `None` for what belongs to the whole server.
    pub database: Option<String>,
    /// Tables and materialized views whose rows were compared.
    pub tables: usize,
    /// Rows of these on the source.
    pub rows: u64,
    /// Large objects of the source that were compared.
    pub large_objects: u64,
    /// Tables that were written to faster than replication and comparison could follow: nothing is known to be wrong.
    pub moved: Vec<String>,
    /// What replication brings only at its finish, and what our users may not read or nobody can judge.
    pub not_compared: Vec<NotCompared>,
    /// What could not be compared.
    pub failures: Vec<Failure>,
    /// What is not the same.
    pub differences: Vec<Difference>,
}

/// Something that was left out of a comparison on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCompared {
    /// What, such as `table public.log`.
    pub what: String,
    /// Why.
    pub reason: &'static str,
    /// Running replication brings it at its finish.
    pub later: bool,
}

/// Something that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which exit code it asks for.
    pub kind: Kind,
    /// What, and why, in words.
    pub message: String,
}
