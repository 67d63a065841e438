//! Where to connect: the lists of hosts, addresses and ports, taken together.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Secret;
use super::error::ParseError;
use super::keyword::Key;
use super::values::Values;

/// Where sockets are when no host is given. The directory is compiled into libpq; this is the choice of Debian, Red Hat
/// and their kin, while a libpq built from source with no options, and the one of macOS, use `/tmp`.
pub(super) const DEFAULT_SOCKET_DIRECTORY: &str = "/var/run/postgresql";

const DEFAULT_PORT: u16 = 5432;

/// One of the servers that the connection string offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// How to reach it.
    pub address: Address,
    /// Its port; for a socket the number in the file's name.
    pub port: u16,
    /// The password for this server, from the connection string or the passfile.
    pub password: Option<Secret>,
}

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By TCP.
    Tcp {
        /// The name that certificates are checked against and passwords are looked up by: `host`, or else `hostaddr`.
        name: String,
        /// The address to connect to without asking the resolver: `hostaddr`.
        addr: Option<IpAddr>,
    },
    /// By the socket in this directory. A path that starts with `@` is in Linux's abstract namespace.
    Unix(PathBuf),
}

impl Host {
    /// The host as a passfile names it: sockets in the default directory count as `localhost`.
    pub(super) fn passfile_name(&self) -> &str {
        match &self.address {
            Address::Tcp { name, .. } => name,
            Address::Unix(directory) if directory == Path::new(DEFAULT_SOCKET_DIRECTORY) => "localhost",
            Address::Unix(directory) => directory.to_str().unwrap_or_default(),
        }
    }
}

/// `host:port`, an IPv6 address in brackets, or the path of the socket.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Address::Tcp { name, .. } => write!(f, "{name}:{}", self.port),
            Address::Unix(directory) => write!(f, "{}/.s.PGSQL.{}", directory.display(), self.port),
        }
    }
}

/// The servers that `values` offer, without passwords.
pub(super) fn resolve(values: &Values) -> Result<Vec<Host>, ParseError> {
    let addresses = list(values, Key::Hostaddr);
    let names = list(values, Key::Host);
    let ports = list(values, Key::Port);
    let count = if addresses.is_empty() { names.len().max(1) } else { addresses.len() };
    if !addresses.is_empty() && !names.is_empty() && names.len() != count {
        return Err(ParseError::CountMismatch {
            left: "hostaddr is given",
            left_count: count,
            right: "host is given",
            right_count: names.len(),
        });
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(ParseError::CountMismatch {
            left: "host is given",
            left_count: count,
            right: "port is given",
            right_count: ports.len(),
        });
    }
    (0..count)
        .map(|index| {
            let name = names.get(index).copied().unwrap_or_default();
            let addr = addresses.get(index).copied().unwrap_or_default();
            let port = ports.get(if ports.len() == 1 { 0 } else { index }).copied().unwrap_or_default();
            Ok(Host { address: address(values, name, addr)?, port: parse_port(values, port)?, password: None })
        })
        .collect()
}

fn list(values: &Values, key: Key) -> Vec<&str> {
    values.filled(key).map(|text| text.split(',').collect()).unwrap_or_default()
}

fn address(values: &Values, name: &str, addr: &str) -> Result<Address, ParseError> {
    if !addr.is_empty() {
        let parsed = addr.parse().map_err(|_| values.invalid(Key::Hostaddr, "IPv4 or IPv6 addresses"))?;
        let name = if name.is_empty() { addr } else { name };
        return Ok(Address::Tcp { name: name.to_owned(), addr: Some(parsed) });
    }
    Ok(match name {
        "" => Address::Unix(DEFAULT_SOCKET_DIRECTORY.into()),
        path if path.starts_with(['/', '@']) => Address::Unix(path.into()),
        name => Address::Tcp { name: name.to_owned(), addr: None },
    })
}

fn parse_port(values: &Values, text: &str) -> Result<u16, ParseError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    super::parameters::integer(text)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| values.invalid(Key::Port, "numbers from 1 to 65535"))
}
