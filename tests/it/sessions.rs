//! Sessions that a migration opens: each costs its server a process.

use crate::harness::cluster::{Cluster, Options};
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

/// Tables, indexes, a foreign key, a sequence, and what a database has as a whole.
const SMALL: &str = "
CREATE TABLE parent (id serial PRIMARY KEY, pad text);
INSERT INTO parent (pad) SELECT repeat('x', 100) FROM generate_series(1, 100);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
INSERT INTO child SELECT i, i FROM generate_series(1, 100) i;
CREATE INDEX ON child (parent);
ALTER DATABASE app SET work_mem = '5MB';
ALTER DATABASE app CONNECTION LIMIT 50";

/// Sessions in database `app` since the server was started.
fn sessions(cluster: &Cluster) -> usize {
    let log = cluster.log();
    log.lines().filter(|line| line.contains("connection authorized: ") && line.contains(" database=app")).count()
}

#[test]
fn steps_of_a_database_share_sessions() {
    let Some(versions) = Versions::chosen() else { return };
    let options = Options::default().setting("log_connections", "on");
    let pair = Pair::of(versions, &options, &options);
    pair.source.create_database("app");
    pair.source.sql("app", SMALL);
    let before = sessions(&pair.source);
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    // Questions, the lock, the snapshot, pg_dump, and one worker for what little there is to copy, or another that is quicker
    // when the first has done a part.
    assert!(sessions(&pair.source) - before <= 6, "{}{outcome}", pair.source.log());
    // The lock, definitions, a copy worker, and index builds at the same time.
    assert!(sessions(&pair.target) <= 6, "{}{outcome}", pair.target.log());
    pair.assert_equal("app");
}

#[test]
fn a_session_that_ends_while_it_is_kept_is_replaced() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", SMALL);
    // What is kept then is not used any more until the connection limit is set. The session that ends the journal next is
    // not one of those.
    pair.source.sql(
        "app",
        "CREATE FUNCTION alone(n int) RETURNS int LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
             WHERE application_name LIKE 'pg_migrate %' AND datname = pg_catalog.current_database() AND state = 'idle'
             AND query NOT LIKE '%set complete%';
             RETURN n;
         END $$;
         CREATE MATERIALIZED VIEW last AS SELECT public.alone(1) AS n",
    );
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    assert!(!outcome.stderr.contains("it is tried again"), "{outcome}");
    assert_eq!(
        pair.target.value("postgres", "SELECT datconnlimit FROM pg_database WHERE datname = 'app'"),
        "50",
        "{outcome}"
    );
    pair.assert_equal("app");
    pair.assert_nothing_left();
}
