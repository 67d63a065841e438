//! Databases to migrate.

use super::cluster::Cluster;

const SHOP: &str = include_str!("../fixtures/shop.sql");

/// Creates `database` with a web shop of about `orders` orders; see the file for what makes it awkward.
pub(crate) fn create_shop(cluster: &Cluster, database: &str, orders: u32) {
    cluster.create_database(database);
    let session = cluster.session(database);
    session.sql(&format!("SET shop.orders = {orders}"));
    session.sql(SHOP);
}
