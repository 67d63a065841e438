//! A place where a migration stops until a test lets it go on: no test has to be quick to catch it in the act.

use super::cluster::Cluster;
use super::session::Session;

/// Where it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// When a row is written, by a copy or by replication.
    Rows = 1,
    /// When the index is built.
    Index = 2,
    /// When a materialized view is filled that a test has made of `gate(3, …)`.
    View = 3,
}

/// A closed gate; dropping it opens it.
#[must_use = "it opens when it is dropped"]
pub(crate) struct Closed {
    session: Session,
}

impl Gate {
    /// Closes it in `database`, which must be there.
    pub(crate) fn close(self, cluster: &Cluster, database: &str) -> Closed {
        let session = cluster.session(database);
        session.sql(&format!("SELECT pg_advisory_lock({})", self as i32));
        Closed { session }
    }
}

impl Closed {
    /// Waits until somebody stands before it.
    pub(crate) fn wait_for_somebody(&self, cluster: &Cluster, database: &str) {
        cluster.wait_until(database, "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)");
    }

    /// Opens it; whoever stood before it has gone on when this returns.
    pub(crate) fn open(self) {
        self.session.sql("SELECT pg_advisory_unlock_all()");
    }
}

/// Creates `database` with table `gated` of `rows` rows, which has both gates, and an ordinary table `plain`.
pub(crate) fn create_gated(cluster: &Cluster, database: &str, rows: u32) {
    cluster.create_database(database);
    cluster.sql(
        database,
        &format!(
            "CREATE FUNCTION gate(key int, value int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
             BEGIN
                 PERFORM pg_catalog.pg_advisory_lock_shared(key), pg_catalog.pg_advisory_unlock_shared(key);
                 RETURN value;
             END $$;
             CREATE TABLE gated (id int PRIMARY KEY, value int, CHECK (public.gate(1, id) = id));
             CREATE INDEX gated_index ON gated (public.gate(2, id));
             CREATE TABLE plain (id serial PRIMARY KEY, text text);
             INSERT INTO gated SELECT n, n FROM generate_series(1, {rows}) n;
             INSERT INTO plain (text) SELECT repeat('x', n % 100) FROM generate_series(1, {rows}) n"
        ),
    );
}
