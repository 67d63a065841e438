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
