//! Ranges of a table's blocks.

use super::Sql;
use crate::sql;

/// Rows in some blocks of a table, found by `ctid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    first: u64,
    /// The first block that is not among them; `None`: all that follow, because the table may have grown.
    end: Option<u64>,
}

impl Blocks {
    /// `blocks` in so many `parts` of equal size: never more parts than blocks, and at least one. Together they are the whole
    /// table.
    pub fn divide(blocks: u64, parts: u64) -> Vec<Self> {
        let parts = parts.clamp(1, blocks.max(1));
        let bound = |part| u64::try_from(u128::from(blocks) * u128::from(part) / u128::from(parts)).unwrap_or(blocks);
        (0..parts).map(|part| Self { first: bound(part), end: (part + 1 < parts).then(|| bound(part + 1)) }).collect()
    }

    /// The condition, for WHERE, that holds for these rows of the only table of the query.
    pub fn condition(self) -> Sql {
        match self.end {
            Some(end) => {
                sql!("ctid >= '({},0)'::pg_catalog.tid and ctid < '({},0)'::pg_catalog.tid", self.first, end)
            }
            None => sql!("ctid >= '({},0)'::pg_catalog.tid", self.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(blocks: u64, parts: u64) -> Vec<String> {
        Blocks::divide(blocks, parts)
            .into_iter()
            .map(|blocks| blocks.condition().text().replace("::pg_catalog.tid", ""))
            .collect()
    }

    #[test]
    fn parts_cover_every_block_once_and_the_last_has_no_end() {
        assert_eq!(
            conditions(10, 3),
            ["ctid >= '(0,0)' and ctid < '(3,0)'", "ctid >= '(3,0)' and ctid < '(6,0)'", "ctid >= '(6,0)'"]
        );
        assert_eq!(conditions(2, 3).len(), 2, "no more parts than blocks");
        assert_eq!(conditions(0, 3), ["ctid >= '(0,0)'"]);
        assert_eq!(conditions(5, 0), ["ctid >= '(0,0)'"]);
    }
}
