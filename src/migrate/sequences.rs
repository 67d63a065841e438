//! Values of sequences. Not transactional and never replicated (up to 18): read when nobody draws from them any more.

use super::Context;
use crate::error::{Error, Kind};
use crate::inspect::{SequenceState, sequence_states};
use crate::sql;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// Sequences read, or set, in one statement.
const AT_ONCE: usize = 500;

/// Sets the target's sequences `margin` values beyond the source's. One that is further on the target already is left where it is, and
/// named: somebody has drawn from it, and its values must not come twice.
///
/// # Errors
/// When the target lacks one, or has it with bounds that the source has moved since: those that it can take are set all the same.
pub(super) async fn carry(
    context: &Context,
    database: &str,
    sequences: &[QualifiedName],
    margin: u64,
) -> Result<Vec<String>, Error> {
    if sequences.is_empty() {
        return Ok(Vec::new());
    }
    let (source, target) = tokio::try_join!(context.source.connect(database), context.target.connect(database))?;
    let mut notices = Vec::new();
    let mut unfit = Unfit::default();
    for some in sequences.chunks(AT_ONCE) {
        let (on_source, on_target) = tokio::try_join!(sequence_states(&source, some), sequence_states(&target, some))?;
        let mut changes = Vec::new();
        for (index, sequence) in some.iter().enumerate() {
            let Some(&here) = on_source.get(&index) else {
                notices.push(format!("sequence {sequence} has been dropped on the source since the migration began"));
                continue;
            };
            let Some(&there) = on_target.get(&index) else {
                unfit.lacks(sequence);
                continue;
            };
            let wanted = here.advanced_by(margin);
            match change(wanted, there) {
                Change::None => {}
                Change::Set if !there.bounds().contains(&wanted.last) => unfit.stops_short(sequence, here, there),
                Change::Set => changes.push(sql!(
                    "pg_catalog.setval({}::pg_catalog.regclass, {}, {})",
                    Literal::new(crate::sql::render(sequence)),
                    wanted.last,
                    if wanted.called { "true" } else { "false" }
                )),
                Change::Keep => notices.push(format!(
                    "sequence {sequence} is at {} on the target and at {} on the source: left where it is",
                    there.last, here.last
                )),
            }
        }
        if !changes.is_empty() {
            target.run("set sequences", sql!("select {}", Sql::join(&changes, ", "))).await?;
        }
    }
    context.source.keep(source);
    context.target.keep(target);
    unfit.into_result(database).map(|()| notices)
}

/// Sequences whose values the target cannot take.
#[derive(Default)]
struct Unfit {
    why: Vec<String>,
    cures: Vec<Sql>,
    missing: bool,
}

impl Unfit {
    fn lacks(&mut self, sequence: &QualifiedName) {
        self.why.push(format!("the target does not have sequence {sequence}"));
        self.missing = true;
    }

    fn stops_short(&mut self, sequence: &QualifiedName, source: SequenceState, target: SequenceState) {
        self.why.push(format!(
            "sequence {sequence} is at {} on the source, and on the target it goes from {} to {}",
            source.last, target.min, target.max
        ));
        let (min, max) = (source.min, source.max);
        self.cures.push(sql!("ALTER SEQUENCE {} MINVALUE {} MAXVALUE {}", sequence, min, max));
    }

    fn into_result(self, database: &str) -> Result<(), Error> {
        if self.why.is_empty() {
            return Ok(());
        }
        let why = self.why.join("; ");
        let message = format!("definitions changed on the source since the migration began: {why}");
        let mut error = Error::new(Kind::Failed, message);
        if self.missing {
            error = error.hint("make the same change on the target, and run again");
        }
        Err(match self.cures.as_slice() {
            [] => error,
            cures => error.hint(format!("target database {}: {}", Ident::new(database), Sql::join(cures, "; "))),
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    Set,
    Keep,
}

/// What to do about a sequence. A cycling one may be lower for good reason, and an untouched one has given nothing away.
fn change(source: SequenceState, target: SequenceState) -> Change {
    if target.is_at(source) {
        return Change::None;
    }
    if target.is_further_than(source) && target.called && !source.cycle { Change::Keep } else { Change::Set }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(last: i64, called: bool) -> SequenceState {
        SequenceState { last, called, increment: 1, cycle: false, min: i64::MIN, max: i64::MAX }
    }

    #[test]
    fn a_sequence_is_never_lowered_once_it_was_used() {
        assert_eq!(change(value(10, true), value(1, false)), Change::Set);
        assert_eq!(change(value(10, true), value(10, true)), Change::None);
        assert_eq!(change(value(10, true), value(11, true)), Change::Keep);
        assert_eq!(change(value(10, false), value(10, true)), Change::Keep);
        assert_eq!(change(value(10, true), value(10, false)), Change::Set);
    }

    #[test]
    fn a_start_value_that_nobody_drew_may_be_lowered() {
        assert_eq!(change(value(1, true), value(1000, false)), Change::Set);
    }

    #[test]
    fn a_descending_sequence_goes_down() {
        let down = |last, called| SequenceState { increment: -1, ..value(last, called) };
        assert_eq!(change(down(-5, true), down(-1, true)), Change::Set);
        assert_eq!(change(down(-5, true), down(-6, true)), Change::Keep);
    }

    #[test]
    fn a_cycling_sequence_follows_the_source() {
        let cycling = |last| SequenceState { cycle: true, ..value(last, true) };
        assert_eq!(change(cycling(2), cycling(99)), Change::Set);
    }
}
