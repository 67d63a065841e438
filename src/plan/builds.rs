//! Memory and workers of index builds on the target.

use crate::facts::MemorySettings;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
