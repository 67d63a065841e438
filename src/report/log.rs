//! The log: one line per event on standard error, in columns that scripts split at tabs.

use std::fmt::{self, Write as _};

use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::terminal::Terminal;
use crate::logger;

/// Installs the log for the whole process. A second call changes nothing.
pub(super) fn install(terminal: Terminal, migration_id: String, debug: bool) {
    let max_level = if debug { Level::DEBUG } else { Level::INFO };
    let lines = Lines { terminal, migration_id, max_level };
    drop(tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)));
}

/// Prints events of our own loggers.
///
/// What other crates log is never shown: tokio-postgres logs statements, and statements can hold passwords.
struct Lines {
    terminal: Terminal,
    migration_id: String,
    max_level: Level,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.max_level && logger_name(metadata.target()).is_some()
    }

    fn max_level_hint(&self) -> Option<tracing::metadata::LevelFilter> {
        Some(self.max_level.into())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(logger) = logger_name(event.metadata().target()) else { return };
        let mut message = Message::default();
        event.record(&mut message);
        let level = *event.metadata().level();
        self.terminal.log(&line(&Zoned::now(), &self.migration_id, logger, level, &message.text()));
    }
}

/// The name shown for a `tracing` target; `None` for other crates'.
fn logger_name(target: &str) -> Option<&'static str> {
    match target {
        logger::SOURCE => Some(logger::SOURCE),
        logger::TARGET => Some(logger::TARGET),
        logger::MIGRATE | "pg_migrate" => Some(logger::MIGRATE),
        target if target.starts_with("pg_migrate::") => Some(logger::MIGRATE),
        _ => None,
    }
}

/// One line, its newline included. A message of several lines stays as it is.
fn line(at: &Zoned, migration_id: &str, logger: &str, level: Level, message: &str) -> String {
    let level = match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    };
    let milliseconds = at.subsec_nanosecond() / 1_000_000;
    let seconds = at.strftime("%Y-%m-%d %H:%M:%S");
    format!("{seconds},{milliseconds:03}\t{migration_id}\t{logger}\t{level}\t{message}\n")
}

/// The message of an event, and its other fields as `name=value`.
#[derive(Default)]
struct Message {
    message: String,
    fields: String,
}

impl Message {
    fn text(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_five_columns() {
        let at: Zoned = "2026-01-31T13:16:47.123999+02:00[+02:00]".parse().unwrap();
        assert_eq!(
            line(&at, "a1b2", logger::SOURCE, Level::WARN, "two\nlines"),
            "2026-01-31 13:16:47,123\ta1b2\tPGSource\tWARNING\ttwo\nlines\n"
        );
    }

    #[test]
    fn other_crates_are_never_shown() {
        assert_eq!(logger_name("tokio_postgres::query"), None);
        assert_eq!(logger_name("pg_migrate_helper"), None);
        assert_eq!(logger_name("pg_migrate::migrate::copy"), Some("PGMigrate"));
        assert_eq!(logger_name("PGTarget"), Some("PGTarget"));
    }
}
