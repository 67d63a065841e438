//! How a target database comes to be.

use super::Creation;
use crate::facts::{DatabaseEntry, DatabaseFacts, Journal, JournalOrigin};

/// Chooses for a database that is `entry` on the source.
///
/// Only what an unfinished run brought is ever dropped or emptied. A run whose copy was complete is not unfinished:
/// applications may have moved to its result since, and validation refuses to begin again there.
pub(super) fn choose(entry: &DatabaseEntry, target: Option<&DatabaseFacts>, may_create: bool) -> Creation {
    let Some(target) = target else { return Creation::Create(entry.clone()) };
    match &target.journal {
        Some(journal) if !journal.replicating => start_again(entry, journal, may_create),
        _ if target.user_objects == 0 => Creation::UseEmpty { clean: false },
        _ => Creation::UseFilled { empty_first: Vec::new() },
    }
}

fn start_again(entry: &DatabaseEntry, journal: &Journal, may_create: bool) -> Creation {
    match journal.origin {
        JournalOrigin::Created if may_create => Creation::Recreate(entry.clone()),
        JournalOrigin::Created | JournalOrigin::Empty => Creation::UseEmpty { clean: true },
        JournalOrigin::Filled => Creation::UseFilled { empty_first: journal.copied.iter().cloned().collect() },
    }
}
