//! Writing an archive of a schema, reading what is in it, restoring parts of it.

use std::io::Write;
use std::path::Path;
use std::process::ExitStatus;

use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::process::{Tail, ToolCommand};
use super::stderr::{Ending, Listener, RestoreError};
use super::toc::{Section, Toc};
use super::{ChildConnection, ClientTools, ToolError};

/// What [`dump_schema`] is to write.
#[derive(Clone, Copy, Debug)]
pub struct DumpRequest<'a> {
    /// A snapshot exported on the source, as `pg_export_snapshot()` names it; without one pg_dump takes its own.
    pub snapshot: Option<&'a str>,
    /// The archive; an existing file is overwritten.
    pub file: &'a Path,
    /// Further options of pg_dump. Not those that name what to include: they make it leave out everything that is in no
    /// schema (casts, event triggers, publications, default privileges).
    pub extra: &'a [&'a str],
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
    // Names are quoted because what is a keyword differs between majors.
    let mut command = ToolCommand::new(&tools.pg_dump)
        .arg("--schema-only")
        .arg("--format=custom")
        .arg("--compress=0")
        .arg("--quote-all-identifiers")
        .option("--file", request.file);
    if let Some(snapshot) = request.snapshot {
        command = command.option("--snapshot", snapshot);
    }
    for option in request.extra {
        command = command.arg(*option);
    }
    let command = command.connect(source, &[]);
    let mut last_words = Tail::default();
    let finished = command
        .run(cancel, |line| {
            if line.starts_with("pg_dump: warning: ") {
                warn!(target: "PGMigrate", "{line}");
            } else {
                debug!(target: "PGMigrate", "{line}");
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
    let [pre, data, post] = Section::ALL.map(|section| async move {
        let listing = ToolCommand::new(&tools.pg_restore)
            .arg("--list")
            .option("--section", section.as_str())
            .arg(archive)
            .output(cancel)
            .await?;
        Ok::<_, ToolError>((section, listing))
    });
    let (pre, data, post) = tokio::try_join!(pre, data, post)?;
    Ok(Toc::parse([&pre, &data, &post].map(|(section, listing)| (*section, listing.as_str())))?)
}

/// What [`restore`] is to create.
#[derive(Clone, Copy, Debug)]
pub struct RestoreRequest<'a> {
    /// The archive.
    pub archive: &'a Path,
    /// The entries, and nothing else: the text of [`Toc::write_list`].
    pub list: &'a str,
    /// How many workers create indexes and constraints at the same time; at least 1. With 1, errors are counted exactly.
    pub jobs: usize,
    /// Objects belong to the user who restores instead of their owners on the source.
    pub no_owner: bool,
    /// The role to change to before anything is created.
    pub role: Option<&'a str>,
    /// Show what pg_restore says as information; otherwise it is in the debug log.
    pub verbose: bool,
    /// Settings, name and value, for every session: `("synchronous_commit", "off")`. Ask for `lc_messages` = `C` where
    /// the user may set it (superusers may), so that errors can be understood.
    pub settings: &'a [(&'a str, &'a str)],
}

/// How a run of `pg_restore` went.
#[derive(Debug)]
pub struct RestoreOutcome {
    /// The errors it met, in order.
    pub errors: Vec<RestoreError>,
    /// How it ended.
    pub ending: Ending,
    /// Its exit status.
    pub status: ExitStatus,
    /// The last lines it wrote, oldest first, without commands that could hold a password.
    pub last_words: Vec<String>,
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
    let list = write_list(request.list).map_err(ToolError::List)?;
    let jobs = request.jobs.max(1);
    // Without --verbose pg_restore does not say which entry an error is about.
    let mut command =
        ToolCommand::new(&tools.pg_restore).arg("--verbose").arg("--no-tablespaces").option("--use-list", list.path());
    if jobs > 1 {
        command = command.option("--jobs", jobs.to_string());
    }
    if request.no_owner {
        command = command.arg("--no-owner");
    }
    if let Some(role) = request.role {
        command = command.option("--role", role);
    }
    let command = command.connect(target, request.settings).arg(request.archive);

    let mut listener = Listener::new(jobs);
    let mut last_words = Tail::default();
    let finished = command
        .run(cancel, |line| {
            if !listener.line(line) {
                return;
            }
            if request.verbose {
                info!(target: "PGMigrate", "{line}");
            } else {
                debug!(target: "PGMigrate", "{line}");
            }
            last_words.push(line);
        })
        .await?;
    let (errors, ending) = listener.finish(finished.status);
    Ok(RestoreOutcome { errors, ending, status: finished.status, last_words: last_words.into_lines() })
}

fn write_list(list: &str) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_prefix("pg_migrate-list-")?;
    file.write_all(list.as_bytes())?;
    Ok(file)
}
