//! Tables that the target has already.

use std::collections::HashSet;

use super::{Case, Check, Database, Found, list};
use crate::facts::{DatabaseFacts, Table};
use crate::plan::{Creation, Migration, Work};
use crate::sql;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[
    Check::new("target-rows", |case| [rows(case), replaced_rows(case)].concat()),
    Check::new("referenced-table", referenced),
    Check::new("target-large-objects", large_objects),
    Check::new("target-row-security", row_security),
    Check::new("target-columns", columns),
    Check::new("target-types", types),
    Check::new("target-triggers", triggers),
];

/// The copied tables that the target has and keeps: as on the source and as on the target.
fn kept<'a>(case: &Case<'a>) -> impl Iterator<Item = (Database<'a>, &'a Migration, &'a Table, &'a Table)> {
    case.migrations()
        .filter(|(_, it)| matches!(it.creation, Creation::UseEmpty { clean: false } | Creation::UseFilled))
        .flat_map(|(database, migration)| {
            let existing = database.target.map(DatabaseFacts::tables_by_name).unwrap_or_default();
            database.carried().filter_map(move |table| Some((database, migration, table, *existing.get(&table.name)?)))
        })
        // CREATE EXTENSION fills some of its own.
        .filter(|(_, _, source, _)| source.extension.is_none())
}

fn rows(case: &Case<'_>) -> Vec<Found> {
    if case.settings.append {
        return Vec::new();
    }
    kept(case)
        .filter(|(_, migration, _, target)| target.has_rows && !migration.empty_first.contains(&target.name))
        .map(|(database, _, _, target)| {
            let message =
                format!("Table {} in database '{}' of the target already has rows", target.name, database.name);
            let truncate = database.on_target(sql!("TRUNCATE {}", target.name));
            Found::error(database.table(&target.name), message).fix(format!(
                "{truncate}; or --append to add to them, or --skip-table to leave them alone; or, if pg_migrate verify finds \
                 the whole database migrated already, --filtered-db {}",
                database.name
            ))
        })
        .collect()
}

fn row_security(case: &Case<'_>) -> Vec<Found> {
    let user = &case.facts.target.user;
    kept(case)
        .filter(|(_, _, _, target)| target.hides_rows_from(user))
        .map(|(database, _, _, target)| {
            let message = format!(
                "Row level security of table {} in database '{}' of the target keeps us from loading it",
                target.name, database.name
            );
            let bypass = sql!("ALTER ROLE {} BYPASSRLS", Ident::new(&user.name));
            Found::error(database.table(&target.name), message)
                .fix(format!("target: {bypass}, or --skip-table to leave the table alone"))
        })
        .collect()
}

/// Tables with rows of somebody else that the finish would replace.
fn replaced_rows(case: &Case<'_>) -> Vec<Found> {
    let added = kept(case)
        .filter(|_| case.settings.append)
        .filter(|(_, migration, _, target)| !migration.empty_first.contains(&target.name))
        .map(|(database, _, _, target)| (database, target));
    let continued = case.databases().flat_map(|database| {
        let continues = matches!(database.plan.work, Work::Continue { .. });
        let journal = database.target.and_then(|target| target.journal.as_ref());
        let brought = move |table: &Table| journal.is_some_and(|journal| journal.filled(&table.name));
        let tables = database.target.into_iter().flat_map(|target| &target.tables);
        tables
            .filter(move |table| continues && table.extension.is_none() && !brought(table))
            .map(move |table| (database, table))
    });
    let recopied: HashSet<_> = case
        .databases()
        .filter_map(|database| Some((database.name, database.content()?)))
        .flat_map(|(database, content)| content.recopied.iter().map(move |table| (database, &table.name)))
        .collect();
    added
        .chain(continued)
        .filter(|(database, table)| table.has_rows && recopied.contains(&(database.name, &table.name)))
        .map(|(database, table)| {
            let message = format!(
                "Table {} in database '{}' of the target has rows, and it is not replicated: its copy at the finish would \
                 replace them",
                table.name, database.name
            );
            Found::error(database.table(&table.name), message)
                .fix("leave it alone with --skip-table, or add to its rows with --append and --force-method dump")
        })
        .collect()
}

/// Tables whose copy at the finish foreign keys would act upon.
fn referenced(case: &Case<'_>) -> Vec<Found> {
    if case.facts.target.user.session_replication_role {
        return Vec::new();
    }
    case.databases()
        .filter_map(|database| Some((database, database.content()?)))
        .flat_map(|(database, content)| {
            let names = content.recopied.iter().map(|table| &table.name);
            database.source_tables(names).filter(|table| table.referenced).map(move |table| (database, table))
        })
        .map(|(database, table)| {
            let message = format!(
                "Table {} in database '{}' is not replicated, and the foreign keys that reference it keep {}, who may not \
                 set session_replication_role on the target, from replacing its rows at the finish",
                table.name,
                database.name,
                Ident::new(&case.facts.target.user.name)
            );
            let fix = format!("{}; or --force-method dump, or --skip-table", allow_replica_role(case));
            Found::error(database.table(&table.name), message).fix(fix)
        })
        .collect()
}

/// Large objects have no names, only OIDs: those of both sides cannot live together.
fn large_objects(case: &Case<'_>) -> Vec<Found> {
    case.databases()
        .filter(|database| match &database.plan.work {
            Work::Migrate(migration) => !matches!(migration.creation, Creation::Create(_) | Creation::Recreate(_)),
            Work::Continue { .. } => true,
            Work::Unreachable { .. } | Work::Nothing => false,
        })
        .filter(|database| database.content().is_some_and(|content| content.large_objects))
        .filter_map(|database| Some((database, database.target?)))
        .filter(|(_, target)| target.large_objects.count > 0)
        .filter(|(_, target)| !target.journal.as_ref().is_some_and(|journal| journal.large_objects))
        .map(|(database, target)| {
            let message = format!(
                "Database '{}' of the target has {} large objects, which those of the source would replace",
                database.name, target.large_objects.count
            );
            let unlink = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata";
            Found::error(database.subject(), message)
                .fix(format!("{}; or leave the database out with --filtered-db", database.on_target(unlink)))
        })
        .collect()
}

fn columns(case: &Case<'_>) -> Vec<Found> {
    kept(case)
        .filter_map(|(database, _, source, target)| {
            let missing: Vec<_> = source
                .columns
                .iter()
                .filter(|column| !column.generated)
                .filter(|column| !target.columns.iter().any(|there| there.name == column.name && !there.generated))
                .map(|column| &column.name)
                .collect();
            if missing.is_empty() {
                return None;
            }
            let message = format!(
                "Table {} in database '{}' of the target lacks columns of the source: {}",
                source.name,
                database.name,
                list(missing)
            );
            let drop = database.on_target(sql!("DROP TABLE {}", source.name));
            Some(Found::error(database.table(&source.name), message).fix(format!("add them, or {drop}")))
        })
        .collect()
}

fn types(case: &Case<'_>) -> Vec<Found> {
    kept(case)
        .filter_map(|(database, _, source, target)| {
            let differing: Vec<_> = source
                .columns
                .iter()
                .filter_map(|column| {
                    let there = target.columns.iter().find(|there| there.name == column.name)?;
                    (there.type_name != column.type_name)
                        .then(|| format!("{} ({} here, {} there)", column.name, column.type_name, there.type_name))
                })
                .collect();
            if differing.is_empty() {
                return None;
            }
            let message =
                format!("the target's columns have other types, which must take the values: {}", list(differing));
            let drop = database.on_target(sql!("DROP TABLE {}", source.name));
            Some(Found::warning(database.table(&source.name), message).fix(format!("unless that is meant, {drop}")))
        })
        .collect()
}

fn triggers(case: &Case<'_>) -> Vec<Found> {
    let target = &case.facts.target;
    if target.user.session_replication_role {
        return Vec::new();
    }
    let user = Ident::new(&target.user.name);
    // One finding for each database: equal ones are merged.
    kept(case)
        .map(|(database, ..)| {
            let message = format!(
                "user {user} may not set session_replication_role on the target: triggers and foreign keys of the tables that \
                 are there act on every row that is copied"
            );
            Found::warning(database.subject(), message).fix(allow_replica_role(case))
        })
        .collect()
}

fn allow_replica_role(case: &Case<'_>) -> String {
    let target = &case.facts.target;
    if target.version.grants_parameters() {
        let user = Ident::new(&target.user.name);
        format!("target: {}", sql!("GRANT SET ON PARAMETER session_replication_role TO {}", user))
    } else {
        "connect to the target as a superuser, or let the migration create the tables".to_owned()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Journal, JournalOrigin, Persistence, RowSecurity, Table, fixture};
    use crate::plan::example::Example;
    use crate::settings::TableFilter;
    use crate::validate::tests::{Change, ids};

    fn existing(example: &mut Example) -> &mut Table {
        let target = example.target();
        target.tables.push(fixture::table("orders"));
        target.user_objects = 1;
        &mut target.tables[0]
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("target-rows", |it| existing(it).has_rows = true),
        ("target-row-security", |it| {
            existing(it).row_security = RowSecurity::Forced;
            Example::demote(&mut it.facts.target);
            it.facts.target.user.bypass_rls = false;
        }),
        ("referenced-table", |it| {
            it.facts.target.user.session_replication_role = false;
            it.source().tables.push(Table {
                extension: Some("postgis".to_owned()),
                configuration: Some(String::new()),
                referenced: true,
                ..fixture::table("spatial_ref_sys")
            });
        }),
        ("target-large-objects", |it| {
            it.settings.force_method = Some(crate::settings::Method::Dump);
            it.source().large_objects.count = 3;
            it.target().large_objects.count = 1;
            it.target().user_objects = 1;
        }),
        ("target-columns", |it| {
            existing(it).columns.pop();
        }),
        ("target-columns", |it| existing(it).columns[1].generated = true),
        ("target-triggers", |it| {
            existing(it);
            it.facts.target.user.session_replication_role = false;
        }),
        ("target-types", |it| existing(it).columns[1].type_name = "character varying(9)".to_owned()),
    ];

    #[test]
    fn rows_are_not_added_to_those_that_the_finish_would_replace() {
        let mut example = Example::new();
        existing(&mut example).has_rows = true;
        example.settings.append = true;
        example.source().tables[0].persistence = Persistence::Unlogged;
        assert_eq!(ids(&example), ["target-rows", "unlogged-table"]);
        example.settings.force_method = Some(crate::settings::Method::Dump);
        assert!(ids(&example).is_empty());
    }

    #[test]
    fn large_objects_of_an_unfinished_run_are_replaced() {
        let mut example = Example::new();
        example.replicate();
        example.source().large_objects.count = 3;
        example.target().large_objects.count = 3;
        example.target().journal = Some(Journal {
            migration: "zz99".to_owned(),
            origin: JournalOrigin::Filled,
            copied: [].into(),
            appended: [].into(),
            large_objects: true,
            complete: true,
        });
        let found = ids(&example);
        assert!(!found.contains(&"target-large-objects"), "{found:?}");
    }

    #[test]
    fn a_table_that_the_first_run_skipped_is_not_replaced_by_the_second() {
        let mut example = Example::new();
        example.replicate();
        example.source().tables.push(fixture::table("log"));
        example.target().tables.push(Table { has_rows: true, ..fixture::table("log") });
        assert_eq!(ids(&example), ["target-rows", "running-replication"]);
        example.settings.selection.tables = TableFilter::Skip(vec![crate::plan::example::pattern("log")]);
        assert_eq!(ids(&example), ["running-replication"]);
    }

    #[test]
    fn rows_are_no_error_when_asked_for_or_ours() {
        let mut example = Example::new();
        existing(&mut example).has_rows = true;
        example.settings.append = true;
        assert!(ids(&example).is_empty());
        example.settings.append = false;
        example.target().journal = Some(Journal {
            migration: "zz99".to_owned(),
            origin: JournalOrigin::Filled,
            copied: [fixture::public("orders")].into(),
            appended: [].into(),
            large_objects: false,
            complete: false,
        });
        assert_eq!(ids(&example), ["unfinished-run"]);
    }
}
