//! Sessions that wait for whoever needs the next one in their database.
//!
//! A session costs a server a process that fills its caches first, as much CPU as it takes to copy a small table. A database
//! is migrated in many steps that follow each other: one session can serve them all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Client;

/// Sessions kept of one database. Few steps take more at the same time, and each holds one of the connections that the server
/// has.
const MOST: usize = 2;

/// The sessions of one server, by their database.
#[derive(Default)]
pub(super) struct Kept(Mutex<BTreeMap<String, Vec<Client>>>);

impl Kept {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Client>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session, or ends it where enough are kept.
    pub(super) fn put(&self, client: Client) {
        let mut all = self.all();
        let kept = all.entry(client.database().to_owned()).or_default();
        if kept.len() < MOST && !client.is_closed() {
            kept.push(client);
        }
    }

    /// The session in `database` that was kept last: its caches are the fullest.
    pub(super) fn take(&self, database: &str) -> Option<Client> {
        self.all().get_mut(database)?.pop()
    }

    /// Ends those in `database`.
    pub(super) fn end(&self, database: &str) {
        self.all().remove(database);
    }

    /// Ends all of them.
    pub(super) fn end_all(&self) {
        self.all().clear();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all().iter().map(|(database, kept)| (database, kept.len()))).finish()
    }
}
