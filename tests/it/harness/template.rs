//! Data directories fresh from initdb, made once and copied for each server.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::user::{give_to_servers, server_command};
use super::versions::Installation;

/// Password of `postgres` on every server. It has what URIs, connection strings, SQL and shells find difficult, so that a
/// test which looks for leaks finds it in no harmless text.
pub(crate) const SUPERUSER_PASSWORD: &str = r#"s3cret @:/?#%&=+ '"\$pass"#;

/// Beside what the cluster's own options ask for. Small segments make the directory small and its copy quick.
const INITDB: [&str; 6] =
    ["--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync", "--wal-segsize=1"];

/// Copies a fresh data directory for `installation`, as initdb makes it with `options`, to `destination`.
pub(super) fn create_data_directory(
    installation: &Installation,
    options: &[String],
    destination: &Path,
) -> io::Result<()> {
    let mut key = DefaultHasher::new();
    (&installation.version, installation.program("initdb"), INITDB, SUPERUSER_PASSWORD, options).hash(&mut key);
    let template =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("template-{}-{:016x}", installation.major, key.finish()));
    if !template.is_dir() {
        create_template(installation, options, &template)?;
    }
    copy_tree(&template, destination, Some(give_to_servers))
}

/// Copies the data directory of a server that is stopped.
pub(super) fn copy_data_directory(from: &Path, to: &Path) -> io::Result<()> {
    copy_tree(from, to, Some(give_to_servers))
}

/// Several tests, in several processes, may do this at the same time: each makes its own, and renaming decides.
fn create_template(installation: &Installation, options: &[String], template: &Path) -> io::Result<()> {
    // Not below the target directory, which the servers' account may not be allowed to enter.
    let scratch = tempfile::Builder::new().prefix("pg_migrate-initdb-").tempdir()?;
    give_to_servers(scratch.path())?;
    let data = scratch.path().join("data");
    let password_file = scratch.path().join("password");
    fs::write(&password_file, SUPERUSER_PASSWORD)?;
    let output = server_command(installation.program("initdb"))
        .args(INITDB)
        .arg("--pwfile")
        .arg(&password_file)
        .arg("--pgdata")
        .arg(&data)
        .args(options)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("initdb: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let finished = tempfile::Builder::new().prefix("template-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?.keep();
    copy_tree(&data, &finished.join("data"), None)?;
    let renamed = fs::rename(finished.join("data"), template);
    fs::remove_dir_all(&finished)?;
    if template.is_dir() { Ok(()) } else { renamed }
}

/// Copies a directory, private to its owner; `adopt` is called for everything that was made.
fn copy_tree(from: &Path, to: &Path, adopt: Option<fn(&Path) -> io::Result<()>>) -> io::Result<()> {
    let adopt_one = |path: &Path| adopt.map_or(Ok(()), |adopt| adopt(path));
    fs::DirBuilder::new().mode(0o700).create(to)?;
    adopt_one(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let copy: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &copy, adopt)?;
        } else {
            fs::copy(entry.path(), &copy)?;
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))?;
            adopt_one(&copy)?;
        }
    }
    Ok(())
}
