//! The two servers as such.

use super::{Case, Check, Found};
use crate::facts::{ServerFacts, Side};
use crate::plan::connections::SPARE_CONNECTIONS;
use crate::sql;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[
    Check::new("same-server", same_server),
    Check::new("cloned-server", cloned_server),
    Check::new("older-target", older_target),
    Check::new("unknown-version", unknown_version),
    Check::new("end-of-life", end_of_life),
    Check::new("target-standby", target_standby),
    Check::new("target-read-only", target_read_only),
    Check::new("few-connections", few_connections),
];

/// Oldest major that this program knows the catalogs of.
const OLDEST_KNOWN: u32 = 12;

/// Oldest major that PostgreSQL maintains; 14 ended on 2026-11-12 (<https://www.postgresql.org/support/versioning/>).
const OLDEST_MAINTAINED: u32 = 15;

fn sides<'a>(case: &Case<'a>) -> [(Side, &'a ServerFacts); 2] {
    [(Side::Source, &case.facts.source), (Side::Target, &case.facts.target)]
}

/// Whether both have the identifier that initdb gave to one of them; `None` where a provider hides it.
fn same_identifier(case: &Case<'_>) -> Option<bool> {
    Some(case.facts.source.system_identifier? == case.facts.target.system_identifier?)
}

/// Hardly two servers start in the same microsecond; where they do, they have different sessions.
fn is_same(case: &Case<'_>) -> bool {
    let (source, target) = (&case.facts.source, &case.facts.target);
    source.address == target.address
        || (same_identifier(case) != Some(false)
            && source.start_time.is_some()
            && source.start_time == target.start_time
            && case.facts.target_lists_source_session != Some(false))
}

fn same_server(case: &Case<'_>) -> Vec<Found> {
    if !is_same(case) {
        return Vec::new();
    }
    vec![
        Found::error(Side::Target, "Migrating to the same server is not supported")
            .fix("give --target the address of another server"),
    ]
}

fn cloned_server(case: &Case<'_>) -> Vec<Found> {
    if is_same(case) || same_identifier(case) != Some(true) {
        return Vec::new();
    }
    let message = "it has the source's system identifier: one of the two is a physical copy of the other, or both are one \
                   server behind two addresses";
    vec![Found::warning(Side::Target, message).fix("make sure that --target is the server you mean")]
}

fn older_target(case: &Case<'_>) -> Vec<Found> {
    let (source, target) = (case.facts.source.version, case.facts.target.version);
    if source.major() <= target.major() {
        return Vec::new();
    }
    let message = "Migrating to older major PostgreSQL server version is not supported";
    vec![if case.settings.skip_version_check {
        Found::warning(Side::Target, format!("{message}, and goes on from {source} to {target} because you said so"))
    } else {
        Found::error(Side::Target, message)
            .fix(format!("move to {} or newer, or take the risk with --skip-db-version-check", source.major()))
    }]
}

fn unknown_version(case: &Case<'_>) -> Vec<Found> {
    sides(case)
        .into_iter()
        .filter(|(_, server)| server.version.major() < OLDEST_KNOWN)
        .map(|(side, server)| {
            Found::error(side, format!("PostgreSQL {} is older than {OLDEST_KNOWN}", server.version))
                .fix(format!("upgrade it to {OLDEST_KNOWN} or newer first"))
        })
        .collect()
}

fn end_of_life(case: &Case<'_>) -> Vec<Found> {
    let version = case.facts.target.version;
    if version.major() >= OLDEST_MAINTAINED || version.major() < OLDEST_KNOWN {
        return Vec::new();
    }
    vec![
        Found::warning(Side::Target, format!("PostgreSQL {version} gets no more fixes, not even for security"))
            .fix(format!("move to {OLDEST_MAINTAINED} or newer")),
    ]
}

fn target_standby(case: &Case<'_>) -> Vec<Found> {
    if !case.facts.target.in_recovery {
        return Vec::new();
    }
    vec![Found::error(Side::Target, "The target is a standby and cannot be written").fix("connect to its primary")]
}

fn target_read_only(case: &Case<'_>) -> Vec<Found> {
    let target = &case.facts.target;
    if !target.read_only || target.in_recovery {
        return Vec::new();
    }
    let user = Ident::new(&target.user.name);
    let allow = sql!("BEGIN READ WRITE; ALTER ROLE {} SET default_transaction_read_only = off; COMMIT", user);
    vec![
        Found::error(Side::Target, "The target is read-only by default (default_transaction_read_only)")
            .fix(format!("if it is meant to be written, target: {allow}")),
    ]
}

fn few_connections(case: &Case<'_>) -> Vec<Found> {
    let needed = i64::try_from(case.plan.jobs).unwrap_or(i64::MAX).saturating_add(SPARE_CONNECTIONS);
    sides(case)
        .into_iter()
        .filter(|(_, server)| server.free_connections() < needed)
        .map(|(side, server)| {
            let free = server.free_connections();
            Found::warning(side, format!("it has room for {free} more connections; this run may need {needed}"))
                .fix("raise max_connections, or lower --jobs")
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::ServerVersion;
    use crate::validate::tests::Change;

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("same-server", |it| it.facts.target.address.clone_from(&it.facts.source.address)),
        ("same-server", |it| {
            it.facts.target.system_identifier = it.facts.source.system_identifier;
            it.facts.target.start_time.clone_from(&it.facts.source.start_time);
        }),
        ("cloned-server", |it| it.facts.target.system_identifier = it.facts.source.system_identifier),
        ("older-target", |it| it.facts.source.version = ServerVersion(170_004)),
        ("older-target", |it| {
            it.facts.source.version = ServerVersion(170_004);
            it.settings.skip_version_check = true;
        }),
        ("unknown-version", |it| it.facts.source.version = ServerVersion(110_022)),
        ("end-of-life", |it| {
            it.facts.source.version = ServerVersion(140_020);
            it.facts.target.version = ServerVersion(140_020);
        }),
        ("target-standby", |it| {
            it.facts.target.in_recovery = true;
            it.facts.target.read_only = true;
        }),
        ("target-read-only", |it| it.facts.target.read_only = true),
        ("few-connections", |it| it.facts.target.connections = 95),
    ];
}
