//! An extension for one server alone, which changes nothing of what is installed on the machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Cluster;
use crate::harness::user::give_to_servers;

impl Cluster {
    /// Restarts the server from an installation of its own, which also has the extension `name`.
    pub(crate) fn add_extension(&mut self, name: &str, control: &str, script: &str) {
        let directory = |key: &str| {
            PathBuf::from(self.value("postgres", &format!("SELECT setting FROM pg_config WHERE name = '{key}'")))
        };
        let (bin, share) = (directory("BINDIR"), directory("SHAREDIR"));
        let common = bin.ancestors().find(|above| share.starts_with(above)).expect("/ is above everything");
        let root = self.directory.join("installation");
        let moved = |path: &Path| root.join(path.strip_prefix(common).expect("below the common directory"));

        link_all_but(bin.parent().expect("bin is in a directory"), &moved, &[&bin, &share]);
        link_all_but(&share, &moved, &[&share.join("extension")]);
        link_all_but(&share.join("extension"), &moved, &[]);
        let extensions = moved(&share.join("extension"));
        fs::write(extensions.join(format!("{name}.control")), control).expect("a control file");
        fs::write(extensions.join(format!("{name}--1.0.sql")), script).expect("a script");

        // It looks for its files from where it is, links followed.
        fs::create_dir_all(moved(&bin)).expect("a directory for the server program");
        let postgres = moved(&bin.join("postgres"));
        fs::copy(bin.join("postgres"), &postgres).expect("a copy of the server program");
        give_directories(&root);
        self.pg_ctl(&["stop", "--mode=fast"]).expect("stopping a server");
        self.postgres = Some(postgres);
        self.start_again();
    }
}

/// Links the entries of `directory` into its moved counterpart, but for those that are, or are above, one of `others`.
fn link_all_but(directory: &Path, moved: &impl Fn(&Path) -> PathBuf, others: &[&Path]) {
    fs::create_dir_all(moved(directory)).expect("a directory for links");
    for entry in directory.read_dir().expect("a directory of the installation").flatten() {
        let path = entry.path();
        if !others.iter().any(|other| other.starts_with(&path)) {
            symlink(&path, moved(&path)).expect("a link to the installation");
        }
    }
}

/// Lets the servers' account remove what is in `directory`, as it does at the end.
fn give_directories(directory: &Path) {
    give_to_servers(directory).expect("handing a directory over");
    for entry in directory.read_dir().expect("a directory just made").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            give_directories(&entry.path());
        }
    }
}
