//! `pg_migrate cleanup`: drops what runs of ours left on both servers.

use std::collections::BTreeSet;

use crate::cli::CleanupOptions;
use crate::error::{Error, Kind};
use crate::facts::Side;
use crate::inspect;
use crate::logger;
use crate::migrate;
use crate::pg::Server;
use crate::report::Report;
use crate::settings::{Environment, Servers};
use crate::shutdown::Shutdown;

/// Looks through every database that either server has, and names what was dropped and what could not be. A server that
/// is gone, as the target is after a migration that was given up, keeps nobody from cleaning up the other.
pub async fn run(
    options: CleanupOptions,
    environment: &Environment,
    report: &mut Report,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    super::scratch::sweep();
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
    let (source, target) = tokio::join!(
        super::connect(Side::Source, servers.source, id),
        super::connect(Side::Target, servers.target, id)
    );
    let (mut dropped, mut left) = (0, 0);
    let (source, target) = match (source, target) {
        (Err(error), Err(other)) => {
            tracing::error!(target: logger::MIGRATE, "{}", other.chain());
            return Err(error);
        }
        (source, target) => (reached(source, &mut left), reached(target, &mut left)),
    };
    let mut names = BTreeSet::new();
    for server in [&source, &target].into_iter().flatten() {
        names.append(&mut inspect::databases(server).await?);
    }
    for name in names {
        let swept = migrate::clean_up(source.as_ref(), target.as_ref(), &name).await;
        for what in &swept.dropped {
            tracing::info!(target: logger::MIGRATE, "{}: dropped {what}", logger::database(&name));
        }
        for what in &swept.left {
            tracing::error!(target: logger::MIGRATE, "{}: left behind: {what}", logger::database(&name));
        }
        if let Some(lacking) = swept.unfinished {
            tracing::warn!(target: logger::MIGRATE, "{}: {lacking}", logger::database(&name));
        }
        dropped += swept.dropped.len();
        left += swept.left.len();
    }
    if dropped == 0 && left == 0 {
        tracing::info!(target: logger::MIGRATE, "nothing of ours was found");
    }
    match left {
        0 => Ok(()),
        1 => Err(Error::new(Kind::Failed, "1 thing is left behind")),
        _ => Err(Error::new(Kind::Failed, format!("{left} things are left behind"))),
    }
}

/// A server that does not answer counts as one thing left behind.
fn reached(server: Result<Server, Error>, left: &mut usize) -> Option<Server> {
    server
        .inspect_err(|error| {
            tracing::error!(target: logger::MIGRATE, "left behind: whatever is on a server that does not answer: {}", error.chain());
            *left += 1;
        })
        .ok()
}
