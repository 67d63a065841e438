//! Connection service files (PostgreSQL documentation, "The Connection Service File").

use std::path::{Path, PathBuf};

use super::environment::{Environment, Files};
use super::error::ParseError;
use super::keyword::Key;
use super::values::{Origin, Value, Values};

/// Where the system-wide file is unless `PGSYSCONFDIR` says otherwise. It is compiled into libpq; this is Debian's choice.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// Gives every parameter without a value the one that `service` defines: in the user's file, or else in the system's.
pub(super) fn complete(
    values: &mut Values,
    service: &str,
    environment: &Environment,
    files: &dyn Files,
) -> Result<(), ParseError> {
    let named = environment.variable("PGSERVICEFILE").map(PathBuf::from);
    let personal = named.clone().or_else(|| Some(environment.home.as_ref()?.join(".pg_service.conf")));
    let system = Path::new(environment.variable("PGSYSCONFDIR").unwrap_or(SYSTEM_DIRECTORY)).join("pg_service.conf");

    let mut searched = Vec::new();
    for path in personal.into_iter().chain([system]) {
        if let Some(text) = files.service_file(&path) {
            if complete_from(values, service, &path, text.expose())? {
                return Ok(());
            }
        } else if named.as_ref() == Some(&path) {
            return Err(ParseError::ServiceFileMissing(path));
        }
        searched.push(path.display().to_string());
    }
    Err(ParseError::ServiceNotFound { service: service.to_owned(), searched: searched.join(" or ") })
}

/// Reads one file; false if it does not define `service`.
///
/// A repeated key keeps its first value, and a second section of the same name is not read, as in libpq.
fn complete_from(values: &mut Values, service: &str, path: &Path, text: &str) -> Result<bool, ParseError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let section = |line: &str| line.strip_prefix('[').and_then(|rest| rest.strip_prefix(service)?.chars().next());
    if !lines.any(|(_, line)| section(line) == Some(']')) {
        return Ok(false);
    }
    for (line, content) in lines.take_while(|(_, line)| !line.starts_with('[')) {
        let broken = |problem| ParseError::BrokenServiceFile { file: path.to_owned(), line, problem };
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if content.starts_with("ldap") {
            return Err(broken("looking up parameters by LDAP is not supported"));
        }
        let (name, text) = content.split_once('=').ok_or_else(|| broken("expected key=value"))?;
        let key = Key::from_name(name).ok_or_else(|| broken("unknown parameter"))?;
        if key == Key::Service {
            return Err(broken("a service cannot refer to another service"));
        }
        if values.text(key).is_none() {
            values.set(key, Value { text: text.to_owned(), origin: Origin::Written, quotable: true });
        }
    }
    Ok(true)
}
