//! Rows that differ.

use super::verify;
use crate::harness::pair::Pair;

/// Tables of every kind that hold rows, the same on both sides.
const TABLES: &str = r#"
CREATE SCHEMA "My ""shop""";
CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric, twice numeric GENERATED ALWAYS AS (total * 2) STORED);
INSERT INTO orders SELECT n, 'customer ' || n, n * 1.10 FROM generate_series(1, 1000) n;
CREATE TABLE "My ""shop"""."Größe, XL" ("the key" text PRIMARY KEY, value bytea);
INSERT INTO "My ""shop"""."Größe, XL" SELECT 'it''s "' || n || '"', decode(md5(n::text), 'hex') FROM generate_series(1, 100) n;
CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO parts SELECT n, date '2020-06-01' + n FROM generate_series(1, 400) n;
CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2);
CREATE UNLOGGED TABLE cache (id int, value text);
INSERT INTO cache VALUES (1, 'x'), (1, 'x'), (2, NULL), (3, '');
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE MATERIALIZED VIEW totals AS SELECT sum(total) AS t, count(*) AS "row" FROM orders;
"#;

/// A change on one side, and what is said of it.
const CHANGES: [(&str, &str); 13] = [
    (
        "UPDATE orders SET total = 0 WHERE id = 500",
        "table public.orders: 1000 rows on both sides, not all of them the same",
    ),
    ("INSERT INTO orders VALUES (0, '', 1)", "table public.orders: 1000 rows on the source and 1001 on the target"),
    ("DELETE FROM orders WHERE id = 1000", "table public.orders: 1000 rows on the source and 999 on the target"),
    (
        "UPDATE orders SET total = CASE id WHEN 1 THEN 2.20 ELSE 1.10 END WHERE id IN (1, 2)",
        "table public.orders: 1000 rows on both sides, not all of them the same",
    ),
    (
        r#"UPDATE "My ""shop"""."Größe, XL" SET value = '' WHERE "the key" LIKE '%"7"'"#,
        r#"table "My ""shop"""."Größe, XL": 100 rows on both"#,
    ),
    ("UPDATE parts SET id = 0 WHERE id = 300", "table public.parts_new: 187 rows on both sides"),
    ("UPDATE ONLY parent SET id = 3", "table public.parent: 1 rows on both sides"),
    ("UPDATE child SET id = 3", "table public.child: 1 rows on both sides"),
    ("UPDATE cache SET value = '' WHERE id = 2", "table public.cache: 4 rows on both sides"),
    ("UPDATE cache SET value = NULL WHERE id = 3", "table public.cache: 4 rows on both sides"),
    ("UPDATE cache SET value = 'y' WHERE id = 1", "table public.cache: 4 rows on both sides"),
    ("INSERT INTO nothing DEFAULT VALUES", "table public.nothing: 1 rows on the source and 2 on the target"),
    (
        "UPDATE orders SET total = total + 1 WHERE id = 1; REFRESH MATERIALIZED VIEW totals; UPDATE orders SET total = total - 1 WHERE id = 1",
        "materialized view public.totals: 1 rows on both sides",
    ),
];

#[test]
fn every_change_of_rows_is_a_difference_of_its_table_and_of_no_other() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("app");
        cluster.sql("app", TABLES);
    }
    // The order of rows is nobody's concern.
    pair.target.sql("app", "UPDATE orders SET total = total WHERE id < 500");
    let undo =
        "DROP TABLE orders, parts, parent, child, cache, nothing CASCADE; DROP SCHEMA \"My \"\"shop\"\"\" CASCADE;";
    verify(&pair).run().expect_code(0).expect_stderr("Database 'app': verified: ");
    for (change, said) in CHANGES {
        pair.target.sql("app", change);
        let outcome = verify(&pair).args(["-f", "postgres"]).run().expect_code(6);
        let outcome = outcome.expect_last_line("PGMigrateError: verification found 1 difference");
        outcome.expect_stderr(&format!("\tERROR\tDatabase 'app': {said}"));
        pair.target.sql("app", &format!("{undo} {TABLES}"));
    }
}

#[test]
fn counting_sees_no_contents_and_definitions_see_no_rows() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.sql("postgres", TABLES);
    }
    pair.target.sql("postgres", "UPDATE orders SET total = 0");
    verify(&pair).arg("--level=counts").run().expect_code(0).expect_stderr("numbers of rows are equal");
    pair.target.sql("postgres", "DELETE FROM orders");
    verify(&pair).arg("--level=schema").run().expect_code(0).expect_stderr("definitions are equal");
    let outcome = verify(&pair).arg("--level=counts").run().expect_code(6);
    outcome.expect_stderr("table public.orders: 1000 rows on the source and 0 on the target");
}
