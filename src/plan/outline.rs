//! A plan for readers: what a run would do and why, in names, words and numbers.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::{Content, Creation, DatabasePlan, Format, Migration, Obstacle, Plan, TablePlan, Transfer, Work};
use crate::facts::{DatabaseFacts, Facts, Persistence, ReplicaIdentity, Side, Table};
use crate::settings::{Method, Settings};
use crate::sql::QualifiedName;

/// A plan, as it is printed.
#[derive(Clone, Debug, Serialize)]
pub struct Outline {
    /// Copy connections over all databases together.
    pub jobs: usize,
    /// Index builds, checks of foreign keys and ANALYZEs at the same time.
    pub index_jobs: usize,
    /// Over all databases that are migrated from the beginning.
    pub totals: Totals,
    /// What the run would wait for.
    pub waits: Vec<String>,
    /// Roles, in the order of creation.
    pub roles: Vec<RoleOutline>,
    /// Roles of the source's managed service, which stay where they are.
    pub skipped_roles: Vec<String>,
    /// Databases, in the order they are begun.
    pub databases: Vec<DatabaseOutline>,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Tables whose rows are copied.
    pub tables: u64,
    /// Estimated rows of those that were ever counted; `None` where none was.
    pub rows: Option<u64>,
    /// Bytes of these tables on the source, without indexes.
    pub bytes: u64,
    /// Their indexes.
    pub indexes: u64,
}

/// One role.
#[derive(Clone, Debug, Serialize)]
pub struct RoleOutline {
    /// Its name.
    pub name: String,
    /// Whether the target has it already, so that it stays as it is there.
    pub exists: bool,
    /// Attributes that the target user may not give, such as `SUPERUSER`.
    pub left_out: Vec<&'static str>,
}

/// One database.
#[derive(Clone, Debug, Serialize)]
pub struct DatabaseOutline {
    /// Its name.
    pub name: String,
    /// What is done with it.
    pub action: Action,
    /// Why nothing can be done with it: the server's words.
    pub reason: Option<String>,
    /// The method; `None` where nothing is done.
    pub method: Option<MethodName>,
    /// How rows go; `None` where nothing is copied.
    pub transfer: Option<TransferName>,
    /// What keeps it from being replicated: why it is dumped, or will fail where replication was demanded.
    pub obstacles: Vec<Obstacle>,
    /// How the database on the target comes to be; `None` where replication goes on.
    pub creation: Option<CreationName>,
    /// Over the tables below; of a running replication only over those that are copied once more.
    pub totals: Totals,
    /// Tables whose rows are copied, in this order.
    pub tables: Vec<TableOutline>,
    /// Sequences whose values are carried.
    pub sequences: usize,
    /// Materialized views that are filled.
    pub materialized_views: usize,
    /// Large objects that are copied.
    pub large_objects: i64,
    /// What else is done that a user may want to know of before.
    pub notes: Vec<String>,
}

/// What is done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// All of it is migrated.
    Migrate,
    /// Its replication runs already, and is waited for and finished if told to.
    Continue,
    /// A dump has brought its rows already; what comes after them is left.
    Conclude,
    /// It is empty, and not ours to change on the target.
    Nothing,
    /// It cannot be connected to.
    Unreachable,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// Copied, then kept up to date.
    Replication,
    /// Copied once.
    Dump,
}

/// How rows go to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferName {
    /// From a snapshot.
    Snapshot,
    /// From the snapshot of a slot, which a subscription then takes over.
    SlotHandOver,
    /// By the subscription itself.
    Subscription,
    /// By a subscription that `aiven_extras` makes.
    AivenExtras,
}

/// How a target database comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CreationName {
    /// It is created.
    Create,
    /// What an earlier, unfinished run created is dropped, and created again.
    Recreate,
    /// It is there and holds nothing.
    Empty,
    /// It is there, and what an earlier, unfinished run made in it is dropped.
    Clean,
    /// It is there and holds objects, which stay.
    Filled,
}

/// One table.
#[derive(Clone, Debug, Serialize)]
pub struct TableOutline {
    /// `schema.name`, quoted where SQL needs it.
    pub name: String,
    /// Estimated rows; `None` where neither VACUUM nor ANALYZE has come by.
    pub rows: Option<u64>,
    /// Bytes on the source.
    pub bytes: u64,
    /// Its indexes.
    pub indexes: u64,
    /// Parts that are copied each by itself.
    pub parts: usize,
    /// `binary` or `text`.
    pub format: &'static str,
    /// Why it is text.
    pub format_reason: Option<String>,
    /// Why replication does not carry its changes, so that it is copied whole once more at the finish; `None` where it
    /// does, or where nothing is replicated.
    pub copied_again: Option<&'static str>,
}

/// Puts `plan`, which was made of `facts` and `settings`, in words.
pub fn outline(facts: &Facts, settings: &Settings, plan: &Plan) -> Outline {
    let databases: Vec<_> = plan.databases.iter().map(|database| outline_database(facts, database)).collect();
    let mut totals = Totals::default();
    for database in databases.iter().filter(|database| database.action == Action::Migrate) {
        totals.add(database.totals);
    }
    Outline {
        jobs: plan.jobs,
        index_jobs: plan.index_jobs,
        totals,
        waits: waits(facts, settings, &databases),
        roles: plan
            .roles
            .iter()
            .map(|it| RoleOutline { name: it.role.name.clone(), exists: it.exists, left_out: it.left_out.clone() })
            .collect(),
        skipped_roles: plan.skipped_roles.clone(),
        databases,
    }
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.tables += other.tables;
        self.rows = self.rows.into_iter().chain(other.rows).reduce(|a, b| a + b);
        self.bytes += other.bytes;
        self.indexes += other.indexes;
    }

    fn of(tables: &[TableOutline]) -> Self {
        let mut totals = Self::default();
        for table in tables {
            totals.add(Totals { tables: 1, rows: table.rows, bytes: table.bytes, indexes: table.indexes });
        }
        totals
    }
}

fn waits(facts: &Facts, settings: &Settings, databases: &[DatabaseOutline]) -> Vec<String> {
    let mut waits = Vec::new();
    let starts = |database: &&DatabaseOutline| {
        database.action == Action::Migrate && database.method == Some(MethodName::Replication)
    };
    let starting = databases.iter().filter(starts).count();
    if starting > 0 {
        waits.extend(
            facts.source.blockers.iter().map(|blocker| {
                format!("a replication slot, for {}, which began {} s ago", blocker.who, blocker.seconds)
            }),
        );
    }
    if starting > 1 && !facts.target.version.starts_workers_one_by_one() {
        waits.push(format!(
            "subscriptions: PostgreSQL {} starts none within 5 s (wal_retrieve_retry_interval) of those before",
            facts.target.version.major()
        ));
    }
    if databases.iter().any(|database| database.method == Some(MethodName::Replication))
        && let Some(lag) = settings.max_replication_lag
    {
        let limit = settings.lag_timeout.as_secs();
        waits.push(format!("replication, until it is at most {lag} bytes behind, for {limit} s at most"));
    }
    waits
}

fn outline_database(facts: &Facts, plan: &DatabasePlan) -> DatabaseOutline {
    let mut outline = DatabaseOutline {
        name: plan.name.clone(),
        action: Action::Nothing,
        reason: None,
        method: None,
        transfer: None,
        obstacles: Vec::new(),
        creation: None,
        totals: Totals::default(),
        tables: Vec::new(),
        sequences: 0,
        materialized_views: 0,
        large_objects: 0,
        notes: Vec::new(),
    };
    let found = facts.databases.iter().find(|pair| pair.name == plan.name);
    let Some(source) = found.and_then(|pair| pair.source.as_ref().ok()) else {
        outline.reason = match &plan.work {
            Work::Unreachable { reason } => Some(reason.clone()),
            _ => None,
        };
        outline.action = Action::Unreachable;
        return outline;
    };
    match &plan.work {
        Work::Unreachable { reason } => {
            outline.action = Action::Unreachable;
            outline.reason = Some(reason.clone());
        }
        Work::Nothing => {}
        Work::Continue { content, .. } => {
            outline.action = Action::Continue;
            outline.method = Some(MethodName::Replication);
            outline.hold(source, content, &content.recopied);
        }
        Work::Conclude { migration, .. } => {
            outline.action = Action::Conclude;
            outline.method = Some(MethodName::Dump);
            outline.hold(source, &migration.content, &[]);
        }
        Work::Migrate(migration) => {
            outline.action = Action::Migrate;
            outline.method = Some(match migration.transfer.method() {
                Method::Replication => MethodName::Replication,
                Method::Dump => MethodName::Dump,
            });
            outline.transfer = Some(match migration.transfer {
                Transfer::Dump => TransferName::Snapshot,
                Transfer::SlotHandOver => TransferName::SlotHandOver,
                Transfer::SubscriptionCopies { aiven_extras: false } => TransferName::Subscription,
                Transfer::SubscriptionCopies { aiven_extras: true } => TransferName::AivenExtras,
            });
            outline.creation = Some(match migration.creation {
                Creation::Create(_) => CreationName::Create,
                Creation::Recreate(_) => CreationName::Recreate,
                Creation::UseEmpty { clean: false } => CreationName::Empty,
                Creation::UseEmpty { clean: true } => CreationName::Clean,
                Creation::UseFilled => CreationName::Filled,
            });
            outline.obstacles.clone_from(&migration.obstacles);
            outline.notes = notes(migration);
            outline.hold(source, &migration.content, &migration.content.tables);
        }
    }
    outline
}

impl DatabaseOutline {
    /// Takes in what the database holds, of which `tables` are copied.
    fn hold(&mut self, source: &DatabaseFacts, content: &Content, tables: &[TablePlan]) {
        self.tables = outline_tables(source, content, tables);
        self.totals = Totals::of(&self.tables);
        self.sequences = content.sequences.len();
        self.materialized_views = content.materialized_views.len() + content.opaque_views.len();
        self.large_objects = source.large_objects.count;
    }
}

fn notes(migration: &Migration) -> Vec<String> {
    let mut notes = Vec::new();
    if migration.drop_first {
        notes.push("what an earlier run left of its replication is dropped first".to_owned());
    }
    if !migration.empty_first.is_empty() {
        notes.push(format!("{} tables that an earlier run filled are emptied first", migration.empty_first.len()));
    }
    let changes = migration.content.identity_changes.len();
    if changes > 0 {
        notes.push(format!(
            "until replication ends, {changes} tables have another replica identity on the {}",
            Side::Source
        ));
    }
    if !migration.content.insert_only.is_empty() {
        notes.push(format!("of {} tables only INSERTs are replicated", migration.content.insert_only.len()));
    }
    if migration.spares_subscription && migration.transfer != Transfer::Dump {
        notes.push("without a subscription, as long as nothing is written to it that one would bring".to_owned());
    }
    notes
}

fn outline_tables(source: &DatabaseFacts, content: &Content, tables: &[TablePlan]) -> Vec<TableOutline> {
    let known = source.tables_by_name();
    let mut loaded_through: BTreeMap<&QualifiedName, Vec<&Table>> = BTreeMap::new();
    for table in &source.tables {
        if let Some(root) = &table.load_through {
            loaded_through.entry(root).or_default().push(table);
        }
    }
    let again: HashSet<_> = content.recopied.iter().map(|table| &table.name).collect();
    let outlined = tables.iter().map(|plan| {
        let found = known.get(&plan.name).copied();
        let own = found.into_iter().collect::<Vec<_>>();
        let stored = loaded_through.get(&plan.name).filter(|_| plan.partitioned).unwrap_or(&own);
        TableOutline {
            name: plan.name.to_string(),
            rows: stored.iter().filter_map(|table| table.rows).reduce(|a, b| a + b),
            bytes: plan.bytes,
            indexes: stored.iter().map(|table| table.indexes).sum(),
            parts: plan.parts.len().max(1),
            format: if plan.format == Format::Binary { "binary" } else { "text" },
            format_reason: match &plan.format {
                Format::Binary => None,
                Format::Text { reason } => Some(reason.clone()),
            },
            copied_again: found.filter(|_| again.contains(&plan.name)).map(why_again),
        }
    });
    outlined.collect()
}

/// Why replication does not carry the changes of `table`.
fn why_again(table: &Table) -> &'static str {
    if table.persistence == Persistence::Unlogged {
        return "it is unlogged";
    }
    if table.configuration.is_some() || table.extension.is_some() {
        return "it belongs to an extension";
    }
    match &table.replica_identity {
        _ if table.load_through.is_some() => "it is partitioned by the hash of an enum",
        ReplicaIdentity::Missing { .. } => "it has no replica identity",
        ReplicaIdentity::Unusable { .. } => "its replica identity does not serve",
        ReplicaIdentity::Key | ReplicaIdentity::Full => "replication does not carry it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Blocker, ServerVersion, fixture};
    use crate::plan::example::Example;

    fn outlined(example: &Example) -> Outline {
        outline(&example.facts, &example.settings, &example.plan())
    }

    #[test]
    fn tables_come_in_the_order_of_copying_with_the_reason_for_every_exception() {
        let mut example = Example::new();
        let mut log = Table {
            bytes: 1 << 30,
            rows: None,
            replica_identity: ReplicaIdentity::Missing { candidate: None, full_serves: true },
            ..fixture::table("Log")
        };
        log.columns[0].type_id = 0;
        example.source().tables.push(log);
        let outline = outlined(&example);
        let database = &outline.databases[0];
        assert_eq!((database.action, database.method), (Action::Migrate, Some(MethodName::Replication)));
        assert_eq!(database.transfer, Some(TransferName::SlotHandOver));
        assert_eq!(database.creation, Some(CreationName::Create));
        let tables: Vec<_> =
            database.tables.iter().map(|it| (&*it.name, it.rows, it.format, it.copied_again)).collect();
        assert_eq!(
            tables,
            [
                ("public.\"Log\"", None, "text", Some("it has no replica identity")),
                ("public.orders", Some(100), "binary", None),
            ]
        );
        assert_eq!(outline.totals, Totals { tables: 2, rows: Some(100), bytes: (1 << 30) + 8192, indexes: 2 });
    }

    #[test]
    fn a_dump_says_why_and_copies_nothing_again() {
        let mut example = Example::new();
        example.facts.source.settings.wal_level = "replica".to_owned();
        example.source().tables.push(Table { persistence: Persistence::Unlogged, ..fixture::table("cache") });
        let outline = outlined(&example);
        let database = &outline.databases[0];
        assert_eq!(database.method, Some(MethodName::Dump));
        assert_eq!(database.obstacles[0].id, "wal-level");
        assert!(database.tables.iter().all(|table| table.copied_again.is_none()));
    }

    #[test]
    fn a_running_replication_is_only_waited_for() {
        let mut example = Example::new();
        example.replicate();
        example.settings.max_replication_lag = Some(0);
        let outline = outlined(&example);
        let database = &outline.databases[0];
        assert_eq!((database.action, database.creation), (Action::Continue, None));
        assert_eq!(database.totals, Totals::default(), "everything is published");
        assert_eq!(outline.waits, ["replication, until it is at most 0 bytes behind, for 86400 s at most"]);
    }

    #[test]
    fn what_a_slot_would_wait_for_is_named() {
        let mut example = Example::new();
        example.facts.source.blockers.push(Blocker {
            who: "pid 1 (app@app, idle in transaction)".to_owned(),
            prepared: false,
            seconds: 5,
            cure: String::new(),
        });
        let slot = "a replication slot, for pid 1 (app@app, idle in transaction), which began 5 s ago";
        assert_eq!(outlined(&example).waits, [slot]);
        example.add_database("second");
        example.facts.target.version = ServerVersion(150_000);
        assert_eq!(outlined(&example).waits.len(), 2);
        example.settings.force_method = Some(Method::Dump);
        assert!(outlined(&example).waits.is_empty());
    }

    #[test]
    fn a_database_that_cannot_be_looked_into_is_in_the_outline() {
        let mut example = Example::new();
        example.facts.databases[0].source = Err("denied".to_owned());
        let outline = outlined(&example);
        assert_eq!(outline.databases[0].action, Action::Unreachable);
        assert_eq!(outline.databases[0].reason.as_deref(), Some("denied"));
    }
}
