//! Which index is built next.

use std::collections::{BTreeMap, BTreeSet};

use crate::sql::{Ident, QualifiedName, Sql};

/// The indexes of smaller tables are built by whole entries, many in one transaction.
pub(super) const SMALL: u64 = 8 * 1024 * 1024;

/// Entries of small tables that are created together.
const SMALL_AT_ONCE: usize = 50;

/// An index entry of the archive that is built by us.
#[derive(Clone, Debug)]
pub(super) struct Build {
    /// The entry.
    pub(super) dump_id: u32,
    /// See [`IndexDefinition`](super::super::definition::IndexDefinition).
    pub(super) index: Ident,
    pub(super) create: Option<Sql>,
    pub(super) finish: Vec<Sql>,
    /// It may look into other tables: built when all rows are there.
    pub(super) late: bool,
}

/// What one worker does at once.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// Creates one index; others of its table may be in work.
    Create { table: QualifiedName, build: Build },
    /// Makes constraints of the indexes of a table, and sets marks: all that could be created.
    Finish { table: QualifiedName, builds: Vec<Build> },
    /// Creates entries as they are, in one transaction.
    Small(Vec<u32>),
}

/// The indexes of one table.
#[derive(Debug, Default)]
struct OfTable {
    bytes: u64,
    rows_are_there: bool,
    waiting: Vec<Build>,
    in_work: usize,
    created: Vec<Build>,
}

/// The indexes of one database that are not there yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    tables: BTreeMap<QualifiedName, OfTable>,
    /// Smallest first: the next one is taken from the end.
    ready: Vec<(u64, Unit)>,
    small: Vec<u32>,
    /// Entries of tables that nobody says the rows of are there.
    last: Vec<u32>,
    all_rows_are_there: bool,
    in_work: usize,
    built: BTreeSet<u32>,
}

impl Queue {
    /// Adds an index of a table of `bytes`.
    pub(super) fn add(&mut self, table: QualifiedName, bytes: u64, build: Build) {
        let of_table = self.tables.entry(table).or_default();
        of_table.bytes = bytes;
        of_table.waiting.push(build);
    }

    /// An entry is complete from the beginning.
    pub(super) fn is_there(&mut self, dump_id: u32) {
        self.built.insert(dump_id);
    }

    /// Adds an entry that is built, as it is, when all rows are there.
    pub(super) fn add_last(&mut self, dump_id: u32) {
        self.last.push(dump_id);
    }

    /// All rows of `table` are committed.
    pub(super) fn rows_are_there(&mut self, table: &QualifiedName) {
        if let Some(of_table) = self.tables.get_mut(table) {
            of_table.rows_are_there = true;
            self.release(table);
        }
    }

    /// All rows of all tables are committed.
    pub(super) fn all_rows_are_there(&mut self) {
        self.all_rows_are_there = true;
        self.small.append(&mut self.last);
        let tables: Vec<_> = self.tables.keys().cloned().collect();
        for table in tables {
            self.rows_are_there(&table);
        }
    }

    /// Moves what can be done for `table` to where workers find it.
    fn release(&mut self, table: &QualifiedName) {
        let Some(of_table) = self.tables.get_mut(table) else { return };
        if !of_table.rows_are_there {
            return;
        }
        let all = self.all_rows_are_there;
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut of_table.waiting).into_iter().partition(|build| all || !build.late);
        of_table.waiting = later;
        if of_table.bytes < SMALL {
            self.small.extend(now.iter().map(|build| build.dump_id));
        } else {
            for build in now {
                if build.create.is_some() {
                    of_table.in_work += 1;
                    self.ready.push((of_table.bytes, Unit::Create { table: table.clone(), build }));
                } else {
                    of_table.created.push(build);
                }
            }
        }
        if of_table.waiting.is_empty() && of_table.in_work == 0 {
            let builds = std::mem::take(&mut of_table.created);
            if !builds.is_empty() {
                // It is short, and makes room.
                self.ready.push((u64::MAX, Unit::Finish { table: table.clone(), builds }));
            }
            self.tables.remove(table);
        }
        self.ready.sort_by_key(|(bytes, _)| *bytes);
    }

    /// The next one for a worker.
    pub(super) fn take(&mut self) -> Option<Unit> {
        let unit = match self.ready.pop() {
            Some((_, unit)) => unit,
            None if self.small.is_empty() => return None,
            None => Unit::Small(self.small.drain(..self.small.len().min(SMALL_AT_ONCE)).collect()),
        };
        self.in_work += 1;
        Some(unit)
    }

    /// An index was created, or refused.
    pub(super) fn created(&mut self, table: &QualifiedName, build: Option<Build>) {
        self.in_work -= 1;
        if let Some(of_table) = self.tables.get_mut(table) {
            of_table.in_work -= 1;
            of_table.created.extend(build);
        }
        self.release(table);
    }

    /// Entries are complete.
    pub(super) fn done(&mut self, entries: impl IntoIterator<Item = u32>) {
        self.in_work -= 1;
        self.built.extend(entries);
    }

    /// Whether nothing is left to do, nor will be.
    pub(super) fn is_finished(&self) -> bool {
        self.all_rows_are_there && self.in_work == 0 && self.ready.is_empty() && self.small.is_empty()
    }

    /// Whether an entry is complete.
    pub(super) fn has_built(&self, dump_id: u32) -> bool {
        self.built.contains(&dump_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql;

    fn build(dump_id: u32, late: bool) -> Build {
        let create = sql!("create index {}", dump_id);
        Build { dump_id, index: Ident::new("i"), create: Some(create), finish: Vec::new(), late }
    }

    fn table(name: &str) -> QualifiedName {
        QualifiedName::new("s", name)
    }

    /// What a worker would do now, shown briefly.
    fn take(queue: &mut Queue) -> String {
        match queue.take() {
            None => "nothing".to_owned(),
            Some(Unit::Create { build, .. }) => format!("create {}", build.dump_id),
            Some(Unit::Finish { builds, .. }) => {
                format!("finish {:?}", builds.iter().map(|build| build.dump_id).collect::<Vec<_>>())
            }
            Some(Unit::Small(entries)) => format!("small {entries:?}"),
        }
    }

    #[test]
    fn a_table_is_finished_when_its_indexes_are_there() {
        let mut queue = Queue::default();
        queue.add(table("big"), SMALL, build(1, false));
        queue.add(table("big"), SMALL, build(2, false));
        assert_eq!(take(&mut queue), "nothing");
        queue.rows_are_there(&table("big"));
        assert_eq!([take(&mut queue), take(&mut queue), take(&mut queue)], ["create 2", "create 1", "nothing"]);
        queue.created(&table("big"), Some(build(2, false)));
        assert_eq!(take(&mut queue), "nothing");
        queue.created(&table("big"), None);
        assert_eq!(take(&mut queue), "finish [2]");
        queue.done([2]);
        assert!(!queue.is_finished());
        queue.all_rows_are_there();
        assert!(queue.is_finished());
        assert!(queue.has_built(2) && !queue.has_built(1));
    }

    #[test]
    fn what_may_look_into_other_tables_waits_for_all_rows() {
        let mut queue = Queue::default();
        queue.add(table("big"), SMALL, build(1, false));
        queue.add(table("big"), SMALL, build(2, true));
        queue.rows_are_there(&table("big"));
        assert_eq!([take(&mut queue), take(&mut queue)], ["create 1", "nothing"]);
        queue.created(&table("big"), Some(build(1, false)));
        assert_eq!(take(&mut queue), "nothing");
        queue.all_rows_are_there();
        assert_eq!(take(&mut queue), "create 2");
        queue.created(&table("big"), Some(build(2, true)));
        assert_eq!(take(&mut queue), "finish [1, 2]");
    }

    #[test]
    fn small_tables_go_together_and_large_ones_first() {
        let mut queue = Queue::default();
        queue.add(table("a"), SMALL - 1, build(1, false));
        queue.add(table("b"), 0, build(2, false));
        queue.add(table("big"), SMALL, build(3, false));
        queue.add(table("bigger"), SMALL + 1, build(4, false));
        queue.all_rows_are_there();
        assert_eq!([take(&mut queue), take(&mut queue)], ["create 4", "create 3"]);
        assert_eq!(take(&mut queue), "small [1, 2]");
    }
}
