//! What an earlier run left behind for one database.

use crate::facts::{DatabaseFacts, Publication, ServerFacts};
use crate::settings::Method;
use crate::sql::names::ReplicationNames;

/// What an earlier run left behind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Previous<'a> {
    /// No replication object of ours.
    Nothing,
    /// A replication that works: this publication, its slot, and an enabled subscription.
    Running(&'a Publication),
    /// Some of a replication's objects, from a run that was killed.
    Leftovers,
}

/// Looks for the objects called `names`.
pub(super) fn find<'a>(
    server: &ServerFacts,
    database: &str,
    source: &'a DatabaseFacts,
    target: Option<&DatabaseFacts>,
    names: &ReplicationNames,
    forced: Option<Method>,
) -> Previous<'a> {
    let slot =
        server.slots.iter().any(|slot| slot.name == names.slot.as_str() && slot.database.as_deref() == Some(database));
    let publication = source.publications.iter().find(|found| found.name == names.publication.as_str());
    let subscription =
        target.and_then(|target| target.subscriptions.iter().find(|found| found.name == names.subscription.as_str()));
    // A journal that does not say so means: killed after the subscription was enabled, before the schema was complete.
    let complete = target.and_then(|target| target.journal.as_ref()).is_none_or(|journal| journal.complete);
    match (subscription, publication) {
        (Some(subscription), Some(publication))
            if slot && subscription.enabled && complete && forced != Some(Method::Dump) =>
        {
            Previous::Running(publication)
        }
        (None, None) if !slot => Previous::Nothing,
        _ => Previous::Leftovers,
    }
}
