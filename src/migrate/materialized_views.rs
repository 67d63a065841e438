//! Contents of materialized views: computed anew, because no replication and no schema archive has them.

use super::Context;
use super::finish::Outcome;
use super::steady::{Manner, Steady};
use crate::error::Error;
use crate::pg::{Client, PgError};
use crate::plan::Content;
use crate::sql;
use crate::sql::QualifiedName;

/// The option that leaves a view as one that was never filled.
const EMPTY: &str = " with no data";

/// Fills and analyzes them, and adds to `refreshed` what could not be filled or analyzed, with the reason.
pub(super) async fn fill(
    context: &Context,
    database: &str,
    content: &Content,
    refreshed: &mut Outcome,
) -> Result<(), Error> {
    if content.materialized_views.is_empty() && content.opaque_views.is_empty() {
        return Ok(());
    }
    let mut session = Steady::new(context, database, Manner::Hasty);
    // In their order, each reads only what is filled already.
    for view in &content.materialized_views {
        context.check()?;
        match refresh(&mut session, view, "").await {
            Err(error) => refreshed.failures.push(failure(view, &error)),
            Ok(()) => refreshed.notices.extend(analyze(context, &mut session, view).await),
        }
    }
    fill_opaque(context, &mut session, &content.opaque_views, refreshed).await?;
    for view in &content.emptied_views {
        if let Err(error) = refresh(&mut session, view, EMPTY).await {
            refreshed.failures.push(failure(view, &error));
        }
    }
    session.end();
    Ok(())
}

/// Autovacuum may come late, or has nothing to do where few rows have changed: the rows are as new as the view. Returns
/// what is worth knowing when that fails.
async fn analyze(context: &Context, session: &mut Steady<'_>, view: &QualifiedName) -> Option<String> {
    let _permit = context.builds.acquire().await;
    let analyze = async |client: &Client| client.run(format!("analyze {view}"), sql!("analyze {}", view)).await;
    let error = session.run(analyze).await.err()?;
    Some(format!("materialized view {view} has no new statistics: {}", error.words()))
}

/// An empty view refuses to be read. Emptied first, they show by this who reads whom: whoever is refused has his turn again
/// when others are filled, and none keeps what it has read from one that was not up to date.
async fn fill_opaque(
    context: &Context,
    session: &mut Steady<'_>,
    views: &[QualifiedName],
    refreshed: &mut Outcome,
) -> Result<(), Error> {
    let mut waiting = Vec::new();
    for view in views {
        match refresh(session, view, EMPTY).await {
            Err(error) => refreshed.failures.push(failure(view, &error)),
            Ok(()) => waiting.push(view),
        }
    }
    loop {
        let mut refused = Vec::new();
        for &view in &waiting {
            context.check()?;
            match refresh(session, view, "").await {
                Err(error) => refused.push((view, error)),
                Ok(()) => refreshed.notices.extend(analyze(context, session, view).await),
            }
        }
        if refused.len() == waiting.len() {
            refreshed.failures.extend(refused.iter().map(|(view, error)| failure(view, error)));
            return Ok(());
        }
        waiting = refused.into_iter().map(|(view, _)| view).collect();
    }
}

async fn refresh(session: &mut Steady<'_>, view: &QualifiedName, option: &'static str) -> Result<(), PgError> {
    let statement = sql!("refresh materialized view {}{}", view, option);
    session.run(async |client| client.run(format!("refresh materialized view {view}"), statement.clone()).await).await
}

fn failure(view: &QualifiedName, error: &PgError) -> String {
    let words = error.words();
    format!(
        "materialized view {view} could not be refreshed: {words}; once the cause is removed: REFRESH MATERIALIZED VIEW {view}"
    )
}
