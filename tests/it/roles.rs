//! Roles: what they may, who is in whom, which password they have, and what they own.

use crate::harness::cli::{Outcome, Run};
use crate::harness::cluster::{Cluster, Options};
use crate::harness::pair::Pair;

/// Every role of users but `left_out`, as one text.
fn roles(cluster: &Cluster, left_out: &str) -> String {
    let query = format!(
        "SELECT string_agg(concat_ws(' ', rolname, 'super', rolsuper, 'inherit', rolinherit, 'createrole', rolcreaterole,
                'createdb', rolcreatedb, 'login', rolcanlogin, 'replication', rolreplication, 'bypassrls', rolbypassrls,
                'limit', rolconnlimit, 'until', rolvaliduntil AT TIME ZONE 'UTC', 'password', rolpassword,
                'comment', shobj_description(a.oid, 'pg_authid'),
                'settings', (SELECT setconfig FROM pg_db_role_setting WHERE setrole = a.oid AND setdatabase = 0),
                'groups', (SELECT string_agg(roleid::regrole || CASE WHEN admin_option THEN '*' ELSE '' END, ',' ORDER BY roleid::regrole::text)
                             FROM (SELECT DISTINCT ON (roleid) roleid, admin_option FROM pg_auth_members
                                    WHERE member = a.oid ORDER BY roleid, admin_option DESC) m)),
            E'\\n' ORDER BY rolname)
         FROM pg_authid a WHERE oid >= 16384 AND rolname <> ALL ('{{{left_out}}}')"
    );
    cluster.value("postgres", &query)
}

/// Whether `role` can log in over TCP.
fn can_log_in(cluster: &Cluster, role: &str, password: &str) -> bool {
    let uri = cluster.tcp_uri(role, password, "postgres");
    Run::program("psql").args(["-XAtc", "SELECT 1", "-d", &uri]).run().code() == Some(0)
}

/// The final line about `role`.
fn line<'a>(outcome: &'a Outcome, role: &str) -> &'a str {
    let name = format!("rolname: '{role}',");
    let found = outcome.stderr.lines().find(|line| line.contains(&name));
    found.and_then(|line| line.split('\t').nth(4)).unwrap_or_else(|| panic!("no line about {role}:\n{outcome}")).trim()
}

#[test]
fn roles_arrive_as_they_are_with_their_passwords_and_memberships() {
    let Some(pair) = Pair::with(&Options::default(), &Options::default().tcp()) else { return };
    pair.source.sql(
        "postgres",
        r#"CREATE ROLE "group" NOLOGIN;
           CREATE ROLE app LOGIN PASSWORD 'it''s "secret"' CONNECTION LIMIT 5 VALID UNTIL '2099-12-31 23:59:59.5+02';
           ALTER ROLE app SET search_path = "$user", 'sp ace', "quo""te", public;
           ALTER ROLE app SET statement_timeout = '30s';
           ALTER ROLE app SET my.own = 'x, "y"';
           ALTER ROLE app SET temp_tablespaces = '';
           COMMENT ON ROLE app IS 'it''s the application';
           SET password_encryption = md5;
           CREATE ROLE old LOGIN PASSWORD 'md5 password' VALID UNTIL 'infinity';
           CREATE ROLE admin CREATEDB CREATEROLE NOINHERIT REPLICATION BYPASSRLS CONNECTION LIMIT 0;
           CREATE ROLE root SUPERUSER;
           CREATE ROLE "O'Neil ""x"" \ %s" LOGIN PASSWORD 'x' IN ROLE "group";
           CREATE ROLE existing CREATEDB;
           CREATE ROLE unwanted LOGIN IN ROLE "group";
           GRANT "group" TO app WITH ADMIN OPTION;
           GRANT pg_monitor, existing TO app;
           GRANT old TO admin"#,
    );
    pair.target.sql("postgres", "CREATE ROLE existing LOGIN PASSWORD 'mine'");
    let outcome = pair.migrate().args(["-xr", "unwanted", "--force-method", "dump"]).run().expect_code(0);

    assert_eq!(roles(&pair.target, "existing"), roles(&pair.source, "existing,unwanted"));
    assert!(can_log_in(&pair.target, "app", "it's \"secret\""));
    assert!(!can_log_in(&pair.target, "app", "another"));
    assert!(can_log_in(&pair.target, "existing", "mine"), "a role that is there is left alone");
    assert_eq!(pair.target.value("postgres", "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'existing'"), "f");

    let app = "rolname: 'app', rolpassword: '<hidden>', status: 'created', message: 'role created'";
    assert_eq!(line(&outcome, "app"), app);
    let existing = "rolname: 'existing', rolpassword: '-', status: 'exists', message: 'role already exists'";
    assert_eq!(line(&outcome, "existing"), existing);
    assert!(line(&outcome, "group").contains("rolpassword: '-'"), "{outcome}");
    assert!(!outcome.stderr.contains("'unwanted'"), "{outcome}");
}

#[test]
fn a_password_that_cannot_be_read_becomes_a_placeholder_that_is_shown_on_demand() {
    let Some(pair) = Pair::with(&Options::default(), &Options::default().tcp()) else { return };
    pair.source.sql("postgres", "CREATE ROLE mover LOGIN; CREATE ROLE one LOGIN PASSWORD 'one'; CREATE ROLE nobody");
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    let migrate = || {
        pair.program().args([
            "-s",
            &pair.source.uri_as("mover", "postgres"),
            "-t",
            &pair.target.uri_as("mover", "postgres"),
            "-f",
            "postgres",
        ])
    };
    let hidden = migrate().run().expect_code(0);
    assert!(line(&hidden, "one").contains("rolpassword: '<hidden>', status: 'created'"), "{hidden}");
    assert!(line(&hidden, "nobody").contains("rolpassword: '-', status: 'created'"), "{hidden}");
    assert!(!hidden.stderr.contains("placeholder_"), "{hidden}");

    pair.source.sql("postgres", "CREATE ROLE two LOGIN PASSWORD 'two'");
    let shown = migrate().args(["--show-passwords", "--output", "json"]).run().expect_code(0);
    assert!(line(&shown, "one").contains("rolpassword: '-', status: 'exists'"), "{shown}");
    let password = line(&shown, "two").split('\'').nth(3).unwrap();
    let letters = password.strip_prefix("placeholder_").unwrap_or_else(|| panic!("{shown}"));
    assert!(letters.len() == 16 && letters.bytes().all(|byte| byte.is_ascii_alphabetic()), "{password}");
    assert!(can_log_in(&pair.target, "two", password));
    assert!(!can_log_in(&pair.target, "two", "two"));
    assert!(shown.stdout.contains(&format!("\"placeholder\": \"{password}\"")), "{shown}");
}

#[test]
fn passwords_from_a_file_reach_the_target_as_verifiers_only() {
    let logged = Options::default().tcp().setting("log_statement", "all");
    let Some(pair) = Pair::with(&Options::default(), &logged) else { return };
    pair.source.sql(
        "postgres",
        r#"CREATE ROLE "o:ne" LOGIN PASSWORD 'old'; CREATE ROLE two LOGIN; CREATE ROLE three LOGIN PASSWORD 'kept';
           CREATE ROLE existing"#,
    );
    pair.target
        .sql("postgres", "SET password_encryption = 'scram-sha-256'; CREATE ROLE existing LOGIN PASSWORD 'hunter4'");
    let verifier = pair.target.value("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'existing'");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    std::fs::write(&file, format!("# given\no\\:ne:hunter2: x\ntwo:{verifier}\nexisting:hunter3\n")).unwrap();
    let permissions =
        |mode| std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let migrate = || {
        pair.migrate().args([
            "-f",
            "postgres",
            "--debug",
            "--output",
            "json",
            "--role-passwords",
            file.to_str().unwrap(),
        ])
    };

    permissions(0o640);
    let refused = migrate().run().expect_code(2);
    assert!(refused.stderr.contains("others have access to the file"), "{refused}");

    permissions(0o600);
    let outcome = migrate().run().expect_code(0).expect_silence_about("hunter");
    assert!(outcome.stderr.contains("names roles that are not created: \"existing\""), "{outcome}");
    assert!(outcome.stdout.contains("\"password\": \"given\""), "{outcome}");
    assert!(!pair.target.log().contains("hunter2"), "{}", pair.target.log());
    assert!(can_log_in(&pair.target, "o:ne", "hunter2: x"));
    assert!(can_log_in(&pair.target, "two", "hunter4"));
    assert!(can_log_in(&pair.target, "three", "kept"));
    assert!(can_log_in(&pair.target, "existing", "hunter4"), "a role that is there is left alone");
}

#[test]
fn roles_of_a_managed_service_are_skipped_and_not_failed() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql(
        "postgres",
        "CREATE ROLE rdsadmin SUPERUSER; CREATE ROLE rds_superuser; CREATE ROLE app IN ROLE rds_superuser",
    );
    let outcome = pair.migrate().args(["-f", "postgres"]).run().expect_code(0);
    for role in ["rdsadmin", "rds_superuser"] {
        let line = line(&outcome, role);
        assert!(line.contains("status: 'skipped'") && line.contains("managed service"), "{line}");
    }
    assert!(line(&outcome, "app").contains("status: 'created'"), "{outcome}");
    assert_eq!(pair.target.value("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'rds%'"), "0");
}

#[test]
fn roles_that_cannot_be_created_fail_the_run_and_databases_go_on() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE ROLE app LOGIN");
    pair.source.sql("postgres", "CREATE DATABASE shop OWNER app");
    pair.source.session_as("app", "shop").sql("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 1 AS id");
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB");
    let outcome = pair
        .program()
        .args(["-s", &pair.source.uri("postgres"), "-t", &pair.target.uri_as("mover", "postgres")])
        .args(["--force-method", "dump", "-f", "postgres"])
        .run()
        .expect_code(1);
    assert!(line(&outcome, "app").contains("rolpassword: '-', status: 'failed'"), "{outcome}");
    assert!(line(&outcome, "app").contains("permission denied to create role"), "{outcome}");
    assert!(outcome.stderr.contains("dbaname: 'shop', method: 'dump', status: 'done'"), "{outcome}");
    assert!(outcome.stderr.ends_with("PGMigrateError: 1 of 1 roles failed: 'app'\n"), "{outcome}");
    assert_eq!(pair.target.value("shop", "SELECT count(*) FROM s.t"), "1");
}

/// Objects whose owner may create in their schema only because of a privilege, and privileges of every kind.
const OWNED: &str = r#"
ALTER SCHEMA public OWNER TO "The Owner";
GRANT CREATE ON SCHEMA public TO writer;
SET ROLE "The Owner";
CREATE SCHEMA app;
GRANT USAGE, CREATE ON SCHEMA app TO writer;
GRANT USAGE ON SCHEMA app TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader;
CREATE TABLE app.owned (id serial PRIMARY KEY);
GRANT SELECT (id) ON app.owned TO reader WITH GRANT OPTION;
SET ROLE writer;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE TABLE app.written (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m app.mood DEFAULT 'ok');
CREATE TABLE public.open (id int PRIMARY KEY);
CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW app.v AS SELECT * FROM app.written;
CREATE MATERIALIZED VIEW app.mv AS SELECT count(*) FROM app.written;
CREATE SEQUENCE public.counter;
REVOKE EXECUTE ON FUNCTION app.f() FROM PUBLIC;
GRANT INSERT ON app.written TO "The Owner";
INSERT INTO app.written DEFAULT VALUES;
REFRESH MATERIALIZED VIEW app.mv;
RESET ROLE;
"#;

fn create_owned(cluster: &Cluster) {
    cluster.sql("postgres", r#"CREATE ROLE "The Owner"; CREATE ROLE writer; CREATE ROLE reader"#);
    cluster.sql("postgres", r#"CREATE DATABASE app OWNER "The Owner""#);
    cluster.sql("app", OWNED);
}

#[test]
fn a_target_user_without_superuser_rights_keeps_owners_and_privileges() {
    let Some(pair) = Pair::start() else { return };
    if pair.target.installation.major < 15 {
        // Up to 14 the schema public is the superuser's: its owner and privileges are not this user's to set.
        return;
    }
    pair.source.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    create_owned(&pair.source);
    pair.target.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    pair.program()
        .args(["-s", &pair.source.uri("postgres"), "-t", &pair.target.uri_as("mover", "postgres")])
        .args(["--force-method", "dump", "-f", "postgres"])
        .run()
        .expect_code(0);
    pair.assert_equal("app");
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'";
    assert_eq!(pair.target.value("postgres", owner), "The Owner");
    pair.assert_nothing_left();
}

#[test]
fn without_owners_everything_belongs_to_the_target_user() {
    let Some(pair) = Pair::start() else { return };
    create_owned(&pair.source);
    pair.migrate().args(["--force-method", "dump", "--no-owner"]).run().expect_code(0);
    let foreign = "SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relowner <> 'postgres'::regrole";
    assert_eq!(pair.target.value("app", foreign), "0");
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'";
    assert_eq!(pair.target.value("postgres", owner), "postgres");
    assert_eq!(pair.target.value("app", "SELECT has_schema_privilege('reader', 'app', 'USAGE')"), "t");
}
