//! A snapshot of a source database that other sessions, and pg_dump, can use while the holder lives.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::pin::pin;
use std::time::{Duration, Instant};

use super::definitions::{self, Seen};
use super::lock::Lock;
use super::{Context, moment};
use crate::error::{Error, Kind};
use crate::facts::Moment;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::TablePlan;
use crate::sql;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// How long a table of the source may be locked by somebody else. Who waits for the snapshot's own lock on it, to rewrite it for
/// example, makes all others wait behind him: neither would ever come to an end.
pub(super) const LOCK_TIMEOUT: &str = "60s";

/// After how long the wait for a slot first says what it waits for, and how often then.
const FIRST_REMINDER: Duration = Duration::from_secs(2);
const REMIND: Duration = Duration::from_secs(10);

/// How long the creation of a slot may wait for transactions that were there before it.
const SLOT_LIMIT: Duration = Duration::from_secs(1800);

const LARGE_OBJECTS: &str = "
select count(*), pg_catalog.pg_relation_size('pg_catalog.pg_largeobject') from pg_catalog.pg_largeobject_metadata";

/// A transaction that keeps the snapshot alive. Dropping it ends the snapshot.
pub(super) struct Snapshot<'a> {
    holder: Holder<'a>,
    name: String,
}

/// The session with the transaction.
enum Holder<'a> {
    /// That of the database's lock, which it stays afterwards.
    Lock(&'a Client),
    /// One of its own, which serves others afterwards.
    Own(Client),
    /// One for replication commands.
    Replication(Client),
}

impl Deref for Holder<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        match self {
            Self::Lock(client) => client,
            Self::Own(client) | Self::Replication(client) => client,
        }
    }
}

impl<'a> Snapshot<'a> {
    /// A snapshot of what is committed once `tables` are locked as by a reader, in the session that is `lock`.
    ///
    /// The locks come first: a snapshot from before would show nothing of a table that TRUNCATE empties, or a change of its
    /// definition writes anew, until it is locked.
    pub(super) async fn take_in(lock: &'a Lock, tables: &[TablePlan]) -> Result<Self, Error> {
        Self::take(Holder::Lock(lock.session()), tables).await
    }

    /// The same in a session of its own.
    pub(super) async fn take_beside(context: &Context, database: &str, tables: &[TablePlan]) -> Result<Self, Error> {
        Self::take(Holder::Own(context.source.connect(database).await?), tables).await
    }

    async fn take(holder: Holder<'a>, tables: &[TablePlan]) -> Result<Self, Error> {
        holder.run("begin the snapshot", "begin isolation level repeatable read read only").await?;
        keep_rows(&holder, tables.iter()).await?;
        Self::export(holder).await
    }

    /// A new logical slot, and a snapshot of exactly the point from which it streams. The transaction must be open before the
    /// slot is made (USE_SNAPSHOT); the snapshot then is its own, and the session stays usable.
    pub(super) async fn with_slot(context: &Context, database: &str, slot: &Ident) -> Result<Self, Error> {
        let holder = context.source.connect_replication(database).await?;
        holder.run("begin the snapshot", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let command = sql!("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput USE_SNAPSHOT", slot);
        until_created(context, &holder, slot, holder.simple("create the slot", command)).await?;
        Self::export(Holder::Replication(holder)).await
    }

    async fn export(holder: Holder<'a>) -> Result<Self, Error> {
        let rows = holder.simple("export the snapshot", "select pg_catalog.pg_export_snapshot()").await?;
        match rows.into_iter().flatten().flatten().next() {
            Some(name) => Ok(Self { holder, name }),
            None => Err(Error::new(Kind::Failed, "the source exported a snapshot without a name")),
        }
    }

    /// [`definitions::must_be`], for what the snapshot shows.
    pub(super) async fn must_show_definitions(&self, seen: &Seen) -> Result<(), Error> {
        definitions::must_be(&self.holder, seen).await
    }

    /// Locks `tables` as a reader does while the snapshot lives: VACUUM FULL or CLUSTER between two parts of a table, when no
    /// worker holds it, would move rows out of blocks that are still to be read.
    pub(super) async fn keep_rows(&self, tables: impl Iterator<Item = &TablePlan>) -> Result<(), PgError> {
        keep_rows(&self.holder, tables).await
    }

    /// Refuses to go on when the definition of one of `tables`, which need not have been locked, has been changed since in a way
    /// that wrote it anew, a column's type for example: of such a table no snapshot from before shows any rows, whoever reads it
    /// later.
    pub(super) async fn must_show_rows(&self, context: &Context, tables: &[TablePlan]) -> Result<(), Error> {
        let now = context.source.connect(self.holder.database()).await?;
        let (then, now) = tokio::try_join!(forms(&self.holder), forms(&now))?;
        let through_root = tables.iter().any(|table| table.partitioned);
        let copied: BTreeSet<_> = tables.iter().map(|table| &table.name).collect();
        let rewritten: Vec<String> = then
            .iter()
            .filter(|(oid, form)| now.get(*oid).is_some_and(|now| now.file != form.file && now.columns != form.columns))
            .filter(|(_, form)| through_root || copied.contains(&form.table))
            .map(|(_, form)| form.table.to_string())
            .collect();
        if rewritten.is_empty() {
            return Ok(());
        }
        let message = format!(
            "tables were rewritten on the source, by a change of their definition, while rows were copied, and may lack \
             rows: {}",
            rewritten.join(", ")
        );
        Err(Error::new(Kind::Failed, message).hint("run again, and change no definitions meanwhile"))
    }

    /// The moment that it shows; `None` where the source does not say who it is.
    pub(super) async fn moment(&self, context: &Context) -> Result<Option<Moment>, Error> {
        moment::seen_by(context, &self.holder).await
    }

    /// What SET TRANSACTION SNAPSHOT and `pg_dump --snapshot` take.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it shows security labels, whatever of.
    pub(super) async fn has_labels(&self) -> Result<bool, PgError> {
        let rows = self.holder.simple("look for security labels", "select from pg_catalog.pg_seclabel limit 1").await?;
        Ok(!rows.is_empty())
    }

    /// Large objects that it shows, and about how many bytes they have.
    pub(super) async fn large_objects(&self) -> Result<(i64, i64), PgError> {
        let rows = self.holder.simple("count large objects", LARGE_OBJECTS).await?;
        let mut numbers =
            rows.into_iter().flatten().map(|value| value.and_then(|value| value.parse().ok()).unwrap_or(0));
        Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
    }

    /// Ends the snapshot, and with it the VACUUM horizon that it held back on the source. Everything has been read: a
    /// session that broke while it was idle has ended it already.
    pub(super) async fn release(self, context: &Context) {
        match (self.holder.run("end the snapshot", "commit").await, self.holder) {
            (Ok(()), Holder::Own(holder)) => context.source.keep(holder),
            (Ok(()), Holder::Lock(_) | Holder::Replication(_)) => {}
            (Err(error), _) => tracing::debug!(target: logger::SOURCE, "{error}: {}", error.words()),
        }
    }
}

/// Locks `tables` against whatever would move or remove their rows, until the transaction ends.
async fn keep_rows(client: &Client, tables: impl Iterator<Item = &TablePlan>) -> Result<(), PgError> {
    let tables: Vec<_> =
        tables.map(|table| sql!("{}{}", if table.partitioned { "" } else { "only " }, table.name)).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let (limit, tables) = (Literal::new(LOCK_TIMEOUT), Sql::join(&tables, ", "));
    let lock = sql!("set local lock_timeout = {}; lock table {} in access share mode", limit, tables);
    client.run("keep others from emptying or rewriting tables", lock).await
}

/// Waits for `creation` of a slot, by `client` or by whom its server connects to, and says for which transactions it waits.
pub(super) async fn until_created<T>(
    context: &Context,
    client: &Client,
    slot: &Ident,
    creation: impl Future<Output = Result<T, PgError>>,
) -> Result<T, Error> {
    let mut creation = pin!(creation);
    let begun = Instant::now();
    let mut pause = FIRST_REMINDER;
    loop {
        tokio::select! {
            created = &mut creation => return Ok(created?),
            // Not to wait for the slot, but to say what it waits for.
            () = tokio::time::sleep(pause) => pause = REMIND,
        }
        let Some(waits_for) = blockers(context).await? else { continue };
        if begun.elapsed() > SLOT_LIMIT {
            client.cancel().await;
            let message = format!(
                "create slot {slot}: not possible within {} s, because of transactions that began before it: {waits_for}",
                SLOT_LIMIT.as_secs()
            );
            return Err(Error::new(Kind::Timeout, message).hint("end these transactions on the source and run again"));
        }
        tracing::warn!(
            target: logger::SOURCE,
            "{}: creating slot {slot} waits for transactions that began before it: {waits_for}",
            logger::database(client.database())
        );
    }
}

/// How a table is stored.
struct Form {
    table: QualifiedName,
    file: Option<String>,
    columns: Option<String>,
}

/// Beside its file, what changes when a change of definition writes a table anew: VACUUM FULL gives it another one, too, and keeps what old
/// snapshots see; TRUNCATE is replicated.
const FORMS: &str = "
select c.oid, n.nspname, c.relname, c.relfilenode, pg_catalog.format('%s %s %s', c.relpersistence, c.relam, (
    select pg_catalog.string_agg(pg_catalog.format('%s %s %s %s', a.attnum, a.atttypid, a.atttypmod, a.attgenerated), ','
                                 order by a.attnum)
    from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence in ('p', 'u') and c.oid >= 16384";

/// Ordinary tables by their OIDs, as `client` sees them.
async fn forms(client: &Client) -> Result<BTreeMap<String, Form>, PgError> {
    let rows = client.simple("look at how tables are stored", FORMS).await?;
    let form = |row: Vec<Option<String>>| match <[_; 5]>::try_from(row) {
        Ok([Some(oid), Some(schema), Some(table), file, columns]) => {
            Some((oid, Form { table: QualifiedName::new(schema, table), file, columns }))
        }
        _ => None,
    };
    Ok(rows.into_iter().filter_map(form).collect())
}

const BLOCKERS: &str = "
select pg_catalog.string_agg(who, ', ') from (
    select pg_catalog.format('pid %s (%s@%s, %s s)', pid, usename, datname,
                             extract(epoch from pg_catalog.clock_timestamp() - xact_start)::int) as who
    from pg_catalog.pg_stat_activity
    where backend_xid is not null and pid <> pg_catalog.pg_backend_pid()
    union all
    select pg_catalog.format('prepared transaction %L', gid) from pg_catalog.pg_prepared_xacts
) blocker";

/// `None` when there are none, or none that we may see.
async fn blockers(context: &Context) -> Result<Option<String>, Error> {
    let client = context.source.connect(context.source.maintenance_database()).await?;
    let row = client.one("list open transactions", BLOCKERS, &[]).await?;
    Ok(client.get(&row, 0)?)
}
