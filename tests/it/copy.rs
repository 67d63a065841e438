//! How rows are copied: in parts, many tables at once, and not a row further than makes sense.

use std::time::Duration;

use crate::harness::cli::{FINISH, Running};
use crate::harness::cluster::Cluster;
use crate::harness::fixture::create_shop;
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;
use crate::harness::session::Session;

/// The argument that divides tables of some megabytes.
const IN_PARTS: [&str; 4] = ["--split-tables-larger-than", "2MB", "--jobs", "4"];

/// Lets `public.refuse`, in checks, refuse its value on the target.
fn refuse(target: &Cluster, value: u32) {
    target.sql("postgres", &format!("ALTER ROLE postgres SET pg_migrate_test.refused = '{value}'"));
}

fn accept(target: &Cluster) {
    target.sql("postgres", "ALTER ROLE postgres RESET pg_migrate_test.refused");
}

/// A database with table `big`, of about as many kilobytes as `rows`, and a check that can be told to refuse one.
fn create_big(source: &Cluster, rows: u32) {
    source.create_database("app");
    source.sql(
        "app",
        &format!(
            "CREATE FUNCTION refuse(value int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
                 IF value::text = pg_catalog.current_setting('pg_migrate_test.refused', true) THEN
                     RAISE EXCEPTION 'number % is refused', value;
                 END IF;
                 RETURN true;
             END $$;
             CREATE TABLE big (id int PRIMARY KEY, text text, twice int GENERATED ALWAYS AS (id * 2) STORED,
                               CHECK (public.refuse(id)));
             ALTER TABLE big ALTER text SET STORAGE PLAIN;
             INSERT INTO big SELECT n, repeat(chr(97 + n % 26), 950) FROM generate_series(1, {rows}) n;
             INSERT INTO big SELECT n, NULL FROM generate_series(10000000, 10000009) n"
        ),
    );
}

#[test]
fn a_large_table_arrives_in_parts_and_counts_once() {
    let Some(pair) = Pair::start() else { return };
    create_big(&pair.source, 12_000);
    // Rows that are stored out of line, and gaps.
    pair.source.sql(
        "app",
        "DELETE FROM big WHERE id % 3 = 0; UPDATE big SET text = 'new' WHERE id % 7 = 0;
         CREATE TABLE toasted (id int PRIMARY KEY, bytes bytea);
         ALTER TABLE toasted ALTER bytes SET STORAGE EXTERNAL;
         INSERT INTO toasted SELECT n, decode(repeat(md5(n::text), 2000), 'hex') FROM generate_series(1, 300) n",
    );
    let run = pair.migrate().args(["--force-method", "dump", "--debug", "--output", "json"]).args(IN_PARTS).run();
    let outcome = run.expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
    let statements =
        outcome.stderr.lines().filter(|line| line.contains("PGSource") && line.contains("ctid >= ")).count();
    if pair.source.installation.major >= 14 {
        assert!((8..20).contains(&statements), "{statements} parts\n{outcome}");
    }
    assert!(outcome.stdout.contains("\"tables_copied\": 2,"), "{outcome}");
    assert!(outcome.stdout.contains("\"rows_copied\": 8307,"), "{outcome}");
}

#[test]
fn parts_that_were_committed_are_ours_to_replace_in_the_next_run() {
    let Some(pair) = Pair::start() else { return };
    create_big(&pair.source, 12_000);
    for target in ["only ours", "others, too"] {
        pair.target.sql("postgres", "DROP DATABASE IF EXISTS app");
        if target == "others, too" {
            pair.target.create_database("app");
            pair.target.sql("app", "CREATE TABLE theirs AS SELECT 1 AS id");
        }
        refuse(&pair.target, 10_000_009);
        let run = || pair.migrate().args(["--force-method", "dump"]).args(IN_PARTS).run();
        let failed = run().expect_code(1).expect_stderr("number 10000009 is refused");
        assert!(failed.stderr.contains("copy table public.big"), "{failed}");
        accept(&pair.target);
        run().expect_code(0);
        pair.target.sql("app", "DROP TABLE IF EXISTS theirs");
        pair.assert_equal("app");
    }
}

#[test]
fn a_table_that_is_rewritten_while_nobody_reads_it_arrives_whole() {
    let Some(pair) = Pair::start() else { return };
    for database in ["in_parts", "larger"] {
        create_gated(&pair.source, database, 20);
        pair.target.create_database(database);
    }
    pair.source.sql(
        "in_parts",
        "ALTER TABLE gated ADD text text;
         ALTER TABLE gated ALTER text SET STORAGE PLAIN;
         INSERT INTO gated SELECT n, n, repeat('x', 950) FROM generate_series(100, 12000) n;
         DELETE FROM gated WHERE id % 2 = 0",
    );
    // Not to be divided: few blocks, and much beside them.
    pair.source.sql(
        "larger",
        "ALTER TABLE gated ADD bytes bytea;
         ALTER TABLE gated ALTER bytes SET STORAGE EXTERNAL;
         UPDATE gated SET bytes = decode(repeat(md5(id::text), 50000), 'hex') WHERE id < 19",
    );
    let first_part = Gate::Rows.close(&pair.target, "in_parts");
    let elsewhere = Gate::Rows.close(&pair.target, "larger");
    let hold_back = pair.target.session("larger");
    hold_back.sql("BEGIN; CREATE TABLE plain ()");
    let limits = ["--force-method", "dump", "--jobs", "1", "--split-tables-larger-than", "4MB"];
    let running = pair.migrate().args(limits).spawn();
    first_part.wait_for_somebody(&pair.target, "in_parts");
    hold_back.sql("ROLLBACK");
    running.wait_for_line("Database 'larger': 2 tables to copy");
    first_part.open();
    // The only worker has gone to where more is left to do.
    elsewhere.wait_for_somebody(&pair.target, "larger");
    let rewrite = pair.source.session("in_parts");
    rewrite.sql("SET lock_timeout = '500ms'");
    drop(rewrite.try_sql("VACUUM FULL gated"));
    elsewhere.open();
    running.wait().expect_code(0);
    pair.assert_equal("in_parts");
    pair.assert_nothing_left();
}

#[test]
fn a_table_cannot_be_emptied_between_the_snapshot_of_a_dump_and_its_copy() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 300);
    pair.source.sql(
        "app",
        "CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parted DEFAULT",
    );
    pair.source
        .sql("app", "INSERT INTO parted VALUES (1); INSERT INTO gated SELECT n, n FROM generate_series(301, 90000) n");
    pair.target.create_database("app");
    let gate = Gate::Rows.close(&pair.target, "app");
    let run = || pair.migrate().args(["--filtered-db", "postgres", "--jobs", "1"]);
    let running = run().args(["--force-method", "dump"]).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    for table in ["plain", "part"] {
        let truncate = pair.source.session("app");
        truncate.sql("SET lock_timeout = '50ms'");
        let refusal = truncate.try_sql(&format!("TRUNCATE {table}")).unwrap_err();
        assert!(refusal.contains("lock timeout"), "{table}: {refusal}");
    }
    gate.open();
    running.wait().expect_code(0);
    pair.assert_equal("app");

    // Replication brings it.
    pair.target.sql("postgres", "DROP DATABASE app");
    pair.target.create_database("app");
    let gate = Gate::Rows.close(&pair.target, "app");
    let running = run().args(FINISH).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.source.sql("app", "TRUNCATE plain; INSERT INTO plain (text) VALUES ('after')");
    gate.open();
    running.wait().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

/// Dumps `app` behind a session that is about to empty its table `plain`, and began that when the run knew what was there.
fn dump_behind_truncate(pair: &Pair) -> (Session, Running) {
    create_gated(&pair.source, "app", 300);
    pair.target.create_database("app");
    let hold_back = pair.target.session("app");
    hold_back.sql("BEGIN; CREATE SCHEMA _pg_migrate");
    let running = pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    let running = running.limit(Duration::from_secs(120)).spawn();
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    let truncate = pair.source.session("app");
    truncate.sql("BEGIN; TRUNCATE plain; INSERT INTO plain (text) VALUES ('after')");
    hold_back.sql("ROLLBACK");
    pair.source.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation')");
    (truncate, running)
}

#[test]
fn a_table_that_is_being_emptied_when_a_dump_begins_arrives_as_it_is_afterwards() {
    let Some(pair) = Pair::start() else { return };
    let (truncate, running) = dump_behind_truncate(&pair);
    truncate.sql("COMMIT");
    running.wait().expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT string_agg(text, ',') FROM plain"), "after");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_table_that_somebody_keeps_locked_fails_its_database_after_a_minute() {
    let Some(pair) = Pair::start() else { return };
    let (locked, running) = dump_behind_truncate(&pair);
    let outcome = running.wait().expect_code(1);
    let outcome = outcome.expect_stderr("keep others from emptying or rewriting tables");
    assert!(outcome.stderr.contains("lock timeout"), "{outcome}");
    locked.sql("COMMIT");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("app");
}

#[test]
fn a_table_whose_rows_no_snapshot_shows_any_more_is_not_taken_for_empty() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 300);
    pair.source.sql("app", "CREATE TABLE kept AS SELECT n FROM generate_series(1, 9) n; DELETE FROM kept WHERE n < 5");
    pair.target.create_database("app");
    let gate = Gate::Rows.close(&pair.target, "app");
    // The larger one first, and while it waits nobody reads the others.
    pair.source.sql("app", "INSERT INTO gated SELECT n, n FROM generate_series(301, 90000) n");
    let running = pair.migrate().args(["--filtered-db", "postgres", "--jobs", "1"]).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.source.sql("app", "VACUUM FULL kept");
    pair.source.sql("app", "ALTER TABLE plain ALTER id TYPE bigint");
    gate.open();
    let outcome = running.wait().expect_code(1);
    let outcome = outcome.expect_stderr("tables were rewritten on the source");
    assert!(outcome.stderr.contains("may lack rows: public.plain\n"), "VACUUM FULL loses nothing: {outcome}");

    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn many_small_tables_arrive_also_when_one_needs_rows_of_another_first() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "app", 50);
    pair.source.sql(
        "app",
        "DO $$ BEGIN
             FOR n IN 1..150 LOOP
                 EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, \"a b\" text)', 'Table ' || n);
                 IF n % 5 > 0 THEN
                     EXECUTE format('INSERT INTO %I SELECT g, md5(g::text) FROM generate_series(1, %s) g', 'Table ' || n, n);
                 END IF;
             END LOOP;
         END $$;
         CREATE FUNCTION known(id int) RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN RETURN EXISTS (SELECT FROM public.zz_known k WHERE k.id = known.id); END $$;
         CREATE TABLE zz_known (id int PRIMARY KEY);
         INSERT INTO zz_known VALUES (1), (2);
         CREATE TABLE aa_knowing (id int CHECK (public.known(id)));
         INSERT INTO aa_knowing VALUES (1), (2);
         CREATE TABLE ab_reals (a regclass);
         INSERT INTO ab_reals VALUES ('zz_known')",
    );
    for jobs in ["1", "3"] {
        pair.target.sql("postgres", "DROP DATABASE IF EXISTS app");
        pair.migrate().args(["--force-method", "dump", "--jobs", jobs]).run().expect_code(0);
        pair.assert_equal("app");
        pair.assert_nothing_left();
    }
}

#[test]
fn a_row_that_is_refused_ends_the_copy_of_its_table_at_once() {
    let Some(pair) = Pair::start() else { return };
    const ROWS: u32 = 60_000;
    create_big(&pair.source, ROWS);
    refuse(&pair.target, 1);
    let run = pair.migrate().args(["--force-method", "dump", "--jobs", "1"]).run();
    run.expect_code(1).expect_stderr("number 1 is refused").expect_stderr("copy table public.big");
    let read = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'big'";
    // All rows were read once, when the primary key was built.
    pair.source.wait_until("app", &format!("({read}) > 0"));
    let read: u32 = pair.source.value("app", read).parse().unwrap();
    assert!(read < ROWS / 2, "{read} of {ROWS} rows were read from the source");
}

#[test]
fn rows_that_break_a_constraint_that_is_not_valid_go_into_a_table_that_is_there() {
    let Some(pair) = Pair::start() else { return };
    let definitions = "CREATE TABLE parent (n int); CREATE TABLE child () INHERITS (parent)";
    let constraints = "ALTER TABLE parent ADD CONSTRAINT \"new rule\" CHECK (n > 0) NOT VALID;
                       ALTER TABLE child ADD CONSTRAINT own CHECK (n < 10) NOT VALID;
                       COMMENT ON CONSTRAINT own ON child IS 'from now on'";
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("app");
        cluster.sql("app", definitions);
    }
    pair.source.sql("app", "INSERT INTO parent VALUES (-1), (2); INSERT INTO child VALUES (-3), (44)");
    for cluster in [&pair.source, &pair.target] {
        cluster.sql("app", constraints);
    }
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}
