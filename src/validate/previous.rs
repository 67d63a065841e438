//! What earlier runs left on the two servers.

use super::{Case, Check, Found, list};
use crate::facts::JournalOrigin;
use crate::plan::{Creation, Work};
use crate::sql;
use crate::sql::{Ident, Literal, QualifiedName};

pub(super) const CHECKS: &[Check] = &[
    Check::new("ended-replication", ended),
    Check::new("unfinished-run", unfinished),
    Check::new("appended-rows", appended),
    Check::new("leftovers", leftovers),
    Check::new("running-replication", running),
];

fn ended(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, _)| Some((database, database.target?.journal.as_ref()?)))
        .filter(|(_, journal)| journal.complete)
        .map(|(database, journal)| {
            let message = format!(
                "Database '{}' was migrated by run {}: its rows are complete, and no replication runs that could go on \
                 (or --force-method dump stops it); beginning again would discard what the target has received since",
                database.name, journal.migration
            );
            let again = match journal.origin {
                JournalOrigin::Created => format!("target: {}", sql!("DROP DATABASE {}", Ident::new(database.name))),
                JournalOrigin::Empty | JournalOrigin::Filled => {
                    "remove from the target's database what that run brought, and run pg_migrate cleanup".to_owned()
                }
            };
            Found::error(database.subject(), message)
                .fix(format!(
                    "leave it out with --filtered-db {}, let pg_migrate verify say what it may lack, and pg_migrate cleanup \
                     drop what is left of its replication; or, to begin again, {again}",
                    database.name
                ))
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
            let journal = database.target?.journal.as_ref()?;
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
            let message = format!(
                "what is there of an earlier run's replication is dropped first: publication {} and slot {} on the \
                 source, subscription {} on the target",
                names.publication, names.slot, names.subscription
            );
            Found::warning(database.subject(), message)
        })
        .collect()
}

fn running(case: &Case<'_>) -> Vec<Found> {
    case.databases()
        .filter(|database| matches!(database.plan.work, Work::Continue { .. }))
        .map(|database| {
            let message = "an earlier run's replication keeps it up to date; nothing is copied again";
            Found::info(database.subject(), message)
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Journal, JournalOrigin, Table, fixture};
    use crate::plan::example::Example;
    use crate::validate::tests::{Change, ids};

    fn journal(origin: JournalOrigin, complete: bool) -> Option<Journal> {
        Some(Journal {
            migration: "zz99".to_owned(),
            origin,
            copied: [].into(),
            appended: [].into(),
            large_objects: false,
            complete,
        })
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("ended-replication", |it| it.target().journal = journal(JournalOrigin::Created, true)),
        ("unfinished-run", |it| it.target().journal = journal(JournalOrigin::Created, false)),
        ("unfinished-run", |it| it.target().journal = journal(JournalOrigin::Empty, false)),
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
        ("running-replication", Example::replicate),
    ];

    #[test]
    fn a_dump_does_not_overwrite_what_replication_brought() {
        let mut example = Example::new();
        example.replicate();
        example.target().journal = journal(JournalOrigin::Created, true);
        example.settings.force_method = Some(crate::settings::Method::Dump);
        assert_eq!(ids(&example), ["target-rows", "ended-replication"]);
    }
}
