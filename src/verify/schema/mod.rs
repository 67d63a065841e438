//! Compares everything but rows, catalog by catalog.

use super::Difference;
use crate::pg::{Client, PgError};

/// What is compared, beyond the database that two sessions are in.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Databases whose owner, locale, privileges, settings and comment are compared; one that the target does not have is a
    /// difference. Those that only the target has are of no concern.
    pub databases: Vec<String>,
    /// Roles that a migration carries. Roles that only the target has are of no concern.
    pub roles: Vec<String>,
    /// Extensions that were left out; those of managed services always are.
    pub excluded_extensions: Vec<String>,
    /// Everything belongs to the target user: owners are not compared.
    pub ignore_owners: bool,
    /// Replication runs: what arrives only at its finish (values of sequences, materialized views' contents, large objects,
    /// publications) is not compared.
    pub replicating: bool,
}

/// What differs between one database on both sides, rows apart. Both sessions are in the database of the same name.
#[expect(clippy::unused_async, reason = "no catalog is compared yet")]
pub async fn compare_databases(_source: &Client, _target: &Client, _scope: &Scope) -> Result<Vec<Difference>, PgError> {
    Ok(Vec::new())
}

/// What differs between the two servers: roles with their memberships and settings, and databases as a whole.
#[expect(clippy::unused_async, reason = "no catalog is compared yet")]
pub async fn compare_servers(_source: &Client, _target: &Client, _scope: &Scope) -> Result<Vec<Difference>, PgError> {
    Ok(Vec::new())
}
