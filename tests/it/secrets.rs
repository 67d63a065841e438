//! Passwords: any may be used, and none is seen by anybody else on the machine or in any log.

#![cfg(target_os = "linux")]

use std::fs;

use pg_migrate::sql;
use pg_migrate::sql::{Ident, Literal};

use crate::harness::cluster::{Cluster, Options};
use crate::harness::gate::{Gate, create_gated};
use crate::harness::pair::Pair;

/// What the passwords have in common, and what is looked for.
const CORE: &str = "Xq9vT";

/// All that ends a value somewhere: in a URI, a connection string, a passfile, SQL, a shell.
fn password(side: &str) -> String {
    format!(r#"{side} '{CORE}" \%41\\$(id):@/?&#=ü, "#)
}

/// A superuser with a password, which the server's log does not see.
fn create_superuser(cluster: &Cluster, name: &str, side: &str) {
    let session = cluster.session("postgres");
    session.sql("SET log_statement = none; SET log_min_duration_statement = -1");
    session
        .sql(sql!("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}", Ident::new(name), Literal::new(password(side))).text());
}

/// Arguments and environment of every process of this machine.
fn processes() -> Vec<String> {
    let directories = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    let read =
        |path: std::path::PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).replace('\0', " ");
    directories.map(|path| format!("{} {}", read(path.join("cmdline")), read(path.join("environ")))).collect()
}

/// Fails the test if a process shows a password, or if none shows `running`.
fn assert_hidden_while(running: &str) {
    let processes = processes();
    assert!(processes.iter().any(|process| process.contains(running)), "{running} does not run");
    for process in processes {
        assert!(!process.contains(CORE), "{process}");
    }
}

fn start() -> Option<Pair> {
    let options = Options::default().tcp().setting("log_statement", "all").setting("log_min_duration_statement", "0");
    let pair = Pair::with(&options, &options)?;
    create_superuser(&pair.source, "mover", "source");
    create_superuser(&pair.target, "mover", "target");
    Some(pair)
}

/// That a session waits for a lock, in a database of its own.
const SOMEBODY_WAITS: &str = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')";

#[test]
fn no_process_shows_a_password_while_a_schema_is_dumped_and_restored() {
    let Some(pair) = start() else { return };
    pair.source
        .sql("postgres", "CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE FOREIGN DATA WRAPPER later");
    // pg_dump waits for this table, pg_restore for this wrapper; nothing before them does.
    let (source, target) = (pair.source.session("postgres"), pair.target.session("postgres"));
    source.sql("BEGIN; LOCK parts");
    target.sql("BEGIN; CREATE FOREIGN DATA WRAPPER later");
    let running = pair
        .program()
        .args(["-s", &pair.source.tcp_uri("mover", &password("source"), "postgres"), "--force-method", "dump"])
        .args(["--debug", "--verbose", "--output", "json"])
        .env("TARGET_SERVICE_URI", pair.target.tcp_uri("mover", &password("target"), "postgres"))
        .spawn();
    pair.source.wait_until("postgres", SOMEBODY_WAITS);
    assert_hidden_while("--schema-only");
    source.sql("ROLLBACK");
    pair.target.wait_until("postgres", SOMEBODY_WAITS);
    assert_hidden_while("--use-list");
    target.sql("ROLLBACK");
    let outcome = running.wait().expect_code(0);
    pair.assert_equal("postgres");
    assert!(!outcome.stderr.contains(CORE) && !outcome.stdout.contains(CORE), "{outcome}");
}

#[test]
fn no_log_shows_a_password_when_a_subscription_is_made() {
    let Some(pair) = start() else { return };
    pair.source.sql("postgres", "CREATE TABLE t AS SELECT 1 AS id; ALTER TABLE t ADD PRIMARY KEY (id)");
    let verifier = "SCRAM-SHA-256$4096:";
    create_superuser(&pair.source, "app", "app");
    let migrate = || {
        pair.program()
            .arg("-t")
            .arg(pair.target.tcp_uri("mover", &password("target"), "postgres"))
            .env("SOURCE_SERVICE_URI", pair.source.tcp_uri("mover", &password("source"), "postgres"))
            .args(["--debug", "--verbose", "--output", "json"])
    };
    let replicating = migrate().run().expect_code(0);
    pair.source.sql("postgres", "INSERT INTO t VALUES (2)");
    let finished = migrate().args(["--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    pair.assert_equal("postgres");
    pair.assert_nothing_left();
    assert_eq!(pair.target.value("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'app'"), "1");
    for outcome in [replicating, finished] {
        assert!(!outcome.stderr.contains(CORE) && !outcome.stdout.contains(CORE), "{outcome}");
    }
    for log in [pair.source.log(), pair.target.log()] {
        let seen: Vec<_> = log.lines().filter(|line| line.contains(CORE) || line.contains(verifier)).collect();
        assert!(seen.is_empty(), "{seen:?}");
    }
}

/// A run by a target user who may not switch the log off, what it says, and the two servers.
fn create_roles_on(target: &Options) -> Option<(String, Pair)> {
    let pair = Pair::with(&Options::default(), target)?;
    pair.source.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'x'; CREATE ROLE other NOINHERIT PASSWORD 'x'");
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    let target = pair.target.uri_as("mover", "postgres");
    let outcome =
        pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &target, "--force-method", "dump"]).run();
    let stored = "SELECT count(*) FROM pg_authid WHERE rolname IN ('app', 'other') AND rolpassword ~ '^SCRAM-SHA-256'";
    assert_eq!(pair.target.value("postgres", stored), "2", "{outcome}");
    Some((outcome.stderr, pair))
}

/// The same with a setting, and what the target then has in its log.
fn create_roles_with(setting: &str, value: &str) -> Option<(String, String)> {
    let (said, pair) = create_roles_on(&Options::default().setting(setting, value))?;
    Some((said, pair.target.log()))
}

#[test]
fn verifiers_stay_out_of_a_log_of_definitions_that_cannot_be_switched_off() {
    let Some((said, log)) = create_roles_with("log_statement", "ddl") else { return };
    assert!(log.contains("CREATE ROLE mover") && !log.contains("SCRAM-SHA-256"), "{log}");
    assert!(!said.contains("[passwords-logged]"), "{said}");
}

#[test]
fn a_log_that_will_show_verifiers_is_announced() {
    for (setting, value) in [("log_statement", "all"), ("log_min_duration_statement", "0")] {
        let Some((said, log)) = create_roles_with(setting, value) else { return };
        assert!(log.contains("SCRAM-SHA-256"), "{log}");
        let because = format!("because of {setting} = {value}, which user \"mover\" may not change");
        assert!(said.contains("[passwords-logged]") && said.contains(&because), "{said}");
    }
}

#[test]
fn statistics_that_will_show_verifiers_are_announced() {
    for (track, shown) in [("all", true), ("top", false)] {
        let target = Options::default().setting("shared_preload_libraries", "pg_stat_statements");
        let Some((said, pair)) = create_roles_on(&target.setting("pg_stat_statements.track", track)) else { return };
        let kept = "SELECT count(*) > 0 FROM pg_stat_statements WHERE query ~ 'SCRAM-SHA-256\\$4096'";
        pair.target.sql("postgres", "CREATE EXTENSION pg_stat_statements");
        assert_eq!(pair.target.value("postgres", kept), if shown { "t" } else { "f" }, "{said}");
        let announced = "its pg_stat_statements will show verifiers of roles' passwords, because of \
                         pg_stat_statements.track = all, which user \"mover\" may not change";
        assert_eq!(said.contains(announced), shown, "{said}");
    }
}

#[test]
fn files_of_a_killed_run_go_with_the_next_one_and_those_of_a_living_run_stay() {
    let Some(pair) = Pair::start() else { return };
    create_gated(&pair.source, "app", 10);
    let scratch = tempfile::tempdir().unwrap();
    let left = || fs::read_dir(scratch.path()).unwrap().count();
    let temporary = scratch.path().to_str().unwrap();
    let migrate = || pair.migrate().args(["-f", "postgres", "--force-method", "dump"]).env("TMPDIR", temporary);
    pair.target.create_database("app");
    let gate = Gate::Rows.close(&pair.target, "app");
    let run = migrate().spawn();
    gate.wait_for_somebody(&pair.target, "app");
    assert_eq!(left(), 1);
    drop(
        pair.program()
            .args(["cleanup", "-s", "host=nowhere.invalid", "-t", "host=nowhere.invalid"])
            .env("TMPDIR", temporary)
            .run(),
    );
    assert_eq!(left(), 1, "the run lives");
    run.signal("KILL");
    assert_eq!(run.wait_for_exit(), Some(9));
    assert_eq!(left(), 1);
    drop(gate);
    migrate().run().expect_code(0);
    assert_eq!(left(), 0);
}

#[test]
fn a_run_that_is_killed_while_pg_restore_is_at_work_has_no_file_elsewhere() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    // What may hold a password is left to pg_restore.
    pair.source.sql("app", "CREATE FOREIGN DATA WRAPPER wrapper; CREATE TABLE t AS SELECT 1 AS id");
    pair.target.create_database("app");
    let scratch = tempfile::tempdir().unwrap();
    let left = || fs::read_dir(scratch.path()).unwrap().count();
    let temporary = scratch.path().to_str().unwrap();
    let migrate = || pair.migrate().args(["-f", "postgres", "--force-method", "dump"]).env("TMPDIR", temporary);
    let holder = pair.target.session("app");
    holder.sql("BEGIN; CREATE FOREIGN DATA WRAPPER wrapper");
    let run = migrate().spawn();
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted)");
    run.signal("KILL");
    assert_eq!(run.wait_for_exit(), Some(9));
    assert_eq!(left(), 1, "the directory of the run");
    holder.sql("ROLLBACK");
    migrate().run().expect_code(0);
    assert_eq!(left(), 0);
}
