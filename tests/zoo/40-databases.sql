-- Databases with names, locales and properties of every kind; each holds a row, to be found again.
CREATE DATABASE "Zoo ""quoted"" 'name' 100% a=b \ ; --" OWNER zoo_owner;
\connect -reuse-previous=on "dbname='Zoo ""quoted"" \'name\' 100% a=b \\ ; --'"
CREATE TABLE t AS SELECT 1 AS id;
\connect postgres
CREATE DATABASE "-zoo leading dash";
\connect "-zoo leading dash"
CREATE TABLE t AS SELECT 2 AS id;
\connect postgres
CREATE DATABASE "Zoo Ünïcode 日本" CONNECTION LIMIT 5;
\connect "Zoo Ünïcode 日本"
CREATE TABLE t AS SELECT 3 AS id;
\connect postgres
CREATE DATABASE "zoo_63_bytes_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz";
\connect "zoo_63_bytes_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz"
CREATE TABLE t AS SELECT 4 AS id;
\connect postgres
CREATE DATABASE "postgresql://zoo?host=nowhere";
\connect -reuse-previous=on 'dbname=''postgresql://zoo?host=nowhere'''
CREATE TABLE t AS SELECT 5 AS id;
\connect postgres

CREATE DATABASE zoo_latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\connect zoo_latin
CREATE TABLE "täble" (id int PRIMARY KEY, v text);
INSERT INTO "täble" VALUES (1, 'äöü'), (2, E'\xA4');
\connect postgres
CREATE DATABASE zoo_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
\connect zoo_ascii
SET client_encoding = 'SQL_ASCII';
CREATE TABLE t (id int PRIMARY KEY, v text);
-- Bytes that are no character of any encoding.
INSERT INTO t VALUES (1, E'\xFF\xFE'), (2, E'\xC3\xA4');
\connect postgres
SET client_encoding = 'UTF8';
CREATE DATABASE zoo_properties OWNER "zoo-with-dash" CONNECTION LIMIT 17;
COMMENT ON DATABASE zoo_properties IS 'it''s a database';
ALTER DATABASE zoo_properties SET search_path = "Mixed Case", public;
ALTER DATABASE zoo_properties SET work_mem = '7MB';
ALTER ROLE zoo_reader IN DATABASE zoo_properties SET search_path = 'only here', public;
ALTER ROLE zoo_reader IN DATABASE zoo_properties SET "DateStyle" = 'SQL, DMY';
REVOKE ALL ON DATABASE zoo_properties FROM PUBLIC;
GRANT CONNECT ON DATABASE zoo_properties TO zoo_reader WITH GRANT OPTION;
GRANT CREATE, TEMPORARY ON DATABASE zoo_properties TO "Zoo ""Keeper""";
\connect zoo_properties
-- Settings of the database that would change what a copy reads and writes.
ALTER DATABASE zoo_properties SET "DateStyle" = 'SQL, DMY';
ALTER DATABASE zoo_properties SET "IntervalStyle" = 'sql_standard';
ALTER DATABASE zoo_properties SET bytea_output = 'escape';
ALTER DATABASE zoo_properties SET extra_float_digits = -5;
ALTER DATABASE zoo_properties SET standard_conforming_strings = off;
ALTER DATABASE zoo_properties SET default_transaction_read_only = on;
ALTER DATABASE zoo_properties SET row_security = off;
ALTER DATABASE zoo_properties SET "TimeZone" = 'Asia/Kathmandu';
CREATE TABLE t (id int PRIMARY KEY, d date, i interval, b bytea, f float8, s text, z timestamptz);
INSERT INTO t VALUES (1, '2020-03-04', '-1 year 2 days -03:04', E'\\x00ff5c27', 0.1::float8 + 0.2, 'back\slash', '2020-03-04 05:06:07.89+01');
CREATE VIEW v AS SELECT * FROM t WHERE s = E'back\\slash' AND d > '2020-02-03';
\connect postgres
\if :v15
CREATE DATABASE zoo_icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-x-icu' LOCALE 'C' ENCODING 'UTF8';
\connect zoo_icu
CREATE TABLE t (v text PRIMARY KEY) PARTITION BY RANGE (v);
CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('m');
CREATE TABLE t_z PARTITION OF t FOR VALUES FROM ('m') TO (MAXVALUE);
INSERT INTO t VALUES ('a'), ('Z'), ('ä');
\connect postgres
\endif
\if :v17
CREATE DATABASE zoo_builtin TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' ENCODING 'UTF8';
\connect zoo_builtin
CREATE TABLE t AS SELECT 'ä' AS v;
\connect postgres
\endif
-- Without what every database has.
CREATE DATABASE zoo_bare;
\connect zoo_bare
DROP SCHEMA public;
DROP EXTENSION plpgsql;
CREATE SCHEMA bare;
CREATE TABLE bare.t AS SELECT 1 AS id;
\connect postgres
-- A template is not a database of the user's.
CREATE DATABASE zoo_template IS_TEMPLATE true;
