//! `pg_migrate cleanup`: drops what runs of ours left on both servers.

use crate::cli::CleanupOptions;
use crate::error::{Error, Kind};
use crate::facts::Side;
use crate::inspect;
use crate::logger;
use crate::migrate;
use crate::report::Report;
use crate::settings::{Environment, Servers};
use crate::shutdown::Shutdown;

/// Looks through every database that either server has, and names what was dropped and what could not be.
pub async fn run(
    options: CleanupOptions,
    environment: &Environment,
    report: &mut Report,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let servers = Servers::build(&options.servers, environment, super::parse(environment))?;
    let id = &report.output().migration_id;
    let token = shutdown.token();
    tokio::select! {
        biased;
        () = token.cancelled() => Err(shutdown.error()),
        outcome = clean(servers, id) => outcome,
    }
}

async fn clean(servers: Servers, id: &str) -> Result<(), Error> {
    let source = super::connect(Side::Source, servers.source, id).await?;
    let target = super::connect(Side::Target, servers.target, id).await?;
    let names = inspect::databases(&source, &target).await?;
    let (mut dropped, mut left) = (0, 0);
    for name in names {
        let swept = migrate::clean_up(&source, &target, &name).await;
        for what in &swept.dropped {
            tracing::info!(target: logger::MIGRATE, "{}: dropped {what}", logger::database(&name));
        }
        for what in &swept.left {
            tracing::error!(target: logger::MIGRATE, "{}: left behind: {what}", logger::database(&name));
        }
        dropped += swept.dropped.len();
        left += swept.left.len();
    }
    if dropped == 0 && left == 0 {
        tracing::info!(target: logger::MIGRATE, "nothing of ours was found");
    }
    if left > 0 { Err(Error::new(Kind::Failed, format!("{left} objects could not be dropped"))) } else { Ok(()) }
}
