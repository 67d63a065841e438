//! How a target database comes to be.

use std::collections::BTreeSet;

use super::{Content, Creation, Initial, RolePlan, TablePlan, roles};
use crate::facts::{DatabaseEntry, DatabaseFacts, DatabaseProperties, DatabaseSetting, Facts, Journal, JournalOrigin};
use crate::sql::QualifiedName;

/// Chooses for a database that is `entry` on the source.
///
/// Only what an unfinished run brought is ever dropped or emptied. A run whose copy was complete is not unfinished:
/// applications may have moved to its result since, and validation refuses to begin again there. `unbegun`: a run of ours has
/// created the target's, and was killed before the journal.
pub(super) fn choose(
    entry: &DatabaseEntry,
    target: Option<&DatabaseFacts>,
    unbegun: bool,
    may_create: bool,
) -> Creation {
    let Some(target) = target else { return Creation::Create(entry.clone()) };
    match &target.journal {
        Some(journal) if !journal.complete => start_again(entry, journal, may_create),
        None if unbegun && may_create && target.user_objects == 0 => Creation::Recreate(entry.clone()),
        _ if target.user_objects == 0 => Creation::UseEmpty { clean: false },
        _ => Creation::UseFilled,
    }
}

fn start_again(entry: &DatabaseEntry, journal: &Journal, may_create: bool) -> Creation {
    match journal.origin {
        JournalOrigin::Created if may_create => Creation::Recreate(entry.clone()),
        JournalOrigin::Created | JournalOrigin::Empty => Creation::UseEmpty { clean: true },
        JournalOrigin::Filled => Creation::UseFilled,
    }
}

/// What a database that we create gets and `source` does not have, as far as we may drop it.
pub(super) fn drop_initial(facts: &Facts, creation: &Creation, source: &DatabaseFacts) -> Vec<Initial> {
    if !matches!(creation, Creation::Create(_) | Creation::Recreate(_)) {
        return Vec::new();
    }
    let superuser = facts.target.user.superuser;
    let may_drop_schema = superuser || facts.target.version.gives_public_to_database_owner();
    let schema = (!source.public_schema && may_drop_schema).then_some(Initial::SchemaPublic);
    let extension = (source.extension("plpgsql").is_none() && superuser).then_some(Initial::ExtensionPlpgsql);
    schema.into_iter().chain(extension).collect()
}

/// The setting by which the source's database is closed to writers at the cut-over; the target's is opened then.
const READ_ONLY: &str = "default_transaction_read_only";

/// Whether `setting` makes the source's database read-only for everybody. It is not carried.
pub(crate) fn closes_to_writers(setting: &DatabaseSetting) -> bool {
    setting.role.is_none() && setting.name == READ_ONLY
}

/// Tables to empty before anything else. Where an earlier run's objects are dropped, extensions stay with their tables.
/// One that had rows before that run is left alone: nobody can tell which are whose.
pub(super) fn empty_first(
    creation: &Creation,
    target: Option<&DatabaseFacts>,
    content: &Content,
) -> BTreeSet<QualifiedName> {
    let Some((target, journal)) = target.and_then(|target| Some((target, target.journal.as_ref()?))) else {
        return BTreeSet::new();
    };
    let there = target.tables_by_name();
    let stays = |table: &TablePlan| match creation {
        Creation::UseFilled => !journal.complete,
        Creation::UseEmpty { clean } => *clean && table.configuration,
        Creation::Create(_) | Creation::Recreate(_) => false,
    };
    let tables = content.tables.iter().filter(|table| stays(table) && there.contains_key(&table.name));
    tables.map(|table| &table.name).filter(|name| journal.filled(name)).cloned().collect()
}

/// What to say of the database as a whole: all that the source says, less what closes it to writers and what is about roles
/// that the target does not have, and where the database is there, less what the target says differently.
pub(super) fn properties(facts: &Facts, planned: &[RolePlan], database: &str, existing: bool) -> DatabaseProperties {
    let Some(source) = facts.source.database(database) else { return DatabaseProperties::default() };
    let mut properties = source.properties.clone();
    let missing = roles::missing(facts, planned);
    let has_role = |role: &Option<String>| role.as_ref().is_none_or(|name| !missing.contains(name));
    properties.settings.retain(|setting| has_role(&setting.role) && !closes_to_writers(setting));
    if let Some(privileges) = &mut properties.privileges {
        privileges.retain(|privilege| has_role(&privilege.grantee));
    }
    if let Some(target) = facts.target.database(database).filter(|_| existing) {
        let there = &target.properties;
        let says_already =
            |it: &DatabaseSetting| there.settings.iter().any(|set| (&set.role, &set.name) == (&it.role, &it.name));
        properties.settings.retain(|setting| !says_already(setting));
        let is_labelled = |provider: &String| there.labels.iter().any(|label| label.provider == *provider);
        properties.labels.retain(|label| !is_labelled(&label.provider));
        properties.comment = properties.comment.filter(|_| there.comment.is_none());
        properties.connection_limit = properties.connection_limit.filter(|_| there.connection_limit.is_none());
        properties.privileges = properties.privileges.filter(|_| there.privileges.is_none());
    }
    properties
}
