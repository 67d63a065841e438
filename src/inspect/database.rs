//! Inside one database, in one connection; its questions are sent together and answered in turn.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::{
    Interest, Purpose, indexes, materialized_views, members, operator_families, relations, reserved, storage, types,
};
use crate::facts::{
    DatabaseFacts, EventTrigger, Extension, Journal, JournalOrigin, Language, LargeObjects, Moment, Probe, Publication,
    Side, Subscription,
};
use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::names::{JOURNAL_SCHEMA, PREFIX, ReplicationNames};
use crate::sql::{Ident, QualifiedName};

/// All about one database, except whether tables have rows.
pub(super) async fn inspect(client: &Client, interest: Interest<'_>) -> Result<DatabaseFacts, PgError> {
    let Interest { purpose, ours, superuser } = interest;
    let (extensions, languages, members) =
        tokio::try_join!(extensions(client), languages(client), members::members(client))?;
    let (tables, sequences, materialized_views) = tokio::try_join!(
        relations::tables(client, ours, &members),
        relations::sequences(client, &members),
        materialized_views::materialized_views(client),
    )?;
    let (types, event_triggers, publications, subscriptions, storage, summary) = tokio::try_join!(
        types::types(client, &tables),
        event_triggers(client),
        publications(client, ours),
        subscriptions(client),
        storage::storage(client),
        summary(client),
    )?;
    let (publication, reserved, family_additions, large_indexes) = match (client.side(), purpose) {
        (Side::Source, Purpose::Migrate) => {
            let (reserved, additions, large) = tokio::try_join!(
                reserved::reserved(client, superuser),
                operator_families::additions(client),
                indexes::large(client)
            )?;
            (try_publication(client).await?, reserved, additions, large)
        }
        (Side::Source, Purpose::Compare) | (Side::Target, _) => (Probe::Untried, Vec::new(), Vec::new(), Vec::new()),
    };
    let subscribed = if subscriptions.is_empty() { BTreeSet::new() } else { subscribed(client).await? };
    let journal = match client.side() {
        Side::Source => None,
        Side::Target => journal(client).await?,
    };
    Ok(DatabaseFacts {
        extensions,
        languages,
        tables,
        large_indexes,
        types,
        sequences,
        materialized_views,
        event_triggers,
        publications,
        subscriptions,
        subscribed,
        large_objects: summary.large_objects,
        storage,
        owners: summary.owners.into_iter().collect(),
        // Asked for later, and only of extensions that are left out.
        dependents: Vec::new(),
        granted_members: Vec::new(),
        reserved,
        family_additions,
        owns_public: summary.owns_public,
        own_default_privileges: summary.own_default_privileges,
        powerless_owners: summary.powerless_owners,
        unvalidated_domains: summary.unvalidated_domains,
        user_objects: summary.user_objects,
        public_schema: summary.public_schema,
        may_create: summary.may_create,
        publication,
        journal,
    })
}

const EXTENSIONS: &str = "
select e.extname::text, e.extversion, n.nspname::text
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace order by 1";

/// The installed extensions, by name.
pub async fn extensions(client: &Client) -> Result<Vec<Extension>, PgError> {
    let rows = client.query("list extensions", EXTENSIONS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Extension { name: client.get(row, 0)?, version: client.get(row, 1)?, schema: client.get(row, 2)? })
        })
        .collect()
}

const LANGUAGES: &str = "
select l.lanname::text, l.lanpltrusted, e.extname::text,
       l.lanplcallfoid >= $1 and not exists (
           select from pg_catalog.pg_depend m
           where m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and m.objid = l.lanplcallfoid and m.deptype = 'e')
from pg_catalog.pg_language l
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_language'::pg_catalog.regclass and d.objid = l.oid
     and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
left join pg_catalog.pg_extension e on e.oid = d.refobjid
where l.lanispl order by 1";

async fn languages(client: &Client) -> Result<Vec<Language>, PgError> {
    let rows = client.query("list languages", LANGUAGES, &[(&relations::FIRST_USER_OID, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Language {
                name: client.get(row, 0)?,
                trusted: client.get(row, 1)?,
                extension: client.get(row, 2)?,
                own_handler: client.get(row, 3)?,
            })
        })
        .collect()
}

const EVENT_TRIGGERS: &str = "
select t.evtname::text, e.extname::text
from pg_catalog.pg_event_trigger t
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass and d.objid = t.oid
     and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
left join pg_catalog.pg_extension e on e.oid = d.refobjid
order by 1";

async fn event_triggers(client: &Client) -> Result<Vec<EventTrigger>, PgError> {
    let rows = client.query("list event triggers", EVENT_TRIGGERS, &[]).await?;
    rows.iter().map(|row| Ok(EventTrigger { name: client.get(row, 0)?, extension: client.get(row, 1)? })).collect()
}

const PUBLICATIONS: &str = "
select p.pubname::text, p.puballtables, p.pubname in ($1, $2) from pg_catalog.pg_publication p order by 1";

const PUBLISHED: &str = "
select t.schemaname::text, t.tablename::text from pg_catalog.pg_publication_tables t where t.pubname = $1 order by 1, 2";

/// The tables are only asked of our own publications: the view is slow where there are many.
async fn publications(client: &Client, ours: &ReplicationNames) -> Result<Vec<Publication>, PgError> {
    let names = (ours.publication.as_str(), ours.insert_publication.as_str());
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&names.0, Type::TEXT), (&names.1, Type::TEXT)];
    let mut publications = Vec::new();
    for row in client.query("list publications", PUBLICATIONS, parameters).await? {
        let (name, all_tables): (String, bool) = (client.get(&row, 0)?, client.get(&row, 1)?);
        let mut tables = Vec::new();
        if client.get(&row, 2)? {
            for row in client.query("list published tables", PUBLISHED, &[(&name, Type::TEXT)]).await? {
                tables.push(QualifiedName::new(client.get::<String>(&row, 0)?, client.get::<String>(&row, 1)?));
            }
        }
        publications.push(Publication { name, all_tables, tables });
    }
    Ok(publications)
}

const SUBSCRIPTIONS: &str = "
select s.subname::text, s.subenabled, s.subslotname::text
from pg_catalog.pg_subscription s
where s.subdbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
order by 1";

async fn subscriptions(client: &Client) -> Result<Vec<Subscription>, PgError> {
    let rows = client.query("list subscriptions", SUBSCRIPTIONS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Subscription { name: client.get(row, 0)?, enabled: client.get(row, 1)?, slot: client.get(row, 2)? })
        })
        .collect()
}

const SUBSCRIBED: &str = "
select distinct n.nspname::text, c.relname::text
from pg_catalog.pg_subscription_rel r
join pg_catalog.pg_class c on c.oid = r.srrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind <> 'S'";

async fn subscribed(client: &Client) -> Result<BTreeSet<QualifiedName>, PgError> {
    let rows = client.query("list tables of subscriptions", SUBSCRIBED, &[]).await?;
    let name = |row| Ok(QualifiedName::new(client.get::<String>(row, 0)?, client.get::<String>(row, 1)?));
    rows.iter().map(name).collect()
}

struct Summary {
    large_objects: LargeObjects,
    owners: Vec<String>,
    user_objects: i64,
    public_schema: bool,
    may_create: bool,
    owns_public: bool,
    own_default_privileges: bool,
    powerless_owners: bool,
    unvalidated_domains: Vec<String>,
}

/// Objects of users, whatever their class: what no extension brought, the system did not make, and is not our journal.
/// Rows, array and table types come with their table; a sequence of a column too, but it may also have another owner.
const SUMMARY: &str = "
with member as (
    -- What belongs to an extension, or is part of another object: the server itself owns the functions of a range.
    select classid, objid from pg_catalog.pg_depend where deptype in ('e', 'i')
), object(classid, oid, owner) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, c.relowner from pg_catalog.pg_class c
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and c.relpersistence <> 't'
      and not exists (select from pg_catalog.pg_namespace n where n.oid = c.relnamespace and n.nspname = $2)
    union all select 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, nspowner from pg_catalog.pg_namespace
    where nspname <> $2 and nspname !~ '^pg_'
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, proowner from pg_catalog.pg_proc
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typowner from pg_catalog.pg_type
    where typtype in ('d', 'e', 'r') or typtype = 'b' and typelem = 0
    union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, oid, oprowner from pg_catalog.pg_operator
    union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, oid, collowner from pg_catalog.pg_collation
    union all select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, srvowner from pg_catalog.pg_foreign_server
    union all select 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid, evtowner from pg_catalog.pg_event_trigger
    union all select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, oid, cfgowner from pg_catalog.pg_ts_config
    union all select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid, dictowner from pg_catalog.pg_ts_dict
    union all select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid, stxowner from pg_catalog.pg_statistic_ext
    union all select 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid, lomowner
    from pg_catalog.pg_largeobject_metadata
), of_user as (
    select o.* from object o
    where o.oid >= $1 and not exists (select from member m where m.classid = o.classid and m.objid = o.oid)
)
select (select count(*) from pg_catalog.pg_largeobject_metadata),
       array(select distinct pg_catalog.pg_get_userbyid(owner)::text from of_user order by 1),
       (select count(*) from of_user),
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       (select count(*) from pg_catalog.pg_largeobject_metadata m
        where pg_catalog.current_setting('lo_compat_privileges') = 'off'
          and not pg_catalog.pg_has_role(m.lomowner, 'USAGE') and not exists (
              select from pg_catalog.aclexplode(m.lomacl) a
              where a.privilege_type = 'SELECT'
                and (a.grantee = 0 or pg_catalog.pg_has_role(nullif(a.grantee, 0), 'USAGE')))),
       coalesce((select pg_catalog.pg_has_role(nspowner, 'USAGE') from pg_catalog.pg_namespace where nspname = 'public'),
                true),
       exists (select from pg_catalog.pg_default_acl 
               where defaclrole = (select oid from pg_catalog.pg_roles where rolname = current_user)),
       exists (select from pg_catalog.pg_class c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
               where c.relkind in ('r', 'p') and c.relacl is not null and c.oid >= $1
                 and not pg_catalog.has_table_privilege(c.relowner, c.oid, p)),
       pg_catalog.to_regnamespace('public') is not null,
       array(select pg_catalog.format('ALTER DOMAIN %s VALIDATE CONSTRAINT %I', contypid::pg_catalog.regtype, conname)
             from pg_catalog.pg_constraint where contypid <> 0 and not convalidated order by 1)";

async fn summary(client: &Client) -> Result<Summary, PgError> {
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&relations::FIRST_USER_OID, Type::OID), (&JOURNAL_SCHEMA, Type::TEXT)];
    let row = client.one("list owners", SUMMARY, parameters).await?;
    Ok(Summary {
        large_objects: LargeObjects { count: client.get(&row, 0)?, unreadable: client.get(&row, 4)? },
        owners: client.get(&row, 1)?,
        user_objects: client.get(&row, 2)?,
        public_schema: client.get(&row, 8)?,
        unvalidated_domains: client.get(&row, 9)?,
        may_create: client.get(&row, 3)?,
        owns_public: client.get(&row, 5)?,
        own_default_privileges: client.get(&row, 6)?,
        powerless_owners: client.get(&row, 7)?,
    })
}

/// Tries an empty publication, which locks no table, and rolls back. A publication with tables also needs their ownership,
/// which [`crate::facts::Table::owned`] tells.
async fn try_publication(client: &Client) -> Result<Probe, PgError> {
    let probe = Ident::new(format!("{PREFIX}probe"));
    let outcome =
        client.run("try to create a publication", sql!("begin; create publication {}; rollback", probe)).await;
    super::probe::outcome_in_transaction(client, outcome).await
}

const JOURNAL_THERE: &str = "select pg_catalog.to_regclass('_pg_migrate.migration') is not null
    and pg_catalog.to_regclass('_pg_migrate.copied') is not null";

/// A journal by an earlier version of this program has fewer columns.
const JOURNAL: &str = "
select m.migration, m.origin, m.complete, m.large_objects, (pg_catalog.to_jsonb(m) ->> 'system_identifier')::int8,
       pg_catalog.to_jsonb(m) ->> 'moment', pg_catalog.to_jsonb(m) ->> 'transactions'
from _pg_migrate.migration m";

const COPIED: &str = "
select schema_name, table_name, pg_catalog.bool_or(appended) from _pg_migrate.copied group by 1, 2";

async fn journal(client: &Client) -> Result<Option<Journal>, PgError> {
    let row = client.one("look for a journal", JOURNAL_THERE, &[]).await?;
    if !client.get::<bool>(&row, 0)? {
        return Ok(None);
    }
    let rows = client.query("read the journal", JOURNAL, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let origin: String = client.get(row, 1)?;
    let (mut copied, mut appended) = (BTreeSet::new(), BTreeSet::new());
    for row in client.query("read the journal", COPIED, &[]).await? {
        let name = QualifiedName::new(client.get::<String>(&row, 0)?, client.get::<String>(&row, 1)?);
        if client.get(&row, 2)? {
            appended.insert(name.clone());
        }
        copied.insert(name);
    }
    Ok(Some(Journal {
        migration: client.get(row, 0)?,
        origin: match origin.as_str() {
            "created" => JournalOrigin::Created,
            "empty" => JournalOrigin::Empty,
            _ => JournalOrigin::Filled,
        },
        copied,
        appended,
        large_objects: client.get(row, 3)?,
        complete: client.get(row, 2)?,
        moment: match (client.get(row, 4)?, client.get(row, 5)?, client.get(row, 6)?) {
            (Some(system_identifier), Some(time), Some(transactions)) => {
                Some(Moment { system_identifier, time, transactions })
            }
            _ => None,
        },
    }))
}
