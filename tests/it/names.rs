//! Names that must be quoted somewhere, and databases that are not like the others.

use pg_migrate::sql;
use pg_migrate::sql::{Ident, Sql};

use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

/// Each means something to a shell, to SQL, to libpq, to a log, or to a replication slot.
const NAMES: [&str; 10] = [
    "sp ace's \"quoted\"",
    "Größe 日本",
    "0123456789012345678901234567890123456789012345678901234567890_c",
    "--help",
    "host=nowhere",
    "postgres://nowhere/x",
    "back\\slash\\",
    "100% $HOME `id` ;*",
    "new\nline\ttab",
    "app",
];

#[test]
fn names_of_every_kind_are_replicated_and_finished() {
    let Some(pair) = Pair::start() else { return };
    for name in NAMES {
        // Names of constraints are made from these, and from 18 on a name that had to be cut for one shows in dumps.
        let short: String = name.chars().take(20).collect();
        let (schema, table, column) = (Ident::new(name), Ident::new(&short), Ident::new(format!("{short}2")));
        let table = sql!("{}.{}", schema, table);
        let content = [
            sql!("CREATE SCHEMA {}; CREATE ROLE {} LOGIN PASSWORD 'x'", schema, schema),
            sql!("CREATE TABLE {} (id serial PRIMARY KEY, {} text)", table, column),
            sql!("INSERT INTO {} ({}) VALUES ('x'), (NULL)", table, column),
            sql!("CREATE TABLE {}.keyless ({} int); INSERT INTO {}.keyless VALUES (1)", schema, column, schema),
            sql!("CREATE MATERIALIZED VIEW {}.filled AS SELECT * FROM {}", schema, table),
            sql!("ALTER TABLE {} OWNER TO {}", table, schema),
        ];
        pair.source.create_database(name);
        pair.source.sql(name, Sql::join(content, "; ").text());
    }
    let outcome = pair
        .migrate()
        .args(["-f", "postgres", "--max-replication-lag", "0", "--stop-replication"])
        .run()
        .expect_code(0);
    for name in NAMES {
        pair.assert_equal(name);
    }
    pair.assert_nothing_left();
    let done = outcome.stderr.matches("method: 'replication', status: 'done'").count();
    assert_eq!(done, NAMES.len(), "{outcome}");
    assert!(outcome.stderr.contains(r"dbaname: 'new\nline\ttab', method"), "{outcome}");
    assert!(outcome.stderr.contains(r#"rolname: 'sp ace\'s "quoted"', rolpassword"#), "{outcome}");
}

/// All that is said of databases, as one text.
fn databases(cluster: &Cluster) -> String {
    let provider = if cluster.installation.major >= 15 { "datlocprovider" } else { "'c'" };
    let query = format!(
        "SELECT string_agg(concat_ws(' | ', datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
                {provider}, datconnlimit, shobj_description(d.oid, 'pg_database'),
                (SELECT string_agg(coalesce(r.rolname, '*') || array(SELECT unnest(setconfig) ORDER BY 1)::text, ', ' ORDER BY r.rolname)
                   FROM pg_db_role_setting LEFT JOIN pg_roles r ON r.oid = setrole WHERE setdatabase = d.oid),
                (SELECT string_agg(a::text, ', ' ORDER BY a::text) FROM unnest(datacl) a)), E'\\n' ORDER BY datname)
         FROM pg_database d WHERE datallowconn"
    );
    cluster.value("postgres", &query)
}

#[test]
fn databases_keep_encoding_locale_owner_settings_and_privileges() {
    let Some(pair) = Pair::start() else { return };
    let source = &pair.source;
    source.sql("postgres", r#"CREATE ROLE "The Owner"; CREATE ROLE app; CREATE ROLE unwanted"#);
    for statement in [
        r#"CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' OWNER "The Owner" CONNECTION LIMIT 7"#,
        "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
        r#"ALTER DATABASE latin SET search_path = "$user", 'sp ace'"#,
        "ALTER DATABASE latin SET default_transaction_read_only = on",
        "ALTER ROLE app IN DATABASE latin SET work_mem = '7MB'",
        "ALTER ROLE unwanted IN DATABASE latin SET work_mem = '8MB'",
        "COMMENT ON DATABASE latin IS 'it''s old'",
        "REVOKE ALL ON DATABASE latin FROM PUBLIC",
        "GRANT CONNECT ON DATABASE latin TO app WITH GRANT OPTION",
        "ALTER DATABASE postgres SET statement_timeout = '1h'",
        "ALTER DATABASE postgres SET work_mem = '5MB'",
    ] {
        source.sql("postgres", statement);
    }
    if source.installation.major >= 15 && pair.target.installation.major >= 15 {
        source.sql("postgres", "CREATE DATABASE icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'");
    }
    let latin = source.session("latin");
    latin.sql("SET default_transaction_read_only = off");
    latin.sql("CREATE TABLE public.t AS SELECT 'Größe'::text AS v; CREATE PUBLICATION theirs FOR TABLE public.t");
    latin.sql(r#"CREATE TABLE public."Größe" AS SELECT 'groß'::text AS "Maß""#);
    // These bytes are no text in any encoding but this one, which asks no questions.
    source.sql("bytes", "CREATE TABLE t (v text)");
    let bytes = source.session("bytes");
    bytes.sql("SET client_encoding = 'SQL_ASCII'");
    bytes.sql(r"INSERT INTO t VALUES (E'\xff\xfe\x41')");
    pair.target.sql("postgres", "ALTER DATABASE postgres SET work_mem = '6MB'");
    let outcome = pair.migrate().args(["--force-method", "dump", "-xr", "unwanted"]).run().expect_code(0);

    pair.target.sql("postgres", "ALTER DATABASE postgres SET work_mem = '5MB'");
    // What closes the source to writers at a cut-over must not close the target.
    assert!(outcome.stderr.contains("default_transaction_read_only is not carried"), "{outcome}");
    source.sql("postgres", "ALTER DATABASE latin RESET default_transaction_read_only");
    source.sql("postgres", "ALTER ROLE unwanted IN DATABASE latin RESET ALL");
    assert_eq!(databases(&pair.target), databases(source), "{outcome}");
    pair.assert_equal("latin");
    let stored = "SELECT string_agg(encode(convert_to(v, 'SQL_ASCII'), 'hex'), ' ') FROM t";
    assert_eq!(pair.target.value("bytes", stored), "fffe41");
    pair.assert_nothing_left();
}
