//! libpq's `sslmode` in terms of native-tls.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use native_tls::{Certificate, Identity, Protocol};

use crate::conninfo::{Address, ConnInfo, Host, RootCert, SslMode, SslNegotiation, TlsVersion};

/// One way to try a host: with TLS or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Plain,
    Tls,
}

/// The ways that `mode` allows, in order. A Unix socket is never encrypted, whatever the mode says, as in libpq.
pub(super) fn attempts(mode: SslMode, unix: bool) -> &'static [Encryption] {
    match mode {
        _ if unix => &[Encryption::Plain],
        SslMode::Disable => &[Encryption::Plain],
        SslMode::Allow => &[Encryption::Plain, Encryption::Tls],
        SslMode::Prefer => &[Encryption::Tls, Encryption::Plain],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Tls],
    }
}

/// What has been found out about TLS with a server, shared by all its sessions.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Setting up TLS reads the system's root certificates, whether they are asked or not: a quarter of a second.
    connector: OnceLock<Result<native_tls::TlsConnector, String>>,
    /// Under `prefer`, a server that does not speak TLS is not asked again.
    refused: AtomicBool,
}

impl Memory {
    /// A connector that checks as much as the connection string asks for. An error says which setting or file is at fault.
    pub(super) fn connector(
        &self,
        conninfo: &ConnInfo,
        host: &Host,
    ) -> Result<postgres_native_tls::TlsConnector, String> {
        let connector = self.connector.get_or_init(|| build(conninfo)).clone()?;
        let name = match &host.address {
            Address::Tcp { name, addr: Some(addr) } if name.is_empty() => addr.to_string(),
            Address::Tcp { name, .. } => name.clone(),
            Address::Unix(directory) => directory.display().to_string(),
        };
        Ok(postgres_native_tls::TlsConnector::new(connector, &name))
    }

    /// Notes that the server does not speak TLS.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether it has said so.
    pub(super) fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

fn build(conninfo: &ConnInfo) -> Result<native_tls::TlsConnector, String> {
    let mut builder = native_tls::TlsConnector::builder();
    builder.min_protocol_version(conninfo.ssl_min_protocol_version().map(protocol));
    builder.max_protocol_version(conninfo.ssl_max_protocol_version().map(protocol));

    let root = conninfo.ssl_root_cert();
    // A root certificate makes `require` check the chain: libpq's documentation keeps this from older versions.
    let mode = match (conninfo.sslmode(), &root) {
        (SslMode::Require, Some(RootCert::File(file))) if file.exists() => SslMode::VerifyCa,
        (mode, _) => mode,
    };
    match mode {
        SslMode::VerifyCa | SslMode::VerifyFull => {
            builder.danger_accept_invalid_hostnames(mode == SslMode::VerifyCa);
            if let Some(RootCert::File(file)) = &root {
                builder.disable_built_in_roots(true);
                for certificate in root_certificates(file)? {
                    builder.add_root_certificate(certificate);
                }
            }
        }
        SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => {
            builder.danger_accept_invalid_certs(true).danger_accept_invalid_hostnames(true);
        }
    }
    if let Some(identity) = identity(conninfo)? {
        builder.identity(identity);
    }
    // A name that is an address is never sent.
    builder.use_sni(conninfo.ssl_sni());
    if conninfo.sslnegotiation() == SslNegotiation::Direct {
        postgres_native_tls::set_postgresql_alpn(&mut builder);
    }
    builder.build().map_err(|error| format!("cannot set up TLS: {error}"))
}

fn protocol(version: TlsVersion) -> Protocol {
    match version {
        TlsVersion::Tls10 => Protocol::Tlsv10,
        TlsVersion::Tls11 => Protocol::Tlsv11,
        TlsVersion::Tls12 => Protocol::Tlsv12,
        TlsVersion::Tls13 => Protocol::Tlsv13,
    }
}

fn root_certificates(file: &Path) -> Result<Vec<Certificate>, String> {
    let pem = fs::read(file).map_err(|error| {
        format!("root certificate file {file:?} cannot be read: {error}; give sslrootcert, or sslrootcert=system")
    })?;
    Certificate::stack_from_pem(&pem).map_err(|error| format!("root certificate file {file:?}: {error}"))
}

/// The client certificate. As in libpq a default file that is absent means none, and one that was named must be there.
fn identity(conninfo: &ConnInfo) -> Result<Option<Identity>, String> {
    if conninfo.get("sslcertmode") == Some("disable") {
        return Ok(None);
    }
    let named = conninfo.get("sslcert").is_some();
    let Some(certificate) = conninfo.ssl_cert().filter(|path| named || path.exists()) else {
        return Ok(None);
    };
    let key = conninfo.ssl_key().ok_or("sslcert is given, but no sslkey")?;
    let read =
        |what: &str, path: &Path| fs::read(path).map_err(|error| format!("{what} {path:?} cannot be read: {error}"));
    check_private(&key)?;
    let (certificate_pem, key_pem) = (read("sslcert", &certificate)?, read("sslkey", &key)?);
    Identity::from_pkcs8(&certificate_pem, &key_pem).map(Some).map_err(|error| {
        format!(
            "sslcert {certificate:?} with sslkey {key:?}: {error}; the key must be an unencrypted PKCS #8 file: \
             openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW_KEY"
        )
    })
}

/// libpq, and pg_dump with it, uses no key that others can read; one of root's may be lent to a group.
fn check_private(key: &Path) -> Result<(), String> {
    let file = fs::metadata(key).map_err(|error| format!("sslkey {key:?} cannot be read: {error}"))?;
    let others = if file.uid() == 0 { 0o037 } else { 0o077 };
    if file.mode() & others == 0 {
        return Ok(());
    }
    Err(format!("sslkey {key:?} has group or world access: chmod 600 it"))
}
