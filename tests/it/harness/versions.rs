//! Which PostgreSQL versions are installed here, and which of them this run tests.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::tell;
use super::user::server_command;

/// The programs of one installed server.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    /// Major version: 15.
    pub(crate) major: u32,
    /// The whole answer to `postgres --version`.
    pub(super) version: String,
    bin: PathBuf,
}

impl Installation {
    /// Path of the server program `name`.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// What one run of the tests works with.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    /// Runs the source.
    pub(crate) source: Installation,
    /// Runs the target.
    pub(crate) target: Installation,
    /// Directory of the pg_dump and pg_restore that the program under test finds first.
    pub(crate) clients: PathBuf,
    /// A pg_dump that is new enough for both servers.
    pub(super) newest_pg_dump: PathBuf,
}

impl Versions {
    /// The pair that the environment asks for. `None`, after saying so, when part of it is not installed.
    ///
    /// # Panics
    /// When part of it is not installed and `PG_MIGRATE_REQUIRE=1`.
    pub(crate) fn chosen() -> Option<Self> {
        static CHOSEN: OnceLock<Result<Versions, String>> = OnceLock::new();
        match CHOSEN.get_or_init(Self::choose) {
            Ok(versions) => Some(versions.clone()),
            Err(missing) if env::var("PG_MIGRATE_REQUIRE").is_ok_and(|value| value == "1") => panic!("{missing}"),
            Err(missing) => skip(missing),
        }
    }

    /// The same, but with the oldest target that is installed and at least of `major`, should the other be older. `None`,
    /// after saying so, when there is none.
    pub(crate) fn with_target_since(major: u32) -> Option<Self> {
        let chosen = Self::chosen()?;
        if chosen.target.major >= major {
            return Some(chosen);
        }
        match servers().range(major..).next() {
            Some((_, target)) => Self::of(chosen.source, target.clone()).map_or_else(|missing| skip(&missing), Some),
            None => skip(&format!("no server of version {major} or newer is installed")),
        }
    }

    /// The pair of these majors, whatever the environment asks for. `None`, after saying so, when part of it is not installed.
    pub(crate) fn of_majors(source: u32, target: u32) -> Option<Self> {
        let servers = servers();
        let pair = major(&servers, source).and_then(|source| Self::of(source, major(&servers, target)?));
        pair.map_or_else(|missing| skip(&missing), Some)
    }

    fn choose() -> Result<Self, String> {
        let servers = servers();
        Self::of(choose_server(&servers, "PG_SOURCE_VERSION")?, choose_server(&servers, "PG_TARGET_VERSION")?)
    }

    fn of(source: Installation, target: Installation) -> Result<Self, String> {
        let clients = clients();
        let (oldest, newest) = (source.major.min(target.major), source.major.max(target.major));
        let fit = clients.range(oldest..=newest).next_back().or_else(|| clients.range(newest..).next());
        match (fit, clients.last_key_value()) {
            (Some((_, fit)), Some((major, newest_bin))) if *major >= newest => {
                Ok(Self { source, target, clients: fit.clone(), newest_pg_dump: newest_bin.join("pg_dump") })
            }
            _ => Err(format!("no pg_dump and pg_restore of version {newest} or newer are installed")),
        }
    }
}

fn skip<T>(missing: &str) -> Option<T> {
    let test = std::thread::current();
    tell(format_args!("SKIP {}: {missing}", test.name().unwrap_or("test")));
    None
}

fn choose_server(servers: &BTreeMap<u32, Installation>, variable: &str) -> Result<Installation, String> {
    let Ok(wanted) = env::var(variable) else {
        let packaged = servers.values().rfind(|server| server.bin.starts_with("/usr"));
        return packaged
            .or_else(|| servers.values().next_back())
            .cloned()
            .ok_or_else(|| "no PostgreSQL server is installed; on Debian: apt install postgresql".to_owned());
    };
    let wanted = wanted.parse().map_err(|_| format!("{variable}={wanted:?} is not a major version such as 15"))?;
    major(servers, wanted)
}

fn major(servers: &BTreeMap<u32, Installation>, major: u32) -> Result<Installation, String> {
    let missing = || format!("PostgreSQL {major} is not installed; scripts/fetch-servers.sh {major} may have it");
    servers.get(&major).cloned().ok_or_else(missing)
}

/// Every installed server, oldest first.
pub(crate) fn installed() -> Vec<Installation> {
    servers().into_values().collect()
}

/// Directory of the newest pg_dump and pg_restore.
pub(crate) fn newest_clients() -> PathBuf {
    clients().into_values().next_back().expect("pg_dump and pg_restore are installed")
}

/// Servers by major. Where one major is installed twice, distribution packages win: they bring the extensions.
fn servers() -> BTreeMap<u32, Installation> {
    let mut found = BTreeMap::new();
    for bin in directories() {
        if ["initdb", "pg_ctl"].iter().all(|name| bin.join(name).is_file())
            && let Some((major, version)) = version_of(&bin.join("postgres"))
        {
            found.entry(major).or_insert(Installation { major, version, bin });
        }
    }
    found
}

/// Directories with pg_dump and pg_restore, by major.
fn clients() -> BTreeMap<u32, PathBuf> {
    let mut found = BTreeMap::new();
    for bin in directories() {
        if bin.join("pg_restore").is_file()
            && let Some((major, _)) = version_of(&bin.join("pg_dump"))
        {
            found.entry(major).or_insert(bin);
        }
    }
    found
}

/// Where PostgreSQL's programs may be, best first.
fn directories() -> Vec<PathBuf> {
    let subdirectories = |parent: &Path| -> Vec<PathBuf> {
        parent.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let debian = subdirectories(Path::new("/usr/lib/postgresql"));
    let pgdg_rpm = subdirectories(Path::new("/usr"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"pgsql-")));
    let fetched = subdirectories(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".servers"));
    let path = env::var_os("PATH").unwrap_or_default();
    debian
        .into_iter()
        .chain(pgdg_rpm)
        .chain(fetched)
        .map(|root| root.join("bin"))
        .chain(env::split_paths(&path))
        .collect()
}

/// `15` and the whole line from `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; `None` for a program that the
/// servers' account cannot run.
fn version_of(program: &Path) -> Option<(u32, String)> {
    let output = server_command(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    Some((number[..digits].parse().ok()?, version))
}
