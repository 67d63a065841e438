//! Rows on the source: whether all of them can be read.

use std::collections::BTreeMap;

use super::{Case, Check, Found, list};
use crate::facts::{Table, TableKind};
use crate::sql;
use crate::sql::{Ident, QualifiedName};

pub(super) const CHECKS: &[Check] = &[
    Check::new("unreadable-table", tables),
    Check::new("unreadable-sequence", sequences),
    Check::new("unreadable-large-objects", large_objects),
    Check::new("row-security", row_security),
    Check::new("unlogged-on-standby", unlogged_on_standby),
    Check::new("scattered-partitions", scattered_partitions),
];

fn tables(case: &Case<'_>) -> Vec<Found> {
    unreadable(case, "tables", |database| {
        database.carried().filter(|table| !table.readable).map(|table| &table.name).collect()
    })
}

fn sequences(case: &Case<'_>) -> Vec<Found> {
    unreadable(case, "sequences", |database| {
        let own = database.source.sequences.iter().filter(|sequence| sequence.extension.is_none());
        own.filter(|sequence| !sequence.readable).map(|sequence| &sequence.name).collect()
    })
}

/// One finding for each schema with relations that `find` says cannot be read.
fn unreadable<'a>(
    case: &Case<'a>,
    kind: &'static str,
    find: impl Fn(super::Database<'a>) -> Vec<&'a QualifiedName>,
) -> Vec<Found> {
    let user = Ident::new(&case.facts.source.user.name);
    let mut found = Vec::new();
    for database in case.databases() {
        let mut schemas = BTreeMap::<_, Vec<_>>::new();
        for name in find(database) {
            schemas.entry(&name.schema).or_default().push(name);
        }
        for (schema, names) in schemas {
            let message = format!(
                "{user} may not read {kind} of schema {schema} in database '{}' of the source: {}",
                database.name,
                list(names)
            );
            let grant = sql!(
                "GRANT USAGE ON SCHEMA {} TO {}; GRANT SELECT ON ALL {} IN SCHEMA {} TO {}",
                schema,
                user,
                if kind == "tables" { "TABLES" } else { "SEQUENCES" },
                schema,
                user
            );
            found.push(
                Found::error(format!("schema {} {schema}", Ident::new(database.name)), message)
                    .fix(database.on_source(grant)),
            );
        }
    }
    found
}

fn large_objects(case: &Case<'_>) -> Vec<Found> {
    let user = Ident::new(&case.facts.source.user.name);
    case.databases()
        .filter(|database| database.source.large_objects.unreadable > 0)
        .map(|database| {
            let message = format!(
                "{user} may not read {} large objects in database '{}' of the source",
                database.source.large_objects.unreadable, database.name
            );
            let grant = sql!("GRANT SELECT ON LARGE OBJECT … TO {}", user);
            Found::error(database.subject(), message)
                .fix(format!("{} for each, or GRANT their owners' roles to {user}", database.on_source(grant)))
        })
        .collect()
}

fn row_security(case: &Case<'_>) -> Vec<Found> {
    let user = &case.facts.source.user;
    let bypass = sql!("ALTER ROLE {} BYPASSRLS", Ident::new(&user.name));
    let mut found = Vec::new();
    for database in case.databases() {
        for table in database.carried() {
            if table.hides_rows_from(user) {
                let message = format!(
                    "Row level security of table {} in database '{}' may hide rows of the source from us",
                    table.name, database.name
                );
                found.push(Found::error(database.table(&table.name), message).fix(format!("source: {bypass}")));
            }
        }
    }
    found
}

fn unlogged_on_standby(case: &Case<'_>) -> Vec<Found> {
    let absent = |database: super::Database<'_>| -> Vec<_> {
        let tables = database.source.tables.iter().filter(|table| !table.present && table.kind == TableKind::Ordinary);
        tables.map(|table| table.name.clone()).collect()
    };
    case.databases()
        .map(|database| (database, absent(database)))
        .filter(|(_, tables)| !tables.is_empty())
        .map(|(database, tables)| {
            let message =
                format!("unlogged tables arrive empty, because a standby does not have their rows: {}", list(tables));
            Found::warning(database.subject(), message).fix("migrate from the primary")
        })
        .collect()
}

/// Partitions by a hash that is another on every server, which are copied one by one all the same: those of a tree that
/// cannot be loaded through its root. Without rows they do no harm.
fn scattered_partitions(case: &Case<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for database in case.databases() {
        let mut trees = BTreeMap::<_, Vec<_>>::new();
        for table in database.carried().filter(|table| table.kind == TableKind::Ordinary && table.bytes > 0) {
            if let Some(root) = &table.load_through {
                trees.entry(root).or_default().push(&table.name);
            }
        }
        for (root, partitions) in trees {
            let is_foreign =
                |table: &Table| table.kind == TableKind::Foreign && table.load_through.as_ref() == Some(root);
            let (cause, fix) = if database.source.tables.iter().any(is_foreign) {
                let fix = "leave its partitions out with --skip-table, and insert their rows into it on the target";
                ("a partition of it is a foreign table", fix)
            } else {
                ("other partitions of it are left out", "select all of its partitions, or none")
            };
            let message = format!(
                "Table {root} in database '{}' is partitioned by a hash that is another on every server, as that of an enum is, \
                 and because {cause}, its partitions are copied one by one: the target would refuse rows of {}",
                database.name,
                list(partitions)
            );
            found.push(Found::error(database.table(root), message).fix(fix));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{LargeObjects, RowSecurity, Table, TableKind, fixture};
    use crate::plan::example::Example;
    use crate::settings::TableFilter;
    use crate::validate::tests::{Change, ids};

    fn bind(example: &mut Example, security: RowSecurity) {
        Example::demote(&mut example.facts.source);
        example.facts.source.user.bypass_rls = false;
        example.source().tables[0].row_security = security;
    }

    /// A dump of a table that is partitioned by the hash of an enum.
    fn scatter(example: &mut Example) {
        example.settings.force_method = Some(crate::settings::Method::Dump);
        let leaf = |name| Table { load_through: Some(fixture::public("moods")), ..fixture::table(name) };
        let root = Table { kind: TableKind::Partitioned, bytes: 0, ..fixture::table("moods") };
        example.source().tables.extend([root, leaf("moods_0"), leaf("moods_1")]);
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("unreadable-table", |it| it.source().tables[0].readable = false),
        ("unreadable-sequence", |it| it.source().sequences[0].readable = false),
        ("unreadable-large-objects", |it| {
            it.source().large_objects = LargeObjects { count: 3, unreadable: 1 };
            it.settings.force_method = Some(crate::settings::Method::Dump);
        }),
        ("unlogged-on-standby", |it| it.source().tables[0].present = false),
        ("scattered-partitions", |it| {
            scatter(it);
            it.settings.selection.tables = TableFilter::Skip(vec![crate::plan::example::pattern("moods_1")]);
        }),
        ("row-security", |it| bind(it, RowSecurity::Forced)),
        ("row-security", |it| {
            bind(it, RowSecurity::Enabled);
            it.source().tables[0].owned = false;
            it.settings.force_method = Some(crate::settings::Method::Dump);
        }),
    ];

    #[test]
    fn a_table_that_is_not_copied_need_not_be_readable() {
        let mut example = Example::new();
        example.source().tables[0].readable = false;
        example.settings.selection.tables = TableFilter::Skip(vec![crate::plan::example::pattern("orders")]);
        assert!(ids(&example).is_empty());
    }

    #[test]
    fn partitions_that_are_loaded_through_their_root_or_have_no_rows_scatter_nothing() {
        let mut example = Example::new();
        scatter(&mut example);
        assert!(ids(&example).is_empty());
        example.settings.selection.tables = TableFilter::Skip(vec![crate::plan::example::pattern("moods_1")]);
        for table in &mut example.source().tables {
            table.bytes = 0;
        }
        assert!(ids(&example).is_empty());
    }

    #[test]
    fn owners_see_all_rows_unless_row_security_is_forced() {
        let mut example = Example::new();
        bind(&mut example, RowSecurity::Enabled);
        assert!(ids(&example).is_empty());
    }
}
