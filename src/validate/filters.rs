//! What the user selected: words that mean nothing are more likely typing errors than wishes.

use super::{Case, Check, Found};
use crate::plan::select;
use crate::settings::{TableFilter, TablePattern};

pub(super) const CHECKS: &[Check] =
    &[Check::new("table-filter-unmatched", tables), Check::new("filtered-database-unknown", databases)];

fn tables(case: &Case<'_>) -> Vec<Found> {
    let (option, patterns) = match &case.settings.selection.tables {
        TableFilter::All => return Vec::new(),
        TableFilter::With(patterns) => ("--with-table", patterns),
        TableFilter::Skip(patterns) => ("--skip-table", patterns),
    };
    patterns
        .iter()
        .filter(|pattern| !matches_any(case, pattern) && !about_unreachable(case, pattern))
        .map(|pattern| {
            let written = format!("{option} {}", pattern.text);
            let message = format!("{written} matches no table of the databases that are migrated");
            Found::error(&written, message).fix(
                "correct or remove it; capitals count, and a name with dots needs double quotes inside the argument, as in \
                 '\"v1.orders\"'",
            )
        })
        .collect()
}

fn matches_any(case: &Case<'_>, pattern: &TablePattern) -> bool {
    case.databases()
        .any(|database| database.source.tables.iter().any(|table| select::names(pattern, database.name, table)))
}

/// Whether the pattern is about a database whose tables could not be read.
fn about_unreachable(case: &Case<'_>, pattern: &TablePattern) -> bool {
    let wanted = pattern.database.as_ref().map(|database| database.as_str());
    case.facts.databases.iter().any(|pair| pair.source.is_err() && Some(pair.name.as_str()) == wanted)
}

fn databases(case: &Case<'_>) -> Vec<Found> {
    let filtered = &case.settings.selection.filtered_databases;
    filtered
        .iter()
        .filter(|name| case.facts.source.database(name).is_none())
        .map(|name| Found::info(format!("--filtered-db {name}"), "the source has no database of this name"))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::plan::example::pattern;
    use crate::settings::TableFilter;
    use crate::validate::tests::Change;

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("table-filter-unmatched", |it| it.settings.selection.tables = TableFilter::With(vec![pattern("orderz")])),
        ("table-filter-unmatched", |it| it.settings.selection.tables = TableFilter::Skip(vec![pattern("orderz")])),
        ("filtered-database-unknown", |it| it.settings.selection.filtered_databases.push("ghost".to_owned())),
    ];
}
