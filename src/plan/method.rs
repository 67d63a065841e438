//! Replication or dump: what stands in the way of replicating a database, and how its rows go when nothing does.

use std::collections::BTreeSet;

use super::capacity::Share;
use super::{Content, Migration, Transfer, content};
use crate::facts::{AvailableExtension, DatabaseFacts, Facts, Probe, Side, provider};
use crate::settings::{Selection, Settings};
use crate::sql;
use crate::sql::{Ident, Sql};

/// One reason why a database cannot be replicated.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Obstacle {
    /// Stable name in kebab-case; that of the finding which reports it.
    pub id: &'static str,
    /// What it is about: `source`, `target` or `database "app"`.
    pub subject: String,
    /// What is wrong, with the server's words where it refused.
    pub reason: String,
    /// The SQL, setting or option that removes it.
    pub fix: String,
}

/// Seconds that an open transaction may last before it counts as one that will not end by itself.
const PATIENCE_SECONDS: i64 = 60;

/// How the rows of a database go, and what keeps them from it. What the servers have too little of is counted elsewhere.
pub(super) fn choose(
    facts: &Facts,
    selection: &Selection,
    name: &str,
    source: &DatabaseFacts,
    target: Option<&DatabaseFacts>,
) -> (Transfer, Vec<Obstacle>) {
    if let Some(standby) = standby(facts) {
        // Whatever else it refuses, it refuses because of that.
        return (Transfer::SlotHandOver, vec![standby]);
    }
    let mut obstacles: Vec<_> = wal_level(facts).into_iter().collect();
    let decodes = obstacles.is_empty();
    obstacles.extend(blockers(facts));

    let rights: Vec<_> = publication(facts, selection, name, source).into_iter().chain(subscription(facts)).collect();
    let through_extras = !rights.is_empty() && has_extras(facts, source, target);
    if !through_extras {
        obstacles.extend(rights);
    }

    // A server that has no more senders or slots refuses what was tried; that there are too few is counted elsewhere.
    let senders = facts.source.settings.max_wal_senders > facts.source.wal_senders;
    let slots =
        facts.source.settings.max_replication_slots > i64::try_from(facts.source.slots.len()).unwrap_or(i64::MAX);
    obstacles.extend(reach(facts).filter(|_| senders));
    let own_slot: Vec<_> = replication_connection(facts)
        .filter(|_| senders)
        .into_iter()
        .chain(slot_creation(facts).filter(|_| decodes && slots))
        .collect();
    let subscription_makes_slot = !own_slot.is_empty() && facts.target_reaches_source == Probe::Works;
    if !subscription_makes_slot {
        obstacles.extend(own_slot);
    }

    let transfer = if through_extras || subscription_makes_slot {
        Transfer::SubscriptionCopies { aiven_extras: through_extras }
    } else {
        Transfer::SlotHandOver
    };
    (transfer, obstacles)
}

/// Bytes of rows up to which a copy that is thrown away is soon made again.
const SOON_COPIED: u64 = 1 << 30;

/// Whether a database gets a subscription only if its slot has something for one. That is where the run finishes anyhow, and
/// would leave nothing of it: with a source at rest there is nothing to wait for, neither for the target to start a worker (up
/// to 15 it starts none within seconds of those before) nor for the worker to come and go.
///
/// Until then no replication runs that an interrupted or failed finish could leave to the next run; so only where the copy is small and
/// nothing has to be copied once more.
pub(super) fn spares_subscription(settings: &Settings, transfer: Transfer, content: &Content) -> bool {
    let bytes: u64 = content.tables.iter().map(|table| table.bytes).sum();
    settings.stop_replication
        && transfer == Transfer::SlotHandOver
        && bytes <= SOON_COPIED
        && content.recopied.is_empty()
        && !content.large_objects
}

/// What a replicated database takes of slots, senders and origins, and of workers. The subscription takes one of each.
/// Where it copies the tables itself, so does every table that it is at; but it waits for a worker, and fails without a
/// slot.
pub(super) fn share(facts: &Facts, migration: &Migration) -> Share {
    let tables = i64::try_from(migration.content.published.len()).unwrap_or(i64::MAX);
    let copies = match migration.transfer {
        Transfer::Dump => return Share::default(),
        Transfer::SlotHandOver => 0,
        Transfer::SubscriptionCopies { .. } => {
            tables.min(facts.target.settings.max_sync_workers_per_subscription.max(1))
        }
    };
    Share { streams: 1 + copies, workers: 1 + copies.min(1) }
}

fn wal_level(facts: &Facts) -> Option<Obstacle> {
    let level = facts.source.settings.wal_level.as_str();
    let enough = level == "logical" || (level == "replica" && facts.source.version.decodes_on_demand());
    (!enough).then(|| Obstacle {
        id: "wal-level",
        subject: Side::Source.to_string(),
        reason: format!("wal_level is {level}, and logical replication needs logical"),
        fix:
            "source: ALTER SYSTEM SET wal_level = logical, or at a managed service its switch for logical replication \
              (rds.logical_replication, cloudsql.logical_decoding); then restart the server"
                .to_owned(),
    })
}

fn standby(facts: &Facts) -> Option<Obstacle> {
    facts.source.in_recovery.then(|| Obstacle {
        id: "standby-source",
        subject: Side::Source.to_string(),
        reason: "it is a standby, on which no publication can be created".to_owned(),
        fix: "connect to the primary".to_owned(),
    })
}

fn blockers(facts: &Facts) -> Vec<Obstacle> {
    facts
        .source
        .blockers
        .iter()
        .filter(|blocker| blocker.prepared || blocker.seconds > PATIENCE_SECONDS)
        .map(|blocker| Obstacle {
            id: "slot-blocked",
            subject: Side::Source.to_string(),
            reason: format!(
                "creating a replication slot would wait for {}, which began {} s ago",
                blocker.who, blocker.seconds
            ),
            fix: format!("source: {}", blocker.cure),
        })
        .collect()
}

fn publication(facts: &Facts, selection: &Selection, name: &str, source: &DatabaseFacts) -> Option<Obstacle> {
    let user = Ident::new(&facts.source.user.name);
    let foreign: Vec<_> = content::publishable(selection, name, source)
        .filter(|table| !table.owned && !facts.source.user.superuser)
        .collect();
    let refused = source.publication.refused();
    let words = match (refused, foreign.first()) {
        (None, None) => return None,
        (Some(words), _) => words.to_owned(),
        (None, Some(first)) => format!("only the owner of {} may publish it", first.name),
    };
    let owners: BTreeSet<_> = foreign.iter().map(|table| table.owner.as_str()).collect();
    let fix = if facts.source.user.superuser {
        // Its rights are not the reason.
        format!("source database {}: remove what refuses it, such as: ALTER EVENT TRIGGER … DISABLE", Ident::new(name))
    } else if owners.iter().any(|owner| facts.source.is_superuser(owner)) {
        "connect to the source as a superuser: tables belong to one".to_owned()
    } else {
        let create = refused.map(|_| sql!("GRANT CREATE ON DATABASE {} TO {}", Ident::new(name), user));
        let owners: Vec<_> = owners.into_iter().map(Ident::new).collect();
        let own = (!owners.is_empty()).then(|| sql!("GRANT {} TO {}", Sql::join(&owners, ", "), user));
        format!("source: {}", Sql::join(create.iter().chain(&own), "; "))
    };
    Some(Obstacle {
        id: "publication-right",
        subject: format!("database {}", Ident::new(name)),
        reason: format!("user {user} may not create a publication: {words}"),
        fix,
    })
}

fn subscription(facts: &Facts) -> Option<Obstacle> {
    let target = &facts.target;
    let user = Ident::new(&target.user.name);
    target.subscription.refused().map(|words| Obstacle {
        id: "subscription-right",
        subject: Side::Target.to_string(),
        reason: format!("user {user} may not create a subscription: {words}"),
        fix: if target.version.grants_subscriptions() {
            format!("target: {}", sql!("GRANT pg_create_subscription TO {}", user))
        } else {
            "connect to the target as a superuser, or install aiven_extras in the database on both sides".to_owned()
        },
    })
}

fn reach(facts: &Facts) -> Option<Obstacle> {
    // What the source refuses to both is said once.
    let also_to_us = |words: &&str| {
        let to_us = facts.source.replication_connection.refused().and_then(|words| words.split(" [SQLSTATE").next());
        to_us.is_some_and(|to_us| words.contains(to_us))
    };
    facts.target_reaches_source.refused().filter(|words| !also_to_us(words)).map(|words| Obstacle {
        id: "target-reaches-source",
        subject: Side::Target.to_string(),
        reason: format!("it cannot connect to the source: {words}"),
        fix: "let the target through the source's firewall and pg_hba.conf, or say with --source-for-target how it \
              reaches the source, with a password where the target's user is no superuser"
            .to_owned(),
    })
}

fn replication_connection(facts: &Facts) -> Option<Obstacle> {
    facts.source.replication_connection.refused().map(|words| Obstacle {
        id: "replication-connection",
        subject: Side::Source.to_string(),
        reason: format!("it refuses a replication connection: {words}"),
        fix: format!(
            "source: {} (RDS: GRANT rds_replication TO the user), allow the connection in pg_hba.conf, and connect to \
             the server itself rather than to a pooler",
            sql!("ALTER ROLE {} REPLICATION", Ident::new(&facts.source.user.name))
        ),
    })
}

fn slot_creation(facts: &Facts) -> Option<Obstacle> {
    facts.source.slot_creation.refused().map(|words| Obstacle {
        id: "slot-creation",
        subject: Side::Source.to_string(),
        reason: format!("it refuses to create a logical replication slot: {words}"),
        fix: format!(
            "source: {} (RDS: GRANT rds_replication TO the user)",
            sql!("ALTER ROLE {} REPLICATION", Ident::new(&facts.source.user.name))
        ),
    })
}

/// Whether aiven_extras is installed in the database on the source, and is or can be on the target.
fn has_extras(facts: &Facts, source: &DatabaseFacts, target: Option<&DatabaseFacts>) -> bool {
    let on_offer = |extension: &AvailableExtension| facts.target.may_install(extension);
    source.extension(provider::AIVEN_EXTRAS).is_some()
        && (target.is_some_and(|target| target.extension(provider::AIVEN_EXTRAS).is_some())
            || facts.target.available_extension(provider::AIVEN_EXTRAS).is_some_and(on_offer))
}
