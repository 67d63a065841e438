//! What only trying tells. Nothing tried here outlives its transaction or connection.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::conninfo::ConnInfo;
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
        .find(|pair| matches!(&pair.target, Some(Ok(target)) if target.may_create))
        .map_or_else(|| target.maintenance_database().to_owned(), |pair| pair.name.clone());
    let conninfo = settings.source_for_target.as_ref().unwrap_or(source.conninfo()).with_dbname(&database);
    let ((connection, slot), (subscription, reach)) = tokio::try_join!(
        replication_connection(source, &database, nothing_blocks),
        subscription(target, &conninfo, facts.target.user.superuser, &on_target),
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
        Some(Err(error)) if error.is_refusal() => Probe::Refused(error.words()),
        Some(Err(error)) => return Err(error),
        None => Probe::Refused(format!("no slot within {} s: a transaction is in its way", LIMIT.as_secs())),
    };
    Ok((Probe::Works, slot))
}

/// A subscription that connects for nothing: the server checks our right to create it, then opens the connection and asks
/// for the publication's tables.
async fn subscription(
    target: &Server,
    conninfo: &ConnInfo,
    superuser: bool,
    target_database: &str,
) -> Result<(Probe, Probe), PgError> {
    let client = match target.connect(target_database).await {
        Ok(client) => client,
        Err(error) => return Ok((Probe::Refused(error.words()), Probe::Untried)),
    };
    let attempt = |connection: Literal, connect: &'static str| {
        let name = Ident::new(format!("{PREFIX}probe"));
        sql!(
            "begin; create subscription {} connection {} publication {} \
             with (connect = {}, enabled = false, create_slot = false, slot_name = none); rollback",
            name,
            connection,
            name,
            connect
        )
    };
    let by_catalog = right_in_foreign_database(&client).await?;
    let may_connect = by_catalog.is_none();
    let right = match by_catalog {
        Some(right) => right,
        None => {
            // A statement that is refused ends in the server's log: this one has no password of anybody's.
            let harmless = attempt(Literal::new("dbname=postgres user=postgres password=none"), "false");
            let created = client.run("try to create a subscription", harmless).await;
            outcome_in_transaction(&client, created).await?
        }
    };
    if right.refused().is_some() {
        return Ok((right, Probe::Untried));
    }
    if !superuser && conninfo.hosts().iter().all(|host| host.password.is_none()) {
        let words = "a subscription of a user without superuser rights must connect with a password";
        return Ok((right, Probe::Refused(words.to_owned())));
    }
    if !may_connect {
        return Ok((right, Probe::Untried));
    }
    client.keep_out_of_log().await?;
    if !superuser {
        match knock(&client, conninfo).await? {
            Knock::Answered { logged: false } | Knock::Untried => {}
            // A try with the password in its text would leave it in the log. What is not known then is whether the source
            // asks for the password at all.
            Knock::Answered { logged: true } => return Ok((right, Probe::Works)),
            Knock::Refused(words) => return Ok((right, Probe::Refused(words))),
        }
    }
    let connection = Literal::secret(&conninfo.subscription_conninfo(conninfo.dbname()));
    let connecting = client.run("try to reach the source", attempt(connection, "true, copy_data = false"));
    let reach = match client.within(LIMIT, connecting).await {
        Some(outcome) => outcome_in_transaction(&client, outcome).await?,
        None => too_late(),
    };
    Ok((right, reach))
}

fn too_late() -> Probe {
    Probe::Refused(format!("no connection within {} s", LIMIT.as_secs()))
}

/// What came of [`knock`].
enum Knock {
    /// The source would let the target in; `logged`: whether the target's log gets statements that succeed.
    Answered { logged: bool },
    /// It would not.
    Refused(String),
    /// The target does not have what this needs, or does not speak English.
    Untried,
}

/// Tries to reach the source in a way that fails after the source has let the target in: of a statement that fails inside a block,
/// the log has no password, while one that succeeds here warns of its publication and shows it all.
async fn knock(client: &Client, conninfo: &ConnInfo) -> Result<Knock, PgError> {
    const SETTINGS: &str = "
select pg_catalog.current_setting('lc_messages') ~ '^(C|POSIX|en|$)', pg_catalog.current_setting('log_statement') <> 'none'";

    let row = client.one("look at the log's settings", SETTINGS, &[]).await?;
    let (english, logged): (bool, bool) = (client.get(&row, 0)?, client.get(&row, 1)?);
    if !english || !client.can_run_unlogged().await? {
        return Ok(Knock::Untried);
    }
    let name = Ident::new(format!("{PREFIX}probe"));
    let before = sql!("create subscription {} connection ", name);
    let after = sql!(
        " publication {} with (connect = true, copy_data = false, enabled = false, create_slot = false, slot_name = none)",
        name
    );
    let nowhere = conninfo.subscription_conninfo_to_nowhere(conninfo.dbname());
    client.run("try to reach the source", "begin").await?;
    let tried = client.run_unlogged("try to reach the source", &before, &nowhere, &after);
    let probe = match client.within(LIMIT, tried).await {
        Some(outcome) => outcome_in_transaction(client, outcome).await?,
        None => too_late(),
    };
    client.run("end a try", "rollback").await?;
    Ok(match probe {
        Probe::Refused(words) if !words.contains("session is not read-only") => Knock::Refused(words),
        _ => Knock::Answered { logged },
    })
}

/// From 16 on, a subscription also wants CREATE on its database. Where we lack that, as in the maintenance database when all
/// others are yet to be created, only the catalog tells whether we may.
async fn right_in_foreign_database(client: &Client) -> Result<Option<Probe>, PgError> {
    const RIGHTS: &str = "
select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       pg_catalog.pg_has_role('pg_create_subscription', 'USAGE')";

    if !client.version().grants_subscriptions() {
        return Ok(None);
    }
    let row = client.one("see whether we may create subscriptions", RIGHTS, &[]).await?;
    Ok(match (client.get(&row, 0)?, client.get(&row, 1)?) {
        (true, _) => None,
        (false, true) => Some(Probe::Works),
        (false, false) => Some(Probe::Refused("it is no member of pg_create_subscription".to_owned())),
    })
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
        Err(error) if error.is_refusal() => {
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
        Err(error) if error.is_refusal() => {
            client.run("end a try", "rollback").await?;
            Ok(Probe::Refused(error.words()))
        }
        Err(error) => Err(error),
    }
}

/// Looks on the target for a session that we open on the source. `None`: something is there that hides when it began.
pub(super) async fn lists_session(source: &Server, target: &Server) -> Result<Option<bool>, PgError> {
    const OWN: &str = "
        select pid, extract(epoch from backend_start)::text from pg_catalog.pg_stat_activity
        where pid = pg_catalog.pg_backend_pid()";
    const LISTED: &str = "
        select coalesce(pg_catalog.bool_or(extract(epoch from backend_start)::text = $2), false),
               coalesce(pg_catalog.bool_or(backend_start is null), false)
        from pg_catalog.pg_stat_activity where pid = $1";
    let (here, there) =
        tokio::try_join!(source.connect(source.maintenance_database()), target.connect(target.maintenance_database()))?;
    let own = here.one("look at our session", OWN, &[]).await?;
    let (pid, start): (i32, String) = (here.get(&own, 0)?, here.get(&own, 1)?);
    let row = there.one("look for that session", LISTED, &[(&pid, Type::INT4), (&start, Type::TEXT)]).await?;
    let (listed, hidden): (bool, bool) = (there.get(&row, 0)?, there.get(&row, 1)?);
    Ok(if hidden { None } else { Some(listed) })
}
