//! Databases, tables and rows: whether they can be read here and written there.

use super::{cures, expect_errors, expect_lines, messages};
use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

/// Types a cure of the form `source database "shop": SQL` or `source: SQL`.
fn type_cure(cluster: &Cluster, database: &str, cure: &str) {
    let (_, sql) = cure.split_once(": ").expect("a cure names its side");
    cluster.sql(database, sql);
}

#[test]
fn what_the_source_user_cannot_read_is_named_and_the_cures_cure_it() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    pair.source.sql(
        "shop",
        "CREATE ROLE reader LOGIN;
         CREATE SCHEMA sales;
         CREATE TABLE sales.orders (id serial PRIMARY KEY); INSERT INTO sales.orders DEFAULT VALUES;
         CREATE TABLE sales.secrets (id int PRIMARY KEY); ALTER TABLE sales.secrets ENABLE ROW LEVEL SECURITY;
         CREATE TABLE open (id int PRIMARY KEY); GRANT SELECT ON open TO reader;
         SELECT lo_create(4711), lo_create(4712); GRANT SELECT ON LARGE OBJECT 4712 TO reader",
    );
    let source = pair.source.uri_as("reader", "postgres");
    let run = |more: &[&str]| {
        pair.program().args(["-s", &source, "-t", &pair.target.uri("postgres"), "--validate"]).args(more).run()
    };
    let outcome = expect_errors(
        run(&[]),
        &[
            "\"reader\" may not read tables of schema \"sales\" in database 'shop' of the source: sales.orders, \
             sales.secrets",
            "\"reader\" may not read sequences of schema \"sales\" in database 'shop' of the source: \
             sales.orders_id_seq",
            "\"reader\" may not read 1 large objects in database 'shop' of the source",
            "Row level security of table sales.secrets in database 'shop' may hide rows of the source from us",
        ],
    );
    for id in ["unreadable-table", "unreadable-sequence", "row-security"] {
        let [cure] = cures(&outcome, id)[..] else { panic!("{id}: {outcome}") };
        type_cure(&pair.source, "shop", cure);
    }
    assert!(cures(&outcome, "unreadable-large-objects")[0].contains("GRANT SELECT ON LARGE OBJECT"), "{outcome}");
    pair.source.sql("shop", "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC");
    let outcome = run(&[]).expect_code(0);
    let unpublished = "user \"reader\" may not create a publication: permission denied for database";
    assert!(outcome.stderr.contains(&format!("database \"shop\": {unpublished} shop")), "{outcome}");
    assert_eq!(
        cures(&outcome, "publication-right"),
        [
            r#"source: GRANT CREATE ON DATABASE "postgres" TO "reader""#,
            "connect to the source as a superuser: tables belong to one",
        ]
    );
}

#[test]
fn rows_on_the_target_are_kept_unless_the_user_says_otherwise() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("shop");
        cluster.sql("shop", "CREATE TABLE orders (id int PRIMARY KEY, note text)");
    }
    pair.source.sql("shop", "INSERT INTO orders VALUES (1, 'source')");
    pair.target.sql("shop", "INSERT INTO orders VALUES (2, 'target')");
    let refusal = "Table public.orders in database 'shop' of the target already has rows";
    let outcome = expect_errors(pair.migrate().run(), &[refusal]);
    let [cure] = cures(&outcome, "target-rows")[..] else { panic!("{outcome}") };
    let expected = r#"target database "shop": TRUNCATE "public"."orders"; or --append to add to them, or --skip-table to leave them alone; or, if pg_migrate verify finds the whole database migrated already, --filtered-db shop"#;
    assert_eq!(cure, expected);
    pair.migrate().args(["--skip-table", "shop.public.orders", "--force-method", "dump"]).run().expect_code(0);
    assert_eq!(pair.target.value("shop", "SELECT string_agg(note, ',') FROM orders"), "target");
    pair.migrate().args(["--append", "--force-method", "dump"]).run().expect_code(0);
    assert_eq!(pair.target.value("shop", "SELECT string_agg(note, ',' ORDER BY id) FROM orders"), "source,target");
}

#[test]
fn rows_in_partitions_and_behind_row_security_of_the_target_are_no_surprise() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("shop");
        cluster.sql("shop", "CREATE TABLE secured (id int PRIMARY KEY)");
    }
    pair.source.sql("shop", "CREATE TABLE events (id int PRIMARY KEY)");
    pair.target.sql(
        "shop",
        "CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE all_events PARTITION OF events DEFAULT; INSERT INTO events VALUES (1);
         ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE ROLE mover LOGIN CREATEROLE; GRANT CREATE ON DATABASE shop TO mover;
         GRANT ALL ON secured, events TO mover",
    );
    let target = pair.target.uri_as("mover", "postgres");
    let run = pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &target, "-f", "postgres"]).run();
    expect_errors(
        run,
        &[
            "Table public.events in database 'shop' of the target already has rows",
            "Row level security of table public.secured in database 'shop' of the target keeps us from loading it",
        ],
    );
}

#[test]
fn the_server_of_a_foreign_partition_is_not_asked_for_rows() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("shop");
        cluster.sql(
            "shop",
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
             CREATE TABLE events (id int) PARTITION BY LIST (id);
             CREATE TABLE near PARTITION OF events FOR VALUES IN (1) PARTITION BY LIST (id);
             CREATE TABLE here PARTITION OF near DEFAULT;
             CREATE FOREIGN TABLE far PARTITION OF events FOR VALUES IN (2) SERVER nowhere;
             CREATE TABLE plain (id int)",
        );
        cluster.sql("shop", "INSERT INTO here VALUES (1)");
    }
    expect_errors(
        pair.migrate().args(["--force-method", "dump"]).run(),
        &["Table public.here in database 'shop' of the target already has rows"],
    );
    pair.target.sql("shop", "TRUNCATE here");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    assert_eq!(pair.target.value("shop", "SELECT count(*) FROM here"), "1");
}

#[test]
fn databases_that_cannot_be_made_or_opened_are_named() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN; CREATE DOMAIN amount AS int");
    for name in ["shop", "vault", "closed", "blueprint", "rdsadmin"] {
        pair.source.create_database(name);
    }
    pair.source.sql(
        "postgres",
        "REVOKE CONNECT ON DATABASE vault FROM PUBLIC; ALTER DATABASE closed ALLOW_CONNECTIONS false;
         ALTER DATABASE blueprint IS_TEMPLATE true",
    );
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN");
    let (source, target) = (pair.source.uri_as("reader", "postgres"), pair.target.uri_as("mover", "postgres"));
    let outcome = pair.program().args(["-s", &source, "-t", &target, "--force-method", "dump", "-f", "ghost"]).run();
    let outcome = expect_errors(
        outcome,
        &[
            r#""mover" may not create databases on the target, and these are not there: "shop""#,
            r#""mover" may not create schemas in database 'postgres' of the target"#,
        ],
    );
    assert_eq!(cures(&outcome, "createdb-right"), [r#"target: ALTER ROLE "mover" CREATEDB"#]);
    let create = r#"target: GRANT CREATE ON DATABASE "postgres" TO "mover""#;
    let [cure] = cures(&outcome, "create-right")[..] else { panic!("{outcome}") };
    assert_eq!(cure, format!("{create}, or leave the database out with --filtered-db postgres"));
    pair.target.sql("postgres", create.strip_prefix("target: ").unwrap());
    expect_lines(
        &outcome,
        "WARNING",
        &[
            "database \"vault\": it cannot be connected to on the source and will be reported as failed, the others go on: \
             permission denied for database \"vault\" (User does not have CONNECT privilege.) [SQLSTATE 42501]",
            "database \"closed\": it cannot be connected to on the source and will be reported as failed, the others go on: \
             database \"closed\" does not accept connections",
            r#"target: user "mover" may not create roles; these will be reported as failed: "app", "reader""#,
        ],
    );
    expect_lines(
        &outcome,
        "INFO",
        &[
            "--filtered-db ghost: the source has no database of this name",
            r#"database "blueprint": it is a template and is not migrated"#,
            r#"database "rdsadmin": it belongs to the managed service and is not migrated"#,
        ],
    );
    for id in ["createdb-right", "createrole-right"] {
        type_cure(&pair.target, "postgres", cures(&outcome, id)[0]);
    }
    pair.program().args(["-s", &source, "-t", &target, "--force-method", "dump", "--validate"]).run().expect_code(0);
}

#[test]
fn the_size_budget_counts_what_is_selected() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    pair.source.sql("shop", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)");
    let run = |arguments: &[&str]| pair.migrate().arg("--validate").args(arguments).run();
    // The first sessions in a database leave files there.
    run(&[]).expect_code(0);
    let size =
        |database| pair.source.value(database, "SELECT pg_database_size(current_database())").parse::<u64>().unwrap();
    let (shop, postgres) = (size("shop"), size("postgres"));
    let refused = |outcome, size: u64, limit: u64| {
        let message = format!("Databases do not fit to the required maximum size ({size} > {limit})");
        expect_errors(outcome, &[&message]);
    };
    refused(run(&["--dbs-max-total-size", "1"]), shop + postgres, 1);
    refused(run(&["--dbs-max-total-size", "1", "-f", "postgres"]), shop, 1);
    refused(run(&["--dbs-max-total-size", "8191", "--with-table", "orders"]), 8192, 8191);
    for passing in [
        &["--dbs-max-total-size", "8192", "--with-table", "orders"][..],
        &["--dbs-max-total-size", "0", "--skip-table", "orders"],
        &["--dbs-max-total-size", "-1"],
    ] {
        let outcome = run(passing).expect_code(0);
        assert!(messages(&outcome, "ERROR").is_empty(), "{outcome}");
    }
}

#[test]
fn a_table_that_somebody_has_locked_ends_the_run_instead_of_holding_it_up() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE TABLE orders (id int PRIMARY KEY)");
    let rewriting = pair.source.session("postgres");
    rewriting.sql("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let outcome =
        pair.migrate().arg("--validate").run().expect_code(1).expect_stderr("hint: end the session that holds");
    let last = outcome.last_line();
    assert!(
        last.contains(r#"list tables (in database "postgres" of the source)"#) && last.contains("55P03"),
        "{outcome}"
    );
}

#[test]
fn rows_that_the_target_would_put_into_other_partitions_are_no_surprise_after_hours() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p');
         CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
         CREATE TABLE moods (m mood) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE FOREIGN TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1) SERVER nowhere;
         INSERT INTO moods_0 SELECT m FROM unnest(enum_range(null::mood)) m
             WHERE satisfies_hash_partition('moods'::regclass, 2, 0, m);
         CREATE TABLE others (m mood) PARTITION BY HASH (m);
         CREATE TABLE others_0 PARTITION OF others FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE others_1 PARTITION OF others FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO others SELECT unnest(enum_range(null::mood))",
    );
    let migrate = || pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]);
    let is_partitioned = "is partitioned by a hash that is another on every server, as that of an enum is, and because";
    let refuses = "its partitions are copied one by one: the target would refuse rows of public";
    let of_moods = format!(
        "Table public.moods in database 'app' {is_partitioned} a partition of it is a foreign table, {refuses}.moods_0"
    );
    expect_errors(migrate().run(), &[&of_moods]);
    let of_others = format!(
        "Table public.others in database 'app' {is_partitioned} other partitions of it are left out, {refuses}.others_0"
    );
    let outcome = migrate().args(["--skip-table", "moods_0", "--skip-table", "others_1"]).run();
    expect_errors(outcome, &[&of_others]);
    migrate().args(["--skip-table", "moods_0"]).run().expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM others"), "16");
}
