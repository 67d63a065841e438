//! Facts and settings judged: what stands in the way, and what cures it. Pure.
//!
//! One file per topic, each with its table of checks; [`checks`] is all of them. A check looks at facts, settings and plan
//! and says what it found; it never stops the others, so that a user sees every problem at once.

mod data;
mod databases;
mod extensions;
mod filters;
mod natural;
mod objects;
mod passwords;
mod previous;
mod replication;
mod reserved;
mod roles;
mod servers;
mod storage;
mod tables;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use crate::error::{Error, Kind};
use crate::facts::{DatabaseFacts, Facts, Table};
use crate::plan::{Content, DatabasePlan, Migration, Plan, Transfer, Work};
use crate::settings::Settings;
use crate::sql::{Ident, QualifiedName};

/// One thing that validation found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Stable name of the check, in kebab-case.
    pub id: &'static str,
    /// Whether the run may go on.
    pub severity: Severity,
    /// What it is about: `source`, `target`, `database "app"`, `table "app" public.orders`.
    pub subject: String,
    /// What is wrong and what follows from it. In small letters it goes on from the subject, and is shown after it.
    pub message: String,
    /// The SQL, setting or option that cures it.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The run goes on, and something is not as the user may expect.
    Warning,
    /// The run does not start.
    Error,
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable name, in kebab-case; that of its findings.
    pub id: &'static str,
    look: Look,
}

#[derive(Clone, Copy, Debug)]
enum Look {
    /// Asks the case.
    Case(fn(&Case<'_>) -> Vec<Found>),
    /// Reports the obstacles of this name, which the plan met when it chose methods.
    Obstacle,
}

impl Check {
    const fn new(id: &'static str, look: fn(&Case<'_>) -> Vec<Found>) -> Self {
        Self { id, look: Look::Case(look) }
    }

    const fn obstacle(id: &'static str) -> Self {
        Self { id, look: Look::Obstacle }
    }

    fn run(&self, case: &Case<'_>) -> Vec<Finding> {
        let found = match self.look {
            Look::Case(look) => look(case),
            Look::Obstacle => replication::obstacles(case, self.id),
        };
        found
            .into_iter()
            .map(|Found { severity, subject, message, fix }| Finding { id: self.id, severity, subject, message, fix })
            .collect()
    }
}

/// All checks, in the order in which their findings are shown.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        servers::CHECKS,
        databases::CHECKS,
        extensions::CHECKS,
        filters::CHECKS,
        roles::CHECKS,
        passwords::CHECKS,
        replication::CHECKS,
        data::CHECKS,
        tables::CHECKS,
        previous::CHECKS,
        objects::CHECKS,
        reserved::CHECKS,
        storage::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Runs all checks: errors first, each severity in the order of [`checks`], each check by subject.
pub fn validate(facts: &Facts, settings: &Settings, plan: &Plan) -> Vec<Finding> {
    let case = Case { facts, settings, plan };
    let mut findings: Vec<_> = checks()
        .enumerate()
        .flat_map(|(order, check)| check.run(&case).into_iter().map(move |finding| (order, finding)))
        .collect();
    findings.sort_by(|(order_a, a), (order_b, b)| {
        (Reverse(a.severity), order_a, &a.subject, &a.message).cmp(&(
            Reverse(b.severity),
            order_b,
            &b.subject,
            &b.message,
        ))
    });
    findings.dedup();
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// The error with which a run ends before it began; `None` when it may go on.
pub fn error_of(findings: &[Finding]) -> Option<Error> {
    let first = findings.iter().find(|finding| finding.severity == Severity::Error)?;
    let error = Error::new(Kind::Validation, &first.message);
    Some(match &first.fix {
        Some(fix) => error.hint(fix),
        None => error,
    })
}

/// What every check looks at.
#[derive(Clone, Copy)]
struct Case<'a> {
    facts: &'a Facts,
    settings: &'a Settings,
    plan: &'a Plan,
}

impl<'a> Case<'a> {
    /// The databases that could be looked into.
    fn databases(self) -> impl Iterator<Item = Database<'a>> {
        self.facts.databases.iter().filter_map(move |pair| {
            Some(Database {
                name: &pair.name,
                source: pair.source.as_ref().ok()?,
                target: pair.target.as_ref().map(Result::as_ref).transpose().ok()?,
                plan: self.plan.databases.iter().find(|plan| plan.name == pair.name)?,
            })
        })
    }

    /// Those that are migrated from the beginning, and how.
    fn migrations(self) -> impl Iterator<Item = (Database<'a>, &'a Migration)> {
        self.databases().filter_map(|database| match &database.plan.work {
            Work::Migrate(migration) => Some((database, &**migration)),
            Work::Unreachable { .. } | Work::Nothing | Work::Continue { .. } | Work::Conclude { .. } => None,
        })
    }

    /// Those whose replication is about to begin.
    fn replications(self) -> impl Iterator<Item = (Database<'a>, &'a Migration)> {
        self.migrations().filter(|(_, migration)| migration.transfer != Transfer::Dump)
    }
}

/// One database that could be looked into.
#[derive(Clone, Copy)]
struct Database<'a> {
    name: &'a str,
    source: &'a DatabaseFacts,
    target: Option<&'a DatabaseFacts>,
    plan: &'a DatabasePlan,
}

impl<'a> Database<'a> {
    fn subject(self) -> String {
        subject("database", self.name)
    }

    fn table(self, table: &QualifiedName) -> String {
        format!("table {} {table}", Ident::new(self.name))
    }

    /// Where to type SQL for its side on the source.
    fn on_source(self, sql: impl fmt::Display) -> String {
        format!("source database {}: {sql}", Ident::new(self.name))
    }

    /// Where to type SQL for its side on the target.
    fn on_target(self, sql: impl fmt::Display) -> String {
        format!("target database {}: {sql}", Ident::new(self.name))
    }

    /// What the source says about some tables of the plan.
    fn source_tables(self, names: impl IntoIterator<Item = &'a QualifiedName>) -> impl Iterator<Item = &'a Table> {
        let names: HashSet<_> = names.into_iter().collect();
        self.source.tables.iter().filter(move |table| names.contains(&table.name))
    }

    /// What the source says about the tables whose rows are carried.
    fn carried(self) -> impl Iterator<Item = &'a Table> {
        self.source_tables(self.content().into_iter().flat_map(|content| &content.tables).map(|table| &table.name))
    }

    fn content(self) -> Option<&'a Content> {
        match &self.plan.work {
            Work::Unreachable { .. } | Work::Nothing => None,
            Work::Migrate(migration) | Work::Conclude { migration, .. } => Some(&migration.content),
            Work::Continue { content, .. } => Some(content),
        }
    }
}

/// A finding before it has the name of its check.
#[derive(Clone)]
struct Found {
    severity: Severity,
    subject: String,
    message: String,
    fix: Option<String>,
}

impl Found {
    fn error(subject: impl ToString, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, subject, message)
    }

    fn warning(subject: impl ToString, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, subject, message)
    }

    fn info(subject: impl ToString, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, subject, message)
    }

    fn new(severity: Severity, subject: impl ToString, message: impl Into<String>) -> Self {
        Self { severity, subject: subject.to_string(), message: message.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// `database "app"`
fn subject(kind: &str, name: &str) -> String {
    format!("{kind} {}", Ident::new(name))
}

/// `items` for a sentence: all of a few, or the first of many and their number.
fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 10;
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len().checked_sub(SHOWN) {
        None | Some(0) => items.join(", "),
        Some(more) => format!("{} and {more} more", items[..SHOWN].join(", ")),
    }
}
