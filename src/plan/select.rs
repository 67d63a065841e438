//! Which tables' rows are carried.

use crate::facts::{Table, TableKind};
use crate::settings::{Selection, TableFilter};

/// Whether the rows of `table` in `database` are carried.
pub(crate) fn carries(selection: &Selection, database: &str, table: &Table) -> bool {
    table.kind == TableKind::Ordinary
        && table.present
        && extension_allows(selection, table)
        && match &selection.tables {
            TableFilter::All => true,
            TableFilter::With(patterns) => patterns.iter().any(|pattern| names(pattern, database, table)),
            TableFilter::Skip(patterns) => !patterns.iter().any(|pattern| names(pattern, database, table)),
        }
}

/// Whether `pattern` means `table`, by its own name or that of a partitioned table above it.
pub(crate) fn names(pattern: &crate::settings::TablePattern, database: &str, table: &Table) -> bool {
    std::iter::once(&table.name).chain(&table.ancestors).any(|name| pattern.matches(database, name))
}

/// Rows of an extension's tables come with CREATE EXTENSION, but for those that users write into its configuration tables.
fn extension_allows(selection: &Selection, table: &Table) -> bool {
    match &table.extension {
        None => true,
        Some(extension) => {
            table.configuration.is_some()
                && selection.extension_tables
                && !selection.excluded_extensions.contains(extension)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::fixture::{public, table};
    use crate::settings::TablePattern;
    use crate::sql::{Ident, QualifiedName};

    fn pattern(database: Option<&str>, schema: Option<&str>, table: &str) -> TablePattern {
        TablePattern {
            text: table.to_owned(),
            database: database.map(Ident::new),
            schema: schema.map(Ident::new),
            table: Ident::new(table),
        }
    }

    #[test]
    fn a_pattern_for_a_partitioned_table_means_its_partitions() {
        let partition = Table { ancestors: vec![public("events")], ..table("events_2026") };
        let only_events =
            Selection { tables: TableFilter::With(vec![pattern(None, None, "events")]), ..Selection::default() };
        assert!(carries(&only_events, "app", &partition));
        assert!(!carries(&only_events, "app", &table("orders")));
    }

    #[test]
    fn rows_of_extensions_are_carried_only_from_configuration_tables() {
        let member = Table { extension: Some("postgis".to_owned()), ..table("spatial_ref_sys") };
        let configuration = Table { configuration: Some(String::new()), ..member.clone() };
        let with = Selection { extension_tables: true, ..Selection::default() };
        assert!(!carries(&with, "app", &member));
        assert!(carries(&with, "app", &configuration));
        assert!(!carries(&Selection::default(), "app", &configuration));
        let excluded = Selection { excluded_extensions: vec!["postgis".to_owned()], ..with };
        assert!(!carries(&excluded, "app", &configuration));
    }

    proptest! {
        #[test]
        fn with_and_skip_of_the_same_patterns_split_the_tables_in_two(
            database in "[ab]", schema in "[ab]", name in "[ab]",
            patterns in prop::collection::vec(
                (prop::option::of("[ab]"), prop::option::of("[ab]"), "[ab]"), 1..4),
        ) {
            let table = Table { name: QualifiedName::new(schema, name), ..table("") };
            let patterns: Vec<_> = patterns
                .iter()
                .map(|(database, schema, table)| pattern(database.as_deref(), schema.as_deref(), table))
                .collect();
            let with = Selection { tables: TableFilter::With(patterns.clone()), ..Selection::default() };
            let skip = Selection { tables: TableFilter::Skip(patterns), ..Selection::default() };
            prop_assert_ne!(carries(&with, &database, &table), carries(&skip, &database, &table));
        }

        #[test]
        fn a_longer_pattern_means_no_more_than_its_ending(
            database in "[ab]", schema in "[ab]", name in "[ab]", parts in ("[ab]", "[ab]", "[ab]"),
        ) {
            let table = QualifiedName::new(schema, name);
            let long = pattern(Some(&parts.0), Some(&parts.1), &parts.2).matches(&database, &table);
            let middle = pattern(None, Some(&parts.1), &parts.2).matches(&database, &table);
            let short = pattern(None, None, &parts.2).matches(&database, &table);
            prop_assert!(!long || middle);
            prop_assert!(!middle || short);
        }
    }
}
