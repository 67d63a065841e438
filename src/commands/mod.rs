//! One file per command: which stages run, in which order.

pub mod cleanup;
pub mod migrate;
pub mod verify;

mod files;
mod scratch;

use crate::conninfo::{ConnInfo, ParseError};
use crate::error::{Error, Kind};
use crate::facts::Side;
use crate::pg::{PgError, Server};
use crate::settings::Environment;

/// Reads a connection string, the files it names included.
fn parse(environment: &Environment) -> impl Fn(&str) -> Result<ConnInfo, ParseError> {
    move |text| ConnInfo::parse_with(text, environment, &files::OnDisk)
}

/// A server whose every session reaches the one host that answered first: an exported snapshot exists there only.
async fn connect(side: Side, conninfo: ConnInfo, migration_id: &str) -> Result<Server, Error> {
    let name = match conninfo.application_name() {
        Some(name) if !name.is_empty() => format!("{name} {migration_id}"),
        _ => format!("pg_migrate {migration_id}"),
    };
    Server::new(side, conninfo, name).pinned().await.map_err(unreachable)
}

/// A server that cannot be connected to ends the run before anything is changed, with the server's words.
fn unreachable(error: PgError) -> Error {
    let side = error.side;
    Error::new(Kind::Connection, format!("Cannot connect to the {side}")).caused_by(error.cause)
}
