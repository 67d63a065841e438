//! The dump method: everything arrives as it was, or the database is reported as failed.

use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;

/// Creates the source's roles, `database` and what is in it but the rows on the target, as a user would before a migration.
fn load_schema(pair: &Pair, database: &str) {
    const SCHEMA: &str = r#"pg_dump -Fc --schema-only -d "$1" | pg_restore --exit-on-error -d "$2""#;
    pair.target.create_database(database);
    pair.copy_roles();
    pair.shell(SCHEMA, database);
}

#[test]
fn shops_are_equal_after_a_dump_and_are_not_copied_twice() {
    let Some(pair) = Pair::start() else { return };
    for database in ["shop", "My Shop"] {
        create_shop(&pair.source, database, 300);
    }
    pair.source.sql("shop", "SELECT lo_from_bytea(4711, 'large'), lo_from_bytea(4712, '')");
    pair.target.create_database("My Shop");
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    for database in ["shop", "My Shop", "postgres"] {
        pair.assert_equal(database);
    }
    pair.assert_nothing_left();
    let outcome = outcome
        .expect_stderr("dbaname: 'shop', method: 'dump', status: 'done', message: 'created and migrated database'")
        .expect_stderr("dbaname: 'My Shop', method: 'dump', status: 'done', message: 'migrated to existing database'");
    assert_eq!(outcome.stdout, "");

    let again = pair.migrate().args(["--force-method", "dump"]).run().expect_code(3);
    assert!(again.stderr.contains("Table shop.orders in database 'shop' of the target already has rows"), "{again}");
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}

#[test]
fn rows_go_into_tables_that_are_there_without_firing_triggers_or_asking_for_their_order() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 300);
    pair.source.sql("shop", "ALTER TABLE shop.order_items ENABLE ALWAYS TRIGGER count_items");
    load_schema(&pair, "shop");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("shop");
    pair.assert_nothing_left();

    let count = || pair.target.value("shop", "SELECT count(*) FROM shop.page_views").parse::<u32>().unwrap();
    let before = count();
    let append = ["--force-method", "dump", "--with-table", "shop.page_views", "--append"];
    pair.migrate().args(append).run().expect_code(0);
    assert_eq!(count(), 2 * before);
    assert_eq!(pair.differences("shop").len(), 1, "nothing else has changed: {:?}", pair.differences("shop"));
}

#[test]
fn what_cannot_be_restored_fails_its_database_in_the_servers_words_and_no_other() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("torn");
        cluster.sql("torn", "CREATE TABLE twice (id int); INSERT INTO twice VALUES (1)");
    }
    pair.source.sql("torn", "ALTER TABLE twice ADD PRIMARY KEY (id)");
    pair.source.create_database("whole");
    pair.source.sql("whole", "CREATE TABLE t AS SELECT 1 AS id");
    let outcome = pair.migrate().args(["--force-method", "dump", "--append"]).run().expect_code(1);
    pair.assert_equal("whole");
    let block = outcome.stderr.split("Databases:").nth(1).expect("the final block");
    let torn = block.lines().find(|line| line.contains("'torn'")).unwrap_or_else(|| panic!("{outcome}"));
    assert!(torn.contains("method: 'dump', status: 'failed'"), "{torn}");
    assert!(torn.contains(r#"could not create unique index "twice_pkey""#), "{torn}");
    assert!(torn.contains("Key (id)=(1) is duplicated"), "{torn}");
    assert!(block.contains("dbaname: 'whole', method: 'dump', status: 'done'"), "{outcome}");
    let last = outcome.stderr.lines().last().unwrap();
    assert_eq!(last, "PGMigrateError: 1 of 3 databases failed: 'torn'");
}

#[test]
fn definitions_and_rows_mean_the_same_whatever_the_target_user_has_set() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    // The index of the large table is built by a session of its own; xml has its table go as text.
    pair.source.sql(
        "app",
        r"CREATE TABLE t (id int PRIMARY KEY, path text DEFAULT 'C:\new', CHECK (path ~ '^\w:\\'), x xml, names text[]);
         INSERT INTO t (id, x, names) VALUES (1, '<a/><b/>', '{a,NULL}');
         CREATE TABLE large AS SELECT n, repeat('x\', 1000) AS v FROM generate_series(1, 6000) n;
         CREATE INDEX slashes ON large (replace(v, '\x', '/'));
         CREATE VIEW v AS SELECT 'a\b'::text AS c;
         COMMENT ON VIEW v IS 'a\b';
         COMMENT ON INDEX slashes IS E'it\'s'",
    );
    let settings = ["standard_conforming_strings = off", "array_nulls = off", "xmloption = document"];
    for setting in settings {
        pair.target.sql("postgres", &format!("ALTER ROLE postgres SET {setting}"));
    }
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.target.sql("postgres", "ALTER ROLE postgres RESET ALL");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}
