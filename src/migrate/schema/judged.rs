//! Entries one by one, by pg_restore, whose errors are told apart.

use super::{Archive, Manner};
use crate::error::{Error, Kind};
use crate::logger;
use crate::migrate::Context;
use crate::sql::Sql;
use crate::tools::{self, RestoreError, RestoreRequest};

/// What could not be created, and should have been.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Failures(Vec<String>);

impl Failures {
    /// Logs them, and makes one error of them.
    pub(in crate::migrate) fn into_result(self, database: &str) -> Result<(), Error> {
        for failure in &self.0 {
            tracing::error!(target: logger::TARGET, "{}: pg_restore: {failure}", logger::database(database));
        }
        self.into_quiet_result()
    }

    /// The same for somebody who may try again.
    pub(in crate::migrate) fn into_quiet_result(self) -> Result<(), Error> {
        let message = match self.0.as_slice() {
            [] => return Ok(()),
            [only] => format!("pg_restore: {only}"),
            [first, rest @ ..] => format!("pg_restore: {first} (and {} more, see the log)", rest.len()),
        };
        Err(Error::new(Kind::Failed, message))
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Restores the entries of `list`. What was announced is left to an administrator.
pub(super) async fn restore(
    context: &Context,
    archive: &Archive,
    manner: Manner<'_>,
    list: &str,
) -> Result<Failures, Error> {
    if list.is_empty() {
        return Ok(Failures::default());
    }
    let database = archive.database();
    let to = context.restore_to.in_database(database);
    // The database may have settings of its own already.
    let mut settings = vec![
        ("synchronous_commit", "off"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("default_transaction_read_only", "off"),
    ];
    if context.target_superuser {
        // Errors are told apart by their words.
        settings.push(("lc_messages", "C"));
    }
    let request = RestoreRequest {
        archive: &archive.file,
        list,
        no_owner: !manner.rights.owners.kept,
        verbose: context.verbose,
        settings: &settings,
    };
    let outcome = tools::restore(&context.tools, &to, request, &context.cancel).await?;
    let judging = tools::Context { schema_existed: manner.schema_existed, announced: manner.rights.announced.clone() };
    let mut missing = archive.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let verdict = tools::classify(&outcome, &judging, &mut missing);
    for (row, error) in &verdict.harmless {
        tracing::debug!(target: logger::TARGET, "{}: harmless ({}): {}", logger::database(database), row.name, error.message);
    }
    for (kind, error) in &verdict.refused {
        let statement = error.whole_command().map_or_else(|| not_whole(error), Sql::from_archive);
        context.leave(Some(database), *kind, &statement, error.message.clone());
    }
    let mut failures: Vec<_> = verdict.failures.iter().map(ToString::to_string).collect();
    if failures.is_empty() && !verdict.is_success() {
        failures.push(format!("did not end well: {}", outcome.last_words.join("\n")));
    }
    Ok(Failures(failures))
}

/// A comment for what cannot be shown.
fn not_whole(error: &RestoreError) -> Sql {
    let beginning = error.command.lines().next().unwrap_or_default();
    Sql::from_archive(format!("-- with its options, which may hold passwords and are not shown here: {beginning} …"))
}
