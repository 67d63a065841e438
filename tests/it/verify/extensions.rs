//! What somebody added to an extension: no dump carries it, and verification says so.

use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

#[test]
fn what_somebody_added_to_a_table_of_an_extension_is_missed() {
    let Some(versions) = Versions::chosen() else { return };
    let mut pair = Pair::of(versions, &Options::default(), &Options::default());
    let script = "CREATE TABLE @extschema@.jobs (id int PRIMARY KEY, name text);
                  CREATE FUNCTION @extschema@.done(json) RETURNS int LANGUAGE sql AS 'SELECT 1';";
    for server in [&mut pair.source, &mut pair.target] {
        server.add_extension("runner", "default_version = '1.0'\nrelocatable = false\nschema = runner\n", script);
    }
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE EXTENSION runner; CREATE ROLE worker; GRANT EXECUTE ON FUNCTION runner.done(json) TO worker",
    );
    let migrate = || pair.migrate().args(["-f", "postgres", "--force-method=dump"]);
    migrate().arg("--verify").run().expect_code(0);
    pair.source.sql(
        "app",
        "ALTER TABLE runner.jobs ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON runner.jobs USING (name = CURRENT_USER);
         CREATE INDEX by_name ON runner.jobs (name); ALTER TABLE runner.jobs ADD CHECK (id > 0)",
    );
    pair.target.sql("postgres", "DROP DATABASE app");
    migrate()
        .arg("--verify")
        .run()
        .expect_code(6)
        .expect_stderr("constraint jobs_id_check on runner.jobs: missing on the target")
        .expect_stderr("index runner.by_name: missing on the target")
        .expect_stderr("policy own on runner.jobs: missing on the target")
        .expect_stderr("table runner.jobs: row security is yes on the source and no on the target")
        .expect_last_line("PGMigrateError: verification found 4 differences");
    // One that was left out is not missed, with all that somebody said of it.
    pair.target.sql("postgres", "DROP DATABASE app");
    migrate().args(["-xe", "runner", "--verify"]).run().expect_code(0);
}
