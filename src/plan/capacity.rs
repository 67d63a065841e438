//! Slots, senders, workers and origins: how many databases the two servers can replicate at the same time.

use super::method::Obstacle;
use crate::facts::{Facts, Side};

/// What is still free on both servers.
pub(super) struct Capacity {
    resources: [Resource; 5],
}

/// What one or more databases take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// Of slots, senders and origins.
    pub(super) streams: i64,
    /// Of the target's workers.
    pub(super) workers: i64,
}

impl std::ops::AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.streams += other.streams;
        self.workers += other.workers;
    }
}

/// One setting that every replicated database takes a share of.
struct Resource {
    id: &'static str,
    side: Side,
    setting: &'static str,
    limit: i64,
    free: i64,
    wanted: i64,
    part: fn(Share) -> i64,
}

impl Capacity {
    /// What is free when `dropped_slots` and `dropped_subscriptions` of ours are gone, and `wanted` is asked for in
    /// all.
    pub(super) fn new(facts: &Facts, dropped_slots: i64, dropped_subscriptions: i64, wanted: Share) -> Self {
        let (source, target) = (&facts.source, &facts.target);
        let subscriptions: Vec<_> = facts
            .databases
            .iter()
            .filter_map(|pair| pair.target.as_ref()?.as_ref().ok())
            .flat_map(|database| &database.subscriptions)
            .collect();
        let enabled = count(subscriptions.iter().filter(|subscription| subscription.enabled));
        let origins = count(subscriptions.iter()) - dropped_subscriptions;
        let workers = target.settings.max_logical_replication_workers;
        let processes = target.settings.max_worker_processes;
        let slots = source.settings.max_replication_slots;
        let senders = source.settings.max_wal_senders;
        let origins_setting = if target.version.limits_origins_apart() {
            "max_active_replication_origins"
        } else {
            "max_replication_slots"
        };
        let streams: fn(Share) -> i64 = |share| share.streams;
        let at_work: fn(Share) -> i64 = |share| share.workers;
        let resource = |id, side, setting, limit: i64, used: i64, part: fn(Share) -> i64| Resource {
            id,
            side,
            setting,
            limit,
            free: limit - used,
            wanted: part(wanted),
            part,
        };
        Self {
            resources: [
                resource(
                    "replication-slots",
                    Side::Source,
                    "max_replication_slots",
                    slots,
                    count(source.slots.iter()) - dropped_slots,
                    streams,
                ),
                resource("wal-senders", Side::Source, "max_wal_senders", senders, source.wal_senders, streams),
                resource(
                    "replication-workers",
                    Side::Target,
                    "max_logical_replication_workers",
                    workers,
                    enabled,
                    at_work,
                ),
                // One more: the launcher of the workers.
                resource("worker-processes", Side::Target, "max_worker_processes", processes, enabled + 1, at_work),
                resource(
                    "replication-origins",
                    Side::Target,
                    origins_setting,
                    target.settings.max_origins,
                    origins,
                    streams,
                ),
            ],
        }
    }

    /// Takes one database's share of everything, or says what there is too little of: also of what would only be short for a
    /// later one, so that the servers have to be restarted once.
    pub(super) fn take(&mut self, share: Share) -> Vec<Obstacle> {
        if self.resources.iter().any(|it| it.free < (it.part)(share)) {
            return self.resources.iter().filter(|it| it.free < it.wanted).map(Resource::obstacle).collect();
        }
        for resource in &mut self.resources {
            let part = (resource.part)(share);
            resource.free -= part;
            resource.wanted -= part;
        }
        Vec::new()
    }
}

impl Resource {
    fn obstacle(&self) -> Obstacle {
        // What earlier databases took is in `limit - free` and no longer in `wanted`.
        let enough = self.limit - self.free + self.wanted;
        Obstacle {
            id: self.id,
            subject: self.side.to_string(),
            reason: format!("{} is {}, too little to replicate all databases at once", self.setting, self.limit),
            fix: format!(
                "{}: ALTER SYSTEM SET {} = {enough}, or the same setting at the managed service; then restart the server",
                self.side, self.setting
            ),
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
