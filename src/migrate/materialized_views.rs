//! Contents of materialized views: computed anew, because no replication and no schema archive has them.

use super::Context;
use super::finish::Refreshed;
use crate::error::Error;
use crate::pg::{Client, PgError};
use crate::plan::Content;
use crate::sql;
use crate::sql::{QualifiedName, Sql};

/// Fills and analyzes them, and adds to `refreshed` what could not be filled or analyzed, with the reason.
pub(super) async fn fill(
    context: &Context,
    database: &str,
    content: &Content,
    refreshed: &mut Refreshed,
) -> Result<(), Error> {
    if content.materialized_views.is_empty() && content.opaque_views.is_empty() {
        return Ok(());
    }
    let client = context.target.connect(database).await?;
    client.run("refresh materialized views", "set synchronous_commit = off").await?;
    // In their order, each reads only what is filled already.
    for view in &content.materialized_views {
        context.check()?;
        match refresh(&client, view, "").await? {
            Some(refusal) => refreshed.failures.push(failure(view, &refusal)),
            None => refreshed.notices.extend(analyze(context, &client, view).await?),
        }
    }
    fill_opaque(context, &client, &content.opaque_views, refreshed).await
}

/// Autovacuum may come late, or has nothing to do where few rows have changed: the rows are as new as the view. Returns
/// what is worth knowing when the server refuses.
async fn analyze(context: &Context, client: &Client, view: &QualifiedName) -> Result<Option<String>, PgError> {
    let _permit = context.builds.acquire().await;
    match client.run(format!("analyze {view}"), sql!("analyze {}", view)).await {
        Err(error) if error.code().is_some() => {
            Ok(Some(format!("materialized view {view} has no new statistics: {}", error.words())))
        }
        outcome => outcome.map(|()| None),
    }
}

/// An empty view refuses to be read. Emptied first, they show by this who reads whom: whoever is refused has his turn again
/// when others are filled, and none keeps what it has read from one that was not up to date.
async fn fill_opaque(
    context: &Context,
    client: &Client,
    views: &[QualifiedName],
    refreshed: &mut Refreshed,
) -> Result<(), Error> {
    let mut waiting = Vec::new();
    for view in views {
        match refresh(client, view, " with no data").await? {
            Some(refusal) => refreshed.failures.push(failure(view, &refusal)),
            None => waiting.push(view),
        }
    }
    loop {
        let mut refused = Vec::new();
        for &view in &waiting {
            context.check()?;
            match refresh(client, view, "").await? {
                Some(refusal) => refused.push((view, refusal)),
                None => refreshed.notices.extend(analyze(context, client, view).await?),
            }
        }
        if refused.len() == waiting.len() {
            refreshed.failures.extend(refused.iter().map(|(view, refusal)| failure(view, refusal)));
            return Ok(());
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
