//! Waiting for replication.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::goal::{Decision, Failures, Goal, Reading, decide, left};
use super::lock::{Lock, Retaken};
use super::pace::Pace;
use super::snapshot::must_hold_only;
use super::{Context, replication};
use crate::error::{Error, Kind};
use crate::events::Event;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::names::ReplicationNames;
use crate::sql::{Ident, Lsn, QualifiedName};

/// Longest pause between two readings.
const SELDOM: Duration = Duration::from_secs(1);
/// And for what takes a moment.
const OFTEN: Duration = Duration::from_millis(200);

/// How often a launcher that looks at no clock of its own is woken.
const NUDGE: Duration = Duration::from_secs(1);

/// How long a subscription may take to connect, or to connect again. Up to 15 the launcher starts none within 5 s of those
/// before (`wal_retrieve_retry_interval`); where no worker is free it never does.
const STREAMING_LIMIT: Duration = Duration::from_secs(300);

/// Pause before a lost connection is opened again, and for how long that is tried: a server that restarts needs a minute or two.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
const RECONNECT_LIMIT: Duration = Duration::from_secs(180);

/// What the source says, positions as it writes them.
struct SlotReading {
    current: String,
    confirmed: Option<String>,
    active: bool,
    lost: Option<String>,
}

/// The two sessions that look at a database's replication.
pub(super) struct Watch<'a> {
    context: &'a Context,
    names: &'a ReplicationNames,
    published: usize,
    source: Client,
    target: Client,
    /// What had to be taken again after a server was gone.
    locks: Vec<Lock>,
}

impl<'a> Watch<'a> {
    pub(super) async fn open(
        context: &'a Context,
        database: &str,
        names: &'a ReplicationNames,
        published: usize,
    ) -> Result<Self, Error> {
        let (source, target) = Self::connect(context, database).await?;
        let mut watch = Self { context, names, published, source, target, locks: Vec::new() };
        watch.keep_locked().await??;
        Ok(watch)
    }

    /// Keeps other runs away also after a restart of a server, which forgets locks. The inner error: one was quicker.
    async fn keep_locked(&mut self) -> Result<Result<(), Error>, PgError> {
        for (server, client) in [(&self.context.source, &self.source), (&self.context.target, &self.target)] {
            match Lock::retake(server, client).await? {
                Retaken::Held => {}
                Retaken::Anew(lock) => self.locks.push(lock),
                Retaken::Lost(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// [`must_hold_only`], for the source as it is now.
    pub(super) async fn must_hold_only(&self, seen: &BTreeMap<QualifiedName, Vec<Ident>>) -> Result<(), Error> {
        must_hold_only(&self.source, seen).await
    }

    /// The end of the WAL now, as a goal. A marker is written first: an idle database's slot would otherwise never be told
    /// of WAL that is none of its business.
    async fn position(&mut self) -> Result<Goal, Error> {
        const END: &str = "select pg_catalog.pg_current_wal_flush_lsn()::text";
        let end: String = self
            .through_losses(async |watch| {
                mark(&watch.source).await?;
                let row = watch.source.one("read the end of the WAL", END, &[]).await?;
                watch.source.get(&row, 0)
            })
            .await?;
        Ok(Goal::Position(lsn(&end)?))
    }

    /// Waits for everything that is committed now.
    pub(super) async fn until_now(&mut self) -> Result<(), Error> {
        let goal = self.position().await?;
        self.until(goal).await
    }

    /// Asks, and asks again over new connections when one is lost: replication goes on without us, too.
    async fn through_losses<T>(&mut self, ask: impl AsyncFn(&Self) -> Result<T, PgError>) -> Result<T, Error> {
        let mut lost_at = None;
        loop {
            let error = match ask(self).await {
                Err(error) if error.is_disconnection() => error,
                outcome => {
                    if lost_at.is_some() && outcome.is_ok() {
                        let database = logger::database(self.source.database());
                        tracing::info!(target: logger::MIGRATE, "{database}: connected again");
                    }
                    return Ok(outcome?);
                }
            };
            match lost_at {
                None => {
                    lost_at = Some(Instant::now());
                    tracing::warn!(
                        target: logger::MIGRATE,
                        "{}: lost a connection to the {}, and tries for {} s to connect again: {}",
                        logger::database(self.source.database()),
                        error.side,
                        RECONNECT_LIMIT.as_secs(),
                        error.words()
                    );
                }
                Some(since) if since.elapsed() > RECONNECT_LIMIT => return Err(error.into()),
                Some(_) => {}
            }
            // A server that starts again cannot say when it is ready; one that is busy must not be stormed.
            tokio::time::sleep(RECONNECT_PAUSE).await;
            match self.connect_again().await {
                Ok(locked) => locked?,
                // The next question fails on the old ones.
                Err(error) if error.is_disconnection() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn connect_again(&mut self) -> Result<Result<(), Error>, PgError> {
        (self.source, self.target) = Self::connect(self.context, self.source.database()).await?;
        self.keep_locked().await
    }

    async fn connect(context: &Context, database: &str) -> Result<(Client, Client), PgError> {
        tokio::try_join!(context.source.connect(database), context.target.connect(database))
    }

    /// Waits until `goal` is reached, for at most the run's limit. The initial copy takes as long as it takes
    /// while the subscription is connected.
    pub(super) async fn until(&mut self, goal: Goal) -> Result<(), Error> {
        let mut begun = Instant::now();
        let mut failures = Failures::default();
        let mut pace = Pace::new(if goal == Goal::Streaming { OFTEN } else { SELDOM });
        let mut nudged = Instant::now();
        loop {
            let mut reading = self.read().await?;
            reading.in_vain = failures.since_progress(&reading);
            let lag = reading.confirmed.map(|confirmed| reading.current.bytes_since(confirmed));
            self.context.events.send(Event::Lag {
                database: self.source.database().to_owned(),
                ready: reading.ready,
                tables: reading.tables,
                bytes: lag,
            });
            if failures.is_new(&reading) {
                tracing::warn!(
                    target: logger::TARGET,
                    "{}: the subscription's worker failed and tries again; the target's server log has the reason",
                    logger::database(self.target.database())
                );
            }
            match decide(&reading, goal) {
                Decision::Reached => return Ok(()),
                Decision::Broken(reason) => {
                    let message = format!("replication stopped: {reason}");
                    return Err(Error::new(Kind::Failed, message));
                }
                Decision::Wait => {}
            }
            if goal == Goal::Tables && reading.active {
                // However long tables take: the limit is for a subscription that does nothing.
                begun = Instant::now();
            }
            let limit = match goal {
                Goal::Tables | Goal::Streaming => STREAMING_LIMIT,
                Goal::Within(_) | Goal::Position(_) => self.context.wait.limit,
            };
            if begun.elapsed() > limit {
                let lag = lag.map_or("an unknown number of".to_owned(), |bytes| bytes.to_string());
                let message = format!(
                    "replication did not catch up within {} s: {} of {} tables are ready, {lag} bytes behind",
                    limit.as_secs(),
                    reading.ready,
                    reading.tables
                );
                return Err(Error::new(Kind::Timeout, message));
            }
            if goal == Goal::Streaming && nudged.elapsed() > NUDGE {
                nudged = Instant::now();
                self.nudge().await?;
            }
            // Positions can only be polled: below 19 no server tells when one is reached.
            tokio::time::sleep(pace.pause(left(&reading, goal))).await;
        }
    }

    /// Up to 15 the launcher sleeps for its whole interval each time that somebody enables a subscription before it may
    /// start another worker. Enabling ours again wakes it, so that it looks once more.
    async fn nudge(&self) -> Result<(), Error> {
        if self.target.version().starts_workers_one_by_one() {
            return Ok(());
        }
        match replication::enable_subscription(&self.target, self.names).await {
            // The next reading connects again.
            Err(error) if error.is_disconnection() => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    async fn read(&mut self) -> Result<Reading, Error> {
        let look = async |watch: &Self| tokio::try_join!(watch.read_target(), watch.read_source());
        let (target, source) = self.through_losses(look).await?;
        Ok(Reading {
            published: self.published,
            current: lsn(&source.current)?,
            confirmed: source.confirmed.as_deref().map(lsn).transpose()?,
            active: source.active,
            slot_lost: source.lost,
            ..target
        })
    }

    async fn read_target(&self) -> Result<Reading, PgError> {
        /// 15 and later.
        const ERRORS: &str =
            "select apply_error_count + sync_error_count from pg_catalog.pg_stat_subscription_stats where subid = $1";

        let name = self.names.subscription.as_str();
        // From 19 on sequences are listed as well.
        let tables = sql!(
            "select it.enabled, count(c.oid), count(c.oid) filter (where r.srsubstate = 'r'), it.oid \
             from ({}) it \
             left join pg_catalog.pg_subscription_rel r on r.srsubid = it.oid \
             left join pg_catalog.pg_class c on c.oid = r.srrelid and c.relkind <> 'S' \
             group by 1, 4",
            replication::own_subscription(self.target.version())
        );
        let rows = self.target.query("look at the subscription", tables, &[(&name, Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(Reading::default()) };
        let count = |column| -> Result<usize, PgError> {
            let count: i64 = self.target.get(row, column)?;
            Ok(usize::try_from(count).unwrap_or_default())
        };
        let mut reading = Reading {
            there: true,
            enabled: self.target.get(row, 0)?,
            tables: count(1)?,
            ready: count(2)?,
            ..Reading::default()
        };
        if self.target.version().counts_subscription_errors() {
            let oid: u32 = self.target.get(row, 3)?;
            let rows = self.target.query("count errors", ERRORS, &[(&oid, Type::OID)]).await?;
            reading.errors = rows.first().map(|row| self.target.get(row, 0)).transpose()?.unwrap_or(0);
        }
        Ok(reading)
    }

    /// `confirmed_flush_lsn` is readable by everybody, unlike `pg_stat_replication`.
    async fn read_source(&self) -> Result<SlotReading, PgError> {
        const BEFORE_13: &str = "
select pg_catalog.pg_current_wal_lsn()::text, s.confirmed_flush_lsn::text, coalesce(s.active, false), null::text
from (select) one left join pg_catalog.pg_replication_slots s on s.slot_name = $1";
        const SINCE_13: &str = "
select pg_catalog.pg_current_wal_lsn()::text, s.confirmed_flush_lsn::text, coalesce(s.active, false),
       case when s.wal_status = 'lost' then 'max_slot_wal_keep_size was exceeded' end
from (select) one left join pg_catalog.pg_replication_slots s on s.slot_name = $1";

        /// Such as `idle_timeout` (18).
        const SINCE_17: &str = "
select pg_catalog.pg_current_wal_lsn()::text, s.confirmed_flush_lsn::text, coalesce(s.active, false),
       case when s.invalidation_reason = 'wal_removed' then 'max_slot_wal_keep_size was exceeded'
            else s.invalidation_reason end
from (select) one left join pg_catalog.pg_replication_slots s on s.slot_name = $1";

        let slot = self.names.slot.as_str();
        let version = self.source.version();
        let query = if version.tells_why_slots_are_lost() {
            SINCE_17
        } else if version.limits_wal_of_slots() {
            SINCE_13
        } else {
            BEFORE_13
        };
        let row = self.source.one("look at the slot", query, &[(&slot, Type::TEXT)]).await?;
        Ok(SlotReading {
            current: self.source.get(&row, 0)?,
            confirmed: self.source.get(&row, 1)?,
            active: self.source.get(&row, 2)?,
            lost: self.source.get(&row, 3)?,
        })
    }
}

/// Writes a marker into the WAL of the source. It is flushed when it is committed, and with it what others have committed
/// before with `synchronous_commit = off`.
pub(super) async fn mark(source: &Client) -> Result<(), PgError> {
    const MARKER: &str = "set synchronous_commit = local; \
                          select pg_catalog.pg_logical_emit_message(true, 'pg_migrate', 'goal')";
    source.run("mark the goal", MARKER).await
}

fn lsn(text: &str) -> Result<Lsn, Error> {
    text.parse().map_err(|error| Error::new(Kind::Failed, "read a WAL position of the source").caused_by(error))
}
