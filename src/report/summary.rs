//! What came out of a migration, and of the verification after it or instead of it: a fold over its events, and the lines, verdict and exit code that follow from it. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::text::{repr, reprs};
use super::verification::{Comparing, VerificationReport};
use crate::error::{Error, Kind};
use crate::events::{
    AdminStatement, DatabaseResult, DatabaseStatus, Event, RolePassword, RoleResult, RoleStatus, Stage,
};
use crate::settings::Method;

/// What has come out so far.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// Roles, in the order they were dealt with.
    pub roles: Vec<RoleResult>,
    /// Databases, in the order they were begun.
    pub databases: Vec<DatabaseReport>,
    /// What is left to an administrator of the target.
    pub left: Vec<AdminStatement>,
    /// What was compared; `None` before a verification, and without one.
    pub verification: Option<VerificationReport>,
}

/// One database, so far.
#[derive(Clone, Debug, Default)]
pub struct DatabaseReport {
    /// Its name.
    pub name: String,
    /// Stages, each with the time since the start of the run at which it was entered.
    pub stages: Vec<(Stage, Duration)>,
    /// Tables to copy.
    pub tables: usize,
    /// Bytes to copy, an estimate.
    pub bytes: u64,
    /// Bytes sent so far, of unfinished tables too.
    pub bytes_sent: u64,
    /// Tables copied.
    pub tables_copied: usize,
    /// Rows of copied tables.
    pub rows_copied: u64,
    /// Bytes of copied tables.
    pub bytes_copied: u64,
    /// The last reading of replication.
    pub lag: Option<Lag>,
    /// What became of it, and when, counted from the start of the run; `None` before that.
    pub result: Option<(DatabaseResult, Duration)>,
}

/// A reading of replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Tables whose initial copy has arrived.
    pub ready: usize,
    /// Published tables.
    pub tables: usize,
    /// Bytes of WAL not confirmed yet; `None` before the subscription has reported.
    pub bytes: Option<u64>,
}

impl DatabaseReport {
    /// What it is busy with; `None` before it began and after it ended.
    pub fn stage(&self) -> Option<Stage> {
        if self.result.is_some() { None } else { self.stages.last().map(|(stage, _)| *stage) }
    }

    fn status(&self) -> Option<DatabaseStatus> {
        self.result.as_ref().map(|(result, _)| result.status)
    }
}

impl RunReport {
    /// Takes in `event`, which came `at` this time since the start of the run.
    pub fn apply(&mut self, event: Event, at: Duration) {
        match event {
            Event::Role(role) => self.roles.push(role),
            Event::Stage { database, stage } => self.database(&database).stages.push((stage, at)),
            Event::CopyPlanned { database, tables, bytes } => {
                let database = self.database(&database);
                (database.tables, database.bytes) = (tables, bytes);
            }
            Event::CopyProgress { database, bytes } => self.database(&database).bytes_sent += bytes,
            Event::TableCopied { database, rows, bytes, .. } => {
                let database = self.database(&database);
                database.tables_copied += 1;
                database.rows_copied += rows;
                database.bytes_copied += bytes;
            }
            Event::Lag { database, ready, tables, bytes } => {
                self.database(&database).lag = Some(Lag { ready, tables, bytes });
            }
            Event::Left(statement) => self.left.push(statement),
            Event::Database(result) => {
                let name = result.name.clone();
                self.database(&name).result = Some((result, at));
            }
            Event::Verification { level } => self.verification = Some(VerificationReport::new(level)),
            Event::ComparisonPlanned { database, bytes, .. } => {
                if let Some(verification) = &mut self.verification {
                    verification.current = Some(Comparing { database, bytes, bytes_read: 0 });
                }
            }
            Event::ComparisonProgress { bytes, .. } => {
                if let Some(comparing) = self.verification.as_mut().and_then(|it| it.current.as_mut()) {
                    comparing.bytes_read += bytes;
                }
            }
            Event::Verified(verdict) => {
                if let Some(verification) = &mut self.verification {
                    verification.current = None;
                    verification.verdicts.push(*verdict);
                }
            }
        }
    }

    fn database(&mut self, name: &str) -> &mut DatabaseReport {
        let index = self.databases.iter().position(|database| database.name == name).unwrap_or_else(|| {
            self.databases.push(DatabaseReport { name: name.to_owned(), ..DatabaseReport::default() });
            self.databases.len() - 1
        });
        &mut self.databases[index]
    }

    /// The databases by name, as reports list them.
    pub(super) fn databases_by_name(&self) -> Vec<&DatabaseReport> {
        let mut databases: Vec<&DatabaseReport> = self.databases.iter().collect();
        databases.sort_by_key(|database| &database.name);
        databases
    }

    /// Databases that are complete, whether their replication goes on or not.
    pub fn complete(&self) -> BTreeSet<String> {
        let complete = |database: &&DatabaseReport| {
            matches!(database.status(), Some(DatabaseStatus::Done | DatabaseStatus::Running))
        };
        self.databases.iter().filter(complete).map(|database| database.name.clone()).collect()
    }

    /// The final blocks of a migration, line by line; none when all that was done is to verify.
    pub(super) fn lines(&self, show_passwords: bool) -> Vec<String> {
        if self.verification.is_some() && self.roles.is_empty() && self.databases.is_empty() {
            return Vec::new();
        }
        let mut lines = vec!["Roles:".to_owned()];
        lines.extend(self.roles.iter().map(|role| role_line(role, show_passwords)));
        lines.push("Databases:".to_owned());
        let results = self.databases_by_name().into_iter().filter_map(|database| database.result.as_ref());
        lines.extend(results.map(|(result, _)| database_line(result)));
        lines
    }

    /// Why the run as a whole did not succeed; `None` when it did.
    ///
    /// A database or role that failed weighs more than a difference, and that more than a wait that passed its limit. Roles
    /// and databases left alone because that was asked for are no failures.
    pub(super) fn verdict(&self) -> Option<Error> {
        let databases = |wanted: fn(Option<DatabaseStatus>) -> bool| -> Vec<&str> {
            let databases = self.databases_by_name().into_iter();
            databases.filter(|database| wanted(database.status())).map(|database| database.name.as_str()).collect()
        };
        let done = databases(|status| status == Some(DatabaseStatus::Done));
        let failed = databases(|status| match status {
            None | Some(DatabaseStatus::Failed | DatabaseStatus::Cancelled) => true,
            Some(DatabaseStatus::Done | DatabaseStatus::Running | DatabaseStatus::TimedOut) => false,
        });
        let roles = self.roles.iter().filter(|role| role.status == RoleStatus::Failed).map(|role| role.name.as_str());
        let roles: Vec<&str> = roles.collect();
        let mut failures = Vec::new();
        for (what, names, total) in [("databases", failed, self.databases.len()), ("roles", roles, self.roles.len())] {
            if !names.is_empty() {
                failures.push(format!("{} of {total} {what} failed: {}", names.len(), reprs(names)));
            }
        }
        if !failures.is_empty() {
            let error = Error::new(Kind::Failed, failures.join("; "));
            return Some(match done.as_slice() {
                [] => error,
                done => error.hint(format!(
                    "what is done is not done again: leave it out of the next run with --filtered-db {}",
                    shell_word(&done.join(","))
                )),
            });
        }
        let found = self.verification.as_ref().and_then(VerificationReport::conclusion);
        if found.as_ref().is_some_and(|error| error.kind != Kind::Timeout) {
            return found;
        }
        let late = databases(|status| status == Some(DatabaseStatus::TimedOut));
        if late.is_empty() {
            return found;
        }
        let (count, total, names) = (late.len(), self.databases.len(), reprs(late));
        let message = format!("{count} of {total} databases did not catch up in time: {names}");
        Some(Error::new(Kind::Timeout, message).hint("replication goes on; run the same command again to wait on"))
    }
}

/// One word of a shell's command line.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_,.".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn role_line(role: &RoleResult, show_passwords: bool) -> String {
    let password = match &role.password {
        RolePassword::None => "-",
        RolePassword::Placeholder(password) if show_passwords => password.expose(),
        RolePassword::Carried | RolePassword::Given | RolePassword::Placeholder(_) => "<hidden>",
    };
    let status = match role.status {
        RoleStatus::Created => "created",
        RoleStatus::Exists => "exists",
        RoleStatus::Skipped => "skipped",
        RoleStatus::Failed => "failed",
    };
    format!(
        "  rolname: {}, rolpassword: {}, status: '{status}', message: {}",
        repr(&role.name),
        repr(password),
        repr(&role.message)
    )
}

fn database_line(database: &DatabaseResult) -> String {
    let method = match database.method {
        Some(Method::Replication) => "'replication'",
        Some(Method::Dump) => "'dump'",
        None => "None",
    };
    let status = match database.status {
        DatabaseStatus::Done => "done",
        DatabaseStatus::Running | DatabaseStatus::TimedOut => "running",
        DatabaseStatus::Failed => "failed",
        DatabaseStatus::Cancelled => "cancelled",
    };
    format!(
        "  dbaname: {}, method: {method}, status: '{status}', message: {}",
        repr(&database.name),
        repr(&database.message)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::conninfo::Secret;

    /// A report of events that came one second apart.
    pub(in crate::report) fn report(events: impl IntoIterator<Item = Event>) -> RunReport {
        let mut report = RunReport::default();
        for (second, event) in events.into_iter().enumerate() {
            report.apply(event, Duration::from_secs(second as u64));
        }
        report
    }

    pub(in crate::report) fn role(name: &str, password: RolePassword, status: RoleStatus, message: &str) -> Event {
        Event::Role(RoleResult { name: name.into(), password, status, message: message.into() })
    }

    pub(in crate::report) fn database(
        name: &str,
        method: Option<Method>,
        status: DatabaseStatus,
        message: &str,
    ) -> Event {
        Event::Database(DatabaseResult {
            name: name.into(),
            method,
            status,
            message: message.into(),
            notices: Vec::new(),
        })
    }

    pub(in crate::report) fn placeholder() -> RolePassword {
        RolePassword::Placeholder(Secret::new("placeholder_abc"))
    }

    #[test]
    fn the_final_blocks_are_what_scripts_match() {
        let report = report([
            role("app", placeholder(), RoleStatus::Created, "role created"),
            role("old", RolePassword::Carried, RoleStatus::Created, "role created"),
            role("ops", RolePassword::None, RoleStatus::Exists, "role already exists"),
            database("shop", None, DatabaseStatus::Failed, "can't connect"),
            database("defaultdb", Some(Method::Replication), DatabaseStatus::Running, "migrated to existing database"),
        ]);
        let expected = r#"Roles:
  rolname: 'app', rolpassword: '<hidden>', status: 'created', message: 'role created'
  rolname: 'old', rolpassword: '<hidden>', status: 'created', message: 'role created'
  rolname: 'ops', rolpassword: '-', status: 'exists', message: 'role already exists'
Databases:
  dbaname: 'defaultdb', method: 'replication', status: 'running', message: 'migrated to existing database'
  dbaname: 'shop', method: None, status: 'failed', message: "can't connect""#;
        assert_eq!(report.lines(false).join("\n"), expected);
        let shown = report.lines(true).join("\n");
        assert!(shown.contains("rolname: 'app', rolpassword: 'placeholder_abc'"), "{shown}");
        assert!(shown.contains("rolname: 'old', rolpassword: '<hidden>'"), "{shown}");
    }

    fn verdict(events: impl IntoIterator<Item = Event>) -> Option<(Kind, String)> {
        report(events).verdict().map(|error| (error.kind, error.message))
    }

    #[test]
    fn what_was_left_alone_on_purpose_is_no_failure() {
        let events = [
            role("ops", RolePassword::None, RoleStatus::Exists, "role already exists"),
            database("a", Some(Method::Dump), DatabaseStatus::Done, "created and migrated database"),
            database("b", Some(Method::Replication), DatabaseStatus::Running, "created and migrated database"),
        ];
        assert_eq!(verdict(events), None);
    }

    #[test]
    fn a_failure_weighs_more_than_a_wait_that_took_too_long() {
        let late = database("a", Some(Method::Replication), DatabaseStatus::TimedOut, "behind");
        let failed = database("b", None, DatabaseStatus::Failed, "gone");
        assert_eq!(verdict([late.clone(), failed]), Some((Kind::Failed, "1 of 2 databases failed: 'b'".to_owned())));
        assert_eq!(verdict([late]), Some((Kind::Timeout, "1 of 1 databases did not catch up in time: 'a'".to_owned())));
    }

    #[test]
    fn what_is_done_is_left_out_of_the_next_run() {
        let done = |name| database(name, Some(Method::Dump), DatabaseStatus::Done, "created and migrated database");
        let failed = database("c", None, DatabaseStatus::Failed, "gone");
        let hints = |events: &[Event]| report(events.iter().cloned()).verdict().map(|error| error.hints.concat());
        let said = hints(&[done("b"), done("a"), failed.clone()]).unwrap();
        assert!(said.ends_with("--filtered-db a,b"), "{said}");
        let said = hints(&[done("it's; b"), failed.clone()]).unwrap();
        assert!(said.ends_with(r"--filtered-db 'it'\''s; b'"), "{said}");
        assert_eq!(hints(&[failed]).unwrap(), "");
    }

    #[test]
    fn a_role_that_could_not_be_created_fails_the_run() {
        let refused = role("r", RolePassword::None, RoleStatus::Failed, "permission denied");
        assert_eq!(verdict([refused]), Some((Kind::Failed, "1 of 1 roles failed: 'r'".to_owned())));
    }

    #[test]
    fn a_database_that_was_begun_and_never_reported_fails_the_run() {
        let begun = Event::Stage { database: "a".into(), stage: Stage::Copy };
        assert_eq!(verdict([begun]), Some((Kind::Failed, "1 of 1 databases failed: 'a'".to_owned())));
    }
}
