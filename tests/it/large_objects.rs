//! Large objects arrive with their bytes, owners, privileges and comments; at the finish only those that changed do once more.

use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

const FINISH: [&str; 2] = ["--max-replication-lag=0", "--stop-replication"];

/// More than one session's share, of every size and kind.
fn create(source: &Cluster) {
    source.sql("postgres", r#"CREATE ROLE "Lo ""Owner"""; CREATE ROLE reader; CREATE ROLE writer"#);
    source.create_database("app");
    source.sql("app", r#"GRANT CREATE ON SCHEMA public TO "Lo ""Owner""""#);
    source.sql(
        "app",
        r#"CREATE TABLE documents (id int PRIMARY KEY, content oid);
        SELECT lo_from_bytea(100000 + n, convert_to(repeat('x', n), 'UTF8')) FROM generate_series(0, 400) n;
        SELECT lo_from_bytea(200001, convert_to(repeat('0123456789abcdef', 700000), 'UTF8'));
        SELECT lo_from_bytea(200002, convert_to(repeat('a', 65536), 'UTF8'));
        SELECT lo_from_bytea(200003, convert_to(repeat('b', 65537), 'UTF8'));
        SELECT lo_from_bytea(200004, 'start'), lo_put(200004, 9000000, 'end');
        SELECT lo_create(4294967295);
        ALTER LARGE OBJECT 100001 OWNER TO "Lo ""Owner""";
        GRANT SELECT ON LARGE OBJECT 100001 TO reader WITH GRANT OPTION;
        GRANT UPDATE ON LARGE OBJECT 100002 TO writer;
        GRANT SELECT ON LARGE OBJECT 100003 TO PUBLIC;
        ALTER LARGE OBJECT 100004 OWNER TO "Lo ""Owner""";
        REVOKE UPDATE ON LARGE OBJECT 100004 FROM "Lo ""Owner""";
        COMMENT ON LARGE OBJECT 100005 IS 'it''s "large"';
        INSERT INTO documents VALUES (1, 100001), (2, 200001)"#,
    );
}

#[test]
fn a_dump_carries_them_whole() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    let outcome = pair.migrate().args(["-f", "postgres", "--force-method", "dump", "--jobs", "3"]).run().expect_code(0);
    assert!(outcome.stderr.contains("406 of 406 large objects copied"), "{outcome}");
    assert_eq!(pair.target.value("app", "SELECT length(lo_get(200004))::text"), "9000003");
    pair.assert_equal("app");
}

#[test]
fn replication_carries_them_at_once_and_at_the_finish_those_that_changed() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    let migrate = || pair.migrate().args(["-f", "postgres", "--jobs", "2"]);
    migrate().run().expect_code(0);
    pair.assert_equal("app");

    pair.source.sql(
        "app",
        r#"SELECT lo_put(200001, 5000000, 'CHANGED'), lo_put(100400, 0, 'y');
        SELECT lo_unlink(100399), lo_unlink(200002);
        SELECT lo_from_bytea(300001, 'new');
        GRANT SELECT ON LARGE OBJECT 100010 TO reader;
        REVOKE UPDATE ON LARGE OBJECT 100002 FROM writer; GRANT SELECT ON LARGE OBJECT 100002 TO reader;
        COMMENT ON LARGE OBJECT 100005 IS NULL;
        COMMENT ON LARGE OBJECT 100011 IS 'said later';
        ALTER LARGE OBJECT 100012 OWNER TO "Lo ""Owner"""; SELECT 1"#,
    );
    let outcome = migrate().args(FINISH).run().expect_code(0);
    assert!(outcome.stderr.contains("8 of 405 large objects copied, 2 removed"), "{outcome}");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn the_first_large_object_of_a_database_may_come_while_it_replicates() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", "CREATE TABLE t (id int PRIMARY KEY)");
    let migrate = || pair.migrate().args(["-f", "postgres"]);
    migrate().run().expect_code(0);
    pair.source.sql("app", "SELECT lo_from_bytea(4711, 'first')");
    migrate().args(FINISH).run().expect_code(0);
    pair.assert_equal("app");
}

#[test]
fn a_run_after_one_that_was_killed_leaves_none_twice_and_none_behind() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    pair.target.create_database("app");
    // The last chunk waits for this one.
    let other = pair.target.session("app");
    other.sql("BEGIN; SELECT lo_create(4294967295)");
    let migrate = || pair.migrate().args(["-f", "postgres", "--force-method", "dump", "--jobs", "1"]);
    let run = migrate().spawn();
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = 100200)");
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    run.signal("KILL");
    run.wait_for_exit();
    other.sql("ROLLBACK");
    pair.source.sql("app", "SELECT lo_unlink(100001)");
    let outcome = migrate().run().expect_code(0);
    assert!(!outcome.stderr.contains("405 of 405"), "what was there is not copied again: {outcome}");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}
