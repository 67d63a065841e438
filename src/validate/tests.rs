//! One change to a good pair of servers, one finding.

use std::collections::BTreeSet;

use super::{Severity, checks, error_of, validate};
use super::{
    data, databases, extensions, filters, objects, passwords, previous, replication, reserved, roles, servers, storage,
    tables,
};
use crate::plan::example::Example;

/// The check that a change to a good pair of servers wakes, and the change. Each topic keeps its own beside its checks.
pub(super) type Change = (&'static str, fn(&mut Example));

/// All of them.
fn changes() -> impl Iterator<Item = &'static Change> {
    [
        servers::tests::CHANGES,
        databases::tests::CHANGES,
        extensions::tests::CHANGES,
        filters::tests::CHANGES,
        roles::tests::CHANGES,
        passwords::tests::CHANGES,
        replication::tests::CHANGES,
        data::tests::CHANGES,
        tables::tests::CHANGES,
        previous::tests::CHANGES,
        objects::tests::CHANGES,
        reserved::tests::CHANGES,
        storage::tests::CHANGES,
    ]
    .into_iter()
    .flatten()
}

/// Names of the checks that find something.
pub(super) fn ids(example: &Example) -> Vec<&'static str> {
    validate(&example.facts, &example.settings, &example.plan()).iter().map(|finding| finding.id).collect()
}

#[test]
fn a_good_pair_of_servers_gives_no_findings() {
    let findings = validate(&Example::new().facts, &Example::new().settings, &Example::new().plan());
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn one_change_gives_one_finding() {
    for (position, (id, change)) in changes().enumerate() {
        let mut example = Example::new();
        change(&mut example);
        assert_eq!(ids(&example), [*id], "change {position}");
    }
}

#[test]
fn every_check_is_woken_by_some_change() {
    let woken: BTreeSet<_> = changes().map(|(id, _)| *id).collect();
    let all: BTreeSet<_> = checks().map(|check| check.id).collect();
    assert_eq!(woken, all);
}

#[test]
fn names_of_checks_are_unique_and_in_kebab_case() {
    let ids: Vec<_> = checks().map(|check| check.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
}

#[test]
fn every_error_says_what_cures_it() {
    for (id, change) in changes() {
        let mut example = Example::new();
        change(&mut example);
        for finding in validate(&example.facts, &example.settings, &example.plan()) {
            assert!(finding.severity != Severity::Error || finding.fix.is_some(), "{id}");
        }
    }
}

#[test]
fn errors_come_first_and_the_first_one_ends_the_run() {
    let mut example = Example::new();
    example.facts.source.settings.wal_level = "replica".to_owned();
    example.source().tables[0].readable = false;
    example.facts.target.address.clone_from(&example.facts.source.address);
    let findings = validate(&example.facts, &example.settings, &example.plan());
    let order: Vec<_> = findings.iter().map(|finding| finding.id).collect();
    assert_eq!(order, ["same-server", "unreadable-table", "wal-level"]);
    let error = error_of(&findings).unwrap();
    assert_eq!(error.message, "Migrating to the same server is not supported");
    assert_eq!(error.kind.exit_code(), 3);
    assert_eq!(error.hints.len(), 1);
}

#[test]
fn warnings_do_not_end_the_run() {
    let mut example = Example::new();
    example.facts.source.settings.wal_level = "replica".to_owned();
    assert!(error_of(&validate(&example.facts, &example.settings, &example.plan())).is_none());
}
