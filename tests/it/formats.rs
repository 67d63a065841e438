//! How rows are sent: in binary and as text the same values arrive.

use crate::harness::pair::Pair;

/// Edge values of every type of the core; each table has two rows, one of them null where it may be.
const TYPES: &str = r#"
CREATE TABLE numbers (a smallint, b int, c bigint, d numeric, e real, f double precision, g money, h bool, i "char", j oid);
INSERT INTO numbers VALUES
    (-32768, -2147483648, -9223372036854775808, 'NaN', 'NaN', 'NaN', '-92233720368547758.08', true, 'x', 0),
    (32767, 2147483647, 9223372036854775807, repeat('9', 200)::numeric, '-Infinity', 'Infinity', '92233720368547758.07',
     false, '\377', 4294967295),
    (0, 0, 0, 1e-400, '1e-45', '4.9406564584124654e-324', 0, NULL, '', 1), (0, 0, 0, -0.10, '-0', '-0', 0, NULL, NULL, NULL);
CREATE TABLE times (a date, b time, c timetz, d timestamp, e timestamptz, f interval);
INSERT INTO times VALUES
    ('4713-01-01 BC', '00:00', '00:00+15:59', '4713-01-01 00:00:00 BC', '-infinity', '-178000000 years'),
    ('infinity', '24:00', '23:59:59.999999-15:59', 'infinity', '294276-12-31 23:59:59.999999Z', '1 mon -1 day 00:00:00.000001'),
    (NULL, NULL, NULL, '2000-02-29 00:00:00.000001', '1900-01-01 00:00:00+00', NULL);
CREATE TABLE texts (a text, b varchar(5), c char(5), d name, e bytea, f json, g jsonb, h xml, i tsvector, j tsquery, k uuid,
                    l bit(3), m varbit, n jsonpath);
INSERT INTO texts VALUES
    (E'\t\n\\ "\u00e9 \U0001F418', '', 'a  ', 'Name', '\x00ff5c', ' {"a" :  1, "a": 2}', '{"n": 1e5, "s": "\\u00e9"}', '<a>&lt;</a>',
     'cat:3A,5 ''it''''s'':1', '!a & (b | c <-> d)', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '101', '', '$.a[*] ? (@ > 1)'),
    ('\N', NULL, NULL, NULL, '', 'null', 'null', '', '', '', NULL, NULL, '1', NULL);
CREATE TABLE places (a point, b line, c lseg, d box, e path, f polygon, g circle, h inet, i cidr, j macaddr, k macaddr8);
INSERT INTO places VALUES
    ('(1e300,-0)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(2,0))', '<(0,0),5>', '::1/64',
     '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'),
    ('(NaN,Infinity)', NULL, NULL, NULL, '((0,0),(1,1))', NULL, NULL, '192.168.0.1', 'fe80::/10', NULL, NULL);
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'größe');
CREATE TYPE pair AS (a int, b text, c mood[]);
CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE DOMAIN moods AS mood[];
CREATE TABLE made (a mood, b mood[], c pair, d pair[], e small, f moods, g numrange, h int4range, i tstzrange, j daterange[],
                   k int[][], l text[], m regclass, n regtype, o numrange);
INSERT INTO made VALUES
    ('sad', '{sad,"it''s ok",NULL}', '(1,"a,""b",{sad})', '{"(1,,)",NULL}', 9, '{größe}', '[1.5,)', 'empty', '(,2020-01-01)',
     '{"[2020-01-01,2020-01-02)"}', '[2:3][-1:0]={{1,2},{3,4}}', '{"",NULL,"a\"b\\c","{}"}', 'numbers', 'mood', '(1.1,)'),
    (NULL, '{}', NULL, '{}', NULL, NULL, 'empty', NULL, NULL, '{}', '{}', '{}', NULL, NULL, NULL);
CREATE TABLE big (id int PRIMARY KEY, a text, b bytea);
INSERT INTO big VALUES (1, repeat('0123456789', 5500000), NULL), (2, NULL, decode(repeat('00ff', 5000000), 'hex'));
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE changed (gone int, a int GENERATED ALWAYS AS IDENTITY, also_gone text, b text, c int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO changed (b) VALUES ('x'), ('y');
ALTER TABLE changed DROP COLUMN gone, DROP COLUMN also_gone, ADD COLUMN d int DEFAULT 7;
CREATE TABLE nobody (a int, b text);
CREATE TABLE nobody_in_text (a int, b xml);
CREATE TABLE parent (a int, b text);
CREATE TABLE child (c int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'parent''s own');
INSERT INTO child VALUES (2, 'child''s', 3);
DO $$ BEGIN
    EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg('c' || n || ' int', ', ') || ')' FROM generate_series(1, 1600) n);
    EXECUTE 'INSERT INTO wide (c1, c1600) VALUES (1, 1600)';
END $$;
"#;

/// Types of version 14.
const MULTIRANGES: &str = "
CREATE TYPE floatrange AS RANGE (subtype = float8);
CREATE TABLE multiranges (a int4multirange, b floatmultirange, c floatrange);
INSERT INTO multiranges VALUES ('{[1,3), [5,)}', '{[1,2]}', '[-0,Infinity)'), ('{}', NULL, 'empty');
CREATE TABLE infinite (a numeric, b xid8, c pg_snapshot);
INSERT INTO infinite VALUES ('Infinity', '18446744073709551615', '10:20:10,14,15'), ('-Infinity', '0', NULL)";

/// What only some servers take for binary: values that carry OIDs of types, and types of extensions.
const NESTED: &str = "
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube; CREATE EXTENSION isn;
CREATE EXTENSION seg;
CREATE TABLE extended (a hstore, b citext, c ltree, d cube, e isbn, f hstore[]);
INSERT INTO extended VALUES (E'\"a \\\\ b\"=>NULL, c=>\"\"', 'Straße', 'Top.Science', '(1e300,-0),(2,3)', '0-306-40615-2', '{\"a=>1\",NULL}'),
    ('', '', '', '()', NULL, '{}');
CREATE TABLE segments (a seg);
INSERT INTO segments VALUES ('1.50 .. 2e3'), ('~5'), (NULL);
CREATE TYPE outer_pair AS (p pair, q pair[], \"R r\" numrange[]);
CREATE TABLE nested (a mood[], b pair, c pair[], d moods, e outer_pair[], f small[]);
INSERT INTO nested VALUES
    ('{sad,NULL}', '(1,\"a,b\",{sad})', '{\"(1,,)\",NULL}', '{größe}',
     ARRAY[ROW(ROW(1, NULL, '{}'), '{}', '{\"[1,2)\",empty}')::outer_pair, NULL], '[0:1]={1,2}'),
    ('{}', NULL, '{}', NULL, '{}', NULL);
CREATE TABLE odd (a pg_lsn, b txid_snapshot, c tid, d xid, e timestamptz[], f bytea, g refcursor, h varbit[], i name[]);
INSERT INTO odd VALUES ('FFFFFFFF/FFFFFFFF', '10:20:10,14,15', '(4294967295,65535)', '4294967295',
                        '{-infinity,infinity,NULL,\"4713-11-24 00:00:00+00 BC\"}', '\\x00', 'c', '{101,\"\"}', '{a,\"\"}')";

/// Migrates databases with all these types in both formats, and tells which statements sent them.
fn migrate(pair: &Pair, format: &str) -> String {
    pair.target.sql("postgres", "DROP DATABASE IF EXISTS types");
    let run = pair.migrate().args(["--force-method", "dump", "--filtered-db", "postgres", "--debug"]);
    let outcome = run.args(["--copy-format", format]).run().expect_code(0);
    pair.assert_equal("types");
    outcome.stderr
}

fn create_types(pair: &Pair) {
    pair.source.create_database("types");
    pair.source.sql("types", TYPES);
    pair.source.sql("types", NESTED);
    if pair.source.installation.major >= 14 {
        pair.source.sql("types", MULTIRANGES);
    }
    if pair.source.installation.major >= 17 {
        pair.source.sql("types", "CREATE TABLE ever AS SELECT interval 'infinity' AS a, interval '-infinity' AS b");
    }
}

/// Whether `table` was read in binary.
fn in_binary(log: &str, table: &str) -> bool {
    log.lines().any(|line| {
        line.contains(&format!("copy \"public\".\"{table}\" ")) && line.ends_with("to stdout (format binary)")
    })
}

fn both_formats(pair: &Pair) {
    create_types(pair);
    let log = migrate(pair, "auto");
    for table in ["numbers", "times", "places", "odd"] {
        assert!(in_binary(&log, table), "{table}:\n{log}");
    }
    // Values of these may carry OIDs of types that are others on the target.
    let receives = pair.target.installation.major >= 14;
    assert_eq!(in_binary(&log, "nested"), receives, "{log}");
    for table in ["made", "texts", "segments"] {
        assert!(!in_binary(&log, table), "{table}:\n{log}");
    }
    let log = migrate(pair, "text");
    assert!(!log.contains("(format binary)"), "{log}");
    migrate(pair, "binary");
}

#[test]
fn values_of_every_type_arrive_unchanged_in_both_formats() {
    let Some(pair) = Pair::start() else { return };
    both_formats(&pair);
}

#[test]
fn values_of_every_type_arrive_unchanged_from_the_oldest_to_the_newest_server() {
    let Some(pair) = Pair::of_majors(12, 18) else { return };
    both_formats(&pair);
}

#[test]
fn values_of_every_type_arrive_unchanged_between_two_that_differ_in_intervals() {
    let Some(pair) = Pair::of_majors(14, 17) else { return };
    both_formats(&pair);
}

#[test]
fn an_old_target_gets_text_for_what_carries_oids() {
    let Some(pair) = Pair::of_majors(12, 13) else { return };
    both_formats(&pair);
}

#[test]
fn other_types_take_the_values_where_the_targets_owner_wants_it_so() {
    let Some(pair) = Pair::start() else { return };
    for (cluster, columns) in [
        (&pair.source, "a int, b varchar(9), c text"),
        (&pair.target, "c varchar(9), x int DEFAULT 5, b text, a bigint"),
    ] {
        cluster.create_database("other types");
        cluster.sql("other types", &format!("CREATE TABLE t ({columns})"));
    }
    pair.source.sql("other types", "INSERT INTO t VALUES (1, 'one', 'eins'), (NULL, '', NULL)");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    let rows = "SELECT string_agg(concat_ws('|', a, b, c), '; ' ORDER BY a) FROM t";
    assert_eq!(pair.target.value("other types", rows), "1|one|eins; ");
    assert_eq!(pair.target.value("other types", "SELECT sum(x) FROM t"), "10");
}
