//! The target database.

use super::lock::Lock;
use super::{Context, copy, journal, privileges};
use crate::error::{Error, Kind};
use crate::facts::{DatabaseEntry, JournalOrigin, LocaleProvider, Reserved, ServerVersion};
use crate::logger;
use crate::pg::Client;
use crate::plan::{Creation, Initial, Migration, Rights};
use crate::sql;
use crate::sql::names::UNBEGUN;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// Keeps other runs out of the target database, which is created first where there is none.
///
/// A run from another source may have been quicker since we looked: it holds the lock, or has been here and gone. Nothing of
/// what it made is ours.
pub(super) async fn claim(context: &Context, database: &str, migration: &Migration) -> Result<Lock, Error> {
    if let Creation::Create(entry) = &migration.creation {
        create(context, &Ident::new(database), entry, &migration.rights).await?;
        return Lock::take(&context.target, database).await;
    }
    let lock = Lock::take(&context.target, database).await?;
    if journal::run(lock.session()).await? != migration.earlier_run {
        let message = "another run of pg_migrate has worked on this database of the target meanwhile";
        return Err(Error::new(Kind::Failed, message).hint("run again to go on from what it left"));
    }
    Ok(lock)
}

/// Drops and creates again what an earlier, unfinished run created. The lock is a session in the database, and given up for
/// that; a run that comes in between keeps the database from being dropped, or us from locking it.
pub(super) async fn again(context: &Context, database: &str, migration: &Migration, lock: Lock) -> Result<Lock, Error> {
    let Creation::Recreate(entry) = &migration.creation else { return Ok(lock) };
    let name = Ident::new(database);
    if migration.earlier_run.is_some() {
        end_earlier_run(lock.session()).await?;
    }
    drop(lock);
    let server = context.target.connect(context.target.maintenance_database()).await?;
    tracing::info!(target: logger::TARGET, "{}: dropping what an earlier, unfinished run created", logger::database(database));
    server.run(format!("drop database {name}"), sql!("drop database if exists {}", name)).await?;
    create(context, &name, entry, &migration.rights).await?;
    Lock::take(&context.target, database).await
}

/// Makes the target database ready and begins its journal.
pub(super) async fn prepare(context: &Context, database: &str, migration: &Migration) -> Result<(), Error> {
    if let Some(owner) = &migration.rights.lost_database {
        let statement = sql!("alter database {} owner to {}", Ident::new(database), Ident::new(owner));
        context.leave(None, Reserved::Owners, &statement, "the target user cannot give the database away".to_owned());
    }
    if !migration.empty_first.is_empty() {
        let tables: Vec<_> = migration.empty_first.iter().cloned().collect();
        empty(context, database, &tables).await?;
    }
    let client = context.target.connect(database).await?;
    let is_new = matches!(migration.creation, Creation::Create(_) | Creation::Recreate(_));
    let lent = if is_new { Vec::new() } else { privileges::take_back(&client).await? };
    for what in lent {
        tracing::info!(target: logger::TARGET, "{}: taken back: {what}", logger::database(database));
    }
    let origin = match &migration.creation {
        Creation::Create(_) | Creation::Recreate(_) => JournalOrigin::Created,
        Creation::UseEmpty { clean } => {
            if *clean {
                end_earlier_run(&client).await?;
                drop_everything(&client).await?;
            }
            JournalOrigin::Empty
        }
        Creation::UseFilled => JournalOrigin::Filled,
    };
    for initial in &migration.drop_initial {
        let (what, statement) = match initial {
            Initial::SchemaPublic => ("drop schema public", "drop schema if exists public"),
            Initial::ExtensionPlpgsql => ("drop extension plpgsql", "drop extension if exists plpgsql"),
        };
        client.run(what, statement).await?;
    }
    journal::begin(&client, &context.migration, origin).await?;
    context.target.keep(client);
    Ok(())
}

/// Empties what an earlier run filled.
async fn empty(context: &Context, database: &str, tables: &[QualifiedName]) -> Result<(), Error> {
    let client = context.target.connect(database).await?;
    end_earlier_run(&client).await?;
    client.run("empty what an earlier run filled", "begin").await?;
    copy::empty(context, &client, tables).await?;
    client.run("empty what an earlier run filled", "commit").await?;
    context.target.keep(client);
    Ok(())
}

/// Keeps other runs out of a database that an earlier run has copied, and ends what that still has at work in it.
pub(super) async fn claim_again(context: &Context, database: &str, migration: &Migration) -> Result<Lock, Error> {
    let lock = claim(context, database, migration).await?;
    end_earlier_run(lock.session()).await?;
    for what in privileges::take_back(lock.session()).await? {
        tracing::info!(target: logger::TARGET, "{}: taken back: {what}", logger::database(database));
    }
    Ok(lock)
}

/// Ends what an earlier run, which was killed, still has at work in the database: a pg_restore outlives it.
async fn end_earlier_run(client: &Client) -> Result<(), Error> {
    let sessions = sql!(
        "select pg_catalog.pg_terminate_backend(a.pid) \
         from pg_catalog.pg_stat_activity a, {} m \
         where a.datname = pg_catalog.current_database() and a.usename = current_user \
         and a.pid <> pg_catalog.pg_backend_pid() \
         and pg_catalog.right(a.application_name, pg_catalog.length(m.migration) + 1) = ' ' || m.migration",
        journal::table("migration")
    );
    Ok(client.run("end sessions of an earlier run", sessions).await?)
}

async fn create(context: &Context, name: &Ident, entry: &DatabaseEntry, rights: &Rights) -> Result<(), Error> {
    let server = context.target.connect(context.target.maintenance_database()).await?;
    let statement = create_statement(name, entry, server.version());
    server.run(format!("create database {name}"), statement).await?;
    let version = server.version();
    // The next database is created by the same one.
    context.target.keep(server);
    if context.tools.version.major >= 15 && !version.gives_public_to_database_owner() {
        // From 15 on pg_dump takes it that nobody may CREATE in a new schema public, and writes what differs from that.
        let close = "revoke create on schema public from public";
        if rights.owns_public {
            let client = context.target.connect(&entry.name).await?;
            client.run("close schema public", close).await?;
            context.target.keep(client);
        } else if rights.changes_public() {
            let reason = "schema public belongs to somebody else".to_owned();
            context.leave(Some(&entry.name), Reserved::Privileges, &Sql::from(close), reason);
        }
    }
    Ok(())
}

/// From `template0`: only it takes another locale and encoding than its own.
fn create_statement(name: &Ident, entry: &DatabaseEntry, version: ServerVersion) -> Sql {
    let mut statement = sql!(
        "create database {} template template0 encoding {} lc_collate {} lc_ctype {}",
        name,
        Literal::new(&entry.encoding),
        Literal::new(&entry.collate),
        Literal::new(&entry.ctype)
    );
    let provider = match entry.provider {
        LocaleProvider::Libc => "libc",
        LocaleProvider::Icu => "icu",
        LocaleProvider::Builtin => "builtin",
    };
    if version.has_locale_providers() {
        statement = sql!("{} locale_provider {}", statement, provider);
    }
    if let Some(locale) = &entry.locale {
        match entry.provider {
            LocaleProvider::Icu => statement = sql!("{} icu_locale {}", statement, Literal::new(locale)),
            LocaleProvider::Builtin => statement = sql!("{} builtin_locale {}", statement, Literal::new(locale)),
            LocaleProvider::Libc => {}
        }
    }
    if let Some(rules) = &entry.icu_rules {
        statement = sql!("{} icu_rules {}", statement, Literal::new(rules));
    }
    sql!("{} owner {} connection limit {}", statement, Ident::new(&entry.owner), UNBEGUN)
}

/// What an earlier run restored, as DROP takes it: schemas, and what is in `public`, which stays with its owner and
/// privileges. Members of extensions go with nothing but their extension, which stays too. The journal stays until the next
/// one begins: it knows whose the large objects are.
const RESTORED: &str = "
with object(classid, oid) as (
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid from pg_catalog.pg_namespace
    where nspname not in ('information_schema', 'public', '_pg_migrate') and nspname !~ '^pg_'
    union all
    select 'pg_catalog.pg_class'::pg_catalog.regclass, oid from pg_catalog.pg_class
    where relnamespace = pg_catalog.to_regnamespace('public') and relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, oid from pg_catalog.pg_proc
    where pronamespace = pg_catalog.to_regnamespace('public')
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, oid from pg_catalog.pg_type
    where typnamespace = pg_catalog.to_regnamespace('public') and typtype in ('d', 'e', 'r')
)
select case i.type when 'composite type' then 'type' else i.type end, i.identity
from object o, pg_catalog.pg_identify_object(o.classid, o.oid, 0) i
where not exists (select from pg_catalog.pg_depend d
                  where d.classid = o.classid and d.objid = o.oid and d.deptype = 'e')";

/// Drops what an earlier run restored into a database that was empty. One statement each: together they could need more
/// locks than one transaction may hold.
async fn drop_everything(client: &Client) -> Result<(), Error> {
    tracing::info!(target: logger::TARGET, "{}: dropping what an earlier, unfinished run restored", logger::database(client.database()));
    for row in client.query("list what an earlier run restored", RESTORED, &[]).await? {
        let (kind, identity): (String, String) = (client.get(&row, 0)?, client.get(&row, 1)?);
        let (kind, identity) = (Sql::from_catalog(kind), Sql::from_catalog(identity));
        client.run("drop what an earlier run restored", sql!("drop {} if exists {} cascade", kind, identity)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::DatabaseProperties;

    fn entry(provider: LocaleProvider, locale: Option<&str>) -> DatabaseEntry {
        DatabaseEntry {
            name: "My App".to_owned(),
            owner: "app".to_owned(),
            encoding: "UTF8".to_owned(),
            provider,
            collate: "en_US.UTF-8".to_owned(),
            ctype: "C".to_owned(),
            locale: locale.map(str::to_owned),
            icu_rules: None,
            connectable: true,
            template: false,
            bytes: 0,
            properties: DatabaseProperties::default(),
        }
    }

    #[test]
    fn the_locale_of_the_source_is_kept() {
        let name = Ident::new("My App");
        let statement = create_statement(&name, &entry(LocaleProvider::Icu, Some("de-AT")), ServerVersion(160_003));
        assert_eq!(
            statement.text(),
            "create database \"My App\" template template0 encoding 'UTF8' lc_collate 'en_US.UTF-8' lc_ctype 'C' \
             locale_provider icu icu_locale 'de-AT' owner \"app\" connection limit 1885822829"
        );
    }

    #[test]
    fn old_servers_know_no_provider() {
        let statement = create_statement(&Ident::new("d"), &entry(LocaleProvider::Libc, None), ServerVersion(130_020));
        assert!(!statement.text().contains("provider"), "{statement}");
    }
}
