//! Index builds on the target: their memory and workers, and which take longest.

use crate::facts::{LargeIndex, MemorySettings};

/// What each index build may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// `maintenance_work_mem`, in kB.
    pub memory_kb: i64,
    /// `max_parallel_maintenance_workers`
    pub parallel_workers: i64,
}

/// More does not make a sort faster: what does not fit is merged in one pass anyway.
const MOST_KB: i64 = 2 * 1024 * 1024;

/// The limits for `jobs` builds at a time, on a server with `settings`, unless they are `wanted`.
///
/// Nobody tells a client how much memory a server has. `shared_buffers` is a quarter of it, and `effective_cache_size` half
/// to three quarters, where an administrator followed the manual, and 128 MB and 4 GB where nobody did; half of the one, or an
/// eighth of the other, for all builds together is little on either. Rows are not queried meanwhile, so nobody else needs it.
pub(super) fn limits(
    settings: &MemorySettings,
    jobs: usize,
    wanted_bytes: Option<u64>,
    wanted_workers: Option<u16>,
) -> BuildLimits {
    let jobs = i64::try_from(jobs).unwrap_or(i64::MAX).max(1);
    let all = (settings.shared_buffers_kb / 2).max(settings.effective_cache_size_kb / 8);
    let own = settings.maintenance_work_mem_kb;
    let memory_kb = match wanted_bytes {
        Some(bytes) => i64::try_from(bytes / 1024).unwrap_or(i64::MAX).min(i64::from(i32::MAX)),
        None => (all / jobs).min(MOST_KB).max(own),
    };
    let each = settings.max_parallel_workers / jobs;
    let parallel_workers = match wanted_workers {
        Some(workers) => i64::from(workers),
        None => settings.max_parallel_maintenance_workers.min(each),
    };
    BuildLimits { memory_kb, parallel_workers }
}

/// An entry with a key of 8 bytes; where equal keys are stored once, each is sorted all the same.
const ENTRY: u64 = 20;

/// What it takes to build `index` from what was read of its table, in bytes of an index over numbers.
///
/// The factors are CPU seconds of CREATE INDEX on PostgreSQL 15, for 700,000 rows in memory and without parallel workers, less
/// 0.12 s for reading the table of 156 MB. B-tree: 0.25 for 15 MB of numbers, 0.28 for 4 MB of equal ones, 0.28 to 0.45 for 21
/// to 45 MB of text in collation C, 0.9 to 1.8 in that of a language, for which locales have a function of their own. Hash: 0.5
/// for 20 MB. GIN: 3.4 for 16 MB. GiST: 8.6 for 31 MB.
pub(super) fn cost(index: &LargeIndex) -> u64 {
    let factor = match (index.method.as_str(), index.collated) {
        ("btree", false) => 1,
        ("btree", true) => 3,
        ("gin", _) => 12,
        ("gist" | "spgist", _) => 16,
        // It is read from the table, and next to nothing is written.
        ("brin", _) => 0,
        _ => 2,
    };
    index.bytes.max(index.entries.saturating_mul(ENTRY)).saturating_mul(factor)
}

/// What it takes to read a table of `bytes`, in the same unit.
pub fn reading_cost(bytes: u64) -> u64 {
    bytes / 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::QualifiedName;

    const MB: i64 = 1024;

    fn server(shared_buffers: i64, cache: i64, own: i64) -> MemorySettings {
        MemorySettings {
            shared_buffers_kb: shared_buffers,
            effective_cache_size_kb: cache,
            maintenance_work_mem_kb: own,
            max_parallel_maintenance_workers: 2,
            max_parallel_workers: 8,
        }
    }

    fn memory(settings: &MemorySettings, jobs: usize) -> i64 {
        limits(settings, jobs, None, None).memory_kb / MB
    }

    #[test]
    fn builds_share_what_the_server_seems_to_have() {
        let untouched = server(128 * MB, 4096 * MB, 64 * MB);
        assert_eq!((memory(&untouched, 1), memory(&untouched, 2), memory(&untouched, 16)), (512, 256, 64));
        let large = server(16 * 1024 * MB, 48 * 1024 * MB, 64 * MB);
        assert_eq!((memory(&large, 2), memory(&large, 8)), (2048, 1024));
        assert_eq!(memory(&server(128 * MB, 4096 * MB, 4096 * MB), 4), 4096, "never less than its own");
    }

    #[test]
    fn workers_are_those_of_the_server_while_there_are_enough() {
        let settings = server(128 * MB, 4096 * MB, 64 * MB);
        let workers = |jobs| limits(&settings, jobs, None, None).parallel_workers;
        assert_eq!((workers(1), workers(4), workers(6), workers(9)), (2, 2, 1, 0));
    }

    #[test]
    fn what_the_user_wants_is_taken() {
        let settings = server(128 * MB, 4096 * MB, 64 * MB);
        let wanted = limits(&settings, 4, Some(32 << 20), Some(7));
        assert_eq!(wanted, BuildLimits { memory_kb: 32 * MB, parallel_workers: 7 });
    }

    #[test]
    fn text_in_a_language_takes_longer_than_numbers_and_equal_keys_as_long_as_others() {
        let of = |method: &str, megabytes: u64, collated| {
            let name = QualifiedName::new("s", "i");
            cost(&LargeIndex { name, bytes: megabytes << 20, entries: 700_000, method: method.to_owned(), collated })
        };
        assert!(of("btree", 21, true) > of("btree", 39, false));
        assert_eq!(of("btree", 4, false), of("btree", 5, false));
        assert!(of("gin", 16, false) > of("btree", 45, true));
        assert!(reading_cost(156 << 20) < of("btree", 15, false));
    }
}
