//! Whether everything that is committed on the source has arrived: through a subscription, or because there is nothing.

use std::time::Duration;

use super::Context;
use super::definitions::{self, Seen};
use super::wait::{self, Watch};
use crate::error::Error;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::Content;
use crate::sql;
use crate::sql::names::ReplicationNames;
use crate::sql::{Literal, Sql};

/// How what is written after the snapshot comes to the target.
pub(super) enum Arrival<'a, 'w> {
    /// It does not, but its slot tells whether there is anything.
    Slot(&'a Slot),
    /// A subscription brings it.
    Subscription(&'a mut Watch<'w>),
}

impl Arrival<'_, '_> {
    /// Waits until everything that is committed now has arrived. `false`: there is something that only a subscription would bring.
    pub(super) async fn until_now(&mut self) -> Result<bool, Error> {
        match self {
            Self::Slot(slot) => Ok(slot.is_empty().await?),
            Self::Subscription(watch) => watch.until_now().await.map(|()| true),
        }
    }

    /// [`definitions::must_be`], for the source as it is now.
    pub(super) async fn must_find_definitions(&self, seen: &Seen) -> Result<(), Error> {
        match self {
            Self::Slot(slot) => definitions::must_be(&slot.source, seen).await,
            Self::Subscription(watch) => watch.must_find_definitions(seen).await,
        }
    }
}

/// A slot that nobody streams from.
pub(super) struct Slot {
    source: Client,
    question: Sql,
}

/// Bytes of WAL, of the whole server, that are read to find out whether a slot is empty, which takes about a second; what they
/// hold for the subscription is kept in a temporary file of the source meanwhile.
const READ_AT_MOST: u64 = 64 << 20;

/// How long that may take.
const LIMIT: Duration = Duration::from_secs(30);

impl Slot {
    /// The slot of a database, with what its subscription would ask it for.
    pub(super) async fn open(
        context: &Context,
        database: &str,
        names: &ReplicationNames,
        content: &Content,
    ) -> Result<Self, PgError> {
        Ok(Self { source: context.source.connect(database).await?, question: question(names, content) })
    }

    /// Whether all that is committed now has nothing for a subscription. `false` also where that takes too long to find out, or
    /// where the source does not let us.
    async fn is_empty(&self) -> Result<bool, PgError> {
        wait::mark(&self.source).await?;
        let look = self.source.query("look into the slot", self.question.clone(), &[]);
        let Some(found) = self.source.within(LIMIT, look).await else { return Ok(false) };
        match found {
            Ok(rows) => match rows.first() {
                Some(row) => Ok(self.source.get::<Option<bool>>(row, 0)?.unwrap_or(false)),
                None => Ok(false),
            },
            Err(error) if error.is_refusal() => {
                tracing::debug!(target: logger::SOURCE, "{error}: {}", error.words());
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// What the slot would send to the subscription up to the end of the WAL, and does not take for sent. Up to 14 that includes
/// the beginning (B) and the end (C) of transactions that have written nothing published.
fn question(names: &ReplicationNames, content: &Content) -> Sql {
    let inserts = (!content.insert_only.is_empty()).then_some(&names.insert_publication);
    let publications = Sql::join([&names.publication].into_iter().chain(inserts), ",");
    sql!(
        "select case when pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), s.restart_lsn) <= {} then not exists \
         (select from pg_catalog.pg_logical_slot_peek_binary_changes(s.slot_name, null, null, \
         'proto_version', '1', 'publication_names', {}) it \
         where pg_catalog.substr(it.data, 1, 1) not in ('B', 'C')) end \
         from pg_catalog.pg_replication_slots s where s.slot_name = {}",
        READ_AT_MOST,
        Literal::new(publications.text()),
        Literal::new(names.slot.as_str())
    )
}
