//! What the user asked for: options and environment turned into values, with defaults, precedence and rules across options.

mod build;
mod output;
mod pattern;
mod role_passwords;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::conninfo::ConnInfo;
use crate::facts::{DatabaseEntry, provider};
use crate::sql::{Ident, QualifiedName};

pub use crate::conninfo::Environment;
pub use build::Servers;
pub use output::{Format, OutputSettings};
pub use pattern::PatternError;
pub use role_passwords::{RolePasswordError, RolePasswords};

/// Everything a run is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The source server.
    pub source: ConnInfo,
    /// The target server.
    pub target: ConnInfo,
    /// How the target reaches the source, where that differs from how we do.
    pub source_for_target: Option<ConnInfo>,
    /// Only validate.
    pub validate_only: bool,
    /// Only validate, and print the plan.
    pub dry_run: bool,
    /// What to migrate.
    pub selection: Selection,
    /// Whether missing databases are created.
    pub create_databases: bool,
    /// Names of replication objects hold the MD5 of the database's name.
    pub mangle: bool,
    /// The only method allowed; `None` chooses per database.
    pub force_method: Option<Method>,
    /// Wait until replication is at most this many bytes behind; `None`: do not wait.
    pub max_replication_lag: Option<u64>,
    /// Then finish: sequences, materialized views, and drop what replicates.
    pub stop_replication: bool,
    /// How long the wait may take.
    pub lag_timeout: Duration,
    /// What is done about tables whose UPDATEs and DELETEs could not be replicated.
    pub replica_identity: IdentityPolicy,
    /// What is compared when all else is done; `None`: nothing.
    pub verification: Option<Verification>,
    /// Largest total size in bytes that validation lets pass.
    pub max_total_size: Option<u64>,
    /// Where pg_dump and pg_restore are.
    pub pgbin: Option<PathBuf>,
    /// A newer source is a warning instead of an error.
    pub skip_version_check: bool,
    /// Copy connections over all databases together; `None`: from the servers' capacity.
    pub jobs: Option<NonZeroUsize>,
    /// Index builds, checks of foreign keys and ANALYZEs at the same time, over all databases together; `None`: like `jobs`.
    pub index_jobs: Option<NonZeroUsize>,
    /// Bytes of memory of each index build; `None`: chosen from the target's size.
    pub index_memory: Option<u64>,
    /// Parallel workers of each index build; `None`: chosen from the target's settings.
    pub index_workers: Option<u16>,
    /// How rows are sent.
    pub copy_format: CopyFormat,
    /// Tables of more bytes are copied in parts of at most so many; `None`: chosen from the sizes of all.
    pub split_larger_than: Option<u64>,
    /// How many values beyond the source's the target's sequences are set.
    pub sequence_margin: u64,
    /// Everything belongs to the target user.
    pub no_owner: bool,
    /// Passwords for roles that are created.
    pub role_passwords: RolePasswords,
    /// Where statements for an administrator of the target go.
    pub admin_sql: Option<PathBuf>,
    /// Tables that already have rows on the target are added to.
    pub append: bool,
    /// Show every object that is created, and pg_restore's `--verbose` output.
    pub verbose: bool,
    /// Identifies the run in every log line.
    pub migration_id: String,
}

/// What a verification is told.
#[derive(Clone, Debug)]
pub struct Verification {
    /// How much is compared.
    pub level: Level,
    /// How many keys are named of each table whose rows differ.
    pub rows: usize,
    /// What a migration carries.
    pub selection: Selection,
    /// Names of replication objects hold the MD5 of the database's name.
    pub mangle: bool,
    /// Everything belongs to the target user.
    pub ignore_owners: bool,
    /// Connections to each server that read rows; `None`: from the servers' capacity.
    pub jobs: Option<NonZeroUsize>,
    /// How long the wait for running replication may take.
    pub lag_timeout: Duration,
    /// Roles to which this run gives passwords that are not the source's.
    pub given_passwords: Vec<String>,
}

/// How much a verification compares; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Definitions: all that catalogs hold, and where sequences stand.
    Schema,
    /// Numbers of rows.
    Counts,
    /// Contents of rows.
    Full,
}

impl Level {
    /// The word that options and reports have for it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Schema => "schema",
            Level::Counts => "counts",
            Level::Full => "full",
        }
    }
}

/// How a database's data is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Copied, then kept up to date by a publication and a subscription.
    Replication,
    /// Copied once.
    Dump,
}

/// How rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// In binary where it is certain that the target reads what the source means.
    Auto,
    /// As text.
    Text,
    /// In binary also where types of users and of extensions that are not known have a binary form.
    Binary,
}

/// What is done about tables whose UPDATEs and DELETEs replication cannot carry, because they have no replica identity or
/// one that does not serve. Where a policy does not fit a table, it is copied once more at the finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityPolicy {
    /// They are not published; they are copied whole once more at the finish.
    CopyAtFinish,
    /// They are an error.
    Fail,
    /// Until the finish, their replica identity on the source is the whole row.
    Full,
    /// Until the finish, it is a unique index that they have.
    Index,
    /// Their INSERTs are replicated, and nothing else ever.
    InsertOnly,
}

/// Which databases, roles, extensions and rows.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Databases left out.
    pub filtered_databases: Vec<String>,
    /// Roles not created.
    pub excluded_roles: Vec<String>,
    /// Extensions not migrated.
    pub excluded_extensions: Vec<String>,
    /// Whose rows are carried.
    pub tables: TableFilter,
    /// Whether rows of configuration tables of extensions are carried.
    pub extension_tables: bool,
}

impl Selection {
    /// Whether the database is one to migrate: no template, not filtered out, and not the managed service's own.
    pub fn takes_database(&self, entry: &DatabaseEntry) -> bool {
        !entry.template && !provider::owns_database(&entry.name) && self.asks_for_database(&entry.name)
    }

    /// Whether the user left the database in. `template0` and `template1` never are.
    pub fn asks_for_database(&self, name: &str) -> bool {
        !matches!(name, "template0" | "template1") && !self.filtered_databases.iter().any(|filtered| filtered == name)
    }
}

/// Whose rows are carried; the schema always is.
#[derive(Clone, Debug, Default)]
pub enum TableFilter {
    /// Every table's.
    #[default]
    All,
    /// Only those of matching tables.
    With(Vec<TablePattern>),
    /// All but those of matching tables.
    Skip(Vec<TablePattern>),
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Method::Replication => "replication",
            Method::Dump => "dump",
        })
    }
}

impl TablePattern {
    /// Whether rows of `table` in `database` are meant.
    pub fn matches(&self, database: &str, table: &QualifiedName) -> bool {
        self.database.as_ref().is_none_or(|wanted| wanted.as_str() == database)
            && self.schema.as_ref().is_none_or(|wanted| *wanted == table.schema)
            && self.table == table.name
    }
}

/// `t`, `s.t` or `db.s.t`; a part left out matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern {
    /// As the user wrote it.
    pub text: String,
    /// Only in this database.
    pub database: Option<Ident>,
    /// Only in this schema.
    pub schema: Option<Ident>,
    /// The table.
    pub table: Ident,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture;

    #[test]
    fn templates_and_databases_of_users_and_services_that_stay_are_not_taken() {
        let selection = Selection { filtered_databases: vec!["left_out".to_owned()], ..Selection::default() };
        let closed = DatabaseEntry { connectable: false, ..fixture::entry("closed") };
        assert!([fixture::entry("app"), closed].iter().all(|entry| selection.takes_database(entry)));
        let blueprint = DatabaseEntry { template: true, ..fixture::entry("blueprint") };
        let others = ["left_out", "rdsadmin", "template0", "template1"].map(fixture::entry);
        assert!(!others.iter().chain([&blueprint]).any(|entry| selection.takes_database(entry)));
    }
}
