//! What one worker copies of tables at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Load;
use super::relay::Copied;
use crate::plan::TablePlan;
use crate::sql::{Blocks, QualifiedName};

/// Some of a table's rows: all of them, or those in some blocks. They are committed together.
pub(in crate::migrate) struct Portion {
    whole: Arc<Whole>,
    /// Which ones; `None`: all.
    pub(super) blocks: Option<Blocks>,
    /// About how many bytes of the source.
    pub(super) bytes: u64,
}

/// A table, and how much of it has been copied.
struct Whole {
    plan: TablePlan,
    load: Load,
    tally: Mutex<Tally>,
}

struct Tally {
    /// Portions that are not committed yet.
    missing: usize,
    begun: Option<Instant>,
    copied: Copied,
}

/// What a table came to whose last portion has been committed.
pub(super) struct Complete {
    pub(super) table: QualifiedName,
    pub(super) load: Load,
    pub(super) copied: Copied,
    pub(super) elapsed: Duration,
}

/// The portions of `table`.
pub(super) fn portions(table: &TablePlan, load: Load) -> Vec<Portion> {
    let blocks: Vec<_> =
        if table.parts.is_empty() { vec![None] } else { table.parts.iter().copied().map(Some).collect() };
    let (missing, bytes) = (blocks.len(), table.bytes / blocks.len() as u64);
    let tally = Mutex::new(Tally { missing, begun: None, copied: Copied::default() });
    let whole = Arc::new(Whole { plan: table.clone(), load, tally });
    blocks.into_iter().map(|blocks| Portion { whole: Arc::clone(&whole), blocks, bytes }).collect()
}

/// Tables of at least this many bytes are emptied first, although they are empty: then FREEZE is possible, with which rows
/// are born frozen, and no later VACUUM writes them once more. A new file and its catalog entries cost more than that saves
/// where a table is small, and databases have many of those.
const FROZEN_FROM: u64 = 1024 * 1024;

/// Together in one transaction: at most so many smaller tables, and so many bytes of them. Each costs a few round trips and a
/// commit by itself, which is more than its rows do. What has to be done again after one of them failed is little, and what
/// follows the rows, while others are copied, begins soon.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: u64 = 4 * 1024 * 1024;

/// Puts what is small together: see [`Portion::is_light`].
pub(super) fn gather(portions: impl IntoIterator<Item = Portion>) -> Vec<Vec<Portion>> {
    let mut groups = Vec::new();
    let mut group: Vec<Portion> = Vec::new();
    let mut bytes = 0;
    for portion in portions {
        if !portion.is_light() {
            groups.push(vec![portion]);
            continue;
        }
        if group.len() == TOGETHER || bytes + portion.bytes > TOGETHER_BYTES {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        bytes += portion.bytes;
        group.push(portion);
    }
    groups.push(group);
    groups.retain(|group| !group.is_empty());
    groups
}

impl Portion {
    /// The table.
    pub(super) fn table(&self) -> &TablePlan {
        &self.whole.plan
    }

    /// What is at the target before the rows. An extension has filled its table itself: what it put there stays.
    pub(super) fn load(&self) -> Load {
        match self.whole.load {
            Load::Fresh if self.table().configuration => Load::Add,
            load => load,
        }
    }

    /// Whether it is copied together with others: a small table with nothing to do but to copy its rows.
    fn is_light(&self) -> bool {
        self.load() == Load::Fresh && self.blocks.is_none() && self.bytes < FROZEN_FROM
    }

    /// Whether its table is emptied first and its rows are born frozen: where all rows come at once into a table of ours.
    pub(super) fn is_frozen(&self) -> bool {
        self.load() == Load::Fresh && self.blocks.is_none() && self.bytes >= FROZEN_FROM && !self.table().partitioned
    }

    /// Somebody begins to copy it.
    pub(super) fn begin(&self) {
        self.whole.tally().begun.get_or_insert_with(Instant::now);
    }

    /// It is committed. Returns what the whole table came to when it was the last.
    pub(super) fn end(&self, copied: Copied) -> Option<Complete> {
        let mut tally = self.whole.tally();
        tally.missing = tally.missing.saturating_sub(1);
        tally.copied.rows += copied.rows;
        tally.copied.bytes += copied.bytes;
        (tally.missing == 0).then(|| Complete {
            table: self.table().name.clone(),
            load: self.load(),
            copied: tally.copied,
            elapsed: tally.begun.map_or(Duration::ZERO, |begun| begun.elapsed()),
        })
    }
}

impl Whole {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        // A panic elsewhere leaves the sums as valid as every other point between two changes.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::Format;

    /// A table that is copied whole.
    pub(in crate::migrate::copy) fn table(name: &str, bytes: u64) -> TablePlan {
        TablePlan {
            name: QualifiedName::new("public", name),
            columns: Vec::new(),
            partitioned: false,
            partition: false,
            parent: false,
            configuration: false,
            condition: None,
            format: Format::Text { reason: String::new() },
            bytes,
            blocks: 0,
            parts: Vec::new(),
        }
    }

    fn all(tables: &[TablePlan], load: Load) -> Vec<usize> {
        gather(tables.iter().flat_map(|table| portions(table, load))).iter().map(Vec::len).collect()
    }

    #[test]
    fn small_tables_go_together_and_others_by_themselves() {
        let small: Vec<_> = (0..70).map(|_| table("t", 8192)).collect();
        assert_eq!(all(&small, Load::Fresh), [64, 6]);
        assert_eq!(all(&small[..3], Load::Replace), [1, 1, 1]);
        let some = [table("a", 600_000), table("b", 5 << 30), table("c", 600_000), table("d", 1)];
        assert_eq!(all(&some, Load::Fresh), [1, 3]);
        let larger: Vec<_> = (0..9).map(|_| table("t", 1_000_000)).collect();
        assert_eq!(all(&larger, Load::Fresh), [4, 4, 1]);
        let configuration = TablePlan { configuration: true, ..table("e", 1) };
        assert_eq!(all(&[configuration, table("f", 1)], Load::Fresh), [1, 1]);
    }

    #[test]
    fn a_table_in_parts_is_complete_with_the_last_of_them() {
        let parts = TablePlan { parts: Blocks::divide(30, 3), ..table("t", 3_000_000) };
        let portions = portions(&parts, Load::Fresh);
        let copied = Copied { rows: 5, bytes: 50 };
        assert!(portions[2].end(copied).is_none());
        assert!(portions[0].end(copied).is_none());
        let complete = portions[1].end(copied).unwrap();
        assert_eq!((complete.copied.rows, complete.copied.bytes), (15, 150));
    }
}
