//! What earlier runs left on the two servers.

use std::collections::HashSet;

use super::{Case, Check, Database, Found, list, subject};
use crate::facts::{Column, JournalOrigin, Table};
use crate::plan::{Creation, Work};
use crate::sql;
use crate::sql::names::JOURNAL_SCHEMA;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

pub(super) const CHECKS: &[Check] = &[
    Check::new("ended-replication", ended),
    Check::new("unfinished-run", unfinished),
    Check::new("complete-copy", concluded),
    Check::new("appended-rows", appended),
    Check::new("leftovers", leftovers),
    Check::new("running-replication", running),
    Check::new("changed-definition", changed),
    Check::new("orphaned-replication", orphaned),
];

fn ended(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, _)| Some((database, database.target?.journal.as_ref()?)))
        .filter(|(_, journal)| journal.complete)
        .map(|(database, journal)| {
            let (what, or) = match &journal.moment {
                Some(moment) => (
                    format!("and this run would not go on from that dump of {}", moment.time),
                    "use --force-method dump with the same source to go on from it; or ",
                ),
                None => (
                    "and no replication runs that could go on (or --force-method dump stops it)".to_owned(),
                    "",
                ),
            };
            let message = format!(
                "Database '{}' was migrated by run {}: its rows are complete, {what}; beginning again would discard what the \
                 target has received since",
                database.name, journal.migration
            );
            Found::error(database.subject(), message).fix(format!(
                "leave it out with --filtered-db {}, let pg_migrate verify say what it may lack, and pg_migrate cleanup drop what \
                 is left of its replication; or {or}to begin again, {}",
                database.name,
                begin_again(database, journal.origin)
            ))
        })
        .collect()
}

/// How a user discards what a complete run brought.
fn begin_again(database: Database<'_>, origin: JournalOrigin) -> String {
    if origin == JournalOrigin::Created {
        return format!("target: {}", sql!("DROP DATABASE {}", Ident::new(database.name)));
    }
    let forget = database.on_target("UPDATE _pg_migrate.migration SET complete = false");
    let follows = match origin {
        JournalOrigin::Created | JournalOrigin::Empty => "all objects in the database",
        JournalOrigin::Filled => "all rows of the tables that run filled",
    };
    format!("{forget}; the next run then drops {follows}, and copies them anew")
}

fn concluded(case: &Case<'_>) -> Vec<Found> {
    case.databases()
        .filter_map(|database| match &database.plan.work {
            Work::Conclude { moment, .. } => Some((database, moment, database.target?.journal.as_ref()?)),
            _ => None,
        })
        .map(|(database, moment, journal)| {
            let message = format!(
                "run {} copied all rows as they were on the source at {}, and did not end; what is left of its work is done, \
                 and no row is copied again",
                journal.migration, moment.time
            );
            let again = begin_again(database, journal.origin);
            Found::warning(database.subject(), message).fix(format!("to copy what was written since, {again}"))
        })
        .collect()
}

fn appended(case: &Case<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (database, migration) in case.migrations() {
        let Some((target, journal)) = database.target.and_then(|it| Some((it, it.journal.as_ref()?))) else { continue };
        if journal.complete || matches!(migration.creation, Creation::Create(_) | Creation::Recreate(_)) {
            continue;
        }
        let there = target.tables_by_name();
        let has_rows = |name: &QualifiedName| there.get(name).is_some_and(|table| table.has_rows);
        for table in database.carried().filter(|it| journal.appended.contains(&it.name) && has_rows(&it.name)) {
            let message = format!(
                "Table {} in database '{}' of the target had rows before run {}, which did not end, added the source's: which \
                 are to stay cannot be told",
                table.name, database.name, journal.migration
            );
            let forget = sql!(
                "DELETE FROM _pg_migrate.copied WHERE schema_name = {} AND table_name = {}",
                Literal::new(table.name.schema.as_str()),
                Literal::new(table.name.name.as_str())
            );
            found.push(Found::error(database.table(&table.name), message).fix(format!(
                "leave it as it is with --skip-table; or remove the rows that run added, and then {}",
                database.on_target(forget)
            )));
        }
    }
    found
}

fn unfinished(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, migration)| {
            let Some(journal) = database.target?.journal.as_ref() else {
                let begun =
                    "an earlier run created it and was killed before anything else; it is dropped and created again";
                return matches!(migration.creation, Creation::Recreate(_))
                    .then(|| Found::warning(database.subject(), begun));
            };
            let what = match &migration.creation {
                Creation::Recreate(_) => "the database, which it created, is dropped and created again".to_owned(),
                Creation::UseEmpty { clean: true } => "the objects in the database are dropped first".to_owned(),
                Creation::UseFilled if !migration.empty_first.is_empty() => {
                    format!("the tables it filled are emptied first: {}", list(&migration.empty_first))
                }
                Creation::Create(_) | Creation::UseEmpty { clean: false } | Creation::UseFilled => return None,
            };
            let message = format!("an earlier run ({}) did not end on the target; {what}", journal.migration);
            Some(Found::warning(database.subject(), message))
        })
        .collect()
}

fn leftovers(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(_, migration)| migration.drop_first)
        // Nothing is dropped where `ended` refuses.
        .filter(|(database, _)| {
            !database.target.and_then(|target| target.journal.as_ref()).is_some_and(|journal| journal.complete)
        })
        .map(|(database, _)| {
            let names = &database.plan.names;
            if is_anothers(case, database) {
                return in_use(database);
            }
            let message = format!(
                "what is there of an earlier run's replication is dropped first: publication {} and slot {} on the \
                 source, subscription {} on the target",
                names.publication, names.slot, names.subscription
            );
            Found::warning(database.subject(), message)
        })
        .collect()
}

/// Whether somebody streams from the slot, and it is not this target.
fn is_anothers(case: &Case<'_>, database: Database<'_>) -> bool {
    let names = &database.plan.names;
    let subscribes = database.target.is_some_and(|target| target.subscription(&names.subscription).is_some());
    case.facts.source.slot(&names.slot).is_some_and(|slot| slot.active) && !subscribes
}

fn in_use(database: Database<'_>) -> Found {
    let message = format!(
        "slot {} of the source is in use, and this target has no subscription to it: it would be dropped, and the migration to \
         another target ended",
        database.plan.names.slot
    );
    Found::error(database.subject(), message).fix(format!(
        "let that migration end, or give it up: pg_migrate cleanup with its target; or leave this database out with \
         --filtered-db {}",
        database.name
    ))
}

fn running(case: &Case<'_>) -> Vec<Found> {
    case.databases()
        .filter(|database| matches!(database.plan.work, Work::Continue { .. }))
        .filter(|database| changes_since(*database).is_empty())
        .map(|database| {
            let message = "an earlier run's replication keeps it up to date; nothing is copied again";
            Found::info(database.subject(), message)
        })
        .collect()
}

/// Replication into databases that the source does not have: not any more, or it is another source's.
fn orphaned(case: &Case<'_>) -> Vec<Found> {
    let all = case.facts.target.subscriptions.iter();
    all.filter(|(_, database)| case.facts.source.database(database).is_none())
        .map(|(name, database)| {
            let name = Ident::new(name);
            let message = format!(
                "an earlier run's subscription {name} replicates into it, and the source has no such database: if it was dropped \
                 or renamed there, nothing arrives any more"
            );
            let drop = sql!(
                "ALTER SUBSCRIPTION {} DISABLE; ALTER SUBSCRIPTION {} SET (slot_name = NONE); DROP SUBSCRIPTION {}; \
                 DROP SCHEMA {} CASCADE",
                name,
                name,
                name,
                Ident::new(JOURNAL_SCHEMA)
            );
            Found::warning(subject("database", database), message)
                .fix(format!("in that case, target database {}: {drop}", Ident::new(database)))
        })
        .collect()
}

/// What the source has defined differently since replication began: what is on its way, or has arrived, may not fit.
fn changed(case: &Case<'_>) -> Vec<Found> {
    case.databases().flat_map(changes_since).collect()
}

fn changes_since(database: Database<'_>) -> Vec<Found> {
    let (Work::Continue { content, .. }, Some(target)) = (&database.plan.work, database.target) else {
        return Vec::new();
    };
    // A user may have made tables with other types beforehand.
    let ours = target.journal.as_ref().is_some_and(|journal| journal.origin != JournalOrigin::Filled);
    let there = target.tables_by_name();
    let carried = database.carried().filter(|table| table.extension.is_none());
    let tables = carried.flat_map(|table| changes(database, table, there.get(&table.name).copied(), ours));
    let sequences: HashSet<_> = target.sequences.iter().map(|sequence| &sequence.name).collect();
    let views: HashSet<_> = target.materialized_views.iter().map(|view| &view.name).collect();
    let new_sequences = content.sequences.iter().filter(|name| !sequences.contains(name));
    let new_views = content.materialized_views.iter().chain(&content.opaque_views).filter(|name| !views.contains(name));
    let new_sequences = new_sequences.map(|name| new(database, "Sequence", name));
    let new_views = new_views.map(|name| new(database, "Materialized view", name));
    let copied = target.journal.iter().flat_map(|journal| &journal.copied);
    let dropped = copied.filter(|name| database.source.table(name).is_none() && there.contains_key(name));
    let dropped = dropped.map(|name| dropped_table(database, name));
    tables.chain(new_sequences).chain(new_views).chain(dropped).collect()
}

/// A table that replication has begun with, and whose name the source does not know any more.
fn dropped_table(database: Database<'_>, name: &QualifiedName) -> Found {
    let message = "the source had it when its replication began, and has it no more; the target keeps it as it is";
    let drop = sql!("DROP TABLE {}", name);
    Found::warning(database.table(name), message)
        .fix(format!("unless it was renamed, and is to be renamed there, too, {}", database.on_target(drop)))
}

/// Something that the target does not have, and whose contents the finish would carry.
fn new(database: Database<'_>, kind: &str, name: &QualifiedName) -> Found {
    let message = format!(
        "{kind} {name} in database '{}' of the source was created after its replication began: the target does not have it",
        database.name
    );
    Found::error(database.subject(), message).fix("create it on the target as on the source")
}

/// How `source` differs from what the target has of it; other types are an error where the target's table is `ours`.
fn changes(database: Database<'_>, source: &Table, target: Option<&Table>, ours: bool) -> Vec<Found> {
    let subject = database.table(&source.name);
    let message = |what: String| {
        format!(
            "Table {} in database '{}' of the source was changed after its replication began: {what}",
            source.name, database.name
        )
    };
    let Some(target) = target else {
        return vec![
            Found::error(subject, message("the target does not have it".to_owned()))
                .fix("create it on the target as on the source, or leave it out with --skip-table"),
        ];
    };
    let mut found = Vec::new();
    let is_on_source = |column: &&Column| source.columns.iter().any(|it| it.name == column.name);
    for column in target.columns.iter().filter(|column| ours && !is_on_source(column)) {
        let message = format!(
            "column {} is on the target alone: a replicated row gets its default, and stops replication if it may not be null",
            column.name.readable()
        );
        let drop = sql!("ALTER TABLE {} DROP COLUMN {}", source.name, column.name);
        let fix = format!("if the source has dropped it, {}", database.on_target(drop));
        found.push(Found::warning(&subject, message).fix(fix));
    }
    for column in source.columns.iter().filter(|column| !column.generated) {
        let (name, type_name) = (&column.name, Sql::from_catalog(&column.type_name));
        let Some(there) = target.columns.iter().find(|there| there.name == *name) else {
            let add = sql!("ALTER TABLE {} ADD COLUMN {} {}", source.name, name, type_name);
            found.push(
                Found::error(&subject, message(format!("the target lacks column {}", name.readable())))
                    .fix(format!("add it, with its values: {}", database.on_target(add))),
            );
            continue;
        };
        if there.type_name != column.type_name {
            let what = format!(
                "column {} is {} there, and {} on the target",
                name.readable(),
                column.type_name,
                there.type_name
            );
            let alter = sql!("ALTER TABLE {} ALTER COLUMN {} TYPE {}", source.name, name, type_name);
            let judge = if ours { Found::error } else { Found::warning };
            found.push(judge(&subject, message(what)).fix(database.on_target(alter)));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Journal, JournalOrigin, MaterializedView, Moment, Table, fixture};
    use crate::plan::example::Example;
    use crate::sql::names::UNBEGUN;
    use crate::validate::tests::{Change, ids};

    fn journal(origin: JournalOrigin, complete: bool) -> Option<Journal> {
        Some(Journal {
            migration: "zz99".to_owned(),
            origin,
            copied: [].into(),
            appended: [].into(),
            large_objects: false,
            complete,
            moment: None,
        })
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("ended-replication", |it| it.target().journal = journal(JournalOrigin::Created, true)),
        ("complete-copy", copied_by_dump),
        ("unfinished-run", |it| it.target().journal = journal(JournalOrigin::Created, false)),
        ("unfinished-run", |it| it.target().journal = journal(JournalOrigin::Empty, false)),
        ("unfinished-run", |it| {
            it.target();
            it.facts.target.databases.last_mut().unwrap().properties.connection_limit = Some(UNBEGUN);
        }),
        ("appended-rows", |it| {
            let orders = fixture::public("orders");
            let journal = journal(JournalOrigin::Filled, false);
            let both = |it: Journal| Journal { copied: [orders.clone()].into(), appended: [orders].into(), ..it };
            it.target().journal = journal.map(both);
            it.target().tables.push(Table { has_rows: true, ..fixture::table("orders") });
            it.settings.append = true;
        }),
        ("leftovers", |it| {
            it.replicate();
            it.source().publications.clear();
            it.target().tables.clear();
        }),
        ("leftovers", |it| {
            it.replicate();
            it.target().subscriptions.clear();
            it.target().tables.clear();
        }),
        ("running-replication", Example::replicate),
        ("changed-definition", |it| {
            it.replicate();
            it.target().tables[0].columns.truncate(1);
        }),
        ("orphaned-replication", |it| {
            it.facts.target.subscriptions.push(("aiven_db_migrate_gone_sub".to_owned(), "gone".to_owned()));
        }),
        ("changed-definition", |it| {
            it.replicate();
            it.target().sequences.clear();
        }),
        ("changed-definition", |it| {
            it.replicate();
            let name = fixture::public("summary");
            let view = MaterializedView { name, populated: true, needed: false, opaque: false, extension: None };
            it.source().materialized_views.push(view);
        }),
    ];

    #[test]
    fn a_table_that_is_defined_otherwise_than_its_replica_is_an_error() {
        let changes: [Change; 3] = [
            ("ALTER COLUMN", |it| it.source().tables[0].columns[1].type_name = "bigint".to_owned()),
            ("ADD COLUMN", |it| it.target().tables[0].columns.truncate(1)),
            ("create it on the target", |it| it.source().tables.push(fixture::table("new"))),
        ];
        for (fix, change) in changes {
            let mut example = Example::new();
            example.replicate();
            example.target().journal = journal(JournalOrigin::Created, true);
            change(&mut example);
            let findings = crate::validate::validate(&example.facts, &example.settings, &example.plan());
            let found = findings.iter().find(|finding| finding.id == "changed-definition").unwrap();
            assert_eq!(found.severity, crate::validate::Severity::Error);
            assert!(found.fix.as_ref().unwrap().contains(fix), "{found:?}");
        }
    }

    fn copied_by_dump(example: &mut Example) {
        let moment = Moment {
            system_identifier: example.facts.source.system_identifier.unwrap(),
            time: "2026-11-21 10:02:03 UTC".to_owned(),
            transactions: "700:700:".to_owned(),
        };
        example.settings.force_method = Some(crate::settings::Method::Dump);
        let journal = journal(JournalOrigin::Created, true);
        example.target().journal = journal.map(|it| Journal { moment: Some(moment), ..it });
        example.target().user_objects = 2;
        example.target().tables.push(Table { has_rows: true, ..fixture::table("orders") });
    }

    #[test]
    fn only_a_dump_from_the_same_server_goes_on_from_one() {
        let changes: [fn(&mut Example); 3] = [
            |it| it.settings.force_method = None,
            |it| it.facts.source.system_identifier = Some(4711),
            |it| it.facts.source.system_identifier = None,
        ];
        for change in changes {
            let mut example = Example::new();
            copied_by_dump(&mut example);
            change(&mut example);
            assert!(ids(&example).contains(&"ended-replication"), "{:?}", ids(&example));
        }
    }

    #[test]
    fn a_dump_does_not_overwrite_what_replication_brought() {
        let mut example = Example::new();
        example.replicate();
        example.target().journal = journal(JournalOrigin::Created, true);
        example.settings.force_method = Some(crate::settings::Method::Dump);
        assert_eq!(ids(&example), ["target-rows", "ended-replication"]);
    }
}
