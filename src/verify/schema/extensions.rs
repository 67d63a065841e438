//! Extensions that both sides have alike: whatever their members lack on the target, somebody has added on the source.

use std::collections::BTreeSet;

use super::Scope;
use crate::facts::provider;
use crate::pg::{Client, PgError};

const EXTENSIONS: &str = "
select e.extname::text, e.extversion, n.nspname::text
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace";

/// Names of the extensions that both sides have in one version and one schema, of those that a migration carries.
pub(super) async fn alike(source: &Client, target: &Client, scope: &Scope) -> Result<Vec<String>, PgError> {
    let (here, there) = tokio::try_join!(list(source), list(target))?;
    let on_both = here.intersection(&there).map(|[name, ..]| name);
    Ok(on_both
        .filter(|name| !scope.excluded_extensions.contains(name) && !provider::EXTENSIONS.contains(&name.as_str()))
        .cloned()
        .collect())
}

/// Name, version and schema of each.
async fn list(client: &Client) -> Result<BTreeSet<[String; 3]>, PgError> {
    let rows = client.query("list extensions", EXTENSIONS, &[]).await?;
    rows.iter().map(|row| Ok([client.get(row, 0)?, client.get(row, 1)?, client.get(row, 2)?])).collect()
}
