//! Dropping what replicates, in the order in which nothing is left hanging: subscription, slot, what was changed for the
//! publication, publication.
//!
//! Every object is found by its name, which `sql::names` makes from the database's: no record of a run is needed.

use super::replication::WithSlot;
use super::{Context, identity, journal, lock, privileges, replication};
use crate::logger;
use crate::pg::{Client, PgError, Server};
use crate::sql::Sql;
use crate::sql::names::ReplicationNames;

/// What a clean-up of one database found.
#[derive(Debug, Default)]
pub struct Swept {
    /// What was dropped, such as `slot "x" on the source`.
    pub dropped: Vec<String>,
    /// What could not be dropped, with the reason and the SQL to do it by hand.
    pub left: Vec<String>,
    /// What the target's database lacks, now that no journal tells it any more.
    pub unfinished: Option<&'static str>,
}

/// Drops subscription, slot and publications of a database, going on past errors. A side that does not have the database, or
/// cannot be reached, only says so when something of ours may be there.
pub(super) async fn drop_replication(
    source: &Server,
    target: &Server,
    database: &str,
    names: &ReplicationNames,
) -> Swept {
    drop_where_reached(Some(source), Some(target), database, names).await
}

/// [`drop_replication`] on the sides that there still are.
async fn drop_where_reached(
    source: Option<&Server>,
    target: Option<&Server>,
    database: &str,
    names: &ReplicationNames,
) -> Swept {
    let mut swept = Swept::default();
    let (source, target) = tokio::join!(connect(source, database), connect(target, database));
    let mut oid = None;
    if let Some(Ok(client)) = &target {
        oid = replication::subscription_oid(client, names).await.ok().flatten();
        drop(replication::disable_subscription(client, names).await);
    }
    let slots = match &source {
        Some(Ok(client)) => Some(replication::drop_slots(client, names, oid).await),
        Some(Err(_)) | None => None,
    };
    let refused = slots.as_ref().is_some_and(|slots| slots.as_ref().is_err_and(PgError::is_permission));
    let mut through_subscription = false;
    match &target {
        Some(Ok(client)) => {
            let mut dropped = Ok(false);
            if refused {
                dropped = replication::drop_subscription(client, names, WithSlot::Drop).await;
                through_subscription = matches!(dropped, Ok(true));
            }
            if !through_subscription {
                dropped = replication::drop_subscription(client, names, WithSlot::Leave).await;
            }
            swept.record(
                dropped,
                format!("subscription {} on the target", names.subscription),
                format!("DROP SUBSCRIPTION {} in target database {database:?}", names.subscription),
            );
        }
        None => {}
        Some(Err(error)) if is_missing_database(error) => {}
        Some(Err(error)) => swept.left.push(format!(
            "subscription {} on the target: {}; if it exists: DROP SUBSCRIPTION {}",
            names.subscription,
            error.words(),
            names.subscription
        )),
    }
    if let Some(slots) = slots {
        swept.record(
            if through_subscription { Ok(true) } else { slots },
            format!("slot {} on the source", names.slot),
            format!("SELECT pg_drop_replication_slot('{}') on the source", names.slot.as_str()),
        );
    }
    match &source {
        Some(Ok(client)) => {
            let restored = identity::restore(client, target.as_ref().and_then(|it| it.as_ref().ok()), names).await;
            let mut publications = vec![&names.insert_publication];
            match restored {
                Ok(left) if left.is_empty() => publications.push(&names.publication),
                // It holds the record of what is to be restored.
                Ok(left) => swept.left.extend(left),
                Err(error) => swept.left.push(format!("replica identities on the source: {}", error.words())),
            }
            for publication in publications {
                swept.record(
                    replication::drop_publication(client, publication).await,
                    format!("publication {publication} on the source"),
                    format!("DROP PUBLICATION {publication} in source database {database:?}"),
                );
            }
        }
        None => {}
        Some(Err(error)) if is_missing_database(error) => {}
        Some(Err(error)) => swept.left.push(format!(
            "slot {} and publication {} on the source: {}; drop them: SELECT pg_drop_replication_slot('{}'); DROP PUBLICATION {}",
            names.slot,
            names.publication,
            error.words(),
            names.slot.as_str(),
            names.publication
        )),
    }
    swept
}

async fn connect(server: Option<&Server>, database: &str) -> Option<Result<Client, PgError>> {
    match server {
        Some(server) => Some(server.connect(database).await),
        None => None,
    }
}

fn is_missing_database(error: &PgError) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::UNDEFINED_DATABASE)
}

impl Swept {
    fn record(&mut self, outcome: Result<bool, PgError>, what: String, by_hand: String) {
        match outcome {
            Ok(true) => self.dropped.push(what),
            Ok(false) => {}
            Err(error) => self.left.push(format!("{what}: {}; by hand: {by_hand}", error.words())),
        }
    }

    /// Takes back what is lent in a database of the target.
    async fn take_back(&mut self, client: &Client) {
        match privileges::take_back(client).await {
            Ok(taken) => self.dropped.extend(taken),
            Err(error) => self.left.push(format!(
                "CREATE on schemas, lent to those that table {} lists in target database {:?}: {}",
                journal::table(journal::LENT),
                client.database(),
                error.words()
            )),
        }
    }
}

/// Undoes what a failed migration of a database may not leave, its replication objects by their `names` and what it has lent,
/// and says what happened to them.
pub(super) async fn undo(context: &Context, database: &str, names: Option<&ReplicationNames>) -> Vec<String> {
    if let Ok(true) = lock::another_has_it(context, database).await {
        return vec!["nothing is undone: another run of pg_migrate is working on this database".to_owned()];
    }
    let mut swept = match names {
        Some(names) => drop_replication(&context.source, &context.target, database, names).await,
        None => Swept::default(),
    };
    match context.target.connect(database).await {
        Ok(client) => swept.take_back(&client).await,
        Err(error) => tracing::debug!(target: logger::TARGET, "{}: {}", logger::database(database), error.words()),
    }
    for what in &swept.dropped {
        tracing::info!(target: logger::MIGRATE, "{}: dropped {what}", logger::database(database));
    }
    for what in &swept.left {
        tracing::error!(target: logger::MIGRATE, "{}: left behind: {what}", logger::database(database));
    }
    swept.left.into_iter().map(|what| format!("left behind: {what}")).collect()
}

/// The `cleanup` command: whatever runs of ours left for `database`, the journal included, on the sides that there still are.
pub async fn clean_up(source: Option<&Server>, target: Option<&Server>, database: &str) -> Swept {
    let mut swept = Swept::default();
    for mangle in [false, true] {
        let names = ReplicationNames::new(database, mangle);
        let of_these = drop_where_reached(source, target, database, &names).await;
        swept.dropped.extend(of_these.dropped);
        swept.left.extend(of_these.left);
    }
    if let Some(Ok(client)) = connect(target, database).await {
        let left = swept.left.len();
        swept.take_back(&client).await;
        if swept.left.len() > left {
            // The journal is the record of it.
            return swept;
        }
        let there = "select pg_catalog.to_regnamespace('_pg_migrate') is not null";
        let outcome = async {
            let row = client.one("look for a journal", there, &[]).await?;
            let there: bool = client.get(&row, 0)?;
            if there {
                swept.unfinished = journal::run(&client).await?.map(|run| lacking(run.complete));
                client.run("drop the journal", journal::drop_statement()).await?;
            }
            Ok(there)
        }
        .await;
        let by_hand: Sql = journal::drop_statement();
        swept.record(outcome, "journal on the target".to_owned(), by_hand.to_string());
    }
    swept
}

/// What a copy whose migration did not end lacks.
fn lacking(complete: bool) -> &'static str {
    if complete {
        "the target has all rows as they were last, but its sequences, materialized views and what replication does not carry \
         may be older, and event triggers and publications are missing"
    } else {
        "the target's copy is unfinished: rows, indexes or constraints are missing. Drop the database before anybody uses it"
    }
}
