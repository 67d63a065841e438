//! What the user leaves out stays out, and nothing else.

use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

const CONTENT: &str = r#"
CREATE SCHEMA s; CREATE SCHEMA "o.ther";
CREATE TABLE s.t AS SELECT 1 AS id; CREATE TABLE s."v1.t" AS SELECT 1 AS id; CREATE TABLE "o.ther".t AS SELECT 1 AS id;
CREATE TABLE s.rest AS SELECT 1 AS id;
CREATE TABLE s.parts (id int) PARTITION BY LIST (id);
CREATE TABLE s.part_1 PARTITION OF s.parts FOR VALUES IN (1);
CREATE TABLE s.part_2 PARTITION OF s.parts FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE s.part_2_2 PARTITION OF s.part_2 FOR VALUES IN (2);
INSERT INTO s.parts VALUES (1), (2);
"#;

/// The tables of `database` that have rows; also proves that all of them are there.
fn filled(cluster: &Cluster, database: &str) -> String {
    let tables = ["s.t", r#"s."v1.t""#, r#""o.ther".t"#, "s.rest", "s.part_1", "s.part_2_2"];
    let questions: Vec<_> =
        tables.iter().map(|table| format!("CASE WHEN EXISTS (SELECT FROM {table}) THEN '{table}' END")).collect();
    cluster.value(database, &format!("SELECT concat_ws(' ', {})", questions.join(", ")))
}

#[test]
fn rows_of_the_tables_that_were_meant_and_of_no_others_are_copied() {
    let Some(pair) = Pair::start() else { return };
    for database in ["a", "b.c", "left out"] {
        pair.source.create_database(database);
        pair.source.sql(database, CONTENT);
    }
    let all = r#"s.t s."v1.t" "o.ther".t s.rest s.part_1 s.part_2_2"#;
    let cases: [(&[&str], &str, &str); 8] = [
        (&["--with-table", "t"], r#"s.t "o.ther".t"#, r#"s.t "o.ther".t"#),
        (&["--with-table", "s.t", "--with-table", r#""v1.t""#], r#"s.t s."v1.t""#, r#"s.t s."v1.t""#),
        (&["--with-table", r#""b.c"."o.ther".t"#], "", r#""o.ther".t"#),
        (&["--with-table", "s.parts"], "s.part_1 s.part_2_2", "s.part_1 s.part_2_2"),
        (
            &["--skip-table", "parts", "--skip-table", "a.s.t"],
            r#"s."v1.t" "o.ther".t s.rest"#,
            r#"s.t s."v1.t" "o.ther".t s.rest"#,
        ),
        (
            &["--skip-table", "part_2", "--skip-table", "rest"],
            r#"s.t s."v1.t" "o.ther".t s.part_1"#,
            r#"s.t s."v1.t" "o.ther".t s.part_1"#,
        ),
        (&["--skip-table", r#"a.s."v1.t""#], r#"s.t "o.ther".t s.rest s.part_1 s.part_2_2"#, all),
        (&["--with-table", r#""a"."s"."rest""#, "--with-table", "part_1"], "s.rest s.part_1", "s.part_1"),
    ];
    for (options, in_a, in_bc) in cases {
        let outcome = pair.migrate().args(["--force-method", "dump", "-f", "left out,postgres"]).args(options).run();
        let outcome = outcome.expect_code(0);
        assert_eq!(
            (filled(&pair.target, "a"), filled(&pair.target, "b.c")),
            (in_a.to_owned(), in_bc.to_owned()),
            "{outcome}"
        );
        assert!(!pair.target.databases().contains(&"left out".to_owned()));
        assert!(!outcome.stderr.contains("'left out'"), "{outcome}");
        for database in ["a", "\"b.c\""] {
            pair.target.sql("postgres", &format!("DROP DATABASE {database}"));
        }
    }

    let refused = pair.migrate().args(["--skip-table", "s.T"]).run().expect_code(3);
    let last = refused.stderr.lines().last().unwrap();
    assert!(last.starts_with("PGMigrateValidationFailedError: --skip-table s.T matches no table"), "{refused}");
    assert_eq!(pair.target.databases(), ["postgres", "template1"]);
}

#[test]
fn databases_must_fit_into_the_size_that_was_given_and_only_copied_tables_count() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql(
        "postgres",
        "CREATE TABLE small AS SELECT 1 AS id; CREATE TABLE large AS SELECT * FROM generate_series(1, 1000)",
    );
    let validate = |options: &[&str]| pair.migrate().args(["--validate", "--dbs-max-total-size"]).args(options).run();
    let refused = validate(&["1000000"]).expect_code(3);
    let last = refused.stderr.lines().last().unwrap();
    let start = "PGMigrateValidationFailedError: Databases do not fit to the required maximum size (";
    assert!(last.starts_with(start) && last.ends_with(" > 1000000)"), "{refused}");
    drop(validate(&["1000000000"]).expect_code(0));
    drop(validate(&["8192", "--with-table", "small"]).expect_code(0));
    let refused = validate(&["8192", "--skip-table", "small"]).expect_code(3);
    assert!(refused.stderr.contains("> 8192)"), "{refused}");
}
