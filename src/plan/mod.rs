//! What a run will do. Facts and settings become a plan in `build`, where every choice is made, so that `migrate` has none to
//! make. Pure.

mod build;
mod builds;
mod capacity;
pub mod comparison;
pub(crate) mod connections;
mod content;
pub(crate) mod creation;
#[cfg(test)]
pub(crate) mod example;
mod extensions;
mod format;
mod identity;
pub(crate) mod method;
pub mod outline;
mod parts;
mod previous;
mod reserved;
pub(crate) mod roles;
pub(crate) mod select;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub use self::build::build;
pub use self::builds::{BuildLimits, reading_cost};
pub use self::content::SeenColumn;
pub use self::extensions::ExtensionPlan;
pub use self::format::Format;
pub use self::identity::IdentityChange;
pub use self::method::Obstacle;
use crate::conninfo::Secret;
use crate::facts::{
    DatabaseEntry, DatabaseFacts, DatabaseProperties, Moment, ParameterPrivilege, Reserved, Role, RowSecurity,
    ServerFacts,
};
use crate::settings::Method;
use crate::sql::names::ReplicationNames;
use crate::sql::{Blocks, Ident, QualifiedName};

/// What a run will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Roles, in the order of creation.
    pub roles: Vec<RolePlan>,
    /// Roles of a managed service, which stay where they are.
    pub skipped_roles: Vec<String>,
    /// Roles of which the target user becomes a member before anything else, to give them what they own.
    pub joined_roles: Vec<String>,
    /// Memberships among them, to be granted after all roles exist.
    pub memberships: Vec<crate::facts::Membership>,
    /// Privileges on parameters that the target's roles do not have yet.
    pub parameter_privileges: Vec<ParameterPrivilege>,
    /// Roles of the source that the target will not have: excluded, a provider's own, or the system's.
    pub missing_roles: BTreeSet<String>,
    /// Databases, largest first.
    pub databases: Vec<DatabasePlan>,
    /// Copy connections over all databases together.
    pub jobs: usize,
    /// Databases that are prepared, copied and restored at the same time.
    pub databases_at_work: usize,
    /// Databases that are begun and not ended: those at work, and those that wait for replication.
    pub databases_at_once: usize,
    /// Index builds, checks of foreign keys, ANALYZEs and additional sessions that create tables at the same time, over all
    /// databases together.
    pub index_jobs: usize,
    /// What each index build may use.
    pub builds: BuildLimits,
    /// How many values beyond the source's the target's sequences are set.
    pub sequence_margin: u64,
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
    /// The password, or verifier, that the user gave for it.
    pub password: Option<Secret>,
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
    /// Nothing: it is empty, and not ours on the target.
    Nothing,
    /// All of it.
    Migrate(Box<Migration>),
    /// An earlier run left its replication running: only the wait and the finish are left.
    Continue {
        /// What it holds.
        content: Box<Content>,
        /// What the target user may do in it.
        rights: Box<Rights>,
    },
    /// An earlier run by dump has brought all rows, indexes and constraints, and did not end: only what comes after them is left.
    Conclude {
        /// What it would be from the beginning.
        migration: Box<Migration>,
        /// The source's moment whose rows these are.
        moment: Moment,
    },
}

/// How a database is migrated from the beginning.
#[derive(Clone, Debug)]
pub struct Migration {
    /// How its data goes.
    pub transfer: Transfer,
    /// What keeps the database from being replicated: why it is dumped, or where replication was demanded, why it will
    /// fail. Empty when dump was demanded.
    pub obstacles: Vec<Obstacle>,
    /// A run that was killed left its publication, slot or subscription: they are dropped before anything else.
    pub drop_first: bool,
    /// Where a slot is handed over: no subscription is created as long as the slot has nothing for it.
    pub spares_subscription: bool,
    /// How the target database comes to be.
    pub creation: Creation,
    /// The run whose journal the target database has. Where another one's is found later, the plan is out of date.
    pub earlier_run: Option<EarlierRun>,
    /// What a new database has and the source's has not.
    pub drop_initial: Vec<Initial>,
    /// Tables that an earlier, unfinished run filled and that are emptied first; of configuration tables, the rows that
    /// their extension did not write itself.
    pub empty_first: BTreeSet<QualifiedName>,
    /// What the target user may do in it.
    pub rights: Rights,
    /// Extensions whose archive entries are left out: excluded ones, and those the target has.
    pub skipped_extensions: Vec<String>,
    /// Extensions that are created in the source's version, where the target would choose another by itself.
    pub extension_versions: Vec<ExtensionPlan>,
    /// What it holds.
    pub content: Content,
}

impl Migration {
    /// Whether foreign keys and statistics of a table follow its rows and indexes at once. Not where tables were there: what
    /// theirs reference, or inherit, nobody has looked at; nor where rows still change.
    pub fn settles_early(&self) -> bool {
        !matches!(self.creation, Creation::UseFilled) && !matches!(self.transfer, Transfer::SubscriptionCopies { .. })
    }
}

/// What the target user may do in a database.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// Who owns what.
    pub owners: Owners,
    /// Whether owner and privileges of schema `public` are its to change.
    pub owns_public: bool,
    /// Whether privileges on the database itself are its to change.
    pub owns_database: bool,
    /// The owner to whom it cannot give the database; it keeps it.
    pub lost_database: Option<String>,
    /// Whether it may create event triggers.
    pub event_triggers: bool,
    /// Objects that the target will not have, because their extension is left out, and that the source has privileges on: as
    /// in GRANT, but without quotes.
    pub absent: BTreeSet<String>,
    /// What it may not do, or perhaps not, and is left to an administrator: names of objects by kind, of roles for owners and
    /// default privileges.
    pub announced: BTreeMap<Reserved, BTreeSet<String>>,
}

impl Rights {
    /// Whether schema `public` has an owner or privileges on the source that a new database does not give it.
    pub fn changes_public(&self) -> bool {
        self.announced.get(&Reserved::Privileges).is_some_and(|names| names.contains(reserved::PUBLIC))
    }
}

/// Who owns what on the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Whether objects keep their owners, as far as possible; otherwise all belong to the target user.
    pub kept: bool,
    /// Owners on the source to whom the target user cannot give anything: what they own belongs to it.
    pub lost: BTreeSet<String>,
}

impl Owners {
    /// Whether what `owner` owns on the source will be its own on the target.
    pub fn keeps(&self, owner: &str) -> bool {
        self.kept && !self.lost.contains(owner)
    }
}

/// A run that did not end, as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierRun {
    /// Its migration ID.
    pub migration: String,
    /// Whether all rows, indexes and constraints were there.
    pub complete: bool,
}

/// What a database holds, sorted by what has to be done with it.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// What is said of the database as a whole.
    pub properties: DatabaseProperties,
    /// Rows to copy, largest first.
    pub tables: Vec<TablePlan>,
    /// Tables that a publication of ours holds.
    pub published: Vec<QualifiedName>,
    /// Those of them whose INSERTs alone are published.
    pub insert_only: Vec<QualifiedName>,
    /// Those of them whose replica identity is changed before.
    pub identity_changes: Vec<IdentityChange>,
    /// Tables copied whole once more at the finish, because replication does not carry them.
    pub recopied: Vec<TablePlan>,
    /// Sequences whose values are carried at the finish.
    pub sequences: Vec<QualifiedName>,
    /// Materialized views to fill at the finish, each after those it reads.
    pub materialized_views: Vec<QualifiedName>,
    /// Those that may read any other through a function, and those that read these: filled last, in an order that has to be
    /// found out.
    pub opaque_views: Vec<QualifiedName>,
    /// Those that are filled only because others read them, and emptied again when these are there.
    pub emptied_views: Vec<QualifiedName>,
    /// Partitioned tables, which nobody else analyzes.
    pub partition_roots: Vec<QualifiedName>,
    /// Whether the source has publications of its own to restore at the finish.
    pub publications: bool,
    /// Whether the source has event triggers to restore at the finish.
    pub event_triggers: bool,
    /// Whether rows are replicated and some table's owner lacks rights on it: its privileges have to wait until nothing is
    /// replicated, because from 16 on a subscription writes with the rights of the table's owner.
    pub powerless_owners: bool,
    /// OIDs, on the source, of tables whose row level security has to wait until nothing is replicated: it binds their owner,
    /// with whose rights a subscription writes from 16 on, and others who load rows. No policy applies to replication; it
    /// would fail.
    pub guarded: Vec<u32>,
    /// Whether it has large objects to copy.
    pub large_objects: bool,
    /// Every table of the source as inspection saw it, with the columns whose values can be loaded, every sequence and
    /// materialized view. What is there later and not here was created in between, and nothing in this plan carries it.
    pub seen: BTreeMap<QualifiedName, Vec<SeenColumn>>,
    /// What it takes to sort and write the larger indexes.
    pub build_costs: BTreeMap<QualifiedName, u64>,
    /// OIDs, on the source, of indexes that serve as replica identity without being a constraint's.
    pub identity_indexes: Vec<u32>,
}

impl Content {
    /// What it takes to build index `name` of a table of `bytes`, in bytes of an index over numbers: only good
    /// for comparing.
    pub fn build_cost(&self, bytes: u64, name: &QualifiedName) -> u64 {
        reading_cost(bytes) + self.build_costs.get(name).copied().unwrap_or(0)
    }

    /// Whether something of the source's schema has to wait until nothing replicates.
    pub fn brings_something_last(&self) -> bool {
        self.publications || self.event_triggers || self.powerless_owners || !self.guarded.is_empty()
    }

    /// Nothing of it is replicated after all.
    fn forget_replication(&mut self) {
        self.published.clear();
        self.insert_only.clear();
        self.identity_changes.clear();
        self.recopied.clear();
        self.powerless_owners = false;
        self.guarded.clear();
    }

    /// Replication carries what is published: everything else that is copied has to be copied again.
    fn replicate(&mut self, source: &DatabaseFacts, target: &ServerFacts) {
        self.powerless_owners = source.powerless_owners;
        if target.version.applies_as_owner() || !target.user.superuser {
            let forced = source.tables.iter().filter(|table| table.row_security == RowSecurity::Forced);
            self.guarded = forced.map(|table| table.oid).collect();
        }
        let published: HashSet<_> = self.published.iter().collect();
        self.recopied = self.tables.iter().filter(|table| !published.contains(&table.name)).cloned().collect();
    }
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
    /// It is created as it is on the source, but for an owner to whom our user cannot give it: our user then keeps it.
    Create(DatabaseEntry),
    /// An earlier run created it and did not end: dropped and created again.
    Recreate(DatabaseEntry),
    /// It is there, without objects of a user; with `clean`, because an earlier run's objects are dropped first.
    UseEmpty {
        /// Objects of an earlier, unfinished run are dropped first.
        clean: bool,
    },
    /// It is there with objects of a user.
    UseFilled,
}

/// What every database has when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// The schema `public`.
    SchemaPublic,
    /// The extension `plpgsql`.
    ExtensionPlpgsql,
}

/// One table's rows.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// Its name.
    pub name: QualifiedName,
    /// Columns to copy.
    pub columns: Vec<Ident>,
    /// Whether it is a partitioned table, whose rows are those of all its partitions and find their partition anew.
    pub partitioned: bool,
    /// Whether it is a partition of another table.
    pub partition: bool,
    /// Whether ordinary tables inherit from it.
    pub parent: bool,
    /// Whether it is a configuration table of an extension, which fills it itself when it is created.
    pub configuration: bool,
    /// Only rows of this WHERE clause, which the extension's author wrote.
    pub condition: Option<String>,
    /// How rows are sent.
    pub format: Format,
    /// Bytes on the source.
    pub bytes: u64,
    /// Blocks of it that can be copied by themselves; 0: it is copied whole.
    pub blocks: u64,
    /// The parts that are copied each by itself; empty: it is copied whole. Only rows of a table that is copied whole are born
    /// frozen: FREEZE needs a table that was emptied in the same transaction.
    pub parts: Vec<Blocks>,
}
