-- Values of every core type with their edges: the same bits must arrive, in text as in binary.
CREATE SCHEMA types;
SET search_path = types;

CREATE TABLE numbers (id int PRIMARY KEY, s smallint, i int, b bigint, r real, d double precision, n numeric, n2 numeric(30, 10), m money, o oid);
INSERT INTO numbers VALUES
    (1, -32768, -2147483648, -9223372036854775808, '-Infinity', '-Infinity', 'NaN', -0.0000000001, '-92233720368547758.08', 0),
    (2, 32767, 2147483647, 9223372036854775807, 'NaN', 'NaN', 1e-1000, 99999999999999999999.9999999999, '92233720368547758.07', 4294967295),
    (3, 0, 0, 0, -0.0, -0.0, -0.000, 0, 0, 1),
    (4, 1, 1, 1, 1.17549435e-38, 2.2250738585072014e-308, ('1' || repeat('0', 5000) || '.' || repeat('3', 5000))::numeric, 1.5, 1.23, 2),
    (5, NULL, NULL, NULL, 3.4028234e38, 4.9e-324, 1.10, 1.1, NULL, NULL),
    (6, 2, 2, 2, 0.1, 0.1::float8 + 0.2::float8, 1.1000, 2.50, 0.01, 3);
\if :v14
INSERT INTO numbers (id, n) VALUES (7, 'Infinity'), (8, '-Infinity');
\endif

CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar(5), c char(7), one "char", n name, b bytea, bits bit(5), vb varbit);
INSERT INTO texts VALUES
    (1, '', '', '', '', '', '', B'00000', B''),
    (2, E'\\N', E'\\.', ' a ', '\', 'n', '\x00ff5c', B'10101', B'1'),
    (3, E'tab\tcr\rlf\nbs\bff\fvt\v', E'\t\n', E'\n', 'x', 'ü', decode(repeat('00', 3000), 'hex'), B'11111', B'1010101010101'),
    (4, repeat('ä€𝄞', 5000), 'ä€𝄞äö', 'ä', NULL, NULL, NULL, NULL, NULL),
    (5, E'"quoted", (paren), {brace}, \\ back', ',', '"', '"', '"', '\\x', B'00001', B'0'),
    (6, 'NULL', 'null', 'NULL', 'N', 'NULL', 'NULL', NULL, NULL);

CREATE TABLE times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval, i3 interval(3), t0 time(0));
INSERT INTO times VALUES
    (1, '-infinity', '00:00', '00:00+15:59', '-infinity', '-infinity', '-178000000 years', '1 day -00:00:00.001', '23:59:59'),
    (2, 'infinity', '24:00', '24:00-15:59', 'infinity', 'infinity', '178000000 years', '-1 mon +1 day', '24:00'),
    (3, '4714-11-24 BC', '23:59:59.999999', '12:00:00.000001+05:30', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00+00 BC',
        '1 year -2 mons +3 days -04:05:06.789', '0', '00:00'),
    (4, '5874897-12-31', '12:34:56.5', '01:02:03-08', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '-00:00:00.000001', NULL, NULL),
    (5, '1582-10-10', NULL, NULL, '1883-11-18 12:03:57.5', '1883-11-18 12:03:57.5+00', '1 mon', NULL, NULL);
\if :v17
INSERT INTO times (id, i) VALUES (6, 'infinity'), (7, '-infinity');
\endif

CREATE TABLE shapes (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO shapes VALUES
    (1, '(1e300,-0)', '{1,-1,0.1}', '[(0,0),(1,1)]', '(2,2),(1,1)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),1.1>'),
    (2, '(NaN,Infinity)', '{0,1,0}', NULL, NULL, '((0,0))', '((0,0))', '<(1,2),0>');

CREATE TABLE net (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8, u uuid);
INSERT INTO net VALUES
    (1, '::ffff:1.2.3.4/128', '::/0', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '00000000-0000-0000-0000-000000000000'),
    (2, '10.1.2.3/8', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'ffffffff-ffff-ffff-ffff-ffffffffffff');

CREATE TABLE documents (id int PRIMARY KEY, j json, jb jsonb, x xml, tv tsvector, tq tsquery, jp jsonpath);
INSERT INTO documents VALUES
    (1, '{"b":1,  "a":2, "a":3}', '{"b": 1e400, "a": [1, null, "\u00e4", {}]}', '<a b="1">ä &amp; <c/></a>',
        'a:1A b:2,3 ''it''''s'' ''\\''', 'a & !(b | c:*AB) <2> d', '$."a b"[*] ? (@.x > 1)'),
    (2, 'null', 'null', 'text only', '', '', 'strict $'),
    (3, '[]', '"\\\""', NULL, NULL, NULL, '$.a.type()');

CREATE TABLE system_types (id int PRIMARY KEY, l pg_lsn, s txid_snapshot, t tid, x xid, c cid, rc regclass, rt regtype, rr regrole);
INSERT INTO system_types VALUES
    (1, 'FFFFFFFF/FFFFFFFF', '1:5:2,3', '(4294967295,65535)', '4294967295', '1', 'pg_class', 'int4', 'pg_monitor'),
    (2, '0/0', NULL, '(0,1)', '0', '0', 'types.numbers', 'types.numbers', NULL);
\if :v13
CREATE TABLE system_types_13 (id int PRIMARY KEY, s pg_snapshot, x xid8);
INSERT INTO system_types_13 VALUES (1, '1:5:2,3', '18446744073709551615');
\endif

-- Types of the user, one inside the other. Binary forms of arrays and rows hold OIDs, which differ between servers.
CREATE TYPE level AS ENUM ('low', 'high');
ALTER TYPE level ADD VALUE 'middle' BEFORE 'high';
ALTER TYPE level ADD VALUE 'lowest' BEFORE 'low';
CREATE DOMAIN percent AS numeric(5, 2) DEFAULT 50 CHECK (VALUE BETWEEN 0 AND 100) NOT NULL;
CREATE DOMAIN levels AS level[] CHECK (array_length(VALUE, 1) < 5);
CREATE TYPE pair AS (a int, b text, c level);
CREATE TYPE nested AS (p pair, ps pair[], d levels);
CREATE DOMAIN valid_pair AS pair CHECK ((VALUE).a > 0);
CREATE FUNCTION level_difference(float8, float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT $1 - $2';
CREATE TYPE span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = types.level_difference);
CREATE TYPE text_span AS RANGE (SUBTYPE = text, COLLATION = "C");
CREATE TABLE own_types (
    id int PRIMARY KEY, e level, es level[], p percent, ps percent[], l levels, c pair, cs pair[], n nested, v valid_pair,
    s span, ss span[], ts text_span, whole types.numbers
);
INSERT INTO own_types VALUES
    (1, 'middle', '{low,NULL,lowest}', 99.99, '{1,2.5}', '{high}', ROW(1, 'x,"y"', 'low'), ARRAY[ROW(1, NULL, NULL)::pair, NULL],
        ROW(ROW(1, '', 'high'), ARRAY[ROW(2, '\', NULL)::pair], '{low}'), ROW(1, NULL, NULL),
        '[0.1,Infinity)', '{"[1,2]",empty}', '(a,)', NULL),
    (2, NULL, '{}', 0, NULL, NULL, NULL, '{}', NULL, NULL, 'empty', NULL, '[,]', ROW(1, 2, 3, 4, 5, 6, 7.10, 8, 9, 10));
CREATE TABLE ranges (id int PRIMARY KEY, i int4range, b int8range, n numrange, t tsrange, tz tstzrange, d daterange, ns numrange[]);
INSERT INTO ranges VALUES
    (1, '[1,5)', '(,)', '(1.10,2.2]', '[-infinity,infinity]', '(,2020-01-01 00:00+02)', '[2020-01-01,)', '{"[1,2)","(3,4]"}'),
    (2, 'empty', NULL, 'empty', NULL, NULL, 'empty', '{}');
\if :v14
CREATE TABLE multiranges (id int PRIMARY KEY, i int4multirange, s types.span_multirange, d datemultirange);
INSERT INTO multiranges VALUES (1, '{[1,3),[7,9)}', '{[1,2],(3,4)}', '{}');
CREATE TYPE named_span AS RANGE (SUBTYPE = int4, MULTIRANGE_TYPE_NAME = types."Many Spans");
CREATE TABLE named_multirange (id int PRIMARY KEY, m types."Many Spans");
INSERT INTO named_multirange VALUES (1, '{[1,3),[7,9)}');
\endif

CREATE TABLE arrays (id int PRIMARY KEY, i int[], i3 int[][][], t text[], j jsonb[], ts timestamptz[], b bytea[], "c" "char"[], v int2vector, o oidvector);
INSERT INTO arrays VALUES
    (1, '[-5:-3]={1,NULL,3}', '{{{1,2},{3,4}},{{5,6},{7,8}}}', ARRAY['NULL', NULL, '', '"', '\', '{}', ' ', ',', E'\n'],
        ARRAY['{"a": "b,c"}', 'null']::jsonb[], '{infinity,2020-01-01 00:00+00}', ARRAY['\x', '\x00']::bytea[], '{a,"",NULL}', '1 2 3', '1 2'),
    (2, '{}', '{}', '{}', '{}', '{}', NULL, '{}', '', '');

-- A base type with its own input and output functions, which only a superuser can make.
CREATE TYPE base;
CREATE FUNCTION base_in(cstring) RETURNS base IMMUTABLE STRICT LANGUAGE internal AS 'int4in';
CREATE FUNCTION base_out(base) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'int4out';
CREATE TYPE base (INPUT = base_in, OUTPUT = base_out, INTERNALLENGTH = 4, PASSEDBYVALUE, ALIGNMENT = int4, CATEGORY = 'N');
CREATE CAST (base AS int) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE TYPE shell_only;
CREATE TABLE of_base (id int PRIMARY KEY, b base, bs base[]);
INSERT INTO of_base VALUES (1, '-7', '{1,2}');
