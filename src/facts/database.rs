//! Inside one database.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{DataType, Probe, ReservedObject, User};
use crate::sql::{Ident, QualifiedName};

/// What one database holds. Objects of the system are left out; members of extensions say so.
#[derive(Clone, Debug, Default)]
pub struct DatabaseFacts {
    /// Installed extensions.
    pub extensions: Vec<Extension>,
    /// Languages other than `internal`, `c` and `sql`.
    pub languages: Vec<Language>,
    /// Tables: ordinary, partitioned and foreign ones.
    pub tables: Vec<Table>,
    /// Their larger indexes; only asked on the source.
    pub large_indexes: Vec<LargeIndex>,
    /// Types of their columns and what these are made of, by OID.
    pub types: BTreeMap<u32, DataType>,
    /// Sequences of every origin.
    pub sequences: Vec<Sequence>,
    /// Materialized views, each after those that the catalog says it reads.
    pub materialized_views: Vec<MaterializedView>,
    /// Event triggers.
    pub event_triggers: Vec<EventTrigger>,
    /// Publications, ours included.
    pub publications: Vec<Publication>,
    /// Subscriptions of this database, ours included.
    pub subscriptions: Vec<Subscription>,
    /// Tables that its subscriptions write into.
    pub subscribed: BTreeSet<QualifiedName>,
    /// Large objects.
    pub large_objects: LargeObjects,
    /// What of its storage a dump does not carry.
    pub storage: Storage,
    /// Roles that own something here.
    pub owners: BTreeSet<String>,
    /// What needs an extension that is to be left out.
    pub dependents: Vec<Dependent>,
    /// Members of such an extension whose privileges are not those that it gave them.
    pub granted_members: Vec<GrantedMember>,
    /// What only some users may create or grant. Where the target's user is a superuser only security labels: one without its
    /// provider not even he may create.
    pub reserved: Vec<ReservedObject>,
    /// What users have added to operator families of extensions and of the system; only asked on the source.
    pub family_additions: Vec<FamilyAddition>,
    /// Whether some table's owner has not all rights on it that replication needs.
    pub powerless_owners: bool,
    /// What would validate each constraint of a domain that is NOT VALID, as SQL.
    pub unvalidated_domains: Vec<String>,
    /// Whether schema `public` is ours, or a role's whose rights we have. True where there is none.
    pub owns_public: bool,
    /// Whether what we create here gets privileges by ALTER DEFAULT PRIVILEGES.
    pub own_default_privileges: bool,
    /// Objects that a user made: schemas, relations, types, functions outside extensions. 0 means empty.
    pub user_objects: i64,
    /// Whether it has a schema `public`, as every database has at first.
    pub public_schema: bool,
    /// Whether we may CREATE in the database.
    pub may_create: bool,
    /// May we create a publication here for our tables? Tried on the source in a rolled-back transaction.
    pub publication: Probe,
    /// What an earlier run of ours left in schema `_pg_migrate`.
    pub journal: Option<Journal>,
}

impl DatabaseFacts {
    /// The installed extension of that name.
    pub fn extension(&self, name: &str) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.name == name)
    }

    /// The subscription of that name.
    pub fn subscription(&self, name: &Ident) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.name == name.as_str())
    }

    /// All tables by name, for those who look up many: a database may have tens of thousands.
    pub fn tables_by_name(&self) -> HashMap<&QualifiedName, &Table> {
        self.tables.iter().map(|table| (&table.name, table)).collect()
    }

    /// The table of that name.
    pub fn table(&self, name: &QualifiedName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == *name)
    }
}

/// An installed extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// `extname`
    pub name: String,
    /// `extversion`
    pub version: String,
    /// Schema of its objects.
    pub schema: String,
}

/// An object that uses an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// `extname`
    pub extension: String,
    /// What it is and how it is called: `table public.orders`.
    pub object: String,
}

/// A member of an extension that somebody has granted or revoked something on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedMember {
    /// `extname`
    pub extension: String,
    /// As in GRANT, but without quotes: `FUNCTION public.f(integer)`.
    pub object: String,
}

/// An operator or function that a user has added to an operator family of an extension or of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyAddition {
    /// The family, as SQL: `public.gist_int4_ops USING gist`.
    pub family: String,
    /// What was added, as in `ALTER OPERATOR FAMILY … ADD`.
    pub member: String,
}

/// A procedural language.
#[derive(Clone, Debug)]
pub struct Language {
    /// `lanname`
    pub name: String,
    /// `lanpltrusted`
    pub trusted: bool,
    /// Extension that brings it.
    pub extension: Option<String>,
    /// Whether its handler is a function that a user made, so that both are in every dump.
    pub own_handler: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its OID on its own server.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// What kind of relation.
    pub kind: TableKind,
    /// Permanent or unlogged; temporary ones are left out.
    pub persistence: Persistence,
    /// The partitioned tables that it is a partition of, nearest first.
    pub ancestors: Vec<QualifiedName>,
    /// Whether ordinary tables inherit from it.
    pub parent: bool,
    /// The highest of them that is partitioned by a hash made of OIDs, as that of an enum is: on another server its rows
    /// belong to other partitions, so that they are loaded through it.
    pub load_through: Option<QualifiedName>,
    /// Extension that it is a member of.
    pub extension: Option<String>,
    /// For a configuration table of an extension: the WHERE clause of the user's rows, or empty for all rows.
    pub configuration: Option<String>,
    /// Columns in order, dropped ones left out.
    pub columns: Vec<Column>,
    /// How UPDATE and DELETE find their row on a subscriber; where a run of ours has changed that for a while, how they
    /// did before.
    pub replica_identity: ReplicaIdentity,
    /// OID of the index of REPLICA IDENTITY USING INDEX.
    pub identity_index: Option<u32>,
    /// Row level security.
    pub row_security: RowSecurity,
    /// Whether foreign keys of other tables reference it.
    pub referenced: bool,
    /// Its owner.
    pub owner: String,
    /// Whether we may SELECT from it.
    pub readable: bool,
    /// Whether we are its owner or a member of it: needed to publish it.
    pub owned: bool,
    /// Bytes of the heap and its TOAST table, without indexes.
    pub bytes: i64,
    /// Blocks of the heap; 0 for what is not stored in blocks of a heap, so that no range of them can be read.
    pub blocks: u64,
    /// `reltuples`: how many rows VACUUM or ANALYZE counted or estimated; `None` before either came by.
    pub rows: Option<u64>,
    /// Its indexes.
    pub indexes: u64,
    /// Whether it has at least one row on its own server; only asked on the target, of tables that the source has too.
    pub has_rows: bool,
    /// Triggers that fire even while replication applies changes (ENABLE ALWAYS or REPLICA).
    pub replica_triggers: Vec<String>,
    /// Whether this server has its rows: those of an unlogged table never reach a standby.
    pub present: bool,
}

impl Table {
    /// Whether row level security may hide rows of it from `user`, and keep it from loading any.
    pub fn hides_rows_from(&self, user: &User) -> bool {
        let exempt = user.superuser
            || user.bypass_rls
            || match self.row_security {
                RowSecurity::Off => true,
                RowSecurity::Enabled => self.owned,
                RowSecurity::Forced => false,
            };
        !exempt
    }
}

/// An index of a megabyte or more, by what VACUUM, ANALYZE or CREATE INDEX last saw of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeIndex {
    /// Its name.
    pub name: QualifiedName,
    /// `relpages`, in bytes.
    pub bytes: u64,
    /// `reltuples`: its entries, those with the same key counted one by one.
    pub entries: u64,
    /// The access method, such as `btree`.
    pub method: String,
    /// Whether texts in its key are compared by the rules of a language: a collation other than C.
    pub collated: bool,
}

/// What kind of relation a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table, which may be a partition or an inheritance child.
    Ordinary,
    /// A partitioned table: no rows of its own.
    Partitioned,
    /// A foreign table: its rows are elsewhere.
    Foreign,
}

/// `relpersistence`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Written to the WAL.
    Permanent,
    /// Not in the WAL, therefore never replicated.
    Unlogged,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// `format_type`, such as `numeric(10,2)`.
    pub type_name: String,
    /// The type's OID.
    pub type_id: u32,
    /// `atttypmod`: what the type has in brackets; -1 for nothing.
    pub type_modifier: i32,
    /// Whether its value is computed, so that it cannot be loaded.
    pub generated: bool,
}

/// How a subscriber finds the row of an UPDATE or DELETE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// By primary key or an index chosen with REPLICA IDENTITY USING INDEX.
    Key,
    /// By the whole row.
    Full,
    /// Not at all; published, its UPDATEs and DELETEs would fail on the source. `candidate` is an index that could serve.
    Missing {
        /// A unique, immediate, non-partial index over NOT NULL columns, none of them generated.
        candidate: Option<CandidateIndex>,
        /// Whether the whole row could serve.
        full_serves: bool,
    },
    /// By one that does not work.
    Unusable {
        /// Why not.
        flaw: IdentityFlaw,
        /// As above.
        candidate: Option<CandidateIndex>,
    },
}

/// An index that could serve as replica identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateIndex {
    /// Its name, in its table's schema.
    pub name: Ident,
    /// Its OID.
    pub oid: u32,
}

/// What keeps a replica identity from serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityFlaw {
    /// It holds a generated column, which is not published: UPDATE and DELETE fail on the source (18), or on the subscriber.
    Generated,
    /// It is the whole row, and a column's type has no equality operator: UPDATE and DELETE stop the subscriber.
    Incomparable,
}

impl ReplicaIdentity {
    /// Whether a published table's UPDATEs and DELETEs arrive.
    pub fn serves(&self) -> bool {
        matches!(self, Self::Key | Self::Full)
    }
}

/// Row level security of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowSecurity {
    /// Off.
    Off,
    /// ENABLE: the owner is exempt.
    Enabled,
    /// FORCE: only superusers and BYPASSRLS are exempt.
    Forced,
}

/// A sequence.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its name.
    pub name: QualifiedName,
    /// Extension that it is a member of.
    pub extension: Option<String>,
    /// Whether we may SELECT from it.
    pub readable: bool,
    /// Whether its extension marks its value as the user's, like the rows of a configuration table.
    pub configuration: bool,
}

/// A materialized view.
#[derive(Clone, Debug)]
pub struct MaterializedView {
    /// Its name.
    pub name: QualifiedName,
    /// `relispopulated`
    pub populated: bool,
    /// Not populated itself, but read by one that is, directly or through others: that one cannot be filled without it.
    pub needed: bool,
    /// Whether it may read other materialized views through a function's body, itself or what it reads: of that no catalog
    /// tells.
    pub opaque: bool,
    /// Extension that it is a member of.
    pub extension: Option<String>,
}

/// An event trigger.
#[derive(Clone, Debug)]
pub struct EventTrigger {
    /// Its name.
    pub name: String,
    /// Extension that it is a member of.
    pub extension: Option<String>,
}

/// A publication.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// Tables it publishes, partitions instead of their root.
    pub tables: Vec<QualifiedName>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its slot on the publisher.
    pub slot: Option<String>,
}

/// Large objects of a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct LargeObjects {
    /// How many.
    pub count: i64,
    /// How many of them we may not read.
    pub unreadable: i64,
}

/// What of a database's storage a dump does not carry.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Tablespaces of the user's in which something of the database is.
    pub tablespaces: Vec<String>,
    /// Indexes whose building has failed.
    pub invalid_indexes: Vec<QualifiedName>,
}

/// What schema `_pg_migrate` of a target database says about an earlier run that did not end.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Identifies the run: its migration ID.
    pub migration: String,
    /// Where the database came from, and so how it is made ready for another try.
    pub origin: JournalOrigin,
    /// Tables whose rows that run committed.
    pub copied: BTreeSet<QualifiedName>,
    /// Those of them that had other rows before.
    pub appended: BTreeSet<QualifiedName>,
    /// Whether the large objects that are there are that run's.
    pub large_objects: bool,
    /// Whether every row, index and constraint is there: a subscription keeps it so, or applications may have begun to.
    pub complete: bool,
    /// Whose rows these are, where a dump has brought them, and the source said who it is.
    pub moment: Option<Moment>,
}

/// A moment of one server, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The server's `system_identifier`.
    pub system_identifier: i64,
    /// When it was, for people: `2026-11-21 10:02:03 UTC`.
    pub time: String,
    /// `txid_current_snapshot()`: the transactions that had ended by then.
    pub transactions: String,
}

impl Journal {
    /// Whether that run filled `table`, which was empty.
    pub fn filled(&self, table: &QualifiedName) -> bool {
        self.copied.contains(table) && !self.appended.contains(table)
    }
}

/// What a target database was when the earlier run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalOrigin {
    /// Created by it.
    Created,
    /// There, and without user objects.
    Empty,
    /// There, with user objects.
    Filled,
}
