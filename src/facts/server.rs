//! One server: version, settings, the connected user, roles, databases, slots.

use std::collections::{BTreeMap, BTreeSet};

use super::{Probe, ServerVersion};
use crate::conninfo::Secret;
use crate::sql::Ident;

/// One server as seen from its maintenance database.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// Where we are connected, for messages: `host:port` or the socket's path.
    pub endpoint: String,
    /// Host and port as the user wrote them; equal ones on both sides mean the same server.
    pub address: String,
    /// The database this was seen from.
    pub maintenance_database: String,
    /// Its version.
    pub version: ServerVersion,
    /// `pg_control_system().system_identifier`; `None` when the server does not let us read it.
    pub system_identifier: Option<i64>,
    /// `pg_postmaster_start_time()` as seconds since 1970: with the identifier, it tells one server under two names from a copy of it.
    pub start_time: Option<String>,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// `default_transaction_read_only` for our role, before our sessions switch it off.
    pub read_only: bool,
    /// Settings that limit a migration.
    pub settings: ServerSettings,
    /// Who we are.
    pub user: User,
    /// All roles that users made, by name.
    pub roles: Vec<Role>,
    /// Names of the other roles: the one that initialised the server, and the predefined ones.
    pub system_roles: BTreeSet<String>,
    /// Who is a member of what, among `roles`; either of the two may also be a predefined role, such as `pg_monitor`.
    pub memberships: Vec<Membership>,
    /// Who was granted what on configuration parameters.
    pub parameter_privileges: Vec<ParameterPrivilege>,
    /// What `ALTER ROLE ALL SET` has set for every role in every database, as `name=value`.
    pub settings_of_all: Vec<String>,
    /// All databases, templates included, by name.
    pub databases: Vec<DatabaseEntry>,
    /// All replication slots.
    pub slots: Vec<Slot>,
    /// WAL senders running now.
    pub wal_senders: i64,
    /// Client connections open now.
    pub connections: i64,
    /// Our subscriptions: name and database.
    pub subscriptions: Vec<(String, String)>,
    /// Transactions that a new slot would have to wait for.
    pub blockers: Vec<Blocker>,
    /// Extensions that may be installed.
    pub available_extensions: Vec<AvailableExtension>,
    /// `extwlist.extensions`: what a user without superuser may install; `None` where the module is not loaded.
    pub extension_allow_list: Option<Vec<String>>,
    /// Aiven's gatekeeper, where it is on.
    pub gatekeeper: Option<Gatekeeper>,
    /// Does it accept a `replication=database` connection from here? Tried on the source.
    pub replication_connection: Probe,
    /// May we create a logical slot? Tried with a temporary one on the source, when nothing blocks it.
    pub slot_creation: Probe,
    /// May we create a subscription? Tried in a rolled-back transaction on the target.
    pub subscription: Probe,
}

impl ServerFacts {
    /// The database of that name.
    pub fn database(&self, name: &str) -> Option<&DatabaseEntry> {
        self.databases.iter().find(|entry| entry.name == name)
    }

    /// The replication slot of that name.
    pub fn slot(&self, name: &Ident) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == name.as_str())
    }

    /// Whether it has a role of that name.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name == name) || self.system_roles.contains(name)
    }

    /// Whether a role is a superuser. Of the system's own roles only the one of initdb is.
    pub fn is_superuser(&self, name: &str) -> bool {
        match self.roles.iter().find(|role| role.name == name) {
            Some(role) => role.superuser,
            None => self.system_roles.contains(name) && !name.starts_with("pg_"),
        }
    }

    /// The extension of that name, if it may be installed.
    pub fn available_extension(&self, name: &str) -> Option<&AvailableExtension> {
        self.available_extensions.iter().find(|extension| extension.name == name)
    }

    /// Whether our user may install `extension` in a database where it may create objects.
    pub fn may_install(&self, extension: &AvailableExtension) -> bool {
        self.user.administrator()
            || extension.trusted
            || !extension.superuser
            || self.extension_allow_list.as_ref().is_some_and(|allowed| allowed.contains(&extension.name))
    }

    /// Client connections that may still be opened.
    pub fn free_connections(&self) -> i64 {
        let own = self.roles.iter().find(|role| role.name == self.user.name && !role.superuser);
        let limit = own.map(|role| i64::from(role.connection_limit)).filter(|limit| *limit >= 0);
        let free = self.settings.usable_connections - self.connections;
        limit.map_or(free, |limit| free.min(limit)).max(0)
    }
}

/// Settings of one server, in their own units.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `wal_level`; from 19 on `effective_wal_level` where it is higher.
    pub wal_level: String,
    /// `max_replication_slots`
    pub max_replication_slots: i64,
    /// `max_wal_senders`
    pub max_wal_senders: i64,
    /// `max_logical_replication_workers`
    pub max_logical_replication_workers: i64,
    /// `max_worker_processes`
    pub max_worker_processes: i64,
    /// `max_sync_workers_per_subscription`
    pub max_sync_workers_per_subscription: i64,
    /// `max_active_replication_origins` from 18 on, below it `max_replication_slots`.
    pub max_origins: i64,
    /// `max_connections` less what is reserved for superusers and `pg_use_reserved_connections`.
    pub usable_connections: i64,
    /// `max_slot_wal_keep_size` in MB, -1 for no limit; `None` below 13.
    pub max_slot_wal_keep_mb: Option<i64>,
    /// What the server has for building indexes.
    pub memory: MemorySettings,
    /// Settings by which parameters of statements reach the server's log, with their values.
    pub log_parameters: BTreeMap<String, String>,
    /// What extensions that watch statements write down.
    pub watchers: Watchers,
}

/// What extensions that watch statements write down for our user.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    /// Whether pg_stat_statements keeps the text of definitions that other statements run (`track`, `track_utility`).
    pub keeps_nested: bool,
    /// `pgaudit.log`, where pgaudit is loaded.
    pub audited: Option<String>,
    /// `pgaudit.log_parameter`
    pub audits_parameters: bool,
}

impl Watchers {
    /// Whether pgaudit logs statements of a class, such as `ddl`: the last word about it counts.
    pub fn audits(&self, class: &str) -> bool {
        let words = self.audited.iter().flat_map(|list| list.split(',')).map(|word| word.trim().to_ascii_lowercase());
        words.fold(false, |audits, word| match word.strip_prefix('-') {
            Some(not) => audits && not != class && not != "all",
            None if word == "none" => false,
            None => audits || word == class || word == "all",
        })
    }
}

/// What a server has for building indexes, as its administrator says.
#[derive(Clone, Debug, Default)]
pub struct MemorySettings {
    /// `shared_buffers`, in kB.
    pub shared_buffers_kb: i64,
    /// `effective_cache_size`, in kB.
    pub effective_cache_size_kb: i64,
    /// `maintenance_work_mem`, in kB.
    pub maintenance_work_mem_kb: i64,
    /// `max_parallel_maintenance_workers`
    pub max_parallel_maintenance_workers: i64,
    /// `max_parallel_workers`
    pub max_parallel_workers: i64,
}

/// The user of our connections.
#[derive(Clone, Debug)]
pub struct User {
    /// `current_user`
    pub name: String,
    /// `rolsuper`
    pub superuser: bool,
    /// `rolcreatedb`
    pub create_database: bool,
    /// `rolcreaterole`
    pub create_role: bool,
    /// `rolreplication`, or membership in a provider's replication role (`rds_replication`).
    pub replication: bool,
    /// `rolbypassrls`
    pub bypass_rls: bool,
    /// Roles that it may become and whose rights it has, itself included: `pg_has_role(…, 'MEMBER')`, from 16 on `'SET'`,
    /// and `'USAGE'`.
    pub member_of: Vec<String>,
    /// May set `session_replication_role`: superuser, or by a grant on the parameter. Tried.
    pub session_replication_role: bool,
    /// Parameters that it may not set, of those that the server knows.
    pub forbidden_settings: BTreeSet<String>,
}

impl User {
    /// Whether it may do what catalogs reserve to superusers and managed services allow their customers' administrators:
    /// install any extension on offer, create event triggers.
    pub fn administrator(&self) -> bool {
        self.superuser || self.member_of.iter().any(|role| super::provider::is_admin(role))
    }
}

/// One role.
#[derive(Clone, Debug)]
pub struct Role {
    /// `rolname`
    pub name: String,
    /// `rolsuper`
    pub superuser: bool,
    /// `rolinherit`
    pub inherit: bool,
    /// `rolcreaterole`
    pub create_role: bool,
    /// `rolcreatedb`
    pub create_database: bool,
    /// `rolcanlogin`
    pub login: bool,
    /// `rolreplication`
    pub replication: bool,
    /// `rolbypassrls`
    pub bypass_rls: bool,
    /// `rolconnlimit`, -1 for none.
    pub connection_limit: i32,
    /// `rolvaliduntil` as ISO text with its time zone, or `infinity`.
    pub valid_until: Option<String>,
    /// The stored verifier, where we may read `pg_authid`.
    pub verifier: Option<Secret>,
    /// Whether we may read it and it is not there: the role logs in by other means than a password, or not at all.
    pub without_password: bool,
    /// Whether that verifier is of the MD5 method.
    pub md5: bool,
    /// Settings for all databases, as `name` and `value`.
    pub settings: Vec<(String, String)>,
    /// Its comment.
    pub comment: Option<String>,
    /// Its security labels.
    pub labels: Vec<SecurityLabel>,
}

/// A row of `pg_shseclabel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityLabel {
    /// Who understands it.
    pub provider: String,
    /// What it says.
    pub label: String,
}

/// `GRANT role TO member`, by whomever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// What was granted.
    pub role: String,
    /// To whom.
    pub member: String,
    /// WITH ADMIN.
    pub admin: bool,
    /// WITH INHERIT; `None` below 16.
    pub inherit: Option<bool>,
    /// WITH SET; `None` below 16.
    pub set: Option<bool>,
}

/// One row of `pg_database`.
#[derive(Clone, Debug)]
pub struct DatabaseEntry {
    /// `datname`
    pub name: String,
    /// Its owner's name.
    pub owner: String,
    /// Encoding's name, such as `UTF8`.
    pub encoding: String,
    /// Who sorts and compares text.
    pub provider: LocaleProvider,
    /// `datcollate`
    pub collate: String,
    /// `datctype`
    pub ctype: String,
    /// `datlocale` (17), `daticulocale` (15 and 16): the locale of providers other than libc.
    pub locale: Option<String>,
    /// `daticurules` (16).
    pub icu_rules: Option<String>,
    /// `datallowconn`, and not marked invalid by an interrupted DROP DATABASE.
    pub connectable: bool,
    /// `datistemplate`
    pub template: bool,
    /// `pg_database_size` in bytes; 0 where we may not ask.
    pub bytes: i64,
    /// What was said of it since it was created.
    pub properties: DatabaseProperties,
}

impl DatabaseEntry {
    /// Whether its text can be converted to UTF-8: it has an encoding, and the server a conversion.
    pub fn converts_to_utf8(&self) -> bool {
        !matches!(self.encoding.as_str(), "SQL_ASCII" | "MULE_INTERNAL")
    }
}

/// What COMMENT, GRANT and ALTER DATABASE say of a database as a whole; no schema archive holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseProperties {
    /// Its comment.
    pub comment: Option<String>,
    /// `datconnlimit`, where there is a limit.
    pub connection_limit: Option<i32>,
    /// `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET`.
    pub settings: Vec<DatabaseSetting>,
    /// Its security labels.
    pub labels: Vec<SecurityLabel>,
    /// What roles other than the owner may do; `None` while nobody has granted or revoked anything.
    pub privileges: Option<Vec<DatabasePrivilege>>,
}

/// A parameter's value for sessions in one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSetting {
    /// Whose sessions; `None`: everybody's.
    pub role: Option<String>,
    /// The parameter.
    pub name: String,
    /// Its value, as the catalog has it.
    pub value: String,
}

/// A privilege on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabasePrivilege {
    /// Who has it; `None`: PUBLIC.
    pub grantee: Option<String>,
    /// `CONNECT`, `CREATE` or `TEMPORARY`.
    pub privilege: String,
    /// WITH GRANT OPTION.
    pub grantable: bool,
}

/// `datlocprovider` (15); older servers only know libc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocaleProvider {
    /// The C library.
    Libc,
    /// ICU (15).
    Icu,
    /// PostgreSQL's own (17).
    Builtin,
}

/// One replication slot.
#[derive(Clone, Debug)]
pub struct Slot {
    /// `slot_name`
    pub name: String,
    /// Database of a logical slot.
    pub database: Option<String>,
    /// Whether somebody streams from it.
    pub active: bool,
}

/// A transaction that a new logical slot waits for: it has a transaction ID and was there before.
#[derive(Clone, Debug)]
pub struct Blocker {
    /// `pid 1234 (app@shop, idle in transaction)`, or `prepared transaction 'gid'`.
    pub who: String,
    /// Whether it is a prepared transaction, which no disconnect ends.
    pub prepared: bool,
    /// Seconds since it began.
    pub seconds: i64,
    /// The statement that ends it.
    pub cure: String,
}

/// One row of `pg_available_extension_versions`, all versions together.
#[derive(Clone, Debug)]
pub struct AvailableExtension {
    /// Its name.
    pub name: String,
    /// Version that a plain CREATE EXTENSION installs.
    pub default_version: String,
    /// All versions that can be installed.
    pub versions: Vec<String>,
    /// Whether the default version may be installed by anybody with CREATE on the database (13).
    pub trusted: bool,
    /// Whether it needs superuser otherwise.
    pub superuser: bool,
}

/// Aiven's security agent, which refuses superuser roles that it does not know.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    /// `aiven.pg_security_agent_reserved_roles`
    pub reserved_roles: Vec<String>,
}

/// A privilege on a configuration parameter (15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterPrivilege {
    /// The parameter's name, in small letters.
    pub parameter: String,
    /// Whom it was granted to; `None`: PUBLIC.
    pub grantee: Option<String>,
    /// `SET` or `ALTER SYSTEM`
    pub privilege: String,
    /// Whether the grantee may grant it, too.
    pub grantable: bool,
}
