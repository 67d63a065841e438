//! Tables that the target has already.

use super::{Case, Check, Database, Found, list};
use crate::facts::{DatabaseFacts, Table};
use crate::plan::{Creation, Migration};
use crate::sql;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[
    Check::new("target-rows", rows),
    Check::new("target-row-security", row_security),
    Check::new("target-columns", columns),
    Check::new("target-types", types),
    Check::new("target-triggers", triggers),
];

/// The copied tables that the target has and keeps: as on the source and as on the target.
fn kept<'a>(case: &Case<'a>) -> impl Iterator<Item = (Database<'a>, &'a Migration, &'a Table, &'a Table)> {
    case.migrations()
        .filter(|(_, it)| matches!(it.creation, Creation::UseEmpty { clean: false } | Creation::UseFilled { .. }))
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
        .filter(|(_, migration, _, target)| {
            let emptied = match &migration.creation {
                Creation::UseFilled { empty_first } => empty_first.contains(&target.name),
                Creation::UseEmpty { .. } | Creation::Create(_) | Creation::Recreate(_) => false,
            };
            target.has_rows && !emptied
        })
        .map(|(database, _, _, target)| {
            let message =
                format!("Table {} in database '{}' of the target already has rows", target.name, database.name);
            let truncate = database.on_target(sql!("TRUNCATE {}", target.name));
            Found::error(database.table(&target.name), message)
                .fix(format!("{truncate}; or --append to add to them, or --skip-table to leave them alone"))
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
            let fix = if target.version.grants_parameters() {
                format!("target: {}", sql!("GRANT SET ON PARAMETER session_replication_role TO {}", user))
            } else {
                "connect to the target as a superuser, or let the migration create the tables".to_owned()
            };
            Found::warning(database.subject(), message).fix(fix)
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Journal, JournalOrigin, RowSecurity, Table, fixture};
    use crate::plan::example::Example;
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
            replicating: false,
        });
        assert_eq!(ids(&example), ["unfinished-run"]);
    }
}
