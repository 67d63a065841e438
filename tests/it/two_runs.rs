//! Two runs that move the same database to the same target, each from a source of its own, or to two targets.

use crate::harness::cli::{FINISH, Running};
use crate::harness::cluster::{Cluster, Options};
use crate::harness::pair::Pair;
use crate::harness::session::Session;

const SUBSCRIPTION: &str =
    "SELECT string_agg(subname || ' ' || subenabled, ',') FROM pg_subscription WHERE subname LIKE 'aiven_db_migrate_%'";

/// A run from `source` that has looked at everything, and waits to create its first role until the session is dropped.
fn wait_at_roles(pair: &Pair, source: &Cluster) -> (Session, Running) {
    source.sql("postgres", "CREATE ROLE slow");
    let session = pair.target.session("postgres");
    session.sql("BEGIN; CREATE ROLE slow");
    let run = pair.migrate_from(source).args(["-f", "postgres", "--force-method", "replication"]).spawn();
    pair.target.wait_until("postgres", "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')");
    (session, run)
}

fn create_shop(source: &Cluster, rows: u32) {
    source.create_database("shop");
    source
        .sql("shop", &format!("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, {rows})"));
}

/// The later of two runs fails and leaves alone what the earlier one has made.
fn assert_the_later_run_gives_way(there_before: bool, words: &str) {
    let Some(pair) = Pair::start() else { return };
    let other = Cluster::start(&pair.source.installation, &Options::default());
    create_shop(&pair.source, 10);
    create_shop(&other, 20);
    if there_before {
        pair.target.create_database("shop");
    }
    let (session, late) = wait_at_roles(&pair, &other);
    pair.migrate().args(["-f", "postgres", "--force-method", "replication"]).run().expect_code(0);
    drop(session);
    let late = late.wait().expect_code(1);
    assert!(late.stderr.contains(words), "{late}");

    assert_eq!(pair.target.value("shop", SUBSCRIPTION), "aiven_db_migrate_shop_sub true");
    pair.source.sql("shop", "INSERT INTO t VALUES (11)");
    pair.migrate().args(["-f", "postgres", "--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    pair.assert_equal("shop");
    pair.assert_nothing_left();
    assert_eq!(other.value("shop", "SELECT count(*) FROM pg_publication"), "0");
    assert_eq!(other.value("shop", "SELECT count(*) FROM pg_replication_slots"), "0");
}

#[test]
fn of_two_runs_that_create_a_database_the_later_one_undoes_nothing_of_the_other() {
    assert_the_later_run_gives_way(false, "create database \"shop\"");
}

#[test]
fn of_two_runs_into_an_empty_database_the_later_one_undoes_nothing_of_the_other() {
    assert_the_later_run_gives_way(
        true,
        "another run of pg_migrate has worked on this database of the target meanwhile",
    );
}

#[test]
fn a_run_to_another_target_does_not_end_a_replication_that_goes_on() {
    let Some(pair) = Pair::start() else { return };
    let other = Cluster::start(&pair.target.installation, &Options::default());
    create_shop(&pair.source, 10);
    pair.migrate().args(["-f", "postgres"]).run().expect_code(0);
    let to_other = || pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &other.uri("postgres")]);
    let second = to_other().args(["-f", "postgres"]).run().expect_code(3);
    second
        .expect_stderr(
            "slot \"aiven_db_migrate_shop_slot\" of the source is in use, and this target has no subscription to it",
        )
        .expect_stderr("pg_migrate cleanup with its target");
    pair.source.sql("shop", "INSERT INTO t VALUES (11)");
    pair.migrate().args(["-f", "postgres"]).args(FINISH).run().expect_code(0);
    pair.assert_equal("shop");
    to_other().args(["-f", "postgres"]).args(FINISH).run().expect_code(0);
    assert_eq!(other.value("shop", "SELECT count(*) FROM t"), "11");
    pair.assert_nothing_left();
}
