//! What `verify` says of two servers: equal when they are, and each difference by its name when they are not.

mod replicating;
mod rows;
mod values;

use crate::harness::cli::Run;
use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;

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
    pair.migrate().run().expect_code(0).expect_stderr("status: 'running'");
    let finish = ["--max-replication-lag", "0", "--stop-replication", "--verify=full"];
    pair.migrate().args(finish).run().expect_code(0).expect_stderr("all equal");
    verify(&pair).run().expect_code(0);
}
