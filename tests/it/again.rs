//! A new try after a run that did not end takes nothing away that is not the migration's own.

use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;
use crate::harness::wait::{LIMIT, wait_for};

#[test]
fn a_new_try_keeps_rows_that_were_there_before_the_first() {
    let Some(pair) = Pair::start() else { return };
    for (cluster, rows) in [(&pair.source, 100), (&pair.target, 0)] {
        create_gated(cluster, "app", rows);
        cluster.sql("app", "CREATE TABLE parent (id int PRIMARY KEY)");
    }
    pair.source.sql("app", "INSERT INTO parent SELECT generate_series(1, 100)");
    pair.target.sql(
        "app",
        "INSERT INTO plain VALUES (1001, 'mine');
         CREATE TABLE child (parent int REFERENCES parent ON DELETE CASCADE)",
    );
    let migrate =
        || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump", "--append", "--jobs=2"]);

    let gate = Gate::Rows.close(&pair.target, "app");
    let run = migrate().spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.target.wait_until("app", "((SELECT count(*) FROM plain) = 101 AND (SELECT count(*) FROM parent) = 100)");
    run.signal("TERM");
    run.wait().expect_code(143);
    drop(gate);
    pair.target.sql("app", "INSERT INTO child VALUES (7)");

    let outcome = migrate().run().expect_code(3);
    assert!(
        outcome.stderr.contains("Table public.plain in database 'app' of the target had rows before run"),
        "{outcome}"
    );
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM plain"), "101");

    migrate().args(["--skip-table", "plain"]).run().expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM plain"), "101");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM gated"), "100");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM parent JOIN child ON parent = id"), "1");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM parent"), "100");
    pair.assert_nothing_left();
}

#[test]
fn a_dump_that_was_killed_after_its_rows_is_concluded_and_what_applications_wrote_since_stays() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.source.sql(
        "app",
        "CREATE MATERIALIZED VIEW summary AS SELECT public.gate(3, 1) AS one; CREATE PUBLICATION own FOR TABLE plain",
    );
    let migrate = || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    for written_on_source in [false, true] {
        pair.target.create_database("app");
        let gate = Gate::View.close(&pair.target, "app");
        let run = migrate().spawn();
        gate.wait_for_somebody(&pair.target, "app");
        run.signal("KILL");
        assert_eq!(run.wait_for_exit(), Some(9));
        drop(gate);
        pair.target.sql("app", "INSERT INTO plain (id, text) VALUES (1001, 'written by an application')");

        let replicate = pair.migrate().args(["--filtered-db", "postgres"]).run().expect_code(3);
        assert!(replicate.stderr.contains("its rows are complete"), "{replicate}");
        assert!(replicate.stderr.contains("use --force-method dump with the same source to go on"), "{replicate}");
        let plan = migrate().arg("--dry-run").run().expect_code(0);
        assert!(plan.stdout.contains("what is left of a dump whose rows are there already"), "{plan}");

        let outcome = if written_on_source {
            pair.source.sql("app", "INSERT INTO plain (text) VALUES ('too late')");
            migrate().run().expect_code(1).expect_stderr("complete, but its rows are the source's of 20")
        } else {
            migrate().run().expect_code(0)
        };
        let said = "copied all rows as they were on the source at 20";
        assert!(outcome.stderr.contains(said), "{said:?} is not in:\n{outcome}");
        let state = "SELECT count(*) || ' ' || max(id) || ' ' || (SELECT one FROM summary) || ' ' || (SELECT pubname FROM \
                     pg_publication) || ' ' || (SELECT count(*) FROM pg_stats WHERE tablename = 'plain') FROM plain";
        assert_eq!(pair.target.value("app", state), "11 1001 1 own 2");
        let sequence = if written_on_source { "11" } else { "10" };
        assert_eq!(pair.target.value("app", "SELECT last_value FROM plain_id_seq"), sequence);
        pair.assert_nothing_left();
        pair.target.sql("postgres", "DROP DATABASE app WITH (FORCE)");
    }
}

#[test]
fn what_comes_last_is_brought_by_the_next_run_when_one_was_killed_at_it() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION own FOR TABLE t;
         CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION watch()",
    );
    pair.target.create_database("app");
    let migrate = || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    let holder = pair.target.session("app");
    holder.sql("BEGIN; LOCK TABLE pg_publication IN SHARE MODE");
    let run = migrate().spawn();
    let waiting = "FROM pg_locks WHERE relation = 'pg_publication'::regclass AND NOT granted";
    pair.target.wait_until("app", &format!("EXISTS (SELECT {waiting})"));
    run.signal("KILL");
    assert_eq!(run.wait_for_exit(), Some(9));
    // The server would do what it was told to, had it not been told at the moment of its own end.
    pair.target.sql("app", &format!("SELECT pg_terminate_backend(pid) {waiting}"));
    pair.target.wait_until("app", &format!("NOT EXISTS (SELECT {waiting})"));
    holder.sql("ROLLBACK");

    migrate().run().expect_code(0);
    let last = "SELECT (SELECT pubname FROM pg_publication) || ' ' || (SELECT evtname FROM pg_event_trigger)";
    assert_eq!(pair.target.value("app", last), "own watcher");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn what_a_complete_dump_brought_is_discarded_when_the_user_says_so() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.source.sql("app", "CREATE MATERIALIZED VIEW summary AS SELECT public.gate(3, 1) AS one");
    pair.target.create_database("app");
    let migrate = || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    let gate = Gate::View.close(&pair.target, "app");
    let run = migrate().spawn();
    gate.wait_for_somebody(&pair.target, "app");
    run.signal("TERM");
    run.wait().expect_code(143);
    drop(gate);
    pair.source.sql("app", "INSERT INTO plain (text) VALUES ('later')");

    let outcome = migrate().arg("--validate").run().expect_code(0);
    let forget = "UPDATE _pg_migrate.migration SET complete = false";
    assert!(outcome.stderr.contains(&format!("target database \"app\": {forget}")), "{outcome}");
    pair.target.sql("app", forget);
    migrate().run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn large_objects_of_the_target_are_neither_replaced_nor_removed() {
    let Some(pair) = Pair::start() else { return };
    for (cluster, oid) in [(&pair.source, 4711), (&pair.target, 4712)] {
        cluster.create_database("app");
        cluster.sql("app", &format!("CREATE TABLE t (id int PRIMARY KEY); SELECT lo_from_bytea({oid}, 'large')"));
    }
    let migrate = || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    let outcome = migrate().run().expect_code(3);
    assert!(outcome.stderr.contains("Database 'app' of the target has 1 large objects"), "{outcome}");
    assert_eq!(pair.target.value("app", "SELECT string_agg(oid::text, ' ') FROM pg_largeobject_metadata"), "4712");

    pair.target.sql("app", "SELECT lo_unlink(4712)");
    migrate().run().expect_code(0);
    pair.assert_equal("app");
}

#[test]
fn a_database_is_made_anew_when_the_run_that_created_it_was_killed_before_it_could_say_so() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", "DROP SCHEMA public; CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY)");
    let migrate = || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    // CREATE DATABASE waits for its template, and whoever then opens a session for what is set for it.
    let template = pair.target.session("postgres");
    template.sql("BEGIN; COMMENT ON DATABASE template0 IS 'held'");
    let run = migrate().spawn();
    pair.target.wait_until("postgres", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    let settings = pair.target.session("postgres");
    settings.sql("BEGIN; LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE");
    template.sql("ROLLBACK");
    let state = "SELECT (SELECT datconnlimit FROM pg_database WHERE datname = 'app'), (SELECT count(*) FROM pg_locks
                 WHERE relation = 'pg_db_role_setting'::regclass AND NOT granted)";
    let waits = || match settings.sql(state).remove(0).as_slice() {
        [Some(limit), Some(waiting)] if waiting == "1" => Ok(limit.clone()),
        other => Err(format!("{other:?}")),
    };
    assert_eq!(wait_for(LIMIT, waits).unwrap(), pg_migrate::sql::names::UNBEGUN.to_string());
    run.signal("KILL");
    assert_eq!(run.wait_for_exit(), Some(9));
    settings.sql("ROLLBACK");

    let said = "an earlier run created it and was killed before anything else; it is dropped and created again";
    migrate().run().expect_code(0).expect_stderr(said);
    pair.assert_equal("app");
    let limit = "SELECT datconnlimit FROM pg_database WHERE datname = 'app'";
    assert_eq!(pair.target.value("postgres", limit), "-1");
    pair.assert_nothing_left();
}
