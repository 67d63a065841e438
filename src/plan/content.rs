//! What a database holds, sorted by what has to be done with it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::format::Formats;
use super::{Content, TablePlan, builds, select};
use crate::facts::{Column, DatabaseFacts, MaterializedView, Persistence, Sequence, Table, TableKind};
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
    formats: &Formats<'_>,
) -> Content {
    let existing = existing.map(DatabaseFacts::tables_by_name).unwrap_or_default();
    let mut tables: Vec<TablePlan> = carried(selection, database, source)
        .iter()
        .map(|carried| plan_table(carried, existing.get(&carried.table.name).copied(), formats))
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
        emptied_views: own_views(source).filter(|view| view.needed).map(|view| view.name.clone()).collect(),
        partition_roots: source
            .tables
            .iter()
            .filter(|table| table.kind == TableKind::Partitioned && table.extension.is_none())
            .map(|table| table.name.clone())
            .collect(),
        publications: source.publications.iter().any(|publication| !publication.name.starts_with(PREFIX)),
        event_triggers: source.event_triggers.iter().any(|trigger| trigger.extension.is_none()),
        large_objects: source.large_objects.count > 0,
        seen: seen(source),
        build_costs: source.large_indexes.iter().map(|index| (index.name.clone(), builds::cost(index))).collect(),
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

fn plan_table(carried: &Carried<'_>, existing: Option<&Table>, formats: &Formats<'_>) -> TablePlan {
    let table = carried.table;
    TablePlan {
        name: table.name.clone(),
        columns: loadable(table),
        partitioned: table.kind == TableKind::Partitioned,
        partition: !table.ancestors.is_empty(),
        parent: table.parent,
        configuration: table.configuration.is_some(),
        condition: table.configuration.clone().filter(|condition| !condition.is_empty()),
        format: formats.choose(table, existing),
        bytes: carried.bytes,
        blocks: if table.configuration.is_none() && existing.is_none() { table.blocks } else { 0 },
        parts: Vec::new(),
    }
}

/// A column as inspection saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenColumn {
    /// Its name.
    pub name: Ident,
    /// The OID of its type on the source.
    pub type_id: u32,
    /// What the type has in brackets, as `atttypmod`.
    pub type_modifier: i32,
}

impl SeenColumn {
    /// One whose values can be loaded.
    fn of(column: &Column) -> Option<Self> {
        let Column { name, type_id, type_modifier, generated, .. } = column;
        (!generated).then(|| Self { name: name.clone(), type_id: *type_id, type_modifier: *type_modifier })
    }
}

fn loadable(table: &Table) -> Vec<Ident> {
    table.columns.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect()
}

/// What has contents, as inspection saw it.
fn seen(source: &DatabaseFacts) -> BTreeMap<QualifiedName, Vec<SeenColumn>> {
    let ordinary = source.tables.iter().filter(|table| table.kind == TableKind::Ordinary);
    let tables = ordinary.map(|table| (table.name.clone(), table.columns.iter().filter_map(SeenColumn::of).collect()));
    let sequences = source.sequences.iter().map(|sequence| &sequence.name);
    let others = sequences.chain(source.materialized_views.iter().map(|view| &view.name));
    tables.chain(others.map(|name| (name.clone(), Vec::new()))).collect()
}

/// Materialized views that no extension brings.
fn own_views(source: &DatabaseFacts) -> impl Iterator<Item = &MaterializedView> {
    source.materialized_views.iter().filter(|view| view.extension.is_none())
}

/// Materialized views to fill.
fn views(source: &DatabaseFacts, opaque: bool) -> Vec<QualifiedName> {
    let filled = own_views(source).filter(|view| view.populated || view.needed);
    filled.filter(|view| view.opaque == opaque).map(|view| view.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{CandidateIndex, IdentityFlaw, ReplicaIdentity, fixture};
    use crate::plan::Transfer;
    use crate::plan::example::{Example, pattern};
    use crate::settings::{IdentityPolicy, TableFilter};

    #[test]
    fn tables_that_replication_does_not_carry_are_copied_again_at_the_finish() {
        let mut example = Example::new();
        let missing = ReplicaIdentity::Missing { candidate: None, full_serves: true };
        example.source().tables.extend([
            Table { persistence: Persistence::Unlogged, ..fixture::table("cache") },
            Table { replica_identity: missing, bytes: 9_000_000, ..fixture::table("log") },
            Table { kind: TableKind::Partitioned, ..fixture::table("events") },
            Table { ancestors: vec![fixture::public("events")], ..fixture::table("events_1") },
            Table { kind: TableKind::Foreign, ..fixture::table("elsewhere") },
            Table {
                extension: Some("postgis".to_owned()),
                configuration: Some("WHERE srid > 998999".to_owned()),
                ..fixture::table("spatial_ref_sys")
            },
        ]);
        let plan = example.plan();
        let content = plan.content("app");
        assert_eq!(names(&content.tables)[0], "log");
        assert_eq!(content.published, [fixture::public("orders"), fixture::public("events_1")]);
        assert_eq!(names(&content.recopied), ["log", "cache", "spatial_ref_sys"]);
        assert_eq!(content.recopied[2].condition.as_deref(), Some("WHERE srid > 998999"));
        assert_eq!(content.partition_roots, [fixture::public("events")]);
    }

    #[test]
    fn a_policy_publishes_the_tables_that_it_fits_and_copies_the_others_again() {
        let candidate = || Some(CandidateIndex { name: Ident::new("log_key"), oid: 16_500 });
        let policies: &[(IdentityPolicy, &[&str], &[&str])] = &[
            (IdentityPolicy::CopyAtFinish, &[], &["bare", "keyed", "odd", "foreign"]),
            (IdentityPolicy::Fail, &[], &["bare", "keyed", "odd", "foreign"]),
            (IdentityPolicy::Full, &["bare", "keyed"], &["odd", "foreign"]),
            (IdentityPolicy::Index, &["keyed"], &["bare", "odd", "foreign"]),
            (IdentityPolicy::InsertOnly, &["bare", "keyed", "odd"], &["foreign"]),
        ];
        for (policy, published, recopied) in policies {
            let mut example = Example::new();
            example.settings.replica_identity = *policy;
            let table = |name, replica_identity| Table { replica_identity, ..fixture::table(name) };
            let missing = |candidate, full_serves| ReplicaIdentity::Missing { candidate, full_serves };
            Example::demote(&mut example.facts.source);
            example.source().tables = vec![
                table("bare", missing(None, true)),
                table("keyed", missing(candidate(), true)),
                table("odd", ReplicaIdentity::Unusable { flaw: IdentityFlaw::Incomparable, candidate: None }),
                Table { owned: false, ..table("foreign", missing(candidate(), true)) },
            ];
            let plan = example.plan();
            let content = plan.content("app");
            let public = |names: &[&str]| names.iter().map(|name| fixture::public(name)).collect::<Vec<_>>();
            assert_eq!(content.published, public(published), "{policy:?}");
            assert_eq!(names(&content.recopied), *recopied, "{policy:?}");
            assert_eq!(plan.transfer("app"), Transfer::SlotHandOver, "{policy:?}");
            assert_eq!(content.insert_only.len(), if *policy == IdentityPolicy::InsertOnly { 3 } else { 0 });
            assert_eq!(content.identity_indexes.len(), usize::from(*policy == IdentityPolicy::Index));
        }
    }

    #[test]
    fn a_table_that_the_target_has_keeps_its_own_replica_identity() {
        for (policy, published) in [(IdentityPolicy::Full, true), (IdentityPolicy::Index, false)] {
            let mut example = Example::new();
            example.settings.replica_identity = policy;
            let candidate = Some(CandidateIndex { name: Ident::new("orders_key"), oid: 16_500 });
            example.source().tables[0].replica_identity = ReplicaIdentity::Missing { candidate, full_serves: true };
            example.target().tables.push(fixture::table("orders"));
            example.target().user_objects = 1;
            let plan = example.plan();
            let content = plan.content("app");
            assert_eq!(content.published.len(), usize::from(published), "{policy:?}");
            assert!(content.identity_changes.iter().all(|change| !change.on_target), "{policy:?}");
        }
    }

    /// A partitioned table whose two partitions other rows belong to on another server.
    fn moody(example: &mut Example) {
        let tree = Some(fixture::public("moods"));
        let leaf = |name| Table {
            ancestors: vec![fixture::public("moods")],
            load_through: tree.clone(),
            bytes: 700,
            ..fixture::table(name)
        };
        let root = Table { kind: TableKind::Partitioned, ..fixture::table("moods") };
        example.source().tables.extend([root, leaf("moods_0"), leaf("moods_1")]);
    }

    #[test]
    fn partitions_by_a_hash_of_oids_are_loaded_through_their_root_and_not_published() {
        let mut example = Example::new();
        moody(&mut example);
        let plan = example.plan();
        let content = plan.content("app");
        let tree = content.tables.iter().find(|table| table.name == fixture::public("moods")).unwrap();
        assert!(tree.partitioned);
        assert_eq!(tree.bytes, 1400);
        assert_eq!(names(&content.recopied), ["moods"]);
        assert_eq!(content.published, [fixture::public("orders")]);
    }

    #[test]
    fn one_of_several_such_partitions_is_copied_by_itself() {
        let mut example = Example::new();
        moody(&mut example);
        example.settings.selection.tables = TableFilter::With(vec![pattern("moods_1")]);
        let plan = example.plan();
        assert_eq!(names(&plan.content("app").tables), ["moods_1"]);
    }

    #[test]
    fn a_table_filter_leaves_out_rows_and_nothing_else() {
        let mut example = Example::new();
        example.source().tables.push(fixture::table("log"));
        example.settings.selection.tables = TableFilter::Skip(vec![pattern("log")]);
        let plan = example.plan();
        assert_eq!(names(&plan.content("app").tables), ["orders"]);
        assert_eq!(plan.content("app").published, [fixture::public("orders")]);
        assert_eq!(plan.content("app").sequences.len(), 1);
    }

    #[test]
    fn generated_columns_are_not_copied() {
        let mut example = Example::new();
        example.source().tables[0].columns[1].generated = true;
        let plan = example.plan();
        assert_eq!(plan.content("app").tables[0].columns, [crate::sql::Ident::new("id")]);
    }

    fn names(tables: &[TablePlan]) -> Vec<&str> {
        tables.iter().map(|TablePlan { name: QualifiedName { name, .. }, .. }| name.as_str()).collect()
    }
}
