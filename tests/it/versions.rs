//! Every pair of majors: `PG_SOURCE_VERSION` and `PG_TARGET_VERSION` choose, `scripts/matrix.sh` runs them all.

use crate::harness::cli::Run;
use crate::harness::cluster::{Cluster, Options};
use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;
use crate::harness::versions::{installed, newest_clients};

/// What a shop does in a moment: every kind of change, in tables of every kind.
const BUSINESS: &str = r#"
INSERT INTO shop.customers (email, name, joined) VALUES ('New@Example.com', 'Zoë', '2026-01-01');
INSERT INTO shop.orders (customer_id, status, placed_at) SELECT 1, 'new', timestamptz '2026-01-01Z' FROM generate_series(1, 20);
UPDATE shop.products SET attributes = attributes || '{"new": true}', picture = NULL WHERE sku < 'sku-15';
UPDATE shop.customers SET name = upper(name), tags = tags || 'seen=>yes' WHERE id % 2 = 0;
DELETE FROM shop.order_items WHERE order_id % 7 = 0;
UPDATE shop.stock SET units = units + 1 WHERE warehouse = 2;
INSERT INTO shop.events VALUES ('2025-03-03Z', 'click', '{}'), ('2024-03-03Z', 'view', NULL), ('2030-03-03Z', 'view', '[]');
INSERT INTO shop.page_views VALUES ('2026-01-01Z', '/new', '::1');
DELETE FROM shop.carts WHERE session < 'session-2';
TRUNCATE "Mixed Case"."Größe ""XL""";
SELECT nextval('shop.unused');
SELECT lo_from_bytea(4712, 'new');
REFRESH MATERIALIZED VIEW shop.y_revenue;
REFRESH MATERIALIZED VIEW shop.a_best_month;
"#;

#[test]
fn a_shop_moves_by_either_method() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 200);
    // Up to 14 the superuser owns this schema unless told otherwise, from 15 on whoever owns the database.
    pair.source.sql("shop", "SELECT lo_from_bytea(4711, 'large'); ALTER SCHEMA public OWNER TO shop_owner");

    let dumped = pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    assert!(dumped.stderr.contains("dbaname: 'shop', method: 'dump', status: 'done'"), "{dumped}");
    pair.assert_equal("shop");
    pair.assert_equal("postgres");
    pair.assert_nothing_left();

    pair.target.sql("postgres", "DROP DATABASE shop");
    let begun =
        pair.migrate().args(["--force-method", "replication", "--max-replication-lag", "0"]).run().expect_code(0);
    assert!(begun.stderr.contains("dbaname: 'shop', method: 'replication', status: 'running'"), "{begun}");
    pair.source.sql("shop", BUSINESS);
    let finished = pair.migrate().args(["--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    assert!(finished.stderr.contains("dbaname: 'shop', method: 'replication', status: 'done'"), "{finished}");
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}

#[test]
fn every_installed_major_is_understood_as_source_and_as_target() {
    let mut installations = installed();
    // The newest moves to its own major.
    installations.extend(installations.last().cloned());
    let servers: Vec<Cluster> = std::thread::scope(|scope| {
        let start = |installation| move || Cluster::start(&installation, &Options::default());
        let starting: Vec<_> = installations.into_iter().map(|installation| scope.spawn(start(installation))).collect();
        starting.into_iter().map(|server| server.join().expect("a server starts")).collect()
    });
    let clients = newest_clients();
    let pgbin = clients.to_str().expect("a directory with a plain name");
    for pair in servers.windows(2) {
        let [source, target] = pair else { unreachable!("windows of two") };
        // In a database of its own, so that the next target does not have it.
        create_shop(source, &format!("shop of {}", source.installation.major), 10);
        let uris = [source.uri("postgres"), target.uri("postgres")];
        let validate = Run::pg_migrate().args(["--validate", "-s", &uris[0], "-t", &uris[1], "--pgbin", pgbin]);
        let outcome = validate.run().expect_code(0);
        // Replication is possible between any two.
        assert!(!outcome.stderr.contains("method dump"), "{outcome}");
    }
}
