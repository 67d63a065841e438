//! What the target's planner knows after a migration.

use crate::harness::pair::Pair;
use crate::harness::versions;

const TABLES: &str = r#"
CREATE SCHEMA "a b";
CREATE TABLE "a b"."it's; 1" (id int PRIMARY KEY, "kind ü" text, gone int);
INSERT INTO "a b"."it's; 1" SELECT g, CASE WHEN g % 3 > 0 THEN E'\\ ''ü"' || g % 3 END FROM generate_series(1, 5000) g;
ALTER TABLE "a b"."it's; 1" DROP COLUMN gone;
CREATE INDEX "an index" ON "a b"."it's; 1" ((upper("kind ü")));
CREATE TABLE extended (a int PRIMARY KEY, b int);
INSERT INTO extended SELECT g, g % 10 FROM generate_series(1, 1000) g;
CREATE STATISTICS both_columns ON a, b FROM extended;
CREATE TABLE days (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10);
INSERT INTO days SELECT g, g % 10 FROM generate_series(1, 1000) g;
CREATE MATERIALIZED VIEW kinds AS SELECT "kind ü", count(*) FROM "a b"."it's; 1" GROUP BY 1;
ANALYZE;
CREATE TABLE never (id int PRIMARY KEY);
INSERT INTO never SELECT generate_series(1, 100);
"#;

const COLUMNS: &str = "SELECT string_agg(to_json(s)::text, E'\\n' ORDER BY schemaname, tablename, attname, inherited)
    FROM (SELECT schemaname, tablename, attname, inherited, null_frac, n_distinct, most_common_vals, most_common_freqs,
                 histogram_bounds, correlation
          FROM pg_stats WHERE schemaname IN ('a b', 'public') AND tablename NOT IN ('extended', 'never', 'kinds')) s";

const ROWS: &str = "SELECT string_agg(relname || ' ' || reltuples, ', ' ORDER BY relname) FROM pg_class
    WHERE relname IN ('it''s; 1', 'it''s; 1_pkey', 'an index', 'days_1', 'extended')";

const ANALYZED: &str =
    "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL";

fn migrate(pair: &Pair, arguments: &[&str]) {
    pair.source.create_database("app");
    pair.source.sql("app", TABLES);
    pair.migrate().args(arguments).run().expect_code(0).expect_silence_about("statistics of");
    pair.assert_equal("app");
}

fn assert_carried(pair: &Pair) {
    let columns = pair.source.value("app", COLUMNS);
    assert!(columns.contains("upper") && columns.contains("days"), "{columns}");
    assert_eq!(pair.target.value("app", COLUMNS), columns);
    assert_eq!(pair.target.value("app", ROWS), pair.source.value("app", ROWS));
    assert_eq!(
        pair.target.value("app", ANALYZED),
        "extended kinds never",
        "the source's statistics do not tell all of these"
    );
    let extended = "SELECT count(*) FROM pg_statistic_ext_data d JOIN pg_statistic_ext s ON s.oid = d.stxoid";
    assert_eq!(pair.target.value("app", extended), "1");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM pg_stats WHERE tablename = 'never'"), "1");
}

#[test]
fn a_target_that_takes_statistics_has_those_of_the_source_after_a_dump() {
    let Some(pair) = Pair::of_majors(15, 18) else { return };
    migrate(&pair, &["--force-method", "dump"]);
    assert_carried(&pair);
}

#[test]
fn a_target_that_takes_statistics_has_those_of_the_source_after_a_replication() {
    let Some(pair) = Pair::of_majors(15, 18) else { return };
    migrate(&pair, &["--max-replication-lag", "0", "--stop-replication"]);
    assert_carried(&pair);
    pair.assert_nothing_left();
}

#[test]
fn a_target_that_takes_none_is_analyzed() {
    let Some(pair) = Pair::of_majors(15, 15) else { return };
    let pgbin = versions::newest_clients();
    let pgbin = pgbin.to_str().expect("a directory with a plain name");
    migrate(&pair, &["--force-method", "dump", "--pgbin", pgbin]);
    assert_eq!(pair.target.value("app", ANALYZED), "days days_1 extended it's; 1 kinds never");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM pg_stats WHERE tablename = 'days' AND inherited"), "2");
}

/// Values that their domains refuse since they are there: of the first type without an error, of the second with one.
const REFUSED: &str = "
CREATE DOMAIN even AS int;
CREATE DOMAIN loud AS int;
CREATE TABLE odd (id int PRIMARY KEY, n even);
INSERT INTO odd SELECT g, g % 5 FROM generate_series(1, 500) g;
CREATE TABLE noisy (id int PRIMARY KEY, n loud);
CREATE INDEX ON noisy (abs(n));
INSERT INTO noisy SELECT g, g % 5 FROM generate_series(1, 500) g;
CREATE TABLE plain (id int PRIMARY KEY);
INSERT INTO plain SELECT generate_series(1, 100);
CREATE FUNCTION is_quiet(n int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE 'never'; END$$;
ALTER DOMAIN even ADD CONSTRAINT two CHECK (value % 2 = 0) NOT VALID;
ALTER DOMAIN loud ADD CONSTRAINT quiet CHECK (is_quiet(value)) NOT VALID;
ANALYZE;
";

#[test]
fn a_table_whose_statistics_the_target_refuses_is_analyzed_and_named() {
    let Some(pair) = Pair::of_majors(15, 18) else { return };
    pair.source.create_database("app");
    pair.source.sql("app", REFUSED);
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    let outcome = outcome
        .expect_stderr("table public.odd is analyzed: the target does not take the source's statistics of public.odd: ")
        .expect_stderr(
            "table public.noisy is analyzed: the target does not take the source's statistics of public.noisy: never",
        );
    outcome.expect_silence_about("public.plain is analyzed");
    assert_eq!(pair.target.value("app", ANALYZED), "noisy odd");
    let known =
        "SELECT count(*) FROM pg_stats WHERE tablename IN ('odd', 'noisy') AND attname = 'n' AND n_distinct = 5";
    assert_eq!(pair.target.value("app", known), "2");
}
