//! Events and findings as log lines.

use super::progress;
use super::summary::RunReport;
use super::text::{duration, repr, size};
use super::verification::{self, Line};
use crate::events::{DatabaseStatus, Event, RoleStatus, counted};
use crate::logger;
use crate::validate::{Finding, Severity};

/// Logs `event`, if a reader wants to know of it while the run goes on; `run` is what came before it.
pub(super) fn event(event: &Event, run: Option<&RunReport>) {
    match event {
        Event::Role(role) => {
            let (name, message) = (repr(&role.name), &role.message);
            match role.status {
                RoleStatus::Failed => tracing::warn!(target: logger::MIGRATE, "Role {name}: {message}"),
                RoleStatus::Created | RoleStatus::Exists | RoleStatus::Skipped => {
                    tracing::debug!(target: logger::MIGRATE, "Role {name}: {message}");
                }
            }
        }
        Event::Stage { database, stage } => {
            tracing::info!(target: logger::MIGRATE, "Database {}: {}", repr(database), progress::name(*stage));
        }
        Event::CopyPlanned { database, tables, bytes } => {
            let (name, bytes) = (repr(database), size(*bytes));
            tracing::info!(target: logger::MIGRATE, "Database {name}: {tables} tables to copy, {bytes}");
        }
        Event::TableCopied { database, table, rows, bytes, elapsed } => {
            let (name, bytes, elapsed) = (repr(database), size(*bytes), duration(*elapsed));
            tracing::debug!(target: logger::MIGRATE, "Database {name}: copied {table}, {rows} rows, {bytes}, {elapsed}");
        }
        Event::Left(left) => {
            tracing::debug!(target: logger::MIGRATE, "left to an administrator: {}: {}", left.shown, left.reason);
        }
        Event::CopyProgress { .. } | Event::Lag { .. } | Event::ComparisonProgress { .. } => {}
        Event::Verification { level } => {
            tracing::info!(target: logger::MIGRATE, "verifying: {}", level.name());
        }
        Event::ComparisonPlanned { database, tables, bytes } => {
            let (name, bytes) = (repr(database), size(*bytes));
            let tables = counted(*tables as u64, "table");
            tracing::info!(target: logger::MIGRATE, "Database {name}: comparing {tables}, {bytes} on both sides");
        }
        Event::Verified(verdict) => {
            let level = run.and_then(|run| run.verification.as_ref()).map(|verification| verification.level);
            for line in verification::lines(verdict, level) {
                match line {
                    Line::Info(line) => tracing::info!(target: logger::MIGRATE, "{line}"),
                    Line::Warning(line) => tracing::warn!(target: logger::MIGRATE, "{line}"),
                    Line::Error(line) => tracing::error!(target: logger::MIGRATE, "{line}"),
                }
            }
        }
        Event::Database(database) => {
            let (name, message) = (repr(&database.name), &database.message);
            match database.status {
                DatabaseStatus::Done | DatabaseStatus::Running => {
                    tracing::info!(target: logger::MIGRATE, "Database {name}: {message}");
                }
                DatabaseStatus::Cancelled | DatabaseStatus::TimedOut => {
                    tracing::warn!(target: logger::MIGRATE, "Database {name}: {message}");
                }
                DatabaseStatus::Failed => tracing::error!(target: logger::MIGRATE, "Database {name}: {message}"),
            }
            for notice in &database.notices {
                tracing::warn!(target: logger::MIGRATE, "Database {name}: {notice}");
            }
        }
    }
}

/// Warnings of one message that are shown in full; of the others the subjects follow.
const IN_FULL: usize = 3;

/// Subjects named on one line.
const NAMED: usize = 20;

/// Logs `findings`, which are sorted. Where many things have one flaw, a few are shown with their cure and the others named:
/// hundreds of tables without a key must not hide the one warning that is about something else. Errors are all shown.
pub(super) fn findings(findings: &[Finding]) {
    for alike in findings.chunk_by(|a, b| (a.id, a.severity, &a.message) == (b.id, b.severity, &b.message)) {
        let shown = if alike[0].severity == Severity::Error { alike.len() } else { alike.len().min(IN_FULL) };
        let (shown, rest) = alike.split_at(shown);
        shown.iter().for_each(finding);
        if let [first, ..] = rest {
            let mut names: Vec<&str> = rest.iter().take(NAMED).map(|finding| finding.subject.as_str()).collect();
            let more = format!("{} more, all in the JSON result", rest.len() - names.len());
            if rest.len() > NAMED {
                names.push(&more);
            }
            log(first.severity, &format!("  [{}] the same of {} more: {}", first.id, rest.len(), names.join(", ")));
        }
    }
}

/// Logs `finding`: its message on one line, and the cure on the next. Messages that scripts match name their subject
/// themselves and stand alone; one that goes on from its subject begins with a small letter.
fn finding(finding: &Finding) {
    let message = if finding.message.starts_with(char::is_lowercase) {
        format!("{}: {}", finding.subject, finding.message)
    } else {
        finding.message.clone()
    };
    let cure = finding.fix.as_ref().map(|fix| format!("  [{}] fix: {fix}", finding.id));
    for line in [Some(message.as_str()), cure.as_deref()].into_iter().flatten() {
        log(finding.severity, line);
    }
}

fn log(severity: Severity, line: &str) {
    match severity {
        Severity::Info => tracing::info!(target: logger::MIGRATE, "{line}"),
        Severity::Warning => tracing::warn!(target: logger::MIGRATE, "{line}"),
        Severity::Error => tracing::error!(target: logger::MIGRATE, "{line}"),
    }
}
