//! Where sequences stand. Not transactional: an answer is only good while nobody draws from them.

use std::collections::BTreeMap;

use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::{Literal, QualifiedName, Sql};

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceState {
    /// `last_value`
    pub last: i64,
    /// Whether `last` was given to somebody.
    pub called: bool,
    /// Negative for one that counts down.
    pub increment: i64,
    /// It begins anew at its end.
    pub cycle: bool,
}

impl SequenceState {
    /// Whether more was drawn from it than from `other`, the same sequence elsewhere.
    pub fn is_further_than(self, other: Self) -> bool {
        if other.increment > 0 {
            (self.last, self.called) > (other.last, other.called)
        } else {
            (self.last, other.called) < (other.last, self.called)
        }
    }

    /// Whether it gives the same value next as `other`, the same sequence elsewhere.
    pub fn is_at(self, other: Self) -> bool {
        (self.last, self.called) == (other.last, other.called)
    }
}

/// States of `sequences`, by their index there. All of them exist.
pub async fn sequence_states(
    client: &Client,
    sequences: &[QualifiedName],
) -> Result<BTreeMap<usize, SequenceState>, PgError> {
    if sequences.is_empty() {
        return Ok(BTreeMap::new());
    }
    let each = sequences.iter().enumerate().map(|(index, sequence)| {
        sql!(
            "select {}::int, s.last_value, s.is_called, d.seqincrement, d.seqcycle from {} s, pg_catalog.pg_sequence d \
             where d.seqrelid = {}::pg_catalog.regclass",
            index,
            sequence,
            Literal::new(crate::sql::render(sequence))
        )
    });
    let rows = client.query("read sequences", Sql::join(each, " union all "), &[]).await?;
    rows.iter()
        .map(|row| {
            let index: i32 = client.get(row, 0)?;
            let state = SequenceState {
                last: client.get(row, 1)?,
                called: client.get(row, 2)?,
                increment: client.get(row, 3)?,
                cycle: client.get(row, 4)?,
            };
            Ok((usize::try_from(index).unwrap_or_default(), state))
        })
        .collect()
}
