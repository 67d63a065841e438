//! Keeps passwords out of `ps`.
//!
//! Users type `-s postgres://user:password@host/db` or set `PGPASSWORD`, and for as long as a migration runs everybody on
//! the machine could read it. So the program replaces its own image at once, under the same process id: the new image's
//! visible arguments and environment have no password, and the real ones arrive on its standard input.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::conninfo::without_password;
use crate::error::{Error, Kind};
use crate::settings::Environment;

/// Set in the new image to its process id, so that no other process takes it as meant for itself.
const MARKER: &str = "PG_MIGRATE_ARGUMENTS_ON_STDIN";

/// Environment variables that hold a password, or may.
const SECRET_VARIABLES: [&str; 3] = ["SOURCE_SERVICE_URI", "TARGET_SERVICE_URI", "PGPASSWORD"];

/// What the program was started with.
#[derive(Clone)]
pub struct Invocation {
    /// Arguments, program name first.
    pub arguments: Vec<OsString>,
    /// What surrounds them.
    pub environment: Environment,
    /// Why passwords could not be hidden, if they could not; the program goes on without.
    pub exposed: Option<String>,
}

impl Invocation {
    /// Reads what the program was started with; first, where that holds passwords, starts it again without.
    ///
    /// Must be called before anything else: it replaces the process and reads standard input.
    ///
    /// # Errors
    /// When the program was started again and what was hidden did not arrive.
    pub fn take() -> Result<Self, Error> {
        let mut variables = BTreeMap::from_iter(
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        let mut arguments: Vec<OsString> = env::args_os().collect();
        let mut exposed = None;
        if variables.remove(MARKER).is_some_and(|id| id == std::process::id().to_string()) {
            let hidden = receive(io::stdin()).map_err(|cause| {
                Error::new(Kind::Failed, "arguments that were hidden from ps did not arrive").caused_by(cause)
            })?;
            arguments = hidden.arguments;
            variables.extend(hidden.variables);
        } else if let Some(hidden) = Hidden::among(&arguments, &variables) {
            exposed = hide(&hidden).err().map(|cause| cause.to_string());
        }
        let user = user_name().or_else(|| variables.get("USER").cloned());
        let home = variables.get("HOME").map(PathBuf::from);
        Ok(Self { arguments, environment: Environment { variables, user, home }, exposed })
    }
}

/// What must not be seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hidden {
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
}

impl Hidden {
    /// All arguments, and the variables with passwords; `None` when nothing needs hiding.
    fn among(arguments: &[OsString], variables: &BTreeMap<String, String>) -> Option<Self> {
        let variables: Vec<(String, String)> = SECRET_VARIABLES
            .iter()
            .filter_map(|name| variables.get_key_value(*name))
            .filter(|(name, value)| *name == "PGPASSWORD" || may_hold_password(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let secret = arguments.iter().any(|argument| visible(argument) != *argument);
        (secret || !variables.is_empty()).then(|| Self { arguments: arguments.to_vec(), variables })
    }

    /// The number of arguments, the arguments, and the variables as `NAME=value`, each ended by a zero byte.
    fn to_bytes(&self) -> Vec<u8> {
        let count = self.arguments.len().to_string();
        let variables = self.variables.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
        let mut bytes = Vec::new();
        for item in [count.into_bytes()]
            .into_iter()
            .chain(self.arguments.iter().map(|argument| argument.as_bytes().to_vec()))
            .chain(variables)
        {
            bytes.extend(item);
            bytes.push(0);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut items = bytes.strip_suffix(&[0])?.split(|byte| *byte == 0);
        let count: usize = std::str::from_utf8(items.next()?).ok()?.parse().ok()?;
        let arguments: Vec<OsString> =
            items.by_ref().take(count).map(|item| OsString::from_vec(item.to_vec())).collect();
        if arguments.len() != count {
            return None;
        }
        let variables = items.map(|item| {
            let (name, value) = std::str::from_utf8(item).ok()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Some(Self { arguments, variables: variables.collect::<Option<_>>()? })
    }
}

/// Starts the program again without what is `hidden`. Returns only when that fails.
fn hide(hidden: &Hidden) -> io::Result<std::convert::Infallible> {
    // A socket, not a pipe: nobody reads before the new image does, and a socket can be told not to wait when it is full.
    let (mut sender, receiver) = UnixStream::pair()?;
    sender.set_nonblocking(true)?;
    sender.write_all(&hidden.to_bytes())?;
    sender.shutdown(Shutdown::Write)?;
    let mut command = Command::new(env::current_exe()?);
    if let Some(program) = hidden.arguments.first() {
        command.arg0(program);
    }
    command.args(hidden.arguments.iter().skip(1).map(|argument| visible(argument)));
    for (name, _) in &hidden.variables {
        command.env_remove(name);
    }
    command.env(MARKER, std::process::id().to_string()).stdin(OwnedFd::from(receiver));
    Err(command.exec())
}

fn receive(mut input: impl Read) -> io::Result<Hidden> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Hidden::from_bytes(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// `argument` as everybody may see it: the value after `--option=` or `-s`, or the whole, without a password.
fn visible(argument: &OsStr) -> OsString {
    let text = argument.to_string_lossy();
    if !may_hold_password(&text) {
        return argument.to_owned();
    }
    let (option, value) = text.split_at(value_at(&text));
    OsString::from(format!("{option}{}", without_password(value)))
}

/// `text`, an error message, with every value of `arguments` that may hold a password replaced.
pub fn redact(text: &str, arguments: &[OsString]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let mut values: Vec<&str> = arguments
        .iter()
        .map(|argument| argument.split_at(value_at(argument)).1)
        .filter(|value| may_hold_password(value))
        .collect();
    // One may be the beginning of another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text.to_owned(), |text, value| text.replace(value, &without_password(value)))
}

/// Where the value begins in `--option=value`, `-svalue` or `value`.
fn value_at(argument: &str) -> usize {
    match (argument.strip_prefix("--"), argument.strip_prefix('-')) {
        (Some(long), _) => long.find('=').map_or(argument.len(), |equals| "--".len() + equals + 1),
        (None, Some(short)) => 1 + short.chars().next().map_or(0, char::len_utf8),
        (None, None) => 0,
    }
}

/// Whether `text` looks like a connection string with a password. Rather once too often than once too rarely.
fn may_hold_password(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let has_user_info = text.contains("postgres") && text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    has_user_info || (text.contains('=') && ["password", "secret"].iter().any(|word| text.contains(word)))
}

/// The operating system's name of the user we run as, where it can be found without asking a name service.
fn user_name() -> Option<String> {
    let id = fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let account = accounts.lines().find(|line| line.split(':').nth(2) == Some(&id))?;
    account.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(argument: &str) -> String {
        visible(OsStr::new(argument)).into_string().unwrap()
    }

    #[test]
    fn values_with_a_password_are_not_seen_however_they_are_given() {
        for argument in [
            "postgres://u:hunter2@h/db",
            "--source=postgresql://u:hunter2@h/db",
            "-spostgres://u:hunter2@h/db",
            "--target=host=h password=hunter2",
            "host=h PASSWORD = 'hunter2'",
            "postgres://h/db?password=hunter2",
            "postgres://u:hunter2@broken:port:%zz",
            "--sou=postgres://u:hunter2@h",
        ] {
            let seen = seen(argument);
            assert!(!seen.contains("hunter2"), "{seen}");
            assert!(!argument.starts_with('-') || seen.starts_with(&argument[..2]), "{seen}");
        }
    }

    #[test]
    fn other_arguments_are_seen_as_they_are() {
        for argument in ["--show-passwords", "host=h dbname=d", "postgres://h/db", "-d", "--jobs=4", "a,b"] {
            assert_eq!(seen(argument), argument);
        }
        assert_eq!(Hidden::among(&["pg_migrate".into(), "-d".into()], &BTreeMap::new()), None);
    }

    #[test]
    fn what_is_hidden_arrives_unchanged() {
        let arguments = vec!["pg_migrate".into(), "-s".into(), OsString::from_vec(vec![0xff, b'\n']), "".into()];
        for variables in [vec![], vec![("PGPASSWORD".to_owned(), "a=b\nc".to_owned())]] {
            let hidden = Hidden { arguments: arguments.clone(), variables };
            assert_eq!(Hidden::from_bytes(&hidden.to_bytes()), Some(hidden));
        }
        assert_eq!(Hidden::from_bytes(b"5\0a\0"), None);
    }

    #[test]
    fn messages_that_quote_an_argument_are_redacted() {
        let arguments =
            ["pg_migrate", "postgres://u:hunter2@h", "--validate=postgres://u:hunter2@host"].map(OsString::from);
        let text = redact("unexpected value 'postgres://u:hunter2@host' for '--validate'", &arguments);
        assert_eq!(text, "unexpected value 'host=host user=u' for '--validate'");
    }
}
