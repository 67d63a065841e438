//! Certificates for servers and clients, from an authority made for the test.

use std::path::{Path, PathBuf};

use super::cli::Run;
use super::user::give_to_servers;

/// A directory with `ca.crt`; `server.crt` and `server.key` for the host name `localhost`; `client.crt` and `client.key`
/// for the role [`CLIENT`]; and `other-ca.crt`, of an authority that vouches for nobody.
pub(crate) struct Certificates {
    directory: tempfile::TempDir,
}

/// The role that the client's certificate is for.
pub(crate) const CLIENT: &str = "carol";

const MAKE: &str = r#"
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt"
}
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
    printf '%s' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.crt"
}
authority ca
authority other-ca
certificate server localhost subjectAltName=DNS:localhost
certificate client "$CLIENT" ""
chmod 600 *.key
chmod 644 *.crt
"#;

impl Certificates {
    /// Makes them with `openssl`.
    pub(crate) fn make() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let script = format!("cd '{}'; {MAKE}", directory.path().display());
        Run::program("/bin/sh").args(["-euc", &script]).env("CLIENT", CLIENT).run().expect_code(0);
        // The servers' account reads its own key there, and nobody else's.
        for file in ["", "server.key"] {
            give_to_servers(&directory.path().join(file)).expect("handing the key to the servers' account");
        }
        Self { directory }
    }

    /// The path of one of the files.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Settings for a server that speaks TLS and asks clients for a certificate of the authority.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        let file = |name: &str| text(&self.path(name));
        [
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", file("server.crt")),
            ("ssl_key_file", file("server.key")),
            ("ssl_ca_file", file("ca.crt")),
        ]
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a temporary directory with a plain name").to_owned()
}
