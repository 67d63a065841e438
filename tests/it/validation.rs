//! Validation: what it says, with which cure, and that it leaves both servers as they were.

mod data;
mod extensions;
mod replication;
mod servers;

use crate::harness::cli::Outcome;

/// Fails the test unless each of `lines` is in the log at `level`.
#[track_caller]
fn expect_lines(outcome: &Outcome, level: &str, lines: &[&str]) {
    for line in lines {
        let logged = format!("\tPGMigrate\t{level}\t{line}\n");
        assert!(outcome.stderr.contains(&logged), "no {level} {line:?} in:\n{outcome}");
    }
}

/// Warnings about the machine that tests run on, which are no news: servers are copies of one data directory, old majors are
/// tested as well, and a pg_dump of every major is rarely there.
const NO_NEWS: [&str; 3] =
    ["the source's system identifier", "gets no more fixes, not even for security", "is newer than the target ("];

/// The lines of the log at `level` that are not the cure of the line before, nor about the machine.
fn messages<'a>(outcome: &'a Outcome, level: &str) -> Vec<&'a str> {
    let marker = format!("\tPGMigrate\t{level}\t");
    let lines = outcome.stderr.lines().filter_map(|line| Some(line.split_once(&marker)?.1));
    lines.filter(|line| !line.starts_with("  [") && !NO_NEWS.iter().any(|known| line.contains(known))).collect()
}

/// The cures that the log names for findings of the check `id`.
fn cures<'a>(outcome: &'a Outcome, id: &str) -> Vec<&'a str> {
    let marker = format!("\t  [{id}] fix: ");
    outcome.stderr.lines().filter_map(|line| Some(line.split_once(&marker)?.1)).collect()
}

/// Fails the test unless the run was refused with exactly these errors, the first of which ends the log.
#[track_caller]
fn expect_errors(outcome: Outcome, errors: &[&str]) -> Outcome {
    let outcome = outcome.expect_code(3);
    assert_eq!(messages(&outcome, "ERROR"), errors, "{outcome}");
    let last = format!("PGMigrateValidationFailedError: {}", errors[0]);
    outcome.expect_last_line(&last)
}
