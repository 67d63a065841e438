//! Indexes and foreign keys: when they are made, and that they are what they were.

use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;

/// Above the size from which indexes of a table are built one by one, and constraints get theirs afterwards.
const LARGE: &str = r#"
CREATE SCHEMA "My s";
CREATE TABLE parent (id int PRIMARY KEY, pad text);
INSERT INTO parent SELECT i, repeat('x', 900) FROM generate_series(1, 12000) i;
CREATE FUNCTION look_up(int) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT left(pad, 1) FROM public.parent WHERE id = $1';
CREATE TABLE "My s"."the ""Table""" (
    id int CONSTRAINT "the key" PRIMARY KEY WITH (fillfactor = 80),
    code int NOT NULL,
    other int UNIQUE DEFERRABLE INITIALLY DEFERRED,
    parent int REFERENCES parent ON DELETE CASCADE,
    span int4range,
    pad text);
INSERT INTO "My s"."the ""Table""" SELECT i, i, i, i, int4range(i, i + 1), repeat('x', 900) FROM generate_series(1, 12000) i;
ALTER TABLE "My s"."the ""Table""" ADD CONSTRAINT span EXCLUDE USING gist (span WITH &&),
    ADD CONSTRAINT including UNIQUE (code) INCLUDE (other),
    ADD FOREIGN KEY (other) REFERENCES parent NOT VALID;
CREATE UNIQUE INDEX "by code" ON "My s"."the ""Table""" (code DESC);
CREATE INDEX "by look" ON "My s"."the ""Table""" (look_up(id));
CREATE INDEX "by lower" ON "My s"."the ""Table""" (lower(pad)) WHERE id > 6000;
ALTER INDEX "My s"."by lower" ALTER COLUMN 1 SET STATISTICS 200;
COMMENT ON INDEX "My s"."by code" IS 'an index';
COMMENT ON CONSTRAINT "the key" ON "My s"."the ""Table""" IS 'a key';
ALTER TABLE "My s"."the ""Table""" CLUSTER ON "the key";
ALTER TABLE "My s"."the ""Table""" REPLICA IDENTITY USING INDEX "by code";
CREATE TABLE spread (id int, kind text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE spread_1 PARTITION OF spread FOR VALUES FROM (0) TO (100000);
INSERT INTO spread SELECT i, repeat('y', 900) FROM generate_series(1, 12000) i;
CREATE INDEX ON spread (kind);
CREATE TABLE child (id int PRIMARY KEY, spread int REFERENCES spread, parent int REFERENCES parent, pad text);
INSERT INTO child SELECT i, i, i, repeat('x', 900) FROM generate_series(1, 12000) i"#;

#[test]
fn indexes_of_large_tables_are_those_of_the_source_by_both_methods() {
    for arguments in [&["--force-method", "dump"][..], &["--max-replication-lag", "0", "--stop-replication"]] {
        let Some(pair) = Pair::start() else { return };
        pair.source.create_database("app");
        pair.source.sql("app", LARGE);
        let outcome = pair.migrate().args(arguments).args(["--debug", "--verify"]).run().expect_code(0);
        for built in ["the key", "by code", "by look", "by lower", "including", "spread_1_pkey", "spread_1_kind_idx"] {
            assert!(outcome.stderr.contains(&format!("built index \"{built}\" in")), "{built}: {outcome}");
        }
        assert!(outcome.stderr.contains("validate constraint \"child_parent_fkey\""), "{outcome}");
        pair.assert_equal("app");
        let looked_up =
            "SET enable_seqscan = off; SELECT count(*) FROM \"My s\".\"the \"\"Table\"\"\" WHERE look_up(id) = 'x'";
        assert_eq!(pair.target.value("app", looked_up), "12000", "the function found its rows");
    }
}

#[test]
fn an_index_is_built_while_another_table_is_still_copied() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 100);
    pair.source.sql(
        "app",
        "CREATE TABLE larger (id int PRIMARY KEY, pad text);
         INSERT INTO larger SELECT i, repeat('x', 900) FROM generate_series(1, 3000) i",
    );
    pair.target.create_database("app");
    let gate = Gate::Rows.close(&pair.target, "app");
    let run = pair.migrate().args(["--force-method", "dump"]).spawn();
    gate.wait_for_somebody(&pair.target, "app");
    pair.target
        .wait_until("app", "EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass('larger') AND indisprimary)");
    gate.open();
    run.wait().expect_code(0);
    pair.assert_equal("app");
}

#[test]
fn foreign_keys_and_statistics_do_not_wait_for_tables_that_are_still_copied() {
    for arguments in [&["--force-method", "dump"][..], &["--max-replication-lag", "0", "--stop-replication"]] {
        let Some(pair) = Pair::start() else { return };
        create_gated(&pair.source, "app", 100);
        pair.source.sql("app", SETTLED);
        pair.target.create_database("app");
        let gate = Gate::Rows.close(&pair.target, "app");
        let run = pair.migrate().args(arguments).spawn();
        gate.wait_for_somebody(&pair.target, "app");
        let valid = "SELECT FROM pg_constraint WHERE convalidated AND conname";
        for key in ["small_large_fkey", "small_self_fkey", "large_small_fkey", "Large self"] {
            pair.target.wait_until("app", &format!("EXISTS ({valid} = '{key}')"));
        }
        for (table, column) in [("large", "code"), ("small", "large"), ("large_lower_idx", "lower")] {
            pair.target.wait_until(
                "app",
                &format!("EXISTS (SELECT FROM pg_stats WHERE (tablename, attname) = ('{table}', '{column}'))"),
            );
        }
        pair.target.wait_until("app", "EXISTS (SELECT FROM pg_stats_ext WHERE dependencies IS NOT NULL)");
        for waits in ["gated_large_fkey", "large_gated_fkey"] {
            assert_eq!(pair.target.value("app", &format!("SELECT count(*) FROM ({valid} = '{waits}') k")), "0");
        }
        assert_eq!(pair.target.value("app", "SELECT count(*) FROM pg_stats WHERE tablename = 'family'"), "0");
        gate.open();
        run.wait().expect_code(0);
        pair.assert_equal("app");
        for table in ["large", "small", "plain", "gated", "family", "spread", "spread_1"] {
            let known = format!("SELECT count(*) > 0 FROM pg_stats WHERE tablename = '{table}'");
            assert_eq!(pair.target.value("app", &known), "t", "{table}");
        }
        let inherited = "SELECT count(*) FROM pg_stats WHERE tablename = 'family' AND inherited";
        assert_eq!(pair.target.value("app", inherited), "1", "with the children's rows");
    }
}

/// Tables that reference each other, above and below the size from which keys are checked one by one; `gated` is among them.
/// None is so small that it would be copied together with that one.
const SETTLED: &str = r#"
CREATE TABLE large (id int PRIMARY KEY, code int UNIQUE, pad text);
INSERT INTO large SELECT i, i, repeat('x', 900) FROM generate_series(1, 12000) i;
CREATE INDEX ON large (lower(pad));
CREATE STATISTICS "Both codes" (dependencies) ON id, code FROM large;
CREATE TABLE small (id int PRIMARY KEY, large int REFERENCES large (code), self int REFERENCES small, pad text);
INSERT INTO small SELECT i, i, i, repeat('x', 900) FROM generate_series(1, 2000) i;
ALTER TABLE large ADD small int REFERENCES small, ADD CONSTRAINT "Large self" FOREIGN KEY (code) REFERENCES large;
ALTER TABLE gated ADD CONSTRAINT gated_large_fkey FOREIGN KEY (id) REFERENCES large;
ALTER TABLE large ADD gated int REFERENCES gated;
CREATE TABLE family (id int);
CREATE TABLE family_1 (pad text) INHERITS (family);
INSERT INTO family_1 SELECT i, repeat('x', 900) FROM generate_series(1, 2000) i;
CREATE TABLE spread (id int PRIMARY KEY, large int REFERENCES large, pad text) PARTITION BY RANGE (id);
CREATE TABLE spread_1 PARTITION OF spread FOR VALUES FROM (0) TO (100000);
ALTER TABLE spread_1 ADD CONSTRAINT own FOREIGN KEY (large) REFERENCES large ON DELETE SET NULL;
INSERT INTO spread SELECT i, i, repeat('y', 900) FROM generate_series(1, 12000) i"#;

#[test]
fn an_index_or_foreign_key_that_the_target_refuses_is_named() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE FUNCTION picky(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
             $$BEGIN IF current_setting('app.refuse', true) = 'on' THEN RAISE 'not here'; END IF; RETURN $1; END$$;
         CREATE TABLE large (id int PRIMARY KEY, pad text);
         INSERT INTO large SELECT i, repeat('x', 900) FROM generate_series(1, 12000) i;
         CREATE INDEX refused ON large (picky(id));
         CREATE TABLE orphan (id int PRIMARY KEY, large int REFERENCES large, pad text);
         SET session_replication_role = replica;
         INSERT INTO orphan SELECT i, i + 1, repeat('x', 900) FROM generate_series(1, 12000) i",
    );
    pair.target.create_database("app");
    pair.target.sql("postgres", "ALTER DATABASE app SET app.refuse = 'on'");
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(1);
    assert!(outcome.stderr.contains("INDEX refused postgres: not here"), "{outcome}");
    let there = "SELECT count(*) FROM pg_class WHERE relname = 'refused'";
    assert_eq!(pair.target.value("app", there), "0");
    pair.source.sql("app", "DROP INDEX refused");
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(1);
    assert!(outcome.stderr.contains("violates foreign key constraint \"orphan_large_fkey\""), "{outcome}");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"), "0");
    pair.source.sql("app", "DELETE FROM orphan WHERE id = 12000");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.target.sql("postgres", "ALTER DATABASE app RESET app.refuse");
    pair.assert_equal("app");
}
