//! The command line as scripts see it: exit codes, which stream, and the last line.

use std::process::{Command, Output};

/// Runs the binary with nothing in its environment but `variables`.
fn pg_migrate(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pg_migrate"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    Outcome::from(command.output().expect("the binary starts"))
}

#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

#[test]
fn help_fits_a_hundred_columns_and_goes_to_standard_output() {
    for option in ["--help", "-h", "--he"] {
        let help = pg_migrate(&[option], &[("COLUMNS", "200")]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        assert!(help.stdout.contains("--max-replication-lag <BYTES>"));
        for line in help.stdout.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn help_the_manual_page_and_completions_name_every_option_that_scripts_use() {
    let [help, manual, bash] =
        [&["--help"][..], &["man"], &["completions", "bash"]].map(|arguments| pg_migrate(arguments, &[]).stdout);
    let manual = manual.replace("\\-", "-");
    for option in [
        "--debug",
        "--verbose",
        "--source",
        "--target",
        "--filtered-db",
        "--excluded-roles",
        "--excluded-extensions",
        "--no-createdb",
        "--mangle",
        "--max-replication-lag",
        "--stop-replication",
        "--validate",
        "--with-table",
        "--skip-table",
        "--replicate-extension-tables",
        "--no-replicate-extension-tables",
        "--force-method",
        "--dbs-max-total-size",
        "--pgbin",
        "--skip-db-version-check",
        "--show-passwords",
        "--migration-id",
    ] {
        for (place, text) in [("help", &help), ("manual", &manual), ("bash", &bash)] {
            assert!(text.contains(option), "{option} is not in {place}");
        }
    }
    for short in ["-xr", "-xe"] {
        assert!(help.contains(short), "{short}");
    }
}

#[test]
fn the_version_is_printed() {
    let version = pg_migrate(&["--version"], &[]);
    assert_eq!(version.stdout, format!("pg_migrate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_and_the_manual_page_go_to_standard_output() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(pg_migrate(&["completions", shell], &[]).stdout.contains("stop-replication"), "{shell}");
    }
    assert!(pg_migrate(&["man"], &[]).stdout.starts_with(".ie"));
}

#[test]
fn usage_errors_exit_with_2_and_name_what_is_wrong() {
    for (arguments, named) in [
        (&["--no-such-option"][..], "--no-such-option"),
        (&["--ma"], "--mangle"),
        (&["--force-method", "noop"], "'noop'"),
        (&["--max-replication-lag", "many"], "--max-replication-lag"),
        (&["--jobs", "0"], "--jobs"),
        (&["--dbs-max-total-size", "99999999999999999999"], "--dbs-max-total-size"),
        (&["-s", "host=a", "-t", "host=b", "-f", "a", "b"], "'b'"),
        (&["-s", "host=a", "cleanup", "-t", "host=b"], "options of 'cleanup' have to stand behind it"),
        (&["--with-table", "a", "--skip-table", "b"], "--skip-table"),
        (&["-s", "host=a", "-t", "host=b", "--with-table", "a.b.c.d"], "a.b.c.d"),
        (&["-s", "host=a", "--", "-t", "host=b"], "-t"),
        (&["-s", "host=a"], "TARGET_SERVICE_URI"),
        (&["cleanup", "-t", "host=a"], "SOURCE_SERVICE_URI"),
    ] {
        let outcome = pg_migrate(arguments, &[]);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(named), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn a_contradiction_of_options_is_found_before_anything_is_connected_to() {
    let variables = [("SOURCE_SERVICE_URI", "host=192.0.2.1"), ("TARGET_SERVICE_URI", "host=192.0.2.1")];
    let outcome = pg_migrate(&["--stop-replication"], &variables);
    assert_eq!(outcome.code, Some(3));
    assert_eq!(
        outcome.last_line(),
        "PGMigrateValidationFailedError: Stopping replication requires also '--max-replication-lag' >= 0"
    );
}

#[test]
fn json_is_written_for_a_run_that_was_refused_too() {
    let arguments = ["-s", "host=a", "-t", "host=b", "--stop-rep", "--output", "json", "--migration-id", "x1"];
    let outcome = pg_migrate(&arguments, &[]);
    let document: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["migration_id"], "x1");
    assert_eq!(document["exit_code"], 3);
    assert_eq!(document["error"]["class"], "PGMigrateValidationFailedError");
    assert_eq!(outcome.code, Some(3));
}

#[test]
fn a_password_in_a_misplaced_argument_is_not_repeated() {
    for arguments in [
        &["-s", "postgres://u:hunter2@h", "postgres://u:hunter2@h2"][..],
        &["--validate=postgres://u:hunter2@h"],
        &["--output", "host=h password=hunter2"],
        &["--no-such=postgres://u:hunter2@h"],
        &["-Zpostgres://u:hunter2@h"],
    ] {
        let outcome = pg_migrate(arguments, &[]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(!outcome.stderr.contains("hunter2"), "{outcome:?}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_crash() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pg_migrate"));
    let status = command.arg("--help").stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
