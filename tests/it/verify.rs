//! What `verify` says of two servers: equal when they are, and each difference by its name when they are not.

mod extensions;
mod not_compared;
mod replicating;
mod rows;
mod values;
mod wordings;

use crate::harness::cli::Run;
use crate::harness::fixture::create_shop;
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;
use crate::report::document;

/// `pg_migrate verify` as superuser through the sockets.
fn verify(pair: &Pair) -> Run {
    Run::pg_migrate().args(["verify", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri("postgres")])
}

#[test]
fn a_migrated_shop_is_equal_by_either_method_and_a_change_in_it_is_seen() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 100);
    pair.source.sql("shop", "REFRESH MATERIALIZED VIEW shop.y_revenue; REFRESH MATERIALIZED VIEW shop.a_best_month");
    let dumped = pair.migrate().args(["--force-method", "dump", "--verify"]).run().expect_code(0);
    dumped.expect_stderr("Database 'shop': verified: ").expect_stderr("all equal");
    verify(&pair).run().expect_code(0).expect_stderr("Database 'shop': verified: ");

    pair.target.sql("shop", "UPDATE shop.stock SET units = units + 1 WHERE warehouse = 2");
    let outcome = verify(&pair).run().expect_code(6);
    let outcome = outcome.expect_last_line("PGMigrateError: verification found 1 difference");
    outcome.expect_stderr("ERROR\tDatabase 'shop': table shop.stock: ").expect_stderr("not all of them the same");

    pair.target.sql("postgres", "DROP DATABASE shop");
    let running = pair.migrate().arg("--verify").run().expect_code(0).expect_stderr("status: 'running'");
    running.expect_stderr("Database 'shop': not compared while replication runs: ").expect_stderr("all equal");
    let finish = ["--max-replication-lag", "0", "--stop-replication", "--verify=full"];
    pair.migrate().args(finish).run().expect_code(0).expect_stderr("all equal");
    verify(&pair).run().expect_code(0);
}

#[test]
fn after_a_migration_a_difference_has_its_exit_code_and_a_failure_comes_first() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("stale");
    // What the migration fills anew is not what the source has not refreshed.
    pair.source.sql(
        "stale",
        "CREATE TABLE t (n int); CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; INSERT INTO t VALUES (1)",
    );
    let migrate =
        |more: &[&str]| pair.migrate().args(["--force-method", "dump", "--verify", "-f", "postgres"]).args(more).run();
    let outcome = migrate(&[]).expect_code(6).expect_stderr("dbaname: 'stale', method: 'dump', status: 'done'");
    let outcome = outcome.expect_stderr("materialized view public.m: its only row is not the same on both sides");
    outcome.expect_last_line("PGMigrateError: verification found 1 difference");

    pair.target.sql("postgres", "DROP DATABASE stale");
    pair.source.create_database("closed");
    pair.source.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    let outcome = migrate(&["--output=json"])
        .expect_code(1)
        .expect_stderr("materialized view public.m: its only row is not the same on both sides");
    let document = document(&outcome);
    assert_eq!((&document["outcome"], &document["verification"]["differences"]), (&"failed".into(), &1.into()));
    let compared = document["verification"]["databases"].as_array().expect("a list");
    assert_eq!(compared.iter().map(|it| it["name"].as_str()).collect::<Vec<_>>(), [Some("stale")]);
}

#[test]
fn databases_and_tables_that_are_missing_or_were_left_out_are_told_apart() {
    let Some(pair) = Pair::start() else { return };
    for name in ["here", "gone", "left out"] {
        pair.source.create_database(name);
    }
    pair.target.create_database("here");
    pair.target.create_database("only there");
    pair.source.sql("here", "CREATE TABLE t (id int); CREATE TABLE skipped AS SELECT 1 AS id");
    pair.target.sql("here", "CREATE TABLE skipped (id int)");
    let outcome = verify(&pair).args(["-f", "left out", "--skip-table", "skipped"]).run().expect_code(6);
    let outcome = outcome
        .expect_stderr("ERROR\tServers: database gone: missing on the target")
        .expect_stderr("ERROR\tDatabase 'here': table public.t: missing on the target");
    let outcome = outcome
        .expect_silence_about("left out\": missing")
        .expect_silence_about("only there")
        .expect_silence_about("Database 'gone'");
    outcome.expect_last_line("PGMigrateError: verification found 2 differences");
    // What cannot be looked into is not taken for equal.
    pair.target.create_database("gone");
    pair.target.sql("here", "CREATE TABLE t (id int)");
    pair.target.sql("postgres", "ALTER DATABASE gone ALLOW_CONNECTIONS false");
    let outcome = verify(&pair).args(["-f", "left out", "--skip-table", "skipped"]).run().expect_code(1);
    outcome.expect_stderr("ERROR\tDatabase 'gone': ");
}

#[test]
fn a_signal_ends_a_verification_that_waits() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "late", 10);
    pair.migrate().run().expect_code(0).expect_stderr("status: 'running'");
    let gate = Gate::Rows.close(&pair.target, "late");
    pair.source.sql("late", "INSERT INTO gated VALUES (11, 11)");
    let run = verify(&pair).args(["-f", "postgres"]).spawn();
    run.wait_for_line("comparing 2 tables");
    gate.wait_for_somebody(&pair.target, "late");
    run.signal("INT");
    run.wait().expect_code(130).expect_last_line("PGMigrateInterruptedError: stopped by SIGINT");
    let ours = "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate %')";
    pair.source.wait_until("postgres", ours);
    pair.target.wait_until("postgres", ours);
    gate.open();
}
