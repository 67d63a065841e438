//! Extensions: which version, which schema, whose rows, and what is left out with them.

use crate::harness::cli::FINISH;
use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

#[test]
fn an_extension_that_was_left_out_is_not_created_and_what_needs_it_is_named() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql(
        "postgres",
        "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TABLE t (v citext);
         CREATE SCHEMA s; CREATE TABLE s.kept (tags hstore); CREATE VIEW s.tags AS SELECT tags -> 'a' AS a FROM s.kept",
    );
    let migrate = || pair.migrate().args(["--force-method", "dump", "-xe", "hstore"]);
    let outcome = migrate().arg("--validate").run().expect_code(0);
    let needed = "extension \"hstore\" is left out, and these need it and cannot be restored without it: table s.kept, view s.tags";
    assert!(outcome.stderr.contains(needed), "{outcome}");

    pair.source.sql("postgres", "DROP SCHEMA s CASCADE");
    let outcome = migrate().run().expect_code(0);
    assert!(!outcome.stderr.contains("is left out"), "{outcome}");
    let extensions = "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension";
    assert_eq!(pair.target.value("postgres", extensions), "citext plpgsql");
}

#[test]
fn privileges_on_members_of_an_extension_go_with_it() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        r#"CREATE ROLE "re ader"; CREATE SCHEMA "My Schema"; CREATE EXTENSION hstore SCHEMA "My Schema";
           CREATE EXTENSION pg_stat_statements; CREATE EXTENSION citext;
           REVOKE ALL ON FUNCTION "My Schema".hstore(text[], text[]) FROM PUBLIC;
           GRANT EXECUTE ON FUNCTION "My Schema".akeys("My Schema".hstore) TO "re ader" WITH GRANT OPTION;
           GRANT USAGE ON TYPE "My Schema".hstore TO "re ader";
           GRANT SELECT (calls) ON pg_stat_statements TO "re ader"; REVOKE ALL ON pg_stat_statements FROM PUBLIC;
           REVOKE ALL ON FUNCTION citext_eq(citext, citext) FROM PUBLIC;
           CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO "re ader""#,
    );
    let outcome = pair
        .migrate()
        .args(["-f", "postgres", "--force-method", "dump", "-xe", "hstore,pg_stat_statements"])
        .run()
        .expect_code(0);
    let told = "privileges on these are left out: FUNCTION My Schema.akeys(My Schema.hstore)";
    assert!(outcome.stderr.contains(told), "{outcome}");
    for right in [
        "has_table_privilege('re ader', 't', 'SELECT')",
        "NOT has_function_privilege('re ader', 'citext_eq(citext, citext)', 'EXECUTE')",
    ] {
        assert_eq!(pair.target.value("app", &format!("SELECT {right}")), "t", "{right}");
    }
}

#[test]
fn extensions_keep_schema_and_version_where_the_target_offers_them() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        r#"CREATE SCHEMA "My Extensions"; CREATE EXTENSION hstore SCHEMA "My Extensions" VERSION '1.4';
           CREATE EXTENSION citext; COMMENT ON EXTENSION citext IS 'ours';
           CREATE TABLE t (id int PRIMARY KEY, tags "My Extensions".hstore); INSERT INTO t VALUES (1, 'a => b')"#,
    );
    pair.migrate().args(["-f", "postgres", "--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("app");
    let query = "SELECT extversion || ' in ' || extnamespace::regnamespace FROM pg_extension WHERE extname = 'hstore'";
    assert_eq!(pair.target.value("app", query), "1.4 in \"My Extensions\"");
}

/// An extension with two configuration tables, one of which refers to the other and has a row of the extension's own.
fn add_family(pair: &mut Pair) {
    let control = "default_version = '1.0'\nsuperuser = false\nrelocatable = false\nschema = family\n";
    let script = "CREATE TABLE @extschema@.parents (id int PRIMARY KEY, own bool NOT NULL DEFAULT true);
        CREATE TABLE @extschema@.children (id int PRIMARY KEY, parent int NOT NULL REFERENCES @extschema@.parents, note text);
        INSERT INTO @extschema@.parents VALUES (0, false);
        SELECT pg_catalog.pg_extension_config_dump('@extschema@.parents', 'WHERE own');
        SELECT pg_catalog.pg_extension_config_dump('@extschema@.children', '');";
    for server in [&mut pair.source, &mut pair.target] {
        server.add_extension("family", control, script);
    }
}

#[test]
fn rows_of_configuration_tables_follow_their_foreign_keys() {
    // Without superuser foreign keys cannot be switched off; before 13 only superusers create extensions.
    let Some(versions) = Versions::with_target_since(13).filter(|it| it.source.major >= 13) else { return };
    let mut pair = Pair::of(versions, &Options::default(), &Options::default());
    add_family(&mut pair);
    for server in [&pair.source, &pair.target] {
        server.sql("postgres", "CREATE ROLE mover LOGIN CREATEDB CREATEROLE");
    }
    pair.source.session_as("mover", "postgres").sql("CREATE DATABASE app");
    pair.source.session_as("mover", "app").sql(
        // The larger table is copied first.
        "CREATE EXTENSION family;
         INSERT INTO family.parents SELECT generate_series(1, 10);
         INSERT INTO family.children SELECT n, n % 11, repeat('x', 1000) FROM generate_series(1, 200) n",
    );
    pair.program()
        .args(["-s", &pair.source.uri_as("mover", "postgres"), "-t", &pair.target.uri_as("mover", "postgres")])
        .args(["-f", "postgres", "--force-method", "dump"])
        .run()
        .expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT count(*) FROM family.parents WHERE own"), "10");
    assert_eq!(
        pair.target.value("app", "SELECT count(*) FROM family.children JOIN family.parents p ON p.id = parent"),
        "200"
    );
}

#[test]
fn rows_of_configuration_tables_come_once_more_at_the_finish_of_replication() {
    let Some(mut pair) = Pair::start() else { return };
    add_family(&mut pair);
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE EXTENSION family; CREATE TABLE t (id int PRIMARY KEY);
         INSERT INTO family.parents VALUES (1), (2), (3); INSERT INTO family.children VALUES (1, 0), (2, 1), (3, 2)",
    );
    let migrate = || pair.migrate().args(["-f", "postgres"]);
    migrate().args(["--max-replication-lag", "0"]).run().expect_code(0);
    pair.source.sql(
        "app",
        "INSERT INTO family.parents VALUES (4); DELETE FROM family.children WHERE id = 2; DELETE FROM family.parents WHERE id = 1;
         UPDATE family.children SET parent = 4, note = 'changed' WHERE id = 3; INSERT INTO family.children VALUES (5, 0)",
    );
    migrate().args(FINISH).run().expect_code(0);
    let rows = "SELECT (SELECT string_agg(p::text, ' ' ORDER BY id) FROM family.parents p) || ' '
                    || (SELECT string_agg(c::text, ' ' ORDER BY id) FROM family.children c)";
    assert_eq!(pair.target.value("app", rows), "(0,f) (2,t) (3,t) (4,t) (1,0,) (3,4,changed) (5,0,)");
    pair.assert_equal("app");
    pair.assert_nothing_left();

    pair.target.sql("postgres", "DROP DATABASE app");
    migrate().args(["--force-method", "dump", "--no-replicate-extension-tables"]).run().expect_code(0);
    assert_eq!(pair.target.value("app", "SELECT string_agg(p::text, ' ') FROM family.parents p"), "(0,f)");
}

const ADDITIONS: &str = r#"
CREATE EXTENSION hstore SCHEMA public;
CREATE FUNCTION "Less"(public.hstore, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1::text < $2';
CREATE FUNCTION "Compare"(public.hstore, text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT bttextcmp($1::text, $2)';
CREATE OPERATOR < (FUNCTION = "Less", LEFTARG = public.hstore, RIGHTARG = text);
ALTER OPERATOR FAMILY btree_hstore_ops USING btree ADD OPERATOR 1 < (public.hstore, text), FUNCTION 1 "Compare"(public.hstore, text);
CREATE DOMAIN odd AS int;
CREATE FUNCTION same(odd, odd) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR <=> (FUNCTION = same, LEFTARG = odd, RIGHTARG = odd);
ALTER OPERATOR FAMILY integer_ops USING hash ADD OPERATOR 1 <=> (odd, odd);
"#;

#[test]
fn what_was_added_to_operator_families_of_others_is_announced_and_a_difference_until_it_is_there() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", ADDITIONS);
    let outcome = pair.migrate().args(["-f", "postgres", "--verify"]).run().expect_code(6);
    let added = |family: &str, what: &str| {
        format!(
            "what users added to operator family {family} of an extension or of the system is not carried, and indexes and constraints that need it fail: {what}"
        )
    };
    let outcome = outcome
        .expect_stderr(&added("public.btree_hstore_ops USING btree", r#"FUNCTION 1 (public.hstore, text) public."Compare"(public.hstore,text), OPERATOR 1 public.<(public.hstore,text)"#))
        .expect_stderr(&added("pg_catalog.integer_ops USING hash", "OPERATOR 1 public.<=>(public.odd,public.odd)"))
        .expect_stderr("operator family pg_catalog.integer_ops using hash: added operators is 1 public.<=>(public.odd,public.odd) s on the source and none on the target")
        .expect_stderr("operator family public.btree_hstore_ops using btree: added functions is 1 (public.hstore, text) public.\"Compare\"(public.hstore,text) on the source and none on")
        .expect_stderr("operator family public.btree_hstore_ops using btree: added operators is 1 public.<(public.hstore,text) s on the source and none on");
    // What the announcement says cures it.
    let fixes = outcome.stderr.lines().filter_map(|line| line.split_once("target database \"app\": "));
    let fixes: Vec<_> = fixes.map(|(_, fix)| fix.to_owned()).filter(|fix| fix.starts_with("ALTER OPERATOR")).collect();
    assert_eq!(fixes.len(), 2, "{outcome}");
    fixes.iter().for_each(|fix| drop(pair.target.sql("app", fix)));
    let uris = [pair.source.uri("postgres"), pair.target.uri("postgres")];
    pair.program().args(["verify", "-f", "postgres", "-s", &uris[0], "-t", &uris[1]]).run().expect_code(0);
}
