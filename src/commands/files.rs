//! Files that connection strings and options name.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::conninfo::{Files, Secret};
use crate::error::{Error, Kind};
use crate::logger;
use crate::settings::RolePasswords;

/// Reads `--role-passwords`.
pub(super) fn role_passwords(path: &Path) -> Result<RolePasswords, Error> {
    let refuse = |cause: String| Error::new(Kind::Usage, format!("--role-passwords {path:?}")).caused_by(cause);
    let metadata = fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
    if others_have_access(&metadata) {
        return Err(refuse("others have access to the file".to_owned()).hint(format!("chmod 600 {path:?}")));
    }
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    RolePasswords::parse(&text).map_err(|error| refuse(error.to_string()))
}

fn others_have_access(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

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
        if others_have_access(&metadata) {
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
