//! How many connections a migration takes of what the servers have.

use std::num::NonZeroUsize;

use crate::facts::{Facts, ServerFacts};

/// Four at most: more connections rarely copy faster, and the source is in use.
const DEFAULT_JOBS: i64 = 4;

/// Connections that are left to others on each server: watching, replication, and the users' own.
pub(crate) const SPARE_CONNECTIONS: i64 = 5;

/// Connections to each server that carry or read rows.
pub(super) fn jobs(facts: &Facts, wanted: Option<NonZeroUsize>) -> usize {
    wanted.map_or_else(|| default_jobs(facts), usize::from)
}

fn default_jobs(facts: &Facts) -> usize {
    // On the target as many index builds go on at the same time.
    let jobs = room(&facts.source).min(room(&facts.target) / 2);
    usize::try_from(jobs.clamp(1, DEFAULT_JOBS)).unwrap_or(1)
}

/// Connections that both servers can give us.
fn both(facts: &Facts) -> i64 {
    room(&facts.source).min(room(&facts.target))
}

fn room(server: &ServerFacts) -> i64 {
    server.free_connections() - SPARE_CONNECTIONS
}

/// Databases in work at the same time, whatever the number of copy workers: schema restores and index builds of several
/// databases overlap, and their snapshots are not all held from the beginning. Fewer where connections are few.
const DATABASES_AT_WORK: usize = 4;

/// Connections to each server that a database takes which waits for replication.
const WAITING_CONNECTIONS: i64 = 4;

/// Most databases that wait for replication at the same time.
const WAITING: i64 = 32;

/// Databases at work at the same time, and those in all that are begun and not ended, besides `jobs` connections that copy.
pub(super) fn databases(facts: &Facts, jobs: usize) -> (usize, usize) {
    let left = both(facts).saturating_sub(i64::try_from(jobs).unwrap_or(i64::MAX));
    let waiting = usize::try_from((left / WAITING_CONNECTIONS).clamp(0, WAITING)).unwrap_or(0);
    let at_work = jobs.max(DATABASES_AT_WORK.min(waiting));
    (at_work, at_work.max(waiting))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture;

    #[test]
    fn databases_that_wait_are_as_many_as_connections_allow() {
        let at = |connections: i64, jobs: usize| {
            let mut facts = fixture::facts();
            facts.target.settings.usable_connections = facts.target.connections + SPARE_CONNECTIONS + connections;
            facts.source.settings.usable_connections = 1000;
            databases(&facts, jobs)
        };
        assert_eq!(at(44, 4), (4, 10));
        assert_eq!(at(900, 4), (4, 32));
        assert_eq!(at(0, 4), (4, 4), "no fewer than are at work");
        assert_eq!((at(4, 2), at(14, 2)), ((2, 2), (3, 3)), "few connections are not all taken at once");
        assert_eq!(at(900, 40), (40, 40));
    }
}
