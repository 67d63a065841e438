//! Writing an archive of a schema, reading what is in it, restoring parts of it.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::outcome::RestoreOutcome;
use super::process::{Tail, ToolCommand};
use super::stderr::Listener;
use super::toc::Toc;
use super::{ChildConnection, ClientTools, ToolError};
use crate::logger;

/// What [`dump_schema`] is to write.
#[derive(Clone, Copy, Debug)]
pub struct DumpRequest<'a> {
    /// A snapshot exported on the source, as `pg_export_snapshot()` names it; without one pg_dump takes its own.
    pub snapshot: Option<&'a str>,
    /// Include security labels. Where there are none, looking for them takes longer than anything else.
    pub labels: bool,
    /// Include what the planner knows about tables; only 18 and later can.
    pub statistics: bool,
    /// Write text in UTF-8, which whoever reads the statements expects. Impossible where the database's encoding cannot be
    /// converted: text is then as it is.
    pub utf8: bool,
    /// How long each table that somebody else has locked is waited for, as `lock_timeout` takes it.
    pub lock_timeout: &'a str,
    /// The archive; an existing file is overwritten.
    pub file: &'a Path,
}

/// Writes an archive of all definitions of a database, without its rows.
///
/// # Errors
/// When pg_dump cannot be started, fails or is cancelled.
pub async fn dump_schema(
    tools: &ClientTools,
    source: &ChildConnection,
    request: DumpRequest<'_>,
    cancel: &CancellationToken,
) -> Result<(), ToolError> {
    // Names are quoted because what is a keyword differs between majors. Nothing says what to include: such an option makes
    // pg_dump leave out whatever is in no schema (casts, event triggers, publications, default privileges).
    let command = ToolCommand::new(&tools.pg_dump);
    // --schema-only excludes statistics.
    let command = if request.statistics {
        command.arg("--no-data").arg("--no-large-objects").arg("--statistics")
    } else {
        command.arg("--schema-only")
    };
    let mut command = command
        .arg("--format=custom")
        .arg("--compress=0")
        // The archive does not outlive this program.
        .arg("--no-sync")
        .arg("--quote-all-identifiers")
        .option("--lock-wait-timeout", request.lock_timeout)
        .option("--file", request.file);
    if !request.labels {
        command = command.arg("--no-security-labels");
    }
    if request.utf8 {
        command = command.arg("--encoding=UTF8");
    }
    if let Some(snapshot) = request.snapshot {
        command = command.option("--snapshot", snapshot);
    }
    // Our own sessions send what is in the archive, and a backslash in a string is one there.
    let command = command.connect(source, &[("standard_conforming_strings", "on")]);
    let mut last_words = Tail::default();
    let finished = command
        .run(cancel, |line| {
            if line.starts_with("pg_dump: warning: ") {
                warn!(target: logger::MIGRATE, "{line}");
            } else {
                debug!(target: logger::MIGRATE, "{line}");
            }
            last_words.push(line);
        })
        .await?;
    if finished.status.success() { Ok(()) } else { Err(command.failed(finished.status, last_words)) }
}

/// The table of contents of `archive`.
///
/// # Errors
/// When pg_restore cannot be started, fails or is cancelled, or when its listing cannot be read.
pub async fn contents(tools: &ClientTools, archive: &Path, cancel: &CancellationToken) -> Result<Toc, ToolError> {
    let listing = ToolCommand::new(&tools.pg_restore).arg("--list").arg(archive).output(cancel).await?;
    Ok(Toc::parse(&listing)?)
}

/// What [`restore`] is to create.
#[derive(Clone, Copy, Debug)]
pub struct RestoreRequest<'a> {
    /// The archive.
    pub archive: &'a Path,
    /// The entries, and nothing else: the text of [`Toc::write_list`].
    pub list: &'a str,
    /// Objects belong to the user who restores instead of their owners on the source.
    pub no_owner: bool,
    /// Show what pg_restore says as information; otherwise it is in the debug log.
    pub verbose: bool,
    /// Settings, name and value, for every session: `("synchronous_commit", "off")`. Ask for `lc_messages` = `C` where
    /// the user may set it (superusers may), so that errors can be understood.
    pub settings: &'a [(&'a str, &'a str)],
}

/// Creates a part of what is in an archive. Errors of single objects do not stop it; they are in the outcome, to be judged
/// by [`classify`](super::classify()).
///
/// # Errors
/// When pg_restore cannot be started or is cancelled.
pub async fn restore(
    tools: &ClientTools,
    target: &ChildConnection,
    request: RestoreRequest<'_>,
    cancel: &CancellationToken,
) -> Result<RestoreOutcome, ToolError> {
    let list = list_file(request.archive, request.list).map_err(ToolError::List)?;
    // Without --verbose it does not say which entry an error is about.
    let mut command =
        ToolCommand::new(&tools.pg_restore).arg("--verbose").arg("--no-tablespaces").option("--use-list", list.path());
    if request.no_owner {
        command = command.arg("--no-owner");
    }
    let command = command.connect(target, request.settings).arg(request.archive);

    let mut listener = Listener::new();
    let mut last_words = Tail::default();
    let finished = command
        .run(cancel, |line| {
            if !listener.line(line) {
                return;
            }
            if request.verbose {
                info!(target: logger::MIGRATE, "{line}");
            } else {
                debug!(target: logger::MIGRATE, "{line}");
            }
            last_words.push(line);
        })
        .await?;
    let (errors, ending) = listener.finish(finished.status);
    Ok(RestoreOutcome { errors, ending, status: finished.status, last_words: last_words.into_lines() })
}

/// A file for `--use-list`, beside the archive: that directory goes also when this program is killed.
pub(super) fn list_file(archive: &Path, list: &str) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_prefix_in("list-", archive.parent().unwrap_or(Path::new(".")))?;
    file.write_all(list.as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::tools::{Context, Ending, Missing, Section, classify, find_all};

    fn testdata(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools/testdata").join(path)
    }

    async fn fake_tools() -> ClientTools {
        find_all(Some(&testdata("fake/pair"))).await.unwrap().remove(0)
    }

    fn server(variables: &[(&str, &Path)]) -> ChildConnection {
        let mut environment: Vec<_> =
            variables.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string())).collect();
        environment.push(("PGOPTIONS".to_owned(), "-c work_mem=1MB".to_owned()));
        ChildConnection {
            conninfo: "host=db dbname=app".to_owned(),
            passfile: Some("/run/passfile".into()),
            environment,
        }
    }

    fn request(list: &str) -> RestoreRequest<'_> {
        RestoreRequest { archive: Path::new("/tmp/archive"), list, no_owner: false, verbose: false, settings: &[] }
    }

    #[tokio::test]
    async fn a_dump_names_the_snapshot_and_includes_everything() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("record");
        let request = DumpRequest {
            snapshot: Some("00000003-1"),
            labels: false,
            statistics: false,
            utf8: true,
            lock_timeout: "1min",
            file: Path::new("/tmp/archive"),
        };
        let source = server(&[("FAKE_RECORD", &record)]);
        dump_schema(&fake_tools().await, &source, request, &CancellationToken::new()).await.unwrap();
        insta::assert_snapshot!(fs::read_to_string(record).unwrap(), @r"
        --schema-only
        --format=custom
        --compress=0
        --no-sync
        --quote-all-identifiers
        --lock-wait-timeout=1min
        --file=/tmp/archive
        --no-security-labels
        --encoding=UTF8
        --snapshot=00000003-1
        --no-password
        --dbname=host=db dbname=app
        LC_ALL=C
        PGOPTIONS=-c work_mem=1MB -c standard_conforming_strings=on
        PGPASSFILE=/run/passfile
        ");
    }

    #[tokio::test]
    async fn a_dump_with_statistics_still_has_no_rows() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("record");
        let request = DumpRequest {
            snapshot: None,
            labels: true,
            statistics: true,
            utf8: false,
            lock_timeout: "1min",
            file: Path::new("/tmp/archive"),
        };
        let source = server(&[("FAKE_RECORD", &record)]);
        dump_schema(&fake_tools().await, &source, request, &CancellationToken::new()).await.unwrap();
        insta::assert_snapshot!(fs::read_to_string(record).unwrap(), @r"
        --no-data
        --no-large-objects
        --statistics
        --format=custom
        --compress=0
        --no-sync
        --quote-all-identifiers
        --lock-wait-timeout=1min
        --file=/tmp/archive
        --no-password
        --dbname=host=db dbname=app
        LC_ALL=C
        PGOPTIONS=-c work_mem=1MB -c standard_conforming_strings=on
        PGPASSFILE=/run/passfile
        ");
    }

    #[tokio::test]
    async fn a_dump_that_fails_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let words = dir.path().join("words");
        fs::write(&words, "pg_dump: error: query failed: ERROR:  permission denied for table t\n").unwrap();
        let source = server(&[("FAKE_STDERR", &words), ("FAKE_STATUS", Path::new("1"))]);
        let request = DumpRequest {
            snapshot: None,
            labels: true,
            statistics: false,
            utf8: true,
            lock_timeout: "1min",
            file: Path::new("/tmp/archive"),
        };
        let error = dump_schema(&fake_tools().await, &source, request, &CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().ends_with("permission denied for table t"), "{error}");
    }

    #[tokio::test]
    async fn a_restore_gets_its_list_and_settings() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("record");
        let request = RestoreRequest {
            no_owner: true,
            settings: &[("synchronous_commit", "off"), ("search_path", r#""$user", public"#)],
            ..request("7; 2615 1 SCHEMA - app app\n")
        };
        let target = server(&[("FAKE_RECORD", &record)]);
        let outcome = restore(&fake_tools().await, &target, request, &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.ending, Ending::Complete);
        let record = fs::read_to_string(record).unwrap();
        let record: String = record.split_inclusive('\n').filter(|line| !line.starts_with("--use-list=")).collect();
        insta::assert_snapshot!(record, @r#"
        --verbose
        --no-tablespaces
        --no-owner
        --no-password
        --dbname=host=db dbname=app
        /tmp/archive
        the list:
        7; 2615 1 SCHEMA - app app
        LC_ALL=C
        PGOPTIONS=-c work_mem=1MB -c synchronous_commit=off -c search_path="$user",\ public
        PGPASSFILE=/run/passfile
        "#);
    }

    #[tokio::test]
    async fn errors_of_a_restore_are_in_its_outcome() {
        let words = testdata("unprivileged.stderr");
        let target = server(&[("FAKE_STDERR", &words), ("FAKE_STATUS", Path::new("1"))]);
        let outcome = restore(&fake_tools().await, &target, request(""), &CancellationToken::new()).await.unwrap();
        assert_eq!((outcome.errors.len(), outcome.ending, outcome.status.code()), (4, Ending::Complete, Some(1)));
        assert_eq!(outcome.last_words.last().unwrap(), "pg_restore: warning: errors ignored on restore: 4");
        assert!(!outcome.last_words.concat().contains("hunter2"));
        assert!(!classify(&outcome, &Context::default(), &mut Missing::default()).is_success());
    }

    #[tokio::test]
    async fn the_contents_of_an_archive_are_divided_into_sections() {
        let toc = contents(&fake_tools().await, Path::new("/tmp/archive"), &CancellationToken::new()).await.unwrap();
        let count = |section| toc.entries.iter().filter(|entry| entry.section == section).count();
        assert_eq!([Section::PreData, Section::PostData].map(count), [53, 34]);
    }
}
