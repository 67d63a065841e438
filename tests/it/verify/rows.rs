//! Rows that differ.

use super::verify;
use crate::harness::pair::Pair;
use crate::report::document;

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
CREATE TABLE swapped (id int PRIMARY KEY, a text, b text); INSERT INTO swapped VALUES (1, 'x', 'y'), (2, 'z', 'z');
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE MATERIALIZED VIEW totals AS SELECT sum(total) AS t, count(*) AS "row" FROM orders;
"#;

/// A change on one side, and what is said of it.
const CHANGES: [(&str, &str); 18] = [
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
    ("UPDATE ONLY parent SET id = 3", "table public.parent: its only row is not the same on both sides"),
    ("UPDATE child SET id = 3", "table public.child: its only row is not the same on both sides"),
    ("UPDATE cache SET value = '' WHERE id = 2", "table public.cache: 4 rows on both sides"),
    ("UPDATE cache SET value = NULL WHERE id = 3", "table public.cache: 4 rows on both sides"),
    ("UPDATE cache SET value = 'y' WHERE id = 1", "table public.cache: 4 rows on both sides"),
    // The same rows elsewhere, or another number of each.
    ("UPDATE swapped SET a = b, b = a WHERE id = 1", "table public.swapped: 2 rows on both sides"),
    (
        "UPDATE swapped SET a = CASE id WHEN 1 THEN 'z' ELSE 'x' END",
        "table public.swapped: 2 rows on both sides, not all of them the same",
    ),
    ("UPDATE cache SET id = 2, value = NULL WHERE ctid = '(0,1)'", "table public.cache: 4 rows on both sides"),
    ("DELETE FROM cache WHERE ctid = '(0,1)'", "table public.cache: 4 rows on the source and 3 on the target"),
    ("INSERT INTO cache VALUES (3, '')", "table public.cache: 4 rows on the source and 5 on the target"),
    ("INSERT INTO nothing DEFAULT VALUES", "table public.nothing: 1 row on the source and 2 on the target"),
    (
        "UPDATE orders SET total = total + 1 WHERE id = 1; REFRESH MATERIALIZED VIEW totals; UPDATE orders SET total = total - 1 WHERE id = 1",
        "materialized view public.totals: its only row is not the same on both sides",
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
    let undo = "DROP TABLE orders, parts, parent, child, cache, swapped, nothing CASCADE; DROP SCHEMA \"My \"\"shop\"\"\" CASCADE;";
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

#[test]
fn keys_of_rows_that_differ_are_named_up_to_the_number_asked_for() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.sql(
            "postgres",
            r#"CREATE TABLE many (id int PRIMARY KEY, value int); INSERT INTO many SELECT n, 0 FROM generate_series(1, 100000) n;
               CREATE TABLE pairs (b text, a int, value int, PRIMARY KEY (a, b));
               INSERT INTO pairs VALUES ('it''s', 1, 1), ('say "hi", (x)', 2, 2), (' ', 3, 3);
               CREATE TABLE "No Key" (a int); INSERT INTO "No Key" VALUES (1)"#,
        );
    }
    pair.target.sql("postgres", "UPDATE many SET value = 1 WHERE id % 25000 = 0; DELETE FROM many WHERE id = 77777");
    pair.source.sql("postgres", "DELETE FROM many WHERE id = 3");
    pair.target.sql(
        "postgres",
        r#"UPDATE pairs SET value = 0 WHERE a < 3; DELETE FROM pairs WHERE a = 3; UPDATE "No Key" SET a = 2"#,
    );
    let named = |limit: &str| {
        let outcome = verify(&pair).args(["--verify-rows", limit, "--output=json"]).run().expect_code(6);
        (document(&outcome)["verification"]["databases"][0]["differences"].clone(), outcome)
    };
    let (differences, outcome) = named("100");
    let keys = |index: usize| -> Vec<String> {
        let keys = differences[index]["keys"].as_array().expect("a list").iter();
        keys.map(|key| format!("{} {}", key["key"].as_str().unwrap(), key["found"].as_str().unwrap())).collect()
    };
    assert_eq!(differences[0]["object"], r#"public."No Key""#);
    let expected = ["(100000) both", "(25000) both", "(3) target", "(50000) both", "(75000) both", "(77777) source"];
    assert_eq!(keys(1), expected.map(|key| format!("(id)={key}")));
    let expected = [r#"(1,it's) both"#, r#"(2,"say ""hi"", (x)") both"#, r#"(3," ") source"#];
    assert_eq!(keys(2), expected.map(|key| format!("(a, b)={key}")));
    let outcome = outcome
        .expect_stderr(r#"table public."No Key": no rows are named: there is no primary key that both sides have"#)
        .expect_stderr("table public.many: key (id)=(77777): only on the source");
    outcome.expect_last_line("PGMigrateError: verification found 3 differences");
    let (differences, _) = named("2");
    assert_eq!(differences[1]["keys"].as_array().map(Vec::len), Some(2));
}

#[test]
fn large_objects_are_compared_by_number_and_content() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.sql(
            "postgres",
            "SELECT lo_from_bytea(100, 'same'), lo_from_bytea(101, 'same'), lo_from_bytea(102, ''), lo_create(4000000000);
             SELECT count(lo_from_bytea((1000 + n)::oid, n::text::bytea)) FROM generate_series(1, 1200) n;
             SELECT lo_put(103, 5000000, 'end') FROM lo_create(103)",
        );
    }
    // The same content, without the hole.
    pair.target.sql("postgres", "SELECT lo_from_bytea(104, lo_get(103)), lo_unlink(103)");
    pair.target.sql("postgres", "SELECT lo_from_bytea(103, lo_get(104)), lo_unlink(104)");
    verify(&pair).run().expect_code(0).expect_stderr("1205 large objects; all equal");
    pair.target.sql(
        "postgres",
        "SELECT lo_put(103, 4999999, 'x'), lo_unlink(1500), lo_from_bytea(5, 'x'), lo_put(102, 0, 'x')",
    );
    let outcome = verify(&pair).run().expect_code(6);
    let outcome = outcome
        .expect_stderr("large object 103: its contents differ")
        .expect_stderr("large object 102: its contents differ")
        .expect_stderr("large object 1500: missing on the target")
        .expect_stderr("large object 5: only on the target");
    outcome.expect_last_line("PGMigrateError: verification found 4 differences");
    verify(&pair)
        .arg("--level=counts")
        .run()
        .expect_code(6)
        .expect_last_line("PGMigrateError: verification found 2 differences");
}

#[test]
fn what_may_not_be_read_fails_the_run_and_hides_nothing() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.sql(
            "postgres",
            "CREATE ROLE reader LOGIN; CREATE TABLE open AS SELECT 1 AS id; CREATE TABLE closed AS SELECT 1 AS id;
             CREATE TABLE guarded AS SELECT n AS id FROM generate_series(1, 2) n; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
             CREATE POLICY one ON guarded USING (id = 1); GRANT SELECT ON open, guarded TO reader",
        );
    }
    pair.target.sql("postgres", "DELETE FROM guarded WHERE id = 2");
    let uris = [pair.source.uri_as("reader", "postgres"), pair.target.uri("postgres")];
    let outcome = pair.program().args(["verify", "-s", &uris[0], "-t", &uris[1], "--output=json"]).run().expect_code(1);
    let outcome = outcome
        .expect_stderr("ERROR\tDatabase 'postgres': table public.closed could not be compared: ")
        .expect_stderr("permission denied for table closed")
        .expect_stderr("query would be affected by row-level security policy for table \"guarded\"");
    let document = document(&outcome);
    let compared = &document["verification"]["databases"][0];
    assert_eq!((&document["exit_code"], &compared["tables"]), (&1.into(), &1.into()));
    assert_eq!(compared["failures"].as_array().map(Vec::len), Some(2), "{outcome}");
}

#[test]
fn a_table_that_is_read_in_parts_stays_as_it_is_until_it_is_compared() {
    let Some(pair) = Pair::start() else { return };
    if pair.source.value("postgres", "SHOW server_version_num").as_str() < "140000" {
        // Parts cannot be read by themselves.
        return;
    }
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("app");
        cluster.sql(
            "app",
            "CREATE TABLE large (id int, text text);
             ALTER TABLE large ALTER text SET STORAGE PLAIN;
             INSERT INTO large SELECT n, repeat('x', 7000) FROM generate_series(1, 20000) n",
        );
    }
    // The one that reads, and the one that keeps the rows where they are.
    let both = "(SELECT count(DISTINCT pid) = 2 FROM pg_locks WHERE relation = 'large'::regclass AND granted)";
    let run = verify(&pair).arg("--jobs=1").spawn();
    pair.target.wait_until("app", both);
    run.wait().expect_code(0);
}
