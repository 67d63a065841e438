//! What fails half-way is undone, told, and done by the next run.

use std::process::Command;

use crate::harness::cli::{FINISH, Outcome, Run, Running};
use crate::harness::cluster::Cluster;
use crate::harness::disk::SmallDisk;
use crate::harness::gate::{Closed, Gate, create_gated};
use crate::harness::pair::Pair;

fn migrate(pair: &Pair) -> Run {
    pair.migrate().args(["--filtered-db", "postgres"]).args(FINISH)
}

/// Ends sessions of the program on `cluster`.
fn terminate(cluster: &Cluster, which: &str) {
    let sessions = format!("FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate %' AND {which}");
    let ended = cluster.value("postgres", &format!("SELECT count(pg_terminate_backend(pid)) {sessions}"));
    assert_ne!(ended, "0", "no session is {which}");
}

/// A run to whose copy or index build something happens.
fn sabotage(pair: &Pair, place: Gate, deed: impl FnOnce(&Running, Closed)) -> Outcome {
    let gate = place.close(&pair.target, "app");
    let run = migrate(pair).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    deed(&run, gate);
    assert_failed(run)
}

fn assert_failed(run: Running) -> Outcome {
    let outcome = run.wait().expect_code(1);
    assert!(outcome.stderr.contains("dbaname: 'app', method: 'replication', status: 'failed'"), "{outcome}");
    let last = outcome.last_line();
    assert_eq!(last, "PGMigrateError: 1 of 1 databases failed: 'app'", "{outcome}");
    outcome
}

#[test]
fn a_broken_session_fails_the_database_and_the_next_run_is_complete() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 100);
    pair.target.create_database("app");
    let only_the_journal = ["target: schema _pg_migrate in app"];

    let outcome = sabotage(&pair, Gate::Rows, |_, _gate| terminate(&pair.target, "wait_event_type = 'Lock'"));
    assert!(outcome.stderr.contains("copy table public.gated (in database \"app\" of the target)"), "{outcome}");
    assert_eq!(pair.leftovers(), only_the_journal);

    // The one that holds the snapshot among them.
    let outcome = sabotage(&pair, Gate::Rows, |_, _gate| {
        terminate(&pair.source, "true");
        terminate(&pair.target, "wait_event_type = 'Lock'");
    });
    assert_eq!(pair.leftovers(), only_the_journal, "{outcome}");

    let outcome = sabotage(&pair, Gate::Index, |_, _gate| terminate(&pair.target, "wait_event_type = 'Lock'"));
    assert!(outcome.stderr.contains("create objects (in database \"app\" of the target)"), "{outcome}");
    assert_eq!(pair.leftovers(), only_the_journal, "{outcome}");

    pair.source.sql("app", "CREATE FOREIGN DATA WRAPPER later");
    let session = pair.target.session("app");
    session.sql("BEGIN; CREATE FOREIGN DATA WRAPPER later");
    let run = migrate(&pair).spawn();
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')");
    let killed = Command::new("pkill").args(["-KILL", "-x", "-P", &run.id().to_string(), "pg_restore"]).status();
    assert!(killed.unwrap().success());
    session.sql("ROLLBACK");
    let outcome = assert_failed(run);
    assert!(outcome.stderr.contains("pg_restore"), "{outcome}");
    assert_eq!(pair.leftovers(), only_the_journal, "{outcome}");

    migrate(&pair).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_session_that_is_ended_while_others_work_is_replaced() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 100);
    pair.source.sql("app", "CREATE FOREIGN DATA WRAPPER later; CREATE SERVER after FOREIGN DATA WRAPPER later");
    pair.target.create_database("app");
    let session = pair.target.session("app");
    session.sql("BEGIN; CREATE FOREIGN DATA WRAPPER later");
    let run = migrate(&pair).spawn();
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')");
    // What creates definitions waits for pg_restore; the locks of the run stay.
    terminate(
        &pair.target,
        "state = 'idle' AND datname = 'app' AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
    );
    session.sql("ROLLBACK");
    run.wait().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn after_a_crash_of_either_server_the_next_run_is_complete() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 100);
    pair.target.create_database("app");

    sabotage(&pair, Gate::Rows, |_, _gate| pair.target.crash());
    pair.target.start_again();
    assert_eq!(pair.leftovers(), ["target: schema _pg_migrate in app"]);

    let outcome = sabotage(&pair, Gate::Rows, |_, gate| {
        pair.source.crash();
        gate.open();
    });
    let by_hand =
        "left behind: slot \"aiven_db_migrate_app_slot\" and publication \"aiven_db_migrate_app_pub\" on the source";
    assert!(outcome.stderr.contains(by_hand), "{outcome}");
    assert!(outcome.stderr.contains("SELECT pg_drop_replication_slot('aiven_db_migrate_app_slot')"), "{outcome}");
    pair.source.start_again();

    migrate(&pair).run().expect_code(0).expect_stderr("which an earlier run left");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn one_database_fails_and_the_others_are_complete() {
    let Some(pair) = Pair::start() else { return };
    for database in ["good", "bad", "closed"] {
        pair.source.create_database(database);
        pair.source.sql(database, "CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)");
    }
    pair.source.sql("bad", "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'int4pl'; UPDATE pg_proc SET prosrc = 'no_such_function' WHERE proname = 'f'");
    pair.source.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    let outcome = migrate(&pair).run().expect_code(1);
    for line in [
        "dbaname: 'good', method: 'replication', status: 'done', message: 'created and migrated database'",
        "dbaname: 'bad', method: 'replication', status: 'failed', message: ",
        "there is no built-in function named \"no_such_function\"",
        "dbaname: 'closed', method: None, status: 'failed', message: ",
        "database \"closed\" does not accept connections",
    ] {
        assert!(outcome.stderr.contains(line), "{line:?} is not in:\n{outcome}");
    }
    assert_eq!(outcome.last_line(), "PGMigrateError: 2 of 3 databases failed: 'bad', 'closed'");
    pair.assert_equal("good");
    assert_eq!(pair.leftovers(), ["target: schema _pg_migrate in bad"]);

    pair.source.sql("bad", "DROP FUNCTION f()");
    pair.source.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS true");
    pair.migrate().args(["--filtered-db", "postgres,good"]).args(FINISH).run().expect_code(0);
    for database in ["bad", "closed"] {
        pair.assert_equal(database);
    }
    pair.assert_nothing_left();
}

#[test]
fn a_full_disk_on_the_target_is_told_and_undone_and_the_next_run_has_the_room() {
    let Some(pair) = Pair::start() else { return };
    let Some(disk) = SmallDisk::mount() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE big (i int PRIMARY KEY, t text);
         INSERT INTO big SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 30000) n",
    );
    pair.target.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display()));
    pair.target.sql("postgres", "CREATE DATABASE app TABLESPACE small");
    let outcome = migrate(&pair).run().expect_code(1);
    assert!(outcome.stderr.contains("dbaname: 'app', method: 'replication', status: 'failed'"), "{outcome}");
    for words in ["copy table public.big (in database \"app\" of the target)", "[SQLSTATE 53100]"] {
        assert!(outcome.stderr.contains(words), "{words:?} is not in:\n{outcome}");
    }
    assert_eq!(pair.leftovers(), ["target: schema _pg_migrate in app"]);
    disk.grow();
    migrate(&pair).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_failed_database_does_not_wait_for_its_other_tables() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 100);
    pair.source.sql(
        "app",
        // Not so small that it is copied together with others.
        "CREATE TABLE other (i int PRIMARY KEY, CHECK (public.gate(1, i) = i));
         INSERT INTO other SELECT generate_series(1, 40000)",
    );
    pair.target.create_database("app");
    let gate = Gate::Rows.close(&pair.target, "app");
    let run = migrate(&pair).arg("--jobs=2").spawn();
    let waiting = "FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate %' AND wait_event_type = 'Lock'";
    pair.target.wait_until("postgres", &format!("(SELECT count(*) = 2 {waiting})"));
    pair.target.sql("postgres", &format!("SELECT pg_terminate_backend(pid) {waiting} LIMIT 1"));
    // The other worker's table still stands before the gate, and nothing waits for it.
    let outcome = run.wait().expect_code(1);
    drop(gate);
    assert!(outcome.stderr.contains("dbaname: 'app', method: 'replication', status: 'failed'"), "{outcome}");
    pair.target.wait_until("postgres", &format!("(SELECT count(*) = 0 {waiting})"));
}
