//! A worker's two sessions, and what it does with them.

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};

use super::super::snapshot::LOCK_TIMEOUT;
use super::super::{Context, journal};
use super::constraints::Lifted;
use super::existing;
use super::portion::Portion;
use super::relay::{Copied, relay};
use super::statements;
use super::triggers::TriggerGuard;
use crate::error::Error;
use crate::events::Event;
use crate::logger;
use crate::pg::{Client, CopyIn, CopyOut, PgError, Prepared};
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
            "set lock_timeout = {}; begin isolation level repeatable read read only; set transaction snapshot {}",
            Literal::new(LOCK_TIMEOUT),
            Literal::new(snapshot)
        );
        source.run("use the snapshot", begin).await?;
        // The end of the journal, or what it says of completeness, puts all this on disk.
        target.commit_without_waiting().await?;
        let encoding = same_encoding(&source, &target).await?;
        Ok(Self { source, target, snapshot: snapshot.to_owned(), encoding })
    }

    /// Ends the work and the use of the snapshot. The sessions are good for what comes after the rows.
    pub(super) async fn end(self, context: &Context) {
        context.target.keep(self.target);
        match self.source.run("leave the snapshot", "commit").await {
            Ok(()) => context.source.keep(self.source),
            Err(error) => tracing::debug!(target: logger::SOURCE, "{error}: {}", error.words()),
        }
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

    /// Copies `portions` in one transaction of the target, their lines in the journal included. Several only where each is
    /// light.
    pub(super) async fn copy(&self, context: &Context, portions: &[Portion]) -> Result<Vec<Copied>, Error> {
        let target = &self.target;
        let begin = async {
            let mut before = Before::default();
            match portions {
                [only] => before = self.prepare(context, only).await?,
                _ => target.run("copy tables", "begin").await?,
            }
            Ok::<_, Error>(before)
        };
        let statements = try_join_all(portions.iter().map(|portion| self.statements(portion)));
        let (before, statements) = try_join(begin, async { Ok(statements.await?) }).await?;
        let copied = self.stream(context, &statements).await?;
        before.lifted.restore(target).await?;
        before.guard.lower(target).await?;
        let lines = portions.iter().zip(&copied).map(|(portion, copied)| journal::Line {
            table: &portion.table().name,
            rows: copied.rows,
            bytes: copied.bytes,
            appended: before.appended,
        });
        target.run("record what was copied", sql!("{}; commit", journal::copied(lines))).await?;
        Ok(copied)
    }

    /// Begins the transaction that loads one portion.
    async fn prepare(&self, context: &Context, portion: &Portion) -> Result<Before, Error> {
        let (target, table) = (&self.target, &portion.table().name);
        let doing = format!("copy table {table}");
        let begin = if portion.is_frozen() { sql!("begin; truncate only {}", table) } else { Sql::from("begin") };
        target.run(&*doing, begin).await?;
        match portion.load() {
            Load::Fresh => Ok(Before::default()),
            Load::Add => {
                let appended = existing::has_others(target, table).await?;
                let guard = TriggerGuard::raise(context, target, table).await?;
                Ok(Before { appended, guard, lifted: Lifted::lift(target, table).await? })
            }
            Load::Replace => {
                existing::must_be_ours(target, table).await?;
                let guard = TriggerGuard::raise(context, target, table).await?;
                existing::empty(context, target, std::slice::from_ref(table)).await?;
                Ok(Before { appended: false, guard, lifted: Lifted::lift(target, table).await? })
            }
        }
    }

    async fn statements(&self, portion: &Portion) -> Result<Statements, PgError> {
        let doing = format!("copy table {}", portion.table().name);
        let (table, format) = (portion.table(), statements::format(portion.table(), self.encoding.as_deref()));
        let (read, write) = tokio::try_join!(
            self.source.prepare_copy(&*doing, statements::read(table, portion.blocks, &format)),
            self.target.prepare_copy(&*doing, statements::write(table, portion.is_frozen(), &format)),
        )?;
        Ok(Statements { read, write })
    }

    /// Moves the rows of one table after the other. While those of one pass, the next one is begun: between two small tables
    /// there is one round trip instead of three.
    async fn stream(&self, context: &Context, statements: &[Statements]) -> Result<Vec<Copied>, PgError> {
        let mut copied = Vec::with_capacity(statements.len());
        let mut remaining = statements.iter();
        let mut running = match remaining.next() {
            Some(first) => Some(self.begin(first).await?),
            None => None,
        };
        while let Some(copy) = running {
            let next = async {
                match remaining.next() {
                    Some(next) => self.begin(next).await.map(Some),
                    None => Ok(None),
                }
            };
            // In this order: when one fails, the next one on the same session fails because of it, and later.
            let (done, next) = try_join(self.pass(context, copy), next).await?;
            copied.push(done);
            running = next;
        }
        Ok(copied)
    }

    async fn begin(&self, statements: &Statements) -> Result<Running, PgError> {
        let mut from = self.source.copy_out(&statements.read).await?;
        let rows = match from.next().await? {
            Some(first) if !is_empty(&first) => Some((first, self.target.copy_in(&statements.write).await?)),
            _ => None,
        };
        Ok(Running { from, rows })
    }

    async fn pass(&self, context: &Context, mut copy: Running) -> Result<Copied, PgError> {
        let Some((first, into)) = copy.rows else {
            while copy.from.next().await?.is_some() {}
            return Ok(Copied::default());
        };
        let progress = |bytes| {
            context.events.send(Event::CopyProgress { database: self.database().to_owned(), bytes });
        };
        relay(first, &mut copy.from, into, progress).await
    }
}

/// The two statements that copy a portion.
struct Statements {
    read: Prepared,
    write: Prepared,
}

/// A portion whose rows have begun to come.
struct Running {
    from: CopyOut,
    /// The first of them, and the COPY that takes them; `None`: there are no rows.
    rows: Option<(Bytes, CopyIn)>,
}

/// What has been done in the transaction before the rows come.
#[derive(Default)]
struct Before {
    /// The table has other rows.
    appended: bool,
    guard: TriggerGuard,
    lifted: Lifted,
}

/// Header and trailer of COPY's binary format, which come together where there are no rows between them.
fn is_empty(first: &[u8]) -> bool {
    const HEADER: usize = 19;
    const TRAILER: &[u8] = &[0xff, 0xff];
    first.starts_with(b"PGCOPY\n\xff\r\n\0") && &first[HEADER.min(first.len())..] == TRAILER
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
