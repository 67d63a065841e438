//! Nobody on the machine reads a password from the process list while a migration runs.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PASSWORD: &str = "hunter2";

/// What `ps e` shows of `process` once its environment says that it has been started again.
fn shown_after_restart(process: &Child) -> String {
    let read = |file| {
        let shown = fs::read(format!("/proc/{}/{file}", process.id())).unwrap_or_default();
        String::from_utf8_lossy(&shown).replace('\0', " ")
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        // In this order: the arguments read are then those of the new image.
        let environment = read("environ");
        if environment.contains("PG_MIGRATE_ARGUMENTS_ON_STDIN") {
            return read("cmdline") + &environment;
        }
        assert!(Instant::now() < deadline, "not started again: {environment}");
        thread::yield_now();
    }
}

#[test]
fn ps_shows_no_password_and_the_program_still_has_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let source = format!("postgres://u:{PASSWORD}@127.0.0.1:{port}/db");
    let target = format!("host=127.0.0.1 port={port} password={PASSWORD}");
    let mut process = Command::new(env!("CARGO_BIN_EXE_pg_migrate"))
        .args(["-s", &source, "--debug", "--migration-id", "kept"])
        .env("TARGET_SERVICE_URI", target)
        .env("PGPASSWORD", PASSWORD)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let shown = shown_after_restart(&process);
    // Log lines prove that the arguments arrived; the program waits for the silent server, so it can be stopped.
    let mut first_line = String::new();
    BufReader::new(process.stderr.take().unwrap()).read_line(&mut first_line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(shown.contains("--migration-id kept"), "other arguments stay visible: {shown}");
    assert!(first_line.contains("\tkept\tPGMigrate\tDEBUG\t"), "{first_line}");
    assert!(!first_line.contains(PASSWORD), "{first_line}");
}

#[test]
fn a_program_without_passwords_is_not_started_again() {
    let output = Command::new(env!("CARGO_BIN_EXE_pg_migrate"))
        .args(["-s", "host=a", "-t", "host=b", "--stop-replication"])
        .env("PG_MIGRATE_ARGUMENTS_ON_STDIN", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "a marker meant for another process changes nothing");
}
