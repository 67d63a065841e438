//! Values that are the same, however the two servers write them.

use super::verify;
use crate::harness::cluster::Options;
use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;

/// A table of values whose text depends on settings.
const VALUES: &str = r#"
CREATE TABLE settings (
    id int PRIMARY KEY, f4 real, f8 double precision, ts timestamptz, t timestamp, d date, i interval, b bytea, m money, x xml,
    j jsonb, a text[], r tstzrange, p point, v varbit, n numeric, c char(5), regc regclass
);
INSERT INTO settings VALUES
    (1, 0.1, 1.0/3, '2026-01-31 12:00:00+02', '2026-01-31 12:00', '2026-02-03', '1 year 2 days 03:04:05.6', '\x00ff5c', 1234.56,
     '<a>&amp;</a>', '{"b": 1e2}', '{"a b",NULL,"\""}', '[2026-01-01Z,2026-02-01Z)', '(0.1,1e-30)', B'101', 1.10, 'ab', 'settings'),
    (2, 'NaN', '-Infinity', 'infinity', '-infinity', '0044-03-15 BC', '-1 mon +2 days', '', -0.05, NULL, 'null', '{}', 'empty',
     NULL, '', 'NaN', '', 'pg_class');
"#;

/// A role of one server alone, whose sessions would write every one of them otherwise.
const WEIRD: &str = "
CREATE ROLE weird SUPERUSER LOGIN;
ALTER ROLE weird SET datestyle = 'German, DMY'; ALTER ROLE weird SET intervalstyle = 'iso_8601';
ALTER ROLE weird SET bytea_output = 'escape'; ALTER ROLE weird SET extra_float_digits = -3;
ALTER ROLE weird SET timezone = 'Asia/Kathmandu'; ALTER ROLE weird SET quote_all_identifiers = on;
ALTER ROLE weird SET xmlbinary = 'hex'; ALTER ROLE weird SET search_path = 'nowhere';
ALTER ROLE weird SET client_encoding = 'LATIN1'; ALTER ROLE weird SET default_transaction_isolation = 'serializable'";

#[test]
fn settings_of_roles_change_no_value() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("app");
        cluster.sql("app", VALUES);
    }
    pair.target.sql("postgres", WEIRD);
    let (source, target) = (pair.source.uri("postgres"), pair.target.uri_as("weird", "postgres"));
    let verify = || pair.program().args(["verify", "-f", "postgres", "-s", &source, "-t", &target]).run();
    verify().expect_code(0).expect_stderr("Database 'app': verified: 1 table, 2 rows; all equal");
    pair.target.sql("app", "UPDATE settings SET f8 = f8 + 1e-16 WHERE id = 1");
    verify().expect_code(6).expect_stderr("table public.settings: 2 rows on both sides");
}

/// Two values that are easily taken for one another, and how a column of their type is declared.
const ALIKE: [(&str, &str, &str); 33] = [
    ("double precision", "'-0'", "0"),
    ("real", "'NaN'", "NULL"),
    ("double precision", "'Infinity'", "'-Infinity'"),
    ("numeric", "1.0", "1.00"),
    ("numeric", "'NaN'", "0"),
    ("text", "''", "NULL"),
    ("text", "'a'", "'a '"),
    ("text", "E'a\\tb'", "'a\\tb'"),
    ("text", "'NULL'", "NULL"),
    ("text", "'e\u{301}'", "'\u{e9}'"),
    ("varchar(5)", "'a'", "'A'"),
    ("bpchar", "'a'", "'a '"),
    ("bytea", r"'\x'", "NULL"),
    ("bytea", r"'\x00'", r"'\x30'"),
    ("bytea", r"'\x5c'", r"'\x5c5c'"),
    ("json", "'{\"a\":1}'", "'{\"a\": 1}'"),
    ("jsonb", "'null'", "NULL"),
    ("jsonb", "'1.0'", "'1'"),
    ("xml", "'<a/>'", "'<a></a>'"),
    ("text[]", "'{}'", "NULL"),
    ("text[]", "'{NULL}'", "'{\"NULL\"}'"),
    ("int[]", "'[0:1]={1,2}'", "'{1,2}'"),
    ("int[]", "'{{1,2}}'", "'{1,2}'"),
    ("pair", "ROW(NULL, NULL)", "NULL"),
    ("pair", "ROW(1, '')", "ROW(1, NULL)"),
    ("int4range", "'empty'", "NULL"),
    ("numrange", "'[1,2]'", "'[1,2)'"),
    ("interval", "'1 mon'", "'30 days'"),
    ("interval", "'1 day'", "'24:00'"),
    ("timestamptz", "'infinity'", "'-infinity'"),
    ("timestamptz", "'2026-01-01 00:00:00.000001Z'", "'2026-01-01 00:00:00Z'"),
    ("bit varying", "B'01'", "B'1'"),
    ("inet", "'10.0.0.0/8'", "'10.0.0.0'"),
];

#[test]
fn values_that_are_easily_taken_for_one_another_are_not() {
    let Some(pair) = Pair::start() else { return };
    // One table for each, in a column behind others, with a value that is stored out of line.
    let tables = |column: fn(&(&'static str, &'static str, &'static str)) -> &'static str| -> String {
        let tables = ALIKE.iter().enumerate().map(|(number, alike)| {
            format!(
                "CREATE TABLE t{number} (id int, large text, value {}); ALTER TABLE t{number} ALTER large SET STORAGE EXTERNAL;
                 INSERT INTO t{number} VALUES (1, repeat('x', 5000), {})",
                alike.0,
                column(alike)
            )
        });
        format!("CREATE TYPE pair AS (a int, b text); {}", tables.collect::<Vec<_>>().join("; "))
    };
    pair.source.sql("postgres", &tables(|alike| alike.1));
    pair.target.sql("postgres", &tables(|alike| alike.2));
    let outcome = verify(&pair).run().expect_code(6);
    let unseen: Vec<_> = ALIKE
        .iter()
        .enumerate()
        .filter(|(number, _)| {
            !outcome.stderr.contains(&format!("table public.t{number}: its only row is not the same on both sides"))
        })
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}\n{outcome}");
    outcome.expect_last_line(&format!("PGMigrateError: verification found {} differences", ALIKE.len()));
}

#[test]
fn other_encodings_hold_the_same_values() {
    let latin = Options::default().initdb("--encoding=LATIN1").initdb("--locale=C");
    let Some(pair) = Pair::with(&latin, &Options::default().initdb("--encoding=UTF8").initdb("--locale=C")) else {
        return;
    };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("app");
        cluster.sql("app", r#"CREATE TABLE "größe" (id text PRIMARY KEY, "wörter" text); INSERT INTO "größe" VALUES ('ä', 'Zoë ß ÿ'), ('b', '')"#);
    }
    let rows = ["-f", "postgres", "--verify-rows=3"];
    // That the encoding is another is a difference; what the rows hold is none.
    let outcome = verify(&pair).args(rows).run().expect_code(6);
    let outcome = outcome.expect_stderr("encoding is LATIN1 on the source and UTF8 on the target");
    let outcome = outcome.expect_stderr("Database 'app': verified: 1 table, 2 rows; all equal");
    outcome.expect_last_line("PGMigrateError: verification found 1 difference");
    pair.target.sql("app", r#"UPDATE "größe" SET "wörter" = 'Zoe ß ÿ' WHERE id = 'ä'"#);
    let outcome = verify(&pair).args(rows).run().expect_code(6);
    outcome
        .expect_stderr(r#"table public."größe": 2 rows on both sides, not all of them the same"#)
        .expect_stderr(r#"table public."größe": key (id)=(ä): its values differ"#);
}

#[test]
fn the_oldest_and_the_newest_major_write_the_same_values() {
    let Some(pair) = Pair::of_majors(12, 18) else { return };
    create_shop(&pair.source, "shop", 100);
    pair.source.sql("shop", "REFRESH MATERIALIZED VIEW shop.y_revenue; REFRESH MATERIALIZED VIEW shop.a_best_month");
    pair.source.sql("shop", VALUES);
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    verify(&pair).run().expect_code(0).expect_stderr("Database 'shop': verified: ");
}

#[test]
fn bytes_above_127_are_the_same_although_majors_write_them_otherwise() {
    let Some(pair) = Pair::of_majors(14, 18) else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        r#"CREATE TABLE bytes (id int PRIMARY KEY, b "char", several "char"[]);
           INSERT INTO bytes SELECT n, (n - 128)::"char", ARRAY[(n - 128)::"char", NULL] FROM generate_series(0, 255) n"#,
    );
    pair.migrate().args(["--force-method", "dump", "--verify"]).run().expect_code(0).expect_stderr("all equal");
    pair.target.sql("app", r#"UPDATE bytes SET b = (-1)::"char" WHERE id = 7"#);
    let outcome = verify(&pair).arg("--verify-rows=1").run().expect_code(6);
    outcome.expect_stderr("table public.bytes: key (id)=(7): its values differ");
}
