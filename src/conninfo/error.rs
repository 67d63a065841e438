//! What can be wrong with a connection string.

use std::fmt;
use std::path::PathBuf;

/// A connection string, or a default that completes it, that cannot be used.
///
/// The text names the parameter and what it should be. It repeats a piece of the input only where that piece cannot be
/// part of a password, not even of one that was written without the quoting it needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Neither a URI nor `key=value` pairs; libpq's programs would take it for a database name.
    #[error("expected postgresql://user@host/dbname or \"host=… user=… dbname=…\"")]
    NotAConnectionString,
    /// Something like a URI, of another kind.
    #[error("a connection URI starts with postgresql:// or postgres://")]
    UnknownScheme,
    /// A word that is not followed by `=`.
    #[error("missing \"=\" after word {position}; a value with spaces needs single quotes: key='some value'")]
    MissingEquals {
        /// Which pair, counted from 1.
        position: usize,
    },
    /// A value that starts with a single quote and has no second one.
    #[error("the quoted value of parameter {position} has no closing quote; write a quote inside a value as \\'")]
    UnterminatedQuote {
        /// Which pair, counted from 1.
        position: usize,
    },
    /// A key word that libpq does not have.
    #[error("unknown parameter{name} (number {position}); see \"Parameter Key Words\" in PostgreSQL's documentation")]
    UnknownKeyword {
        /// The word.
        name: Mention,
        /// Which pair, counted from 1.
        position: usize,
    },
    /// A parameter of a URI's query that is not exactly `key=value`.
    #[error("parameter {position} of the URI's query is not key=value; write = inside a value as %3D, & as %26")]
    BrokenQuery {
        /// Which parameter, counted from 1.
        position: usize,
    },
    /// `%` that is not followed by two hexadecimal digits.
    #[error("broken percent-encoding in the URI's {part}; write % itself as %25")]
    BrokenPercentEncoding {
        /// Where in the URI.
        part: UriPart,
    },
    /// Percent-encoding of a zero byte, or of bytes that are not UTF-8.
    #[error("the percent-encoding in the URI's {part} does not stand for UTF-8 text")]
    UndecodablePercentEncoding {
        /// Where in the URI.
        part: UriPart,
    },
    /// An `@` where none can be meant, which is what an unencoded password with `@` or `/` looks like.
    #[error("unexpected \"@\" in the URI's {part}; in a user name, password or database name write @ as %40, / as %2F")]
    UnexpectedAt {
        /// Where in the URI.
        part: UriPart,
    },
    /// `[` without `]`, nothing between them, or something other than a port behind them.
    #[error("broken IPv6 address in the URI; expected [address] or [address]:port")]
    BrokenBrackets,
    /// A value that its parameter cannot have.
    #[error("invalid value{value} for {subject}; expected {expected}")]
    InvalidValue {
        /// The parameter, or the environment variable the value came from.
        subject: &'static str,
        /// The value.
        value: Mention,
        /// What would be right.
        expected: String,
    },
    /// As many hosts, addresses and ports as they should be; only a single port may serve several hosts.
    #[error("{left} {left_count} times, but {right} {right_count} times; each host needs its own")]
    CountMismatch {
        /// The one list.
        left: &'static str,
        /// Its length.
        left_count: usize,
        /// The other.
        right: &'static str,
        /// Its length.
        right_count: usize,
    },
    /// A combination in which the weaker parameter would undo the stronger.
    #[error("sslmode={sslmode} is too weak for {with}; use {use_instead}")]
    WeakSslmode {
        /// The mode that was given or is the default.
        sslmode: &'static str,
        /// What asks for more.
        with: &'static str,
        /// The modes that go with it.
        use_instead: &'static str,
    },
    /// The lowest TLS version allowed is above the highest.
    #[error("ssl_min_protocol_version is above ssl_max_protocol_version")]
    EmptyTlsRange,
    /// No user in the string, none in `PGUSER`, and the operating system did not tell either.
    #[error("no user name; add user=… or set PGUSER")]
    NoUser,
    /// The service file that `PGSERVICEFILE` names cannot be read.
    #[error("service file {0:?}, named by PGSERVICEFILE, cannot be read")]
    ServiceFileMissing(PathBuf),
    /// No service file defines the service.
    #[error("no definition of service {service:?} in {searched}")]
    ServiceNotFound {
        /// Its name.
        service: String,
        /// The files that were looked at.
        searched: String,
    },
    /// A line of the service's section that is not `key=value` with a known key.
    #[error("service file {file:?}, line {line}: {problem}")]
    BrokenServiceFile {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A piece of the input, where it may be repeated.
///
/// `Display` gives a space and the quoted text, or nothing, so that it fits behind a noun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention(Option<String>);

impl Mention {
    pub(super) fn of(text: &str, allowed: bool) -> Self {
        Self(allowed.then(|| text.to_owned()))
    }
}

impl fmt::Display for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, " {text:?}"),
            None => Ok(()),
        }
    }
}

/// A part of a connection URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriPart {
    /// Before `:` or `@`.
    User,
    /// Between `:` and `@`.
    Password,
    /// Hosts and ports.
    Host,
    /// Behind the `:` of a host.
    Port,
    /// Between `/` and `?`.
    Dbname,
    /// Behind `?`.
    Query,
}

impl fmt::Display for UriPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user name",
            Self::Password => "password",
            Self::Host => "host",
            Self::Port => "port",
            Self::Dbname => "database name",
            Self::Query => "query",
        })
    }
}
