//! Plans that follow from one change to a good pair of servers.

use super::example::{Example, pattern};
use super::*;
use crate::facts::{
    Blocker, DatabaseSetting, Journal, JournalOrigin, Membership, Persistence, Probe, SecurityLabel, ServerVersion,
    Table, fixture,
};
use crate::settings::TableFilter;

/// One change, the transfer that follows, and the obstacles that stand in the way of replication.
pub(crate) type MethodCase = (&'static str, fn(&mut Example), Transfer, &'static [&'static str]);

const COPIES: Transfer = Transfer::SubscriptionCopies { aiven_extras: false };
const EXTRAS: Transfer = Transfer::SubscriptionCopies { aiven_extras: true };

fn refuse(probe: &mut Probe) {
    *probe = Probe::Refused("permission denied".to_owned());
}

fn install_extras(example: &mut Example) {
    example.source().extensions.push(fixture::extension("aiven_extras", "1.1.18"));
    example.target().extensions.push(fixture::extension("aiven_extras", "1.1.18"));
}

pub(crate) const METHODS: &[MethodCase] = &[
    ("nothing is in the way", |_| (), Transfer::SlotHandOver, &[]),
    ("dump was demanded", |it| it.settings.force_method = Some(Method::Dump), Transfer::Dump, &[]),
    (
        "replication was demanded and cannot be",
        |it| {
            it.settings.force_method = Some(Method::Replication);
            it.facts.source.settings.wal_level = "replica".to_owned();
        },
        Transfer::SlotHandOver,
        &["wal-level"],
    ),
    ("too little WAL", |it| it.facts.source.settings.wal_level = "replica".to_owned(), Transfer::Dump, &["wal-level"]),
    (
        "19 decodes on demand",
        |it| {
            it.facts.source.settings.wal_level = "replica".to_owned();
            it.facts.source.version = ServerVersion(190_000);
        },
        Transfer::SlotHandOver,
        &[],
    ),
    ("the source is a standby", |it| it.facts.source.in_recovery = true, Transfer::Dump, &["standby-source"]),
    ("only we get no replication connection", |it| refuse(&mut it.facts.source.replication_connection), COPIES, &[]),
    ("only we may not create a slot", |it| refuse(&mut it.facts.source.slot_creation), COPIES, &[]),
    (
        "nobody is known to get a replication connection",
        |it| {
            refuse(&mut it.facts.source.replication_connection);
            it.facts.target_reaches_source = Probe::Untried;
        },
        Transfer::Dump,
        &["replication-connection"],
    ),
    (
        "the target does not reach the source",
        |it| refuse(&mut it.facts.target_reaches_source),
        Transfer::Dump,
        &["target-reaches-source"],
    ),
    ("no subscription", |it| refuse(&mut it.facts.target.subscription), Transfer::Dump, &["subscription-right"]),
    ("no publication", |it| refuse(&mut it.source().publication), Transfer::Dump, &["publication-right"]),
    (
        "a table of somebody else",
        |it| {
            it.source().tables[0].owned = false;
            Example::demote(&mut it.facts.source);
        },
        Transfer::Dump,
        &["publication-right"],
    ),
    (
        "aiven_extras gives the rights",
        |it| {
            refuse(&mut it.facts.target.subscription);
            refuse(&mut it.source().publication);
            install_extras(it);
        },
        EXTRAS,
        &[],
    ),
    (
        "aiven_extras may be installed on the target",
        |it| {
            refuse(&mut it.facts.target.subscription);
            it.source().extensions.push(fixture::extension("aiven_extras", "1.1.18"));
            it.facts.target.available_extensions.push(fixture::available("aiven_extras", "1.1.18"));
        },
        EXTRAS,
        &[],
    ),
    ("aiven_extras is not used without need", |it| install_extras(it), Transfer::SlotHandOver, &[]),
    ("a prepared transaction", |it| it.facts.source.blockers.push(blocker(true, 1)), Transfer::Dump, &["slot-blocked"]),
    ("a long transaction", |it| it.facts.source.blockers.push(blocker(false, 61)), Transfer::Dump, &["slot-blocked"]),
    ("a short one", |it| it.facts.source.blockers.push(blocker(false, 60)), Transfer::SlotHandOver, &[]),
    ("no free slot", |it| it.facts.source.settings.max_replication_slots = 0, Transfer::Dump, &["replication-slots"]),
    ("no free sender", |it| it.facts.source.wal_senders = 10, Transfer::Dump, &["wal-senders"]),
    (
        "no free slot, which the trial noticed too",
        |it| {
            it.facts.source.settings.max_replication_slots = 0;
            refuse(&mut it.facts.source.slot_creation);
        },
        Transfer::Dump,
        &["replication-slots"],
    ),
    (
        "no free sender, which the trials noticed too",
        |it| {
            it.facts.source.wal_senders = 10;
            refuse(&mut it.facts.source.replication_connection);
            refuse(&mut it.facts.target_reaches_source);
        },
        Transfer::Dump,
        &["wal-senders"],
    ),
    (
        "too little WAL, which the trial noticed too",
        |it| {
            it.facts.source.settings.wal_level = "replica".to_owned();
            refuse(&mut it.facts.source.slot_creation);
        },
        Transfer::Dump,
        &["wal-level"],
    ),
    (
        "what the source refuses to both",
        |it| {
            it.facts.source.replication_connection = Probe::Refused("no walsender [SQLSTATE 42501]".to_owned());
            it.facts.target_reaches_source = Probe::Refused("failed: FATAL: no walsender [SQLSTATE 08006]".to_owned());
        },
        Transfer::Dump,
        &["replication-connection"],
    ),
    (
        "no worker",
        |it| it.facts.target.settings.max_logical_replication_workers = 0,
        Transfer::Dump,
        &["replication-workers"],
    ),
    (
        "no process beside the launcher",
        |it| it.facts.target.settings.max_worker_processes = 1,
        Transfer::Dump,
        &["worker-processes"],
    ),
    ("no origin", |it| it.facts.target.settings.max_origins = 0, Transfer::Dump, &["replication-origins"]),
];

fn blocker(prepared: bool, seconds: i64) -> Blocker {
    Blocker { who: "pid 7".to_owned(), prepared, seconds, cure: "SELECT pg_terminate_backend(7)".to_owned() }
}

#[test]
fn the_method_follows_from_rights_and_settings() {
    for (change, make, transfer, obstacles) in METHODS {
        let mut example = Example::new();
        make(&mut example);
        let plan = example.plan();
        let migration = plan.migration("app");
        assert_eq!(migration.transfer, *transfer, "{change}");
        let found: Vec<_> = migration.obstacles.iter().map(|obstacle| obstacle.id).collect();
        assert_eq!(found, *obstacles, "{change}");
        assert_eq!(migration.content.published.is_empty(), *transfer == Transfer::Dump, "{change}");
    }
}

#[test]
fn the_largest_databases_get_the_slots_that_are_left() {
    let mut example = Example::new();
    example.add_database("tiny");
    example.add_database("empty");
    example.facts.source.databases.iter_mut().find(|entry| entry.name == "tiny").unwrap().bytes = 1;
    example.facts.source.settings.max_replication_slots = 2;
    let plan = example.plan();
    let order: Vec<_> = plan.databases.iter().map(|database| database.name.as_str()).collect();
    assert_eq!(order, ["app", "tiny", "empty"]);
    assert_eq!(plan.transfer("app"), Transfer::SlotHandOver);
    assert_eq!(plan.transfer("tiny"), Transfer::SlotHandOver);
    assert_eq!(plan.transfer("empty"), Transfer::Dump);
    let fix = &plan.migration("empty").obstacles[0].fix;
    assert!(fix.contains("max_replication_slots = 3"), "{fix}");
}

#[test]
fn everything_that_is_short_for_all_databases_is_said_at_once() {
    let mut example = Example::new();
    example.add_database("second");
    example.add_database("third");
    example.facts.source.settings.max_replication_slots = 1;
    example.facts.source.settings.max_wal_senders = 2;
    let plan = example.plan();
    assert_eq!(plan.transfer("app"), Transfer::SlotHandOver);
    let fixes = |name| plan.migration(name).obstacles.iter().map(|it| it.fix.clone()).collect::<Vec<_>>();
    assert_eq!(fixes("second").len(), 2);
    assert!(fixes("second")[0].contains("max_replication_slots = 3"), "{:?}", fixes("second"));
    assert!(fixes("second")[1].contains("max_wal_senders = 3"), "{:?}", fixes("second"));
    assert_eq!(fixes("third"), fixes("second"));
}

#[test]
fn a_replication_that_runs_is_continued() {
    let mut example = Example::new();
    example.replicate();
    let unlogged = Table { persistence: Persistence::Unlogged, ..fixture::table("cache") };
    example.source().tables.push(unlogged);
    let plan = example.plan();
    let Work::Continue { content, .. } = &plan.database("app").work else { panic!("{plan:?}") };
    assert_eq!(content.published, [fixture::public("orders")]);
    assert_eq!(content.recopied.iter().map(|table| &table.name).collect::<Vec<_>>(), [&fixture::public("cache")]);
}

#[test]
fn what_a_killed_run_left_is_dropped_first_and_its_slot_counts_as_free() {
    let changes: [fn(&mut Example); 4] = [
        |it| it.target().subscriptions.clear(),
        |it| it.target().subscriptions[0].enabled = false,
        |it| it.source().publications.clear(),
        |it| it.target().journal = Some(journal(JournalOrigin::Created)),
    ];
    for change in changes {
        let mut example = Example::new();
        example.replicate();
        change(&mut example);
        example.facts.source.settings.max_replication_slots = 1;
        let plan = example.plan();
        assert!(plan.migration("app").drop_first);
        assert_eq!(plan.transfer("app"), Transfer::SlotHandOver);
    }
}

#[test]
fn a_slot_of_another_database_is_not_ours() {
    let mut example = Example::new();
    example.replicate();
    example.facts.source.slots[0].database = Some("other".to_owned());
    assert!(example.plan().migration("app").drop_first);
}

#[test]
fn the_target_database_comes_to_be_without_harming_what_the_user_has() {
    let creation = |change: fn(&mut Example)| {
        let mut example = Example::new();
        change(&mut example);
        example.plan().migration("app").creation.clone()
    };
    assert!(matches!(creation(|_| ()), Creation::Create(entry) if entry.owner == "app"));
    assert!(matches!(creation(|it| it.target().user_objects = 0), Creation::UseEmpty { clean: false }));
    assert!(matches!(creation(|it| it.target().user_objects = 1), Creation::UseFilled));
    assert!(matches!(
        creation(|it| it.target().journal = Some(journal(JournalOrigin::Created))),
        Creation::Recreate(_)
    ));
    assert!(matches!(
        creation(|it| {
            it.settings.create_databases = false;
            it.target().journal = Some(journal(JournalOrigin::Created));
        }),
        Creation::UseEmpty { clean: true }
    ));
    assert!(matches!(
        creation(|it| it.target().journal = Some(journal(JournalOrigin::Empty))),
        Creation::UseEmpty { clean: true }
    ));
    assert!(matches!(creation(|it| it.target().journal = Some(journal(JournalOrigin::Filled))), Creation::UseFilled));
}

#[test]
fn a_new_try_empties_only_what_the_earlier_run_filled_and_this_one_copies() {
    let mut example = Example::new();
    example.source().tables.extend(["log", "kept", "gone"].map(fixture::table));
    example.settings.selection.tables = TableFilter::Skip(vec![pattern("kept")]);
    let copied = ["orders", "log", "kept", "gone"].map(fixture::public).into();
    let appended = [fixture::public("log")].into();
    example.target().journal = Some(Journal { copied, appended, ..journal(JournalOrigin::Filled) });
    example.target().tables.extend(["orders", "log", "kept"].map(fixture::table));
    assert_eq!(example.plan().migration("app").empty_first, BTreeSet::from([fixture::public("orders")]));
}

#[test]
fn rows_of_users_in_an_extension_that_stays_are_not_copied_twice() {
    let mut example = Example::new();
    let references = || Table {
        extension: Some("postgis".to_owned()),
        configuration: Some("WHERE srid > 998999".to_owned()),
        ..fixture::table("spatial_ref_sys")
    };
    example.source().tables.push(references());
    let copied = ["orders", "spatial_ref_sys"].map(fixture::public).into();
    example.target().journal = Some(Journal { copied, ..journal(JournalOrigin::Empty) });
    example.target().tables.extend([fixture::table("orders"), references()]);
    assert_eq!(example.plan().migration("app").empty_first, BTreeSet::from([fixture::public("spatial_ref_sys")]));
}

#[test]
fn a_database_whose_copy_was_complete_is_never_dropped() {
    let mut example = Example::new();
    let complete = Journal { complete: true, ..journal(JournalOrigin::Created) };
    example.target().user_objects = 3;
    example.target().journal = Some(complete);
    let plan = example.plan();
    assert!(matches!(&plan.migration("app").creation, Creation::UseFilled));
}

fn journal(origin: JournalOrigin) -> Journal {
    Journal {
        migration: "zz99".to_owned(),
        origin,
        copied: [fixture::public("orders")].into(),
        appended: [].into(),
        large_objects: false,
        complete: false,
        moment: None,
    }
}

#[test]
fn a_new_database_loses_what_the_source_has_dropped() {
    let mut example = Example::new();
    example.add_database("bare");
    let bare = example.facts.databases.last_mut().unwrap().source.as_mut().unwrap();
    bare.public_schema = false;
    bare.extensions.clear();
    let plan = example.plan();
    assert_eq!(plan.migration("bare").drop_initial, [Initial::SchemaPublic, Initial::ExtensionPlpgsql]);
    // The target has this one already.
    assert!(plan.migration("app").drop_initial.is_empty());
}

#[test]
fn an_unprivileged_target_user_keeps_owners_it_may_become_and_no_others() {
    let mut example = Example::new();
    example.facts.target.user.superuser = false;
    let keeps = |example: &Example| example.plan().migration("app").rights.owners.keeps("app");
    assert!(keeps(&example), "app is created by this run");
    example.facts.target.roles.push(fixture::role("app"));
    assert!(!keeps(&example), "app exists, and we are no member of it");
    assert!(matches!(&example.plan().migration("app").creation, Creation::Create(entry) if entry.owner == "migrator"));
    example.source().owners.insert("migrator".to_owned());
    assert!(example.plan().migration("app").rights.owners.keeps("migrator"), "one that is lost takes no other with it");
    example.facts.target.user.member_of.push("app".to_owned());
    assert!(keeps(&example));
    example.settings.no_owner = true;
    assert!(!keeps(&example));
}

#[test]
fn roles_get_no_attribute_that_the_target_user_may_not_give() {
    let mut example = Example::new();
    let mut strong = fixture::role("app");
    (strong.superuser, strong.create_database, strong.replication, strong.bypass_rls) = (true, true, true, true);
    example.facts.source.roles = vec![strong];
    example.facts.target.user.superuser = false;
    assert_eq!(example.plan().roles[0].left_out, ["SUPERUSER"]);
    example.facts.target.version = ServerVersion(150_018);
    let plan = example.plan();
    assert_eq!(plan.roles[0].left_out, ["SUPERUSER", "REPLICATION", "BYPASSRLS"]);
    assert!(!plan.roles[0].role.superuser && plan.roles[0].role.create_database);
}

#[test]
fn system_excluded_and_provider_roles_are_left_out_with_their_memberships() {
    let mut example = Example::new();
    let roles = ["app", "app_reader", "left_out", "rdsadmin", "rds_superuser"];
    example.facts.source.roles = roles.map(fixture::role).to_vec();
    example.settings.selection.excluded_roles = vec!["left_out".to_owned()];
    let member = |role: &str, member: &str| Membership {
        role: role.to_owned(),
        member: member.to_owned(),
        admin: false,
        inherit: Some(true),
        set: Some(true),
    };
    example.facts.source.memberships = vec![
        member("app_reader", "app"),
        member("left_out", "app"),
        member("rds_superuser", "app"),
        member("pg_monitor", "app"),
    ];
    let plan = example.plan();
    let names: Vec<_> = plan.roles.iter().map(|role| role.role.name.as_str()).collect();
    assert_eq!(names, ["app", "app_reader"]);
    assert_eq!(plan.memberships, [member("app_reader", "app"), member("pg_monitor", "app")]);
}

#[test]
fn jobs_leave_room_for_others_on_both_servers() {
    let mut example = Example::new();
    assert_eq!((example.plan().jobs, example.plan().index_jobs), (4, 4));
    example.facts.target.connections = 88;
    assert_eq!(example.plan().jobs, 2);
    example.facts.source.connections = 97;
    assert_eq!(example.plan().jobs, 1);
    example.settings.jobs = std::num::NonZeroUsize::new(9);
    assert_eq!((example.plan().jobs, example.plan().index_jobs), (9, 9));
}

#[test]
fn a_database_that_cannot_be_connected_to_does_not_stop_the_others() {
    let mut example = Example::new();
    example.add_database("broken");
    example.facts.databases[1].source = Err("permission denied for database".to_owned());
    let plan = example.plan();
    assert!(matches!(&plan.database("broken").work, Work::Unreachable { reason } if reason.contains("denied")));
    assert_eq!(plan.transfer("app"), Transfer::SlotHandOver);
}

#[test]
fn extensions_that_are_there_excluded_or_the_providers_are_not_created() {
    let mut example = Example::new();
    for name in ["hstore", "citext", "rds_tools", "pg_trgm"] {
        example.source().extensions.push(fixture::extension(name, "1.0"));
    }
    example.target().extensions.push(fixture::extension("hstore", "1.0"));
    example.settings.selection.excluded_extensions = vec!["citext".to_owned()];
    assert_eq!(example.plan().migration("app").skipped_extensions, ["plpgsql", "hstore", "citext", "rds_tools"]);
}

#[test]
fn an_existing_database_keeps_what_was_said_of_it() {
    let setting =
        |name: &str, value: &str| DatabaseSetting { role: None, name: name.to_owned(), value: value.to_owned() };
    let label = |provider: &str, label: &str| SecurityLabel { provider: provider.to_owned(), label: label.to_owned() };
    let mut example = Example::new();
    let of_source = example.facts.source.databases.iter_mut().find(|entry| entry.name == "app").unwrap();
    of_source.properties = DatabaseProperties {
        comment: Some("old".to_owned()),
        connection_limit: Some(5),
        settings: vec![setting("search_path", "app"), setting("work_mem", "8MB")],
        labels: vec![label("anon", "old"), label("sepgsql", "old")],
        privileges: Some(Vec::new()),
    };
    let all = of_source.properties.clone();
    assert_eq!(example.plan().content("app").properties, all);
    example.target();
    let of_target = example.facts.target.databases.iter_mut().find(|entry| entry.name == "app").unwrap();
    of_target.properties = DatabaseProperties {
        comment: Some("new".to_owned()),
        settings: vec![setting("work_mem", "1GB")],
        labels: vec![label("anon", "new")],
        ..all.clone()
    };
    let carried = example.plan().content("app").properties.clone();
    let settings = vec![setting("search_path", "app")];
    assert_eq!(carried, DatabaseProperties { settings, labels: vec![label("sepgsql", "old")], ..Default::default() });
}

#[test]
fn an_empty_database_that_is_not_ours_on_the_target_is_left_alone() {
    let mut example = Example::new();
    example.source().user_objects = 0;
    example.target().may_create = false;
    assert!(matches!(example.plan().database("app").work, Work::Nothing));
    example.source().extensions.push(fixture::extension("pg_stat_statements", "1.10"));
    assert!(matches!(example.plan().database("app").work, Work::Migrate(_)));
}

#[test]
fn a_source_closed_to_writers_does_not_close_the_target() {
    let closed = |role: Option<&str>| DatabaseSetting {
        role: role.map(str::to_owned),
        name: "default_transaction_read_only".to_owned(),
        value: "on".to_owned(),
    };
    let mut example = Example::new();
    let of_source = example.facts.source.databases.iter_mut().find(|entry| entry.name == "app").unwrap();
    of_source.properties.settings = vec![closed(None), closed(Some("app"))];
    assert_eq!(example.plan().content("app").properties.settings, [closed(Some("app"))]);
}

#[test]
fn a_subscription_that_copies_gets_a_slot_for_every_table_it_copies_at_once() {
    let transfer = |slots: i64, tables: usize| {
        let mut example = Example::new();
        refuse(&mut example.facts.source.replication_connection);
        for number in 1..tables {
            example.source().tables.push(fixture::table(&format!("orders_{number}")));
        }
        example.facts.source.settings.max_replication_slots = slots;
        example.plan().transfer("app")
    };
    assert_eq!(transfer(1, 1), Transfer::Dump);
    assert_ne!(transfer(2, 1), Transfer::Dump);
    assert_eq!(transfer(2, 9), Transfer::Dump);
    assert_ne!(transfer(3, 9), Transfer::Dump, "max_sync_workers_per_subscription is 2");
}

#[test]
fn a_subscription_is_spared_only_where_the_run_finishes_and_little_is_lost_with_it() {
    let spared = |change: fn(&mut Example)| {
        let mut example = Example::new();
        example.settings.max_replication_lag = Some(0);
        example.settings.stop_replication = true;
        change(&mut example);
        example.plan().migration("app").spares_subscription
    };
    assert!(spared(|_| ()));
    assert!(!spared(|example| example.settings.stop_replication = false));
    assert!(!spared(|example| example.source().tables[0].bytes = 2 << 30));
    assert!(!spared(|example| example.source().tables[0].persistence = Persistence::Unlogged), "copied once more");
    assert!(!spared(|example| example.source().large_objects.count = 1));
    assert!(!spared(|example| refuse(&mut example.facts.source.slot_creation)));
    assert!(!spared(|example| example.settings.force_method = Some(Method::Dump)));
}
