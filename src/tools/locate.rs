//! Which `pg_dump` and `pg_restore` there are, and which of them to use.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::process::ToolCommand;
use crate::facts::ServerVersion;
use crate::logger;

/// `--version` answers in milliseconds; a program that takes this long is stuck (a dead network mount, say).
const PATIENCE: Duration = Duration::from_secs(10);

/// Where packages put the programs: (directory, beginning of the names in it, path below each).
const PLACES: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/opt/homebrew/opt", "libpq", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "libpq", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The version of a client program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolVersion {
    /// `15` in 15.18.
    pub major: u32,
    /// `18` in 15.18; 0 for a development version such as 19devel or 19beta1.
    pub minor: u32,
    /// What the program says, its packager's remarks included: `15.18 (Debian 15.18-0+deb12u1)`.
    pub text: String,
}

impl ToolVersion {
    /// Archives can hold the statistics of tables (18).
    pub fn dumps_statistics(&self) -> bool {
        self.major >= 18
    }

    /// Reads the answer to `--version`: `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    fn parse(answer: &str) -> Option<Self> {
        let text = answer.lines().next()?.split_once(") ")?.1.trim();
        let (major, rest) = leading_number(text)?;
        let minor = rest.strip_prefix('.').and_then(leading_number).map_or(0, |(minor, _)| minor);
        Some(Self { major, minor, text: text.to_owned() })
    }
}

impl fmt::Display for ToolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// `pg_dump` and `pg_restore` of one version, in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTools {
    /// The directory.
    pub dir: PathBuf,
    /// The path of `pg_dump`.
    pub pg_dump: PathBuf,
    /// The path of `pg_restore`.
    pub pg_restore: PathBuf,
    /// The version of both.
    pub version: ToolVersion,
}

/// No usable pair of programs where we were to look.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The directory given with `--pgbin` has no such program.
    #[error("there is no {program} in {}; --pgbin wants the directory of pg_dump and pg_restore", dir.display())]
    NotThere {
        /// The directory.
        dir: PathBuf,
        /// The program.
        program: &'static str,
    },
    /// A program in the directory given with `--pgbin` does not tell its version.
    #[error("{} does not tell its version: {reason}", program.display())]
    NoVersion {
        /// The path of the program.
        program: PathBuf,
        /// What it did instead.
        reason: String,
    },
    /// The two programs in the directory given with `--pgbin` are not of one version.
    #[error("in {} pg_dump is {pg_dump} but pg_restore is {pg_restore}; install both of one version", dir.display())]
    Different {
        /// The directory.
        dir: PathBuf,
        /// The version of `pg_dump`.
        pg_dump: ToolVersion,
        /// The version of `pg_restore`.
        pg_restore: ToolVersion,
    },
    /// Nothing was found in any of the usual places.
    #[error(
        "found no pg_dump and pg_restore in the usual places or on PATH; install PostgreSQL's client programs or name \
         their directory with --pgbin"
    )]
    Missing,
}

/// All usable pairs: those in `pgbin` only, or, without it, those where packages put them and on `PATH`, in this order.
///
/// # Errors
/// When there is none, and when `pgbin` has anything but a pair of one version.
pub async fn find_all(pgbin: Option<&Path>) -> Result<Vec<ClientTools>, LocateError> {
    if let Some(dir) = pgbin {
        return Ok(vec![ask(dir.to_owned()).await?]);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut seen = BTreeSet::new();
    let dirs = package_dirs(Path::new("/"))
        .into_iter()
        .chain(env::split_paths(&path).filter(|dir| dir.is_absolute()))
        .filter(|dir| fs::canonicalize(dir).is_ok_and(|real| seen.insert(real)));
    let mut found = Vec::new();
    for answer in join_all(dirs.map(ask)).await {
        match answer {
            Ok(tools) => found.push(tools),
            Err(LocateError::NotThere { .. }) => {}
            Err(error) => debug!(target: logger::MIGRATE, "passed over: {error}"),
        }
    }
    if found.is_empty() { Err(LocateError::Missing) } else { Ok(found) }
}

/// The existing directories among [`PLACES`], below `root`.
fn package_dirs(root: &Path) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    for (parent, prefix, below) in PLACES {
        let Ok(children) = fs::read_dir(root.join(parent.trim_start_matches('/'))) else { continue };
        let mut matching: Vec<PathBuf> = children
            .filter_map(Result::ok)
            .filter(|child| child.file_name().to_string_lossy().starts_with(prefix))
            .map(|child| child.path().join(below))
            .filter(|dir| dir.is_dir())
            .collect();
        matching.sort();
        dirs.append(&mut matching);
    }
    dirs
}

/// The pair in `dir`.
async fn ask(dir: PathBuf) -> Result<ClientTools, LocateError> {
    let pg_dump = dir.join("pg_dump");
    let pg_restore = dir.join("pg_restore");
    for (path, program) in [(&pg_dump, "pg_dump"), (&pg_restore, "pg_restore")] {
        if !path.is_file() {
            return Err(LocateError::NotThere { dir, program });
        }
    }
    let (version, other) = tokio::try_join!(version_of(&pg_dump), version_of(&pg_restore))?;
    if (version.major, version.minor) != (other.major, other.minor) {
        return Err(LocateError::Different { dir, pg_dump: version, pg_restore: other });
    }
    Ok(ClientTools { dir, pg_dump, pg_restore, version })
}

async fn version_of(program: &Path) -> Result<ToolVersion, LocateError> {
    let unknown = |reason| LocateError::NoVersion { program: program.to_owned(), reason };
    let command = ToolCommand::new(program).arg("--version");
    let answer = tokio::time::timeout(PATIENCE, command.output(&CancellationToken::new()))
        .await
        .map_err(|_| unknown(format!("no answer within {} seconds", PATIENCE.as_secs())))?
        .map_err(|error| unknown(error.to_string()))?;
    ToolVersion::parse(&answer).ok_or_else(|| unknown(format!("it says {:?}", answer.trim())))
}

/// The pair to use between two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// Not older than the source, not newer than the target.
    Fit(&'a ClientTools),
    /// Not older than the source, but newer than the target: its archive may use what the target does not know.
    NewerThanTarget(&'a ClientTools),
    /// All are older than the source, and `pg_dump` refuses newer servers.
    None,
}

/// The oldest major that is not older than the source, if possible not newer than the target; of one major the newest
/// minor, of equal ones the first. Where the target takes statistics, programs that carry them come before older ones.
pub fn choose(tools: &[ClientTools], source: ServerVersion, target: ServerVersion) -> Choice<'_> {
    let oldest = |wanted: &dyn Fn(&ToolVersion) -> bool| {
        let fit = tools.iter().filter(|tools| tools.version.major >= source.major() && wanted(&tools.version));
        fit.min_by_key(|tools| (tools.version.major, Reverse(tools.version.minor)))
    };
    let with_statistics = |version: &ToolVersion| version.dumps_statistics() && version.major <= target.major();
    let best = if target.restores_statistics() { oldest(&with_statistics) } else { None };
    match best.or_else(|| oldest(&|_| true)) {
        Some(tools) if tools.version.major <= target.major() => Choice::Fit(tools),
        Some(tools) => Choice::NewerThanTarget(tools),
        None => Choice::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(dir: &str, major: u32, minor: u32) -> ClientTools {
        let text = format!("{major}.{minor}");
        let dir = PathBuf::from(dir);
        let version = ToolVersion { major, minor, text };
        ClientTools { pg_dump: dir.join("pg_dump"), pg_restore: dir.join("pg_restore"), dir, version }
    }

    fn major(major: u32) -> ServerVersion {
        ServerVersion(major * 10_000)
    }

    #[test]
    fn versions_of_all_packagers_are_read() {
        for (answer, expected) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", (15, 18, "15.18 (Debian 15.18-0+deb12u1)")),
            ("pg_restore (PostgreSQL) 12.0", (12, 0, "12.0")),
            ("pg_dump (PostgreSQL) 17beta1", (17, 0, "17beta1")),
            ("pg_dump (PostgreSQL) 18devel", (18, 0, "18devel")),
            (
                "pg_dump (PostgreSQL) 16rc1 (Ubuntu 16~rc1-1.pgdg22.04+1)",
                (16, 0, "16rc1 (Ubuntu 16~rc1-1.pgdg22.04+1)"),
            ),
            ("pg_dump (EnterpriseDB) 16.2.0", (16, 2, "16.2.0")),
            ("pg_dump (PostgreSQL) 9.6.24", (9, 6, "9.6.24")),
        ] {
            let version = ToolVersion::parse(answer).unwrap();
            assert_eq!((version.major, version.minor, version.text.as_str()), expected);
        }
        for nonsense in ["", "pg_dump", "pg_dump (PostgreSQL) unknown", "15.3"] {
            assert_eq!(ToolVersion::parse(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn the_oldest_that_fits_is_chosen() {
        let all = [tools("/a", 17, 2), tools("/b", 15, 3), tools("/c", 15, 8), tools("/d", 15, 8), tools("/e", 13, 9)];
        assert_eq!(choose(&all, major(14), major(17)), Choice::Fit(&all[2]));
        assert_eq!(choose(&all, major(12), major(13)), Choice::Fit(&all[4]));
        assert_eq!(choose(&all, major(16), major(18)), Choice::Fit(&all[0]));
    }

    #[test]
    fn where_the_target_takes_statistics_programs_that_carry_them_come_first() {
        let all = [tools("/a", 15, 8), tools("/b", 18, 1), tools("/c", 18, 4), tools("/d", 19, 0)];
        assert_eq!(choose(&all, major(12), major(18)), Choice::Fit(&all[2]));
        assert_eq!(choose(&all, major(12), major(19)), Choice::Fit(&all[2]));
        assert_eq!(choose(&all, major(12), major(17)), Choice::Fit(&all[0]));
        assert_eq!(choose(&all[..1], major(15), major(18)), Choice::Fit(&all[0]));
        let newer = [tools("/a", 15, 8), tools("/b", 19, 0)];
        assert_eq!(choose(&newer, major(14), major(18)), Choice::Fit(&newer[0]));
    }

    #[test]
    fn one_newer_than_the_target_is_better_than_none() {
        let all = [tools("/a", 18, 0), tools("/b", 17, 2)];
        assert_eq!(choose(&all, major(14), major(15)), Choice::NewerThanTarget(&all[1]));
        assert_eq!(choose(&all, major(18), major(15)), Choice::NewerThanTarget(&all[0]));
        assert_eq!(choose(&all, major(19), major(19)), Choice::None);
        assert_eq!(choose(&[], major(12), major(18)), Choice::None);
    }

    #[test]
    fn directories_of_packages_are_found() {
        let root = tempfile::tempdir().unwrap();
        for dir in ["usr/lib/postgresql/15/bin", "usr/lib/postgresql/9.6", "usr/pgsql-16/bin", "usr/pgadmin/bin"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let expected: Vec<_> =
            ["usr/lib/postgresql/15/bin", "usr/pgsql-16/bin"].iter().map(|dir| root.path().join(dir)).collect();
        assert_eq!(package_dirs(root.path()), expected);
    }

    fn fake(case: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools/testdata/fake").join(case)
    }

    #[tokio::test]
    async fn the_directory_that_the_user_names_is_the_only_one_searched() {
        let found = find_all(Some(&fake("pair"))).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pg_restore, fake("pair").join("pg_restore"));
        assert_eq!(found[0].version.to_string(), "15.18 (Debian 15.18-0+deb12u1)");
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_directory_that_the_user_names_is_said() {
        for (case, expected) in [
            ("nowhere", "there is no pg_dump in "),
            ("lonely", "there is no pg_restore in "),
            ("mixed", "pg_dump is 16.4 but pg_restore is 15.8"),
            ("mute", "no such cluster"),
        ] {
            let error = find_all(Some(&fake(case))).await.unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(case), "{error}");
        }
    }
}
