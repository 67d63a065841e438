//! What a database holds, sorted by what has to be done with it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Content, TablePlan, select};
use crate::facts::{DatabaseFacts, Persistence, Sequence, Table, TableKind};
use crate::settings::Selection;
use crate::sql::names::PREFIX;
use crate::sql::{Ident, QualifiedName};

/// Sorts `source`, as if nothing were replicated. `existing` is the target database whose tables are filled, where it keeps
/// those it has.
pub(super) fn sort(
    selection: &Selection,
    database: &str,
    source: &DatabaseFacts,
    existing: Option<&DatabaseFacts>,
) -> Content {
    let existing = existing.map(DatabaseFacts::tables_by_name).unwrap_or_default();
    let mut tables: Vec<TablePlan> = carried(selection, database, source)
        .iter()
        .map(|carried| plan_table(carried, existing.get(&carried.table.name).copied()))
        .collect();
    tables.sort_by_key(|table| Reverse(table.bytes));
    Content {
        tables,
        sequences: source
            .sequences
            .iter()
            .filter(|it| carries_value(selection, it))
            .map(|it| it.name.clone())
            .collect(),
        materialized_views: views(source, false),
        opaque_views: views(source, true),
        partition_roots: source
            .tables
            .iter()
            .filter(|table| table.kind == TableKind::Partitioned && table.extension.is_none())
            .map(|table| table.name.clone())
            .collect(),
        publications: source.publications.iter().any(|publication| !publication.name.starts_with(PREFIX)),
        event_triggers: source.event_triggers.iter().any(|trigger| trigger.extension.is_none()),
        large_objects: source.large_objects.count > 0,
        seen: source
            .tables
            .iter()
            .filter(|table| table.kind == TableKind::Ordinary)
            .map(|table| (table.name.clone(), loadable(table)))
            .collect(),
        identity_indexes: source.tables.iter().filter_map(|table| table.identity_index).collect(),
        ..Content::default()
    }
}

/// The tables whose every change a publication may carry as they are.
pub(super) fn publishable<'a>(
    selection: &'a Selection,
    database: &'a str,
    source: &'a DatabaseFacts,
) -> impl Iterator<Item = &'a Table> {
    replicable(selection, database, source).filter(|table| table.replica_identity.serves())
}

/// The tables that a publication of ours may hold, whatever identifies their rows. Partitions are listed one by one, so that
/// the target may attach them as it likes; their roots never are. A partition whose rows belong to other partitions on the
/// target is not.
pub(super) fn replicable<'a>(
    selection: &'a Selection,
    database: &'a str,
    source: &'a DatabaseFacts,
) -> impl Iterator<Item = &'a Table> {
    source.tables.iter().filter(move |table| {
        select::carries(selection, database, table)
            && table.extension.is_none()
            && table.persistence == Persistence::Permanent
            && table.load_through.is_none()
    })
}

/// Whether the value of a sequence is carried: that of an extension's own only where it counts for rows that users write.
fn carries_value(selection: &Selection, sequence: &Sequence) -> bool {
    sequence.extension.as_ref().is_none_or(|extension| {
        sequence.configuration && selection.extension_tables && !selection.excluded_extensions.contains(extension)
    })
}

/// A table whose rows are carried.
pub(super) struct Carried<'a> {
    /// The table; a partitioned one stands for all its partitions.
    pub(super) table: &'a Table,
    /// Bytes on the server that it was seen on.
    pub(super) bytes: u64,
}

/// The tables whose rows are carried. Partitions that are loaded through their root are one entry, that of the root; but
/// where others of the tree are not carried, or are foreign tables, each of them is its own.
pub(super) fn carried<'a>(selection: &Selection, database: &str, source: &'a DatabaseFacts) -> Vec<Carried<'a>> {
    let single = |table: &'a Table| Carried { table, bytes: u64::try_from(table.bytes).unwrap_or(0) };
    let mut carried = Vec::new();
    let mut trees: BTreeMap<&QualifiedName, Vec<&Table>> = BTreeMap::new();
    for table in source.tables.iter().filter(|table| select::carries(selection, database, table)) {
        match &table.load_through {
            Some(root) => trees.entry(root).or_default().push(table),
            None => carried.push(single(table)),
        }
    }
    for (root, leaves) in trees {
        // A foreign table's rows are elsewhere: through a root that has one they would be read, and written, there.
        let of_tree =
            |table: &&Table| table.kind != TableKind::Partitioned && table.load_through.as_ref() == Some(root);
        match source.table(root) {
            Some(table) if source.tables.iter().filter(of_tree).count() == leaves.len() => {
                carried.push(Carried { table, bytes: leaves.into_iter().map(|leaf| single(leaf).bytes).sum() });
            }
            _ => carried.extend(leaves.into_iter().map(single)),
        }
    }
    carried
}

fn plan_table(carried: &Carried<'_>, existing: Option<&Table>) -> TablePlan {
    let table = carried.table;
    TablePlan {
        name: table.name.clone(),
        columns: loadable(table),
        partitioned: table.kind == TableKind::Partitioned,
        configuration: table.configuration.is_some(),
        condition: table.configuration.clone().filter(|condition| !condition.is_empty()),
        binary: table.binary_safe && existing.is_none_or(|existing| same_types(table, existing)),
        bytes: carried.bytes,
    }
}

fn loadable(table: &Table) -> Vec<Ident> {
    table.columns.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect()
}

fn same_types(table: &Table, existing: &Table) -> bool {
    table.columns.iter().filter(|column| !column.generated).all(|column| {
        existing.columns.iter().any(|there| there.name == column.name && there.type_name == column.type_name)
    })
}

/// Materialized views to fill.
fn views(source: &DatabaseFacts, opaque: bool) -> Vec<QualifiedName> {
    let own = source.materialized_views.iter().filter(|view| view.populated && view.extension.is_none());
    own.filter(|view| view.opaque == opaque).map(|view| view.name.clone()).collect()
}
