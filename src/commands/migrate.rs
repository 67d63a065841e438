//! The main command: inspect, validate, plan, migrate, report.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::scratch::Scratch;
use crate::cli::MigrateOptions;
use crate::conninfo::{CHILD_SERVICE, Secret};
use crate::error::{Error, Kind};
use crate::events::Events;
use crate::facts::{Facts, Side};
use crate::logger;
use crate::migrate::{self, Child, Context, WaitFor};
use crate::pg::Server;
use crate::plan::{self, Plan, outline};
use crate::report::{Report, RunReport};
use crate::settings::{Environment, Settings, Verification};
use crate::shutdown::Shutdown;
use crate::tools::{self, Choice, ClientTools};
use crate::{inspect, validate};

/// Runs all stages. What happened to single roles and databases is in the report; an error is about the run as a whole.
pub async fn run(
    options: MigrateOptions,
    environment: &Environment,
    report: &mut Report,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let role_passwords = options.role_passwords.as_deref().map(super::files::role_passwords).transpose()?;
    let settings = Settings {
        role_passwords: role_passwords.unwrap_or_default(),
        ..Settings::build(options, report.output(), environment, super::parse(environment))?
    };
    let token = shutdown.token();
    let prepared = tokio::select! {
        biased;
        () = token.cancelled() => return Err(shutdown.error()),
        prepared = prepare(&settings, report) => prepared?,
    };
    if settings.validate_only || settings.dry_run {
        tracing::info!(target: logger::MIGRATE, "validation passed");
        return Ok(());
    }
    let Prepared { source, target, facts, plan, tools } = prepared;
    let given_passwords = plan.roles.iter().filter(|role| !role.exists && role.password.is_some());
    let given_passwords = given_passwords.map(|role| role.role.name.clone()).collect();
    let mut admin_sql = settings.admin_sql.as_deref().map(open_for_append).transpose()?;
    let directory = Scratch::create()
        .map_err(|cause| Error::new(Kind::Failed, "cannot create a temporary directory").caused_by(cause))?;
    let (events, receiver) = Events::channel();
    let context = Context {
        dump_from: child(directory.path(), "source", &source)?,
        restore_to: child(directory.path(), "target", &target)?,
        source_for_target: settings.source_for_target.clone().unwrap_or_else(|| source.conninfo().clone()),
        source_identifier: facts.source.system_identifier,
        source_version: facts.source.version,
        target_version: facts.target.version,
        statistics: tools.version.dumps_statistics() && facts.target.version.restores_statistics(),
        tools,
        directory: directory.path().to_owned(),
        migration: settings.migration_id.clone(),
        wait: WaitFor {
            lag: settings.max_replication_lag,
            limit: settings.lag_timeout,
            stop: settings.stop_replication,
        },
        not_utf8: facts
            .source
            .databases
            .iter()
            .filter(|entry| !entry.converts_to_utf8())
            .map(|entry| entry.name.clone())
            .collect(),
        missing_roles: plan.missing_roles.clone(),
        verbose: settings.verbose,
        target_superuser: facts.target.user.superuser,
        replica_role: facts.target.user.session_replication_role,
        builds: Semaphore::new(plan.index_jobs),
        build_limits: plan.builds,
        events,
        cancel: token.clone(),
        source: source.clone(),
        target: target.clone(),
    };
    // The plan has all that matters of them; of thousands of tables they take as much memory as the archive will.
    drop(facts);
    report.follow(receiver, migrate::migrate(Arc::new(context), plan)).await;
    if let (Some(file), Some(path)) = (&mut admin_sql, &settings.admin_sql) {
        file.write_all(report.admin_sql().as_bytes())
            .map_err(|cause| Error::new(Kind::Failed, format!("cannot write {path:?}")).caused_by(cause))?;
    }
    match settings.verification {
        None => Ok(()),
        Some(verification) => {
            let complete = report.run().map(RunReport::complete).unwrap_or_default();
            if complete.is_empty() {
                return Ok(());
            }
            let wanted = |name: &str| complete.contains(name);
            let verification = Verification { given_passwords, ..verification };
            Box::pin(super::verify::compare(source, target, verification, wanted, report, shutdown)).await
        }
    }
}

/// Opens a file for `--admin-sql`, before anything is changed. An earlier run of the same migration may have begun it.
fn open_for_append(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|cause| Error::new(Kind::Usage, format!("--admin-sql: cannot write to {path:?}")).caused_by(cause))
}

/// What the stages before the migration have found out and decided.
struct Prepared {
    source: Server,
    target: Server,
    facts: Facts,
    plan: Plan,
    tools: ClientTools,
}

async fn prepare(settings: &Settings, report: &mut Report) -> Result<Prepared, Error> {
    let (source, target, found) = tokio::join!(
        super::connect(Side::Source, settings.source.clone(), &settings.migration_id),
        super::connect(Side::Target, settings.target.clone(), &settings.migration_id),
        tools::find_all(settings.pgbin.as_deref()),
    );
    let (source, target) = (source?, target?);
    let facts = Box::pin(inspect::inspect(&source, &target, settings)).await?;
    report.servers(&facts.source, &facts.target);
    let plan = plan::build(&facts, settings);
    if settings.dry_run {
        report.outline(outline::outline(&facts, settings, &plan), settings.verbose);
    }
    report.findings(validate::validate(&facts, settings, &plan))?;
    let found = found.map_err(|cause| Error::new(Kind::Tools, "pg_dump and pg_restore").caused_by(cause))?;
    let tools = choose(&found, &facts)?.clone();
    tracing::debug!(target: logger::MIGRATE, "using pg_dump {} in {:?}", tools.version.text, tools.dir);
    Ok(Prepared { source, target, facts, plan, tools })
}

fn choose<'a>(found: &'a [ClientTools], facts: &Facts) -> Result<&'a ClientTools, Error> {
    let (source, target) = (facts.source.version.major(), facts.target.version.major());
    match tools::choose(found, facts.source.version, facts.target.version) {
        Choice::Fit(tools) => Ok(tools),
        Choice::NewerThanTarget(tools) => {
            tracing::warn!(
                target: logger::MIGRATE,
                "pg_dump {} is newer than the target ({target}): what it writes may not be understood there",
                tools.version.major
            );
            Ok(tools)
        }
        Choice::None => {
            let have: Vec<String> = found.iter().map(|tools| tools.version.major.to_string()).collect();
            let message = format!(
                "pg_dump must not be older than the source, which is PostgreSQL {source}; found: {}",
                have.join(", ")
            );
            Err(Error::new(Kind::Tools, message)
                .hint(format!("install the client programs of PostgreSQL {source}, or name them with --pgbin")))
        }
    }
}

/// How pg_dump and pg_restore reach a server: secrets in files of the run's own directory.
fn child(directory: &Path, name: &str, server: &Server) -> Result<Child, Error> {
    let conninfo = server.conninfo().with_application_name(server.application_name());
    let mut environment: Vec<(String, String)> =
        conninfo.child_environment().into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if let Some(text) = conninfo.child_service_file() {
        let file = write_secret(&directory.join(format!("{name}.service")), &text)?;
        environment.push(("PGSERVICEFILE".to_owned(), file.display().to_string()));
        environment.push(("PGSERVICE".to_owned(), CHILD_SERVICE.to_owned()));
    }
    // Written even when it is empty: libpq must not look into the user's own, for a password that we did not choose.
    let text = conninfo.child_passfile().unwrap_or_else(|| Secret::new(""));
    let passfile = write_secret(&directory.join(format!("{name}.pass")), &text)?;
    Ok(Child { conninfo, passfile, environment })
}

fn write_secret(path: &Path, text: &Secret) -> Result<PathBuf, Error> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.expose().as_bytes()))
        .and_then(|()| fs::canonicalize(path))
        .map_err(|cause| Error::new(Kind::Failed, format!("cannot write {path:?}")).caused_by(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_secrets_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = write_secret(&directory.path().join("p"), &Secret::new("x")).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
