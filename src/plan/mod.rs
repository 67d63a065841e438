//! Facts and settings turned into a plan: every choice is made here, so that `migrate` has none to make. Pure.

use crate::facts::{DatabaseEntry, Role};
use crate::settings::Method;
use crate::sql::names::ReplicationNames;
use crate::sql::{Ident, QualifiedName};

/// What a run will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Roles, in the order of creation.
    pub roles: Vec<RolePlan>,
    /// Memberships among them, to be granted after all roles exist.
    pub memberships: Vec<crate::facts::Membership>,
    /// Databases, largest first.
    pub databases: Vec<DatabasePlan>,
    /// Copy connections over all databases together.
    pub jobs: usize,
    /// Parallel index builds per database.
    pub index_jobs: usize,
}

/// One role.
#[derive(Clone, Debug)]
pub struct RolePlan {
    /// As found on the source, less the attributes that the target user may not give.
    pub role: Role,
    /// Whether the target has it already.
    pub exists: bool,
    /// Attributes left out, such as `SUPERUSER`.
    pub left_out: Vec<&'static str>,
}

/// One database.
#[derive(Clone, Debug)]
pub struct DatabasePlan {
    /// Its name.
    pub name: String,
    /// What is done with it.
    pub work: Work,
    /// Names of its replication objects.
    pub names: ReplicationNames,
}

/// What is done with a database.
#[derive(Clone, Debug)]
pub enum Work {
    /// Nothing: it could not be connected to.
    Unreachable {
        /// The server's words.
        reason: String,
    },
    /// All of it.
    Migrate(Box<Migration>),
    /// An earlier run left its replication running: only the wait and the finish are left.
    Continue(Box<Content>),
}

/// How a database is migrated from the beginning.
#[derive(Clone, Debug)]
pub struct Migration {
    /// How its data goes.
    pub transfer: Transfer,
    /// Why not by replication; empty when it is, or when dump was asked for.
    pub why_dump: Vec<String>,
    /// Whether an earlier run left a subscription, slot or publication that has to go first.
    pub drop_first: bool,
    /// How the target database comes to be.
    pub creation: Creation,
    /// Whether objects keep their owners.
    pub keep_owners: bool,
    /// Extensions whose archive entries are left out: excluded ones, and those the target has.
    pub skipped_extensions: Vec<String>,
    /// Whether event triggers are restored.
    pub event_triggers: bool,
    /// What it holds.
    pub content: Content,
}

/// What a database holds, sorted by what has to be done with it.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Rows to copy, largest first.
    pub tables: Vec<TablePlan>,
    /// Tables in the publication.
    pub published: Vec<QualifiedName>,
    /// Tables copied whole once more at the finish, because replication does not carry them.
    pub recopied: Vec<TablePlan>,
    /// Sequences whose values are carried at the finish.
    pub sequences: Vec<QualifiedName>,
    /// Materialized views to fill at the finish, each after those it reads.
    pub materialized_views: Vec<QualifiedName>,
    /// Partitioned tables, which nobody else analyzes.
    pub partition_roots: Vec<QualifiedName>,
    /// Whether the source has publications of its own to restore at the finish.
    pub publications: bool,
    /// Whether it has large objects to copy.
    pub large_objects: bool,
    /// OIDs, on the source, of indexes that serve as replica identity without being a constraint's.
    pub identity_indexes: Vec<u32>,
}

/// How rows go to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Copied from a snapshot; nothing follows.
    Dump,
    /// Copied from the snapshot of a slot, which a subscription then takes over.
    SlotHandOver,
    /// Copied by the subscription.
    SubscriptionCopies {
        /// Through aiven_extras instead of CREATE PUBLICATION and CREATE SUBSCRIPTION.
        aiven_extras: bool,
    },
}

impl Transfer {
    /// The method as users know it.
    pub fn method(self) -> Method {
        match self {
            Transfer::Dump => Method::Dump,
            Transfer::SlotHandOver | Transfer::SubscriptionCopies { .. } => Method::Replication,
        }
    }
}

/// How the target database comes to be.
#[derive(Clone, Debug)]
pub enum Creation {
    /// It is created as it is on the source.
    Create {
        /// The source's database.
        entry: DatabaseEntry,
        /// Its owner; `None`: the target user.
        owner: Option<String>,
    },
    /// An earlier run created it and did not end: dropped and created again.
    Recreate {
        /// The source's database.
        entry: DatabaseEntry,
        /// Its owner; `None`: the target user.
        owner: Option<String>,
    },
    /// It is there, without objects of a user; with `clean`, because an earlier run's objects are dropped first.
    UseEmpty {
        /// Objects of an earlier, unfinished run are dropped first.
        clean: bool,
    },
    /// It is there with objects of a user; tables of an earlier, unfinished run are emptied first.
    UseFilled {
        /// Tables to empty: an earlier run copied them.
        empty_first: Vec<QualifiedName>,
    },
}

/// One table's rows.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// Its name.
    pub name: QualifiedName,
    /// Columns to copy.
    pub columns: Vec<Ident>,
    /// Only rows of this WHERE clause, which the extension's author wrote.
    pub condition: Option<String>,
    /// Whether rows are sent in binary.
    pub binary: bool,
    /// Bytes on the source.
    pub bytes: u64,
}
