//! When another worker comes to help in a database.
//!
//! Its sessions cost each server as much as some megabytes of rows do, and what is done in more transactions than it needs
//! costs more. Databases that are at work at the same time are as many as workers: a small one is best left to one of them,
//! as long as that goes on.

use std::time::Duration;

use tokio::time::Instant;

/// From how much on that is left to do in a database, as bytes of rows to copy, another worker comes to help.
pub(super) const WORTH_HELPING: u64 = 16 * 1024 * 1024;

/// What a table costs besides its rows, as bytes of them.
pub(super) const EACH_TABLE: u64 = 128 * 1024;

/// What waits for longer is taken up all the same: something may be in its way.
const LIMIT: Duration = Duration::from_secs(1);

/// How long some work has waited without that any of it was taken up.
#[derive(Debug, Default)]
pub(super) struct Patience {
    until: Option<Instant>,
}

impl Patience {
    /// Whether some work is `waiting` now.
    pub(super) fn look(&mut self, waiting: bool, now: Instant) {
        self.until = if waiting { self.until.or(Some(now + LIMIT)) } else { None };
    }

    /// Some of it was taken up; more may be `waiting`.
    pub(super) fn renew(&mut self, waiting: bool, now: Instant) {
        self.until = waiting.then_some(now + LIMIT);
    }

    /// Whether it has waited too long.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// When it will have.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}
