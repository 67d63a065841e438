//! Definitions that change on the source while it is migrated.

use crate::harness::cli::FINISH;
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;

#[test]
fn a_column_that_changed_its_type_before_the_finish_is_not_taken_for_the_same() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.source.sql("app", r#"CREATE TABLE "My table" (id int PRIMARY KEY, "the Note" varchar(100))"#);
    pair.target.create_database("app");
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]).args(FINISH);

    let gate = Gate::Index.close(&pair.target, "app");
    let run = migrate().spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.source.sql("app", r#"ALTER TABLE "My table" ALTER "the Note" TYPE varchar(200)"#);
    drop(gate);
    let outcome = run.wait().expect_code(1);
    for said in [
        "definitions changed on the source since the migration began: \
         public.\"My table\" (column \"the Note\" is now of type character varying(200))",
        "target database \"app\", where it has the table: \
         ALTER TABLE \"public\".\"My table\" ALTER COLUMN \"the Note\" TYPE character varying(200)",
    ] {
        assert!(outcome.stderr.contains(said), "{said:?} is not in:\n{outcome}");
    }
    migrate().run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_run_that_would_finish_another_ones_replication_sees_what_was_changed_meanwhile() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY, n int, price numeric(8, 2)); INSERT INTO t VALUES (1, 1, 0.5)",
    );
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]);
    migrate().run().expect_code(0);
    pair.source.sql(
        "app",
        "ALTER TABLE t ALTER price TYPE numeric(10, 2), ADD COLUMN kind text DEFAULT 'old'; CREATE TABLE late (id int)",
    );
    let outcome = migrate().args(FINISH).run().expect_code(3);
    for said in [
        "column price is numeric(10,2) there, and numeric(8,2) on the target",
        "target database \"app\": ALTER TABLE \"public\".\"t\" ALTER COLUMN \"price\" TYPE numeric(10,2)",
        "the target lacks column kind",
        "Table public.late in database 'app' of the source was changed after its replication began: the target does not have it",
    ] {
        assert!(outcome.stderr.contains(said), "{said:?} is not in:\n{outcome}");
    }
    pair.target.sql(
        "app",
        "ALTER TABLE public.t ALTER COLUMN price TYPE numeric(10,2); ALTER TABLE t ADD COLUMN kind text DEFAULT 'old';
         CREATE TABLE late (id int)",
    );
    migrate().args(FINISH).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_sequence_or_materialized_view_that_is_new_or_altered_is_named_and_nothing_is_dropped_before() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE gone; CREATE SEQUENCE low MAXVALUE 10;
         CREATE MATERIALIZED VIEW dropped AS SELECT 1 AS one; CREATE TABLE old (id int PRIMARY KEY);
         CREATE TABLE shorter (id int PRIMARY KEY, v int)",
    );
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]);
    migrate().run().expect_code(0);
    let new = r#"CREATE SEQUENCE "New One"; CREATE MATERIALIZED VIEW late AS SELECT count(*) FROM t;"#;
    pair.source.sql(
        "app",
        &format!(
            r#"{new} SELECT setval('"New One"', 77); DROP SEQUENCE gone; DROP MATERIALIZED VIEW dropped;
               ALTER SEQUENCE low MAXVALUE 1000; SELECT setval('low', 500); DROP TABLE old; ALTER TABLE shorter DROP v"#
        ),
    );
    let outcome = migrate().args(FINISH).run().expect_code(3);
    for what in [r#"Sequence public."New One""#, "Materialized view public.late"] {
        let said = format!(
            "{what} in database 'app' of the source was created after its replication began: the target does not have it"
        );
        assert!(outcome.stderr.contains(&said), "{said:?} is not in:\n{outcome}");
    }
    for said in [
        "table \"app\" public.old: the source had it when its replication began, and has it no more",
        "table \"app\" public.shorter: column v is on the target alone",
        r#"target database "app": ALTER TABLE "public"."shorter" DROP COLUMN "v""#,
    ] {
        assert!(outcome.stderr.contains(said), "{said:?} is not in:\n{outcome}");
    }
    pair.target.sql("app", &format!("{new} DROP TABLE old; ALTER TABLE shorter DROP v"));
    let outcome = migrate().args(FINISH).run().expect_code(1);
    for said in [
        "sequence public.low is at 500 on the source, and on the target it goes from 1 to 10",
        r#"target database "app": ALTER SEQUENCE "public"."low" MINVALUE 1 MAXVALUE 1000"#,
        "replication is left as it is",
    ] {
        assert!(outcome.stderr.contains(said), "{said:?} is not in:\n{outcome}");
    }
    pair.target.sql("app", "ALTER SEQUENCE low MINVALUE 1 MAXVALUE 1000");
    migrate().args(FINISH).run().expect_code(0);
    pair.target.sql("app", "DROP SEQUENCE gone; DROP MATERIALIZED VIEW dropped");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn what_is_created_or_dropped_during_a_run_is_named_at_its_finish() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.source.sql("app", "CREATE SEQUENCE dropped");
    pair.target.create_database("app");
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]).args(FINISH);
    let gate = Gate::Index.close(&pair.target, "app");
    let run = migrate().spawn();
    gate.wait_for_somebody(&pair.target, "app");
    let new = "CREATE SEQUENCE late; CREATE MATERIALIZED VIEW view AS SELECT 1 AS one";
    pair.source.sql("app", &format!("{new}; DROP SEQUENCE dropped"));
    drop(gate);
    let said = "definitions changed on the source since the migration began: sequence public.late (it is new), materialized \
                view public.view (it is new)";
    run.wait().expect_code(1).expect_stderr(said);
    migrate().run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_sequence_that_is_dropped_while_a_dump_runs_fails_nothing() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    pair.source.sql("app", "CREATE SEQUENCE dropped; CREATE SEQUENCE stays; SELECT nextval('stays'), nextval('stays')");
    pair.target.create_database("app");
    let gate = Gate::Index.close(&pair.target, "app");
    let run = pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.source.sql("app", "DROP SEQUENCE dropped");
    drop(gate);
    let said = "sequence public.dropped has been dropped on the source since the migration began";
    run.wait().expect_code(0).expect_stderr(said);
    pair.target.sql("app", "DROP SEQUENCE dropped");
    pair.assert_equal("app");
}

#[test]
fn rows_of_a_table_that_was_renamed_on_both_sides_alike_or_made_anew_are_not_lost() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
    );
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]);
    migrate().args(["--max-replication-lag", "0"]).run().expect_code(0);
    pair.source.sql("app", "ALTER TABLE t RENAME TO other; ALTER TABLE u RENAME TO v; INSERT INTO other VALUES (2); INSERT INTO v VALUES (3)");
    let said = "Table public.other in database 'app' of the source was changed after its replication began";
    migrate().args(FINISH).run().expect_code(3).expect_stderr(said);
    // Not the subscription's table, and one that still is.
    pair.target.sql("app", "CREATE TABLE other (id int CONSTRAINT t_pkey1 PRIMARY KEY); ALTER TABLE u RENAME TO v");
    migrate().args(FINISH).run().expect_code(0);
    pair.target.sql("app", "DROP TABLE t; ALTER INDEX t_pkey1 RENAME TO t_pkey");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn a_database_that_the_source_has_no_more_is_named_with_what_still_replicates_into_it() {
    let Some(pair) = Pair::start() else { return };
    for database in ["app", "gone"] {
        pair.source.create_database(database);
        pair.source.sql(database, "CREATE TABLE t (id int PRIMARY KEY)");
    }
    let migrate = || pair.migrate().args(["--filtered-db", "postgres"]);
    migrate().run().expect_code(0);
    pair.target.sql("gone", "ALTER SUBSCRIPTION aiven_db_migrate_gone_sub DISABLE");
    pair.source.wait_until("gone", "NOT EXISTS (SELECT FROM pg_replication_slots WHERE active AND database = 'gone')");
    pair.source.sql("gone", "SELECT pg_drop_replication_slot('aiven_db_migrate_gone_slot')");
    pair.source.sql("postgres", "DROP DATABASE gone");
    let said = "database \"gone\": an earlier run's subscription \"aiven_db_migrate_gone_sub\" replicates into it, and the source has no such database";
    let outcome = migrate().args(FINISH).run().expect_code(0).expect_stderr(said);
    let fix = outcome.stderr.lines().find_map(|line| line.split_once("target database \"gone\": ")).expect("a cure").1;
    for statement in fix.split("; ") {
        pair.target.sql("gone", statement);
    }
    pair.assert_nothing_left();
}
