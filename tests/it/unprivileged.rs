//! What a target user who is no superuser may not do: announced, collected as SQL, and complete once an administrator has
//! run that.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::cli::{Outcome, Run};
use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

/// Of every kind that is reserved, and two tables with their rows.
const RESERVED: &str = r#"
CREATE FUNCTION add(int, int) RETURNS int LANGUAGE internal AS 'int4pl' IMMUTABLE STRICT LEAKPROOF;
COMMENT ON FUNCTION add IS 'adds';
CREATE OPERATOR @+@ (FUNCTION = add, LEFTARG = int, RIGHTARG = int);
CREATE TYPE base;
CREATE FUNCTION base_in(cstring) RETURNS base LANGUAGE internal AS 'int4in' IMMUTABLE STRICT;
CREATE FUNCTION base_out(base) RETURNS cstring LANGUAGE internal AS 'int4out' IMMUTABLE STRICT;
CREATE TYPE base (INPUT = base_in, OUTPUT = base_out, LIKE = int);
CREATE CAST (base AS int) WITHOUT FUNCTION;
CREATE OPERATOR FAMILY "My Family" USING btree;
CREATE OPERATOR CLASS "My Class" FOR TYPE int USING btree FAMILY "My Family" AS
    OPERATOR 3 =, FUNCTION 1 btint4cmp(int, int);
CREATE TEXT SEARCH TEMPLATE plain (LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = plain);
CREATE ACCESS METHOD tree TYPE INDEX HANDLER bthandler;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER "Log ""DDL""" ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION log_ddl();
COMMENT ON EVENT TRIGGER "Log ""DDL""" IS 'it''s;
logged';
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE TABLE superusers (id int PRIMARY KEY);
INSERT INTO superusers VALUES (1), (2);
CREATE TABLE shared (id int PRIMARY KEY);
INSERT INTO shared VALUES (1);
ALTER TABLE shared OWNER TO app;
SET ROLE app;
GRANT SELECT ON shared TO reader WITH GRANT OPTION;
SET ROLE reader;
GRANT SELECT ON shared TO app2;
RESET ROLE;
ALTER DEFAULT PRIVILEGES FOR ROLE boss GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO reader;
"#;

/// By `mover`, who is no superuser, on both sides or on the target only.
fn migrate(pair: &Pair) -> Run {
    pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &pair.target.uri_as("mover", "postgres")])
}

fn kinds(outcome: &Outcome) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&outcome.stdout).expect("a document");
    let left = document["admin_sql"].as_array().expect("a list");
    left.iter().map(|statement| statement["kind"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn what_is_left_to_an_administrator_completes_the_database() {
    let Some(versions) = Versions::with_target_since(15) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    pair.source.sql(
        "postgres",
        "CREATE ROLE app; CREATE ROLE app2; CREATE ROLE reader; CREATE ROLE boss SUPERUSER;
         GRANT pg_monitor TO app; ALTER ROLE app SET log_statement = 'none'",
    );
    pair.source.sql("postgres", "CREATE DATABASE app OWNER boss");
    pair.source.sql("app", RESERVED);
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE; CREATE ROLE boss SUPERUSER");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin.sql");

    let validated = migrate(&pair).args(["-f", "postgres", "--validate"]).run().expect_code(0);
    for announced in [
        "cannot make these roles owners of anything on the target: \"postgres\"",
        "may not create functions that need a superuser on the target: ",
        "event triggers are not created",
        "may not set these parameters: log_statement of role \"app\"",
        "may not change default privileges of roles that it is no member of: boss",
    ] {
        assert!(validated.stderr.contains(announced), "{announced:?} is not in {validated}");
    }

    let outcome = migrate(&pair)
        .args(["-f", "postgres", "--force-method", "dump", "--output", "json", "--admin-sql"])
        .arg(file.to_str().unwrap())
        .run()
        .expect_code(0);
    let expected = [
        "access_methods",
        "casts",
        "default_privileges",
        "event_triggers",
        "foreign_data_wrappers",
        "functions",
        "operator_classes",
        "owners",
        "privileges",
        "publications",
        "settings",
        "text_search",
        "types",
    ];
    let mut found = kinds(&outcome);
    if pair.target.installation.major >= 16 {
        assert!(found.remove("memberships"), "{outcome}");
    }
    // The cast follows from the type.
    found.insert("casts".to_owned());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    assert!(outcome.stderr.contains("Database 'app': event triggers are left to an administrator"), "{outcome}");
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM superusers, shared"), "2");

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let script = fs::read_to_string(&file).unwrap();
    for _ in 0..2 {
        // Statement by statement, as psql sends them.
        let psql = Run::program("psql").args(["-qX", "-d", &pair.target.uri("app"), "-f", file.to_str().unwrap()]);
        psql.run().expect_code(0);
    }
    pair.assert_equal("app");
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'";
    assert_eq!(pair.target.value("postgres", owner), "boss", "{script}");
    let settings = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'app'::regrole";
    assert_eq!(pair.target.value("postgres", settings), "{log_statement=none}");
    assert_eq!(pair.target.value("postgres", "SELECT pg_has_role('app', 'pg_monitor', 'MEMBER')"), "t");
    pair.assert_nothing_left();
}

#[test]
fn owners_that_may_no_longer_create_in_their_schema_get_what_they_own() {
    let Some(versions) = Versions::with_target_since(15) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    pair.source.sql("postgres", "CREATE ROLE app; CREATE ROLE admin");
    pair.source.sql("postgres", "CREATE DATABASE app OWNER admin");
    pair.source.sql(
        "app",
        "CREATE SCHEMA closed AUTHORIZATION admin;
         CREATE TABLE closed.t (a int, b int);
         INSERT INTO closed.t VALUES (1, 2);
         CREATE STATISTICS closed.s ON a, b FROM closed.t;
         CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         ALTER TABLE closed.t OWNER TO app; ALTER STATISTICS closed.s OWNER TO app; ALTER FUNCTION f OWNER TO app;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC",
    );
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    migrate(&pair).args(["-f", "postgres", "--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("app");
    assert_eq!(pair.target.value("app", "SELECT has_schema_privilege('app', 'closed', 'CREATE')"), "f");
}

#[test]
fn a_role_that_is_left_out_takes_no_other_privileges_with_it() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE ROLE gone; CREATE ROLE stays");
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO gone, stays; GRANT INSERT ON t TO stays;
         CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO gone, stays",
    );
    pair.migrate().args(["-f", "postgres", "-xr", "gone", "--force-method", "dump"]).run().expect_code(0);
    for right in ["has_table_privilege('stays', 't', 'SELECT, INSERT')", "has_schema_privilege('stays', 's', 'USAGE')"]
    {
        assert_eq!(pair.target.value("app", &format!("SELECT {right}")), "t", "{right}");
    }
}

#[test]
fn tables_whose_owner_has_no_rights_on_them_are_replicated_and_loaded() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    pair.source.sql("postgres", "CREATE ROLE app; CREATE ROLE reader");
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO app;
         REVOKE ALL ON t FROM app; GRANT SELECT ON t TO reader",
    );
    pair.migrate().args(["-f", "postgres", "--max-replication-lag", "0"]).run().expect_code(0);
    pair.source.sql("app", "INSERT INTO t VALUES (2); DELETE FROM t WHERE id = 1");
    pair.migrate().args(["-f", "postgres", "--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    pair.assert_equal("app");

    pair.target.sql("postgres", "DROP DATABASE app");
    pair.target.sql("postgres", "DROP ROLE app; DROP ROLE reader; CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    migrate(&pair).args(["-f", "postgres", "--force-method", "dump"]).run().expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT id FROM t"), "2");
    assert_eq!(pair.target.value("app", "SELECT relacl FROM pg_class WHERE relname = 't'"), "{reader=r/app}");
}

/// A subscription writes with the rights of each table's owner, and fails where row level security binds that one.
#[test]
fn tables_whose_row_security_binds_their_owner_are_replicated_and_guarded_again_at_the_finish() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    pair.source.sql("postgres", "CREATE ROLE app");
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE keyless (id int); CREATE TABLE lenient (id int PRIMARY KEY);
         INSERT INTO keyed VALUES (1); INSERT INTO keyless VALUES (1); INSERT INTO lenient VALUES (1);
         CREATE POLICY none ON keyed USING (false);
         ALTER TABLE keyed OWNER TO app, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         ALTER TABLE keyless OWNER TO app, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         ALTER TABLE lenient OWNER TO app, ENABLE ROW LEVEL SECURITY",
    );
    let migrate = || pair.migrate().args(["-f", "postgres", "--max-replication-lag", "0"]);
    migrate().run().expect_code(0);
    pair.source.sql(
        "app",
        "INSERT INTO keyed VALUES (2); DELETE FROM keyed WHERE id = 1; INSERT INTO keyless VALUES (2); INSERT INTO lenient VALUES (2)",
    );
    let secured = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relrowsecurity";
    assert_eq!(pair.target.value("app", secured), "lenient");
    let uris = [pair.source.uri("postgres"), pair.target.uri("postgres")];
    pair.program().args(["verify", "-f", "postgres", "-s", &uris[0], "-t", &uris[1]]).run().expect_code(0);
    migrate().arg("--stop-replication").run().expect_code(0);
    pair.assert_equal("app");
    assert_eq!(pair.target.value("app", secured), "keyed keyless lenient");
    pair.assert_nothing_left();
}

#[test]
fn a_role_that_the_user_administers_is_joined_to_keep_what_it_owns() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    pair.source.sql("postgres", "CREATE ROLE app");
    pair.source.sql("postgres", "CREATE DATABASE app OWNER app");
    pair.source.session("app").sql("SET ROLE app; CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY)");
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    pair.target.session_as("mover", "postgres").sql("CREATE ROLE app");
    let outcome = migrate(&pair).args(["-f", "postgres", "--force-method", "dump"]).run().expect_code(0);
    assert!(!outcome.stderr.contains("owners"), "{outcome}");
    pair.assert_equal("app");
}

#[test]
fn values_of_an_applications_own_parameters_are_only_in_the_administrators_file() {
    let Some(versions) = Versions::with_target_since(15) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    for sql in [
        "CREATE ROLE app",
        "ALTER ROLE app SET app.jwt_secret = 'hunter2 of the role'",
        "CREATE DATABASE app OWNER app",
        "ALTER DATABASE app SET app.jwt_secret = 'hunter2 of the database'",
        "ALTER ROLE app IN DATABASE app SET app.jwt_secret = 'hunter2 of both'",
    ] {
        pair.source.sql("postgres", sql);
    }
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin.sql");
    let run = |more: &[&str]| {
        migrate(&pair)
            .args(["-f", "postgres", "--force-method", "dump", "--output", "json", "--debug"])
            .args(more)
            .run()
    };
    let outcome = run(&["--admin-sql", file.to_str().unwrap()]).expect_code(0);
    assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{outcome}");
    assert!(outcome.stdout.contains(r#"set \"app\".\"jwt_secret\" to <hidden>"#), "{outcome}");
    let collected = std::fs::read_to_string(&file).unwrap();
    for whose in ["the role", "the database", "both"] {
        assert!(collected.contains(&format!("to 'hunter2 of {whose}'")), "{collected}");
    }
    pair.target.sql("postgres", "DROP DATABASE app");
    pair.target.sql("postgres", "DROP ROLE app");
    let outcome = run(&[]).expect_code(0);
    assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{outcome}");
}

#[test]
fn names_and_statements_survive_an_encoding_that_is_not_utf8() {
    let Some(versions) = Versions::with_target_since(15) else { return };
    let pair = Pair::of(versions, &Options::default(), &Options::default());
    pair.source.sql("postgres", "CREATE ROLE app");
    pair.source
        .sql("postgres", "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    pair.source.sql(
        "latin",
        r#"CREATE SCHEMA "Straße";
           CREATE TABLE "Straße"."Größe" ("Maß" text PRIMARY KEY DEFAULT 'ä\é', CHECK ("Maß" <> 'ö'));
           INSERT INTO "Straße"."Größe" VALUES ('groß');
           CREATE INDEX "Übersicht" ON "Straße"."Größe" (lower("Maß"));
           COMMENT ON TABLE "Straße"."Größe" IS 'was größer ist';
           GRANT USAGE ON SCHEMA "Straße" TO app; GRANT SELECT ("Maß") ON "Straße"."Größe" TO app;
           CREATE FUNCTION "Straße"."größer"(text, text) RETURNS bool LANGUAGE internal AS 'text_gt' IMMUTABLE STRICT LEAKPROOF;
           COMMENT ON FUNCTION "Straße"."größer" IS 'größer als';
           CREATE FUNCTION "löst aus"() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
           CREATE EVENT TRIGGER "Auslöser" ON ddl_command_end EXECUTE FUNCTION "löst aus"()"#,
    );
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin.sql");
    let run = migrate(&pair).args(["-f", "postgres", "--force-method", "dump", "--admin-sql", file.to_str().unwrap()]);
    run.run().expect_code(0);
    let psql = Run::program("psql").args(["-qX", "-d", &pair.target.uri("latin"), "-f", file.to_str().unwrap()]);
    psql.run().expect_code(0);
    pair.target.sql("latin", "REASSIGN OWNED BY mover TO postgres");
    pair.assert_equal("latin");
}
