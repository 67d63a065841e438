//! A connection string as a value.
//!
//! Parsing reads what libpq reads (URIs, `key=value` strings, `PG*` variables, service files, the passfile) and keeps all
//! of it; rendering writes it for our child processes and for `CREATE SUBSCRIPTION … CONNECTION`. Nothing here touches a
//! file, the environment or a socket: callers pass those in as values.
//!
//! libpq is the measure: a string means here what it means to `psql`. The differences refuse more than libpq does, each so
//! that a slip is named before anything is touched:
//!
//! * a bare word is not a database name, and an unencoded `@` in a URI's hosts or database name is an error;
//! * numbers, addresses and ports are checked at once, also those of hosts that may never be tried;
//! * `hostaddr` takes plain addresses only (no zone such as `%eth0`, no short forms such as `127.1`), text is UTF-8, and
//!   services cannot be looked up by LDAP.

mod environment;
mod error;
mod host;
mod keyword;
mod parameters;
mod parse;
mod passfile;
mod render;
mod secret;
mod service;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::{Environment, Files, NoFiles};
pub use error::{Mention, ParseError, UriPart};
pub use host::{Address, Host};
use keyword::{Key, Reach};
use parameters::Parameters;
pub use parameters::{
    ChannelBinding, Keepalives, LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion,
};
pub use render::{CHILD_SERVICE, without_password};
pub use secret::Secret;
use values::Values;

/// A server and a database on it, and how to connect: a connection string with every default filled in.
///
/// `Display` is for people and has no password; neither has `Debug`.
#[derive(Clone)]
pub struct ConnInfo {
    values: Values,
    hosts: Vec<Host>,
    user: String,
    dbname: String,
    parameters: Parameters,
    home: Option<PathBuf>,
}

impl ConnInfo {
    /// Reads a connection string that depends on no file: neither service nor passfile is looked up.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, ParseError> {
        Self::parse_with(text, environment, &NoFiles)
    }

    /// Reads a connection string and completes it as libpq does: from the service it names, from variables, from the
    /// passfile, from built-in defaults.
    pub fn parse_with(text: &str, environment: &Environment, files: &dyn Files) -> Result<Self, ParseError> {
        let mut values = parse::parse(text)?;
        environment::complete(&mut values, environment, files)?;

        let user = values.filled(Key::User).map(str::to_owned).or_else(|| environment.user.clone());
        let user = user.ok_or(ParseError::NoUser)?;
        let dbname = values.filled(Key::Dbname).unwrap_or(&user).to_owned();
        let parameters = Parameters::read(&values)?;
        let mut hosts = host::resolve(&values)?;
        if let Some(password) = values.filled(Key::Password) {
            for host in &mut hosts {
                host.password = Some(Secret::new(password));
            }
        } else if let Some(passfile) = read_passfile(&values, environment, files) {
            for host in &mut hosts {
                let wanted =
                    passfile::Wanted { host: host.passfile_name(), port: host.port, dbname: &dbname, user: &user };
                let found = passfile::find(passfile.expose(), &wanted).filter(|password| !password.is_empty());
                host.password = found.map(Secret::new);
            }
        }
        Ok(Self { values, hosts, user, dbname, parameters, home: environment.home.clone() })
    }

    /// The servers to try, in order; at least one.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The role to connect as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database to connect to.
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// The same connection to another database of the server. Passwords stay: they belong to the role, not to a database.
    #[must_use]
    pub fn with_dbname(&self, dbname: &str) -> Self {
        Self { dbname: dbname.to_owned(), ..self.clone() }
    }

    /// The same connection to `host` alone: whoever has to see a snapshot must reach the server that exported it.
    #[must_use]
    pub fn with_only_host(&self, host: &Host) -> Self {
        Self { hosts: vec![host.clone()], ..self.clone() }
    }

    /// The same connection under another name in `pg_stat_activity`.
    #[must_use]
    pub fn with_application_name(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.values.write(Key::ApplicationName, name);
        changed
    }

    /// The name to show in `pg_stat_activity`: `application_name`, or else `fallback_application_name`.
    pub fn application_name(&self) -> Option<&str> {
        let chosen = self.values.text(Key::ApplicationName).or(self.values.text(Key::FallbackApplicationName));
        chosen.filter(|name| !name.is_empty())
    }

    /// Command-line options for the session's server process, such as `-c geqo=off`.
    pub fn options(&self) -> Option<&str> {
        self.values.filled(Key::Options)
    }

    /// How long to try one host: 30 s unless the user says something else; `None` is without limit (0).
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.parameters.connect_timeout
    }

    /// How a dead connection is noticed.
    pub fn keepalives(&self) -> Keepalives {
        self.parameters.keepalives
    }

    /// Which of [`ConnInfo::hosts`] is acceptable.
    pub fn target_session_attrs(&self) -> TargetSessionAttrs {
        self.parameters.target_session_attrs
    }

    /// In which order they are tried.
    pub fn load_balance_hosts(&self) -> LoadBalanceHosts {
        self.parameters.load_balance_hosts
    }

    /// How much TLS is asked for. `require` together with a root certificate file means [`SslMode::VerifyCa`], and
    /// `sslrootcert=system` implies [`SslMode::VerifyFull`].
    pub fn sslmode(&self) -> SslMode {
        self.parameters.sslmode
    }

    /// How TLS starts.
    pub fn sslnegotiation(&self) -> SslNegotiation {
        self.parameters.sslnegotiation
    }

    /// Whether the host's name is sent in TLS's greeting, where a proxy may need it (`sslsni`, default yes).
    pub fn ssl_sni(&self) -> bool {
        self.values.text(Key::Sslsni).is_none_or(|text| text.starts_with('1'))
    }

    /// The lowest TLS version accepted (default 1.2); `None` leaves it to the TLS library.
    pub fn ssl_min_protocol_version(&self) -> Option<TlsVersion> {
        self.parameters.tls_versions.0
    }

    /// The highest TLS version accepted; `None` leaves it to the TLS library.
    pub fn ssl_max_protocol_version(&self) -> Option<TlsVersion> {
        self.parameters.tls_versions.1
    }

    /// The authorities that vouch for the server; the file, named or by default `~/.postgresql/root.crt`, need not exist.
    /// `None` if there is no home directory either.
    pub fn ssl_root_cert(&self) -> Option<RootCert> {
        match self.values.filled(Key::Sslrootcert) {
            Some("system") => Some(RootCert::System),
            _ => self.ssl_file(Key::Sslrootcert, "root.crt").map(RootCert::File),
        }
    }

    /// The client's certificate, by default `~/.postgresql/postgresql.crt`. libpq goes without one if the file is missing.
    pub fn ssl_cert(&self) -> Option<PathBuf> {
        self.ssl_file(Key::Sslcert, "postgresql.crt")
    }

    /// The key to the client's certificate, by default `~/.postgresql/postgresql.key`.
    pub fn ssl_key(&self) -> Option<PathBuf> {
        self.ssl_file(Key::Sslkey, "postgresql.key")
    }

    /// The password of [`ConnInfo::ssl_key`].
    pub fn sslpassword(&self) -> Option<Secret> {
        self.values.filled(Key::Sslpassword).map(Secret::new)
    }

    /// Whether SCRAM is bound to the TLS connection.
    pub fn channel_binding(&self) -> ChannelBinding {
        self.parameters.channel_binding
    }

    /// The value given for any other parameter, such as `gssencmode`, by string, service or variable.
    ///
    /// `None` for those that are not given, for secrets, and for hosts, ports, user and database, which have methods.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        let key = Key::from_name(keyword)?;
        match key.keyword().reach {
            Reach::Secret | Reach::Resolved => None,
            Reach::Anywhere | Reach::ThisMachine | Reach::Nowhere => self.values.text(key),
        }
    }

    fn ssl_file(&self, key: Key, default: &str) -> Option<PathBuf> {
        match self.values.filled(key) {
            Some(path) => Some(path.into()),
            None => Some(self.home.as_ref()?.join(".postgresql").join(default)),
        }
    }
}

fn read_passfile(values: &Values, environment: &Environment, files: &dyn Files) -> Option<Secret> {
    match values.filled(Key::Passfile) {
        Some(path) => files.passfile(Path::new(path)),
        None => files.passfile(&environment.home.as_ref()?.join(".pgpass")),
    }
}

/// Who vouches for a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCert {
    /// The authorities that the operating system trusts.
    System,
    /// Those in this file.
    File(PathBuf),
}

/// A URI without secrets and without parameters that do not say where the connection leads.
impl fmt::Display for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        render::for_people(self, f)
    }
}

impl fmt::Debug for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnInfo({self})")
    }
}
