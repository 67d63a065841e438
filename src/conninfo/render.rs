//! Connections as text: for people, for child processes, for the target server.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::host::{Address, Host};
use super::keyword::{KEYWORDS, Key, Reach};
use super::values::{Origin, Values};
use super::{ConnInfo, Keepalives, Secret, parse, passfile};

/// What has to be encoded in a URI: all that separates its parts, and what a terminal would not show.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b'=')
    .add(b'?')
    .add(b'@');

/// The name of the only service in [`ConnInfo::child_service_file`].
pub const CHILD_SERVICE: &str = "pg_migrate";

impl ConnInfo {
    /// The connection for the `--dbname` argument of `pg_dump` and `pg_restore`: everything that the connection string or its
    /// service says, where it leads to spelled out, and no secret.
    ///
    /// An argument rather than variables, because some parameters (`keepalives`, `tcp_user_timeout`) have no variable,
    /// and because inside it a database name that looks like a connection string is still a name. What came from a
    /// variable stays in one ([`ConnInfo::child_environment`]): each libpq ignores variables it is too old for, while an
    /// unknown key in the argument is an error. So `pg_dump` 12 refuses a `require_auth` that the user wrote down, rather
    /// than connecting without it. `options` always goes by its variable, where more can be added to them.
    pub fn child_conninfo(&self) -> String {
        let mut out = self.place();
        for (key, value) in self.kept_alive().iter().filter(|(key, _)| *key != Key::Options) {
            if matches!(key.keyword().reach, Reach::Anywhere | Reach::ThisMachine) && value.origin == Origin::Written {
                push_pair(&mut out, key.name(), &value.text);
            }
        }
        out
    }

    /// Every variable that libpq takes a parameter from: with a value to set it to, or with `None` to unset it, since what
    /// a child inherits must not add to [`ConnInfo::child_conninfo`]. No value is a secret.
    ///
    /// Secrets go by files that only their owner can read: `PGPASSFILE` names [`ConnInfo::child_passfile`];
    /// `PGSERVICEFILE` names [`ConnInfo::child_service_file`], and `PGSERVICE` is [`CHILD_SERVICE`]. The caller sets those
    /// after these.
    pub fn child_environment(&self) -> Vec<(&'static str, Option<String>)> {
        let parameters = KEYWORDS.iter().filter_map(|keyword| {
            let passed_on = matches!(keyword.reach, Reach::Anywhere | Reach::ThisMachine);
            let value = self
                .values
                .value(keyword.key)
                .filter(|value| passed_on && (value.origin == Origin::Variable || keyword.key == Key::Options));
            Some((keyword.variable?, value.map(|value| value.text.clone())))
        });
        parameters.chain([("PGREQUIRESSL", None), ("PGSERVICEFILE", None)]).collect()
    }

    /// The text of a passfile for a child process; `None` if no host has a password.
    ///
    /// A line cannot hold a password with a line break, and libpq 12 and 13 skip lines longer than 319 bytes.
    pub fn child_passfile(&self) -> Option<Secret> {
        let mut text = String::new();
        for host in &self.hosts {
            let Some(password) = host.password.as_ref().map(Secret::expose).filter(|text| !text.contains(['\n', '\r']))
            else {
                continue;
            };
            text += &passfile::line(host.passfile_name(), host.port, &self.user, password);
            // Which directory counts as localhost differs from one libpq to the next.
            let other_name = match &host.address {
                Address::Unix(directory) if host.passfile_name() == "localhost" => directory.to_str(),
                Address::Unix(_) => Some("localhost"),
                Address::Tcp { .. } => None,
            };
            text.extend(other_name.map(|name| passfile::line(name, host.port, &self.user, password)));
        }
        (!text.is_empty()).then(|| Secret::new(text))
    }

    /// The text of a service file for a child process, with the secrets that no passfile can hold, such as the password
    /// of the client's TLS key; `None` if there are none.
    pub fn child_service_file(&self) -> Option<Secret> {
        let secrets = self.values.iter().filter(|(key, _)| key.is_secret() && *key != Key::Password);
        let lines: String = secrets.map(|(key, value)| format!("{}={}\n", key.name(), value.text)).collect();
        (!lines.is_empty()).then(|| Secret::new(format!("[{CHILD_SERVICE}]\n{lines}")))
    }

    /// The text of `CREATE SUBSCRIPTION … CONNECTION`, by which the target connects to `dbname` on this server.
    ///
    /// It has the password, and nothing that has a meaning on this machine only. In particular certificates stay behind,
    /// because their files are here: a server that insists on a client certificate will refuse the target, and
    /// `sslmode=verify-ca` and `verify-full`, which are never weakened, need a root certificate in the home directory of
    /// the account that runs the target, or `sslrootcert=system`, which is passed on. The worker's `application_name` is left
    /// to PostgreSQL, which sets it to the subscription's name. Keepalives are on, because a worker whose publisher
    /// vanished would otherwise wait for hours; values that the user gave win.
    pub fn subscription_conninfo(&self, dbname: &str) -> Secret {
        let mut out = self.with_dbname(dbname).place();
        if let Some(password) = self.hosts.iter().find_map(|host| host.password.as_ref()) {
            push_pair(&mut out, Key::Password.name(), password.expose());
        }
        for (key, value) in self.kept_alive().iter() {
            let system_roots = key == Key::Sslrootcert && value.text == "system";
            if system_roots || key.keyword().reach == Reach::Anywhere {
                push_pair(&mut out, key.name(), &value.text);
            }
        }
        Secret::new(out)
    }

    /// The same, accepted only by sessions of a kind that there is not: everything up to that is tried.
    pub fn subscription_conninfo_to_nowhere(&self, dbname: &str) -> Secret {
        let mut out = self.subscription_conninfo(dbname).expose().to_owned();
        push_pair(&mut out, Key::TargetSessionAttrs.name(), "read-only");
        Secret::new(out)
    }

    /// The values with those of [`super::Keepalives`] that nobody has said.
    fn kept_alive(&self) -> Values {
        let mut values = self.values.clone();
        let Keepalives { idle, interval, count, .. } = self.parameters.keepalives;
        for (key, number) in [
            (Key::KeepalivesIdle, idle.as_secs()),
            (Key::KeepalivesInterval, interval.as_secs()),
            (Key::KeepalivesCount, count.into()),
        ] {
            if values.text(key).is_none() {
                values.write(key, number.to_string());
            }
        }
        values
    }

    /// Where the connection leads to, as pairs.
    fn place(&self) -> String {
        let mut out = String::new();
        let list = |item: fn(&Host) -> String| self.hosts.iter().map(item).collect::<Vec<_>>().join(",");
        push_pair(&mut out, "host", &list(host_name));
        if self.hosts.iter().any(|host| matches!(host.address, Address::Tcp { addr: Some(_), .. })) {
            push_pair(&mut out, "hostaddr", &list(host_address));
        }
        push_pair(&mut out, "port", &list(|host| host.port.to_string()));
        push_pair(&mut out, "user", &self.user);
        push_pair(&mut out, "dbname", &self.dbname);
        out
    }
}

fn host_name(host: &Host) -> String {
    match &host.address {
        Address::Tcp { name, .. } => name.clone(),
        Address::Unix(directory) => directory.display().to_string(),
    }
}

fn host_address(host: &Host) -> String {
    match &host.address {
        Address::Tcp { addr: Some(addr), .. } => addr.to_string(),
        Address::Tcp { addr: None, .. } | Address::Unix(_) => String::new(),
    }
}

/// Appends `name=value`, quoted where necessary.
fn push_pair(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(name);
    out.push('=');
    let plain = |c: char| c.is_ascii_graphic() && c != '\'' && c != '\\';
    if !value.is_empty() && value.chars().all(plain) {
        out.push_str(value);
    } else {
        out.push('\'');
        out.push_str(&value.replace('\\', r"\\").replace('\'', r"\'"));
        out.push('\'');
    }
}

/// `values` as a `key=value` string: those whose key is `wanted`.
pub(super) fn pairs(values: &Values, wanted: impl Fn(Key) -> bool) -> String {
    let mut out = String::new();
    for (key, value) in values.iter().filter(|(key, _)| wanted(*key)) {
        push_pair(&mut out, key.name(), &value.text);
    }
    out
}

/// A connection string without its secrets, for places that others can read, such as our own command line. The result is a
/// connection string for the same place; of text that is none, nothing is shown.
pub fn without_password(text: &str) -> String {
    parse::parse(text)
        .map_or_else(|_| "<unparseable connection string>".to_owned(), |values| pairs(&values, |key| !key.is_secret()))
}

/// Writes `postgresql://user@host:port/dbname`, and sockets as a `host` parameter.
pub(super) fn for_people(conninfo: &ConnInfo, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let encode = |text| utf8_percent_encode(text, RESERVED);
    let has_socket = conninfo.hosts.iter().any(|host| matches!(host.address, Address::Unix(_)));
    write!(f, "postgresql://{}@", encode(&conninfo.user))?;
    if !has_socket {
        let hosts: Vec<_> = conninfo.hosts.iter().map(Host::to_string).collect();
        f.write_str(&hosts.join(","))?;
    }
    write!(f, "/{}", encode(&conninfo.dbname))?;
    if has_socket {
        let list = |item: fn(&Host) -> String| conninfo.hosts.iter().map(item).collect::<Vec<_>>().join(",");
        write!(f, "?host={}&port={}", list(host_name), list(|host| host.port.to_string()))?;
    }
    Ok(())
}
