//! A disk that is soon full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tell;
use super::user::give_to_servers;

/// A file system of a few megabytes; it goes when this is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, after saying so, where we may not mount one.
    pub(crate) fn mount() -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("pgm-disk-").tempdir().expect("a temporary directory");
        let disk = Self(directory.keep());
        if !mount(&["-t", "tmpfs", "-o", "size=12m", "tmpfs"], &disk.0) {
            tell("skipped: a disk to fill can only be mounted by root, on Linux");
            return None;
        }
        give_to_servers(&disk.0).expect("handing the disk to the servers' account");
        Some(disk)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes room.
    pub(crate) fn grow(&self) {
        assert!(mount(&["-o", "remount,size=200m"], &self.0), "growing a file system");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server may still have files open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
        let _ = fs::remove_dir(&self.0);
    }
}

fn mount(arguments: &[&str], directory: &Path) -> bool {
    Command::new("mount").args(arguments).arg(directory).output().is_ok_and(|output| output.status.success())
}
