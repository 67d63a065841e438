//! A run that is told to stop says so, in its last line and in its exit code.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::harness::cli::Run;

#[test]
fn a_signal_ends_the_run_with_its_own_exit_code() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("host=127.0.0.1 port={}", silent.local_addr().unwrap().port());
    for (signal, name, code) in [("-INT", "SIGINT", 130), ("-TERM", "SIGTERM", 143), ("-HUP", "SIGHUP", 129)] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pg_migrate"))
            .args(["--debug", "-s", &server, "-t", &server])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut rest = String::new();
        log.read_line(&mut rest).unwrap();
        assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
        log.read_to_string(&mut rest).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(code), "{rest}");
        let last_line = rest.lines().last().unwrap();
        assert!(last_line.starts_with(&format!("PGMigrateInterruptedError: stopped by {name}")), "{rest}");
    }
}

#[test]
fn under_nohup_the_end_of_the_terminal_ends_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("host=127.0.0.1 port={}", silent.local_addr().unwrap().port());
    let run = Run::program("nohup").args([env!("CARGO_BIN_EXE_pg_migrate"), "--debug", "-s", &server, "-t", &server]);
    let run = run.spawn();
    run.wait_for_line("running");
    run.signal("HUP");
    run.signal("TERM");
    run.wait().expect_code(143).expect_silence_about("SIGHUP");
}
