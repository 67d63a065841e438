//! How a run is reported.

use rand::RngExt;

use super::Environment;
use crate::cli::{OutputFormat, OutputOptions};

/// How a run is reported.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// Log what is done in detail.
    pub debug: bool,
    /// Show progress where standard error is a terminal; without one, log it now and then.
    pub progress: bool,
    /// Whether standard error, when it is a terminal, can move its cursor.
    pub cursor: bool,
    /// What goes to standard output.
    pub format: Format,
    /// Show generated placeholder passwords.
    pub show_passwords: bool,
    /// Identifies the run in every log line.
    pub migration_id: String,
}

/// What goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing: the log says it all.
    Text,
    /// The result as one JSON object.
    Json,
}

impl OutputSettings {
    /// What the options and `TERM` mean together.
    pub fn new(options: &OutputOptions, show_passwords: bool, environment: &Environment) -> Self {
        Self {
            debug: options.debug,
            progress: !options.no_progress,
            cursor: environment.variables.get("TERM").is_some_and(|term| !term.is_empty() && term != "dumb"),
            format: match options.output {
                OutputFormat::Text => Format::Text,
                OutputFormat::Json => Format::Json,
            },
            show_passwords,
            migration_id: options.migration_id.clone().unwrap_or_else(random_id),
        }
    }
}

/// Four letters or digits: enough to tell a few runs apart in a shared log.
fn random_id() -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..4).map(|_| char::from(ALPHABET[random.random_range(..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_an_id_gets_four_letters_or_digits() {
        let id = random_id();
        assert_eq!(id.len(), 4);
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{id}");
    }
}
