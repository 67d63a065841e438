//! Replica identities that are changed on the source while replication runs, and restored when it ends.
//!
//! What they were before is the comment of our publication, committed with it before the first change. So the record is in the
//! same database as the tables, is found by the publication's name from whatever machine, survives any end of a run and the
//! loss of the target, and vanishes with the publication, which is dropped only once every table has its identity back.
//! Inspection reads it as well, so that a run after a killed one plans with what was, not with what that run made of it.
//!
//! A table made from the source's definition has the change on the target, too: there the subscription needs it, and the same
//! record tells what to restore. Nothing is restored that somebody else has changed since.

use std::time::Duration;

use tokio_postgres::types::Type;

use crate::error::{Error, Kind};
use crate::facts::Side;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::IdentityChange;
use crate::sql;
use crate::sql::names::{IDENTITY_RECORD, ReplicationNames};
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// The table is locked whole for the moment of the change. Whoever works on it is waited for only so long at a time: all
/// that come after us would wait with us.
const LOCK_TIMEOUT: &str = "set lock_timeout = '1s'";
const LOCK_PAUSE: Duration = Duration::from_secs(1);
const LOCK_ATTEMPTS: u32 = 30;

/// What the tables of four lists, schema, name, index and whether the target's follows, have now and will have: as JSON.
const RECORD: &str = "
select count(*), coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
           'oid', c.oid, 'schema', n.nspname, 'name', c.relname, 'identity', c.relreplident,
           'index', (select x.relname from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
                     where i.indrelid = c.oid and i.indisreplident),
           'for_now', case when w.index is null then 'f' else 'i' end, 'on_target', w.on_target))::text, '[]')
from unnest($1::text[], $2::text[], $3::text[], $4::bool[]) as w(schema, name, index, on_target)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name";

/// The comment for our publication that records what `changes` will change.
pub(super) async fn record(client: &Client, changes: &[IdentityChange]) -> Result<Literal, Error> {
    let schemas: Vec<&str> = changes.iter().map(|it| it.table.schema.as_str()).collect();
    let names: Vec<&str> = changes.iter().map(|it| it.table.name.as_str()).collect();
    let indexes: Vec<Option<&str>> = changes.iter().map(|it| it.index.as_ref().map(Ident::as_str)).collect();
    let on_target: Vec<bool> = changes.iter().map(|it| it.on_target).collect();
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[
        (&schemas, Type::TEXT_ARRAY),
        (&names, Type::TEXT_ARRAY),
        (&indexes, Type::TEXT_ARRAY),
        (&on_target, Type::BOOL_ARRAY),
    ];
    let row = client.one("read replica identities", RECORD, parameters).await?;
    let (count, text): (i64, String) = (client.get(&row, 0)?, client.get(&row, 1)?);
    if usize::try_from(count).ok() != Some(changes.len()) {
        let message = "a table whose replica identity is to be changed is gone from the source";
        return Err(Error::new(Kind::Failed, message).hint("run again"));
    }
    Ok(Literal::new(format!("{IDENTITY_RECORD}{text}")))
}

/// Makes the changes, once they are recorded.
pub(super) async fn change(client: &Client, changes: &[IdentityChange]) -> Result<(), PgError> {
    for change in changes {
        let identity = match &change.index {
            Some(index) => sql!("using index {}", index),
            None => Sql::from("full"),
        };
        let statement = sql!("alter table only {} replica identity {}", change.table, identity);
        alter(client, &format!("change the replica identity of {}", change.table), &statement).await?;
    }
    Ok(())
}

/// Runs a statement that locks a table whole, without keeping others from it for long.
async fn alter(client: &Client, doing: &str, statement: &Sql) -> Result<(), PgError> {
    client.run(doing, LOCK_TIMEOUT).await?;
    for attempt in 1.. {
        match client.run(doing, statement.clone()).await {
            Err(error) if error.is_lock_timeout() && attempt < LOCK_ATTEMPTS => {
                if attempt == 1 {
                    tracing::warn!(
                        target: logger::MIGRATE,
                        "{}: {doing} on the {}: the table is in use; trying again",
                        logger::database(client.database()),
                        client.side()
                    );
                }
                // Lets those pass that queued behind our request for the lock.
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
    Ok(())
}

/// One table of the record.
struct Changed {
    oid: u32,
    name: QualifiedName,
    before: Identity,
    for_now: String,
    on_target: bool,
}

/// A replica identity as the catalog has it.
struct Identity {
    /// `relreplident`
    kind: String,
    index: Option<Ident>,
}

impl Identity {
    fn clause(&self) -> Sql {
        match (self.kind.as_str(), &self.index) {
            ("d", _) => Sql::from("default"),
            ("f", _) => Sql::from("full"),
            ("i", Some(index)) => sql!("using index {}", index),
            // Without its index, which somebody has dropped, it is none.
            _ => Sql::from("nothing"),
        }
    }
}

const READ: &str = "
select r.oid, r.schema, r.name, r.identity, r.index, r.for_now, r.on_target
from pg_catalog.pg_publication p, pg_catalog.obj_description(p.oid, 'pg_publication') comment,
     pg_catalog.json_to_recordset(case when pg_catalog.starts_with(comment, $2)
         then pg_catalog.substr(comment, pg_catalog.length($2) + 1)::json end)
         r(oid oid, schema text, name text, identity text, index text, for_now text, on_target bool)
where p.pubname = $1";

async fn read(source: &Client, names: &ReplicationNames) -> Result<Vec<Changed>, PgError> {
    let publication = names.publication.as_str();
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&publication, Type::TEXT), (&IDENTITY_RECORD, Type::TEXT)];
    let rows = source.query("look for changed replica identities", READ, parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Changed {
                oid: source.get(row, 0)?,
                name: QualifiedName::new(source.get::<String>(row, 1)?, source.get::<String>(row, 2)?),
                before: Identity {
                    kind: source.get(row, 3)?,
                    index: source.get::<Option<String>>(row, 4)?.map(Ident::new),
                },
                for_now: source.get(row, 5)?,
                on_target: source.get(row, 6)?,
            })
        })
        .collect()
}

/// Gives every recorded table its replica identity back, on the target first, where there still is one. Returns what could not
/// be restored, with the reason and the SQL to do it by hand.
pub(super) async fn restore(
    source: &Client,
    target: Option<&Client>,
    names: &ReplicationNames,
) -> Result<Vec<String>, PgError> {
    let mut left = Vec::new();
    for changed in read(source, names).await? {
        let mut note = |side, outcome: Result<bool, PgError>| match outcome {
            Ok(true) => tracing::info!(
                target: logger::MIGRATE,
                "{}: restored the replica identity of {} on the {side}", logger::database(source.database()), changed.name
            ),
            Ok(false) => {}
            Err(error) => left.push(format!(
                "replica identity of {} on the {side}: {}; by hand: ALTER TABLE {} REPLICA IDENTITY {}",
                changed.name,
                error.words(),
                sql::render(&changed.name),
                changed.before.clause()
            )),
        };
        if let Some(target) = target.filter(|_| changed.on_target) {
            note(Side::Target, restore_on_target(target, &changed).await);
        }
        note(Side::Source, restore_on_source(source, &changed, names).await);
    }
    Ok(left)
}

const ON_TARGET: &str = "
select c.relreplident::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2";

async fn restore_on_target(target: &Client, changed: &Changed) -> Result<bool, PgError> {
    let (schema, name) = (changed.name.schema.as_str(), changed.name.name.as_str());
    let doing = format!("restore the replica identity of {}", changed.name);
    let rows = target.query(&*doing, ON_TARGET, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await?;
    let now: Option<String> = rows.first().map(|row| target.get(row, 0)).transpose()?;
    if now.as_ref() != Some(&changed.for_now) {
        return Ok(false);
    }
    let statement = sql!("alter table only {} replica identity {}", changed.name, changed.before.clause());
    alter(target, &doing, &statement).await?;
    Ok(true)
}

/// By its OID: it may have another name now.
const ON_SOURCE: &str = "
select n.nspname::text, c.relname::text, c.relreplident::text, exists (
    select from pg_catalog.pg_publication_rel r join pg_catalog.pg_publication p on p.oid = r.prpubid
    where r.prrelid = c.oid and p.pubname = $2)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1";

/// In one transaction with its end in the publication: a published table without identity refuses UPDATE and DELETE.
async fn restore_on_source(source: &Client, changed: &Changed, names: &ReplicationNames) -> Result<bool, PgError> {
    let publication = names.publication.as_str();
    let doing = format!("restore the replica identity of {}", changed.name);
    let rows = source.query(&*doing, ON_SOURCE, &[(&changed.oid, Type::OID), (&publication, Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let now: String = source.get(row, 2)?;
    if now != changed.for_now {
        return Ok(false);
    }
    let name = QualifiedName::new(source.get::<String>(row, 0)?, source.get::<String>(row, 1)?);
    let mut statement = sql!("alter table only {} replica identity {}", name, changed.before.clause());
    if source.get(row, 3)? {
        statement = sql!("alter publication {} drop table only {}; {}", names.publication, name, statement);
    }
    alter(source, &doing, &statement).await?;
    Ok(true)
}
