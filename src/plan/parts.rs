//! Large tables in several parts, so that none is copied last and alone.

use super::{DatabasePlan, TablePlan, Transfer, Work};
use crate::facts::ServerVersion;
use crate::sql::Blocks;

const MB: u64 = 1024 * 1024;

/// No smaller table is divided unasked: its rows would not be born frozen any more (see [`TablePlan::parts`]), which costs the
/// target a quarter more work (1 GB with four indexes: 40.4 s of CPU instead of 31.9), and its indexes, which follow at once,
/// keep the others busy.
const SMALLEST_DIVIDED: u64 = 4 * 1024 * MB;

/// No part is smaller unasked.
const SMALLEST_PART: u64 = 256 * MB;

/// So many parts for each worker would be all bytes of the migration: what is left to do when the first worker finds no more
/// work is at most one part.
const PARTS_FOR_EACH_WORKER: u64 = 4;

/// Divides the large tables of `databases`, which `jobs` workers copy, where a server of `version` reads a part without the
/// rest. Tables larger than `limit` are large, and none of their parts is. Without a limit those are large that one worker
/// alone would copy longer than all others together need for everything else.
pub(super) fn divide(version: ServerVersion, databases: &mut [DatabasePlan], jobs: usize, limit: Option<u64>) {
    if !version.scans_ctid_ranges() {
        return;
    }
    let mut tables: Vec<&mut TablePlan> = databases.iter_mut().flat_map(copied).collect();
    let total = tables.iter().map(|table| table.bytes).sum();
    let (large, part) = match limit {
        Some(limit) => (limit, limit),
        None => default_sizes(total, u64::try_from(jobs).unwrap_or(u64::MAX)),
    };
    for table in tables.iter_mut().filter(|table| table.bytes > large && table.blocks > 0) {
        table.parts = Blocks::divide(table.blocks, table.bytes.div_ceil(part.max(1)));
    }
}

/// The size beyond which a table is divided, and that of its parts.
fn default_sizes(total: u64, jobs: u64) -> (u64, u64) {
    let fair = total / jobs.max(1);
    (fair.max(SMALLEST_DIVIDED), (fair / PARTS_FOR_EACH_WORKER).max(SMALLEST_PART))
}

/// The tables of a database that workers copy first. What is copied once more at the finish replaces rows, in one
/// transaction.
fn copied(database: &mut DatabasePlan) -> impl Iterator<Item = &mut TablePlan> {
    let content = match &mut database.work {
        Work::Migrate(migration) if !matches!(migration.transfer, Transfer::SubscriptionCopies { .. }) => {
            Some(&mut migration.content)
        }
        _ => None,
    };
    content.into_iter().flat_map(|content| &mut content.tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Table, fixture};
    use crate::plan::example::Example;

    const GB: u64 = 1024 * MB;

    #[test]
    fn a_table_is_divided_when_it_would_be_the_last_alone() {
        assert_eq!(default_sizes(100 * GB, 4), (25 * GB, 25 * GB / 4));
        assert_eq!(default_sizes(100 * GB, 1).0, 100 * GB, "one worker never waits for another");
        assert_eq!(default_sizes(GB, 8), (4 * GB, 256 * MB));
    }

    fn parts(example: &Example, table: &str) -> usize {
        let plan = example.plan();
        let found = plan.content("app").tables.iter().find(|plan| plan.name == fixture::public(table));
        found.unwrap().parts.len()
    }

    fn sized(name: &str, megabytes: u32) -> Table {
        let blocks = u64::from(megabytes) * 128;
        Table { bytes: i64::from(megabytes) << 20, blocks, ..fixture::table(name) }
    }

    #[test]
    fn only_tables_that_can_be_read_in_parts_are_divided() {
        let mut example = Example::new();
        example.source().tables.extend([sized("log", 8000), sized("small", 100)]);
        assert_eq!(parts(&example, "log"), 16);
        assert_eq!(parts(&example, "small"), 0);
        example.settings.split_larger_than = Some(1000 * MB);
        assert_eq!(parts(&example, "log"), 8);
        example.facts.source.version = ServerVersion(130_020);
        assert_eq!(parts(&example, "log"), 0, "13 reads the whole table for every part");
    }

    #[test]
    fn a_table_that_the_target_has_is_copied_whole() {
        let mut example = Example::new();
        example.source().tables.push(sized("log", 8000));
        example.target().tables.push(fixture::table("log"));
        example.target().user_objects = 1;
        assert_eq!(parts(&example, "log"), 0);
    }
}
