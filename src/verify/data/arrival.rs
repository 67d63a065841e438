//! Running replication: when the target has all that the source had at one moment, and whether tables are being written to.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::super::Context;
use crate::error::{Error, Kind};
use crate::logger;
use crate::pg::Client;
use crate::plan::comparison::Relation;
use crate::sql::Lsn;
use crate::sql::names::ReplicationNames;

/// Between two looks. What is written in the meantime makes tables differ that are equal.
const INTERVAL: Duration = Duration::from_millis(50);

/// How often to say what is waited for.
const REMIND: Duration = Duration::from_secs(10);

/// How long nobody may stream from the slot while nothing arrives. A subscription that breaks off connects again within
/// seconds; one that fails at the same row does so for ever.
const STALLED: Duration = Duration::from_secs(60);

/// Sessions that look at one database's replication, outside of any transaction.
pub(super) struct Arrival<'a> {
    context: &'a Context,
    names: &'a ReplicationNames,
    source: Client,
    target: Client,
}

impl<'a> Arrival<'a> {
    pub(super) async fn watch(
        context: &'a Context,
        database: &str,
        names: &'a ReplicationNames,
    ) -> Result<Self, Error> {
        let (source, target) = tokio::try_join!(context.source.connect(database), context.target.connect(database))?;
        Ok(Self { context, names, source, target })
    }

    /// Waits until the target has everything that is committed on the source now. A marker in the WAL, the only thing that
    /// verification writes, makes sure that the slot gets there on an idle server, and that it is flushed.
    pub(super) async fn of_everything(&self) -> Result<(), Error> {
        let marker = "set synchronous_commit = local; \
                      select pg_catalog.pg_logical_emit_message(true, 'pg_migrate', 'verify')";
        self.source.run("mark a moment", marker).await?;
        let end = "select pg_catalog.pg_current_wal_flush_lsn()::text";
        let row = self.source.one("read the end of the WAL", end, &[]).await?;
        self.of(lsn(self.source.get(&row, 0)?)?).await
    }

    async fn of(&self, goal: Lsn) -> Result<(), Error> {
        let limit = self.context.settings.lag_timeout;
        let begun = Instant::now();
        let (mut said, mut moved) = (begun, begun);
        let mut before = None;
        loop {
            self.subscription_must_be_enabled().await?;
            let slot = self.slot().await?;
            if slot.confirmed.is_some_and(|confirmed| confirmed >= goal) {
                return Ok(());
            }
            let now = Instant::now();
            if slot.active || before.replace(slot.confirmed) != Some(slot.confirmed) {
                moved = now;
            }
            let behind = slot.confirmed.map_or(0, |confirmed| goal.bytes_since(confirmed));
            if now - moved > STALLED {
                let message = "replication stands still: nobody streams from the slot on the source";
                return Err(Error::new(Kind::Failed, message).hint("the target's server log has the reason"));
            }
            if now - begun > limit {
                let message =
                    format!("replication did not catch up within {} s: {behind} bytes behind", limit.as_secs());
                return Err(Error::new(Kind::Timeout, message));
            }
            if now - said > REMIND {
                said = now;
                let database = logger::database(self.source.database());
                tracing::info!(target: logger::MIGRATE, "{database}: waiting for replication, {behind} bytes behind");
            }
            // Positions can only be polled: below 19 no server tells when one is reached.
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn slot(&self) -> Result<Slot, Error> {
        let query =
            "select confirmed_flush_lsn::text, active from pg_catalog.pg_replication_slots where slot_name = $1";
        let name = self.names.slot.as_str();
        let rows = self.source.query("look at the slot", query, &[(&name, Type::TEXT)]).await?;
        let Some(row) = rows.first() else {
            return Err(Error::new(Kind::Failed, format!("the slot {} is gone from the source", self.names.slot)));
        };
        let confirmed: Option<String> = self.source.get(row, 0)?;
        Ok(Slot { confirmed: confirmed.map(lsn).transpose()?, active: self.source.get(row, 1)? })
    }

    async fn subscription_must_be_enabled(&self) -> Result<(), Error> {
        let query = "select subenabled from pg_catalog.pg_subscription where subname = $1 and subdbid = \
                     (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())";
        let name = self.names.subscription.as_str();
        let rows = self.target.query("look at the subscription", query, &[(&name, Type::TEXT)]).await?;
        match rows.first().map(|row| self.target.get::<bool>(row, 0)).transpose()? {
            Some(true) => Ok(()),
            _ => {
                let message =
                    format!("the subscription {} is gone from the target, or disabled", self.names.subscription);
                Err(Error::new(Kind::Failed, message))
            }
        }
    }

    /// A number for each of `relations` that changes when the source's rows do. Sessions report what they have written with
    /// some delay, a second as a rule.
    pub(super) async fn changes(&self, relations: &[&Relation]) -> Result<Vec<Option<String>>, Error> {
        const CHANGES: &str = "
select pg_catalog.concat_ws(' ', pg_catalog.pg_stat_get_tuples_inserted(c.oid), pg_catalog.pg_stat_get_tuples_updated(c.oid),
                            pg_catalog.pg_stat_get_tuples_deleted(c.oid), pg_catalog.pg_relation_filenode(c.oid))
from unnest($1::pg_catalog.text[]) with ordinality r(name, position)
left join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(r.name)
order by r.position";
        let names: Vec<String> = relations.iter().map(|relation| crate::sql::render(&relation.name)).collect();
        let rows = self.source.query("see what is written to", CHANGES, &[(&names, Type::TEXT_ARRAY)]).await?;
        rows.iter().map(|row| Ok(self.source.get(row, 0)?)).collect()
    }
}

struct Slot {
    confirmed: Option<Lsn>,
    active: bool,
}

fn lsn(text: String) -> Result<Lsn, Error> {
    text.parse().map_err(|error| Error::new(Kind::Failed, "read a WAL position of the source").caused_by(error))
}
