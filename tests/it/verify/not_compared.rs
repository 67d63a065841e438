//! What verification leaves out it says, with the reason, and does not take for a difference.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::verify;
use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;
use crate::report::document;

#[test]
fn options_of_user_mappings_that_one_side_may_not_read_are_named() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.sql("postgres", "CREATE ROLE mover LOGIN");
        cluster.create_database("app");
        cluster.sql(
            "app",
            r#"CREATE FOREIGN DATA WRAPPER w; CREATE SERVER "Far" FOREIGN DATA WRAPPER w; CREATE SERVER near FOREIGN DATA WRAPPER w;
               GRANT USAGE ON FOREIGN SERVER near TO mover;
               CREATE USER MAPPING FOR PUBLIC SERVER "Far" OPTIONS (password 'one');
               CREATE USER MAPPING FOR mover SERVER near OPTIONS (password 'one')"#,
        );
    }
    pair.target.sql("app", r#"ALTER USER MAPPING FOR PUBLIC SERVER "Far" OPTIONS (SET password 'two')"#);
    let (source, target) = (pair.source.uri("postgres"), pair.target.uri_as("mover", "postgres"));
    let by_mover =
        || pair.program().args(["verify", "-f", "postgres", "-s", &source, "-t", &target, "--output=json"]).run();
    let left_out = r#"WARNING	Database 'app': not compared: options of user mapping PUBLIC server "Far" (a superuser reads them, on both sides)"#;
    let outcome = by_mover().expect_code(0).expect_stderr(left_out);
    let outcome =
        outcome.expect_stderr("all equal, as far as they were compared").expect_silence_about("mapping mover");
    let database = &document(&outcome)["verification"]["databases"][0];
    assert_eq!(database["not_compared"][0]["what"], r#"options of user mapping PUBLIC server "Far""#);
    // Who may read both sees what is another.
    pair.target.sql("app", "ALTER USER MAPPING FOR mover SERVER near OPTIONS (SET password 'two')");
    let difference =
        "user mapping mover server near: option password is <hidden> on the source and <hidden> on the target";
    by_mover().expect_code(6).expect_stderr(difference).expect_stderr(left_out);
    let all = verify(&pair).run().expect_code(6).expect_stderr(difference);
    all.expect_silence_about("not compared").expect_last_line("PGMigrateError: verification found 2 differences");
}

#[test]
fn a_cycling_sequence_that_is_elsewhere_is_named_and_one_that_was_never_set_differs() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", r#"CREATE SEQUENCE "Round" MAXVALUE 10 CYCLE; SELECT setval('"Round"', 8)"#);
    let outcome = pair.migrate().args(["--force-method=dump", "--sequence-margin=5", "--verify"]).run().expect_code(0);
    let left_out = r#"not compared: value of sequence public."Round" (it cycles: whether it is behind cannot be told)"#;
    outcome.expect_stderr(left_out);
    assert_eq!(pair.target.value("app", r#"SELECT last_value FROM "Round""#), "3");
    pair.target.sql("app", r#"ALTER SEQUENCE "Round" RESTART"#);
    let outcome = verify(&pair).run().expect_code(6);
    outcome.expect_stderr(r#"sequence public."Round": value is 8 on the source and 1, not yet given on the target"#);
}

#[test]
fn a_password_that_was_given_differs_only_from_the_next_run_on() {
    let Some(pair) = Pair::start() else { return };
    pair.source
        .sql("postgres", r#"CREATE ROLE "App User" LOGIN PASSWORD 'old'; CREATE ROLE other LOGIN PASSWORD 'kept'"#);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("passwords");
    fs::write(&file, "App User:new\nother:unused\n").expect("a file of passwords");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file that is ours alone");
    // One that exists keeps its own, whatever the file says.
    pair.target.sql("postgres", "CREATE ROLE other LOGIN PASSWORD 'another'");
    let file = file.to_str().expect("a plain path");
    let outcome = pair.migrate().args(["--role-passwords", file, "--verify"]).run().expect_code(6);
    outcome
        .expect_stderr(r#"Servers: not compared: password of role "App User" (this run gave it: --role-passwords)"#)
        .expect_stderr("role other: password is <hidden> on the source and <hidden> on the target")
        .expect_last_line("PGMigrateError: verification found 1 difference");
    let outcome = verify(&pair).run().expect_code(6);
    outcome.expect_stderr(r#"role "App User": password is <hidden> on the source and <hidden> on the target"#);
}

#[test]
fn a_sequence_that_an_extension_leaves_to_its_users_is_compared() {
    let Some(versions) = Versions::chosen() else { return };
    let mut pair = Pair::of(versions, &Options::default(), &Options::default());
    let script = "CREATE SEQUENCE @extschema@.jobs; SELECT pg_catalog.pg_extension_config_dump('@extschema@.jobs', '');
                  CREATE SEQUENCE @extschema@.inner;";
    for server in [&mut pair.source, &mut pair.target] {
        server.add_extension("runner", "default_version = '1.0'\nrelocatable = false\nschema = runner\n", script);
    }
    pair.source.create_database("app");
    pair.source
        .sql("app", "CREATE EXTENSION runner; SELECT setval('runner.jobs', 100); SELECT setval('runner.inner', 100)");
    pair.migrate().args(["-f", "postgres", "--force-method=dump", "--verify"]).run().expect_code(0);
    pair.target.sql("app", "SELECT setval('runner.jobs', 7)");
    let outcome = verify(&pair).run().expect_code(6);
    let outcome = outcome.expect_stderr("sequence runner.jobs: value is 100 on the source and 7 on the target");
    outcome.expect_last_line("PGMigrateError: verification found 1 difference");
    verify(&pair).arg("--no-replicate-extension-tables").run().expect_code(0);
    verify(&pair).args(["-xe", "runner"]).run().expect_code(0);
}
