//! Large objects: what no replication carries.

use crate::harness::cli::FINISH;
use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

/// Which transaction of the target made each object.
fn made_by(cluster: &Cluster) -> Vec<(u32, String)> {
    let rows = cluster.sql("app", "SELECT oid, xmin FROM pg_largeobject_metadata ORDER BY oid");
    rows.into_iter()
        .map(|row| {
            let mut values = row.into_iter().flatten();
            let oid = values.next().and_then(|oid| oid.parse().ok()).expect("an OID");
            (oid, values.next().expect("a transaction"))
        })
        .collect()
}

const OBJECTS: &str = "
CREATE ROLE app; CREATE ROLE \"Rea der\"; CREATE ROLE third;
CREATE TABLE t (id int PRIMARY KEY);
SELECT lo_from_bytea(1000 + n, convert_to(repeat('ü' || n, n), 'UTF8')) FROM generate_series(1, 1200) n;
SELECT lo_from_bytea(5001, decode(repeat('00ff10', 3000000), 'hex')), lo_create(5002);
ALTER LARGE OBJECT 5001 OWNER TO app;
GRANT SELECT ON LARGE OBJECT 5001 TO \"Rea der\" WITH GRANT OPTION;
SET ROLE \"Rea der\"; GRANT SELECT ON LARGE OBJECT 5001 TO third; RESET ROLE;
REVOKE UPDATE ON LARGE OBJECT 5001 FROM app;
COMMENT ON LARGE OBJECT 5002 IS E'it''s\\n\"empty\" \\\\';
SELECT lo_from_bytea(5003, 'replaced'), lo_from_bytea(5004, 'removed'), lo_from_bytea(5005, 'given away'), lo_from_bytea(5006, 'grows')";

#[test]
fn only_what_has_changed_since_the_snapshot_is_copied_at_the_finish() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", OBJECTS);
    let migrate = || pair.migrate().arg("--filtered-db=postgres");
    let outcome = migrate().run().expect_code(0);
    assert!(outcome.stderr.contains("large objects: 1206 copied"), "{outcome}");
    pair.assert_equal("app");

    let before = made_by(&pair.target);
    pair.source.sql(
        "app",
        "SELECT lo_put(5003, 0, 'REPLACED'), lo_unlink(5004), lo_put(5006, 5000, 'grown'), lo_from_bytea(9, 'new'),
                lo_from_bytea(4294967295, 'last');
         ALTER LARGE OBJECT 5005 OWNER TO app; GRANT ALL ON LARGE OBJECT 5005 TO PUBLIC;
         REVOKE SELECT ON LARGE OBJECT 5001 FROM \"Rea der\" CASCADE;
         COMMENT ON LARGE OBJECT 5002 IS NULL",
    );
    let outcome = migrate().args(FINISH).run().expect_code(0);
    assert!(outcome.stderr.contains("large objects: 4 copied, 1 removed, 1203 left as they were"), "{outcome}");
    pair.assert_equal("app");
    pair.assert_nothing_left();
    let after = made_by(&pair.target);
    let touched: Vec<u32> = after.iter().filter(|object| !before.contains(object)).map(|(oid, _)| *oid).collect();
    assert_eq!(touched, [9, 5001, 5003, 5005, 5006, 4294967295]);
}

#[test]
fn objects_that_come_or_go_while_replication_runs_are_noticed() {
    let Some(pair) = Pair::start() else { return };
    for database in ["app", "emptied"] {
        pair.source.create_database(database);
        pair.source.sql(database, "CREATE TABLE t (id int PRIMARY KEY)");
    }
    pair.source.sql("emptied", "SELECT lo_create(n) FROM generate_series(20001, 21500) n");
    let migrate = || pair.migrate().arg("--filtered-db=postgres");
    migrate().run().expect_code(0);
    pair.assert_equal("emptied");
    pair.source.sql("app", "SELECT lo_from_bytea(4711, 'new')");
    pair.source.sql("emptied", "SELECT lo_unlink(n) FROM generate_series(20001, 20750) n");
    pair.source.sql("emptied", "SELECT lo_unlink(n) FROM generate_series(20751, 21500) n");
    migrate().args(FINISH).run().expect_code(0);
    pair.assert_equal("app");
    pair.assert_equal("emptied");
    pair.assert_nothing_left();
}

#[test]
fn a_run_that_was_killed_among_large_objects_is_made_up_for_by_the_next() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY);
         SELECT lo_from_bytea(n, 'small') FROM generate_series(1001, 2500) n;
         SELECT lo_from_bytea(3001, decode(repeat('00ff10', 300000), 'hex'))",
    );
    for method in ["dump", "replication"] {
        pair.target.create_database("app");
        let migrate = || pair.migrate().args(["--filtered-db=postgres", "--force-method", method]).args(FINISH);
        // It cannot write the page that this one is about to write.
        let gate = pair.target.session("app");
        gate.sql("BEGIN; SELECT lo_create(2400)");
        let run = migrate().spawn();
        // Another share is there already.
        pair.target.wait_until("app", "(SELECT count(*) >= 500 FROM pg_largeobject_metadata)");
        pair.target.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
        run.signal("KILL");
        assert_eq!(run.wait_for_exit(), Some(9));
        drop(gate);
        migrate().run().expect_code(0);
        pair.assert_equal("app");
        pair.assert_nothing_left();
        pair.target.wait_until("postgres", "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'app')");
        pair.target.sql("postgres", "DROP DATABASE app");
    }
}

#[test]
fn holes_stay_holes() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "SELECT lo_from_bytea(1, 'start'), lo_put(1, 900000000, 'end'), lo_create(2);
         SELECT lo_truncate64(lo_open(2, 131072), 300000000), lo_from_bytea(3, decode(repeat('00', 5000), 'hex'))",
    );
    pair.migrate().args(["--filtered-db=postgres", "--force-method=dump"]).run().expect_code(0);
    let pages = |cluster: &Cluster| cluster.value("app", "SELECT count(*) FROM pg_largeobject");
    let sizes = |cluster: &Cluster| {
        cluster.value("app", "SELECT string_agg(lo_lseek64(lo_open(oid, 262144), 0, 2)::text, ' ' ORDER BY oid) FROM pg_largeobject_metadata")
    };
    assert_eq!((pages(&pair.source), pages(&pair.target)), ("6".to_owned(), "4".to_owned()));
    assert_eq!(sizes(&pair.target), "900000003 300000000 5000");
    assert_eq!(pair.target.value("app", "SELECT lo_get(1, 899999998, 9)"), r"\x0000656e64");
}

#[test]
fn without_superuser_rights_objects_arrive_and_what_is_refused_is_left_to_an_administrator() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE ROLE grantor; CREATE ROLE reader; GRANT reader TO grantor;
         SELECT lo_from_bytea(n, 'x') FROM generate_series(101, 103) n;
         GRANT SELECT ON LARGE OBJECT 101 TO grantor WITH GRANT OPTION;
         GRANT UPDATE ON LARGE OBJECT 102 TO reader; COMMENT ON LARGE OBJECT 103 IS 'a comment';
         SET ROLE grantor; GRANT SELECT ON LARGE OBJECT 101 TO reader",
    );
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB; CREATE ROLE reader; CREATE ROLE grantor");
    let to = pair.target.uri_as("mover", "postgres");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("admin.sql");
    let file = file.to_str().expect("a plain path");
    let options = ["--force-method=dump", "--filtered-db=postgres", "--no-owner", "--admin-sql", file];
    let run = pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &to]).args(options).run();
    let outcome = run.expect_code(0);
    let left = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    assert!(
        left.contains("set role \"grantor\"; grant select on large object 101 to \"reader\"; reset role"),
        "{left}\n{outcome}"
    );
    let found = pair.target.value(
        "app",
        "SELECT string_agg(concat_ws(' ', oid, lomowner::regrole, lomacl, obj_description(oid, 'pg_largeobject')), '; ' ORDER BY oid)
         FROM pg_largeobject_metadata",
    );
    assert_eq!(
        found,
        "101 mover {mover=rw/mover,grantor=r*/mover}; 102 mover {mover=rw/mover,reader=w/mover}; 103 mover a comment"
    );
}
