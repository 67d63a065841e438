//! Proves that two databases are equal, or says what is not: catalog by catalog, and row by row.
//!
//! Only reads. Whatever it creates on a server to compare two wordings of one definition is temporary and rolled back.
//!
//! Databases come one after the other, each with all connections there are. What cannot be compared is said and fails the
//! run; it is never taken for equal.

mod data;
pub mod schema;
mod session;

use tokio_util::sync::CancellationToken;

pub use crate::events::{Difference, What};

use self::schema::Scope;
use crate::error::{Error, Kind};
use crate::events::{Event, Events, Failure, NotCompared, Verdict};
use crate::pg::Server;
use crate::plan::comparison::{Comparison, Contents, DatabaseComparison, State};
use crate::settings::{Level, Verification};

/// What every step may use.
#[derive(Debug)]
pub struct Context {
    /// The source server.
    pub source: Server,
    /// The target server.
    pub target: Server,
    /// What was asked for.
    pub settings: Verification,
    /// Where verdicts go.
    pub events: Events,
    /// Cancelled by a signal.
    pub cancel: CancellationToken,
}

/// A signal came before the last verdict.
#[derive(Clone, Copy, Debug)]
pub struct Stopped;

/// Carries out `comparison`. Every verdict is an event.
///
/// # Errors
/// When a signal came.
pub async fn verify(context: &Context, comparison: &Comparison) -> Result<(), Stopped> {
    context.events.send(Event::Verification { level: context.settings.level });
    let scope = Scope {
        databases: comparison.databases.iter().map(|database| database.name.clone()).collect(),
        replicating_databases: comparison.replicating().map(str::to_owned).collect(),
        roles: comparison.roles.clone(),
        excluded_extensions: context.settings.selection.excluded_extensions.clone(),
        ignore_owners: context.settings.ignore_owners,
        extension_tables: context.settings.selection.extension_tables,
        given_passwords: context.settings.given_passwords.clone(),
        replicating: false,
    };
    let maintenance = (context.source.maintenance_database(), context.target.maintenance_database());
    until_cancelled(context, maintenance, servers(context, &scope)).await?;
    // That the target does not have one, the servers' verdict says.
    for database in comparison.databases.iter().filter(|database| !matches!(database.state, State::Missing)) {
        let name = database.name.as_str();
        until_cancelled(context, (name, name), Box::pin(one(context, &scope, comparison.jobs, database))).await?;
    }
    Ok(())
}

/// Ends `work` when a signal comes, and what its sessions in these databases are still computing.
async fn until_cancelled(
    context: &Context,
    databases: (&str, &str),
    work: impl Future<Output = Verdict>,
) -> Result<(), Stopped> {
    let verdict = tokio::select! {
        biased;
        () = context.cancel.cancelled() => None,
        verdict = work => Some(verdict),
    };
    match verdict {
        Some(verdict) => {
            context.events.send(Event::Verified(Box::new(verdict)));
            Ok(())
        }
        None => {
            let (source, target) =
                tokio::join!(context.source.end_sessions(databases.0), context.target.end_sessions(databases.1));
            for error in [source.err(), target.err()].into_iter().flatten() {
                tracing::debug!(target: crate::logger::MIGRATE, "{error}: {}", error.words());
            }
            Err(Stopped)
        }
    }
}

async fn servers(context: &Context, scope: &Scope) -> Verdict {
    let mut verdict = Verdict::default();
    let compared = async {
        let (source, target) = tokio::try_join!(
            context.source.connect(context.source.maintenance_database()),
            context.target.connect(context.target.maintenance_database())
        )?;
        schema::compare_servers(&source, &target, scope).await
    };
    match compared.await {
        Ok(compared) => {
            verdict.differences = compared.differences;
            verdict.not_compared = compared.not_compared;
        }
        Err(error) => verdict.fail("roles and databases", Error::from(error)),
    }
    verdict
}

async fn one(context: &Context, scope: &Scope, jobs: usize, database: &DatabaseComparison) -> Verdict {
    let mut verdict = Verdict { database: Some(database.name.clone()), ..Verdict::default() };
    match &database.state {
        State::Unreachable { reason } => {
            verdict.failures.push(Failure { kind: Kind::Failed, message: reason.clone() });
        }
        State::Missing => {}
        State::Compared(contents) => {
            definitions(context, scope, contents, &mut verdict).await;
            if context.settings.level > Level::Schema {
                data::compare(context, &database.name, contents, jobs, &mut verdict).await;
            }
        }
    }
    // A large object that is missing is seen by its owner and by its contents.
    verdict.differences.sort();
    verdict.differences.dedup();
    verdict
}

async fn definitions(context: &Context, scope: &Scope, contents: &Contents, verdict: &mut Verdict) {
    let name = verdict.database.clone().unwrap_or_default();
    let scope = Scope { replicating: contents.replication.is_some(), ..scope.clone() };
    let compared = async {
        let (source, target) = tokio::try_join!(context.source.connect(&name), context.target.connect(&name))?;
        schema::compare_databases(&source, &target, &scope).await
    };
    match compared.await {
        Ok(compared) => {
            verdict.differences.extend(compared.differences);
            verdict.not_compared.extend(compared.not_compared);
        }
        Err(error) => verdict.fail("definitions", Error::from(error)),
    }
    let later = contents.later.iter();
    let later = later.map(|later| NotCompared { what: later.what.clone(), reason: later.reason, later: true });
    verdict.not_compared.extend(later);
}

impl Verdict {
    /// Notes that `what` could not be compared.
    fn fail(&mut self, what: &str, error: Error) {
        let message = format!("{what} could not be compared: {}", error.chain());
        self.failures.push(Failure { kind: error.kind, message });
    }
}
