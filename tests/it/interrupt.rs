//! A run that is told to stop cleans up after itself, whatever it is at, and the next run gets it done.

use std::fs;
use std::path::Path;

use crate::harness::cli::{FINISH, Outcome, Run, Running};
use crate::harness::cluster::{Options, SUPERUSER_PASSWORD};
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;

/// A pair of servers that ask for a password.
fn start() -> Option<Pair> {
    let pair = Pair::with(&Options::default().tcp(), &Options::default().tcp())?;
    create_gated(&pair.source, "app", 100);
    pair.target.create_database("app");
    Some(pair)
}

/// A run that says all it can, and keeps its files in `directory`.
fn migrate(pair: &Pair, directory: &Path) -> Run {
    let source = pair.source.tcp_uri("postgres", SUPERUSER_PASSWORD, "postgres");
    let target = pair.target.tcp_uri("postgres", SUPERUSER_PASSWORD, "postgres");
    pair.program()
        .args(["-s", &source, "-t", &target, "--filtered-db", "postgres", "--debug", "--output", "json"])
        .env("TMPDIR", directory)
}

/// Nothing on the source, no replication on the target, no file, no password anywhere.
fn assert_clean(pair: &Pair, outcome: &Outcome, directory: &Path) {
    assert_eq!(pair.leftovers(), ["target: schema _pg_migrate in app"], "{outcome}");
    assert_no_trace(outcome, directory);
    for (side, server) in [("source", &pair.source), ("target", &pair.target)] {
        let sessions = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'pg\\_migrate %'";
        server.wait_until("postgres", &format!("({sessions})"));
        assert!(!server.log().contains(SUPERUSER_PASSWORD), "a password is in the log of the {side}");
    }
}

fn assert_no_trace(outcome: &Outcome, directory: &Path) {
    let files: Vec<_> =
        fs::read_dir(directory).expect("the directory is there").flatten().map(|entry| entry.path()).collect();
    assert!(files.is_empty(), "{files:?}\n{outcome}");
    let encoded = "s3cret%20";
    for secret in [SUPERUSER_PASSWORD, encoded, "s3cret"] {
        assert!(!outcome.stderr.contains(secret) && !outcome.stdout.contains(secret), "a password is in:\n{outcome}");
    }
}

/// Stops a run when it has come to `place`, which returns what keeps it there.
fn interrupt<T>(pair: &Pair, signal: &str, code: i32, place: impl FnOnce(&Running) -> T) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let run = migrate(pair, directory.path()).spawn();
    let kept = place(&run);
    if signal == "Ctrl-C" {
        run.signal_group("INT");
    } else {
        run.signal(signal);
    }
    let outcome = run.wait().expect_code(code);
    assert!(outcome.stderr.contains("dbaname: 'app', method: 'replication', status: 'cancelled'"), "{outcome}");
    let last = outcome.last_line();
    assert!(last.starts_with("PGMigrateInterruptedError: stopped by SIG"), "{outcome}");
    assert!(outcome.stdout.contains("\"status\": \"cancelled\""), "{outcome}");
    assert_clean(pair, &outcome, directory.path());
    drop(kept);
}

#[test]
fn a_signal_at_any_stage_leaves_nothing_and_the_next_run_is_complete() {
    let Some(pair) = start() else { return };
    let wait_for_lock = "EXISTS (SELECT FROM pg_locks WHERE NOT granted)";

    // While the slot waits for a transaction that was there before it.
    let writer = pair.source.session("app");
    writer.sql("BEGIN; INSERT INTO plain (text) VALUES ('not yet')");
    interrupt(&pair, "INT", 130, |run| {
        let line = run.wait_for_line("waits for transactions that began before it");
        let pid = writer.sql("SELECT pg_backend_pid()")[0][0].clone().unwrap();
        assert!(line.contains(&format!("pid {pid} (postgres@app")), "{line}");
    });
    writer.sql("COMMIT");

    // While pg_restore creates the function.
    let functions = pair.target.session("app");
    functions.sql("BEGIN; LOCK TABLE pg_catalog.pg_proc IN SHARE MODE");
    interrupt(&pair, "TERM", 143, |_| pair.target.wait_until("app", wait_for_lock));
    functions.sql("COMMIT");

    // While rows are copied: to the program alone, and as a terminal does it.
    for (signal, code) in [("TERM", 143), ("Ctrl-C", 130)] {
        interrupt(&pair, signal, code, |_| {
            let gate = Gate::Rows.close(&pair.target, "app");
            gate.wait_for_somebody(&pair.target, "app");
            gate
        });
    }

    // While pg_restore builds the index.
    for (signal, code) in [("INT", 130), ("Ctrl-C", 130)] {
        interrupt(&pair, signal, code, |_| {
            let gate = Gate::Index.close(&pair.target, "app");
            gate.wait_for_somebody(&pair.target, "app");
            gate
        });
    }

    let directory = tempfile::tempdir().expect("a temporary directory");
    let outcome = migrate(&pair, directory.path()).args(FINISH).run();
    assert_no_trace(&outcome, directory.path());
    outcome.expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_signal_during_the_wait_leaves_replication_running() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.migrate().run().expect_code(0);
    let gate = Gate::Rows.close(&pair.target, "app");
    pair.source.sql("app", "INSERT INTO gated VALUES (11, 11)");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let run = pair.migrate().args(FINISH).spawn();
        run.wait_for_line("Database 'app': catching up");
        gate.wait_for_somebody(&pair.target, "app");
        run.signal(signal);
        let outcome = run.wait().expect_code(code);
        let line =
            "dbaname: 'app', method: 'replication', status: 'cancelled', message: 'cancelled; replication goes on'";
        assert!(outcome.stderr.contains(line), "{outcome}");
        let leftovers = pair.leftovers().join("\n");
        for thing in [
            "slot aiven_db_migrate_app_slot",
            "publication aiven_db_migrate_app_pub",
            "subscription aiven_db_migrate_app_sub",
        ] {
            assert!(leftovers.contains(thing), "{thing} is gone:\n{leftovers}");
        }
    }
    gate.open();
    pair.migrate()
        .args(["--max-replication-lag=0", "--stop-replication", "--filtered-db=postgres"])
        .run()
        .expect_code(0);
    pair.assert_equal("app");
}

#[test]
fn a_signal_does_not_touch_replication_that_the_run_has_not_come_to() {
    let Some(pair) = Pair::start() else { return };
    // More than are in work at the same time.
    let databases: Vec<String> = (1..=6).map(|n| format!("app{n}")).collect();
    for database in &databases {
        pair.source.create_database(database);
        pair.source.sql(database, "CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1)");
    }
    let migrate = || pair.migrate().args(["--filtered-db=postgres", "--jobs=1"]);
    migrate().run().expect_code(0);
    let locks: Vec<_> = databases
        .iter()
        .map(|database| {
            let session = pair.target.session(database);
            session.sql("BEGIN; LOCK TABLE t IN EXCLUSIVE MODE");
            pair.source.sql(database, "INSERT INTO t VALUES (2)");
            session
        })
        .collect();
    let before = pair.leftovers();
    let run = migrate().args(FINISH).spawn();
    run.wait_for_line("catching up");
    run.signal("INT");
    let outcome = run.wait().expect_code(130);
    assert_eq!(pair.leftovers(), before, "{outcome}");
    drop(locks);
    migrate().args(FINISH).run().expect_code(0);
    for database in &databases {
        pair.assert_equal(database);
    }
    pair.assert_nothing_left();
}

#[test]
fn a_signal_does_not_stop_a_finish_half_way() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.migrate().run().expect_code(0);
    let gate = Gate::Rows.close(&pair.target, "app");
    pair.source.sql("app", "INSERT INTO gated VALUES (11, 11)");
    let run = pair.migrate().args(FINISH).spawn();
    run.wait_for_line("Database 'app': catching up");
    // Keeps the publication from being dropped, after the subscription and the slot.
    let publications = pair.source.session("app");
    publications.sql("BEGIN; LOCK TABLE pg_catalog.pg_publication IN SHARE MODE");
    gate.open();
    pair.source.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    run.signal("INT");
    run.wait_for_line("SIGINT: stopping and cleaning up");
    publications.sql("COMMIT");
    let outcome = run.wait();
    assert!(outcome.stderr.contains("dbaname: 'app', method: 'replication', status: 'done'"), "{outcome}");
    pair.assert_equal("app");
    let leftovers = pair.leftovers().join("\n");
    assert!(!leftovers.contains("app"), "{leftovers}");
}

#[test]
fn a_second_signal_ends_at_once_and_cleanup_drops_what_is_left() {
    let Some(pair) = start() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let gate = Gate::Rows.close(&pair.target, "app");
    let run = migrate(&pair, directory.path()).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    // Keeps the clean-up from its end.
    let publications = pair.source.session("app");
    publications.sql("BEGIN; LOCK TABLE pg_catalog.pg_publication IN SHARE MODE");
    run.signal("INT");
    pair.source.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    run.signal("INT");
    let outcome =
        run.wait().expect_code(130).expect_stderr("hint: pg_migrate cleanup drops what was left on the servers");
    assert_no_trace(&outcome, directory.path());
    publications.sql("COMMIT");
    drop(gate);
    cleanup(&pair).expect_code(0);
    pair.assert_nothing_left();
}

fn cleanup(pair: &Pair) -> Outcome {
    pair.program().args(["cleanup", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri("postgres")]).run()
}

#[test]
fn after_a_kill_the_next_run_or_cleanup_removes_what_was_left() {
    let Some(pair) = start() else { return };
    for place in [Gate::Rows, Gate::Index] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let gate = place.close(&pair.target, "app");
        let run = migrate(&pair, directory.path()).spawn();
        gate.wait_for_somebody(&pair.target, "app");
        run.signal("KILL");
        // The programs that it started may outlive it, and must not get into the next run's way.
        assert_eq!(run.wait_for_exit(), Some(9));
        assert!(pair.leftovers().join("\n").contains("source: slot aiven_db_migrate_app_slot"));
        if place == Gate::Rows {
            cleanup(&pair)
                .expect_code(0)
                .expect_stderr("'app': dropped slot \"aiven_db_migrate_app_slot\" on the source")
                .expect_stderr("'app': the target's copy is unfinished: rows, indexes or constraints are missing");
            pair.assert_nothing_left();
            // What cleanup does not touch: the objects it restored.
            drop(gate);
            pair.target.sql("app", "DROP TABLE gated, plain; DROP FUNCTION gate");
        }
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let outcome = migrate(&pair, directory.path()).args(FINISH).run();
    outcome.expect_code(0).expect_stderr("which an earlier run left");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn cleanup_says_what_a_copy_lacks_and_frees_the_source_when_the_target_is_gone() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", "CREATE TABLE t (id int PRIMARY KEY)");
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]).run().expect_code(0);
    drop(migrate());
    cleanup(&pair).expect_code(0).expect_stderr("'app': the target has all rows as they were last, but");
    pair.target.sql("postgres", "DROP DATABASE app");
    drop(migrate());
    pair.target.crash();
    cleanup(&pair)
        .expect_code(1)
        .expect_stderr("Cannot connect to the target")
        .expect_stderr("dropped slot \"aiven_db_migrate_app_slot\" on the source")
        .expect_stderr("dropped publication \"aiven_db_migrate_app_pub\" on the source")
        .expect_last_line("PGMigrateError: 1 thing is left behind");
    assert_eq!(pair.source.value("app", "SELECT count(*)::text FROM pg_replication_slots"), "0");
    pair.source.crash();
    cleanup(&pair).expect_code(4);
}
