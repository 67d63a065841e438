//! When replication is there, and how far it is from there.
//!
//! A slot's lag alone says nothing about rows: while the subscription still copies tables, the slot can be at the end of
//! the WAL. So the goal is reached only when every table's copy has arrived *and* the slot has confirmed enough.

use crate::sql::Lsn;

/// So many failures of the subscription's workers without any progress between them mean that trying again does not help.
/// A broken connection to the source is one failure, and then the wait goes on.
const HOPELESS: i64 = 4;

/// How far replication must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Every table's initial copy has arrived.
    Tables,
    /// And the subscription is connected to our slot.
    Streaming,
    /// And at most this many bytes of WAL are not confirmed.
    Within(u64),
    /// And everything up to here is confirmed. Fixed once, so that it is reached while the source is written to.
    Position(Lsn),
}

/// One look at both sides.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Tables in the publication, as planned.
    pub(super) published: usize,
    /// Tables that the subscription knows of.
    pub(super) tables: usize,
    pub(super) ready: usize,
    pub(super) enabled: bool,
    pub(super) there: bool,
    /// Failures of its workers since it was created.
    pub(super) errors: i64,
    /// Those since the last progress.
    pub(super) in_vain: i64,
    pub(super) current: Lsn,
    pub(super) confirmed: Option<Lsn>,
    /// Whether somebody streams from the slot.
    pub(super) active: bool,
    pub(super) slot_lost: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Reached,
    Wait,
    Broken(String),
}

/// Whether the wait is over.
pub(super) fn decide(reading: &Reading, goal: Goal) -> Decision {
    if !reading.there {
        return Decision::Broken("the subscription is gone from the target".to_owned());
    }
    if !reading.enabled {
        return Decision::Broken("the subscription is disabled on the target".to_owned());
    }
    if let Some(reason) = &reading.slot_lost {
        return Decision::Broken(format!("the slot on the source is lost: {reason}"));
    }
    if reading.in_vain >= HOPELESS {
        return Decision::Broken(format!(
            "the subscription's worker has failed {} times at the same place; the target's server log has the reason (a \
             row that is there already, a missing column)",
            reading.in_vain
        ));
    }
    // It lists them when it is created, once and for all.
    if reading.tables < reading.published {
        return Decision::Broken(format!(
            "the subscription has {} of the {} tables that were published: tables were dropped on the source or the target \
             meanwhile, or the target reaches another server than we do",
            reading.tables, reading.published
        ));
    }
    let arrived = reading.ready == reading.tables;
    let near = match goal {
        Goal::Tables => true,
        Goal::Streaming => reading.active,
        Goal::Within(bytes) => {
            reading.confirmed.is_some_and(|confirmed| reading.current.bytes_since(confirmed) <= bytes)
        }
        Goal::Position(position) => reading.confirmed.is_some_and(|confirmed| confirmed >= position),
    };
    if arrived && near { Decision::Reached } else { Decision::Wait }
}

/// How far the goal is: in tables until all have arrived, then in bytes.
pub(super) fn left(reading: &Reading, goal: Goal) -> u64 {
    let tables = reading.tables.saturating_sub(reading.ready);
    if tables > 0 {
        return u64::try_from(tables).unwrap_or(u64::MAX);
    }
    match (goal, reading.confirmed) {
        (Goal::Tables | Goal::Streaming, _) => 1,
        (Goal::Within(_) | Goal::Position(_), None) => u64::MAX,
        (Goal::Within(bytes), Some(confirmed)) => reading.current.bytes_since(confirmed).saturating_sub(bytes),
        (Goal::Position(position), Some(confirmed)) => position.bytes_since(confirmed),
    }
}

/// Counts failures that nothing good happened between.
#[derive(Debug, Default)]
pub(super) struct Failures {
    seen: Option<i64>,
    progress: (usize, Option<Lsn>),
    before_progress: i64,
}

impl Failures {
    pub(super) fn since_progress(&mut self, reading: &Reading) -> i64 {
        let progress = (reading.ready, reading.confirmed);
        if self.seen.is_none() || progress != self.progress {
            (self.progress, self.before_progress) = (progress, reading.errors);
        }
        reading.errors - self.before_progress
    }

    /// Whether the reading has failures that the one before did not have.
    pub(super) fn is_new(&mut self, reading: &Reading) -> bool {
        self.seen.replace(reading.errors).is_some_and(|seen| seen < reading.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        Reading {
            published: 3,
            active: true,
            tables: 3,
            ready: 3,
            enabled: true,
            there: true,
            errors: 0,
            in_vain: 0,
            current: Lsn(1000),
            confirmed: Some(Lsn(1000)),
            slot_lost: None,
        }
    }

    #[test]
    fn no_lag_means_nothing_while_a_table_is_being_copied() {
        let copying = Reading { ready: 2, ..reading() };
        for goal in [Goal::Tables, Goal::Within(0), Goal::Within(u64::MAX), Goal::Position(Lsn(1))] {
            assert_eq!(decide(&copying, goal), Decision::Wait, "{goal:?}");
        }
    }

    #[test]
    fn a_fixed_goal_is_reached_although_the_source_goes_on() {
        let busy = Reading { current: Lsn(9000), confirmed: Some(Lsn(1500)), ..reading() };
        assert_eq!(decide(&busy, Goal::Position(Lsn(1400))), Decision::Reached);
        assert_eq!(decide(&busy, Goal::Within(0)), Decision::Wait);
        assert_eq!(decide(&busy, Goal::Within(7500)), Decision::Reached);
    }

    #[test]
    fn a_subscription_streams_when_somebody_holds_our_slot() {
        assert_eq!(decide(&reading(), Goal::Streaming), Decision::Reached);
        assert_eq!(decide(&Reading { active: false, ..reading() }, Goal::Streaming), Decision::Wait);
    }

    #[test]
    fn a_slot_that_has_confirmed_nothing_is_not_near() {
        let new = Reading { confirmed: None, ..reading() };
        assert_eq!(decide(&new, Goal::Within(u64::MAX)), Decision::Wait);
    }

    #[test]
    fn what_cannot_get_better_ends_the_wait() {
        for broken in [
            Reading { enabled: false, ..reading() },
            Reading { there: false, ..reading() },
            Reading { in_vain: HOPELESS, ..reading() },
            Reading { tables: 2, ready: 2, ..reading() },
            Reading { slot_lost: Some("gone".to_owned()), ..reading() },
        ] {
            assert!(matches!(decide(&broken, Goal::Tables), Decision::Broken(_)), "{broken:?}");
        }
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut failures = Failures::default();
        let mut in_vain = |errors, confirmed| {
            let reading = Reading { errors, confirmed: Some(Lsn(confirmed)), ..reading() };
            let count = failures.since_progress(&reading);
            failures.is_new(&reading);
            count
        };
        assert_eq!(in_vain(7, 100), 0, "what happened before the wait");
        assert_eq!(in_vain(9, 100), 2);
        assert_eq!(in_vain(10, 200), 0);
        assert_eq!(in_vain(11, 200), 1);
    }
}
