//! Parameters with a fixed set of values: their types, and the checks libpq makes before it connects.

use std::time::Duration;

use super::error::ParseError;
use super::keyword::Key;
use super::values::Values;

/// A type whose values are words of a connection string.
trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

/// How much TLS is asked for, from least to most (`sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses to go without.
    Allow,
    /// TLS if the server offers it; the default.
    Prefer,
    /// TLS, without a look at the server's certificate. With a root certificate file at hand libpq checks against it, as
    /// [`SslMode::VerifyCa`] does.
    Require,
    /// TLS, with a certificate from a trusted authority.
    VerifyCa,
    /// TLS, with a certificate from a trusted authority for the host's name.
    VerifyFull,
}

impl Word for SslMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

/// How TLS starts (`sslnegotiation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslNegotiation {
    /// By PostgreSQL's own request first.
    #[default]
    Postgres,
    /// At once, with the protocol name `postgresql` by ALPN; servers from 17 on.
    Direct,
}

impl Word for SslNegotiation {
    const WORDS: &'static [(&'static str, Self)] = &[("postgres", Self::Postgres), ("direct", Self::Direct)];
}

/// A version of TLS (`ssl_min_protocol_version`, `ssl_max_protocol_version`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Word for TlsVersion {
    const WORDS: &'static [(&'static str, Self)] =
        &[("tlsv1", Self::Tls10), ("tlsv1.1", Self::Tls11), ("tlsv1.2", Self::Tls12), ("tlsv1.3", Self::Tls13)];
}

/// Whether SCRAM is bound to the TLS connection (`channel_binding`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// No.
    Disable,
    /// Where both sides can; the default.
    #[default]
    Prefer,
    /// Always; a server that cannot is refused.
    Require,
}

impl Word for ChannelBinding {
    const WORDS: &'static [(&'static str, Self)] =
        &[("disable", Self::Disable), ("prefer", Self::Prefer), ("require", Self::Require)];
}

/// Which of several servers is acceptable (`target_session_attrs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// The first that answers; the default.
    #[default]
    Any,
    /// One whose sessions can write by default.
    ReadWrite,
    /// One whose sessions cannot write by default.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One that is in recovery, or else any.
    PreferStandby,
}

impl Word for TargetSessionAttrs {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];
}

/// In which order several hosts are tried (`load_balance_hosts`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalanceHosts {
    /// As they are listed; the default.
    #[default]
    Disable,
    /// In a random order.
    Random,
}

impl Word for LoadBalanceHosts {
    const WORDS: &'static [(&'static str, Self)] = &[("disable", Self::Disable), ("random", Self::Random)];
}

/// How a dead TCP connection is noticed. The operating system's two hours are too long for a migration, so that what the
/// user does not say has defaults of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether keepalives are sent at all (`keepalives`, default yes).
    pub enabled: bool,
    /// Silence before the first (`keepalives_idle`).
    pub idle: Duration,
    /// Time between them (`keepalives_interval`).
    pub interval: Duration,
    /// How many may go unanswered (`keepalives_count`).
    pub count: u32,
    /// How long sent data may go unacknowledged (`tcp_user_timeout`).
    pub user_timeout: Option<Duration>,
}

/// How long a host may take to let us in, when the user does not say; libpq would wait for minutes, or for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the values of such parameters come to.
#[derive(Clone)]
pub(super) struct Parameters {
    pub(super) sslmode: SslMode,
    pub(super) sslnegotiation: SslNegotiation,
    pub(super) tls_versions: (Option<TlsVersion>, Option<TlsVersion>),
    pub(super) channel_binding: ChannelBinding,
    pub(super) target_session_attrs: TargetSessionAttrs,
    pub(super) load_balance_hosts: LoadBalanceHosts,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalives: Keepalives,
}

impl Parameters {
    /// Checks and reads them. Integers are checked even where libpq would not get to look at them.
    pub(super) fn read(values: &Values) -> Result<Self, ParseError> {
        check_require_auth(values)?;
        check_word(values, Key::Gssencmode, &["disable", "prefer", "require"])?;
        check_word(values, Key::Sslcertmode, &["disable", "allow", "require"])?;
        check_word(values, Key::MinProtocolVersion, &["", "3.0", "3.2", "latest"])?;
        check_word(values, Key::MaxProtocolVersion, &["", "3.0", "3.2", "latest"])?;
        let sslnegotiation = word(values, Key::Sslnegotiation)?.unwrap_or_default();
        let seconds = |key| Ok(positive(values, key)?.map(|seconds| Duration::from_secs(seconds.into())));
        Ok(Self {
            sslmode: sslmode(values, sslnegotiation)?,
            sslnegotiation,
            tls_versions: tls_versions(values)?,
            channel_binding: word(values, Key::ChannelBinding)?.unwrap_or_default(),
            target_session_attrs: word(values, Key::TargetSessionAttrs)?.unwrap_or_default(),
            load_balance_hosts: word(values, Key::LoadBalanceHosts)?.unwrap_or_default(),
            connect_timeout: match values.text(Key::ConnectTimeout) {
                Some(_) => seconds(Key::ConnectTimeout)?,
                None => Some(CONNECT_TIMEOUT),
            },
            keepalives: Keepalives {
                enabled: keepalives_enabled(values)?,
                idle: seconds(Key::KeepalivesIdle)?.unwrap_or(Duration::from_secs(30)),
                interval: seconds(Key::KeepalivesInterval)?.unwrap_or(Duration::from_secs(10)),
                count: positive(values, Key::KeepalivesCount)?.unwrap_or(6),
                user_timeout: positive(values, Key::TcpUserTimeout)?.map(|ms| Duration::from_millis(ms.into())),
            },
        })
    }
}

fn sslmode(values: &Values, negotiation: SslNegotiation) -> Result<SslMode, ParseError> {
    let system_roots = values.text(Key::Sslrootcert) == Some("system");
    let default = if system_roots { SslMode::VerifyFull } else { SslMode::Prefer };
    let sslmode = word(values, Key::Sslmode)?.unwrap_or(default);
    let too_weak = |with, use_instead| Err(ParseError::WeakSslmode { sslmode: sslmode.word(), with, use_instead });
    if negotiation == SslNegotiation::Direct && sslmode < SslMode::Require {
        return too_weak("sslnegotiation=direct", "require, verify-ca or verify-full");
    }
    if system_roots && sslmode < SslMode::VerifyFull {
        return too_weak("sslrootcert=system", "verify-full");
    }
    let has_root_file = !system_roots && values.filled(Key::Sslrootcert).is_some();
    Ok(if sslmode == SslMode::Require && has_root_file { SslMode::VerifyCa } else { sslmode })
}

fn tls_versions(values: &Values) -> Result<(Option<TlsVersion>, Option<TlsVersion>), ParseError> {
    let version = |key| match values.filled(key) {
        None => Ok(None),
        Some(text) => find_word(&text.to_ascii_lowercase())
            .map(Some)
            .ok_or_else(|| values.invalid(key, "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3")),
    };
    let lowest = version(Key::SslMinProtocolVersion)?;
    let highest = version(Key::SslMaxProtocolVersion)?;
    // libpq's own default for the lowest holds only where the parameter is absent: an empty value lifts it.
    let lowest_or_default = match values.text(Key::SslMinProtocolVersion) {
        None => Some(TlsVersion::Tls12),
        Some(_) => lowest,
    };
    if let (Some(lowest), Some(highest)) = (lowest_or_default, highest)
        && lowest > highest
    {
        return Err(ParseError::EmptyTlsRange);
    }
    Ok((lowest_or_default, highest))
}

fn find_word<W: Word>(text: &str) -> Option<W> {
    W::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

/// The value of a parameter that is one of a type's words; an empty one is an error, as it is to libpq.
fn word<W: Word>(values: &Values, key: Key) -> Result<Option<W>, ParseError> {
    let Some(text) = values.text(key) else { return Ok(None) };
    let words = || W::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    find_word(text).map(Some).ok_or_else(|| values.invalid(key, format!("one of {}", words())))
}

fn check_word(values: &Values, key: Key, words: &[&str]) -> Result<(), ParseError> {
    match values.text(key) {
        Some(text) if !words.contains(&text) => Err(values.invalid(key, format!("one of {}", words.join(", ")))),
        _ => Ok(()),
    }
}

/// `require_auth` lists methods without repetition, all or none of them negated by `!`.
fn check_require_auth(values: &Values) -> Result<(), ParseError> {
    const METHODS: &[&str] = &["password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"];
    let Some(text) = values.filled(Key::RequireAuth) else { return Ok(()) };
    let negated = text.starts_with('!');
    let mut seen = Vec::new();
    for item in text.split(',') {
        let method = item.strip_prefix('!').unwrap_or(item);
        if item.starts_with('!') != negated || seen.contains(&method) || !METHODS.contains(&method) {
            let methods = METHODS.join(", ");
            return Err(values.invalid(
                Key::RequireAuth,
                format!("a list of {methods}, each at most once, all or none of them with ! in front"),
            ));
        }
        seen.push(method);
    }
    Ok(())
}

/// A number as libpq reads it: C's `strtol` with spaces allowed on both sides, within 32 bits.
pub(super) fn integer(text: &str) -> Option<i32> {
    text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']).parse().ok()
}

/// The value of a parameter where zero and less stand for no value.
fn positive(values: &Values, key: Key) -> Result<Option<u32>, ParseError> {
    let Some(text) = values.text(key) else { return Ok(None) };
    let number = integer(text).ok_or_else(|| values.invalid(key, "a whole number"))?;
    Ok(u32::try_from(number).ok().filter(|number| *number > 0))
}

fn keepalives_enabled(values: &Values) -> Result<bool, ParseError> {
    let Some(text) = values.text(Key::Keepalives) else { return Ok(true) };
    integer(text).map(|number| number != 0).ok_or_else(|| values.invalid(Key::Keepalives, "0 or 1"))
}
