//! Privileges of an archive, granted one by one in a session of ours.
//!
//! pg_restore sends all that an object's entry says as one transaction: a single grant to a role that is not there, or by one
//! that we may not be, would take the others with it.

use super::Context;
use crate::error::{Error, Kind};
use crate::facts::Reserved;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::Rights;
use crate::sql::{Ident, Sql};
use crate::tools::Script;
use tokio_postgres::error::SqlState;

/// Statements sent together, while nothing is refused: a round trip each would take long where there are many.
const AT_ONCE: usize = 200;

/// Grants all of `script`. What was announced is left to an administrator; roles that are not there are passed over.
pub(super) async fn grant(context: &Context, database: &str, rights: &Rights, script: &Script) -> Result<(), Error> {
    let statements: Vec<Sql> = script.statements().collect();
    if statements.is_empty() {
        return Ok(());
    }
    let client = context.target.connect(database).await?;
    let mut failures = Vec::new();
    for batch in statements.chunks(AT_ONCE) {
        context.check()?;
        match client.run("grant privileges", Sql::join(batch, "\n")).await {
            Ok(()) => continue,
            Err(error) if error.code().is_some() => {}
            Err(error) => return Err(error.into()),
        }
        for statement in batch {
            failures.extend(grant_one(context, &client, rights, statement).await?);
        }
    }
    match failures.as_slice() {
        [] => Ok(()),
        [only] => Err(Error::new(Kind::Failed, only.clone())),
        [first, rest @ ..] => Err(Error::new(Kind::Failed, format!("{first} (and {} more, see the log)", rest.len()))),
    }
}

/// The failure, when one is to be told.
async fn grant_one(
    context: &Context,
    client: &Client,
    rights: &Rights,
    statement: &Sql,
) -> Result<Option<String>, Error> {
    let error = match client.run("grant privileges", statement.clone()).await {
        Ok(()) => return Ok(None),
        Err(error) if error.code().is_some() => error,
        Err(error) => return Err(error.into()),
    };
    let database = logger::database(client.database());
    if names_missing_role(context, &error, statement) {
        tracing::debug!(target: logger::TARGET, "{database}: left out: {statement}: {}", error.words());
        return Ok(None);
    }
    let kind = if statement.text().starts_with("ALTER DEFAULT PRIVILEGES ") {
        Reserved::DefaultPrivileges
    } else {
        Reserved::Privileges
    };
    if error.is_permission() && rights.announced.contains_key(&kind) {
        context.leave(Some(client.database()), kind, statement, error.words());
        return Ok(None);
    }
    tracing::error!(target: logger::TARGET, "{database}: {statement}: {}", error.words());
    Ok(Some(format!("{statement}: {}", error.words())))
}

/// Whether a grant is refused only because it is about a role that was not migrated.
fn names_missing_role(context: &Context, error: &PgError, statement: &Sql) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_OBJECT)
        && context.missing_roles.iter().any(|role| statement.text().contains(&Ident::new(role).to_string()))
}
