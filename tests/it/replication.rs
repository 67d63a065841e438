//! Replication from the first run to the finish.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::harness::cli::FINISH;
use crate::harness::cluster::Options;
use crate::harness::fixture::create_shop;
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;
use crate::harness::session::Session;
use crate::harness::versions::Versions;

/// What an application does all day, one step at a time.
fn work(shop: &Session, step: u32) {
    shop.sql(&format!(
        "INSERT INTO shop.customers (email, name, joined) VALUES ('new-{step}@example.com', 'New', '2025-01-01');
         BEGIN;
         INSERT INTO shop.orders (customer_id, status, placed_at) VALUES (1 + {step} % 10, 'new', '2025-02-02Z');
         INSERT INTO shop.order_items VALUES (currval('shop.orders_id_seq'), 1, 'sku-{item}', 1, 9.99);
         COMMIT;
         UPDATE shop.orders SET status = 'paid', note = repeat('n', {step}) WHERE id = 1 + {step} * 7 % 500;
         UPDATE shop.stock SET units = units - 1 WHERE sku = 'sku-{item}';
         DELETE FROM shop.orders WHERE id = 500 + {step};
         DELETE FROM shop.events WHERE at = timestamptz '2024-06-01Z' + {step} * interval '1 day';
         UPDATE shop.page_views SET path = '/seen/{step}' WHERE path = '/orders/{step}';
         INSERT INTO shop.page_views VALUES ('2025-03-03Z', '/new', '::1');
         INSERT INTO shop.carts VALUES ('cart-{step}', '{{}}')",
        item = 1 + step % 200,
    ));
}

#[test]
fn writers_go_on_during_the_migration_and_the_finish_is_exact() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 1500);
    pair.source.sql("shop", "SELECT lo_from_bytea(4711, 'before')");
    let migrate = || pair.migrate().args(["--filtered-db=postgres"]);
    let (stop, steps) = (AtomicBool::new(false), AtomicU32::new(0));
    let (begun, ended) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let session = pair.source.session("shop");
            while !stop.load(Ordering::Relaxed) {
                work(&session, steps.fetch_add(1, Ordering::Relaxed));
            }
        });
        let run = migrate().spawn();
        run.wait_for_line("Database 'shop': copying rows");
        let begun = steps.load(Ordering::Relaxed);
        let outcome = run.wait();
        let ended = steps.load(Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        let outcome = outcome.expect_code(0);
        assert!(
            outcome.stderr.contains(
                "dbaname: 'shop', method: 'replication', status: 'running', message: 'created and migrated database'"
            ),
            "{outcome}"
        );
        (begun, ended)
    });
    assert!(ended > begun, "nothing was written during the copy");

    // Tables without replica identity can be written to while replication runs, and large objects, too.
    pair.source.sql(
        "shop",
        "UPDATE shop.page_views SET client = '::2' WHERE path = '/new';
         SELECT lo_put(4711, 0, 'AFTER'), lo_from_bytea(4712, 'another');
         SELECT nextval('shop.unused')",
    );
    let orders = pair.source.value("shop", "SELECT sum(id) FROM shop.orders");
    pair.target.wait_until("shop", &format!("(SELECT sum(id) = {orders} FROM shop.orders)"));

    // A run without options says that replication runs, and changes nothing; so does one that only waits.
    for options in [&[][..], &["--max-replication-lag=1000000"], &["--max-replication-lag=0"]] {
        let outcome = migrate().args(options).run().expect_code(0);
        let line =
            "dbaname: 'shop', method: 'replication', status: 'running', message: 'migrated to existing database'";
        assert!(outcome.stderr.contains(line), "{outcome}");
        assert_eq!(pair.leftovers().len(), 5, "{outcome}");
    }

    let outcome = migrate().args(FINISH).run().expect_code(0);
    assert!(outcome.stderr.contains("dbaname: 'shop', method: 'replication', status: 'done'"), "{outcome}");
    // A migration fills the target's anew.
    pair.source.sql("shop", "REFRESH MATERIALIZED VIEW shop.y_revenue; REFRESH MATERIALIZED VIEW shop.a_best_month");
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}

#[test]
fn databases_of_any_name_replicate_beside_each_other() {
    let Some(pair) = Pair::start() else { return };
    let long = "x".repeat(63);
    let names = ["My-DB", "my_db", "my-db", "datenbank ü 日本", "a\"quote'", &long];
    for (number, name) in names.into_iter().enumerate() {
        pair.source.create_database(name);
        pair.source.sql(
            name,
            &format!("CREATE TABLE t (i serial PRIMARY KEY); INSERT INTO t VALUES ({number}, DEFAULT)")
                .replace(", DEFAULT", ""),
        );
    }
    for mangle in [&[][..], &["--mangle"]] {
        let migrate = || pair.migrate().arg("--filtered-db=postgres").args(mangle);
        migrate().run().expect_code(0);
        let slots = pair
            .source
            .value("postgres", "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'aiven_db_migrate_%'");
        assert_eq!(slots, names.len().to_string());
        for name in names {
            pair.source.sql(name, "INSERT INTO t SELECT max(i) + 100 FROM t");
        }
        migrate().args(FINISH).run().expect_code(0);
        pair.assert_nothing_left();
        for name in names {
            pair.assert_equal(name);
            pair.target.sql(
                "postgres",
                &format!("DROP DATABASE {}", pg_migrate::sql::render(&pg_migrate::sql::Ident::new(name))),
            );
        }
    }
}

#[test]
fn one_run_to_the_finish_subscribes_to_a_database_only_if_something_was_written_to_it() {
    let Some(pair) = Pair::start() else { return };
    // Before the slot is first looked into, and between the first and the last look.
    for (database, gate, others) in [("early", Gate::Index, "postgres"), ("late", Gate::View, "postgres,early")] {
        create_gated(&pair.source, database, 10);
        pair.source
            .sql(database, "CREATE MATERIALIZED VIEW gated_view AS SELECT public.gate(3, 1), max(id) FROM gated");
        pair.target.create_database(database);
        let closed = gate.close(&pair.target, database);
        let run = pair.migrate().args(["-f", others, "--debug"]).args(FINISH).spawn();
        closed.wait_for_somebody(&pair.target, database);
        assert_eq!(pair.target.value(database, "SELECT count(*) FROM pg_subscription"), "0");
        pair.source.sql(database, "INSERT INTO gated VALUES (11, 11); UPDATE plain SET text = 'new' WHERE id = 1");
        closed.open();
        let outcome = run.wait().expect_code(0).expect_stderr("alter subscription");
        let line = format!("dbaname: '{database}', method: 'replication', status: 'done'");
        assert!(outcome.stderr.contains(&line), "{outcome}");
        pair.source.sql(database, "REFRESH MATERIALIZED VIEW gated_view");
        pair.assert_equal(database);
    }
    for name in ["rest", "At \"Rest\""] {
        create_gated(&pair.source, name, 100);
        pair.source.sql(name, "CREATE TABLE empty (id serial PRIMARY KEY); SELECT nextval('empty_id_seq')");
    }
    let outcome = pair.migrate().args(["-f", "postgres,early,late", "--debug"]).args(FINISH).run().expect_code(0);
    assert!(!outcome.stderr.contains("alter subscription"), "{outcome}");
    pair.assert_equal("rest");
    pair.assert_equal("At \"Rest\"");
    pair.assert_nothing_left();
}

/// Whole rows that no subscriber can compare, and keys with a column that no publication carries.
const UNUSABLE: &str = "
CREATE DOMAIN documents AS json[];
CREATE TABLE papers (all_of documents);
CREATE TABLE places (at point, n int GENERATED ALWAYS AS (1) STORED);
CREATE TABLE sums (a int, total int GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY);
CREATE TABLE totals (a int, total int GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY);
CREATE TABLE kept (id int PRIMARY KEY, doc json, at varchar(9));
ALTER TABLE papers REPLICA IDENTITY FULL;
ALTER TABLE places REPLICA IDENTITY FULL;
ALTER TABLE totals REPLICA IDENTITY FULL;
ALTER TABLE kept REPLICA IDENTITY FULL;
INSERT INTO papers VALUES (ARRAY['{}'::json]);
INSERT INTO places VALUES ('(1, 2)');
INSERT INTO sums VALUES (1);
INSERT INTO totals VALUES (1);
INSERT INTO kept VALUES (1, '{}', 'x')";

#[test]
fn tables_whose_replica_identity_does_not_serve_are_copied_once_more() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", UNUSABLE);
    pair.source.sql("postgres", "ALTER DATABASE app CONNECTION LIMIT 5");
    let limit = || pair.target.value("postgres", "SELECT datconnlimit FROM pg_database WHERE datname = 'app'");
    let migrate = || pair.migrate().arg("--filtered-db=postgres");
    let outcome = migrate().run().expect_code(0);
    for (table, check) in
        [("papers", "incomparable-rows"), ("sums", "generated-identity"), ("totals", "generated-identity")]
    {
        let finding =
            format!("[{check}] fix: source database \"app\": CREATE UNIQUE INDEX … ON \"public\".\"{table}\"");
        assert!(outcome.stderr.contains(&finding), "{finding} is not in:\n{outcome}");
    }
    assert!(!outcome.stderr.contains("public.kept"), "{outcome}");
    pair.source.sql(
        "app",
        "UPDATE papers SET all_of = '{}'; DELETE FROM places; UPDATE sums SET a = 7; UPDATE totals SET a = 7; UPDATE kept SET at = 'y'",
    );
    assert_eq!(limit(), "-1", "it would count our own sessions");
    migrate().args(FINISH).run().expect_code(0);
    assert_eq!(limit(), "5");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

/// Up to 15 a target starts no worker for as long as `wal_retrieve_retry_interval` says after it has started others.
#[test]
fn a_database_whose_subscription_does_not_start_keeps_no_other_from_being_copied() {
    let Some(versions) = Versions::of_majors(15, 15) else { return };
    let slow = Options::default().setting("wal_retrieve_retry_interval", "1h");
    let pair = Pair::of(versions, &Options::default(), &slow);
    let databases: Vec<_> = (1..=8).map(|number| format!("d{number}")).collect();
    for name in &databases {
        pair.source.create_database(name);
        pair.source.sql(name, "CREATE TABLE t (id int PRIMARY KEY)");
    }
    let run = pair.migrate().arg("--filtered-db=postgres").spawn();
    let subscribed = format!("(SELECT count(*) = {} FROM pg_subscription WHERE subenabled)", databases.len());
    pair.target.wait_until("postgres", &subscribed);
    run.signal("INT");
    run.wait().expect_code(130);
}

#[test]
fn many_databases_fit_through_few_connections() {
    let few = Options::default().setting("max_connections", "12");
    let Some(pair) = Pair::with(&Options::default(), &few) else { return };
    let databases: Vec<_> = (1..=7).map(|n| format!("app{n}")).collect();
    for database in &databases {
        create_shop(&pair.source, database, 20);
    }
    pair.migrate().args(["--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    for database in &databases {
        pair.assert_equal(database);
    }
    pair.assert_nothing_left();
}
