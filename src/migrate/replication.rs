//! Publication, subscription and slot of one database.

use std::collections::HashSet;

use tokio_postgres::error::SqlState;

use super::pace::Pace;
use super::{Context, identity, snapshot};
use crate::error::Error;
use crate::facts::ServerVersion;
use crate::facts::provider;
use crate::pg::{Client, PgError};
use crate::plan::{Content, Transfer};
use crate::sql;
use crate::sql::names::ReplicationNames;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// How long a publication may wait for its tables. CREATE INDEX CONCURRENTLY or VACUUM may have one for hours.
const PUBLICATION_LOCK_TIMEOUT: &str = "60s";

/// Creates our publications, in which tables are listed one by one: FOR ALL TABLES would also publish those whose UPDATE and
/// DELETE then fail for want of a replica identity. Where identities are changed for it, that comes between the publication,
/// whose comment is the record of it, and its tables.
pub(super) async fn create_publications(
    context: &Context,
    database: &str,
    names: &ReplicationNames,
    content: &Content,
    transfer: Transfer,
) -> Result<(), Error> {
    let client = context.source.connect(database).await?;
    let doing = format!("create publication {}", names.publication);
    limit_lock(&client).await?;
    if matches!(transfer, Transfer::SubscriptionCopies { aiven_extras: true }) {
        let schema = extension_schema(&client).await?;
        let tables = content.published.iter().map(|table| Literal::new(crate::sql::render(table)));
        let statement = sql!(
            "select {}.pg_create_publication({}, 'INSERT,UPDATE,DELETE,TRUNCATE', variadic array[{}]::text[])",
            schema,
            Literal::new(names.publication.as_str()),
            Sql::join(tables, ", ")
        );
        return Ok(client.run(doing, statement).await?);
    }
    let insert_only: HashSet<_> = content.insert_only.iter().collect();
    let whole: Vec<_> = content.published.iter().filter(|it| !insert_only.contains(it)).map(only).collect();
    if content.identity_changes.is_empty() {
        let tables = if whole.is_empty() { Sql::from("") } else { sql!(" for table {}", Sql::join(whole, ", ")) };
        client.run(doing, sql!("create publication {}{}", names.publication, tables)).await?;
    } else {
        let record = identity::record(&client, &content.identity_changes).await?;
        let create = sql!(
            "create publication {}; comment on publication {} is {}",
            names.publication,
            names.publication,
            record
        );
        client.run(&*doing, create).await?;
        identity::change(&client, &content.identity_changes).await?;
        // The change had a shorter limit.
        limit_lock(&client).await?;
        client.run(doing, sql!("alter publication {} add table {}", names.publication, Sql::join(whole, ", "))).await?;
    }
    if !content.insert_only.is_empty() {
        let name = &names.insert_publication;
        let tables = Sql::join(content.insert_only.iter().map(only), ", ");
        let create = sql!("create publication {} for table {} with (publish = 'insert')", name, tables);
        client.run(format!("create publication {name}"), create).await?;
    }
    Ok(())
}

async fn limit_lock(client: &Client) -> Result<(), PgError> {
    let set = sql!("set lock_timeout = {}", Literal::new(PUBLICATION_LOCK_TIMEOUT));
    client.run("limit the wait for locks of tables", set).await
}

fn only(table: &QualifiedName) -> Sql {
    sql!("only {}", table)
}

async fn extension_schema(client: &Client) -> Result<Ident, PgError> {
    let query = "select n.nspname::text from pg_catalog.pg_extension e \
                 join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = $1";
    let name = tokio_postgres::types::Type::TEXT;
    let row = client.one("find aiven_extras", query, &[(&provider::AIVEN_EXTRAS, name)]).await?;
    Ok(Ident::new(client.get::<String>(&row, 0)?))
}

/// Makes the subscription take over the slot: it streams from the slot's point, where the copied snapshot ends.
pub(super) async fn take_over_slot(
    context: &Context,
    client: &Client,
    names: &ReplicationNames,
    content: &Content,
) -> Result<(), Error> {
    let options = sql!(
        "copy_data = false, create_slot = false, enabled = false, slot_name = {}{}",
        Literal::new(names.slot.as_str()),
        version_options(context, client)
    );
    if !context.target_superuser && client.can_run_unlogged().await? {
        let (before, after) = around_connection(names, content, &options);
        let conninfo = context.source_for_target.subscription_conninfo(client.database());
        let doing = format!("create subscription {}", names.subscription);
        client.run_unlogged(doing, &before, &conninfo, &after).await?;
    } else {
        subscribe(context, client, names, content, &options).await?;
    }
    Ok(enable_subscription(client, names).await?)
}

/// Lets the subscription stream.
pub(super) async fn enable_subscription(client: &Client, names: &ReplicationNames) -> Result<(), PgError> {
    let doing = format!("enable subscription {}", names.subscription);
    match client.run(doing, sql!("alter subscription {} enable", names.subscription)).await {
        // It is aiven_extras', and was never disabled.
        Err(error) if error.is_permission() => Ok(()),
        outcome => outcome,
    }
}

/// Makes the subscription create the slot and copy the tables.
pub(super) async fn copy_by_subscription(
    context: &Context,
    client: &Client,
    names: &ReplicationNames,
    content: &Content,
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
        return create_subscription(context, client, names, statement).await;
    }
    let options = sql!(
        "copy_data = true, create_slot = true, enabled = true, slot_name = {}{}",
        Literal::new(names.slot.as_str()),
        version_options(context, client)
    );
    subscribe(context, client, names, content, &options).await
}

/// `streaming` (14 on both sides) applies large transactions without spooling them on the source. `disable_on_error` (15)
/// stays off: it takes a restart of the source or a broken connection for an error, and would end replication there.
fn version_options(context: &Context, client: &Client) -> &'static str {
    let both = client.version().streams_large_transactions() && context.source_version.streams_large_transactions();
    if both { ", streaming = on" } else { "" }
}

async fn subscribe(
    context: &Context,
    client: &Client,
    names: &ReplicationNames,
    content: &Content,
    options: &Sql,
) -> Result<(), Error> {
    let (before, after) = around_connection(names, content, options);
    client.keep_out_of_log().await?;
    let statement = sql!("{}{}{}", before, connection(context, client.database()), after);
    create_subscription(context, client, names, statement).await
}

/// CREATE SUBSCRIPTION, before and after its connection string.
fn around_connection(names: &ReplicationNames, content: &Content, options: &Sql) -> (Sql, Sql) {
    let inserts = (!content.insert_only.is_empty()).then_some(&names.insert_publication);
    let publications = Sql::join([&names.publication].into_iter().chain(inserts), ", ");
    let before = sql!("create subscription {} connection ", names.subscription);
    (before, sql!(" publication {} with ({})", publications, options))
}

/// Where the subscription makes the slot, that may have to wait.
async fn create_subscription(
    context: &Context,
    client: &Client,
    names: &ReplicationNames,
    statement: Sql,
) -> Result<(), Error> {
    let creation = client.run(format!("create subscription {}", names.subscription), statement);
    snapshot::until_created(context, client, &names.slot, creation).await
}

fn connection(context: &Context, database: &str) -> Literal {
    Literal::secret(&context.source_for_target.subscription_conninfo(database))
}

/// Whether the subscription is in the client's database.
async fn has_subscription(client: &Client, names: &ReplicationNames) -> Result<bool, PgError> {
    Ok(subscription_oid(client, names).await?.is_some())
}

/// Disables the subscription, so that it lets go of its slot; `false` when there is none.
pub(super) async fn disable_subscription(client: &Client, names: &ReplicationNames) -> Result<bool, PgError> {
    if !has_subscription(client, names).await? {
        return Ok(false);
    }
    let doing = format!("disable subscription {}", names.subscription);
    match client.run(doing, sql!("alter subscription {} disable", names.subscription)).await {
        Ok(()) => Ok(true),
        // It is aiven_extras', whose function drops it whole.
        Err(error) if error.is_permission() => Ok(true),
        Err(error) => Err(error),
    }
}

/// What becomes of the slot when its subscription is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithSlot {
    /// It has been dropped already, or is out of everybody's reach: works when the source is gone, too.
    Leave,
    /// The target drops it through its own connection: where our user may not touch slots.
    Drop,
}

/// Drops the subscription; `false` when there is none.
pub(super) async fn drop_subscription(
    client: &Client,
    names: &ReplicationNames,
    slot: WithSlot,
) -> Result<bool, PgError> {
    if !has_subscription(client, names).await? {
        return Ok(false);
    }
    let name = &names.subscription;
    let doing = format!("drop subscription {name}");
    let statement = match slot {
        WithSlot::Leave => sql!(
            "alter subscription {} disable; alter subscription {} set (slot_name = none); drop subscription {}",
            name,
            name,
            name
        ),
        WithSlot::Drop => sql!("drop subscription {}", name),
    };
    match client.run(&*doing, statement).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_permission() => match extension_schema(client).await {
            // Its function drops the slot as well.
            Ok(schema) => {
                let call = sql!("select {}.pg_drop_subscription({})", schema, Literal::new(name.as_str()));
                client.run(doing, call).await.map(|()| true)
            }
            Err(_) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The slot of ours and those that an interrupted initial copy of our subscription left (`pg_<oid>_sync_…`).
const SLOTS: &str = "
select slot_name::text, active_pid from pg_catalog.pg_replication_slots
where slot_name = $1 or slot_name ~ ('^pg_' || $2::text || '_sync_[0-9]+_[0-9]+$')";

/// Drops the slots, ending whoever still streams from them. `subscription` is the OID of the subscription on the target,
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
    let mut pace = Pace::new(DROP_PAUSE);
    for attempt in 0..DROP_ATTEMPTS {
        let rows = client.query(&*doing, SLOTS, &[(&slot, text.clone()), (&oid, text.clone())]).await?;
        let mut in_use = false;
        for row in &rows {
            let name: String = client.get(row, 0)?;
            let statement = sql!("select pg_catalog.pg_drop_replication_slot({})", Literal::new(name));
            match client.run(&*doing, statement).await {
                Ok(()) => dropped = true,
                // Whoever uses it takes a moment to end.
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && attempt + 1 < DROP_ATTEMPTS => {
                    in_use = true;
                    if let Some(pid) = client.get::<Option<i32>>(row, 1)? {
                        // It may end by itself, whether or not we are allowed to ask.
                        drop(client.run(&*doing, sql!("select pg_catalog.pg_terminate_backend({})", pid)).await);
                    }
                }
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => {}
                Err(error) => return Err(error),
            }
        }
        if !in_use {
            break;
        }
        // The walsender that was told to end lets go of its slot in its own time, and tells nobody.
        tokio::time::sleep(pace.pause(1)).await;
    }
    Ok(dropped)
}

/// Tries to drop a slot that is still in use, and the longest pause between them: a walsender ends within milliseconds of being
/// told.
const DROP_ATTEMPTS: u32 = 50;
const DROP_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// A query for the subscription of name `$1` in the session's database: `oid`, `enabled`. Below 14 the OID is in a column
/// that only superusers may read; a view shows it to everybody.
pub(super) fn own_subscription(version: ServerVersion) -> &'static str {
    macro_rules! query {
        ($oid:literal) => {
            concat!(
                "select ",
                $oid,
                " as oid, s.subenabled as enabled \
                 from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
                 where s.subname = $1 and d.datname = pg_catalog.current_database()"
            )
        };
    }
    if version.shows_oid_of_subscriptions() {
        query!("s.oid")
    } else {
        query!("(select t.subid from pg_catalog.pg_stat_subscription t where t.subname = s.subname limit 1)")
    }
}

/// The subscription's OID, which is part of the names of its table slots.
pub(super) async fn subscription_oid(client: &Client, names: &ReplicationNames) -> Result<Option<u32>, PgError> {
    let query = own_subscription(client.version());
    let name = names.subscription.as_str();
    let rows = client.query("look for the subscription", query, &[(&name, tokio_postgres::types::Type::TEXT)]).await?;
    rows.first().map(|row| client.get(row, 0)).transpose()
}

/// Drops one of our publications; `false` when there is none.
pub(super) async fn drop_publication(client: &Client, publication: &Ident) -> Result<bool, PgError> {
    let query = "select exists (select from pg_catalog.pg_publication where pubname = $1)";
    let name = publication.as_str();
    let row = client.one("look for the publication", query, &[(&name, tokio_postgres::types::Type::TEXT)]).await?;
    let there = client.get(&row, 0)?;
    if there {
        let drop = sql!("drop publication if exists {}", publication);
        client.run(format!("drop publication {publication}"), drop).await?;
    }
    Ok(there)
}
