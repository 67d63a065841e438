//! One server, asked in its maintenance database.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::{parameters, roles};
use crate::facts::{
    AvailableExtension, Blocker, DatabaseEntry, DatabasePrivilege, DatabaseProperties, DatabaseSetting, Gatekeeper,
    LocaleProvider, MemorySettings, Probe, ServerFacts, ServerSettings, ServerVersion, Side, Slot, User, Watchers,
};
use crate::pg::{Client, PgError, Server};
use crate::sql::names::PREFIX;

/// Everything about the server that does not depend on a database.
pub(super) async fn inspect(server: &Server) -> Result<ServerFacts, PgError> {
    let client = server.connect(server.maintenance_database()).await?;
    let (state, settings, user) = tokio::try_join!(state(&client), settings(&client), roles::user(&client))?;
    let (roles, system_roles, memberships, parameter_privileges, databases, slots) = tokio::try_join!(
        roles::roles(&client),
        roles::system_roles(&client),
        roles::memberships(&client),
        parameters::privileges(&client),
        databases(&client),
        slots(&client)
    )?;
    let (blockers, available_extensions) = match server.side() {
        Side::Source => (blockers(&client).await?, Vec::new()),
        Side::Target => (Vec::new(), available_extensions(&client).await?),
    };
    let session_replication_role = may_set_replication_role(&client).await;
    Ok(ServerFacts {
        endpoint: client.endpoint().to_owned(),
        address: server.conninfo().hosts().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        maintenance_database: client.database().to_owned(),
        version: client.version(),
        system_identifier: state.system_identifier,
        start_time: state.start_time,
        in_recovery: state.in_recovery,
        read_only: state.read_only,
        wal_senders: state.wal_senders,
        connections: state.connections,
        extension_allow_list: state.extension_allow_list,
        gatekeeper: state.gatekeeper,
        settings,
        user: User { session_replication_role, ..user },
        roles,
        system_roles,
        memberships,
        parameter_privileges,
        settings_of_all: state.settings_of_all,
        databases,
        slots,
        subscriptions: state.subscriptions,
        blockers,
        available_extensions,
        replication_connection: Probe::Untried,
        slot_creation: Probe::Untried,
        subscription: Probe::Untried,
    })
}

struct State {
    system_identifier: Option<i64>,
    start_time: Option<String>,
    in_recovery: bool,
    read_only: bool,
    wal_senders: i64,
    connections: i64,
    extension_allow_list: Option<Vec<String>>,
    gatekeeper: Option<Gatekeeper>,
    settings_of_all: Vec<String>,
    subscriptions: Vec<(String, String)>,
}

/// Our sessions switch `default_transaction_read_only` off; `reset_val` is what the server and the role say.
/// The start time as a number, because the two roles' sessions may be in different time zones.
/// `pg_stat_database` counts all sessions for everybody; `pg_stat_activity` hides those of other users.
const STATE: &str = "
select pg_catalog.pg_is_in_recovery(),
       (select reset_val = 'on' from pg_catalog.pg_settings where name = 'default_transaction_read_only'),
       extract(epoch from pg_catalog.pg_postmaster_start_time())::text,
       (select count(*) from pg_catalog.pg_stat_replication),
       (select sum(numbackends)::bigint from pg_catalog.pg_stat_database),
       pg_catalog.current_setting('extwlist.extensions', true),
       pg_catalog.current_setting('aiven.pg_security_agent', true),
       pg_catalog.current_setting('aiven.pg_security_agent_reserved_roles', true),
       coalesce((select setconfig from pg_catalog.pg_db_role_setting where setrole = 0 and setdatabase = 0), '{}'),
       array(select part.text
             from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid
             cross join unnest(array[s.subname::text, d.datname::text]) with ordinality part(text, position)
             where pg_catalog.starts_with(s.subname::text, $1) order by s.subname, d.datname, part.position)";

async fn state(client: &Client) -> Result<State, PgError> {
    let row = client.one("read the server's state", STATE, &[(&PREFIX, Type::TEXT)]).await?;
    // Some providers revoke the function; the address then has to tell servers apart.
    let identifier = "select system_identifier from pg_catalog.pg_control_system()";
    let system_identifier = match client.one("read the system identifier", identifier, &[]).await {
        Ok(row) => Some(client.get(&row, 0)?),
        Err(error) if error.is_refusal() => None,
        Err(error) => return Err(error),
    };
    let agent: Option<String> = client.get(&row, 6)?;
    let reserved: Option<String> = client.get(&row, 7)?;
    Ok(State {
        system_identifier,
        in_recovery: client.get(&row, 0)?,
        read_only: client.get(&row, 1)?,
        start_time: client.get(&row, 2)?,
        wal_senders: client.get(&row, 3)?,
        connections: client.get::<Option<i64>>(&row, 4)?.unwrap_or(0),
        extension_allow_list: client.get::<Option<String>>(&row, 5)?.map(|list| split_list(&list)),
        gatekeeper: agent
            .filter(|agent| agent == "on")
            .map(|_| Gatekeeper { reserved_roles: split_list(&reserved.unwrap_or_default()) }),
        settings_of_all: client.get(&row, 8)?,
        subscriptions: client
            .get::<Vec<String>>(&row, 9)?
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect(),
    })
}

fn split_list(list: &str) -> Vec<String> {
    list.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// `effective_wal_level` (19) says what logical decoding on demand made of `wal_level`.
const SETTINGS: &str = "
select name, setting from pg_catalog.pg_settings
where name in ('wal_level', 'effective_wal_level', 'max_replication_slots', 'max_wal_senders',
               'max_logical_replication_workers', 'max_worker_processes', 'max_sync_workers_per_subscription',
               'max_active_replication_origins', 'max_connections', 'superuser_reserved_connections',
               'reserved_connections', 'max_slot_wal_keep_size', 'shared_buffers', 'effective_cache_size',
               'maintenance_work_mem', 'max_parallel_maintenance_workers', 'max_parallel_workers',
               'log_parameter_max_length', 'log_statement', 'log_min_duration_statement', 'log_min_duration_sample',
               'log_statement_sample_rate', 'log_transaction_sample_rate',
               'pg_stat_statements.track', 'pg_stat_statements.track_utility', 'pgaudit.log', 'pgaudit.log_parameter')";

/// In which `shared_buffers` and `effective_cache_size` are counted (`BLCKSZ`).
const PAGE_KB: i64 = 8;

async fn settings(client: &Client) -> Result<ServerSettings, PgError> {
    let mut found = BTreeMap::new();
    for row in client.query("read the server's settings", SETTINGS, &[]).await? {
        found.insert(client.get::<String>(&row, 0)?, client.get::<String>(&row, 1)?);
    }
    let number = |name: &str| found.get(name).and_then(|value| value.parse::<i64>().ok());
    let or_zero = |name: &str| number(name).unwrap_or(0);
    let text = |name: &str| found.get(name).cloned();
    Ok(ServerSettings {
        wal_level: text("effective_wal_level").or_else(|| text("wal_level")).unwrap_or_default(),
        max_replication_slots: or_zero("max_replication_slots"),
        max_wal_senders: or_zero("max_wal_senders"),
        max_logical_replication_workers: or_zero("max_logical_replication_workers"),
        max_worker_processes: or_zero("max_worker_processes"),
        max_sync_workers_per_subscription: or_zero("max_sync_workers_per_subscription"),
        max_origins: number("max_active_replication_origins").unwrap_or_else(|| or_zero("max_replication_slots")),
        usable_connections: or_zero("max_connections")
            - or_zero("superuser_reserved_connections")
            - or_zero("reserved_connections"),
        max_slot_wal_keep_mb: number("max_slot_wal_keep_size"),
        memory: MemorySettings {
            shared_buffers_kb: or_zero("shared_buffers") * PAGE_KB,
            effective_cache_size_kb: or_zero("effective_cache_size") * PAGE_KB,
            maintenance_work_mem_kb: or_zero("maintenance_work_mem"),
            max_parallel_maintenance_workers: or_zero("max_parallel_maintenance_workers"),
            max_parallel_workers: or_zero("max_parallel_workers"),
        },
        log_parameters: log_parameters(&found),
        watchers: Watchers {
            keeps_nested: text("pg_stat_statements.track").is_some_and(|it| it == "all")
                && text("pg_stat_statements.track_utility").is_some_and(|it| it == "on"),
            audited: text("pgaudit.log"),
            audits_parameters: text("pgaudit.log_parameter").is_some_and(|it| it == "on"),
        },
    })
}

/// Those of `settings` that are set so that some statements are logged with their parameters.
fn log_parameters(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|it| it == value);
    let logs = |name: &str| match name {
        "log_statement" => is(name, "all"),
        "log_min_duration_statement" => !is(name, "-1"),
        "log_min_duration_sample" => !is(name, "-1") && !is("log_statement_sample_rate", "0"),
        "log_transaction_sample_rate" => !is(name, "0"),
        _ => false,
    };
    // 13 and later.
    if is("log_parameter_max_length", "0") {
        return BTreeMap::new();
    }
    settings.iter().filter(|(name, _)| logs(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Besides superusers those may who were granted SET on the parameter (15), or whom the provider's own code lets: only trying
/// tells.
async fn may_set_replication_role(client: &Client) -> bool {
    let attempt = "begin; set local session_replication_role = replica; rollback";
    let allowed = client.run("try session_replication_role", attempt).await.is_ok();
    if !allowed {
        drop(client.run("end the attempt", "rollback").await);
    }
    allowed
}

/// `datconnlimit = -2` marks a database whose DROP was interrupted; no connection to it is possible. Minors of 11 to 15
/// brought it, late in 2023.
macro_rules! databases {
    ($locale:literal) => {
        concat!(
            "
select d.datname::text, pg_catalog.pg_get_userbyid(d.datdba)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text,
       d.datcollate::text, d.datctype::text, ",
            $locale,
            ",
       d.datallowconn and d.datconnlimit <> -2, d.datistemplate,
       case when pg_catalog.has_database_privilege(d.oid, 'CONNECT')
                 or pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            then pg_catalog.pg_database_size(d.oid) else 0 end,
       pg_catalog.shobj_description(d.oid, 'pg_database'), nullif(d.datconnlimit, -1),
       array(select part.text
             from pg_catalog.pg_db_role_setting s
             left join pg_catalog.pg_roles r on r.oid = s.setrole
             cross join unnest(s.setconfig) with ordinality c(setting, rank)
             cross join unnest(array[coalesce(r.rolname::text, ''), c.setting]) with ordinality part(text, position)
             where s.setdatabase = d.oid order by s.setrole, c.rank, part.position),
       case when d.datacl is not null then array(
             select part.text
             from pg_catalog.aclexplode(d.datacl) a
             left join pg_catalog.pg_roles g on g.oid = a.grantee
             cross join unnest(array[coalesce(g.rolname::text, ''), a.privilege_type, a.is_grantable::text])
                 with ordinality part(text, position)
             where a.grantee <> d.datdba order by a.grantee, a.privilege_type, a.is_grantable, part.position) end,
       array(select part.text
             from pg_catalog.pg_shseclabel l
             cross join unnest(array[l.provider, l.label]) with ordinality part(text, position)
             where l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass and l.objoid = d.oid
             order by l.provider, part.position)
from pg_catalog.pg_database d order by d.datname"
        )
    };
}

fn databases_query(version: ServerVersion) -> &'static str {
    if version.has_one_locale_column() {
        databases!("d.datlocprovider::text, d.datlocale::text, d.daticurules::text")
    } else if version.has_icu_rules() {
        databases!("d.datlocprovider::text, d.daticulocale::text, d.daticurules::text")
    } else if version.has_locale_providers() {
        databases!("d.datlocprovider::text, d.daticulocale::text, null::text")
    } else {
        databases!("'c'::text, null::text, null::text")
    }
}

/// The server's databases, without anything else.
pub(super) async fn list_databases(server: &Server) -> Result<Vec<DatabaseEntry>, PgError> {
    databases(&server.connect(server.maintenance_database()).await?).await
}

async fn databases(client: &Client) -> Result<Vec<DatabaseEntry>, PgError> {
    let rows = client.query("list databases", databases_query(client.version()), &[]).await?;
    rows.iter()
        .map(|row| {
            let provider: String = client.get(row, 5)?;
            Ok(DatabaseEntry {
                name: client.get(row, 0)?,
                owner: client.get(row, 1)?,
                encoding: client.get(row, 2)?,
                collate: client.get(row, 3)?,
                ctype: client.get(row, 4)?,
                provider: match provider.as_str() {
                    "i" => LocaleProvider::Icu,
                    "b" => LocaleProvider::Builtin,
                    _ => LocaleProvider::Libc,
                },
                locale: client.get(row, 6)?,
                icu_rules: client.get(row, 7)?,
                connectable: client.get(row, 8)?,
                template: client.get(row, 9)?,
                bytes: client.get(row, 10)?,
                properties: DatabaseProperties {
                    comment: client.get(row, 11)?,
                    connection_limit: client.get(row, 12)?,
                    settings: client
                        .get::<Vec<String>>(row, 13)?
                        .chunks_exact(2)
                        .filter_map(database_setting)
                        .collect(),
                    privileges: client
                        .get::<Option<Vec<String>>>(row, 14)?
                        .map(|parts| parts.chunks_exact(3).map(database_privilege).collect()),
                    labels: roles::labels(&client.get::<Vec<String>>(row, 15)?),
                },
            })
        })
        .collect()
}

/// No role has an empty name: it stands for every role.
fn named(role: &str) -> Option<String> {
    (!role.is_empty()).then(|| role.to_owned())
}

fn database_setting(parts: &[String]) -> Option<DatabaseSetting> {
    let (name, value) = parts[1].split_once('=')?;
    Some(DatabaseSetting { role: named(&parts[0]), name: name.to_owned(), value: value.to_owned() })
}

fn database_privilege(parts: &[String]) -> DatabasePrivilege {
    DatabasePrivilege { grantee: named(&parts[0]), privilege: parts[1].clone(), grantable: parts[2] == "true" }
}

async fn slots(client: &Client) -> Result<Vec<Slot>, PgError> {
    let query = "select slot_name::text, database::text, active from pg_catalog.pg_replication_slots order by 1";
    let rows = client.query("list replication slots", query, &[]).await?;
    rows.iter()
        .map(|row| Ok(Slot { name: client.get(row, 0)?, database: client.get(row, 1)?, active: client.get(row, 2)? }))
        .collect()
}

/// Transactions of every database that have an ID: a new slot's snapshot is only consistent after all of them.
/// `backend_xid` of other users is hidden without `pg_read_all_stats`.
const BLOCKERS: &str = "
select pg_catalog.format('pid %s (%s@%s, %s)', pid, usename, datname, state), false,
       coalesce(extract(epoch from pg_catalog.clock_timestamp() - xact_start), 0)::bigint,
       pg_catalog.format('SELECT pg_terminate_backend(%s)', pid)
from pg_catalog.pg_stat_activity
where backend_xid is not null and pid <> pg_catalog.pg_backend_pid()
union all
select pg_catalog.format('prepared transaction %L in database %I', gid, database), true,
       extract(epoch from pg_catalog.clock_timestamp() - prepared)::bigint,
       pg_catalog.format('COMMIT PREPARED %L or ROLLBACK PREPARED %L', gid, gid)
from pg_catalog.pg_prepared_xacts
order by 3 desc";

async fn blockers(client: &Client) -> Result<Vec<Blocker>, PgError> {
    let rows = client.query("list open transactions", BLOCKERS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Blocker {
                who: client.get(row, 0)?,
                prepared: client.get(row, 1)?,
                seconds: client.get(row, 2)?,
                cure: client.get(row, 3)?,
            })
        })
        .collect()
}

macro_rules! extensions {
    ($trusted:literal) => {
        concat!(
            "
select e.name::text, e.default_version,
       pg_catalog.array_agg(v.version order by v.version),
       coalesce(pg_catalog.bool_or(v.superuser) filter (where v.version = e.default_version), true),
       ",
            $trusted,
            "
from pg_catalog.pg_available_extensions() e(name, default_version, comment)
join pg_catalog.pg_available_extension_versions() v on v.name = e.name
group by 1, 2 order by 1"
        )
    };
}

async fn available_extensions(client: &Client) -> Result<Vec<AvailableExtension>, PgError> {
    let query = if client.version().trusts_extensions() {
        extensions!("coalesce(pg_catalog.bool_or(v.trusted) filter (where v.version = e.default_version), false)")
    } else {
        extensions!("false")
    };
    let rows = client.query("list available extensions", query, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(AvailableExtension {
                name: client.get(row, 0)?,
                default_version: client.get(row, 1)?,
                versions: client.get(row, 2)?,
                superuser: client.get(row, 3)?,
                trusted: client.get(row, 4)?,
            })
        })
        .collect()
}
