//! A throwaway server.

mod extension;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pg_migrate::sql::Ident;
use tokio_postgres::Config;

use super::session::{Rows, Session};
pub(crate) use super::template::SUPERUSER_PASSWORD;
use super::template::{copy_data_directory, create_data_directory};
use super::user::{give_to_servers, server_command};
use super::versions::Installation;
use super::{tell, wait};

/// Port in the socket's file name when the server does not listen on TCP; each server has a socket directory of its own.
const SOCKET_PORT: u16 = 5432;

/// Passwords count over TCP and not through the socket.
const DEFAULT_HBA: &str = "local all all trust\n\
                           local replication all trust\n\
                           host all all 127.0.0.1/32 scram-sha-256\n\
                           host replication all 127.0.0.1/32 scram-sha-256\n";

/// Small and quick, and ready for replication. Durability is off: these servers never outlive their test.
const SETTINGS: &str = "fsync = off\n\
                        full_page_writes = off\n\
                        shared_buffers = 16MB\n\
                        min_wal_size = 2MB\n\
                        max_wal_size = 256MB\n\
                        autovacuum = off\n\
                        jit = off\n\
                        wal_level = logical\n\
                        max_connections = 60\n\
                        max_wal_senders = 20\n\
                        max_replication_slots = 20\n\
                        max_worker_processes = 24\n\
                        max_logical_replication_workers = 16\n\
                        wal_receiver_status_interval = 1s\n\
                        wal_retrieve_retry_interval = 500ms\n\
                        log_line_prefix = '%m [%p] %a %u@%d '\n";

/// How a server differs from the usual one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    initdb: Vec<String>,
    settings: String,
    hba: Option<String>,
    tcp: bool,
}

impl Options {
    /// Adds an option of initdb, such as `--locale=…`; an own template is kept for each list of them.
    pub(crate) fn initdb(mut self, option: &str) -> Self {
        self.initdb.push(option.to_owned());
        self
    }

    /// Adds a line to postgresql.conf.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        writeln!(self.settings, "{name} = '{}'", value.replace('\'', "''")).expect("a String takes everything");
        self
    }

    /// Replaces pg_hba.conf. As long as the socket is open to `postgres`, the harness can do its work.
    pub(crate) fn hba(mut self, text: &str) -> Self {
        self.hba = Some(text.to_owned());
        self
    }

    /// Listens on 127.0.0.1 too, at a port of its own; [`Cluster::tcp_uri`] says where.
    pub(crate) fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }
}

/// A running server; it stops when this is dropped, and also when the test process is killed.
pub(crate) struct Cluster {
    /// What it runs.
    pub(crate) installation: Installation,
    directory: PathBuf,
    port: u16,
    /// The server program, where it is not the installation's.
    postgres: Option<PathBuf>,
    undertaker: Child,
}

impl Cluster {
    /// Creates and starts a server.
    pub(crate) fn start(installation: &Installation, options: &Options) -> Self {
        let directory = short_temporary_directory();
        give_to_servers(&directory).expect("handing the server's directory to its account");
        let data = directory.join("data");
        create_data_directory(installation, &options.initdb, &data).expect("creating a data directory");
        fs::write(data.join("pg_hba.conf"), options.hba.as_deref().unwrap_or(DEFAULT_HBA)).expect("pg_hba.conf");
        let undertaker = hire_undertaker(installation, &directory);
        let mut cluster =
            Self { installation: installation.clone(), directory, port: SOCKET_PORT, postgres: None, undertaker };
        let generated = fs::read_to_string(data.join("postgresql.conf")).expect("postgresql.conf");
        // A port that is free now may be taken in the next moment; a second look is enough.
        for last_attempt in [false, true] {
            let mut settings = format!("{generated}{SETTINGS}{}", options.settings);
            if options.tcp {
                cluster.port = free_port();
            }
            let addresses = if options.tcp { "127.0.0.1" } else { "" };
            write!(
                settings,
                "listen_addresses = '{addresses}'\nport = {}\nunix_socket_directories = '{}'\n",
                cluster.port,
                cluster.directory.display()
            )
            .expect("a String takes everything");
            fs::write(data.join("postgresql.conf"), settings).expect("postgresql.conf");
            match cluster.pg_ctl(&["start"]) {
                Ok(()) => break,
                Err(_) if options.tcp && !last_attempt => {}
                Err(error) => panic!("{error}\n{}", cluster.log()),
            }
        }
        cluster
    }

    /// A hot standby of this server, which is restarted for it.
    pub(crate) fn standby(&self) -> Self {
        let directory = short_temporary_directory();
        give_to_servers(&directory).expect("handing the server's directory to its account");
        let data = directory.join("data");
        self.pg_ctl(&["stop", "--mode=fast"]).expect("stopping a server");
        copy_data_directory(&self.directory.join("data"), &data).expect("copying a data directory");
        self.start_again();
        let settings = format!(
            "listen_addresses = ''\nport = {SOCKET_PORT}\nunix_socket_directories = '{}'\n\
             primary_conninfo = 'host={} port={} user=postgres'\n",
            directory.display(),
            self.directory.display(),
            self.port
        );
        let append = |name: &str, text: &str| {
            let file = fs::OpenOptions::new().create(true).append(true).open(data.join(name));
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file of a data directory");
        };
        append("postgresql.conf", &settings);
        append("standby.signal", "");
        let undertaker = hire_undertaker(&self.installation, &directory);
        let standby =
            Self { installation: self.installation.clone(), directory, port: SOCKET_PORT, postgres: None, undertaker };
        standby.start_again();
        standby
    }

    /// Stops the server as a crash does.
    pub(crate) fn crash(&self) {
        self.pg_ctl(&["stop", "--mode=immediate"]).expect("stopping a server");
    }

    /// Starts the server again after [`Cluster::crash`].
    pub(crate) fn start_again(&self) {
        self.pg_ctl(&["start"]).unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }

    /// Makes the server a standby, without a primary to follow.
    pub(crate) fn become_standby(&self) {
        self.pg_ctl(&["stop", "--mode=fast"]).expect("stopping a server");
        let signal = self.directory.join("data/standby.signal");
        fs::write(&signal, "").and_then(|()| give_to_servers(&signal)).expect("standby.signal");
        self.start_again();
    }

    /// Restarts the server, so that changes by ALTER SYSTEM take effect.
    pub(crate) fn restart(&self) {
        self.pg_ctl(&["restart", "--mode=fast"]).unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }

    /// Connects to `database` as superuser.
    pub(crate) fn session(&self, database: &str) -> Session {
        self.session_as("postgres", database)
    }

    /// Connects to `database` as `role`; the socket asks for no password.
    pub(crate) fn session_as(&self, role: &str, database: &str) -> Session {
        let mut config = Config::new();
        config.host_path(&self.directory).port(self.port).user(role).dbname(database);
        config.connect_timeout(Duration::from_secs(10)).application_name("test");
        Session::open(&config).unwrap_or_else(|error| panic!("connecting to {database:?} as {role:?}: {error}"))
    }

    /// Runs statements in `database` as superuser, on a connection of their own.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Rows {
        self.session(database).sql(sql)
    }

    /// The only value of the only row that `sql` gives; null is `""`.
    pub(crate) fn value(&self, database: &str, sql: &str) -> String {
        match &mut self.sql(database, sql)[..] {
            [row] if row.len() == 1 => row[0].take().unwrap_or_default(),
            rows => panic!("expected one value, got {rows:?} from: {sql}"),
        }
    }

    /// Waits until `condition`, a boolean expression, holds in `database`.
    pub(crate) fn wait_until(&self, database: &str, condition: &str) {
        let session = self.session(database);
        let query = format!("SELECT {condition}");
        let outcome = wait::wait_for(wait::LIMIT, || match session.sql(&query)[0][0].as_deref() {
            Some("t") => Ok(()),
            other => Err(format!("{condition} is {other:?}")),
        });
        outcome.unwrap_or_else(|status| panic!("{status}"));
    }

    /// Creates a database.
    pub(crate) fn create_database(&self, name: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {}", Ident::new(name)));
    }

    /// Every database that can be connected to, `template1` included.
    pub(crate) fn databases(&self) -> Vec<String> {
        let rows = self.sql("postgres", "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname");
        rows.into_iter().flatten().flatten().collect()
    }

    /// A URI that reaches `database` through the socket, as superuser.
    pub(crate) fn uri(&self, database: &str) -> String {
        self.uri_as("postgres", database)
    }

    /// A URI that reaches `database` through the socket, as `role`.
    pub(crate) fn uri_as(&self, role: &str, database: &str) -> String {
        let directory = self.directory.to_str().expect("a temporary directory with a plain name");
        format!("postgresql://{}@/{}?host={}&port={}", encoded(role), encoded(database), encoded(directory), self.port)
    }

    /// A URI that reaches `database` over TCP; only for servers with [`Options::tcp`].
    pub(crate) fn tcp_uri(&self, role: &str, password: &str, database: &str) -> String {
        assert_ne!(self.port, SOCKET_PORT, "this server does not listen on TCP");
        format!("postgresql://{}:{}@127.0.0.1:{}/{}", encoded(role), encoded(password), self.port, encoded(database))
    }

    /// The port, of TCP for servers with [`Options::tcp`] and in any case of the socket.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the socket.
    pub(crate) fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// All that the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = server_command(self.installation.program("pg_ctl"));
        if let Some(postgres) = &self.postgres {
            command.arg("-p").arg(postgres);
        }
        let output = command
            .args(arguments)
            .args(["--silent", "--wait", "--timeout=60", "--pgdata"])
            .arg(self.directory.join("data"))
            .arg("--log")
            .arg(self.log_path())
            .output()
            .map_err(|error| format!("pg_ctl: {error}"))?;
        let failed = || format!("pg_ctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(()) } else { Err(failed()) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(20)..].join("\n");
            tell(format_args!("server directory kept: {}; its log ends:\n{last}", self.directory.display()));
            if let Some(stdin) = &mut self.undertaker.stdin {
                let _ = stdin.write_all(b"keep\n");
            }
        }
        // Closes its standard input, which is what it waits for.
        let _ = self.undertaker.wait();
    }
}

/// A process that waits for us to let go of its standard input, stops the server and removes its directory.
///
/// However this process ends, the pipe closes; and the undertaker leads a process group of its own, so that no signal
/// meant for us ends it.
fn hire_undertaker(installation: &Installation, directory: &Path) -> Child {
    const DUTY: &str = r#"read -r wish
"$1" stop --silent --mode=immediate --pgdata="$2/data"
[ "$wish" = keep ] || rm -rf -- "$2""#;
    server_command("/bin/sh")
        .args(["-c", DUTY, "undertaker"])
        .arg(installation.program("pg_ctl"))
        .arg(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting /bin/sh")
}

/// Socket paths are limited to about 100 bytes, and some systems' temporary directories are long already.
fn short_temporary_directory() -> PathBuf {
    let mut builder = tempfile::Builder::new();
    builder.prefix("pgm-");
    let directory =
        if std::env::temp_dir().as_os_str().len() <= 64 { builder.tempdir() } else { builder.tempdir_in("/tmp") };
    directory.expect("creating a temporary directory").keep()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the address of a bound socket").port()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
