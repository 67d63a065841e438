//! Databases: whether they can be reached, created and filled.

use super::{Case, Check, Found, list, subject};
use crate::facts::{DatabaseEntry, LocaleProvider, Side};
use crate::plan::{Creation, creation, select};
use crate::settings::TableFilter;
use crate::sql;
use crate::sql::{Ident, Literal};

pub(super) const CHECKS: &[Check] = &[
    Check::new("database-missing", missing),
    Check::new("createdb-right", createdb_right),
    Check::new("create-right", create_right),
    Check::new("locale-unknown", locale_unknown),
    Check::new("encoding-differs", encoding_differs),
    Check::new("locale-differs", locale_differs),
    Check::new("read-only-setting", read_only_setting),
    Check::new("size-budget", size_budget),
    Check::new("database-unreachable", unreachable),
    Check::new("database-not-yours", not_yours),
];

fn missing(case: &Case<'_>) -> Vec<Found> {
    if case.settings.create_databases {
        return Vec::new();
    }
    let absent = case.facts.databases.iter().filter(|pair| pair.target.is_none());
    absent
        .map(|pair| {
            let message = format!("Database '{}' doesn't exist in target (not creating databases)", pair.name);
            let create = sql!("CREATE DATABASE {}", Ident::new(&pair.name));
            Found::error(subject("database", &pair.name), message)
                .fix(format!("target: {create}, or run without --no-createdb"))
        })
        .collect()
}

fn createdb_right(case: &Case<'_>) -> Vec<Found> {
    let user = &case.facts.target.user;
    let created: Vec<_> = case
        .migrations()
        .filter(|(_, it)| matches!(it.creation, Creation::Create(_) | Creation::Recreate(_)))
        .map(|(database, _)| Ident::new(database.name))
        .collect();
    if created.is_empty() || user.superuser || user.create_database || !case.settings.create_databases {
        return Vec::new();
    }
    let user = Ident::new(&user.name);
    let message = format!("{user} may not create databases on the target, and these are not there: {}", list(created));
    vec![Found::error(Side::Target, message).fix(format!("target: {}", sql!("ALTER ROLE {} CREATEDB", user)))]
}

fn create_right(case: &Case<'_>) -> Vec<Found> {
    let user = Ident::new(&case.facts.target.user.name);
    case.migrations()
        .filter(|(_, it)| matches!(it.creation, Creation::UseEmpty { .. } | Creation::UseFilled))
        .filter(|(database, _)| database.target.is_some_and(|target| !target.may_create))
        .map(|(database, _)| {
            let message = format!("{user} may not create schemas in database '{}' of the target", database.name);
            let grant = sql!("GRANT CREATE ON DATABASE {} TO {}", Ident::new(database.name), user);
            Found::error(database.subject(), message)
                .fix(format!("target: {grant}, or leave the database out with --filtered-db {}", database.name))
        })
        .collect()
}

fn locale_unknown(case: &Case<'_>) -> Vec<Found> {
    case.facts
        .databases
        .iter()
        .filter(|pair| pair.target.is_none() && !pair.locale_known && case.settings.create_databases)
        .filter_map(|pair| case.facts.source.database(&pair.name))
        .map(|entry| {
            let message = format!(
                "Database '{}' cannot be created as it is: the target does not know its locale (collation {}, character \
                 type {}, encoding {})",
                entry.name, entry.collate, entry.ctype, entry.encoding
            );
            let create = sql!(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'",
                Ident::new(&entry.name),
                Literal::new(&entry.encoding)
            );
            Found::error(subject("database", &entry.name), message).fix(format!(
                "install the locale on the target's host, or create the database with another one, target: {create}"
            ))
        })
        .collect()
}

/// Databases on both sides, as both catalogs list them.
fn on_both<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a DatabaseEntry, &'a DatabaseEntry)> {
    let facts = case.facts;
    let there = facts.databases.iter().filter(|pair| pair.target.is_some());
    there.filter_map(|pair| Some((facts.source.database(&pair.name)?, facts.target.database(&pair.name)?)))
}

fn encoding_differs(case: &Case<'_>) -> Vec<Found> {
    on_both(case)
        .filter(|(source, target)| source.encoding != target.encoding)
        .map(|(source, target)| {
            let about = subject("database", &source.name);
            let fix = format!(
                "drop the database on the target and let it be created with encoding {}, unless another one is meant",
                source.encoding
            );
            if converts(&source.encoding, &target.encoding) {
                let message = format!(
                    "its encoding is {} on the source and {} on the target: text that the target's encoding does not \
                     have makes the copy fail",
                    source.encoding, target.encoding
                );
                Found::warning(about, message).fix(fix)
            } else {
                let message = format!(
                    "Database '{}' has encoding {} on the source and {} on the target, and PostgreSQL does not convert \
                     between them",
                    source.name, source.encoding, target.encoding
                );
                Found::error(about, message).fix(fix)
            }
        })
        .collect()
}

/// Whether PostgreSQL has a conversion: UTF8 has one with every other encoding, and few others have one among themselves.
fn converts(from: &str, to: &str) -> bool {
    const FAMILIES: &[&[&str]] = &[
        &["LATIN2", "WIN1250", "MULE_INTERNAL"],
        &["KOI8R", "WIN1251", "WIN866", "ISO_8859_5", "MULE_INTERNAL"],
        &["EUC_JP", "MULE_INTERNAL"],
        &["EUC_TW", "MULE_INTERNAL"],
    ];
    let any = |encoding: &str| matches!(encoding, "UTF8" | "SQL_ASCII");
    any(from) || any(to) || FAMILIES.iter().any(|family| family.contains(&from) && family.contains(&to))
}

fn locale_differs(case: &Case<'_>) -> Vec<Found> {
    on_both(case)
        .filter(|(source, target)| {
            (source.provider, &source.collate, &source.ctype, &source.locale)
                != (target.provider, &target.collate, &target.ctype, &target.locale)
        })
        .map(|(source, target)| {
            let message = format!(
                "it sorts and compares text as {} on the source and as {} on the target: the order of results and what \
                 unique indexes take for equal may differ",
                locale(source),
                locale(target)
            );
            Found::warning(subject("database", &source.name), message).fix(
                "drop the database on the target and let it be created as it is on the source, unless this is meant",
            )
        })
        .collect()
}

fn locale(entry: &DatabaseEntry) -> String {
    let provider = match entry.provider {
        LocaleProvider::Libc => "libc",
        LocaleProvider::Icu => "ICU",
        LocaleProvider::Builtin => "builtin",
    };
    let name = entry.locale.as_ref().unwrap_or(&entry.collate);
    format!("{name} ({provider}, character type {})", entry.ctype)
}

fn read_only_setting(case: &Case<'_>) -> Vec<Found> {
    case.databases()
        .filter(|database| {
            let entry = case.facts.source.database(database.name);
            entry.is_some_and(|entry| entry.properties.settings.iter().any(creation::closes_to_writers))
        })
        .map(|database| {
            let message = "its setting default_transaction_read_only is not carried: the target takes writes";
            Found::info(database.subject(), message)
        })
        .collect()
}

fn size_budget(case: &Case<'_>) -> Vec<Found> {
    let Some(limit) = case.settings.max_total_size else { return Vec::new() };
    let all_tables = matches!(case.settings.selection.tables, TableFilter::All);
    let size: u64 = case
        .facts
        .databases
        .iter()
        .map(|pair| match &pair.source {
            Ok(source) if !all_tables => source
                .tables
                .iter()
                .filter(|table| select::carries(&case.settings.selection, &pair.name, table))
                .map(|table| table.bytes)
                .sum(),
            _ => case.facts.source.database(&pair.name).map_or(0, |entry| entry.bytes),
        })
        .map(|bytes: i64| u64::try_from(bytes).unwrap_or(0))
        .sum();
    if size <= limit {
        return Vec::new();
    }
    let message = format!("Databases do not fit to the required maximum size ({size} > {limit})");
    vec![Found::error(Side::Source, message).fix("leave databases out with --filtered-db, or tables with --skip-table")]
}

fn unreachable(case: &Case<'_>) -> Vec<Found> {
    case.facts
        .databases
        .iter()
        .flat_map(|pair| {
            let target = pair.target.as_ref().and_then(|target| target.as_ref().err());
            let sides = [(Side::Source, pair.source.as_ref().err()), (Side::Target, target)];
            sides.into_iter().filter_map(move |(side, words)| Some((pair, side, words?)))
        })
        .map(|(pair, side, words)| {
            let message = format!(
                "it cannot be connected to on the {side} and will be reported as failed, the others go on: {words}"
            );
            let leave_out = format!("leave it out with --filtered-db {}", pair.name);
            let closed =
                side == Side::Source && case.facts.source.database(&pair.name).is_some_and(|it| !it.connectable);
            let fix = if closed {
                let open = sql!("ALTER DATABASE {} ALLOW_CONNECTIONS true", Ident::new(&pair.name));
                format!("source: {open}, or {leave_out}")
            } else {
                leave_out
            };
            Found::warning(subject("database", &pair.name), message).fix(fix)
        })
        .collect()
}

fn not_yours(case: &Case<'_>) -> Vec<Found> {
    let selection = &case.settings.selection;
    let entries = case.facts.source.databases.iter();
    entries
        .filter(|entry| selection.asks_for_database(&entry.name) && !selection.takes_database(entry))
        .map(|entry| {
            let why = if entry.template { "it is a template" } else { "it belongs to the managed service" };
            Found::info(subject("database", &entry.name), format!("{why} and is not migrated"))
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{DatabaseEntry, DatabaseSetting, fixture};
    use crate::plan::example::{Example, pattern};
    use crate::settings::TableFilter;
    use crate::validate::tests::Change;

    fn target_entry(example: &mut Example) -> &mut DatabaseEntry {
        example.target();
        example.facts.target.databases.iter_mut().find(|entry| entry.name == "app").unwrap()
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("database-missing", |it| it.settings.create_databases = false),
        ("createdb-right", |it| {
            Example::demote(&mut it.facts.target);
            it.facts.target.user.create_database = false;
        }),
        ("create-right", |it| it.target().may_create = false),
        ("locale-unknown", |it| it.facts.databases[0].locale_known = false),
        ("encoding-differs", |it| target_entry(it).encoding = "LATIN1".to_owned()),
        ("encoding-differs", |it| {
            target_entry(it).encoding = "LATIN1".to_owned();
            it.facts.source.databases.last_mut().unwrap().encoding = "EUC_JP".to_owned();
        }),
        ("locale-differs", |it| target_entry(it).collate = "de_DE.UTF-8".to_owned()),
        ("read-only-setting", |it| {
            let name = "default_transaction_read_only".to_owned();
            let closed = DatabaseSetting { role: None, name, value: "on".to_owned() };
            it.facts.source.databases.last_mut().unwrap().properties.settings.push(closed);
        }),
        ("size-budget", |it| it.settings.max_total_size = Some(63_999_999)),
        ("size-budget", |it| {
            it.settings.max_total_size = Some(8191);
            it.settings.selection.tables = TableFilter::With(vec![pattern("orders")]);
        }),
        ("database-unreachable", |it| it.facts.databases[0].source = Err("permission denied".to_owned())),
        ("database-unreachable", |it| it.facts.databases[0].target = Some(Err("permission denied".to_owned()))),
        ("database-not-yours", |it| {
            it.facts.source.databases.push(DatabaseEntry { template: true, ..fixture::entry("blueprint") });
        }),
        ("database-not-yours", |it| {
            it.facts.source.databases.push(DatabaseEntry { connectable: false, ..fixture::entry("rdsadmin") });
        }),
    ];

    #[test]
    fn databases_that_fit_exactly_pass() {
        let mut example = Example::new();
        example.settings.max_total_size = Some(64_000_000);
        assert!(crate::validate::tests::ids(&example).is_empty());
    }
}
