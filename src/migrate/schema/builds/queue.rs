//! What is done next: indexes of tables whose rows are there, their statistics, then foreign keys between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::keys::{Key, Keys};
use crate::migrate::analyze;
use crate::migrate::helping::{EACH_TABLE, Patience, WORTH_HELPING};
use crate::migrate::schema::SMALL;
use crate::plan::reading_cost;
use crate::sql::{QualifiedName, Sql};

/// Entries of small tables that are created together.
pub(super) const SMALL_AT_ONCE: usize = 50;

/// ANALYZE reads a sample, however large a table is: 300 rows for each of 100 values by default, each in a block of its own.
const SAMPLE: u64 = 30_000 * 8192;

/// A table of a [`Queue`].
pub(super) type TableId = usize;

/// An index or extended statistics, an entry of the archive that is made by us.
#[derive(Clone, Debug)]
pub(super) struct Build {
    /// The entry.
    pub(super) dump_id: u32,
    pub(super) table: TableId,
    /// The index or statistics object.
    pub(super) name: QualifiedName,
    /// See [`IndexDefinition`](super::super::definition::IndexDefinition).
    pub(super) create: Option<Sql>,
    pub(super) finish: Vec<Sql>,
    /// It may look into other tables: built when all rows are there.
    pub(super) late: bool,
    /// What it takes, compared with others: see [`Content::build_cost`](crate::plan::Content::build_cost).
    pub(super) cost: u64,
}

/// An entry that is created as it is, and its table, unless that is partitioned.
pub(super) type Whole = (u32, Option<TableId>);

/// What one worker does at once.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// Creates one index; others of its table may be in work.
    Create(Build),
    /// Makes constraints of the indexes of a table, sets marks, and makes extended statistics: all that could be created.
    Finish(Vec<Build>),
    /// Creates entries as they are, in one transaction.
    Small(Vec<Whole>),
    /// Analyzes tables.
    Analyze(Vec<TableId>),
    /// Adds a foreign key without looking at rows.
    AddKey(Key),
    /// Looks at its rows.
    CheckKey(Key),
    /// Creates foreign keys as they are, in one transaction.
    SmallKeys(Vec<Key>),
}

/// What can be done for small tables.
enum Small {
    Indexes,
    Statistics,
    Keys,
}

/// What is left to do for one table.
#[derive(Debug)]
struct OfTable {
    name: Arc<QualifiedName>,
    bytes: u64,
    rows_are_there: bool,
    waiting: Vec<Build>,
    /// Entries of a small table that wait, and whether they are late; of very many tables a [`Build`] for each takes much memory.
    whole: Vec<(u32, bool)>,
    in_work: usize,
    created: Vec<Build>,
    /// Indexes that are neither complete nor refused.
    open: usize,
    /// Whether it is analyzed as soon as its indexes are there.
    analyzes: bool,
    step: Step,
}

/// How far a table has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Rows or indexes are missing.
    Indexes,
    /// It is being analyzed, or will be when a worker is free.
    Statistics,
    /// Nothing but foreign keys is left to do.
    Settled,
}

/// What of one database is not there yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ids: BTreeMap<Arc<QualifiedName>, TableId>,
    tables: Vec<OfTable>,
    /// Cheapest first: the next one is taken from the end.
    ready: Vec<(u64, Unit)>,
    small: Vec<Whole>,
    /// Small tables to analyze.
    unknown: Vec<TableId>,
    /// Entries of tables that nobody says the rows of are there.
    last: Vec<u32>,
    keys: Keys,
    all_rows_are_there: bool,
    in_work: usize,
    /// Of them, those after which more of small tables can be done.
    small_in_work: usize,
    /// Sessions that were opened for what was in work at the same time.
    sessions: usize,
    /// With small tables, whose work waits until there is more of it.
    patience: Patience,
    built: BTreeSet<u32>,
    analyzed: Vec<TableId>,
}

impl Queue {
    /// Adds a table of `bytes`, unless it is there.
    pub(super) fn add_table(&mut self, name: &QualifiedName, bytes: u64, analyzes: bool) -> TableId {
        if let Some(id) = self.id(name) {
            return id;
        }
        let name = Arc::new(name.clone());
        self.ids.insert(Arc::clone(&name), self.tables.len());
        self.tables.push(OfTable {
            name,
            bytes,
            rows_are_there: false,
            waiting: Vec::new(),
            whole: Vec::new(),
            in_work: 0,
            created: Vec::new(),
            open: 0,
            analyzes,
            step: Step::Indexes,
        });
        self.tables.len() - 1
    }

    pub(super) fn id(&self, name: &QualifiedName) -> Option<TableId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, table: TableId) -> &QualifiedName {
        &self.tables[table].name
    }

    pub(super) fn bytes(&self, table: TableId) -> u64 {
        self.tables[table].bytes
    }

    /// Adds an index or statistics object. What it calls may want privileges that come later, and so would ANALYZE.
    pub(super) fn add(&mut self, build: Build) {
        let of_table = &mut self.tables[build.table];
        of_table.analyzes &= !build.late;
        of_table.open += 1;
        if of_table.bytes < SMALL {
            of_table.whole.push((build.dump_id, build.late));
        } else {
            of_table.waiting.push(build);
        }
    }

    /// Somebody else analyzes `table`; `None`: all tables.
    pub(super) fn leave_statistics(&mut self, table: Option<TableId>) {
        match table {
            Some(table) => self.tables[table].analyzes = false,
            None => self.tables.iter_mut().for_each(|table| table.analyzes = false),
        }
    }

    /// Adds a foreign key, of `table` and to another or itself, that `needs` entries which come after rows.
    pub(super) fn add_key(&mut self, dump_id: u32, table: TableId, references: TableId, needs: Vec<u32>) {
        let [own, other] = [table, references].map(|table| self.tables[table].bytes);
        // Each row is looked for in the other table, which is read whole where that is shorter.
        let cost = reading_cost(own.saturating_add(other));
        self.keys.add(Key { dump_id, table, references, needs, small: own < SMALL, cost });
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
        if let Some(id) = self.id(table) {
            self.tables[id].rows_are_there = true;
            self.release(id);
        }
    }

    /// All rows of all tables are committed.
    pub(super) fn all_rows_are_there(&mut self) {
        self.all_rows_are_there = true;
        self.small.extend(self.last.drain(..).map(|entry| (entry, None)));
        for id in 0..self.tables.len() {
            self.tables[id].rows_are_there = true;
            self.release(id);
        }
    }

    /// Moves what can be done for a table to where workers find it.
    fn release(&mut self, id: TableId) {
        let of_table = &mut self.tables[id];
        if !of_table.rows_are_there || of_table.step != Step::Indexes {
            return;
        }
        let all = self.all_rows_are_there;
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut of_table.waiting).into_iter().partition(|build| all || !build.late);
        of_table.waiting = later;
        let is_due = |&mut (_, late): &mut (u32, bool)| all || !late;
        self.small.extend(of_table.whole.extract_if(.., is_due).map(|(dump_id, _)| (dump_id, Some(id))));
        let mut ready = Vec::new();
        for build in now {
            if build.create.is_some() {
                of_table.in_work += 1;
                ready.push((build.cost, Unit::Create(build)));
            } else {
                of_table.created.push(build);
            }
        }
        if of_table.waiting.is_empty() && of_table.in_work == 0 && !of_table.created.is_empty() {
            // It is short, and makes room.
            ready.push((u64::MAX, Unit::Finish(std::mem::take(&mut of_table.created))));
        }
        if of_table.open == 0 {
            if !of_table.analyzes {
                self.settle(id);
            } else {
                of_table.step = Step::Statistics;
                if of_table.bytes < SMALL {
                    self.unknown.push(id);
                } else {
                    ready.push((reading_cost(of_table.bytes.min(SAMPLE)), Unit::Analyze(vec![id])));
                }
            }
        }
        if !ready.is_empty() {
            self.ready.extend(ready);
            self.ready.sort_by_key(|(cost, _)| *cost);
        }
    }

    fn settle(&mut self, id: TableId) {
        self.tables[id].step = Step::Settled;
        self.keys.release(id, |table| self.tables[table].step == Step::Settled, &self.built);
    }

    /// The next one for a worker: the dearest, so that the last ones are short.
    pub(super) fn take(&mut self, now: Instant) -> Option<Unit> {
        let unit = self.take_large().or_else(|| self.take_small(now))?;
        self.in_work += 1;
        self.sessions = self.sessions.max(self.in_work);
        Some(unit)
    }

    fn take_large(&mut self) -> Option<Unit> {
        let dearest = self.ready.last().map(|(cost, _)| *cost);
        if self.keys.cost() > dearest { self.keys.take_large() } else { self.ready.pop().map(|(_, unit)| unit) }
    }

    fn take_small(&mut self, now: Instant) -> Option<Unit> {
        if !self.wants_help(now) {
            return None;
        }
        let unit = match self.next_small(now)? {
            Small::Indexes => Unit::Small(self.small.drain(..self.small.len().min(SMALL_AT_ONCE)).collect()),
            Small::Statistics => Unit::Analyze(self.unknown.drain(..self.analyzed_together()).collect()),
            Small::Keys => self.keys.take_small()?,
        };
        self.small_in_work += usize::from(!matches!(unit, Unit::SmallKeys(_)));
        self.patience.renew(self.small_waits(), now);
        Some(unit)
    }

    /// What of small tables is done next: what fills a transaction, what nothing more will come to, and what has waited long.
    fn next_small(&self, now: Instant) -> Option<Small> {
        let late = self.patience.is_over(now);
        let no_more_indexes = self.all_rows_are_there;
        let no_more_tables = no_more_indexes && self.small.is_empty() && self.small_in_work == 0;
        let no_more_keys = no_more_tables && self.unknown.is_empty();
        let (indexes, keys) = (self.small.len(), self.keys.small_ones(SMALL_AT_ONCE));
        if indexes >= SMALL_AT_ONCE || indexes > 0 && (late || no_more_indexes) {
            Some(Small::Indexes)
        } else if self.are_many_unknown() || !self.unknown.is_empty() && (late || no_more_tables) {
            Some(Small::Statistics)
        } else if keys >= SMALL_AT_ONCE || keys > 0 && (late || no_more_keys) {
            Some(Small::Keys)
        } else {
            None
        }
    }

    /// Tables that are analyzed by the next statement.
    fn analyzed_together(&self) -> usize {
        analyze::together(self.unknown.iter().map(|&table| self.tables[table].bytes))
    }

    fn are_many_unknown(&self) -> bool {
        let together = self.analyzed_together();
        together == analyze::TOGETHER || together < self.unknown.len()
    }

    /// Whether small tables are worth a session: one that is there, the first, or another where much is left.
    fn wants_help(&self, now: Instant) -> bool {
        self.in_work == 0 || self.in_work < self.sessions || self.patience.is_over(now) || self.is_worth_helping()
    }

    fn is_worth_helping(&self) -> bool {
        let indexes = self.small.iter().map(|&(_, table)| table.map_or(0, |table| self.tables[table].bytes));
        let statistics = self.unknown.iter().map(|&table| self.tables[table].bytes);
        let keys = std::iter::repeat_n(0, self.keys.small_ones((WORTH_HELPING / EACH_TABLE) as usize));
        let mut left = 0;
        indexes.chain(statistics).chain(keys).any(|bytes| {
            left += bytes + EACH_TABLE;
            left >= WORTH_HELPING
        })
    }

    fn small_waits(&self) -> bool {
        !self.small.is_empty() || !self.unknown.is_empty() || self.keys.small_ones(1) > 0
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.keys.cost().is_none() && !self.small_waits()
    }

    /// Whether [`Queue::take`] has something to give.
    pub(super) fn has_work(&mut self, now: Instant) -> bool {
        self.patience.look(self.small_waits(), now);
        !self.ready.is_empty() || self.keys.cost().is_some() || self.wants_help(now) && self.next_small(now).is_some()
    }

    /// When it has what it does not give now.
    pub(super) fn impatient_from(&self) -> Option<Instant> {
        self.patience.until()
    }

    /// An index was created, or refused.
    pub(super) fn created(&mut self, build: Build, is_there: bool) {
        self.in_work -= 1;
        let of_table = &mut self.tables[build.table];
        of_table.in_work -= 1;
        let table = build.table;
        if is_there {
            of_table.created.push(build);
        } else {
            self.ended(build.dump_id, Some(table), false);
        }
        self.release(table);
    }

    /// Indexes of one table are `complete`, or not.
    pub(super) fn finished(&mut self, builds: &[(Build, bool)]) {
        self.in_work -= 1;
        for (build, complete) in builds {
            self.ended(build.dump_id, Some(build.table), *complete);
        }
        if let Some((build, _)) = builds.first() {
            self.release(build.table);
        }
    }

    /// Entries are all `complete`, or none is.
    pub(super) fn small_done(&mut self, entries: &[Whole], complete: bool) {
        self.in_work -= 1;
        self.small_in_work -= 1;
        for &(dump_id, table) in entries {
            self.ended(dump_id, table, complete);
        }
        let tables: BTreeSet<_> = entries.iter().filter_map(|&(_, table)| table).collect();
        tables.into_iter().for_each(|table| self.release(table));
    }

    fn ended(&mut self, dump_id: u32, table: Option<TableId>, complete: bool) {
        if complete {
            self.built.insert(dump_id);
        }
        if let Some(of_table) = table.and_then(|table| self.tables.get_mut(table)) {
            of_table.open -= 1;
            // An index whose expression is to have statistics comes later, if at all.
            of_table.analyzes &= complete;
        }
    }

    /// Tables were analyzed, as far as the server would.
    pub(super) fn analyzed(&mut self, tables: Vec<TableId>) {
        self.in_work -= 1;
        if tables.iter().any(|&table| self.tables[table].bytes < SMALL) {
            self.small_in_work -= 1;
        }
        for &table in &tables {
            self.settle(table);
        }
        self.analyzed.extend(tables);
    }

    /// A foreign key was added, or refused.
    pub(super) fn key_added(&mut self, key: Key, is_there: bool) {
        self.in_work -= 1;
        self.keys.added(key, is_there);
    }

    /// The rows of a foreign key were looked at, and it is `complete`, or gone.
    pub(super) fn key_checked(&mut self, key: &Key, complete: bool) {
        self.in_work -= 1;
        self.keys.checked(key);
        self.built.extend(complete.then_some(key.dump_id));
    }

    /// Foreign keys are all `complete`, or none is.
    pub(super) fn small_keys_done(&mut self, keys: &[Key], complete: bool) {
        self.in_work -= 1;
        self.keys.small_done(keys);
        self.built.extend(keys.iter().filter(|_| complete).map(|key| key.dump_id));
    }

    /// Whether any table is analyzed as soon as it can be.
    pub(super) fn analyzes(&self) -> bool {
        self.tables.iter().any(|table| table.analyzes)
    }

    /// Whether nothing is left to do, nor will be.
    pub(super) fn is_finished(&self) -> bool {
        self.all_rows_are_there && self.in_work == 0 && self.is_empty()
    }

    /// Whether an entry is complete.
    pub(super) fn has_built(&self, dump_id: u32) -> bool {
        self.built.contains(&dump_id)
    }

    /// Tables that need not be analyzed any more.
    pub(super) fn all_analyzed(&self) -> impl Iterator<Item = &QualifiedName> {
        self.analyzed.iter().map(|&table| self.name(table))
    }
}
