//! The account that server programs run under: they refuse to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// An account, by its numbers.
#[derive(Clone, Copy)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Whom the servers run as: `postgres` or else `nobody` when we are root; `None` when they run as ourselves.
    pub(super) fn for_servers() -> Option<Self> {
        static USER: OnceLock<Option<User>> = OnceLock::new();
        *USER.get_or_init(|| {
            (id(&["-u"]) == Some(0)).then(|| {
                ["postgres", "nobody"]
                    .into_iter()
                    .find_map(|name| Some(Self { uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
                    .expect("as root, the tests need an account 'postgres' or 'nobody' to run servers")
            })
        })
    }
}

/// A command that will run as the servers' account.
pub(super) fn server_command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    if let Some(user) = User::for_servers() {
        // Also gives up root's supplementary groups.
        command.gid(user.gid).uid(user.uid);
        // Our own home directory is closed to that account, and has its own answers for libpq.
        command.env_remove("HOME");
    }
    // Servers start children by their working directory, which that account may not be allowed to enter.
    command.current_dir("/").env_remove("PGDATA");
    command
}

/// Hands `path` itself, not what is in it, to the servers' account.
pub(super) fn give_to_servers(path: &Path) -> std::io::Result<()> {
    User::for_servers().map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
