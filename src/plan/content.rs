//! What a database holds, sorted by what has to be done with it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::{Content, TablePlan, select};
use crate::facts::{DatabaseFacts, Persistence, Table, TableKind};
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
    let carried = source.tables.iter().filter(|table| select::carries(selection, database, table));
    let (leaves, own): (Vec<&Table>, Vec<&Table>) = carried.partition(|table| table.load_through.is_some());
    let mut tables: Vec<TablePlan> = own
        .into_iter()
        .map(|table| plan_table(table, existing.get(&table.name).copied()))
        .chain(plan_trees(source, &leaves, &existing))
        .collect();
    tables.sort_by_key(|table| Reverse(table.bytes));
    Content {
        tables,
        sequences: source.sequences.iter().filter(|it| it.extension.is_none()).map(|it| it.name.clone()).collect(),
        materialized_views: source
            .materialized_views
            .iter()
            .filter(|view| view.populated && view.extension.is_none())
            .map(|view| view.name.clone())
            .collect(),
        partition_roots: source
            .tables
            .iter()
            .filter(|table| table.kind == TableKind::Partitioned && table.extension.is_none())
            .map(|table| table.name.clone())
            .collect(),
        publications: source.publications.iter().any(|publication| !publication.name.starts_with(PREFIX)),
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

/// One plan for each tree whose `leaves` are loaded through its root; for single leaves, where others of the tree are not
/// carried.
fn plan_trees(source: &DatabaseFacts, leaves: &[&Table], existing: &HashMap<&QualifiedName, &Table>) -> Vec<TablePlan> {
    let mut trees: BTreeMap<&QualifiedName, Vec<&Table>> = BTreeMap::new();
    for &leaf in leaves {
        trees.entry(leaf.load_through.as_ref().unwrap_or(&leaf.name)).or_default().push(leaf);
    }
    let all = source.tables_by_name();
    let mut plans = Vec::new();
    for (root, leaves) in trees {
        let of_tree = |table: &&Table| table.kind == TableKind::Ordinary && table.load_through.as_ref() == Some(root);
        match all.get(root) {
            Some(table) if source.tables.iter().filter(of_tree).count() == leaves.len() => {
                let bytes = leaves.iter().map(|leaf| u64::try_from(leaf.bytes).unwrap_or(0)).sum();
                plans.push(TablePlan { partitioned: true, bytes, ..plan_table(table, existing.get(root).copied()) });
            }
            _ => plans.extend(leaves.iter().map(|leaf| plan_table(leaf, existing.get(&leaf.name).copied()))),
        }
    }
    plans
}

fn plan_table(table: &Table, existing: Option<&Table>) -> TablePlan {
    TablePlan {
        name: table.name.clone(),
        columns: loadable(table),
        partitioned: false,
        configuration: table.configuration.is_some(),
        condition: table.configuration.clone().filter(|condition| !condition.is_empty()),
        binary: table.binary_safe && existing.is_none_or(|existing| same_types(table, existing)),
        bytes: u64::try_from(table.bytes).unwrap_or(0),
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
