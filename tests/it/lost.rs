//! Sessions that somebody ends: work that can be done again is done again, and nothing is left half done.

use crate::harness::cli::Running;
use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

/// Whoever of the program waits for a lock.
const WAITING: &str =
    "FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate %' AND wait_event_type = 'Lock' AND pid <> ALL ($$";

/// Ends the session that waits for a lock, which must not be one of `ended`, and adds it there.
fn end_session(cluster: &Cluster, ended: &mut Vec<String>) {
    let waiting = format!("{WAITING}{{{}}}$$)", ended.join(","));
    cluster.wait_until("postgres", &format!("EXISTS (SELECT {waiting})"));
    let pid = cluster.value("postgres", &format!("SELECT pid {waiting}"));
    assert_eq!(cluster.value("postgres", &format!("SELECT pg_terminate_backend({pid})")), "t");
    ended.push(pid);
}

/// Waits until another session than those `ended` waits for a lock.
fn wait_for_another(cluster: &Cluster, ended: &[String]) {
    cluster.wait_until("postgres", &format!("EXISTS (SELECT {WAITING}{{{}}}$$))", ended.join(",")));
}

fn migrate(pair: &Pair) -> Running {
    pair.migrate().args(["--filtered-db", "postgres", "--force-method", "dump"]).spawn()
}

#[test]
fn a_role_whose_session_ends_is_created_whole_or_not_at_all() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'x'; ALTER ROLE app SET work_mem = '1MB'");
    pair.source.sql("postgres", "CREATE ROLE team; GRANT team TO app");
    let is_there = "SELECT count(*) FROM pg_roles WHERE rolname = 'app'";
    let is_whole = "SELECT rolconfig = '{work_mem=1MB}' FROM pg_roles WHERE rolname = 'app'";
    let is_member = "SELECT count(*) FROM pg_auth_members WHERE roleid = 'team'::regrole AND member = 'app'::regrole";

    let session = pair.target.session("postgres");
    session.sql("BEGIN; LOCK pg_db_role_setting IN SHARE MODE");
    let run = migrate(&pair);
    let mut ended = Vec::new();
    end_session(&pair.target, &mut ended);
    end_session(&pair.target, &mut ended);
    let outcome = run.wait().expect_code(1);
    session.sql("ROLLBACK");
    assert_eq!(outcome.last_line(), "PGMigrateError: 1 of 2 roles failed: 'app'", "{outcome}");
    assert_eq!(pair.target.value("postgres", is_there), "0");

    session.sql("BEGIN; LOCK pg_db_role_setting IN SHARE MODE");
    let run = migrate(&pair);
    end_session(&pair.target, &mut ended);
    wait_for_another(&pair.target, &ended);
    session.sql("ROLLBACK; BEGIN; LOCK pg_auth_members IN SHARE MODE");
    end_session(&pair.target, &mut ended);
    wait_for_another(&pair.target, &ended);
    session.sql("ROLLBACK");
    let outcome = run.wait().expect_code(0).expect_stderr("it is tried again in another session");
    assert_eq!(pair.target.value("postgres", is_whole), "t", "{outcome}");
    assert_eq!(pair.target.value("postgres", is_member), "1", "{outcome}");
}

#[test]
fn a_materialized_view_whose_session_ends_is_refreshed_in_another() {
    let Some(pair) = Pair::start() else { return };
    for database in ["once", "always"] {
        pair.source.create_database(database);
        pair.source.sql(
            database,
            "CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n;
             CREATE FUNCTION gate(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
             BEGIN
                 PERFORM pg_catalog.pg_advisory_lock_shared(1), pg_catalog.pg_advisory_unlock_shared(1);
                 RETURN n;
             END $$;
             CREATE MATERIALIZED VIEW seen AS SELECT public.gate(n) AS n FROM t",
        );
        pair.target.create_database(database);
    }
    let migrate_only = |database: &str| {
        let other = if database == "once" { "always" } else { "once" };
        pair.migrate().args(["--filtered-db", &format!("postgres,{other}"), "--force-method", "dump"]).spawn()
    };
    let mut ended = Vec::new();

    let gate = pair.target.session("once");
    gate.sql("SELECT pg_advisory_lock(1)");
    let run = migrate_only("once");
    end_session(&pair.target, &mut ended);
    wait_for_another(&pair.target, &ended);
    gate.sql("SELECT pg_advisory_unlock(1)");
    run.wait().expect_code(0).expect_stderr("refresh materialized view public.seen (in database");
    pair.assert_equal("once");

    let gate = pair.target.session("always");
    gate.sql("SELECT pg_advisory_lock(1)");
    let run = migrate_only("always");
    end_session(&pair.target, &mut ended);
    end_session(&pair.target, &mut ended);
    let outcome = run.wait().expect_code(1);
    assert!(outcome.stderr.contains("complete, but materialized view public.seen could not be refreshed"), "{outcome}");
    gate.sql("SELECT pg_advisory_unlock(1); REFRESH MATERIALIZED VIEW seen");
    pair.assert_equal("always");
    pair.assert_nothing_left();
}
