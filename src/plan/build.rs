//! The choices, one after the other.

use std::cmp::Reverse;

use super::capacity::{Capacity, Share};
use super::format::Formats;
use super::previous::Previous;
use super::{
    Content, Creation, DatabasePlan, EarlierRun, Migration, Plan, Rights, RolePlan, Transfer, Work, builds,
    connections, content, creation, extensions, identity, method, parts, previous, reserved, roles,
};
use crate::facts::{DatabaseFacts, DatabasePair, Facts};
use crate::settings::{Method, Settings};
use crate::sql::names::{ReplicationNames, UNBEGUN};

/// Makes every choice. Does not ask whether the plan can succeed; validation does.
pub fn build(facts: &Facts, settings: &Settings) -> Plan {
    let (mut roles, memberships) = roles::plan(facts, &settings.selection);
    for plan in &mut roles {
        plan.password = settings.role_passwords.get(&plan.role.name).cloned();
    }
    let skipped_roles = roles::skipped(facts, &settings.selection);
    let joined_roles = if settings.no_owner { Vec::new() } else { roles::joined(facts) };
    let mut pairs: Vec<_> = facts.databases.iter().collect();
    pairs.sort_by_key(|pair| (Reverse(facts.source.database(&pair.name).map_or(0, |entry| entry.bytes)), &pair.name));
    let mut databases: Vec<_> = pairs.into_iter().map(|pair| plan_database(facts, settings, &roles, pair)).collect();
    share_capacity(facts, settings, &mut databases);
    previous::conclude(facts, &mut databases);
    let jobs = connections::jobs(facts, settings.jobs);
    let (databases_at_work, databases_at_once) = connections::databases(facts, jobs);
    parts::divide(facts.source.version, &mut databases, jobs, settings.split_larger_than);
    let index_jobs = settings.index_jobs.map_or(jobs, usize::from);
    let builds =
        builds::limits(&facts.target.settings.memory, index_jobs, settings.index_memory, settings.index_workers);
    let missing_roles = roles::missing(facts, &roles);
    let parameter_privileges = roles::parameter_privileges(facts, &missing_roles);
    Plan {
        roles,
        skipped_roles,
        joined_roles,
        memberships,
        parameter_privileges,
        missing_roles,
        databases,
        jobs,
        databases_at_work,
        databases_at_once,
        index_jobs,
        builds,
        sequence_margin: settings.sequence_margin,
    }
}

fn plan_database(facts: &Facts, settings: &Settings, roles: &[RolePlan], pair: &DatabasePair) -> DatabasePlan {
    let names = ReplicationNames::new(&pair.name, settings.mangle);
    let work = match (&pair.source, pair.target.as_ref().map(Result::as_ref).transpose()) {
        (Err(reason), _) | (_, Err(reason)) => Work::Unreachable { reason: reason.clone() },
        (Ok(source), Ok(Some(target))) if nothing_to_do(source, target) => Work::Nothing,
        (Ok(source), Ok(target)) => {
            let previous = previous::find(&facts.source, &pair.name, source, target, &names, settings.force_method);
            match previous {
                Previous::Running(published) => {
                    let mut content = Content {
                        properties: creation::properties(facts, roles, &pair.name, true),
                        published,
                        ..content::sort(
                            &settings.selection,
                            &pair.name,
                            source,
                            target,
                            &Formats::new(facts, settings, source),
                        )
                    };
                    content.replicate(source, &facts.target);
                    let rights = reserved::rights(facts, settings, roles, pair, source, true);
                    Work::Continue { content: Box::new(content), rights: Box::new(rights) }
                }
                Previous::Nothing => Work::Migrate(Box::new(migration(facts, settings, roles, pair, source, target))),
                Previous::Leftovers => {
                    let migration = migration(facts, settings, roles, pair, source, target);
                    Work::Migrate(Box::new(Migration { drop_first: true, ..migration }))
                }
            }
        }
    };
    DatabasePlan { name: pair.name.clone(), work, names }
}

/// Whether the database has nothing that the target lacks, and our user no right to create anything in it: so it is with
/// `postgres` and others that a managed service makes on every server.
fn nothing_to_do(source: &DatabaseFacts, target: &DatabaseFacts) -> bool {
    !target.may_create
        && source.user_objects == 0
        && source.extensions.iter().all(|extension| target.extension(&extension.name).is_some())
}

fn migration(
    facts: &Facts,
    settings: &Settings,
    roles: &[RolePlan],
    pair: &DatabasePair,
    source: &DatabaseFacts,
    target: Option<&DatabaseFacts>,
) -> Migration {
    let selection = &settings.selection;
    let (replication, obstacles) = method::choose(facts, selection, &pair.name, source, target);
    let (transfer, obstacles) = match settings.force_method {
        Some(Method::Dump) => (Transfer::Dump, Vec::new()),
        Some(Method::Replication) => (replication, obstacles),
        None if obstacles.is_empty() => (replication, obstacles),
        None => (Transfer::Dump, obstacles),
    };
    let limit = facts.target.database(&pair.name).and_then(|entry| entry.properties.connection_limit);
    let unbegun = limit == Some(UNBEGUN);
    let mut creation = match facts.source.database(&pair.name) {
        Some(entry) => creation::choose(entry, target, unbegun, settings.create_databases),
        None => Creation::UseEmpty { clean: false },
    };
    let mut lost_database = None;
    if let Creation::Create(entry) | Creation::Recreate(entry) = &mut creation
        && (settings.no_owner || !roles::may_own(facts, roles, &entry.owner))
    {
        let owner = std::mem::replace(&mut entry.owner, facts.target.user.name.clone());
        lost_database = (!settings.no_owner && owner != entry.owner).then_some(owner);
    }
    let existing = match creation {
        Creation::UseEmpty { clean: false } | Creation::UseFilled => target,
        Creation::UseEmpty { clean: true } | Creation::Create(_) | Creation::Recreate(_) => None,
    };
    let mut content = content::sort(selection, &pair.name, source, existing, &Formats::new(facts, settings, source));
    if transfer != Transfer::Dump {
        let both = (source, existing);
        identity::publish(&mut content, settings, &facts.source.user, &pair.name, both, transfer);
        content.replicate(source, &facts.target);
    }
    let owns_public = reserved::owns_public(facts, &creation, target);
    let skipped_extensions = extensions::skipped(facts, settings, source, existing);
    Migration {
        rights: Rights { lost_database, ..reserved::rights(facts, settings, roles, pair, source, owns_public) },
        drop_initial: creation::drop_initial(facts, &creation, source),
        empty_first: creation::empty_first(&creation, target, &content),
        earlier_run: target
            .and_then(|target| target.journal.as_ref())
            .map(|journal| EarlierRun { migration: journal.migration.clone(), complete: journal.complete }),
        spares_subscription: method::spares_subscription(settings, transfer, &content),
        transfer,
        obstacles,
        drop_first: false,
        extension_versions: extensions::versions(facts, source, &skipped_extensions),
        skipped_extensions,
        content: Content { properties: creation::properties(facts, roles, &pair.name, existing.is_some()), ..content },
        creation,
    }
}

/// Gives slots, senders and workers to the databases in their order; those that come too late are dumped.
fn share_capacity(facts: &Facts, settings: &Settings, databases: &mut [DatabasePlan]) {
    let replicated = |migration: &Migration| migration.transfer != Transfer::Dump && migration.obstacles.is_empty();
    let mut wanted = Share::default();
    let mut dropped_slots = 0;
    let mut dropped_subscriptions = 0;
    for plan in &*databases {
        let Work::Migrate(migration) = &plan.work else { continue };
        if replicated(migration) {
            wanted += method::share(facts, migration);
        }
        if migration.drop_first {
            dropped_slots += i64::from(facts.source.slot(&plan.names.slot).is_some());
            dropped_subscriptions += i64::from(has_subscription(facts, plan));
        }
    }
    let mut capacity = Capacity::new(facts, dropped_slots, dropped_subscriptions, wanted);
    for plan in databases {
        let Work::Migrate(migration) = &mut plan.work else { continue };
        if !replicated(migration) {
            continue;
        }
        migration.obstacles = capacity.take(method::share(facts, migration));
        if !migration.obstacles.is_empty() && settings.force_method.is_none() {
            migration.transfer = Transfer::Dump;
            migration.content.forget_replication();
        }
    }
}

fn has_subscription(facts: &Facts, plan: &DatabasePlan) -> bool {
    facts
        .databases
        .iter()
        .filter(|pair| pair.name == plan.name)
        .filter_map(|pair| pair.target.as_ref()?.as_ref().ok())
        .any(|target| target.subscription(&plan.names.subscription).is_some())
}
