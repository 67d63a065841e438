//! What the source's rows were copied at, and whether they are still those.

use tokio_postgres::types::Type;

use super::Context;
use crate::error::Error;
use crate::facts::Moment;
use crate::pg::Client;

const NOW: &str = "
select pg_catalog.to_char(pg_catalog.now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'),
       pg_catalog.txid_current_snapshot()::text";

/// The moment that `client`, in a transaction with a snapshot, sees; `None` where the source does not say who it is.
pub(super) async fn seen_by(context: &Context, client: &Client) -> Result<Option<Moment>, Error> {
    let Some(system_identifier) = context.source_identifier else { return Ok(None) };
    let rows = client.simple("note the moment of the snapshot", NOW).await?;
    Ok(match rows.into_iter().next().as_deref() {
        Some([Some(time), Some(transactions)]) => {
            Some(Moment { system_identifier, time: time.clone(), transactions: transactions.clone() })
        }
        _ => None,
    })
}

/// Transactions that are looked up one by one; after more of them something was written for sure.
const LOOKED_UP: i64 = 100_000;

/// Whether no transaction has been committed on the source since `moment`, in any database: nothing less proves that rows are
/// still the same. Transactions that were rolled back, such as those in which inspection tries what it may do, do not count.
pub(super) async fn is_now(context: &Context, database: &str, moment: &Moment) -> Result<bool, Error> {
    const UNCHANGED: &str = "
with moment as (
    select pg_catalog.txid_snapshot_xmax($1::pg_catalog.text::pg_catalog.txid_snapshot) as past,
           pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) as present
)
select present between past and past + $2 and not exists (
    select from (
        select pg_catalog.generate_series(past, least(present, past + $2) - 1)
        union all
        select pg_catalog.txid_snapshot_xip($1::pg_catalog.text::pg_catalog.txid_snapshot)
    ) ended(xid)
    where coalesce(pg_catalog.txid_status(xid), 'unknown') not in ('aborted', 'in progress'))
from moment";
    let client = context.source.connect(database).await?;
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&moment.transactions, Type::TEXT), (&LOOKED_UP, Type::INT8)];
    let row = client.one("see whether anything was written since", UNCHANGED, parameters).await?;
    let unchanged = client.get(&row, 0)?;
    context.source.keep(client);
    Ok(unchanged)
}
