//! Where sequences stand. Not transactional: an answer is only good while nobody draws from them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tokio_postgres::types::Type;

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
    /// The least value that it gives.
    pub min: i64,
    /// The greatest.
    pub max: i64,
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

    /// The state after so many more values. One that does not cycle stops at its last value; one that does goes on from its
    /// other end.
    #[must_use]
    pub fn advanced_by(self, values: u64) -> Self {
        if values == 0 || self.increment == 0 {
            return self;
        }
        let wide = i128::from;
        let (step, last) = (wide(self.increment), wide(self.last));
        let (first, end) = if step > 0 { (self.min, self.max) } else { (self.max, self.min) };
        let left = (wide(end) - last) / step;
        let values = i128::from(values);
        let (last, called) = if values <= left {
            (last + step * values, self.called)
        } else if self.cycle {
            let round = (wide(end) - wide(first)) / step + 1;
            (wide(first) + step * ((values - left - 1) % round), self.called)
        } else {
            (last + step * left, true)
        };
        Self { last: i64::try_from(last).unwrap_or(end), called, ..self }
    }

    /// The values that it may give.
    pub fn bounds(self) -> RangeInclusive<i64> {
        self.min..=self.max
    }

    /// Whether it gives the same value next as `other`, the same sequence elsewhere.
    pub fn is_at(self, other: Self) -> bool {
        (self.last, self.called) == (other.last, other.called)
    }
}

/// Places, from 1 on, of names that are those of sequences.
const EXISTING: &str = "
select i.place::int from unnest($1) with ordinality i(name, place)
join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(i.name) and c.relkind = 'S' order by 1";

/// States of those of `sequences` that exist, by their index there.
pub async fn sequence_states(
    client: &Client,
    sequences: &[QualifiedName],
) -> Result<BTreeMap<usize, SequenceState>, PgError> {
    if sequences.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<_> = sequences.iter().map(|name| crate::sql::render(name)).collect();
    let existing = client.query("look for sequences", EXISTING, &[(&names, Type::TEXT_ARRAY)]).await?;
    let mut each = Vec::new();
    for row in &existing {
        let index = usize::try_from(client.get::<i32>(row, 0)? - 1).unwrap_or_default();
        let Some(sequence) = sequences.get(index) else { continue };
        each.push(sql!(
            "select {}::int, s.last_value, s.is_called, d.seqincrement, d.seqcycle, d.seqmin, d.seqmax \
             from {} s, pg_catalog.pg_sequence d where d.seqrelid = {}::pg_catalog.regclass",
            index,
            sequence,
            Literal::new(crate::sql::render(sequence))
        ));
    }
    if each.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = client.query("read sequences", Sql::join(each, " union all "), &[]).await?;
    rows.iter()
        .map(|row| {
            let index: i32 = client.get(row, 0)?;
            let state = SequenceState {
                last: client.get(row, 1)?,
                called: client.get(row, 2)?,
                increment: client.get(row, 3)?,
                cycle: client.get(row, 4)?,
                min: client.get(row, 5)?,
                max: client.get(row, 6)?,
            };
            Ok((usize::try_from(index).unwrap_or_default(), state))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: SequenceState = SequenceState { last: 10, called: true, increment: 3, cycle: false, min: 1, max: 20 };
    const DOWN: SequenceState =
        SequenceState { last: -10, called: true, increment: -3, cycle: false, min: -20, max: -1 };

    fn after(state: SequenceState, values: u64) -> (i64, bool) {
        let state = state.advanced_by(values);
        (state.last, state.called)
    }

    #[test]
    fn a_margin_counts_increments_in_the_sequences_direction() {
        assert_eq!((after(UP, 0), after(UP, 2), after(UP, 3)), ((10, true), (16, true), (19, true)));
        assert_eq!((after(DOWN, 2), after(DOWN, 3)), ((-16, true), (-19, true)));
        assert_eq!(after(SequenceState { called: false, ..UP }, 2), (16, false));
    }

    #[test]
    fn a_margin_ends_with_the_sequence() {
        assert_eq!((after(UP, 4), after(UP, u64::MAX)), ((19, true), (19, true)));
        assert_eq!(after(DOWN, 1000), (-19, true));
        let whole = SequenceState { min: i64::MIN, max: i64::MAX, last: i64::MAX, increment: i64::MAX, ..UP };
        assert_eq!(after(whole, u64::MAX), (i64::MAX, true));
        assert_eq!(after(SequenceState { called: false, ..UP }, 4), (19, true));
    }

    #[test]
    fn a_margin_goes_round_where_the_sequence_cycles() {
        // 10, 13, 16, 19, then 1, 4, 7, 10, 13, 16, 19, and again.
        let cycling = SequenceState { cycle: true, ..UP };
        assert_eq!((after(cycling, 4), after(cycling, 10), after(cycling, 11)), ((1, true), (19, true), (1, true)));
        let down = SequenceState { cycle: true, ..DOWN };
        assert_eq!((after(down, 4), after(down, 5)), ((-1, true), (-4, true)));
    }
}
