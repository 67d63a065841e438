//! The two servers as such, and what holds for every refusal.

use super::{cures, expect_errors, expect_lines, messages};
use crate::harness::catalogs::catalogs;
use crate::harness::cluster::{Options, SUPERUSER_PASSWORD};
use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;

#[test]
fn every_problem_is_named_at_once_with_its_cure_and_nothing_changes() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("shop");
        cluster.sql("shop", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)");
    }
    pair.source.create_database("crm");
    pair.source.sql("shop", "ALTER TABLE orders ADD note text");
    pair.source
        .sql("crm", "CREATE EXTENSION hstore; UPDATE pg_extension SET extname = 'gone' WHERE extname = 'hstore'");
    let before = catalogs(&pair);

    for validate in [&["--validate"][..], &[]] {
        let outcome = pair.migrate().args(["--no-createdb", "--with-table", "orderz"]).args(validate).run();
        let outcome = expect_errors(
            outcome,
            &[
                "Database 'crm' doesn't exist in target (not creating databases)",
                "Extension 'gone' is not available for installation in target",
                "--with-table orderz matches no table of the databases that are migrated",
            ],
        );
        assert_eq!(
            cures(&outcome, "database-missing"),
            [r#"target: CREATE DATABASE "crm", or run without --no-createdb"#]
        );
        assert!(catalogs(&pair) == before, "{outcome}");
    }

    let outcome = pair.migrate().args(["--no-createdb", "-f", "crm"]).run();
    let errors = [
        "Table public.orders in database 'shop' of the target already has rows",
        r#"Table public.orders in database 'shop' of the target lacks columns of the source: "note""#,
    ];
    expect_errors(outcome, &errors);
    assert!(catalogs(&pair) == before);
}

#[test]
fn a_sound_pair_passes_without_a_trace() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 10);
    pair.source.sql("shop", "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM shop.orders");
    pair.target.create_database("shop");
    let before = catalogs(&pair);
    let outcome = pair.migrate().args(["--validate", "--output", "json"]).run().expect_code(0);
    expect_lines(&outcome, "INFO", &["validation passed"]);
    let document: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(document["exit_code"], 0);
    assert!(catalogs(&pair) == before, "{outcome}");
    pair.assert_nothing_left();
}

#[test]
fn a_server_is_not_migrated_to_itself_whichever_way_it_is_reached() {
    let options = Options::default().tcp();
    let Some(pair) = Pair::with(&options, &Options::default()) else { return };
    pair.source.sql("postgres", "CREATE ROLE far LOGIN SUPERUSER; ALTER ROLE far SET timezone = 'Asia/Tokyo'");
    let by_socket = pair.source.uri("postgres");
    for same in [
        pair.source.uri("template1"),
        pair.source.uri_as("far", "postgres"),
        pair.source.tcp_uri("postgres", SUPERUSER_PASSWORD, "postgres"),
    ] {
        let outcome = pair.program().args(["-s", &by_socket, "-t", &same]).run().expect_code(3);
        assert_eq!(messages(&outcome, "ERROR")[0], "Migrating to the same server is not supported", "{outcome}");
    }
    pair.assert_nothing_left();
}

#[test]
fn a_newer_source_is_refused_unless_asked_for() {
    let Some(pair) = Pair::of_majors(16, 15) else { return };
    let refusal = "Migrating to older major PostgreSQL server version is not supported";
    let outcome = expect_errors(pair.migrate().run(), &[refusal]);
    assert_eq!(cures(&outcome, "older-target"), ["move to 16 or newer, or take the risk with --skip-db-version-check"]);
    let outcome = pair.migrate().args(["--skip-db-version-check", "--validate"]).run().expect_code(0);
    let warnings = messages(&outcome, "WARNING");
    assert!(warnings.iter().any(|line| line.starts_with(&format!("{refusal}, and goes on from 16."))), "{outcome}");
}

#[test]
fn a_standby_is_no_target_and_as_a_source_it_is_dumped() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)");
    pair.source.become_standby();
    let outcome = pair.migrate().run().expect_code(0);
    let reason = "source: it is a standby, on which no publication can be created; copied once instead of replicated \
                  (method dump): \"postgres\"";
    expect_lines(&outcome, "WARNING", &[reason]);
    pair.assert_equal("postgres");

    pair.target.become_standby();
    expect_errors(
        pair.migrate().args(["--force-method", "dump", "--append"]).run(),
        &["The target is a standby and cannot be written"],
    );
}

#[test]
fn read_only_by_default_stops_a_run_where_it_is_the_targets_own_word() {
    let Some(pair) = Pair::start() else { return };
    // A source is often frozen like this before its last transactions are carried.
    pair.source.create_database("shop");
    pair.source.sql("shop", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)");
    pair.source.sql("shop", "ALTER DATABASE shop SET default_transaction_read_only = on");
    pair.target.sql("postgres", "ALTER ROLE postgres SET default_transaction_read_only = on");
    let before = catalogs(&pair);
    let finish = ["--max-replication-lag", "0", "--stop-replication", "-f", "postgres"];
    let refusal = "The target is read-only by default (default_transaction_read_only)";
    let outcome = expect_errors(pair.migrate().args(finish).run(), &[refusal]);
    assert!(catalogs(&pair) == before, "{outcome}");
    let [cure] = cures(&outcome, "target-read-only")[..] else { panic!("{outcome}") };
    pair.target.sql("postgres", cure.split_once("target: ").unwrap().1);

    let outcome = pair.migrate().args(finish).run().expect_code(0);
    assert!(outcome.stderr.contains("dbaname: 'shop', method: 'replication', status: 'done'"), "{outcome}");
    // The target is there to be written to.
    pair.target.sql("shop", "INSERT INTO orders VALUES (2); DELETE FROM orders WHERE id = 2");
    pair.source.sql("postgres", "ALTER DATABASE shop RESET default_transaction_read_only");
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}
