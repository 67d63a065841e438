//! A connection string as a value.
//!
//! Parsing reads what libpq reads (URIs, `key=value` strings, `PG*` variables, the passfile) and keeps all of it; rendering
//! writes it in the three forms we need: parameters for our own connections, environment for child processes, and the
//! text of `CREATE SUBSCRIPTION … CONNECTION`. Nothing here touches a file, the environment or a socket: callers pass
//! those in as values.

mod secret;

pub use secret::Secret;

/// A parsed connection string.
#[derive(Clone, Debug)]
pub struct ConnInfo {}
