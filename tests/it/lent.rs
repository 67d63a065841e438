//! What is lent to owners while their objects are restored does not stay with them, whatever ends the run.

use crate::harness::cli::{Run, Running};
use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

/// Owner `app` may create nothing in the schemas of what it owns.
fn start() -> Option<Pair> {
    let pair = Pair::of(Versions::with_target_since(15)?, &Options::default(), &Options::default());
    pair.source.sql("postgres", "CREATE ROLE app; CREATE ROLE admin");
    pair.source.sql("postgres", "CREATE DATABASE app OWNER admin");
    pair.source.sql(
        "app",
        "CREATE SCHEMA closed AUTHORIZATION admin;
         CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE closed.t (id int PRIMARY KEY);
         CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION closed.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         ALTER TABLE public.t OWNER TO app; ALTER TABLE closed.t OWNER TO app;
         ALTER FUNCTION public.f OWNER TO app; ALTER FUNCTION closed.f OWNER TO app;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC",
    );
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    pair.target.sql("postgres", "CREATE DATABASE app OWNER mover");
    pair.target.sql("app", "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    Some(pair)
}

fn migrate(pair: &Pair) -> Run {
    let target = pair.target.uri_as("mover", "postgres");
    pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &target, "-f", "postgres", "--force-method", "dump"])
}

fn may_create(pair: &Pair) -> String {
    let may = "SELECT coalesce(bool_or(has_schema_privilege(r.oid, n.oid, 'CREATE')), false)
               FROM pg_namespace n, pg_roles r WHERE n.nspname IN ('public', 'closed') AND r.rolname = 'app'";
    pair.target.value("app", may)
}

/// Stops a run while its functions cannot be created, and owners of them have what they need.
fn stop(pair: &Pair, how: impl FnOnce(Running)) {
    let functions = pair.target.session("app");
    functions.sql("BEGIN; LOCK TABLE pg_catalog.pg_proc IN SHARE MODE");
    let run = migrate(pair).spawn();
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    assert_eq!(may_create(pair), "t");
    how(run);
    functions.sql("COMMIT");
}

#[test]
fn a_signal_takes_it_back() {
    let Some(pair) = start() else { return };
    stop(&pair, |run| {
        run.signal("TERM");
        run.wait().expect_code(143);
    });
    assert_eq!(may_create(&pair), "f");
}

#[test]
fn after_a_kill_cleanup_or_the_next_run_takes_it_back() {
    let Some(pair) = start() else { return };
    let kill = |run: Running| {
        run.signal("KILL");
        assert_eq!(run.wait_for_exit(), Some(9));
    };
    stop(&pair, kill);
    assert_eq!(may_create(&pair), "t");
    pair.program()
        .args(["cleanup", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri_as("mover", "postgres")])
        .run()
        .expect_code(0)
        .expect_stderr("'app': dropped CREATE on schema \"public\", lent to \"app\" on the target");
    assert_eq!(may_create(&pair), "f");
    pair.assert_nothing_left();

    pair.target.sql("postgres", "DROP DATABASE app");
    pair.target.sql("postgres", "CREATE DATABASE app OWNER mover");
    pair.target.sql("app", "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    stop(&pair, kill);
    assert_eq!(may_create(&pair), "t");
    migrate(&pair).run().expect_code(0);
    assert_eq!(may_create(&pair), "f");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}
