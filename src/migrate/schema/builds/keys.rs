//! Foreign keys between tables that lack nothing else.
//!
//! To add one locks both tables, to look at its rows locks the first against other such steps. Never are two at work that
//! lock the same table: none waits for another, and no two for each other.

use std::collections::BTreeSet;

use super::queue::{SMALL_AT_ONCE, TableId, Unit};

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Its entry in the archive.
    pub(super) dump_id: u32,
    /// The table whose rows it is about.
    pub(super) table: TableId,
    /// The table that they reference.
    pub(super) references: TableId,
    /// The index that it needs, and whatever else comes after rows.
    pub(super) needs: Vec<u32>,
    /// Whether its table is so small that it is created as it is, with others.
    pub(super) small: bool,
    /// What it takes to look at its rows, compared with index builds.
    pub(super) cost: u64,
}

impl Key {
    fn tables(&self) -> [TableId; 2] {
        [self.table, self.references]
    }
}

/// The foreign keys of one database that are not there yet.
#[derive(Debug, Default)]
pub(super) struct Keys {
    waiting: Vec<Key>,
    small: Vec<Key>,
    to_add: Vec<Key>,
    /// Cheapest first: the next one is taken from the end.
    to_check: Vec<Key>,
    /// Tables that are locked by a step in work.
    busy: BTreeSet<TableId>,
}

/// What can be done for one foreign key, by its place.
enum Large {
    Add(usize),
    Check(usize),
}

impl Keys {
    pub(super) fn add(&mut self, key: Key) {
        self.waiting.push(key);
    }

    /// Nothing else is left to do for `table`: frees the keys that waited for it alone. Those whose index is not among
    /// `built` never are.
    pub(super) fn release(&mut self, table: TableId, settled: impl Fn(TableId) -> bool, built: &BTreeSet<u32>) {
        let free = |key: &Key| {
            key.tables().contains(&table)
                && key.tables().into_iter().all(&settled)
                && key.needs.iter().all(|id| built.contains(id))
        };
        let (free, waiting): (Vec<_>, _) = std::mem::take(&mut self.waiting).into_iter().partition(free);
        self.waiting = waiting;
        for key in free {
            if key.small { self.small.push(key) } else { self.to_add.push(key) }
        }
    }

    fn is_free(&self, tables: &[TableId]) -> bool {
        tables.iter().all(|table| !self.busy.contains(table))
    }

    fn next(&self) -> Option<Large> {
        let add = self.to_add.iter().position(|key| self.is_free(&key.tables())).map(Large::Add);
        add.or_else(|| self.to_check.iter().rposition(|key| self.is_free(&[key.table])).map(Large::Check))
    }

    /// What the next step for a large table takes, compared with index builds; `None`: there is none now. To add a key is
    /// short.
    pub(super) fn cost(&self) -> Option<u64> {
        self.next().map(|next| match next {
            Large::Add(_) => u64::MAX,
            Large::Check(at) => self.to_check[at].cost,
        })
    }

    /// How many of small tables can be taken, counted up to `most`.
    pub(super) fn small_ones(&self, most: usize) -> usize {
        self.small.iter().filter(|key| self.is_free(&key.tables())).take(most).count()
    }

    pub(super) fn take_large(&mut self) -> Option<Unit> {
        Some(match self.next()? {
            Large::Add(at) => {
                let key = self.to_add.remove(at);
                self.busy.extend(key.tables());
                Unit::AddKey(key)
            }
            Large::Check(at) => {
                let key = self.to_check.remove(at);
                self.busy.insert(key.table);
                Unit::CheckKey(key)
            }
        })
    }

    pub(super) fn take_small(&mut self) -> Option<Unit> {
        let (free, mut left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.small).into_iter().partition(|key| self.is_free(&key.tables()));
        let mut taken = free;
        left.extend(taken.drain(taken.len().min(SMALL_AT_ONCE)..));
        self.small = left;
        self.busy.extend(taken.iter().flat_map(Key::tables));
        (!taken.is_empty()).then_some(Unit::SmallKeys(taken))
    }

    /// A key is there, but its rows have not been looked at; or it was refused.
    pub(super) fn added(&mut self, key: Key, is_there: bool) {
        self.free(key.tables());
        if is_there {
            self.to_check.push(key);
            self.to_check.sort_by_key(|key| key.cost);
        }
    }

    /// The rows of a key were looked at.
    pub(super) fn checked(&mut self, key: &Key) {
        self.free([key.table]);
    }

    /// Keys that were taken together were created or refused.
    pub(super) fn small_done(&mut self, keys: &[Key]) {
        self.free(keys.iter().flat_map(Key::tables));
    }

    fn free(&mut self, tables: impl IntoIterator<Item = TableId>) {
        for table in tables {
            self.busy.remove(&table);
        }
    }
}
