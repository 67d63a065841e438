//! Publication, subscription and slot of one database.

use super::Context;
use crate::error::Error;
use crate::pg::{Client, PgError};
use crate::plan::Transfer;
use crate::sql;
use crate::sql::names::ReplicationNames;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// What an extension must be called to give a user without superuser publications and subscriptions.
const AIVEN_EXTRAS: &str = "aiven_extras";

/// Creates the publication of `tables`, which are listed one by one: FOR ALL TABLES would also publish those whose UPDATE and
/// DELETE then fail for want of a replica identity.
pub(super) async fn create_publication(
    context: &Context,
    database: &str,
    names: &ReplicationNames,
    tables: &[QualifiedName],
    transfer: Transfer,
) -> Result<(), Error> {
    let client = context.source.connect(database).await?;
    let doing = format!("create publication {}", names.publication);
    let through_extension = matches!(transfer, Transfer::SubscriptionCopies { aiven_extras: true });
    let statement = if through_extension {
        let schema = extension_schema(&client).await?;
        let tables = tables.iter().map(|table| Literal::new(crate::sql::render(table)));
        sql!(
            "select {}.pg_create_publication({}, 'INSERT,UPDATE,DELETE,TRUNCATE', variadic array[{}]::text[])",
            schema,
            Literal::new(names.publication.as_str()),
            Sql::join(tables, ", ")
        )
    } else if tables.is_empty() {
        sql!("create publication {}", names.publication)
    } else {
        let tables = tables.iter().map(|table| sql!("only {}", table));
        sql!("create publication {} for table {}", names.publication, Sql::join(tables, ", "))
    };
    Ok(client.run(doing, statement).await?)
}

async fn extension_schema(client: &Client) -> Result<Ident, PgError> {
    let query = "select extnamespace::pg_catalog.regnamespace::text from pg_catalog.pg_extension where extname = $1";
    let name = tokio_postgres::types::Type::TEXT;
    let row = client.one("find aiven_extras", query, &[(&AIVEN_EXTRAS, name)]).await?;
    Ok(Ident::new(client.get::<String>(&row, 0)?))
}

/// Makes the subscription take over the slot: it streams from the slot's point, where the copied snapshot ends.
pub(super) async fn take_over_slot(context: &Context, client: &Client, names: &ReplicationNames) -> Result<(), Error> {
    let options = sql!(
        "copy_data = false, create_slot = false, enabled = false, slot_name = {}{}",
        Literal::new(names.slot.as_str()),
        version_options(context, client)
    );
    subscribe(context, client, names, &options).await?;
    let enable = sql!("alter subscription {} enable", names.subscription);
    Ok(client.run(format!("enable subscription {}", names.subscription), enable).await?)
}

/// Makes the subscription create the slot and copy the tables.
pub(super) async fn copy_by_subscription(
    context: &Context,
    client: &Client,
    names: &ReplicationNames,
    transfer: Transfer,
) -> Result<(), Error> {
    if matches!(transfer, Transfer::SubscriptionCopies { aiven_extras: true }) {
        let schema = extension_schema(client).await?;
        let statement = sql!(
            "select {}.pg_create_subscription({}, {}, {}, {}, true, true)",
            schema,
            Literal::new(names.subscription.as_str()),
            connection(context, client.database()),
            Literal::new(names.publication.as_str()),
            Literal::new(names.slot.as_str())
        );
        return Ok(client.run(format!("create subscription {}", names.subscription), statement).await?);
    }
    let options = sql!(
        "copy_data = true, create_slot = true, enabled = true, slot_name = {}{}",
        Literal::new(names.slot.as_str()),
        version_options(context, client)
    );
    subscribe(context, client, names, &options).await
}

/// `disable_on_error` (15) stops a conflict instead of repeating it for ever. `streaming` (14 on both sides) applies large
/// transactions without spooling them on the source.
fn version_options(context: &Context, client: &Client) -> Sql {
    let mut options = Sql::from("");
    if client.version().scans_tid_ranges() && context.source_version.scans_tid_ranges() {
        options = sql!("{}, streaming = on", options);
    }
    if client.version().has_locale_providers() {
        options = sql!("{}, disable_on_error = true", options);
    }
    options
}

async fn subscribe(context: &Context, client: &Client, names: &ReplicationNames, options: &Sql) -> Result<(), Error> {
    let statement = sql!(
        "create subscription {} connection {} publication {} with ({})",
        names.subscription,
        connection(context, client.database()),
        names.publication,
        options
    );
    client.keep_passwords_out_of_log().await?;
    Ok(client.run(format!("create subscription {}", names.subscription), statement).await?)
}

fn connection(context: &Context, database: &str) -> Literal {
    Literal::secret(&context.source_for_target.subscription_conninfo(database))
}

/// Drops the subscription and leaves its slot alone: works when the source is gone, too.
pub(super) async fn drop_subscription(client: &Client, names: &ReplicationNames) -> Result<bool, PgError> {
    let name = names.subscription.as_str();
    let there = "select exists (select from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
                 where s.subname = $1 and d.datname = pg_catalog.current_database()), \
                 (select n.nspname::text from pg_catalog.pg_extension e \
                  join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'aiven_extras')";
    let row = client.one("look for the subscription", there, &[(&name, tokio_postgres::types::Type::TEXT)]).await?;
    if !client.get::<bool>(&row, 0)? {
        return Ok(false);
    }
    let doing = format!("drop subscription {}", names.subscription);
    let disable = sql!(
        "alter subscription {} disable; alter subscription {} set (slot_name = none); drop subscription {}",
        names.subscription,
        names.subscription,
        names.subscription
    );
    match client.run(&*doing, disable).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_permission() => match client.get::<Option<String>>(&row, 1)? {
            // Its function drops the slot as well.
            Some(schema) => {
                let call = sql!("select {}.pg_drop_subscription({})", Ident::new(schema), Literal::new(name));
                client.run(doing, call).await.map(|()| true)
            }
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The slot of ours and those that an interrupted initial copy of our subscription left (`pg_<oid>_sync_…`).
const SLOTS: &str = "
select slot_name::text, active_pid from pg_catalog.pg_replication_slots
where slot_name = $1 or slot_name ~ ('^pg_' || $2::text || '_sync_[0-9]+_[0-9]+$')";

/// Drops the slot, ending whoever still streams from it. `subscription` is the OID of the subscription on the target,
/// where one was found.
pub(super) async fn drop_slots(
    client: &Client,
    names: &ReplicationNames,
    subscription: Option<u32>,
) -> Result<bool, PgError> {
    let doing = format!("drop slot {}", names.slot);
    let slot = names.slot.as_str();
    // No OID is 0: then only our own slot matches.
    let oid = subscription.unwrap_or(0).to_string();
    let text = tokio_postgres::types::Type::TEXT;
    let mut dropped = false;
    for attempt in 0..DROP_ATTEMPTS {
        let rows = client.query(&*doing, SLOTS, &[(&slot, text.clone()), (&oid, text.clone())]).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let name: String = client.get(row, 0)?;
            if let Some(pid) = client.get::<Option<i32>>(row, 1)? {
                client.run(&*doing, sql!("select pg_catalog.pg_terminate_backend({})", pid)).await?;
            }
            let drop = sql!("select pg_catalog.pg_drop_replication_slot({})", Literal::new(name));
            match client.run(&*doing, drop).await {
                Ok(()) => dropped = true,
                // Still active: whoever used it takes a moment to end.
                Err(error) if attempt + 1 < DROP_ATTEMPTS && error.code().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(DROP_PAUSE).await;
    }
    Ok(dropped)
}

/// Tries to drop a slot that is still in use, and the pause between them: a walsender ends within milliseconds of being told.
const DROP_ATTEMPTS: u32 = 50;
const DROP_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The subscription's OID, which is part of the names of its table slots.
pub(super) async fn subscription_oid(client: &Client, names: &ReplicationNames) -> Result<Option<u32>, PgError> {
    let query = "select oid from pg_catalog.pg_subscription where subname = $1";
    let name = names.subscription.as_str();
    let rows = client.query("look for the subscription", query, &[(&name, tokio_postgres::types::Type::TEXT)]).await?;
    rows.first().map(|row| client.get(row, 0)).transpose()
}

/// Drops the publication.
pub(super) async fn drop_publication(client: &Client, names: &ReplicationNames) -> Result<bool, PgError> {
    let query = "select exists (select from pg_catalog.pg_publication where pubname = $1)";
    let name = names.publication.as_str();
    let row = client.one("look for the publication", query, &[(&name, tokio_postgres::types::Type::TEXT)]).await?;
    let there = client.get(&row, 0)?;
    if there {
        let drop = sql!("drop publication if exists {}", names.publication);
        client.run(format!("drop publication {}", names.publication), drop).await?;
    }
    Ok(there)
}
