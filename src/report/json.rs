//! The result as one JSON object, for programs. `docs/json.md` describes every key; keys are only ever added, else
//! [`FORMAT`] changes.

mod verification;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use self::verification::Verification;
use super::summary::{DatabaseReport, RunReport};
use crate::error::{self, Error};
use crate::events::{AdminStatement, DatabaseStatus, RolePassword, RoleResult, RoleStatus, Stage};
use crate::facts::ServerFacts;
use crate::plan::outline::Outline;
use crate::settings::Method;
use crate::validate::Finding;

/// The version of the shape.
const FORMAT: u32 = 1;

/// The whole document. Fields appear in this order.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    format: u32,
    version: &'static str,
    migration_id: &'a str,
    started: String,
    finished: String,
    source: Option<Server>,
    target: Option<Server>,
    outcome: &'static str,
    exit_code: u8,
    findings: &'a [Finding],
    plan: Option<&'a Outline>,
    roles: Vec<Role<'a>>,
    databases: Vec<Database<'a>>,
    admin_sql: Vec<Left<'a>>,
    verification: Option<Verification<'a>>,
    error: Option<Failure<'a>>,
}

/// What a document is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) migration_id: &'a str,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    pub(super) servers: Option<&'a (Server, Server)>,
    pub(super) findings: &'a [Finding],
    pub(super) plan: Option<&'a Outline>,
    pub(super) run: Option<&'a RunReport>,
    pub(super) show_passwords: bool,
    pub(super) error: Option<&'a Error>,
}

/// One of the two servers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Server {
    endpoint: String,
    version: String,
}

impl From<&ServerFacts> for Server {
    fn from(facts: &ServerFacts) -> Self {
        Self { endpoint: facts.endpoint.clone(), version: facts.version.to_string() }
    }
}

#[derive(Debug, Serialize)]
struct Role<'a> {
    name: &'a str,
    password: &'static str,
    placeholder: Option<&'a str>,
    status: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Database<'a> {
    name: &'a str,
    method: Option<&'static str>,
    status: Option<&'static str>,
    message: Option<&'a str>,
    notices: &'a [String],
    tables: usize,
    tables_copied: usize,
    rows_copied: u64,
    bytes_copied: u64,
    lag_bytes: Option<u64>,
    stages: Vec<StageTime>,
}

#[derive(Debug, Serialize)]
struct Left<'a> {
    database: Option<&'a str>,
    kind: &'static str,
    statement: &'a str,
    reason: &'a str,
}

impl<'a> From<&'a AdminStatement> for Left<'a> {
    fn from(left: &'a AdminStatement) -> Self {
        Self {
            database: left.database.as_deref(),
            kind: left.kind.name(),
            statement: &left.shown,
            reason: &left.reason,
        }
    }
}

#[derive(Debug, Serialize)]
struct StageTime {
    stage: &'static str,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    class: &'static str,
    message: &'a str,
    causes: Vec<String>,
    hints: &'a [String],
}

impl<'a> Document<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Self {
        let ran_for = Duration::try_from(parts.finished.duration_since(parts.started)).unwrap_or_default();
        let databases = parts.run.map(RunReport::databases_by_name).unwrap_or_default();
        let roles = parts.run.map_or(&[][..], |run| &run.roles);
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            migration_id: parts.migration_id,
            started: rfc3339(parts.started),
            finished: rfc3339(parts.finished),
            source: parts.servers.map(|(source, _)| source.clone()),
            target: parts.servers.map(|(_, target)| target.clone()),
            outcome: parts.error.map_or("done", |error| error.kind.name()),
            exit_code: parts.error.map_or(0, |error| error.kind.exit_code()),
            findings: parts.findings,
            plan: parts.plan,
            roles: roles.iter().map(|role| Role::new(role, parts.show_passwords)).collect(),
            databases: databases.into_iter().map(|database| Database::new(database, ran_for)).collect(),
            admin_sql: parts.run.map_or(&[][..], |run| &run.left).iter().map(Left::from).collect(),
            verification: parts.run.and_then(|run| run.verification.as_ref()).map(Verification::new),
            error: parts.error.map(Failure::new),
        }
    }

    /// The text, indented, with a newline at its end.
    pub(super) fn text(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// A time as the document has it.
pub(super) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl<'a> Role<'a> {
    fn new(role: &'a RoleResult, show_passwords: bool) -> Self {
        let (password, placeholder) = match &role.password {
            RolePassword::None => ("none", None),
            RolePassword::Carried => ("carried", None),
            RolePassword::Given => ("given", None),
            RolePassword::Placeholder(password) => ("placeholder", show_passwords.then(|| password.expose())),
        };
        let status = match role.status {
            RoleStatus::Created => "created",
            RoleStatus::Exists => "exists",
            RoleStatus::Skipped => "skipped",
            RoleStatus::Failed => "failed",
        };
        Self { name: &role.name, password, placeholder, status, message: &role.message }
    }
}

impl<'a> Database<'a> {
    fn new(database: &'a DatabaseReport, ran_for: Duration) -> Self {
        let result = database.result.as_ref().map(|(result, _)| result);
        let ended = database.result.as_ref().map_or(ran_for, |(_, at)| *at);
        Self {
            name: &database.name,
            method: result.and_then(|result| result.method).map(|method| match method {
                Method::Replication => "replication",
                Method::Dump => "dump",
            }),
            status: result.map(|result| match result.status {
                DatabaseStatus::Done => "done",
                DatabaseStatus::Running => "running",
                DatabaseStatus::Failed => "failed",
                DatabaseStatus::Cancelled => "cancelled",
                DatabaseStatus::TimedOut => "timed_out",
            }),
            message: result.map(|result| result.message.as_str()),
            notices: result.map_or(&[], |result| &result.notices),
            tables: database.tables,
            tables_copied: database.tables_copied,
            rows_copied: database.rows_copied,
            bytes_copied: database.bytes_copied,
            lag_bytes: database.lag.and_then(|lag| lag.bytes),
            stages: stage_times(&database.stages, ended),
        }
    }
}

/// Each stage lasts until the next one begins, the last one until `ended`.
fn stage_times(stages: &[(Stage, Duration)], ended: Duration) -> Vec<StageTime> {
    let ends = stages.iter().skip(1).map(|(_, began)| *began).chain([ended]);
    let times = stages.iter().zip(ends).map(|((stage, began), end)| StageTime {
        stage: match stage {
            Stage::Preparing => "preparing",
            Stage::Schema => "schema",
            Stage::Copy => "copy",
            Stage::Indexes => "indexes",
            Stage::Analyze => "analyze",
            Stage::CatchUp => "catch_up",
            Stage::Finish => "finish",
        },
        seconds: (end.saturating_sub(*began).as_secs_f64() * 1000.0).round() / 1000.0,
    });
    times.collect()
}

impl<'a> Failure<'a> {
    fn new(error: &'a Error) -> Self {
        Self { class: error.kind.class(), message: &error.message, causes: error::causes(error), hints: &error.hints }
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::{database, placeholder, report, role};
    use super::*;
    use crate::error::Kind;
    use crate::events::Event;
    use crate::facts::Reserved;
    use crate::validate::Severity;

    fn parts() -> Parts<'static> {
        Parts {
            migration_id: "a1b2",
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::from_second(90).unwrap(),
            servers: None,
            findings: &[],
            plan: None,
            run: None,
            show_passwords: false,
            error: None,
        }
    }

    fn text(parts: Parts<'_>) -> String {
        Document::new(parts).text().unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }

    #[test]
    fn a_whole_document() {
        let app = || "app".to_owned();
        let run = report([
            role("r", placeholder(), RoleStatus::Created, "role created"),
            Event::Stage { database: app(), stage: Stage::Schema },
            Event::Stage { database: app(), stage: Stage::Copy },
            Event::CopyPlanned { database: app(), tables: 2, bytes: 100 },
            Event::TableCopied {
                database: app(),
                table: "public.t".into(),
                rows: 3,
                bytes: 40,
                elapsed: Duration::ZERO,
            },
            Event::Left(AdminStatement {
                database: Some(app()),
                kind: Reserved::Owners,
                statement: "ALTER TABLE t OWNER TO boss".into(),
                shown: "ALTER TABLE t OWNER TO boss".into(),
                reason: "must be member of role \"boss\"".into(),
            }),
            database("app", Some(Method::Dump), DatabaseStatus::Failed, "no"),
        ]);
        let findings = [Finding {
            id: "wal-level",
            severity: Severity::Warning,
            subject: "source".into(),
            message: "wal_level is 'replica'".into(),
            fix: None,
        }];
        let server = |endpoint: &str| Server { endpoint: endpoint.into(), version: "15.4".into() };
        let servers = (server("a:5432"), server("b:5432"));
        let error = Error::new(Kind::Failed, "1 of 1 databases failed: 'app'").caused_by("why").hint("try");
        insta::assert_snapshot!(text(Parts {
            servers: Some(&servers),
            findings: &findings,
            run: Some(&run),
            error: Some(&error),
            ..parts()
        }), @r#"
        {
          "format": 1,
          "version": "VERSION",
          "migration_id": "a1b2",
          "started": "1970-01-01T00:00:00.000Z",
          "finished": "1970-01-01T00:01:30.000Z",
          "source": {
            "endpoint": "a:5432",
            "version": "15.4"
          },
          "target": {
            "endpoint": "b:5432",
            "version": "15.4"
          },
          "outcome": "failed",
          "exit_code": 1,
          "findings": [
            {
              "id": "wal-level",
              "severity": "warning",
              "subject": "source",
              "message": "wal_level is 'replica'",
              "fix": null
            }
          ],
          "plan": null,
          "roles": [
            {
              "name": "r",
              "password": "placeholder",
              "placeholder": null,
              "status": "created",
              "message": "role created"
            }
          ],
          "databases": [
            {
              "name": "app",
              "method": "dump",
              "status": "failed",
              "message": "no",
              "notices": [],
              "tables": 2,
              "tables_copied": 1,
              "rows_copied": 3,
              "bytes_copied": 40,
              "lag_bytes": null,
              "stages": [
                {
                  "stage": "schema",
                  "seconds": 1.0
                },
                {
                  "stage": "copy",
                  "seconds": 4.0
                }
              ]
            }
          ],
          "admin_sql": [
            {
              "database": "app",
              "kind": "owners",
              "statement": "ALTER TABLE t OWNER TO boss",
              "reason": "must be member of role \"boss\""
            }
          ],
          "verification": null,
          "error": {
            "class": "PGMigrateError",
            "message": "1 of 1 databases failed: 'app'",
            "causes": [
              "why"
            ],
            "hints": [
              "try"
            ]
          }
        }
        "#);
    }

    #[test]
    fn a_placeholder_is_shown_only_when_asked_for() {
        let run = report([role("r", placeholder(), RoleStatus::Created, "role created")]);
        assert!(!text(Parts { run: Some(&run), ..parts() }).contains("placeholder_abc"));
        assert!(text(Parts { run: Some(&run), show_passwords: true, ..parts() }).contains("placeholder_abc"));
    }

    #[test]
    fn a_run_that_only_validated_has_all_keys() {
        let document: serde_json::Value = serde_json::from_str(&text(parts())).unwrap();
        let object = document.as_object().unwrap();
        assert_eq!(object.len(), 16);
        assert_eq!(object["outcome"], "done");
        assert!(object["error"].is_null());
    }
}
