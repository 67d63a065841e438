//! What completes a connection string: variables, service files, and who we are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Secret;
use super::error::ParseError;
use super::keyword::{KEYWORDS, Key};
use super::service;
use super::values::{Origin, Value, Values};

/// The part of the process environment that libpq looks at, as a value.
#[derive(Clone, Default)]
pub struct Environment {
    /// Environment variables; those that start with `PG` matter.
    pub variables: BTreeMap<String, String>,
    /// The operating system's name for the user: the default of `user`.
    pub user: Option<String>,
    /// The home directory, where `.pgpass`, `.pg_service.conf` and `.postgresql` are.
    pub home: Option<PathBuf>,
}

impl Environment {
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// The small text files a connection string may depend on. The caller reads them; `None` stands for a file that is not
/// there or cannot be read.
pub trait Files {
    /// The text of a passfile. As libpq does, an implementation ignores a file that others than its owner can read, and
    /// warns about it.
    fn passfile(&self, path: &Path) -> Option<Secret>;

    /// The text of a service file. It is a `Secret` because services may hold passwords.
    fn service_file(&self, path: &Path) -> Option<Secret>;
}

/// No file exists.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn passfile(&self, _path: &Path) -> Option<Secret> {
        None
    }

    fn service_file(&self, _path: &Path) -> Option<Secret> {
        None
    }
}

/// Gives every parameter without a value the one of its service, or else of its variable.
pub(super) fn complete(values: &mut Values, environment: &Environment, files: &dyn Files) -> Result<(), ParseError> {
    let service = values.text(Key::Service).or_else(|| environment.variable("PGSERVICE")).map(str::to_owned);
    if let Some(service) = service {
        service::complete(values, &service, environment, files)?;
    }
    for keyword in KEYWORDS {
        let Some(text) = keyword.variable.and_then(|name| environment.variable(name)) else { continue };
        if values.text(keyword.key).is_none() {
            values.set(keyword.key, Value { text: text.to_owned(), origin: Origin::Variable, quotable: true });
        }
    }
    // The predecessor of PGSSLMODE.
    let requires_ssl = environment.variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'));
    if requires_ssl && values.text(Key::Sslmode).is_none() {
        let text = "require".to_owned();
        values.set(Key::Sslmode, Value { text, origin: Origin::Variable, quotable: true });
    }
    Ok(())
}
