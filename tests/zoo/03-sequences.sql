-- Sequences of every kind: a value lost or set to its start means duplicate keys after the cut-over.
CREATE SCHEMA sequences;
SET search_path = sequences;

CREATE SEQUENCE untouched START 42;
CREATE SEQUENCE called_once;
SELECT nextval('called_once');
-- last_value alone cannot tell these two apart.
CREATE SEQUENCE set_and_called;
SELECT setval('set_and_called', 7, true);
CREATE SEQUENCE set_and_not_called;
SELECT setval('set_and_not_called', 7, false);
CREATE SEQUENCE down AS int INCREMENT -3 MINVALUE -1000 MAXVALUE -1 START -10;
SELECT nextval('down'), nextval('down');
CREATE SEQUENCE round AS smallint MINVALUE 5 MAXVALUE 9 CYCLE;
SELECT nextval('round') FROM generate_series(1, 7);
CREATE SEQUENCE exhausted MAXVALUE 3;
SELECT nextval('exhausted') FROM generate_series(1, 3);
CREATE SEQUENCE cached CACHE 50;
SELECT nextval('cached');
CREATE SEQUENCE huge START 9223372036854775800 MAXVALUE 9223372036854775807;
SELECT nextval('huge') FROM generate_series(1, 8);

CREATE TABLE with_serial (id bigserial PRIMARY KEY, small smallserial);
INSERT INTO with_serial DEFAULT VALUES;
INSERT INTO with_serial DEFAULT VALUES;
CREATE TABLE with_identity (id int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY, v text);
INSERT INTO with_identity (v) VALUES ('a'), ('b');
-- Owned by a column that does not use it, and used by one that does not own it.
CREATE SEQUENCE owned OWNED BY with_identity.v;
CREATE SEQUENCE elsewhere;
CREATE TABLE uses (id bigint DEFAULT nextval('elsewhere') PRIMARY KEY);
INSERT INTO uses DEFAULT VALUES;
-- The default was dropped, the sequence stayed the column's.
CREATE TABLE left_serial (id serial PRIMARY KEY);
INSERT INTO left_serial DEFAULT VALUES;
ALTER TABLE left_serial ALTER id DROP DEFAULT;
-- Renamed after its table was made: its name says nothing.
CREATE TABLE renamed (id serial PRIMARY KEY);
INSERT INTO renamed DEFAULT VALUES;
ALTER SEQUENCE renamed_id_seq RENAME TO "Some Other Name";
ALTER TABLE renamed RENAME TO renamed_later;
\if :v15
CREATE UNLOGGED SEQUENCE unlogged_one;
SELECT setval('unlogged_one', 11);
\endif
