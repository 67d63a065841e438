//! Server versions, and what each major brought.

use std::fmt;

/// A server's version: its `server_version_num`, such as 150018 for 15.18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion(pub u32);

impl ServerVersion {
    /// The major: 15 for 15.18.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// Extensions can be trusted (13).
    pub fn trusts_extensions(self) -> bool {
        self.major() >= 13
    }

    /// Triggers of partitions name the trigger that they are clones of (13).
    pub fn tells_parents_of_triggers(self) -> bool {
        self.major() >= 13
    }

    /// Publications can publish partitions as their root (13).
    pub fn publishes_via_root(self) -> bool {
        self.major() >= 13
    }

    /// Extended statistics have a target of their own (13).
    pub fn has_targets_of_statistics(self) -> bool {
        self.major() >= 13
    }

    /// `max_slot_wal_keep_size` exists, and slots have a `wal_status` (13).
    pub fn limits_wal_of_slots(self) -> bool {
        self.major() >= 13
    }

    /// Columns can choose their compression (14).
    pub fn compresses_columns(self) -> bool {
        self.major() >= 14
    }

    /// A partition can be detached while its parent is in use, in two steps (14).
    pub fn detaches_concurrently(self) -> bool {
        self.major() >= 14
    }

    /// Every range type has a multirange type (14).
    pub fn has_multiranges(self) -> bool {
        self.major() >= 14
    }

    /// Types can have a subscripting function (14).
    pub fn has_subscripting_functions(self) -> bool {
        self.major() >= 14
    }

    /// Functions can have a body that is parsed when they are created (14).
    pub fn has_sql_bodies(self) -> bool {
        self.major() >= 14
    }

    /// Extended statistics can be about expressions (14).
    pub fn has_statistics_on_expressions(self) -> bool {
        self.major() >= 14
    }

    /// `idle_session_timeout` exists (14).
    pub fn has_idle_session_timeout(self) -> bool {
        self.major() >= 14
    }

    /// A range of `ctid` is read without the rest of its table (14).
    pub fn scans_ctid_ranges(self) -> bool {
        self.major() >= 14
    }

    /// Arrays and composite values of types that somebody made are received in binary, although OIDs of types are sent with them
    /// (14); before, they had to be the receiver's.
    pub fn receives_foreign_oids(self) -> bool {
        self.major() >= 14
    }

    /// Subscriptions can have `streaming`, and publishers send what it wants (14).
    pub fn streams_large_transactions(self) -> bool {
        self.major() >= 14
    }

    /// Everybody may read `pg_subscription.oid` (14).
    pub fn shows_oid_of_subscriptions(self) -> bool {
        self.major() >= 14
    }

    /// Unique indexes may take nulls for equal (15).
    pub fn compares_nulls_in_unique_indexes(self) -> bool {
        self.major() >= 15
    }

    /// Sequences can be unlogged (15).
    pub fn has_unlogged_sequences(self) -> bool {
        self.major() >= 15
    }

    /// Publications have schemas, column lists and row filters (15).
    pub fn filters_publications(self) -> bool {
        self.major() >= 15
    }

    /// Parameters can be granted (15).
    pub fn grants_parameters(self) -> bool {
        self.major() >= 15
    }

    /// Databases have a locale provider (15).
    pub fn has_locale_providers(self) -> bool {
        self.major() >= 15
    }

    /// Schema `public` of a new database is the database owner's (15); before, the superuser's.
    pub fn gives_public_to_database_owner(self) -> bool {
        self.major() >= 15
    }

    /// `pg_stat_subscription_stats` counts failures (15).
    pub fn counts_subscription_errors(self) -> bool {
        self.major() >= 15
    }

    /// `pg_create_subscription` exists (16).
    pub fn grants_subscriptions(self) -> bool {
        self.major() >= 16
    }

    /// A subscription writes with the rights of each table's owner, unless told otherwise (16); before, with those of its own.
    pub fn applies_as_owner(self) -> bool {
        self.major() >= 16
    }

    /// The launcher remembers for each subscription when it last started a worker (16); before, it starts none within
    /// `wal_retrieve_retry_interval` of any other.
    pub fn starts_workers_one_by_one(self) -> bool {
        self.major() >= 16
    }

    /// Memberships carry INHERIT and SET (16).
    pub fn qualifies_memberships(self) -> bool {
        self.major() >= 16
    }

    /// Databases have ICU rules (16).
    pub fn has_icu_rules(self) -> bool {
        self.major() >= 16
    }

    /// A user with CREATEROLE may give CREATEDB, REPLICATION and BYPASSRLS if it has them itself (16); before, CREATEDB
    /// always and the others never.
    pub fn grants_own_attributes(self) -> bool {
        self.major() >= 16
    }

    /// The privilege MAINTAIN exists (17).
    pub fn has_maintain(self) -> bool {
        self.major() >= 17
    }

    /// Partitioned tables can have an access method (17).
    pub fn has_access_method_of_partitioned_tables(self) -> bool {
        self.major() >= 17
    }

    /// The setting `event_triggers` can switch event triggers off (17).
    pub fn can_switch_event_triggers_off(self) -> bool {
        self.major() >= 17
    }

    /// `transaction_timeout` exists (17).
    pub fn has_transaction_timeout(self) -> bool {
        self.major() >= 17
    }

    /// The locale of every provider is in `datlocale` (17).
    pub fn has_one_locale_column(self) -> bool {
        self.major() >= 17
    }

    /// `pg_replication_slots.invalidation_reason` exists (17).
    pub fn tells_why_slots_are_lost(self) -> bool {
        self.major() >= 17
    }

    /// NOT NULL is a constraint with a name (18).
    pub fn has_named_not_null_constraints(self) -> bool {
        self.major() >= 18
    }

    /// Constraints can be NOT ENFORCED (18).
    pub fn has_unenforced_constraints(self) -> bool {
        self.major() >= 18
    }

    /// Publications can publish generated columns (18).
    pub fn publishes_generated_columns(self) -> bool {
        self.major() >= 18
    }

    /// Replication origins are limited by `max_active_replication_origins`, no longer by `max_replication_slots` (18).
    pub fn limits_origins_apart(self) -> bool {
        self.major() >= 18
    }

    /// UPDATE and DELETE fail on a published table whose replica identity holds a generated column, which is not published
    /// unasked (18).
    pub fn refuses_generated_identities(self) -> bool {
        self.major() >= 18
    }

    /// Statistics of tables can be restored (18).
    pub fn restores_statistics(self) -> bool {
        self.major() >= 18
    }

    /// Partitioned tables can be analyzed without their partitions (18).
    pub fn analyzes_roots_alone(self) -> bool {
        self.major() >= 18
    }

    /// Whoever logs in with a password that is stored with MD5 is told that this will end (18).
    pub fn deprecates_md5(self) -> bool {
        self.major() >= 18
    }

    /// `wal_level = replica` suffices for logical decoding (19).
    pub fn decodes_on_demand(self) -> bool {
        self.major() >= 19
    }
}

/// Shows `15.18`.
impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.0 % 10_000)
    }
}
