//! Names of loggers, the third column of every log line: the `target:` of all `tracing` calls.

/// The run itself.
pub const MIGRATE: &str = "PGMigrate";
/// What happens on the source server.
pub const SOURCE: &str = "PGSource";
/// What happens on the target server.
pub const TARGET: &str = "PGTarget";
