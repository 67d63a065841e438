//! How many indexes are built and tables analyzed at the same time, over all databases together.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::cancelled;
use crate::error::Error;

/// Permits to build or analyze.
pub(super) struct Builds {
    free: Semaphore,
    /// Databases whose indexes are not all there.
    databases: AtomicUsize,
}

/// So many indexes may be built until it is dropped.
pub(super) struct Permit<'a> {
    _held: SemaphorePermit<'a>,
    /// At least 1.
    pub(super) jobs: usize,
}

impl Builds {
    /// `jobs` at the same time for this many databases.
    pub(super) fn new(jobs: usize, databases: usize) -> Self {
        Self { free: Semaphore::new(jobs.max(1)), databases: AtomicUsize::new(databases) }
    }

    /// Waits for a permit, and takes what else is free; but leaves one to other databases that may need it.
    pub(super) async fn many(&self) -> Result<Permit<'_>, Error> {
        let mut held = self.one().await?;
        let left_to_others = usize::from(self.databases.load(Ordering::Relaxed) > 1);
        let more = self.free.available_permits().saturating_sub(left_to_others);
        if let Ok(others) = self.free.try_acquire_many(u32::try_from(more).unwrap_or(0)) {
            held.merge(others);
        }
        let jobs = held.num_permits();
        Ok(Permit { _held: held, jobs })
    }

    /// Waits for one permit.
    pub(super) async fn one(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.free.acquire().await.map_err(|_| cancelled())
    }

    /// One of the databases.
    pub(super) fn expected(&self) -> Expected<'_> {
        Expected(self)
    }
}

/// A database whose indexes will be built. Dropped when they are all there, or never will be.
pub(super) struct Expected<'a>(&'a Builds);

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.databases.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_permit_is_left_to_other_databases_and_none_when_there_are_no_others() {
        let builds = Builds::new(4, 2);
        let first = builds.many().await.unwrap();
        let second = builds.many().await.unwrap();
        assert_eq!((first.jobs, second.jobs, builds.free.available_permits()), (3, 1, 0));
        drop((first, second));
        drop(builds.expected());
        assert_eq!(builds.many().await.unwrap().jobs, 4);
    }
}
