//! What only trying tells. Nothing tried here outlives its transaction or connection.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::facts::{DatabaseEntry, Facts, LocaleProvider, Probe};
use crate::pg::{Client, PgError, Server};
use crate::settings::Settings;
use crate::sql;
use crate::sql::names::PREFIX;
use crate::sql::{Ident, Literal};

/// How long a temporary slot, or the target's connection to the source, may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Tries whatever replication needs and catalogs do not tell for sure.
pub(super) async fn replication(
    source: &Server,
    target: &Server,
    settings: &Settings,
    facts: &mut Facts,
) -> Result<(), PgError> {
    let Some(database) = facts.databases.iter().find(|pair| pair.source.is_ok()).map(|pair| pair.name.clone()) else {
        return Ok(());
    };
    let nothing_blocks = facts.source.blockers.is_empty();
    let on_target = facts
        .databases
        .iter()
        .find(|pair| matches!(pair.target, Some(Ok(_))))
        .map_or_else(|| target.maintenance_database().to_owned(), |pair| pair.name.clone());
    let ((connection, slot), (subscription, reach)) = tokio::try_join!(
        replication_connection(source, &database, nothing_blocks),
        subscription(source, target, settings, &database, &on_target),
    )?;
    facts.source.replication_connection = connection;
    facts.source.slot_creation = slot;
    facts.target.subscription = subscription;
    facts.target_reaches_source = reach;
    Ok(())
}

/// A temporary slot proves `wal_level`, a free slot and a free sender at once. It is not tried while a transaction would make it
/// wait: that is a fact of its own.
async fn replication_connection(
    source: &Server,
    database: &str,
    nothing_blocks: bool,
) -> Result<(Probe, Probe), PgError> {
    let client = match source.connect_replication(database).await {
        Ok(client) => client,
        Err(error) => return Ok((Probe::Refused(error.words()), Probe::Untried)),
    };
    let slot = Ident::new(format!("{PREFIX}probe_{}", std::process::id()));
    if let Err(error) = client.simple("identify the system", "IDENTIFY_SYSTEM").await {
        return Ok((Probe::Refused(error.words()), Probe::Untried));
    }
    if !nothing_blocks {
        return Ok((Probe::Works, Probe::Untried));
    }
    let command = sql!("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT", slot);
    let created = client.within(LIMIT, client.simple("try to create a slot", command)).await;
    let slot = match created {
        Some(Ok(_)) => Probe::Works,
        Some(Err(error)) if error.code().is_some() => Probe::Refused(error.words()),
        Some(Err(error)) => return Err(error),
        None => Probe::Refused(format!("no slot within {} s: a transaction is in its way", LIMIT.as_secs())),
    };
    Ok((Probe::Works, slot))
}

/// A subscription that connects for nothing: the server checks our right to create it, then opens the connection and asks
/// for the publication's tables.
async fn subscription(
    source: &Server,
    target: &Server,
    settings: &Settings,
    source_database: &str,
    target_database: &str,
) -> Result<(Probe, Probe), PgError> {
    let client = match target.connect(target_database).await {
        Ok(client) => client,
        Err(error) => return Ok((Probe::Refused(error.words()), Probe::Untried)),
    };
    client.keep_passwords_out_of_log().await?;
    let name = Ident::new(format!("{PREFIX}probe"));
    let conninfo = settings.source_for_target.as_ref().unwrap_or(source.conninfo());
    let connection = Literal::secret(&conninfo.subscription_conninfo(source_database));
    let attempt = |connect: &'static str| {
        sql!(
            "begin; create subscription {} connection {} publication {} \
             with (connect = {}, enabled = false, create_slot = false, slot_name = none{}); rollback",
            name,
            connection,
            name,
            connect,
            if connect == "true" { ", copy_data = false" } else { "" }
        )
    };
    let created = client.run("try to create a subscription", attempt("false")).await;
    let right = outcome_in_transaction(&client, created).await?;
    if right.refused().is_some() {
        return Ok((right, Probe::Untried));
    }
    let connected = client.within(LIMIT, client.run("try to reach the source", attempt("true"))).await;
    let reach = match connected {
        Some(outcome) => outcome_in_transaction(&client, outcome).await?,
        None => Probe::Refused(format!("no connection within {} s", LIMIT.as_secs())),
    };
    Ok((right, reach))
}

/// Whether the target's operating system, or its ICU, knows the locale of `entry`: tried with a temporary collation, because the
/// catalog only lists what was there when the server was initialised, under one of several spellings.
pub(super) async fn knows_locale(client: &Client, entry: &DatabaseEntry) -> Result<bool, PgError> {
    let name = Ident::new(format!("{PREFIX}probe"));
    let options = match (entry.provider, &entry.locale) {
        (LocaleProvider::Icu, Some(locale)) => sql!("provider = icu, locale = {}", Literal::new(locale)),
        (LocaleProvider::Builtin, Some(locale)) => sql!("provider = builtin, locale = {}", Literal::new(locale)),
        _ => sql!("lc_collate = {}, lc_ctype = {}", Literal::new(&entry.collate), Literal::new(&entry.ctype)),
    };
    let attempt = sql!("begin; create collation pg_temp.{} ({}); rollback", name, options);
    match client.run("try a locale", attempt).await {
        Ok(()) => Ok(true),
        Err(error) if error.code().is_some() => {
            client.run("end a try", "rollback").await?;
            // Any other refusal, such as a locale of another encoding than this database's, says nothing about it.
            Ok(!matches!(
                error.code(),
                Some(&SqlState::UNDEFINED_FILE | &SqlState::INVALID_PARAMETER_VALUE | &SqlState::UNDEFINED_OBJECT)
            ))
        }
        Err(error) => Err(error),
    }
}

/// What a try said, with its transaction ended. A refusal is a fact; a broken session is an error.
pub(super) async fn outcome_in_transaction(client: &Client, outcome: Result<(), PgError>) -> Result<Probe, PgError> {
    match outcome {
        Ok(()) => Ok(Probe::Works),
        Err(error) if error.code().is_some() => {
            client.run("end a try", "rollback").await?;
            Ok(Probe::Refused(error.words()))
        }
        Err(error) => Err(error),
    }
}
