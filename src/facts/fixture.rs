//! A known-good pair of servers: tests change one fact and look at what follows.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::conninfo::Secret;
use crate::sql::{Ident, QualifiedName};

/// Two servers of one major and one database `app`, which is not on the target yet. Nothing is wrong with them.
pub(crate) fn facts() -> Facts {
    let mut source = server("old.example:5432", 1);
    source.databases.push(DatabaseEntry { bytes: 64_000_000, ..entry("app") });
    source.roles = vec![role("app"), role("migrator")];
    source.replication_connection = Probe::Works;
    source.slot_creation = Probe::Works;
    let mut target = server("new.example:5432", 2);
    target.roles = vec![role("migrator")];
    target.subscription = Probe::Works;
    Facts {
        source,
        target,
        databases: vec![pair("app")],
        target_reaches_source: Probe::Works,
        target_lists_source_session: None,
    }
}

/// A database with one table and one sequence, which is not on the target yet.
pub(crate) fn pair(name: &str) -> DatabasePair {
    let database = DatabaseFacts {
        extensions: vec![extension("plpgsql", "1.0")],
        tables: vec![table("orders")],
        types: [(20, builtin("bigint")), (25, builtin("text"))].into(),
        sequences: vec![Sequence {
            name: public("orders_id_seq"),
            extension: None,
            readable: true,
            configuration: false,
        }],
        user_objects: 2,
        public_schema: true,
        publication: Probe::Works,
        owners: ["app".to_owned()].into(),
        ..empty_database()
    };
    DatabasePair { name: name.to_owned(), source: Ok(database), target: None, locale_known: true }
}

/// A database without anything that a user made.
pub(crate) fn empty_database() -> DatabaseFacts {
    DatabaseFacts {
        extensions: vec![extension("plpgsql", "1.0")],
        may_create: true,
        owns_public: true,
        ..DatabaseFacts::default()
    }
}

/// A table in `public` with a primary key.
pub(crate) fn table(name: &str) -> Table {
    let column = |name: &str, type_name: &str, type_id| Column {
        name: Ident::new(name),
        type_name: type_name.to_owned(),
        type_id,
        type_modifier: -1,
        generated: false,
    };
    Table {
        oid: 16_400,
        identity_index: None,
        name: public(name),
        kind: TableKind::Ordinary,
        persistence: Persistence::Permanent,
        ancestors: Vec::new(),
        parent: false,
        load_through: None,
        extension: None,
        configuration: None,
        columns: vec![column("id", "bigint", 20), column("note", "text", 25)],
        replica_identity: ReplicaIdentity::Key,
        row_security: RowSecurity::Off,
        referenced: false,
        owner: "app".to_owned(),
        readable: true,
        owned: true,
        bytes: 8192,
        blocks: 1,
        rows: Some(100),
        indexes: 1,
        has_rows: false,
        replica_triggers: Vec::new(),
        present: true,
    }
}

/// A type of the system.
pub(crate) fn builtin(name: &str) -> DataType {
    DataType { name: name.to_owned(), kind: TypeKind::Base, builtin: true, extension: None, binary: true }
}

/// An installed extension.
pub(crate) fn extension(name: &str, version: &str) -> Extension {
    Extension { name: name.to_owned(), version: version.to_owned(), schema: "public".to_owned() }
}

/// An extension that anybody may install.
pub(crate) fn available(name: &str, version: &str) -> AvailableExtension {
    AvailableExtension {
        name: name.to_owned(),
        default_version: version.to_owned(),
        versions: vec![version.to_owned()],
        trusted: true,
        superuser: true,
    }
}

/// A role that can log in, with a password.
pub(crate) fn role(name: &str) -> Role {
    Role {
        name: name.to_owned(),
        superuser: false,
        inherit: true,
        create_role: false,
        create_database: false,
        login: true,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: None,
        without_password: false,
        verifier: Some(Secret::new("SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy")),
        md5: false,
        settings: Vec::new(),
        comment: None,
        labels: Vec::new(),
    }
}

/// A row of `pg_database`.
pub(crate) fn entry(name: &str) -> DatabaseEntry {
    DatabaseEntry {
        name: name.to_owned(),
        owner: "app".to_owned(),
        encoding: "UTF8".to_owned(),
        provider: LocaleProvider::Libc,
        collate: "C.UTF-8".to_owned(),
        ctype: "C.UTF-8".to_owned(),
        locale: None,
        icu_rules: None,
        connectable: true,
        template: false,
        bytes: 0,
        properties: DatabaseProperties::default(),
    }
}

/// A name in schema `public`.
pub(crate) fn public(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

fn server(address: &str, identifier: i64) -> ServerFacts {
    ServerFacts {
        system_roles: BTreeSet::from(["postgres".to_owned()]),
        endpoint: address.to_owned(),
        address: address.to_owned(),
        maintenance_database: "postgres".to_owned(),
        version: ServerVersion(160_010),
        system_identifier: Some(identifier),
        start_time: Some(format!("2026-10-0{identifier} 08:00:00+00")),
        in_recovery: false,
        read_only: false,
        settings: ServerSettings {
            wal_level: "logical".to_owned(),
            max_replication_slots: 10,
            max_wal_senders: 10,
            max_logical_replication_workers: 4,
            max_worker_processes: 8,
            max_sync_workers_per_subscription: 2,
            max_origins: 10,
            usable_connections: 97,
            max_slot_wal_keep_mb: Some(-1),
            memory: MemorySettings::default(),
            log_parameters: BTreeMap::new(),
            watchers: Watchers::default(),
        },
        user: User {
            name: "migrator".to_owned(),
            superuser: true,
            create_database: true,
            create_role: true,
            replication: true,
            bypass_rls: true,
            member_of: vec!["migrator".to_owned()],
            session_replication_role: true,
            forbidden_settings: BTreeSet::new(),
        },
        roles: Vec::new(),
        memberships: Vec::new(),
        databases: vec![
            DatabaseEntry { template: true, connectable: false, ..entry("template0") },
            DatabaseEntry { template: true, ..entry("template1") },
        ],
        parameter_privileges: Vec::new(),
        settings_of_all: Vec::new(),
        subscriptions: Vec::new(),
        slots: Vec::new(),
        wal_senders: 0,
        connections: 3,
        blockers: Vec::new(),
        available_extensions: vec![available("plpgsql", "1.0")],
        extension_allow_list: None,
        gatekeeper: None,
        replication_connection: Probe::Untried,
        slot_creation: Probe::Untried,
        subscription: Probe::Untried,
    }
}
