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

    /// `max_slot_wal_keep_size`, `wal_status` and `safe_wal_size` exist; extensions can be trusted (13).
    pub fn limits_wal_of_slots(self) -> bool {
        self.major() >= 13
    }

    /// Tid range scans, `idle_session_timeout`, `streaming` and `binary` for subscriptions, `pg_stat_progress_copy` (14).
    pub fn scans_tid_ranges(self) -> bool {
        self.major() >= 14
    }

    /// Everybody may read `pg_subscription.oid` (14).
    pub fn shows_oid_of_subscriptions(self) -> bool {
        self.major() >= 14
    }

    /// Parameters can be granted (15).
    pub fn grants_parameters(self) -> bool {
        self.major() >= 15
    }

    /// Databases have a locale provider; `disable_on_error` for subscriptions (15).
    pub fn has_locale_providers(self) -> bool {
        self.major() >= 15
    }

    /// `pg_create_subscription` exists; memberships carry INHERIT and SET; subscriptions have `origin` and `run_as_owner` (16).
    pub fn grants_subscriptions(self) -> bool {
        self.major() >= 16
    }

    /// A user with CREATEROLE may give CREATEDB, REPLICATION and BYPASSRLS if it has them itself (16); before, CREATEDB
    /// always and the others never.
    pub fn grants_own_attributes(self) -> bool {
        self.major() >= 16
    }

    /// A standby can decode its WAL (16).
    pub fn decodes_on_standby(self) -> bool {
        self.major() >= 16
    }

    /// `transaction_timeout`, `datlocale` and `pg_replication_slots.invalidation_reason` exist (17).
    pub fn has_transaction_timeout(self) -> bool {
        self.major() >= 17
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
