//! The dump method: everything arrives as it was, or the database is reported as failed.

use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;

/// Creates the source's roles, `database` and what is in it but the rows on the target, as a user would before a migration.
fn load_schema(pair: &Pair, database: &str) {
    const SCHEMA: &str = r#"pg_dump -Fc --schema-only -d "$1" | pg_restore --exit-on-error -d "$2""#;
    pair.target.create_database(database);
    pair.copy_roles();
    pair.shell(SCHEMA, database);
}

#[test]
fn shops_are_equal_after_a_dump_and_are_not_copied_twice() {
    let Some(pair) = Pair::start() else { return };
    for database in ["shop", "My Shop"] {
        create_shop(&pair.source, database, 300);
    }
    pair.source.sql("shop", "SELECT lo_from_bytea(4711, 'large'), lo_from_bytea(4712, '')");
    pair.target.create_database("My Shop");
    let outcome = pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    for database in ["shop", "My Shop", "postgres"] {
        pair.assert_equal(database);
    }
    pair.assert_nothing_left();
    let outcome = outcome
        .expect_stderr("dbaname: 'shop', method: 'dump', status: 'done', message: 'created and migrated database'")
        .expect_stderr("dbaname: 'My Shop', method: 'dump', status: 'done', message: 'migrated to existing database'");
    assert_eq!(outcome.stdout, "");

    let again = pair.migrate().args(["--force-method", "dump"]).run().expect_code(3);
    assert!(again.stderr.contains("Table shop.orders in database 'shop' of the target already has rows"), "{again}");
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}

#[test]
fn rows_go_into_tables_that_are_there_without_firing_triggers_or_asking_for_their_order() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 300);
    pair.source.sql("shop", "ALTER TABLE shop.order_items ENABLE ALWAYS TRIGGER count_items");
    load_schema(&pair, "shop");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("shop");
    pair.assert_nothing_left();

    let count = || pair.target.value("shop", "SELECT count(*) FROM shop.page_views").parse::<u32>().unwrap();
    let before = count();
    let append = ["--force-method", "dump", "--with-table", "shop.page_views", "--append"];
    pair.migrate().args(append).run().expect_code(0);
    assert_eq!(count(), 2 * before);
    assert_eq!(pair.differences("shop").len(), 1, "nothing else has changed: {:?}", pair.differences("shop"));
}

#[test]
fn what_cannot_be_restored_fails_its_database_in_the_servers_words_and_no_other() {
    let Some(pair) = Pair::start() else { return };
    for cluster in [&pair.source, &pair.target] {
        cluster.create_database("torn");
        cluster.sql("torn", "CREATE TABLE twice (id int); INSERT INTO twice VALUES (1)");
    }
    pair.source.sql("torn", "ALTER TABLE twice ADD PRIMARY KEY (id)");
    pair.source.create_database("whole");
    pair.source.sql("whole", "CREATE TABLE t AS SELECT 1 AS id");
    let outcome = pair.migrate().args(["--force-method", "dump", "--append"]).run().expect_code(1);
    pair.assert_equal("whole");
    let block = outcome.stderr.split("Databases:").nth(1).expect("the final block");
    let torn = block.lines().find(|line| line.contains("'torn'")).unwrap_or_else(|| panic!("{outcome}"));
    assert!(torn.contains("method: 'dump', status: 'failed'"), "{torn}");
    assert!(torn.contains(r#"could not create unique index "twice_pkey""#), "{torn}");
    assert!(torn.contains("Key (id)=(1) is duplicated"), "{torn}");
    assert!(block.contains("dbaname: 'whole', method: 'dump', status: 'done'"), "{outcome}");
    let last = outcome.stderr.lines().last().unwrap();
    assert_eq!(last, "PGMigrateError: 1 of 3 databases failed: 'torn'");
}

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
INSERT INTO multiranges VALUES ('{[1,3), [5,)}', '{[1,2]}', '[-0,Infinity)'), ('{}', NULL, 'empty')";

#[test]
fn values_of_every_type_arrive_unchanged() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("types");
    pair.source.sql("types", TYPES);
    if pair.source.installation.major >= 14 {
        pair.source.sql("types", MULTIRANGES);
    }
    // Other types take the values where the target's owner wants it so.
    for (cluster, columns) in [
        (&pair.source, "a int, b varchar(9), c text"),
        (&pair.target, "c varchar(9), x int DEFAULT 5, b text, a bigint"),
    ] {
        cluster.create_database("other types");
        cluster.sql("other types", &format!("CREATE TABLE t ({columns})"));
    }
    pair.source.sql("other types", "INSERT INTO t VALUES (1, 'one', 'eins'), (NULL, '', NULL)");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("types");
    let rows = "SELECT string_agg(concat_ws('|', a, b, c), '; ' ORDER BY a) FROM t";
    assert_eq!(pair.target.value("other types", rows), "1|one|eins; ");
    assert_eq!(pair.target.value("other types", "SELECT sum(x) FROM t"), "10");
}
