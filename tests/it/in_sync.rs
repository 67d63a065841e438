//! Nothing is dropped before the last row has arrived, and a wait that cannot end well says why.

use crate::harness::cli::{Run, Running};
use crate::harness::cluster::{Cluster, Options};
use crate::harness::gate::{Closed, Gate, create_gated};
use crate::harness::pair::Pair;

/// Options of a run that waits for everything and then stops replication.
const FINISH: [&str; 3] = ["--max-replication-lag=0", "--stop-replication", "--debug"];

/// A first run, which leaves replication running.
fn replicate(pair: &Pair) {
    let outcome = pair.migrate().run().expect_code(0);
    assert!(outcome.stderr.contains("method: 'replication', status: 'running'"), "{outcome}");
}

/// Waits until the program has looked at the slot again several times while somebody stands before the gate.
fn wait_for_readings(pair: &Pair, gate: &Closed, database: &str) {
    gate.wait_for_somebody(&pair.target, database);
    let now = pair.source.value("postgres", "SELECT clock_timestamp()");
    // A reading every second at least.
    let later = format!("query_start > '{now}'::timestamptz + interval '1.5 s'");
    let looks = "application_name LIKE 'pg_migrate %' AND query LIKE '%confirmed_flush_lsn%'";
    pair.source.wait_until(
        "postgres",
        &format!("EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{database}' AND {looks} AND {later})"),
    );
}

fn assert_replication_is_there(pair: &Pair, database: &str) {
    let leftovers = pair.leftovers().join("\n");
    for (what, suffix) in [("source: slot", "slot"), ("source: publication", "pub"), ("target: subscription", "sub")] {
        let thing = format!("{what} aiven_db_migrate_{database}_{suffix}");
        assert!(leftovers.contains(&thing), "{thing} is gone:\n{leftovers}");
    }
}

#[test]
fn replication_is_not_stopped_before_rows_that_are_on_their_way_have_arrived() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "big", 1000);
    replicate(&pair);
    let gate = Gate::Rows.close(&pair.target, "big");
    // One transaction that the slot streams before its end, and the last row after it.
    pair.source.sql("big", "INSERT INTO gated SELECT n, n FROM generate_series(1001, 60000) n");
    pair.source.sql("big", "UPDATE gated SET value = 0 WHERE id = 60000");
    let run = pair.migrate().args(FINISH).spawn();
    wait_for_readings(&pair, &gate, "big");
    assert_replication_is_there(&pair, "big");
    assert_eq!(pair.target.value("big", "SELECT count(*) FROM gated"), "1000");
    gate.open();
    let outcome = run.wait().expect_code(0);
    assert!(outcome.stderr.contains("dbaname: 'big', method: 'replication', status: 'done'"), "{outcome}");
    pair.assert_equal("big");
    pair.assert_nothing_left();
}

fn migrate_app(pair: &Pair) -> Run {
    pair.migrate().arg("--filtered-db=postgres")
}

/// A run that waits for a row which stands before a gate.
fn wait_before_gate(pair: &Pair) -> (Running, Closed) {
    create_gated(&pair.source, "app", 10);
    migrate_app(pair).run().expect_code(0);
    let gate = Gate::Rows.close(&pair.target, "app");
    pair.source.sql("app", "INSERT INTO gated VALUES (11, 11)");
    let run = migrate_app(pair).args(FINISH).spawn();
    wait_for_readings(pair, &gate, "app");
    (run, gate)
}

#[test]
fn a_wait_goes_on_after_its_connections_are_lost_and_a_server_restarts() {
    let Some(pair) = Pair::start() else { return };
    let (run, gate) = wait_before_gate(&pair);

    let ours = "FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate %'";
    for cluster in [&pair.source, &pair.target] {
        cluster.sql("app", &format!("SELECT pg_terminate_backend(pid) {ours}"));
    }
    run.wait_for_line("lost a connection to the ");
    run.wait_for_line("Database 'app': connected again");
    pair.source.crash();
    pair.source.start_again();
    // Other runs are still kept away.
    pair.source.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')");
    migrate_app(&pair)
        .run()
        .expect_code(1)
        .expect_stderr("another run of pg_migrate is working on this database of the ");
    gate.open();
    run.wait().expect_code(0).expect_stderr("dbaname: 'app', method: 'replication', status: 'done'");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_wait_that_lost_its_database_to_another_run_ends_and_undoes_nothing() {
    let Some(pair) = Pair::start() else { return };
    let (run, gate) = wait_before_gate(&pair);

    let lock = "FROM pg_locks WHERE locktype = 'advisory'";
    let key = "SELECT (classid::int8 << 32) + objid::int8";
    let key = pair.source.value("app", &format!("{key} {lock}"));
    let other = pair.source.session("app");
    pair.source.sql("app", &format!("SELECT pg_terminate_backend(pid) {lock}"));
    other.sql(&format!("SELECT pg_advisory_lock({key})"));
    pair.source.sql(
        "app",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate %'",
    );
    run.wait()
        .expect_code(1)
        .expect_stderr("another run of pg_migrate is working on this database of the source")
        .expect_stderr("replication is left as it is");
    drop(other);
    gate.open();
    migrate_app(&pair).args(FINISH).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

/// Users of a source that refuses our own replication connection and lets the target's in: `mover` owns the tables and may
/// not replicate, `feeder` may.
fn forbid_replication_connection(source: &Cluster, database: &str) {
    source.sql(
        database,
        &format!(
            "CREATE ROLE mover LOGIN; CREATE ROLE feeder LOGIN REPLICATION;
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO feeder;
             ALTER DATABASE {database} OWNER TO mover;
             ALTER TABLE gated OWNER TO mover; ALTER TABLE plain OWNER TO mover"
        ),
    );
}

fn migrate_as_mover(pair: &Pair) -> Run {
    let (source, feed) = (pair.source.uri_as("mover", "big"), pair.source.uri_as("feeder", "big"));
    pair.program().args(["-s", &source, "-t", &pair.target.uri("postgres"), "--source-for-target", &feed]).args([
        "--filtered-db",
        "postgres",
        "--force-method",
        "replication",
    ])
}

#[test]
fn replication_is_not_stopped_before_the_subscription_has_copied_every_table() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "big", 20_000);
    // Without a key it is copied by itself, at another time than what it refers to.
    pair.source.sql("big", "CREATE TABLE child (id int REFERENCES gated); INSERT INTO child VALUES (7), (8)");
    forbid_replication_connection(&pair.source, "big");
    pair.source.sql("big", "ALTER TABLE child OWNER TO mover; COMMENT ON CONSTRAINT child_id_fkey ON child IS 'kept'");
    pair.target.create_database("big");
    let gate = Gate::Rows.close(&pair.target, "big");
    let run = migrate_as_mover(&pair).args(FINISH).spawn();
    wait_for_readings(&pair, &gate, "big");
    assert_replication_is_there(&pair, "big");
    assert_eq!(
        pair.target.value(
            "big",
            "SELECT string_agg(DISTINCT srsubstate, '') FROM pg_subscription_rel WHERE srrelid = 'gated'::regclass"
        ),
        "d"
    );
    pair.source.sql(
        "big",
        "INSERT INTO gated VALUES (20001, 0); DELETE FROM child WHERE id = 7; DELETE FROM gated WHERE id = 7",
    );
    gate.open();
    let outcome = run.wait().expect_code(0);
    assert!(outcome.stderr.contains("dbaname: 'big', method: 'replication', status: 'done'"), "{outcome}");
    pair.assert_equal("big");
    pair.assert_nothing_left();
}

#[test]
fn a_row_that_goes_while_what_refers_to_it_is_copied_breaks_no_foreign_key() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "big", 100);
    pair.source.sql(
        "big",
        "CREATE TABLE child (id int CONSTRAINT child_parent REFERENCES gated, other int REFERENCES plain);
         INSERT INTO child VALUES (7, 7), (8, 8)",
    );
    forbid_replication_connection(&pair.source, "big");
    pair.source.sql("big", "ALTER TABLE child OWNER TO mover");
    pair.target.create_database("big");
    let gate = Gate::Rows.close(&pair.target, "big");
    let run = migrate_as_mover(&pair).args(FINISH).spawn();
    gate.wait_for_somebody(&pair.target, "big");
    // Whoever copies it has taken his snapshot and waits for this one.
    let other = pair.target.session("big");
    other.sql("BEGIN; LOCK TABLE child IN SHARE MODE");
    gate.open();
    pair.target.wait_until("big", "EXISTS (SELECT FROM pg_locks WHERE relation = 'child'::regclass AND NOT granted)");
    pair.source.sql("big", "DELETE FROM child WHERE id = 7; DELETE FROM gated WHERE id = 7");
    pair.target.wait_until("big", "NOT EXISTS (SELECT FROM gated WHERE id = 7)");
    other.sql("COMMIT");
    let outcome = run.wait().expect_code(0);
    assert!(
        outcome.stderr.contains("foreign keys: copying once more, because rows may have gone meanwhile"),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("dbaname: 'big', method: 'replication', status: 'done'"), "{outcome}");
    pair.assert_equal("big");
    pair.assert_nothing_left();
}

#[test]
fn where_the_subscription_copies_tables_replicate_by_an_index_or_their_whole_row_as_well() {
    for (policy, copied_again) in [("index", false), ("full", false), ("insert-only", false), ("copy-at-finish", true)]
    {
        let Some(pair) = Pair::start() else { return };
        create_gated(&pair.source, "big", 10);
        pair.source.sql(
            "big",
            "CREATE TABLE keyless (id int NOT NULL, v text); CREATE UNIQUE INDEX keyless_id ON keyless (id);
             INSERT INTO keyless SELECT n, 'v' FROM generate_series(1, 5) n",
        );
        forbid_replication_connection(&pair.source, "big");
        pair.source.sql("big", "ALTER TABLE keyless OWNER TO mover");
        let migrate = || migrate_as_mover(&pair).args(["--replica-identity", policy]);
        let outcome = migrate().run().expect_code(0);
        assert_eq!(outcome.stderr.contains("table public.keyless is not replicated"), copied_again, "{outcome}");
        pair.source.sql("big", "INSERT INTO keyless VALUES (6, 'v')");
        if policy != "insert-only" {
            pair.source.sql("big", "UPDATE keyless SET v = 'changed' WHERE id = 2; DELETE FROM keyless WHERE id = 3");
        }
        migrate().args(FINISH).run().expect_code(0);
        let identity = "SELECT relreplident::text FROM pg_class WHERE relname = 'keyless'";
        assert_eq!(pair.source.value("big", identity), "d", "{policy}");
        pair.assert_equal("big");
        pair.assert_nothing_left();
    }
}

#[test]
fn an_interrupted_copy_of_the_subscription_leaves_nothing_on_the_source() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "big", 100);
    forbid_replication_connection(&pair.source, "big");
    pair.target.create_database("big");
    let only_the_journal = ["target: schema _pg_migrate in big"];

    // While the subscription's slot waits for a transaction that was there before it.
    let writer = pair.source.session("big");
    writer.sql("BEGIN; INSERT INTO plain (text) VALUES ('not yet')");
    let run = migrate_as_mover(&pair).args(FINISH).spawn();
    run.wait_for_line("waits for transactions that began before it");
    run.signal("INT");
    let outcome = run.wait().expect_code(130);
    writer.sql("COMMIT");
    assert_eq!(pair.leftovers(), only_the_journal, "{outcome}");

    // While a table is copied.
    let gate = Gate::Rows.close(&pair.target, "big");
    let run = migrate_as_mover(&pair).args(FINISH).spawn();
    gate.wait_for_somebody(&pair.target, "big");
    run.signal("INT");
    let outcome = run.wait().expect_code(130);
    assert_eq!(pair.leftovers(), only_the_journal, "{outcome}");
    gate.open();

    // The first run is complete, and the second one finishes what it left running.
    migrate_as_mover(&pair).run().expect_code(0).expect_stderr("status: 'running'");
    migrate_as_mover(&pair).args(FINISH).run().expect_code(0);
    pair.assert_equal("big");
    pair.assert_nothing_left();
}

#[test]
fn a_wait_that_passes_its_limit_leaves_replication_running_for_a_later_run() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "late", 10);
    replicate(&pair);
    let gate = Gate::Rows.close(&pair.target, "late");
    pair.source.sql("late", "INSERT INTO gated VALUES (11, 11)");
    let outcome = pair.migrate().args(FINISH).arg("--lag-timeout=1").run().expect_code(7);
    assert!(outcome.stderr.contains("dbaname: 'late', method: 'replication', status: 'running'"), "{outcome}");
    assert!(outcome.stderr.contains("replication did not catch up within 1 s"), "{outcome}");
    let last = outcome.last_line();
    assert_eq!(last, "PGMigrateTimeoutError: 1 of 2 databases did not catch up in time: 'late'");
    // The other database did not have to wait for it.
    assert!(outcome.stderr.contains("dbaname: 'postgres', method: 'replication', status: 'done'"), "{outcome}");
    assert_replication_is_there(&pair, "late");
    gate.open();
    pair.migrate().args(FINISH).args(["--filtered-db", "postgres"]).run().expect_code(0);
    pair.assert_equal("late");
    pair.assert_nothing_left();
}

#[test]
fn a_conflict_ends_the_wait_with_its_reason_and_the_next_run_finishes_once_it_is_removed() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "torn", 10);
    replicate(&pair);
    pair.target.sql("torn", "INSERT INTO plain VALUES (11, 'written on the target')");
    pair.source.sql("torn", "INSERT INTO plain VALUES (11, 'from the source')");
    let run = pair.migrate().args(FINISH).args(["--filtered-db", "postgres"]);
    if pair.target.installation.major >= 15 {
        let outcome = run.run().expect_code(1);
        assert!(outcome.stderr.contains("dbaname: 'torn', method: 'replication', status: 'failed'"), "{outcome}");
        for words in ["a row that is there already", "run the same command again", "pg_migrate cleanup"] {
            assert!(outcome.stderr.contains(words), "{words:?} is not in:\n{outcome}");
        }
    } else {
        // Does not count failures: only the time tells.
        let _ = run.arg("--lag-timeout=1").run().expect_code(7);
    }
    assert_replication_is_there(&pair, "torn");
    pair.target.sql("torn", "DELETE FROM plain WHERE id = 11");
    pair.migrate().args(FINISH).args(["--filtered-db", "postgres"]).run().expect_code(0);
    pair.assert_equal("torn");
}

#[test]
fn replication_goes_on_after_a_restart_of_either_server() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "shaken", 10);
    replicate(&pair);
    for (id, server) in [(11, &pair.source), (12, &pair.target)] {
        server.crash();
        server.start_again();
        pair.source.sql("shaken", &format!("INSERT INTO plain VALUES ({id}, '')"));
        pair.target.wait_until("shaken", &format!("EXISTS (SELECT FROM plain WHERE id = {id})"));
    }
    pair.source
        .sql("shaken", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication; INSERT INTO plain VALUES (13)");
    pair.target.wait_until("shaken", "EXISTS (SELECT FROM plain WHERE id = 13)");
    pair.migrate().args(FINISH).run().expect_code(0);
    pair.assert_equal("shaken");
    pair.assert_nothing_left();
}

#[test]
fn a_materialized_view_that_cannot_be_refreshed_is_named_and_keeps_nothing_else_from_its_end() {
    let Some(pair) = Pair::with(&Options::default().setting("my.place", "source"), &Options::default()) else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t AS SELECT 7 AS id; ALTER TABLE t ADD PRIMARY KEY (id);
         CREATE FUNCTION place() RETURNS text LANGUAGE sql AS $$ SELECT pg_catalog.current_setting('my.place') $$;
         CREATE MATERIALIZED VIEW broken AS SELECT public.place();
         CREATE MATERIALIZED VIEW sound AS SELECT id FROM t",
    );
    let outcome = pair.migrate().args(["--filtered-db", "postgres"]).args(FINISH).run().expect_code(1);
    let line = "dbaname: 'app', method: 'replication', status: 'failed', message: 'complete, but materialized view public.broken could not \
                be refreshed: unrecognized configuration parameter";
    assert!(outcome.stderr.contains(line), "{outcome}");
    assert_eq!(pair.target.value("app", "SELECT id::text FROM sound"), "7");
    pair.assert_nothing_left();
}

#[test]
fn a_table_that_is_dropped_after_it_was_copied_is_not_waited_for() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.target.create_database("app");
    let gate = Gate::Index.close(&pair.target, "app");
    let run = pair.migrate().spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.target.wait_until("app", "EXISTS (SELECT FROM _pg_migrate.copied WHERE table_name = 'plain')");
    pair.source.sql("app", "DROP TABLE plain");
    gate.open();
    run.wait().expect_code(1).expect_stderr("the subscription has 1 of the 2 tables that were published");
    pair.migrate().args(FINISH).run().expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT to_regclass('plain') IS NULL"), "t");
}
