//! Reaching a server, and what is said when it cannot be reached.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use crate::harness::catalogs::catalogs;
use crate::harness::cli::{Outcome, Run};
use crate::harness::cluster::{Options, SUPERUSER_PASSWORD};
use crate::harness::pair::Pair;

/// Long enough for a busy machine, and far below any limit that a server or the program has of its own.
const AT_ONCE: Duration = Duration::from_secs(30);

/// A pair whose source listens on TCP.
fn pair() -> Option<Pair> {
    Pair::with(&Options::default().tcp(), &Options::default())
}

/// Fails the test unless the run ended because `side` could not be connected to, with `words` and without a password.
fn expect_unreachable(outcome: Outcome, side: &str, words: &str) {
    let outcome = outcome.expect_code(4).expect_silence_about(SUPERUSER_PASSWORD).expect_silence_about("hunter2");
    let start = format!("PGMigrateValidationFailedError: Cannot connect to the {side}: ");
    let last = outcome.last_line();
    assert!(last.starts_with(&start) && last.contains(words), "{words:?} is not in the last line of:\n{outcome}");
}

#[test]
fn a_server_that_refuses_us_is_quoted_at_once() {
    let Some(pair) = pair() else { return };
    let before = catalogs(&pair);
    let run =
        |source: &str, target: &str| pair.program().args(["-s", source, "-t", target, "--debug"]).limit(AT_ONCE).run();
    let target = pair.target.uri("postgres");
    let port = pair.source.port();
    for (source, words) in [
        (
            pair.source.tcp_uri("postgres", "hunter2", "postgres"),
            r#"password authentication failed for user "postgres" [SQLSTATE 28P01]"#,
        ),
        (pair.source.uri("no such"), r#"database "no such" does not exist [SQLSTATE 3D000]"#),
        (pair.source.uri_as("nobody", "postgres"), r#"role "nobody" does not exist [SQLSTATE 28000]"#),
        (format!("postgresql://u:hunter2@nowhere.invalid:{port}/postgres"), "nowhere.invalid"),
        ("postgresql://u:hunter2@127.0.0.1:9/postgres".to_owned(), "127.0.0.1:9: "),
        ("host=/nonexistent user=u password=hunter2".to_owned(), "/nonexistent"),
        (format!("host=127.0.0.1 port={port} user=postgres"), "password"),
    ] {
        expect_unreachable(run(&source, &target), "source", words);
    }
    expect_unreachable(
        run(&pair.source.uri("postgres"), &pair.target.uri("gone")),
        "target",
        r#""gone" does not exist"#,
    );
    assert!(catalogs(&pair) == before);
}

#[test]
fn a_server_that_never_answers_is_given_up_on_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let server = format!("postgresql://u:hunter2@127.0.0.1:{port}/db");
    let start = || Run::pg_migrate().args(["-s", &server, "-t", &server]).limit(AT_ONCE);
    let by_variable = start().env("PGCONNECT_TIMEOUT", "2").spawn();
    let with_timeout = format!("{server}?connect_timeout=2");
    let by_parameter = Run::pg_migrate().args(["-s", &with_timeout, "-t", &with_timeout]).limit(AT_ONCE).run();
    for outcome in [by_parameter, by_variable.wait()] {
        expect_unreachable(outcome, "source", &format!("127.0.0.1:{port}: timeout expired: no connection within 2 s"));
    }
}

#[test]
fn the_first_of_several_hosts_that_fits_is_used() {
    let Some(pair) = pair() else { return };
    let (port, sockets) = (pair.source.port(), pair.source.socket_directory().display());
    let (standby_port, standby) = (pair.target.port(), pair.target.socket_directory().display());
    let target = pair.target.uri("postgres");
    pair.source.sql("postgres", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)");
    let dead_first = format!("host=127.0.0.1,{sockets} port=9,{port} user=postgres dbname=postgres");
    let finish = ["--max-replication-lag", "0", "--stop-replication"];
    pair.program().args(["-s", &dead_first, "-t", &target]).args(finish).run().expect_code(0);
    pair.assert_equal("postgres");
    pair.assert_nothing_left();

    let validate =
        |source: &str, target: &str| pair.program().args(["-s", source, "-t", target, "--validate", "--append"]).run();
    pair.target.become_standby();
    let hosts = format!("host={standby},{sockets} port={standby_port},{port} user=postgres dbname=postgres");
    // The same list for both: they differ in what they ask for.
    let (primary, replica) =
        (format!("{hosts} target_session_attrs=read-write"), format!("{hosts} target_session_attrs=standby"));
    validate(&primary, &replica)
        .expect_code(3)
        .expect_last_line("PGMigrateValidationFailedError: The target is a standby and cannot be written");
    let only_standby = format!("host={standby} port={standby_port} user=postgres target_session_attrs=primary");
    let outcome = validate(&only_standby, &target);
    expect_unreachable(outcome, "source", "server is in hot standby mode");
}

#[test]
fn passwords_come_from_the_passfile_and_the_environment() {
    let Some(pair) = pair() else { return };
    let port = pair.source.port();
    let source = format!("postgresql://postgres@127.0.0.1:{port}/postgres");
    let target = pair.target.uri("postgres");
    let home = tempfile::tempdir().unwrap();
    let escaped = SUPERUSER_PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    let (named, usual) = (home.path().join("passwords"), home.path().join(".pgpass"));
    write_private(&named, &format!("127.0.0.1:{port}:*:postgres:{escaped}\n")).unwrap();
    let finish = ["--max-replication-lag", "0", "--stop-replication"];
    let run = |source: &str, more: &[&str]| {
        let run = pair.program().args(["-s", source, "-t", &target]).args(more);
        run.env("HOME", home.path())
    };
    let by_parameter = format!("{source}?passfile={}", named.display());
    let migrated = run(&by_parameter, &["--debug"]).args(finish).run().expect_code(0);
    let migrated = migrated.expect_silence_about(SUPERUSER_PASSWORD).expect_silence_about(&escaped);
    assert!(migrated.stderr.contains("method: 'replication', status: 'done'"), "{migrated}");

    let validate = ["--validate", "--append"];
    run(&source, &validate).env("PGPASSFILE", &named).run().expect_code(0);
    run(&source, &validate).env("PGPASSWORD", SUPERUSER_PASSWORD).run().expect_code(0);
    pair.program()
        .args(["-t", &target])
        .args(validate)
        .env("SOURCE_SERVICE_URI", "host=/nonexistent")
        .run()
        .expect_code(4);
    fs::rename(&named, &usual).unwrap();
    run(&source, &validate).run().expect_code(0);
    expect_unreachable(run(&source, &validate).env("PGPASSWORD", "hunter2").run(), "source", "[SQLSTATE 28P01]");
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[test]
fn addresses_of_ipv6_are_understood() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let hba = "local all all trust\nhost all all ::1/128 scram-sha-256\n";
    let Some(pair) = Pair::with(&Options::default().tcp().hba(hba), &Options::default()) else { return };
    pair.source.sql("postgres", "ALTER SYSTEM SET listen_addresses = '::1'");
    pair.source.restart();
    let port = pair.source.port();
    for source in
        [format!("postgresql://postgres@[::1]:{port}/postgres"), format!("host=::1 port={port} user=postgres")]
    {
        let run = pair.program().args(["-s", &source, "-t", &pair.target.uri("postgres"), "--validate"]);
        run.env("PGPASSWORD", SUPERUSER_PASSWORD).run().expect_code(0);
    }
}

#[test]
fn missing_and_unfit_client_programs_end_the_run_before_anything_changes() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    let before = catalogs(&pair);
    let refused = |directory: &Path, words: &str| {
        let outcome = pair.migrate().args(["--pgbin", directory.to_str().unwrap()]).run().expect_code(5);
        let last = outcome.last_line();
        assert!(last.starts_with("PGMigrateValidationFailedError: pg_dump") && last.contains(words), "{outcome}");
    };
    let directory = tempfile::tempdir().unwrap();
    refused(directory.path(), &format!("there is no pg_dump in {}", directory.path().display()));
    refused(&directory.path().join("nowhere"), "there is no pg_dump in ");
    let write = |version: &str| {
        for program in ["pg_dump", "pg_restore"] {
            let file = directory.path().join(program);
            fs::write(&file, format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    };
    write("11.22");
    refused(directory.path(), "found: 11");
    write("(nonsense)");
    refused(directory.path(), "does not tell its version");
    assert!(catalogs(&pair) == before);
}

#[test]
fn a_role_with_few_connections_is_enough() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.sql(
            "postgres",
            "CREATE ROLE busy LOGIN CREATEDB CREATEROLE CONNECTION LIMIT 3; GRANT CREATE ON DATABASE postgres TO busy",
        );
    }
    for number in 0..12 {
        pair.source.create_database(&format!("shop{number}"));
    }
    let (source, target) = (pair.source.uri_as("busy", "postgres"), pair.target.uri_as("busy", "postgres"));
    let outcome = pair.program().args(["-s", &source, "-t", &target, "--validate"]).run().expect_code(0);
    assert!(!outcome.stderr.contains("cannot be connected to"), "{outcome}");
}
