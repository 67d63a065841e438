//! One table's rows: read, sent, committed with their line in the journal.

use tokio_postgres::types::Type;

use super::super::{Context, journal};
use super::constraints::Lifted;
use super::existing;
use super::relay::{Broken, Copied, relay};
use crate::error::Error;
use crate::events::Event;
use crate::pg::{Client, PgError};
use crate::plan::TablePlan;
use crate::sql;
use crate::sql::{Literal, Sql};

/// What is at the target before the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::migrate) enum Load {
    /// A table that this run made: no triggers, no indexes, nothing of anybody else's.
    Fresh,
    /// A table that was there: its triggers must not fire, its rows stay.
    Add,
    /// A table whose rows are replaced by the source's.
    Replace,
}

/// Tables of at least this many bytes are emptied first, although they are empty: then FREEZE is possible, with which rows
/// are born frozen, and no later VACUUM writes them once more. A new file and its catalog entries cost more than that saves
/// where a table is small, and databases have many of those.
const FREEZE_FROM: u64 = 1024 * 1024;

/// Two sessions that copy tables as a snapshot shows them.
pub(in crate::migrate) struct Sessions {
    source: Client,
    target: Client,
    snapshot: String,
    /// The encoding of both databases, in which texts go as they are; `None`: texts go in the sessions' encoding.
    encoding: Option<String>,
}

impl Sessions {
    pub(in crate::migrate) async fn open(context: &Context, database: &str, snapshot: &str) -> Result<Self, Error> {
        let (source, target) = tokio::try_join!(context.source.connect(database), context.target.connect(database))?;
        let begin = sql!(
            "begin isolation level repeatable read read only; set transaction snapshot {}",
            Literal::new(snapshot)
        );
        source.run("use the snapshot", begin).await?;
        target.run("prepare to load", "set synchronous_commit = off").await?;
        let encoding = same_encoding(&source, &target).await?;
        Ok(Self { source, target, snapshot: snapshot.to_owned(), encoding })
    }

    pub(super) fn database(&self) -> &str {
        self.source.database()
    }

    /// The source's, inside the snapshot, and the target's.
    pub(in crate::migrate) fn ends(&self) -> (&Client, &Client) {
        (&self.source, &self.target)
    }

    pub(super) fn fit(&self, database: &str, snapshot: &str) -> bool {
        self.database() == database && self.snapshot == snapshot
    }

    pub(in crate::migrate) async fn copy(
        &self,
        context: &Context,
        table: &TablePlan,
        how: Load,
    ) -> Result<Copied, Error> {
        load(context, self, table, how).await
    }
}

/// Encodings of which UTF8 has every byte. Of others some bytes have no equivalent, those of WIN1252 or EUC_JP for example.
const WHOLE: [&str; 2] = ["UTF8", "LATIN1"];

/// The encoding of both databases if it is one of which some characters are not in UTF8, which our statements and the names in
/// them are in. Bytes of SQL_ASCII databases pass as they are.
async fn same_encoding(source: &Client, target: &Client) -> Result<Option<String>, PgError> {
    let ask = "select pg_catalog.current_setting('server_encoding')";
    let (one, other) =
        tokio::try_join!(source.one("read the encoding", ask, &[]), target.one("read the encoding", ask, &[]))?;
    let (one, other): (String, String) = (source.get(&one, 0)?, target.get(&other, 0)?);
    if one != other || WHOLE.contains(&one.as_str()) {
        return Ok(None);
    }
    if one == "SQL_ASCII" {
        let set = sql!("set client_encoding = {}", Literal::new(one));
        tokio::try_join!(source.run("set the encoding", set.clone()), target.run("set the encoding", set))?;
        return Ok(None);
    }
    Ok(Some(one))
}

/// Copies a table in one transaction of the target, its line in the journal included.
async fn load(context: &Context, sessions: &Sessions, table: &TablePlan, how: Load) -> Result<Copied, Error> {
    let (source, target) = sessions.ends();
    let doing = format!("copy table {}", table.name);
    // An extension has filled its table itself: what it put there stays.
    let how = if table.configuration && how == Load::Fresh { Load::Add } else { how };
    let freeze = how == Load::Fresh && table.bytes >= FREEZE_FROM && !table.partitioned;
    let mut appended = false;
    let mut lifted = Lifted::default();
    let guard = match how {
        Load::Fresh => {
            let begin = if freeze { sql!("begin; truncate only {}", table.name) } else { Sql::from("begin") };
            target.run(&*doing, begin).await?;
            TriggerGuard::default()
        }
        Load::Add => {
            target.run(&*doing, "begin").await?;
            appended = existing::has_rows(target, &table.name).await?;
            TriggerGuard::raise(context, target, table).await?
        }
        Load::Replace => {
            target.run(&*doing, "begin").await?;
            existing::must_be_ours(target, &table.name).await?;
            let guard = TriggerGuard::raise(context, target, table).await?;
            existing::empty(context, target, std::slice::from_ref(&table.name)).await?;
            lifted = Lifted::lift(target, &table.name).await?;
            guard
        }
    };
    // Texts in binary rows are always in the session's encoding.
    let format = match &sessions.encoding {
        Some(encoding) => sql!("text, encoding {}", Literal::new(encoding)),
        None => Sql::from(if table.binary { "binary" } else { "text" }),
    };
    // A table without columns has no list: `()` is a syntax error, and no list means none.
    let list = if table.columns.is_empty() { Sql::from("") } else { Sql::join(&table.columns, ", ") };
    let columns = if table.columns.is_empty() { Sql::from("") } else { sql!("({})", list) };
    let read = match &table.condition {
        None if table.partitioned => sql!("copy (select {} from {}) to stdout (format {})", list, table.name, format),
        None => sql!("copy {} {} to stdout (format {})", table.name, columns, format),
        Some(condition) => sql!(
            "copy (select {} from only {} {}) to stdout (format {})",
            list,
            table.name,
            Sql::from_catalog(condition),
            format
        ),
    };
    let option = if freeze { ", freeze" } else { "" };
    let write = sql!("copy {} {} from stdin (format {}{})", table.name, columns, format, option);
    let (from, into) = tokio::try_join!(source.copy_out(&*doing, read), target.copy_in(&*doing, write))?;
    let events = &context.events;
    let progress = |bytes| {
        events.send(Event::CopyProgress { database: source.database().to_owned(), bytes });
    };
    let copied = relay(from, into, progress).await.map_err(|broken| match broken {
        Broken::Source(error) => source.error(&*doing, error),
        Broken::Target(error) => target.error(&*doing, error),
    })?;
    lifted.restore(target).await?;
    guard.lower(target).await?;
    let record = journal::copied(&table.name, copied.rows, copied.bytes, appended);
    target.run(&*doing, sql!("{}; commit", record)).await?;
    Ok(copied)
}

/// Keeps the triggers and foreign keys of a table quiet inside one transaction.
#[derive(Default)]
struct TriggerGuard {
    restore: Vec<Sql>,
}

const TRIGGERS: &str = "
select tgname::text, tgenabled::text from pg_catalog.pg_trigger
where tgrelid = $1::text::pg_catalog.regclass and not tgisinternal and tgenabled <> 'D'";

impl TriggerGuard {
    /// `session_replication_role` silences all but ENABLE ALWAYS and REPLICA triggers, which therefore, and where the role
    /// may not be set, are disabled by name; the transaction's end restores them for everybody else.
    async fn raise(context: &Context, target: &Client, table: &TablePlan) -> Result<Self, PgError> {
        let doing = format!("keep triggers of {} quiet", table.name);
        if context.replica_role {
            target.run(&*doing, "set local session_replication_role = replica").await?;
        }
        let name = crate::sql::render(&table.name);
        let triggers = target.query(&*doing, TRIGGERS, &[(&name, Type::TEXT)]).await?;
        let mut restore = Vec::new();
        for row in &triggers {
            let trigger = crate::sql::Ident::new(target.get::<String>(row, 0)?);
            let state: String = target.get(row, 1)?;
            let enable = match state.as_str() {
                "A" => "enable always",
                "R" => "enable replica",
                _ if context.replica_role => continue,
                _ => "enable",
            };
            target.run(&*doing, sql!("alter table {} disable trigger {}", table.name, trigger)).await?;
            restore.push(sql!("alter table {} {} trigger {}", table.name, enable, trigger));
        }
        Ok(Self { restore })
    }

    async fn lower(self, target: &Client) -> Result<(), PgError> {
        for statement in self.restore {
            target.run("restore a trigger", statement).await?;
        }
        Ok(())
    }
}
