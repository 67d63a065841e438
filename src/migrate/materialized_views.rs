//! Contents of materialized views: computed anew, because no replication and no schema archive has them.

use super::Context;
use crate::error::Error;
use crate::pg::{Client, PgError};
use crate::plan::Content;
use crate::sql;
use crate::sql::{QualifiedName, Sql};

/// Fills them, and returns what could not be filled, with the reason.
pub(super) async fn fill(context: &Context, database: &str, content: &Content) -> Result<Vec<String>, Error> {
    let mut failures = Vec::new();
    if content.materialized_views.is_empty() && content.opaque_views.is_empty() {
        return Ok(failures);
    }
    let client = context.target.connect(database).await?;
    client.run("refresh materialized views", "set synchronous_commit = off").await?;
    // In their order, each reads only what is filled already.
    for view in &content.materialized_views {
        context.check()?;
        if let Some(refusal) = refresh(&client, view, "").await? {
            failures.push(failure(view, &refusal));
        }
    }
    failures.extend(fill_opaque(context, &client, &content.opaque_views).await?);
    Ok(failures)
}

/// An empty view refuses to be read. Emptied first, they show by this who reads whom: whoever is refused has his turn again
/// when others are filled, and none keeps what it has read from one that was not up to date.
async fn fill_opaque(context: &Context, client: &Client, views: &[QualifiedName]) -> Result<Vec<String>, Error> {
    let mut failures = Vec::new();
    let mut waiting = Vec::new();
    for view in views {
        match refresh(client, view, " with no data").await? {
            Some(refusal) => failures.push(failure(view, &refusal)),
            None => waiting.push(view),
        }
    }
    loop {
        let mut refused = Vec::new();
        for &view in &waiting {
            context.check()?;
            if let Some(refusal) = refresh(client, view, "").await? {
                refused.push((view, refusal));
            }
        }
        if refused.len() == waiting.len() {
            failures.extend(refused.iter().map(|(view, refusal)| failure(view, refusal)));
            return Ok(failures);
        }
        waiting = refused.into_iter().map(|(view, _)| view).collect();
    }
}

/// What the server said, if it refused.
async fn refresh(client: &Client, view: &QualifiedName, option: &'static str) -> Result<Option<PgError>, PgError> {
    let statement: Sql = sql!("refresh materialized view {}{}", view, option);
    match client.run(format!("refresh materialized view {view}"), statement).await {
        Err(error) if error.code().is_some() => Ok(Some(error)),
        outcome => outcome.map(|()| None),
    }
}

fn failure(view: &QualifiedName, refusal: &PgError) -> String {
    let words = refusal.words();
    format!(
        "materialized view {view} could not be refreshed: {words}; once the cause is removed: REFRESH MATERIALIZED VIEW {view}"
    )
}
