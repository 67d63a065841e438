//! What the target user may not do, told from facts: validation announces it, and the migration leaves it to an administrator.

use std::collections::{BTreeMap, BTreeSet};

use super::{Creation, Owners, Rights, RolePlan, roles};
use crate::facts::{DatabaseFacts, DatabasePair, Facts, Reserved};
use crate::settings::Settings;
use crate::sql::names::PREFIX;

/// Schema `public`, among names of what is left.
pub(super) const PUBLIC: &str = "schema public";

/// Whether the target user will be the owner of schema `public`, or have its rights.
pub(super) fn owns_public(facts: &Facts, creation: &Creation, target: Option<&DatabaseFacts>) -> bool {
    facts.target.user.superuser
        || match creation {
            Creation::Create(_) | Creation::Recreate(_) => facts.target.version.gives_public_to_database_owner(),
            Creation::UseEmpty { .. } | Creation::UseFilled => target.is_none_or(|target| target.owns_public),
        }
}

/// What the target user may do in a database that is `source` on the source.
pub(super) fn rights(
    facts: &Facts,
    settings: &Settings,
    planned: &[RolePlan],
    pair: &DatabasePair,
    source: &DatabaseFacts,
    owns_public: bool,
) -> Rights {
    let owners = if settings.no_owner {
        Owners::default()
    } else {
        Owners { kept: true, lost: roles::lost_owners(facts, planned, source) }
    };
    Rights {
        announced: announced(facts, planned, source, &owners, owns_public),
        owners,
        // One that is not there yet will be ours, or of somebody whose rights we have.
        owns_database: facts.target.database(&pair.name).is_none_or(|there| roles::is_member(facts, &there.owner)),
        lost_database: None,
        absent: absent(pair, source),
        owns_public,
        event_triggers: facts.target.user.administrator(),
    }
}

/// Where the target has an extension all the same, it has its members, too.
fn absent(pair: &DatabasePair, source: &DatabaseFacts) -> BTreeSet<String> {
    let target = pair.target.as_ref().and_then(|target| target.as_ref().ok());
    let is_there = |extension: &str| target.is_some_and(|target| target.extension(extension).is_some());
    let absent = source.granted_members.iter().filter(|member| !is_there(&member.extension));
    absent.map(|member| member.object.clone()).collect()
}

/// What will be left to an administrator, or may be: names by kind. Those of owners and default privileges are roles.
fn announced(
    facts: &Facts,
    planned: &[RolePlan],
    source: &DatabaseFacts,
    owners: &Owners,
    owns_public: bool,
) -> BTreeMap<Reserved, BTreeSet<String>> {
    let user = &facts.target.user;
    let missing = roles::missing(facts, planned);
    let mut announced: BTreeMap<Reserved, BTreeSet<String>> = BTreeMap::new();
    let mut add = |kind, name: &str| {
        announced.entry(kind).or_default().insert(name.to_owned());
    };
    for it in &source.reserved {
        let role = it.role.as_deref();
        let applies = match it.kind {
            Reserved::SecurityLabels => true,
            _ if user.superuser => false,
            Reserved::Privileges => role.is_some() || !owns_public,
            Reserved::DefaultPrivileges => {
                role.is_some_and(|role| !missing.contains(role) && !roles::may_own(facts, planned, role))
            }
            _ => true,
        };
        if applies {
            let by_role = it.kind == Reserved::DefaultPrivileges;
            let is_public = it.kind == Reserved::Privileges && role.is_none();
            add(it.kind, role.filter(|_| by_role).unwrap_or(if is_public { PUBLIC } else { &it.identity }));
        }
    }
    owners.lost.iter().for_each(|owner| add(Reserved::Owners, owner));
    if !user.superuser {
        let triggers = source.event_triggers.iter().filter(|trigger| trigger.extension.is_none());
        triggers.for_each(|trigger| add(Reserved::EventTriggers, &trigger.name));
        let publications = source.publications.iter().filter(|it| it.all_tables && !it.name.starts_with(PREFIX));
        publications.for_each(|publication| add(Reserved::Publications, &publication.name));
    }
    announced
}
