//! The directory in which a run keeps archives and files with passwords for its children. It goes with the run; that of a run
//! that was killed goes with the next one, or with the `cleanup` command.

use std::env;
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use tempfile::TempDir;

use crate::logger;

const PREFIX: &str = "pg_migrate-";

/// In every such directory; locked for as long as its run lives, however that ends.
const LOCK: &str = "lock";

/// A directory of this run alone.
pub(super) struct Scratch {
    directory: TempDir,
    #[expect(dead_code, reason = "its lock says that the run lives")]
    lock: File,
}

impl Scratch {
    /// Creates one, readable by nobody else, after removing those of runs that were killed.
    pub(super) fn create() -> io::Result<Self> {
        sweep();
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        // It gets its name once it is locked: a run that sweeps at this moment never meets one that is free.
        let unlocked = directory.path().join("unlocked");
        let lock = File::create(&unlocked)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(unlocked, directory.path().join(LOCK))?;
        Ok(Self { directory, lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes what runs of this user left when they were killed. What cannot be removed stays.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else { return };
    for path in entries.flatten().filter(is_abandoned).map(|entry| entry.path()) {
        match fs::remove_dir_all(&path) {
            Ok(()) => tracing::debug!(target: logger::MIGRATE, "removed {path:?}, which a run left that was killed"),
            Err(error) => tracing::debug!(target: logger::MIGRATE, "cannot remove {path:?}: {error}"),
        }
    }
}

/// Whether it is a directory of ours whose run lives no more. A link is no directory here.
fn is_abandoned(entry: &DirEntry) -> bool {
    let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
        && entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == rustix::process::geteuid().as_raw());
    let Some(lock) = ours.then(|| File::open(entry.path().join(LOCK)).ok()).flatten() else { return false };
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn runs_that_begin_at_the_same_time_leave_each_other_their_directories() {
        let creating = || {
            for _ in 0..100 {
                let scratch = Scratch::create().unwrap();
                assert!(scratch.path().join(LOCK).exists());
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(creating))));
    }
}
