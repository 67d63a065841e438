//! Files that connection strings name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::conninfo::{Files, Secret};
use crate::logger;

/// The real ones.
pub(super) struct OnDisk;

impl Files for OnDisk {
    /// As libpq, ignores one that others may read, and says so.
    fn passfile(&self, path: &Path) -> Option<Secret> {
        let metadata = fs::metadata(path).ok()?;
        if !metadata.is_file() {
            tracing::warn!(target: logger::MIGRATE, "password file {path:?} is not a plain file");
            return None;
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(
                target: logger::MIGRATE,
                "password file {path:?} is ignored: others have access to it; its permissions must be 0600"
            );
            return None;
        }
        fs::read_to_string(path).ok().map(Secret::new)
    }

    fn service_file(&self, path: &Path) -> Option<Secret> {
        fs::read_to_string(path).ok().map(Secret::new)
    }
}
