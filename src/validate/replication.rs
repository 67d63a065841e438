//! Replication: what it cannot be, and what it does not carry.

use std::collections::BTreeMap;

use super::{Case, Check, Database, Found, list};
use crate::facts::{CandidateIndex, DatabaseFacts, IdentityFlaw, Persistence, ReplicaIdentity, Side, Table, TableKind};
use crate::settings::{IdentityPolicy, Method};
use crate::sql;
use crate::sql::{Ident, QualifiedName};

pub(super) const CHECKS: &[Check] = &[
    Check::obstacle("wal-level"),
    Check::obstacle("standby-source"),
    Check::obstacle("slot-blocked"),
    Check::obstacle("publication-right"),
    Check::obstacle("subscription-right"),
    Check::obstacle("target-reaches-source"),
    Check::obstacle("replication-connection"),
    Check::obstacle("slot-creation"),
    Check::obstacle("replication-slots"),
    Check::obstacle("wal-senders"),
    Check::obstacle("replication-workers"),
    Check::obstacle("worker-processes"),
    Check::obstacle("replication-origins"),
    Check::new("replica-identity", replica_identity),
    Check::new("generated-identity", generated_identity),
    Check::new("incomparable-rows", incomparable_rows),
    Check::new("identity-change", identity_changes),
    Check::new("insert-only", insert_only),
    Check::new("unlogged-table", unlogged),
    Check::new("hash-partitions", hash_partitions),
    Check::new("large-objects", large_objects),
    Check::new("replica-trigger", replica_triggers),
    Check::new("unvalidated-domain", unvalidated_domains),
    Check::new("open-transaction", open_transactions),
    Check::new("slot-wal-limit", slot_wal_limit),
];

/// The obstacles of one name: each once, with all databases that it concerns.
pub(super) fn obstacles(case: &Case<'_>, id: &str) -> Vec<Found> {
    let mut concerned = BTreeMap::<_, Vec<_>>::new();
    for (database, migration) in case.migrations() {
        for obstacle in migration.obstacles.iter().filter(|obstacle| obstacle.id == id) {
            concerned
                .entry((&obstacle.subject, &obstacle.reason, &obstacle.fix))
                .or_default()
                .push(Ident::new(database.name));
        }
    }
    let demanded = case.settings.force_method == Some(Method::Replication);
    concerned
        .into_iter()
        .map(|((subject, reason, fix), databases)| {
            let databases = list(databases);
            if demanded {
                Found::error(subject, format!("Replication is not possible for {databases}: {subject}: {reason}"))
            } else {
                let message = format!("{reason}; copied once instead of replicated (method dump): {databases}");
                Found::warning(subject, message)
            }
            .fix(fix)
        })
        .collect()
}

/// Tables that would be replicated if they could be.
fn recopied<'a>(case: &Case<'a>) -> impl Iterator<Item = (Database<'a>, &'a Table)> {
    case.replications()
        .flat_map(|(database, migration)| {
            let names = migration.content.recopied.iter().map(|table| &table.name);
            database.source_tables(names).map(move |table| (database, table))
        })
        .filter(|(_, table)| table.extension.is_none())
}

fn replica_identity(case: &Case<'_>) -> Vec<Found> {
    recopied(case)
        .filter(|(_, table)| table.persistence == Persistence::Permanent && table.kind == TableKind::Ordinary)
        .filter_map(|(database, table)| {
            let ReplicaIdentity::Missing { candidate, full_serves } = &table.replica_identity else { return None };
            let name = &table.name;
            let key = sql!("ALTER TABLE {} ADD PRIMARY KEY", name);
            let fix = match candidate {
                Some(index) => using_index(name, index),
                None if *full_serves => format!("{key} (…), or {}", sql!("ALTER TABLE {} REPLICA IDENTITY FULL", name)),
                None => format!("{key} (…)"),
            };
            let message = "it has no replica identity, and is not published, because that would make every UPDATE and \
                           DELETE on the source fail";
            Some(copied_again(case, database, table, message).fix(database.on_source(fix)))
        })
        .collect()
}

fn generated_identity(case: &Case<'_>) -> Vec<Found> {
    let message =
        "its replica identity holds a generated column, which is not published, so that UPDATE and DELETE would fail";
    unusable(case, IdentityFlaw::Generated, message)
}

fn incomparable_rows(case: &Case<'_>) -> Vec<Found> {
    let message = "its replica identity is the whole row, and a column's type (such as json, xml or point) has no equality \
                   operator, so that an UPDATE or DELETE would stop replication";
    unusable(case, IdentityFlaw::Incomparable, message)
}

fn unusable(case: &Case<'_>, flaw: IdentityFlaw, message: &str) -> Vec<Found> {
    recopied(case)
        .filter(|(_, table)| table.persistence == Persistence::Permanent && table.kind == TableKind::Ordinary)
        .filter_map(|(database, table)| match &table.replica_identity {
            ReplicaIdentity::Unusable { flaw: found, candidate } if *found == flaw => {
                Some((database, table, candidate))
            }
            _ => None,
        })
        .map(|(database, table, candidate)| {
            let fix = match candidate {
                Some(index) => using_index(&table.name, index),
                None => format!(
                    "{} (…), over NOT NULL columns that are not generated; {} …",
                    sql!("CREATE UNIQUE INDEX … ON {}", table.name),
                    sql!("ALTER TABLE {} REPLICA IDENTITY USING INDEX", table.name)
                ),
            };
            copied_again(case, database, table, message).fix(database.on_source(fix))
        })
        .collect()
}

/// A table that is not published because of `reason`: an error where the user asked for that.
fn copied_again(case: &Case<'_>, database: Database<'_>, table: &Table, reason: &str) -> Found {
    if case.settings.replica_identity == IdentityPolicy::Fail {
        let message = format!("Table {} in database '{}' cannot be replicated: {reason}", table.name, database.name);
        return Found::error(database.table(&table.name), message);
    }
    let follows = "it is copied with the snapshot, and once more as a whole at the finish";
    Found::warning(database.table(&table.name), format!("{reason}; {follows}"))
}

fn using_index(table: &QualifiedName, index: &CandidateIndex) -> String {
    sql!("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", table, index.name).to_string()
}

fn identity_changes(case: &Case<'_>) -> Vec<Found> {
    case.replications()
        .flat_map(|(database, migration)| migration.content.identity_changes.iter().map(move |it| (database, it)))
        .map(|(database, change)| {
            let message = match &change.index {
                Some(index) => format!("until the replication ends, index {index} is its replica identity on the source"),
                None => "until the replication ends, its replica identity on the source is the whole row: its UPDATEs and \
                         DELETEs write more WAL, and each reads the whole table on the target unless that has a fitting \
                         index"
                    .to_owned(),
            };
            Found::info(database.table(&change.table), message)
        })
        .collect()
}

fn insert_only(case: &Case<'_>) -> Vec<Found> {
    case.replications()
        .flat_map(|(database, migration)| migration.content.insert_only.iter().map(move |it| (database, it)))
        .map(|(database, table)| {
            let message = "only its INSERTs are replicated: what UPDATE, DELETE and TRUNCATE do to it on the source from now \
                           on never arrives";
            let fix = "--replica-identity copy-at-finish, unless rows are only ever added to it";
            Found::warning(database.table(table), message).fix(fix)
        })
        .collect()
}

fn unlogged(case: &Case<'_>) -> Vec<Found> {
    recopied(case)
        .filter(|(_, table)| table.persistence == Persistence::Unlogged)
        .map(|(database, table)| {
            let message = "it is unlogged and therefore not replicated; it is copied with the snapshot, and once more as \
                           a whole at the finish";
            let fix = database.on_source(sql!("ALTER TABLE {} SET LOGGED", table.name));
            Found::warning(database.table(&table.name), message).fix(fix)
        })
        .collect()
}

fn hash_partitions(case: &Case<'_>) -> Vec<Found> {
    recopied(case)
        .filter(|(_, table)| table.kind == TableKind::Partitioned)
        .map(|(database, table)| {
            let message = "it is partitioned by a hash that is another on every server, as that of an enum is, so that \
                           rows change their partition on the way; it is not published, but copied with the snapshot, and \
                           once more as a whole at the finish";
            Found::warning(database.table(&table.name), message)
        })
        .collect()
}

fn large_objects(case: &Case<'_>) -> Vec<Found> {
    case.replications()
        .filter(|(_, migration)| migration.content.large_objects)
        .map(|(database, _)| {
            let message = format!(
                "its {} large objects are not replicated; they are copied with the rows, and what has changed of them at the \
                 finish",
                database.source.large_objects.count
            );
            Found::warning(database.subject(), message)
                .fix("change no large objects on the source while the migration finishes, or --force-method dump")
        })
        .collect()
}

fn replica_triggers(case: &Case<'_>) -> Vec<Found> {
    case.replications()
        .flat_map(|(database, migration)| {
            let existing = database.target.map(DatabaseFacts::tables_by_name).unwrap_or_default();
            let tables = database.source_tables(&migration.content.published);
            tables.map(move |table| (database, table, existing.get(&table.name).copied().unwrap_or(table)))
        })
        .filter_map(|(database, table, there)| {
            if there.replica_triggers.is_empty() {
                return None;
            }
            let triggers: Vec<_> = there.replica_triggers.iter().map(Ident::new).collect();
            let calm: Vec<_> = triggers
                .iter()
                .map(|trigger| sql!("ALTER TABLE {} ENABLE TRIGGER {}", table.name, trigger).to_string())
                .collect();
            let message = format!(
                "triggers that fire ALWAYS or for REPLICA run on the target for every replicated change: {}",
                list(triggers)
            );
            let fix = format!("unless that is meant, {}", database.on_source(calm.join("; ")));
            Some(Found::warning(database.table(&table.name), message).fix(fix))
        })
        .collect()
}

/// The source does not look at a value again that an UPDATE leaves as it is; the target looks at every value that arrives.
fn unvalidated_domains(case: &Case<'_>) -> Vec<Found> {
    case.replications()
        .filter(|(database, _)| !database.source.unvalidated_domains.is_empty())
        .map(|(database, _)| {
            let message = "constraints of domains are NOT VALID: replication stops at an UPDATE of a row with a value that breaks \
                           one, and so does the finish, where such a table is copied once more";
            let validate = database.source.unvalidated_domains.join("; ");
            Found::warning(database.subject(), message).fix(database.on_source(validate))
        })
        .collect()
}

fn open_transactions(case: &Case<'_>) -> Vec<Found> {
    if case.replications().next().is_none() {
        return Vec::new();
    }
    let blockers = case.facts.source.blockers.iter();
    blockers
        .map(|blocker| {
            let message = format!("a replication slot has to wait until {} ends its transaction", blocker.who);
            Found::warning(Side::Source, message).fix(format!("source: {}", blocker.cure))
        })
        .collect()
}

fn slot_wal_limit(case: &Case<'_>) -> Vec<Found> {
    const MEGABYTE: u64 = 1 << 20;
    let Some(limit) = case.facts.source.settings.max_slot_wal_keep_mb.and_then(|mb| u64::try_from(mb).ok()) else {
        return Vec::new();
    };
    let bytes: u64 =
        case.replications().flat_map(|(_, migration)| &migration.content.tables).map(|table| table.bytes).sum();
    if bytes / MEGABYTE <= limit {
        return Vec::new();
    }
    let message = format!(
        "max_slot_wal_keep_size is {limit} MB, and {} MB are to be copied: a source that writes more WAL than that during \
         the copy drops the slot, and the migration fails",
        bytes / MEGABYTE
    );
    vec![
        Found::warning(Side::Source, message)
            .fix("source: ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf()"),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{
        Blocker, CandidateIndex, IdentityFlaw, LargeObjects, Persistence, Probe, ReplicaIdentity, Table, TableKind,
        fixture,
    };
    use crate::plan::example::Example;
    use crate::settings::{IdentityPolicy, Method};
    use crate::sql::Ident;
    use crate::validate::tests::{Change, ids};
    use crate::validate::{Severity, checks, validate};

    fn refuse(probe: &mut Probe) {
        *probe = Probe::Refused("no".to_owned());
    }

    fn flawed(flaw: IdentityFlaw) -> ReplicaIdentity {
        ReplicaIdentity::Unusable { flaw, candidate: None }
    }

    fn blocker(prepared: bool) -> Blocker {
        Blocker { who: "pid 7".to_owned(), prepared, seconds: 1, cure: "SELECT pg_terminate_backend(7)".to_owned() }
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("wal-level", |it| it.facts.source.settings.wal_level = "replica".to_owned()),
        ("standby-source", |it| it.facts.source.in_recovery = true),
        ("slot-blocked", |it| it.facts.source.blockers.push(blocker(true))),
        ("publication-right", |it| refuse(&mut it.source().publication)),
        ("subscription-right", |it| refuse(&mut it.facts.target.subscription)),
        ("target-reaches-source", |it| refuse(&mut it.facts.target_reaches_source)),
        ("replication-connection", |it| {
            refuse(&mut it.facts.source.replication_connection);
            it.facts.target_reaches_source = Probe::Untried;
        }),
        ("slot-creation", |it| {
            refuse(&mut it.facts.source.slot_creation);
            it.facts.target_reaches_source = Probe::Untried;
        }),
        ("replication-slots", |it| it.facts.source.settings.max_replication_slots = 0),
        ("wal-senders", |it| it.facts.source.wal_senders = 10),
        ("replication-workers", |it| it.facts.target.settings.max_logical_replication_workers = 0),
        ("worker-processes", |it| it.facts.target.settings.max_worker_processes = 1),
        ("replication-origins", |it| it.facts.target.settings.max_origins = 0),
        ("replica-identity", |it| {
            it.source().tables[0].replica_identity = ReplicaIdentity::Missing { candidate: None, full_serves: true };
        }),
        ("generated-identity", |it| it.source().tables[0].replica_identity = flawed(IdentityFlaw::Generated)),
        ("incomparable-rows", |it| it.source().tables[0].replica_identity = flawed(IdentityFlaw::Incomparable)),
        ("identity-change", |it| {
            it.source().tables[0].replica_identity = ReplicaIdentity::Missing { candidate: None, full_serves: true };
            it.settings.replica_identity = IdentityPolicy::Full;
        }),
        ("insert-only", |it| {
            it.source().tables[0].replica_identity = ReplicaIdentity::Missing { candidate: None, full_serves: false };
            it.settings.replica_identity = IdentityPolicy::InsertOnly;
        }),
        ("unlogged-table", |it| it.source().tables[0].persistence = Persistence::Unlogged),
        ("hash-partitions", |it| {
            let tree = fixture::public("moods");
            it.source().tables.extend([
                Table { kind: TableKind::Partitioned, ..fixture::table("moods") },
                Table { load_through: Some(tree), ..fixture::table("moods_0") },
            ]);
        }),
        ("large-objects", |it| it.source().large_objects = LargeObjects { count: 3, unreadable: 0 }),
        ("replica-trigger", |it| it.source().tables[0].replica_triggers.push("audit".to_owned())),
        ("unvalidated-domain", |it| it.source().unvalidated_domains.push("ALTER DOMAIN even …".to_owned())),
        ("open-transaction", |it| it.facts.source.blockers.push(blocker(false))),
        ("slot-wal-limit", |it| {
            it.facts.source.settings.max_slot_wal_keep_mb = Some(64);
            it.source().tables[0].bytes = 1 << 30;
        }),
    ];

    #[test]
    fn every_obstacle_of_a_plan_has_a_check() {
        for (change, make, ..) in crate::plan::tests::METHODS {
            let mut example = Example::new();
            make(&mut example);
            for obstacle in &example.plan().migration("app").obstacles {
                assert!(checks().any(|check| check.id == obstacle.id), "{change}: {}", obstacle.id);
            }
        }
    }

    #[test]
    fn an_obstacle_stops_the_run_only_when_replication_was_demanded() {
        for (demanded, severity) in [(None, Severity::Warning), (Some(Method::Replication), Severity::Error)] {
            let mut example = Example::new();
            example.add_database("shop");
            example.facts.source.settings.wal_level = "replica".to_owned();
            example.settings.force_method = demanded;
            let findings = validate(&example.facts, &example.settings, &example.plan());
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].severity, severity);
            assert!(findings[0].message.contains(r#""app", "shop""#), "{}", findings[0].message);
        }
    }

    #[test]
    fn an_index_that_could_serve_as_replica_identity_is_named() {
        let mut example = Example::new();
        let candidate = Some(CandidateIndex { name: Ident::new("orders_number_key"), oid: 16_400 });
        example.source().tables[0].replica_identity = ReplicaIdentity::Missing { candidate, full_serves: true };
        let findings = validate(&example.facts, &example.settings, &example.plan());
        assert_eq!(
            findings[0].fix.as_deref(),
            Some(
                r#"source database "app": ALTER TABLE "public"."orders" REPLICA IDENTITY USING INDEX "orders_number_key""#
            )
        );
    }

    #[test]
    fn the_whole_row_is_not_recommended_where_it_does_not_serve() {
        for (full_serves, recommended) in [(true, true), (false, false)] {
            let mut example = Example::new();
            let missing = ReplicaIdentity::Missing { candidate: None, full_serves };
            example.source().tables[0].replica_identity = missing;
            let findings = validate(&example.facts, &example.settings, &example.plan());
            let fix = findings[0].fix.as_deref().unwrap();
            assert_eq!(fix.contains("REPLICA IDENTITY FULL"), recommended, "{fix}");
        }
    }

    #[test]
    fn what_only_replication_leaves_behind_is_no_matter_for_a_dump() {
        let mut example = Example::new();
        example.settings.force_method = Some(Method::Dump);
        let unlogged = crate::facts::Table { persistence: Persistence::Unlogged, ..fixture::table("cache") };
        example.source().tables.push(unlogged);
        example.source().large_objects = LargeObjects { count: 3, unreadable: 0 };
        example.facts.source.blockers.push(blocker(true));
        assert!(ids(&example).is_empty());
    }
}
