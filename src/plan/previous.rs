//! What an earlier run left behind for one database.

use super::{DatabasePlan, Transfer, Work};
use crate::facts::{DatabaseFacts, Facts, Moment, Publication, ServerFacts};
use crate::settings::Method;
use crate::sql::names::ReplicationNames;
use crate::sql::{Ident, QualifiedName};

/// What an earlier run left behind.
#[derive(Clone, Debug)]
pub(super) enum Previous {
    /// No replication object of ours.
    Nothing,
    /// A replication that works: publications, their slot, an enabled subscription, and the tables that both ends know.
    Running(Vec<QualifiedName>),
    /// Some of a replication's objects, from a run that was killed.
    Leftovers,
}

/// Looks for the objects called `names`.
pub(super) fn find(
    server: &ServerFacts,
    database: &str,
    source: &DatabaseFacts,
    target: Option<&DatabaseFacts>,
    names: &ReplicationNames,
    forced: Option<Method>,
) -> Previous {
    let slot = server.slot(&names.slot).is_some_and(|slot| slot.database.as_deref() == Some(database));
    let publication = |name: &Ident| source.publications.iter().find(|found| found.name == name.as_str());
    let (publication, inserts) = (publication(&names.publication), publication(&names.insert_publication));
    let subscription = target.and_then(|target| target.subscription(&names.subscription));
    // A journal that does not say so means: killed after the subscription was enabled, before the schema was complete.
    let complete = target.and_then(|target| target.journal.as_ref()).is_none_or(|journal| journal.complete);
    match (subscription, publication) {
        (Some(subscription), Some(publication))
            if slot && subscription.enabled && complete && forced != Some(Method::Dump) =>
        {
            let tables = [Some(publication), inserts].into_iter().flatten().flat_map(|it: &Publication| &it.tables);
            // One that was renamed on a side since has changes that go nowhere.
            let arrives = |name: &&QualifiedName| target.is_some_and(|target| target.subscribed.contains(*name));
            Previous::Running(tables.filter(arrives).cloned().collect())
        }
        (None, None) if !slot && inserts.is_none() => Previous::Nothing,
        _ => Previous::Leftovers,
    }
}

/// Goes on where a run by dump had copied everything from this source and did not end, if this one would dump as well: what a
/// subscription would bring begins with a copy of its own.
pub(super) fn conclude(facts: &Facts, databases: &mut [DatabasePlan]) {
    for plan in databases {
        let Some(moment) = copied(facts, &plan.name) else { continue };
        plan.work = match std::mem::replace(&mut plan.work, Work::Nothing) {
            Work::Migrate(migration) if migration.transfer == Transfer::Dump && !migration.drop_first => {
                Work::Conclude { migration, moment: moment.clone() }
            }
            other => other,
        };
    }
}

/// The moment of the source whose rows a dump has brought, all of them.
fn copied<'a>(facts: &'a Facts, database: &str) -> Option<&'a Moment> {
    let pair = facts.databases.iter().find(|pair| pair.name == database)?;
    let journal = pair.target.as_ref()?.as_ref().ok()?.journal.as_ref().filter(|journal| journal.complete)?;
    journal.moment.as_ref().filter(|moment| facts.source.system_identifier == Some(moment.system_identifier))
}
