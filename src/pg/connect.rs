//! Opening a session as libpq does: hosts in turn, addresses in turn, with and without TLS as `sslmode` allows.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{ChannelBinding as DriverChannelBinding, SslMode, SslNegotiation as DriverNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Connection, NoTls};
use tokio_util::either::Either;

use super::error::Cause;
use super::inbound::{Errors, Inbound};
use super::startup::{Mode, Startup, StartupTls};
use super::tls::{self, Encryption};
use super::{Client, PgError, Server, unsupported};
use crate::conninfo::{Address, ChannelBinding, Host, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs};
use crate::facts::ServerVersion;
use crate::logger;

type Socket = Either<TcpStream, UnixStream>;

/// Tries the hosts in order (or shuffled, with `load_balance_hosts=random`) until one answers as
/// `target_session_attrs` asks for. The error is the last host's, with the others' before it.
pub(super) async fn connect(server: &Server, database: &str, mode: Mode) -> Result<(Client, Host), PgError> {
    let conninfo = server.conninfo();
    if let Some(reason) = unsupported::demand(conninfo) {
        return Err(error(server, database, vec![Cause::Unusable(reason)]));
    }
    let mut hosts: Vec<&Host> = conninfo.hosts().iter().collect();
    if conninfo.load_balance_hosts() == LoadBalanceHosts::Random {
        hosts.shuffle(&mut rand::rng());
    }
    let wanted = conninfo.target_session_attrs();
    // prefer-standby takes any server when no standby is there, in a second round.
    let rounds: &[TargetSessionAttrs] = match wanted {
        TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
        _ => &[wanted],
    };
    let mut failures = Vec::new();
    for &round in rounds {
        for host in &hosts {
            match host_session(server, host, database, mode).await {
                Ok(client) => match unfit(&client, round).await? {
                    None => return Ok((client, (*host).clone())),
                    Some(reason) => failures.push(Cause::Unusable(format!("{host}: {reason}"))),
                },
                Err(cause) => {
                    // As in libpq, a server that answered and refused ends the search: the next host would be another one.
                    let refused = matches!(&cause, Cause::Server(words) if !may_try_next_host(words));
                    failures.push(cause);
                    if refused {
                        return Err(error(server, database, failures));
                    }
                }
            }
        }
    }
    Err(error(server, database, failures))
}

/// libpq goes on to the next host after "cannot connect now" (57P03): starting up, shutting down, or a standby that is not hot.
fn may_try_next_host(words: &tokio_postgres::error::DbError) -> bool {
    *words.code() == SqlState::CANNOT_CONNECT_NOW
}

fn error(server: &Server, database: &str, mut failures: Vec<Cause>) -> PgError {
    let last = failures.pop().unwrap_or_else(|| Cause::Unusable("no host to connect to".to_owned()));
    let cause = if failures.is_empty() {
        last
    } else {
        let all: Vec<String> = failures.iter().chain([&last]).map(ToString::to_string).collect();
        Cause::Unusable(all.join("; "))
    };
    PgError { side: server.side(), database: database.to_owned(), doing: "connect".to_owned(), cause }
}

/// Why a session is not what `wanted` says; `None` when it is.
async fn unfit(client: &Client, wanted: TargetSessionAttrs) -> Result<Option<&'static str>, PgError> {
    let (question, wrong) = match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => return Ok(None),
        TargetSessionAttrs::ReadWrite => ("show transaction_read_only", ("on", "session is read-only")),
        TargetSessionAttrs::ReadOnly => ("show transaction_read_only", ("off", "session is not read-only")),
        TargetSessionAttrs::Primary => {
            ("select pg_catalog.pg_is_in_recovery()", ("t", "server is in hot standby mode"))
        }
        TargetSessionAttrs::Standby => {
            ("select pg_catalog.pg_is_in_recovery()", ("f", "server is not in hot standby mode"))
        }
    };
    let rows = client.simple("check target_session_attrs", question).await?;
    let answer = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
    Ok((answer == Some(wrong.0)).then_some(wrong.1))
}

/// How the driver says that the server answered the request for TLS with no: it has no kind of error for it.
const NO_TLS: &str = "server does not support TLS";

async fn host_session(server: &Server, host: &Host, database: &str, mode: Mode) -> Result<Client, Cause> {
    let unix = matches!(host.address, Address::Unix(_));
    let attempts = tls::attempts(server.conninfo().sslmode(), unix);
    let mut failure = None;
    for &encryption in attempts {
        if encryption == Encryption::Tls && attempts.len() > 1 && server.tls().refused() {
            continue;
        }
        let attempt = session(server, host, database, mode, encryption);
        let outcome = match server.conninfo().connect_timeout() {
            Some(limit) => tokio::time::timeout(limit, attempt)
                .await
                .unwrap_or_else(|_| Err(Cause::Timeout { endpoint: host.to_string(), limit })),
            None => attempt.await,
        };
        match outcome {
            Ok(client) => return Ok(client),
            // Without a connection the other way of speaking cannot help either.
            Err(cause @ (Cause::Network { .. } | Cause::Timeout { .. })) => return Err(cause),
            Err(cause) => {
                if encryption == Encryption::Tls && cause.to_string().contains(NO_TLS) {
                    server.tls().refuse();
                }
                failure = Some(worse(failure, cause));
            }
        }
    }
    Err(failure.unwrap_or_else(|| Cause::Unusable("no way to connect".to_owned())))
}

/// Of two failures the one that tells more: what a server said beats "server does not support TLS", and a wrong password
/// beats that pg_hba.conf has no line for the other way (28000).
fn worse(earlier: Option<Cause>, later: Cause) -> Cause {
    match (earlier, later) {
        (Some(earlier @ Cause::Server(_)), Cause::Driver(_) | Cause::Unusable(_)) => earlier,
        (Some(earlier @ Cause::Server(_)), Cause::Server(words))
            if *words.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
        {
            earlier
        }
        (_, later) => later,
    }
}

async fn session(
    server: &Server,
    host: &Host,
    database: &str,
    mode: Mode,
    encryption: Encryption,
) -> Result<Client, Cause> {
    let socket = open(server, host).await?;
    let conninfo = server.conninfo();
    let mut config = tokio_postgres::Config::new();
    config.user(conninfo.user()).dbname(database).application_name(server.application_name());
    config.channel_binding(match conninfo.channel_binding() {
        ChannelBinding::Disable => DriverChannelBinding::Disable,
        ChannelBinding::Prefer => DriverChannelBinding::Prefer,
        ChannelBinding::Require => DriverChannelBinding::Require,
    });
    if let Some(password) = &host.password {
        config.password(password.expose());
    }
    if let Some(options) = conninfo.options() {
        config.options(options);
    }
    let errors = Errors::default();
    let driver = driver_cause;
    let parts = match encryption {
        Encryption::Plain => {
            config.ssl_mode(SslMode::Disable);
            let stream = Startup::new(Inbound::new(socket, errors.clone()), mode);
            let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(driver)?;
            let version = version_of(&connection);
            drive(connection);
            (client, version)
        }
        Encryption::Tls => {
            config.ssl_mode(SslMode::Require);
            if conninfo.sslnegotiation() == SslNegotiation::Direct {
                config.ssl_negotiation(DriverNegotiation::Direct);
            }
            let connector = || server.tls().connector(conninfo, host);
            let tls = StartupTls { connector, mode, errors: errors.clone() };
            let (client, connection) = config.connect_raw(socket, tls).await.map_err(driver)?;
            let version = version_of(&connection);
            drive(connection);
            (client, version)
        }
    };
    let (inner, version) = parts;
    Ok(Client {
        cancel: canceller(server, host, encryption, inner.cancel_token()),
        inner,
        errors,
        side: server.side(),
        database: database.to_owned(),
        endpoint: host.to_string(),
        version: version.ok_or_else(|| Cause::Unusable(format!("{host}: the server does not tell its version")))?,
    })
}

fn driver_cause(error: tokio_postgres::Error) -> Cause {
    match error.as_db_error() {
        Some(words) => Cause::Server(Box::new(words.clone())),
        None => Cause::Driver(error),
    }
}

async fn open(server: &Server, host: &Host) -> Result<Socket, Cause> {
    let network = |error: io::Error| Cause::Network { endpoint: host.to_string(), error };
    match &host.address {
        Address::Unix(directory) => {
            let path = directory.join(format!(".s.PGSQL.{}", host.port));
            Ok(Either::Right(UnixStream::connect(path).await.map_err(network)?))
        }
        Address::Tcp { name, addr } => {
            let stream = match addr {
                Some(addr) => TcpStream::connect((*addr, host.port)).await,
                None => TcpStream::connect((name.as_str(), host.port)).await,
            }
            .map_err(network)?;
            stream.set_nodelay(true).map_err(network)?;
            keep_alive(server, &stream).map_err(network)?;
            Ok(Either::Left(stream))
        }
    }
}

fn keep_alive(server: &Server, stream: &TcpStream) -> io::Result<()> {
    let wanted = server.conninfo().keepalives();
    let socket = socket2::SockRef::from(stream);
    if wanted.enabled {
        let parameters = socket2::TcpKeepalive::new()
            .with_time(wanted.idle)
            .with_interval(wanted.interval)
            .with_retries(wanted.count);
        socket.set_tcp_keepalive(&parameters)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(limit) = wanted.user_timeout {
        socket.set_tcp_user_timeout(Some(limit))?;
    }
    Ok(())
}

/// Moves the session's messages until it ends; whoever waits for an answer then gets the error.
fn drive<S, T>(connection: Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(target: logger::MIGRATE, "session ended: {error}");
        }
    });
}

/// `server_version` is reported at start-up by every server; its form is `15.18 (Debian …)` or `17beta1`.
fn version_of<S, T>(connection: &Connection<S, T>) -> Option<ServerVersion>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    parse_version(connection.parameter("server_version")?)
}

fn parse_version(text: &str) -> Option<ServerVersion> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let major: u32 = numbers.next()?.parse().ok()?;
    let minor: u32 = if text[major.to_string().len()..].starts_with('.') {
        numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)
    } else {
        0
    };
    Some(ServerVersion(major * 10_000 + minor))
}

/// How long a cancel request may take: it is a courtesy.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

fn canceller(
    server: &Server,
    host: &Host,
    encryption: Encryption,
    token: tokio_postgres::CancelToken,
) -> super::client::Cancel {
    let shared = Arc::new((server.clone(), host.clone(), token));
    Box::new(move || {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (server, host, token) = &*shared;
            let request = async {
                let socket = open(server, host).await.ok()?;
                match encryption {
                    Encryption::Plain => token.cancel_query_raw(socket, NoTls).await.ok(),
                    Encryption::Tls => {
                        let tls = server.tls().connector(server.conninfo(), host).ok()?;
                        token.cancel_query_raw(socket, tls).await.ok()
                    }
                }
            };
            if tokio::time::timeout(CANCEL_LIMIT, request).await.ok().flatten().is_none() {
                tracing::debug!(target: logger::MIGRATE, "{host}: a cancel request did not get through");
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_kinds_are_read() {
        for (text, number) in [("15.18 (Debian 15.18-0+deb12u1)", 150_018), ("17beta1", 170_000), ("18.4", 180_004)] {
            assert_eq!(parse_version(text), Some(ServerVersion(number)), "{text}");
        }
        assert_eq!(parse_version("devel"), None);
    }
}
