//! Verification of a target that still receives changes.

use super::verify;
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;
use crate::report::document;

const SHOP: &str = "
CREATE TABLE orders (id int PRIMARY KEY, value int); INSERT INTO orders SELECT n, n FROM generate_series(1, 5000) n;
CREATE TABLE quiet (id int PRIMARY KEY, value text); INSERT INTO quiet SELECT n, 'x' FROM generate_series(1, 500) n;
CREATE TABLE queue (id int PRIMARY KEY);
CREATE TABLE log (line text); INSERT INTO log VALUES ('a');
CREATE SEQUENCE numbers; CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM log; SELECT lo_from_bytea(77, 'x');
";

/// Writes to `orders` and `queue` as fast as it can, in transactions of their own, until `quiet` has a row 0.
const BUSY: &str = "
CREATE PROCEDURE business() LANGUAGE plpgsql AS $$
DECLARE round int := 0;
BEGIN
    WHILE NOT EXISTS (SELECT FROM quiet WHERE id = 0) LOOP
        round := round + 1;
        UPDATE orders SET value = round WHERE id = round % 5000 + 1;
        INSERT INTO queue VALUES (round);
        COMMIT;
        DELETE FROM queue;
        COMMIT;
    END LOOP;
END $$";

/// Ends business when it is dropped.
struct Closing<'a>(&'a Pair);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.source.sql("app", "INSERT INTO quiet VALUES (0, 'stop')");
    }
}

fn replicate(pair: &Pair) {
    pair.source.create_database("app");
    pair.source.sql("app", SHOP);
    pair.source.sql("app", BUSY);
    pair.source.sql("app", "REVOKE TEMPORARY ON DATABASE app FROM PUBLIC; ALTER DATABASE app CONNECTION LIMIT 90");
    pair.migrate().arg("--max-replication-lag=0").run().expect_code(0).expect_stderr("status: 'running'");
}

#[test]
fn what_replication_carries_is_compared_and_what_comes_at_the_finish_is_announced() {
    let Some(pair) = Pair::start() else { return };
    replicate(&pair);
    pair.source.sql(
        "app",
        "UPDATE orders SET value = 0 WHERE id < 100; INSERT INTO log VALUES ('b'); SELECT nextval('numbers')",
    );
    let outcome = verify(&pair).args(["--output=json", "-f", "postgres"]).run().expect_code(0);
    let later = "\tWARNING\tDatabase 'app': not compared while replication runs: table public.log (not published: copied once more \
                 at the finish), materialized view public.totals (refreshed at the finish), large objects (copied at the finish), \
                 values of sequences (carried at the finish), privileges and connection limit of the database (carried at the \
                 finish)";
    let outcome = outcome.expect_stderr(later).expect_stderr("verified: 3 tables, 5500 rows; all equal");
    let document = document(&outcome);
    let app = &document["verification"]["databases"][0];
    assert_eq!((&document["outcome"], &app["name"], &app["tables"]), (&"done".into(), &"app".into(), &3.into()));
    assert_eq!(app["not_compared"][0]["what"], "table public.log");

    // What the target has lost, or got from somebody else, is a difference however long one waits.
    pair.target.sql("app", "DELETE FROM quiet WHERE id = 7; UPDATE orders SET value = -1 WHERE id = 5");
    let outcome = verify(&pair).args(["-f", "postgres", "--verify-rows=5"]).run().expect_code(6);
    outcome
        .expect_stderr("ERROR\tDatabase 'app': table public.orders: 5000 rows on both sides, not all of them the same")
        .expect_stderr("ERROR\tDatabase 'app': table public.orders: key (id)=(5): its values differ")
        .expect_stderr("ERROR\tDatabase 'app': table public.quiet: 500 rows on the source and 499 on the target")
        .expect_stderr("ERROR\tDatabase 'app': table public.quiet: key (id)=(7): only on the source")
        .expect_last_line("PGMigrateError: verification found 2 differences");
}

#[test]
fn tables_that_are_written_to_are_equal_or_have_moved_and_never_differ() {
    let Some(pair) = Pair::start() else { return };
    replicate(&pair);
    std::thread::scope(|scope| {
        let session = pair.source.session("app");
        let business = scope.spawn(move || session.sql("CALL business()"));
        // However this ends: the scope waits for its thread.
        let closing = Closing(&pair);
        pair.source.wait_until("app", "(SELECT max(value) > 5000 FROM orders)");
        for _ in 0..3 {
            let outcome = verify(&pair).args(["--output=json", "-f", "postgres"]).run();
            let document = document(&outcome.expect_code(0));
            let app = &document["verification"]["databases"][0];
            assert_eq!(app["differences"].as_array().map(Vec::len), Some(0), "{document}");
            for moved in app["moved"].as_array().expect("a list") {
                assert!(["public.orders", "public.queue"].iter().any(|table| moved == table), "{document}");
            }
        }
        drop(closing);
        business.join().expect("business ends");
    });
    let outcome = verify(&pair).args(["-f", "postgres"]).run().expect_code(0);
    outcome.expect_stderr("verified: 3 tables, 5501 rows; all equal");
}

#[test]
fn replication_that_does_not_catch_up_in_time_is_said_and_has_its_exit_code() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "late", 10);
    pair.migrate().run().expect_code(0).expect_stderr("status: 'running'");
    let gate = Gate::Rows.close(&pair.target, "late");
    pair.source.sql("late", "INSERT INTO gated VALUES (11, 11)");
    let outcome = verify(&pair).args(["--lag-timeout=1", "-f", "postgres"]).run().expect_code(7);
    let outcome = outcome
        .expect_stderr("ERROR\tDatabase 'late': rows could not be compared: replication did not catch up within 1 s: ");
    outcome.expect_last_line("PGMigrateTimeoutError: replication did not catch up in time to verify: 'late'");
    gate.open();
    verify(&pair).run().expect_code(0).expect_stderr("Database 'late': verified: 2 tables, 21 rows; all equal");
}

#[test]
fn a_table_whose_inserts_alone_are_replicated_differs_for_a_reason() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE log (line text); INSERT INTO log VALUES ('a'), ('b'); CREATE TABLE t (id int PRIMARY KEY)",
    );
    let migrate = pair.migrate().args(["-f", "postgres", "--max-replication-lag=0", "--replica-identity=insert-only"]);
    migrate.run().expect_code(0);
    pair.source.sql("app", "INSERT INTO log VALUES ('c')");
    verify(&pair).run().expect_code(0);
    pair.source.sql("app", "DELETE FROM log WHERE line = 'a'");
    let reason = "of the source's changes only INSERTs are replicated (--replica-identity insert-only)";
    let outcome = verify(&pair).arg("--output=json").run().expect_code(6);
    let difference = &document(&outcome)["verification"]["databases"][0]["differences"][0];
    assert_eq!(difference["reason"], reason);
    outcome.expect_stderr(&format!("table public.log: 2 rows on the source and 3 on the target; {reason}"));
}
