//! The table of parameters: every key word of a connection string.

/// A parameter of a connection, as libpq 18 knows it (PostgreSQL documentation, "Parameter Key Words").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Host,
    Hostaddr,
    Port,
    User,
    Dbname,
    Password,
    Passfile,
    Service,
    RequireAuth,
    ChannelBinding,
    ConnectTimeout,
    ClientEncoding,
    Options,
    ApplicationName,
    FallbackApplicationName,
    Keepalives,
    KeepalivesIdle,
    KeepalivesInterval,
    KeepalivesCount,
    TcpUserTimeout,
    Replication,
    Gssencmode,
    Sslmode,
    Sslnegotiation,
    Sslcompression,
    Sslcert,
    Sslkey,
    Sslkeylogfile,
    Sslpassword,
    Sslcertmode,
    Sslrootcert,
    Sslcrl,
    Sslcrldir,
    Sslsni,
    Requirepeer,
    SslMinProtocolVersion,
    SslMaxProtocolVersion,
    MinProtocolVersion,
    MaxProtocolVersion,
    Krbsrvname,
    Gsslib,
    Gssdelegation,
    ScramClient,
    ScramServer,
    TargetSessionAttrs,
    LoadBalanceHosts,
    OauthIssuer,
    OauthClientId,
    OauthClientSecret,
    OauthScope,
}

/// How far a value may go when the connection is handed to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Written from what it resolved to (hosts, user, database), not from its text.
    Resolved,
    /// To our child processes, and to the target server for its subscription.
    Anywhere,
    /// To our child processes only: it names a file or an identity of this machine, or describes this program.
    ThisMachine,
    /// Nowhere: it has been followed already, or would change what a child does rather than where it connects.
    Nowhere,
    /// Nowhere in clear text.
    Secret,
}

/// One row of the table.
pub(super) struct Keyword {
    /// Which parameter.
    pub(super) key: Key,
    /// Its key word.
    pub(super) name: &'static str,
    /// The environment variable that gives its default.
    pub(super) variable: Option<&'static str>,
    /// How far its value may go.
    pub(super) reach: Reach,
}

impl Key {
    /// The parameter with the key word `name`; case matters, as it does to libpq.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        KEYWORDS.iter().find(|keyword| keyword.name == name).map(|keyword| keyword.key)
    }

    /// Its row.
    pub(super) fn keyword(self) -> &'static Keyword {
        &KEYWORDS[self as usize]
    }

    /// Its key word.
    pub(super) fn name(self) -> &'static str {
        self.keyword().name
    }

    /// Whether its value is a password or key.
    pub(super) fn is_secret(self) -> bool {
        self.keyword().reach == Reach::Secret
    }
}

const fn row(key: Key, name: &'static str, variable: &'static str, reach: Reach) -> Keyword {
    Keyword { key, name, variable: Some(variable), reach }
}

const fn row_without_variable(key: Key, name: &'static str, reach: Reach) -> Keyword {
    Keyword { key, name, variable: None, reach }
}

/// All parameters, in the order of [`Key`].
#[rustfmt::skip]
pub(super) static KEYWORDS: &[Keyword] = {
    use Key::*;
    use Reach::*;
    &[
        row(Host, "host", "PGHOST", Resolved),
        row(Hostaddr, "hostaddr", "PGHOSTADDR", Resolved),
        row(Port, "port", "PGPORT", Resolved),
        row(User, "user", "PGUSER", Resolved),
        row(Dbname, "dbname", "PGDATABASE", Resolved),
        row(Password, "password", "PGPASSWORD", Secret),
        row(Passfile, "passfile", "PGPASSFILE", Nowhere),
        row(Service, "service", "PGSERVICE", Nowhere),
        row(RequireAuth, "require_auth", "PGREQUIREAUTH", Anywhere),
        row(ChannelBinding, "channel_binding", "PGCHANNELBINDING", Anywhere),
        row(ConnectTimeout, "connect_timeout", "PGCONNECT_TIMEOUT", Anywhere),
        row(ClientEncoding, "client_encoding", "PGCLIENTENCODING", Nowhere),
        row(Options, "options", "PGOPTIONS", Anywhere),
        row(ApplicationName, "application_name", "PGAPPNAME", ThisMachine),
        row_without_variable(FallbackApplicationName, "fallback_application_name", ThisMachine),
        row_without_variable(Keepalives, "keepalives", Anywhere),
        row_without_variable(KeepalivesIdle, "keepalives_idle", Anywhere),
        row_without_variable(KeepalivesInterval, "keepalives_interval", Anywhere),
        row_without_variable(KeepalivesCount, "keepalives_count", Anywhere),
        row_without_variable(TcpUserTimeout, "tcp_user_timeout", Anywhere),
        row_without_variable(Replication, "replication", Nowhere),
        row(Gssencmode, "gssencmode", "PGGSSENCMODE", Anywhere),
        row(Sslmode, "sslmode", "PGSSLMODE", Anywhere),
        row(Sslnegotiation, "sslnegotiation", "PGSSLNEGOTIATION", Anywhere),
        row(Sslcompression, "sslcompression", "PGSSLCOMPRESSION", Anywhere),
        row(Sslcert, "sslcert", "PGSSLCERT", ThisMachine),
        row(Sslkey, "sslkey", "PGSSLKEY", ThisMachine),
        row_without_variable(Sslkeylogfile, "sslkeylogfile", ThisMachine),
        row_without_variable(Sslpassword, "sslpassword", Secret),
        row(Sslcertmode, "sslcertmode", "PGSSLCERTMODE", ThisMachine),
        row(Sslrootcert, "sslrootcert", "PGSSLROOTCERT", ThisMachine),
        row(Sslcrl, "sslcrl", "PGSSLCRL", ThisMachine),
        row(Sslcrldir, "sslcrldir", "PGSSLCRLDIR", ThisMachine),
        row(Sslsni, "sslsni", "PGSSLSNI", Anywhere),
        row(Requirepeer, "requirepeer", "PGREQUIREPEER", ThisMachine),
        row(SslMinProtocolVersion, "ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Anywhere),
        row(SslMaxProtocolVersion, "ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Anywhere),
        row(MinProtocolVersion, "min_protocol_version", "PGMINPROTOCOLVERSION", Anywhere),
        row(MaxProtocolVersion, "max_protocol_version", "PGMAXPROTOCOLVERSION", Anywhere),
        row(Krbsrvname, "krbsrvname", "PGKRBSRVNAME", Anywhere),
        row(Gsslib, "gsslib", "PGGSSLIB", ThisMachine),
        row(Gssdelegation, "gssdelegation", "PGGSSDELEGATION", ThisMachine),
        row_without_variable(ScramClient, "scram_client_key", Secret),
        row_without_variable(ScramServer, "scram_server_key", Secret),
        row(TargetSessionAttrs, "target_session_attrs", "PGTARGETSESSIONATTRS", Anywhere),
        row(LoadBalanceHosts, "load_balance_hosts", "PGLOADBALANCEHOSTS", Anywhere),
        row_without_variable(OauthIssuer, "oauth_issuer", ThisMachine),
        row_without_variable(OauthClientId, "oauth_client_id", ThisMachine),
        row_without_variable(OauthClientSecret, "oauth_client_secret", Secret),
        row_without_variable(OauthScope, "oauth_scope", ThisMachine),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_finds_its_own_row() {
        for (position, keyword) in KEYWORDS.iter().enumerate() {
            assert_eq!(keyword.key as usize, position, "{}", keyword.name);
            assert_eq!(Key::from_name(keyword.name), Some(keyword.key));
        }
        assert_eq!(Key::OauthScope as usize + 1, KEYWORDS.len());
    }
}
