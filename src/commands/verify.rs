//! `pg_migrate verify`: compares what a migration carries on both servers.

use crate::cli::VerifyOptions;
use crate::error::Error;
use crate::events::Events;
use crate::facts::Side;
use crate::inspect;
use crate::pg::Server;
use crate::plan::comparison;
use crate::report::Report;
use crate::settings::{Environment, Servers, Verification};
use crate::shutdown::Shutdown;
use crate::verify::{self, Context, Stopped};

/// Compares the two servers. What differs and what could not be compared is in the report; an error is about the run as a
/// whole.
pub async fn run(
    options: VerifyOptions,
    environment: &Environment,
    report: &mut Report,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let servers = Servers::build(&options.servers, environment, super::parse(environment))?;
    let settings = Verification::build(options)?;
    let token = shutdown.token();
    let (source, target) = tokio::select! {
        biased;
        () = token.cancelled() => return Err(shutdown.error()),
        connected = connect(servers, &report.output().migration_id) => connected?,
    };
    Box::pin(compare(source, target, settings, |_| true, report, shutdown)).await
}

async fn connect(servers: Servers, id: &str) -> Result<(Server, Server), Error> {
    let (source, target) = tokio::join!(
        super::connect(Side::Source, servers.source, id),
        super::connect(Side::Target, servers.target, id)
    );
    Ok((source?, target?))
}

/// Looks at both servers and compares those databases that a migration takes and `wanted` names.
pub(super) async fn compare(
    source: Server,
    target: Server,
    settings: Verification,
    wanted: impl Fn(&str) -> bool,
    report: &mut Report,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let token = shutdown.token();
    let facts = tokio::select! {
        biased;
        () = token.cancelled() => return Err(shutdown.error()),
        facts = inspect::look_at(&source, &target, &settings) => facts?,
    };
    report.servers(&facts.source, &facts.target);
    let mut comparison = comparison::build(&facts, &settings);
    comparison.databases.retain(|database| wanted(&database.name));
    let (events, receiver) = Events::channel();
    let context = Context { source, target, settings, events, cancel: token };
    let outcome = report.follow(receiver, Box::pin(verify::verify(&context, &comparison))).await;
    outcome.map_err(|Stopped| shutdown.error())
}
